/*
 * The engine's task switches, SMM and debug exceptions.
 */
#include "tcg-rig.h"

#include "target/i386/tcg/system.h"

#define TARGET 0x9000u
#define IF RH_RFLAGS_IF
#define NT RH_RFLAGS_NT
#define TF RH_RFLAGS_TF
#define SYS(type, dpl) ((type) | RH_SEG_P | (uint32_t)(dpl) << RH_SEG_DPL_SHIFT)

static RhTcgCpu *cpu_of(Rig *rig, RigMode mode, unsigned cpl)
{
    rig_enter(rig, mode, cpl);
    rig->cpu->rip = RIG_CODE + 0x10;
    rig->cpu->next_rip = RIG_CODE + 0x15;
    return rig->cpu;
}

static void assert_fault(const RhTcgCpu *cpu, unsigned vector, uint32_t error)
{
    g_assert_cmpuint(cpu->fault.vector, ==, vector);
    g_assert_true(cpu->fault.has_error);
    g_assert_cmphex(cpu->fault.error, ==, error);
}

/* --- task switches --- */

enum { OTHER = RIG_FREE, OTHER_TSS = RIG_PAGES + 0xf80 };     /* crosses a page */

static void put_task(Rig *rig, uint16_t cs, uint16_t ss, uint64_t rflags)
{
    rig_poke(rig, OTHER_TSS + 0x1c, 4, rig->cpu->cr3);
    rig_poke(rig, OTHER_TSS + 0x20, 4, TARGET);
    rig_poke(rig, OTHER_TSS + 0x24, 4, rflags);
    for (unsigned i = 0; i < 8; i++) {
        rig_poke(rig, OTHER_TSS + 0x28 + i * 4, 4, 0x1010 * i + 1);
    }
    for (unsigned i = 0; i < 6; i++) {
        rig_poke(rig, OTHER_TSS + 0x48 + i * 4, 4, RIG_USER_DATA | 3);
    }
    rig_poke(rig, OTHER_TSS + 0x38, 4, RIG_USER_STACK);
    rig_poke(rig, OTHER_TSS + 0x4c, 4, cs);
    rig_poke(rig, OTHER_TSS + 0x50, 4, ss);
    rig_poke(rig, OTHER_TSS + 0x60, 4, RIG_LDTR);
    rig_poke(rig, OTHER_TSS + 0x64, 4, 0);
    rig_poke(rig, OTHER_TSS + 4, 4, RIG_RING0_STACK);
    rig_poke(rig, OTHER_TSS + 8, 4, RIG_DATA);
    rig_descriptor(rig, OTHER, OTHER_TSS, 0x67, SYS(9, 0));
}

static RhTcgCpu *begin_task(Rig *rig)
{
    RhTcgCpu *cpu = cpu_of(rig, RIG_PAGED, 0);

    put_task(rig, RIG_USER_CODE32 | 3, RIG_USER_DATA | 3, 2 | IF);
    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = i == RH_RSP ? RIG_STACK : 0x100 + i;
    }
    cpu->rflags = 2 | RH_FLAG_CF;
    return cpu;
}

static void assert_old_task(Rig *rig, uint64_t rip, uint64_t rflags)
{
    g_assert_cmphex(rig_peek(rig, RIG_TSS + 0x20, 4), ==, rip);
    g_assert_cmphex(rig_peek(rig, RIG_TSS + 0x24, 4), ==, rflags);
    g_assert_cmphex(rig_peek(rig, RIG_TSS + 0x28 + 4 * RH_RDI, 4), ==, 0x107);
    g_assert_cmphex(rig_peek(rig, RIG_TSS + 0x4c, 2), ==, RIG_CODE32);
    g_assert_cmphex(rig_peek(rig, RIG_TSS + 0x50, 2), ==, RIG_DATA);
}

static unsigned type_of(Rig *rig, uint16_t selector)
{
    return rig_peek(rig, RIG_GDT + selector + 5, 1) & 15;
}

