/*
 * microvm - a small board: virtio-mmio, a serial port, and what else is asked for
 * Layout as documented for the machine type: transports from 0xfeb00000 on, 512 bytes each, and their interrupts from
 * input 5 (without ACPI), 16, or 24 (of the second I/O APIC) on.
 */
#include "hw/core/isa.h"
#include "hw/i386/direct-boot.h"
#include "hw/acpi/ged.h"
#include "hw/i386/microvm-dt.h"
#include "hw/i386/mptable.h"
#include "hw/intc/ioapic.h"
#include "hw/i386/pc-acpi.h"
#include "hw/i386/pc.h"
#include "hw/pci/assign.h"
#include "hw/pci/gpex.h"
#include "hw/virtio/mmio.h"
#include "target/i386/cpu.h"
#include <libfdt.h>

#define LOW_LIMIT     UINT64_C(0xc0000000)
#define VIRTIO_BASE   UINT64_C(0xfeb00000)
#define VIRTIO_STEP   ((unsigned)RH_VIRTIO_MMIO_SIZE)
#define GED_BASE      0xfea00000u
#define SLEEP_BASE    0xfea00200u
enum { GED_IRQ = 9 };
enum { NR_TRANSPORTS = 8, MAX_TRANSPORTS = 24 };
enum { VIRTIO_IRQ_ISA = 5, VIRTIO_IRQ_ACPI = 16, VIRTIO_IRQ_IOAPIC2 = 24 };
enum { PCIE_IRQ = 12, PCIE_IRQ_IOAPIC2 = 16 };      /* of pin INTA; the others follow */
static const RhGpexWindow pcie_config = { 0xe0000000, 0x10000000 };
static const RhGpexWindow pcie_mmio32 = { 0xc0000000, 0x20000000 };

typedef struct Microvm {
    RhPcMachine parent;
    int rtc, pcie, ioapic2;     /* RhOnOffAuto; properties */
    bool has_isa_serial;
    bool has_option_roms;
    bool has_auto_cmdline;
    bool has_ioapic2;           /* wiring */
    RhIsaBus *isa;
    RhGpexHost *pci;            /* NULL: none */
    unsigned virtio_irq;
    unsigned nr_transports;
    RhVirtioMmio *transports[MAX_TRANSPORTS];
    RhAcpiGed *ged;             /* NULL: no ACPI */
    RhDirectBoot *boot;
} Microvm;

static bool has_acpi(const Microvm *mvm)
{
    return mvm->parent.acpi != RH_OFF;
}

static void set_irq(void *opaque, unsigned irq, int level)
{
    rh_pc_set_gsi(opaque, irq, level);
}

static bool make_transport(Microvm *mvm, unsigned i, GError **err)
{
    RhVm *vm = rh_machine_vm(&mvm->parent.parent);
    RhDevice *dev = rh_device_new(vm, RH_TYPE_VIRTIO_MMIO, err);
    RhVirtioMmio *mmio = (RhVirtioMmio *)dev;

    if (!dev || !rh_device_own(dev, NULL, NULL, err)) {
        return false;
    }
    mmio->number = i;
    mvm->transports[i] = mmio;
    if (!rh_device_realize(dev, NULL, err)) {
        return false;
    }
    rh_region_add(rh_space_root(vm->memory), VIRTIO_BASE + i * VIRTIO_STEP, &mmio->regs);
    rh_line_connect_fn(&mmio->irq, set_irq, &mvm->parent.irqs, mvm->virtio_irq + i);
    return true;
}

/* The last is made first, so that a device without bus= takes the last that is free. */
static bool make_transports(Microvm *mvm, GError **err)
{
    mvm->virtio_irq = mvm->has_ioapic2 ? VIRTIO_IRQ_IOAPIC2 : has_acpi(mvm) ? VIRTIO_IRQ_ACPI : VIRTIO_IRQ_ISA;
    mvm->nr_transports = mvm->has_ioapic2 ? MAX_TRANSPORTS : NR_TRANSPORTS;
    for (unsigned i = mvm->nr_transports; i-- > 0;) {
        if (!make_transport(mvm, i, err)) {
            return false;
        }
    }
    return true;
}

