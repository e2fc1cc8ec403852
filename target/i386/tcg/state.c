/*
 * The engine's CPU: making it, what follows from its registers, and its state in the form that all accelerators share.
 */
#include "target/i386/tcg/cpu.h"

#include <errno.h>
#include <sys/mman.h>
#if RH_ASAN
#include <sanitizer/lsan_interface.h>
#endif
#include "target/i386/features.h"
#include "target/i386/tcg/features.h"
#include "target/i386/tcg/pvclock.h"

#define CPUID_8000_0008 0x80000008u
#define XSTATE_X87 1u
#define XSTATE_SSE 2u
#define XSTATE_AVX 4u
#define XSTATE_ALL (XSTATE_X87 | XSTATE_SSE | XSTATE_AVX)

/* What is reachable only from there is no leak: the sanitizer does not look into mappings by itself. */
static void tell_sanitizer(RhTcgCpu *cpu, bool is_there)
{
#if RH_ASAN
    (is_there ? __lsan_register_root_region : __lsan_unregister_root_region)(cpu, sizeof(*cpu));
#endif
}

RhTcgCpu *rh_tcg_cpu_new(RhVm *vm, RhVcpu *vcpu, GError **err)
{
    /* Below 2 GiB: translated code names its fields by 32 bits of address. */
    RhTcgCpu *cpu = mmap(NULL, sizeof(*cpu), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (cpu == MAP_FAILED) {
        rh_fail_errno(err, errno, "No %zu KiB of address space below 2 GiB for a vCPU", sizeof(*cpu) / 1024);
        return NULL;
    }
    tell_sanitizer(cpu, true);
    cpu->vm = vm;
    cpu->vcpu = vcpu;
    if (vcpu) {
        RhX86Vcpu *x86 = rh_x86_vcpu(vcpu);

        cpu->cpuid = x86->cpuid;
        cpu->nr_cpuid = x86->nr_cpuid;
    }
    rh_tcg_learn_features(cpu);
    rh_tcg_from_state(cpu, &rh_x86_state_at_reset);
    rh_tlb_flush(cpu, false);
    return cpu;
}

void rh_tcg_cpu_free(RhTcgCpu *cpu)
{
    if (cpu) {
        rh_tcg_vector_fini(cpu);
        tell_sanitizer(cpu, false);
        munmap(cpu, sizeof(*cpu));
    }
}

/* --- what follows from the registers --- */

static unsigned code_size(const RhTcgCpu *cpu)
{
    if (cpu->is_64) {
        return RH_CODE_64;
    }
    return cpu->seg[RH_CS].access & RH_SEG_DB ? RH_CODE_32 : RH_CODE_16;
}

static bool is_flat_segment(const RhX86Segment *seg)
{
    /* Writable data, expanding up, or code that may be read: reads and, for data, writes need no check. */
    return seg->base == 0 && seg->limit == UINT32_MAX && (seg->access & RH_SEG_P) &&
           !(seg->access & RH_SEG_UNUSABLE);
}

static bool is_flat_data(const RhX86Segment *seg)
{
    enum { TYPE_CODE = 8, TYPE_DOWN = 4, TYPE_WRITABLE = 2 };

    return is_flat_segment(seg) && (seg->access & (TYPE_CODE | TYPE_DOWN | TYPE_WRITABLE)) == TYPE_WRITABLE;
}

static void settle_tlb_mode(RhTcgCpu *cpu)
{
    if (cpu->cpl == 3) {
        cpu->tlb_mode = RH_TLB_USER;
    } else if ((cpu->cr4 & RH_CR4_SMAP) && (cpu->rflags & RH_RFLAGS_AC)) {
        cpu->tlb_mode = RH_TLB_KERNEL_AC;
    } else {
        cpu->tlb_mode = RH_TLB_KERNEL;
    }
}

void rh_tcg_settle(RhTcgCpu *cpu)
{
    cpu->is_protected = cpu->cr0 & RH_CR0_PE;
    cpu->is_v86 = cpu->is_protected && (cpu->rflags & RH_RFLAGS_VM);
    cpu->is_long = cpu->efer & RH_EFER_LMA;
    cpu->is_64 = cpu->is_long && (cpu->seg[RH_CS].access & RH_SEG_L);
    cpu->cpl = !cpu->is_protected ? 0
               : cpu->is_v86      ? 3
                                  : (cpu->seg[RH_SS].access & RH_SEG_DPL) >> RH_SEG_DPL_SHIFT;
    cpu->code_size = code_size(cpu);
    cpu->stack_size = cpu->is_64 ? 8 : cpu->seg[RH_SS].access & RH_SEG_DB ? 4 : 2;
    cpu->is_flat = cpu->is_64 || (cpu->is_protected && !cpu->is_v86 && is_flat_segment(&cpu->seg[RH_CS]) &&
                                  is_flat_data(&cpu->seg[RH_DS]) && is_flat_data(&cpu->seg[RH_ES]) &&
                                  is_flat_data(&cpu->seg[RH_SS]));
    cpu->has_sse = !(cpu->cr0 & (RH_CR0_EM | RH_CR0_TS)) && (cpu->cr4 & RH_CR4_OSFXSR);
    cpu->has_avx = cpu->is_protected && !cpu->is_v86 && !(cpu->cr0 & RH_CR0_TS) && (cpu->cr4 & RH_CR4_OSXSAVE) &&
                   (cpu->xcr0 & (XSTATE_SSE | XSTATE_AVX)) == (XSTATE_SSE | XSTATE_AVX);
    settle_tlb_mode(cpu);
    for (unsigned i = 0; i < RH_NR_SEG; i++) {
        cpu->segment_base[i] = cpu->seg[i].base;
    }
    if (rh_tcg_awaits_virtual(cpu)) {
        cpu->attention = 1;
    }
}

/* --- state in and out --- */

/* XSAVE leaves out what is in its initial state; the engine keeps everything spelt out. */
static void vector_from_xsave(RhTcgVector *vector, const uint8_t *xsave)
{
    memcpy(vector, xsave, sizeof(*vector));
    if (!(vector->xstate_bv & XSTATE_X87)) {
        memset(vector, 0, offsetof(RhTcgVector, mxcsr));
        memset(vector->st, 0, sizeof(vector->st));
        vector->fcw = 0x37f;
    }
    if (!(vector->xstate_bv & XSTATE_SSE)) {
        memset(vector->xmm, 0, sizeof(vector->xmm));
    }
    if (!(vector->xstate_bv & XSTATE_AVX)) {
        memset(vector->ymm_high, 0, sizeof(vector->ymm_high));
    }
    vector->fip = vector->fdp = vector->fop = 0;
    vector->mxcsr &= 0xffff;        /* reserved bits would fault in XRSTOR */
    vector->mxcsr_mask = 0xffff;
    vector->xstate_bv = XSTATE_ALL;
    vector->xcomp_bv = 0;
    memset(vector->header, 0, sizeof(vector->header));
}

static void events_from_state(RhTcgCpu *cpu, const RhX86Events *events)
{
    cpu->shadow = events->interrupt_shadow;
    cpu->is_nmi_masked = events->nmi_masked;
    cpu->is_in_smm = events->is_in_smm;
    cpu->has_injected_fault = events->exception_injected || events->exception_pending;
    cpu->fault = (RhFault){ .vector = events->exception_nr,
                            .has_error = events->exception_has_error,
                            .error = events->exception_error,
                            .cr2 = cpu->cr2 };
    cpu->has_injected_interrupt = events->interrupt_injected;
    cpu->injected_interrupt = events->interrupt_nr;
    cpu->is_shut_down = events->triple_fault_pending;
    __atomic_fetch_and(&cpu->requests, ~(uint32_t)(RH_TCG_NMI | RH_TCG_SMI), __ATOMIC_ACQ_REL);
    if (events->nmi_pending || events->nmi_injected) {
        rh_tcg_request(cpu, RH_TCG_NMI);
    }
    if (events->smi_pending) {
        rh_tcg_request(cpu, RH_TCG_SMI);
    }
}

/* Fields of one name in both structs, both ways */
#define SHARED_FIELDS(_)                                                                           \
    _(rip) _(rflags) _(gdt) _(idt) _(cr0) _(cr2) _(cr3) _(cr4) _(cr8) _(dr6) _(dr7) _(xcr0)        \
    _(efer) _(apic_base) _(star) _(lstar) _(cstar) _(sfmask) _(kernel_gs_base) _(sysenter_cs)      \
    _(sysenter_esp) _(sysenter_eip) _(pat) _(misc_enable) _(tsc_adjust) _(tsc_aux) _(tsc_deadline) _(nr_msrs)

#define MSR_SMBASE 0x9eu
#define SMBASE_DEFAULT 0x30000u     /* SDM vol. 3 §31.11 */

void rh_tcg_from_state(RhTcgCpu *cpu, const RhX86State *state)
{
#define IN(field) cpu->field = state->field;
    SHARED_FIELDS(IN)
#undef IN
    memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
    memcpy(cpu->seg, state->seg, sizeof(cpu->seg));
    memcpy(cpu->dr, state->dr, sizeof(cpu->dr));
    memcpy(cpu->msrs, state->msrs, sizeof(cpu->msrs));
    cpu->smbase = SMBASE_DEFAULT;
    for (uint32_t i = 0; i < state->nr_msrs; i++) {
        cpu->smbase = state->msrs[i].index == MSR_SMBASE ? (uint32_t)state->msrs[i].value : cpu->smbase;
    }
    cpu->rflags |= 2;
    if (!cpu->told_tsc || state->tsc != cpu->told_tsc) {    /* else nobody has set it, and it went on counting meanwhile */
        rh_tcg_set_tsc_offset(cpu, (int64_t)(state->tsc - rh_tcg_clock_tsc(cpu->clock)));
    }
    cpu->mp_state = state->mp_state;
    cpu->is_halted = state->mp_state == RH_MP_HALTED;
    vector_from_xsave(&cpu->vector, state->xsave);
    events_from_state(cpu, &state->events);
    rh_tcg_settle(cpu);
    rh_tlb_flush(cpu, false);
    if (state->has_pdptrs) {
        memcpy(cpu->pdptr, state->pdptr, sizeof(cpu->pdptr));
    } else {
        rh_tcg_reload_pdptrs(cpu);
    }
    rh_tcg_settle_debug(cpu);
}

void rh_tcg_to_state(RhTcgCpu *cpu, RhX86State *state)
{
    uint32_t requests = __atomic_load_n(&cpu->requests, __ATOMIC_ACQUIRE);

#define OUT(field) state->field = cpu->field;
    SHARED_FIELDS(OUT)
#undef OUT
    memcpy(state->gpr, cpu->gpr, sizeof(cpu->gpr));
    memcpy(state->seg, cpu->seg, sizeof(cpu->seg));
    memcpy(state->dr, cpu->dr, sizeof(cpu->dr));
    memcpy(state->msrs, cpu->msrs, sizeof(cpu->msrs));
    memcpy(state->pdptr, cpu->pdptr, sizeof(cpu->pdptr));
    rh_x86_set_msr(state, MSR_SMBASE, cpu->smbase);
    state->has_pdptrs = true;
    state->tsc = cpu->told_tsc = rh_tcg_clock_tsc(cpu->clock) + (uint64_t)cpu->tsc_offset;
    state->mp_state = cpu->is_halted ? RH_MP_HALTED : cpu->mp_state;
    state->has_lapic = false;
    memset(state->xsave, 0, sizeof(state->xsave));
    memcpy(state->xsave, &cpu->vector, sizeof(cpu->vector));
    state->events = (RhX86Events){
        .exception_injected = cpu->has_injected_fault,
        .exception_nr = cpu->has_injected_fault ? cpu->fault.vector : 0,
        .exception_has_error = cpu->has_injected_fault && cpu->fault.has_error,
        .exception_error = cpu->has_injected_fault ? cpu->fault.error : 0,
        .interrupt_injected = cpu->has_injected_interrupt,
        .interrupt_nr = cpu->injected_interrupt,
        .interrupt_shadow = cpu->shadow,
        .nmi_masked = cpu->is_nmi_masked,
        .nmi_pending = (requests & RH_TCG_NMI) != 0,
        .is_in_smm = cpu->is_in_smm,
        .smi_pending = (requests & RH_TCG_SMI) != 0,
        .triple_fault_pending = cpu->is_shut_down,
    };
}

void rh_tcg_request(RhTcgCpu *cpu, uint32_t requests)
{
    __atomic_fetch_or(&cpu->requests, requests, __ATOMIC_SEQ_CST);
    __atomic_store_n(&cpu->attention, 1, __ATOMIC_SEQ_CST);
}
