/*
 * aml - writes ACPI Machine Language, ACPI 6.4 §20.2.
 *
 * A package length comes before what it counts and is one to four bytes long, depending on the
 * count. So begin only notes where the length belongs, and end inserts it there: everything still
 * open began earlier in the buffer, and its noted place does not move.
 */
#include "hw/acpi/aml.h"

enum {
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_NAME = 0x08,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_DUAL_NAME = 0x2e,
    OP_MULTI_NAME = 0x2f,
    OP_IF = 0xa0,
    OP_ELSE = 0xa1,
    OP_WHILE = 0xa2,
    OP_MUTEX = 0x5b01,
    OP_ACQUIRE = 0x5b23,
    OP_REGION = 0x5b80,
    OP_FIELD = 0x5b81,
    OP_DEVICE = 0x5b82,
    OP_INDEX_FIELD = 0x5b86,
};

typedef struct RhAmlOpen {
    size_t at;         /* where the package length belongs */
    bool is_resources; /* a buffer: takes an end tag and, after the length, its size */
} RhAmlOpen;

void rh_aml_init(RhAml *a)
{
    a->out = g_byte_array_new();
    a->open = g_array_new(FALSE, FALSE, sizeof(RhAmlOpen));
}

void rh_aml_fini(RhAml *a)
{
    g_clear_pointer(&a->out, g_byte_array_unref);
    g_clear_pointer(&a->open, g_array_unref);
}

GByteArray *rh_aml_take(RhAml *a)
{
    g_assert(a->open->len == 0);
    GByteArray *out = g_steal_pointer(&a->out);
    rh_aml_fini(a);
    return out;
}

void rh_aml_raw(RhAml *a, const void *bytes, size_t len)
{
    if (len > 0) {
        g_byte_array_append(a->out, bytes, (guint)len);
    }
}

static void put(RhAml *a, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    rh_st(bytes, value, size);
    rh_aml_raw(a, bytes, size);
}

void rh_aml_op(RhAml *a, RhAmlOp op)
{
    if (op > 0xff) {
        put(a, op >> 8, 1);
    }
    put(a, op & 0xff, 1);
}

/* §20.2.4: two bits say how many bytes follow; with none, six bits of value, otherwise four. */
static unsigned encode_length(uint32_t value, unsigned size, uint8_t bytes[4])
{
    if (size == 1) {
        bytes[0] = (uint8_t)value;
        return 1;
    }
    bytes[0] = (uint8_t)((size - 1) << 6 | (value & 0xf));
    for (unsigned i = 1; i < size; i++) {
        bytes[i] = (uint8_t)(value >> (4 + 8 * (i - 1)));
    }
    return size;
}

static unsigned length_size(uint32_t value)
{
    g_assert(value < 1u << 28);
    return value < 0x40 ? 1 : value < 1u << 12 ? 2 : value < 1u << 20 ? 3 : 4;
}

/* The package length counts itself, §5.4. */
static unsigned package_length(uint32_t body, uint8_t bytes[4])
{
    for (unsigned size = 1;; size++) {
        if (length_size(body + size) <= size) {
            return encode_length(body + size, size, bytes);
        }
    }
}

static void insert(RhAml *a, size_t at, const uint8_t *bytes, unsigned len)
{
    size_t tail = a->out->len - at;

    g_byte_array_set_size(a->out, a->out->len + len);
    memmove(a->out->data + at + len, a->out->data + at, tail);
    memcpy(a->out->data + at, bytes, len);
}

static void begin(RhAml *a, unsigned op, bool is_resources)
{
    rh_aml_op(a, op);
    RhAmlOpen open = { .at = a->out->len, .is_resources = is_resources };
    g_array_append_val(a->open, open);
}

static bool in_resources(const RhAml *a)
{
    return a->open->len > 0 && g_array_index(a->open, RhAmlOpen, a->open->len - 1).is_resources;
}

/* The end tag's checksum byte may be zero, "treat as valid", §6.4.2.9. */
static void end_resources(RhAml *a, size_t at)
{
    static const uint8_t end_tag[] = { 0x79, 0x00 };

    rh_aml_raw(a, end_tag, sizeof(end_tag));
    size_t len = a->out->len - at;
    g_assert(len <= UINT16_MAX);
    uint8_t size[3] = { len > 0xff ? OP_WORD : OP_BYTE, len & 0xff, (len >> 8) & 0xff };
    insert(a, at, size, len > 0xff ? 3 : 2);
}

