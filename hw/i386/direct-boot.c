/*
 * Direct boot of PVH kernels. Spec: Xen, docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h (the ABI);
 * Lock: machine lock.
 */
#include "hw/i386/direct-boot.h"
#include "hw/i386/boot-image.h"
#include "target/i386/cpu.h"

enum {                          /* where things lie below 640 KiB */
    START_INFO = 0x6000,
    MEMORY_MAP = 0x7000,
    MAX_RANGES = 64,
    CMDLINE    = 0x20000,
    MAX_CMDLINE = 0x10000,
};
enum { PAGE = 4096 };
#define START_MAGIC 0x336ec578u
#define INITRD_TOP  UINT64_C(0x37fff000)    /* below what 32-bit kernels map directly */

typedef struct Chunk {
    uint64_t at;
    uint64_t size;              /* in memory; what data does not fill is zero */
    GBytes *data;               /* of a file: a part of its mapping, which costs no memory of ours */
} Chunk;

struct RhDirectBoot {
    GArray *chunks;             /* Chunk */
    uint32_t entry;
    RhE820Entry initrd;
    char *cmdline;
    uint64_t rsdp;
    RhE820Entry map[MAX_RANGES];
    size_t nr_ranges;
};

static void add_chunk(RhDirectBoot *boot, uint64_t at, uint64_t size, GBytes *data)
{
    Chunk chunk = { at, size, data };

    g_array_append_val(boot->chunks, chunk);
}

void rh_direct_boot_add(RhDirectBoot *boot, uint64_t at, GByteArray *data)
{
    uint64_t len = data->len;

    add_chunk(boot, at, len, g_byte_array_free_to_bytes(data));
}

/* --- the kernel --- */

static GBytes *map_file(const char *what, const char *path, GError **err)
{
    g_autoptr(GError) reason = NULL;
    GMappedFile *file = g_mapped_file_new(path, FALSE, &reason);
    GBytes *bytes;

    if (!file) {
        rh_fail(err, "could not load %s '%s': %s", what, path, reason->message);
        return NULL;
    }
    bytes = g_mapped_file_get_bytes(file);
    g_mapped_file_unref(file);
    return bytes;
}

static bool load_kernel(RhDirectBoot *boot, const char *path, uint64_t ram, GError **err)
{
    g_autoptr(GBytes) file = map_file("kernel", path, err);
    const uint8_t *bytes;
    RhBootImage image;
    size_t len;

    if (!file) {
        return false;
    }
    bytes = g_bytes_get_data(file, &len);
    if (!rh_boot_image_parse(path, bytes, len, &image, err)) {
        return false;
    }
    if (image.kind != RH_BOOT_PVH) {
        return rh_fail(err, "kernel '%s' has no PVH entry point; other kernels are not supported yet", path);
    }
    if (image.high > ram) {
        return rh_fail(err, "kernel '%s' needs RAM up to 0x%" PRIx64 ", there is RAM up to 0x%" PRIx64, path, image.high,
                       ram);
    }
    for (unsigned i = 0; i < image.nr_loads; i++) {
        const RhBootLoad *load = &image.loads[i];

        add_chunk(boot, load->gpa, load->mem_len,
                  g_bytes_new_from_bytes(file, (const uint8_t *)load->bytes - bytes, load->len));
    }
    boot->entry = (uint32_t)image.entry;
    return true;
}

/* As high as the kernel can use at once, above everything else. */
static bool load_initrd(RhDirectBoot *boot, const char *path, uint64_t ram, GError **err)
{
    g_autoptr(GBytes) file = map_file("initrd", path, err);
    uint64_t lowest = 0x100000;
    uint64_t top = MIN(rh_align_down(ram, PAGE), INITRD_TOP);
    size_t len;

    if (!file) {
        return false;
    }
    len = g_bytes_get_size(file);
    for (guint i = 0; i < boot->chunks->len; i++) {
        const Chunk *chunk = &g_array_index(boot->chunks, Chunk, i);

        lowest = MAX(lowest, chunk->at + chunk->size);
    }
    if (top < lowest || rh_align_up(len, PAGE) > top - lowest) {
        return rh_fail(err, "initrd '%s' is too large: %zu bytes, there is room for %" PRIu64, path, len,
                       top > lowest ? top - lowest : 0);
    }
    boot->initrd = (RhE820Entry){ .base = top - rh_align_up(len, PAGE), .len = len };
    add_chunk(boot, boot->initrd.base, len, g_steal_pointer(&file));
    return true;
}

