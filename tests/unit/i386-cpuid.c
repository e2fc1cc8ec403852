/* CPU models, -cpu and CPUID: tables are sound, every model builds, texts are those clients know. */
#include "target/i386/cpuid.h"

/* An accelerator that can show everything: the words' names are all it knows. */
static void add_feature(const RhX86Feature *feature, void *opaque)
{
    ((RhX86Words *)opaque)->word[feature->word] |= feature->mask;
}

static RhCpuLimits everything(void)
{
    RhCpuLimits limits = {
        .who = "host", .runs_on_host_cpu = true, .has_kvm_leaves = true, .vendor = "GenuineIntel",
        .model_id = "A CPU", .family = 6, .model = 143, .stepping = 8, .level = 0x20, .xlevel = 0x80000008,
        .phys_bits = 46, .tsc_khz = 2600000,
        .models_gain = "kvmclock x2apic", .models_lose = "svm monitor",
    };

    rh_x86_feature_foreach(add_feature, &limits.features);
    limits.features.word[RH_X86_XCR0_LO] = limits.features.word[RH_X86_XSS_LO] = UINT32_MAX;
    return limits;
}

static void see_feature(const RhX86Feature *feature, void *opaque)
{
    GHashTable *seen = opaque;
    RhX86Feature found;

    g_assert_true(g_hash_table_add(seen, (void *)feature->name));
    g_assert_true(rh_x86_feature_find(feature->name, &found));
    g_assert_cmpuint(found.word, ==, feature->word);
    g_assert_cmphex(found.mask, ==, feature->mask);
    g_assert_true(!rh_cpu_prop_find(feature->name));
    g_assert_true(rh_x86_word_desc(feature->word)->is_msr || feature->mask <= UINT32_MAX);
}

static void test_features(void)
{
    GHashTable *seen = g_hash_table_new(g_str_hash, g_str_equal);
    size_t nr;
    const RhX86FeatureAlias *aliases = rh_x86_feature_aliases(&nr);
    RhX86Feature found;
    char *text;

    rh_x86_feature_foreach(see_feature, seen);
    g_assert_cmpuint(g_hash_table_size(seen), >, 300);
    for (size_t i = 0; i < nr; i++) {
        g_assert_true(rh_x86_feature_find(aliases[i].alias, &found));
        g_assert_cmpstr(found.name, ==, aliases[i].name);
    }
    g_assert_false(rh_x86_feature_find("nosuch", &found));
    g_assert_false(rh_x86_feature_find("", &found));
    text = rh_x86_feature_bit(RH_X86_1_ECX, 0);
    g_assert_cmpstr(text, ==, "CPUID.01H:ECX.pni [bit 0]");
    g_free(text);
    text = rh_x86_feature_bit(RH_X86_ARCH_CAPABILITIES, 0);
    g_assert_cmpstr(text, ==, "MSR(10AH).rdctl-no [bit 0]");
    g_free(text);
    g_hash_table_unref(seen);
}

static void test_settle(void)
{
    RhX86Words words = { 0 };
    RhX86Words dropped = { 0 };

    rh_x86_words_add(&words, "avx avx2 rdctl-no vmx-ept-1gb sse");
    rh_x86_words_settle(&words, &dropped);
    g_assert_true(rh_x86_has_name(&words, "sse"));
    g_assert_false(rh_x86_has_name(&words, "avx2"));
    g_assert_true(rh_x86_has_name(&dropped, "avx2"));
    g_assert_true(rh_x86_has_name(&dropped, "rdctl-no"));
    g_assert_true(rh_x86_has_name(&dropped, "vmx-ept-1gb"));
}

