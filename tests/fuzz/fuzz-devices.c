/*
 * Every device of a board that has one of everything: accesses of any size to all its regions, its PCI configuration, time,
 * reset, save and load, and what DMA finds. A sweep visits each register of a region.
 * Input: the device's type or path, a newline, then steps of eight bytes: what, region, offset (2), value (4).
 */
#include "../unit/board-rig.h"
#include "hw/core/reset.h"
#include "hw/pci/pci.h"
#include "softmmu/runstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef BOARD
#define BOARD "q35"
#endif

enum { MAX_STEPS = 128, SWEEP_BYTES = 0x1000, MAX_STEP_NS = 100000000 };
enum { OP_READ = 0, OP_WRITE = 1, OP_CONFIG = 0x04, OP_SWEEP = 0x06, OP_TURN = 0x08, OP_RESET = 0x0a, OP_TIME = 0x0c,
       OP_MEMORY = 0x0e };

typedef struct Target {
    RhDevice *dev;
    GPtrArray *regions;
    char *path;
} Target;

typedef struct World {
    Board board;
    GPtrArray *targets;
} World;

static void add_target(World *world, RhDevice *dev)
{
    Target *target = g_new0(Target, 1);

    target->dev = dev;
    target->path = rh_object_path(&dev->obj);
    target->regions = g_ptr_array_new();
    board_regions(dev, target->regions);
    if (target->regions->len && g_strcmp0(dev->id, "below")) {      /* the guest can eject that one */
        g_ptr_array_add(world->targets, target);
    } else {
        g_ptr_array_unref(target->regions);
        g_free(target->path);
        g_free(target);
    }
}

/* Made once: a machine for each input would cost more than the input. Reset makes inputs independent. */
static World *world_get(void)
{
    static World *world;
    g_autoptr(GPtrArray) devices = NULL;
    g_autoptr(GError) error = NULL;

    if (world) {
        return world;
    }
    rh_thread_init_main();
    world = g_new0(World, 1);
    world->targets = g_ptr_array_new();
    board_new(&world->board, BOARD, "qtest");
    world->board.machine->no_defaults = true;
    board_build(&world->board);
    rh_reset_init(world->board.vm);
    world->board.vm->run->on_shutdown = QMP_SHUTDOWN_ACTION_PAUSE;
    board_fill(&world->board);
    rh_machine_finish(world->board.machine, &error);
    g_assert_no_error(error);
    rh_vm_set_set_up(world->board.vm);
    devices = board_devices(&world->board);
    for (guint i = 0; i < devices->len; i++) {
        add_target(world, devices->pdata[i]);
    }
    g_assert_cmpuint(world->targets->len, >, 10);
    return world;
}

static bool is_named(const Target *target, const uint8_t *name, size_t len)
{
    const char *type = target->dev->obj.type->name;

    return (strlen(type) == len && !memcmp(type, name, len)) ||
           (strlen(target->path) == len && !memcmp(target->path, name, len));
}

static Target *choose(World *world, const uint8_t *name, size_t len)
{
    unsigned sum = 0;

    for (guint i = 0; i < world->targets->len; i++) {
        if (is_named(world->targets->pdata[i], name, len)) {
            return world->targets->pdata[i];
        }
    }
    for (size_t i = 0; i < len; i++) {
        sum = sum * 31 + name[i];
    }
    return world->targets->pdata[sum % world->targets->len];
}

static void access_at(RhSpace *space, uint64_t at, const uint8_t *step)
{
    unsigned size = 1u << (step[0] >> 4 & 3);
    uint64_t value;

    if (step[0] & 1) {
        rh_space_store(space, NULL, at, size, rh_ld32(step + 4));
    } else {
        rh_space_load(space, NULL, at, size, &value);
    }
}

static void access_region(World *world, const Target *target, const uint8_t *step)
{
    const RhRegion *region = target->regions->pdata[step[1] % target->regions->len];
    uint64_t addr;
    RhSpace *space = board_place_of(&world->board, region, &addr);

    if (space && (step[0] & 0x0e) == OP_SWEEP) {
        for (uint64_t at = 0; at < MIN(region->size, SWEEP_BYTES); at += 1u << (step[0] >> 4 & 3)) {
            access_at(space, addr + at, step);
        }
    } else if (space) {
        access_at(space, addr + rh_ld16(step + 2) % region->size, step);
    }
}

static void access_config(const Target *target, const uint8_t *step)
{
    RhPciDevice *pci = RH_PCI_DEVICE_OF(target->dev);
    unsigned size = MIN(1u << (step[0] >> 4 & 3), 4u);
    unsigned at = rh_ld16(step + 2) % pci->config_size & ~(size - 1);

    if (step[0] & 1) {
        rh_pci_config_write(pci, at, rh_ld32(step + 4), size);
    } else {
        rh_pci_config_read(pci, at, size);
    }
}

static void run_step(World *world, const Target *target, const uint8_t *step)
{
    RhVm *vm = world->board.vm;

    switch (step[0] & 0x0e) {
    case OP_MEMORY:
        rh_space_write(vm->memory, rh_ld16(step + 2), step + 4, 4);    /* what DMA will find */
        break;
    case OP_TIME:
        rh_clock_step_to(vm->clock, rh_clock_now(vm->clock) + rh_ld32(step + 4) % MAX_STEP_NS);
        break;
    case OP_RESET:
        if (step[1] & 1) {
            board_round_trip(target->dev);
        } else {
            rh_device_reset(target->dev);
        }
        break;
    case OP_TURN:
        board_turn(&world->board);
        break;
    case OP_CONFIG:
        if (rh_type_is(target->dev->obj.type, RH_TYPE_PCI_DEVICE)) {
            access_config(target, step);
        }
        break;
    default:
        access_region(world, target, step);
    }
}

static void start_afresh(World *world)
{
    RhVm *vm = world->board.vm;

    rh_vm_stop(vm, QMP_RUN_STATE_PAUSED);
    rh_machine_reset(vm, QMP_SHUTDOWN_CAUSE_NONE);
    rh_map_begin(vm);
    board_assign(&world->board);
    rh_map_end(vm);
    vm->run->has_quit = false;
    rh_vm_start(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World *world = world_get();
    const uint8_t *end = memchr(data, '\n', size);
    size_t name_len = end ? (size_t)(end - data) : MIN(size, 8);
    const Target *target = choose(world, data, name_len);
    unsigned nr = 0;

    start_afresh(world);
    for (size_t at = name_len + 1; at + 8 <= size && nr++ < MAX_STEPS; at += 8) {
        run_step(world, target, data + at);
    }
    board_turn(&world->board);
    return 0;
}
