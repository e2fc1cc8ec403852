/*
 * The human monitor's "info".
 */
#include "hw/core/numa.h"
#include "hw/pci/pci.h"
#include "monitor/hmp-qmp.h"
#include "softmmu/accel.h"
#include "softmmu/space.h"
#include "target/i386/cpu.h"
#include "util/json.h"
#include "util/parse.h"

static json_object *member(json_object *object, const char *name)
{
    json_object *value = NULL;

    json_object_object_get_ex(object, name, &value);
    return value;
}

static bool info_version(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-version", NULL, &info, err)) {
        return false;
    }
    json_object *version = member(info, "qemu");

    rh_hmp_printf(hmp, "%s.%s.%s%s\n", json_object_get_string(member(version, "major")),
                  json_object_get_string(member(version, "minor")), json_object_get_string(member(version, "micro")),
                  rh_json_text(info, "package"));
    return true;
}

static bool info_status(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-status", NULL, &info, err)) {
        return false;
    }
    bool is_running = json_object_get_boolean(member(info, "running"));
    const char *status = rh_json_text(info, "status");

    rh_hmp_printf(hmp, "VM status: %s", is_running ? "running" : "paused");
    if (!is_running && strcmp(status, "paused") != 0) {
        rh_hmp_printf(hmp, " (%s)", status);
    }
    rh_hmp_printf(hmp, "\n");
    return true;
}

static bool info_name(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-name", NULL, &info, err)) {
        return false;
    }
    const char *name = rh_json_text(info, "name");

    if (name) {
        rh_hmp_printf(hmp, "%s\n", name);
    }
    return true;
}

static bool info_uuid(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-uuid", NULL, &info, err)) {
        return false;
    }
    rh_hmp_printf(hmp, "%s\n", rh_json_text(info, "UUID"));
    return true;
}

static bool info_kvm(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-kvm", NULL, &info, err)) {
        return false;
    }
    rh_hmp_printf(hmp, "kvm support: %s\n",
                  !json_object_get_boolean(member(info, "present"))  ? "not compiled"
                  : json_object_get_boolean(member(info, "enabled")) ? "enabled"
                                                                     : "disabled");
    return true;
}

static bool info_cpus(RhHmp *hmp, char **words, GError **err)
{
    for (unsigned i = 0; i < hmp->vm->vcpus->len; i++) {
        const RhVcpu *vcpu = hmp->vm->vcpus->pdata[i];

        rh_hmp_printf(hmp, "%c CPU #%u: thread_id=%d\n", i == hmp->cpu ? '*' : ' ', vcpu->index, vcpu->thread_id);
    }
    return true;
}

static bool info_chardev(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) list = NULL;

    if (!rh_hmp_qmp(hmp, "query-chardev", NULL, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);

        rh_hmp_printf(hmp, "%s: filename=%s\n", rh_json_text(entry, "label"), rh_json_text(entry, "filename"));
    }
    return true;
}

static bool info_block(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) list = NULL;

    if (!rh_hmp_qmp(hmp, "query-block", NULL, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        json_object *inserted = member(entry, "inserted");
        const char *device = rh_json_text(entry, "device");
        const char *qdev = rh_json_text(entry, "qdev");

        rh_hmp_printf(hmp, "%s%s", i ? "\n" : "", device && device[0] ? device : qdev ? qdev : "(none)");
        if (!inserted) {
            rh_hmp_printf(hmp, ": [not inserted]\n");
            continue;
        }
        rh_hmp_printf(hmp, " (%s): %s (%s%s)\n", rh_json_text(inserted, "node-name"), rh_json_text(inserted, "file"),
                      rh_json_text(inserted, "drv"),
                      json_object_get_boolean(member(inserted, "ro")) ? ", read-only" : "");
        if (qdev) {
            rh_hmp_printf(hmp, "    Attached to:      %s\n", qdev);
        }
    }
    return true;
}

static bool info_memory_size(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-memory-size-summary", NULL, &info, err)) {
        return false;
    }
    rh_hmp_printf(hmp, "base memory: %s\n", json_object_get_string(member(info, "base-memory")));
    if (member(info, "plugged-memory")) {
        rh_hmp_printf(hmp, "plugged memory: %s\n", json_object_get_string(member(info, "plugged-memory")));
    }
    return true;
}

