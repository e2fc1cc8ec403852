/*
 * smbus-eeprom - 256 bytes as on a memory module; zero, as no module says otherwise.
 * A write's first byte is where the rest goes and where reading goes on. A reset brings the first contents back.
 * Spec: JEDEC EE1002 §2.  Lock: machine lock (the default).
 */
#include "hw/misc/smbus.h"

typedef struct EepromRegs {
    uint8_t at;
    uint8_t bytes[256];
} EepromRegs;

typedef struct Eeprom {
    RhSmbusDevice parent;
    EepromRegs regs;
} Eeprom;

static bool eeprom_write(RhDevice *dev, const uint8_t *bytes, unsigned len)
{
    EepromRegs *regs = &RH_SELF(Eeprom, dev)->regs;

    regs->at = len ? bytes[0] : regs->at;
    for (unsigned i = 1; i < len; i++) {
        regs->bytes[regs->at++] = bytes[i];
    }
    return true;
}

static uint8_t eeprom_read(RhDevice *dev)
{
    EepromRegs *regs = &RH_SELF(Eeprom, dev)->regs;

    return regs->bytes[regs->at++];
}

static const RhField eeprom_fields[] = {
    RH_FIELD(EepromRegs, at),
    RH_FIELD_BYTES(EepromRegs, bytes),
};
static const EepromRegs eeprom_at_reset = { .at = 0 };

RH_SMBUS_DEVICE(Eeprom,
    .name        = RH_TYPE_SMBUS_EEPROM,
    .parent      = RH_TYPE_SMBUS_DEVICE,
    .doc         = "EEPROM of a memory module",
    .is_internal = true,
    .state       = RH_STATE(Eeprom, regs, eeprom_at_reset, .version = 1, .fields = RH_TABLE(eeprom_fields)),
    .write       = eeprom_write,
    .read        = eeprom_read);
