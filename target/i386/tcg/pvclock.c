/*
 * The clock that paravirtual guests read ("kvmclock"). A guest that has no other way to learn the TSC's rate needs it: a machine with
 * hardware-reduced ACPI has no timer to measure it by (microvm). Elsewhere it saves the measuring, which a busy host spoils.
 *
 * Every vCPU's page says the same: host TSC since zero_tsc, in ns. It changes only when the guest moves its TSC.
 * Spec: Linux Documentation/virt/kvm/x86/msr.rst, cpuid.rst.
 */
#include "target/i386/tcg/pvclock.h"

#include <time.h>
#include "target/i386/cpuid.h"
#include "target/i386/tcg/vector-live.h"

#define KVM_LEAF            0x40000001u
#define HAS_CLOCK           (1u << 3)
#define HAS_OLD_CLOCK       (1u << 0)
#define ENABLED             1u
#define FLAG_TSC_STABLE     1u
#define NS_PER_S            INT64_C(1000000000)
#define MIN_MEASURED_NS     INT64_C(20000000)   /* an error of 100 ns is 5 ppm then */

enum { SYSTEM_VERSION = 0, SYSTEM_TSC = 8, SYSTEM_NS = 16, SYSTEM_MUL = 24, SYSTEM_SHIFT = 28, SYSTEM_FLAGS = 29 };
enum { WALL_VERSION = 0, WALL_S = 4, WALL_NS = 8 };

static int64_t now_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* The two clocks at one moment: of several tries the one that was interrupted least. */
static void read_both(int64_t *ret_tsc, int64_t *ret_ns)
{
    int64_t best = INT64_MAX;

    for (unsigned i = 0; i < 8; i++) {
        int64_t before = (int64_t)rh_tcg_host_tsc();
        int64_t ns = now_ns(CLOCK_MONOTONIC_RAW);
        int64_t after = (int64_t)rh_tcg_host_tsc();

        if (after - before < best) {
            best = after - before;
            *ret_tsc = before + best / 2;
            *ret_ns = ns;
        }
    }
}

void rh_tcg_clock_begin(RhTcgClock *clock)
{
    *clock = (RhTcgClock){ 0 };
    read_both(&clock->begin_tsc, &clock->begin_ns);
    clock->zero_tsc = clock->begin_tsc;
}

/* mul in the upper half of its range, for precision: ns = ticks * 2^shift * mul / 2^32. */
static void set_rate(RhTcgClock *clock, int64_t ns, int64_t ticks)
{
    unsigned __int128 ratio = ((unsigned __int128)ns << 64) / (uint64_t)ticks;      /* of 2^64 */
    int shift = 32;

    while (!(ratio >> 95 & 1) && shift > -31) {
        ratio <<= 1;
        shift--;
    }
    clock->mul = (uint32_t)(ratio >> 64);
    clock->shift = (int8_t)shift;
}

static void measure(RhTcgClock *clock)
{
    int64_t tsc, ns;

    read_both(&tsc, &ns);
    if (ns - clock->begin_ns < MIN_MEASURED_NS) {
        g_usleep((gulong)((MIN_MEASURED_NS - (ns - clock->begin_ns)) / 1000 + 1));
        read_both(&tsc, &ns);
    }
    set_rate(clock, ns - clock->begin_ns, tsc - clock->begin_tsc);
}

static void make_ready(RhTcgClock *clock)
{
    g_mutex_lock(&clock->lock);
    if (!clock->mul) {
        measure(clock);
    }
    g_mutex_unlock(&clock->lock);
}

