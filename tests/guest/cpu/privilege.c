/*
 * Privilege in long mode: instructions that ring 3 may not run, and the ways between the rings.
 * Spec: SDM vol. 3 chapters 5 and 6; vol. 2 for each instruction.
 */
#include "cpu.h"

#define NO_INT     "INT n does not run in ring 3 of this KVM"
#define NO_SYSCALL "this KVM's SYSCALL and SYSENTER do not get to ring 0"
#define NATIVE     "ring 3 of this KVM runs with the host's GDT, CR0 and CR4"

#define GATE     0x58u                          /* call gates and segments that the tests put here */
#define RING0_TOP ((ulong)cpu_ring0_stack + sizeof(cpu_ring0_stack))

static ulong flags_in_hook;
static ulong at_in_hook;
static ulong cs_in_hook;

static bool go_on(Frame *f)
{
    flags_in_hook = read_flags();
    at_in_hook = (ulong)&f->ip;
    cs_in_hook = f->cs;
    return true;
}

/* --- what ring 3 may not do */

CODE(u_hlt, "hlt");
CODE(u_cli, "cli");
CODE(u_sti, "sti");
CODE(u_in, "in $0x80, %al");
CODE(u_out, "out %al, $0x80");
CODE(u_outw, "mov $0x7f, %edx; out %ax, %dx");
CODE(u_read_cr0, "mov %cr0, %rax");
CODE(u_write_cr0, "mov %rax, %cr0");
CODE(u_read_cr2, "mov %cr2, %rax");
CODE(u_write_cr3, "mov %rax, %cr3");
CODE(u_write_cr4, "mov %rax, %cr4");
CODE(u_read_cr8, "mov %cr8, %rax");
CODE(u_write_cr8, "mov %rax, %cr8");
CODE(u_read_dr7, "mov %dr7, %rax");
CODE(u_write_dr0, "mov %rax, %dr0");
CODE(u_lgdt, "lgdt -16(%rsp)");
CODE(u_lidt, "lidt -16(%rsp)");
CODE(u_lldt, "lldt %ax");
CODE(u_ltr, "ltr %ax");
CODE(u_lmsw, "lmsw %ax");
CODE(u_clts, "clts");
CODE(u_invlpg, "invlpg (%rsp)");
CODE(u_wbinvd, "wbinvd");
CODE(u_invd, "invd");
CODE(u_wrmsr, "wrmsr");
CODE(u_rdmsr, "rdmsr");
CODE(u_swapgs, "swapgs");
CODE(u_sysret, "sysretq");
CODE(u_sysexit, "sysexitl");
CODE(u_rdpmc, "rdpmc");
CODE(u_rdtsc, "rdtsc");

static void instructions(void)
{
    static const struct {
        const char *name;
        void (*code)(void);
    } all[] = {
        { "hlt", u_hlt },       { "cli", u_cli },             { "sti", u_sti },             { "in", u_in },
        { "out", u_out },       { "read-cr0", u_read_cr0 },   { "write-cr0", u_write_cr0 }, { "read-cr2", u_read_cr2 },
        { "write-cr3", u_write_cr3 }, { "write-cr4", u_write_cr4 }, { "read-cr8", u_read_cr8 }, { "write-cr8", u_write_cr8 },
        { "read-dr7", u_read_dr7 }, { "write-dr0", u_write_dr0 }, { "lgdt", u_lgdt },       { "lidt", u_lidt },
        { "lldt", u_lldt },     { "ltr", u_ltr },             { "lmsw", u_lmsw },           { "clts", u_clts },
        { "invlpg", u_invlpg }, { "wbinvd", u_wbinvd },       { "invd", u_invd },           { "wrmsr", u_wrmsr },
        { "rdmsr", u_rdmsr },   { "swapgs", u_swapgs },       { "sysexit", u_sysexit },     { "rdpmc", u_rdpmc },
    };

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        USER(all[i].code, 0);
        check_trap_at(all[i].name, T_GP, 0, all[i].code);
    }
}

