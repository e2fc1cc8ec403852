/*
 * The core of virtio devices: negotiation, status, configuration, saved state. Starting and stopping is
 * in run.c. Spec: virtio 1.2 §2, §3. Lock: machine lock.
 */
#include "hw/virtio/virtio.h"
#include "hw/virtio/private.h"
#include "hw/virtio/queue-private.h"
#include "softmmu/runstate.h"

/* --- queues, from realize hooks --- */

void rh_virtio_add_queue(RhVirtioDevice *vdev, unsigned max_size, size_t elem_size, RhVirtqKick *kick)
{
    RhVirtq *queue;

    g_assert(vdev->nr_queues < RH_VIRTIO_MAX_QUEUES && max_size <= RH_VIRTQ_MAX_SIZE);
    vdev->queues = g_renew(RhVirtq, vdev->queues, vdev->nr_queues + 1);
    queue = &vdev->queues[vdev->nr_queues];
    *queue = (RhVirtq){
        .vdev = vdev,
        .index = vdev->nr_queues++,
        .kick = kick,
        .max_size = (uint16_t)max_size,
        .elem_size = elem_size,
        .loop = rh_device_vm(&vdev->parent)->loop,
    };
}

static void reset_queue_regs(RhVirtq *queue)
{
    queue->regs = (RhVirtqState){
        .size = queue->max_size,
        .vector = RH_VIRTQ_NO_VECTOR,
        .avail_wrap = 1,        /* §2.8.1: both counters start at 1 */
        .used_wrap = 1,
    };
    rh_virtq_forget(queue);
}

bool rh_virtio_set_queue_size(RhVirtq *queue, uint16_t size)
{
    bool is_packed = rh_virtio_has(queue->vdev, RH_VIRTIO_F_RING_PACKED);

    if (!size || size > queue->max_size || (!is_packed && (size & (size - 1))) || queue->regs.is_enabled) {
        rh_guest_error(&queue->vdev->parent, "size %u of queue %u, must be %s up to %u", size, queue->index,
                       is_packed ? "1" : "a power of two", queue->max_size);
        return false;
    }
    queue->regs.size = size;
    return true;
}

void rh_virtio_enable_queue(RhVirtq *queue)
{
    if (!queue->regs.is_enabled && queue->max_size) {
        queue->regs.is_enabled = true;
        rh_virtio_start_queue(queue);
    }
}

void rh_virtio_set_queue_pfn(RhVirtq *queue, uint64_t addr, uint32_t align)
{
    RhVirtqState *regs = &queue->regs;

    rh_virtio_stop_queue(queue);
    regs->is_enabled = false;
    regs->desc = regs->driver = regs->device = 0;
    regs->is_legacy_pfn = addr != 0;
    if (addr && queue->max_size && align && !(align & (align - 1))) {
        regs->desc = addr;
        regs->driver = addr + 16 * (uint64_t)regs->size;
        regs->device = rh_align_up(regs->driver + 6 + 2 * (uint64_t)regs->size, align);
        rh_virtio_enable_queue(queue);
    }
}

void rh_virtio_reset_queue(RhVirtq *queue)
{
    rh_virtio_stop_queue(queue);
    reset_queue_regs(queue);
}

/* --- features and status --- */

uint64_t rh_virtio_offered(RhVirtioDevice *vdev)
{
    const RhVirtioDeviceType *type = rh_virtio_type(vdev);
    uint64_t offered = type->features | (type->get_features ? type->get_features(vdev) : 0);
    const struct {
        bool is_on;
        unsigned feature;
    } common[] = {
        { vdev->has_indirect, RH_VIRTIO_F_INDIRECT_DESC },
        { vdev->has_event_idx, RH_VIRTIO_F_EVENT_IDX },
        { vdev->has_notify_on_empty && vdev->bus->is_legacy, RH_VIRTIO_F_NOTIFY_ON_EMPTY },
        { vdev->has_any_layout && vdev->bus->is_legacy, RH_VIRTIO_F_ANY_LAYOUT },
        { vdev->wants_iommu, RH_VIRTIO_F_ACCESS_PLATFORM },
        { vdev->has_packed && vdev->bus->has_modern, RH_VIRTIO_F_RING_PACKED },
        { vdev->has_queue_reset && vdev->bus->has_modern, RH_VIRTIO_F_RING_RESET },
        { vdev->bus->has_modern, RH_VIRTIO_F_VERSION_1 },
    };

    for (size_t i = 0; i < RH_COUNT(common); i++) {
        offered |= common[i].is_on ? RH_VIRTIO_BIT(common[i].feature) : 0;
    }
    return offered;
}

