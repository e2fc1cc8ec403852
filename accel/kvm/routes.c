/*
 * The table of interrupt routes: GSI number -> chip pin, or message. GSIs below 48 are those of the
 * board's I/O APICs (an 8259 pin as well below 16); higher ones are handed out to messages of
 * devices, each with an irqfd.
 *
 * With a split irqchip the lower 48 are messages, too: those that our I/O APICs have in their
 * redirection tables, so that KVM knows for which vectors the end of an interrupt must be told.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_SET_GSI_ROUTING, KVM_IRQFD, KVM_SIGNAL_MSI. Lock: the
 * machine lock.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>

#define NR_PINS      24         /* of the kernel's I/O APIC */
#define NR_PIC_PINS  8
#define TIMER_PIN    2          /* where boards of the PC family wire ISA interrupt 0 */

struct RhKvmRoutes {
    GArray *entries;            /* struct kvm_irq_routing_entry */
    uint32_t max;               /* GSIs there can be */
    bool *is_taken;             /* by GSI */
};

static void add_entry(RhKvmRoutes *routes, const struct kvm_irq_routing_entry *entry)
{
    g_array_append_vals(routes->entries, entry, 1);
    routes->is_taken[entry->gsi] = true;
}

static void add_pin(RhKvmRoutes *routes, uint32_t gsi, uint32_t chip, uint32_t pin)
{
    struct kvm_irq_routing_entry entry = {
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = { .irqchip = chip, .pin = pin },
    };

    add_entry(routes, &entry);
}

/* The PC wiring: ISA interrupts reach both chips; interrupt 0 is pin 2 of the I/O APIC, the cascade
 * none. */
static void add_pins(RhKvmRoutes *routes)
{
    for (uint32_t gsi = 0; gsi < 2 * NR_PIC_PINS; gsi++) {
        add_pin(routes, gsi, gsi < NR_PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
                gsi % NR_PIC_PINS);
    }
    for (uint32_t gsi = 0; gsi < NR_PINS; gsi++) {
        if (gsi == 0) {
            add_pin(routes, gsi, KVM_IRQCHIP_IOAPIC, TIMER_PIN);
        } else if (gsi != TIMER_PIN) {
            add_pin(routes, gsi, KVM_IRQCHIP_IOAPIC, gsi);
        }
    }
}

static bool commit(RhKvm *kvm, GError **err)
{
    const GArray *entries = kvm->routes->entries;
    size_t bytes = entries->len * sizeof(struct kvm_irq_routing_entry);
    g_autofree struct kvm_irq_routing *table = g_malloc0(sizeof(*table) + bytes);

    table->nr = entries->len;
    memcpy(table->entries, entries->data, bytes);
    if (ioctl(kvm->vm_fd, KVM_SET_GSI_ROUTING, table) < 0) {
        return rh_fail_errno(err, errno, "KVM refused a table of %u interrupt routes",
                             entries->len);
    }
    return true;
}

bool rh_kvm_routes_begin(RhKvm *kvm, GError **err)
{
    RhKvmRoutes *routes;

    if (kvm->parent.irqchip == RH_IRQCHIP_OFF || !rh_kvm_cap(kvm, KVM_CAP_IRQ_ROUTING)) {
        return true;
    }
    routes = g_new0(RhKvmRoutes, 1);
    routes->entries = g_array_new(false, false, sizeof(struct kvm_irq_routing_entry));
    routes->max = MAX((uint32_t)rh_kvm_cap(kvm, KVM_CAP_IRQ_ROUTING), RH_KVM_BOARD_GSIS);
    routes->is_taken = g_new0(bool, routes->max);
    memset(routes->is_taken, true, RH_KVM_BOARD_GSIS * sizeof(bool));
    kvm->routes = routes;
    if (kvm->parent.irqchip == RH_IRQCHIP_ON) {
        add_pins(routes);
        return commit(kvm, err);
    }
    return true;
}

void rh_kvm_routes_end(RhKvm *kvm)
{
    if (kvm->routes) {
        g_array_unref(kvm->routes->entries);
        g_free(kvm->routes->is_taken);
        g_free(kvm->routes);
        kvm->routes = NULL;
    }
}

static void fill_message(struct kvm_irq_routing_entry *entry, uint64_t address, uint32_t data)
{
    entry->type = KVM_IRQ_ROUTING_MSI;
    entry->u.msi.address_lo = (uint32_t)address;
    entry->u.msi.address_hi = (uint32_t)(address >> 32);
    entry->u.msi.data = data;
}

static struct kvm_irq_routing_entry *find_entry(RhKvmRoutes *routes, uint32_t gsi)
{
    for (guint i = 0; i < routes->entries->len; i++) {
        struct kvm_irq_routing_entry *entry =
            &g_array_index(routes->entries, struct kvm_irq_routing_entry, i);

        if (entry->gsi == gsi) {
            return entry;
        }
    }
    return NULL;
}

static void remove_entry(RhKvmRoutes *routes, uint32_t gsi)
{
    for (guint i = routes->entries->len; i-- > 0;) {
        if (g_array_index(routes->entries, struct kvm_irq_routing_entry, i).gsi == gsi) {
            g_array_remove_index_fast(routes->entries, i);
        }
    }
}

