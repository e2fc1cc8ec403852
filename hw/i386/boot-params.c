/*
 * boot-params - builds boot data for kernels entered without firmware.
 */
#include "hw/i386/boot-params.h"

#include "util/error.h"

/* Where boot data goes; one page apart where sizes are fixed. */
enum {
    AT_GDT = 0x5000,
    AT_STACK_TOP = 0x7000,
    AT_INFO = 0x7000,
    AT_TABLES = 0x8000,
    AT_PAGES = 0xa000,
    AT_TEXT = 0x20000,
    TEXT_END = 0x80000,
    MIB = 0x100000,
    PAGE = 0x1000,
};
enum { SEL_CODE = 0x10, SEL_DATA = 0x18, SEL_TSS = 0x20 }; /* boot.rst: __BOOT_CS and __BOOT_DS */
#define RH_CR0_PE    0x1u
#define RH_CR0_ET    0x10u
#define RH_CR0_PG    0x80000000u
#define RH_CR4_PAE   0x20u
#define RH_EFER_LONG 0x500u /* LME and LMA */

typedef struct Planner {
    const RhBootRequest *req;
    RhBootPlan *plan;
    uint64_t text_at; /* next free byte for strings */
} Planner;

/* --- memory --- */

static uint64_t ram_end_below(const RhBootRequest *req, uint64_t limit)
{
    uint64_t end = 0;

    for (unsigned i = 0; i < req->nr_map; i++) {
        const RhE820Entry *e = &req->map[i];
        if (e->type == RH_E820_RAM && e->base < limit) {
            end = MAX(end, MIN(e->base + e->len, limit));
        }
    }
    return end;
}

static bool is_ram(const RhBootRequest *req, uint64_t base, uint64_t len)
{
    for (unsigned i = 0; i < req->nr_map; i++) {
        const RhE820Entry *e = &req->map[i];
        if (e->type == RH_E820_RAM && base >= e->base && rh_range_ok(base - e->base, len, e->len)) {
            return true;
        }
    }
    return false;
}

static void add_load(Planner *p, uint64_t gpa, const void *bytes, uint64_t len, uint64_t mem_len)
{
    RhBootLoad load = { .gpa = gpa, .bytes = bytes, .len = len, .mem_len = mem_len };

    g_array_append_val(p->plan->loads, load);
}

/* A zeroed buffer of the plan's that is copied to @gpa */
static uint8_t *add_block(Planner *p, uint64_t gpa, size_t len)
{
    GByteArray *block = g_byte_array_sized_new((guint)len);

    g_byte_array_set_size(block, (guint)len);
    memset(block->data, 0, len);
    g_ptr_array_add(p->plan->owned, block);
    add_load(p, gpa, block->data, len, len);
    return block->data;
}

static bool add_text(Planner *p, const char *text, uint64_t *ret_at, GError **err)
{
    size_t len = strlen(text) + 1;

    if (len > TEXT_END - p->text_at) {
        return rh_fail(err,
                       "Command lines are too long: no room for %zu bytes, %" PRIu64 " are left",
                       len, TEXT_END - p->text_at);
    }
    *ret_at = p->text_at;
    memcpy(add_block(p, p->text_at, len), text, len);
    p->text_at = rh_align_up(p->text_at + len, 16);
    return true;
}

static bool add_kernel(Planner *p, GError **err)
{
    const RhBootImage *image = p->req->image;
    uint64_t low_ram = ram_end_below(p->req, UINT64_C(1) << 32);

    for (unsigned i = 0; i < image->nr_loads; i++) {
        const RhBootLoad *load = &image->loads[i];
        if (!is_ram(p->req, load->gpa, load->mem_len)) {
            return rh_fail(err,
                           "Kernel '%s' does not fit in RAM: it loads %" PRIu64
                           " bytes at 0x%" PRIx64 ", RAM below 4 GiB ends at 0x%" PRIx64,
                           p->req->name, load->mem_len, load->gpa, low_ram);
        }
        if (load->gpa < TEXT_END && load->gpa + load->mem_len > AT_GDT) {
            return rh_fail(
                err, "Kernel '%s' loads at 0x%" PRIx64 ", over boot data between 0x%x and 0x%x",
                p->req->name, load->gpa, AT_GDT, TEXT_END);
        }
        g_array_append_val(p->plan->loads, *load);
    }
    if (!is_ram(p->req, image->init_addr, image->init_size)) {
        return rh_fail(err,
                       "Kernel '%s' needs %" PRIu64 " bytes of RAM at 0x%" PRIx64
                       ", RAM below 4 GiB ends at 0x%" PRIx64,
                       p->req->name, image->init_size, image->init_addr, low_ram);
    }
    return true;
}