/* Leaves are unique, end where leaf 0 says, and the topology leaves agree with each other. */
static void check_table(const RhCpuidEntry *out, size_t nr, const RhCpuTopology *topo, uint32_t apic_id)
{
    const RhCpuidEntry *leaf0 = rh_cpuid_find(out, nr, 0, 0);
    const RhCpuidEntry *leaf1 = rh_cpuid_find(out, nr, 1, 0);
    const RhCpuidEntry *cores = rh_cpuid_find(out, nr, 0xb, 1);
    const RhCpuidEntry *dies = rh_cpuid_find(out, nr, 0x1f, 2);
    const RhCpuidEntry *l3 = rh_cpuid_find(out, nr, 4, 3);
    unsigned in_package = topo->dies * topo->cores * topo->threads;

    for (size_t i = 0; i < nr; i++) {
        for (size_t j = 0; j < i; j++) {
            g_assert_true(out[i].leaf != out[j].leaf || out[i].subleaf != out[j].subleaf);
        }
        g_assert_true(out[i].leaf >= 0x40000000 || out[i].leaf <= leaf0->eax);
    }
    if (!leaf1) {
        g_assert_cmphex(leaf0->eax, ==, 0);
        return;
    }
    g_assert_cmphex(leaf1->ebx >> 24, ==, apic_id);
    g_assert_cmpuint(leaf1->ebx >> 16 & 0xff, ==, in_package > 1 ? in_package : 0);
    g_assert_cmpuint(leaf1->edx >> 28 & 1, ==, in_package > 1);
    if (cores) {
        g_assert_cmpuint(cores->ebx, ==, in_package);
        g_assert_cmpuint(cores->eax, ==, rh_topology_package_shift(topo));
        g_assert_cmphex(cores->ecx, ==, 0x201);
        g_assert_cmphex(cores->edx, ==, apic_id);
        g_assert_true(!!dies == (topo->dies > 1 && leaf0->ebx == rh_ld32("Genu")));
    }
    if (dies) {
        g_assert_cmpuint(dies->eax, ==, rh_topology_package_shift(topo));
        g_assert_cmpuint(dies->ebx, ==, in_package);
        g_assert_cmpuint(rh_cpuid_find(out, nr, 0x1f, 1)->eax, ==, rh_topology_die_shift(topo));
    }
    if (l3 && (l3->eax & 0x1f)) {
        g_assert_cmpuint((l3->eax >> 14 & 0xfff) + 1, ==, 1u << rh_topology_die_shift(topo));
        g_assert_cmpuint((l3->eax >> 26) + 1, ==,
                         1u << (rh_topology_package_shift(topo) - rh_topology_core_shift(topo)));
    }
}

static void test_models_build(void)
{
    static const RhCpuTopology shapes[] = { { 1, 1, 1, 1 }, { 2, 1, 2, 2 }, { 1, 2, 3, 1 }, { 2, 2, 1, 2 } };
    RhCpuLimits limits = everything();
    RhCpuidEntry out[RH_CPUID_MAX_ENTRIES];
    GArray *names = rh_x86_model_names();

    g_assert_cmpuint(names->len, ==, 132);
    for (unsigned i = 0; i < names->len; i++) {
        const char *name = g_array_index(names, RhX86ModelName, i).name;
        GError *error = NULL;
        RhCpuSpec spec;
        RhCpuDef def;

        g_assert_true(rh_cpu_spec_parse(&spec, name, NULL, &error));
        g_assert_true(rh_cpu_resolve(&def, &spec, &limits, NULL, &error));
        g_assert_no_error(error);
        for (unsigned s = 0; s < RH_COUNT(shapes); s++) {
            uint32_t apic_id = rh_apic_id_limit(&shapes[s], shapes[s].sockets * shapes[s].dies *
                                                                shapes[s].cores * shapes[s].threads) - 1;
            check_table(out, rh_cpuid_build(&def, &shapes[s], apic_id, out), &shapes[s], apic_id);
        }
    }
    g_array_unref(names);
}

static void test_known_model(void)
{
    static const RhCpuTopology one = { 1, 1, 1, 1 };
    RhCpuLimits limits = everything();
    RhCpuidEntry out[RH_CPUID_MAX_ENTRIES];
    RhCpuSpec spec;
    RhCpuDef def;
    size_t nr;

    limits.models_gain = limits.models_lose = NULL;
    g_assert_true(rh_cpu_spec_parse(&spec, "Haswell-noTSX,phys-bits=40", NULL, NULL));
    g_assert_true(rh_cpu_resolve(&def, &spec, &limits, NULL, NULL));
    nr = rh_cpuid_build(&def, &one, 0, out);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0, 0)->eax, ==, 0xd);
    g_assert_cmphex(rh_cpuid_find(out, nr, 1, 0)->eax, ==, 0x306c1);
    g_assert_cmphex(rh_cpuid_find(out, nr, 1, 0)->ecx, ==, 0xf7fa3203);
    g_assert_cmphex(rh_cpuid_find(out, nr, 7, 0)->ebx, ==, 0x7a9);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0xd, 0)->eax, ==, 7);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0xd, 0)->ecx, ==, 0x340);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x80000008, 0)->eax, ==, 0x3028);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000000, 0)->ebx, ==, rh_ld32("KVMK"));
    g_assert_null(rh_cpuid_find(out, nr, 0x12, 0));
}