static bool is_used(const Microvm *mvm, unsigned transport)
{
    return ((RhBus *)mvm->transports[transport]->bus)->devices->len;
}

static unsigned pcie_irq(const Microvm *mvm)
{
    return mvm->has_ioapic2 ? PCIE_IRQ_IOAPIC2 : PCIE_IRQ;
}

/* The upper quarter of what the CPUs can address; none where RAM reaches into it. */
static RhGpexWindow pcie_mmio64(const Microvm *mvm)
{
    const RhX86Cpu *cpu = rh_x86_cpu(rh_machine_vm(&mvm->parent.parent)->vcpus->pdata[0]);
    const RhCpuidEntry *sizes = rh_cpuid_find(cpu->x86.cpuid, cpu->x86.nr_cpuid, 0x80000008, 0);
    unsigned bits = sizes ? sizes->eax & 0xff : 36;
    uint64_t size = UINT64_C(1) << (CLAMP(bits, 36, 52) - 2);
    RhGpexWindow window = { 3 * size, size };

    return RH_4G + mvm->parent.above_4g <= window.base ? window : (RhGpexWindow){ 0 };
}

static bool make_pcie(Microvm *mvm, GError **err)
{
    RhMachine *machine = &mvm->parent.parent;
    RhDevice *host;

    if (mvm->pcie != RH_ON) {
        return true;
    }
    host = rh_device_new(rh_machine_vm(machine), RH_TYPE_GPEX_HOST, err);
    if (!host || !rh_device_own(host, &machine->obj, "pcie", err)) {
        return false;
    }
    mvm->pci = (RhGpexHost *)host;
    mvm->pci->config = pcie_config;
    mvm->pci->mmio32 = pcie_mmio32;
    mvm->pci->mmio64 = pcie_mmio64(mvm);
    for (unsigned i = 0; i < RH_PCI_NR_PINS; i++) {
        rh_line_connect_fn(&mvm->pci->irq[i], set_irq, &mvm->parent.irqs, pcie_irq(mvm) + i);
    }
    return rh_device_realize(host, NULL, err);
}

static bool make_ged(Microvm *mvm, GError **err)
{
    RhVm *vm = rh_machine_vm(&mvm->parent.parent);

    if (!has_acpi(mvm)) {
        return true;
    }
    mvm->ged = (RhAcpiGed *)rh_device_create(vm, NULL, NULL, RH_TYPE_ACPI_GED, NULL, NULL, err);
    if (!mvm->ged) {
        return false;
    }
    rh_region_add(rh_space_root(vm->memory), GED_BASE, &mvm->ged->selector);
    rh_region_add(rh_space_root(vm->memory), SLEEP_BASE, &mvm->ged->sleep);
    rh_line_connect_fn(&mvm->ged->irq, set_irq, &mvm->parent.irqs, GED_IRQ);
    return true;
}

static void describe_pcie(const Microvm *mvm, RhAcpiPciHost *host, RhAcpiWindow windows[2])
{
    const RhGpexWindow *from[] = { &mvm->pci->mmio32, &mvm->pci->mmio64 };

    *host = (RhAcpiPciHost){
        .ecam_base = mvm->pci->config.base, .ecam_size = mvm->pci->config.size, .windows = windows,
        .gsi_base = pcie_irq(mvm),
    };
    for (unsigned i = 0; i < RH_COUNT(from); i++) {
        if (from[i]->size) {
            windows[host->nr_windows++] = (RhAcpiWindow){ from[i]->base, from[i]->base + from[i]->size - 1, i > 0 };
        }
    }
    for (unsigned slot = 0; slot < RH_ACPI_PCI_SLOTS; slot++) {
        for (unsigned pin = 0; pin < RH_PCI_NR_PINS; pin++) {
            host->link[slot][pin] = (uint8_t)((slot + pin) % RH_PCI_NR_PINS);
        }
    }
}

