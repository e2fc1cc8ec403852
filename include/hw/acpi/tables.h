/*
 * tables - collects the ACPI tables of a machine and publishes them in one of two ways.
 *
 * A table is bytes in a named file plus notes about what depends on where the file ends up:
 * pointers and checksums. A machine that places the tables in guest memory itself calls
 * rh_acpi_place(), which carries the notes out; one with firmware hands over the files and
 * rh_acpi_loader(), the same notes as a script that the firmware carries out. Table layouts:
 * ACPI 6.4 §5.2.
 *
 * Everything in here comes from the machine, so a value that cannot be is a bug and asserts.
 * An RhAcpi belongs to one thread; rh_acpi_free() ends it.
 */
#ifndef RH_HW_ACPI_TABLES_H
#define RH_HW_ACPI_TABLES_H

#include "hw/acpi/aml.h"

/** File names the firmware knows */
#define RH_ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define RH_ACPI_FILE_TABLES "etc/acpi/tables"
#define RH_ACPI_FILE_LOADER "etc/table-loader"

/** RhAcpiZone - where the firmware puts a file; the values are those of the script's ALLOCATE */
typedef enum RhAcpiZone {
    RH_ACPI_ZONE_HIGH = 1, /* anywhere in 32-bit memory */
    RH_ACPI_ZONE_FSEG = 2, /* 0xf0000 to 0xfffff */
} RhAcpiZone;

typedef struct RhAcpiFile {
    char *name; /* at most 55 characters */
    GByteArray *data;
    uint32_t align; /* a power of two */
    RhAcpiZone zone;
    uint64_t placed_at; /* guest address, once placed */
} RhAcpiFile;

typedef struct RhAcpi RhAcpi;

/** RhAcpiGas - a register's address, §5.2.3.2 */
typedef struct RhAcpiGas {
    uint8_t space; /* RH_AML_SYSTEM_MEMORY or RH_AML_SYSTEM_IO */
    uint8_t bit_width;
    uint8_t access; /* 0 undefined, 1 byte, 2 word, 3 dword, 4 qword */
    uint64_t address;
} RhAcpiGas;

RhAcpi *rh_acpi_new(void);
void rh_acpi_free(RhAcpi *acpi);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhAcpi, rh_acpi_free)

/** rh_acpi_add_file - one more file besides the tables' own; takes @data */
void rh_acpi_add_file(RhAcpi *acpi, const char *name, GByteArray *data, uint32_t align,
                      RhAcpiZone zone);

/**
 * rh_acpi_table_begin - start a table with its header; contents are then appended to the result
 * @id is the OEM table id, up to 8 characters. One table at a time; rh_acpi_table_end() fixes its
 * length and notes its checksum and, but for the DSDT, its place in the RSDT or XSDT.
 * rh_acpi_table_start() is the offset of its first byte in the result.
 */
GByteArray *rh_acpi_table_begin(RhAcpi *acpi, const char *signature, uint8_t revision,
                                const char *id);
size_t rh_acpi_table_start(const RhAcpi *acpi);
void rh_acpi_table_end(RhAcpi *acpi);

/** rh_acpi_add_pointer - the @size bytes at @at of @file hold an offset into @target: make it an
 * address */
void rh_acpi_add_pointer(RhAcpi *acpi, const char *file, size_t at, unsigned size,
                         const char *target);
/** rh_acpi_add_write_pointer - firmware writes the address of @target + @offset to @at of the
 * writable file @file (script only: rh_acpi_place() leaves that to the caller) */
void rh_acpi_add_write_pointer(RhAcpi *acpi, const char *file, size_t at, unsigned size,
                               const char *target, size_t offset);

/** rh_acpi_add_facs - the firmware control structure; before the FADT */
void rh_acpi_add_facs(RhAcpi *acpi);
/** rh_acpi_add_aml - a DSDT or SSDT of revision 2 (64-bit integers) around @code, which is
 * consumed. Returns the offset of the byte code in RH_ACPI_FILE_TABLES. A DSDT comes before the
 * FADT. */
size_t rh_acpi_add_aml(RhAcpi *acpi, const char *signature, const char *id, RhAml *code);
/** rh_acpi_add_vmgenid - SSDT for the generation counter whose GUID is at byte 40 of file
 * etc/vmgenid_guid (@guest_addr 0), or at @guest_addr + 40 that the machine chose; @gpe tells of a
 * change, RH_ACPI_NO_GPE: nothing does */
#define RH_ACPI_NO_GPE UINT32_MAX
void rh_acpi_add_vmgenid(RhAcpi *acpi, uint64_t guest_addr, unsigned gpe);

