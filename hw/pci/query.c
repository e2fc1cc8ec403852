/*
 * What query-pci and "info pci" tell: the devices as the guest has programmed them.
 */
#include "hw/pci/bridge.h"
#include "hw/pci/host.h"
#include "hw/pci/private.h"

/* Integers of the schema are signed: addresses in the upper half, which a guest may program, show as negative. */
static json_object *number(uint64_t value)
{
    return json_object_new_int64((int64_t)value);
}

static void put(json_object *to, const char *key, json_object *value)
{
    json_object_object_add(to, key, value);
}

/* Names of classes as lspci and users know them. */
static const struct {
    uint16_t class_id;
    const char *name;
} class_names[] = {
    { 0x0100, "SCSI controller" },     { 0x0101, "IDE controller" },   { 0x0106, "SATA controller" },
    { 0x0108, "NVMe controller" },     { 0x0200, "Ethernet controller" }, { 0x0300, "VGA controller" },
    { 0x0500, "RAM controller" },      { 0x0600, "Host bridge" },      { 0x0601, "ISA bridge" },
    { 0x0604, "PCI bridge" },          { 0x0700, "Serial port" },      { 0x0780, "Class 1920" },
    { 0x0c03, "USB controller" },      { 0x0c05, "SMBus" },
};

static const char *class_name(uint16_t class_id)
{
    for (size_t i = 0; i < RH_COUNT(class_names); i++) {
        if (class_names[i].class_id == class_id) {
            return class_names[i].name;
        }
    }
    return NULL;
}

static json_object *query_regions(const RhPciDevice *dev)
{
    json_object *regions = json_object_new_array();

    for (unsigned i = 0; i < RH_PCI_NR_BARS; i++) {
        const RhPciBar *bar = &dev->bars[i];
        json_object *row;

        if (!bar->region) {
            continue;
        }
        row = json_object_new_object();
        put(row, "bar", json_object_new_int((int)i));
        put(row, "type", json_object_new_string(bar->flags & RH_PCI_BAR_IO ? "io" : "memory"));
        put(row, "address", number(bar->addr));
        put(row, "size", number(bar->size));
        if (!(bar->flags & RH_PCI_BAR_IO)) {
            put(row, "prefetch", json_object_new_boolean(bar->flags & RH_PCI_BAR_PREFETCH));
            put(row, "mem_type_64", json_object_new_boolean(bar->flags & RH_PCI_BAR_MEM64));
        }
        json_object_array_add(regions, row);
    }
    return regions;
}

static json_object *query_window(const RhPciDevice *dev, RhPciWindowKind kind)
{
    RhPciWindow window = rh_pci_bridge_window(dev, kind);
    json_object *range = json_object_new_object();

    put(range, "base", number(window.base));
    put(range, "limit", number(window.limit));
    return range;
}

static json_object *query_devices(RhPciBus *bus);

static json_object *query_bridge(RhPciDevice *dev, RhPciBus *below)
{
    const uint8_t *config = dev->state.config;
    json_object *bridge = json_object_new_object();
    json_object *numbers = json_object_new_object();

    put(numbers, "number", number(config[RH_PCI_PRIMARY_BUS]));
    put(numbers, "secondary", number(config[RH_PCI_SECONDARY_BUS]));
    put(numbers, "subordinate", number(config[RH_PCI_SUBORDINATE_BUS]));
    put(numbers, "io_range", query_window(dev, RH_PCI_WINDOW_IO));
    put(numbers, "memory_range", query_window(dev, RH_PCI_WINDOW_MEM));
    put(numbers, "prefetchable_range", query_window(dev, RH_PCI_WINDOW_PREF));
    put(bridge, "bus", numbers);
    if (config[RH_PCI_SECONDARY_BUS]) {
        put(bridge, "devices", query_devices(below));
    }
    return bridge;
}

static json_object *query_class(uint16_t class_id)
{
    json_object *info = json_object_new_object();

    put(info, "class", number(class_id));
    if (class_name(class_id)) {
        put(info, "desc", json_object_new_string(class_name(class_id)));
    }
    return info;
}

static json_object *query_ids(const RhPciDevice *dev)
{
    json_object *id = json_object_new_object();

    put(id, "vendor", number(pci_config16(dev, RH_PCI_VENDOR_ID)));
    put(id, "device", number(pci_config16(dev, RH_PCI_DEVICE_ID)));
    if (!pci_type_is_bridge(dev)) {
        put(id, "subsystem-vendor", number(pci_config16(dev, RH_PCI_SUBSYSTEM_VENDOR)));
        put(id, "subsystem", number(pci_config16(dev, RH_PCI_SUBSYSTEM_ID)));
    }
    return id;
}

static json_object *query_device(RhPciDevice *dev)
{
    RhPciBus *below = rh_pci_bus_secondary(dev);
    json_object *info = json_object_new_object();

    put(info, "bus", number(rh_pci_bus_number(rh_pci_bus(dev))));
    put(info, "slot", number(RH_PCI_SLOT(dev->devfn)));
    put(info, "function", number(RH_PCI_FN(dev->devfn)));
    put(info, "class_info", query_class(pci_config16(dev, RH_PCI_CLASS)));
    put(info, "id", query_ids(dev));
    if (dev->state.config[RH_PCI_INTERRUPT_PIN]) {
        put(info, "irq", number(dev->state.config[RH_PCI_INTERRUPT_LINE]));
    }
    put(info, "irq_pin", number(dev->state.config[RH_PCI_INTERRUPT_PIN]));
    put(info, "qdev_id", json_object_new_string(dev->parent.id ? dev->parent.id : ""));
    if (below) {
        put(info, "pci_bridge", query_bridge(dev, below));
    }
    put(info, "regions", query_regions(dev));
    return info;
}

