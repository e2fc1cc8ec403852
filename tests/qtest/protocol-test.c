/*
 * The qtest protocol against the q35 board: memory and ports in all sizes, bulk, time, interrupts, bad lines.
 */
#include <glib.h>
#include <string.h>
#include "libqtest.h"

static void test_memory(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults");
    uint8_t bytes[5] = { 1, 2, 3, 4, 5 };
    uint8_t back[5];

    qtest_writeq(q, 0x1000, G_GUINT64_CONSTANT(0x1122334455667788));
    g_assert_cmphex(qtest_readl(q, 0x1004), ==, 0x11223344);
    qtest_memwrite(q, 0x2001, bytes, sizeof(bytes));
    qtest_memread(q, 0x2001, back, sizeof(back));
    g_assert_cmpmem(bytes, 5, back, 5);
    g_assert_cmpstr(qtest_command(q, "read 0x2001 0x5"), ==, "0x0102030405");
    qtest_command(q, "memset 0x2000 0x4 0xaa");
    qtest_command(q, "write 0x2004 0x2 0xbbcc");
    g_assert_cmpstr(qtest_command(q, "read 0x2000 0x6"), ==, "0xaaaaaaaabbcc");
    qtest_command(q, "memset 0x2000 0x0 0xaa");
    g_assert_cmpstr(qtest_command(q, "b64read 0x2000 0x0"), ==, "");
    qtest_quit(q);
}

static void test_clock(void)
{
    Qtest *q = qtest_start("-M q35 -nodefaults");
    int64_t before = qtest_clock_step(q, 0);

    g_assert_cmpint(qtest_clock_step(q, 1000), ==, before + 1000);
    g_assert_cmpint(g_ascii_strtoll(qtest_command(q, "clock_set %" G_GINT64_FORMAT, before + 5000), NULL, 0), ==,
                    before + 5000);
    qtest_quit(q);
}

static void test_ports(void)
{
    Qtest *q = qtest_start("-M q35 -nodefaults -device isa-serial -device pc-testdev");

    g_assert_cmphex(qtest_inb(q, 0x3fd), ==, 0x60);
    qtest_outl(q, 0xe0, 0x12345678);
    g_assert_cmphex(qtest_inw(q, 0xe2), ==, 0x1234);
    g_assert_cmphex(qtest_inb(q, 0xe1), ==, 0x56);
    g_assert_cmphex(qtest_inl(q, 0xcfc + 0x100), ==, 0xffffffff);
    qtest_quit(q);
}

static void test_interrupts(void)
{
    Qtest *q = qtest_start("-M q35 -nodefaults -device pc-testdev");

    qtest_intercept_in(q, "ioapic");
    g_assert_false(qtest_irq(q, 5));
    qtest_outb(q, 0x2005, 1);
    g_assert_true(qtest_irq(q, 5));
    qtest_outb(q, 0x43, 0x30);          /* the PIT lets its line fall, which the test device shares */
    g_assert_false(qtest_irq(q, 0));
    qtest_outb(q, 0x2000, 1);
    g_assert_true(qtest_irq(q, 0));     /* ISA interrupt 0 appears as 0 */
    qtest_outb(q, 0x2005, 0);
    g_assert_false(qtest_irq(q, 5));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qtest/memory", test_memory);
    g_test_add_func("/qtest/clock", test_clock);
    g_test_add_func("/qtest/ports", test_ports);
    g_test_add_func("/qtest/interrupts", test_interrupts);
    return g_test_run();
}
