/*
 * Registers of a vCPU: from KVM into the CPU object and back.
 *
 * Order of storing, each step needing the ones before it: CPUID (at vcpu_init) allows bits; special
 * registers set the mode and the APIC base; general registers (which drop a pending exception);
 * XCR0, then the XSAVE area; MSRs; events; the local APIC, which lives at the APIC base; the TSC
 * deadline, which arms the APIC's timer; the run state of the CPU; nested virtualisation last, because
 * it makes what is stored the registers of the guest's guest.
 *
 * Spec: Documentation/virt/kvm/api.rst. Called on the vCPU's thread, or with it paused.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include "target/i386/state.h"

static bool vcpu_ioctl(const RhKvmVcpu *kv, unsigned long request, void *arg, const char *name,
                       GError **err)
{
    if (ioctl(kv->fd, request, arg) < 0) {
        return rh_fail_errno(err, errno, "%s of vCPU %u failed", name, kv->vcpu->index);
    }
    return true;
}
#define VCPU_IOCTL(kv, request, arg, err) vcpu_ioctl(kv, request, arg, #request, err)

/* --- general and special registers --- */

#define GPR_ORDER(X)                                                                               \
    X(RH_RAX, rax) X(RH_RCX, rcx) X(RH_RDX, rdx) X(RH_RBX, rbx) X(RH_RSP, rsp) X(RH_RBP, rbp)      \
    X(RH_RSI, rsi) X(RH_RDI, rdi) X(RH_R8, r8) X(RH_R9, r9) X(RH_R10, r10) X(RH_R11, r11)          \
    X(RH_R12, r12) X(RH_R13, r13) X(RH_R14, r14) X(RH_R15, r15)

static bool fetch_regs(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_regs regs;

    if (!VCPU_IOCTL(kv, KVM_GET_REGS, &regs, err)) {
        return false;
    }
#define FROM(i, m) state->gpr[i] = regs.m;
    GPR_ORDER(FROM)
    state->rip = regs.rip;
    state->rflags = regs.rflags;
    return true;
}

static bool store_regs(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_regs regs = { .rip = state->rip, .rflags = state->rflags };

#define TO(i, m) regs.m = state->gpr[i];
    GPR_ORDER(TO)
    return VCPU_IOCTL(kv, KVM_SET_REGS, &regs, err);
}

static RhX86Segment from_segment(const struct kvm_segment *seg)
{
    return (RhX86Segment){
        .base = seg->base,
        .limit = seg->limit,
        .selector = seg->selector,
        .access = (uint32_t)((seg->type & 15) | (seg->s ? RH_SEG_S : 0) |
                             (seg->dpl & 3u) << RH_SEG_DPL_SHIFT | (seg->present ? RH_SEG_P : 0) |
                             (seg->avl ? RH_SEG_AVL : 0) | (seg->l ? RH_SEG_L : 0) |
                             (seg->db ? RH_SEG_DB : 0) | (seg->g ? RH_SEG_G : 0) |
                             (seg->unusable ? RH_SEG_UNUSABLE : 0)),
    };
}

static struct kvm_segment to_segment(const RhX86Segment *seg)
{
    return (struct kvm_segment){
        .base = seg->base,
        .limit = seg->limit,
        .selector = seg->selector,
        .type = seg->access & RH_SEG_TYPE,
        .s = !!(seg->access & RH_SEG_S),
        .dpl = (seg->access & RH_SEG_DPL) >> RH_SEG_DPL_SHIFT,
        .present = !!(seg->access & RH_SEG_P),
        .avl = !!(seg->access & RH_SEG_AVL),
        .l = !!(seg->access & RH_SEG_L),
        .db = !!(seg->access & RH_SEG_DB),
        .g = !!(seg->access & RH_SEG_G),
        .unusable = !!(seg->access & RH_SEG_UNUSABLE),
    };
}

