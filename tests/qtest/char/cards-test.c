/*
 * pci-serial-2x and -4x: each UART behind its eight ports, one pin for all. isa-parallel: strobes, busy, interrupt.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-pci.h"

enum { BASE = 0xc000, STEP = 8, IER = 1, IIR = 2, SCR = 7, DATA = 0 };

static char *sent(Qtest *q, const char *id)
{
    g_autofree char *json = g_strdup_printf(
        "{\"execute\": \"ringbuf-read\", \"arguments\": {\"device\": \"%s\", \"size\": 64}}", id);
    json_object *answer = qtest_qmp(q, json);
    json_object *text;
    char *copy;

    g_assert_true(json_object_object_get_ex(answer, "return", &text));
    copy = g_strdup(json_object_get_string(text));
    json_object_put(answer);
    return copy;
}

static void check_card(const char *type, unsigned nr, unsigned device_id)
{
    g_autofree char *args = g_strdup_printf("-M q35 -m 16 -nodefaults -chardev ringbuf,id=r0 -chardev ringbuf,id=r1 "
                                            "-device %s,addr=3,chardev1=r0,chardev2=r1", type);
    Qtest *q = qtest_start(args);
    uint32_t bdf = qpci_bdf(0, 3, 0);
    g_autofree char *first = NULL, *second = NULL;

    g_assert_cmphex(qpci_readl(q, bdf, 0), ==, device_id << 16 | 0x1b36);
    g_assert_cmphex(qpci_readl(q, bdf, 8), ==, 0x07000201);
    qpci_writel(q, bdf, 0x10, UINT32_MAX);
    g_assert_cmphex(qpci_readl(q, bdf, 0x10), ==, (0xffffffffu & ~(nr * STEP - 1)) | 1);
    qpci_writel(q, bdf, 0x10, BASE);
    qpci_writew(q, bdf, 4, 1);
    qtest_intercept_in(q, "ioapic");
    for (unsigned i = 0; i < nr; i++) {
        qtest_outb(q, BASE + i * STEP + SCR, 0x50 + i);
    }
    for (unsigned i = 0; i < nr; i++) {
        g_assert_cmphex(qtest_inb(q, BASE + i * STEP + SCR), ==, 0x50 + i);
    }
    qtest_outb(q, BASE + DATA, 'a');
    qtest_outb(q, BASE + STEP + DATA, 'b');
    first = sent(q, "r0");
    second = sent(q, "r1");
    g_assert_cmpstr(first, ==, "a");
    g_assert_cmpstr(second, ==, "b");
    g_assert_false(qpci_intx(q));
    qtest_outb(q, BASE + IER, 2);                               /* both transmitters are empty */
    qtest_outb(q, BASE + (nr - 1) * STEP + IER, 2);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_inb(q, BASE + IIR), ==, 2);           /* acknowledged there, not here */
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_inb(q, BASE + (nr - 1) * STEP + IIR), ==, 2);
    g_assert_false(qpci_intx(q));
    qtest_reset(q);
    qpci_writel(q, bdf, 0x10, BASE);
    qpci_writew(q, bdf, 4, 1);
    g_assert_cmphex(qtest_inb(q, BASE + SCR), ==, 0);
    qtest_quit(q);
}

static void test_two(void)
{
    check_card("pci-serial-2x", 2, 3);
}

static void test_four(void)
{
    check_card("pci-serial-4x", 4, 4);
}

static void test_serial_refused(void)
{
    qtest_refused("-M q35 -nodefaults -chardev null,id=c -device pci-serial-2x,chardev1=c,chardev2=c", "c");
    qtest_refused("-M q35 -nodefaults -device pci-serial-2x,chardev3=c", "chardev3");
}

/* --- parallel --- */

enum { LPT = 0x378, STATUS = LPT + 1, CONTROL = LPT + 2, LPT_IRQ = 7, STROBE = 1, READY = 0xd8, SELECTED = 0x0c, ENABLE = 0x10 };

static void print(Qtest *q, char c)
{
    qtest_outb(q, LPT, (uint8_t)c);
    qtest_outb(q, CONTROL, SELECTED | STROBE);
    g_assert_cmphex(qtest_inb(q, STATUS), ==, READY & 0x7f);
    qtest_outb(q, CONTROL, SELECTED);
    g_assert_cmphex(qtest_inb(q, STATUS), ==, READY);
}

static void test_parallel(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -chardev ringbuf,id=r0 -parallel chardev:r0");
    g_autofree char *text = NULL, *nothing = NULL;

    g_assert_cmphex(qtest_inb(q, LPT), ==, 0xff);
    g_assert_cmphex(qtest_inb(q, STATUS), ==, READY);
    g_assert_cmphex(qtest_inb(q, CONTROL), ==, 0xc0 | SELECTED);
    qtest_outb(q, STATUS, 0);                                   /* RO */
    g_assert_cmphex(qtest_inb(q, STATUS), ==, READY);
    print(q, 'o');
    print(q, 'k');
    text = sent(q, "r0");
    g_assert_cmpstr(text, ==, "ok");
    qtest_outb(q, CONTROL, STROBE);                             /* not selected: nobody listens */
    qtest_outb(q, CONTROL, SELECTED);
    nothing = sent(q, "r0");
    g_assert_cmpstr(nothing, ==, "");
    qtest_outb(q, CONTROL, 0x20 | SELECTED);                    /* input: nothing drives the lines */
    qtest_outb(q, LPT, 0x12);
    g_assert_cmphex(qtest_inb(q, LPT), ==, 0xff);
    qtest_outb(q, CONTROL, SELECTED);
    g_assert_cmphex(qtest_inb(q, LPT), ==, 0x12);
    qtest_quit(q);
}

/* The interrupt comes with the end of the strobe and goes with a look at the status. */
static void test_parallel_irq(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -chardev null,id=n -device isa-parallel,chardev=n");

    qtest_intercept_in(q, "ioapic");
    print(q, 'x');
    g_assert_false(qtest_irq(q, LPT_IRQ));
    qtest_outb(q, CONTROL, SELECTED | ENABLE | STROBE);
    g_assert_false(qtest_irq(q, LPT_IRQ));
    qtest_outb(q, CONTROL, SELECTED | ENABLE);
    g_assert_true(qtest_irq(q, LPT_IRQ));
    g_assert_cmphex(qtest_inb(q, STATUS), ==, READY);
    g_assert_false(qtest_irq(q, LPT_IRQ));
    qtest_quit(q);
    qtest_refused("-M q35 -nodefaults -device isa-parallel", "empty char device");
    qtest_refused("-M q35 -nodefaults -chardev null,id=n -device isa-parallel,chardev=n,index=3", "must be 0 to 2");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cards/serial-2x", test_two);
    g_test_add_func("/cards/serial-4x", test_four);
    g_test_add_func("/cards/serial-refused", test_serial_refused);
    g_test_add_func("/cards/parallel", test_parallel);
    g_test_add_func("/cards/parallel-irq", test_parallel_irq);
    return g_test_run();
}
