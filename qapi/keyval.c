/*
 * `key=value,...` as JSON. The text is cut into settings; each goes to its place in a tree of
 * objects; at last, objects whose keys are 0, 1, 2, ... become arrays.
 */
#include "qapi/keyval.h"
#include <string.h>
#include "qapi/stream.h"
#include "util/core.h"
#include "util/error.h"

enum {
    MAX_DEPTH = 32, /* of dotted keys; schemas are far flatter, and walks recurse */
    MAX_NAME = 127, /* bytes of one name in a key */
};

typedef struct Parse {
    unsigned flags;
    const char *implied; /* NULL once the first setting is read */
    bool *ret_is_help;
    GError **err;
} Parse;

/* Length of the name (a letter, then letters, digits, `_`, `-`) or index at @key; 0: it is neither
 */
static size_t name_length(const char *key)
{
    size_t digits = strspn(key, "0123456789");

    if (digits) {
        return key[digits] && key[digits] != '.' ? 0 : digits;
    }
    size_t n = 0;

    while (g_ascii_isalnum(key[n]) || key[n] == '_' || key[n] == '-') {
        n++;
    }
    return n && (g_ascii_isalpha(*key) || *key == '_') ? n : 0;
}

/* The child object @name of @object, made if absent; NULL when it is a scalar. */
static json_object *child_object(json_object *object, const char *name)
{
    json_object *child;

    if (!json_object_object_get_ex(object, name, &child)) {
        child = json_object_new_object();
        json_object_object_add(object, name, child);
    }
    return json_object_is_type(child, json_type_object) ? child : NULL;
}

static bool fail_mixed(GError **err, const char *key, size_t length)
{
    return rh_fail(err, "Parameters '%.*s.*' used inconsistently", (int)length, key);
}

/* Add @value beside the earlier ones of @name. */
static void collect(json_object *object, const char *name, const char *value)
{
    json_object *old = NULL;

    json_object_object_get_ex(object, name, &old);
    if (!json_object_is_type(old, json_type_array)) {
        json_object *array = json_object_new_array();

        json_object_array_add(array, json_object_get(old));
        json_object_object_add(object, name, array);
        old = array;
    }
    json_object_array_add(old, json_object_new_string(value));
}

static bool put_scalar(json_object *object, const char *name, const char *key, const char *value,
                       GError **err)
{
    json_object *old;

    if (json_object_object_get_ex(object, name, &old) &&
        json_object_is_type(old, json_type_object)) {
        return fail_mixed(err, key, strlen(key));
    }
    json_object_object_add(object, name, json_object_new_string(value));
    return true;
}

static bool put_nested(json_object *object, const char *key, const char *value, GError **err)
{
    const char *at = key;

    for (unsigned depth = 0; depth < MAX_DEPTH; depth++) {
        size_t length = name_length(at);
        bool is_index = g_ascii_isdigit(*at);

        if (!length || length > MAX_NAME || (at[length] && at[length] != '.') ||
            (is_index && at == key)) {
            break;
        }
        g_autofree char *name = g_strndup(at, length);

        if (!at[length]) {
            return put_scalar(object, name, key, value, err);
        }
        object = child_object(object, name);
        at += length;
        if (!object) {
            return fail_mixed(err, key, at - key);
        }
        at++;
    }
    return rh_fail(err, "Invalid parameter '%s'", key);
}

static bool put(const Parse *p, json_object *object, const char *key, const char *value)
{
    if (!(p->flags & RH_KEYVAL_FLAT)) {
        return put_nested(object, key, value, p->err);
    }
    if (!*key) {
        return rh_fail(p->err, "Invalid parameter '%s'", key);
    }
    if (p->flags & RH_KEYVAL_COLLECT && json_object_object_get_ex(object, key, NULL)) {
        collect(object, key, value);
    } else {
        json_object_object_add(object, key, json_object_new_string(value));
    }
    return true;
}

/* The value up to a single comma; `,,` is a comma in it. *@at moves behind the comma. */
static char *take_value(const char **at)
{
    GString *value = g_string_new(NULL);
    const char *s = *at;

    for (; *s; s++) {
        if (*s == ',' && *++s != ',') {
            break;
        }
        g_string_append_c(value, *s);
    }
    *at = s;
    return g_string_free(value, FALSE);
}

