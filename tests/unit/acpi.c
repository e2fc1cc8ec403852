/*
 * ACPI: byte code against the grammar's bytes, whole tables against iasl, both ways of publishing.
 */
#include <glib/gstdio.h>

#include "hw/i386/acpi-config.h"

/* --- byte code --- */

static void expect(RhAml *a, const void *bytes, size_t len)
{
    g_autoptr(GByteArray) out = rh_aml_take(a);

    g_assert_cmpmem(out->data, out->len, bytes, len);
}
#define EXPECT(a, ...)                                                                             \
    expect(a, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void test_terms(void)
{
    RhAml a;

    rh_aml_init(&a);
    rh_aml_int(&a, 0);
    rh_aml_int(&a, 0xff);
    rh_aml_int(&a, 0x100);
    rh_aml_int(&a, 0x10000);
    rh_aml_int(&a, UINT64_C(0x100000000));
    EXPECT(&a, 0, 0x0a, 0xff, 0x0b, 0, 1, 0x0c, 0, 0, 1, 0, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0);
    rh_aml_init(&a);
    rh_aml_ref(&a, "\\_SB.PCI0.A");
    rh_aml_ref(&a, "^AB.C");
    rh_aml_ref(&a, "\\");
    EXPECT(&a, '\\', 0x2f, 3, '_', 'S', 'B', '_', 'P', 'C', 'I', '0', 'A', '_', '_', '_', '^', 0x2e,
           'A', 'B', '_', '_', 'C', '_', '_', '_', '\\', 0);
    rh_aml_init(&a);
    rh_aml_eisaid(&a, "PNP0A08");
    EXPECT(&a, 0x0c, 0x41, 0xd0, 0x0a, 0x08);
    rh_aml_init(&a);
    rh_aml_uuid(&a, "33db4d5b-1ff7-401c-9657-7441c03dd766");
    EXPECT(&a, 0x11, 0x13, 0x0a, 16, 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57,
           0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66);
}

/* A package length counts itself and grows with what it counts: 62 bytes fit in one, 63 do not. */
static void test_lengths(void)
{
    static const struct {
        unsigned body, head;
        uint8_t first;
    } rows[] = {
        { 62, 1, 0x3f },    { 63, 2, 0x41 },      { 0xffd, 2, 0x4f },
        { 0xffe, 3, 0x81 }, { 0xffffc, 3, 0x8f }, { 0xffffd, 4, 0xc1 },
    };

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhAml a;
        g_autofree char *body = g_malloc0(rows[i].body);
        rh_aml_init(&a);
        rh_aml_else_begin(&a);
        rh_aml_raw(&a, body, rows[i].body);
        rh_aml_end(&a);
        g_autoptr(GByteArray) out = rh_aml_take(&a);
        g_assert_cmpuint(out->len, ==, 1 + rows[i].head + rows[i].body);
        g_assert_cmphex(out->data[1], ==, rows[i].first);
    }
}

static void test_resources(void)
{
    RhAml a;
    uint32_t gsi = 16;

    rh_aml_init(&a);
    rh_aml_resources_begin(&a);
    rh_aml_res_io(&a, 0x70, 0x70, 1, 8);
    rh_aml_res_irq(&a, 8);
    rh_aml_res_interrupts(&a, RH_AML_INT_SHARED, &gsi, 1);
    rh_aml_end(&a);
    EXPECT(&a, 0x11, 25, 0x0a, 22, 0x47, 1, 0x70, 0, 0x70, 0, 1, 8, 0x22, 0, 1, 0x89, 6, 0, 9, 1,
           16, 0, 0, 0, 0x79, 0);
    rh_aml_init(&a);
    rh_aml_resources_begin(&a);
    rh_aml_res_bus_window(&a, 0, 255);
    rh_aml_end(&a);
    EXPECT(&a, 0x11, 21, 0x0a, 18, 0x88, 13, 0, 2, 0x0c, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 1, 0x79,
           0);
}

/* --- machines --- */

static const RhMadtCpu cpus[] = { { 0, 0, true }, { 1, 1, true }, { 300, 2, true } };
static const RhMadtIoapic ioapic = { 0, 0xfec00000, 0 };
static const RhMadtOverride overrides[] = { { 0, 2, RH_MADT_BUS_DEFAULT },
                                            { 9, 9, RH_MADT_LEVEL_HIGH } };
