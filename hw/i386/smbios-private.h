/*
 * smbios-private - user's fields, between the options (smbios-options.c) and the table (smbios.c).
 */
#ifndef HW_I386_SMBIOS_PRIVATE_H
#define HW_I386_SMBIOS_PRIVATE_H

#include "hw/i386/smbios.h"

enum { RH_SMBIOS_NR_TYPES = 256 };

/** RhSmbiosSet - fields of one structure: a hash table from key to text */
typedef GHashTable RhSmbiosSet;

struct RhSmbios {
    GPtrArray *sets[RH_SMBIOS_NR_TYPES]; /* of RhSmbiosSet; NULL without options of that type */
    bool has_file[RH_SMBIOS_NR_TYPES];
    GPtrArray *oem_strings;      /* of char *: type 11 */
    GByteArray *blobs;           /* structures from files */
    unsigned nr_blobs, max_blob; /* how many, and the largest's size */
    GByteArray *table, *entry;
};

/** rh_smbios_text - field @key of set @nr of @type, or @fallback */
const char *rh_smbios_text(const RhSmbios *s, unsigned type, unsigned nr, const char *key,
                           const char *fallback);
/** rh_smbios_number - likewise; its text was checked when the option was read */
uint64_t rh_smbios_number(const RhSmbios *s, unsigned type, unsigned nr, const char *key,
                          uint64_t fallback);
/** rh_smbios_nr_sets - how many structures of @type options ask for */
unsigned rh_smbios_nr_sets(const RhSmbios *s, unsigned type);
/** rh_smbios_kind - the number of a type 41 kind such as "video"; 0 when unknown */
unsigned rh_smbios_kind(const char *name);

#endif
