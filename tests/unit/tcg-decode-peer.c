/*
 * The decoder against Zydis: every opcode of every map with many prefixes, ModRM bytes and the three code sizes, then random
 * bytes. Validity and length must agree, and with them operands, memory access, flags and privilege.
 *
 * Known differences are in the table below, each with the manual's word on it.
 */
#include <Zydis/Zydis.h>

#include "target/i386/state.h"
#include "target/i386/tcg/decode.h"

typedef struct Peer {
    ZydisDecoder decoder;
    RhCodeSize code;
} Peer;

typedef struct Reading {        /* one instruction, read by both */
    const uint8_t *bytes;
    unsigned nr;
    RhCodeSize code;
    RhDecodeResult result;
    RhInsn insn;
    bool is_theirs_ok;
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
} Reading;

/* Differences by kind and mnemonic, so that one wrong row makes one line. */
static GHashTable *differences;
static uint64_t nr_compared;

/* What differs and is right all the same: SDM vol. 2, page of the instruction, if no other place is given */
static const struct {
    const char *what;
    RhOp first, last;
} known[] = {
    /* Some flags survive a count of 0; the peer does not look at the count. */
    { "flags read", RH_OP_ROL, RH_OP_SHRD },
    { "flags written", RH_OP_ROL, RH_OP_SHRD },
    /* All survive when rCX is 0 under a repeat prefix, SDM vol. 2 REP. */
    { "flags read", RH_OP_CMPS, RH_OP_CMPS },
    { "flags read", RH_OP_SCAS, RH_OP_SCAS },
    /* Who pushes or saves RFLAGS reads them: gates, task switches (SDM vol. 3 §7.3), IRET under NT, SYSCALL to R11. */
    { "flags read", RH_OP_JMP_FAR, RH_OP_CALL_FAR },
    { "flags written", RH_OP_JMP_FAR, RH_OP_CALL_FAR },
    { "flags read", RH_OP_IRET, RH_OP_INT1 },
    { "flags read", RH_OP_SYSCALL, RH_OP_SYSCALL },
    /* Its page has no "NP": processors take it with any prefix. */
    { "valid", RH_OP_VMCALL, RH_OP_VMCALL },
    /* It reports by flags in VMX root operation alone; to a guest it is an exit, SDM vol. 3 §26.1.2. */
    { "flags written", RH_OP_VMCALL, RH_OP_VMCALL },
    /* "MOVSXD r16, r/m16" */
    { "memory size", RH_OP_MOVSX, RH_OP_MOVSX },
    /* "r16, r16/m16", "r32, r32/m16": 16 bits of it are looked at. */
    { "register size", RH_OP_LAR, RH_OP_LSL },
    /* The line is flushed; what is checked is a byte. */
    { "memory size", RH_OP_CLFLUSH, RH_OP_CLFLUSH },
    /* Operands that nobody looks at */
    { "register size", RH_OP_UD, RH_OP_NOP },
    /* "#GP(0) if the current privilege level is not 0" for LGDT; "#UD" for the others, which is no privilege in our sense. */
    { "privileged", RH_OP_LGDT, RH_OP_LIDT },
    { "privileged", RH_OP_MONITOR, RH_OP_MWAIT },
    { "privileged", RH_OP_CLAC, RH_OP_STAC },
};

static bool is_known(const Reading *r, const char *what)
{
    for (unsigned i = 0; i < RH_COUNT(known); i++) {
        if (g_str_equal(known[i].what, what) && r->insn.op >= known[i].first && r->insn.op <= known[i].last) {
            return true;
        }
    }
    return false;
}

static void note_difference(const Reading *r, const char *what, uint64_t ours, uint64_t theirs)
{
    g_autofree char *key = g_strdup_printf("%s: ours %s, theirs %s", what, rh_op_name(r->insn.op),
                                           r->is_theirs_ok ? ZydisMnemonicGetString(r->theirs.mnemonic) : "(invalid)");
    if (g_hash_table_contains(differences, key)) {
        return;
    }
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < RH_INSN_MAX; i++) {
        g_string_append_printf(text, "%02x", r->bytes[i]);
    }
    g_string_append_printf(text, " in %u-bit code, ours %" PRIx64 ", theirs %" PRIx64, r->code * 8, ours, theirs);
    g_hash_table_insert(differences, g_steal_pointer(&key), g_string_free(g_steal_pointer(&text), FALSE));
}