static json_object *query_devices(RhPciBus *bus)
{
    json_object *devices = json_object_new_array();

    for (unsigned devfn = 0; devfn < RH_COUNT(bus->slots); devfn++) {
        if (bus->slots[devfn] && bus->slots[devfn]->parent.is_realized) {
            json_object_array_add(devices, query_device(bus->slots[devfn]));
        }
    }
    return devices;
}

static bool add_root(RhObject *obj, void *opaque)
{
    RhPciBus *bus = (RhPciBus *)obj;

    if (rh_object_is(obj, RH_TYPE_PCI_BUS) && !bus->bridge) {
        json_object *row = json_object_new_object();

        put(row, "bus", number(bus->root_number));
        put(row, "devices", query_devices(bus));
        json_object_array_add(opaque, row);
    }
    return true;
}

json_object *rh_pci_query(RhVm *vm)
{
    json_object *roots = json_object_new_array();

    rh_object_foreach(vm->root, add_root, roots);
    return roots;
}

/* --- text --- */

static void dump_bar(const RhPciBar *bar, unsigned index, GString *out)
{
    uint64_t last = bar->addr == RH_PCI_UNMAPPED ? bar->size - 2 : bar->addr + bar->size - 1;

    if (bar->flags & RH_PCI_BAR_IO) {
        g_string_append_printf(out, "      BAR%u: I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n", index, bar->addr, last);
        return;
    }
    g_string_append_printf(out, "      BAR%u: %d bit %smemory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n", index,
                           bar->flags & RH_PCI_BAR_MEM64 ? 64 : 32,
                           bar->flags & RH_PCI_BAR_PREFETCH ? "prefetchable " : "", bar->addr, last);
}

static void dump_bridge(RhPciDevice *dev, GString *out)
{
    const uint8_t *config = dev->state.config;
    RhPciWindow io = rh_pci_bridge_window(dev, RH_PCI_WINDOW_IO);
    RhPciWindow memory = rh_pci_bridge_window(dev, RH_PCI_WINDOW_MEM);
    RhPciWindow pref = rh_pci_bridge_window(dev, RH_PCI_WINDOW_PREF);

    g_string_append_printf(out, "      BUS %u.\n      secondary bus %u.\n      subordinate bus %u.\n",
                           config[RH_PCI_PRIMARY_BUS], config[RH_PCI_SECONDARY_BUS],
                           config[RH_PCI_SUBORDINATE_BUS]);
    g_string_append_printf(out, "      IO range [0x%04" PRIx64 ", 0x%04" PRIx64 "]\n", io.base, io.limit);
    g_string_append_printf(out, "      memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]\n", memory.base, memory.limit);
    g_string_append_printf(out, "      prefetchable memory range [0x%08" PRIx64 ", 0x%08" PRIx64 "]\n", pref.base,
                           pref.limit);
}

static void dump_device(RhPciDevice *dev, void *opaque)
{
    uint16_t class_id = pci_config16(dev, RH_PCI_CLASS);
    GString *out = opaque;

    g_string_append_printf(out, "  Bus %2u, device %3u, function %u:\n    ", rh_pci_bus_number(rh_pci_bus(dev)),
                           RH_PCI_SLOT(dev->devfn), RH_PCI_FN(dev->devfn));
    if (class_name(class_id)) {
        g_string_append(out, class_name(class_id));
    } else {
        g_string_append_printf(out, "Class %04u", class_id);
    }
    g_string_append_printf(out, ": PCI device %04x:%04x\n", pci_config16(dev, RH_PCI_VENDOR_ID),
                           pci_config16(dev, RH_PCI_DEVICE_ID));
    if (!pci_type_is_bridge(dev)) {
        g_string_append_printf(out, "      PCI subsystem %04x:%04x\n", pci_config16(dev, RH_PCI_SUBSYSTEM_VENDOR),
                               pci_config16(dev, RH_PCI_SUBSYSTEM_ID));
    }
    if (dev->state.config[RH_PCI_INTERRUPT_PIN]) {
        g_string_append_printf(out, "      IRQ %u, pin %c\n", dev->state.config[RH_PCI_INTERRUPT_LINE],
                               'A' + dev->state.config[RH_PCI_INTERRUPT_PIN] - 1);
    }
    if (rh_pci_bus_secondary(dev)) {
        dump_bridge(dev, out);
    }
    for (unsigned i = 0; i < RH_PCI_NR_BARS; i++) {
        if (dev->bars[i].region) {
            dump_bar(&dev->bars[i], i, out);
        }
    }
    g_string_append_printf(out, "      id \"%s\"\n", dev->parent.id ? dev->parent.id : "");
}

static bool dump_root(RhObject *obj, void *opaque)
{
    if (rh_object_is(obj, RH_TYPE_PCI_BUS) && !((RhPciBus *)obj)->bridge) {
        rh_pci_bus_foreach((RhPciBus *)obj, dump_device, opaque);
    }
    return true;
}

void rh_pci_dump(RhVm *vm, GString *out)
{
    rh_object_foreach(vm->root, dump_root, out);
}
