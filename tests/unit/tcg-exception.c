/*
 * The engine's exceptions and interrupts: every kind of gate, faults on the way, virtual-8086 mode.
 */
#include "tcg-rig.h"

#include "target/i386/tcg/system.h"

#define HANDLER 0x9000u
#define RF RH_RFLAGS_RF
#define IF RH_RFLAGS_IF
#define TF RH_RFLAGS_TF
#define VM RH_RFLAGS_VM
#define NT RH_RFLAGS_NT

enum { EXT = 1, IDT = 2 };

/* Code and data descriptors of the tests' own */
#define ACC(type, dpl) ((type) | RH_SEG_S | RH_SEG_P | (uint32_t)(dpl) << RH_SEG_DPL_SHIFT)
#define SYS(type, dpl) ((type) | RH_SEG_P | (uint32_t)(dpl) << RH_SEG_DPL_SHIFT)

static RhTcgCpu *cpu_of(Rig *rig, RigMode mode, unsigned cpl)
{
    rig_enter(rig, mode, cpl);
    rig->cpu->rip = RIG_CODE + 0x10;
    rig->cpu->rflags = 2 | IF | RH_FLAG_CF;
    rh_tcg_settle(rig->cpu);
    return rig->cpu;
}

static void assert_fault(const RhTcgCpu *cpu, unsigned vector, uint32_t error)
{
    g_assert_cmpuint(cpu->fault.vector, ==, vector);
    g_assert_true(cpu->fault.has_error);
    g_assert_cmphex(cpu->fault.error, ==, error);
}

/* What the stack holds from the top down: pushed last first. */
static void assert_stack(Rig *rig, unsigned size, const uint64_t *expect, unsigned nr)
{
    const RhTcgCpu *cpu = rig->cpu;
    uint64_t at = (cpu->is_64 ? 0 : cpu->seg[RH_SS].base) + (cpu->gpr[RH_RSP] & rh_bits(cpu->stack_size * 8u));

    for (unsigned i = 0; i < nr; i++) {
        g_assert_cmphex(rig_peek(rig, at + i * size, size), ==, expect[i]);
    }
}
#define ASSERT_STACK(rig, size, ...)                                                               \
    assert_stack(rig, size, (const uint64_t[]){ __VA_ARGS__ },                                     \
                 sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)

/* --- delivery --- */

static void test_real(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_REAL, 0);

    rig_gate(rig, 0x21, 0, 0, 0x1234, 0x5678);
    cpu->is_halted = true;
    cpu->shadow = 2;
    rh_tcg_deliver_interrupt(cpu, 0x21);
    g_assert_cmphex(cpu->seg[RH_CS].base, ==, 0x12340);
    g_assert_cmphex(cpu->rip, ==, 0x5678);
    g_assert_cmphex(cpu->rflags, ==, 2 | RH_FLAG_CF);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0xf000 - 6);
    g_assert_false(cpu->is_halted);
    g_assert_cmpuint(cpu->shadow, ==, 0);
    ASSERT_STACK(rig, 2, RIG_CODE + 0x10, 0, 2 | IF | RH_FLAG_CF);
    /* Back */
    g_assert_true(rh_tcg_iret(cpu, 2));
    g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x10);
    g_assert_cmphex(cpu->rflags, ==, 2 | IF | RH_FLAG_CF);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0xf000);
    /* Exceptions have no error codes there. */
    rig_gate(rig, RH_EXC_GP, 0, 0, 0, 0x100);
    rh_tcg_gp0(cpu);
    rh_tcg_deliver_fault(cpu);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0xf000 - 6);
    ASSERT_STACK(rig, 2, RIG_CODE + 0x10);
    rig_free(rig);
}

static void test_real_shutdown(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_REAL, 0);

    cpu->idt.limit = 0x3f;              /* not even #GP (0x34-0x37) is out: but vector 0x21 is */
    rig_gate(rig, RH_EXC_GP, 0, 0, 0, 0x100);
    rh_tcg_deliver_interrupt(cpu, 0x21);
    g_assert_false(cpu->is_shut_down);
    g_assert_cmphex(cpu->rip, ==, 0x100);
    cpu->idt.limit = 3;
    rh_tcg_deliver_interrupt(cpu, 0x21);
    g_assert_true(cpu->is_shut_down);
    rig_free(rig);
}

