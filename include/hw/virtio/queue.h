/*
 * Virtqueues, device side: split and packed rings (virtio 1.2 §2.7, §2.8) behind one interface.
 *
 * A front-end takes buffers with rh_virtq_pop, works on guest memory in place through their iovecs, gives
 * them back in any order with rh_virtq_push, and shows the batch with rh_virtq_flush, where the one decision
 * to interrupt the guest is made. Elements come from a pool of the queue: no allocation once it is warm.
 *
 * Guest memory stays mapped while an element is out: it holds the queue's snapshot of the RAM ranges it was
 * mapped through, so neither hot-unplug nor a moved region can take it away.
 *
 * Everything a driver writes is fetched once, checked, and used. A malformed ring breaks the queue:
 * rh_virtq_pop gives no more, and the device shows DEVICE_NEEDS_RESET (§2.1.2).
 *
 * Lock: a queue belongs to the thread of its loop while the device is started (the main loop: under the
 * machine lock), and to the machine lock otherwise. No function here takes a lock.
 */
#ifndef RH_HW_VIRTIO_QUEUE_H
#define RH_HW_VIRTIO_QUEUE_H

#include <sys/uio.h>
#include "softmmu/space.h"
#include "util/eventfd.h"
#include "util/loop.h"

typedef struct RhVirtq RhVirtq;
typedef struct RhVirtqMap RhVirtqMap;
typedef struct RhVirtqOps RhVirtqOps;
typedef struct RhVirtioDevice RhVirtioDevice;

enum {
    RH_VIRTQ_MAX_SIZE = 1024,       /* entries; also the longest chain, indirect descriptors included */
    RH_VIRTQ_NO_VECTOR = 0xffff,
};

/**
 * RhVirtElem - one buffer of the driver. A front-end's request struct may start with one: see elem_size of
 * rh_virtio_add_queue. Then the bytes behind it are the front-end's, and are zero after the first pop only.
 */
typedef struct RhVirtElem {
    RhVirtq *queue;
    struct iovec *out;              /* device-readable parts, in order */
    struct iovec *in;               /* device-writable parts, in order */
    unsigned nr_out;
    unsigned nr_in;
    size_t out_bytes;
    size_t in_bytes;
    /* private: */
    struct RhVirtElem *next;        /* in the pool */
    struct iovec *iov;              /* out, then in: the element's own array, kept in the pool */
    unsigned max_iov;
    RhVirtqMap *map;                /* what the iovecs were mapped through */
    uint32_t epoch;                 /* of the queue when popped: elements of a queue that was reset are dropped */
    uint16_t id;                    /* split: head descriptor; packed: buffer id */
    uint16_t nr_slots;              /* ring slots it takes */
} RhVirtElem;

/** RhVirtqState - guest state of a queue */
typedef struct RhVirtqState {
    uint64_t desc;                  /* guest addresses of the three areas, §2.6 */
    uint64_t driver;
    uint64_t device;
    uint16_t size;
    uint16_t vector;
    uint16_t avail_idx;             /* next buffer to take: split free-running, packed slot */
    uint16_t used_idx;              /* next to give back */
    uint16_t signalled_idx;         /* split: used_idx when the driver was last signalled */
    uint8_t avail_wrap;             /* packed, §2.8.1 */
    uint8_t used_wrap;
    uint8_t is_signalled_valid;
    uint8_t is_enabled;
    uint8_t is_legacy_pfn;          /* areas were set by one page number, §2.7.2 */
} RhVirtqState;

/** RhVirtqKick - the driver has made buffers available; on the queue's loop */
typedef void RhVirtqKick(RhVirtioDevice *vdev, RhVirtq *queue);

struct RhVirtq {
    RhVirtioDevice *vdev;
    unsigned index;
    RhVirtqKick *kick;
    uint16_t max_size;              /* as offered */
    size_t elem_size;
    RhLoop *loop;                   /* where kick runs; const while started */
    RhVirtqState regs;

    /* private to queue*.c: valid while live */
    const RhVirtqOps *ops;
    RhSpace *space;
    RhVirtqMap *map;                /* snapshot of RAM in use for new elements */
    uint64_t generation;            /* of the view that the pointers below were taken from; 0: none */
    uint8_t *desc;
    uint8_t *driver;
    uint8_t *device;
    uint16_t avail_seen;            /* split: driver's index when last read */
    uint16_t used_shown;            /* split: index last published; packed: slots held back */
    uint16_t held_slot;             /* packed: first slot of the batch, whose flags are still to be written */
    uint16_t held_flags;
    bool has_held;
    bool has_unsignalled;           /* shown to the driver, which was not interrupted since */
    bool has_event_idx;
    bool has_indirect;
    bool is_broken;
    bool wants_kicks;
    uint32_t epoch;
    unsigned in_flight;
    RhVirtElem *pool;

    /* private to the core */
    RhEvent kicked;                 /* ioeventfd: signalled by the guest's write, or by the transport */
    RhWatch watch;
    RhPoller poller;
    bool is_polled;                 /* the loop asks poller again and again: no kicks are needed */
    RhEvent *irq_event;             /* atomic; set from any thread it interrupts the guest; NULL: ask the transport */
    bool is_signal_pending;         /* atomic */
    bool is_live;                   /* set up and running */
    bool is_delivering;             /* kicks reach the device */
    bool is_attached;               /* the watch is begun, or about to be */
    bool has_doorbell;
};

/**
 * rh_virtq_pop - the next buffer, or NULL when there is none, the queue is broken, or the device is stopped
 * The element is the front-end's until rh_virtq_push, rh_virtq_unpop or rh_virtq_drop.
 */
RhVirtElem *rh_virtq_pop(RhVirtq *queue);
/** rh_virtq_push - give @elem back; @written: bytes written to its in part from the start. Not visible before rh_virtq_flush. */
void rh_virtq_push(RhVirtElem *elem, uint32_t written);
/** rh_virtq_show - show all pushed elements to a driver that polls; rh_virtq_flush must follow. No system call. */
void rh_virtq_show(RhVirtq *queue);
/** rh_virtq_flush - show all pushed elements to the driver, and interrupt it if it wants to know. One system call at most. */
void rh_virtq_flush(RhVirtq *queue);
/** rh_virtq_unpop - undo the last pop that is still out (the last one only; repeat for more, newest first) */
void rh_virtq_unpop(RhVirtElem *elem);
/** rh_virtq_drop - forget @elem without telling the driver: after a reset, or when the device is removed */
void rh_virtq_drop(RhVirtElem *elem);
/** rh_virtq_is_empty - nothing to pop. Reads the ring afresh. */
bool rh_virtq_is_empty(RhVirtq *queue);
/** rh_virtq_is_ready - set up by the driver, not broken, device started */
bool rh_virtq_is_ready(const RhVirtq *queue);
/** rh_virtq_mute - ask the driver not to kick while the front-end is looking anyway */
void rh_virtq_mute(RhVirtq *queue);
/** rh_virtq_unmute - want kicks again; true when buffers came meanwhile: then go on popping (no kick may come for them) */
bool rh_virtq_unmute(RhVirtq *queue);
/** rh_virtq_peek_bytes - bytes of the buffers available now, in and out, counting up to @max_in and @max_out (then it may stop) */
void rh_virtq_peek_bytes(RhVirtq *queue, size_t max_in, size_t max_out, size_t *ret_in, size_t *ret_out);
/** rh_virtq_break - the driver broke the rules: no more buffers, DEVICE_NEEDS_RESET, rh_guest_error with the text */
void rh_virtq_break(RhVirtq *queue, const char *format, ...) G_GNUC_PRINTF(2, 3);

#endif
