/*
 * acpi-microvm - ACPI tables of a hardware-reduced machine, ACPI 6.4 §4.1: no PM ports and no SCI;
 * events come by the generic event device, sleep and reset by three bytes of memory.
 */
#include "hw/i386/acpi-parts.h"

enum { S5_TYPE = 5, SELECTOR_LEN = 4, RESET_AT = 2, NOTIFY_PUSHED = 0x80, NR_PINS = 4 };

/* §5.6.9. Reading the selector says which events happened, and clears them. */
static void event_device(RhAml *a, const RhAcpiMicrovmConfig *c)
{
    rh_aml_device_begin(a, "GED");
    rh_aml_name_string(a, "_HID", "ACPI0013");
    rh_aml_name_int(a, "_UID", 0);
    rh_aml_region(a, "EREG", RH_AML_SYSTEM_MEMORY, c->ged_base, SELECTOR_LEN);
    rh_aml_field_begin(a, "EREG", RH_AML_ACC_DWORD | RH_AML_WRITE_AS_ZEROS);
    rh_aml_field_unit(a, "ESEL", 8 * SELECTOR_LEN);
    rh_aml_end(a);
    rh_aml_name_crs_begin(a);
    rh_aml_res_interrupts(a, RH_AML_INT_EDGE, &c->ged_gsi, 1);
    rh_aml_end(a);
    rh_aml_method_begin(a, "_EVT", 1, true);
    rh_aml_op(a, RH_AML_STORE);
    rh_aml_ref(a, "ESEL");
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_if_begin(a);
    rh_aml_op(a, RH_AML_AND);
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_int(a, RH_ACPI_GED_POWERDOWN);
    rh_aml_op(a, RH_AML_ZERO);
    rh_aml_notify(a, "\\_SB.PWRB", NOTIFY_PUSHED);
    rh_aml_end(a);
    rh_aml_end(a);
    rh_aml_end(a);
}

static void power_button(RhAml *a)
{
    rh_aml_device_begin(a, "PWRB");
    rh_aml_name_eisaid(a, "_HID", "PNP0C0C");
    rh_aml_name_int(a, "_UID", 0);
    rh_aml_end(a);
}

/* There are only I/O APICs, so links never change. */
static void pci_host(RhAml *a, const RhAcpiPciHost *pci)
{
    rh_acpi_pci_host_begin(a, pci);
    rh_aml_name(a, "_PRT");
    rh_aml_package_begin(a, RH_ACPI_PCI_SLOTS * NR_PINS);
    for (unsigned slot = 0; slot < RH_ACPI_PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < NR_PINS; pin++) {
            char name[5];
            g_snprintf(name, sizeof(name), "GSI%c", 'A' + pci->link[slot][pin] % NR_PINS);
            g_autofree char *path = g_strconcat("\\_SB.", name, NULL);
            rh_aml_prt_entry(a, slot, pin, path, 0);
        }
    }
    rh_aml_end(a);
    rh_aml_end(a);
    for (unsigned pin = 0; pin < NR_PINS; pin++) {
        rh_acpi_gsi_link(a, pin, pin, pci->gsi_base + pin);
    }
    rh_acpi_ecam_reservation(a, pci);
}

static void dsdt(RhAcpi *acpi, const RhAcpiMicrovmConfig *c)
{
    g_auto(RhAml) a;

    rh_aml_init(&a);
    rh_aml_scope_begin(&a, "\\_SB");
    rh_acpi_devices(&a, c->devices, c->nr_devices);
    power_button(&a);
    event_device(&a, c);
    if (c->pci.ecam_size) {
        pci_host(&a, &c->pci);
    }
    rh_acpi_cpus(&a, &c->madt, &c->numa);
    rh_aml_end(&a);
    rh_acpi_sleep_state(&a, "\\_S5", S5_TYPE);
    rh_acpi_add_aml(acpi, "DSDT", RH_ACPI_ID, &a);
}

static RhAcpiGas byte_at(uint32_t address)
{
    return (RhAcpiGas){
        .space = RH_AML_SYSTEM_MEMORY, .bit_width = 8, .access = 1, .address = address
    };
}

static void fadt(RhAcpi *acpi, const RhAcpiMicrovmConfig *c)
{
    RhAcpiFadt f = {
        .revision = 6,
        .minor = 3,
        .boot_flags = RH_FADT_BOOT_NO_VGA | (c->has_8042 ? RH_FADT_BOOT_8042 : 0),
        .flags = RH_FADT_HW_REDUCED | RH_FADT_RESET_REG | RH_FADT_PWR_BUTTON | RH_FADT_SLP_BUTTON,
        .reset = byte_at(c->sleep_base + RESET_AT),
        .reset_value = c->reset_value,
        .sleep_control = byte_at(c->sleep_base),
        .sleep_status = byte_at(c->sleep_base + 1),
    };

    rh_acpi_add_fadt(acpi, &f, RH_ACPI_ID);
}

RhAcpi *rh_acpi_build_microvm(const RhAcpiMicrovmConfig *c)
{
    RhAcpi *acpi = rh_acpi_new();

    dsdt(acpi, c);
    fadt(acpi, c);
    rh_acpi_add_madt(acpi, &c->madt, RH_ACPI_ID);
    rh_acpi_add_numa(acpi, &c->numa);
    if (c->has_vmgenid) {
        rh_acpi_add_vmgenid(acpi, 0, RH_ACPI_NO_GPE);
    }
    if (c->pci.ecam_size) {
        rh_acpi_add_mcfg_of(acpi, &c->pci);
    }
    rh_acpi_finish(acpi, true, RH_ACPI_ID);
    return acpi;
}
