/*
 * Virtio devices and the transports that carry them (virtio 1.2).
 *
 * A device ("virtio-rng-device", ...) is declared with RH_VIRTIO_DEVICE and plugs into a "virtio-bus", which
 * a transport provides: virtio-mmio, or a virtio-pci proxy that makes its device itself and calls it
 * "virtio-backend". A device knows its features, configuration and queues; negotiation, status, rings, doorbells
 * and interrupts are the core's and the transport's.
 *
 * A device is *started* while the driver has set DRIVER_OK, nothing is broken, and the machine runs. Queue
 * kicks are delivered between its .start and .stop hooks only. When .stop returns, nobody may work on an element
 * of any queue, and no other thread may touch the device: so state is saved, and reset, without regard to
 * requests. Elements are pushed or unpopped by then; one that is kept (to be tried again when the machine goes on)
 * is dropped by the device's .reset.
 *
 * Lock: the machine lock, but for kicks of queues whose loop is an IOThread's, which run there without it.
 * Nothing called on an IOThread takes the machine lock; so the main thread may wait for an IOThread.
 */
#ifndef RH_HW_VIRTIO_VIRTIO_H
#define RH_HW_VIRTIO_VIRTIO_H

#include "hw/core/device.h"
#include "hw/virtio/queue.h"

#define RH_TYPE_VIRTIO_DEVICE "virtio-device"
#define RH_TYPE_VIRTIO_BUS    "virtio-bus"
#define RH_VIRTIO_BACKEND     "virtio-backend"

/** Device status, §2.1 */
enum {
    RH_VIRTIO_ACKNOWLEDGE = 0x01,
    RH_VIRTIO_DRIVER      = 0x02,
    RH_VIRTIO_DRIVER_OK   = 0x04,
    RH_VIRTIO_FEATURES_OK = 0x08,
    RH_VIRTIO_NEEDS_RESET = 0x40,
    RH_VIRTIO_FAILED      = 0x80,
};

/** Feature bits that are not a device's own, §6 */
enum {
    RH_VIRTIO_F_NOTIFY_ON_EMPTY = 24,   /* legacy */
    RH_VIRTIO_F_ANY_LAYOUT      = 27,   /* legacy */
    RH_VIRTIO_F_INDIRECT_DESC   = 28,
    RH_VIRTIO_F_EVENT_IDX       = 29,
    RH_VIRTIO_F_VERSION_1       = 32,
    RH_VIRTIO_F_ACCESS_PLATFORM = 33,
    RH_VIRTIO_F_RING_PACKED     = 34,
    RH_VIRTIO_F_IN_ORDER        = 35,
    RH_VIRTIO_F_RING_RESET      = 40,
};
#define RH_VIRTIO_BIT(feature) (UINT64_C(1) << (feature))

enum { RH_VIRTIO_MAX_QUEUES = 256, RH_VIRTIO_MAX_CONFIG = 256 };

typedef struct RhVirtioBus RhVirtioBus;

/** RhVirtioDeviceType - what every type below "virtio-device" is declared with */
typedef struct RhVirtioDeviceType {
    RhDeviceType;
    uint16_t virtio_id;             /* §5 */
    uint16_t config_size;           /* bytes of device configuration, at most RH_VIRTIO_MAX_CONFIG */
    uint64_t features;              /* own bits always offered */
    uint64_t (*get_features)(RhVirtioDevice *vdev);     /* more of them, by properties; may be NULL */
    /* Fill the whole configuration (zeroed before); little-endian. NULL: all zero */
    void (*config_read)(RhVirtioDevice *vdev, void *ret_config);
    /* The driver wrote @len bytes at @at; @config is the configuration with them in place. NULL: writes are dropped */
    void (*config_write)(RhVirtioDevice *vdev, const void *config, unsigned at, unsigned len);
    /* Features are settled (vdev->features); before DRIVER_OK. May be NULL */
    void (*features_set)(RhVirtioDevice *vdev);
    /* Before the first kick, and after the last; machine lock, any thread. Both may be NULL. Each queue gets a kick after .start. */
    void (*start)(RhVirtioDevice *vdev);
    void (*stop)(RhVirtioDevice *vdev);
    bool stops_on_main;             /* .stop waits for the main loop: call it there while anything is in flight */
    /* The driver resets one queue (§2.6.1): finish or drop its elements. Machine lock, kicks of it are off. May be NULL */
    void (*queue_reset)(RhVirtioDevice *vdev, RhVirtq *queue);
    void (*status_changed)(RhVirtioDevice *vdev, uint8_t was);  /* after the core acted on it; may be NULL */
} RhVirtioDeviceType;

