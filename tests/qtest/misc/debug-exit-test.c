/*
 * isa-debug-exit, pvpanic and port 0x92: the guest ends, panics or resets the machine.
 */
#include <glib.h>
#include "libqtest.h"

static void test_exit(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device isa-debug-exit");

    g_assert_cmphex(qtest_inb(q, 0x501), ==, 0);
    qtest_outb(q, 0x501, 0x21);
    g_assert_cmpint(qtest_exited(q), ==, 0x43);
    q = qtest_start("-M q35 -m 16 -nodefaults -device isa-debug-exit,iobase=0xf4,iosize=4");
    qtest_outl(q, 0xf4, 0);
    g_assert_cmpint(qtest_exited(q), ==, 1);
}

static void test_panic(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device pvpanic -action panic=pause");
    json_object *event;

    g_assert_cmphex(qtest_inb(q, 0x505), ==, 3);
    qtest_outb(q, 0x505, 0xfc);             /* no event that is known */
    qtest_outb(q, 0x505, 1);
    event = qtest_event(q, "GUEST_PANICKED");
    json_object_put(event);
    qtest_quit(q);
    q = qtest_start("-M q35 -m 16 -nodefaults -device pvpanic,ioport=0x600,events=1 -action panic=none");
    g_assert_cmphex(qtest_inb(q, 0x600), ==, 1);
    qtest_outb(q, 0x600, 1);
    event = qtest_event(q, "GUEST_PANICKED");
    json_object_put(event);
    qtest_quit(q);
}

static void test_port92(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults");

    qtest_outb(q, 0x92, 0x02);
    g_assert_cmphex(qtest_inb(q, 0x92) & 3, ==, 0x02);
    qtest_outb(q, 0x92, 0x03);
    json_object_put(qtest_event(q, "RESET"));
    g_assert_cmphex(qtest_inb(q, 0x92) & 1, ==, 0);
    qtest_quit(q);
}

static void test_properties(void)
{
    qtest_refused("-M q35 -nodefaults -device isa-debug-exit,iosize=9", "iosize");
    qtest_refused("-M q35 -nodefaults -device isa-debug-exit,iosize=0", "iosize");
    qtest_refused("-M q35 -nodefaults -device isa-debug-exit,iobase=0xffff", "iobase");
    qtest_refused("-M q35 -nodefaults -device pvpanic,events=8", "events");
    qtest_refused("-M q35 -nodefaults -device pvpanic,ioport=65536", "ioport");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/debug-exit/exit", test_exit);
    g_test_add_func("/pvpanic/panic", test_panic);
    g_test_add_func("/port92/reset", test_port92);
    g_test_add_func("/misc/properties", test_properties);
    return g_test_run();
}
