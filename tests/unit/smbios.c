/*
 * SMBIOS: what was built is decoded again, from the entry point on, as a guest does.
 */
#include "hw/i386/smbios.h"

#include <glib/gstdio.h>

#include "util/error.h"
#include "util/json.h"

static const RhE820Entry map[] = {
    { 0, 0xa0000, RH_E820_RAM },
    { 0x100000, 0x7ff00000, RH_E820_RAM },
    { UINT64_C(1) << 32, UINT64_C(30) << 30, RH_E820_RAM },
    { 0xf0000, 0x10000, RH_E820_RESERVED },
};

static bool find_pci(void *opaque, const char *id, uint16_t *seg, uint8_t *bus, uint8_t *devfn,
                     GError **err)
{
    if (strcmp(id, "nic")) {
        return rh_fail(err, "none");
    }
    *seg = 0;
    *bus = 1;
    *devfn = 0x18;
    return true;
}

static RhSmbiosConfig config(bool is_v3)
{
    static const RhSmbiosSlot slots[] = { { "PCIe 1", true, false, 0, 0, 0x10 } };

    return (RhSmbiosConfig){
        .is_v3 = is_v3,
        .manufacturer = "Maker",
        .product = "Board",
        .version = "q35",
        .uuid = "00112233-4455-6677-8899-aabbccddeeff",
        .sockets = 2,
        .cores = 300,
        .threads = 2,
        .processor_id = UINT64_C(0x0f8bfbff000106a5),
        .ram_size = UINT64_C(32) << 30,
        .map = map,
        .nr_map = RH_COUNT(map),
        .slots = slots,
        .nr_slots = 1,
        .find_pci = find_pci,
    };
}

static bool add(RhSmbios *s, const char *json, GError **err)
{
    g_autoptr(RhJson) option = rh_json_parse(json, err);

    g_assert_nonnull(option);
    return rh_smbios_add_option(s, option, err);
}

/* --- decoder --- */

static const uint8_t *next(const uint8_t *at)
{
    at += at[1];
    while (at[0] || at[1]) {
        at++;
    }
    return at + 2;
}

/* The @nr'th structure of @type; stops at the end marker, which must be where the table ends. */
static const uint8_t *find(const RhSmbios *s, unsigned type, unsigned nr)
{
    const GByteArray *table = rh_smbios_table(s);

    for (const uint8_t *at = table->data; at < table->data + table->len; at = next(at)) {
        if (at[0] == type && nr-- == 0) {
            return at;
        }
        if (at[0] == 127) {
            g_assert_true(next(at) == table->data + table->len);
            return NULL;
        }
    }
    g_error("no end marker");
}

static const char *text(const uint8_t *structure, unsigned at)
{
    const char *p = (const char *)structure + structure[1];

    if (!structure[at]) {
        return "";
    }
    for (unsigned nr = structure[at]; nr > 1; nr--) {
        p += strlen(p) + 1;
    }
    return p;
}

static uint8_t sum(const uint8_t *bytes, size_t len)
{
    uint8_t total = 0;

    for (size_t i = 0; i < len; i++) {
        total += bytes[i];
    }
    return total;
}

