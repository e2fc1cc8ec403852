/*
 * The software engine as an accelerator: one RhTcg a machine, one RhTcgCpu a vCPU. See docs/engine.md.
 */
#ifndef RH_ACCEL_TCG_TCG_H
#define RH_ACCEL_TCG_TCG_H

#include "hw/core/device.h"
#include "softmmu/accel.h"
#include "target/i386/cpuid.h"
#include "target/i386/tcg/cpu.h"
#include "target/i386/tcg/pvclock.h"

#define RH_TYPE_TCG_ACCEL RH_ACCEL_NAME("tcg")
#define RH_TYPE_TCG_CLOCK "tcg-clock"

typedef struct RhTcg {
    RhAccel parent;
    uint64_t tb_size;           /* code memory of all vCPUs together, in MiB; 0: the default */
    struct RhCodePages *code_pages;
    bool translate;             /* use the translator, not only the interpreter */
    bool exact_flags;           /* status flags are exact even where nothing can read them */
    bool is_open;
    RhSpaceListener listener;
    RhCpuLimits limits;
    bool has_limits;
    RhTcgClock clock;
} RhTcg;

static inline RhTcgCpu *rh_tcg_cpu(RhVcpu *vcpu)
{
    return __atomic_load_n((RhTcgCpu **)&vcpu->accel, __ATOMIC_ACQUIRE);
}

/** rh_tcg_vcpu_run - the vcpu_run of the accelerator: until there is something to do elsewhere */
RhRunResult rh_tcg_vcpu_run(RhVcpu *vcpu);

#endif
