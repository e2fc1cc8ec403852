/*
 * A machine in the test's own process.
 */
#include "hw-harness.h"

static void set_irq(void *opaque, unsigned irq, int level)
{
    Harness *h = opaque;

    h->rises[irq] += level && !h->irq[irq];
    h->irq[irq] = level;
}

void harness_begin(Harness *h)
{
    g_autoptr(GError) err = NULL;

    memset(h, 0, sizeof(*h));
    h->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    rh_clock_set_manual(h->vm->clock);
    rh_clock_set_running(h->vm->clock, true);
    rh_clock_step_to(h->vm->clock, INT64_C(1000000000));    /* every test begins at the same time */
    rh_lock(&h->vm->lock);
    g_assert_nonnull(rh_machine_new(h->vm, rh_machine_find_type("none", NULL), &err));
    h->isa = rh_isa_bus_new(h->vm, NULL, NULL, set_irq, h, RH_ISA_NR_IRQS);
    h->ram = rh_ram_new("test", 1 << 20, NULL, &err);
    g_assert_no_error(err);
    rh_region_init_ram(&h->ram_region, h->vm, "ram", h->ram, 0, 1 << 20, false);
    rh_region_add(rh_space_root(h->vm->memory), 0, &h->ram_region);
}

void harness_end(Harness *h)
{
    rh_machine_end(h->vm);
    urcu_memb_barrier();
    while (rh_loop_turn(h->vm->loop, false)) {
    }
    rh_region_fini(&h->ram_region);
    rh_ram_unref(h->ram);
    rh_unlock(&h->vm->lock);
    rh_vm_free(h->vm);
}

RhDevice *harness_add(Harness *h, const char *name, const char *type, const char *const *props)
{
    g_autoptr(GError) err = NULL;
    const RhType *found = rh_type_find(type);
    RhDevice *dev;

    g_assert_nonnull(found);
    dev = rh_device_create(h->vm, h->vm->machine, name, type,
                           rh_type_is(found, RH_TYPE_ISA_DEVICE) ? &h->isa->parent : NULL, props, &err);
    g_assert_no_error(err);
    g_assert_nonnull(dev);
    rh_device_reset(dev);
    return dev;
}

uint32_t harness_in(Harness *h, unsigned port, unsigned size)
{
    uint64_t value = 0;

    rh_space_load(h->vm->ports, NULL, port, size, &value);
    return value;
}

void harness_out(Harness *h, unsigned port, unsigned size, uint32_t value)
{
    rh_space_store(h->vm->ports, NULL, port, size, value);
}

void harness_step(Harness *h, int64_t ns)
{
    rh_clock_step_to(h->vm->clock, rh_clock_now(h->vm->clock) + ns);
}

void harness_round_trip(Harness *h, RhDevice *dev)
{
    g_autoptr(GByteArray) first = g_byte_array_new();
    g_autoptr(GByteArray) second = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    size_t pos = 0;

    rh_device_save(dev, first);
    g_assert_true(rh_device_load(dev, first->data, first->len, &pos, &err));
    g_assert_cmpuint(pos, ==, first->len);
    rh_device_save(dev, second);
    g_assert_cmpmem(first->data, first->len, second->data, second->len);
}
