/*
 * pcie-root-port - generic root port: a slot of PCI Express with hot-plug
 * Spec: PCIe 4.0 §7.5.  Lock: machine lock.
 */
#include "hw/pci/slot.h"

enum {                      /* where the capabilities lie */
    CAP_SSVID   = 0x40,
    CAP_MSIX    = 0x48,
    CAP_EXPRESS = 0x54,
    EXT_AER     = 0x100,
    EXT_ACS     = 0x148,
};
enum { AER_LEN = 0x48, ACS_LEN = 8, AER_VERSION = 2, ACS_VERSION = 1 };

static const char *const speeds[] = { "2_5", "5", "8", "16", NULL };
static const char *const widths[] = { "1", "2", "4", "8", "12", "16", "32", NULL };
static const uint8_t width_lanes[] = { 1, 2, 4, 8, 12, 16, 32 };

typedef struct RootPort {
    RhPciBridge parent;
    uint8_t port;
    uint8_t chassis;
    uint16_t slot_number;
    bool is_hotpluggable;
    bool is_native_hotplug;
    bool has_power_controller;
    bool has_no_acs;
    bool has_migrated_msix;
    uint16_t aer_log_max;
    int speed;
    int width;
    RhPcieSlot slot;
} RootPort;

static RootPort *port_of(RhDevice *d)
{
    return (RootPort *)d;
}

static void shape_link(RootPort *rp)
{
    RhPciDevice *dev = &rp->parent.parent;
    unsigned cap = dev->express_cap;
    uint16_t link = width_lanes[rp->width] << 4 | (rp->speed + 1);

    rh_pci_init32(dev, cap + RH_PCIE_LINK_CAP,
                  (uint32_t)rp->port << 24 | 1u << 21 | 1u << 20 | 1u << 10 | link);
    rh_pci_init16(dev, cap + RH_PCIE_LINK_STATUS, link);
    rh_pci_init32(dev, cap + RH_PCIE_LINK_CAP2, rh_bits(rp->speed + 1) << 1);
    rh_pci_init16(dev, cap + RH_PCIE_LINK_CTL2, rp->speed + 1);
    rh_pci_init32(dev, cap + RH_PCIE_DEVICE_CAP2, 0x00300020);      /* ARI forwarding */
    rh_pci_writable16(dev, cap + RH_PCIE_DEVICE_CTL2, 0x8020);
    rh_pci_writable16(dev, cap + RH_PCIE_ROOT_CTL, 0x001f);
    rh_pci_w1c32(dev, cap + RH_PCIE_ROOT_STATUS, 0x00010000);
}

/* Advanced error reporting, §7.8.4: there are no errors here, but drivers expect to program their masks. */
static bool add_aer(RhPciDevice *dev, GError **err)
{
    uint16_t at = rh_pci_add_ext_capability(dev, RH_PCI_EXT_CAP_AER, AER_VERSION, EXT_AER, AER_LEN, err);

    if (!at) {
        return false;
    }
    rh_pci_w1c32(dev, at + 0x04, 0x07fff030);               /* uncorrectable status, mask, severity */
    rh_pci_writable32(dev, at + 0x08, 0x07fff030);
    rh_pci_init32(dev, at + 0x08, 0x00400000);
    rh_pci_writable32(dev, at + 0x0c, 0x07fff030);
    rh_pci_init32(dev, at + 0x0c, 0x00462030);
    rh_pci_w1c32(dev, at + 0x10, 0x0000f1c1);               /* correctable status, mask */
    rh_pci_writable32(dev, at + 0x14, 0x0000f1c1);
    rh_pci_init32(dev, at + 0x14, 0x0000e000);
    rh_pci_writable32(dev, at + 0x2c, 0x00000007);          /* root error command, status */
    rh_pci_w1c32(dev, at + 0x30, 0x0000007f);
    return true;
}

static bool add_acs(RhPciDevice *dev, GError **err)
{
    uint16_t at = rh_pci_add_ext_capability(dev, RH_PCI_EXT_CAP_ACS, ACS_VERSION, EXT_ACS, ACS_LEN, err);

    if (!at) {
        return false;
    }
    rh_pci_init16(dev, at + 4, 0x001d);     /* source validation, request and completion redirect, upstream forwarding */
    rh_pci_writable16(dev, at + 6, 0x001d);
    return true;
}

typedef struct Twin {
    const RootPort *self;
    bool is_found;
} Twin;

static bool look_for_twin(RhObject *obj, void *opaque)
{
    Twin *twin = opaque;
    const RootPort *other = (const RootPort *)obj;

    if (rh_object_is(obj, "pcie-root-port") && other != twin->self && other->parent.parent.parent.is_realized &&
        other->chassis == twin->self->chassis && other->slot_number == twin->self->slot_number) {
        twin->is_found = true;
    }
    return !twin->is_found;
}

