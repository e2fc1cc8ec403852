/*
 * Reading the command line.
 */
#include "softmmu/startup/args.h"
#include <errno.h>
#include "qapi/keyval.h"
#include "softmmu/startup/help.h"
#include "util/json.h"

static void arg_free(void *opaque)
{
    RhArg *arg = opaque;

    g_free(arg->text);
    json_object_put(arg->json);
    g_free(arg);
}

void rh_args_fini(RhArgs *args)
{
    g_clear_pointer(&args->list, g_ptr_array_unref);
    g_clear_pointer(&args->images, g_ptr_array_unref);
    g_clear_pointer(&args->help, g_free);
}

static bool in_context(const RhOption *option, const char *text, GError **err)
{
    g_prefix_error(err, text ? "-%s %s: " : "-%s: ", option->name, text);
    return false;
}

static bool add(RhArgs *args, const RhOption *option, const char *text, GError **err)
{
    RhArg *arg = g_new0(RhArg, 1);
    bool is_help = false;

    g_ptr_array_add(args->list, arg);
    arg->option = option;
    arg->text = g_strdup(text);
    if (!rh_option_check(option, err)) {
        return false;
    }
    if (option->kind == RH_OPTION_STRUCT || option->kind == RH_OPTION_OBJECT) {
        arg->json = rh_option_parse(option, text, &is_help, &arg->is_json, err);
        if (!arg->json && !is_help) {
            return in_context(option, text, err);
        }
    }
    args->help = rh_help_for(option, text, arg->json, is_help, err);
    return args->help || !err || !*err;
}

/* --- configuration files: [group "id"] sections of key = "value" lines --- */

