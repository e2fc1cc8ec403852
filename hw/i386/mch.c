/*
 * mch - the Q35's memory controller hub, device 00:00.0: who answers between 640 KiB and 1 MiB, where ECAM is
 * Spec: Intel 3 Series datasheet §5.1.  Lock: machine lock.
 *
 * RAM lies under everything at the lowest 4 GiB; where a register says "not RAM", an alias of PCI covers it. A
 * segment that is write-only RAM (PAM 10b) is shown as PCI: no guest known reads back what it shadows that way.
 *
 * SMRAM is RAM that only CPUs in system management mode see, in an address space of its own: the segment of 128 KiB at 0xa0000, or at
 * 0xfeda0000 by H_SMRAME, and TSEG, the last megabytes below 4 GiB. D_OPEN shows it to everyone, until D_LCK. D_CLS (data accesses
 * of the handler go to the bus) is kept and does nothing: no firmware known sets it.
 */
#include "hw/i386/q35.h"

enum {                      /* configuration space */
    REG_EXT_TSEG = 0x50,    /* RO   megabytes of the largest TSEG */
    REG_PCIEXBAR = 0x60,    /* RW   base, bits 2:1 size, bit 0 enable */
    REG_PAM0     = 0x90,
    REG_SMRAM    = 0x9d,
    REG_ESMRAMC  = 0x9e,
};
#define SMRAM_OPEN    0x40u
#define SMRAM_ENABLE  0x08u     /* G_SMRAME */
#define SMRAM_LOCK    0x10u
#define SMRAM_BITS    0x78u
#define SMRAM_BASE    0x02u     /* C_BASE_SEG: always 0xa0000 */
#define ESMRAMC_TSEG  0x01u
#define ESMRAMC_HIGH  0x80u     /* H_SMRAME */
#define ESMRAMC_BITS  0x87u
#define ESMRAMC_FIXED 0x38u
#define PAM_READ      1u
#define PAM_WRITE     2u
#define LEGACY_START  UINT64_C(0xa0000)
#define SMRAM_SIZE    UINT64_C(0x20000)
#define SMRAM_HIGH    UINT64_C(0xfeda0000)
#define ECAM_ENABLE   0x1u
#define MIB           UINT64_C(0x100000)

/* The thirteen segments: first is all of 0xf0000, the rest 16 KiB each from 0xc0000. */
static uint64_t pam_start(unsigned i)
{
    return i == 0 ? 0xf0000 : 0xc0000 + (i - 1) * 0x4000;
}

static uint64_t pam_size(unsigned i)
{
    return i == 0 ? 0x10000 : 0x4000;
}

static unsigned pam_bits(const RhMch *mch, unsigned i)
{
    const uint8_t *config = mch->parent.state.config;

    if (i == 0) {
        return config[REG_PAM0] >> 4 & 3;
    }
    return config[REG_PAM0 + 1 + (i - 1) / 2] >> (i % 2 ? 0 : 4) & 3;
}

static void settle_pam(RhMch *mch)
{
    for (unsigned i = 0; i < RH_Q35_NR_PAM; i++) {
        unsigned bits = pam_bits(mch, i);

        rh_region_set_enabled(&mch->pam_pci[i], !(bits & PAM_READ));
        rh_region_set_enabled(&mch->pam_rom[i], bits == PAM_READ);
    }
}

static uint64_t tseg_size(const RhMch *mch)
{
    switch (mch->parent.state.config[REG_ESMRAMC] >> 1 & 3) {
    case 0:  return MIB;
    case 1:  return 2 * MIB;
    case 2:  return 8 * MIB;
    default: return mch->extended_tseg_mbytes * MIB;
    }
}

static void place_tseg(RhMch *mch, RhRegion *region, bool is_enabled)
{
    uint64_t size = tseg_size(mch);
    uint64_t start = mch->host->below_4g - size;

    is_enabled = is_enabled && mch->parent.state.config[REG_ESMRAMC] & ESMRAMC_TSEG && size && size < mch->host->below_4g;
    if (is_enabled) {
        rh_region_set_size(region, size);
        rh_region_set_address(region, start);
        if (region->kind == RH_REGION_ALIAS) {
            rh_region_set_target_offset(region, start);
        }
    }
    rh_region_set_enabled(region, is_enabled);
}

/* What CPUs in system management mode see; those of a board without that have no such space. */
static void settle_smm_memory(RhMch *mch, bool is_on, bool is_high)
{
    if (mch->smm_memory) {
        rh_region_set_address(&mch->smm_segment, is_high ? SMRAM_HIGH : LEGACY_START);
        rh_region_set_enabled(&mch->smm_segment, is_on);
        place_tseg(mch, &mch->smm_tseg, is_on);
    }
}

