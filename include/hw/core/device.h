/*
 * Devices and buses.
 *
 * A device type is one const description (RhDeviceType). Each level of inheritance may add
 * properties, regions, state, pins and hooks; hooks of all levels run, base first (unrealize:
 * derived first). A device's life: new -> properties set -> realize (claims what it needs; all or
 * nothing) -> reset -> runs -> unrealize -> gone. Regions of the tables are initialised before the
 * first realize hook and ended by the core after unrealize, and so is whatever was claimed with
 * rh_device_claim. Lock: the machine lock for everything here.
 */
#ifndef RH_HW_CORE_DEVICE_H
#define RH_HW_CORE_DEVICE_H

#include "hw/core/line.h"
#include "migration/vmstate.h"
#include "qom/object.h"
#include "softmmu/space.h"
#include "util/log.h"

typedef struct RhBus RhBus;
typedef struct RhDeviceType RhDeviceType;
typedef struct RhBusType RhBusType;

#define RH_TYPE_DEVICE "device"
#define RH_TYPE_BUS    "bus"

/** RhRegionDesc - an I/O region inside the instance; make rows with RH_REGION */
typedef struct RhRegionDesc {
    const char *name;
    size_t offset;              /* of the RhRegion in the instance */
    uint64_t span;              /* bytes; realize may change it with rh_region_set_size before mapping */
    RhRegionOps;                /* read, write, sizes, valid, is_unaligned_ok */
    RhLockDomain domain;
    size_t lock_offset;         /* RH_LOCK_OWN: of the RhMutex in the instance */
} RhRegionDesc;
#define RH_REGION(T, m, ...) { .name = #m, .offset = offsetof(T, m), __VA_ARGS__ }

/** RhPinDesc - a group of input pins; the function gets the device as its opaque */
typedef struct RhPinDesc {
    const char *name;           /* NULL: the unnamed group */
    unsigned nr;
    void (*set)(RhDevice *dev, unsigned pin, int level);
} RhPinDesc;

/** RhLineDesc - named output lines inside the instance, so that tests can intercept them; nr 0 means 1 */
typedef struct RhLineDesc {
    const char *name;
    size_t offset;              /* of the (first) RhLine */
    unsigned nr;
} RhLineDesc;

struct RhDeviceType {
    RhType;
    const char *bus;            /* bus type it plugs into; NULL: none (board device); inherited */
    const char *category;       /* for -device help: "Storage", "Network", ...; inherited; NULL: "Misc" */
    bool is_internal;           /* -device refuses it: a part of a board or of another device */
    bool is_hotpluggable;       /* device_add / device_del while running, if its bus allows; inherited */
    struct { const RhRegionDesc *rows; size_t nr; } regions;
    struct { const RhPinDesc *rows; size_t nr; } pins;
    struct { const RhLineDesc *rows; size_t nr; } lines;
    RhState state;              /* .version 0: this level has no state */
    bool (*realize)(RhDevice *dev, GError **err);
    void (*unrealize)(RhDevice *dev);   /* only what the core cannot know */
    void (*reset)(RhDevice *dev);       /* after at_reset was copied; for what the table cannot say */
    bool (*check)(RhDevice *dev, GError **err); /* after load: refuse state that is no state */
    void (*settle)(RhDevice *dev);      /* derive lines, mappings, timers from the state; after reset, load, realize */
    void (*saving)(RhDevice *dev);      /* before save: fetch state kept elsewhere (kernel, timers) into the struct */
    /* Hot-unplug asked for: begin asking the guest; false + @err if impossible. NULL: removed at once */
    bool (*request_unplug)(RhDevice *dev, GError **err);
};

struct RhDevice {
    RhObject obj;
    RhBus *bus;                 /* plugged into; NULL: none */
    char *id;                   /* the user's id, or NULL */
    GPtrArray *buses;           /* RhBus * that it provides; children of obj */
    GArray *claims;             /* private: undone in reverse */
    bool is_realized;
    bool is_busy;               /* one of its region callbacks is running */
    bool is_hotplugged;
    bool is_unplug_pending;
    RhPinFn *intercept_in;      /* qtest: sees the input pins instead of the device */
    void *intercept_opaque;
};

