/*
 * isa-pcspk, port 0x61: gate and output of the PIT's channel 2, the refresh toggle, odd sizes, reset; and isa-debugcon.
 * Spec: IBM PC/AT Technical Reference, port 61h; Bochs user manual, "port_e9_hack".
 */
#include <glib.h>
#include <string.h>
#include "libqtest.h"

enum { PORT = 0x61, GATE = 1, SPEAKER = 2, REFRESH = 0x10, OUT = 0x20, CHANNEL_2 = 0x42, CONTROL = 0x43, REFRESH_NS = 15085 };

static uint8_t get(Qtest *q)
{
    return qtest_inb(q, PORT) & (uint8_t)~REFRESH;
}

static void test_gate(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults");
    uint8_t first;

    g_assert_cmphex(get(q) & 0x0f, ==, 0);
    qtest_outb(q, PORT, 0xfc);                          /* RO */
    g_assert_cmphex(get(q) & ~OUT, ==, 0);
    qtest_outb(q, CONTROL, 0xb0);                       /* channel 2: mode 0, high after 1000 ticks */
    qtest_outb(q, CHANNEL_2, 1000 & 0xff);
    qtest_outb(q, CHANNEL_2, 1000 >> 8);
    qtest_clock_step(q, 10000000);
    g_assert_cmphex(get(q), ==, 0);                     /* the gate is low: it does not count */
    qtest_outb(q, PORT, GATE | SPEAKER);
    g_assert_cmphex(get(q), ==, GATE | SPEAKER);
    qtest_clock_step(q, 500000);
    g_assert_cmphex(get(q), ==, GATE | SPEAKER);
    qtest_outb(q, PORT, 0);                             /* stopped in the middle, */
    qtest_clock_step(q, 10000000);
    g_assert_cmphex(get(q), ==, 0);
    qtest_outb(q, PORT, GATE);                          /* and on */
    qtest_clock_step(q, 400000);
    g_assert_cmphex(get(q), ==, GATE | OUT);
    first = qtest_inb(q, PORT);
    qtest_clock_step(q, REFRESH_NS);
    g_assert_cmphex((first ^ qtest_inb(q, PORT)) & REFRESH, ==, REFRESH);
    qtest_inl(q, PORT);
    qtest_outw(q, PORT, 0xff02);
    qtest_reset(q);
    g_assert_cmphex(get(q) & 0x0f, ==, 0);
    qtest_quit(q);
}

static void test_debugcon(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -chardev ringbuf,id=c,size=64 "
                           "-device isa-debugcon,iobase=0x402,readback=0x5a,chardev=c "
                           "-chardev null,id=n -device isa-debugcon,chardev=n");
    json_object *answer, *text;

    g_assert_cmphex(qtest_inb(q, 0x402), ==, 0x5a);
    g_assert_cmphex(qtest_inb(q, 0xe9), ==, 0xe9);
    qtest_outb(q, 0xe9, 'x');                           /* nobody listens */
    qtest_outb(q, 0x402, 'O');
    qtest_outw(q, 0x402, 'K');
    answer = qtest_qmp(q, "{\"execute\": \"ringbuf-read\", \"arguments\": {\"device\": \"c\", \"size\": 8}}");
    g_assert_true(json_object_object_get_ex(answer, "return", &text));
    g_assert_cmpstr(json_object_get_string(text), ==, "OK");
    json_object_put(answer);
    qtest_quit(q);
    qtest_refused("-M q35 -device isa-debugcon", "chardev");
    qtest_refused("-M q35 -chardev null,id=n -device isa-debugcon,chardev=n,iobase=0x10000", "iobase");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pcspk/gate", test_gate);
    g_test_add_func("/pcspk/debugcon", test_debugcon);
    return g_test_run();
}
