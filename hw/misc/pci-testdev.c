/*
 * pci-testdev - counts writes, and takes them by event descriptors, for tests of the way from guest to device
 * Spec: docs/specs/pci-testdev of QEMU's documentation.  Lock: machine lock (the default).
 *
 * Each of BAR 0 (memory) and BAR 1 (I/O) begins with a header: byte 0 chooses a test, the rest tells how the chosen test
 * wants to be written to. A write that an event descriptor takes does not come here, and so is not counted.
 */
#include "hw/pci/pci.h"
#include "util/eventfd.h"

enum {                      /* the header */
    REG_TEST   = 0,         /* WO   number of a test */
    REG_WIDTH  = 1,         /* RO   1, 2, 4: bytes of a write; anything else: no such test */
    REG_OFFSET = 4,         /* RO   where to write, in this BAR */
    REG_DATA   = 8,         /* RO   what to write */
    REG_COUNT  = 12,        /* RO   writes detected */
    REG_NAME   = 16,        /* RO   text with its zero */
    HEADER_SIZE = 48,
};
enum { MMIO_SPAN = 0x1000, PORT_SPAN = 0x100, TEST_WIDTH = 1, TEST_DATA = 0xfa, NO_TEST = 0xff };
enum { BAR_MMIO, BAR_PORT, NR_BARS };

static const struct {
    const char *name;
    bool has_event;
    bool has_match;
} tests[] = {
    { "no-eventfd", false, false }, { "wildcard-eventfd", true, false }, { "datamatch-eventfd", true, true },
};

typedef struct TestdevRegs {
    uint8_t test[NR_BARS];
    uint32_t count[NR_BARS];
} TestdevRegs;

typedef struct PciTestdev {
    RhPciDevice parent;
    uint64_t membar;            /* property */
    RhRegion mmio;              /* wiring */
    RhRegion port;
    RhRegion memory;
    RhEvent event;
    int armed[NR_BARS];         /* the test whose event is in place; -1: none. Derived */
    TestdevRegs regs;
} PciTestdev;

static PciTestdev *testdev_of(RhDevice *dev)
{
    return (PciTestdev *)dev;
}

static RhRegion *region_of(PciTestdev *self, unsigned bar)
{
    return bar == BAR_MMIO ? &self->mmio : &self->port;
}

static uint32_t target_of(unsigned bar)
{
    return bar == BAR_MMIO ? MMIO_SPAN / 2 : PORT_SPAN / 2;
}

static void fill_header(const PciTestdev *self, unsigned bar, uint8_t ret[HEADER_SIZE])
{
    unsigned test = self->regs.test[bar];

    memset(ret, 0, HEADER_SIZE);
    if (test < RH_COUNT(tests)) {
        ret[REG_WIDTH] = TEST_WIDTH;
        rh_st32(ret + REG_OFFSET, target_of(bar));
        rh_st32(ret + REG_DATA, TEST_DATA);
        rh_st32(ret + REG_COUNT, self->regs.count[bar]);
        g_snprintf((char *)ret + REG_NAME, HEADER_SIZE - REG_NAME, "%s-%s", bar == BAR_MMIO ? "mmio" : "portio",
                   tests[test].name);
    }
}

static uint64_t read_bar(PciTestdev *self, unsigned bar, uint64_t at, unsigned size)
{
    uint8_t header[HEADER_SIZE];

    fill_header(self, bar, header);
    return at + size <= HEADER_SIZE ? rh_ld(header + at, size) : 0;
}

/* --- event descriptors --- */

static void set_event(PciTestdev *self, unsigned bar, unsigned test, bool is_on)
{
    const RhIoEvent io_event = {
        .at = target_of(bar), .size = TEST_WIDTH, .has_match = tests[test].has_match, .match = TEST_DATA,
        .event = &self->event,
    };

    if (is_on) {
        rh_region_add_io_event(region_of(self, bar), &io_event);
    } else {
        rh_region_remove_io_event(region_of(self, bar), &io_event);
    }
}

static void arm(PciTestdev *self, unsigned bar)
{
    unsigned test = self->regs.test[bar];
    int wanted = test < RH_COUNT(tests) && tests[test].has_event ? (int)test : -1;

    if (wanted == self->armed[bar]) {
        return;
    }
    if (self->armed[bar] >= 0) {
        set_event(self, bar, (unsigned)self->armed[bar], false);
    }
    self->armed[bar] = wanted;
    if (wanted >= 0) {
        set_event(self, bar, (unsigned)wanted, true);
    }
}

