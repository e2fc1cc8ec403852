/*
 * CPU models, what users ask of them with -cpu, and the CPUID leaves that come of it: pure functions
 * over data. A RhCpuSpec is what was asked; with what the accelerator can show (RhCpuLimits) it
 * becomes a RhCpuDef; with a topology and an APIC id that becomes a table of CPUID entries.
 */
#ifndef RH_TARGET_I386_CPUID_H
#define RH_TARGET_I386_CPUID_H

#include <json-c/json.h>
#include "target/i386/features.h"
#include "target/i386/topology.h"
#include "util/error.h"

/** RhCpuidEntry - the answer to one leaf; @subleaf counts only when @has_subleaf */
typedef struct RhCpuidEntry {
    uint32_t leaf;
    uint32_t subleaf;
    bool has_subleaf;
    uint32_t eax, ebx, ecx, edx;
} RhCpuidEntry;

/** RhX86Cache - geometry of one cache with lines of 64 bytes; @traits are EDX of leaf 4: bit 0 WBINVD is local, 1 inclusive, 2 hashed */
typedef struct RhX86Cache {
    uint32_t size_kib;
    uint16_t ways;
    uint8_t traits;
} RhX86Cache;

typedef struct RhX86Caches {
    RhX86Cache l1d, l1i, l2, l3;
} RhX86Caches;

/** RhX86Model - one named model, or one version of it; a zero field of a later version is the base's */
typedef struct RhX86Model {
    const char *name;           /* without version */
    unsigned version;           /* 0: has none (base, host, max) */
    const char *alias;          /* another full name */
    const char *base;           /* full name of the model that add and remove start from */
    const char *vendor;
    uint32_t family, model, stepping;
    uint32_t level, xlevel;
    const char *model_id;
    const char *note;           /* what sets this version apart, for the list */
    const RhX86Caches *caches;  /* NULL: those of all old models */
    const char *add;            /* feature names */
    const char *remove;
    bool is_max;                /* takes all that the accelerator can show */
    bool needs_host;            /* ... and exists only where the host's CPU runs the guest */
    bool is_static;             /* same features on any machine type and accelerator */
} RhX86Model;

/** rh_x86_models - the table: later versions stand after earlier ones */
const RhX86Model *rh_x86_models(size_t *ret_nr);
/** rh_x86_model_find - by "Haswell" (its first version), "Haswell-v2" or "Haswell-noTSX"; NULL if there is none */
const RhX86Model *rh_x86_model_find(const char *name);
/** RhX86ModelName - one name under which a model goes */
typedef struct RhX86ModelName {
    const char *name;
    char *owned;                /* backs @name when that is made up; or NULL */
    char *alias_of;             /* full name with version, or NULL */
    const RhX86Model *model;
} RhX86ModelName;
/** rh_x86_model_names - every name of every model, sorted as `-cpu help` shows them; free with g_array_unref */
GArray *rh_x86_model_names(void);
/** rh_x86_model_words - the features of a model that is not is_max */
void rh_x86_model_words(const RhX86Model *model, RhX86Words *ret);
/** RhX86ModelId - the fields of a model with those of its base filled in */
typedef struct RhX86ModelId {
    const char *vendor;
    const char *model_id;
    uint32_t family, model, stepping, level, xlevel;
    const RhX86Caches *caches;
} RhX86ModelId;
void rh_x86_model_identity(const RhX86Model *model, RhX86ModelId *ret);

/** RH_CPU_AUTO - value of a number that follows from the rest */
#define RH_CPU_AUTO UINT32_MAX

