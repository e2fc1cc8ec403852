/*
 * The native runner and its generator: known results, known faults, and that runs repeat. In 64-bit code and in 32-bit code.
 */
#include "tests/tcg/native.h"

enum { CODE = RH_NATIVE_CODE + RH_NATIVE_CODE_AT, DATA = RH_NATIVE_DATA, DATA_END = RH_NATIVE_DATA + RH_NATIVE_DATA_SIZE };

static RhNativeState before, after;

static void begin(void)
{
    uint64_t seed = 1;

    rh_native_state_random(RH_CODE_64, &seed, &before);
    memset(before.gpr, 0, sizeof(before.gpr));
    before.gpr[RH_RSP] = DATA + 4096;
    before.rflags = 0x202;
    before.fs_base = before.gs_base = 0;
    before.vector.fcw = 0x37f;
    before.vector.mxcsr = 0x1f80;
    before.vector.fsw = 0;
    before.vector.ftw = 0;
}

#define RUN(...) run((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void run(const uint8_t *code, size_t len)
{
    memset(&after, 0xee, sizeof(after));
    rh_native_run(&before, code, len, &after);
}

static void assert_fault(unsigned vector)
{
    g_assert_cmpuint(after.fault, ==, vector);
    g_assert_cmphex(after.rip, ==, CODE);
}

static void test_registers(void)
{
    begin();
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        before.gpr[i] = UINT64_C(0x0101010101010101) * (i + 1);
    }
    RUN(0x90);
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    g_assert_cmpmem(after.gpr, sizeof(after.gpr), before.gpr, sizeof(before.gpr));
    g_assert_cmpmem(after.vector.xmm, sizeof(after.vector.xmm), before.vector.xmm, sizeof(before.vector.xmm));
    g_assert_cmpmem(after.vector.ymm_high, sizeof(after.vector.ymm_high), before.vector.ymm_high, sizeof(before.vector.ymm_high));
    g_assert_cmpmem(after.data, sizeof(after.data), before.data, sizeof(before.data));
    g_assert_cmphex(after.rflags, ==, before.rflags);
    g_assert_cmphex(after.rip, ==, CODE + 1);
}

static void test_add(void)
{
    begin();
    before.gpr[RH_RAX] = INT64_MAX;
    before.gpr[RH_RBX] = 1;
    RUN(0x48, 0x01, 0xd8);
    g_assert_cmphex(after.gpr[RH_RAX], ==, UINT64_C(1) << 63);
    g_assert_cmphex(after.rflags & RH_FLAGS_STATUS, ==, RH_FLAG_OF | RH_FLAG_SF | RH_FLAG_PF | RH_FLAG_AF);
    before.rflags |= RH_FLAG_CF;
    before.gpr[RH_RAX] = 0xffffffff;
    before.gpr[RH_RBX] = 0;
    RUN(0x11, 0xd8);                                /* adc eax, ebx */
    g_assert_cmphex(after.gpr[RH_RAX], ==, 0);
    g_assert_cmphex(after.rflags & RH_FLAGS_STATUS, ==, RH_FLAG_CF | RH_FLAG_ZF | RH_FLAG_PF | RH_FLAG_AF);
}

static void test_memory(void)
{
    uint32_t value = 0x11223344;

    begin();
    memcpy(before.data + 64, &value, 4);
    before.gpr[RH_RDI] = DATA + 64;
    before.gpr[RH_RAX] = 1;
    RUN(0x01, 0x07);
    value++;
    g_assert_cmpmem(after.data + 64, 4, &value, 4);
    before.gs_base = 0x1000;
    before.gpr[RH_RDI] -= 0x1000;
    RUN(0x65, 0x8b, 0x07);
    g_assert_cmphex(after.gpr[RH_RAX], ==, 0x11223344);
    before.fs_base = 0x1000;
    RUN(0x64, 0x8b, 0x07);
    g_assert_cmphex(after.gpr[RH_RAX], ==, 0x11223344);
    g_assert_cmphex(after.fs_base, ==, 0x1000);
    before.gpr[RH_RAX] = 0x12345000;
    RUN(0xf3, 0x48, 0x0f, 0xae, 0xd0);              /* wrfsbase rax */
    g_assert_cmphex(after.fs_base, ==, 0x12345000);
}

