/*
 * Debug exceptions in 64-bit mode: single steps, breakpoints in DR0 to DR3, general detect.
 * Spec: SDM vol. 3 chapter 17.
 */
#include "cpu.h"

enum { B0 = 1, B1 = 2, BD = 0x2000, BS = 0x4000 };
enum { ON_FETCH = 0, ON_WRITE = 1, ON_IO = 2, ON_ACCESS = 3 };
enum { LEN_1 = 0, LEN_2 = 1, LEN_8 = 2, LEN_4 = 3 };

#define DR6_CLEAR 0xffff0ff0ul
#define GD        0x2000ul

static volatile struct {
    ulong ip, cs, dr6, flags, cx;
} seen[32];
static volatile unsigned nr_seen;
static volatile bool should_resume;     /* the handler sets RF */

static ulong read_dr6(void) { ulong v; __asm__ volatile("mov %%dr6, %0" : "=r"(v)); return v; }
static ulong read_dr7(void) { ulong v; __asm__ volatile("mov %%dr7, %0" : "=r"(v)); return v; }
static void write_dr0(ulong v) { __asm__ volatile("mov %0, %%dr0" ::"r"(v)); }
static void write_dr1(ulong v) { __asm__ volatile("mov %0, %%dr1" ::"r"(v)); }
static void write_dr6(ulong v) { __asm__ volatile("mov %0, %%dr6" ::"r"(v)); }
static void write_dr7(ulong v) { __asm__ volatile("mov %0, %%dr7" ::"r"(v)); }

static bool on_debug(Frame *f)
{
    unsigned i = nr_seen++;

    if (i < 32) {
        seen[i].ip = f->ip;
        seen[i].cs = f->cs;
        seen[i].cx = f->cx;
        seen[i].dr6 = read_dr6();
        seen[i].flags = f->flags;
    }
    write_dr6(DR6_CLEAR);
    f->flags |= should_resume ? F_RF : 0;
    return true;
}

static void begin(void)
{
    nr_seen = 0;
    should_resume = false;
    cpu_hooks[T_DB] = on_debug;
    write_dr6(DR6_CLEAR);
}

/* Breakpoint @nr at the address in its register. */
static ulong enable(unsigned nr, unsigned kind, unsigned len)
{
    return 1ul << (nr * 2) | (ulong)(kind | len << 2) << (16 + nr * 4);
}

static void check_seen(const char *name, unsigned i, void *ip, ulong dr6)
{
    trap.vector = i < nr_seen ? T_DB : T_NONE;
    trap.error = seen[i].dr6 & 0xffff & ~0xff0ul;
    trap.ip = seen[i].ip;
    check_trap_at(name, T_DB, dr6, (void (*)(void))ip);
}

#define TF_ON  "pushf; orl $0x100, (%rsp); popf\n"
#define TF_OFF "pushf; andl $~0x100, (%rsp); popf\n"
#define LABELS(...) extern char __VA_ARGS__

/* --- single step */

LABELS(step_2[], step_3[], step_4[], step_5[], step_6[]);
CODE(steps, TF_ON "nop\nstep_2: nop\nstep_3: pushf\nstep_4: andl $~0x100, (%rsp)\nstep_5: popf\nstep_6: nop; nop");

static void single_step(void)
{
    begin();
    steps();
    check("steps", nr_seen, 5);
    check_seen("step-after-first", 0, step_2, BS);
    check_seen("step-second", 1, step_3, BS);
    check_seen("step-pushf", 2, step_4, BS);
    check_seen("step-and", 3, step_5, BS);
    check_seen("step-popf-that-ends-it", 4, step_6, BS);
    check("step-flags-in-frame", seen[0].flags & (F_TF | F_RF), F_TF);
    nr_seen = 0;
    USER(steps, 0);
    check_trap("user-steps-end", T_NONE, 0);
    check("user-steps", nr_seen, 5);
    check_seen("user-step-popf-that-ends-it", 4, step_6, BS);
}

