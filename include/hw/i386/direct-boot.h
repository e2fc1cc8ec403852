/*
 * Direct boot: a kernel placed in RAM with all it needs, and the boot CPU set to its entry; no firmware.
 *
 * The PVH protocol (Xen's "HVM direct boot ABI") for ELF kernels with the PHYS32_ENTRY note.
 */
#ifndef RH_HW_I386_DIRECT_BOOT_H
#define RH_HW_I386_DIRECT_BOOT_H

#include "hw/core/machine.h"
#include "hw/i386/e820.h"

typedef struct RhDirectBoot RhDirectBoot;

/**
 * rh_direct_boot_new - read @kernel and @initrd (may be NULL), check them against @ram_below_4g
 * NULL and @err when a file is missing or no kernel, or RAM is too small.
 */
RhDirectBoot *rh_direct_boot_new(const char *kernel, const char *initrd, uint64_t ram_below_4g, GError **err);
void rh_direct_boot_free(RhDirectBoot *boot);
/** rh_direct_boot_add - bytes to place in RAM at @at as well (tables); takes @data */
void rh_direct_boot_add(RhDirectBoot *boot, uint64_t at, GByteArray *data);
/** rh_direct_boot_set - what the kernel is told; copied. @rsdp 0: none */
void rh_direct_boot_set(RhDirectBoot *boot, const char *cmdline, uint64_t rsdp, const RhE820Entry *map, size_t nr);
/** rh_direct_boot_reset - place everything in @vm's memory and set its first CPU; after each reset */
void rh_direct_boot_reset(RhDirectBoot *boot, RhVm *vm);
/** rh_direct_boot_initrd - where it lies: [base, base + len); len 0: none */
RhE820Entry rh_direct_boot_initrd(const RhDirectBoot *boot);

#endif
