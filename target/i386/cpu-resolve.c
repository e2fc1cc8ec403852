/*
 * From what was asked for to a CPU fully decided: model, options, dependencies, levels, and what the
 * accelerator can show.
 * Spec: Intel SDM vol. 2A "CPUID", vol. 1 chapter 13 (XSAVE); AMD APM vol. 3 appendix E.
 */
#include "target/i386/cpuid.h"

/* State components of XSAVE: SDM vol. 1 §13.4, and which features bring them. */
typedef struct XsaveRule {
    unsigned component;
    RhXsaveComponent where;
    const char *features;       /* any of them */
    bool is_supervisor;
} XsaveRule;

static const XsaveRule xsave_rules[] = {
    { 2,  { 0x100,  0x240, 0 }, "avx" },
    { 3,  { 0x40,   0x3c0, 0 }, "mpx" },
    { 4,  { 0x40,   0x400, 0 }, "mpx" },
    { 5,  { 0x40,   0x440, 0 }, "avx512f" },
    { 6,  { 0x200,  0x480, 0 }, "avx512f" },
    { 7,  { 0x400,  0x680, 0 }, "avx512f" },
    { 9,  { 0x8,    0xa80, 0 }, "pku" },
    { 15, { 0x328,  0,     1 }, "arch-lbr", .is_supervisor = true },
    { 17, { 0x40,   0xac0, 2 }, "amx-tile" },
    { 18, { 0x2000, 0xb00, 6 }, "amx-tile" },
};

const RhCpuidEntry *rh_cpuid_find(const RhCpuidEntry *entries, size_t nr, uint32_t leaf, uint32_t subleaf)
{
    for (size_t i = 0; i < nr; i++) {
        if (entries[i].leaf == leaf && (!entries[i].has_subleaf || entries[i].subleaf == subleaf)) {
            return &entries[i];
        }
    }
    return NULL;
}

static uint32_t register_of(const RhCpuidEntry *entry, RhX86CpuidReg reg)
{
    switch (reg) {
    case RH_X86_EAX: return entry->eax;
    case RH_X86_EBX: return entry->ebx;
    case RH_X86_ECX: return entry->ecx;
    case RH_X86_EDX: return entry->edx;
    }
    g_assert_not_reached();
}

static void limits_words(RhCpuLimits *limits)
{
    for (RhX86Word word = 0; word < RH_X86_NR_WORDS; word++) {
        const RhX86WordDesc *desc = rh_x86_word_desc(word);
        const RhCpuidEntry *entry =
            desc->is_msr ? NULL : rh_cpuid_find(limits->leaves, limits->nr_leaves, desc->leaf, desc->subleaf);

        if (!desc->is_msr) {
            limits->features.word[word] = entry ? register_of(entry, desc->reg) : 0;
        }
    }
}

static void limits_identity(RhCpuLimits *limits, const RhCpuidEntry *leaf0, const RhCpuidEntry *leaf1)
{
    uint32_t eax = leaf1->eax;

    rh_st32(limits->vendor, leaf0->ebx);
    rh_st32(limits->vendor + 4, leaf0->edx);
    rh_st32(limits->vendor + 8, leaf0->ecx);
    limits->vendor[12] = '\0';
    limits->level = leaf0->eax;
    limits->stepping = eax & 0xf;
    limits->model = (eax >> 4 & 0xf) | (eax >> 12 & 0xf0);
    limits->family = (eax >> 8 & 0xf) + (eax >> 20 & 0xff);
}

static void limits_brand(RhCpuLimits *limits)
{
    memset(limits->model_id, 0, sizeof(limits->model_id));
    for (unsigned i = 0; i < 3; i++) {
        const RhCpuidEntry *entry = rh_cpuid_find(limits->leaves, limits->nr_leaves, 0x80000002 + i, 0);
        char *at = limits->model_id + 16 * i;

        if (entry) {
            rh_st32(at, entry->eax);
            rh_st32(at + 4, entry->ebx);
            rh_st32(at + 8, entry->ecx);
            rh_st32(at + 12, entry->edx);
        }
    }
    g_strchug(limits->model_id);
}

