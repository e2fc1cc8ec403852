/*
 * The engine's segments, far transfers and system calls.
 */
#include "tcg-rig.h"

#include "target/i386/cpuid.h"
#include "target/i386/tcg/system.h"

#define TARGET 0x9000u
#define IF RH_RFLAGS_IF
#define TF RH_RFLAGS_TF

#define ACC(type, dpl) ((type) | RH_SEG_S | RH_SEG_P | (uint32_t)(dpl) << RH_SEG_DPL_SHIFT)
#define SYS(type, dpl) ((type) | RH_SEG_P | (uint32_t)(dpl) << RH_SEG_DPL_SHIFT)
#define FLAT (RH_SEG_G | RH_SEG_DB)

enum { FINE = -1 };

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

/* @vector FINE: it has to be so. */
static void assert_outcome(const RhTcgCpu *cpu, bool is_done, int vector, uint32_t error)
{
    g_assert_cmpint(is_done, ==, vector == FINE);
    if (!is_done) {
        assert_fault(cpu, (unsigned)vector, error);
    }
}

static void push(Rig *rig, unsigned size, uint64_t value)
{
    rig->cpu->gpr[RH_RSP] -= size;
    rig_poke(rig, rig->cpu->gpr[RH_RSP], size, value);
}

/* --- segments --- */

static void test_linear_real(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_REAL, 0);
    uint64_t at;

    g_assert_true(rh_tcg_load_segment(cpu, RH_DS, 0xffff));
    g_assert_true(rh_tcg_linear(cpu, RH_DS, 0x1234, 2, RH_ACCESS_WRITE, &at));
    g_assert_cmphex(at, ==, 0x101224);
    g_assert_false(rh_tcg_linear(cpu, RH_DS, 0xffff, 2, RH_ACCESS_READ, &at));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_false(rh_tcg_linear(cpu, RH_SS, 0xffff, 2, RH_ACCESS_READ, &at));
    assert_fault(cpu, RH_EXC_SS, 0);
    /* A limit from protected mode stays. */
    cpu->seg[RH_DS].limit = UINT32_MAX;
    g_assert_true(rh_tcg_load_segment(cpu, RH_DS, 0));
    g_assert_true(rh_tcg_linear(cpu, RH_DS, 0x12345678, 4, RH_ACCESS_READ, &at));
    g_assert_cmphex(at, ==, 0x12345678);
    /* What a null selector from there left behind is not. */
    cpu->seg[RH_DS] = rh_null_segment(0, 0);
    g_assert_true(rh_tcg_load_segment(cpu, RH_DS, 0x1000));
    g_assert_true(rh_tcg_linear(cpu, RH_DS, 0xffff, 1, RH_ACCESS_WRITE, &at));
    g_assert_cmphex(at, ==, 0x1ffff);
    rig_free(rig);
}

static void test_linear_protected(void)
{
    static const struct {
        uint32_t base, limit, access;
        uint64_t offset;
        unsigned len;
        RhAccess kind;
        bool is_fine;
    } rows[] = {
        { 0x1000, 0xfff, ACC(3, 0), 0xffc, 4, RH_ACCESS_WRITE, true },
        { 0x1000, 0xfff, ACC(3, 0), 0xffd, 4, RH_ACCESS_WRITE, false },
        { 0x1000, 0xfff, ACC(1, 0), 0, 4, RH_ACCESS_READ, true },
        { 0x1000, 0xfff, ACC(1, 0), 0, 4, RH_ACCESS_WRITE, false },
        { 0x1000, 0xfff, ACC(9, 0), 0, 1, RH_ACCESS_READ, false },      /* code that may only be executed */
        { 0x1000, 0xfff, ACC(0xb, 0), 0, 1, RH_ACCESS_READ, true },
        { 0x1000, 0xfff, ACC(0xb, 0), 0, 1, RH_ACCESS_WRITE, false },
        { 0x1000, 0xfff, ACC(7, 0), 0x1000, 4, RH_ACCESS_WRITE, true }, /* expands down */
        { 0x1000, 0xfff, ACC(7, 0), 0xfff, 4, RH_ACCESS_WRITE, false },
        { 0x1000, 0xfff, ACC(7, 0), 0xfffc, 4, RH_ACCESS_WRITE, true },
        { 0x1000, 0xfff, ACC(7, 0), 0xfffd, 4, RH_ACCESS_WRITE, false },
        { 0x1000, 0xfff, ACC(7, 0) | RH_SEG_DB, 0xfffffffc, 4, RH_ACCESS_WRITE, true },
        { 0x1000, UINT32_MAX, ACC(3, 0), 0xfffffffe, 4, RH_ACCESS_READ, false },
        { 0, UINT32_MAX, ACC(3, 0), 0xfffffffe, 4, RH_ACCESS_READ, false },
        { 0x1000, UINT32_MAX, RH_SEG_UNUSABLE, 0, 1, RH_ACCESS_READ, false },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 0);
        uint64_t at;

        cpu->seg[RH_DS] = (RhX86Segment){ rows[i].base, rows[i].limit, rows[i].access, RIG_FREE };
        rh_tcg_settle(cpu);
        assert_outcome(cpu, rh_tcg_linear(cpu, RH_DS, rows[i].offset, rows[i].len, rows[i].kind, &at),
                       rows[i].is_fine ? FINE : RH_EXC_GP, 0);
        if (rows[i].is_fine) {
            g_assert_cmphex(at, ==, (uint32_t)(rows[i].base + rows[i].offset));
        }
    }
    rig_free(rig);
}

