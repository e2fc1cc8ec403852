/*
 * gpex-pcihost - generic PCI Express host bridge, with device 00:00.0 behind it
 * Spec: PCIe 4.0 §7.2.2 (ECAM); the swizzle of pins is that of bridges, bridges 1.2 §9.1.  Lock: machine lock.
 */
#include "hw/pci/gpex.h"

static unsigned swizzle(void *opaque, uint8_t devfn, unsigned pin)
{
    return (RH_PCI_SLOT(devfn) + pin) % RH_PCI_NR_PINS;
}

static void set_irq(void *opaque, unsigned irq, int level)
{
    rh_line_set(&((RhGpexHost *)opaque)->irq[irq], level);
}

static void map_window(RhGpexHost *host, RhRegion *alias, const char *name, const RhGpexWindow *window)
{
    RhVm *vm = rh_device_vm(&host->parent.parent);

    if (window->size) {
        rh_region_init_alias(alias, vm, name, &host->pci_memory, window->base, window->size);
        rh_region_add(rh_space_root(vm->memory), window->base, alias);
    }
}

static bool gpex_host_realize(RhDevice *d, GError **err)
{
    RhGpexHost *host = (RhGpexHost *)d;
    RhVm *vm = rh_device_vm(d);
    static const char *const root_props[] = { "addr", "0.0", NULL };

    if (!host->config.size) {
        return rh_fail(err, "Device '%s' is a part of a machine that has room for it", d->obj.type->name);
    }
    rh_region_init_container(&host->pci_memory, vm, "gpex_mmio", UINT64_MAX);
    rh_region_init_container(&host->pci_ports, vm, "gpex_ioport", UINT64_C(0x10000));
    rh_map_begin(vm);
    map_window(host, &host->low_window, "gpex_mmio_window", &host->mmio32);
    map_window(host, &host->high_window, "gpex_mmio_window_high", &host->mmio64);
    rh_map_end(vm);
    host->parent.bus = rh_pci_bus_new_root(vm, RH_TYPE_PCIE_BUS, d, "pcie.0", 0, &host->pci_memory, &host->pci_ports);
    rh_pci_bus_set_irqs(host->parent.bus, RH_PCI_NR_PINS, swizzle, set_irq, host);
    rh_pci_host_map_ecam(&host->parent, host->config.base, host->config.size);
    return rh_device_create(vm, &d->obj, "gpex_root", RH_TYPE_GPEX_ROOT, &host->parent.bus->parent, root_props, err);
}

static void gpex_host_unrealize(RhDevice *d)
{
    RhGpexHost *host = (RhGpexHost *)d;

    rh_region_fini(&host->high_window);
    rh_region_fini(&host->low_window);
    rh_region_fini(&host->pci_ports);
    rh_region_fini(&host->pci_memory);
}

static const RhLineDesc gpex_host_lines[] = {
    { .offset = offsetof(RhGpexHost, irq), .nr = RH_PCI_NR_PINS },
};

RH_DEVICE(RhGpexHost,
    .name      = RH_TYPE_GPEX_HOST,
    .parent    = RH_TYPE_PCI_HOST,
    .doc       = "Generic PCI Express host bridge",
    .is_internal = true,
    .lines     = RH_TABLE(gpex_host_lines),
    .realize   = gpex_host_realize,
    .unrealize = gpex_host_unrealize);

/* --- device 00:00.0 --- */

typedef struct GpexRoot {
    RhPciDevice parent;
} GpexRoot;

RH_PCI_DEVICE(GpexRoot,
    .name        = RH_TYPE_GPEX_ROOT,
    .parent      = RH_TYPE_PCI_DEVICE,
    .doc         = "Host bridge of the generic PCI Express host",
    .category    = "Controller/Bridge/Hub",
    .is_internal = true,
    .vendor_id   = RH_PCI_VENDOR_REDHAT,
    .device_id   = 0x0008,
    .class_id    = 0x0600);