static const RhAcpiDevice isa[] = {
    RH_ACPI_RTC,
    RH_ACPI_KBD,
    RH_ACPI_MOUSE,
    RH_ACPI_FW_CFG,
    RH_ACPI_PVPANIC(0x505),
    RH_ACPI_SERIAL(0, "COM1", 0x3f8, 4),
};
static const RhAcpiDevice virtio[] = {
    RH_ACPI_VIRTIO_MMIO(0, "VR00", 0xfeb00000, 0x200, 16),
    RH_ACPI_SERIAL(0, "COM1", 0x3f8, 4),
};
static const RhAcpiWindow windows[] = {
    { 0xc0000000, 0xfebfffff, false },
    { UINT64_C(0x100000000), UINT64_C(0x8ffffffff), true },
};
static const RhSratCpu numa_cpus[] = { { 0, 0 }, { 1, 1 }, { 300, 1 } };
static const RhSratMemory numa_memory[] = { { 0, 0x8000000, 0, false },
                                            { 0x8000000, 0x8000000, 1, false } };
static const uint8_t distances[] = { 10, 20, 20, 10 };

static RhAcpi *q35(uint32_t vmgenid)
{
    RhAcpiPcConfig c = {
        .madt = { cpus, RH_COUNT(cpus), &ioapic, 1, overrides, RH_COUNT(overrides), true },
        .numa = { 2, numa_cpus, RH_COUNT(numa_cpus), numa_memory, RH_COUNT(numa_memory),
                  distances },
        .pci = { .ecam_base = 0xb0000000,
                 .ecam_size = 0x10000000,
                 .windows = windows,
                 .nr_windows = RH_COUNT(windows),
                 .has_vga_window = true,
                 .has_io = true,
                 .has_hotplug = true,
                 .gsi_base = 16 },
        .pm_base = 0x600,
        .smi_port = 0xb2,
        .acpi_enable = 2,
        .acpi_disable = 3,
        .sci = 9,
        .isa = isa,
        .nr_isa = RH_COUNT(isa),
        .hpet_base = 0xfed00000,
        .hpet_id = 0x8086a201,
        .has_8042 = true,
        .has_s3 = true,
        .has_s4 = true,
        .s4_type = 2,
        .has_vmgenid = true,
        .vmgenid_addr = vmgenid,
    };

    rh_acpi_q35_links(c.pci.link);
    return rh_acpi_build_q35(&c);
}

static RhAcpi *microvm(void)
{
    RhAcpiMicrovmConfig c = {
        .madt = { cpus, 2, &ioapic, 1, NULL, 0, false },
        .devices = virtio,
        .nr_devices = RH_COUNT(virtio),
        .ged_base = 0xfea00000,
        .ged_gsi = 9,
        .sleep_base = 0xfea02000,
        .reset_value = 0x42,
        .pci = { .ecam_base = 0xe0000000,
                 .ecam_size = 0x10000000,
                 .windows = windows,
                 .nr_windows = 1,
                 .gsi_base = 16 },
    };

    rh_acpi_q35_links(c.pci.link);
    return rh_acpi_build_microvm(&c);
}

/* --- a reader of placed tables, as a guest is one --- */

static const uint8_t *placed(const RhAcpi *acpi, uint64_t gpa, size_t len)
{
    const GPtrArray *files = rh_acpi_files(acpi);

    for (guint i = 0; i < files->len; i++) {
        const RhAcpiFile *f = g_ptr_array_index(files, i);
        if (gpa >= f->placed_at && rh_range_ok(gpa - f->placed_at, len, f->data->len)) {
            return f->data->data + (gpa - f->placed_at);
        }
    }
    g_error("no table at 0x%" PRIx64, gpa);
}

static const uint8_t *table(const RhAcpi *acpi, uint64_t gpa)
{
    uint32_t len = rh_ld32(placed(acpi, gpa, 36) + 4);
    const uint8_t *bytes = placed(acpi, gpa, len);
    uint8_t sum = 0;

    for (uint32_t i = 0; i < len; i++) {
        sum += bytes[i];
    }
    g_assert_cmpuint(sum, ==, 0);
    return bytes;
}

static const uint8_t *find(const RhAcpi *acpi, uint64_t rsdp_at, const char *signature)
{
    const uint8_t *rsdp = placed(acpi, rsdp_at, 20);
    bool is_new = rsdp[15] == 2;
    unsigned width = is_new ? 8 : 4;
    const uint8_t *root =
        table(acpi, is_new ? rh_ld64(placed(acpi, rsdp_at, 36) + 24) : rh_ld32(rsdp + 16));

    for (uint32_t at = 36; at < rh_ld32(root + 4); at += width) {
        const uint8_t *found = table(acpi, rh_ld(root + at, width));
        if (!memcmp(found, signature, 4)) {
            return found;
        }
    }
    g_error("no table %s", signature);
}

