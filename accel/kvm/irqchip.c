/*
 * Interrupt chips in the kernel: 8259s, I/O APIC, local APICs and PIT (on), local APICs alone
 * (split), or none (off), and interrupt lines into them.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_CREATE_IRQCHIP, KVM_CAP_SPLIT_IRQCHIP. Lock: the
 * machine lock.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>

static bool make_full(RhKvm *kvm, bool has_pit, GError **err)
{
    /* Port 0x61 belongs to the timer: kernels calibrate their clocks there, in a loop that should
     * not exit. */
    struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

    if (!rh_kvm_cap(kvm, KVM_CAP_IRQCHIP) || !rh_kvm_cap(kvm, KVM_CAP_IRQ_ROUTING)) {
        return rh_fail_class(err, RH_ERROR_KVM_MISSING_CAP,
                             "The host's KVM has no interrupt chips, use kernel-irqchip=off");
    }
    if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP) < 0) {
        return rh_fail_errno(err, errno, "KVM could not make its interrupt chips");
    }
    if (has_pit && rh_kvm_cap(kvm, KVM_CAP_PIT2)) {
        if (ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &pit) < 0) {
            return rh_fail_errno(err, errno, "KVM could not make its timer (PIT)");
        }
        kvm->has_pit = true;
    }
    return true;
}

static bool make_split(RhKvm *kvm, GError **err)
{
    int result;

    if (!rh_kvm_cap(kvm, KVM_CAP_SPLIT_IRQCHIP)) {
        return rh_fail_class(
            err, RH_ERROR_KVM_MISSING_CAP,
            "The host's KVM lacks KVM_CAP_SPLIT_IRQCHIP, use kernel-irqchip=on or off");
    }
    result = rh_kvm_enable_cap(kvm, KVM_CAP_SPLIT_IRQCHIP, RH_KVM_BOARD_GSIS);
    if (result < 0) {
        return rh_fail_errno(err, -result, "KVM could not make local APICs (kernel-irqchip=split)");
    }
    return true;
}

bool rh_kvm_set_up_irqchip(RhAccel *accel, RhIrqchip kind, bool has_pit, GError **err)
{
    RhKvm *kvm = rh_kvm(accel);

    if (kvm->irqchip_asked != RH_KVM_IRQCHIP_AUTO) {
        kind = (RhIrqchip)kvm->irqchip_asked;
    }
    if (kind == RH_IRQCHIP_ON && !make_full(kvm, has_pit, err)) {
        return false;
    }
    if (kind == RH_IRQCHIP_SPLIT && !make_split(kvm, err)) {
        return false;
    }
    accel->irqchip = kind;
    return rh_kvm_routes_begin(kvm, err) && rh_kvm_make_chip_devices(kvm, err);
}

void rh_kvm_set_gsi(RhAccel *accel, unsigned gsi, int level)
{
    struct kvm_irq_level line = { .irq = gsi, .level = level != 0 };

    ioctl(rh_kvm(accel)->vm_fd, KVM_IRQ_LINE, &line);
}
