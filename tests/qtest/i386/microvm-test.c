/*
 * The microvm board: transports and their interrupts with one I/O APIC and with two, the PCI Express host, and what
 * its direct boot leaves in memory.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <libfdt.h>
#include <string.h>
#include "libqtest-boot.h"

#define OPTIONS "-m 64 -nodefaults "
enum { MMIO_BASE = 0xfeb00000, MMIO_STEP = 0x200, MMIO_MAGIC = 0x74726976, NR_MANY = 24, NR_FEW = 8 };
enum { IOAPIC2 = 0xfec10000, ECAM = 0xe0000000, EDU_SLOT = 1 };

static unsigned nr_transports(Qtest *q)
{
    unsigned nr = 0;

    while (qtest_readl(q, MMIO_BASE + nr * MMIO_STEP) == MMIO_MAGIC) {
        nr++;
    }
    return nr;
}

/* Devices take transports from the last on. */
static void test_order(void)
{
    enum { ID = 8, RNG = 4, BALLOON = 5 };
    Qtest *q = qtest_start("-M microvm " OPTIONS "-device virtio-rng-device -device virtio-balloon-device "
                           "-device virtio-rng-device,bus=virtio-mmio-bus.3");

    g_assert_cmpuint(qtest_readl(q, MMIO_BASE + (NR_MANY - 1) * MMIO_STEP + ID), ==, RNG);
    g_assert_cmpuint(qtest_readl(q, MMIO_BASE + (NR_MANY - 2) * MMIO_STEP + ID), ==, BALLOON);
    g_assert_cmpuint(qtest_readl(q, MMIO_BASE + 3 * MMIO_STEP + ID), ==, RNG);
    qtest_quit(q);
}

static uint32_t ioapic2_read(Qtest *q, uint32_t reg)
{
    qtest_writel(q, IOAPIC2, reg);
    return qtest_readl(q, IOAPIC2 + 0x10);
}

