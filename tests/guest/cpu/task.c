/*
 * Task switches by the processor: JMP, CALL and IRET, task gates, what is saved and linked, what is refused.
 * Spec: SDM vol. 3 chapter 7.
 *
 * The main program is the task of TSS; tasks A and B are made anew for each case.
 */
#include "cpu.h"

#define NO_TASKS "the emulator has no task switches"
#define TASK_A   0x58
#define TASK_B   0x60
#define GATE     0x68
#define ABSENT   0x70

#define AVAILABLE 0x89u
#define BUSY      0x8bu

typedef struct Tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
} Tss;

static volatile Tss *const main_tss = (volatile Tss *)cpu_tss;
static volatile Tss tss_a;
static volatile Tss tss_b;
static char stack_a[4096] __attribute__((aligned(16)));
static char stack_b[4096] __attribute__((aligned(16)));

#define TO_MAIN "ljmp $" TEXT(TSS) ", $0\n"
#define TO_A    "ljmp $" TEXT(TASK_A) ", $0\n"
#define CALL_A  "lcall $" TEXT(TASK_A) ", $0\n"

static unsigned type_of(unsigned selector)
{
    return cpu_gdt[selector / 8] >> 40 & 0xff;
}

static unsigned task_register(void)
{
    unsigned value;

    __asm__("str %0" : "=r"(value));
    return value;
}

static void prepare(volatile Tss *tss, unsigned selector, void (*code)(void), char *stack)
{
    *tss = (Tss){ .eip = (ulong)code, .eflags = 2, .esp = (ulong)stack + 4096, .es = KDATA, .cs = KCODE, .ss = KDATA, .ds = KDATA,
                  .fs = KDATA, .gs = KDATA, .esp0 = (ulong)stack + 4096, .ss0 = KDATA, .io_map = sizeof(Tss),
                  .eax = 0xa0, .ecx = 0xa1, .edx = 0xa2, .ebx = 0xa3, .ebp = 0xa5, .esi = 0xa6, .edi = 0xa7 };
    cpu_descriptor(selector, (ulong)tss, sizeof(Tss) - 1, AVAILABLE);
}

/* The main task's registers come back, whatever ran meanwhile. */
static void settle(void)
{
    cpu_descriptor(TSS, (ulong)cpu_tss, sizeof(cpu_tss) - 1, AVAILABLE);
    __asm__ volatile("ltr %w0; lldt %w1; clts" ::"r"(TSS), "r"(0));
}

static void jump(unsigned selector)
{
    volatile struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target = { 0x12345678, (uint16_t)selector };

    __asm__ volatile("ljmp *%0" ::"m"(target) : "memory");
}

static void call(unsigned selector)
{
    volatile struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target = { 0x12345678, (uint16_t)selector };

    __asm__ volatile("lcall *%0" ::"m"(target) : "memory");
}

/* --- there and back */

static volatile struct {
    uint32_t eax, ebx, edi, esp, flags, cr0, tr, type_main, type_a, link;
} in_a;

static void look(uint32_t eax, uint32_t ebx, uint32_t edi, uint32_t esp)
{
    in_a.eax = eax;
    in_a.ebx = ebx;
    in_a.edi = edi;
    in_a.esp = esp;
    in_a.flags = read_flags();
    in_a.cr0 = read_cr0();
    in_a.tr = task_register();
    in_a.type_main = type_of(TSS);
    in_a.type_a = type_of(TASK_A);
    in_a.link = tss_a.link;
}
void (*const task_look)(uint32_t, uint32_t, uint32_t, uint32_t) = look;

#define LOOK "mov %esp, %ecx; push %ecx; push %edi; push %ebx; push %eax; call *task_look; add $16, %esp\n"
ENTRY(jump_back, LOOK TO_MAIN);
ENTRY(return_back, LOOK "iret\nmov $0x5a, %eax\n" TO_MAIN);
CODE(jump_to_a, "push %ebx; push %esi; push %edi; push %ebp\nmov $0x77, %ebx; stc\n" TO_A
     "behind_jump: mov %ebx, %eax; pop %ebp; pop %edi; pop %esi; pop %ebx");
