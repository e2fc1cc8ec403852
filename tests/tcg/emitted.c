/*
 * Containment: what the translator emits is decoded again and held against a list. docs/engine.md, "Security", is what this
 * file checks:
 * - only instructions of allowed[], and nothing names RSP;
 * - memory is a field of the CPU's own struct, by its address, or guest memory behind a check of the TLB for that size and kind of access;
 * - jumps stay in the block, at borders of instructions, or lead to the glue or to another block's entry;
 * - calls lead to the piece of the block that tells which page it is of, and goes on to the glue.
 *
 * R10 and R11 are followed through each block: an address counts as checked only if the comparison dominates its use. There are
 * three forms: a sum in R10; a sum in R11 of a register that stays in the operand, with the addend in R10; a constant.
 */
#include "tests/tcg/check.h"
#include "tests/tcg/generate.h"
#include "tests/unit/tcg-jit-rig.h"

enum { CODE_SIZE = 16 << 20, CODE = RIG_PAGES, MAX_CODE = 32 * 1024, COLD_AT = MAX_CODE / 2, R10 = 10, R11 = 11 };

static const uint16_t allowed[] = {
    RH_OP_ADD, RH_OP_OR, RH_OP_ADC, RH_OP_SBB, RH_OP_AND, RH_OP_SUB, RH_OP_XOR, RH_OP_CMP, RH_OP_ROL, RH_OP_ROR, RH_OP_RCL,
    RH_OP_RCR, RH_OP_SHL, RH_OP_SHR, RH_OP_SAL, RH_OP_SAR, RH_OP_SHLD, RH_OP_SHRD, RH_OP_TEST, RH_OP_NOT, RH_OP_NEG,
    RH_OP_INC, RH_OP_DEC, RH_OP_MUL, RH_OP_IMUL1, RH_OP_IMUL, RH_OP_DIV, RH_OP_IDIV, RH_OP_MOV, RH_OP_MOVZX, RH_OP_MOVSX,
    RH_OP_LEA, RH_OP_XCHG, RH_OP_XADD, RH_OP_CMPXCHG, RH_OP_CMPXCHG8B, RH_OP_BSWAP, RH_OP_MOVBE, RH_OP_CBW, RH_OP_CWD,
    RH_OP_LAHF, RH_OP_SAHF, RH_OP_CMC, RH_OP_CLC, RH_OP_STC, RH_OP_SETCC, RH_OP_CMOVCC, RH_OP_JCC, RH_OP_JMP, RH_OP_CALL,
    RH_OP_NOP, RH_OP_PAUSE, RH_OP_BT, RH_OP_BTS, RH_OP_BTR, RH_OP_BTC, RH_OP_BSF, RH_OP_BSR, RH_OP_TZCNT, RH_OP_LZCNT,
    RH_OP_POPCNT, RH_OP_CRC32, RH_OP_ADCX, RH_OP_ADOX, RH_OP_ANDN, RH_OP_BEXTR, RH_OP_BLSI, RH_OP_BLSMSK, RH_OP_BLSR,
    RH_OP_BZHI, RH_OP_MULX, RH_OP_PDEP, RH_OP_PEXT, RH_OP_RORX, RH_OP_SARX, RH_OP_SHLX, RH_OP_SHRX, RH_OP_LDMXCSR,
    RH_OP_STMXCSR, RH_OP_FENCE, RH_OP_MOVNTI, RH_OP_EMMS, RH_OP_VECTOR, RH_OP_X87, RH_OP_RDTSC,
};

/* What R10 holds, and what R11 does */
typedef enum Holds {
    ANYTHING, INDEX /* into a TLB */, SUM, COMPARED, OFFSET /* in a page, checked */, HOST, FLAT,
    ADDRESS /* R11: base + disp */, ADDEND /* R10: of the page that base + disp is in */,
    NEGATIVE /* R11: the negated address of a page */, MATCHED /* nothing yet: an entry was compared with a constant */,
    PAGE /* R10: the host's, of that entry */
} Holds;
typedef struct Known {
    Holds r10, r11;
    unsigned view;              /* RhTlbMode */
    bool may_write;
    bool is_rax_lent;           /* RAX is in scratch[RH_SCRATCH_RAX], and used for something else */
    unsigned size;              /* of the access that was checked */
    uint8_t base;               /* ADDRESS, ADDEND: the register, */
    int64_t disp;               /* and what is added */
    uint64_t constant;          /* NEGATIVE: that */
    uint64_t entry;             /* MATCHED: offset in the TLBs */
} Known;