static void sysret_without_sce(void)
{
    USER(u_sysret, 0);
    check_trap_at("sysret-without-sce", T_UD, 0, u_sysret);
}

static void time_stamp_disable(void)
{
    USER(u_rdtsc, 0);
    check_trap("rdtsc", T_NONE, 0);
    write_cr4(read_cr4() | 4);
    USER(u_rdtsc, 0);
    check_trap_at("rdtsc-with-tsd", T_GP, 0, u_rdtsc);
    TRAP(rdtsc());
    check_trap("rdtsc-with-tsd-in-ring-0", T_NONE, 0);
    write_cr4(read_cr4() & ~4ul);
}

/* --- IOPL and the I/O permission bitmap */

CODE(u_flags, "pushf; pop %rax");
CODE(u_cli_flags, "cli; pushf; pop %rax");
CODE(u_popf, "push %rdi; popf; pushf; pop %rax");

static void iopl(void)
{
    cpu_user_flags = 2 | F_IOPL3;
    USER(u_in, 0);
    check_trap("iopl3-in", T_NONE, 0);
    USER(u_cli_flags, 0);
    check_trap("iopl3-cli", T_NONE, 0);
    check("iopl3-flags", trap.ax & (F_IOPL3 | F_IF), F_IOPL3);
    USER(u_popf, 2 | F_IF);
    check("iopl3-popf-changes-if-but-not-iopl", trap.ax & (F_IOPL3 | F_IF), F_IOPL3 | F_IF);
    cpu_user_flags = 2;
    USER(u_popf, 2 | F_IF | F_IOPL3 | F_DF);
    check("iopl0-popf-changes-neither", trap.ax & (F_IOPL3 | F_IF | F_DF), F_DF);
}

static void port_map(void)
{
    cpu_allow_ports(true);
    USER(u_in, 0);
    check_trap("port-allowed", T_NONE, 0);
    cpu_tss[TSS_IO_MAP + 0x10] = 1;             /* port 0x80 */
    USER(u_in, 0);
    check_trap_at("port-denied", T_GP, 0, u_in);
    USER(u_outw, 0);
    check("port-second-byte-denied", trap.vector, T_GP);
    cpu_tss[TSS_IO_MAP + 0x10] = 0;
    cpu_tss[TSS_IO_MAP + 0xf] = 0x7f;
    USER(u_outw, 0);
    check_trap("port-both-bytes-allowed", T_NONE, 0);
    *(volatile uint16_t *)(cpu_tss + 0x66) = sizeof(cpu_tss) - 0x11;    /* the second byte of the map is beyond the limit */
    USER(u_in, 0);
    check_trap_at("port-map-beyond-limit", T_GP, 0, u_in);
    cpu_no_port_map();
}

/* --- UMIP */

CODE(u_sgdt, "sgdt -16(%rsp)");
CODE(u_sidt, "sidt -16(%rsp)");
CODE(u_sldt, "sldt %eax");
CODE(u_str, "str %eax");
CODE(u_smsw, "smsw %eax");

static void umip_one(const char *without, const char *with, void (*code)(void))
{
    USER(code, 0);
    check_trap(without, T_NONE, 0);
    write_cr4(read_cr4() | CR4_UMIP);
    USER(code, 0);
    check_trap_at(with, T_GP, 0, code);
    TRAP(code());
    check_trap(with, T_NONE, 0);
    write_cr4(read_cr4() & ~(ulong)CR4_UMIP);
}

static void umip(void)
{
    if (!(cpuid(7, 2) & 4)) {
        skip("umip", "CPUID has no UMIP");
        return;
    }
    umip_one("sgdt", "umip-sgdt", u_sgdt);
    umip_one("sidt", "umip-sidt", u_sidt);
    umip_one("sldt", "umip-sldt", u_sldt);
    umip_one("str", "umip-str", u_str);
    umip_one("smsw", "umip-smsw", u_smsw);
}

/* --- interrupt gates */

