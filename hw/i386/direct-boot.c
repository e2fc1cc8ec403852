/*
 * Direct boot: carries a boot plan out. Lock: machine lock.
 *
 * Files stay mapped, not copied: a kernel costs no memory of ours beyond guest RAM.
 */
#include "hw/i386/direct-boot.h"
#include "hw/i386/boot-params.h"
#include "target/i386/cpu.h"

struct RhDirectBoot {
    GMappedFile *kernel;
    GMappedFile *initrd;
    RhBootImage image;
    RhBootPlan *plan;
};

static bool map_file(const char *what, const char *path, GMappedFile **ret, GError **err)
{
    g_autoptr(GError) reason = NULL;

    *ret = g_mapped_file_new(path, FALSE, &reason);
    return *ret || rh_fail(err, "could not load %s '%s': %s", what, path, reason->message);
}

static bool load(RhDirectBoot *boot, const RhDirectBootRequest *request, GError **err)
{
    RhBootFile initrd = { .name = request->initrd };
    RhBootRequest plan = {
        .name = request->kernel, .image = &boot->image, .cmdline = request->cmdline, .map = request->map,
        .nr_map = (unsigned)request->nr_map, .rsdp = request->rsdp,
        .dtb = request->dtb ? request->dtb->data : NULL, .dtb_len = request->dtb ? request->dtb->len : 0,
    };

    if (!map_file("kernel", request->kernel, &boot->kernel, err) ||
        !rh_boot_image_parse(request->kernel, g_mapped_file_get_contents(boot->kernel),
                             g_mapped_file_get_length(boot->kernel), &boot->image, err)) {
        return false;
    }
    if (request->initrd) {
        if (!map_file("initrd", request->initrd, &boot->initrd, err)) {
            return false;
        }
        initrd.bytes = g_mapped_file_get_contents(boot->initrd);
        initrd.len = g_mapped_file_get_length(boot->initrd);
        plan.files = &initrd;
        plan.nr_files = 1;
    }
    boot->plan = rh_boot_plan_new(&plan, err);
    return boot->plan != NULL;
}

RhDirectBoot *rh_direct_boot_new(const RhDirectBootRequest *request, GError **err)
{
    RhDirectBoot *boot = g_new0(RhDirectBoot, 1);

    if (!load(boot, request, err)) {
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
    g_clear_pointer(&boot->plan, rh_boot_plan_free);
    g_clear_pointer(&boot->kernel, g_mapped_file_unref);
    g_clear_pointer(&boot->initrd, g_mapped_file_unref);
    g_free(boot);
}

bool rh_direct_boot_takes_dtb(const RhDirectBoot *boot)
{
    return boot->image.kind == RH_BOOT_LINUX;
}

void rh_direct_boot_add(RhDirectBoot *boot, uint64_t at, const void *bytes, size_t len)
{
    GByteArray *copy = g_byte_array_sized_new((guint)len);
    RhBootLoad row;

    g_byte_array_append(copy, bytes, (guint)len);
    row = (RhBootLoad){ .gpa = at, .bytes = copy->data, .len = len, .mem_len = len };
    g_ptr_array_add(boot->plan->owned, copy);
    g_array_append_val(boot->plan->loads, row);
}

/* --- placing --- */

static RhX86Segment flat(uint16_t selector, uint32_t access)
{
    return (RhX86Segment){ .limit = UINT32_MAX, .selector = selector, .access = RH_SEG_P | RH_SEG_G | access };
}

static void set_cpu(const RhBootEntry *entry, RhX86Cpu *cpu)
{
    RhX86State *state = &cpu->x86.state;

    memset(state->gpr, 0, sizeof(state->gpr));
    state->gpr[RH_RAX] = entry->rax;
    state->gpr[RH_RBX] = entry->rbx;
    state->gpr[RH_RSI] = entry->rsi;
    state->gpr[RH_RSP] = entry->rsp;
    state->rip = entry->rip;
    state->rflags = 2;
    state->cr0 = entry->cr0;
    state->cr3 = entry->cr3;
    state->cr4 = entry->cr4;
    state->efer = entry->efer;
    state->gdt = (RhX86Table){ entry->gdt_base, entry->gdt_limit };
    for (unsigned i = RH_ES; i <= RH_GS; i++) {
        state->seg[i] = flat(entry->ds, RH_SEG_S | RH_SEG_DB | 3);      /* data, writable, accessed */
    }
    state->seg[RH_CS] = flat(entry->cs, RH_SEG_S | (entry->is_long ? RH_SEG_L : RH_SEG_DB) | 11);   /* code, readable */
    state->seg[RH_TR] = (RhX86Segment){ .limit = 103, .selector = entry->tr, .access = RH_SEG_P | 11 };
    rh_device_settle_all(&cpu->parent);
}

void rh_direct_boot_reset(RhDirectBoot *boot, RhVm *vm)
{
    for (guint i = 0; i < boot->plan->loads->len; i++) {
        const RhBootLoad *row = &g_array_index(boot->plan->loads, RhBootLoad, i);

        rh_space_write(vm->memory, row->gpa, row->bytes, row->len);
        rh_dma_fill(vm->memory, row->gpa + row->len, 0, row->mem_len - row->len);
    }
    if (vm->vcpus->len) {
        set_cpu(&boot->plan->entry, rh_x86_cpu(vm->vcpus->pdata[0]));
    }
}
