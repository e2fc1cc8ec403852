/*
 * tables-fixed - layouts of the ACPI tables that are not byte code, ACPI 6.4 §5.2.
 */
#include "hw/acpi/tables-private.h"

enum { LAPIC_BASE = 0xfee00000 };

static void put_gas(GByteArray *out, const RhAcpiGas *gas)
{
    rh_acpi_put(out, gas->space, 1);
    rh_acpi_put(out, gas->bit_width, 1);
    rh_acpi_put(out, 0, 1);
    rh_acpi_put(out, gas->access, 1);
    rh_acpi_put(out, gas->address, 8);
}

/* An I/O block that may be absent: then all zero, §5.2.9 */
static void put_io_gas(GByteArray *out, uint16_t port, unsigned bytes)
{
    RhAcpiGas gas = { 0 };

    if (bytes > 0) {
        gas = (RhAcpiGas){
            .space = RH_AML_SYSTEM_IO,
            .bit_width = (uint8_t)(8 * bytes),
            .address = port,
            .access = bytes == 2   ? 2
                      : bytes == 4 ? 3
                                   : 1,
        };
    }
    put_gas(out, &gas);
}

static void fadt_fixed_blocks(GByteArray *out, const RhAcpiFadt *f)
{
    bool has_pm = !(f->flags & RH_FADT_HW_REDUCED);

    rh_acpi_put(out, f->pm1_event, 4);
    rh_acpi_put(out, 0, 4); /* PM1b event */
    rh_acpi_put(out, f->pm1_control, 4);
    rh_acpi_put(out, 0, 4); /* PM1b control */
    rh_acpi_put(out, 0, 4); /* PM2 control */
    rh_acpi_put(out, f->pm_timer, 4);
    rh_acpi_put(out, f->gpe0, 4);
    rh_acpi_put(out, 0, 4); /* GPE1 */
    rh_acpi_put(out, has_pm ? 4 : 0, 1);
    rh_acpi_put(out, has_pm ? 2 : 0, 1);
    rh_acpi_put(out, 0, 1);
    rh_acpi_put(out, has_pm ? 4 : 0, 1);
    rh_acpi_put(out, f->gpe0_len, 1);
    rh_acpi_put(out, 0, 3); /* GPE1 length and base, C-state control */
    rh_acpi_put(out, f->c2_latency, 2);
    rh_acpi_put(out, f->c3_latency, 2);
    rh_acpi_put(out, 0, 4); /* flush size and stride */
    rh_acpi_put(out, 0, 4); /* duty offset and width, day and month alarm */
    rh_acpi_put(out, f->rtc_century, 1);
}

static void fadt_extended_blocks(GByteArray *out, const RhAcpiFadt *f)
{
    bool has_pm = !(f->flags & RH_FADT_HW_REDUCED);

    put_io_gas(out, f->pm1_event, has_pm ? 4 : 0);
    put_io_gas(out, 0, 0);
    put_io_gas(out, f->pm1_control, has_pm ? 2 : 0);
    put_io_gas(out, 0, 0);
    put_io_gas(out, 0, 0);
    put_io_gas(out, f->pm_timer, has_pm ? 4 : 0);
    put_io_gas(out, f->gpe0, f->gpe0_len);
    put_io_gas(out, 0, 0);
}

/* §5.2.9. FIRMWARE_CTRL and X_FIRMWARE_CTRL exclude each other; FACS lies in 32-bit memory, so the
 * first. */
void rh_acpi_add_fadt(RhAcpi *acpi, const RhAcpiFadt *f, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "FACP", f->revision, id);

    rh_acpi_table_pointer(acpi, RH_ACPI_TARGET_FACS, 4);
    rh_acpi_table_pointer(acpi, RH_ACPI_TARGET_DSDT, 4);
    rh_acpi_put(out, 0, 1);
    rh_acpi_put(out, f->profile, 1);
    rh_acpi_put(out, f->sci, 2);
    rh_acpi_put(out, f->smi_port, 4);
    rh_acpi_put(out, f->acpi_enable, 1);
    rh_acpi_put(out, f->acpi_disable, 1);
    rh_acpi_put(out, 0, 2); /* S4BIOS, P-state control */
    fadt_fixed_blocks(out, f);
    rh_acpi_put(out, f->boot_flags, 2);
    rh_acpi_put(out, 0, 1);
    rh_acpi_put(out, f->flags, 4);
    put_gas(out, &f->reset);
    rh_acpi_put(out, f->reset_value, 1);
    rh_acpi_put(out, 0, 2); /* ARM boot flags */
    rh_acpi_put(out, f->revision >= 5 ? f->minor : 0, 1);
    rh_acpi_put(out, 0, 8); /* X_FIRMWARE_CTRL */
    rh_acpi_table_pointer(acpi, RH_ACPI_TARGET_DSDT, 8);
    fadt_extended_blocks(out, f);
    if (f->revision >= 5) {
        put_gas(out, &f->sleep_control);
        put_gas(out, &f->sleep_status);
    }
    if (f->revision >= 6) {
        rh_acpi_put(out, 0, 8); /* hypervisor vendor identity */
    }
    rh_acpi_table_end(acpi);
}

