/*
 * virtio-mmio - the memory-mapped transport.
 * Spec: virtio 1.2 §4.2; version 1 of the registers is §4.2.4.  Lock: machine lock.
 */
#include "hw/virtio/mmio.h"

enum {                          /* 32 bits wide each, §4.2.2 */
    REG_MAGIC               = 0x000,
    REG_VERSION             = 0x004,
    REG_DEVICE_ID           = 0x008,
    REG_VENDOR_ID           = 0x00c,
    REG_DEVICE_FEATURES     = 0x010,
    REG_DEVICE_FEATURES_SEL = 0x014,
    REG_DRIVER_FEATURES     = 0x020,
    REG_DRIVER_FEATURES_SEL = 0x024,
    REG_GUEST_PAGE_SIZE     = 0x028,    /* legacy */
    REG_QUEUE_SEL           = 0x030,
    REG_QUEUE_NUM_MAX       = 0x034,
    REG_QUEUE_NUM           = 0x038,
    REG_QUEUE_ALIGN         = 0x03c,    /* legacy */
    REG_QUEUE_PFN           = 0x040,    /* legacy */
    REG_QUEUE_READY         = 0x044,
    REG_QUEUE_NOTIFY        = 0x050,
    REG_INTERRUPT_STATUS    = 0x060,
    REG_INTERRUPT_ACK       = 0x064,
    REG_STATUS              = 0x070,
    REG_QUEUE_DESC_LOW      = 0x080,    /* high word: + 4 */
    REG_QUEUE_DRIVER_LOW    = 0x090,
    REG_QUEUE_DEVICE_LOW    = 0x0a0,
    REG_SHM_LEN_LOW         = 0x0b0,
    REG_SHM_BASE_HIGH       = 0x0bc,
    REG_QUEUE_RESET         = 0x0c0,
    REG_CONFIG_GENERATION   = 0x0fc,
    REG_CONFIG              = 0x100,
};
#define MAGIC  0x74726976u      /* "virt" */
#define VENDOR 0x554d4551u      /* the id that drivers know from this transport */

enum { IRQ_QUEUE = 1, IRQ_CONFIG = 2 };

static void mmio_settle(RhDevice *dev)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, dev);

    rh_line_set(&mmio->irq, mmio->state.interrupt_status != 0);
}

/* The queue that QueueSel names, or NULL: it reads as not available. */
static RhVirtq *selected(RhVirtioMmio *mmio)
{
    RhVirtioDevice *vdev = mmio->bus->vdev;
    uint32_t index = mmio->state.queue_sel;

    return index < vdev->nr_queues ? rh_virtio_queue(vdev, index) : NULL;
}

static uint32_t features_word(RhVirtioMmio *mmio)
{
    uint64_t offered = rh_virtio_offered(mmio->bus->vdev);

    switch (mmio->state.device_features_sel) {
    case 0:  return (uint32_t)offered;
    case 1:  return mmio->is_legacy ? 0 : (uint32_t)(offered >> 32);
    default: return 0;
    }
}

static uint32_t page_of(const RhVirtioMmio *mmio, const RhVirtq *queue)
{
    return queue && queue->regs.is_legacy_pfn && mmio->state.guest_page_size
               ? (uint32_t)(queue->regs.desc / mmio->state.guest_page_size) : 0;
}

static uint32_t read_reg(RhVirtioMmio *mmio, uint64_t at)
{
    RhVirtioDevice *vdev = mmio->bus->vdev;
    RhVirtq *queue = selected(mmio);

    switch (at) {
    case REG_DEVICE_FEATURES:  return features_word(mmio);
    case REG_QUEUE_NUM_MAX:    return queue ? queue->max_size : 0;
    case REG_INTERRUPT_STATUS: return mmio->state.interrupt_status;
    case REG_STATUS:           return vdev->status;
    case REG_QUEUE_PFN:        return mmio->is_legacy ? page_of(mmio, queue) : 0;
    case REG_QUEUE_READY:      return !mmio->is_legacy && queue && queue->regs.is_enabled;
    case REG_CONFIG_GENERATION: return mmio->is_legacy ? 0 : vdev->config_generation;
    case REG_QUEUE_RESET:      return 0;    /* a reset is done when its write returns, §4.2.3.2 */
    default:
        if (at >= REG_SHM_LEN_LOW && at <= REG_SHM_BASE_HIGH) {
            return UINT32_MAX;              /* §4.2.2: no shared memory region */
        }
        rh_guest_error(&mmio->parent, "read of register 0x%" PRIx64 ", which cannot be read", at);
        return 0;
    }
}

