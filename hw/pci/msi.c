/*
 * MSI: messages described in the configuration space itself. Spec: PCI 3.0 §6.8.1.
 */
#include "hw/pci/pci.h"
#include "hw/pci/private.h"

static bool is_64bit(const RhPciDevice *dev)
{
    return dev->initial[dev->msi_cap + RH_PCI_MSI_CONTROL] & RH_PCI_MSI_64BIT;
}

static bool is_maskable(const RhPciDevice *dev)
{
    return rh_ld16(dev->initial + dev->msi_cap + RH_PCI_MSI_CONTROL) & RH_PCI_MSI_MASKABLE;
}

static unsigned data_at(const RhPciDevice *dev)
{
    return dev->msi_cap + (is_64bit(dev) ? 12 : 8);
}

static unsigned mask_at(const RhPciDevice *dev)
{
    return data_at(dev) + 4;
}

bool rh_pci_add_msi(RhPciDevice *dev, unsigned at, unsigned nr, bool has_64bit, bool has_mask, GError **err)
{
    unsigned len = (has_64bit ? 14 : 10) + (has_mask ? 10 : 0);
    unsigned log2 = __builtin_ctz(nr);
    uint16_t cap;

    g_assert(nr && nr <= 32 && !(nr & (nr - 1)));
    cap = rh_pci_add_capability(dev, RH_PCI_CAP_MSI, at, len, err);
    if (!cap) {
        return false;
    }
    dev->msi_cap = cap;
    rh_pci_init16(dev, cap + RH_PCI_MSI_CONTROL,
                  log2 << 1 | (has_64bit ? RH_PCI_MSI_64BIT : 0) | (has_mask ? RH_PCI_MSI_MASKABLE : 0));
    rh_pci_writable16(dev, cap + RH_PCI_MSI_CONTROL, 0x0070 | RH_PCI_MSI_ENABLE);
    rh_pci_writable32(dev, cap + RH_PCI_MSI_ADDRESS, 0xfffffffc);
    if (has_64bit) {
        rh_pci_writable32(dev, cap + RH_PCI_MSI_UPPER, 0xffffffff);
    }
    rh_pci_writable16(dev, data_at(dev), 0xffff);
    if (has_mask) {
        rh_pci_writable32(dev, mask_at(dev), rh_bits(nr));
    }
    return true;
}

bool rh_pci_msi_enabled(const RhPciDevice *dev)
{
    return dev->msi_cap && pci_config16(dev, dev->msi_cap + RH_PCI_MSI_CONTROL) & RH_PCI_MSI_ENABLE;
}

/* A guest may ask for more messages than the device has; it gets what there is. */
static unsigned nr_enabled(const RhPciDevice *dev)
{
    uint16_t control = pci_config16(dev, dev->msi_cap + RH_PCI_MSI_CONTROL);
    unsigned wanted = control >> 4 & 7;

    return 1u << MIN(wanted, (unsigned)(control >> 1 & 7));
}

static void send(RhPciDevice *dev, unsigned vector)
{
    uint64_t address = pci_config32(dev, dev->msi_cap + RH_PCI_MSI_ADDRESS);
    uint32_t data = pci_config16(dev, data_at(dev));

    if (is_64bit(dev)) {
        address |= (uint64_t)pci_config32(dev, dev->msi_cap + RH_PCI_MSI_UPPER) << 32;
    }
    data = (data & ~(nr_enabled(dev) - 1)) | vector;
    rh_pci_send_message(dev, address, data);
}

bool pci_msi_notify(RhPciDevice *dev, unsigned vector)
{
    if (!rh_pci_msi_enabled(dev)) {
        return false;
    }
    vector &= nr_enabled(dev) - 1;
    if (is_maskable(dev) && pci_config32(dev, mask_at(dev)) >> vector & 1) {
        uint8_t *pending = dev->state.config + mask_at(dev) + 4;

        rh_st32(pending, rh_ld32(pending) | 1u << vector);
        return true;
    }
    send(dev, vector);
    return true;
}

void pci_msi_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    uint8_t *pending;
    uint32_t due;

    if (!dev->msi_cap || !pci_overlaps(at, len, dev->msi_cap, 24)) {
        return;
    }
    pci_intx_update(dev);
    if (!rh_pci_msi_enabled(dev) || !is_maskable(dev)) {
        return;
    }
    pending = dev->state.config + mask_at(dev) + 4;
    due = rh_ld32(pending) & ~pci_config32(dev, mask_at(dev)) & rh_bits(nr_enabled(dev));
    rh_st32(pending, rh_ld32(pending) & ~due);
    for (unsigned vector = 0; vector < 32; vector++) {
        if (due >> vector & 1) {
            send(dev, vector);
        }
    }
}

bool rh_pci_notify(RhPciDevice *dev, unsigned vector)
{
    return pci_msix_notify(dev, vector) || pci_msi_notify(dev, vector);
}

uint16_t rh_pci_requester(const RhPciDevice *dev)
{
    return (uint16_t)(rh_pci_bus_number(rh_pci_bus(dev)) << 8 | (dev->devfn & 0xff));
}

void rh_pci_send_message(RhPciDevice *dev, uint64_t address, uint32_t data)
{
    RhVm *vm = rh_device_vm(&dev->parent);

    if (!(pci_config16(dev, RH_PCI_COMMAND) & RH_PCI_COMMAND_MASTER)) {
        return;
    }
    if (vm->accel && rh_accel_type(vm->accel)->send_msi && rh_accel_has_irqchip(vm)) {
        rh_accel_type(vm->accel)->send_msi(vm->accel, address, data, rh_pci_requester(dev));
        return;
    }
    /* The device may be in a register callback; the message goes to the interrupt controller all the same. */
    rh_space_store(dev->dma, NULL, address, 4, data);
}