/* As high as RAM and @limit (of the last byte) allow, above the kernel: the kernel grows upwards.
 */
static bool place_initrd(Planner *p, uint64_t limit, uint64_t *ret_at, GError **err)
{
    const RhBootFile *file = &p->req->files[0];
    uint64_t floor = MAX(p->req->image->high, (uint64_t)MIB);

    for (unsigned i = p->req->nr_map; i-- > 0;) {
        const RhE820Entry *e = &p->req->map[i];
        uint64_t start = MAX(e->base, floor), end = MIN(e->base + e->len, limit + 1);
        if (e->type != RH_E820_RAM || end <= start || file->len > end - start) {
            continue;
        }
        uint64_t at = rh_align_down(end - file->len, PAGE);
        if (at >= start) {
            *ret_at = at;
            add_load(p, at, file->bytes, file->len, file->len);
            return true;
        }
    }
    return rh_fail(err,
                   "initrd '%s' is too large for RAM: it has %" PRIu64
                   " bytes, the kernel ends at 0x%" PRIx64 " and usable RAM at 0x%" PRIx64,
                   file->name, file->len, floor, ram_end_below(p->req, limit + 1));
}

static bool has_initrd(const RhBootRequest *req)
{
    return req->nr_files > 0 && req->files[0].len > 0;
}

/* --- the boot vCPU --- */

/* Flat descriptors, Intel SDM 3A §3.4.5; a busy 32-bit TSS as PVH wants one in TR */
static void enter_protected(Planner *p, uint64_t rip)
{
    uint8_t *gdt = add_block(p, AT_GDT, 5 * 8);
    RhBootEntry *entry = &p->plan->entry;

    rh_st64(gdt + SEL_CODE, UINT64_C(0x00cf9b000000ffff));
    rh_st64(gdt + SEL_DATA, UINT64_C(0x00cf93000000ffff));
    rh_st64(gdt + SEL_TSS, UINT64_C(0x00008b0000000067));
    entry->rip = rip;
    entry->rsp = AT_STACK_TOP;
    entry->cr0 = RH_CR0_PE | RH_CR0_ET;
    entry->gdt_base = AT_GDT;
    entry->gdt_limit = 5 * 8 - 1;
    entry->cs = SEL_CODE;
    entry->ds = SEL_DATA;
    entry->tr = SEL_TSS;
}

/* The first 4 GiB by 2 MiB pages: no feature of the vCPU's is needed for them. */
static void enter_long(Planner *p, uint64_t rip)
{
    enum { NR_DIRS = 4, PRESENT_RW = 0x3, LARGE = 0x80 };
    uint8_t *pages = add_block(p, AT_PAGES, (2 + NR_DIRS) * PAGE);
    RhBootEntry *entry = &p->plan->entry;

    enter_protected(p, rip);
    GByteArray *gdt = g_ptr_array_index(p->plan->owned, p->plan->owned->len - 1);
    rh_st64(gdt->data + SEL_CODE, UINT64_C(0x00af9b000000ffff));
    rh_st64(pages, (AT_PAGES + PAGE) | PRESENT_RW);
    for (unsigned i = 0; i < NR_DIRS; i++) {
        rh_st64(pages + PAGE + 8 * i, (AT_PAGES + (2 + i) * PAGE) | PRESENT_RW);
    }
    for (uint64_t i = 0; i < NR_DIRS * 512; i++) {
        rh_st64(pages + 2 * PAGE + 8 * i, i << 21 | LARGE | PRESENT_RW);
    }
    entry->is_long = true;
    entry->cr0 |= RH_CR0_PG;
    entry->cr3 = AT_PAGES;
    entry->cr4 = RH_CR4_PAE;
    entry->efer = RH_EFER_LONG;
}

/* --- Linux --- */

