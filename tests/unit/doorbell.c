/*
 * doorbell - the smallest complete device; fixture of the core tests.
 * A write to RING counts and sets STATUS, which holds the line up until acknowledged.
 * Spec: docs/specs/doorbell.md.  Lock: machine lock (the default).
 */
#include "hw/core/isa.h"

enum {                  /* byte-wide ports, offset from "iobase" */
    REG_RING   = 0,     /* WO   any value rings */
    REG_COUNT  = 1,     /* RO   rings since reset; saturates, §2.1 */
    REG_MASK   = 2,     /* RW   bit 0: interrupt enable */
    REG_STATUS = 3,     /* W1C  bit 0: rung */
    REG_SPAN   = 4,
};
#define MASK_IRQ    0x01u
#define STATUS_RUNG 0x01u

typedef struct DoorbellRegs {   /* guest state: all of it, and nothing else */
    uint8_t count;
    uint8_t mask;
    uint8_t status;
} DoorbellRegs;

typedef struct Doorbell {
    RhIsaDevice parent;
    uint16_t iobase;            /* properties: fixed once realized */
    uint8_t  irq;
    RhRegion ports;             /* wiring: claimed in realize, released by the core */
    RhLine   line;
    DoorbellRegs regs;
} Doorbell;

/* Everything derived from regs; the core also calls it after reset and after load. */
static void doorbell_settle(RhDevice *dev)
{
    Doorbell *db = RH_SELF(Doorbell, dev);

    rh_line_set(&db->line, (db->regs.status & STATUS_RUNG) && (db->regs.mask & MASK_IRQ));
}

static uint64_t doorbell_read(RhDevice *dev, uint64_t at, unsigned size)
{
    const DoorbellRegs *regs = &RH_SELF(Doorbell, dev)->regs;

    switch (at) {
    case REG_COUNT:  return regs->count;
    case REG_MASK:   return regs->mask;
    case REG_STATUS: return regs->status;
    default:         return 0xff;               /* RING floats high, §2.1 */
    }
}

static void doorbell_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    DoorbellRegs *regs = &RH_SELF(Doorbell, dev)->regs;

    switch (at) {
    case REG_RING:
        regs->count += regs->count < UINT8_MAX;
        regs->status |= STATUS_RUNG;
        break;
    case REG_MASK:
        regs->mask = value & MASK_IRQ;
        break;
    case REG_STATUS:
        regs->status &= ~value;
        break;
    default:
        rh_guest_error(dev, "write to read-only port %" PRIu64, at);
        return;
    }
    doorbell_settle(dev);
}

static bool doorbell_realize(RhDevice *dev, GError **err)
{
    Doorbell *db = RH_SELF(Doorbell, dev);

    return rh_isa_claim_irq(dev, db->irq, &db->line, err) &&
           rh_isa_map_ports(dev, db->iobase, &db->ports, err);
}

static const RhProp doorbell_props[] = {
    RH_PROP("iobase", Doorbell, iobase, .def = 0x5e0, .max = 0xfffc, .doc = "first port"),
    RH_PROP("irq",    Doorbell, irq,    .def = 5,     .max = 15,     .doc = "ISA interrupt"),
};
static const RhRegionDesc doorbell_regions[] = {
    RH_REGION(Doorbell, ports, .span = REG_SPAN, .sizes = RH_SIZE_1,    /* wider ones are split */
              .read = doorbell_read, .write = doorbell_write),
};
static const RhField doorbell_fields[] = {
    RH_FIELD(DoorbellRegs, count),
    RH_FIELD(DoorbellRegs, mask,   .valid = MASK_IRQ),      /* load refuses other bits */
    RH_FIELD(DoorbellRegs, status, .valid = STATUS_RUNG),
};
static const DoorbellRegs doorbell_at_reset = { .count = 0, .mask = 0, .status = 0 };

RH_DEVICE(Doorbell,
    .name    = "doorbell",
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Countable doorbell with interrupt (test fixture)",
    .props   = RH_TABLE(doorbell_props),
    .regions = RH_TABLE(doorbell_regions),
    .state   = RH_STATE(Doorbell, regs, doorbell_at_reset, .version = 1,
                        .fields = RH_TABLE(doorbell_fields)),
    .realize = doorbell_realize,
    .settle  = doorbell_settle);
