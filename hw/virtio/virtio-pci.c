/*
 * virtio-pci - the PCI transport: a function with the legacy ports in BAR 0, MSI-X in BAR 1, and the structures of
 * virtio 1.0 in BAR 4.  Spec: virtio 1.2 §4.1.  Lock: machine lock.
 *
 * Interrupts leave by the queue's MSI-X vector, or by INTx with the ISR register. A queue that runs on an IOThread
 * signals an eventfd that is bound to the vector, and does not meet the machine lock.
 */
#include "hw/virtio/pci-private.h"

enum { LEGACY_BAR = 0, MSIX_BAR = 1, MODERN_BAR = 4, LEGACY_NOTIFY = 16, MODERN_ID_BASE = 0x1040 };

RhVirtq *vpci_selected(VirtioPci *vpci)
{
    uint16_t index = vpci->state.queue_sel;

    return index < vpci->vdev->nr_queues ? rh_virtio_queue(vpci->vdev, index) : NULL;
}

static void settle_pin(VirtioPci *vpci)
{
    rh_pci_set_irq(&vpci->parent, vpci->state.isr != 0);
}

uint8_t vpci_take_isr(VirtioPci *vpci)
{
    uint8_t isr = vpci->state.isr;

    vpci->state.isr = 0;
    settle_pin(vpci);
    return isr;
}

static const VirtioPciState vpci_at_reset = { .config_vector = RH_VIRTQ_NO_VECTOR };

void vpci_set_status(VirtioPci *vpci, uint8_t status)
{
    rh_virtio_set_status(vpci->vdev, status);
    if (!status) {
        vpci->state = vpci_at_reset;
        settle_pin(vpci);
    }
}

/* --- interrupts --- */

static bool is_elsewhere(const VirtioPci *vpci, const RhVirtq *queue)
{
    return queue->is_live && queue->loop != rh_device_vm(&vpci->parent.parent)->loop;
}

static bool is_vector_wanted(VirtioPci *vpci, unsigned vector)
{
    for (unsigned i = 0; i < vpci->vdev->nr_queues; i++) {
        RhVirtq *queue = rh_virtio_queue(vpci->vdev, i);

        if (queue->regs.vector == vector && is_elsewhere(vpci, queue)) {
            return true;
        }
    }
    return false;
}

/* The event of @vector is bound; false where the host cannot: then the main loop interrupts. */
static bool bind_vector(VirtioPci *vpci, unsigned vector)
{
    RhEvent *event = &vpci->events[vector];

    if (rh_event_fd(event) >= 0) {
        return true;
    }
    if (!rh_event_init(event, NULL)) {
        return false;
    }
    if (!rh_pci_bind_event(&vpci->parent, vector, event, NULL)) {
        rh_event_fini(event);
        return false;
    }
    return true;
}

static void unbind_vector(VirtioPci *vpci, unsigned vector)
{
    if (rh_event_fd(&vpci->events[vector]) >= 0) {
        rh_pci_unbind_event(&vpci->parent, vector);
        if (rh_event_clear(&vpci->events[vector])) {
            rh_pci_notify(&vpci->parent, vector);   /* signalled, but the main loop had not seen it yet */
        }
        rh_event_fini(&vpci->events[vector]);
        vpci->events[vector] = (RhEvent){ 0 };
    }
}

/* Give each queue of an IOThread the event of its vector, and let go of those that none needs any more. */
static void settle_vectors(VirtioPci *vpci)
{
    bool is_on = rh_pci_msix_enabled(&vpci->parent);

    for (unsigned i = 0; i < vpci->vdev->nr_queues; i++) {
        RhVirtq *queue = rh_virtio_queue(vpci->vdev, i);
        uint16_t vector = queue->regs.vector;
        bool is_direct = is_on && vector < vpci->nr_vectors && is_elsewhere(vpci, queue) && bind_vector(vpci, vector);

        __atomic_store_n(&queue->irq_event, is_direct ? &vpci->events[vector] : NULL, __ATOMIC_RELEASE);
    }
    for (unsigned vector = 0; vector < vpci->nr_vectors; vector++) {
        /* A thread may still be about to signal an event it took: so it goes only while the device is stopped. */
        if (!vpci->vdev->is_started && !is_vector_wanted(vpci, vector)) {
            unbind_vector(vpci, vector);
        }
    }
}

