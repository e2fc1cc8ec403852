/*
 * MSI-X: a table of messages in a BAR, one mask and one pending bit each. Spec: PCI 3.0 §6.8.2.
 *
 * A vector is live while MSI-X is on and neither the function nor the vector is masked. An event bound
 * to a live vector goes to the accelerator (irqfd) if it has routes; to the main loop otherwise, where a
 * vector that is not live becomes pending.
 */
#include "hw/pci/pci.h"
#include "hw/pci/private.h"

enum {                  /* a table entry */
    ENTRY_ADDRESS = 0,
    ENTRY_DATA    = 8,
    ENTRY_CONTROL = 12, /* bit 0: masked */
    ENTRY_SIZE    = 16,
};

typedef struct Binding {
    RhPciDevice *dev;
    unsigned vector;
    RhEvent *event;             /* NULL: not bound */
    RhIrqRoute route;
    RhWatch watch;
    bool is_direct;             /* the accelerator has it; else the watch */
} Binding;

struct RhPciMsix {
    unsigned nr;
    uint8_t *table;             /* guest state: nr entries, and behind them: */
    uint8_t *pending;           /* a bit for each, whole 8 bytes */
    size_t pending_size;
    Binding **bindings;         /* nr pointers, made when first bound */
    RhRegion table_region;
    RhRegion pba_region;
    RhRegion bar;               /* for rh_pci_add_msix_bar */
};

bool rh_pci_msix_enabled(const RhPciDevice *dev)
{
    return dev->msix_cap && pci_config16(dev, dev->msix_cap + RH_PCI_MSIX_CONTROL) & RH_PCI_MSIX_ENABLE;
}

static bool is_masked(const RhPciDevice *dev, unsigned vector)
{
    return pci_config16(dev, dev->msix_cap + RH_PCI_MSIX_CONTROL) & RH_PCI_MSIX_MASK_ALL ||
           dev->msix->table[vector * ENTRY_SIZE + ENTRY_CONTROL] & 1;
}

static bool is_live(const RhPciDevice *dev, unsigned vector)
{
    return rh_pci_msix_enabled(dev) && !is_masked(dev, vector);
}

static void send(RhPciDevice *dev, unsigned vector)
{
    const uint8_t *entry = dev->msix->table + vector * ENTRY_SIZE;

    rh_pci_send_message(dev, rh_ld64(entry + ENTRY_ADDRESS), rh_ld32(entry + ENTRY_DATA));
}

bool pci_msix_notify(RhPciDevice *dev, unsigned vector)
{
    if (!rh_pci_msix_enabled(dev)) {
        return false;
    }
    if (vector >= dev->msix->nr) {
        return true;
    }
    if (is_masked(dev, vector)) {
        dev->msix->pending[vector / 8] |= 1u << vector % 8;
    } else {
        send(dev, vector);
    }
    return true;
}

/* --- bindings --- */

static void binding_signalled(void *opaque, unsigned events)
{
    Binding *binding = opaque;

    if (rh_event_clear(binding->event)) {
        pci_msix_notify(binding->dev, binding->vector);
    }
}

static void binding_watch(Binding *binding)
{
    rh_watch_begin(&binding->watch, rh_device_vm(&binding->dev->parent)->loop, rh_event_fd(binding->event),
                   RH_READABLE, binding_signalled, binding);
}

/* The accelerator cannot take a route (no services, or none left): the main loop does. */
static void binding_settle(Binding *binding)
{
    RhPciDevice *dev = binding->dev;
    RhAccel *accel = rh_device_vm(&dev->parent)->accel;
    const uint8_t *entry = dev->msix->table + binding->vector * ENTRY_SIZE;
    uint64_t address = rh_ld64(entry + ENTRY_ADDRESS);
    uint32_t data = rh_ld32(entry + ENTRY_DATA);
    bool wants_direct = is_live(dev, binding->vector) && accel && rh_accel_type(accel)->bind_route &&
                        rh_accel_has_irqchip(rh_device_vm(&dev->parent)) &&
                        pci_config16(dev, RH_PCI_COMMAND) & RH_PCI_COMMAND_MASTER;

    if (binding->is_direct && !wants_direct) {
        rh_accel_type(accel)->unbind_route(accel, &binding->route);
        binding->is_direct = false;
        binding_watch(binding);
    } else if (binding->is_direct) {
        if (binding->route.address != address || binding->route.data != data) {
            binding->route.address = address;
            binding->route.data = data;
            rh_accel_type(accel)->update_route(accel, &binding->route);
        }
    } else if (wants_direct) {
        binding->route = (RhIrqRoute){ .address = address, .data = data, .requester = rh_pci_requester(dev),
                                       .gsi = -1, .event = binding->event };
        if (rh_accel_type(accel)->bind_route(accel, &binding->route, NULL)) {
            rh_watch_end(&binding->watch);
            binding->is_direct = true;
        }
    }
}

