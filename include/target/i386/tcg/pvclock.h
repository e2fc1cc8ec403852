/*
 * The clock that paravirtual guests read: nanoseconds since the machine started, as a product of the TSC.
 */
#ifndef RH_TARGET_I386_TCG_PVCLOCK_H
#define RH_TARGET_I386_TCG_PVCLOCK_H

#include "target/i386/tcg/cpu.h"

#define RH_MSR_WALL_CLOCK_OLD  0x11u
#define RH_MSR_SYSTEM_TIME_OLD 0x12u
#define RH_MSR_WALL_CLOCK      0x4b564d00u
#define RH_MSR_SYSTEM_TIME     0x4b564d01u

/** RhTcgClock - one a machine; begin fills it, the first use decides the rest under lock */
typedef struct RhTcgClock {
    GMutex lock;
    int64_t begin_tsc, begin_ns;    /* of the host, when the engine was opened */
    int64_t zero_tsc;               /* host TSC at which the guest's clock, and each TSC after reset, reads 0 */
    uint32_t mul;                   /* ns = (TSC shifted by shift) * mul >> 32; 0: not measured yet */
    int8_t shift;
    bool is_loaded;                 /* guests have to be told before they run: rh_tcg_clock_tell. Machine lock */
    int64_t stopped_tsc;            /* host TSC when the machine's clock stopped; 0: it runs. Machine lock; vCPUs do not run */
} RhTcgClock;

/** rh_tcg_clock_tsc - the host's TSC by which guests' time goes: it stands still while the machine's clock does */
static inline uint64_t rh_tcg_clock_tsc(const RhTcgClock *clock)
{
    return clock && clock->stopped_tsc ? (uint64_t)clock->stopped_tsc : rh_tcg_host_tsc();
}

void rh_tcg_clock_begin(RhTcgClock *clock);
/** rh_tcg_clock_owns - whether MSR @index is the clock's */
static inline bool rh_tcg_clock_owns(uint32_t index)
{
    return index == RH_MSR_WALL_CLOCK_OLD || index == RH_MSR_SYSTEM_TIME_OLD || index == RH_MSR_WALL_CLOCK ||
           index == RH_MSR_SYSTEM_TIME;
}
/** rh_tcg_clock_write - WRMSR to such a one; false: the guest's CPU does not have it */
bool rh_tcg_clock_write(RhTcgCpu *cpu, uint32_t index, uint64_t value);
/** rh_tcg_clock_wait - ns until the guest's TSC is @tsc, rounded up; any thread */
int64_t rh_tcg_clock_wait(RhTcgCpu *cpu, uint64_t tsc);
/** rh_tcg_clock_tell - the relation of clock and TSC has changed: write it to the guest's page, if it asked to be told */
void rh_tcg_clock_tell(RhTcgCpu *cpu);
/** rh_tcg_clock_now/set - what the guest's clock reads, in ns, at rh_tcg_clock_tsc(); after set guests are to be told */
int64_t rh_tcg_clock_now(RhTcgClock *clock);
void rh_tcg_clock_set(RhTcgClock *clock, int64_t ns);

#endif
