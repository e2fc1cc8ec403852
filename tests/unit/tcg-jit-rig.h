/*
 * A Rig whose CPU has a translator. The thread that makes it is its vCPU's: GS belongs to the engine there.
 */
#ifndef RH_TESTS_TCG_JIT_RIG_H
#define RH_TESTS_TCG_JIT_RIG_H

#include "accel/tcg/jit.h"
#include "tcg-rig.h"

/** jit_rig_new - rig_new, with the accelerator opened and @code_size bytes for translated code; ended by jit_rig_free */
Rig *jit_rig_new(uint64_t code_size);
void jit_rig_free(Rig *rig);
/** jit_rig_exact - status flags exact at faults, or only where they can be seen */
void jit_rig_exact(Rig *rig, bool is_exact);
/** jit_rig_start, jit_rig_stop - a translator for @cpu, of the calling thread */
void jit_rig_start(RhTcgCpu *cpu, uint64_t code_size);
void jit_rig_stop(RhTcgCpu *cpu);
/**
 * jit_rig_halt_on_exceptions - every vector leads to a HLT of its own in ring 0. With paging a view of
 * what is needed for it lies at JIT_RIG_HIGH (long mode) or JIT_RIG_HIGH_32, in supervisor pages.
 */
void jit_rig_halt_on_exceptions(Rig *rig);
/** jit_rig_run - run translated code until an exception halts the CPU (or it shuts down); false: not within @max_rounds of rh_jit_run */
bool jit_rig_run(Rig *rig, unsigned max_rounds);

/** JitRigFrame - what the exception pushed */
typedef struct JitRigFrame {
    unsigned vector;
    uint32_t error;
    uint64_t rip, rflags, rsp;
} JitRigFrame;
void jit_rig_frame(Rig *rig, JitRigFrame *ret);

enum { JIT_RIG_HANDLERS = 0x20000, JIT_RIG_PITCH = 16, JIT_RIG_VECTORS = 256 };
#define JIT_RIG_HIGH UINT64_C(0xffff800000000000)
#define JIT_RIG_HIGH_32 0xc0000000u

#endif
