/*
 * Virtual-8086 mode: what its programs may do by themselves, and what comes to the monitor. Without its extensions (CR4.VME),
 * which vme.c is about. Spec: SDM vol. 3 chapter 20.
 *
 * The program is the monitor; snippets end by UD2, which says that they got there.
 */
#include "code16.h"

#define NO_V86    "the emulator does not get to virtual-8086 mode"
#define RING0_TOP ((ulong)cpu_ring0_stack + sizeof(cpu_ring0_stack))

extern char v86_look[], v86_cli[], v86_sti[], v86_pushf[], v86_popf[], v86_popf_off[], v86_popfl[], v86_int[],
    v86_int_insn[], v86_int_next[], v86_int3[], v86_int3_next[], v86_iret[], v86_iret_insn[], v86_hlt[], v86_in[], v86_out_w[],
    v86_lgdt[], v86_cr[], v86_lldt[], v86_lar[], v86_arpl[], v86_word_at_end[], v86_stack_at_end[], v86_stack_at_end_insn[],
    v86_segment[];

static void begin(void)
{
    code16_install();
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 0);
    cpu_gate(T_BP, KCODE, trap_stubs[T_BP], 14, 3, 0);
}

/* It got to its UD2. */
static void check_end(const char *name)
{
    check_trap(name, T_UD, 0);
}

static void check_refused(const char *name, char *snippet, unsigned iopl_flags)
{
    v86_run(snippet, iopl_flags);
    check_trap_at(name, T_GP, 0, (void (*)(void))snippet);
}

static void in_and_out(void)
{
    begin();
    v86_run(v86_look, F_IF);
    check_end("look");
    check("cs-and-ds", trap.ax, CODE16_SEGMENT << 16);
    check("vm-in-frame", trap.flags & (F_VM | F_IF | F_IOPL3), F_VM | F_IF);
    check("cs-in-frame", trap.cs, CODE16_SEGMENT);
    check("ss-in-frame", trap.ss, 0);
    check("esp-in-frame", trap.sp, STACK16);
    check("nine-words", trap.at, RING0_TOP - 36);
    check("vm-clear-in-handler", read_flags() & F_VM, 0);
    v86_run(v86_segment, 0);
    check("segment-base", trap.ax, low32(0x7000));
}

static void at_iopl_3(void)
{
    begin();
    v86_run(v86_cli, F_IOPL3 | F_IF);
    check_end("iopl3-cli");
    check("iopl3-cli-if", trap.flags & F_IF, 0);
    v86_run(v86_sti, F_IOPL3);
    check("iopl3-sti-if", trap.flags & F_IF, F_IF);
    v86_run(v86_pushf, F_IOPL3 | F_IF);
    check("iopl3-pushf", trap.ax & 0x7200, F_IOPL3 | F_IF);
    v86_run(v86_popf, F_IOPL3);
    check("iopl3-popf", trap.flags & (F_VM | F_IF | F_IOPL3), F_VM | F_IF | F_IOPL3);
    v86_run(v86_popf_off, F_IOPL3 | F_IF);
    check("iopl3-popf-if-off", trap.flags & (F_IF | F_IOPL3), F_IOPL3);
    v86_run(v86_popfl, F_IOPL3);
    check("iopl3-popfd-keeps-vm-and-iopl", trap.flags & (F_VM | F_IF | F_IOPL3), F_VM | F_IF | F_IOPL3);
    v86_run(v86_iret, F_IOPL3);
    check("iopl3-iret", trap.ax, 0x66);
    check("iopl3-iret-flags", trap.flags & (F_VM | F_IF | F_IOPL3), F_VM | F_IF | F_IOPL3);
}

static void at_iopl_0(void)
{
    begin();
    check_refused("iopl0-cli", v86_cli, F_IF);
    check_refused("iopl0-sti", v86_sti, 0);
    check_refused("iopl0-pushf", v86_pushf, 0);
    v86_run(v86_popf, 0);
    check_trap_at("iopl0-popf", T_GP, 0, (void (*)(void))(v86_popf + 3));
    v86_run(v86_iret, 0);
    check_trap_at("iopl0-iret", T_GP, 0, (void (*)(void))v86_iret_insn);
    v86_run(v86_int, 0);
    check_trap_at("iopl0-int", T_GP, 0, (void (*)(void))v86_int_insn);
    v86_run(v86_int3, 0);
    check("iopl0-int3", trap.vector, T_BP);
    check("iopl0-int3-ip", trap.ip, (ulong)v86_int3_next);
}

