/*
 * tables - collects ACPI tables and publishes them; layouts from ACPI 6.4 §5.2.
 *
 * Until rh_acpi_place() every pointer in a file holds the offset into its target, which is also
 * the form the firmware's script starts from.
 */
#include "hw/acpi/tables.h"
#include "hw/acpi/tables-private.h"

enum { SDT_LENGTH_AT = 4, SDT_CHECKSUM_AT = 9, SDT_HEADER = 36 };

typedef struct Pointer {
    const RhAcpiFile *target;
    RhAcpiFile *file;
    size_t at;
    unsigned size;
} Pointer;

typedef struct Checksum {
    RhAcpiFile *file;
    size_t at, start, len;
} Checksum;

typedef struct WritePointer {
    char *file;
    const RhAcpiFile *target;
    size_t at, offset;
    unsigned size;
} WritePointer;

struct RhAcpi {
    GPtrArray *files;          /* of RhAcpiFile */
    RhAcpiFile *tables, *rsdp; /* two of them */
    GArray *pointers, *checksums, *write_pointers;
    GArray *listed;    /* of size_t: tables the RSDT lists */
    size_t open;       /* the table begun; SIZE_MAX when none */
    size_t dsdt, facs; /* offsets; SIZE_MAX when there is none */
};

static void file_free(void *p)
{
    RhAcpiFile *file = p;

    g_byte_array_unref(file->data);
    g_free(file->name);
    g_free(file);
}

static void write_pointer_clear(void *p)
{
    g_free(((WritePointer *)p)->file);
}

static RhAcpiFile *add_file(RhAcpi *acpi, const char *name, GByteArray *data, uint32_t align,
                            RhAcpiZone zone)
{
    g_assert(strlen(name) < RH_LOADER_NAME && align && !(align & (align - 1)));
    RhAcpiFile *file = g_new0(RhAcpiFile, 1);
    file->name = g_strdup(name);
    file->data = data;
    file->align = align;
    file->zone = zone;
    g_ptr_array_add(acpi->files, file);
    return file;
}

RhAcpi *rh_acpi_new(void)
{
    RhAcpi *acpi = g_new0(RhAcpi, 1);

    acpi->files = g_ptr_array_new_with_free_func(file_free);
    acpi->pointers = g_array_new(FALSE, FALSE, sizeof(Pointer));
    acpi->checksums = g_array_new(FALSE, FALSE, sizeof(Checksum));
    acpi->write_pointers = g_array_new(FALSE, FALSE, sizeof(WritePointer));
    g_array_set_clear_func(acpi->write_pointers, write_pointer_clear);
    acpi->listed = g_array_new(FALSE, FALSE, sizeof(size_t));
    acpi->open = acpi->dsdt = acpi->facs = SIZE_MAX;
    acpi->rsdp = add_file(acpi, RH_ACPI_FILE_RSDP, g_byte_array_new(), 16, RH_ACPI_ZONE_FSEG);
    acpi->tables = add_file(acpi, RH_ACPI_FILE_TABLES, g_byte_array_new(), 64, RH_ACPI_ZONE_HIGH);
    return acpi;
}

void rh_acpi_free(RhAcpi *acpi)
{
    if (!acpi) {
        return;
    }
    g_ptr_array_unref(acpi->files);
    g_array_unref(acpi->pointers);
    g_array_unref(acpi->checksums);
    g_array_unref(acpi->write_pointers);
    g_array_unref(acpi->listed);
    g_free(acpi);
}

void rh_acpi_add_file(RhAcpi *acpi, const char *name, GByteArray *data, uint32_t align,
                      RhAcpiZone zone)
{
    add_file(acpi, name, data, align, zone);
}

static RhAcpiFile *find_file(const RhAcpi *acpi, const char *name)
{
    for (guint i = 0; i < acpi->files->len; i++) {
        RhAcpiFile *file = g_ptr_array_index(acpi->files, i);
        if (!strcmp(file->name, name)) {
            return file;
        }
    }
    g_assert_not_reached();
}

