/*
 * From JSON to C by the type tables. The texts of the errors are those that QMP clients match.
 */
#include "qapi/visit.h"
#include <errno.h>
#include <math.h>
#include "util/core.h"
#include "util/error.h"

/* Where a walk stands: a chain on the stack, made into text only when something is wrong. */
typedef struct Place {
    const struct Place *up;
    const char *name; /* NULL: element @index of a list */
    unsigned index;
} Place;

typedef struct Visit {
    unsigned flags;
    GError **err;
} Visit;

static bool read_value(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                       void *out);

static void place_append(const Place *at, GString *text)
{
    if (!at) {
        return;
    }
    place_append(at->up, text);
    if (!at->name) {
        g_string_append_printf(text, "[%u]", at->index);
        return;
    }
    g_string_append_printf(text, "%s%s", text->len ? "." : "", at->name);
}

static char *place_text(const Place *at)
{
    GString *text = g_string_new(NULL);

    place_append(at, text);
    return g_string_free(text, FALSE);
}

/* The last name of the path: what QMP puts in messages about the value rather than its type. */
static char *place_leaf(const Place *at)
{
    return at && at->name ? g_strdup(at->name) : place_text(at);
}

static bool fail_type(Visit *v, const Place *at, const char *expected)
{
    g_autofree char *path = place_text(at);

    return rh_fail(v->err, "Invalid parameter type for '%s', expected: %s", path, expected);
}

static bool fail_expects(Visit *v, const Place *at, const char *expected)
{
    g_autofree char *path = place_text(at);

    return rh_fail(v->err, "Parameter '%s' expects %s", path, expected);
}

static bool fail_range(Visit *v, const Place *at, const RhQapiType *type)
{
    g_autofree char *name = place_leaf(at);

    return rh_fail(v->err, "Parameter '%s' expects %s_t", name, type->name);
}

/* The text of a keyval scalar, or NULL when @in is JSON proper. */
static const char *keyval_text(const Visit *v, json_object *in)
{
    return v->flags & QAPI_KEYVAL && json_object_is_type(in, json_type_string)
               ? json_object_get_string(in)
               : NULL;
}

static bool read_bool(Visit *v, const Place *at, json_object *in, bool *out)
{
    const char *text = keyval_text(v, in);

    if (text) {
        static const char *const yes[] = { "on", "yes", "true", "y", NULL };
        static const char *const no[] = { "off", "no", "false", "n", NULL };

        if (!g_strv_contains(yes, text) && !g_strv_contains(no, text)) {
            return fail_expects(v, at, "'on' or 'off'");
        }
        *out = g_strv_contains(yes, text);
        return true;
    }
    if (!json_object_is_type(in, json_type_boolean)) {
        return fail_type(v, at, "boolean");
    }
    *out = json_object_get_boolean(in);
    return true;
}

/* strtoll and its kin skip blanks and take a minus for unsigned numbers: neither is wanted here. */
static bool text_to_int(const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    if (!g_ascii_isdigit(*text) && !(*text == '-' && g_ascii_isdigit(text[1]))) {
        return false;
    }
    *ret = g_ascii_strtoll(text, &end, 0);
    return !errno && !*end;
}

static bool text_to_uint(const char *text, uint64_t *ret)
{
    char *end;

    errno = 0;
    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    *ret = g_ascii_strtoull(text, &end, 0);
    return !errno && !*end;
}

static bool text_to_number(const char *text, double *ret)
{
    char *end;

    if (!*text || g_ascii_isspace(*text)) {
        return false;
    }
    *ret = g_ascii_strtod(text, &end);
    return !*end && isfinite(*ret);
}

/* Bytes with an optional suffix, by powers of 1024; a fraction needs a suffix to make sense. */
static bool text_to_size(const char *text, uint64_t *ret)
{
    static const char suffixes[] = "BKMGTPE";
    const char *suffix = NULL;
    char *end;
    uint64_t whole;
    double number;

    if (!g_ascii_isdigit(*text)) {
        return false;
    }
    number = g_ascii_strtod(text, &end);
    if (*end) {
        suffix = strchr(suffixes, g_ascii_toupper(*end));
        if (!suffix || end[1]) {
            return false;
        }
    }
    unsigned shift = suffix ? 10 * (suffix - suffixes) : 0;
    g_autofree char *digits = g_strndup(text, end - text);

    /* Whole numbers keep all 64 bits. */
    if (text_to_uint(digits, &whole)) {
        return !rh_mul_overflow(whole, UINT64_C(1) << shift, ret);
    }
    number = ldexp(number, shift);
    if (!shift || !(number < 0x1p64)) {
        return false;
    }
    *ret = number;
    return true;
}

