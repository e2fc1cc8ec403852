/*
 * What all PC boards share.
 */
#include "hw/i386/pc.h"
#include "hw/core/numa.h"
#include "target/i386/cpu.h"

enum { ROM_GRANULE = 0x10000, LOW_ROM = 0x20000 };
#define MIB UINT64_C(0x100000)

/* --- memory --- */

RhPcRam *rh_pc_ram_layout(const RhPcMachine *pc, unsigned *ret_nr)
{
    unsigned nr_banks, nr = 0;
    g_autofree RhRamBank *banks = rh_machine_ram_banks(&pc->parent, &nr_banks);
    RhPcRam *parts = g_new(RhPcRam, nr_banks + 1);
    uint64_t at = 0;            /* as if there were no hole */

    for (unsigned i = 0; i < nr_banks; i++) {
        uint64_t size = banks[i].ram->size;
        uint64_t low = at < pc->below_4g ? MIN(size, pc->below_4g - at) : 0;

        if (low) {
            parts[nr++] = (RhPcRam){ banks[i].ram, 0, at, low, banks[i].node };
        }
        if (low < size) {
            parts[nr++] = (RhPcRam){ banks[i].ram, low, RH_4G + at + low - pc->below_4g, size - low, banks[i].node };
        }
        at += size;
    }
    *ret_nr = nr;
    return parts;
}

static void show_ram(RhPcMachine *pc)
{
    RhVm *vm = rh_machine_vm(&pc->parent);
    g_autofree RhPcRam *parts = rh_pc_ram_layout(pc, &pc->nr_ram);

    pc->ram = g_new0(RhRegion, pc->nr_ram);
    rh_map_begin(vm);
    rh_region_init_container(&pc->all_ram, vm, "ram", UINT64_MAX);
    rh_region_add(rh_space_root(vm->memory), 0, &pc->all_ram);
    for (unsigned i = 0; i < pc->nr_ram; i++) {
        const RhPcRam *part = &parts[i];

        rh_region_init_ram(&pc->ram[i], vm, part->base < RH_4G ? "ram-below-4g" : "ram-above-4g", part->ram,
                           part->offset, part->size, false);
        rh_region_add(&pc->all_ram, part->base, &pc->ram[i]);
    }
    rh_map_end(vm);
}

bool rh_pc_map_ram(RhPcMachine *pc, uint64_t low_limit, GError **err)
{
    RhMachine *machine = &pc->parent;

    if (pc->max_ram_below_4g && pc->max_ram_below_4g < low_limit) {
        low_limit = rh_align_down(pc->max_ram_below_4g, MIB);
    }
    if (low_limit < MIB) {
        return rh_fail(err, "max-ram-below-4g is %" PRIu64 ", must be at least 1 MiB", pc->max_ram_below_4g);
    }
    if (machine->ram_size < MIB) {
        return rh_fail(err, "RAM size is %" PRIu64 " bytes, must be at least 1 MiB", machine->ram_size);
    }
    pc->below_4g = MIN(machine->ram_size, low_limit);
    pc->above_4g = machine->ram_size - pc->below_4g;
    show_ram(pc);
    return true;
}

static bool read_firmware(RhPcMachine *pc, const char *name, RhRam **ret, GError **err)
{
    g_autofree char *path = rh_machine_path(&pc->parent, name, NULL);
    g_autofree char *image = NULL;
    gsize len;

    if (!path || !g_file_get_contents(path, &image, &len, NULL)) {
        return rh_fail(err, "could not load PC BIOS '%s'", name);
    }
    if (len == 0 || len % ROM_GRANULE) {
        return rh_fail(err, "could not load PC BIOS '%s': its size is %zu, must be a multiple of 64 KiB", name, len);
    }
    if (len > pc->max_fw_size) {
        return rh_fail(err, "could not load PC BIOS '%s': its size is %zu, max-fw-size is %" PRIu64, name, len,
                       pc->max_fw_size);
    }
    *ret = rh_ram_new("pc.bios", len, NULL, err);
    if (!*ret) {
        return false;
    }
    memcpy((*ret)->host, image, len);
    return true;
}

bool rh_pc_load_firmware(RhPcMachine *pc, const char *fallback, RhRegion *memory, GError **err)
{
    RhVm *vm = rh_machine_vm(&pc->parent);
    RhPcFirmware *fw = &pc->firmware;
    uint64_t low_size;

    if (!read_firmware(pc, pc->parent.firmware ? pc->parent.firmware : fallback, &fw->ram, err)) {
        return false;
    }
    low_size = MIN(fw->ram->size, (uint64_t)LOW_ROM);
    rh_map_begin(vm);
    rh_region_init_ram(&fw->rom, vm, "pc.bios", fw->ram, 0, fw->ram->size, true);
    rh_region_add(memory, RH_4G - fw->ram->size, &fw->rom);
    rh_region_init_alias(&fw->low, vm, "isa-bios", &fw->rom, fw->ram->size - low_size, low_size);
    rh_region_add_over(memory, MIB - low_size, &fw->low, 1);
    rh_map_end(vm);
    return true;
}

