/*
 * Small devices between machine and guest: pvpanic, vmcoreinfo, vmgenid.
 */
#include "hw-harness.h"
#include "hw/nvram/fw_cfg.h"
#include "softmmu/runstate.h"

enum { SELECTOR = 0x510, DATA = 0x511, DMA_LOW = 0x518, KEY_DIR = 0x19, DIR_ENTRY = 64, NAME_AT = 8 };

/* Key of file @name by the directory, as firmware looks it up; 0: none */
static uint16_t find_file(Harness *h, const char *name, uint32_t *ret_size)
{
    uint8_t entry[DIR_ENTRY];
    uint32_t nr = 0;

    harness_out(h, SELECTOR, 2, KEY_DIR);
    for (unsigned i = 0; i < 4; i++) {
        nr = nr << 8 | harness_in(h, DATA, 1);
    }
    while (nr--) {
        for (unsigned i = 0; i < DIR_ENTRY; i++) {
            entry[i] = harness_in(h, DATA, 1);
        }
        if (!strcmp((char *)entry + NAME_AT, name)) {
            *ret_size = (uint32_t)entry[2] << 8 | entry[3];
            return entry[4] << 8 | entry[5];
        }
    }
    return 0;
}

static void test_pvpanic(void)
{
    static const char *const props[] = { "ioport", "0x600", "events", "1", NULL };
    static const char *const bad[] = { "events", "4", NULL };
    g_autoptr(GError) err = NULL;
    uint32_t size;
    uint16_t key;
    Harness h;

    harness_begin(&h);
    harness_add(&h, "fw_cfg", RH_TYPE_FW_CFG_IO, NULL);
    g_assert_null(rh_device_create(h.vm, h.vm->machine, "bad", "pvpanic", &h.isa->parent, bad, &err));
    g_assert_nonnull(strstr(err->message, "events"));
    g_assert_cmpuint(find_file(&h, "etc/pvpanic-port", &size), ==, 0);
    harness_add(&h, "it", "pvpanic", props);
    g_assert_cmphex(harness_in(&h, 0x600, 1), ==, 0x01);
    g_assert_cmphex(harness_in(&h, 0x505, 1), ==, 0xff);
    harness_out(&h, 0x600, 1, 0xf0);                    /* unknown events: nothing happens */
    g_assert_cmphex(harness_in(&h, 0x600, 1), ==, 0x01);
    key = find_file(&h, "etc/pvpanic-port", &size);
    g_assert_cmpuint(key, !=, 0);
    g_assert_cmpuint(size, ==, 2);
    harness_out(&h, SELECTOR, 2, key);
    g_assert_cmphex(harness_in(&h, DATA, 1), ==, 0x00);
    g_assert_cmphex(harness_in(&h, DATA, 1), ==, 0x06);
    harness_end(&h);
}

static void test_vmcoreinfo(void)
{
    static const uint8_t note[16] = { 1, 0, 1, 0, 0x34, 0x12, 0, 0, 0, 0x10, 0x20 };
    uint32_t access[4] = { 0, GUINT32_TO_BE(sizeof(note)), 0, GUINT32_TO_BE(0x2000) };
    RhDevice *dev;
    uint32_t size;
    uint16_t key;
    Harness h;

    harness_begin(&h);
    harness_add(&h, "fw_cfg", RH_TYPE_FW_CFG_IO, NULL);
    dev = harness_add(&h, "it", "vmcoreinfo", NULL);
    key = find_file(&h, "etc/vmcoreinfo", &size);
    g_assert_cmpuint(key, !=, 0);
    g_assert_cmpuint(size, ==, 16);
    harness_out(&h, SELECTOR, 2, key);
    g_assert_cmphex(harness_in(&h, DATA, 1), ==, 1);    /* we understand ELF notes */
    access[0] = GUINT32_TO_BE((uint32_t)key << 16 | 8 | 0x10);
    rh_space_write(h.vm->memory, 0x1000, access, sizeof(access));
    rh_space_write(h.vm->memory, 0x2000, note, sizeof(note));
    harness_out(&h, DMA_LOW, 4, GUINT32_TO_BE(0x1000));
    harness_out(&h, SELECTOR, 2, key);
    for (unsigned i = 0; i < sizeof(note); i++) {
        g_assert_cmphex(harness_in(&h, DATA, 1), ==, note[i]);
    }
    harness_round_trip(&h, dev);
    rh_device_reset(dev);                               /* the notes are of a kernel that is gone */
    harness_out(&h, SELECTOR, 2, key);
    for (unsigned i = 0; i < sizeof(note); i++) {
        g_assert_cmphex(harness_in(&h, DATA, 1), ==, i == 0);
    }
    harness_end(&h);
}

/* Firmware tells where it put the GUID; from then on the device keeps it right there. */
static void test_vmgenid(void)
{
    static const char *const props[] = { "guid", "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87", NULL };
    static const uint8_t guid[16] = { 0xaf, 0x6e, 0x4e, 0x32, 0xd1, 0xd1, 0xf6, 0x4b, 0xbf, 0x41, 0xb9, 0xbb,
                                      0x6c, 0x91, 0xfb, 0x87 };
    static const uint8_t address[8] = { 0x28, 0x30 };
    static const uint8_t old[16] = { 1 };
    uint32_t access[4] = { 0, GUINT32_TO_BE(sizeof(address)), 0, GUINT32_TO_BE(0x2000) };
    uint8_t found[16];
    RhDevice *dev;
    uint32_t size;
    uint16_t key;
    Harness h;

    harness_begin(&h);
    harness_add(&h, "fw_cfg", RH_TYPE_FW_CFG_IO, NULL);
    dev = harness_add(&h, "it", "vmgenid", props);
    key = find_file(&h, "etc/vmgenid_guid", &size);
    g_assert_cmpuint(size, ==, 4096);
    harness_out(&h, SELECTOR, 2, key);
    for (unsigned i = 0; i < 40 + sizeof(guid); i++) {
        g_assert_cmphex(harness_in(&h, DATA, 1), ==, i < 40 ? 0 : guid[i - 40]);
    }
    key = find_file(&h, "etc/vmgenid_addr", &size);
    g_assert_cmpuint(size, ==, 8);
    access[0] = GUINT32_TO_BE((uint32_t)key << 16 | 8 | 0x10);
    rh_space_write(h.vm->memory, 0x1000, access, sizeof(access));
    rh_space_write(h.vm->memory, 0x2000, address, sizeof(address));
    harness_out(&h, DMA_LOW, 4, GUINT32_TO_BE(0x1000));
    rh_space_read(h.vm->memory, 0x3028, found, sizeof(found));
    g_assert_cmpmem(found, sizeof(found), guid, sizeof(guid));
    rh_space_write(h.vm->memory, 0x3028, old, sizeof(old));
    harness_round_trip(&h, dev);                        /* a load renews it */
    rh_space_read(h.vm->memory, 0x3028, found, sizeof(found));
    g_assert_cmpmem(found, sizeof(found), guid, sizeof(guid));
    harness_end(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/hw/misc/pvpanic", test_pvpanic);
    g_test_add_func("/hw/misc/vmcoreinfo", test_vmcoreinfo);
    g_test_add_func("/hw/misc/vmgenid", test_vmgenid);
    return g_test_run();
}
