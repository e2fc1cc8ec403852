/*
 * Every vector and x87 encoding that the decoder lets through, with registers and memory of all kinds: what the engine makes of it
 * is what the host's CPU makes of the same bytes. An encoding that the host refuses must not get as far as a stub.
 */
#include "tcg-vector-rig.h"

#include <signal.h>

enum { AREA_BYTES = 2048, BASE = RH_RBX, BASE_AT = 512, STRING_AT = 1024, MAX_FAILURES = 20 };

#define MXCSR_PE 0x20u
#define MXCSR_OE_UE 0x18u
#define FP_ROUND_FZ_DAZ 0xe040u

typedef struct Check {
    RhTcgCpu *cpu;
    RigNative *native;
    GRand *rand;
    bool all_masked;
    unsigned nr_run, nr_trapped, nr_failures;
    RhInsn unknown[RH_NR_FEATS];    /* by feature: one that the host does not know, if its op is not 0 */
    bool is_known[RH_NR_FEATS];
} Check;

/* ---- values of all kinds ---- */

static const uint32_t singles[] = {
    0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7fa00000, 0xffc12345, 1, 0x807fffff,
    0x00800000, 0x7f7fffff, 0x3effffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x00400000, 0x40490fdb,
};
static const uint64_t doubles[] = {
    0, UINT64_C(1) << 63, UINT64_C(0x3ff0000000000000), UINT64_C(0xbff0000000000000), UINT64_C(0x7ff0000000000000),
    UINT64_C(0xfff0000000000000), UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff4000000000000), 1,
    UINT64_C(0x800fffffffffffff), UINT64_C(0x0010000000000000), UINT64_C(0x7fefffffffffffff),
    UINT64_C(0x41dfffffffc00000), UINT64_C(0xc1e0000000200000), UINT64_C(0x43e0000000000000),
    UINT64_C(0x47efffffe0000000), UINT64_C(0x36a0000000000000), UINT64_C(0x400921fb54442d18),
};
static const uint64_t integers[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x8000, 0x7fffffff, 0x80000000, 0xffffffff,
                                     UINT64_C(0x8000000000000000), UINT64_MAX, UINT64_C(0x0102030405060708) };

