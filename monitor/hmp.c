/*
 * The human monitor: from a line to a command.
 */
#include "monitor/hmp.h"
#include "chardev/open.h"
#include "monitor/private.h"
#include "qapi-commands.h"

void rh_hmp_printf(RhHmp *hmp, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(hmp->out, format, args);
    va_end(args);
}

const RhHmpCommand *rh_hmp_find(const RhHmpTable *table, const char *name)
{
    for (size_t i = 0; i < table->nr; i++) {
        g_auto(GStrv) names = g_strsplit(table->rows[i].name, "|", -1);

        if (g_strv_contains((const char *const *)names, name)) {
            return &table->rows[i];
        }
    }
    return NULL;
}

void rh_hmp_list(RhHmp *hmp, const RhHmpTable *table, const char *prefix)
{
    for (size_t i = 0; i < table->nr; i++) {
        const RhHmpCommand *row = &table->rows[i];

        rh_hmp_printf(hmp, "%s%s %s -- %s\n", prefix, row->name, row->params, row->help);
    }
}

/* --- words --- */

/* The next word of *@at, which may be quoted with \n \r \\ \" inside; NULL at the end, or with @err. */
static char *next_word(const char **at, GError **err)
{
    const char *p = *at;
    GString *word;

    while (g_ascii_isspace(*p)) {
        p++;
    }
    if (!*p) {
        return NULL;
    }
    word = g_string_new(NULL);
    if (*p != '"') {
        while (*p && !g_ascii_isspace(*p)) {
            g_string_append_c(word, *p++);
        }
        *at = p;
        return g_string_free(word, FALSE);
    }
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1]) {
            p++;
            g_string_append_c(word, *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p);
        } else {
            g_string_append_c(word, *p);
        }
    }
    if (*p != '"') {
        g_string_free(word, TRUE);
        rh_fail(err, "unterminated string");
        return NULL;
    }
    *at = p + 1;
    return g_string_free(word, FALSE);
}

