/*
 * Host bridges: how a CPU reaches configuration space. Ports 0xcf8/0xcfc (PCI 3.0 §3.2.2.3.2) and the
 * enhanced configuration mechanism, a memory window with 4 KiB for each function (PCIe 4.0 §7.2.2).
 */
#ifndef RH_HW_PCI_HOST_H
#define RH_HW_PCI_HOST_H

#include "hw/pci/pci.h"

#define RH_TYPE_PCI_HOST "pci-host-bridge"

typedef struct RhPciHostState {
    uint32_t config_address;
} RhPciHostState;

typedef struct RhPciHost {
    RhDevice parent;
    RhPciBus *bus;              /* wiring: the root bus */
    RhRegion address_port;
    RhRegion data_port;
    RhRegion ecam;
    uint64_t ecam_base;         /* where it is mapped now; 0: not */
    uint64_t ecam_size;
    RhPciHostState regs;
} RhPciHost;

/** rh_pci_host_map_ports - place 0xcf8 and 0xcfc in the machine's ports */
void rh_pci_host_map_ports(RhPciHost *host);
/** rh_pci_host_map_ecam - window of @size (1 MiB per bus) at @base; size 0 takes it away */
void rh_pci_host_map_ecam(RhPciHost *host, uint64_t base, uint64_t size);
/** rh_pci_host_find - the machine's first host bridge, or NULL */
RhPciHost *rh_pci_host_find(RhVm *vm);

#endif