void rh_aml_end(RhAml *a)
{
    uint8_t bytes[4];

    g_assert(a->open->len > 0);
    RhAmlOpen open = g_array_index(a->open, RhAmlOpen, a->open->len - 1);
    g_array_set_size(a->open, a->open->len - 1);
    if (open.is_resources) {
        end_resources(a, open.at);
    }
    unsigned size = package_length((uint32_t)(a->out->len - open.at), bytes);
    insert(a, open.at, bytes, size);
}

/* Terms */

void rh_aml_int(RhAml *a, uint64_t value)
{
    if (value <= 1) {
        put(a, value, 1);
        return;
    }
    static const struct {
        uint64_t max;
        uint8_t op, size;
    } forms[] = {
        { UINT8_MAX, OP_BYTE, 1 },
        { UINT16_MAX, OP_WORD, 2 },
        { UINT32_MAX, OP_DWORD, 4 },
        { UINT64_MAX, OP_QWORD, 8 },
    };
    for (unsigned i = 0; i < RH_COUNT(forms); i++) {
        if (value <= forms[i].max) {
            put(a, forms[i].op, 1);
            put(a, value, forms[i].size);
            return;
        }
    }
}

static const char *put_segment(RhAml *a, const char *at)
{
    char seg[4] = { '_', '_', '_', '_' };
    unsigned len = 0;

    for (; *at && *at != '.'; at++) {
        bool is_lead = g_ascii_isupper(*at) || *at == '_';
        g_assert(len < 4 && (is_lead || (len > 0 && g_ascii_isdigit(*at))));
        seg[len++] = *at;
    }
    g_assert(len > 0);
    rh_aml_raw(a, seg, 4);
    return *at == '.' ? at + 1 : at;
}

/* NameString, §20.2.2 */
void rh_aml_ref(RhAml *a, const char *path)
{
    for (; *path == '\\' || *path == '^'; path++) {
        put(a, (uint8_t)*path, 1);
    }
    if (!*path) {
        put(a, 0, 1); /* NullName, as in Scope(\) */
        return;
    }
    unsigned segments = 1;
    for (const char *p = path; *p; p++) {
        segments += *p == '.';
    }
    if (segments == 2) {
        put(a, OP_DUAL_NAME, 1);
    } else if (segments > 2) {
        put(a, OP_MULTI_NAME, 1);
        put(a, segments, 1);
    }
    while (*path) {
        path = put_segment(a, path);
    }
}

void rh_aml_string(RhAml *a, const char *text)
{
    put(a, OP_STRING, 1);
    rh_aml_raw(a, text, strlen(text) + 1);
}

/* §19.3.4: three letters of five bits and four hex digits, big-endian */
void rh_aml_eisaid(RhAml *a, const char *id)
{
    g_assert(strlen(id) == 7);
    uint32_t packed = 0;
    for (unsigned i = 0; i < 3; i++) {
        g_assert(g_ascii_isupper(id[i]));
        packed = packed << 5 | (uint32_t)(id[i] - '@');
    }
    for (unsigned i = 3; i < 7; i++) {
        g_assert(g_ascii_isxdigit(id[i]));
        packed = packed << 4 | (uint32_t)g_ascii_xdigit_value(id[i]);
    }
    put(a, OP_DWORD, 1);
    put(a, GUINT32_SWAP_LE_BE(packed), 4);
}

void rh_aml_buffer(RhAml *a, const void *bytes, size_t len)
{
    begin(a, OP_BUFFER, false);
    rh_aml_int(a, len);
    rh_aml_raw(a, bytes, len);
    rh_aml_end(a);
}

/* §19.6.142: the first three groups are little-endian, the rest in order */
void rh_aml_uuid(RhAml *a, const char *uuid)
{
    static const uint8_t digit_at[16] = {
        6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34,
    };
    uint8_t bytes[16];

    g_assert(strlen(uuid) == 36);
    for (unsigned i = 0; i < 16; i++) {
        const char *digits = uuid + digit_at[i];
        g_assert(g_ascii_isxdigit(digits[0]) && g_ascii_isxdigit(digits[1]));
        bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(digits[0]) << 4 | g_ascii_xdigit_value(digits[1]));
    }
    rh_aml_buffer(a, bytes, sizeof(bytes));
}

/* Named objects */

void rh_aml_name(RhAml *a, const char *path)
{
    put(a, OP_NAME, 1);
    rh_aml_ref(a, path);
}

void rh_aml_name_int(RhAml *a, const char *path, uint64_t value)
{
    rh_aml_name(a, path);
    rh_aml_int(a, value);
}

