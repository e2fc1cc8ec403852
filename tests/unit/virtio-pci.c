/*
 * The PCI transport on a q35 without vCPUs: identity and layout as drivers know them, the modern and the legacy
 * interface up to random bytes in a buffer, the configuration window, vectors, properties of the device behind.
 */
#include "board-rig.h"
#include "hw/i386/q35.h"
#include "hw/virtio/pci.h"
#include "softmmu/runstate.h"

static void set_up(Board *f, gconstpointer data)
{
    board_begin(f, "q35", "qtest");
    rh_vm_start(f->vm);
}

static void tear_down(Board *f, gconstpointer data)
{
    board_end(f);
}

enum { BAR4 = 0xc0000000, COMMON = BAR4, ISR = BAR4 + 0x1000, NOTIFY = BAR4 + 0x3000, BAR1 = 0xd0000000, BAR0 = 0xc000 };

static void map_bars(Board *f, unsigned slot)
{
    board_config_write(f, 0, slot << 3, 0x10, 4, BAR0);
    board_config_write(f, 0, slot << 3, 0x14, 4, BAR1);
    board_config_write(f, 0, slot << 3, 0x20, 4, BAR4);
    board_config_write(f, 0, slot << 3, 0x24, 4, 0);
    board_config_write(f, 0, slot << 3, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_IO | RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
}

/* What drivers and firmware see, word by word as the machines in use have it. */
static void test_identity(Board *f, gconstpointer data)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } transitional[] = {
        { 0x00, 0x10051af4 }, { 0x08, 0x00ff0000 }, { 0x2c, 0x00041af4 }, { 0x34, 0x98 }, { 0x3c, 0x0100 },
        { 0x40, 0x01100009 }, { 0x44, 4 }, { 0x48, 0 }, { 0x4c, 0x1000 },
        { 0x50, 0x03104009 }, { 0x58, 0x1000 }, { 0x5c, 0x1000 },
        { 0x60, 0x04105009 }, { 0x68, 0x2000 }, { 0x6c, 0x1000 },
        { 0x70, 0x02146009 }, { 0x78, 0x3000 }, { 0x7c, 0x1000 }, { 0x80, 4 },
        { 0x84, 0x05147009 }, { 0x98, 0x00018411 }, { 0x9c, 0x00000001 }, { 0xa0, 0x00000801 },
    }, modern[] = {
        { 0x00, 0x10441af4 }, { 0x08, 0x00ff0001 }, { 0x2c, 0x11001af4 }, { 0x34, 0x98 }, { 0x98, 0x00018411 },
    };

    board_must_add(f, "{'driver': 'virtio-rng', 'addr': '2'}");
    board_must_add(f, "{'driver': 'virtio-rng-pci-non-transitional', 'addr': '3'}");
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '4', 'disable-legacy': 'on', 'page-per-vq': true}");
    for (size_t i = 0; i < RH_COUNT(transitional); i++) {
        g_assert_cmphex(board_config_read(f, 0, 2 << 3, transitional[i].at, 4), ==, transitional[i].value);
    }
    for (size_t i = 0; i < RH_COUNT(modern); i++) {
        g_assert_cmphex(board_config_read(f, 0, 3 << 3, modern[i].at, 4), ==, modern[i].value);
    }
    for (unsigned slot = 2; slot < 5; slot++) {
        for (unsigned bar = 0x10; bar < 0x28; bar += 4) {
            board_config_write(f, 0, slot << 3, bar, 4, UINT32_MAX);
        }
    }
    g_assert_cmphex(board_config_read(f, 0, 2 << 3, 0x10, 4), ==, 0xffffffe1);
    g_assert_cmphex(board_config_read(f, 0, 2 << 3, 0x14, 4), ==, 0xfffff000);
    g_assert_cmphex(board_config_read(f, 0, 2 << 3, 0x20, 4), ==, 0xffffc00c);
    g_assert_cmphex(board_config_read(f, 0, 3 << 3, 0x10, 4), ==, 0);
    g_assert_cmphex(board_config_read(f, 0, 4 << 3, 0x20, 4), ==, 0xff80000c);
    g_assert_cmphex(board_config_read(f, 0, 4 << 3, 0x7c, 4), ==, 0x00400000);
    g_assert_cmphex(board_config_read(f, 0, 4 << 3, 0x80, 4), ==, 0x1000);
}