CODE(u_int, "mov $7, %eax; int $0x80; add $1, %eax");
CODE(k_int, "int $0x80");
CODE(k_int_unaligned, "push %rbp; mov %rsp, %rbp; and $-16, %rsp; sub $8, %rsp; int $0x80; mov %rbp, %rsp; pop %rbp");

static void gates(void)
{
    cpu_user_flags = 2 | F_IF;
    cpu_hooks[0x80] = go_on;
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 0);
    USER(u_int, 0);
    check_trap("interrupt-gate-and-back", T_NONE, 0);
    check("interrupt-gate-rax", trap.ax, 8);
    check("interrupt-gate-if", flags_in_hook & F_IF, 0);
    check("interrupt-gate-cs", cs_in_hook, UCODE);
    check("interrupt-gate-stack", at_in_hook, RING0_TOP - 40);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 15, 3, 0);
    USER(u_int, 0);
    check("trap-gate-if", flags_in_hook & F_IF, F_IF);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 0, 0);
    cpu_user_flags = 2;
    USER(u_int, 0);
    check_trap("gate-of-ring-0", T_GP, 0x80 * 8 + 2);
    check("gate-of-ring-0-rip", trap.ip, (ulong)u_int + 5);
    cpu_hooks[0x80] = NULL;
}

static void bad_gates(void)
{
    cpu_gate_absent(0x80);
    TRAP(k_int());
    check_trap_at("gate-absent", T_NP, 0x80 * 8 + 2, k_int);
    cpu_gate(0x80, 0, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap_at("gate-null-selector", T_GP, 0, k_int);
    cpu_gate(0x80, KDATA, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap_at("gate-to-data", T_GP, KDATA, k_int);
    cpu_gate(0x80, KCODE32, trap_stubs[0x80], 14, 0, 0);
    TRAP(k_int());
    check_trap_at("gate-to-32-bit-code", T_GP, KCODE32, k_int);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 12, 0, 0);
    TRAP(k_int());
    check_trap_at("gate-of-wrong-type", T_GP, 0x80 * 8 + 2, k_int);
    cpu_gate_default(0x80);
    /* A fault, not INT n, meets an absent gate: the error code says so by EXT. */
    cpu_gate_absent(T_UD);
    TRAP(__asm__ volatile("ud2"));
    check_trap("gate-absent-for-a-fault", T_NP, T_UD * 8 + 3);
    cpu_gate_default(T_UD);
    cpu_gate_absent(T_BP);
    TRAP(__asm__ volatile("int3"));
    check_trap("gate-absent-for-int3", T_NP, T_BP * 8 + 2);
    cpu_gate_default(T_BP);
}

/* Interrupt stack table: its stack whatever the ring, frames aligned to 16 bytes. */
static void ist(void)
{
    static char stack[4096] __attribute__((aligned(16)));

    cpu_hooks[0x80] = go_on;
    *(volatile ulong *)(cpu_tss + 0x24) = (ulong)stack + sizeof(stack);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 1);
    TRAP(k_int());
    check("ist-in-ring-0", at_in_hook, (ulong)stack + sizeof(stack) - 40);
    USER(u_int, 0);
    check("ist-from-ring-3", at_in_hook, (ulong)stack + sizeof(stack) - 40);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 3, 0);
    TRAP(k_int_unaligned());
    check("frame-aligned", at_in_hook & 15, 8);
    cpu_hooks[0x80] = NULL;
    cpu_gate_default(0x80);
}

/* --- call gates and far transfers */

ENTRY(through_gate,
      "pushf; pop gate_flags\n"
      "mov %rsp, gate_sp\n"
      "mov %cs, %eax; mov %eax, gate_cs\n"
      "mov %ss, %eax; mov %eax, gate_ss\n"
      "mov $0x99, %eax\n"
      "lretq");
ulong gate_flags;
ulong gate_sp;
uint32_t gate_cs;
uint32_t gate_ss;