static void limits_xsave(RhCpuLimits *limits)
{
    for (unsigned i = 2; i < 63; i++) {
        const RhCpuidEntry *entry = rh_cpuid_find(limits->leaves, limits->nr_leaves, 0xd, i);

        if (entry && entry->has_subleaf && entry->eax) {
            limits->xsave[i] = (RhXsaveComponent){ entry->eax, entry->ebx, entry->ecx & 7 };
        }
    }
}

void rh_cpu_limits_from_leaves(RhCpuLimits *limits, const RhCpuidEntry *leaves, size_t nr)
{
    const RhCpuidEntry *leaf0 = rh_cpuid_find(leaves, nr, 0, 0);
    const RhCpuidEntry *leaf1 = rh_cpuid_find(leaves, nr, 1, 0);
    const RhCpuidEntry *ext0 = rh_cpuid_find(leaves, nr, 0x80000000, 0);
    const RhCpuidEntry *ext8 = rh_cpuid_find(leaves, nr, 0x80000008, 0);
    const RhCpuidEntry *centaur = rh_cpuid_find(leaves, nr, 0xc0000000, 0);

    limits->leaves = leaves;
    limits->nr_leaves = nr;
    limits_words(limits);
    if (leaf0 && leaf1) {
        limits_identity(limits, leaf0, leaf1);
    }
    limits_brand(limits);
    limits_xsave(limits);
    limits->xlevel = ext0 ? ext0->eax : 0;
    limits->xlevel2 = centaur ? centaur->eax : 0;
    limits->phys_bits = ext8 ? ext8->eax & 0xff : 36;
    /* OSXSAVE and OSPKE mirror CR4 of whoever asked; they are no features. */
    limits->features.word[RH_X86_1_ECX] &= ~RH_X86_1_ECX_OSXSAVE;
    limits->features.word[RH_X86_7_0_ECX] &= ~RH_X86_7_0_ECX_OSPKE;
}

static bool is_set(const RhCpuSpec *spec, const void *member)
{
    size_t nr;
    const RhCpuProp *props = rh_cpu_props(&nr);

    for (size_t i = 0; i < nr; i++) {
        if ((const char *)&spec->props + props[i].offset == member) {
            return spec->is_set[i];
        }
    }
    return false;
}
#define IS_SET(spec, member) is_set(spec, &(spec)->props.member)

static void default_text(char *to, size_t size, const char *text, bool is_set_by_user)
{
    if (!is_set_by_user) {
        g_strlcpy(to, text ? text : "", size);
    }
}

/* The identity of the model, or for max and host of the CPU behind the accelerator. */
static void take_identity(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits)
{
    RhCpuProps *props = &def->props;
    RhX86ModelId id;

    rh_x86_model_identity(spec->model, &id);
    if (spec->model->is_max) {
        id = (RhX86ModelId){ limits->vendor, limits->model_id, limits->family, limits->model,
                             limits->stepping, limits->level, limits->xlevel, NULL };
    }
    if (limits->runs_on_host_cpu && !spec->model->is_static) {
        /* System calls differ between vendors, and the host's CPU runs them. */
        id.vendor = limits->vendor;
    }
    def->caches = id.caches;
    default_text(props->vendor, sizeof(props->vendor), id.vendor, IS_SET(spec, vendor));
    default_text(props->model_id, sizeof(props->model_id), id.model_id, IS_SET(spec, model_id));
    props->family = IS_SET(spec, family) ? props->family : id.family;
    props->model = IS_SET(spec, model) ? props->model : id.model;
    props->stepping = IS_SET(spec, stepping) ? props->stepping : id.stepping;
    props->min_level = IS_SET(spec, min_level) ? props->min_level : id.level;
    props->min_xlevel = IS_SET(spec, min_xlevel) ? props->min_xlevel : id.xlevel;
    props->legacy_cache = IS_SET(spec, legacy_cache) ? props->legacy_cache : !id.caches;
    if (spec->model->is_max) {
        props->pmu = IS_SET(spec, pmu) ? props->pmu : true;
        props->lmce = IS_SET(spec, lmce) ? props->lmce : false;
        props->host_phys_bits =
            IS_SET(spec, host_phys_bits) ? props->host_phys_bits : limits->runs_on_host_cpu;
    }
}