static void testdev_settle(RhDevice *dev)
{
    for (unsigned bar = 0; bar < NR_BARS; bar++) {
        arm(testdev_of(dev), bar);
    }
}

static void write_bar(PciTestdev *self, unsigned bar, uint64_t at, uint64_t value, unsigned size)
{
    TestdevRegs *regs = &self->regs;

    if (at == REG_TEST) {
        regs->test[bar] = (uint8_t)value;
        regs->count[bar] = 0;
        rh_event_clear(&self->event);
        arm(self, bar);
    } else if (at == target_of(bar) && size == TEST_WIDTH && regs->test[bar] < RH_COUNT(tests) && value == TEST_DATA) {
        regs->count[bar]++;
    }
}

/* --- BARs --- */

static uint64_t mmio_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return read_bar(testdev_of(dev), BAR_MMIO, at, size);
}

static void mmio_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    write_bar(testdev_of(dev), BAR_MMIO, at, value, size);
}

static uint64_t port_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return read_bar(testdev_of(dev), BAR_PORT, at, size);
}

static void port_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    write_bar(testdev_of(dev), BAR_PORT, at, value, size);
}

static const RhRegionOps nothing_ops = { .sizes = RH_SIZE_ANY };

static bool testdev_realize(RhDevice *dev, GError **err)
{
    PciTestdev *self = testdev_of(dev);

    if (!rh_event_init(&self->event, err)) {
        return false;
    }
    for (unsigned bar = 0; bar < NR_BARS; bar++) {
        self->armed[bar] = -1;
    }
    rh_pci_add_bar(&self->parent, 0, &self->mmio, RH_PCI_BAR_MEM32);
    rh_pci_add_bar(&self->parent, 1, &self->port, RH_PCI_BAR_IO);
    if (self->membar) {
        rh_region_init_io(&self->memory, rh_device_vm(dev), dev, "pci-testdev-membar", &nothing_ops, self->membar);
        rh_pci_add_bar(&self->parent, 2, &self->memory, RH_PCI_BAR_MEM64 | RH_PCI_BAR_PREFETCH);
    }
    return true;
}

static void testdev_unrealize(RhDevice *dev)
{
    PciTestdev *self = testdev_of(dev);

    for (unsigned bar = 0; bar < NR_BARS; bar++) {
        self->regs.test[bar] = NO_TEST;
        arm(self, bar);
    }
    rh_region_fini(&self->memory);
    rh_event_fini(&self->event);
}

static const RhProp testdev_props[] = {
    RH_PROP_AS(rh_prop_size, "membar", PciTestdev, membar, .max = UINT64_C(1) << 46,
               .doc = "bytes of a memory BAR with nothing behind it; 0: none"),
};
static const RhRegionDesc testdev_regions[] = {
    RH_REGION(PciTestdev, mmio, .span = MMIO_SPAN, .read = mmio_read, .write = mmio_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
    RH_REGION(PciTestdev, port, .span = PORT_SPAN, .read = port_read, .write = port_write,
              .sizes = RH_SIZE_1 | RH_SIZE_2 | RH_SIZE_4),
};
static const RhField testdev_fields[] = {
    RH_FIELD_ARRAY(TestdevRegs, test),
    RH_FIELD_ARRAY(TestdevRegs, count),
};
static const TestdevRegs testdev_at_reset = { .test = { NO_TEST, NO_TEST } };

RH_PCI_DEVICE(PciTestdev,
    .name      = "pci-testdev",
    .parent    = RH_TYPE_PCI_DEVICE,
    .doc       = "PCI Test Device",
    .vendor_id = RH_PCI_VENDOR_REDHAT,
    .device_id = 0x0005,
    .class_id  = 0x00ff,
    .props     = RH_TABLE(testdev_props),
    .regions   = RH_TABLE(testdev_regions),
    .state     = RH_STATE(PciTestdev, regs, testdev_at_reset, .version = 1, .fields = RH_TABLE(testdev_fields)),
    .realize   = testdev_realize,
    .unrealize = testdev_unrealize,
    .settle    = testdev_settle);
