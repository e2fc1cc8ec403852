/*
 * The virtio 1.0 interface of virtio PCI devices: four structures in BAR 4 and their capabilities.
 * Spec: virtio 1.2 §4.1.4.
 */
#include "hw/virtio/pci-private.h"

enum {                          /* common configuration, §4.1.4.3 */
    REG_DEVICE_FEATURES_SEL = 0,
    REG_DEVICE_FEATURES     = 4,
    REG_DRIVER_FEATURES_SEL = 8,
    REG_DRIVER_FEATURES     = 12,
    REG_CONFIG_VECTOR       = 16,
    REG_NUM_QUEUES          = 18,
    REG_STATUS              = 20,
    REG_GENERATION          = 21,
    REG_QUEUE_SEL           = 22,
    REG_QUEUE_SIZE          = 24,
    REG_QUEUE_VECTOR        = 26,
    REG_QUEUE_ENABLE        = 28,
    REG_QUEUE_NOTIFY_OFF    = 30,
    REG_QUEUE_DESC          = 32,   /* each 64 bits, written in halves */
    REG_QUEUE_DRIVER        = 40,
    REG_QUEUE_DEVICE        = 48,
    REG_QUEUE_NOTIFY_DATA   = 56,
    REG_QUEUE_RESET         = 58,
};

static uint32_t word_of(uint64_t value, uint32_t select)
{
    return select < 2 ? (uint32_t)(value >> (32 * select)) : 0;
}

static uint64_t *address_of(RhVirtq *queue, uint64_t at)
{
    switch (at & ~UINT64_C(7)) {
    case REG_QUEUE_DESC:   return &queue->regs.desc;
    case REG_QUEUE_DRIVER: return &queue->regs.driver;
    case REG_QUEUE_DEVICE: return &queue->regs.device;
    default:               return NULL;
    }
}

static uint32_t read_queue(RhVirtq *queue, uint64_t at)
{
    const uint64_t *address = address_of(queue, at);

    if (address) {
        return word_of(*address, at & 4 ? 1 : 0);
    }
    switch (at) {
    case REG_QUEUE_SIZE:        return queue->regs.size;
    case REG_QUEUE_VECTOR:      return queue->regs.vector;
    case REG_QUEUE_ENABLE:      return queue->regs.is_enabled;
    case REG_QUEUE_NOTIFY_OFF:  return queue->index;
    case REG_QUEUE_NOTIFY_DATA: return queue->index;
    default:                    return 0;       /* QUEUE_RESET: a reset is done when its write returns */
    }
}

uint64_t vpci_common_read(RhDevice *dev, uint64_t at, unsigned size)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);
    RhVirtq *queue = vpci_selected(vpci);

    switch (at) {
    case REG_DEVICE_FEATURES_SEL: return vpci->state.device_features_sel;
    case REG_DEVICE_FEATURES:     return word_of(rh_virtio_offered(vpci->vdev), vpci->state.device_features_sel);
    case REG_DRIVER_FEATURES_SEL: return vpci->state.driver_features_sel;
    case REG_DRIVER_FEATURES:     return word_of(vpci->state.driver_features, vpci->state.driver_features_sel);
    case REG_CONFIG_VECTOR:       return vpci->state.config_vector;
    case REG_NUM_QUEUES:          return vpci->vdev->nr_queues;
    case REG_STATUS:              return vpci->vdev->status;
    case REG_GENERATION:          return vpci->vdev->config_generation;
    case REG_QUEUE_SEL:           return vpci->state.queue_sel;
    default:                      return queue ? read_queue(queue, at) : 0;
    }
}

static void write_features(VirtioPci *vpci, uint32_t value)
{
    unsigned shift = vpci->state.driver_features_sel * 32;

    if (vpci->state.driver_features_sel < 2) {
        vpci->state.driver_features &= ~(UINT64_C(0xffffffff) << shift);
        vpci->state.driver_features |= (uint64_t)value << shift;
        rh_virtio_accept(vpci->vdev, vpci->state.driver_features);
    }
}