CODE(call_a, "push %ebx; push %esi; push %edi; push %ebp\nmov $0x78, %ebx\n" CALL_A
     "behind_call: mov %ebx, %eax; pop %ebp; pop %edi; pop %esi; pop %ebx");
extern char behind_jump[];
extern char behind_call[];

static void by_jump(void)
{
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    TRAP(check("jump-keeps-registers", call_with(jump_to_a, 0), 0x77));
    check_trap("jump", T_NONE, 0);
    check("jump-eax", in_a.eax, 0xa0);
    check("jump-ebx", in_a.ebx, 0xa3);
    check("jump-edi", in_a.edi, 0xa7);
    check("jump-esp", in_a.esp, (ulong)stack_a + 4096);
    check("jump-no-nt", in_a.flags & F_NT, 0);
    check("jump-cr0-ts", in_a.cr0 & CR0_TS, CR0_TS);
    check("jump-tr", in_a.tr, TASK_A);
    check("jump-old-is-available", in_a.type_main, AVAILABLE);
    check("jump-new-is-busy", in_a.type_a, BUSY);
    check("jump-no-link", in_a.link, 0);
    check("jump-saved-eip", main_tss->eip, (ulong)behind_jump);
    check("jump-saved-cf", main_tss->eflags & F_CF, F_CF);
    check("jump-saved-ebx", main_tss->ebx, 0x77);
    check("jump-back-main-is-busy", type_of(TSS), BUSY);
    check("jump-back-a-is-available", type_of(TASK_A), AVAILABLE);
    check("jump-back-tr", task_register(), TSS);
    check("jump-back-esp-saved", tss_a.esp, (ulong)stack_a + 4096);
    settle();
}

static void by_call(void)
{
    prepare(&tss_a, TASK_A, return_back, stack_a);
    TRAP(check("call-keeps-registers", call_with(call_a, 0), 0x78));
    check_trap("call", T_NONE, 0);
    check("call-nt", in_a.flags & F_NT, F_NT);
    check("call-link", in_a.link & 0xffff, TSS);
    check("call-old-stays-busy", in_a.type_main, BUSY);
    check("call-new-is-busy", in_a.type_a, BUSY);
    check("call-saved-eip", main_tss->eip, (ulong)behind_call);
    check("iret-a-is-available", type_of(TASK_A), AVAILABLE);
    check("iret-main-is-busy", type_of(TSS), BUSY);
    check("iret-saves-no-nt", tss_a.eflags & F_NT, 0);
    check("iret-no-nt", read_flags() & F_NT, 0);
    /* The task goes on behind its IRET. */
    TRAP(jump(TASK_A));
    check_trap("behind-iret", T_NONE, 0);
    check("behind-iret-eax", tss_a.eax, 0x5a);
    settle();
}

static void by_gate_descriptor(void)
{
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    cpu_gdt[GATE / 8] = (uint64_t)TASK_A << 16 | 0x85ull << 40;
    TRAP(jump(GATE));
    check_trap("task-gate-jump", T_NONE, 0);
    check("task-gate-jump-tr", in_a.tr, TASK_A);
    prepare(&tss_a, TASK_A, return_back, stack_a);
    TRAP(call(GATE));
    check("task-gate-call-link", in_a.link & 0xffff, TSS);
    cpu_gdt[GATE / 8] = (uint64_t)TASK_A << 16 | 0x05ull << 40;
    TRAP(jump(GATE));
    check_trap("task-gate-absent", T_NP, GATE);
    cpu_gdt[GATE / 8] = (uint64_t)KDATA << 16 | 0x85ull << 40;
    TRAP(jump(GATE));
    check_trap("task-gate-to-data", T_GP, KDATA);
    settle();
}

/* --- interrupts and exceptions */

ENTRY(interrupt_task, LOOK "iret\n");
volatile uint32_t error_of_fault;
volatile uint32_t esp_of_fault;
CODE(interrupt, "int $0x80\nbehind_interrupt: nop");
extern char behind_interrupt[];

