/*
 * A software CPU for tests of its vector part: guest memory is some pages of our own at their own addresses, so that the same
 * registers and the same instruction bytes mean the same for the engine and for the host's CPU, which is the reference.
 */
#ifndef RH_TESTS_UNIT_TCG_VECTOR_RIG_H
#define RH_TESTS_UNIT_TCG_VECTOR_RIG_H

#include "target/i386/tcg/cpu.h"

enum { RIG_PAGES = 4, RIG_READ_ONLY = 2 /* page */, RIG_ABSENT = 3 };

/** rig_ram - memory that the guest sees, below 2 GiB: two pages to write to, one to read, one that is absent */
uint8_t *rig_ram(void);
/** rig_new - a CPU in 64-bit mode, ring 0, everything enabled */
RhTcgCpu *rig_new(void);
void rig_free(RhTcgCpu *cpu);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhTcgCpu, rig_free)
/** rig_set_32 - make it one of 32-bit code, or of 64-bit code again */
void rig_set_32(RhTcgCpu *cpu, bool is_32);

/** rig_run - decode @bytes and execute them by the engine; -1: done, else the exception's vector */
int rig_run(RhTcgCpu *cpu, const uint8_t *bytes, unsigned nr);

/** RigNative - what the host's CPU has before and after it executes an instruction itself */
typedef struct RigNative {
    RhTcgVector before __attribute__((aligned(64)));
    RhTcgVector after __attribute__((aligned(64)));
    uint64_t gpr[RH_NR_GPR];    /* but RSP */
    uint64_t rflags;
    uint32_t mxcsr_at_trap;
} RigNative;

/** rig_run_native - execute @bytes as they are; 0, or the signal that they raised (then only mxcsr_at_trap is valid) */
int rig_run_native(RigNative *native, const uint8_t *bytes, unsigned nr);

#endif
