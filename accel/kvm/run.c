/*
 * The run loop: KVM_RUN, what the exit asks for, KVM_RUN again.
 *
 * The common exits - ports and MMIO - make no system call but KVM_RUN, allocate nothing and take no
 * lock of ours; the dispatcher takes the one that the region names. The function returns only after
 * KVM_RUN was interrupted, or at an exit that has nothing to complete, so that the vCPU's registers
 * are whole whenever somebody looks: an access that exited is finished by the next KVM_RUN.
 *
 * Spec: Documentation/virt/kvm/api.rst, section 5.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include "target/i386/state.h"

#define IA32_APIC_BASE 0x1bu
#define HV_STATUS_INVALID_HYPERCALL_CODE 2  /* Hyper-V TLFS, appendix B */

static bool is_access_size(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

/* One instruction may move many elements (rep outs, rep ins); they all go to one port, in order. */
static void do_port(RhVcpu *vcpu, struct kvm_run *run)
{
    RhSpace *ports = vcpu->vm->ports;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;

    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            rh_space_store(ports, &vcpu->ports_lookup, run->io.port, size, rh_ld(data, size));
        } else {
            uint64_t value = UINT64_MAX;

            rh_space_load(ports, &vcpu->ports_lookup, run->io.port, size, &value);
            rh_st(data, value, size);
        }
    }
}

static void do_mmio(RhVcpu *vcpu, struct kvm_run *run)
{
    RhSpace *memory = vcpu->vm->memory;
    RhGpa at = run->mmio.phys_addr;
    unsigned size = run->mmio.len;

    if (!is_access_size(size)) {    /* a piece of an access across pages */
        if (run->mmio.is_write) {
            rh_space_write(memory, at, run->mmio.data, size);
        } else {
            rh_space_read(memory, at, run->mmio.data, size);
        }
    } else if (run->mmio.is_write) {
        rh_space_store(memory, &vcpu->memory_lookup, at, size, rh_ld(run->mmio.data, size));
    } else {
        uint64_t value = UINT64_MAX;

        rh_space_load(memory, &vcpu->memory_lookup, at, size, &value);
        rh_st(run->mmio.data, value, size);
    }
}

static void do_eoi(RhKvmVcpu *kv, uint8_t vector)
{
    RhVm *vm = kv->vcpu->vm;

    RH_WITH_MACHINE_LOCK(vm) {
        rh_notifier_call(&vm->accel->eoi, &vector);
    }
}

static RhRunResult explained(RhKvmVcpu *kv)
{
    g_autofree char *text = rh_kvm_explain(kv);

    g_printerr("%s", text);
    return RH_RUN_FAILED;
}

/*
 * Kernels restart a PC by int3 with an empty interrupt table. Where KVM interprets guest kernels it
 * has no int3, but what would come of it is clear: a breakpoint beyond the table's limit, then #GP
 * and #DF, which lie farther still.
 */
static bool is_triple_fault(RhKvmVcpu *kv)
{
    enum { INT3 = 0xcc, BREAKPOINT = 3 };
    const struct kvm_run *run = kv->run;
    struct kvm_sregs sregs;
    unsigned gate_size;

    if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->internal.ndata < 3 ||
        !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) ||
        run->emulation_failure.insn_size < 1 || run->emulation_failure.insn_bytes[0] != INT3 ||
        ioctl(kv->fd, KVM_GET_SREGS, &sregs) < 0 || !(sregs.cr0 & RH_CR0_PE)) {
        return false;
    }
    gate_size = sregs.efer & RH_EFER_LMA ? 16 : 8;
    return sregs.idt.limit < (BREAKPOINT + 1) * gate_size - 1;
}

static RhRunResult do_system_event(RhKvmVcpu *kv)
{
    switch (kv->run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN: return RH_RUN_SHUTDOWN;
    case KVM_SYSTEM_EVENT_RESET:    return RH_RUN_RESET;
    default:                        return explained(kv);
    }
}

/* The guest let no interrupt in for long; the exit itself lets them in. */
static bool do_notify(RhKvmVcpu *kv, RhRunResult *ret)
{
    bool is_lost = kv->run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID;

    if (kv->kvm->notify == RH_KVM_NOTIFY_RUN && !is_lost) {
        return true;
    }
    *ret = explained(kv);
    return false;
}

