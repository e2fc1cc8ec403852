/*
 * mc146818rtc - real-time clock and CMOS memory of the PC/AT.
 *
 * Invariants:
 * 1. While the clock runs, the time of day is reference clock + offset; the time bytes in cmos[] are stale and
 *    written afresh when they are read. While it is halted (SET, or divider in reset) cmos[] holds the time.
 * 2. Flags are computed when somebody looks: everything up to seen_s (update, alarm) and seen_tick (periodic) is in
 *    register C. The timer is armed only for flags whose interrupt is enabled and that are not set yet, so a guest
 *    that uses no RTC interrupt causes no wake-up.
 *
 * Spec: MC146818A data sheet (Motorola, 1984), cited by section name; century byte: ACPI 6.5 §5.2.9 (FADT).
 * Lock: machine lock (the default).
 */
#include "hw/rtc/mc146818.h"
#include <time.h>
#include "hw/core/isa.h"
#include "hw/rtc/rtc-time.h"
#include "qapi/qapi-events.h"
#include "softmmu/runstate.h"

#define A_UIP     0x80
#define A_DIVIDER 0x70
#define A_RATE    0x0f
#define B_SET     0x80
#define C_IRQF    0x80
#define FLAG_PF   0x40          /* same bits in B (enable) and C (flag) */
#define FLAG_AF   0x20
#define FLAG_UF   0x10
#define FLAG_ALL  (FLAG_PF | FLAG_AF | FLAG_UF)
#define B_SQWE    0x08
#define D_VRT     0x80

enum { REG_INDEX = 0, REG_DATA = 1, REG_SPAN = 2 };
enum { PS2_CENTURY = 0x37 };    /* where the PS/2 has the century byte: the same one */

#define NS_PER_S     INT64_C(1000000000)
#define UIP_NS       244141     /* "Update Cycle": UIP is up at least 244 us before */
#define TICKS_PER_S  32768
#define MAX_TIME     INT64_C(1000000000000)     /* s; a year byte and a century byte reach the year 16599 */
#define MAX_LOST     2000       /* ticks to make up for, at most */

typedef enum TickPolicy { TICK_DISCARD, TICK_DELAY, TICK_SLEW } TickPolicy;
static const char *const tick_policies[] = { "discard", "delay", "slew", NULL };

typedef struct RtcRegs {
    uint8_t cmos[RH_RTC_CMOS_SIZE];
    uint8_t index;
    uint32_t lost_ticks;        /* to be made up for, with lost_tick_policy=slew */
    int64_t offset_s;           /* time of day less the reference clock, whole seconds (guests may set any year) */
    int64_t offset_ns;          /* and the rest, 0 to 999999999 */
    int64_t seen_s;             /* time of day up to which UF and AF are computed */
    int64_t seen_tick;          /* of guest time, 32768 a second: up to which PF is computed */
} RtcRegs;

typedef struct Rtc {
    RhIsaDevice parent;
    int32_t base_year;          /* properties */
    uint16_t iobase;
    uint8_t irq;
    int lost_tick_policy;
    RhRtcConfig config;         /* wiring */
    int64_t start_ns;           /* reference clock at realize */
    RhRegion ports;
    RhLine line;
    RhTimer timer;
    RtcRegs regs;
} Rtc;

/* --- time --- */

static int64_t reference_ns(const Rtc *rtc)
{
    switch (rtc->config.clock) {
    case RH_RTC_HOST: return g_get_real_time() * 1000;
    case RH_RTC_RT:   return rh_clock_now(rh_clock_real());
    default:          return rh_clock_now(rtc->timer.clock);
    }
}

