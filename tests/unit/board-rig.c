/*
 * A whole board in the test's own process.
 */
#include "board-rig.h"
#include "qapi/command.h"
#include "softmmu/runstate.h"

enum { FIRMWARE_SIZE = 0x10000, CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };

void board_new(Board *board, const char *name, const char *accel)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *image = g_malloc0(FIRMWARE_SIZE);
    int fd = g_file_open_tmp("rhea-bios-XXXXXX", &board->firmware, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(board->firmware, image, FIRMWARE_SIZE, NULL));
    board->vm = rh_vm_new(&error);
    g_assert_no_error(error);
    rh_clock_set_manual(board->vm->clock);
    rh_lock(&board->vm->lock);
    if (accel) {
        const char *const names[] = { accel, NULL };

        rh_accel_open(board->vm, names, NULL, &error);
        g_assert_no_error(error);
    }
    board->machine = rh_machine_new(board->vm, rh_machine_find_type(name, NULL), &error);
    g_assert_no_error(error);
    g_assert_true(rh_object_set_str(&board->machine->obj, "firmware", board->firmware, &error));
    board->machine->ram_size = BOARD_RAM;
}

void board_build(Board *board)
{
    g_autoptr(GError) error = NULL;

    rh_machine_build(board->machine, &error);
    g_assert_no_error(error);
}

void board_begin(Board *board, const char *name, const char *accel)
{
    board_new(board, name, accel);
    board_build(board);
}

void board_turn(Board *board)
{
    while (rh_loop_turn(board->vm->loop, false)) {
    }
}

void board_end(Board *board)
{
    rh_vm_stop(board->vm, QMP_RUN_STATE_PAUSED);
    rh_machine_end(board->vm);
    urcu_memb_barrier();            /* removed devices are freed on the loop, after a grace period */
    board_turn(board);
    rh_unlock(&board->vm->lock);
    rh_vm_free(board->vm);
    unlink(board->firmware);
    g_free(board->firmware);
}

uint64_t board_in(Board *board, uint64_t port, unsigned size)
{
    uint64_t value;

    rh_space_load(board->vm->ports, NULL, port, size, &value);
    return value;
}

void board_out(Board *board, uint64_t port, uint64_t value, unsigned size)
{
    rh_space_store(board->vm->ports, NULL, port, size, value);
}

uint64_t board_load(Board *board, uint64_t addr, unsigned size)
{
    uint64_t value;

    rh_space_load(board->vm->memory, NULL, addr, size, &value);
    return value;
}

void board_store(Board *board, uint64_t addr, uint64_t value, unsigned size)
{
    rh_space_store(board->vm->memory, NULL, addr, size, value);
}

static void aim(Board *board, unsigned bus, unsigned devfn, unsigned at)
{
    board_out(board, CONFIG_ADDRESS, 0x80000000u | bus << 16 | devfn << 8 | (at & 0xfc), 4);
}

uint32_t board_config_read(Board *board, unsigned bus, unsigned devfn, unsigned at, unsigned size)
{
    aim(board, bus, devfn, at);
    return (uint32_t)board_in(board, CONFIG_DATA + (at & 3), size);
}

void board_config_write(Board *board, unsigned bus, unsigned devfn, unsigned at, unsigned size, uint32_t value)
{
    aim(board, bus, devfn, at);
    board_out(board, CONFIG_DATA + (at & 3), value, size);
}

RhDevice *board_add(Board *board, const char *json, GError **err)
{
    json_object *args = json_tokener_parse(json);
    RhDevice *dev = rh_device_add(board->vm, args, err);

    json_object_put(args);
    return dev;
}

RhDevice *board_must_add(Board *board, const char *json)
{
    g_autoptr(GError) error = NULL;
    RhDevice *dev = board_add(board, json, &error);

    g_assert_no_error(error);
    g_assert_nonnull(dev);
    return dev;
}

json_object *board_execute(Board *board, const char *command, const char *json)
{
    g_autoptr(GError) error = NULL;
    json_object *args = json ? json_tokener_parse(json) : NULL;
    json_object *result = NULL;

    rh_qmp_command_run(rh_qmp_command_find(command), board->vm, args, &result, &error);
    g_assert_no_error(error);
    json_object_put(args);
    return result;
}