static void write_address(RhVirtq *queue, uint64_t *address, bool is_high, uint32_t value)
{
    unsigned shift = is_high ? 32 : 0;

    if (queue->regs.is_enabled) {
        rh_guest_error(&queue->vdev->parent, "address of queue %u written while it is enabled", queue->index);
        return;
    }
    *address = (*address & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
}

static void write_queue(VirtioPci *vpci, RhVirtq *queue, uint64_t at, uint32_t value)
{
    uint64_t *address = address_of(queue, at);

    if (address) {
        write_address(queue, address, at & 4, value);
        return;
    }
    switch (at) {
    case REG_QUEUE_SIZE:
        rh_virtio_set_queue_size(queue, (uint16_t)value);
        break;
    case REG_QUEUE_VECTOR:
        vpci_set_vector(vpci, queue, (uint16_t)value);
        break;
    case REG_QUEUE_ENABLE:
        if (value == 1) {
            rh_virtio_enable_queue(queue);
        } else {                    /* §4.1.4.3.2: the driver must not write 0 */
            rh_guest_error(&vpci->parent.parent, "queue %u enabled by %u", queue->index, value);
        }
        break;
    case REG_QUEUE_RESET:
        if (value == 1 && rh_virtio_has(vpci->vdev, RH_VIRTIO_F_RING_RESET)) {
            rh_virtio_reset_queue(queue);
        }
        break;
    default:
        rh_guest_error(&vpci->parent.parent, "write of 0x%x to read-only offset %" PRIu64, value, at);
        break;
    }
}

void vpci_common_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);
    RhVirtq *queue = vpci_selected(vpci);

    vpci->bus->is_legacy = false;
    switch (at) {
    case REG_DEVICE_FEATURES_SEL: vpci->state.device_features_sel = (uint32_t)value; break;
    case REG_DRIVER_FEATURES_SEL: vpci->state.driver_features_sel = (uint32_t)value; break;
    case REG_DRIVER_FEATURES:     write_features(vpci, (uint32_t)value); break;
    case REG_CONFIG_VECTOR:       vpci_set_vector(vpci, NULL, (uint16_t)value); break;
    case REG_STATUS:              vpci_set_status(vpci, (uint8_t)value); break;
    case REG_QUEUE_SEL:           vpci->state.queue_sel = (uint16_t)value; break;
    default:
        if (queue) {
            write_queue(vpci, queue, at, (uint32_t)value);
        }
        break;
    }
}

uint64_t vpci_isr_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return at == 0 ? vpci_take_isr(RH_SELF(VirtioPci, dev)) : 0;
}

uint64_t vpci_device_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_virtio_config_load(RH_SELF(VirtioPci, dev)->vdev, (unsigned)at, size);
}

void vpci_device_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_virtio_config_store(RH_SELF(VirtioPci, dev)->vdev, (unsigned)at, value, size);
}

void vpci_notify_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);

    rh_virtio_notified(vpci->vdev, (unsigned)(at / vpci_notify_multiplier(vpci)));
}

/* --- capabilities, §4.1.4 --- */

enum {
    CAP_LEN = 2,
    CAP_TYPE = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_SIZE = 16,
    CAP_EXTRA = 16,             /* notify: multiplier; pci_cfg: data */
    CAP_SIZE_EXTRA = 20,
    TYPE_COMMON = 1,
    TYPE_NOTIFY = 2,
    TYPE_ISR = 3,
    TYPE_DEVICE = 4,
    TYPE_PCI_CFG = 5,
    MODERN_BAR = 4,
};

static uint16_t add_cap(VirtioPci *vpci, uint8_t type, uint32_t offset, uint32_t length, unsigned size, GError **err)
{
    RhPciDevice *dev = &vpci->parent;
    uint16_t cap = rh_pci_add_capability(dev, RH_PCI_CAP_VENDOR, 0, size, err);

    if (cap) {
        rh_pci_init8(dev, cap + CAP_LEN, (uint8_t)size);
        rh_pci_init8(dev, cap + CAP_TYPE, type);
        rh_pci_init8(dev, cap + CAP_BAR, type == TYPE_PCI_CFG ? 0 : MODERN_BAR);
        rh_pci_init32(dev, cap + CAP_OFFSET, offset);
        rh_pci_init32(dev, cap + CAP_LENGTH, length);
    }
    return cap;
}

