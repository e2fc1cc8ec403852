/*
 * The capabilities of /dev/kvm that we use, and what is done where one is missing.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>

typedef struct CapDesc {
    unsigned cap;
    const char *name;
    const char *without;    /* how we do without; NULL: we cannot */
} CapDesc;

#define NEEDED(c)        { KVM_CAP_##c, "KVM_CAP_" #c, NULL }
#define OPTIONAL(c, ...) { KVM_CAP_##c, "KVM_CAP_" #c, __VA_ARGS__ }

static const CapDesc cap_table[] = {
    NEEDED(USER_MEMORY),
    NEEDED(DESTROY_MEMORY_REGION_WORKS),
    NEEDED(IMMEDIATE_EXIT),
    NEEDED(EXT_CPUID),
    NEEDED(MP_STATE),
    NEEDED(VCPU_EVENTS),
    OPTIONAL(NR_VCPUS, "4 vCPUs are recommended at most"),
    OPTIONAL(MAX_VCPUS, "as many vCPUs as NR_VCPUS says"),
    OPTIONAL(MAX_VCPU_ID, "APIC ids below MAX_VCPUS only"),
    OPTIONAL(X2APIC_API, "APIC ids below 255 only"),
    OPTIONAL(NR_MEMSLOTS, "32 memory slots"),
    OPTIONAL(READONLY_MEM, "ROM can be written by the guest; ROM devices are read by exits"),
    OPTIONAL(IRQCHIP, "interrupt chips are our own (kernel-irqchip=off)"),
    OPTIONAL(SPLIT_IRQCHIP, "kernel-irqchip=split is refused"),
    OPTIONAL(IRQ_ROUTING, "no MSI from the kernel: devices' messages are refused as irqfds"),
    OPTIONAL(SIGNAL_MSI, "each MSI needs a route"),
    OPTIONAL(IRQFD, "devices' interrupts are sent by ioctl"),
    OPTIONAL(IOEVENTFD, "doorbells exit to us"),
    OPTIONAL(IOEVENTFD_ANY_LENGTH, "doorbells of any size exit to us"),
    OPTIONAL(COALESCED_MMIO, "each write exits"),
    OPTIONAL(COALESCED_PIO, "each write to such ports exits"),
    OPTIONAL(PIT2, "no timer in the kernel"),
    OPTIONAL(PIT_STATE2, "the kernel's timer is not saved"),
    OPTIONAL(REINJECT_CONTROL, "lost timer ticks are always delivered later"),
    OPTIONAL(SET_TSS_ADDR, "nothing: only old Intel hosts need it"),
    OPTIONAL(SET_IDENTITY_MAP_ADDR, "nothing: only old Intel hosts need it"),
    OPTIONAL(ADJUST_CLOCK, "kvmclock runs on while the machine is stopped"),
    OPTIONAL(KVMCLOCK_CTRL, "guests may report a soft lockup after a stop"),
    OPTIONAL(DEBUGREGS, "debug registers are lost on save"),
    OPTIONAL(XSAVE, "only x87 and SSE state is saved"),
    OPTIONAL(XSAVE2, "XSAVE state beyond 4 KiB is lost on save"),
    OPTIONAL(XCRS, "XCR0 is not saved"),
    OPTIONAL(SREGS2, "PDPTRs are read again from memory on load"),
    OPTIONAL(GET_TSC_KHZ, "the guest's TSC rate is unknown"),
    OPTIONAL(TSC_CONTROL, "the guest's TSC runs at the host's rate"),
    OPTIONAL(EXCEPTION_PAYLOAD, "payloads of pending exceptions are delivered at once"),
    OPTIONAL(X86_TRIPLE_FAULT_EVENT, "a pending triple fault is lost on save"),
    OPTIONAL(NESTED_STATE, "guests that run guests cannot be saved"),
    OPTIONAL(X86_SMM, "no system management mode"),
    OPTIONAL(X86_DISABLE_EXITS, "hlt and mwait of the guest always exit"),
    OPTIONAL(BINARY_STATS_FD, "query-stats has nothing to tell"),
    OPTIONAL(X86_NOTIFY_VMEXIT, "notify-vmexit does nothing"),
    OPTIONAL(HYPERV_CPUID, "no Hyper-V enlightenments"),
    OPTIONAL(SYNC_REGS, "registers are read by ioctls"),
    OPTIONAL(SET_GUEST_DEBUG, "no breakpoints"),
    OPTIONAL(DIRTY_LOG_RING, "dirty pages are found by bitmap"),
    OPTIONAL(DIRTY_LOG_RING_ACQ_REL, "as DIRTY_LOG_RING says"),
    OPTIONAL(BINARY_STATS_FD, "no statistics"),
};

static size_t cap_row(unsigned cap)
{
    size_t i = 0;

    while (i < RH_COUNT(cap_table) && cap_table[i].cap != cap) {
        i++;
    }
    g_assert(i < RH_COUNT(cap_table));
    return i;
}

bool rh_kvm_caps_read(RhKvm *kvm, GError **err)
{
    g_autofree int *values = g_new0(int, RH_COUNT(cap_table));

    for (size_t i = 0; i < RH_COUNT(cap_table); i++) {
        int value = ioctl(kvm->vm_fd, KVM_CHECK_EXTENSION, cap_table[i].cap);

        values[i] = MAX(value, 0);
        if (!values[i] && !cap_table[i].without) {
            return rh_fail(err, "The host's KVM lacks %s, which Linux 4.13 and later have",
                           cap_table[i].name);
        }
    }
    kvm->caps = g_steal_pointer(&values);
    return true;
}

int rh_kvm_cap(const RhKvm *kvm, unsigned cap)
{
    return kvm->caps[cap_row(cap)];
}

int rh_kvm_enable_cap(RhKvm *kvm, unsigned cap, uint64_t arg)
{
    struct kvm_enable_cap request = { .cap = cap, .args = { arg } };

    return ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &request) < 0 ? -errno : 0;
}
