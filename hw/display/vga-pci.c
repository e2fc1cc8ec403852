/*
 * VGA - PCI display adapter: frame buffer in BAR 0, registers in BAR 2, and the old ports and window.
 * BAR 2: EDID at 0, VGA ports 0x3c0 to 0x3df at 0x400, display registers at 0x500, extended registers at 0x600.
 * Spec: "QEMU Standard VGA", documented interface.  Lock: machine lock (the default).
 */
#include "hw/display/edid.h"
#include "hw/display/vga.h"
#include "hw/pci/pci.h"

enum { MMIO_PORTS = 0x400, MMIO_DISPI = 0x500, MMIO_EXT = 0x600, MMIO_SPAN = 0x1000 };
enum { EXT_SIZE = 0, EXT_ENDIAN = 4, EXT_SPAN = 8 };
#define ENDIAN_LITTLE 0x1e1e1e1eu

typedef struct VgaPci {
    RhPciDevice parent;
    uint32_t vgamem_mb;         /* properties */
    bool has_mmio;
    bool has_edid;
    bool has_extended;
    RhEdid monitor;
    uint8_t edid[RH_EDID_SIZE]; /* wiring: follows from the properties */
    RhRegion ports;
    RhRegion window;
    RhRegion dispi;
    RhRegion mmio;
    RhVga vga;
} VgaPci;

static RhVga *vga_of(RhDevice *dev)
{
    return &((VgaPci *)dev)->vga;
}

static uint64_t ports_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_vga_port_read(vga_of(dev), at);
}

static void ports_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_vga_port_write(vga_of(dev), at, value);
}

static uint64_t window_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_vga_window_read(vga_of(dev), at);
}

static void window_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_vga_window_write(vga_of(dev), at, value);
}

static uint64_t dispi_read(RhDevice *dev, uint64_t at, unsigned size)
{
    const RhVga *vga = vga_of(dev);

    return at == 0 ? vga->regs.dispi_index : rh_vga_dispi_read(vga, vga->regs.dispi_index);
}

static void dispi_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhVga *vga = vga_of(dev);

    if (at == 0) {
        vga->regs.dispi_index = value;
    } else {
        rh_vga_dispi_write(vga, vga->regs.dispi_index, value);
    }
}

static uint64_t mmio_read(RhDevice *dev, uint64_t at, unsigned size)
{
    RhVga *vga = vga_of(dev);

    if (at >= MMIO_PORTS && at < MMIO_PORTS + 0x20) {
        unsigned port = at - MMIO_PORTS + 0x10;
        uint64_t value = rh_vga_port_read(vga, port);

        return size == 2 ? value | rh_vga_port_read(vga, port + 1) << 8 : value;
    }
    if (at >= MMIO_DISPI && at < MMIO_DISPI + 2 * RH_VGA_NR_DISPI) {
        return rh_vga_dispi_read(vga, (at - MMIO_DISPI) / 2);
    }
    if (at >= MMIO_EXT && at < MMIO_EXT + EXT_SPAN && ((VgaPci *)dev)->has_extended) {
        return (at - MMIO_EXT < EXT_ENDIAN ? EXT_SPAN : ENDIAN_LITTLE) >> (at & 2 ? 16 : 0);
    }
    if (at + size <= RH_EDID_SIZE && ((VgaPci *)dev)->has_edid) {
        return rh_ld(((VgaPci *)dev)->edid + at, size);
    }
    return 0;
}

static void mmio_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhVga *vga = vga_of(dev);

    if (at >= MMIO_PORTS && at < MMIO_PORTS + 0x20) {
        rh_vga_port_write(vga, at - MMIO_PORTS + 0x10, value);
        if (size == 2) {        /* index and data in one */
            rh_vga_port_write(vga, at - MMIO_PORTS + 0x11, value >> 8);
        }
    } else if (at >= MMIO_DISPI && at < MMIO_DISPI + 2 * RH_VGA_NR_DISPI && size == 2) {
        rh_vga_dispi_write(vga, (at - MMIO_DISPI) / 2, value);
    }
}

