/*
 * JSON text.
 */
#include "util/json.h"
#include <limits.h>
#include <math.h>
#include "util/error.h"

enum { MAX_DEPTH = 1024 };

/* json-c takes NaN and Infinity even when strict; RFC 8259 §6 has no such numbers. */
static bool is_finite(RhJson *json)
{
    if (json_object_is_type(json, json_type_double)) {
        return isfinite(json_object_get_double(json));
    }
    if (json_object_is_type(json, json_type_object)) {
        json_object_object_foreach(json, key, value) {
            (void)key;
            if (!is_finite(value)) {
                return false;
            }
        }
    }
    if (json_object_is_type(json, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(json); i++) {
            if (!is_finite(json_object_array_get_idx(json, i))) {
                return false;
            }
        }
    }
    return true;
}

/* Strict json-c takes single quotes around keys only. Those of values become double ones. */
static char *unify_quotes(const char *text)
{
    GString *out = g_string_sized_new(strlen(text) + 1);
    char quote = 0;         /* that ends the string we are in */

    for (const char *at = text; *at; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            g_string_append(out, *at == '\'' ? "" : "\\");
            g_string_append_c(out, *at);
        } else if (quote == '\'' && *at == '"') {
            g_string_append(out, "\\\"");
        } else if ((quote && *at == quote) || (!quote && (*at == '\'' || *at == '"'))) {
            quote = quote ? 0 : *at;
            g_string_append_c(out, '"');
        } else {
            g_string_append_c(out, *at);
        }
    }
    return g_string_free(out, false);
}

static RhJson *parse(json_tokener *tokener, const char *text, GError **err)
{
    size_t len = strlen(text) + 1;      /* the NUL tells json-c that a number has ended */
    g_autoptr(RhJson) json = NULL;

    if (len > INT_MAX) {
        rh_fail(err, "JSON parse error, text is too long");
        return NULL;
    }
    json = json_tokener_parse_ex(tokener, text, (int)len);
    if (json_tokener_get_error(tokener) != json_tokener_success) {
        rh_fail(err, "JSON parse error, %s at byte %zu",
                json_tokener_error_desc(json_tokener_get_error(tokener)),
                json_tokener_get_parse_end(tokener));
        return NULL;
    }
    if (!json || !is_finite(json)) {
        rh_fail(err, "JSON parse error, %s", json ? "a number is not finite" : "the value is null");
        return NULL;
    }
    return g_steal_pointer(&json);
}

RhJson *rh_json_parse(const char *text, GError **err)
{
    json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
    g_autofree char *unified = unify_quotes(text);
    RhJson *json;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json = parse(tokener, unified, err);
    json_tokener_free(tokener);
    return json;
}

const char *rh_json_line(RhJson *json)
{
    return json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

const char *rh_json_text(RhJson *object, const char *key)
{
    RhJson *value = NULL;

    return json_object_object_get_ex(object, key, &value) && json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}
