/* Shared by the files of hw/virtio/ that implement queues and the core. */
#ifndef RH_HW_VIRTIO_QUEUE_PRIVATE_H
#define RH_HW_VIRTIO_QUEUE_PRIVATE_H

#include "hw/virtio/queue.h"

/** RhVirtqOps - one ring format; all run on the queue's thread with the rings mapped */
struct RhVirtqOps {
    bool (*map_rings)(RhVirtq *queue);              /* take host pointers; false: broken */
    RhVirtElem *(*pop)(RhVirtq *queue);
    void (*unpop)(RhVirtq *queue, const RhVirtElem *elem);
    void (*push)(RhVirtq *queue, const RhVirtElem *elem, uint32_t written);
    void (*show)(RhVirtq *queue);                   /* make visible what was pushed */
    bool (*is_signal_due)(RhVirtq *queue);          /* whether the driver wants one for what was shown since the last time */
    bool (*is_empty)(RhVirtq *queue);
    void (*set_kicks)(RhVirtq *queue, bool is_wanted);
};

extern const RhVirtqOps rh_virtq_split, rh_virtq_packed;

/** Descriptor flags, §2.7.5, §2.8.1 */
enum {
    DESC_F_NEXT = 1,
    DESC_F_WRITE = 2,
    DESC_F_INDIRECT = 4,
    DESC_F_AVAIL = 1 << 7,      /* packed */
    DESC_F_USED = 1 << 15,
};

enum { DESC_SIZE = 16 };

/** RhVirtqDesc - a descriptor as fetched; @third and @fourth are flags, next (split) or id, flags (packed) */
typedef struct RhVirtqDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t third;
    uint16_t fourth;
} RhVirtqDesc;

/** rh_virtq_fetch - read a descriptor once, at any alignment: the compiler must not go back to guest memory */
static inline RhVirtqDesc rh_virtq_fetch(const uint8_t *at)
{
    uint64_t low = rh_ld64(at);
    uint64_t high = rh_ld64(at + 8);

    __asm__ volatile("" : "+r"(low), "+r"(high));
    return (RhVirtqDesc){ low, (uint32_t)high, (uint16_t)(high >> 32), (uint16_t)(high >> 48) };
}

static inline uint16_t rh_virtq_load16(const uint8_t *at, int order)
{
    return __atomic_load_n((const uint16_t *)(const void *)at, order);
}

static inline void rh_virtq_store16(uint8_t *at, uint16_t value, int order)
{
    __atomic_store_n((uint16_t *)(void *)at, value, order);
}

/** rh_virtq_begin/end - the device starts and stops using the rings that regs describe */
void rh_virtq_begin(RhVirtq *queue, RhSpace *space, bool is_packed, bool has_event_idx, bool has_indirect);
void rh_virtq_end(RhVirtq *queue);
/** rh_virtq_forget - the queue was reset: elements still out are dropped when they come back */
void rh_virtq_forget(RhVirtq *queue);
/** rh_virtq_free_pool - before the queue goes */
void rh_virtq_free_pool(RhVirtq *queue);

/** rh_virtq_ring - host address of a ring area that must lie in one piece of RAM; NULL: the queue was broken */
uint8_t *rh_virtq_ring(RhVirtq *queue, const char *what, uint64_t addr, uint64_t len, unsigned align, bool for_write);
/** rh_virtq_take - a blank element of the pool; NULL: more are out than the ring has room for, and the queue was broken */
RhVirtElem *rh_virtq_take(RhVirtq *queue);
/** rh_virtq_give - back to the pool */
void rh_virtq_give(RhVirtElem *elem);
/** rh_virtq_add_part - append one descriptor's buffer; false: the queue was broken */
bool rh_virtq_add_part(RhVirtElem *elem, const RhVirtqDesc *desc, uint16_t flags);
/** rh_virtq_add_table - append the buffers of an indirect table, §2.7.5.3 (chained by next) or §2.8.7 (in a row) */
bool rh_virtq_add_table(RhVirtElem *elem, const RhVirtqDesc *desc, bool is_chained);
/** rh_virtq_finish - set the element's pointers once all parts are added */
void rh_virtq_finish(RhVirtElem *elem);

/** rh_virtio_signal - the driver wants an interrupt for @queue; on its thread */
void rh_virtio_signal(RhVirtq *queue);
/** rh_virtio_broken - show DEVICE_NEEDS_RESET soon; any thread */
void rh_virtio_broken(RhVirtioDevice *vdev);

#endif
