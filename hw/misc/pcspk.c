/*
 * isa-pcspk - port 0x61: gate and output of PIT channel 2, refresh toggle. Silent.
 * Spec: IBM PC/AT Technical Reference, "System Board", port 61h.  Lock: machine lock (the default).
 */
#include "hw/core/isa.h"
#include "hw/timer/i8254.h"

#define PORT_GATE    0x01
#define PORT_SPEAKER 0x02
#define PORT_REFRESH 0x10       /* RO  toggles every 15 us */
#define PORT_OUT     0x20       /* RO  OUT of channel 2 */
#define REFRESH_NS   15085

typedef struct PcspkRegs {
    uint8_t control;
} PcspkRegs;

typedef struct Pcspk {
    RhIsaDevice parent;
    uint32_t iobase;
    bool migrates;
    char *audiodev;
    RhObject *pit;
    RhRegion port;
    PcspkRegs regs;
} Pcspk;

static uint64_t pcspk_read(RhDevice *dev, uint64_t at, unsigned size)
{
    const Pcspk *self = RH_SELF(Pcspk, dev);
    bool has_refresh = rh_clock_now(rh_device_vm(dev)->clock) / REFRESH_NS % 2;
    bool is_out = self->pit && rh_pit_out(RH_SELF(RhDevice, self->pit), 2);

    return self->regs.control | (has_refresh ? PORT_REFRESH : 0) | (is_out ? PORT_OUT : 0);
}

static void pcspk_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Pcspk *self = RH_SELF(Pcspk, dev);

    self->regs.control = value & (PORT_GATE | PORT_SPEAKER);
    if (self->pit) {
        rh_pit_set_gate(RH_SELF(RhDevice, self->pit), 2, value & PORT_GATE);
    }
}

static bool pcspk_realize(RhDevice *dev, GError **err)
{
    return rh_isa_map_ports(dev, RH_SELF(Pcspk, dev)->iobase, &RH_SELF(Pcspk, dev)->port, err);
}

static const RhProp pcspk_props[] = {
    RH_PROP("iobase",   Pcspk, iobase,   .def = 0x61, .doc = "port"),
    RH_PROP("migrate",  Pcspk, migrates, .def = true, .is_hidden = true, .doc = "accepted: state is always complete"),
    RH_PROP("audiodev", Pcspk, audiodev, .doc = "accepted: there is no sound yet"),
    RH_PROP_LINK("pit", Pcspk, pit, RH_TYPE_PIT, .doc = "the timer behind the port; none: its output reads as 0"),
};
static const RhRegionDesc pcspk_regions[] = {
    RH_REGION(Pcspk, port, .span = 1, .sizes = RH_SIZE_1, .read = pcspk_read, .write = pcspk_write),
};
static const RhField pcspk_fields[] = {
    RH_FIELD(PcspkRegs, control, .valid = PORT_GATE | PORT_SPEAKER),
};
static const PcspkRegs pcspk_at_reset;

RH_DEVICE(Pcspk,
    .name        = "isa-pcspk",
    .parent      = RH_TYPE_ISA_DEVICE,
    .doc         = "PC speaker port",
    .is_internal = true,
    .props       = RH_TABLE(pcspk_props),
    .regions     = RH_TABLE(pcspk_regions),
    .state       = RH_STATE(Pcspk, regs, pcspk_at_reset, .version = 1, .fields = RH_TABLE(pcspk_fields)),
    .realize     = pcspk_realize);