LABELS(rep_insn[], rep_next[]);
CODE(rep_steps, "lea -64(%rsp), %rdi; mov $3, %ecx; xor %eax, %eax; cld\n" TF_ON "rep_insn: rep stosb\nrep_next: nop\n" TF_OFF);

static void step_rep(void)
{
    begin();
    rep_steps();
    check_seen("step-rep-first", 0, rep_insn, BS);
    check_seen("step-rep-second", 1, rep_insn, BS);
    check_seen("step-rep-last", 2, rep_next, BS);
}

LABELS(ss_next[], ss_after[], ss_popped[], sti_next[]);
CODE(ss_steps, "mov %ss, %eax; push %rax; mov %esp, %esp\n" TF_ON
     "mov %eax, %ss\nss_next: nop\nss_after: nop\nss_popped: nop\n" TF_OFF "pop %rax");
CODE(sti_steps, TF_ON "sti\nsti_next: cli\n" TF_OFF);

static void step_shadow(void)
{
    begin();
    ss_steps();
    check_seen("step-mov-ss-holds-one-back", 0, ss_after, BS);
    check_seen("step-after-shadow", 1, ss_popped, BS);
    nr_seen = 0;
    sti_steps();
    check_seen("step-sti-holds-none", 0, sti_next, BS);
}

LABELS(int_insn[], int_next[], int_after[]);
CODE(int_steps, TF_ON "nop\nint_insn: int $0x80\nint_next: nop\nint_after: nop\n" TF_OFF);
static volatile ulong flags_in_handler;

static bool go_on(Frame *f)
{
    flags_in_handler = read_flags();
    (void)f;
    return true;
}

/* INT clears TF before it could be stepped, IRET sets it only for what follows. */
static void step_int(void)
{
    begin();
    cpu_hooks[0x80] = go_on;
    int_steps();
    check_seen("step-before-int", 0, int_insn, BS);
    check_seen("step-behind-iret", 1, int_after, BS);
    check("step-int-clears-tf", flags_in_handler & F_TF, 0);
    cpu_hooks[0x80] = NULL;
}

/* --- breakpoints */

LABELS(bp_here[], bp_loop[]);
CODE(bp_code, "mov $3, %ecx\nbp_loop: nop\nbp_here: dec %ecx; jnz bp_loop");

static void code_breakpoint(void)
{
    begin();
    should_resume = true;
    write_dr0((ulong)bp_here);
    write_dr7(enable(0, ON_FETCH, LEN_1));
    bp_code();
    write_dr7(0);
    check("code-breakpoint-each-time", nr_seen, 3);
    check_seen("code-breakpoint", 0, bp_here, B0);
    check("code-breakpoint-pushes-no-rf", seen[0].flags & F_RF, 0);
    nr_seen = 0;
    write_dr7(enable(0, ON_FETCH, LEN_1) << 1);         /* Gn instead of Ln; the condition does not move, it is all zeros */
    bp_code();
    write_dr7(0);
    check("code-breakpoint-global", nr_seen, 3);
    nr_seen = 0;
    bp_code();
    check("code-breakpoint-off", nr_seen, 0);
}

static void user_code_breakpoint(void)
{
    begin();
    should_resume = true;
    write_dr0((ulong)bp_here);
    write_dr7(enable(0, ON_FETCH, LEN_1));
    USER(bp_code, 0);
    write_dr7(0);
    check("user-code-breakpoint", nr_seen, 3);
}

static volatile uint64_t cells[4] __attribute__((aligned(64)));

LABELS(write_1_next[], write_2_next[], write_4_next[], write_8_next[], read_4_next[]);
CODE(write_1, "movb $1, (%rdi)\nwrite_1_next:");
CODE(write_2, "movw $1, (%rdi)\nwrite_2_next:");
CODE(write_4, "movl $1, (%rdi)\nwrite_4_next:");
CODE(write_8, "movq $1, (%rdi)\nwrite_8_next:");
CODE(read_4, "mov (%rdi), %eax\nread_4_next:");

static unsigned hits_of(void (*code)(void), ulong at)
{
    nr_seen = 0;
    call_with(code, at);
    return nr_seen;
}