static bool json_to_int(json_object *in, int64_t *ret)
{
    if (!json_object_is_type(in, json_type_int) || json_object_get_uint64(in) > INT64_MAX) {
        return false;
    }
    *ret = json_object_get_int64(in);
    return true;
}

static void store_int(void *out, unsigned size, uint64_t value)
{
    memcpy(out, &value, size); /* the host is little-endian */
}

static bool read_int(Visit *v, const Place *at, const RhQapiType *type, json_object *in, void *out)
{
    const char *text = keyval_text(v, in);
    int64_t value;

    if (text ? !text_to_int(text, &value) : !json_to_int(in, &value)) {
        return text ? fail_expects(v, at, "integer") : fail_type(v, at, "integer");
    }
    bool is_signed = type->kind == RH_QAPI_INT;
    int64_t max = rh_bits(type->size * 8 - is_signed);
    int64_t min = is_signed ? -max - 1 : 0;

    if (value < min || value > max) {
        return fail_range(v, at, type);
    }
    store_int(out, type->size, value);
    return true;
}

static bool read_uint64(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                        uint64_t *out)
{
    const char *text = keyval_text(v, in);

    if (text && type->kind == RH_QAPI_SIZE) {
        return text_to_size(text, out) || fail_expects(v, at, "a size value");
    }
    if (text) {
        return text_to_uint(text, out) || fail_expects(v, at, "integer");
    }
    if (!json_object_is_type(in, json_type_int) || json_object_get_int64(in) < 0) {
        return fail_expects(v, at, "uint64");
    }
    *out = json_object_get_uint64(in);
    return true;
}

static bool read_number(Visit *v, const Place *at, json_object *in, double *out)
{
    const char *text = keyval_text(v, in);

    if (text) {
        return text_to_number(text, out) || fail_expects(v, at, "a number");
    }
    if (!json_object_is_type(in, json_type_double) && !json_object_is_type(in, json_type_int)) {
        return fail_type(v, at, "number");
    }
    /* The parser lets NaN and Infinity pass, which RFC 8259 §6 does not know. */
    *out = json_object_get_double(in);
    return isfinite(*out) || fail_type(v, at, "number");
}

static bool read_str(Visit *v, const Place *at, json_object *in, char **out)
{
    if (!json_object_is_type(in, json_type_string)) {
        return fail_type(v, at, "string");
    }
    /* C strings end at a NUL: what was checked must be what is used. */
    if (strlen(json_object_get_string(in)) != (size_t)json_object_get_string_len(in)) {
        return fail_expects(v, at, "a string without NUL");
    }
    *out = g_strdup(json_object_get_string(in));
    return true;
}

static bool read_enum(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                      unsigned *out)
{
    if (!json_object_is_type(in, json_type_string)) {
        return fail_type(v, at, "string");
    }
    int value = qapi_enum_parse(type, json_object_get_string(in));

    if (value < 0) {
        g_autofree char *name = place_leaf(at);
        const char *text = json_object_get_string(in);

        if (type->later_values && g_strv_contains(type->later_values, text)) {
            return rh_fail(v->err, "Parameter '%s' has value '%s', which is not supported yet",
                           name, text);
        }
        return rh_fail(v->err, "Parameter '%s' does not accept value '%s'", name, text);
    }
    *out = value;
    return true;
}