/** RH_VIRTIO_DEVICE - as RH_DEVICE, for types below "virtio-device" */
#define RH_VIRTIO_DEVICE(T, ...) RH_VIRTIO_DEVICE_NAMED(T, T, __VA_ARGS__)
#define RH_VIRTIO_DEVICE_NAMED(ident, T, ...)                                                      \
    static const RhVirtioDeviceType ident##_type = { .size = sizeof(T), __VA_ARGS__ };             \
    RH_TYPE_ENTRY(ident##_type)

/** RhVirtioState - guest state common to all devices, as saved; while it runs it lives in RhVirtioDevice and its queues */
typedef struct RhVirtioState {
    uint64_t features;              /* as accepted by the driver */
    uint8_t status;
    uint8_t config_generation;      /* §2.5.1 */
    uint8_t has_kicked_early;       /* legacy driver that uses queues before DRIVER_OK, §3.1.2 */
    uint8_t has_unoffered;          /* the driver took features that were not offered: FEATURES_OK will not be */
    uint16_t nr_queues;
    RhVirtqState queues[RH_VIRTIO_MAX_QUEUES];
} RhVirtioState;

struct RhVirtioDevice {
    RhDevice parent;
    bool has_indirect;              /* properties */
    bool has_event_idx;
    bool has_notify_on_empty;
    bool has_any_layout;
    bool wants_iommu;
    bool has_packed;
    bool has_queue_reset;
    bool use_disabled_flag;

    RhVirtq *queues;                /* wiring: fixed once realized, but for their loops */
    unsigned nr_queues;
    RhVirtioBus *bus;
    bool is_started;
    bool is_broken;                 /* atomic: some queue is; any thread */
    RhEvent attention;              /* another thread wants an interrupt sent by the main loop */
    RhWatch attention_watch;
    RhNotifier run_changed;
    uint64_t features;              /* guest state: accepted by the driver */
    uint8_t status;
    uint8_t config_generation;
    bool has_kicked_early;
    bool has_unoffered;
    RhVirtioState saved;            /* filled by save and load alone */
};

#define RH_VIRTIO_DEVICE_OF(dev) ((RhVirtioDevice *)(dev))

static inline const RhVirtioDeviceType *rh_virtio_type(const RhVirtioDevice *vdev)
{
    return (const RhVirtioDeviceType *)vdev->parent.obj.type;
}
/** rh_virtio_has - whether the driver accepted feature bit number @feature */
static inline bool rh_virtio_has(const RhVirtioDevice *vdev, unsigned feature)
{
    return vdev->features & RH_VIRTIO_BIT(feature);
}

/* --- for devices --- */

/**
 * rh_virtio_add_queue - from realize hooks: the next queue, of at most @max_size entries (a power of two up to
 * RH_VIRTQ_MAX_SIZE; 0: the queue does not exist). @elem_size: of the request struct that starts with RhVirtElem,
 * or 0. Pointers to queues are good until unrealize, once all are added.
 */
void rh_virtio_add_queue(RhVirtioDevice *vdev, unsigned max_size, size_t elem_size, RhVirtqKick *kick);
/** rh_virtio_queue - queue @index, which must exist */
static inline RhVirtq *rh_virtio_queue(RhVirtioDevice *vdev, unsigned index)
{
    return &vdev->queues[index];
}
/** rh_virtio_set_loop - deliver kicks of @queue on @loop (NULL: main loop). While not started, .start included. */
void rh_virtio_set_loop(RhVirtq *queue, RhLoop *loop);
/** rh_virtio_config_changed - tell the driver that the configuration changed (§2.5); main thread, machine lock */
void rh_virtio_config_changed(RhVirtioDevice *vdev);
/** rh_virtio_offered - feature bits the device offers, common ones included; transports add theirs */
uint64_t rh_virtio_offered(RhVirtioDevice *vdev);
/** rh_virtio_kick - deliver a kick of @queue soon, as if the driver had; any thread */
void rh_virtio_kick(RhVirtq *queue);

/* --- for transports --- */

/** RhVirtioTransport - what a transport does for its device */
typedef struct RhVirtioTransport {
    /* Interrupt for @queue, or (NULL) for a configuration change. Machine lock held. */
    void (*signal)(RhVirtioBus *bus, RhVirtq *queue);
    /* Doorbell of @queue signals queue->kicked from now on / no more; may be NULL. Machine lock. */
    void (*set_doorbell)(RhVirtioBus *bus, RhVirtq *queue, bool is_on);
    /* The device is about to start, has stopped: bind queue->irq_event where interrupts can leave from any thread. May be NULL */
    void (*starting)(RhVirtioBus *bus);
    void (*stopped)(RhVirtioBus *bus);
} RhVirtioTransport;

struct RhVirtioBus {
    RhBus parent;
    const RhVirtioTransport *ops;
    RhVirtioDevice *vdev;           /* NULL: none plugged */
    RhSpace *dma;                   /* where the device's rings and buffers are */
    bool is_legacy;                 /* the driver talks to us the pre-1.0 way */
    bool has_legacy;                /* it may */
    bool has_modern;                /* VERSION_1 can be offered */
    bool has_ioeventfd;             /* doorbells may be eventfds */
};

/** The properties that all virtio devices have, for proxies that show them as their own */
extern const RhPropTable rh_virtio_common_props;

/** rh_virtio_bus_new - for the transport's realize: a bus of @type_name (a "virtio-bus") named @name */
RhVirtioBus *rh_virtio_bus_new(RhDevice *owner, const char *type_name, const char *name, const RhVirtioTransport *ops,
                               RhSpace *dma);

/** rh_virtio_config_load/store - an access to the device configuration of 1, 2, 4 or 8 bytes; beyond its end: ones, dropped */
uint64_t rh_virtio_config_load(RhVirtioDevice *vdev, unsigned at, unsigned size);
void rh_virtio_config_store(RhVirtioDevice *vdev, unsigned at, uint64_t value, unsigned size);
/** rh_virtio_set_status - the driver wrote the status register; 0 resets the device */
void rh_virtio_set_status(RhVirtioDevice *vdev, uint8_t status);
/** rh_virtio_accept - the driver wrote @features; one that was not offered means no FEATURES_OK. No effect after it. */
void rh_virtio_accept(RhVirtioDevice *vdev, uint64_t features);
/** rh_virtio_set_queue_size - false (and no effect) when @size is no good for the queue */
bool rh_virtio_set_queue_size(RhVirtq *queue, uint16_t size);
/** rh_virtio_enable_queue - the driver's three addresses are final */
void rh_virtio_enable_queue(RhVirtq *queue);
/** rh_virtio_set_queue_pfn - legacy: all three areas from @addr on, aligned by @align (§2.7.2); 0 disables */
void rh_virtio_set_queue_pfn(RhVirtq *queue, uint64_t addr, uint32_t align);
/** rh_virtio_reset_queue - §2.6.1; done when it returns */
void rh_virtio_reset_queue(RhVirtq *queue);
/** rh_virtio_notified - the driver wrote @index to a notify register that is no eventfd (now) */
void rh_virtio_notified(RhVirtioDevice *vdev, unsigned index);

#endif
