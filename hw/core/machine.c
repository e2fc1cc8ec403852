/*
 * Machine types and the machine object.
 */
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "softmmu/runstate.h"

enum { MACHINE_PAGE = 4096 };
#define RH_FIRMWARE_PATHS                                                                      \
    "/usr/local/share/qemu", "/usr/share/qemu", "/usr/share/seabios", "/usr/share/OVMF", "/usr/share/qemu-efi",    \
    "/usr/lib/ipxe/qemu", "/usr/share/misc"

/* --- types --- */

static bool is_board(const RhType *type)
{
    return !type->is_abstract && rh_type_is(type, RH_TYPE_MACHINE);
}

char *rh_machine_type_name(const RhMachineType *type)
{
    const char *name = ((const RhType *)type)->name;

    g_assert(g_str_has_suffix(name, RH_MACHINE_SUFFIX));
    return g_strndup(name, strlen(name) - strlen(RH_MACHINE_SUFFIX));
}

typedef struct Visit {
    void (*fn)(const RhMachineType *type, void *opaque);
    void *opaque;
} Visit;

static bool visit_type(const RhType *type, void *opaque)
{
    Visit *visit = opaque;

    if (is_board(type)) {
        visit->fn((const RhMachineType *)type, visit->opaque);
    }
    return true;
}

void rh_machine_type_foreach(void (*fn)(const RhMachineType *type, void *opaque), void *opaque)
{
    Visit visit = { fn, opaque };

    rh_type_foreach(visit_type, &visit);
}

typedef struct Search {
    const char *name;       /* NULL: the default */
    const RhMachineType *found;
} Search;

static void match(const RhMachineType *type, void *opaque)
{
    Search *search = opaque;
    g_autofree char *name = rh_machine_type_name(type);

    if (search->name ? g_str_equal(name, search->name) || g_strcmp0(type->alias, search->name) == 0 ||
                           g_str_equal(((const RhType *)type)->name, search->name)
                     : type->is_default) {
        search->found = type;
    }
}

const RhMachineType *rh_machine_find_type(const char *name, GError **err)
{
    Search search = { .name = name };

    rh_machine_type_foreach(match, &search);
    if (!search.found) {
        rh_fail(err, "unsupported machine type \"%s\"", name);
        rh_hint(err, "Use -machine help to list supported machines");
    }
    return search.found;
}

const RhMachineType *rh_machine_default_type(void)
{
    Search search = { .name = NULL };

    rh_machine_type_foreach(match, &search);
    return search.found;
}

static void help_line(const RhMachineType *type, void *opaque)
{
    g_autofree char *name = rh_machine_type_name(type);
    const char *doc = ((const RhType *)type)->doc;

    if (type->alias) {
        g_string_append_printf(opaque, "%-20s %s (alias of %s)\n", type->alias, doc, name);
    }
    g_string_append_printf(opaque, "%-20s %s%s\n", name, doc, type->is_default ? " (default)" : "");
}

void rh_machine_help(GString *out)
{
    g_string_append(out, "Supported machines are:\n");
    rh_machine_type_foreach(help_line, out);
}

/* --- the object --- */

static void machine_init(RhObject *obj)
{
    RhMachine *machine = (RhMachine *)obj;

    machine->boot.splash_time_ms = -1;
    machine->boot.reboot_timeout_ms = -1;
}

static void machine_fini(RhObject *obj)
{
    RhMachine *machine = (RhMachine *)obj;

    rh_ram_unref(machine->ram);
    rh_numa_free(machine->numa);
    g_free(machine->cpu_type);
    g_free(machine->boot.order);
    g_free(machine->boot.once);
    g_free(machine->boot.splash);
    json_object_put(machine->smbios);
    g_clear_pointer(&machine->firmware_dirs, g_ptr_array_unref);
    g_free(machine->uuid);
    g_free(machine->rtc_base);
    g_free(machine->name);
}

