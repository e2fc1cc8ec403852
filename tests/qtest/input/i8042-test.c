/*
 * i8042 over its ports: the controller's commands, keyboard and mouse behind it, interrupts, reset.
 */
#include <glib.h>
#include "libqtest.h"

enum { DATA = 0x60, STATUS = 0x64, KBD_IRQ = 1, MOUSE_IRQ = 12, FULL = 0x01, FROM_MOUSE = 0x20 };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults");

    qtest_intercept_in(q, "ioapic");
    return q;
}

static uint8_t ask(Qtest *q, uint8_t command)
{
    qtest_outb(q, STATUS, command);
    g_assert_cmphex(qtest_inb(q, STATUS) & (FULL | FROM_MOUSE), ==, FULL);
    return qtest_inb(q, DATA);
}

static void set_mode(Qtest *q, uint8_t mode)
{
    qtest_outb(q, STATUS, 0x60);
    qtest_outb(q, DATA, mode);
}

static void test_controller(void)
{
    Qtest *q = start();

    g_assert_cmphex(qtest_inb(q, STATUS), ==, 0x10);
    g_assert_cmphex(ask(q, 0x20), ==, 0x03);
    g_assert_cmphex(ask(q, 0xaa), ==, 0x55);
    g_assert_cmphex(qtest_inb(q, STATUS) & 0x04, ==, 0x04);
    g_assert_cmphex(ask(q, 0xab), ==, 0x00);
    g_assert_cmphex(ask(q, 0xa9), ==, 0x00);
    set_mode(q, 0x44);
    g_assert_cmphex(ask(q, 0x20), ==, 0x44);
    qtest_outb(q, STATUS, 0xa7);
    g_assert_cmphex(ask(q, 0x20), ==, 0x64);
    qtest_outb(q, STATUS, 0xad);
    g_assert_cmphex(ask(q, 0x20), ==, 0x74);
    qtest_outb(q, STATUS, 0xa8);
    qtest_outb(q, STATUS, 0xae);
    g_assert_cmphex(ask(q, 0x20), ==, 0x44);
    g_assert_cmphex(ask(q, 0xd0) & 0x03, ==, 0x03);
    qtest_outb(q, STATUS, 0xdd);            /* A20 down */
    g_assert_cmphex(ask(q, 0xd0) & 0x03, ==, 0x01);
    qtest_reset(q);
    g_assert_cmphex(ask(q, 0x20), ==, 0x03);
    g_assert_cmphex(ask(q, 0xd0) & 0x03, ==, 0x03);
    qtest_quit(q);
}

static void test_keyboard(void)
{
    Qtest *q = start();

    set_mode(q, 0x01);                      /* interrupt, no translation */
    qtest_outb(q, DATA, 0xff);              /* reset: acknowledged, tested */
    g_assert_true(qtest_irq(q, KBD_IRQ));
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xfa);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xaa);
    g_assert_false(qtest_irq(q, KBD_IRQ));
    qtest_outb(q, DATA, 0xf2);              /* identify */
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xfa);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xab);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x83);
    qtest_outb(q, DATA, 0xee);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xee);
    qtest_outb(q, DATA, 0xf4);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xfa);
    set_mode(q, 0x01);
    qtest_outb(q, STATUS, 0xd2);            /* as if the keyboard had sent it */
    qtest_outb(q, DATA, 0x5a);
    g_assert_true(qtest_irq(q, KBD_IRQ));
    g_assert_cmphex(qtest_inb(q, STATUS) & (FULL | FROM_MOUSE), ==, FULL);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x5a);
    set_mode(q, 0x00);
    qtest_outb(q, STATUS, 0xd3);            /* and the mouse */
    qtest_outb(q, DATA, 0xa5);
    g_assert_cmphex(qtest_inb(q, STATUS) & (FULL | FROM_MOUSE), ==, FULL | FROM_MOUSE);
    g_assert_false(qtest_irq(q, MOUSE_IRQ));
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xa5);
    qtest_quit(q);
}

static void to_mouse(Qtest *q, uint8_t value)
{
    qtest_outb(q, STATUS, 0xd4);
    qtest_outb(q, DATA, value);
    g_assert_true(qtest_irq(q, MOUSE_IRQ));
    g_assert_cmphex(qtest_inb(q, STATUS) & (FULL | FROM_MOUSE), ==, FULL | FROM_MOUSE);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xfa);
}

static void test_mouse(void)
{
    Qtest *q = start();

    set_mode(q, 0x02);
    to_mouse(q, 0xff);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0xaa);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x00);
    to_mouse(q, 0xf2);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x00);
    to_mouse(q, 0xf4);
    to_mouse(q, 0xe8);
    to_mouse(q, 0x02);                      /* resolution */
    to_mouse(q, 0xe9);                      /* status */
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x20);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x02);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 100);
    g_assert_false(qtest_irq(q, MOUSE_IRQ));
    to_mouse(q, 0xeb);                      /* a packet: nothing moved */
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x08);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x00);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x00);
    qtest_quit(q);
}