static bool check_slot(RootPort *rp, GError **err)
{
    Twin twin = { .self = rp };

    rh_object_foreach(rh_device_vm(&rp->parent.parent.parent)->root, look_for_twin, &twin);
    if (twin.is_found) {
        return rh_fail(err, "Can't add chassis slot, error -16: chassis %u slot %u is taken", rp->chassis,
                       rp->slot_number);
    }
    return true;
}

static bool root_port_realize(RhDevice *d, GError **err)
{
    RootPort *rp = port_of(d);
    RhPciDevice *dev = &rp->parent.parent;

    if (!check_slot(rp, err)) {
        return false;
    }
    rh_pci_set_pin(dev, 1);
    rh_pci_bridge_make_bus(&rp->parent, RH_TYPE_PCIE_BUS);
    rp->parent.secondary->has_one_slot = true;
    if (!rh_pci_bridge_add_ssvid(dev, CAP_SSVID, RH_PCI_VENDOR_REDHAT, 0, err) ||
        !rh_pci_add_msix_bar(dev, CAP_MSIX, 1, 0, err) ||
        !rh_pci_add_express(dev, CAP_EXPRESS, RH_PCIE_ROOT_PORT, rp->port, err)) {
        return false;
    }
    shape_link(rp);
    rp->slot.is_hotpluggable = rp->is_hotpluggable;
    rp->slot.has_power_controller = rp->has_power_controller;
    rh_pcie_slot_shape(&rp->slot, &rp->parent, rp->slot_number);
    if (!rh_pci_bridge_add_reserve(&rp->parent, err)) {
        return false;
    }
    return dev->config_size == RH_PCI_CONFIG_SIZE || (add_aer(dev, err) && (rp->has_no_acs || add_acs(dev, err)));
}

static void root_port_reset(RhDevice *d)
{
    rh_pcie_slot_reset(&port_of(d)->slot);
}

static void root_port_settle(RhDevice *d)
{
    rh_pcie_slot_settle(&port_of(d)->slot);
}

static void root_port_config_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    rh_pcie_slot_written(&port_of(&dev->parent)->slot, at, len);
}

static const RhProp root_port_props[] = {
    RH_PROP("port", RootPort, port, .doc = "port number in the link capabilities"),
    RH_PROP("chassis", RootPort, chassis, .doc = "chassis number; with slot it must be unique"),
    RH_PROP("slot", RootPort, slot_number, .max = 0x1fff, .doc = "slot number in the slot capabilities"),
    RH_PROP("hotplug", RootPort, is_hotpluggable, .def = true, .doc = "devices may come and go while it runs"),
    RH_PROP("x-native-hotplug", RootPort, is_native_hotplug, .def = true, .doc = "on/off"),
    RH_PROP("power_controller_present", RootPort, has_power_controller, .def = true, .doc = "on/off"),
    RH_PROP("disable-acs", RootPort, has_no_acs, .doc = "no access control services"),
    RH_PROP("x-migrate-msix", RootPort, has_migrated_msix, .def = true, .doc = "on/off"),
    RH_PROP("aer_log_max", RootPort, aer_log_max, .def = 8, .max = 128, .doc = "errors kept"),
    RH_PROP_AS(rh_prop_enum, "x-speed", RootPort, speed, .def = 3, .values = speeds, .doc = "2_5/5/8/16"),
    RH_PROP_AS(rh_prop_enum, "x-width", RootPort, width, .def = 6, .values = widths, .doc = "1/2/4/8/12/16/32"),
    RH_PROP("bus-reserve", RootPort, parent.bus_reserve, .def = UINT32_MAX, .doc = "bus numbers firmware sets aside"),
    RH_PROP_AS(rh_prop_size, "io-reserve", RootPort, parent.io_reserve, .def = UINT64_MAX, .doc = "I/O window"),
    RH_PROP_AS(rh_prop_size, "mem-reserve", RootPort, parent.mem_reserve, .def = UINT64_MAX, .doc = "memory window"),
    RH_PROP_AS(rh_prop_size, "pref32-reserve", RootPort, parent.pref32_reserve, .def = UINT64_MAX,
               .doc = "prefetchable window below 4 GiB"),
    RH_PROP_AS(rh_prop_size, "pref64-reserve", RootPort, parent.pref64_reserve, .def = UINT64_MAX,
               .doc = "prefetchable window"),
};

RH_PCI_DEVICE(RootPort,
    .name       = "pcie-root-port",
    .parent     = RH_TYPE_PCI_BRIDGE_BASE,
    .doc        = "PCI Express Root Port",
    .bus        = RH_TYPE_PCIE_BUS,
    .vendor_id  = RH_PCI_VENDOR_REDHAT,
    .device_id  = 0x000c,
    .is_express = true,
    .props      = RH_TABLE(root_port_props),
    .realize    = root_port_realize,
    .reset      = root_port_reset,
    .settle     = root_port_settle,
    .config_written = root_port_config_written);