static void check_defaults(const RhSmbios *s, bool is_v3)
{
    g_assert_null(find(s, 0, 0));
    g_assert_null(find(s, 2, 0));
    const uint8_t *system = find(s, 1, 0);
    g_assert_cmpstr(text(system, 4), ==, "Maker");
    g_assert_cmpstr(text(system, 5), ==, "Board");
    g_assert_cmpmem(system + 8, 4, "\x33\x22\x11\x00", 4);
    g_assert_cmpmem(system + 16, 8, "\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 8);
    const uint8_t *cpu = find(s, 4, 1);
    g_assert_cmpuint(cpu[1], ==, is_v3 ? 48 : 42);
    g_assert_cmpuint(cpu[0x23], ==, 0xff);
    if (is_v3) {
        g_assert_cmpuint(rh_ld16(cpu + 0x2a), ==, 300);
        g_assert_cmpuint(rh_ld16(cpu + 0x2e), ==, 600);
    }
    g_assert_null(find(s, 4, 2));
    g_assert_cmpuint(rh_ld32(find(s, 16, 0) + 7), ==, 32u << 20);
    g_assert_cmpuint(rh_ld16(find(s, 17, 1) + 12), ==, 16384);
    g_assert_cmpstr(text(find(s, 17, 1), 16), ==, "DIMM 1");
    g_assert_cmpuint(rh_ld32(find(s, 19, 2) + 4), ==, 4u << 20);
    g_assert_null(find(s, 19, 3));
    g_assert_cmpstr(text(find(s, 9, 0), 4), ==, "PCIe 1");
}

static void test_v2(void)
{
    g_autoptr(RhSmbios) s = rh_smbios_new();
    RhSmbiosConfig c = config(false);

    g_assert_true(rh_smbios_build(s, &c, NULL));
    check_defaults(s, false);
    rh_smbios_place(s, 0xf1000);
    const uint8_t *e = rh_smbios_entry(s)->data;
    g_assert_cmpmem(e, 4, "_SM_", 4);
    g_assert_cmpuint(sum(e, 31), ==, 0);
    g_assert_cmpuint(sum(e + 16, 15), ==, 0);
    g_assert_cmphex(rh_ld32(e + 24), ==, 0xf1000);
    g_assert_cmpuint(rh_ld16(e + 22), ==, rh_smbios_table(s)->len);
    unsigned count = 0;
    for (const uint8_t *at = rh_smbios_table(s)->data;
         at < rh_smbios_table(s)->data + rh_smbios_table(s)->len; at = next(at)) {
        count++;
    }
    g_assert_cmpuint(rh_ld16(e + 28), ==, count);
}

static void test_v3(void)
{
    g_autoptr(RhSmbios) s = rh_smbios_new();
    RhSmbiosConfig c = config(true);

    g_assert_true(rh_smbios_build(s, &c, NULL));
    check_defaults(s, true);
    rh_smbios_place(s, UINT64_C(0x100000000));
    const uint8_t *e = rh_smbios_entry(s)->data;
    g_assert_cmpmem(e, 5, "_SM3_", 5);
    g_assert_cmpuint(sum(e, 24), ==, 0);
    g_assert_cmphex(rh_ld64(e + 16), ==, UINT64_C(0x100000000));
}

static void test_options(void)
{
    static const char *const options[] = {
        "{'type':'0','vendor':'v','release':'4.7','uefi':'on'}",
        "{'type':'1','serial':'s1','uuid':'ffeeddcc-bbaa-9988-7766-554433221100'}",
        "{'type':'1','family':'f','serial':'s2'}",
        "{'type':'2','asset':'a2','location':'l2'}",
        "{'type':'3','sku':'k3'}",
        "{'type':'4','sock_pfx':'S','max-speed':'0xbb8','processor-id':'5'}",
        "{'type':'8','internal_reference':'i','connector_type':'7'}",
        "{'type':'8','external_reference':'e','port_type':'8'}",
        "{'type':'11','value':['one','two']}",
        "{'type':'17','loc_pfx':'L','speed':'3200','part':'p'}",
        "{'type':'41','designation':'LAN','kind':'ethernet','instance':'3','pcidev':'nic'}",
    };
    g_autoptr(RhSmbios) s = rh_smbios_new();
    g_autoptr(GError) err = NULL;
    RhSmbiosConfig c = config(false);

    for (unsigned i = 0; i < RH_COUNT(options); i++) {
        g_autofree char *json = g_strdelimit(g_strdup(options[i]), "'", '"');
        g_assert_true(add(s, json, &err));
    }
    g_assert_true(rh_smbios_build(s, &c, &err));
    g_assert_cmpuint(find(s, 0, 0)[0x13] & 0x18, ==, 0x18);
    g_assert_cmpuint(rh_ld16(find(s, 0, 0) + 0x14), ==, 0x0704);
    g_assert_cmpstr(text(find(s, 1, 0), 7), ==, "s2");
    g_assert_cmpstr(text(find(s, 1, 0), 0x1a), ==, "f");
    g_assert_cmphex(find(s, 1, 0)[8], ==, 0xcc);
    g_assert_cmpstr(text(find(s, 2, 0), 10), ==, "l2");
    g_assert_cmpstr(text(find(s, 3, 0), 21), ==, "k3");
    g_assert_cmpstr(text(find(s, 4, 0), 4), ==, "S 0");
    g_assert_cmpuint(rh_ld16(find(s, 4, 0) + 0x14), ==, 3000);
    g_assert_cmpuint(rh_ld64(find(s, 4, 0) + 8), ==, 5);
    g_assert_cmpuint(find(s, 8, 0)[7], ==, 7);
    g_assert_cmpstr(text(find(s, 8, 1), 6), ==, "e");
    const uint8_t *oem = find(s, 11, 0);
    g_assert_cmpuint(oem[4], ==, 2);
    g_assert_cmpmem(oem + 5, 9, "one\0two\0", 9);
    g_assert_cmpuint(rh_ld16(find(s, 17, 0) + 0x15), ==, 3200);
    g_assert_cmpmem(find(s, 41, 0) + 5, 6, "\x85\x03\x00\x00\x01\x18", 6);
}

static void refused(const char *quoted, const char *words)
{
    g_autoptr(RhSmbios) s = rh_smbios_new();
    g_autoptr(GError) err = NULL;
    g_autofree char *json = g_strdelimit(g_strdup(quoted), "'", '"');

    g_assert_false(add(s, json, &err));
    if (!strstr(err->message, words)) {
        g_error("'%s' lacks '%s'", err->message, words);
    }
}

static void test_refused(void)
{
    refused("{}", "Must specify type= or file=");
    refused("{'type':'5'}", "type=5 has no fields");
    refused("{'type':'300'}", "300");
    refused("{'type':'1','colour':'red'}",
            "Invalid parameter 'colour', must be one of manufacturer");
    refused("{'type':'1','uuid':'x'}", "type=1,uuid=");
    refused("{'type':'0','release':'1'}", "must be major.minor");
    refused("{'type':'4','max-speed':'65536'}", "65536");
    refused("{'type':'11','value':''}", "the text is empty");
    refused("{'type':'11','path':'/nonexistent'}", "/nonexistent");
    refused("{'type':'41','kind':'toaster'}", "'toaster' is no kind");
    refused("{'file':'/nonexistent'}", "/nonexistent");

    g_autoptr(RhSmbios) s = rh_smbios_new();
    g_autoptr(GError) err = NULL;
    RhSmbiosConfig c = config(false);
    g_assert_true(add(s, "{\"type\":\"41\",\"pcidev\":\"disk\"}", NULL));
    g_assert_false(rh_smbios_build(s, &c, &err));
    g_assert_nonnull(strstr(err->message, "pcidev=disk"));
}

static bool add_file(RhSmbios *s, const void *bytes, size_t len, GError **err)
{
    g_autofree char *path = NULL;
    g_autofree char *json = NULL;
    int fd = g_file_open_tmp("smbios-XXXXXX", &path, NULL);
    bool good;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, bytes, (gssize)len, NULL));
    json = g_strdup_printf("{\"file\":\"%s\"}", path);
    good = add(s, json, err);
    g_unlink(path);
    return good;
}

