/*
 * The accelerator and the machine.
 */
#include "hw/core/numa.h"
#include "qapi-options.h"
#include "qapi-types.h"
#include "softmmu/ident.h"
#include "softmmu/memory-backend.h"
#include "softmmu/startup/startup.h"
#include "target/i386/cpu.h"
#include "util/json.h"
#include "util/parse.h"

/* --- accelerator --- */

typedef struct AccelList {
    GPtrArray *names;       /* char * */
    GPtrArray *props;       /* json_object *, NULL for none */
} AccelList;

static bool add_accel(const RhArg *arg, void *opaque, GError **err)
{
    AccelList *list = opaque;
    const char *name = rh_json_text(arg->json, "accel");
    json_object *props = json_object_get(arg->json);

    if (!name) {
        return rh_fail(err, "Parameter 'accel' is missing");
    }
    g_ptr_array_add(list->names, g_strdup(name));
    json_object_object_del(props, "accel");
    g_ptr_array_add(list->props, props);
    return true;
}

static void add_plain(AccelList *list, const char *names)
{
    g_auto(GStrv) parts = g_strsplit(names, ":", -1);

    for (char **name = parts; *name; name++) {
        g_ptr_array_add(list->names, g_strdup(*name));
        g_ptr_array_add(list->props, NULL);
    }
}

/* "-machine kernel-irqchip=" is the accelerator's property under an older name. */
static void hand_irqchip_on(RhVm *vm, json_object *machine)
{
    const char *kind = machine ? rh_json_text(machine, "kernel_irqchip") : NULL;

    kind = kind || !machine ? kind : rh_json_text(machine, "kernel-irqchip");
    if (kind) {
        rh_vm_add_global(vm, RH_ACCEL_NAME("kvm"), "kernel-irqchip", kind, false);
    }
}

static bool open_accel(RhStartup *startup, json_object *machine, bool needs_cpus, GError **err)
{
    AccelList list = { g_ptr_array_new_with_free_func(g_free), g_ptr_array_new() };
    const char *of_machine = machine ? rh_json_text(machine, "accel") : NULL;
    g_autoptr(GError) reason = NULL;
    bool good;

    hand_irqchip_on(startup->vm, machine);
    if (!rh_args_each(startup->args, "accel", add_accel, &list, err)) {
        return false;
    }
    if (list.names->len && of_machine) {
        return rh_fail(err, "The -accel and \"-machine accel=\" options are incompatible");
    }
    if (rh_args_has(startup->args, "enable-kvm")) {
        add_plain(&list, "kvm");
    } else if (of_machine) {
        add_plain(&list, of_machine);
    } else if (!list.names->len) {
        add_plain(&list, "kvm:tcg");
    }
    g_ptr_array_add(list.names, NULL);
    good = rh_accel_open(startup->vm, (const char *const *)list.names->pdata,
                         (json_object *const *)list.props->pdata, &reason);
    /* A machine without CPUs serves clients that only ask what there is, whatever the host can run. */
    if (!good && needs_cpus) {
        g_propagate_error(err, g_steal_pointer(&reason));
    }
    g_ptr_array_unref(list.names);
    g_ptr_array_unref(list.props);
    return good || !needs_cpus;
}

/* --- numbers of the machine --- */

