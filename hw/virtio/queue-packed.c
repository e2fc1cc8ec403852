/*
 * Packed virtqueues, virtio 1.2 §2.8. One ring serves both directions; a slot belongs to whom its AVAIL and
 * USED flags, compared with a wrap counter, say. Sizes need not be powers of two.
 */
#include "hw/virtio/queue-private.h"
#include "hw/virtio/virtio.h"

enum {
    DESC_LEN = 8,
    DESC_ID = 12,
    DESC_FLAGS = 14,
    EVENT_OFF_WRAP = 0,         /* §2.8.10: event suppression structures */
    EVENT_FLAGS = 2,
    EVENT_SIZE = 4,
    EVENT_F_ENABLE = 0,
    EVENT_F_DISABLE = 1,
    EVENT_F_DESC = 2,
};

static bool packed_map_rings(RhVirtq *queue)
{
    const RhVirtqState *regs = &queue->regs;

    queue->desc = rh_virtq_ring(queue, "descriptor ring", regs->desc, DESC_SIZE * (uint64_t)regs->size, 16, true);
    queue->driver = queue->desc ? rh_virtq_ring(queue, "driver event area", regs->driver, EVENT_SIZE, 4, false) : NULL;
    queue->device = queue->driver ? rh_virtq_ring(queue, "device event area", regs->device, EVENT_SIZE, 4, true) : NULL;
    return queue->device;
}

/* §2.8.1: available when AVAIL equals, and USED differs from, the driver's wrap counter. */
static bool is_available(uint16_t flags, bool wrap)
{
    return !!(flags & DESC_F_AVAIL) == wrap && !!(flags & DESC_F_USED) != wrap;
}

static bool packed_is_empty(RhVirtq *queue)
{
    const RhVirtqState *regs = &queue->regs;
    uint16_t flags = rh_virtq_load16(queue->desc + (size_t)regs->avail_idx * DESC_SIZE + DESC_FLAGS, __ATOMIC_ACQUIRE);

    return !is_available(flags, regs->avail_wrap);
}

static void advance(uint16_t *idx, uint8_t *wrap, unsigned nr, uint16_t size)
{
    unsigned at = *idx + nr;

    *wrap ^= at >= size;
    *idx = (uint16_t)(at >= size ? at - size : at);
}

/* §2.8.6: a chain takes consecutive slots; its id stands in the last. An indirect table is a chain of its own. */
static bool collect(RhVirtq *queue, RhVirtElem *elem)
{
    uint16_t size = queue->regs.size;
    unsigned slot = queue->regs.avail_idx;

    for (unsigned hops = 1; hops <= size; hops++) {
        RhVirtqDesc desc = rh_virtq_fetch(queue->desc + (size_t)slot * DESC_SIZE);
        uint16_t flags = desc.fourth;

        elem->id = desc.third;
        elem->nr_slots = (uint16_t)hops;
        if (flags & DESC_F_INDIRECT) {
            if ((flags & DESC_F_NEXT) || hops > 1) {    /* §2.8.7 */
                rh_virtq_break(queue, "queue %u has an indirect descriptor within a chain", queue->index);
                return false;
            }
            return rh_virtq_add_table(elem, &desc, false);
        }
        if (!rh_virtq_add_part(elem, &desc, flags)) {
            return false;
        }
        if (!(flags & DESC_F_NEXT)) {
            return true;
        }
        slot = slot + 1u == size ? 0 : slot + 1;
    }
    rh_virtq_break(queue, "descriptor chain of queue %u does not end", queue->index);
    return false;
}

static RhVirtElem *packed_pop(RhVirtq *queue)
{
    RhVirtqState *regs = &queue->regs;
    RhVirtElem *elem;

    /* §2.8.21: the flags of a chain's first descriptor are written last, so they are read first. */
    if (packed_is_empty(queue)) {
        return NULL;
    }
    elem = rh_virtq_take(queue);
    if (!elem) {
        return NULL;
    }
    if (!collect(queue, elem)) {
        rh_virtq_give(elem);
        return NULL;
    }
    rh_virtq_finish(elem);
    advance(&regs->avail_idx, &regs->avail_wrap, elem->nr_slots, regs->size);
    return elem;
}

