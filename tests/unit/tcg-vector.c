/*
 * The engine's vector and x87 part: what faults and when, instructions with masked memory, SIMD and x87 exceptions, and saved
 * state against what the host's CPU saves. tcg-vector-native.c compares what instructions compute.
 */
#include "tcg-vector-rig.h"

#include <signal.h>

#include "target/i386/tcg/stub.h"

#define CODE(...) { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })
#define RUN(cpu, ...) rig_run(cpu, (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }))

#define CR0_MP 0x2u
#define CR0_EM 0x4u
#define CR0_TS 0x8u
#define CR4_OSFXSR 0x200u
#define CR4_OSXMMEXCPT 0x400u
#define CR4_OSXSAVE 0x40000u
#define MXCSR_NO_MASKS 0x1f80u

enum { DONE = -1 };

static uint64_t at_page(unsigned page)
{
    return (uintptr_t)rig_ram() + page * RH_PAGE_SIZE;
}

/* ---- stubs ---- */

/* More different instructions than there is room for: each still is itself. */
static void test_stubs_replaced(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 64 * 256; i += 3) {
            unsigned imm = i & 0xff, to = i >> 8 & 7, from = i >> 11;
            uint32_t source[4] = { i, i + 1, i + 2, i + 3 }, got[4];

            memcpy(cpu->vector.xmm[from], source, 16);
            g_assert_cmpint(RUN(cpu, 0x66, 0x0f, 0x70, (uint8_t)(0xc0 | to << 3 | from), (uint8_t)imm), ==, DONE); /* pshufd */
            memcpy(got, cpu->vector.xmm[to], 16);
            for (unsigned lane = 0; lane < 4; lane++) {
                g_assert_cmpuint(got[lane], ==, source[imm >> lane * 2 & 3]);
            }
        }
    }
}

static const RhStubs *stubs_to_rescue;

static void rescue(int signal_nr, siginfo_t *info, void *context)
{
    if (!rh_stubs_rescue(stubs_to_rescue, context)) {
        signal(SIGILL, SIG_DFL);
    }
}

/* An instruction that the decoder takes for one, and the host's CPU does not: UD2 in a vector instruction's clothes. */
static void test_refused(void)
{
    RhInsn ud2 = {
        .op = RH_OP_VECTOR, .len = 2, .bytes = { 0x0f, 0x0b }, .map = 1, .opcode = 0x0b, .feature = RH_FEAT_SSE,
    };
    struct sigaction action = { .sa_sigaction = rescue, .sa_flags = SA_SIGINFO }, old;
    g_autoptr(RhTcgCpu) cpu = rig_new();
    RhTcgVector before;

    g_assert_true(rh_tcg_vector_init(cpu, NULL));
    stubs_to_rescue = cpu->stubs;
    sigaction(SIGILL, &action, &old);
    for (unsigned traits = 0; traits < 2; traits++) {
        ud2.traits = traits ? RH_INSN_USES_MMX : 0;
        for (unsigned masked = 0; masked < 2; masked++) {
            cpu->vector.mxcsr = masked ? 0x1f80 : 0x1e80;
            cpu->vector.xmm[5][0]++;
            before = cpu->vector;
            g_assert_false(rh_tcg_vector_step(cpu, &ud2));
            g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_UD);
            g_assert_cmpmem(&before, 416, &cpu->vector, 416);
        }
    }
    sigaction(SIGILL, &old, NULL);
    g_assert_cmpint(RUN(cpu, 0x0f, 0x57, 0xc0), ==, DONE);
}

/* Our own control registers are back, and no value of the guest's is left on the x87 stack. */
static void test_host_state_kept(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    RhTcgVector host __attribute__((aligned(16)));
    uint16_t fcw = 0x27f;
    uint32_t mxcsr = 0x5fa0;

    cpu->vector.fcw = 0xf7f;
    cpu->vector.mxcsr = 0x3f80;
    __asm__ volatile("fldcw %0; ldmxcsr %1" : : "m"(fcw), "m"(mxcsr));
    g_assert_cmpint(RUN(cpu, 0xd9, 0xe8), ==, DONE);            /* fld1 */
    __asm__ volatile("fxsave64 %0; fninit" : "=m"(host));
    fcw = 0x37f;
    mxcsr = 0x1f80;
    __asm__ volatile("fldcw %0; ldmxcsr %1" : : "m"(fcw), "m"(mxcsr));
    g_assert_cmphex(host.fcw, ==, 0x27f);
    g_assert_cmphex(host.mxcsr, ==, 0x5fa0);
    g_assert_cmphex(host.ftw, ==, 0);
    g_assert_cmphex(cpu->vector.ftw, ==, 0x80);
}

static void test_w_outside_64bit(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    float got;

    rig_set_32(cpu, true);
    cpu->gpr[RH_RAX] = 7;
    g_assert_cmpint(RUN(cpu, 0xc4, 0xe1, 0xf2, 0x2a, 0xc0), ==, DONE);  /* vcvtsi2ss xmm0, xmm1, eax; W set */
    memcpy(&got, cpu->vector.xmm[0], 4);
    g_assert_cmpfloat(got, ==, 7);
    /* vpcmpestri xmm0, xmm1, equal each; W set: EAX and EDX are -1, which are lengths of 1 */
    memset(cpu->vector.xmm[0], 1, 16);
    memset(cpu->vector.xmm[1], 1, 16);
    cpu->gpr[RH_RAX] = cpu->gpr[RH_RDX] = UINT32_MAX;
    g_assert_cmpint(RUN(cpu, 0xc4, 0xe3, 0xf9, 0x61, 0xc1, 0x18), ==, DONE);
    g_assert_cmphex(cpu->rflags & (RH_FLAG_ZF | RH_FLAG_SF), ==, RH_FLAG_ZF | RH_FLAG_SF);
}

/* SDM vol. 2 VZEROALL, VZEROUPPER: in 32-bit code they leave registers 8 to 15 alone. */
static void test_zeroing_outside_64bit(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();

    for (unsigned l = 0; l < 2; l++) {
        rig_set_32(cpu, true);
        memset(cpu->vector.xmm, 1, sizeof(cpu->vector.xmm));
        memset(cpu->vector.ymm_high, 2, sizeof(cpu->vector.ymm_high));
        g_assert_cmpint(RUN(cpu, 0xc5, (uint8_t)(0xf8 | l << 2), 0x77), ==, DONE);
        g_assert_cmpuint(cpu->vector.xmm[7][15], ==, l ? 0 : 1);
        g_assert_cmpuint(cpu->vector.ymm_high[7][15], ==, 0);
        g_assert_cmpuint(cpu->vector.xmm[8][0], ==, 1);
        g_assert_cmpuint(cpu->vector.ymm_high[8][0], ==, 2);
        rig_set_32(cpu, false);
        g_assert_cmpint(RUN(cpu, 0xc5, (uint8_t)(0xf8 | l << 2), 0x77), ==, DONE);
        g_assert_cmpuint(cpu->vector.xmm[8][0], ==, l ? 0 : 1);
        g_assert_cmpuint(cpu->vector.ymm_high[8][0], ==, 0);
    }
}