static bool set_smp(RhMachine *machine, const RhArgs *args, GError **err)
{
    g_autoptr(QmpSMPConfiguration) smp = NULL;
    RhSmp *to = &machine->smp;

    if (!rh_args_struct(args, "smp", (void **)&smp, err) || !smp) {
        return !err || !*err;
    }
#define TAKE(from, member, flag)                                                                   \
    if (smp->has_##from) {                                                                         \
        if (smp->from < 0 || smp->from > UINT16_MAX) {                                             \
            return rh_fail(err, "-smp: " #from " is %" PRId64 ", must be 1 to 65535", smp->from);  \
        }                                                                                          \
        to->member = (unsigned)smp->from;                                                          \
        to->flag = true;                                                                           \
    }
    TAKE(cpus, cpus, has_cpus)
    TAKE(maxcpus, max_cpus, has_max_cpus)
    TAKE(sockets, topo.sockets, has_sockets)
    TAKE(dies, topo.dies, has_dies)
    TAKE(clusters, clusters, has_clusters)
    TAKE(cores, topo.cores, has_cores)
    TAKE(threads, topo.threads, has_threads)
#undef TAKE
    return true;
}

static bool set_memory(RhMachine *machine, const RhArgs *args, GError **err)
{
    g_autoptr(QmpMemoryOptions) memory = NULL;

    if (!rh_args_struct(args, "m", (void **)&memory, err)) {
        return false;
    }
    if (memory && memory->size && !rh_parse_size(memory->size, 'M', &machine->ram_size, err)) {
        g_prefix_error(err, "-m %s: ", memory->size);
        return false;
    }
    if (memory) {
        machine->maxram_size = memory->has_maxmem ? memory->maxmem : 0;
        machine->ram_slots = memory->has_slots ? (unsigned)MIN(memory->slots, 256) : 0;
        if (machine->maxram_size && machine->maxram_size < machine->ram_size) {
            return rh_fail(err, "invalid value of maxmem: maximum memory size (0x%" PRIx64
                           ") must be at least the initial memory size (0x%" PRIx64 ")",
                           machine->maxram_size, machine->ram_size);
        }
    }
    return true;
}

static bool set_boot(RhMachine *machine, const RhArgs *args, GError **err)
{
    g_autoptr(QmpBootConfiguration) boot = NULL;
    RhMachineBoot *to = &machine->boot;

    to->splash_time_ms = -1;
    to->reboot_timeout_ms = -1;
    if (!rh_args_struct(args, "boot", (void **)&boot, err) || !boot) {
        return !err || !*err;
    }
    for (const char *c = boot->order ? boot->order : ""; *c; c++) {
        if (!strchr("abcdn", *c) || strchr(c + 1, *c)) {
            return rh_fail(err, strchr("abcdn", *c) ? "Boot device '%c' was given twice"
                                                    : "Invalid boot device '%c', must be one of a, b, c, d, n", *c);
        }
    }
    to->order = g_strdup(boot->order);
    to->once = g_strdup(boot->once);
    to->has_menu = boot->has_menu;
    to->menu = boot->menu;
    to->strict = boot->strict;
    to->splash = g_strdup(boot->splash);
    to->splash_time_ms = boot->has_splash_time ? boot->splash_time : -1;
    to->reboot_timeout_ms = boot->has_reboot_timeout ? boot->reboot_timeout : -1;
    return true;
}

static bool set_cpu(RhStartup *startup, GError **err)
{
    const char *text = rh_args_text(startup->args, "cpu");
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *type = NULL;

    if (!text || !rh_machine_type(startup->machine)->default_cpu) {
        return true;
    }
    if (!rh_x86_cpu_add_globals(startup->vm, text, &type, warnings, err)) {
        return false;
    }
    for (guint i = 0; i < warnings->len; i++) {
        rh_startup_warn("%s", (char *)warnings->pdata[i]);
    }
    g_free(startup->machine->cpu_type);
    startup->machine->cpu_type = g_steal_pointer(&type);
    return true;
}

/* --- properties --- */

static bool add_global(const RhArg *arg, void *opaque, GError **err)
{
    RhVm *vm = opaque;
    const char *equals = strchr(arg->text, '=');
    g_autofree char *key = NULL;
    char *dot;

    if (!equals) {
        return rh_fail(err, "expected driver.property=value");
    }
    key = g_strndup(arg->text, (size_t)(equals - arg->text));
    dot = strrchr(key, '.');
    if (!dot) {
        return rh_fail(err, "expected driver.property=value");
    }
    *dot = '\0';
    rh_vm_add_global(vm, key, dot + 1, equals + 1, true);
    return true;
}

/* -kernel and its kin are properties of the machine under other names. */
static bool check_kernel(RhMachine *machine, const RhArgs *args, GError **err)
{
    static const char *const needing[] = { "initrd", "append" };

    if (rh_args_has(args, "kernel") && !rh_machine_type(machine)->default_cpu) {
        return rh_fail(err, "The -kernel parameter is not supported: the machine has no processors");
    }
    for (size_t i = 0; i < RH_COUNT(needing); i++) {
        if (rh_args_has(args, needing[i]) && !machine->kernel) {
            return rh_fail(err, "-%s only allowed with -kernel option", needing[i]);
        }
    }
    return true;
}

static bool set_shorthands(RhMachine *machine, const RhArgs *args, GError **err)
{
    static const struct { const char *option, *prop; } rows[] = {
        { "kernel", "kernel" }, { "initrd", "initrd" }, { "append", "append" }, { "dtb", "dtb" },
        { "bios", "firmware" },
    };

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        const char *text = rh_args_text(args, rows[i].option);

        if (text && !rh_object_set_str(&machine->obj, rows[i].prop, text, err)) {
            return false;
        }
    }
    if (rh_args_has(args, "no-acpi") && !rh_object_set_str(&machine->obj, "acpi", "off", err)) {
        return false;
    }
    return !rh_args_has(args, "no-hpet") || rh_object_set_str(&machine->obj, "hpet", "off", err);
}

