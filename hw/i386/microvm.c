/*
 * microvm - a small board: virtio-mmio, a serial port, and what else is asked for
 * Layout as documented for the machine type: transports from 0xfeb00000 on, 512 bytes each, and their interrupts from
 * input 5 (without ACPI), 16, or 24 (of the second I/O APIC) on.
 */
#include "hw/core/isa.h"
#include "hw/i386/direct-boot.h"
#include "hw/acpi/ged.h"
#include "hw/i386/mptable.h"
#include "hw/intc/ioapic.h"
#include "hw/i386/pc-acpi.h"
#include "hw/i386/pc.h"
#include "hw/pci/assign.h"
#include "hw/pci/gpex.h"
#include "hw/virtio/mmio.h"
#include "target/i386/cpu.h"

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

/* Made in order of address; a device without bus= takes the last that is free (see rh_bus_find_for). */
static bool make_transports(Microvm *mvm, GError **err)
{
    RhVm *vm = rh_machine_vm(&mvm->parent.parent);

    mvm->virtio_irq = mvm->parent.irqs.ioapic2 ? VIRTIO_IRQ_IOAPIC2
                      : has_acpi(mvm)          ? VIRTIO_IRQ_ACPI
                                               : VIRTIO_IRQ_ISA;
    for (unsigned i = 0; i < (mvm->parent.irqs.ioapic2 ? MAX_TRANSPORTS : NR_TRANSPORTS); i++) {
        RhDevice *dev = rh_device_create(vm, NULL, NULL, RH_TYPE_VIRTIO_MMIO, NULL, NULL, err);
        RhVirtioMmio *mmio = (RhVirtioMmio *)dev;

        if (!dev) {
            return false;
        }
        rh_region_add(rh_space_root(vm->memory), VIRTIO_BASE + i * VIRTIO_STEP, &mmio->regs);
        rh_line_connect_fn(&mmio->irq, set_irq, &mvm->parent.irqs, mvm->virtio_irq + i);
        mvm->transports[mvm->nr_transports++] = mmio;
    }
    return true;
}

static unsigned pcie_irq(const Microvm *mvm)
{
    return mvm->parent.irqs.ioapic2 ? PCIE_IRQ_IOAPIC2 : PCIE_IRQ;
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
    config.madt.nr_overrides = 1;           /* the timer alone: nothing here is level-triggered below input 16 */
    rh_pc_acpi_isa(&mvm->parent, devices);
    if (mvm->pci) {
        describe_pcie(mvm, &config.pci, windows);
    }
    for (unsigned i = 0; i < mvm->nr_transports; i++) {
        char *name = devices->names[devices->nr];

        if (((RhBus *)mvm->transports[i]->bus)->devices->len) {
            g_snprintf(name, sizeof(devices->names[0]), "VR%02u", i);
            devices->rows[devices->nr++] = (RhAcpiDevice)RH_ACPI_VIRTIO_MMIO(
                (int)i, name, (uint32_t)(VIRTIO_BASE + i * VIRTIO_STEP), VIRTIO_STEP, mvm->virtio_irq + i);
        }
    }
    config.devices = devices->rows;
    config.nr_devices = devices->nr;
    acpi = rh_acpi_build_microvm(&config);
    g_free((void *)config.madt.cpus);
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

static bool microvm_build(RhMachine *machine, GError **err)
{
    Microvm *mvm = (Microvm *)machine;
    RhPcMachine *pc = &mvm->parent;
    RhVm *vm = rh_machine_vm(machine);

    if (!rh_pc_map_ram(pc, LOW_LIMIT, err) || !set_up_irqchip(mvm, err)) {
        return false;
    }
    mvm->isa = rh_isa_bus_new(vm, NULL, NULL, set_irq, &pc->irqs, 16);
    if (!machine->kernel || machine->firmware) {
        if (!rh_pc_load_firmware(pc, "bios-microvm.bin", rh_space_root(vm->memory), err)) {
            return false;
        }
    }
    return rh_pc_make_chips(pc, mvm->isa, mvm->rtc == RH_ON, err) &&
           (!mvm->has_ioapic2 || rh_pc_make_ioapic2(pc, err)) && rh_pc_make_cpus(machine, err) &&
           make_pcie(mvm, err) && make_transports(mvm, err) && make_ged(mvm, err);
}

/* Where nothing else tells a guest of the transports, its command line does: those that have a device. */
static char *command_line(const Microvm *mvm)
{
    const char *append = mvm->parent.parent.append;
    GString *line = g_string_new(append ? append : "");

    for (unsigned i = mvm->nr_transports; i-- > 0 && mvm->has_auto_cmdline && !has_acpi(mvm);) {
        if (((RhBus *)mvm->transports[i]->bus)->devices->len) {
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

/* Without ACPI a kernel learns of CPUs and interrupt inputs from here: the last KiB below 640 KiB. */
static bool add_mp_tables(Microvm *mvm, GError **err)
{
    enum { MP_BASE = 0x9fc00, MP_SIZE = 0x400 };
    RhMachine *machine = &mvm->parent.parent;
    GPtrArray *vcpus = rh_machine_vm(machine)->vcpus;
    g_autofree uint32_t *ids = g_new(uint32_t, vcpus->len);
    RhMpConfig config = { .apic_ids = ids, .nr_cpus = vcpus->len, .ioapic_base = RH_IOAPIC_BASE,
                          .nr_pins = RH_PC_NR_GSIS };
    g_autoptr(GByteArray) tables = NULL;

    for (guint i = 0; i < vcpus->len; i++) {
        ids[i] = (uint32_t)((RhVcpu *)vcpus->pdata[i])->arch_id;
    }
    tables = rh_mp_build(&config, MP_BASE);
    if (tables->len > MP_SIZE) {
        return rh_fail(err, "microvm with acpi=off has room for the description of 35 CPUs, not of %u", vcpus->len);
    }
    rh_direct_boot_add(mvm->boot, MP_BASE, tables->data, tables->len);
    return true;
}

static bool boot_directly(Microvm *mvm, RhAcpi *acpi, GError **err)
{
    RhPcMachine *pc = &mvm->parent;
    RhMachine *machine = &pc->parent;
    g_autofree char *line = command_line(mvm);
    RhE820Entry map[RH_PC_MAX_RANGES];
    RhDirectBootRequest request = {
        .kernel = machine->kernel, .initrd = machine->initrd, .cmdline = line, .map = map,
    };

    if (acpi) {
        request.rsdp = rh_pc_acpi_place(pc, acpi);
    }
    request.nr_map = rh_pc_memory_map(pc, 0, 0, map);
    mvm->boot = rh_direct_boot_new(&request, err);
    if (!mvm->boot) {
        return false;
    }
    if (acpi) {
        rh_pc_acpi_add_to(mvm->boot, acpi);
    } else if (!add_mp_tables(mvm, err)) {
        return false;
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
    .props            = RH_TABLE(microvm_props),
    .build            = microvm_build,
    .finish           = microvm_finish,
    .fini             = microvm_fini);