/* ---- what is allowed when ---- */

typedef struct Allowed {
    const char *name;
    uint8_t bytes[RH_INSN_MAX];
    unsigned nr;
    uint64_t cr0_set, cr4_clear;
    uint64_t xcr0;              /* 0: as it is */
    uint16_t fsw, fcw_clear;    /* x87 exception flags; masks to take away */
    int feature;                /* taken from the CPU, if not 0 */
    int vector;                 /* what is raised, or DONE */
} Allowed;

#define PADDD CODE(0x66, 0x0f, 0xfe, 0xc1)
#define PADDD_MMX CODE(0x0f, 0xfe, 0xc1)
#define VPADDD CODE(0xc5, 0xf1, 0xfe, 0xc2)
#define CVTPS2PI CODE(0x0f, 0x2d, 0xc1)
#define MOVQ2DQ CODE(0xf3, 0x0f, 0xd6, 0xc1)
#define EMMS CODE(0x0f, 0x77)
#define FLD1 CODE(0xd9, 0xe8)
#define WAIT CODE(0x9b)
#define FNSTSW_AX CODE(0xdf, 0xe0)
#define FNCLEX CODE(0xdb, 0xe2)
#define FNINIT CODE(0xdb, 0xe3)
#define FNSTCW CODE(0xd9, 0x3b)
#define FNSAVE CODE(0xdd, 0x33)
#define FLDCW CODE(0xd9, 0x2b)
#define FXSAVE CODE(0x0f, 0xae, 0x03)
#define FXRSTOR CODE(0x0f, 0xae, 0x0b)
#define XSAVE CODE(0x0f, 0xae, 0x23)
#define XRSTOR CODE(0x0f, 0xae, 0x2b)
#define XSAVEC CODE(0x0f, 0xc7, 0x23)
#define LDMXCSR CODE(0x0f, 0xae, 0x13)
#define STMXCSR CODE(0x0f, 0xae, 0x1b)
#define VSTMXCSR CODE(0xc5, 0xf8, 0xae, 0x1b)

static const Allowed allowed[] = {
    { "SSE", PADDD, .vector = DONE },
    { "SSE under EM", PADDD, .cr0_set = CR0_EM, .vector = RH_EXC_UD },
    { "SSE under EM and TS", PADDD, .cr0_set = CR0_EM | CR0_TS, .vector = RH_EXC_UD },
    { "SSE without OSFXSR", PADDD, .cr4_clear = CR4_OSFXSR, .cr0_set = CR0_TS, .vector = RH_EXC_UD },
    { "SSE under TS", PADDD, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "SSE2 on a CPU without", PADDD, .feature = RH_FEAT_SSE2, .vector = RH_EXC_UD },
    { "SSE cares for no x87 exception", PADDD, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "MMX", PADDD_MMX, .vector = DONE },
    { "MMX under EM", PADDD_MMX, .cr0_set = CR0_EM, .vector = RH_EXC_UD },
    { "MMX without OSFXSR", PADDD_MMX, .cr4_clear = CR4_OSFXSR, .vector = DONE },
    { "MMX under TS", PADDD_MMX, .cr0_set = CR0_TS, .fsw = 1, .fcw_clear = 1, .vector = RH_EXC_NM },
    { "MMX with a pending exception", PADDD_MMX, .fsw = 4, .fcw_clear = 4, .vector = RH_EXC_MF },
    { "MMX with a masked exception", PADDD_MMX, .fsw = 4, .fcw_clear = 1, .vector = DONE },
    { "EMMS with a pending exception", EMMS, .fsw = 4, .fcw_clear = 4, .vector = RH_EXC_MF },
    { "EMMS under TS", EMMS, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "MMX and SSE without OSFXSR", CVTPS2PI, .cr4_clear = CR4_OSFXSR, .vector = RH_EXC_UD },
    { "MMX and SSE with a pending exception", MOVQ2DQ, .fsw = 1, .fcw_clear = 1, .vector = RH_EXC_MF },
    { "AVX", VPADDD, .vector = DONE },
    { "AVX under EM", VPADDD, .cr0_set = CR0_EM, .vector = DONE },
    { "AVX without OSFXSR", VPADDD, .cr4_clear = CR4_OSFXSR, .vector = DONE },
    { "AVX without OSXSAVE", VPADDD, .cr4_clear = CR4_OSXSAVE, .cr0_set = CR0_TS, .vector = RH_EXC_UD },
    { "AVX not in XCR0", VPADDD, .xcr0 = 3, .vector = RH_EXC_UD },
    { "AVX under TS", VPADDD, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "AVX on a CPU without", VPADDD, .feature = RH_FEAT_AVX, .vector = RH_EXC_UD },
    { "x87", FLD1, .vector = DONE },
    { "x87 under EM", FLD1, .cr0_set = CR0_EM, .vector = RH_EXC_NM },
    { "x87 under TS", FLD1, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "x87 under MP", FLD1, .cr0_set = CR0_MP, .vector = DONE },
    { "x87 with a pending exception", FLD1, .fsw = 0x20, .fcw_clear = 0x20, .vector = RH_EXC_MF },
    { "x87 with a masked exception", FLD1, .fsw = 0x20, .fcw_clear = 0x1f, .vector = DONE },
    { "x87 on a CPU without", FLD1, .feature = RH_FEAT_FPU, .vector = RH_EXC_UD },
    { "WAIT", WAIT, .vector = DONE },
    { "WAIT under TS", WAIT, .cr0_set = CR0_TS, .vector = DONE },
    { "WAIT under EM", WAIT, .cr0_set = CR0_EM, .vector = DONE },
    { "WAIT under MP and TS", WAIT, .cr0_set = CR0_MP | CR0_TS, .vector = RH_EXC_NM },
    { "WAIT with a pending exception", WAIT, .fsw = 1, .fcw_clear = 1, .vector = RH_EXC_MF },
    { "FNSTSW does not wait", FNSTSW_AX, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "FNCLEX does not wait", FNCLEX, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "FNINIT does not wait", FNINIT, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "FNSTCW does not wait", FNSTCW, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "FNSAVE does not wait", FNSAVE, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "FNSTSW under TS", FNSTSW_AX, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "FLDCW waits", FLDCW, .fsw = 1, .fcw_clear = 1, .vector = RH_EXC_MF },
    { "FXSAVE", FXSAVE, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "FXSAVE under EM", FXSAVE, .cr0_set = CR0_EM, .vector = RH_EXC_UD },
    { "FXSAVE under TS", FXSAVE, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "FXSAVE on a CPU without", FXSAVE, .feature = RH_FEAT_FXSR, .vector = RH_EXC_UD },
    { "XSAVE", XSAVE, .fsw = 1, .fcw_clear = 1, .vector = DONE },
    { "XSAVE under EM", XSAVE, .cr0_set = CR0_EM, .vector = DONE },
    { "XSAVE under TS", XSAVE, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "XSAVE without OSXSAVE", XSAVE, .cr0_set = CR0_TS, .cr4_clear = CR4_OSXSAVE, .vector = RH_EXC_UD },
    { "XRSTOR under TS", XRSTOR, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "XSAVEC on a CPU without", XSAVEC, .feature = RH_FEAT_XSAVEC, .vector = RH_EXC_UD },
    { "STMXCSR", STMXCSR, .vector = DONE },
    { "STMXCSR without OSFXSR", STMXCSR, .cr4_clear = CR4_OSFXSR, .vector = RH_EXC_UD },
    { "LDMXCSR under EM", LDMXCSR, .cr0_set = CR0_EM, .vector = RH_EXC_UD },
    { "LDMXCSR under TS", LDMXCSR, .cr0_set = CR0_TS, .vector = RH_EXC_NM },
    { "VSTMXCSR", VSTMXCSR, .cr4_clear = CR4_OSFXSR, .cr0_set = CR0_EM, .vector = DONE },
    { "VSTMXCSR not in XCR0", VSTMXCSR, .xcr0 = 1, .vector = RH_EXC_UD },
};

