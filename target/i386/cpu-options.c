/*
 * What users ask for: "-cpu MODEL,+feature,-feature,name=value" and the same by name and value.
 * Texts of errors and warnings are those clients know.
 */
#include "target/i386/cpuid.h"

bool rh_cpu_spec_init(RhCpuSpec *spec, const char *name, GError **err)
{
    const RhX86Model *model = rh_x86_model_find(name);

    if (!model) {
        return rh_fail(err, "unable to find CPU model '%s'", name);
    }
    *spec = (RhCpuSpec){ .model = model };
    g_strlcpy(spec->name, name, sizeof(spec->name));
    rh_cpu_props_defaults(&spec->props);
    return true;
}

static void spec_switch(RhCpuSpec *spec, const RhX86Feature *feature, bool is_on)
{
    RhX86Words *to = is_on ? &spec->on : &spec->off;
    RhX86Words *from = is_on ? &spec->off : &spec->on;

    to->word[feature->word] |= feature->mask;
    from->word[feature->word] &= ~feature->mask;
}

static bool set_feature(RhCpuSpec *spec, const RhX86Feature *feature, json_object *value, GError **err)
{
    /* A feature is set as any other switch is. */
    const RhCpuProp as_prop = { .name = feature->name, .kind = RH_CPU_BOOL, .offset = offsetof(RhCpuProps, check) };
    RhCpuProps scratch;

    if (!rh_cpu_prop_set(&scratch, &as_prop, value, err)) {
        return false;
    }
    spec_switch(spec, feature, scratch.check);
    return true;
}

bool rh_cpu_spec_set(RhCpuSpec *spec, const char *name, json_object *value, GError **err)
{
    const RhCpuProp *prop = rh_cpu_prop_find(name);
    RhX86Feature feature;
    size_t nr;

    if (prop && (!prop->is_max_only || spec->model->is_max)) {
        if (!rh_cpu_prop_set(&spec->props, prop, value, err)) {
            return false;
        }
        spec->is_set[prop - rh_cpu_props(&nr)] = true;
        return true;
    }
    if (!prop && rh_x86_feature_find(name, &feature)) {
        return set_feature(spec, &feature, value, err);
    }
    return rh_fail(err, "Property '%s-x86_64-cpu.%s' not found", spec->name, name);
}

/* "name=value", or "name" for "name=on". */
static bool set_pair(RhCpuSpec *spec, const char *item, GError **err)
{
    const char *equals = strchr(item, '=');
    g_autofree char *name = equals ? g_strndup(item, equals - item) : g_strdup(item);
    const char *text = equals ? equals + 1 : "on";
    json_object *value = json_object_new_string(text);
    GError *local = NULL;
    bool is_good;

    /* Names with underscores are as good; the messages show dashes. */
    g_strdelimit(name, "_", '-');
    is_good = rh_cpu_spec_set(spec, name, value, &local);
    json_object_put(value);
    if (!is_good) {
        g_propagate_prefixed_error(err, local, "can't apply global %s-x86_64-cpu.%s=%s: ", spec->name, name,
                                   text);
    }
    return is_good;
}

static bool set_sign(RhCpuSpec *spec, const char *item, char sign, GError **err)
{
    g_autofree char *name = g_strdelimit(g_strdup(item), "_", '-');
    json_object *value = json_object_new_boolean(sign == '+');
    bool is_good = rh_cpu_spec_set(spec, name, value, err);

    json_object_put(value);
    return is_good;
}

/* Whether @item is "name" or "name=..." with the name of "+name" or "-name". */
static bool is_pair_of(const char *item, const char *name)
{
    size_t len = strlen(name);

    return strncmp(item, name, len) == 0 && (item[len] == '=' || item[len] == '\0');
}

static void warn_of_ambiguity(char *const *items, GPtrArray *warnings)
{
    bool is_ambiguous = false;

    for (char *const *sign = items; *sign; sign++) {
        for (char *const *pair = items; (**sign == '+' || **sign == '-') && *pair; pair++) {
            if (is_pair_of(*pair, *sign + 1)) {
                const char *equals = strchr(*pair, '=');

                g_ptr_array_add(warnings,
                                g_strdup_printf("Ambiguous CPU model string. Don't mix both \"%s\" and \"%s%s\"",
                                                *sign, *pair, equals ? "" : "=on"));
                is_ambiguous = true;
                break;
            }
        }
    }
    if (is_ambiguous) {
        g_ptr_array_add(warnings, g_strdup("Compatibility of ambiguous CPU model strings won't be kept "
                                           "on future versions"));
    }
}

bool rh_cpu_spec_parse(RhCpuSpec *spec, const char *text, GPtrArray *warnings, GError **err)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    static const char passes[] = { '=', '+', '-' };
    RhCpuSpec result;

    if (!items[0] || !*items[0]) {
        return rh_fail(err, "-cpu option cannot be empty");
    }
    if (!rh_cpu_spec_init(&result, items[0], err)) {
        return false;
    }
    for (size_t pass = 0; pass < RH_COUNT(passes); pass++) {
        for (char **item = items + 1; *item; item++) {
            bool is_sign = **item == '+' || **item == '-';
            bool is_mine = is_sign ? **item == passes[pass] : passes[pass] == '=';

            if (!**item || !is_mine) {
                continue;
            }
            if (!(is_sign ? set_sign(&result, *item + 1, **item, err) : set_pair(&result, *item, err))) {
                return false;
            }
        }
    }
    if (warnings) {
        warn_of_ambiguity(items + 1, warnings);
    }
    *spec = result;
    return true;
}
