/*
 * What CPU the engine can be: for the models of -cpu, and for one vCPU from its CPUID leaves.
 */
#ifndef RH_TARGET_I386_TCG_FEATURES_H
#define RH_TARGET_I386_TCG_FEATURES_H

#include "target/i386/cpuid.h"
#include "target/i386/tcg/cpu.h"

/** rh_tcg_fill_limits - what -cpu can have: what the engine does, less what it leaves to a host that lacks it */
void rh_tcg_fill_limits(RhCpuLimits *ret);
/** rh_tcg_learn_features - fill in features, allowed control bits and physical_mask from cpu->cpuid; without leaves, everything */
void rh_tcg_learn_features(RhTcgCpu *cpu);

#endif