static void test_allowed(void)
{
    for (size_t i = 0; i < RH_COUNT(allowed); i++) {
        const Allowed *row = &allowed[i];
        g_autoptr(RhTcgCpu) cpu = rig_new();
        RhTcgVector before;

        memset(rig_ram(), 0, RH_PAGE_SIZE);
        cpu->gpr[RH_RBX] = at_page(0);
        cpu->cr0 |= row->cr0_set;
        cpu->cr4 &= ~row->cr4_clear;
        cpu->xcr0 = row->xcr0 ? row->xcr0 : cpu->xcr0;
        cpu->vector.fsw = row->fsw;
        cpu->vector.fcw &= ~row->fcw_clear;
        cpu->vector.fsw |= row->fsw & row->fcw_clear ? 0x8080 : 0;
        cpu->features[row->feature / 64] &= ~(uint64_t)(row->feature ? UINT64_C(1) << row->feature % 64 : 0);
        before = cpu->vector;
        if (rig_run(cpu, row->bytes, row->nr) != row->vector) {
            g_error("%s: raises %d, not %d", row->name, cpu->fault.vector, row->vector);
        }
        if (row->vector != DONE) {
            g_assert_cmpmem(&before, offsetof(RhTcgVector, xstate_bv), &cpu->vector, offsetof(RhTcgVector, xstate_bv));
            g_assert_false(cpu->fault.has_error);
        }
    }
}

/* VEX is no prefix in real and virtual-8086 mode, whatever the code's size: C4 with such a byte behind it is LES of a register. */
static void test_vex_needs_protection(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();

    rig_set_32(cpu, true);
    cpu->is_v86 = true;
    g_assert_cmpint(RUN(cpu, 0xc5, 0xf1, 0xfe, 0xc2), ==, RH_EXC_UD);
    cpu->is_v86 = false;
    cpu->is_protected = false;
    g_assert_cmpint(RUN(cpu, 0xc5, 0xf1, 0xfe, 0xc2), ==, RH_EXC_UD);
}

static void test_alignment(void)
{
    static const struct {
        uint8_t bytes[RH_INSN_MAX];
        unsigned nr;
        unsigned offset;
        int vector;
    } rows[] = {
        { CODE(0x66, 0x0f, 0xfe, 0x03), 8, RH_EXC_GP },         /* paddd xmm0, [rbx] */
        { CODE(0x66, 0x0f, 0xfe, 0x03), 16, DONE },
        { CODE(0x0f, 0x10, 0x03), 1, DONE },                    /* movups */
        { CODE(0x0f, 0x28, 0x03), 4, RH_EXC_GP },               /* movaps */
        { CODE(0x0f, 0x29, 0x03), 4, RH_EXC_GP },               /* movaps [rbx], xmm0 */
        { CODE(0xf3, 0x0f, 0x58, 0x03), 1, DONE },              /* addss */
        { CODE(0xc5, 0xf9, 0xfe, 0x03), 1, DONE },              /* vpaddd xmm */
        { CODE(0xc5, 0xfc, 0x28, 0x03), 16, RH_EXC_GP },        /* vmovaps ymm */
        { CODE(0xc5, 0xfc, 0x28, 0x03), 32, DONE },
        { CODE(0xc5, 0xfd, 0xe7, 0x03), 16, RH_EXC_GP },        /* vmovntdq [rbx], ymm0 */
        { CODE(0x0f, 0xae, 0x03), 8, RH_EXC_GP },               /* fxsave */
        { CODE(0x0f, 0xae, 0x0b), 8, RH_EXC_GP },               /* fxrstor */
        { CODE(0x0f, 0xae, 0x03), 16, DONE },
        { CODE(0x0f, 0xae, 0x23), 32, RH_EXC_GP },              /* xsave */
        { CODE(0x0f, 0xae, 0x2b), 32, RH_EXC_GP },              /* xrstor */
        { CODE(0xdd, 0x03), 1, DONE },                          /* fld qword */
    };

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        g_autoptr(RhTcgCpu) cpu = rig_new();

        memset(rig_ram(), 0, RH_PAGE_SIZE);
        cpu->gpr[RH_RBX] = at_page(0) + rows[i].offset;
        g_assert_cmpint(rig_run(cpu, rows[i].bytes, rows[i].nr), ==, rows[i].vector);
        if (rows[i].vector != DONE) {
            g_assert_true(cpu->fault.has_error && cpu->fault.error == 0);
        }
    }
}

/* ---- faults of memory operands ---- */

static void fill(void *at, unsigned from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)at)[i] = (uint8_t)(from + i);
    }
}

