/*
 * ACPI power management of the ICH9: PM1 and GPE0 event blocks, the PM timer, SMI registers. The chip core: it
 * knows a notifier for its interrupt, not the bus it sits on. Spec: ICH9 §13.8, ACPI 6.4 §4.8.
 */
#ifndef RH_HW_ACPI_ICH9_PM_H
#define RH_HW_ACPI_ICH9_PM_H

#include "hw/core/device.h"
#include "util/clock.h"
#include "util/notifier.h"

#define RH_ICH9_PM_SPAN     0x80u
#define RH_ICH9_PM_EVENT    0x00u
#define RH_ICH9_PM_CONTROL  0x04u
#define RH_ICH9_PM_TIMER    0x08u
#define RH_ICH9_PM_GPE0     0x20u
#define RH_ICH9_PM_GPE0_LEN 16u
#define RH_ICH9_PM_SMI      0x30u

/** RhIch9PmRegs - guest state */
typedef struct RhIch9PmRegs {
    uint16_t pm1_status;
    uint16_t pm1_enable;
    uint16_t pm1_control;
    uint64_t gpe_status;
    uint64_t gpe_enable;
    uint32_t smi_enable;
    uint32_t smi_status;
    int64_t timer_seen_ns;      /* up to when overflows are in pm1_status */
} RhIch9PmRegs;

typedef struct RhIch9Pm {
    RhDevice *dev;              /* that the core is a part of */
    RhIch9PmRegs *regs;
    void (*sci)(RhDevice *dev, int level);
    bool has_s3, has_s4;
    uint8_t s4_type;            /* SLP_TYP that means S4 */
    bool is_smi_locked;         /* GBL_SMI_EN stays as it is */
    RhTimer timer;              /* armed only while an overflow would interrupt */
    RhNotifier powerdown;
} RhIch9Pm;

/** rh_ich9_pm_init - bind to @dev's state; ended by rh_ich9_pm_fini */
void rh_ich9_pm_init(RhIch9Pm *pm, RhDevice *dev, RhIch9PmRegs *regs, void (*sci)(RhDevice *dev, int level));
void rh_ich9_pm_fini(RhIch9Pm *pm);
/** rh_ich9_pm_settle - derive the interrupt and the timer from the registers */
void rh_ich9_pm_settle(RhIch9Pm *pm);
uint64_t rh_ich9_pm_read(RhIch9Pm *pm, unsigned at, unsigned size);
void rh_ich9_pm_write(RhIch9Pm *pm, unsigned at, uint64_t value, unsigned size);
/** rh_ich9_pm_set_acpi - firmware's or the guest's wish, by the APM port: SCI_EN */
void rh_ich9_pm_set_acpi(RhIch9Pm *pm, bool is_on);
/** rh_ich9_pm_apm_written - a command at the APM port: it is recorded; true: it raises SMI# */
bool rh_ich9_pm_apm_written(RhIch9Pm *pm);
/** rh_ich9_pm_event - general-purpose event @nr (0..63) happened */
void rh_ich9_pm_event(RhIch9Pm *pm, unsigned nr);

#endif
