/*
 * pvpanic - the guest tells of its crash.
 * Spec: "PVPANIC DEVICE", documented interface; Linux Documentation/ABI/testing/sysfs-pvpanic.
 * Lock: machine lock (the default).
 */
#include "hw/core/isa.h"
#include "hw/nvram/fw_cfg.h"
#include "softmmu/runstate.h"

#define EVENT_PANICKED    0x01
#define EVENT_CRASHLOADED 0x02
#define EVENTS (EVENT_PANICKED | EVENT_CRASHLOADED)
#define FILE_NAME "etc/pvpanic-port"

typedef struct Pvpanic {
    RhIsaDevice parent;
    uint16_t ioport;
    uint8_t events;
    RhRegion port;
} Pvpanic;

static uint64_t pvpanic_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return RH_SELF(Pvpanic, dev)->events;
}

static void pvpanic_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    if (value & ~(uint64_t)EVENTS) {
        rh_guest_error(dev, "unknown events 0x%" PRIx64, value & ~(uint64_t)EVENTS);
    }
    /* CRASHLOADED: the guest goes on in its crash kernel and needs nothing from us */
    if (value & EVENT_PANICKED) {
        rh_request_panic(rh_device_vm(dev), NULL);
    }
}

static void pvpanic_release(RhDevice *dev, void *arg)
{
    rh_fw_cfg_remove_file(arg, FILE_NAME);
}

static bool pvpanic_realize(RhDevice *dev, GError **err)
{
    Pvpanic *self = RH_SELF(Pvpanic, dev);
    RhFwCfg *fw = rh_fw_cfg_find(rh_device_vm(dev));
    uint16_t port = GUINT16_TO_LE(self->ioport);

    if (fw && !rh_fw_cfg_add_file(fw, FILE_NAME, &port, sizeof(port), err)) {
        return false;
    }
    if (fw) {
        rh_device_claim(dev, pvpanic_release, fw);
    }
    return rh_isa_map_ports(dev, self->ioport, &self->port, err);
}

static const RhProp pvpanic_props[] = {
    RH_PROP("ioport", Pvpanic, ioport, .def = 0x505, .doc = "port"),
    RH_PROP("events", Pvpanic, events, .def = EVENTS, .max = EVENTS,
            .doc = "events offered: 1 panicked, 2 crash kernel loaded"),
};
static const RhRegionDesc pvpanic_regions[] = {
    RH_REGION(Pvpanic, port, .span = 1, .sizes = RH_SIZE_1, .read = pvpanic_read, .write = pvpanic_write),
};

RH_DEVICE(Pvpanic,
    .name    = "pvpanic",
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Reports a crash of the guest",
    .props   = RH_TABLE(pvpanic_props),
    .regions = RH_TABLE(pvpanic_regions),
    .realize = pvpanic_realize);
