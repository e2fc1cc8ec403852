/*
 * pc-q35-7.2 - the board with the Q35 chipset: PCI Express, ICH9
 */
#include "hw/i386/pc-acpi.h"
#include "hw/i386/pc-smbios.h"
#include "hw/i386/q35-machine.h"
#include "hw/misc/smbus.h"
#include "target/i386/cpu.h"

#define HPET_ROUTES     "0xff0104"              /* inputs 2, 8 and 16 to 23 */
#define LOW_LIMIT_SMALL UINT64_C(0xb0000000)    /* all RAM below ECAM, when it fits there */
#define LOW_LIMIT_LARGE UINT64_C(0x80000000)

/* Without -bios a kernel is booted directly. */
static bool boots_directly(const RhMachine *machine)
{
    return machine->kernel && !machine->firmware;
}

static bool make_chipset(Q35Machine *q35, GError **err)
{
    RhPcMachine *pc = &q35->parent;
    RhMachine *machine = &pc->parent;
    RhVm *vm = rh_machine_vm(machine);
    static const char *const lpc_props[] = { "addr", "1f.0", "multifunction", "on", NULL };
    static const char *const mch_props[] = { "addr", "0.0", NULL };
    RhDevice *host = rh_device_new(vm, RH_TYPE_Q35_HOST, err);
    RhDevice *lpc;

    if (!host || !rh_device_own(host, &machine->obj, "q35", err)) {
        return false;
    }
    q35->host = (RhQ35Host *)host;
    q35->host->ram = machine->ram;
    q35->host->below_4g = pc->below_4g;
    q35->host->above_4g = pc->above_4g;
    q35->host->all_ram = &pc->all_ram;
    q35->host->has_smm = pc->has_smm;
    if (!rh_device_realize(host, NULL, err) ||
        !rh_device_create(vm, &host->obj, "mch", RH_TYPE_MCH, &q35->host->parent.bus->parent, mch_props, err)) {
        return false;
    }
    lpc = rh_device_new(vm, RH_TYPE_ICH9_LPC, err);
    if (!lpc || !rh_device_own(lpc, NULL, NULL, err)) {
        return false;
    }
    q35->lpc = (RhIch9Lpc *)lpc;
    q35->lpc->set_gsi = rh_pc_set_gsi;
    q35->lpc->gsi_opaque = &pc->irqs;
    q35->lpc->raise_smi = pc->has_smm ? rh_pc_raise_smi : NULL;
    q35->lpc->smi_opaque = &pc->irqs;
    rh_ich9_connect_pci(q35->lpc, q35->host->parent.bus);
    for (size_t i = 0; lpc_props[i]; i += 2) {
        if (!rh_object_set_str(&lpc->obj, lpc_props[i], lpc_props[i + 1], err)) {
            return false;
        }
    }
    return rh_device_realize(lpc, &q35->host->parent.bus->parent, err);
}

/* The bus where memory modules tell what they are: one EEPROM for each of eight. */
static bool make_smbus(Q35Machine *q35, GError **err)
{
    enum { FIRST_MODULE = 0x50, NR_MODULES = 8 };
    static const char *const props[] = { "addr", "1f.3", "multifunction", "on", NULL };
    RhVm *vm = rh_machine_vm(&q35->parent.parent);
    RhDevice *smbus;

    if (!q35->parent.has_smbus) {
        return true;
    }
    smbus = rh_device_create(vm, NULL, NULL, RH_TYPE_ICH9_SMBUS, &q35->host->parent.bus->parent, props, err);
    for (unsigned i = 0; smbus && i < NR_MODULES; i++) {
        g_autofree char *address = g_strdup_printf("%u", FIRST_MODULE + i);
        const char *const eeprom_props[] = { "address", address, NULL };

        if (!rh_device_create(vm, NULL, NULL, RH_TYPE_SMBUS_EEPROM, smbus->buses->pdata[0], eeprom_props, err)) {
            return false;
        }
    }
    return smbus != NULL;
}

static bool q35_build(RhMachine *machine, GError **err)
{
    Q35Machine *q35 = (Q35Machine *)machine;
    RhPcMachine *pc = &q35->parent;
    uint64_t low_limit = machine->ram_size >= LOW_LIMIT_SMALL ? LOW_LIMIT_LARGE : LOW_LIMIT_SMALL;

    return rh_pc_settle_smm(pc, true, err) && rh_pc_map_ram(pc, low_limit, err) &&
           rh_pc_set_up_irqchip(pc, RH_IRQCHIP_ON, pc->pit != RH_OFF, err) &&
           make_chipset(q35, err) && make_smbus(q35, err) &&
           (boots_directly(machine) ||
            rh_pc_load_firmware(pc, "bios-256k.bin", &q35->host->pci_memory, err)) &&
           rh_pc_make_chips(pc, q35->lpc->isa, true, err) && rh_pc_make_hpet(pc, HPET_ROUTES, err) &&
           rh_pc_make_legacy(pc, err) && rh_pc_make_cpus(machine, err);
}

static bool q35_finish(RhMachine *machine, GError **err)
{
    Q35Machine *q35 = (Q35Machine *)machine;
    RhPcMachine *pc = &q35->parent;
    g_autoptr(RhSmbios) smbios = NULL;
    g_autoptr(RhAcpi) acpi = NULL;

    if (!rh_pc_describe(pc, err)) {
        return false;
    }
    if (boots_directly(machine)) {
        return rh_q35_boot_set_up(q35, err);
    }
    smbios = rh_ich9_offer_smi(q35->lpc, pc->fw_cfg, err) ? rh_pc_smbios_new(pc, true, err) : NULL;
    if (!smbios || !rh_pc_smbios_publish(pc, smbios, err)) {
        return false;
    }
    acpi = pc->acpi != RH_OFF ? rh_q35_acpi_new(q35, true) : NULL;
    return !acpi || rh_pc_acpi_publish(pc, acpi, err);
}

static void q35_fini(RhObject *obj)
{
    rh_q35_boot_end((Q35Machine *)obj);
}

RH_MACHINE(Q35Machine,
    .name              = "pc-q35-7.2" RH_MACHINE_SUFFIX,
    .parent            = RH_TYPE_PC_MACHINE,
    .doc               = "Standard PC (Q35 + ICH9, 2009)",
    .alias             = "q35",
    .is_default        = true,
    .default_cpu       = RH_X86_CPU_NAME("qemu64"),
    .max_cpus          = 288,
    .default_ram_size  = UINT64_C(128) << 20,
    .default_ram_id    = "pc.ram",
    .has_hotpluggable_cpus = true,
    .build             = q35_build,
    .finish            = q35_finish,
    .fini              = q35_fini);
