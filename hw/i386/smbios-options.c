/*
 * smbios-options - reads -smbios options; every field is known by name and checked when it is read.
 */
#include "hw/i386/smbios-private.h"

#include "util/error.h"
#include "util/json.h"
#include "util/parse.h"

typedef enum FieldKind { TEXT, NUMBER, SWITCH, UUID, RELEASE, KIND, VALUE, PATH } FieldKind;

typedef struct Field {
    uint8_t type;
    const char *key;
    FieldKind kind;
    uint64_t max;
} Field;

static const Field fields[] = {
    { 0, "vendor", TEXT, 0 },
    { 0, "version", TEXT, 0 },
    { 0, "date", TEXT, 0 },
    { 0, "release", RELEASE, 0 },
    { 0, "uefi", SWITCH, 0 },
    { 1, "manufacturer", TEXT, 0 },
    { 1, "product", TEXT, 0 },
    { 1, "version", TEXT, 0 },
    { 1, "serial", TEXT, 0 },
    { 1, "uuid", UUID, 0 },
    { 1, "sku", TEXT, 0 },
    { 1, "family", TEXT, 0 },
    { 2, "manufacturer", TEXT, 0 },
    { 2, "product", TEXT, 0 },
    { 2, "version", TEXT, 0 },
    { 2, "serial", TEXT, 0 },
    { 2, "asset", TEXT, 0 },
    { 2, "location", TEXT, 0 },
    { 3, "manufacturer", TEXT, 0 },
    { 3, "version", TEXT, 0 },
    { 3, "serial", TEXT, 0 },
    { 3, "asset", TEXT, 0 },
    { 3, "sku", TEXT, 0 },
    { 4, "sock_pfx", TEXT, 0 },
    { 4, "manufacturer", TEXT, 0 },
    { 4, "version", TEXT, 0 },
    { 4, "serial", TEXT, 0 },
    { 4, "asset", TEXT, 0 },
    { 4, "part", TEXT, 0 },
    { 4, "max-speed", NUMBER, UINT16_MAX },
    { 4, "current-speed", NUMBER, UINT16_MAX },
    { 4, "processor-id", NUMBER, UINT64_MAX },
    { 8, "internal_reference", TEXT, 0 },
    { 8, "external_reference", TEXT, 0 },
    { 8, "connector_type", NUMBER, UINT8_MAX },
    { 8, "port_type", NUMBER, UINT8_MAX },
    { 11, "value", VALUE, 0 },
    { 11, "path", PATH, 0 },
    { 17, "loc_pfx", TEXT, 0 },
    { 17, "bank", TEXT, 0 },
    { 17, "manufacturer", TEXT, 0 },
    { 17, "serial", TEXT, 0 },
    { 17, "asset", TEXT, 0 },
    { 17, "part", TEXT, 0 },
    { 17, "speed", NUMBER, UINT16_MAX },
    { 41, "designation", TEXT, 0 },
    { 41, "kind", KIND, 0 },
    { 41, "instance", NUMBER, UINT8_MAX },
    { 41, "pcidev", TEXT, 0 },
};

/* DSP0134 §7.42.2, from 1 */
static const char *const kinds[] = {
    "other", "unknown", "video", "scsi", "ethernet", "tokenring", "sound", "pata", "sata", "sas",
};

enum { MAX_OEM_STRINGS = 255 }; /* a string's number is a byte */
enum { END_OF_TABLE = 127 };

unsigned rh_smbios_kind(const char *name)
{
    for (unsigned i = 0; i < RH_COUNT(kinds); i++) {
        if (!strcmp(name, kinds[i])) {
            return i + 1;
        }
    }
    return 0;
}

