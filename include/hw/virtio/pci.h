/*
 * The PCI transport, virtio 1.2 §4.1: a PCI function that carries one virtio device, its child "virtio-backend",
 * and shows that device's properties as its own.
 *
 * One row, RH_VIRTIO_PCI behind the device's RH_VIRTIO_DEVICE, makes the types NAME-pci, NAME-pci-transitional and
 * NAME-pci-non-transitional; a row without legacy id makes NAME-pci alone, modern only.
 */
#ifndef RH_HW_VIRTIO_PCI_H
#define RH_HW_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

#define RH_TYPE_VIRTIO_PCI "virtio-pci"

/** RhVirtioPciRow - what the proxy of a device type says of itself */
typedef struct RhVirtioPciRow {
    const char *name;                       /* "virtio-rng" */
    const RhVirtioDeviceType *backend;
    uint16_t legacy_id;                     /* PCI device id of the transitional form, §4.1.2.1; 0: there is none */
    uint16_t class_id;
    uint32_t vectors;                       /* MSI-X vectors by default; RH_VIRTIO_PCI_PER_QUEUE: one each, and one */
    const char *category;
    bool (*prepare)(RhVirtioDevice *vdev, GError **err);    /* before the device's realize; may be NULL */
} RhVirtioPciRow;

#define RH_VIRTIO_PCI_PER_QUEUE UINT32_MAX

/** RH_VIRTIO_PCI - proxy types of the device declared by RH_VIRTIO_DEVICE(ident, ...) in this file */
#define RH_VIRTIO_PCI(ident, ...)                                                                  \
    static const RhVirtioPciRow ident##_pci = { .backend = &ident##_type, __VA_ARGS__ };           \
    static const RhVirtioPciRow *const ident##_pci_entry RH_IN_SECTION(rh_virtio_pci) = &ident##_pci

#endif
