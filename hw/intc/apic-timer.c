/*
 * The timer of a local APIC: one-shot, periodic, or at a value of the time stamp counter.
 *
 * The counter is not stepped: what it holds follows from when it was loaded and now. One tick before division is one
 * nanosecond, as guests of KVM know it (CPUID 4000_0010H says 1 GHz).
 * Spec: Intel SDM vol. 3 §11.5.4.  Lock: machine lock.
 */
#include "apic-private.h"

#define TIMER_MODE(lvt) ((lvt) >> 17 & 3)
enum { ONE_SHOT, PERIODIC, TSC_DEADLINE };

/* A guest may ask for a nanosecond's period; the host must stay able to do something else. */
#define MIN_PERIOD_NS INT64_C(20000)
/* How far ahead the timer is set for a deadline; then we look again. Far below what sums of times can hold. */
#define MAX_WAIT_NS (INT64_C(1) << 50)

static unsigned mode_of(const Apic *apic)
{
    return TIMER_MODE(apic->regs.lvt[LVT_TIMER]);
}

/* Figure 11-10: bits 0, 1 and 3 make n; the divisor is 2^(n + 1), but 1 for n = 7. */
static unsigned divide_shift(const Apic *apic)
{
    uint32_t divide = apic->regs.divide;

    return (((divide & 3) | (divide >> 1 & 4)) + 1) & 7;
}

static int64_t period_ns(const Apic *apic)
{
    return (int64_t)apic->regs.initial_count << divide_shift(apic);
}

static int64_t now_ns(const Apic *apic)
{
    return rh_clock_now(apic->timer.clock);
}

/* When the counter reaches 0 for the first time after now. */
static int64_t next_expiry(const Apic *apic)
{
    int64_t period = period_ns(apic);
    int64_t passed = MAX(now_ns(apic) - apic->regs.count_start, 0);

    return period ? apic->regs.count_start + (passed / period + 1) * period : 0;
}

/* What the CPU says of its counter; 0 as well where nobody can say. */
static int64_t wait_ns(const Apic *apic)
{
    const RhApicOps *ops = apic_bus_ops(apic->bus);

    int64_t ns = apic->has_deadline && ops->tsc_wait ? ops->tsc_wait(apic->vcpu, apic->regs.deadline) : 0;

    return MIN(ns, MAX_WAIT_NS);
}

uint32_t apic_timer_lvt_bits(const Apic *apic)
{
    return LVT_VECTOR | LVT_MASKED | (apic->has_deadline ? 3u : 1u) << 17;
}

uint32_t apic_timer_count(const Apic *apic)
{
    int64_t initial = apic->regs.initial_count;
    int64_t passed = MAX(now_ns(apic) - apic->regs.count_start, 0) >> divide_shift(apic);

    if (!initial || mode_of(apic) == TSC_DEADLINE) {
        return 0;
    }
    if (mode_of(apic) == PERIODIC) {
        return initial - passed % initial;
    }
    return passed < initial ? initial - passed : 0;
}

void apic_timer_settle(Apic *apic)
{
    if (apic->regs.next_ns) {
        rh_timer_arm(&apic->timer, apic->regs.next_ns);
    } else {
        rh_timer_cancel(&apic->timer);
    }
}

void apic_timer_set_count(Apic *apic, uint32_t value)
{
    if (mode_of(apic) == TSC_DEADLINE) {
        return;                 /* §11.5.4.1: ignored */
    }
    apic->regs.initial_count = value;
    apic->regs.count_start = now_ns(apic);
    apic->regs.next_ns = next_expiry(apic);
    apic_timer_settle(apic);
}

/* The count goes on from where it is, at the new rate. */
void apic_timer_set_divide(Apic *apic, uint32_t value)
{
    ApicRegs *regs = &apic->regs;
    int64_t counted = (int64_t)regs->initial_count - apic_timer_count(apic);

    regs->divide = value & 0xb;
    regs->count_start = now_ns(apic) - (counted << divide_shift(apic));
    if (regs->next_ns && mode_of(apic) != TSC_DEADLINE) {
        regs->next_ns = next_expiry(apic);
        apic_timer_settle(apic);
    }
}

void apic_timer_set_deadline(Apic *apic, uint64_t value)
{
    if (mode_of(apic) != TSC_DEADLINE) {
        return;                 /* §11.5.4.1: ignored */
    }
    apic->regs.deadline = value;
    apic->regs.next_ns = value ? MAX(now_ns(apic) + wait_ns(apic), 1) : 0;
    apic_timer_settle(apic);
}

void apic_timer_tsc_moved(Apic *apic)
{
    if (apic->regs.deadline) {
        apic_timer_set_deadline(apic, apic->regs.deadline);
    }
}

void apic_timer_set_lvt(Apic *apic, uint32_t value)
{
    ApicRegs *regs = &apic->regs;
    unsigned old = mode_of(apic);

    regs->lvt[LVT_TIMER] = value;
    if (mode_of(apic) == old) {
        return;
    }
    if (old == TSC_DEADLINE || mode_of(apic) == TSC_DEADLINE) {     /* §11.5.4.1: disarms */
        regs->deadline = 0;
        regs->initial_count = 0;
        regs->next_ns = 0;
    } else if (mode_of(apic) == PERIODIC) {
        regs->next_ns = next_expiry(apic);
    }
    apic_timer_settle(apic);
}

static void fired(void *opaque)
{
    Apic *apic = opaque;
    ApicRegs *regs = &apic->regs;

    if (mode_of(apic) == TSC_DEADLINE && regs->deadline && wait_ns(apic)) {
        apic_timer_tsc_moved(apic);     /* the counter runs slower than our clock: never before the deadline */
        return;
    }
    regs->next_ns = 0;
    regs->deadline = 0;
    if (mode_of(apic) == PERIODIC && regs->initial_count) {
        regs->next_ns = MAX(next_expiry(apic), now_ns(apic) + MIN_PERIOD_NS);
    }
    apic_timer_settle(apic);
    apic_local(apic, LVT_TIMER);
}

static void release_timer(RhDevice *dev, void *arg)
{
    rh_timer_fini(arg);
}

void apic_timer_init(Apic *apic)
{
    RhVm *vm = rh_device_vm(&apic->parent);

    rh_timer_init(&apic->timer, vm->clock, vm->loop, fired, apic);
    rh_device_claim(&apic->parent, release_timer, &apic->timer);
}