/* Far calls from ring 3, with the pointer on the stack. */
CODE(u_far_call, "push %rdi; push $0x1234; rex.w lcall *(%rsp); add $16, %rsp");
CODE(u_conforming, "rex.w lcall *(%rdi)");
ENTRY(conforming_body, "mov %cs, %eax; lretq");

static void put_call_gate(void (*code)(void), unsigned selector, unsigned attributes)
{
    ulong offset = (ulong)code;

    cpu_gdt[GATE / 8] = (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)attributes << 40 | (offset >> 16 & 0xffff) << 48;
    cpu_gdt[GATE / 8 + 1] = offset >> 32;
}

static void call_gates(void)
{
    put_call_gate(through_gate, KCODE, 0xec);
    USER(u_far_call, GATE | 3);
    check_trap("call-gate-and-back", T_NONE, 0);
    check("call-gate-rax", trap.ax, 0x99);
    check("call-gate-cs", gate_cs, KCODE);
    check("call-gate-ss", gate_ss, 0);
    check("call-gate-stack", gate_sp, RING0_TOP - 32);
    put_call_gate(through_gate, KCODE, 0x8c);
    USER(u_far_call, GATE | 3);
    check_trap("call-gate-of-ring-0", T_GP, GATE);
    put_call_gate(through_gate, KCODE, 0x6c);
    USER(u_far_call, GATE | 3);
    check_trap("call-gate-absent", T_NP, GATE);
    put_call_gate(through_gate, KCODE32, 0xec);
    USER(u_far_call, GATE | 3);
    check_trap("call-gate-to-32-bit-code", T_GP, KCODE32);
    put_call_gate(through_gate, KCODE, 0xec);
    cpu_gdt[GATE / 8 + 1] |= 1ull << 40;
    USER(u_far_call, GATE | 3);
    check_trap("call-gate-upper-type", T_GP, GATE);
    put_call_gate(through_gate, 0, 0xec);
    USER(u_far_call, GATE | 3);
    check_trap("call-gate-null", T_GP, 0);
    cpu_gdt[GATE / 8] = cpu_gdt[GATE / 8 + 1] = 0;
}

static void far_transfers(void)
{
    USER(u_far_call, KCODE | 3);
    check_trap("far-call-to-ring-0", T_GP, KCODE);
    USER(u_far_call, UDATA);
    check_trap("far-call-to-data", T_GP, UDATA & ~3);
    USER(u_far_call, 0);
    check_trap("far-call-to-null", T_GP, 0);
    USER(u_far_call, 0xfff8);
    check_trap("far-call-beyond-gdt", T_GP, 0xfff8);
    USER(u_far_call, 0x204 | 3);
    check_trap("far-call-into-no-ldt", T_GP, 0x204);
    cpu_gdt[GATE / 8] = cpu_gdt[UCODE / 8] & ~(0x80ull << 40);
    USER(u_far_call, GATE | 3);
    check_trap("far-call-absent", T_NP, GATE);
    cpu_gdt[GATE / 8] = cpu_gdt[UCODE / 8] | 0x40ull << 48;
    USER(u_far_call, GATE | 3);
    check_trap("far-call-l-and-d", T_GP, GATE);
    cpu_gdt[GATE / 8] = 0;
}

static void conforming(void)
{
    volatile struct {
        ulong offset;
        ulong selector;
    } pointer = { (ulong)conforming_body, CONFORMING };
    ulong result;

    __asm__ volatile("push %2; push %1; rex.w lcall *(%%rsp); add $16, %%rsp"
                     : "=a"(result) : "r"((ulong)conforming_body), "r"((ulong)CONFORMING) : "memory");
    check("conforming-from-ring-0", (uint16_t)result, CONFORMING);
    USER(u_conforming, &pointer);
    check_trap("conforming-from-ring-3", T_NONE, 0);
    check("conforming-keeps-cpl", (uint16_t)trap.ax, CONFORMING | 3);
}

/* --- segment registers and the table registers */

CODE(u_load_ds, "mov %edi, %ds");
CODE(u_load_ss, "mov %edi, %ss");

