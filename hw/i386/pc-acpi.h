/* ACPI tables of PC boards: what their files share. */
#ifndef RH_HW_I386_PC_ACPI_H
#define RH_HW_I386_PC_ACPI_H

#include "hw/i386/acpi-config.h"
#include "hw/i386/direct-boot.h"
#include "hw/i386/pc.h"

enum { RH_PC_MAX_ACPI_DEVICES = 48 };

/** RhPcAcpiDevices - rows for a config, and the names they point to */
typedef struct RhPcAcpiDevices {
    RhAcpiDevice rows[RH_PC_MAX_ACPI_DEVICES];
    char names[RH_PC_MAX_ACPI_DEVICES][5];
    unsigned nr;
} RhPcAcpiDevices;

/** rh_pc_acpi_madt - CPUs (g_free ret->cpus afterwards), I/O APICs, overrides */
void rh_pc_acpi_madt(const RhPcMachine *pc, RhAcpiMadt *ret);
/** rh_pc_acpi_numa - affinities of the machine; rh_pc_acpi_numa_clear afterwards */
void rh_pc_acpi_numa(const RhPcMachine *pc, RhAcpiNuma *ret);
void rh_pc_acpi_numa_clear(RhAcpiNuma *numa);
/** rh_pc_acpi_isa - what sits on the ISA bus and guests look for in ACPI */
void rh_pc_acpi_isa(const RhPcMachine *pc, RhPcAcpiDevices *devices);
/** rh_pc_acpi_room - bytes that placed tables take in high memory */
uint64_t rh_pc_acpi_room(const RhAcpi *acpi);
/** rh_pc_acpi_place - put the tables below @below_4g and under 1 MiB; direct boot copies them at each reset. The RSDP's address. */
uint64_t rh_pc_acpi_place(RhPcMachine *pc, RhAcpi *acpi);
void rh_pc_acpi_add_to(RhDirectBoot *boot, const RhAcpi *acpi);
/** rh_pc_acpi_place_vmgenid - after direct boot has placed the tables: where they point, the GUID */
void rh_pc_acpi_place_vmgenid(const RhPcMachine *pc);
/** rh_pc_acpi_has_vmgenid - the machine has a generation id */
bool rh_pc_acpi_has_vmgenid(const RhPcMachine *pc);
/** rh_pc_acpi_publish - for firmware, by fw_cfg */
bool rh_pc_acpi_publish(RhPcMachine *pc, const RhAcpi *acpi, GError **err);

#endif
