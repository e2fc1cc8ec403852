/*
 * PCI and PCIE buses: addresses, who sits where, bus numbers. Spec: PCI 3.0 §3.2.2.3, bridges 1.2 §3.2.5.
 */
#include "hw/pci/pci.h"
#include "hw/pci/private.h"

enum { NR_SLOTS = 32, NR_FUNCTIONS = 8 };
#define ROOT_STEP "pci@i0cf8/"        /* the host bridge, by its configuration port */

static bool check_functions(RhPciBus *bus, RhPciDevice *dev, GError **err)
{
    unsigned slot = RH_PCI_SLOT(dev->devfn);
    RhPciDevice *first = bus->slots[RH_PCI_DEVFN(slot, 0)];

    if (RH_PCI_FN(dev->devfn)) {
        if (first && !first->is_multifunction) {
            return rh_fail(err, "PCI: single function device can't be populated in function %02x.%x", slot,
                           RH_PCI_FN(dev->devfn));
        }
        return true;
    }
    for (unsigned fn = 1; fn < NR_FUNCTIONS && !dev->is_multifunction; fn++) {
        if (bus->slots[RH_PCI_DEVFN(slot, fn)]) {
            return rh_fail(err, "PCI: %02x.0 indicates single function, but %02x.%x is already populated.", slot,
                           slot, fn);
        }
    }
    return true;
}

static bool pick_slot(RhPciBus *bus, RhPciDevice *dev, GError **err)
{
    unsigned last = bus->has_one_slot ? 1 : NR_SLOTS;

    for (unsigned slot = bus->first_slot; slot < last; slot++) {
        bool is_free = true;

        for (unsigned fn = 0; fn < NR_FUNCTIONS; fn++) {
            is_free = is_free && !bus->slots[RH_PCI_DEVFN(slot, fn)];
        }
        if (is_free) {
            dev->devfn = RH_PCI_DEVFN(slot, 0);
            return true;
        }
    }
    return rh_fail(err, "PCI: no slot/function available for %s, all in use or reserved",
                   dev->parent.obj.type->name);
}

bool pci_bus_plug(RhBus *b, RhDevice *d, GError **err)
{
    RhPciBus *bus = (RhPciBus *)b;
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    RhPciDevice *other;

    if (dev->failover_pair_id && *dev->failover_pair_id) {
        return rh_fail(err, "Property '%s.failover_pair_id' is not supported yet", d->obj.type->name);
    }
    if (dev->devfn < 0 && !pick_slot(bus, dev, err)) {
        return false;
    }
    if (bus->has_one_slot && RH_PCI_SLOT(dev->devfn)) {
        return rh_fail(err, "PCI: slot %d is not valid for %s, parent device only allows plugging into slot 0.",
                       RH_PCI_SLOT(dev->devfn), d->obj.type->name);
    }
    other = bus->slots[dev->devfn];
    if (other) {
        return rh_fail(err, "PCI: slot %d function %d not available for %s, in use by %s,id=%s",
                       RH_PCI_SLOT(dev->devfn), RH_PCI_FN(dev->devfn), d->obj.type->name,
                       other->parent.obj.type->name, other->parent.id ? other->parent.id : "");
    }
    if (!check_functions(bus, dev, err)) {
        return false;
    }
    bus->slots[dev->devfn] = dev;
    return true;
}

static void pci_bus_unplug(RhBus *b, RhDevice *d)
{
    RhPciBus *bus = (RhPciBus *)b;
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);

    if (dev->devfn >= 0 && bus->slots[dev->devfn] == dev) {
        bus->slots[dev->devfn] = NULL;
    }
}

static char *pci_bus_describe(RhBus *b, RhDevice *d)
{
    int32_t devfn = RH_PCI_DEVICE_OF(d)->devfn;

    return g_strdup_printf("addr=%02x.%x", RH_PCI_SLOT(devfn), RH_PCI_FN(devfn));
}

/* Open Firmware's name for a class of device, where SeaBIOS and OVMF look for one; else "pci" and ids. */
static const struct {
    uint16_t class_id;
    const char *name;
} fw_names[] = {
    { 0x0100, "scsi" },     { 0x0101, "ide" },      { 0x0102, "fdc" },      { 0x0104, "raid" },
    { 0x0106, "sata" },     { 0x0108, "nvme" },     { 0x0200, "ethernet" }, { 0x0300, "vga" },
    { 0x0380, "display" },  { 0x0604, "pci-bridge" }, { 0x0700, "serial" }, { 0x0c03, "usb" },
};