static void test_same_level(void)
{
    static const struct {
        unsigned type;
        unsigned size;
        uint64_t flags;
    } rows[] = {
        { RH_TYPE_INT, 4, 2 | RH_FLAG_CF },   { RH_TYPE_TRAP, 4, 2 | RH_FLAG_CF | IF },
        { RH_TYPE_INT16, 2, 2 | RH_FLAG_CF }, { RH_TYPE_TRAP16, 2, 2 | RH_FLAG_CF | IF },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_PAGED, 0);
        uint64_t pushed = (2 | RH_FLAG_CF | IF | TF | RF | NT) & rh_bits(rows[i].size * 8);

        cpu->rflags |= TF | NT;
        rig_gate(rig, RH_EXC_NP, rows[i].type, 0, RIG_CODE32, 0x12349000);
        rh_tcg_raise(cpu, RH_EXC_NP, 0x50);
        rh_tcg_deliver_fault(cpu);
        g_assert_cmphex(cpu->rip, ==, rows[i].size == 4 ? 0x12349000 : 0x9000);
        g_assert_cmphex(cpu->rflags, ==, rows[i].flags);
        ASSERT_STACK(rig, rows[i].size, 0x50, RIG_CODE + 0x10, RIG_CODE32, pushed);
        g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_STACK - 4 * rows[i].size);
    }
    rig_free(rig);
}

static void test_inward(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PAGED, 3);

    rig_gate(rig, RH_EXC_PF, RH_TYPE_INT, 0, RIG_CODE32, HANDLER);
    cpu->fault = (RhFault){ .vector = RH_EXC_PF, .has_error = true, .error = 6, .cr2 = 0x12345 };
    rh_tcg_deliver_fault(cpu);
    g_assert_cmphex(cpu->cr2, ==, 0x12345);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmpuint(cpu->tlb_mode, ==, RH_TLB_KERNEL);
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, RIG_CODE32);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, RIG_DATA);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 24);
    ASSERT_STACK(rig, 4, 6, RIG_CODE + 0x10, RIG_USER_CODE32 | 3, 2 | IF | RH_FLAG_CF | RF, RIG_USER_STACK,
                 RIG_USER_DATA | 3);
    /* And back: ring 0's segments go. */
    g_assert_true(rh_tcg_load_segment(cpu, RH_DS, RIG_DATA));
    cpu->gpr[RH_RSP] += 4;
    g_assert_true(rh_tcg_iret(cpu, 4));
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK);
    g_assert_cmphex(cpu->rflags, ==, 2 | IF | RH_FLAG_CF | RF);
    g_assert_cmphex(cpu->seg[RH_DS].selector, ==, 0);
    g_assert_true(cpu->seg[RH_DS].access & RH_SEG_UNUSABLE);
    g_assert_cmphex(cpu->seg[RH_ES].selector, ==, RIG_USER_DATA | 3);
    rig_free(rig);
}

/* What is wrong with gate, handler or stack, and the error that it gives. */
typedef struct Broken {
    const char *name;
    void (*breaks)(Rig *rig);
    unsigned vector;
    uint32_t error;
} Broken;

enum { VECTOR = 0x30, IDT_ERROR = VECTOR * 8 + IDT };

static void break_idt_limit(Rig *rig) { rig->cpu->idt.limit = VECTOR * 8 + 6; }
static void break_type(Rig *rig) { rig_gate(rig, VECTOR, RH_TYPE_CALL, 3, RIG_CODE32, HANDLER); }
static void break_gate_p(Rig *rig) { rig_poke(rig, RIG_IDT + VECTOR * 8 + 5, 1, 0x6e); }
static void break_dpl(Rig *rig) { rig_gate(rig, VECTOR, RH_TYPE_INT, 0, RIG_CODE32, HANDLER); }
static void break_null(Rig *rig) { rig_gate(rig, VECTOR, RH_TYPE_INT, 3, 3, HANDLER); }
static void break_table(Rig *rig) { rig_gate(rig, VECTOR, RH_TYPE_INT, 3, 0x2000, HANDLER); }
static void break_ldt(Rig *rig)
{
    rig_gate(rig, VECTOR, RH_TYPE_INT, 3, 0xc, HANDLER);
    rig->cpu->seg[RH_LDTR] = rh_null_segment(0, 0);
}
static void break_code(Rig *rig) { rig_gate(rig, VECTOR, RH_TYPE_INT, 3, RIG_DATA, HANDLER); }
static void break_code_p(Rig *rig)
{
    rig_descriptor(rig, RIG_FREE, 0, UINT32_MAX, (ACC(0xb, 0) & ~RH_SEG_P) | RH_SEG_G);
    rig_gate(rig, VECTOR, RH_TYPE_INT, 3, RIG_FREE, HANDLER);
}
static void break_tss_limit(Rig *rig) { rig->cpu->seg[RH_TR].limit = 8; }
static void break_ss_null(Rig *rig) { rig_poke(rig, RIG_TSS + 8, 2, 0); }
static void break_ss_rpl(Rig *rig) { rig_poke(rig, RIG_TSS + 8, 2, RIG_DATA | 1); }
static void break_ss_code(Rig *rig) { rig_poke(rig, RIG_TSS + 8, 2, RIG_CODE32); }
static void break_ss_dpl(Rig *rig)
{
    rig_descriptor(rig, RIG_FREE, 0, UINT32_MAX, ACC(3, 3) | RH_SEG_G | RH_SEG_DB);
    rig_poke(rig, RIG_TSS + 8, 2, RIG_FREE);
}
static void break_ss_p(Rig *rig)
{
    rig_descriptor(rig, RIG_FREE, 0, UINT32_MAX, (ACC(3, 0) & ~RH_SEG_P) | RH_SEG_G);
    rig_poke(rig, RIG_TSS + 8, 2, RIG_FREE);
}
static void break_ss_limit(Rig *rig)
{
    rig_descriptor(rig, RIG_FREE, 0, 0xfff, ACC(3, 0) | RH_SEG_DB);
    rig_poke(rig, RIG_TSS + 8, 2, RIG_FREE);
}
static void break_offset(Rig *rig)
{
    rig_descriptor(rig, RIG_FREE, 0, 0xfff, ACC(0xb, 0));
    rig_gate(rig, VECTOR, RH_TYPE_INT, 3, RIG_FREE, HANDLER);
}
static void break_stack_page(Rig *rig) { rig_poke(rig, RIG_TSS + 4, 4, 0x50000000); }