static void watch(ulong at, unsigned kind, unsigned len)
{
    write_dr0(at);
    write_dr7(enable(0, kind, len));
}

static void data_breakpoints(void)
{
    ulong at = (ulong)cells;

    begin();
    watch(at, ON_WRITE, LEN_1);
    check("write-1", hits_of(write_1, at), 1);
    check_seen("write-1-behind", 0, write_1_next, B0);
    check("write-1-next-byte", hits_of(write_1, at + 1), 0);
    check("write-1-by-8", hits_of(write_8, at - 7), 1);
    check("write-read", hits_of(read_4, at), 0);
    watch(at + 2, ON_WRITE, LEN_2);
    check("write-2", hits_of(write_2, at + 2), 1);
    check_seen("write-2-behind", 0, write_2_next, B0);
    check("write-2-upper-byte", hits_of(write_1, at + 3), 1);
    check("write-2-below", hits_of(write_2, at), 0);
    watch(at + 4, ON_ACCESS, LEN_4);
    check("access-4-read", hits_of(read_4, at + 4), 1);
    check_seen("access-4-read-behind", 0, read_4_next, B0);
    check("access-4-write", hits_of(write_4, at + 4), 1);
    check("access-4-by-overlap", hits_of(read_4, at + 1), 1);
    check("access-4-above", hits_of(read_4, at + 8), 0);
    watch(at + 8, ON_WRITE, LEN_8);
    check("write-8", hits_of(write_8, at + 8), 1);
    check_seen("write-8-behind", 0, write_8_next, B0);
    check("write-8-last-byte", hits_of(write_1, at + 15), 1);
    check("write-8-above", hits_of(write_1, at + 16), 0);
    USER(write_8, at + 8);
    check("write-8-user", nr_seen, 1);
    write_dr7(0);
}

LABELS(ss_read_after[], movs_insn[], movs_next[]);
CODE(ss_read, "mov (%rdi), %ss\nnop\nss_read_after: nop");
CODE(movs, "lea 16(%rdi), %rsi; mov $2, %ecx; cld\nmovs_insn: rep movsq\nmovs_next:");

static void data_breakpoints_together(void)
{
    ulong at = (ulong)cells;

    begin();
    write_dr0(at);
    write_dr1(at + 2);
    write_dr7(enable(0, ON_ACCESS, LEN_1) | enable(1, ON_WRITE, LEN_1));
    check("two-by-write", hits_of(write_4, at), 1);
    check_seen("two-by-write-bits", 0, write_4_next, B0 | B1);
    check("two-by-read", hits_of(read_4, at), 1);
    check_seen("two-by-read-bits", 0, read_4_next, B0);
    cells[0] = KDATA;
    write_dr7(enable(0, ON_ACCESS, LEN_1));
    check("mov-ss-from-watched", hits_of(ss_read, at), 1);
    check_seen("mov-ss-holds-it-back", 0, ss_read_after, B0);
    watch(at, ON_WRITE, LEN_8);
    check("rep-movs", hits_of(movs, at), 1);
    check_seen("rep-movs-after-iteration", 0, movs_insn, B0);
    write_dr7(0);
}

LABELS(push_next[], call_next[]);
CODE(push_at, "mov %rsp, %rax; lea 8(%rdi), %rsp; push $1\npush_next: mov %rax, %rsp");
CODE(call_at, "mov %rsp, %rax; lea 8(%rdi), %rsp; call 1f\n1: call_next: mov %rax, %rsp");
LABELS(step_write_next[]);
CODE(step_write, "pushf; orl $0x100, (%rsp); popf; movb $1, (%rdi)\nstep_write_next: nop\n" TF_OFF);
CODE(step_fault, TF_ON "ud2");

static void data_breakpoints_of_stacks(void)
{
    static uint64_t stack[1024];            /* the handler runs on it, too */
    ulong at = (ulong)(stack + 1000);

    begin();
    watch(at, ON_WRITE, LEN_8);
    check("by-push", hits_of(push_at, at), 1);
    check_seen("by-push-behind", 0, push_next, B0);
    check("by-call", hits_of(call_at, at), 1);
    check_seen("by-call-at-target", 0, call_next, B0);
    hits_of(step_write, at);
    check_seen("step-and-data", 0, step_write_next, BS | B0);
    write_dr7(0);
}

