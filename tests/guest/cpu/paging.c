/*
 * Paging in 64-bit mode: page faults, their error codes and CR2; access rights; accessed and dirty bits; control
 * registers. Spec: SDM vol. 3 chapter 4, §2.5.
 */
#include "pages.h"

CODE(user_read, "movzbl (%rdi), %eax");
CODE(user_write, "movb $1, (%rdi)");
CODE(user_jump, "jmp *%rdi");
CODE(user_push, "push %rax; pop %rax");
CODE(rep_stos, "mov $32, %ecx; mov $7, %al; rep stosb");
CODE(read_modify_write, "addq $1, (%rdi)");
CODE(locked, "lock incq (%rdi)");
CODE(compare_exchange, "mov $1, %eax; xor %edx, %edx; cmpxchg %rdx, (%rdi)");
CODE(bit_test, "btq $0, (%rdi)");

static void write64(ulong at, uint64_t value)
{
    *(volatile uint64_t *)at = value;
}

/* --- faults and rights */

static void not_present(void)
{
    map(0, 0);
    TRAP(read8(PAGE(0) + 5));
    check_fault("absent-read", 0, PAGE(0) + 5);
    TRAP(write8(PAGE(0) + 6, 1));
    check_fault("absent-write", PF_W, PAGE(0) + 6);
    USER(user_read, PAGE(0) + 7);
    check_fault("absent-user-read", PF_U, PAGE(0) + 7);
    USER(user_write, PAGE(0) + 8);
    check_fault("absent-user-write", PF_U | PF_W, PAGE(0) + 8);
    map(0, P | W | U);
    pd[0] &= ~P;
    flush();
    TRAP(read8(PAGE(0)));
    check_fault("absent-table-read", 0, PAGE(0));
    pd[0] |= P;
    pdpt[0] &= ~P;
    flush();
    TRAP(write8(PAGE(0), 1));
    check_fault("absent-directory-write", PF_W, PAGE(0));
    cpu_pml4[1] &= ~P;
    flush();
    USER(user_read, PAGE(0));
    check_fault("absent-pdpt-user-read", PF_U, PAGE(0));
}

static void write_protection(void)
{
    map(0, P | U);
    ram[0][1] = 0;
    with_cr0(CR0_WP, false);
    TRAP(write8(PAGE(0) + 1, 0x11));
    check_trap("wp-off-write", T_NONE, 0);
    check("wp-off-written", ram[0][1], 0x11);
    USER(user_write, PAGE(0) + 1);
    check_fault("wp-off-user-write", PF_P | PF_U | PF_W, PAGE(0) + 1);
    with_cr0(CR0_WP, true);
    TRAP(write8(PAGE(0) + 1, 0x22));
    check_fault("wp-on-write", PF_P | PF_W, PAGE(0) + 1);
    check("wp-on-not-written", ram[0][1], 0x11);
    TRAP(read8(PAGE(0) + 1));
    check_trap("wp-on-read", T_NONE, 0);
    USER(user_read, PAGE(0) + 1);
    check_trap("read-only-user-read", T_NONE, 0);
    check("read-only-user-value", trap.ax, 0x11);
    map(0, P | W | U);
    pd[0] &= ~W;
    flush();
    TRAP(write8(PAGE(0), 1));
    check_fault("wp-on-write-by-directory", PF_P | PF_W, PAGE(0));
    with_cr0(CR0_WP, false);
}

static void supervisor_pages(void)
{
    map(0, P | W);
    USER(user_read, PAGE(0));
    check_fault("supervisor-user-read", PF_P | PF_U, PAGE(0));
    USER(user_write, PAGE(0));
    check_fault("supervisor-user-write", PF_P | PF_U | PF_W, PAGE(0));
    USER(user_jump, PAGE(0));
    check_fault("supervisor-user-fetch", PF_P | PF_U, PAGE(0));
    map(0, P | W | U);
    pdpt[0] &= ~U;
    flush();
    USER(user_read, PAGE(0));
    check_fault("supervisor-user-read-by-pdpt", PF_P | PF_U, PAGE(0));
}