static void assert_new_task(Rig *rig, uint64_t rflags)
{
    const RhTcgCpu *cpu = rig->cpu;

    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->rflags, ==, rflags);
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, 0x7071);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->seg[RH_TR].selector, ==, OTHER);
    g_assert_cmphex(cpu->seg[RH_TR].base, ==, OTHER_TSS);
    g_assert_cmphex(cpu->seg[RH_LDTR].base, ==, RIG_LDT);
    g_assert_cmphex(cpu->seg[RH_GS].selector, ==, RIG_USER_DATA | 3);
    g_assert_cmphex(cpu->seg[RH_GS].limit, ==, UINT32_MAX);
    g_assert_true(cpu->cr0 & RH_CR0_TS);
    g_assert_cmpuint(type_of(rig, OTHER), ==, RH_TYPE_TSS_BUSY);
}

static void test_task_jump(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = begin_task(rig);

    cpu->dr7 = 0x400 | 0x303;           /* L0, G0, LE, GE: the local ones are the task's */
    rig_poke(rig, OTHER_TSS + 0x64, 2, 1);
    g_assert_true(rh_tcg_far_jump(cpu, OTHER, 0, 4));
    assert_old_task(rig, RIG_CODE + 0x15, 2 | RH_FLAG_CF);
    assert_new_task(rig, 2 | IF);
    g_assert_cmpuint(type_of(rig, RIG_TR), ==, RH_TYPE_TSS);
    g_assert_cmphex(cpu->dr7, ==, 0x400 | 0x202);
    /* The T bit */
    g_assert_false(rh_tcg_check_traps(cpu));
    g_assert_cmphex(cpu->fault.dr6, ==, RH_DR6_BT);
    rig_free(rig);
}

static void test_task_call_and_return(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = begin_task(rig);

    g_assert_true(rh_tcg_far_call(cpu, OTHER, 0, 4, RIG_CODE + 0x17));
    assert_old_task(rig, RIG_CODE + 0x17, 2 | RH_FLAG_CF);
    assert_new_task(rig, 2 | IF | NT);
    g_assert_cmphex(rig_peek(rig, OTHER_TSS, 2), ==, RIG_TR);
    g_assert_cmpuint(type_of(rig, RIG_TR), ==, RH_TYPE_TSS_BUSY);
    cpu->next_rip = TARGET + 1;
    rig_poke(rig, RIG_TSS + 0x1c, 4, cpu->cr3);
    rig_poke(rig, RIG_TSS + 0x60, 2, 0);
    g_assert_true(rh_tcg_iret(cpu, 4));
    g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x17);
    g_assert_cmphex(cpu->rflags, ==, 2 | RH_FLAG_CF);
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, 0x107);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmpuint(type_of(rig, OTHER), ==, RH_TYPE_TSS);
    g_assert_cmphex(rig_peek(rig, OTHER_TSS + 0x20, 4), ==, TARGET + 1);
    g_assert_cmphex(rig_peek(rig, OTHER_TSS + 0x24, 4), ==, 2 | IF);       /* NT is gone */
    rig_free(rig);
}

static void test_task_gate(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = begin_task(rig);

    rig_gate(rig, RH_EXC_DF, RH_TYPE_TASK, 0, OTHER, 0);
    rh_tcg_raise(cpu, RH_EXC_DF, 0);
    cpu->fault.error = 0x77;
    rh_tcg_deliver_fault(cpu);
    assert_old_task(rig, RIG_CODE + 0x10, 2 | RH_FLAG_CF);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK - 4);
    g_assert_cmphex(rig_peek(rig, RIG_USER_STACK - 4, 4), ==, 0x77);
    cpu->gpr[RH_RSP] += 4;
    assert_new_task(rig, 2 | IF | NT);
    /* Through a gate in the GDT */
    cpu = begin_task(rig);
    rig_gate_at(rig, RIG_GDT + OTHER + 0x10, RH_TYPE_TASK, 0, OTHER, 0, false);
    g_assert_true(rh_tcg_far_jump(cpu, OTHER + 0x10, 0, 4));
    assert_new_task(rig, 2 | IF);
    rig_free(rig);
}