/* KVM_RUN failed: a kick, a vCPU that waits to be started, or a fault of ours or the host's. */
static RhRunResult run_failed(RhKvmVcpu *kv, int error)
{
    switch (error) {
    case EINTR:
        rh_kvm_take_kick(kv);
        return RH_RUN_AGAIN;
    case EAGAIN: /* uninitialised application processor was woken: look for work, then wait on */
        return RH_RUN_AGAIN;
    default:
        kv->run->exit_reason = KVM_EXIT_UNKNOWN;
        g_printerr("KVM_RUN of vCPU %u failed: %s\n", kv->vcpu->index, g_strerror(error));
        return explained(kv);
    }
}

/* --- irqchip off or split: we hand over the interrupts of our own chips --- */

static bool is_irq_possible(const struct kvm_run *run)
{
    return run->ready_for_interrupt_injection && run->if_flag;
}

static void inject(RhKvmVcpu *kv)
{
    RhVcpu *vcpu = kv->vcpu;
    struct kvm_run *run = kv->run;

    if (__atomic_load_n(&kv->intr, __ATOMIC_ACQUIRE) && is_irq_possible(run)) {
        RH_WITH_MACHINE_LOCK(vcpu->vm) {
            int vector = vcpu->vm->accel->acknowledge ? vcpu->vm->accel->acknowledge(vcpu) : -1;

            if (vector >= 0) {
                struct kvm_interrupt request = { .irq = (uint32_t)vector };

                ioctl(kv->fd, KVM_INTERRUPT, &request);
                kv->mp_state = RH_MP_RUNNABLE;
            }
        }
    }
    run->request_interrupt_window = __atomic_load_n(&kv->intr, __ATOMIC_ACQUIRE) != 0;
}

static void initialize(RhKvmVcpu *kv)
{
    RhAccel *accel = kv->vcpu->vm->accel;

    if (accel->initialize) {
        RH_WITH_MACHINE_LOCK(kv->vcpu->vm) {
            accel->initialize(kv->vcpu);
        }
    }
}

/* CR8 is the task priority of the local APIC, which is ours. */
static void pass_tpr(RhKvmVcpu *kv)
{
    RhAccel *accel = kv->vcpu->vm->accel;

    kv->cr8 = (uint8_t)kv->run->cr8;
    if (accel->set_tpr) {
        RH_WITH_MACHINE_LOCK(kv->vcpu->vm) {
            accel->set_tpr(kv->vcpu, kv->cr8);
        }
    }
}

/*
 * KVM answers IA32_APIC_BASE itself, for an APIC that is ours, and tells of it with the next exit: that
 * comes before any access to the registers, which exits.
 */
static void pass_apic_base(RhKvmVcpu *kv)
{
    RhAccel *accel = kv->vcpu->vm->accel;

    kv->apic_base = kv->run->apic_base;
    if (accel->apic_msr) {
        RH_WITH_MACHINE_LOCK(kv->vcpu->vm) {
            accel->apic_msr(kv->vcpu, IA32_APIC_BASE, &kv->apic_base, true);
        }
    }
}

/* What exits tell beside their reason where the local APIC is ours */
static inline void look_at_apic(RhKvmVcpu *kv)
{
    if (kv->run->cr8 != kv->cr8) {
        pass_tpr(kv);
    }
    if (kv->run->apic_base != kv->apic_base) {
        pass_apic_base(kv);
    }
}

/* hlt: KVM forgets it once it told us, so it is kept here until an interrupt that can be taken
 * comes. */
static bool may_sleep(const RhKvmVcpu *kv)
{
    return kv->mp_state != RH_MP_RUNNABLE &&
           !(kv->mp_state == RH_MP_HALTED && __atomic_load_n(&kv->intr, __ATOMIC_ACQUIRE) &&
             kv->run->if_flag);
}

/* --- the loop --- */

static inline bool enter_guest(RhKvmVcpu *kv)
{
    RhKvmGate *gate = &kv->kvm->gate;
    int result;

    __atomic_store_n(&kv->is_in_run, true, __ATOMIC_SEQ_CST);
    while (G_UNLIKELY(__atomic_load_n(&gate->is_closed, __ATOMIC_SEQ_CST))) {
        rh_kvm_gate_wait(kv);
        __atomic_store_n(&kv->is_in_run, true, __ATOMIC_SEQ_CST);
    }
    result = ioctl(kv->fd, KVM_RUN, 0);
    __atomic_store_n(&kv->is_in_run, false, __ATOMIC_SEQ_CST);
    if (G_UNLIKELY(__atomic_load_n(&gate->is_closed, __ATOMIC_SEQ_CST))) {
        int error = errno;

        rh_kvm_gate_left(kv);
        errno = error;
    }
    return result == 0;
}