static void test_ioapic2(void)
{
    static const struct { const char *args; unsigned nr; bool has_second; } rows[] = {
        { "-M microvm " OPTIONS, NR_MANY, true },
        { "-M microvm,ioapic2=on " OPTIONS, NR_MANY, true },
        { "-M microvm,ioapic2=off " OPTIONS, NR_FEW, false },
        { "-M microvm,acpi=off " OPTIONS, NR_FEW, false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Qtest *q = qtest_start(rows[i].args);

        g_assert_cmpuint(nr_transports(q), ==, rows[i].nr);
        g_assert_cmphex(ioapic2_read(q, 1), ==, rows[i].has_second ? 0x170020 : UINT32_MAX);
        qtest_quit(q);
    }
    qtest_refused("-M microvm,acpi=off,ioapic2=on " OPTIONS, "ioapic2=on needs acpi=on");
    qtest_refused("-M microvm,acpi=off,pcie=on " OPTIONS, "pcie=on needs acpi=on");
}

/* Input 0 of the second I/O APIC is its pin 0: the timer's exchange of pins is the first one's alone. */
static void test_ioapic2_pins(void)
{
    enum { ENTRY0 = 0x10, LEVEL = 0x8000, REMOTE_IRR = 0x4000, VECTOR = 0x41 };
    Qtest *q = qtest_start("-M microvm " OPTIONS);

    qtest_writel(q, IOAPIC2, ENTRY0);
    qtest_writel(q, IOAPIC2 + 0x10, LEVEL | VECTOR);
    qtest_command(q, "set_irq_in /machine/ioapic2 unnamed-gpio-in 0 1");
    g_assert_cmphex(ioapic2_read(q, ENTRY0), ==, REMOTE_IRR | LEVEL | VECTOR);
    qtest_command(q, "set_irq_in /machine/ioapic2 unnamed-gpio-in 0 0");
    qtest_writel(q, IOAPIC2 + 0x40, VECTOR);
    g_assert_cmphex(ioapic2_read(q, ENTRY0), ==, LEVEL | VECTOR);
    qtest_quit(q);
}

static uint64_t config_of(unsigned slot)
{
    return ECAM + ((uint64_t)slot << 15);
}

/* gpex-pcihost: its ECAM, with gpex-root at 00:00.0. Raise the interrupt of an edu device by its registers, and see on which input it comes. */
static void check_intx(const char *machine, unsigned input)
{
    enum { BAR = 0xc0000000, EDU_RAISE = 0x60, EDU_ACK = 0x64 };
    g_autofree char *args = g_strdup_printf("-M %s " OPTIONS "-device edu,addr=%u", machine, EDU_SLOT);
    Qtest *q = qtest_start(args);

    g_assert_cmphex(qtest_readl(q, config_of(0)), ==, 0x00081b36);
    g_assert_cmphex(qtest_readl(q, config_of(0) + 8) >> 8, ==, 0x060000);
    g_assert_cmphex(qtest_readl(q, config_of(EDU_SLOT)), ==, 0x11e81234);
    g_assert_cmphex(qtest_readl(q, config_of(2)), ==, UINT32_MAX);
    g_assert_cmphex(qtest_inl(q, 0xcf8), ==, UINT32_MAX);       /* memory is the only way */
    qtest_writel(q, config_of(EDU_SLOT) + 0x10, BAR);
    qtest_writew(q, config_of(EDU_SLOT) + 4, 6);
    qtest_intercept_in(q, "/machine/ioapic");
    g_assert_cmphex(qtest_readl(q, BAR), ==, 0x010000ed);
    qtest_writel(q, BAR + EDU_RAISE, 1);
    g_assert_true(qtest_irq(q, input));
    qtest_writel(q, BAR + EDU_ACK, 1);
    g_assert_false(qtest_irq(q, input));
    qtest_quit(q);
}

static void test_pcie(void)
{
    check_intx("microvm,pcie=on", 17);
    check_intx("microvm,pcie=on,ioapic2=off", 13);
}

static void test_pcie_high(void)
{
    enum { BAR0 = 0x10 };
    Qtest *q = qtest_start("-M microvm,pcie=on " OPTIONS "-device virtio-rng-pci,addr=1,disable-legacy=on");
    uint64_t at = config_of(1) + BAR0 + 4 * 4, window = UINT64_C(0xc000000000);

    qtest_writel(q, at, (uint32_t)window);
    qtest_writel(q, at + 4, window >> 32);
    qtest_writew(q, config_of(1) + 4, 6);
    qtest_writeb(q, window + 0x14, 3);              /* device_status */
    g_assert_cmphex(qtest_readb(q, window + 0x14), ==, 3);
    qtest_quit(q);
}

/* --- direct boot --- */

static Qtest *boot(const char *options, char **ret_path)
{
    g_autofree char *args = g_strconcat(options, " " OPTIONS, NULL);

    return qboot_start(args, ret_path);
}

/* Where nobody else does it, resources of PCI devices are given out. */
static void test_boot_pci(void)
{
    char *path;
    Qtest *q = boot("-M microvm,pcie=on -device edu,addr=1", &path);
    uint32_t bar = qtest_readl(q, config_of(1) + 0x10);

    g_assert_cmphex(bar, >=, 0xc0000000);
    g_assert_cmphex(bar, <, 0xe0000000);
    g_assert_cmphex(qtest_readl(q, bar), ==, 0x010000ed);
    qboot_quit(q, path);
}

#define GUID "12345678-9abc-def0-1122-334455667788"
static const uint8_t guid_bytes[] = { 0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xf0, 0xde,
                                      0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };

/* The tables are in the last pages of RAM; the address of the page is in the SSDT's Name(VGIA, DWord). */
static void check_vmgenid(Qtest *q)
{
    enum { TABLES = 0x3fc0000, LEN = 0x40000, PAGE_TYPE_NVS = 4, E820 = 0x2d0, E820_ROW = 20 };
    g_autofree uint8_t *tables = g_malloc(LEN);
    uint8_t got[sizeof(guid_bytes)], row[E820_ROW];
    uint8_t *name;
    uint32_t page = 0;
    bool is_kept = false;

    qtest_memread(q, TABLES, tables, LEN);
    name = memmem(tables, LEN, "VGIA", 4);
    g_assert_nonnull(name);
    memcpy(&page, name + 5, 4);
    qtest_memread(q, page + 40, got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), guid_bytes, sizeof(guid_bytes));
    for (unsigned i = 0; i < qtest_readb(q, QBOOT_ZERO_PAGE + 0x1e8); i++) {
        qtest_memread(q, QBOOT_ZERO_PAGE + E820 + i * E820_ROW, row, sizeof(row));
        is_kept |= row[16] == PAGE_TYPE_NVS && page >= *(uint64_t *)(void *)row;
    }
    g_assert_true(is_kept);
}

static void test_boot_vmgenid(void)
{
    static const char *const machines[] = { "-M microvm -device vmgenid,guid=" GUID, "-M q35 -device vmgenid,guid=" GUID };

    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        char *path;
        Qtest *q = boot(machines[i], &path);

        check_vmgenid(q);
        qtest_reset(q);
        check_vmgenid(q);
        qboot_quit(q, path);
    }
}