static void test_task_16(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = begin_task(rig);

    for (unsigned i = 0; i < 8; i++) {
        rig_poke(rig, OTHER_TSS + 0x12 + i * 2, 2, 0x1111 * i);
    }
    rig_poke(rig, OTHER_TSS + 0x0e, 2, 0x9000);
    rig_poke(rig, OTHER_TSS + 0x10, 2, IF);
    rig_poke(rig, OTHER_TSS + 0x22, 2, RIG_DATA16);
    rig_poke(rig, OTHER_TSS + 0x24, 2, RIG_CODE16);
    rig_poke(rig, OTHER_TSS + 0x26, 2, RIG_DATA16);
    rig_poke(rig, OTHER_TSS + 0x28, 2, 0);
    rig_poke(rig, OTHER_TSS + 0x2a, 2, 0);
    rig_descriptor(rig, OTHER, OTHER_TSS, 0x2b, SYS(RH_TYPE_TSS16, 0));
    g_assert_true(rh_tcg_far_call(cpu, OTHER, 0, 4, RIG_CODE + 0x17));
    assert_old_task(rig, RIG_CODE + 0x17, 2 | RH_FLAG_CF);
    g_assert_cmphex(cpu->rip, ==, 0x9000);
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, 0x7777);
    g_assert_cmphex(cpu->rflags, ==, 2 | IF | NT);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, RIG_DATA16);
    g_assert_true(cpu->seg[RH_FS].access & RH_SEG_UNUSABLE);
    g_assert_cmphex(rig_peek(rig, OTHER_TSS, 2), ==, RIG_TR);
    cpu->next_rip = 0x9002;
    rig_poke(rig, RIG_TSS + 0x1c, 4, cpu->cr3);
    rig_poke(rig, RIG_TSS + 0x60, 2, 0);
    g_assert_true(rh_tcg_iret(cpu, 2));
    g_assert_cmphex(rig_peek(rig, OTHER_TSS + 0x0e, 2), ==, 0x9002);
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, 0x107);
    rig_free(rig);
}

static void test_task_v86(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = begin_task(rig);

    put_task(rig, 0x1234, 0x2000, 2 | RH_RFLAGS_VM);
    g_assert_true(rh_tcg_far_jump(cpu, OTHER, 0, 4));
    g_assert_true(cpu->is_v86);
    g_assert_cmphex(cpu->seg[RH_CS].base, ==, 0x12340);
    rig_free(rig);
}