/* struct kvm_sregs2 begins as struct kvm_sregs does, up to apic_base. */
_Static_assert(offsetof(struct kvm_sregs2, apic_base) == offsetof(struct kvm_sregs, apic_base),
               "one struct serves both calls");

#define SEG_ORDER(X)                                                                               \
    X(RH_ES, es) X(RH_CS, cs) X(RH_SS, ss) X(RH_DS, ds) X(RH_FS, fs) X(RH_GS, gs)                  \
    X(RH_LDTR, ldt) X(RH_TR, tr)

static bool get_sregs(RhKvmVcpu *kv, struct kvm_sregs2 *sregs, GError **err)
{
    struct kvm_sregs old;

    if (rh_kvm_cap(kv->kvm, KVM_CAP_SREGS2)) {
        return VCPU_IOCTL(kv, KVM_GET_SREGS2, sregs, err);
    }
    if (!VCPU_IOCTL(kv, KVM_GET_SREGS, &old, err)) {
        return false;
    }
    memset(sregs, 0, sizeof(*sregs));
    memcpy(sregs, &old, offsetof(struct kvm_sregs2, apic_base) + sizeof(sregs->apic_base));
    return true;
}

static bool set_sregs(RhKvmVcpu *kv, struct kvm_sregs2 *sregs, GError **err)
{
    struct kvm_sregs old = { 0 };

    if (rh_kvm_cap(kv->kvm, KVM_CAP_SREGS2)) {
        return VCPU_IOCTL(kv, KVM_SET_SREGS2, sregs, err);
    }
    memcpy(&old, sregs, offsetof(struct kvm_sregs2, apic_base) + sizeof(sregs->apic_base));
    return VCPU_IOCTL(kv, KVM_SET_SREGS, &old, err);
}

static bool fetch_sregs(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_sregs2 sregs;

    if (!get_sregs(kv, &sregs, err)) {
        return false;
    }
#define FROM_SEG(i, m) state->seg[i] = from_segment(&sregs.m);
    SEG_ORDER(FROM_SEG)
    state->gdt = (RhX86Table){ .base = sregs.gdt.base, .limit = sregs.gdt.limit };
    state->idt = (RhX86Table){ .base = sregs.idt.base, .limit = sregs.idt.limit };
    state->cr0 = sregs.cr0;
    state->cr2 = sregs.cr2;
    state->cr3 = sregs.cr3;
    state->cr4 = sregs.cr4;
    state->cr8 = sregs.cr8;
    state->efer = sregs.efer;
    state->apic_base = sregs.apic_base;
    state->has_pdptrs = sregs.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;
    memcpy(state->pdptr, sregs.pdptrs, sizeof(state->pdptr));
    return true;
}

static bool store_sregs(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_sregs2 sregs = {
        .gdt = { .base = state->gdt.base, .limit = state->gdt.limit },
        .idt = { .base = state->idt.base, .limit = state->idt.limit },
        .cr0 = state->cr0,
        .cr2 = state->cr2,
        .cr3 = state->cr3,
        .cr4 = state->cr4,
        .cr8 = state->cr8,
        .efer = state->efer,
        .apic_base = state->apic_base,
        .flags = state->has_pdptrs ? KVM_SREGS2_FLAGS_PDPTRS_VALID : 0,
    };

#define TO_SEG(i, m) sregs.m = to_segment(&state->seg[i]);
    SEG_ORDER(TO_SEG)
    memcpy(sregs.pdptrs, state->pdptr, sizeof(sregs.pdptrs));
    kv->run->cr8 = state->cr8;
    kv->run->apic_base = kv->apic_base = state->apic_base;
    return set_sregs(kv, &sregs, err);
}

/* --- x87, SSE, AVX and beyond --- */

/* Offsets in the FXSAVE image, SDM vol. 1 table 10-2 */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4,
    FX_FOP = 6,
    FX_RIP = 8,
    FX_RDP = 16,
    FX_MXCSR = 24,
    FX_ST = 32,
    FX_XMM = 160,
    FX_XSTATE_BV = 512,
};

