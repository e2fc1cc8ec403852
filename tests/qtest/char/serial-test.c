/*
 * isa-serial over its ports: reset values, access kinds, FIFO, interrupts, character time-out, limits of properties.
 */
#include <glib.h>
#include <string.h>
#include "libqtest.h"

enum { COM1 = 0x3f8, IRQ = 4, DATA = COM1, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -chardev ringbuf,id=r0 -device isa-serial,chardev=r0");

    qtest_intercept_in(q, "ioapic");
    return q;
}

static char *sent(Qtest *q)
{
    json_object *answer =
        qtest_qmp(q, "{\"execute\": \"ringbuf-read\", \"arguments\": {\"device\": \"r0\", \"size\": 64}}");
    json_object *text;
    char *copy;

    g_assert_true(json_object_object_get_ex(answer, "return", &text));
    copy = g_strdup(json_object_get_string(text));
    json_object_put(answer);
    return copy;
}

static void check_at_reset(Qtest *q)
{
    g_assert_cmphex(qtest_inb(q, IER), ==, 0);
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0x01);
    g_assert_cmphex(qtest_inb(q, LCR), ==, 0);
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x60);
    g_assert_cmphex(qtest_inb(q, MSR), ==, 0xb0);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0);
    g_assert_false(qtest_irq(q, IRQ));
}

static void test_registers(void)
{
    Qtest *q = start();

    check_at_reset(q);
    g_assert_cmphex(qtest_inb(q, SCR), ==, 0);
    qtest_outb(q, IER, 0xf0);               /* only four enables exist */
    g_assert_cmphex(qtest_inb(q, IER), ==, 0);
    qtest_outb(q, MCR, 0xe3);
    g_assert_cmphex(qtest_inb(q, MCR), ==, 0x03);
    qtest_outb(q, SCR, 0x5a);
    g_assert_cmphex(qtest_inb(q, SCR), ==, 0x5a);
    qtest_outb(q, LSR, 0xff);               /* RO */
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x60);
    qtest_outb(q, MSR, 0x00);               /* RO */
    g_assert_cmphex(qtest_inb(q, MSR) & 0xf0, ==, 0xb0);
    qtest_outb(q, LCR, 0x83);               /* the divisor, and not the data and IER */
    qtest_outb(q, DATA, 0x34);
    qtest_outb(q, IER, 0x12);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x34);
    g_assert_cmphex(qtest_inb(q, IER), ==, 0x12);
    qtest_outb(q, LCR, 0x03);
    g_assert_cmphex(qtest_inb(q, IER), ==, 0);
    qtest_reset(q);
    check_at_reset(q);
    qtest_outb(q, LCR, 0x80);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 12);
    qtest_quit(q);
}

/* Wider accesses are as many of a byte, in the order of the ports. */
static void test_sizes(void)
{
    Qtest *q = start();

    qtest_outb(q, SCR, 0xa5);
    qtest_outb(q, MCR, 0x0b);
    g_assert_cmphex(qtest_inw(q, MSR), ==, 0xa5b0);
    g_assert_cmphex(qtest_inl(q, MCR), ==, 0xa5b0600b);
    qtest_outw(q, MSR, 0x77ff);
    g_assert_cmphex(qtest_inb(q, SCR), ==, 0x77);
    qtest_outl(q, MCR, 0x11000008);
    g_assert_cmphex(qtest_inb(q, SCR), ==, 0x11);
    g_assert_cmphex(qtest_inb(q, MCR), ==, 0x08);
    qtest_quit(q);
}

static void test_transmit(void)
{
    Qtest *q = start();
    g_autofree char *text = NULL;

    qtest_outb(q, IER, 0x02);               /* an empty transmitter interrupts at once */
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0x02);
    g_assert_false(qtest_irq(q, IRQ));      /* reading IIR acknowledged it */
    qtest_outb(q, DATA, 'h');
    g_assert_true(qtest_irq(q, IRQ));
    qtest_outb(q, DATA, 'i');
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x60);
    text = sent(q);
    g_assert_cmpstr(text, ==, "hi");
    qtest_quit(q);
}

