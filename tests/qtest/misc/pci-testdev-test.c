/*
 * pci-testdev: what its headers say of each test, which writes are counted, its memory BAR.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-pci.h"

enum { MMIO = 0xe0000000, PORT = 0xc000, MEMBAR = 0xe8000000, NR_TESTS = 3 };
enum { WIDTH = 1, OFFSET = 4, DATA = 8, COUNT = 12, NAME = 16 };
#define BDF qpci_bdf(0, 3, 0)

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device pci-testdev,addr=3,membar=16M");

    g_assert_cmphex(qpci_readl(q, BDF, 0), ==, 0x00051b36);
    qpci_writel(q, BDF, 0x10, MMIO);
    qpci_writel(q, BDF, 0x14, PORT);
    qpci_writel(q, BDF, 0x18, UINT32_MAX);
    g_assert_cmphex(qpci_readl(q, BDF, 0x18), ==, 0xff00000c);
    qpci_writel(q, BDF, 0x18, MEMBAR);
    qpci_writew(q, BDF, 4, 3);
    return q;
}

/* Only the first test's writes come to the device; those of the others end in an event descriptor. */
static void test_mmio(void)
{
    static const char *const names[] = { "mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd" };
    Qtest *q = start();

    for (unsigned test = 0; test < NR_TESTS; test++) {
        char name[24] = "";
        uint32_t target;

        qtest_writeb(q, MMIO, (uint8_t)test);
        g_assert_cmpuint(qtest_readb(q, MMIO + WIDTH), ==, 1);
        qtest_memread(q, MMIO + NAME, name, sizeof(name) - 1);
        g_assert_cmpstr(name, ==, names[test]);
        target = qtest_readl(q, MMIO + OFFSET);
        g_assert_cmpuint(target, <, 0x1000);
        for (unsigned i = 0; i < 5; i++) {
            qtest_writeb(q, MMIO + target, (uint8_t)qtest_readl(q, MMIO + DATA));
        }
        g_assert_cmpuint(qtest_readl(q, MMIO + COUNT), ==, test == 0 ? 5 : 0);
    }
    qtest_writeb(q, MMIO, NR_TESTS);                /* no such test */
    g_assert_cmpuint(qtest_readb(q, MMIO + WIDTH), ==, 0);
    qtest_reset(q);
    qtest_quit(q);
}

static void test_ports(void)
{
    Qtest *q = start();
    uint16_t target;

    qtest_outb(q, PORT, 0);
    target = (uint16_t)qtest_inl(q, PORT + OFFSET);
    qtest_outb(q, PORT + target, qtest_inb(q, PORT + DATA));
    qtest_outb(q, PORT + target, 0x11);             /* not what was asked for */
    g_assert_cmpuint(qtest_inl(q, PORT + COUNT), ==, 1);
    g_assert_cmpuint(qtest_readl(q, MMIO + COUNT), ==, 0);
    qtest_outb(q, PORT, 0);
    g_assert_cmpuint(qtest_inl(q, PORT + COUNT), ==, 0);
    qtest_writel(q, MEMBAR, 0x12345678);            /* nothing is behind it */
    g_assert_cmphex(qtest_readl(q, MEMBAR), !=, 0x12345678);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-testdev/mmio", test_mmio);
    g_test_add_func("/pci-testdev/ports", test_ports);
    return g_test_run();
}
