/*
 * Walks over values that need no JSON: ending them, making lists, names of enums.
 */
#include "qapi/type.h"
#include <json-c/json.h>
#include "qapi/visit.h"
#include "util/core.h"

static void free_slot(const RhQapiType *type, void *slot)
{
    if (rh_qapi_is_pointer(type) && type->free && *(void **)slot) {
        type->free(*(void **)slot);
    }
}

static void free_branch(const RhQapiType *type, char *base)
{
    unsigned tag = *(unsigned *)(base + type->tag_offset);

    if (type->kind == RH_QAPI_ALTERNATE) {
        if (tag < type->nr) {
            free_slot(type->members[tag].type, base + type->branch_offset);
        }
        return;
    }
    if (tag < type->tag->nr && type->branches[tag]) {
        free_slot(type->branches[tag], base + type->branch_offset);
    }
}

static void free_members(const RhQapiType *type, char *base)
{
    for (unsigned i = 0; i < type->nr; i++) {
        free_slot(type->members[i].type, base + type->members[i].offset);
    }
}

void qapi_free(const RhQapiType *type, void *value)
{
    if (!value) {
        return;
    }
    switch (type->kind) {
    case RH_QAPI_STRUCT: free_members(type, value); break;
    case RH_QAPI_UNION:
        free_branch(type, value);
        free_members(type, value);
        break;
    case RH_QAPI_ALTERNATE: free_branch(type, value); break;
    default:
        if (type->free) {
            type->free(value);
        }
        return;
    }
    if (type->is_open) {
        json_object_put(*(json_object **)((char *)value + type->rest_offset));
    }
    g_free(value);
}

void *qapi_list_new(const RhQapiType *type)
{
    if (rh_qapi_is_pointer(type->element)) {
        return g_ptr_array_new_with_free_func(type->element->free);
    }
    return g_array_new(false, true, type->element->size);
}

int qapi_enum_parse(const RhQapiType *type, const char *name)
{
    for (unsigned i = 0; i < type->nr; i++) {
        if (g_str_equal(type->values[i], name)) {
            return i;
        }
    }
    return -1;
}

const char *qapi_enum_name(const RhQapiType *type, unsigned value)
{
    return value < type->nr ? type->values[value] : NULL;
}