static void read_modify(void)
{
    map(0, 0);
    TRAP(call_with(read_modify_write, PAGE(0)));
    check_fault("absent-add", PF_W, PAGE(0));
    TRAP(call_with(locked, PAGE(0)));
    check_fault("absent-locked", PF_W, PAGE(0));
    TRAP(call_with(compare_exchange, PAGE(0)));
    check_fault("absent-cmpxchg", PF_W, PAGE(0));
    TRAP(call_with(bit_test, PAGE(0)));
    check_fault("absent-bt", 0, PAGE(0));
    map(0, P);
    with_cr0(CR0_WP, true);
    TRAP(call_with(locked, PAGE(0)));
    check_fault("read-only-locked", PF_P | PF_W, PAGE(0));
    /* CMPXCHG writes always, the old value where the comparison fails. */
    write_cr0(read_cr0() & ~(ulong)CR0_WP);
    *(uint64_t *)ram[0] = 5;
    write_cr0(read_cr0() | CR0_WP);
    TRAP(call_with(compare_exchange, PAGE(0)));
    check_fault("read-only-cmpxchg-unequal", PF_P | PF_W, PAGE(0));
    with_cr0(CR0_WP, false);
}

static void across_pages(void)
{
    ulong edge = PAGE(1) - 4;

    map(1, 0);
    map(0, P | W | U);
    write64(PAGE(0) + 4088, 0);
    TRAP(write64(edge, ~0ull));
    check_fault("across-second-absent", PF_W, PAGE(1));
    if (!cpu_is_interpreted("across-nothing-written", "the emulator writes the first page before it looks at the second")) {
        check("across-nothing-written", *(uint64_t *)(ram[0] + 4088), 0);
    }
    map(1, P | W);
    USER(user_read, PAGE(1));
    USER(rep_stos, PAGE(1) - 5);
    check_fault("across-rep-stos", PF_P | PF_U | PF_W, PAGE(1));
    check("across-rep-stos-rcx", trap.cx, 27);
    check("across-rep-stos-rdi", trap.di, PAGE(1));
    check("across-rep-stos-written", *(uint32_t *)(ram[0] + 4092), 0x07070707);
    map(1, P);
    with_cr0(CR0_WP, true);
    TRAP(write64(edge, ~0ull));
    check_fault("across-second-read-only", PF_P | PF_W, PAGE(1));
    with_cr0(CR0_WP, false);
    TRAP(write64(edge, 0x1122334455667788));
    check_trap("across-written", T_NONE, 0);
    check("across-first-half", *(uint32_t *)(ram[0] + 4092), 0x55667788);
    check("across-second-half", *(uint32_t *)ram[1], 0x11223344);
    map(0, 0);
    TRAP(write64(edge, 0));
    check_fault("across-first-absent", PF_W, edge);
    map(1, 0);
    TRAP(write64(edge, 0));
    check_fault("across-both-absent", PF_W, edge);
}

static void stack_page(void)
{
    ulong was = cpu_user_sp;

    map(0, P | W | U);
    map(1, P | W | U);
    map(0, 0);
    cpu_user_sp = PAGE(1) + 8;
    USER(user_push, 0);
    check_fault("absent-user-push", PF_U | PF_W, PAGE(1) - 8);
    check("absent-user-push-rsp", trap.sp, PAGE(1));
    cpu_user_sp = was;
}

static void fetches(void)
{
    map(0, P | W | U);
    map(1, P | W | U);
    ram[0][0] = (char)0xc3;                             /* ret */
    ram[0][4094] = (char)0xb8;                          /* mov $0x01020304, %eax, three bytes on the next page */
    ram[0][4095] = 4;
    ram[1][0] = 3;
    ram[1][1] = 2;
    ram[1][2] = 1;
    ram[1][3] = (char)0xc3;
    TRAP(call_with((void (*)(void))PAGE(0), 0));
    check_trap("fetch", T_NONE, 0);
    USER(PAGE(0) + 4094, 0);
    check_trap("fetch-across", T_NONE, 0);
    check("fetch-across-value", trap.ax, 0x01020304);
    map(1, 0);
    USER(PAGE(0) + 4094, 0);
    check_fault("fetch-across-second-absent", PF_U, PAGE(1));
    check("fetch-across-second-absent-rip", trap.ip, PAGE(0) + 4094);
    TRAP(call_with((void (*)(void))PAGE(1), 0));
    check_fault("fetch-absent", 0, PAGE(1));
}

