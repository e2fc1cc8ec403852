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

static void reset_all(RhNotifier *self, void *data)
{
    rh_object_foreach(RH_CONTAINER(ResetRoom, notifier, self)->vm->root, reset_top, NULL);
}

void rh_reset_init(RhVm *vm)
{
    ResetRoom *room = rh_vm_room(vm, &reset_room);

    room->vm = vm;
    room->notifier.fn = reset_all;
    rh_notifier_add(&vm->run->reset_devices, &room->notifier);
}
