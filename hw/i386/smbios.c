/*
 * smbios - lays out SMBIOS structures, DMTF DSP0134 3.0 §7.
 */
#include "hw/i386/smbios-private.h"

#include "util/error.h"
#include "util/parse.h"

/* Handles: one block for each type that others may refer to. */
enum {
    HANDLE_BIOS = 0x0000,
    HANDLE_SYSTEM = 0x0100,
    HANDLE_BOARD = 0x0200,
    HANDLE_CHASSIS = 0x0300,
    HANDLE_CPU = 0x0400,
    HANDLE_PORT = 0x0800,
    HANDLE_SLOT = 0x0900,
    HANDLE_OEM = 0x0e00,
    HANDLE_ARRAY = 0x1000,
    HANDLE_MEMORY = 0x1100,
    HANDLE_RANGE = 0x1300,
    HANDLE_BOOT = 0x2000,
    HANDLE_ONBOARD = 0x2900,
    HANDLE_END = 0x7f00,
    HANDLE_NONE = 0xfffe,
};
enum { UNKNOWN = 2, OTHER = 1, SAFE = 3, DEFAULT_MHZ = 2000 };
#define DIMM_SIZE (UINT64_C(16) << 30)

typedef struct Maker {
    RhSmbios *s;
    const RhSmbiosConfig *c;
    GByteArray *out;
    GByteArray *strings; /* of the structure being made */
    size_t start;
    unsigned nr_strings, nr_structs, largest;
} Maker;

/* --- one structure --- */

static void put(Maker *m, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    rh_st(bytes, value, size);
    g_byte_array_append(m->out, bytes, size);
}

static void begin(Maker *m, uint8_t type, unsigned handle)
{
    m->start = m->out->len;
    m->nr_strings = 0;
    g_byte_array_set_size(m->strings, 0);
    put(m, type, 1);
    put(m, 0, 1);
    put(m, handle, 2);
}

/* The number of a text in the string set; 0 for none */
static void put_text(Maker *m, const char *text)
{
    if (!text || !*text) {
        put(m, 0, 1);
        return;
    }
    g_byte_array_append(m->strings, (const guint8 *)text, (guint)strlen(text) + 1);
    put(m, ++m->nr_strings, 1);
}

static void put_field(Maker *m, unsigned type, const char *key, const char *fallback)
{
    put_text(m, rh_smbios_text(m->s, type, 0, key, fallback));
}

static void end(Maker *m)
{
    m->out->data[m->start + 1] = (uint8_t)(m->out->len - m->start);
    if (m->strings->len) {
        g_byte_array_append(m->out, m->strings->data, m->strings->len);
    } else {
        put(m, 0, 1);
    }
    put(m, 0, 1);
    m->nr_structs++;
    m->largest = MAX(m->largest, (unsigned)(m->out->len - m->start));
}

/* --- the machine --- */

enum {
    BIOS_CHARS_UNSUPPORTED = 0x08,
    BIOS_EXT_TARGETED = 0x04,
    BIOS_EXT_UEFI = 0x08,
    BIOS_EXT_VM = 0x10
};

static void bios(Maker *m)
{
    if (!m->c->has_bios_info && !rh_smbios_nr_sets(m->s, 0)) {
        return;
    }
    uint64_t release = rh_smbios_number(m->s, 0, 0, "release", 0);
    begin(m, 0, HANDLE_BIOS);
    put_field(m, 0, "vendor", m->c->manufacturer);
    put_field(m, 0, "version", m->c->version);
    put(m, 0xe800, 2);
    put_field(m, 0, "date", "04/01/2014");
    put(m, 0, 1);
    put(m, BIOS_CHARS_UNSUPPORTED, 8);
    put(m, 0, 1);
    put(m,
        BIOS_EXT_TARGETED | BIOS_EXT_VM |
            (rh_smbios_number(m->s, 0, 0, "uefi", 0) ? BIOS_EXT_UEFI : 0),
        1);
    put(m, release >> 8, 1);
    put(m, release & 0xff, 1);
    put(m, 0xffff, 2); /* no embedded controller */
    end(m);
}

