/*
 * virtio-rng-device - entropy for the guest.
 * One queue of writable buffers, filled in order as bytes come. At most max-bytes in each period.
 * Spec: virtio 1.2 §5.4.  Lock: machine lock.
 */
#include "hw/virtio/pci.h"
#include "softmmu/rng.h"
#include "util/iov.h"

enum { VIRTIO_ID_RNG = 4, RNG_QUEUE_SIZE = 8, DEFAULT_PERIOD_MS = 65536 };
#define NO_LIMIT ((uint64_t)INT64_MAX)

typedef struct VirtioRng {
    RhVirtioDevice parent;
    RhObject *rng;              /* properties */
    uint64_t max_bytes;
    uint32_t period_ms;
    RhRngRequest request;       /* wiring */
    RhTimer period;
    uint64_t quota;             /* bytes left in this period; not guest state: a period starts anew after a load */
} VirtioRng;

static void rng_ask(VirtioRng *rng)
{
    RhVirtq *queue = rh_virtio_queue(&rng->parent, 0);
    size_t wanted, unused;

    if (rng->request.rng || !rh_virtq_is_ready(queue) || !rng->quota) {
        return;
    }
    rh_virtq_peek_bytes(queue, MIN(rng->quota, RH_RNG_CHUNK), 0, &wanted, &unused);
    if (wanted) {
        rng->request.size = MIN(MIN(wanted, rng->quota), RH_RNG_CHUNK);
        rh_rng_ask(RH_SELF(RhRng, rng->rng), &rng->request);
    }
}

static void spend(VirtioRng *rng, size_t len)
{
    if (rng->max_bytes == NO_LIMIT) {
        return;
    }
    rng->quota -= MIN(rng->quota, len);
    if (!rh_timer_is_armed(&rng->period)) {
        rh_timer_arm(&rng->period, rh_clock_now(rng->period.clock) + (int64_t)rng->period_ms * 1000000);
    }
}

static void rng_period_over(void *opaque)
{
    VirtioRng *rng = opaque;

    rng->quota = rng->max_bytes;
    rng_ask(rng);
}

static void rng_came(void *opaque, const uint8_t *bytes, size_t len)
{
    VirtioRng *rng = opaque;
    RhVirtq *queue = rh_virtio_queue(&rng->parent, 0);
    size_t done = 0;
    RhVirtElem *elem;

    while (done < len && (elem = rh_virtq_pop(queue))) {
        size_t put = rh_iov_from_buf(elem->in, elem->nr_in, 0, bytes + done, len - done);

        done += put;
        rh_virtq_push(elem, (uint32_t)put);
    }
    rh_virtq_flush(queue);
    spend(rng, done);
    rng_ask(rng);
}

static void rng_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    rng_ask(RH_SELF(VirtioRng, vdev));
}

static void rng_stop(RhVirtioDevice *vdev)
{
    rh_rng_cancel(&RH_SELF(VirtioRng, vdev)->request);
}

/* Without a source given the device has one of its own. */
static bool have_source(VirtioRng *rng, GError **err)
{
    RhObject *own;

    if (rng->rng) {
        return true;
    }
    own = rh_object_new(rng->parent.parent.obj.vm, RH_TYPE_RNG_BUILTIN, err);
    if (!own) {
        return false;
    }
    rng->rng = own;             /* the property's reference */
    return rh_object_add_child(&rng->parent.parent.obj, "rng-builtin", own, err);
}

static void release_source(RhDevice *dev, void *arg)
{
    VirtioRng *rng = RH_SELF(VirtioRng, dev);

    rh_rng_cancel(&rng->request);
    rh_timer_fini(&rng->period);
    RH_SELF(RhRng, rng->rng)->users--;
}

static bool rng_realize(RhDevice *dev, GError **err)
{
    VirtioRng *rng = RH_SELF(VirtioRng, dev);
    RhVm *vm = rh_device_vm(dev);

    if (!rng->period_ms) {
        return rh_fail(err, "'period' parameter expects a positive integer");
    }
    if (rng->max_bytes > NO_LIMIT) {
        return rh_fail(err, "'max-bytes' parameter must be non-negative, and less than 2^63");
    }
    if (!have_source(rng, err)) {
        return false;
    }
    RH_SELF(RhRng, rng->rng)->users++;
    rng->request.fn = rng_came;
    rng->request.opaque = rng;
    rh_timer_init(&rng->period, vm->clock, vm->loop, rng_period_over, rng);
    rh_device_claim(dev, release_source, NULL);
    rh_virtio_add_queue(&rng->parent, RNG_QUEUE_SIZE, 0, rng_kick);
    return true;
}

static void rng_reset(RhDevice *dev)
{
    VirtioRng *rng = RH_SELF(VirtioRng, dev);

    rh_timer_cancel(&rng->period);
    rng->quota = rng->max_bytes;
}

static const RhProp rng_props[] = {
    RH_PROP_LINK("rng", VirtioRng, rng, RH_TYPE_RNG, .doc = "source of the bytes; default: the host's generator"),
    RH_PROP("max-bytes", VirtioRng, max_bytes, .def = NO_LIMIT, .doc = "bytes at most in each period"),
    RH_PROP("period", VirtioRng, period_ms, .def = DEFAULT_PERIOD_MS, .doc = "length of a period, in ms"),
};

RH_VIRTIO_DEVICE(VirtioRng,
    .name        = "virtio-rng-device",
    .parent      = RH_TYPE_VIRTIO_DEVICE,
    .doc         = "Entropy source",
    .category    = "Misc",
    .props       = RH_TABLE(rng_props),
    .realize     = rng_realize,
    .reset       = rng_reset,
    .virtio_id   = VIRTIO_ID_RNG,
    .stop        = rng_stop);
RH_VIRTIO_PCI(VirtioRng, .name = "virtio-rng", .legacy_id = 0x1005, .class_id = 0x00ff, .vectors = 2);
RH_TYPE_ALIAS(virtio_rng, "virtio-rng", "virtio-rng-pci");