static void interrupts(void)
{
    prepare(&tss_a, TASK_A, interrupt_task, stack_a);
    cpu_gate(0x80, TASK_A, NULL, 5, 0, 0);
    TRAP(interrupt());
    check_trap("interrupt", T_NONE, 0);
    check("interrupt-link", in_a.link & 0xffff, TSS);
    check("interrupt-nt", in_a.flags & F_NT, F_NT);
    check("interrupt-esp", in_a.esp, (ulong)stack_a + 4096);
    check("interrupt-saved-eip", main_tss->eip, (ulong)behind_interrupt);
    cpu_descriptor(TASK_A, (ulong)&tss_a, sizeof(Tss) - 1, BUSY);
    TRAP(interrupt());
    check_trap("interrupt-to-busy", T_GP, TASK_A);
    cpu_descriptor(TASK_A, (ulong)&tss_a, sizeof(Tss) - 1, 0x09);
    TRAP(interrupt());
    check_trap("interrupt-to-absent", T_NP, TASK_A);
    cpu_gate_default(0x80);
    settle();
}

CODE(bad_load, "mov $" TEXT(ABSENT) ", %eax; mov %eax, %fs");
CODE(no_stack, "mov %esp, %ecx; xor %eax, %eax; mov $" TEXT(ABSENT) ", %edx; mov %edx, %ss; mov $0xffc, %esp; push %eax");

/* The task of a gate: takes the error code, then resumes the main task where TRAP() ends, on a stack that is one. */
ENTRY(fault_task,
      "pop error_of_fault\n"
      "mov %esp, esp_of_fault\n"
      "movl $recover, cpu_tss + 0x20\n"
      "movl $cpu_ring0_stack + 4096, cpu_tss + 0x38\n"
      "movl $" TEXT(KDATA) ", cpu_tss + 0x50\n"
      "movl $" TEXT(KCODE) ", cpu_tss + 0x4c\n"
      "movb $0x89, cpu_gdt + " TEXT(TSS) " + 5\n"
      TO_MAIN);
ENTRY(recover, "call trap_none\njmp catch_resume\n");
volatile uint32_t error_of_fault;
volatile uint32_t esp_of_fault;

static void exceptions(void)
{
    prepare(&tss_b, TASK_B, fault_task, stack_b);
    cpu_descriptor(ABSENT, 0, 0xfffff, 0xc013);
    cpu_gate(T_NP, TASK_B, NULL, 5, 0, 0);
    error_of_fault = ~0u;
    TRAP(bad_load());
    check("fault-error-code", error_of_fault, ABSENT);
    check("fault-error-code-on-stack", esp_of_fault, (ulong)stack_b + 4096);
    check("fault-link", tss_b.link & 0xffff, TSS);
    cpu_gate_default(T_NP);
    /* A stack that is none: #SS, #DF, and only a task has a stack to tell of it. */
    prepare(&tss_b, TASK_B, fault_task, stack_b);
    cpu_descriptor(ABSENT, 0x8000000, 0, 0x4093);
    cpu_gate(T_DF, TASK_B, NULL, 5, 0, 0);
    error_of_fault = ~0u;
    TRAP(no_stack());
    check("double-fault-error-code", error_of_fault, 0);
    check("double-fault-link", tss_b.link & 0xffff, TSS);
    cpu_gate_default(T_DF);
    settle();
}

/* --- what is refused before the switch */

static void refused(void)
{
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    TRAP(jump(TSS));
    check_trap("jump-to-itself", T_GP, TSS);
    cpu_descriptor(TASK_A, (ulong)&tss_a, sizeof(Tss) - 1, BUSY);
    TRAP(call(TASK_A));
    check_trap("call-busy", T_GP, TASK_A);
    cpu_descriptor(TASK_A, (ulong)&tss_a, sizeof(Tss) - 1, 0x09);
    TRAP(jump(TASK_A));
    check_trap("jump-absent", T_NP, TASK_A);
    cpu_descriptor(TASK_A, (ulong)&tss_a, sizeof(Tss) - 2, AVAILABLE);
    TRAP(jump(TASK_A));
    check_trap("jump-short-tss", T_TS, TASK_A);
    check("jump-short-tss-is-of-main", task_register(), TSS);
    main_tss->link = 0;
    TRAP(__asm__ volatile("pushf; orl %0, (%%esp); popf; iret" ::"i"(F_NT)));
    check_trap("iret-null-link", T_TS, 0);
    main_tss->link = TASK_A;
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    TRAP(__asm__ volatile("pushf; orl %0, (%%esp); popf; iret" ::"i"(F_NT)));
    check_trap("iret-link-not-busy", T_TS, TASK_A);
    main_tss->link = 0;
}

