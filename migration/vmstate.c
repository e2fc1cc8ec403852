/*
 * Saving, loading and checking declared state. A load works on a copy and lands whole or not at all.
 */
#include "migration/vmstate.h"

static void save_number(GByteArray *out, const uint8_t *from, size_t size)
{
    for (size_t i = size; i-- > 0;) {
        g_byte_array_append(out, from + i, 1);
    }
}

static void save_fields(const RhFieldTable *table, const uint8_t *base, GByteArray *out)
{
    for (size_t f = 0; f < table->nr; f++) {
        const RhField *field = &table->rows[f];

        for (size_t i = 0; i < field->count; i++) {
            const uint8_t *from = base + field->offset + i * field->size;

            if (field->fields.nr) {
                save_fields(&field->fields, from, out);
            } else if (field->is_bytes) {
                g_byte_array_append(out, from, (guint)field->size);
            } else {
                save_number(out, from, field->size);
            }
        }
    }
}

void rh_state_reset(const RhState *state, void *instance)
{
    void *to = (char *)instance + state->offset;

    if (state->is_kept) {
        return;
    }
    if (state->at_reset) {
        memcpy(to, state->at_reset, state->size);
    } else {
        memset(to, 0, state->size);
    }
}

void rh_state_save(const RhState *state, const void *instance, GByteArray *out)
{
    uint32_t version = state->version;

    save_number(out, (const uint8_t *)&version, sizeof(version));
    save_fields(&state->fields, (const uint8_t *)instance + state->offset, out);
    if (state->extra) {
        size_t size = 0;
        const uint8_t *from = state->extra(instance, &size);
        uint32_t told = (uint32_t)size;

        save_number(out, (const uint8_t *)&told, sizeof(told));
        g_byte_array_append(out, from, told);
    }
}

typedef struct Reader {
    const uint8_t *data;
    size_t len;
    size_t pos;
    unsigned version;
} Reader;

static bool take(Reader *in, size_t len, const char *name, const uint8_t **ret, GError **err)
{
    if (len > in->len - in->pos) {
        return rh_fail(err, "State ends inside field '%s': %zu bytes wanted, %zu left", name, len,
                       in->len - in->pos);
    }
    *ret = in->data + in->pos;
    in->pos += len;
    return true;
}

static bool load_number(Reader *in, const RhField *field, uint8_t *to, GError **err)
{
    const uint8_t *from = NULL;
    uint64_t value = 0;

    if (!take(in, field->size, field->name, &from, err)) {
        return false;
    }
    for (size_t i = 0; i < field->size; i++) {
        value = value << 8 | from[i];
    }
    if (field->valid && (value & ~field->valid)) {
        return rh_fail(err, "State field '%s' is 0x%" PRIx64 ", only bits of 0x%" PRIx64 " may be set",
                       field->name, value, field->valid);
    }
    if (field->max && value > field->max) {
        return rh_fail(err, "State field '%s' is %" PRIu64 ", must be at most %" PRIu64, field->name,
                       value, field->max);
    }
    rh_st(to, value, (unsigned)field->size);
    return true;
}

static bool load_fields(Reader *in, const RhFieldTable *table, uint8_t *base, GError **err);

static bool load_element(Reader *in, const RhField *field, uint8_t *to, GError **err)
{
    const uint8_t *from = NULL;

    if (field->fields.nr) {
        return load_fields(in, &field->fields, to, err);
    }
    if (!field->is_bytes) {
        return load_number(in, field, to, err);
    }
    if (!take(in, field->size, field->name, &from, err)) {
        return false;
    }
    memcpy(to, from, field->size);
    return true;
}

static bool load_fields(Reader *in, const RhFieldTable *table, uint8_t *base, GError **err)
{
    for (size_t f = 0; f < table->nr; f++) {
        const RhField *field = &table->rows[f];

        if (field->since > in->version) {
            continue;       /* keeps its reset value */
        }
        for (size_t i = 0; i < field->count; i++) {
            if (!load_element(in, field, base + field->offset + i * field->size, err)) {
                return false;
            }
        }
    }
    return true;
}