static bool take_gsi(RhKvmRoutes *routes, uint32_t *ret_gsi, GError **err)
{
    for (uint32_t gsi = RH_KVM_BOARD_GSIS; gsi < routes->max; gsi++) {
        if (!routes->is_taken[gsi]) {
            *ret_gsi = gsi;
            return true;
        }
    }
    return rh_fail(err, "All %u interrupt routes of the host's KVM are in use", routes->max);
}

static int set_irqfd(RhKvm *kvm, const RhIrqRoute *route, uint32_t flags)
{
    struct kvm_irqfd request = {
        .fd = (uint32_t)rh_event_fd(route->event), .gsi = (uint32_t)route->gsi, .flags = flags,
    };

    return ioctl(kvm->vm_fd, KVM_IRQFD, &request) < 0 ? -errno : 0;
}

static void give_back(RhKvm *kvm, RhIrqRoute *route)
{
    remove_entry(kvm->routes, (uint32_t)route->gsi);
    kvm->routes->is_taken[route->gsi] = false;
    route->gsi = -1;
}

bool rh_kvm_bind_route(RhAccel *accel, RhIrqRoute *route, GError **err)
{
    RhKvm *kvm = rh_kvm(accel);
    struct kvm_irq_routing_entry entry = { 0 };
    int result;

    if (!kvm->routes || !rh_kvm_cap(kvm, KVM_CAP_IRQFD)) {
        return rh_fail_class(err, RH_ERROR_KVM_MISSING_CAP,
                             "KVM does not take interrupts by eventfd here");
    }
    if (!take_gsi(kvm->routes, &entry.gsi, err)) {
        return false;
    }
    fill_message(&entry, route->address, route->data);
    add_entry(kvm->routes, &entry);
    route->gsi = (int)entry.gsi;
    if (!commit(kvm, err)) {
        give_back(kvm, route);
        return false;
    }
    result = set_irqfd(kvm, route, 0);
    if (result < 0) {
        give_back(kvm, route);
        return rh_fail_errno(err, result, "KVM refused an eventfd for an interrupt");
    }
    return true;
}

void rh_kvm_update_route(RhAccel *accel, RhIrqRoute *route)
{
    RhKvm *kvm = rh_kvm(accel);
    struct kvm_irq_routing_entry *entry =
        kvm->routes && route->gsi >= (int)RH_KVM_BOARD_GSIS ? find_entry(kvm->routes, (uint32_t)route->gsi) : NULL;

    if (entry &&
        (entry->u.msi.data != route->data || entry->u.msi.address_lo != (uint32_t)route->address ||
         entry->u.msi.address_hi != (uint32_t)(route->address >> 32))) {
        fill_message(entry, route->address, route->data);
        commit(kvm, NULL);      /* a table of the same length that KVM took before */
    }
}

void rh_kvm_unbind_route(RhAccel *accel, RhIrqRoute *route)
{
    RhKvm *kvm = rh_kvm(accel);

    if (!kvm->routes || route->gsi < (int)RH_KVM_BOARD_GSIS) {
        return;
    }
    set_irqfd(kvm, route, KVM_IRQFD_FLAG_DEASSIGN);
    /* The entry leaves the kernel's table with the next change: without an irqfd nothing asks for
     * it. */
    give_back(kvm, route);
}

void rh_kvm_set_ioapic_pin(RhAccel *accel, unsigned pin, uint64_t address, uint32_t data,
                           bool is_masked)
{
    RhKvm *kvm = rh_kvm(accel);
    struct kvm_irq_routing_entry entry = { .gsi = pin };

    if (accel->irqchip != RH_IRQCHIP_SPLIT || !kvm->routes || pin >= RH_KVM_BOARD_GSIS) {
        return;
    }
    /* A masked pin keeps its last route: the end of an interrupt under way must still be told. */
    if (is_masked) {
        return;
    }
    remove_entry(kvm->routes, pin);
    fill_message(&entry, address, data);
    add_entry(kvm->routes, &entry);
    commit(kvm, NULL);
}

/* Hosts without KVM_SIGNAL_MSI: a route for the one message, and a pulse on its GSI. */
static bool send_by_route(RhKvm *kvm, uint64_t address, uint32_t data)
{
    struct kvm_irq_routing_entry entry = { 0 };
    bool is_sent;

    if (!kvm->routes || !take_gsi(kvm->routes, &entry.gsi, NULL)) {
        return false;
    }
    fill_message(&entry, address, data);
    add_entry(kvm->routes, &entry);
    is_sent = commit(kvm, NULL);
    if (is_sent) {
        rh_kvm_set_gsi(&kvm->parent, entry.gsi, 1);
    }
    remove_entry(kvm->routes, entry.gsi);
    kvm->routes->is_taken[entry.gsi] = false;
    return is_sent;
}

bool rh_kvm_send_msi(RhAccel *accel, uint64_t address, uint32_t data, uint32_t requester)
{
    RhKvm *kvm = rh_kvm(accel);
    struct kvm_msi message = {
        .address_lo = (uint32_t)address,
        .address_hi = (uint32_t)(address >> 32),
        .data = data,
    };

    if (!rh_kvm_cap(kvm, KVM_CAP_SIGNAL_MSI)) {
        return send_by_route(kvm, address, data);
    }
    return ioctl(kvm->vm_fd, KVM_SIGNAL_MSI, &message) >= 0;
}
