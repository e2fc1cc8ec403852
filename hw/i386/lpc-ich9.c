/*
 * ICH9-LPC - the ICH9's LPC bridge, device 00:1f.0: ISA bus, PIRQ routing, power management, reset control
 * Spec: ICH9 datasheet (316972) §10.1, §13.  Lock: machine lock.
 *
 * Invariant: bit s of gsi_sources[n] is set iff source s (ISA, SCI, PIRQ p) drives interrupt input n; the board's
 * input is their OR.
 */
#include "hw/i386/q35.h"
#include "softmmu/runstate.h"

enum {                      /* configuration space, §13.1 */
    REG_PMBASE    = 0x40,
    REG_ACPI_CTL  = 0x44,
    REG_PIRQA     = 0x60,
    REG_PIRQE     = 0x68,
    REG_GEN_PMCON = 0xa0,
    REG_RCBA      = 0xf0,
};
#define ACPI_ENABLE      0x80u
#define ACPI_SCI         0x07u
#define PIRQ_OFF         0x80u
#define PIRQ_IRQ         0x0fu
#define RCBA_ENABLE      0x1u
#define PMCON_SMI_LOCK   0x10u      /* until reset */

enum {                      /* chipset configuration registers, §10.1 */
    RCRB_D31IR = 0x3140,
    RCRB_D30IR = 0x3142,
    RCRB_D29IR = 0x3144,
    RCRB_D28IR = 0x3146,
    RCRB_D27IR = 0x3148,
    RCRB_D26IR = 0x314c,
    RCRB_D25IR = 0x3150,
};
enum { SOURCE_ISA = 0, SOURCE_SCI = 1, SOURCE_PIRQ = 8 };
enum { APM_ACPI_ENABLE = 2, APM_ACPI_DISABLE = 3 };
#define SMI_ENABLE_APM   0x20u
#define RESET_CPU      0x04u
#define RESET_KEPT     0x0au
#define FIRST_ROUTED_SLOT 25u

/* --- interrupts --- */

static void drive(RhIch9Lpc *lpc, unsigned gsi, unsigned source, int level)
{
    uint32_t was = lpc->gsi_sources[gsi];
    uint32_t is = level ? was | 1u << source : was & ~(1u << source);

    lpc->gsi_sources[gsi] = is;
    if (!was != !is && lpc->set_gsi) {
        lpc->set_gsi(lpc->gsi_opaque, gsi, is != 0);
    }
}

static void isa_irq(void *opaque, unsigned irq, int level)
{
    if (irq < RH_ICH9_NR_GSIS) {
        drive(opaque, irq, SOURCE_ISA, level);
    }
}

static unsigned sci_gsi(const RhIch9Lpc *lpc)
{
    static const uint8_t gsis[8] = { 9, 10, 11, 9, 20, 21, 22, 23 };

    return gsis[lpc->parent.state.config[REG_ACPI_CTL] & ACPI_SCI];
}

static void set_sci(RhDevice *d, int level)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)d;
    unsigned target = sci_gsi(lpc);

    for (unsigned gsi = 9; gsi < RH_ICH9_NR_GSIS; gsi++) {
        if (gsi != target) {
            drive(lpc, gsi, SOURCE_SCI, 0);
        }
    }
    drive(lpc, target, SOURCE_SCI, level);
}

static uint8_t pirq_route(const RhIch9Lpc *lpc, unsigned pirq)
{
    return lpc->parent.state.config[pirq < 4 ? REG_PIRQA + pirq : REG_PIRQE + pirq - 4];
}

/* PIRQ n reaches input 16 + n always, and the legacy interrupt that its route register names. */
static void settle_pirq(RhIch9Lpc *lpc, unsigned pirq)
{
    uint8_t route = pirq_route(lpc, pirq);
    int level = lpc->regs.pirq_levels >> pirq & 1;

    for (unsigned irq = 0; irq < 16; irq++) {
        bool is_here = !(route & PIRQ_OFF) && (route & PIRQ_IRQ) == irq;

        drive(lpc, irq, SOURCE_PIRQ + pirq, is_here && level);
    }
    drive(lpc, 16 + pirq, SOURCE_PIRQ + pirq, level);
}

