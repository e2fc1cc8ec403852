/*
 * QMP commands about devices.
 */
#include "hw/core/device.h"
#include "qapi-commands.h"
#include "util/json.h"

static void give(json_object *to, const char *key, const char *value)
{
    if (value) {
        json_object_object_add(to, key, json_object_new_string(value));
    }
}

bool qmp_device_add(RhVm *vm, const QmpDeviceAddArgs *args, GError **err)
{
    g_autoptr(RhJson) all = json_object_new_object();

    give(all, "driver", args->driver);
    give(all, "bus", args->bus);
    give(all, "id", args->id);
    if (args->rest) {
        json_object_object_foreach (args->rest, key, value) {
            json_object_object_add(all, key, json_object_get(value));
        }
    }
    return rh_device_add(vm, all, err) != NULL;
}

bool qmp_device_del(RhVm *vm, const QmpDeviceDelArgs *args, GError **err)
{
    return rh_device_del(vm, args->id, err);
}