static void test_page_faults(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    RhTcgVector before;

    fill(cpu->vector.xmm[0], 1, 16);
    before = cpu->vector;
    cpu->gpr[RH_RBX] = at_page(RIG_ABSENT) - 8;
    g_assert_cmpint(RUN(cpu, 0x0f, 0x10, 0x03), ==, RH_EXC_PF);         /* movups xmm0, [rbx] */
    g_assert_cmphex(cpu->fault.cr2, ==, at_page(RIG_ABSENT));
    g_assert_cmphex(cpu->fault.error, ==, 0);
    g_assert_cmpint(RUN(cpu, 0xf3, 0x0f, 0x10, 0x03), ==, DONE);        /* movss */
    cpu->vector = before;
    cpu->gpr[RH_RBX] = at_page(RIG_READ_ONLY) - 8;
    memset(rig_ram() + RH_PAGE_SIZE, 0, RH_PAGE_SIZE);
    g_assert_cmpint(RUN(cpu, 0x0f, 0x11, 0x03), ==, RH_EXC_PF);         /* movups [rbx], xmm0 */
    g_assert_cmphex(cpu->fault.error, ==, 3);
    g_assert_cmpuint(rig_ram()[2 * RH_PAGE_SIZE - 8], ==, 0);

    /* FSTP does not pop, FNSAVE does not reinitialise. */
    g_assert_cmpint(RUN(cpu, 0xd9, 0xe8), ==, DONE);
    before = cpu->vector;
    cpu->gpr[RH_RBX] = at_page(RIG_READ_ONLY);
    g_assert_cmpint(RUN(cpu, 0xdd, 0x1b), ==, RH_EXC_PF);
    g_assert_cmpint(RUN(cpu, 0xdd, 0x33), ==, RH_EXC_PF);
    g_assert_cmpmem(&before, 512, &cpu->vector, 512);
    cpu->gpr[RH_RBX] = at_page(RIG_READ_ONLY) - 512;
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x23), ==, RH_EXC_PF);         /* xsave: its header */
    g_assert_cmpuint(rig_ram()[2 * RH_PAGE_SIZE - 512], ==, 0);
}

static void test_maskmov(void)
{
    static const uint8_t vmaskmovps_load[] = { 0xc4, 0xe2, 0x75, 0x2c, 0x03 };      /* ymm0, ymm1, [rbx] */
    static const uint8_t vmaskmovps_store[] = { 0xc4, 0xe2, 0x75, 0x2e, 0x03 };     /* [rbx], ymm1, ymm0 */
    g_autoptr(RhTcgCpu) cpu = rig_new();
    uint8_t *end = rig_ram() + 2 * RH_PAGE_SIZE;
    uint32_t mask[4] = { UINT32_MAX, 0x80000000, 0, UINT32_MAX };
    uint32_t none[4] = { 0x7fffffff, 0, 0, 1 };

    memcpy(cpu->vector.xmm[1], mask, 16);
    memcpy(cpu->vector.ymm_high[1], none, 16);
    /* Elements 0 to 3 are there; behind them is a page that may not be written. */
    cpu->gpr[RH_RBX] = (uintptr_t)end - 16;
    fill(cpu->vector.xmm[0], 0x10, 16);
    fill(cpu->vector.ymm_high[0], 0x20, 16);
    memset(end - 16, 0xee, 16);
    g_assert_cmpint(rig_run(cpu, vmaskmovps_store, 5), ==, DONE);
    g_assert_cmpmem(end - 16, 16, ("\x10\x11\x12\x13\x14\x15\x16\x17\xee\xee\xee\xee\x1c\x1d\x1e\x1f"), 16);

    /* One element beyond: nothing is stored. */
    cpu->gpr[RH_RBX] = (uintptr_t)end - 12;
    memset(end - 16, 0xee, 16);
    g_assert_cmpint(rig_run(cpu, vmaskmovps_store, 5), ==, RH_EXC_PF);
    g_assert_cmphex(cpu->fault.cr2, ==, (uintptr_t)end);
    g_assert_cmpuint(end[-12], ==, 0xee);

    /* Loading: what is not selected is zero. */
    cpu->gpr[RH_RBX] = at_page(RIG_ABSENT) - 16;
    fill(rig_ram() + 3 * RH_PAGE_SIZE - 16, 0x30, 16);
    g_assert_cmpint(rig_run(cpu, vmaskmovps_load, 5), ==, DONE);
    g_assert_cmpmem(cpu->vector.xmm[0], 16, ("\x30\x31\x32\x33\x34\x35\x36\x37\0\0\0\0\x3c\x3d\x3e\x3f"), 16);
    g_assert_cmpuint(cpu->vector.ymm_high[0][0], ==, 0);
    cpu->gpr[RH_RBX] += 4;
    g_assert_cmpint(rig_run(cpu, vmaskmovps_load, 5), ==, RH_EXC_PF);
    g_assert_cmpuint(cpu->vector.xmm[0][0], ==, 0x30);
}

static void test_maskmovdqu(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    uint8_t *end = rig_ram() + 2 * RH_PAGE_SIZE;

    fill(cpu->vector.xmm[0], 0x10, 16);
    cpu->vector.xmm[1][2] = 0x80;
    cpu->vector.xmm[1][3] = 0x7f;
    memset(end - 4, 0, 4);
    cpu->gpr[RH_RDI] = (uintptr_t)end - 4;
    g_assert_cmpint(RUN(cpu, 0x66, 0x0f, 0xf7, 0xc1), ==, DONE);
    g_assert_cmpmem(end - 4, 4, "\0\0\x12\0", 4);
    cpu->vector.xmm[1][15] = 0xff;
    cpu->vector.xmm[1][0] = 0xff;
    g_assert_cmpint(RUN(cpu, 0x66, 0x0f, 0xf7, 0xc1), ==, RH_EXC_PF);
    g_assert_cmpuint(end[-4], ==, 0);
    /* MASKMOVQ that faults does not enter the MMX state. */
    cpu->vector.fsw = 0x1000;
    fill(cpu->vector.st[6 + 1], 0xf0, 8);       /* MM1, as the top is at 2 */
    cpu->gpr[RH_RDI] = (uintptr_t)end - 1;
    g_assert_cmpint(RUN(cpu, 0x0f, 0xf7, 0xc1), ==, RH_EXC_PF);
    g_assert_cmphex(cpu->vector.fsw, ==, 0x1000);
}

