/*
 * acpi-ged - events, sleep and reset of a machine without PM ports
 * Spec: ACPI 6.4 §5.6.9 (device), §4.8.3.7 (sleep registers), §4.8.3.6 (reset).  Lock: machine lock.
 */
#include "hw/acpi/ged.h"
#include "softmmu/runstate.h"

enum {                          /* offsets in the sleep region */
    REG_CONTROL = 0,            /* WO   bit 5 enters the sleep state of bits 4:2 */
    REG_STATUS  = 1,            /* RO   0: never woken up */
    REG_RESET   = 2,            /* WO   RH_GED_RESET_VALUE resets */
};
#define CONTROL_ENABLE 0x20u
#define EVENT_POWERDOWN 0x2u
#define EVENTS EVENT_POWERDOWN

static RhAcpiGed *ged_of(RhDevice *d)
{
    return (RhAcpiGed *)d;
}

static uint64_t selector_read(RhDevice *d, uint64_t at, unsigned size)
{
    uint32_t events = ged_of(d)->regs.selector;

    ged_of(d)->regs.selector = 0;
    return events;
}

static void sleep_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhVm *vm = rh_device_vm(d);

    if (at == REG_CONTROL && value & CONTROL_ENABLE) {
        rh_request_shutdown(vm, QMP_SHUTDOWN_CAUSE_GUEST_SHUTDOWN);     /* S5 is the only state offered */
    } else if (at == REG_RESET && value == RH_GED_RESET_VALUE) {
        rh_request_reset(vm, QMP_SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static uint64_t sleep_read(RhDevice *d, uint64_t at, unsigned size)
{
    return 0;
}

static void power_button(RhNotifier *notifier, void *data)
{
    RhAcpiGed *ged = RH_CONTAINER(RhAcpiGed, powerdown, notifier);

    ged->regs.selector |= EVENT_POWERDOWN;
    rh_line_pulse(&ged->irq);
}

static bool ged_realize(RhDevice *d, GError **err)
{
    ged_of(d)->powerdown.fn = power_button;
    rh_notifier_add(&rh_device_vm(d)->run->powerdown, &ged_of(d)->powerdown);
    return true;
}

static void ged_unrealize(RhDevice *d)
{
    rh_notifier_remove(&ged_of(d)->powerdown);
}

static const RhRegionDesc ged_regions[] = {
    RH_REGION(RhAcpiGed, selector, .span = RH_GED_SELECTOR_SIZE, .read = selector_read, .sizes = RH_SIZE_4),
    RH_REGION(RhAcpiGed, sleep, .span = RH_GED_SLEEP_SIZE, .read = sleep_read, .write = sleep_write,
              .sizes = RH_SIZE_1),
};
static const RhLineDesc ged_lines[] = {
    { .offset = offsetof(RhAcpiGed, irq) },
};
static const RhField ged_fields[] = {
    RH_FIELD(RhAcpiGedState, selector, .valid = EVENTS),
};
static const RhAcpiGedState ged_at_reset = { .selector = 0 };

RH_DEVICE(RhAcpiGed,
    .name        = RH_TYPE_ACPI_GED,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "ACPI generic event device",
    .is_internal = true,
    .regions     = RH_TABLE(ged_regions),
    .lines       = RH_TABLE(ged_lines),
    .state       = RH_STATE(RhAcpiGed, regs, ged_at_reset, .version = 1, .fields = RH_TABLE(ged_fields)),
    .realize     = ged_realize,
    .unrealize   = ged_unrealize);
