/*
 * RhVm: one virtual machine, the root of everything that a run of the program owns. There is one in
 * a process; tests make several in turn. Nothing else is global.
 *
 * Lock: fields marked const are set by rh_vm_new and never change; the rest belong to the machine lock.
 */
#ifndef RH_SOFTMMU_VM_H
#define RH_SOFTMMU_VM_H

#include "qom/object.h"
#include "util/clock.h"
#include "util/loop.h"
#include "util/notifier.h"
#include "util/thread.h"

typedef struct RhSpace RhSpace;
typedef struct RhRegion RhRegion;
typedef struct RhAccel RhAccel;
typedef struct RhEventSink RhEventSink;

struct RhVm {
    RhTree;                 /* const: root, "/" of the object tree */
    RhMutex lock;           /* const: the machine lock */
    RhLoop *loop;           /* const: the main loop */
    RhClock *clock;         /* const: guest (virtual) time: stops with the machine */
    RhSpace *memory;        /* const: what CPUs see at physical addresses */
    RhSpace *smm_memory;    /* ... in system management mode; NULL: the same. Set by the board before there are CPUs */
    RhSpace *ports;         /* const: the 64 KiB I/O ports */
    RhEventSink *events;    /* const: where QMP events go; never NULL (events vanish without a monitor) */
    RhAccel *accel;         /* set once at start-up, before the machine is made */
    GPtrArray *vcpus;       /* RhVcpu *, by index; grows with hotplug */
    GPtrArray *globals;     /* RhGlobal *: -global and the machine's compat table, in order of application */
    RhObject *machine;      /* "/machine"; NULL before it is made */
    struct RhRunState *run; /* softmmu/runstate.h */
    void **rooms;           /* rh_vm_room */
    GPtrArray *room_order;  /* indexes of rooms in order of making */
};

/** RhGlobal - a property value for every new object of a type or a type derived from it */
typedef struct RhGlobal {
    char *type;
    char *prop;
    char *value;
    bool is_user;           /* from -global: warn when it was never used */
    bool was_used;
} RhGlobal;

/** rh_vm_new - an empty machine: loop, clock, tree, two address spaces; NULL and @err if the host refuses */
RhVm *rh_vm_new(GError **err);
/** rh_vm_free - unparent everything, end every room; vCPU threads must have ended. Accepts NULL. */
void rh_vm_free(RhVm *vm);

/** rh_vm_add_global - for objects made from now on */
void rh_vm_add_global(RhVm *vm, const char *type, const char *prop, const char *value, bool is_user);
/** rh_vm_apply_globals - set the properties that globals name for @obj's type and its parents */
bool rh_vm_apply_globals(RhVm *vm, RhObject *obj, GError **err);

/**
 * RhRoom - state that a subsystem (block, chardev, monitor, ...) keeps for each machine. Made zero-filled
 * at first use, ended in reverse order of making. Declare with RH_ROOM.
 */
typedef struct RhRoom {
    const char *name;
    size_t size;
    void (*init)(RhVm *vm, void *room);
    void (*fini)(RhVm *vm, void *room);
} RhRoom;
#define RH_ROOM(ident, T, ...)                                                                     \
    static const RhRoom ident = { .size = sizeof(T), __VA_ARGS__ };                                \
    static const RhRoom *const ident##_entry RH_IN_SECTION(rh_rooms) = &ident

/** rh_vm_room - the room's state for @vm. Machine lock, or start-up. */
void *rh_vm_room(RhVm *vm, const RhRoom *room);

/** rh_vm_memory - what a CPU sees that is in system management mode, or is not */
static inline RhSpace *rh_vm_memory(const RhVm *vm, bool is_in_smm)
{
    return is_in_smm && vm->smm_memory ? vm->smm_memory : vm->memory;
}

/** RH_WITH_MACHINE_LOCK - run a block with the machine lock held */
#define RH_WITH_MACHINE_LOCK(vm) RH_WITH_LOCK(&(vm)->lock)

#endif
