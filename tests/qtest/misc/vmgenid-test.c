/*
 * vmgenid and vmcoreinfo: what firmware finds in fw_cfg, where it tells them to put and look for things, hostile answers,
 * reset, properties.  Spec: Microsoft "Virtual Machine Generation ID" (2012).
 */
#include <glib.h>
#include <string.h>
#include "libqtest-fw-cfg.h"

enum { REQUEST = 0x10000, BUFFER = 0x20000, GUID_AT = 40, GUID_LEN = 16, PAGE = 4096 };
#define GUID "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"
static const uint8_t guid[GUID_LEN] = { 0xaf, 0x6e, 0x4e, 0x32, 0xd1, 0xd1, 0xf6, 0x4b, 0xbf, 0x41, 0xb9, 0xbb,
                                        0x6c, 0x91, 0xfb, 0x87 };

static Qtest *start(void)
{
    return qtest_start("-M q35 -m 16 -nodefaults -device vmgenid,guid=" GUID " -device vmcoreinfo");
}

/* Write into a file as firmware does. */
static uint32_t put(Qtest *q, const char *name, const void *bytes, uint32_t len)
{
    uint32_t size = 0;
    uint16_t key = qfw_find(q, name, &size);

    g_assert_cmphex(key, !=, 0);
    qtest_memwrite(q, BUFFER, bytes, len);
    return qfw_dma(q, REQUEST, (uint32_t)key << 16 | QFW_SELECT_KEY | QFW_WRITE, len, BUFFER);
}

static bool has_guid(Qtest *q, uint64_t at)
{
    uint8_t found[GUID_LEN];

    qtest_memread(q, at, found, sizeof(found));
    return memcmp(found, guid, sizeof(guid)) == 0;
}

static void test_guid(void)
{
    static const uint8_t address[8] = { GUID_AT, 0x30 };
    Qtest *q = start();
    uint8_t page[PAGE];
    uint32_t len = 0;

    qtest_outw(q, QFW_SELECT, qfw_find(q, "etc/vmgenid_guid", &len));
    g_assert_cmpuint(len, ==, PAGE);
    qfw_bytes(q, page, sizeof(page));
    g_assert_cmpmem(page + GUID_AT, GUID_LEN, guid, GUID_LEN);
    g_assert_cmphex(put(q, "etc/vmgenid_guid", address, 8), ==, QFW_ERROR);     /* RO */
    g_assert_false(has_guid(q, 0x3000 + GUID_AT));
    g_assert_cmphex(put(q, "etc/vmgenid_addr", address, 8), ==, 0);
    g_assert_true(has_guid(q, 0x3000 + GUID_AT));
    qtest_reset(q);
    qtest_command(q, "memset 0x3000 0x1000 0x0");
    g_assert_cmphex(put(q, "etc/vmgenid_addr", "\0\0\0\0\0\0\0\0", 8), ==, 0);  /* none: nothing is written */
    g_assert_false(has_guid(q, 0x3000 + GUID_AT));
    g_assert_cmphex(put(q, "etc/vmgenid_addr", address, 8), ==, 0);             /* firmware ran again */
    g_assert_true(has_guid(q, 0x3000 + GUID_AT));
    qtest_quit(q);
}

/* Places where there is no memory, or something else. */
static void test_hostile(void)
{
    static const uint64_t bad[] = { UINT64_MAX, UINT64_MAX - 7, 0xfec00000, 0xfed00000, 0x510, 0xfffffff8, (16 << 20) - 8 };
    Qtest *q = start();

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint64_t address = GUINT64_TO_LE(bad[i]);

        put(q, "etc/vmgenid_addr", &address, 8);
    }
    g_assert_cmphex(put(q, "etc/vmgenid_addr", "123456789", 9), ==, QFW_ERROR);
    put(q, "etc/vmgenid_addr", "\x28", 1);              /* a part of it */
    qtest_quit(q);
}

static void test_vmcoreinfo(void)
{
    static const uint8_t note[16] = { 1, 0, 1, 0, 0x34, 0x12, 0, 0, 0, 0x10, 0x20 };
    Qtest *q = start();
    uint8_t found[16];
    uint32_t len = 0;
    uint16_t key = qfw_find(q, "etc/vmcoreinfo", &len);

    g_assert_cmpuint(len, ==, sizeof(note));
    qtest_outw(q, QFW_SELECT, key);
    qfw_bytes(q, found, sizeof(found));
    g_assert_cmphex(found[0], ==, 1);                   /* the format that we understand: ELF notes */
    g_assert_cmphex(found[2], ==, 0);
    g_assert_cmphex(put(q, "etc/vmcoreinfo", note, sizeof(note)), ==, 0);
    qtest_outw(q, QFW_SELECT, key);
    qfw_bytes(q, found, sizeof(found));
    g_assert_cmpmem(found, sizeof(found), note, sizeof(note));
    qtest_reset(q);                                     /* the notes are of a kernel that is gone */
    qtest_outw(q, QFW_SELECT, key);
    qfw_bytes(q, found, sizeof(found));
    g_assert_cmphex(found[4], ==, 0);
    g_assert_cmphex(found[0], ==, 1);
    qtest_quit(q);
}

static void test_properties(void)
{
    qtest_refused("-M q35 -device vmgenid,guid=abc", "guid");
    qtest_refused("-M none -device vmgenid", "fw_cfg");
    qtest_refused("-M none -device vmcoreinfo", "fw_cfg");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmgenid/guid", test_guid);
    g_test_add_func("/vmgenid/hostile", test_hostile);
    g_test_add_func("/vmgenid/vmcoreinfo", test_vmcoreinfo);
    g_test_add_func("/vmgenid/properties", test_properties);
    return g_test_run();
}