LABELS(stos_insn[], stos_next[], outs_insn[], outs_next[]);
CODE(stos_100, "mov $100, %ecx; mov $7, %eax; cld\nstos_insn: rep stosb\nstos_next:");
CODE(outs_3, "mov $3, %ecx; mov $0x80, %edx; mov %rdi, %rsi; cld\nouts_insn: rep outsb\nouts_next:");

/* Breakpoints in the middle of a repeated instruction stop it there; RF holds one on it back until it is done. */
static void repeated(void)
{
    static uint8_t bytes[128];
    ulong at = (ulong)bytes;

    begin();
    watch(at + 50, ON_WRITE, LEN_1);
    check("stos-data", hits_of(stos_100, at), 1);
    check_seen("stos-data-stops", 0, stos_insn, B0);
    check("stos-data-rcx", seen[0].cx, 49);
    check("stos-last", bytes[99], 7);
    should_resume = true;
    watch((ulong)stos_insn, ON_FETCH, LEN_1);
    check("stos-code-once", hits_of(stos_100, at), 1);
    check("stos-code-rcx", seen[0].cx, 100);
    should_resume = false;
    watch(at + 99, ON_WRITE, LEN_1);
    check("stos-data-at-end", hits_of(stos_100, at), 1);
    check_seen("stos-data-at-end-behind", 0, stos_next, B0);
    write_dr7(0);
}

/* The trap ends HLT at once. */
LABELS(hlt_next[]);
CODE(step_hlt, TF_ON "hlt\nhlt_next: nop\n" TF_OFF);

static void step_a_hlt(void)
{
    begin();
    step_hlt();
    check_seen("step-hlt", 0, hlt_next, BS);
}

/* What MOV SS holds back comes after INT n, in ring 0, before the handler's first instruction: SDM vol. 3 §6.8.3. */
CODE(u_ss_and_int, "mov (%rdi), %ss\nint $0x80");

static void shadow_into_ring_0(void)
{
    begin();
    cpu_hooks[0x80] = go_on;
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 0);
    cells[0] = UDATA;
    watch((ulong)cells, ON_ACCESS, LEN_1);
    USER(u_ss_and_int, cells);
    write_dr7(0);
    check_trap("mov-ss-int", T_NONE, 0);
    check("mov-ss-int-once", nr_seen, 1);
    check_seen("mov-ss-int-in-handler", 0, trap_stubs[0x80], B0);
    check("mov-ss-int-cs", seen[0].cs, KCODE);
    cpu_hooks[0x80] = NULL;
    cpu_gate_default(0x80);
}

/* An instruction that faults is not stepped; its exception finds TF in the frame. */
static void step_a_fault(void)
{
    begin();
    TRAP(step_fault());
    check_trap("step-fault", T_UD, 0);
    check("step-fault-tf-in-frame", trap.flags & F_TF, F_TF);
    check("step-fault-not-stepped", nr_seen, 0);
}

/* A breakpoint of the code that cannot be fetched comes first. */
static void breakpoint_before_fault(void)
{
    ulong hole = 1ul << 45;

    begin();
    should_resume = true;
    write_dr0(hole);
    write_dr7(enable(0, ON_FETCH, LEN_1));
    TRAP(((void (*volatile)(void))hole)());
    write_dr7(0);
    check("breakpoint-before-fetch-fault", nr_seen, 1);
    check_fault("fetch-fault-after-it", 0, hole);
}

LABELS(out_next[], in_next[]);
CODE(out_80, "out %al, $0x80\nout_next:");
CODE(in_80, "in $0x80, %al\nin_next:");

