/*
 * isa-debug-exit - a guest program ends the machine with an exit code: a write of N leaves with (N << 1) | 1,
 * so that no code of the guest's looks like a clean end.
 * Spec: documented use in kvm-unit-tests and OS-development test runners.  Lock: machine lock (the default).
 */
#include "hw/core/isa.h"
#include "softmmu/runstate.h"

typedef struct DebugExit {
    RhIsaDevice parent;
    uint32_t iobase;
    uint32_t iosize;
    RhRegion ports;
} DebugExit;

static uint64_t debug_exit_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return 0;
}

static void debug_exit_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_request_exit(rh_device_vm(dev), (int)((value << 1) | 1));
}

static bool debug_exit_realize(RhDevice *dev, GError **err)
{
    DebugExit *self = RH_SELF(DebugExit, dev);

    rh_region_set_size(&self->ports, self->iosize);
    return rh_isa_map_ports(dev, self->iobase, &self->ports, err);
}

static const RhProp debug_exit_props[] = {
    RH_PROP("iobase", DebugExit, iobase, .def = 0x501, .doc = "first port"),
    RH_PROP("iosize", DebugExit, iosize, .def = 2, .min = 1, .max = 8, .doc = "number of ports"),
};
static const RhRegionDesc debug_exit_regions[] = {
    RH_REGION(DebugExit, ports, .span = 2, .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4, .is_unaligned_ok = true,
              .read = debug_exit_read, .write = debug_exit_write),
};

RH_DEVICE(DebugExit,
    .name    = "isa-debug-exit",
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Port that ends the machine with an exit code",
    .props   = RH_TABLE(debug_exit_props),
    .regions = RH_TABLE(debug_exit_regions),
    .realize = debug_exit_realize);