CODE(u_jump_a, TO_A);
CODE(u_hlt, "hlt");

static void rings(void)
{
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    USER(u_jump_a, 0);
    check_trap("jump-from-ring-3", T_GP, TASK_A);
    cpu_descriptor(TASK_A, (ulong)&tss_a, sizeof(Tss) - 1, AVAILABLE | 0x60);
    in_a.tr = 0;
    USER(u_jump_a, 0);
    check_trap("jump-from-ring-3-allowed", T_NONE, 0);
    check("jump-from-ring-3-tr", in_a.tr, TASK_A);
    check("jump-from-ring-3-saved-cs", main_tss->cs, UCODE);
    settle();
    /* A task of ring 3. */
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.cs = UCODE;
    tss_a.ss = tss_a.ds = tss_a.es = tss_a.fs = tss_a.gs = UDATA;
    tss_a.eip = (ulong)u_hlt;
    TRAP(jump(TASK_A));
    check_trap("task-of-ring-3", T_GP, 0);
    check("task-of-ring-3-cs", trap.cs, UCODE);
    check("task-of-ring-3-ring-0-stack", trap.at, (ulong)stack_a + 4096 - 20);
    settle();
}

/* --- faults that belong to the new task */

/* #TS, #NP, #SS and #GP of a task half switched to: the task of the gate is asked what it got. */
static ulong error_of(unsigned vector)
{
    prepare(&tss_b, TASK_B, fault_task, stack_b);
    cpu_gate(vector, TASK_B, NULL, 5, 0, 0);
    error_of_fault = ~0u;
    TRAP(jump(TASK_A));
    cpu_gate_default(vector);
    settle();
    return trap.vector == T_NONE ? error_of_fault : trap.vector << 24 | trap.error;
}

static void new_task_faults(void)
{
    cpu_descriptor(ABSENT, 0, 0xfffff, 0xc013);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.ds = ABSENT;
    check("new-ds-absent", error_of(T_NP), ABSENT);
    check("new-task-is-linked", tss_b.link & 0xffff, TASK_A);
    check("new-task-eip", tss_a.eip, (ulong)jump_back);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.ss = ABSENT;
    check("new-ss-absent", error_of(T_SS), ABSENT);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.ss = 0;
    check("new-ss-null", error_of(T_TS), 0);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.ss = UDATA;
    check("new-ss-rpl", error_of(T_TS), UDATA & ~3);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.cs = KDATA;
    check("new-cs-data", error_of(T_TS), KDATA);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.cs = 0;
    check("new-cs-null", error_of(T_TS), 0);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.ldt = KDATA;
    check("new-ldt-data", error_of(T_TS), KDATA);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.es = 0xfff8;
    check("new-es-beyond", error_of(T_TS), 0xfff8);
}

/* --- other kinds of tasks */

typedef struct Tss16 {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
} Tss16;

static void put_low_code(const uint8_t *code, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        ((volatile uint8_t *)0x8000)[i] = code[i];
    }
}

