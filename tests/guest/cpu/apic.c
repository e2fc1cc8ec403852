/*
 * The local APIC as a program meets it: its modes, interrupts sent to oneself, priorities, the timer; NMIs and what blocks them.
 * Spec: SDM vol. 3 chapter 11 (local APIC), §6.7.1 (NMI), §6.8 (IF).
 */
#include "cpu.h"

enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, SPURIOUS = 0xf0, ISR = 0x100, IRR = 0x200, ICR = 0x300,
       ICR_HIGH = 0x310, LVT_TIMER = 0x320, LVT_LINT0 = 0x350, INITIAL = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0 };

#define ENABLED  0x800u
#define EXTENDED 0x400u
#define TO_SELF  0x40000u
#define MASKED   0x10000u
#define PERIODIC 0x20000u
#define NMI_MODE 0x400u

static bool is_x2apic;
static volatile unsigned taken[256];
static volatile unsigned order[16];
static volatile unsigned nr_taken;
static volatile unsigned level;         /* handlers running */
static volatile unsigned deepest;

static uint32_t get(unsigned reg)
{
    return is_x2apic ? (uint32_t)rdmsr(0x800 + reg / 16) : rd32(LAPIC + reg);
}

static void put(unsigned reg, uint32_t value)
{
    if (is_x2apic) {
        wrmsr(0x800 + reg / 16, value);
    } else {
        wr32(LAPIC + reg, value);
    }
}

static bool on_interrupt(Frame *f)
{
    taken[f->vector]++;
    order[nr_taken++ & 15] = (unsigned)f->vector;
    put(EOI, 0);
    return true;
}

/* Time enough for an interrupt, also where code is interpreted in batches of a thousand instructions. */
static void linger(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        __asm__ volatile("");
    }
}

static void open_window(void)
{
    __asm__ volatile("sti");
    linger();
    __asm__ volatile("cli");
}

static void begin(void)
{
    for (unsigned i = 0; i < 256; i++) {
        taken[i] = 0;
        cpu_hooks[i] = i >= 32 ? on_interrupt : NULL;
    }
    nr_taken = 0;
    put(SPURIOUS, 0x1ff);
    put(TPR, 0);
}

static uint64_t base_msr(void)
{
    return rdmsr(MSR_APIC_BASE);
}

static void set_mode(uint64_t mode)
{
    wrmsr(MSR_APIC_BASE, (base_msr() & ~(uint64_t)(ENABLED | EXTENDED)) | mode);
}

static bool has_x2apic(void)
{
    return cpuid(1, 2) & 1 << 21;
}

/* --- modes */

static void modes(void)
{
    check("base-after-reset", base_msr(), LAPIC | ENABLED | 0x100);
    check("cpuid-apic", cpuid(1, 3) >> 9 & 1, 1);
    check("version-integrated", get(VERSION) >> 4 & 15, 1);
    TRAP(rdmsr(0x802));
    check_trap("x2apic-register-in-xapic-mode", T_GP, 0);
    set_mode(0);
    check("cpuid-apic-disabled", cpuid(1, 3) >> 9 & 1, 0);
    TRAP(set_mode(EXTENDED));
    check_trap("extended-without-enabled", T_GP, 0);
    if (has_x2apic()) {
        TRAP(set_mode(ENABLED | EXTENDED));
        check_trap("disabled-to-x2apic", T_GP, 0);
    }
    set_mode(ENABLED);
    check("cpuid-apic-enabled-again", cpuid(1, 3) >> 9 & 1, 1);
    TRAP(wrmsr(MSR_APIC_BASE, base_msr() | 1));
    check_trap("base-reserved-bit", T_GP, 0);
    TRAP(wrmsr(MSR_APIC_BASE, base_msr() | 1ull << 60));
    check_trap("base-reserved-high-bit", T_GP, 0);
}

static void x2apic_registers(void)
{
    check("x2apic-id", (uint32_t)rdmsr(0x802), 0);
    TRAP(wrmsr(0x802, 1));
    check_trap("x2apic-write-id", T_GP, 0);
    TRAP(rdmsr(0x80b));
    check_trap("x2apic-read-eoi", T_GP, 0);
    if (!cpu_is_kvm("x2apic-reserved-values", "KVM's local APIC takes them")) {
        TRAP(wrmsr(0x80b, 1));
        check_trap("x2apic-eoi-not-0", T_GP, 0);
        TRAP(wrmsr(0x808, 0x100));
        check_trap("x2apic-tpr-reserved", T_GP, 0);
    }
    TRAP(rdmsr(0x831));
    check_trap("x2apic-no-icr-high", T_GP, 0);
    TRAP(rdmsr(0x80e));
    check_trap("x2apic-no-dfr", T_GP, 0);
    TRAP(rdmsr(0x83f));
    check_trap("x2apic-read-self-ipi", T_GP, 0);
}

