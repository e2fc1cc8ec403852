/*
 * PCI Express hot-plug slots. Spec: PCIe 4.0 §6.7.3.  Lock: machine lock.
 *
 * States of an occupied slot, as seen in slot control: on (power on) -> the button was pressed -> the guest blinks the
 * power indicator, lets go of the device, and turns power and indicator off -> the device is removed. A slot
 * that is filled while the guest runs is present at once; the guest turns the power on.
 */
#include "hw/pci/slot.h"
#include "hw/pci/private.h"

static uint16_t reg16(const RhPcieSlot *slot, unsigned reg)
{
    return pci_config16(slot->port, slot->port->express_cap + reg);
}

static void put16(RhPcieSlot *slot, unsigned reg, uint16_t value)
{
    rh_st16(slot->port->state.config + slot->port->express_cap + reg, value);
}

static void change16(RhPcieSlot *slot, unsigned reg, uint16_t bits, bool is_set)
{
    uint16_t value = reg16(slot, reg);

    put16(slot, reg, is_set ? value | bits : value & ~bits);
}

/* §6.7.3.1: an event interrupts while its status and enable bits and the common enable are set. */
static bool wants_interrupt(const RhPcieSlot *slot)
{
    uint16_t status = reg16(slot, RH_PCIE_SLOT_STATUS);
    uint16_t control = reg16(slot, RH_PCIE_SLOT_CTL);
    uint16_t due = status & control & 0x001f;

    if (status & RH_PCIE_SLOT_LINK_CHANGED && control & RH_PCIE_SLOT_CTL_LINK) {
        due |= RH_PCIE_SLOT_LINK_CHANGED;
    }
    return due && control & RH_PCIE_SLOT_CTL_HOTPLUG;
}

static bool has_messages(const RhPcieSlot *slot)
{
    return rh_pci_msix_enabled(slot->port) || rh_pci_msi_enabled(slot->port);
}

/* Sends nothing: after load a message of what is due has gone out already, or is pending. */
void rh_pcie_slot_settle(RhPcieSlot *slot)
{
    slot->control_seen = reg16(slot, RH_PCIE_SLOT_CTL);
    slot->is_interrupting = wants_interrupt(slot);
    if (!has_messages(slot)) {
        rh_pci_set_irq(slot->port, slot->is_interrupting);
    }
}

/* Registers changed: a message goes out when something becomes due. */
static void update(RhPcieSlot *slot)
{
    bool was = slot->is_interrupting;

    rh_pcie_slot_settle(slot);
    if (slot->is_interrupting && !was && has_messages(slot)) {
        rh_pci_notify(slot->port, 0);
    }
}

static void event(RhPcieSlot *slot, uint16_t bits)
{
    if (slot->is_hotpluggable) {
        change16(slot, RH_PCIE_SLOT_STATUS, bits, true);
        update(slot);
    }
}

static bool is_populated(const RhPcieSlot *slot)
{
    return ((const RhPciBridge *)slot->port)->secondary->slots[0] != NULL;
}

static void set_present(RhPcieSlot *slot, bool is_present)
{
    change16(slot, RH_PCIE_SLOT_STATUS, RH_PCIE_SLOT_PRESENT, is_present);
    change16(slot, RH_PCIE_LINK_STATUS, RH_PCIE_LINK_ACTIVE, is_present && slot->port->has_lnksta_dllla);
}

static void device_came(RhPciBus *bus, RhPciDevice *dev)
{
    RhPcieSlot *slot = bus->slot;

    /* Function 0 comes last: it makes the others visible, §6.7.3. */
    if (RH_PCI_FN(dev->devfn) || !slot->port->parent.is_realized) {
        return;
    }
    set_present(slot, true);
    if (dev->parent.is_hotplugged) {
        event(slot, RH_PCIE_SLOT_PRESENCE_CHANGED | RH_PCIE_SLOT_LINK_CHANGED | RH_PCIE_SLOT_BUTTON);
    } else {
        rh_pcie_slot_reset(slot);
    }
}

static void device_left(RhPciBus *bus, RhPciDevice *dev)
{
    RhPcieSlot *slot = bus->slot;

    if (RH_PCI_FN(dev->devfn) || !slot->port->parent.is_realized) {
        return;
    }
    set_present(slot, false);
    event(slot, RH_PCIE_SLOT_PRESENCE_CHANGED | RH_PCIE_SLOT_LINK_CHANGED);
}

static bool is_powered(const RhPcieSlot *slot)
{
    return !slot->has_power_controller || !(reg16(slot, RH_PCIE_SLOT_CTL) & RH_PCIE_SLOT_CTL_POWER_OFF);
}

static void remove_all(RhPcieSlot *slot)
{
    RhPciBus *bus = ((RhPciBridge *)slot->port)->secondary;

    for (unsigned devfn = 8; devfn-- > 0;) {
        if (bus->slots[devfn]) {
            rh_device_unplugged(&bus->slots[devfn]->parent);
        }
    }
}