static void test_linear_long(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);
    uint64_t at;

    cpu->seg[RH_DS] = (RhX86Segment){ 0x5000, 10, RH_SEG_UNUSABLE, 0 };
    cpu->seg[RH_GS].base = UINT64_C(0xffff888000000000);
    rh_tcg_settle(cpu);
    g_assert_true(rh_tcg_linear(cpu, RH_DS, 0x100000, 8, RH_ACCESS_WRITE, &at));
    g_assert_cmphex(at, ==, 0x100000);
    g_assert_true(rh_tcg_linear(cpu, RH_GS, 0x10, 8, RH_ACCESS_WRITE, &at));
    g_assert_cmphex(at, ==, UINT64_C(0xffff888000000010));
    g_assert_false(rh_tcg_linear(cpu, RH_DS, UINT64_C(0x7ffffffffffd), 8, RH_ACCESS_READ, &at));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_false(rh_tcg_linear(cpu, RH_SS, UINT64_C(1) << 63, 8, RH_ACCESS_READ, &at));
    assert_fault(cpu, RH_EXC_SS, 0);
    rig_free(rig);
}

/* The inline form comes to the same result everywhere. */
static void test_linear_inline(void)
{
    static const uint64_t edges[] = { 0, UINT64_C(0x7fffffffffff), UINT64_C(0x800000000000), UINT64_C(0xffff7fffffffffff),
                                      UINT64_C(0xffff800000000000), UINT64_MAX };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    cpu->seg[RH_GS].base = 0x1000;
    for (unsigned i = 0; i < RH_COUNT(edges); i++) {
        for (int n = -5000; n < 5000; n += 7) {
            unsigned seg = n & 1 ? RH_GS : RH_DS;
            uint64_t offset = edges[i] + (uint64_t)n;
            uint64_t at = 0;
            uint64_t at_inline = 0;
            bool is_fine = rh_tcg_linear(cpu, seg, offset, 1 + (n & 63), RH_ACCESS_READ, &at);

            g_assert_cmpint(rh_tcg_linear_inline(cpu, seg, offset, 1 + (n & 63), RH_ACCESS_READ, &at_inline), ==, is_fine);
            g_assert_true(!is_fine || at == at_inline);
        }
    }
    rig_free(rig);
}

static void test_load_segment(void)
{
    static const struct {
        unsigned cpl, seg;
        uint32_t access;
        unsigned rpl;
        int vector;
    } rows[] = {
        { 0, RH_DS, ACC(2, 0), 0, FINE },       { 0, RH_DS, ACC(0, 0), 0, FINE },
        { 0, RH_DS, ACC(2, 0), 3, RH_EXC_GP },  { 3, RH_DS, ACC(2, 0), 0, RH_EXC_GP },
        { 3, RH_DS, ACC(2, 3), 3, FINE },       { 0, RH_DS, ACC(2, 3), 3, FINE },
        { 0, RH_ES, ACC(8, 0), 0, RH_EXC_GP },  { 0, RH_ES, ACC(0xa, 0), 0, FINE },
        { 3, RH_ES, ACC(0xe, 0), 3, FINE },     { 3, RH_ES, ACC(0xa, 0), 3, RH_EXC_GP },
        { 0, RH_FS, SYS(2, 0), 0, RH_EXC_GP },  { 0, RH_FS, ACC(2, 0) & ~RH_SEG_P, 0, RH_EXC_NP },
        { 0, RH_SS, ACC(2, 0), 0, FINE },       { 0, RH_SS, ACC(0, 0), 0, RH_EXC_GP },
        { 0, RH_SS, ACC(2, 0), 1, RH_EXC_GP },  { 0, RH_SS, ACC(2, 1), 0, RH_EXC_GP },
        { 0, RH_SS, ACC(0xa, 0), 0, RH_EXC_GP }, { 0, RH_SS, ACC(2, 0) & ~RH_SEG_P, 0, RH_EXC_SS },
        { 3, RH_SS, ACC(2, 3), 3, FINE },       { 3, RH_SS, ACC(2, 0), 0, RH_EXC_GP },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, rows[i].cpl);
        uint16_t selector = (uint16_t)(RIG_FREE | rows[i].rpl);

        rig_descriptor(rig, RIG_FREE, 0x12345678, 0xabcde, rows[i].access);
        assert_outcome(cpu, rh_tcg_load_segment(cpu, rows[i].seg, selector), rows[i].vector, RIG_FREE);
        if (rows[i].vector == FINE) {
            g_assert_cmphex(cpu->seg[rows[i].seg].base, ==, 0x12345678);
            g_assert_cmphex(cpu->segment_base[rows[i].seg], ==, 0x12345678);
            g_assert_cmphex(cpu->seg[rows[i].seg].limit, ==, 0xabcde);
            g_assert_cmphex(cpu->seg[rows[i].seg].access, ==, rows[i].access | 1);
            g_assert_cmphex(rig_peek(rig, RIG_GDT + RIG_FREE + 5, 1), ==, (rows[i].access | 1) & 0xff);
        }
    }
    rig_free(rig);
}