static void test_place(void)
{
    g_autoptr(RhAcpi) acpi = q35(0);
    uint64_t end;
    uint64_t rsdp = rh_acpi_place(acpi, 0x7fe0000, 0xf0000, &end);
    uint8_t sum = 0;

    g_assert_cmphex(rsdp, ==, 0xf0000);
    g_assert_cmphex(end, >, 0x7fe0000);
    for (unsigned i = 0; i < 20; i++) {
        sum += placed(acpi, rsdp, 20)[i];
    }
    g_assert_cmpuint(sum, ==, 0);
    const uint8_t *fadt = find(acpi, rsdp, "FACP");
    g_assert_cmpmem(table(acpi, rh_ld32(fadt + 40)), 4, "DSDT", 4);
    g_assert_cmphex(rh_ld64(fadt + 140), ==, rh_ld32(fadt + 40));
    g_assert_cmpmem(placed(acpi, rh_ld32(fadt + 36), 64), 4, "FACS", 4);
    g_assert_cmphex(rh_ld32(fadt + 36) & 63, ==, 0);
    g_assert_cmpuint(rh_ld32(fadt + 4), ==, 244);
    g_assert_cmphex(rh_ld32(fadt + 64), ==, 0x604);
    const uint8_t *madt = find(acpi, rsdp, "APIC");
    g_assert_cmpuint(madt[44 + 16], ==, 9); /* APIC id 300 as x2APIC */
    g_assert_cmpuint(rh_ld32(madt + 44 + 16 + 4), ==, 300);
    g_assert_cmphex(rh_ld64(find(acpi, rsdp, "MCFG") + 44), ==, 0xb0000000);
    g_assert_cmpuint(find(acpi, rsdp, "SLIT")[45], ==, 20);
    const uint8_t *ssdt = find(acpi, rsdp, "SSDT");
    uint64_t guid = rh_ld32(ssdt + 36 + 6); /* Name(VGIA, DWord) */
    g_assert_cmphex(guid & 4095, ==, 0);
    placed(acpi, guid, 4096);
}

static void test_place_microvm(void)
{
    g_autoptr(RhAcpi) acpi = microvm();
    uint64_t rsdp = rh_acpi_place(acpi, 0x7fe0000, 0xe0000, NULL);
    const uint8_t *fadt = find(acpi, rsdp, "FACP");

    g_assert_cmpuint(fadt[8], ==, 6);
    g_assert_cmpuint(rh_ld32(fadt + 4), ==, 276);
    g_assert_cmphex(rh_ld32(fadt + 112) >> 20 & 1, ==, 1);
    g_assert_cmphex(rh_ld64(fadt + 120), ==, 0xfea02002);
    g_assert_cmphex(rh_ld64(fadt + 248), ==, 0xfea02000);
    g_assert_cmpuint(find(acpi, rsdp, "APIC")[40], ==, 0);
}

/* Firmware does what the script says; the result is what we would have placed ourselves. */
static void run_script(const RhAcpi *acpi, const GByteArray *script, const uint64_t *where)
{
    const GPtrArray *files = rh_acpi_files(acpi);

    for (guint at = 0; at < script->len; at += 128) {
        const uint8_t *e = script->data + at;
        RhAcpiFile *file = NULL, *target = NULL;
        for (guint i = 0; i < files->len; i++) {
            RhAcpiFile *f = g_ptr_array_index(files, i);
            f->placed_at = where[i];
            file = strcmp(f->name, (const char *)e + 4) ? file : f;
            target = strcmp(f->name, (const char *)e + 60) ? target : f;
        }
        if (rh_ld32(e) == 2) {
            uint8_t *field = file->data->data + rh_ld32(e + 116);
            rh_st(field, rh_ld(field, e[120]) + target->placed_at, e[120]);
        } else if (rh_ld32(e) == 3) {
            uint8_t sum = 0;
            for (uint32_t i = 0; i < rh_ld32(e + 68); i++) {
                sum += file->data->data[rh_ld32(e + 64) + i];
            }
            file->data->data[rh_ld32(e + 60)] -= sum;
        } else if (rh_ld32(e) == 4) {
            g_assert_cmpstr((const char *)e + 4, ==, "etc/vmgenid_addr");
            g_assert_cmpuint(rh_ld32(e + 120), ==, 40);
        } else {
            g_assert_cmpuint(rh_ld32(e), ==, 1);
            g_assert_nonnull(file);
        }
    }
}

