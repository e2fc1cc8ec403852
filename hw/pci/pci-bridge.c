/*
 * pci-bridge, pcie-pci-bridge - a conventional bus below a PCI or PCI Express one
 * Spec: PCI-to-PCI Bridge 1.2; PCI Express to PCI Bridge 1.0.  Lock: machine lock.
 *
 * Neither has a hot-plug controller: devices are plugged before the machine starts.
 */
#include "hw/pci/bridge.h"

typedef struct PlainBridge {
    RhPciBridge parent;
    uint8_t chassis_nr;
    int msi;                    /* RhOnOffAuto */
    bool has_shpc;
} PlainBridge;

static bool add_msi(PlainBridge *bridge, unsigned at, GError **err)
{
    RhPciDevice *dev = &bridge->parent.parent;

    rh_pci_set_pin(dev, 1);
    return bridge->msi == RH_OFF || rh_pci_add_msi(dev, at, 1, true, true, err);
}

static bool pci_bridge_realize(RhDevice *d, GError **err)
{
    PlainBridge *bridge = (PlainBridge *)d;
    RhPciDevice *dev = &bridge->parent.parent;
    uint16_t cap;

    if (bridge->has_shpc) {
        return rh_fail(err, "shpc=on is not supported yet: a hot-plug controller in the bridge");
    }
    rh_pci_bridge_make_bus(&bridge->parent, RH_TYPE_PCI_BUS);
    rh_pci_init16(dev, RH_PCI_STATUS, RH_PCI_STATUS_66MHZ | RH_PCI_STATUS_FAST_BACK);
    cap = rh_pci_add_capability(dev, RH_PCI_CAP_SLOT_ID, 0, 4, err);
    if (!cap) {
        return false;
    }
    rh_pci_init8(dev, cap + 2, 0x20);       /* first in chassis, no expansion slots */
    rh_pci_init8(dev, cap + 3, bridge->chassis_nr);
    return add_msi(bridge, 0, err) && rh_pci_bridge_add_reserve(&bridge->parent, err);
}

static bool pcie_pci_bridge_realize(RhDevice *d, GError **err)
{
    PlainBridge *bridge = (PlainBridge *)d;
    RhPciDevice *dev = &bridge->parent.parent;

    rh_pci_bridge_make_bus(&bridge->parent, RH_TYPE_PCI_BUS);
    return rh_pci_add_express(dev, 0, RH_PCIE_TO_PCI_BRIDGE, 0, err) && rh_pci_add_pm(dev, 0, err) &&
           add_msi(bridge, 0, err);
}

static const RhProp pcie_pci_bridge_props[] = {
    RH_PROP_AS(rh_prop_on_off_auto, "msi", PlainBridge, msi, .doc = "on/off/auto"),
};
static const RhProp pci_bridge_props[] = {
    RH_PROP_AS(rh_prop_on_off_auto, "msi", PlainBridge, msi, .doc = "on/off/auto"),
    RH_PROP("chassis_nr", PlainBridge, chassis_nr, .doc = "chassis number"),
    RH_PROP("shpc", PlainBridge, has_shpc, .doc = "hot-plug controller (not supported yet)"),
    RH_PROP("bus-reserve", PlainBridge, parent.bus_reserve, .def = UINT32_MAX, .doc = "bus numbers firmware sets aside"),
    RH_PROP_AS(rh_prop_size, "io-reserve", PlainBridge, parent.io_reserve, .def = UINT64_MAX, .doc = "I/O window"),
    RH_PROP_AS(rh_prop_size, "mem-reserve", PlainBridge, parent.mem_reserve, .def = UINT64_MAX,
               .doc = "memory window"),
    RH_PROP_AS(rh_prop_size, "pref32-reserve", PlainBridge, parent.pref32_reserve, .def = UINT64_MAX,
               .doc = "prefetchable window below 4 GiB"),
    RH_PROP_AS(rh_prop_size, "pref64-reserve", PlainBridge, parent.pref64_reserve, .def = UINT64_MAX,
               .doc = "prefetchable window"),
};

RH_PCI_DEVICE_NAMED(pci_bridge, PlainBridge,
    .name      = "pci-bridge",
    .parent    = RH_TYPE_PCI_BRIDGE_BASE,
    .doc       = "Standard PCI Bridge",
    .vendor_id = RH_PCI_VENDOR_REDHAT,
    .device_id = 0x0001,
    .props     = RH_TABLE(pci_bridge_props),
    .realize   = pci_bridge_realize);

RH_PCI_DEVICE_NAMED(pcie_pci_bridge, PlainBridge,
    .name       = "pcie-pci-bridge",
    .parent     = RH_TYPE_PCI_BRIDGE_BASE,
    .doc        = "PCI Express to PCI bridge",
    .bus        = RH_TYPE_PCIE_BUS,
    .vendor_id  = RH_PCI_VENDOR_REDHAT,
    .device_id  = 0x000e,
    .is_express = true,
    .props      = RH_TABLE(pcie_pci_bridge_props),
    .realize    = pcie_pci_bridge_realize);
