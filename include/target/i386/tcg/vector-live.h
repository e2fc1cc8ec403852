/*
 * Before anything runs that may use vector or x87 registers: the guest's leave the host's for cpu->vector, and come back
 * afterwards. Costs some hundred cycles, so only device memory and the like pay for it.
 *
 * Spec: SDM vol. 1 §13.7 and §13.8. The vCPU's thread.
 */
#ifndef RH_TARGET_I386_TCG_VECTOR_LIVE_H
#define RH_TARGET_I386_TCG_VECTOR_LIVE_H

#include "target/i386/tcg/cpu.h"

enum { RH_VECTOR_MASK = 7 };    /* x87, SSE, AVX */

/** rh_tcg_vector_save - returns whether they were live: for rh_tcg_vector_restore. Brackets may nest. */
static inline bool rh_tcg_vector_save(RhTcgCpu *cpu)
{
    static const uint32_t mxcsr = 0x1f80;

    if (!cpu->is_vector_live) {
        return false;
    }
    /* C wants an empty x87 stack, and every exception masked. */
    __asm__ volatile("xsave64 %0\n\tfninit\n\tldmxcsr %1"
                     : "+m"(cpu->vector)
                     : "m"(mxcsr), "a"(RH_VECTOR_MASK), "d"(0)
                     : "memory");
    /* Of the last x87 instruction: where translated code and guest memory lie in this process is not the guest's to know. */
    cpu->vector.fop = 0;
    cpu->vector.fip = cpu->vector.fdp = 0;
    cpu->is_vector_live = false;
    return true;
}

static inline void rh_tcg_vector_restore(RhTcgCpu *cpu, bool was_live)
{
    if (was_live) {
        __asm__ volatile("xrstor64 %0" : : "m"(cpu->vector), "a"(RH_VECTOR_MASK), "d"(0) : "memory");
        cpu->is_vector_live = true;
    }
}

#endif
