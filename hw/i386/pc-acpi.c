/*
 * ACPI tables of PC boards: filled in from the machine's devices, and handed to firmware or to the kernel.
 */
#include "hw/i386/pc-acpi.h"
#include "hw/misc/vmgenid.h"
#include "hw/core/numa.h"
#include "hw/intc/ioapic.h"
#include "target/i386/topology.h"

static const RhMadtIoapic ioapics[] = {
    { .id = 0, .address = RH_IOAPIC_BASE, .gsi_base = 0 },
    { .id = 1, .address = RH_IOAPIC2_BASE, .gsi_base = RH_PC_NR_GSIS },
};
/* The timer is on input 2; the interrupts that PCI shares are level-triggered. */
static const RhMadtOverride overrides[] = {
    { 0, 2, RH_MADT_BUS_DEFAULT },    { 5, 5, RH_MADT_LEVEL_HIGH },   { 9, 9, RH_MADT_LEVEL_HIGH },
    { 10, 10, RH_MADT_LEVEL_HIGH },   { 11, 11, RH_MADT_LEVEL_HIGH },
};

void rh_pc_acpi_madt(const RhPcMachine *pc, RhAcpiMadt *ret)
{
    const RhSmp *smp = &pc->parent.smp;
    RhMadtCpu *cpus = g_new0(RhMadtCpu, smp->max_cpus);

    for (unsigned i = 0; i < smp->max_cpus; i++) {
        cpus[i] = (RhMadtCpu){
            .apic_id = rh_apic_id(&smp->topo, rh_topology_ids(&smp->topo, i)),
            .uid = i,
            .is_present = i < smp->cpus,
        };
    }
    *ret = (RhAcpiMadt){
        .cpus = cpus, .nr_cpus = smp->max_cpus, .ioapics = ioapics,
        .nr_ioapics = pc->irqs.ioapic2 ? 2 : 1, .overrides = overrides, .nr_overrides = RH_COUNT(overrides), .has_pic = pc->pic != RH_OFF,
    };
}

void rh_pc_acpi_numa(const RhPcMachine *pc, RhAcpiNuma *ret)
{
    const RhSmp *smp = &pc->parent.smp;
    const RhNuma *numa = pc->parent.numa;
    g_autofree RhPcRam *parts = NULL;
    RhSratCpu *cpus;
    RhSratMemory *memory;
    uint8_t *distances;

    *ret = (RhAcpiNuma){ 0 };
    if (!numa) {
        return;
    }
    *ret = (RhAcpiNuma){ .nr_nodes = numa->nr_nodes, .nr_cpus = smp->max_cpus };
    parts = rh_pc_ram_layout(pc, &ret->nr_memory);
    ret->cpus = cpus = g_new(RhSratCpu, ret->nr_cpus);
    ret->memory = memory = g_new(RhSratMemory, ret->nr_memory);
    for (unsigned i = 0; i < ret->nr_cpus; i++) {
        cpus[i] = (RhSratCpu){ rh_apic_id(&smp->topo, rh_topology_ids(&smp->topo, i)), (uint32_t)numa->cpu_nodes[i] };
    }
    for (unsigned i = 0; i < ret->nr_memory; i++) {
        memory[i] = (RhSratMemory){ parts[i].base, parts[i].size, parts[i].node, false };
    }
    if (numa->has_distances) {
        ret->distances = distances = g_new(uint8_t, numa->nr_nodes * numa->nr_nodes);
        for (unsigned i = 0; i < numa->nr_nodes; i++) {
            memcpy(distances + i * numa->nr_nodes, numa->distances[i], numa->nr_nodes);
        }
    }
}

void rh_pc_acpi_numa_clear(RhAcpiNuma *numa)
{
    g_free((void *)numa->cpus);
    g_free((void *)numa->memory);
    g_free((void *)numa->distances);
}

static void add_row(RhPcAcpiDevices *devices, RhAcpiDevice row)
{
    if (devices->nr < RH_PC_MAX_ACPI_DEVICES) {
        devices->rows[devices->nr++] = row;
    }
}

static void add_serial(RhPcAcpiDevices *devices, RhDevice *dev)
{
    uint64_t index, base, irq;
    char *name = devices->names[devices->nr % RH_PC_MAX_ACPI_DEVICES];

    if (rh_object_get_u64(&dev->obj, "index", &index) && rh_object_get_u64(&dev->obj, "iobase", &base) && rh_object_get_u64(&dev->obj, "irq", &irq) &&
        index < 9) {
        g_snprintf(name, sizeof(devices->names[0]), "COM%u", (unsigned)index + 1);
        add_row(devices, (RhAcpiDevice)RH_ACPI_SERIAL((int)index, name, (uint16_t)base, (uint8_t)irq));
    }
}