typedef struct Reader {
    const RhTcgJit *jit;
    struct { const uint8_t *start; unsigned len; } piece[2];    /* code, cold code */
    const uint8_t *at, *end;
    const uint8_t *tail, *tail_end;     /* what misses call */
    RhInsn insn;
    Known known;
    uint8_t is_border[MAX_CODE];
    uint8_t is_backward[MAX_CODE];      /* somebody jumps back to it */
    uint8_t has_known[MAX_CODE];        /* a jump forward leads to it, with that knowledge: */
    Known known_at[MAX_CODE];
    bool falls_through;
    const char *wrong;
} Reader;

static bool complain(Reader *r, const char *text)
{
    if (!r->wrong) {
        r->wrong = text;
    }
    return false;
}

/* --- memory --- */

typedef struct Field {
    uint64_t at, end;
    bool may_write;
} Field;
#define FIELD(name, may_write) { offsetof(RhTcgCpu, name), offsetof(RhTcgCpu, name) + sizeof(((RhTcgCpu *)0)->name), may_write }
static const Field fields[] = {
    FIELD(gpr, true), FIELD(rip, true), FIELD(scratch, true), FIELD(rflags, true), FIELD(shadow, true), FIELD(attention, true),
    FIELD(requests, false), FIELD(tsc_offset, false), FIELD(segment_base[RH_GS], true), FIELD(segment_base, false),
    FIELD(seg[RH_GS].base, true), FIELD(kernel_gs_base, true),
};

static bool writes_memory(const RhInsn *insn)
{
    return insn->traits & RH_INSN_WRITES_MEM;
}

static bool is_in_tlb(const Reader *r)
{
    uint64_t into = (uint64_t)r->insn.disp - (uintptr_t)r->jit->cpu->tlb;

    return into < sizeof(r->jit->cpu->tlb) && r->insn.mem_size == 8;
}

static bool check_field(Reader *r)
{
    uint64_t at = (uint64_t)r->insn.disp - (uintptr_t)r->jit->cpu;

    for (unsigned i = 0; i < RH_COUNT(fields); i++) {
        if (at >= fields[i].at && at + r->insn.mem_size <= fields[i].end && r->insn.mem_size) {
            return fields[i].may_write || !writes_memory(&r->insn) || complain(r, "writes to a field that is not the guest's");
        }
    }
    return complain(r, "touches another field");
}

static bool is_indexed(const RhInsn *insn, const Known *known)
{
    return insn->index == RH_NO_REG && (insn->base == R11 || (insn->base == R10 && known->r10 == INDEX));
}

/* [cpu + index + field of a TLB entry]; the field, or -1 */
static int64_t tlb_field(Reader *r, const Known *known, unsigned *ret_view)
{
    uint64_t into = (uint64_t)r->insn.disp - (uintptr_t)r->jit->cpu->tlb;
    unsigned table = RH_TLB_ENTRIES * sizeof(RhTlbEntry);

    if ((r->insn.base == R10 ? known->r10 : known->r11) != INDEX || into / table >= RH_NR_TLB_MODES || into % table >= sizeof(RhTlbEntry) ||
        writes_memory(&r->insn) || r->insn.mem_size != 8) {
        complain(r, "reaches into the CPU with an index");
        return -1;
    }
    *ret_view = (unsigned)(into / table);
    return (int64_t)(into % table);
}

static bool check_guest_memory(Reader *r)
{
    const RhInsn *insn = &r->insn;
    const Known *known = &r->known;
    bool is_pair = insn->base == R10 && insn->index == R11 && insn->scale == 1 && known->r10 == OFFSET && known->r11 == HOST;
    bool is_flat = insn->base == R10 && insn->index == RH_NO_REG && (known->r10 == FLAT || known->r10 == PAGE);
    bool is_based = insn->base != R10 && insn->index == R10 && insn->scale == 1 && known->r10 == ADDEND &&
                    insn->base == known->base && !(known->is_rax_lent && insn->base == RH_RAX);
    int64_t into = insn->disp - (is_based ? known->disp : 0);

    if (into < 0 || insn->addr_size != 8 || !(is_pair || is_flat || is_based)) {
        return complain(r, "memory that was not checked");
    }
    if (!insn->mem_size || into + insn->mem_size > known->size) {     /* several pushes share a check */
        return complain(r, "more memory than was checked");
    }
    return !writes_memory(insn) || known->may_write || complain(r, "writes after a check for reading");
}

