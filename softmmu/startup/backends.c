/*
 * What devices stand on: character devices, objects, block nodes; and the monitors.
 */
#include "accel/qtest.h"
#include "block/options.h"
#include "chardev/open.h"
#include "monitor/monitor.h"
#include "qapi-options.h"
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

static bool add_blockdev(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpBlockdevOptions) options = rh_option_read(arg->option, arg->json, arg->is_json, err);

    return options && rh_block_add_blockdev(opaque, options, err);
}

bool rh_startup_backends(RhStartup *startup, GError **err)
{
    return rh_args_each(startup->args, "chardev", add_chardev, startup->vm, err) &&
           rh_args_each(startup->args, "object", add_object, startup->vm, err) &&
           rh_args_each(startup->args, "blockdev", add_blockdev, startup->vm, err);
}

/* --- monitors --- */

static bool add_mon(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpMonitorOptions) options = rh_option_read(arg->option, arg->json, arg->is_json, err);

    return options && rh_monitor_open_options(opaque, options, err);
}

static bool add_qmp(const RhArg *arg, void *opaque, GError **err)
{
    return rh_monitor_open_qmp(opaque, arg->text, g_str_equal(arg->option->name, "qmp-pretty"), err);
}

static bool add_hmp(const RhArg *arg, void *opaque, GError **err)
{
    return rh_monitor_open_hmp(opaque, arg->text, err);
}

static bool add_qtest(const RhArg *arg, void *opaque, GError **err)
{
    RhStartup *startup = opaque;
    RhChardev *chr = rh_char_open_spec(startup->vm, "qtest", arg->text, false, err);

    return chr && rh_qtest_start(startup->vm, chr, rh_args_text(startup->args, "qtest-log"), err);
}

bool rh_startup_monitors(RhStartup *startup, GError **err)
{
    rh_monitor_init(startup->vm);
    return rh_args_each(startup->args, "qmp", add_qmp, startup->vm, err) &&
           rh_args_each(startup->args, "qmp-pretty", add_qmp, startup->vm, err) &&
           rh_args_each(startup->args, "monitor", add_hmp, startup->vm, err) &&
           rh_args_each(startup->args, "mon", add_mon, startup->vm, err) &&
           rh_args_each(startup->args, "qtest", add_qtest, startup, err);
}
