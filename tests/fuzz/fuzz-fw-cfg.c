/*
 * fw_cfg as hostile firmware uses it: selector and data in all sizes, DMA with any control word, length and address, at its
 * ports and in memory; files that devices take from the guest (vmcoreinfo, vmgenid).
 * Input: steps of sixteen bytes: what, width, key (2), length (4), address (8).
 */
#include "../unit/hw-harness.h"
#include "hw/nvram/fw_cfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 16, MAX_STEPS = 128, MEM_BASE = 0x10000000, REQUEST = 0x1000 };
enum { PORT_SELECT = 0x510, PORT_DATA = 0x511, PORT_DMA = 0x514, MEM_SELECT = 8, MEM_DMA = 16, MEM_SPAN = 24 };
enum { DMA_ERROR = 1 };
enum { OP_SELECT, OP_DATA, OP_DMA_PORTS, OP_DMA_MEM, OP_RAW_PORT, OP_RAW_MEM, OP_MEMORY, OP_ROUND_TRIP, NR_OPS };

typedef struct World {
    Harness h;
    RhDevice *devices[4];
} World;

static World *world_get(void)
{
    static World *world;

    if (world) {
        return world;
    }
    rh_thread_init_main();
    world = g_new0(World, 1);
    harness_begin(&world->h);
    world->devices[0] = harness_add(&world->h, "fw_cfg", RH_TYPE_FW_CFG_IO, NULL);
    world->devices[1] = harness_add(&world->h, "vmcoreinfo", "vmcoreinfo", NULL);
    world->devices[2] = harness_add(&world->h, "vmgenid", "vmgenid", NULL);
    world->devices[3] = harness_add(&world->h, "in-memory", RH_TYPE_FW_CFG_MEM, NULL);
    rh_region_add(rh_space_root(world->h.vm->memory), MEM_BASE, rh_fw_cfg_mem_region((RhFwCfg *)world->devices[3]));
    return world;
}

/* A request in RAM, begun by the whole address or by its halves; its control word must tell that it ended. */
static void dma(World *world, RhSpace *space, uint64_t at, const uint8_t *step)
{
    RhSpace *memory = world->h.vm->memory;
    uint64_t address = rh_ld64(step + 8);
    uint32_t length = rh_ld32(step + 4);
    uint32_t request[4] = { GUINT32_TO_BE((uint32_t)rh_ld16(step + 2) << 16 | step[1]), GUINT32_TO_BE(length),
                            GUINT32_TO_BE((uint32_t)(address >> 32)), GUINT32_TO_BE((uint32_t)address) };
    uint64_t control;

    rh_space_write(memory, REQUEST, request, sizeof(request));
    if (step[0] & 0x80) {
        rh_space_store(space, NULL, at, 8, GUINT64_TO_BE((uint64_t)REQUEST));
    } else {
        rh_space_store(space, NULL, at, 4, 0);
        rh_space_store(space, NULL, at + 4, 4, GUINT32_TO_BE((uint32_t)REQUEST));
    }
    rh_space_load(memory, NULL, REQUEST, 4, &control);
    g_assert_cmphex(GUINT32_FROM_BE((uint32_t)control) & ~(uint32_t)DMA_ERROR, ==, 0);
}

static void access_at(RhSpace *space, uint64_t at, const uint8_t *step)
{
    unsigned size = 1u << (step[1] & 3);
    uint64_t value;

    if (step[0] & 0x80) {
        rh_space_store(space, NULL, at, size, rh_ld64(step + 8));
    } else {
        rh_space_load(space, NULL, at, size, &value);
    }
}

static void run_step(World *world, const uint8_t *step)
{
    RhVm *vm = world->h.vm;

    switch ((step[0] & 0x0f) % NR_OPS) {
    case OP_SELECT:
        harness_out(&world->h, PORT_SELECT, 2, rh_ld16(step + 2));
        rh_space_store(vm->memory, NULL, MEM_BASE + MEM_SELECT, 2, GUINT16_TO_BE(rh_ld16(step + 2)));
        break;
    case OP_DATA:
        for (unsigned i = 0; i <= step[4] % 64u; i++) {
            access_at(vm->ports, PORT_DATA, step);
            access_at(vm->memory, MEM_BASE, step);
        }
        break;
    case OP_DMA_PORTS:
        dma(world, vm->ports, PORT_DMA, step);
        break;
    case OP_DMA_MEM:
        dma(world, vm->memory, MEM_BASE + MEM_DMA, step);
        break;
    case OP_RAW_PORT:
        access_at(vm->ports, PORT_SELECT + step[2] % 12u, step);
        break;
    case OP_RAW_MEM:
        access_at(vm->memory, MEM_BASE + step[2] % MEM_SPAN, step);
        break;
    case OP_MEMORY:
        rh_space_write(vm->memory, rh_ld16(step + 2), step + 8, 8);
        break;
    default:
        harness_round_trip(&world->h, world->devices[step[2] % RH_COUNT(world->devices)]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World *world = world_get();

    for (size_t i = 0; i < RH_COUNT(world->devices); i++) {
        rh_device_reset(world->devices[i]);
    }
    for (size_t i = 0; i < MAX_STEPS && (i + 1) * STEP <= size; i++) {
        run_step(world, data + i * STEP);
    }
    return 0;
}
