/*
 * isa-parallel - a printer port: bytes that the guest strobes out go to a character device
 * Spec: IBM PC/AT Technical Reference, "Parallel Printer Adapter"; IEEE 1284 compatibility mode.  Lock: machine lock.
 *
 * The printer behind it is always selected, has paper and no error. It takes a byte when the strobe begins, is busy until
 * the strobe has ended and the back-end has the byte, and acknowledges then. The acknowledge is a pulse too short for a
 * slow guest; as on ports of the PS/2 kind the interrupt is held until the status is read.
 */
#include "chardev/chardev.h"
#include "hw/core/isa.h"

enum {                      /* byte-wide ports, offset from "iobase" */
    REG_DATA    = 0,        /* RW */
    REG_STATUS  = 1,        /* RO */
    REG_CONTROL = 2,        /* RW   bits 7:6 read as ones */
    REG_SPAN    = 3,
};
#define STATUS_ERROR     0x08u      /* low active, as "busy" and "acknowledge" */
#define STATUS_SELECTED  0x10u
#define STATUS_ACK       0x40u
#define STATUS_BUSY      0x80u
#define STATUS_ALWAYS    (STATUS_ERROR | STATUS_SELECTED | STATUS_ACK)
#define CONTROL_STROBE   0x01u
#define CONTROL_INIT     0x04u      /* low: the printer is being reset */
#define CONTROL_SELECT   0x08u
#define CONTROL_IRQ      0x10u
#define CONTROL_INPUT    0x20u
#define CONTROL_BITS     0x3fu
#define CONTROL_UNUSED   0xc0u

typedef struct ParallelRegs {
    uint8_t data;
    uint8_t control;
    uint8_t acknowledged;       /* and nobody has looked since */
    uint8_t waiting;            /* the byte is still here: the back-end had no room */
} ParallelRegs;

typedef struct IsaParallel {
    RhIsaDevice parent;
    uint32_t index;             /* properties */
    uint32_t iobase;
    uint32_t irq;
    RhCharProp chardev;
    RhRegion ports;             /* wiring */
    RhLine line;
    RhCharUser user;
    ParallelRegs regs;
} IsaParallel;

static const uint16_t usual_ports[] = { 0x378, 0x278, 0x3bc };

static bool is_listening(uint8_t control)
{
    return (control & CONTROL_INIT) && (control & CONTROL_SELECT);
}

static bool is_busy(const ParallelRegs *regs)
{
    return regs->waiting || (regs->control & CONTROL_STROBE);
}

static void update_line(IsaParallel *self)
{
    rh_line_set(&self->line, self->regs.acknowledged && (self->regs.control & CONTROL_IRQ));
}

static void acknowledge(IsaParallel *self)
{
    if (!is_busy(&self->regs)) {
        self->regs.acknowledged = 1;
        update_line(self);
    }
}

static void send(IsaParallel *self);

static void send_again(void *opaque)
{
    IsaParallel *self = opaque;

    send(self);
    acknowledge(self);
}

static void send(IsaParallel *self)
{
    self->regs.waiting = rh_char_write(&self->user, &self->regs.data, 1) == 0;
    rh_char_on_writable(&self->user, self->regs.waiting ? send_again : NULL, self);
}

static uint64_t parallel_read(RhDevice *dev, uint64_t at, unsigned size)
{
    IsaParallel *self = RH_SELF(IsaParallel, dev);
    ParallelRegs *regs = &self->regs;

    switch (at) {
    case REG_DATA:
        return regs->control & CONTROL_INPUT ? 0xff : regs->data;   /* nothing drives the lines from outside */
    case REG_STATUS:
        regs->acknowledged = 0;
        update_line(self);
        return STATUS_ALWAYS | (is_busy(regs) ? 0 : STATUS_BUSY);
    default:
        return regs->control | CONTROL_UNUSED;
    }
}

static void write_control(IsaParallel *self, uint8_t value)
{
    uint8_t changed = self->regs.control ^ value;

    self->regs.control = value;
    update_line(self);
    if (!is_listening(value) || !(changed & CONTROL_STROBE)) {
        return;
    }
    if (!(value & CONTROL_STROBE)) {
        acknowledge(self);
    } else if (!self->regs.waiting) {
        send(self);
    }
}

