/* Shared by the files of the PCI transport. */
#ifndef RH_HW_VIRTIO_PCI_PRIVATE_H
#define RH_HW_VIRTIO_PCI_PRIVATE_H

#include "hw/virtio/pci.h"

typedef enum VirtioPciForm { FORM_ANY, FORM_TRANSITIONAL, FORM_MODERN } VirtioPciForm;

/** VirtioPciType - made from a row by pci-types.c */
typedef struct VirtioPciType {
    RhPciDeviceType;
    const RhVirtioPciRow *row;
    VirtioPciForm form;
} VirtioPciType;

typedef struct VirtioPciState {
    uint64_t driver_features;
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint16_t queue_sel;
    uint16_t config_vector;
    uint8_t isr;                /* §4.1.4.5 */
} VirtioPciState;

typedef struct VirtioPci {
    RhPciDevice parent;
    int disable_legacy;         /* properties; RhOnOffAuto */
    bool disable_modern;
    bool has_ioeventfd;
    bool has_page_per_vq;
    bool has_ats;
    bool has_aer;
    bool has_pio_notify;
    uint32_t vectors;
    RhVirtioDevice *vdev;       /* wiring: holds a reference */
    RhVirtioBus *bus;
    bool has_legacy;
    bool has_modern;
    uint32_t nr_vectors;        /* of MSI-X, while realized */
    uint16_t cfg_cap;           /* of §4.1.4.9; 0: none */
    RhRegion legacy;            /* BAR 0 */
    RhRegion modern;            /* BAR 4, and its parts: */
    RhRegion common;
    RhRegion isr;
    RhRegion device;
    RhRegion notify;
    RhEvent *events;            /* of each vector; bound where a queue signals from another thread */
    VirtioPciState state;
} VirtioPci;

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

/** Layout of BAR 4 */
enum {
    MODERN_COMMON = 0x0000,
    MODERN_ISR    = 0x1000,
    MODERN_DEVICE = 0x2000,
    MODERN_NOTIFY = 0x3000,
    MODERN_PART   = 0x1000,
    NOTIFY_MULTIPLIER = 4,
    NOTIFY_PAGE   = 0x1000,     /* multiplier with page-per-vq */
    NOTIFY_PAGES  = 1024,       /* drivers see as many, whatever the device has */
};

static inline const VirtioPciType *vpci_type(const VirtioPci *vpci)
{
    return (const VirtioPciType *)vpci->parent.parent.obj.type;
}
static inline uint32_t vpci_notify_multiplier(const VirtioPci *vpci)
{
    return vpci->has_page_per_vq ? NOTIFY_PAGE : NOTIFY_MULTIPLIER;
}

/** vpci_selected - the queue that the driver selected, or NULL */
RhVirtq *vpci_selected(VirtioPci *vpci);
/** vpci_set_status - status register of either interface; 0 resets the transport's part, too */
void vpci_set_status(VirtioPci *vpci, uint8_t status);
/** vpci_set_vector - for @queue, or (NULL) for configuration changes; what there is not becomes "no vector" */
void vpci_set_vector(VirtioPci *vpci, RhVirtq *queue, uint16_t vector);
/** vpci_take_isr - read and clear, §4.1.4.5.1 */
uint8_t vpci_take_isr(VirtioPci *vpci);

uint64_t vpci_legacy_read(RhDevice *dev, uint64_t at, unsigned size);
void vpci_legacy_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size);
uint64_t vpci_common_read(RhDevice *dev, uint64_t at, unsigned size);
void vpci_common_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size);
uint64_t vpci_isr_read(RhDevice *dev, uint64_t at, unsigned size);
uint64_t vpci_device_read(RhDevice *dev, uint64_t at, unsigned size);
void vpci_device_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size);
void vpci_notify_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size);
/** vpci_add_caps - vendor capabilities of §4.1.4 */
bool vpci_add_caps(VirtioPci *vpci, GError **err);
/** vpci_cfg_reading/written - the window through configuration space, §4.1.4.9 */
void vpci_cfg_reading(RhPciDevice *dev, unsigned at, unsigned len);
void vpci_cfg_written(RhPciDevice *dev, unsigned at, unsigned len);
/** vpci_legacy_size - of BAR 0 */
uint64_t vpci_legacy_size(const VirtioPci *vpci);

#endif
