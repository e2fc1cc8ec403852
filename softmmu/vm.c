/*
 * One virtual machine: made empty, ended in the reverse order of everything that was added.
 */
#include "softmmu/vm.h"
#include "qapi/event.h"
#include "softmmu/runstate.h"
#include "softmmu/space.h"

extern const RhRoom *const __start_rh_rooms[], *const __stop_rh_rooms[];

enum { PORT_SPACE = 1 << 16 };

/* The roots of the two address spaces live as long as the machine. */
typedef struct VmRoom {
    RhRegion memory;
    RhRegion ports;
    RhEventSink no_monitor;
} VmRoom;

RH_ROOM(vm_room, VmRoom, .name = "vm");

static void drop_event(RhEventSink *sink, const char *name, json_object *data)
{
    json_object_put(data);
}

static void global_free(void *opaque)
{
    RhGlobal *global = opaque;

    g_free(global->type);
    g_free(global->prop);
    g_free(global->value);
    g_free(global);
}

RhVm *rh_vm_new(GError **err)
{
    RhLoop *loop = rh_loop_new_main(err);
    RhVm *vm;
    VmRoom *room;

    if (!loop) {
        return NULL;
    }
    vm = g_new0(RhVm, 1);
    rh_mutex_init(&vm->lock);
    vm->loop = loop;
    rh_loop_set_guard(loop, &vm->lock);
    vm->clock = rh_clock_new();
    rh_clock_set_running(vm->clock, false);
    vm->run = rh_run_state_new();
    vm->rooms = g_new0(void *, (size_t)(__stop_rh_rooms - __start_rh_rooms));
    vm->room_order = g_ptr_array_new();
    vm->vcpus = g_ptr_array_new();
    vm->globals = g_ptr_array_new_with_free_func(global_free);
    vm->root = rh_object_new_of(vm, rh_type_find("container"));
    room = rh_vm_room(vm, &vm_room);
    room->no_monitor.emit = drop_event;
    vm->events = &room->no_monitor;
    rh_region_init_container(&room->memory, vm, "system", UINT64_MAX);
    rh_region_init_container(&room->ports, vm, "io", PORT_SPACE);
    vm->memory = rh_space_new(vm, "memory", &room->memory);
    vm->ports = rh_space_new(vm, "I/O", &room->ports);
    rh_object_container(vm->root, "objects");
    rh_object_container(vm->root, "chardevs");
    return vm;
}

void rh_vm_free(RhVm *vm)
{
    VmRoom *room;

    if (!vm) {
        return;
    }
    room = rh_vm_room(vm, &vm_room);
    rh_rcu_drain();     /* devices removed lately still point here */
    rh_object_unref(vm->root);
    rh_space_free(vm->memory);
    rh_space_free(vm->ports);
    rh_region_fini(&room->memory);
    rh_region_fini(&room->ports);
    for (guint i = vm->room_order->len; i-- > 0;) {
        size_t index = GPOINTER_TO_SIZE(vm->room_order->pdata[i]);
        const RhRoom *desc = __start_rh_rooms[index];

        if (desc->fini) {
            desc->fini(vm, vm->rooms[index]);
        }
        g_free(vm->rooms[index]);
    }
    g_free(vm->rooms);
    g_ptr_array_unref(vm->room_order);
    g_ptr_array_unref(vm->vcpus);
    g_ptr_array_unref(vm->globals);
    g_free(vm->run);
    rh_clock_free(vm->clock);
    rh_loop_free(vm->loop);
    rh_mutex_fini(&vm->lock);
    g_free(vm);
}

static size_t room_index(const RhRoom *room)
{
    for (size_t i = 0; &__start_rh_rooms[i] < __stop_rh_rooms; i++) {
        if (__start_rh_rooms[i] == room) {
            return i;
        }
    }
    g_assert_not_reached();
}

void *rh_vm_room(RhVm *vm, const RhRoom *room)
{
    size_t index = room_index(room);

    if (!vm->rooms[index]) {
        vm->rooms[index] = g_malloc0(room->size);
        if (room->init) {
            room->init(vm, vm->rooms[index]);
        }
        /* After its init: a room that this one needed already is older, and ends later. */
        g_ptr_array_add(vm->room_order, GSIZE_TO_POINTER(index));
    }
    return vm->rooms[index];
}

void rh_vm_add_global(RhVm *vm, const char *type, const char *prop, const char *value, bool is_user)
{
    RhGlobal *global = g_new0(RhGlobal, 1);

    global->type = g_strdup(type);
    global->prop = g_strdup(prop);
    global->value = g_strdup(value);
    global->is_user = is_user;
    g_ptr_array_add(vm->globals, global);
}

bool rh_vm_apply_globals(RhVm *vm, RhObject *obj, GError **err)
{
    for (guint i = 0; i < vm->globals->len; i++) {
        RhGlobal *global = vm->globals->pdata[i];

        if (!rh_object_is(obj, global->type)) {
            continue;
        }
        global->was_used = true;
        if (!rh_object_set_str(obj, global->prop, global->value, err)) {
            g_prefix_error(err, "can't apply global %s.%s=%s: ", global->type, global->prop, global->value);
            return false;
        }
    }
    return true;
}
