/*
 * Power management core of the ICH9. Spec: ICH9 datasheet §13.8.3, ACPI 6.4 §4.8.3.  Lock: machine lock.
 *
 * The registers are byte lanes of a small file; each write is composed into whole registers first, so every size works.
 */
#include "hw/acpi/ich9-pm.h"
#include "softmmu/runstate.h"

#define PM1_TIMER   0x0001u
#define PM1_BUSMASTER 0x0010u
#define PM1_GLOBAL  0x0020u
#define PM1_POWER   0x0100u
#define PM1_SLEEP   0x0200u
#define PM1_RTC     0x0400u
#define PM1_WAKE    0x8000u
#define PM1_ALL_STATUS (PM1_TIMER | PM1_BUSMASTER | PM1_GLOBAL | PM1_POWER | PM1_SLEEP | PM1_RTC | PM1_WAKE)
#define PM1_ALL_ENABLE (PM1_TIMER | PM1_GLOBAL | PM1_POWER | PM1_SLEEP | PM1_RTC)

#define CONTROL_SCI_ENABLE   0x0001u
#define CONTROL_BM_RELOAD    0x0002u
#define CONTROL_SLEEP_TYPE   0x1c00u
#define CONTROL_SLEEP_ENABLE 0x2000u

#define SMI_GLOBAL_ENABLE 0x01u  /* GBL_SMI_EN */
#define SMI_END_OF_SMI    0x02u  /* EOS */
#define SMI_APM           0x20u  /* APMC_EN in SMI_EN, APM_STS in SMI_STS */

enum { SLEEP_SOFT_OFF = 0, SLEEP_SUSPEND = 1 };
#define TIMER_HZ   UINT64_C(3579545)
#define TIMER_MASK 0xffffffu
#define TIMER_HALF 0x800000u    /* TMR_STS: the highest bit went over, ACPI §4.8.2.1 */
#define NS_PER_S   UINT64_C(1000000000)

static uint64_t ns_to_ticks(int64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * TIMER_HZ / NS_PER_S);
}

static int64_t ticks_to_ns(uint64_t ticks)
{
    return (int64_t)(((unsigned __int128)ticks * NS_PER_S + TIMER_HZ - 1) / TIMER_HZ);
}

static int64_t now(const RhIch9Pm *pm)
{
    return rh_clock_now(rh_device_vm(pm->dev)->clock);
}

static void note_overflow(RhIch9Pm *pm)
{
    int64_t ns = now(pm);

    if (ns_to_ticks(ns) / TIMER_HALF != ns_to_ticks(pm->regs->timer_seen_ns) / TIMER_HALF) {
        pm->regs->pm1_status |= PM1_TIMER;
    }
    pm->regs->timer_seen_ns = ns;
}

void rh_ich9_pm_settle(RhIch9Pm *pm)
{
    const RhIch9PmRegs *regs = pm->regs;
    bool wants_timer = regs->pm1_enable & PM1_TIMER && !(regs->pm1_status & PM1_TIMER);
    bool is_due = (regs->pm1_status & regs->pm1_enable & PM1_ALL_ENABLE) || (regs->gpe_status & regs->gpe_enable);

    if (wants_timer) {
        uint64_t half = ns_to_ticks(now(pm)) / TIMER_HALF + 1;

        rh_timer_arm(&pm->timer, ticks_to_ns(half * TIMER_HALF));
    } else {
        rh_timer_cancel(&pm->timer);
    }
    pm->sci(pm->dev, is_due && regs->pm1_control & CONTROL_SCI_ENABLE);
}

static void timer_fired(void *opaque)
{
    note_overflow(opaque);
    rh_ich9_pm_settle(opaque);
}

static void power_button(RhNotifier *notifier, void *data)
{
    RhIch9Pm *pm = RH_CONTAINER(RhIch9Pm, powerdown, notifier);

    pm->regs->pm1_status |= PM1_POWER;
    rh_ich9_pm_settle(pm);
}

void rh_ich9_pm_init(RhIch9Pm *pm, RhDevice *dev, RhIch9PmRegs *regs, void (*sci)(RhDevice *dev, int level))
{
    RhVm *vm = rh_device_vm(dev);

    pm->dev = dev;
    pm->regs = regs;
    pm->sci = sci;
    pm->powerdown.fn = power_button;
    rh_timer_init(&pm->timer, vm->clock, vm->loop, timer_fired, pm);
    rh_notifier_add(&vm->run->powerdown, &pm->powerdown);
}

void rh_ich9_pm_fini(RhIch9Pm *pm)
{
    rh_notifier_remove(&pm->powerdown);
    rh_timer_fini(&pm->timer);
}

void rh_ich9_pm_set_acpi(RhIch9Pm *pm, bool is_on)
{
    pm->regs->pm1_control = (pm->regs->pm1_control & ~CONTROL_SCI_ENABLE) | (is_on ? CONTROL_SCI_ENABLE : 0);
    rh_ich9_pm_settle(pm);
}