static int64_t floor_s(int64_t ns)
{
    return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

static int64_t now_s(const Rtc *rtc)
{
    return floor_s(reference_ns(rtc) + rtc->regs.offset_ns) + rtc->regs.offset_s;
}

/* ns since the time of day's last second */
static int64_t fraction_ns(const Rtc *rtc)
{
    int64_t ns = reference_ns(rtc) + rtc->regs.offset_ns;

    return ns - floor_s(ns) * NS_PER_S;
}

/* From now on the time of day is @seconds and @fraction ns. */
static void set_time(Rtc *rtc, int64_t seconds, int64_t fraction)
{
    int64_t reference = reference_ns(rtc);
    int64_t rest = fraction - (reference - floor_s(reference) * NS_PER_S);

    rtc->regs.offset_s = seconds - floor_s(reference) + floor_s(rest);
    rtc->regs.offset_ns = rest - floor_s(rest) * NS_PER_S;
    rtc->regs.seen_s = seconds;
}

static int64_t now_ticks(const Rtc *rtc)
{
    int64_t ns = rh_clock_now(rtc->timer.clock);

    return ns / NS_PER_S * TICKS_PER_S + ns % NS_PER_S * TICKS_PER_S / NS_PER_S;
}

static int64_t ticks_to_ns(int64_t ticks)
{
    int64_t part = ticks % TICKS_PER_S;

    return ticks / TICKS_PER_S * NS_PER_S + (part * NS_PER_S + TICKS_PER_S - 1) / TICKS_PER_S;
}

static bool is_running(const Rtc *rtc)
{
    /* "Divider Stages": 11x holds them in reset; the values above 010 that remain are for test only */
    return !(rtc->regs.cmos[RH_RTC_B] & B_SET) && (rtc->regs.cmos[RH_RTC_A] & A_DIVIDER) <= 0x20;
}

static int64_t period_ticks(const Rtc *rtc)
{
    unsigned rate = rtc->regs.cmos[RH_RTC_A] & A_RATE;

    if (rate == 0 || (rtc->regs.cmos[RH_RTC_A] & A_DIVIDER) > 0x20) {
        return 0;
    }
    return INT64_C(1) << (rate <= 2 ? rate + 6 : rate - 1);    /* table 5 for a 32.768 kHz time base */
}

/* --- flags --- */

static void update_irq(Rtc *rtc)
{
    uint8_t *c = &rtc->regs.cmos[RH_RTC_C];
    bool is_up = *c & rtc->regs.cmos[RH_RTC_B] & FLAG_ALL;

    *c = is_up ? *c | C_IRQF : *c & ~C_IRQF;
    rh_line_set(&rtc->line, is_up);
}

static void catch_up_seconds(Rtc *rtc)
{
    RtcRegs *regs = &rtc->regs;
    int64_t now = now_s(rtc);

    if (!is_running(rtc) || now <= regs->seen_s) {
        regs->seen_s = MIN(regs->seen_s, now);      /* the host's clock may have been set back */
        return;
    }
    regs->cmos[RH_RTC_C] |= FLAG_UF;
    if (rh_rtc_next_alarm(regs->cmos, regs->seen_s) <= now) {
        regs->cmos[RH_RTC_C] |= FLAG_AF;
        if (regs->cmos[RH_RTC_B] & FLAG_AF) {
            rh_request_wakeup(rh_device_vm(RH_SELF(RhDevice, rtc)), NULL);
        }
    }
    regs->seen_s = now;
}

static void catch_up_ticks(Rtc *rtc)
{
    RtcRegs *regs = &rtc->regs;
    int64_t now = now_ticks(rtc);
    int64_t period = period_ticks(rtc);
    int64_t passed = period ? now / period - regs->seen_tick / period : 0;

    if (passed > 0) {
        bool was_pending = regs->cmos[RH_RTC_C] & FLAG_PF;

        regs->cmos[RH_RTC_C] |= FLAG_PF;
        if (rtc->lost_tick_policy == TICK_SLEW && (regs->cmos[RH_RTC_B] & FLAG_PF)) {
            regs->lost_ticks = MIN(regs->lost_ticks + passed - !was_pending, MAX_LOST);
        }
    }
    regs->seen_tick = now;
}

static int64_t next_event_ns(const Rtc *rtc)
{
    const RtcRegs *regs = &rtc->regs;
    uint8_t wanted = regs->cmos[RH_RTC_B] & ~regs->cmos[RH_RTC_C];
    int64_t now = rh_clock_now(rtc->timer.clock);
    int64_t next = INT64_MAX;
    int64_t period = period_ticks(rtc);

    if ((wanted & FLAG_PF) && period) {
        next = regs->lost_ticks ? now + ticks_to_ns(period) / 4
                                : ticks_to_ns((regs->seen_tick / period + 1) * period);
    }
    if ((wanted & (FLAG_UF | FLAG_AF)) && is_running(rtc)) {
        int64_t at_s = wanted & FLAG_UF ? regs->seen_s + 1 : rh_rtc_next_alarm(regs->cmos, regs->seen_s);

        if (at_s != INT64_MAX) {
            int64_t left_ns = (at_s - now_s(rtc)) * NS_PER_S - fraction_ns(rtc);

            next = MIN(next, now + MAX(left_ns, 0));
        }
    }
    return next;
}

static void rtc_settle(RhDevice *dev)
{
    Rtc *rtc = RH_SELF(Rtc, dev);

    update_irq(rtc);
    rh_timer_arm(&rtc->timer, next_event_ns(rtc));
}

static void catch_up(Rtc *rtc)
{
    catch_up_seconds(rtc);
    catch_up_ticks(rtc);
}

static void timer_fired(void *opaque)
{
    Rtc *rtc = opaque;

    if (rtc->regs.lost_ticks) {
        rtc->regs.lost_ticks--;
        rtc->regs.cmos[RH_RTC_C] |= FLAG_PF;
    }
    catch_up(rtc);
    rtc_settle(RH_SELF(RhDevice, rtc));
}

/* --- time of day --- */

static void load_time(Rtc *rtc)
{
    if (is_running(rtc)) {
        rh_rtc_from_seconds(rtc->regs.cmos, now_s(rtc), rtc->base_year);
    }
}

static void store_time(Rtc *rtc, int64_t fraction)
{
    set_time(rtc, rh_rtc_to_seconds(rtc->regs.cmos, rtc->base_year), fraction);
}

/* What -rtc base= makes of now. */
static int64_t base_s(const Rtc *rtc)
{
    time_t wall_s = g_get_real_time() / G_USEC_PER_SEC;
    struct tm local;

    if (rtc->config.has_date) {
        return rtc->config.start_s + floor_s(reference_ns(rtc) - rtc->start_ns);
    }
    return wall_s + (rtc->config.is_localtime && localtime_r(&wall_s, &local) ? local.tm_gmtoff : 0);
}

static void tell_change(Rtc *rtc)
{
    RhDevice *dev = RH_SELF(RhDevice, rtc);
    g_autofree char *path = rh_object_path(&dev->obj);

    qmp_event_rtc_change(rh_device_vm(dev)->events, now_s(rtc) - base_s(rtc), path ? path : "");
}

/* --- registers --- */

static void write_a(Rtc *rtc, uint8_t value)
{
    bool was_running = is_running(rtc);

    load_time(rtc);
    rtc->regs.cmos[RH_RTC_A] = value & ~A_UIP;
    if (!was_running && is_running(rtc)) {
        store_time(rtc, NS_PER_S / 2);      /* "Divider Stages": the first update comes half a second later */
    }
}

static void write_b(Rtc *rtc, uint8_t value)
{
    bool was_running = is_running(rtc);
    int64_t fraction = fraction_ns(rtc);

    load_time(rtc);
    if (value & B_SET) {
        value &= ~FLAG_UF;                  /* "Register B": SET clears UIE */
    }
    rtc->regs.cmos[RH_RTC_B] = value;
    if (!was_running && is_running(rtc)) {
        store_time(rtc, fraction);
        tell_change(rtc);
    }
}

static void write_time(Rtc *rtc, unsigned at, uint8_t value)
{
    int64_t fraction = fraction_ns(rtc);

    load_time(rtc);
    rtc->regs.cmos[at] = value;
    if (is_running(rtc)) {
        store_time(rtc, fraction);
        tell_change(rtc);
    }
}

static void write_cmos(Rtc *rtc, unsigned at, uint8_t value)
{
    switch (at) {
    case RH_RTC_A: write_a(rtc, value); break;
    case RH_RTC_B: write_b(rtc, value); break;
    case RH_RTC_C:
    case RH_RTC_D:
        rh_guest_error(RH_SELF(RhDevice, rtc), "write to read-only register 0x%x", at);
        break;
    default:
        if (rh_rtc_is_time(at)) {
            write_time(rtc, at, value);
        } else {
            rtc->regs.cmos[at] = value;
        }
    }
}

static uint8_t read_a(const Rtc *rtc)
{
    bool is_updating = is_running(rtc) && fraction_ns(rtc) >= NS_PER_S - UIP_NS;

    return rtc->regs.cmos[RH_RTC_A] | (is_updating ? A_UIP : 0);
}

static uint8_t read_c(Rtc *rtc)
{
    uint8_t value;

    update_irq(rtc);
    value = rtc->regs.cmos[RH_RTC_C];
    rtc->regs.cmos[RH_RTC_C] = 0;
    return value;
}

static uint8_t read_cmos(Rtc *rtc, unsigned at)
{
    switch (at) {
    case RH_RTC_A: return read_a(rtc);
    case RH_RTC_C: return read_c(rtc);
    case RH_RTC_D: return D_VRT;
    default:
        if (rh_rtc_is_time(at)) {
            load_time(rtc);
        }
        return rtc->regs.cmos[at];
    }
}

static uint64_t rtc_read(RhDevice *dev, uint64_t at, unsigned size)
{
    Rtc *rtc = RH_SELF(Rtc, dev);
    uint8_t value;

    if (at == REG_INDEX) {
        return 0xff;                        /* write-only on the AT */
    }
    catch_up(rtc);
    value = read_cmos(rtc, rtc->regs.index);
    rtc_settle(dev);
    return value;
}

static void rtc_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Rtc *rtc = RH_SELF(Rtc, dev);

    if (at == REG_INDEX) {
        rtc->regs.index = value & 0x7f;     /* bit 7 masks NMI on the AT */
        if (rtc->regs.index == PS2_CENTURY) {
            rtc->regs.index = RH_RTC_CENTURY;
        }
        return;
    }
    catch_up(rtc);
    write_cmos(rtc, rtc->regs.index, value);
    rtc_settle(dev);
}

