/*
 * Interrupts through KVM: lines and messages into the kernel's chips, irqfds, the end of interrupts
 * with a split irqchip, and chips of our own.
 */
#include "kvm-guest.h"

#include "hw/core/device.h"

#define NEW_GUEST(irqchip, code) guest_new(irqchip, code, sizeof(code))

enum { VECTOR = 0x40, MSI_ADDRESS = 0xfee00000, MSI_LEVEL = 0x8000 };

enum { HANDLER = 0x1100 };

/* Real mode: waits for interrupts; the handler of vector 0x40 writes its number to the device, then stops. */
static const uint8_t waiter[] = { 0xfb, 0xf4, 0xeb, 0xfd };     /* sti; again: hlt; jmp again */
static const uint8_t handler[] = {
    0xba, 0x00, 0x05, 0xb0, 0x40, 0xee,         /* mov dx, 0x500; mov al, 0x40; out dx, al */
    0xba, 0xf0, 0x05, 0xee,                     /* mov dx, 0x5f0; out dx, al */
    0xcf,                                       /* iret */
};
/* The same, but first ends the interrupt at the local APIC (unreal mode: DS covers 4 GiB). */
static const uint8_t ending_handler[] = {
    0x67, 0x66, 0xc7, 0x05, 0xb0, 0x00, 0xe0, 0xfe, 0, 0, 0, 0,    /* mov dword [0xfee000b0], 0 */
    0xba, 0x00, 0x05, 0xb0, 0x40, 0xee,
    0xba, 0xf0, 0x05, 0xee,
    0xcf,
};

static void set_handler(Guest *guest, const uint8_t *code, size_t len)
{
    rh_st32(guest->ram->host + VECTOR * 4, HANDLER);
    memcpy(guest->ram->host + HANDLER, code, len);
}

static Guest *new_waiter(RhIrqchip irqchip, const uint8_t *handler_code, size_t len)
{
    Guest *guest = NEW_GUEST(irqchip, waiter);

    set_handler(guest, handler_code, len);
    guest->cpu.state.seg[RH_DS].limit = UINT32_MAX;
    guest->cpu.state.seg[RH_DS].access |= RH_SEG_G;
    rh_st32(guest->cpu.state.lapic + 0xf0, 0x1ff);      /* software-enabled */
    guest_store(guest);
    return guest;
}

static void expect_interrupt(Guest *guest)
{
    guest->nr_log = 0;
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmpuint(guest->nr_log, ==, 1);
    g_assert_cmphex(guest->log[0].value, ==, VECTOR);
}

/* No interrupt but the one that is sent here is under way. */
static void expect_quiet(Guest *guest)
{
    guest->nr_log = 0;
    g_assert_true(guest_ops(guest)->send_msi(&guest->kvm->parent, MSI_ADDRESS, VECTOR, 0));
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmpuint(guest->nr_log, ==, 1);
}

static void test_send_msi(void)
{
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_waiter(RH_IRQCHIP_ON, handler, sizeof(handler));
    g_assert_true(guest_ops(guest)->send_msi(&guest->kvm->parent, MSI_ADDRESS, VECTOR, 0));
    expect_interrupt(guest);
    guest_free(guest);
}

static void test_irqfd(void)
{
    RhEvent event = { 0 };
    RhIrqRoute route = { .address = MSI_ADDRESS, .data = VECTOR + 1, .gsi = -1, .event = &event };
    RhIrqRoute other = { .address = MSI_ADDRESS, .data = 0x50, .gsi = -1, .event = &event };
    g_autoptr(GError) error = NULL;
    RhAccel *accel;
    Guest *guest;
    int gsi;

    if (!guest_have_kvm()) {
        return;
    }
    rh_event_init(&event, NULL);
    guest = new_waiter(RH_IRQCHIP_ON, ending_handler, sizeof(ending_handler));
    accel = &guest->kvm->parent;
    g_assert_true(guest_ops(guest)->bind_route(accel, &route, &error));
    gsi = route.gsi;
    g_assert_cmpint(gsi, >=, 24);
    route.data = VECTOR;
    guest_ops(guest)->update_route(accel, &route);
    for (unsigned i = 0; i < 3; i++) {
        rh_event_set(&event);
        expect_interrupt(guest);
        g_assert_false(rh_event_clear(&event));     /* KVM took it */
    }

    /* Unbound, the event is an ordinary one again, and the number is free. */
    guest_ops(guest)->unbind_route(accel, &route);
    g_assert_cmpint(route.gsi, ==, -1);
    rh_event_set(&event);
    g_assert_true(rh_event_clear(&event));
    g_assert_true(guest_ops(guest)->bind_route(accel, &other, &error));
    g_assert_cmpint(other.gsi, ==, gsi);
    guest_ops(guest)->unbind_route(accel, &other);
    guest_ops(guest)->unbind_route(accel, &other);  /* no harm */
    guest_free(guest);
    rh_event_fini(&event);
}

