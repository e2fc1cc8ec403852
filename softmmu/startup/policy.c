/*
 * What follows when the guest resets, ends, crashes or hangs.
 */
#include "qapi-commands.h"
#include "qapi-options.h"
#include "softmmu/runstate.h"
#include "softmmu/startup/startup.h"
#include "util/json.h"

static bool set_action(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpActionOptions) action = rh_option_read(arg->option, arg->json, arg->is_json, err);

    return action && qmp_set_action(opaque, action, err);
}

/* The older option, in the words of the newer. */
static bool set_watchdog_action(const RhArg *arg, void *opaque, GError **err)
{
    const RhOption *option = rh_option_find("action");
    g_autoptr(RhJson) json = json_object_new_object();
    g_autoptr(QmpActionOptions) action = NULL;

    json_object_object_add(json, "watchdog", json_object_new_string(arg->text));
    action = rh_option_read(option, json, false, err);
    return action && qmp_set_action(opaque, action, err);
}

bool rh_startup_policy(RhStartup *startup, GError **err)
{
    const RhArgs *args = startup->args;
    RhRunState *run = startup->vm->run;

    run->start_paused = rh_args_has(args, "S");
    if (rh_args_has(args, "no-reboot")) {
        run->on_reboot = QMP_REBOOT_ACTION_SHUTDOWN;
    }
    if (rh_args_has(args, "no-shutdown")) {
        run->on_shutdown = QMP_SHUTDOWN_ACTION_PAUSE;
    }
    return rh_args_each(args, "action", set_action, startup->vm, err) &&
           rh_args_each(args, "watchdog-action", set_watchdog_action, startup->vm, err);
}
