/*
 * kvm-apic - the local APIC in the kernel, so that it is seen in the tree. Its registers travel
 * with those of its CPU, because KVM needs them stored in between (RhX86State.lapic).
 * Lock: the machine lock.
 */
#include "chip.h"

#define MAX_XAPIC_ID 254    /* 255 is everybody */

bool rh_kvm_allow_apic_id(RhKvm *kvm, RhVcpu *vcpu, GError **err)
{
    int result;

    if (vcpu->arch_id <= MAX_XAPIC_ID) {
        return true;
    }
    if (kvm->parent.irqchip == RH_IRQCHIP_OFF) {
        return rh_fail(err, "APIC id %" PRIu64 " of vCPU %u is too large: with kernel-irqchip=off it must be below 255",
                       vcpu->arch_id, vcpu->index);
    }
    if (!rh_kvm_has_x2apic(vcpu)) {
        return rh_fail(err, "APIC id %" PRIu64 " of vCPU %u is too large: without x2apic in -cpu it must be below 255",
                       vcpu->arch_id, vcpu->index);
    }
    if (!rh_kvm_cap(kvm, KVM_CAP_X2APIC_API)) {
        return rh_fail_class(err, RH_ERROR_KVM_MISSING_CAP,
                             "APIC id %" PRIu64 " of vCPU %u is too large: the host's KVM lacks KVM_CAP_X2APIC_API, it "
                             "must be below 255", vcpu->arch_id, vcpu->index);
    }
    /* Ids have 32 bits in LAPIC state and messages, and 255 is a CPU like any other. Enabling it again does no harm. */
    result = rh_kvm_enable_cap(kvm, KVM_CAP_X2APIC_API,
                               KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
    return result == 0 || rh_fail_errno(err, -result, "KVM does not take APIC ids above 254");
}

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
