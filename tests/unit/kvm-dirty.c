/*
 * Which pages a guest wrote, by bitmap and by ring: RhAccelType.dirty_begin and its kin under KVM.
 */
#include "kvm-guest.h"

enum { RING_ENTRIES = 1024 };

/* Writes to pages 3, 5 and 3 again, then stops; then to page 9, and halts. */
static const uint8_t writer[] = {
    0xb8, 0x00, 0x00, 0x8e, 0xd8,               /* mov ax, 0; mov ds, ax */
    0xa2, 0x10, 0x30, 0xa2, 0x00, 0x50, 0xa2, 0xff, 0x3f,   /* mov [0x3010], al; [0x5000]; [0x3fff] */
    0xba, 0xf0, 0x05, 0xee,                     /* mov dx, 0x5f0; out dx, al */
    0xa2, 0x00, 0x90,                           /* mov [0x9000], al */
    0xba, 0xf0, 0x05, 0xee, 0xf4,               /* mov dx, 0x5f0; out dx, al; hlt */
};
enum { GUEST_PAGES = GUEST_RAM_SIZE / 4096 };

static unsigned long fetch_dirty(Guest *guest)
{
    unsigned long bitmap = 0;
    g_autoptr(GError) error = NULL;

    _Static_assert(GUEST_PAGES <= 8 * sizeof(bitmap), "one word holds all pages");
    rh_lock(&guest->vm->lock);
    guest_ops(guest)->dirty_fetch(&guest->kvm->parent, guest->ram, &bitmap, &error);
    rh_unlock(&guest->vm->lock);
    g_assert_no_error(error);
    return bitmap;
}

static void begin_dirty(Guest *guest)
{
    g_autoptr(GError) error = NULL;

    rh_lock(&guest->vm->lock);
    guest_ops(guest)->dirty_begin(&guest->kvm->parent, guest->ram, &error);
    rh_unlock(&guest->vm->lock);
    g_assert_no_error(error);
}

static void end_dirty(Guest *guest)
{
    rh_lock(&guest->vm->lock);
    guest_ops(guest)->dirty_end(&guest->kvm->parent, guest->ram);
    rh_unlock(&guest->vm->lock);
}

static void check_dirty(uint32_t ring_size)
{
    Guest *guest = guest_new_with_ring(ring_size, writer, sizeof(writer));

    begin_dirty(guest);
    g_assert_cmphex(fetch_dirty(guest), ==, 0);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmphex(fetch_dirty(guest), ==, 1ul << 3 | 1ul << 5);
    g_assert_cmphex(fetch_dirty(guest), ==, 0);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmphex(fetch_dirty(guest), ==, 1ul << 9);

    /* Begun again, nothing is dirty; and what was written between does not count. */
    end_dirty(guest);
    guest->cpu.state.rip = GUEST_CODE;
    guest_store(guest);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    begin_dirty(guest);
    g_assert_cmphex(fetch_dirty(guest), ==, 0);
    end_dirty(guest);
    guest_free(guest);
}

static void test_dirty_log(void)
{
    if (guest_have_kvm()) {
        check_dirty(0);
    }
}

static bool have_rings(void)
{
    Guest *guest = guest_have_kvm() ? guest_new(RH_IRQCHIP_OFF, writer, sizeof(writer)) : NULL;
    bool has_rings = guest && rh_kvm_cap(guest->kvm, KVM_CAP_DIRTY_LOG_RING);

    if (guest) {
        guest_free(guest);
    }
    if (guest && !has_rings) {
        g_test_skip("this KVM has no dirty rings");
    }
    return has_rings;
}

static void test_dirty_ring(void)
{
    if (have_rings()) {
        check_dirty(RING_ENTRIES);
    }
}

static void enter_flat_mode(RhX86State *state)
{
    const RhX86Segment data = { .selector = 16, .limit = UINT32_MAX,
                                .access = RH_SEG_P | RH_SEG_S | RH_SEG_DB | RH_SEG_G | 3 };

    state->cr0 |= RH_CR0_PE;
    state->seg[RH_DS] = state->seg[RH_ES] = state->seg[RH_SS] = data;
    state->seg[RH_CS] = data;
    state->seg[RH_CS].selector = 8;
    state->seg[RH_CS].access |= 8;
}