static const Broken broken[] = {
    { "IDT too short", break_idt_limit, RH_EXC_GP, IDT_ERROR },
    { "no gate for events", break_type, RH_EXC_GP, IDT_ERROR },
    { "gate not present", break_gate_p, RH_EXC_NP, IDT_ERROR },
    { "gate's DPL", break_dpl, RH_EXC_GP, IDT_ERROR },
    { "null handler", break_null, RH_EXC_GP, 0 },
    { "handler beyond the GDT", break_table, RH_EXC_GP, 0x2000 },
    { "handler in an LDT that is not there", break_ldt, RH_EXC_GP, 0xc },
    { "handler is data", break_code, RH_EXC_GP, RIG_DATA },
    { "handler not present", break_code_p, RH_EXC_NP, RIG_FREE },
    { "TSS too short", break_tss_limit, RH_EXC_TS, RIG_TR },
    { "null stack", break_ss_null, RH_EXC_TS, 0 },
    { "RPL of the stack", break_ss_rpl, RH_EXC_TS, RIG_DATA },
    { "stack is code", break_ss_code, RH_EXC_TS, RIG_CODE32 },
    { "DPL of the stack", break_ss_dpl, RH_EXC_TS, RIG_FREE },
    { "stack not present", break_ss_p, RH_EXC_SS, RIG_FREE },
    { "stack too small", break_ss_limit, RH_EXC_SS, RIG_FREE },
    { "offset beyond the handler", break_offset, RH_EXC_GP, 0 },
    { "stack page", break_stack_page, RH_EXC_PF, 2 },
};

static void test_broken(void)
{
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(broken); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_PAGED, 3);
        uint64_t rsp = cpu->gpr[RH_RSP];

        g_test_message("%s", broken[i].name);
        rig_gate(rig, VECTOR, RH_TYPE_INT, 3, RIG_CODE32, HANDLER);
        broken[i].breaks(rig);
        g_assert_false(rh_tcg_software_interrupt(cpu, VECTOR, cpu->rip + 2, true));
        assert_fault(cpu, broken[i].vector, broken[i].error);
        g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x10);
        g_assert_cmphex(cpu->gpr[RH_RSP], ==, rsp);
        g_assert_cmpuint(cpu->cpl, ==, 3);
        if (broken[i].breaks == break_dpl || broken[i].breaks == break_stack_page ||
            broken[i].breaks == break_idt_limit) {
            continue;
        }
        /* From outside the same is told with EXT, on the stack of the fault's handler in ring 3. */
        rig_descriptor(rig, RIG_FREE + 8, 0, UINT32_MAX, ACC(0xb, 3) | RH_SEG_G | RH_SEG_DB);
        rig_gate(rig, broken[i].vector, RH_TYPE_INT, 0, RIG_FREE + 8, HANDLER + 0x100);
        rh_tcg_deliver_interrupt(cpu, VECTOR);
        g_assert_cmphex(cpu->rip, ==, HANDLER + 0x100);
        ASSERT_STACK(rig, 4, broken[i].error | EXT, RIG_CODE + 0x10, RIG_USER_CODE32 | 3,
                     2 | IF | RH_FLAG_CF | RF);
    }
    rig_free(rig);
}