/* Where the bytes outside the struct are in the stream; their number is the instance's. */
static bool find_extra(Reader *in, size_t size, const uint8_t **ret, GError **err)
{
    const RhField size_field = { .name = "extra size", .size = sizeof(uint32_t), .count = 1 };
    uint32_t told;

    if (!load_number(in, &size_field, (uint8_t *)&told, err)) {
        return false;
    }
    if (told != size) {
        return rh_fail(err, "State has %u extra bytes, must have %zu", told, size);
    }
    return take(in, size, "extra", ret, err);
}

bool rh_state_load(const RhState *state, void *instance, const uint8_t *data, size_t len, size_t *pos,
                   GError **err)
{
    const RhField version_field = { .name = "version", .size = sizeof(uint32_t), .count = 1 };
    Reader in = { .data = data, .len = len, .pos = *pos };
    g_autofree uint8_t *copy = g_malloc0(state->size);
    void *extra = NULL;
    const uint8_t *extra_from = NULL;
    size_t extra_size = 0;
    uint32_t version;

    if (!load_number(&in, &version_field, (uint8_t *)&version, err)) {
        return false;
    }
    if (version == 0 || version > state->version) {
        return rh_fail(err, "State version is %u, must be 1 to %u", version, state->version);
    }
    in.version = version;
    if (state->at_reset) {
        memcpy(copy, state->at_reset, state->size);
    }
    if (!load_fields(&in, &state->fields, copy, err)) {
        return false;
    }
    if (state->extra) {
        extra = state->extra(instance, &extra_size);
        if (!find_extra(&in, extra_size, &extra_from, err)) {
            return false;
        }
    }
    memcpy((char *)instance + state->offset, copy, state->size);
    if (extra_size) {
        memcpy(extra, extra_from, extra_size);
    }
    *pos = in.pos;
    return true;
}

/* Alignment of the struct that @table describes: that of its widest number. */
static size_t alignment(const RhFieldTable *table)
{
    size_t widest = 1;

    for (size_t f = 0; f < table->nr; f++) {
        const RhField *field = &table->rows[f];
        size_t own = field->fields.nr ? alignment(&field->fields) : field->is_bytes ? 1 : field->size;

        widest = MAX(widest, own);
    }
    return widest;
}

/* The end of a struct is padded to its alignment. */
static void cover_tail(uint8_t *covered, size_t size, size_t align)
{
    for (size_t at = size; at > 0 && at + align > size + 1 && !covered[at - 1]; at--) {
        covered[at - 1] = 1;
    }
}

static void cover(const RhFieldTable *table, size_t base, uint8_t *covered)
{
    for (size_t f = 0; f < table->nr; f++) {
        const RhField *field = &table->rows[f];

        for (size_t i = 0; i < field->count; i++) {
            size_t at = base + field->offset + i * field->size;

            if (field->fields.nr) {
                cover(&field->fields, at, covered);
                covered[at] = (uint8_t)alignment(&field->fields);
                cover_tail(covered + at, field->size, alignment(&field->fields));
            } else {
                memset(covered + at, field->is_bytes ? 1 : (int)field->size, field->size);
            }
        }
    }
}

/*
 * Marks: 0 nothing, else the element size of the field that covers the byte. A hole is padding when it is
 * shorter than the alignment of what follows it (at the end: than eight bytes) and ends aligned.
 */
long rh_state_uncovered(const RhState *state)
{
    g_autofree uint8_t *covered = g_malloc0(state->size + 1);

    cover(&state->fields, 0, covered);
    for (size_t at = 0; at < state->size; at++) {
        size_t end = at;
        size_t align = 8;

        while (end < state->size && !covered[end]) {
            end++;
        }
        if (end == at) {
            continue;
        }
        if (end < state->size) {
            align = covered[end];
        }
        if (end - at >= align || end % align) {
            return (long)at;
        }
        at = end;
    }
    return -1;
}
