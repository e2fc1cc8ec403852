/*
 * From C to JSON by the type tables.
 */
#include "qapi/visit.h"
#include "util/core.h"

static void write_members(const RhQapiType *type, const char *base, json_object *into)
{
    for (unsigned i = 0; i < type->nr; i++) {
        const RhQapiMember *member = &type->members[i];
        const void *slot = base + member->offset;

        if (member->is_optional &&
            (rh_qapi_is_pointer(member->type) ? !*(void *const *)slot
                                              : !*(base + member->has_offset))) {
            continue;
        }
        json_object_object_add(into, member->name, qapi_to_json(member->type, slot));
    }
    if (type->kind == RH_QAPI_UNION) {
        unsigned tag = *(const unsigned *)(base + type->tag_offset);
        const RhQapiType *branch = tag < type->tag->nr ? type->branches[tag] : NULL;
        const char *inner = branch ? *(char *const *)(base + type->branch_offset) : NULL;

        if (inner) {
            write_members(branch, inner, into);
        }
    }
    if (type->is_open && *(json_object *const *)(base + type->rest_offset)) {
        json_object_object_foreach (*(json_object *const *)(base + type->rest_offset), name,
                                    value) {
            json_object_object_add(into, name, json_object_get(value));
        }
    }
}

static json_object *write_struct(const RhQapiType *type, const char *base)
{
    json_object *object = json_object_new_object();

    if (base) {
        write_members(type, base, object);
    }
    return object;
}

static json_object *write_list(const RhQapiType *type, const void *list)
{
    json_object *array = json_object_new_array();
    bool of_pointers = rh_qapi_is_pointer(type->element);

    if (!list) {
        return array;
    }
    unsigned nr = of_pointers ? ((const GPtrArray *)list)->len : ((const GArray *)list)->len;

    for (unsigned i = 0; i < nr; i++) {
        const void *slot = of_pointers
                               ? (const void *)&((const GPtrArray *)list)->pdata[i]
                               : ((const GArray *)list)->data + (size_t)i * type->element->size;

        json_object_array_add(array, qapi_to_json(type->element, slot));
    }
    return array;
}

static json_object *write_int(const RhQapiType *type, const void *slot)
{
    uint64_t value = rh_ld(slot, type->size);
    unsigned shift = 64 - 8 * type->size;

    if (type->kind == RH_QAPI_INT) {
        return json_object_new_int64((int64_t)(value << shift) >> shift);
    }
    return value > INT64_MAX ? json_object_new_uint64(value) : json_object_new_int64(value);
}

json_object *qapi_to_json(const RhQapiType *type, const void *value)
{
    const char *text;

    switch (type->kind) {
    case RH_QAPI_STR: text = *(char *const *)value; return json_object_new_string(text ? text : "");
    case RH_QAPI_BOOL: return json_object_new_boolean(*(const bool *)value);
    case RH_QAPI_INT:
    case RH_QAPI_UINT:
    case RH_QAPI_SIZE: return write_int(type, value);
    case RH_QAPI_NUMBER: return json_object_new_double(*(const double *)value);
    case RH_QAPI_ANY: return json_object_get(*(json_object *const *)value);
    case RH_QAPI_NULL: return NULL;
    case RH_QAPI_ENUM:
        text = qapi_enum_name(type, *(const unsigned *)value);
        g_assert(text); /* only our own code makes the value */
        return json_object_new_string(text);
    case RH_QAPI_LIST: return write_list(type, *(void *const *)value);
    case RH_QAPI_STRUCT:
    case RH_QAPI_UNION: return write_struct(type, *(char *const *)value);
    case RH_QAPI_ALTERNATE: {
        const char *base = *(char *const *)value;
        unsigned kind = *(const unsigned *)(base + type->tag_offset);

        g_assert(kind < type->nr);
        return qapi_to_json(type->members[kind].type, base + type->branch_offset);
    }
    }
    g_assert_not_reached();
}