static void test_gather_fault(void)
{
    static const uint8_t vpgatherdd[] = { 0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x8b };     /* ymm0, [rbx + ymm1 * 4], ymm2 */
    g_autoptr(RhTcgCpu) cpu = rig_new();
    int32_t indices[8] = { 0, -1, -4096, 1, 2, 0, 0, 0 };
    uint32_t all = UINT32_MAX, got[4];
    uint32_t *words = (uint32_t *)(rig_ram() + 3 * RH_PAGE_SIZE);

    cpu->gpr[RH_RBX] = at_page(RIG_ABSENT) - 8;
    words[-2] = 100;
    words[-3] = 101;
    words[-1] = 102;
    memcpy(cpu->vector.xmm[1], indices, 16);
    memcpy(cpu->vector.ymm_high[1], indices + 4, 16);
    memcpy(cpu->vector.xmm[2], &all, 4);
    memcpy(cpu->vector.xmm[2] + 4, &all, 4);
    memcpy(cpu->vector.xmm[2] + 12, &all, 4);   /* element 2 is not selected: its address is wild */
    cpu->vector.ymm_high[2][3] = 0x80;          /* element 4 is, by its top bit; it faults */
    fill(cpu->vector.ymm_high[0], 0x40, 16);
    g_assert_cmpint(rig_run(cpu, vpgatherdd, 6), ==, RH_EXC_PF);
    g_assert_cmphex(cpu->fault.cr2, ==, at_page(RIG_ABSENT));
    memcpy(got, cpu->vector.xmm[0], 16);
    g_assert_true(got[0] == 100 && got[1] == 101 && got[2] == 0 && got[3] == 102);
    g_assert_cmpuint(cpu->vector.ymm_high[0][0], ==, 0x40);
    g_assert_cmpmem(cpu->vector.xmm[2], 16, ("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 16);
    g_assert_cmpmem(cpu->vector.ymm_high[2], 16, ("\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0"), 16);

    /* Going on where it stopped. */
    cpu->gpr[RH_RBX] -= 4;
    g_assert_cmpint(rig_run(cpu, vpgatherdd, 6), ==, DONE);
    memcpy(got, cpu->vector.ymm_high[0], 16);
    g_assert_true(got[0] == 102 && got[1] == 0x47464544);
    g_assert_cmpuint(cpu->vector.ymm_high[2][0], ==, 0);
    g_assert_cmpint(RUN(cpu, 0xc4, 0xe2, 0x6d, 0x90, 0x04, 0x93), ==, RH_EXC_UD);   /* index and mask are the same */
}

/* What lies behind a vector of 128 bits goes with the first element that is loaded, not before. */
static void test_gather_upper_half(void)
{
    static const uint8_t vpgatherdd[] = { 0xc4, 0xe2, 0x69, 0x90, 0x04, 0x8b };     /* xmm0, [rbx + xmm1 * 4], xmm2 */
    g_autoptr(RhTcgCpu) cpu = rig_new();

    memset(cpu->vector.ymm_high[0], 0x77, 16);
    memset(cpu->vector.xmm[2], 0xff, 16);
    memset(cpu->vector.ymm_high[2], 0xff, 16);
    cpu->vector.xmm[1][4] = 1;
    cpu->gpr[RH_RBX] = at_page(RIG_ABSENT);
    g_assert_cmpint(rig_run(cpu, vpgatherdd, 6), ==, RH_EXC_PF);
    g_assert_cmpuint(cpu->vector.ymm_high[0][0], ==, 0x77);
    g_assert_cmpuint(cpu->vector.xmm[2][0], ==, 0xff);
    g_assert_cmpuint(cpu->vector.ymm_high[2][0], ==, 0);
    cpu->gpr[RH_RBX] -= 4;
    g_assert_cmpint(rig_run(cpu, vpgatherdd, 6), ==, RH_EXC_PF);
    g_assert_cmpuint(cpu->vector.ymm_high[0][0], ==, 0);
    g_assert_cmpmem(cpu->vector.xmm[2], 8, ("\0\0\0\0\xff\xff\xff\xff"), 8);
}

/* ---- exceptions of arithmetic ---- */

static void set_single(RhTcgCpu *cpu, unsigned nr, unsigned lane, uint32_t value)
{
    memcpy(cpu->vector.xmm[nr] + lane * 4, &value, 4);
}

static void test_simd_exceptions(void)
{
    static const uint8_t divps[] = { 0x0f, 0x5e, 0xc1 };
    g_autoptr(RhTcgCpu) cpu = rig_new();

    for (unsigned lane = 0; lane < 4; lane++) {
        set_single(cpu, 0, lane, 0x3f800000);
        set_single(cpu, 1, lane, lane ? 0x40400000 : 0);        /* 1 / 0, and 1 / 3 is inexact */
    }
    cpu->vector.mxcsr = MXCSR_NO_MASKS & ~0x200u;               /* ZM clear */
    cpu->vector.mxcsr |= 1;                                     /* sticky */
    g_assert_cmpint(rig_run(cpu, divps, 3), ==, RH_EXC_XM);
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x1d85);             /* what comes after computing is not told */
    g_assert_cmpuint(cpu->vector.xmm[0][3], ==, 0x3f);
    g_assert_false(cpu->fault.has_error);
    cpu->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
    g_assert_cmpint(rig_run(cpu, divps, 3), ==, RH_EXC_UD);
    cpu->cr4 |= CR4_OSXMMEXCPT;
    cpu->vector.mxcsr = MXCSR_NO_MASKS & ~0x1000u;              /* PM clear */
    g_assert_cmpint(rig_run(cpu, divps, 3), ==, RH_EXC_XM);
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x0fa4);
    cpu->vector.mxcsr = 0x1f80;
    g_assert_cmpint(rig_run(cpu, divps, 3), ==, DONE);
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x1fa4);
    g_assert_cmphex(cpu->vector.xmm[0][3], ==, 0x7f);
    /* A flag that is up already raises nothing by itself. */
    cpu->vector.mxcsr = 0x0024;
    g_assert_cmpint(RUN(cpu, 0x0f, 0x57, 0xc0), ==, DONE);      /* xorps */
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x0024);
}

