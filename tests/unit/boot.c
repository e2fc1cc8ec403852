/*
 * Kernels for direct boot: parsing, refusals, and the boot data that is built for them.
 */
#include "hw/i386/boot-params.h"

#include <elf.h>

#include "util/error.h"

enum { SIZE = 0x3000, MIB = 0x100000 };

static const RhE820Entry small_map[] = {
    { 0, 0xa0000, RH_E820_RAM },
    { 0xf0000, 0x10000, RH_E820_RESERVED },
    { MIB, 63 * MIB, RH_E820_RAM },
};

/* --- images --- */

static uint8_t *bzimage(void)
{
    uint8_t *b = g_malloc0(SIZE);

    b[0x1f1] = 1;
    rh_st16(b + 0x1fe, 0xaa55);
    b[0x200] = 0xeb;
    b[0x201] = 0x66;
    memcpy(b + 0x202, "HdrS", 4);
    rh_st16(b + 0x206, 0x20f);
    b[0x211] = 1;
    rh_st32(b + 0x22c, 0x7fffffff);
    b[0x234] = 1;
    rh_st16(b + 0x236, 1);
    rh_st32(b + 0x238, 2047);
    rh_st64(b + 0x258, 0x1000000);
    rh_st32(b + 0x260, 0x400000);
    memset(b + 1024, 0x90, SIZE - 1024);
    return b;
}

static uint8_t *pvh_elf(void)
{
    uint8_t *b = g_malloc0(SIZE);
    Elf64_Ehdr eh = { .e_machine = EM_X86_64,
                      .e_phoff = sizeof(eh),
                      .e_phnum = 2,
                      .e_phentsize = sizeof(Elf64_Phdr) };
    Elf64_Phdr ph[2] = {
        { .p_type = PT_LOAD,
          .p_offset = 0x1000,
          .p_paddr = MIB,
          .p_filesz = 0x800,
          .p_memsz = 0x2000 },
        { .p_type = PT_NOTE, .p_offset = 0x200, .p_filesz = 20, .p_align = 4 },
    };

    memcpy(eh.e_ident, ELFMAG, SELFMAG);
    eh.e_ident[EI_CLASS] = ELFCLASS64;
    eh.e_ident[EI_DATA] = ELFDATA2LSB;
    memcpy(b, &eh, sizeof(eh));
    memcpy(b + sizeof(eh), ph, sizeof(ph));
    rh_st32(b + 0x200, 4);
    rh_st32(b + 0x204, 4);
    rh_st32(b + 0x208, 18);
    memcpy(b + 0x20c, "Xen", 4);
    rh_st32(b + 0x210, MIB + 0x10);
    return b;
}

static uint8_t *multiboot(void)
{
    uint8_t *b = g_malloc0(SIZE);
    const uint32_t header[] = {
        0x1badb002,   0x10003,    -(0x1badb002u + 0x10003), MIB + 0x100, MIB, MIB + 0x1000,
        MIB + 0x4000, MIB + 0x20,
    };

    memcpy(b + 0x300, header, sizeof(header));
    return b;
}

static bool parse(const uint8_t *bytes, RhBootImage *image, GError **err)
{
    return rh_boot_image_parse("k", bytes, SIZE, image, err);
}

static void refused(const uint8_t *bytes, size_t len, const char *words)
{
    g_autoptr(GError) err = NULL;
    RhBootImage image;

    g_assert_false(rh_boot_image_parse("k", bytes, len, &image, &err));
    g_assert_nonnull(err);
    if (!strstr(err->message, words)) {
        g_error("'%s' lacks '%s'", err->message, words);
    }
}

/* --- what a plan puts in memory --- */

static const uint8_t *at(const RhBootPlan *plan, uint64_t gpa, size_t len)
{
    for (guint i = 0; i < plan->loads->len; i++) {
        const RhBootLoad *load = &g_array_index(plan->loads, RhBootLoad, i);
        if (gpa >= load->gpa && rh_range_ok(gpa - load->gpa, len, load->len)) {
            return (const uint8_t *)load->bytes + (gpa - load->gpa);
        }
    }
    g_error("nothing is loaded at 0x%" PRIx64, gpa);
}

