/*
 * Boot order: devices with a bootindex, and the names that firmware knows them by (Open Firmware paths, such as
 * "/pci@i0cf8/scsi@4/disk@0,0"). Lock: the machine lock.
 */
#ifndef RH_HW_CORE_BOOTORDER_H
#define RH_HW_CORE_BOOTORDER_H

#include "hw/core/device.h"

/**
 * rh_boot_order_add - from a realize hook: @dev boots at place @index, until unrealize. Negative: it has no place, nothing
 * happens. @suffix, after the device's path, names the part to boot ("/disk@0,0"), or NULL. @err when the place is taken.
 */
bool rh_boot_order_add(RhDevice *dev, int32_t index, const char *suffix, GError **err);
/** rh_boot_order_text - paths in order, a line each, and "HALT" when @is_strict; contents of "bootorder". g_free it. NULL: empty */
char *rh_boot_order_text(RhVm *vm, bool is_strict);
/** rh_device_fw_path - Open Firmware path of @dev; g_free it */
char *rh_device_fw_path(RhDevice *dev);

#endif