static uint64_t random64(GRand *rand)
{
    return (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

static uint64_t pick64(GRand *rand)
{
    uint32_t lo = singles[g_rand_int_range(rand, 0, RH_COUNT(singles))];
    uint32_t hi = singles[g_rand_int_range(rand, 0, RH_COUNT(singles))];

    switch (g_rand_int(rand) % 8) {
    case 0:
    case 1:  return (uint64_t)hi << 32 | lo;
    case 2:
    case 3:  return doubles[g_rand_int_range(rand, 0, RH_COUNT(doubles))];
    case 4:  return integers[g_rand_int_range(rand, 0, RH_COUNT(integers))];
    case 5:  return UINT64_C(0x3ff0000000000000) ^ (random64(rand) >> 8);
    case 6:  return (UINT64_C(0x3f8000003f800000) ^ (random64(rand) & UINT64_C(0x80ffffff80ffffff)));
    default: return random64(rand);
    }
}

static void fill64(GRand *rand, void *at, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        rh_st64((uint8_t *)at + i, pick64(rand));
    }
}

/* An x87 register: any class of value, formats that the CPU does not support among them. */
static void fill_st(GRand *rand, uint8_t *st)
{
    static const uint16_t exponents[] = { 0, 1, 0x3fff, 0xbfff, 0x7fff, 0xffff, 0x7ffe, 0x401e, 0xc03e, 0x3f81, 0x3c01 };
    static const uint64_t fractions[] = { 0, 1, UINT64_C(0x8000000000000000), UINT64_C(0xc000000000000000),
                                          UINT64_C(0xa000000000000000), UINT64_MAX, UINT64_C(0x7fffffffffffffff) };
    bool is_plain = g_rand_int(rand) & 1;
    uint16_t exponent = exponents[g_rand_int_range(rand, 0, RH_COUNT(exponents))];
    uint64_t fraction = fractions[g_rand_int_range(rand, 0, RH_COUNT(fractions))];

    if (is_plain) {
        exponent = (uint16_t)(0x3ff0 + g_rand_int(rand) % 0x30) | (g_rand_int(rand) & 0x8000);
        fraction = random64(rand) | UINT64_C(1) << 63;
    }
    memset(st, 0, 16);
    rh_st64(st, fraction);
    rh_st16(st + 8, exponent);
}

static void fill_vector(Check *check, RhTcgVector *vector)
{
    GRand *rand = check->rand;

    memset(vector, 0, sizeof(*vector));
    fill64(rand, vector->xmm, sizeof(vector->xmm));
    fill64(rand, vector->ymm_high, sizeof(vector->ymm_high));
    for (unsigned i = 0; i < 8; i++) {
        fill_st(rand, vector->st[i]);
    }
    vector->fcw = (uint16_t)(0x40 | (g_rand_int(rand) & 0xf00) | 0x3f);
    vector->fsw = (uint16_t)(g_rand_int(rand) & 0x7f00);
    vector->ftw = (uint8_t)(g_rand_int(rand) & 1 ? 0xff : g_rand_int(rand));
    vector->mxcsr = 0x1f80 | (g_rand_int(rand) & 1 ? g_rand_int(rand) & FP_ROUND_FZ_DAZ : 0);
    if (!check->all_masked) {
        vector->fcw &= (uint16_t)~(g_rand_int(rand) & 0x3f);
        vector->fsw |= g_rand_int(rand) % 4 ? 0 : g_rand_int(rand) & 0x3f;
        vector->mxcsr &= ~(g_rand_int(rand) & 0x1f80);
        vector->mxcsr |= g_rand_int(rand) & 0x3f;
    }
    /* As the CPU makes the summary bits from the others. */
    vector->fsw |= vector->fsw & ~vector->fcw & 0x3f ? 0x8080 : 0;
    vector->xstate_bv = 7;
}

/* Gathers are to stay in the area, whatever register the index is in. */
static void tame_index(Check *check, const RhInsn *insn, RhTcgVector *vector)
{
    bool has_short_index = !(insn->opcode & 1);

    for (unsigned i = 0; i < 16; i += has_short_index ? 4 : 8) {
        for (unsigned half = 0; half < 2; half++) {
            uint8_t *at = (half ? vector->ymm_high : vector->xmm)[insn->index] + i;
            uint32_t index = g_rand_int(check->rand) % 48 - 16;

            rh_st32(at, index);
            if (!has_short_index) {
                rh_st32(at + 4, (uint32_t)((int32_t)index >> 31));
            }
        }
    }
}

static void fill_registers(Check *check, const RhInsn *insn)
{
    RhTcgCpu *cpu = check->cpu;

    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        cpu->gpr[i] = pick64(check->rand);
    }
    if (insn->traits & RH_INSN_IMPLICIT_GPR) {          /* lengths of strings */
        cpu->gpr[RH_RAX] = g_rand_int(check->rand) % 40;
        cpu->gpr[RH_RDX] = g_rand_int(check->rand) % 40;
    }
    cpu->gpr[BASE] = (uintptr_t)rig_ram() + BASE_AT + (g_rand_int(check->rand) % 8 ? 0 : g_rand_int(check->rand) % 64);
    cpu->gpr[RH_RDI] = (uintptr_t)rig_ram() + STRING_AT + g_rand_int(check->rand) % 16;
    cpu->rflags = 2 | (g_rand_int(check->rand) & RH_FLAGS_STATUS);
    fill_vector(check, &cpu->vector);
    if (insn->traits & RH_INSN_VSIB) {
        tame_index(check, insn, &cpu->vector);
    }
    for (unsigned i = 0; !cpu->is_64 && i < RH_NR_GPR; i++) {
        cpu->gpr[i] = (uint32_t)cpu->gpr[i];
    }
}

/* ---- comparing ---- */

