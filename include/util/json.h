/*
 * json-c objects with automatic release, and JSON text with our errors.
 */
#ifndef RH_UTIL_JSON_H
#define RH_UTIL_JSON_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

typedef struct json_object RhJson;

static inline void rh_json_put(RhJson *json)
{
    json_object_put(json);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhJson, rh_json_put)

/**
 * rh_json_parse - one whole JSON value, nested at most 1024 deep; strings may stand in single quotes
 * NULL and @err ("JSON parse error, ...") when @text is not that, has more behind it, or is a lone null.
 */
RhJson *rh_json_parse(const char *text, GError **err);
/** rh_json_line - compact text of @json, slashes unescaped; valid until @json changes */
const char *rh_json_line(RhJson *json);
/** rh_json_text - the string member @key of an object; NULL when absent or no string */
const char *rh_json_text(RhJson *object, const char *key);

#endif