/* Only what has a name migrates: a bit that nobody knows cannot be asked for on the other side. */
static void keep_migratable(RhX86Words *words)
{
    for (RhX86Word word = 0; word < RH_X86_NR_WORDS; word++) {
        const RhX86WordDesc *desc = rh_x86_word_desc(word);

        for (unsigned bit = 0; bit < 64; bit++) {
            if (!desc->names[bit]) {
                words->word[word] &= ~(UINT64_C(1) << bit);
            }
        }
        words->word[word] &= ~desc->unmigratable;
    }
}

/* Hints are promises of the user; what tells of more threads than one follows from the topology. */
static void take_all(RhCpuDef *def, const RhCpuLimits *limits)
{
    def->features = limits->features;
    def->features.word[RH_X86_KVM_HINTS] = 0;
    rh_x86_words_remove(&def->features, "ht cmp-legacy");
    if (def->props.migratable) {
        keep_migratable(&def->features);
    }
}

static void take_features(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits)
{
    if (spec->model->is_max) {
        take_all(def, limits);
    } else {
        rh_x86_model_words(spec->model, &def->features);
        if (!spec->model->is_static) {
            rh_x86_words_add(&def->features, limits->models_gain ? limits->models_gain : "");
            rh_x86_words_remove(&def->features, limits->models_lose ? limits->models_lose : "");
        }
    }
    if (!spec->model->is_static) {
        def->features.word[RH_X86_1_ECX] |= RH_X86_1_ECX_HYPERVISOR;
    }
    for (unsigned i = 0; i < RH_X86_NR_WORDS; i++) {
        def->features.word[i] = (def->features.word[i] | spec->on.word[i]) & ~spec->off.word[i];
    }
    if (!def->props.kvm) {
        def->features.word[RH_X86_KVM] = 0;
        def->features.word[RH_X86_KVM_HINTS] = 0;
    }
    rh_x86_words_settle(&def->features, NULL);
}

static void raise_to(uint32_t *level, bool is_needed, uint32_t leaf)
{
    if (is_needed && *level < leaf) {
        *level = leaf;
    }
}

/* A feature is of no use when the largest leaf ends before it. */
static void raise_levels(RhCpuDef *def)
{
    RhCpuProps *props = &def->props;
    uint32_t func7 = 0;

    for (RhX86Word word = 0; props->full_cpuid_auto_level && word < RH_X86_NR_WORDS; word++) {
        const RhX86WordDesc *desc = rh_x86_word_desc(word);
        bool is_on = def->features.word[word] != 0;

        if (desc->is_msr || desc->leaf >> 16 == 0x4000) {
            continue;
        }
        switch (desc->leaf >> 28) {
        case 0x0: raise_to(&props->min_level, is_on, desc->leaf); break;
        case 0x8: raise_to(&props->min_xlevel, is_on, desc->leaf); break;
        case 0xc: raise_to(&props->min_xlevel2, is_on, desc->leaf); break;
        }
        raise_to(&func7, is_on && desc->leaf == 7, desc->subleaf);
    }
    if (props->full_cpuid_auto_level) {
        raise_to(&props->min_level, def->features.word[RH_X86_7_0_EBX] & RH_X86_7_0_EBX_SGX, 0x12);
        raise_to(&props->min_level,
                 props->intel_pt_auto_level && (def->features.word[RH_X86_7_0_EBX] & RH_X86_7_0_EBX_INTEL_PT),
                 0x14);
        raise_to(&props->min_xlevel, def->features.word[RH_X86_8000_0001_ECX] & RH_X86_8000_0001_ECX_SVM,
                 0x8000000a);
    }
    props->level = props->level == RH_CPU_AUTO ? props->min_level : props->level;
    props->xlevel = props->xlevel == RH_CPU_AUTO ? props->min_xlevel : props->xlevel;
    props->xlevel2 = props->xlevel2 == RH_CPU_AUTO ? props->min_xlevel2 : props->xlevel2;
    props->level_func7 = props->level_func7 == RH_CPU_AUTO ? func7 : props->level_func7;
}