static void test_vector(void)
{
    static const float a[4] = { 1, 2, 3, 4 };
    static const float b[4] = { 10, 20, 30, 40 };
    static const float sums[4] = { 11, 22, 33, 44 };
    static const uint8_t one[10] = { 0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f };

    begin();
    memcpy(before.vector.xmm[1], a, 16);
    memcpy(before.vector.ymm_high[2], b, 16);
    memcpy(before.vector.ymm_high[1], a, 16);
    memcpy(before.vector.xmm[2], b, 16);
    RUN(0xc5, 0xf4, 0x58, 0xc2);                    /* vaddps ymm0, ymm1, ymm2 */
    g_assert_cmpmem(after.vector.xmm[0], 16, sums, 16);
    g_assert_cmpmem(after.vector.ymm_high[0], 16, sums, 16);
    RUN(0xd9, 0xe8);                                /* fld1 */
    g_assert_cmpmem(after.vector.st[0], 10, one, 10);
    g_assert_cmphex(after.vector.fsw, ==, 7 << 11);
    g_assert_cmphex(after.vector.ftw, ==, 0x80);
    g_assert_cmphex(after.vector.fip, ==, 0);
}

static void test_faults(void)
{
    begin();
    before.gpr[RH_RDI] = DATA_END - 2;
    RUN(0x8b, 0x07);
    assert_fault(RH_EXC_PF);
    g_assert_cmphex(after.fault_cr2, ==, DATA_END);
    g_assert_cmphex(after.fault_error, ==, 4);      /* user, read, not present */
    RUN(0x89, 0x07);
    assert_fault(RH_EXC_PF);
    g_assert_cmphex(after.fault_error, ==, 6);
    before.gpr[RH_RDI] = UINT64_C(1) << 63;
    RUN(0x8b, 0x07);
    assert_fault(RH_EXC_GP);
    before.gpr[RH_RSP] = UINT64_C(1) << 63;
    RUN(0x50);
    assert_fault(RH_EXC_SS);
    RUN(0xf7, 0xf1);                                /* div ecx, which is 0 */
    assert_fault(RH_EXC_DE);
    RUN(0x0f, 0x0b);
    assert_fault(RH_EXC_UD);
    RUN(0xf4);
    assert_fault(RH_EXC_GP);
    before.gpr[RH_RDI] = DATA + 8;
    RUN(0x0f, 0x28, 0x07);                          /* movaps, misaligned */
    assert_fault(RH_EXC_GP);
    RUN(0xcc);
    g_assert_cmpuint(after.fault, ==, RH_EXC_BP);
    g_assert_cmphex(after.rip, ==, CODE + 1);
}

static void test_float_faults(void)
{
    begin();
    before.vector.mxcsr = 0x1f80 & ~0x200;          /* division by zero, unmasked */
    memset(before.vector.xmm[1], 0, 16);
    memset(before.vector.xmm[0], 0x3f, 16);
    RUN(0x0f, 0x5e, 0xc1);
    assert_fault(RH_EXC_XM);
    before.vector.fcw = 0x37e;                      /* invalid operation, unmasked, pending */
    before.vector.fsw = 0x8081;
    RUN(0x9b);
    assert_fault(RH_EXC_MF);
}

static void test_jumps(void)
{
    begin();
    RUN(0xeb, 0x20);
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    g_assert_cmphex(after.rip, ==, CODE + 0x22);
    before.gpr[RH_RAX] = 0x7000;
    RUN(0xff, 0xe0);
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    g_assert_cmphex(after.rip, ==, 0x7000);
    RUN(0xe8, 0x40, 0, 0, 0);
    g_assert_cmphex(after.rip, ==, CODE + 0x45);
    g_assert_cmphex(after.gpr[RH_RSP], ==, DATA + 4096 - 8);
    g_assert_cmphex(*(uint64_t *)(after.data + 4096 - 8), ==, CODE + 5);
    before.gpr[RH_RAX] = UINT64_C(1) << 63;
    RUN(0xff, 0xe0);
    assert_fault(RH_EXC_GP);
}

