/*
 * Virtqueues: what both ring formats share. Mapping guest memory, the pool of elements, batches.
 *
 * Invariants:
 * 1. Host pointers of a queue (rings, iovecs) come from its map, which holds a reference to every RAM block
 *    it shows; an element that is out holds the map. The count in a map is the queue thread's alone.
 * 2. A map shows one generation of the space. When that has changed, new elements get a new map.
 * 3. The pool never holds more elements than were out at once, at most the ring's size.
 */
#include "hw/virtio/queue.h"
#include "hw/virtio/queue-private.h"
#include "hw/virtio/virtio.h"

typedef struct MapRange {
    uint64_t start;
    uint64_t len;
    uint8_t *host;
    RhRam *ram;
    bool is_writable;
} MapRange;

struct RhVirtqMap {
    uint64_t generation;
    unsigned refs;
    unsigned nr;
    unsigned max;
    unsigned last;              /* where the last address was found */
    MapRange *ranges;
};

static RhVirtqMap *map_new(uint64_t generation)
{
    RhVirtqMap *map = g_new0(RhVirtqMap, 1);

    map->generation = generation;
    map->refs = 1;
    map->max = 4;               /* RAM below and above 4 GiB, and then some */
    map->ranges = g_new(MapRange, map->max);
    return map;
}

static void map_unref(RhVirtqMap *map)
{
    if (!map || --map->refs) {
        return;
    }
    for (unsigned i = 0; i < map->nr; i++) {
        rh_ram_unref(map->ranges[i].ram);
    }
    g_free(map->ranges);
    g_free(map);
}

