/*
 * The types of CPUs, made from the table of models when the type table is built, and their
 * properties, made from the tables of features and of other properties.
 */
#include "target/i386/cpu-internal.h"

/* A CPU type is a device type that knows the name of its model. */
typedef struct CpuType {
    RhDeviceType device;
    const char *model_name;
} CpuType;

static const char *model_name_of(const RhObject *obj)
{
    return ((const CpuType *)obj->type)->model_name;
}

/* --- properties --- */

static bool spec_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    return rh_cpu_spec_set(&RH_SELF(RhX86Cpu, obj)->spec, prop->name, value, err);
}

static json_object *spec_get(RhObject *obj, const RhProp *prop)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, obj);
    const RhCpuProps *props = cpu->parent.is_realized ? &cpu->def.props : &cpu->spec.props;

    return rh_cpu_prop_get(props, rh_cpu_prop_find(prop->name));
}

static const RhPropKind *kind_of(RhCpuPropKind kind)
{
    static const RhPropKind kinds[] = {
        [RH_CPU_BOOL]   = { .name = "bool",   .set = spec_set, .get = spec_get },
        [RH_CPU_ON_OFF_AUTO] = { .name = "OnOffAuto", .set = spec_set, .get = spec_get },
        [RH_CPU_U8]     = { .name = "uint8",  .set = spec_set, .get = spec_get },
        [RH_CPU_U16]    = { .name = "uint16", .set = spec_set, .get = spec_get },
        [RH_CPU_U32]    = { .name = "uint32", .set = spec_set, .get = spec_get },
        [RH_CPU_U64]    = { .name = "uint64", .set = spec_set, .get = spec_get },
        [RH_CPU_S32]    = { .name = "int32",  .set = spec_set, .get = spec_get },
        [RH_CPU_INT]    = { .name = "int",    .set = spec_set, .get = spec_get },
        [RH_CPU_FREQ]   = { .name = "int",    .set = spec_set, .get = spec_get },
        [RH_CPU_VENDOR] = { .name = "string", .set = spec_set, .get = spec_get },
        [RH_CPU_STRING] = { .name = "string", .set = spec_set, .get = spec_get },
    };

    return &kinds[kind];
}

/* Before the CPU is decided a feature is as asked for; what the model brings is known afterwards. */
static json_object *feature_get(RhObject *obj, const RhProp *prop)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, obj);
    const RhX86Words *words = cpu->parent.is_realized ? &cpu->def.features : &cpu->spec.on;

    return json_object_new_boolean(rh_x86_has_name(words, prop->name));
}

static const RhPropKind feature_kind = { .name = "bool", .set = spec_set, .get = feature_get };

static json_object *unavailable_get(RhObject *obj, const RhProp *prop)
{
    return rh_cpu_unavailable_features(&RH_SELF(RhX86Cpu, obj)->def);
}

static json_object *word_info(RhX86Word word, uint64_t value)
{
    static const char *const registers[] = { "EAX", "EBX", "ECX", "EDX" };
    const RhX86WordDesc *desc = rh_x86_word_desc(word);
    json_object *info = json_object_new_object();

    json_object_object_add(info, "cpuid-register", json_object_new_string(registers[desc->reg]));
    if (desc->has_subleaf) {
        json_object_object_add(info, "cpuid-input-ecx", json_object_new_int64(desc->subleaf));
    }
    json_object_object_add(info, "cpuid-input-eax", json_object_new_int64(desc->leaf));
    json_object_object_add(info, "features", json_object_new_int64(value));
    return info;
}

static json_object *words_list(const RhX86Words *words)
{
    json_object *list = json_object_new_array();

    for (unsigned word = RH_X86_NR_WORDS; word-- > 0;) {
        if (!rh_x86_word_desc(word)->is_msr) {
            json_object_array_add(list, word_info(word, words->word[word]));
        }
    }
    return list;
}

static json_object *words_get(RhObject *obj, const RhProp *prop)
{
    return words_list(&RH_SELF(RhX86Cpu, obj)->def.features);
}

static json_object *filtered_get(RhObject *obj, const RhProp *prop)
{
    return words_list(&RH_SELF(RhX86Cpu, obj)->def.filtered);
}

static const RhPropKind list_kind = { .name = "strList", .get = unavailable_get };
static const RhPropKind words_kind = { .name = "X86CPUFeatureWordInfo", .get = words_get };
static const RhPropKind filtered_kind = { .name = "X86CPUFeatureWordInfo", .get = filtered_get };

#define ID_PROP(prop_name, m, doc_text) \
    RH_PROP(prop_name, RhX86Cpu, m, .def = UINT64_MAX, .doc = doc_text)

static const RhProp place_props[] = {
    RH_PROP("apic-id", RhX86Cpu, apic_id, .def = RH_X86_NO_APIC_ID, .doc = "number of the local APIC"),
    ID_PROP("socket-id", socket_id, "number of the package"),
    ID_PROP("die-id", die_id, "number in the package"),
    ID_PROP("core-id", core_id, "number in the die"),
    ID_PROP("thread-id", thread_id, "number in the core"),
    ID_PROP("node-id", node_id, "NUMA node"),
    { .name = "unavailable-features", .kind = &list_kind, .is_readonly = true },
    { .name = "feature-words", .kind = &words_kind, .is_readonly = true },
    { .name = "filtered-features", .kind = &filtered_kind, .is_readonly = true },
};

