/*
 * Capability lists: PCI 3.0 §6.7, extended ones PCIe 4.0 §7.6. Power management and PCI Express.
 */
#include "hw/pci/pci.h"
#include "hw/pci/private.h"

uint16_t rh_pci_add_capability(RhPciDevice *dev, uint8_t id, unsigned at, unsigned len, GError **err)
{
    if (!at) {
        at = rh_align_up(dev->cap_end, 4);
    }
    if (at < 0x40 || !rh_range_ok(at, len, RH_PCI_CONFIG_SIZE)) {
        rh_fail(err, "%s: no room for PCI capability 0x%02x of %u bytes at 0x%02x", dev->parent.obj.type->name, id,
                len, at);
        return 0;
    }
    rh_pci_init8(dev, at, id);
    rh_pci_init8(dev, at + 1, dev->initial[RH_PCI_CAPABILITIES]);
    rh_pci_init8(dev, RH_PCI_CAPABILITIES, at);
    rh_pci_init16(dev, RH_PCI_STATUS, rh_ld16(dev->initial + RH_PCI_STATUS) | RH_PCI_STATUS_CAP_LIST);
    dev->cap_end = MAX(dev->cap_end, at + len);
    return at;
}

uint16_t rh_pci_add_ext_capability(RhPciDevice *dev, uint16_t id, uint8_t version, unsigned at, unsigned len,
                                   GError **err)
{
    if (!at) {
        at = rh_align_up(dev->ext_cap_end, 4);
    }
    if (at < RH_PCI_CONFIG_SIZE || !rh_range_ok(at, len, dev->config_size)) {
        rh_fail(err, "%s: no room for PCI Express capability 0x%04x of %u bytes at 0x%03x",
                dev->parent.obj.type->name, id, len, at);
        return 0;
    }
    /* The list starts at 0x100 (§7.6.2), so the first one must be put there. */
    g_assert(dev->ext_cap_last || at == RH_PCI_CONFIG_SIZE);
    rh_pci_init32(dev, at, id | (uint32_t)(version & 0xf) << 16);
    if (dev->ext_cap_last) {
        uint32_t last = rh_ld32(dev->initial + dev->ext_cap_last);

        rh_pci_init32(dev, dev->ext_cap_last, last | (uint32_t)at << 20);
    }
    dev->ext_cap_last = at;
    dev->ext_cap_end = MAX(dev->ext_cap_end, at + len);
    return at;
}

uint16_t rh_pci_find_capability(const RhPciDevice *dev, uint8_t id)
{
    const uint8_t *config = dev->state.config;
    uint8_t at = config[RH_PCI_CAPABILITIES];

    for (unsigned hops = 0; at >= 0x40 && hops < 48; hops++) {
        if (config[at] == id) {
            return at;
        }
        at = config[at + 1] & ~3;
    }
    return 0;
}

bool rh_pci_add_pm(RhPciDevice *dev, unsigned at, GError **err)
{
    dev->pm_cap = rh_pci_add_capability(dev, RH_PCI_CAP_PM, at, 8, err);
    if (!dev->pm_cap) {
        return false;
    }
    rh_pci_init16(dev, dev->pm_cap + 2, 3);             /* version 1.2, no PME */
    rh_pci_init16(dev, dev->pm_cap + 4, 0x0008);        /* state survives D3hot to D0 */
    rh_pci_writable16(dev, dev->pm_cap + 4, 0x0003);
    return true;
}

static void add_link(RhPciDevice *dev, uint16_t at, uint8_t port)
{
    bool is_port = dev->initial[at + RH_PCIE_FLAGS] >> 4 == RH_PCIE_ROOT_PORT ||
                   dev->initial[at + RH_PCIE_FLAGS] >> 4 == RH_PCIE_DOWNSTREAM;

    /* x1 at 2.5 GT/s, ASPM L0s; ports report whether the link is up. */
    rh_pci_init32(dev, at + RH_PCIE_LINK_CAP,
                  (uint32_t)port << 24 | (is_port ? 1u << 20 : 0) | 1u << 10 | 1u << 4 | 1);
    rh_pci_init16(dev, at + RH_PCIE_LINK_STATUS, 1u << 4 | 1 | (dev->has_lnksta_dllla && !is_port ? RH_PCIE_LINK_ACTIVE : 0));
    rh_pci_writable16(dev, at + RH_PCIE_LINK_CTL, 0x01fb & ~0x0020);
}

bool rh_pci_add_express(RhPciDevice *dev, unsigned at, RhPcieType type, uint8_t port, GError **err)
{
    uint16_t cap = rh_pci_add_capability(dev, RH_PCI_CAP_EXPRESS, at, RH_PCIE_CAP_LEN, err);

    if (!cap) {
        return false;
    }
    if (type == RH_PCIE_ENDPOINT && !rh_pci_bus(dev)->bridge) {
        type = RH_PCIE_INTEGRATED;
    }
    dev->express_cap = cap;
    rh_pci_init16(dev, cap + RH_PCIE_FLAGS, type << 4 | 2);
    rh_pci_init32(dev, cap + RH_PCIE_DEVICE_CAP, 0x8000 | (type == RH_PCIE_ENDPOINT ? RH_PCIE_FLR_CAP : 0));
    rh_pci_writable16(dev, cap + RH_PCIE_DEVICE_CTL, 0x78ff);
    rh_pci_w1c16(dev, cap + RH_PCIE_DEVICE_STATUS, 0x000f);
    if (type != RH_PCIE_INTEGRATED) {           /* §7.5.3: no link registers without a link */
        add_link(dev, cap, port);
        rh_pci_init16(dev, cap + RH_PCIE_LINK_CTL2, 1);
        rh_pci_init32(dev, cap + RH_PCIE_LINK_CAP2, 1u << 1);
    }
    rh_pci_init32(dev, cap + RH_PCIE_DEVICE_CAP2, 0x00300000);   /* end-to-end prefixes: one */
    rh_pci_writable16(dev, cap + RH_PCIE_DEVICE_CTL2, 0x8000);
    return true;
}
