/*
 * hpet on a q35: access kinds, halves and odd sizes, the counter, one-shot and periodic timers, level interrupts, an input
 * shared with a PCI pin, legacy replacement, 32-bit timers, reset.  Spec: IA-PC HPET 1.0a.
 */
#include <glib.h>
#include "libqtest-pci.h"

enum { BASE = 0xfed00000, CAPS = 0x00, CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0 };
#define TIMER(n)      (BASE + 0x100 + 0x20 * (n))
#define COMPARATOR(n) (TIMER(n) + 8)
enum { ON = 1, LEGACY = 2 };
enum { LEVEL = 0x02, ENABLE = 0x04, PERIODIC = 0x08, VALUE_SET = 0x40, NARROW = 0x100, NS_PER_TICK = 10 };
#define ROUTE(gsi)    ((uint64_t)(gsi) << 9)
#define CAPABILITIES  (UINT64_C(0x00ff0104) << 32 | 0x30)

/* edu: its pin A in slot 3 arrives at input 23, which timers can be routed to as well */
enum { EDU = qpci_bdf(0, 3, 0), EDU_BASE = 0xe0000000, EDU_RAISE = 0x60, EDU_ACK = 0x64, SHARED = 23 };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device edu,addr=3");

    qtest_intercept_in(q, "ioapic");
    return q;
}

static void arm(Qtest *q, unsigned timer, uint64_t config, uint64_t ticks)
{
    qtest_writeq(q, TIMER(timer), config);
    qtest_writeq(q, COMPARATOR(timer), ticks);
}

static void check_at_reset(Qtest *q)
{
    g_assert_cmphex(qtest_readq(q, BASE + CONFIG), ==, 0);
    g_assert_cmphex(qtest_readq(q, BASE + STATUS), ==, 0);
    g_assert_cmphex(qtest_readq(q, BASE + COUNTER), ==, 0);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(qtest_readq(q, TIMER(i)), ==, CAPABILITIES);
    }
}

static void test_registers(void)
{
    Qtest *q = start();

    check_at_reset(q);
    g_assert_cmphex(qtest_readq(q, BASE + CAPS), ==, UINT64_C(0x009896808086a201));
    g_assert_cmphex(qtest_readl(q, BASE + CAPS + 4), ==, 10000000);        /* femtoseconds */
    qtest_writeq(q, BASE + CAPS, 0);                                       /* RO */
    g_assert_cmphex(qtest_readl(q, BASE + CAPS), ==, 0x8086a201);
    qtest_writeq(q, TIMER(1), UINT64_MAX);
    g_assert_cmphex(qtest_readq(q, TIMER(1)), ==, CAPABILITIES | 0x3f4e);  /* no messages: bit 14 stays 0 */
    g_assert_cmphex(qtest_readq(q, TIMER(3)), ==, 0);                      /* there are three */
    qtest_writeq(q, TIMER(3), UINT64_MAX);
    qtest_writeq(q, BASE + 0x3f8, UINT64_MAX);
    qtest_writel(q, BASE + COUNTER + 4, 0x12345678);                       /* halves */
    qtest_writel(q, BASE + COUNTER, 0x9abcdef0);
    g_assert_cmphex(qtest_readq(q, BASE + COUNTER), ==, UINT64_C(0x123456789abcdef0));
    g_assert_cmphex(qtest_readl(q, BASE + COUNTER + 4), ==, 0x12345678);
    qtest_writeq(q, BASE + CONFIG, UINT64_MAX);
    g_assert_cmphex(qtest_readq(q, BASE + CONFIG), ==, ON | LEGACY);
    qtest_reset(q);
    check_at_reset(q);
    qtest_quit(q);
}

static void test_sizes(void)
{
    Qtest *q = start();

    for (uint64_t at = BASE; at < BASE + 0x400; at++) {
        qtest_readb(q, at);
        qtest_readw(q, at);
        qtest_readl(q, at);
        qtest_readq(q, at);
        qtest_writeb(q, at, 0xff);
        qtest_writew(q, at, 0xffff);
        qtest_writeq(q, at, UINT64_MAX);
    }
    qtest_clock_step(q, 1000000);
    qtest_reset(q);
    check_at_reset(q);
    qtest_quit(q);
}

static void test_counter(void)
{
    Qtest *q = start();
    uint64_t first;

    qtest_writeq(q, BASE + CONFIG, ON);
    first = qtest_readq(q, BASE + COUNTER);
    qtest_clock_step(q, 1000);
    g_assert_cmpuint(qtest_readq(q, BASE + COUNTER), ==, first + 1000 / NS_PER_TICK);
    qtest_writeq(q, BASE + CONFIG, 0);                  /* halted: it keeps its value */
    qtest_clock_step(q, 1000);
    g_assert_cmpuint(qtest_readq(q, BASE + COUNTER), ==, first + 1000 / NS_PER_TICK);
    qtest_writeq(q, BASE + COUNTER, 7);
    qtest_writeq(q, BASE + CONFIG, ON);
    qtest_clock_step(q, 10);
    g_assert_cmpuint(qtest_readq(q, BASE + COUNTER), ==, 8);
    qtest_quit(q);
}

