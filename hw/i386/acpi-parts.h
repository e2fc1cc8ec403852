/*
 * acpi-parts - byte code that the DSDTs of both kinds of machine contain.
 */
#ifndef HW_I386_ACPI_PARTS_H
#define HW_I386_ACPI_PARTS_H

#include "hw/i386/acpi-config.h"

#define RH_ACPI_ID "RHEAPC" /* OEM table id */

/** rh_acpi_device - Device() with id, state and resources */
void rh_acpi_device(RhAml *a, const RhAcpiDevice *dev);
void rh_acpi_devices(RhAml *a, const RhAcpiDevice *devs, unsigned count);
/** rh_acpi_cpus - a processor device for each, with its node */
void rh_acpi_cpus(RhAml *a, const RhAcpiMadt *madt, const RhAcpiNuma *numa);
/** rh_acpi_sleep_state - Name(\_Sn, ...) for @name such as "\\_S5" */
void rh_acpi_sleep_state(RhAml *a, const char *name, unsigned type);
/** rh_acpi_pci_host_begin - Device(PCI0) but for _PRT; the caller adds it and ends */
void rh_acpi_pci_host_begin(RhAml *a, const RhAcpiPciHost *pci);
/** rh_acpi_gsi_link - link GSIA and so on (by @link): an interrupt input that never changes */
void rh_acpi_gsi_link(RhAml *a, unsigned link, unsigned uid, uint32_t gsi);
/** rh_acpi_ecam_reservation - keeps the OS from giving away configuration space, PCI firmware 3.0
 * §4.1.2 */
void rh_acpi_ecam_reservation(RhAml *a, const RhAcpiPciHost *pci);
/** rh_acpi_add_mcfg_of - MCFG for all buses that fit */
void rh_acpi_add_mcfg_of(RhAcpi *acpi, const RhAcpiPciHost *pci);
/** rh_acpi_add_numa - SRAT, and SLIT if there are distances; nothing without nodes */
void rh_acpi_add_numa(RhAcpi *acpi, const RhAcpiNuma *numa);

#endif
