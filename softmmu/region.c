/*
 * The region tree. Every change asks the spaces of the machine for a new view (softmmu/space.c).
 */
#include "softmmu/region.h"
#include "softmmu/private.h"

static void region_init(RhRegion *region, RhVm *vm, const char *name, RhRegionKind kind, uint64_t size)
{
    memset(region, 0, sizeof(*region));
    region->vm = vm;
    region->name = name;
    region->kind = kind;
    region->size = size;
    region->is_enabled = true;
}

void rh_region_init_container(RhRegion *region, RhVm *vm, const char *name, uint64_t size)
{
    region_init(region, vm, name, RH_REGION_CONTAINER, size);
}

void rh_region_init_io(RhRegion *region, RhVm *vm, RhDevice *owner, const char *name,
                       const RhRegionOps *ops, uint64_t size)
{
    region_init(region, vm, name, RH_REGION_IO, size);
    region->owner = owner;
    region->ops = ops;
}

void rh_region_init_ram(RhRegion *region, RhVm *vm, const char *name, RhRam *ram, uint64_t offset,
                        uint64_t size, bool is_rom)
{
    g_assert(rh_range_ok(offset, size, ram->size));
    region_init(region, vm, name, is_rom ? RH_REGION_ROM : RH_REGION_RAM, size);
    region->ram = rh_ram_ref(ram);
    region->ram_offset = offset;
}

void rh_region_init_rom_device(RhRegion *region, RhVm *vm, RhDevice *owner, const char *name,
                               const RhRegionOps *ops, RhRam *ram, uint64_t size)
{
    g_assert(size <= ram->size);
    region_init(region, vm, name, RH_REGION_ROM_DEVICE, size);
    region->owner = owner;
    region->ops = ops;
    region->ram = rh_ram_ref(ram);
    region->is_direct = true;
}

void rh_region_init_alias(RhRegion *region, RhVm *vm, const char *name, RhRegion *target,
                          uint64_t offset, uint64_t size)
{
    region_init(region, vm, name, RH_REGION_ALIAS, size);
    region->target = target;
    region->target_offset = offset;
}

void rh_region_fini(RhRegion *region)
{
    if (!region->vm) {
        return;
    }
    rh_map_begin(region->vm);
    rh_region_remove(region);
    while (region->children && region->children->len) {
        rh_region_remove(region->children->pdata[0]);
    }
    if (region->ram) {
        rh_map_drop_ram(region->vm, g_steal_pointer(&region->ram));
    }
    rh_map_end(region->vm);
    g_clear_pointer(&region->children, g_ptr_array_unref);
    g_clear_pointer(&region->io_events, g_array_unref);
    g_clear_pointer(&region->coalesced, g_array_unref);
    region->vm = NULL;
}

void rh_region_add_over(RhRegion *container, uint64_t at, RhRegion *child, int priority)
{
    guint i = 0;

    g_assert(container->kind == RH_REGION_CONTAINER && !child->container);
    if (!container->children) {
        container->children = g_ptr_array_new();
    }
    child->container = container;
    child->at = at;
    child->priority = priority;
    while (i < container->children->len &&
           ((RhRegion *)container->children->pdata[i])->priority > priority) {
        i++;
    }
    g_ptr_array_insert(container->children, (gint)i, child);
    rh_map_changed(container->vm);
}

void rh_region_add(RhRegion *container, uint64_t at, RhRegion *child)
{
    rh_region_add_over(container, at, child, 0);
}

void rh_region_remove(RhRegion *region)
{
    if (region->container) {
        g_ptr_array_remove(region->container->children, region);
        region->container = NULL;
        rh_map_changed(region->vm);
    }
}

#define SETTER(function, member, type)                                                             \
    void function(RhRegion *region, type value)                                                    \
    {                                                                                              \
        if (region->member != value) {                                                             \
            region->member = value;                                                                \
            rh_map_changed(region->vm);                                                            \
        }                                                                                          \
    }
SETTER(rh_region_set_enabled, is_enabled, bool)
SETTER(rh_region_set_address, at, uint64_t)
SETTER(rh_region_set_size, size, uint64_t)
SETTER(rh_region_set_target_offset, target_offset, uint64_t)
SETTER(rh_region_set_direct, is_direct, bool)

void rh_region_set_readonly(RhRegion *region, bool is_rom)
{
    RhRegionKind kind = is_rom ? RH_REGION_ROM : RH_REGION_RAM;

    if (region->kind == RH_REGION_ALIAS) {
        if (region->is_direct != is_rom) {      /* an alias uses is_direct for "read-only window" */
            region->is_direct = is_rom;
            rh_map_changed(region->vm);
        }
    } else if (region->kind != kind) {
        region->kind = kind;
        rh_map_changed(region->vm);
    }
}

static bool same_io_event(const RhIoEvent *a, const RhIoEvent *b)
{
    return a->at == b->at && a->size == b->size && a->has_match == b->has_match && a->match == b->match &&
           a->event == b->event;
}

void rh_region_add_io_event(RhRegion *region, const RhIoEvent *io_event)
{
    if (!region->io_events) {
        region->io_events = g_array_new(FALSE, FALSE, sizeof(RhIoEvent));
    }
    g_array_append_val(region->io_events, *io_event);
    rh_map_changed(region->vm);
}

void rh_region_remove_io_event(RhRegion *region, const RhIoEvent *io_event)
{
    for (guint i = 0; region->io_events && i < region->io_events->len; i++) {
        if (same_io_event(&g_array_index(region->io_events, RhIoEvent, i), io_event)) {
            g_array_remove_index(region->io_events, i);
            rh_map_changed(region->vm);
            return;
        }
    }
}

void rh_region_coalesce(RhRegion *region, uint64_t at, uint64_t len)
{
    RhRange range = { .start = at, .len = len };

    if (!region->coalesced) {
        region->coalesced = g_array_new(FALSE, FALSE, sizeof(RhRange));
    }
    g_array_append_val(region->coalesced, range);
    rh_map_changed(region->vm);
}