void rh_acpi_add_pointer(RhAcpi *acpi, const char *file, size_t at, unsigned size,
                         const char *target)
{
    Pointer pointer = {
        .target = find_file(acpi, target),
        .file = find_file(acpi, file),
        .at = at,
        .size = size,
    };
    g_assert(rh_range_ok(at, size, pointer.file->data->len));
    g_array_append_val(acpi->pointers, pointer);
}

void rh_acpi_add_write_pointer(RhAcpi *acpi, const char *file, size_t at, unsigned size,
                               const char *target, size_t offset)
{
    WritePointer pointer = {
        .file = g_strdup(file),
        .target = find_file(acpi, target),
        .at = at,
        .offset = offset,
        .size = size,
    };
    g_array_append_val(acpi->write_pointers, pointer);
}

static void add_checksum(RhAcpi *acpi, RhAcpiFile *file, size_t at, size_t start, size_t len)
{
    Checksum sum = { .file = file, .at = at, .start = start, .len = len };

    g_array_append_val(acpi->checksums, sum);
}

void rh_acpi_put(GByteArray *out, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    rh_st(bytes, value, size);
    g_byte_array_append(out, bytes, size);
}

void rh_acpi_put_zeros(GByteArray *out, size_t len)
{
    guint old = out->len;

    if (len == 0) {
        return;
    }
    g_byte_array_set_size(out, (guint)(old + len));
    memset(out->data + old, 0, len);
}

/* A name field: padded with @pad, no terminator */
static void put_padded(GByteArray *out, const char *text, unsigned width, char pad)
{
    size_t len = strlen(text);

    g_assert(len <= width);
    g_byte_array_append(out, (const guint8 *)text, (guint)len);
    for (; len < width; len++) {
        g_byte_array_append(out, (const guint8 *)&pad, 1);
    }
}

/* System description table header, §5.2.6 */
GByteArray *rh_acpi_table_begin(RhAcpi *acpi, const char *signature, uint8_t revision,
                                const char *id)
{
    GByteArray *out = acpi->tables->data;

    g_assert(acpi->open == SIZE_MAX);
    rh_acpi_put_zeros(out, -(size_t)out->len & 7); /* byte packing is legal, alignment kinder */
    acpi->open = out->len;
    put_padded(out, signature, 4, ' ');
    rh_acpi_put(out, 0, 4);
    rh_acpi_put(out, revision, 1);
    rh_acpi_put(out, 0, 1);
    put_padded(out, "RHEA", 6, ' ');
    put_padded(out, id, 8, ' ');
    rh_acpi_put(out, 1, 4);
    put_padded(out, "RHEA", 4, ' ');
    rh_acpi_put(out, 1, 4);
    return out;
}

size_t rh_acpi_table_start(const RhAcpi *acpi)
{
    return acpi->open;
}

void rh_acpi_table_end(RhAcpi *acpi)
{
    GByteArray *out = acpi->tables->data;
    size_t start = acpi->open;

    g_assert(start != SIZE_MAX);
    acpi->open = SIZE_MAX;
    rh_st32(out->data + start + SDT_LENGTH_AT, (uint32_t)(out->len - start));
    add_checksum(acpi, acpi->tables, start + SDT_CHECKSUM_AT, start, out->len - start);
    if (!memcmp(out->data + start, "DSDT", 4)) {
        acpi->dsdt = start; /* only the FADT points to it, §5.2.11.1 */
    } else {
        g_array_append_val(acpi->listed, start);
    }
}

/* §5.2.10; 64-byte aligned, without a header and a checksum */
void rh_acpi_add_facs(RhAcpi *acpi)
{
    GByteArray *out = acpi->tables->data;

    rh_acpi_put_zeros(out, -(size_t)out->len & 63);
    acpi->facs = out->len;
    put_padded(out, "FACS", 4, ' ');
    rh_acpi_put(out, 64, 4);
    rh_acpi_put_zeros(out, 64 - 8);
}

