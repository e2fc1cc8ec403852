/*
 * Access to the chips in the kernel.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP. Lock: the machine lock.
 */
#include "chip.h"

#include <errno.h>
#include <sys/ioctl.h>

RhKvm *rh_kvm_of_device(const RhDevice *dev)
{
    RhVm *vm = rh_device_vm(dev);
    RhAccel *accel = vm ? vm->accel : NULL;

    return accel && rh_object_is(RH_OBJECT(accel), RH_TYPE_KVM_ACCEL) ? rh_kvm(accel) : NULL;
}

bool rh_kvm_need_chips(const RhDevice *dev, GError **err)
{
    RhKvm *kvm = rh_kvm_of_device(dev);

    return (kvm && kvm->parent.irqchip == RH_IRQCHIP_ON) ||
           rh_fail(err, "Device '%s' needs -accel kvm,kernel-irqchip=on", dev->obj.type->name);
}

static bool make_device(RhKvm *kvm, const char *type, GError **err)
{
    return rh_device_create(kvm->parent.obj.vm, NULL, NULL, type, NULL, NULL, err) != NULL;
}

bool rh_kvm_make_chip_devices(RhKvm *kvm, GError **err)
{
    bool is_on = kvm->parent.irqchip == RH_IRQCHIP_ON;

    return (!is_on || make_device(kvm, "kvm-i8259", err)) &&
           (!is_on || make_device(kvm, "kvm-ioapic", err)) &&
           (!kvm->has_pit || make_device(kvm, "kvm-pit", err)) &&
           (!rh_kvm_cap(kvm, KVM_CAP_ADJUST_CLOCK) || make_device(kvm, "kvmclock", err));
}

bool rh_kvm_get_chip(RhDevice *dev, uint32_t id, struct kvm_irqchip *ret)
{
    *ret = (struct kvm_irqchip){ .chip_id = id };
    if (ioctl(rh_kvm_of_device(dev)->vm_fd, KVM_GET_IRQCHIP, ret) < 0) {
        g_printerr("KVM does not give the state of %s: %s\n", dev->obj.type->name,
                   g_strerror(errno));
        return false;
    }
    return true;
}

void rh_kvm_set_chip(RhDevice *dev, uint32_t id, struct kvm_irqchip *chip)
{
    chip->chip_id = id;
    if (ioctl(rh_kvm_of_device(dev)->vm_fd, KVM_SET_IRQCHIP, chip) < 0) {
        g_printerr("KVM does not take the state of %s: %s\n", dev->obj.type->name,
                   g_strerror(errno));
    }
}