static void packed_unpop(RhVirtq *queue, const RhVirtElem *elem)
{
    RhVirtqState *regs = &queue->regs;
    bool is_below = regs->avail_idx < elem->nr_slots;

    regs->avail_idx = (uint16_t)(regs->avail_idx + (is_below ? regs->size : 0) - elem->nr_slots);
    regs->avail_wrap ^= is_below;
}

/* The flags of a batch's first slot are held back: the driver reads slots in order, so it sees the batch at once. */
static void packed_push(RhVirtq *queue, const RhVirtElem *elem, uint32_t written)
{
    RhVirtqState *regs = &queue->regs;
    uint8_t *slot = queue->desc + (size_t)regs->used_idx * DESC_SIZE;
    uint16_t flags = (uint16_t)((regs->used_wrap ? DESC_F_AVAIL | DESC_F_USED : 0) | (written ? DESC_F_WRITE : 0));

    rh_st32(slot + DESC_LEN, written);
    rh_st16(slot + DESC_ID, elem->id);
    if (!queue->has_held) {
        queue->has_held = true;
        queue->held_slot = regs->used_idx;
        queue->held_flags = flags;
    } else {
        rh_virtq_store16(slot + DESC_FLAGS, flags, __ATOMIC_RELEASE);
    }
    advance(&regs->used_idx, &regs->used_wrap, elem->nr_slots, regs->size);
}

/* Slot and wrap counter as one number that counts through two laps. */
static unsigned position(unsigned slot, bool wrap, unsigned size)
{
    return slot + (wrap ? 0 : size);
}

/* §2.8.10: DESC asks for a signal when the slot at the offset is used; whether it lies in the last batch. */
static bool is_event_due(RhVirtq *queue, uint16_t off_wrap, unsigned from)
{
    const RhVirtqState *regs = &queue->regs;
    unsigned size = regs->size;
    unsigned laps = 2 * size;
    unsigned to = position(regs->used_idx, regs->used_wrap, size);
    unsigned event = position(off_wrap & 0x7fff, off_wrap >> 15, size);

    if ((off_wrap & 0x7fff) >= size) {
        return true;            /* nonsense: a signal too many hurts nobody */
    }
    return (event + laps - from) % laps < (to + laps - from) % laps;
}

static void packed_show(RhVirtq *queue)
{
    RhVirtqState *regs = &queue->regs;

    if (!queue->has_held) {
        return;
    }
    rh_virtq_store16(queue->desc + (size_t)queue->held_slot * DESC_SIZE + DESC_FLAGS, queue->held_flags,
                     __ATOMIC_RELEASE);
    queue->has_held = false;
    queue->has_unsignalled = true;
    if (!regs->is_signalled_valid) {
        regs->signalled_idx = (uint16_t)position(queue->held_slot, queue->held_flags & DESC_F_USED, regs->size);
        regs->is_signalled_valid = true;
    }
}

static bool packed_is_signal_due(RhVirtq *queue)
{
    RhVirtqState *regs = &queue->regs;
    unsigned from = regs->signalled_idx;
    uint32_t event;

    /* The batch is visible before the driver's wish is read; the driver does the reverse. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    event = __atomic_load_n((uint32_t *)(void *)queue->driver, __ATOMIC_RELAXED);
    regs->signalled_idx = (uint16_t)position(regs->used_idx, regs->used_wrap, regs->size);
    switch (event >> 16 & 3) {
    case EVENT_F_DISABLE:
        return false;
    case EVENT_F_DESC:
        return !queue->has_event_idx || is_event_due(queue, (uint16_t)event, from);
    default:
        return true;
    }
}

static void packed_set_kicks(RhVirtq *queue, bool is_wanted)
{
    rh_virtq_store16(queue->device + EVENT_FLAGS, is_wanted ? EVENT_F_ENABLE : EVENT_F_DISABLE, __ATOMIC_RELAXED);
}

const RhVirtqOps rh_virtq_packed = {
    .map_rings = packed_map_rings,
    .pop = packed_pop,
    .unpop = packed_unpop,
    .push = packed_push,
    .show = packed_show,
    .is_signal_due = packed_is_signal_due,
    .is_empty = packed_is_empty,
    .set_kicks = packed_set_kicks,
};
