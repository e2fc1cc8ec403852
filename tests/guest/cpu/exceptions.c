/*
 * Exceptions in long mode: what a fault leaves as it was, which there are, x87 and SSE ones, and faults while one is delivered.
 * Spec: SDM vol. 3 chapter 6; vol. 1 chapters 8 and 11.
 */
#include "cpu.h"

#define NATIVE "ring 3 of this KVM runs with the host's GDT, CR0 and CR4"

#define RING0_TOP ((ulong)cpu_ring0_stack + sizeof(cpu_ring0_stack))

CODE(u_hlt, "hlt");
CODE(k_int, "int $0x80");

/* --- faults leave things as they were */

#define HOLE (1ul << 45)        /* nothing is mapped there */

CODE(f_push, "mov %rdi, %rbx; pushq (%rbx)");
CODE(f_pop, "push $0; popq (%rdi)");
CODE(f_call, "call *(%rdi)");
CODE(f_xchg, "mov $3, %eax; xchg %rax, (%rdi)");
CODE(f_xadd, "mov $4, %eax; xadd %rax, (%rdi)");
CODE(f_leave, "push %rbp; mov %rdi, %rbp; leave");
CODE(f_lods, "mov %rdi, %rsi; mov $5, %eax; lodsq");
CODE(f_movs, "mov %rsp, %rsi; mov $2, %ecx; rep movsq");
CODE(f_movaps, "movaps 1(%rsp), %xmm0");
CODE(f_div, "mov $6, %eax; xor %edx, %edx; divq (%rdi)");
CODE(f_ret, "push %rdi; ret");

static void restart(void)
{
    ulong sp = cpu_user_sp - 8;

    USER(f_push, HOLE);
    check_fault("push-fault", PF_U, HOLE);
    check("push-fault-rsp", trap.sp, sp);
    USER(f_pop, HOLE);
    check_fault("pop-fault", PF_U | PF_W, HOLE);
    check("pop-fault-rsp", trap.sp, sp - 8);
    USER(f_call, HOLE);
    check("call-fault-rsp", trap.sp, sp);
    USER(f_xchg, HOLE);
    check_fault("xchg-fault", PF_U | PF_W, HOLE);
    check("xchg-fault-rax", trap.ax, 3);
    USER(f_xadd, HOLE);
    check("xadd-fault-rax", trap.ax, 4);
    USER(f_leave, HOLE);
    check_fault("leave-fault", PF_U, HOLE);
    check("leave-fault-rsp", trap.sp, sp - 8);
    USER(f_lods, HOLE);
    check("lods-fault-rax", trap.ax, 5);
    check("lods-fault-rsi", trap.si, HOLE);
    USER(f_movs, HOLE);
    check_fault("movs-fault", PF_U | PF_W, HOLE);
    check("movs-fault-rsi", trap.si, sp);
    check("movs-fault-rcx", trap.cx, 2);
    USER(f_div, HOLE);
    check("div-fault-rax", trap.ax, 6);
    USER(f_ret, HOLE);
    check_fault("ret-to-a-hole", PF_U, HOLE);
    check("ret-to-a-hole-rsp", trap.sp, sp);
}

static void unaligned_vector(void)
{
    write_cr4(read_cr4() | 0x600);
    USER(f_movaps, 0);
    check_trap_at("movaps-unaligned", T_GP, 0, f_movaps);
    write_cr4(read_cr4() & ~0x600ul);
    USER(f_movaps, 0);
    check_trap_at("movaps-without-osfxsr", T_UD, 0, f_movaps);
}

/* --- other exceptions */

CODE(x_div, "xor %ecx, %ecx; div %ecx");
CODE(x_div_large, "mov $1, %edx; mov $1, %ecx; div %ecx");
CODE(x_lock, ".byte 0xf0, 0x90");
CODE(x_long, ".fill 15, 1, 0x66; nop");
CODE(x_into, ".byte 0xce");
CODE(x_unaligned, "mov 1(%rsp), %eax");
CODE(x_int3, "int3");