static RhBootPlan *plan(const RhBootImage *image, const char *cmdline, const RhBootFile *files,
                        unsigned nr, GError **err)
{
    RhBootRequest req = {
        .name = "k",
        .image = image,
        .cmdline = cmdline,
        .files = files,
        .nr_files = nr,
        .map = small_map,
        .nr_map = RH_COUNT(small_map),
        .rsdp = 0xe0000,
    };

    return rh_boot_plan_new(&req, err);
}

static void test_linux(void)
{
    g_autofree uint8_t *b = bzimage();
    g_autoptr(GError) err = NULL;
    RhBootImage image;

    g_assert_true(parse(b, &image, &err));
    g_assert_cmpint(image.kind, ==, RH_BOOT_LINUX);
    g_assert_cmpuint(image.setup_len, ==, 1024);
    g_assert_cmphex(image.loads[0].gpa, ==, 0x1000000);
    g_assert_cmphex(image.entry, ==, 0x1000200);
    g_assert_cmphex(image.high, ==, 0x1400000);
    RhBootFile initrd = { "i", "abcdef", 6 };
    g_autoptr(RhBootPlan) p = plan(&image, "quiet", &initrd, 1, &err);
    g_assert_no_error(err);
    const uint8_t *zp = at(p, p->entry.rsi, 4096);
    g_assert_cmpuint(zp[0x1e8], ==, RH_COUNT(small_map));
    g_assert_cmpmem(zp + 0x2d0, sizeof(small_map), small_map, sizeof(small_map));
    g_assert_cmphex(rh_ld64(zp + 0x70), ==, 0xe0000);
    g_assert_cmpstr((const char *)at(p, rh_ld32(zp + 0x228), 6), ==, "quiet");
    g_assert_cmphex(rh_ld32(zp + 0x218), ==, 64 * MIB - 4096);
    g_assert_cmpmem(at(p, rh_ld32(zp + 0x218), 6), rh_ld32(zp + 0x21c), "abcdef", 6);
    g_assert_cmphex(p->entry.efer, ==, 0x500);
    g_assert_cmphex(rh_ld64(at(p, p->entry.cr3, 8)) & ~0xfffu, ==, p->entry.cr3 + 4096);
    g_assert_cmphex(rh_ld64(at(p, p->entry.gdt_base + p->entry.cs, 8)), ==, 0x00af9b000000ffff);
}

static void test_linux_32(void)
{
    g_autofree uint8_t *b = bzimage();
    RhBootImage image;

    rh_st16(b + 0x236, 0);
    g_assert_true(parse(b, &image, NULL));
    g_autoptr(RhBootPlan) p = plan(&image, NULL, NULL, 0, NULL);
    g_assert_false(p->entry.is_long);
    g_assert_cmphex(p->entry.rip, ==, 0x1000000);
    g_assert_cmphex(p->entry.cr0, ==, 0x11);
    g_assert_cmphex(rh_ld64(at(p, p->entry.gdt_base + p->entry.cs, 8)), ==, 0x00cf9b000000ffff);
}

static void test_pvh(void)
{
    g_autofree uint8_t *b = pvh_elf();
    g_autoptr(GError) err = NULL;
    RhBootImage image;

    g_assert_true(parse(b, &image, &err));
    g_assert_cmpint(image.kind, ==, RH_BOOT_PVH);
    g_assert_cmphex(image.loads[0].mem_len, ==, 0x2000);
    RhBootFile initrd = { "i", "abcdef", 6 };
    g_autoptr(RhBootPlan) p = plan(&image, "x=1", &initrd, 1, &err);
    g_assert_no_error(err);
    g_assert_cmphex(p->entry.rip, ==, MIB + 0x10);
    const uint8_t *info = at(p, p->entry.rbx, 56);
    g_assert_cmphex(rh_ld32(info), ==, 0x336ec578);
    g_assert_cmpstr((const char *)at(p, rh_ld64(info + 24), 4), ==, "x=1");
    g_assert_cmphex(rh_ld64(info + 32), ==, 0xe0000);
    g_assert_cmpuint(rh_ld32(info + 48), ==, RH_COUNT(small_map));
    g_assert_cmphex(rh_ld64(at(p, rh_ld64(info + 40), 72) + 48), ==, MIB);
    const uint8_t *module = at(p, rh_ld64(info + 16), 16);
    g_assert_cmpmem(at(p, rh_ld64(module), 6), rh_ld64(module + 8), "abcdef", 6);
}

