/*
 * Kernel images: whatever is accepted must lie inside the file and plan without a fault.
 */
#include "hw/i386/boot-params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const RhE820Entry map[] = { { 0, UINT64_C(1) << 32, RH_E820_RAM } };
    RhBootFile initrd = { "initrd", data, size };
    RhBootImage image;

    if (!rh_boot_image_parse("fuzz", data, size, &image, NULL)) {
        return 0;
    }
    for (unsigned i = 0; i < image.nr_loads; i++) {
        const RhBootLoad *load = &image.loads[i];
        g_assert(load->len <= load->mem_len && rh_range_ok(load->gpa, load->mem_len, UINT64_C(1) << 32));
        g_assert(rh_range_ok((uintptr_t)load->bytes - (uintptr_t)data, load->len, size));
    }
    RhBootRequest req = {
        .name = "fuzz", .image = &image, .cmdline = "a=b", .files = &initrd, .nr_files = 1,
        .map = map, .nr_map = RH_COUNT(map),
    };
    rh_boot_plan_free(rh_boot_plan_new(&req, NULL));
    return 0;
}