static void test_software(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 3);

    /* The gate's DPL holds for INT3 as well, but not for INT1 and interrupts. */
    rig_gate(rig, RH_EXC_BP, RH_TYPE_INT, 0, RIG_CODE32, HANDLER);
    rig_gate(rig, RH_EXC_DB, RH_TYPE_INT, 0, RIG_CODE32, HANDLER);
    g_assert_false(rh_tcg_software_interrupt(cpu, RH_EXC_BP, cpu->rip + 1, false));
    assert_fault(cpu, RH_EXC_GP, RH_EXC_BP * 8 + IDT);
    g_assert_true(rh_tcg_software_interrupt(cpu, RH_EXC_DB, cpu->rip + 1, false));
    ASSERT_STACK(rig, 4, RIG_CODE + 0x11, RIG_USER_CODE32 | 3, 2 | IF | RH_FLAG_CF);
    /* RF is over when INT n is. */
    cpu = cpu_of(rig, RIG_PROTECTED, 3);
    cpu->rflags |= RF;
    rig_gate(rig, 0x80, RH_TYPE_TRAP, 3, RIG_CODE32, HANDLER);
    g_assert_true(rh_tcg_software_interrupt(cpu, 0x80, cpu->rip + 2, true));
    ASSERT_STACK(rig, 4, RIG_CODE + 0x12, RIG_USER_CODE32 | 3, 2 | IF | RH_FLAG_CF);
    g_assert_cmphex(cpu->rflags, ==, 2 | IF | RH_FLAG_CF);
    rig_free(rig);
}

/* A conforming handler runs at the level that was interrupted, on its stack. */
static void test_conforming(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 3);

    rig_descriptor(rig, RIG_FREE, 0, UINT32_MAX, ACC(0xe, 0) | RH_SEG_G | RH_SEG_DB);
    rig_gate(rig, 0x80, RH_TYPE_INT, 3, RIG_FREE, HANDLER);
    rh_tcg_deliver_interrupt(cpu, 0x80);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, RIG_FREE | 3);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK - 12);
    g_assert_cmphex(rig_peek(rig, RIG_GDT + RIG_FREE + 5, 1) & RH_TYPE_ACCESSED, ==, 1);
    rig_free(rig);
}

static void test_long(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 3);

    cpu->gpr[RH_RSP] = RIG_USER_STACK - 5;
    rig_poke(rig, RIG_TSS + 4, 8, RIG_RING0_STACK - 1);
    rig_gate(rig, RH_EXC_GP, RH_TYPE_INT, 0, RIG_CODE64, UINT64_C(0xffffffff81234567));
    rh_tcg_gp0(cpu);
    rh_tcg_deliver_fault(cpu);
    g_assert_cmphex(cpu->rip, ==, UINT64_C(0xffffffff81234567));
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 16 - 48);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, 0);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_true(cpu->is_64);
    ASSERT_STACK(rig, 8, 0, RIG_CODE + 0x10, RIG_USER_CODE64 | 3, 2 | IF | RH_FLAG_CF | RF, RIG_USER_STACK - 5,
                 RIG_USER_DATA | 3);
    /* A second one at the same level: its stack is aligned, SS stays. */
    cpu->rip = HANDLER;
    rh_tcg_deliver_interrupt(cpu, RH_EXC_GP);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 16 - 48 - 40 - 0);
    ASSERT_STACK(rig, 8, HANDLER, RIG_CODE64, 2 | RH_FLAG_CF, RIG_RING0_STACK - 16 - 48, 0);
    g_assert_true(rh_tcg_iret(cpu, 8));
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 16 - 48);
    cpu->gpr[RH_RSP] += 8;
    g_assert_true(rh_tcg_iret(cpu, 8));
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK - 5);
    g_assert_cmphex(cpu->rflags, ==, 2 | IF | RH_FLAG_CF | RF);
    rig_free(rig);
}