static void no_execute(void)
{
    map(0, P | W | U | NX);
    map(1, 0);
    TRAP(read8(PAGE(0)));
    check_fault("nx-bit-reserved", PF_P | PF_RSVD, PAGE(0));
    with_nxe(true);
    ram[0][0] = (char)0xc3;
    TRAP(read8(PAGE(0)));
    check_trap("nx-read", T_NONE, 0);
    TRAP(call_with((void (*)(void))PAGE(0), 0));
    check_fault("nx-fetch", PF_P | PF_I, PAGE(0));
    USER(PAGE(0), 0);
    check_fault("nx-user-fetch", PF_P | PF_U | PF_I, PAGE(0));
    TRAP(call_with((void (*)(void))PAGE(1), 0));
    check_fault("nxe-fetch-absent", PF_I, PAGE(1));
    map(0, P | W | U);
    TRAP(call_with((void (*)(void))PAGE(0), 0));
    check_trap("nxe-fetch", T_NONE, 0);
    pd[0] |= NX;
    flush();
    USER(PAGE(0), 0);
    check_fault("nx-user-fetch-by-directory", PF_P | PF_U | PF_I, PAGE(0));
    with_nxe(false);
}

static void reserved_bits(void)
{
    unsigned bits = cpuid(0x80000008, 0) & 0xff;

    map(0, P | W | U);
    if (bits < 52) {
        pt[0] |= 1ull << 51;
        flush();
        TRAP(read8(PAGE(0)));
        check_fault("reserved-address-bit", PF_P | PF_RSVD, PAGE(0));
        USER(user_write, PAGE(0));
        check_fault("reserved-address-bit-user-write", PF_P | PF_RSVD | PF_U | PF_W, PAGE(0));
        pt[0] &= ~P;
        flush();
        TRAP(read8(PAGE(0)));
        check_fault("reserved-but-absent", 0, PAGE(0));
    } else {
        skip("reserved-address-bit", "physical addresses have 52 bits");
    }
    map(0, P | W | U);
    cpu_pml4[1] |= PS;
    flush();
    TRAP(write8(PAGE(0), 1));
    check_fault("reserved-ps-in-pml4", PF_P | PF_RSVD | PF_W, PAGE(0));
    map(0, P | W | U);
    pd[0] = 0x200000 | 1 << 13 | P | W | U | PS;
    flush();
    TRAP(read8(PAGE(0)));
    check_fault("reserved-bit-of-2m-page", PF_P | PF_RSVD, PAGE(0));
}

/* --- SMEP, SMAP */

static void smep(void)
{
    if (!(cpuid(7, 1) & 1 << 7)) {
        skip("smep", "CPUID has no SMEP");
        return;
    }
    map(0, P | W | U);
    map(1, 0);
    ram[0][0] = (char)0xc3;
    protect_kernel(true);
    with_cr4(CR4_SMEP, true);
    TRAP(call_with((void (*)(void))PAGE(0), 0));
    check_fault("smep-fetch", PF_P | PF_I, PAGE(0));
    TRAP(read8(PAGE(0)));
    check_trap("smep-read", T_NONE, 0);
    TRAP(call_with((void (*)(void))PAGE(1), 0));
    check_fault("smep-fetch-absent", PF_I, PAGE(1));
    map(0, P | W);
    TRAP(call_with((void (*)(void))PAGE(0), 0));
    check_trap("smep-supervisor-fetch", T_NONE, 0);
    with_cr4(CR4_SMEP, false);
    protect_kernel(false);
}

/* A segment register loaded from an LDT in a user page: an implicit access, which RFLAGS.AC does not allow. */
static void load_from_user_ldt(void)
{
    cpu_descriptor(FREE, PAGE(0), 0xff, 0x82);
    __asm__ volatile("lldt %w0" ::"r"(FREE));
    __asm__ volatile("stac; mov %0, %%fs" ::"r"(0x0c));
}