/* What the manual says little about, and the decoder relies on. */
static void test_details(void)
{
    begin();
    before.gpr[RH_RAX] = 1;
    before.gpr[RH_R8] = 2;
    RUN(0xf3, 0x41, 0x90);                          /* PAUSE, and no exchange */
    g_assert_cmphex(after.gpr[RH_RAX], ==, 1);
    before.fs_base = 0x1000;
    before.gpr[RH_RDI] = DATA - 0x1000;
    RUN(0x64, 0x2e, 0x8b, 0x07);                    /* CS does not take FS back */
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    RUN(0x64, 0x3e, 0x8b, 0x07);
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    before.gpr[RH_RDI] = DATA_END - 2;
    RUN(0x66, 0x63, 0x07);                          /* movsxd r16, m16 */
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    before.gpr[RH_RDI] = DATA;
    RUN(0x66, 0xe9, 0x20, 0x00, 0x00, 0x00);        /* 66 is ignored by near branches */
    g_assert_cmphex(after.rip, ==, CODE + 0x26);
    before.gpr[RH_RDI] = UINT64_C(1) << 63;
    before.gpr[RH_RBP] = UINT64_C(1) << 63;
    RUN(0x3e, 0x8b, 0x45, 0x00);                    /* DS: does not make it #GP */
    assert_fault(RH_EXC_SS);
    RUN(0x36, 0x8b, 0x07);
    assert_fault(RH_EXC_GP);
    RUN(0x64, 0x8b, 0x45, 0x00);                    /* with FS: neither */
    assert_fault(RH_EXC_GP);
}

/* ---- 32-bit code ---- */

static void begin_32(void)
{
    begin();
    before.code_size = RH_CODE_32;
}

static void test_registers_32(void)
{
    begin_32();
    for (unsigned i = 0; i < 8; i++) {
        before.gpr[i] = 0x01010101 * (i + 1);
    }
    before.fs_base = 0x1000;
    before.gs_base = 0x2000;
    RUN(0x41);                                      /* inc ecx */
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    g_assert_cmphex(after.rip, ==, CODE + 1);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex((uint32_t)after.gpr[i], ==, 0x01010101 * (i + 1) + (i == RH_RCX));
    }
    g_assert_cmphex(after.fs_base, ==, 0x1000);
    g_assert_cmphex(after.gs_base, ==, 0x2000);
    g_assert_cmpmem(after.vector.xmm, sizeof(after.vector.xmm), before.vector.xmm, sizeof(before.vector.xmm));
    g_assert_cmpmem(after.vector.ymm_high, sizeof(after.vector.ymm_high), before.vector.ymm_high, sizeof(before.vector.ymm_high));
    before.gpr[RH_RSP] = DATA + 64;
    RUN(0x60);                                      /* pusha */
    g_assert_cmphex(after.gpr[RH_RSP], ==, DATA + 32);
    g_assert_cmphex(*(uint32_t *)(after.data + 32), ==, before.gpr[RH_RDI]);
}

static void test_memory_32(void)
{
    begin_32();
    before.data[64] = 0x5a;
    RUN(0x8a, 0x05, 0x40, 0x00, 0x00, 0x20);        /* mov al, [DATA + 64]: absolute */
    g_assert_cmphex(after.gpr[RH_RAX], ==, 0x5a);
    before.gpr[RH_RBX] = 0xffff;
    before.gpr[RH_RSI] = 0x41;
    before.fs_base = DATA;
    RUN(0x64, 0x67, 0x8a, 0x00);                    /* mov al, fs:[bx + si] */
    g_assert_cmphex(after.gpr[RH_RAX], ==, 0x5a);
    before.gs_base = DATA;
    RUN(0x65, 0xa0, 0x40, 0x00, 0x00, 0x00);        /* mov al, gs:[64] */
    g_assert_cmphex(after.gpr[RH_RAX], ==, 0x5a);
}

