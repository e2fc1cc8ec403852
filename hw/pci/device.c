/*
 * pci-device - base of every PCI device: header, masks, guest access to configuration space
 * Spec: PCI Local Bus 3.0 §6.  Lock: machine lock.
 *
 * Invariants:
 * 1. A byte of state.config that no guest wrote since reset equals initial, save for status bits that the
 *    core or the device's hooks set.
 * 2. Mappings, the DMA gate, the INTx level on the bus and message bindings follow from the state alone:
 *    pci_settle brings them about after reset and load, rh_pci_config_write after each write.
 */
#include "hw/pci/pci.h"
#include "hw/pci/private.h"
#include "util/parse.h"

static const RhPciDeviceType *type_of(const RhType *type)
{
    return type && rh_type_is(type, RH_TYPE_PCI_DEVICE) ? (const RhPciDeviceType *)type : NULL;
}

/* RH_PCI_LEVELS - visit the device's types below "device", most derived first */
#define RH_PCI_LEVELS(level, dev)                                                                  \
    for (const RhPciDeviceType *level = type_of((dev)->parent.obj.type); level;                    \
         level = type_of(rh_type_parent((const RhType *)level)))

bool pci_type_is_express(const RhPciDevice *dev)
{
    RH_PCI_LEVELS(level, dev) {
        if (level->is_express) {
            return true;
        }
    }
    return false;
}

bool pci_type_is_bridge(const RhPciDevice *dev)
{
    RH_PCI_LEVELS(level, dev) {
        if (level->is_bridge) {
            return true;
        }
    }
    return false;
}

/* --- shaping --- */

void rh_pci_init8(RhPciDevice *dev, unsigned at, uint8_t value)
{
    g_assert(at < dev->config_size);
    dev->initial[at] = value;
}

void rh_pci_init16(RhPciDevice *dev, unsigned at, uint16_t value)
{
    g_assert(at + 2 <= dev->config_size);
    rh_st16(dev->initial + at, value);
}

void rh_pci_init32(RhPciDevice *dev, unsigned at, uint32_t value)
{
    g_assert(at + 4 <= dev->config_size);
    rh_st32(dev->initial + at, value);
}

void rh_pci_writable8(RhPciDevice *dev, unsigned at, uint8_t mask)
{
    g_assert(at < dev->config_size);
    dev->wmask[at] = mask;
}

void rh_pci_writable16(RhPciDevice *dev, unsigned at, uint16_t mask)
{
    g_assert(at + 2 <= dev->config_size);
    rh_st16(dev->wmask + at, mask);
}

void rh_pci_writable32(RhPciDevice *dev, unsigned at, uint32_t mask)
{
    g_assert(at + 4 <= dev->config_size);
    rh_st32(dev->wmask + at, mask);
}

void rh_pci_w1c16(RhPciDevice *dev, unsigned at, uint16_t mask)
{
    g_assert(at + 2 <= dev->config_size);
    rh_st16(dev->w1cmask + at, mask);
}

void rh_pci_w1c32(RhPciDevice *dev, unsigned at, uint32_t mask)
{
    g_assert(at + 4 <= dev->config_size);
    rh_st32(dev->w1cmask + at, mask);
}

void rh_pci_set_pin(RhPciDevice *dev, unsigned pin)
{
    g_assert(pin <= RH_PCI_NR_PINS);
    rh_pci_init8(dev, RH_PCI_INTERRUPT_PIN, pin);
}