/* --- system management mode --- */

static bool refuse_smm(const char *who, GError **err)
{
    return rh_fail(err, "Machine option 'smm' is 'on', must be 'off' or 'auto': %s has no system management mode", who);
}

/* Where no guest runs, the chipset can be driven all the same, for who asks. */
bool rh_pc_settle_smm(RhPcMachine *pc, bool can_chipset, GError **err)
{
    RhAccel *accel = rh_machine_vm(&pc->parent)->accel;
    bool can_enter = accel && rh_accel_type(accel)->has_smm;

    if (pc->smm == RH_ON && !can_chipset) {
        return refuse_smm(pc->parent.obj.type->name, err);
    }
    if (pc->smm == RH_ON && accel && !can_enter && rh_accel_type(accel)->runs_guest) {
        return refuse_smm(accel->obj.type->name, err);
    }
    pc->has_smm = can_chipset && (pc->smm == RH_ON || (pc->smm == RH_AUTO && can_enter));
    return true;
}

void rh_pc_raise_smi(void *opaque, bool to_all)
{
    RhVm *vm = ((RhPcIrqs *)opaque)->vm;
    RhVcpu *current = rh_vcpu_current();

    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhVcpu *vcpu = vm->vcpus->pdata[i];

        if (to_all || (current ? vcpu == current : i == 0)) {
            rh_pc_request(vcpu, RH_CPU_SMI, 1);
        }
    }
}

/* --- interrupts --- */

bool rh_pc_set_up_irqchip(RhPcMachine *pc, RhIrqchip kind, bool has_pit, GError **err)
{
    RhAccel *accel = rh_machine_vm(&pc->parent)->accel;

    pc->irqs.vm = rh_machine_vm(&pc->parent);
    if (!accel || !rh_accel_type(accel)->set_up_irqchip) {
        return true;
    }
    return rh_accel_type(accel)->set_up_irqchip(accel, kind, has_pit, err);
}

enum { DRIVER_CHIPSET = 1, DRIVER_HPET = 2 };

static void set_input(RhPcIrqs *irqs, unsigned gsi, int level)
{
    RhAccel *accel = irqs->vm->accel;

    if (accel && accel->irqchip == RH_IRQCHIP_ON) {
        rh_accel_type(accel)->set_gsi(accel, gsi, level);
        return;
    }
    if (gsi < 16 && irqs->pic) {
        rh_pin_set(irqs->pic, NULL, gsi, level);
    }
    if (gsi >= RH_PC_NR_GSIS) {
        rh_pin_set(irqs->ioapic2, NULL, gsi - RH_PC_NR_GSIS, level);
    } else if (irqs->ioapic) {
        rh_pin_set(irqs->ioapic, NULL, gsi, level);
    }
}

/* A timer of the HPET and a PCI pin may share an input: neither may take away what the other holds up. */
static void drive(RhPcIrqs *irqs, unsigned gsi, uint8_t driver, int level)
{
    irqs->drivers[gsi] = level ? irqs->drivers[gsi] | driver : irqs->drivers[gsi] & ~driver;
    set_input(irqs, gsi, irqs->drivers[gsi] != 0);
}

void rh_pc_set_gsi(void *opaque, unsigned gsi, int level)
{
    drive(opaque, gsi, DRIVER_CHIPSET, level);
}

void rh_pc_set_hpet_gsi(void *opaque, unsigned gsi, int level)
{
    drive(opaque, gsi, DRIVER_HPET, level);
}

/* --- CPUs and devices --- */

static bool make_cpu(RhMachine *machine, unsigned index, GError **err)
{
    RhDevice *dev = rh_device_new(rh_machine_vm(machine), machine->cpu_type, err);
    RhX86Cpu *cpu = (RhX86Cpu *)dev;

    if (!dev || !rh_device_own(dev, NULL, NULL, err)) {
        return false;
    }
    if (machine->numa) {
        cpu->node_id = rh_machine_cpu_node(machine, index);
    }
    if (!rh_x86_cpu_place(cpu, &machine->smp, index, err) || !rh_device_realize(dev, NULL, err) ||
        !rh_pc_make_apic((RhPcMachine *)machine, cpu, err)) {
        return false;
    }
    if (index == 0 && cpu->warnings) {
        for (guint i = 0; i < cpu->warnings->len; i++) {
            g_printerr("warning: %s\n", (const char *)cpu->warnings->pdata[i]);
        }
    }
    return true;
}

