/*
 * The legacy interface of virtio PCI devices, in I/O ports of BAR 0. Spec: virtio 1.2 §4.1.4.10.
 */
#include "hw/virtio/pci-private.h"

enum {
    REG_DEVICE_FEATURES = 0,
    REG_DRIVER_FEATURES = 4,
    REG_QUEUE_PFN       = 8,
    REG_QUEUE_SIZE      = 12,
    REG_QUEUE_SEL       = 14,
    REG_NOTIFY          = 16,
    REG_STATUS          = 18,
    REG_ISR             = 19,
    REG_CONFIG_VECTOR   = 20,   /* the next two while MSI-X is on only; the device's configuration follows */
    REG_QUEUE_VECTOR    = 22,
    SIZE_PLAIN          = 20,
    SIZE_MSIX           = 24,
    PFN_SHIFT           = 12,
};

uint64_t vpci_legacy_size(const VirtioPci *vpci)
{
    uint64_t size = SIZE_MSIX + rh_virtio_type(vpci->vdev)->config_size;

    return size <= 1 ? 1 : UINT64_C(1) << (64 - __builtin_clzll(size - 1));
}

static unsigned config_at(const VirtioPci *vpci)
{
    return rh_pci_msix_enabled(&vpci->parent) ? SIZE_MSIX : SIZE_PLAIN;
}

static uint32_t read_reg(VirtioPci *vpci, uint64_t at)
{
    RhVirtq *queue = vpci_selected(vpci);

    switch (at) {
    case REG_DEVICE_FEATURES: return (uint32_t)rh_virtio_offered(vpci->vdev);
    case REG_DRIVER_FEATURES: return (uint32_t)vpci->vdev->features;
    case REG_QUEUE_PFN:       return queue && queue->regs.is_legacy_pfn ? (uint32_t)(queue->regs.desc >> PFN_SHIFT) : 0;
    case REG_QUEUE_SIZE:      return queue ? queue->regs.size : 0;
    case REG_QUEUE_SEL:       return vpci->state.queue_sel;
    case REG_STATUS:          return vpci->vdev->status;
    case REG_ISR:             return vpci_take_isr(vpci);
    case REG_CONFIG_VECTOR:   return vpci->state.config_vector;
    case REG_QUEUE_VECTOR:    return queue ? queue->regs.vector : RH_VIRTQ_NO_VECTOR;
    default:                  return UINT32_MAX;
    }
}

uint64_t vpci_legacy_read(RhDevice *dev, uint64_t at, unsigned size)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);
    unsigned config = config_at(vpci);

    vpci->bus->is_legacy = true;
    return at >= config ? rh_virtio_config_load(vpci->vdev, (unsigned)at - config, size) : read_reg(vpci, at);
}

static void set_pfn(VirtioPci *vpci, uint32_t pfn)
{
    RhVirtq *queue = vpci_selected(vpci);

    if (queue && pfn) {
        rh_virtio_set_queue_pfn(queue, (uint64_t)pfn << PFN_SHIFT, 1u << PFN_SHIFT);
    } else if (queue) {
        rh_virtio_reset_queue(queue);
    }
}

static void write_reg(VirtioPci *vpci, uint64_t at, uint32_t value)
{
    switch (at) {
    case REG_DRIVER_FEATURES: rh_virtio_accept(vpci->vdev, value); break;
    case REG_QUEUE_PFN:       set_pfn(vpci, value); break;
    case REG_QUEUE_SEL:       vpci->state.queue_sel = (uint16_t)value; break;
    case REG_NOTIFY:          rh_virtio_notified(vpci->vdev, value & 0xffff); break;
    case REG_STATUS:          vpci_set_status(vpci, (uint8_t)value); break;
    case REG_CONFIG_VECTOR:   vpci_set_vector(vpci, NULL, (uint16_t)value); break;
    case REG_QUEUE_VECTOR:
        if (vpci_selected(vpci)) {
            vpci_set_vector(vpci, vpci_selected(vpci), (uint16_t)value);
        }
        break;
    default:
        rh_guest_error(&vpci->parent.parent, "write of 0x%x to port %" PRIu64, value, at);
        break;
    }
}

void vpci_legacy_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);
    unsigned config = config_at(vpci);

    vpci->bus->is_legacy = true;
    if (at >= config) {
        rh_virtio_config_store(vpci->vdev, (unsigned)at - config, value, size);
    } else {
        write_reg(vpci, at, (uint32_t)value);
    }
}