/* §7.2.1: the first three fields of the UUID are little-endian */
static void put_uuid(Maker *m)
{
    const char *text = rh_smbios_text(m->s, 1, 0, "uuid", m->c->uuid);
    RhUuid uuid = { 0 };

    if (text) {
        rh_parse_uuid(text, &uuid, NULL);
    }
    const uint8_t *b = uuid.bytes;
    put(m, (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3], 4);
    put(m, b[4] << 8 | b[5], 2);
    put(m, b[6] << 8 | b[7], 2);
    g_byte_array_append(m->out, b + 8, 8);
}

static void system_info(Maker *m)
{
    begin(m, 1, HANDLE_SYSTEM);
    put_field(m, 1, "manufacturer", m->c->manufacturer);
    put_field(m, 1, "product", m->c->product);
    put_field(m, 1, "version", m->c->version);
    put_field(m, 1, "serial", NULL);
    put_uuid(m);
    put(m, 6, 1); /* woken by the power switch */
    put_field(m, 1, "sku", NULL);
    put_field(m, 1, "family", NULL);
    end(m);
}

static void baseboard(Maker *m)
{
    if (!rh_smbios_nr_sets(m->s, 2)) {
        return;
    }
    begin(m, 2, HANDLE_BOARD);
    put_field(m, 2, "manufacturer", m->c->manufacturer);
    put_field(m, 2, "product", m->c->product);
    put_field(m, 2, "version", m->c->version);
    put_field(m, 2, "serial", NULL);
    put_field(m, 2, "asset", NULL);
    put(m, 1, 1); /* a hosting board */
    put_field(m, 2, "location", NULL);
    put(m, HANDLE_CHASSIS, 2);
    put(m, 0x0a, 1); /* a motherboard */
    put(m, 0, 1);
    end(m);
}

static void chassis(Maker *m)
{
    begin(m, 3, HANDLE_CHASSIS);
    put_field(m, 3, "manufacturer", m->c->manufacturer);
    put(m, OTHER, 1);
    put_field(m, 3, "version", m->c->version);
    put_field(m, 3, "serial", NULL);
    put_field(m, 3, "asset", NULL);
    put(m, SAFE, 1);
    put(m, SAFE, 1);
    put(m, SAFE, 1);
    put(m, UNKNOWN, 1);
    put(m, 0, 4);
    put(m, 0, 4); /* height, cords, contained elements */
    put_field(m, 3, "sku", NULL);
    end(m);
}

static unsigned count_byte(unsigned count)
{
    return MIN(count, 0xffu); /* §7.5.6: then the word of version 3.0 counts */
}

static void processor(Maker *m, unsigned socket)
{
    g_autofree char *name =
        g_strdup_printf("%s%2x", rh_smbios_text(m->s, 4, 0, "sock_pfx", "CPU"), socket);
    unsigned threads = m->c->cores * m->c->threads;

    begin(m, 4, HANDLE_CPU + socket);
    put_text(m, name);
    put(m, 3, 1); /* a central processor */
    put(m, OTHER, 1);
    put_field(m, 4, "manufacturer", m->c->manufacturer);
    put(m, rh_smbios_number(m->s, 4, 0, "processor-id", m->c->processor_id), 8);
    put_field(m, 4, "version", m->c->version);
    put(m, 0, 1);
    put(m, 0, 2);
    put(m, rh_smbios_number(m->s, 4, 0, "max-speed", DEFAULT_MHZ), 2);
    put(m, rh_smbios_number(m->s, 4, 0, "current-speed", DEFAULT_MHZ), 2);
    put(m, 0x41, 1); /* populated, enabled */
    put(m, OTHER, 1);
    put(m, UINT64_C(0xffffffffffff), 6); /* no cache information */
    put_field(m, 4, "serial", NULL);
    put_field(m, 4, "asset", NULL);
    put_field(m, 4, "part", NULL);
    put(m, count_byte(m->c->cores), 1);
    put(m, count_byte(m->c->cores), 1);
    put(m, count_byte(threads), 1);
    put(m, UNKNOWN, 2);
    put(m, OTHER, 2);
    if (m->c->is_v3) {
        put(m, m->c->cores, 2);
        put(m, m->c->cores, 2);
        put(m, threads, 2);
    }
    end(m);
}