enum { RING = 0x100000, BUFFER = 0x200000, LEN = 256 };

/* One buffer of a split ring of @size at RING: table, available ring behind it, used ring at @used. */
static void offer(Board *f, unsigned size, uint16_t idx)
{
    uint64_t avail = RING + 16 * size;

    board_store(f, RING, BUFFER, 8);
    board_store(f, RING + 8, LEN, 4);
    board_store(f, RING + 12, 2, 2);
    board_store(f, avail + 4 + 2 * (idx % size), 0, 2);
    board_store(f, avail + 2, idx + 1u, 2);
}

static bool is_random(Board *f)
{
    unsigned nr_zeroes = 0;

    for (unsigned i = 0; i < LEN; i++) {
        nr_zeroes += board_load(f, BUFFER + i, 1) == 0;
    }
    return nr_zeroes < LEN / 4;
}

static void modern_up(Board *f, uint16_t vector)
{
    board_store(f, COMMON + 20, 0, 1);
    board_store(f, COMMON + 20, 3, 1);
    board_store(f, COMMON + 8, 1, 4);
    board_store(f, COMMON + 12, 1, 4);            /* VERSION_1 alone */
    board_store(f, COMMON + 20, 11, 1);
    g_assert_cmphex(board_load(f, COMMON + 20, 1), ==, 11);
    board_store(f, COMMON + 22, 0, 2);
    g_assert_cmpuint(board_load(f, COMMON + 24, 2), ==, 8);
    board_store(f, COMMON + 26, vector, 2);
    board_store(f, COMMON + 32, RING, 8);
    board_store(f, COMMON + 40, RING + 128, 4);
    board_store(f, COMMON + 44, 0, 4);
    board_store(f, COMMON + 48, RING + 0x1000, 8);
    g_assert_cmphex(board_load(f, COMMON + 32, 8), ==, RING);
    board_store(f, COMMON + 28, 1, 2);
    board_store(f, COMMON + 20, 15, 1);
}

