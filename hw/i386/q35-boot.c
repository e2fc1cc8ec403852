/*
 * Direct boot on the q35: what firmware would program into the chipset, and PCI resources, then the kernel.
 */
#include "hw/i386/pc-acpi.h"
#include "hw/i386/pc-smbios.h"
#include "hw/i386/q35-machine.h"
#include "hw/pci/assign.h"

enum {                      /* mch and LPC configuration space */
    MCH_PCIEXBAR = 0x60,
    MCH_PAM0     = 0x90,
    LPC_PMBASE   = 0x40,
    LPC_ACPI_CTL = 0x44,
    LPC_PIRQA    = 0x60,
    LPC_PIRQE    = 0x68,
    LPC_RCBA     = 0xf0,
};

/* Legacy interrupts of PIRQ A to H, level-triggered ones that nothing on the ISA bus uses. */
static const uint8_t pirq_lines[RH_ICH9_NR_PIRQS] = { 10, 10, 11, 11, 10, 10, 11, 11 };

static uint8_t line_of(void *opaque, uint8_t devfn, unsigned pin)
{
    RhPciBus *bus = opaque;

    return pirq_lines[bus->map_irq(bus->irq_opaque, devfn, pin) % RH_ICH9_NR_PIRQS];
}

static void program_mch(RhPciDevice *mch)
{
    rh_pci_config_write(mch, MCH_PCIEXBAR, RH_Q35_ECAM_BASE | 1, 4);
    rh_pci_config_write(mch, MCH_PAM0, 0x30, 1);            /* RAM everywhere below 1 MiB */
    for (unsigned i = 1; i <= 6; i++) {
        rh_pci_config_write(mch, MCH_PAM0 + i, 0x33, 1);
    }
}

static void program_lpc(RhPciDevice *lpc)
{
    rh_pci_config_write(lpc, LPC_PMBASE, RH_ICH9_PM_BASE | 1, 4);
    rh_pci_config_write(lpc, LPC_ACPI_CTL, 0x80, 1);
    rh_pci_config_write(lpc, LPC_RCBA, RH_ICH9_RCBA | 1, 4);
    for (unsigned i = 0; i < 4; i++) {
        rh_pci_config_write(lpc, LPC_PIRQA + i, pirq_lines[i], 1);
        rh_pci_config_write(lpc, LPC_PIRQE + i, pirq_lines[4 + i], 1);
    }
}

/* Level-triggered inputs of the 8259: ELCR at ports 0x4d0 and 0x4d1. */
static void program_elcr(RhVm *vm)
{
    rh_space_store(vm->ports, NULL, 0x4d1, 1, 0x0c);
}

RhPciArea rh_q35_mem32(const Q35Machine *q35)
{
    uint64_t ecam_end = RH_Q35_ECAM_BASE + RH_Q35_ECAM_SIZE;

    return (RhPciArea){ MAX(ecam_end, q35->parent.below_4g), 0xfec00000 };
}

RhPciArea rh_q35_mem64(const Q35Machine *q35)
{
    uint64_t size = q35->host->hole64_size;
    uint64_t base = rh_align_up(RH_4G + q35->parent.above_4g, UINT64_C(1) << 30);

    return (RhPciArea){ base, base + size };
}

static void q35_boot_reset(RhNotifier *notifier, void *data)
{
    Q35Machine *q35 = RH_CONTAINER(Q35Machine, parent.reset, notifier);
    RhVm *vm = rh_machine_vm(&q35->parent.parent);
    RhPciBus *bus = q35->host->parent.bus;
    RhPciResources resources = {
        .io = { 0x1000, 0x10000 },
        .mem32 = rh_q35_mem32(q35),
        .mem64 = rh_q35_mem64(q35),
        .line = line_of,
        .opaque = bus,
    };

    rh_map_begin(vm);
    program_mch(rh_pci_find_device(bus, 0, RH_PCI_DEVFN(0, 0)));
    program_lpc(&q35->lpc->parent);
    rh_pci_assign(bus, &resources);
    rh_map_end(vm);
    program_elcr(vm);
    rh_ich9_pm_set_acpi(&q35->lpc->pm, true);       /* the tables name no port to ask for it */
    rh_direct_boot_reset(q35->boot, vm);
    rh_pc_acpi_place_vmgenid(&q35->parent);
}

bool rh_q35_boot_set_up(Q35Machine *q35, GError **err)
{
    RhPcMachine *pc = &q35->parent;
    RhMachine *machine = &pc->parent;
    RhE820Entry map[RH_PC_MAX_RANGES + 1];
    g_autoptr(RhAcpi) acpi = pc->acpi != RH_OFF ? rh_q35_acpi_new(q35, false) : NULL;
    g_autoptr(RhSmbios) smbios = NULL;
    RhDirectBootRequest request = {
        .kernel = machine->kernel, .initrd = machine->initrd, .cmdline = machine->append, .map = map,
    };

    if (acpi) {
        request.rsdp = rh_pc_acpi_place(pc, acpi);
    }
    request.nr_map = rh_pc_memory_map(pc, RH_Q35_ECAM_BASE, RH_Q35_ECAM_SIZE, map);
    q35->boot = rh_direct_boot_new(&request, err);
    if (!q35->boot) {
        return false;
    }
    if (acpi) {
        rh_pc_acpi_add_to(q35->boot, acpi);
    }
    smbios = rh_pc_smbios_new(pc, false, err);
    if (!smbios || !rh_pc_smbios_add_to(q35->boot, smbios, err)) {
        return false;
    }
    pc->reset.fn = q35_boot_reset;
    rh_notifier_add(&rh_machine_vm(machine)->run->reset, &pc->reset);
    return true;
}

void rh_q35_boot_end(Q35Machine *q35)
{
    rh_notifier_remove(&q35->parent.reset);
    rh_direct_boot_free(q35->boot);
}
