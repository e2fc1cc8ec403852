/*
 * smbios - builds SMBIOS tables (DMTF DSP0134, versions 2.8 and 3.0) from the machine and -smbios
 * options.
 *
 * Use: new, add every option, build, and publish entry point and table to firmware, or place them.
 * Belongs to one thread; rh_smbios_free() ends it.
 */
#ifndef RH_HW_I386_SMBIOS_H
#define RH_HW_I386_SMBIOS_H

#include <json-c/json.h>

#include "hw/i386/e820.h"

typedef struct RhSmbios RhSmbios;

/** RhSmbiosSlot - a PCI slot a user can see (type 9) */
typedef struct RhSmbiosSlot {
    const char *designation;
    bool is_express, in_use;
    uint16_t segment;
    uint8_t bus, devfn;
} RhSmbiosSlot;

/** RhSmbiosFindPci - address of the device with this id, for type 41; false and @err when there is
 * none */
typedef bool RhSmbiosFindPci(void *opaque, const char *id, uint16_t *ret_segment, uint8_t *ret_bus,
                             uint8_t *ret_devfn, GError **err);

/** RhSmbiosConfig - the machine; only read during rh_smbios_build() */
typedef struct RhSmbiosConfig {
    bool is_v3;         /* 64-bit entry point, version 3.0; else 2.8 */
    bool has_bios_info; /* write type 0 even without options: no firmware will */
    const char *manufacturer, *product, *version; /* unless options say otherwise */
    const char *uuid;                             /* canonical text; NULL: all zero */
    unsigned sockets, cores, threads;             /* cores of a socket, threads of a core */
    uint64_t processor_id;                        /* CPUID 1: EAX, and EDX in the upper half */
    uint64_t ram_size;                            /* bytes */
    const RhE820Entry *map;                       /* its RAM entries become type 19 */
    unsigned nr_map;
    const RhSmbiosSlot *slots;
    unsigned nr_slots;
    RhSmbiosFindPci *find_pci;
    void *find_pci_opaque;
} RhSmbiosConfig;

RhSmbios *rh_smbios_new(void);
void rh_smbios_free(RhSmbios *smbios);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhSmbios, rh_smbios_free)

/**
 * rh_smbios_add_option - one -smbios option: an object of texts, a repeated key being an array of
 * them Fields of types 0 to 4 and 17 override earlier ones; types 8, 11 and 41 add up. Reads files
 * it names.
 */
bool rh_smbios_add_option(RhSmbios *smbios, json_object *option, GError **err);

/** rh_smbios_build - make entry point and table; once, after all options */
bool rh_smbios_build(RhSmbios *smbios, const RhSmbiosConfig *config, GError **err);

/** rh_smbios_table, rh_smbios_entry - the bytes, owned by @smbios; files "etc/smbios/smbios-tables"
 * and "etc/smbios/smbios-anchor", whose address the firmware fills in */
const GByteArray *rh_smbios_table(const RhSmbios *smbios);
const GByteArray *rh_smbios_entry(const RhSmbios *smbios);

/** rh_smbios_place - tell the entry point that the table lies at @gpa (below 4 GiB unless v3) */
void rh_smbios_place(RhSmbios *smbios, uint64_t gpa);

#endif
