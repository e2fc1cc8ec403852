/*
 * Machine reset, the devices' part: every device is reset in order of the tree.
 */
#include "hw/core/reset.h"
#include "hw/core/device.h"
#include "softmmu/runstate.h"

typedef struct ResetRoom {
    RhNotifier notifier;
    RhVm *vm;
} ResetRoom;

RH_ROOM(reset_room, ResetRoom, .name = "reset");

/* A device on a bus is reset with the device that provides the bus. */
static bool reset_top(RhObject *obj, void *opaque)
{
    if (rh_object_is(obj, RH_TYPE_DEVICE)) {
        RhDevice *dev = RH_SELF(RhDevice, obj);

        if (dev->is_realized && (!dev->bus || !dev->bus->owner)) {
            rh_device_reset(dev);
        }
    }
    return true;
}

static bool find_leaving(RhObject *obj, void *opaque)
{
    RhDevice **ret = opaque;

    if (rh_object_is(obj, RH_TYPE_DEVICE) && RH_SELF(RhDevice, obj)->is_unplug_pending) {
        *ret = RH_SELF(RhDevice, obj);
    }
    return !*ret;
}

/* device_del, documented: a reset completes the removals that the guest did not answer. */
static void remove_leaving(RhVm *vm)
{
    RhDevice *dev = NULL;

    while (rh_object_foreach(vm->root, find_leaving, &dev), dev) {
        dev->is_unplug_pending = false;
        rh_device_unplugged(dev);
        dev = NULL;
    }
}

static void reset_all(RhNotifier *self, void *data)
{
    RhVm *vm = RH_CONTAINER(ResetRoom, notifier, self)->vm;

    remove_leaving(vm);
    rh_object_foreach(vm->root, reset_top, NULL);
}

void rh_reset_init(RhVm *vm)
{
    ResetRoom *room = rh_vm_room(vm, &reset_room);

    room->vm = vm;
    room->notifier.fn = reset_all;
    rh_notifier_add(&vm->run->reset_devices, &room->notifier);
}