static bool set_props(RhMachine *machine, json_object *props, GError **err)
{
    json_object_object_foreach(props, key, value)
    {
        bool is_ours = g_str_equal(key, "type") || g_str_equal(key, "accel") || g_str_equal(key, "kernel_irqchip") ||
                       g_str_equal(key, "kernel-irqchip");
        g_autofree char *dashed = g_strdelimit(g_strdup(key), "_", '-');
        const char *name = rh_type_find_prop(machine->obj.type, key) ? key : dashed;

        if (!is_ours && !rh_object_set(&machine->obj, name, value, err)) {
            g_prefix_error(err, "-machine %s: ", key);
            return false;
        }
    }
    return true;
}

static bool set_ram(RhStartup *startup, GError **err)
{
    RhMachine *machine = startup->machine;
    const char *path = rh_args_text(startup->args, "mem-path");
    RhRamOptions options = { .path = path, .prealloc = rh_args_has(startup->args, "mem-prealloc") };
    uint64_t size;

    if (machine->memory_backend && machine->memory_backend[0]) {
        machine->ram = rh_memory_backend_ram(startup->vm, machine->memory_backend, err);
        if (!machine->ram) {
            return false;
        }
        if (machine->ram_size && machine->ram_size != machine->ram->size) {
            return rh_fail(err, "Size specified by -m option must match size of explicitly specified "
                           "'memory-backend' property");
        }
        machine->ram_size = machine->ram->size;
        return true;
    }
    if (!path && !options.prealloc) {
        return true;        /* the machine allocates */
    }
    size = machine->ram_size ? machine->ram_size : rh_machine_type(machine)->default_ram_size;
    machine->ram = rh_ram_new(rh_machine_type(machine)->default_ram_id, size, &options, err);
    return machine->ram;
}

static bool add_numa(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpNumaOptions) option = rh_option_read(arg->option, arg->json, arg->is_json, err);

    return option && rh_numa_add(opaque, option, err);
}

static bool set_numa(RhStartup *startup, GError **err)
{
    RhMachine *machine = startup->machine;

    return rh_machine_complete_smp(machine, err) &&
           rh_args_each(startup->args, "numa", add_numa, machine, err) && rh_numa_complete(machine, err);
}

static bool collect_dir(const RhArg *arg, void *opaque, GError **err)
{
    g_ptr_array_add(opaque, g_strdup(arg->text));
    return true;
}

static bool collect_smbios(const RhArg *arg, void *opaque, GError **err)
{
    json_object_array_add(opaque, json_object_get(arg->json));
    return true;
}

static bool set_identity(RhMachine *machine, const RhArgs *args, GError **err)
{
    RhVm *vm = rh_machine_vm(machine);
    g_autoptr(QmpNameOptions) name = NULL;
    const char *uuid = rh_args_text(args, "uuid");
    RhUuid parsed;

    if (!rh_args_struct(args, "name", (void **)&name, err)) {
        return false;
    }
    machine->name = name ? g_strdup(name->guest) : NULL;
    rh_ident_set_name(vm, machine->name);
    if (uuid) {
        char text[RH_UUID_TEXT_SIZE];

        if (!rh_parse_uuid(uuid, &parsed, err)) {
            g_prefix_error(err, "-uuid %s: ", uuid);
            return false;
        }
        rh_uuid_format(&parsed, text);
        machine->uuid = g_strdup(text);
        rh_ident_set_uuid(vm, &parsed);
    }
    return true;
}

/* Only "none" shows a picture as well as it does on the program whose place this takes. */
static bool check_display(const RhArg *arg, void *opaque, GError **err)
{
    static const char *const known[] = { "cocoa", "curses", "dbus", "default", "egl-headless", "gtk", "sdl",
                                         "spice-app", "vnc", NULL };
    const char *type = rh_json_text(arg->json, "type");

    if (type && g_str_equal(type, "none")) {
        return true;
    }
    return type && g_strv_contains(known, type)
               ? rh_fail(err, "display '%s' is not supported yet; only 'none' is accepted", type)
               : rh_fail(err, "Parameter 'type' does not accept value '%s'", type ? type : "");
}

/* No display here turns characters into keys, so the name of a layout is all there is to check. */
static bool check_layout(const RhArgs *args, GError **err)
{
    static const char *const layouts[] = {
        "ar", "bepo", "cz", "da", "de", "de-ch", "en-gb", "en-us", "es", "et", "fi", "fo", "fr", "fr-be", "fr-ca",
        "fr-ch", "hr", "hu", "is", "it", "ja", "lt", "lv", "mk", "nl", "no", "pl", "pt", "pt-br", "ru", "sl", "sv",
        "th", "tr", NULL
    };
    const char *layout = rh_args_text(args, "k");

    return !layout || g_strv_contains(layouts, layout) || rh_fail(err, "could not read keymap file: '%s'", layout);
}

