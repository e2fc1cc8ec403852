/*
 * Buses: what devices plug into, and how a device finds its bus.
 */
#include "hw/core/device.h"
#include "hw/core/private.h"

static void bus_init(RhObject *obj)
{
    RH_SELF(RhBus, obj)->devices = g_ptr_array_new();
}

static void bus_fini(RhObject *obj)
{
    g_ptr_array_unref(RH_SELF(RhBus, obj)->devices);
}

static const RhBusType bus_type = {
    .name = RH_TYPE_BUS,
    .parent = RH_TYPE_OBJECT,
    .doc = "Root of all buses",
    .size = sizeof(RhBus),
    .is_abstract = true,
    .init = bus_init,
    .fini = bus_fini,
};
RH_TYPE_ENTRY(bus_type);

const char *rh_device_bus_type(const RhDeviceType *type)
{
    const RhType *level = (const RhType *)type;

    for (; rh_type_is(level, RH_TYPE_DEVICE); level = rh_type_parent(level)) {
        const char *bus = ((const RhDeviceType *)level)->bus;

        if (bus) {
            return bus;
        }
    }
    return NULL;
}

RhBus *rh_bus_new(RhVm *vm, const char *type_name, RhDevice *owner, const char *name)
{
    RhBus *bus = RH_SELF(RhBus, rh_object_new_of(vm, rh_type_find(type_name)));
    RhObject *parent = owner ? &owner->obj : vm->machine;

    bus->owner = owner;
    if (owner) {
        g_ptr_array_add(owner->buses, bus);
    }
    if (!rh_object_add_child(parent, name, &bus->obj, NULL)) {
        rh_object_add_child_numbered(parent, name, &bus->obj);
    }
    rh_object_unref(&bus->obj);
    return bus;
}

/* The limit of the bus's type, its own or inherited; 0: none. */
static unsigned max_devices(const RhBus *bus)
{
    for (const RhType *type = bus->obj.type; rh_type_is(type, RH_TYPE_BUS); type = rh_type_parent(type)) {
        if (((const RhBusType *)type)->max_devices) {
            return ((const RhBusType *)type)->max_devices;
        }
    }
    return 0;
}

static bool is_full(const RhBus *bus)
{
    unsigned max = max_devices(bus);

    return max && bus->devices->len >= max;
}

bool rh_bus_plug(RhBus *bus, RhDevice *dev, GError **err)
{
    const char *wanted = rh_device_bus_type(rh_device_type(dev));

    if (!wanted || !rh_object_is(&bus->obj, wanted)) {
        return rh_fail(err, "Device '%s' can't go on %s bus", dev->obj.type->name, bus->obj.type->name);
    }
    if (is_full(bus)) {
        return rh_fail(err, "Bus '%s' is full: it takes %u devices", bus->obj.name, max_devices(bus));
    }
    dev->bus = bus;
    for (const RhType *type = bus->obj.type; rh_type_is(type, RH_TYPE_BUS); type = rh_type_parent(type)) {
        const RhBusType *level = (const RhBusType *)type;

        if (level->plug) {
            if (!level->plug(bus, dev, err)) {
                dev->bus = NULL;
                return false;
            }
            break;
        }
    }
    g_ptr_array_add(bus->devices, dev);
    return true;
}

void rh_bus_unplug(RhBus *bus, RhDevice *dev)
{
    g_ptr_array_remove(bus->devices, dev);
    for (const RhType *type = bus->obj.type; rh_type_is(type, RH_TYPE_BUS); type = rh_type_parent(type)) {
        const RhBusType *level = (const RhBusType *)type;

        if (level->unplug) {
            level->unplug(bus, dev);
            break;
        }
    }
    dev->bus = NULL;
}

typedef struct BusSearch {
    const char *name;
    const char *type;       /* wanted bus type, or NULL */
    RhBus *found;
    bool has_full;
} BusSearch;

static bool visit_named(RhObject *obj, void *opaque)
{
    BusSearch *search = opaque;

    if (rh_object_is(obj, RH_TYPE_BUS) && g_str_equal(obj->name, search->name)) {
        search->found = RH_SELF(RhBus, obj);
        return false;
    }
    return true;
}

/* "ID" of a device that provides one bus names that bus, too. */
static RhBus *bus_of_device(RhVm *vm, const char *id)
{
    RhObject *obj = rh_object_resolve(vm->root, id, NULL);

    if (rh_object_is(obj, RH_TYPE_BUS)) {
        return RH_SELF(RhBus, obj);
    }
    if (rh_object_is(obj, RH_TYPE_DEVICE) && RH_SELF(RhDevice, obj)->buses->len) {
        return RH_SELF(RhDevice, obj)->buses->pdata[0];
    }
    return NULL;
}

RhBus *rh_bus_find(RhVm *vm, const char *name, GError **err)
{
    BusSearch search = { .name = name };

    rh_object_foreach(vm->root, visit_named, &search);
    if (!search.found) {
        search.found = bus_of_device(vm, name);
    }
    if (!search.found) {
        rh_fail(err, "Bus '%s' not found", name);
    }
    return search.found;
}

static bool visit_fitting(RhObject *obj, void *opaque)
{
    BusSearch *search = opaque;

    if (!rh_object_is(obj, RH_TYPE_BUS) || !rh_object_is(obj, search->type)) {
        return true;
    }
    if (is_full(RH_SELF(RhBus, obj))) {
        search->has_full = true;
        return true;
    }
    search->found = RH_SELF(RhBus, obj);
    return false;
}

RhBus *rh_bus_find_for(RhVm *vm, const RhDeviceType *type, GError **err)
{
    BusSearch search = { .type = rh_device_bus_type(type) };

    rh_object_foreach(vm->root, visit_fitting, &search);
    if (!search.found) {
        rh_fail(err, search.has_full ? "All '%s' buses are full for device '%s'" : "No '%s' bus found for device '%s'",
                search.type, type->name);
    }
    return search.found;
}