static void test_loader(void)
{
    g_autoptr(RhAcpi) ours = q35(0), theirs = q35(0);
    uint64_t where[8];

    rh_acpi_place(ours, 0x7fe0000, 0xf0000, NULL);
    const GPtrArray *want = rh_acpi_files(ours), *got = rh_acpi_files(theirs);
    for (guint i = 0; i < want->len; i++) {
        where[i] = ((RhAcpiFile *)g_ptr_array_index(want, i))->placed_at;
    }
    g_autoptr(GByteArray) script = rh_acpi_loader(theirs);
    g_assert_cmpuint(script->len % 128, ==, 0);
    run_script(theirs, script, where);
    for (guint i = 0; i < want->len; i++) {
        const RhAcpiFile *a = g_ptr_array_index(want, i), *b = g_ptr_array_index(got, i);
        g_assert_cmpmem(a->data->data, a->data->len, b->data->data, b->data->len);
    }
}

/* --- iasl --- */

static char *run_iasl(const char *dir, const char *const *args)
{
    g_autoptr(GError) err = NULL;
    char *out = NULL;
    g_autofree char *errors = NULL;
    int status;

    g_spawn_sync(dir, (char **)args, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &errors, &status,
                 &err);
    g_assert_no_error(err);
    g_autofree char *both = g_strconcat(out, errors, NULL);
    if (status) {
        g_error("iasl failed: %s", both);
    }
    g_free(out);
    return g_steal_pointer(&both);
}

static void check_with_iasl(const char *dir, const uint8_t *bytes)
{
    g_autofree char *aml = g_build_filename(dir, "t.aml", NULL);
    g_autofree char *dsl = g_build_filename(dir, "t.dsl", NULL);
    g_autofree char *log = NULL;

    g_assert_true(g_file_set_contents(aml, (const char *)bytes, rh_ld32(bytes + 4), NULL));
    g_autofree char *read = run_iasl(dir, (const char *const[]){ "iasl", "-d", "t.aml", NULL });
    if (strstr(read, "rror") || strstr(read, "arning") || strstr(read, "nvalid")) {
        g_error("iasl -d on %.4s: %s", (const char *)bytes, read);
    }
    log = run_iasl(dir, (const char *const[]){ "iasl", "-vs", "-p", "again", "t.dsl", NULL });
    if (!memcmp(bytes, "DSDT", 4) || !memcmp(bytes, "SSDT", 4)) {
        if (!strstr(log, "0 Errors, 0 Warnings")) {
            g_error("iasl on %.4s: %s", (const char *)bytes, log);
        }
    }
    g_autofree char *again = g_build_filename(dir, "again.aml", NULL);
    g_unlink(aml);
    g_unlink(dsl);
    g_unlink(again);
}

static void check_all(RhAcpi *acpi, const char *const *signatures)
{
    g_autofree char *dir = g_dir_make_tmp("acpi-XXXXXX", NULL);
    uint64_t rsdp = rh_acpi_place(acpi, 0x7fe0000, 0xf0000, NULL);
    const uint8_t *fadt = find(acpi, rsdp, "FACP");

    check_with_iasl(dir, table(acpi, rh_ld32(fadt + 40)));
    for (; *signatures; signatures++) {
        check_with_iasl(dir, find(acpi, rsdp, *signatures));
    }
    g_rmdir(dir);
}

static void test_iasl(void)
{
    g_autofree char *iasl = g_find_program_in_path("iasl");

    if (!iasl) {
        g_test_skip("iasl is not installed (package acpica-tools)");
        return;
    }
    g_autoptr(RhAcpi) pc = q35(0);
    check_all(pc, (const char *const[]){ "FACP", "APIC", "SSDT", "HPET", "SRAT", "SLIT", "MCFG",
                                         "WAET", NULL });
    g_autoptr(RhAcpi) fixed = q35(0x7fd0000);
    check_all(fixed, (const char *const[]){ "SSDT", NULL });
    g_autoptr(RhAcpi) micro = microvm();
    check_all(micro, (const char *const[]){ "FACP", "APIC", "MCFG", NULL });
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/acpi/aml/terms", test_terms);
    g_test_add_func("/acpi/aml/lengths", test_lengths);
    g_test_add_func("/acpi/aml/resources", test_resources);
    g_test_add_func("/acpi/place", test_place);
    g_test_add_func("/acpi/place-microvm", test_place_microvm);
    g_test_add_func("/acpi/loader", test_loader);
    g_test_add_func("/acpi/iasl", test_iasl);
    return g_test_run();
}
