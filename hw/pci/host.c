/*
 * pci-host-bridge - the CPU's ways into configuration space
 * Spec: PCI 3.0 §3.2.2.3.2 (ports), PCIe 4.0 §7.2.2 (memory).  Lock: machine lock.
 */
#include "hw/pci/host.h"
#include "hw/pci/private.h"

enum {
    PORT_ADDRESS = 0xcf8,
    PORT_DATA    = 0xcfc,
};
#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_VALID  0x80fffffcu

static RhPciDevice *addressed(RhPciHost *host)
{
    uint32_t address = host->regs.config_address;

    if (!(address & ADDRESS_ENABLE) || !host->bus) {
        return NULL;
    }
    return rh_pci_find_device(host->bus, address >> 16 & 0xff, address >> 8 & 0xff);
}

static uint64_t address_read(RhDevice *d, uint64_t at, unsigned size)
{
    return size == 4 ? ((RhPciHost *)d)->regs.config_address : rh_bits(size * 8);
}

/* Only whole 32-bit writes reach the register, §3.2.2.3.2. */
static void address_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    if (at == 0 && size == 4) {
        ((RhPciHost *)d)->regs.config_address = value & ADDRESS_VALID;
    }
}

static uint64_t data_read(RhDevice *d, uint64_t at, unsigned size)
{
    RhPciHost *host = (RhPciHost *)d;
    RhPciDevice *dev = addressed(host);

    if (!dev) {
        return rh_bits(size * 8);
    }
    return rh_pci_config_read(dev, (host->regs.config_address & 0xfc) + at, size);
}

static void data_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhPciHost *host = (RhPciHost *)d;
    RhPciDevice *dev = addressed(host);

    if (dev) {
        rh_pci_config_write(dev, (host->regs.config_address & 0xfc) + at, value, size);
    }
}

static uint64_t ecam_read(RhDevice *d, uint64_t at, unsigned size)
{
    RhPciHost *host = (RhPciHost *)d;
    RhPciDevice *dev = host->bus ? rh_pci_find_device(host->bus, at >> 20, at >> 12 & 0xff) : NULL;

    return dev ? rh_pci_config_read(dev, at & 0xfff, size) : rh_bits(size * 8);
}

static void ecam_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhPciHost *host = (RhPciHost *)d;
    RhPciDevice *dev = host->bus ? rh_pci_find_device(host->bus, at >> 20, at >> 12 & 0xff) : NULL;

    if (dev) {
        rh_pci_config_write(dev, at & 0xfff, value, size);
    }
}

void rh_pci_host_map_ports(RhPciHost *host)
{
    RhRegion *ports = rh_space_root(rh_device_vm(&host->parent)->ports);

    rh_region_add(ports, PORT_ADDRESS, &host->address_port);
    rh_region_add(ports, PORT_DATA, &host->data_port);
}

void rh_pci_host_map_ecam(RhPciHost *host, uint64_t base, uint64_t size)
{
    RhVm *vm = rh_device_vm(&host->parent);

    if (base == host->ecam_base && size == host->ecam_size) {
        return;
    }
    rh_map_begin(vm);
    rh_region_remove(&host->ecam);
    host->ecam_base = size ? base : 0;
    host->ecam_size = size;
    if (size) {
        rh_region_set_size(&host->ecam, size);
        rh_region_add(rh_space_root(vm->memory), base, &host->ecam);
    }
    rh_map_end(vm);
}

static bool find_host(RhObject *obj, void *opaque)
{
    if (rh_object_is(obj, RH_TYPE_PCI_HOST)) {
        *(RhPciHost **)opaque = (RhPciHost *)obj;
        return false;
    }
    return true;
}

RhPciHost *rh_pci_host_find(RhVm *vm)
{
    RhPciHost *host = NULL;

    rh_object_foreach(vm->root, find_host, &host);
    return host;
}

static const RhRegionDesc host_regions[] = {
    RH_REGION(RhPciHost, address_port, .span = 4, .read = address_read, .write = address_write, .sizes = RH_SIZE_ANY,
              .is_unaligned_ok = true),
    RH_REGION(RhPciHost, data_port, .span = 4, .read = data_read, .write = data_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(RhPciHost, ecam, .span = 0x100000, .read = ecam_read, .write = ecam_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
};
static const RhField host_fields[] = {
    RH_FIELD(RhPciHostState, config_address, .valid = ADDRESS_VALID),
};
static const RhPciHostState host_at_reset = { .config_address = 0 };

RH_DEVICE(RhPciHost,
    .name        = RH_TYPE_PCI_HOST,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Base of host bridges",
    .is_abstract = true,
    .is_internal = true,
    .category    = "Controller/Bridge/Hub",
    .regions     = RH_TABLE(host_regions),
    .state       = RH_STATE(RhPciHost, regs, host_at_reset, .version = 1, .fields = RH_TABLE(host_fields)));
