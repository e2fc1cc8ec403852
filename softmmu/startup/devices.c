/*
 * Devices of the command line: serial ports, debug consoles, -device; then the finished machine.
 */
#include "block/options.h"
#include "hw/nvram/fw_cfg.h"
#include "monitor/monitor.h"
#include "qapi-options.h"
#include "softmmu/startup/startup.h"

/* A device that a short option stands for: made as -device would, but the machine's own. */
static bool add_implied(RhVm *vm, const char *driver, const char *const *props, GError **err)
{
    const RhDeviceType *type = (const RhDeviceType *)rh_type_find(driver);
    RhBus *bus;

    if (!type) {
        return rh_fail(err, "this program was built without the device '%s'", driver);
    }
    bus = rh_bus_find_for(vm, type, err);
    return bus && rh_device_create(vm, NULL, NULL, driver, bus, props, err);
}

/* Ports of one kind, in the order of their options */
typedef struct PortCount {
    RhVm *vm;
    unsigned nr;
} PortCount;

static bool add_serial_spec(PortCount *count, const char *spec, GError **err)
{
    g_autofree char *id = g_strdup_printf("serial%u", count->nr);
    g_autofree char *index = g_strdup_printf("%u", count->nr);
    const char *props[] = { "chardev", id, "index", index, NULL };

    count->nr++;
    if (g_str_equal(spec, "none")) {
        return true;
    }
    if (count->nr > 4) {
        return rh_fail(err, "max isa serial ports (4) reached");
    }
    if (g_str_has_prefix(spec, "chardev:")) {
        props[1] = spec + strlen("chardev:");
    } else if (!rh_monitor_open_serial(count->vm, id, spec, err)) {
        return false;
    }
    return add_implied(count->vm, "isa-serial", props, err);
}

static bool add_serial(const RhArg *arg, void *opaque, GError **err)
{
    return add_serial_spec(opaque, arg->text, err);
}

static bool add_debugcon(const RhArg *arg, void *opaque, GError **err)
{
    RhVm *vm = opaque;
    const char *props[] = { "iobase", "0xe9", "chardev", "debugcon", NULL };

    return rh_monitor_open_serial(vm, "debugcon", arg->text, err) &&
           add_implied(vm, "isa-debugcon", props, err);
}

static bool add_device(const RhArg *arg, void *opaque, GError **err)
{
    return rh_device_add(opaque, arg->json, err);
}

/* -drive: the node now; if=virtio gets its device at once. */
static bool add_drive(const RhArg *arg, void *opaque, GError **err)
{
    RhVm *vm = opaque;
    RhDriveRequest request = { NULL };
    g_autofree char *id = NULL;

    if (!rh_block_add_drive(vm, arg->json, arg->is_json, &request, err)) {
        return false;
    }
    id = request.id;
    if (request.interface == QMP_BLOCK_INTERFACE_TYPE_VIRTIO) {
        bool has_pci = rh_bus_find_for(vm, (const RhDeviceType *)rh_type_find("virtio-blk-pci"), NULL);
        const char *props[] = { "drive", id, NULL };

        return add_implied(vm, has_pci ? "virtio-blk-pci" : "virtio-blk-device", props, err);
    }
    return true;
}

/* The card that a PC has unless it is told otherwise. */
static bool add_vga(RhStartup *startup, GError **err)
{
    RhMachine *machine = startup->machine;
    bool is_default = machine->vga == RH_VGA_DEFAULT;

    if (machine->vga == RH_VGA_OTHER) {
        return rh_fail(err, "-vga %s is not supported yet, must be std or none", rh_args_text(startup->args, "vga"));
    }
    if (machine->vga == RH_VGA_NONE || (is_default && !rh_bus_find(startup->vm, "pcie.0", NULL)) ||
        !rh_machine_type(machine)->default_cpu) {
        return true;
    }
    return add_implied(startup->vm, "VGA", NULL, err);
}

static bool refuse_images(const RhArgs *args, GError **err)
{
    if (!args->images->len) {
        return true;
    }
    rh_fail(err, "%s: a disk image as a plain argument is an IDE disk, which is not supported yet",
            (char *)args->images->pdata[0]);
    rh_hint(err, "Use -drive file=%s,format=raw,if=virtio instead.", (char *)args->images->pdata[0]);
    return false;
}