static void test_faults_32(void)
{
    begin_32();
    before.gpr[RH_RDI] = DATA_END - 2;
    RUN(0x89, 0x07);
    assert_fault(RH_EXC_PF);
    g_assert_cmphex(after.fault_cr2, ==, DATA_END);
    g_assert_cmphex(after.fault_error, ==, 6);
    RUN(0xd4, 0x00);                                /* aam 0 */
    assert_fault(RH_EXC_DE);
    before.gpr[RH_RDI] = DATA;
    before.gpr[RH_RAX] = 0x80000000;
    memset(before.data, 0, 8);
    RUN(0x62, 0x07);                                /* bound */
    assert_fault(RH_EXC_BR);
    RUN(0xf4);
    assert_fault(RH_EXC_GP);
    RUN(0x0f, 0x0b);
    assert_fault(RH_EXC_UD);
    before.rflags |= RH_FLAG_OF;
    RUN(0xce);                                      /* into, a trap */
    g_assert_cmpuint(after.fault, ==, RH_EXC_OF);
    g_assert_cmphex(after.rip, ==, CODE + 1);
}

static void test_jumps_32(void)
{
    begin_32();
    RUN(0xeb, 0x20);
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    g_assert_cmphex(after.rip, ==, CODE + 0x22);
    RUN(0x66, 0xe9, 0x20, 0x00);                    /* 16 bits of EIP are left */
    g_assert_cmpuint(after.fault, ==, RH_NATIVE_NO_FAULT);
    g_assert_cmphex(after.rip, ==, (CODE + 0x24) & 0xffff);
    RUN(0xe8, 0x40, 0, 0, 0);
    g_assert_cmphex(after.rip, ==, CODE + 0x45);
    g_assert_cmphex(after.gpr[RH_RSP], ==, DATA + 4096 - 4);
}

/* ---- the generators ---- */

static const RhCodeSize size_64 = RH_CODE_64, size_32 = RH_CODE_32;

/* The same start gives the same end, also where the generator goes over the edges. */
static void test_repeats(gconstpointer code_size)
{
    uint64_t seed = 42;
    RhNativeCase at;
    unsigned nr_faults = 0;

    for (unsigned i = 0; i < 5000; i++) {
        rh_native_case_random(*(const RhCodeSize *)code_size, &seed, &at);
        g_autofree char *text = rh_native_check(&at, rh_native_run);

        g_assert_cmpstr(text, ==, NULL);
        rh_native_run(&at.before, at.code, at.len, &after);
        nr_faults += after.fault != RH_NATIVE_NO_FAULT;
    }
    g_test_message("%u of 5000 raised an exception", nr_faults);
    g_assert_cmpuint(nr_faults, >, 200);
    g_assert_cmpuint(nr_faults, <, 3000);
}

/* #UD by privilege, or because the CPU is not AMD's */
static bool is_supervisor(const RhInsn *insn)
{
    return insn->op == RH_OP_SYSRET || insn->op == RH_OP_UD || insn->op == RH_OP_RSM || insn->op == RH_OP_CLAC || insn->op == RH_OP_STAC;
}

/* Sequences come to their end, mostly, and repeat. */
static void test_sequences(gconstpointer code_size)
{
    uint64_t seed = 99;
    RhNativeCase at;
    unsigned nr_ends = 0;

    for (unsigned i = 0; i < 1000; i++) {
        rh_native_case_sequence(*(const RhCodeSize *)code_size, 8, &seed, &at);
        g_autofree char *text = rh_native_check(&at, rh_native_run);

        g_assert_cmpstr(text, ==, NULL);
        g_assert_cmpuint(at.nr_insns, >=, 1);
        rh_native_run(&at.before, at.code, at.len, &after);
        nr_ends += after.rip == CODE + at.len;
        /* A jump over the last instruction comes to the end as well; nothing else leaves the code. */
        g_assert_true(after.fault != RH_NATIVE_NO_FAULT || after.rip == CODE + at.len);
    }
    g_test_message("%u of 1000 came to their end", nr_ends);
    g_assert_cmpuint(nr_ends, >, 500);
}

/* Each template once: whatever the decoder says is valid must not be #UD, and end where the decoder says it does. */
static void test_templates(gconstpointer data)
{
    RhCodeSize code_size = *(const RhCodeSize *)data;
    uint64_t seed = 7;
    RhNativeCase at;

    g_test_message("%u templates", rh_native_nr_templates(code_size));
    for (unsigned i = 0; i < rh_native_nr_templates(code_size); i++) {
        rh_native_case_nth(code_size, i, &seed, &at);
        rh_native_run(&at.before, at.code, at.len, &after);
        bool is_ud = after.fault == RH_EXC_UD && !is_supervisor(&at.insn);

        if (is_ud || (after.fault == RH_NATIVE_NO_FAULT && !(at.insn.traits & RH_INSN_ENDS_BLOCK) && after.rip != CODE + at.len)) {
            g_test_message("%02x %02x %02x %02x %02x %02x %02x %02x: fault %u, rip %" PRIx64 ", %s of length %u", at.code[0], at.code[1],
                           at.code[2], at.code[3], at.code[4], at.code[5], at.code[6], at.code[7], after.fault, after.rip, rh_op_name(at.insn.op), at.len);
            g_test_fail();
        }
    }
}

