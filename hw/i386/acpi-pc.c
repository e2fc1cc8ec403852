/*
 * acpi-pc - ACPI tables of a q35. Registers: ICH9 datasheet (316972); ACPI 6.4.
 */
#include "hw/i386/acpi-parts.h"

enum { PIRQ_DISABLED = 0x80, PIRQ_MASK = 0x0f, NR_LINKS = 8, INT_NUMBER_AT = 5 };
enum { PM_EVENT = 0, PM_CONTROL = 4, PM_TIMER = 8, PM_GPE0 = 0x20, GPE0_LEN = 16 };
enum { S3_TYPE = 1, S5_TYPE = 0, RESET_PORT = 0xcf9, RESET_VALUE = 0x0f, CMOS_CENTURY = 0x32 };

void rh_acpi_q35_links(uint8_t link[RH_ACPI_PCI_SLOTS][4])
{
    for (unsigned slot = 0; slot < RH_ACPI_PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            /* The chipset's own functions have routing registers, from slot 25; slot 30 leads to
             * E..H. */
            link[slot][pin] = (uint8_t)(slot < 25    ? 4 + (slot + pin) % 4
                                        : slot == 30 ? 4 + pin
                                                     : pin);
        }
    }
}

static void link_name(char name[5], const char *prefix, unsigned link)
{
    g_snprintf(name, 5, "%s%c", prefix, 'A' + link);
}

/* --- interrupt links --- */

/* PIRQ[A-D]_ROUT and PIRQ[E-H]_ROUT, ICH9 §13.1.17 and §13.1.20, in the bridge's configuration
 * space */
static void pirq_registers(RhAml *a)
{
    rh_aml_region(a, "PIRQ", RH_AML_PCI_CONFIG, 0x60, 0x0c);
    rh_aml_field_begin(a, "PIRQ", RH_AML_ACC_BYTE);
    for (unsigned i = 0; i < NR_LINKS; i++) {
        char name[5];
        if (i == 4) {
            rh_aml_field_unit(a, NULL, 32);
        }
        link_name(name, "PRQ", i);
        rh_aml_field_unit(a, name, 8);
    }
    rh_aml_end(a);
}

static void link_sta(RhAml *a, const char *reg)
{
    rh_aml_method_begin(a, "_STA", 0, false);
    rh_aml_if_begin(a);
    rh_aml_op(a, RH_AML_AND);
    rh_aml_ref(a, reg);
    rh_aml_int(a, PIRQ_DISABLED);
    rh_aml_op(a, RH_AML_ZERO);
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_int(a, 0x09);
    rh_aml_end(a);
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_int(a, 0x0b);
    rh_aml_end(a);
}

static void link_dis(RhAml *a, const char *reg)
{
    rh_aml_method_begin(a, "_DIS", 0, false);
    rh_aml_op(a, RH_AML_OR);
    rh_aml_ref(a, reg);
    rh_aml_int(a, PIRQ_DISABLED);
    rh_aml_ref(a, reg);
    rh_aml_end(a);
}

static void link_crs(RhAml *a, const char *reg)
{
    uint32_t none = 0;

    rh_aml_method_begin(a, "_CRS", 0, true);
    rh_aml_name(a, "BUF0");
    rh_aml_resources_begin(a);
    rh_aml_res_interrupts(a, RH_AML_INT_LEVEL_HIGH | RH_AML_INT_SHARED, &none, 1);
    rh_aml_end(a);
    rh_aml_op(a, RH_AML_CREATE_DWORD);
    rh_aml_ref(a, "BUF0");
    rh_aml_int(a, INT_NUMBER_AT);
    rh_aml_ref(a, "INTN");
    rh_aml_op(a, RH_AML_AND);
    rh_aml_ref(a, reg);
    rh_aml_int(a, PIRQ_MASK);
    rh_aml_ref(a, "INTN");
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_ref(a, "BUF0");
    rh_aml_end(a);
}