/* --- following R10 and R11 --- */

static bool names(const RhInsn *insn, unsigned reg)
{
    for (unsigned i = 0; i < insn->nr_operands; i++) {
        unsigned kind = insn->operand[i];

        if ((kind == RH_REG && insn->reg == reg) || (kind == RH_RM && !insn->has_mem && insn->rm == reg) ||
            (kind == RH_VVVV && insn->vvvv == reg)) {
            return true;
        }
    }
    return false;
}

static bool is_plainly_general(const RhInsn *insn)
{
    return insn->op != RH_OP_VECTOR && insn->op != RH_OP_X87 && insn->op != RH_OP_EMMS;
}

static void forget(Reader *r)
{
    if (!is_plainly_general(&r->insn) && !(r->insn.traits & (RH_INSN_GPR_REG | RH_INSN_GPR_RM))) {
        return;
    }
    if (names(&r->insn, R10)) {
        r->known.r10 = ANYTHING;
    }
    if (names(&r->insn, R11)) {
        r->known.r11 = ANYTHING;
    }
}

/* Instructions that change a register without naming it: not between a check and the access that it is for. */
static bool writes_secretly(const RhInsn *insn)
{
    switch (insn->op) {
    case RH_OP_MUL: case RH_OP_IMUL1: case RH_OP_DIV: case RH_OP_IDIV: case RH_OP_CBW: case RH_OP_CWD: case RH_OP_CMPXCHG:
    case RH_OP_CMPXCHG8B: case RH_OP_RDTSC: return true;
    default: return false;
    }
}

/* RAX is put aside, changed, and fetched again where flags are restored; anything else loses the register. */
static void forget_base(Reader *r, const Known *was)
{
    const RhInsn *insn = &r->insn;
    bool has_base = was->r11 == ADDRESS || was->r10 == ADDEND || was->r11 == SUM || was->r11 == COMPARED || was->r11 == OFFSET;
    bool is_scratch_rax = insn->op == RH_OP_MOV && insn->has_mem && insn->base == RH_NO_REG && insn->reg == RH_RAX && insn->size == 8 &&
                          (uint64_t)insn->disp == (uint64_t)(uintptr_t)&r->jit->cpu->scratch[RH_SCRATCH_RAX];

    if (is_scratch_rax && (writes_memory(insn) || was->is_rax_lent)) {
        r->known.is_rax_lent = writes_memory(insn);
        return;
    }
    if (!has_base || (was->is_rax_lent && was->base == RH_RAX)) {
        return;
    }
    if (writes_secretly(insn) || (insn->op != RH_OP_CMP && insn->op != RH_OP_TEST && names(insn, was->base) &&
                                  !(insn->op == RH_OP_MOV && writes_memory(insn)))) {
        r->known.r10 = r->known.r10 == ADDEND ? ANYTHING : r->known.r10;
        r->known.r11 = ANYTHING;
    }
}

static void follow_indexed(Reader *r, const Known *was)
{
    unsigned view = 0;
    int64_t field = tlb_field(r, was, &view);
    bool is_write = field == offsetof(RhTlbEntry, minus_write);

    bool is_minus = is_write || field == offsetof(RhTlbEntry, minus_read);

    if (r->insn.op == RH_OP_ADD && r->insn.reg == R10 && was->r11 == INDEX && is_minus) {
        r->known = (Known){ .r10 = SUM, .r11 = INDEX, .view = view, .may_write = is_write };
    } else if (r->insn.op == RH_OP_ADD && r->insn.reg == R11 && r->insn.base == R10 && was->r11 == ADDRESS && is_minus) {
        r->known = *was;
        r->known.r11 = SUM;
        r->known.view = view;
        r->known.may_write = is_write;
    } else if (r->insn.op == RH_OP_MOV && r->insn.reg == R10 && r->insn.base == R10 && field == offsetof(RhTlbEntry, addend) &&
               was->r11 == OFFSET && was->view == view) {
        r->known = *was;
        r->known.r10 = ADDEND;
        r->known.r11 = ANYTHING;
    } else if (r->insn.op == RH_OP_MOV && r->insn.reg == R11 && field == offsetof(RhTlbEntry, host) && was->r10 == OFFSET &&
               was->view == view) {
        r->known = *was;
        r->known.r11 = HOST;
    }
}

