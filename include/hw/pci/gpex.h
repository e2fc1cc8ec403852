/*
 * Generic PCI Express host: configuration space in memory (ECAM) and nothing else of its own.
 */
#ifndef RH_HW_PCI_GPEX_H
#define RH_HW_PCI_GPEX_H

#include "hw/pci/host.h"

#define RH_TYPE_GPEX_HOST "gpex-pcihost"
#define RH_TYPE_GPEX_ROOT "gpex-root"

/** RhGpexWindow - addresses of the machine that reach PCI memory at the same address; size 0: none */
typedef struct RhGpexWindow {
    uint64_t base;
    uint64_t size;
} RhGpexWindow;

/** RhGpexHost - its board sets ECAM and windows before realize, and connects the four interrupt lines */
typedef struct RhGpexHost {
    RhPciHost parent;
    RhGpexWindow config;        /* ECAM, 1 MiB a bus */
    RhGpexWindow mmio32;
    RhGpexWindow mmio64;
    RhRegion pci_memory;        /* wiring */
    RhRegion pci_ports;         /* not reachable: the host has no window for I/O */
    RhRegion low_window;
    RhRegion high_window;
    RhLine irq[RH_PCI_NR_PINS];
} RhGpexHost;

#endif