/* In loopback what is sent is received, and the outputs are the inputs. */
static void test_loopback(void)
{
    Qtest *q = start();
    g_autofree char *text = NULL;

    qtest_outb(q, MCR, 0x10);
    g_assert_cmphex(qtest_inb(q, MSR) & 0xf0, ==, 0);
    qtest_outb(q, MCR, 0x1f);
    g_assert_cmphex(qtest_inb(q, MSR) & 0xf0, ==, 0xf0);
    qtest_outb(q, MCR, 0x1a);
    g_assert_cmphex(qtest_inb(q, MSR) & 0xf0, ==, 0x90);
    g_assert_cmphex(qtest_inb(q, MSR) & 0x0f, ==, 0);   /* the deltas went with the reading */
    qtest_outb(q, IER, 0x01);
    qtest_outb(q, DATA, 0x42);
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0x04);
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x61);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x42);
    g_assert_false(qtest_irq(q, IRQ));
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x60);
    qtest_outb(q, IER, 0x04);
    qtest_outb(q, DATA, 1);
    qtest_outb(q, DATA, 2);                 /* nobody read the first: overrun */
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0x06);
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x63);
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x61);
    g_assert_false(qtest_irq(q, IRQ));
    text = sent(q);
    g_assert_cmpstr(text, ==, "");
    qtest_quit(q);
}

static void test_fifo(void)
{
    Qtest *q = start();

    qtest_outb(q, IIR, 0x47);               /* on, cleared, trigger at 4 */
    qtest_outb(q, MCR, 0x10);
    qtest_outb(q, IER, 0x01);
    qtest_outb(q, DATA, 1);
    qtest_outb(q, DATA, 2);
    qtest_outb(q, DATA, 3);
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0xc1);
    qtest_outb(q, DATA, 4);
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0xc4);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 1);
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0xc1);
    qtest_clock_step(q, 100 * 1000 * 1000); /* four characters of 9600 baud are 4 ms */
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0xcc);
    g_assert_true(qtest_irq(q, IRQ));
    g_assert_cmphex(qtest_inb(q, DATA), ==, 2);
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0xc1);
    for (unsigned i = 0; i < 40; i++) {     /* more than there is room for */
        qtest_outb(q, DATA, (uint8_t)(0x80 + i));
    }
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x63);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 3);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 4);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x80);
    qtest_outb(q, IIR, 0x00);               /* switching it off empties it */
    g_assert_cmphex(qtest_inb(q, LSR), ==, 0x60);
    g_assert_cmphex(qtest_inb(q, IIR), ==, 0x01);
    qtest_quit(q);
}

static void test_properties(void)
{
    qtest_refused("-M q35 -nodefaults -device isa-serial,index=4", "index");
    qtest_refused("-M q35 -nodefaults -device isa-serial,irq=16", "irq");
    qtest_refused("-M q35 -nodefaults -device isa-serial,chardev=none", "none");
    qtest_refused("-M q35 -nodefaults -device isa-serial,nonsense=1", "nonsense");
}

static void test_second(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device isa-serial -device isa-serial "
                           "-device isa-serial,iobase=0x300,irq=5,index=2");

    qtest_intercept_in(q, "ioapic");
    qtest_outb(q, 0x2f9, 0x02);
    g_assert_true(qtest_irq(q, 3));
    qtest_outb(q, 0x301, 0x02);
    g_assert_true(qtest_irq(q, 5));
    g_assert_false(qtest_irq(q, 4));
    qtest_quit(q);
}

/* -serial takes COM1 by name, whatever order the devices are made in: the other one is COM2. */
static void test_numbers(void)
{
    static const char *const lines[] = {
        "-M q35 -m 16 -nodefaults -serial null -device isa-serial",
        "-M q35 -m 16 -nodefaults -device isa-serial -serial null",
        "-M q35 -m 16 -nodefaults -device isa-serial,index=0 -device isa-serial",
        "-M q35 -m 16 -nodefaults -device isa-serial,index=1 -device isa-serial",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Qtest *q = qtest_start(lines[i]);

        g_assert_cmphex(qtest_inb(q, LSR), ==, 0x60);
        g_assert_cmphex(qtest_inb(q, LSR - 0x100), ==, 0x60);
        qtest_outb(q, SCR, 0x5a);
        g_assert_cmphex(qtest_inb(q, SCR - 0x100), ==, 0);
        g_assert_cmphex(qtest_inb(q, 0x3ed), ==, 0xff);
        qtest_quit(q);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/serial/registers", test_registers);
    g_test_add_func("/serial/sizes", test_sizes);
    g_test_add_func("/serial/transmit", test_transmit);
    g_test_add_func("/serial/loopback", test_loopback);
    g_test_add_func("/serial/fifo", test_fifo);
    g_test_add_func("/serial/properties", test_properties);
    g_test_add_func("/serial/second", test_second);
    g_test_add_func("/serial/numbers", test_numbers);
    return g_test_run();
}