/** RhCpuProps - all properties of a CPU that are not feature bits; see rh_cpu_props() for names and defaults */
typedef struct RhCpuProps {
    char vendor[13];
    char model_id[49];
    char hv_vendor_id[13];
    int64_t family, model, stepping, tsc_frequency;     /* tsc_frequency in Hz; 0: the host's */
    uint32_t level, xlevel, xlevel2;                    /* RH_CPU_AUTO: the minimum */
    uint32_t min_level, min_xlevel, min_xlevel2, level_func7;
    uint32_t phys_bits;
    uint8_t host_phys_bits_limit;
    uint64_t ucode_rev, lbr_fmt;
    bool check, enforce, force_features, kvm, migratable, host_phys_bits, host_cache_info;
    bool fill_mtrr_mask, full_cpuid_auto_level, intel_pt_auto_level, l3_cache, legacy_cache, lmce, pmu;
    bool cpuid_0xb, tcg_cpuid, vmware_cpuid_freq, vendor_cpuid_only, migrate_smi_count;
    bool kvm_no_smi_migration, kvm_pv_enforce_cpuid, start_powered_off;
    bool hv_relaxed, hv_vapic, hv_time, hv_crash, hv_reset, hv_vpindex, hv_runtime, hv_synic, hv_stimer;
    bool hv_stimer_direct, hv_frequencies, hv_reenlightenment, hv_tlbflush, hv_tlbflush_ext;
    bool hv_tlbflush_direct, hv_ipi, hv_evmcs, hv_emsr_bitmap, hv_avic, hv_xmm_input, hv_syndbg;
    bool hv_passthrough, hv_enforce_cpuid, hv_synic_kvm_only;
    uint32_t hv_spinlocks;                              /* UINT32_MAX: never notify */
    int hv_no_nonarch_coresharing;                      /* 0 off, 1 on, 2 auto */
    int32_t hv_max_vps;                                 /* -1: no limit told */
    uint16_t hv_version_major, hv_version_minor;
    uint8_t hv_version_sbranch;
    uint32_t hv_version_build, hv_version_spack, hv_version_snumber;
} RhCpuProps;

typedef enum RhCpuPropKind {
    RH_CPU_BOOL, RH_CPU_ON_OFF_AUTO, RH_CPU_U8, RH_CPU_U16, RH_CPU_U32, RH_CPU_U64, RH_CPU_S32,
    RH_CPU_INT, RH_CPU_FREQ, RH_CPU_VENDOR, RH_CPU_STRING,
} RhCpuPropKind;

/** RhCpuProp - one row of the table of properties */
typedef struct RhCpuProp {
    const char *name;
    const char *alias;          /* another name, or NULL */
    RhCpuPropKind kind;
    size_t offset;              /* in RhCpuProps */
    uint64_t def;
    int64_t max;                /* RH_CPU_INT: the largest; RH_CPU_STRING: the longest */
    const char *doc;
    bool is_max_only;           /* host and max alone have it */
    bool is_identity;           /* a static expansion names it beside the features */
} RhCpuProp;

/** rh_cpu_props - the table of properties */
const RhCpuProp *rh_cpu_props(size_t *ret_nr);
/** rh_cpu_prop_find - by name or alias, '_' as good as '-'; NULL if there is none */
const RhCpuProp *rh_cpu_prop_find(const char *name);
/** rh_cpu_props_defaults - fill in what nobody set */
void rh_cpu_props_defaults(RhCpuProps *props);
/** rh_cpu_prop_set - from a JSON value, or from a string that spells one; messages as QMP clients know them */
bool rh_cpu_prop_set(RhCpuProps *props, const RhCpuProp *prop, json_object *value, GError **err);
json_object *rh_cpu_prop_get(const RhCpuProps *props, const RhCpuProp *prop);

/** RH_CPU_MAX_PROPS - at least as many as rh_cpu_props() has rows */
enum { RH_CPU_MAX_PROPS = 96 };

/** RhCpuSpec - what -cpu or a client asked for; plain data, copied freely */
typedef struct RhCpuSpec {
    char name[48];              /* of the model, as it was spelt */
    const RhX86Model *model;
    RhX86Words on, off;         /* features asked for, and asked away; never both */
    RhCpuProps props;
    bool is_set[RH_CPU_MAX_PROPS]; /* by row of rh_cpu_props(): asked for, not a default */
} RhCpuSpec;

/** rh_cpu_spec_init - @spec asks for the model @name, nothing else; false when there is no such model */
bool rh_cpu_spec_init(RhCpuSpec *spec, const char *name, GError **err);
/** rh_cpu_spec_set - one property or feature by name; the error is "Property 'NAME-x86_64-cpu.X' not found" or names the value */
bool rh_cpu_spec_set(RhCpuSpec *spec, const char *name, json_object *value, GError **err);
/**
 * rh_cpu_spec_parse - read "MODEL[,+feature][,-feature][,name[=value]]..."
 * "+" and "-" are applied last, "-" after "+". Ambiguities are added to @warnings (may be NULL) as
 * strings that the array owns.
 */
bool rh_cpu_spec_parse(RhCpuSpec *spec, const char *text, GPtrArray *warnings, GError **err);

/** RhXsaveComponent - one state component of XSAVE, as leaf 0DH tells it */
typedef struct RhXsaveComponent {
    uint32_t size;              /* 0: not there */
    uint32_t offset;            /* in the standard format; 0 for supervisor states */
    uint32_t flags;             /* ECX: bit 0 supervisor, bit 1 aligned when compacted, bit 2 XFD */
} RhXsaveComponent;