/* What is known but does nothing here yet is refused, so that nobody takes it for done. */
static bool refuse_text(RhObject *obj, const RhProp *prop, GError **err)
{
    const char *text = *(char **)rh_prop_member(obj, prop);

    return !text || !*text || rh_fail(err, "Property '%s' of the machine is not supported yet", prop->name);
}

static bool refuse_true(RhObject *obj, const RhProp *prop, GError **err)
{
    return !*(bool *)rh_prop_member(obj, prop) ||
           rh_fail(err, "Property '%s=on' of the machine is not supported yet", prop->name);
}

static const RhProp machine_props[] = {
    RH_PROP("kernel", RhMachine, kernel, .doc = "Linux kernel image file"),
    RH_PROP("initrd", RhMachine, initrd, .doc = "Linux initial ramdisk file"),
    RH_PROP("append", RhMachine, append, .doc = "Linux kernel command line"),
    RH_PROP("firmware", RhMachine, firmware, .doc = "Firmware image"),
    RH_PROP("dtb", RhMachine, dtb, .doc = "Linux kernel device tree file"),
    RH_PROP("dumpdtb", RhMachine, dumpdtb, .doc = "Dump current dtb to a file and quit"),
    RH_PROP("dt-compatible", RhMachine, dt_compatible, .doc = "Overrides the \"compatible\" property of the dt root node"),
    RH_PROP("phandle-start", RhMachine, phandle_start, .doc = "The first phandle ID we may generate dynamically"),
    RH_PROP("usb", RhMachine, usb, .doc = "Set on/off to enable/disable usb", .changed = refuse_true),
    RH_PROP("graphics", RhMachine, has_graphics, .def = true,
            .doc = "Set on/off to enable/disable graphics emulation"),
    RH_PROP("dump-guest-core", RhMachine, dump_guest_core, .def = true, .doc = "Include guest memory in a core dump"),
    RH_PROP("mem-merge", RhMachine, mem_merge, .def = true, .doc = "Enable/disable memory merge support"),
    RH_PROP("memory-backend", RhMachine, memory_backend,
            .doc = "Set RAM backend. Valid value is ID of hostmem based backend"),
    RH_PROP("memory-encryption", RhMachine, memory_encryption, .doc = "Set memory encryption object to use",
            .changed = refuse_text),
    RH_PROP("suppress-vmdesc", RhMachine, suppress_vmdesc, .doc = "Set on to disable self-describing migration"),
};

RH_MACHINE_NAMED(machine, RhMachine,
    .name        = RH_TYPE_MACHINE,
    .parent      = RH_TYPE_OBJECT,
    .doc         = "Root of all machines",
    .is_abstract = true,
    .props       = RH_TABLE(machine_props),
    .init        = machine_init,
    .fini        = machine_fini);

RhMachine *rh_machine_of(RhVm *vm)
{
    return (RhMachine *)vm->machine;
}

RhMachine *rh_machine_new(RhVm *vm, const RhMachineType *type, GError **err)
{
    g_autoptr(RhObject) obj = NULL;

    for (size_t i = 0; i < type->compat.nr; i++) {
        const RhMachineCompat *row = &type->compat.rows[i];

        rh_vm_add_global(vm, row->type, row->prop, row->value, false);
    }
    obj = rh_object_new_of(vm, (const RhType *)type);
    if (!rh_vm_apply_globals(vm, obj, err) || !rh_object_add_child(vm->root, "machine", obj, err)) {
        return NULL;
    }
    vm->machine = obj;
    return (RhMachine *)obj;
}

bool rh_machine_complete_smp(RhMachine *machine, GError **err)
{
    const RhMachineType *type = rh_machine_type(machine);
    g_autofree char *name = rh_machine_type_name(type);
    RhSmpLimits limits = { .machine = name, .min_cpus = 1, .max_cpus = MAX(type->max_cpus, 1u), .has_dies = true };
    g_autofree char *warning = NULL;

    if (machine->is_smp_complete) {
        return true;
    }
    if (!rh_smp_resolve(&machine->smp, &limits, &warning, err)) {
        return false;
    }
    machine->is_smp_complete = true;
    if (warning) {
        g_printerr("warning: %s\n", warning);
    }
    return true;
}

