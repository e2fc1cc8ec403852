/*
 * Properties of a CPU that are not feature bits: one table, and setting and reading by it.
 */
#include "target/i386/cpuid.h"

#define PROP(prop_name, prop_kind, member, ...)                                                    \
    { .name = prop_name, .kind = prop_kind, .offset = offsetof(RhCpuProps, member), __VA_ARGS__ }
#define FLAG(prop_name, member, ...) PROP(prop_name, RH_CPU_BOOL, member, __VA_ARGS__)

static const RhCpuProp props_table[] = {
    PROP("vendor",   RH_CPU_VENDOR, vendor,   .is_identity = true, .doc = "12 letters of leaf 0"),
    PROP("family",   RH_CPU_INT,    family,   .is_identity = true, .max = 0xff + 0xf),
    PROP("model",    RH_CPU_INT,    model,    .is_identity = true, .max = 0xff),
    PROP("stepping", RH_CPU_INT,    stepping, .is_identity = true, .max = 0xf),
    PROP("model-id", RH_CPU_STRING, model_id, .is_identity = true, .max = 48, .doc = "brand string"),
    PROP("min-level",   RH_CPU_U32, min_level,   .is_identity = true, .doc = "level is at least this"),
    PROP("min-xlevel",  RH_CPU_U32, min_xlevel,  .is_identity = true, .doc = "xlevel is at least this"),
    PROP("min-xlevel2", RH_CPU_U32, min_xlevel2, .doc = "xlevel2 is at least this"),
    PROP("level",       RH_CPU_U32, level,       .def = RH_CPU_AUTO, .doc = "largest basic leaf"),
    PROP("xlevel",      RH_CPU_U32, xlevel,      .def = RH_CPU_AUTO, .doc = "largest extended leaf"),
    PROP("xlevel2",     RH_CPU_U32, xlevel2,     .def = RH_CPU_AUTO, .doc = "largest Centaur leaf"),
    PROP("level-func7", RH_CPU_U32, level_func7, .def = RH_CPU_AUTO, .doc = "largest subleaf of leaf 7"),
    PROP("tsc-frequency", RH_CPU_FREQ, tsc_frequency, .alias = "tsc-freq", .doc = "Hz, or with suffix K, M, G"),
    PROP("phys-bits", RH_CPU_U32, phys_bits, .doc = "width of physical addresses; 0: as the model has it"),
    FLAG("host-phys-bits", host_phys_bits, .doc = "width of physical addresses is the host's"),
    PROP("host-phys-bits-limit", RH_CPU_U8, host_phys_bits_limit, .doc = "... but at most this; 0: any"),
    FLAG("check",   check,   .def = true, .doc = "warn of features that are not to be had"),
    FLAG("enforce", enforce, .doc = "refuse to start without them"),
    FLAG("x-force-features", force_features, .doc = "show features that are not to be had"),
    FLAG("migratable", migratable, .def = true, .is_max_only = true, .doc = "leave out what ties to this host"),
    FLAG("host-cache-info", host_cache_info, .is_max_only = true, .doc = "cache leaves are the host's"),
    FLAG("l3-cache", l3_cache, .def = true, .doc = "tell of a third-level cache"),
    FLAG("legacy-cache", legacy_cache, .def = true, .doc = "tell of caches as all old models did"),
    FLAG("cpuid-0xb", cpuid_0xb, .def = true, .doc = "tell the topology in leaf 0BH"),
    FLAG("full-cpuid-auto-level", full_cpuid_auto_level, .def = true, .doc = "level grows with the features"),
    FLAG("x-intel-pt-auto-level", intel_pt_auto_level, .def = true),
    FLAG("x-vendor-cpuid-only", vendor_cpuid_only, .def = true, .doc = "leave out leaves of other vendors"),
    FLAG("fill-mtrr-mask", fill_mtrr_mask, .def = true, .doc = "MTRR masks reach to the last address bit"),
    FLAG("lmce", lmce, .doc = "local machine checks"),
    FLAG("pmu", pmu, .doc = "performance counters"),
    PROP("lbr-fmt", RH_CPU_U64, lbr_fmt, .alias = "lbr_fmt", .def = ~UINT64_C(0x3f), .doc = "format of last branch records"),
    PROP("ucode-rev", RH_CPU_U64, ucode_rev, .doc = "microcode revision; 0: the vendor's usual"),
    FLAG("start-powered-off", start_powered_off),
    FLAG("kvm", kvm, .def = true, .doc = "tell the guest of KVM"),
    FLAG("tcg-cpuid", tcg_cpuid, .def = true, .doc = "tell the guest of the software engine"),
    FLAG("vmware-cpuid-freq", vmware_cpuid_freq, .def = true, .doc = "tell frequencies in leaf 40000010H"),
    FLAG("x-migrate-smi-count", migrate_smi_count, .def = true),
    FLAG("kvm-no-smi-migration", kvm_no_smi_migration),
    FLAG("kvm-pv-enforce-cpuid", kvm_pv_enforce_cpuid, .doc = "let the guest use only the KVM features told"),
    FLAG("hv-relaxed", hv_relaxed, .doc = "Hyper-V: no watchdog of slow CPUs"),
    FLAG("hv-vapic",   hv_vapic,   .doc = "Hyper-V: APIC by MSRs"),
    FLAG("hv-time",    hv_time,    .doc = "Hyper-V: reference counter and TSC page"),
    FLAG("hv-crash",   hv_crash,   .doc = "Hyper-V: crash MSRs"),
    FLAG("hv-reset",   hv_reset,   .doc = "Hyper-V: reset MSR"),
    FLAG("hv-vpindex", hv_vpindex, .doc = "Hyper-V: number of the vCPU"),
    FLAG("hv-runtime", hv_runtime, .doc = "Hyper-V: run time of the vCPU"),
    FLAG("hv-synic",   hv_synic,   .doc = "Hyper-V: synthetic interrupt controller"),
    FLAG("hv-stimer",  hv_stimer,  .doc = "Hyper-V: synthetic timers"),
    FLAG("hv-stimer-direct", hv_stimer_direct, .doc = "Hyper-V: timers that interrupt directly"),
    FLAG("hv-frequencies", hv_frequencies, .doc = "Hyper-V: TSC and APIC frequency MSRs"),
    FLAG("hv-reenlightenment", hv_reenlightenment, .doc = "Hyper-V: notice of changed TSC"),
    FLAG("hv-tlbflush", hv_tlbflush, .doc = "Hyper-V: TLB flush by hypercall"),
    FLAG("hv-tlbflush-ext", hv_tlbflush_ext, .doc = "Hyper-V: ... of address ranges"),
    FLAG("hv-tlbflush-direct", hv_tlbflush_direct, .doc = "Hyper-V: ... from a nested guest"),
    FLAG("hv-ipi", hv_ipi, .doc = "Hyper-V: interrupts between CPUs by hypercall"),
    FLAG("hv-evmcs", hv_evmcs, .doc = "Hyper-V: enlightened VMCS"),
    FLAG("hv-emsr-bitmap", hv_emsr_bitmap, .doc = "Hyper-V: enlightened MSR bitmap"),
    FLAG("hv-avic", hv_avic, .alias = "hv-apicv", .doc = "Hyper-V: advise against automatic EOI"),
    FLAG("hv-xmm-input", hv_xmm_input, .doc = "Hyper-V: hypercall input in XMM registers"),
    FLAG("hv-syndbg", hv_syndbg, .doc = "Hyper-V: synthetic debugger"),
    FLAG("hv-passthrough", hv_passthrough, .doc = "Hyper-V: everything that can be had"),
    FLAG("hv-enforce-cpuid", hv_enforce_cpuid, .doc = "Hyper-V: let the guest use only the features told"),
    FLAG("x-hv-synic-kvm-only", hv_synic_kvm_only),
    PROP("hv-spinlocks", RH_CPU_U32, hv_spinlocks, .def = UINT32_MAX, .doc = "Hyper-V: tries before a notice"),
    PROP("hv-vendor-id", RH_CPU_STRING, hv_vendor_id, .max = 12, .doc = "Hyper-V: vendor of leaf 40000000H"),
    PROP("hv-no-nonarch-coresharing", RH_CPU_ON_OFF_AUTO, hv_no_nonarch_coresharing,
         .doc = "Hyper-V: only threads of one core share it"),
    PROP("x-hv-max-vps", RH_CPU_S32, hv_max_vps, .def = UINT64_MAX),
    PROP("hv-version-id-build",   RH_CPU_U32, hv_version_build, .def = 14393),
    PROP("hv-version-id-major",   RH_CPU_U16, hv_version_major, .def = 10),
    PROP("hv-version-id-minor",   RH_CPU_U16, hv_version_minor),
    PROP("hv-version-id-spack",   RH_CPU_U32, hv_version_spack),
    PROP("hv-version-id-sbranch", RH_CPU_U8,  hv_version_sbranch),
    PROP("hv-version-id-snumber", RH_CPU_U32, hv_version_snumber),
};
G_STATIC_ASSERT(RH_COUNT(props_table) <= RH_CPU_MAX_PROPS);