/* Option strings give numbers of a list as ranges: `cpus=0-3`. */
static bool append_range(Visit *v, const Place *at, const RhQapiType *element, const char *text,
                         GArray *list)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    uint64_t first = 0;
    bool is_ok = ends[0] && text_to_uint(ends[0], &first);
    uint64_t last = first;

    is_ok = is_ok && (!ends[1] || text_to_uint(ends[1], &last));
    /* Few bytes can name many numbers, so the whole list has a limit. */
    if (!is_ok || first > last || last - first > UINT16_MAX || list->len > UINT16_MAX) {
        return fail_expects(v, at, "a number or a range of numbers");
    }
    if (last > rh_bits(element->size * 8 - (element->kind == RH_QAPI_INT))) {
        return fail_range(v, at, element);
    }
    for (uint64_t i = 0; i <= last - first; i++) {
        uint64_t value = first + i;

        g_array_append_vals(list, &value, 1);
    }
    return true;
}

static bool append_element(Visit *v, const Place *at, const RhQapiType *element, json_object *in,
                           void *list)
{
    bool is_int = element->kind == RH_QAPI_INT || element->kind == RH_QAPI_UINT;
    uint64_t slot = 0; /* as wide as any element */

    if (is_int && keyval_text(v, in)) {
        return append_range(v, at, element, keyval_text(v, in), list);
    }
    if (!read_value(v, at, element, in, &slot)) {
        return false;
    }
    if (rh_qapi_is_pointer(element)) {
        g_ptr_array_add(list, (void *)(uintptr_t)slot);
    } else {
        g_array_append_vals(list, &slot, 1);
    }
    return true;
}

static bool append_elements(Visit *v, const Place *at, const RhQapiType *element, json_object *in,
                            void *list)
{
    unsigned nr = json_object_array_length(in);

    for (unsigned i = 0; i < nr; i++) {
        const Place here = { at, NULL, i };

        if (!append_element(v, &here, element, json_object_array_get_idx(in, i), list)) {
            return false;
        }
    }
    return true;
}

static bool read_list(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                      void **out)
{
    const RhQapiType *element = type->element;
    bool is_range =
        keyval_text(v, in) && (element->kind == RH_QAPI_INT || element->kind == RH_QAPI_UINT);

    if (!is_range && !json_object_is_type(in, json_type_array)) {
        return fail_type(v, at, "array");
    }
    void *list = qapi_list_new(type);

    if (!(is_range ? append_element : append_elements)(v, at, element, in, list)) {
        type->free(list);
        return false;
    }
    *out = list;
    return true;
}

static bool read_member(Visit *v, const Place *at, const RhQapiMember *member, json_object *in,
                        char *base)
{
    const Place here = { at, member->name, 0 };
    json_object *value;

    if (!json_object_object_get_ex(in, member->name, &value)) {
        if (member->is_optional) {
            return true;
        }
        g_autofree char *path = place_text(&here);

        return rh_fail(v->err, "Parameter '%s' is missing", path);
    }
    if (!read_value(v, &here, member->type, value, base + member->offset)) {
        return false;
    }
    if (member->is_optional && !rh_qapi_is_pointer(member->type)) {
        *(bool *)(base + member->has_offset) = true;
    }
    return true;
}

/* The branch type that the tag of a union picked, or NULL. */
static const RhQapiType *branch_of(const RhQapiType *type, const char *base)
{
    if (type->kind != RH_QAPI_UNION) {
        return NULL;
    }
    unsigned tag = *(const unsigned *)(base + type->tag_offset);

    return tag < type->tag->nr ? type->branches[tag] : NULL;
}

static bool read_members(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                         char *base)
{
    for (unsigned i = 0; i < type->nr; i++) {
        if (!read_member(v, at, &type->members[i], in, base)) {
            return false;
        }
    }
    const RhQapiType *branch = branch_of(type, base);

    if (!branch) {
        return true;
    }
    char *inner = g_malloc0(branch->size);

    *(void **)(base + type->branch_offset) = inner;
    return read_members(v, at, branch, in, inner);
}

static bool knows_member(const RhQapiType *type, const char *base, const char *name)
{
    for (unsigned i = 0; i < type->nr; i++) {
        if (g_str_equal(type->members[i].name, name)) {
            return true;
        }
    }
    const RhQapiType *branch = branch_of(type, base);

    return branch && knows_member(branch, *(char *const *)(base + type->branch_offset), name);
}

/* The open struct in a union's chain of branches, if any: there the unknown members go. */
static json_object **rest_of(const RhQapiType *type, char *base)
{
    while (type && !type->is_open) {
        const RhQapiType *branch = branch_of(type, base);

        base = branch ? *(char **)(base + type->branch_offset) : NULL;
        type = branch;
    }
    return type ? (json_object **)(base + type->rest_offset) : NULL;
}