size_t rh_aml_name_dword(RhAml *a, const char *path, uint32_t value)
{
    rh_aml_name(a, path);
    put(a, OP_DWORD, 1);
    put(a, value, 4);
    return a->out->len - 4;
}

void rh_aml_name_string(RhAml *a, const char *path, const char *text)
{
    rh_aml_name(a, path);
    rh_aml_string(a, text);
}

void rh_aml_name_eisaid(RhAml *a, const char *path, const char *id)
{
    rh_aml_name(a, path);
    rh_aml_eisaid(a, id);
}

void rh_aml_region(RhAml *a, const char *name, RhAmlSpace space, uint64_t base, uint64_t len)
{
    rh_aml_op(a, (RhAmlOp)OP_REGION);
    rh_aml_ref(a, name);
    put(a, space, 1);
    rh_aml_int(a, base);
    rh_aml_int(a, len);
}

void rh_aml_field_begin(RhAml *a, const char *region, unsigned flags)
{
    begin(a, OP_FIELD, false);
    rh_aml_ref(a, region);
    put(a, flags, 1);
}

void rh_aml_index_field_begin(RhAml *a, const char *index, const char *data, unsigned flags)
{
    begin(a, OP_INDEX_FIELD, false);
    rh_aml_ref(a, index);
    rh_aml_ref(a, data);
    put(a, flags, 1);
}

void rh_aml_field_unit(RhAml *a, const char *name, unsigned bits)
{
    uint8_t bytes[4];

    if (name) {
        g_assert(!strpbrk(name, "\\^.")); /* a single segment, §20.2.5.2 */
        rh_aml_ref(a, name);
    } else {
        put(a, 0, 1);
    }
    rh_aml_raw(a, bytes, encode_length(bits, length_size(bits), bytes));
}

void rh_aml_mutex(RhAml *a, const char *name)
{
    rh_aml_op(a, (RhAmlOp)OP_MUTEX);
    rh_aml_ref(a, name);
    put(a, 0, 1);
}

void rh_aml_acquire(RhAml *a, const char *name, uint16_t timeout_ms)
{
    rh_aml_op(a, (RhAmlOp)OP_ACQUIRE);
    rh_aml_ref(a, name);
    put(a, timeout_ms, 2);
}

void rh_aml_release(RhAml *a, const char *name)
{
    rh_aml_op(a, RH_AML_RELEASE);
    rh_aml_ref(a, name);
}

/* Whatever has a length */

void rh_aml_scope_begin(RhAml *a, const char *path)
{
    begin(a, OP_SCOPE, false);
    rh_aml_ref(a, path);
}

void rh_aml_device_begin(RhAml *a, const char *path)
{
    begin(a, OP_DEVICE, false);
    rh_aml_ref(a, path);
}

void rh_aml_method_begin(RhAml *a, const char *path, unsigned args, bool serialized)
{
    g_assert(args <= 7);
    begin(a, OP_METHOD, false);
    rh_aml_ref(a, path);
    put(a, args | (serialized ? 0x08 : 0), 1);
}

void rh_aml_package_begin(RhAml *a, unsigned count)
{
    g_assert(count <= UINT8_MAX);
    begin(a, OP_PACKAGE, false);
    put(a, count, 1);
}

void rh_aml_if_begin(RhAml *a)
{
    begin(a, OP_IF, false);
}

void rh_aml_else_begin(RhAml *a)
{
    begin(a, OP_ELSE, false);
}

void rh_aml_while_begin(RhAml *a)
{
    begin(a, OP_WHILE, false);
}

void rh_aml_resources_begin(RhAml *a)
{
    begin(a, OP_BUFFER, true);
}

void rh_aml_name_crs_begin(RhAml *a)
{
    rh_aml_name(a, "_CRS");
    rh_aml_resources_begin(a);
}

/* Idioms */

void rh_aml_prt_entry(RhAml *a, unsigned slot, unsigned pin, const char *link, uint32_t gsi)
{
    g_assert(slot < 32 && pin < 4);
    rh_aml_package_begin(a, 4);
    rh_aml_int(a, slot << 16 | 0xffff); /* any function, §6.2.13 */
    rh_aml_int(a, pin);
    if (link) {
        rh_aml_ref(a, link);
    } else {
        rh_aml_int(a, 0);
    }
    rh_aml_int(a, link ? 0 : gsi);
    rh_aml_end(a);
}

void rh_aml_gpe_begin(RhAml *a, unsigned gpe, bool edge)
{
    char name[8];

    g_assert(gpe <= 0xff);
    g_snprintf(name, sizeof(name), "_%c%02X", edge ? 'E' : 'L', gpe);
    rh_aml_method_begin(a, name, 0, false);
}

