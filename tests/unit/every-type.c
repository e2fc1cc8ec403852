/*
 * Visits every type of the table. Devices: each byte of each level's state is in a field; made on the first board that
 * has a place for it, reset, saved, loaded into a fresh one on a fresh board, saved again, compared, removed. What
 * cannot be made with defaults and a null back-end is named with the reason. User-creatable objects: made and deleted.
 * Help: each type says what it is, and has a category that -device help shows.
 */
#include "board-rig.h"
#include "block/options.h"
#include "chardev/open.h"
#include "util/json.h"

enum { LATER_NS = 10000000 };

/* Tried in this order: every bus is on one of them. */
static const char *const boards[] = { "q35", "microvm", "pc" };

/* --- boards --- */

static void add_backends(RhVm *vm)
{
    g_autoptr(RhJson) json = rh_json_parse("{\"driver\": \"null-co\", \"node-name\": \"d0\", \"size\": 1048576}", NULL);
    g_autoptr(GError) err = NULL;
    g_autoptr(QmpBlockdevOptions) drive = qmp_blockdev_options_from_json(json, 0, &err);

    g_assert_no_error(err);
    g_assert_true(rh_block_add_blockdev(vm, drive, &err));
    g_assert_nonnull(rh_char_open_spec(vm, "c0", "null", false, &err));
    g_assert_no_error(err);
}

static bool begin(Board *board, const char *name)
{
    if (!rh_machine_find_type(name, NULL)) {
        return false;
    }
    board_new(board, name, NULL);
    add_backends(board->vm);
    board->machine->no_defaults = true;
    board_build(board);
    return true;
}

/* --- one device --- */

static const char *bus_of(const RhType *type)
{
    for (; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        if (((const RhDeviceType *)type)->bus) {
            return ((const RhDeviceType *)type)->bus;
        }
    }
    return NULL;
}

/* Devices with a bus that no board has by itself: add yours when a type is said to have no bus. */
static const char *const providers[] = { "virtio-serial-pci" };

static RhBus *find_bus(RhVm *vm, const RhType *type, GError **err)
{
    RhBus *bus = rh_bus_find_for(vm, (const RhDeviceType *)type, NULL);

    for (size_t i = 0; i < RH_COUNT(providers) && !bus; i++) {
        const RhType *provider = rh_type_find(providers[i]);
        RhBus *place = provider ? rh_bus_find_for(vm, (const RhDeviceType *)provider, NULL) : NULL;

        if (place && rh_device_create(vm, NULL, NULL, providers[i], place, NULL, NULL)) {
            bus = rh_bus_find_for(vm, (const RhDeviceType *)type, NULL);
        }
    }
    return bus ? bus : rh_bus_find_for(vm, (const RhDeviceType *)type, err);
}

/* A property that takes a back-end gets the one that does nothing; a CPU has a place. */
static bool give(RhObject *obj, const char *prop, const char *value, GError **err)
{
    return !rh_type_find_prop(obj->type, prop) || rh_object_set_str(obj, prop, value, err);
}

static RhDevice *make(Board *board, const RhType *type, GError **err)
{
    RhVm *vm = board->vm;
    RhBus *bus = bus_of(type) ? find_bus(vm, type, err) : NULL;
    RhDevice *dev;

    if (bus_of(type) && !bus) {
        return NULL;
    }
    dev = rh_device_new(vm, type->name, err);
    if (!dev || !rh_device_own(dev, vm->machine, "it", err)) {
        return NULL;
    }
    if (!give(&dev->obj, "drive", "d0", err) || !give(&dev->obj, "chardev", "c0", err) ||
        !give(&dev->obj, "apic-id", "1", err) ||
        !rh_device_realize(dev, bus, err)) {
        rh_object_unparent(&dev->obj);
        return NULL;
    }
    return dev;
}

/* Saves a device after reset; loads it into a second one; both must say the same. */
static GByteArray *saved_after_reset(RhDevice *dev)
{
    GByteArray *bytes = g_byte_array_new();

    rh_device_reset(dev);
    rh_device_save(dev, bytes);
    return bytes;
}

