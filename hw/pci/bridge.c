/*
 * base-pci-bridge - what all PCI-to-PCI bridges share
 * Spec: PCI-to-PCI Bridge Architecture 1.2 §3.2, §4.  Lock: machine lock.
 *
 * The secondary bus has containers of its own; windows are aliases of them in the primary bus's.
 */
#include "hw/pci/bridge.h"
#include "hw/pci/private.h"

static RhPciBridge *bridge_of(RhPciDevice *dev)
{
    return (RhPciBridge *)dev;
}

/* --- windows --- */

static RhPciWindow io_window(const RhPciDevice *dev)
{
    uint64_t base = (dev->state.config[RH_PCI_IO_BASE] & 0xf0u) << 8;
    uint64_t limit = (dev->state.config[RH_PCI_IO_LIMIT] & 0xf0u) << 8 | 0xfff;

    if ((dev->state.config[RH_PCI_IO_BASE] & 0xf) == 1) {
        base |= (uint64_t)pci_config16(dev, RH_PCI_IO_BASE_UPPER) << 16;
        limit |= (uint64_t)pci_config16(dev, RH_PCI_IO_LIMIT_UPPER) << 16;
    }
    return (RhPciWindow){ base, limit };
}

static RhPciWindow mem_window(const RhPciDevice *dev)
{
    return (RhPciWindow){ (uint64_t)(pci_config16(dev, RH_PCI_MEMORY_BASE) & 0xfff0) << 16,
                          (uint64_t)(pci_config16(dev, RH_PCI_MEMORY_LIMIT) & 0xfff0) << 16 | 0xfffff };
}

static RhPciWindow pref_window(const RhPciDevice *dev)
{
    uint64_t base = (uint64_t)(pci_config16(dev, RH_PCI_PREF_BASE) & 0xfff0) << 16;
    uint64_t limit = (uint64_t)(pci_config16(dev, RH_PCI_PREF_LIMIT) & 0xfff0) << 16 | 0xfffff;

    if ((pci_config16(dev, RH_PCI_PREF_BASE) & 0xf) == 1) {
        base |= (uint64_t)pci_config32(dev, RH_PCI_PREF_BASE_UPPER) << 32;
        limit |= (uint64_t)pci_config32(dev, RH_PCI_PREF_LIMIT_UPPER) << 32;
    }
    return (RhPciWindow){ base, limit };
}

RhPciWindow rh_pci_bridge_window(const RhPciDevice *dev, RhPciWindowKind kind)
{
    switch (kind) {
    case RH_PCI_WINDOW_IO:  return io_window(dev);
    case RH_PCI_WINDOW_MEM: return mem_window(dev);
    default:                return pref_window(dev);
    }
}

static void place(RhRegion *alias, RhPciWindow window, bool is_open)
{
    bool is_shown = is_open && window.base <= window.limit;

    if (is_shown) {
        rh_region_set_target_offset(alias, window.base);
        rh_region_set_size(alias, window.limit - window.base + 1);
        rh_region_set_address(alias, window.base);
    }
    rh_region_set_enabled(alias, is_shown);
}

static void settle_windows(RhPciBridge *bridge)
{
    RhPciDevice *dev = &bridge->parent;
    uint16_t command = pci_config16(dev, RH_PCI_COMMAND);
    bool has_vga = pci_config16(dev, RH_PCI_BRIDGE_CONTROL) & RH_PCI_BRIDGE_VGA;

    if (!bridge->secondary) {
        return;
    }
    rh_map_begin(rh_device_vm(&dev->parent));
    place(&bridge->window_io, io_window(dev), command & RH_PCI_COMMAND_IO);
    place(&bridge->window_mem, mem_window(dev), command & RH_PCI_COMMAND_MEMORY);
    place(&bridge->window_pref, pref_window(dev), command & RH_PCI_COMMAND_MEMORY);
    rh_region_set_enabled(&bridge->window_vga, has_vga && command & RH_PCI_COMMAND_MEMORY);
    rh_region_set_enabled(&bridge->window_vga_lo, has_vga && command & RH_PCI_COMMAND_IO);
    rh_region_set_enabled(&bridge->window_vga_hi, has_vga && command & RH_PCI_COMMAND_IO);
    rh_map_end(rh_device_vm(&dev->parent));
}

static void add_window(RhPciBridge *bridge, RhRegion *alias, const char *name, RhRegion *target, uint64_t at,
                       uint64_t size)
{
    RhPciBus *primary = rh_pci_bus(&bridge->parent);

    rh_region_init_alias(alias, rh_device_vm(&bridge->parent.parent), name, target, at, size);
    rh_region_set_enabled(alias, false);
    rh_region_add_over(target == &bridge->ports ? primary->ports : primary->memory, at, alias, 1);
}

