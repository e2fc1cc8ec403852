/*
 * acpi-parts - byte code that the DSDTs of both kinds of machine contain.
 */
#include "hw/i386/acpi-parts.h"

/* An id of three letters and four digits is compressed; a vendor of four letters stays text,
 * §6.1.5. */
static void name_hid(RhAml *a, const char *hid)
{
    if (strlen(hid) == 7) {
        rh_aml_name_eisaid(a, "_HID", hid);
    } else {
        rh_aml_name_string(a, "_HID", hid);
    }
}

static void device_resources(RhAml *a, const RhAcpiDevice *dev)
{
    rh_aml_name_crs_begin(a);
    for (unsigned i = 0; i < RH_ACPI_MAX_IO && dev->io[i].len; i++) {
        rh_aml_res_io(a, dev->io[i].base, dev->io[i].base, 1, dev->io[i].len);
    }
    if (dev->mem_len) {
        rh_aml_res_memory32_fixed(a, dev->mem_base, dev->mem_len, true);
    }
    if (dev->has_irq) {
        rh_aml_res_irq(a, dev->irq);
    }
    if (dev->has_gsi) {
        rh_aml_res_interrupts(a, RH_AML_INT_LEVEL_HIGH, &dev->gsi, 1);
    }
    rh_aml_end(a);
}

void rh_acpi_device(RhAml *a, const RhAcpiDevice *dev)
{
    rh_aml_device_begin(a, dev->name);
    name_hid(a, dev->hid);
    if (dev->uid >= 0) {
        rh_aml_name_int(a, "_UID", (uint64_t)dev->uid);
    }
    if (dev->sta) {
        rh_aml_name_int(a, "_STA", dev->sta);
    }
    device_resources(a, dev);
    rh_aml_end(a);
}

void rh_acpi_devices(RhAml *a, const RhAcpiDevice *devs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        rh_acpi_device(a, &devs[i]);
    }
}

static void cpu_node(RhAml *a, const RhAcpiNuma *numa, uint32_t apic_id)
{
    for (unsigned i = 0; numa && i < numa->nr_cpus; i++) {
        if (numa->cpus[i].apic_id == apic_id) {
            rh_aml_name_int(a, "_PXM", numa->cpus[i].node);
            return;
        }
    }
}

void rh_acpi_cpus(RhAml *a, const RhAcpiMadt *madt, const RhAcpiNuma *numa)
{
    for (unsigned i = 0; i < madt->nr_cpus; i++) {
        char name[5];
        if (!madt->cpus[i].is_present) {
            continue;
        }
        g_assert(i <= 0xfff);
        g_snprintf(name, sizeof(name), "C%03X", i);
        rh_aml_device_begin(a, name);
        rh_aml_name_string(a, "_HID", "ACPI0007");
        rh_aml_name_int(a, "_UID", madt->cpus[i].uid);
        cpu_node(a, numa, madt->cpus[i].apic_id);
        rh_aml_end(a);
    }
}

void rh_acpi_sleep_state(RhAml *a, const char *name, unsigned type)
{
    rh_aml_name(a, name);
    rh_aml_package_begin(a, 4);
    rh_aml_int(a, type);
    rh_aml_int(a, type);
    rh_aml_int(a, 0);
    rh_aml_int(a, 0);
    rh_aml_end(a);
}

/* --- PCI --- */

static void or_into(RhAml *a, const char *name, uint64_t bits)
{
    rh_aml_op(a, RH_AML_OR);
    rh_aml_ref(a, name);
    rh_aml_int(a, bits);
    rh_aml_ref(a, name);
}

static void dword_of_arg3(RhAml *a, unsigned at, const char *name)
{
    rh_aml_op(a, RH_AML_CREATE_DWORD);
    rh_aml_op(a, RH_AML_ARG(3));
    rh_aml_int(a, at);
    rh_aml_ref(a, name);
}

/* _OSC control bits, PCI firmware 3.0 table 4-5: hot plug, PME, AER, capability structure */
enum { OSC_HOTPLUG = 0x01, OSC_PME = 0x04, OSC_AER = 0x08, OSC_CAPS = 0x10 };
/* first dword of the answer */
enum { OSC_BAD_UUID = 0x04, OSC_BAD_REVISION = 0x08, OSC_MASKED = 0x10 };

static void osc_grant(RhAml *a, const RhAcpiPciHost *pci)
{
    dword_of_arg3(a, 8, "CDW3");
    rh_aml_op(a, RH_AML_AND);
    rh_aml_ref(a, "CDW3");
    rh_aml_int(a, OSC_PME | OSC_AER | OSC_CAPS | (pci->has_hotplug ? OSC_HOTPLUG : 0));
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_if_begin(a);
    rh_aml_op(a, RH_AML_LNOT_EQUAL);
    rh_aml_op(a, RH_AML_ARG(1));
    rh_aml_int(a, 1);
    or_into(a, "CDW1", OSC_BAD_REVISION);
    rh_aml_end(a);
    rh_aml_if_begin(a);
    rh_aml_op(a, RH_AML_LNOT_EQUAL);
    rh_aml_ref(a, "CDW3");
    rh_aml_op(a, RH_AML_LOCAL(0));
    or_into(a, "CDW1", OSC_MASKED);
    rh_aml_end(a);
    rh_aml_op(a, RH_AML_STORE);
    rh_aml_op(a, RH_AML_LOCAL(0));
    rh_aml_ref(a, "CDW3");
}