void vpci_set_vector(VirtioPci *vpci, RhVirtq *queue, uint16_t vector)
{
    uint16_t *member = queue ? &queue->regs.vector : &vpci->state.config_vector;

    *member = vector < vpci->nr_vectors ? vector : RH_VIRTQ_NO_VECTOR;     /* §4.1.5.1.2.1 */
    if (queue) {
        settle_vectors(vpci);
    }
}

static VirtioPci *of_bus(RhVirtioBus *bus)
{
    return RH_SELF(VirtioPci, bus->parent.owner);
}

static void vpci_signal(RhVirtioBus *bus, RhVirtq *queue)
{
    VirtioPci *vpci = of_bus(bus);

    if (rh_pci_msix_enabled(&vpci->parent)) {
        uint16_t vector = queue ? queue->regs.vector : vpci->state.config_vector;

        if (vector != RH_VIRTQ_NO_VECTOR) {
            rh_pci_notify(&vpci->parent, vector);
        }
    } else {
        vpci->state.isr |= queue ? ISR_QUEUE : ISR_CONFIG;
        settle_pin(vpci);
    }
}

static void vpci_starting(RhVirtioBus *bus)
{
    settle_vectors(of_bus(bus));
}

static void vpci_stopped(RhVirtioBus *bus)
{
    settle_vectors(of_bus(bus));
}

/* --- doorbells --- */

static void vpci_set_doorbell(RhVirtioBus *bus, RhVirtq *queue, bool is_on)
{
    VirtioPci *vpci = of_bus(bus);
    void (*change)(RhRegion *, const RhIoEvent *) = is_on ? rh_region_add_io_event : rh_region_remove_io_event;
    const RhIoEvent legacy = {
        .at = LEGACY_NOTIFY, .size = 2, .has_match = true, .match = queue->index, .event = &queue->kicked,
    };
    const RhIoEvent modern = {      /* of any width: the address says it all, so nothing has to be decoded */
        .at = (uint64_t)queue->index * vpci_notify_multiplier(vpci), .event = &queue->kicked,
    };

    if (vpci->has_legacy) {
        change(&vpci->legacy, &legacy);
    }
    if (vpci->has_modern) {
        change(&vpci->notify, &modern);
    }
}

static const RhVirtioTransport vpci_transport = {
    .signal = vpci_signal, .set_doorbell = vpci_set_doorbell, .starting = vpci_starting, .stopped = vpci_stopped,
};

static const RhBusType vpci_bus_type = {
    .name = "virtio-pci-bus",
    .parent = RH_TYPE_VIRTIO_BUS,
    .doc = "The bus of one virtio PCI function",
    .max_devices = 1,
    .size = sizeof(RhVirtioBus),
};
RH_TYPE_ENTRY(vpci_bus_type);

/* --- realize --- */

static bool refuse_missing(const VirtioPci *vpci, GError **err)
{
    const struct {
        bool is_on;
        const char *name;
    } missing[] = { { vpci->has_ats, "ats" }, { vpci->has_aer, "aer" }, { vpci->has_pio_notify, "modern-pio-notify" } };

    for (size_t i = 0; i < RH_COUNT(missing); i++) {
        if (missing[i].is_on) {
            return rh_fail(err, "Property '%s.%s' is on, which is not supported yet",
                           vpci->parent.parent.obj.type->name, missing[i].name);
        }
    }
    return true;
}

static bool is_behind_port(VirtioPci *vpci)
{
    RhPciBus *bus = rh_pci_bus(&vpci->parent);

    return rh_pci_bus_is_express(bus) && bus->bridge;
}

static bool choose_forms(VirtioPci *vpci, GError **err)
{
    VirtioPciForm form = vpci_type(vpci)->form;

    vpci->has_modern = !vpci->disable_modern;
    vpci->has_legacy = form == FORM_TRANSITIONAL ||
                       (form == FORM_ANY && (vpci->disable_legacy == RH_OFF ||
                                             (vpci->disable_legacy == RH_AUTO && !is_behind_port(vpci))));
    if (!vpci->has_modern && !vpci->has_legacy) {
        rh_fail(err, "device cannot work as neither modern nor legacy mode is enabled");
        rh_hint(err, "Set either disable-modern or disable-legacy to off");
        return false;
    }
    if (vpci->has_legacy && vpci->vdev->wants_iommu) {
        return rh_fail(err, "VIRTIO_F_IOMMU_PLATFORM was supported by neither legacy nor transitional device");
    }
    return true;
}

