/*
 * Split virtqueues, virtio 1.2 §2.7. Indexes are free-running 16-bit numbers; sizes are powers of two.
 */
#include "hw/virtio/queue-private.h"
#include "hw/virtio/virtio.h"

enum {                      /* §2.7.6, §2.7.8: both rings start alike */
    RING_FLAGS = 0,
    RING_IDX = 2,
    RING_ENTRIES = 4,
    AVAIL_F_NO_INTERRUPT = 1,
    USED_F_NO_NOTIFY = 1,
    USED_ENTRY_SIZE = 8,
};

static bool split_map_rings(RhVirtq *queue)
{
    const RhVirtqState *regs = &queue->regs;
    uint64_t size = regs->size;

    queue->desc = rh_virtq_ring(queue, "descriptor table", regs->desc, DESC_SIZE * size, 16, false);
    queue->driver = queue->desc ? rh_virtq_ring(queue, "available ring", regs->driver, 6 + 2 * size, 2, false) : NULL;
    queue->device = queue->driver
                        ? rh_virtq_ring(queue, "used ring", regs->device, 6 + USED_ENTRY_SIZE * size, 4, true) : NULL;
    return queue->device;
}

static uint8_t *used_event(RhVirtq *queue)
{
    return queue->driver + RING_ENTRIES + 2 * queue->regs.size;
}

static uint8_t *avail_event(RhVirtq *queue)
{
    return queue->device + RING_ENTRIES + USED_ENTRY_SIZE * queue->regs.size;
}

/* Read the driver's index afresh; false: nothing is new. */
static bool look(RhVirtq *queue)
{
    /* §2.7.13.2: entries are written before the index, so the index is read first. */
    uint16_t idx = rh_virtq_load16(queue->driver + RING_IDX, __ATOMIC_ACQUIRE);

    if ((uint16_t)(idx - queue->regs.avail_idx) > queue->regs.size) {
        rh_virtq_break(queue, "available index of queue %u went from %u to %u", queue->index, queue->regs.avail_idx,
                       idx);
        return false;
    }
    queue->avail_seen = idx;
    return idx != queue->regs.avail_idx;
}

/* §2.7.5: along next from @head. A chain may end in an indirect table, which has no next itself. */
static bool collect(RhVirtq *queue, RhVirtElem *elem, uint16_t head)
{
    uint16_t size = queue->regs.size;
    uint16_t at = head;

    for (unsigned hops = 0; hops < size; hops++) {
        RhVirtqDesc desc = rh_virtq_fetch(queue->desc + (size_t)at * DESC_SIZE);
        uint16_t flags = desc.third;

        if (flags & DESC_F_INDIRECT) {
            if (flags & DESC_F_NEXT) {      /* §2.7.5.3.1 */
                rh_virtq_break(queue, "queue %u has an indirect descriptor with a next one", queue->index);
                return false;
            }
            return rh_virtq_add_table(elem, &desc, true);
        }
        if (!rh_virtq_add_part(elem, &desc, flags)) {
            return false;
        }
        if (!(flags & DESC_F_NEXT)) {
            return true;
        }
        at = desc.fourth;
        if (at >= size) {
            rh_virtq_break(queue, "next descriptor of queue %u is %u, must be below %u", queue->index, at, size);
            return false;
        }
    }
    rh_virtq_break(queue, "descriptor chain of queue %u does not end", queue->index);
    return false;
}

/* Something is there. With event index the wish for a kick moves with each pop, so the last look comes after it. */
static bool find_next(RhVirtq *queue)
{
    if (queue->regs.avail_idx != queue->avail_seen || look(queue)) {
        return true;
    }
    if (!queue->wants_kicks || !queue->has_event_idx || queue->is_broken) {
        return false;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);    /* §2.7.10: the driver writes idx, then reads avail_event */
    return look(queue);
}