static void test_load_null(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 0);

    g_assert_true(rh_tcg_load_segment(cpu, RH_DS, 3));
    g_assert_true(cpu->seg[RH_DS].access & RH_SEG_UNUSABLE);
    g_assert_false(rh_tcg_load_segment(cpu, RH_SS, 0));
    assert_fault(cpu, RH_EXC_GP, 0);
    cpu = cpu_of(rig, RIG_LONG, 0);
    g_assert_true(rh_tcg_load_segment(cpu, RH_SS, 0));
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_false(rh_tcg_load_segment(cpu, RH_SS, 1));
    cpu = cpu_of(rig, RIG_LONG, 3);
    g_assert_false(rh_tcg_load_segment(cpu, RH_SS, 3));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_false(rh_tcg_load_segment(cpu, RH_DS, 0x5000));
    assert_fault(cpu, RH_EXC_GP, 0x5000);
    rig_free(rig);
}

static void test_ldt_and_tr(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 0);

    g_assert_true(rh_tcg_load_ldt(cpu, 0));
    g_assert_false(rh_tcg_load_segment(cpu, RH_DS, 0xc));
    assert_fault(cpu, RH_EXC_GP, 0xc);
    g_assert_true(rh_tcg_load_ldt(cpu, RIG_LDTR));
    rig_poke(rig, RIG_LDT + 8, 8, rig_peek(rig, RIG_GDT + RIG_DATA, 8));
    g_assert_true(rh_tcg_load_segment(cpu, RH_DS, 0xc));
    g_assert_false(rh_tcg_load_ldt(cpu, RIG_DATA));
    assert_fault(cpu, RH_EXC_GP, RIG_DATA);
    g_assert_false(rh_tcg_load_ldt(cpu, RIG_LDTR | 4));
    assert_fault(cpu, RH_EXC_GP, RIG_LDTR | 4);
    g_assert_false(rh_tcg_load_tr(cpu, RIG_TR));        /* busy */
    assert_fault(cpu, RH_EXC_GP, RIG_TR);
    g_assert_false(rh_tcg_load_tr(cpu, 0));
    assert_fault(cpu, RH_EXC_GP, 0);
    rig_descriptor(rig, RIG_TR, RIG_TSS, 0x67, 9);
    g_assert_false(rh_tcg_load_tr(cpu, RIG_TR));
    assert_fault(cpu, RH_EXC_NP, RIG_TR);
    rig_descriptor(rig, RIG_TR, RIG_TSS, 0x67, SYS(9, 0));
    g_assert_true(rh_tcg_load_tr(cpu, RIG_TR));
    g_assert_cmphex(rig_peek(rig, RIG_GDT + RIG_TR + 5, 1), ==, 0x8b);
    g_assert_cmphex(cpu->seg[RH_TR].access, ==, SYS(0xb, 0));
    /* 16 bytes in long mode */
    cpu = cpu_of(rig, RIG_LONG, 0);
    rig_descriptor(rig, RIG_TR, RIG_TSS, 0x67, SYS(9, 0));
    rig_poke(rig, RIG_GDT + RIG_TR + 8, 8, 0xffff8880);
    g_assert_true(rh_tcg_load_tr(cpu, RIG_TR));
    g_assert_cmphex(cpu->seg[RH_TR].base, ==, UINT64_C(0xffff888000003000));
    rig_descriptor(rig, RIG_TR, RIG_TSS, 0x67, SYS(9, 0));
    rig_poke(rig, RIG_GDT + RIG_TR + 8, 8, 0x8880);
    g_assert_false(rh_tcg_load_tr(cpu, RIG_TR));
    assert_fault(cpu, RH_EXC_GP, RIG_TR);
    rig_free(rig);
}

