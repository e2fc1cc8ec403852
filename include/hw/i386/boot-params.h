/*
 * boot-params - everything a kernel entered without firmware finds in memory and registers.
 *
 * Pure: takes a parsed kernel and the memory map, returns what to copy where and the first vCPU's
 * state. Specs: Linux Documentation/x86/boot.rst and zero-page.rst, Xen docs/misc/pvh, Multiboot
 * 0.6.96 §3.
 *
 * Boot data lies between 0x5000 and 0x80000; the machine keeps nothing else of its own there.
 */
#ifndef RH_HW_I386_BOOT_PARAMS_H
#define RH_HW_I386_BOOT_PARAMS_H

#include "hw/i386/boot-image.h"
#include "hw/i386/e820.h"

/** RhBootEntry - state of the boot vCPU; interrupts off, all other registers zero, RFLAGS 2 */
typedef struct RhBootEntry {
    bool is_long; /* 64-bit mode with paging; else 32-bit protected mode without */
    uint64_t rip, rsp, rax, rbx, rsi;
    uint64_t cr0, cr3, cr4, efer;
    uint64_t gdt_base;
    uint16_t gdt_limit;
    uint16_t cs, ds, tr; /* selectors; ds also of es, fs, gs and ss. All are flat, their
                            descriptors in the table; tr is a TSS of 104 bytes at base 0. */
} RhBootEntry;

/** RhBootFile - an initrd or module */
typedef struct RhBootFile {
    const char *name; /* for messages; a module's whole "file args" text */
    const void *bytes;
    uint64_t len;
} RhBootFile;

typedef struct RhBootRequest {
    const char *name; /* the kernel's, for messages, and first word of a Multiboot command line */
    const RhBootImage *image;
    const char *cmdline;     /* NULL for none */
    const RhBootFile *files; /* Linux, PVH: at most one, the initrd; Multiboot: modules */
    unsigned nr_files;
    const RhE820Entry *map; /* sorted by address */
    unsigned nr_map;        /* at most RH_BOOT_MAX_MAP */
    uint64_t rsdp;          /* guest address of the ACPI root pointer; 0: none */
    const void *dtb;        /* a flattened device tree, which only the Linux protocol has a place for; NULL: none */
    size_t dtb_len;
} RhBootRequest;

enum { RH_BOOT_MAX_MAP = 128, RH_BOOT_MAX_FILES = 64 };

/** RhBootPlan - @loads point into the kernel, the files and @owned: all must outlive the last use
 */
typedef struct RhBootPlan {
    GArray *loads;    /* of RhBootLoad, in any order */
    GPtrArray *owned; /* of GByteArray */
    RhBootEntry entry;
} RhBootPlan;

/** rh_boot_plan_new - NULL and @err when kernel, command line or files do not fit the memory */
RhBootPlan *rh_boot_plan_new(const RhBootRequest *request, GError **err);
void rh_boot_plan_free(RhBootPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhBootPlan, rh_boot_plan_free)

#endif