static void complain(Check *check, const RhInsn *insn, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void complain(Check *check, const RhInsn *insn, const char *format, ...)
{
    g_autoptr(GString) text = g_string_new(NULL);
    va_list args;

    for (unsigned i = 0; i < insn->len; i++) {
        g_string_append_printf(text, "%02x ", insn->bytes[i]);
    }
    va_start(args, format);
    g_string_append_vprintf(text, format, args);
    va_end(args);
    g_test_message("%s", text->str);
    g_test_fail();
    if (++check->nr_failures >= MAX_FAILURES) {
        g_error("too many failures");
    }
}

/* FIP, FDP and FOP are nobody's here: they are not compared, neither in registers nor in memory. */
static void hide_pointers(const RhInsn *insn, uint8_t *area, uint64_t at)
{
    unsigned reg = insn->modrm >> 3 & 7;
    uint8_t *environment;

    if (insn->op != RH_OP_X87 || !insn->has_mem || reg != 6 || (insn->opcode != 0xd9 && insn->opcode != 0xdd)) {
        return;
    }
    environment = area + (at - (uintptr_t)rig_ram());
    if (insn->mem_size == 14 || insn->mem_size == 94) {
        memset(environment + 6, 0, 8);
    } else {
        memset(environment + 12, 0, 14);
    }
}

static void compare_bytes(Check *check, const RhInsn *insn, const char *what, const void *got, const void *want, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const uint8_t *a = got, *b = want;

        if (a[i] != b[i]) {
            complain(check, insn, "%s[%zu] is %02x, the host's CPU says %02x", what, i, a[i], b[i]);
            return;
        }
    }
}

static void compare_state(Check *check, const RhInsn *insn)
{
    const RhTcgVector *got = &check->cpu->vector, *want = &check->native->after;
    const RigNative *native = check->native;
    unsigned half = sizeof(got->xmm) / 2;
    bool is_64 = check->cpu->is_64;     /* else registers 8 to 15 stay as they were, whatever the same bytes do to them in 64-bit code */

    compare_bytes(check, insn, "fcw, fsw, ftw", got, want, 5);
    compare_bytes(check, insn, "mxcsr", &got->mxcsr, &want->mxcsr, 4);
    compare_bytes(check, insn, "st", got->st, want->st, sizeof(got->st));
    compare_bytes(check, insn, "xmm", got->xmm, want->xmm, half);
    compare_bytes(check, insn, "upper xmm", got->xmm[8], is_64 ? want->xmm[8] : native->before.xmm[8], half);
    compare_bytes(check, insn, "ymm_high", got->ymm_high, want->ymm_high, half);
    compare_bytes(check, insn, "upper ymm_high", got->ymm_high[8], is_64 ? want->ymm_high[8] : native->before.ymm_high[8], half);
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        if (i != RH_RSP && check->cpu->gpr[i] != native->gpr[i]) {
            complain(check, insn, "gpr %u is %" PRIx64 ", the host's CPU says %" PRIx64, i, check->cpu->gpr[i],
                     native->gpr[i]);
        }
    }
    if ((check->cpu->rflags ^ native->rflags) & RH_FLAGS_STATUS) {
        complain(check, insn, "rflags are %" PRIx64 ", the host's CPU says %" PRIx64, check->cpu->rflags, native->rflags);
    }
    if (got->fip || got->fdp || got->fop) {
        complain(check, insn, "x87 pointers are shown");
    }
}

/* The signal that the host's kernel makes of an exception. */
static int signal_of(int vector)
{
    switch (vector) {
    case -1:        return 0;
    case RH_EXC_MF:
    case RH_EXC_XM: return SIGFPE;
    case RH_EXC_UD: return SIGILL;
    default:        return SIGSEGV;
    }
}

/* PE is not exact beside an overflow or underflow, nor are the flags of dot products: target/i386/tcg/vector.c. */
static bool is_same_mxcsr(const RhInsn *insn, uint32_t got, uint32_t want)
{
    bool is_dot_product = insn->map == 3 && (insn->opcode == 0x40 || insn->opcode == 0x41);
    uint32_t ignored = is_dot_product ? 0x3f : want & MXCSR_OE_UE ? MXCSR_PE : 0;

    return ((got ^ want) & ~ignored & 0xffff) == 0;
}

