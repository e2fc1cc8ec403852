/*
 * What devices stand on: character devices, objects, block nodes; and the monitors.
 */
#include <fcntl.h>
#include <unistd.h>
#include "accel/qtest.h"
#include "block/options.h"
#include "chardev/open.h"
#include "monitor/monitor.h"
#include "qapi-options.h"
#include "softmmu/fds.h"
#include "softmmu/startup/startup.h"
#include "util/json.h"
#include "util/parse.h"

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

static bool add_fd(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpAddFdOptions) options = rh_option_read(arg->option, arg->json, arg->is_json, err);
    int fd;

    if (!options) {
        return false;
    }
    if (options->set < 0) {
        return rh_fail(err, "set is %" PRId64 ", must not be negative", options->set);
    }
    if (options->fd <= STDERR_FILENO || options->fd > INT_MAX) {
        return rh_fail(err, "fd cannot be used for standard I/O");
    }
    fd = fcntl((int)options->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        return rh_fail(err, "fd is not valid or already in use");
    }
    close((int)options->fd);
    rh_fdset_add(opaque, options->set, fd, options->opaque);
    return true;
}

/* The byte, as a number, that begins commands to a terminal shared with the monitor. */
static bool set_escape(const RhArg *arg, void *opaque, GError **err)
{
    uint64_t code;

    if (!rh_parse_u64(arg->text, UINT8_MAX, &code, NULL)) {
        return rh_fail(err, "Bad argument to echr, must be a number from 0 to 255");
    }
    rh_char_set_escape(opaque, (uint8_t)code);
    return true;
}

/* libvirt gives every machine a silent one; nothing can be connected to it yet. */
static bool check_audiodev(const RhArg *arg, void *opaque, GError **err)
{
    const char *driver = rh_json_text(arg->json, "driver");

    if (!driver || !rh_json_text(arg->json, "id")) {
        return rh_fail(err, "Parameter '%s' is missing", driver ? "id" : "driver");
    }
    return g_str_equal(driver, "none") ||
           rh_fail(err, "sound back-end '%s' is not supported yet; only 'none' is accepted", driver);
}

bool rh_startup_backends(RhStartup *startup, GError **err)
{
    return rh_args_each(startup->args, "add-fd", add_fd, startup->vm, err) &&
           rh_args_each(startup->args, "audiodev", check_audiodev, startup->vm, err) &&
           rh_args_each(startup->args, "echr", set_escape, startup->vm, err) &&
           rh_args_each(startup->args, "chardev", add_chardev, startup->vm, err) &&
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
