/*
 * ioapic over its index and window: access kinds, level interrupts with remote IRR and EOI, bad registers, reset.
 */
#include <glib.h>
#include "libqtest.h"

enum { SELECT = 0xfec00000, WINDOW = 0xfec00010, END = 0xfec00040, RAISE = 0x2000 };
enum { ID = 0, VERSION = 1, ARBITRATION = 2, TABLE = 0x10, PINS = 24, MASKED = 0x10000, LEVEL = 0x8000, REMOTE = 0x4000 };

static Qtest *start(void)
{
    return qtest_start("-M q35 -m 16 -nodefaults -device pc-testdev");
}

static uint32_t get(Qtest *q, uint32_t reg)
{
    qtest_writel(q, SELECT, reg);
    return qtest_readl(q, WINDOW);
}

static void put(Qtest *q, uint32_t reg, uint32_t value)
{
    qtest_writel(q, SELECT, reg);
    qtest_writel(q, WINDOW, value);
}

static void check_at_reset(Qtest *q)
{
    g_assert_cmphex(get(q, ID), ==, 0);
    for (uint32_t pin = 0; pin < PINS; pin++) {
        g_assert_cmphex(get(q, TABLE + 2 * pin), ==, MASKED);
        g_assert_cmphex(get(q, TABLE + 2 * pin + 1), ==, 0);
    }
}

static void test_registers(void)
{
    Qtest *q = start();

    check_at_reset(q);
    g_assert_cmphex(get(q, VERSION), ==, 0x00170020);
    g_assert_cmphex(qtest_readl(q, SELECT), ==, VERSION);
    put(q, VERSION, 0);                     /* RO */
    g_assert_cmphex(get(q, VERSION), ==, 0x00170020);
    put(q, ID, 0xffffffff);
    g_assert_cmphex(get(q, ID), ==, 0x0f000000);
    g_assert_cmphex(get(q, ARBITRATION), ==, 0x0f000000);
    put(q, TABLE + 7, 0xffffffff);
    g_assert_cmphex(get(q, TABLE + 7), ==, 0xff000000);
    put(q, TABLE + 6, 0xffffffff);          /* delivery status and remote IRR are RO */
    g_assert_cmphex(get(q, TABLE + 6), ==, 0x0001afff);
    g_assert_cmphex(get(q, TABLE + 2 * PINS), ==, 0);   /* none */
    put(q, TABLE + 2 * PINS, 0xffffffff);
    put(q, 0xff, 0xffffffff);
    g_assert_cmphex(get(q, 0xff), ==, 0);
    g_assert_cmphex(qtest_readl(q, SELECT + 0x20), ==, 0);
    qtest_reset(q);
    check_at_reset(q);
    qtest_quit(q);
}

/* Sizes other than 4 are undefined by the chip: they must not hurt. */
static void test_sizes(void)
{
    Qtest *q = start();

    for (uint64_t at = SELECT; at < SELECT + 0x50; at++) {
        qtest_readb(q, at);
        qtest_readw(q, at);
        qtest_readq(q, at);
        qtest_writeb(q, at, 0xff);
        qtest_writew(q, at, 0xffff);
        qtest_writeq(q, at, UINT64_MAX);
    }
    qtest_reset(q);
    g_assert_cmphex(get(q, VERSION), ==, 0x00170020);
    qtest_quit(q);
}

static void test_level(void)
{
    Qtest *q = start();
    uint32_t entry = TABLE + 2 * 5;

    put(q, entry, LEVEL | 0x45);
    g_assert_cmphex(get(q, entry), ==, LEVEL | 0x45);
    qtest_outb(q, RAISE + 5, 1);
    g_assert_cmphex(get(q, entry), ==, LEVEL | REMOTE | 0x45);
    qtest_writel(q, END, 0x44);             /* another vector's end */
    g_assert_cmphex(get(q, entry), ==, LEVEL | REMOTE | 0x45);
    qtest_writel(q, END, 0x45);             /* the line is still up: again */
    g_assert_cmphex(get(q, entry), ==, LEVEL | REMOTE | 0x45);
    qtest_outb(q, RAISE + 5, 0);
    qtest_writel(q, END, 0x45);
    g_assert_cmphex(get(q, entry), ==, LEVEL | 0x45);
    put(q, entry, LEVEL | MASKED | 0x45);
    qtest_outb(q, RAISE + 5, 1);
    g_assert_cmphex(get(q, entry), ==, LEVEL | MASKED | 0x45);
    put(q, entry, LEVEL | 0x45);            /* unmasked while it waits */
    g_assert_cmphex(get(q, entry), ==, LEVEL | REMOTE | 0x45);
    put(q, entry, 0x45);                    /* edge: acknowledges */
    g_assert_cmphex(get(q, entry), ==, 0x45);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ioapic/registers", test_registers);
    g_test_add_func("/ioapic/sizes", test_sizes);
    g_test_add_func("/ioapic/level", test_level);
    return g_test_run();
}