static void of_16_bits(void)
{
    static volatile Tss16 tss;
    static const uint8_t code[] = {
        0xa3, 0x00, 0x70, 0x00, 0x00,                   /* mov %eax, 0x7000 */
        0x89, 0x25, 0x04, 0x70, 0x00, 0x00,             /* mov %esp, 0x7004 */
        0xea, 0x00, 0x00, 0x00, 0x00, TSS, 0x00,        /* ljmp $TSS, $0 */
    };

    put_low_code(code, sizeof(code));
    tss = (Tss16){ .ip = 0x8000, .flags = 2, .ax = 0xa0a1, .sp = 0x6000, .es = KDATA, .cs = KCODE, .ss = KDATA, .ds = KDATA };
    cpu_descriptor(TASK_A, (ulong)&tss, sizeof(tss) - 1, 0x81);
    TRAP(jump(TASK_A));
    check_trap("16-bit", T_NONE, 0);
    check("16-bit-ax", *(volatile uint16_t *)0x7000, 0xa0a1);
    check("16-bit-sp", *(volatile uint16_t *)0x7004, 0x6000);
    check("16-bit-saved-ip", tss.ip, 0x8000 + sizeof(code));
    check("16-bit-available-again", type_of(TASK_A), 0x81);
    settle();
    cpu_descriptor(TASK_A, (ulong)&tss, sizeof(tss) - 2, 0x81);
    TRAP(jump(TASK_A));
    check_trap("16-bit-short", T_TS, TASK_A);
}

static void of_virtual_8086(void)
{
    static const uint8_t code[] = { 0xb8, 0x34, 0x12, 0xf4 };   /* mov $0x1234, %ax; hlt */

    put_low_code(code, sizeof(code));
    prepare(&tss_a, TASK_A, NULL, stack_a);
    tss_a.eflags = F_VM | 2;
    tss_a.cs = 0x800;
    tss_a.ss = tss_a.ds = tss_a.es = tss_a.fs = tss_a.gs = 0x700;
    tss_a.esp = 0x100;
    TRAP(jump(TASK_A));
    check_trap("v86-task", T_GP, 0);
    check("v86-task-cs", trap.cs, 0x800);
    check("v86-task-ip", trap.ip, 3);
    check("v86-task-ax", trap.ax & 0xffff, 0x1234);
    check("v86-task-flags", trap.flags & F_VM, F_VM);
    check("v86-task-ring-0-stack", trap.at, (ulong)stack_a + 4096 - 36);
    settle();
}

static void with_ldt(void)
{
    static volatile uint64_t table[2];

    table[1] = cpu_gdt[KCODE / 8];
    cpu_descriptor(GATE, (ulong)table, sizeof(table) - 1, 0x82);
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.ldt = GATE;
    tss_a.cs = 0x0c;
    in_a.tr = 0;
    TRAP(jump(TASK_A));
    check_trap("task-with-ldt", T_NONE, 0);
    check("task-with-ldt-tr", in_a.tr, TASK_A);
    check("task-with-ldt-cs", tss_a.cs, 0x0c);
    settle();
}

/* --- the T bit */

static volatile ulong dr6_seen;
static volatile ulong eip_seen;

static bool on_debug(Frame *f)
{
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6_seen));
    eip_seen = f->ip;
    __asm__ volatile("mov %0, %%dr6" ::"r"(0xffff0ff0));
    return true;
}

static void debug_trap(void)
{
    if (cpu_is_kvm("debug-trap", "KVM does not look at the T bit of a TSS")) {
        return;
    }
    cpu_hooks[T_DB] = on_debug;
    prepare(&tss_a, TASK_A, jump_back, stack_a);
    tss_a.trap = 1;
    eip_seen = 0;
    TRAP(jump(TASK_A));
    check_trap("t-bit", T_NONE, 0);
    check("t-bit-eip", eip_seen, (ulong)jump_back);
    check("t-bit-dr6", dr6_seen & 0xe00f, 0x8000);
    cpu_hooks[T_DB] = NULL;
    settle();
}

const CpuCase cpu_cases[] = {
    { "by-jump", by_jump, NO_TASKS },
    { "by-call", by_call, NO_TASKS },
    { "by-gate-descriptor", by_gate_descriptor, NO_TASKS },
    { "interrupts", interrupts, NO_TASKS },
    { "exceptions", exceptions, NO_TASKS },
    { "refused", refused, NO_TASKS },
    { "rings", rings, NO_TASKS },
    { "new-task-faults", new_task_faults, NO_TASKS },
    { "of-16-bits", of_16_bits, NO_TASKS },
    { "of-virtual-8086", of_virtual_8086, NO_TASKS },
    { "with-ldt", with_ldt, NO_TASKS },
    { "debug-trap", debug_trap, NO_TASKS },
    { NULL, NULL, NULL },
};