static bool info_balloon(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) info = NULL;

    if (!rh_hmp_qmp(hmp, "query-balloon", NULL, &info, err)) {
        return false;
    }
    rh_hmp_printf(hmp, "balloon: actual=%" PRIi64 "\n", json_object_get_int64(member(info, "actual")) >> 20);
    return true;
}

static bool print_registers(RhHmp *hmp, RhVcpu *vcpu, GError **err)
{
    if (!rh_x86_cpu_fetch(rh_x86_cpu(vcpu))) {
        return rh_fail(err, "The registers of CPU %u cannot be read", vcpu->index);
    }
    rh_x86_state_dump(&rh_x86_cpu(vcpu)->x86.state, hmp->out);
    return true;
}

static bool info_registers(RhHmp *hmp, char **words, GError **err)
{
    const GPtrArray *vcpus = hmp->vm->vcpus;
    uint64_t index = (uint64_t)hmp->cpu;
    bool has_all = words[0] && strcmp(words[0], "-a") == 0;

    if (words[0] && !has_all && !rh_parse_u64(words[0], UINT32_MAX, &index, err)) {
        return false;
    }
    if (!has_all && index >= vcpus->len) {
        rh_hmp_printf(hmp, "CPU#%u not available\n", (unsigned)index);
        return true;
    }
    for (unsigned i = has_all ? 0 : (unsigned)index; i < (has_all ? vcpus->len : index + 1); i++) {
        rh_hmp_printf(hmp, "\nCPU#%u\n", i);
        if (!print_registers(hmp, vcpus->pdata[i], err)) {
            return false;
        }
    }
    return true;
}

static bool info_mtree(RhHmp *hmp, char **words, GError **err)
{
    bool is_flat = false;

    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], "-f") != 0) {
            return rh_fail(err, "info mtree: unknown option '%s', must be -f", words[i]);
        }
        is_flat = true;
    }
    rh_space_dump(hmp->vm->memory, hmp->out, is_flat);
    rh_hmp_printf(hmp, "\n");
    if (hmp->vm->smm_memory) {
        rh_space_dump(hmp->vm->smm_memory, hmp->out, is_flat);
        rh_hmp_printf(hmp, "\n");
    }
    rh_space_dump(hmp->vm->ports, hmp->out, is_flat);
    return true;
}

static bool info_pci(RhHmp *hmp, char **words, GError **err)
{
    rh_pci_dump(hmp->vm, hmp->out);
    return true;
}

/* --- trees --- */

static void print_prop(const RhProp *prop, const RhType *owner, void *opaque);

typedef struct PropPrinter {
    RhHmp *hmp;
    RhObject *obj;
    int indent;
} PropPrinter;

static void print_prop(const RhProp *prop, const RhType *owner, void *opaque)
{
    const PropPrinter *printer = opaque;
    g_autoptr(RhJson) value = NULL;

    if (!prop->is_hidden && rh_object_get(printer->obj, prop->name, &value, NULL)) {
        rh_hmp_printf(printer->hmp, "%*s%s = %s\n", printer->indent, "", prop->name, rh_json_line(value));
    }
}

static void print_bus(RhHmp *hmp, const RhBus *bus, int indent);

static void print_device(RhHmp *hmp, RhDevice *dev, int indent)
{
    PropPrinter printer = { hmp, &dev->obj, indent + 2 };

    rh_hmp_printf(hmp, "%*sdev: %s, id \"%s\"\n", indent, "", dev->obj.type->name, dev->id ? dev->id : "");
    rh_type_foreach_prop(dev->obj.type, print_prop, &printer);
    for (unsigned i = 0; dev->buses && i < dev->buses->len; i++) {
        print_bus(hmp, dev->buses->pdata[i], indent + 2);
    }
}

static void print_bus(RhHmp *hmp, const RhBus *bus, int indent)
{
    rh_hmp_printf(hmp, "%*sbus: %s\n%*stype %s\n", indent, "", bus->obj.name ? bus->obj.name : "", indent + 2, "",
                  bus->obj.type->name);
    for (unsigned i = 0; i < bus->devices->len; i++) {
        print_device(hmp, bus->devices->pdata[i], indent + 2);
    }
}

