/*
 * hpet - high precision event timers, at 0xfed00000.
 *
 * Invariants:
 * 1. While enabled, the main counter is guest time / 10 ns + offset; halted, it is offset itself.
 * 2. A timer's due_ns is when counter and comparator are equal next, by what was written last; 0 while the counter is
 *    halted or the timer's interrupt is off. What is due has happened before a register changes: the same comparator,
 *    looked at a moment too late, would be a whole turn away.
 * The PIT's output and the RTC's interrupt come in on pins 0 and 1; they go on to interrupts 0 and 8 unless legacy
 * replacement gives those to timers 0 and 1.
 *
 * Spec: IA-PC HPET Specification 1.0a (Intel, 2004), cited by section.  Lock: machine lock (the default).
 */
#include "hw/core/device.h"
#include "softmmu/accel.h"

enum {                          /* §2.3.1 */
    REG_CAPS = 0x000, REG_CONFIG = 0x010, REG_STATUS = 0x020, REG_COUNTER = 0x0f0,
    REG_TIMERS = 0x100, TIMER_SPAN = 0x20, TIMER_CONFIG = 0x00, TIMER_COMPARATOR = 0x08, TIMER_FSB = 0x10,
    REG_SPAN = 0x400,
};
enum { MIN_TIMERS = 3, MAX_TIMERS = 24, NR_LINES = 32 };
#define HPET_BASE    0xfed00000u

#define CONFIG_ENABLE 0x01u
#define CONFIG_LEGACY 0x02u

#define TN_LEVEL     0x0002u
#define TN_ENABLE    0x0004u
#define TN_PERIODIC  0x0008u
#define TN_PERIODIC_CAP 0x0010u
#define TN_64BIT_CAP 0x0020u
#define TN_VALUE_SET 0x0040u
#define TN_32BIT     0x0100u
#define TN_ROUTE_SHIFT 9
#define TN_FSB       0x4000u
#define TN_FSB_CAP   0x8000u
#define TN_WRITABLE  0x7f4eu

#define NS_PER_TICK  10
#define PERIOD_FS    UINT64_C(10000000)
#define MIN_PERIOD_NS 50000     /* a guest cannot have more interrupts than this allows, and uses none of them */

typedef struct HpetTimer {
    uint64_t config;
    uint64_t comparator;
    uint64_t period;
    uint64_t fsb;
    int64_t due_ns;
} HpetTimer;

typedef struct HpetRegs {
    uint64_t config;
    uint64_t status;
    uint64_t offset;            /* of the counter, in ticks */
    uint8_t inputs[2];          /* levels of the PIT's and the RTC's lines */
    HpetTimer timers[MAX_TIMERS];
} HpetRegs;

typedef struct HpetSlot {       /* what a timer callback needs to know */
    struct Hpet *hpet;
    unsigned nr;
    RhTimer timer;
} HpetSlot;

typedef struct Hpet {
    RhDevice parent;
    uint32_t intcap;            /* properties */
    uint8_t nr_timers;
    bool has_msi;
    bool saves_offset;
    RhRegion mmio;              /* wiring */
    RhLine lines[NR_LINES];
    HpetSlot slots[MAX_TIMERS];
    HpetRegs regs;
} Hpet;

/* --- counter --- */

static uint64_t clock_ticks(const Hpet *hpet)
{
    return rh_clock_now(rh_device_vm(&((Hpet *)hpet)->parent)->clock) / NS_PER_TICK;
}

static bool is_enabled(const Hpet *hpet)
{
    return hpet->regs.config & CONFIG_ENABLE;
}

static uint64_t counter(const Hpet *hpet)
{
    return hpet->regs.offset + (is_enabled(hpet) ? clock_ticks(hpet) : 0);
}

static bool is_legacy(const Hpet *hpet)
{
    return hpet->regs.config & CONFIG_LEGACY;
}

/* --- interrupts, §2.3.9.2 --- */

static unsigned route(const Hpet *hpet, unsigned nr)
{
    if (is_legacy(hpet) && nr < 2) {
        return nr == 0 ? 0 : 8;
    }
    return hpet->regs.timers[nr].config >> TN_ROUTE_SHIFT & 31;
}

static bool uses_fsb(const HpetTimer *timer)
{
    return timer->config & TN_FSB;
}