static void init_ids(RhPciDevice *dev)
{
    uint16_t vendor = 0, class_id = 0, subsystem_vendor = 0;

    RH_PCI_LEVELS(level, dev) {
        if (!vendor && level->vendor_id) {
            vendor = level->vendor_id;
            rh_pci_init16(dev, RH_PCI_VENDOR_ID, vendor);
            rh_pci_init16(dev, RH_PCI_DEVICE_ID, level->device_id);
            rh_pci_init8(dev, RH_PCI_REVISION, level->revision);
        }
        if (!class_id && level->class_id) {
            class_id = level->class_id;
            rh_pci_init16(dev, RH_PCI_CLASS, class_id);
            rh_pci_init8(dev, RH_PCI_PROG_IF, level->prog_if);
        }
        if (!subsystem_vendor && level->subsystem_vendor_id) {
            subsystem_vendor = level->subsystem_vendor_id;
            rh_pci_init16(dev, RH_PCI_SUBSYSTEM_VENDOR, subsystem_vendor);
            rh_pci_init16(dev, RH_PCI_SUBSYSTEM_ID, level->subsystem_id);
        }
    }
    if (!subsystem_vendor && !pci_type_is_bridge(dev)) {
        rh_pci_init16(dev, RH_PCI_SUBSYSTEM_VENDOR, RH_PCI_VENDOR_REDHAT_QUMRANET);
        rh_pci_init16(dev, RH_PCI_SUBSYSTEM_ID, RH_PCI_SUBSYSTEM_DEFAULT);
    }
}

static void init_header(RhPciDevice *dev)
{
    uint8_t header = dev->is_multifunction ? RH_PCI_HEADER_MULTIFUNCTION : 0;

    rh_pci_init8(dev, RH_PCI_HEADER_TYPE,
                 header | (pci_type_is_bridge(dev) ? RH_PCI_HEADER_BRIDGE : 0));
    rh_pci_writable16(dev, RH_PCI_COMMAND,
                      RH_PCI_COMMAND_IO | RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER |
                      RH_PCI_COMMAND_PARITY | RH_PCI_COMMAND_SERR | RH_PCI_COMMAND_INTX_OFF);
    rh_pci_w1c16(dev, RH_PCI_STATUS, 0xf900);
    rh_pci_writable8(dev, RH_PCI_CACHE_LINE, 0xff);
    rh_pci_writable8(dev, RH_PCI_INTERRUPT_LINE, 0xff);
    init_ids(dev);
}

/* --- life --- */

static void release_config(RhDevice *d, void *arg)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    RhPciBus *bus = rh_pci_bus(dev);

    if (dev->is_announced) {
        dev->is_announced = false;
        if (bus->device_left) {
            bus->device_left(bus, dev);
        }
    }
    pci_intx_release(dev);
    pci_bars_unmap(dev);
    memset(dev->bars, 0, sizeof(dev->bars));
    rh_region_fini(&dev->rom);
    rh_space_free(dev->dma);
    dev->dma = NULL;
    g_clear_pointer(&dev->initial, g_free);
    dev->wmask = NULL;
    dev->w1cmask = NULL;
    dev->pm_cap = dev->msi_cap = dev->msix_cap = dev->express_cap = 0;
    dev->ext_cap_last = 0;
}

static bool pci_realize(RhDevice *d, GError **err)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    bool is_express = pci_type_is_express(dev) && rh_pci_bus_is_express(rh_pci_bus(dev));

    dev->config_size = is_express ? RH_PCIE_CONFIG_SIZE : RH_PCI_CONFIG_SIZE;
    dev->initial = g_malloc0_n(3, dev->config_size);
    dev->wmask = dev->initial + dev->config_size;
    dev->w1cmask = dev->wmask + dev->config_size;
    dev->cap_end = 0x40;
    dev->ext_cap_end = RH_PCI_CONFIG_SIZE;
    for (unsigned i = 0; i < RH_PCI_NR_BARS; i++) {
        dev->bars[i].addr = RH_PCI_UNMAPPED;
    }
    dev->dma = rh_space_new_gated(rh_device_vm(d), d->obj.type->name, rh_device_vm(d)->memory);
    rh_device_claim(d, release_config, NULL);
    init_header(dev);
    return pci_rom_realize(dev, err);
}

static void pci_reset(RhDevice *d)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);

    memcpy(dev->state.config, dev->initial, dev->config_size);
    pci_msix_reset(dev);
}

static void settle_dma(RhPciDevice *dev)
{
    rh_space_set_open(dev->dma, pci_config16(dev, RH_PCI_COMMAND) & RH_PCI_COMMAND_MASTER);
}