static void test_x87_exceptions(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    double value = 3;

    cpu->gpr[RH_RBX] = at_page(0);
    memcpy(rig_ram(), &value, 8);
    g_assert_cmpint(RUN(cpu, 0xdd, 0x03), ==, DONE);            /* fld 3 */
    g_assert_cmpint(RUN(cpu, 0xd9, 0xee), ==, DONE);            /* fldz */
    cpu->vector.fcw &= ~0x4u;                                   /* ZM */
    g_assert_cmpint(RUN(cpu, 0xdc, 0xf9), ==, DONE);            /* fdiv st1, st0: pending from here */
    g_assert_cmphex(cpu->vector.fsw & 0x80bf, ==, 0x8084);
    g_assert_cmpint(RUN(cpu, 0xdf, 0xe0), ==, DONE);            /* fnstsw ax */
    g_assert_cmphex(cpu->gpr[RH_RAX] & 0x80bf, ==, 0x8084);
    g_assert_cmpint(RUN(cpu, 0xd9, 0xc9), ==, RH_EXC_MF);       /* fxch */
    g_assert_cmpint(RUN(cpu, 0x9b), ==, RH_EXC_MF);
    g_assert_cmpint(RUN(cpu, 0xdb, 0xe2), ==, DONE);            /* fnclex */
    g_assert_cmpint(RUN(cpu, 0xdd, 0xd8), ==, DONE);            /* fstp st0 */
    g_assert_cmpint(RUN(cpu, 0xdd, 0x1b), ==, DONE);            /* fstp qword: the dividend was kept */
    memcpy(&value, rig_ram(), 8);
    g_assert_cmpfloat(value, ==, 3);
    /* A store that raises an unmasked exception stores nothing: the stack is empty. */
    cpu->vector.fcw &= ~0x1u;
    g_assert_cmpint(RUN(cpu, 0xd9, 0x1b), ==, DONE);
    memcpy(&value, rig_ram(), 8);
    g_assert_cmpfloat(value, ==, 3);
    g_assert_cmpint(RUN(cpu, 0x9b), ==, RH_EXC_MF);
    g_assert_cmpint(RUN(cpu, 0xdb, 0xe2), ==, DONE);
    cpu->gpr[RH_RBX] = at_page(RIG_ABSENT);                     /* so that no fault is due */
    g_assert_cmpint(RUN(cpu, 0xd9, 0x1b), ==, DONE);
    g_assert_cmpint(RUN(cpu, 0xdb, 0xe2), ==, DONE);
    cpu->vector.fcw |= 0x1u;
    g_assert_cmpint(RUN(cpu, 0xd9, 0x1b), ==, RH_EXC_PF);
}