static void link_srs(RhAml *a, const char *reg)
{
    rh_aml_method_begin(a, "_SRS", 1, true);
    rh_aml_op(a, RH_AML_CREATE_DWORD);
    rh_aml_op(a, RH_AML_ARG(0));
    rh_aml_int(a, INT_NUMBER_AT);
    rh_aml_ref(a, "INTN");
    rh_aml_op(a, RH_AML_STORE);
    rh_aml_ref(a, "INTN");
    rh_aml_ref(a, reg);
    rh_aml_end(a);
}

/* With the 8259s: the OS chooses an interrupt for each PIRQ. */
static void pic_link(RhAml *a, unsigned link)
{
    static const uint32_t choices[] = { 5, 10, 11 };
    char name[5], reg_name[5];

    link_name(name, "LNK", link);
    link_name(reg_name, "PRQ", link);
    g_autofree char *reg = g_strconcat("\\_SB.PCI0.ISA.", reg_name, NULL);
    rh_aml_device_begin(a, name);
    rh_aml_name_eisaid(a, "_HID", "PNP0C0F");
    rh_aml_name_int(a, "_UID", link);
    rh_aml_name(a, "_PRS");
    rh_aml_resources_begin(a);
    rh_aml_res_interrupts(a, RH_AML_INT_LEVEL_HIGH | RH_AML_INT_SHARED, choices, RH_COUNT(choices));
    rh_aml_end(a);
    link_sta(a, reg);
    link_dis(a, reg);
    link_crs(a, reg);
    link_srs(a, reg);
    rh_aml_end(a);
}

static void routing_table(RhAml *a, const char *name, const char *prefix, const RhAcpiPciHost *pci)
{
    rh_aml_name(a, name);
    rh_aml_package_begin(a, RH_ACPI_PCI_SLOTS * 4);
    for (unsigned slot = 0; slot < RH_ACPI_PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            char link[5];
            link_name(link, prefix, pci->link[slot][pin] % NR_LINKS);
            g_autofree char *path = g_strconcat("\\_SB.", link, NULL);
            rh_aml_prt_entry(a, slot, pin, path, 0);
        }
    }
    rh_aml_end(a);
}

/* \_PIC (§5.8.1) tells which interrupt controller the OS uses: 0 for the 8259s. */
static void routing(RhAml *a, const RhAcpiPciHost *pci)
{
    routing_table(a, "PRTP", "LNK", pci);
    routing_table(a, "PRTA", "GSI", pci);
    rh_aml_method_begin(a, "_PRT", 0, false);
    rh_aml_if_begin(a);
    rh_aml_ref(a, "\\PICF");
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_ref(a, "PRTA");
    rh_aml_end(a);
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_ref(a, "PRTP");
    rh_aml_end(a);
}

/* --- DSDT --- */

static void isa_bridge(RhAml *a, const RhAcpiPcConfig *c)
{
    rh_aml_device_begin(a, "ISA");
    rh_aml_name_int(a, "_ADR", 0x1f0000);
    pirq_registers(a);
    rh_acpi_devices(a, c->isa, c->nr_isa);
    rh_aml_end(a);
}

static void pic_method(RhAml *a)
{
    rh_aml_name_int(a, "\\PICF", 0);
    rh_aml_method_begin(a, "\\_PIC", 1, false);
    rh_aml_op(a, RH_AML_STORE);
    rh_aml_op(a, RH_AML_ARG(0));
    rh_aml_ref(a, "\\PICF");
    rh_aml_end(a);
}

/* Power management ports sit in the window of no device, so they are claimed here. */
static void chipset_ports(RhAml *a, const RhAcpiPcConfig *c)
{
    rh_aml_device_begin(a, "PMIO");
    rh_aml_name_eisaid(a, "_HID", "PNP0C02");
    rh_aml_name_int(a, "_UID", 1);
    rh_aml_name_crs_begin(a);
    rh_aml_res_io(a, c->pm_base, c->pm_base, 1, 0x80);
    rh_aml_end(a);
    rh_aml_end(a);
}