void rh_virtio_accept(RhVirtioDevice *vdev, uint64_t features)
{
    if (vdev->status & (RH_VIRTIO_FEATURES_OK | RH_VIRTIO_DRIVER_OK)) {
        rh_guest_error(&vdev->parent, "features written after they were settled");
        return;
    }
    vdev->features = features & rh_virtio_offered(vdev);
    vdev->has_unoffered = features & ~rh_virtio_offered(vdev);
    if (vdev->bus->is_legacy && rh_virtio_type(vdev)->features_set) {
        rh_virtio_type(vdev)->features_set(vdev);       /* a legacy driver has no FEATURES_OK */
    }
}

/* §2.2, §6.2: whether we can work with what the driver took. A legacy driver is not told, so it gets what there is. */
static bool are_features_good(RhVirtioDevice *vdev)
{
    if (vdev->has_unoffered && !vdev->bus->is_legacy) {
        return false;
    }
    if (!rh_virtio_has(vdev, RH_VIRTIO_F_VERSION_1)) {
        return vdev->bus->is_legacy;
    }
    return rh_virtio_has(vdev, RH_VIRTIO_F_ACCESS_PLATFORM) || !vdev->wants_iommu;
}

static void settle_features(RhVirtioDevice *vdev, uint8_t *status)
{
    if (!are_features_good(vdev)) {
        rh_guest_error(&vdev->parent, "features 0x%" PRIx64 "%s do not work", vdev->features,
                       vdev->has_unoffered ? " with others that are not offered" : "");
        *status &= ~RH_VIRTIO_FEATURES_OK;
    } else if (rh_virtio_type(vdev)->features_set) {
        rh_virtio_type(vdev)->features_set(vdev);
    }
}

void rh_virtio_set_status(RhVirtioDevice *vdev, uint8_t status)
{
    uint8_t was = vdev->status;

    if (!status) {
        rh_virtio_reset_device(vdev);
    } else {
        if ((status & ~was) & RH_VIRTIO_FEATURES_OK) {
            settle_features(vdev, &status);
        }
        vdev->status = status | was;    /* §2.1.1: only a reset clears bits */
        rh_virtio_run_or_stop(vdev);
    }
    if (rh_virtio_type(vdev)->status_changed) {
        rh_virtio_type(vdev)->status_changed(vdev, was);
    }
}

/* --- configuration --- */

static void read_config(RhVirtioDevice *vdev, uint8_t config[RH_VIRTIO_MAX_CONFIG])
{
    memset(config, 0, RH_VIRTIO_MAX_CONFIG);
    if (rh_virtio_type(vdev)->config_read) {
        rh_virtio_type(vdev)->config_read(vdev, config);
    }
}

uint64_t rh_virtio_config_load(RhVirtioDevice *vdev, unsigned at, unsigned size)
{
    uint8_t config[RH_VIRTIO_MAX_CONFIG];

    if (!rh_range_ok(at, size, rh_virtio_type(vdev)->config_size)) {
        return rh_bits(size * 8);
    }
    read_config(vdev, config);
    return rh_ld(config + at, size);
}

void rh_virtio_config_store(RhVirtioDevice *vdev, unsigned at, uint64_t value, unsigned size)
{
    uint8_t config[RH_VIRTIO_MAX_CONFIG];

    if (!rh_range_ok(at, size, rh_virtio_type(vdev)->config_size) || !rh_virtio_type(vdev)->config_write) {
        return;
    }
    read_config(vdev, config);
    rh_st(config + at, value, size);
    rh_virtio_type(vdev)->config_write(vdev, config, at, size);
}

void rh_virtio_config_changed(RhVirtioDevice *vdev)
{
    vdev->config_generation++;
    if (vdev->status & RH_VIRTIO_DRIVER_OK) {
        vdev->bus->ops->signal(vdev->bus, NULL);
    }
}

/* --- life --- */

static void run_changed(RhNotifier *self, void *data)
{
    rh_virtio_run_or_stop(RH_CONTAINER(RhVirtioDevice, run_changed, self));
}