static void send_fsb(Hpet *hpet, const HpetTimer *timer)
{
    RhVm *vm = rh_device_vm(&hpet->parent);
    uint64_t address = timer->fsb >> 32;
    uint32_t data = timer->fsb;

    if (vm->accel && rh_accel_type(vm->accel)->send_msi && rh_accel_has_irqchip(vm)) {
        rh_accel_type(vm->accel)->send_msi(vm->accel, address, data, 0);
    } else {
        rh_dma_write(vm->memory, address, &data, sizeof(data));
    }
}

/* Level of each line: what level-triggered timers hold up, and the old interrupts where nothing replaces them. */
static void update_lines(Hpet *hpet)
{
    const HpetRegs *regs = &hpet->regs;
    uint32_t high = 0;

    for (unsigned i = 0; i < hpet->nr_timers; i++) {
        const HpetTimer *timer = &regs->timers[i];

        if ((regs->status & UINT64_C(1) << i) && (timer->config & TN_ENABLE) && (timer->config & TN_LEVEL) &&
            !uses_fsb(timer)) {
            high |= 1u << route(hpet, i);
        }
    }
    if (!is_legacy(hpet)) {
        high |= (regs->inputs[0] ? 1u : 0) | (regs->inputs[1] ? 1u << 8 : 0);
    }
    for (unsigned i = 0; i < NR_LINES; i++) {
        rh_line_set(&hpet->lines[i], high >> i & 1);
    }
}

static void interrupt(Hpet *hpet, unsigned nr)
{
    HpetTimer *timer = &hpet->regs.timers[nr];

    if (timer->config & TN_LEVEL) {
        hpet->regs.status |= UINT64_C(1) << nr;
    }
    if (!(timer->config & TN_ENABLE) || !is_enabled(hpet)) {
        return;
    }
    if (uses_fsb(timer)) {
        send_fsb(hpet, timer);
    } else if (timer->config & TN_LEVEL) {
        update_lines(hpet);
    } else {
        rh_line_pulse(&hpet->lines[route(hpet, nr)]);
    }
}

static void hpet_pin(RhDevice *dev, unsigned pin, int level)
{
    RH_SELF(Hpet, dev)->regs.inputs[pin] = !!level;
    update_lines(RH_SELF(Hpet, dev));
}

/* --- timers --- */

static uint64_t width_mask(const HpetTimer *timer)
{
    return timer->config & TN_32BIT ? UINT32_MAX : UINT64_MAX;
}

/* Ticks until counter and comparator are equal next; a match of this very moment is a whole turn away. */
static uint64_t ticks_to_match(const Hpet *hpet, const HpetTimer *timer)
{
    return ((timer->comparator - counter(hpet) - 1) & width_mask(timer)) + 1;
}

static int64_t next_match(const Hpet *hpet, unsigned nr)
{
    const HpetTimer *timer = &hpet->regs.timers[nr];
    uint64_t ticks = ticks_to_match(hpet, timer) - 1;   /* so that 2^64 does not come out as 0 */

    if (!is_enabled(hpet) || !(timer->config & TN_ENABLE) || ticks >= (uint64_t)(INT64_MAX / 2 / NS_PER_TICK)) {
        return 0;
    }
    return ((int64_t)clock_ticks(hpet) + (int64_t)ticks + 1) * NS_PER_TICK;
}

static void arm(Hpet *hpet, unsigned nr)
{
    int64_t due_ns = hpet->regs.timers[nr].due_ns;

    if (due_ns) {
        rh_timer_arm(&hpet->slots[nr].timer, due_ns);
    } else {
        rh_timer_cancel(&hpet->slots[nr].timer);
    }
}

static void rearm(Hpet *hpet, unsigned nr)
{
    hpet->regs.timers[nr].due_ns = next_match(hpet, nr);
    arm(hpet, nr);
}

/* §2.3.9.2.2: a periodic comparator moves on by its period; missed periods are skipped. */
static void advance(Hpet *hpet, HpetTimer *timer)
{
    uint64_t period = MAX(timer->period & width_mask(timer), MIN_PERIOD_NS / NS_PER_TICK);
    uint64_t late = (counter(hpet) - timer->comparator) & width_mask(timer);

    timer->comparator = (timer->comparator + (late / period + 1) * period) & width_mask(timer);
}

static void timer_fired(void *opaque)
{
    HpetSlot *slot = opaque;
    HpetTimer *timer = &slot->hpet->regs.timers[slot->nr];

    if (timer->config & TN_PERIODIC) {
        advance(slot->hpet, timer);
    }
    rearm(slot->hpet, slot->nr);
    interrupt(slot->hpet, slot->nr);
}