static void test_multiboot(void)
{
    g_autofree uint8_t *b = multiboot();
    g_autoptr(GError) err = NULL;
    RhBootImage image;

    g_assert_true(parse(b, &image, &err));
    g_assert_cmpint(image.kind, ==, RH_BOOT_MULTIBOOT);
    g_assert_true(image.loads[0].bytes == b + 0x200);
    g_assert_cmphex(image.loads[0].len, ==, 0x1000);
    g_assert_cmphex(image.loads[0].mem_len, ==, 0x4000);
    RhBootFile files[] = { { "one a", "11", 2 }, { "two", "222", 3 } };
    g_autoptr(RhBootPlan) p = plan(&image, "args", files, 2, &err);
    g_assert_no_error(err);
    g_assert_cmphex(p->entry.rax, ==, 0x2badb002);
    const uint8_t *info = at(p, p->entry.rbx, 120);
    g_assert_cmpuint(rh_ld32(info + 4), ==, 640);
    g_assert_cmpuint(rh_ld32(info + 8), ==, 63 * 1024);
    g_assert_cmpstr((const char *)at(p, rh_ld32(info + 16), 7), ==, "k args");
    const uint8_t *mods = at(p, rh_ld32(info + 24), 32);
    g_assert_cmphex(rh_ld32(mods), ==, MIB + 0x4000);
    g_assert_cmpstr((const char *)at(p, rh_ld32(mods + 8), 6), ==, "one a");
    g_assert_cmpmem(at(p, rh_ld32(mods + 16), 3), 3, "222", 3);
}

static void test_refused_images(void)
{
    g_autofree uint8_t *none = g_malloc0(SIZE), *linux_ = bzimage(), *pvh = pvh_elf(),
                       *mb = multiboot();

    refused(none, SIZE, "neither a bzImage nor an ELF with a PVH note nor multiboot");
    refused(none, 0, "neither");
    refused(linux_, 1024, "cut short");
    refused(pvh, 0x1100, "ELF segment 0");
    rh_st16(linux_ + 0x206, 0x1ff);
    refused(linux_, SIZE, "1.255");
    rh_st32(pvh + 0x210, 16);
    refused(pvh, SIZE, "enters at 0x10");
    rh_st64(pvh + sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_memsz), UINT64_MAX);
    refused(pvh, SIZE, "must lie between");
    rh_st32(mb + 0x300 + 16, MIB + 0x101);
    refused(mb, SIZE, "does not fit its header's");
    rh_st32(mb + 0x304, 0x10008);
    rh_st32(mb + 0x308, -(0x1badb002u + 0x10008));
    refused(mb, SIZE, "multiboot features 0x8");
}

static void plan_refused(const RhBootImage *image, const char *cmdline, RhBootFile *file,
                         const char *words)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(RhBootPlan) p = plan(image, cmdline, file, file != NULL, &err);

    g_assert_null(p);
    g_assert_nonnull(strstr(err->message, words));
}

static void test_refused_plans(void)
{
    g_autofree uint8_t *b = bzimage();
    g_autofree char *text = g_strnfill(2048, 'x');
    RhBootFile huge = { "big.img", b, 64 * MIB };
    RhBootImage image;

    g_assert_true(parse(b, &image, NULL));
    plan_refused(&image, text, NULL, "takes up to 2047");
    plan_refused(&image, NULL, &huge,
                 "initrd 'big.img' is too large for RAM: it has 67108864 bytes");
    rh_st32(b + 0x260, 64 * MIB);
    g_assert_true(parse(b, &image, NULL));
    plan_refused(&image, NULL, NULL, "needs 67108864 bytes of RAM");
    rh_st64(b + 0x258, 0x10000000);
    g_assert_true(parse(b, &image, NULL));
    plan_refused(&image, NULL, NULL, "does not fit in RAM");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/boot/linux", test_linux);
    g_test_add_func("/boot/linux-32", test_linux_32);
    g_test_add_func("/boot/pvh", test_pvh);
    g_test_add_func("/boot/multiboot", test_multiboot);
    g_test_add_func("/boot/refused-images", test_refused_images);
    g_test_add_func("/boot/refused-plans", test_refused_plans);
    return g_test_run();
}
