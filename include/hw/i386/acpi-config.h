/*
 * acpi-config - what ACPI tables say about a PC-like machine, as plain data.
 *
 * A board fills one of these in from its devices and gets all its tables. Pointers are only read
 * during the call. Addresses, ports and interrupts are the machine's own, so nonsense in them is a
 * bug.
 */
#ifndef RH_HW_I386_ACPI_CONFIG_H
#define RH_HW_I386_ACPI_CONFIG_H

#include "hw/acpi/tables.h"

enum { RH_ACPI_MAX_IO = 3, RH_ACPI_PCI_SLOTS = 32 };

typedef struct RhAcpiIo {
    uint16_t base;
    uint8_t len; /* 0: none */
} RhAcpiIo;

/** RhAcpiDevice - a device without bus of its own, and its fixed resources */
typedef struct RhAcpiDevice {
    const char *name; /* four characters at most, unique in its scope */
    const char *hid;  /* "PNP0501", or an id such as "QEMU0002" or "ACPI0010" */
    int uid;          /* -1: none */
    uint8_t sta;      /* 0: present, working and shown */
    RhAcpiIo io[RH_ACPI_MAX_IO];
    uint32_t mem_base, mem_len;
    bool has_irq; /* an ISA interrupt, edge */
    uint8_t irq;
    bool has_gsi; /* an I/O APIC input, level, active high */
    uint32_t gsi;
} RhAcpiDevice;

/* Devices as every PC has them; for a serial port, n counts from 0 and ports and interrupt vary. */
#define RH_ACPI_RTC                                                                                \
    {                                                                                              \
        .name = "RTC", .hid = "PNP0B00", .uid = -1, .io = { { 0x70, 8 } }, .has_irq = true,        \
        .irq = 8                                                                                   \
    }
#define RH_ACPI_KBD                                                                                \
    {                                                                                              \
        .name = "KBD", .hid = "PNP0303", .uid = -1, .io = { { 0x60, 1 }, { 0x64, 1 } },            \
        .has_irq = true, .irq = 1                                                                  \
    }
#define RH_ACPI_MOUSE                                                                              \
    {                                                                                              \
        .name = "MOU", .hid = "PNP0F13", .uid = -1, .has_irq = true, .irq = 12                     \
    }
#define RH_ACPI_HPET                                                                               \
    {                                                                                              \
        .name = "HPET", .hid = "PNP0103", .uid = 0, .mem_base = 0xfed00000, .mem_len = 0x400       \
    }
#define RH_ACPI_FW_CFG                                                                             \
    {                                                                                              \
        .name = "FWCF", .hid = "QEMU0002", .uid = -1, .sta = 0x0b, .io = { { 0x510, 12 } }         \
    }
#define RH_ACPI_PVPANIC(port)                                                                      \
    {                                                                                              \
        .name = "PEVT", .hid = "QEMU0001", .uid = -1, .io = { { (port), 1 } }                      \
    }
#define RH_ACPI_SERIAL(n, dev_name, port, line)                                                    \
    {                                                                                              \
        .name = (dev_name), .hid = "PNP0501", .uid = (n) + 1, .io = { { (port), 8 } },             \
        .has_irq = true, .irq = (line)                                                             \
    }

/** RhAcpiWindow - PCI memory from @first to @last */
typedef struct RhAcpiWindow {
    uint64_t first, last;
    bool is_prefetchable;
} RhAcpiWindow;

/** RhAcpiNuma - affinity of CPUs and memory; nr_nodes 0 for none */
typedef struct RhAcpiNuma {
    unsigned nr_nodes;
    const RhSratCpu *cpus;
    unsigned nr_cpus;
    const RhSratMemory *memory;
    unsigned nr_memory;
    const uint8_t *distances; /* nr_nodes squared; NULL for no SLIT */
} RhAcpiNuma;

/** RhAcpiPciHost - the root of segment 0 */
typedef struct RhAcpiPciHost {
    uint64_t ecam_base; /* below 4 GiB; size 0 for none */
    uint64_t ecam_size; /* 1 MiB a bus */
    const RhAcpiWindow *windows;
    unsigned nr_windows;
    bool has_vga_window; /* 0xa0000 to 0xbffff */
    bool has_io;         /* ports 0xcf8 to 0xcff are its own, the others its window */
    bool has_hotplug;    /* the OS may drive hot-plug of PCI Express slots */
    uint8_t link[RH_ACPI_PCI_SLOTS][4]; /* of INTA..D: 0 to 7 for LNKA..H and gsi_base + 0 to 7 */
    uint32_t gsi_base;
} RhAcpiPciHost;

/** RhAcpiPcConfig - a q35 */
typedef struct RhAcpiPcConfig {
    RhAcpiMadt madt;
    RhAcpiNuma numa;
    RhAcpiPciHost pci;
    uint16_t pm_base;  /* ICH9 power management ports */
    uint16_t smi_port; /* 0: the guest finds ACPI enabled, as without firmware */
    uint8_t acpi_enable, acpi_disable;
    uint16_t sci;
    const RhAcpiDevice *isa;
    unsigned nr_isa;
    uint64_t hpet_base; /* 0: none */
    uint32_t hpet_id;   /* its event timer block id */
    bool has_8042;
    bool has_s3, has_s4;
    uint8_t s4_type; /* SLP_TYP of S4 */
    bool has_vmgenid;
    uint32_t vmgenid_addr; /* see rh_acpi_add_vmgenid */
} RhAcpiPcConfig;

/** RhAcpiMicrovmConfig - a machine of the hardware-reduced kind */
typedef struct RhAcpiMicrovmConfig {
    RhAcpiMadt madt;
    RhAcpiNuma numa;
    const RhAcpiDevice *devices; /* virtio-mmio ones by RH_ACPI_VIRTIO_MMIO, and others */
    unsigned nr_devices;
    uint32_t ged_base; /* event selector register, one dword; bits are RH_ACPI_GED_* */
    uint32_t ged_gsi;
    uint32_t sleep_base; /* bytes: sleep control, sleep status, reset */
    uint8_t reset_value;
    RhAcpiPciHost pci; /* without one, ecam_size is 0 */
    bool has_8042;
    bool has_vmgenid;
} RhAcpiMicrovmConfig;

enum { RH_ACPI_GED_POWERDOWN = 1u << 1 };
enum { RH_ACPI_VMGENID_GPE = 5 };

#define RH_ACPI_VIRTIO_MMIO(n, dev_name, base, len, input)                                         \
    {                                                                                              \
        .name = (dev_name), .hid = "LNRO0005", .uid = (n), .mem_base = (base), .mem_len = (len),   \
        .has_gsi = true, .gsi = (input)                                                            \
    }

/** rh_acpi_q35_links - the routing that a q35's chipset registers have after reset */
void rh_acpi_q35_links(uint8_t link[RH_ACPI_PCI_SLOTS][4]);

/** rh_acpi_build_q35 - all tables, ready to publish; RSDT and revision 0 root pointer */
RhAcpi *rh_acpi_build_q35(const RhAcpiPcConfig *config);
/** rh_acpi_build_microvm - likewise, with an XSDT */
RhAcpi *rh_acpi_build_microvm(const RhAcpiMicrovmConfig *config);

#endif
