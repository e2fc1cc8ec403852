/*
 * tables-private - shared by the collector (tables.c) and the table layouts (tables-fixed.c).
 */
#ifndef HW_ACPI_TABLES_PRIVATE_H
#define HW_ACPI_TABLES_PRIVATE_H

#include "hw/acpi/tables.h"

enum { RH_LOADER_NAME = 56 }; /* a file name of the firmware's script, with its terminator */

typedef enum RhAcpiTarget {
    RH_ACPI_TARGET_DSDT,
    RH_ACPI_TARGET_FACS,
} RhAcpiTarget;

/** rh_acpi_put - append @size little-endian bytes */
void rh_acpi_put(GByteArray *out, uint64_t value, unsigned size);
void rh_acpi_put_zeros(GByteArray *out, size_t len);
/** rh_acpi_table_pointer - append a pointer field to the open table */
void rh_acpi_table_pointer(RhAcpi *acpi, RhAcpiTarget which, unsigned size);

#endif