static const char *const on_off_auto[] = { "off", "on", "auto" };

const RhCpuProp *rh_cpu_props(size_t *ret_nr)
{
    *ret_nr = RH_COUNT(props_table);
    return props_table;
}

static bool same_name(const char *a, const char *b)
{
    size_t i = 0;

    for (; a[i] && b[i]; i++) {
        if ((a[i] == '_' ? '-' : a[i]) != (b[i] == '_' ? '-' : b[i])) {
            return false;
        }
    }
    return a[i] == b[i];
}

const RhCpuProp *rh_cpu_prop_find(const char *name)
{
    for (size_t i = 0; i < RH_COUNT(props_table); i++) {
        const RhCpuProp *prop = &props_table[i];

        if (same_name(prop->name, name) || (prop->alias && same_name(prop->alias, name))) {
            return prop;
        }
    }
    return NULL;
}

static void *member(const RhCpuProps *props, const RhCpuProp *prop)
{
    return (char *)props + prop->offset;
}

static void store_number(RhCpuProps *props, const RhCpuProp *prop, uint64_t value)
{
    void *at = member(props, prop);

    switch (prop->kind) {
    case RH_CPU_BOOL:        *(bool *)at = value; break;
    case RH_CPU_ON_OFF_AUTO: *(int *)at = value; break;
    case RH_CPU_U8:          *(uint8_t *)at = value; break;
    case RH_CPU_U16:         rh_st16(at, value); break;
    case RH_CPU_U32:
    case RH_CPU_S32:         rh_st32(at, value); break;
    case RH_CPU_U64:
    case RH_CPU_INT:
    case RH_CPU_FREQ:        rh_st64(at, value); break;
    case RH_CPU_VENDOR:
    case RH_CPU_STRING:      *(char *)at = '\0'; break;
    }
}

