/*
 * Assigning PCI resources in place of firmware.
 *
 * Two passes for each kind of window: what a bus needs (its devices' registers and the windows of its bridges, largest
 * first, so that natural alignment wastes nothing), then where it goes. Bridges forward whole windows: I/O in
 * steps of 4 KiB, memory of 1 MiB (bridges 1.2 §3.2.5).
 */
#include "hw/pci/assign.h"
#include "hw/pci/bridge.h"
#include "hw/pci/slot.h"

typedef enum Kind { KIND_IO, KIND_MEM, KIND_PREF, NR_KINDS } Kind;

#define IO_STEP   UINT64_C(0x1000)
#define MEM_STEP  UINT64_C(0x100000)
#define SPARE_MEM UINT64_C(0x200000)    /* for what may be plugged into an empty slot */

/* A thing that wants room: a base address register, or a bridge's window. */
typedef struct Want {
    RhPciDevice *dev;
    unsigned bar;           /* RH_PCI_NR_BARS: the window */
    uint64_t size;
    uint64_t align;
} Want;

static Kind bar_kind(const RhPciBar *bar)
{
    if (bar->flags & RH_PCI_BAR_IO) {
        return KIND_IO;
    }
    return bar->flags & RH_PCI_BAR_MEM64 && bar->flags & RH_PCI_BAR_PREFETCH ? KIND_PREF : KIND_MEM;
}

static uint64_t window_step(Kind kind)
{
    return kind == KIND_IO ? IO_STEP : MEM_STEP;
}

static gint larger_first(gconstpointer a, gconstpointer b)
{
    const Want *left = a;
    const Want *right = b;

    return left->align == right->align ? 0 : left->align < right->align ? 1 : -1;
}

static uint64_t bus_needs(RhPciBus *bus, Kind kind, uint64_t *ret_align);

static uint64_t reserve_of(const RhPciBridge *bridge, Kind kind)
{
    uint64_t hint = kind == KIND_IO    ? bridge->io_reserve
                    : kind == KIND_MEM ? bridge->mem_reserve
                                       : bridge->pref64_reserve;

    if (hint != UINT64_MAX && hint <= UINT32_MAX) {
        return hint;
    }
    return bridge->secondary->parent.allows_hotplug && kind != KIND_IO ? SPARE_MEM : 0;
}

static uint64_t window_needs(RhPciBridge *bridge, Kind kind, uint64_t *ret_align)
{
    uint64_t size = MAX(bus_needs(bridge->secondary, kind, ret_align), reserve_of(bridge, kind));

    *ret_align = MAX(*ret_align, window_step(kind));
    return rh_align_up(size, window_step(kind));
}

static GArray *list_wants(RhPciBus *bus, Kind kind)
{
    GArray *wants = g_array_new(FALSE, FALSE, sizeof(Want));

    for (unsigned devfn = 0; devfn < RH_COUNT(bus->slots); devfn++) {
        RhPciDevice *dev = bus->slots[devfn];

        for (unsigned i = 0; dev && i < RH_PCI_NR_BARS; i++) {
            if (dev->bars[i].region && bar_kind(&dev->bars[i]) == kind) {
                Want want = { dev, i, dev->bars[i].size, dev->bars[i].size };

                g_array_append_val(wants, want);
            }
        }
        if (dev && rh_pci_bus_secondary(dev)) {
            Want want = { .dev = dev, .bar = RH_PCI_NR_BARS };

            want.size = window_needs((RhPciBridge *)dev, kind, &want.align);
            g_array_append_val(wants, want);
        }
    }
    g_array_sort(wants, larger_first);
    return wants;
}

static uint64_t bus_needs(RhPciBus *bus, Kind kind, uint64_t *ret_align)
{
    g_autoptr(GArray) wants = list_wants(bus, kind);
    uint64_t size = 0;

    *ret_align = 1;
    for (guint i = 0; i < wants->len; i++) {
        const Want *want = &g_array_index(wants, Want, i);

        if (want->size) {
            size = rh_align_up(size, want->align) + want->size;
            *ret_align = MAX(*ret_align, want->align);
        }
    }
    return size;
}

/* --- programming --- */

static void put(RhPciDevice *dev, unsigned at, uint64_t value, unsigned len)
{
    rh_pci_config_write(dev, at, (uint32_t)value, len);
}

static void put_bar(RhPciDevice *dev, unsigned bar, uint64_t addr)
{
    unsigned at = RH_PCI_BAR0 + bar * 4;

    if (bar == RH_PCI_ROM_SLOT) {
        put(dev, rh_pci_bus_secondary(dev) ? RH_PCI_BRIDGE_ROM_BAR : RH_PCI_ROM_BAR, addr, 4);
        return;
    }
    put(dev, at, addr, 4);
    if (dev->bars[bar].flags & RH_PCI_BAR_MEM64 && !(dev->bars[bar].flags & RH_PCI_BAR_IO)) {
        put(dev, at + 4, addr >> 32, 4);
    }
}

