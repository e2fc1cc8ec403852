/*
 * The fixture device doorbell (docs/specs/doorbell.md): what a table-made device does.
 */
#include "hw-harness.h"

static void test_registers(void)
{
    Harness h;
    RhDevice *bell;

    harness_begin(&h);
    bell = harness_add(&h, "bell", "doorbell", NULL);
    g_assert_cmphex(harness_in(&h, 0x5e0, 4), ==, 0x000000ff);
    harness_out(&h, 0x5e0, 1, 1);
    g_assert_cmpint(h.irq[5], ==, 0);           /* masked */
    harness_out(&h, 0x5e2, 1, 0xff);
    g_assert_cmpint(h.irq[5], ==, 1);
    g_assert_cmphex(harness_in(&h, 0x5e0, 4), ==, 0x010101ff);
    harness_round_trip(&h, bell);
    harness_out(&h, 0x5e3, 1, 1);
    g_assert_cmpint(h.irq[5], ==, 0);
    for (unsigned i = 0; i < 300; i++) {
        harness_out(&h, 0x5e0, 1, 0);
    }
    g_assert_cmphex(harness_in(&h, 0x5e1, 1), ==, 255);
    rh_device_reset(bell);
    g_assert_cmpint(h.irq[5], ==, 0);
    g_assert_cmphex(harness_in(&h, 0x5e1, 1), ==, 0);
    harness_end(&h);
}

static void test_limits(void)
{
    Harness h;
    g_autoptr(GError) err = NULL;
    static const char *const props[] = { "irq", "16", NULL };

    harness_begin(&h);
    g_assert_null(rh_device_create(h.vm, h.vm->machine, "bad", "doorbell", &h.isa->parent, props, &err));
    g_assert_nonnull(strstr(err->message, "irq"));
    harness_end(&h);
}

static void test_bad_state(void)
{
    Harness h;
    RhDevice *bell;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    size_t pos = 0;

    harness_begin(&h);
    bell = harness_add(&h, "bell", "doorbell", NULL);
    rh_device_save(bell, bytes);
    bytes->data[bytes->len - 1] = 0x80;         /* STATUS has no such bit */
    g_assert_false(rh_device_load(bell, bytes->data, bytes->len, &pos, &err));
    g_assert_nonnull(strstr(err->message, "status"));
    harness_end(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/doorbell/registers", test_registers);
    g_test_add_func("/doorbell/limits", test_limits);
    g_test_add_func("/doorbell/bad-state", test_bad_state);
    return g_test_run();
}