/* FNSAVE in all its four formats; the pointers are zero. */
static void test_x87_formats(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    uint8_t *ram = rig_ram();

    cpu->gpr[RH_RBX] = at_page(0);
    for (unsigned format = 0; format < 4; format++) {
        bool is_small = format & 1, is_real = format & 2;

        rig_set_32(cpu, true);
        cpu->is_protected = !is_real;
        memset(ram, 0xee, 128);
        g_assert_cmpint(RUN(cpu, 0xdb, 0xe3), ==, DONE);        /* fninit */
        g_assert_cmpint(RUN(cpu, 0xd9, 0xe8), ==, DONE);        /* fld1 */
        if (is_small) {
            g_assert_cmpint(RUN(cpu, 0x66, 0xdd, 0x33), ==, DONE);
            g_assert_cmpmem(ram, 14, "\x7f\x03\x00\x38\xff\x3f\0\0\0\0\0\0\0\0", 14);
            g_assert_cmpmem(ram + 14, 10, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
            g_assert_cmpuint(ram[94], ==, 0xee);
            g_assert_cmpint(RUN(cpu, 0x66, 0xdd, 0x23), ==, DONE);
        } else {
            g_assert_cmpint(RUN(cpu, 0xdd, 0x33), ==, DONE);
            g_assert_cmpmem(ram, 12, "\x7f\x03\xff\xff\x00\x38\xff\xff\xff\x3f\xff\xff", 12);
            g_assert_cmpmem(ram + 12, 14, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 14);
            g_assert_cmpuint(rh_ld16(ram + 26), ==, is_real ? 0 : 0xffff);
            g_assert_cmpmem(ram + 28, 10, "\0\0\0\0\0\0\0\x80\xff\x3f", 10);
            g_assert_cmpuint(ram[108], ==, 0xee);
            g_assert_cmpint(RUN(cpu, 0xdd, 0x23), ==, DONE);
        }
        g_assert_cmphex(cpu->vector.fsw, ==, 0x3800);
        g_assert_cmphex(cpu->vector.ftw, ==, 0x80);
        g_assert_cmpuint(cpu->vector.st[0][9], ==, 0x3f);
    }
}

/* ---- saved state ---- */

static void fill_state(RhTcgCpu *cpu, GRand *rand)
{
    RhTcgVector *vector = &cpu->vector;

    memset(vector, 0, sizeof(*vector));
    vector->fcw = 0x37f;
    vector->mxcsr = g_rand_int(rand) % 3 ? 0x1f80 : 0x1f80 | (g_rand_int(rand) & 0xe07f);
    if (g_rand_int(rand) & 1) {
        vector->fcw = (uint16_t)(0x40 | (g_rand_int(rand) & 0xf3f));
        vector->fsw = (uint16_t)(g_rand_int(rand) & 0x7f3f);
        vector->fsw |= vector->fsw & ~vector->fcw & 0x3f ? 0x8080 : 0;
        vector->ftw = (uint8_t)g_rand_int(rand);
        for (unsigned i = 0; i < 8; i++) {
            fill(vector->st[i], g_rand_int(rand), 10);
        }
    }
    for (unsigned i = 0; i < 16; i++) {
        if (i == 0 && g_rand_int(rand) & 1) {
            break;
        }
        fill(vector->xmm[i], g_rand_int(rand) | 1, 16);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (i == 0 && g_rand_int(rand) & 1) {
            break;
        }
        fill(vector->ymm_high[i], g_rand_int(rand) | 1, 16);
    }
}

typedef struct Saver {
    const char *name;
    uint8_t bytes[4];
} Saver;

/* What the host says of the same state, whose components it considers in use that differ from the initial ones. */
static int run_both(RhTcgCpu *cpu, RigNative *native, const uint8_t *bytes, unsigned nr, uint8_t *expected, int *ret_signal)
{
    enum { AREA = 1024 };
    uint8_t before[AREA];
    uint32_t mxcsr = cpu->vector.mxcsr;

    native->before = cpu->vector;
    cpu->vector.mxcsr = 0x1f80;         /* XRSTOR goes by the registers alone */
    native->before.xstate_bv = rh_tcg_xinuse(cpu);
    cpu->vector.mxcsr = mxcsr;
    memcpy(native->gpr, cpu->gpr, sizeof(native->gpr));
    native->rflags = 2;
    memcpy(before, rig_ram(), AREA);
    *ret_signal = rig_run_native(native, bytes, nr);
    memcpy(expected, rig_ram(), AREA);
    memcpy(rig_ram(), before, AREA);
    return rig_run(cpu, bytes, nr);
}

static void test_save_native(void)
{
    static const Saver savers[] = {
        { "fxsave", { 0x0f, 0xae, 0x03 } }, { "xsave", { 0x0f, 0xae, 0x23 } },
        { "xsaveopt", { 0x0f, 0xae, 0x33 } }, { "xsavec", { 0x0f, 0xc7, 0x23 } },
    };
    g_autoptr(RhTcgCpu) cpu = rig_new();
    RigNative *native = g_aligned_alloc0(1, sizeof(*native), 64);
    GRand *rand = g_rand_new_with_seed(2);
    uint8_t expected[1024];
    int signal_nr;

    for (unsigned i = 0; i < 4000; i++) {
        const Saver *saver = &savers[i % RH_COUNT(savers)];

        fill_state(cpu, rand);
        fill(rig_ram(), g_rand_int(rand), 1024);
        cpu->gpr[RH_RBX] = at_page(0);
        cpu->gpr[RH_RAX] = g_rand_int(rand) & 7;
        cpu->gpr[RH_RDX] = 0;
        g_assert_cmpint(run_both(cpu, native, saver->bytes, 3, expected, &signal_nr), ==, DONE);
        g_assert_cmpint(signal_nr, ==, 0);
        for (unsigned at = 0; at < sizeof(expected); at++) {
            if (rig_ram()[at] != expected[at]) {
                g_error("%s, mask %" PRIx64 ": byte %u is %02x, the host's CPU writes %02x", saver->name, cpu->gpr[RH_RAX],
                        at, rig_ram()[at], expected[at]);
            }
        }
    }
    g_rand_free(rand);
    g_aligned_free(native);
}

static void test_xinuse_native(void)
{
    static const uint8_t xgetbv[] = { 0x0f, 0x01, 0xd0 };
    g_autoptr(RhTcgCpu) cpu = rig_new();
    RigNative *native = g_aligned_alloc0(1, sizeof(*native), 64);
    GRand *rand = g_rand_new_with_seed(4);

    for (unsigned i = 0; i < 200; i++) {
        uint64_t with_mxcsr;

        fill_state(cpu, rand);
        with_mxcsr = rh_tcg_xinuse(cpu);
        native->before = cpu->vector;
        cpu->vector.mxcsr = 0x1f80;
        native->before.xstate_bv = rh_tcg_xinuse(cpu);
        native->gpr[RH_RCX] = 1;
        g_assert_cmpint(rig_run_native(native, xgetbv, sizeof(xgetbv)), ==, 0);
        g_assert_cmphex(with_mxcsr, ==, native->gpr[RH_RAX] & 7);
    }
    cpu->xcr0 = 1;
    g_assert_cmphex(rh_tcg_xinuse(cpu) & ~UINT64_C(1), ==, 0);
    g_rand_free(rand);
    g_aligned_free(native);
}

/* An image in memory: often right, sometimes with something that must be refused. */
static void fill_image(uint8_t *image, GRand *rand)
{
    bool is_compacted = g_rand_int(rand) & 1;
    uint64_t xcomp_bv = is_compacted ? UINT64_C(1) << 63 | (g_rand_int(rand) & 7) : 0;

    fill(image, g_rand_int(rand), 1024);
    for (unsigned i = 0; i < 8; i++) {
        memset(image + 32 + i * 16 + 10, (int)(g_rand_int(rand) & 0xff), 6);
    }
    rh_st32(image + 24, 0x1f80 | (g_rand_int(rand) & 0xffff));
    memset(image + 8, 0, 16);
    image[6] = image[7] = 0;
    memset(image + 512, 0, 64);
    rh_st64(image + 512, g_rand_int(rand) & (is_compacted ? xcomp_bv & 7 : 7));
    rh_st64(image + 520, xcomp_bv);
    switch (g_rand_int(rand) % 12) {
    case 0: image[519] |= 0x40; break;                  /* XSTATE_BV: a component that is not there */
    case 1: image[527] |= 0x40; break;                  /* XCOMP_BV */
    case 2: image[528 + g_rand_int(rand) % 48] = 1; break;
    case 3: image[512] |= 7; break;                     /* not in XCOMP_BV, perhaps */
    case 4: rh_st32(image + 24, 0x10000); break;        /* MXCSR */
    default: break;
    }
}

static void compare_restored(const RhTcgVector *got, const RhTcgVector *want)
{
    g_assert_cmpmem(got, 5, want, 5);
    g_assert_cmphex(got->mxcsr, ==, want->mxcsr);
    g_assert_cmpmem(got->st, sizeof(got->st), want->st, sizeof(want->st));
    g_assert_cmpmem(got->xmm, sizeof(got->xmm), want->xmm, sizeof(want->xmm));
    g_assert_cmpmem(got->ymm_high, sizeof(got->ymm_high), want->ymm_high, sizeof(want->ymm_high));
}

static void test_restore_native(void)
{
    static const uint8_t restorers[2][3] = { { 0x0f, 0xae, 0x0b }, { 0x0f, 0xae, 0x2b } };      /* fxrstor, xrstor */
    g_autoptr(RhTcgCpu) cpu = rig_new();
    RigNative *native = g_aligned_alloc0(1, sizeof(*native), 64);
    GRand *rand = g_rand_new_with_seed(3);
    unsigned nr_refused = 0;
    uint8_t expected[1024];

    for (unsigned i = 0; i < 8000; i++) {
        int vector, signal_nr;

        fill_state(cpu, rand);
        fill_image(rig_ram(), rand);
        cpu->gpr[RH_RBX] = at_page(0);
        cpu->gpr[RH_RAX] = g_rand_int(rand) & 7;
        cpu->gpr[RH_RDX] = 0;
        vector = run_both(cpu, native, restorers[i % 8 != 0], 3, expected, &signal_nr);
        g_assert_cmpint(vector == DONE ? 0 : SIGSEGV, ==, signal_nr);
        if (vector == DONE) {
            compare_restored(&cpu->vector, &native->after);
        } else {
            g_assert_cmpint(vector, ==, RH_EXC_GP);
            nr_refused++;
        }
    }
    g_assert_cmpuint(nr_refused, >, 500);
    g_rand_free(rand);
    g_aligned_free(native);
}

static void test_save_32bit(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    uint8_t *ram = rig_ram();

    rig_set_32(cpu, true);
    cpu->gpr[RH_RBX] = at_page(0);
    cpu->gpr[RH_RAX] = 7;
    for (unsigned i = 0; i < 16; i++) {
        memset(cpu->vector.xmm[i], 0x10 + (int)i, 16);
        memset(cpu->vector.ymm_high[i], 0x20 + (int)i, 16);
    }
    memset(ram, 0xee, 1024);
    memset(ram + 512, 0, 64);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x23), ==, DONE);      /* xsave */
    g_assert_true(ram[160 + 7 * 16] == 0x17 && ram[160 + 8 * 16] == 0xee);
    g_assert_true(ram[576 + 7 * 16] == 0x27 && ram[576 + 8 * 16] == 0xee);
    g_assert_cmphex(rh_ld64(ram + 512), ==, 6);
    /* Registers 8 to 15 are neither loaded nor reset. */
    memset(ram + 160, 0x55, 256);
    rh_st64(ram + 512, 2);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x2b), ==, DONE);      /* xrstor */
    g_assert_true(cpu->vector.xmm[7][0] == 0x55 && cpu->vector.xmm[8][0] == 0x18);
    g_assert_true(cpu->vector.ymm_high[7][0] == 0 && cpu->vector.ymm_high[8][0] == 0x28);
}