static void test_hyperv(void)
{
    static const RhCpuTopology one = { 1, 1, 1, 1 };
    RhCpuLimits limits = everything();
    RhCpuidEntry out[RH_CPUID_MAX_ENTRIES];
    GError *error = NULL;
    RhCpuSpec spec;
    RhCpuDef def;
    size_t nr;

    g_assert_true(rh_cpu_spec_parse(&spec, "qemu64,hv_relaxed,hv-time,hv-spinlocks=0x1fff,hv-vendor-id=abc", NULL,
                                    NULL));
    g_assert_true(rh_cpu_resolve(&def, &spec, &limits, NULL, NULL));
    nr = rh_cpuid_build(&def, &one, 0, out);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000000, 0)->eax, ==, 0x40000005);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000000, 0)->ebx, ==, rh_ld32("abc"));
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000001, 0)->eax, ==, rh_ld32("Hv#1"));
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000003, 0)->eax, ==, 0x222);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000004, 0)->eax, ==, 0x20);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000004, 0)->ebx, ==, 0x1fff);
    g_assert_cmphex(rh_cpuid_find(out, nr, 0x40000100, 0)->ebx, ==, rh_ld32("KVMK"));
    g_assert_true(rh_cpu_spec_parse(&spec, "qemu64,hv-synic", NULL, NULL));
    g_assert_false(rh_cpu_resolve(&def, &spec, &limits, NULL, &error));
    g_assert_cmpstr(error->message, ==, "Hyper-V enlightenment 'hv-synic' requires 'hv-vpindex'");
    g_error_free(error);
}

static void test_refuse(void)
{
    static const char *const rows[][2] = {
        { "", "-cpu option cannot be empty" },
        { "foo", "unable to find CPU model 'foo'" },
        { "base,foo=on", "can't apply global base-x86_64-cpu.foo=on: Property 'base-x86_64-cpu.foo' not found" },
        { "base,foo", "can't apply global base-x86_64-cpu.foo=on: Property 'base-x86_64-cpu.foo' not found" },
        { "base,+foo", "Property 'base-x86_64-cpu.foo' not found" },
        { "base,-foo", "Property 'base-x86_64-cpu.foo' not found" },
        { "base,family=abc", "can't apply global base-x86_64-cpu.family=abc: Parameter 'family' expects int64" },
        { "base,family=300", "can't apply global base-x86_64-cpu.family=300: Property .family doesn't take value "
                             "300 (minimum: 0, maximum: 270)" },
        { "base,vendor=abc", "can't apply global base-x86_64-cpu.vendor=abc: Property '.vendor' doesn't take "
                             "value 'abc'" },
        { "base,level=-1", "can't apply global base-x86_64-cpu.level=-1: Parameter 'level' expects uint32_t" },
        { "base,sse2=maybe", "can't apply global base-x86_64-cpu.sse2=maybe: Parameter 'sse2' expects 'on' or "
                             "'off'" },
        { "base,min-level=5000000000", "can't apply global base-x86_64-cpu.min-level=5000000000: Parameter "
                                       "'min-level' expects uint32_t" },
        { "base,hv-version-id-major=70000", "can't apply global base-x86_64-cpu.hv-version-id-major=70000: "
                                            "Parameter 'hv-version-id-major' expects uint16_t" },
        { "base,host-cache-info=on", "can't apply global base-x86_64-cpu.host-cache-info=on: Property "
                                     "'base-x86_64-cpu.host-cache-info' not found" },
        { "base,tsc-frequency=xG", "can't apply global base-x86_64-cpu.tsc-frequency=xG: Parameter "
                                   "'tsc-frequency' expects int64" },
        { "base,+level", "Parameter 'level' expects uint64" },
    };

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        GError *error = NULL;
        RhCpuSpec spec;

        g_assert_false(rh_cpu_spec_parse(&spec, rows[i][0], NULL, &error));
        g_assert_cmpstr(error->message, ==, rows[i][1]);
        g_error_free(error);
    }
}

static bool is_on(const char *text, const char *feature)
{
    RhCpuLimits limits = everything();
    RhCpuSpec spec;
    RhCpuDef def;

    g_assert_true(rh_cpu_spec_parse(&spec, text, NULL, NULL));
    g_assert_true(rh_cpu_resolve(&def, &spec, &limits, NULL, NULL));
    return rh_x86_has_name(&def.features, feature);
}

