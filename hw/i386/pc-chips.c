/*
 * The chips every PC has: interrupt controllers, timer, clock. Which of them are ours depends on the accelerator.
 */
#include "hw/i386/pc.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/rtc/mc146818.h"
#include "hw/timer/i8254.h"

static bool make_interrupt_chips(RhPcMachine *pc, GError **err)
{
    RhVm *vm = rh_machine_vm(&pc->parent);

    if (vm->accel && vm->accel->irqchip == RH_IRQCHIP_ON) {
        return true;
    }
    if (pc->pic != RH_OFF) {
        pc->irqs.pic = rh_device_create(vm, NULL, NULL, RH_TYPE_I8259, &pc->isa->parent, NULL, err);
        if (!pc->irqs.pic) {
            return false;
        }
        rh_line_connect_fn(rh_device_find_line(pc->irqs.pic, NULL, 0), rh_pc_drive_intr, vm, 0);
    }
    pc->irqs.ioapic = rh_device_create(vm, &pc->parent.obj, "ioapic", RH_TYPE_IOAPIC, NULL, NULL, err);
    return pc->irqs.ioapic && rh_pc_make_apic_bus(pc, err);
}

static bool make_pit(RhPcMachine *pc, GError **err)
{
    RhVm *vm = rh_machine_vm(&pc->parent);
    RhDevice *pit;

    pc->timer = NULL;
    if (pc->pit == RH_OFF || (vm->accel && vm->accel->irqchip == RH_IRQCHIP_ON)) {
        return true;
    }
    pit = rh_device_create(vm, NULL, NULL, RH_TYPE_PIT, &pc->isa->parent, NULL, err);
    if (!pit) {
        return false;
    }
    pc->timer = pit;
    return rh_isa_claim_irq(pit, 0, rh_device_find_line(pit, NULL, 0), err);
}

/* What firmware leaves in the command byte: both interrupts, system flag, translation to scan code set 1. */
#define KBD_MODE_OF_FIRMWARE "0x47"

static bool make_keyboard(RhPcMachine *pc, GError **err)
{
    static const char *const props[] = { "x-mode", KBD_MODE_OF_FIRMWARE, NULL };
    const RhMachine *machine = &pc->parent;
    bool has_firmware = !machine->kernel || machine->firmware;

    return rh_device_create(rh_machine_vm(machine), NULL, NULL, "i8042", &pc->isa->parent,
                            has_firmware ? NULL : props, err);
}

/* Devices of every desktop PC. Each line: type, and whether this machine has it. */
bool rh_pc_make_legacy(RhPcMachine *pc, GError **err)
{
    RhVm *vm = rh_machine_vm(&pc->parent);
    RhDevice *speaker = rh_device_new(vm, "isa-pcspk", err);

    if (!speaker || !rh_device_own(speaker, NULL, NULL, err) ||
        (pc->timer && !rh_object_set_link(&speaker->obj, "pit", &pc->timer->obj, err)) ||
        !rh_device_realize(speaker, &pc->isa->parent, err)) {
        return false;
    }
    if (!rh_device_create(vm, NULL, NULL, "port92", &pc->isa->parent, NULL, err)) {
        return false;
    }
    return !pc->has_i8042 || make_keyboard(pc, err);
}

/* PIT and RTC reach interrupts 0 and 8 by way of the HPET: its legacy replacement takes those from them. */
static void lead_through(RhDevice *hpet, RhDevice *source, unsigned pin)
{
    if (source) {
        rh_line_connect(rh_device_find_line(source, NULL, 0), hpet, NULL, pin);
    }
}

bool rh_pc_make_hpet(RhPcMachine *pc, const char *routes, GError **err)
{
    const char *const props[] = { "hpet-intcap", routes, NULL };
    RhDevice *hpet;

    if (!pc->has_hpet) {
        return true;
    }
    hpet = rh_device_create(rh_machine_vm(&pc->parent), NULL, NULL, "hpet", NULL, props, err);
    for (unsigned gsi = 0; hpet && gsi < RH_PC_NR_GSIS; gsi++) {
        rh_line_connect_fn(rh_device_find_line(hpet, NULL, gsi), rh_pc_set_hpet_gsi, &pc->irqs, gsi);
    }
    if (hpet) {
        lead_through(hpet, pc->timer, 0);
        lead_through(hpet, pc->rtc, 1);
    }
    return hpet != NULL;
}

static bool make_rtc(RhPcMachine *pc, RhIsaBus *isa, GError **err)
{
    const RhMachine *machine = &pc->parent;
    RhRtcConfig config = { .clock = (RhRtcClock)machine->rtc_clock };
    RhDevice *rtc;

    if (machine->rtc_base && !rh_rtc_config_parse_base(&config, machine->rtc_base, err)) {
        g_prefix_error(err, "-rtc base=%s: ", machine->rtc_base);
        return false;
    }
    rtc = rh_device_new(rh_machine_vm(machine), RH_TYPE_MC146818_RTC, err);
    if (!rtc || !rh_device_own(rtc, NULL, NULL, err)) {
        return false;
    }
    rh_rtc_configure(rtc, &config);
    if (!rh_object_set_u64(&rtc->obj, "base_year", 2000, err)) {    /* the year byte is that of the century, as on a PC */
        return false;
    }
    pc->rtc = rtc;
    return rh_device_realize(rtc, &isa->parent, err);
}

bool rh_pc_make_chips(RhPcMachine *pc, RhIsaBus *isa, bool has_rtc, GError **err)
{
    RhVm *vm = rh_machine_vm(&pc->parent);

    pc->isa = isa;
    if (!make_interrupt_chips(pc, err) || !make_pit(pc, err)) {
        return false;
    }
    if (has_rtc && !make_rtc(pc, isa, err)) {
        return false;
    }
    pc->fw_cfg = (RhFwCfg *)rh_device_create(vm, &pc->parent.obj, "fw_cfg", RH_TYPE_FW_CFG_IO, NULL, NULL, err);
    return pc->fw_cfg != NULL;
}
