/*
 * A machine as a whole: one of every device on a q35 with two CPUs, scribbled over the way a guest in madness would, then
 * saved by the state tables; loaded into a second machine made the same way, RAM copied. Both must have the same
 * tables, the same address maps (they are derived state), and go on the same way.
 */
#include "board-rig.h"
#include "hw/core/reset.h"
#include "hw/rtc/mc146818.h"
#include "softmmu/runstate.h"
#include "target/i386/cpu.h"

enum { NR_SCRIBBLES = 4000, NR_SEEDS = 5, STEP_NS = 50000, TURN_EVERY = 64 };

static void make(Board *board, const char *name)
{
    g_autoptr(GError) error = NULL;

    board_new(board, name, "qtest");
    board->machine->no_defaults = true;
    board->machine->smp.cpus = 2;
    board->machine->rtc_clock = RH_RTC_VM;
    board_build(board);
    rh_reset_init(board->vm);
    board->vm->run->on_shutdown = QMP_SHUTDOWN_ACTION_PAUSE;
    g_assert_cmpuint(board_fill(board), >, 8);
    rh_device_remove(rh_device_find(board->vm, "mc146818rtc", NULL));   /* it follows the host's time */
    rh_machine_finish(board->machine, &error);
    g_assert_no_error(error);
    rh_vm_set_set_up(board->vm);
    board_assign(board);
}

/* --- scribbling --- */

static void scribble_region(Board *board, GRand *rand, GPtrArray *regions)
{
    const RhRegion *region = regions->pdata[g_rand_int_range(rand, 0, (int)regions->len)];
    unsigned size = 1u << g_rand_int_range(rand, 0, 4);
    uint64_t value = g_rand_boolean(rand) ? g_rand_int(rand) : (uint64_t)g_rand_int_range(rand, 0, 16);
    uint64_t at = (uint64_t)g_rand_int(rand) % MIN(region->size, 0x1000u);
    uint64_t addr;
    RhSpace *space = board_place_of(board, region, &addr);

    if (!space) {
        return;
    }
    if (g_rand_int_range(rand, 0, 4)) {
        rh_space_store(space, NULL, addr + at, size, value);
    } else {
        rh_space_load(space, NULL, addr + at, size, &value);
    }
}

static void scribble_config(Board *board, GRand *rand)
{
    unsigned bus = (unsigned)g_rand_int_range(rand, 0, 3);
    unsigned devfn = (unsigned)g_rand_int_range(rand, 0, 256);
    unsigned size = 1u << g_rand_int_range(rand, 0, 3);
    unsigned at = (unsigned)g_rand_int_range(rand, 0, 256) & ~(size - 1);

    board_config_write(board, bus, devfn, at, size, g_rand_int(rand));
}

static void scribble_cpu(Board *board, GRand *rand)
{
    RhVcpu *vcpu = board->vm->vcpus->pdata[g_rand_int_range(rand, 0, (int)board->vm->vcpus->len)];
    RhX86State *state = &rh_x86_cpu(vcpu)->x86.state;

    state->gpr[g_rand_int_range(rand, 0, RH_NR_GPR)] = g_rand_int(rand);
    state->rip = g_rand_int(rand);
    state->xsave[g_rand_int_range(rand, 0, 512)] = (uint8_t)g_rand_int(rand);
    rh_x86_set_msr(state, 0x200 + (unsigned)g_rand_int_range(rand, 0, 16), g_rand_int(rand));
}

static void scribble(Board *board, uint32_t seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autoptr(GPtrArray) devices = board_devices(board);
    g_autoptr(GPtrArray) regions = g_ptr_array_new();

    for (guint i = 0; i < devices->len; i++) {
        board_regions(devices->pdata[i], regions);
    }
    for (unsigned i = 0; i < NR_SCRIBBLES; i++) {
        switch (g_rand_int_range(rand, 0, 16)) {
        case 0:  scribble_config(board, rand); break;
        case 1:  scribble_cpu(board, rand); break;
        case 2:  rh_clock_step_to(board->vm->clock, rh_clock_now(board->vm->clock) + STEP_NS); break;
        case 3:  board_store(board, g_rand_int(rand) % BOARD_RAM, g_rand_int(rand), 4); break;
        default: scribble_region(board, rand, regions); break;
        }
        if (i % TURN_EVERY == 0) {
            board_turn(board);
        }
    }
    board_turn(board);
}

/* --- what is compared --- */

/* A thread has one event loop, and so one machine at a time: what the first was is kept here. */
typedef struct Picture {
    GPtrArray *names;           /* of devices, with their types */
    GPtrArray *states;          /* GByteArray, in the same order */
    GString *maps;
} Picture;

static void picture_free(Picture *picture)
{
    g_ptr_array_unref(picture->names);
    g_ptr_array_unref(picture->states);
    g_string_free(picture->maps, TRUE);
    g_free(picture);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Picture, picture_free)