/* The view is sorted; returns the range that holds @addr, or NULL. */
static const RhFlatRange *view_find(const RhFlatView *view, uint64_t addr)
{
    size_t low = 0;
    size_t high = view->nr;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (view->ranges[middle].start <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low && addr - view->ranges[low - 1].start < view->ranges[low - 1].len ? &view->ranges[low - 1] : NULL;
}

/* Enter the RAM range that holds @addr. A view has few, so a map stays small. */
static MapRange *map_extend(RhVirtqMap *map, RhSpace *space, uint64_t addr)
{
    const RhFlatRange *range;
    MapRange *entry = NULL;

    rh_rcu_read_lock();
    range = view_find(rh_space_view(space), addr);
    if (range && range->host) {
        if (map->nr == map->max) {
            map->max *= 2;
            map->ranges = g_renew(MapRange, map->ranges, map->max);
        }
        map->last = map->nr++;
        entry = &map->ranges[map->last];
        *entry = (MapRange){ range->start, range->len, range->host, rh_ram_ref(range->ram), range->is_writable };
    }
    rh_rcu_read_unlock();
    return entry;
}

static MapRange *map_find(RhVirtqMap *map, RhSpace *space, uint64_t addr)
{
    for (unsigned i = 0; i < map->nr; i++) {
        MapRange *range = &map->ranges[i];

        if (addr - range->start < range->len) {
            map->last = i;
            return range;
        }
    }
    return map_extend(map, space, addr);
}

/* Host address of @addr, good for *@ret_len bytes of the @len asked for; NULL: no memory of that kind there. */
static inline uint8_t *translate(RhVirtq *queue, uint64_t addr, uint64_t len, bool for_write, uint64_t *ret_len)
{
    RhVirtqMap *map = queue->map;
    MapRange *range = map->nr ? &map->ranges[map->last] : NULL;

    if (!range || addr - range->start >= range->len) {
        range = map_find(map, queue->space, addr);
    }
    if (!range || (for_write && !range->is_writable)) {
        return NULL;
    }
    *ret_len = MIN(len, range->len - (addr - range->start));
    return range->host + (addr - range->start);
}

uint8_t *rh_virtq_ring(RhVirtq *queue, const char *what, uint64_t addr, uint64_t len, unsigned align, bool for_write)
{
    uint64_t got = 0;
    uint8_t *host = addr % align ? NULL : translate(queue, addr, len, for_write, &got);

    if (!host || got < len) {
        rh_virtq_break(queue, "%s of queue %u at 0x%" PRIx64 " is not aligned by %u in %s memory", what, queue->index,
                       addr, align, for_write ? "writable" : "readable");
        return NULL;
    }
    return host;
}

/* The rings are where they were, or have been found again. False: there is nothing to do now. */
static inline bool refresh(RhVirtq *queue)
{
    uint64_t generation;

    if (!queue->is_live || queue->is_broken) {
        return false;
    }
    generation = rh_space_generation(queue->space);
    if (G_LIKELY(generation == queue->generation)) {
        return generation != 0;
    }
    if (!generation) {          /* bus mastering is off: a driver on its way out; not its fault */
        return false;
    }
    map_unref(queue->map);
    queue->map = map_new(generation);
    queue->generation = 0;
    if (!queue->ops->map_rings(queue)) {
        return false;
    }
    queue->generation = generation;
    queue->ops->set_kicks(queue, queue->wants_kicks);
    return true;
}

void rh_virtq_begin(RhVirtq *queue, RhSpace *space, bool is_packed, bool has_event_idx, bool has_indirect)
{
    queue->ops = is_packed ? &rh_virtq_packed : &rh_virtq_split;
    queue->space = space;
    queue->has_event_idx = has_event_idx;
    queue->has_indirect = has_indirect;
    queue->generation = 0;
    queue->avail_seen = queue->regs.avail_idx;
    queue->used_shown = queue->regs.used_idx;
    queue->has_held = false;
    queue->has_unsignalled = false;
    queue->wants_kicks = true;
    queue->is_live = true;
}

void rh_virtq_end(RhVirtq *queue)
{
    queue->is_live = false;
    queue->generation = 0;
    map_unref(queue->map);
    queue->map = NULL;
}

void rh_virtq_forget(RhVirtq *queue)
{
    queue->epoch++;
    queue->in_flight = 0;
    queue->is_broken = false;
}

/* --- elements --- */

enum { FIRST_IOVS = 8 };

static RhVirtElem *elem_new(RhVirtq *queue)
{
    RhVirtElem *elem = g_malloc0(MAX(queue->elem_size, sizeof(RhVirtElem)));

    elem->queue = queue;
    elem->max_iov = FIRST_IOVS;
    elem->iov = g_new(struct iovec, elem->max_iov);
    return elem;
}

RhVirtElem *rh_virtq_take(RhVirtq *queue)
{
    RhVirtElem *elem = queue->pool;

    if (queue->in_flight >= queue->regs.size) {
        rh_virtq_break(queue, "queue %u has more buffers out than its size %u", queue->index, queue->regs.size);
        return NULL;
    }
    if (elem) {
        queue->pool = elem->next;
    } else {
        elem = elem_new(queue);
    }
    elem->nr_out = elem->nr_in = 0;
    elem->out_bytes = elem->in_bytes = 0;
    elem->epoch = queue->epoch;
    elem->nr_slots = 1;
    elem->map = queue->map;
    elem->map->refs++;
    queue->in_flight++;
    return elem;
}

void rh_virtq_give(RhVirtElem *elem)
{
    RhVirtq *queue = elem->queue;

    queue->in_flight -= elem->epoch == queue->epoch;
    map_unref(elem->map);
    elem->map = NULL;
    elem->next = queue->pool;
    queue->pool = elem;
}

void rh_virtq_free_pool(RhVirtq *queue)
{
    while (queue->pool) {
        RhVirtElem *elem = queue->pool;

        queue->pool = elem->next;
        g_free(elem->iov);
        g_free(elem);
    }
}

static bool add_iov(RhVirtElem *elem, uint8_t *host, uint64_t len)
{
    unsigned nr = elem->nr_out + elem->nr_in;

    if (nr == elem->max_iov) {
        if (nr >= RH_VIRTQ_MAX_SIZE) {
            return false;
        }
        elem->max_iov *= 2;
        elem->iov = g_renew(struct iovec, elem->iov, elem->max_iov);
    }
    elem->iov[nr] = (struct iovec){ host, len };
    return true;
}

bool rh_virtq_add_part(RhVirtElem *elem, const RhVirtqDesc *desc, uint16_t flags)
{
    RhVirtq *queue = elem->queue;
    bool is_in = flags & DESC_F_WRITE;
    uint64_t addr = desc->addr;
    uint64_t len = desc->len;

    if (!is_in && elem->nr_in) {    /* §2.7.4.2, §2.8.17: readable parts come first */
        rh_virtq_break(queue, "queue %u has a readable part behind a writable one", queue->index);
        return false;
    }
    while (len) {
        uint64_t piece;
        uint8_t *host = translate(queue, addr, len, is_in, &piece);

        if (!host) {
            rh_virtq_break(queue, "buffer of queue %u at 0x%" PRIx64 " is not in %s memory", queue->index, addr,
                           is_in ? "writable" : "readable");
            return false;
        }
        if (!add_iov(elem, host, piece)) {
            rh_virtq_break(queue, "buffer of queue %u has more than %d parts", queue->index, RH_VIRTQ_MAX_SIZE);
            return false;
        }
        if (is_in) {
            elem->nr_in++;
            elem->in_bytes += piece;
        } else {
            elem->nr_out++;
            elem->out_bytes += piece;
        }
        addr += piece;
        len -= piece;
    }
    return true;
}

/* §2.7.5.3.1: the length is a multiple of 16. Drivers do make tables longer than the ring, so the limit is our own. */
static const uint8_t *find_table(RhVirtq *queue, const RhVirtqDesc *desc, unsigned *ret_nr)
{
    uint64_t got = 0;
    const uint8_t *table;

    if (!queue->has_indirect) {
        rh_virtq_break(queue, "queue %u has an indirect table that was not negotiated", queue->index);
        return NULL;
    }
    if (!desc->len || desc->len % DESC_SIZE || desc->len / DESC_SIZE > RH_VIRTQ_MAX_SIZE) {
        rh_virtq_break(queue, "queue %u has an indirect table of %u bytes", queue->index, desc->len);
        return NULL;
    }
    table = translate(queue, desc->addr, desc->len, false, &got);
    if (!table || got < desc->len) {
        rh_virtq_break(queue, "indirect table of queue %u at 0x%" PRIx64 " is not in memory", queue->index, desc->addr);
        return NULL;
    }
    *ret_nr = desc->len / DESC_SIZE;
    return table;
}

/* Split ring: from entry 0 along next. */
static bool add_chained_table(RhVirtElem *elem, const uint8_t *table, unsigned nr)
{
    unsigned at = 0;

    for (unsigned hops = 0; hops < nr; hops++) {
        RhVirtqDesc desc = rh_virtq_fetch(table + at * DESC_SIZE);
        uint16_t flags = desc.third;

        if (flags & DESC_F_INDIRECT) {
            rh_virtq_break(elem->queue, "queue %u has an indirect table in an indirect table", elem->queue->index);
            return false;
        }
        if (!rh_virtq_add_part(elem, &desc, flags)) {
            return false;
        }
        if (!(flags & DESC_F_NEXT)) {
            return true;
        }
        at = desc.fourth;
        if (at >= nr) {
            break;
        }
    }
    rh_virtq_break(elem->queue, "indirect table of queue %u does not end", elem->queue->index);
    return false;
}

bool rh_virtq_add_table(RhVirtElem *elem, const RhVirtqDesc *desc, bool is_chained)
{
    unsigned nr;
    const uint8_t *table = find_table(elem->queue, desc, &nr);

    if (!table) {
        return false;
    }
    if (is_chained) {
        return add_chained_table(elem, table, nr);
    }
    for (unsigned i = 0; i < nr; i++) {     /* §2.8.7: all entries, only WRITE counts */
        RhVirtqDesc part = rh_virtq_fetch(table + i * DESC_SIZE);

        if (!rh_virtq_add_part(elem, &part, part.fourth)) {
            return false;
        }
    }
    return true;
}

void rh_virtq_finish(RhVirtElem *elem)
{
    elem->out = elem->iov;
    elem->in = elem->iov + elem->nr_out;
}

/* --- what front-ends call --- */

RhVirtElem *rh_virtq_pop(RhVirtq *queue)
{
    return refresh(queue) ? queue->ops->pop(queue) : NULL;
}

void rh_virtq_push(RhVirtElem *elem, uint32_t written)
{
    RhVirtq *queue = elem->queue;

    if (elem->epoch == queue->epoch && refresh(queue)) {
        queue->ops->push(queue, elem, written);
    }
    rh_virtq_give(elem);
}

void rh_virtq_show(RhVirtq *queue)
{
    if (refresh(queue)) {
        queue->ops->show(queue);
    }
}

void rh_virtq_flush(RhVirtq *queue)
{
    if (!refresh(queue)) {
        return;
    }
    queue->ops->show(queue);
    if (queue->has_unsignalled) {
        queue->has_unsignalled = false;
        if (queue->ops->is_signal_due(queue)) {
            rh_virtio_signal(queue);
        }
    }
}

void rh_virtq_unpop(RhVirtElem *elem)
{
    RhVirtq *queue = elem->queue;

    if (elem->epoch == queue->epoch && queue->is_live) {
        queue->ops->unpop(queue, elem);
    }
    rh_virtq_give(elem);
}

void rh_virtq_drop(RhVirtElem *elem)
{
    rh_virtq_give(elem);
}

bool rh_virtq_is_empty(RhVirtq *queue)
{
    return !refresh(queue) || queue->ops->is_empty(queue);
}

bool rh_virtq_is_ready(const RhVirtq *queue)
{
    return queue->is_live && !queue->is_broken;
}

void rh_virtq_mute(RhVirtq *queue)
{
    queue->wants_kicks = false;
    if (refresh(queue)) {
        queue->ops->set_kicks(queue, false);
    }
}

bool rh_virtq_unmute(RhVirtq *queue)
{
    if (queue->is_polled) {
        return !rh_virtq_is_empty(queue);
    }
    queue->wants_kicks = true;
    if (!refresh(queue)) {
        return false;
    }
    queue->ops->set_kicks(queue, true);
    /* The driver makes a buffer available, then looks whether to kick: so the wish is written before the ring is
     * read (§2.7.13.3.1). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !queue->ops->is_empty(queue);
}

void rh_virtq_peek_bytes(RhVirtq *queue, size_t max_in, size_t max_out, size_t *ret_in, size_t *ret_out)
{
    RhVirtElem *taken = NULL;
    RhVirtElem *elem;

    *ret_in = *ret_out = 0;
    while ((*ret_in < max_in || *ret_out < max_out) && (elem = rh_virtq_pop(queue))) {
        *ret_in += elem->in_bytes;
        *ret_out += elem->out_bytes;
        elem->next = taken;
        taken = elem;
    }
    while (taken) {
        elem = taken;
        taken = elem->next;
        rh_virtq_unpop(elem);
    }
}

void rh_virtq_break(RhVirtq *queue, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    queue->is_broken = true;
    rh_guest_error(&queue->vdev->parent, "%s", text);
    rh_virtio_broken(queue->vdev);
}
