/*
 * pc-testdev - ports, memory and interrupt lines for test programs.
 *     0xe0..0xe3   keeps what is written, all sizes        0xe8..0xeb  the same, byte by byte
 *     0xe4..0xe7   takes a page address; nothing to flush  0x2000+N    level of interrupt N
 *     0xff000000   64 KiB of registers that keep what is written
 * Spec: documented use in kvm-unit-tests (lib/x86/fwcfg, x86/emulator, x86/ioapic).  Lock: machine lock (the default).
 */
#include "hw/core/isa.h"

enum { NR_LINES = RH_ISA_NR_IRQS, IOMEM_SPAN = 0x10000 };
#define IOMEM_BASE 0xff000000u

typedef struct TestdevRegs {
    uint8_t port[4];
    uint8_t byte_port[4];
    uint8_t lines[NR_LINES];
    uint8_t iomem[IOMEM_SPAN];
} TestdevRegs;

typedef struct Testdev {
    RhIsaDevice parent;
    RhRegion port;
    RhRegion flush;
    RhRegion byte_port;
    RhRegion line_ports;
    RhRegion iomem;
    RhLine lines[NR_LINES];
    TestdevRegs regs;
} Testdev;

static uint64_t port_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_ld(RH_SELF(Testdev, dev)->regs.port + at, size);
}

static void port_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_st(RH_SELF(Testdev, dev)->regs.port + at, value, size);
}

static uint64_t byte_port_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return RH_SELF(Testdev, dev)->regs.byte_port[at];
}

static void byte_port_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RH_SELF(Testdev, dev)->regs.byte_port[at] = value;
}

static uint64_t zero_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return 0;
}

static void testdev_settle(RhDevice *dev)
{
    Testdev *self = RH_SELF(Testdev, dev);

    for (unsigned i = 0; i < NR_LINES; i++) {
        rh_line_set(&self->lines[i], self->regs.lines[i]);
    }
}

static void line_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RH_SELF(Testdev, dev)->regs.lines[at] = value != 0;
    testdev_settle(dev);
}

static uint64_t iomem_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_ld(RH_SELF(Testdev, dev)->regs.iomem + at, size);
}

static void iomem_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_st(RH_SELF(Testdev, dev)->regs.iomem + at, value, size);
}

static void testdev_release(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
}

static bool testdev_realize(RhDevice *dev, GError **err)
{
    Testdev *self = RH_SELF(Testdev, dev);

    for (unsigned i = 0; i < rh_isa_bus_of(dev)->nr_irqs; i++) {
        if (!rh_isa_claim_irq(dev, i, &self->lines[i], err)) {
            return false;
        }
    }
    rh_region_add(rh_space_root(rh_device_vm(dev)->memory), IOMEM_BASE, &self->iomem);
    rh_device_claim(dev, testdev_release, &self->iomem);
    return rh_isa_map_ports(dev, 0xe0, &self->port, err) && rh_isa_map_ports(dev, 0xe4, &self->flush, err) &&
           rh_isa_map_ports(dev, 0xe8, &self->byte_port, err) &&
           rh_isa_map_ports(dev, 0x2000, &self->line_ports, err);
}

static const RhRegionDesc testdev_regions[] = {
    RH_REGION(Testdev, port, .span = 4, .sizes = RH_SIZE_ANY, .is_unaligned_ok = true, .read = port_read,
              .write = port_write),
    RH_REGION(Testdev, flush, .span = 4, .sizes = RH_SIZE_4, .read = zero_read),
    RH_REGION(Testdev, byte_port, .span = 4, .sizes = RH_SIZE_1, .read = byte_port_read, .write = byte_port_write),
    RH_REGION(Testdev, line_ports, .span = NR_LINES, .sizes = RH_SIZE_1, .read = zero_read, .write = line_write),
    RH_REGION(Testdev, iomem, .span = IOMEM_SPAN, .sizes = RH_SIZE_ANY, .is_unaligned_ok = true, .read = iomem_read,
              .write = iomem_write),
};
static const RhField testdev_fields[] = {
    RH_FIELD_BYTES(TestdevRegs, port),
    RH_FIELD_BYTES(TestdevRegs, byte_port),
    RH_FIELD_BYTES(TestdevRegs, lines),
    RH_FIELD_BYTES(TestdevRegs, iomem),
};
static const TestdevRegs testdev_at_reset;

RH_DEVICE(Testdev,
    .name    = "pc-testdev",
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Ports, memory and interrupts for test programs",
    .regions = RH_TABLE(testdev_regions),
    .state   = RH_STATE(Testdev, regs, testdev_at_reset, .version = 1, .fields = RH_TABLE(testdev_fields)),
    .realize = testdev_realize,
    .settle  = testdev_settle);