static Picture *picture_of(Board *board)
{
    g_autoptr(GPtrArray) devices = board_devices(board);
    Picture *picture = g_new(Picture, 1);

    picture->names = g_ptr_array_new_with_free_func(g_free);
    picture->states = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    for (guint i = 0; i < devices->len; i++) {
        RhDevice *dev = devices->pdata[i];
        g_autofree char *path = rh_object_path(&dev->obj);
        GByteArray *state = g_byte_array_new();

        rh_device_save(dev, state);
        g_ptr_array_add(picture->names, g_strdup_printf("%s (%s)", path, dev->obj.type->name));
        g_ptr_array_add(picture->states, state);
    }
    picture->maps = g_string_new(NULL);
    rh_space_dump(board->vm->memory, picture->maps, true);
    rh_space_dump(rh_vm_memory(board->vm, true), picture->maps, true);
    rh_space_dump(board->vm->ports, picture->maps, true);
    return picture;
}

/*
 * Called twice: lines move while devices are loaded, and an interrupt controller that was loaded before them takes that
 * for edges. The second time nothing moves. (A stream that is loaded once has to bring the controllers last.)
 */
static void load(Board *board, const Picture *picture)
{
    g_autoptr(GPtrArray) devices = board_devices(board);

    g_assert_cmpuint(devices->len, ==, picture->states->len);
    for (guint i = 0; i < devices->len; i++) {
        const GByteArray *state = picture->states->pdata[i];
        g_autoptr(GError) error = NULL;
        size_t pos = 0;

        if (!rh_device_load(devices->pdata[i], state->data, state->len, &pos, &error)) {
            g_test_message("%s does not take what it saved: %s", (char *)picture->names->pdata[i], error->message);
            g_test_fail();
        }
    }
}

static void compare(const Picture *was, const Picture *is, const char *when)
{
    g_assert_cmpuint(was->states->len, ==, is->states->len);
    for (guint i = 0; i < was->states->len; i++) {
        const GByteArray *a = was->states->pdata[i], *b = is->states->pdata[i];
        size_t at = 0;

        while (at < MIN(a->len, b->len) && a->data[at] == b->data[at]) {
            at++;
        }
        if (a->len != b->len || at < a->len) {
            g_test_message("%s, %s differs from byte %zu of %u on: 0x%02x, 0x%02x", when,
                           (char *)was->names->pdata[i], at, a->len, a->data[at], b->data[at]);
            g_test_fail();
        }
    }
    if (!g_string_equal(was->maps, is->maps)) {
        g_test_message("%s, the map was\n%s\nand is\n%s", when, was->maps->str, is->maps->str);
        g_test_fail();
    }
}

static Picture *picture_later(Board *board)
{
    rh_vm_start(board->vm);
    rh_clock_step_to(board->vm->clock, rh_clock_now(board->vm->clock) + STEP_NS);
    board_turn(board);
    rh_vm_stop(board->vm, QMP_RUN_STATE_PAUSED);
    return picture_of(board);
}

static void round_trip(const char *name, uint32_t seed)
{
    g_autofree uint8_t *ram = g_malloc(BOARD_RAM);
    g_autoptr(Picture) was = NULL;
    g_autoptr(Picture) was_later = NULL;
    g_autoptr(Picture) is = NULL;
    g_autoptr(Picture) is_later = NULL;
    int64_t now;
    Board board;

    make(&board, name);
    rh_vm_start(board.vm);
    scribble(&board, seed);
    rh_vm_stop(board.vm, QMP_RUN_STATE_PAUSED);
    board_turn(&board);
    now = rh_clock_now(board.vm->clock);
    memcpy(ram, board.machine->ram->host, BOARD_RAM);
    was = picture_of(&board);
    was_later = picture_later(&board);
    board_end(&board);

    make(&board, name);
    rh_clock_set(board.vm->clock, now);
    memcpy(board.machine->ram->host, ram, BOARD_RAM);
    load(&board, was);
    load(&board, was);
    is = picture_of(&board);
    compare(was, is, "after the load");
    is_later = picture_later(&board);
    compare(was_later, is_later, "later");
    board_end(&board);
}

/* More than the few that a test run has time for: RHEA_SEEDS=1000. */
static void run_seeds(gconstpointer name)
{
    const char *wanted = g_getenv("RHEA_SEEDS");
    uint64_t nr = wanted ? g_ascii_strtoull(wanted, NULL, 10) : NR_SEEDS;

    for (uint32_t seed = 1; seed <= nr && !g_test_failed(); seed++) {
        g_test_message("seed %u", seed);
        round_trip(name, seed);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_data_func("/whole-machine/q35", "q35", run_seeds);
    g_test_add_data_func("/whole-machine/microvm", "microvm", run_seeds);
    return g_test_run();
}