typedef struct EoiWatch {
    RhNotifier notifier;
    unsigned nr;
    uint8_t vector;
} EoiWatch;

static void on_eoi(RhNotifier *self, void *data)
{
    EoiWatch *watch = RH_CONTAINER(EoiWatch, notifier, self);

    watch->nr++;
    watch->vector = *(uint8_t *)data;
}

/* Our I/O APIC with the kernel's local APICs: it hears of the end of level-triggered interrupts, of no others. */
static void test_split_eoi(void)
{
    EoiWatch watch = { .notifier.fn = on_eoi };
    RhAccel *accel;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_waiter(RH_IRQCHIP_SPLIT, ending_handler, sizeof(ending_handler));
    accel = &guest->kvm->parent;
    rh_notifier_add(&accel->eoi, &watch.notifier);
    guest_ops(guest)->set_ioapic_pin(accel, 4, MSI_ADDRESS, VECTOR | MSI_LEVEL, false);
    g_assert_true(guest_ops(guest)->send_msi(accel, MSI_ADDRESS, VECTOR | MSI_LEVEL, 0));
    expect_interrupt(guest);
    g_assert_cmpuint(watch.nr, ==, 1);
    g_assert_cmphex(watch.vector, ==, VECTOR);

    guest_ops(guest)->set_ioapic_pin(accel, 4, MSI_ADDRESS, VECTOR, false);
    g_assert_true(guest_ops(guest)->send_msi(accel, MSI_ADDRESS, VECTOR, 0));
    expect_interrupt(guest);
    g_assert_cmpuint(watch.nr, ==, 1);
    rh_notifier_remove(&watch.notifier);
    guest_free(guest);
}

/* Our I/O APIC on top of that: a line that stays up comes again after each EOI, and no more once it is down. */
static void test_split_ioapic(void)
{
    static const uint8_t code[] = {
        0x67, 0x66, 0xc7, 0x05, 0x00, 0x00, 0xc0, 0xfe, 0x1a, 0, 0, 0,         /* select entry 5 */
        0x67, 0x66, 0xc7, 0x05, 0x10, 0x00, 0xc0, 0xfe, VECTOR, 0x80, 0, 0,    /* level-triggered */
        0xfb, 0xf4, 0xeb, 0xfd,                                                /* sti; again: hlt; jmp again */
    };
    g_autoptr(GError) error = NULL;
    RhDevice *ioapic;
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_waiter(RH_IRQCHIP_SPLIT, ending_handler, sizeof(ending_handler));
    memcpy(guest->ram->host + GUEST_CODE, code, sizeof(code));
    rh_lock(&guest->vm->lock);
    ioapic = rh_device_create(guest->vm, NULL, NULL, "ioapic", NULL, NULL, &error);
    g_assert_no_error(error);
    rh_pin_set(ioapic, NULL, 5, 1);
    rh_unlock(&guest->vm->lock);
    for (unsigned i = 0; i < 3; i++) {
        expect_interrupt(guest);
    }
    rh_lock(&guest->vm->lock);
    rh_pin_set(ioapic, NULL, 5, 0);
    rh_unlock(&guest->vm->lock);
    /* Only the message that we send now comes: the pin is down. */
    expect_quiet(guest);
    rh_lock(&guest->vm->lock);
    rh_device_remove(ioapic);
    rh_unlock(&guest->vm->lock);
    guest_free(guest);
}

static int acknowledge(RhVcpu *vcpu)
{
    g_assert_true(rh_is_locked_by_me(&vcpu->vm->lock));
    rh_accel_type(vcpu->vm->accel)->vcpu_interrupt(vcpu, RH_CPU_INTR, 0);
    return VECTOR;
}

/* With a split irqchip the 8259 is ours: the vCPU asks for its vector, even from hlt in the kernel. */
static void test_split_pic(void)
{
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_waiter(RH_IRQCHIP_SPLIT, handler, sizeof(handler));
    rh_st32(guest->cpu.state.lapic + 0x350, 0x700);     /* LINT0: ExtINT */
    guest_store(guest);
    guest->kvm->parent.acknowledge = acknowledge;
    guest_ops(guest)->vcpu_interrupt(&guest->cpu.vcpu, RH_CPU_INTR, 1);
    expect_interrupt(guest);
    guest_free(guest);
}