static void set_ids(VirtioPci *vpci)
{
    RhPciDevice *dev = &vpci->parent;
    uint16_t virtio_id = rh_virtio_type(vpci->vdev)->virtio_id;

    rh_pci_init16(dev, RH_PCI_VENDOR_ID, RH_PCI_VENDOR_REDHAT_QUMRANET);
    if (vpci->has_legacy) {         /* §4.1.2.3: the subsystem id tells legacy drivers the device */
        rh_pci_init16(dev, RH_PCI_DEVICE_ID, vpci_type(vpci)->row->legacy_id);
        rh_pci_init8(dev, RH_PCI_REVISION, 0);
        rh_pci_init16(dev, RH_PCI_SUBSYSTEM_ID, virtio_id);
    } else {
        rh_pci_init16(dev, RH_PCI_DEVICE_ID, MODERN_ID_BASE + virtio_id);
        rh_pci_init8(dev, RH_PCI_REVISION, 1);
    }
    rh_pci_set_pin(dev, 1);
}

static void release_backend(RhDevice *dev, void *arg)
{
    rh_device_unrealize(&RH_SELF(VirtioPci, dev)->vdev->parent);
}

static bool realize_backend(VirtioPci *vpci, GError **err)
{
    RhDevice *dev = &vpci->parent.parent;
    const RhVirtioPciRow *row = vpci_type(vpci)->row;

    if (!vpci->bus) {
        vpci->bus = rh_virtio_bus_new(dev, "virtio-pci-bus", "virtio-bus", &vpci_transport, NULL);
    }
    vpci->bus->dma = vpci->parent.dma;
    vpci->bus->has_legacy = vpci->has_legacy;
    vpci->bus->has_modern = vpci->has_modern;
    vpci->bus->is_legacy = !vpci->has_modern;
    vpci->bus->has_ioeventfd = vpci->has_ioeventfd;
    if (row->prepare && !row->prepare(vpci->vdev, err)) {
        return false;
    }
    rh_device_claim(dev, release_backend, NULL);
    return rh_device_realize(&vpci->vdev->parent, &vpci->bus->parent, err);
}

static void free_events(RhDevice *dev, void *arg)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);

    for (unsigned vector = 0; vector < vpci->nr_vectors; vector++) {
        unbind_vector(vpci, vector);
    }
    g_clear_pointer(&vpci->events, g_free);
    vpci->nr_vectors = 0;
}

static bool add_vectors(VirtioPci *vpci, GError **err)
{
    uint32_t by_default = vpci_type(vpci)->row->vectors;

    if (vpci->vectors == UINT32_MAX) {
        vpci->vectors = by_default == RH_VIRTIO_PCI_PER_QUEUE ? vpci->vdev->nr_queues + 1 : by_default;
    }
    if (!vpci->vectors) {
        return true;
    }
    if (!rh_pci_add_msix_bar(&vpci->parent, 0, vpci->vectors, MSIX_BAR, err)) {
        return false;
    }
    vpci->events = g_new0(RhEvent, vpci->vectors);
    vpci->nr_vectors = vpci->vectors;
    rh_device_claim(&vpci->parent.parent, free_events, NULL);
    return true;
}

static void release_modern(RhDevice *dev, void *arg)
{
    rh_region_fini(&RH_SELF(VirtioPci, dev)->modern);
}

static bool add_modern(VirtioPci *vpci, GError **err)
{
    RhVm *vm = rh_device_vm(&vpci->parent.parent);
    uint64_t notify_len = vpci->has_page_per_vq ? NOTIFY_PAGE * NOTIFY_PAGES : MODERN_PART;
    uint64_t size = MODERN_NOTIFY + notify_len;

    rh_region_init_container(&vpci->modern, vm, "virtio-pci", UINT64_C(1) << (64 - __builtin_clzll(size - 1)));
    rh_device_claim(&vpci->parent.parent, release_modern, NULL);
    rh_region_set_size(&vpci->notify, notify_len);
    rh_region_add(&vpci->modern, MODERN_COMMON, &vpci->common);
    rh_region_add(&vpci->modern, MODERN_ISR, &vpci->isr);
    rh_region_add(&vpci->modern, MODERN_DEVICE, &vpci->device);
    rh_region_add(&vpci->modern, MODERN_NOTIFY, &vpci->notify);
    rh_pci_add_bar(&vpci->parent, MODERN_BAR, &vpci->modern, RH_PCI_BAR_MEM64 | RH_PCI_BAR_PREFETCH);
    return vpci_add_caps(vpci, err);
}

