/*
 * The property kinds of plain C types. Each reads JSON of its own type, and text for what it spells,
 * because key=value options know only text.
 */
#include "qom/object.h"
#include "qom/private.h"
#include <errno.h>
#include "util/parse.h"

static const char *owner_name(const RhObject *obj)
{
    return obj->type->name;
}

static bool wrong_type(const RhObject *obj, const RhProp *prop, GError **err)
{
    g_autofree char *expected = rh_prop_type_name(prop);

    return rh_fail(err, "Invalid parameter type for '%s.%s', expected: %s", owner_name(obj), prop->name,
                   expected);
}

/* --- numbers --- */

static uint64_t prop_max(const RhProp *prop)
{
    return prop->max ? prop->max : prop->kind->max;
}

static bool is_size(const RhPropKind *kind)
{
    return kind == &rh_prop_size || kind == &rh_prop_size32;
}

static bool text_to_unsigned(const RhObject *obj, const RhProp *prop, const char *text, uint64_t *ret,
                             GError **err)
{
    bool good = is_size(prop->kind) ? rh_parse_size(text, 'B', ret, NULL)
                                    : rh_parse_u64(text, UINT64_MAX, ret, NULL);

    return good || rh_fail(err, "Property '%s.%s' is '%s', must be a %s", owner_name(obj), prop->name, text,
                           is_size(prop->kind) ? "size such as 64K or 2M" : "number");
}

static bool json_to_unsigned(const RhObject *obj, const RhProp *prop, json_object *value, uint64_t *ret,
                             GError **err)
{
    if (json_object_is_type(value, json_type_string)) {
        return text_to_unsigned(obj, prop, json_object_get_string(value), ret, err);
    }
    if (!json_object_is_type(value, json_type_int)) {
        return wrong_type(obj, prop, err);
    }
    *ret = json_object_get_uint64(value);
    if (json_object_get_int64(value) < 0) {
        return rh_fail(err, "Property '%s.%s' is %" PRId64 ", must not be negative", owner_name(obj),
                       prop->name, json_object_get_int64(value));
    }
    return true;
}

static void store_unsigned(RhObject *obj, const RhProp *prop, uint64_t number)
{
    void *member = rh_prop_member(obj, prop);

    if (prop->kind == &rh_prop_u8) {
        *(uint8_t *)member = (uint8_t)number;
    } else if (prop->kind == &rh_prop_u16) {
        *(uint16_t *)member = (uint16_t)number;
    } else if (prop->kind == &rh_prop_u32 || prop->kind == &rh_prop_size32) {
        *(uint32_t *)member = (uint32_t)number;
    } else {
        *(uint64_t *)member = number;
    }
}

static uint64_t load_unsigned(RhObject *obj, const RhProp *prop)
{
    const void *member = rh_prop_member(obj, prop);

    if (prop->kind == &rh_prop_u8) {
        return *(const uint8_t *)member;
    }
    if (prop->kind == &rh_prop_u16) {
        return *(const uint16_t *)member;
    }
    if (prop->kind == &rh_prop_u32 || prop->kind == &rh_prop_size32) {
        return *(const uint32_t *)member;
    }
    return *(const uint64_t *)member;
}

static bool unsigned_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    uint64_t number;

    if (!json_to_unsigned(obj, prop, value, &number, err)) {
        return false;
    }
    if (number < prop->min || number > prop_max(prop)) {
        return rh_fail(err, "Property '%s.%s' is %" PRIu64 ", must be %" PRIu64 " to %" PRIu64,
                       owner_name(obj), prop->name, number, prop->min, prop_max(prop));
    }
    store_unsigned(obj, prop, number);
    return true;
}

static json_object *unsigned_get(RhObject *obj, const RhProp *prop)
{
    return json_object_new_uint64(load_unsigned(obj, prop));
}

static void unsigned_init(RhObject *obj, const RhProp *prop)
{
    store_unsigned(obj, prop, prop->def);
}

