/*
 * The paravirtual clock: what the guest's memory says after WRMSR is the host's time, and stays so when the guest moves its TSC.
 */
#include "accel/tcg/tcg.h"

#include <time.h>
#include "target/i386/cpuid.h"
#include "target/i386/features.h"
#include "softmmu/accel.h"
#include "target/i386/tcg/features.h"
#include "tcg-rig.h"

enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, TICKS = 100000000 };

static RhCpuidEntry leaf = { .leaf = 0x40000001, .eax = 1u << 3 };

static Rig *clock_rig(RhTcgClock *clock)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_LONG, 0);
    rh_tcg_clock_begin(clock);
    rig->cpu->clock = clock;
    rig->cpu->cpuid = &leaf;
    rig->cpu->nr_cpuid = 1;
    return rig;
}

/* As a guest reads it. */
static int64_t read_clock_at(Rig *rig, uint64_t at, int64_t host_tsc)
{
    uint64_t ticks = (uint64_t)(host_tsc + rig->cpu->tsc_offset) - rig_peek(rig, at + 8, 8);
    int shift = (int8_t)rig_peek(rig, at + 28, 1);

    g_assert_cmpuint(rig_peek(rig, at, 4) % 2, ==, 0);
    g_assert_cmpuint(rig_peek(rig, at + 29, 1), ==, 1);
    ticks = shift >= 0 ? ticks << shift : ticks >> -shift;
    return (int64_t)(rig_peek(rig, at + 16, 8) + (uint64_t)((unsigned __int128)ticks * rig_peek(rig, at + 24, 4) >> 32));
}

static int64_t read_clock(Rig *rig, uint64_t at)
{
    return read_clock_at(rig, at, (int64_t)rh_tcg_host_tsc());
}

static void test_runs(void)
{
    RhTcgClock clock;
    Rig *rig = clock_rig(&clock);
    int64_t first, began, took;
    uint64_t tsc;

    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, RIG_PAGES | 1));
    g_assert_cmpuint(rig_peek(rig, RIG_PAGES, 4), ==, 2);
    began = g_get_monotonic_time();
    first = read_clock(rig, RIG_PAGES);
    g_usleep(20000);
    took = read_clock(rig, RIG_PAGES) - first;
    /* Whatever the host does in between, it is in both; a wrong rate is not. */
    g_assert_cmpint(took, >=, 19900000);
    g_assert_cmpint(took / 1000, <=, g_get_monotonic_time() - began + 1000);

    tsc = rh_tcg_tsc(rig->cpu);
    g_assert_true(rh_tcg_write_msr(rig->cpu, MSR_TSC, tsc + UINT64_C(1000000000000)));
    g_assert_cmpint(read_clock(rig, RIG_PAGES) - first, >=, took);
    g_assert_cmpint((read_clock(rig, RIG_PAGES) - first) / 1000, <=, g_get_monotonic_time() - began + 1000);
    rig_free(rig);
}

static void test_calendar(void)
{
    RhTcgClock clock;
    Rig *rig = clock_rig(&clock);
    int64_t ns, now;

    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, RIG_PAGES | 1));
    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_WALL_CLOCK, RIG_PAGES + 64));
    g_assert_cmpuint(rig_peek(rig, RIG_PAGES + 64, 4), ==, 2);
    ns = (int64_t)rig_peek(rig, RIG_PAGES + 68, 4) * 1000000000 + (int64_t)rig_peek(rig, RIG_PAGES + 72, 4);
    ns += read_clock(rig, RIG_PAGES);
    now = g_get_real_time();
    g_assert_cmpint(ABS(now - ns / 1000), <, 1000000);
    rig_free(rig);
}

/* Across the end of RAM, and switched off: nothing breaks, nothing is written. */
static void test_odd(void)
{
    RhTcgClock clock;
    Rig *rig = clock_rig(&clock);
    uint64_t value;

    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, (RIG_RAM_SIZE - 12) | 1));
    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, RIG_PAGES));
    g_assert_cmpuint(rig_peek(rig, RIG_PAGES, 8), ==, 0);
    g_assert_true(rh_tcg_read_msr(rig->cpu, RH_MSR_SYSTEM_TIME, &value));
    g_assert_cmpuint(value, ==, RIG_PAGES);
    leaf.eax = 0;
    g_assert_false(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, RIG_PAGES | 1));
    g_assert_cmpuint(rig->cpu->fault.vector, ==, 13);
    leaf.eax = 1u << 3;
    rig_free(rig);
}

