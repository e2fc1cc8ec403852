/*
 * INTx: four shared, level-triggered pins per slot; bridges swizzle them. Spec: PCI 3.0 §2.2.6, bridges 1.2 §9.1.
 */
#include "hw/pci/pci.h"
#include "hw/pci/private.h"

static unsigned route(RhPciDevice *dev, RhPciBus **ret_root)
{
    RhPciBus *bus = rh_pci_bus(dev);
    unsigned pin = dev->initial[RH_PCI_INTERRUPT_PIN] - 1;
    uint8_t devfn = dev->devfn;

    for (; bus->bridge; bus = rh_pci_bus(bus->bridge)) {
        pin = (pin + RH_PCI_SLOT(devfn)) % RH_PCI_NR_PINS;
        devfn = bus->bridge->devfn;
    }
    *ret_root = bus;
    return bus->map_irq ? bus->map_irq(bus->irq_opaque, devfn, pin) : 0;
}

static void drive(RhPciDevice *dev, int level)
{
    RhPciBus *root;
    unsigned irq;

    if (dev->intx_out == level) {
        return;
    }
    dev->intx_out = level;
    irq = route(dev, &root);
    if (irq >= root->nr_irqs) {
        return;
    }
    root->irq_counts[irq] += level ? 1 : -1;
    root->set_irq(root->irq_opaque, irq, root->irq_counts[irq] != 0);
}

void pci_intx_update(RhPciDevice *dev)
{
    uint8_t *config = dev->state.config;
    bool has_pin = dev->initial[RH_PCI_INTERRUPT_PIN];
    int level = has_pin && dev->state.intx_level;

    /* The status bit shows the device's wish even when the pin is switched off, PCI 3.0 §6.2.3. */
    config[RH_PCI_STATUS] = (config[RH_PCI_STATUS] & ~RH_PCI_STATUS_INTERRUPT) |
                            (level ? RH_PCI_STATUS_INTERRUPT : 0);
    if (pci_config16(dev, RH_PCI_COMMAND) & RH_PCI_COMMAND_INTX_OFF || rh_pci_msix_enabled(dev) ||
        rh_pci_msi_enabled(dev)) {
        level = 0;      /* §6.8.2: a function that uses messages must not use its pin */
    }
    drive(dev, level);
}

void pci_intx_release(RhPciDevice *dev)
{
    drive(dev, 0);
}

void rh_pci_set_irq(RhPciDevice *dev, int level)
{
    dev->state.intx_level = level != 0;
    pci_intx_update(dev);
}

void rh_pci_bus_set_irqs(RhPciBus *bus, unsigned nr, RhPciIrqMap *map, RhPciIrqSet *set, void *opaque)
{
    g_assert(nr <= RH_PCI_MAX_IRQS);
    bus->nr_irqs = nr;
    bus->map_irq = map;
    bus->set_irq = set;
    bus->irq_opaque = opaque;
}

static void count(RhPciDevice *dev, void *opaque)
{
    RhPciBus *root;
    unsigned irq;

    if (dev->intx_out) {
        irq = route(dev, &root);
        if (irq < root->nr_irqs) {
            root->irq_counts[irq]++;
        }
    }
}

void rh_pci_bus_remap_irqs(RhPciBus *bus)
{
    memset(bus->irq_counts, 0, sizeof(bus->irq_counts));
    rh_pci_bus_foreach(bus, count, NULL);
    for (unsigned irq = 0; irq < bus->nr_irqs; irq++) {
        bus->set_irq(bus->irq_opaque, irq, bus->irq_counts[irq] != 0);
    }
}

void rh_pci_interrupt(RhPciDevice *dev, int level)
{
    bool was_high = dev->state.intx_level;

    rh_pci_set_irq(dev, level);
    if (level && !was_high) {
        rh_pci_notify(dev, 0);
    }
}