/* An entry that is known when the code is written: compared with the page's negated address, then its host page */
static void follow_entry(Reader *r, const Known *was)
{
    const RhInsn *insn = &r->insn;
    const RhTcgCpu *cpu = r->jit->cpu;
    uint64_t into = (uint64_t)insn->disp - (uintptr_t)cpu->tlb;
    uint64_t field = into % sizeof(RhTlbEntry), entry = into - field;
    bool is_write = field == offsetof(RhTlbEntry, minus_write);
    bool by_register = insn->operand[0] == RH_REG && insn->reg == R11 && was->r11 == NEGATIVE;
    bool by_constant = insn->operand[0] == RH_RM && insn->operand[1] == RH_IMM;
    uint64_t minus = by_register ? was->constant : insn->imm;

    if (insn->op == RH_OP_CMP && (is_write || field == offsetof(RhTlbEntry, minus_read)) && (by_register || by_constant) &&
        minus % RH_PAGE_SIZE == 0 && rh_tlb_index(-minus) == entry / sizeof(RhTlbEntry) % RH_TLB_ENTRIES) {
        r->known = (Known){ .r10 = COMPARED, .r11 = MATCHED, .may_write = is_write, .size = RH_PAGE_SIZE, .entry = entry };
    } else if (insn->op == RH_OP_MOV && insn->operand[0] == RH_REG && insn->reg == R10 && was->r11 == MATCHED &&
               was->r10 == OFFSET && entry == was->entry && field == offsetof(RhTlbEntry, host)) {
        r->known = *was;
        r->known.r10 = PAGE;
        r->known.r11 = ANYTHING;
    }
}

/* Registers alone, and LEA */
static void follow_registers(Reader *r, const Known *was)
{
    const RhInsn *insn = &r->insn;
    bool is_copy = insn->op == RH_OP_MOV && insn->operand[0] == RH_REG && insn->operand[1] == RH_RM && !insn->has_mem;

    if (insn->op == RH_OP_AND && insn->operand[0] == RH_RM && insn->operand[1] == RH_IMM && (insn->rm == R10 || insn->rm == R11) &&
        insn->size == 4 && insn->imm == (RH_TLB_ENTRIES - 1) * sizeof(RhTlbEntry)) {
        *(insn->rm == R10 ? &r->known.r10 : &r->known.r11) = INDEX;
    } else if (insn->reg == R11 && insn->size == 8 && was->r10 == INDEX &&
               (is_copy || (insn->op == RH_OP_LEA && insn->index == RH_NO_REG && insn->base < 16))) {
        r->known.r11 = ADDRESS;
        r->known.base = is_copy ? insn->rm : insn->base;
        r->known.disp = is_copy ? 0 : insn->disp;
    } else if (insn->op == RH_OP_MOV && insn->operand[1] == RH_IMM && !insn->has_mem &&
               (insn->operand[0] == RH_REG ? insn->reg : insn->rm) == R11) {
        r->known.r11 = NEGATIVE;
        r->known.constant = insn->size == 4 ? (uint32_t)insn->imm : insn->imm;
    } else if (insn->op == RH_OP_CMP && insn->operand[0] == RH_RM && insn->operand[1] == RH_IMM && insn->rm == R10 &&
               insn->size == 8 && was->r10 == SUM && insn->imm <= RH_PAGE_SIZE) {
        r->known.r10 = COMPARED;
        r->known.size = RH_PAGE_SIZE - (unsigned)insn->imm;
    } else if (insn->op == RH_OP_CMP && insn->operand[0] == RH_RM && insn->operand[1] == RH_IMM && insn->rm == R11 &&
               insn->size == 8 && was->r11 == SUM && insn->imm <= RH_PAGE_SIZE) {
        r->known.r11 = COMPARED;
        r->known.size = RH_PAGE_SIZE - (unsigned)insn->imm;
    } else if (insn->op == RH_OP_LEA && insn->reg == R10 && insn->base == R10 && insn->index == R11 && insn->scale == 1 &&
               insn->disp == 0 && insn->size == 8 && was->r10 == OFFSET && was->r11 == HOST) {
        r->known.r10 = FLAT;
    }
}