/* Faults of the old task leave it as it was; those of the new one find it current. */
static void test_task_faults(void)
{
    static const struct {
        uint32_t access, limit;
        uint16_t cs, ss;
        unsigned vector;
        uint32_t error;
        bool is_switched;
    } rows[] = {
        { SYS(0xb, 0), 0x67, RIG_CODE32, RIG_DATA, RH_EXC_GP, OTHER, false },
        { 9, 0x67, RIG_CODE32, RIG_DATA, RH_EXC_NP, OTHER, false },
        { SYS(9, 0), 0x66, RIG_CODE32, RIG_DATA, RH_EXC_TS, OTHER, false },
        { SYS(9, 0), 0x67, 0, RIG_DATA, RH_EXC_TS, 0, true },
        { SYS(9, 0), 0x67, RIG_DATA, RIG_DATA, RH_EXC_TS, RIG_DATA, true },
        { SYS(9, 0), 0x67, RIG_CODE32 | 3, RIG_USER_DATA | 3, RH_EXC_TS, RIG_CODE32, true },
        { SYS(9, 0), 0x67, RIG_CODE32, RIG_USER_DATA | 3, RH_EXC_TS, RIG_USER_DATA, true },
        { SYS(9, 0), 0x67, RIG_CODE32, 0, RH_EXC_TS, 0, true },
        { SYS(9, 0), 0x67, 0x3000, RIG_DATA, RH_EXC_TS, 0x3000, true },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = begin_task(rig);

        put_task(rig, rows[i].cs, rows[i].ss, 2);
        rig_descriptor(rig, OTHER, OTHER_TSS, rows[i].limit, rows[i].access);
        g_assert_false(rh_tcg_far_jump(cpu, OTHER, 0, 4));
        assert_fault(cpu, rows[i].vector, rows[i].error);
        g_assert_cmphex(cpu->seg[RH_TR].selector, ==, rows[i].is_switched ? OTHER : RIG_TR);
        g_assert_cmphex(cpu->rip, ==, rows[i].is_switched ? TARGET : RIG_CODE + 0x10);
        g_assert_cmphex(rig_peek(rig, RIG_TSS + 0x20, 4), ==, rows[i].is_switched ? RIG_CODE + 0x15 : 0);
    }
    /* Not in ring 3, not in long mode */
    rig_enter(rig, RIG_PAGED, 3);
    put_task(rig, RIG_CODE32, RIG_DATA, 2);
    g_assert_false(rh_tcg_far_jump(rig->cpu, OTHER, 0, 4));
    assert_fault(rig->cpu, RH_EXC_GP, OTHER);
    rig_enter(rig, RIG_LONG, 0);
    put_task(rig, RIG_CODE32, RIG_DATA, 2);
    g_assert_false(rh_tcg_far_jump(rig->cpu, OTHER, 0, 4));
    assert_fault(rig->cpu, RH_EXC_GP, OTHER);
    rig->cpu->rflags |= NT;
    g_assert_false(rh_tcg_iret(rig->cpu, 8));
    assert_fault(rig->cpu, RH_EXC_GP, 0);
    /* IRET to a task that is not busy */
    begin_task(rig);
    rig->cpu->rflags |= NT;
    rig_poke(rig, RIG_TSS, 2, OTHER);
    g_assert_false(rh_tcg_iret(rig->cpu, 4));
    assert_fault(rig->cpu, RH_EXC_TS, OTHER);
    /* A TSS that is not mapped in whole: nothing has happened */
    begin_task(rig);
    rig_descriptor(rig, OTHER, 0xffffff0, 0x67, SYS(9, 0));
    g_assert_false(rh_tcg_far_jump(rig->cpu, OTHER, 0, 4));
    assert_fault(rig->cpu, RH_EXC_PF, 0);
    g_assert_cmphex(rig->cpu->seg[RH_TR].selector, ==, RIG_TR);
    g_assert_cmpuint(type_of(rig, OTHER), ==, RH_TYPE_TSS);
    rig_free(rig);
}

/* --- SMM --- */

