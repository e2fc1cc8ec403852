/*
 * PCI configuration space as a hostile guest uses it, on a q35 with one of every device: all functions, by 0xcf8/0xcfc and by
 * ECAM, in all sizes; registers touched while they are moved, by the guest and by a device's own DMA; devices that come and go.
 * Input: steps of eight bytes: what, function, offset (2), value (4).
 */
#include "../unit/board-rig.h"
#include "hw/core/reset.h"
#include "hw/i386/q35.h"
#include "hw/pci/host.h"
#include "softmmu/runstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_STEPS = 128, MAX_FUNCTIONS = 128, STEP_NS = 1000000 };
enum { EDU_SRC = 0x80, EDU_DST = 0x88, EDU_COUNT = 0x90, EDU_CMD = 0x98, EDU_BUFFER = 0x40000, EDU_DMA_NS = 110000000,
       SCRATCH = 0x8000 };
enum { OP_PORTS, OP_ECAM, OP_RAW_PORTS, OP_BAR, OP_MOVE, OP_DMA, OP_MEMORY, OP_PLUG, OP_RESET, OP_ROUND_TRIP, OP_TURN,
       NR_OPS };

typedef struct World {
    Board board;
    RhPciBus *root;
    RhPciDevice *functions[MAX_FUNCTIONS];      /* that are there for good */
    unsigned nr_functions;
} World;

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
    board_new(&world->board, "q35", "qtest");
    world->board.machine->no_defaults = true;
    board_build(&world->board);
    rh_reset_init(world->board.vm);
    world->board.vm->run->on_shutdown = QMP_SHUTDOWN_ACTION_PAUSE;
    board_fill(&world->board);
    rh_machine_finish(world->board.machine, &error);
    g_assert_no_error(error);
    rh_vm_set_set_up(world->board.vm);
    world->root = rh_pci_host_find(world->board.vm)->bus;
    devices = board_devices(&world->board);
    for (guint i = 0; i < devices->len && world->nr_functions < MAX_FUNCTIONS; i++) {
        RhDevice *dev = devices->pdata[i];

        if (rh_type_is(dev->obj.type, RH_TYPE_PCI_DEVICE) && g_strcmp0(dev->id, "below")) {
            world->functions[world->nr_functions++] = RH_PCI_DEVICE_OF(dev);
        }
    }
    return world;
}

static unsigned width(const uint8_t *step)
{
    return 1u << (step[0] >> 5 & 3);
}

static void access_at(RhSpace *space, uint64_t addr, const uint8_t *step)
{
    uint64_t value;

    if (step[0] & 0x10) {
        rh_space_store(space, NULL, addr, width(step), rh_ld32(step + 4));
    } else {
        rh_space_load(space, NULL, addr, width(step), &value);
    }
}

static uint64_t ecam_of(const RhPciDevice *dev, unsigned at)
{
    return RH_Q35_ECAM_BASE + ((uint64_t)rh_pci_bus_number(rh_pci_bus(dev)) << 20 | (uint64_t)(uint8_t)dev->devfn << 12 |
                               (at & 0xfff));
}

static void by_ports(World *world, const RhPciDevice *dev, const uint8_t *step)
{
    unsigned at = step[2];

    board_out(&world->board, 0xcf8,
              0x80000000u | (uint32_t)rh_pci_bus_number(rh_pci_bus(dev)) << 16 | (uint32_t)(uint8_t)dev->devfn << 8 |
              (at & 0xfc), 4);
    access_at(world->board.vm->ports, 0xcfc + (at & 3), step);
}

/* A register: at a place the guest might know, decoding on; then it is touched there. */
static void move(World *world, RhPciDevice *dev, const uint8_t *step)
{
    static const uint32_t places[] = { 0xc0000000, 0xd0000000, 0xe0000000, 0xfec00000, 0xfee00000, 0x000a0000, 0x3000, 0xcf8 };
    unsigned bar = RH_PCI_BAR0 + 4 * (step[2] % 6u);

    rh_pci_config_write(dev, bar, places[step[3] % RH_COUNT(places)] + (rh_ld32(step + 4) & 0xfff00), 4);
    rh_pci_config_write(dev, RH_PCI_COMMAND, RH_PCI_COMMAND_IO | RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER, 2);
}

static void access_bar(World *world, const RhPciDevice *dev, const uint8_t *step)
{
    const RhRegion *region = dev->bars[step[3] >> 4 & 7 ? (step[3] >> 4 & 7) % RH_PCI_NR_BARS : 0].region;
    uint64_t addr;
    RhSpace *space = region ? board_place_of(&world->board, region, &addr) : NULL;

    if (space) {
        access_at(space, addr + rh_ld16(step + 2) % region->size, step);
    }
}

