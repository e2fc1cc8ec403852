/*
 * JSON text.
 */
#include "util/json.h"
#include "util/error.h"

RhJson *rh_json_parse(const char *text, GError **err)
{
    json_tokener *tokener = json_tokener_new();
    size_t len = strlen(text);
    RhJson *json = NULL;

    if (len > INT32_MAX) {
        rh_fail(err, "JSON parse error, text is too long");
    } else {
        json = json_tokener_parse_ex(tokener, text, (int)len + 1);
        if (json_tokener_get_error(tokener) != json_tokener_success) {
            json_object_put(json);
            json = NULL;
            rh_fail(err, "JSON parse error, %s at byte %zu",
                    json_tokener_error_desc(json_tokener_get_error(tokener)),
                    json_tokener_get_parse_end(tokener));
        }
    }
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