static void exceptions(void)
{
    USER(x_div, 0);
    check_trap("div-by-0", T_DE, 0);
    check("div-by-0-rip", trap.ip, (ulong)x_div + 2);
    check("fault-pushes-rf", trap.flags & F_RF, F_RF);
    USER(x_div_large, 0);
    check("div-overflow", trap.vector, T_DE);
    USER(x_lock, 0);
    check_trap_at("lock-nop", T_UD, 0, x_lock);
    USER(x_long, 0);
    check_trap_at("16-bytes", T_GP, 0, x_long);
    USER(x_into, 0);
    check_trap_at("into-in-64-bit-mode", T_UD, 0, x_into);
}

static void alignment(void)
{
    write_cr0(read_cr0() | 1 << 18);
    USER(x_unaligned, 0);
    check_trap("am-without-ac", T_NONE, 0);
    cpu_user_flags = 2 | F_AC;
    USER(x_unaligned, 0);
    check_trap_at("am-with-ac", T_AC, 0, x_unaligned);
    write_cr0(read_cr0() & ~(1ul << 18));
    USER(x_unaligned, 0);
    check_trap("ac-without-am", T_NONE, 0);
    cpu_user_flags = 2;
}

/* --- x87 and SSE: whether they may run, and what their exceptions are */

CODE(fp_x87, "fnop");
CODE(fp_wait, "fwait");
CODE(fp_sse, "xorps %xmm0, %xmm0");
CODE(fp_integer, "movnti %rax, -16(%rsp)");
CODE(fp_bad_x87, "fninit; push $0x37b; fldcw (%rsp); fld1; fldz; fdivrp; fp_next: fnop; add $8, %rsp");
CODE(fp_bad_sse, "push $0x1f00; ldmxcsr (%rsp); xorps %xmm0, %xmm0; fp_divss: divss %xmm0, %xmm0; add $8, %rsp");
extern char fp_next[];
extern char fp_divss[];

static void check_fp(const char *name, void (*code)(void), ulong cr0, ulong vector)
{
    ulong was = read_cr0();

    write_cr0((was & ~0xeul) | cr0);
    USER(code, 0);
    write_cr0(was);
    check_trap(name, vector, 0);
}

static void fp_availability(void)
{
    enum { MP = 2, EM = 4, TS = 8 };

    write_cr4(read_cr4() | 0x600);
    check_fp("x87-with-ts", fp_x87, TS, T_NM);
    check_fp("x87-with-em", fp_x87, EM, T_NM);
    check_fp("wait-with-ts", fp_wait, TS, T_NONE);
    check_fp("wait-with-mp-and-ts", fp_wait, MP | TS, T_NM);
    check_fp("wait-with-em", fp_wait, EM, T_NONE);
    check_fp("sse-with-ts", fp_sse, TS, T_NM);
    check_fp("sse-with-em", fp_sse, EM, T_UD);
    check_fp("sse-with-em-and-ts", fp_sse, EM | TS, T_UD);
    check_fp("movnti-with-ts", fp_integer, TS, T_NONE);
    check_fp("sse-available", fp_sse, 0, T_NONE);
    write_cr4(read_cr4() & ~0x600ul);
    check_fp("sse-without-osfxsr", fp_sse, 0, T_UD);
}

static void fp_exceptions(void)
{
    write_cr4(read_cr4() | 0x600);
    USER(fp_bad_x87, 0);
    check_trap("x87-exception", T_MF, 0);
    check("x87-exception-is-of-the-next", trap.ip, (ulong)fp_next);
    __asm__ volatile("fninit");
    USER(fp_bad_sse, 0);
    check_trap("sse-exception", 19, 0);
    check("sse-exception-rip", trap.ip, (ulong)fp_divss);
    write_cr4(read_cr4() & ~0x400ul);
    USER(fp_bad_sse, 0);
    check_trap("sse-exception-without-osxmmexcpt", T_UD, 0);
    write_cr4(read_cr4() & ~0x200ul);
}

