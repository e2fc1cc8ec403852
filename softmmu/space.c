/*
 * Address spaces: publishing views, finding the range of an access, and calling its region.
 *
 * Invariants: a published view never changes. A region that is in a view stays in memory until a grace period
 * after the view was replaced (rh_device_remove and rh_map_drop_ram wait for it).
 */
#include "softmmu/space.h"
#include <urcu/pointer.h>
#include "softmmu/accel.h"
#include "softmmu/private.h"

struct RhSpace {
    RhVm *vm;
    const char *name;
    RhRegion *root;
    RhSpace *of;                /* gated: whose view is shown */
    bool is_open;               /* gated; atomic */
    RhFlatView *view;           /* RCU */
    RhFlatView *was;            /* what listeners know, while has_news; NULL: nothing yet */
    bool has_news;              /* listeners are to be told of view */
    GPtrArray *listeners;
    bool has_io_events;         /* some listener signals doorbells itself */
};

/* What the map of one machine keeps: its spaces and the open group of changes. */
typedef struct MapRoom {
    GPtrArray *spaces;
    unsigned depth;
    bool is_changed;
    uint64_t generation;
    GPtrArray *dropped;         /* RhRam to give back after the next publication */
} MapRoom;

static void map_room_init(RhVm *vm, void *room)
{
    MapRoom *map = room;

    map->spaces = g_ptr_array_new();
    map->dropped = g_ptr_array_new();
}

static void map_room_fini(RhVm *vm, void *room)
{
    MapRoom *map = room;

    g_ptr_array_foreach(map->dropped, (GFunc)(void (*)(void))rh_ram_unref, NULL);
    g_ptr_array_unref(map->dropped);
    g_ptr_array_unref(map->spaces);
}

RH_ROOM(map_room, MapRoom, .name = "map", .init = map_room_init, .fini = map_room_fini);

static void free_view(void *arg)
{
    rh_view_free(arg);
}

static void free_dropped(void *arg)
{
    g_ptr_array_unref(arg);
}

static void unref_ram(void *ram)
{
    rh_ram_unref(ram);
}

static void publish(RhSpace *space, uint64_t generation)
{
    RhFlatView *before = space->view;

    rcu_assign_pointer(space->view, rh_view_build(space->root, generation));    /* pairs with the dereference in rh_space_view */
    if (!space->has_news) {
        space->was = before;
        space->has_news = true;
    } else if (before) {        /* a listener has changed the map: nobody was told of this one */
        rh_rcu_call(free_view, before);
    }
}

static void tell_listeners(RhSpace *space)
{
    RhFlatView *was = space->was;

    if (!space->has_news) {
        return;
    }
    space->was = NULL;
    space->has_news = false;
    for (guint i = 0; i < space->listeners->len; i++) {
        rh_view_diff(space->listeners->pdata[i], was, space->view);
    }
    if (was) {
        rh_rcu_call(free_view, was);
    }
}

/* All spaces first: who is told of a change in one, and looks into another, must not see that as it was. */
static void publish_all(RhVm *vm, MapRoom *map)
{
    map->is_changed = false;
    for (guint i = 0; i < map->spaces->len; i++) {
        RhSpace *space = map->spaces->pdata[i];

        if (!space->of) {
            publish(space, ++map->generation);
        }
    }
    for (guint i = 0; i < map->spaces->len; i++) {
        RhSpace *space = map->spaces->pdata[i];

        if (!space->of) {
            tell_listeners(space);
        }
    }
    if (map->dropped->len) {
        GPtrArray *dropped = map->dropped;

        g_ptr_array_set_free_func(dropped, unref_ram);
        map->dropped = g_ptr_array_new();
        rh_rcu_call(free_dropped, dropped);
    }
}

void rh_map_begin(RhVm *vm)
{
    ((MapRoom *)rh_vm_room(vm, &map_room))->depth++;
}

void rh_map_end(RhVm *vm)
{
    MapRoom *map = rh_vm_room(vm, &map_room);

    g_assert(map->depth);
    if (--map->depth == 0 && map->is_changed) {
        publish_all(vm, map);
    }
}