static bool virtio_realize(RhDevice *dev, GError **err)
{
    RhVirtioDevice *vdev = RH_VIRTIO_DEVICE_OF(dev);

    vdev->bus = (RhVirtioBus *)dev->bus;
    if (vdev->wants_iommu && !vdev->bus->has_modern) {
        return rh_fail(err, "Property '%s.iommu_platform' is on, but the transport is legacy only",
                       dev->obj.type->name);
    }
    vdev->bus->vdev = vdev;
    vdev->run_changed.fn = run_changed;
    rh_notifier_add(&rh_device_vm(dev)->run->changed, &vdev->run_changed);
    rh_device_claim(dev, rh_virtio_release, NULL);
    return true;
}

/* Before any level's claims go: requests still need what the device claimed. */
static void virtio_unrealize(RhDevice *dev)
{
    rh_virtio_stop(RH_VIRTIO_DEVICE_OF(dev));
}

static void virtio_fini(RhObject *obj)
{
    g_free(RH_SELF(RhVirtioDevice, obj)->queues);
}

static void virtio_reset(RhDevice *dev)
{
    RhVirtioDevice *vdev = RH_VIRTIO_DEVICE_OF(dev);

    rh_virtio_stop(vdev);
    vdev->features = 0;
    vdev->has_unoffered = false;
    vdev->status = 0;
    vdev->config_generation = 0;
    vdev->has_kicked_early = false;
    __atomic_store_n(&vdev->is_broken, false, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        reset_queue_regs(&vdev->queues[i]);
    }
}

static void virtio_settle(RhDevice *dev)
{
    rh_virtio_run_or_stop(RH_VIRTIO_DEVICE_OF(dev));
}

/* --- state --- */

static void virtio_saving(RhDevice *dev)
{
    RhVirtioDevice *vdev = RH_VIRTIO_DEVICE_OF(dev);

    vdev->saved = (RhVirtioState){
        .features = vdev->features,
        .status = vdev->status,
        .config_generation = vdev->config_generation,
        .has_kicked_early = vdev->has_kicked_early,
        .has_unoffered = vdev->has_unoffered,
        .nr_queues = (uint16_t)vdev->nr_queues,
    };
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        vdev->saved.queues[i] = vdev->queues[i].regs;
    }
}

static bool check_queue(const RhVirtq *queue, const RhVirtqState *state, bool is_packed, GError **err)
{
    bool is_power = !(state->size & (state->size - 1));
    bool is_good = state->size <= queue->max_size && (is_packed || is_power) && (state->size || !queue->max_size) &&
                   (!state->is_enabled || state->size);

    if (is_good && is_packed) {
        is_good = state->avail_idx < MAX(state->size, 1) && state->used_idx < MAX(state->size, 1);
    } else if (is_good) {       /* nothing is out while saved, so both indexes are the same number */
        is_good = state->avail_idx == state->used_idx;
    }
    return is_good || rh_fail(err, "State of queue %u does not fit: size %u of %u, indexes %u and %u", queue->index,
                              state->size, queue->max_size, state->avail_idx, state->used_idx);
}

static bool virtio_check(RhDevice *dev, GError **err)
{
    RhVirtioDevice *vdev = RH_VIRTIO_DEVICE_OF(dev);
    const RhVirtioState *saved = &vdev->saved;
    bool is_packed = saved->features & RH_VIRTIO_BIT(RH_VIRTIO_F_RING_PACKED);

    vdev->bus->is_legacy = vdev->bus->has_legacy && !(saved->features & RH_VIRTIO_BIT(RH_VIRTIO_F_VERSION_1));
    if (saved->nr_queues != vdev->nr_queues) {
        return rh_fail(err, "State has %u queues, the device %u", saved->nr_queues, vdev->nr_queues);
    }
    if (saved->features & ~rh_virtio_offered(vdev)) {
        return rh_fail(err, "State has features 0x%" PRIx64 ", the device offers 0x%" PRIx64, saved->features,
                       rh_virtio_offered(vdev));
    }
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        if (!check_queue(&vdev->queues[i], &saved->queues[i], is_packed, err)) {
            return false;
        }
    }
    rh_virtio_stop(vdev);
    vdev->features = saved->features;
    vdev->status = saved->status;
    vdev->config_generation = saved->config_generation;
    vdev->has_kicked_early = saved->has_kicked_early;
    vdev->has_unoffered = saved->has_unoffered;
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        vdev->queues[i].regs = saved->queues[i];
        vdev->queues[i].is_broken = saved->status & RH_VIRTIO_NEEDS_RESET;
    }
    return true;
}