/* A bus below a bridge is called what the bridge is; below one without id, "pci.1" and so on. */
static char *bus_name(RhDevice *d, const char *type)
{
    g_autofree char *stem = g_ascii_strdown(type, -1);

    if (d->id) {
        return g_strdup(d->id);
    }
    for (unsigned n = 1;; n++) {
        g_autofree char *name = g_strdup_printf("%s.%u", stem, n);

        if (!rh_bus_find(rh_device_vm(d), name, NULL)) {
            return g_steal_pointer(&name);
        }
    }
}

void rh_pci_bridge_make_bus(RhPciBridge *bridge, const char *type)
{
    RhDevice *d = &bridge->parent.parent;
    RhVm *vm = rh_device_vm(d);
    g_autofree char *name = bus_name(d, type);
    RhPciBus *bus;

    rh_region_init_container(&bridge->memory, vm, "pci_bridge_pci", UINT64_MAX);
    rh_region_init_container(&bridge->ports, vm, "pci_bridge_io", 0x10000);
    add_window(bridge, &bridge->window_io, "pci_bridge_io", &bridge->ports, 0, 0x1000);
    add_window(bridge, &bridge->window_mem, "pci_bridge_mem", &bridge->memory, 0, 0x100000);
    add_window(bridge, &bridge->window_pref, "pci_bridge_pref_mem", &bridge->memory, 0, 0x100000);
    add_window(bridge, &bridge->window_vga, "pci_bridge_vga_mem", &bridge->memory, 0xa0000, 0x20000);
    add_window(bridge, &bridge->window_vga_lo, "pci_bridge_vga_io_lo", &bridge->ports, 0x3b0, 12);
    add_window(bridge, &bridge->window_vga_hi, "pci_bridge_vga_io_hi", &bridge->ports, 0x3c0, 32);
    bus = (RhPciBus *)rh_bus_new(vm, type, d, name);
    bus->bridge = &bridge->parent;
    bus->memory = &bridge->memory;
    bus->ports = &bridge->ports;
    bridge->secondary = bus;
}

static void bridge_unrealize(RhDevice *d)
{
    RhPciBridge *bridge = (RhPciBridge *)d;

    rh_region_fini(&bridge->window_vga_hi);
    rh_region_fini(&bridge->window_vga_lo);
    rh_region_fini(&bridge->window_vga);
    rh_region_fini(&bridge->window_pref);
    rh_region_fini(&bridge->window_mem);
    rh_region_fini(&bridge->window_io);
    rh_region_fini(&bridge->ports);
    rh_region_fini(&bridge->memory);
    bridge->secondary = NULL;
}

/* --- the header --- */

static bool bridge_realize(RhDevice *d, GError **err)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);

    rh_pci_init16(dev, RH_PCI_CLASS, 0x0604);
    rh_pci_writable32(dev, RH_PCI_PRIMARY_BUS, 0xffffffff);     /* bus numbers and secondary latency */
    if (pci_type_is_express(dev)) {
        rh_pci_writable8(dev, RH_PCI_PRIMARY_BUS + 3, 0);
    }
    rh_pci_writable8(dev, RH_PCI_IO_BASE, 0xf0);
    rh_pci_writable8(dev, RH_PCI_IO_LIMIT, 0xf0);
    rh_pci_w1c16(dev, RH_PCI_SECONDARY_STATUS, 0xf900);
    rh_pci_writable16(dev, RH_PCI_MEMORY_BASE, 0xfff0);
    rh_pci_writable16(dev, RH_PCI_MEMORY_LIMIT, 0xfff0);
    rh_pci_init16(dev, RH_PCI_PREF_BASE, 1);                    /* 64-bit addresses */
    rh_pci_init16(dev, RH_PCI_PREF_LIMIT, 1);
    rh_pci_writable16(dev, RH_PCI_PREF_BASE, 0xfff0);
    rh_pci_writable16(dev, RH_PCI_PREF_LIMIT, 0xfff0);
    rh_pci_writable32(dev, RH_PCI_PREF_BASE_UPPER, 0xffffffff);
    rh_pci_writable32(dev, RH_PCI_PREF_LIMIT_UPPER, 0xffffffff);
    rh_pci_writable16(dev, RH_PCI_BRIDGE_CONTROL,
                      RH_PCI_BRIDGE_PARITY | RH_PCI_BRIDGE_SERR | RH_PCI_BRIDGE_ISA | RH_PCI_BRIDGE_VGA |
                      RH_PCI_BRIDGE_VGA16 | RH_PCI_BRIDGE_RESET | 0x0020);
    return true;
}

