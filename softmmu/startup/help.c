/*
 * Texts of help: -help, -version, and "help" as an option's argument. All come from tables.
 */
#include "softmmu/startup/help.h"
#include "chardev/open.h"
#include "hw/core/machine.h"
#include "rhea-config.h"
#include "softmmu/accel.h"
#include "target/i386/cpuid.h"
#include "util/json.h"
#include "util/log.h"

static char *version_text(void)
{
    return g_strdup("QEMU emulator version 7.2.0 (Rhea " RH_VERSION ")\n"
                    "Rhea, a virtual machine monitor that takes the place of this program\n");
}

/* --- properties of one type --- */

typedef struct PropList {
    GPtrArray *lines;
} PropList;

static void add_prop(const RhProp *prop, const RhType *owner, void *opaque)
{
    PropList *list = opaque;
    g_autofree char *type = rh_prop_type_name(prop);
    json_object *def = rh_prop_default(prop);
    g_autoptr(GString) line = g_string_new(NULL);

    if (prop->is_hidden || prop->is_readonly) {
        json_object_put(def);
        return;
    }
    g_string_append_printf(line, "  %s=<%s>", prop->name, type);
    if (prop->doc || def) {
        while (line->len < 24) {
            g_string_append_c(line, ' ');
        }
        g_string_append_printf(line, " - %s", prop->doc ? prop->doc : "");
    }
    if (def) {
        bool is_bool = json_object_is_type(def, json_type_boolean);

        g_string_append_printf(line, "%s(default: %s)", prop->doc ? " " : "",
                               is_bool ? (json_object_get_boolean(def) ? "on" : "off") : rh_json_line(def));
    }
    json_object_put(def);
    g_ptr_array_add(list->lines, g_string_free(g_steal_pointer(&line), FALSE));
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *props_text(const RhType *type, const char *title)
{
    PropList list = { .lines = g_ptr_array_new_with_free_func(g_free) };
    GString *out = g_string_new(NULL);

    rh_type_foreach_prop(type, add_prop, &list);
    g_ptr_array_sort(list.lines, compare_lines);
    if (!list.lines->len) {
        g_string_append_printf(out, "There are no options for %s.\n", type->name);
    } else {
        g_string_append_printf(out, "%s options:\n", title);
    }
    for (guint i = 0; i < list.lines->len; i++) {
        g_string_append_printf(out, "%s\n", (char *)list.lines->pdata[i]);
    }
    g_ptr_array_unref(list.lines);
    return g_string_free(out, FALSE);
}

/* --- lists of types --- */

static const char *device_category(const RhType *type)
{
    for (; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        if (((const RhDeviceType *)type)->category) {
            return ((const RhDeviceType *)type)->category;
        }
    }
    return "Misc";
}

static const char *device_bus(const RhType *type)
{
    for (; rh_type_is(type, RH_TYPE_DEVICE); type = rh_type_parent(type)) {
        if (((const RhDeviceType *)type)->bus) {
            return ((const RhDeviceType *)type)->bus;
        }
    }
    return NULL;
}

typedef struct DeviceList {
    GString *out;
    const char *category;
    bool has_any;
} DeviceList;

static bool add_device(const RhType *type, void *opaque)
{
    DeviceList *list = opaque;
    const char *bus;

    if (!rh_type_is(type, RH_TYPE_DEVICE) || type->is_abstract || ((const RhDeviceType *)type)->is_internal ||
        !g_str_equal(device_category(type), list->category)) {
        return true;
    }
    if (!list->has_any) {
        g_string_append_printf(list->out, "%s%s devices:\n", list->out->len ? "\n" : "", list->category);
        list->has_any = true;
    }
    bus = device_bus(type);
    g_string_append_printf(list->out, "name \"%s\"", type->name);
    if (bus) {
        g_string_append_printf(list->out, ", bus %s", bus);
    }
    g_string_append_printf(list->out, type->doc ? ", desc \"%s\"\n" : "\n", type->doc);
    return true;
}

static char *devices_text(void)
{
    static const char *const order[] = { "Controller/Bridge/Hub", "USB", "Storage", "Network", "Input",
                                         "Display", "Sound", "Misc", "CPU", "Watchdog" };
    GString *out = g_string_new(NULL);

    for (size_t i = 0; i < RH_COUNT(order); i++) {
        DeviceList list = { .out = out, .category = order[i] };

        rh_type_foreach(add_device, &list);
    }
    return g_string_free(out, FALSE);
}

static char *device_text(const char *name, GError **err)
{
    const RhType *type = rh_type_find(name);

    if (!type || !rh_type_is(type, RH_TYPE_DEVICE) || type->is_abstract) {
        rh_fail(err, "'%s' is not a valid device model name", name);
        return NULL;
    }
    return props_text(type, type->name);
}

typedef struct NameList {
    GString *out;
    const char *kind;       /* type or interface */
    const char *suffix;     /* to cut off, or NULL */
} NameList;

static bool add_name(const RhType *type, void *opaque)
{
    NameList *list = opaque;

    if (rh_type_is(type, list->kind) && !type->is_abstract) {
        size_t len = strlen(type->name) - (list->suffix ? strlen(list->suffix) : 0);

        g_string_append_printf(list->out, "%s%.*s\n", list->suffix ? "" : "  ", (int)len, type->name);
    }
    return true;
}

static char *names_text(const char *title, const char *kind, const char *suffix)
{
    NameList list = { .out = g_string_new(title), .kind = kind, .suffix = suffix };

    rh_type_foreach(add_name, &list);
    return g_string_free(list.out, FALSE);
}

static char *object_text(const char *name, GError **err)
{
    const RhType *type = rh_type_find(name);

    if (!type || !rh_type_is(type, RH_INTERFACE_USER_CREATABLE)) {
        rh_fail(err, "Parameter 'qom-type' does not accept value '%s'", name);
        return NULL;
    }
    return props_text(type, type->name);
}

static char *machines_text(void)
{
    GString *out = g_string_new(NULL);

    rh_machine_help(out);
    return g_string_free(out, FALSE);
}

static char *machine_text(const char *name, GError **err)
{
    const RhMachineType *type = rh_machine_find_type(name, err);
    g_autofree char *plain = NULL;

    if (!type) {
        return NULL;
    }
    plain = rh_machine_type_name(type);
    return props_text((const RhType *)type, plain);
}

static char *log_text(void)
{
    return rh_log_help();
}

static char *trace_text(void)
{
    g_auto(GStrv) names = rh_trace_names();
    g_autofree char *joined = g_strjoinv("\n", names);

    return g_strconcat(joined, "\n", NULL);
}

static char *accels_text(void)
{
    return names_text("Accelerators supported in QEMU binary:\n", RH_TYPE_ACCEL, "-accel");
}

static char *objects_text(void)
{
    return names_text("List of user creatable objects:\n", RH_INTERFACE_USER_CREATABLE, NULL);
}

static char *accel_text(const char *name, GError **err)
{
    g_autofree char *type_name = g_strconcat(name, "-accel", NULL);
    const RhType *type = rh_type_find(type_name);

    if (!type) {
        rh_fail(err, "invalid accelerator %s", name);
        return NULL;
    }
    return props_text(type, name);
}

static char *chardevs_text(void)
{
    GString *out = g_string_new(NULL);

    rh_char_help(out);
    return g_string_free(out, FALSE);
}

/* Options whose argument "help" lists things, and "NAME,help" tells of one. */
static const struct HelpRow {
    const char *option;
    char *(*list)(void);
    char *(*one)(const char *name, GError **err);
} help_rows[] = {
    { "accel",   accels_text,   accel_text },
    { "chardev", chardevs_text, NULL },
    { "cpu",     rh_cpu_help,   rh_cpu_model_help },
    { "d",       log_text,      NULL },
    { "device",  devices_text,  device_text },
    { "machine", machines_text, machine_text },
    { "object",  objects_text,  object_text },
    { "trace",   trace_text,    NULL },
};

/* The name in front of ",help" of a plain string option. */
static char *name_before_help(const char *text)
{
    const char *comma = strchr(text, ',');

    return comma && (g_str_equal(comma, ",help") || g_str_equal(comma, ",?"))
               ? g_strndup(text, (size_t)(comma - text)) : NULL;
}

char *rh_help_for(const RhOption *option, const char *text, json_object *json, bool is_help, GError **err)
{
    g_autofree char *name = NULL;

    if (g_str_equal(option->name, "help")) {
        g_autofree char *body = rh_option_help("qemu-system-x86_64");

        return g_strconcat("QEMU emulator version 7.2.0 (Rhea " RH_VERSION ")\n", body, NULL);
    }
    if (g_str_equal(option->name, "version")) {
        return version_text();
    }
    if (option->kind == RH_OPTION_STRING && text) {
        is_help = g_str_equal(text, "help") || g_str_equal(text, "?");
        name = name_before_help(text);
    } else if (is_help && json && option->implied) {
        name = g_strdup(rh_json_text(json, option->implied));
    }
    for (size_t i = 0; (is_help || name) && i < RH_COUNT(help_rows); i++) {
        const struct HelpRow *row = &help_rows[i];

        if (g_str_equal(row->option, option->name)) {
            return name && row->one ? row->one(name, err) : row->list();
        }
    }
    return NULL;
}