/* State that goes out and comes back, as for INIT, leaves the counter in step with those of other CPUs. */
static void test_in_step(void)
{
    Rig *rig = rig_new();
    static RhX86State state;
    int64_t offset = rig->cpu->tsc_offset;

    rh_tcg_to_state(rig->cpu, &state);
    g_usleep(1000);
    rh_tcg_from_state(rig->cpu, &state);
    g_assert_cmpint(rig->cpu->tsc_offset, ==, offset);
    state.tsc = 12345;
    rh_tcg_from_state(rig->cpu, &state);
    g_assert_cmpuint(rh_tcg_tsc(rig->cpu), <, UINT64_C(1) << 40);
    g_assert_cmpint(rig->cpu->tsc_offset, !=, offset);
    rig_free(rig);
}

static unsigned nr_told;

static void note_move(RhVcpu *vcpu)
{
    nr_told++;
}

/* How long until the guest's counter has a value, whatever it was set to; the local APIC hears of each write. */
static void test_deadline(void)
{
    RhTcgClock clock;
    Rig *rig = clock_rig(&clock);
    RhAccel accel = { .tsc_moved = note_move };
    RhCpuLimits limits;
    int64_t second, wait;
    uint64_t rate;

    rh_tcg_fill_limits(&limits);
    g_assert_true(limits.features.word[RH_X86_1_ECX] & RH_X86_1_ECX_TSC_DEADLINE);
    rig->vm->accel = &accel;
    nr_told = 0;
    g_assert_true(rh_tcg_write_msr(rig->cpu, MSR_TSC, UINT64_C(1) << 40));
    g_assert_cmpint(rh_tcg_clock_wait(rig->cpu, (UINT64_C(1) << 40) - 1), ==, 0);
    g_assert_cmpint(rh_tcg_clock_wait(rig->cpu, UINT64_MAX), >, INT64_C(1) << 50);
    rate = (UINT64_C(1000000000) << 32) / clock.mul;
    rate = clock.shift >= 0 ? rate >> clock.shift : rate << -clock.shift;
    second = rh_tcg_clock_wait(rig->cpu, (UINT64_C(1) << 40) + rate);
    g_assert_cmpint(second, >, 0);
    g_assert_cmpint(second, <=, 1000001000);            /* the rate was rounded */
    wait = rh_tcg_clock_wait(rig->cpu, (UINT64_C(1) << 40) + 3 * rate);
    g_assert_cmpint(wait, >, second);
    g_assert_cmpint(wait, <=, second + 2000001000);
    g_assert_cmpuint(nr_told, ==, 1);
    g_assert_true(rh_tcg_write_msr(rig->cpu, MSR_TSC_ADJUST, rig->cpu->tsc_adjust + 2 * rate));
    g_assert_cmpuint(nr_told, ==, 2);
    g_assert_cmpint(rh_tcg_clock_wait(rig->cpu, (UINT64_C(1) << 40) + 3 * rate), <=, wait - 1999999000);
    rig->vm->accel = NULL;
    rig_free(rig);
}

/* While the machine is stopped no time passes, for what is saved either. */
static void test_stands(void)
{
    static RhX86State first, second;
    RhTcgClock clock;
    Rig *rig = clock_rig(&clock);

    clock.stopped_tsc = (int64_t)rh_tcg_host_tsc();
    rh_tcg_to_state(rig->cpu, &first);
    g_usleep(1000);
    rh_tcg_to_state(rig->cpu, &second);
    g_assert_cmpuint(first.tsc, ==, second.tsc);
    g_assert_cmpint(rh_tcg_clock_wait(rig->cpu, first.tsc), ==, 0);
    g_assert_cmpint(rh_tcg_clock_wait(rig->cpu, first.tsc + 1), >, 0);
    first.tsc += 1000;                                  /* as loaded: it goes on from there */
    rh_tcg_from_state(rig->cpu, &first);
    g_usleep(1000);
    rh_tcg_to_state(rig->cpu, &second);
    g_assert_cmpuint(second.tsc, ==, first.tsc);
    rig_free(rig);
}

