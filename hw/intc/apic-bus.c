/*
 * apic-bus - carries interrupt messages to local APICs, and shows each CPU the registers of its own at 0xfee00000.
 * A write that is no register of the page is a message: SDM vol. 3 §11.11.1 puts the destination into bits 19 to 12, so
 * that of APIC 0 fall on the page, at the reserved offsets 00H to 0FH.
 * Spec: Intel SDM vol. 3, chapter 11.  Lock: machine lock.
 */
#include "apic-private.h"

enum { WINDOW_SPAN = 0x100000, FIRST_REGISTER = 0x10 };

/* Message address and data, §11.11.1 and §11.11.2 */
#define ADDRESS_LOGICAL   (1u << 2)
#define ADDRESS_DEST(a)   ((a) >> 12 & 0xff)
#define DATA_MODE(d)      ((d) >> 8 & 7)
#define DATA_LEVEL        (1u << 15)
#define XAPIC_BROADCAST   0xffu

typedef struct ApicBusRegs {
    uint32_t last;              /* who took the last lowest-priority message: others of equal priority come first */
} ApicBusRegs;

typedef struct ApicBus {
    RhDevice parent;
    RhRegion window;
    GPtrArray *apics;           /* not owned; in order of making */
    const RhApicOps *ops;
    ApicBusRegs regs;
} ApicBus;

static ApicBus *bus_of(RhDevice *dev)
{
    return RH_SELF(ApicBus, dev);
}

void apic_bus_add(RhDevice *bus, RhDevice *apic)
{
    g_ptr_array_add(bus_of(bus)->apics, apic);
}

void apic_bus_remove(RhDevice *bus, RhDevice *apic)
{
    g_ptr_array_remove(bus_of(bus)->apics, apic);
}

const RhApicOps *apic_bus_ops(RhDevice *bus)
{
    static const RhApicOps nothing;

    return bus_of(bus)->ops ? bus_of(bus)->ops : &nothing;
}

void rh_apic_bus_set_ops(RhDevice *bus, const RhApicOps *ops)
{
    bus_of(bus)->ops = ops;
}

RhDevice *rh_apic_bus_find(RhDevice *dev, const RhVcpu *vcpu)
{
    const ApicBus *bus = bus_of(dev);

    for (guint i = 0; i < bus->apics->len; i++) {
        if (apic_vcpu(bus->apics->pdata[i]) == vcpu) {
            return bus->apics->pdata[i];
        }
    }
    return NULL;
}

/* --- messages --- */

static bool is_meant(RhDevice *apic, const RhDevice *sender, const ApicMessage *message)
{
    switch (message->shorthand) {
    case APIC_SELF:   return apic == sender;
    case APIC_ALL:    return true;
    case APIC_OTHERS: return apic != sender;
    default:          return apic_is_meant(apic, message);
    }
}

/* §11.6.2.4: the one whose CPU does the least; among equals they take turns. */
static bool deliver_lowest(ApicBus *bus, RhDevice *sender, const ApicMessage *message)
{
    ApicMessage fixed = *message;
    RhDevice *best = NULL;
    guint best_index = 0;

    for (guint i = 1; i <= bus->apics->len; i++) {
        guint index = (bus->regs.last + i) % bus->apics->len;
        RhDevice *apic = bus->apics->pdata[index];

        if (is_meant(apic, sender, message) && (!best || apic_priority(apic) < apic_priority(best))) {
            best = apic;
            best_index = index;
        }
    }
    if (!best) {
        return false;
    }
    bus->regs.last = best_index;
    fixed.mode = APIC_FIXED;
    apic_accept(best, &fixed);
    return true;
}

bool apic_bus_deliver(RhDevice *dev, RhDevice *sender, const ApicMessage *message)
{
    ApicBus *bus = bus_of(dev);
    bool is_taken = false;

    if (message->mode == APIC_LOWEST) {
        return deliver_lowest(bus, sender, message);
    }
    for (guint i = 0; i < bus->apics->len; i++) {
        RhDevice *apic = bus->apics->pdata[i];

        if (is_meant(apic, sender, message)) {
            apic_accept(apic, message);
            is_taken = true;
        }
    }
    return is_taken;
}

bool rh_apic_bus_send(RhDevice *dev, uint64_t address, uint32_t data)
{
    uint32_t destination = ADDRESS_DEST(address);
    ApicMessage message = {
        .destination = destination == XAPIC_BROADCAST ? APIC_BROADCAST : destination,
        .is_logical = address & ADDRESS_LOGICAL,
        .is_level = data & DATA_LEVEL,
        .mode = DATA_MODE(data),
        .vector = data,
    };

    return apic_bus_deliver(dev, NULL, &message);
}

/* --- the window --- */

/* Whose page it is: that of the CPU that accesses it; a test without CPUs sees that of the first. */
RhDevice *apic_bus_current(RhDevice *dev, uint64_t address)
{
    ApicBus *bus = bus_of(dev);
    RhDevice *found = rh_apic_bus_find(dev, rh_vcpu_current());

    if (!found && bus->apics->len && !rh_vcpu_current()) {
        found = bus->apics->pdata[0];
    }
    return found && apic_address(found) == address ? found : NULL;
}

static uint64_t window_read(RhDevice *dev, uint64_t at, unsigned size)
{
    RhDevice *apic = apic_bus_current(dev, RH_APIC_BASE);

    return apic && at < APIC_PAGE_SPAN ? rh_apic_load(apic, at) : UINT32_MAX;
}

static void window_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhDevice *apic = apic_bus_current(dev, RH_APIC_BASE);

    if (at >= APIC_PAGE_SPAN || at < FIRST_REGISTER) {
        rh_apic_bus_send(dev, RH_APIC_BASE + at, value);
    } else if (apic) {
        rh_apic_store(apic, at, value);
    }
}

static void release_window(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
}

static void release_apics(RhDevice *dev, void *arg)
{
    g_clear_pointer(&bus_of(dev)->apics, g_ptr_array_unref);
}

static bool apic_bus_realize(RhDevice *dev, GError **err)
{
    ApicBus *bus = bus_of(dev);

    bus->apics = g_ptr_array_new();
    rh_device_claim(dev, release_apics, NULL);
    rh_region_add_over(rh_space_root(rh_device_vm(dev)->memory), RH_APIC_BASE, &bus->window, 1);
    rh_device_claim(dev, release_window, &bus->window);
    return true;
}

static const RhRegionDesc apic_bus_regions[] = {
    RH_REGION(ApicBus, window, .span = WINDOW_SPAN, .sizes = RH_SIZE_4, .read = window_read, .write = window_write),
};
static const RhField apic_bus_fields[] = {
    RH_FIELD(ApicBusRegs, last),
};
static const ApicBusRegs apic_bus_at_reset;

RH_DEVICE(ApicBus,
    .name        = RH_TYPE_APIC_BUS,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Interrupt messages between local APICs",
    .is_internal = true,
    .regions     = RH_TABLE(apic_bus_regions),
    .state       = RH_STATE(ApicBus, regs, apic_bus_at_reset, .version = 1, .fields = RH_TABLE(apic_bus_fields)),
    .realize     = apic_bus_realize);
