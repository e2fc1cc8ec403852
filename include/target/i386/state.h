/*
 * The architectural state of one x86-64 CPU, as saved, loaded, shown, and moved from one
 * accelerator to another.
 *
 * While a vCPU runs, its accelerator holds the state; rh_accel's vcpu_fetch copies it here,
 * vcpu_store takes it from here. Owner: the vCPU's thread, or whoever has it paused.
 */
#ifndef RH_TARGET_I386_STATE_H
#define RH_TARGET_I386_STATE_H

#include "migration/vmstate.h"
#include "softmmu/vcpu.h"

/** Indices of gpr[]: the order of instruction encodings */
enum {
    RH_RAX, RH_RCX, RH_RDX, RH_RBX, RH_RSP, RH_RBP, RH_RSI, RH_RDI,
    RH_R8, RH_R9, RH_R10, RH_R11, RH_R12, RH_R13, RH_R14, RH_R15, RH_NR_GPR,
};

/** Indices of seg[]: the order of instruction encodings, then the two system segments */
enum { RH_ES, RH_CS, RH_SS, RH_DS, RH_FS, RH_GS, RH_LDTR, RH_TR, RH_NR_SEG };

/* Access rights as VMX lays them out, SDM vol. 3 §25.4.1: descriptor bits 40-47 and 52-55. */
#define RH_SEG_TYPE     0x000fu
#define RH_SEG_S        0x0010u     /* code or data, not system */
#define RH_SEG_DPL      0x0060u
#define RH_SEG_DPL_SHIFT 5
#define RH_SEG_P        0x0080u
#define RH_SEG_AVL      0x1000u
#define RH_SEG_L        0x2000u     /* 64-bit code */
#define RH_SEG_DB       0x4000u
#define RH_SEG_G        0x8000u
#define RH_SEG_UNUSABLE 0x10000u
#define RH_SEG_ACCESS   0x1f0ffu    /* all of the above */

#define RH_CR0_PE 0x00000001u
#define RH_CR0_PG 0x80000000u
#define RH_CR4_PAE 0x00000020u
#define RH_CR4_LA57 0x00001000u
#define RH_EFER_SCE 0x0001u
#define RH_EFER_LME 0x0100u
#define RH_EFER_LMA 0x0400u
#define RH_EFER_NXE 0x0800u
#define RH_EFER_SVME 0x1000u
#define RH_RFLAGS_IF 0x0200u

#define RH_APIC_BASE_DEFAULT 0xfee00000u
#define RH_APIC_BASE_BSP     0x100u
#define RH_APIC_BASE_X2APIC  0x400u
#define RH_APIC_BASE_ENABLED 0x800u

typedef struct RhX86State RhX86State;

typedef struct RhX86Segment {
    uint64_t base;
    uint32_t limit;         /* bytes - 1, after scaling by G */
    uint32_t access;        /* RH_SEG_* */
    uint16_t selector;
} RhX86Segment;

typedef struct RhX86Table {
    uint64_t base;
    uint16_t limit;
} RhX86Table;

/** RhX86MpState - what the CPU is doing; the numbers are those of the KVM API */
typedef enum RhX86MpState {
    RH_MP_RUNNABLE = 0,
    RH_MP_UNINITIALIZED = 1,    /* an application processor before INIT */
    RH_MP_INIT_RECEIVED = 2,    /* waits for SIPI */
    RH_MP_HALTED = 3,
    RH_MP_SIPI_RECEIVED = 4,
    RH_MP_LAST = RH_MP_SIPI_RECEIVED,
} RhX86MpState;

/** RhX86Events - exceptions and interrupts on their way into the CPU */
typedef struct RhX86Events {
    bool exception_pending, exception_injected, exception_has_error, exception_has_payload;
    uint8_t exception_nr;
    uint32_t exception_error;
    uint64_t exception_payload;
    bool interrupt_injected, interrupt_is_soft;
    uint8_t interrupt_nr;
    uint8_t interrupt_shadow;   /* bit 0: after mov ss, bit 1: after sti */
    bool nmi_injected, nmi_masked;
    uint8_t nmi_pending;        /* 0, 1 or 2 */
    uint32_t sipi_vector;
    bool is_in_smm, smi_pending, is_smm_inside_nmi, init_latched;
    bool triple_fault_pending;
} RhX86Events;