/* Buses without an owner, and devices on no bus, are the roots. */
static bool print_root(RhObject *obj, void *opaque)
{
    RhHmp *hmp = opaque;

    if (rh_object_is(obj, RH_TYPE_BUS) && !RH_SELF(RhBus, obj)->owner) {
        print_bus(hmp, RH_SELF(RhBus, obj), 0);
    } else if (rh_object_is(obj, RH_TYPE_DEVICE) && !RH_SELF(RhDevice, obj)->bus) {
        print_device(hmp, RH_SELF(RhDevice, obj), 0);
    }
    return true;
}

static bool info_qtree(RhHmp *hmp, char **words, GError **err)
{
    rh_object_foreach(hmp->vm->root, print_root, hmp);
    return true;
}

static void print_object(RhHmp *hmp, const RhObject *obj, int indent)
{
    rh_hmp_printf(hmp, "%*s/%s (%s)\n", indent, "", obj->name ? obj->name : "", obj->type->name);
    for (unsigned i = 0; obj->children && i < obj->children->len; i++) {
        print_object(hmp, obj->children->pdata[i], indent + 2);
    }
}

static bool info_qom_tree(RhHmp *hmp, char **words, GError **err)
{
    const char *path = words[0] ? words[0] : "/machine";
    RhObject *obj = rh_object_resolve(hmp->vm->root, path, NULL);

    if (!obj) {
        return rh_fail(err, "Path '%s' could not be resolved.", path);
    }
    print_object(hmp, obj, 0);
    return true;
}

static bool info_numa(RhHmp *hmp, char **words, GError **err)
{
    const RhMachine *machine = rh_machine_of(hmp->vm);
    const RhNuma *numa = machine ? machine->numa : NULL;

    rh_hmp_printf(hmp, "%u nodes\n", numa ? numa->nr_nodes : 0);
    for (unsigned node = 0; numa && node < numa->nr_nodes; node++) {
        const RhRam *ram = numa->nodes[node].ram;

        rh_hmp_printf(hmp, "node %u cpus:", node);
        for (guint i = 0; i < hmp->vm->vcpus->len; i++) {
            if (rh_machine_cpu_node(machine, i) == (int)node) {
                rh_hmp_printf(hmp, " %u", i);
            }
        }
        rh_hmp_printf(hmp, "\nnode %u size: %" PRIu64 " MB\n", node, ram ? ram->size >> 20 : 0);
        rh_hmp_printf(hmp, "node %u plugged: 0 MB\n", node);
    }
    return true;
}

static bool info_history(RhHmp *hmp, char **words, GError **err)
{
    for (unsigned i = 0; hmp->history && i < hmp->history->len; i++) {
        rh_hmp_printf(hmp, "%u: '%s'\n", i, (const char *)hmp->history->pdata[i]);
    }
    return true;
}

static const RhHmpCommand rows[] = {
    { "balloon", "", "show balloon information", 0, 0, .run = info_balloon },
    { "block", "", "show info of all block devices", 0, 0, .run = info_block },
    { "chardev", "", "show the character devices", 0, 0, .run = info_chardev },
    { "cpus", "", "show infos for each CPU", 0, 0, .run = info_cpus },
    { "history", "", "show the command line history", 0, 0, .run = info_history },
    { "kvm", "", "show KVM information", 0, 0, .run = info_kvm },
    { "memory_size_summary", "", "show the amount of initially allocated and present hotpluggable memory in bytes",
      0, 0, .run = info_memory_size },
    { "mtree", "[-f]", "show memory tree (-f: dump flat view for address spaces)", 0, 1, .run = info_mtree },
    { "name", "", "show the current VM name", 0, 0, .run = info_name },
    { "numa", "", "show NUMA information", 0, 0, .run = info_numa },
    { "pci", "", "show PCI info", 0, 0, .run = info_pci },
    { "qom-tree", "[path]", "show QOM composition tree", 0, 1, .run = info_qom_tree },
    { "qtree", "", "show device tree", 0, 0, .run = info_qtree },
    { "registers", "[-a|vcpu]", "show the cpu registers (-a: of all cpus)", 0, 1, .run = info_registers },
    { "status", "", "show the current VM status (running|paused)", 0, 0, .run = info_status },
    { "uuid", "", "show the current VM UUID", 0, 0, .run = info_uuid },
    { "version", "", "show the version of QEMU", 0, 0, .run = info_version },
};

const RhHmpTable rh_hmp_infos = RH_TABLE(rows);