static void test_questions(void)
{
    static const struct {
        uint32_t access;
        unsigned cpl;
        bool has_lar, has_lsl, may_read, may_write;
    } rows[] = {
        { ACC(3, 3) | RH_SEG_G, 3, true, true, true, true },    { ACC(1, 3), 3, true, true, true, false },
        { ACC(3, 0), 3, false, false, false, false },           { ACC(9, 3), 3, true, true, false, false },
        { ACC(0xb, 3), 3, true, true, true, false },            { ACC(0xf, 0), 3, true, true, true, false },
        { ACC(3, 0), 0, true, true, true, true },               { SYS(2, 0), 0, true, true, false, false },
        { SYS(4, 0), 0, true, false, false, false },            { SYS(5, 0), 0, true, false, false, false },
        { SYS(9, 0), 0, true, true, false, false },             { SYS(1, 0), 0, true, true, false, false },
        { SYS(12, 0), 0, true, false, false, false },           { SYS(14, 0), 0, false, false, false, false },
        { SYS(0, 0), 0, false, false, false, false },
    };
    Rig *rig = rig_new();
    uint32_t value;
    bool is_ok;

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, rows[i].cpl);
        uint32_t limit = rows[i].access & RH_SEG_G ? 0x12345fff : 0x12345;

        rig_descriptor(rig, RIG_FREE, 0, limit, rows[i].access);
        g_assert_true(rh_tcg_lar(cpu, RIG_FREE, &is_ok, &value));
        g_assert_cmpint(is_ok, ==, rows[i].has_lar);
        if (is_ok) {
            g_assert_cmphex(value, ==, rows[i].access << 8);
        }
        g_assert_true(rh_tcg_lsl(cpu, RIG_FREE, &is_ok, &value));
        g_assert_cmpint(is_ok, ==, rows[i].has_lsl);
        if (is_ok) {
            g_assert_cmphex(value, ==, limit);
        }
        g_assert_true(rh_tcg_verify(cpu, RIG_FREE, false, &is_ok));
        g_assert_cmpint(is_ok, ==, rows[i].may_read);
        g_assert_true(rh_tcg_verify(cpu, RIG_FREE, true, &is_ok));
        g_assert_cmpint(is_ok, ==, rows[i].may_write);
    }
    g_assert_true(rh_tcg_lar(rig->cpu, 0, &is_ok, &value) && !is_ok);
    g_assert_true(rh_tcg_lar(rig->cpu, 0x4000, &is_ok, &value) && !is_ok);
    cpu_of(rig, RIG_REAL, 0);
    g_assert_false(rh_tcg_lar(rig->cpu, 8, &is_ok, &value));
    g_assert_cmpuint(rig->cpu->fault.vector, ==, RH_EXC_UD);
    rig_free(rig);
}

static void test_io(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 3);

    rig_poke(rig, RIG_TSS + 0x68, 4, ~(1u << 3 | 1u << 8 | 1u << 7));   /* ports 3, 7, 8 */
    g_assert_true(rh_tcg_check_io(cpu, 3, 1));
    g_assert_false(rh_tcg_check_io(cpu, 3, 2));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_true(rh_tcg_check_io(cpu, 7, 2));
    g_assert_false(rh_tcg_check_io(cpu, 0x3f8, 1));     /* beyond the limit */
    rh_tcg_set_rflags(cpu, 3u << 12, 3u << 12);
    g_assert_true(rh_tcg_check_io(cpu, 0x3f8, 1));
    cpu->rflags |= RH_RFLAGS_VM;
    rh_tcg_settle(cpu);
    g_assert_false(rh_tcg_check_io(cpu, 0x3f8, 1));     /* IOPL says nothing there */
    g_assert_true(rh_tcg_check_io(cpu, 3, 1));
    cpu = cpu_of(rig, RIG_PROTECTED, 0);
    g_assert_true(rh_tcg_check_io(cpu, 0x3f8, 4));
    cpu = cpu_of(rig, RIG_REAL, 0);
    g_assert_true(rh_tcg_check_io(cpu, 0x3f8, 4));
    rig_free(rig);
}

/* --- far transfers --- */

static void test_far_real(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_REAL, 0);

    g_assert_true(rh_tcg_far_call(cpu, 0x1111, 0x2222, 2, 0x8015));
    g_assert_cmphex(cpu->seg[RH_CS].base, ==, 0x11110);
    g_assert_cmphex(cpu->rip, ==, 0x2222);
    g_assert_cmphex(rig_peek(rig, 0xf000 - 4, 4), ==, 0x00008015);
    g_assert_true(rh_tcg_far_return(cpu, 2, 6));
    g_assert_cmphex(cpu->rip, ==, 0x8015);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0xf006);
    g_assert_false(rh_tcg_far_jump(cpu, 0, 0x10000, 4));
    assert_fault(cpu, RH_EXC_GP, 0);
    /* Into protected mode: PE first, then this */
    cpu->gdt = (RhX86Table){ RIG_GDT, RIG_GDT_LIMIT };
    rig_descriptor(rig, RIG_CODE32, 0, UINT32_MAX, ACC(0xa, 0) | FLAT);
    g_assert_true(rh_tcg_write_cr(cpu, 0, 0x11));
    g_assert_true(rh_tcg_far_jump(cpu, RIG_CODE32, 0x12345678, 4));
    g_assert_cmpuint(cpu->code_size, ==, RH_CODE_32);
    g_assert_cmphex(cpu->rip, ==, 0x12345678);
    rig_free(rig);
}

