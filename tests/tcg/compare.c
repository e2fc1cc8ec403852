/*
 * Compares what an engine made of an instruction with what the processor did, and knows what the manual leaves undefined.
 */
#include "tests/tcg/native.h"

/* ---- what is undefined ---- */

static uint32_t undefined_by_shift(const RhInsn *insn, uint64_t count)
{
    count &= insn->size == 8 ? 63 : 31;
    if (count == 0) {
        return 0;
    }
    uint32_t flags = count != 1 ? RH_FLAG_OF : 0;

    if (insn->op <= RH_OP_RCR) {
        return flags;
    }
    flags |= RH_FLAG_AF;
    if (insn->op == RH_OP_SHLD || insn->op == RH_OP_SHRD) {
        return count > insn->size * 8u ? RH_FLAGS_STATUS : flags;
    }
    /* CF of SHL and SHR, when all bits have gone */
    return insn->op != RH_OP_SAR && count >= insn->size * 8u ? flags | RH_FLAG_CF : flags;
}

static uint64_t shift_count(const RhInsn *insn, const RhNativeState *before)
{
    switch (insn->operand[insn->nr_operands - 1]) {
    case RH_CL:  return before->gpr[RH_RCX];
    case RH_ONE: return 1;
    default:     return insn->imm;
    }
}

uint32_t rh_native_undefined_flags(const RhInsn *insn, const RhNativeState *before)
{
    switch (insn->op) {
    case RH_OP_OR: case RH_OP_AND: case RH_OP_XOR: case RH_OP_TEST:
        return RH_FLAG_AF;
    case RH_OP_ROL ... RH_OP_SHRD:
        return undefined_by_shift(insn, shift_count(insn, before));
    case RH_OP_MUL: case RH_OP_IMUL1: case RH_OP_IMUL:
        return RH_FLAG_SF | RH_FLAG_ZF | RH_FLAG_AF | RH_FLAG_PF;
    case RH_OP_DIV: case RH_OP_IDIV:
        return RH_FLAGS_STATUS;
    case RH_OP_BT: case RH_OP_BTS: case RH_OP_BTR: case RH_OP_BTC:
        return RH_FLAG_OF | RH_FLAG_SF | RH_FLAG_AF | RH_FLAG_PF;
    case RH_OP_BSF: case RH_OP_BSR:
        return RH_FLAG_CF | RH_FLAG_OF | RH_FLAG_SF | RH_FLAG_AF | RH_FLAG_PF;
    case RH_OP_TZCNT: case RH_OP_LZCNT:
        return RH_FLAG_OF | RH_FLAG_SF | RH_FLAG_AF | RH_FLAG_PF;
    case RH_OP_ANDN: case RH_OP_BZHI: case RH_OP_BLSI: case RH_OP_BLSMSK: case RH_OP_BLSR:
        return RH_FLAG_AF | RH_FLAG_PF;
    case RH_OP_BEXTR:
        return RH_FLAG_AF | RH_FLAG_SF | RH_FLAG_PF;
    case RH_OP_DAA: case RH_OP_DAS:
        return RH_FLAG_OF;
    case RH_OP_AAA: case RH_OP_AAS:
        return RH_FLAG_OF | RH_FLAG_SF | RH_FLAG_ZF | RH_FLAG_PF;
    case RH_OP_AAM: case RH_OP_AAD:
        return RH_FLAG_OF | RH_FLAG_AF | RH_FLAG_CF;
    default:
        return 0;
    }
}

/* BSF and BSR of 0 leave the destination undefined. */
static bool is_register_undefined(const RhNativeCase *at, const RhNativeState *expected, unsigned reg)
{
    return at->nr_insns == 1 && (at->insn.op == RH_OP_BSF || at->insn.op == RH_OP_BSR) && reg == at->insn.reg && expected->rflags & RH_FLAG_ZF;
}

/* ---- memory that tells where an x87 instruction stood: engines do not keep that ---- */

