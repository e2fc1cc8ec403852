/*
 * isa-vga - the VGA core at its old ports, for machines without PCI.
 * Spec: core in hw/display/vga.c; Bochs puts the frame buffer at 0xe0000000.  Lock: machine lock (the default).
 */
#include "hw/core/isa.h"
#include "hw/display/vga.h"

#define FRAME_BUFFER 0xe0000000u

typedef struct VgaIsa {
    RhIsaDevice parent;
    uint32_t vgamem_mb;
    RhRegion ports;
    RhRegion window;
    RhRegion dispi;
    RhVga vga;
} VgaIsa;

static uint64_t ports_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_vga_port_read(&RH_SELF(VgaIsa, dev)->vga, at);
}

static void ports_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_vga_port_write(&RH_SELF(VgaIsa, dev)->vga, at, value);
}

static uint64_t window_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_vga_window_read(&RH_SELF(VgaIsa, dev)->vga, at);
}

static void window_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_vga_window_write(&RH_SELF(VgaIsa, dev)->vga, at, value);
}

static uint64_t dispi_read(RhDevice *dev, uint64_t at, unsigned size)
{
    const RhVga *vga = &RH_SELF(VgaIsa, dev)->vga;

    return at == 0 ? vga->regs.dispi_index : rh_vga_dispi_read(vga, vga->regs.dispi_index);
}

static void dispi_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhVga *vga = &RH_SELF(VgaIsa, dev)->vga;

    if (at == 0) {
        vga->regs.dispi_index = value;
    } else {
        rh_vga_dispi_write(vga, vga->regs.dispi_index, value);
    }
}

static void vga_release(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
}

static bool vga_isa_realize(RhDevice *dev, GError **err)
{
    VgaIsa *self = RH_SELF(VgaIsa, dev);
    RhRegion *memory = rh_space_root(rh_device_vm(dev)->memory);

    if (!rh_vga_attach(&self->vga, dev, self->vgamem_mb, err)) {
        return false;
    }
    rh_region_add_over(memory, RH_VGA_WINDOW_BASE, &self->window, 1);
    rh_device_claim(dev, vga_release, &self->window);
    rh_region_add_over(memory, FRAME_BUFFER, &self->vga.memory, 1);
    rh_device_claim(dev, vga_release, &self->vga.memory);
    return rh_isa_map_ports(dev, RH_VGA_PORT_BASE, &self->ports, err) &&
           rh_isa_map_ports(dev, RH_VGA_DISPI_PORT, &self->dispi, err);
}

static const RhProp vga_isa_props[] = {
    RH_PROP("vgamem_mb", VgaIsa, vgamem_mb, .def = 8, .doc = "video memory in MiB"),
};
static const RhRegionDesc vga_isa_regions[] = {
    RH_REGION(VgaIsa, ports,  .span = RH_VGA_PORT_SPAN,   .sizes = RH_SIZE_1, .read = ports_read,  .write = ports_write),
    RH_REGION(VgaIsa, window, .span = RH_VGA_WINDOW_SPAN, .sizes = RH_SIZE_1, .read = window_read, .write = window_write),
    RH_REGION(VgaIsa, dispi,  .span = RH_VGA_DISPI_SPAN,  .sizes = RH_SIZE_2, .is_unaligned_ok = true,
              .read = dispi_read, .write = dispi_write),
};

RH_DEVICE(VgaIsa,
    .name     = "isa-vga",
    .parent   = RH_TYPE_ISA_DEVICE,
    .doc      = "Standard VGA on the ISA bus",
    .category = "Display",
    .props    = RH_TABLE(vga_isa_props),
    .regions  = RH_TABLE(vga_isa_regions),
    .state    = RH_VGA_STATE(VgaIsa, vga),
    .realize  = vga_isa_realize);