static void test_far_direct(void)
{
    static const struct {
        unsigned cpl, rpl;
        uint32_t access;
        int vector;
    } rows[] = {
        { 0, 0, ACC(0xa, 0), FINE },      { 0, 3, ACC(0xa, 0), RH_EXC_GP }, { 3, 3, ACC(0xa, 0), RH_EXC_GP },
        { 3, 0, ACC(0xa, 3), FINE },      { 0, 0, ACC(0xa, 3), RH_EXC_GP }, { 3, 3, ACC(0xe, 0), FINE },
        { 0, 0, ACC(0xe, 3), RH_EXC_GP }, { 0, 0, ACC(2, 0), RH_EXC_GP },   { 0, 0, ACC(0xa, 0) & ~RH_SEG_P, RH_EXC_NP },
        { 0, 0, SYS(2, 0), RH_EXC_GP },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows) * 2; i++) {
        const typeof(rows[0]) *row = &rows[i / 2];
        RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, row->cpl);
        uint64_t rsp = cpu->gpr[RH_RSP];
        uint16_t selector = (uint16_t)(RIG_FREE | row->rpl);
        bool is_call = i % 2;

        rig_descriptor(rig, RIG_FREE, 0, UINT32_MAX, row->access | FLAT);
        assert_outcome(cpu,
                       is_call ? rh_tcg_far_call(cpu, selector, TARGET, 4, RIG_CODE + 0x17)
                               : rh_tcg_far_jump(cpu, selector, TARGET, 4),
                       row->vector, RIG_FREE);
        if (row->vector != FINE) {
            g_assert_cmphex(cpu->gpr[RH_RSP], ==, rsp);
            g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x10);
            continue;
        }
        g_assert_cmphex(cpu->rip, ==, TARGET);
        g_assert_cmphex(cpu->seg[RH_CS].selector, ==, RIG_FREE | row->cpl);
        g_assert_cmpuint(cpu->cpl, ==, row->cpl);
        g_assert_cmphex(cpu->gpr[RH_RSP], ==, rsp - (is_call ? 8 : 0));
        if (is_call) {
            g_assert_cmphex(rig_peek(rig, rsp - 8, 4), ==, RIG_CODE + 0x17);
            g_assert_cmphex(rig_peek(rig, rsp - 4, 4), ==, RIG_USER_CODE32 * (row->cpl / 3) + row->cpl + (row->cpl ? 0 : RIG_CODE32));
            g_assert_true(rh_tcg_far_return(cpu, 4, 0));
            g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x17);
        }
    }
    rig_free(rig);
}

static void test_far_limits(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 0);

    g_assert_false(rh_tcg_far_jump(cpu, 3, TARGET, 4));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_false(rh_tcg_far_jump(cpu, RIG_CODE16, 0x10000, 4));
    assert_fault(cpu, RH_EXC_GP, 0);
    cpu = cpu_of(rig, RIG_LONG, 0);
    g_assert_true(rh_tcg_far_jump(cpu, RIG_CODE32, TARGET, 4));         /* to compatibility mode and back */
    g_assert_false(cpu->is_64);
    g_assert_true(rh_tcg_far_jump(cpu, RIG_CODE64, TARGET, 4));
    g_assert_true(cpu->is_64);
    g_assert_false(rh_tcg_far_jump(cpu, RIG_CODE64, UINT64_C(1) << 55, 8));
    assert_fault(cpu, RH_EXC_GP, 0);
    rig_descriptor(rig, RIG_FREE, 0, UINT32_MAX, ACC(0xa, 0) | RH_SEG_L | RH_SEG_DB);
    g_assert_false(rh_tcg_far_jump(cpu, RIG_FREE, TARGET, 4));
    assert_fault(cpu, RH_EXC_GP, RIG_FREE);
    rig_free(rig);
}

static void test_call_gate(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 3);

    for (uint64_t i = 3; i; i--) {
        push(rig, 4, i * 0x1111);       /* first parameter on top */
    }
    rig_gate_at(rig, RIG_GDT + RIG_FREE, RH_TYPE_CALL, 3, RIG_CODE32, 0x12349000, false);
    rig_poke(rig, RIG_GDT + RIG_FREE + 4, 1, 3);
    g_assert_true(rh_tcg_far_call(cpu, RIG_FREE | 3, 0xdead, 4, RIG_CODE + 0x17));
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->rip, ==, 0x12349000);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 28);
    static const uint32_t expect[] = { RIG_CODE + 0x17,     RIG_USER_CODE32 | 3, 0x1111, 0x2222, 0x3333,
                                       RIG_USER_STACK - 12, RIG_USER_DATA | 3 };
    for (unsigned i = 0; i < RH_COUNT(expect); i++) {
        g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + i * 4, 4), ==, expect[i]);
    }
    g_assert_true(rh_tcg_load_segment(cpu, RH_FS, RIG_DATA));
    g_assert_true(rh_tcg_far_return(cpu, 4, 12));
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK);
    g_assert_cmphex(cpu->seg[RH_FS].selector, ==, 0);
    g_assert_cmphex(cpu->seg[RH_ES].selector, ==, RIG_USER_DATA | 3);
    /* JMP does not go inward; DPL and presence of the gate */
    g_assert_false(rh_tcg_far_jump(cpu, RIG_FREE | 3, 0, 4));
    assert_fault(cpu, RH_EXC_GP, RIG_CODE32);
    rig_gate_at(rig, RIG_GDT + RIG_FREE, RH_TYPE_CALL, 2, RIG_CODE32, TARGET, false);
    rig_enter(rig, RIG_PROTECTED, 0);   /* the RPL counts, too */
    rig_gate_at(rig, RIG_GDT + RIG_FREE, RH_TYPE_CALL, 2, RIG_CODE32, TARGET, false);
    g_assert_false(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, 0));
    assert_fault(cpu, RH_EXC_GP, RIG_FREE);
    g_assert_true(rh_tcg_far_call(cpu, RIG_FREE | 2, 0, 4, 0));
    cpu = cpu_of(rig, RIG_PROTECTED, 3);
    rig_gate_at(rig, RIG_GDT + RIG_FREE, RH_TYPE_CALL, 2, RIG_CODE32, TARGET, false);
    g_assert_false(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, 0));
    assert_fault(cpu, RH_EXC_GP, RIG_FREE);
    rig_poke(rig, RIG_GDT + RIG_FREE + 5, 1, 0x6c);
    g_assert_false(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, 0));
    assert_fault(cpu, RH_EXC_NP, RIG_FREE);
    rig_free(rig);
}