/* Leaf 0DH tells which state the guest may enable: what its features need, and x87 and SSE always. */
static void take_xsave(RhCpuDef *def, const RhCpuLimits *limits)
{
    def->xcr0 = def->xss = 0;
    memset(def->xsave, 0, sizeof(def->xsave));
    def->features.word[RH_X86_XCR0_LO] = def->features.word[RH_X86_XCR0_HI] = 0;
    def->features.word[RH_X86_XSS_LO] = def->features.word[RH_X86_XSS_HI] = 0;
    if (!(def->features.word[RH_X86_1_ECX] & RH_X86_1_ECX_XSAVE)) {
        return;
    }
    def->xcr0 = 3;
    for (size_t i = 0; i < RH_COUNT(xsave_rules); i++) {
        const XsaveRule *rule = &xsave_rules[i];
        const RhXsaveComponent *host = &limits->xsave[rule->component];
        bool has_supervisor = def->features.word[RH_X86_XSAVE] & RH_X86_XSAVE_XSAVES;

        if (!rh_x86_has_name(&def->features, rule->features) || (rule->is_supervisor && !has_supervisor)) {
            continue;
        }
        def->xsave[rule->component] = host->size ? *host : rule->where;
        *(rule->is_supervisor ? &def->xss : &def->xcr0) |= UINT64_C(1) << rule->component;
    }
    def->features.word[RH_X86_XCR0_LO] = (uint32_t)def->xcr0;
    def->features.word[RH_X86_XCR0_HI] = def->xcr0 >> 32;
    def->features.word[RH_X86_XSS_LO] = (uint32_t)def->xss;
    def->features.word[RH_X86_XSS_HI] = def->xss >> 32;
}

static bool take_phys_bits(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits, GError **err)
{
    RhCpuProps *props = &def->props;
    bool is_long = def->features.word[RH_X86_8000_0001_EDX] & RH_X86_8000_0001_EDX_LM;

    if (!is_long) {
        if (props->phys_bits) {
            return rh_fail(err, "phys-bits is not user-configurable in 32 bit");
        }
        props->phys_bits = rh_x86_has_name(&def->features, "pse36") ? 36 : 32;
        return true;
    }
    if (props->host_phys_bits && !IS_SET(spec, phys_bits) && limits->phys_bits) {
        props->phys_bits = limits->phys_bits;
        if (props->host_phys_bits_limit && props->phys_bits > props->host_phys_bits_limit) {
            props->phys_bits = props->host_phys_bits_limit;
        }
    }
    if (props->phys_bits && (props->phys_bits < 32 || props->phys_bits > 52)) {
        return rh_fail(err, "phys-bits should be between 32 and 52  (but is %u)", props->phys_bits);
    }
    props->phys_bits = props->phys_bits ? props->phys_bits : 40;
    return true;
}

/* Each Hyper-V enlightenment is worth something only with those it builds on. */
typedef struct HvRule {
    size_t what, needs;         /* offsets of flags in RhCpuProps */
    const char *what_name, *needs_name;
} HvRule;
#define HV(a, a_name, b, b_name) { offsetof(RhCpuProps, a), offsetof(RhCpuProps, b), a_name, b_name }

static const HvRule hv_rules[] = {
    HV(hv_synic,           "hv-synic",           hv_vpindex,  "hv-vpindex"),
    HV(hv_stimer,          "hv-stimer",          hv_synic,    "hv-synic"),
    HV(hv_stimer,          "hv-stimer",          hv_time,     "hv-time"),
    HV(hv_stimer_direct,   "hv-stimer-direct",   hv_stimer,   "hv-stimer"),
    HV(hv_tlbflush,        "hv-tlbflush",        hv_vpindex,  "hv-vpindex"),
    HV(hv_tlbflush_ext,    "hv-tlbflush-ext",    hv_tlbflush, "hv-tlbflush"),
    HV(hv_tlbflush_direct, "hv-tlbflush-direct", hv_vapic,    "hv-vapic"),
    HV(hv_ipi,             "hv-ipi",             hv_vpindex,  "hv-vpindex"),
    HV(hv_evmcs,           "hv-evmcs",           hv_vapic,    "hv-vapic"),
    HV(hv_emsr_bitmap,     "hv-emsr-bitmap",     hv_evmcs,    "hv-evmcs"),
};

