/*
 * edu: registers and their sizes, factorial with interrupt by pin and by message, DMA in both directions and out of
 * bounds, the BAR's moves, reset.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-pci.h"

enum { BASE = 0xe0000000, BDF = qpci_bdf(0, 3, 0), BUFFER = 0x40000, MESSAGE = 0x8000 };
enum { ID = 0, LIVENESS = 4, FACTORIAL = 8, STATUS = 0x20, IRQ = 0x24, RAISE = 0x60, ACK = 0x64, SRC = 0x80, DST = 0x88,
       COUNT = 0x90, CMD = 0x98 };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device edu,addr=3");

    qtest_intercept_in(q, "ioapic");
    qpci_place(q, BDF, 0, BASE);
    return q;
}

static void test_registers(void)
{
    Qtest *q = start();

    g_assert_cmphex(qpci_readl(q, BDF, 0), ==, 0x11e81234);
    g_assert_cmphex(qtest_readl(q, BASE + ID), ==, 0x010000ed);
    qtest_writel(q, BASE + ID, 0);
    g_assert_cmphex(qtest_readl(q, BASE + ID), ==, 0x010000ed);
    qtest_writel(q, BASE + LIVENESS, 0x12345678);
    g_assert_cmphex(qtest_readl(q, BASE + LIVENESS), ==, 0xedcba987);
    qtest_writel(q, BASE + FACTORIAL, 6);
    qtest_clock_step(q, 1000000);
    g_assert_cmphex(qtest_readl(q, BASE + FACTORIAL), ==, 720);
    qtest_writel(q, BASE + FACTORIAL, UINT32_MAX);          /* must not take for ever */
    qtest_clock_step(q, 1000000);
    g_assert_cmphex(qtest_readl(q, BASE + FACTORIAL), ==, 0);
    g_assert_cmphex(qtest_readb(q, BASE + ID), ==, 0xff);   /* only 4 and 8 bytes */
    g_assert_cmphex(qtest_readw(q, BASE + ID), ==, 0xffff);
    qtest_writeb(q, BASE + LIVENESS, 0);
    g_assert_cmphex(qtest_readl(q, BASE + LIVENESS), ==, 0xedcba987);
    qtest_writeq(q, BASE + SRC, G_GUINT64_CONSTANT(0x1122334455667788));
    g_assert_cmphex(qtest_readq(q, BASE + SRC), ==, G_GUINT64_CONSTANT(0x1122334455667788));
    g_assert_cmphex(qtest_readl(q, BASE + 0xffffc), ==, 0xffffffff);
    qtest_reset(q);
    g_assert_cmphex(qpci_readl(q, BDF, 0x10), ==, 0);       /* nowhere again */
    g_assert_cmphex(qpci_readw(q, BDF, 0x04), ==, 0);
    qpci_place(q, BDF, 0, BASE);
    g_assert_cmphex(qtest_readl(q, BASE + LIVENESS), ==, 0);
    g_assert_cmphex(qtest_readq(q, BASE + SRC), ==, 0);
    qtest_quit(q);
}

static void test_pin(void)
{
    Qtest *q = start();

    qtest_writel(q, BASE + RAISE, 0x30);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qpci_readw(q, BDF, 0x06) & 0x08, ==, 0x08);     /* interrupt status */
    g_assert_cmphex(qtest_readl(q, BASE + IRQ), ==, 0x30);
    qtest_writel(q, BASE + ACK, 0x10);
    g_assert_true(qpci_intx(q));
    qpci_writew(q, BDF, 0x04, 0x406);                       /* interrupt disable */
    g_assert_false(qpci_intx(q));
    qpci_writew(q, BDF, 0x04, 0x006);
    g_assert_true(qpci_intx(q));
    qtest_writel(q, BASE + ACK, 0x20);
    g_assert_false(qpci_intx(q));
    qtest_writel(q, BASE + STATUS, 0xff);
    g_assert_cmphex(qtest_readl(q, BASE + STATUS), ==, 0x80);
    qtest_writel(q, BASE + FACTORIAL, 3);
    qtest_clock_step(q, 1000000);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_readl(q, BASE + IRQ), ==, 0x01);
    qtest_reset(q);
    g_assert_false(qpci_intx(q));
    qtest_quit(q);
}

