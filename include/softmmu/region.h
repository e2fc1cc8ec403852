/*
 * Memory regions: the tree from which an address space is built.
 *
 * A region is a range with contents: a container of others, RAM, ROM, a ROM device (reads like RAM,
 * writes call the device), device I/O, or an alias of part of another region. Containers place
 * children at offsets with priorities; the higher priority wins where they overlap, then the later
 * added. A region lives in its owner's memory; the owner takes it out of its container before it goes.
 *
 * Changes between rh_map_begin and rh_map_end become visible at once at the outermost end: a new flat
 * view is built and published by RCU (softmmu/space.h).
 *
 * Lock: the machine lock for every change. Callbacks run under the lock the region names.
 */
#ifndef RH_SOFTMMU_REGION_H
#define RH_SOFTMMU_REGION_H

#include "softmmu/vm.h"
#include "softmmu/ram.h"
#include "util/eventfd.h"

typedef struct RhDevice RhDevice;   /* hw/core/device.h; here only handed back to its callbacks */

typedef uint64_t RhRegionRead(RhDevice *dev, uint64_t at, unsigned size);
typedef void RhRegionWrite(RhDevice *dev, uint64_t at, uint64_t value, unsigned size);

enum { RH_SIZE_1 = 1, RH_SIZE_2 = 2, RH_SIZE_4 = 4, RH_SIZE_8 = 8, RH_SIZE_ANY = 15 };

/**
 * RhRegionOps - how a device answers. The dispatcher turns any access into calls of the sizes in
 * @sizes (0 means RH_SIZE_ANY up to 8), naturally aligned: a wider access is split, a narrower read takes its bytes out of the
 * register, a narrower write is shifted into place, other bytes zero. Bytes outside the region are never asked for.
 */
typedef struct RhRegionOps {
    RhRegionRead *read;         /* NULL: reads as all ones */
    RhRegionWrite *write;       /* NULL: writes are dropped */
    uint8_t sizes;              /* RH_SIZE_*: what the callbacks take */
    uint8_t valid;              /* RH_SIZE_*: guest accesses that are answered at all (others read as ones); 0: all */
    bool is_unaligned_ok;       /* callbacks take any alignment (of the sizes allowed) */
} RhRegionOps;

/** Lock domains: whose lock the dispatcher holds around callbacks */
typedef enum RhLockDomain {
    RH_LOCK_MACHINE,            /* the default */
    RH_LOCK_OWN,                /* RhRegion.lock names the device's own mutex */
    RH_LOCK_NONE,               /* callbacks are safe from any thread */
} RhLockDomain;

typedef enum RhRegionKind {
    RH_REGION_CONTAINER, RH_REGION_IO, RH_REGION_RAM, RH_REGION_ROM, RH_REGION_ROM_DEVICE, RH_REGION_ALIAS,
} RhRegionKind;

/** RhDoorbell - an eventfd that a guest write signals instead of reaching the device */
typedef struct RhIoEvent {
    uint64_t at;            /* offset in the region; absolute in listeners */
    unsigned size;          /* 1, 2, 4, 8, or 0 for any */
    bool has_match;         /* only writes of @match count */
    uint64_t match;
    RhEvent *event;
} RhIoEvent;

struct RhRegion {
    const char *name;           /* shown by info mtree */
    RhVm *vm;
    RhDevice *owner;            /* first argument of callbacks */
    const RhRegionOps *ops;
    RhRegionKind kind;
    RhLockDomain domain;
    RhMutex *lock;              /* for RH_LOCK_OWN */
    bool *busy;                 /* owner's re-entrancy flag: DMA of a device into its own registers is refused */
    uint64_t size;              /* bytes; UINT64_MAX stands for 2^64 */
    uint64_t at;                /* offset in the container */
    int priority;
    bool is_enabled;
    bool is_direct;             /* ROM device: reads go to the memory (true) or to the device */
    RhRam *ram;                 /* RAM, ROM, ROM device: holds a reference */
    uint64_t ram_offset;
    RhRegion *target;           /* alias: of what, from where */
    uint64_t target_offset;
    RhRegion *container;
    GPtrArray *children;        /* highest priority first; NULL: none */
    GArray *io_events;          /* RhIoEvent; NULL: none */
    GArray *coalesced;          /* RhRange; NULL: none */
};

typedef struct RhRange {
    uint64_t start;
    uint64_t len;
} RhRange;

void rh_region_init_container(RhRegion *region, RhVm *vm, const char *name, uint64_t size);
void rh_region_init_io(RhRegion *region, RhVm *vm, RhDevice *owner, const char *name,
                       const RhRegionOps *ops, uint64_t size);
/** rh_region_init_ram - @ram is referenced until rh_region_fini; is_rom: guest writes are dropped */
void rh_region_init_ram(RhRegion *region, RhVm *vm, const char *name, RhRam *ram, uint64_t offset,
                        uint64_t size, bool is_rom);
/** rh_region_init_rom_device - reads straight from @ram while is_direct, writes (and reads otherwise) call @ops */
void rh_region_init_rom_device(RhRegion *region, RhVm *vm, RhDevice *owner, const char *name,
                               const RhRegionOps *ops, RhRam *ram, uint64_t size);
void rh_region_init_alias(RhRegion *region, RhVm *vm, const char *name, RhRegion *target,
                          uint64_t offset, uint64_t size);
/** rh_region_fini - out of its container, drop references; safe on a zero-filled region */
void rh_region_fini(RhRegion *region);

/** rh_region_add - place @child at @at with priority 0; rh_region_add_over - with another priority */
void rh_region_add(RhRegion *container, uint64_t at, RhRegion *child);
void rh_region_add_over(RhRegion *container, uint64_t at, RhRegion *child, int priority);
/** rh_region_remove - take out of its container; no effect if it is in none */
void rh_region_remove(RhRegion *region);
void rh_region_set_enabled(RhRegion *region, bool is_enabled);
void rh_region_set_address(RhRegion *region, uint64_t at);
void rh_region_set_size(RhRegion *region, uint64_t size);
void rh_region_set_target_offset(RhRegion *region, uint64_t offset);
void rh_region_set_readonly(RhRegion *region, bool is_rom);      /* RAM <-> ROM (PAM registers) */
void rh_region_set_direct(RhRegion *region, bool is_direct);     /* ROM devices */

/** rh_region_add_io_event - until removed with the same values; doorbells that the accelerator or dispatcher signals */
void rh_region_add_io_event(RhRegion *region, const RhIoEvent *io_event);
void rh_region_remove_io_event(RhRegion *region, const RhIoEvent *io_event);
/** rh_region_coalesce - writes to this part may be delayed until the next exit that matters */
void rh_region_coalesce(RhRegion *region, uint64_t at, uint64_t len);

/** rh_map_begin/end - group changes; nest freely */
void rh_map_begin(RhVm *vm);
void rh_map_end(RhVm *vm);

#endif