static uint64_t operand_address(const RhNativeCase *at)
{
    const RhInsn *insn = &at->insn;
    const RhNativeState *before = &at->before;
    uint64_t address = insn->disp;

    if (insn->base == RH_REG_RIP) {
        address += RH_NATIVE_CODE + RH_NATIVE_CODE_AT + insn->len;
    } else if (insn->base != RH_NO_REG) {
        address += before->gpr[insn->base];
    }
    if (insn->index != RH_NO_REG) {
        address += before->gpr[insn->index] * insn->scale;
    }
    address &= rh_bits(8 * insn->addr_size);
    address += insn->segment == RH_FS ? before->fs_base : insn->segment == RH_GS ? before->gs_base : 0;
    return address & rh_bits(8 * before->code_size);
}

/* FNSTENV and FNSAVE: everything behind the tag word, up to the end of the environment */
static bool is_pointer_byte(const RhNativeCase *at, unsigned offset)
{
    const RhInsn *insn = &at->insn;

    if (insn->op != RH_OP_X87 || !insn->has_mem || (insn->modrm >> 3 & 7) != 6 || (insn->opcode != 0xd9 && insn->opcode != 0xdd)) {
        return false;
    }
    bool is_short = insn->mem_size == 14 || insn->mem_size == 94;
    uint64_t from = operand_address(at) + (is_short ? 6 : 12);

    return RH_NATIVE_DATA + offset >= from && RH_NATIVE_DATA + offset < from + (is_short ? 8 : 16);
}

/* ---- what processors do as they please when vector and x87 instructions and POPA fault ---- */

#define MXCSR_FLAGS 0x3fu
#define MXCSR_OE_UE 0x18u
#define MXCSR_PE 0x20u

static bool is_dot_product(const RhInsn *insn)
{
    return insn->map == 3 && (insn->opcode == 0x40 || insn->opcode == 0x41);
}

static bool is_store_of_ten_bytes(const RhInsn *insn)
{
    unsigned reg = insn->modrm >> 3 & 7;

    return insn->op == RH_OP_X87 && insn->has_mem &&
           ((insn->opcode == 0xdb && reg == 7) || (insn->opcode == 0xdf && reg == 6));
}

/* Which flags come along with an unmasked exception: target/i386/tcg/vector.c says where the engine's differ. */
static uint32_t free_mxcsr_flags(const RhNativeCase *at, const RhNativeState *expected)
{
    if (expected->fault != RH_EXC_XM) {
        return MXCSR_FLAGS;             /* raised by the computation, then memory faults */
    }
    return is_dot_product(&at->insn) ? MXCSR_FLAGS : expected->vector.mxcsr & MXCSR_OE_UE ? MXCSR_PE : 0;
}

/* Part of what FSTP and FBSTP write to the first of two pages, when there is no second one */
static void adopt_ten_bytes(const RhNativeCase *at, RhNativeState *expected, const RhNativeState *got)
{
    enum { TEN = 10 };
    uint64_t from = operand_address(at) - RH_NATIVE_DATA;

    for (unsigned i = 0; i < TEN; i++) {
        if (from + i < RH_NATIVE_DATA_SIZE) {
            expected->data[from + i] = got->data[from + i];
        }
    }
}

/* Take over into @expected what @got may have otherwise, both having raised the same exception. */
static void adopt_what_is_free(const RhNativeCase *at, RhNativeState *expected, const RhNativeState *got)
{
    enum { OPERAND_MAX = 108 };
    uint32_t flags = free_mxcsr_flags(at, expected);

    expected->vector.mxcsr = (expected->vector.mxcsr & ~flags) | (got->vector.mxcsr & flags);
    if (at->insn.traits & RH_INSN_USES_MMX) {           /* switched to MMX already, or not yet */
        expected->vector.fsw = got->vector.fsw;
        expected->vector.ftw = got->vector.ftw;
        memcpy(expected->vector.st, got->vector.st, sizeof(got->vector.st));
    }
    /* which byte of those that fault; 16-bit offsets may come round to the segment's start between them */
    if (got->fault_cr2 - expected->fault_cr2 + OPERAND_MAX < 2 * OPERAND_MAX ||
        ((at->insn.traits & RH_INSN_STRING_MEM) && at->insn.addr_size == 2)) {
        expected->fault_cr2 = got->fault_cr2;
    }
    if (is_store_of_ten_bytes(&at->insn)) {
        adopt_ten_bytes(at, expected, got);
    }
}

