/*
 * Devices: making, realizing, resetting, saving, removing.
 *
 * Invariants:
 * 1. A realized device is in bus->devices of its bus, if it has one; an unrealized one is not.
 * 2. Whatever realize took is in claims or in a region of the tables; both are given back by unrealize
 *    and by a failed realize, in reverse order.
 * 3. Memory of a device outlives every flat view that shows its regions (removal waits for RCU).
 */
#include "hw/core/device.h"
#include "hw/core/private.h"
#include "softmmu/runstate.h"

enum { MAX_LEVELS = 12 };

typedef struct Claim {
    void (*release)(RhDevice *dev, void *arg);
    void *arg;
} Claim;

/* The levels of a device's type, from "device" down. */
typedef struct Levels {
    const RhDeviceType *level[MAX_LEVELS];
    size_t nr;
} Levels;

static Levels levels_of(const RhDevice *dev)
{
    Levels levels = { .nr = 1 };
    const RhType *type;

    for (type = dev->obj.type; !g_str_equal(type->name, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        levels.nr++;
    }
    g_assert(levels.nr <= MAX_LEVELS);
    type = dev->obj.type;
    for (size_t i = levels.nr; i-- > 0; type = rh_type_parent(type)) {
        levels.level[i] = (const RhDeviceType *)type;
    }
    return levels;
}

static void device_init(RhObject *obj)
{
    RhDevice *dev = RH_SELF(RhDevice, obj);

    dev->claims = g_array_new(FALSE, FALSE, sizeof(Claim));
    dev->buses = g_ptr_array_new();
}

static void device_fini(RhObject *obj)
{
    RhDevice *dev = RH_SELF(RhDevice, obj);

    g_array_unref(dev->claims);
    g_ptr_array_unref(dev->buses);
    g_free(dev->id);
}

static const RhDeviceType device_type = {
    .name = RH_TYPE_DEVICE,
    .parent = RH_TYPE_OBJECT,
    .doc = "Root of all devices",
    .size = sizeof(RhDevice),
    .is_abstract = true,
    .init = device_init,
    .fini = device_fini,
};
RH_TYPE_ENTRY(device_type);

RhDevice *rh_device_new(RhVm *vm, const char *type_name, GError **err)
{
    const RhType *type = rh_type_find(type_name);
    g_autoptr(RhObject) obj = NULL;

    if (!type || !rh_type_is(type, RH_TYPE_DEVICE) || type->is_abstract) {
        rh_fail(err, "'%s' is not a valid device model name", type_name);
        return NULL;
    }
    obj = rh_object_new_of(vm, type);
    if (!rh_vm_apply_globals(vm, obj, err)) {
        return NULL;
    }
    return RH_SELF(RhDevice, g_steal_pointer(&obj));
}

bool rh_device_own(RhDevice *dev, RhObject *parent, const char *child_name, GError **err)
{
    RhObject *obj = &dev->obj;
    bool good = true;

    if (!parent) {
        parent = rh_object_container(rh_device_vm(dev)->machine ? rh_device_vm(dev)->machine
                                                                 : rh_device_vm(dev)->root, "unattached");
    }
    if (child_name) {
        good = rh_object_add_child(parent, child_name, obj, err);
    } else {
        rh_object_add_child_numbered(parent, "device", obj);
    }
    rh_object_unref(obj);
    return good;
}

void rh_device_claim(RhDevice *dev, void (*release)(RhDevice *dev, void *arg), void *arg)
{
    Claim claim = { .release = release, .arg = arg };

    g_array_append_val(dev->claims, claim);
}

static void release_claims(RhDevice *dev)
{
    while (dev->claims->len) {
        Claim claim = g_array_index(dev->claims, Claim, dev->claims->len - 1);

        g_array_set_size(dev->claims, dev->claims->len - 1);
        claim.release(dev, claim.arg);
    }
}

/* --- regions of the tables --- */

static RhRegion *region_at(RhDevice *dev, const RhRegionDesc *desc)
{
    return (RhRegion *)((char *)dev + desc->offset);
}

static void init_regions(RhDevice *dev, const RhDeviceType *level)
{
    for (size_t i = 0; i < level->regions.nr; i++) {
        const RhRegionDesc *desc = &level->regions.rows[i];
        RhRegion *region = region_at(dev, desc);

        rh_region_init_io(region, rh_device_vm(dev), dev, desc->name, RH_CONTAINER(const RhRegionOps, read, &desc->read), desc->span);
        region->domain = desc->domain;
        region->busy = &dev->is_busy;
        if (desc->domain == RH_LOCK_OWN) {
            region->lock = (RhMutex *)((char *)dev + desc->lock_offset);
        }
    }
}

static void fini_regions(RhDevice *dev, const RhDeviceType *level)
{
    for (size_t i = level->regions.nr; i-- > 0;) {
        rh_region_fini(region_at(dev, &level->regions.rows[i]));
    }
}

/* --- realize --- */

/* Undo levels [0, nr), the last first. */
static void unrealize_levels(RhDevice *dev, const Levels *levels, size_t nr)
{
    rh_map_begin(rh_device_vm(dev));
    for (size_t i = nr; i-- > 0;) {
        if (levels->level[i]->unrealize) {
            levels->level[i]->unrealize(dev);
        }
    }
    release_claims(dev);
    for (size_t i = levels->nr; i-- > 0;) {
        fini_regions(dev, levels->level[i]);
    }
    rh_map_end(rh_device_vm(dev));
}

static bool realize_levels(RhDevice *dev, GError **err)
{
    Levels levels = levels_of(dev);
    bool good = true;
    size_t done;

    rh_map_begin(rh_device_vm(dev));
    for (size_t i = 0; i < levels.nr; i++) {
        init_regions(dev, levels.level[i]);
    }
    for (done = 0; done < levels.nr && good; done++) {
        good = !levels.level[done]->realize || levels.level[done]->realize(dev, err);
    }
    if (!good) {
        unrealize_levels(dev, &levels, done - 1);
    }
    rh_map_end(rh_device_vm(dev));
    return good;
}

bool rh_device_realize(RhDevice *dev, RhBus *bus, GError **err)
{
    g_assert(!dev->is_realized && dev->obj.parent);
    if (bus && !rh_bus_plug(bus, dev, err)) {
        return false;
    }
    if (!realize_levels(dev, err)) {
        if (bus) {
            rh_bus_unplug(bus, dev);
        }
        return false;
    }
    dev->is_realized = true;
    rh_device_reset(dev);
    return true;
}

static void unrealize_buses(RhDevice *dev)
{
    for (guint b = dev->buses->len; b-- > 0;) {
        RhBus *bus = dev->buses->pdata[b];

        while (bus->devices->len) {
            rh_device_unrealize(bus->devices->pdata[bus->devices->len - 1]);
        }
    }
}

void rh_device_unrealize(RhDevice *dev)
{
    Levels levels = levels_of(dev);

    if (!dev->is_realized) {
        return;
    }
    unrealize_buses(dev);
    unrealize_levels(dev, &levels, levels.nr);
    dev->is_realized = false;
    if (dev->bus) {
        rh_bus_unplug(dev->bus, dev);
    }
}

/* The device's memory may still be shown by a view that a vCPU reads: the last reference goes on the main loop
 * after a grace period. */
static void unref_on_loop(void *opaque)
{
    rh_object_unref(opaque);
}

static void unref_later(void *opaque)
{
    RhObject *obj = opaque;

    rh_loop_post(obj->vm->loop, unref_on_loop, obj);
}

void rh_device_remove(RhDevice *dev)
{
    rh_object_ref(&dev->obj);
    rh_device_unrealize(dev);
    rh_object_unparent(&dev->obj);
    rh_rcu_call(unref_later, dev);
}

RhDevice *rh_device_create(RhVm *vm, RhObject *parent, const char *child_name, const char *type_name, RhBus *bus,
                           const char *const *props, GError **err)
{
    RhDevice *dev = rh_device_new(vm, type_name, err);

    if (!dev || !rh_device_own(dev, parent, child_name, err)) {
        return NULL;
    }
    for (; props && *props; props += 2) {
        if (!rh_object_set_str(&dev->obj, props[0], props[1], err)) {
            rh_object_unparent(&dev->obj);
            return NULL;
        }
    }
    if (!rh_device_realize(dev, bus, err)) {
        rh_object_unparent(&dev->obj);
        return NULL;
    }
    return dev;
}

/* --- reset --- */

static void reset_one(RhDevice *dev)
{
    Levels levels = levels_of(dev);

    for (size_t i = 0; i < levels.nr; i++) {
        if (levels.level[i]->state.version) {
            rh_state_reset(&levels.level[i]->state, dev);
        }
        if (levels.level[i]->reset) {
            levels.level[i]->reset(dev);
        }
    }
}

static void walk(RhDevice *dev, void (*fn)(RhDevice *dev))
{
    fn(dev);
    for (guint b = 0; b < dev->buses->len; b++) {
        RhBus *bus = dev->buses->pdata[b];

        for (guint i = 0; i < bus->devices->len; i++) {
            RhDevice *child = bus->devices->pdata[i];

            if (child->is_realized) {
                walk(child, fn);
            }
        }
    }
}

void rh_device_settle_all(RhDevice *dev)
{
    Levels levels = levels_of(dev);

    for (size_t i = 0; i < levels.nr; i++) {
        if (levels.level[i]->settle) {
            levels.level[i]->settle(dev);
        }
    }
}

void rh_device_reset(RhDevice *dev)
{
    rh_map_begin(rh_device_vm(dev));
    walk(dev, reset_one);
    walk(dev, rh_device_settle_all);
    rh_map_end(rh_device_vm(dev));
}

/* --- save, load --- */

void rh_device_save(RhDevice *dev, GByteArray *out)
{
    Levels levels = levels_of(dev);

    for (size_t i = 0; i < levels.nr; i++) {
        if (levels.level[i]->saving) {
            levels.level[i]->saving(dev);
        }
    }
    for (size_t i = 0; i < levels.nr; i++) {
        if (levels.level[i]->state.version) {
            rh_state_save(&levels.level[i]->state, dev, out);
        }
    }
}

bool rh_device_load(RhDevice *dev, const uint8_t *data, size_t len, size_t *pos, GError **err)
{
    Levels levels = levels_of(dev);

    for (size_t i = 0; i < levels.nr; i++) {
        const RhDeviceType *level = levels.level[i];

        if (level->state.version && !rh_state_load(&level->state, dev, data, len, pos, err)) {
            g_prefix_error(err, "%s: ", dev->obj.type->name);
            return false;
        }
    }
    for (size_t i = 0; i < levels.nr; i++) {
        if (levels.level[i]->check && !levels.level[i]->check(dev, err)) {
            g_prefix_error(err, "%s: ", dev->obj.type->name);
            return false;
        }
    }
    rh_map_begin(rh_device_vm(dev));
    rh_device_settle_all(dev);
    rh_map_end(rh_device_vm(dev));
    return true;
}

void rh_guest_error(RhDevice *dev, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (!rh_log_is_on(RH_LOG_GUEST_ERRORS)) {
        return;
    }
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    rh_log_guest_error(dev->id ? dev->id : dev->obj.type->name, "%s", text);
}