static void test_smm(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 3);
    RhX86State *before = g_new0(RhX86State, 1);
    RhX86State *after = g_new0(RhX86State, 1);
    uint64_t base = 0x30000;

    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        cpu->gpr[i] = UINT64_C(0x1111111111111111) * i;
    }
    cpu->seg[RH_DS] = rh_null_segment(0, 0);
    cpu->seg[RH_FS].base = UINT64_C(0x7f1234567890);
    cpu->rflags = 2 | IF | RH_FLAG_ZF;
    cpu->is_halted = true;
    rh_tcg_settle(cpu);
    rh_tcg_to_state(cpu, before);
    g_assert_false(rh_tcg_rsm(cpu));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_UD);

    rh_tcg_enter_smm(cpu);
    g_assert_true(cpu->is_in_smm && cpu->is_nmi_masked && !cpu->is_halted);
    g_assert_cmphex(cpu->rip, ==, 0x8000);
    g_assert_cmphex(cpu->seg[RH_CS].base, ==, base);
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, base >> 4);
    g_assert_cmphex(cpu->seg[RH_DS].limit, ==, UINT32_MAX);
    g_assert_false(cpu->is_protected || cpu->is_long);
    g_assert_cmphex(cpu->rflags, ==, 2);
    g_assert_cmpuint(cpu->code_size, ==, RH_CODE_16);
    g_assert_cmphex(rig_peek(rig, base + 0xfefc, 4), ==, 0x20064);
    g_assert_cmphex(rig_peek(rig, base + 0xff00, 4), ==, base);
    g_assert_cmphex(rig_peek(rig, base + 0xff78, 8), ==, RIG_CODE + 0x10);
    g_assert_cmphex(rig_peek(rig, base + 0xfff0, 8), ==, UINT64_C(0x1111111111111111));
    g_assert_cmphex(rig_peek(rig, base + 0xff80, 8), ==, UINT64_C(0xffffffffffffffff));
    g_assert_cmphex(rig_peek(rig, base + 0xfe10, 2), ==, RIG_USER_CODE64 | 3);
    g_assert_cmphex(rig_peek(rig, base + 0xfe12, 2), ==, 0xafb);
    g_assert_cmphex(rig_peek(rig, base + 0xfe48, 8), ==, UINT64_C(0x7f1234567890));
    g_assert_cmphex(rig_peek(rig, base + 0xfec9, 1), ==, 1);

    /* SMBASE moves with RSM. */
    rig_poke(rig, base + 0xff00, 4, 0x50000);
    g_assert_true(rh_tcg_rsm(cpu));
    g_assert_false(cpu->is_in_smm || cpu->is_nmi_masked);
    g_assert_cmphex(cpu->smbase, ==, 0x50000);
    g_assert_true(cpu->is_halted);
    cpu->smbase = base;
    rh_tcg_to_state(cpu, after);
    after->tsc = before->tsc;
    g_assert_cmpmem(after, sizeof(*after), before, sizeof(*before));
    g_assert_true(cpu->is_64);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_free(before);
    g_free(after);
    rig_free(rig);
}

/* The save area is in SMRAM, before and after SMBASE moves there; a CPU that was saved in the handler goes on there. */
static void test_smram(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);
    RhX86State *state = g_new0(RhX86State, 1);
    uint64_t base = 0x300000;

    rig_add_smram(rig, base, 0x10000);
    rig_poke(rig, base + 0xfefc, 4, 0x12345678);
    rh_st32(rig->smram->host + 0x8000, 0x0badc0de);
    cpu->smbase = base;
    cpu->gpr[RH_RBX] = UINT64_C(0x1122334455667788);
    g_assert_cmphex(rh_tcg_phys_load(cpu, base + 0xfefc, 4), ==, 0x12345678);   /* what is remembered of it does not stay */
    rh_tcg_enter_smm(cpu);
    g_assert_cmphex(rig_peek(rig, base + 0xfefc, 4), ==, 0x12345678);
    g_assert_cmphex(rh_ld32(rig->smram->host + 0xfefc), ==, 0x20064);
    g_assert_cmphex(rh_tcg_phys_load(cpu, base + 0x8000, 4), ==, 0x0badc0de);

    rh_tcg_to_state(cpu, state);
    g_assert_true(state->events.is_in_smm && state->events.nmi_masked);
    cpu->is_in_smm = cpu->is_nmi_masked = false;
    cpu->smbase = 0x30000;
    rh_tlb_flush(cpu, false);
    g_assert_cmphex(rh_tcg_phys_load(cpu, base + 0x8000, 4), ==, 0);
    rh_tcg_from_state(cpu, state);
    g_assert_true(cpu->is_in_smm && cpu->is_nmi_masked);
    g_assert_cmphex(cpu->smbase, ==, base);
    g_assert_cmphex(rh_tcg_phys_load(cpu, base + 0x8000, 4), ==, 0x0badc0de);

    cpu->gpr[RH_RBX] = 0;
    g_assert_true(rh_tcg_rsm(cpu));
    g_assert_true(cpu->is_64);
    g_assert_cmphex(cpu->gpr[RH_RBX], ==, UINT64_C(0x1122334455667788));
    g_assert_cmphex(rh_tcg_phys_load(cpu, base + 0x8000, 4), ==, 0);
    g_free(state);
    rig_free(rig);
}

