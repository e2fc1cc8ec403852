/*
 * isa-pit over its ports: modes, latches, read-back, the interrupt of channel 0, the speaker port's view of channel 2.
 */
#include <glib.h>
#include "libqtest.h"

enum { CH0 = 0x40, CH1, CH2, CONTROL, SPEAKER = 0x61, IRQ = 0, US = 1000, MS = 1000 * US };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults");

    qtest_intercept_in(q, "ioapic");
    qtest_outb(q, CONTROL, 0x30);           /* OUT falls, if it was high */
    return q;
}

static void load(Qtest *q, uint16_t port, uint8_t control, uint16_t count)
{
    qtest_outb(q, CONTROL, control);
    qtest_outb(q, port, (uint8_t)count);
    qtest_outb(q, port, (uint8_t)(count >> 8));
}

static unsigned read_both(Qtest *q, uint16_t port)
{
    unsigned low = qtest_inb(q, port);

    return low | (unsigned)qtest_inb(q, port) << 8;
}

/* Time does not start on a tick: a count may be one off. */
static void check_near(unsigned value, unsigned expected)
{
    g_assert_cmpuint(value, >=, expected - 1);
    g_assert_cmpuint(value, <=, expected + 1);
}

static void test_terminal_count(void)
{
    Qtest *q = start();

    load(q, CH0, 0x30, 1193);               /* mode 0: 999.85 us */
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 999 * US);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 1 * US);
    g_assert_true(qtest_irq(q, IRQ));
    qtest_clock_step(q, 50 * MS);
    g_assert_true(qtest_irq(q, IRQ));       /* until the next count */
    qtest_outb(q, CH0, 0x00);
    qtest_outb(q, CH0, 0x10);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_quit(q);
}

static void test_square_wave(void)
{
    Qtest *q = start();

    load(q, CH0, 0x36, 11932);              /* 10 ms */
    g_assert_true(qtest_irq(q, IRQ));
    qtest_clock_step(q, 6 * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 5 * MS);
    g_assert_true(qtest_irq(q, IRQ));
    qtest_clock_step(q, 5 * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_quit(q);
}

static void test_latch(void)
{
    Qtest *q = start();

    load(q, CH2, 0xb4, 0x8000);             /* mode 2, GATE low: it does not count */
    qtest_clock_step(q, 1 * MS);
    g_assert_cmphex(read_both(q, CH2), ==, 0x8000);
    qtest_outb(q, SPEAKER, 0x01);           /* GATE rises: starts afresh */
    qtest_clock_step(q, 1 * MS);
    qtest_outb(q, CONTROL, 0x80);
    qtest_clock_step(q, 1 * MS);
    qtest_outb(q, CONTROL, 0x80);           /* a second latch is ignored */
    check_near(read_both(q, CH2), 0x8000 - 1193);
    check_near(read_both(q, CH2), 0x8000 - 2386);
    qtest_outb(q, CONTROL, 0x94);           /* low byte only */
    qtest_outb(q, CH2, 0x40);
    g_assert_cmphex(qtest_inb(q, CH2), ==, 0x40);
    g_assert_cmphex(qtest_inb(q, CH2), ==, 0x40);
    g_assert_cmphex(qtest_inb(q, CONTROL), ==, 0);      /* WO */
    qtest_quit(q);
}

static void test_read_back(void)
{
    Qtest *q = start();

    load(q, CH0, 0x34, 0x1234);
    qtest_outb(q, CONTROL, 0xc2);           /* count and status */
    g_assert_cmphex(qtest_inb(q, CH0), ==, 0xb4);
    check_near(read_both(q, CH0), 0x1234);
    qtest_outb(q, CONTROL, 0xb0);
    qtest_outb(q, CONTROL, 0xe8);           /* status of channel 2, without a count yet */
    g_assert_cmphex(qtest_inb(q, CH2), ==, 0x70);
    load(q, CH0, 0x35, 0x1000);             /* BCD */
    qtest_clock_step(q, 1 * MS - 180 * US); /* 978.4 ticks, less or more a part of one */
    qtest_outb(q, CONTROL, 0x00);
    g_assert_cmphex(read_both(q, CH0) & ~0x0003u, ==, 0x0020);
    qtest_quit(q);
}

/* Bit 5 of the speaker's port is OUT of channel 2. */
static void test_speaker(void)
{
    Qtest *q = start();

    load(q, CH2, 0xb0, 1193);
    qtest_outb(q, SPEAKER, 0x01);
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x23, ==, 0x01);
    qtest_clock_step(q, 1 * MS);
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x23, ==, 0x21);
    qtest_outb(q, SPEAKER, 0x02);
    g_assert_cmphex(qtest_inb(q, SPEAKER) & 0x03, ==, 0x02);
    qtest_quit(q);
}

/* The smallest and the largest counts in every mode: time goes on, and the program lives. */
static void test_extremes(void)
{
    Qtest *q = start();

    for (uint8_t mode = 0; mode < 8; mode++) {
        for (uint8_t bcd = 0; bcd < 2; bcd++) {
            load(q, CH0, (uint8_t)(0x30 | mode << 1 | bcd), 1);
            qtest_clock_step(q, 100 * US);
            load(q, CH0, (uint8_t)(0x30 | mode << 1 | bcd), 0);
            qtest_clock_step(q, 100 * MS);
            load(q, CH0, (uint8_t)(0x30 | mode << 1 | bcd), 0xffff);
            qtest_clock_step(q, 100 * US);
        }
    }
    load(q, CH0, 0x30, 100);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 1 * MS);
    g_assert_true(qtest_irq(q, IRQ));
    qtest_quit(q);
}

static void test_reset(void)
{
    Qtest *q = start();

    load(q, CH0, 0x30, 1);
    qtest_clock_step(q, 1 * MS);
    qtest_outb(q, CONTROL, 0xe2);
    g_assert_cmphex(qtest_inb(q, CH0), ==, 0xb0);
    qtest_reset(q);
    qtest_outb(q, CONTROL, 0xe2);
    g_assert_cmphex(qtest_inb(q, CH0) & 0x3f, ==, 0x36);     /* square wave: as firmware wants it */
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pit/terminal-count", test_terminal_count);
    g_test_add_func("/pit/square-wave", test_square_wave);
    g_test_add_func("/pit/latch", test_latch);
    g_test_add_func("/pit/read-back", test_read_back);
    g_test_add_func("/pit/speaker", test_speaker);
    g_test_add_func("/pit/extremes", test_extremes);
    g_test_add_func("/pit/reset", test_reset);
    return g_test_run();
}
