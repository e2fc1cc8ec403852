/*
 * The ISA bus: ports and shared interrupt lines. Spec: IEEE P996 draft §3 (signals).
 * Lock: machine lock.
 */
#include "hw/core/isa.h"

/* Levels of one interrupt are or-ed, as open-collector drivers on the bus do. A line calls only on changes. */
static void isa_set_irq(void *opaque, unsigned irq, int level)
{
    RhIsaBus *bus = opaque;
    unsigned before = bus->high[irq];

    bus->high[irq] = level ? before + 1 : before - (before > 0);
    if (!before != !bus->high[irq] && bus->set_irq) {
        bus->set_irq(bus->irq_opaque, irq, bus->high[irq] > 0);
    }
}

RhIsaBus *rh_isa_bus_new(RhVm *vm, RhDevice *owner, RhRegion *ports, RhPinFn *set_irq, void *opaque,
                         unsigned nr_irqs)
{
    RhIsaBus *bus = RH_SELF(RhIsaBus, rh_bus_new(vm, RH_TYPE_ISA_BUS, owner, "isa.0"));

    g_assert(nr_irqs <= RH_ISA_NR_IRQS);
    bus->ports = ports ? ports : rh_space_root(vm->ports);
    bus->set_irq = set_irq;
    bus->irq_opaque = opaque;
    bus->nr_irqs = nr_irqs;
    return bus;
}

static void isa_release_irq(RhDevice *dev, void *arg)
{
    RhLine *line = arg;

    rh_line_set(line, 0);
    line->fn = NULL;
}

bool rh_isa_claim_irq(RhDevice *dev, unsigned irq, RhLine *line, GError **err)
{
    RhIsaBus *bus = rh_isa_bus_of(dev);

    if (irq >= bus->nr_irqs) {
        return rh_fail(err, "Property '%s.irq' is %u, must be 0 to %u", dev->obj.type->name, irq,
                       bus->nr_irqs - 1);
    }
    rh_line_connect_fn(line, isa_set_irq, bus, irq);
    rh_device_claim(dev, isa_release_irq, line);
    return true;
}

static void isa_release_ports(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
}

bool rh_isa_map_ports(RhDevice *dev, uint32_t base, RhRegion *region, GError **err)
{
    if (!rh_range_ok(base, region->size, 0x10000)) {
        return rh_fail(err, "Property '%s.iobase' is 0x%x, its %" PRIu64 " ports must end at 0xffff or below",
                       dev->obj.type->name, base, region->size);
    }
    rh_region_add(rh_isa_bus_of(dev)->ports, base, region);
    rh_device_claim(dev, isa_release_ports, region);
    return true;
}

/* What a device took: its series in the high half, its number in the low one. */
static void give_index_back(RhDevice *dev, void *arg)
{
    unsigned taken = GPOINTER_TO_UINT(arg);

    rh_isa_bus_of(dev)->taken[taken >> 16] &= ~(1u << (taken & 0xffff));
}

unsigned rh_isa_take_index(RhDevice *dev, RhIsaSeries series, uint32_t wanted)
{
    uint32_t *taken = &rh_isa_bus_of(dev)->taken[series];
    unsigned index = wanted == RH_ISA_AUTO ? (unsigned)__builtin_ctz(~*taken | 1u << 31) : wanted;

    if (index < 31 && !(*taken & 1u << index)) {
        *taken |= 1u << index;
        rh_device_claim(dev, give_index_back, GUINT_TO_POINTER((unsigned)series << 16 | index));
    }
    return index;
}

RH_BUS(RhIsaBus,
    .name   = RH_TYPE_ISA_BUS,
    .parent = RH_TYPE_BUS,
    .doc    = "ISA bus");

RH_DEVICE(RhIsaDevice,
    .name        = RH_TYPE_ISA_DEVICE,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Device on the ISA bus",
    .is_abstract = true,
    .bus         = RH_TYPE_ISA_BUS);
