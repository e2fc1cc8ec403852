/*
 * What clients and users ask about CPU models: query-cpu-definitions, query-cpu-model-expansion and
 * the lists of -cpu help.
 */
#include "target/i386/cpuid.h"

typedef struct Collect {
    const RhX86Words *words;
    json_object *to;
} Collect;

static void add_if_partly_on(const RhX86Feature *feature, void *opaque)
{
    Collect *collect = opaque;

    if (collect->words->word[feature->word] & feature->mask) {
        json_object_array_add(collect->to, json_object_new_string(feature->name));
    }
}

json_object *rh_cpu_unavailable_features(const RhCpuDef *def)
{
    Collect collect = { &def->filtered, json_object_new_array() };

    rh_x86_feature_foreach(add_if_partly_on, &collect);
    return collect.to;
}

/* A model that cannot be had at all says so by the one feature that it lacks. */
static json_object *unavailable_of(const char *name, const RhCpuLimits *limits)
{
    RhCpuSpec spec;
    RhCpuDef def;
    json_object *list;

    if (rh_cpu_spec_init(&spec, name, NULL) && rh_cpu_resolve(&def, &spec, limits, NULL, NULL)) {
        return rh_cpu_unavailable_features(&def);
    }
    list = json_object_new_array();
    json_object_array_add(list, json_object_new_string("kvm"));
    return list;
}

static json_object *definition(const RhX86ModelName *row, const RhCpuLimits *limits)
{
    json_object *info = json_object_new_object();
    g_autofree char *type_name = g_strdup_printf("%s-x86_64-cpu", row->name);

    json_object_object_add(info, "name", json_object_new_string(row->name));
    json_object_object_add(info, "typename", json_object_new_string(type_name));
    json_object_object_add(info, "unavailable-features", unavailable_of(row->name, limits));
    if (row->alias_of) {
        json_object_object_add(info, "alias-of", json_object_new_string(row->alias_of));
    }
    json_object_object_add(info, "static", json_object_new_boolean(row->model->is_static));
    json_object_object_add(info, "migration-safe", json_object_new_boolean(!row->model->is_max));
    json_object_object_add(info, "deprecated", json_object_new_boolean(false));
    return info;
}

json_object *rh_cpu_definitions(const RhCpuLimits *limits)
{
    g_autoptr(GArray) names = rh_x86_model_names();
    json_object *list = json_object_new_array();

    for (unsigned i = names->len; i-- > 0;) {
        json_object_array_add(list, definition(&g_array_index(names, RhX86ModelName, i), limits));
    }
    return list;
}

static void add_feature(const RhX86Feature *feature, void *opaque)
{
    Collect *collect = opaque;
    bool is_on = rh_x86_has(collect->words, feature->word, feature->mask);

    json_object_object_add(collect->to, feature->name, json_object_new_boolean(is_on));
}

static void add_aliases(json_object *props, const RhX86Words *words)
{
    size_t nr;
    const RhX86FeatureAlias *aliases = rh_x86_feature_aliases(&nr);

    for (size_t i = 0; i < nr; i++) {
        bool is_on = rh_x86_has_name(words, aliases[i].name);

        json_object_object_add(props, aliases[i].alias, json_object_new_boolean(is_on));
    }
}

/* A static expansion holds just what does not change with machine type or accelerator. */
static json_object *expansion_props(const RhCpuDef *def, bool is_full)
{
    json_object *props = json_object_new_object();
    Collect collect = { &def->features, props };
    size_t nr;
    const RhCpuProp *table = rh_cpu_props(&nr);

    for (size_t i = 0; i < nr; i++) {
        if ((!is_full && !table[i].is_identity) || (table[i].is_max_only && !def->model->is_max)) {
            continue;
        }
        json_object_object_add(props, table[i].name, rh_cpu_prop_get(&def->props, &table[i]));
        if (is_full && table[i].alias && strcmp(table[i].alias, "tsc-freq") != 0) {
            json_object_object_add(props, table[i].alias, rh_cpu_prop_get(&def->props, &table[i]));
        }
    }
    if (!is_full) {
        json_object_object_add(props, "lmce", rh_cpu_prop_get(&def->props, rh_cpu_prop_find("lmce")));
    }
    rh_x86_feature_foreach(add_feature, &collect);
    if (is_full) {
        add_aliases(props, &def->features);
    }
    return props;
}

static bool apply_props(RhCpuSpec *spec, json_object *props, GError **err)
{
    json_object_object_foreach(props, name, value) {
        if (!rh_cpu_spec_set(spec, name, value, err)) {
            return false;
        }
    }
    return true;
}