static void set_pirq(void *opaque, unsigned pirq, int level)
{
    RhIch9Lpc *lpc = opaque;

    lpc->regs.pirq_levels = (lpc->regs.pirq_levels & ~(1u << pirq)) | (level ? 1u << pirq : 0);
    settle_pirq(lpc, pirq);
}

/* Devices 25 to 31 have a route register each; the others go round through E to H, slot 30 straight there. */
static unsigned map_pirq(void *opaque, uint8_t devfn, unsigned pin)
{
    static const uint16_t route_at[] = {
        RCRB_D25IR, RCRB_D26IR, RCRB_D27IR, RCRB_D28IR, RCRB_D29IR, RCRB_D30IR, RCRB_D31IR,
    };
    const RhIch9Lpc *lpc = opaque;
    unsigned slot = RH_PCI_SLOT(devfn);

    if (slot < FIRST_ROUTED_SLOT) {
        return 4 + (slot + pin) % 4;
    }
    if (slot == 30) {
        return 4 + pin;
    }
    return rh_ld16(lpc->regs.rcrb + route_at[slot - FIRST_ROUTED_SLOT]) >> (4 * pin) & 7;
}

void rh_ich9_connect_pci(RhIch9Lpc *lpc, RhPciBus *bus)
{
    rh_pci_bus_set_irqs(bus, RH_ICH9_NR_PIRQS, map_pirq, set_pirq, lpc);
}

/* --- power management, APM, reset --- */

static uint64_t pm_ports_read(RhDevice *d, uint64_t at, unsigned size)
{
    return rh_ich9_pm_read(&((RhIch9Lpc *)d)->pm, at, size);
}

static void pm_ports_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    rh_ich9_pm_write(&((RhIch9Lpc *)d)->pm, at, value, size);
}

static uint64_t apm_ports_read(RhDevice *d, uint64_t at, unsigned size)
{
    const RhIch9LpcState *regs = &((RhIch9Lpc *)d)->regs;

    return at == 0 ? regs->apm_control : regs->apm_status;
}

static void apm_ports_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)d;

    if (at == 1) {
        lpc->regs.apm_status = value;
        return;
    }
    lpc->regs.apm_control = value;
    /* That is for firmware's handler to do; but there is none after a direct boot, and SeaBIOS's leaves it to the board. */
    if (value == APM_ACPI_ENABLE || value == APM_ACPI_DISABLE) {
        rh_ich9_pm_set_acpi(&lpc->pm, value == APM_ACPI_ENABLE);
    }
    if (lpc->raise_smi && rh_ich9_pm_apm_written(&lpc->pm)) {
        lpc->raise_smi(lpc->smi_opaque, lpc->regs.smi_features & RH_SMI_BROADCAST);
    }
}

static uint64_t reset_port_read(RhDevice *d, uint64_t at, unsigned size)
{
    return ((RhIch9Lpc *)d)->regs.reset_control;
}

static void reset_port_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)d;

    if (value & RESET_CPU) {
        rh_request_reset(rh_device_vm(d), QMP_SHUTDOWN_CAUSE_GUEST_RESET);
        return;
    }
    lpc->regs.reset_control = value & RESET_KEPT;
}

static uint64_t rcrb_read(RhDevice *d, uint64_t at, unsigned size)
{
    return rh_ld(((RhIch9Lpc *)d)->regs.rcrb + at, size);
}

static void rcrb_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)d;
    uint8_t *rcrb = lpc->regs.rcrb;

    rh_st(rcrb + at, value, size);
    if (at + size > RCRB_D31IR && at < RCRB_D25IR + 2) {
        for (unsigned reg = RCRB_D31IR; reg <= RCRB_D25IR; reg += 2) {
            rh_st16(rcrb + reg, rh_ld16(rcrb + reg) & 0x7777);
        }
        rh_pci_bus_remap_irqs(rh_pci_bus(&lpc->parent));
    }
}

/* --- where the register blocks appear --- */