static RhAcpi *build_acpi(Microvm *mvm)
{
    RhAcpiWindow windows[2];
    g_autofree RhPcAcpiDevices *devices = g_new0(RhPcAcpiDevices, 1);
    RhAcpiMicrovmConfig config = {
        .ged_base = GED_BASE, .ged_gsi = GED_IRQ, .sleep_base = SLEEP_BASE, .reset_value = RH_GED_RESET_VALUE,
        .has_vmgenid = rh_pc_acpi_has_vmgenid(&mvm->parent),
    };
    RhAcpi *acpi;

    rh_pc_acpi_madt(&mvm->parent, &config.madt);
    rh_pc_acpi_numa(&mvm->parent, &config.numa);
    config.madt.nr_overrides = 1;           /* the timer alone: nothing here is level-triggered below input 16 */
    rh_pc_acpi_isa(&mvm->parent, devices);
    if (mvm->pci) {
        describe_pcie(mvm, &config.pci, windows);
    }
    for (unsigned i = mvm->nr_transports; i-- > 0;) {      /* in the order in which devices took them */
        char *name = devices->names[devices->nr];

        if (is_used(mvm, i)) {
            g_snprintf(name, sizeof(devices->names[0]), "VR%02u", i);
            devices->rows[devices->nr++] = (RhAcpiDevice)RH_ACPI_VIRTIO_MMIO(
                (int)i, name, (uint32_t)(VIRTIO_BASE + i * VIRTIO_STEP), VIRTIO_STEP, mvm->virtio_irq + i);
        }
    }
    config.devices = devices->rows;
    config.nr_devices = devices->nr;
    acpi = rh_acpi_build_microvm(&config);
    g_free((void *)config.madt.cpus);
    rh_pc_acpi_numa_clear(&config.numa);
    return acpi;
}

/* A second I/O APIC is ours, and so must be the first: the ends of interrupts are told only then. */
static bool set_up_irqchip(Microvm *mvm, GError **err)
{
    RhPcMachine *pc = &mvm->parent;
    RhAccel *accel = rh_machine_vm(&pc->parent)->accel;
    bool is_wanted = mvm->ioapic2 == RH_ON || (mvm->ioapic2 == RH_AUTO && has_acpi(mvm));

    if (mvm->ioapic2 == RH_ON && !has_acpi(mvm)) {
        return rh_fail(err, "ioapic2=on needs acpi=on: nothing else describes a second I/O APIC to the guest");
    }
    if (mvm->pcie == RH_ON && !has_acpi(mvm)) {
        return rh_fail(err, "pcie=on needs acpi=on: nothing else describes the PCI Express host to the guest");
    }
    if (!rh_pc_set_up_irqchip(pc, is_wanted ? RH_IRQCHIP_SPLIT : RH_IRQCHIP_ON, pc->pit != RH_OFF, err)) {
        return false;
    }
    mvm->has_ioapic2 = is_wanted && !(accel && accel->irqchip == RH_IRQCHIP_ON);
    return mvm->has_ioapic2 || mvm->ioapic2 != RH_ON ||
           rh_fail(err, "ioapic2=on needs kernel-irqchip=split or off, it is on");
}

/* Guests that can run need one clock that tells the time of day. */
static bool wants_rtc(const Microvm *mvm)
{
    const RhVm *vm = rh_machine_vm((RhMachine *)mvm);
    const RhAccelType *accel = vm->accel ? rh_accel_type(vm->accel) : NULL;

    return mvm->rtc == RH_ON || (mvm->rtc == RH_AUTO && accel && accel->runs_guest && !accel->has_wall_clock);
}

