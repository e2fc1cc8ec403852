/*
 * boot-image - tells what kind of kernel a file is and what it wants loaded where.
 *
 * Pure: bytes in, structs out. The bytes are an untrusted file; every offset is checked against its
 * length, and nothing is allocated that the file could make large.
 * Specs: Linux Documentation/x86/boot.rst (protocol 2.00 to 2.15), Xen docs/misc/pvh, Multiboot
 * 0.6.96, ELF gABI.
 */
#ifndef RH_HW_I386_BOOT_IMAGE_H
#define RH_HW_I386_BOOT_IMAGE_H

#include "util/core.h"

typedef enum RhBootKind {
    RH_BOOT_LINUX,     /* bzImage */
    RH_BOOT_PVH,       /* ELF with a PVH entry note */
    RH_BOOT_MULTIBOOT, /* ELF32 or flat, with a Multiboot 1 header */
} RhBootKind;

/** RhBootLoad - copy @len bytes from @bytes to guest address @gpa, then clear up to @mem_len (>=
 * @len) */
typedef struct RhBootLoad {
    uint64_t gpa;
    const void *bytes;
    uint64_t len;
    uint64_t mem_len;
} RhBootLoad;

enum { RH_BOOT_MAX_LOADS = 32 };

/** RhBootImage - a checked kernel; @loads point into the file, which must outlive this */
typedef struct RhBootImage {
    RhBootKind kind;
    RhBootLoad loads[RH_BOOT_MAX_LOADS];
    unsigned nr_loads;
    uint64_t low, high; /* guest memory it needs: [low, high) */
    uint64_t entry;     /* PVH and Multiboot: 32-bit entry point; Linux: 64-bit one, 0 without */

    /* Linux only */
    const uint8_t *setup; /* the real-mode part of the file */
    size_t setup_len;
    uint16_t protocol;     /* 0x020f is 2.15 */
    uint64_t load_addr;    /* where the protected-mode part goes */
    uint64_t init_addr;  /* where it runs, and the memory it needs from there */
    uint64_t init_size;
    uint32_t cmdline_size; /* largest command line, without its end */
    uint32_t initrd_max;   /* highest address of an initrd's last byte */

    /* Multiboot only */
    uint32_t multiboot_flags;
    uint64_t multiboot_at; /* offset of the header in the file */
} RhBootImage;

/** rh_boot_image_parse - fill @ret_image from the @len bytes at @file; @name is for messages */
bool rh_boot_image_parse(const char *name, const void *file, size_t len, RhBootImage *ret_image,
                         GError **err);

#endif