/* edu writes four bytes into any function's configuration, its own too: a device that moves itself. */
static void by_dma(World *world, const RhPciDevice *dev, const uint8_t *step)
{
    RhPciDevice *edu = RH_PCI_DEVICE_OF(rh_device_find(world->board.vm, "edu", NULL));
    RhVm *vm = world->board.vm;
    uint64_t base = edu->bars[0].addr;

    if (base == RH_PCI_UNMAPPED) {
        return;
    }
    rh_space_write(vm->memory, SCRATCH, step + 4, 4);
    for (unsigned pass = 0; pass < 2; pass++) {
        board_store(&world->board, base + EDU_SRC, pass ? EDU_BUFFER : SCRATCH, 8);
        board_store(&world->board, base + EDU_DST, pass ? ecam_of(dev, rh_ld16(step + 2)) : EDU_BUFFER, 8);
        board_store(&world->board, base + EDU_COUNT, 4, 8);
        board_store(&world->board, base + EDU_CMD, pass ? 3 : 1, 8);
        rh_clock_step_to(vm->clock, rh_clock_now(vm->clock) + EDU_DMA_NS);
    }
}

static void plug(World *world, const uint8_t *step)
{
    static const char *const types[] = { "edu", "virtio-rng-pci", "pci-serial", "pcie-pci-bridge" };
    g_autofree char *json = g_strdup_printf("{'driver': '%s', 'id': 'guest', 'bus': 'spare'}",
                                            types[step[2] % RH_COUNT(types)]);

    if (rh_device_find(world->board.vm, "guest", NULL)) {
        rh_device_del(world->board.vm, "guest", NULL);
    } else {
        board_add(&world->board, json, NULL);
    }
}

/* The function meant: one of those that stay, or what is in one of the slots just now (a guest can eject it). */
static RhPciDevice *function_of(World *world, uint8_t selector)
{
    const char *id = selector == 0xff ? "guest" : selector == 0xfe ? "below" : NULL;
    RhDevice *dev = id ? rh_device_find(world->board.vm, id, NULL) : NULL;

    return dev ? RH_PCI_DEVICE_OF(dev) : world->functions[selector % world->nr_functions];
}

static void run_step(World *world, const uint8_t *step)
{
    RhVm *vm = world->board.vm;
    RhPciDevice *dev = function_of(world, step[1]);

    switch ((step[0] & 0x0f) % NR_OPS) {
    case OP_PORTS:      by_ports(world, dev, step); break;
    case OP_ECAM:       access_at(vm->memory, ecam_of(dev, rh_ld16(step + 2)), step); break;
    case OP_RAW_PORTS:  access_at(vm->ports, 0xcf8 + step[2] % 8u, step); break;
    case OP_BAR:        access_bar(world, dev, step); break;
    case OP_MOVE:       move(world, dev, step); break;
    case OP_DMA:        by_dma(world, dev, step); break;
    case OP_MEMORY:     access_at(vm->memory, rh_ld32(step + 4), step); break;
    case OP_PLUG:       plug(world, step); break;
    case OP_RESET:      rh_device_reset(&dev->parent); break;
    case OP_ROUND_TRIP: board_round_trip(&dev->parent); break;
    default:
        board_turn(&world->board);
        rh_clock_step_to(vm->clock, rh_clock_now(vm->clock) + STEP_NS);
    }
}

static void start_afresh(World *world)
{
    RhVm *vm = world->board.vm;
    RhDevice *guest = rh_device_find(vm, "guest", NULL);

    rh_vm_stop(vm, QMP_RUN_STATE_PAUSED);
    if (guest) {
        rh_device_unplugged(guest);
    }
    rh_machine_reset(vm, QMP_SHUTDOWN_CAUSE_NONE);
    rh_map_begin(vm);
    board_turn(&world->board);
    if (!rh_device_find(vm, "below", NULL)) {
        board_must_add(&world->board, "{'driver': 'edu', 'id': 'below', 'bus': 'pcie-root-port'}");
    }
    board_assign(&world->board);
    board_config_write(&world->board, 0, 0, 0x60, 4, RH_Q35_ECAM_BASE | 1);
    rh_map_end(vm);
    vm->run->has_quit = false;
    rh_vm_start(vm);
}

/* Whatever was written, both ways into configuration space tell the same, and what clients ask for is told. */
static void check(World *world)
{
    g_autoptr(GString) text = g_string_new(NULL);
    bool has_ecam = board_config_read(&world->board, 0, 0, 0x60, 4) == (RH_Q35_ECAM_BASE | 1) &&
                    board_config_read(&world->board, 0, 0, 0x64, 4) == 0;

    for (unsigned i = 0; i < world->nr_functions && has_ecam; i++) {
        const RhPciDevice *dev = world->functions[i];
        uint8_t bus = rh_pci_bus_number(rh_pci_bus(dev));

        g_assert_cmphex(board_load(&world->board, ecam_of(dev, RH_PCI_COMMAND), 4), ==,
                        board_config_read(&world->board, bus, (uint8_t)dev->devfn, RH_PCI_COMMAND, 4));
    }
    json_object_put(rh_pci_query(world->board.vm));
    rh_pci_dump(world->board.vm, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    World *world = world_get();

    start_afresh(world);
    for (unsigned i = 0; i < MAX_STEPS && (i + 1) * 8 <= size; i++) {
        run_step(world, data + i * 8);
    }
    board_turn(&world->board);
    check(world);
    return 0;
}