static void test_smm_bad_state(void)
{
    static const struct {
        uint16_t at;
        uint64_t value;
    } rows[] = {
        { 0xff58, 0x80000010 },                 /* CR0: PG without PE */
        { 0xff58, UINT64_C(0x180000011) },
        { 0xff48, 0x80000020 },                 /* CR4 */
        { 0xff48, 0 },                          /* long mode without PAE */
        { 0xfed0, 0x900 },                      /* EFER: LME with paging, not LMA */
        { 0xff70, 2 | RH_RFLAGS_VM },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

        cpu->is_shut_down = false;
        rh_tcg_enter_smm(cpu);
        rig_poke(rig, 0x30000 + rows[i].at, 8, rows[i].value);
        g_assert_true(rh_tcg_rsm(cpu));
        g_assert_true(cpu->is_shut_down);
    }
    rig_free(rig);
}

/* --- debugging --- */

static void test_code_breakpoint(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    g_assert_false(cpu->has_code_breakpoints);
    g_assert_true(rh_tcg_write_dr(cpu, 1, TARGET));
    g_assert_true(rh_tcg_write_dr(cpu, 7, 0x400 | 1u << 2));
    g_assert_true(cpu->has_code_breakpoints);
    g_assert_true(rh_tcg_check_code_breakpoint(cpu, TARGET + 1));
    g_assert_false(rh_tcg_check_code_breakpoint(cpu, TARGET));
    rig_gate(rig, RH_EXC_DB, RH_TYPE_INT, 0, RIG_CODE64, TARGET + 0x100);
    cpu->rip = TARGET;
    rh_tcg_deliver_fault(cpu);
    g_assert_cmphex(cpu->dr6, ==, 0xffff0ff2);
    g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + 16, 8) & RH_RFLAGS_RF, ==, 0);
    rig_poke(rig, cpu->gpr[RH_RSP] + 16, 8, 2 | RH_RFLAGS_RF);
    g_assert_true(rh_tcg_iret(cpu, 8));
    g_assert_true(rh_tcg_check_code_breakpoint(cpu, TARGET));
    rig_free(rig);
}

static void test_data_breakpoints(void)
{
    static const struct {
        unsigned kind, len;     /* as in DR7 */
        uint64_t at;            /* relative to the breakpoint */
        unsigned size;
        bool is_write, is_hit;
    } rows[] = {
        { 1, 3, 0, 4, true, true },  { 1, 3, 0, 4, false, false }, { 3, 3, 0, 4, false, true },
        { 3, 3, 3, 1, true, true },  { 3, 3, 4, 1, true, false },  { 3, 3, -1, 1, true, false },
        { 3, 3, -1, 2, true, true }, { 1, 2, 7, 1, true, true },   { 1, 2, -4, 8, true, true },
        { 1, 0, 1, 1, true, false }, { 1, 1, 1, 1, true, true },   { 0, 0, 0, 1, true, false },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);
        uint64_t at = RIG_PAGES + 0x100 + rows[i].at;
        uint64_t value;

        g_assert_true(rh_tcg_store(cpu, RH_TLB_KERNEL, RIG_PAGES, 8, 1));   /* the page is known already */
        g_assert_true(rh_tcg_write_dr(cpu, 2, RIG_PAGES + 0x100));
        g_assert_true(rh_tcg_write_dr(cpu, 7, 0x400 | 2u << 4 | (rows[i].kind | rows[i].len << 2) << 24));
        cpu->attention = 0;
        g_assert_true(rows[i].is_write ? rh_tcg_store(cpu, RH_TLB_KERNEL, at, rows[i].size, 1)
                                       : rh_tcg_load(cpu, RH_TLB_KERNEL, at, rows[i].size, &value));
        g_assert_cmpint(cpu->attention, ==, rows[i].is_hit);
        g_assert_cmpint(rh_tcg_check_traps(cpu), ==, !rows[i].is_hit);
        if (rows[i].is_hit) {
            g_assert_cmphex(cpu->fault.dr6, ==, 4);
            g_assert_true(cpu->fault.is_trap);
        }
        g_assert_true(rh_tcg_check_traps(cpu));
    }
    rig_free(rig);
}