bool rh_pci_bind_event(RhPciDevice *dev, unsigned vector, RhEvent *event, GError **err)
{
    Binding *binding;

    if (!dev->msix || vector >= dev->msix->nr) {
        return rh_fail(err, "%s has no MSI-X vector %u", dev->parent.obj.type->name, vector);
    }
    rh_pci_unbind_event(dev, vector);
    if (!dev->msix->bindings[vector]) {
        dev->msix->bindings[vector] = g_new0(Binding, 1);
    }
    binding = dev->msix->bindings[vector];
    *binding = (Binding){ .dev = dev, .vector = vector, .event = event };
    binding_watch(binding);
    binding_settle(binding);
    return true;
}

void rh_pci_unbind_event(RhPciDevice *dev, unsigned vector)
{
    Binding *binding = dev->msix && vector < dev->msix->nr ? dev->msix->bindings[vector] : NULL;

    if (!binding || !binding->event) {
        return;
    }
    if (binding->is_direct) {
        RhAccel *accel = rh_device_vm(&dev->parent)->accel;

        rh_accel_type(accel)->unbind_route(accel, &binding->route);
    } else {
        rh_watch_end(&binding->watch);
    }
    memset(binding, 0, sizeof(*binding));
}

/* --- table and pending bits --- */

static void vector_settle(RhPciDevice *dev, unsigned vector)
{
    Binding *binding = dev->msix->bindings[vector];
    uint8_t bit = 1u << vector % 8;

    if (is_live(dev, vector) && dev->msix->pending[vector / 8] & bit) {
        dev->msix->pending[vector / 8] &= ~bit;
        send(dev, vector);
    }
    if (binding && binding->event) {
        binding_settle(binding);
    }
}

void pci_msix_settle(RhPciDevice *dev)
{
    for (unsigned vector = 0; dev->msix && vector < dev->msix->nr; vector++) {
        vector_settle(dev, vector);
    }
}

void *pci_msix_state(const void *dev, size_t *ret_size)
{
    const RhPciMsix *msix = ((const RhPciDevice *)dev)->msix;

    *ret_size = msix ? msix->nr * ENTRY_SIZE + msix->pending_size : 0;
    return msix ? msix->table : NULL;
}

void pci_msix_reset(RhPciDevice *dev)
{
    RhPciMsix *msix = dev->msix;

    if (!msix) {
        return;
    }
    memset(msix->table, 0, (size_t)msix->nr * ENTRY_SIZE);
    memset(msix->pending, 0, msix->pending_size);
    for (unsigned vector = 0; vector < msix->nr; vector++) {
        msix->table[vector * ENTRY_SIZE + ENTRY_CONTROL] = 1;
    }
}

static uint64_t table_read(RhDevice *d, uint64_t at, unsigned size)
{
    return rh_ld(RH_PCI_DEVICE_OF(d)->msix->table + at, size);
}

static void table_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);

    if (at % ENTRY_SIZE == ENTRY_CONTROL) {
        value &= 1;
    } else if (at % ENTRY_SIZE == ENTRY_DATA && size == 8) {
        value &= UINT64_C(0x1ffffffff);
    } else if (at % ENTRY_SIZE == ENTRY_ADDRESS) {
        value &= ~UINT64_C(3);
    }
    rh_st(dev->msix->table + at, value, size);
    vector_settle(dev, at / ENTRY_SIZE);
}

static uint64_t pba_read(RhDevice *d, uint64_t at, unsigned size)
{
    return rh_ld(RH_PCI_DEVICE_OF(d)->msix->pending + at, size);
}

static const RhRegionOps table_ops = {
    .read = table_read, .write = table_write, .sizes = RH_SIZE_4 | RH_SIZE_8,
};
static const RhRegionOps pba_ops = { .read = pba_read, .sizes = RH_SIZE_4 | RH_SIZE_8 };

/* --- life --- */

static void msix_release(RhDevice *d, void *arg)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    RhPciMsix *msix = dev->msix;

    for (unsigned vector = 0; vector < msix->nr; vector++) {
        rh_pci_unbind_event(dev, vector);
        g_free(msix->bindings[vector]);
    }
    dev->msix_cap = 0;
    rh_region_fini(&msix->table_region);
    rh_region_fini(&msix->pba_region);
    for (unsigned i = 0; i < RH_PCI_NR_BARS; i++) {
        if (dev->bars[i].region == &msix->bar) {
            dev->bars[i].region = NULL;
        }
    }
    rh_region_fini(&msix->bar);
}