bool rh_pc_make_cpus(RhMachine *machine, GError **err)
{
    for (unsigned i = 0; i < machine->smp.cpus; i++) {
        if (!make_cpu(machine, i, err)) {
            return false;
        }
    }
    return true;
}

/* --- the base type --- */

static bool refuse_text(RhObject *obj, const RhProp *prop, GError **err)
{
    const char *text = *(char **)rh_prop_member(obj, prop);

    return !text || !*text || rh_fail(err, "Property '%s' of the machine is not supported yet", prop->name);
}

static bool refuse_on(RhObject *obj, const RhProp *prop, GError **err)
{
    return *(int *)rh_prop_member(obj, prop) != RH_ON ||
           rh_fail(err, "Property '%s=on' of the machine is not supported yet", prop->name);
}

static bool refuse_true(RhObject *obj, const RhProp *prop, GError **err)
{
    return !*(bool *)rh_prop_member(obj, prop) ||
           rh_fail(err, "Property '%s=on' of the machine is not supported yet", prop->name);
}

static const RhProp pc_props[] = {
    RH_PROP_AS(rh_prop_size, "max-ram-below-4g", RhPcMachine, max_ram_below_4g,
               .doc = "Maximum ram below the 4G boundary (32bit boundary)"),
    RH_PROP_AS(rh_prop_size, "max-fw-size", RhPcMachine, max_fw_size, .def = 8 * UINT64_C(0x100000),
               .doc = "Maximum combined firmware size"),
    RH_PROP_AS(rh_prop_on_off_auto, "acpi", RhPcMachine, acpi, .doc = "Enable ACPI"),
    RH_PROP_AS(rh_prop_on_off_auto, "smm", RhPcMachine, smm, .doc = "Enable SMM"),
    RH_PROP_AS(rh_prop_on_off_auto, "vmport", RhPcMachine, vmport, .doc = "Enable vmport (pc & q35)",
               .changed = refuse_on),
    RH_PROP_AS(rh_prop_on_off_auto, "pic", RhPcMachine, pic, .doc = "Enable i8259 PIC"),
    RH_PROP_AS(rh_prop_on_off_auto, "pit", RhPcMachine, pit, .doc = "Enable i8254 PIT"),
    RH_PROP("hpet", RhPcMachine, has_hpet, .def = true,
            .doc = "Enable/disable high precision event timer emulation"),
    RH_PROP("smbus", RhPcMachine, has_smbus, .def = true, .doc = "Enable/disable system management bus"),
    RH_PROP("sata", RhPcMachine, has_sata, .def = true, .doc = "Enable/disable Serial ATA bus"),
    RH_PROP("i8042", RhPcMachine, has_i8042, .def = true, .doc = "Enable/disable the keyboard controller"),
    RH_PROP("nvdimm", RhPcMachine, has_nvdimm, .doc = "NVDIMM support", .changed = refuse_true),
    RH_PROP("hmat", RhPcMachine, has_hmat, .doc = "ACPI HMAT", .changed = refuse_true),
    RH_PROP("x-oem-id", RhPcMachine, oem_id, .doc = "OEMID in ACPI table headers, up to 6 bytes",
            .changed = refuse_text),
    RH_PROP("x-oem-table-id", RhPcMachine, oem_table_id, .doc = "OEM Table ID in ACPI table headers, up to 8 bytes",
            .changed = refuse_text),
    RH_PROP("smbios-entry-point-type", RhPcMachine, smbios_entry_point, .doc = "SMBIOS Entry Point type [32, 64]"),
};

static void pc_fini(RhObject *obj)
{
    RhPcMachine *pc = (RhPcMachine *)obj;

    rh_region_fini(&pc->firmware.low);
    rh_region_fini(&pc->firmware.rom);
    rh_ram_unref(pc->firmware.ram);
    for (unsigned i = 0; i < pc->nr_ram; i++) {
        rh_region_fini(&pc->ram[i]);
    }
    rh_region_fini(&pc->all_ram);
    g_free(pc->ram);
}

RH_MACHINE(RhPcMachine,
    .name        = RH_TYPE_PC_MACHINE,
    .parent      = RH_TYPE_MACHINE,
    .doc         = "Base of PC boards",
    .is_abstract = true,
    .props       = RH_TABLE(pc_props),
    .fini        = pc_fini);