enum {
    ZP_RSDP = 0x070,
    ZP_E820_COUNT = 0x1e8,
    ZP_HEADER = 0x1f1,
    ZP_VID_MODE = 0x1fa,
    ZP_JUMP_LEN = 0x201,
    ZP_HEADER_BASE = 0x202,
    ZP_LOADER = 0x210,
    ZP_LOADFLAGS = 0x211,
    ZP_CODE32 = 0x214,
    ZP_RAMDISK = 0x218,
    ZP_RAMDISK_LEN = 0x21c,
    ZP_CMDLINE = 0x228,
    ZP_SETUP_DATA = 0x250,
    ZP_HEADER_MAX = 0x290,
    ZP_E820 = 0x2d0,
};

/* zero-page.rst: the setup header ends where the jump at 0x200 goes to. */
static uint8_t *zero_page(Planner *p)
{
    const RhBootImage *image = p->req->image;
    uint8_t *zp = add_block(p, AT_INFO, PAGE);
    size_t end = MIN(ZP_HEADER_BASE + (size_t)image->setup[ZP_JUMP_LEN], (size_t)ZP_HEADER_MAX);

    memcpy(zp + ZP_HEADER, image->setup + ZP_HEADER, end - ZP_HEADER);
    rh_st16(zp + ZP_VID_MODE, 0xffff); /* normal */
    zp[ZP_LOADER] = 0xff;              /* a loader without a number */
    rh_st32(zp + ZP_CODE32, (uint32_t)image->load_addr);
    rh_st64(zp + ZP_RSDP, p->req->rsdp);
    zp[ZP_E820_COUNT] = (uint8_t)p->req->nr_map;
    memcpy(zp + ZP_E820, p->req->map, p->req->nr_map * sizeof(RhE820Entry));
    return zp;
}

/* boot.rst, setup_data: a list of records; since protocol 2.09. */
static bool add_device_tree(Planner *p, uint8_t *zp, GError **err)
{
    enum { TYPE_DTB = 2, TYPE_AT = 8, LEN_AT = 12, BYTES_AT = 16 };
    const RhBootRequest *req = p->req;
    uint8_t *record;

    if (req->image->protocol < 0x209) {
        return rh_fail(err, "Kernel '%s' has boot protocol %u.%02u, a device tree needs 2.09 or newer", req->name,
                       req->image->protocol >> 8, req->image->protocol & 0xff);
    }
    if (req->dtb_len > TEXT_END - p->text_at - BYTES_AT) {
        return rh_fail(err, "Device tree has %zu bytes, there is room for %" PRIu64, req->dtb_len,
                       TEXT_END - p->text_at - BYTES_AT);
    }
    record = add_block(p, p->text_at, BYTES_AT + req->dtb_len);
    rh_st32(record + TYPE_AT, TYPE_DTB);
    rh_st32(record + LEN_AT, (uint32_t)req->dtb_len);
    memcpy(record + BYTES_AT, req->dtb, req->dtb_len);
    rh_st64(zp + ZP_SETUP_DATA, p->text_at);
    p->text_at = rh_align_up(p->text_at + BYTES_AT + req->dtb_len, 16);
    return true;
}

static bool plan_linux(Planner *p, GError **err)
{
    const RhBootImage *image = p->req->image;
    const char *cmdline = p->req->cmdline ? p->req->cmdline : "";
    uint64_t at;

    if (image->protocol < 0x202) {
        return rh_fail(err,
                       "Kernel '%s' has boot protocol %u.%02u, direct boot needs 2.02 or newer",
                       p->req->name, image->protocol >> 8, image->protocol & 0xff);
    }
    if (strlen(cmdline) > image->cmdline_size) {
        return rh_fail(err, "Command line has %zu characters, kernel '%s' takes up to %u",
                       strlen(cmdline), p->req->name, image->cmdline_size);
    }
    uint8_t *zp = zero_page(p);
    if (!add_text(p, cmdline, &at, err) || (p->req->dtb && !add_device_tree(p, zp, err))) {
        return false;
    }
    rh_st32(zp + ZP_CMDLINE, (uint32_t)at);
    rh_st64(zp + ZP_RAMDISK, 0); /* address and length: none yet */
    if (has_initrd(p->req)) {
        if (!place_initrd(p, image->initrd_max, &at, err)) {
            return false;
        }
        rh_st32(zp + ZP_RAMDISK, (uint32_t)at);
        rh_st32(zp + ZP_RAMDISK_LEN, (uint32_t)p->req->files[0].len);
    }
    if (image->entry) {
        enter_long(p, image->entry);
    } else {
        enter_protected(p, image->load_addr);
    }
    p->plan->entry.rsi = AT_INFO;
    return true;
}