static void check_once(Check *check, const RhInsn *insn)
{
    static uint8_t before[AREA_BYTES], expected[AREA_BYTES];
    RhTcgCpu *cpu = check->cpu;
    RigNative *native = check->native;
    int vector, signal_nr;
    uint64_t at;

    fill64(check->rand, before, sizeof(before));
    fill_registers(check, insn);
    native->before = cpu->vector;
    memcpy(native->gpr, cpu->gpr, sizeof(native->gpr));
    native->rflags = cpu->rflags;
    memcpy(rig_ram(), before, sizeof(before));
    signal_nr = rig_run_native(native, insn->bytes, insn->len);
    memcpy(expected, rig_ram(), sizeof(expected));
    memcpy(rig_ram(), before, sizeof(before));
    if (signal_nr == SIGILL) {
        check->unknown[insn->feature] = *insn;
        return;
    }
    check->is_known[insn->feature] = true;
    rh_tcg_operand_address(cpu, insn, 1, RH_ACCESS_READ, &at);
    vector = rig_run(cpu, insn->bytes, insn->len);
    check->nr_run++;
    check->nr_trapped += vector >= 0;
    if (signal_of(vector) != signal_nr) {
        complain(check, insn, "raises exception %d, but signal %d on the host", vector, signal_nr);
    } else if (vector == RH_EXC_XM && !is_same_mxcsr(insn, cpu->vector.mxcsr, native->mxcsr_at_trap)) {
        complain(check, insn, "raises #XM with MXCSR %x, the host's CPU with %x", cpu->vector.mxcsr,
                 native->mxcsr_at_trap);
    } else if (vector < 0) {
        hide_pointers(insn, expected, at);
        hide_pointers(insn, rig_ram(), at);
        compare_state(check, insn);
    }
    compare_bytes(check, insn, "memory", rig_ram(), expected, sizeof(expected));
}

/* ---- all encodings ---- */

static bool names_rsp(const RhInsn *insn)
{
    return ((insn->traits & RH_INSN_GPR_REG) && insn->reg == RH_RSP) ||
           ((insn->traits & RH_INSN_GPR_RM) && !insn->has_mem && insn->rm == RH_RSP);
}

/*
 * The reference always runs in 64-bit mode. Outside of it VEX.W does not choose 64-bit general registers, and bit 7 of an
 * immediate not registers 8 to 15 (VBLENDVPS and kin).
 */
static bool means_other_there(const Check *check, const RhInsn *insn)
{
    bool has_wide = insn->rex_w && (insn->traits & (RH_INSN_GPR_REG | RH_INSN_GPR_RM));
    bool has_high = insn->map == 3 && insn->opcode >= 0x4a && insn->opcode <= 0x4c && (insn->imm & 0x80);

    return !check->cpu->is_64 && insn->is_vex && (has_wide || has_high);
}

static void check_encoding(Check *check, const uint8_t *bytes, unsigned nr, unsigned rounds)
{
    RhInsn insn;

    if (rh_decode(bytes, nr, (RhCodeSize)check->cpu->code_size, &insn) != RH_DECODE_OK ||
        (insn.op != RH_OP_VECTOR && insn.op != RH_OP_EMMS && insn.op != RH_OP_X87) || names_rsp(&insn) ||
        means_other_there(check, &insn) ||
        (insn.has_mem && (insn.base != BASE || (insn.index != RH_NO_REG && !(insn.traits & RH_INSN_VSIB)))) ||
        insn.segment == RH_FS || insn.segment == RH_GS) {
        return;
    }
    if (insn.has_mem && (insn.disp < -256 || insn.disp > 256)) {
        return;
    }
    if ((insn.traits & RH_INSN_VSIB) &&
        (insn.reg == insn.vvvv || insn.reg == insn.index || insn.vvvv == insn.index)) {
        return;
    }
    for (unsigned i = 0; i < rounds; i++) {
        check_once(check, &insn);
    }
}

enum { WITH_REGISTER, WITH_MEMORY, WITH_INDEX, NR_FORMS };