static char **split_words(const char *text, GError **err)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    GError *why = NULL;
    char *word;

    while ((word = next_word(&text, &why))) {
        g_ptr_array_add(words, word);
    }
    if (why) {
        g_propagate_error(err, why);
        return NULL;
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

/* "x/4xb ADDR" is the command x with "/4xb" as its first word. */
static char *take_name(const char **line)
{
    const char *p = *line;
    size_t len;

    while (g_ascii_isspace(*p)) {
        p++;
    }
    for (len = 0; p[len] && p[len] != '/' && !g_ascii_isspace(p[len]); len++) {
    }
    *line = p + len;
    return g_strndup(p, len);
}

static bool run_row(RhHmp *hmp, const RhHmpCommand *row, const char *rest, GError **err)
{
    g_auto(GStrv) words = NULL;

    if (row->is_raw) {
        g_autofree char *text = g_strstrip(g_strdup(rest));
        char *one[] = { text[0] ? text : NULL, NULL };

        if (!one[0] && row->min_args) {
            return rh_fail(err, "%s: argument expected", row->name);
        }
        return row->run(hmp, one, err);
    }
    words = split_words(rest, err);
    if (!words) {
        return false;
    }
    unsigned nr = g_strv_length(words);

    if (nr < row->min_args || nr > row->max_args) {
        rh_hmp_printf(hmp, "%s: %s\nTry \"help %s\" for more information\n", row->name,
                      nr < row->min_args ? "argument expected" : "extraneous characters at the end of line",
                      row->name);
        return true;
    }
    return row->run(hmp, words, err);
}

void rh_hmp_execute(RhHmp *hmp, const char *line)
{
    const char *rest = line;
    g_autofree char *name = take_name(&rest);
    g_autoptr(GError) error = NULL;
    const RhHmpCommand *row;

    if (!name[0]) {
        return;
    }
    row = rh_hmp_find(&rh_hmp_commands, name);
    if (!row) {
        rh_hmp_printf(hmp, "unknown command: '%s'\n", name);
        return;
    }
    if (strcmp(name, "info") == 0) {
        const char *info_rest = rest;
        g_autofree char *info = take_name(&info_rest);

        if (info[0]) {
            row = rh_hmp_find(&rh_hmp_infos, info);
            rest = info_rest;
        }
        if (!row) {
            rh_hmp_printf(hmp, "unknown command: 'info %s'\n", info);
            return;
        }
    }
    if (!run_row(hmp, row, rest, &error)) {
        rh_hmp_printf(hmp, "Error: %s\n", error->message);
    }
}

char *rh_hmp_run(RhVm *vm, const char *line, int64_t cpu_index)
{
    g_autoptr(GString) out = g_string_new(NULL);
    RhHmp hmp = { .vm = vm, .out = out, .cpu = cpu_index };

    rh_hmp_execute(&hmp, line);
    g_string_replace(out, "\n", "\r\n", 0);
    return g_strdup(out->str);
}

char *qmp_human_monitor_command(RhVm *vm, const QmpHumanMonitorCommandArgs *args, GError **err)
{
    if (args->has_cpu_index && (args->cpu_index < 0 || args->cpu_index >= vm->vcpus->len)) {
        rh_fail(err, "Parameter 'cpu-index' expects a CPU number");
        return NULL;
    }
    return rh_hmp_run(vm, args->command_line, args->has_cpu_index ? args->cpu_index : 0);
}

/* --- completion --- */

static void add_names(GPtrArray *found, const RhHmpTable *table, const char *start)
{
    for (size_t i = 0; i < table->nr; i++) {
        g_auto(GStrv) names = g_strsplit(table->rows[i].name, "|", -1);

        for (unsigned k = 0; names[k]; k++) {
            if (g_str_has_prefix(names[k], start)) {
                g_ptr_array_add(found, g_strdup(names[k]));
            }
        }
    }
}

typedef struct TypeSearch {
    GPtrArray *found;
    const char *start;
    const char *parent;
} TypeSearch;

static bool add_type(const RhType *type, void *opaque)
{
    const TypeSearch *search = opaque;

    if (!type->is_abstract && rh_type_is(type, search->parent) && g_str_has_prefix(type->name, search->start)) {
        g_ptr_array_add(search->found, g_strdup(type->name));
    }
    return true;
}

static void add_children(GPtrArray *found, RhVm *vm, const char *path, const char *start)
{
    RhObject *obj = rh_object_resolve(vm->root, path, NULL);

    for (unsigned i = 0; obj && obj->children && i < obj->children->len; i++) {
        const RhObject *child = obj->children->pdata[i];

        if (g_str_has_prefix(child->name, start)) {
            g_ptr_array_add(found, g_strdup(child->name));
        }
    }
}

char **rh_hmp_complete(RhVm *vm, const char *line)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    const char *rest = line;
    g_autofree char *name = take_name(&rest);
    const char *word = strrchr(line, ' ');

    word = word ? word + 1 : line;
    if (!rest[0]) {
        add_names(found, &rh_hmp_commands, word);
    } else if (strcmp(name, "info") == 0) {
        add_names(found, &rh_hmp_infos, word);
    } else if (strcmp(name, "help") == 0) {
        add_names(found, &rh_hmp_commands, word);
    } else if (strcmp(name, "device_add") == 0) {
        rh_type_foreach(add_type, &(TypeSearch){ found, word, "device" });
    } else if (strcmp(name, "object_add") == 0) {
        rh_type_foreach(add_type, &(TypeSearch){ found, word, RH_INTERFACE_USER_CREATABLE });
    } else if (strcmp(name, "device_del") == 0) {
        add_children(found, vm, "/machine/peripheral", word);
    } else if (strcmp(name, "object_del") == 0) {
        add_children(found, vm, "/objects", word);
    } else if (g_str_has_prefix(name, "chardev-")) {
        add_children(found, vm, "/chardevs", word);
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&found), FALSE);
}