/* ---- what guests do not have: valid there, #UD here ---- */

static bool is_beyond(const Reading *r)
{
    switch (r->theirs.meta.isa_ext) {
    case ZYDIS_ISA_EXT_AMD3DNOW: case ZYDIS_ISA_EXT_AMD_INVLPGB: case ZYDIS_ISA_EXT_AMX_BF16: case ZYDIS_ISA_EXT_AMX_INT8:
    case ZYDIS_ISA_EXT_AMX_TILE: case ZYDIS_ISA_EXT_AVX512EVEX: case ZYDIS_ISA_EXT_AVX512VEX: case ZYDIS_ISA_EXT_AVX_VNNI:
    case ZYDIS_ISA_EXT_CET: case ZYDIS_ISA_EXT_CLZERO: case ZYDIS_ISA_EXT_ENQCMD: case ZYDIS_ISA_EXT_FMA4:
    case ZYDIS_ISA_EXT_GFNI: case ZYDIS_ISA_EXT_HRESET: case ZYDIS_ISA_EXT_KEYLOCKER: case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
    case ZYDIS_ISA_EXT_KNC: case ZYDIS_ISA_EXT_KNCE: case ZYDIS_ISA_EXT_KNCV: case ZYDIS_ISA_EXT_MCOMMIT:
    case ZYDIS_ISA_EXT_MONITORX: case ZYDIS_ISA_EXT_PADLOCK: case ZYDIS_ISA_EXT_PCONFIG: case ZYDIS_ISA_EXT_PKU:
    case ZYDIS_ISA_EXT_PT: case ZYDIS_ISA_EXT_RDPRU: case ZYDIS_ISA_EXT_RTM: case ZYDIS_ISA_EXT_SGX:
    case ZYDIS_ISA_EXT_SGX_ENCLV: case ZYDIS_ISA_EXT_SMX: case ZYDIS_ISA_EXT_SNP: case ZYDIS_ISA_EXT_SSE4A:
    case ZYDIS_ISA_EXT_SVM: case ZYDIS_ISA_EXT_TBM: case ZYDIS_ISA_EXT_TDX: case ZYDIS_ISA_EXT_TSX_LDTRK:
    case ZYDIS_ISA_EXT_UINTR: case ZYDIS_ISA_EXT_VAES: case ZYDIS_ISA_EXT_VMFUNC: case ZYDIS_ISA_EXT_VPCLMULQDQ:
    case ZYDIS_ISA_EXT_VTX: case ZYDIS_ISA_EXT_WAITPKG: case ZYDIS_ISA_EXT_XOP:
        return true;
    default:
        return false;
    }
}

/* ---- comparisons ---- */

static unsigned register_number(ZydisRegister reg)
{
    switch (reg) {
    case ZYDIS_REGISTER_NONE: return RH_NO_REG;
    case ZYDIS_REGISTER_RIP:
    case ZYDIS_REGISTER_EIP:  return RH_REG_RIP;
    default:                  return ZydisRegisterGetId(reg);
    }
}

static void compare(const Reading *r, const char *what, uint64_t ours, uint64_t theirs)
{
    if (ours != theirs && !is_known(r, what)) {
        note_difference(r, what, ours, theirs);
    }
}