size_t rh_acpi_add_aml(RhAcpi *acpi, const char *signature, const char *id, RhAml *code)
{
    g_autoptr(GByteArray) bytes = rh_aml_take(code);
    GByteArray *out = rh_acpi_table_begin(acpi, signature, 2, id);
    size_t at = out->len;

    g_byte_array_append(out, bytes->data, bytes->len);
    rh_acpi_table_end(acpi);
    return at;
}

/* A field of the open table that points to another table; zero and no note when there is none */
void rh_acpi_table_pointer(RhAcpi *acpi, RhAcpiTarget which, unsigned size)
{
    size_t offset = which == RH_ACPI_TARGET_DSDT ? acpi->dsdt : acpi->facs;
    GByteArray *out = acpi->tables->data;

    rh_acpi_put(out, offset == SIZE_MAX ? 0 : offset, size);
    if (offset != SIZE_MAX) {
        rh_acpi_add_pointer(acpi, RH_ACPI_FILE_TABLES, out->len - size, size, RH_ACPI_FILE_TABLES);
    }
}

/* §5.2.5.3; revision 0 ends after the 32-bit address */
static void add_rsdp(RhAcpi *acpi, size_t root, bool use_xsdt)
{
    GByteArray *out = acpi->rsdp->data;

    put_padded(out, "RSD PTR ", 8, ' ');
    rh_acpi_put(out, 0, 1);
    put_padded(out, "RHEA", 6, ' ');
    rh_acpi_put(out, use_xsdt ? 2 : 0, 1);
    rh_acpi_put(out, use_xsdt ? 0 : root, 4);
    if (use_xsdt) {
        rh_acpi_put(out, 36, 4);
        rh_acpi_put(out, root, 8);
        rh_acpi_put(out, 0, 4); /* extended checksum, reserved */
    }
    rh_acpi_add_pointer(acpi, RH_ACPI_FILE_RSDP, use_xsdt ? 24 : 16, use_xsdt ? 8 : 4,
                        RH_ACPI_FILE_TABLES);
    add_checksum(acpi, acpi->rsdp, 8, 0, 20);
    if (use_xsdt) {
        add_checksum(acpi, acpi->rsdp, 32, 0, 36);
    }
}

void rh_acpi_finish(RhAcpi *acpi, bool use_xsdt, const char *id)
{
    guint count = acpi->listed->len; /* before the root table joins its own list */
    unsigned size = use_xsdt ? 8 : 4;
    GByteArray *out = rh_acpi_table_begin(acpi, use_xsdt ? "XSDT" : "RSDT", 1, id);
    size_t root = acpi->open;

    for (guint i = 0; i < count; i++) {
        rh_acpi_put(out, g_array_index(acpi->listed, size_t, i), size);
        rh_acpi_add_pointer(acpi, RH_ACPI_FILE_TABLES, out->len - size, size, RH_ACPI_FILE_TABLES);
    }
    rh_acpi_table_end(acpi);
    add_rsdp(acpi, root, use_xsdt);
}

const GPtrArray *rh_acpi_files(const RhAcpi *acpi)
{
    return acpi->files;
}

/* The firmware's script: entries of 128 bytes, a little-endian command and its arguments. */

enum { CMD_ALLOCATE = 1, CMD_ADD_POINTER = 2, CMD_ADD_CHECKSUM = 3, CMD_WRITE_POINTER = 4 };
enum { LOADER_ENTRY = 128 };

static void entry_begin(GByteArray *script, uint32_t command, const char *file)
{
    char name[RH_LOADER_NAME] = "";

    rh_acpi_put(script, command, 4);
    g_strlcpy(name, file, sizeof(name));
    g_byte_array_append(script, (const guint8 *)name, sizeof(name));
}

