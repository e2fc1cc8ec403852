/*
 * Values of schema types: from JSON to C and back. One walker reads the type tables, so that every
 * command, event and option has the same checks and the same words for what is wrong.
 */
#ifndef RH_QAPI_VISIT_H
#define RH_QAPI_VISIT_H

#include <json-c/json.h>
#include "qapi/type.h"

enum {
    /** QAPI_KEYVAL - scalars are strings, as rh_keyval_parse leaves them: "on", "0x10", "4G" */
    QAPI_KEYVAL = 1,
};

/**
 * qapi_from_json - check @in against @type and store its C value at @out
 * @out: the place of a value of @type: for a struct, a pointer to a pointer, which receives memory
 *       that @type->free ends. Untouched on failure.
 * @flags: QAPI_KEYVAL or 0
 * Fails with GenericError in the words of QMP ("Parameter 'a.b' is missing").
 */
bool qapi_from_json(const RhQapiType *type, json_object *in, void *out, unsigned flags,
                    GError **err);

/** qapi_to_json - JSON of the value at @value (as @out of qapi_from_json); the caller owns it */
json_object *qapi_to_json(const RhQapiType *type, const void *value);

/** qapi_free - end a value of a @type whose values are pointers (rh_qapi_is_pointer); accepts NULL
 */
void qapi_free(const RhQapiType *type, void *value);

/** qapi_list_new - an empty list for @type (of kind LIST): GPtrArray * or GArray * */
void *qapi_list_new(const RhQapiType *type);

/** qapi_enum_parse - index of @name among the values of @type, or -1 */
int qapi_enum_parse(const RhQapiType *type, const char *name);

/** qapi_enum_name - name of @value, or NULL when it is none of @type */
const char *qapi_enum_name(const RhQapiType *type, unsigned value);

#endif