/** RH_DEVICE - declare device type of instance struct T; name the slots of RhDeviceType */
#define RH_DEVICE(T, ...) RH_DEVICE_NAMED(T, T, __VA_ARGS__)
/** RH_DEVICE_NAMED - several types of one struct (model variants): @ident must be unique in the file */
#define RH_DEVICE_NAMED(ident, T, ...)                                                             \
    static const RhDeviceType ident##_type = { .size = sizeof(T), __VA_ARGS__ };                   \
    RH_TYPE_ENTRY(ident##_type)

struct RhBusType {
    RhType;
    unsigned max_devices;       /* 0: no limit */
    /* Check and complete a device's address before its realize; it is not yet in bus->devices. */
    bool (*plug)(RhBus *bus, RhDevice *dev, GError **err);
    void (*unplug)(RhBus *bus, RhDevice *dev);
    /* Address text for info qtree, error messages and boot order: "addr=02.0"; g_free it. May be NULL. */
    char *(*describe)(RhBus *bus, RhDevice *dev);
    /* One component of the firmware device path ("scsi@3,1"); g_free it. May be NULL */
    char *(*fw_path)(RhBus *bus, RhDevice *dev);
};

struct RhBus {
    RhObject obj;
    RhDevice *owner;            /* that provides it; NULL for the machine's own */
    GPtrArray *devices;         /* plugged, realized or being realized; not owned */
    bool allows_hotplug;
};
#define RH_BUS(T, ...)                                                                             \
    static const RhBusType T##_type = { .size = sizeof(T), __VA_ARGS__ };                          \
    RH_TYPE_ENTRY(T##_type)

static inline const RhDeviceType *rh_device_type(const RhDevice *dev)
{
    return (const RhDeviceType *)dev->obj.type;
}
static inline RhVm *rh_device_vm(const RhDevice *dev)
{
    return dev->obj.vm;
}

/**
 * rh_device_new - a device of @type_name with globals applied, not yet in the tree; properties may be set
 * until rh_device_realize. NULL and @err when the type is unknown, abstract, or no device.
 */
RhDevice *rh_device_new(RhVm *vm, const char *type_name, GError **err);

/**
 * rh_device_realize - plug into @bus (NULL: none), run the realize hooks, reset if the machine is up. On failure nothing
 * is left claimed or plugged. The device must have a parent in the tree (rh_device_own) by then.
 */
bool rh_device_realize(RhDevice *dev, RhBus *bus, GError **err);
/** rh_device_unrealize - the reverse; the device stays in the tree. No effect when it is not realized. */
void rh_device_unrealize(RhDevice *dev);
/** rh_device_remove - unrealize, take out of the tree, free after the current RCU readers are done */
void rh_device_remove(RhDevice *dev);

/**
 * rh_device_create - for boards and composite devices: new + own + set + realize. @parent NULL: /machine/unattached.
 * @props: NULL-terminated name, value string pairs, may be NULL. Returns the device (owned by the tree) or NULL.
 */
RhDevice *rh_device_create(RhVm *vm, RhObject *parent, const char *child_name, const char *type_name, RhBus *bus,
                           const char *const *props, GError **err);
/** rh_device_own - put @dev under @parent (NULL: /machine/unattached) and drop the caller's reference */
bool rh_device_own(RhDevice *dev, RhObject *parent, const char *child_name, GError **err);

/** rh_device_claim - @release(dev, arg) is called at unrealize or failed realize, in reverse order of claims */
void rh_device_claim(RhDevice *dev, void (*release)(RhDevice *dev, void *arg), void *arg);

/** rh_device_reset - @dev and everything on its buses: all reset hooks, then all settle hooks */
void rh_device_reset(RhDevice *dev);
/** rh_device_settle_all - run the settle hooks of @dev alone, base first (after load) */
void rh_device_settle_all(RhDevice *dev);

/** rh_device_save/load - all levels' state of one device, in order of inheritance */
void rh_device_save(RhDevice *dev, GByteArray *out);
bool rh_device_load(RhDevice *dev, const uint8_t *data, size_t len, size_t *pos, GError **err);

/** rh_bus_new - provided by @owner (or by the machine when NULL) under that name; NULL name: numbered after the type's rule */
RhBus *rh_bus_new(RhVm *vm, const char *type_name, RhDevice *owner, const char *name);
/** rh_bus_find - by path or name ("pcie.0", "/machine/q35/pcie.0"); NULL and @err (class GenericError: "Bus 'x' not found") */
RhBus *rh_bus_find(RhVm *vm, const char *name, GError **err);
/** rh_bus_find_for - first bus, depth first, that takes @type and has room; NULL and @err naming the bus type that is missing */
RhBus *rh_bus_find_for(RhVm *vm, const RhDeviceType *type, GError **err);

/** rh_pin_set - drive input @pin of group @name; used by lines and by qtest's set_irq_in */
void rh_pin_set(RhDevice *dev, const char *name, unsigned pin, int level);
const RhPinDesc *rh_device_find_pins(const RhDevice *dev, const char *name);
/** rh_device_find_line - output line @nr of the group @name (NULL: the unnamed one) of the tables, for boards to connect; or NULL */
RhLine *rh_device_find_line(RhDevice *dev, const char *name, unsigned nr);
/** rh_device_intercept_in - @fn sees every change of @dev's input pins instead of the device; for qtest */
void rh_device_intercept_in(RhDevice *dev, RhPinFn *fn, void *opaque);
/** rh_device_intercept_out - @fn sees the output lines named @name (NULL: all groups) of @dev; for qtest */
void rh_device_intercept_out(RhDevice *dev, const char *name, RhPinFn *fn, void *opaque);

/** rh_guest_error - the guest did what the hardware's documentation forbids; logged with -d guest_errors, rate-limited */
void rh_guest_error(RhDevice *dev, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** rh_device_add - what -device and device_add do: @args has driver, and maybe bus, id, and properties. Returns the device or NULL. */
RhDevice *rh_device_add(RhVm *vm, json_object *args, GError **err);
/** rh_device_del - what device_del does: unplug by id or path; may end later with event DEVICE_DELETED */
bool rh_device_del(RhVm *vm, const char *id, GError **err);
/** rh_device_unplugged - the guest let go (or needs not be asked): remove @dev and send DEVICE_DELETED */
void rh_device_unplugged(RhDevice *dev);
/** rh_device_find - the device of that id or path; NULL and @err (DeviceNotFound: "Device 'x' not found") */
RhDevice *rh_device_find(RhVm *vm, const char *id, GError **err);

#endif