/* The boot CPU has page tables then: the first 4 GiB as they are, and nothing above. */
static char *hmp(Qtest *q, const char *line)
{
    g_autofree char *json = g_strdup_printf("{\"execute\":\"human-monitor-command\",\"arguments\":"
                                            "{\"command-line\":\"%s\"}}", line);
    json_object *answer = qtest_qmp(q, json), *text;
    char *copy;

    g_assert_true(json_object_object_get_ex(answer, "return", &text));
    copy = g_strdup(json_object_get_string(text));
    json_object_put(answer);
    return copy;
}

static void test_virtual(void)
{
    char *path, *contents = NULL;
    Qtest *q = boot("-M microvm", &path);
    g_autofree char *file = g_strconcat(path, ".mem", NULL);
    g_autofree char *save = g_strdup_printf("memsave 0x300ffe 4 %s", file);
    g_autofree char *beyond = g_strdup_printf("memsave 0x100000000 1 %s", file);
    g_autofree char *dumped = NULL, *missing = NULL, *saved = NULL, *refused = NULL;
    gsize len;

    qtest_writel(q, 0x300ffe, 0x44332211);
    dumped = hmp(q, "x /1xw 0x300ffe");
    g_assert_cmpstr(dumped, ==, "0000000000300ffe: 0x44332211\r\n");
    missing = hmp(q, "x /1xw 0x100000000");
    g_assert_nonnull(strstr(missing, "Cannot access memory"));
    saved = hmp(q, save);
    g_assert_cmpstr(saved, ==, "");
    g_assert_true(g_file_get_contents(file, &contents, &len, NULL));
    g_assert_cmpmem(contents, len, "\x11\x22\x33\x44", 4);
    refused = hmp(q, beyond);
    g_assert_nonnull(strstr(refused, "Invalid addr 0x0000000100000000/size 1 specified"));
    g_free(contents);
    g_unlink(file);
    qboot_quit(q, path);
}

/* --- device tree and MP tables --- */

enum { SETUP_DATA = 0x250, TYPE_DTB = 2, MP_POINTER = 0x9fc00 };

/* Where the zero page's list leads to; the record's length in *ret_len. 0: the list is empty. */
static uint64_t setup_data(Qtest *q, uint32_t *ret_len)
{
    uint64_t at = qtest_readq(q, QBOOT_ZERO_PAGE + SETUP_DATA);

    if (at) {
        g_assert_cmpuint(qtest_readq(q, at), ==, 0);
        g_assert_cmpuint(qtest_readl(q, at + 8), ==, TYPE_DTB);
        *ret_len = qtest_readl(q, at + 12);
        at += 16;
    }
    return at;
}

static bool has_mp_tables(Qtest *q)
{
    return qtest_readl(q, MP_POINTER) == 0x5f504d5f;        /* "_MP_" */
}

static int node(const void *fdt, const char *path)
{
    int at = fdt_path_offset(fdt, path);

    g_assert_cmpint(at, >=, 0);
    return at;
}

static uint32_t cell(const void *fdt, const char *path, const char *name, unsigned index)
{
    int len;
    const fdt32_t *cells = fdt_getprop(fdt, node(fdt, path), name, &len);

    g_assert_nonnull(cells);
    g_assert_cmpint(len, >, (int)(index * 4));
    return fdt32_to_cpu(cells[index]);
}

static void check_tree(const void *fdt, const char *compatible, uint32_t phandle)
{
    g_assert_cmpint(fdt_node_check_compatible(fdt, 0, compatible), ==, 0);
    g_assert_cmpuint(cell(fdt, "/", "interrupt-parent", 0), ==, phandle);
    g_assert_cmpuint(cell(fdt, "/ioapic@fec00000", "phandle", 0), ==, phandle);
    g_assert_cmpuint(cell(fdt, "/cpus/cpu@1", "reg", 0), ==, 1);
    g_assert_cmpint(fdt_path_offset(fdt, "/cpus/cpu@2"), <, 0);
    g_assert_cmphex(cell(fdt, "/memory@100000", "reg", 3), ==, 0x3f00000);
    g_assert_cmpuint(cell(fdt, "/virtio_mmio@feb00e00", "interrupts", 0), ==, 5 + 7);
    g_assert_cmpint(fdt_path_offset(fdt, "/virtio_mmio@feb00c00"), <, 0);   /* an empty one */
    g_assert_cmphex(cell(fdt, "/isa/serial@i3f8", "reg", 1), ==, 0x3f8);
    g_assert_cmpstr(fdt_getprop(fdt, node(fdt, "/chosen"), "bootargs", NULL), ==, "quiet");
}

#define TREE_OPTIONS " -smp 2 -serial null -device virtio-rng-device -append quiet"