static void add_isa_device(RhPcAcpiDevices *devices, RhDevice *dev)
{
    const char *type = dev->obj.type->name;
    uint64_t port;

    if (g_str_equal(type, "isa-serial")) {
        add_serial(devices, dev);
    } else if (g_str_equal(type, "mc146818rtc")) {
        add_row(devices, (RhAcpiDevice)RH_ACPI_RTC);
    } else if (g_str_equal(type, "i8042")) {
        add_row(devices, (RhAcpiDevice)RH_ACPI_KBD);
        add_row(devices, (RhAcpiDevice)RH_ACPI_MOUSE);
    } else if (g_str_equal(type, "pvpanic") && rh_object_get_u64(&dev->obj, "ioport", &port)) {
        add_row(devices, (RhAcpiDevice)RH_ACPI_PVPANIC((uint16_t)port));
    }
}

void rh_pc_acpi_isa(const RhPcMachine *pc, RhPcAcpiDevices *devices)
{
    for (guint i = 0; pc->isa && i < pc->isa->parent.devices->len; i++) {
        add_isa_device(devices, pc->isa->parent.devices->pdata[i]);
    }
    if (pc->fw_cfg) {
        add_row(devices, (RhAcpiDevice)RH_ACPI_FW_CFG);
    }
}

/* --- handing over --- */

uint64_t rh_pc_acpi_room(const RhAcpi *acpi)
{
    const GPtrArray *files = rh_acpi_files(acpi);
    uint64_t size = 0;

    for (guint i = 0; i < files->len; i++) {
        const RhAcpiFile *file = files->pdata[i];

        if (file->zone == RH_ACPI_ZONE_HIGH) {
            size = rh_align_up(size, file->align) + file->data->len;
        }
    }
    return rh_align_up(size, 0x10000);
}

uint64_t rh_pc_acpi_place(RhPcMachine *pc, RhAcpi *acpi)
{
    const GPtrArray *files = rh_acpi_files(acpi);
    uint64_t end, rsdp;

    pc->tables_size = rh_pc_acpi_room(acpi);
    rsdp = rh_acpi_place(acpi, pc->below_4g - pc->tables_size, RH_PC_TABLES_LOW, &end);
    for (guint i = 0; i < files->len; i++) {
        const RhAcpiFile *file = files->pdata[i];

        if (g_str_equal(file->name, RH_VMGENID_GUID_FILE)) {
            pc->vmgenid_page = file->placed_at;
        }
    }
    return rsdp;
}

void rh_pc_acpi_place_vmgenid(const RhPcMachine *pc)
{
    if (pc->vmgenid_page) {
        rh_vmgenid_place(rh_machine_vm(&pc->parent), pc->vmgenid_page);
    }
}

void rh_pc_acpi_add_to(RhDirectBoot *boot, const RhAcpi *acpi)
{
    const GPtrArray *files = rh_acpi_files(acpi);

    for (guint i = 0; i < files->len; i++) {
        const RhAcpiFile *file = files->pdata[i];

        rh_direct_boot_add(boot, file->placed_at, file->data->data, file->data->len);
    }
}

static bool is_no_vmgenid(RhObject *obj, void *opaque)
{
    return !rh_object_is(obj, RH_TYPE_VMGENID) || !RH_SELF(RhDevice, obj)->is_realized;
}

bool rh_pc_acpi_has_vmgenid(const RhPcMachine *pc)
{
    return !rh_object_foreach(rh_machine_vm(&pc->parent)->root, is_no_vmgenid, NULL);
}

/* The page with the GUID is the device's own; the tables only say where firmware puts it. */
static bool is_devices(RhPcMachine *pc, const RhAcpiFile *file)
{
    size_t len;

    return g_str_equal(file->name, RH_VMGENID_GUID_FILE) && rh_fw_cfg_file_data(pc->fw_cfg, file->name, &len);
}

bool rh_pc_acpi_publish(RhPcMachine *pc, const RhAcpi *acpi, GError **err)
{
    const GPtrArray *files = rh_acpi_files(acpi);
    g_autoptr(GByteArray) script = rh_acpi_loader(acpi);

    for (guint i = 0; i < files->len; i++) {
        const RhAcpiFile *file = files->pdata[i];

        if (!is_devices(pc, file) && !rh_fw_cfg_set_file(pc->fw_cfg, file->name, file->data->data, file->data->len, err)) {
            return false;
        }
    }
    return rh_fw_cfg_set_file(pc->fw_cfg, RH_ACPI_FILE_LOADER, script->data, script->len, err);
}