static void test_long_ist(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    rig_gate(rig, RH_EXC_NMI, RH_TYPE_INT, 0, RIG_CODE64, HANDLER);
    rig_poke(rig, RIG_IDT + RH_EXC_NMI * 16 + 4, 1, 7);
    rig_poke(rig, RIG_TSS + 36 + 6 * 8, 8, RIG_PAGES + 0x1000);
    rh_tcg_deliver_nmi(cpu);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_PAGES + 0x1000 - 40);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, RIG_DATA);
    g_assert_true(cpu->is_nmi_masked);
    g_assert_true(rh_tcg_iret(cpu, 8));
    g_assert_false(cpu->is_nmi_masked);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_STACK);
    /* A stack that is no address */
    rig_poke(rig, RIG_TSS + 36 + 6 * 8, 8, UINT64_C(1) << 60);
    rig_gate(rig, RH_EXC_SS, RH_TYPE_INT, 0, RIG_CODE64, HANDLER + 1);
    rh_tcg_deliver_nmi(cpu);
    g_assert_cmphex(cpu->rip, ==, HANDLER + 1);
    ASSERT_STACK(rig, 8, EXT);
    rig_free(rig);
}

static void test_compat(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_COMPAT, 3);

    rig_gate(rig, 0x80, RH_TYPE_INT, 3, RIG_CODE64, HANDLER);
    g_assert_true(rh_tcg_software_interrupt(cpu, 0x80, cpu->rip + 2, true));
    g_assert_true(cpu->is_64);
    g_assert_cmpuint(cpu->stack_size, ==, 8);
    ASSERT_STACK(rig, 8, RIG_CODE + 0x12, RIG_USER_CODE32 | 3, 2 | IF | RH_FLAG_CF, RIG_USER_STACK, RIG_USER_DATA | 3);
    g_assert_true(rh_tcg_iret(cpu, 8));
    g_assert_false(cpu->is_64);
    g_assert_cmpuint(cpu->code_size, ==, RH_CODE_32);
    /* 32-bit handlers do not exist there, nor 32-bit gates. */
    rig_gate(rig, 0x80, RH_TYPE_INT, 3, RIG_CODE32, HANDLER);
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x80, cpu->rip, true));
    assert_fault(cpu, RH_EXC_GP, RIG_CODE32);
    rig_gate(rig, 0x80, RH_TYPE_INT16, 3, RIG_CODE64, HANDLER);
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x80, cpu->rip, true));
    assert_fault(cpu, RH_EXC_GP, 0x80 * 8 + IDT);
    rig_gate(rig, 0x80, RH_TYPE_INT, 3, RIG_CODE64, UINT64_C(1) << 50);
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x80, cpu->rip, true));
    assert_fault(cpu, RH_EXC_GP, 0);
    rig_free(rig);
}

/* --- one fault after another --- */

static void test_double_fault(void)
{
    static const struct {
        unsigned first;
        bool second_is_page_fault;  /* else #NP of the gate */
        unsigned expect;            /* vector that arrives */
    } rows[] = {
        { RH_EXC_UD, false, RH_EXC_NP }, { RH_EXC_UD, true, RH_EXC_PF },  { RH_EXC_GP, false, RH_EXC_DF },
        { RH_EXC_GP, true, RH_EXC_PF },  { RH_EXC_DE, false, RH_EXC_DF }, { RH_EXC_TS, false, RH_EXC_DF },
        { RH_EXC_SS, true, RH_EXC_PF },  { RH_EXC_PF, false, RH_EXC_DF }, { RH_EXC_PF, true, RH_EXC_DF },
        { RH_EXC_AC, false, RH_EXC_NP }, { RH_EXC_DB, true, RH_EXC_PF },
    };
    static const unsigned handled[] = { RH_EXC_NP, RH_EXC_PF, RH_EXC_DF };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);
        bool has_error = rows[i].expect != RH_EXC_DB;

        for (unsigned n = 0; n < RH_COUNT(handled); n++) {
            rig_gate(rig, handled[n], RH_TYPE_INT, 0, RIG_CODE64, HANDLER + handled[n]);
        }
        /* The first one's gate: not present, or its stack is not mapped. */
        rig_gate(rig, rows[i].first, RH_TYPE_INT, 0, RIG_CODE64, HANDLER);
        if (rows[i].second_is_page_fault) {
            rig_poke(rig, RIG_IDT + rows[i].first * 16 + 4, 1, 1);
            rig_poke(rig, RIG_TSS + 36, 8, 0x50000000);
        } else {
            rig_poke(rig, RIG_IDT + rows[i].first * 16 + 5, 1, 0xe);
        }
        cpu->fault = (RhFault){ .vector = (uint8_t)rows[i].first, .has_error = true };
        rh_tcg_deliver_fault(cpu);
        g_assert_false(cpu->is_shut_down);
        g_assert_cmphex(cpu->rip, ==, HANDLER + rows[i].expect);
        if (rows[i].second_is_page_fault) {
            g_assert_cmphex(cpu->cr2, ==, 0x50000000 - 8);
        }
        if (has_error) {
            ASSERT_STACK(rig, 8,
                         rows[i].expect == RH_EXC_DF   ? 0
                         : rows[i].expect == RH_EXC_NP ? rows[i].first * 8 + IDT + EXT
                                                       : 2);
        }
    }
    rig_free(rig);
}