static void smap(void)
{
    if (!(cpuid(7, 1) & 1 << 20)) {
        skip("smap", "CPUID has no SMAP");
        return;
    }
    map(0, P | W | U);
    map(1, P | W);
    protect_kernel(true);
    with_cr4(CR4_SMAP, true);
    TRAP(read8(PAGE(0)));
    check_fault("smap-read", PF_P, PAGE(0));
    TRAP(write8(PAGE(0), 1));
    check_fault("smap-write", PF_P | PF_W, PAGE(0));
    TRAP(read8(PAGE(1)));
    check_trap("smap-supervisor-read", T_NONE, 0);
    TRAP(__asm__ volatile("stac; movb $0x33, (%0); clac" ::"r"(PAGE(0)) : "memory"));
    check_trap("smap-stac-write", T_NONE, 0);
    check("smap-stac-written", ram[0][0], 0x33);
    TRAP(__asm__ volatile("stac; movb $0x33, (%0); clac; movb $0x44, (%0)" ::"r"(PAGE(0)) : "memory"));
    check_fault("smap-clac-write", PF_P | PF_W, PAGE(0));
    check("smap-ac-in-frame", trap.flags & F_AC, 0);
    TRAP(load_from_user_ldt());
    check_fault("smap-implicit-read", PF_P, PAGE(0) + 8);
    check("smap-implicit-ac", trap.flags & F_AC, F_AC);
    __asm__ volatile("lldt %w0" ::"r"(0));
    with_cr4(CR4_SMAP, false);
    protect_kernel(false);
    TRAP(__asm__ volatile("stac; clac"));
    check_trap("stac-without-smap", T_NONE, 0);
}

/* --- sizes */

static void large_pages(void)
{
    ulong target = (ulong)ram[2];

    map(0, P | W | U);
    pd[1] = 0x200000 * (target >> 21) | P | W | U | PS;
    flush();
    ram[2][9] = 0x5a;
    TRAP(check("2m-read", read8(BASE + 0x200000 + (target & 0x1fffff) + 9), 0x5a));
    check("2m-accessed-not-dirty", pd[1] & (A | D), A);
    TRAP(write8(BASE + 0x200000 + (target & 0x1fffff) + 9, 0x6b));
    check_trap("2m-write", T_NONE, 0);
    check("2m-written", ram[2][9], 0x6b);
    check("2m-dirty", pd[1] & (A | D), A | D);
    pd[1] &= ~W;
    invlpg(BASE + 0x200000);
    USER(user_write, BASE + 0x2ff000);
    check_fault("2m-user-write", PF_P | PF_U | PF_W, BASE + 0x2ff000);
}

static void huge_pages(void)
{
    ulong at = BASE + (1ul << 30);

    if (!(cpuid(0x80000001, 3) & 1 << 26)) {
        skip("1g", "CPUID has no 1 GiB pages");
        return;
    }
    map(0, P | W | U);
    pdpt[1] = P | W | U | PS;
    flush();
    ram[2][9] = 0x5b;
    TRAP(check("1g-read", read8(at + (ulong)ram[2] + 9), 0x5b));
    check("1g-accessed-not-dirty", pdpt[1] & (A | D), A);
    TRAP(write8(at + (ulong)ram[2] + 9, 0x6c));
    check("1g-written", ram[2][9], 0x6c);
    check("1g-dirty", pdpt[1] & (A | D), A | D);
    pdpt[1] |= 1 << 13;
    flush();
    TRAP(read8(at));
    check_fault("1g-reserved", PF_P | PF_RSVD, at);
    pdpt[1] = 0;
    flush();
}

static void accessed_and_dirty(void)
{
    map(0, P | W);
    TRAP(read8(PAGE(0)));
    check("read-accessed", pt[0] & (A | D), A);
    check("read-accessed-above", pd[0] & pdpt[0] & cpu_pml4[1] & A, A);
    TRAP(write8(PAGE(0), 1));
    check("write-after-read-dirty", pt[0] & (A | D), A | D);
    check("no-dirty-above", (pd[0] | pdpt[0] | cpu_pml4[1]) & D, 0);
    pt[0] &= ~(A | D);
    invlpg(PAGE(0));
    TRAP(write8(PAGE(0), 1));
    check("write-dirty-again", pt[0] & (A | D), A | D);
    map(0, P | W);
    ram[0][0] = (char)0xc3;
    TRAP(call_with((void (*)(void))PAGE(0), 0));
    check("fetch-accessed", pt[0] & (A | D), A);
    map(0, P);
    with_cr0(CR0_WP, true);
    TRAP(write8(PAGE(0), 1));
    check("refused-write-not-dirty", pt[0] & D, 0);
    with_cr0(CR0_WP, false);
    map(0, P | W);
    TRAP(call_with(locked, PAGE(0)));
    check("locked-dirty", pt[0] & (A | D), A | D);
}

/* --- addresses and control registers */

