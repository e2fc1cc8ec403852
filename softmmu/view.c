/*
 * Flat views: rendering a region tree into a sorted array of disjoint ranges, and comparing two.
 *
 * Children are kept highest priority first, so rendering in that order and filling only what is still free
 * gives each address to the right region.
 */
#include "softmmu/private.h"

typedef __int128 Wide;      /* addresses during rendering: aliases may place their targets below zero */

typedef struct Builder {
    GArray *ranges;         /* RhFlatRange, sorted, disjoint */
    GArray *io_events;
    GArray *coalesced;
} Builder;

typedef struct Clip {
    Wide start;
    Wide end;               /* not included */
} Clip;

enum { MAX_DEPTH = 64 };

static Wide region_end(const RhRegion *region, Wide base)
{
    return base + (region->size == UINT64_MAX ? (Wide)1 << 64 : (Wide)region->size);
}

static RhFlatRange make_range(const RhRegion *region, Wide base, Wide start, Wide end, bool is_readonly)
{
    RhFlatRange range = {
        .start = (uint64_t)start,
        .len = end - start > UINT64_MAX ? UINT64_MAX : (uint64_t)(end - start),
        .region = (RhRegion *)region,
        .offset = (uint64_t)(start - base),
    };
    bool is_direct = region->kind == RH_REGION_RAM || region->kind == RH_REGION_ROM ||
                     (region->kind == RH_REGION_ROM_DEVICE && region->is_direct);

    if (is_direct) {
        range.ram = region->ram;
        range.host = region->ram->host + region->ram_offset + range.offset;
        range.is_writable = region->kind == RH_REGION_RAM && !is_readonly && !region->ram->is_readonly;
    }
    return range;
}

/* Put region into what is free of [clip): in front of, between, and behind the ranges already there. */
static void fill(Builder *builder, const RhRegion *region, Wide base, Clip clip, bool is_readonly)
{
    Wide at = clip.start;
    guint i = 0;

    while (at < clip.end) {
        Wide gap_end = clip.end;
        const RhFlatRange *next = NULL;

        while (i < builder->ranges->len) {
            next = &g_array_index(builder->ranges, RhFlatRange, i);
            if ((Wide)next->start + next->len > at) {
                break;
            }
            next = NULL;
            i++;
        }
        if (next && next->start <= at) {
            at = (Wide)next->start + next->len;
            continue;
        }
        if (next && next->start < gap_end) {
            gap_end = next->start;
        }
        {
            RhFlatRange range = make_range(region, base, at, gap_end, is_readonly);

            g_array_insert_val(builder->ranges, i, range);
        }
        at = gap_end;
    }
}

static void collect_extras(Builder *builder, const RhRegion *region, Wide base, Clip clip)
{
    for (guint i = 0; region->io_events && i < region->io_events->len; i++) {
        RhIoEvent io_event = g_array_index(region->io_events, RhIoEvent, i);
        Wide at = base + io_event.at;

        if (at >= clip.start && at + MAX(io_event.size, 1) <= clip.end) {
            io_event.at = (uint64_t)at;
            g_array_append_val(builder->io_events, io_event);
        }
    }
    for (guint i = 0; region->coalesced && i < region->coalesced->len; i++) {
        RhRange range = g_array_index(region->coalesced, RhRange, i);
        Wide at = base + range.start;

        if (at >= clip.start && at + range.len <= clip.end) {
            range.start = (uint64_t)at;
            g_array_append_val(builder->coalesced, range);
        }
    }
}

static void render(Builder *builder, const RhRegion *region, Wide base, Clip clip, bool is_readonly, int depth)
{
    clip.start = MAX(clip.start, base);
    clip.end = MIN(clip.end, region_end(region, base));
    if (!region->is_enabled || clip.start >= clip.end || depth > MAX_DEPTH) {
        return;
    }
    switch (region->kind) {
    case RH_REGION_ALIAS:
        render(builder, region->target, base - region->target_offset, clip,
               is_readonly || region->is_direct, depth + 1);
        break;
    case RH_REGION_CONTAINER:
        for (guint i = 0; region->children && i < region->children->len; i++) {
            const RhRegion *child = region->children->pdata[i];

            render(builder, child, base + child->at, clip, is_readonly, depth + 1);
        }
        break;
    default:
        fill(builder, region, base, clip, is_readonly);
        collect_extras(builder, region, base, clip);
        break;
    }
}

