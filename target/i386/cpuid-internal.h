/*
 * A CPUID table in the making: shared by the files that make its parts.
 */
#ifndef RH_TARGET_I386_CPUID_INTERNAL_H
#define RH_TARGET_I386_CPUID_INTERNAL_H

#include "target/i386/cpuid.h"

typedef struct RhCpuidTable {
    const RhCpuDef *def;
    const RhCpuTopology *topo;
    uint32_t apic_id;
    RhCpuidEntry *out;          /* RH_CPUID_MAX_ENTRIES of them */
    size_t nr;
    size_t hypervisor_at;       /* index of the first leaf that tells of KVM */
} RhCpuidTable;

void rh_cpuid_put(RhCpuidTable *table, uint32_t leaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx);

/** rh_cpuid_hyperv - the leaves of Hyper-V at 40000000H; false when no enlightenment is on */
bool rh_cpuid_hyperv(RhCpuidTable *table);

#endif