CODE(not_canonical_stack, "push %rbp; mov %rdi, %rbp; mov 16(%rbp), %eax; pop %rbp");
CODE(not_canonical_read, "mov (%rdi), %eax");
CODE(not_canonical_jump, "jmp *%rdi");
CODE(not_canonical_ret, "push %rdi");

static void canonical(void)
{
    ulong bad = 1ul << 47;

    USER(not_canonical_read, bad);
    check_trap_at("not-canonical-read", T_GP, 0, not_canonical_read);
    USER(not_canonical_stack, bad);
    check_trap("not-canonical-stack", T_SS, 0);
    USER(not_canonical_jump, bad);
    if (!cpu_is_kvm_on_amd("not-canonical-jump")) {
        check_trap_at("not-canonical-jump", T_GP, 0, not_canonical_jump);
    }
    USER(not_canonical_ret, bad);
    check_trap("not-canonical-ret", T_GP, 0);
}

static void upper_half(void)
{
    USER(not_canonical_read, ~0ul << 47);
    check_fault("canonical-high", PF_U, ~0ul << 47);
}

/* --- the processor's own accesses: never as ring 3, whoever runs */

static void use_tables(void volatile *gdt, void volatile *idt)
{
    struct {
        uint16_t limit;
        ulong base;
    } __attribute__((packed)) gdtr = { GDT_SIZE - 1, (ulong)gdt }, idtr = { 4095, (ulong)idt };

    __asm__ volatile("lgdt %0; lidt %1" ::"m"(gdtr), "m"(idtr));
}

CODE(load_es, "mov %edi, %es");

/* The GDT in page 0, the IDT in page 1, both of ring 0 alone. */
static void system_tables(void)
{
    for (unsigned i = 0; i < GDT_SIZE / 8; i++) {
        ((volatile uint64_t *)ram[0])[i] = cpu_gdt[i];
    }
    for (unsigned i = 0; i < 512; i++) {
        ((volatile uint64_t *)ram[1])[i] = cpu_idt[i];
    }
    ((volatile uint64_t *)ram[0])[FREE / 8] = cpu_gdt[UDATA / 8] & ~(1ull << 40);   /* not accessed */
    map(0, P | W);
    map(1, P);
    use_tables((void *)PAGE(0), (void *)PAGE(1));
    USER(load_es, UDATA);
    check_trap("gdt-of-ring-0-used-by-ring-3", T_NONE, 0);
    check("gdt-read-not-dirty", pt[0] & (A | D), A);
    with_cr0(CR0_WP, true);
    pt[0] &= ~W;
    flush();
    USER(load_es, FREE | 3);
    check_fault("accessed-bit-in-read-only-gdt", PF_P | PF_W, PAGE(0) + FREE + 5);
    with_cr0(CR0_WP, false);
    map(0, P | W);
    USER(load_es, FREE | 3);
    check_trap("accessed-bit-in-gdt", T_NONE, 0);
    check("accessed-bit-dirties-gdt", pt[0] & (A | D), A | D);
    check("idt-read-not-dirty", pt[1] & (A | D), A);
    use_tables(cpu_gdt, cpu_idt);
}

/* The first @size bytes of a table lie at the end of page 0, the rest in page 1, which is not there. */
static char *split_table(volatile uint64_t *table, unsigned size)
{
    for (unsigned i = 0; i < size / 8; i++) {
        ((volatile uint64_t *)ram[0])[512 - size / 8 + i] = table[i];
    }
    map(0, P | W);
    map(1, 0);
    return (char *)PAGE(1) - size;
}

static void absent_descriptor(void)
{
    use_tables(split_table(cpu_gdt, FREE), cpu_idt);
    USER(load_es, FREE + 3);
    check_fault("descriptor-in-absent-page", 0, PAGE(1));
    use_tables(cpu_gdt, cpu_idt);
}

static void absent_gate(void)
{
    use_tables(cpu_gdt, split_table(cpu_idt, 15 * 16));
    TRAP(__asm__ volatile("int $0x80"));
    check_fault("gate-in-absent-page", 0, PAGE(1) + (0x80 - 15) * 16);
    use_tables(cpu_gdt, cpu_idt);
}