static void test_level(void)
{
    Qtest *q = start();

    arm(q, 2, ENABLE | LEVEL | ROUTE(20), 100);
    qtest_writeq(q, BASE + CONFIG, ON);
    qtest_clock_step(q, 990);
    g_assert_false(qtest_irq(q, 20));
    qtest_clock_step(q, 10);
    g_assert_true(qtest_irq(q, 20));
    g_assert_cmphex(qtest_readq(q, BASE + STATUS), ==, 1 << 2);
    qtest_writeq(q, BASE + STATUS, 1 << 1);             /* another timer's bit */
    g_assert_true(qtest_irq(q, 20));
    qtest_writel(q, BASE + STATUS, 1 << 2);             /* W1C */
    g_assert_false(qtest_irq(q, 20));
    g_assert_cmphex(qtest_readq(q, BASE + STATUS), ==, 0);
    qtest_clock_step(q, 100000);                        /* once */
    g_assert_false(qtest_irq(q, 20));
    arm(q, 2, ENABLE | LEVEL | ROUTE(20), qtest_readq(q, BASE + COUNTER) + 10);
    qtest_clock_step(q, 100);
    g_assert_true(qtest_irq(q, 20));
    qtest_reset(q);
    g_assert_false(qtest_irq(q, 20));
    qtest_quit(q);
}

static void test_periodic(void)
{
    Qtest *q = start();

    qtest_writeq(q, TIMER(0), ENABLE | LEVEL | PERIODIC | VALUE_SET | ROUTE(21));
    qtest_writeq(q, COMPARATOR(0), 10000);              /* the first match, and the period */
    qtest_writeq(q, BASE + CONFIG, ON);
    for (unsigned i = 1; i <= 3; i++) {
        qtest_clock_step(q, 100000 - (i == 1 ? 0 : 10));
        g_assert_true(qtest_irq(q, 21));
        g_assert_cmpuint(qtest_readq(q, COMPARATOR(0)), ==, (i + 1) * 10000);
        qtest_writeq(q, BASE + STATUS, 1);
        qtest_clock_step(q, 10);
        g_assert_false(qtest_irq(q, 21));
    }
    qtest_quit(q);
}

/* 32 bits: the match comes when the low half of the counter is equal. */
static void test_narrow(void)
{
    Qtest *q = start();

    qtest_writeq(q, BASE + COUNTER, UINT64_C(0x7fffffff0));
    arm(q, 1, ENABLE | LEVEL | NARROW | ROUTE(22), UINT64_C(0x5500000010));
    g_assert_cmphex(qtest_readq(q, COMPARATOR(1)), ==, 0x10);
    qtest_writeq(q, BASE + CONFIG, ON);
    qtest_clock_step(q, 31 * NS_PER_TICK);
    g_assert_false(qtest_irq(q, 22));
    qtest_clock_step(q, NS_PER_TICK);
    g_assert_true(qtest_irq(q, 22));
    qtest_quit(q);
}

/* A timer and a PCI pin on one input: it stays up until both let go, in whatever order. */
static void test_shared(void)
{
    Qtest *q = start();

    qpci_place(q, EDU, 0, EDU_BASE);
    arm(q, 2, ENABLE | LEVEL | ROUTE(SHARED), 100);
    qtest_writel(q, EDU_BASE + EDU_RAISE, 1);
    g_assert_true(qtest_irq(q, SHARED));
    qtest_writeq(q, BASE + CONFIG, ON);
    qtest_clock_step(q, 1000);
    qtest_writeq(q, BASE + STATUS, 1 << 2);
    g_assert_true(qtest_irq(q, SHARED));                /* edu still wants it */
    arm(q, 2, ENABLE | LEVEL | ROUTE(SHARED), qtest_readq(q, BASE + COUNTER) + 10);
    qtest_clock_step(q, 100);
    qtest_writel(q, EDU_BASE + EDU_ACK, 1);
    g_assert_true(qtest_irq(q, SHARED));                /* the timer still wants it */
    qtest_writeq(q, BASE + STATUS, 1 << 2);
    g_assert_false(qtest_irq(q, SHARED));
    qtest_quit(q);
}

/* Timers 0 and 1 take the places of PIT and RTC, whatever their routes say. */
static void test_legacy(void)
{
    Qtest *q = start();

    arm(q, 1, ENABLE | LEVEL | ROUTE(20), 100);
    qtest_writeq(q, BASE + CONFIG, ON | LEGACY);
    qtest_clock_step(q, 1000);
    g_assert_true(qtest_irq(q, 8));
    g_assert_false(qtest_irq(q, 20));
    qtest_writeq(q, BASE + STATUS, 1 << 1);
    g_assert_false(qtest_irq(q, 8));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hpet/registers", test_registers);
    g_test_add_func("/hpet/sizes", test_sizes);
    g_test_add_func("/hpet/counter", test_counter);
    g_test_add_func("/hpet/level", test_level);
    g_test_add_func("/hpet/periodic", test_periodic);
    g_test_add_func("/hpet/narrow", test_narrow);
    g_test_add_func("/hpet/shared", test_shared);
    g_test_add_func("/hpet/legacy", test_legacy);
    return g_test_run();
}
