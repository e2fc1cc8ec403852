/*
 * Coalesced writes: KVM keeps writes to certain addresses in a ring instead of exiting; they are
 * carried out here, in order, before any exit that a device could notice.
 *
 * The ring is one for the whole VM and is seen through the shared pages of each vCPU. Its consumer
 * end belongs to the machine lock: a device callback that runs from here may take the lock again in
 * the dispatcher, and a leaf lock would be held across it.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_(UN)REGISTER_COALESCED_MMIO.
 */
#include "accel/kvm/kvm.h"

#include <sys/ioctl.h>
#include <unistd.h>

/* As many as a page holds, which is how the kernel sizes the ring. */
static uint32_t ring_size(void)
{
    return (uint32_t)((sysconf(_SC_PAGESIZE) - (long)sizeof(struct kvm_coalesced_mmio_ring)) /
                      (long)sizeof(struct kvm_coalesced_mmio));
}

void rh_kvm_coalesce(RhKvm *kvm, const RhRange *range, bool is_port, bool is_on)
{
    struct kvm_coalesced_mmio_zone zone = {
        .addr = range->start,
        .size = (uint32_t)MIN(range->len, UINT32_MAX),
        .pio = is_port,
    };

    if (rh_kvm_cap(kvm, is_port ? KVM_CAP_COALESCED_PIO : KVM_CAP_COALESCED_MMIO)) {
        /* Refused (no room): such writes exit, which is the same but slower. */
        ioctl(kvm->vm_fd, is_on ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO,
              &zone);
    }
}

static void carry_out(RhVm *vm, const struct kvm_coalesced_mmio *entry)
{
    RhSpace *space = entry->pio ? vm->ports : vm->memory;

    if (entry->len == 1 || entry->len == 2 || entry->len == 4 || entry->len == 8) {
        rh_space_store(space, NULL, entry->phys_addr, entry->len, rh_ld(entry->data, entry->len));
    } else if (entry->len < 8) {
        rh_space_write(space, entry->phys_addr, entry->data, entry->len);
    }
}

static void drain_locked(RhKvm *kvm)
{
    struct kvm_coalesced_mmio_ring *ring = kvm->ring;
    uint32_t size = ring_size();

    while (ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
        struct kvm_coalesced_mmio entry = ring->coalesced_mmio[ring->first % size];

        /* Given back before it is carried out: a callback may come here again. */
        __atomic_store_n(&ring->first, (ring->first + 1) % size, __ATOMIC_RELEASE);
        carry_out(kvm->parent.obj.vm, &entry);
    }
}

void rh_kvm_drain(RhKvm *kvm)
{
    RhVm *vm = kvm->parent.obj.vm;

    if (!rh_kvm_must_drain(kvm)) {
        return;
    }
    if (rh_is_locked_by_me(&vm->lock)) {
        drain_locked(kvm);
        return;
    }
    RH_WITH_MACHINE_LOCK(vm) {
        drain_locked(kvm);
    }
}