/* true: handled, go on. false: *@ret says why the loop must be left. */
static bool do_rare_exit(RhKvmVcpu *kv, RhRunResult *ret)
{
    struct kvm_run *run = kv->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_SET_TPR:
        return true;
    case KVM_EXIT_IOAPIC_EOI:
        do_eoi(kv, run->eoi.vector);
        return true;
    case KVM_EXIT_DIRTY_RING_FULL:
        rh_kvm_dirty_ring_full(kv);
        return true;
    case KVM_EXIT_NOTIFY:
        return do_notify(kv, ret);
    case KVM_EXIT_HLT:
        kv->mp_state = RH_MP_HALTED;
        return true;
    case KVM_EXIT_SHUTDOWN:
        *ret = RH_RUN_RESET;
        return false;
    case KVM_EXIT_INTERNAL_ERROR:
        *ret = is_triple_fault(kv) ? RH_RUN_RESET : explained(kv);
        return false;
    case KVM_EXIT_SYSTEM_EVENT:
        *ret = do_system_event(kv);
        return false;
    case KVM_EXIT_HYPERV:
        if (run->hyperv.type == KVM_EXIT_HYPERV_HCALL) {
            run->hyperv.u.hcall.result = HV_STATUS_INVALID_HYPERCALL_CODE;
        }
        return true;            /* SynIC pages moved: KVM has them, we keep none */
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        run->msr.error = 1;     /* #GP: nothing here knows the register */
        return true;
    default:
        *ret = explained(kv);
        return false;
    }
}

RhRunResult rh_kvm_vcpu_run(RhVcpu *vcpu)
{
    RhKvmVcpu *kv = rh_kvm_vcpu(vcpu);
    const RhKvm *kvm = kv->kvm;
    struct kvm_run *run = kv->run;
    const RhIrqchip irqchip = kvm->parent.irqchip;
    RhRunResult result;

    rh_kvm_memory_go_live(kv->kvm);
    if (G_UNLIKELY(__atomic_exchange_n(&kv->init, false, __ATOMIC_ACQUIRE))) {
        initialize(kv);
    }
    if (G_UNLIKELY(__atomic_exchange_n(&kv->nmi, false, __ATOMIC_ACQUIRE))) {
        ioctl(kv->fd, KVM_NMI);
        kv->mp_state = kv->mp_state == RH_MP_HALTED ? RH_MP_RUNNABLE : kv->mp_state;
    }
    for (;;) {
        if (irqchip != RH_IRQCHIP_ON) {     /* a split one leaves the 8259 to us */
            if (irqchip == RH_IRQCHIP_OFF && may_sleep(kv)) {
                return RH_RUN_HALTED;
            }
            inject(kv);
            kv->mp_state = RH_MP_RUNNABLE;
        }
        if (G_UNLIKELY(!enter_guest(kv))) {
            return run_failed(kv, errno);
        }
        if (irqchip == RH_IRQCHIP_OFF) {
            look_at_apic(kv);
        }
        if (G_UNLIKELY(rh_kvm_must_drain(kvm))) {
            rh_kvm_drain(kv->kvm);
        }
        if (G_LIKELY(run->exit_reason == KVM_EXIT_IO)) {
            do_port(vcpu, run);
        } else if (G_LIKELY(run->exit_reason == KVM_EXIT_MMIO)) {
            do_mmio(vcpu, run);
        } else if (!do_rare_exit(kv, &result)) {
            return result;
        }
    }
}

void rh_kvm_vcpu_interrupt(RhVcpu *vcpu, int request, int level)
{
    RhKvmVcpu *kv = rh_kvm_vcpu(vcpu);

    if (!kv) {
        return;
    }
    switch (request) {
    case RH_CPU_INTR:
        __atomic_store_n(&kv->intr, level, __ATOMIC_RELEASE);
        break;
    case RH_CPU_NMI:
        __atomic_store_n(&kv->nmi, level != 0, __ATOMIC_RELEASE);
        break;
    case RH_CPU_INIT:
        __atomic_store_n(&kv->init, level != 0, __ATOMIC_RELEASE);
        break;
    case RH_CPU_TPR:
        kv->run->cr8 = kv->cr8 = (uint8_t)level;
        return;
    default:
        return; /* SMI: no system management mode */
    }
    /* Its own thread looks at INTR before it enters the guest again. */
    if (level && (request != RH_CPU_INTR || rh_vcpu_current() != vcpu)) {
        rh_vcpu_kick(vcpu);
    }
}