/** FADT flags, §5.2.9 table 5.10 */
enum {
    RH_FADT_WBINVD = 1u << 0,
    RH_FADT_PROC_C1 = 1u << 2,
    RH_FADT_PWR_BUTTON = 1u << 4, /* set: it is a control method device, or there is none */
    RH_FADT_SLP_BUTTON = 1u << 5,
    RH_FADT_RTC_S4 = 1u << 7,
    RH_FADT_RESET_REG = 1u << 10,
    RH_FADT_PLATFORM_CLOCK = 1u << 15,
    RH_FADT_APIC_CLUSTER = 1u << 18, /* logical destinations need the cluster model */
    RH_FADT_APIC_PHYSICAL = 1u << 19,
    RH_FADT_HW_REDUCED = 1u << 20,
};
/** FADT boot architecture flags, §5.2.9.3 */
enum {
    RH_FADT_BOOT_LEGACY = 1u << 0,
    RH_FADT_BOOT_8042 = 1u << 1,
    RH_FADT_BOOT_NO_VGA = 1u << 2,
};

/** RhAcpiFadt - what differs between machines; unused registers stay zero */
typedef struct RhAcpiFadt {
    uint8_t revision; /* 3, or 5 and 6 which have the sleep registers */
    uint8_t minor;    /* of revision 5 and up */
    uint8_t profile;  /* preferred power profile */
    uint16_t sci;
    uint16_t smi_port;
    uint8_t acpi_enable, acpi_disable;
    uint16_t pm1_event, pm1_control, pm_timer, gpe0; /* ports */
    uint8_t gpe0_len;
    uint16_t c2_latency, c3_latency;
    uint8_t rtc_century;
    uint16_t boot_flags;
    uint32_t flags;
    RhAcpiGas reset;
    uint8_t reset_value;
    RhAcpiGas sleep_control, sleep_status;
} RhAcpiFadt;
void rh_acpi_add_fadt(RhAcpi *acpi, const RhAcpiFadt *fadt, const char *id);

/** MPS INTI flags of an interrupt, §5.2.12.5 */
enum {
    RH_MADT_BUS_DEFAULT = 0x0,
    RH_MADT_LEVEL_HIGH = 0xd,
    RH_MADT_LEVEL_LOW = 0xf,
    RH_MADT_EDGE_HIGH = 0x5,
};
typedef struct RhMadtCpu {
    uint32_t apic_id;
    uint32_t uid;    /* that of its processor device */
    bool is_present; /* else it may be plugged in later */
} RhMadtCpu;
typedef struct RhMadtIoapic {
    uint8_t id;
    uint32_t address, gsi_base;
} RhMadtIoapic;
typedef struct RhMadtOverride {
    uint8_t isa_irq;
    uint32_t gsi;
    uint16_t flags;
} RhMadtOverride;
typedef struct RhAcpiMadt {
    const RhMadtCpu *cpus;
    unsigned nr_cpus;
    const RhMadtIoapic *ioapics;
    unsigned nr_ioapics;
    const RhMadtOverride *overrides;
    unsigned nr_overrides;
    bool has_pic; /* also an 8259 pair, to be masked */
} RhAcpiMadt;
void rh_acpi_add_madt(RhAcpi *acpi, const RhAcpiMadt *madt, const char *id);

void rh_acpi_add_hpet(RhAcpi *acpi, uint64_t address, uint32_t block_id, const char *id);
/** rh_acpi_add_mcfg - ECAM at @base for buses @first to @last of segment 0 */
void rh_acpi_add_mcfg(RhAcpi *acpi, uint64_t base, uint8_t first, uint8_t last, const char *id);
/** rh_acpi_add_waet - tells Windows that one read of the PM timer is enough */
void rh_acpi_add_waet(RhAcpi *acpi, const char *id);

typedef struct RhSratCpu {
    uint32_t apic_id, node;
} RhSratCpu;
typedef struct RhSratMemory {
    uint64_t base, len;
    uint32_t node;
    bool is_hotpluggable;
} RhSratMemory;
void rh_acpi_add_srat(RhAcpi *acpi, const RhSratCpu *cpus, unsigned nr_cpus,
                      const RhSratMemory *memory, unsigned nr_memory, const char *id);
/** rh_acpi_add_slit - @distances is @nodes rows of @nodes */
void rh_acpi_add_slit(RhAcpi *acpi, unsigned nodes, const uint8_t *distances, const char *id);

/** rh_acpi_finish - the table of tables and the RSDP: RSDT and revision 0, or XSDT and revision 2
 */
void rh_acpi_finish(RhAcpi *acpi, bool use_xsdt, const char *id);

/** rh_acpi_files - files to publish (of RhAcpiFile *), owned by @acpi; after rh_acpi_finish() */
const GPtrArray *rh_acpi_files(const RhAcpi *acpi);
/** rh_acpi_loader - the script for RH_ACPI_FILE_LOADER */
GByteArray *rh_acpi_loader(const RhAcpi *acpi);

/**
 * rh_acpi_place - give every file a guest address and fix all pointers and checksums
 * Files of the two zones go up from @high and @fseg, which are multiples of 4096 and 16. Returns
 * the guest address of the RSDP; data and addresses of what to copy are then in rh_acpi_files().
 * Once, and not together with rh_acpi_loader(). @ret_end: first free address after the files in the
 * high zone.
 */
uint64_t rh_acpi_place(RhAcpi *acpi, uint64_t high, uint64_t fseg, uint64_t *ret_end);

#endif
