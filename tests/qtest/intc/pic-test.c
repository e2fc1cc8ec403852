/*
 * isa-i8259, the pair: initialisation, mask, request and service registers, poll mode, cascade, level control, reset.
 */
#include <glib.h>
#include "libqtest.h"

enum { MASTER = 0x20, SLAVE = 0xa0, ELCR = 0x4d0, RAISE = 0x2000 };
enum { READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c, EOI = 0x20 };

static void init(Qtest *q)
{
    qtest_outb(q, MASTER, 0x11);
    qtest_outb(q, MASTER + 1, 0x08);
    qtest_outb(q, MASTER + 1, 0x04);
    qtest_outb(q, MASTER + 1, 0x01);
    qtest_outb(q, SLAVE, 0x11);
    qtest_outb(q, SLAVE + 1, 0x70);
    qtest_outb(q, SLAVE + 1, 0x02);
    qtest_outb(q, SLAVE + 1, 0x01);
    qtest_outb(q, 0x43, 0x30);              /* the timer's line falls */
}

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device pc-testdev");

    init(q);
    return q;
}

static uint8_t ask(Qtest *q, uint16_t chip, uint8_t what)
{
    qtest_outb(q, chip, what);
    return qtest_inb(q, chip);
}

static void test_registers(void)
{
    Qtest *q = start();

    g_assert_cmphex(qtest_inb(q, MASTER + 1), ==, 0);   /* ICW1 clears the mask */
    qtest_outb(q, MASTER + 1, 0xfb);
    qtest_outb(q, SLAVE + 1, 0x5a);
    g_assert_cmphex(qtest_inb(q, MASTER + 1), ==, 0xfb);
    g_assert_cmphex(qtest_inb(q, SLAVE + 1), ==, 0x5a);
    g_assert_cmphex(ask(q, MASTER, READ_IRR) & ~1, ==, 0);
    g_assert_cmphex(ask(q, SLAVE, READ_ISR), ==, 0);
    qtest_outw(q, ELCR, 0xffff);            /* timer, keyboard, cascade, clock and FPU are always edges */
    g_assert_cmphex(qtest_inw(q, ELCR), ==, 0xdef8);
    qtest_reset(q);
    g_assert_cmphex(qtest_inw(q, ELCR), ==, 0);
    g_assert_cmphex(qtest_inb(q, MASTER + 1), ==, 0);
    qtest_quit(q);
}

static void test_edge(void)
{
    Qtest *q = start();

    qtest_outb(q, RAISE + 5, 1);
    g_assert_cmphex(ask(q, MASTER, READ_IRR), ==, 0x20);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x85);
    g_assert_cmphex(ask(q, MASTER, READ_ISR), ==, 0x20);
    g_assert_cmphex(ask(q, MASTER, READ_IRR), ==, 0x00);
    qtest_outb(q, RAISE + 7, 1);            /* less urgent */
    g_assert_cmphex(ask(q, MASTER, POLL) & 0x80, ==, 0);
    qtest_outb(q, MASTER, EOI);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x87);
    qtest_outb(q, MASTER, 0x67);            /* specific end */
    g_assert_cmphex(ask(q, MASTER, READ_ISR), ==, 0x00);
    g_assert_cmphex(ask(q, MASTER, POLL) & 0x80, ==, 0);    /* the lines are up still, but no edge came */
    qtest_quit(q);
}

static void test_level(void)
{
    Qtest *q = start();

    qtest_outb(q, ELCR, 0x20);
    qtest_outb(q, RAISE + 5, 1);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x85);
    g_assert_cmphex(ask(q, MASTER, READ_IRR), ==, 0x20);
    qtest_outb(q, MASTER, EOI);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x85);
    qtest_outb(q, RAISE + 5, 0);
    qtest_outb(q, MASTER, EOI);
    g_assert_cmphex(ask(q, MASTER, POLL) & 0x80, ==, 0);
    qtest_quit(q);
}

static void test_mask(void)
{
    Qtest *q = start();

    qtest_outb(q, MASTER + 1, 0x20);
    qtest_outb(q, RAISE + 5, 1);
    g_assert_cmphex(ask(q, MASTER, READ_IRR), ==, 0x20);
    g_assert_cmphex(ask(q, MASTER, POLL) & 0x80, ==, 0);
    qtest_outb(q, MASTER + 1, 0);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x85);
    qtest_quit(q);
}

static void test_cascade(void)
{
    Qtest *q = start();

    qtest_outb(q, RAISE + 12, 1);
    g_assert_cmphex(ask(q, SLAVE, READ_IRR), ==, 0x10);
    g_assert_cmphex(ask(q, MASTER, READ_IRR), ==, 0x04);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x82);
    g_assert_cmphex(ask(q, SLAVE, POLL), ==, 0x84);
    qtest_outb(q, SLAVE, EOI);
    qtest_outb(q, MASTER, EOI);
    g_assert_cmphex(ask(q, SLAVE, READ_ISR), ==, 0);
    g_assert_cmphex(ask(q, MASTER, READ_ISR), ==, 0);
    qtest_quit(q);
}

/* Every command byte and every unfinished initialisation is survived. */
static void test_nonsense(void)
{
    Qtest *q = start();

    for (unsigned value = 0; value < 256; value++) {
        qtest_outb(q, MASTER, (uint8_t)value);
        qtest_outb(q, SLAVE, (uint8_t)(255 - value));
        qtest_outb(q, RAISE + value % 16, value & 1);
        qtest_inl(q, MASTER);
        qtest_inl(q, SLAVE);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (i != 2) {
            qtest_outb(q, (uint16_t)(RAISE + i), 0);
        }
    }
    init(q);
    qtest_outb(q, RAISE + 6, 1);
    g_assert_cmphex(ask(q, MASTER, POLL), ==, 0x86);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pic/registers", test_registers);
    g_test_add_func("/pic/edge", test_edge);
    g_test_add_func("/pic/level", test_level);
    g_test_add_func("/pic/mask", test_mask);
    g_test_add_func("/pic/cascade", test_cascade);
    g_test_add_func("/pic/nonsense", test_nonsense);
    return g_test_run();
}