/*
 * The datasheet lets no second SMI out until the handler sets EOS again (§13.8.3, SMI_EN). SeaBIOS's never does, and waits for the second: here
 * EOS is cleared, for who looks, and stops nothing. There is no level to keep up: what raised it is an event.
 */
bool rh_ich9_pm_apm_written(RhIch9Pm *pm)
{
    RhIch9PmRegs *regs = pm->regs;

    if (!(regs->smi_enable & SMI_APM)) {
        return false;
    }
    regs->smi_status |= SMI_APM;
    if (!(regs->smi_enable & SMI_GLOBAL_ENABLE)) {
        return false;
    }
    regs->smi_enable &= ~SMI_END_OF_SMI;
    return true;
}

void rh_ich9_pm_event(RhIch9Pm *pm, unsigned nr)
{
    pm->regs->gpe_status |= UINT64_C(1) << (nr & 63);
    rh_ich9_pm_settle(pm);
}

/* --- register file --- */

/* All registers as they lie in the ports, little-endian. */
static void compose(RhIch9Pm *pm, uint8_t file[RH_ICH9_PM_SPAN])
{
    const RhIch9PmRegs *regs = pm->regs;

    memset(file, 0, RH_ICH9_PM_SPAN);
    rh_st16(file + RH_ICH9_PM_EVENT, regs->pm1_status);
    rh_st16(file + RH_ICH9_PM_EVENT + 2, regs->pm1_enable);
    rh_st16(file + RH_ICH9_PM_CONTROL, regs->pm1_control);
    rh_st32(file + RH_ICH9_PM_TIMER, ns_to_ticks(now(pm)) & TIMER_MASK);
    rh_st64(file + RH_ICH9_PM_GPE0, regs->gpe_status);
    rh_st64(file + RH_ICH9_PM_GPE0 + 8, regs->gpe_enable);
    rh_st32(file + RH_ICH9_PM_SMI, regs->smi_enable);
    rh_st32(file + RH_ICH9_PM_SMI + 4, regs->smi_status);
}

uint64_t rh_ich9_pm_read(RhIch9Pm *pm, unsigned at, unsigned size)
{
    uint8_t file[RH_ICH9_PM_SPAN];

    note_overflow(pm);
    compose(pm, file);
    return rh_ld(file + at, size);
}

static void enter_sleep(RhIch9Pm *pm, unsigned type)
{
    RhVm *vm = rh_device_vm(pm->dev);

    if (type == SLEEP_SOFT_OFF || (pm->has_s4 && type == pm->s4_type)) {
        rh_request_shutdown(vm, QMP_SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (type == SLEEP_SUSPEND && pm->has_s3) {
        rh_request_suspend(vm);
    }
}

static void write_control(RhIch9Pm *pm, uint16_t value)
{
    /* SLP_EN reads as zero and SCI_EN changes by the guest's write as well as by the APM port. */
    pm->regs->pm1_control = value & (CONTROL_SCI_ENABLE | CONTROL_BM_RELOAD | CONTROL_SLEEP_TYPE);
    if (value & CONTROL_SLEEP_ENABLE) {
        enter_sleep(pm, (value & CONTROL_SLEEP_TYPE) >> 10);
    }
}

static bool touches(unsigned at, unsigned size, unsigned reg, unsigned len)
{
    return at < reg + len && reg < at + size;
}

static void write_smi_enable(RhIch9Pm *pm, uint32_t value)
{
    uint32_t kept = pm->is_smi_locked ? SMI_GLOBAL_ENABLE : 0;

    pm->regs->smi_enable = (pm->regs->smi_enable & kept) | (value & ~kept);
}

void rh_ich9_pm_write(RhIch9Pm *pm, unsigned at, uint64_t value, unsigned size)
{
    RhIch9PmRegs *regs = pm->regs;
    uint8_t file[RH_ICH9_PM_SPAN];
    uint8_t ones[RH_ICH9_PM_SPAN] = { 0 };   /* the written bits alone: what write-one-to-clear registers see */

    note_overflow(pm);
    compose(pm, file);
    rh_st(file + at, value, size);
    rh_st(ones + at, value, size);
    regs->pm1_status &= ~rh_ld16(ones + RH_ICH9_PM_EVENT);
    regs->gpe_status &= ~rh_ld64(ones + RH_ICH9_PM_GPE0);
    regs->smi_status &= ~rh_ld32(ones + RH_ICH9_PM_SMI + 4);
    regs->pm1_enable = rh_ld16(file + RH_ICH9_PM_EVENT + 2) & PM1_ALL_ENABLE;
    regs->gpe_enable = rh_ld64(file + RH_ICH9_PM_GPE0 + 8);
    write_smi_enable(pm, rh_ld32(file + RH_ICH9_PM_SMI));
    if (touches(at, size, RH_ICH9_PM_CONTROL, 2)) {
        write_control(pm, rh_ld16(file + RH_ICH9_PM_CONTROL));
    }
    rh_ich9_pm_settle(pm);
}