static bool read_unknown(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                         char *base)
{
    json_object **rest = rest_of(type, base);

    if (rest) {
        *rest = json_object_new_object();
    }
    json_object_object_foreach (in, name, value) {
        if (knows_member(type, base, name)) {
            continue;
        }
        if (!rest) {
            const Place here = { at, name, 0 };
            g_autofree char *path = place_text(&here);

            return rh_fail(v->err, "Parameter '%s' is unexpected", path);
        }
        json_object_object_add(*rest, name, json_object_get(value));
    }
    return true;
}

static bool read_struct(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                        void **out)
{
    if (!json_object_is_type(in, json_type_object)) {
        return fail_type(v, at, "object");
    }
    char *base = g_malloc0(type->size);

    if (!read_members(v, at, type, in, base) || !read_unknown(v, at, type, in, base)) {
        qapi_free(type, base);
        return false;
    }
    *out = base;
    return true;
}

static bool json_matches(const Visit *v, const RhQapiType *type, json_object *in)
{
    enum json_type json = json_object_get_type(in);
    /* A keyval string may be any scalar; of an alternate's members at most one is such a scalar. */
    bool is_text = keyval_text(v, in);

    switch (type->kind) {
    case RH_QAPI_STR:
    case RH_QAPI_ENUM: return json == json_type_string;
    case RH_QAPI_BOOL: return json == json_type_boolean || is_text;
    case RH_QAPI_INT:
    case RH_QAPI_UINT:
    case RH_QAPI_SIZE: return json == json_type_int || is_text;
    case RH_QAPI_NUMBER: return json == json_type_double || json == json_type_int || is_text;
    case RH_QAPI_NULL: return json == json_type_null;
    case RH_QAPI_LIST: return json == json_type_array;
    default: return json == json_type_object;
    }
}

static bool read_alternate(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                           void **out)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < type->nr; i++) {
            const RhQapiType *inner = type->members[i].type;
            /* In keyval, a string is a string first and something else only if nothing takes
             * strings. */
            bool is_plain = inner->kind == RH_QAPI_STR || inner->kind == RH_QAPI_ENUM;

            if (!json_matches(v, inner, in) || (pass == 0 && keyval_text(v, in) && !is_plain)) {
                continue;
            }
            char *base = g_malloc0(type->size);

            *(unsigned *)(base + type->tag_offset) = i;
            if (!read_value(v, at, inner, in, base + type->branch_offset)) {
                qapi_free(type, base);
                return false;
            }
            *out = base;
            return true;
        }
    }
    return fail_type(v, at, type->name);
}

static bool read_value(Visit *v, const Place *at, const RhQapiType *type, json_object *in,
                       void *out)
{
    switch (type->kind) {
    case RH_QAPI_STR: return read_str(v, at, in, out);
    case RH_QAPI_BOOL: return read_bool(v, at, in, out);
    case RH_QAPI_UINT:
        if (type->size == sizeof(uint64_t)) {
            return read_uint64(v, at, type, in, out);
        }
        return read_int(v, at, type, in, out);
    case RH_QAPI_INT: return read_int(v, at, type, in, out);
    case RH_QAPI_SIZE: return read_uint64(v, at, type, in, out);
    case RH_QAPI_NUMBER: return read_number(v, at, in, out);
    case RH_QAPI_ANY: *(json_object **)out = json_object_get(in); return true;
    case RH_QAPI_NULL: return !in || fail_type(v, at, "null");
    case RH_QAPI_ENUM: return read_enum(v, at, type, in, out);
    case RH_QAPI_LIST: return read_list(v, at, type, in, out);
    case RH_QAPI_STRUCT:
    case RH_QAPI_UNION: return read_struct(v, at, type, in, out);
    case RH_QAPI_ALTERNATE: return read_alternate(v, at, type, in, out);
    }
    g_assert_not_reached();
}

bool qapi_from_json(const RhQapiType *type, json_object *in, void *out, unsigned flags,
                    GError **err)
{
    Visit v = { flags, err };

    return read_value(&v, NULL, type, in, out);
}