static void load_and_compare(RhDevice *dev, const GByteArray *saved)
{
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    size_t pos = 0;

    rh_device_load(dev, saved->data, saved->len, &pos, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(pos, ==, saved->len);
    rh_device_save(dev, again);
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
}

/* Each length short of the whole is refused, and the device can still be used. */
static void load_truncated(RhDevice *dev, const GByteArray *saved)
{
    size_t step = saved->len / 64 + 1;

    for (size_t len = 0; len < saved->len; len += step) {
        g_autoptr(GError) err = NULL;
        size_t pos = 0;

        g_assert_false(rh_device_load(dev, saved->data, len, &pos, &err));
        g_assert_nonnull(err);
    }
}

static bool visit_on(const RhType *type, const char *name, char **ret_reason)
{
    g_autoptr(GByteArray) saved = NULL;
    Board board = { .vm = NULL };
    GError *err = NULL;
    RhDevice *dev;

    if (!begin(&board, name)) {
        return false;
    }
    dev = make(&board, type, &err);
    if (!dev) {
        g_assert_nonnull(err);
        g_free(*ret_reason);
        *ret_reason = g_strdup_printf("on %s: %s", name, err->message);
        g_error_free(err);
        board_end(&board);
        return false;
    }
    saved = saved_after_reset(dev);
    rh_device_remove(dev);
    board_end(&board);

    g_assert_true(begin(&board, name));
    dev = make(&board, type, &err);
    g_assert_no_error(err);
    load_truncated(dev, saved);
    load_and_compare(dev, saved);
    rh_device_unrealize(dev);
    g_assert_false(dev->is_realized);
    g_assert_true(rh_device_realize(dev, bus_of(type) ? rh_bus_find_for(board.vm, (const RhDeviceType *)type, &err) : NULL,
                                    &err));
    load_and_compare(dev, saved);
    rh_clock_step_to(board.vm->clock, rh_clock_now(board.vm->clock) + LATER_NS);
    g_byte_array_set_size(saved, 0);
    rh_device_save(dev, saved);
    load_and_compare(dev, saved);
    rh_device_remove(dev);
    board_end(&board);
    return true;
}

static bool is_concrete_device(const RhType *type)
{
    return !type->is_abstract && rh_type_is(type, RH_TYPE_DEVICE);
}

/* Models of CPUs are rows of one table: one of them stands for all. */
static bool is_other_cpu(const RhType *type)
{
    return rh_type_is(type, "cpu") && !g_str_has_prefix(type->name, "qemu64-v1-");
}

typedef struct Count {
    unsigned visited;
    unsigned skipped;
} Count;

static bool visit_device(const RhType *type, void *opaque)
{
    g_autofree char *reason = NULL;
    Count *count = opaque;

    if (!is_concrete_device(type) || is_other_cpu(type)) {
        return true;
    }
    for (size_t i = 0; i < RH_COUNT(boards); i++) {
        if (visit_on(type, boards[i], &reason)) {
            count->visited++;
            return true;
        }
    }
    count->skipped++;
    g_test_message("not visited: '%s': %s", type->name, reason);
    if (!((const RhDeviceType *)type)->is_internal && !strstr(reason, "need")) {
        g_test_message("... although -device makes it, and the reason does not say what it needs");
        g_test_fail();
    }
    return true;
}

static void test_devices(void)
{
    Count count = { 0 };

    rh_type_foreach(visit_device, &count);
    g_test_message("%u types visited, %u not", count.visited, count.skipped);
    g_assert_cmpuint(count.visited, >, count.skipped);
}

/* --- state tables --- */

static bool check_coverage(const RhType *type, void *opaque)
{
    const RhState *state = &((const RhDeviceType *)type)->state;

    if (!rh_type_is(type, RH_TYPE_DEVICE)) {
        return true;
    }
    if (state->version && rh_state_uncovered(state) >= 0) {
        g_test_message("'%s' has state that no field covers, at byte %ld", type->name, rh_state_uncovered(state));
        g_test_fail();
    }
    return true;
}

static void test_coverage(void)
{
    rh_type_foreach(check_coverage, NULL);
}

/* --- help --- */

static const char *category_of(const RhType *type)
{
    for (; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        if (((const RhDeviceType *)type)->category) {
            return ((const RhDeviceType *)type)->category;
        }
    }
    return "Misc";
}

static bool check_help(const RhType *type, void *opaque)
{
    static const char *const categories[] = { "Controller/Bridge/Hub", "USB", "Storage", "Network", "Input", "Display",
                                              "Sound", "Misc", "CPU", "Watchdog", NULL };

    if (!type->doc || !type->doc[0]) {
        g_test_message("'%s' does not say what it is", type->name);
        g_test_fail();
    }
    if (rh_type_is(type, RH_TYPE_DEVICE) && !g_strv_contains(categories, category_of(type))) {
        g_test_message("'%s' is in category '%s', which help does not show", type->name, category_of(type));
        g_test_fail();
    }
    return true;
}

static void test_help(void)
{
    rh_type_foreach(check_help, NULL);
}

/* --- user-creatable objects --- */

/* What a type cannot do without. */
static json_object *needed_props(const RhType *type)
{
    json_object *props = json_object_new_object();

    if (rh_type_find_prop(type, "size")) {
        json_object_object_add(props, "size", json_object_new_int64(1 << 20));
    }
    if (rh_type_find_prop(type, "mem-path")) {
        json_object_object_add(props, "mem-path", json_object_new_string(g_get_tmp_dir()));
    }
    return props;
}

static bool visit_object(const RhType *type, void *opaque)
{
    g_autoptr(GError) err = NULL;
    RhVm *vm = opaque;
    json_object *props;

    if (type->is_abstract || !rh_type_is(type, RH_INTERFACE_USER_CREATABLE)) {
        return true;
    }
    props = needed_props(type);
    for (unsigned round = 0; round < 2; round++) {
        if (!rh_object_create(vm->root, vm, type->name, "it", props, &err)) {
            g_assert_nonnull(err);
            g_test_message("not visited: '%s': %s", type->name, err->message);
            break;
        }
        g_assert_false(rh_object_create(vm->root, vm, type->name, "it", props, &err) != NULL);
        g_clear_error(&err);
        rh_object_delete(vm->root, "it", &err);
        g_assert_no_error(err);
    }
    json_object_put(props);
    return true;
}

static void test_objects(void)
{
    g_autoptr(GError) err = NULL;
    RhVm *vm = rh_vm_new(&err);

    g_assert_no_error(err);
    rh_lock(&vm->lock);
    rh_type_foreach(visit_object, vm);
    rh_unlock(&vm->lock);
    rh_vm_free(vm);
}

/* --- which devices have a test of their own --- */

/* All text of the tests, this file aside. */
static void read_sources(const char *dir, GString *text)
{
    g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
    const char *name;

    while (list && (name = g_dir_read_name(list))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *content = NULL;

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            read_sources(path, text);
        } else if ((g_str_has_suffix(name, ".c") || g_str_has_suffix(name, ".py")) &&
                   !strstr(__FILE__, name) && g_file_get_contents(path, &content, NULL, NULL)) {
            g_string_append(text, content);
        }
    }
}

