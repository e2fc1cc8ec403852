/*
 * Intel MultiProcessor tables: how a kernel without ACPI learns of CPUs and of interrupt inputs.
 * Spec: Intel MultiProcessor Specification 1.4, chapter 4.
 */
#ifndef RH_HW_I386_MPTABLE_H
#define RH_HW_I386_MPTABLE_H

#include <glib.h>
#include <stdint.h>

/** RhMpConfig - what the tables say; numbers as in the machine's other tables */
typedef struct RhMpConfig {
    const uint32_t *apic_ids;   /* of the CPUs present, the boot CPU first */
    unsigned nr_cpus;           /* those with ids above 254 cannot be told of, and are left out */
    uint64_t ioapic_base;
    unsigned nr_pins;           /* of the I/O APIC; ISA interrupts are its first 16, the timer on pin 2 */
} RhMpConfig;

enum { RH_MP_FLOATING_SIZE = 16 };

/** rh_mp_build - the configuration table, to be placed anywhere in memory that the kernel does not use */
GByteArray *rh_mp_build(const RhMpConfig *config);
/**
 * rh_mp_pointer - the floating pointer to a table at @table_at
 * Its place is a multiple of 16 inside the last KiB below 640 KiB, or in 0xf0000-0xfffff.
 */
void rh_mp_pointer(uint32_t table_at, uint8_t ret[RH_MP_FLOATING_SIZE]);

#endif