void rh_map_changed(RhVm *vm)
{
    MapRoom *map = rh_vm_room(vm, &map_room);

    map->is_changed = true;
    if (!map->depth) {
        publish_all(vm, map);
    }
}

void rh_map_drop_ram(RhVm *vm, RhRam *ram)
{
    g_ptr_array_add(((MapRoom *)rh_vm_room(vm, &map_room))->dropped, ram);
    rh_map_changed(vm);
}

static RhSpace *space_new(RhVm *vm, const char *name)
{
    MapRoom *map = rh_vm_room(vm, &map_room);
    RhSpace *space = g_new0(RhSpace, 1);

    space->vm = vm;
    space->name = name;
    space->listeners = g_ptr_array_new();
    g_ptr_array_add(map->spaces, space);
    return space;
}

RhSpace *rh_space_new(RhVm *vm, const char *name, RhRegion *root)
{
    RhSpace *space = space_new(vm, name);

    space->root = root;
    publish(space, ++((MapRoom *)rh_vm_room(vm, &map_room))->generation);
    tell_listeners(space);
    return space;
}

RhSpace *rh_space_new_gated(RhVm *vm, const char *name, RhSpace *of)
{
    RhSpace *space = space_new(vm, name);

    space->of = of;
    return space;
}

void rh_space_set_open(RhSpace *space, bool is_open)
{
    __atomic_store_n(&space->is_open, is_open, __ATOMIC_RELEASE);
}

void rh_space_free(RhSpace *space)
{
    MapRoom *map;

    if (!space) {
        return;
    }
    map = rh_vm_room(space->vm, &map_room);
    g_ptr_array_remove(map->spaces, space);
    g_ptr_array_unref(space->listeners);
    if (space->view) {
        rh_rcu_call(free_view, space->view);
    }
    rh_rcu_call(g_free, space);
}

RhRegion *rh_space_root(RhSpace *space)
{
    return space->of ? rh_space_root(space->of) : space->root;
}

static void count_signals(RhSpace *space)
{
    space->has_io_events = false;
    for (guint i = 0; i < space->listeners->len; i++) {
        space->has_io_events |= ((RhSpaceListener *)space->listeners->pdata[i])->signals_io_events;
    }
}

void rh_space_listen(RhSpace *space, RhSpaceListener *listener)
{
    g_ptr_array_add(space->listeners, listener);
    count_signals(space);
    rh_view_diff(listener, NULL, space->view);
}

void rh_space_unlisten(RhSpace *space, RhSpaceListener *listener)
{
    rh_view_diff(listener, space->view, NULL);
    g_ptr_array_remove(space->listeners, listener);
    count_signals(space);
}

static const RhFlatView nothing = { .generation = 0 };

const RhFlatView *rh_space_view(const RhSpace *space)
{
    if (space->of) {
        return __atomic_load_n(&space->is_open, __ATOMIC_ACQUIRE) ? rh_space_view(space->of) : &nothing;
    }
    return rcu_dereference(space->view);
}

uint64_t rh_space_generation(const RhSpace *space)
{
    uint64_t generation;

    rh_rcu_read_lock();
    generation = rh_space_view(space)->generation;
    rh_rcu_read_unlock();
    return generation;
}