static void test_call_gate_16(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PROTECTED, 3);

    push(rig, 2, 0xabcd);
    rig_gate_at(rig, RIG_GDT + RIG_FREE, RH_TYPE_CALL16, 3, RIG_CODE16, 0x12349000, false);
    rig_poke(rig, RIG_GDT + RIG_FREE + 4, 1, 1);
    g_assert_true(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, 0x55555));
    g_assert_cmphex(cpu->rip, ==, 0x9000);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 10);
    g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP], 2), ==, 0x5555);
    g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + 4, 2), ==, 0xabcd);
    g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + 6, 2), ==, (RIG_USER_STACK - 2) & 0xffff);
    rig_free(rig);
}

static void test_call_gate_long(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 3);
    uint64_t expect[] = { RIG_CODE + 0x17, RIG_USER_CODE64 | 3, RIG_USER_STACK, RIG_USER_DATA | 3 };

    rig_gate_at(rig, RIG_GDT + RIG_FREE, RH_TYPE_CALL, 3, RIG_CODE64, UINT64_C(0xffffffff80009000), true);
    g_assert_true(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, RIG_CODE + 0x17));
    g_assert_cmphex(cpu->rip, ==, UINT64_C(0xffffffff80009000));
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_RING0_STACK - 32);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, 0);
    for (unsigned i = 0; i < RH_COUNT(expect); i++) {
        g_assert_cmphex(rig_peek(rig, cpu->gpr[RH_RSP] + i * 8, 8), ==, expect[i]);
    }
    g_assert_true(rh_tcg_far_return(cpu, 8, 0));
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_USER_STACK);
    cpu->seg[RH_TR].limit = 10;
    g_assert_false(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, 0));
    assert_fault(cpu, RH_EXC_TS, RIG_TR);
    rig_poke(rig, RIG_GDT + RIG_FREE + 13, 1, 0x0c);    /* a second type */
    g_assert_false(rh_tcg_far_call(cpu, RIG_FREE | 3, 0, 4, 0));
    assert_fault(cpu, RH_EXC_GP, RIG_FREE);
    rig_free(rig);
}

/* What IRET and RETF refuse, by what they pop. */
static void test_bad_returns(void)
{
    static const struct {
        RigMode mode;
        uint16_t cs, ss;
        uint64_t rip;
        unsigned vector;
        uint32_t error;
    } rows[] = {
        { RIG_PROTECTED, 0, 0, TARGET, RH_EXC_GP, 0 },
        { RIG_PROTECTED, RIG_DATA, 0, TARGET, RH_EXC_GP, RIG_DATA },
        { RIG_PROTECTED, RIG_USER_CODE32, 0, TARGET, RH_EXC_GP, RIG_USER_CODE32 },
        { RIG_PROTECTED, RIG_CODE32 | 3, 0, TARGET, RH_EXC_GP, RIG_CODE32 },
        { RIG_PROTECTED, 0x3000, 0, TARGET, RH_EXC_GP, 0x3000 },
        { RIG_PROTECTED, RIG_CODE16, 0, 0x12345, RH_EXC_GP, 0 },
        { RIG_PROTECTED, RIG_USER_CODE32 | 3, 0, TARGET, RH_EXC_GP, 0 },
        { RIG_PROTECTED, RIG_USER_CODE32 | 3, RIG_DATA | 3, TARGET, RH_EXC_GP, RIG_DATA },
        { RIG_PROTECTED, RIG_USER_CODE32 | 3, RIG_USER_DATA, TARGET, RH_EXC_GP, RIG_USER_DATA },
        { RIG_PROTECTED, RIG_USER_CODE32 | 3, RIG_USER_CODE32 | 3, TARGET, RH_EXC_GP, RIG_USER_CODE32 },
        { RIG_LONG, RIG_USER_CODE64 | 3, 3, TARGET, RH_EXC_GP, 0 },
        { RIG_LONG, RIG_CODE64, 3, TARGET, RH_EXC_GP, 0 },
        { RIG_LONG, RIG_USER_CODE64 | 3, RIG_USER_DATA | 3, UINT64_C(1) << 47, RH_EXC_GP, 0 },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, rows[i].mode, 0);
        unsigned size = rows[i].mode == RIG_LONG ? 8 : 4;
        uint64_t rsp;

        push(rig, size, rows[i].ss);
        push(rig, size, RIG_USER_STACK);
        push(rig, size, 2);
        push(rig, size, rows[i].cs);
        push(rig, size, rows[i].rip);
        rsp = cpu->gpr[RH_RSP];
        cpu->is_nmi_masked = true;
        g_assert_false(rh_tcg_iret(cpu, size));
        assert_fault(cpu, rows[i].vector, rows[i].error);
        g_assert_cmphex(cpu->gpr[RH_RSP], ==, rsp);
        g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x10);
        g_assert_false(cpu->is_nmi_masked);
    }
    rig_free(rig);
}

