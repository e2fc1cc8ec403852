/*
 * What devices stand on: character devices, objects, block nodes; and the monitors.
 */
#include "chardev/open.h"
#include "monitor/monitor.h"
#include "softmmu/startup/startup.h"
#include "util/json.h"

static bool add_chardev(const RhArg *arg, void *opaque, GError **err)
{
    return rh_char_open_options(opaque, arg->json, err);
}

static bool add_object(const RhArg *arg, void *opaque, GError **err)
{
    RhVm *vm = opaque;
    const char *type = rh_json_text(arg->json, "qom-type");
    const char *id = rh_json_text(arg->json, "id");
    g_autofree char *type_copy = g_strdup(type);
    g_autofree char *id_copy = g_strdup(id);

    if (!type || !id) {
        return rh_fail(err, "Parameter '%s' is missing", type ? "id" : "qom-type");
    }
    json_object_object_del(arg->json, "qom-type");
    json_object_object_del(arg->json, "id");
    return rh_object_create(vm->root, vm, type_copy, id_copy, arg->json, err);
}

bool rh_startup_backends(RhStartup *startup, GError **err)
{
    return rh_args_each(startup->args, "chardev", add_chardev, startup->vm, err) &&
           rh_args_each(startup->args, "object", add_object, startup->vm, err);
}

/* --- monitors --- */

static bool add_mon(const RhArg *arg, void *opaque, GError **err)
{
    return rh_monitor_add_options(opaque, arg->json, err);
}

/* -qmp DEV, -qmp-pretty DEV, -monitor DEV: a character device named after the option, and a monitor on it. */
static bool add_short(const RhArg *arg, void *opaque, GError **err)
{
    RhVm *vm = opaque;
    bool is_qmp = g_str_has_prefix(arg->option->name, "qmp");
    RhChardev *chr;

    if (g_str_equal(arg->text, "none")) {
        return true;
    }
    chr = rh_char_open_spec(vm, NULL, is_qmp ? "compat_monitor" : "monitor", arg->text, !is_qmp, err);
    return chr && rh_monitor_add(vm, chr, is_qmp ? RH_MONITOR_CONTROL : RH_MONITOR_READLINE,
                                 g_str_equal(arg->option->name, "qmp-pretty"), err);
}

bool rh_startup_monitors(RhStartup *startup, GError **err)
{
    static const char *const options[] = { "qmp", "qmp-pretty", "monitor" };

    for (size_t i = 0; i < RH_COUNT(options); i++) {
        if (!rh_args_each(startup->args, options[i], add_short, startup->vm, err)) {
            return false;
        }
    }
    return rh_args_each(startup->args, "mon", add_mon, startup->vm, err);
}