static void segment_loads(void)
{
    USER(u_load_ds, KDATA);
    check_trap("ds-of-ring-0", T_GP, KDATA);
    USER(u_load_ds, 0);
    check_trap("ds-null", T_NONE, 0);
    USER(u_load_ss, UDATA & ~3);
    check_trap("ss-rpl", T_GP, UDATA & ~3);
    USER(u_load_ss, 0);
    check_trap("ss-null", T_GP, 0);
    USER(u_load_ss, UCODE);
    check_trap("ss-code", T_GP, UCODE & ~3);
    USER(u_load_ds, 0xfffb);
    check_trap("ds-beyond-gdt", T_GP, 0xfff8);
    cpu_descriptor(GATE, 0, 0xfffff, 0xc073);
    USER(u_load_ds, GATE | 3);
    check_trap("ds-absent", T_NP, GATE);
    USER(u_load_ss, GATE | 3);
    check_trap("ss-absent", T_SS, GATE);
    cpu_descriptor(GATE, 0, 0xfffff, 0xc0f9);
    USER(u_load_ds, GATE | 3);
    check_trap("ds-execute-only", T_GP, GATE);
    cpu_descriptor(GATE, 0, 0xfffff, 0xc0f2);
    USER(u_load_ds, GATE | 3);
    check("ds-accessed-bit", cpu_gdt[GATE / 8] >> 40 & 1, 1);
    TRAP(__asm__ volatile("mov %0, %%ss" ::"r"(0)));
    check_trap("ss-null-in-ring-0", T_NONE, 0);
    cpu_gdt[GATE / 8] = 0;
}

static void table_registers(void)
{
    struct {
        uint16_t limit;
        ulong base;
    } __attribute__((packed)) wild = { 0xff, 1ul << 60 };

    TRAP(__asm__ volatile("ltr %w0" ::"r"(TSS)));
    check_trap("ltr-busy", T_GP, TSS);
    TRAP(__asm__ volatile("ltr %w0" ::"r"(0)));
    check_trap("ltr-null", T_GP, 0);
    cpu_descriptor(GATE, (ulong)cpu_tss, 0x67, 0x09);
    TRAP(__asm__ volatile("ltr %w0" ::"r"(GATE)));
    check_trap("ltr-absent", T_NP, GATE);
    TRAP(__asm__ volatile("lldt %w0" ::"r"(GATE)));
    check_trap("lldt-wrong-type", T_GP, GATE);
    cpu_descriptor(GATE, (ulong)cpu_tss, 0x67, 0x02);
    TRAP(__asm__ volatile("lldt %w0" ::"r"(GATE)));
    check_trap("lldt-absent", T_NP, GATE);
    TRAP(__asm__ volatile("lgdt %0" ::"m"(wild)));
    check_trap("lgdt-not-canonical", T_GP, 0);
    check("tss-busy-bit", cpu_gdt[TSS / 8] >> 40 & 15, 11);
    cpu_gdt[GATE / 8] = cpu_gdt[GATE / 8 + 1] = 0;
}

static ulong lar(ulong selector)
{
    ulong value = 0;
    bool ok;

    __asm__ volatile("lar %2, %0; setz %1" : "+r"(value), "=q"(ok) : "r"(selector) : "cc");
    return ok ? value : 1;
}

static ulong lsl(ulong selector)
{
    ulong value = 0;
    bool ok;

    __asm__ volatile("lsl %2, %0; setz %1" : "+r"(value), "=q"(ok) : "r"(selector) : "cc");
    return ok ? value : 1;
}

static bool verw(ulong selector)
{
    bool ok;

    __asm__ volatile("verw %w1; setz %0" : "=q"(ok) : "r"(selector) : "cc");
    return ok;
}

static void questions(void)
{
    check("lar-code", lar(KCODE) & 0xf0ff00, 0xa09b00);
    check("lar-rpl", lar(KDATA | 3), 1);
    check("lar-tss", lar(TSS) & 0xff00, 0x8b00);
    check("lar-null", lar(0), 1);
    check("lsl-data", lsl(KDATA), 0xffffffff);
    check("lsl-tss", lsl(TSS), sizeof(cpu_tss) - 1);
    check("lsl-beyond", lsl(0xfff8), 1);
    check("verw-data", verw(KDATA), 1);
    check("verw-code", verw(KCODE), 0);
}