static void breakpoints(void)
{
    cpu_gate(T_BP, KCODE, trap_stubs[T_BP], 14, 3, 0);
    USER(x_int3, 0);
    check("int3-vector", trap.vector, T_BP);
    check("int3-rip", trap.ip, (ulong)x_int3 + 1);
    cpu_gate(T_BP, KCODE, trap_stubs[T_BP], 14, 0, 0);
    USER(x_int3, 0);
    check_trap_at("int3-gate-of-ring-0", T_GP, T_BP * 8 + 2, x_int3);
    cpu_gate_default(T_BP);
}

/* --- double faults */

/* An absent gate in the way of #GP, a stack that is not there in the way of #PF: both give #DF, and #DF has a stack of its own. */
static void double_faults(void)
{
    static char stack[4096] __attribute__((aligned(16)));

    *(volatile ulong *)(cpu_tss + 0x2c) = (ulong)stack + sizeof(stack);
    cpu_gate(T_DF, KCODE, trap_stubs[T_DF], 14, 0, 2);
    cpu_gate_absent(T_GP);
    USER(u_hlt, 0);
    check_trap("df-gp-then-np", T_DF, 0);
    check("df-stack", trap.at, (ulong)stack + sizeof(stack) - 40);
    cpu_gate_default(T_GP);
    cpu_gate_absent(T_PF);
    TRAP(*(volatile char *)(1ul << 45));
    check_trap("df-pf-then-np", T_DF, 0);
    cpu_gate_default(T_PF);
}

static void double_fault_by_int(void)
{
    cpu_gate_absent(T_NP);
    cpu_gate_absent(0x80);
    TRAP(k_int());
    check_trap("df-np-then-np", T_DF, 0);
    cpu_gate_default(T_NP);
    cpu_gate_default(0x80);
}

static void double_faults_by_stack(void)
{
    TRAP(__asm__ volatile("mov %0, %%rsp; push %%rax" ::"r"(1ul << 45) : "memory"));
    check_trap("df-pf-on-pf-stack", T_DF, 0);
    *(volatile ulong *)(cpu_tss + 4) = 1ul << 60;
    USER(u_hlt, 0);
    check_trap("df-gp-then-ss", T_DF, 0);
    *(volatile ulong *)(cpu_tss + 4) = RING0_TOP;
}

/* A page fault in delivering a contributory exception is just a page fault. */
static void fault_in_delivery(void)
{
    *(volatile ulong *)(cpu_tss + 4) = 1ul << 45;
    *(volatile ulong *)(cpu_tss + 0x34) = RING0_TOP;
    cpu_gate(T_PF, KCODE, trap_stubs[T_PF], 14, 0, 3);
    USER(x_div, 0);
    check_fault("pf-while-delivering-de", PF_W, (1ul << 45) - 8);
    *(volatile ulong *)(cpu_tss + 4) = RING0_TOP;
    cpu_gate_default(T_PF);
}

const CpuCase cpu_cases[] = {
    { "restart", restart, NULL },
    { "unaligned-vector", unaligned_vector, NATIVE },
    { "exceptions", exceptions, NULL },
    { "alignment", alignment, NATIVE },
    { "fp-availability", fp_availability, NATIVE },
    { "fp-exceptions", fp_exceptions, NATIVE },
    { "breakpoints", breakpoints, NATIVE },
    { "double-faults", double_faults, NULL },
    { "double-fault-by-int", double_fault_by_int, "the emulator has no INT n" },
    { "double-faults-by-stack", double_faults_by_stack, NULL },
    { "fault-in-delivery", fault_in_delivery, "this KVM makes #DF of #PF in delivering #DE" },
    { NULL, NULL, NULL },
};
