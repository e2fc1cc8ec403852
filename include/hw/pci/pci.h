/*
 * PCI devices and buses.
 *
 * A PCI device is declared with RH_PCI_DEVICE; its description carries the ids. Realize hooks shape
 * the configuration space with the rh_pci_init_* and rh_pci_add_* functions: they write the image
 * that the space has after reset, and the masks that say which bits a guest may change. While the
 * machine runs only guest writes, reset and load change it; a device keeps nothing derived from it
 * that its settle hook does not derive again.
 *
 * A base address register is a region that the core maps and unmaps as COMMAND and the register say.
 * DMA goes through dev->dma, which is empty while the bus-master bit is off.
 *
 * Spec: PCI Local Bus 3.0, PCI Express Base 4.0. Lock: the machine lock.
 */
#ifndef RH_HW_PCI_PCI_H
#define RH_HW_PCI_PCI_H

#include "hw/core/device.h"
#include "hw/pci/pci-regs.h"
#include "softmmu/accel.h"

#define RH_TYPE_PCI_DEVICE "pci-device"
#define RH_TYPE_PCI_BUS    "PCI"
#define RH_TYPE_PCIE_BUS   "PCIE"

#define RH_PCI_VENDOR_REDHAT_QUMRANET 0x1af4
#define RH_PCI_VENDOR_REDHAT          0x1b36
#define RH_PCI_VENDOR_INTEL           0x8086
#define RH_PCI_SUBSYSTEM_DEFAULT      0x1100

/** RH_PCI_DEVFN - slot 0..31 and function 0..7 as one number */
#define RH_PCI_DEVFN(slot, fn) ((uint8_t)((slot) << 3 | (fn)))
#define RH_PCI_SLOT(devfn)     ((devfn) >> 3 & 0x1f)
#define RH_PCI_FN(devfn)       ((devfn) & 7)

enum { RH_PCI_NR_BARS = 7, RH_PCI_ROM_SLOT = 6, RH_PCI_NR_PINS = 4 };

typedef struct RhPciDevice RhPciDevice;
typedef struct RhPciBus RhPciBus;
typedef struct RhPciMsix RhPciMsix;

/** RhPciDeviceType - what every type below "pci-device" is declared with */
typedef struct RhPciDeviceType {
    RhDeviceType;
    /* Ids: a zero vendor or class means the parent type's. Subsystem ids zero: 1af4:1100 (bridges: none). */
    uint16_t vendor_id;
    uint16_t device_id;
    uint16_t subsystem_vendor_id;
    uint16_t subsystem_id;
    uint16_t class_id;          /* base class in the high byte */
    uint8_t prog_if;
    uint8_t revision;
    bool is_express;            /* 4 KiB of configuration space; inherited */
    bool is_bridge;             /* type 1 header; inherited */
    const char *romfile;        /* default option ROM, NULL: none; inherited */
    /* Before a guest reads config[@at .. @at + @len): bring bytes up to date that are not state. All levels. */
    void (*config_reading)(RhPciDevice *dev, unsigned at, unsigned len);
    /* After a guest wrote there, masks applied, mappings updated. All levels, base first. */
    void (*config_written)(RhPciDevice *dev, unsigned at, unsigned len);
} RhPciDeviceType;

