/*
 * The MultiProcessor tables.
 */
#include "hw/i386/mptable.h"
#include "util/core.h"

enum { ENTRY_CPU = 0, ENTRY_BUS = 1, ENTRY_IOAPIC = 2, ENTRY_IRQ = 3, ENTRY_LOCAL = 4 };
enum { INT = 0, NMI = 1, EXTINT = 3 };         /* interrupt types, table 4-10 */
enum { ISA_BUS = 0, SPEC_REV = 4, LAPIC_VERSION = 0x14, IOAPIC_VERSION = 0x11, TIMER_PIN = 2, NR_ISA = 16 };
enum { CPU_ENABLED = 1, CPU_BOOT = 2, MAX_XAPIC_ID = 254, ALL_CPUS = 0xff };
#define LAPIC_BASE 0xfee00000u

static void put(GByteArray *out, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    rh_st(bytes, value, size);
    g_byte_array_append(out, bytes, size);
}

static void put_text(GByteArray *out, const char *text, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        put(out, i < strlen(text) ? (uint8_t)text[i] : ' ', 1);
    }
}

static uint8_t checksum(const uint8_t *bytes, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return (uint8_t)-sum;
}

static unsigned put_cpus(GByteArray *out, const RhMpConfig *config)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < config->nr_cpus; i++) {
        if (config->apic_ids[i] > MAX_XAPIC_ID) {
            continue;
        }
        put(out, ENTRY_CPU, 1);
        put(out, config->apic_ids[i], 1);
        put(out, LAPIC_VERSION, 1);
        put(out, CPU_ENABLED | (i == 0 ? CPU_BOOT : 0), 1);
        put(out, 0x600, 4);     /* signature: family 6 */
        put(out, 0x201, 4);     /* features: FPU, APIC */
        put(out, 0, 8);
        nr++;
    }
    return nr;
}

static void put_irq(GByteArray *out, unsigned entry, unsigned type, unsigned source, unsigned apic, unsigned pin)
{
    put(out, entry, 1);
    put(out, type, 1);
    put(out, 0, 2);             /* polarity and trigger as the bus has them */
    put(out, ISA_BUS, 1);
    put(out, source, 1);
    put(out, apic, 1);
    put(out, pin, 1);
}

/* The I/O APIC's id is one that no CPU has, as long as there is one. */
static unsigned ioapic_id(const RhMpConfig *config)
{
    unsigned id = 0;

    for (unsigned i = 0; i < config->nr_cpus; i++) {
        if (config->apic_ids[i] <= MAX_XAPIC_ID) {
            id = MAX(id, config->apic_ids[i] + 1);
        }
    }
    return MIN(id, MAX_XAPIC_ID);
}

static unsigned put_entries(GByteArray *out, const RhMpConfig *config)
{
    unsigned id = ioapic_id(config);
    unsigned nr = put_cpus(out, config);

    put(out, ENTRY_BUS, 1);
    put(out, ISA_BUS, 1);
    put_text(out, "ISA", 6);
    put(out, ENTRY_IOAPIC, 1);
    put(out, id, 1);
    put(out, IOAPIC_VERSION, 1);
    put(out, 1, 1);             /* usable */
    put(out, config->ioapic_base, 4);
    nr += 2;
    for (unsigned irq = 0; irq < config->nr_pins; irq++) {
        if (irq == TIMER_PIN) {
            continue;           /* the cascade, whose pin the timer has */
        }
        put_irq(out, ENTRY_IRQ, INT, irq, id, irq == 0 ? TIMER_PIN : irq);
        nr++;
    }
    put_irq(out, ENTRY_LOCAL, EXTINT, 0, 0, 0);
    put_irq(out, ENTRY_LOCAL, NMI, 0, ALL_CPUS, 1);
    return nr + 2;
}

/* §4.1 */
void rh_mp_pointer(uint32_t table_at, uint8_t ret[RH_MP_FLOATING_SIZE])
{
    enum { TABLE_AT = 4, PARAGRAPHS_AT = 8, REVISION_AT = 9, CHECKSUM_AT = 10 };

    memset(ret, 0, RH_MP_FLOATING_SIZE);        /* a table is present; virtual wire mode */
    memcpy(ret, "_MP_", 4);
    rh_st32(ret + TABLE_AT, table_at);
    ret[PARAGRAPHS_AT] = 1;
    ret[REVISION_AT] = SPEC_REV;
    ret[CHECKSUM_AT] = checksum(ret, RH_MP_FLOATING_SIZE);
}

/* §4.2 */
GByteArray *rh_mp_build(const RhMpConfig *config)
{
    enum { HEADER_SIZE = 44, CHECKSUM_AT = 7 };
    GByteArray *out = g_byte_array_new();
    GByteArray *entries = g_byte_array_new();
    unsigned nr = put_entries(entries, config);

    put_text(out, "PCMP", 4);
    put(out, HEADER_SIZE + entries->len, 2);
    put(out, SPEC_REV, 1);
    put(out, 0, 1);
    put_text(out, "RHEA", 8);
    put_text(out, "MICROVM", 12);
    put(out, 0, 6);             /* no OEM table */
    put(out, nr, 2);
    put(out, LAPIC_BASE, 4);
    put(out, 0, 4);             /* no extended entries */
    g_byte_array_append(out, entries->data, entries->len);
    g_byte_array_unref(entries);
    out->data[CHECKSUM_AT] = checksum(out->data, out->len);
    return out;
}