/* ModRM, SIB and an immediate, whether the instruction has them or not. */
static unsigned put_operands(Check *check, uint8_t *at, unsigned reg, unsigned form)
{
    unsigned rm = g_rand_int(check->rand) & 7;

    if (form == WITH_REGISTER) {
        at[0] = (uint8_t)(0xc0 | reg << 3 | rm);
        at[1] = (uint8_t)g_rand_int(check->rand);
        return 2;
    }
    at[0] = (uint8_t)(reg << 3 | (form == WITH_MEMORY ? BASE : 4));
    at[1] = (uint8_t)(form == WITH_MEMORY ? g_rand_int(check->rand) : (g_rand_int(check->rand) & 0xf8) | BASE);
    at[2] = (uint8_t)g_rand_int(check->rand);
    return 3;
}

static void check_legacy(Check *check, unsigned map, unsigned opcode, unsigned prefix)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
    static const uint8_t escapes[] = { 0, 0, 0x38, 0x3a };

    for (unsigned i = 0; i < 16; i++) {
        uint8_t bytes[RH_INSN_MAX] = { 0 };
        unsigned nr = 0;

        if (prefix) {
            bytes[nr++] = prefixes[prefix];
        }
        if (check->cpu->is_64 && (g_rand_int(check->rand) & 1)) {
            bytes[nr++] = (uint8_t)(0x40 | (g_rand_int(check->rand) & (i & 1 ? 0xc : 0xf)));
        }
        bytes[nr++] = 0x0f;
        if (escapes[map]) {
            bytes[nr++] = escapes[map];
        }
        bytes[nr++] = (uint8_t)opcode;
        nr += put_operands(check, bytes + nr, i / 2, i & 1);
        check_encoding(check, bytes, nr, 2);
    }
}

static void check_vex(Check *check, unsigned map, unsigned opcode, unsigned pp)
{
    for (unsigned i = 0; i < 8 * 2 * 2 * 2 * NR_FORMS; i++) {
        unsigned form = i / 64, reg = i & 7;
        unsigned wvl = (i & 8 ? 0x80u : 0) | (i & 16 ? 4u : 0) |
                       (i & 32 ? 0x78u : (g_rand_int(check->rand) & 0x78u));
        unsigned rxb = 0xe0;
        uint8_t bytes[RH_INSN_MAX] = { 0 };
        unsigned nr;

        if (check->cpu->is_64) {
            rxb = g_rand_int(check->rand) & (form == WITH_REGISTER ? 0xa0 : 0x80);
            rxb |= form == WITH_REGISTER ? 0x40 : form == WITH_MEMORY ? 0x60 : 0x20 | (g_rand_int(check->rand) & 0x40);
        } else {
            wvl |= 0x40;
        }
        bytes[0] = 0xc4;
        bytes[1] = (uint8_t)(rxb | map);
        bytes[2] = (uint8_t)(wvl | pp);
        nr = 3;
        if (map == 1 && !(wvl & 0x80) && (rxb & 0x60) == 0x60 && (g_rand_int(check->rand) & 1)) {
            bytes[0] = 0xc5;
            bytes[1] = (uint8_t)((rxb & 0x80) | wvl | pp);
            nr = 2;
        }
        bytes[nr++] = (uint8_t)opcode;
        nr += put_operands(check, bytes + nr, reg, form);
        check_encoding(check, bytes, nr, 1);
    }
}

static void check_all_vector(Check *check)
{
    for (unsigned map = 1; map <= 3; map++) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            for (unsigned pp = 0; pp < 4; pp++) {
                check_legacy(check, map, opcode, pp);
                check_vex(check, map, opcode, pp);
            }
        }
    }
}