static bool fetch_fxsave(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_fpu fpu;

    if (!VCPU_IOCTL(kv, KVM_GET_FPU, &fpu, err)) {
        return false;
    }
    memset(state->xsave, 0, sizeof(state->xsave));
    rh_st16(state->xsave + FX_FCW, fpu.fcw);
    rh_st16(state->xsave + FX_FSW, fpu.fsw);
    state->xsave[FX_FTW] = fpu.ftwx;
    rh_st16(state->xsave + FX_FOP, fpu.last_opcode);
    rh_st64(state->xsave + FX_RIP, fpu.last_ip);
    rh_st64(state->xsave + FX_RDP, fpu.last_dp);
    rh_st32(state->xsave + FX_MXCSR, fpu.mxcsr);
    memcpy(state->xsave + FX_ST, fpu.fpr, sizeof(fpu.fpr));
    memcpy(state->xsave + FX_XMM, fpu.xmm, sizeof(fpu.xmm));
    state->xsave[FX_XSTATE_BV] = 3;
    return true;
}

static bool store_fxsave(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_fpu fpu = {
        .fcw = rh_ld16(state->xsave + FX_FCW),
        .fsw = rh_ld16(state->xsave + FX_FSW),
        .ftwx = state->xsave[FX_FTW],
        .last_opcode = rh_ld16(state->xsave + FX_FOP),
        .last_ip = rh_ld64(state->xsave + FX_RIP),
        .last_dp = rh_ld64(state->xsave + FX_RDP),
        .mxcsr = rh_ld32(state->xsave + FX_MXCSR),
    };

    memcpy(fpu.fpr, state->xsave + FX_ST, sizeof(fpu.fpr));
    memcpy(fpu.xmm, state->xsave + FX_XMM, sizeof(fpu.xmm));
    return VCPU_IOCTL(kv, KVM_SET_FPU, &fpu, err);
}

/* The kernel writes as much as xsave_size() says; the buffer is the largest there is. */
typedef union XsaveBuffer {
    struct kvm_xsave head;
    uint8_t bytes[RH_X86_XSAVE_SIZE];
} XsaveBuffer;

static bool fetch_xsave(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    XsaveBuffer buffer = { 0 };
    bool is_large = rh_kvm_cap(kv->kvm, KVM_CAP_XSAVE2) > (int)sizeof(struct kvm_xsave);

    if (!rh_kvm_cap(kv->kvm, KVM_CAP_XSAVE)) {
        return fetch_fxsave(kv, state, err);
    }
    if (is_large && rh_kvm_cap(kv->kvm, KVM_CAP_XSAVE2) > (int)RH_X86_XSAVE_SIZE) {
        return rh_fail(err, "XSAVE state of vCPU %u has %d bytes, must be %u at most",
                       kv->vcpu->index, rh_kvm_cap(kv->kvm, KVM_CAP_XSAVE2), RH_X86_XSAVE_SIZE);
    }
    if (is_large ? !VCPU_IOCTL(kv, KVM_GET_XSAVE2, &buffer, err)
                 : !VCPU_IOCTL(kv, KVM_GET_XSAVE, &buffer, err)) {
        return false;
    }
    memcpy(state->xsave, buffer.bytes, sizeof(state->xsave));
    return true;
}

static bool store_xsave(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    XsaveBuffer buffer;

    if (!rh_kvm_cap(kv->kvm, KVM_CAP_XSAVE)) {
        return store_fxsave(kv, state, err);
    }
    memcpy(buffer.bytes, state->xsave, sizeof(state->xsave));
    return VCPU_IOCTL(kv, KVM_SET_XSAVE, &buffer, err);
}