static void catch_up(Hpet *hpet)
{
    int64_t now = rh_clock_now(rh_device_vm(&hpet->parent)->clock);

    for (unsigned i = 0; i < hpet->nr_timers; i++) {
        if (hpet->regs.timers[i].due_ns && hpet->regs.timers[i].due_ns <= now) {
            timer_fired(&hpet->slots[i]);
        }
    }
}

static void hpet_settle(RhDevice *dev)
{
    Hpet *hpet = RH_SELF(Hpet, dev);

    for (unsigned i = 0; i < hpet->nr_timers; i++) {
        arm(hpet, i);
    }
    update_lines(hpet);
}

/* --- registers --- */

static uint64_t capabilities(const Hpet *hpet)
{
    return PERIOD_FS << 32 | UINT64_C(0x8086) << 16 | 1u << 15 | 1u << 13 | (hpet->nr_timers - 1u) << 8 | 1;
}

static uint64_t timer_caps(const Hpet *hpet)
{
    return (uint64_t)hpet->intcap << 32 | TN_PERIODIC_CAP | TN_64BIT_CAP | (hpet->has_msi ? TN_FSB_CAP : 0);
}

static uint64_t read_timer(const Hpet *hpet, unsigned nr, unsigned at)
{
    const HpetTimer *timer = &hpet->regs.timers[nr];

    switch (at) {
    case TIMER_CONFIG:     return timer->config | timer_caps(hpet);
    case TIMER_COMPARATOR: return timer->comparator;
    case TIMER_FSB:        return timer->fsb;
    default:               return 0;
    }
}

static uint64_t read_quad(const Hpet *hpet, uint64_t at)
{
    unsigned nr = (at - REG_TIMERS) / TIMER_SPAN;

    if (at >= REG_TIMERS) {
        return nr < hpet->nr_timers ? read_timer(hpet, nr, at % TIMER_SPAN) : 0;
    }
    switch (at) {
    case REG_CAPS:    return capabilities(hpet);
    case REG_CONFIG:  return hpet->regs.config;
    case REG_STATUS:  return hpet->regs.status;
    case REG_COUNTER: return counter(hpet);
    default:          return 0;
    }
}

static void write_config(Hpet *hpet, uint64_t value)
{
    uint64_t before = counter(hpet);

    hpet->regs.config = value & (CONFIG_ENABLE | CONFIG_LEGACY);
    hpet->regs.offset = before - (is_enabled(hpet) ? clock_ticks(hpet) : 0);
}

static void write_comparator(HpetTimer *timer, uint64_t value)
{
    value &= width_mask(timer);
    if (timer->config & TN_PERIODIC) {
        timer->period = value;
    }
    if (!(timer->config & TN_PERIODIC) || (timer->config & TN_VALUE_SET)) {
        timer->comparator = value;
        timer->config &= ~(uint64_t)TN_VALUE_SET;
    }
}

static void write_timer_config(Hpet *hpet, unsigned nr, uint64_t value)
{
    HpetTimer *timer = &hpet->regs.timers[nr];

    timer->config = value & TN_WRITABLE & ~(hpet->has_msi ? 0u : TN_FSB);
    timer->comparator &= width_mask(timer);
    if (!(timer->config & TN_LEVEL)) {
        hpet->regs.status &= ~(UINT64_C(1) << nr);
    }
}

static void write_timer(Hpet *hpet, unsigned nr, unsigned at, uint64_t value)
{
    HpetTimer *timer = &hpet->regs.timers[nr];

    switch (at) {
    case TIMER_CONFIG:     write_timer_config(hpet, nr, value); break;
    case TIMER_COMPARATOR: write_comparator(timer, value); break;
    case TIMER_FSB:        timer->fsb = value; break;
    default:               break;
    }
}

static void write_quad(Hpet *hpet, uint64_t at, uint64_t value)
{
    unsigned nr = (at - REG_TIMERS) / TIMER_SPAN;

    if (at >= REG_TIMERS) {
        if (nr < hpet->nr_timers) {
            write_timer(hpet, nr, at % TIMER_SPAN, value);
        }
        return;
    }
    switch (at) {
    case REG_CONFIG: write_config(hpet, value); break;
    case REG_STATUS: hpet->regs.status &= ~value; break;
    case REG_COUNTER:
        if (is_enabled(hpet)) {
            rh_guest_error(&hpet->parent, "main counter written while it runs");
        }
        hpet->regs.offset = value - (is_enabled(hpet) ? clock_ticks(hpet) : 0);
        break;
    default:
        rh_guest_error(&hpet->parent, "write to read-only register 0x%" PRIx64, at);
    }
}