static void test_options(void)
{
    GPtrArray *warnings = g_ptr_array_new_with_free_func(g_free);
    RhCpuSpec spec;

    g_assert_true(is_on("base,sse3", "pni"));
    g_assert_true(is_on("base,sse4_1=on", "sse4.1"));
    g_assert_true(is_on("base,sse2=off,+sse2", "sse2"));
    g_assert_false(is_on("base,+sse2,-sse2", "sse2"));
    g_assert_false(is_on("base,-sse2,+sse2", "sse2"));
    g_assert_false(is_on("Haswell,-xsave", "avx2"));
    g_assert_true(is_on("qemu64", "kvmclock"));
    g_assert_false(is_on("qemu64,kvm=off", "kvmclock"));
    g_assert_false(is_on("qemu64", "svm"));
    g_assert_true(is_on("qemu64,+svm", "svm"));
    g_assert_false(is_on("host", "invtsc"));
    g_assert_true(is_on("host,migratable=off", "invtsc"));
    g_assert_true(is_on("host,+invtsc", "invtsc"));
    g_assert_true(rh_cpu_spec_parse(&spec, "base,+sse2,sse2=on,tsc-freq=2.5G", warnings, NULL));
    g_assert_cmpint(spec.props.tsc_frequency, ==, 2500000000);
    g_assert_cmpuint(warnings->len, ==, 2);
    g_assert_cmpstr(warnings->pdata[0], ==,
                    "Ambiguous CPU model string. Don't mix both \"+sse2\" and \"sse2=on\"");
    g_ptr_array_unref(warnings);
}

static void test_filter(void)
{
    RhCpuLimits limits = everything();
    GPtrArray *warnings = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    RhCpuSpec spec;
    RhCpuDef def;
    json_object *list;

    rh_x86_words_remove(&limits.features, "pni avx");
    g_assert_true(rh_cpu_spec_parse(&spec, "Haswell", NULL, NULL));
    g_assert_true(rh_cpu_resolve(&def, &spec, &limits, warnings, NULL));
    g_assert_cmpstr(warnings->pdata[0], ==, "host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]");
    g_assert_cmpuint(warnings->len, ==, 2);
    g_assert_false(rh_x86_has_name(&def.features, "avx2"));
    g_assert_cmphex(def.xcr0, ==, 3);
    list = rh_cpu_unavailable_features(&def);
    g_assert_cmpstr(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN), ==, "[\"pni\",\"avx\"]");
    json_object_put(list);
    g_assert_true(rh_cpu_spec_parse(&spec, "Haswell,enforce", NULL, NULL));
    g_assert_false(rh_cpu_resolve(&def, &spec, &limits, NULL, &error));
    g_assert_cmpstr(error->message, ==, "Host doesn't support requested features");
    g_clear_error(&error);
    limits.runs_on_host_cpu = false;
    g_assert_true(rh_cpu_spec_parse(&spec, "host", NULL, NULL));
    g_assert_false(rh_cpu_resolve(&def, &spec, &limits, NULL, &error));
    g_assert_cmpstr(error->message, ==, "CPU model 'host' requires KVM or HVF");
    g_error_free(error);
    g_ptr_array_unref(warnings);
}

static void test_levels(void)
{
    static const struct {
        const char *text;
        uint32_t level, xlevel, func7;
    } rows[] = {
        { "base", 0, 0, 0 },
        { "base,+sse", 1, 0, 0 },
        { "base,+arat", 6, 0, 0 },
        { "base,+smap", 7, 0, 0 },
        { "base,+svm", 0, 0x8000000a, 0 },
        { "base,+ibpb", 0, 0x80000008, 0 },
        { "base,+sse,full-cpuid-auto-level=off", 0, 0, 0 },
        { "base,+smap,level=4", 4, 0, 0 },
        { "Cooperlake", 0xd, 0x80000008, 1 },
    };
    RhCpuLimits limits = everything();

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        RhCpuSpec spec;
        RhCpuDef def;

        g_assert_true(rh_cpu_spec_parse(&spec, rows[i].text, NULL, NULL));
        g_assert_true(rh_cpu_resolve(&def, &spec, &limits, NULL, NULL));
        g_assert_cmphex(def.props.level, ==, rows[i].level);
        g_assert_cmphex(def.props.xlevel, ==, rows[i].xlevel);
        g_assert_cmphex(def.props.level_func7, ==, rows[i].func7);
    }
}

