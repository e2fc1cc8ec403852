/*
 * Address spaces: the one way in for every guest access and every DMA.
 *
 * A space shows a region tree as a flat view: a sorted array of disjoint ranges, immutable,
 * published by RCU. Reading it takes no lock; a callback runs with only the lock its region names.
 */
#ifndef RH_SOFTMMU_SPACE_H
#define RH_SOFTMMU_SPACE_H

#include "softmmu/region.h"

typedef uint64_t RhGpa;

/** RhMemResult - outcome of an access; reads that fail yield all ones */
typedef enum RhMemResult {
    RH_MEM_OK = 0,
    RH_MEM_DECODE = 1,      /* nothing there, or not of this size */
    RH_MEM_DENIED = 2,      /* read-only, or a device's DMA into its own registers */
} RhMemResult;

/** RhFlatRange - one range of a view; [start, start + len) */
typedef struct RhFlatRange {
    uint64_t start;
    uint64_t len;
    RhRegion *region;       /* leaf: RAM, ROM, ROM device or I/O; valid as long as the view is (RCU) */
    uint64_t offset;        /* of start in the region */
    uint8_t *host;          /* memory to read directly, or NULL */
    RhRam *ram;             /* behind host */
    bool is_writable;       /* host may be written directly, too */
} RhFlatRange;

typedef struct RhFlatView {
    size_t nr;
    RhFlatRange *ranges;
    size_t nr_io_events;
    RhIoEvent *io_events;   /* at: absolute; in order of address */
    size_t nr_coalesced;
    RhRange *coalesced;     /* absolute */
    uint64_t generation;    /* differs between any two views of the machine, never 0 */
} RhFlatView;

/** RhLookup - last hit of one thread in one space: zero-filled at first; the owner's thread only */
typedef struct RhLookup {
    uint64_t generation;
    size_t index;
} RhLookup;

/** RhSpaceListener - told of changes to a view, under the machine lock, between begin and commit */
typedef struct RhSpaceListener RhSpaceListener;
struct RhSpaceListener {
    void (*begin)(RhSpaceListener *listener);
    void (*add)(RhSpaceListener *listener, const RhFlatRange *range);
    void (*remove)(RhSpaceListener *listener, const RhFlatRange *range);
    void (*io_event_add)(RhSpaceListener *listener, const RhIoEvent *io_event);     /* at: absolute */
    void (*io_event_remove)(RhSpaceListener *listener, const RhIoEvent *io_event);
    void (*coalesce_add)(RhSpaceListener *listener, const RhRange *range);
    void (*coalesce_remove)(RhSpaceListener *listener, const RhRange *range);
    void (*commit)(RhSpaceListener *listener);
    bool signals_io_events;     /* the accelerator signals doorbells itself */
};

/** rh_space_new - a space that shows @root; ended by rh_space_free */
RhSpace *rh_space_new(RhVm *vm, const char *name, RhRegion *root);
void rh_space_free(RhSpace *space);
/** rh_space_new_gated - shows what @of shows while open, nothing while closed (bus mastering); closed at first */
RhSpace *rh_space_new_gated(RhVm *vm, const char *name, RhSpace *of);
void rh_space_set_open(RhSpace *space, bool is_open);
RhRegion *rh_space_root(RhSpace *space);
/** rh_space_listen - @listener is told of all present ranges at once, then of changes */
void rh_space_listen(RhSpace *space, RhSpaceListener *listener);
void rh_space_unlisten(RhSpace *space, RhSpaceListener *listener);
/** rh_space_view - the current view; valid inside the caller's RCU read section */
const RhFlatView *rh_space_view(const RhSpace *space);

/**
 * rh_space_load/store - one access of 1, 2, 4 or 8 bytes, as a CPU makes it. @lookup may be NULL.
 * Any thread without a device's own lock held; takes the machine lock if the region asks for it (a caller
 * may hold it already).
 */
RhMemResult rh_space_load(RhSpace *space, RhLookup *lookup, RhGpa addr, unsigned size, uint64_t *ret);
RhMemResult rh_space_store(RhSpace *space, RhLookup *lookup, RhGpa addr, unsigned size, uint64_t value);

/** rh_space_read/write - any length; crosses ranges. All bytes are attempted; the first failure is returned. */
RhMemResult rh_space_read(RhSpace *space, RhGpa addr, void *buf, uint64_t len);
RhMemResult rh_space_write(RhSpace *space, RhGpa addr, const void *buf, uint64_t len);

/* DMA by a device: as read/write, but never into registers of a device that is in a callback. */
RhMemResult rh_dma_read(RhSpace *space, RhGpa addr, void *buf, uint64_t len);
RhMemResult rh_dma_write(RhSpace *space, RhGpa addr, const void *buf, uint64_t len);
/* Into RAM alone, up to the first address that is none: a guest names lengths that would keep us busy with registers. */
RhMemResult rh_dma_fill(RhSpace *space, RhGpa addr, uint8_t byte, uint64_t len);

/**
 * RhMapped - guest memory mapped for direct access. Zero-filled is "nothing mapped". Holds the RAM block,
 * so that the pointer stays good whatever happens to the map.
 */
typedef struct RhMapped {
    uint8_t *host;
    uint64_t len;
    RhRam *ram;
} RhMapped;

/**
 * rh_space_map - map as much of [@addr, @addr + @len) as one piece of RAM has; false (and nothing mapped) where
 * there is no RAM at @addr or it may not be written and @for_write. End with rh_space_unmap. Any thread.
 */
bool rh_space_map(RhSpace *space, RhGpa addr, uint64_t len, bool for_write, RhMapped *ret);
void rh_space_unmap(RhMapped *mapped);
/** rh_space_generation - changes whenever the view does: for caches of rh_space_map. Any thread. */
uint64_t rh_space_generation(const RhSpace *space);
/** rh_space_dump - text of regions and flat view for "info mtree" */
void rh_space_dump(RhSpace *space, GString *out, bool is_flat);

#endif
