/*
 * mc146818rtc over its ports: time of day, registers A to D, alarm, periodic and update interrupts, memory, reset.
 */
#include <glib.h>
#include "libqtest.h"

enum { IRQ = 8, SEC = 0, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WEEKDAY, DAY, MONTH, YEAR, A, B, C, D,
       CENTURY = 0x32 };
enum { MS = 1000 * 1000, PORT = 0x70 };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -rtc base=2022-01-31T23:59:58,clock=vm");

    qtest_intercept_in(q, "ioapic");
    return q;
}

static uint8_t get(Qtest *q, uint8_t reg)
{
    qtest_outb(q, PORT, reg);
    return qtest_inb(q, PORT + 1);
}

static void put(Qtest *q, uint8_t reg, uint8_t value)
{
    qtest_outb(q, PORT, reg);
    qtest_outb(q, PORT + 1, value);
}

static void test_registers(void)
{
    Qtest *q = start();

    g_assert_cmphex(get(q, A), ==, 0x26);
    g_assert_cmphex(get(q, B), ==, 0x02);
    g_assert_cmphex(get(q, C), ==, 0x00);
    g_assert_cmphex(get(q, D), ==, 0x80);
    g_assert_cmphex(qtest_inb(q, PORT), ==, 0xff);
    put(q, C, 0xff);                        /* RO */
    put(q, D, 0x00);                        /* RO */
    g_assert_cmphex(get(q, C), ==, 0x00);
    g_assert_cmphex(get(q, D), ==, 0x80);
    put(q, A, 0xa6);                        /* UIP is RO */
    g_assert_cmphex(get(q, A), ==, 0x26);
    put(q, 0x50, 0x5a);
    put(q, 0x7f, 0xa5);
    g_assert_cmphex(get(q, 0xd0), ==, 0x5a);    /* bit 7 of the index is the mask of NMI */
    g_assert_cmphex(get(q, 0x7f), ==, 0xa5);
    qtest_outw(q, PORT, 0x3350);            /* index and data at once */
    g_assert_cmphex(get(q, 0x50), ==, 0x33);
    put(q, B, 0x7a);
    qtest_reset(q);
    g_assert_cmphex(get(q, B), ==, 0x02);
    g_assert_cmphex(get(q, 0x50), ==, 0x33);    /* memory has a battery */
    g_assert_cmphex(get(q, 0x7f), ==, 0xa5);
    qtest_quit(q);
}

static void test_time(void)
{
    Qtest *q = start();

    g_assert_cmphex(get(q, SEC), ==, 0x58);
    g_assert_cmphex(get(q, MIN), ==, 0x59);
    g_assert_cmphex(get(q, HOUR), ==, 0x23);
    g_assert_cmphex(get(q, WEEKDAY), ==, 2);
    g_assert_cmphex(get(q, DAY), ==, 0x31);
    g_assert_cmphex(get(q, MONTH), ==, 0x01);
    g_assert_cmphex(get(q, YEAR), ==, 0x22);
    g_assert_cmphex(get(q, CENTURY), ==, 0x20);
    g_assert_cmphex(get(q, 0x37), ==, 0x20);    /* the PS/2's place for it */
    qtest_clock_step(q, 999 * MS + 900 * 1000);
    g_assert_cmphex(get(q, A), ==, 0xa6);   /* about to update */
    qtest_clock_step(q, 100 * 1000);
    g_assert_cmphex(get(q, A), ==, 0x26);
    g_assert_cmphex(get(q, SEC), ==, 0x59);
    qtest_clock_step(q, 1000 * MS);
    g_assert_cmphex(get(q, SEC), ==, 0);
    g_assert_cmphex(get(q, HOUR), ==, 0);
    g_assert_cmphex(get(q, WEEKDAY), ==, 3);
    g_assert_cmphex(get(q, DAY), ==, 1);
    g_assert_cmphex(get(q, MONTH), ==, 2);
    put(q, B, 0x82);                        /* halted */
    put(q, SEC, 0x30);
    put(q, MIN, 0x45);
    put(q, HOUR, 0x13);
    put(q, DAY, 0x28);
    qtest_clock_step(q, INT64_C(5000) * MS);
    g_assert_cmphex(get(q, SEC), ==, 0x30);
    put(q, B, 0x04);                        /* binary, 12 hours: what is halted is not converted */
    put(q, B, 0x84);
    put(q, SEC, 59);
    put(q, MIN, 59);
    put(q, HOUR, 0x80 | 11);
    put(q, DAY, 28);
    put(q, MONTH, 2);
    put(q, YEAR, 24);
    put(q, B, 0x04);
    qtest_clock_step(q, 1000 * MS);
    g_assert_cmphex(get(q, HOUR), ==, 12);  /* midnight */
    g_assert_cmphex(get(q, DAY), ==, 29);   /* 2024 is a leap year */
    g_assert_cmphex(get(q, YEAR), ==, 24);
    qtest_quit(q);
}