static bool device_unwanted(RhPciBus *bus, RhPciDevice *dev, GError **err)
{
    RhPcieSlot *slot = bus->slot;

    if (!slot->is_hotpluggable) {
        return rh_fail(err, "Hot-unplug failed: unsupported by the port device '%s'", slot->port->parent.id
                                                                                       ? slot->port->parent.id
                                                                                       : "");
    }
    if ((reg16(slot, RH_PCIE_SLOT_CTL) & RH_PCIE_SLOT_CTL_POWER_LED) == 0x0200) {
        return rh_fail(err, "Hot-unplug failed: guest is busy (power indicator blinking)");
    }
    if (!is_powered(slot)) {
        /* The guest does not use it (any more): nobody to ask. */
        remove_all(slot);
        return true;
    }
    event(slot, RH_PCIE_SLOT_BUTTON);
    return true;
}

void rh_pcie_slot_reset(RhPcieSlot *slot)
{
    bool is_filled = is_populated(slot);
    uint16_t control = RH_PCIE_SLOT_CTL_ATTN_LED;

    control |= is_filled ? 0x0100 : RH_PCIE_SLOT_CTL_POWER_LED_OFF;
    if (!is_filled && slot->has_power_controller) {
        control |= RH_PCIE_SLOT_CTL_POWER_OFF;
    }
    put16(slot, RH_PCIE_SLOT_CTL, control);
    set_present(slot, is_filled);
    slot->control_seen = control;
    slot->is_interrupting = false;
}

void rh_pcie_slot_written(RhPcieSlot *slot, unsigned at, unsigned len)
{
    unsigned cap = slot->port->express_cap;
    uint16_t was = slot->control_seen;
    uint16_t is = reg16(slot, RH_PCIE_SLOT_CTL);

    if (!pci_overlaps(at, len, cap + RH_PCIE_SLOT_CTL, 4) && !pci_overlaps(at, len, RH_PCI_COMMAND, 2) &&
        !(slot->port->msix_cap && pci_overlaps(at, len, slot->port->msix_cap, 4))) {
        return;
    }
    if (pci_overlaps(at, len, cap + RH_PCIE_SLOT_CTL, 2)) {
        bool turned_off = is & RH_PCIE_SLOT_CTL_POWER_OFF &&
                          (is & RH_PCIE_SLOT_CTL_POWER_LED) == RH_PCIE_SLOT_CTL_POWER_LED_OFF &&
                          (!(was & RH_PCIE_SLOT_CTL_POWER_OFF) ||
                           (was & RH_PCIE_SLOT_CTL_POWER_LED) != RH_PCIE_SLOT_CTL_POWER_LED_OFF);

        slot->control_seen = is;
        if (turned_off && slot->has_power_controller && is_populated(slot)) {
            remove_all(slot);
        }
        change16(slot, RH_PCIE_SLOT_STATUS, RH_PCIE_SLOT_COMMAND_DONE, true);
    }
    update(slot);
}

void rh_pcie_slot_shape(RhPcieSlot *slot, RhPciBridge *bridge, unsigned number)
{
    RhPciDevice *port = &bridge->parent;
    unsigned cap = port->express_cap;
    uint32_t has = (uint32_t)number << RH_PCIE_SLOT_NUMBER_SHIFT | RH_PCIE_SLOT_HAS_BUTTON | RH_PCIE_SLOT_HAS_ATTN_LED |
                   RH_PCIE_SLOT_HAS_POWER_LED | RH_PCIE_SLOT_HAS_LOCK;
    uint16_t control = 0x1fff & ~RH_PCIE_SLOT_CTL_LOCK;

    slot->port = port;
    has |= slot->has_power_controller ? RH_PCIE_SLOT_HAS_POWER : 0;
    has |= slot->is_hotpluggable ? RH_PCIE_SLOT_SURPRISE | RH_PCIE_SLOT_HOTPLUG : 0;
    if (!slot->has_power_controller) {
        control &= ~RH_PCIE_SLOT_CTL_POWER_OFF;
    }
    rh_pci_init16(port, cap + RH_PCIE_FLAGS, rh_ld16(port->initial + cap + RH_PCIE_FLAGS) | RH_PCIE_FLAGS_SLOT);
    rh_pci_init32(port, cap + RH_PCIE_SLOT_CAP, has);
    rh_pci_writable16(port, cap + RH_PCIE_SLOT_CTL, control);
    rh_pci_w1c16(port, cap + RH_PCIE_SLOT_STATUS, RH_PCIE_SLOT_EVENTS);
    bridge->secondary->slot = slot;
    bridge->secondary->parent.allows_hotplug = slot->is_hotpluggable;
    bridge->secondary->device_came = device_came;
    bridge->secondary->device_left = device_left;
    bridge->secondary->device_unwanted = device_unwanted;
}
