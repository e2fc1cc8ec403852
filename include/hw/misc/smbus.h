/*
 * The system management bus: a host controller, and devices with 7-bit addresses.
 * Spec: SMBus 2.0 §5.5.  Lock: the machine lock.
 */
#ifndef RH_HW_MISC_SMBUS_H
#define RH_HW_MISC_SMBUS_H

#include "hw/core/device.h"

#define RH_TYPE_SMBUS_BUS    "i2c-bus"
#define RH_TYPE_SMBUS_DEVICE "smbus-device"
#define RH_TYPE_ICH9_SMBUS   "ICH9-SMB"
#define RH_TYPE_SMBUS_EEPROM "smbus-eeprom"

typedef struct RhSmbusDevice {
    RhDevice parent;
    uint8_t address;            /* property, 7 bits */
} RhSmbusDevice;

/** RhSmbusDeviceType - what every type below "smbus-device" is declared with */
typedef struct RhSmbusDeviceType {
    RhDeviceType;
    /* The host wrote @bytes, the first of which is usually the command; false: not acknowledged */
    bool (*write)(RhDevice *dev, const uint8_t *bytes, unsigned len);
    /* The next byte that the host reads after its last write */
    uint8_t (*read)(RhDevice *dev);
} RhSmbusDeviceType;

/** RH_SMBUS_DEVICE - as RH_DEVICE, for types below "smbus-device" */
#define RH_SMBUS_DEVICE(T, ...)                                                                    \
    static const RhSmbusDeviceType T##_type = { .size = sizeof(T), __VA_ARGS__ };                  \
    RH_TYPE_ENTRY(T##_type)

/** rh_smbus_find - who answers at @address of @bus, or NULL */
RhDevice *rh_smbus_find(RhBus *bus, uint8_t address);
/** rh_smbus_write / rh_smbus_read - one message to, one byte from @dev */
bool rh_smbus_write(RhDevice *dev, const uint8_t *bytes, unsigned len);
uint8_t rh_smbus_read(RhDevice *dev);

#endif