/** RH_PCI_DEVICE - as RH_DEVICE, for types below "pci-device" */
#define RH_PCI_DEVICE(T, ...) RH_PCI_DEVICE_NAMED(T, T, __VA_ARGS__)
#define RH_PCI_DEVICE_NAMED(ident, T, ...)                                                         \
    static const RhPciDeviceType ident##_type = { .size = sizeof(T), __VA_ARGS__ };                \
    RH_TYPE_ENTRY(ident##_type)

/** RhPciBar - one base address register; private to the core but for region and addr */
typedef struct RhPciBar {
    RhRegion *region;           /* NULL: not implemented */
    uint64_t size;              /* power of two */
    uint8_t flags;              /* RH_PCI_BAR_* */
    uint64_t addr;              /* where it is mapped; RH_PCI_UNMAPPED */
} RhPciBar;
#define RH_PCI_UNMAPPED UINT64_MAX

/** RhPciState - guest state common to all PCI devices; an MSI-X table is saved behind it (pci_msix_state) */
typedef struct RhPciState {
    uint8_t config[RH_PCIE_CONFIG_SIZE];
    uint8_t intx_level;         /* what the device drives, before the INTx disable bit */
} RhPciState;

struct RhPciDevice {
    RhDevice parent;
    int32_t devfn;              /* properties; devfn -1 until plugged: any free slot */
    char *romfile;
    uint32_t romsize;
    uint32_t rombar;
    bool is_multifunction;
    uint32_t acpi_index;
    char *failover_pair_id;
    bool has_lnksta_dllla;
    bool has_extcap_init;

    unsigned config_size;       /* wiring: 256 or 4096 */
    uint8_t *initial;           /* the space after reset, config_size bytes */
    uint8_t *wmask;             /* bits the guest may write */
    uint8_t *w1cmask;           /* bits cleared by writing 1 */
    RhPciBar bars[RH_PCI_NR_BARS];
    RhRegion rom;
    RhSpace *dma;               /* the device's view of memory; const once realized */
    uint16_t pm_cap;            /* offsets of capabilities; 0: none */
    uint16_t msi_cap;
    uint16_t msix_cap;
    uint16_t express_cap;
    uint16_t cap_end;           /* first byte after the last automatically placed capability */
    uint16_t ext_cap_last;
    uint16_t ext_cap_end;
    RhPciMsix *msix;
    uint8_t intx_out;           /* level that the bus sees */
    bool is_announced;          /* device_came was called */
    RhPciState state;
};

/** RhPciIrqMap - which of the parent's (or, at the root, the host's) inputs pin @pin (0..3) of @devfn reaches */
typedef unsigned RhPciIrqMap(void *opaque, uint8_t devfn, unsigned pin);
/** RhPciIrqSet - the host's input @irq has the wired-OR @level */
typedef void RhPciIrqSet(void *opaque, unsigned irq, int level);

enum { RH_PCI_MAX_IRQS = 16 };

struct RhPciBus {
    RhBus parent;
    RhPciDevice *slots[256];    /* by devfn; not owned */
    RhPciDevice *bridge;        /* whose secondary bus this is; NULL: a root bus */
    RhRegion *memory;           /* containers where BARs are placed */
    RhRegion *ports;
    uint8_t root_number;        /* bus number of a root bus */
    uint8_t first_slot;         /* first that is handed out by itself */
    bool has_one_slot;          /* below a PCIe port: device 0 only */
    /* The port above learns what comes and goes, and asks for what should go; all NULL on buses without slots. */
    struct RhPcieSlot *slot;
    void (*device_came)(RhPciBus *bus, RhPciDevice *dev);
    void (*device_left)(RhPciBus *bus, RhPciDevice *dev);
    bool (*device_unwanted)(RhPciBus *bus, RhPciDevice *dev, GError **err);
    RhPciIrqMap *map_irq;       /* root bus: how pins reach the host's inputs */
    RhPciIrqSet *set_irq;
    void *irq_opaque;
    unsigned nr_irqs;
    unsigned irq_counts[RH_PCI_MAX_IRQS];   /* asserted pins on each input; derived from the devices */
};

#define RH_PCI_DEVICE_OF(dev) ((RhPciDevice *)(dev))

static inline RhPciBus *rh_pci_bus(const RhPciDevice *dev)
{
    return (RhPciBus *)dev->parent.bus;
}
static inline uint8_t *rh_pci_config(RhPciDevice *dev)
{
    return dev->state.config;
}

/** rh_prop_pci_devfn - property kind of "addr": "1f.2", "0x2.0x1", a number, or -1 for any */
extern const RhPropKind rh_prop_pci_devfn;
/** rh_pci_parse_addr - "SLOT[.FN]" in hexadecimal to a devfn */
bool rh_pci_parse_addr(const char *text, int32_t *ret_devfn, GError **err);

/* --- shaping the configuration space, from realize hooks only --- */

/** rh_pci_init8/16/32 - value after reset */
void rh_pci_init8(RhPciDevice *dev, unsigned at, uint8_t value);
void rh_pci_init16(RhPciDevice *dev, unsigned at, uint16_t value);
void rh_pci_init32(RhPciDevice *dev, unsigned at, uint32_t value);
/** rh_pci_writable8/16/32 - bits the guest may write */
void rh_pci_writable8(RhPciDevice *dev, unsigned at, uint8_t mask);
void rh_pci_writable16(RhPciDevice *dev, unsigned at, uint16_t mask);
void rh_pci_writable32(RhPciDevice *dev, unsigned at, uint32_t mask);
/** rh_pci_w1c16 - bits that a written 1 clears (and 0 leaves) */
void rh_pci_w1c16(RhPciDevice *dev, unsigned at, uint16_t mask);
void rh_pci_w1c32(RhPciDevice *dev, unsigned at, uint32_t mask);

/**
 * rh_pci_add_bar - base address register @index (0..5; 64-bit ones take two) maps @region
 * @flags: RH_PCI_BAR_IO, or RH_PCI_BAR_MEM32/MEM64 with RH_PCI_BAR_PREFETCH. The region's size is rounded up to a
 * power of two (I/O: 4 bytes and up, memory: 16 and up). The region must outlive the device's realized time.
 */
void rh_pci_add_bar(RhPciDevice *dev, unsigned index, RhRegion *region, unsigned flags);
/** rh_pci_set_pin - the interrupt pin register: 1..4 for INTA..INTD */
void rh_pci_set_pin(RhPciDevice *dev, unsigned pin);

/**
 * rh_pci_add_capability - @len bytes of capability @id at @at (0: after the last one), linked in front of the others.
 * Returns its offset, or 0 and @err when there is no room. The body is zero and read-only until shaped.
 */
uint16_t rh_pci_add_capability(RhPciDevice *dev, uint8_t id, unsigned at, unsigned len, GError **err);
/** rh_pci_add_ext_capability - as above, in the extended space; @at 0: after the last one */
uint16_t rh_pci_add_ext_capability(RhPciDevice *dev, uint16_t id, uint8_t version, unsigned at, unsigned len,
                                   GError **err);
/** rh_pci_find_capability - offset in the present configuration space, or 0 */
uint16_t rh_pci_find_capability(const RhPciDevice *dev, uint8_t id);
/** rh_pci_add_pm - power management capability, D0 and D3hot */
bool rh_pci_add_pm(RhPciDevice *dev, unsigned at, GError **err);
/** rh_pci_add_express - PCI Express capability of a device of that type; an endpoint on a root bus becomes integrated */
bool rh_pci_add_express(RhPciDevice *dev, unsigned at, RhPcieType type, uint8_t port, GError **err);

/** rh_pci_add_msi - capability for @nr (1, 2, 4 .. 32) messages */
bool rh_pci_add_msi(RhPciDevice *dev, unsigned at, unsigned nr, bool is_64bit, bool is_maskable, GError **err);
/**
 * rh_pci_add_msix - capability with a table of @nr (1..2048) vectors inside the regions @table_bar and @pba_bar of BARs
 * already added or about to be; table_bar must be a container
 */
bool rh_pci_add_msix(RhPciDevice *dev, unsigned at, unsigned nr, RhRegion *table_region, unsigned table_bar,
                     uint32_t table_at, RhRegion *pba_region, unsigned pba_bar, uint32_t pba_at, GError **err);
/** rh_pci_add_msix_bar - as above, in a BAR of its own (memory, 32 bits) */
bool rh_pci_add_msix_bar(RhPciDevice *dev, unsigned at, unsigned nr, unsigned bar, GError **err);

/* --- while it runs --- */

/** rh_pci_set_irq - drive the device's INTx pin; nothing happens when it has none */
void rh_pci_set_irq(RhPciDevice *dev, int level);
/** rh_pci_msi_enabled / rh_pci_msix_enabled - what the guest chose */
bool rh_pci_msi_enabled(const RhPciDevice *dev);
bool rh_pci_msix_enabled(const RhPciDevice *dev);
/** rh_pci_notify - send message @vector by MSI-X or MSI, whichever is on; masked ones become pending. False: neither is on. */
bool rh_pci_notify(RhPciDevice *dev, unsigned vector);
/** rh_pci_interrupt - for devices with one interrupt: MSI (rising edge) when on, else the INTx pin */
void rh_pci_interrupt(RhPciDevice *dev, int level);
/** rh_pci_send_message - a memory write that means an interrupt, from @dev, past any mask */
void rh_pci_send_message(RhPciDevice *dev, uint64_t address, uint32_t data);
/**
 * rh_pci_bind_event - from now on, each signal of @event sends MSI-X message @vector: straight from the accelerator
 * while the vector is unmasked and the accelerator can, through the main loop otherwise. Fails only when the host is
 * out of resources. Without MSI-X: false and @err.
 */
bool rh_pci_bind_event(RhPciDevice *dev, unsigned vector, RhEvent *event, GError **err);
void rh_pci_unbind_event(RhPciDevice *dev, unsigned vector);
/** rh_pci_requester - bus/dev/fn of @dev as messages carry it */
uint16_t rh_pci_requester(const RhPciDevice *dev);

/* --- buses --- */

/** rh_pci_bus_new_root - root bus @name of @type (PCI or PCIE) for host bridge device @owner, number @number */
RhPciBus *rh_pci_bus_new_root(RhVm *vm, const char *type, RhDevice *owner, const char *name, uint8_t number,
                              RhRegion *memory, RhRegion *ports);
/** rh_pci_bus_set_irqs - root bus: @nr inputs of the host, @map from pins, @set for levels */
void rh_pci_bus_set_irqs(RhPciBus *bus, unsigned nr, RhPciIrqMap *map, RhPciIrqSet *set, void *opaque);
/** rh_pci_bus_remap_irqs - @map answers differently now: work out all levels again */
void rh_pci_bus_remap_irqs(RhPciBus *bus);
/** rh_pci_bus_number - as the guest has programmed it */
uint8_t rh_pci_bus_number(const RhPciBus *bus);
bool rh_pci_bus_is_express(const RhPciBus *bus);
/** rh_pci_bus_root - the root bus above */
RhPciBus *rh_pci_bus_root(RhPciBus *bus);
/** rh_pci_bus_secondary - the bus below a bridge device, or NULL for other devices */
RhPciBus *rh_pci_bus_secondary(const RhPciDevice *dev);
/** rh_pci_find_device - below root bus @root by the guest's bus number; NULL if nobody answers */
RhPciDevice *rh_pci_find_device(RhPciBus *root, uint8_t bus_number, uint8_t devfn);
/** rh_pci_bus_foreach - every device of @bus and the buses below it, parents first, by devfn */
void rh_pci_bus_foreach(RhPciBus *bus, void (*fn)(RhPciDevice *dev, void *opaque), void *opaque);

/** rh_pci_config_read/write - an access of 1, 2 or 4 bytes to the device's space, as the guest makes it; any @at */
uint32_t rh_pci_config_read(RhPciDevice *dev, unsigned at, unsigned len);
void rh_pci_config_write(RhPciDevice *dev, unsigned at, uint32_t value, unsigned len);

/** rh_pci_query - data of query-pci and "info pci": an array with one object per root bus; the caller owns it */
json_object *rh_pci_query(RhVm *vm);
/** rh_pci_dump - text of "info pci" */
void rh_pci_dump(RhVm *vm, GString *out);

#endif
