/*
 * kvm-apic - the local APIC in the kernel, so that it is seen in the tree. Its registers travel
 * with those of its CPU, because KVM needs them stored in between (RhX86State.lapic).
 * Lock: the machine lock.
 */
#include "chip.h"

typedef struct KvmApic {
    RhDevice parent;
} KvmApic;

static bool apic_realize(RhDevice *dev, GError **err)
{
    RhKvm *kvm = rh_kvm_of_device(dev);

    return (kvm && kvm->parent.irqchip != RH_IRQCHIP_OFF) ||
           rh_fail(err, "Device 'kvm-apic' needs -accel kvm,kernel-irqchip=on or split");
}

RH_DEVICE(KvmApic,
    .name = "kvm-apic",
    .parent = RH_TYPE_DEVICE,
    .doc = "local APIC in the kernel",
    .is_internal = true,
    .realize = apic_realize);