static bool complete_ram(RhMachine *machine, GError **err)
{
    const RhMachineType *type = rh_machine_type(machine);
    RhRamOptions options = { .no_merge = !machine->mem_merge, .no_dump = !machine->dump_guest_core };

    if (!type->default_ram_id) {
        return true;
    }
    if (machine->numa) {
        return true;            /* a bank for each node */
    }
    if (machine->ram) {
        machine->ram_size = machine->ram->size;
        return true;
    }
    if (!machine->ram_size) {
        machine->ram_size = type->default_ram_size;
    }
    machine->ram_size = rh_align_up(machine->ram_size, MACHINE_PAGE);
    machine->ram = rh_ram_new(type->default_ram_id, machine->ram_size, &options, err);
    return machine->ram != NULL;
}

static bool check_device_tree(const RhMachine *machine, GError **err)
{
    const struct { const char *name; bool is_set; } rows[] = {
        { "dtb", machine->dtb && *machine->dtb },
        { "dumpdtb", machine->dumpdtb && *machine->dumpdtb },
        { "dt-compatible", machine->dt_compatible && *machine->dt_compatible },
        { "phandle-start", machine->phandle_start },
    };

    for (size_t i = 0; i < RH_COUNT(rows) && !rh_machine_type(machine)->has_device_tree; i++) {
        if (rows[i].is_set) {
            g_autofree char *name = rh_machine_type_name(rh_machine_type(machine));

            return rh_fail(err, "Property '%s' is for machines with a device tree, '%s' has none", rows[i].name, name);
        }
    }
    return true;
}

bool rh_machine_build(RhMachine *machine, GError **err)
{
    const RhMachineType *type = rh_machine_type(machine);

    if (!check_device_tree(machine, err) || !rh_machine_complete_smp(machine, err) || !complete_ram(machine, err)) {
        return false;
    }
    if (!machine->cpu_type) {
        machine->cpu_type = g_strdup(type->default_cpu);
    }
    if ((type->check && !type->check(machine, err)) || (type->build && !type->build(machine, err))) {
        return false;
    }
    /* After the board, so that a device without bus= finds the board's buses before those of other devices. */
    rh_object_container(&machine->obj, "peripheral");
    rh_object_container(&machine->obj, "peripheral-anon");
    rh_object_container(&machine->obj, "unattached");
    return true;
}

bool rh_machine_finish(RhMachine *machine, GError **err)
{
    const RhMachineType *type = rh_machine_type(machine);

    if (type->finish && !type->finish(machine, err)) {
        return false;
    }
    rh_machine_reset(rh_machine_vm(machine), QMP_SHUTDOWN_CAUSE_NONE);
    return true;
}

static bool collect_device(RhObject *obj, void *opaque)
{
    if (rh_object_is(obj, RH_TYPE_DEVICE)) {
        g_ptr_array_add(opaque, obj);
    }
    return true;
}

void rh_machine_end(RhVm *vm)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();

    rh_object_foreach(vm->root, collect_device, devices);
    for (guint i = devices->len; i-- > 0;) {
        rh_device_unrealize(devices->pdata[i]);
    }
}

char *rh_machine_path(RhMachine *machine, const char *name, GError **err)
{
    static const char *const usual[] = { RH_FIRMWARE_PATHS };

    if (g_file_test(name, G_FILE_TEST_EXISTS)) {
        return g_strdup(name);
    }
    if (!g_path_is_absolute(name)) {
        guint nr = machine->firmware_dirs ? machine->firmware_dirs->len : 0;

        for (size_t i = 0; i < nr + RH_COUNT(usual); i++) {
            const char *dir = i < nr ? machine->firmware_dirs->pdata[i] : usual[i - nr];
            g_autofree char *path = g_build_filename(dir, name, NULL);

            if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
                return g_steal_pointer(&path);
            }
        }
    }
    rh_fail(err, "could not find file '%s' as given or in the firmware directories", name);
    return NULL;
}