static void test_single_step(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 3);

    rig_gate(rig, RH_EXC_DB, RH_TYPE_INT, 0, RIG_CODE64, TARGET);
    cpu->rflags |= TF;
    cpu->dr7 |= RH_DR7_GD;
    cpu->pending_dr6 = 2;
    cpu->fault = (RhFault){ .vector = RH_EXC_DB, .is_trap = true, .dr6 = RH_DR6_BS };
    rh_tcg_deliver_fault(cpu);
    g_assert_cmphex(cpu->dr6, ==, 0xffff4ff2);
    g_assert_true(rh_tcg_check_traps(cpu));
    g_assert_cmphex(cpu->dr7 & RH_DR7_GD, ==, 0);
    g_assert_cmphex(cpu->rflags & TF, ==, 0);
    g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + 16, 8), ==, 2 | TF);
    rig_free(rig);
}

static void test_io_breakpoint(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    g_assert_true(rh_tcg_write_dr(cpu, 3, 0x3f8));
    g_assert_true(rh_tcg_write_dr(cpu, 7, 0x400 | 1u << 6 | (2u | 1u << 2) << 28));
    rh_tcg_note_io_access(cpu, 0x3f9, 1);
    g_assert_true(rh_tcg_check_traps(cpu));             /* not without CR4.DE */
    cpu->cr4 |= 8;
    rh_tcg_note_io_access(cpu, 0x3fa, 1);
    rh_tcg_note_io_access(cpu, 0x3f6, 2);
    g_assert_true(rh_tcg_check_traps(cpu));
    rh_tcg_note_io_access(cpu, 0x3f6, 4);
    g_assert_false(rh_tcg_check_traps(cpu));
    g_assert_cmphex(cpu->fault.dr6, ==, 8);
    rig_free(rig);
}

static void test_trap_in_shadow(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    cpu->pending_dr6 = 1;
    cpu->shadow = 1;                    /* MOV SS */
    g_assert_true(rh_tcg_check_traps(cpu));
    g_assert_cmpuint(cpu->attention, ==, 1);
    cpu->shadow = 2;
    g_assert_false(rh_tcg_check_traps(cpu));
    rig_free(rig);
}

static void test_general_detect(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);
    uint64_t value;

    rig_gate(rig, RH_EXC_DB, RH_TYPE_INT, 0, RIG_CODE64, TARGET);
    g_assert_true(rh_tcg_write_dr(cpu, 7, 0x400 | RH_DR7_GD));
    g_assert_false(rh_tcg_read_dr(cpu, 0, &value));
    g_assert_false(rh_tcg_write_dr(cpu, 6, 0));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_DB);
    rh_tcg_deliver_fault(cpu);
    g_assert_cmphex(cpu->dr6, ==, 0xffff2ff0);
    g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + 16, 8) & RH_RFLAGS_RF, ==, RH_RFLAGS_RF);
    g_assert_true(rh_tcg_read_dr(cpu, 0, &value));      /* the handler may */
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-task/jump", test_task_jump);
    g_test_add_func("/tcg-task/call", test_task_call_and_return);
    g_test_add_func("/tcg-task/gate", test_task_gate);
    g_test_add_func("/tcg-task/16-bit", test_task_16);
    g_test_add_func("/tcg-task/v86", test_task_v86);
    g_test_add_func("/tcg-task/faults", test_task_faults);
    g_test_add_func("/tcg-task/smm", test_smm);
    g_test_add_func("/tcg-task/smram", test_smram);
    g_test_add_func("/tcg-task/smm-bad-state", test_smm_bad_state);
    g_test_add_func("/tcg-task/debug/code", test_code_breakpoint);
    g_test_add_func("/tcg-task/debug/data", test_data_breakpoints);
    g_test_add_func("/tcg-task/debug/single-step", test_single_step);
    g_test_add_func("/tcg-task/debug/io", test_io_breakpoint);
    g_test_add_func("/tcg-task/debug/shadow", test_trap_in_shadow);
    g_test_add_func("/tcg-task/debug/general-detect", test_general_detect);
    return g_test_run();
}