static void test_fxsave_without_osfxsr(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();
    uint8_t *ram = rig_ram();

    cpu->gpr[RH_RBX] = at_page(0);
    cpu->cr4 &= ~(uint64_t)CR4_OSFXSR;
    memset(ram, 0xee, 512);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x03), ==, DONE);
    g_assert_cmphex(rh_ld16(ram), ==, 0x37f);
    g_assert_true(ram[24] == 0xee && ram[160] == 0xee);
    memset(ram, 0, 512);
    rh_st32(ram + 24, UINT32_MAX);                              /* not looked at */
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x0b), ==, DONE);
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x1f80);
}

/* Registers that come from translated code: XSAVE has marked initial components, and x87 pointers lead into our code. */
static void test_live_state(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();

    cpu->gpr[RH_RBX] = at_page(0);
    cpu->gpr[RH_RAX] = 7;
    memset(rig_ram(), 0, 1024);
    cpu->vector.xstate_bv = 0;
    cpu->vector.fip = cpu->vector.fdp = UINT64_MAX;
    cpu->vector.fop = 0x7ff;
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x23), ==, DONE);      /* xsave */
    g_assert_cmphex(rh_ld16(rig_ram() + 6) | rh_ld64(rig_ram() + 8) | rh_ld64(rig_ram() + 16), ==, 0);
    g_assert_cmphex(cpu->vector.xstate_bv, ==, 7);
    cpu->vector.xstate_bv = 0;
    cpu->vector.xmm[1][15] = 0x80;
    g_assert_cmpint(RUN(cpu, 0xc4, 0xe2, 0x75, 0x2c, 0x03), ==, DONE);      /* vmaskmovps ymm0, ymm1, [rbx] */
    g_assert_cmphex(cpu->vector.xstate_bv, ==, 7);
}

static void test_supervisor_save(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();

    cpu->gpr[RH_RBX] = at_page(0);
    cpu->gpr[RH_RAX] = 7;
    cpu->vector.xmm[3][0] = 9;
    memset(rig_ram(), 0xee, 1024);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xc7, 0x2b), ==, DONE);      /* xsaves */
    g_assert_cmphex(rh_ld64(rig_ram() + 512), ==, 2);
    g_assert_cmphex(rh_ld64(rig_ram() + 520), ==, UINT64_C(0x8000000000000007));
    memset(rig_ram() + 528, 0, 48);
    cpu->vector.xmm[3][0] = 0;
    g_assert_cmpint(RUN(cpu, 0x0f, 0xc7, 0x1b), ==, DONE);      /* xrstors */
    g_assert_cmpuint(cpu->vector.xmm[3][0], ==, 9);
    memset(rig_ram() + 520, 0, 8);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xc7, 0x1b), ==, RH_EXC_GP); /* the standard format */
    cpu->cpl = 3;
    g_assert_cmpint(RUN(cpu, 0x0f, 0xc7, 0x2b), ==, RH_EXC_GP);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xc7, 0x1b), ==, RH_EXC_GP);
}

static void test_mxcsr(void)
{
    g_autoptr(RhTcgCpu) cpu = rig_new();

    cpu->gpr[RH_RBX] = at_page(0) + 1;
    rh_st32(rig_ram() + 1, 0x9fc0);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x13), ==, DONE);
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x9fc0);
    rh_st32(rig_ram() + 1, 0x10000);
    g_assert_cmpint(RUN(cpu, 0x0f, 0xae, 0x13), ==, RH_EXC_GP);
    g_assert_cmpint(RUN(cpu, 0xc5, 0xf8, 0xae, 0x13), ==, RH_EXC_GP);
    g_assert_cmphex(cpu->vector.mxcsr, ==, 0x9fc0);
    g_assert_cmpint(RUN(cpu, 0xc5, 0xf8, 0xae, 0x1b), ==, DONE);
    g_assert_cmphex(rh_ld32(rig_ram() + 1), ==, 0x9fc0);
    /* Whatever state was loaded from outside: no reserved bit reaches the host. */
    cpu->vector.mxcsr = UINT32_MAX;
    cpu->vector.xcomp_bv = UINT64_MAX;
    memset(cpu->vector.header, 0xff, sizeof(cpu->vector.header));
    g_assert_cmpint(RUN(cpu, 0x0f, 0x57, 0xc0), ==, DONE);      /* xorps */
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*test)(void);
    } tests[] = {
        { "/tcg/vector/stubs-replaced", test_stubs_replaced },
        { "/tcg/vector/refused", test_refused },
        { "/tcg/vector/host-state-kept", test_host_state_kept },
        { "/tcg/vector/w-outside-64bit", test_w_outside_64bit },
        { "/tcg/vector/zeroing-outside-64bit", test_zeroing_outside_64bit },
        { "/tcg/vector/allowed", test_allowed },
        { "/tcg/vector/vex-needs-protection", test_vex_needs_protection },
        { "/tcg/vector/alignment", test_alignment },
        { "/tcg/vector/page-faults", test_page_faults },
        { "/tcg/vector/maskmov", test_maskmov },
        { "/tcg/vector/maskmovdqu", test_maskmovdqu },
        { "/tcg/vector/gather-fault", test_gather_fault },
        { "/tcg/vector/gather-upper-half", test_gather_upper_half },
        { "/tcg/vector/simd-exceptions", test_simd_exceptions },
        { "/tcg/vector/x87-exceptions", test_x87_exceptions },
        { "/tcg/vector/x87-formats", test_x87_formats },
        { "/tcg/xstate/save-native", test_save_native },
        { "/tcg/xstate/xinuse-native", test_xinuse_native },
        { "/tcg/xstate/restore-native", test_restore_native },
        { "/tcg/xstate/save-32bit", test_save_32bit },
        { "/tcg/xstate/fxsave-without-osfxsr", test_fxsave_without_osfxsr },
        { "/tcg/xstate/live", test_live_state },
        { "/tcg/xstate/supervisor", test_supervisor_save },
        { "/tcg/xstate/mxcsr", test_mxcsr },
    };

    g_test_init(&argc, &argv, NULL);
    if (!__builtin_cpu_supports("avx")) {
        g_print("1..0 # SKIP the host's CPU has no AVX\n");
        return 0;
    }
    for (size_t i = 0; i < RH_COUNT(tests); i++) {
        g_test_add_func(tests[i].path, tests[i].test);
    }
    return g_test_run();
}