static void dsdt(RhAcpi *acpi, const RhAcpiPcConfig *c)
{
    g_auto(RhAml) a;

    rh_aml_init(&a);
    pic_method(&a);
    rh_aml_scope_begin(&a, "\\_SB");
    rh_acpi_pci_host_begin(&a, &c->pci);
    isa_bridge(&a, c);
    routing(&a, &c->pci);
    rh_aml_end(&a);
    for (unsigned i = 0; i < NR_LINKS; i++) {
        pic_link(&a, i);
        rh_acpi_gsi_link(&a, i, NR_LINKS + i, c->pci.gsi_base + i);
    }
    chipset_ports(&a, c);
    if (c->pci.ecam_size) {
        rh_acpi_ecam_reservation(&a, &c->pci);
    }
    rh_acpi_cpus(&a, &c->madt, &c->numa);
    rh_aml_end(&a);
    if (c->has_s3) {
        rh_acpi_sleep_state(&a, "\\_S3", S3_TYPE);
    }
    if (c->has_s4) {
        rh_acpi_sleep_state(&a, "\\_S4", c->s4_type);
    }
    rh_acpi_sleep_state(&a, "\\_S5", S5_TYPE);
    rh_acpi_add_aml(acpi, "DSDT", RH_ACPI_ID, &a);
}

/* --- fixed tables --- */

static void fadt(RhAcpi *acpi, const RhAcpiPcConfig *c)
{
    bool is_large = c->madt.nr_cpus > 8; /* logical destinations of the flat model end there */
    RhAcpiFadt f = {
        .revision = 3,
        .sci = c->sci,
        .smi_port = c->smi_port,
        .acpi_enable = c->smi_port ? c->acpi_enable : 0,
        .acpi_disable = c->smi_port ? c->acpi_disable : 0,
        .pm1_event = (uint16_t)(c->pm_base + PM_EVENT),
        .pm1_control = (uint16_t)(c->pm_base + PM_CONTROL),
        .pm_timer = (uint16_t)(c->pm_base + PM_TIMER),
        .gpe0 = (uint16_t)(c->pm_base + PM_GPE0),
        .gpe0_len = GPE0_LEN,
        .c2_latency = 0xfff,
        .c3_latency = 0xfff, /* above 100 and 1000: no such states, §5.2.9 */
        .rtc_century = CMOS_CENTURY,
        .boot_flags = c->has_8042 ? RH_FADT_BOOT_8042 : 0,
        .flags = RH_FADT_WBINVD | RH_FADT_PROC_C1 | RH_FADT_SLP_BUTTON | RH_FADT_RTC_S4 |
                 RH_FADT_RESET_REG | RH_FADT_PLATFORM_CLOCK | (is_large ? RH_FADT_APIC_CLUSTER : 0),
        .reset = { .space = RH_AML_SYSTEM_IO, .bit_width = 8, .access = 1, .address = RESET_PORT },
        .reset_value = RESET_VALUE,
    };

    rh_acpi_add_fadt(acpi, &f, RH_ACPI_ID);
}

RhAcpi *rh_acpi_build_q35(const RhAcpiPcConfig *c)
{
    RhAcpi *acpi = rh_acpi_new();

    rh_acpi_add_facs(acpi);
    dsdt(acpi, c);
    fadt(acpi, c);
    rh_acpi_add_madt(acpi, &c->madt, RH_ACPI_ID);
    if (c->has_vmgenid) {
        rh_acpi_add_vmgenid(acpi, c->vmgenid_addr, RH_ACPI_VMGENID_GPE);
    }
    if (c->hpet_base) {
        rh_acpi_add_hpet(acpi, c->hpet_base, c->hpet_id, RH_ACPI_ID);
    }
    rh_acpi_add_numa(acpi, &c->numa);
    if (c->pci.ecam_size) {
        rh_acpi_add_mcfg_of(acpi, &c->pci);
    }
    rh_acpi_add_waet(acpi, RH_ACPI_ID);
    rh_acpi_finish(acpi, false, RH_ACPI_ID);
    return acpi;
}