static void test_iret_flags(void)
{
    static const struct {
        RigMode mode;
        unsigned cpl, iopl, size;
        uint64_t expect;        /* of all ones but NT and VM */
    } rows[] = {
        { RIG_PROTECTED, 0, 0, 4, 0x3d3fd7 }, { RIG_PROTECTED, 0, 0, 2, 0x003fd7 },
        { RIG_PROTECTED, 3, 0, 4, 0x250dd7 }, { RIG_PROTECTED, 3, 3, 4, 0x253fd7 },
        { RIG_PROTECTED, 3, 0, 2, 0x000dd7 }, { RIG_LONG, 0, 0, 8, 0x3d3fd7 },
        { RIG_LONG, 3, 0, 8, 0x250dd7 },      { RIG_REAL, 0, 0, 2, 0x003fd7 },
        { RIG_REAL, 0, 0, 4, 0x253fd7 },
    };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhTcgCpu *cpu = cpu_of(rig, rows[i].mode, rows[i].cpl);
        uint64_t ss = cpu->seg[RH_SS].selector;
        uint64_t rsp = cpu->gpr[RH_RSP];
        uint64_t cs = cpu->seg[RH_CS].selector;

        rh_tcg_set_rflags(cpu, rows[i].iopl << 12, RH_RFLAGS_IOPL);
        if (rows[i].size == 8) {
            push(rig, 8, ss);
            push(rig, 8, rsp);
        }
        push(rig, rows[i].size, 0x3dbfd7);
        push(rig, rows[i].size, cs);
        push(rig, rows[i].size, TARGET);
        g_assert_true(rh_tcg_iret(cpu, rows[i].size));
        g_assert_cmphex(cpu->rflags, ==, rows[i].expect);
        g_assert_cmphex(cpu->gpr[RH_RSP], ==, rsp);
        g_assert_cmphex(cpu->rip, ==, TARGET);
    }
    rig_free(rig);
}

/* FS and GS with a null selector and a base of their own live through a return to ring 3. */
static void test_return_keeps_bases(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 0);

    cpu->seg[RH_FS] = rh_null_segment(0, 0);
    cpu->seg[RH_FS].base = UINT64_C(0x7f0000001000);
    push(rig, 8, RIG_USER_DATA | 3);
    push(rig, 8, RIG_USER_STACK);
    push(rig, 8, IF);
    push(rig, 8, RIG_USER_CODE64 | 3);
    push(rig, 8, TARGET);
    g_assert_true(rh_tcg_iret(cpu, 8));
    g_assert_cmphex(cpu->seg[RH_FS].base, ==, UINT64_C(0x7f0000001000));
    g_assert_cmphex(cpu->segment_base[RH_FS], ==, UINT64_C(0x7f0000001000));
    g_assert_true(cpu->seg[RH_DS].access & RH_SEG_UNUSABLE);
    rig_free(rig);
}

/* --- system calls --- */

static void test_syscall(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_LONG, 3);

    cpu->star = UINT64_C(0x0018000800000000);
    cpu->lstar = UINT64_C(0xffffffff81000000);
    cpu->cstar = UINT64_C(0xffffffff82000000);
    cpu->sfmask = IF | TF | RH_RFLAGS_DF;
    cpu->rflags = 2 | IF | TF | RH_FLAG_CF | RH_RFLAGS_RF;
    g_assert_true(rh_tcg_syscall(cpu, RIG_CODE + 0x12));
    g_assert_cmphex(cpu->rip, ==, cpu->lstar);
    g_assert_cmphex(cpu->gpr[RH_RCX], ==, RIG_CODE + 0x12);
    g_assert_cmphex(cpu->gpr[RH_R11], ==, 2 | IF | TF | RH_FLAG_CF);
    g_assert_cmphex(cpu->rflags, ==, 2 | RH_FLAG_CF);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, 8);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, 0x10);
    g_assert_true(cpu->is_64);
    /* back to 64-bit code */
    g_assert_true(rh_tcg_sysret(cpu, 8));
    g_assert_cmphex(cpu->rip, ==, RIG_CODE + 0x12);
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, 0x2b);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, 0x23);
    g_assert_cmphex(cpu->rflags, ==, 2 | IF | TF | RH_FLAG_CF);
    g_assert_cmpuint(cpu->cpl, ==, 3);
    g_assert_cmpuint(cpu->tlb_mode, ==, RH_TLB_USER);
    /* and to 32-bit code, which AMD's CPUs let call as well */
    g_assert_true(rh_tcg_syscall(cpu, RIG_CODE + 0x12));
    g_assert_true(rh_tcg_sysret(cpu, 4));
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, 0x1b);
    g_assert_false(cpu->is_64);
    g_assert_true(rh_tcg_syscall(cpu, RIG_CODE + 0x12));
    g_assert_cmphex(cpu->rip, ==, cpu->cstar);
    rig_free(rig);
}

