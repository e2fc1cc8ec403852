/*
 * The answer of query-qmp-schema, parsed from what the generator wrote: a client asks once at most.
 */
#include "qapi/introspect.h"
#include <glib.h>
#include "qapi/introspect-data.h"

json_object *rh_qapi_introspect(void (*extend)(json_object *schema_array, void *opaque),
                                void *opaque)
{
    json_object *array = json_object_new_array();

    for (unsigned i = 0; rh_qapi_schema_infos[i]; i++) {
        json_object *info = json_tokener_parse(rh_qapi_schema_infos[i]);

        g_assert(info);
        json_object_array_add(array, info);
    }
    if (extend) {
        extend(array, opaque);
    }
    return array;
}

static json_object *find_info(json_object *array, const char *name)
{
    for (unsigned i = 0; i < json_object_array_length(array); i++) {
        json_object *info = json_object_array_get_idx(array, i);

        if (g_str_equal(json_object_get_string(json_object_object_get(info, "name")), name)) {
            return info;
        }
    }
    return NULL;
}

void rh_qapi_introspect_set_enum(json_object *schema_array, const char *name,
                                 const char *const *values)
{
    json_object *info = find_info(schema_array, name);

    if (!info) {
        return;
    }
    json_object *names = json_object_new_array();
    json_object *members = json_object_new_array();

    for (; *values; values++) {
        json_object *member = json_object_new_object();

        json_object_object_add(member, "name", json_object_new_string(*values));
        json_object_array_add(members, member);
        json_object_array_add(names, json_object_new_string(*values));
    }
    json_object_object_add(info, "values", names);
    json_object_object_add(info, "members", members);
}