static const RhField queue_fields[] = {
    RH_FIELD(RhVirtqState, desc),
    RH_FIELD(RhVirtqState, driver),
    RH_FIELD(RhVirtqState, device),
    RH_FIELD(RhVirtqState, size, .max = RH_VIRTQ_MAX_SIZE),
    RH_FIELD(RhVirtqState, vector),
    RH_FIELD(RhVirtqState, avail_idx),
    RH_FIELD(RhVirtqState, used_idx),
    RH_FIELD(RhVirtqState, signalled_idx),
    RH_FIELD(RhVirtqState, avail_wrap, .max = 1),
    RH_FIELD(RhVirtqState, used_wrap, .max = 1),
    RH_FIELD(RhVirtqState, is_signalled_valid, .max = 1),
    RH_FIELD(RhVirtqState, is_enabled, .max = 1),
    RH_FIELD(RhVirtqState, is_legacy_pfn, .max = 1),
};
static const RhField virtio_fields[] = {
    RH_FIELD(RhVirtioState, features),
    RH_FIELD(RhVirtioState, status),
    RH_FIELD(RhVirtioState, config_generation),
    RH_FIELD(RhVirtioState, has_kicked_early, .max = 1),
    RH_FIELD(RhVirtioState, has_unoffered, .max = 1),
    RH_FIELD(RhVirtioState, nr_queues, .max = RH_VIRTIO_MAX_QUEUES),
    RH_FIELD_STRUCTS(RhVirtioState, queues, queue_fields),
};

static const RhProp virtio_props[] = {
    RH_PROP("indirect_desc", RhVirtioDevice, has_indirect, .def = true, .doc = "offer indirect descriptors"),
    RH_PROP("event_idx", RhVirtioDevice, has_event_idx, .def = true, .doc = "offer notification by event index"),
    RH_PROP("notify_on_empty", RhVirtioDevice, has_notify_on_empty, .def = true,
            .doc = "offer legacy drivers an interrupt when a ring runs empty"),
    RH_PROP("any_layout", RhVirtioDevice, has_any_layout, .def = true, .doc = "offer legacy drivers any buffer layout"),
    RH_PROP("iommu_platform", RhVirtioDevice, wants_iommu, .doc = "insist on platform DMA addresses"),
    RH_PROP("packed", RhVirtioDevice, has_packed, .doc = "offer packed rings"),
    RH_PROP("queue_reset", RhVirtioDevice, has_queue_reset, .def = true, .doc = "offer reset of single queues"),
};

const RhPropTable rh_virtio_common_props = RH_TABLE(virtio_props);

static const RhDeviceType virtio_device_type = {
    .name = RH_TYPE_VIRTIO_DEVICE,
    .parent = RH_TYPE_DEVICE,
    .doc = "Root of virtio devices",
    .size = sizeof(RhVirtioDevice),
    .is_abstract = true,
    .fini = virtio_fini,
    .props = RH_TABLE(virtio_props),
    .bus = RH_TYPE_VIRTIO_BUS,
    .state = {
        .offset = offsetof(RhVirtioDevice, saved),
        .size = sizeof(RhVirtioState),
        .version = 1,
        .fields = RH_TABLE(virtio_fields),
    },
    .realize = virtio_realize,
    .unrealize = virtio_unrealize,
    .reset = virtio_reset,
    .check = virtio_check,
    .settle = virtio_settle,
    .saving = virtio_saving,
};
RH_TYPE_ENTRY(virtio_device_type);

/* --- the bus --- */

static const RhBusType virtio_bus_type = {
    .name = RH_TYPE_VIRTIO_BUS,
    .parent = RH_TYPE_BUS,
    .doc = "Where one virtio device plugs into its transport",
    .size = sizeof(RhVirtioBus),
    .is_abstract = true,
    .max_devices = 1,
};
RH_TYPE_ENTRY(virtio_bus_type);

RhVirtioBus *rh_virtio_bus_new(RhDevice *owner, const char *type_name, const char *name, const RhVirtioTransport *ops,
                               RhSpace *dma)
{
    RhVirtioBus *bus = (RhVirtioBus *)rh_bus_new(rh_device_vm(owner), type_name, owner, name);

    bus->ops = ops;
    bus->dma = dma;
    bus->has_modern = true;
    return bus;
}
