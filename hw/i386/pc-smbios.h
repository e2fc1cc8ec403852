/* SMBIOS of PC boards. */
#ifndef RH_HW_I386_PC_SMBIOS_H
#define RH_HW_I386_PC_SMBIOS_H

#include "hw/i386/direct-boot.h"
#include "hw/i386/pc.h"
#include "hw/i386/smbios.h"

/* Direct boot: operating systems look for the entry point in 0xf0000 to 0xfffff. */
enum { SMBIOS_TABLE_AT = RH_PC_TABLES_LOW + 0x1000, SMBIOS_ENTRY_AT = 0xf0000 };

/** rh_pc_smbios_new - built from the machine and its -smbios options; NULL and @err when one is bad */
RhSmbios *rh_pc_smbios_new(const RhPcMachine *pc, bool has_firmware, GError **err);
bool rh_pc_smbios_publish(RhPcMachine *pc, const RhSmbios *smbios, GError **err);
bool rh_pc_smbios_add_to(RhDirectBoot *boot, RhSmbios *smbios, GError **err);

#endif
