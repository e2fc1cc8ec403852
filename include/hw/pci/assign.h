/*
 * Resources of PCI devices when no firmware runs: bus numbers, base addresses, bridge windows, interrupt lines.
 */
#ifndef RH_HW_PCI_ASSIGN_H
#define RH_HW_PCI_ASSIGN_H

#include "hw/pci/pci.h"

/** RhPciArea - addresses [base, end) to hand out */
typedef struct RhPciArea {
    uint64_t base;
    uint64_t end;
} RhPciArea;

typedef struct RhPciResources {
    RhPciArea io;
    RhPciArea mem32;            /* below 4 GiB: 32-bit registers, and 64-bit ones as long as they fit */
    RhPciArea mem64;            /* above: the rest of the 64-bit prefetchable ones; empty: none */
    /* Legacy interrupt that pin @pin (0..3) of root device @devfn reaches; NULL: 0 */
    uint8_t (*line)(void *opaque, uint8_t devfn, unsigned pin);
    void *opaque;
} RhPciResources;

/**
 * rh_pci_assign - program every device below @root as firmware would, decoding and bus mastering on. What does not fit
 * stays unassigned and off. Also gives hot-plug ports some room.
 */
void rh_pci_assign(RhPciBus *root, const RhPciResources *resources);

#endif