/* Chips of our own: hlt comes back to us until INTR rises; then the vector is asked for, once. */
static void test_off(void)
{
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = new_waiter(RH_IRQCHIP_OFF, handler, sizeof(handler));
    guest->kvm->parent.acknowledge = acknowledge;
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    guest_fetch(guest);
    g_assert_cmpuint(guest->cpu.state.mp_state, ==, RH_MP_HALTED);
    for (unsigned i = 0; i < 3; i++) {
        guest_ops(guest)->vcpu_interrupt(&guest->cpu.vcpu, RH_CPU_INTR, 1);
        expect_interrupt(guest);
        g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    }
    guest_free(guest);
}

/* INTR while interrupts are off: KVM tells when they can be taken, and then it is. */
static uint64_t told_base;

static bool note_base(RhVcpu *vcpu, uint32_t index, uint64_t *value, bool is_write)
{
    g_assert_cmphex(index, ==, 0x1b);
    g_assert_true(is_write);
    told_base = *value;
    return true;
}

/* What the guest writes to IA32_APIC_BASE is known at its next exit, and what we store is not told back. */
static void test_apic_base(void)
{
    static const uint8_t code[] = {
        0x66, 0xb9, 0x1b, 0x00, 0x00, 0x00, 0x66, 0x31, 0xd2,  /* mov ecx, 0x1b; xor edx, edx */
        0x66, 0xb8, 0x00, 0x09, 0xd0, 0xfe, 0x0f, 0x30,        /* mov eax, 0xfed00900; wrmsr */
        0xba, 0xf0, 0x05, 0xee, 0xf4,                          /* mov dx, 0x5f0; out dx, al; hlt */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    guest->kvm->parent.apic_msr = note_base;
    told_base = 0;
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmphex(told_base, ==, 0xfed00900);
    guest_fetch(guest);
    g_assert_cmphex(guest->cpu.state.apic_base, ==, 0xfed00900);
    told_base = 0;
    guest->cpu.state.apic_base = RH_APIC_BASE_DEFAULT | RH_APIC_BASE_BSP | RH_APIC_BASE_ENABLED;
    guest_store(guest);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_HALTED);
    g_assert_cmphex(told_base, ==, 0);
    guest_free(guest);
}

static void test_window(void)
{
    static const uint8_t code[] = {
        0xba, 0x00, 0x05, 0xee, 0xee, 0xee,         /* mov dx, 0x500; out dx, al three times, interrupts off */
        0xfb, 0x90, 0x90, 0x90, 0xeb, 0xfe,         /* sti; nop...; jmp . */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_OFF, code);
    guest->kvm->parent.acknowledge = acknowledge;
    set_handler(guest, handler, sizeof(handler));
    guest_ops(guest)->vcpu_interrupt(&guest->cpu.vcpu, RH_CPU_INTR, 1);
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    g_assert_cmpuint(guest->nr_log, ==, 4);
    g_assert_cmphex(guest->log[3].value, ==, VECTOR);
    guest_free(guest);
}

/* An ISA line: 8259 in the kernel, programmed by the guest to begin at vector 0x40. */
static void test_gsi(void)
{
    static const uint8_t code[] = {
        0xb0, 0x11, 0xe6, 0x20,                     /* ICW1 to the master */
        0xb0, 0x40, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21,     /* ICW2..4 */
        0xb0, 0xfe, 0xe6, 0x21,                     /* all but line 0 masked */
        0xba, 0xf0, 0x05, 0xee,                     /* stop: the line rises now */
        0xfb, 0xf4, 0xeb, 0xfd,                     /* sti; again: hlt; jmp again */
    };
    Guest *guest;

    if (!guest_have_kvm()) {
        return;
    }
    guest = NEW_GUEST(RH_IRQCHIP_ON, code);
    set_handler(guest, handler, sizeof(handler));
    g_assert_cmpint(guest_run(guest), ==, RH_RUN_AGAIN);
    guest_ops(guest)->set_gsi(&guest->kvm->parent, 0, 1);
    expect_interrupt(guest);
    guest_free(guest);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/irq/send-msi", test_send_msi);
    g_test_add_func("/kvm/irq/irqfd", test_irqfd);
    g_test_add_func("/kvm/irq/split-eoi", test_split_eoi);
    g_test_add_func("/kvm/irq/split-ioapic", test_split_ioapic);
    g_test_add_func("/kvm/irq/split-pic", test_split_pic);
    g_test_add_func("/kvm/irq/off", test_off);
    g_test_add_func("/kvm/irq/apic-base", test_apic_base);
    g_test_add_func("/kvm/irq/window", test_window);
    g_test_add_func("/kvm/irq/gsi", test_gsi);
    return g_test_run();
}