void rh_cpu_props_defaults(RhCpuProps *props)
{
    *props = (RhCpuProps){ 0 };
    for (size_t i = 0; i < RH_COUNT(props_table); i++) {
        store_number(props, &props_table[i], props_table[i].def);
    }
}

static bool set_bool(bool *ret, const RhCpuProp *prop, json_object *value, GError **err)
{
    const char *text = json_object_get_string(value);

    if (json_object_is_type(value, json_type_boolean)) {
        *ret = json_object_get_boolean(value);
        return true;
    }
    if (!json_object_is_type(value, json_type_string)) {
        return rh_fail(err, "Invalid parameter type for '%s', expected: boolean", prop->name);
    }
    *ret = strcmp(text, "on") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 ||
           strcmp(text, "y") == 0;
    return *ret || strcmp(text, "off") == 0 || strcmp(text, "no") == 0 || strcmp(text, "false") == 0 ||
           strcmp(text, "n") == 0 || rh_fail(err, "Parameter '%s' expects 'on' or 'off'", prop->name);
}

static bool set_choice(int *ret, const RhCpuProp *prop, json_object *value, GError **err)
{
    const char *text = json_object_get_string(value);

    for (size_t i = 0; i < RH_COUNT(on_off_auto); i++) {
        if (g_strcmp0(text, on_off_auto[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    return rh_fail(err, "Parameter '%s' does not accept value '%s'", prop->name, text ? text : "");
}

static int64_t suffix_factor(char suffix)
{
    switch (suffix) {
    case '\0': return 1;
    case 'K': case 'k': return 1000;
    case 'M': case 'm': return 1000 * 1000;
    case 'G': case 'g': return 1000 * 1000 * 1000;
    default: return 0;
    }
}

/* A signed number in text: decimal, 0x or 0; for frequencies with one metric suffix and a fraction. */
static bool read_text(const char *text, bool is_freq, int64_t *ret)
{
    char *end = NULL;
    int64_t factor;

    errno = 0;
    if (*text == '\0' || g_ascii_isspace(*text)) {
        return false;
    }
    *ret = g_ascii_strtoll(text, &end, 0);
    if (errno == ERANGE && *text != '-') {
        errno = 0;
        *ret = (int64_t)g_ascii_strtoull(text, &end, 0);
    }
    if (errno || end == text) {
        return false;
    }
    if (!is_freq) {
        return *end == '\0';
    }
    if (*end == '.') {
        double value = g_ascii_strtod(text, &end);

        factor = *end && end[1] ? 0 : suffix_factor(*end);
        if (value < 0 || value * factor > 1e18) {
            return false;
        }
        *ret = value * factor;
        return factor != 0;
    }
    factor = *end && end[1] ? 0 : suffix_factor(*end);
    return factor && !__builtin_mul_overflow(*ret, factor, ret);
}

static bool read_number(json_object *value, bool is_freq, int64_t *ret)
{
    if (json_object_is_type(value, json_type_int)) {
        *ret = json_object_get_int64(value);
        if (*ret == INT64_MAX) {
            *ret = (int64_t)json_object_get_uint64(value);
        }
        return true;
    }
    return json_object_is_type(value, json_type_string) &&
           read_text(json_object_get_string(value), is_freq, ret);
}

static bool set_number(RhCpuProps *props, const RhCpuProp *prop, json_object *value, GError **err)
{
    static const char *const type_names[] = {
        [RH_CPU_U8] = "uint8_t",  [RH_CPU_U16] = "uint16_t", [RH_CPU_U32] = "uint32_t",
        [RH_CPU_U64] = "uint64", [RH_CPU_S32] = "int32_t",  [RH_CPU_INT] = "int64",
        [RH_CPU_FREQ] = "int64",
    };
    static const int64_t largest[] = {
        [RH_CPU_U8] = UINT8_MAX,   [RH_CPU_U16] = UINT16_MAX, [RH_CPU_U32] = UINT32_MAX,
        [RH_CPU_U64] = INT64_MAX,  [RH_CPU_S32] = INT32_MAX,  [RH_CPU_INT] = INT64_MAX,
        [RH_CPU_FREQ] = INT64_MAX,
    };
    int64_t number;

    if (!read_number(value, prop->kind == RH_CPU_FREQ, &number)) {
        bool is_small = prop->kind == RH_CPU_U32 || prop->kind == RH_CPU_U16 || prop->kind == RH_CPU_U8;

        return rh_fail(err, "Parameter '%s' expects %s", prop->name,
                       is_small ? "uint64" : type_names[prop->kind]);
    }
    if (prop->kind == RH_CPU_INT && (number < 0 || number > prop->max)) {
        return rh_fail(err, "Property .%s doesn't take value %" PRId64 " (minimum: 0, maximum: %" PRId64 ")",
                       prop->name, number, prop->max);
    }
    if ((prop->kind != RH_CPU_U64 && number > largest[prop->kind]) ||
        (number < 0 && prop->kind != RH_CPU_U64 && prop->kind != RH_CPU_S32) || number < INT32_MIN) {
        return rh_fail(err, "Parameter '%s' expects %s", prop->name, type_names[prop->kind]);
    }
    store_number(props, prop, number);
    return true;
}

static bool set_text(RhCpuProps *props, const RhCpuProp *prop, json_object *value, GError **err)
{
    const char *text = json_object_get_string(value);
    size_t len = json_object_get_string_len(value);

    if (!json_object_is_type(value, json_type_string)) {
        return rh_fail(err, "Invalid parameter type for '%s', expected: string", prop->name);
    }
    if (prop->kind == RH_CPU_VENDOR && len != 12) {
        return rh_fail(err, "Property '.vendor' doesn't take value '%s'", text);
    }
    /* Longer ones are cut: the leaves have no more room, and clients rely on no error. */
    g_strlcpy(member(props, prop), text, (prop->kind == RH_CPU_VENDOR ? 12 : prop->max) + 1);
    return true;
}

bool rh_cpu_prop_set(RhCpuProps *props, const RhCpuProp *prop, json_object *value, GError **err)
{
    switch (prop->kind) {
    case RH_CPU_BOOL:        return set_bool(member(props, prop), prop, value, err);
    case RH_CPU_ON_OFF_AUTO: return set_choice(member(props, prop), prop, value, err);
    case RH_CPU_VENDOR:
    case RH_CPU_STRING:      return set_text(props, prop, value, err);
    default:                 return set_number(props, prop, value, err);
    }
}

json_object *rh_cpu_prop_get(const RhCpuProps *props, const RhCpuProp *prop)
{
    const void *at = member(props, prop);

    switch (prop->kind) {
    case RH_CPU_BOOL:        return json_object_new_boolean(*(const bool *)at);
    case RH_CPU_ON_OFF_AUTO: return json_object_new_string(on_off_auto[*(const int *)at]);
    case RH_CPU_U8:          return json_object_new_int64(*(const uint8_t *)at);
    case RH_CPU_U16:         return json_object_new_int64(rh_ld16(at));
    case RH_CPU_U32:         return json_object_new_int64(rh_ld32(at));
    case RH_CPU_S32:         return json_object_new_int64((int32_t)rh_ld32(at));
    case RH_CPU_U64:         return json_object_new_uint64(rh_ld64(at));
    case RH_CPU_INT:
    case RH_CPU_FREQ:        return json_object_new_int64(rh_ld64(at));
    case RH_CPU_VENDOR:
    case RH_CPU_STRING:      return json_object_new_string(at);
    }
    g_assert_not_reached();
}