static void follow(Reader *r)
{
    Known was = r->known;
    const RhInsn *insn = &r->insn;

    if (insn->op == RH_OP_JCC) {
        bool is_in = insn->cond == (was.r11 == MATCHED ? 5 : 7);    /* JNE out, JA out */

        r->known.r10 = was.r10 == COMPARED ? is_in ? OFFSET : ANYTHING : was.r10;
        r->known.r11 = was.r11 == COMPARED ? is_in ? OFFSET : ANYTHING : was.r11;
        return;
    }
    forget(r);
    forget_base(r, &was);
    if (insn->has_mem && insn->op != RH_OP_LEA && insn->base == RH_NO_REG && insn->index == RH_NO_REG && is_in_tlb(r)) {
        follow_entry(r, &was);
    } else if (insn->has_mem && insn->op != RH_OP_LEA && is_indexed(insn, &was)) {
        follow_indexed(r, &was);
    } else if (!insn->has_mem || insn->op == RH_OP_LEA) {
        follow_registers(r, &was);
    }
    if (r->known.r10 == COMPARED && was.r10 == COMPARED) {
        r->known.r10 = ANYTHING;        /* something stands between CMP and JA */
    }
    if (r->known.r11 == COMPARED && was.r11 == COMPARED) {
        r->known.r11 = ANYTHING;
    }
}

/* --- jumps --- */

static bool is_entry(const RhTcgJit *jit, const uint8_t *target)
{
    for (uint32_t i = 0; i < jit->nr_blocks; i++) {
        const RhBlock *block = &jit->blocks[i];

        if (block->code_len && (block->write_start == target || block->write_start + block->forward_at == target)) {
            return true;
        }
    }
    return false;
}

/* Where @address stands in the arrays of the reader, or -1: cold code behind the other */
static int64_t place_of(const Reader *r, const uint8_t *address)
{
    for (unsigned i = 0; i < 2; i++) {
        if ((uint64_t)(address - r->piece[i].start) < r->piece[i].len) {
            return address - r->piece[i].start + (i ? COLD_AT : 0);
        }
    }
    return -1;
}

static const uint8_t *target_of(const Reader *r)
{
    return r->at + r->insn.len + (int64_t)r->insn.imm;
}

static bool check_exit(Reader *r, const uint8_t *target)
{
    const RhGlue *glue = &r->jit->glue;

    if (target == glue->miss) {
        return (r->at >= r->tail && r->at < r->tail_end) || complain(r, "goes to the glue for misses without a call");
    }
    for (unsigned i = 0; i < RH_NR_LEAVES; i++) {
        if (target == glue->leave[i]) {
            return true;
        }
    }
    return target == glue->jump || is_entry(r->jit, target) || complain(r, "jumps out of the block");
}

static bool check_jump(Reader *r)
{
    const uint8_t *target = target_of(r);
    int64_t into = place_of(r, target);

    if (r->insn.op == RH_OP_CALL) {
        return target == r->tail || complain(r, "calls something else");
    }
    if (into < 0) {
        return check_exit(r, target);
    }
    if (!r->is_border[into] || (target >= r->tail && target < r->tail_end)) {
        return complain(r, "jumps into something");
    }
    if (into > place_of(r, r->at)) {    /* one who comes from elsewhere knows nothing */
        bool is_same = r->has_known[into] && memcmp(&r->known_at[into], &r->known, sizeof(Known)) == 0;

        r->known_at[into] = r->has_known[into] && !is_same ? (Known){ 0 } : r->known;
        r->has_known[into] = 1;
    }
    return true;
}

/* --- an instruction --- */

static bool is_allowed(const RhInsn *insn)
{
    for (unsigned i = 0; i < RH_COUNT(allowed); i++) {
        if (allowed[i] == insn->op) {
            return true;
        }
    }
    return false;
}

static bool touches_rsp(const RhInsn *insn)
{
    bool is_general_reg = is_plainly_general(insn) || (insn->traits & RH_INSN_GPR_REG);
    bool is_general_rm = is_plainly_general(insn) || (insn->traits & RH_INSN_GPR_RM);

    for (unsigned i = 0; i < insn->nr_operands; i++) {
        unsigned kind = insn->operand[i];

        if ((kind == RH_REG && is_general_reg && insn->reg == RH_RSP && !insn->is_high_reg) ||
            (kind == RH_RM && !insn->has_mem && is_general_rm && insn->rm == RH_RSP && !insn->is_high_rm) ||
            (kind == RH_VVVV && is_plainly_general(insn) && insn->vvvv == RH_RSP)) {
            return true;
        }
    }
    return false;
}