/* --- SYSCALL, SYSENTER */

ENTRY(syscall_entry,
      "mov %rcx, entry_rcx; mov %r11, entry_r11\n"
      "mov %rsp, entry_rsp; mov $cpu_ring0_stack + 8192, %rsp\n"
      "pushf; pop entry_flags\n"
      "mov %cs, %eax; mov %eax, entry_cs; mov %ss, %eax; mov %eax, entry_ss\n"
      "mov entry_rsp, %rsp; mov $0x77, %eax\n"
      "cmpl $0, entry_to_32; jne 1f; sysretq; 1: sysretl");
ulong entry_rcx;
ulong entry_r11;
ulong entry_rsp;
ulong entry_flags;
uint32_t entry_cs;
uint32_t entry_ss;
volatile uint32_t entry_to_32;

CODE(u_syscall, "mov %rcx, %rdx; syscall; after_syscall: mov %ss, %ecx; shl $16, %ecx; add %ecx, %eax");
CODE(u_syscall_32, "syscall; .code32; nop; mov %cs, %eax; ud2; .code64");
extern char after_syscall[];
CODE(k_sysret_not_canonical, "mov $1, %rcx; shl $63, %rcx; sysretq");

static void syscall(void)
{
    USER(u_syscall, 0);
    check("syscall-without-sce", trap.vector, T_UD);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)UCODE32 << 48 | (uint64_t)KCODE << 32);
    wrmsr(MSR_LSTAR, (ulong)syscall_entry);
    wrmsr(MSR_FMASK, F_IF | F_DF | F_CF);
    cpu_user_flags = 2 | F_IF | F_CF;
    USER(u_syscall, 0);
    check_trap("syscall-and-back", T_NONE, 0);
    check("syscall-rcx", entry_rcx, (ulong)after_syscall);
    check("syscall-r11", entry_r11, 2 | F_IF | F_CF);
    check("syscall-flags", entry_flags, 2);
    check("syscall-cs", entry_cs, KCODE);
    check("syscall-ss", entry_ss, KDATA);
    check("syscall-rsp-untouched", entry_rsp, cpu_user_sp - 8);
    check("sysret-ss-and-rax", trap.ax, UDATA << 16 | 0x77);
    entry_to_32 = 1;
    USER(u_syscall_32, 0);
    check("sysret-32-cs", trap.ax, UCODE32);
    check("sysret-32-cs-in-frame", trap.cs, UCODE32);
    entry_to_32 = 0;
    TRAP(k_sysret_not_canonical());
    check("sysret-not-canonical", trap.vector, T_GP);
    if (!cpu_is_kvm_on_amd("sysret-not-canonical-is-of-ring-0")) {
        check("sysret-not-canonical-is-of-ring-0", trap.cs, KCODE);
    }
    cpu_user_flags = 2;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE);
}

ENTRY(sysenter_entry,
      "mov %rsp, entry_rsp\n"
      "pushf; pop entry_flags\n"
      "mov %cs, %eax; mov %eax, entry_cs; mov %ss, %eax; mov %eax, entry_ss\n"
      "mov %rdi, %rdx; mov %rsi, %rcx\n"
      "cmpl $0, entry_to_32; jne 1f; rex.w sysexit; 1: sysexitl");
CODE(u_sysenter, "lea 1f(%rip), %rdi; mov %rsp, %rsi; sysenter; 1: mov %cs, %eax; shl $16, %eax; mov %ss, %ecx; or %ecx, %eax");
CODE(u_sysenter_32, "lea 1f(%rip), %rdi; mov %rsp, %rsi; sysenter; .code32; 1: mov %cs, %eax; ud2; .code64");