static void x2apic(void)
{
    if (!has_x2apic()) {
        skip("x2apic", "CPUID has no x2APIC");
        return;
    }
    set_mode(ENABLED | EXTENDED);
    is_x2apic = true;
    begin();
    x2apic_registers();
    wrmsr(0x83f, 0x51);
    open_window();
    check("x2apic-self-ipi", taken[0x51], 1);
    wrmsr(0x830, TO_SELF | 0x52);
    open_window();
    check("x2apic-icr", taken[0x52], 1);
    TRAP(set_mode(ENABLED));
    check_trap("x2apic-to-xapic", T_GP, 0);
    set_mode(0);
    is_x2apic = false;
    set_mode(ENABLED);
    check("xapic-again", get(VERSION) >> 4 & 15, 1);
}

/* --- interrupts to oneself, priorities */

static void self_ipi(void)
{
    begin();
    put(ICR, TO_SELF | 0x61);
    linger();
    check("held-by-if", taken[0x61], 0);
    check("irr", get(IRR + 0x30), 1u << 1);
    __asm__ volatile("sti; cli");
    check("sti-cli-is-no-window", taken[0x61], 0);
    open_window();
    check("taken", taken[0x61], 1);
    check("irr-clear", get(IRR + 0x30), 0);
    check("isr-clear", get(ISR + 0x30), 0);
    put(ICR, TO_SELF | 0x45);
    put(ICR, TO_SELF | 0x72);
    put(ICR, TO_SELF | 0x72);
    open_window();
    check("highest-first", order[1], 0x72);
    check("lower-next", order[2], 0x45);
    check("one-vector-once", taken[0x72], 1);
    put(ICR, TO_SELF | 0x62);
    __asm__ volatile("sti; hlt; cli");
    check("sti-hlt", taken[0x62], 1);
}

static void task_priority(void)
{
    begin();
    put(TPR, 0x50);
    check("cr8-is-tpr", ({ ulong v; __asm__ volatile("mov %%cr8, %0" : "=r"(v)); v; }), 5);
    put(ICR, TO_SELF | 0x45);
    open_window();
    check("held-by-tpr", taken[0x45], 0);
    __asm__ volatile("mov %0, %%cr8" ::"r"(4ul));
    check("tpr-is-cr8", get(TPR), 0x40);
    check("ppr-is-tpr", get(PPR), 0x40);
    open_window();
    check("held-by-its-own-class", taken[0x45], 0);
    __asm__ volatile("mov %0, %%cr8" ::"r"(3ul));
    open_window();
    check("let-through-by-cr8", taken[0x45], 1);
    TRAP(__asm__ volatile("mov %0, %%cr8" ::"r"(16ul)));
    check_trap("cr8-reserved", T_GP, 0);
    __asm__ volatile("mov %0, %%cr8" ::"r"(0ul));
}

static volatile uint32_t isr_seen;
static volatile uint32_t ppr_seen;

/* Vector 0x65: lets others in before it has said EOI. */
static bool on_nested(Frame *f)
{
    isr_seen = get(ISR + 0x30);
    ppr_seen = get(PPR);
    put(ICR, TO_SELF | 0x55);
    put(ICR, TO_SELF | 0x75);
    open_window();
    order[nr_taken++ & 15] = (unsigned)f->vector;
    put(EOI, 0);
    return true;
}

static void in_service(void)
{
    begin();
    cpu_hooks[0x65] = on_nested;
    put(ICR, TO_SELF | 0x65);
    open_window();
    check("isr", isr_seen, 1u << 5);
    check("ppr-of-isr", ppr_seen, 0x60);
    check("higher-nests", order[0], 0x75);
    check("lower-waits-for-eoi", order[1], 0x65);
    check("lower-after-eoi", order[2], 0x55);
}

static void software_disable(void)
{
    begin();
    put(LVT_LINT0, 0x700);
    check("lvt-unmasked", get(LVT_LINT0) & MASKED, 0);
    put(SPURIOUS, 0xff);
    check("lvt-masked-by-disable", get(LVT_LINT0) & MASKED, MASKED);
    put(LVT_LINT0, 0x700);
    check("lvt-stays-masked", get(LVT_LINT0) & MASKED, MASKED);
    put(SPURIOUS, 0x1ff);
    put(LVT_LINT0, MASKED);
}

