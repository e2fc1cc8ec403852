/*
 * Generic event device of hardware-reduced ACPI: which event happened, sleep and reset.
 * Spec: ACPI 6.4 §5.6.9, §4.8.3.7. Lock: the machine lock.
 */
#ifndef RH_HW_ACPI_GED_H
#define RH_HW_ACPI_GED_H

#include "hw/core/device.h"
#include "util/notifier.h"

#define RH_TYPE_ACPI_GED "acpi-ged"
enum { RH_GED_SELECTOR_SIZE = 4, RH_GED_SLEEP_SIZE = 3, RH_GED_RESET_VALUE = 0x42 };

typedef struct RhAcpiGedState {
    uint32_t selector;          /* events that happened; a read clears them */
} RhAcpiGedState;

/** RhAcpiGed - its board places both regions and connects irq */
typedef struct RhAcpiGed {
    RhDevice parent;
    RhRegion selector;          /* RH_GED_SELECTOR_SIZE bytes */
    RhRegion sleep;             /* sleep control, sleep status, reset */
    RhLine irq;
    RhNotifier powerdown;
    RhAcpiGedState regs;
} RhAcpiGed;

#endif
