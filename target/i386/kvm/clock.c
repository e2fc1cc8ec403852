/*
 * kvmclock: the guest's paravirtual clock stops with the machine, so that no time passes for the
 * guest while it does not run. The device kvmclock carries its value across save and load.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_KVMCLOCK_CTRL.
 * Lock: the machine lock.
 */
#include "chip.h"

#include <sys/ioctl.h>

typedef struct KvmClockRegs {
    uint64_t ns;
    bool is_valid;
} KvmClockRegs;

typedef struct KvmClock {
    RhDevice parent;
    KvmClockRegs regs;
} KvmClock;

static void read_clock(RhKvm *kvm)
{
    if (ioctl(kvm->vm_fd, KVM_GET_CLOCK, &kvm->clock) == 0) {
        kvm->is_clock_held = true;
    }
}

static void write_clock(RhKvm *kvm)
{
    struct kvm_clock_data clock = { .clock = kvm->clock.clock };

    ioctl(kvm->vm_fd, KVM_SET_CLOCK, &clock);
    kvm->is_clock_held = false;
}

/* So that the guests' watchdogs do not bark about the time lost; fails where none has a kvmclock. */
static void tell_guests(RhKvm *kvm)
{
    RH_WITH_LOCK(&kvm->gate.lock) {
        for (guint i = 0; i < kvm->gate.vcpus->len; i++) {
            ioctl(((RhKvmVcpu *)g_ptr_array_index(kvm->gate.vcpus, i))->fd, KVM_KVMCLOCK_CTRL);
        }
    }
}

void rh_kvm_set_clock_running(RhAccel *accel, bool is_running)
{
    RhKvm *kvm = rh_kvm(accel);

    if (is_running) {
        rh_kvm_memory_go_live(kvm);         /* now, rather than in the first vCPU's way */
    }
    if (!rh_kvm_cap(kvm, KVM_CAP_ADJUST_CLOCK)) {
        return;
    }
    if (!is_running) {
        read_clock(kvm);
        return;
    }
    if (kvm->is_clock_held) {
        write_clock(kvm);
        if (rh_kvm_cap(kvm, KVM_CAP_KVMCLOCK_CTRL)) {
            tell_guests(kvm);
        }
    }
}

static void kvmclock_saving(RhDevice *dev)
{
    KvmClock *clock = RH_SELF(KvmClock, dev);
    RhKvm *kvm = rh_kvm_of_device(dev);

    if (kvm && !kvm->is_clock_held) {
        read_clock(kvm);
        kvm->is_clock_held = false;
    }
    clock->regs.ns = kvm ? kvm->clock.clock : 0;
    clock->regs.is_valid = kvm != NULL;
}

/* After load the machine is stopped: the clock goes on from the loaded time when it starts. */
static void kvmclock_settle(RhDevice *dev)
{
    const KvmClock *clock = RH_SELF(KvmClock, dev);
    RhKvm *kvm = rh_kvm_of_device(dev);

    if (kvm && clock->regs.is_valid) {
        kvm->clock.clock = clock->regs.ns;
        kvm->is_clock_held = true;
    }
}

static bool kvmclock_realize(RhDevice *dev, GError **err)
{
    return rh_kvm_of_device(dev) || rh_fail(err, "Device 'kvmclock' needs the accelerator kvm");
}

static const RhField kvmclock_fields[] = {
    RH_FIELD(KvmClockRegs, ns),
    RH_FIELD(KvmClockRegs, is_valid, .max = 1),
};
static const KvmClockRegs kvmclock_at_reset = { .ns = 0 };

RH_DEVICE(KvmClock,
    .name = "kvmclock",
    .parent = RH_TYPE_DEVICE,
    .doc = "KVM paravirtual clock",
    .is_internal = true,
    .state = RH_STATE(KvmClock, regs, kvmclock_at_reset, .version = 1,
                      .fields = RH_TABLE(kvmclock_fields)),
    .realize = kvmclock_realize,
    .saving = kvmclock_saving,
    .settle = kvmclock_settle);