static void test_triple_fault(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    rh_tcg_ud(cpu);                     /* #UD, #GP, #DF: no gate at all */
    rh_tcg_deliver_fault(cpu);
    g_assert_true(cpu->is_shut_down);
    cpu = cpu_of(rig, RIG_PROTECTED, 0);
    cpu->is_shut_down = false;
    cpu->idt.limit = 0;
    rh_tcg_deliver_interrupt(cpu, 0x20);
    g_assert_true(cpu->is_shut_down);
    rig_free(rig);
}

/* --- virtual-8086 mode --- */

/* From ring 0 by IRET into v86 code at 0x1000:0x20. */
static RhTcgCpu *enter_v86(Rig *rig, unsigned iopl)
{
    static const uint16_t segs[] = { 0x2000, 0x3000, 0x4000, 0x5000, 0x6000 };  /* SS ES DS FS GS */
    RhTcgCpu *cpu = cpu_of(rig, RIG_PAGED, 0);
    uint64_t sp = RIG_STACK - 36;

    rig_poke(rig, sp, 4, 0x20);
    rig_poke(rig, sp + 4, 4, 0x1000);
    rig_poke(rig, sp + 8, 4, VM | IF | 2 | iopl << 12);
    rig_poke(rig, sp + 12, 4, 0x800);
    for (unsigned i = 0; i < RH_COUNT(segs); i++) {
        rig_poke(rig, sp + 16 + i * 4, 4, segs[i]);
    }
    cpu->gpr[RH_RSP] = sp;
    g_assert_true(rh_tcg_iret(cpu, 4));
    g_assert_true(cpu->is_v86);
    return cpu;
}

static void test_v86(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = enter_v86(rig, 0);

    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmpuint(cpu->code_size, ==, RH_CODE_16);
    g_assert_cmpuint(cpu->tlb_mode, ==, RH_TLB_USER);
    g_assert_cmphex(cpu->seg[RH_SS].base, ==, 0x20000);
    g_assert_cmphex(cpu->seg[RH_GS].base, ==, 0x60000);
    g_assert_cmphex(cpu->rip, ==, 0x20);
    /* IOPL 0: INT n and IRET are the monitor's. */
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x21, 0x22, true));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_false(rh_tcg_iret(cpu, 2));
    assert_fault(cpu, RH_EXC_GP, 0);
    rig_gate(rig, RH_EXC_GP, RH_TYPE_INT, 0, RIG_CODE32, HANDLER);
    rh_tcg_deliver_fault(cpu);
    g_assert_false(cpu->is_v86);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 40);
    ASSERT_STACK(rig, 4, 0, 0x20, 0x1000, VM | IF | RF | 2, 0x800, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000);
    g_assert_true(cpu->seg[RH_DS].access & RH_SEG_UNUSABLE);
    g_assert_cmphex(cpu->seg[RH_DS].selector, ==, 0);
    cpu->gpr[RH_RSP] += 4;
    g_assert_true(rh_tcg_iret(cpu, 4));
    g_assert_true(cpu->is_v86);
    g_assert_cmphex(cpu->seg[RH_FS].selector, ==, 0x5000);
    rig_free(rig);
}

static void test_v86_iopl3(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = enter_v86(rig, 3);

    /* A handler that is not ring 0's is refused. */
    rig_gate(rig, 0x21, RH_TYPE_INT, 3, RIG_USER_CODE32, HANDLER);
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x21, 0x22, true));
    assert_fault(cpu, RH_EXC_GP, RIG_USER_CODE32);
    /* IRET within the mode leaves IOPL alone. */
    rig_poke(rig, 0x20800, 2, 0x1234);
    rig_poke(rig, 0x20802, 2, 0x1111);
    rig_poke(rig, 0x20804, 2, 2);
    g_assert_true(rh_tcg_iret(cpu, 2));
    g_assert_cmphex(cpu->rip, ==, 0x1234);
    g_assert_cmphex(cpu->seg[RH_CS].base, ==, 0x11110);
    g_assert_cmphex(cpu->rflags, ==, 2 | VM | RH_RFLAGS_IOPL);
    g_assert_true(rh_tcg_load_segment(cpu, RH_ES, 0x7777));
    g_assert_cmphex(cpu->seg[RH_ES].base, ==, 0x77770);
    rig_free(rig);
}