static void store_signed(RhObject *obj, const RhProp *prop, int64_t number)
{
    void *member = rh_prop_member(obj, prop);

    if (prop->kind == &rh_prop_s8) {
        *(int8_t *)member = (int8_t)number;
    } else if (prop->kind == &rh_prop_s16) {
        *(int16_t *)member = (int16_t)number;
    } else if (prop->kind == &rh_prop_s32) {
        *(int32_t *)member = (int32_t)number;
    } else {
        *(int64_t *)member = number;
    }
}

static bool signed_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    int64_t max = (int64_t)prop_max(prop);
    int64_t min = prop->min ? (int64_t)prop->min : -(int64_t)prop->kind->max - 1;
    int64_t number;

    if (json_object_is_type(value, json_type_string)) {
        const char *text = json_object_get_string(value);
        char *end;

        errno = 0;
        number = g_ascii_strtoll(text, &end, 0);
        if (errno || end == text || *end) {
            return rh_fail(err, "Property '%s.%s' is '%s', must be a number", owner_name(obj), prop->name,
                           text);
        }
    } else if (json_object_is_type(value, json_type_int)) {
        number = json_object_get_int64(value);
    } else {
        return wrong_type(obj, prop, err);
    }
    if (number < min || number > max) {
        return rh_fail(err, "Property '%s.%s' is %" PRId64 ", must be %" PRId64 " to %" PRId64,
                       owner_name(obj), prop->name, number, min, max);
    }
    store_signed(obj, prop, number);
    return true;
}

static json_object *signed_get(RhObject *obj, const RhProp *prop)
{
    const void *member = rh_prop_member(obj, prop);

    if (prop->kind == &rh_prop_s8) {
        return json_object_new_int64(*(const int8_t *)member);
    }
    if (prop->kind == &rh_prop_s16) {
        return json_object_new_int64(*(const int16_t *)member);
    }
    if (prop->kind == &rh_prop_s32) {
        return json_object_new_int64(*(const int32_t *)member);
    }
    return json_object_new_int64(*(const int64_t *)member);
}

static void signed_init(RhObject *obj, const RhProp *prop)
{
    store_signed(obj, prop, (int64_t)prop->def);
}

#define UNSIGNED_KIND(ident, text, limit)                                                          \
    const RhPropKind ident = { .name = text, .set = unsigned_set, .get = unsigned_get,             \
                               .init = unsigned_init, .max = limit }
#define SIGNED_KIND(ident, text, limit)                                                            \
    const RhPropKind ident = { .name = text, .set = signed_set, .get = signed_get,                 \
                               .init = signed_init, .max = limit }
UNSIGNED_KIND(rh_prop_u8, "uint8", UINT8_MAX);
UNSIGNED_KIND(rh_prop_u16, "uint16", UINT16_MAX);
UNSIGNED_KIND(rh_prop_u32, "uint32", UINT32_MAX);
UNSIGNED_KIND(rh_prop_u64, "uint64", UINT64_MAX);
UNSIGNED_KIND(rh_prop_size, "size", UINT64_MAX);
UNSIGNED_KIND(rh_prop_size32, "size", UINT32_MAX);
SIGNED_KIND(rh_prop_s8, "int8", INT8_MAX);
SIGNED_KIND(rh_prop_s16, "int16", INT16_MAX);
SIGNED_KIND(rh_prop_s32, "int32", INT32_MAX);
SIGNED_KIND(rh_prop_s64, "int64", INT64_MAX);

/* --- booleans, enums --- */

static bool bool_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    bool *member = rh_prop_member(obj, prop);

    if (json_object_is_type(value, json_type_boolean)) {
        *member = json_object_get_boolean(value);
        return true;
    }
    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(obj, prop, err);
    }
    if (!rh_parse_bool(json_object_get_string(value), member, NULL)) {
        return rh_fail(err, "Property '%s.%s' is '%s', must be 'on' or 'off'", owner_name(obj), prop->name,
                       json_object_get_string(value));
    }
    return true;
}