static uint64_t mmio_read(RhDevice *dev, uint64_t at, unsigned size)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, dev);
    RhVirtioDevice *vdev = mmio->bus->vdev;

    if (vdev && at >= REG_CONFIG) {
        return rh_virtio_config_load(vdev, (unsigned)(at - REG_CONFIG), size);
    }
    if (size != 4) {
        rh_guest_error(dev, "read of %u bytes at 0x%" PRIx64 ", must be 4", size, at);
        return 0;
    }
    switch (at) {                           /* these a driver reads to find out that nothing is plugged */
    case REG_MAGIC:     return MAGIC;
    case REG_VERSION:   return mmio->is_legacy ? 1 : 2;
    case REG_VENDOR_ID: return VENDOR;
    case REG_DEVICE_ID: return vdev ? rh_virtio_type(vdev)->virtio_id : 0;
    default:            return vdev ? read_reg(mmio, at) : 0;
    }
}

static void write_features(RhVirtioMmio *mmio, uint32_t value)
{
    unsigned shift = mmio->state.driver_features_sel * 32;

    if (mmio->state.driver_features_sel > (mmio->is_legacy ? 0 : 1)) {
        return;
    }
    mmio->state.driver_features &= ~(UINT64_C(0xffffffff) << shift);
    mmio->state.driver_features |= (uint64_t)value << shift;
    rh_virtio_accept(mmio->bus->vdev, mmio->state.driver_features);
}

static void mmio_forget(RhDevice *dev)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, dev);
    uint32_t page_size = mmio->state.guest_page_size;

    mmio->state = (RhVirtioMmioState){ .guest_page_size = page_size };  /* a legacy driver sets it once, before reset */
    mmio_settle(dev);
}

static void set_half(uint64_t *addr, bool is_high, uint32_t value)
{
    unsigned shift = is_high ? 32 : 0;

    *addr = (*addr & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;
}

/* Registers of the selected queue, version 2. */
static bool write_queue(RhVirtioMmio *mmio, RhVirtq *queue, uint64_t at, uint32_t value)
{
    bool is_high = at & 4;

    if (at == REG_QUEUE_READY) {
        if (value & 1) {
            rh_virtio_enable_queue(queue);
        } else {
            rh_virtio_reset_queue(queue);
        }
        return true;
    }
    if (at == REG_QUEUE_RESET) {
        if ((value & 1) && rh_virtio_has(mmio->bus->vdev, RH_VIRTIO_F_RING_RESET)) {
            rh_virtio_reset_queue(queue);
        }
        return true;
    }
    if (queue->regs.is_enabled) {
        return false;                       /* §4.2.2.2: not while ready */
    }
    switch (at & ~UINT64_C(4)) {
    case REG_QUEUE_DESC_LOW:   set_half(&queue->regs.desc, is_high, value);   return true;
    case REG_QUEUE_DRIVER_LOW: set_half(&queue->regs.driver, is_high, value); return true;
    case REG_QUEUE_DEVICE_LOW: set_half(&queue->regs.device, is_high, value); return true;
    default:                   return false;
    }
}

static bool write_legacy(RhVirtioMmio *mmio, uint64_t at, uint32_t value)
{
    RhVirtq *queue = selected(mmio);

    switch (at) {
    case REG_GUEST_PAGE_SIZE:
        mmio->state.guest_page_size = value && !(value & (value - 1)) ? value : 0;
        return mmio->state.guest_page_size;
    case REG_QUEUE_ALIGN:
        mmio->state.queue_align = value;
        return true;
    case REG_QUEUE_PFN:
        if (!queue) {
            return false;
        }
        if (value) {
            rh_virtio_set_queue_pfn(queue, (uint64_t)value * mmio->state.guest_page_size,
                                    mmio->state.queue_align ? mmio->state.queue_align : 4096);
        } else {
            rh_virtio_reset_queue(queue);
        }
        return true;
    default:
        return false;
    }
}

static void write_other(RhVirtioMmio *mmio, uint64_t at, uint32_t value)
{
    RhVirtq *queue = selected(mmio);
    bool is_taken = mmio->is_legacy ? write_legacy(mmio, at, value) : queue && write_queue(mmio, queue, at, value);

    if (!is_taken) {
        rh_guest_error(&mmio->parent, "write of 0x%x to register 0x%" PRIx64 ", which does not take it", value, at);
    }
}

static void write_reg(RhVirtioMmio *mmio, uint64_t at, uint32_t value)
{
    RhVirtioMmioState *state = &mmio->state;

    switch (at) {
    case REG_DEVICE_FEATURES_SEL: state->device_features_sel = value; break;
    case REG_DRIVER_FEATURES_SEL: state->driver_features_sel = value; break;
    case REG_DRIVER_FEATURES:     write_features(mmio, value); break;
    case REG_QUEUE_SEL:           state->queue_sel = value; break;
    case REG_QUEUE_NUM:
        if (selected(mmio)) {
            rh_virtio_set_queue_size(selected(mmio), (uint16_t)MIN(value, UINT16_MAX));
        }
        break;
    case REG_QUEUE_NOTIFY:
        rh_virtio_notified(mmio->bus->vdev, value);
        break;
    case REG_INTERRUPT_ACK:
        state->interrupt_status &= ~value;
        mmio_settle(&mmio->parent);
        break;
    case REG_STATUS:
        rh_virtio_set_status(mmio->bus->vdev, (uint8_t)value);
        if (!(value & 0xff)) {
            mmio_forget(&mmio->parent);
        }
        break;
    default:
        write_other(mmio, at, value);
        break;
    }
}

static void mmio_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, dev);

    if (!mmio->bus->vdev) {
        return;
    }
    if (at >= REG_CONFIG) {
        rh_virtio_config_store(mmio->bus->vdev, (unsigned)(at - REG_CONFIG), value, size);
    } else if (size == 4) {
        write_reg(mmio, at, (uint32_t)value);
    } else {
        rh_guest_error(dev, "write of %u bytes at 0x%" PRIx64 ", must be 4", size, at);
    }
}