static void test_modern(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    map_bars(f, 2);
    g_assert_cmpuint(board_load(f, COMMON + 18, 2), ==, 1);
    modern_up(f, 0);
    g_assert_cmphex(board_load(f, COMMON + 26, 2), ==, 0);
    offer(f, 8, 0);
    board_store(f, NOTIFY, 0, 2);
    board_turn(f);
    g_assert_cmpuint(board_load(f, RING + 0x1002, 2), ==, 1);
    g_assert_cmpuint(board_load(f, RING + 0x1008, 4), ==, LEN);
    g_assert_true(is_random(f));
    g_assert_cmpuint(board_config_read(f, 0, 2 << 3, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, !=, 0);     /* MSI-X is off */
    g_assert_cmpuint(board_load(f, ISR, 1), ==, 1);
    g_assert_cmpuint(board_load(f, ISR, 1), ==, 0);
    g_assert_cmpuint(board_config_read(f, 0, 2 << 3, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, ==, 0);
    board_store(f, COMMON + 20, 0, 1);
    g_assert_cmphex(board_load(f, COMMON + 26, 2), ==, 0xffff);
}

static void test_needs_version_1(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    map_bars(f, 2);
    board_store(f, COMMON + 20, 3, 1);
    board_store(f, COMMON + 20, 11, 1);
    g_assert_cmphex(board_load(f, COMMON + 20, 1), ==, 3);
}

static void test_vectors(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    map_bars(f, 2);
    board_config_write(f, 0, 2 << 3, 0x9a, 2, RH_PCI_MSIX_ENABLE);
    board_store(f, COMMON + 16, 2, 2);
    g_assert_cmphex(board_load(f, COMMON + 16, 2), ==, 0xffff);    /* there are two */
    board_store(f, COMMON + 16, 1, 2);
    g_assert_cmphex(board_load(f, COMMON + 16, 2), ==, 1);
    modern_up(f, 1);
    offer(f, 8, 0);
    board_store(f, NOTIFY, 0, 2);
    board_turn(f);
    g_assert_cmphex(board_load(f, BAR1 + 0x800, 4), ==, 2);       /* vector 1 is masked after reset: pending */
    g_assert_cmpuint(board_load(f, ISR, 1), ==, 0);
}

static void test_legacy(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci-transitional', 'addr': '2'}");
    map_bars(f, 2);
    board_out(f, BAR0 + 18, 0, 1);
    board_out(f, BAR0 + 18, 3, 1);
    g_assert_cmphex(board_in(f, BAR0, 4), ==, 0x39000000);
    board_out(f, BAR0 + 4, 0, 4);
    board_out(f, BAR0 + 14, 0, 2);
    g_assert_cmpuint(board_in(f, BAR0 + 12, 2), ==, 8);
    board_out(f, BAR0 + 8, RING >> 12, 4);
    g_assert_cmphex(board_in(f, BAR0 + 8, 4), ==, RING >> 12);
    board_out(f, BAR0 + 18, 7, 1);
    offer(f, 8, 0);
    board_out(f, BAR0 + 16, 0, 2);
    board_turn(f);
    g_assert_cmpuint(board_load(f, RING + 0x1002, 2), ==, 1);
    g_assert_true(is_random(f));
    g_assert_cmpuint(board_in(f, BAR0 + 19, 1), ==, 1);
    board_out(f, BAR0 + 14, 1, 2);
    g_assert_cmpuint(board_in(f, BAR0 + 12, 2), ==, 0);
}

/* A driver of old that kicks before it says that it is ready. */
static void test_early_kick(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    map_bars(f, 2);
    board_out(f, BAR0 + 18, 3, 1);
    board_out(f, BAR0 + 8, RING >> 12, 4);
    offer(f, 8, 0);
    board_out(f, BAR0 + 16, 0, 2);
    board_turn(f);
    g_assert_cmpuint(board_load(f, RING + 0x1002, 2), ==, 1);
}

static void test_window(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    board_config_write(f, 0, 2 << 3, 0x88, 1, 4);
    board_config_write(f, 0, 2 << 3, 0x8c, 4, 20);
    board_config_write(f, 0, 2 << 3, 0x90, 4, 1);
    board_config_write(f, 0, 2 << 3, 0x94, 1, 1);
    g_assert_cmphex(board_config_read(f, 0, 2 << 3, 0x94, 1), ==, 1);
    board_config_write(f, 0, 2 << 3, 0x8c, 4, 18);
    board_config_write(f, 0, 2 << 3, 0x90, 4, 2);
    g_assert_cmphex(board_config_read(f, 0, 2 << 3, 0x94, 2), ==, 1);
    board_config_write(f, 0, 2 << 3, 0x90, 4, 3);                         /* no such width, beyond the end: nothing happens */
    board_config_read(f, 0, 2 << 3, 0x94, 4);
    board_config_write(f, 0, 2 << 3, 0x90, 4, 4);
    board_config_write(f, 0, 2 << 3, 0x8c, 4, 0x7ffffffc);
    board_config_read(f, 0, 2 << 3, 0x94, 4);
    board_config_write(f, 0, 2 << 3, 0x94, 4, 1);
}

static void test_properties(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    RhDevice *dev = board_must_add(f, "{'driver': 'virtio-rng-pci', 'id': 'r', 'max-bytes': 100, 'period': 5, 'packed': true}");
    json_object *value;

    g_assert_true(rh_object_get(&dev->obj, "max-bytes", &value, &error));
    g_assert_cmpint(json_object_get_int64(value), ==, 100);
    json_object_put(value);
    g_assert_true(rh_object_get(rh_object_child(&dev->obj, "virtio-backend"), "period", &value, &error));
    g_assert_cmpint(json_object_get_int64(value), ==, 5);
    json_object_put(value);
    g_assert_null(board_add(f, "{'driver': 'virtio-rng-pci', 'period': 0}", &error));
    g_assert_cmpstr(error->message, ==, "'period' parameter expects a positive integer");
    g_clear_error(&error);
    g_assert_null(board_add(f, "{'driver': 'virtio-rng-pci', 'disable-legacy': 'on', 'disable-modern': true}", &error));
    g_assert_cmpstr(error->message, ==, "device cannot work as neither modern nor legacy mode is enabled");
    g_clear_error(&error);
    g_assert_null(board_add(f, "{'driver': 'virtio-rng-pci', 'ats': true}", &error));
    g_assert_cmpstr(error->message, ==, "Property 'virtio-rng-pci.ats' is on, which is not supported yet");
    g_clear_error(&error);
    g_assert_null(board_add(f, "{'driver': 'virtio-rng-pci', 'iommu_platform': true}", &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_null(board_add(f, "{'driver': 'virtio-rng-pci-non-transitional', 'disable-legacy': 'on'}", &error));
    g_assert_nonnull(error);
}

/* Through a save, a reset and a load the driver's rings go on. */
static void test_save_load(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) proxy = g_byte_array_new();
    g_autoptr(GByteArray) backend = g_byte_array_new();
    RhDevice *dev = board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    RhDevice *child = RH_SELF(RhDevice, rh_object_child(&dev->obj, "virtio-backend"));
    size_t pos = 0;

    map_bars(f, 2);
    modern_up(f, RH_VIRTQ_NO_VECTOR);
    offer(f, 8, 0);
    board_store(f, NOTIFY, 0, 2);
    board_turn(f);
    rh_vm_stop(f->vm, QMP_RUN_STATE_PAUSED);
    rh_device_save(dev, proxy);
    rh_device_save(child, backend);
    rh_device_reset(dev);
    g_assert_true(rh_device_load(dev, proxy->data, proxy->len, &pos, &error));
    g_assert_no_error(error);
    pos = 0;
    g_assert_true(rh_device_load(child, backend->data, backend->len, &pos, &error));
    g_assert_no_error(error);
    rh_vm_start(f->vm);
    g_assert_cmphex(board_load(f, COMMON + 20, 1), ==, 15);
    offer(f, 8, 1);
    board_store(f, NOTIFY, 0, 2);
    board_turn(f);
    g_assert_cmpuint(board_load(f, RING + 0x1002, 2), ==, 2);
}

static void test_bus_master(Board *f, gconstpointer data)
{
    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2'}");
    map_bars(f, 2);
    modern_up(f, 0);
    board_config_write(f, 0, 2 << 3, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    offer(f, 8, 0);
    board_store(f, NOTIFY, 0, 2);
    board_turn(f);
    g_assert_cmpuint(board_load(f, RING + 0x1002, 2), ==, 0);
    board_config_write(f, 0, 2 << 3, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
    board_turn(f);
    g_assert_cmpuint(board_load(f, RING + 0x1002, 2), ==, 1);
    g_assert_cmphex(board_load(f, COMMON + 20, 1), ==, 15);
}

static void test_random(Board *f, gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(41);

    board_must_add(f, "{'driver': 'virtio-rng-pci', 'addr': '2', 'packed': true}");
    map_bars(f, 2);
    for (unsigned i = 0; i < 30000; i++) {
        unsigned size = 1u << g_rand_int_range(rand, 0, 4);
        uint64_t at = (unsigned)g_rand_int_range(rand, 0, 64) & ~(size - 1);
        uint64_t value = g_rand_boolean(rand) ? g_rand_int(rand) : (uint64_t)g_rand_int_range(rand, 0, 16);

        switch (g_rand_int_range(rand, 0, 6)) {
        case 0:  board_out(f, BAR0 + (at & 31), value, MIN(size, 4)); break;
        case 1:  board_in(f, BAR0 + (at & 31), MIN(size, 4)); break;
        case 2:  board_load(f, BAR4 + at, size); break;
        case 3:  board_store(f, BAR4 + 0x1000 * (uint64_t)g_rand_int_range(rand, 0, 4) + at, value, size); break;
        default: board_store(f, COMMON + at, value, size); break;
        }
        if (i % 64 == 0) {
            board_turn(f);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Board *f, gconstpointer data);
    } tests[] = {
        { "identity", test_identity }, { "modern", test_modern }, { "needs-version-1", test_needs_version_1 },
        { "vectors", test_vectors }, { "legacy", test_legacy }, { "early-kick", test_early_kick },
        { "window", test_window }, { "properties", test_properties }, { "save-load", test_save_load },
        { "bus-master", test_bus_master }, { "random", test_random },
    };

    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    for (size_t i = 0; i < RH_COUNT(tests); i++) {
        g_autofree char *name = g_strdup_printf("/virtio/pci/%s", tests[i].name);

        g_test_add(name, Board, NULL, set_up, tests[i].run, tear_down);
    }
    return g_test_run();
}