/** RhCpuLimits - what an accelerator can show to a guest, and the CPU behind it */
typedef struct RhCpuLimits {
    const char *who;            /* begins its warnings: "host" or "TCG" */
    bool runs_on_host_cpu;      /* -cpu host works; named models show the host's vendor */
    bool has_kvm_leaves;        /* 40000000H tells of KVM */
    bool has_x2apic_ids;        /* IDs above 254 */
    const char *models_gain;    /* features that it adds to named models, and takes from them */
    const char *models_lose;
    RhX86Words features;
    char vendor[13];
    char model_id[49];
    uint32_t family, model, stepping, level, xlevel, xlevel2, phys_bits;
    RhXsaveComponent xsave[64]; /* .size 0: as the manuals say */
    const RhCpuidEntry *leaves; /* what it reported, for cache, PMU, TSX and hypervisor details; borrowed */
    size_t nr_leaves;
    const RhCpuidEntry *hv_leaves; /* Hyper-V leaves it can honour, for hv-passthrough; borrowed */
    size_t nr_hv_leaves;
    uint32_t tsc_khz;           /* 0: not known */
} RhCpuLimits;

/** rh_cpu_limits_from_leaves - fill words, identity and XSAVE sizes from CPUID answers; they are borrowed. The rest stays. */
void rh_cpu_limits_from_leaves(RhCpuLimits *limits, const RhCpuidEntry *leaves, size_t nr);
/** rh_cpuid_find - the entry of a leaf, or NULL */
const RhCpuidEntry *rh_cpuid_find(const RhCpuidEntry *entries, size_t nr, uint32_t leaf, uint32_t subleaf);

/** RhCpuDef - a CPU fully decided; all vCPUs of a machine share one */
typedef struct RhCpuDef {
    const RhX86Model *model;
    RhX86Words features;
    RhX86Words filtered;        /* asked for but not to be had */
    RhCpuProps props;           /* level, xlevel, phys_bits... are final */
    const RhX86Caches *caches;
    uint64_t xcr0, xss;         /* state components the guest may enable */
    RhXsaveComponent xsave[64];
    const RhCpuLimits *limits;  /* borrowed; outlives the definition */
} RhCpuDef;

/**
 * rh_cpu_resolve - decide @def from what was asked and what can be had
 * What is not to be had goes to @def->filtered; with check=on to @warnings (may be NULL, owns its
 * strings), with enforce=on it is an error. @def borrows @limits.
 */
bool rh_cpu_resolve(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits, GPtrArray *warnings,
                    GError **err);
/** rh_cpu_expand - as rh_cpu_resolve, but for what the model is: nothing is filtered out or warned of */
bool rh_cpu_expand(RhCpuDef *def, const RhCpuSpec *spec, const RhCpuLimits *limits, GError **err);

/** RH_CPUID_MAX_ENTRIES - rh_cpuid_build never makes more */
enum { RH_CPUID_MAX_ENTRIES = 128 };
/** rh_cpuid_build - all leaves of the vCPU with @apic_id into @out of RH_CPUID_MAX_ENTRIES; returns how many */
size_t rh_cpuid_build(const RhCpuDef *def, const RhCpuTopology *topo, uint32_t apic_id, RhCpuidEntry *out);
/** rh_xsave_size - bytes of an XSAVE area with the components @mask, in the standard or the compacted format */
uint32_t rh_xsave_size(const RhXsaveComponent *components, uint64_t mask, bool is_compacted);

/** rh_cpu_unavailable_features - names of def->filtered as a JSON array */
json_object *rh_cpu_unavailable_features(const RhCpuDef *def);
/** rh_cpu_definitions - the answer to query-cpu-definitions */
json_object *rh_cpu_definitions(const RhCpuLimits *limits);
/** rh_cpu_model_expansion - the answer to query-cpu-model-expansion; @props may be NULL */
json_object *rh_cpu_model_expansion(const RhCpuLimits *limits, bool is_full, const char *name,
                                    json_object *props, GError **err);
/** rh_cpu_help - the text of `-cpu help`; g_free it */
char *rh_cpu_help(void);
/** rh_cpu_model_help - the text of `-cpu NAME,help`: properties and defaults; NULL and @err for an unknown model */
char *rh_cpu_model_help(const char *name, GError **err);

#endif