static void processors(Maker *m)
{
    for (unsigned i = 0; i < m->c->sockets; i++) {
        processor(m, i);
    }
}

static void ports(Maker *m)
{
    for (unsigned i = 0; i < rh_smbios_nr_sets(m->s, 8); i++) {
        begin(m, 8, HANDLE_PORT + i);
        put_text(m, rh_smbios_text(m->s, 8, i, "internal_reference", NULL));
        put(m, 0, 1);
        put_text(m, rh_smbios_text(m->s, 8, i, "external_reference", NULL));
        put(m, rh_smbios_number(m->s, 8, i, "connector_type", 0), 1);
        put(m, rh_smbios_number(m->s, 8, i, "port_type", 0), 1);
        end(m);
    }
}

enum {
    SLOT_PCI = 0x06,
    SLOT_PCIE = 0xa5,
    SLOT_X1 = 8,
    SLOT_32BIT = 5,
    SLOT_FREE = 3,
    SLOT_USED = 4
};

static void slots(Maker *m)
{
    for (unsigned i = 0; i < m->c->nr_slots; i++) {
        const RhSmbiosSlot *slot = &m->c->slots[i];
        begin(m, 9, HANDLE_SLOT + i);
        put_text(m, slot->designation);
        put(m, slot->is_express ? SLOT_PCIE : SLOT_PCI, 1);
        put(m, slot->is_express ? SLOT_X1 : SLOT_32BIT, 1);
        put(m, slot->in_use ? SLOT_USED : SLOT_FREE, 1);
        put(m, OTHER, 1);
        put(m, slot->devfn >> 3, 2);
        put(m, 0x04, 1);                        /* 3.3 V */
        put(m, slot->is_express ? 0x02 : 0, 1); /* hot-plug */
        put(m, slot->segment, 2);
        put(m, slot->bus, 1);
        put(m, slot->devfn, 1);
        end(m);
    }
}

static void oem_strings(Maker *m)
{
    if (m->s->oem_strings->len == 0) {
        return;
    }
    begin(m, 11, HANDLE_OEM);
    put(m, m->s->oem_strings->len, 1);
    for (guint i = 0; i < m->s->oem_strings->len; i++) {
        const char *text = g_ptr_array_index(m->s->oem_strings, i);
        g_byte_array_append(m->strings, (const guint8 *)text, (guint)strlen(text) + 1);
    }
    end(m);
}

/* --- memory --- */

static unsigned nr_dimms(const Maker *m)
{
    return (unsigned)MAX(1, (m->c->ram_size + DIMM_SIZE - 1) / DIMM_SIZE);
}

static void memory_array(Maker *m)
{
    uint64_t kib = m->c->ram_size >> 10;
    bool is_huge = kib >= 0x80000000;

    begin(m, 16, HANDLE_ARRAY);
    put(m, OTHER, 1);
    put(m, 3, 1); /* system memory */
    put(m, 6, 1); /* multi-bit ECC */
    put(m, is_huge ? 0x80000000 : kib, 4);
    put(m, HANDLE_NONE, 2);
    put(m, nr_dimms(m), 2);
    put(m, is_huge ? m->c->ram_size : 0, 8);
    end(m);
}

