/*
 * Doorbells: writes that KVM turns into an eventfd by itself. Those it does not take (none left, a
 * size it does not know) reach the dispatcher by an exit, which signals the same eventfd.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_IOEVENTFD. Lock: the machine lock.
 */
#include "accel/kvm/kvm.h"

#include <sys/ioctl.h>

static bool set_io_event(RhKvm *kvm, const RhIoEvent *io_event, uint32_t flags)
{
    struct kvm_ioeventfd request = {
        .addr = io_event->at,
        .len = io_event->size,
        .datamatch = io_event->match,
        .fd = rh_event_fd(io_event->event),
        .flags = flags | (io_event->has_match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0),
    };

    if (!io_event->size && !rh_kvm_cap(kvm, KVM_CAP_IOEVENTFD_ANY_LENGTH)) {
        return false;
    }
    return ioctl(kvm->vm_fd, KVM_IOEVENTFD, &request) == 0;
}

static uint32_t bus_flag(bool is_port)
{
    return is_port ? KVM_IOEVENTFD_FLAG_PIO : 0;
}

void rh_kvm_io_event_add(RhKvm *kvm, const RhIoEvent *io_event, bool is_port)
{
    if (rh_kvm_cap(kvm, KVM_CAP_IOEVENTFD)) {
        set_io_event(kvm, io_event, bus_flag(is_port));
    }
}

void rh_kvm_io_event_remove(RhKvm *kvm, const RhIoEvent *io_event, bool is_port)
{
    if (rh_kvm_cap(kvm, KVM_CAP_IOEVENTFD)) {
        set_io_event(kvm, io_event, bus_flag(is_port) | KVM_IOEVENTFD_FLAG_DEASSIGN);
    }
}