static void parallel_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    IsaParallel *self = RH_SELF(IsaParallel, dev);

    switch (at) {
    case REG_DATA:
        if (!self->regs.waiting) {      /* a driver that does not look at "busy" loses the byte, as with a slow printer */
            self->regs.data = (uint8_t)value;
        }
        break;
    case REG_CONTROL:
        write_control(self, value & CONTROL_BITS);
        break;
    default:
        rh_guest_error(dev, "write to read-only port %" PRIu64, at);
    }
}

static void parallel_settle(RhDevice *dev)
{
    IsaParallel *self = RH_SELF(IsaParallel, dev);

    rh_char_on_writable(&self->user, self->regs.waiting ? send_again : NULL, self);
    update_line(self);
}

static size_t parallel_can_receive(void *opaque)
{
    return 0;
}

static void parallel_receive(void *opaque, const uint8_t *buf, size_t len)
{
}

static const RhCharUserOps parallel_ops = {
    .can_receive = parallel_can_receive,
    .receive     = parallel_receive,
    .can_move    = true,
};

static void parallel_release(RhDevice *dev, void *arg)
{
    rh_char_detach(arg);
}

static bool parallel_realize(RhDevice *dev, GError **err)
{
    IsaParallel *self = RH_SELF(IsaParallel, dev);

    if (!self->chardev.chr) {
        return rh_fail(err, "Can't create parallel device, empty char device");
    }
    self->index = rh_isa_take_index(dev, RH_ISA_PARALLEL, self->index);
    if (self->index >= RH_COUNT(usual_ports)) {
        return rh_fail(err, "Property 'isa-parallel.index' is %u, must be 0 to %zu (there are %zu parallel ports)",
                       self->index, RH_COUNT(usual_ports) - 1, RH_COUNT(usual_ports));
    }
    self->iobase = self->iobase == RH_ISA_AUTO ? usual_ports[self->index] : self->iobase;
    if (!rh_char_attach(&self->user, self->chardev.chr, &parallel_ops, self, err)) {
        return false;
    }
    rh_device_claim(dev, parallel_release, &self->user);
    return rh_isa_claim_irq(dev, self->irq, &self->line, err) &&
           rh_isa_map_ports(dev, self->iobase, &self->ports, err);
}

static const RhProp parallel_props[] = {
    RH_PROP("index",  IsaParallel, index,  .def = RH_ISA_AUTO, .doc = "which of LPT1 to LPT3, from 0"),
    RH_PROP("iobase", IsaParallel, iobase, .def = RH_ISA_AUTO, .doc = "first port"),
    RH_PROP("irq",    IsaParallel, irq,    .def = 7,           .doc = "ISA interrupt"),
    RH_PROP_AS(rh_prop_chardev, "chardev", IsaParallel, chardev, .doc = "ID of a chardev to use as a backend"),
};
static const RhRegionDesc parallel_regions[] = {
    RH_REGION(IsaParallel, ports, .span = REG_SPAN, .sizes = RH_SIZE_1, .read = parallel_read, .write = parallel_write),
};
static const RhField parallel_fields[] = {
    RH_FIELD(ParallelRegs, data),
    RH_FIELD(ParallelRegs, control, .valid = CONTROL_BITS),
    RH_FIELD(ParallelRegs, acknowledged, .valid = 1),
    RH_FIELD(ParallelRegs, waiting, .valid = 1),
};
static const ParallelRegs parallel_at_reset = { .data = 0xff, .control = CONTROL_INIT | CONTROL_SELECT };

RH_DEVICE(IsaParallel,
    .name     = "isa-parallel",
    .parent   = RH_TYPE_ISA_DEVICE,
    .doc      = "Parallel port",
    .category = "Input",
    .props    = RH_TABLE(parallel_props),
    .regions  = RH_TABLE(parallel_regions),
    .state    = RH_STATE(IsaParallel, regs, parallel_at_reset, .version = 1, .fields = RH_TABLE(parallel_fields)),
    .realize  = parallel_realize,
    .settle   = parallel_settle);