/*
 * Thrice what a ring holds: the vCPU stops when it is full and goes on when it was emptied. Each page
 * takes an exit: without, a KVM that interprets has been seen to miss some (docs/kvm.md).
 */
static void test_dirty_ring_full(void)
{
    static const uint8_t code[] = {
        0xbf, 0x00, 0x00, 0x10, 0x00,               /* mov edi, 0x100000 */
        0x88, 0x07, 0xe4, 0x80,                     /* next: mov [edi], al; in al, 0x80 */
        0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,         /* add edi, 0x1000 */
        0x81, 0xff, 0x00, 0x00, 0xd0, 0x00,         /* cmp edi, 0xd00000 */
        0x75, 0xee, 0xf4,                           /* jne next; hlt */
    };
    enum { FIRST = 0x100000, END = 0xd00000, NR = (END - FIRST) / 4096 };
    unsigned long bitmap[NR / (8 * sizeof(unsigned long))] = { 0 };
    g_autoptr(GError) error = NULL;
    Guest *guest;
    RhRegion region;
    RhRam *ram;

    if (!have_rings()) {
        return;
    }
    guest = guest_new_with_ring(RING_ENTRIES, code, sizeof(code));
    enter_flat_mode(&guest->cpu.state);
    guest_store(guest);
    ram = rh_ram_new("more", END - FIRST, NULL, NULL);
    rh_lock(&guest->vm->lock);
    rh_region_init_ram(&region, guest->vm, "more", ram, 0, END - FIRST, false);
    rh_region_add(rh_space_root(guest->vm->memory), FIRST, &region);
    guest_ops(guest)->dirty_begin(&guest->kvm->parent, ram, &error);
    rh_unlock(&guest->vm->lock);
    g_assert_no_error(error);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    rh_lock(&guest->vm->lock);
    rh_region_fini(&region);            /* what was written is known although the memory is gone */
    g_assert_true(guest_ops(guest)->dirty_fetch(&guest->kvm->parent, ram, bitmap, &error));
    guest_ops(guest)->dirty_end(&guest->kvm->parent, ram);
    rh_unlock(&guest->vm->lock);
    for (size_t i = 0; i < RH_COUNT(bitmap); i++) {
        g_assert_cmphex(bitmap[i], ==, ULONG_MAX);
    }
    rh_ram_unref(ram);
    guest_free(guest);
}

/* Sizes that cannot be had are refused when the VM is made, with what would be right. */
static void test_ring_size(void)
{
    g_autoptr(GError) error = NULL;
    RhVm *vm = rh_vm_new(NULL);
    RhKvm *kvm = (RhKvm *)rh_object_new(vm, RH_TYPE_KVM_ACCEL, NULL);

    if (have_rings()) {
        rh_object_set_str(RH_OBJECT(kvm), "dirty-ring-size", "1073741824", &error);
        g_assert_no_error(error);
        g_assert_false(rh_accel_type(&kvm->parent)->open(&kvm->parent, &error));
        g_assert_true(g_str_has_prefix(error->message, "Property 'kvm-accel.dirty-ring-size' is 1073741824, "
                                                       "the host's KVM has "));
        g_clear_error(&error);
        rh_object_set_str(RH_OBJECT(kvm), "dirty-ring-size", "1", &error);
        g_assert_no_error(error);
        g_assert_false(rh_accel_type(&kvm->parent)->open(&kvm->parent, &error));
        g_assert_true(g_str_has_prefix(error->message, "KVM refuses dirty rings of 1 entries (dirty-ring-size)"));
    }
    rh_object_unref(RH_OBJECT(kvm));
    rh_vm_free(vm);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/dirty/log", test_dirty_log);
    g_test_add_func("/kvm/dirty/ring", test_dirty_ring);
    g_test_add_func("/kvm/dirty/ring-full", test_dirty_ring_full);
    g_test_add_func("/kvm/dirty/ring-size", test_ring_size);
    return g_test_run();
}