static void test_files(void)
{
    static const uint8_t good[] = { 3, 5, 0, 3, 1, 'C', 0, 0, 221, 4, 0, 9, 0, 0 };
    g_autoptr(RhSmbios) s = rh_smbios_new();
    g_autoptr(GError) err = NULL;
    RhSmbiosConfig c = config(false);

    for (size_t cut = 0; cut < sizeof(good); cut++) {
        if (cut != 8) {
            g_autoptr(RhSmbios) other = rh_smbios_new();
            g_assert_false(add_file(other, good, cut, NULL));
        }
    }
    g_assert_true(add_file(s, good, sizeof(good), &err));
    g_assert_false(add(s, "{\"type\":\"3\",\"sku\":\"x\"}", &err));
    g_assert_nonnull(strstr(err->message, "already given by a file"));
    g_assert_true(rh_smbios_build(s, &c, NULL));
    g_assert_cmpstr(text(find(s, 3, 0), 4), ==, "C");
    g_assert_null(find(s, 3, 1));
    g_assert_nonnull(find(s, 221, 0));
}

/* A version 2.8 entry point counts to 65535. */
static void test_too_large(void)
{
    g_autofree char *big = g_strnfill(70000, 'x');
    g_autofree char *json = g_strdup_printf("{\"type\":\"11\",\"value\":\"%s\"}", big);

    for (int is_v3 = 0; is_v3 < 2; is_v3++) {
        g_autoptr(RhSmbios) s = rh_smbios_new();
        g_autoptr(GError) err = NULL;
        RhSmbiosConfig c = config(is_v3);
        g_assert_true(add(s, json, &err));
        g_assert_cmpint(rh_smbios_build(s, &c, &err), ==, is_v3);
        g_assert_true(is_v3 || strstr(err->message, "smbios-entry-point-type=64"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbios/v2", test_v2);
    g_test_add_func("/smbios/v3", test_v3);
    g_test_add_func("/smbios/options", test_options);
    g_test_add_func("/smbios/refused", test_refused);
    g_test_add_func("/smbios/files", test_files);
    g_test_add_func("/smbios/too-large", test_too_large);
    return g_test_run();
}
