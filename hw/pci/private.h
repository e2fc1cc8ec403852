/* What the files of the PCI core share and devices do not see. */
#ifndef RH_HW_PCI_PRIVATE_H
#define RH_HW_PCI_PRIVATE_H

#include "hw/pci/pci.h"

/* device.c */
bool pci_type_is_express(const RhPciDevice *dev);
bool pci_type_is_bridge(const RhPciDevice *dev);

/* bar.c */
bool pci_rom_realize(RhPciDevice *dev, GError **err);
void pci_bars_update(RhPciDevice *dev);
void pci_bars_unmap(RhPciDevice *dev);

/* intx.c */
void pci_intx_update(RhPciDevice *dev);
/* The level goes away without a trace in the state: the device leaves its bus. */
void pci_intx_release(RhPciDevice *dev);

/* msi.c, msix.c */
bool pci_msi_notify(RhPciDevice *dev, unsigned vector);
void pci_msi_written(RhPciDevice *dev, unsigned at, unsigned len);
bool pci_msix_notify(RhPciDevice *dev, unsigned vector);
void pci_msix_settle(RhPciDevice *dev);
void pci_msix_reset(RhPciDevice *dev);
/** pci_msix_state - table and pending bits of @dev, a RhPciDevice; NULL and 0 without MSI-X */
void *pci_msix_state(const void *dev, size_t *ret_size);

/* bus.c */
bool pci_bus_plug(RhBus *bus, RhDevice *dev, GError **err);

static inline uint16_t pci_config16(const RhPciDevice *dev, unsigned at)
{
    return rh_ld16(dev->state.config + at);
}
static inline uint32_t pci_config32(const RhPciDevice *dev, unsigned at)
{
    return rh_ld32(dev->state.config + at);
}
static inline bool pci_overlaps(unsigned at, unsigned len, unsigned start, unsigned nr)
{
    return at < start + nr && start < at + len;
}

#endif
