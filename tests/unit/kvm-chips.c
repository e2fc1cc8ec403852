/*
 * State of the chips in the kernel: programmed by a guest, saved, loaded into another VM, reset.
 */
#include "kvm-guest.h"

#include <sys/ioctl.h>
#include "hw/core/device.h"

static const char *const types[] = { "kvm-i8259", "kvm-ioapic", "kvm-pit", "kvmclock", "kvm-apic" };

typedef struct Chips {
    RhDevice *dev[RH_COUNT(types)];
} Chips;

static const uint8_t programmer[] = {
    0xb0, 0x11, 0xe6, 0x20,                                                     /* ICW1 to the master */
    0xb0, 0x40, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21,     /* ICW2..4: vectors from 0x40 */
    0xb0, 0xa5, 0xe6, 0x21,                                                     /* mask */
    0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x9c, 0xe6, 0x40, 0xb0, 0x2e, 0xe6, 0x40,     /* PIT: mode 2, count 0x2e9c */
    0x67, 0x66, 0xc7, 0x05, 0x00, 0x00, 0xc0, 0xfe, 0x12, 0, 0, 0,              /* I/O APIC: select entry 1 */
    0x67, 0x66, 0xc7, 0x05, 0x10, 0x00, 0xc0, 0xfe, 0x33, 0, 1, 0,              /* vector 0x33, masked */
    0xba, 0xf0, 0x05, 0xee,                                                     /* stop */
};

static bool find_chip(RhObject *obj, void *opaque)
{
    Chips *chips = opaque;

    for (size_t i = 0; i < RH_COUNT(types); i++) {
        if (g_str_equal(obj->type->name, types[i])) {
            g_assert_null(chips->dev[i]);
            chips->dev[i] = RH_SELF(RhDevice, obj);
        }
    }
    return true;
}

static Guest *new_guest(Chips *chips)
{
    Guest *guest = guest_new_with_pit(programmer, sizeof(programmer));
    g_autoptr(GError) error = NULL;

    guest->cpu.state.seg[RH_DS].limit = UINT32_MAX;
    guest->cpu.state.seg[RH_DS].access |= RH_SEG_G;
    guest_store(guest);
    rh_lock(&guest->vm->lock);
    /* The others came with set_up_irqchip. */
    rh_device_create(guest->vm, NULL, NULL, "kvm-apic", NULL, NULL, &error);
    g_assert_no_error(error);
    *chips = (Chips){ 0 };
    rh_object_foreach(guest->vm->root, find_chip, chips);
    for (size_t i = 0; i < RH_COUNT(types); i++) {
        g_assert_nonnull(chips->dev[i]);
    }
    rh_unlock(&guest->vm->lock);
    return guest;
}

static void save(Guest *guest, Chips *chips, GByteArray *out)
{
    rh_lock(&guest->vm->lock);
    for (size_t i = 0; i < RH_COUNT(types); i++) {
        rh_device_save(chips->dev[i], out);
    }
    rh_unlock(&guest->vm->lock);
}

static void load(Guest *guest, Chips *chips, const GByteArray *in)
{
    size_t pos = 0;

    rh_lock(&guest->vm->lock);
    for (size_t i = 0; i < RH_COUNT(types); i++) {
        g_autoptr(GError) error = NULL;

        rh_device_load(chips->dev[i], in->data, in->len, &pos, &error);
        g_assert_no_error(error);
        rh_device_settle_all(chips->dev[i]);
    }
    rh_unlock(&guest->vm->lock);
    g_assert_cmpuint(pos, ==, in->len);
}

static void get_chip(const Guest *guest, uint32_t id, struct kvm_irqchip *ret)
{
    *ret = (struct kvm_irqchip){ .chip_id = id };
    g_assert_cmpint(ioctl(guest->kvm->vm_fd, KVM_GET_IRQCHIP, ret), ==, 0);
}

static void check_programmed(const Guest *guest)
{
    struct kvm_irqchip chip;
    struct kvm_pit_state2 pit;

    get_chip(guest, KVM_IRQCHIP_PIC_MASTER, &chip);
    g_assert_cmphex(chip.chip.pic.irq_base, ==, 0x40);
    g_assert_cmphex(chip.chip.pic.imr, ==, 0xa5);
    get_chip(guest, KVM_IRQCHIP_IOAPIC, &chip);
    g_assert_cmphex(chip.chip.ioapic.ioregsel, ==, 0x12);
    g_assert_cmphex(chip.chip.ioapic.redirtbl[1].bits & 0x1ffff, ==, 0x10033);
    g_assert_cmpint(ioctl(guest->kvm->vm_fd, KVM_GET_PIT2, &pit), ==, 0);
    g_assert_cmphex(pit.channels[0].count, ==, 0x2e9c);
    g_assert_cmpuint(pit.channels[0].mode, ==, 2);
}

static void test_round_trip(void)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GByteArray) again = g_byte_array_new();
    struct kvm_irqchip chip;
    Chips chips;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_guest(&chips);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    check_programmed(guest);
    guest_ops(guest)->set_clock_running(&guest->kvm->parent, false);
    save(guest, &chips, saved);
    guest_free(guest);

    guest = new_guest(&chips);
    load(guest, &chips, saved);
    check_programmed(guest);
    save(guest, &chips, again);
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);

    rh_lock(&guest->vm->lock);
    for (size_t i = 0; i < RH_COUNT(types); i++) {
        rh_device_reset(chips.dev[i]);
    }
    rh_unlock(&guest->vm->lock);
    get_chip(guest, KVM_IRQCHIP_PIC_MASTER, &chip);
    g_assert_cmphex(chip.chip.pic.imr, ==, 0);
    g_assert_cmphex(chip.chip.pic.elcr_mask, ==, 0xf8);
    get_chip(guest, KVM_IRQCHIP_IOAPIC, &chip);
    g_assert_cmphex(chip.chip.ioapic.redirtbl[1].bits, ==, 0x10000);
    guest_free(guest);
}

/* The guest's clock stands still while the machine is stopped. */
static void test_clock(void)
{
    struct kvm_clock_data before, after;
    Chips chips;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_guest(&chips);
    guest_ops(guest)->set_clock_running(&guest->kvm->parent, false);
    before = guest->kvm->clock;
    g_usleep(50 * 1000);
    guest_ops(guest)->set_clock_running(&guest->kvm->parent, true);
    g_assert_cmpint(ioctl(guest->kvm->vm_fd, KVM_GET_CLOCK, &after), ==, 0);
    g_assert_cmpuint(after.clock, >=, before.clock);
    g_assert_cmpuint(after.clock - before.clock, <, 40 * 1000 * 1000);
    guest_free(guest);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/chips/round-trip", test_round_trip);
    g_test_add_func("/kvm/chips/clock", test_clock);
    return g_test_run();
}