/* MASKMOVDQU and MASKMOVQ may fault for bytes that the mask does not select; who does not goes on. */
static bool may_fault_or_not(const RhNativeCase *at, const RhNativeState *expected)
{
    return (at->insn.traits & RH_INSN_STRING_MEM) && (expected->fault == RH_EXC_PF || expected->fault == RH_EXC_GP);
}

/* POPA loads registers as it goes along, or all when it is sure of them: ESP is the same, so it can begin anew either way. */
static void adopt_popped(RhNativeState *expected, const RhNativeState *got)
{
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        expected->gpr[i] = i == RH_RSP ? expected->gpr[i] : got->gpr[i];
    }
}

/* What is not all or nothing */
static bool is_free_at_fault(const RhInsn *insn)
{
    return insn->op == RH_OP_VECTOR || insn->op == RH_OP_X87 || insn->op == RH_OP_POPA;
}

/* ---- comparison ---- */

typedef struct Compare {
    const RhNativeCase *at;
    const RhNativeState *expected, *got;
    GString *text;
} Compare;

static void differ(Compare *c, const char *what, uint64_t expected, uint64_t got)
{
    if (expected != got) {
        g_string_append_printf(c->text, "; %s is %" PRIx64 ", should be %" PRIx64, what, got, expected);
    }
}

static void differ_bytes(Compare *c, const char *what, unsigned nr, const uint8_t *expected, const uint8_t *got, unsigned size)
{
    if (memcmp(expected, got, size) == 0) {
        return;
    }
    g_string_append_printf(c->text, "; %s%u is ", what, nr);
    for (unsigned i = size; i-- > 0;) {
        g_string_append_printf(c->text, "%02x", got[i]);
    }
    g_string_append(c->text, ", should be ");
    for (unsigned i = size; i-- > 0;) {
        g_string_append_printf(c->text, "%02x", expected[i]);
    }
}

/*
 * Repeated string instructions with 32-bit addresses, when no element was done, because the count was zero or the first one
 * faulted: processors zero the upper halves of some registers, of which the manual does not speak, and others leave them all alone.
 */
static bool is_upper_half_free(const Compare *c, unsigned reg)
{
    const RhInsn *insn = &c->at->insn;
    bool is_string = insn->op >= RH_OP_MOVS && insn->op <= RH_OP_OUTS && insn->rep && insn->addr_size == 4;
    uint64_t before = c->at->before.gpr[reg];

    return is_string && c->at->nr_insns == 1 && (reg == RH_RCX || reg == RH_RSI || reg == RH_RDI) &&
           c->expected->gpr[reg] == (uint32_t)before && c->got->gpr[reg] == before;
}

static void compare_general(Compare *c)
{
    static const char *const names[RH_NR_GPR] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                  "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
    uint64_t defined = ~(uint64_t)RH_RFLAGS_RF;
    uint64_t visible = rh_bits(8 * c->at->before.code_size);

    differ(c, "fault", c->expected->fault, c->got->fault);
    differ(c, "error code", c->expected->fault_error, c->got->fault_error);
    differ(c, "cr2", c->expected->fault_cr2, c->got->fault_cr2);
    differ(c, "rip", c->expected->rip, c->got->rip);
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        if (!is_register_undefined(c->at, c->expected, i) && !is_upper_half_free(c, i)) {
            differ(c, names[i], c->expected->gpr[i] & visible, c->got->gpr[i] & visible);
        }
    }
    defined &= ~(uint64_t)(c->expected->fault == RH_NATIVE_NO_FAULT ? c->at->undefined_flags : c->at->undefined_flags_at_fault);
    differ(c, "rflags", c->expected->rflags & defined, c->got->rflags & defined);
    differ(c, "fs base", c->expected->fs_base, c->got->fs_base);
    differ(c, "gs base", c->expected->gs_base, c->got->gs_base);
}

