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

/*
 * XSTATE_BV bit 2 says that upper halves of YMM registers count. Where they are all zero it must not: the CPU takes what XRSTOR
 * loads for in use, and then each change between SSE and AVX instructions costs it some hundred cycles.
 */
static inline void rh_tcg_vector_trim(RhTcgCpu *cpu)
{
    const uint64_t *high = (const uint64_t *)(const void *)cpu->vector.ymm_high;
    uint64_t any = 0;

    if (cpu->vector.xstate_bv & 4) {
        for (unsigned i = 0; i < sizeof(cpu->vector.ymm_high) / sizeof(*high); i++) {
            any |= high[i];
        }
        cpu->vector.xstate_bv = any ? cpu->vector.xstate_bv : cpu->vector.xstate_bv & ~UINT64_C(4);
    }
}

static inline void rh_tcg_vector_restore(RhTcgCpu *cpu, bool was_live)
{
    if (was_live) {
        rh_tcg_vector_trim(cpu);
        __asm__ volatile("xrstor64 %0" : : "m"(cpu->vector), "a"(RH_VECTOR_MASK), "d"(0) : "memory");
        cpu->is_vector_live = true;
    }
}

#endif
