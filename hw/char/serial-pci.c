/*
 * pci-serial - a 16550A behind an I/O register of a PCI function, with an INTx pin.
 * Spec: core in hw/char/serial.c; class 07.00, whose interface 02 means 16550 (PCI Code and ID Assignment 1.11 §1.8).
 * Lock: machine lock (the default).
 */
#include "hw/char/serial.h"
#include "hw/pci/pci.h"

typedef struct PciSerial {
    RhPciDevice parent;
    uint8_t prog_if;            /* properties */
    uint32_t baudbase;
    bool wakeup;
    RhCharProp chardev;
    RhRegion ports;             /* wiring */
    RhLine line;
    RhSerial uart;
} PciSerial;

enum { PROG_IF_16550 = 2 };

static uint64_t serial_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_serial_read(&RH_SELF(PciSerial, dev)->uart, at);
}

static void serial_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_serial_write(&RH_SELF(PciSerial, dev)->uart, at, value);
}

static void serial_irq(void *opaque, unsigned pin, int level)
{
    rh_pci_set_irq(opaque, level);
}

static void serial_settle(RhDevice *dev)
{
    rh_serial_settle(&RH_SELF(PciSerial, dev)->uart);
}

static bool serial_check(RhDevice *dev, GError **err)
{
    return rh_serial_check(&RH_SELF(PciSerial, dev)->uart, err);
}

static bool serial_realize(RhDevice *dev, GError **err)
{
    PciSerial *self = RH_SELF(PciSerial, dev);

    rh_pci_init8(&self->parent, RH_PCI_PROG_IF, self->prog_if);
    rh_pci_set_pin(&self->parent, 1);
    rh_pci_add_bar(&self->parent, 0, &self->ports, RH_PCI_BAR_IO);
    rh_line_connect_fn(&self->line, serial_irq, &self->parent, 0);
    self->uart.wakes_up = self->wakeup;
    return rh_serial_attach(&self->uart, dev, &self->line, self->chardev.chr, self->baudbase, err);
}

static const RhProp serial_props[] = {
    RH_PROP("prog_if",  PciSerial, prog_if,  .def = PROG_IF_16550, .doc = "programming interface of the class code"),
    RH_SERIAL_PROPS(PciSerial),
};
static const RhRegionDesc serial_regions[] = {
    RH_REGION(PciSerial, ports, .span = RH_SERIAL_SPAN, .sizes = RH_SIZE_1, .read = serial_read,
              .write = serial_write),
};

RH_PCI_DEVICE(PciSerial,
    .name      = "pci-serial",
    .parent    = RH_TYPE_PCI_DEVICE,
    .doc       = "16550A serial port on PCI",
    .category  = "Input",
    .vendor_id = RH_PCI_VENDOR_REDHAT,
    .device_id = 0x0002,
    .revision  = 0x01,
    .class_id  = 0x0700,
    .props     = RH_TABLE(serial_props),
    .regions   = RH_TABLE(serial_regions),
    .state     = RH_SERIAL_STATE(PciSerial, uart),
    .realize   = serial_realize,
    .check     = serial_check,
    .settle    = serial_settle);