/* Opcodes of features that guests do not have but this CPU may: not reserved to it */
static bool is_beyond(const RhInsn *insn)
{
    static const struct { bool is_vex; uint8_t map, first, last; } rows[] = {
        { false, 0, 0xc6, 0xc7 } /* TSX */, { false, 1, 0x01, 0x01 } /* TSX, PKU, TSXLDTRK */, { false, 1, 0xae, 0xae } /* PTWRITE, WAITPKG */,
        { false, 1, 0xc7, 0xc7 } /* user interrupts */, { false, 2, 0xcf, 0xcf }, { false, 3, 0xce, 0xcf } /* GFNI */,
        { false, 2, 0xd8, 0xdf } /* key locker */, { false, 2, 0xf8, 0xfc } /* ENQCMD, AADD and kin */, { false, 3, 0xf0, 0xf0 } /* HRESET */,
        { true, 1, 0x41, 0x4b }, { true, 1, 0x90, 0x99 }, { true, 3, 0x30, 0x33 } /* AVX-512 masks */,
        { true, 2, 0x48, 0x53 }, { true, 2, 0x58, 0x5f }, { true, 2, 0x6c, 0x73 } /* AMX, VNNI, conversions */,
        { true, 2, 0xb0, 0xb5 }, { true, 2, 0xcb, 0xdf }, { true, 3, 0xce, 0xcf }, { true, 3, 0xde, 0xde } /* IFMA, SHA-512, SM3, SM4, VAES, GFNI */,
        { true, 3, 0x44, 0x44 } /* VPCLMULQDQ */, { true, 2, 0xe0, 0xef } /* CMPCCXADD */,
    };

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        if (rows[i].is_vex == insn->is_vex && rows[i].map == insn->map && insn->opcode >= rows[i].first && insn->opcode <= rows[i].last) {
            return true;
        }
    }
    return false;
}

static void check_reserved(const uint8_t bytes[RH_INSN_MAX])
{
    RhInsn insn;

    if (rh_decode(bytes, RH_INSN_MAX, before.code_size, &insn) != RH_DECODE_OK || insn.op != RH_OP_INVALID || is_beyond(&insn) ||
        (insn.map == 0 && (insn.opcode == 0x62 || insn.opcode == 0x8f))) {      /* EVEX; XOP */
        return;
    }
    rh_native_run(&before, bytes, RH_INSN_MAX, &after);
    if (after.fault != RH_EXC_UD) {
        g_test_message("%02x %02x %02x %02x %02x %02x is reserved, and raises %u", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], after.fault);
        g_test_fail();
    }
}

/* What the decoder says is reserved is #UD: all opcodes, many ModRM. By hand (-m slow): a CPU newer than this list may fail it. */
static void test_reserved(gconstpointer code_size)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2, 0xf0 };
    static const uint8_t modrms[] = { 0x00, 0x04, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7 };

    begin();
    before.code_size = *(const RhCodeSize *)code_size;
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        before.gpr[i] = DATA + 4096;
    }
    for (unsigned i = 0; i < 8 * 256 * RH_COUNT(prefixes) * 8 * RH_COUNT(modrms); i++) {
        unsigned rest = i;
        uint8_t bytes[RH_INSN_MAX] = { 0 };
        unsigned nr = 0;
        uint8_t modrm = modrms[rest % RH_COUNT(modrms)];
        uint8_t reg = (rest /= RH_COUNT(modrms)) & 7;
        unsigned prefix = (rest /= 8) % RH_COUNT(prefixes);
        uint8_t opcode = rest /= RH_COUNT(prefixes);
        unsigned map = rest / 256 & 3;

        if (rest >> 10 & 1) {
            bytes[nr++] = 0xc4;
            bytes[nr++] = 0xe0 | map;
            bytes[nr++] = 0x78 | (prefix & 3) | (i & 16) >> 2 | (i & 8) << 4;
        } else {
            if (prefix) {
                bytes[nr++] = prefixes[prefix];
            }
            bytes[nr] = 0x0f;
            bytes[nr + 1] = map == 2 ? 0x38 : 0x3a;
            nr += map > 1 ? 2 : map;
        }
        bytes[nr] = opcode;
        bytes[nr + 1] = modrm | reg << 3;
        check_reserved(bytes);
    }
}