RhDirectBoot *rh_direct_boot_new(const char *kernel, const char *initrd, uint64_t ram_below_4g, GError **err)
{
    RhDirectBoot *boot = g_new0(RhDirectBoot, 1);

    boot->chunks = g_array_new(FALSE, FALSE, sizeof(Chunk));
    boot->cmdline = g_strdup("");
    if (!load_kernel(boot, kernel, ram_below_4g, err) || (initrd && !load_initrd(boot, initrd, ram_below_4g, err))) {
        rh_direct_boot_free(boot);
        return NULL;
    }
    return boot;
}

void rh_direct_boot_free(RhDirectBoot *boot)
{
    if (!boot) {
        return;
    }
    for (guint i = 0; i < boot->chunks->len; i++) {
        g_bytes_unref(g_array_index(boot->chunks, Chunk, i).data);
    }
    g_array_unref(boot->chunks);
    g_free(boot->cmdline);
    g_free(boot);
}

void rh_direct_boot_set(RhDirectBoot *boot, const char *cmdline, uint64_t rsdp, const RhE820Entry *map, size_t nr)
{
    g_assert(nr <= MAX_RANGES);
    g_free(boot->cmdline);
    boot->cmdline = g_strndup(cmdline ? cmdline : "", MAX_CMDLINE - 1);
    boot->rsdp = rsdp;
    memcpy(boot->map, map, nr * sizeof(*map));
    boot->nr_ranges = nr;
}

RhE820Entry rh_direct_boot_initrd(const RhDirectBoot *boot)
{
    return boot->initrd;
}

/* --- placing --- */

static void put_start_info(const RhDirectBoot *boot, RhVm *vm)
{
    uint8_t info[56] = { 0 };
    uint8_t module[32] = { 0 };
    bool has_initrd = boot->initrd.len;

    rh_st32(info, START_MAGIC);
    rh_st32(info + 4, 1);                               /* version */
    rh_st32(info + 12, has_initrd ? 1 : 0);
    rh_st64(info + 16, has_initrd ? START_INFO + sizeof(info) : 0);
    rh_st64(info + 24, CMDLINE);
    rh_st64(info + 32, boot->rsdp);
    rh_st64(info + 40, MEMORY_MAP);
    rh_st32(info + 48, boot->nr_ranges);
    rh_st64(module, boot->initrd.base);
    rh_st64(module + 8, boot->initrd.len);
    rh_space_write(vm->memory, START_INFO, info, sizeof(info));
    rh_space_write(vm->memory, START_INFO + sizeof(info), module, sizeof(module));
    rh_space_write(vm->memory, CMDLINE, boot->cmdline, strlen(boot->cmdline) + 1);
    for (size_t i = 0; i < boot->nr_ranges; i++) {
        uint8_t row[24] = { 0 };

        rh_st64(row, boot->map[i].base);
        rh_st64(row + 8, boot->map[i].len);
        rh_st32(row + 16, boot->map[i].type);
        rh_space_write(vm->memory, MEMORY_MAP + i * sizeof(row), row, sizeof(row));
    }
}

/* 32-bit protected mode, flat, paging off, interrupts off; EBX holds the start info's address. */
static void set_cpu(const RhDirectBoot *boot, RhX86Cpu *cpu)
{
    RhX86State *state = &cpu->x86.state;
    const uint32_t flat = RH_SEG_P | RH_SEG_DB | RH_SEG_G;

    memset(state->gpr, 0, sizeof(state->gpr));
    state->gpr[RH_RBX] = START_INFO;
    state->rip = boot->entry;
    state->rflags = 2;
    state->cr0 = RH_CR0_PE | 0x10;
    state->cr4 = 0;
    state->efer = 0;
    for (unsigned i = RH_ES; i <= RH_GS; i++) {
        state->seg[i] = (RhX86Segment){ .limit = UINT32_MAX, .selector = 0x10, .access = flat | RH_SEG_S | 3 };
    }
    state->seg[RH_CS] = (RhX86Segment){ .limit = UINT32_MAX, .selector = 0x08, .access = flat | RH_SEG_S | 11 };
    state->seg[RH_TR] = (RhX86Segment){ .limit = 0x67, .selector = 0x18, .access = RH_SEG_P | 11 };
    rh_device_settle_all(&cpu->parent);
}

void rh_direct_boot_reset(RhDirectBoot *boot, RhVm *vm)
{
    for (guint i = 0; i < boot->chunks->len; i++) {
        const Chunk *chunk = &g_array_index(boot->chunks, Chunk, i);
        size_t len;
        const void *bytes = g_bytes_get_data(chunk->data, &len);

        rh_space_write(vm->memory, chunk->at, bytes, len);
        rh_dma_fill(vm->memory, chunk->at + len, 0, chunk->size - len);
    }
    put_start_info(boot, vm);
    if (vm->vcpus->len) {
        set_cpu(boot, rh_x86_cpu(vm->vcpus->pdata[0]));
    }
}