/* --- PVH: struct hvm_start_info, version 1 --- */

enum {
    PVH_NR_MODULES = 12,
    PVH_MODULES = 16,
    PVH_CMDLINE = 24,
    PVH_RSDP = 32,
    PVH_MAP = 40,
    PVH_NR_MAP = 48,
    PVH_INFO_LEN = 56,
    PVH_MODULE_AT = 64,
    PVH_MODULE_LEN = 32,
    PVH_MAP_ENTRY = 24,
};
#define PVH_MAGIC 0x336ec578u

static bool plan_pvh(Planner *p, GError **err)
{
    const RhBootRequest *req = p->req;
    uint8_t *info = add_block(p, AT_INFO, PVH_MODULE_AT + PVH_MODULE_LEN);
    uint8_t *map = add_block(p, AT_TABLES, MAX(req->nr_map, 1) * PVH_MAP_ENTRY);
    uint64_t at;

    rh_st32(info, PVH_MAGIC);
    rh_st32(info + 4, 1);
    if (!add_text(p, req->cmdline ? req->cmdline : "", &at, err)) {
        return false;
    }
    rh_st64(info + PVH_CMDLINE, at);
    rh_st64(info + PVH_RSDP, req->rsdp);
    rh_st64(info + PVH_MAP, AT_TABLES);
    rh_st32(info + PVH_NR_MAP, req->nr_map);
    for (unsigned i = 0; i < req->nr_map; i++) {
        memcpy(map + i * PVH_MAP_ENTRY, &req->map[i], sizeof(RhE820Entry));
    }
    if (has_initrd(req)) {
        if (!place_initrd(p, UINT32_MAX, &at, err)) {
            return false;
        }
        rh_st32(info + PVH_NR_MODULES, 1);
        rh_st64(info + PVH_MODULES, AT_INFO + PVH_MODULE_AT);
        rh_st64(info + PVH_MODULE_AT, at);
        rh_st64(info + PVH_MODULE_AT + 8, req->files[0].len);
    }
    enter_protected(p, req->image->entry);
    p->plan->entry.rbx = AT_INFO;
    return true;
}

/* --- Multiboot §3.3 --- */

enum {
    MBI_MEM_LOWER = 4,
    MBI_MEM_UPPER = 8,
    MBI_CMDLINE = 16,
    MBI_NR_MODS = 20,
    MBI_MODS = 24,
    MBI_MAP_LEN = 44,
    MBI_MAP = 48,
    MBI_LOADER = 64,
    MBI_LEN = 120,
    MBI_MOD = 16,
    MBI_MAP_ENTRY = 24,
    MBI_HAS_MEM = 0x1,
    MBI_HAS_CMDLINE = 0x4,
    MBI_HAS_MODS = 0x8,
    MBI_HAS_MAP = 0x40,
    MBI_HAS_LOADER = 0x200,
};
#define MB_BOOTED 0x2badb002u

/* Modules follow the kernel, page by page: many kernels map only their first megabytes. */
static bool multiboot_modules(Planner *p, uint8_t *mods, GError **err)
{
    uint64_t at = MAX(p->req->image->high, (uint64_t)MIB);

    for (unsigned i = 0; i < p->req->nr_files; i++) {
        const RhBootFile *file = &p->req->files[i];
        uint64_t text;
        at = rh_align_up(at, PAGE);
        if (!is_ram(p->req, at, file->len) || !rh_range_ok(at, file->len, UINT32_MAX)) {
            return rh_fail(err,
                           "module '%s' is too large for RAM: %" PRIu64 " bytes at 0x%" PRIx64
                           ", RAM ends at 0x%" PRIx64,
                           file->name, file->len, at, ram_end_below(p->req, UINT32_MAX));
        }
        if (!add_text(p, file->name, &text, err)) {
            return false;
        }
        add_load(p, at, file->bytes, file->len, file->len);
        rh_st32(mods + i * MBI_MOD, (uint32_t)at);
        rh_st32(mods + i * MBI_MOD + 4, (uint32_t)(at + file->len));
        rh_st32(mods + i * MBI_MOD + 8, (uint32_t)text);
        at += file->len;
    }
    return true;
}

