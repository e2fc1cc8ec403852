/*
 * PCI-to-PCI bridges: type 1 header, windows, the bus behind it. Spec: PCI-to-PCI Bridge 1.2.
 */
#ifndef RH_HW_PCI_BRIDGE_H
#define RH_HW_PCI_BRIDGE_H

#include "hw/pci/pci.h"

#define RH_TYPE_PCI_BRIDGE_BASE "base-pci-bridge"

/** RhPciBridge - base of every bridge; its realize makes the secondary bus */
typedef struct RhPciBridge {
    RhPciDevice parent;
    uint32_t bus_reserve;       /* properties: hints to firmware; all ones: none */
    uint64_t io_reserve;
    uint64_t mem_reserve;
    uint64_t pref32_reserve;
    uint64_t pref64_reserve;
    RhPciBus *secondary;        /* wiring */
    RhRegion memory;            /* what the secondary bus sees */
    RhRegion ports;
    RhRegion window_io;         /* aliases of it in the primary bus's containers */
    RhRegion window_mem;
    RhRegion window_pref;
    RhRegion window_vga;
    RhRegion window_vga_lo;
    RhRegion window_vga_hi;
} RhPciBridge;

/** RhPciWindow - [base, limit] that a bridge forwards; empty when limit < base */
typedef struct RhPciWindow {
    uint64_t base;
    uint64_t limit;
} RhPciWindow;
typedef enum RhPciWindowKind { RH_PCI_WINDOW_IO, RH_PCI_WINDOW_MEM, RH_PCI_WINDOW_PREF } RhPciWindowKind;
/** rh_pci_bridge_window - as the registers say, whether or not COMMAND forwards */
RhPciWindow rh_pci_bridge_window(const RhPciDevice *bridge, RhPciWindowKind kind);
/** rh_pci_bridge_make_bus - realize hook of bridges: the bus below of @type, named after the id */
void rh_pci_bridge_make_bus(RhPciBridge *bridge, const char *type);
/** rh_pci_bridge_add_ssvid - subsystem ids capability */
bool rh_pci_bridge_add_ssvid(RhPciDevice *dev, unsigned at, uint16_t vendor, uint16_t device, GError **err);
/** rh_pci_bridge_add_reserve - vendor capability with the resource hints, when one was given */
bool rh_pci_bridge_add_reserve(RhPciBridge *bridge, GError **err);

#endif