/* Either MP tables and a command line describe the machine, or the tree does. */
static void test_boot_tree(void)
{
    char *path;
    uint32_t len;
    Qtest *q = boot("-M microvm,acpi=off,auto-kernel-cmdline=off,dt-compatible=acme,phandle-start=77" TREE_OPTIONS
                    , &path);
    uint64_t at = setup_data(q, &len);
    g_autofree uint8_t *fdt = g_malloc(len);

    g_assert_cmphex(at, !=, 0);
    qtest_memread(q, at, fdt, len);
    g_assert_cmpint(fdt_check_full(fdt, len), ==, 0);
    check_tree(fdt, "acme", 77);
    g_assert_false(has_mp_tables(q));
    qboot_quit(q, path);

    q = boot("-M microvm,acpi=off" TREE_OPTIONS, &path);
    g_assert_cmphex(setup_data(q, &len), ==, 0);
    g_assert_true(has_mp_tables(q));
    qboot_quit(q, path);
    qtest_refused("-M q35,phandle-start=1 -nodefaults", "'phandle-start' is for machines with a device tree");
}

static char *dump_tree(void)
{
    g_autofree char *command = NULL;
    char *path = NULL;
    int fd = g_file_open_tmp("rhea-tree-XXXXXX", &path, NULL);
    int status = -1;

    g_close(fd, NULL);
    command = g_strdup_printf("%s -accel qtest -display none -M microvm,acpi=off,dumpdtb=%s " OPTIONS TREE_OPTIONS
                              " -kernel /dev/null", g_getenv("QTEST_BINARY"), path);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    return path;
}

static void test_tree_files(void)
{
    g_autofree char *tree = dump_tree(), *fdt = NULL, *options = NULL;
    gsize size;
    uint32_t len;
    char *path;
    Qtest *q;

    g_assert_true(g_file_get_contents(tree, &fdt, &size, NULL));
    g_assert_cmpint(fdt_check_full(fdt, size), ==, 0);
    check_tree(fdt, "rhea,microvm", 1);
    options = g_strdup_printf("-M microvm -dtb %s", tree);
    q = boot(options, &path);
    g_assert_cmphex(setup_data(q, &len), !=, 0);
    g_assert_cmpuint(len, ==, size);
    qboot_quit(q, path);
    g_assert_true(g_file_set_contents(tree, "no tree", -1, NULL));
    path = qboot_kernel_file();
    g_free(options);
    options = g_strdup_printf("-M microvm -nodefaults -dtb %s -kernel %s", tree, path);
    qtest_refused(options, "it is none");
    g_unlink(path);
    g_free(path);
    g_unlink(tree);
}

/* More CPUs than the last KiB of low memory has room for. */
static void test_boot_many(void)
{
    enum { NR_CPUS = 100, ENTRIES_AT = 44, CPU_SIZE = 20 };
    char *path;
    Qtest *q = boot("-M microvm,acpi=off -smp 100", &path);
    uint64_t table;
    uint8_t sum = 0;

    g_assert_true(has_mp_tables(q));
    table = qtest_readl(q, MP_POINTER + 4);
    g_assert_cmphex(qtest_readl(q, table), ==, 0x504d4350);     /* "PCMP" */
    for (unsigned i = 0; i < qtest_readw(q, table + 4); i++) {
        sum += qtest_readb(q, table + i);
    }
    g_assert_cmpuint(sum, ==, 0);
    for (unsigned i = 0; i < NR_CPUS; i++) {
        g_assert_cmpuint(qtest_readb(q, table + ENTRIES_AT + i * CPU_SIZE), ==, 0);
        g_assert_cmpuint(qtest_readb(q, table + ENTRIES_AT + i * CPU_SIZE + 1), ==, i);
    }
    g_assert_cmpuint(qtest_readb(q, table + ENTRIES_AT + NR_CPUS * CPU_SIZE), ==, 1);
    qboot_quit(q, path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/microvm/order", test_order);
    g_test_add_func("/microvm/ioapic2", test_ioapic2);
    g_test_add_func("/microvm/ioapic2-pins", test_ioapic2_pins);
    g_test_add_func("/microvm/pcie", test_pcie);
    g_test_add_func("/microvm/pcie-high", test_pcie_high);
    g_test_add_func("/microvm/boot-pci", test_boot_pci);
    g_test_add_func("/microvm/boot-vmgenid", test_boot_vmgenid);
    g_test_add_func("/microvm/virtual", test_virtual);
    g_test_add_func("/microvm/boot-tree", test_boot_tree);
    g_test_add_func("/microvm/tree-files", test_tree_files);
    g_test_add_func("/microvm/boot-many", test_boot_many);
    return g_test_run();
}