static bool put_bare(const Parse *p, json_object *object, const char *word)
{
    if (p->ret_is_help && (g_str_equal(word, "help") || g_str_equal(word, "?"))) {
        *p->ret_is_help = true;
        return true;
    }
    if (p->implied) {
        return put(p, object, p->implied, word);
    }
    if (!*word) {
        return rh_fail(p->err, "Invalid parameter ''");
    }
    if (!(p->flags & RH_KEYVAL_SHORTHAND)) {
        return rh_fail(p->err, "Expected '=' after parameter '%s'", word);
    }
    if (g_str_has_prefix(word, "no") && word[2]) {
        return put(p, object, word + 2, "off");
    }
    return put(p, object, word, "on");
}

static bool parse_settings(Parse *p, const char *text, json_object *object)
{
    while (*text) {
        size_t length = strcspn(text, "=,");

        if (text[length] == '=') {
            g_autofree char *key = g_strndup(text, length);

            text += length + 1;
            g_autofree char *value = take_value(&text);

            if (!put(p, object, key, value)) {
                return false;
            }
        } else {
            g_autofree char *word = take_value(&text);

            if (!put_bare(p, object, word)) {
                return false;
            }
        }
        p->implied = NULL;
    }
    return true;
}

static bool listify(json_object *object, const char *path, GError **err);

static bool is_index(const char *name)
{
    return g_ascii_isdigit(*name);
}

/* The array that @object, whose keys are numbers, stands for; NULL when one is missing. */
static json_object *to_array(json_object *object, const char *path, GError **err)
{
    unsigned nr = json_object_object_length(object);
    json_object *array = json_object_new_array_ext(nr);

    for (unsigned i = 0; i < nr; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        json_object *element;

        if (!json_object_object_get_ex(object, name, &element)) {
            json_object_put(array);
            rh_fail(err, "Parameter '%s.%s' is missing", path, name);
            return NULL;
        }
        json_object_array_add(array, json_object_get(element));
    }
    return array;
}

static bool listify_child(json_object *object, const char *name, json_object *child,
                          const char *path, GError **err)
{
    g_autofree char *here = *path ? g_strdup_printf("%s.%s", path, name) : g_strdup(name);
    unsigned nr_index = 0;

    if (!listify(child, here, err)) {
        return false;
    }
    json_object_object_foreach (child, key, value) {
        (void)value;
        nr_index += is_index(key);
    }
    if (!nr_index) {
        return true;
    }
    if (nr_index != (unsigned)json_object_object_length(child)) {
        return fail_mixed(err, here, strlen(here));
    }
    json_object *array = to_array(child, here, err);

    if (!array) {
        return false;
    }
    json_object_object_add(object, name, array);
    return true;
}

static bool listify(json_object *object, const char *path, GError **err)
{
    /* Replacing a value keeps its place, so the walk stays valid. */
    json_object_object_foreach (object, name, child) {
        if (json_object_is_type(child, json_type_object) &&
            !listify_child(object, name, child, path, err)) {
            return false;
        }
    }
    return true;
}

json_object *rh_keyval_parse_as(const char *text, const char *implied_key, unsigned flags,
                                bool *ret_is_help, bool *ret_is_json, GError **err)
{
    Parse p = { flags, implied_key, ret_is_help, err };
    bool is_json = *text == '{' && !(flags & RH_KEYVAL_NO_JSON);

    if (ret_is_help) {
        *ret_is_help = false;
    }
    if (ret_is_json) {
        *ret_is_json = is_json;
    }
    if (is_json) {
        return rh_json_parse_object(text, err);
    }
    json_object *object = json_object_new_object();

    if (!parse_settings(&p, text, object) ||
        (!(flags & RH_KEYVAL_FLAT) && !listify(object, "", err))) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

json_object *rh_keyval_parse(const char *text, const char *implied_key, bool *is_help, GError **err)
{
    return rh_keyval_parse_as(text, implied_key, 0, is_help, NULL, err);
}