static bool check_hv(const RhCpuProps *props, GError **err)
{
    for (size_t i = 0; i < RH_COUNT(hv_rules) && !props->hv_passthrough; i++) {
        const HvRule *rule = &hv_rules[i];

        if (*((const bool *)props + rule->what) && !*((const bool *)props + rule->needs)) {
            return rh_fail(err, "Hyper-V enlightenment '%s' requires '%s'", rule->what_name, rule->needs_name);
        }
    }
    return true;
}

static bool decide(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits, GError **err)
{
    *def = (RhCpuDef){ .model = spec->model, .props = spec->props, .limits = limits };
    take_identity(def, spec, limits);
    if (!def->props.legacy_cache && !def->caches) {
        return rh_fail(err, "CPU model '%s' doesn't support legacy-cache=off", spec->name);
    }
    take_features(def, spec, limits);
    raise_levels(def);
    take_xsave(def, limits);
    return take_phys_bits(def, spec, limits, err) && check_hv(&def->props, err);
}

/* What falls away takes what needs it along, and the state components that nothing needs any more. */
static void filter(RhCpuDef *def, const RhCpuLimits *limits)
{
    RhX86Words kept = def->features;

    for (unsigned i = 0; i < RH_X86_NR_WORDS; i++) {
        kept.word[i] &= limits->features.word[i];
        def->filtered.word[i] = def->features.word[i] & ~kept.word[i];
    }
    if (def->props.force_features) {
        return;
    }
    def->features = kept;
    rh_x86_words_settle(&def->features, NULL);
    take_xsave(def, limits);
    for (RhX86Word word = 0; word < RH_X86_NR_WORDS; word++) {
        def->features.word[word] &= limits->features.word[word];
    }
    def->xcr0 = def->features.word[RH_X86_XCR0_LO] | def->features.word[RH_X86_XCR0_HI] << 32;
    def->xss = def->features.word[RH_X86_XSS_LO] | def->features.word[RH_X86_XSS_HI] << 32;
}

static bool has_any(const RhX86Words *words)
{
    for (unsigned i = 0; i < RH_X86_NR_WORDS; i++) {
        if (words->word[i]) {
            return true;
        }
    }
    return false;
}

static void warn_filtered(const RhCpuDef *def, GPtrArray *warnings)
{
    for (RhX86Word word = 0; word < RH_X86_NR_WORDS; word++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            if (def->filtered.word[word] >> bit & 1) {
                g_autofree char *where = rh_x86_feature_bit(word, bit);

                g_ptr_array_add(warnings, g_strdup_printf("%s doesn't support requested feature: %s",
                                                          def->limits->who, where));
            }
        }
    }
}

bool rh_cpu_expand(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits, GError **err)
{
    RhCpuDef result;

    if (!decide(&result, spec, limits, err)) {
        return false;
    }
    *def = result;
    return true;
}

bool rh_cpu_resolve(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits, GPtrArray *warnings,
                    GError **err)
{
    RhCpuDef result;

    if (spec->model->needs_host && !limits->runs_on_host_cpu) {
        return rh_fail(err, "CPU model '%s' requires KVM or HVF", spec->name);
    }
    if (!decide(&result, spec, limits, err)) {
        return false;
    }
    filter(&result, limits);
    if (warnings && (result.props.check || result.props.enforce)) {
        warn_filtered(&result, warnings);
    }
    if (result.props.enforce && has_any(&result.filtered)) {
        const char *who = strcmp(limits->who, "host") == 0 ? "Host" : limits->who;

        return rh_fail(err, "%s doesn't support requested features", who);
    }
    *def = result;
    return true;
}
