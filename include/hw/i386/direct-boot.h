/*
 * Direct boot: a kernel placed in RAM with all it needs, and the boot CPU set to its entry; no firmware.
 */
#ifndef RH_HW_I386_DIRECT_BOOT_H
#define RH_HW_I386_DIRECT_BOOT_H

#include "hw/core/machine.h"
#include "hw/i386/e820.h"

typedef struct RhDirectBoot RhDirectBoot;

/** RhDirectBootRequest - read during rh_direct_boot_new only */
typedef struct RhDirectBootRequest {
    const char *kernel;         /* file names; initrd NULL: none */
    const char *initrd;
    const char *cmdline;
    const RhE820Entry *map;     /* sorted by address */
    size_t nr_map;
    uint64_t rsdp;              /* guest address of the ACPI root pointer; 0: none */
    const GByteArray *dtb;      /* a flattened device tree; NULL: none */
} RhDirectBootRequest;

/** rh_direct_boot_new - NULL and @err when a file is missing, is no kernel, or does not fit the memory */
RhDirectBoot *rh_direct_boot_new(const RhDirectBootRequest *request, GError **err);
void rh_direct_boot_free(RhDirectBoot *boot);
/** rh_direct_boot_takes_dtb - the kernel's boot protocol hands a device tree over; others ignore it */
bool rh_direct_boot_takes_dtb(const RhDirectBoot *boot);
/** rh_direct_boot_add - bytes to place in RAM at @at as well (tables); a copy is kept */
void rh_direct_boot_add(RhDirectBoot *boot, uint64_t at, const void *bytes, size_t len);
/** rh_direct_boot_reset - place everything in @vm's memory and set its first CPU; after each reset */
void rh_direct_boot_reset(RhDirectBoot *boot, RhVm *vm);

#endif
