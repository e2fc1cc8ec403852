/*
 * The answer of query-qmp-schema, parsed from what the generator wrote: a client asks once, if at all.
 */
#include "qapi/introspect.h"
#include <glib.h>
#include "qapi/introspect-data.h"

json_object *rh_qapi_introspect(void (*extend)(json_object *schema_array, void *opaque), void *opaque)
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