/* A local APIC id of 255 and up needs the x2APIC form, §5.2.12.12 */
static void madt_cpu(GByteArray *out, const RhMadtCpu *cpu)
{
    uint32_t flags = cpu->is_present ? 1 : 0;

    if (cpu->apic_id < 255 && cpu->uid < 255) {
        rh_acpi_put(out, 0, 1);
        rh_acpi_put(out, 8, 1);
        rh_acpi_put(out, cpu->uid, 1);
        rh_acpi_put(out, cpu->apic_id, 1);
        rh_acpi_put(out, flags, 4);
    } else {
        rh_acpi_put(out, 9, 1);
        rh_acpi_put(out, 16, 1);
        rh_acpi_put(out, 0, 2);
        rh_acpi_put(out, cpu->apic_id, 4);
        rh_acpi_put(out, flags, 4);
        rh_acpi_put(out, cpu->uid, 4);
    }
}

/* NMI comes in at LINT1 of every processor, §5.2.12.7 and §5.2.12.13 */
static void madt_nmi(GByteArray *out, const RhAcpiMadt *madt)
{
    bool has_x2apic = false;

    for (unsigned i = 0; i < madt->nr_cpus; i++) {
        has_x2apic |= madt->cpus[i].apic_id >= 255 || madt->cpus[i].uid >= 255;
    }
    rh_acpi_put(out, 4, 1);
    rh_acpi_put(out, 6, 1);
    rh_acpi_put(out, 0xff, 1);
    rh_acpi_put(out, 0, 2);
    rh_acpi_put(out, 1, 1);
    if (has_x2apic) {
        rh_acpi_put(out, 0xa, 1);
        rh_acpi_put(out, 12, 1);
        rh_acpi_put(out, 0, 2);
        rh_acpi_put(out, UINT32_MAX, 4);
        rh_acpi_put(out, 1, 1);
        rh_acpi_put(out, 0, 3);
    }
}

void rh_acpi_add_madt(RhAcpi *acpi, const RhAcpiMadt *madt, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "APIC", 3, id);

    rh_acpi_put(out, LAPIC_BASE, 4);
    rh_acpi_put(out, madt->has_pic, 4);
    for (unsigned i = 0; i < madt->nr_cpus; i++) {
        madt_cpu(out, &madt->cpus[i]);
    }
    for (unsigned i = 0; i < madt->nr_ioapics; i++) {
        rh_acpi_put(out, 1, 1);
        rh_acpi_put(out, 12, 1);
        rh_acpi_put(out, madt->ioapics[i].id, 1);
        rh_acpi_put(out, 0, 1);
        rh_acpi_put(out, madt->ioapics[i].address, 4);
        rh_acpi_put(out, madt->ioapics[i].gsi_base, 4);
    }
    for (unsigned i = 0; i < madt->nr_overrides; i++) {
        rh_acpi_put(out, 2, 1);
        rh_acpi_put(out, 10, 1);
        rh_acpi_put(out, 0, 1);
        rh_acpi_put(out, madt->overrides[i].isa_irq, 1);
        rh_acpi_put(out, madt->overrides[i].gsi, 4);
        rh_acpi_put(out, madt->overrides[i].flags, 2);
    }
    madt_nmi(out, madt);
    rh_acpi_table_end(acpi);
}

/* IA-PC HPET specification 1.0a §3.2.4 */
void rh_acpi_add_hpet(RhAcpi *acpi, uint64_t address, uint32_t block_id, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "HPET", 1, id);
    RhAcpiGas gas = { .space = RH_AML_SYSTEM_MEMORY, .address = address };

    rh_acpi_put(out, block_id, 4);
    put_gas(out, &gas);
    rh_acpi_put(out, 0, 4); /* number, minimum tick, page protection */
    rh_acpi_table_end(acpi);
}

/* PCI firmware specification 3.0 §4.1.2 */
void rh_acpi_add_mcfg(RhAcpi *acpi, uint64_t base, uint8_t first, uint8_t last, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "MCFG", 1, id);

    rh_acpi_put_zeros(out, 8);
    rh_acpi_put(out, base, 8);
    rh_acpi_put(out, 0, 2);
    rh_acpi_put(out, first, 1);
    rh_acpi_put(out, last, 1);
    rh_acpi_put(out, 0, 4);
    rh_acpi_table_end(acpi);
}

/* "Windows ACPI Emulated Devices Table", 2009 */
void rh_acpi_add_waet(RhAcpi *acpi, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "WAET", 1, id);

    rh_acpi_put(out, 1u << 1, 4);
    rh_acpi_table_end(acpi);
}