json_object *rh_cpu_model_expansion(const RhCpuLimits *limits, bool is_full, const char *name,
                                    json_object *props, GError **err)
{
    json_object *result;
    json_object *model;
    RhCpuSpec spec;
    RhCpuDef def;

    if (!rh_cpu_spec_init(&spec, name, NULL)) {
        rh_fail(err, "CPU model '%s' not found", name);
        return NULL;
    }
    if ((props && !apply_props(&spec, props, err)) || !rh_cpu_expand(&def, &spec, limits, err)) {
        return NULL;
    }
    /* The width of addresses is not part of a model: as asked for, 0 when it was not. */
    def.props.phys_bits = spec.props.phys_bits;
    model = json_object_new_object();
    json_object_object_add(model, "name", json_object_new_string(is_full ? name : "base"));
    json_object_object_add(model, "props", expansion_props(&def, is_full));
    result = json_object_new_object();
    json_object_object_add(result, "model", model);
    return result;
}

static void add_help_row(GString *text, const RhX86ModelName *row)
{
    const RhX86Model *model = row->model;
    RhX86ModelId id;
    g_autofree char *what = NULL;

    rh_x86_model_identity(model, &id);
    if (model->version == 0) {
        what = g_strdup(model->note);
    } else if (g_strcmp0(row->name, model->name) == 0) {
        what = g_strdup("(alias configured by machine type)");
    } else if (row->alias_of) {
        what = g_strdup_printf("(alias of %s)", row->alias_of);
    } else {
        what = g_strdup_printf("%s%s%s%s", id.model_id, model->note ? " [" : "",
                               model->note ? model->note : "", model->note ? "]" : "");
    }
    g_string_append_printf(text, "x86 %-20s  %s\n", row->name, what);
}

static void add_sorted_name(const RhX86Feature *feature, void *opaque)
{
    g_ptr_array_add(opaque, (void *)feature->name);
}

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_flags(GString *text)
{
    enum { WIDTH = 75 };
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    size_t column = 1;

    rh_x86_feature_foreach(add_sorted_name, names);
    g_ptr_array_sort(names, compare_strings);
    g_string_append(text, "\nRecognized CPUID flags:\n ");
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];

        if (column + strlen(name) + 1 >= WIDTH) {
            g_string_append(text, "\n ");
            column = 1;
        }
        g_string_append_printf(text, " %s", name);
        column += strlen(name) + 1;
    }
    g_string_append(text, "\n");
}

char *rh_cpu_help(void)
{
    GString *text = g_string_new("Available CPUs:\n");
    g_autoptr(GArray) names = rh_x86_model_names();

    for (unsigned i = 0; i < names->len; i++) {
        add_help_row(text, &g_array_index(names, RhX86ModelName, i));
    }
    add_flags(text);
    return g_string_free(text, false);
}

static const char *kind_name(RhCpuPropKind kind)
{
    static const char *const names[] = {
        [RH_CPU_BOOL] = "bool",  [RH_CPU_ON_OFF_AUTO] = "OnOffAuto", [RH_CPU_U8] = "uint8",
        [RH_CPU_U16] = "uint16", [RH_CPU_U32] = "uint32",            [RH_CPU_U64] = "uint64",
        [RH_CPU_S32] = "int32",  [RH_CPU_INT] = "int",               [RH_CPU_FREQ] = "int",
        [RH_CPU_VENDOR] = "string", [RH_CPU_STRING] = "string",
    };

    return names[kind];
}

typedef struct HelpText {
    GString *text;
    const RhX86Words *words;
} HelpText;

static void add_feature_help(const RhX86Feature *feature, void *opaque)
{
    HelpText *help = opaque;
    bool is_on = rh_x86_has(help->words, feature->word, feature->mask);

    g_string_append_printf(help->text, "  %s=<bool>%*s - (default: %s)\n", feature->name,
                           (int)MAX(0, 22 - (int)strlen(feature->name)), "", is_on ? "on" : "off");
}

char *rh_cpu_model_help(const char *name, GError **err)
{
    RhCpuSpec spec;
    RhX86Words words = { 0 };
    HelpText help = { NULL, &words };
    size_t nr;
    const RhCpuProp *table = rh_cpu_props(&nr);

    if (!rh_cpu_spec_init(&spec, name, err)) {
        return NULL;
    }
    if (!spec.model->is_max) {
        rh_x86_model_words(spec.model, &words);
        rh_x86_words_settle(&words, NULL);
    }
    help.text = g_string_new(NULL);
    g_string_append_printf(help.text, "%s-x86_64-cpu options:\n", name);
    for (size_t i = 0; i < nr; i++) {
        if ((table[i].is_max_only && !spec.model->is_max) || g_str_has_prefix(table[i].name, "x-")) {
            continue;
        }
        g_string_append_printf(help.text, "  %s=<%s>%*s - %s\n", table[i].name, kind_name(table[i].kind),
                               (int)MAX(0, 22 - (int)strlen(table[i].name)), "",
                               table[i].doc ? table[i].doc : "");
    }
    rh_x86_feature_foreach(add_feature_help, &help);
    return g_string_free(help.text, false);
}