/** RhX86Msr - one model-specific register without a field of its own */
typedef struct RhX86Msr {
    uint32_t index;
    uint64_t value;
} RhX86Msr;

#define RH_X86_MAX_MSRS   384u
#define RH_X86_XSAVE_SIZE 12288u    /* standard format; AMX ends at 11008 */
#define RH_X86_NESTED_SIZE 8320u    /* KVM's: a head of 128 bytes and two pages */
#define RH_X86_LAPIC_SIZE 1024u     /* registers at their offsets in the APIC page */

struct RhX86State {
    uint64_t gpr[RH_NR_GPR];
    uint64_t rip, rflags;
    RhX86Segment seg[RH_NR_SEG];
    RhX86Table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8;
    uint64_t dr[4], dr6, dr7;
    uint64_t pdptr[4];          /* loaded by mov to cr3 under PAE paging */
    bool has_pdptrs;            /* pdptr[] is what the CPU uses; otherwise read from memory again */
    uint64_t xcr0;
    uint64_t efer, apic_base;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable;
    uint64_t tsc, tsc_adjust, tsc_aux, tsc_deadline;
    uint32_t tsc_khz;           /* 0: the host's */
    uint32_t nr_msrs;
    RhX86Msr msrs[RH_X86_MAX_MSRS]; /* the rest: MTRRs, paravirtual clocks, machine checks, ... */
    RhX86Events events;
    uint8_t mp_state;           /* RhX86MpState */
    bool has_lapic;             /* lapic[] is valid: the accelerator has the local APIC */
    uint8_t lapic[RH_X86_LAPIC_SIZE];
    uint32_t nested_size;       /* of nested[]; 0: the guest does not use VMX or SVM */
    uint8_t nested[RH_X86_NESTED_SIZE];
    uint8_t xsave[RH_X86_XSAVE_SIZE];   /* the x87 and SSE part is that of FXSAVE64 */
};

/** rh_x86_state_rows - the state as a table; in RH_STATE of the CPU object: .fields =
 * RH_X86_STATE_FIELDS */
extern const RhField rh_x86_state_rows[];
enum { RH_X86_STATE_NR_ROWS = 43 };
#define RH_X86_STATE_FIELDS { rh_x86_state_rows, RH_X86_STATE_NR_ROWS }

/**
 * rh_x86_state_at_reset - power-on values of the boot processor, SDM vol. 3 table 10-1. The CPU
 * object still has to put the CPUID signature into RDX and call rh_x86_state_set_apic.
 */
extern const RhX86State rh_x86_state_at_reset;
/** rh_x86_state_set_apic - make a freshly reset state that of the boot processor, or of one that
 * waits for INIT and SIPI */
void rh_x86_state_set_apic(RhX86State *state, uint32_t apic_id, bool is_bsp);

/** rh_x86_msr - the slot of MSR @index in msrs[], or NULL */
RhX86Msr *rh_x86_msr(RhX86State *state, uint32_t index);
/** rh_x86_set_msr - set or append; false when the table is full */
bool rh_x86_set_msr(RhX86State *state, uint32_t index, uint64_t value);

/** rh_x86_state_dump - text of the registers as "info registers" shows them */
void rh_x86_state_dump(const RhX86State *state, GString *out);

typedef struct RhCpuidEntry RhCpuidEntry;   /* target/i386/cpuid.h */

/**
 * RhX86Vcpu - what an accelerator needs of an x86 CPU object, which embeds it: vcpu->accel code
 * finds the registers and the CPUID answers by the address of the RhVcpu.
 */
typedef struct RhX86Vcpu {
    RhVcpu vcpu;
    RhX86State state;
    const RhCpuidEntry *cpuid;  /* the CPU object's, unchanged once the thread started */
    size_t nr_cpuid;
    uint32_t tsc_khz;           /* rate that the user asked for; 0: the host's */
} RhX86Vcpu;

static inline RhX86Vcpu *rh_x86_vcpu(RhVcpu *vcpu)
{
    return RH_CONTAINER(RhX86Vcpu, vcpu, vcpu);
}

#endif
