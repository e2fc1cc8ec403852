/*
 * isa-debugcon - a port whose writes are characters; reading tells firmware whether it is there.
 * Spec: the "port 0xe9 hack" of Bochs (Bochs user manual, §8 "port_e9_hack").  Lock: machine lock (the default).
 */
#include "chardev/chardev.h"
#include "hw/core/isa.h"

typedef struct IsaDebugcon {
    RhIsaDevice parent;
    uint32_t iobase;            /* properties */
    uint32_t readback;
    RhCharProp chardev;
    RhRegion port;              /* wiring */
    RhCharUser user;
} IsaDebugcon;

static uint64_t debugcon_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return RH_SELF(IsaDebugcon, dev)->readback & 0xff;
}

/* A debug message is not worth waiting for a slow reader: what does not fit into its buffer is lost. */
static void debugcon_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    uint8_t byte = value;

    rh_char_write(&RH_SELF(IsaDebugcon, dev)->user, &byte, 1);
}

static size_t debugcon_can_receive(void *opaque)
{
    return 0;
}

static void debugcon_receive(void *opaque, const uint8_t *buf, size_t len)
{
}

static const RhCharUserOps debugcon_ops = {
    .can_receive = debugcon_can_receive,
    .receive     = debugcon_receive,
    .can_move    = true,
};

static void debugcon_release(RhDevice *dev, void *arg)
{
    rh_char_detach(arg);
}

static bool debugcon_realize(RhDevice *dev, GError **err)
{
    IsaDebugcon *self = RH_SELF(IsaDebugcon, dev);

    if (!self->chardev.chr) {
        return rh_fail(err, "Property 'isa-debugcon.chardev' is not set, must be the ID of a chardev");
    }
    if (!rh_char_attach(&self->user, self->chardev.chr, &debugcon_ops, self, err)) {
        return false;
    }
    rh_device_claim(dev, debugcon_release, &self->user);
    return rh_isa_map_ports(dev, self->iobase, &self->port, err);
}

static const RhProp debugcon_props[] = {
    RH_PROP("iobase",   IsaDebugcon, iobase,   .def = 0xe9, .doc = "port"),
    RH_PROP("readback", IsaDebugcon, readback, .def = 0xe9, .doc = "what the port reads as"),
    RH_PROP_AS(rh_prop_chardev, "chardev", IsaDebugcon, chardev, .doc = "ID of a chardev to use as a backend"),
};
static const RhRegionDesc debugcon_regions[] = {
    RH_REGION(IsaDebugcon, port, .span = 1, .sizes = RH_SIZE_1, .read = debugcon_read, .write = debugcon_write),
};

RH_DEVICE(IsaDebugcon,
    .name    = "isa-debugcon",
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Debug console port",
    .props   = RH_TABLE(debugcon_props),
    .regions = RH_TABLE(debugcon_regions),
    .realize = debugcon_realize);