static bool refuse_unless_none(const RhArg *arg, void *opaque, GError **err)
{
    return g_str_equal(arg->text, "none") ||
           rh_fail(err, "networking is not supported yet; only 'none' is accepted");
}

static bool add_parallel(const RhArg *arg, void *opaque, GError **err)
{
    enum { MAX_PORTS = 3 };
    PortCount *count = opaque;
    g_autofree char *id = g_strdup_printf("parallel%u", count->nr);
    g_autofree char *index = g_strdup_printf("%u", count->nr);
    const char *props[] = { "chardev", id, "index", index, NULL };

    count->nr++;
    if (g_str_equal(arg->text, "none")) {
        return true;
    }
    if (count->nr > MAX_PORTS) {
        return rh_fail(err, "max parallel ports (%d) reached", MAX_PORTS);
    }
    if (g_str_has_prefix(arg->text, "chardev:")) {
        props[1] = arg->text + strlen("chardev:");
    } else if (!rh_monitor_open_serial(count->vm, id, arg->text, err)) {
        return false;
    }
    return add_implied(count->vm, "isa-parallel", props, err);
}

static bool add_fw_cfg(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpFwCfgOptions) item = rh_option_read(arg->option, arg->json, arg->is_json, err);
    RhFwCfg *fw = rh_fw_cfg_find(opaque);

    if (!item) {
        return false;
    }
    if (!item->name || !item->file + !item->string + !item->gen_id != 2) {
        return rh_fail(err, "name, plus exactly one of file, string and gen_id, are needed");
    }
    return (fw || rh_fail(err, "fw_cfg device not available")) &&
           rh_fw_cfg_add_user_item(fw, item->name, item->string, item->file, item->gen_id, err);
}

/* One hint where a user of a window would see nothing at all. */
static void hint_at_output(const RhStartup *startup)
{
    static const char *const shows[] = { "nographic", "serial", "display", "daemonize", "nodefaults", "qtest",
                                         "monitor", "qmp", "mon", "debugcon" };

    for (size_t i = 0; i < RH_COUNT(shows); i++) {
        if (rh_args_has(startup->args, shows[i])) {
            return;
        }
    }
    rh_startup_warn("there is no window yet; use -nographic or -serial stdio to see the guest's console");
}

static bool add_default_serial(RhStartup *startup, PortCount *count, GError **err)
{
    const RhArgs *args = startup->args;

    if (rh_args_has(args, "serial") || rh_args_has(args, "nodefaults") ||
        !rh_machine_type(startup->machine)->default_cpu) {
        return true;
    }
    return !rh_args_has(args, "nographic") ||
           add_serial_spec(count, rh_args_has(args, "monitor") ? "stdio" : "mon:stdio", err);
}

static void warn_unused_globals(const RhStartup *startup)
{
    for (guint i = 0; i < startup->vm->globals->len; i++) {
        const RhGlobal *global = startup->vm->globals->pdata[i];

        if (global->is_user && !global->was_used && !rh_type_find(global->type)) {
            rh_startup_warn("global %s.%s has invalid class name", global->type, global->prop);
        }
    }
}

bool rh_startup_devices(RhStartup *startup, GError **err)
{
    const RhArgs *args = startup->args;
    PortCount count = { .vm = startup->vm }, parallel_count = { .vm = startup->vm };

    if (!add_vga(startup, err) || !rh_args_each(args, "net", refuse_unless_none, NULL, err) ||
        !rh_args_each(args, "nic", refuse_unless_none, NULL, err) ||
        !rh_args_each(args, "parallel", add_parallel, &parallel_count, err) ||
        !rh_args_each(args, "fw_cfg", add_fw_cfg, startup->vm, err) ||
        !rh_args_each(args, "serial", add_serial, &count, err) || !add_default_serial(startup, &count, err) ||
        !rh_args_each(args, "debugcon", add_debugcon, startup->vm, err) || !refuse_images(args, err) ||
        !rh_args_each(args, "drive", add_drive, startup->vm, err) ||
        !rh_args_each(args, "device", add_device, startup->vm, err) ||
        !rh_machine_finish(startup->machine, err)) {
        return false;
    }
    warn_unused_globals(startup);
    hint_at_output(startup);
    return true;
}
