/*
 * Real mode: interrupt vectors, limits and wrapping of 64 KiB segments, unreal mode, what is #UD there.
 * Spec: SDM vol. 3 chapter 20.
 */
#include "code16.h"

extern char real_stubs[], real_int[], real_int_next[], real_recover[], real_div[], real_div_insn[], real_ud[], real_word_at_end[],
    real_dword_at_end[], real_byte_at_end[], real_stack_at_end[], real_beyond[], real_sldt[], real_lar[], real_arpl[], real_lldt[],
    real_sysenter[], real_into[], real_bound[], real_bound_insn[], real_bound_recover[], real_wraps[], real_far[], real_high[],
    unreal[], real_flags[], real_step[], real_step_2[];

extern volatile struct {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed)) real_idt;

enum { COUNT = 16, VECTOR, IP, CS, FLAGS, SP, HANDLER_FLAGS, GO_ON };

static void set_vector(ulong table, unsigned vector, ulong stub)
{
    low32(table + vector * 4) = CODE16_SEGMENT << 16 | (OFFSET16(real_stubs) + stub * 8);
}

/* All vectors lead to the handler that records. */
static void begin(void)
{
    code16_install();
    cpu_descriptor(REAL_CODE, CODE16_BASE, 0xffff, 0x009b);
    cpu_descriptor(REAL_DATA, 0, 0xffff, 0x0093);
    for (unsigned i = 0; i < 32; i++) {
        set_vector(0, i, i);
    }
    set_vector(0, 0x40, 32);
    real_idt.limit = 0x3ff;
    real_idt.base = 0;
}

/* The snippet ends by exception @vector at @insn, and has no error code; it goes on at @recover. */
static void expect(const char *name, unsigned vector, char *snippet, char *insn, char *recover)
{
    begin();
    results[GO_ON] = OFFSET16(recover);
    real_run(OFFSET16(snippet));
    trap.vector = results[COUNT] == 1 ? results[VECTOR] : T_NONE;
    trap.error = results[SP];
    trap.ip = results[IP] + (ulong)code16;
    check_trap_at(name, vector, recover == real_recover ? STACK16 - 8 : STACK16 - 12, (void (*)(void))insn);
}

static void interrupts(void)
{
    begin();
    real_run(OFFSET16(real_int));
    check("int-vector", results[VECTOR], 0x40);
    check("int-ip", results[IP], OFFSET16(real_int_next));
    check("int-cs", results[CS], CODE16_SEGMENT);
    check("int-sp", results[SP], STACK16 - 8);
    check("int-if-pushed", results[FLAGS] & F_IF, F_IF);
    check("int-if-clear", results[HANDLER_FLAGS] & F_IF, 0);
    check("iret-if", results[1] & F_IF, F_IF);
    check("int-keeps-eax", results[0], 0x1234);
}

static void vector_limit(void)
{
    begin();
    real_idt.limit = 0x40 * 4 + 2;
    results[GO_ON] = OFFSET16(real_recover);
    real_run(OFFSET16(real_int));
    check("int-beyond-limit", results[VECTOR], T_GP);
    check("int-beyond-limit-once", results[COUNT], 1);
    check("int-beyond-limit-ip", results[IP], OFFSET16(real_int_next) - 2);
}

static void vectors_elsewhere(void)
{
    begin();
    real_idt.base = 0x6000;
    set_vector(0, 0x40, 1);
    set_vector(0x6000, 0x40, 2);
    real_run(OFFSET16(real_int));
    check("vectors-elsewhere", results[VECTOR], 2);
}

static void exceptions(void)
{
    expect("div", T_DE, real_div, real_div_insn, real_recover);
    expect("word-at-end", T_GP, real_word_at_end, real_word_at_end, real_recover);
    expect("dword-at-end", T_GP, real_dword_at_end, real_dword_at_end, real_recover);
    expect("stack-at-end", T_SS, real_stack_at_end, real_stack_at_end + 3, real_recover);
    expect("beyond-64k", T_GP, real_beyond, real_beyond + 6, real_recover);
}

static void bound(void)
{
    expect("bound", T_BR, real_bound, real_bound_insn, real_bound_recover);
    begin();
    results[GO_ON] = OFFSET16(real_recover);
    real_run(OFFSET16(real_into));
    check("into", results[VECTOR], T_OF);
    check("into-ip", results[IP], OFFSET16(real_into) + 5);
}

static void undefined(void)
{
    expect("ud2", T_UD, real_ud, real_ud, real_recover);
    expect("sldt", T_UD, real_sldt, real_sldt, real_recover);
    expect("lar", T_UD, real_lar, real_lar, real_recover);
    expect("arpl", T_UD, real_arpl, real_arpl, real_recover);
    expect("lldt", T_UD, real_lldt, real_lldt, real_recover);
}

static void sysenter(void)
{
    expect("sysenter", T_GP, real_sysenter, real_sysenter, real_recover);
}

static void wrapping(void)
{
    begin();
    low8(0xffff) = 0x5a;
    real_run(OFFSET16(real_byte_at_end));
    check("byte-at-end", results[0], 0x5a);
    begin();
    low8(0xffff) = 0x5a;
    results[8] = 0x99887766;
    low8(0) = 0x3c;
    real_run(OFFSET16(real_wraps));
    check("bx-si-wraps", results[0], 0x99887766);
    check("movs-si-wraps", results[1], 1);
    check("movs-wraps", results[2], 0x3c5a);
    check("push-sp-wraps", results[3], 0xfffe);
    check("push-at-top", low16(0xfffe), 0x4321);
}

static void addresses(void)
{
    begin();
    real_run(OFFSET16(real_far));
    check("far-call-cs", results[0], CODE16_SEGMENT + 1);
    begin();
    real_run(OFFSET16(real_high));
    check("above-1-mib", results[0], low32(0x100000));
    begin();
    real_run(OFFSET16(unreal));
    check("unreal", results[0], low32(0x100000));
    check("unreal-base", results[1], low32(0x100000));
}

static void flags(void)
{
    begin();
    real_run(OFFSET16(real_flags));
    check("iopl-and-nt-writable", results[0] & 0x7000, 0x7000);
    begin();
    real_run(OFFSET16(real_step));
    check("single-step", results[VECTOR], T_DB);
    check("single-steps", results[COUNT], 4);
    check("single-step-last-ip", results[IP], OFFSET16(real_step_2) + 3);
}

const CpuCase cpu_cases[] = {
    { "interrupts", interrupts, NULL },
    { "vector-limit", vector_limit, "the emulator does not look at the limit of the vector table" },
    { "vectors-elsewhere", vectors_elsewhere, NULL },
    { "exceptions", exceptions, NULL },
    { "bound", bound, "the emulator has no BOUND" },
    { "undefined", undefined, "the emulator gives up instead of #UD" },
    { "sysenter", sysenter, NULL },
    { "wrapping", wrapping, NULL },
    { "addresses", addresses, NULL },
    { "flags", flags, NULL },
    { NULL, NULL, NULL },
};