static bool microvm_build(RhMachine *machine, GError **err)
{
    Microvm *mvm = (Microvm *)machine;
    RhPcMachine *pc = &mvm->parent;
    RhVm *vm = rh_machine_vm(machine);

    if (!rh_pc_settle_smm(pc, false, err) || !rh_pc_map_ram(pc, LOW_LIMIT, err) || !set_up_irqchip(mvm, err)) {
        return false;
    }
    mvm->isa = rh_isa_bus_new(vm, NULL, NULL, set_irq, &pc->irqs, 16);
    if (!machine->kernel || machine->firmware) {
        if (!rh_pc_load_firmware(pc, "bios-microvm.bin", rh_space_root(vm->memory), err)) {
            return false;
        }
    }
    return rh_pc_make_chips(pc, mvm->isa, wants_rtc(mvm), err) &&
           (!mvm->has_ioapic2 || rh_pc_make_ioapic2(pc, err)) && rh_pc_make_cpus(machine, err) &&
           make_pcie(mvm, err) && make_transports(mvm, err) && make_ged(mvm, err);
}

/* Where nothing else tells a guest of the transports, its command line does: those that have a device. */
static char *command_line(const Microvm *mvm)
{
    const char *append = mvm->parent.parent.append;
    GString *line = g_string_new(append ? append : "");

    for (unsigned i = mvm->nr_transports; i-- > 0 && mvm->has_auto_cmdline && !has_acpi(mvm);) {
        if (is_used(mvm, i)) {
            g_string_append_printf(line, " virtio_mmio.device=%u@0x%" PRIx64 ":%u", VIRTIO_STEP,
                                   VIRTIO_BASE + i * VIRTIO_STEP, mvm->virtio_irq + i);
        }
    }
    return g_string_free(line, FALSE);
}

static void assign_pci(Microvm *mvm)
{
    RhPciResources resources = {
        .mem32 = { mvm->pci->mmio32.base, mvm->pci->mmio32.base + mvm->pci->mmio32.size },
        .mem64 = { mvm->pci->mmio64.base, mvm->pci->mmio64.base + mvm->pci->mmio64.size },
    };

    rh_pci_assign(mvm->pci->parent.bus, &resources);
}

static void place(RhNotifier *notifier, void *data)
{
    Microvm *mvm = RH_CONTAINER(Microvm, parent.reset, notifier);

    if (mvm->pci) {
        assign_pci(mvm);
    }
    rh_direct_boot_reset(mvm->boot, rh_machine_vm(&mvm->parent.parent));
    rh_pc_acpi_place_vmgenid(&mvm->parent);
}

static uint32_t *list_apic_ids(const Microvm *mvm, unsigned *ret_nr)
{
    GPtrArray *vcpus = rh_machine_vm(&mvm->parent.parent)->vcpus;
    uint32_t *ids = g_new(uint32_t, vcpus->len);

    for (guint i = 0; i < vcpus->len; i++) {
        ids[i] = (uint32_t)((RhVcpu *)vcpus->pdata[i])->arch_id;
    }
    *ret_nr = vcpus->len;
    return ids;
}

/*
 * Without ACPI a kernel learns of CPUs and interrupt inputs from here. The pointer is in the last KiB below 640 KiB, the
 * table, which has no room there with many CPUs, where the tables of a PC are.
 */
static void add_mp_tables(Microvm *mvm)
{
    enum { POINTER_AT = 0x9fc00, TABLE_AT = RH_PC_TABLES_LOW };
    RhMpConfig config = { .ioapic_base = RH_IOAPIC_BASE, .nr_pins = RH_PC_NR_GSIS };
    g_autofree uint32_t *ids = list_apic_ids(mvm, &config.nr_cpus);
    g_autoptr(GByteArray) table = NULL;
    uint8_t pointer[RH_MP_FLOATING_SIZE];

    config.apic_ids = ids;
    table = rh_mp_build(&config);
    rh_mp_pointer(TABLE_AT, pointer);
    rh_direct_boot_add(mvm->boot, POINTER_AT, pointer, sizeof(pointer));
    rh_direct_boot_add(mvm->boot, TABLE_AT, table->data, table->len);
}

