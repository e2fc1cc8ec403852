/*
 * How a schema type is described to the generic walkers: one constant table per type, made by the
 * generator. Nothing here is written by hand.
 */
#ifndef RH_QAPI_TYPE_H
#define RH_QAPI_TYPE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * RhQapiKind - the shape of a type, and what stands for it in C:
 * STR char *, BOOL bool, INT intN_t, UINT uintN_t, SIZE uint64_t, NUMBER double, ANY json_object *,
 * NULL nothing, ENUM its enum, LIST GPtrArray * of pointers or GArray * of scalars,
 * STRUCT, UNION and ALTERNATE a pointer to the struct
 */
typedef enum RhQapiKind {
    RH_QAPI_STR,
    RH_QAPI_BOOL,
    RH_QAPI_INT,
    RH_QAPI_UINT,
    RH_QAPI_SIZE,
    RH_QAPI_NUMBER,
    RH_QAPI_ANY,
    RH_QAPI_NULL,
    RH_QAPI_ENUM,
    RH_QAPI_LIST,
    RH_QAPI_STRUCT,
    RH_QAPI_UNION,
    RH_QAPI_ALTERNATE,
} RhQapiKind;

typedef struct RhQapiType RhQapiType;

/** RhQapiMember - a member of a struct or union; @has_offset counts only for optional scalars */
typedef struct RhQapiMember {
    const char *name;
    const RhQapiType *type;
    uint16_t offset;
    uint16_t has_offset;
    bool is_optional;
} RhQapiMember;

/**
 * RhQapiType - one type
 * A union's branch stands in the same JSON object as its base members; in C it is a pointer at
 * @branch_offset, picked by the enum at @tag_offset. An alternate holds at @tag_offset the index of
 * the member in use and at @branch_offset its value. An open struct keeps the members that it does
 * not know in a json_object at @rest_offset.
 */
struct RhQapiType {
    const char *name;
    RhQapiKind kind;
    uint16_t size; /* bytes of the C struct, or of the scalar */
    uint16_t nr;   /* members; values of an enum */
    uint16_t tag_offset;
    uint16_t branch_offset;
    uint16_t rest_offset;
    bool is_open;
    const RhQapiMember *members;
    const RhQapiType *tag;             /* UNION: the enum */
    const RhQapiType *const *branches; /* UNION: by tag value; NULL where nothing is added */
    const char *const *values;         /* ENUM: names by value */
    const char *const *later_values;   /* ENUM: names to be had later, NULL-terminated; or NULL */
    const RhQapiType *element;         /* LIST */
    GDestroyNotify free;               /* ends one value, where that is a pointer */
};

/** rh_qapi_is_pointer - whether a C value of @type is a pointer, so that NULL can say "absent" */
static inline bool rh_qapi_is_pointer(const RhQapiType *type)
{
    return type->kind == RH_QAPI_STR || type->kind == RH_QAPI_ANY || type->kind == RH_QAPI_NULL ||
           type->kind >= RH_QAPI_LIST;
}

#endif