static void settle_smram(RhMch *mch)
{
    uint8_t *config = mch->parent.state.config;
    bool is_locked = config[REG_SMRAM] & SMRAM_LOCK;
    bool is_on = config[REG_SMRAM] & SMRAM_ENABLE;
    bool is_high = config[REG_ESMRAMC] & ESMRAMC_HIGH;
    bool is_open;

    if (is_locked) {
        config[REG_SMRAM] &= ~SMRAM_OPEN;
    }
    mch->parent.wmask[REG_SMRAM] = is_locked ? 0 : SMRAM_BITS;
    mch->parent.wmask[REG_ESMRAMC] = is_locked ? 0 : ESMRAMC_BITS;
    is_open = config[REG_SMRAM] & SMRAM_OPEN;
    rh_region_set_enabled(&mch->smram_pci, !is_open || is_high);
    rh_region_set_enabled(&mch->high_open, is_open && is_high);
    place_tseg(mch, &mch->tseg, is_on && !is_open);
    settle_smm_memory(mch, is_on, is_high);
}

static void settle_ecam(RhMch *mch)
{
    uint64_t reg = rh_ld64(mch->parent.state.config + REG_PCIEXBAR);
    unsigned shift = reg >> 1 & 3;
    uint64_t size = shift == 3 ? 0 : RH_Q35_ECAM_SIZE >> shift;

    if (!(reg & ECAM_ENABLE)) {
        size = 0;
    }
    rh_pci_host_map_ecam(&mch->host->parent, size ? reg & ~(size - 1) & 0xfffffffffULL : 0, size);
}

static void mch_settle(RhDevice *d)
{
    RhMch *mch = (RhMch *)d;

    rh_map_begin(rh_device_vm(d));
    settle_pam(mch);
    settle_smram(mch);
    settle_ecam(mch);
    rh_map_end(rh_device_vm(d));
}

static void mch_config_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    if (at < REG_ESMRAMC + 1 && at + len > REG_PCIEXBAR) {
        mch_settle(&dev->parent);
    }
}

static void cover(RhMch *mch, RhRegion *alias, const char *name, uint64_t at, uint64_t size)
{
    RhVm *vm = rh_device_vm(&mch->parent.parent);

    rh_region_init_alias(alias, vm, name, &mch->host->pci_memory, at, size);
    rh_region_add_over(rh_space_root(vm->memory), at, alias, 1);
}

static void mch_unrealize(RhDevice *d)
{
    RhMch *mch = (RhMch *)d;

    if (mch->smm_memory) {
        rh_device_vm(d)->smm_memory = NULL;
        rh_space_free(g_steal_pointer(&mch->smm_memory));
    }
    rh_region_fini(&mch->smm_tseg);
    rh_region_fini(&mch->smm_segment);
    rh_region_fini(&mch->smm_rest);
    rh_region_fini(&mch->smm_root);
    rh_region_fini(&mch->tseg);
    rh_region_fini(&mch->high_open);
    rh_region_fini(&mch->smram_pci);
    rh_region_fini(&mch->legacy_hole);
    for (unsigned i = 0; i < RH_Q35_NR_PAM; i++) {
        rh_region_fini(&mch->pam_pci[i]);
        rh_region_fini(&mch->pam_rom[i]);
    }
}

static const RhRegionOps closed_ops = { .sizes = RH_SIZE_ANY };

static void shape_config(RhMch *mch)
{
    RhPciDevice *dev = &mch->parent;

    rh_pci_init16(dev, REG_EXT_TSEG, mch->extended_tseg_mbytes);
    rh_pci_init32(dev, REG_PCIEXBAR, RH_Q35_ECAM_BASE);
    rh_pci_writable32(dev, REG_PCIEXBAR, 0xfc000007);
    rh_pci_writable32(dev, REG_PCIEXBAR + 4, 0xf);
    rh_pci_writable8(dev, REG_PAM0, 0x30);
    for (unsigned i = 1; i <= 6; i++) {
        rh_pci_writable8(dev, REG_PAM0 + i, 0x33);
    }
    rh_pci_init8(dev, REG_SMRAM, SMRAM_BASE);
    rh_pci_writable8(dev, REG_SMRAM, SMRAM_BITS);
    rh_pci_init8(dev, REG_ESMRAMC, ESMRAMC_FIXED);
    rh_pci_writable8(dev, REG_ESMRAMC, ESMRAMC_BITS);
}

/* A part of RAM, whatever lies over it elsewhere: over @container */
static void show_ram(RhMch *mch, RhRegion *alias, const char *name, RhRegion *container)
{
    RhVm *vm = rh_device_vm(&mch->parent.parent);

    rh_region_init_alias(alias, vm, name, mch->host->all_ram, LEGACY_START, SMRAM_SIZE);
    rh_region_set_enabled(alias, false);
    rh_region_add_over(container, LEGACY_START, alias, 1);
}