static bool check_memory(Reader *r)
{
    const RhInsn *insn = &r->insn;
    unsigned view;

    if (insn->traits & (RH_INSN_VSIB | RH_INSN_STRING_MEM)) {
        return complain(r, "memory by other registers");
    }
    if (!insn->has_mem || insn->op == RH_OP_LEA || insn->op == RH_OP_NOP) {
        return true;
    }
    if (insn->op == RH_OP_X87 && insn->mem_size > 10) {
        return complain(r, "an x87 environment");
    }
    if (insn->segment == RH_FS || insn->segment == RH_GS) {
        return complain(r, "a segment of the host's");
    }
    if (insn->base == RH_NO_REG && insn->index == RH_NO_REG) {
        return (is_in_tlb(r) && !writes_memory(insn)) || check_field(r);
    }
    if (is_indexed(insn, &r->known)) {
        return tlb_field(r, &r->known, &view) >= 0;
    }
    return check_guest_memory(r);
}

static bool check_insn(Reader *r)
{
    const RhInsn *insn = &r->insn;

    if (!is_allowed(insn) || (insn->traits & RH_INSN_PRIVILEGED)) {
        return complain(r, "an instruction that is not on the list");
    }
    if (touches_rsp(insn)) {
        return complain(r, "RSP");
    }
    if (insn->rep && insn->op != RH_OP_PAUSE && insn->op != RH_OP_XCHG) {
        return complain(r, "a repeat prefix");
    }
    if (!check_memory(r)) {
        return false;
    }
    return (insn->op != RH_OP_JMP && insn->op != RH_OP_JCC && insn->op != RH_OP_CALL) || check_jump(r);
}

/* --- a block --- */

static bool decode(Reader *r)
{
    return rh_decode(r->at, MIN((unsigned)(r->end - r->at), (unsigned)RH_INSN_MAX), RH_CODE_64, &r->insn) == RH_DECODE_OK ||
           complain(r, "no instruction");
}

static void each_insn(Reader *r, bool (*look)(Reader *r))
{
    for (unsigned i = 0; i < 2; i++) {
        r->end = r->piece[i].start + r->piece[i].len;
        for (r->at = r->piece[i].start; r->at < r->end; r->at += r->insn.len) {
            if (!decode(r) || !look(r)) {
                return;
            }
        }
    }
}

static bool note_border(Reader *r)
{
    r->is_border[place_of(r, r->at)] = 1;
    return true;
}

static bool note_backward(Reader *r)
{
    int64_t into = r->insn.op == RH_OP_JMP || r->insn.op == RH_OP_JCC ? place_of(r, target_of(r)) : -1;

    if (into >= 0 && into <= place_of(r, r->at)) {
        r->is_backward[into] = 1;
    }
    return true;
}

/* The tail stands behind the first jump of cold code: writes of constants to RIP, then a jump. */
static bool find_tail(Reader *r)
{
    bool is_cold = r->end == r->piece[1].start + r->piece[1].len;
    bool sets_rip = r->insn.op == RH_OP_MOV && r->insn.has_mem && r->insn.operand[1] == RH_IMM && r->insn.base == RH_NO_REG &&
                    (uint64_t)r->insn.disp - (uintptr_t)&r->jit->cpu->rip < 8;

    if (!is_cold || r->tail_end) {
        return true;
    }
    if (!r->tail) {
        r->tail = r->insn.op == RH_OP_JMP ? r->at + r->insn.len : NULL;
    } else if (r->insn.op == RH_OP_JMP) {
        r->tail_end = r->at + r->insn.len;
    } else if (!sets_rip) {
        return complain(r, "more than RIP is changed for a miss");
    }
    return true;
}

/* What is known where control may come from elsewhere */
static void join(Reader *r)
{
    int64_t into = place_of(r, r->at);

    if (r->is_backward[into]) {
        r->known = (Known){ 0 };
    } else if (r->has_known[into] && !r->falls_through) {
        r->known = r->known_at[into];
    } else if (r->has_known[into] || !r->falls_through) {
        r->known = (Known){ 0 };
    }
}

static void show(const Reader *r)
{
    g_autoptr(GString) text = g_string_new(r->wrong);

    g_string_append_printf(text, ", at %d:", (int)place_of(r, r->at));
    for (unsigned i = 0; i < r->insn.len; i++) {
        g_string_append_printf(text, " %02x", r->at[i]);
    }
    g_test_message("%s", text->str);
}

static bool read_insn(Reader *r)
{
    if (r->wrong) {
        return false;
    }
    if (r->at == r->piece[1].start && r->falls_through) {
        return complain(r, "runs out of the block");
    }
    join(r);
    if (!check_insn(r)) {
        return false;
    }
    follow(r);
    if (r->insn.op == RH_OP_CALL) {
        r->known = (Known){ 0 };
    }
    r->falls_through = r->insn.op != RH_OP_JMP;
    return true;
}