bool vpci_add_caps(VirtioPci *vpci, GError **err)
{
    RhPciDevice *dev = &vpci->parent;
    uint32_t notify_len = vpci->has_page_per_vq ? NOTIFY_PAGE * NOTIFY_PAGES : MODERN_PART;
    uint16_t cap;

    if (!add_cap(vpci, TYPE_COMMON, MODERN_COMMON, MODERN_PART, CAP_SIZE, err) ||
        !add_cap(vpci, TYPE_ISR, MODERN_ISR, MODERN_PART, CAP_SIZE, err) ||
        !add_cap(vpci, TYPE_DEVICE, MODERN_DEVICE, MODERN_PART, CAP_SIZE, err)) {
        return false;
    }
    cap = add_cap(vpci, TYPE_NOTIFY, MODERN_NOTIFY, notify_len, CAP_SIZE_EXTRA, err);
    if (!cap) {
        return false;
    }
    rh_pci_init32(dev, cap + CAP_EXTRA, vpci_notify_multiplier(vpci));
    vpci->cfg_cap = add_cap(vpci, TYPE_PCI_CFG, 0, 0, CAP_SIZE_EXTRA, err);
    if (!vpci->cfg_cap) {
        return false;
    }
    rh_pci_writable8(dev, vpci->cfg_cap + CAP_BAR, 0xff);
    rh_pci_writable32(dev, vpci->cfg_cap + CAP_OFFSET, UINT32_MAX);
    rh_pci_writable32(dev, vpci->cfg_cap + CAP_LENGTH, UINT32_MAX);
    rh_pci_writable32(dev, vpci->cfg_cap + CAP_EXTRA, UINT32_MAX);
    return true;
}

/* --- the window of §4.1.4.9: for drivers that cannot reach BAR 4 --- */

static const RhRegionOps parts[] = {
    { .read = vpci_common_read, .write = vpci_common_write },
    { .read = vpci_isr_read },
    { .read = vpci_device_read, .write = vpci_device_write },
    { .write = vpci_notify_write },
};

/* Where the window points; NULL: nowhere, or its data are not touched by the access at [at, at + len). */
static const RhRegionOps *window(VirtioPci *vpci, unsigned at, unsigned len, uint32_t *ret_offset, uint32_t *ret_size)
{
    const uint8_t *cap = rh_pci_config(&vpci->parent) + vpci->cfg_cap;
    unsigned data = vpci->cfg_cap + CAP_EXTRA;
    uint32_t offset = rh_ld32(cap + CAP_OFFSET);
    uint32_t size = rh_ld32(cap + CAP_LENGTH);
    uint32_t part = MIN(offset / MODERN_PART, RH_COUNT(parts) - 1);

    if (!vpci->cfg_cap || at + len <= data || at >= data + 4) {
        return NULL;
    }
    if (cap[CAP_BAR] != MODERN_BAR || (size != 1 && size != 2 && size != 4) || offset % size ||
        !rh_range_ok(offset, size, vpci->modern.size)) {
        return NULL;
    }
    *ret_offset = offset - part * MODERN_PART;
    *ret_size = size;
    return &parts[part];
}

void vpci_cfg_reading(RhPciDevice *dev, unsigned at, unsigned len)
{
    VirtioPci *vpci = (VirtioPci *)dev;
    uint32_t offset, size;
    const RhRegionOps *ops = window(vpci, at, len, &offset, &size);

    if (ops && ops->read) {
        rh_st(rh_pci_config(dev) + vpci->cfg_cap + CAP_EXTRA, ops->read(&dev->parent, offset, size), size);
    }
}

void vpci_cfg_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    VirtioPci *vpci = (VirtioPci *)dev;
    uint32_t offset, size;
    const RhRegionOps *ops = window(vpci, at, len, &offset, &size);

    if (ops && ops->write) {
        ops->write(&dev->parent, offset, rh_ld(rh_pci_config(dev) + vpci->cfg_cap + CAP_EXTRA, size), size);
    }
}