static void bridge_settle(RhDevice *d)
{
    settle_windows((RhPciBridge *)d);
}

/* §3.2.5.18: the secondary bus is held in reset while the bit is set. */
static void reset_secondary(RhPciBridge *bridge)
{
    for (guint i = 0; i < bridge->secondary->parent.devices->len; i++) {
        RhDevice *below = bridge->secondary->parent.devices->pdata[i];

        if (below->is_realized) {
            rh_device_reset(below);
        }
    }
}

static void bridge_config_written(RhPciDevice *dev, unsigned at, unsigned len)
{
    RhPciBridge *bridge = bridge_of(dev);

    if (pci_overlaps(at, len, RH_PCI_COMMAND, 2) || pci_overlaps(at, len, RH_PCI_IO_BASE, 2) ||
        pci_overlaps(at, len, RH_PCI_MEMORY_BASE, 20) || pci_overlaps(at, len, RH_PCI_BRIDGE_CONTROL, 2)) {
        settle_windows(bridge);
    }
    if (pci_overlaps(at, len, RH_PCI_BRIDGE_CONTROL, 1) && bridge->secondary &&
        pci_config16(dev, RH_PCI_BRIDGE_CONTROL) & RH_PCI_BRIDGE_RESET) {
        reset_secondary(bridge);
    }
}

bool rh_pci_bridge_add_ssvid(RhPciDevice *dev, unsigned at, uint16_t vendor, uint16_t device, GError **err)
{
    uint16_t cap = rh_pci_add_capability(dev, RH_PCI_CAP_SSVID, at, 8, err);

    if (!cap) {
        return false;
    }
    rh_pci_init16(dev, cap + 4, vendor);
    rh_pci_init16(dev, cap + 6, device);
    return true;
}

/* The vendor capability by which firmware learns how much to set aside: length 0x20, type 1, then the hints. */
bool rh_pci_bridge_add_reserve(RhPciBridge *bridge, GError **err)
{
    enum { RESERVE_LEN = 0x20, RESERVE_TYPE = 1 };
    RhPciDevice *dev = &bridge->parent;
    uint16_t cap;

    if (bridge->bus_reserve == UINT32_MAX && bridge->io_reserve == UINT64_MAX && bridge->mem_reserve == UINT64_MAX &&
        bridge->pref32_reserve == UINT64_MAX && bridge->pref64_reserve == UINT64_MAX) {
        return true;
    }
    if (bridge->pref32_reserve != UINT64_MAX && bridge->pref64_reserve != UINT64_MAX) {
        return rh_fail(err, "PCI resource reserve cap: PREF32 and PREF64 conflict");
    }
    if ((bridge->mem_reserve != UINT64_MAX && bridge->mem_reserve > UINT32_MAX) ||
        (bridge->pref32_reserve != UINT64_MAX && bridge->pref32_reserve > UINT32_MAX)) {
        return rh_fail(err, "PCI resource reserve cap: mem-reserve and pref32-reserve must be less than 4G");
    }
    cap = rh_pci_add_capability(dev, RH_PCI_CAP_VENDOR, 0, RESERVE_LEN, err);
    if (!cap) {
        return false;
    }
    rh_pci_init8(dev, cap + 2, RESERVE_LEN);
    rh_pci_init8(dev, cap + 3, RESERVE_TYPE);
    rh_pci_init32(dev, cap + 4, bridge->bus_reserve);
    rh_st64(dev->initial + cap + 8, bridge->io_reserve);
    rh_pci_init32(dev, cap + 16, bridge->mem_reserve);
    rh_pci_init32(dev, cap + 20, bridge->pref32_reserve);
    rh_st64(dev->initial + cap + 24, bridge->pref64_reserve);
    return true;
}

RH_PCI_DEVICE_NAMED(bridge, RhPciBridge,
    .name        = RH_TYPE_PCI_BRIDGE_BASE,
    .parent      = RH_TYPE_PCI_DEVICE,
    .doc         = "Base of PCI bridges",
    .is_abstract = true,
    .is_bridge   = true,
    .class_id    = 0x0604,
    .category    = "Controller/Bridge/Hub",
    .realize     = bridge_realize,
    .unrealize   = bridge_unrealize,
    .settle      = bridge_settle,
    .config_written = bridge_config_written);