static bool fetch_xcr0(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_xcrs xcrs;

    if (!rh_kvm_cap(kv->kvm, KVM_CAP_XCRS)) {
        return true;
    }
    if (!VCPU_IOCTL(kv, KVM_GET_XCRS, &xcrs, err)) {
        return false;
    }
    for (uint32_t i = 0; i < MIN(xcrs.nr_xcrs, KVM_MAX_XCRS); i++) {
        if (xcrs.xcrs[i].xcr == 0) {
            state->xcr0 = xcrs.xcrs[i].value;
        }
    }
    return true;
}

static bool store_xcr0(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0] = { .xcr = 0, .value = state->xcr0 } };

    return !rh_kvm_cap(kv->kvm, KVM_CAP_XCRS) || VCPU_IOCTL(kv, KVM_SET_XCRS, &xcrs, err);
}

/* --- debug registers, events, run state, local APIC --- */

static bool fetch_debug(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_debugregs regs;

    if (!rh_kvm_cap(kv->kvm, KVM_CAP_DEBUGREGS)) {
        return true;
    }
    if (!VCPU_IOCTL(kv, KVM_GET_DEBUGREGS, &regs, err)) {
        return false;
    }
    memcpy(state->dr, regs.db, sizeof(state->dr));
    state->dr6 = regs.dr6;
    state->dr7 = regs.dr7;
    return true;
}

static bool store_debug(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_debugregs regs = { .dr6 = state->dr6, .dr7 = state->dr7 };

    memcpy(regs.db, state->dr, sizeof(regs.db));
    return !rh_kvm_cap(kv->kvm, KVM_CAP_DEBUGREGS) || VCPU_IOCTL(kv, KVM_SET_DEBUGREGS, &regs, err);
}