/* --- for boards --- */

void rh_rtc_configure(RhDevice *dev, const RhRtcConfig *config)
{
    RH_SELF(Rtc, dev)->config = *config;
}

void rh_rtc_set_cmos(RhDevice *dev, unsigned at, uint8_t value)
{
    g_assert(at > RH_RTC_D && at < RH_RTC_CMOS_SIZE);
    RH_SELF(Rtc, dev)->regs.cmos[at] = value;
}

uint8_t rh_rtc_get_cmos(RhDevice *dev, unsigned at)
{
    Rtc *rtc = RH_SELF(Rtc, dev);

    g_assert(at < RH_RTC_CMOS_SIZE);
    load_time(rtc);
    return rtc->regs.cmos[at];
}

/* --- life --- */

static void rtc_release(RhDevice *dev, void *arg)
{
    rh_timer_fini(arg);
}

/* "RESET": clears the interrupt enables, the flags and the square wave; time and memory stay. */
static void rtc_reset(RhDevice *dev)
{
    RtcRegs *regs = &RH_SELF(Rtc, dev)->regs;

    regs->cmos[RH_RTC_B] &= ~(FLAG_ALL | B_SQWE);
    regs->cmos[RH_RTC_C] = 0;
    regs->lost_ticks = 0;
    regs->index = 0;
}