static void test_from_leaves(void)
{
    static const RhCpuidEntry leaves[] = {
        { .leaf = 0, .eax = 0x16, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69 },
        { .leaf = 1, .eax = 0x000806f8, .ecx = 1u << 27 | 1, .edx = 1u << 26 },
        { .leaf = 0xd, .subleaf = 9, .has_subleaf = true, .eax = 8, .ebx = 0x980 },
        { .leaf = 0x80000008, .eax = 0x302e },
    };
    RhCpuLimits limits = { .who = "host" };

    rh_cpu_limits_from_leaves(&limits, leaves, RH_COUNT(leaves));
    g_assert_cmpstr(limits.vendor, ==, "GenuineIntel");
    g_assert_cmpuint(limits.family, ==, 6);
    g_assert_cmpuint(limits.model, ==, 143);
    g_assert_cmpuint(limits.stepping, ==, 8);
    g_assert_cmpuint(limits.phys_bits, ==, 46);
    g_assert_cmphex(limits.features.word[RH_X86_1_ECX], ==, 1);
    g_assert_cmphex(limits.xsave[9].offset, ==, 0x980);
}

static json_object *prop_of(json_object *expansion, const char *name)
{
    json_object *model = json_object_object_get(expansion, "model");

    return json_object_object_get(json_object_object_get(model, "props"), name);
}

static void test_expansion(void)
{
    RhCpuLimits limits = everything();
    json_object *props = json_tokener_parse("{\"sse2\": false, \"hle\": \"off\"}");
    json_object *expansion = rh_cpu_model_expansion(&limits, false, "Haswell", props, NULL);
    json_object *bad = json_tokener_parse("{\"foo\": true}");
    json_object *list;
    GError *error = NULL;

    g_assert_cmpstr(json_object_get_string(json_object_object_get(json_object_object_get(expansion, "model"),
                                                                  "name")), ==, "base");
    g_assert_false(json_object_get_boolean(prop_of(expansion, "sse2")));
    g_assert_false(json_object_get_boolean(prop_of(expansion, "hle")));
    g_assert_true(json_object_get_boolean(prop_of(expansion, "rtm")));
    g_assert_cmpint(json_object_get_int(prop_of(expansion, "min-level")), ==, 13);
    g_assert_null(prop_of(expansion, "level"));
    json_object_put(expansion);
    expansion = rh_cpu_model_expansion(&limits, true, "Haswell", NULL, NULL);
    g_assert_true(json_object_get_boolean(prop_of(expansion, "sse4_1")));
    g_assert_nonnull(prop_of(expansion, "level"));
    g_assert_null(prop_of(expansion, "migratable"));
    json_object_put(expansion);
    g_assert_null(rh_cpu_model_expansion(&limits, true, "nosuch", NULL, &error));
    g_assert_cmpstr(error->message, ==, "CPU model 'nosuch' not found");
    g_clear_error(&error);
    g_assert_null(rh_cpu_model_expansion(&limits, true, "base", bad, &error));
    g_assert_cmpstr(error->message, ==, "Property 'base-x86_64-cpu.foo' not found");
    g_error_free(error);
    list = rh_cpu_definitions(&limits);
    g_assert_cmpuint(json_object_array_length(list), ==, 132);
    json_object_put(list);
    json_object_put(bad);
    json_object_put(props);
}

static void test_help(void)
{
    char *text = rh_cpu_help();
    char *one = rh_cpu_model_help("Haswell", NULL);

    g_assert_nonnull(strstr(text, "x86 Haswell-noTSX         (alias of Haswell-v2)\n"));
    g_assert_nonnull(strstr(text, "x86 486                   (alias configured by machine type)\n"));
    g_assert_nonnull(strstr(text, "\nRecognized CPUID flags:\n  3dnow 3dnowext "));
    g_assert_nonnull(strstr(one, "  level=<uint32>"));
    g_assert_null(rh_cpu_model_help("nosuch", NULL));
    g_free(text);
    g_free(one);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i386/features", test_features);
    g_test_add_func("/i386/settle", test_settle);
    g_test_add_func("/i386/models-build", test_models_build);
    g_test_add_func("/i386/known-model", test_known_model);
    g_test_add_func("/i386/hyperv", test_hyperv);
    g_test_add_func("/i386/options/refuse", test_refuse);
    g_test_add_func("/i386/options", test_options);
    g_test_add_func("/i386/filter", test_filter);
    g_test_add_func("/i386/levels", test_levels);
    g_test_add_func("/i386/from-leaves", test_from_leaves);
    g_test_add_func("/i386/expansion", test_expansion);
    g_test_add_func("/i386/help", test_help);
    return g_test_run();
}
