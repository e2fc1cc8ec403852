/*
 * What query-qmp-schema and query-command-line-options answer.
 */
#ifndef RH_QAPI_INTROSPECT_H
#define RH_QAPI_INTROSPECT_H

#include <json-c/json.h>

/**
 * rh_qapi_introspect - the array of SchemaInfo of all commands and events that exist
 * @extend: called with the array to add what only the running program knows, or NULL
 */
json_object *rh_qapi_introspect(void (*extend)(json_object *schema_array, void *opaque),
                                void *opaque);

/**
 * rh_qapi_introspect_set_enum - in @schema_array, let the enum @name have @values (NULL-terminated)
 * For use in @extend, for enums that the schema leaves open (ObjectType). Does nothing when no
 * command uses the enum.
 */
void rh_qapi_introspect_set_enum(json_object *schema_array, const char *name,
                                 const char *const *values);

#endif
