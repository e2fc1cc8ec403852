/*
 * Machine types and the machine object (/machine).
 *
 * A machine type is one const description, declared with RH_MACHINE under the name users know plus
 * "-machine". Start-up makes the object, sets the properties that -machine gives (and -smp, -m,
 * -kernel ...: they are properties, too), and calls rh_machine_build; the type's build hook makes the
 * board. What differs between versions of a board stands in the type's compat table.
 */
#ifndef RH_HW_CORE_MACHINE_H
#define RH_HW_CORE_MACHINE_H

#include "hw/core/device.h"
#include "softmmu/accel.h"
#include "target/i386/topology.h"

#define RH_TYPE_MACHINE "machine"
#define RH_MACHINE_SUFFIX "-machine"

typedef struct RhMachine RhMachine;
typedef struct RhNuma RhNuma;               /* hw/core/numa.h */

/** RhMachineCompat - a property that this version of the board sets for all objects of a type */
typedef struct RhMachineCompat {
    const char *type;
    const char *prop;
    const char *value;
} RhMachineCompat;

/** RhMachineType - one board, in one version */
typedef struct RhMachineType {
    RhType;
    const char *alias;              /* "q35", or NULL */
    bool is_default;                /* taken when the command line names none */
    const char *default_cpu;        /* CPU type name; NULL: the machine has no CPUs */
    unsigned max_cpus;
    uint64_t default_ram_size;
    const char *default_ram_id;     /* of the RAM block and of memory-backend=; NULL: no RAM */
    bool has_hotpluggable_cpus;
    bool has_device_tree;           /* takes dtb=, dumpdtb=, dt-compatible= and phandle-start= */
    struct { const RhMachineCompat *rows; size_t nr; } compat;
    /* Memory that this board cannot take: false and @err; may be NULL */
    bool (*check)(RhMachine *machine, GError **err);
    /* Make the board: RAM, CPUs, buses, devices. start-up, machine lock. */
    bool (*build)(RhMachine *machine, GError **err);
    /* All devices of the command line exist: firmware tables, boot images, resources. May be NULL */
    bool (*finish)(RhMachine *machine, GError **err);
} RhMachineType;

#define RH_MACHINE(T, ...) RH_MACHINE_NAMED(T, T, __VA_ARGS__)
#define RH_MACHINE_NAMED(ident, T, ...)                                                            \
    static const RhMachineType ident##_type = { .size = sizeof(T), __VA_ARGS__ };                  \
    RH_TYPE_ENTRY(ident##_type)

/** RhMachineBoot - -boot */
typedef struct RhMachineBoot {
    char *order;                    /* "cad" and so on; NULL: the board's */
    char *once;
    bool has_menu;
    bool menu;
    bool strict;
    char *splash;
    int64_t splash_time_ms;         /* -1: not given */
    int64_t reboot_timeout_ms;      /* -1: never */
} RhMachineBoot;

struct RhMachine {
    RhObject obj;
    /* set by start-up before the build hook */
    RhSmp smp;                      /* -smp as given, until rh_machine_complete_smp */
    bool is_smp_complete;
    uint64_t ram_size;              /* 0: the type's default */
    uint64_t maxram_size;           /* -m maxmem=; 0: ram_size */
    unsigned ram_slots;
    RhRam *ram;                     /* NULL: rh_machine_build allocates anonymous memory; a reference. With nodes: the first bank */
    RhNuma *numa;                   /* NULL: no nodes */
    char *cpu_type;                 /* QOM type of the CPUs; NULL: the type's default */
    json_object *cpu_props;         /* -cpu's features and properties, an object; NULL: none */
    RhMachineBoot boot;
    json_object *smbios;            /* array of -smbios options; NULL: none */
    GPtrArray *firmware_dirs;       /* char *: where -bios and option ROMs are looked for, in order; NULL: the usual ones */
    bool has_graphics;
    bool no_defaults;               /* -nodefaults */
    int vga;                        /* RhMachineVga */
    char *rtc_base;                 /* -rtc base=; NULL: utc */
    int rtc_clock;                  /* -rtc clock=, a RhRtcClock: host, rt, vm */
    char *uuid;                     /* -uuid, canonical text; NULL: none */
    char *name;                     /* -name guest=; NULL: none */

    char *kernel;                   /* properties */
    char *initrd;
    char *append;
    char *dtb;
    char *dumpdtb;
    char *dt_compatible;
    char *firmware;                 /* -bios too */
    char *memory_encryption;
    char *memory_backend;           /* id of an object; looked up by start-up, which sets ram */
    bool usb;
    bool dump_guest_core;
    bool mem_merge;
    bool suppress_vmdesc;
    uint32_t phandle_start;
};

typedef enum RhMachineVga { RH_VGA_DEFAULT, RH_VGA_NONE, RH_VGA_STD, RH_VGA_OTHER } RhMachineVga;

static inline const RhMachineType *rh_machine_type(const RhMachine *machine)
{
    return (const RhMachineType *)machine->obj.type;
}

/** rh_machine_find_type - by name ("pc-q35-7.2", "pc-q35-7.2-machine") or alias; NULL and @err if there is none */
const RhMachineType *rh_machine_find_type(const char *name, GError **err);
/** rh_machine_default_type - the type that is taken when none is named; NULL only in a build without boards */
const RhMachineType *rh_machine_default_type(void);
/** rh_machine_type_name - the type's name without "-machine"; g_free it */
char *rh_machine_type_name(const RhMachineType *type);
/** rh_machine_type_foreach - all concrete types, by name */
void rh_machine_type_foreach(void (*fn)(const RhMachineType *type, void *opaque), void *opaque);
/** rh_machine_help - text of -machine help */
void rh_machine_help(GString *out);

/** rh_machine_new - the object, in the tree as /machine and vm->machine, compat globals entered; NULL and @err */
RhMachine *rh_machine_new(RhVm *vm, const RhMachineType *type, GError **err);
/** rh_machine_of - the machine of @vm, or NULL before it is made */
RhMachine *rh_machine_of(RhVm *vm);
/** rh_machine_complete_smp - check -smp and fill in what it leaves open; before anything that counts CPUs, once */
bool rh_machine_complete_smp(RhMachine *machine, GError **err);
/** rh_machine_build - complete RAM and SMP, check, and run the build hook */
bool rh_machine_build(RhMachine *machine, GError **err);
/** rh_machine_finish - after the command line's devices: the finish hook, then the first reset of everything */
bool rh_machine_finish(RhMachine *machine, GError **err);
/** rh_machine_end - unrealize every device, the last made first; before rh_vm_free, with vCPUs paused or none */
void rh_machine_end(RhVm *vm);
/** rh_machine_path - a file of firmware: as given, else in the firmware directories; NULL and @err. g_free it. */
char *rh_machine_path(RhMachine *machine, const char *name, GError **err);
/** rh_machine_vm */
static inline RhVm *rh_machine_vm(const RhMachine *machine)
{
    return machine->obj.vm;
}

#endif