static bool check_block(const RhTcgJit *jit, const RhBlock *block, bool is_quiet)
{
    static Reader r;

    g_assert_cmpuint(MAX(block->code_len, block->cold_len), <, COLD_AT);
    memset(r.is_border, 0, sizeof(r.is_border));
    memset(r.is_backward, 0, sizeof(r.is_backward));
    memset(r.has_known, 0, sizeof(r.has_known));
    r.jit = jit;
    r.piece[0].start = block->write_start;
    r.piece[0].len = block->code_len;
    r.piece[1].start = block->write_dead;
    r.piece[1].len = block->cold_len;
    r.known = (Known){ 0 };
    r.falls_through = false;
    r.tail = r.tail_end = NULL;
    r.wrong = NULL;
    each_insn(&r, note_border);
    each_insn(&r, note_backward);
    each_insn(&r, find_tail);
    each_insn(&r, read_insn);
    if (!r.wrong && r.falls_through) {
        complain(&r, "runs out of the block");
    }
    if (r.wrong && !is_quiet) {
        show(&r);
    }
    return !r.wrong;
}

/* --- what is translated --- */

static Rig *rig;
static unsigned nr_made;

static void enter(RigMode mode, unsigned cpl)
{
    rig_enter(rig, mode, cpl);
    rig->cpu->cr4 |= mode == RIG_LONG ? 0x50000u : 0x40000u;
    rig->cpu->xcr0 = 7;
    rh_tcg_settle(rig->cpu);
    rh_tlb_flush(rig->cpu, false);
}

/* False: the block that was made of these bytes is not what it should be; they are shown. */
static bool is_contained(const uint8_t *code, unsigned len, uint64_t rip)
{
    RhTcgCpu *cpu = rig->cpu;
    const RhBlock *block;

    memset(rig->ram->host + CODE, 0xcc, RH_PAGE_SIZE);
    memcpy(rig->ram->host + rip, code, len);
    rh_jit_drop_page(cpu->jit, CODE);
    cpu->rip = rip;
    block = rh_jit_find(cpu->jit);
    g_assert_nonnull(block);
    if (!block->code_len) {
        return true;
    }
    nr_made++;
    if (!check_block(cpu->jit, block, false)) {
        for (unsigned i = 0; i < len; i++) {
            g_test_message("  guest's: %02x", code[i]);
        }
        return false;
    }
    return true;
}

static const struct {
    RigMode mode;
    unsigned cpl;
} modes[] = { { RIG_LONG, 3 }, { RIG_LONG, 0 }, { RIG_PAGED, 3 }, { RIG_PROTECTED, 0 }, { RIG_COMPAT, 3 } };

