/* Shared by the files of hw/core/ alone. */
#ifndef RH_HW_CORE_PRIVATE_H
#define RH_HW_CORE_PRIVATE_H

#include "hw/core/device.h"

/** rh_bus_plug - check that @dev fits, let the bus complete its address, and enter it; rh_bus_unplug is the reverse */
bool rh_bus_plug(RhBus *bus, RhDevice *dev, GError **err);
void rh_bus_unplug(RhBus *bus, RhDevice *dev);
/** rh_device_bus_type - the bus type @type plugs into, its own or inherited; NULL: none */
const char *rh_device_bus_type(const RhDeviceType *type);

#endif
