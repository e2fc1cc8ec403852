/*
 * Declared state: tables that say which bytes of an object are guest state, and the walkers that
 * save, load, compare and check it. Numbers travel big-endian; each table has a version.
 */
#ifndef RH_MIGRATION_VMSTATE_H
#define RH_MIGRATION_VMSTATE_H

#include "util/core.h"
#include "util/error.h"

typedef struct RhField RhField;
typedef struct RhFieldTable {
    const RhField *rows;
    size_t nr;
} RhFieldTable;

/** RhField - one member of a state struct; arrays have count > 1, nested structs have .fields */
struct RhField {
    const char *name;
    size_t offset;          /* in the struct that the table describes */
    size_t size;            /* of one element, bytes: 1, 2, 4, 8, or the nested struct's */
    size_t count;           /* elements */
    RhFieldTable fields;    /* nested struct, element by element */
    bool is_bytes;          /* opaque bytes: size is the whole length, no byte order */
    uint64_t valid;         /* load refuses other bits; 0: all are good */
    uint64_t max;           /* load refuses larger values; 0: no limit */
    unsigned since;         /* version of the table that introduced it; 0: always */
};

#define RH_FIELD(T, m, ...)                                                                        \
    { .name = #m, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m), .count = 1, __VA_ARGS__ }
/** RH_FIELD_ARRAY - a one-dimensional array of numbers */
#define RH_FIELD_ARRAY(T, m, ...)                                                                  \
    { .name = #m, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m[0]),                        \
      .count = sizeof(((T *)0)->m) / sizeof(((T *)0)->m[0]), __VA_ARGS__ }
/** RH_FIELD_BYTES - opaque bytes of fixed length */
#define RH_FIELD_BYTES(T, m, ...)                                                                  \
    { .name = #m, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m), .count = 1, .is_bytes = true, __VA_ARGS__ }
/** RH_FIELD_STRUCT - a nested struct described by its own table of rows */
#define RH_FIELD_STRUCT(T, m, table, ...)                                                          \
    { .name = #m, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m), .count = 1, .fields = RH_FIELDS(table), __VA_ARGS__ }
#define RH_FIELD_STRUCTS(T, m, table, ...)                                                         \
    { .name = #m, .offset = offsetof(T, m), .size = sizeof(((T *)0)->m[0]),                        \
      .count = sizeof(((T *)0)->m) / sizeof(((T *)0)->m[0]), .fields = RH_FIELDS(table), __VA_ARGS__ }
#define RH_FIELDS(array) { array, RH_COUNT(array) }

/** RhState - a state struct inside an instance */
typedef struct RhState {
    size_t offset;          /* of the state struct in the instance */
    size_t size;
    const void *at_reset;   /* contents after reset; NULL: all zero */
    unsigned version;       /* 1 and up */
    bool is_kept;           /* battery-backed and such: reset leaves it (a .reset hook may clear parts); starts zero-filled */
    RhFieldTable fields;
    /*
     * Guest state kept outside the struct because its size differs between instances (and never in one's life): its address, and
     * its size. Opaque bytes, behind the fields in a stream; load refuses another size. Reset is the .reset hook's. NULL: none.
     */
    void *(*extra)(const void *instance, size_t *ret_size);
} RhState;

/** RH_STATE - RH_STATE(Instance, member, at_reset_variable, .version = 1, .fields = RH_TABLE(rows)) */
#define RH_STATE(T, m, reset_value, ...)                                                           \
    { .offset = offsetof(T, m), .size = sizeof(((T *)0)->m), .at_reset = &(reset_value), __VA_ARGS__ }

/** rh_state_reset - copy at_reset (or zeroes) into the instance's state struct */
void rh_state_reset(const RhState *state, void *instance);
/** rh_state_save - append version and fields to @out */
void rh_state_save(const RhState *state, const void *instance, GByteArray *out);
/**
 * rh_state_load - fill the state struct from @data; *@pos moves on. Every value is checked against valid, max and
 * the data's end before anything changes; @err names the field, and the instance is untouched then.
 */
bool rh_state_load(const RhState *state, void *instance, const uint8_t *data, size_t len, size_t *pos,
                   GError **err);
/** rh_state_uncovered - offset of the first byte of the struct in no field (alignment padding aside), or -1 */
long rh_state_uncovered(const RhState *state);

#endif