/* --- device tree --- */

static void add_serial(RhDevice *dev, GArray *ports)
{
    uint64_t port, irq;

    if (g_str_equal(dev->obj.type->name, "isa-serial") && rh_object_get_u64(&dev->obj, "iobase", &port) &&
        rh_object_get_u64(&dev->obj, "irq", &irq)) {
        uint16_t pair[] = { (uint16_t)port, (uint16_t)irq };

        g_array_append_vals(ports, pair, 2);
    }
}

static GByteArray *build_device_tree(const Microvm *mvm)
{
    const RhMachine *machine = &mvm->parent.parent;
    g_autoptr(GArray) ports = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    RhMicrovmDtTransport transports[MAX_TRANSPORTS];
    RhE820Entry map[RH_PC_MAX_RANGES];
    RhMicrovmDt config = {
        .compatible = machine->dt_compatible, .first_phandle = machine->phandle_start,
        .cmdline = machine->append ? machine->append : "", .map = map, .transports = transports,
        .ioapic_base = RH_IOAPIC_BASE, .has_rtc = mvm->parent.rtc != NULL,
    };
    g_autofree uint32_t *ids = list_apic_ids(mvm, &config.nr_cpus);

    config.apic_ids = ids;
    config.nr_map = rh_pc_memory_map(&mvm->parent, 0, 0, map);
    for (unsigned i = mvm->nr_transports; i-- > 0;) {
        if (is_used(mvm, i)) {
            transports[config.nr_transports++] =
                (RhMicrovmDtTransport){ VIRTIO_BASE + i * VIRTIO_STEP, mvm->virtio_irq + i };
        }
    }
    for (guint i = 0; i < mvm->isa->parent.devices->len; i++) {
        add_serial(mvm->isa->parent.devices->pdata[i], ports);
    }
    config.serial_ports = (const uint16_t *)(void *)ports->data;
    config.nr_serial = ports->len / 2;
    return rh_microvm_dt_new(&config);
}

static bool read_device_tree(const char *path, GByteArray **ret, GError **err)
{
    g_autoptr(GError) reason = NULL;
    gsize len;
    char *bytes;

    if (!g_file_get_contents(path, &bytes, &len, &reason)) {
        return rh_fail(err, "could not load device tree '%s': %s", path, reason->message);
    }
    *ret = g_byte_array_new_take((guint8 *)bytes, len);
    return fdt_check_full(bytes, len) == 0 || rh_fail(err, "could not load device tree '%s': it is none", path);
}

/*
 * The user's tree; else our own, where nothing else describes the machine whole. A kernel that got both MP tables and a
 * tree would count its CPUs twice, so it is one or the other (see boot_directly).
 */
static bool choose_device_tree(Microvm *mvm, GByteArray **ret, GError **err)
{
    const RhMachine *machine = &mvm->parent.parent;

    if (machine->dtb && *machine->dtb) {
        return read_device_tree(machine->dtb, ret, err);
    }
    if (!has_acpi(mvm) && !mvm->has_auto_cmdline) {
        *ret = build_device_tree(mvm);
    }
    return true;
}

static bool dump_device_tree(Microvm *mvm, GError **err)
{
    RhVm *vm = rh_machine_vm(&mvm->parent.parent);
    const char *path = mvm->parent.parent.dumpdtb;
    g_autoptr(GByteArray) tree = build_device_tree(mvm);
    g_autoptr(GError) reason = NULL;

    if (!g_file_set_contents(path, (const char *)tree->data, tree->len, &reason)) {
        return rh_fail(err, "could not write device tree '%s': %s", path, reason->message);
    }
    vm->run->start_paused = true;
    rh_request_exit(vm, 0);
    return true;
}

