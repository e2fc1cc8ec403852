/*
 * Micro guest: one bare-metal test program. Prints on COM1, measures exits from ring 0 and from
 * ring 3, takes timer interrupts from the local APIC and from the PIT through the I/O APIC, ends
 * through isa-debug-exit: exit status 33 = passed, 35 = failed.
 */
#include "micro.h"

#define PATTERN_BYTES (16u << 20)
#define PATTERN_STEP  0x9e3779b97f4a7c15ull

static uint64_t r3_loop(uint64_t n)
{
    uint64_t i;

    for (i = 0; i < n; i++) {
        __asm__ volatile("");
    }
    return i;
}

static uint64_t r3_out(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        outb(0x80, (uint8_t)i);
    }
    return n;
}

static uint64_t r3_mmio(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        (void)rd32(LAPIC + 0x30);
    }
    return n;
}

static uint64_t r3_svc(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        micro_svc(SVC_NOP);
    }
    return n;
}

static uint64_t r3_nop(uint64_t n)
{
    return n;
}

static uint64_t r3_ticks(uint64_t n)
{
    uint64_t began = rdtsc();

    while (micro_ticks[0x40] < n && rdtsc() - began < tsc_khz * 2000) {
    }
    return micro_ticks[0x40];
}

/* 64-bit pattern over [at, at + 16 MiB): native speed, also first-touch faults. */
static uint64_t r3_pattern(uint64_t at)
{
    uint64_t *cell = (uint64_t *)at;
    uint64_t sum = 0;

    for (uint64_t i = 0; i < PATTERN_BYTES / 8; i++) {
        cell[i] = i * PATTERN_STEP;
    }
    for (uint64_t i = 0; i < PATTERN_BYTES / 8; i++) {
        sum += cell[i];
    }
    return sum;
}

static void self_ipi(void)
{
    uint32_t was = micro_ticks[0x42];

    wr32(LAPIC + 0x300, 0x40042);
    while (micro_ticks[0x42] == was) {
    }
}

#define BENCH(name, n, stmt)                           \
    do {                                               \
        uint64_t began_ = rdtsc();                     \
        for (uint64_t i_ = 0; i_ < (n); i_++) {        \
            stmt;                                      \
        }                                              \
        micro_report(name, n, rdtsc() - began_);       \
    } while (0)
#define BENCH3(name, fn, n)                            \
    do {                                               \
        uint64_t began_ = rdtsc();                     \
        ring3_call(fn, n);                             \
        micro_report(name, n, rdtsc() - began_);       \
    } while (0)

static void bench_exits(void)
{
    BENCH3("r3 loop turns", r3_loop, 100000000);
    BENCH("ring3_call round trips", 1000, ring3_call(r3_nop, 0));
    BENCH3("r3 UD2 to ring 0 and back", r3_svc, 2000);
    BENCH("r0 out 0x80", 10000, outb(0x80, 0));
    BENCH3("r3 out 0x80", r3_out, 2000);
    BENCH("r0 in 0x3fd (COM1 LSR)", 10000, inb(0x3fd));
    BENCH("r0 PCI config reads", 5000, (outl(0xcf8, 0x80000000), inl(0xcfc)));
    BENCH("r0 MMIO reads, HPET", 10000, rd32(0xfed000f0));
    BENCH("r0 MMIO writes, HPET", 10000, wr32(0xfed00020, 0));
    BENCH("r0 LAPIC reads (in kernel)", 50000, rd32(LAPIC + 0x30));
    BENCH3("r3 LAPIC reads (in kernel)", r3_mmio, 2000);
}

static int test_memory(void)
{
    static const char *const names[] = { "r3 16 MiB pattern, bytes", "r3 the same again" };
    uint64_t n = PATTERN_BYTES / 8;
    int bad = 0;

    for (int i = 0; i < 2; i++) {
        uint64_t began = rdtsc();

        bad |= ring3_call(r3_pattern, 16 << 20) != PATTERN_STEP * (n * (n - 1) / 2);
        micro_report(names[i], PATTERN_BYTES, rdtsc() - began);
    }
    return bad;
}

/* Local APIC timer, periodic, vector 0x40, 1 ms (bus clock 1 GHz, divided by 1). */
static int test_lapic_timer(void)
{
    uint64_t began, n;
    int bad;

    wr32(LAPIC + 0xf0, 0x1ff);
    wr32(LAPIC + 0x3e0, 0xb);
    wr32(LAPIC + 0x380, 1000000);
    wr32(LAPIC + 0x320, 0x20040);
    began = rdtsc();
    n = ring3_call(r3_ticks, 100);
    micro_report("LAPIC timer interrupts in ring 3", n, rdtsc() - began);
    bad = n < 100;
    micro_ticks[0x40] = 0;
    began = rdtsc();
    while (micro_ticks[0x40] < 100 && rdtsc() - began < tsc_khz * 2000) {
        __asm__ volatile("sti; hlt");
    }
    micro_report("LAPIC timer interrupts in HLT", micro_ticks[0x40], rdtsc() - began);
    bad |= micro_ticks[0x40] < 100;
    wr32(LAPIC + 0x320, 0x10000);
    return bad;
}

/* Self-IPI, vector 0x42: sent without waiting (may coalesce), then one by one. */
static void bench_self_ipi(void)
{
    BENCH("r0 self-IPIs sent", 10000, wr32(LAPIC + 0x300, 0x40042));
    micro_puts("  of these taken: ");
    micro_putn(micro_ticks[0x42]);
    micro_puts("\n");
    BENCH("r0 self-IPIs sent and awaited", 500, self_ipi());
}

/* PIT channel 0 at 1 kHz, through I/O APIC pin 2, vector 0x41. */
static int test_pit(void)
{
    uint64_t began;

    micro_ioapic(0x10 + 2 * 2 + 1, rd32(LAPIC + 0x20));
    micro_ioapic(0x10 + 2 * 2, 0x41);
    outb(0x43, 0x34);
    outb(0x40, 1193 & 0xff);
    outb(0x40, 1193 >> 8);
    began = rdtsc();
    while (micro_ticks[0x41] < 100 && rdtsc() - began < tsc_khz * 2000) {
        __asm__ volatile("sti; hlt");
    }
    micro_report("PIT interrupts by I/O APIC pin 2", micro_ticks[0x41], rdtsc() - began);
    micro_ioapic(0x10 + 2 * 2, 0x10000);
    return micro_ticks[0x41] < 100;
}

int micro_main(uint32_t boot_info)
{
    int bad = 0;

    micro_start();
    micro_puts("MICRO: up, boot info ");
    micro_putn(boot_info);
    micro_puts("\ntsc kHz ");
    micro_putn(tsc_khz);
    micro_puts("\n");

    bench_exits();
    bad |= test_memory();
    bad |= test_lapic_timer();
    bench_self_ipi();
    bad |= test_pit();

    micro_puts(bad ? "MICRO: FAILED\n" : "MICRO: PASSED\n");
    return bad ? MICRO_FAILED : MICRO_PASSED;
}