/* The shift is 32 at most. */
static int64_t ticks_to_ns(const RhTcgClock *clock, uint64_t ticks)
{
    unsigned __int128 ns = (unsigned __int128)ticks * clock->mul >> (32 - clock->shift);

    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

int64_t rh_tcg_clock_now(RhTcgClock *clock)
{
    make_ready(clock);
    return ticks_to_ns(clock, rh_tcg_clock_tsc(clock) - (uint64_t)clock->zero_tsc);
}

void rh_tcg_clock_set(RhTcgClock *clock, int64_t ns)
{
    make_ready(clock);
    clock->zero_tsc = (int64_t)(rh_tcg_clock_tsc(clock) - (uint64_t)(((unsigned __int128)ns << (32 - clock->shift)) / clock->mul));
    clock->is_loaded = true;
}

int64_t rh_tcg_clock_wait(RhTcgCpu *cpu, uint64_t tsc)
{
    uint64_t now;

    make_ready(cpu->clock);
    now = rh_tcg_clock_tsc(cpu->clock) + (uint64_t)__atomic_load_n(&cpu->tsc_offset, __ATOMIC_RELAXED);
    return tsc <= now ? 0 : MIN(ticks_to_ns(cpu->clock, tsc - now), INT64_MAX - 1) + 1;
}

/* An odd version says that the rest is being written. */
static uint64_t begin_write(RhTcgCpu *cpu, uint64_t at)
{
    uint64_t version = (rh_tcg_phys_load(cpu, at, 4) | 1) & UINT32_MAX;

    rh_tcg_phys_store(cpu, at, 4, version);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return version + 1;
}

static void end_write(RhTcgCpu *cpu, uint64_t at, uint64_t version)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    rh_tcg_phys_store(cpu, at, 4, version & UINT32_MAX);
}

static void write_system_time(RhTcgCpu *cpu, uint64_t at)
{
    const RhTcgClock *clock = cpu->clock;
    uint64_t version = begin_write(cpu, at + SYSTEM_VERSION);

    rh_tcg_phys_store(cpu, at + SYSTEM_TSC, 8, (uint64_t)(clock->zero_tsc + cpu->tsc_offset));
    rh_tcg_phys_store(cpu, at + SYSTEM_NS, 8, 0);
    rh_tcg_phys_store(cpu, at + SYSTEM_MUL, 4, clock->mul);
    rh_tcg_phys_store(cpu, at + SYSTEM_SHIFT, 1, (uint8_t)clock->shift);
    rh_tcg_phys_store(cpu, at + SYSTEM_FLAGS, 1, FLAG_TSC_STABLE);
    end_write(cpu, at + SYSTEM_VERSION, version);
}

/* When the guest's clock read 0, by the calendar. */
static void write_wall_clock(RhTcgCpu *cpu, uint64_t at)
{
    int64_t ns = now_ns(CLOCK_REALTIME) - rh_tcg_clock_now(cpu->clock);
    uint64_t version = begin_write(cpu, at + WALL_VERSION);

    rh_tcg_phys_store(cpu, at + WALL_S, 4, (uint64_t)(ns / NS_PER_S) & UINT32_MAX);
    rh_tcg_phys_store(cpu, at + WALL_NS, 4, (uint64_t)(ns % NS_PER_S));
    end_write(cpu, at + WALL_VERSION, version);
}

static bool is_system_time(uint32_t index)
{
    return index == RH_MSR_SYSTEM_TIME || index == RH_MSR_SYSTEM_TIME_OLD;
}

static bool has_clock(const RhTcgCpu *cpu, uint32_t index)
{
    const RhCpuidEntry *leaf = rh_cpuid_find(cpu->cpuid, cpu->nr_cpuid, KVM_LEAF, 0);
    uint32_t wanted = index >= RH_MSR_WALL_CLOCK ? HAS_CLOCK : HAS_OLD_CLOCK;

    return cpu->clock && leaf && (leaf->eax & wanted);
}

static bool write_clock(RhTcgCpu *cpu, uint32_t index, uint64_t value)
{
    if (!has_clock(cpu, index)) {
        return false;
    }
    make_ready(cpu->clock);
    if (!is_system_time(index)) {
        write_wall_clock(cpu, value);
    } else if (value & ENABLED) {
        write_system_time(cpu, value & ~(uint64_t)ENABLED);
    }
    return true;
}

/* Asking the host for the time may use vector registers. */
bool rh_tcg_clock_write(RhTcgCpu *cpu, uint32_t index, uint64_t value)
{
    bool was_live = rh_tcg_vector_save(cpu);
    bool is_ok = write_clock(cpu, index, value);

    rh_tcg_vector_restore(cpu, was_live);
    return is_ok;
}

void rh_tcg_clock_tell(RhTcgCpu *cpu)
{
    for (uint32_t i = 0; i < cpu->nr_msrs; i++) {
        if (is_system_time(cpu->msrs[i].index) && (cpu->msrs[i].value & ENABLED)) {
            rh_tcg_clock_write(cpu, cpu->msrs[i].index, cpu->msrs[i].value);
        }
    }
}