static char *pci_bus_fw_path(RhBus *b, RhDevice *d)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    uint16_t class_id = pci_config16(dev, RH_PCI_CLASS);
    g_autofree char *name = NULL;
    char *path;

    for (size_t i = 0; i < RH_COUNT(fw_names) && !name; i++) {
        if (fw_names[i].class_id == class_id) {
            name = g_strdup(fw_names[i].name);
        }
    }
    if (!name) {
        name = g_strdup_printf("pci%04x,%04x", pci_config16(dev, RH_PCI_VENDOR_ID),
                               pci_config16(dev, RH_PCI_DEVICE_ID));
    }
    path = g_strdup_printf("%s%s@%x", ((RhPciBus *)b)->bridge ? "" : ROOT_STEP, name, RH_PCI_SLOT(dev->devfn));
    if (RH_PCI_FN(dev->devfn)) {
        g_autofree char *slot_only = path;

        path = g_strdup_printf("%s,%x", slot_only, RH_PCI_FN(dev->devfn));
    }
    return path;
}

static const RhBusType pci_bus_type = {
    .name = RH_TYPE_PCI_BUS,
    .parent = RH_TYPE_BUS,
    .doc = "Conventional PCI bus",
    .size = sizeof(RhPciBus),
    .plug = pci_bus_plug,
    .unplug = pci_bus_unplug,
    .describe = pci_bus_describe,
    .fw_path = pci_bus_fw_path,
};
RH_TYPE_ENTRY(pci_bus_type);

static const RhBusType pcie_bus_type = {
    .name = RH_TYPE_PCIE_BUS,
    .parent = RH_TYPE_PCI_BUS,
    .doc = "PCI Express bus",
    .size = sizeof(RhPciBus),
};
RH_TYPE_ENTRY(pcie_bus_type);

RhPciBus *rh_pci_bus_new_root(RhVm *vm, const char *type, RhDevice *owner, const char *name, uint8_t number,
                              RhRegion *memory, RhRegion *ports)
{
    RhPciBus *bus = (RhPciBus *)rh_bus_new(vm, type, owner, name);

    bus->root_number = number;
    bus->memory = memory;
    bus->ports = ports;
    return bus;
}

uint8_t rh_pci_bus_number(const RhPciBus *bus)
{
    return bus->bridge ? bus->bridge->state.config[RH_PCI_SECONDARY_BUS] : bus->root_number;
}

bool rh_pci_bus_is_express(const RhPciBus *bus)
{
    return rh_object_is(&bus->parent.obj, RH_TYPE_PCIE_BUS);
}

RhPciBus *rh_pci_bus_root(RhPciBus *bus)
{
    while (bus->bridge) {
        bus = rh_pci_bus(bus->bridge);
    }
    return bus;
}

RhPciBus *rh_pci_bus_secondary(const RhPciDevice *dev)
{
    if (!pci_type_is_bridge(dev) || !dev->parent.buses->len) {
        return NULL;
    }
    return dev->parent.buses->pdata[0];
}

/* Configuration cycles go down through the bridges whose [secondary, subordinate] holds the number. */
RhPciDevice *rh_pci_find_device(RhPciBus *bus, uint8_t bus_number, uint8_t devfn)
{
    if (bus_number == rh_pci_bus_number(bus)) {
        return bus->slots[devfn];
    }
    for (guint i = 0; i < bus->parent.devices->len; i++) {
        RhPciDevice *dev = bus->parent.devices->pdata[i];
        RhPciBus *below = rh_pci_bus_secondary(dev);

        if (below && dev->parent.is_realized && dev->state.config[RH_PCI_SECONDARY_BUS] &&
            dev->state.config[RH_PCI_SECONDARY_BUS] <= bus_number &&
            dev->state.config[RH_PCI_SUBORDINATE_BUS] >= bus_number) {
            return rh_pci_find_device(below, bus_number, devfn);
        }
    }
    return NULL;
}

void rh_pci_bus_foreach(RhPciBus *bus, void (*fn)(RhPciDevice *dev, void *opaque), void *opaque)
{
    for (unsigned devfn = 0; devfn < RH_COUNT(bus->slots); devfn++) {
        RhPciDevice *dev = bus->slots[devfn];

        if (dev && dev->parent.is_realized) {
            RhPciBus *below = rh_pci_bus_secondary(dev);

            fn(dev, opaque);
            if (below) {
                rh_pci_bus_foreach(below, fn, opaque);
            }
        }
    }
}