CODE(u_compatible_syscall, ".code32; syscall; nop; ud2; .code64");
ENTRY(compatible_entry, "mov %ecx, entry_rcx; mov $0x78, %eax; mov %ecx, %ecx; sysretl");

/* AMD's processors take SYSCALL of compatibility mode to CSTAR, Intel's have none; our engine says that it is AMD's. */
static void compatible_syscall(void)
{
    bool is_amd = cpuid(0, 2) == 0x444d4163;

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)UCODE32 << 48 | (uint64_t)KCODE << 32);
    wrmsr(MSR_CSTAR, (ulong)compatible_entry);
    cpu_user_cs = UCODE32;
    USER(u_compatible_syscall, 0);
    check("compatible-syscall-eip", trap.ip, (ulong)u_compatible_syscall + (is_amd ? 3 : 0));
    if (is_amd) {
        check("compatible-syscall-ecx", (uint32_t)entry_rcx, (ulong)u_compatible_syscall + 2);
        check("compatible-syscall-back", trap.cs, UCODE32);
    }
    cpu_user_cs = UCODE;
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_SCE);
}

static void sysenter(void)
{
    if (cpu_is_kvm_on_amd("sysenter")) {
        return;
    }
    wrmsr(MSR_SYSENTER_CS, 0);
    USER(u_sysenter, 0);
    check_trap("sysenter-cs-0", T_GP, 0);
    TRAP(__asm__ volatile("sysexitl"));
    check_trap("sysexit-cs-0", T_GP, 0);
    wrmsr(MSR_SYSENTER_CS, KCODE);
    wrmsr(MSR_SYSENTER_ESP, RING0_TOP);
    wrmsr(MSR_SYSENTER_EIP, (ulong)sysenter_entry);
    cpu_user_flags = 2 | F_IF | F_CF;
    USER(u_sysenter, 0);
    check_trap("sysenter-and-back", T_NONE, 0);
    check("sysenter-rsp", entry_rsp, RING0_TOP);
    check("sysenter-if", entry_flags & (F_IF | F_CF), F_CF);
    check("sysenter-cs", entry_cs, KCODE);
    check("sysenter-ss", entry_ss, KDATA);
    check("sysexit-cs-and-ss", trap.ax, (KCODE + 32 + 3) << 16 | (KCODE + 40 + 3));
    entry_to_32 = 1;
    USER(u_sysenter_32, 0);
    check("sysexit-32-cs", trap.ax, KCODE + 16 + 3);
    entry_to_32 = 0;
    cpu_user_flags = 2;
    wrmsr(MSR_SYSENTER_CS, 0);
}

/* --- IRET */

static void iret_to(ulong ip, ulong cs, ulong flags, ulong sp, ulong ss)
{
    __asm__ volatile("push %4; push %3; push %2; push %1; push %0; iretq" ::"r"(ip), "r"(cs), "r"(flags), "r"(sp), "r"(ss));
}

CODE(u_compatible, ".byte 0x48, 0xb8, 5, 0, 0, 0, 0x0f, 0x0b, 0, 0");     /* dec %eax; mov $5, %eax; ud2: or one movabs */
CODE(u_hlt_32, "hlt");

static void iret(void)
{
    TRAP(iret_to(1ul << 60, UCODE, 2, cpu_user_sp, UDATA));
    check("iret-not-canonical", trap.vector, T_GP);
    TRAP(iret_to((ulong)u_flags, UCODE, 2, cpu_user_sp, 0));
    check_trap("iret-null-ss-for-ring-3", T_GP, 0);
    TRAP(iret_to((ulong)u_flags, 0, 2, cpu_user_sp, UDATA));
    check_trap("iret-null-cs", T_GP, 0);
    TRAP(iret_to((ulong)u_flags, UCODE, 2, cpu_user_sp, KDATA));
    check_trap("iret-ss-of-ring-0", T_GP, KDATA);
    if (!cpu_is_interpreted("iret-cs-is-data", "the emulator takes a data segment for CS")) {
        TRAP(iret_to((ulong)u_flags, UDATA, 2, cpu_user_sp, UDATA));
        check_trap("iret-cs-is-data", T_GP, UDATA & ~3);
    }
    cpu_descriptor(GATE, 0, 0xfffff, 0xa07b);
    TRAP(iret_to((ulong)u_flags, GATE | 3, 2, cpu_user_sp, UDATA));
    check_trap("iret-cs-absent", T_NP, GATE);
    cpu_descriptor(GATE, 0, 0xfffff, 0xc073);
    TRAP(iret_to((ulong)u_flags, UCODE, 2, cpu_user_sp, GATE | 3));
    check_trap("iret-ss-absent", T_SS, GATE);
    TRAP(__asm__ volatile("pushf; orl %0, (%%rsp); popf; iretq" ::"i"(F_NT)));
    check_trap("iret-nt", T_GP, 0);
    cpu_gdt[GATE / 8] = 0;
}

