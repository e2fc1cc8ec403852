/*
 * JSON as text. json-c has no format with blanks after separators only, and shell scripts look for texts
 * such as `"return": {}`.
 */
#include "monitor/private.h"

enum { INDENT = 4 };

static void write_value(GString *out, json_object *json, bool is_pretty, unsigned depth);

static void new_line(GString *out, bool is_pretty, unsigned depth)
{
    if (is_pretty) {
        g_string_append_printf(out, "\n%*s", (int)(depth * INDENT), "");
    }
}

static void separate(GString *out, bool is_pretty, bool is_first)
{
    if (!is_first) {
        g_string_append(out, is_pretty ? "," : ", ");
    }
}

static void write_scalar(GString *out, json_object *json)
{
    g_string_append(out, json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void write_object(GString *out, json_object *json, bool is_pretty, unsigned depth)
{
    bool is_first = true;

    g_string_append_c(out, '{');
    json_object_object_foreach (json, name, value) {
        json_object *key = json_object_new_string(name);

        separate(out, is_pretty, is_first);
        new_line(out, is_pretty, depth + 1);
        write_scalar(out, key);
        json_object_put(key);
        g_string_append(out, ": ");
        write_value(out, value, is_pretty, depth + 1);
        is_first = false;
    }
    if (!is_first) {
        new_line(out, is_pretty, depth);
    }
    g_string_append_c(out, '}');
}

static void write_array(GString *out, json_object *json, bool is_pretty, unsigned depth)
{
    size_t nr = json_object_array_length(json);

    g_string_append_c(out, '[');
    for (size_t i = 0; i < nr; i++) {
        separate(out, is_pretty, !i);
        new_line(out, is_pretty, depth + 1);
        write_value(out, json_object_array_get_idx(json, i), is_pretty, depth + 1);
    }
    if (nr) {
        new_line(out, is_pretty, depth);
    }
    g_string_append_c(out, ']');
}

static void write_value(GString *out, json_object *json, bool is_pretty, unsigned depth)
{
    switch (json_object_get_type(json)) {
    case json_type_object: write_object(out, json, is_pretty, depth); break;
    case json_type_array: write_array(out, json, is_pretty, depth); break;
    default: write_scalar(out, json); break;
    }
}

char *rh_monitor_json_text(json_object *json, bool is_pretty)
{
    GString *out = g_string_new(NULL);

    write_value(out, json, is_pretty, 0);
    return g_string_free(out, FALSE);
}