/* Neighbours that continue each other become one, so that listeners make one slot of them. */
static void merge(GArray *ranges)
{
    guint to = 0;

    for (guint from = 1; from < ranges->len; from++) {
        RhFlatRange *last = &g_array_index(ranges, RhFlatRange, to);
        const RhFlatRange *next = &g_array_index(ranges, RhFlatRange, from);

        if (last->region == next->region && last->start + last->len == next->start &&
            last->offset + last->len == next->offset && last->is_writable == next->is_writable) {
            last->len += next->len;
        } else {
            g_array_index(ranges, RhFlatRange, ++to) = *next;
        }
    }
    if (ranges->len) {
        g_array_set_size(ranges, to + 1);
    }
}

static int compare_io_events(const void *a, const void *b)
{
    const RhIoEvent *left = a, *right = b;

    return (left->at > right->at) - (left->at < right->at);
}

RhFlatView *rh_view_build(const RhRegion *root, uint64_t generation)
{
    Builder builder = {
        .ranges = g_array_new(FALSE, FALSE, sizeof(RhFlatRange)),
        .io_events = g_array_new(FALSE, FALSE, sizeof(RhIoEvent)),
        .coalesced = g_array_new(FALSE, FALSE, sizeof(RhRange)),
    };
    RhFlatView *view = g_new0(RhFlatView, 1);

    render(&builder, root, 0, (Clip){ 0, (Wide)1 << 64 }, false, 0);
    merge(builder.ranges);
    g_array_sort(builder.io_events, compare_io_events);
    view->generation = generation;
    view->nr = builder.ranges->len;
    view->nr_io_events = builder.io_events->len;
    view->nr_coalesced = builder.coalesced->len;
    view->ranges = (RhFlatRange *)g_array_free(builder.ranges, FALSE);
    view->io_events = (RhIoEvent *)g_array_free(builder.io_events, FALSE);
    view->coalesced = (RhRange *)g_array_free(builder.coalesced, FALSE);
    return view;
}

void rh_view_free(RhFlatView *view)
{
    g_free(view->ranges);
    g_free(view->io_events);
    g_free(view->coalesced);
    g_free(view);
}

static bool same_range(const RhFlatRange *a, const RhFlatRange *b)
{
    return a->start == b->start && a->len == b->len && a->region == b->region && a->offset == b->offset &&
           a->host == b->host && a->is_writable == b->is_writable;
}

static bool same_io_event(const RhIoEvent *a, const RhIoEvent *b)
{
    return a->at == b->at && a->size == b->size && a->has_match == b->has_match && a->match == b->match &&
           a->event == b->event;
}

static bool has_range(const RhFlatView *view, const RhFlatRange *range)
{
    size_t low = 0;
    size_t high = view ? view->nr : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (view->ranges[middle].start < range->start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return view && low < view->nr && same_range(&view->ranges[low], range);
}

static bool has_io_event(const RhFlatView *view, const RhIoEvent *io_event)
{
    for (size_t i = 0; view && i < view->nr_io_events; i++) {
        if (same_io_event(&view->io_events[i], io_event)) {
            return true;
        }
    }
    return false;
}

static bool has_coalesced(const RhFlatView *view, const RhRange *range)
{
    for (size_t i = 0; view && i < view->nr_coalesced; i++) {
        if (view->coalesced[i].start == range->start && view->coalesced[i].len == range->len) {
            return true;
        }
    }
    return false;
}

/* Tell of everything in @view that @other lacks. */
static void tell(RhSpaceListener *listener, const RhFlatView *view, const RhFlatView *other,
                 void (*range_fn)(RhSpaceListener *, const RhFlatRange *),
                 void (*io_event_fn)(RhSpaceListener *, const RhIoEvent *),
                 void (*coalesce_fn)(RhSpaceListener *, const RhRange *))
{
    for (size_t i = 0; range_fn && view && i < view->nr; i++) {
        if (!has_range(other, &view->ranges[i])) {
            range_fn(listener, &view->ranges[i]);
        }
    }
    for (size_t i = 0; io_event_fn && view && i < view->nr_io_events; i++) {
        if (!has_io_event(other, &view->io_events[i])) {
            io_event_fn(listener, &view->io_events[i]);
        }
    }
    for (size_t i = 0; coalesce_fn && view && i < view->nr_coalesced; i++) {
        if (!has_coalesced(other, &view->coalesced[i])) {
            coalesce_fn(listener, &view->coalesced[i]);
        }
    }
}

void rh_view_diff(RhSpaceListener *listener, const RhFlatView *was, const RhFlatView *now)
{
    if (listener->begin) {
        listener->begin(listener);
    }
    tell(listener, was, now, listener->remove, listener->io_event_remove, listener->coalesce_remove);
    tell(listener, now, was, listener->add, listener->io_event_add, listener->coalesce_add);
    if (listener->commit) {
        listener->commit(listener);
    }
}