static void compatibility_mode(void)
{
    cpu_user_cs = UCODE32;
    USER(u_compatible, 0);
    check("compatible-eax", trap.ax, 5);
    check_trap("compatible-ud", T_UD, 0);
    check("compatible-cs", trap.cs, UCODE32);
    USER(u_hlt_32, 0);
    check_trap_at("compatible-hlt", T_GP, 0, u_hlt_32);
    cpu_user_cs = UCODE;
}

/* --- far returns */

static void far_return_to(ulong ip, ulong cs, ulong sp, ulong ss)
{
    __asm__ volatile("push %3; push %2; push %1; push %0; lretq" ::"r"(ip), "r"(cs), "r"(sp), "r"(ss));
}

CODE(u_where, "mov %cs, %eax; shl $16, %eax; mov %ss, %ecx; mov %cx, %ax; ud2");

static void far_returns(void)
{
    TRAP(far_return_to((ulong)u_where, UCODE, cpu_user_sp, UDATA));
    check_trap("far-return-outward", T_UD, 0);
    check("far-return-cs-and-ss", trap.ax, UCODE << 16 | UDATA);
    check("far-return-rsp", trap.sp, cpu_user_sp);
    TRAP(far_return_to((ulong)u_where, UCODE, cpu_user_sp, 0));
    check_trap("far-return-null-ss", T_GP, 0);
    TRAP(far_return_to((ulong)u_where, UCODE, cpu_user_sp, KDATA));
    check_trap("far-return-ss-of-ring-0", T_GP, KDATA);
    TRAP(far_return_to(1ul << 60, UCODE, cpu_user_sp, UDATA));
    check("far-return-not-canonical", trap.vector, T_GP);
    TRAP(far_return_to((ulong)u_where, 0, cpu_user_sp, UDATA));
    check_trap("far-return-null-cs", T_GP, 0);
}

const CpuCase cpu_cases[] = {
    { "instructions", instructions, NULL },
    { "sysret-without-sce", sysret_without_sce, NATIVE },
    { "time-stamp-disable", time_stamp_disable, NATIVE },
    { "iopl", iopl, "IOPL is lost on the way to ring 3 of this KVM" },
    { "port-map", port_map, NULL },
    { "umip", umip, NATIVE },
    { "gates", gates, NO_INT },
    { "bad-gates", bad_gates, "the emulator has no INT n" },
    { "ist", ist, "the emulator has no INT n" },
    { "call-gates", call_gates, NATIVE },
    { "far-transfers", far_transfers, NATIVE },
    { "conforming", conforming, NATIVE },
    { "segment-loads", segment_loads, NATIVE },
    { "table-registers", table_registers, NULL },
    { "questions", questions, "the emulator has no LAR, LSL and VERW" },
    { "syscall", syscall, NO_SYSCALL },
    { "compatible-syscall", compatible_syscall, NO_SYSCALL },
    { "sysenter", sysenter, NO_SYSCALL },
    { "iret", iret, NULL },
    { "compatibility-mode", compatibility_mode, NULL },
    { "far-returns", far_returns, "the emulator has no far return to ring 3" },
    { NULL, NULL, NULL },
};
