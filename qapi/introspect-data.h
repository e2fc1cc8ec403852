/*
 * Private to qapi/: what the generator knows of the schema, as text.
 */
#ifndef RH_QAPI_INTROSPECT_DATA_H
#define RH_QAPI_INTROSPECT_DATA_H

/* One SchemaInfo each, as JSON; ends with NULL */
extern const char *const rh_qapi_schema_infos[];

#endif