static void settle_maps(RhIch9Lpc *lpc)
{
    RhVm *vm = rh_device_vm(&lpc->parent.parent);
    const uint8_t *config = lpc->parent.state.config;
    uint16_t pm_base = config[REG_ACPI_CTL] & ACPI_ENABLE ? rh_ld16(config + REG_PMBASE) & 0xff80 : 0;
    uint32_t rcba = rh_ld32(config + REG_RCBA);
    uint32_t rcrb_base = rcba & RCBA_ENABLE ? rcba & ~(RH_ICH9_RCRB_SIZE - 1u) : 0;

    rh_map_begin(vm);
    if (pm_base != lpc->pm_base_mapped) {
        rh_region_remove(&lpc->pm_ports);
        if (pm_base) {
            rh_region_add_over(rh_space_root(vm->ports), pm_base, &lpc->pm_ports, 1);
        }
        lpc->pm_base_mapped = pm_base;
    }
    if (rcrb_base != lpc->rcba_mapped) {
        rh_region_remove(&lpc->rcrb);
        if (rcrb_base) {
            rh_region_add_over(rh_space_root(vm->memory), rcrb_base, &lpc->rcrb, 1);
        }
        lpc->rcba_mapped = rcrb_base;
    }
    rh_map_end(vm);
}

static void lpc_config_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)dev;

    lpc->pm.is_smi_locked = dev->state.config[REG_GEN_PMCON] & PMCON_SMI_LOCK;
    dev->wmask[REG_GEN_PMCON] = lpc->pm.is_smi_locked ? 0 : PMCON_SMI_LOCK;
    settle_maps(lpc);
    rh_ich9_pm_settle(&lpc->pm);
    for (unsigned pirq = 0; pirq < RH_ICH9_NR_PIRQS; pirq++) {
        settle_pirq(lpc, pirq);
    }
}

/* --- life --- */

static void lpc_settle(RhDevice *d)
{
    lpc_config_written(RH_PCI_DEVICE_OF(d), 0, 0);
}

static void lpc_reset(RhDevice *d)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)d;
    static const uint16_t routes[] = {
        RCRB_D31IR, RCRB_D30IR, RCRB_D29IR, RCRB_D28IR, RCRB_D27IR, RCRB_D26IR, RCRB_D25IR,
    };

    for (size_t i = 0; i < RH_COUNT(routes); i++) {
        rh_st16(lpc->regs.rcrb + routes[i], 0x3210);
    }
    /* Where no CPU takes SMIs: firmware that finds them enabled already leaves system management mode alone (SeaBIOS
     * would wait for its handler for ever). */
    lpc->regs.pm.smi_enable = lpc->raise_smi ? 0 : SMI_ENABLE_APM;
    lpc->regs.pm.timer_seen_ns = rh_clock_now(rh_device_vm(d)->clock);
}

static void lpc_unrealize(RhDevice *d)
{
    rh_ich9_pm_fini(&((RhIch9Lpc *)d)->pm);
}

static void shape_config(RhPciDevice *dev)
{
    rh_pci_init32(dev, REG_PMBASE, 1);
    rh_pci_writable32(dev, REG_PMBASE, 0xff80);
    rh_pci_writable8(dev, REG_ACPI_CTL, ACPI_ENABLE | ACPI_SCI);
    for (unsigned i = 0; i < 4; i++) {
        rh_pci_init8(dev, REG_PIRQA + i, PIRQ_OFF);
        rh_pci_writable8(dev, REG_PIRQA + i, PIRQ_OFF | PIRQ_IRQ);
        rh_pci_init8(dev, REG_PIRQE + i, PIRQ_OFF);
        rh_pci_writable8(dev, REG_PIRQE + i, PIRQ_OFF | PIRQ_IRQ);
    }
    rh_pci_writable8(dev, REG_GEN_PMCON, PMCON_SMI_LOCK);
    rh_pci_writable32(dev, REG_RCBA, ~(RH_ICH9_RCRB_SIZE - 1u) | RCBA_ENABLE);
}

static bool lpc_realize(RhDevice *d, GError **err)
{
    RhIch9Lpc *lpc = (RhIch9Lpc *)d;
    RhVm *vm = rh_device_vm(d);

    shape_config(&lpc->parent);
    lpc->isa = rh_isa_bus_new(vm, d, NULL, isa_irq, lpc, 16);
    rh_ich9_pm_init(&lpc->pm, d, &lpc->regs.pm, set_sci);
    lpc->pm.has_s3 = !lpc->disable_s3;
    lpc->pm.has_s4 = !lpc->disable_s4;
    lpc->pm.s4_type = lpc->s4_val;
    rh_region_add(rh_space_root(vm->ports), 0xb2, &lpc->apm_ports);
    rh_region_add_over(rh_space_root(vm->ports), 0xcf9, &lpc->reset_port, 1);
    return true;
}

