/*
 * e820 - the guest's memory map, as firmware and boot loaders hand it over (ACPI 6.4 §15).
 */
#ifndef RH_HW_I386_E820_H
#define RH_HW_I386_E820_H

#include "util/core.h"

typedef enum RhE820Type {
    RH_E820_RAM      = 1,
    RH_E820_RESERVED = 2,
    RH_E820_ACPI     = 3,   /* free once the tables are read */
    RH_E820_NVS      = 4,
} RhE820Type;

/** RhE820Entry - the wire format of "etc/e820" and of the Linux zero page */
typedef struct __attribute__((packed)) RhE820Entry {
    uint64_t base;
    uint64_t len;
    uint32_t type;          /* RhE820Type */
} RhE820Entry;

#endif