static void test_syscall_refused(void)
{
    static const RhCpuidEntry intel = { .leaf = 0, .ebx = 0x756e6547 };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_COMPAT, 3);

    cpu->cpuid = &intel;
    cpu->nr_cpuid = 1;
    g_assert_false(rh_tcg_syscall(cpu, 0));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_UD);
    g_assert_false(cpu->fault.has_error);
    cpu = cpu_of(rig, RIG_LONG, 3);
    g_assert_false(rh_tcg_sysret(cpu, 8));              /* CPL */
    assert_fault(cpu, RH_EXC_GP, 0);
    cpu->efer &= ~(uint64_t)RH_EFER_SCE;
    g_assert_false(rh_tcg_syscall(cpu, 0));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_UD);
    g_assert_false(rh_tcg_sysret(cpu, 8));              /* before CPL */
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_UD);
    cpu = cpu_of(rig, RIG_LONG, 0);
    cpu->gpr[RH_RCX] = UINT64_C(1) << 47;
    g_assert_false(rh_tcg_sysret(cpu, 8));
    assert_fault(cpu, RH_EXC_GP, 0);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    rig_free(rig);
}

static void test_sysenter(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = cpu_of(rig, RIG_PAGED, 3);

    g_assert_false(rh_tcg_sysenter(cpu));
    assert_fault(cpu, RH_EXC_GP, 0);
    cpu->sysenter_cs = RIG_CODE32;
    cpu->sysenter_eip = TARGET;
    cpu->sysenter_esp = RIG_STACK;
    cpu->rflags = 2 | IF | RH_FLAG_CF;
    g_assert_true(rh_tcg_sysenter(cpu));
    g_assert_cmphex(cpu->rip, ==, TARGET);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, RIG_STACK);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, RIG_CODE32 + 8);
    g_assert_cmphex(cpu->rflags, ==, 2 | RH_FLAG_CF);
    g_assert_cmpuint(cpu->cpl, ==, 0);
    g_assert_cmpuint(cpu->code_size, ==, RH_CODE_32);
    cpu->gpr[RH_RDX] = 0x1000;
    cpu->gpr[RH_RCX] = 0x2000;
    g_assert_true(rh_tcg_sysexit(cpu, 4));
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, (RIG_CODE32 + 16) | 3);
    g_assert_cmphex(cpu->seg[RH_SS].selector, ==, (RIG_CODE32 + 24) | 3);
    g_assert_cmphex(cpu->rip, ==, 0x1000);
    g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0x2000);
    g_assert_false(rh_tcg_sysexit(cpu, 4));
    assert_fault(cpu, RH_EXC_GP, 0);
    /* long mode: into 64-bit code, and out to either */
    cpu = cpu_of(rig, RIG_COMPAT, 3);
    cpu->sysenter_cs = RIG_CODE64;
    cpu->sysenter_eip = UINT64_C(0xffffffff81000000);
    g_assert_true(rh_tcg_sysenter(cpu));
    g_assert_true(cpu->is_64);
    g_assert_cmphex(cpu->rip, ==, UINT64_C(0xffffffff81000000));
    cpu->gpr[RH_RDX] = UINT64_C(0x7f0000000000);
    g_assert_true(rh_tcg_sysexit(cpu, 8));
    g_assert_true(cpu->is_64);
    g_assert_cmphex(cpu->seg[RH_CS].selector, ==, (RIG_CODE64 + 32) | 3);
    g_assert_cmphex(cpu->rip, ==, UINT64_C(0x7f0000000000));
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-system/linear/real", test_linear_real);
    g_test_add_func("/tcg-system/linear/protected", test_linear_protected);
    g_test_add_func("/tcg-system/linear/long", test_linear_long);
    g_test_add_func("/tcg-system/linear/inline", test_linear_inline);
    g_test_add_func("/tcg-system/load-segment", test_load_segment);
    g_test_add_func("/tcg-system/load-null", test_load_null);
    g_test_add_func("/tcg-system/ldt-and-tr", test_ldt_and_tr);
    g_test_add_func("/tcg-system/questions", test_questions);
    g_test_add_func("/tcg-system/io", test_io);
    g_test_add_func("/tcg-system/far/real", test_far_real);
    g_test_add_func("/tcg-system/far/direct", test_far_direct);
    g_test_add_func("/tcg-system/far/limits", test_far_limits);
    g_test_add_func("/tcg-system/call-gate/32", test_call_gate);
    g_test_add_func("/tcg-system/call-gate/16", test_call_gate_16);
    g_test_add_func("/tcg-system/call-gate/long", test_call_gate_long);
    g_test_add_func("/tcg-system/return/bad", test_bad_returns);
    g_test_add_func("/tcg-system/return/flags", test_iret_flags);
    g_test_add_func("/tcg-system/return/keeps-bases", test_return_keeps_bases);
    g_test_add_func("/tcg-system/syscall", test_syscall);
    g_test_add_func("/tcg-system/syscall-refused", test_syscall_refused);
    g_test_add_func("/tcg-system/sysenter", test_sysenter);
    return g_test_run();
}