/* Named as a word: "virtio-rng-pci" does not speak of "virtio-rng-pci-transitional", nor "serial" of "isa-serial". */
static bool mentions(const char *text, const char *name)
{
    for (const char *at = text; (at = strstr(at, name)); at++) {
        char before = at > text ? at[-1] : ' ';
        char after = at[strlen(name)];

        if (!g_ascii_isalnum(before) && !strchr("-_", before) && !g_ascii_isalnum(after) && !strchr("-_", after)) {
            return true;
        }
    }
    return false;
}

static bool check_tested(const RhType *type, void *opaque)
{
    if (is_concrete_device(type) && !rh_type_is(type, "cpu") && !mentions(opaque, type->name)) {
        g_test_message("no test of its own: '%s'", type->name);
        g_test_fail();
    }
    return true;
}

static void test_tested(void)
{
    const char *dir = g_getenv("RHEA_TESTS");
    g_autoptr(GString) text = g_string_new(NULL);

    if (!dir) {
        g_test_skip("RHEA_TESTS does not say where the tests' sources are");
        return;
    }
    read_sources(dir, text);
    g_assert_true(mentions(text->str, "isa-serial"));
    rh_type_foreach(check_tested, text->str);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/every-type/coverage", test_coverage);
    g_test_add_func("/every-type/help", test_help);
    g_test_add_func("/every-type/devices", test_devices);
    g_test_add_func("/every-type/objects", test_objects);
    g_test_add_func("/every-type/tested", test_tested);
    return g_test_run();
}