static void entry_file(GByteArray *script, const char *file)
{
    char name[RH_LOADER_NAME] = "";

    g_strlcpy(name, file, sizeof(name));
    g_byte_array_append(script, (const guint8 *)name, sizeof(name));
}

static void entry_end(GByteArray *script)
{
    rh_acpi_put_zeros(script, -(size_t)script->len & (LOADER_ENTRY - 1));
}

static void script_pointers(const RhAcpi *acpi, GByteArray *script)
{
    for (guint i = 0; i < acpi->pointers->len; i++) {
        const Pointer *p = &g_array_index(acpi->pointers, Pointer, i);
        entry_begin(script, CMD_ADD_POINTER, p->file->name);
        entry_file(script, p->target->name);
        rh_acpi_put(script, p->at, 4);
        rh_acpi_put(script, p->size, 1);
        entry_end(script);
    }
}

static void script_checksums(const RhAcpi *acpi, GByteArray *script)
{
    for (guint i = 0; i < acpi->checksums->len; i++) {
        const Checksum *c = &g_array_index(acpi->checksums, Checksum, i);
        entry_begin(script, CMD_ADD_CHECKSUM, c->file->name);
        rh_acpi_put(script, c->at, 4);
        rh_acpi_put(script, c->start, 4);
        rh_acpi_put(script, c->len, 4);
        entry_end(script);
    }
}

static void script_write_pointers(const RhAcpi *acpi, GByteArray *script)
{
    for (guint i = 0; i < acpi->write_pointers->len; i++) {
        const WritePointer *w = &g_array_index(acpi->write_pointers, WritePointer, i);
        entry_begin(script, CMD_WRITE_POINTER, w->file);
        entry_file(script, w->target->name);
        rh_acpi_put(script, w->at, 4);
        rh_acpi_put(script, w->offset, 4);
        rh_acpi_put(script, w->size, 1);
        entry_end(script);
    }
}

/* All files exist before a pointer needs them, and sums come after the bytes they cover changed. */
GByteArray *rh_acpi_loader(const RhAcpi *acpi)
{
    GByteArray *script = g_byte_array_new();

    for (guint i = 0; i < acpi->files->len; i++) {
        const RhAcpiFile *file = g_ptr_array_index(acpi->files, i);
        entry_begin(script, CMD_ALLOCATE, file->name);
        rh_acpi_put(script, file->align, 4);
        rh_acpi_put(script, file->zone, 1);
        entry_end(script);
    }
    script_pointers(acpi, script);
    script_checksums(acpi, script);
    script_write_pointers(acpi, script);
    return script;
}

uint64_t rh_acpi_place(RhAcpi *acpi, uint64_t high, uint64_t fseg, uint64_t *ret_end)
{
    for (guint i = 0; i < acpi->files->len; i++) {
        RhAcpiFile *file = g_ptr_array_index(acpi->files, i);
        uint64_t *next = file->zone == RH_ACPI_ZONE_FSEG ? &fseg : &high;
        file->placed_at = rh_align_up(*next, file->align);
        *next = file->placed_at + file->data->len;
    }
    for (guint i = 0; i < acpi->pointers->len; i++) {
        const Pointer *p = &g_array_index(acpi->pointers, Pointer, i);
        uint8_t *field = p->file->data->data + p->at;
        uint64_t address = rh_ld(field, p->size) + p->target->placed_at;
        g_assert(p->size == 8 || address <= UINT32_MAX);
        rh_st(field, address, p->size);
    }
    for (guint i = 0; i < acpi->checksums->len; i++) {
        const Checksum *c = &g_array_index(acpi->checksums, Checksum, i);
        uint8_t sum = 0;
        for (size_t at = c->start; at < c->start + c->len; at++) {
            sum += c->file->data->data[at];
        }
        c->file->data->data[c->at] -= sum;
    }
    if (ret_end) {
        *ret_end = high;
    }
    return acpi->rsdp->placed_at;
}