static bool add_express(VirtioPci *vpci, GError **err)
{
    return !is_behind_port(vpci) || (rh_pci_add_express(&vpci->parent, 0, RH_PCIE_ENDPOINT, 0, err) &&
                                     rh_pci_add_pm(&vpci->parent, 0, err));
}

static bool vpci_realize(RhDevice *dev, GError **err)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);

    if (!refuse_missing(vpci, err) || !choose_forms(vpci, err) || !realize_backend(vpci, err)) {
        return false;
    }
    set_ids(vpci);
    if (vpci->has_legacy) {
        rh_region_set_size(&vpci->legacy, vpci_legacy_size(vpci));
        rh_pci_add_bar(&vpci->parent, LEGACY_BAR, &vpci->legacy, RH_PCI_BAR_IO);
    }
    return add_express(vpci, err) && (!vpci->has_modern || add_modern(vpci, err)) && add_vectors(vpci, err);
}

static void vpci_settle(RhDevice *dev)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, dev);

    settle_pin(vpci);
    settle_vectors(vpci);
}

static bool overlaps(unsigned at, unsigned len, unsigned start, unsigned size)
{
    return at < start + size && start < at + len;
}

static void vpci_config_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    VirtioPci *vpci = (VirtioPci *)dev;

    vpci_cfg_written(dev, at, len);
    if (overlaps(at, len, RH_PCI_COMMAND, 2) && vpci->vdev->is_started) {
        for (unsigned i = 0; i < vpci->vdev->nr_queues; i++) {      /* kicks while DMA was off found nothing */
            rh_virtio_kick(rh_virtio_queue(vpci->vdev, i));
        }
    }
    if (dev->msix_cap && overlaps(at, len, dev->msix_cap + RH_PCI_MSIX_CONTROL, 2)) {
        settle_vectors(vpci);
    }
}

static const RhProp vpci_props[] = {
    RH_PROP("ioeventfd", VirtioPci, has_ioeventfd, .def = true, .doc = "doorbells are eventfds"),
    RH_PROP("vectors", VirtioPci, vectors, .def = UINT32_MAX, .doc = "MSI-X vectors; default: what the device needs"),
    RH_PROP("page-per-vq", VirtioPci, has_page_per_vq, .doc = "each queue's doorbell in a page of its own"),
    RH_PROP("ats", VirtioPci, has_ats, .doc = "address translation services; not supported yet"),
    RH_PROP("aer", VirtioPci, has_aer, .doc = "advanced error reporting; not supported yet"),
    RH_PROP("modern-pio-notify", VirtioPci, has_pio_notify, .doc = "doorbells in I/O ports; not supported yet"),
};
static const RhRegionDesc vpci_regions[] = {
    RH_REGION(VirtioPci, legacy, .span = 256, .read = vpci_legacy_read, .write = vpci_legacy_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(VirtioPci, common, .span = MODERN_PART, .read = vpci_common_read, .write = vpci_common_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(VirtioPci, isr, .span = MODERN_PART, .read = vpci_isr_read, .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(VirtioPci, device, .span = MODERN_PART, .read = vpci_device_read, .write = vpci_device_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(VirtioPci, notify, .span = MODERN_PART, .write = vpci_notify_write),
};
static const RhField vpci_fields[] = {
    RH_FIELD(VirtioPciState, driver_features),
    RH_FIELD(VirtioPciState, device_features_sel),
    RH_FIELD(VirtioPciState, driver_features_sel),
    RH_FIELD(VirtioPciState, queue_sel),
    RH_FIELD(VirtioPciState, config_vector),
    RH_FIELD(VirtioPciState, isr, .valid = ISR_QUEUE | ISR_CONFIG),
};

RH_PCI_DEVICE(VirtioPci,
    .name           = RH_TYPE_VIRTIO_PCI,
    .parent         = RH_TYPE_PCI_DEVICE,
    .doc            = "Root of virtio PCI functions",
    .is_abstract    = true,
    .is_hotpluggable = true,
    .vendor_id      = RH_PCI_VENDOR_REDHAT_QUMRANET,
    .is_express     = true,
    .props          = RH_TABLE(vpci_props),
    .regions        = RH_TABLE(vpci_regions),
    .state          = RH_STATE(VirtioPci, state, vpci_at_reset, .version = 1, .fields = RH_TABLE(vpci_fields)),
    .realize        = vpci_realize,
    .settle         = vpci_settle,
    .config_reading = vpci_cfg_reading,
    .config_written = vpci_config_written);