static void multiboot_map(Planner *p, uint8_t *info)
{
    const RhBootRequest *req = p->req;
    uint8_t *map = add_block(p, AT_TABLES, MAX(req->nr_map, 1) * MBI_MAP_ENTRY);

    for (unsigned i = 0; i < req->nr_map; i++) {
        uint8_t *to = map + i * MBI_MAP_ENTRY;
        rh_st32(to, sizeof(RhE820Entry));
        memcpy(to + 4, &req->map[i], sizeof(RhE820Entry));
        if (req->map[i].type == RH_E820_RAM && req->map[i].base <= MIB &&
            req->map[i].base + req->map[i].len > MIB) {
            uint64_t upper = (req->map[i].base + req->map[i].len - MIB) / 1024;
            rh_st32(info + MBI_MEM_UPPER, (uint32_t)MIN(upper, UINT32_MAX));
        }
    }
    rh_st32(info + MBI_MEM_LOWER, (uint32_t)(ram_end_below(req, 0xa0000) / 1024));
    rh_st32(info + MBI_MAP_LEN, req->nr_map * MBI_MAP_ENTRY);
    rh_st32(info + MBI_MAP, AT_TABLES);
}

static bool plan_multiboot(Planner *p, GError **err)
{
    const RhBootRequest *req = p->req;
    uint8_t *info = add_block(p, AT_INFO, MBI_LEN + req->nr_files * MBI_MOD);
    bool has_args = req->cmdline && *req->cmdline;
    g_autofree char *cmdline =
        g_strconcat(req->name, has_args ? " " : "", has_args ? req->cmdline : "", NULL);
    uint64_t at;

    rh_st32(info, MBI_HAS_MEM | MBI_HAS_CMDLINE | MBI_HAS_MODS | MBI_HAS_MAP | MBI_HAS_LOADER);
    multiboot_map(p, info);
    if (!add_text(p, cmdline, &at, err)) {
        return false;
    }
    rh_st32(info + MBI_CMDLINE, (uint32_t)at);
    if (!add_text(p, "rhea", &at, err)) {
        return false;
    }
    rh_st32(info + MBI_LOADER, (uint32_t)at);
    rh_st32(info + MBI_NR_MODS, req->nr_files);
    rh_st32(info + MBI_MODS, AT_INFO + MBI_LEN);
    if (!multiboot_modules(p, info + MBI_LEN, err)) {
        return false;
    }
    enter_protected(p, req->image->entry);
    p->plan->entry.rax = MB_BOOTED;
    p->plan->entry.rbx = AT_INFO;
    return true;
}

/* --- */

static void byte_array_free(void *p)
{
    g_byte_array_unref(p);
}

static bool check_request(const RhBootRequest *req, GError **err)
{
    unsigned limit = req->image->kind == RH_BOOT_MULTIBOOT ? RH_BOOT_MAX_FILES : 1;

    g_assert(req->nr_map <= RH_BOOT_MAX_MAP);
    if (req->nr_files > limit) {
        return rh_fail(err, "Kernel '%s' takes at most %u initrd file(s), %u were given", req->name,
                       limit, req->nr_files);
    }
    if (!is_ram(req, AT_GDT, TEXT_END - AT_GDT)) {
        return rh_fail(err, "RAM ends at 0x%" PRIx64 ", direct boot needs 0x%x at least",
                       ram_end_below(req, MIB), TEXT_END);
    }
    return true;
}

RhBootPlan *rh_boot_plan_new(const RhBootRequest *req, GError **err)
{
    static bool (*const plans[])(Planner *, GError **) = {
        [RH_BOOT_LINUX] = plan_linux,
        [RH_BOOT_PVH] = plan_pvh,
        [RH_BOOT_MULTIBOOT] = plan_multiboot,
    };

    if (!check_request(req, err)) {
        return NULL;
    }
    g_autoptr(RhBootPlan) plan = g_new0(RhBootPlan, 1);
    plan->loads = g_array_new(FALSE, FALSE, sizeof(RhBootLoad));
    plan->owned = g_ptr_array_new_with_free_func(byte_array_free);
    Planner p = { .req = req, .plan = plan, .text_at = AT_TEXT };
    if (!add_kernel(&p, err) || !plans[req->image->kind](&p, err)) {
        return NULL;
    }
    return g_steal_pointer(&plan);
}

void rh_boot_plan_free(RhBootPlan *plan)
{
    if (plan) {
        g_array_unref(plan->loads);
        g_ptr_array_unref(plan->owned);
        g_free(plan);
    }
}
