/*
 * VM generation id: names of its fw_cfg files, for the ACPI tables that point at them.
 */
#ifndef RH_HW_MISC_VMGENID_H
#define RH_HW_MISC_VMGENID_H

#include "softmmu/vm.h"

#define RH_TYPE_VMGENID "vmgenid"

/** Files: a page with the GUID at RH_VMGENID_OFFSET, and 8 bytes where firmware writes the GUID's address */
#define RH_VMGENID_GUID_FILE "etc/vmgenid_guid"
#define RH_VMGENID_ADDR_FILE "etc/vmgenid_addr"
enum { RH_VMGENID_OFFSET = 40, RH_VMGENID_FILE_SIZE = 4096 };

/**
 * rh_vmgenid_place - put the GUID into the page at @page_gpa, as firmware would have it done; where no firmware runs,
 * after each reset. No effect in a machine without the device.
 */
void rh_vmgenid_place(RhVm *vm, uint64_t page_gpa);

#endif