static void control_registers(void)
{
    TRAP(write_cr4(read_cr4() & ~(ulong)CR4_PAE));
    check_trap("cr4-pae-off", T_GP, 0);
    TRAP(write_cr0(read_cr0() & ~1ul));
    check_trap("cr0-pg-without-pe", T_GP, 0);
    TRAP(write_cr0(read_cr0() | 1ul << 29));
    check_trap("cr0-nw-without-cd", T_GP, 0);
    TRAP(wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~0x100ull));
    check_trap("efer-lme-off", T_GP, 0);
    TRAP(wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 2));
    check_trap("efer-reserved", T_GP, 0);
    TRAP(wrmsr(MSR_LSTAR, 1ull << 60));
    check_trap("lstar-not-canonical", T_GP, 0);
    TRAP(rdmsr(0x12345678));
    check_trap("msr-unknown", T_GP, 0);
    write_cr0(read_cr0() & ~0x10ul);
    check("cr0-et", read_cr0() & 0x10, 0x10);
    if ((cpuid(0x80000008, 0) & 0xff) < 52) {
        TRAP(write_cr3((ulong)cpu_pml4 | 1ul << 51));
        check_trap("cr3-reserved", T_GP, 0);
    }
}

static void control_registers_high(void)
{
    TRAP(write_cr4(read_cr4() | 1ul << 40));
    check_trap("cr4-high", T_GP, 0);
    TRAP(write_cr0(read_cr0() | 1ul << 40));
    check_trap("cr0-high", T_GP, 0);
}

/* Bits of CR4 that CPUID announces, SDM vol. 3 §2.5: others are reserved. None of them does anything before it is used. */
static void announced_bits(void)
{
    static const struct {
        const char *name;
        uint32_t leaf;
        uint8_t reg, bit, cr4;
    } bits[] = {
        { "cr4-vme", 1, 3, 1, 0 },      { "cr4-pvi", 1, 3, 1, 1 },       { "cr4-vmxe", 1, 2, 5, 13 },  { "cr4-smxe", 1, 2, 6, 14 },
        { "cr4-fsgsbase", 7, 1, 0, 16 }, { "cr4-pcide", 1, 2, 17, 17 },  { "cr4-osxsave", 1, 2, 26, 18 },
        { "cr4-smep", 7, 1, 7, 20 },    { "cr4-smap", 7, 1, 20, 21 },    { "cr4-pke", 7, 2, 3, 22 },
        { "cr4-umip", 7, 2, 2, 11 },    { "cr4-reserved-15", 1, 3, 10, 15 }, { "cr4-reserved-26", 1, 3, 10, 26 },
    };
    ulong was = read_cr4();

    protect_kernel(true);
    for (volatile unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        bool is_announced = cpuid(bits[i].leaf, bits[i].reg) >> bits[i].bit & 1;    /* leaf 1 EDX bit 10 is reserved */

        TRAP(write_cr4(read_cr4() | 1ul << bits[i].cr4));
        check_trap(bits[i].name, is_announced ? T_NONE : T_GP, 0);
        write_cr4(was);
    }
    protect_kernel(false);
}

const CpuCase cpu_cases[] = {
    { "not-present", not_present, NULL },
    { "write-protection", write_protection, NULL },
    { "supervisor-pages", supervisor_pages, NULL },
    { "read-modify", read_modify, NULL },
    { "across-pages", across_pages, NULL },
    { "stack-page", stack_page, NULL },
    { "fetches", fetches, NULL },
    { "no-execute", no_execute, NULL },
    { "reserved-bits", reserved_bits, NULL },
    { "smep", smep, NULL },
    { "smap", smap, "the emulator has no STAC and CLAC" },
    { "large-pages", large_pages, NULL },
    { "huge-pages", huge_pages, NULL },
    { "accessed-and-dirty", accessed_and_dirty, NULL },
    { "canonical", canonical, NULL },
    { "upper-half", upper_half, "the upper half is the host's in ring 3 of this KVM" },
    { "system-tables", system_tables, "ring 3 of this KVM runs with the host's GDT" },
    { "absent-descriptor", absent_descriptor, "ring 3 of this KVM runs with the host's GDT" },
    { "absent-gate", absent_gate, "the emulator has no INT n" },
    { "control-registers", control_registers, NULL },
    { "announced-bits", announced_bits, "the CPUID of this KVM does not say what it has" },
    { "control-registers-high", control_registers_high, "the emulator drops the upper halves of CR0 and CR4" },
    { NULL, NULL, NULL },
};