static uint64_t cut(uint64_t value, unsigned size)
{
    return size >= 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

/* SIB base 5 under mod 0: a displacement and no base, whatever REX.B; the peer sees R13D, SDM vol. 2 tables 2-3 and 2-5. */
static bool has_baseless_sib(const RhInsn *insn)
{
    return insn->addr_size == 4 && insn->modrm < 0x40 && (insn->modrm & 7) == 4 && (insn->bytes[insn->modrm_at + 1] & 7) == 5;
}

static void compare_memory(const Reading *r, const ZydisDecodedOperand *op)
{
    const RhInsn *insn = &r->insn;
    const ZydisDecodedOperandMem *mem = &op->mem;
    bool is_lea = insn->op == RH_OP_LEA;

    compare(r, "has memory", insn->has_mem, 1);
    if (has_baseless_sib(insn)) {
        return;
    }
    compare(r, "base", insn->base, register_number(mem->base));
    compare(r, "index", insn->index, register_number(mem->index));
    if (mem->index != ZYDIS_REGISTER_NONE && insn->addr_size != 2) {
        compare(r, "scale", insn->scale, mem->scale);
    }
    compare(r, "displacement", cut(insn->disp, insn->addr_size), cut(mem->disp.value, insn->addr_size));
    if (!is_lea && insn->segment != RH_NO_REG) {
        compare(r, "segment", insn->segment, ZydisRegisterGetId(mem->segment));
    }
    if (insn->mem_size) {
        compare(r, "memory size", insn->mem_size * 8, op->size);
        compare(r, "reads memory", !!(insn->traits & RH_INSN_READS_MEM), !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_READ));
        compare(r, "writes memory", !!(insn->traits & RH_INSN_WRITES_MEM), !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE));
    }
}

static bool is_general(ZydisRegister reg)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(reg);

    return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

static bool is_high_byte(ZydisRegister reg)
{
    return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

/* The number that the decoder gives a register: AH to BH are 0 to 3. */
static unsigned expected_number(ZydisRegister reg)
{
    return is_high_byte(reg) ? (unsigned)(reg - ZYDIS_REGISTER_AH)
           : ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8 && reg >= ZYDIS_REGISTER_SPL
               ? (unsigned)(reg - ZYDIS_REGISTER_SPL + 4)
               : (unsigned)ZydisRegisterGetId(reg);
}

static void compare_general(const Reading *r, ZydisOperandEncoding encoding, const ZydisDecodedOperand *op)
{
    const RhInsn *insn = &r->insn;
    bool is_rm = encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM;
    bool is_first = insn->operand[0] == (is_rm ? RH_RM : encoding == ZYDIS_OPERAND_ENCODING_NDSNDD ? RH_VVVV : RH_REG);

    if (insn->op == RH_OP_VECTOR) {
        uint32_t trait = is_rm ? RH_INSN_GPR_RM : RH_INSN_GPR_REG;

        compare(r, "general register", !!(insn->traits & trait), 1);
        compare(r, "general register written", !!(insn->traits & RH_INSN_GPR_WRITTEN), !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE));
        return;
    }
    if (encoding != ZYDIS_OPERAND_ENCODING_NDSNDD) {
        compare(r, "high byte", is_rm ? insn->is_high_rm : insn->is_high_reg, is_high_byte(op->reg.value));
    }
    compare(r, "register size", (is_first ? insn->size : insn->src_size) * 8, ZydisRegisterGetWidth(r->theirs.machine_mode, op->reg.value));
}

static void compare_register(const Reading *r, const ZydisDecodedOperand *op)
{
    const RhInsn *insn = &r->insn;
    unsigned nr = expected_number(op->reg.value);

    switch (op->encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
    case ZYDIS_OPERAND_ENCODING_OPCODE:
        if (insn->op == RH_OP_X87) {
            return;
        }
        compare(r, "reg", insn->reg, nr);
        break;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        if (insn->op == RH_OP_X87) {
            return;
        }
        compare(r, "rm", insn->rm, nr);
        break;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        compare(r, "vvvv", insn->vvvv, nr);
        break;
    default:
        return;
    }
    if (is_general(op->reg.value)) {
        compare_general(r, op->encoding, op);
    } else if (insn->op == RH_OP_VECTOR && op->encoding != ZYDIS_OPERAND_ENCODING_NDSNDD) {
        compare(r, "general register", insn->traits & (op->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ? RH_INSN_GPR_RM : RH_INSN_GPR_REG), 0);
    }
}

static void compare_operand(const Reading *r, const ZydisDecodedOperand *op, unsigned *nr_imm)
{
    const RhInsn *insn = &r->insn;

    switch (op->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        compare_register(r, op);
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        if (op->encoding != ZYDIS_OPERAND_ENCODING_NONE) {
            compare_memory(r, op);
        }
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        compare(r, "selector", insn->imm, op->ptr.segment);
        compare(r, "offset", insn->imm2, op->ptr.offset);
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (op->encoding != ZYDIS_OPERAND_ENCODING_NONE) {
            unsigned size = op->size / 8;

            compare(r, "immediate", cut((*nr_imm)++ ? insn->imm2 : insn->imm, size), cut(op->imm.value.u, size));
        }
        break;
    default:
        break;
    }
}