/* Every command to each of the three is survived (0xf0 and so on may reset the machine: those are left out). */
static void test_nonsense(void)
{
    Qtest *q = start();

    for (unsigned value = 0; value < 0xf0; value++) {
        qtest_outb(q, STATUS, (uint8_t)value);
        qtest_outb(q, DATA, (uint8_t)value | 1);
        qtest_outb(q, DATA, (uint8_t)value);
        qtest_outb(q, STATUS, 0xd4);
        qtest_outb(q, DATA, (uint8_t)value);
        qtest_inw(q, DATA);
        qtest_inl(q, DATA);
    }
    qtest_reset(q);
    g_assert_cmphex(ask(q, 0xaa), ==, 0x55);
    qtest_outb(q, STATUS, 0xfe);            /* pulses the reset line */
    json_object_put(qtest_event(q, "RESET"));
    qtest_quit(q);
}

/* Make and break codes of the set in use, as they come to the port. */
static void expect_codes(Qtest *q, const uint8_t *codes, size_t nr)
{
    for (size_t i = 0; i < nr; i++) {
        g_assert_cmphex(qtest_inb(q, STATUS) & (FULL | FROM_MOUSE), ==, FULL);
        g_assert_cmphex(qtest_inb(q, DATA), ==, codes[i]);
    }
    g_assert_cmphex(qtest_inb(q, STATUS) & FULL, ==, 0);
}
#define EXPECT_CODES(q, ...) \
    expect_codes(q, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void refused(Qtest *q, const char *json)
{
    json_object *answer = qtest_qmp(q, json);

    g_assert_true(json_object_object_get_ex(answer, "error", NULL));
    json_object_put(answer);
}

static void test_send_key(void)
{
    Qtest *q = start();

    set_mode(q, 0x41);                      /* translated to set 1 */
    qtest_ok(q, "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"ctrl\"},"
                "{\"type\":\"number\",\"data\":203}],\"hold-time\":20}}");
    EXPECT_CODES(q, 0x1d, 0xe0, 0x4b);
    qtest_clock_step(q, 19000000);
    EXPECT_CODES(q);
    qtest_clock_step(q, 1000000);           /* released in the reverse order */
    EXPECT_CODES(q, 0xe0, 0xcb, 0x9d);
    qtest_ok(q, "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"sendkey shift-a 30\"}}");
    EXPECT_CODES(q, 0x2a, 0x1e);
    qtest_clock_step(q, 30000000);
    EXPECT_CODES(q, 0x9e, 0xaa);
    refused(q, "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"nosuch\"}]}}");
    refused(q, "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"number\",\"data\":0}]}}");
    refused(q, "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[],\"hold-time\":-1}}");
    EXPECT_CODES(q);
    qtest_ok(q, "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"a\"}]}}");
    qtest_quit(q);                          /* with a key still held */
}

static void test_send_event(void)
{
    Qtest *q = start();

    set_mode(q, 0x43);
    qtest_ok(q, "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"key\",\"data\":{\"down\":true,"
                "\"key\":{\"type\":\"qcode\",\"data\":\"open\"}}},{\"type\":\"key\",\"data\":{\"down\":true,"
                "\"key\":{\"type\":\"qcode\",\"data\":\"q\"}}}]}}");
    EXPECT_CODES(q, 0x10);                  /* a PS/2 keyboard has no key "open" */
    to_mouse(q, 0xf4);
    qtest_ok(q, "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"btn\",\"data\":{\"down\":true,"
                "\"button\":\"left\"}},{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":5}},"
                "{\"type\":\"rel\",\"data\":{\"axis\":\"y\",\"value\":-3}}]}}");
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x09);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 5);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 3);
    refused(q, "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"abs\",\"data\":{"
               "\"axis\":\"x\",\"value\":5}}]}}");
    refused(q, "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"rel\",\"data\":{"
               "\"axis\":\"x\",\"value\":5000000000}}]}}");
    refused(q, "{\"execute\":\"input-send-event\",\"arguments\":{\"device\":\"nosuch\",\"events\":[]}}");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8042/controller", test_controller);
    g_test_add_func("/i8042/keyboard", test_keyboard);
    g_test_add_func("/i8042/mouse", test_mouse);
    g_test_add_func("/i8042/send-key", test_send_key);
    g_test_add_func("/i8042/send-event", test_send_event);
    g_test_add_func("/i8042/nonsense", test_nonsense);
    return g_test_run();
}