static void test_periodic(void)
{
    Qtest *q = start();

    put(q, B, 0x42);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 1 * MS);            /* 1024 Hz */
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(get(q, C), ==, 0xc0);
    g_assert_false(qtest_irq(q, IRQ));
    g_assert_cmphex(get(q, C), ==, 0x00);
    put(q, A, 0x2f);                        /* 2 Hz */
    get(q, C);
    qtest_clock_step(q, 400 * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 200 * MS);
    g_assert_true(qtest_irq(q, IRQ));
    put(q, A, 0x20);                        /* none */
    get(q, C);
    qtest_clock_step(q, INT64_C(3000) * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_quit(q);
}

static void test_update(void)
{
    Qtest *q = start();

    put(q, B, 0x12);
    qtest_clock_step(q, 999 * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 1 * MS);
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(get(q, C) & 0xb0, ==, 0x90);
    put(q, B, 0x92);                        /* SET switches it off */
    g_assert_cmphex(get(q, B), ==, 0x82);
    qtest_clock_step(q, 2000 * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_quit(q);
}

static void test_alarm(void)
{
    Qtest *q = start();

    put(q, SEC_ALARM, 0x03);
    put(q, MIN_ALARM, 0x00);
    put(q, HOUR_ALARM, 0xc0);               /* any */
    put(q, B, 0x22);
    qtest_clock_step(q, INT64_C(4900) * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, 200 * MS);
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(get(q, C) & 0xa0, ==, 0xa0);
    qtest_clock_step(q, INT64_C(3599000) * MS);
    g_assert_false(qtest_irq(q, IRQ));
    qtest_clock_step(q, INT64_C(1000) * MS);
    g_assert_true(qtest_irq(q, IRQ));
    qtest_quit(q);
}

/* Nothing that a guest writes there may hurt. */
static void test_nonsense(void)
{
    Qtest *q = start();

    put(q, B, 0x82);
    for (uint8_t reg = SEC; reg <= YEAR; reg++) {
        put(q, reg, 0xff);
    }
    put(q, CENTURY, 0xff);
    put(q, B, 0x72);
    qtest_clock_step(q, INT64_C(2000) * MS);
    get(q, C);
    g_assert_cmphex(get(q, D), ==, 0x80);
    put(q, A, 0x7f);
    qtest_clock_step(q, INT64_C(2000) * MS);
    g_assert_cmphex(get(q, A), ==, 0x7f);
    qtest_quit(q);
}

static void test_options(void)
{
    qtest_refused("-M q35 -nodefaults -rtc base=yesterday", "yesterday");
    qtest_refused("-M q35 -nodefaults -rtc clock=sun", "sun");
    qtest_refused("-M q35 -nodefaults -global mc146818rtc.lost_tick_policy=none", "lost_tick_policy");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtc/registers", test_registers);
    g_test_add_func("/rtc/time", test_time);
    g_test_add_func("/rtc/periodic", test_periodic);
    g_test_add_func("/rtc/update", test_update);
    g_test_add_func("/rtc/alarm", test_alarm);
    g_test_add_func("/rtc/nonsense", test_nonsense);
    g_test_add_func("/rtc/options", test_options);
    return g_test_run();
}
