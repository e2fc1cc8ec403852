/*
 * isa-serial - a 16550A at the PC's usual serial ports.
 * Spec: core in hw/char/serial.c; addresses and interrupts of COM1 to COM4 from the IBM PC/AT reference.
 * Lock: machine lock (the default).
 */
#include "hw/char/serial.h"
#include "hw/core/isa.h"

typedef struct IsaSerial {
    RhIsaDevice parent;
    uint32_t index;             /* properties */
    uint32_t iobase;
    uint32_t irq;
    uint32_t baudbase;
    bool wakeup;
    RhCharProp chardev;
    RhRegion ports;             /* wiring */
    RhLine line;
    RhSerial uart;
} IsaSerial;

static const struct {
    uint16_t iobase;
    uint8_t irq;
} usual[] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

static uint64_t serial_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_serial_read(&RH_SELF(IsaSerial, dev)->uart, at);
}

static void serial_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_serial_write(&RH_SELF(IsaSerial, dev)->uart, at, value);
}

static void serial_settle(RhDevice *dev)
{
    rh_serial_settle(&RH_SELF(IsaSerial, dev)->uart);
}

static bool serial_check(RhDevice *dev, GError **err)
{
    return rh_serial_check(&RH_SELF(IsaSerial, dev)->uart, err);
}

static bool serial_realize(RhDevice *dev, GError **err)
{
    IsaSerial *self = RH_SELF(IsaSerial, dev);

    self->index = rh_isa_take_index(dev, RH_ISA_SERIAL, self->index);
    if (self->index >= RH_COUNT(usual)) {
        return rh_fail(err, "Property 'isa-serial.index' is %u, must be 0 to %zu (there are %zu ISA serial ports)",
                       self->index, RH_COUNT(usual) - 1, RH_COUNT(usual));
    }
    self->iobase = self->iobase == RH_ISA_AUTO ? usual[self->index].iobase : self->iobase;
    self->irq = self->irq == RH_ISA_AUTO ? usual[self->index].irq : self->irq;
    self->uart.wakes_up = self->wakeup;
    return rh_isa_claim_irq(dev, self->irq, &self->line, err) &&
           rh_serial_attach(&self->uart, dev, &self->line, self->chardev.chr, self->baudbase, err) &&
           rh_isa_map_ports(dev, self->iobase, &self->ports, err);
}

static const RhProp serial_props[] = {
    RH_PROP("index",    IsaSerial, index,    .def = RH_ISA_AUTO, .doc = "which of COM1 to COM4, from 0"),
    RH_PROP("iobase",   IsaSerial, iobase,   .def = RH_ISA_AUTO, .doc = "first port"),
    RH_PROP("irq",      IsaSerial, irq,      .def = RH_ISA_AUTO, .doc = "ISA interrupt"),
    RH_SERIAL_PROPS(IsaSerial),
};
static const RhRegionDesc serial_regions[] = {
    RH_REGION(IsaSerial, ports, .span = RH_SERIAL_SPAN, .sizes = RH_SIZE_1, .read = serial_read,
              .write = serial_write),
};

RH_DEVICE(IsaSerial,
    .name     = "isa-serial",
    .parent   = RH_TYPE_ISA_DEVICE,
    .doc      = "16550A serial port",
    .category = "Input",
    .props    = RH_TABLE(serial_props),
    .regions  = RH_TABLE(serial_regions),
    .state    = RH_SERIAL_STATE(IsaSerial, uart),
    .realize  = serial_realize,
    .check    = serial_check,
    .settle   = serial_settle);