static bool rtc_realize(RhDevice *dev, GError **err)
{
    Rtc *rtc = RH_SELF(Rtc, dev);
    RhVm *vm = rh_device_vm(dev);

    rh_timer_init(&rtc->timer, vm->clock, vm->loop, timer_fired, rtc);
    rh_device_claim(dev, rtc_release, &rtc->timer);
    rtc->regs.cmos[RH_RTC_A] = 0x26;        /* 32.768 kHz, 1024 Hz: as PC firmware leaves it */
    rtc->regs.cmos[RH_RTC_B] = 0x02;        /* 24 h, BCD */
    rtc->regs.cmos[RH_RTC_D] = D_VRT;
    rtc->start_ns = reference_ns(rtc);
    set_time(rtc, base_s(rtc), rtc->config.has_date ? 0 : g_get_real_time() % G_USEC_PER_SEC * 1000);
    rtc->regs.seen_tick = now_ticks(rtc);
    load_time(rtc);
    return rh_isa_claim_irq(dev, rtc->irq, &rtc->line, err) &&
           rh_isa_map_ports(dev, rtc->iobase, &rtc->ports, err);
}

static bool is_sane(int64_t value)
{
    return value > -MAX_TIME && value < MAX_TIME;
}

static bool rtc_check(RhDevice *dev, GError **err)
{
    const RtcRegs *regs = &RH_SELF(Rtc, dev)->regs;

    if (!is_sane(regs->offset_s) || !is_sane(regs->seen_s) || regs->seen_tick < 0 || regs->seen_tick > 100 * MAX_TIME) {
        return rh_fail(err, "RTC time is off by %" PRId64 " s, must be within 30000 years", regs->offset_s);
    }
    return true;
}

