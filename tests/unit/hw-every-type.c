/*
 * Every device type that can stand alone or on the ISA bus: its state table covers its state; it can be made, reset,
 * saved, loaded, compared and removed with default properties. Types that need more are named.
 */
#include "hw-harness.h"

static bool check_coverage(const RhType *type, void *opaque)
{
    for (const RhType *at = type; at && rh_type_is(at, RH_TYPE_DEVICE); at = rh_type_parent(at)) {
        const RhState *state = &((const RhDeviceType *)at)->state;
        long hole = state->version ? rh_state_uncovered(state) : -1;

        if (hole >= 0) {
            g_test_message("'%s' has state that no field covers, at byte %ld", at->name, hole);
            g_test_fail();
        }
    }
    return true;
}

static bool foreach_device(const RhType *type, void *opaque)
{
    bool (*fn)(const RhType *type, void *opaque) = opaque;

    return type->is_abstract || !rh_type_is(type, RH_TYPE_DEVICE) || fn(type, NULL);
}

static void test_coverage(void)
{
    rh_type_foreach(foreach_device, check_coverage);
}

static bool visit(const RhType *type, void *opaque)
{
    const char *bus_type = NULL;
    g_autoptr(GError) err = NULL;
    Harness h;
    RhDevice *dev;

    for (const RhType *at = type; at && rh_type_is(at, RH_TYPE_DEVICE) && !bus_type; at = rh_type_parent(at)) {
        bus_type = ((const RhDeviceType *)at)->bus;
    }
    if (bus_type && strcmp(bus_type, RH_TYPE_ISA_BUS)) {
        return true;            /* visited by its bus's own test */
    }
    harness_begin(&h);
    if (strcmp(type->name, "fw_cfg_io") && strcmp(type->name, "fw_cfg_mem")) {
        harness_add(&h, "fw_cfg", "fw_cfg_io", NULL);
    }
    dev = rh_device_create(h.vm, h.vm->machine, "it", type->name, bus_type ? &h.isa->parent : NULL, NULL, &err);
    if (dev) {
        rh_device_reset(dev);
        harness_round_trip(&h, dev);
        harness_step(&h, 10000000);
        harness_round_trip(&h, dev);
        rh_device_remove(dev);
    } else {
        g_assert_nonnull(err);
        g_test_message("'%s' needs more than defaults: %s", type->name, err->message);
    }
    harness_end(&h);
    return true;
}

static void test_visit(void)
{
    rh_type_foreach(foreach_device, visit);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/hw/every-type/coverage", test_coverage);
    g_test_add_func("/hw/every-type/visit", test_visit);
    return g_test_run();
}