/* --- timer */

static bool wait_for(volatile unsigned *count, unsigned want)
{
    uint64_t began = rdtsc();

    __asm__ volatile("sti");
    while (*count < want && rdtsc() - began < 4000000000ull) {
    }
    __asm__ volatile("cli");
    return *count >= want;
}

static void timer(void)
{
    begin();
    put(DIVIDE, 0xb);
    put(LVT_TIMER, 0x81);
    put(INITIAL, 200000);
    check("one-shot", wait_for(&taken[0x81], 1), true);
    check("one-shot-count", get(CURRENT), 0);
    open_window();
    check("one-shot-once", taken[0x81], 1);
    put(LVT_TIMER, PERIODIC | 0x82);
    put(INITIAL, 200000);
    check("periodic", wait_for(&taken[0x82], 3), true);
    check("periodic-reload", get(CURRENT) <= 200000, true);
    put(INITIAL, 0);
    check("stopped", get(CURRENT), 0);
    put(LVT_TIMER, MASKED | 0x83);
    put(INITIAL, 1000);
    while (get(CURRENT)) {
    }
    open_window();
    check("masked", taken[0x83], 0);
    check("masked-not-pending", get(IRR + 0x40), 0);
}

static void timer_hlt(void)
{
    begin();
    put(LVT_TIMER, 0x84);
    put(INITIAL, 1000000);
    __asm__ volatile("sti; hlt; cli");
    check("hlt-wakes", taken[0x84], 1);
}

/* --- NMI */

static void send_nmi(void)
{
    put(ICR_HIGH, get(ID));
    put(ICR, NMI_MODE);
}

static volatile unsigned nr_nmi;
static volatile bool has_fault_inside;

static bool skip_ud2(Frame *f)
{
    f->ip += 2;
    return true;
}

static bool on_nmi(Frame *f)
{
    (void)f;
    nr_nmi++;
    level++;
    deepest = level > deepest ? level : deepest;
    if (nr_nmi == 1) {
        send_nmi();
        linger();
        if (has_fault_inside) {
            __asm__ volatile("ud2");    /* its IRET ends the blocking, SDM vol. 3 §6.7.1 */
            linger();
        }
    }
    level--;
    return true;
}

static void nmi(void)
{
    begin();
    cpu_hooks[T_NMI] = on_nmi;
    cpu_hooks[T_UD] = skip_ud2;
    send_nmi();
    linger();
    check("nmi-blocked-until-iret", deepest, 1);
    check("nmi-kept", nr_nmi, 2);
    nr_nmi = level = deepest = 0;
    has_fault_inside = true;
    send_nmi();
    linger();
    check("nmi-unblocked-by-inner-iret", deepest, 2);
    check("nmi-both", nr_nmi, 2);
    cpu_hooks[T_UD] = NULL;
}

static void put_io_apic(uint32_t reg, uint32_t value)
{
    wr32(IOAPIC, reg);
    wr32(IOAPIC + 0x10, value);
}

/* The timer chip's interrupts as NMIs: one ends HLT, whatever IF says. They repeat, as the first may come before HLT. */
static void nmi_hlt(void)
{
    begin();
    cpu_hooks[T_NMI] = on_nmi;
    nr_nmi = 2;                         /* on_nmi() is to do no more than count */
    put_io_apic(0x10 + 2 * 2 + 1, 0);
    put_io_apic(0x10 + 2 * 2, NMI_MODE);
    outb(0x43, 0x34);                   /* counter 0, some thousand times a second */
    outb(0x40, 0xe8);
    outb(0x40, 0x03);
    __asm__ volatile("cli; hlt");
    put_io_apic(0x10 + 2 * 2, MASKED);
    check("nmi-ends-hlt", nr_nmi > 2, true);
}

const CpuCase cpu_cases[] = {
    { "modes", modes, NULL },
    { "self-ipi", self_ipi, NULL },
    { "task-priority", task_priority, NULL },
    { "in-service", in_service, "this KVM has no in-service bit for what it interprets" },
    { "software-disable", software_disable, NULL },
    { "timer", timer, NULL },
    { "timer-hlt", timer_hlt, NULL },
    { "nmi", nmi, NULL },
    { "nmi-hlt", nmi_hlt, NULL },
    { "x2apic", x2apic, NULL },
    { NULL, NULL, NULL },
};