static void pci_settle(RhDevice *d)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);
    RhPciBus *bus = rh_pci_bus(dev);

    settle_dma(dev);
    pci_bars_update(dev);
    pci_intx_update(dev);
    pci_msix_settle(dev);
    if (!dev->is_announced) {
        dev->is_announced = true;
        if (bus->device_came) {
            bus->device_came(bus, dev);
        }
    }
}

static bool pci_request_unplug(RhDevice *d, GError **err)
{
    RhPciBus *bus = rh_pci_bus(RH_PCI_DEVICE_OF(d));

    if (!bus->device_unwanted) {
        return rh_fail(err, "Bus '%s' does not support hotplugging", bus->parent.obj.name);
    }
    return bus->device_unwanted(bus, RH_PCI_DEVICE_OF(d), err);
}

/* Bits that no guest may write and that do not come and go by themselves identify the device: a stream that
 * differs there was made by another one. */
static bool pci_check(RhDevice *d, GError **err)
{
    RhPciDevice *dev = RH_PCI_DEVICE_OF(d);

    for (unsigned at = 0; at < RH_PCI_BAR0; at++) {
        uint8_t fixed = ~(dev->wmask[at] | dev->w1cmask[at]);

        if (at == RH_PCI_STATUS) {
            fixed &= ~RH_PCI_STATUS_INTERRUPT;
        }
        if ((dev->state.config[at] ^ dev->initial[at]) & fixed) {
            return rh_fail(err, "PCI configuration byte 0x%02x is 0x%02x, this device has 0x%02x", at,
                           dev->state.config[at], dev->initial[at]);
        }
    }
    return true;
}

/* --- guest access --- */

uint32_t rh_pci_config_read(RhPciDevice *dev, unsigned at, unsigned len)
{
    if (at >= dev->config_size || len > dev->config_size - at) {
        return (uint32_t)rh_bits(len * 8);
    }
    RH_PCI_LEVELS(level, dev) {
        if (level->config_reading) {
            level->config_reading(dev, at, len);
        }
    }
    return rh_ld(dev->state.config + at, len);
}

static void write_bytes(RhPciDevice *dev, unsigned at, uint32_t value, unsigned len)
{
    uint8_t *config = dev->state.config;

    for (unsigned i = at; i < at + len; i++, value >>= 8) {
        config[i] = (config[i] & ~dev->wmask[i]) | (value & dev->wmask[i]);
        config[i] &= ~(value & dev->w1cmask[i]);
    }
}

static void call_written(const RhPciDeviceType *level, RhPciDevice *dev, unsigned at, unsigned len)
{
    const RhPciDeviceType *base = type_of(rh_type_parent((const RhType *)level));

    if (base) {
        call_written(base, dev, at, len);
    }
    if (level->config_written) {
        level->config_written(dev, at, len);
    }
}

void rh_pci_config_write(RhPciDevice *dev, unsigned at, uint32_t value, unsigned len)
{
    if (at >= dev->config_size || len > dev->config_size - at) {
        return;
    }
    rh_map_begin(rh_device_vm(&dev->parent));
    write_bytes(dev, at, value, len);
    if (pci_overlaps(at, len, RH_PCI_COMMAND, 2)) {
        settle_dma(dev);
        pci_intx_update(dev);
        pci_msix_settle(dev);
    }
    if (pci_overlaps(at, len, RH_PCI_COMMAND, 2) || pci_overlaps(at, len, RH_PCI_BAR0, 24) ||
        pci_overlaps(at, len, RH_PCI_ROM_BAR, 4) || pci_overlaps(at, len, RH_PCI_BRIDGE_ROM_BAR, 4)) {
        pci_bars_update(dev);
    }
    pci_msi_written(dev, at, len);
    if (dev->msix_cap && pci_overlaps(at, len, dev->msix_cap + RH_PCI_MSIX_CONTROL, 2)) {
        pci_intx_update(dev);
        pci_msix_settle(dev);
    }
    call_written(type_of(dev->parent.obj.type), dev, at, len);
    rh_map_end(rh_device_vm(&dev->parent));
}