static void memory_device(Maker *m, unsigned nr, uint64_t size)
{
    g_autofree char *name =
        g_strdup_printf("%s %u", rh_smbios_text(m->s, 17, 0, "loc_pfx", "DIMM"), nr);
    uint64_t mib = size >> 20;
    bool is_large = mib >= 0x7fff;
    uint64_t speed = rh_smbios_number(m->s, 17, 0, "speed", 0);

    begin(m, 17, HANDLE_MEMORY + nr);
    put(m, HANDLE_ARRAY, 2);
    put(m, HANDLE_NONE, 2);
    put(m, 0xffff, 2); /* widths unknown */
    put(m, 0xffff, 2);
    put(m, is_large ? 0x7fff : mib, 2);
    put(m, 9, 1); /* a DIMM */
    put(m, 0, 1);
    put_text(m, name);
    put_field(m, 17, "bank", NULL);
    put(m, 7, 1); /* RAM */
    put(m, 0x02, 2);
    put(m, speed, 2);
    put_field(m, 17, "manufacturer", m->c->manufacturer);
    put_field(m, 17, "serial", NULL);
    put_field(m, 17, "asset", NULL);
    put_field(m, 17, "part", NULL);
    put(m, 0, 1);
    put(m, is_large ? mib : 0, 4);
    put(m, speed, 2);
    put(m, 0, 6);
    end(m);
}

/* §7.20: ends are inclusive KiB; what does not fit 32 bits is in the extended fields */
static void memory_range(Maker *m, unsigned nr, const RhE820Entry *e)
{
    uint64_t first = e->base >> 10;
    uint64_t last = ((e->base + e->len) >> 10) - 1;
    bool is_far = last >= UINT32_MAX;

    begin(m, 19, HANDLE_RANGE + nr);
    put(m, is_far ? UINT32_MAX : first, 4);
    put(m, is_far ? UINT32_MAX : last, 4);
    put(m, HANDLE_ARRAY, 2);
    put(m, 1, 1);
    put(m, is_far ? e->base : 0, 8);
    put(m, is_far ? e->base + e->len - 1 : 0, 8);
    end(m);
}

static void memory_devices(Maker *m)
{
    for (unsigned i = 0; i < nr_dimms(m); i++) {
        memory_device(m, i, MIN(DIMM_SIZE, m->c->ram_size - i * DIMM_SIZE));
    }
}

static void memory_ranges(Maker *m)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < m->c->nr_map; i++) {
        if (m->c->map[i].type == RH_E820_RAM && m->c->map[i].len >= 1024) {
            memory_range(m, nr++, &m->c->map[i]);
        }
    }
}

/* --- the rest --- */

static void boot_status(Maker *m)
{
    begin(m, 32, HANDLE_BOOT);
    put(m, 0, 6);
    put(m, 0, 1); /* no errors */
    end(m);
}

static bool onboard_devices(Maker *m, GError **err)
{
    for (unsigned i = 0; i < rh_smbios_nr_sets(m->s, 41); i++) {
        const char *id = rh_smbios_text(m->s, 41, i, "pcidev", NULL);
        uint16_t segment = 0;
        uint8_t bus = 0, devfn = 0;
        if (id && (!m->c->find_pci ||
                   !m->c->find_pci(m->c->find_pci_opaque, id, &segment, &bus, &devfn, NULL))) {
            return rh_fail(err, "-smbios type=41,pcidev=%s: there is no such PCI device", id);
        }
        begin(m, 41, HANDLE_ONBOARD + i);
        put_text(m, rh_smbios_text(m->s, 41, i, "designation", NULL));
        put(m, rh_smbios_number(m->s, 41, i, "kind", OTHER) | 0x80, 1); /* enabled */
        put(m, rh_smbios_number(m->s, 41, i, "instance", 1), 1);
        put(m, segment, 2);
        put(m, bus, 1);
        put(m, devfn, 1);
        end(m);
    }
    return true;
}

/* --- entry points, §5.2 --- */

static void set_checksum(uint8_t *bytes, size_t len, size_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < len; i++) {
        sum += bytes[i];
    }
    bytes[at] = (uint8_t)-sum;
}

static void entry_v3(Maker *m, uint64_t gpa)
{
    uint8_t e[24] = "_SM3_";

    e[6] = sizeof(e);
    e[7] = 3;
    e[10] = 1;
    rh_st32(e + 12, m->s->table->len);
    rh_st64(e + 16, gpa);
    set_checksum(e, sizeof(e), 5);
    g_byte_array_append(m->s->entry, e, sizeof(e));
}