static void vga_release(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
}

static void map(RhDevice *dev, RhRegion *container, uint64_t at, RhRegion *region)
{
    rh_region_add_over(container, at, region, 1);
    rh_device_claim(dev, vga_release, region);
}

static bool vga_pci_realize(RhDevice *dev, GError **err)
{
    VgaPci *self = (VgaPci *)dev;
    RhPciBus *bus = RH_SELF(RhPciBus, dev->bus);

    if (!rh_vga_attach(&self->vga, dev, self->vgamem_mb, err)) {
        return false;
    }
    rh_edid_fill(&self->monitor, self->edid);
    rh_pci_add_bar(&self->parent, 0, &self->vga.memory, RH_PCI_BAR_MEM32 | RH_PCI_BAR_PREFETCH);
    if (self->has_mmio) {
        rh_pci_add_bar(&self->parent, 2, &self->mmio, RH_PCI_BAR_MEM32);
    }
    map(dev, bus->memory, RH_VGA_WINDOW_BASE, &self->window);
    map(dev, bus->ports, RH_VGA_PORT_BASE, &self->ports);
    map(dev, bus->ports, RH_VGA_DISPI_PORT, &self->dispi);
    return true;
}

static const RhProp vga_pci_props[] = {
    RH_PROP("vgamem_mb", VgaPci, vgamem_mb, .def = 16, .doc = "video memory in MiB"),
    RH_PROP("mmio",      VgaPci, has_mmio, .def = true, .doc = "registers in BAR 2"),
    RH_PROP("edid",      VgaPci, has_edid, .def = true, .doc = "describe a monitor in BAR 2"),
    RH_PROP("qemu-extended-regs", VgaPci, has_extended, .def = true, .doc = "byte order register"),
    RH_PROP("xres",      VgaPci, monitor.xres, .max = RH_EDID_MAX_RES, .doc = "preferred width; 0: 1280"),
    RH_PROP("yres",      VgaPci, monitor.yres, .max = RH_EDID_MAX_RES, .doc = "preferred height; 0: 800"),
    RH_PROP("xmax",      VgaPci, monitor.xmax, .doc = "largest width that other modes may have; 0: any"),
    RH_PROP("ymax",      VgaPci, monitor.ymax, .doc = "largest height that other modes may have; 0: any"),
};
static const RhRegionDesc vga_pci_regions[] = {
    RH_REGION(VgaPci, ports,  .span = RH_VGA_PORT_SPAN,   .sizes = RH_SIZE_1, .read = ports_read,  .write = ports_write),
    RH_REGION(VgaPci, window, .span = RH_VGA_WINDOW_SPAN, .sizes = RH_SIZE_1, .read = window_read, .write = window_write),
    RH_REGION(VgaPci, dispi,  .span = RH_VGA_DISPI_SPAN,  .sizes = RH_SIZE_2, .is_unaligned_ok = true,
              .read = dispi_read, .write = dispi_write),
    RH_REGION(VgaPci, mmio,   .span = MMIO_SPAN, .sizes = RH_SIZE_1 | RH_SIZE_2, .read = mmio_read, .write = mmio_write),
};

RH_PCI_DEVICE(VgaPci,
    .name      = "VGA",
    .parent    = RH_TYPE_PCI_DEVICE,
    .doc       = "Standard VGA with Bochs display extensions",
    .category  = "Display",
    .vendor_id = 0x1234,
    .device_id = 0x1111,
    .class_id  = 0x0300,
    .revision  = 2,
    .romfile   = "vgabios-stdvga.bin",
    .props     = RH_TABLE(vga_pci_props),
    .regions   = RH_TABLE(vga_pci_regions),
    .state     = RH_VGA_STATE(VgaPci, vga),
    .realize   = vga_pci_realize);
