/* The q35 board's own struct, shared by its files. */
#ifndef RH_HW_I386_Q35_MACHINE_H
#define RH_HW_I386_Q35_MACHINE_H

#include "hw/acpi/tables.h"
#include "hw/i386/direct-boot.h"
#include "hw/i386/pc.h"
#include "hw/i386/q35.h"
#include "hw/pci/assign.h"

typedef struct Q35Machine {
    RhPcMachine parent;
    RhQ35Host *host;
    RhIch9Lpc *lpc;
    RhDirectBoot *boot;         /* NULL: firmware boots */
} Q35Machine;

/** rh_q35_boot_set_up - -kernel without -bios: read the images, and place them at each reset */
bool rh_q35_boot_set_up(Q35Machine *q35, GError **err);
void rh_q35_boot_end(Q35Machine *q35);
/** rh_q35_acpi_new - the board's tables; @has_firmware: ACPI mode is switched on through the APM port */
RhAcpi *rh_q35_acpi_new(Q35Machine *q35, bool has_firmware);
/** rh_q35_mem32/mem64 - where PCI registers may lie; what the ACPI tables say, too */
RhPciArea rh_q35_mem32(const Q35Machine *q35);
RhPciArea rh_q35_mem64(const Q35Machine *q35);

#endif
