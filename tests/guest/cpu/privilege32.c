/*
 * Privilege and segmentation of 32-bit protected mode: limits and rights of segments, gates between the rings, SYSENTER, and the
 * exceptions that only 32-bit code can raise. Spec: SDM vol. 3 chapters 5 and 6; vol. 2 for each instruction.
 */
#include "cpu.h"

#define NO_RING3 "this KVM does not run ring 3 of 32-bit mode"
#define NO_INT   "the emulator has no INT n"
#define RING0_TOP ((ulong)cpu_ring0_stack + sizeof(cpu_ring0_stack))

#define GATE_SELECTOR 0x60
#define SEGMENT FREE                    /* what a case is about */
#define GATE    GATE_SELECTOR
#define ABSENT  (FREE + 16)

static volatile uint32_t memory[1024 + 4] __attribute__((aligned(4096)));

/* --- segments */

static uint32_t read_fs(ulong at)
{
    uint32_t value;

    __asm__ volatile("mov %%fs:(%1), %0" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static void write_fs(ulong at)
{
    __asm__ volatile("movl $1, %%fs:(%0)" ::"r"(at) : "memory");
}

static void load_fs(unsigned selector)
{
    __asm__ volatile("mov %0, %%fs" ::"r"(selector));
}

static void segment(uint32_t limit, unsigned attributes)
{
    cpu_descriptor(SEGMENT, (ulong)memory, limit, attributes);
}

/* Loaded and used in one go: TRAP() loads the flat segments again when it ends by an exception. */
#define WITH_FS(statement) TRAP(load_fs(SEGMENT); statement)

static void limits(void)
{
    memory[1023] = 0x1234;
    segment(0xfff, 0x4093);
    WITH_FS(check("limit-last-read", read_fs(0xffc), 0x1234));
    WITH_FS(read_fs(0xffd));
    check_trap("limit-read-across", T_GP, 0);
    WITH_FS(write_fs(0x1000));
    check_trap("limit-write-beyond", T_GP, 0);
    WITH_FS(read_fs(0xfffffffe));
    check_trap("limit-wraps", T_GP, 0);
    segment(0, 0xc093);                 /* one unit of 4 KiB */
    WITH_FS(check("limit-granular", read_fs(0xffc), 0x1234));
    WITH_FS(read_fs(0x1000));
    check_trap("limit-granular-beyond", T_GP, 0);
    segment(0xfff, 0x4097);             /* expand-down: from 0x1000 up */
    WITH_FS(read_fs(0xffc));
    check_trap("expand-down-below", T_GP, 0);
    memory[1024] = 0x4321;
    WITH_FS(check("expand-down-first", read_fs(0x1000), 0x4321));
    segment(0xfff, 0x0097);             /* 16-bit one: up to 0xffff */
    WITH_FS(read_fs(0xfffe));
    check_trap("expand-down-16-end", T_GP, 0);
}

static void rights(void)
{
    segment(0xfff, 0x4091);
    WITH_FS(read_fs(0));
    check_trap("read-only-read", T_NONE, 0);
    WITH_FS(write_fs(0));
    check_trap("read-only-write", T_GP, 0);
    segment(0xfff, 0x409b);
    WITH_FS(read_fs(0));
    check_trap("code-read", T_NONE, 0);
    WITH_FS(write_fs(0));
    check_trap("code-write", T_GP, 0);
    segment(0xfff, 0x4099);
    WITH_FS(read_fs(0));
    check_trap("execute-only-load", T_GP, SEGMENT);
    segment(0xfff, 0x4013);
    WITH_FS(read_fs(0));
    check_trap("absent-load", T_NP, SEGMENT);
    TRAP(load_fs(0); read_fs(0));
    check_trap("null-use", T_GP, 0);
    TRAP(load_fs(3));
    check_trap("null-load", T_NONE, 0);
    segment(0xfff, 0x4092);
    WITH_FS(read_fs(0));
    check("accessed-bit", cpu_gdt[SEGMENT / 8] >> 40 & 1, 1);
    TRAP(load_fs(GDT_SIZE));
    check_trap("beyond-gdt", T_GP, GDT_SIZE);
    TRAP(load_fs(4));
    check_trap("no-ldt", T_GP, 4);
}

static void stack_segments(void)
{
    ulong end = (ulong)memory + 0x1000;

    /* From 0 to the end of memory[], so that the handler can run on what it finds there. */
    cpu_descriptor(SEGMENT, 0, (end >> 12) - 1, 0xc093);
    TRAP(__asm__ volatile("mov %0, %%ss; mov %1, %%esp; pop %%eax; pop %%eax" ::"r"(SEGMENT), "r"(end - 4) : "eax"));
    check_trap("stack-limit", T_SS, 0);
    check("stack-limit-esp", trap.sp, end);
    TRAP(__asm__ volatile("mov %0, %%ss; mov %1, %%esp; mov (%%esp), %%eax" ::"r"(SEGMENT), "r"(end) : "eax"));
    check_trap("stack-limit-by-address", T_SS, 0);
    TRAP(__asm__ volatile("mov %0, %%ss" ::"r"(0)));
    check_trap("stack-null", T_GP, 0);
    segment(0xfff, 0x4091);
    TRAP(__asm__ volatile("mov %0, %%ss" ::"r"(SEGMENT)));
    check_trap("stack-read-only", T_GP, SEGMENT);
    segment(0xfff, 0x4013);
    TRAP(__asm__ volatile("mov %0, %%ss" ::"r"(SEGMENT)));
    check_trap("stack-absent", T_SS, SEGMENT);
    TRAP(__asm__ volatile("mov %0, %%ss" ::"r"(UDATA)));
    check_trap("stack-of-ring-3", T_GP, UDATA & ~3);
}

static void ldt(void)
{
    static volatile uint64_t table[2];

    cpu_descriptor(GATE, (ulong)table, sizeof(table) - 1, 0x82);
    table[1] = cpu_gdt[KDATA / 8];
    __asm__ volatile("lldt %w0" ::"r"(GATE));
    TRAP(load_fs(0xc));
    check_trap("ldt-entry", T_NONE, 0);
    TRAP(load_fs(0x14));
    check_trap("ldt-limit", T_GP, 0x14);
    TRAP(load_fs(0x4));
    check_trap("ldt-empty", T_GP, 0x4);
    __asm__ volatile("lldt %w0" ::"r"(0));
    TRAP(load_fs(0xc));
    check_trap("ldt-null", T_GP, 0xc);
}

/* Code that ends where its segment does: the fetch behind it is #GP there. */
CODE(far_enter, "mov 4(%esp), %ecx; ljmp *(%ecx)");

static void code_segments(void)
{
    volatile struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) target = { 0xffe, SEGMENT };

    ((volatile uint8_t *)memory)[0xffe] = 0x90;
    ((volatile uint8_t *)memory)[0xfff] = 0x90;
    segment(0xfff, 0x409b);
    TRAP(call_with(far_enter, (ulong)&target));
    check_trap("code-limit", T_GP, 0);
    check("code-limit-eip", trap.ip, 0x1000);
    check("code-limit-cs", trap.cs, SEGMENT);
    target.offset = 0x1000;
    TRAP(call_with(far_enter, (ulong)&target));
    check_trap("jump-beyond-limit", T_GP, 0);
    check("jump-beyond-limit-is-of-the-jump", trap.cs, KCODE);
    segment(0xfff, 0x401b);
    TRAP(call_with(far_enter, (ulong)&target));
    check_trap("jump-to-absent", T_NP, SEGMENT);
    segment(0xfff, 0x40fb);
    TRAP(call_with(far_enter, (ulong)&target));
    check_trap("jump-to-ring-3", T_GP, SEGMENT);
    target.selector = KCODE | 3;
    TRAP(call_with(far_enter, (ulong)&target));
    check_trap("jump-with-rpl-3", T_GP, KCODE);
}

/* --- exceptions of 32-bit code */

CODE(into, "mov $0x7fffffff, %eax; add $1, %eax; into; nop");
CODE(into_not, "xor %eax, %eax; into");
CODE(bound_low, "push $20; push $10; mov $9, %eax; bound %eax, (%esp); add $8, %esp");
CODE(bound_last, "push $20; push $10; mov $20, %eax; bound %eax, (%esp); add $8, %esp");
CODE(bound_register, ".byte 0x62, 0xc0");
CODE(int3, "int3");
CODE(icebp, ".byte 0xf1");

static void exceptions(void)
{
    TRAP(into());
    check("into", trap.vector, T_OF);
    check("into-eip", trap.ip, (ulong)into + 9);
    TRAP(into_not());
    check_trap("into-without-of", T_NONE, 0);
    TRAP(bound_low());
    check("bound", trap.vector, T_BR);
    check("bound-eip", trap.ip, (ulong)bound_low + 9);
    TRAP(bound_last());
    check_trap("bound-last", T_NONE, 0);
    TRAP(bound_register());
    check_trap_at("bound-register", T_UD, 0, bound_register);
    TRAP(int3());
    check("int3-eip", trap.ip, (ulong)int3 + 1);
    TRAP(icebp());
    check("icebp", trap.vector, T_DB);
    check("icebp-eip", trap.ip, (ulong)icebp + 1);
}

static void machine_status_word(void)
{
    TRAP(__asm__ volatile("lmsw %w0" ::"r"(8)));
    check("lmsw-keeps-pe", read_cr0() & 15, 9);
    TRAP(__asm__ volatile("fnop"));
    check_trap("ts-fpu", T_NM, 0);
    __asm__ volatile("clts");
    check("clts", read_cr0() & 8, 0);
}

/* --- gates */

static volatile ulong at_in_hook;
static volatile ulong flags_in_hook;
static volatile Frame frame_in_hook;

static bool go_on(Frame *f)
{
    at_in_hook = (ulong)&f->ip;
    flags_in_hook = read_flags();
    frame_in_hook = *f;
    return true;
}

CODE(u_int, "mov $7, %eax; int $0x80; add $1, %eax");
CODE(u_hlt, "hlt");
CODE(u_cli, "cli");
CODE(u_in, "in $0x80, %al");
CODE(k_int, "int $0x80");

static void gates(void)
{
    cpu_hooks[0x80] = go_on;
    cpu_user_flags = 2 | F_IF;
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 0);
    USER(u_int, 0);
    check_trap("interrupt-gate-and-back", T_NONE, 0);
    check("interrupt-gate-eax", trap.ax, 8);
    check("interrupt-gate-stack", at_in_hook, RING0_TOP - 20);
    check("interrupt-gate-cs", frame_in_hook.cs, UCODE);
    check("interrupt-gate-ss", frame_in_hook.ss, UDATA);
    check("interrupt-gate-esp", frame_in_hook.sp, cpu_user_sp - 8);
    check("interrupt-gate-if", flags_in_hook & F_IF, 0);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 15, 3, 0);
    USER(u_int, 0);
    check("trap-gate-if", flags_in_hook & F_IF, F_IF);
    cpu_user_flags = 2;
    cpu_gate_default(0x80);
    USER(u_int, 0);
    check_trap("gate-of-ring-0", T_GP, 0x80 * 8 + 2);
    USER(u_hlt, 0);
    check_trap_at("hlt", T_GP, 0, u_hlt);
    USER(u_cli, 0);
    check_trap_at("cli", T_GP, 0, u_cli);
    USER(u_in, 0);
    check_trap_at("in", T_GP, 0, u_in);
    cpu_user_flags = 2 | F_IOPL3;
    USER(u_cli, 0);
    check_trap("cli-iopl-3", T_NONE, 0);
    cpu_user_flags = 2;
}

