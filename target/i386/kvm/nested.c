/*
 * What KVM knows of a guest that is a hypervisor itself: VMXON and VMCS, or GIF and VMCB.
 *
 * It is kept only while it says something (nested_size is 0 otherwise), so that machines of which no
 * guest uses VMX or SVM can go to hosts whose KVM has no nested virtualisation.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_NESTED_STATE. On the vCPU's thread, or with it paused.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include "target/i386/state.h"

typedef union NestedBuffer {
    struct kvm_nested_state head;
    uint8_t bytes[RH_X86_NESTED_SIZE];
} NestedBuffer;

#define NO_ADDRESS UINT64_MAX

static bool says_something(const struct kvm_nested_state *head)
{
    return head->format == KVM_STATE_NESTED_FORMAT_VMX ? head->hdr.vmx.vmxon_pa != NO_ADDRESS
                                                       : head->flags != KVM_STATE_NESTED_GIF_SET;
}

static bool get(const RhKvmVcpu *kv, NestedBuffer *buffer, GError **err)
{
    int max = rh_kvm_cap(kv->kvm, KVM_CAP_NESTED_STATE);

    if (max > (int)sizeof(*buffer)) {
        return rh_fail(err, "Nested virtualisation state of vCPU %u has %d bytes, must be %zu at most",
                       kv->vcpu->index, max, sizeof(*buffer));
    }
    buffer->head.size = sizeof(*buffer);
    return ioctl(kv->fd, KVM_GET_NESTED_STATE, buffer) == 0 ||
           rh_fail_errno(err, errno, "KVM_GET_NESTED_STATE of vCPU %u failed", kv->vcpu->index);
}

static bool set(const RhKvmVcpu *kv, NestedBuffer *buffer, GError **err)
{
    return ioctl(kv->fd, KVM_SET_NESTED_STATE, buffer) == 0 ||
           rh_fail_errno(err, errno, "KVM_SET_NESTED_STATE of vCPU %u failed", kv->vcpu->index);
}

bool rh_kvm_fetch_nested(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    NestedBuffer buffer = { 0 };

    state->nested_size = 0;
    if (!rh_kvm_cap(kv->kvm, KVM_CAP_NESTED_STATE)) {
        return true;
    }
    if (!get(kv, &buffer, err)) {
        return false;
    }
    if (says_something(&buffer.head)) {
        state->nested_size = MIN(buffer.head.size, sizeof(buffer));
        memcpy(state->nested, buffer.bytes, state->nested_size);
    }
    return true;
}

bool rh_kvm_clear_nested(RhKvmVcpu *kv, GError **err)
{
    NestedBuffer buffer = { 0 };

    if (kv->is_fresh || !rh_kvm_cap(kv->kvm, KVM_CAP_NESTED_STATE)) {
        return true;
    }
    if (!get(kv, &buffer, err)) {
        return false;
    }
    if (!says_something(&buffer.head)) {
        return true;
    }
    buffer.head = (struct kvm_nested_state){ .format = buffer.head.format, .size = sizeof(buffer.head) };
    if (buffer.head.format == KVM_STATE_NESTED_FORMAT_VMX) {
        buffer.head.hdr.vmx.vmxon_pa = NO_ADDRESS;
        buffer.head.hdr.vmx.vmcs12_pa = NO_ADDRESS;
    } else {
        buffer.head.flags = KVM_STATE_NESTED_GIF_SET;
    }
    return set(kv, &buffer, err);
}

bool rh_kvm_store_nested(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    NestedBuffer buffer = { 0 };

    if (!state->nested_size) {
        return true;
    }
    memcpy(buffer.bytes, state->nested, MIN(state->nested_size, sizeof(buffer)));
    /* The kernel reads as much as the head says. */
    if (state->nested_size > sizeof(buffer) || state->nested_size < sizeof(buffer.head) ||
        buffer.head.size != state->nested_size) {
        return rh_fail(err, "Nested virtualisation state of vCPU %u has %u bytes and says %u",
                       kv->vcpu->index, state->nested_size, buffer.head.size);
    }
    if (!rh_kvm_cap(kv->kvm, KVM_CAP_NESTED_STATE)) {
        return rh_fail_class(err, RH_ERROR_KVM_MISSING_CAP,
                             "vCPU %u runs guests of its own, and the host's KVM lacks KVM_CAP_NESTED_STATE",
                             kv->vcpu->index);
    }
    return set(kv, &buffer, err);
}