/* --- properties --- */

bool rh_pci_parse_addr(const char *text, int32_t *ret_devfn, GError **err)
{
    char *end;
    unsigned long fn = 0;
    unsigned long slot = strtoul(text, &end, 16);

    if (end != text && *end == '.') {
        const char *start = end + 1;

        fn = strtoul(start, &end, 16);
        if (end == start) {
            return rh_fail(err, "'%s' is not a PCI address, must be like '1f.2' or '2'", text);
        }
    }
    if (end == text || *end || slot > 31 || fn > 7) {
        return rh_fail(err, "'%s' is not a PCI address, must be like '1f.2' or '2'", text);
    }
    *ret_devfn = RH_PCI_DEVFN(slot, fn);
    return true;
}

static bool devfn_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    int32_t *devfn = rh_prop_member(obj, prop);
    int64_t number;

    if (json_object_is_type(value, json_type_string)) {
        const char *text = json_object_get_string(value);

        if (g_str_equal(text, "-1")) {
            *devfn = -1;
            return true;
        }
        return rh_pci_parse_addr(text, devfn, err);
    }
    number = json_object_get_int64(value);
    if (!json_object_is_type(value, json_type_int) || number < -1 || number > 255) {
        return rh_fail(err, "Property '%s.%s' is %s, must be a slot and function like '1f.2'", obj->type->name,
                       prop->name, json_object_to_json_string(value));
    }
    *devfn = number;
    return true;
}

static json_object *devfn_get(RhObject *obj, const RhProp *prop)
{
    return json_object_new_int(*(int32_t *)rh_prop_member(obj, prop));
}

static void devfn_init(RhObject *obj, const RhProp *prop)
{
    *(int32_t *)rh_prop_member(obj, prop) = -1;
}

const RhPropKind rh_prop_pci_devfn = {
    .name = "int32", .set = devfn_set, .get = devfn_get, .init = devfn_init, .max = INT32_MAX,
};

static const RhProp pci_props[] = {
    RH_PROP_AS(rh_prop_pci_devfn, "addr", RhPciDevice, devfn, .def = UINT64_MAX,
               .doc = "Slot and optional function number, example: 06.0 or 06"),
    RH_PROP("romfile", RhPciDevice, romfile, .doc = "option ROM image"),
    RH_PROP("romsize", RhPciDevice, romsize, .def = UINT32_MAX, .doc = "size of the option ROM's register"),
    RH_PROP("rombar", RhPciDevice, rombar, .def = 1, .doc = "0 hides the option ROM"),
    RH_PROP("multifunction", RhPciDevice, is_multifunction, .doc = "on/off"),
    RH_PROP("acpi-index", RhPciDevice, acpi_index, .doc = "onboard index that ACPI tells the guest"),
    RH_PROP("failover_pair_id", RhPciDevice, failover_pair_id, .doc = "not supported yet"),
    RH_PROP("x-pcie-lnksta-dllla", RhPciDevice, has_lnksta_dllla, .def = true, .doc = "on/off"),
    RH_PROP("x-pcie-extcap-init", RhPciDevice, has_extcap_init, .def = true, .doc = "on/off"),
};
static const RhField pci_fields[] = {
    RH_FIELD_BYTES(RhPciState, config),
    RH_FIELD(RhPciState, intx_level, .max = 1),
};
static const RhPciState pci_at_reset = { .intx_level = 0 };

RH_PCI_DEVICE_NAMED(pci_device, RhPciDevice,
    .name        = RH_TYPE_PCI_DEVICE,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Base of PCI devices",
    .is_abstract = true,
    .bus         = RH_TYPE_PCI_BUS,
    .is_hotpluggable = true,
    .props       = RH_TABLE(pci_props),
    .state       = RH_STATE(RhPciDevice, state, pci_at_reset, .version = 1, .fields = RH_TABLE(pci_fields),
                            .extra = pci_msix_state),
    .realize     = pci_realize,
    .reset       = pci_reset,
    .check       = pci_check,
    .settle      = pci_settle,
    .request_unplug = pci_request_unplug);
