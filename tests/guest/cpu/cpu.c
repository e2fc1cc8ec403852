/*
 * The harness of the processor tests: tables, records of exceptions, checks, and the run through the cases.
 */
#include "cpu.h"

#ifdef __x86_64__
#define LONG  0xaf00u
#define WIDE  64
#define GATE_BYTES 16
#else
#define LONG  0xcf00u
#define WIDE  32
#define GATE_BYTES 8
#endif

#define FLAT(attributes) ((uint64_t)(attributes) << 40 | 0xffffu)

volatile uint64_t cpu_gdt[GDT_SIZE / 8] = {
    [KCODE / 8] = FLAT(LONG | 0x9b),
    [KDATA / 8] = FLAT(0xcf93),
    [UCODE32 / 8] = FLAT(0xcffb),
    [UDATA / 8] = FLAT(0xcff3),
    [UCODE / 8] = FLAT(LONG | 0xfb),
    [UCODE / 8 + 1] = FLAT(0xcff3),
    [KCODE32 / 8] = FLAT(0xcf9b),
    [CONFORMING / 8] = FLAT(LONG | 0x9f),
};
volatile char cpu_tss[TSS_IO_MAP + 0x2001];
char cpu_ring0_stack[8192];
char cpu_user_stack[8192];
volatile Trap trap;
CpuHook *volatile cpu_hooks[256];
volatile int cpu_catching;
ulong cpu_user_cs = UCODE;
ulong cpu_user_flags = 2;
ulong cpu_user_sp = (ulong)cpu_user_stack + sizeof(cpu_user_stack) - 16;

extern char user_done[];
void cpu_trap(Frame *frame);
void cpu_start(void);

static char host;
static unsigned nr_ok;
static unsigned nr_failed;
static unsigned nr_skipped;

/* --- words on the console */

static void put_hex(ulong value)
{
    char digits[2 * sizeof(ulong) + 1];
    unsigned i = sizeof(digits) - 1;

    digits[i] = 0;
    do {
        digits[--i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value);
    micro_puts(digits + i);
}

static void put_count(unsigned number, const char *what)
{
    char digits[12];
    unsigned i = sizeof(digits) - 1;

    digits[i] = 0;
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    micro_puts(digits + i);
    micro_puts(what);
}

static void put_trap(ulong vector, ulong error)
{
    static const char *const names[] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS", "#NP", "#SS",
                                         "#GP", "#PF", "15", "#MF", "#AC" };

    if (vector == T_NONE) {
        micro_puts("none");
        return;
    }
    if (vector < sizeof(names) / sizeof(names[0])) {
        micro_puts(names[vector]);
    } else {
        micro_puts("vector ");
        put_hex(vector);
    }
    micro_puts("(");
    put_hex(error);
    micro_puts(")");
}

static void put_place(const char *preposition, ulong at)
{
    micro_puts(preposition);
    put_hex(at);
}

static bool passed(const char *name, bool ok)
{
    micro_puts(name);
    if (ok) {
        micro_puts(" ok\n");
        nr_ok++;
    } else {
        micro_puts(" FAIL got ");
        nr_failed++;
    }
    return ok;
}

/* --- checks */

void check(const char *name, ulong got, ulong want)
{
    if (!passed(name, got == want)) {
        put_hex(got);
        put_place(" want ", want);
        micro_puts("\n");
    }
}

void check_trap(const char *name, ulong vector, ulong error)
{
    if (!passed(name, trap.vector == vector && (vector == T_NONE || trap.error == error))) {
        put_trap(trap.vector, trap.error);
        put_place(" at ", trap.ip);
        micro_puts(" want ");
        put_trap(vector, error);
        micro_puts("\n");
    }
}

void check_trap_at(const char *name, ulong vector, ulong error, void (*code)(void))
{
    if (!passed(name, trap.vector == vector && trap.error == error && trap.ip == (ulong)code)) {
        put_trap(trap.vector, trap.error);
        put_place(" at ", trap.ip);
        micro_puts(" want ");
        put_trap(vector, error);
        put_place(" at ", (ulong)code);
        micro_puts("\n");
    }
}

void check_fault(const char *name, ulong error, ulong address)
{
    if (!passed(name, trap.vector == T_PF && trap.error == error && trap.cr2 == address)) {
        put_trap(trap.vector, trap.error);
        put_place(" cr2 ", trap.cr2);
        micro_puts(" want ");
        put_trap(T_PF, error);
        put_place(" cr2 ", address);
        micro_puts("\n");
    }
}

void skip(const char *name, const char *why)
{
    micro_puts(name);
    micro_puts(" skip: ");
    micro_puts(why);
    micro_puts("\n");
    nr_skipped++;
}

/* --- exceptions */