static uint64_t hpet_read(RhDevice *dev, uint64_t at, unsigned size)
{
    uint64_t value = read_quad(RH_SELF(Hpet, dev), at & ~UINT64_C(7));

    return size == 8 ? value : (uint32_t)(value >> (at & 4 ? 32 : 0));
}

static void hpet_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Hpet *hpet = RH_SELF(Hpet, dev);
    uint64_t quad = at & ~UINT64_C(7);
    unsigned shift = at & 4 ? 32 : 0;
    uint64_t old;

    catch_up(hpet);
    old = quad == REG_STATUS ? 0 : read_quad(hpet, quad);
    if (size == 4) {    /* §2.4.7: 32-bit software writes halves */
        value = (old & ~(UINT64_C(0xffffffff) << shift)) | (value & UINT32_MAX) << shift;
    }
    write_quad(hpet, quad, value);
    for (unsigned i = 0; i < hpet->nr_timers; i++) {
        rearm(hpet, i);
    }
    update_lines(hpet);
}

/* --- life --- */

static void hpet_release(RhDevice *dev, void *arg)
{
    Hpet *hpet = RH_SELF(Hpet, dev);

    rh_region_remove(&hpet->mmio);
    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        rh_timer_fini(&hpet->slots[i].timer);
    }
}

static bool hpet_realize(RhDevice *dev, GError **err)
{
    Hpet *hpet = RH_SELF(Hpet, dev);
    RhVm *vm = rh_device_vm(dev);

    hpet->nr_timers = CLAMP(hpet->nr_timers, MIN_TIMERS, MAX_TIMERS);
    for (unsigned i = 0; i < MAX_TIMERS; i++) {
        hpet->slots[i].hpet = hpet;
        hpet->slots[i].nr = i;
        rh_timer_init(&hpet->slots[i].timer, vm->clock, vm->loop, timer_fired, &hpet->slots[i]);
    }
    rh_region_add_over(rh_space_root(vm->memory), HPET_BASE, &hpet->mmio, 1);
    rh_device_claim(dev, hpet_release, NULL);
    return true;
}

static const RhProp hpet_props[] = {
    RH_PROP("timers",       Hpet, nr_timers, .def = MIN_TIMERS, .doc = "number of timers, 3 to 24"),
    RH_PROP("msi",          Hpet, has_msi, .doc = "timers can send messages"),
    RH_PROP("hpet-intcap",  Hpet, intcap, .doc = "interrupts that timers can be routed to, bit by bit"),
    RH_PROP("hpet-offset-saved", Hpet, saves_offset, .def = true, .is_hidden = true,
            .doc = "accepted: state is always complete"),
};
static const RhRegionDesc hpet_regions[] = {
    RH_REGION(Hpet, mmio, .span = REG_SPAN, .sizes = RH_SIZE_4 | RH_SIZE_8, .read = hpet_read, .write = hpet_write),
};
static const RhPinDesc hpet_pins[] = {
    { .nr = 2, .set = hpet_pin },
};
static const RhLineDesc hpet_lines[] = {
    { .offset = offsetof(Hpet, lines), .nr = NR_LINES },
};
static const RhField timer_fields[] = {
    RH_FIELD(HpetTimer, config, .valid = TN_WRITABLE),
    RH_FIELD(HpetTimer, comparator),
    RH_FIELD(HpetTimer, period),
    RH_FIELD(HpetTimer, fsb),
    RH_FIELD(HpetTimer, due_ns, .max = INT64_MAX),
};
static const RhField hpet_fields[] = {
    RH_FIELD(HpetRegs, config, .valid = CONFIG_ENABLE | CONFIG_LEGACY),
    RH_FIELD(HpetRegs, status, .valid = 0xffffff),
    RH_FIELD(HpetRegs, offset),
    RH_FIELD_BYTES(HpetRegs, inputs),
    RH_FIELD_STRUCTS(HpetRegs, timers, timer_fields),
};
static const HpetRegs hpet_at_reset;

RH_DEVICE(Hpet,
    .name        = "hpet",
    .parent      = RH_TYPE_DEVICE,
    .doc         = "High precision event timers",
    .is_internal = true,
    .props       = RH_TABLE(hpet_props),
    .regions     = RH_TABLE(hpet_regions),
    .pins        = RH_TABLE(hpet_pins),
    .lines       = RH_TABLE(hpet_lines),
    .state       = RH_STATE(Hpet, regs, hpet_at_reset, .version = 1, .fields = RH_TABLE(hpet_fields)),
    .realize     = hpet_realize,
    .settle      = hpet_settle);