static void compare_flags(const Reading *r)
{
    const ZydisAccessedFlags *flags = r->theirs.cpu_flags;
    ZydisAccessedFlags none = { 0 };

    if (!flags) {
        flags = &none;
    }
    uint32_t written = (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) & RH_FLAGS_STATUS;

    /* VPTEST, VTESTPS, VTESTPD clear OF, SF, AF and PF as PTEST does. */
    if (r->insn.is_vex && written == (RH_FLAG_CF | RH_FLAG_ZF)) {
        written = RH_FLAGS_STATUS;
    }
    compare(r, "flags written", r->insn.flags_written, written);
    compare(r, "flags read", r->insn.flags_read, flags->tested & RH_FLAGS_STATUS);
}

static void compare_attributes(const Reading *r)
{
    const RhInsn *insn = &r->insn;
    ZydisInstructionAttributes attributes = r->theirs.attributes;

    compare(r, "privileged", !!(insn->traits & RH_INSN_PRIVILEGED), !!(attributes & ZYDIS_ATTRIB_IS_PRIVILEGED));
    if (insn->has_mem) {
        compare(r, "lockable", !!(insn->traits & RH_INSN_LOCKABLE), !!(attributes & ZYDIS_ATTRIB_ACCEPTS_LOCK));
    }
    compare(r, "address size", insn->addr_size * 8, r->theirs.address_width);
    if (insn->has_modrm) {
        compare(r, "offset of ModRM", insn->modrm_at, r->theirs.raw.modrm.offset);
    }
    if (insn->imm_size && r->theirs.raw.imm[0].size) {
        compare(r, "offset of immediate", insn->imm_at, r->theirs.raw.imm[0].offset);
        compare(r, "size of immediate", insn->imm_size, (r->theirs.raw.imm[0].size + r->theirs.raw.imm[1].size) / 8);
    }
}

static void compare_reading(const Reading *r)
{
    bool is_ours_ok = r->result == RH_DECODE_OK && r->insn.op != RH_OP_INVALID;
    unsigned nr_imm = 0;

    nr_compared++;
    if (is_ours_ok != r->is_theirs_ok) {
        if (r->is_theirs_ok ? !is_beyond(r) : !is_known(r, "valid")) {
            note_difference(r, "valid", is_ours_ok, r->is_theirs_ok);
        }
        return;
    }
    if (!is_ours_ok) {
        return;
    }
    if (r->insn.len != r->theirs.length) {
        note_difference(r, "length", r->insn.len, r->theirs.length);
        return;
    }
    for (unsigned i = 0; i < r->theirs.operand_count; i++) {
        compare_operand(r, &r->operands[i], &nr_imm);
    }
    compare_flags(r);
    compare_attributes(r);
}

static void read_both(const Peer *peer, const uint8_t bytes[RH_INSN_MAX])
{
    Reading r = { .bytes = bytes, .nr = RH_INSN_MAX, .code = peer->code };

    r.result = rh_decode(bytes, RH_INSN_MAX, peer->code, &r.insn);
    r.is_theirs_ok = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&peer->decoder, bytes, RH_INSN_MAX, &r.theirs, r.operands));
    compare_reading(&r);
}

/* ---- what is compared ---- */

