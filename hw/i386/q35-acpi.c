/*
 * ACPI of the q35: what its tables say.
 */
#include "hw/i386/pc-acpi.h"
#include "hw/i386/q35-machine.h"

enum { SMI_PORT = 0xb2, ACPI_ENABLE = 2, ACPI_DISABLE = 3, SCI = 9 };
#define HPET_BASE 0xfed00000u
#define HPET_ID   0x8086a201u

RhAcpi *rh_q35_acpi_new(Q35Machine *q35, bool has_firmware)
{
    RhPcMachine *pc = &q35->parent;
    RhPciArea mem32 = rh_q35_mem32(q35);
    RhPciArea mem64 = rh_q35_mem64(q35);
    g_autofree RhPcAcpiDevices *devices = g_new0(RhPcAcpiDevices, 1);
    RhAcpiWindow windows[] = {
        { mem32.base, 0xfebfffff, false },
        { mem64.base, mem64.end - 1, true },
    };
    RhAcpiPcConfig config = {
        .pci = {
            .ecam_base = RH_Q35_ECAM_BASE, .ecam_size = RH_Q35_ECAM_SIZE, .windows = windows,
            .nr_windows = RH_COUNT(windows), .has_vga_window = true, .has_io = true, .has_hotplug = true,
            .gsi_base = 16,
        },
        .pm_base = RH_ICH9_PM_BASE,
        .smi_port = has_firmware ? SMI_PORT : 0,
        .acpi_enable = ACPI_ENABLE, .acpi_disable = ACPI_DISABLE,
        .sci = SCI,
        .hpet_base = pc->has_hpet ? HPET_BASE : 0, .hpet_id = HPET_ID,
        .has_8042 = pc->has_i8042,
        .has_vmgenid = rh_pc_acpi_has_vmgenid(pc),
        .has_s3 = !q35->lpc->disable_s3, .has_s4 = !q35->lpc->disable_s4, .s4_type = q35->lpc->s4_val,
    };
    RhAcpi *acpi;

    rh_acpi_q35_links(config.pci.link);
    rh_pc_acpi_madt(pc, &config.madt);
    rh_pc_acpi_numa(pc, &config.numa);
    rh_pc_acpi_isa(pc, devices);
    config.isa = devices->rows;
    config.nr_isa = devices->nr;
    acpi = rh_acpi_build_q35(&config);
    g_free((void *)config.madt.cpus);
    rh_pc_acpi_numa_clear(&config.numa);
    return acpi;
}