/* An empty window has its limit below its base. */
static void put_window(RhPciDevice *dev, Kind kind, uint64_t base, uint64_t size)
{
    uint64_t limit = base + size - 1;

    if (!size) {
        base = kind == KIND_IO ? 0xf000 : 0xfff00000;
        limit = 0;
    }
    switch (kind) {
    case KIND_IO:
        put(dev, RH_PCI_IO_BASE, base >> 8 & 0xf0, 1);
        put(dev, RH_PCI_IO_LIMIT, limit >> 8 & 0xf0, 1);
        break;
    case KIND_MEM:
        put(dev, RH_PCI_MEMORY_BASE, base >> 16, 2);
        put(dev, RH_PCI_MEMORY_LIMIT, limit >> 16, 2);
        break;
    default:
        put(dev, RH_PCI_PREF_BASE, base >> 16, 2);
        put(dev, RH_PCI_PREF_LIMIT, limit >> 16, 2);
        put(dev, RH_PCI_PREF_BASE_UPPER, base >> 32, 4);
        put(dev, RH_PCI_PREF_LIMIT_UPPER, limit >> 32, 4);
    }
}

static void place_bus(RhPciBus *bus, Kind kind, RhPciArea *area);

static void close_windows(RhPciBus *bus, Kind kind)
{
    RhPciArea nothing = { 0, 0 };

    place_bus(bus, kind, &nothing);
}

static void place_want(const Want *want, Kind kind, RhPciArea *area)
{
    uint64_t base = rh_align_up(area->base, want->align ? want->align : 1);
    bool fits = want->size && base >= area->base && base < area->end && want->size <= area->end - base;

    if (want->bar < RH_PCI_NR_BARS) {
        if (fits) {
            put_bar(want->dev, want->bar, base);
        }
    } else {
        RhPciBus *below = ((RhPciBridge *)want->dev)->secondary;
        RhPciArea inside = { base, base + want->size };

        put_window(want->dev, kind, base, fits ? want->size : 0);
        if (fits) {
            place_bus(below, kind, &inside);
        } else {
            close_windows(below, kind);
        }
    }
    if (fits) {
        area->base = base + want->size;
    }
}

static void place_bus(RhPciBus *bus, Kind kind, RhPciArea *area)
{
    g_autoptr(GArray) wants = list_wants(bus, kind);

    for (guint i = 0; i < wants->len; i++) {
        place_want(&g_array_index(wants, Want, i), kind, area);
    }
}

static unsigned number_buses(RhPciBus *bus, unsigned next)
{
    for (unsigned devfn = 0; devfn < RH_COUNT(bus->slots); devfn++) {
        RhPciDevice *dev = bus->slots[devfn];
        RhPciBus *below = dev ? rh_pci_bus_secondary(dev) : NULL;

        if (below && next <= 0xff) {
            put(dev, RH_PCI_PRIMARY_BUS, rh_pci_bus_number(bus), 1);
            put(dev, RH_PCI_SECONDARY_BUS, next, 1);
            put(dev, RH_PCI_SUBORDINATE_BUS, 0xff, 1);
            next = number_buses(below, next + 1);
            put(dev, RH_PCI_SUBORDINATE_BUS, next - 1, 1);
        }
    }
    return next;
}

static void enable(RhPciDevice *dev, void *opaque)
{
    const RhPciResources *resources = opaque;
    uint16_t command = RH_PCI_COMMAND_MASTER | RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_IO;
    unsigned pin = dev->initial[RH_PCI_INTERRUPT_PIN];
    RhPciBus *bus = rh_pci_bus(dev);
    uint8_t devfn = dev->devfn;

    put(dev, RH_PCI_COMMAND, command, 2);
    if (!pin || !resources->line) {
        return;
    }
    for (pin--; bus->bridge; bus = rh_pci_bus(bus->bridge)) {
        pin = (pin + RH_PCI_SLOT(devfn)) % RH_PCI_NR_PINS;
        devfn = bus->bridge->devfn;
    }
    put(dev, RH_PCI_INTERRUPT_LINE, resources->line(resources->opaque, devfn, pin), 1);
}

void rh_pci_assign(RhPciBus *root, const RhPciResources *resources)
{
    RhPciArea io = resources->io;
    RhPciArea mem32 = resources->mem32;
    RhPciArea mem64 = resources->mem64;
    uint64_t align;
    uint64_t pref;

    rh_map_begin(root->parent.obj.vm);
    number_buses(root, rh_pci_bus_number(root) + 1u);
    place_bus(root, KIND_IO, &io);
    place_bus(root, KIND_MEM, &mem32);
    pref = bus_needs(root, KIND_PREF, &align);
    place_bus(root, KIND_PREF, rh_align_up(mem32.base, align) + pref <= mem32.end ? &mem32 : &mem64);
    rh_pci_bus_foreach(root, enable, (void *)resources);
    rh_map_end(root->parent.obj.vm);
}