static json_object *bool_get(RhObject *obj, const RhProp *prop)
{
    return json_object_new_boolean(*(bool *)rh_prop_member(obj, prop));
}

static void bool_init(RhObject *obj, const RhProp *prop)
{
    *(bool *)rh_prop_member(obj, prop) = prop->def;
}

const RhPropKind rh_prop_bool = { .name = "bool", .set = bool_set, .get = bool_get, .init = bool_init };

static const char *const on_off_auto_names[] = { "auto", "on", "off", NULL };

static const char *const *enum_names(const RhProp *prop)
{
    return prop->kind == &rh_prop_on_off_auto ? on_off_auto_names : prop->values;
}

static bool enum_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    const char *const *names = enum_names(prop);
    const char *text;

    if (json_object_is_type(value, json_type_boolean) && prop->kind == &rh_prop_on_off_auto) {
        *(int *)rh_prop_member(obj, prop) = json_object_get_boolean(value) ? RH_ON : RH_OFF;
        return true;
    }
    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(obj, prop, err);
    }
    text = json_object_get_string(value);
    for (int i = 0; names[i]; i++) {
        if (g_str_equal(names[i], text)) {
            *(int *)rh_prop_member(obj, prop) = i;
            return true;
        }
    }
    {
        g_autofree char *all = g_strjoinv("', '", (char **)names);

        return rh_fail(err, "Property '%s.%s' does not accept value '%s', must be one of '%s'",
                       owner_name(obj), prop->name, text, all);
    }
}

static json_object *enum_get(RhObject *obj, const RhProp *prop)
{
    return json_object_new_string(enum_names(prop)[*(int *)rh_prop_member(obj, prop)]);
}

static void enum_init(RhObject *obj, const RhProp *prop)
{
    *(int *)rh_prop_member(obj, prop) = (int)prop->def;
}

const RhPropKind rh_prop_enum = { .name = "enum", .set = enum_set, .get = enum_get, .init = enum_init };
const RhPropKind rh_prop_on_off_auto = {
    .name = "OnOffAuto", .set = enum_set, .get = enum_get, .init = enum_init,
};

/* --- text, lists, JSON --- */

static bool str_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    char **member = rh_prop_member(obj, prop);

    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(obj, prop, err);
    }
    g_free(*member);
    *member = g_strdup(json_object_get_string(value));
    return true;
}

static json_object *str_get(RhObject *obj, const RhProp *prop)
{
    const char *text = *(char **)rh_prop_member(obj, prop);

    return json_object_new_string(text ? text : "");
}

static void str_init(RhObject *obj, const RhProp *prop)
{
    *(char **)rh_prop_member(obj, prop) = g_strdup(prop->def_str);
}

static void str_fini(RhObject *obj, const RhProp *prop)
{
    g_clear_pointer((char **)rh_prop_member(obj, prop), g_free);
}

const RhPropKind rh_prop_str = {
    .name = "str", .set = str_set, .get = str_get, .init = str_init, .fini = str_fini,
};

static bool str_list_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    char ***member = rh_prop_member(obj, prop);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    if (json_object_is_type(value, json_type_string)) {
        g_ptr_array_add(list, g_strdup(json_object_get_string(value)));
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            json_object *item = json_object_array_get_idx(value, i);

            if (!json_object_is_type(item, json_type_string)) {
                return wrong_type(obj, prop, err);
            }
            g_ptr_array_add(list, g_strdup(json_object_get_string(item)));
        }
    } else {
        return wrong_type(obj, prop, err);
    }
    g_ptr_array_add(list, NULL);
    g_strfreev(*member);
    *member = (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
    return true;
}

static json_object *str_list_get(RhObject *obj, const RhProp *prop)
{
    char **list = *(char ***)rh_prop_member(obj, prop);
    json_object *array = json_object_new_array();

    for (; list && *list; list++) {
        json_object_array_add(array, json_object_new_string(*list));
    }
    return array;
}

