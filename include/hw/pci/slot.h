/*
 * Hot-plug slot of a PCI Express port: presence, attention button, power controller, indicators.
 * Spec: PCIe 4.0 §6.7, §7.5.3.9-11.
 */
#ifndef RH_HW_PCI_SLOT_H
#define RH_HW_PCI_SLOT_H

#include "hw/pci/bridge.h"

/** RhPcieSlot - part of a port; everything in it follows from the port's configuration space */
typedef struct RhPcieSlot {
    RhPciDevice *port;
    bool is_hotpluggable;
    bool has_power_controller;
    uint16_t control_seen;      /* slot control before the present write */
    bool is_interrupting;
} RhPcieSlot;

/** rh_pcie_slot_shape - slot registers in the port's express capability, and the bus's callbacks; slot @number */
void rh_pcie_slot_shape(RhPcieSlot *slot, RhPciBridge *port, unsigned number);
/** rh_pcie_slot_reset - what is plugged in is present and powered; _settle - derive what the pin shows; sends no message */
void rh_pcie_slot_reset(RhPcieSlot *slot);
void rh_pcie_slot_settle(RhPcieSlot *slot);
/** rh_pcie_slot_written - the guest wrote config[@at .. @at + @len) of the port */
void rh_pcie_slot_written(RhPcieSlot *slot, unsigned at, unsigned len);

#endif
