/*
 * Base address registers: where a device's regions appear. Spec: PCI 3.0 §6.2.5.
 */
#include "hw/core/machine.h"
#include "hw/pci/pci.h"
#include "hw/pci/private.h"

enum { MAX_ROM_SIZE = 16 * 1024 * 1024 };

static unsigned bar_offset(const RhPciDevice *dev, unsigned index)
{
    if (index != RH_PCI_ROM_SLOT) {
        return RH_PCI_BAR0 + index * 4;
    }
    return pci_type_is_bridge(dev) ? RH_PCI_BRIDGE_ROM_BAR : RH_PCI_ROM_BAR;
}

static uint64_t round_up_size(uint64_t size, uint64_t least)
{
    uint64_t pow2 = least;

    while (pow2 < size) {
        pow2 <<= 1;
    }
    return pow2;
}

void rh_pci_add_bar(RhPciDevice *dev, unsigned index, RhRegion *region, unsigned flags)
{
    RhPciBar *bar = &dev->bars[index];
    unsigned at = bar_offset(dev, index);
    uint64_t size = round_up_size(region->size, flags & RH_PCI_BAR_IO ? 4 : 16);
    uint64_t mask = ~(size - 1);

    g_assert(index < RH_PCI_NR_BARS && !bar->region);
    g_assert(!(flags & RH_PCI_BAR_MEM64) || index < 5);
    bar->region = region;
    bar->size = size;
    bar->flags = flags;
    bar->addr = RH_PCI_UNMAPPED;
    if (index == RH_PCI_ROM_SLOT) {
        rh_pci_writable32(dev, at, mask | RH_PCI_ROM_ENABLE);
        return;
    }
    rh_pci_init32(dev, at, flags);
    rh_pci_writable32(dev, at, mask & ~0xfu);
    if (flags & RH_PCI_BAR_IO) {
        rh_pci_writable32(dev, at, mask & ~3u);
    }
    if (flags & RH_PCI_BAR_MEM64 && !(flags & RH_PCI_BAR_IO)) {
        rh_pci_writable32(dev, at + 4, mask >> 32);
    }
}

static bool is_io(const RhPciBar *bar)
{
    return bar->flags & RH_PCI_BAR_IO;
}

static bool is_64bit(const RhPciBar *bar)
{
    return !is_io(bar) && bar->flags & RH_PCI_BAR_MEM64;
}

/* An address that cannot be (0, past the end: what sizing leaves there for a moment) maps nothing. */
static uint64_t bar_address(const RhPciDevice *dev, unsigned index)
{
    const RhPciBar *bar = &dev->bars[index];
    uint16_t command = pci_config16(dev, RH_PCI_COMMAND);
    unsigned at = bar_offset(dev, index);
    uint64_t addr = pci_config32(dev, at);
    uint64_t highest = is_io(bar) ? 0xffff : is_64bit(bar) ? UINT64_MAX - 1 : UINT32_MAX - 1;

    if (!(command & (is_io(bar) ? RH_PCI_COMMAND_IO : RH_PCI_COMMAND_MEMORY)) ||
        (index == RH_PCI_ROM_SLOT && !(addr & RH_PCI_ROM_ENABLE))) {
        return RH_PCI_UNMAPPED;
    }
    if (is_64bit(bar)) {
        addr |= (uint64_t)pci_config32(dev, at + 4) << 32;
    }
    addr &= ~(bar->size - 1);
    if (!addr || addr > highest || bar->size - 1 > highest - addr) {
        return RH_PCI_UNMAPPED;
    }
    return addr;
}

static void move_bar(RhPciDevice *dev, RhPciBar *bar, uint64_t addr)
{
    RhPciBus *bus = rh_pci_bus(dev);
    RhRegion *space = is_io(bar) ? bus->ports : bus->memory;

    if (bar->addr == addr) {
        return;
    }
    if (bar->addr != RH_PCI_UNMAPPED) {
        rh_region_remove(bar->region);
    }
    bar->addr = addr;
    if (addr != RH_PCI_UNMAPPED) {
        rh_region_add_over(space, addr, bar->region, 1);
    }
}

void pci_bars_update(RhPciDevice *dev)
{
    rh_map_begin(rh_device_vm(&dev->parent));
    for (unsigned i = 0; i < RH_PCI_NR_BARS; i++) {
        if (dev->bars[i].region) {
            move_bar(dev, &dev->bars[i], bar_address(dev, i));
        }
    }
    rh_map_end(rh_device_vm(&dev->parent));
}

void pci_bars_unmap(RhPciDevice *dev)
{
    for (unsigned i = 0; i < RH_PCI_NR_BARS; i++) {
        if (dev->bars[i].region) {
            move_bar(dev, &dev->bars[i], RH_PCI_UNMAPPED);
        }
    }
}

/* --- option ROM --- */

static const char *default_romfile(const RhPciDevice *dev)
{
    const RhType *type = dev->parent.obj.type;

    for (; !g_str_equal(type->name, RH_TYPE_PCI_DEVICE); type = rh_type_parent(type)) {
        if (((const RhPciDeviceType *)type)->romfile) {
            return ((const RhPciDeviceType *)type)->romfile;
        }
    }
    return NULL;
}

static bool load_rom(RhPciDevice *dev, const char *path, GError **err)
{
    RhVm *vm = rh_device_vm(&dev->parent);
    g_autoptr(RhRam) ram = NULL;
    g_autofree char *contents = NULL;
    uint64_t size;
    gsize len;

    if (!g_file_get_contents(path, &contents, &len, err)) {
        return false;
    }
    if (len == 0 || len > MAX_ROM_SIZE) {
        return rh_fail(err, "romfile \"%s\" has %zu bytes, must be 1 to %d", path, len, MAX_ROM_SIZE);
    }
    size = round_up_size(len, 2048);
    if (dev->romsize != UINT32_MAX) {
        if (dev->romsize < len || dev->romsize & (dev->romsize - 1) || dev->romsize > MAX_ROM_SIZE) {
            return rh_fail(err, "romsize %u, must be a power of two of %zu to %d for \"%s\"", dev->romsize, len,
                           MAX_ROM_SIZE, path);
        }
        size = MAX(dev->romsize, 2048u);
    }
    ram = rh_ram_new("pci.rom", rh_align_up(size, 4096), NULL, err);
    if (!ram) {
        return false;
    }
    memcpy(ram->host, contents, len);
    rh_region_init_ram(&dev->rom, vm, "pci.rom", ram, 0, size, true);
    rh_pci_add_bar(dev, RH_PCI_ROM_SLOT, &dev->rom, RH_PCI_BAR_MEM32);
    return true;
}

/* A default ROM that the distribution does not ship is no failure; one that the user named is. */
bool pci_rom_realize(RhPciDevice *dev, GError **err)
{
    const char *name = dev->romfile ? dev->romfile : default_romfile(dev);
    g_autofree char *path = NULL;
    RhMachine *machine;

    if (!name || !*name || !dev->rombar) {
        return true;
    }
    machine = rh_machine_of(rh_device_vm(&dev->parent));
    path = machine ? rh_machine_path(machine, name, dev->romfile ? err : NULL) : g_strdup(name);
    if (!path) {
        return !dev->romfile;
    }
    return load_rom(dev, path, err);
}