static void str_list_fini(RhObject *obj, const RhProp *prop)
{
    g_clear_pointer((char ***)rh_prop_member(obj, prop), g_strfreev);
}

const RhPropKind rh_prop_str_list = {
    .name = "list<str>", .set = str_list_set, .get = str_list_get, .fini = str_list_fini,
};

static bool json_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    json_object **member = rh_prop_member(obj, prop);

    json_object_put(*member);
    *member = json_object_get(value);
    return true;
}

static json_object *json_get(RhObject *obj, const RhProp *prop)
{
    return json_object_get(*(json_object **)rh_prop_member(obj, prop));
}

static void json_fini(RhObject *obj, const RhProp *prop)
{
    g_clear_pointer((json_object **)rh_prop_member(obj, prop), json_object_put);
}

const RhPropKind rh_prop_json = { .name = "any", .set = json_set, .get = json_get, .fini = json_fini };

static void uuid_generate(RhUuid *uuid)
{
    g_autofree char *text = g_uuid_string_random();

    rh_parse_uuid(text, uuid, NULL);
}

static bool uuid_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    RhUuid *member = rh_prop_member(obj, prop);
    const char *text = json_object_get_string(value);

    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(obj, prop, err);
    }
    if (g_str_equal(text, "auto")) {
        uuid_generate(member);
        return true;
    }
    return rh_parse_uuid(text, member, NULL) ||
           rh_fail(err, "Property '%s.%s' is '%s', must be a UUID or 'auto'", owner_name(obj), prop->name,
                   text);
}

static json_object *uuid_get(RhObject *obj, const RhProp *prop)
{
    char text[RH_UUID_TEXT_SIZE];

    rh_uuid_format(rh_prop_member(obj, prop), text);
    return json_object_new_string(text);
}

static void uuid_init(RhObject *obj, const RhProp *prop)
{
    if (prop->def_str && g_str_equal(prop->def_str, "auto")) {
        uuid_generate(rh_prop_member(obj, prop));
    }
}

const RhPropKind rh_prop_uuid = { .name = "uuid", .set = uuid_set, .get = uuid_get, .init = uuid_init };

/* --- links --- */

static RhObject *root_of(const RhObject *obj)
{
    return obj->vm ? ((RhTree *)obj->vm)->root : NULL;
}

static bool link_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    RhObject **member = rh_prop_member(obj, prop);
    RhObject *root = root_of(obj);
    RhObject *target = NULL;
    const char *path;
    bool ambiguous = false;

    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(obj, prop, err);
    }
    path = json_object_get_string(value);
    if (path[0]) {
        target = root ? rh_object_resolve(root, path, &ambiguous) : NULL;
        if (ambiguous) {
            return rh_fail(err, "Path '%s' does not uniquely identify an object", path);
        }
        if (!target) {
            return rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
        }
        if (!rh_object_is(target, prop->target)) {
            return rh_fail(err, "Invalid parameter type for '%s', expected: %s", prop->name, prop->target);
        }
        rh_object_ref(target);
    }
    rh_object_unref(*member);
    *member = target;
    return true;
}

static json_object *link_get(RhObject *obj, const RhProp *prop)
{
    RhObject *target = *(RhObject **)rh_prop_member(obj, prop);
    g_autofree char *path = target ? rh_object_path(target) : NULL;

    return json_object_new_string(path ? path : "");
}

static void link_fini(RhObject *obj, const RhProp *prop)
{
    g_clear_pointer((RhObject **)rh_prop_member(obj, prop), rh_object_unref);
}

const RhPropKind rh_prop_link = { .name = "link", .set = link_set, .get = link_get, .fini = link_fini };

RhObject *rh_object_link_target(RhObject *obj, const char *name)
{
    const RhProp *prop = rh_type_find_prop(obj->type, name);

    return prop && prop->kind == &rh_prop_link ? *(RhObject **)rh_prop_member(obj, prop) : NULL;
}

/* --- computed: the row's own get and set --- */

const RhPropKind rh_prop_computed = { .name = "any" };