static const Field *find_field(unsigned type, const char *key)
{
    for (unsigned i = 0; i < RH_COUNT(fields); i++) {
        if (fields[i].type == type && !strcmp(fields[i].key, key)) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool unknown_field(unsigned type, const char *key, GError **err)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (unsigned i = 0; i < RH_COUNT(fields); i++) {
        if (fields[i].type == type) {
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", fields[i].key);
        }
    }
    return rh_fail(err, "-smbios type=%u: Invalid parameter '%s', must be one of %s", type, key,
                   known->str);
}

/* "major.minor", a byte each */
static bool parse_release(const char *text, uint64_t *ret, GError **err)
{
    g_auto(GStrv) parts = g_strsplit(text, ".", 3);
    uint64_t major, minor;

    if (g_strv_length(parts) != 2) {
        return rh_fail(err, "'%s' is no release, must be major.minor", text);
    }
    if (!rh_parse_u64(parts[0], UINT8_MAX, &major, err) ||
        !rh_parse_u64(parts[1], UINT8_MAX, &minor, err)) {
        return false;
    }
    *ret = major << 8 | minor;
    return true;
}

static bool parse_number(const Field *field, const char *text, uint64_t *ret, GError **err)
{
    bool is_on;
    RhUuid uuid;

    switch (field->kind) {
    case NUMBER: return rh_parse_u64(text, field->max, ret, err);
    case RELEASE: return parse_release(text, ret, err);
    case SWITCH:
        if (!rh_parse_bool(text, &is_on, err)) {
            return false;
        }
        *ret = is_on;
        return true;
    case UUID: *ret = 0; return rh_parse_uuid(text, &uuid, err);
    case KIND:
        *ret = rh_smbios_kind(text);
        return *ret ||
               rh_fail(err,
                       "'%s' is no kind of device, must be one of other, unknown, video, scsi, "
                       "ethernet, tokenring, sound, pata, sata, sas",
                       text);
    default: *ret = 0; return true;
    }
}

static bool add_oem_string(RhSmbios *s, char *text, GError **err)
{
    if (!*text || s->oem_strings->len == MAX_OEM_STRINGS) {
        bool is_empty = !*text;
        g_free(text);
        return is_empty ? rh_fail(err, "the text is empty, must have a character at least")
                        : rh_fail(err, "more than %d texts", MAX_OEM_STRINGS);
    }
    g_ptr_array_add(s->oem_strings, text);
    return true;
}

static bool add_oem_file(RhSmbios *s, const char *path, GError **err)
{
    g_autofree char *text = NULL;
    gsize len;

    if (!g_file_get_contents(path, &text, &len, err)) {
        return false;
    }
    if (strlen(text) != len) {
        return rh_fail(err, "file '%s' holds a zero byte, which a string cannot", path);
    }
    return add_oem_string(s, g_steal_pointer(&text), err);
}

static bool add_text(RhSmbios *s, RhSmbiosSet *set, const Field *field, const char *text,
                     GError **err)
{
    uint64_t number;
    bool good;

    if (field->kind == VALUE) {
        good = add_oem_string(s, g_strdup(text), err);
    } else if (field->kind == PATH) {
        good = add_oem_file(s, text, err);
    } else {
        good = parse_number(field, text, &number, err);
    }
    if (!good) {
        g_prefix_error(err, "-smbios type=%u,%s=: ", field->type, field->key);
        return false;
    }
    g_hash_table_insert(set, g_strdup(field->key), g_strdup(text));
    return true;
}

/* A key given more than once is an array. */
static bool add_member(RhSmbios *s, RhSmbiosSet *set, unsigned type, const char *key,
                       json_object *value, GError **err)
{
    const Field *field = find_field(type, key);

    if (!field) {
        return unknown_field(type, key, err);
    }
    if (!value) {
        return rh_fail(err, "-smbios type=%u,%s=: is null, must be a text", type, key);
    }
    if (!json_object_is_type(value, json_type_array)) {
        return add_text(s, set, field, json_object_get_string(value), err);
    }
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        if (!add_text(s, set, field, json_object_get_string(json_object_array_get_idx(value, i)),
                      err)) {
            return false;
        }
    }
    return true;
}

static RhSmbiosSet *set_for(RhSmbios *s, unsigned type)
{
    bool adds_up = type == 8 || type == 41;

    if (!s->sets[type]) {
        s->sets[type] = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    }
    if (adds_up || s->sets[type]->len == 0) {
        g_ptr_array_add(s->sets[type],
                        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free));
    }
    return g_ptr_array_index(s->sets[type], s->sets[type]->len - 1);
}

/* Structures as they are: a header with a length, then strings up to two zero bytes, DSP0134 §6.1
 */
