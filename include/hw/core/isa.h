/*
 * The ISA bus: devices at fixed I/O ports with interrupts 0 to 15 (and up to 23, for devices that sit on the
 * chipset's bus but are wired to the I/O APIC). Several devices may share an interrupt: the levels are or-ed.
 * Lock: the machine lock.
 */
#ifndef RH_HW_CORE_ISA_H
#define RH_HW_CORE_ISA_H

#include "hw/core/device.h"

#define RH_TYPE_ISA_BUS    "ISA"
#define RH_TYPE_ISA_DEVICE "isa-device"

enum { RH_ISA_NR_IRQS = 24 };

/** RH_ISA_AUTO - value of "iobase", "irq" and "index" properties that means "the usual one" */
#define RH_ISA_AUTO UINT32_MAX

typedef struct RhIsaDevice {
    RhDevice parent;
} RhIsaDevice;

typedef struct RhIsaBus {
    RhBus parent;
    RhRegion *ports;            /* container that port regions go into */
    RhPinFn *set_irq;           /* the board's interrupt inputs: set_irq(opaque, irq, level) */
    void *irq_opaque;
    unsigned nr_irqs;
    unsigned high[RH_ISA_NR_IRQS];      /* how many lines hold each interrupt up */
    uint32_t taken[2];          /* private: numbers that devices have, one bit each, by RhIsaSeries */
} RhIsaBus;

/** Devices numbered in order of appearance */
typedef enum RhIsaSeries { RH_ISA_SERIAL, RH_ISA_PARALLEL } RhIsaSeries;

/**
 * rh_isa_bus_new - bus "isa.0" provided by @owner (NULL: the machine); ports go into @ports (NULL: the root of the
 * machine's port space), interrupts 0 to @nr_irqs - 1 call @set_irq(@opaque, irq, level)
 */
RhIsaBus *rh_isa_bus_new(RhVm *vm, RhDevice *owner, RhRegion *ports, RhPinFn *set_irq, void *opaque,
                         unsigned nr_irqs);

/** rh_isa_bus_of - the bus @dev is plugged into */
static inline RhIsaBus *rh_isa_bus_of(RhDevice *dev)
{
    return RH_SELF(RhIsaBus, dev->bus);
}

/** rh_isa_claim_irq - connect @line to interrupt @irq until unrealize; @err when the bus has no such interrupt */
bool rh_isa_claim_irq(RhDevice *dev, unsigned irq, RhLine *line, GError **err);

/** rh_isa_map_ports - show @region at port @base until unrealize; @err when it does not fit into 64 KiB */
bool rh_isa_map_ports(RhDevice *dev, uint32_t base, RhRegion *region, GError **err);

/**
 * rh_isa_take_index - in realize: the number of @dev in its @series: @wanted, or the first that is free for RH_ISA_AUTO;
 * others left automatic get another until unrealize. Two devices may ask for the same one, as real cards could.
 */
unsigned rh_isa_take_index(RhDevice *dev, RhIsaSeries series, uint32_t wanted);

#endif