/* ACPI 6.4 §6.2.11: the OS asks for control of features and gets what is left set */
static void osc_method(RhAml *a, const RhAcpiPciHost *pci)
{
    rh_aml_method_begin(a, "_OSC", 4, true);
    dword_of_arg3(a, 0, "CDW1");
    rh_aml_if_begin(a);
    rh_aml_op(a, RH_AML_LEQUAL);
    rh_aml_op(a, RH_AML_ARG(0));
    rh_aml_uuid(a, "33db4d5b-1ff7-401c-9657-7441c03dd766");
    osc_grant(a, pci);
    rh_aml_end(a);
    rh_aml_else_begin(a);
    or_into(a, "CDW1", OSC_BAD_UUID);
    rh_aml_end(a);
    rh_aml_op(a, RH_AML_RETURN);
    rh_aml_op(a, RH_AML_ARG(3));
    rh_aml_end(a);
}

static unsigned last_bus(const RhAcpiPciHost *pci)
{
    uint64_t buses = pci->ecam_size >> 20;

    return buses == 0 || buses > 256 ? 255 : (unsigned)buses - 1;
}

static void host_windows(RhAml *a, const RhAcpiPciHost *pci)
{
    rh_aml_name_crs_begin(a);
    rh_aml_res_bus_window(a, 0, (uint16_t)last_bus(pci));
    if (pci->has_io) {
        rh_aml_res_io(a, 0xcf8, 0xcf8, 1, 8);
        rh_aml_res_io_window(a, 0, 0xcf7);
        rh_aml_res_io_window(a, 0xd00, 0xffff);
    }
    if (pci->has_vga_window) {
        rh_aml_res_memory32_window(a, RH_AML_MEM_CACHED, 0xa0000, 0xbffff);
    }
    for (unsigned i = 0; i < pci->nr_windows; i++) {
        const RhAcpiWindow *w = &pci->windows[i];
        unsigned caching = w->is_prefetchable ? RH_AML_MEM_PREFETCH : RH_AML_MEM_UNCACHED;
        if (w->last <= UINT32_MAX) {
            rh_aml_res_memory32_window(a, caching, (uint32_t)w->first, (uint32_t)w->last);
        } else {
            rh_aml_res_memory64_window(a, caching, w->first, w->last);
        }
    }
    rh_aml_end(a);
}

void rh_acpi_pci_host_begin(RhAml *a, const RhAcpiPciHost *pci)
{
    rh_aml_device_begin(a, "PCI0");
    rh_aml_name_eisaid(a, "_HID", "PNP0A08");
    rh_aml_name_eisaid(a, "_CID", "PNP0A03");
    rh_aml_name_int(a, "_UID", 0);
    rh_aml_name_int(a, "_SEG", 0);
    rh_aml_name_int(a, "_BBN", 0);
    rh_aml_name_int(a, "_CCA", 1);
    osc_method(a, pci);
    host_windows(a, pci);
}

/* A link says that the input is active high, which a bare number cannot. */
void rh_acpi_gsi_link(RhAml *a, unsigned link, unsigned uid, uint32_t gsi)
{
    static const char *const resources[] = { "_PRS", "_CRS" };
    char name[5];

    g_snprintf(name, sizeof(name), "GSI%c", 'A' + link);
    rh_aml_device_begin(a, name);
    rh_aml_name_eisaid(a, "_HID", "PNP0C0F");
    rh_aml_name_int(a, "_UID", uid);
    for (unsigned i = 0; i < RH_COUNT(resources); i++) {
        rh_aml_name(a, resources[i]);
        rh_aml_resources_begin(a);
        rh_aml_res_interrupts(a, RH_AML_INT_LEVEL_HIGH | RH_AML_INT_SHARED, &gsi, 1);
        rh_aml_end(a);
    }
    rh_aml_method_begin(a, "_SRS", 1, false);
    rh_aml_end(a);
    rh_aml_end(a);
}

void rh_acpi_ecam_reservation(RhAml *a, const RhAcpiPciHost *pci)
{
    g_assert(rh_range_ok(pci->ecam_base, pci->ecam_size, UINT64_C(1) << 32));
    rh_aml_device_begin(a, "DRAC");
    rh_aml_name_eisaid(a, "_HID", "PNP0C01");
    rh_aml_name_crs_begin(a);
    rh_aml_res_memory32_fixed(a, (uint32_t)pci->ecam_base, (uint32_t)pci->ecam_size, true);
    rh_aml_end(a);
    rh_aml_end(a);
}

void rh_acpi_add_mcfg_of(RhAcpi *acpi, const RhAcpiPciHost *pci)
{
    rh_acpi_add_mcfg(acpi, pci->ecam_base, 0, (uint8_t)last_bus(pci), RH_ACPI_ID);
}

void rh_acpi_add_numa(RhAcpi *acpi, const RhAcpiNuma *n)
{
    if (n->nr_nodes) {
        rh_acpi_add_srat(acpi, n->cpus, n->nr_cpus, n->memory, n->nr_memory, RH_ACPI_ID);
        if (n->distances) {
            rh_acpi_add_slit(acpi, n->nr_nodes, n->distances, RH_ACPI_ID);
        }
    }
}
