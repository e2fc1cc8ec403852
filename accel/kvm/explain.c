/*
 * What to tell about an exit that cannot be handled: its reason in words, the registers, the
 * instruction, and what the user can do.
 */
#include "accel/kvm/kvm.h"

#include <sys/ioctl.h>
#include "target/i386/state.h"

#define MAX_INSN 15

static const char *const reason_names[] = {
    [KVM_EXIT_UNKNOWN] = "unknown",
    [KVM_EXIT_EXCEPTION] = "exception",
    [KVM_EXIT_HYPERCALL] = "hypercall",
    [KVM_EXIT_DEBUG] = "debug",
    [KVM_EXIT_FAIL_ENTRY] = "the processor refused the guest's state",
    [KVM_EXIT_NMI] = "nmi",
    [KVM_EXIT_INTERNAL_ERROR] = "internal error",
    [KVM_EXIT_TPR_ACCESS] = "tpr access",
    [KVM_EXIT_SYSTEM_EVENT] = "system event",
    [KVM_EXIT_HYPERV] = "Hyper-V",
    [KVM_EXIT_NOTIFY] = "the guest let no interrupt in for longer than notify-window",
};

static const char *const suberror_names[] = {
    [KVM_INTERNAL_ERROR_EMULATION] = "an instruction could not be emulated",
    [KVM_INTERNAL_ERROR_SIMUL_EX] = "exceptions while delivering an exception",
    [KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit while delivering an event",
    [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an exit of the processor that KVM does not know",
};

static const char *name_in(const char *const *names, size_t nr, uint32_t value)
{
    return value < nr && names[value] ? names[value] : "?";
}

/* The bytes at the instruction pointer: those of the exit, else what is in guest memory there. */
static size_t insn_bytes(RhKvmVcpu *kv, const RhX86State *state, uint8_t insn[MAX_INSN])
{
    const struct kvm_run *run = kv->run;
    struct kvm_translation translation = { .linear_address = state->rip + state->seg[RH_CS].base };
    uint64_t left = 4096 - translation.linear_address % 4096;
    size_t len = (size_t)MIN(MAX_INSN, left);

    if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR && run->internal.ndata >= 3 &&
        run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
        (run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
        len = MIN(run->emulation_failure.insn_size, MAX_INSN);
        memcpy(insn, run->emulation_failure.insn_bytes, len);
        return len;
    }
    if (ioctl(kv->fd, KVM_TRANSLATE, &translation) < 0 || !translation.valid) {
        return 0;
    }
    return rh_space_read(kv->vcpu->vm->memory, translation.physical_address, insn, len) == RH_MEM_OK
               ? len
               : 0;
}

static void tell_reason(GString *out, const RhKvmVcpu *kv)
{
    const struct kvm_run *run = kv->run;

    g_string_append_printf(out, "KVM: vCPU %u cannot go on: exit %u (%s)", kv->vcpu->index,
                           run->exit_reason,
                           name_in(reason_names, RH_COUNT(reason_names), run->exit_reason));
    switch (run->exit_reason) {
    case KVM_EXIT_INTERNAL_ERROR:
        g_string_append_printf(
            out, ", suberror %u (%s)", run->internal.suberror,
            name_in(suberror_names, RH_COUNT(suberror_names), run->internal.suberror));
        for (uint32_t i = 0; i < MIN(run->internal.ndata, RH_COUNT(run->internal.data)); i++) {
            g_string_append_printf(out, "%s%" PRIx64,
                                   i ? " " : "\nextra data: ", (uint64_t)run->internal.data[i]);
        }
        break;
    case KVM_EXIT_FAIL_ENTRY:
        g_string_append_printf(out, ", hardware reason 0x%" PRIx64 " on host CPU %u",
                               (uint64_t)run->fail_entry.hardware_entry_failure_reason,
                               run->fail_entry.cpu);
        break;
    case KVM_EXIT_UNKNOWN:
        g_string_append_printf(out, ", hardware reason 0x%" PRIx64,
                               (uint64_t)run->hw.hardware_exit_reason);
        break;
    case KVM_EXIT_SYSTEM_EVENT:
        g_string_append_printf(out, ", event %u", run->system_event.type);
        break;
    default:
        break;
    }
    g_string_append_c(out, '\n');
}

static void tell_insn(GString *out, RhKvmVcpu *kv, const RhX86State *state)
{
    uint8_t insn[MAX_INSN];
    size_t len = insn_bytes(kv, state, insn);
    const char *flag = NULL;
    const char *name = rh_kvm_lacking_insn(insn, len, &flag);

    g_string_append(out, "instruction:");
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(out, " %02x", insn[i]);
    }
    g_string_append(out, len ? "\n" : " its memory cannot be read\n");
    if (kv->run->exit_reason != KVM_EXIT_INTERNAL_ERROR ||
        kv->run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || !name) {
        return;
    }
    g_string_append_printf(
        out,
        "This is %s, which KVM does not emulate. A host whose KVM interprets guest kernels "
        "(KVM backed by PVM) cannot run it there",
        name);
    if (flag) {
        g_string_append_printf(out, "; try -cpu with -%s (as in -cpu host,-%s)\n", flag, flag);
    } else {
        g_string_append(out, "; no CPU flag hides it, the guest has to do without\n");
    }
}

char *rh_kvm_explain(RhKvmVcpu *kv)
{
    GString *out = g_string_new(NULL);
    RhX86State *state = &rh_x86_vcpu(kv->vcpu)->state;
    g_autoptr(GError) error = NULL;

    tell_reason(out, kv);
    if (rh_kvm_fetch(kv->vcpu, &error)) {
        rh_x86_state_dump(state, out);
        tell_insn(out, kv, state);
    } else {
        g_string_append_printf(out, "Its registers cannot be read: %s\n", error->message);
    }
    return g_string_free(out, false);
}