static void io_breakpoint(void)
{
    if (cpu_is_kvm("io-breakpoint", "port accesses leave KVM before the breakpoint is looked at")) {
        return;
    }
    begin();
    write_cr4(read_cr4() | CR4_DE);
    write_dr0(0x80);
    write_dr7(enable(0, ON_IO, LEN_1));
    out_80();
    check_seen("io-out", 0, out_next, B0);
    nr_seen = 0;
    in_80();
    check_seen("io-in", 0, in_next, B0);
    check("io-outs", hits_of(outs_3, (ulong)cells), 3);
    check_seen("io-outs-stops", 0, outs_insn, B0);
    check_seen("io-outs-behind", 2, outs_next, B0);
    write_dr7(0);
    write_cr4(read_cr4() & ~(ulong)CR4_DE);
}

/* --- the registers themselves */

LABELS(gd_insn[]);
CODE(gd_access, "gd_insn: mov %dr3, %rax");

static bool on_general_detect(Frame *f)
{
    (void)f;
    on_debug(f);
    flags_in_handler = read_dr7();
    return true;
}

static void general_detect(void)
{
    begin();
    cpu_hooks[T_DB] = on_general_detect;
    write_dr7(GD);
    gd_access();
    check("gd-once", nr_seen, 1);
    check_seen("gd", 0, gd_insn, BD);
    check("gd-cleared-for-handler", flags_in_handler & GD, 0);
    check("gd-stays-clear", read_dr7() & GD, 0);
}

LABELS(icebp_next[]);
CODE(icebp, ".byte 0xf1\nicebp_next:");

static void icebp_trap(void)
{
    begin();
    icebp();
    check("icebp-once", nr_seen, 1);
    check_seen("icebp", 0, icebp_next, 0);
}

static void registers(void)
{
    begin();
    write_dr6(0);
    check("dr6-fixed-ones", read_dr6(), 0xffff0ff0);
    write_dr6(0xe00f);
    check("dr6-writable", read_dr6(), 0xffffeffful);
    write_dr6(DR6_CLEAR);
    write_dr7(0);
    check("dr7-fixed-ones", read_dr7(), 0x400);
    TRAP(write_dr6(1ul << 32));
    check_trap("dr6-high", T_GP, 0);
    TRAP(write_dr7(1ul << 32));
    check_trap("dr7-high", T_GP, 0);
    TRAP(__asm__ volatile("mov %%db4, %0" : "=r"(flags_in_handler)));
    check_trap("dr4-is-dr6", T_NONE, 0);
    check("dr4-value", flags_in_handler, DR6_CLEAR);
    write_cr4(read_cr4() | CR4_DE);
    TRAP(__asm__ volatile("mov %%db4, %0" : "=r"(flags_in_handler)));
    check_trap("dr4-with-de", T_UD, 0);
    write_cr4(read_cr4() & ~(ulong)CR4_DE);
}

const CpuCase cpu_cases[] = {
    { "single-step", single_step, NULL },
    { "step-rep", step_rep, "the emulator traps after the last iteration only" },
    { "step-shadow", step_shadow, "the emulator knows no shadow of MOV SS for traps" },
    { "step-int", step_int, "the emulator has no INT n" },
    { "code-breakpoint", code_breakpoint, NULL },
    { "user-code-breakpoint", user_code_breakpoint, "this KVM has no breakpoints in ring 3" },
    { "data-breakpoints", data_breakpoints, "this KVM has no data breakpoints" },
    { "data-breakpoints-together", data_breakpoints_together, "this KVM has no data breakpoints" },
    { "data-breakpoints-of-stacks", data_breakpoints_of_stacks, "this KVM has no data breakpoints" },
    { "repeated", repeated, "this KVM has no data breakpoints" },
    { "step-a-hlt", step_a_hlt, NULL },
    { "shadow-into-ring-0", shadow_into_ring_0, "this KVM has no data breakpoints" },
    { "step-a-fault", step_a_fault, NULL },
    { "breakpoint-before-fault", breakpoint_before_fault, NULL },
    { "io-breakpoint", io_breakpoint, NULL },
    { "general-detect", general_detect, NULL },
    { "icebp", icebp_trap, "the emulator has no ICEBP" },
    { "registers", registers, NULL },
    { NULL, NULL, NULL },
};