static bool check_blob(const uint8_t *bytes, size_t len, size_t *ret_len, GError **err)
{
    if (len < 6 || bytes[1] < 4 || bytes[1] > len - 2) {
        return rh_fail(err, "is cut short: %zu bytes are no SMBIOS structure", len);
    }
    for (size_t at = bytes[1]; at + 1 < len; at++) {
        if (!bytes[at] && !bytes[at + 1]) {
            *ret_len = at + 2;
            return true;
        }
    }
    return rh_fail(err, "does not end in two zero bytes, as an SMBIOS structure does");
}

static bool add_file(RhSmbios *s, const char *path, GError **err)
{
    g_autofree char *text = NULL;
    gsize len;
    size_t used = 0;

    if (!g_file_get_contents(path, &text, &len, err)) {
        g_prefix_error(err, "-smbios file=: ");
        return false;
    }
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t at = 0; at < len; at += used) {
        uint8_t type = bytes[at];
        if (!check_blob(bytes + at, len - at, &used, err)) {
            g_prefix_error(err, "-smbios file='%s' ", path);
            return false;
        }
        if (type == END_OF_TABLE) {
            return rh_fail(err, "-smbios file='%s': type 127 ends the table, must not be in a file",
                           path);
        }
        if (rh_smbios_nr_sets(s, type)) {
            return rh_fail(err, "-smbios file='%s': type %u was already given by fields", path,
                           type);
        }
        s->has_file[type] = true;
        s->nr_blobs++;
        s->max_blob = MAX(s->max_blob, (unsigned)used);
        g_byte_array_append(s->blobs, bytes + at, (guint)used);
    }
    return len > 0 || rh_fail(err, "-smbios file='%s' is empty", path);
}

static bool add_fields(RhSmbios *s, unsigned type, json_object *option, GError **err)
{
    bool is_known = false;

    for (unsigned i = 0; i < RH_COUNT(fields); i++) {
        is_known |= fields[i].type == type;
    }
    if (!is_known) {
        return rh_fail(
            err,
            "-smbios type=%u has no fields to set, only types 0, 1, 2, 3, 4, 8, 11, 17 and 41 do",
            type);
    }
    if (s->has_file[type]) {
        return rh_fail(err, "-smbios type=%u: the type was already given by a file", type);
    }
    RhSmbiosSet *set = set_for(s, type);
    json_object_object_foreach (option, key, value) {
        if (strcmp(key, "type") && !add_member(s, set, type, key, value, err)) {
            return false;
        }
    }
    return true;
}

bool rh_smbios_add_option(RhSmbios *s, json_object *option, GError **err)
{
    const char *file = rh_json_text(option, "file");
    json_object *type_json = NULL;
    uint64_t type;

    json_object_object_get_ex(option, "type", &type_json);
    if (file) {
        return json_object_object_length(option) == 1
                   ? add_file(s, file, err)
                   : rh_fail(err, "-smbios file='%s' takes no other parameters", file);
    }
    if (!type_json) {
        return rh_fail(err, "-smbios: Must specify type= or file=");
    }
    if (!rh_parse_u64(json_object_get_string(type_json), UINT8_MAX, &type, err)) {
        g_prefix_error(err, "-smbios type=: ");
        return false;
    }
    return add_fields(s, (unsigned)type, option, err);
}

unsigned rh_smbios_nr_sets(const RhSmbios *s, unsigned type)
{
    return s->sets[type] ? s->sets[type]->len : 0;
}

const char *rh_smbios_text(const RhSmbios *s, unsigned type, unsigned nr, const char *key,
                           const char *fallback)
{
    const char *text = NULL;

    if (nr < rh_smbios_nr_sets(s, type)) {
        text = g_hash_table_lookup(g_ptr_array_index(s->sets[type], nr), key);
    }
    return text ? text : fallback;
}

uint64_t rh_smbios_number(const RhSmbios *s, unsigned type, unsigned nr, const char *key,
                          uint64_t fallback)
{
    const char *text = rh_smbios_text(s, type, nr, key, NULL);
    uint64_t number = fallback;

    if (text) {
        parse_number(find_field(type, key), text, &number, NULL);
    }
    return number;
}