/* §5.2.16.1 and §5.2.16.3 */
static void srat_cpu(GByteArray *out, const RhSratCpu *cpu)
{
    if (cpu->apic_id < 255) {
        rh_acpi_put(out, 0, 1);
        rh_acpi_put(out, 16, 1);
        rh_acpi_put(out, cpu->node & 0xff, 1);
        rh_acpi_put(out, cpu->apic_id, 1);
        rh_acpi_put(out, 1, 4);
        rh_acpi_put(out, 0, 1);
        rh_acpi_put(out, cpu->node >> 8, 3);
        rh_acpi_put(out, 0, 4);
    } else {
        rh_acpi_put(out, 2, 1);
        rh_acpi_put(out, 24, 1);
        rh_acpi_put(out, 0, 2);
        rh_acpi_put(out, cpu->node, 4);
        rh_acpi_put(out, cpu->apic_id, 4);
        rh_acpi_put(out, 1, 4);
        rh_acpi_put(out, 0, 8); /* clock domain, reserved */
    }
}

void rh_acpi_add_srat(RhAcpi *acpi, const RhSratCpu *cpus, unsigned nr_cpus,
                      const RhSratMemory *memory, unsigned nr_memory, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "SRAT", 3, id);

    rh_acpi_put(out, 1, 4); /* reserved, must be 1 */
    rh_acpi_put_zeros(out, 8);
    for (unsigned i = 0; i < nr_cpus; i++) {
        srat_cpu(out, &cpus[i]);
    }
    for (unsigned i = 0; i < nr_memory; i++) { /* §5.2.16.2 */
        rh_acpi_put(out, 1, 1);
        rh_acpi_put(out, 40, 1);
        rh_acpi_put(out, memory[i].node, 4);
        rh_acpi_put(out, 0, 2);
        rh_acpi_put(out, memory[i].base, 8);
        rh_acpi_put(out, memory[i].len, 8);
        rh_acpi_put(out, 0, 4);
        rh_acpi_put(out, memory[i].is_hotpluggable ? 3 : 1, 4);
        rh_acpi_put_zeros(out, 8);
    }
    rh_acpi_table_end(acpi);
}

void rh_acpi_add_slit(RhAcpi *acpi, unsigned nodes, const uint8_t *distances, const char *id)
{
    GByteArray *out = rh_acpi_table_begin(acpi, "SLIT", 1, id);

    rh_acpi_put(out, nodes, 8);
    g_byte_array_append(out, distances, nodes * nodes);
    rh_acpi_table_end(acpi);
}

enum { VMGENID_FILE = 4096, VMGENID_GUID_AT = 40 };
#define VMGENID_GUID "etc/vmgenid_guid"
#define VMGENID_ADDR "etc/vmgenid_addr"

/* ADDR returns the two halves of the GUID's address, "Virtual Machine Generation ID", 2012 */
static void vmgenid_addr_method(RhAml *a)
{
    rh_aml_method_begin(a, "ADDR", 0, true);
    rh_aml_op(a, RH_AML_STORE);
    rh_aml_package_begin(a, 2);
    rh_aml_int(a, 0);
    rh_aml_int(a, 0);
    rh_aml_end(a);
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_op(a, RH_AML_ADD);
    rh_aml_ref(a, "VGIA");
    rh_aml_int(a, VMGENID_GUID_AT);
    rh_aml_op(a, RH_AML_INDEX);
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_int(a, 0);
    rh_aml_op(a, RH_AML_ZERO);
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_end(a);
}

void rh_acpi_add_vmgenid(RhAcpi *acpi, uint64_t guest_addr, unsigned gpe)
{
    g_auto(RhAml) a;

    rh_aml_init(&a);
    g_assert(guest_addr <= UINT32_MAX);
    size_t addr_at = rh_aml_name_dword(&a, "VGIA", (uint32_t)guest_addr);
    rh_aml_scope_begin(&a, "\\_SB");
    rh_aml_device_begin(&a, "VGEN");
    rh_aml_name_string(&a, "_HID", "RHEA0001"); /* drivers go by the _CID */
    rh_aml_name_string(&a, "_CID", "VM_Gen_Counter");
    rh_aml_name_string(&a, "_DDN", "VM_Gen_Counter");
    vmgenid_addr_method(&a);
    rh_aml_end(&a);
    rh_aml_end(&a);
    if (gpe != RH_ACPI_NO_GPE) {
        rh_aml_scope_begin(&a, "\\_GPE");
        rh_aml_gpe_begin(&a, gpe, true);
        rh_aml_notify(&a, "\\_SB.VGEN", 0x80);
        rh_aml_end(&a);
        rh_aml_end(&a);
    }
    size_t code_at = rh_acpi_add_aml(acpi, "SSDT", "VMGENID", &a);
    if (guest_addr == 0) {
        GByteArray *guid = g_byte_array_new();
        rh_acpi_put_zeros(guid, VMGENID_FILE);
        rh_acpi_add_file(acpi, VMGENID_GUID, guid, VMGENID_FILE, RH_ACPI_ZONE_HIGH);
        rh_acpi_add_pointer(acpi, RH_ACPI_FILE_TABLES, code_at + addr_at, 4, VMGENID_GUID);
        rh_acpi_add_write_pointer(acpi, VMGENID_ADDR, 0, 8, VMGENID_GUID, VMGENID_GUID_AT);
    }
}