static void test_every_encoding(void)
{
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (unsigned m = 0; m < RH_COUNT(modes); m++) {
        enter(modes[m].mode, modes[m].cpl);
        for (unsigned i = 0; i < rh_native_nr_templates(RH_CODE_64) && nr_failed < 3; i++) {
            rh_native_case_nth(RH_CODE_64, i, &seed, &at);
            nr_failed += !is_contained(at.code, at.len, CODE + 16);
        }
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

static void test_sequences(void)
{
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (unsigned i = 0; i < rh_check_environment("TCG_CASES", 5000) && nr_failed < 3; i++) {
        unsigned m = i * 5 / 5000 % RH_COUNT(modes);

        if (i % 1000 == 0) {
            enter(modes[m].mode, modes[m].cpl);
        }
        rh_native_case_sequence(RH_CODE_64, 24, &seed, &at);
        nr_failed += !is_contained(at.code, at.len, CODE + 16 + rh_native_below(&seed, 3800));
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

/* Bytes without sense, and instructions with one byte changed: branches everywhere among them */
static void test_random_bytes(void)
{
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    uint8_t bytes[256];

    for (unsigned i = 0; i < rh_check_environment("TCG_CASES", 10000) && nr_failed < 3; i++) {
        unsigned m = i / 1000 % RH_COUNT(modes);
        unsigned nr = 0;

        if (i % 1000 == 0) {
            enter(modes[m].mode, modes[m].cpl);
        }
        while (nr + 16 < sizeof(bytes)) {
            RhInsn insn;

            rh_native_code_random(RH_CODE_64, &seed, &insn);
            if (rh_native_one_in(&seed, 4)) {
                insn.bytes[rh_native_below(&seed, insn.len)] = (uint8_t)(rh_native_next(&seed) >> 40);
            }
            memcpy(bytes + nr, insn.bytes, insn.len);
            nr += insn.len;
            if (rh_native_one_in(&seed, 6)) {           /* jcc, jmp, call, of one byte or four */
                static const uint8_t branches[] = { 0x70, 0x75, 0x7e, 0xeb, 0xe8, 0xe9, 0xc3, 0xff };

                bytes[nr++] = branches[rh_native_below(&seed, sizeof(branches))];
                bytes[nr++] = (uint8_t)(rh_native_next(&seed) >> 40);
            }
        }
        nr_failed += !is_contained(bytes, nr, CODE + 16 + rh_native_below(&seed, 3800));
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

/* The reader itself finds what is wrong: code of the translator's with one thing changed each. */
static void test_reader(void)
{
    static const uint8_t stores[][8] = {
        { 0x48, 0x89, 0x43, 0x08, 0xc3 },               /* mov [rbx + 8], rax; ret */
        { 0x48, 0x89, 0x04, 0x0b, 0xc3 },               /* mov [rbx + rcx], rax; ret */
        { 0x48, 0x89, 0x05, 0, 0, 0, 0, 0xc3 },         /* mov [rip], rax; ret */
    };
    RhTcgCpu *cpu = rig->cpu;

    enter(RIG_LONG, 3);
    for (unsigned n = 0; n < RH_COUNT(stores); n++) {
        unsigned nr_found = 0, nr_changed = 0;
        RhBlock *block;

        g_assert_true(is_contained(stores[n], sizeof(stores[n]), CODE + 16));
        block = rh_jit_find(cpu->jit);
        for (unsigned i = 0; i < block->code_len + block->cold_len; i++) {
            uint8_t *at = i < block->code_len ? block->write_start + i : block->write_dead + i - block->code_len;
            uint8_t was = *at;

            *at ^= 0x10;
            nr_changed++;
            nr_found += !check_block(cpu->jit, block, true);
            *at = was;
        }
        /* Others are operations or registers as good as what they stand for. */
        g_assert_cmpuint(nr_found, >, nr_changed / 2);
    }
}

/* The glue uses the engine's stack as C does; its memory is the CPU's struct all the same, and what it jumps to is never the guest's. */
static void test_glue(void)
{
    static const uint16_t in_glue[] = {
        RH_OP_MOV, RH_OP_PUSH, RH_OP_POP, RH_OP_ADD, RH_OP_SUB, RH_OP_AND, RH_OP_XOR, RH_OP_SHL, RH_OP_SHR, RH_OP_CMP, RH_OP_TEST, RH_OP_JCC, RH_OP_JMP,
        RH_OP_JMP_IND, RH_OP_CALL_IND, RH_OP_RET, RH_OP_INT3, RH_OP_LEA,
    };
    const RhTcgJit *jit = rig->cpu->jit;
    const uint8_t *at = jit->code;
    RhInsn insn = { 0 };

    for (; at < jit->glue.jump || insn.op != RH_OP_JMP; at += insn.len) {
        bool is_listed = false;

        g_assert_cmpint(rh_decode(at, RH_INSN_MAX, RH_CODE_64, &insn), ==, RH_DECODE_OK);
        for (unsigned i = 0; i < RH_COUNT(in_glue); i++) {
            is_listed |= insn.op == in_glue[i];
        }
        g_assert_true(is_listed);
        g_assert_true(!insn.has_mem || insn.op == RH_OP_LEA ||
                      (uint64_t)insn.disp - (uintptr_t)rig->cpu < sizeof(*rig->cpu));
        g_assert_false(writes_memory(&insn) && insn.has_mem && insn.base != RH_NO_REG);
    }
}

int main(int argc, char **argv)
{
    const char *why;
    int result;

    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    if (!rh_native_init(&why)) {
        g_print("1..0 # SKIP %s\n", why);
        return 0;
    }
    rig = jit_rig_new(CODE_SIZE);
    g_test_add_func("/tcg-emitted/glue", test_glue);
    g_test_add_func("/tcg-emitted/reader", test_reader);
    g_test_add_func("/tcg-emitted/every-encoding", test_every_encoding);
    g_test_add_func("/tcg-emitted/sequences", test_sequences);
    g_test_add_func("/tcg-emitted/random-bytes", test_random_bytes);
    result = g_test_run();
    g_test_message("%u blocks", nr_made);
    jit_rig_free(rig);
    return result;
}
