/*
 * The command line options as data: finding, parsing, describing.
 */
#include "qapi/option.h"
#include "qapi/keyval.h"
#include "qapi/visit.h"
#include "util/core.h"
#include "util/error.h"

const RhOption *rh_option_find(const char *name)
{
    unsigned nr;
    const RhOption *options = rh_options(&nr);

    for (unsigned i = 0; i < nr; i++) {
        if (g_str_equal(options[i].name, name) ||
            (options[i].aliases && g_strv_contains(options[i].aliases, name))) {
            return &options[i];
        }
    }
    return NULL;
}

bool rh_option_check(const RhOption *option, GError **err)
{
    return !option->later ||
           rh_fail(err, "-%s is not supported yet: %s", option->name, option->later);
}

json_object *rh_option_parse(const RhOption *option, const char *text, bool *ret_is_help,
                             bool *ret_is_json, GError **err)
{
    unsigned flags = option->flags & RH_OPTION_JSON ? 0 : RH_KEYVAL_NO_JSON;

    if (option->flags & RH_OPTION_SHORTHAND) {
        flags |= RH_KEYVAL_SHORTHAND | RH_KEYVAL_FLAT;
    }
    if (option->flags & RH_OPTION_COLLECT) {
        flags |= RH_KEYVAL_COLLECT | RH_KEYVAL_FLAT;
    }
    return rh_keyval_parse_as(text, option->implied, flags, ret_is_help, ret_is_json, err);
}

void *rh_option_read(const RhOption *option, json_object *in, bool is_json, GError **err)
{
    void *value = NULL;

    qapi_from_json(option->type, in, &value, is_json ? 0 : QAPI_KEYVAL, err);
    return value;
}

void rh_option_merge(json_object *into, json_object *from)
{
    json_object_object_foreach (from, name, value) {
        json_object *old;

        if (json_object_is_type(value, json_type_object) &&
            json_object_object_get_ex(into, name, &old) &&
            json_object_is_type(old, json_type_object)) {
            rh_option_merge(old, value);
        } else {
            json_object_object_add(into, name, json_object_get(value));
        }
    }
}

static const char *parameter_type(const RhQapiType *type)
{
    switch (type->kind) {
    case RH_QAPI_BOOL: return "boolean";
    case RH_QAPI_INT:
    case RH_QAPI_UINT:
    case RH_QAPI_NUMBER: return "number";
    case RH_QAPI_SIZE: return "size";
    default: return "string";
    }
}

static json_object *describe(const RhOption *option)
{
    json_object *info = json_object_new_object();
    json_object *parameters = json_object_new_array();

    for (unsigned i = 0; option->type && i < option->type->nr; i++) {
        const RhQapiMember *member = &option->type->members[i];
        json_object *parameter = json_object_new_object();

        json_object_object_add(parameter, "name", json_object_new_string(member->name));
        json_object_object_add(parameter, "type",
                               json_object_new_string(parameter_type(member->type)));
        if (option->member_help && option->member_help[i]) {
            json_object_object_add(parameter, "help",
                                   json_object_new_string(option->member_help[i]));
        }
        json_object_array_add(parameters, parameter);
    }
    json_object_object_add(info, "option", json_object_new_string(option->group));
    json_object_object_add(info, "parameters", parameters);
    return info;
}

json_object *rh_option_describe_all(const char *name, GError **err)
{
    json_object *array = json_object_new_array();
    unsigned nr;
    const RhOption *options = rh_options(&nr);

    for (unsigned i = 0; i < nr; i++) {
        /* Clients take an option that is listed for one that works. */
        if (options[i].group && !options[i].later &&
            (!name || g_str_equal(options[i].group, name))) {
            json_object_array_add(array, describe(&options[i]));
        }
    }
    if (name && !json_object_array_length(array)) {
        json_object_put(array);
        rh_fail(err, "invalid option name: %s", name);
        return NULL;
    }
    return array;
}

char *rh_option_help(const char *program)
{
    GString *text = g_string_new(NULL);
    unsigned nr;
    const RhOption *options = rh_options(&nr);

    g_string_append_printf(text, "usage: %s [options] [disk_image]\n\n", program);
    for (unsigned i = 0; i < nr; i++) {
        const RhOption *option = &options[i];

        g_string_append_printf(text, "-%s%s%s\n                %s", option->name,
                               option->arg ? " " : "", option->arg ? option->arg : "",
                               option->help);
        for (unsigned j = 0; option->aliases && option->aliases[j]; j++) {
            g_string_append_printf(text, "; also -%s", option->aliases[j]);
        }
        if (option->deprecated) {
            g_string_append_printf(text, "; deprecated: use %s", option->deprecated);
        }
        g_string_append(text, option->later ? " (not supported yet)\n" : "\n");
    }
    return g_string_free(text, FALSE);
}