static void make_smm_memory(RhMch *mch)
{
    RhVm *vm = rh_device_vm(&mch->parent.parent);

    rh_region_init_container(&mch->smm_root, vm, "smm", UINT64_MAX);
    rh_region_init_alias(&mch->smm_rest, vm, "system", rh_space_root(vm->memory), 0, UINT64_MAX);
    rh_region_add(&mch->smm_root, 0, &mch->smm_rest);
    show_ram(mch, &mch->smm_segment, "smram", &mch->smm_root);
    show_ram(mch, &mch->smm_tseg, "tseg", &mch->smm_root);
    mch->smm_memory = rh_space_new(vm, "memory in SMM", &mch->smm_root);
    vm->smm_memory = mch->smm_memory;
}

static bool mch_realize(RhDevice *d, GError **err)
{
    RhMch *mch = (RhMch *)d;
    RhVm *vm = rh_device_vm(d);

    if (!rh_object_is(RH_OBJECT(d->bus->owner), RH_TYPE_Q35_HOST)) {
        return rh_fail(err, "mch must be on the root bus of %s", RH_TYPE_Q35_HOST);
    }
    mch->host = (RhQ35Host *)d->bus->owner;
    shape_config(mch);
    rh_region_init_io(&mch->legacy_hole, vm, d, "legacy-hole", &closed_ops, MIB - LEGACY_START);
    rh_region_add_over(&mch->host->pci_memory, LEGACY_START, &mch->legacy_hole, -1);
    for (unsigned i = 0; i < RH_Q35_NR_PAM; i++) {
        cover(mch, &mch->pam_pci[i], "pam-pci", pam_start(i), pam_size(i));
        rh_region_init_ram(&mch->pam_rom[i], vm, "pam-rom", mch->host->ram, pam_start(i), pam_size(i), true);
        rh_region_add_over(rh_space_root(vm->memory), pam_start(i), &mch->pam_rom[i], 1);
    }
    cover(mch, &mch->smram_pci, "smram-region", LEGACY_START, SMRAM_SIZE);
    show_ram(mch, &mch->high_open, "smram-high", rh_space_root(vm->memory));
    rh_region_set_address(&mch->high_open, SMRAM_HIGH);
    rh_region_init_io(&mch->tseg, vm, d, "tseg-blackhole", &closed_ops, MIB);
    rh_region_set_enabled(&mch->tseg, false);
    rh_region_add_over(rh_space_root(vm->memory), 0, &mch->tseg, 1);
    if (mch->host->has_smm) {
        make_smm_memory(mch);
    }
    return true;
}

static const RhProp mch_props[] = {
    RH_PROP("extended-tseg-mbytes", RhMch, extended_tseg_mbytes, .def = 16, .max = 0xfff0,
            .doc = "largest TSEG, in megabytes"),
    RH_PROP("smbase-smram", RhMch, has_smbase_smram, .def = true, .doc = "SMRAM at the default SMBASE"),
};

RH_PCI_DEVICE(RhMch,
    .name        = RH_TYPE_MCH,
    .parent      = RH_TYPE_PCI_DEVICE,
    .doc         = "Host bridge",
    .category    = "Controller/Bridge/Hub",
    .is_internal = true,
    .vendor_id   = RH_PCI_VENDOR_INTEL,
    .device_id   = 0x29c0,
    .class_id    = 0x0600,
    .props       = RH_TABLE(mch_props),
    .realize     = mch_realize,
    .unrealize   = mch_unrealize,
    .settle      = mch_settle,
    .config_written = mch_config_written);

/* --- the host bridge device that the mch is behind --- */

static bool q35_host_realize(RhDevice *d, GError **err)
{
    RhQ35Host *host = (RhQ35Host *)d;
    RhVm *vm = rh_device_vm(d);

    if (!host->ram) {
        return rh_fail(err, "Device '%s' is a part of a machine that has RAM", d->obj.type->name);
    }
    rh_region_init_container(&host->pci_memory, vm, "pci", UINT64_MAX);
    rh_region_add_over(rh_space_root(vm->memory), 0, &host->pci_memory, -1);
    host->parent.bus = rh_pci_bus_new_root(vm, RH_TYPE_PCIE_BUS, d, "pcie.0", 0, &host->pci_memory,
                                           rh_space_root(vm->ports));
    rh_pci_host_map_ports(&host->parent);
    return true;
}

static void q35_host_unrealize(RhDevice *d)
{
    rh_region_fini(&((RhQ35Host *)d)->pci_memory);
}

static const RhProp q35_host_props[] = {
    RH_PROP_AS(rh_prop_size, "pci-hole64-size", RhQ35Host, hole64_size, .def = UINT64_C(1) << 35,
               .doc = "room above RAM for 64-bit registers"),
};

RH_DEVICE(RhQ35Host,
    .name      = RH_TYPE_Q35_HOST,
    .parent    = RH_TYPE_PCI_HOST,
    .doc       = "Q35 host bridge",
    .is_internal = true,
    .props     = RH_TABLE(q35_host_props),
    .realize   = q35_host_realize,
    .unrealize = q35_host_unrealize);