static const RhProp lpc_props[] = {
    RH_PROP("disable_s3", RhIch9Lpc, disable_s3, .max = 1, .doc = "no suspend to RAM"),
    RH_PROP("disable_s4", RhIch9Lpc, disable_s4, .max = 1, .doc = "no suspend to disk"),
    RH_PROP("s4_val", RhIch9Lpc, s4_val, .def = 2, .max = 7, .doc = "sleep type of suspend to disk"),
    RH_PROP("noreboot", RhIch9Lpc, no_reboot, .def = true, .doc = "strap: the TCO watchdog does not reboot"),
    RH_PROP("smm-compat", RhIch9Lpc, is_smm_compat, .doc = "APM by the rules of old machines"),
    RH_PROP("x-smi-broadcast", RhIch9Lpc, has_smi_broadcast, .def = true, .doc = "on/off"),
    RH_PROP("x-smi-cpu-hotplug", RhIch9Lpc, has_smi_cpu_hotplug, .def = true, .doc = "on/off"),
    RH_PROP("x-smi-cpu-hotunplug", RhIch9Lpc, has_smi_cpu_hotunplug, .def = true, .doc = "on/off"),
};
static const RhRegionDesc lpc_regions[] = {
    RH_REGION(RhIch9Lpc, pm_ports, .span = RH_ICH9_PM_SPAN, .read = pm_ports_read, .write = pm_ports_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(RhIch9Lpc, apm_ports, .span = 2, .read = apm_ports_read, .write = apm_ports_write, .sizes = RH_SIZE_1),
    RH_REGION(RhIch9Lpc, reset_port, .span = 1, .read = reset_port_read, .write = reset_port_write,
              .sizes = RH_SIZE_1),
    RH_REGION(RhIch9Lpc, rcrb, .span = RH_ICH9_RCRB_SIZE, .read = rcrb_read, .write = rcrb_write),
};
static const RhField pm_fields[] = {
    RH_FIELD(RhIch9PmRegs, pm1_status),
    RH_FIELD(RhIch9PmRegs, pm1_enable),
    RH_FIELD(RhIch9PmRegs, pm1_control),
    RH_FIELD(RhIch9PmRegs, gpe_status),
    RH_FIELD(RhIch9PmRegs, gpe_enable),
    RH_FIELD(RhIch9PmRegs, smi_enable),
    RH_FIELD(RhIch9PmRegs, smi_status),
    RH_FIELD(RhIch9PmRegs, timer_seen_ns, .max = INT64_MAX),
};
static const RhField lpc_fields[] = {
    RH_FIELD_STRUCT(RhIch9LpcState, pm, pm_fields),
    RH_FIELD(RhIch9LpcState, apm_control),
    RH_FIELD(RhIch9LpcState, apm_status),
    RH_FIELD(RhIch9LpcState, reset_control, .valid = RESET_KEPT),
    RH_FIELD_BYTES(RhIch9LpcState, rcrb),
    RH_FIELD(RhIch9LpcState, pirq_levels),
    RH_FIELD(RhIch9LpcState, smi_wanted, .since = 2),
    RH_FIELD(RhIch9LpcState, smi_features, .valid = RH_SMI_BROADCAST, .since = 2),
    RH_FIELD(RhIch9LpcState, is_smi_agreed, .max = 1, .since = 2),
};
static const RhIch9LpcState lpc_at_reset = { .apm_control = 0 };

RH_PCI_DEVICE(RhIch9Lpc,
    .name        = RH_TYPE_ICH9_LPC,
    .parent      = RH_TYPE_PCI_DEVICE,
    .doc         = "ICH9 LPC bridge",
    .category    = "Controller/Bridge/Hub",
    .is_internal = true,
    .vendor_id   = RH_PCI_VENDOR_INTEL,
    .device_id   = 0x2918,
    .revision    = 2,
    .class_id    = 0x0601,
    .props       = RH_TABLE(lpc_props),
    .regions     = RH_TABLE(lpc_regions),
    .state       = RH_STATE(RhIch9Lpc, regs, lpc_at_reset, .version = 2, .fields = RH_TABLE(lpc_fields)),
    .realize     = lpc_realize,
    .unrealize   = lpc_unrealize,
    .reset       = lpc_reset,
    .settle      = lpc_settle,
    .config_written = lpc_config_written);