/* The range that holds @addr, or NULL; and in *@gap how far the hole reaches then. */
static const RhFlatRange *find(const RhFlatView *view, RhLookup *lookup, RhGpa addr, uint64_t *gap)
{
    size_t low = 0;
    size_t high = view->nr;

    if (lookup && lookup->generation == view->generation && lookup->index < view->nr) {
        const RhFlatRange *hit = &view->ranges[lookup->index];

        if (addr - hit->start < hit->len) {
            return hit;
        }
    }
    while (low < high) {        /* first range that starts after addr */
        size_t middle = (low + high) / 2;

        if (view->ranges[middle].start <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low && addr - view->ranges[low - 1].start < view->ranges[low - 1].len) {
        if (lookup) {
            lookup->generation = view->generation;
            lookup->index = low - 1;
        }
        return &view->ranges[low - 1];
    }
    *gap = low < view->nr ? view->ranges[low].start - addr : UINT64_MAX;
    return NULL;
}

/* --- calling a region --- */

typedef struct Entered {
    RhMutex *lock;      /* to give back */
    bool *busy;
    bool was_busy;
} Entered;

static bool enter(RhRegion *region, bool is_dma, Entered *entered)
{
    RhMutex *lock = region->domain == RH_LOCK_MACHINE ? &region->vm->lock
                    : region->domain == RH_LOCK_OWN   ? region->lock
                                                      : NULL;

    *entered = (Entered){ 0 };
    if (lock && !rh_is_locked_by_me(lock)) {
        rh_lock(lock);
        entered->lock = lock;
    }
    if (lock && region->busy) {
        entered->busy = region->busy;
        entered->was_busy = *region->busy;
        if (entered->was_busy && is_dma) {
            if (entered->lock) {
                rh_unlock(entered->lock);
            }
            return false;
        }
        *region->busy = true;
    }
    return true;
}

static void leave(Entered *entered)
{
    if (entered->busy) {
        *entered->busy = entered->was_busy;
    }
    if (entered->lock) {
        rh_unlock(entered->lock);
    }
}

/* Largest size that the region takes for @size bytes at @at; 0 when its smallest is wider. */
static unsigned fitting_size(const RhRegionOps *ops, uint64_t at, unsigned size)
{
    unsigned sizes = ops->sizes ? ops->sizes : RH_SIZE_ANY;

    for (unsigned s = 8; s; s /= 2) {
        if ((sizes & s) && s <= size && (ops->is_unaligned_ok || at % s == 0)) {
            return s;
        }
    }
    return 0;
}

static unsigned smallest_size(const RhRegionOps *ops)
{
    unsigned sizes = ops->sizes ? ops->sizes : RH_SIZE_ANY;

    return sizes & -sizes;
}

static bool is_answered(const RhRegionOps *ops, unsigned size)
{
    return !ops->valid || (ops->valid & size);
}

static uint64_t region_read(RhRegion *region, uint64_t at, unsigned size)
{
    const RhRegionOps *ops = region->ops;
    uint64_t value = 0;
    unsigned done = 0;

    if (!ops->read || !is_answered(ops, size)) {
        return rh_bits(size * 8);
    }
    while (done < size) {
        unsigned step = fitting_size(ops, at + done, size - done);
        uint64_t part;

        if (step) {
            part = ops->read(region->owner, at + done, step) & rh_bits(step * 8);
        } else {
            unsigned width = smallest_size(ops);
            uint64_t start = (at + done) & ~(uint64_t)(width - 1);
            unsigned skip = (unsigned)(at + done - start);

            step = MIN(width - skip, size - done);
            part = rh_range_ok(start, width, region->size)
                       ? ops->read(region->owner, start, width) >> (skip * 8) & rh_bits(step * 8)
                       : rh_bits(step * 8);
        }
        value |= part << (done * 8);
        done += step;
    }
    return value;
}

static void region_write(RhRegion *region, uint64_t at, uint64_t value, unsigned size)
{
    const RhRegionOps *ops = region->ops;
    unsigned done = 0;

    if (!ops->write || !is_answered(ops, size)) {
        return;
    }
    while (done < size) {
        unsigned step = fitting_size(ops, at + done, size - done);
        uint64_t part = value >> (done * 8);

        if (step) {
            ops->write(region->owner, at + done, part & rh_bits(step * 8), step);
        } else {
            unsigned width = smallest_size(ops);
            uint64_t start = (at + done) & ~(uint64_t)(width - 1);
            unsigned skip = (unsigned)(at + done - start);

            step = MIN(width - skip, size - done);
            if (rh_range_ok(start, width, region->size)) {
                ops->write(region->owner, start, (part & rh_bits(step * 8)) << (skip * 8), width);
            }
        }
        done += step;
    }
}

/* A write that hits a doorbell signals it and goes no further; where the accelerator does that, none comes here. */
static bool ring_doorbell(const RhSpace *space, const RhFlatView *view, RhGpa addr, unsigned size, uint64_t value)
{
    size_t low = 0;
    size_t high = view->nr_io_events;

    if (!high) {
        return false;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (view->io_events[middle].at < addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < view->nr_io_events && view->io_events[low].at == addr; low++) {
        const RhIoEvent *io_event = &view->io_events[low];

        if ((!io_event->size || io_event->size == size) &&
            (!io_event->has_match || io_event->match == (value & rh_bits(size * 8)))) {
            rh_event_set(io_event->event);
            return true;
        }
    }
    return false;
}

static RhMemResult io_read(const RhFlatRange *range, uint64_t at, unsigned size, bool is_dma, uint64_t *ret)
{
    RhRegion *region = range->region;
    Entered entered;

    *ret = rh_bits(size * 8);
    if (!region->ops || !enter(region, is_dma, &entered)) {
        return RH_MEM_DENIED;
    }
    *ret = region_read(region, at, size);
    leave(&entered);
    return is_answered(region->ops, size) ? RH_MEM_OK : RH_MEM_DECODE;
}

static RhMemResult io_write(const RhSpace *space, const RhFlatView *view, const RhFlatRange *range, RhGpa addr,
                            uint64_t at, unsigned size, uint64_t value, bool is_dma)
{
    RhRegion *region = range->region;
    Entered entered;

    if (region->kind == RH_REGION_ROM || !region->ops) {
        return RH_MEM_DENIED;
    }
    if (ring_doorbell(space, view, addr, size, value)) {
        return RH_MEM_OK;
    }
    if (!enter(region, is_dma, &entered)) {
        return RH_MEM_DENIED;
    }
    region_write(region, at, value, size);
    leave(&entered);
    return is_answered(region->ops, size) ? RH_MEM_OK : RH_MEM_DECODE;
}

/* --- single accesses --- */

/*
 * Whether an access goes whole to the region of its first byte. Registers may overlap: a dword at port 0xcf8 is the
 * configuration address although byte 0xcf9 alone is the reset register.
 */
static bool is_whole(const RhFlatRange *range, uint64_t into, unsigned size)
{
    const RhRegion *region = range->region;

    if (size <= range->len - into) {
        return true;
    }
    return !range->host && region->ops && (region->ops->sizes ? region->ops->sizes : RH_SIZE_ANY) & size &&
           rh_range_ok(into + range->offset, size, region->size) &&
           (into + range->offset) % size == 0;
}

static RhMemResult slow_load(RhSpace *space, RhGpa addr, unsigned size, uint64_t *ret)
{
    uint8_t bytes[8];
    RhMemResult result = rh_space_read(space, addr, bytes, size);

    *ret = rh_ld(bytes, size);
    return result;
}

RhMemResult rh_space_load(RhSpace *space, RhLookup *lookup, RhGpa addr, unsigned size, uint64_t *ret)
{
    RhMemResult result = RH_MEM_OK;
    const RhFlatRange *range;
    uint64_t gap;

    rh_rcu_read_lock();
    range = find(rh_space_view(space), lookup, addr, &gap);
    if (!range) {
        *ret = rh_bits(size * 8);
        result = gap < size ? slow_load(space, addr, size, ret) : RH_MEM_DECODE;
    } else if (!is_whole(range, addr - range->start, size)) {
        result = slow_load(space, addr, size, ret);
    } else if (range->host) {
        *ret = rh_ld(range->host + (addr - range->start), size);
    } else {
        result = io_read(range, addr - range->start + range->offset, size, false, ret);
    }
    rh_rcu_read_unlock();
    return result;
}

RhMemResult rh_space_store(RhSpace *space, RhLookup *lookup, RhGpa addr, unsigned size, uint64_t value)
{
    RhMemResult result = RH_MEM_OK;
    const RhFlatView *view;
    const RhFlatRange *range;
    uint64_t gap;

    rh_rcu_read_lock();
    view = rh_space_view(space);
    range = find(view, lookup, addr, &gap);
    if ((!range && gap < size) || (range && !is_whole(range, addr - range->start, size))) {
        uint8_t bytes[8];

        rh_st(bytes, value, size);
        result = rh_space_write(space, addr, bytes, size);
    } else if (!range) {
        result = RH_MEM_DECODE;
    } else if (range->is_writable) {
        rh_st(range->host + (addr - range->start), value, size);
    } else {
        result = io_write(space, view, range, addr, addr - range->start + range->offset, size, value, false);
    }
    rh_rcu_read_unlock();
    return result;
}

/* --- runs of bytes --- */

/* The widest aligned step for @len bytes at @addr of device registers. */
static unsigned io_step(RhGpa addr, uint64_t len)
{
    unsigned step = 8;

    while (step > len || addr % step) {
        step /= 2;
    }
    return step;
}

static RhMemResult read_some(const RhFlatRange *range, RhGpa addr, uint8_t *to, uint64_t len, bool is_dma,
                             uint64_t *ret_done)
{
    uint64_t into = addr - range->start;
    RhMemResult result;
    uint64_t value;

    *ret_done = MIN(len, range->len - into);
    if (range->host) {
        memcpy(to, range->host + into, *ret_done);
        return RH_MEM_OK;
    }
    *ret_done = io_step(addr, *ret_done);
    result = io_read(range, into + range->offset, (unsigned)*ret_done, is_dma, &value);
    rh_st(to, value, (unsigned)*ret_done);
    return result;
}

static RhMemResult read_run(RhSpace *space, RhGpa addr, void *buf, uint64_t len, bool is_dma)
{
    RhMemResult first = RH_MEM_OK;
    uint8_t *to = buf;

    rh_rcu_read_lock();
    while (len) {
        RhMemResult result = RH_MEM_DECODE;
        uint64_t done;
        const RhFlatRange *range = find(rh_space_view(space), NULL, addr, &done);

        if (range) {
            result = read_some(range, addr, to, len, is_dma, &done);
        } else {
            done = MIN(done, len);
            memset(to, 0xff, done);
        }
        first = first ? first : result;
        addr += done;
        to += done;
        len -= done;
    }
    rh_rcu_read_unlock();
    return first;
}

/* Code translated from what is written over is stale. Costs nothing where guests run on the host's own CPU. */
static void tell_written(RhSpace *space, RhGpa addr, uint64_t len)
{
    RhAccel *accel = space->vm->accel;

    if (accel && rh_accel_type(accel)->ram_written) {
        rh_accel_type(accel)->ram_written(accel, addr, len);
    }
}

static RhMemResult write_some(RhSpace *space, const RhFlatView *view, const RhFlatRange *range, RhGpa addr,
                              const uint8_t *from, uint64_t len, bool is_dma, uint64_t *ret_done)
{
    uint64_t into = addr - range->start;

    *ret_done = MIN(len, range->len - into);
    if (range->is_writable) {
        memcpy(range->host + into, from, *ret_done);
        tell_written(space, addr, *ret_done);
        return RH_MEM_OK;
    }
    *ret_done = io_step(addr, *ret_done);
    return io_write(space, view, range, addr, into + range->offset, (unsigned)*ret_done,
                    rh_ld(from, (unsigned)*ret_done), is_dma);
}

static RhMemResult write_run(RhSpace *space, RhGpa addr, const void *buf, uint64_t len, bool is_dma)
{
    RhMemResult first = RH_MEM_OK;
    const uint8_t *from = buf;

    rh_rcu_read_lock();
    while (len) {
        RhMemResult result = RH_MEM_DECODE;
        const RhFlatView *view = rh_space_view(space);
        uint64_t done;
        const RhFlatRange *range = find(view, NULL, addr, &done);

        if (range) {
            result = write_some(space, view, range, addr, from, len, is_dma, &done);
        } else {
            done = MIN(done, len);
        }
        first = first ? first : result;
        addr += done;
        from += done;
        len -= done;
    }
    rh_rcu_read_unlock();
    return first;
}

RhMemResult rh_space_read(RhSpace *space, RhGpa addr, void *buf, uint64_t len)
{
    return read_run(space, addr, buf, len, false);
}

RhMemResult rh_space_write(RhSpace *space, RhGpa addr, const void *buf, uint64_t len)
{
    return write_run(space, addr, buf, len, false);
}

RhMemResult rh_dma_read(RhSpace *space, RhGpa addr, void *buf, uint64_t len)
{
    return read_run(space, addr, buf, len, true);
}

RhMemResult rh_dma_write(RhSpace *space, RhGpa addr, const void *buf, uint64_t len)
{
    return write_run(space, addr, buf, len, true);
}

RhMemResult rh_dma_fill(RhSpace *space, RhGpa addr, uint8_t byte, uint64_t len)
{
    while (len) {
        RhMapped piece;

        if (!rh_space_map(space, addr, len, true, &piece)) {
            return RH_MEM_DECODE;
        }
        memset(piece.host, byte, piece.len);
        addr += piece.len;
        len -= piece.len;
        rh_space_unmap(&piece);
    }
    return RH_MEM_OK;
}

bool rh_space_map(RhSpace *space, RhGpa addr, uint64_t len, bool for_write, RhMapped *ret)
{
    const RhFlatRange *range;
    uint64_t gap;
    bool good;

    *ret = (RhMapped){ 0 };
    rh_rcu_read_lock();
    range = find(rh_space_view(space), NULL, addr, &gap);
    good = range && range->host && (range->is_writable || !for_write);
    if (good) {
        ret->host = range->host + (addr - range->start);
        ret->len = MIN(len, range->len - (addr - range->start));
        ret->ram = rh_ram_ref(range->ram);
    }
    if (good && for_write) {
        tell_written(space, addr, ret->len);
    }
    rh_rcu_read_unlock();
    return good;
}

void rh_space_unmap(RhMapped *mapped)
{
    rh_ram_unref(mapped->ram);
    *mapped = (RhMapped){ 0 };
}

/* --- info mtree --- */

static const char *kind_name(const RhRegion *region)
{
    static const char *const names[] = {
        [RH_REGION_CONTAINER] = "container", [RH_REGION_IO] = "i/o",     [RH_REGION_RAM] = "ram",
        [RH_REGION_ROM] = "rom",             [RH_REGION_ROM_DEVICE] = "romd", [RH_REGION_ALIAS] = "alias",
    };

    return names[region->kind];
}

static void dump_region(const RhRegion *region, uint64_t base, int depth, GString *out)
{
    g_string_append_printf(out, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", depth * 2 + 2, "", base,
                           base + (region->size ? region->size - 1 : 0), region->priority, kind_name(region),
                           region->name);
    if (region->kind == RH_REGION_ALIAS) {
        g_string_append_printf(out, " @%s %016" PRIx64, region->target->name, region->target_offset);
    }
    g_string_append(out, region->is_enabled ? "\n" : " [disabled]\n");
    for (guint i = 0; region->children && i < region->children->len && depth < 32; i++) {
        const RhRegion *child = region->children->pdata[i];

        dump_region(child, base + child->at, depth + 1, out);
    }
}

void rh_space_dump(RhSpace *space, GString *out, bool is_flat)
{
    g_string_append_printf(out, "address-space: %s\n", space->name);
    if (!is_flat) {
        dump_region(rh_space_root(space), 0, 0, out);
        return;
    }
    rh_rcu_read_lock();
    for (size_t i = 0; i < rh_space_view(space)->nr; i++) {
        const RhFlatRange *range = &rh_space_view(space)->ranges[i];

        g_string_append_printf(out, "  %016" PRIx64 "-%016" PRIx64 " (prio 0, %s): %s @%016" PRIx64 "\n",
                               range->start, range->start + range->len - 1, kind_name(range->region),
                               range->region->name, range->offset);
    }
    rh_rcu_read_unlock();
}
