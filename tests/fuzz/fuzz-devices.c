/*
 * Every device that stands alone or on the ISA bus: random accesses to all its regions, time, reset, save and load.
 * Input: the type's name, a newline, then steps of eight bytes: what, region, offset (2), value (4).
 */
#include "../unit/hw-harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Target {
    const RhDeviceType *type;
    RhDevice *dev;
    GPtrArray *regions;
} Target;

typedef struct World {
    Harness h;
    GPtrArray *targets;
} World;

static void collect_regions(Target *target)
{
    for (const RhType *at = target->dev->obj.type; at && rh_type_is(at, RH_TYPE_DEVICE); at = rh_type_parent(at)) {
        const RhDeviceType *type = (const RhDeviceType *)at;

        for (size_t i = 0; i < type->regions.nr; i++) {
            g_ptr_array_add(target->regions, (char *)target->dev + type->regions.rows[i].offset);
        }
    }
}

static bool add_target(const RhType *type, void *opaque)
{
    World *world = opaque;
    const char *bus = NULL;
    Target *target;
    RhDevice *dev;

    for (const RhType *at = type; at && rh_type_is(at, RH_TYPE_DEVICE) && !bus; at = rh_type_parent(at)) {
        bus = ((const RhDeviceType *)at)->bus;
    }
    if (type->is_abstract || !rh_type_is(type, RH_TYPE_DEVICE) || (bus && strcmp(bus, RH_TYPE_ISA_BUS)) ||
        !strcmp(type->name, "fw_cfg_io")) {
        return true;
    }
    dev = rh_device_create(world->h.vm, NULL, NULL, type->name, bus ? &world->h.isa->parent : NULL, NULL, NULL);
    if (!dev) {
        return true;
    }
    target = g_new0(Target, 1);
    target->type = (const RhDeviceType *)type;
    target->dev = dev;
    target->regions = g_ptr_array_new();
    collect_regions(target);
    g_ptr_array_add(world->targets, target);
    return true;
}

/* Made once: a machine for each input would cost more than the input. Reset makes inputs independent. */
static World *world_get(void)
{
    static World *world;

    if (!world) {
        rh_thread_init_main();
        world = g_new0(World, 1);
        world->targets = g_ptr_array_new();
        harness_begin(&world->h);
        harness_add(&world->h, "fw_cfg", "fw_cfg_io", NULL);
        rh_type_foreach(add_target, world);
        g_assert_cmpuint(world->targets->len, >, 0);
    }
    return world;
}

static Target *choose(World *world, const uint8_t *name, size_t len)
{
    unsigned sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum = sum * 31 + name[i];
    }
    for (unsigned i = 0; i < world->targets->len; i++) {
        Target *target = world->targets->pdata[i];

        if (strlen(target->type->name) == len && !memcmp(target->type->name, name, len)) {
            return target;
        }
    }
    return world->targets->pdata[sum % world->targets->len];
}

static void access_region(World *world, Target *target, const uint8_t *step)
{
    RhRegion *region = target->regions->len ? target->regions->pdata[step[1] % target->regions->len] : NULL;
    RhSpace *space;
    uint64_t at;
    uint64_t value;

    if (!region || !region->container) {
        return;
    }
    space = region->container == rh_space_root(world->h.vm->ports) ? world->h.vm->ports : world->h.vm->memory;
    at = region->at + rh_ld16(step + 2) % region->size;
    if (step[0] & 1) {
        rh_space_store(space, NULL, at, 1u << (step[0] >> 4 & 3), rh_ld32(step + 4));
    } else {
        rh_space_load(space, NULL, at, 1u << (step[0] >> 4 & 3), &value);
    }
}

static void run_step(World *world, Target *target, const uint8_t *step)
{
    switch (step[0] & 0x0e) {
    case 0x0e:
        rh_space_write(world->h.vm->memory, rh_ld16(step + 2), step + 4, 4);    /* what DMA will find */
        break;
    case 0x0c:
        harness_step(&world->h, rh_ld32(step + 4) % 100000000);
        break;
    case 0x0a:
        if (step[1] == 0) {
            rh_device_reset(target->dev);
        } else {
            harness_round_trip(&world->h, target->dev);
        }
        break;
    default:
        access_region(world, target, step);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World *world = world_get();
    const uint8_t *end = memchr(data, '\n', size);
    size_t name_len = end ? (size_t)(end - data) : MIN(size, 8);
    Target *target = choose(world, data, name_len);

    rh_device_reset(target->dev);
    for (size_t at = name_len + 1; at + 8 <= size; at += 8) {
        run_step(world, target, data + at);
    }
    return 0;
}