static volatile ulong at_in_hook;

static bool add_one(Frame *f)
{
    at_in_hook = (ulong)&f->ip;
    f->ax += 1;
    return true;
}

static void interrupts(void)
{
    begin();
    v86_run(v86_int, F_IOPL3);
    check("int-to-monitor", trap.vector, 0x80);
    check("int-to-monitor-ip", trap.ip, (ulong)v86_int_next);
    cpu_hooks[0x80] = add_one;
    v86_run(v86_int, F_IOPL3);
    check_end("monitor-irets");
    check("monitor-irets-eax", trap.ax, 9);
    check("monitor-stack", at_in_hook, RING0_TOP - 36);
    cpu_hooks[0x80] = NULL;
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 0, 0);
    v86_run(v86_int, F_IOPL3);
    check_trap("int-gate-of-ring-0", T_GP, 0x80 * 8 + 2);
    cpu_gate(0x80, CONFORMING, trap_stubs[0x80], 14, 3, 0);
    v86_run(v86_int, F_IOPL3);
    check_trap("int-to-conforming", T_GP, CONFORMING);
    cpu_gate(0x80, UCODE, trap_stubs[0x80], 14, 3, 0);
    v86_run(v86_int, F_IOPL3);
    check_trap("int-to-ring-3", T_GP, UCODE & ~3);
    cpu_gate_default(0x80);
}

static void privileged(void)
{
    begin();
    check_refused("hlt", v86_hlt, F_IOPL3);
    check_refused("lgdt", v86_lgdt, F_IOPL3);
    check_refused("read-cr0", v86_cr, F_IOPL3);
    v86_run(v86_lldt, F_IOPL3);
    check_trap_at("lldt", T_UD, 0, (void (*)(void))v86_lldt);
    v86_run(v86_lar, F_IOPL3);
    check_trap_at("lar", T_UD, 0, (void (*)(void))v86_lar);
    v86_run(v86_arpl, F_IOPL3);
    check_trap_at("arpl", T_UD, 0, (void (*)(void))v86_arpl);
    check_refused("word-at-end", v86_word_at_end, F_IOPL3);
    v86_run(v86_stack_at_end, F_IOPL3);
    check_trap_at("stack-at-end", T_SS, 0, (void (*)(void))v86_stack_at_end_insn);
}

/* The I/O permission map decides alone, whatever IOPL says. */
static void ports(void)
{
    begin();
    check_refused("in-without-map", v86_in, F_IOPL3);
    cpu_allow_ports(true);
    v86_run(v86_in, 0);
    check_end("in-allowed");
    cpu_tss[TSS_IO_MAP + 0x10] = 1;
    check_refused("in-denied", v86_in, F_IOPL3);
    v86_run(v86_out_w, F_IOPL3);
    check_trap_at("out-word-half-denied", T_GP, 0, (void (*)(void))(v86_out_w + 3));
    cpu_no_port_map();
}

static bool on_step(Frame *f)
{
    at_in_hook++;
    return at_in_hook < 3 || !(f->flags &= ~(ulong)F_TF);
}

static void single_step(void)
{
    begin();
    cpu_hooks[T_DB] = on_step;
    at_in_hook = 0;
    v86_run(v86_look, F_TF);
    cpu_hooks[T_DB] = NULL;
    check("steps", at_in_hook, 3);
}

const CpuCase cpu_cases[] = {
    { "in-and-out", in_and_out, NO_V86 },
    { "at-iopl-3", at_iopl_3, NO_V86 },
    { "at-iopl-0", at_iopl_0, NO_V86 },
    { "interrupts", interrupts, NO_V86 },
    { "privileged", privileged, NO_V86 },
    { "ports", ports, NO_V86 },
    { "single-step", single_step, NO_V86 },
    { NULL, NULL, NULL },
};
