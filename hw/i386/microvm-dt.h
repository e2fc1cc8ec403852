/*
 * The device tree of a microvm without ACPI, for kernels that read one.
 * Spec: Devicetree Specification 0.4; bindings "virtio,mmio", "intel,ce4100-lapic", "intel,ce4100-ioapic" of Linux.
 */
#ifndef HW_I386_MICROVM_DT_H
#define HW_I386_MICROVM_DT_H

#include <glib.h>
#include <stdint.h>
#include "hw/i386/e820.h"

typedef struct RhMicrovmDtTransport {
    uint64_t base;
    uint32_t gsi;
} RhMicrovmDtTransport;

/** RhMicrovmDt - what the tree says; pointers are read during the call only */
typedef struct RhMicrovmDt {
    const char *compatible;     /* of the root; NULL: the board's own */
    uint32_t first_phandle;     /* 0: 1 */
    const char *cmdline;
    const RhE820Entry *map;     /* its RAM becomes memory nodes */
    size_t nr_map;
    const uint32_t *apic_ids;
    unsigned nr_cpus;
    const RhMicrovmDtTransport *transports;
    unsigned nr_transports;
    uint64_t ioapic_base;
    bool has_rtc;
    const uint16_t *serial_ports;       /* pairs of port and interrupt */
    unsigned nr_serial;
} RhMicrovmDt;

/** rh_microvm_dt_new - the flattened tree */
GByteArray *rh_microvm_dt_new(const RhMicrovmDt *config);

#endif