static bool check_vga(const char *vga, GError **err)
{
    static const char *const known[] = { "none", "std", NULL };
    static const char *const later[] = { "cirrus", "qxl", "virtio", "vmware", NULL };

    if (g_strv_contains(later, vga)) {
        return rh_fail(err, "-vga %s is not supported yet; std and none are accepted", vga);
    }
    return g_strv_contains(known, vga) || rh_fail(err, "unknown vga type: %s, must be std or none", vga);
}

static bool set_display(RhMachine *machine, const RhArgs *args, GError **err)
{
    const char *vga = rh_args_text(args, "vga");

    if (!check_layout(args, err) || (vga && !check_vga(vga, err)) || !rh_args_each(args, "display", check_display, NULL, err)) {
        return false;
    }

    machine->no_defaults = rh_args_has(args, "nodefaults");
    machine->has_graphics = !rh_args_has(args, "nographic");
    machine->vga = !vga                     ? (machine->no_defaults ? RH_VGA_NONE : RH_VGA_DEFAULT)
                   : g_str_equal(vga, "none") ? RH_VGA_NONE
                                              : RH_VGA_STD;
    return true;
}

static bool set_rtc(RhMachine *machine, const RhArgs *args, GError **err)
{
    g_autoptr(QmpRtcOptions) rtc = NULL;
    RhVm *vm = rh_machine_vm(machine);

    if (!rh_args_struct(args, "rtc", (void **)&rtc, err) || !rtc) {
        return !err || !*err;
    }
    machine->rtc_base = g_strdup(rtc->base);
    machine->rtc_clock = rtc->has_clock ? (int)rtc->clock : 0;
    if (rtc->has_driftfix) {
        rh_vm_add_global(vm, "mc146818rtc", "lost_tick_policy",
                         rtc->driftfix == QMP_LOST_TICK_POLICY_SLEW ? "slew" : "discard", false);
    }
    return true;
}

/* The board that users know as the default is still to come: said plainly where it is asked for, or would be meant. */
static bool is_i440fx(const char *name)
{
    return g_str_equal(name, "pc") || g_str_has_prefix(name, "pc-i440fx");
}

static const RhMachineType *choose_type(RhStartup *startup, json_object *props, GError **err)
{
    const char *name = props ? rh_json_text(props, "type") : NULL;

    if (name && is_i440fx(name)) {
        rh_fail(err, "machine type '%s' is not supported yet: the i440fx board", name);
        rh_hint(err, "Use -machine q35, or -machine help to list supported machines.");
        return NULL;
    }
    if (!name) {
        g_printerr("note: the machine is q35, the default here until there is an i440fx board\n");
    }
    if (!name && !rh_machine_default_type()) {
        rh_fail(err, "No machine specified, and there is no default");
        rh_hint(err, "Use -machine help to list supported machines");
        return NULL;
    }
    return name ? rh_machine_find_type(name, err) : rh_machine_default_type();
}

bool rh_startup_board(RhStartup *startup, GError **err)
{
    g_autoptr(RhJson) props = rh_args_merged(startup->args, "machine");
    const RhMachineType *type = choose_type(startup, props, err);
    const RhArgs *args = startup->args;
    RhMachine *machine;

    if (!type || !open_accel(startup, props, type->default_cpu != NULL, err)) {
        return false;
    }
    machine = startup->machine = rh_machine_new(startup->vm, type, err);
    if (!machine) {
        return false;
    }
    machine->firmware_dirs = g_ptr_array_new_with_free_func(g_free);
    machine->smbios = json_object_new_array();
    return rh_args_each(args, "global", add_global, startup->vm, err) &&
           rh_args_each(args, "L", collect_dir, machine->firmware_dirs, err) &&
           rh_args_each(args, "smbios", collect_smbios, machine->smbios, err) &&
           set_shorthands(machine, args, err) && (!props || set_props(machine, props, err)) &&
           check_kernel(machine, args, err) && set_display(machine, args, err) && set_rtc(machine, args, err) &&
           set_identity(machine, args, err) && set_smp(machine, args, err) && set_memory(machine, args, err) &&
           set_boot(machine, args, err) && set_cpu(startup, err) && set_ram(startup, err) && set_numa(startup, err) &&
           rh_machine_build(machine, err);
}
