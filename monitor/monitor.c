/*
 * The monitors of a machine, made from the options that ask for them.
 */
#include "monitor/monitor.h"
#include "chardev/open.h"
#include "monitor/private.h"

static void room_init(RhVm *vm, void *opaque)
{
    RhMonitorRoom *room = opaque;

    room->sink.emit = rh_monitor_emit;
    room->vm = vm;
    room->qmp = g_ptr_array_new_with_free_func((GDestroyNotify)rh_qmp_session_free);
    room->hmp = g_ptr_array_new_with_free_func((GDestroyNotify)rh_hmp_session_free);
    room->throttled = rh_monitor_throttled_new();
}

static void nobody_listens(RhEventSink *sink, const char *name, json_object *data)
{
    json_object_put(data);
}

static void room_fini(RhVm *vm, void *opaque)
{
    static RhEventSink nobody = { nobody_listens };
    RhMonitorRoom *room = opaque;

    if (room->is_active) {
        vm->events = &nobody;   /* rooms that end later may still have something to say */
    }
    g_hash_table_unref(room->throttled);
    g_ptr_array_unref(room->qmp);
    g_ptr_array_unref(room->hmp);
}

RH_ROOM(monitor_room, RhMonitorRoom, .name = "monitor", .init = room_init, .fini = room_fini);

RhMonitorRoom *rh_monitor_room(RhVm *vm)
{
    return rh_vm_room(vm, &monitor_room);
}

void rh_monitor_init(RhVm *vm)
{
    RhMonitorRoom *room = rh_monitor_room(vm);

    room->is_active = true;
    vm->events = &room->sink;
}

bool rh_monitor_open_options(RhVm *vm, const QmpMonitorOptions *options, GError **err)
{
    bool is_qmp = options->has_mode && options->mode == QMP_MONITOR_MODE_CONTROL;
    bool is_pretty = options->has_pretty && options->pretty;
    RhChardev *chr;

    if (!is_qmp && is_pretty) {
        return rh_fail(err, "'pretty' is not compatible with HMP monitors");
    }
    chr = rh_char_find(vm, options->chardev, NULL);
    if (!chr) {
        return rh_fail(err, "chardev \"%s\" not found", options->chardev);
    }
    return is_qmp ? rh_qmp_session_open(vm, chr, is_pretty, err) : rh_hmp_session_open(vm, chr, err);
}

/* The device of -qmp and -monitor, or NULL and @err. */
static RhChardev *open_compat(RhVm *vm, const char *spec, GError **err)
{
    RhMonitorRoom *room = rh_monitor_room(vm);
    g_autofree char *id = g_strdup_printf("compat_monitor%u", room->nr_compat);
    RhChardev *chr = rh_char_open_spec(vm, id, spec, true, err);

    room->nr_compat += chr != NULL;
    return chr;
}

bool rh_monitor_open_qmp(RhVm *vm, const char *spec, bool is_pretty, GError **err)
{
    if (strcmp(spec, "none") == 0) {
        return true;
    }
    RhChardev *chr = open_compat(vm, spec, err);

    return chr && rh_qmp_session_open(vm, chr, is_pretty, err);
}

bool rh_monitor_open_hmp(RhVm *vm, const char *spec, GError **err)
{
    if (strcmp(spec, "none") == 0) {
        return true;
    }
    RhChardev *chr = open_compat(vm, spec, err);

    return chr && rh_hmp_session_open(vm, chr, err);
}

RhChardev *rh_monitor_open_serial(RhVm *vm, const char *id, const char *spec, GError **err)
{
    RhChardev *chr = rh_char_open_spec(vm, id, spec, true, err);

    if (chr && g_str_has_prefix(spec, "mon:") && !rh_hmp_session_open(vm, chr, err)) {
        return NULL;
    }
    return chr;
}

int rh_monitor_take_fd(RhVm *vm, GError **err)
{
    RhQmpSession *session = rh_monitor_room(vm)->current;
    int fd = session ? rh_char_take_fd(rh_qmp_session_user(session)) : -1;

    if (fd < 0) {
        rh_fail(err, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd;
}
