/*
 * The CPU device: abstract "x86_64-cpu" and a type "<model>-x86_64-cpu" for each name of a model. Its
 * properties are feature bits, the properties of rh_cpu_props(), and where it sits.
 *
 * A board makes it, places it, and realizes it; realizing decides the CPU, builds its CPUID leaves
 * and starts its thread. Lock: the machine lock; the state belongs to the vCPU's thread.
 */
#ifndef RH_TARGET_I386_CPU_H
#define RH_TARGET_I386_CPU_H

#include "hw/core/device.h"
#include "target/i386/cpuid.h"
#include "target/i386/state.h"

#define RH_TYPE_X86_CPU "x86_64-cpu"
#define RH_X86_CPU_NAME(model) model "-x86_64-cpu"
/** RH_X86_NO_APIC_ID - not placed yet */
#define RH_X86_NO_APIC_ID UINT32_MAX

typedef struct RhX86Cpu {
    RhDevice parent;
    RhX86Vcpu x86;              /* registers, thread, and the leaves that the accelerator answers */
    RhCpuSpec spec;             /* what was asked for; fixed once realized */
    RhCpuDef def;               /* what came of it */
    RhCpuTopology topo;
    GPtrArray *warnings;        /* of features that are not to be had; for the board to show once */
    RhCpuidEntry *cpuid;
    uint32_t apic_id;
    int32_t socket_id, die_id, core_id, thread_id, node_id; /* -1: not given */
    bool must_reset;            /* the next store is that of a reset */
    bool is_listed;             /* in vm->vcpus, with its thread */
} RhX86Cpu;

/**
 * rh_x86_cpu_place - put @cpu where the vCPU @index of @smp sits; ids given by properties must agree
 * With @index < 0 the ids decide: for device_add. False and @err ("Invalid CPU ...") otherwise.
 */
bool rh_x86_cpu_place(RhX86Cpu *cpu, const RhSmp *smp, int index, GError **err);

/**
 * rh_x86_cpu_add_globals - make a -cpu option hold for all CPUs made from now on; *@ret_type is their type's name (g_free)
 * @warnings as for rh_cpu_spec_parse.
 */
bool rh_x86_cpu_add_globals(RhVm *vm, const char *option, char **ret_type, GPtrArray *warnings, GError **err);

/** rh_x86_cpu_init_message, rh_x86_cpu_startup_message - our own local APIC got one; on the vCPU's thread, not in a run */
void rh_x86_cpu_init_message(RhVcpu *vcpu);
void rh_x86_cpu_startup_message(RhVcpu *vcpu, uint8_t vector);

/** rh_x86_cpu_fetch - bring @cpu's registers in x86.state up to date; main thread. False when the accelerator cannot */
bool rh_x86_cpu_fetch(RhX86Cpu *cpu);

/** rh_x86_cpu_limits - what the machine's accelerator can show; everything when there is none */
const RhCpuLimits *rh_x86_cpu_limits(RhVm *vm);

static inline RhX86Cpu *rh_x86_cpu(RhVcpu *vcpu)
{
    return RH_CONTAINER(RhX86Cpu, x86.vcpu, vcpu);
}

#endif