static void append(GArray *rows, const char *name, const RhPropKind *kind, const char *doc)
{
    RhProp row = { .name = name, .kind = kind, .doc = doc, .is_hidden = g_str_has_prefix(name, "x-") };

    g_array_append_val(rows, row);
}

static void append_feature(const RhX86Feature *feature, void *opaque)
{
    append(opaque, feature->name, &feature_kind, "CPUID feature");
}

static void append_aliases(GArray *rows)
{
    size_t nr;
    const RhX86FeatureAlias *aliases = rh_x86_feature_aliases(&nr);

    for (size_t i = 0; i < nr; i++) {
        append(rows, aliases[i].alias, &feature_kind, aliases[i].name);
    }
}

static void append_props(GArray *rows, bool is_max_only)
{
    size_t nr;
    const RhCpuProp *props = rh_cpu_props(&nr);

    for (size_t i = 0; i < nr; i++) {
        if (props[i].is_max_only != is_max_only) {
            continue;
        }
        append(rows, props[i].name, kind_of(props[i].kind), props[i].doc);
        if (props[i].alias && strcmp(props[i].alias, props[i].name) != 0) {
            append(rows, props[i].alias, kind_of(props[i].kind), props[i].name);
        }
    }
}

/* Types live as long as the program, and so do their tables. */
static RhPropTable table_of(GArray *rows)
{
    RhPropTable table = { .nr = rows->len };

    table.rows = (const RhProp *)g_array_free(rows, false);
    return table;
}

static RhPropTable common_props(void)
{
    GArray *rows = g_array_new(false, false, sizeof(RhProp));

    g_array_append_vals(rows, place_props, RH_COUNT(place_props));
    append_props(rows, false);
    rh_x86_feature_foreach(append_feature, rows);
    append_aliases(rows);
    return table_of(rows);
}

static RhPropTable max_props(void)
{
    GArray *rows = g_array_new(false, false, sizeof(RhProp));

    append_props(rows, true);
    return table_of(rows);
}

/* --- types --- */

static void cpu_init(RhObject *obj)
{
    RhX86Cpu *cpu = RH_SELF(RhX86Cpu, obj);

    g_assert(rh_cpu_spec_init(&cpu->spec, model_name_of(obj), NULL));
    cpu->warnings = g_ptr_array_new_with_free_func(g_free);
}

static void cpu_fini(RhObject *obj)
{
    g_ptr_array_unref(RH_SELF(RhX86Cpu, obj)->warnings);
}

static void add_root_types(void)
{
    static const RhDeviceType cpu_root = {
        .name = "cpu", .parent = RH_TYPE_DEVICE, .doc = "CPU", .is_abstract = true, .size = sizeof(RhDevice),
        .category = "CPU",
    };
    RhDeviceType *x86 = g_new0(RhDeviceType, 1);

    rh_type_add((const RhType *)&cpu_root);
    *x86 = (RhDeviceType){
        .name = RH_TYPE_X86_CPU, .parent = "cpu", .doc = "x86-64 CPU", .is_abstract = true,
        .size = sizeof(RhX86Cpu), .props = common_props(), .init = cpu_init, .fini = cpu_fini,
        .is_hotpluggable = true,
        .state = RH_STATE(RhX86Cpu, x86.state, rh_x86_state_at_reset, .version = 1,
                          .fields = RH_X86_STATE_FIELDS),
        .realize = rh_x86_cpu_realize, .reset = rh_x86_cpu_reset, .settle = rh_x86_cpu_settle,
        .saving = rh_x86_cpu_saving,
    };
    rh_type_add((const RhType *)x86);
}

/* The brand string says most; a version may differ from it by its note alone, and old ones have neither. */
static const char *doc_of(const RhX86ModelName *row)
{
    const char *model_id = row->model->model_id;
    const char *note = row->model->note;

    if (model_id && model_id[0]) {
        return model_id;
    }
    return note && note[0] ? note : "x86-64 CPU";
}

static void add_model_type(const RhX86ModelName *row, RhPropTable max_table)
{
    CpuType *type = g_new0(CpuType, 1);

    type->model_name = g_strdup(row->name);
    type->device.name = g_strdup_printf(RH_X86_CPU_NAME("%s"), row->name);
    type->device.parent = RH_TYPE_X86_CPU;
    type->device.doc = doc_of(row);
    if (row->model->is_max) {
        type->device.props = max_table;
    }
    rh_type_add((const RhType *)type);
}

static void cpu_types(void)
{
    g_autoptr(GArray) names = rh_x86_model_names();
    RhPropTable max_table = max_props();

    add_root_types();
    for (unsigned i = 0; i < names->len; i++) {
        add_model_type(&g_array_index(names, RhX86ModelName, i), max_table);
    }
}
RH_TYPE_FAMILY(cpu_types);