static RhVirtElem *split_pop(RhVirtq *queue)
{
    RhVirtqState *regs = &queue->regs;
    RhVirtElem *elem;
    uint16_t head;

    if (!find_next(queue)) {
        return NULL;
    }
    head = rh_virtq_load16(queue->driver + RING_ENTRIES + 2 * (regs->avail_idx & (regs->size - 1)), __ATOMIC_RELAXED);
    if (head >= regs->size) {
        rh_virtq_break(queue, "available descriptor of queue %u is %u, must be below %u", queue->index, head,
                       regs->size);
        return NULL;
    }
    elem = rh_virtq_take(queue);
    if (!elem) {
        return NULL;
    }
    if (!collect(queue, elem, head)) {
        rh_virtq_give(elem);
        return NULL;
    }
    elem->id = head;
    rh_virtq_finish(elem);
    regs->avail_idx++;
    if (queue->wants_kicks && queue->has_event_idx) {
        rh_virtq_store16(avail_event(queue), regs->avail_idx, __ATOMIC_RELAXED);
    }
    return elem;
}

static void split_unpop(RhVirtq *queue, const RhVirtElem *elem)
{
    queue->regs.avail_idx--;
}

static void split_push(RhVirtq *queue, const RhVirtElem *elem, uint32_t written)
{
    RhVirtqState *regs = &queue->regs;
    uint8_t *entry = queue->device + RING_ENTRIES + USED_ENTRY_SIZE * (regs->used_idx & (regs->size - 1));

    rh_st32(entry, elem->id);
    rh_st32(entry + 4, written);
    regs->used_idx++;
}

/* §2.7.10: whether the driver's wish lies in what was published since it was last signalled. */
static bool is_event_due(RhVirtq *queue)
{
    RhVirtqState *regs = &queue->regs;
    uint16_t event = rh_virtq_load16(used_event(queue), __ATOMIC_RELAXED);
    uint16_t was = regs->signalled_idx;
    bool was_valid = regs->is_signalled_valid;

    regs->signalled_idx = regs->used_idx;
    regs->is_signalled_valid = true;
    return !was_valid || (uint16_t)(regs->used_idx - event - 1) < (uint16_t)(regs->used_idx - was);
}

static bool split_is_empty(RhVirtq *queue)
{
    return queue->regs.avail_idx == queue->avail_seen && !look(queue);
}

static void split_show(RhVirtq *queue)
{
    const RhVirtqState *regs = &queue->regs;

    if (queue->used_shown != regs->used_idx) {
        /* §2.7.8.2: entries before the index. Pairs with the driver's read of idx before entries. */
        rh_virtq_store16(queue->device + RING_IDX, regs->used_idx, __ATOMIC_RELEASE);
        queue->used_shown = regs->used_idx;
        queue->has_unsignalled = true;
    }
}

static bool split_is_signal_due(RhVirtq *queue)
{
    /* §2.7.7.2: the index is visible before the driver's wish is read; the driver does the reverse. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (rh_virtio_has(queue->vdev, RH_VIRTIO_F_NOTIFY_ON_EMPTY) && !queue->in_flight && split_is_empty(queue)) {
        return true;
    }
    if (queue->has_event_idx) {
        return is_event_due(queue);
    }
    return !(rh_virtq_load16(queue->driver + RING_FLAGS, __ATOMIC_RELAXED) & AVAIL_F_NO_INTERRUPT);
}

static void split_set_kicks(RhVirtq *queue, bool is_wanted)
{
    if (!queue->has_event_idx) {
        rh_virtq_store16(queue->device + RING_FLAGS, is_wanted ? 0 : USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
    } else if (is_wanted) {     /* otherwise the old event index lies behind, and no kick comes for a lap */
        rh_virtq_store16(avail_event(queue), queue->regs.avail_idx, __ATOMIC_RELAXED);
    }
}

const RhVirtqOps rh_virtq_split = {
    .map_rings = split_map_rings,
    .pop = split_pop,
    .unpop = split_unpop,
    .push = split_push,
    .show = split_show,
    .is_signal_due = split_is_signal_due,
    .is_empty = split_is_empty,
    .set_kicks = split_set_kicks,
};