/* The comparison sees each part of the state. */
static void test_compare(void)
{
    static const uint8_t code[] = { 0x48, 0x21, 0xc3 };     /* and rbx, rax */
    uint64_t seed = 3;
    RhNativeCase at;
    RhNativeState other;

    g_assert_true(rh_native_case_set(RH_CODE_64, code, sizeof(code), &seed, &at));
    rh_native_run(&at.before, at.code, at.len, &after);
    other = after;
    other.rflags ^= RH_FLAG_AF;                             /* undefined */
    g_assert_null(rh_native_compare(&at, &after, &other));
    other.rflags ^= RH_FLAG_CF;
    g_autofree char *flags = rh_native_compare(&at, &after, &other);

    g_assert_nonnull(strstr(flags, "4821c3 (and); rflags is "));
    other = after;
    other.gpr[RH_R9]++;
    other.vector.ymm_high[4][3] ^= 1;
    other.data[77] ^= 1;
    g_autofree char *rest = rh_native_compare(&at, &after, &other);

    g_assert_nonnull(strstr(rest, "; r9 is "));
    g_assert_nonnull(strstr(rest, "; upper ymm4 is "));
    g_assert_nonnull(strstr(rest, "; byte at 2000004d is "));
}

static void test_skip(gconstpointer why)
{
    g_test_skip(why);
}

static void add_generators(const char *suffix, const RhCodeSize *code_size)
{
    static const struct { const char *name; GTestDataFunc test; } tests[] = {
        { "repeats", test_repeats }, { "sequences", test_sequences }, { "templates", test_templates },
    };

    for (unsigned i = 0; i < RH_COUNT(tests); i++) {
        g_autofree char *path = g_strdup_printf("/tcg/native/%s%s", tests[i].name, suffix);

        g_test_add_data_func(path, code_size, tests[i].test);
    }
}

int main(int argc, char **argv)
{
    static const struct { const char *name; GTestFunc test; } tests[] = {
        { "registers", test_registers }, { "add", test_add }, { "memory", test_memory }, { "vector", test_vector },
        { "faults", test_faults }, { "float-faults", test_float_faults }, { "jumps", test_jumps }, { "details", test_details }, { "compare", test_compare },
    };
    static const struct { const char *name; GTestFunc test; } tests_32[] = {
        { "registers-32", test_registers_32 }, { "memory-32", test_memory_32 }, { "faults-32", test_faults_32 }, { "jumps-32", test_jumps_32 },
    };
    const char *why = NULL;

    g_test_init(&argc, &argv, NULL);
    if (!rh_native_init(&why)) {
        g_print("1..0 # SKIP %s\n", why);
        return 0;
    }
    for (unsigned i = 0; i < RH_COUNT(tests); i++) {
        g_autofree char *path = g_strdup_printf("/tcg/native/%s", tests[i].name);

        g_test_add_func(path, tests[i].test);
    }
    add_generators("", &size_64);
    if (rh_native_init_32(&why)) {
        for (unsigned i = 0; i < RH_COUNT(tests_32); i++) {
            g_autofree char *path = g_strdup_printf("/tcg/native/%s", tests_32[i].name);

            g_test_add_func(path, tests_32[i].test);
        }
        add_generators("-32", &size_32);
        if (g_test_slow()) {
            g_test_add_data_func("/tcg/native/reserved-32", &size_32, test_reserved);
        }
    } else {
        g_test_add_data_func("/tcg/native/32", why, test_skip);
    }
    if (g_test_slow()) {
        g_test_add_data_func("/tcg/native/reserved", &size_64, test_reserved);
    }
    return g_test_run();
}
