/*
 * pci-serial-2x, pci-serial-4x - several 16550As in one PCI function: one I/O register with eight ports for each, one
 * INTx pin for all.
 * Spec: core in hw/char/serial.c; class as of pci-serial.  Lock: machine lock (the default).
 */
#include "hw/char/serial-port.h"
#include "hw/pci/pci.h"

enum { MAX_PORTS = 4, PROG_IF_16550 = 2 };

typedef struct MultiSerial {
    RhPciDevice parent;
    uint8_t prog_if;            /* properties */
    RhCharProp chardevs[MAX_PORTS];
    unsigned nr_ports;          /* wiring */
    RhDevice *uarts[MAX_PORTS];
    RhRegion ports;
    uint8_t levels;             /* of the lines, one bit each; derived */
} MultiSerial;

static void uart_irq(void *opaque, unsigned uart, int level)
{
    MultiSerial *self = opaque;

    self->levels = (uint8_t)(level ? self->levels | 1u << uart : self->levels & ~(1u << uart));
    rh_pci_set_irq(&self->parent, self->levels != 0);
}

static void release_uart(RhDevice *dev, void *uart)
{
    rh_device_remove(uart);
}

static bool make_uart(MultiSerial *self, unsigned i, GError **err)
{
    RhDevice *dev = &self->parent.parent;
    RhDevice *uart = rh_device_new(rh_device_vm(dev), RH_TYPE_SERIAL_PORT, err);
    g_autofree char *name = g_strdup_printf("serial[%u]", i);
    RhSerialPort *port = (RhSerialPort *)uart;

    if (!uart || !rh_device_own(uart, &dev->obj, name, err)) {
        return false;
    }
    self->uarts[i] = uart;
    if (self->chardevs[i].id && !rh_object_set_str(&uart->obj, "chardev", self->chardevs[i].id, err)) {
        return false;
    }
    rh_line_connect_fn(&port->line, uart_irq, self, i);
    if (!rh_device_realize(uart, NULL, err)) {
        return false;
    }
    rh_device_claim(dev, release_uart, uart);
    rh_region_add(&self->ports, i * RH_SERIAL_SPAN, &port->ports);
    return true;
}

static bool multi_realize(RhDevice *dev, unsigned nr_ports, GError **err)
{
    MultiSerial *self = RH_SELF(MultiSerial, dev);

    self->nr_ports = nr_ports;
    rh_pci_init8(&self->parent, RH_PCI_PROG_IF, self->prog_if);
    rh_pci_set_pin(&self->parent, 1);
    rh_region_init_container(&self->ports, rh_device_vm(dev), "multiserial", nr_ports * RH_SERIAL_SPAN);
    rh_pci_add_bar(&self->parent, 0, &self->ports, RH_PCI_BAR_IO);
    for (unsigned i = 0; i < nr_ports; i++) {
        if (!make_uart(self, i, err)) {
            return false;
        }
    }
    return true;
}

static bool two_realize(RhDevice *dev, GError **err)
{
    return multi_realize(dev, 2, err);
}

static bool four_realize(RhDevice *dev, GError **err)
{
    return multi_realize(dev, 4, err);
}

static void multi_unrealize(RhDevice *dev)
{
    rh_region_fini(&RH_SELF(MultiSerial, dev)->ports);
}

#define CHARDEV(n) \
    RH_PROP_AS(rh_prop_chardev, "chardev" #n, MultiSerial, chardevs[n - 1], .doc = "ID of a chardev to use as a backend")
#define PROG_IF \
    RH_PROP("prog_if", MultiSerial, prog_if, .def = PROG_IF_16550, .doc = "programming interface of the class code")

static const RhProp two_props[] = { PROG_IF, CHARDEV(1), CHARDEV(2) };
static const RhProp four_props[] = { PROG_IF, CHARDEV(1), CHARDEV(2), CHARDEV(3), CHARDEV(4) };

RH_PCI_DEVICE_NAMED(two, MultiSerial,
    .name      = "pci-serial-2x",
    .parent    = RH_TYPE_PCI_DEVICE,
    .doc       = "Two 16550A serial ports on PCI",
    .category  = "Input",
    .vendor_id = RH_PCI_VENDOR_REDHAT,
    .device_id = 0x0003,
    .revision  = 0x01,
    .class_id  = 0x0700,
    .props     = RH_TABLE(two_props),
    .realize   = two_realize,
    .unrealize = multi_unrealize);

RH_PCI_DEVICE_NAMED(four, MultiSerial,
    .name      = "pci-serial-4x",
    .parent    = RH_TYPE_PCI_DEVICE,
    .doc       = "Four 16550A serial ports on PCI",
    .category  = "Input",
    .vendor_id = RH_PCI_VENDOR_REDHAT,
    .device_id = 0x0004,
    .revision  = 0x01,
    .class_id  = 0x0700,
    .props     = RH_TABLE(four_props),
    .realize   = four_realize,
    .unrealize = multi_unrealize);