static void die(void)
{
    micro_puts("CPU: FAILED, unexpected ");
    put_trap(trap.vector, trap.error);
    put_place(" at ", trap.cs);
    put_place(":", trap.ip);
    put_place(" flags ", trap.flags);
    put_place(" cr2 ", trap.cr2);
    micro_puts("\n");
    micro_exit(MICRO_FAILED);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static bool is_from_elsewhere(const Frame *f)
{
    return WIDE == 64 || (f->cs & 3) || (f->flags & F_VM);
}

static void record(const Frame *f)
{
    uint16_t ss;

    __asm__("mov %%ss, %0" : "=r"(ss));
    trap.vector = f->vector;
    trap.error = f->error;
    trap.ip = f->ip;
    trap.cs = f->cs & 0xffff;
    trap.flags = f->flags;
    trap.sp = is_from_elsewhere(f) ? f->sp : (ulong)&f->sp;
    trap.ss = is_from_elsewhere(f) ? f->ss & 0xffff : ss;
    trap.ax = f->ax;
    trap.cx = f->cx;
    trap.si = f->si;
    trap.di = f->di;
    trap.cr2 = read_cr2();
    trap.at = (ulong)&f->ip;
    trap.here_ss = ss;
}

void cpu_trap(Frame *f)
{
    CpuHook *hook = cpu_hooks[f->vector];

    if (hook && hook(f)) {
        return;
    }
    record(f);
    if (!cpu_catching) {
        die();
    }
    cpu_catching = 0;
    catch_resume();
}

void trap_none(void)
{
    cpu_catching = 0;
    trap.vector = T_NONE;
    trap.error = 0;
}

void trap_settle_user(void)
{
    if (trap.vector == T_UD && trap.ip == (ulong)user_done) {
        trap_none();
    }
}

/* --- tables */

void cpu_descriptor(unsigned selector, ulong base, uint32_t limit, unsigned attributes)
{
    volatile uint64_t *entry = &cpu_gdt[selector / 8];

    entry[0] = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xf0ff) << 40 |
               (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(base >> 24 & 0xff) << 56;
    if (WIDE == 64 && !(attributes & 0x10)) {
        entry[1] = (uint64_t)base >> 32;
    }
}

void cpu_gate(unsigned vector, unsigned selector, void *code, unsigned type, unsigned dpl, unsigned ist)
{
    volatile uint64_t *entry = &cpu_idt[vector * GATE_BYTES / 8];
    uint64_t offset = (ulong)code;

    entry[0] = (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
               (uint64_t)(0x80 | dpl << 5 | type) << 40 | (offset >> 16 & 0xffff) << 48;
    if (WIDE == 64) {
        entry[1] = offset >> 32;
    }
}

void cpu_gate_absent(unsigned vector)
{
    cpu_idt[vector * GATE_BYTES / 8] &= ~((uint64_t)0x80 << 40);
}

void cpu_gate_default(unsigned vector)
{
    cpu_gate(vector, KCODE, trap_stubs[vector], 14, 0, 0);
}

void cpu_allow_ports(bool allowed)
{
    *(volatile uint16_t *)(cpu_tss + 0x66) = TSS_IO_MAP;
    for (unsigned i = 0; i < 0x2000; i++) {
        cpu_tss[TSS_IO_MAP + i] = allowed ? 0 : (char)0xff;
    }
    cpu_tss[TSS_IO_MAP + 0x2000] = (char)0xff;
}

void cpu_no_port_map(void)
{
    *(volatile uint16_t *)(cpu_tss + 0x66) = sizeof(cpu_tss);
}

static void load_tables(void)
{
    struct {
        uint16_t limit;
        ulong base;
    } __attribute__((packed)) idtr = { 256 * GATE_BYTES - 1, (ulong)cpu_idt };

    for (unsigned i = 0; i < 256; i++) {
        cpu_gate_default(i);
    }
    *(volatile ulong *)(cpu_tss + 4) = (ulong)cpu_ring0_stack + sizeof(cpu_ring0_stack);
    if (WIDE == 32) {
        *(volatile uint16_t *)(cpu_tss + 8) = KDATA;
    }
    cpu_no_port_map();
    cpu_descriptor(TSS, (ulong)cpu_tss, sizeof(cpu_tss) - 1, 0x89);
    __asm__ volatile("lidt %0; ltr %w1" ::"m"(idtr), "r"(TSS));
}

/* --- the run */

/* The test that started us says what we run on: 'i' a KVM that interprets kernel code, 'k' any other KVM, 't' our own engine. */
static char ask_host(void)
{
    while (!(inb(PORT_COM1 + 5) & 1)) {
    }
    return (char)inb(PORT_COM1);
}

static bool skip_if(bool is_so, const char *name, const char *why)
{
    if (is_so) {
        skip(name, why);
    }
    return is_so;
}

bool cpu_is_interpreted(const char *name, const char *why)
{
    return skip_if(host == 'i', name, why);
}

bool cpu_is_kvm(const char *name, const char *why)
{
    return skip_if(host != 't', name, why);
}

/* Our own engine does as Intel's processors do, whatever the vendor in its CPUID. */
bool cpu_is_kvm_on_amd(const char *name)
{
    bool is_amd = cpuid(0, 2) == 0x444d4163;    /* "cAMD" */

    return skip_if(host != 't' && is_amd, name, "AMD's processors do it differently");
}

void cpu_start(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    load_tables();
    micro_puts("CPU: up\n");
    host = ask_host();
    for (const CpuCase *c = cpu_cases; c->name; c++) {
        if (!c->interpreted || !cpu_is_interpreted(c->name, c->interpreted)) {
            micro_puts("CASE ");
            micro_puts(c->name);
            micro_puts("\n");
            c->run();
        }
    }
    micro_puts("CPU: done, ");
    put_count(nr_ok, " ok, ");
    put_count(nr_failed, " failed, ");
    put_count(nr_skipped, " skipped\n");
    micro_exit(nr_failed ? MICRO_FAILED : MICRO_PASSED);
}
