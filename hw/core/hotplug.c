/*
 * What -device, device_add and device_del do.
 */
#include "hw/core/device.h"
#include "hw/core/private.h"
#include "qapi-events.h"
#include "softmmu/runstate.h"

static bool type_is_internal(const RhType *type)
{
    return ((const RhDeviceType *)type)->is_internal;
}

/* A flag that a parent type gives to all below it. */
static bool is_hotpluggable(const RhType *type)
{
    for (; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        if (((const RhDeviceType *)type)->is_hotpluggable) {
            return true;
        }
    }
    return false;
}

static const RhDeviceType *check_type(const char *driver, GError **err)
{
    const RhType *type = rh_type_find(driver);

    if (!type || !rh_type_is(type, RH_TYPE_DEVICE)) {
        rh_fail(err, "'%s' is not a valid device model name", driver);
        return NULL;
    }
    if (type->is_abstract) {
        rh_fail(err, "Parameter 'driver' expects a non-abstract device type");
        return NULL;
    }
    if (type_is_internal(type)) {
        rh_fail(err, "Parameter 'driver' expects a pluggable device type");
        return NULL;
    }
    return (const RhDeviceType *)type;
}

static bool find_bus(RhVm *vm, const RhDeviceType *type, const char *name, RhBus **ret, GError **err)
{
    *ret = NULL;
    if (!rh_device_bus_type(type)) {
        return !name || rh_fail(err, "Device '%s' has no bus to be plugged into, so 'bus' must not be given",
                                type->name);
    }
    *ret = name ? rh_bus_find(vm, name, err) : rh_bus_find_for(vm, type, err);
    return *ret != NULL;
}

static bool set_props(RhDevice *dev, json_object *args, GError **err)
{
    json_object_object_foreach(args, key, value)
    {
        if (g_str_equal(key, "driver") || g_str_equal(key, "bus") || g_str_equal(key, "id")) {
            continue;
        }
        if (!value) {
            return rh_fail(err, "Property '%s.%s' must not be null", dev->obj.type->name, key);
        }
        if (!rh_object_set(&dev->obj, key, value, err)) {
            return false;
        }
    }
    return true;
}

/* The value of a member that must be text; NULL when absent. */
static bool text_member(json_object *args, const char *key, const char **ret, GError **err)
{
    json_object *value = NULL;

    *ret = NULL;
    if (!json_object_object_get_ex(args, key, &value)) {
        return true;
    }
    if (!json_object_is_type(value, json_type_string)) {
        return rh_fail(err, "Invalid parameter type for '%s', expected: string", key);
    }
    *ret = json_object_get_string(value);
    return true;
}

static bool place(RhVm *vm, RhDevice *dev, const char *id, GError **err)
{
    if (!id) {
        return rh_device_own(dev, rh_object_container(vm->machine, "peripheral-anon"), NULL, err);
    }
    if (rh_object_child(rh_object_container(vm->machine, "peripheral"), id)) {
        rh_object_unref(&dev->obj);
        return rh_fail(err, "Duplicate device ID '%s'", id);
    }
    dev->id = g_strdup(id);
    return rh_device_own(dev, rh_object_container(vm->machine, "peripheral"), id, err);
}

RhDevice *rh_device_add(RhVm *vm, json_object *args, GError **err)
{
    bool is_hot = rh_vm_is_set_up(vm);
    const char *driver, *id, *bus_name;
    const RhDeviceType *type;
    RhDevice *dev;
    RhBus *bus;

    if (!text_member(args, "driver", &driver, err) || !text_member(args, "id", &id, err) ||
        !text_member(args, "bus", &bus_name, err)) {
        return NULL;
    }
    if (!driver) {
        rh_fail(err, "Parameter 'driver' is missing");
        return NULL;
    }
    if (id && !rh_id_ok(id)) {
        rh_fail(err, "Parameter 'id' expects an identifier");
        return NULL;
    }
    type = check_type(driver, err);
    if (!type || !find_bus(vm, type, bus_name, &bus, err)) {
        return NULL;
    }
    if (is_hot && ((bus && !bus->allows_hotplug) || !is_hotpluggable((const RhType *)type))) {
        if (bus && !bus->allows_hotplug) {
            rh_fail(err, "Bus '%s' does not support hotplugging", bus->obj.name);
        } else {
            rh_fail(err, "Device '%s' does not support hotplugging", driver);
        }
        return NULL;
    }
    dev = rh_device_new(vm, type->name, err);
    if (!dev || !place(vm, dev, id, err)) {
        return NULL;
    }
    dev->is_hotplugged = is_hot;
    if (!set_props(dev, args, err) || !rh_device_realize(dev, bus, err)) {
        rh_object_unparent(&dev->obj);
        return NULL;
    }
    return dev;
}

RhDevice *rh_device_find(RhVm *vm, const char *id, GError **err)
{
    RhObject *obj = id[0] == '/' ? rh_object_resolve(vm->root, id, NULL)
                                 : rh_object_child(rh_object_container(vm->machine, "peripheral"), id);

    if (!obj) {
        rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
        return NULL;
    }
    if (!rh_object_is(obj, RH_TYPE_DEVICE)) {
        rh_fail(err, "%s is not a hotpluggable device", id);
        return NULL;
    }
    return RH_SELF(RhDevice, obj);
}

static bool (*unplug_request(RhDevice *dev))(RhDevice *, GError **)
{
    for (const RhType *type = dev->obj.type; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        const RhDeviceType *level = (const RhDeviceType *)type;

        if (level->request_unplug) {
            return level->request_unplug;
        }
    }
    return NULL;
}

bool rh_device_del(RhVm *vm, const char *id, GError **err)
{
    RhDevice *dev = rh_device_find(vm, id, err);
    bool (*request)(RhDevice *, GError **);

    if (!dev) {
        return false;
    }
    if (dev->bus && !dev->bus->allows_hotplug) {
        return rh_fail(err, "Bus '%s' does not support hotplugging", dev->bus->obj.name);
    }
    if (!is_hotpluggable(dev->obj.type)) {
        return rh_fail(err, "Device '%s' does not support hotplugging", dev->obj.type->name);
    }
    request = unplug_request(dev);
    if (!request) {
        rh_device_unplugged(dev);
        return true;
    }
    if (dev->is_unplug_pending) {
        return rh_fail(err, "Device %s is already in the process of unplug", id);
    }
    dev->is_unplug_pending = true;
    if (!request(dev, err)) {
        dev->is_unplug_pending = false;
        return false;
    }
    return true;
}

/* Children on the device's own buses go first, each with its event. */
void rh_device_unplugged(RhDevice *dev)
{
    RhVm *vm = rh_device_vm(dev);
    g_autofree char *path = rh_object_path(&dev->obj);
    g_autofree char *id = g_strdup(dev->id);

    for (guint b = 0; b < dev->buses->len; b++) {
        RhBus *bus = dev->buses->pdata[b];

        while (bus->devices->len) {
            rh_device_unplugged(bus->devices->pdata[0]);
        }
    }
    rh_device_remove(dev);
    qmp_event_device_deleted(vm->events, id, path);
}