static void compare_vector(Compare *c)
{
    const RhTcgVector *expected = &c->expected->vector;
    const RhTcgVector *got = &c->got->vector;

    differ(c, "fcw", expected->fcw, got->fcw);
    differ(c, "fsw", expected->fsw, got->fsw);
    differ(c, "ftw", expected->ftw, got->ftw);
    differ(c, "mxcsr", expected->mxcsr, got->mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        differ_bytes(c, "st", i, expected->st[i], got->st[i], 10);
    }
    for (unsigned i = 0; i < 16; i++) {
        differ_bytes(c, "xmm", i, expected->xmm[i], got->xmm[i], 16);
        differ_bytes(c, "upper ymm", i, expected->ymm_high[i], got->ymm_high[i], 16);
    }
}

static void compare_data(Compare *c)
{
    if (memcmp(c->expected->data, c->got->data, RH_NATIVE_DATA_SIZE) == 0) {
        return;
    }
    unsigned nr = 0;

    for (unsigned i = 0; i < RH_NATIVE_DATA_SIZE && nr < 8; i++) {
        if (c->expected->data[i] != c->got->data[i] && !is_pointer_byte(c->at, i)) {
            g_string_append_printf(c->text, "; byte at %x is %02x, should be %02x", RH_NATIVE_DATA + i, c->got->data[i], c->expected->data[i]);
            nr++;
        }
    }
}

static char *compare_all(const RhNativeCase *at, const RhNativeState *expected, const RhNativeState *got)
{
    Compare c = { at, expected, got, g_string_new(NULL) };

    for (unsigned i = 0; i < at->len; i++) {
        g_string_append_printf(c.text, "%02x", at->code[i]);
    }
    g_string_append_printf(c.text, " (%s)", rh_op_name(at->insn.op));
    size_t head = c.text->len;

    compare_general(&c);
    compare_vector(&c);
    compare_data(&c);
    bool is_same = c.text->len == head;

    return g_string_free(c.text, is_same);
}

/* The case with the instruction that raised the exception in place of the first one */
static const RhNativeCase *at_fault(const RhNativeCase *at, const RhNativeState *expected)
{
    static RhNativeCase shifted;
    uint64_t offset = expected->rip - (RH_NATIVE_CODE + RH_NATIVE_CODE_AT);
    RhInsn insn;

    if (expected->fault == RH_NATIVE_NO_FAULT || offset == 0 || offset >= at->len ||
        rh_decode(at->code + offset, at->len - (unsigned)offset, at->before.code_size, &insn) != RH_DECODE_OK) {
        return at;
    }
    if (insn.base == RH_REG_RIP) {
        insn.disp += (int64_t)offset;
    }
    shifted = *at;
    shifted.insn = insn;
    return &shifted;
}

char *rh_native_compare(const RhNativeCase *at, const RhNativeState *expected, const RhNativeState *got)
{
    static RhNativeState allowed;

    at = at_fault(at, expected);
    if (!is_free_at_fault(&at->insn) || expected->fault == RH_NATIVE_NO_FAULT) {
        return compare_all(at, expected, got);
    }
    if (may_fault_or_not(at, expected) &&
        (got->fault == RH_NATIVE_NO_FAULT || got->rip != expected->rip)) {
        return NULL;
    }
    allowed = *expected;
    if (expected->fault == got->fault && at->insn.op == RH_OP_POPA) {
        adopt_popped(&allowed, got);
    } else if (expected->fault == got->fault) {
        adopt_what_is_free(at, &allowed, got);
    }
    return compare_all(at, &allowed, got);
}

char *rh_native_check(const RhNativeCase *at, RhNativeRun run)
{
    RhNativeState expected;
    RhNativeState got = { 0 };

    rh_native_run(&at->before, at->code, at->len, &expected);
    run(&at->before, at->code, at->len, &got);
    return rh_native_compare(at, &expected, &got);
}