static void entry_v2(Maker *m, uint32_t gpa)
{
    uint8_t e[31] = "_SM_";

    e[5] = sizeof(e);
    e[6] = 2;
    e[7] = 8;
    rh_st16(e + 8, (uint16_t)m->largest);
    memcpy(e + 16, "_DMI_", 5);
    rh_st16(e + 22, (uint16_t)m->s->table->len);
    rh_st32(e + 24, gpa);
    rh_st16(e + 28, (uint16_t)m->nr_structs);
    e[30] = 0x28;
    set_checksum(e + 16, 15, 5);
    set_checksum(e, sizeof(e), 4);
    g_byte_array_append(m->s->entry, e, sizeof(e));
}

void rh_smbios_place(RhSmbios *s, uint64_t gpa)
{
    uint8_t *e = s->entry->data;

    if (s->entry->len == 24) {
        rh_st64(e + 16, gpa);
        set_checksum(e, 24, 5);
    } else {
        g_assert(gpa <= UINT32_MAX);
        rh_st32(e + 24, (uint32_t)gpa);
        set_checksum(e + 16, 15, 5);
        set_checksum(e, 31, 4);
    }
}

/* --- */

/* A type that a file gives is not made up; §6.2 asks for 0, 1, 3, 4, 16, 17, 19 and 32 one way or
 * the other. */
static bool make_all(Maker *m, GError **err)
{
    static void (*const makers[RH_SMBIOS_NR_TYPES])(Maker *) = {
        [0] = bios,          [1] = system_info,     [2] = baseboard,      [3] = chassis,
        [4] = processors,    [8] = ports,           [9] = slots,          [11] = oem_strings,
        [16] = memory_array, [17] = memory_devices, [19] = memory_ranges, [32] = boot_status,
    };

    for (unsigned type = 0; type < RH_SMBIOS_NR_TYPES; type++) {
        if (makers[type] && !m->s->has_file[type]) {
            makers[type](m);
        }
    }
    return onboard_devices(m, err);
}

static void add_blobs(Maker *m)
{
    if (m->s->nr_blobs) {
        g_byte_array_append(m->out, m->s->blobs->data, m->s->blobs->len);
        m->nr_structs += m->s->nr_blobs;
        m->largest = MAX(m->largest, m->s->max_blob);
    }
    begin(m, 127, HANDLE_END);
    end(m);
}

bool rh_smbios_build(RhSmbios *s, const RhSmbiosConfig *config, GError **err)
{
    g_autoptr(GByteArray) strings = g_byte_array_new();
    Maker m = { .s = s, .c = config, .out = s->table, .strings = strings };

    g_assert(s->table->len == 0);
    if (!make_all(&m, err)) {
        return false;
    }
    add_blobs(&m);
    if (config->is_v3) {
        entry_v3(&m, 0);
        return true;
    }
    if (s->table->len > UINT16_MAX || m.largest > UINT16_MAX) {
        return rh_fail(err,
                       "SMBIOS 2.8 table has %u bytes, must be at most 65535; "
                       "smbios-entry-point-type=64 has no such limit",
                       s->table->len);
    }
    entry_v2(&m, 0);
    return true;
}

const GByteArray *rh_smbios_table(const RhSmbios *s)
{
    return s->table;
}

const GByteArray *rh_smbios_entry(const RhSmbios *s)
{
    return s->entry;
}

RhSmbios *rh_smbios_new(void)
{
    RhSmbios *s = g_new0(RhSmbios, 1);

    s->oem_strings = g_ptr_array_new_with_free_func(g_free);
    s->blobs = g_byte_array_new();
    s->table = g_byte_array_new();
    s->entry = g_byte_array_new();
    return s;
}

void rh_smbios_free(RhSmbios *s)
{
    if (!s) {
        return;
    }
    for (unsigned i = 0; i < RH_SMBIOS_NR_TYPES; i++) {
        g_clear_pointer(&s->sets[i], g_ptr_array_unref);
    }
    g_ptr_array_unref(s->oem_strings);
    g_byte_array_unref(s->blobs);
    g_byte_array_unref(s->table);
    g_byte_array_unref(s->entry);
    g_free(s);
}