static void bad_gates(void)
{
    cpu_gate_absent(0x80);
    TRAP(k_int());
    check_trap_at("gate-absent", T_NP, 0x80 * 8 + 2, k_int);
    cpu_gate(0x80, UCODE, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap("gate-to-ring-3", T_GP, UCODE & ~3);
    cpu_gate(0x80, KDATA, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap("gate-to-data", T_GP, KDATA);
    cpu_gate(0x80, 0, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap("gate-null", T_GP, 0);
    cpu_descriptor(ABSENT, 0, 0xfffff, 0xc01b);
    cpu_gate(0x80, ABSENT, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap("gate-to-absent", T_NP, ABSENT);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 12, 0, 0);
    TRAP(k_int());
    check_trap("gate-of-wrong-type", T_GP, 0x80 * 8 + 2);
    cpu_gate_default(0x80);
}

static void put_code(ulong at, const uint8_t *code, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        ((volatile uint8_t *)at)[i] = code[i];
    }
}

/* A 16-bit gate has a 16-bit offset and pushes words: both ends of the way lie below 64 KiB. */
static void gate_16(void)
{
    static const uint8_t caller[] = { 0x89, 0xe1, 0xcd, 0x81, 0xc3 };               /* mov %esp, %ecx; int $0x81; ret */
    static const uint8_t handler[] = { 0x29, 0xe1, 0x89, 0xc8, 0x66, 0xcf };        /* sub %esp, %ecx; mov %ecx, %eax; iretw */

    put_code(0x8000, caller, sizeof(caller));
    put_code(0x8100, handler, sizeof(handler));
    cpu_gate(0x81, KCODE, (void *)0x8100, 6, 0, 0);
    TRAP(check("gate-16-pushes", ((ulong (*)(void))0x8000)(), 6));
    check_trap("gate-16", T_NONE, 0);
    cpu_gate_default(0x81);
}

/* Data segments that ring 3 may not have are null after the return to it. */
ENTRY(iret_with_ds,
      "mov $" TEXT(UDATA) ", %eax; mov %eax, %es\n"
      "push %eax; push cpu_user_sp; push $2; push $" TEXT(UCODE) "; push $u_segments; iretl");
ENTRY(u_segments, "mov %ds, %eax; shl $16, %eax; mov %es, %ecx; mov %cx, %ax; ud2");

static void iret_drops_segments(void)
{
    TRAP(iret_with_ds());
    check("iret-nulls-ds-but-not-es", trap.ax, UDATA);
    check("iret-ring", trap.cs, UCODE);
}

static void iret_to(ulong ip, ulong cs, ulong flags, ulong sp, ulong ss)
{
    __asm__ volatile("push %4; push %3; push %2; push %1; push %0; iretl" ::"g"(ip), "g"(cs), "g"(flags), "g"(sp), "g"(ss));
}

static void bad_iret(void)
{
    TRAP(iret_to((ulong)u_hlt, 0, 2, cpu_user_sp, UDATA));
    check_trap("iret-null", T_GP, 0);
    TRAP(iret_to((ulong)u_hlt, UDATA, 2, cpu_user_sp, UDATA));
    check_trap("iret-to-data", T_GP, UDATA & ~3);
    TRAP(iret_to((ulong)u_hlt, UCODE, 2, cpu_user_sp, KDATA));
    check_trap("iret-ss-of-ring-0", T_GP, KDATA);
    TRAP(iret_to((ulong)u_hlt, UCODE, 2, cpu_user_sp, 0));
    check_trap("iret-ss-null", T_GP, 0);
    cpu_descriptor(ABSENT, 0, 0xfffff, 0xc07b);
    TRAP(iret_to((ulong)u_hlt, ABSENT | 3, 2, cpu_user_sp, UDATA));
    check_trap("iret-absent", T_NP, ABSENT);
    cpu_descriptor(ABSENT, 0, 0xfffff, 0xc073);
    TRAP(iret_to((ulong)u_hlt, UCODE, 2, cpu_user_sp, ABSENT | 3));
    check_trap("iret-ss-absent", T_SS, ABSENT);
}

/* --- call gates */

ENTRY(through_gate,
      "mov %esp, gate_esp\n"
      "mov %cs, %eax; mov %eax, gate_cs\n"
      "mov 8(%esp), %eax; mov %eax, gate_last\n"
      "mov 12(%esp), %eax; mov %eax, gate_first\n"
      "mov $0x99, %eax\n"
      "lret $8");
volatile ulong gate_esp;
volatile uint32_t gate_cs;
volatile uint32_t gate_first;
volatile uint32_t gate_last;

CODE(u_gate, "push $0x111; push $0x222; lcall $" TEXT(GATE_SELECTOR) ", $0; mov %esp, %ecx");
CODE(u_jump_gate, "ljmp $" TEXT(GATE_SELECTOR) ", $0");

static void put_call_gate(unsigned selector, unsigned attributes, unsigned nr_parameters)
{
    ulong offset = (ulong)through_gate;

    cpu_gdt[GATE / 8] = (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)nr_parameters << 32 |
                        (uint64_t)attributes << 40 | (uint64_t)(offset >> 16) << 48;
}

static void call_gates(void)
{
    put_call_gate(KCODE, 0xec, 2);
    USER(u_gate, 0);
    check_trap("call-gate-and-back", T_NONE, 0);
    check("call-gate-eax", trap.ax, 0x99);
    check("call-gate-cs", gate_cs, KCODE);
    check("call-gate-stack", gate_esp, RING0_TOP - 24);
    check("call-gate-first-parameter", gate_first, 0x111);
    check("call-gate-last-parameter", gate_last, 0x222);
    check("call-gate-return-drops-both", trap.cx, cpu_user_sp - 8);
    put_call_gate(KCODE, 0x8c, 2);
    USER(u_gate, 0);
    check_trap("call-gate-of-ring-0", T_GP, GATE);
    put_call_gate(KCODE, 0x6c, 2);
    USER(u_gate, 0);
    check_trap("call-gate-absent", T_NP, GATE);
    put_call_gate(0, 0xec, 2);
    USER(u_gate, 0);
    check_trap("call-gate-null", T_GP, 0);
    put_call_gate(KDATA, 0xec, 2);
    USER(u_gate, 0);
    check_trap("call-gate-to-data", T_GP, KDATA);
    put_call_gate(KCODE, 0xec, 0);
    USER(u_jump_gate, 0);
    check_trap("jump-by-gate-to-ring-0", T_GP, KCODE);
}

CODE(u_conforming, "lcall $" TEXT(CONFORMING) ", $conforming_body");
ENTRY(conforming_body, "mov %cs, %eax; lret");

static void conforming(void)
{
    USER(u_conforming, 0);
    check_trap("conforming", T_NONE, 0);
    check("conforming-keeps-cpl", trap.ax, CONFORMING | 3);
}

/* --- SYSENTER */

ENTRY(sysenter_entry,
      "mov %esp, gate_esp\n"
      "mov %cs, %eax; mov %eax, gate_cs; mov %ss, %eax; mov %eax, gate_last\n"
      "pushf; pop gate_first\n"
      "mov $back_from_sysenter, %edx; sysexit");
CODE(u_sysenter, "mov %esp, %ecx; sysenter; back_from_sysenter: mov %cs, %eax; shl $16, %eax; mov %ss, %ecx; mov %cx, %ax");
CODE(u_sysexit, "sysexit");

static void sysenter(void)
{
    wrmsr(MSR_SYSENTER_CS, 0);
    USER(u_sysenter, 0);
    check_trap("sysenter-cs-0", T_GP, 0);
    USER(u_sysexit, 0);
    check_trap_at("sysexit-in-ring-3", T_GP, 0, u_sysexit);
    wrmsr(MSR_SYSENTER_CS, KCODE);
    wrmsr(MSR_SYSENTER_ESP, RING0_TOP);
    wrmsr(MSR_SYSENTER_EIP, (ulong)sysenter_entry);
    cpu_user_flags = 2 | F_IF | F_CF;
    USER(u_sysenter, 0);
    check_trap("sysenter-and-back", T_NONE, 0);
    check("sysenter-esp", gate_esp, RING0_TOP);
    check("sysenter-cs", gate_cs, KCODE);
    check("sysenter-ss", gate_last, KDATA);
    check("sysenter-if", gate_first & (F_IF | F_CF), F_CF);
    check("sysexit-cs-and-ss", trap.ax, (KCODE + 16 + 3) << 16 | (KCODE + 24 + 3));
    cpu_user_flags = 2;
    wrmsr(MSR_SYSENTER_CS, 0);
}

/* --- stacks of ring 0 that are none */

static volatile uint16_t *const tss_ss0 = (volatile uint16_t *)(cpu_tss + 8);

/* The handlers of #TS and #SS conform: they need no stack of ring 0, but stay in ring 3, and go home by SYSENTER. */
CODE(u_ud2, "ud2");
ENTRY(stranded, "pop stranded_error; pop %eax; sysenter");
ENTRY(rescued, "jmp catch_resume");
volatile ulong stranded_error;

static void bad_ring0_stack(void)
{
    cpu_gate(T_TS, CONFORMING, stranded, 14, 3, 0);
    cpu_gate(T_SS, CONFORMING, stranded, 14, 3, 0);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 0);
    cpu_user_flags = 2;
    wrmsr(MSR_SYSENTER_CS, KCODE);
    wrmsr(MSR_SYSENTER_ESP, RING0_TOP);
    wrmsr(MSR_SYSENTER_EIP, (ulong)rescued);
    *tss_ss0 = 0;
    USER(u_int, 0);
    check("ring-0-stack-null", stranded_error, 0);
    *tss_ss0 = UDATA;
    USER(u_int, 0);
    check("ring-0-stack-of-ring-3", stranded_error, UDATA & ~3);
    cpu_descriptor(ABSENT, 0, 0xfffff, 0xc013);
    *tss_ss0 = ABSENT;
    USER(u_int, 0);
    check("ring-0-stack-absent", stranded_error, ABSENT);
    *tss_ss0 = UDATA;
    USER(u_ud2, 0);
    check("ring-0-stack-for-a-fault", stranded_error, (UDATA & ~3) | 1);
    *tss_ss0 = KDATA;
    cpu_gate_default(T_TS);
    cpu_gate_default(T_SS);
    cpu_gate_default(0x80);
    wrmsr(MSR_SYSENTER_CS, 0);
}

const CpuCase cpu_cases[] = {
    { "limits", limits, NULL },
    { "rights", rights, NULL },
    { "stack-segments", stack_segments, NULL },
    { "ldt", ldt, NULL },
    { "code-segments", code_segments, "the emulator gives up on a far jump beyond the limit" },
    { "exceptions", exceptions, "the emulator has no BOUND, ICEBP and, in protected mode, INT3" },
    { "machine-status-word", machine_status_word, "the emulator has no x87 instructions" },
    { "gates", gates, NO_RING3 },
    { "bad-gates", bad_gates, NO_INT },
    { "gate-16", gate_16, NO_INT },
    { "iret-drops-segments", iret_drops_segments, NO_RING3 },
    { "bad-iret", bad_iret, NO_RING3 },
    { "call-gates", call_gates, NO_RING3 },
    { "conforming", conforming, NO_RING3 },
    { "sysenter", sysenter, NO_RING3 },
    { "bad-ring0-stack", bad_ring0_stack, NO_RING3 },
    { NULL, NULL, NULL },
};