/* --- virtual-8086 mode extensions --- */

#define VIF RH_RFLAGS_VIF
#define VIP RH_RFLAGS_VIP
#define IOPL RH_RFLAGS_IOPL
enum { MAP = 0x68, PORTS = MAP + 32, IVT_21 = 4 * 0x21 };

/* As enter_v86, with VME: INT 21H is the program's own, and no other. */
static RhTcgCpu *enter_vme(Rig *rig, uint64_t rflags)
{
    RhTcgCpu *cpu = enter_v86(rig, 0);

    cpu->cr4 |= RH_CR4_VME;
    rh_tcg_set_rflags(cpu, rflags, IF | IOPL | VIF | VIP | TF);
    memset(rig->ram->host + RIG_TSS + MAP, 0xff, PORTS - MAP);
    rig_poke(rig, RIG_TSS + MAP + 0x21 / 8, 1, 0xff & ~(1u << 0x21 % 8));
    rig_poke(rig, RIG_TSS + 102, 2, PORTS);
    cpu->seg[RH_TR].limit = PORTS;
    rig_poke(rig, IVT_21, 4, 0x12345678);
    return cpu;
}

static void test_vme_int(void)
{
    static const struct {
        uint64_t rflags, pushed, after;
    } rows[] = {
        { IF | VIF, IF | IOPL, IF },
        { IF | VIF | TF, IF | IOPL | TF, IF },
        { IF, IOPL, IF },
        { VIF, IF | IOPL, 0 },
        { IF | VIP, IOPL, IF | VIP },
        { IOPL | IF | VIF, IOPL | IF, IOPL | VIF },
        { IOPL | VIF, IOPL, IOPL | VIF },
    };
    Rig *rig = rig_new();

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = enter_vme(rig, rows[i].rflags);

        g_assert_true(rh_tcg_software_interrupt(cpu, 0x21, 0x22, true));
        g_assert_true(cpu->is_v86);
        g_assert_cmphex(cpu->rip, ==, 0x5678);
        g_assert_cmphex(cpu->seg[RH_CS].base, ==, 0x12340);
        g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0x800 - 6);
        ASSERT_STACK(rig, 2, 0x22, 0x1000, rows[i].pushed | 2);
        g_assert_cmphex(cpu->rflags, ==, rows[i].after | VM | 2);
    }
    rig_free(rig);
}

/* What the map does not give to the program, and what it cannot: INT3, and everything where there is no map. */
static void test_vme_monitor(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = enter_vme(rig, IF | VIF);

    g_assert_false(rh_tcg_software_interrupt(cpu, 0x22, 0x22, true));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0x800);
    g_assert_cmphex(cpu->rflags, ==, IF | VIF | VM | 2);
    cpu->seg[RH_TR].limit = MAP + 3;            /* the map ends before vector 0x21 */
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x21, 0x22, true));
    assert_fault(cpu, RH_EXC_GP, 0);
    rig_poke(rig, RIG_TSS + 102, 2, 16);        /* or begins before the TSS */
    cpu->seg[RH_TR].limit = PORTS;
    g_assert_false(rh_tcg_software_interrupt(cpu, 0x21, 0x22, true));
    assert_fault(cpu, RH_EXC_GP, 0);

    rig_gate(rig, RH_EXC_BP, RH_TYPE_INT, 3, RIG_CODE32, HANDLER);
    memset(rig->ram->host + RIG_TSS + MAP, 0, PORTS - MAP);
    rig_poke(rig, RIG_TSS + 102, 2, PORTS);
    g_assert_true(rh_tcg_software_interrupt(cpu, RH_EXC_BP, 0x21, false));
    g_assert_false(cpu->is_v86);
    ASSERT_STACK(rig, 4, 0x21, 0x1000, VM | IF | VIF | 2, 0x800);
    g_assert_cmphex(cpu->rflags & (VM | VIF | IF), ==, VIF);

    cpu = enter_vme(rig, IOPL | IF);
    rig_gate(rig, 0x22, RH_TYPE_INT, 3, RIG_CODE32, HANDLER);
    g_assert_true(rh_tcg_software_interrupt(cpu, 0x22, 0x22, true));
    g_assert_false(cpu->is_v86);
    g_assert_cmphex(cpu->rip, ==, HANDLER);
    rig_free(rig);
}