static const RhOption *option_of_group(const char *group)
{
    unsigned nr;
    const RhOption *options = rh_options(&nr);

    for (unsigned i = 0; i < nr; i++) {
        if (g_strcmp0(options[i].group, group) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool add_section(RhArgs *args, const char *group, const char *id, json_object *values, GError **err)
{
    const RhOption *option = option_of_group(group);
    RhArg *arg;

    if (!option || option->kind == RH_OPTION_FLAG || option->kind == RH_OPTION_STRING) {
        json_object_put(values);
        return rh_fail(err, "There is no option group '%s'", group);
    }
    if (id) {
        json_object_object_add(values, "id", json_object_new_string(id));
    }
    arg = g_new0(RhArg, 1);
    arg->option = option;
    arg->json = values;
    g_ptr_array_add(args->list, arg);
    return rh_option_check(option, err);
}

/* [group] or [group "id"]; false when @line is neither. */
static bool parse_header(const char *line, char **ret_group, char **ret_id)
{
    g_auto(GStrv) parts = g_strsplit(line + 1, "\"", 3);
    char *end = strchr(parts[0], ']');

    if (parts[1]) {
        *ret_id = g_strdup(parts[1]);
        *ret_group = g_strdup(g_strstrip(parts[0]));
        return parts[2] && g_str_has_prefix(g_strstrip(parts[2]), "]");
    }
    if (!end) {
        return false;
    }
    *end = '\0';
    *ret_group = g_strdup(g_strstrip(parts[0]));
    return true;
}

/* key = "value" */
static bool parse_value(const char *line, json_object *values)
{
    g_auto(GStrv) parts = g_strsplit(line, "=", 2);
    char *text;
    size_t len;

    if (!parts[1]) {
        return false;
    }
    text = g_strstrip(parts[1]);
    len = strlen(text);
    if (len < 2 || text[0] != '"' || text[len - 1] != '"') {
        return false;
    }
    json_object_object_add(values, g_strstrip(parts[0]), json_object_new_string_len(text + 1, (int)len - 2));
    return true;
}

static bool read_config(RhArgs *args, const char *path, GError **err)
{
    g_autofree char *contents = NULL;
    g_autoptr(GError) reason = NULL;
    g_autofree char *group = NULL;
    g_autofree char *id = NULL;
    g_auto(GStrv) lines = NULL;
    json_object *values = NULL;
    bool good = true;

    if (!g_file_get_contents(path, &contents, NULL, &reason)) {
        return rh_fail_errno(err, errno, "-readconfig %s: Could not open '%s'", path, path);
    }
    lines = g_strsplit(contents, "\n", -1);
    for (size_t i = 0; lines[i] && good; i++) {
        char *line = g_strstrip(lines[i]);

        if (!*line || *line == '#') {
            continue;
        }
        if (*line != '[') {
            good = (values && parse_value(line, values)) ||
                   rh_fail(err, "%s:%zu: expected [group \"id\"] or key = \"value\"", path, i + 1);
            continue;
        }
        good = !values || add_section(args, group, id, g_steal_pointer(&values), err);
        g_clear_pointer(&group, g_free);
        g_clear_pointer(&id, g_free);
        good = good && (parse_header(line, &group, &id) ||
                        rh_fail(err, "%s:%zu: expected [group] or [group \"id\"]", path, i + 1));
        values = good ? json_object_new_object() : NULL;
    }
    if (good && values) {
        good = add_section(args, group, id, g_steal_pointer(&values), err);
    }
    json_object_put(values);
    return good;
}

/* -set GROUP.ID.ARG=VALUE: the option that made it, found again, with one more key. */
static bool set_in_earlier(RhArgs *args, const char *text, GError **err)
{
    const char *equals = strchr(text, '=');
    g_autofree char *path = equals ? g_strndup(text, (size_t)(equals - text)) : NULL;
    g_auto(GStrv) parts = g_strsplit(path ? path : "", ".", 3);

    if (g_strv_length(parts) != 3) {
        return rh_fail(err, "-set %s: can't parse: \"%s\", expected group.id.arg=value", text, text);
    }
    for (guint i = 0; i < args->list->len; i++) {
        RhArg *arg = args->list->pdata[i];
        const char *id = arg->json ? rh_json_text(arg->json, "id") : NULL;

        if (g_strcmp0(arg->option->group, parts[0]) == 0 && g_strcmp0(id, parts[1]) == 0) {
            json_object_object_add(arg->json, parts[2], json_object_new_string(equals + 1));
            return true;
        }
    }
    return rh_fail(err, "-set %s: there is no %s \"%s\" defined", text, parts[0], parts[1]);
}

static bool take(RhArgs *args, const RhOption *option, const char *text, GError **err)
{
    if (g_str_equal(option->name, "readconfig")) {
        return read_config(args, text, err);
    }
    return g_str_equal(option->name, "set") ? set_in_earlier(args, text, err) : add(args, option, text, err);
}

bool rh_args_parse(RhArgs *args, int argc, char **argv, GError **err)
{
    args->list = g_ptr_array_new_with_free_func(arg_free);
    args->images = g_ptr_array_new_with_free_func(g_free);
    args->help = NULL;
    for (int i = 1; i < argc && !args->help; i++) {
        const char *name = argv[i];
        const RhOption *option;
        const char *text = NULL;

        if (name[0] != '-' || !name[1]) {
            g_ptr_array_add(args->images, g_strdup(name));
            continue;
        }
        name += name[1] == '-' ? 2 : 1;
        option = rh_option_find(name);
        if (!option) {
            return rh_fail(err, "%s: invalid option", argv[i]);
        }
        if (option->kind != RH_OPTION_FLAG) {
            if (i + 1 == argc) {
                return rh_fail(err, "%s: requires an argument", argv[i]);
            }
            text = argv[++i];
        }
        if (!take(args, option, text, err)) {
            return false;
        }
    }
    return true;
}

static bool is_called(RhArg *arg, const char *name)
{
    bool is_it = g_str_equal(arg->option->name, name);

    arg->is_used |= is_it;
    return is_it;
}

bool rh_args_has(const RhArgs *args, const char *name)
{
    bool has = false;

    for (guint i = 0; i < args->list->len; i++) {
        has |= is_called(args->list->pdata[i], name);
    }
    return has;
}

const char *rh_args_text(const RhArgs *args, const char *name)
{
    const char *text = NULL;

    for (guint i = 0; i < args->list->len; i++) {
        const RhArg *arg = args->list->pdata[i];

        text = is_called(args->list->pdata[i], name) ? arg->text : text;
    }
    return text;
}

json_object *rh_args_merged(const RhArgs *args, const char *name)
{
    json_object *all = NULL;

    for (guint i = 0; i < args->list->len; i++) {
        const RhArg *arg = args->list->pdata[i];

        if (!is_called(args->list->pdata[i], name)) {
            continue;
        }
        if (!all || !(arg->option->flags & RH_OPTION_MERGE)) {
            json_object_put(all);
            all = json_object_new_object();
        }
        rh_option_merge(all, arg->json);
    }
    return all;
}

bool rh_args_struct(const RhArgs *args, const char *name, void **ret, GError **err)
{
    const RhOption *option = rh_option_find(name);
    json_object *json = rh_args_merged(args, name);

    *ret = json ? rh_option_read(option, json, false, err) : NULL;
    if (json && !*ret) {
        json_object_put(json);
        return in_context(option, NULL, err);
    }
    json_object_put(json);
    return true;
}

bool rh_args_each(const RhArgs *args, const char *name,
                  bool (*fn)(const RhArg *arg, void *opaque, GError **err), void *opaque, GError **err)
{
    for (guint i = 0; i < args->list->len; i++) {
        const RhArg *arg = args->list->pdata[i];

        if (is_called(args->list->pdata[i], name) && !fn(arg, opaque, err)) {
            return in_context(arg->option, arg->text, err);
        }
    }
    return true;
}

bool rh_args_check_used(const RhArgs *args, GError **err)
{
    for (guint i = 0; i < args->list->len; i++) {
        const RhArg *arg = args->list->pdata[i];

        if (!arg->is_used && !(arg->option->flags & RH_OPTION_IGNORED)) {
            return rh_fail(err, "-%s has no effect with this machine and these options", arg->option->name);
        }
    }
    return true;
}