/* --- the bus --- */

static void mmio_signal(RhVirtioBus *bus, RhVirtq *queue)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, bus->parent.owner);

    mmio->state.interrupt_status |= queue ? IRQ_QUEUE : IRQ_CONFIG;
    mmio_settle(&mmio->parent);
}

static void mmio_set_doorbell(RhVirtioBus *bus, RhVirtq *queue, bool is_on)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, bus->parent.owner);
    const RhIoEvent doorbell = {
        .at = REG_QUEUE_NOTIFY, .size = 4, .has_match = true, .match = queue->index, .event = &queue->kicked,
    };

    if (is_on) {
        rh_region_add_io_event(&mmio->regs, &doorbell);
    } else {
        rh_region_remove_io_event(&mmio->regs, &doorbell);
    }
}

static const RhVirtioTransport mmio_transport = { .signal = mmio_signal, .set_doorbell = mmio_set_doorbell };

static const RhBusType mmio_bus_type = {
    .name = "virtio-mmio-bus",
    .parent = RH_TYPE_VIRTIO_BUS,
    .doc = "The bus of one virtio-mmio transport",
    .max_devices = 1,
    .size = sizeof(RhVirtioBus),
};
RH_TYPE_ENTRY(mmio_bus_type);

static bool mmio_realize(RhDevice *dev, GError **err)
{
    RhVirtioMmio *mmio = RH_SELF(RhVirtioMmio, dev);
    g_autofree char *name = g_strdup_printf("virtio-mmio-bus.%u", mmio->number);

    mmio->bus = rh_virtio_bus_new(dev, "virtio-mmio-bus", name, &mmio_transport, rh_device_vm(dev)->memory);
    mmio->bus->is_legacy = mmio->bus->has_legacy = mmio->is_legacy;
    mmio->bus->has_modern = !mmio->is_legacy;
    mmio->bus->has_ioeventfd = mmio->has_ioeventfd;
    return true;
}

static bool mmio_check(RhDevice *dev, GError **err)
{
    uint32_t page_size = RH_SELF(RhVirtioMmio, dev)->state.guest_page_size;

    return !(page_size & (page_size - 1)) || rh_fail(err, "Guest page size is 0x%x, must be a power of two", page_size);
}

static const RhProp mmio_props[] = {
    RH_PROP("force-legacy", RhVirtioMmio, is_legacy, .def = true, .doc = "version 1 of the registers only"),
    RH_PROP("ioeventfd", RhVirtioMmio, has_ioeventfd, .def = true, .doc = "doorbells are eventfds"),
    RH_PROP("format_transport_address", RhVirtioMmio, has_transport_address, .def = true,
            .doc = "kept for old configurations; bus paths always show the address"),
};
static const RhRegionDesc mmio_regions[] = {
    RH_REGION(RhVirtioMmio, regs, .span = RH_VIRTIO_MMIO_SIZE, .read = mmio_read, .write = mmio_write),
};
static const RhLineDesc mmio_lines[] = {
    { .name = "irq", .offset = offsetof(RhVirtioMmio, irq) },
};
static const RhField mmio_fields[] = {
    RH_FIELD(RhVirtioMmioState, driver_features),
    RH_FIELD(RhVirtioMmioState, device_features_sel),
    RH_FIELD(RhVirtioMmioState, driver_features_sel),
    RH_FIELD(RhVirtioMmioState, queue_sel),
    RH_FIELD(RhVirtioMmioState, guest_page_size),
    RH_FIELD(RhVirtioMmioState, queue_align),
    RH_FIELD(RhVirtioMmioState, interrupt_status, .valid = IRQ_QUEUE | IRQ_CONFIG),
};
static const RhVirtioMmioState mmio_at_reset = { .interrupt_status = 0 };

RH_DEVICE(RhVirtioMmio,
    .name        = RH_TYPE_VIRTIO_MMIO,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Memory-mapped virtio transport",
    .is_internal = true,
    .props       = RH_TABLE(mmio_props),
    .regions     = RH_TABLE(mmio_regions),
    .lines       = RH_TABLE(mmio_lines),
    .state       = RH_STATE(RhVirtioMmio, state, mmio_at_reset, .version = 1, .fields = RH_TABLE(mmio_fields)),
    .realize     = mmio_realize,
    .check       = mmio_check,
    .settle      = mmio_settle);