static json_object *get_date(RhObject *obj, const RhProp *prop)
{
    Rtc *rtc = RH_SELF(Rtc, obj);
    json_object *date = json_object_new_object();
    time_t seconds;
    struct tm tm = { 0 };

    seconds = !rtc->timer.clock ? 0 : is_running(rtc) ? now_s(rtc)
                                    : rh_rtc_to_seconds(rtc->regs.cmos, rtc->base_year);
    gmtime_r(&seconds, &tm);
    json_object_object_add(date, "tm_year", json_object_new_int(tm.tm_year));
    json_object_object_add(date, "tm_mon", json_object_new_int(tm.tm_mon));
    json_object_object_add(date, "tm_mday", json_object_new_int(tm.tm_mday));
    json_object_object_add(date, "tm_hour", json_object_new_int(tm.tm_hour));
    json_object_object_add(date, "tm_min", json_object_new_int(tm.tm_min));
    json_object_object_add(date, "tm_sec", json_object_new_int(tm.tm_sec));
    return date;
}

static const RhProp rtc_props[] = {
    RH_PROP("base_year", Rtc, base_year, .def = 1980, .doc = "year that the year byte counts from"),
    RH_PROP("iobase",    Rtc, iobase,    .def = 0x70, .doc = "first port"),
    RH_PROP("irq",       Rtc, irq,       .def = 8,    .doc = "ISA interrupt"),
    RH_PROP_AS(rh_prop_enum, "lost_tick_policy", Rtc, lost_tick_policy, .values = tick_policies,
               .def = TICK_DISCARD, .doc = "what becomes of periodic interrupts that the guest missed"),
    RH_PROP_COMPUTED("date", .get = get_date, .is_readonly = true, .doc = "time of day (struct tm)"),
};
static const RhRegionDesc rtc_regions[] = {
    RH_REGION(Rtc, ports, .span = REG_SPAN, .sizes = RH_SIZE_1, .read = rtc_read, .write = rtc_write),
};
static const RhField rtc_fields[] = {
    RH_FIELD_BYTES(RtcRegs, cmos),
    RH_FIELD(RtcRegs, index,      .valid = 0x7f),
    RH_FIELD(RtcRegs, lost_ticks, .max = MAX_LOST),
    RH_FIELD(RtcRegs, offset_s),
    RH_FIELD(RtcRegs, offset_ns, .max = NS_PER_S - 1),
    RH_FIELD(RtcRegs, seen_s),
    RH_FIELD(RtcRegs, seen_tick),
};
static const RhLineDesc rtc_lines[] = {
    { .offset = offsetof(Rtc, line) },
};

RH_DEVICE(Rtc,
    .name    = RH_TYPE_MC146818_RTC,
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Real-time clock and CMOS memory",
    .props   = RH_TABLE(rtc_props),
    .regions = RH_TABLE(rtc_regions),
    .lines   = RH_TABLE(rtc_lines),
    .state   = { .offset = offsetof(Rtc, regs), .size = sizeof(RtcRegs), .version = 1, .is_kept = true,
                 .fields = RH_TABLE(rtc_fields) },
    .realize = rtc_realize,
    .reset   = rtc_reset,
    .check   = rtc_check,
    .settle  = rtc_settle);