static void msix_free(RhPciMsix *msix)
{
    g_free(msix->bindings);
    g_free(msix->table);
    g_free(msix);
}

/* Views may still show the regions: the memory goes after a grace period. */
static void msix_free_later(void *arg)
{
    msix_free(arg);
}

static void msix_end(RhDevice *d, void *arg)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    RhPciMsix *msix = dev->msix;

    msix_release(d, arg);
    dev->msix = NULL;
    rh_rcu_call(msix_free_later, msix);
}

static RhPciMsix *msix_new(unsigned nr)
{
    RhPciMsix *msix = g_new0(RhPciMsix, 1);

    msix->nr = nr;
    msix->pending_size = rh_align_up(nr, 64) / 8;
    msix->table = g_malloc0(nr * ENTRY_SIZE + msix->pending_size);
    msix->pending = msix->table + nr * ENTRY_SIZE;
    msix->bindings = g_new0(Binding *, nr);
    return msix;
}

static bool add_capability(RhPciDevice *dev, unsigned at, unsigned table_bar, uint32_t table_at, unsigned pba_bar,
                           uint32_t pba_at, GError **err)
{
    uint16_t cap = rh_pci_add_capability(dev, RH_PCI_CAP_MSIX, at, 12, err);

    if (!cap) {
        return false;
    }
    dev->msix_cap = cap;
    rh_pci_init16(dev, cap + RH_PCI_MSIX_CONTROL, dev->msix->nr - 1);
    rh_pci_writable16(dev, cap + RH_PCI_MSIX_CONTROL, RH_PCI_MSIX_ENABLE | RH_PCI_MSIX_MASK_ALL);
    rh_pci_init32(dev, cap + RH_PCI_MSIX_TABLE, table_at | table_bar);
    rh_pci_init32(dev, cap + RH_PCI_MSIX_PBA, pba_at | pba_bar);
    return true;
}

static bool add(RhPciDevice *dev, RhPciMsix *msix, unsigned at, RhRegion *table_region, unsigned table_bar,
                uint32_t table_at, RhRegion *pba_region, unsigned pba_bar, uint32_t pba_at, GError **err)
{
    RhVm *vm = rh_device_vm(&dev->parent);
    RhDevice *d = &dev->parent;

    dev->msix = msix;
    rh_device_claim(d, msix_end, NULL);
    if (!add_capability(dev, at, table_bar, table_at, pba_bar, pba_at, err)) {
        return false;
    }
    rh_region_init_io(&msix->table_region, vm, d, "msix-table", &table_ops, (uint64_t)msix->nr * ENTRY_SIZE);
    rh_region_init_io(&msix->pba_region, vm, d, "msix-pba", &pba_ops, msix->pending_size);
    rh_region_add_over(table_region, table_at, &msix->table_region, 1);
    rh_region_add_over(pba_region, pba_at, &msix->pba_region, 1);
    return true;
}

static bool check_nr(const RhPciDevice *dev, unsigned nr, GError **err)
{
    if (nr < 1 || nr > RH_PCI_MSIX_MAX) {
        return rh_fail(err, "%s: %u MSI-X vectors, must be 1 to %u", dev->parent.obj.type->name, nr, RH_PCI_MSIX_MAX);
    }
    return true;
}

bool rh_pci_add_msix(RhPciDevice *dev, unsigned at, unsigned nr, RhRegion *table_region, unsigned table_bar,
                     uint32_t table_at, RhRegion *pba_region, unsigned pba_bar, uint32_t pba_at, GError **err)
{
    return check_nr(dev, nr, err) &&
           add(dev, msix_new(nr), at, table_region, table_bar, table_at, pba_region, pba_bar, pba_at, err);
}

bool rh_pci_add_msix_bar(RhPciDevice *dev, unsigned at, unsigned nr, unsigned bar, GError **err)
{
    RhPciMsix *msix;
    uint32_t pba_at = 0x800;
    uint64_t size = 0x1000;

    if (!check_nr(dev, nr, err)) {
        return false;
    }
    /* 4 KiB with the pending bits in its upper half while both fit, else twice the table. */
    if (nr * ENTRY_SIZE > pba_at) {
        pba_at = rh_align_up(nr * ENTRY_SIZE, 0x1000);
        size = 2 * (uint64_t)pba_at;
    }
    msix = msix_new(nr);
    rh_region_init_container(&msix->bar, rh_device_vm(&dev->parent), "msix", size);
    rh_pci_add_bar(dev, bar, &msix->bar, RH_PCI_BAR_MEM32);
    return add(dev, msix, at, &msix->bar, bar, 0, &msix->bar, bar, pba_at, err);
}