static const Peer *peers(void)
{
    static Peer all[3] = { { .code = RH_CODE_16 }, { .code = RH_CODE_32 }, { .code = RH_CODE_64 } };

    ZydisDecoderInit(&all[0].decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecoderInit(&all[1].decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    ZydisDecoderInit(&all[2].decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (unsigned i = 0; i < RH_COUNT(all); i++) {
        /* Features that guests do not have: what is NOP without them */
        ZydisDecoderEnableMode(&all[i].decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        ZydisDecoderEnableMode(&all[i].decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
        ZydisDecoderEnableMode(&all[i].decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
        ZydisDecoderEnableMode(&all[i].decoder, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE);
    }
    return all;
}

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(2685821657736338717);
}

static void fill(uint8_t *at, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        at[i] = next_random() >> 40;
    }
}

/* Every opcode and each @step-th ModRM, not always the same, behind @lead, whose length is @nr */
static void sweep(const Peer *peer, const uint8_t *lead, unsigned nr, unsigned step)
{
    uint8_t bytes[RH_INSN_MAX];

    memcpy(bytes, lead, nr);
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        for (unsigned modrm = next_random() % step; modrm < 256; modrm += step) {
            bytes[nr] = opcode;
            bytes[nr + 1] = modrm;
            fill(bytes + nr + 2, RH_INSN_MAX - nr - 2);
            read_both(peer, bytes);
        }
    }
}

static void report(void)
{
    GHashTableIter iter;
    void *key;
    void *value;

    g_test_message("%" PRIu64 " instructions compared", nr_compared);
    g_hash_table_iter_init(&iter, differences);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_test_message("%s: %s", (char *)key, (char *)value);
    }
    g_assert_cmpuint(g_hash_table_size(differences), ==, 0);
    g_hash_table_unref(differences);
}

static void begin(void)
{
    nr_compared = 0;
    differences = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void test_legacy(void)
{
    static const struct { uint8_t bytes[4]; uint8_t nr; } prefixes[] = {
        { { 0 }, 0 }, { { 0x66 }, 1 }, { { 0xf2 }, 1 }, { { 0xf3 }, 1 }, { { 0x67 }, 1 }, { { 0xf0 }, 1 },
        { { 0x66, 0xf2 }, 2 }, { { 0xf3, 0x66 }, 2 }, { { 0xf2, 0xf3 }, 2 }, { { 0x64, 0x67, 0x66 }, 3 }, { { 0x65, 0x2e }, 2 },
        { { 0x48 }, 1 }, { { 0x66, 0x48 }, 2 }, { { 0xf3, 0x4f }, 2 }, { { 0x47 }, 1 }, { { 0x40 }, 1 }, { { 0xf2, 0x44 }, 2 },
        { { 0x4c, 0x66 }, 2 }, { { 0xf0, 0xf2, 0x45 }, 3 },
    };
    static const struct { uint8_t bytes[2]; uint8_t nr; } maps[] = {
        { { 0 }, 0 }, { { 0x0f }, 1 }, { { 0x0f, 0x38 }, 2 }, { { 0x0f, 0x3a }, 2 },
    };
    const Peer *all = peers();

    begin();
    for (unsigned i = 0; i < 3 * RH_COUNT(prefixes) * RH_COUNT(maps); i++) {
        unsigned p = i / 3 % RH_COUNT(prefixes);
        unsigned m = i / 3 / RH_COUNT(prefixes);
        uint8_t lead[8];

        memcpy(lead, prefixes[p].bytes, prefixes[p].nr);
        memcpy(lead + prefixes[p].nr, maps[m].bytes, maps[m].nr);
        sweep(&all[i % 3], lead, prefixes[p].nr + maps[m].nr, 23);
    }
    report();
}

static void test_vex(void)
{
    const Peer *all = peers();

    begin();
    for (unsigned i = 0; i < 3 * 256; i++) {
        uint8_t wlpp = i / 3;               /* W vvvv L pp: the vvvv that matter most are none and some */
        uint8_t second = i & 0x40 ? wlpp | 0x78 : wlpp;

        for (unsigned map = 0; map < 5; map++) {
            uint8_t three[3] = { 0xc4, (next_random() & 0xe0) | map, second };

            sweep(&all[i % 3], three, 3, 251);
        }
        uint8_t two[2] = { 0xc5, second };

        sweep(&all[i % 3], two, 2, 251);
    }
    report();
}

static void test_random(void)
{
    const Peer *all = peers();
    uint8_t bytes[RH_INSN_MAX];

    begin();
    for (unsigned i = 0; i < 400000; i++) {
        fill(bytes, sizeof(bytes));
        read_both(&all[i % 3], bytes);
    }
    report();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/decode-peer/legacy", test_legacy);
    g_test_add_func("/tcg/decode-peer/vex", test_vex);
    g_test_add_func("/tcg/decode-peer/random", test_random);
    return g_test_run();
}
