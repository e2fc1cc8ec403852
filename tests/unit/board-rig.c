/*
 * A whole board in the test's own process.
 */
#include "board-rig.h"
#include "hw/pci/assign.h"
#include "hw/pci/host.h"
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
    if (g_str_has_prefix(board->machine->obj.type->name, "pc-q35")) {
        g_assert_true(rh_object_set_str(&board->machine->obj, "smm", "on", &error));
    }
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
    if (board->vm->accel) {
        rh_object_unref(RH_OBJECT(board->vm->accel));
        board->vm->accel = NULL;
    }
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

/* --- everything at once --- */

typedef struct Fill {
    Board *board;
    GHashTable *done;           /* types that are there; what back-ends were made for, and their names */
    unsigned nr;
} Fill;

static void give_backend(Fill *fill, const RhType *type, json_object *args, const char *prop, const char *command,
                         const char *format)
{
    g_autofree char *key = g_strconcat(type->name, ".", prop, NULL);
    const char *name = g_hash_table_lookup(fill->done, key);

    if (!rh_type_find_prop(type, prop)) {
        return;
    }
    if (!name) {                /* a type is tried again when its bus was not there yet */
        char *made = g_strdup_printf("%s%u", prop, g_hash_table_size(fill->done));
        g_autofree char *json = g_strdup_printf(format, made);

        json_object_put(board_execute(fill->board, command, json));
        g_hash_table_insert(fill->done, g_steal_pointer(&key), made);
        name = made;
    }
    json_object_object_add(args, prop, json_object_new_string(name));
}

static bool fill_type(const RhType *type, void *opaque)
{
    Fill *fill = opaque;
    json_object *args;

    if (type->is_abstract || !rh_type_is(type, RH_TYPE_DEVICE) || ((const RhDeviceType *)type)->is_internal ||
        rh_type_is(type, "cpu") || g_hash_table_contains(fill->done, type->name)) {
        return true;
    }
    args = json_object_new_object();
    json_object_object_add(args, "driver", json_object_new_string(type->name));
    json_object_object_add(args, "id", json_object_new_string(type->name));
    give_backend(fill, type, args, "drive", "blockdev-add",
                 "{'driver': 'null-co', 'node-name': '%s', 'size': 1048576}");
    give_backend(fill, type, args, "chardev", "chardev-add", "{'id': '%s', 'backend': {'type': 'null', 'data': {}}}");
    if (rh_device_add(fill->board->vm, args, NULL)) {
        g_hash_table_insert(fill->done, g_strdup(type->name), NULL);
        fill->nr++;
    }
    json_object_put(args);
    return true;
}

unsigned board_fill(Board *board)
{
    Fill fill = { .board = board, .done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free) };
    unsigned before;

    do {                        /* until no device brings a bus for another */
        before = fill.nr;
        rh_type_foreach(fill_type, &fill);
    } while (fill.nr > before);
    if (g_hash_table_contains(fill.done, "pcie-root-port")) {
        board_must_add(board, "{'driver': 'edu', 'id': 'below', 'bus': 'pcie-root-port'}");
        board_must_add(board, "{'driver': 'pcie-root-port', 'id': 'spare', 'slot': 1}");
        fill.nr += 2;
    }
    g_hash_table_unref(fill.done);
    return fill.nr;
}

void board_assign(Board *board)
{
    RhPciResources resources = { .io = { 0x1000, 0x10000 }, .mem32 = { 0xc0000000, 0xfc000000 } };
    RhPciHost *host = rh_pci_host_find(board->vm);

    if (host) {
        rh_pci_assign(host->bus, &resources);
    }
}

static bool collect_device(RhObject *obj, void *opaque)
{
    if (rh_object_is(obj, RH_TYPE_DEVICE) && RH_SELF(RhDevice, obj)->is_realized) {
        g_ptr_array_add(opaque, obj);
    }
    return true;
}

GPtrArray *board_devices(Board *board)
{
    GPtrArray *devices = g_ptr_array_new();

    rh_object_foreach(board->vm->root, collect_device, devices);
    return devices;
}

void board_round_trip(RhDevice *dev)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    size_t pos = 0;

    rh_device_save(dev, saved);
    rh_device_load(dev, saved->data, saved->len, &pos, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(pos, ==, saved->len);
    rh_device_save(dev, again);
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
}

void board_regions(RhDevice *dev, GPtrArray *regions)
{
    for (const RhType *at = dev->obj.type; at && rh_type_is(at, RH_TYPE_DEVICE); at = rh_type_parent(at)) {
        const RhDeviceType *type = (const RhDeviceType *)at;

        for (size_t i = 0; i < type->regions.nr; i++) {
            g_ptr_array_add(regions, (char *)dev + type->regions.rows[i].offset);
        }
    }
    for (unsigned i = 0; rh_type_is(dev->obj.type, RH_TYPE_PCI_DEVICE) && i < RH_PCI_NR_BARS; i++) {
        RhRegion *region = RH_PCI_DEVICE_OF(dev)->bars[i].region;

        if (region && !g_ptr_array_find(regions, region, NULL)) {
            g_ptr_array_add(regions, region);
        }
    }
}

RhSpace *board_place_of(Board *board, const RhRegion *region, uint64_t *ret_addr)
{
    const RhRegion *ports = rh_space_root(board->vm->ports);
    uint64_t addr = 0;

    for (; region->container; region = region->container) {
        addr += region->at;
    }
    *ret_addr = addr;
    return region == ports ? board->vm->ports : region == rh_space_root(board->vm->memory) ? board->vm->memory : NULL;
}