void rh_aml_notify(RhAml *a, const char *path, unsigned value)
{
    rh_aml_op(a, RH_AML_NOTIFY);
    rh_aml_ref(a, path);
    rh_aml_int(a, value);
}

/* Resource descriptors, §6.4 */

static void resource(RhAml *a, const uint8_t *bytes, size_t len)
{
    g_assert(in_resources(a));
    rh_aml_raw(a, bytes, len);
}

void rh_aml_res_io(RhAml *a, uint16_t min, uint16_t max, uint8_t align, uint8_t len)
{
    uint8_t bytes[8] = { 0x47, 1 }; /* §6.4.2.5, decodes 16 bits */

    rh_st16(bytes + 2, min);
    rh_st16(bytes + 4, max);
    bytes[6] = align;
    bytes[7] = len;
    resource(a, bytes, sizeof(bytes));
}

void rh_aml_res_irq(RhAml *a, unsigned irq)
{
    uint8_t bytes[3] = { 0x22 }; /* §6.4.2.1, without the flags byte */

    g_assert(irq < 16);
    rh_st16(bytes + 1, (uint16_t)(1u << irq));
    resource(a, bytes, sizeof(bytes));
}

void rh_aml_res_irqs(RhAml *a, uint16_t mask)
{
    uint8_t bytes[4] = { 0x23 };

    rh_st16(bytes + 1, mask);
    bytes[3] = 0x18; /* level, active low, shared */
    resource(a, bytes, sizeof(bytes));
}

void rh_aml_res_dma(RhAml *a, uint8_t mask)
{
    uint8_t bytes[3] = { 0x2a, mask, 0 };

    resource(a, bytes, sizeof(bytes));
}

void rh_aml_res_memory32_fixed(RhAml *a, uint32_t base, uint32_t len, bool writable)
{
    uint8_t bytes[12] = { 0x86, 9, 0, writable }; /* §6.4.3.4 */

    rh_st32(bytes + 4, base);
    rh_st32(bytes + 8, len);
    resource(a, bytes, sizeof(bytes));
}

void rh_aml_res_interrupts(RhAml *a, unsigned flags, const uint32_t *gsis, unsigned count)
{
    uint8_t head[5] = { 0x89 }; /* §6.4.3.6 */

    g_assert(count >= 1 && count <= UINT8_MAX);
    rh_st16(head + 1, (uint16_t)(2 + 4 * count));
    head[3] = (uint8_t)(flags | 1); /* consumer */
    head[4] = (uint8_t)count;
    resource(a, head, sizeof(head));
    for (unsigned i = 0; i < count; i++) {
        put(a, gsis[i], 4);
    }
}

enum { SPACE_MEMORY = 0, SPACE_IO = 1, SPACE_BUS = 2 };
#define WINDOW_FLAGS 0x0c /* producer, positive decode, minimum and maximum fixed */

/* Address space descriptors, §6.4.3.5: granularity, minimum, maximum, translation, length */
static void window(RhAml *a, uint8_t tag, unsigned width, const uint8_t kind[2], uint64_t min,
                   uint64_t max)
{
    uint8_t head[6] = { tag };

    g_assert(in_resources(a) && min <= max);
    rh_st16(head + 1, (uint16_t)(3 + 5 * width));
    head[3] = kind[0];
    head[4] = WINDOW_FLAGS;
    head[5] = kind[1];
    resource(a, head, sizeof(head));
    put(a, 0, width);
    put(a, min, width);
    put(a, max, width);
    put(a, 0, width);
    put(a, max - min + 1, width);
}

void rh_aml_res_bus_window(RhAml *a, uint16_t min, uint16_t max)
{
    window(a, 0x88, 2, (const uint8_t[]){ SPACE_BUS, 0 }, min, max);
}

void rh_aml_res_io_window(RhAml *a, uint16_t min, uint16_t max)
{
    window(a, 0x88, 2, (const uint8_t[]){ SPACE_IO, 3 }, min, max); /* the entire range */
}

void rh_aml_res_memory32_window(RhAml *a, unsigned caching, uint32_t min, uint32_t max)
{
    window(a, 0x87, 4, (const uint8_t[]){ SPACE_MEMORY, (uint8_t)(caching << 1 | 1) }, min, max);
}

void rh_aml_res_memory64_window(RhAml *a, unsigned caching, uint64_t min, uint64_t max)
{
    window(a, 0x8a, 8, (const uint8_t[]){ SPACE_MEMORY, (uint8_t)(caching << 1 | 1) }, min, max);
}