static bool boot_directly(Microvm *mvm, RhAcpi *acpi, GError **err)
{
    RhPcMachine *pc = &mvm->parent;
    RhMachine *machine = &pc->parent;
    g_autofree char *line = command_line(mvm);
    g_autoptr(GByteArray) tree = NULL;
    RhE820Entry map[RH_PC_MAX_RANGES];
    RhDirectBootRequest request = {
        .kernel = machine->kernel, .initrd = machine->initrd, .cmdline = line, .map = map,
    };

    if (!choose_device_tree(mvm, &tree, err)) {
        return false;
    }
    if (acpi) {
        request.rsdp = rh_pc_acpi_place(pc, acpi);
    }
    request.nr_map = rh_pc_memory_map(pc, 0, 0, map);
    request.dtb = tree;
    mvm->boot = rh_direct_boot_new(&request, err);
    if (!mvm->boot) {
        return false;
    }
    if (machine->dtb && *machine->dtb && !rh_direct_boot_takes_dtb(mvm->boot)) {
        return rh_fail(err, "Kernel '%s' takes no device tree: its boot protocol is not that of Linux", machine->kernel);
    }
    if (acpi) {
        rh_pc_acpi_add_to(mvm->boot, acpi);
    } else if (!tree || !rh_direct_boot_takes_dtb(mvm->boot)) {
        add_mp_tables(mvm);
    }
    pc->reset.fn = place;
    rh_notifier_add(&rh_machine_vm(machine)->run->reset, &pc->reset);
    return true;
}

static bool microvm_finish(RhMachine *machine, GError **err)
{
    Microvm *mvm = (Microvm *)machine;
    g_autoptr(RhAcpi) acpi = has_acpi(mvm) ? build_acpi(mvm) : NULL;

    if (!rh_pc_describe(&mvm->parent, err)) {
        return false;
    }
    if (machine->dumpdtb && *machine->dumpdtb) {
        return dump_device_tree(mvm, err);
    }
    if (machine->dtb && *machine->dtb && (!machine->kernel || machine->firmware)) {
        return rh_fail(err, "dtb=%s needs a kernel that is booted directly: -kernel without -bios", machine->dtb);
    }
    if (machine->kernel && !machine->firmware) {
        return boot_directly(mvm, acpi, err);
    }
    return !acpi || rh_pc_acpi_publish(&mvm->parent, acpi, err);
}

static void microvm_fini(RhObject *obj)
{
    Microvm *mvm = (Microvm *)obj;

    rh_notifier_remove(&mvm->parent.reset);
    rh_direct_boot_free(mvm->boot);
}

static const RhProp microvm_props[] = {
    RH_PROP_AS(rh_prop_on_off_auto, "rtc", Microvm, rtc, .doc = "Enable MC146818 RTC"),
    RH_PROP_AS(rh_prop_on_off_auto, "pcie", Microvm, pcie, .doc = "Enable PCIe"),
    RH_PROP_AS(rh_prop_on_off_auto, "ioapic2", Microvm, ioapic2, .doc = "Enable second IO-APIC"),
    RH_PROP("isa-serial", Microvm, has_isa_serial, .def = true,
            .doc = "Set off to disable the instantiation an ISA serial port"),
    RH_PROP("x-option-roms", Microvm, has_option_roms, .def = true, .doc = "Set off to disable loading option ROMs"),
    RH_PROP("auto-kernel-cmdline", Microvm, has_auto_cmdline, .def = true,
            .doc = "Set off to disable adding virtio-mmio devices to the kernel cmdline"),
};

RH_MACHINE(Microvm,
    .name             = "microvm" RH_MACHINE_SUFFIX,
    .parent           = RH_TYPE_PC_MACHINE,
    .doc              = "microvm (i386)",
    .default_cpu      = RH_X86_CPU_NAME("qemu64"),
    .max_cpus         = 288,
    .default_ram_size = UINT64_C(128) << 20,
    .default_ram_id   = "microvm.ram",
    .has_device_tree  = true,
    .props            = RH_TABLE(microvm_props),
    .build            = microvm_build,
    .finish           = microvm_finish,
    .fini             = microvm_fini);