/* A message is a write like any other: to memory, where the test sees it. */
static void test_message(void)
{
    Qtest *q = start();
    uint8_t cap = qpci_cap(q, BDF, 0x05, 0);

    g_assert_cmphex(cap, !=, 0);
    g_assert_cmphex(qpci_readw(q, BDF, cap + 2) & 0x80, ==, 0x80);  /* 64 bits */
    qpci_writel(q, BDF, cap + 4, MESSAGE);
    qpci_writel(q, BDF, cap + 8, 0);
    qpci_writew(q, BDF, cap + 12, 0x4321);
    qpci_writew(q, BDF, cap + 2, qpci_readw(q, BDF, cap + 2) | 1);
    qtest_writel(q, BASE + RAISE, 1);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0x4321);
    g_assert_false(qpci_intx(q));
    qtest_quit(q);
}

static void dma(Qtest *q, uint64_t src, uint64_t dst, uint64_t count, uint64_t cmd)
{
    qtest_writeq(q, BASE + SRC, src);
    qtest_writeq(q, BASE + DST, dst);
    qtest_writeq(q, BASE + COUNT, count);
    qtest_writeq(q, BASE + CMD, cmd);
    g_assert_cmphex(qtest_readq(q, BASE + CMD) & 1, ==, 1);
    qtest_writeq(q, BASE + COUNT, 1);       /* locked while it runs */
    qtest_clock_step(q, INT64_C(200) * 1000 * 1000);
    g_assert_cmphex(qtest_readq(q, BASE + CMD) & 1, ==, 0);
    g_assert_cmphex(qtest_readq(q, BASE + COUNT), ==, count);
}

static void test_dma(void)
{
    Qtest *q = start();
    char text[] = "sixteen bytes ok";
    char back[16] = "";

    qtest_memwrite(q, 0x1000, text, 16);
    dma(q, 0x1000, BUFFER + 0x10, 16, 1);
    g_assert_false(qpci_intx(q));
    dma(q, BUFFER + 0x10, 0x2000, 16, 7);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_readl(q, BASE + IRQ), ==, 0x100);
    qtest_memread(q, 0x2000, back, 16);
    g_assert_cmpmem(back, 16, text, 16);
    qtest_quit(q);
}

/* Outside of the buffer, around its ends, and huge: nothing moves, and the program lives. */
static void test_bounds(void)
{
    static const struct { uint64_t at, count; } bad[] = {
        { BUFFER - 1, 1 }, { BUFFER + 4096, 1 }, { BUFFER + 4095, 2 }, { BUFFER, 4097 }, { BUFFER, UINT64_MAX },
        { UINT64_MAX, 1 }, { UINT64_MAX - 7, BUFFER + 16 }, { BUFFER + 16, UINT64_MAX - 15 }, { 0, 0 },
    };
    Qtest *q = start();

    qtest_writel(q, 0x2000, 0xeeeeeeee);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        dma(q, bad[i].at, 0x2000, bad[i].count, 3);
        dma(q, 0x2000, bad[i].at, bad[i].count, 1);
        g_assert_cmphex(qtest_readl(q, 0x2000), ==, 0xeeeeeeee);
    }
    dma(q, BUFFER, UINT64_MAX, 16, 3);      /* to nowhere */
    dma(q, BUFFER, BASE, 4096, 3);          /* to its own registers */
    qtest_quit(q);
}

static void test_bar(void)
{
    Qtest *q = start();

    qpci_writel(q, BDF, 0x10, 0xffffffff);
    g_assert_cmphex(qpci_readl(q, BDF, 0x10), ==, 0xfff00000);
    g_assert_cmphex(qpci_readl(q, BDF, 0x14), ==, 0);
    qpci_writel(q, BDF, 0x14, 0xffffffff);
    g_assert_cmphex(qpci_readl(q, BDF, 0x14), ==, 0);       /* none */
    qpci_writel(q, BDF, 0x10, BASE + 0x300000);
    g_assert_cmphex(qtest_readl(q, BASE + 0x300000), ==, 0x010000ed);
    g_assert_cmphex(qtest_readl(q, BASE), ==, 0xffffffff);
    qpci_writew(q, BDF, 0x04, 0);
    g_assert_cmphex(qtest_readl(q, BASE + 0x300000), ==, 0xffffffff);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/edu/registers", test_registers);
    g_test_add_func("/edu/pin", test_pin);
    g_test_add_func("/edu/message", test_message);
    g_test_add_func("/edu/dma", test_dma);
    g_test_add_func("/edu/bounds", test_bounds);
    g_test_add_func("/edu/bar", test_bar);
    return g_test_run();
}
