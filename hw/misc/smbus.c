/*
 * The system management bus, and what its devices share.
 */
#include "hw/misc/smbus.h"

RhDevice *rh_smbus_find(RhBus *bus, uint8_t address)
{
    for (guint i = 0; i < bus->devices->len; i++) {
        RhDevice *dev = bus->devices->pdata[i];

        if (RH_SELF(RhSmbusDevice, dev)->address == address) {
            return dev;
        }
    }
    return NULL;
}

bool rh_smbus_write(RhDevice *dev, const uint8_t *bytes, unsigned len)
{
    return ((const RhSmbusDeviceType *)dev->obj.type)->write(dev, bytes, len);
}

uint8_t rh_smbus_read(RhDevice *dev)
{
    return ((const RhSmbusDeviceType *)dev->obj.type)->read(dev);
}

static bool smbus_plug(RhBus *bus, RhDevice *dev, GError **err)
{
    uint8_t address = RH_SELF(RhSmbusDevice, dev)->address;

    return !rh_smbus_find(bus, address) ||
           rh_fail(err, "Property '%s.address' is 0x%02x, which another device on bus '%s' has", dev->obj.type->name,
                   address, bus->obj.name);
}

static const RhBusType smbus_type = {
    .name = RH_TYPE_SMBUS_BUS,
    .parent = RH_TYPE_BUS,
    .doc = "System management bus",
    .size = sizeof(RhBus),
    .plug = smbus_plug,
};
RH_TYPE_ENTRY(smbus_type);

static const RhProp smbus_props[] = {
    RH_PROP("address", RhSmbusDevice, address, .max = 0x7f, .doc = "7-bit address"),
};

RH_DEVICE(RhSmbusDevice,
    .name        = RH_TYPE_SMBUS_DEVICE,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Device on the system management bus",
    .is_abstract = true,
    .bus         = RH_TYPE_SMBUS_BUS,
    .props       = RH_TABLE(smbus_props));
