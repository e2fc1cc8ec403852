/*
 * port92 - system control port A: fast reset and A20.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "System Control Port A".  Lock: machine lock (the default).
 */
#include "hw/core/isa.h"
#include "softmmu/runstate.h"

#define CONTROL_RESET 0x01      /* 0 to 1 resets */
#define CONTROL_A20   0x02

typedef struct Port92Regs {
    uint8_t control;
} Port92Regs;

typedef struct Port92 {
    RhIsaDevice parent;
    RhRegion port;
    RhLine a20;
    Port92Regs regs;
} Port92;

static void port92_settle(RhDevice *dev)
{
    Port92 *self = RH_SELF(Port92, dev);

    rh_line_set(&self->a20, !!(self->regs.control & CONTROL_A20));
}

static uint64_t port92_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return RH_SELF(Port92, dev)->regs.control;
}

static void port92_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Port92Regs *regs = &RH_SELF(Port92, dev)->regs;

    if (value & ~regs->control & CONTROL_RESET) {
        rh_request_reset(rh_device_vm(dev), QMP_SHUTDOWN_CAUSE_GUEST_RESET);
    }
    regs->control = value;
    port92_settle(dev);
}

static bool port92_realize(RhDevice *dev, GError **err)
{
    return rh_isa_map_ports(dev, 0x92, &RH_SELF(Port92, dev)->port, err);
}

static const RhRegionDesc port92_regions[] = {
    RH_REGION(Port92, port, .span = 1, .sizes = RH_SIZE_1, .read = port92_read, .write = port92_write),
};
static const RhLineDesc port92_lines[] = {
    { .name = "a20", .offset = offsetof(Port92, a20) },
};
static const RhField port92_fields[] = {
    RH_FIELD(Port92Regs, control),
};
static const Port92Regs port92_at_reset;

RH_DEVICE(Port92,
    .name        = "port92",
    .parent      = RH_TYPE_ISA_DEVICE,
    .doc         = "System control port A: A20 and fast reset",
    .is_internal = true,
    .regions     = RH_TABLE(port92_regions),
    .lines       = RH_TABLE(port92_lines),
    .state       = RH_STATE(Port92, regs, port92_at_reset, .version = 1, .fields = RH_TABLE(port92_fields)),
    .realize     = port92_realize,
    .settle      = port92_settle);