static bool fetch_events(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_vcpu_events events;

    if (!VCPU_IOCTL(kv, KVM_GET_VCPU_EVENTS, &events, err)) {
        return false;
    }
    state->events = (RhX86Events){
        .exception_pending = events.exception.pending,
        .exception_injected = events.exception.injected,
        .exception_has_error = events.exception.has_error_code,
        .exception_has_payload = events.exception_has_payload,
        .exception_nr = events.exception.nr,
        .exception_error = events.exception.error_code,
        .exception_payload = events.exception_payload,
        .interrupt_injected = events.interrupt.injected,
        .interrupt_is_soft = events.interrupt.soft,
        .interrupt_nr = events.interrupt.nr,
        .interrupt_shadow = events.interrupt.shadow,
        .nmi_injected = events.nmi.injected,
        .nmi_pending = events.nmi.pending,
        .nmi_masked = events.nmi.masked,
        .sipi_vector = events.sipi_vector,
        .is_in_smm = events.smi.smm,
        .smi_pending = events.smi.pending,
        .is_smm_inside_nmi = events.smi.smm_inside_nmi,
        .init_latched = events.smi.latched_init,
        .triple_fault_pending =
            (events.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && events.triple_fault.pending,
    };
    return true;
}

static uint32_t event_flags(const RhKvm *kvm)
{
    return KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |
           KVM_VCPUEVENT_VALID_SHADOW |
           (rh_kvm_cap(kvm, KVM_CAP_X86_SMM) ? KVM_VCPUEVENT_VALID_SMM : 0) |
           (rh_kvm_cap(kvm, KVM_CAP_EXCEPTION_PAYLOAD) ? KVM_VCPUEVENT_VALID_PAYLOAD : 0) |
           (rh_kvm_cap(kvm, KVM_CAP_X86_TRIPLE_FAULT_EVENT) ? KVM_VCPUEVENT_VALID_TRIPLE_FAULT : 0);
}

static bool store_events(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    const RhX86Events *from = &state->events;
    struct kvm_vcpu_events events = {
        .flags = event_flags(kv->kvm),
        .exception = { .pending = from->exception_pending,
                       .injected = from->exception_injected,
                       .nr = from->exception_nr,
                       .has_error_code = from->exception_has_error,
                       .error_code = from->exception_error },
        .exception_has_payload = from->exception_has_payload,
        .exception_payload = from->exception_payload,
        .interrupt = { .injected = from->interrupt_injected,
                       .nr = from->interrupt_nr,
                       .soft = from->interrupt_is_soft,
                       .shadow = from->interrupt_shadow },
        .nmi = { .injected = from->nmi_injected,
                 .pending = from->nmi_pending,
                 .masked = from->nmi_masked },
        .sipi_vector = from->sipi_vector,
        .smi = { .smm = from->is_in_smm,
                 .pending = from->smi_pending,
                 .smm_inside_nmi = from->is_smm_inside_nmi,
                 .latched_init = from->init_latched },
        .triple_fault.pending = from->triple_fault_pending,
    };

    return VCPU_IOCTL(kv, KVM_SET_VCPU_EVENTS, &events, err);
}

static bool has_chip(const RhKvmVcpu *kv)
{
    return kv->kvm->parent.irqchip != RH_IRQCHIP_OFF;
}

static bool fetch_mp(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_mp_state mp;

    if (!has_chip(kv)) {
        state->mp_state = kv->mp_state;
        return true;
    }
    if (!VCPU_IOCTL(kv, KVM_GET_MP_STATE, &mp, err)) {
        return false;
    }
    state->mp_state = mp.mp_state <= RH_MP_LAST ? (uint8_t)mp.mp_state : RH_MP_RUNNABLE;
    return true;
}

static bool store_mp(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_mp_state mp = { .mp_state = state->mp_state };

    kv->mp_state = state->mp_state;
    return !has_chip(kv) || VCPU_IOCTL(kv, KVM_SET_MP_STATE, &mp, err);
}

static bool fetch_lapic(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    struct kvm_lapic_state lapic;

    state->has_lapic = has_chip(kv);
    if (!has_chip(kv)) {
        return true;
    }
    if (!VCPU_IOCTL(kv, KVM_GET_LAPIC, &lapic, err)) {
        return false;
    }
    memcpy(state->lapic, lapic.regs, sizeof(state->lapic));
    return true;
}

static bool store_lapic(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    struct kvm_lapic_state lapic;

    if (!has_chip(kv) || !state->has_lapic) {
        return true;
    }
    memcpy(lapic.regs, state->lapic, sizeof(lapic.regs));
    return VCPU_IOCTL(kv, KVM_SET_LAPIC, &lapic, err);
}
_Static_assert(sizeof(struct kvm_lapic_state) == RH_X86_LAPIC_SIZE, "the APIC's registers fit");

static void fetch_tsc_rate(RhKvmVcpu *kv, RhX86State *state)
{
    int khz = rh_kvm_cap(kv->kvm, KVM_CAP_GET_TSC_KHZ) ? ioctl(kv->fd, KVM_GET_TSC_KHZ) : 0;

    state->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
}

/* A guest that counted at another rate keeps it where the host can scale; else only a tiny
 * difference passes. */
static bool set_tsc_rate(RhKvmVcpu *kv, uint32_t khz, GError **err)
{
    int host = khz && rh_kvm_cap(kv->kvm, KVM_CAP_GET_TSC_KHZ) ? ioctl(kv->fd, KVM_GET_TSC_KHZ) : 0;
    int64_t tolerance = host / 4000;    /* 250 ppm, what clock synchronisation of guests bears */

    if (host <= 0 || (uint32_t)host == khz ||
        ioctl(kv->fd, KVM_SET_TSC_KHZ, (unsigned long)khz) == 0 ||
        ABS((int64_t)host - (int64_t)khz) <= tolerance) {
        return true;
    }
    return rh_fail(
        err, "The guest's TSC shall run at %u kHz, the host's runs at %d, and KVM cannot scale it",
        khz, host);
}

bool rh_kvm_fetch(RhVcpu *vcpu, GError **err)
{
    RhKvmVcpu *kv = rh_kvm_vcpu(vcpu);
    RhX86State *state = &rh_x86_vcpu(vcpu)->state;

    fetch_tsc_rate(kv, state);
    /* The run state first: asking for it lets KVM take INIT and SIPI that wait, which changes the
     * rest. */
    return fetch_mp(kv, state, err) && fetch_regs(kv, state, err) && fetch_sregs(kv, state, err) &&
           fetch_xcr0(kv, state, err) && fetch_xsave(kv, state, err) &&
           rh_kvm_fetch_msrs(kv, state, err) && fetch_debug(kv, state, err) &&
           fetch_events(kv, state, err) && fetch_lapic(kv, state, err) &&
           rh_kvm_fetch_nested(kv, state, err);
}

bool rh_kvm_store(RhVcpu *vcpu, bool is_reset, GError **err)
{
    RhKvmVcpu *kv = rh_kvm_vcpu(vcpu);
    const RhX86State *state = &rh_x86_vcpu(vcpu)->state;

    if (!is_reset) {
        rh_kvm_memory_go_live(kv->kvm);     /* clocks in MSRs are pages of guest memory */
    }
    return (is_reset || set_tsc_rate(kv, state->tsc_khz, err)) &&
           rh_kvm_clear_nested(kv, err) && store_sregs(kv, state, err) &&
           store_regs(kv, state, err) && store_xcr0(kv, state, err) &&
           store_xsave(kv, state, err) && rh_kvm_store_msrs(kv, state, is_reset, err) &&
           store_debug(kv, state, err) && store_events(kv, state, err) &&
           store_lapic(kv, state, err) && rh_kvm_store_deadline(kv, state, err) &&
           store_mp(kv, state, err) && rh_kvm_store_nested(kv, state, err);
}

bool rh_kvm_arch_open(RhKvm *kvm, GError **err)
{
    if (rh_kvm_cap(kvm, KVM_CAP_EXCEPTION_PAYLOAD)) {
        rh_kvm_enable_cap(kvm, KVM_CAP_EXCEPTION_PAYLOAD, 1);
    }
    if (rh_kvm_cap(kvm, KVM_CAP_X86_TRIPLE_FAULT_EVENT)) {
        rh_kvm_enable_cap(kvm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1);
    }
    return rh_kvm_msrs_open(kvm, err) && rh_kvm_cpuid_open(kvm, err);
}

void rh_kvm_arch_close(RhKvm *kvm)
{
    rh_kvm_cpuid_close(kvm);
    rh_kvm_msrs_close(kvm);
}

/* IA32_MCG_CAP, SDM vol. 3 §16.3.1.1 */
#define MCG_CTL_P  (UINT64_C(1) << 8)
#define MCG_SER_P  (UINT64_C(1) << 24)

static void set_up_mce(RhKvmVcpu *kv)
{
    uint64_t supported = 0;
    uint64_t wanted;

    if (!rh_kvm_has_mca(kv) ||
        ioctl(kv->kvm->dev_fd, KVM_X86_GET_MCE_CAP_SUPPORTED, &supported) < 0) {
        return;
    }
    /* Refused: the vCPU keeps the banks that the kernel gave it. */
    wanted = RH_KVM_MCE_BANKS | ((MCG_CTL_P | MCG_SER_P) & supported);
    ioctl(kv->fd, KVM_X86_SETUP_MCE, &wanted);
}

bool rh_kvm_arch_vcpu_init(RhKvmVcpu *kv, GError **err)
{
    kv->mp_state = RH_MP_UNINITIALIZED;
    if (!rh_kvm_cpuid_set(kv, err)) {
        return false;
    }
    if (kv->is_fresh) {
        set_up_mce(kv);
    }
    return set_tsc_rate(kv, rh_x86_vcpu(kv->vcpu)->tsc_khz, err);
}