static void test_vme_iret(void)
{
    static const struct {
        uint64_t rflags, image, after;
        bool is_fault;
    } rows[] = {
        { IF, IF | RH_FLAG_CF, IF | VIF | RH_FLAG_CF },
        { VIF, IOPL | 2, 0 },
        { IF | VIF | VIP, 0, IF | VIP },
        { IF | VIP, IF, 0, true },
        { IF, TF, 0, true },
    };
    Rig *rig = rig_new();

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = enter_vme(rig, rows[i].rflags);

        rig_poke(rig, 0x20800, 2, 0x1234);
        rig_poke(rig, 0x20802, 2, 0x1111);
        rig_poke(rig, 0x20804, 2, rows[i].image);
        g_assert_cmpint(rh_tcg_iret(cpu, 2), ==, !rows[i].is_fault);
        if (rows[i].is_fault) {
            assert_fault(cpu, RH_EXC_GP, 0);
            g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0x800);
            g_assert_cmphex(cpu->rip, ==, 0x20);
            g_assert_cmphex(cpu->rflags, ==, rows[i].rflags | VM | 2);
        } else {
            g_assert_cmphex(cpu->rip, ==, 0x1234);
            g_assert_cmphex(cpu->seg[RH_CS].base, ==, 0x11110);
            g_assert_cmphex(cpu->rflags, ==, rows[i].after | VM | 2);
        }
        g_assert_false(rh_tcg_iret(cpu, 4));
        assert_fault(cpu, RH_EXC_GP, 0);
    }
    rig_free(rig);
}

/* The monitor returns to a program with an interrupt pending for which it is ready: #GP before its next instruction. */
static void test_vme_pending(void)
{
    static const struct {
        uint64_t rflags, cr4;
        bool is_due;
    } rows[] = {
        { VIF | VIP, RH_CR4_VME, true },
        { VIF | VIP, RH_CR4_PVI, false },
        { VIF, RH_CR4_VME, false },
        { VIP, RH_CR4_VME, false },
        { VIF | VIP | IOPL, RH_CR4_VME, false },
    };
    Rig *rig = rig_new();
    RhTcgCpu *cpu;

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        cpu = enter_v86(rig, 0);
        cpu->cr4 |= rows[i].cr4;
        rh_tcg_set_rflags(cpu, 0, IF);
        cpu->attention = 0;
        rh_tcg_set_rflags(cpu, rows[i].rflags, VIF | VIP | IOPL);
        g_assert_cmpint(cpu->attention, ==, rows[i].is_due);
        g_assert_cmpint(rh_tcg_check_traps(cpu), ==, !rows[i].is_due);
        if (rows[i].is_due) {
            assert_fault(cpu, RH_EXC_GP, 0);
        }
    }
    /* Programs in protected mode: not before they have CPL 3. */
    cpu = cpu_of(rig, RIG_LONG, 0);
    cpu->cr4 |= RH_CR4_PVI;
    cpu->attention = 0;
    rh_tcg_set_rflags(cpu, VIF | VIP, VIF | VIP | IOPL);
    g_assert_true(rh_tcg_check_traps(cpu));
    cpu->gpr[RH_RCX] = 0x8000;
    cpu->gpr[RH_R11] = VIF | VIP;
    cpu->star = (uint64_t)(RIG_USER_CODE32 | 3) << 48;
    cpu->attention = 0;
    g_assert_true(rh_tcg_sysret(cpu, 8));
    g_assert_cmpint(cpu->attention, ==, 1);
    g_assert_false(rh_tcg_check_traps(cpu));
    assert_fault(cpu, RH_EXC_GP, 0);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-exception/real", test_real);
    g_test_add_func("/tcg-exception/real-shutdown", test_real_shutdown);
    g_test_add_func("/tcg-exception/same-level", test_same_level);
    g_test_add_func("/tcg-exception/inward", test_inward);
    g_test_add_func("/tcg-exception/broken", test_broken);
    g_test_add_func("/tcg-exception/software", test_software);
    g_test_add_func("/tcg-exception/conforming", test_conforming);
    g_test_add_func("/tcg-exception/long", test_long);
    g_test_add_func("/tcg-exception/long-ist", test_long_ist);
    g_test_add_func("/tcg-exception/compat", test_compat);
    g_test_add_func("/tcg-exception/double-fault", test_double_fault);
    g_test_add_func("/tcg-exception/triple-fault", test_triple_fault);
    g_test_add_func("/tcg-exception/v86", test_v86);
    g_test_add_func("/tcg-exception/v86-iopl3", test_v86_iopl3);
    g_test_add_func("/tcg-exception/vme-int", test_vme_int);
    g_test_add_func("/tcg-exception/vme-monitor", test_vme_monitor);
    g_test_add_func("/tcg-exception/vme-iret", test_vme_iret);
    g_test_add_func("/tcg-exception/vme-pending", test_vme_pending);
    return g_test_run();
}