/* Prefixes that mean nothing, or contradict each other, and displacements. */
static void check_prefixes(Check *check)
{
    static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0x67, 0x2e, 0x36, 0x3e, 0x26 };
    static const uint8_t starts[][2] = { { 0x0f, 0 }, { 0x0f, 0x38 }, { 0x0f, 0x3a }, { 0xd8, 1 }, { 0xc5, 1 }, { 0xc4, 1 } };

    for (unsigned i = 0; i < 400000; i++) {
        const uint8_t *start = starts[g_rand_int(check->rand) % RH_COUNT(starts)];
        uint8_t bytes[RH_INSN_MAX];
        unsigned nr = 0;

        fill64(check->rand, bytes + 7, 8);
        for (unsigned n = g_rand_int(check->rand) % 4; n > 0; n--) {
            bytes[nr++] = prefixes[g_rand_int(check->rand) % RH_COUNT(prefixes)];
        }
        if (g_rand_int(check->rand) % 3 == 0) {
            bytes[nr++] = (uint8_t)(0x40 | (g_rand_int(check->rand) & 0xf));
        }
        bytes[nr++] = (uint8_t)(start[0] | (start[0] == 0xd8 ? g_rand_int(check->rand) & 7 : 0));
        if (start[1] > 1) {
            bytes[nr++] = start[1];
        }
        for (unsigned at = nr; at < nr + 5; at++) {
            bytes[at] = (uint8_t)g_rand_int(check->rand);
        }
        check_encoding(check, bytes, RH_INSN_MAX, 1);
    }
}

static void check_all_x87(Check *check)
{
    for (unsigned opcode = 0xd8; opcode <= 0xdf; opcode++) {
        for (unsigned modrm = 0; modrm < 256; modrm++) {
            uint8_t bytes[3] = { 0x66, (uint8_t)opcode, (uint8_t)modrm };

            if (modrm >= 0xc0 || (modrm & 0xc7) == BASE) {
                check_encoding(check, bytes + 1, 2, 60);
                check_encoding(check, bytes, 3, 4);
            }
        }
    }
}

/* A host may lack a feature, and then all of it; the engine does not give it to guests there. */
static void check_unknown(Check *check)
{
    for (unsigned i = 0; i < RH_NR_FEATS; i++) {
        if (check->unknown[i].op && check->is_known[i]) {
            complain(check, &check->unknown[i], "is no instruction of the host's CPU");
        } else if (check->unknown[i].op) {
            g_test_message("the host's CPU lacks feature %u", i);
        }
    }
}

static void run_all(bool is_32, bool all_masked, void (*all)(Check *))
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    Check check = {
        .cpu = cpu, .native = g_aligned_alloc0(1, sizeof(RigNative), 64), .rand = g_rand_new_with_seed(1), .all_masked = all_masked,
    };

    rig_set_32(cpu, is_32);
    all(&check);
    check_unknown(&check);
    g_test_message("%u executed, %u raised an exception", check.nr_run, check.nr_trapped);
    g_assert_cmpuint(check.nr_run, >, 1000);
    g_rand_free(check.rand);
    g_aligned_free(check.native);
}

static void test_vector(void)
{
    run_all(false, true, check_all_vector);
}

static void test_vector_unmasked(void)
{
    run_all(false, false, check_all_vector);
}

static void test_vector_32(void)
{
    run_all(true, true, check_all_vector);
}

static void test_prefixes(void)
{
    run_all(false, false, check_prefixes);
}

static void test_x87(void)
{
    run_all(false, true, check_all_x87);
}

static void test_x87_unmasked(void)
{
    run_all(false, false, check_all_x87);
}

static void test_x87_32(void)
{
    run_all(true, false, check_all_x87);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!__builtin_cpu_supports("avx")) {
        g_print("1..0 # SKIP the host's CPU has no AVX\n");
        return 0;
    }
    g_test_add_func("/tcg/vector/native/vector", test_vector);
    g_test_add_func("/tcg/vector/native/vector-unmasked", test_vector_unmasked);
    g_test_add_func("/tcg/vector/native/vector-32", test_vector_32);
    g_test_add_func("/tcg/vector/native/prefixes", test_prefixes);
    g_test_add_func("/tcg/vector/native/x87", test_x87);
    g_test_add_func("/tcg/vector/native/x87-unmasked", test_x87_unmasked);
    g_test_add_func("/tcg/vector/native/x87-32", test_x87_32);
    return g_test_run();
}