/* The guest goes on in another process, on a host with another TSC, whose rate is four times as high. */
static void test_load(void)
{
    static RhX86State state;
    RhTcgClock there, here;
    Rig *rig = clock_rig(&there);
    int64_t read, saved, taken;

    there.zero_tsc -= INT64_C(1) << 44;                 /* some hours */
    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, RIG_PAGES | 1));
    there.stopped_tsc = (int64_t)rh_tcg_host_tsc();
    read = read_clock_at(rig, RIG_PAGES, there.stopped_tsc);
    taken = read_clock_at(rig, RIG_PAGES, there.stopped_tsc + TICKS) - read;
    saved = rh_tcg_clock_now(&there);
    g_assert_cmpint(ABS(saved - read), <, 1000);
    rh_tcg_to_state(rig->cpu, &state);

    rh_tcg_clock_begin(&here);
    here.mul = there.mul;
    here.shift = there.shift - 2;
    rig->cpu->clock = &here;
    here.stopped_tsc = (int64_t)rh_tcg_host_tsc();
    rh_tcg_clock_set(&here, saved);
    g_assert_true(here.is_loaded);
    state.tsc += 12345678;
    rh_tcg_from_state(rig->cpu, &state);
    rh_tcg_clock_tell(rig->cpu);
    g_assert_cmpint(ABS(read_clock_at(rig, RIG_PAGES, here.stopped_tsc) - saved), <, 1000);
    g_assert_cmpint(ABS(rh_tcg_clock_now(&here) - saved), <, 1000);
    read = read_clock_at(rig, RIG_PAGES, here.stopped_tsc + 4 * TICKS) - saved;
    g_assert_cmpint(ABS(read - taken), <, 1000);
    g_assert_cmpuint(rig_peek(rig, RIG_PAGES, 4), ==, 4);
    rig_free(rig);
}

/* Another clock is set to @ns, saved by its device, and loaded from there. */
static void carry_clock(RhVm *vm, RhTcgClock *clock, int64_t ns)
{
    g_autoptr(GByteArray) state = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    RhDevice *dev = rh_device_new(vm, "tcg-clock", &err);
    size_t pos = 0;

    g_assert_no_error(err);
    g_assert_true(rh_device_own(dev, vm->root, "clock", &err) && rh_device_realize(dev, NULL, &err));
    rh_tcg_clock_set(clock, ns);
    rh_device_save(dev, state);
    rh_device_reset(dev);
    rh_tcg_clock_set(clock, 0);
    clock->is_loaded = false;
    g_assert_true(rh_device_load(dev, state->data, state->len, &pos, &err));
    g_assert_true(clock->is_loaded);
    rh_device_unrealize(dev);
    rh_object_unparent(RH_OBJECT(dev));
}

/* The accelerator does so when the machine starts after a load, and no time passes while it is stopped. */
static void test_resume(void)
{
    static const char *const names[] = { "tcg", NULL };
    const int64_t loaded = INT64_C(1000000000000000);
    Rig *rig = rig_new();
    RhTcg *tcg;
    uint64_t tsc, host;
    int64_t began;

    rig_enter(rig, RIG_LONG, 0);
    g_assert_true(rh_accel_open(rig->vm, names, NULL, NULL));
    tcg = (RhTcg *)rig->vm->accel;
    rig->cpu->clock = &tcg->clock;
    rig->cpu->cpuid = &leaf;
    rig->cpu->nr_cpuid = 1;
    rig->x86.vcpu.accel = rig->cpu;
    g_ptr_array_add(rig->vm->vcpus, &rig->x86.vcpu);
    g_assert_true(rh_tcg_write_msr(rig->cpu, RH_MSR_SYSTEM_TIME, RIG_PAGES | 1));
    RH_WITH_MACHINE_LOCK(rig->vm) {
        tsc = rh_tcg_clock_tsc(&tcg->clock) + (uint64_t)rig->cpu->tsc_offset;
        g_usleep(10000);
        carry_clock(rig->vm, &tcg->clock, loaded);
        host = rh_tcg_host_tsc();
        began = g_get_monotonic_time();
        rh_accel_type(rig->vm->accel)->set_clock_running(rig->vm->accel, true);
    }
    g_assert_cmpuint(rh_tcg_tsc(rig->cpu) - tsc, <=, rh_tcg_host_tsc() - host);
    g_assert_cmpint(read_clock(rig, RIG_PAGES), >=, loaded - 1000);
    g_assert_cmpint(read_clock(rig, RIG_PAGES) / 1000, <=, loaded / 1000 + g_get_monotonic_time() - began + 1000);
    g_assert_false(tcg->clock.is_loaded);

    g_ptr_array_remove(rig->vm->vcpus, &rig->x86.vcpu);
    rig->x86.vcpu.accel = NULL;
    RH_WITH_MACHINE_LOCK(rig->vm) {
        rh_object_unref(RH_OBJECT(rig->vm->accel));
        rig->vm->accel = NULL;
    }
    rig_free(rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/pvclock/runs", test_runs);
    g_test_add_func("/tcg/pvclock/calendar", test_calendar);
    g_test_add_func("/tcg/pvclock/odd", test_odd);
    g_test_add_func("/tcg/pvclock/in-step", test_in_step);
    g_test_add_func("/tcg/pvclock/deadline", test_deadline);
    g_test_add_func("/tcg/pvclock/stands", test_stands);
    g_test_add_func("/tcg/pvclock/load", test_load);
    g_test_add_func("/tcg/pvclock/resume", test_resume);
    return g_test_run();
}
