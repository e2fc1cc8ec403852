/*
 * The CPUID leaves of one vCPU.
 * Spec: Intel SDM vol. 2A "CPUID"; AMD APM vol. 3 appendix E; Linux kvm/x86/cpuid.rst. Hyper-V's
 * leaves are in cpuid-hyperv.c.
 */
#include "target/i386/cpuid.h"
#include "target/i386/cpuid-internal.h"

void rh_cpuid_put(RhCpuidTable *table, uint32_t leaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
    g_assert(table->nr < RH_CPUID_MAX_ENTRIES);
    table->out[table->nr++] = (RhCpuidEntry){ leaf, 0, false, eax, ebx, ecx, edx };
}

static void put_sub(RhCpuidTable *table, uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx,
                    uint32_t ecx, uint32_t edx)
{
    g_assert(table->nr < RH_CPUID_MAX_ENTRIES);
    table->out[table->nr++] = (RhCpuidEntry){ leaf, subleaf, true, eax, ebx, ecx, edx };
}

/* What the accelerator reported, as it stands; all subleaves. */
static void copy_reported(RhCpuidTable *table, uint32_t leaf)
{
    const RhCpuLimits *limits = table->def->limits;

    for (size_t i = 0; i < limits->nr_leaves && table->nr < RH_CPUID_MAX_ENTRIES; i++) {
        if (limits->leaves[i].leaf == leaf) {
            table->out[table->nr++] = limits->leaves[i];
        }
    }
}

static uint32_t word(const RhCpuDef *def, RhX86Word which)
{
    return def->features.word[which];
}

static bool is_vendor(const RhCpuDef *def, const char *vendor)
{
    return strcmp(def->props.vendor, vendor) == 0;
}

/* AMD, and Hygon, which builds by AMD's manual. */
static bool is_amd(const RhCpuDef *def)
{
    return is_vendor(def, "AuthenticAMD") || is_vendor(def, "HygonGenuine");
}

static unsigned threads_in_package(const RhCpuTopology *topo)
{
    return topo->dies * topo->cores * topo->threads;
}

static void vendor_leaf(RhCpuidTable *table, uint32_t leaf, uint32_t max)
{
    const char *vendor = table->def->props.vendor;

    rh_cpuid_put(table, leaf, max, rh_ld32(vendor), rh_ld32(vendor + 8), rh_ld32(vendor + 4));
}

/* Family, model and stepping share the word of leaf 1: the parts above 15 go into the extended fields. */
static uint32_t signature(const RhCpuProps *props)
{
    uint32_t family = MIN(props->family, 0xf);
    uint32_t extended = props->family > 0xf ? props->family - 0xf : 0;

    return extended << 20 | (props->model >> 4) << 16 | family << 8 | (props->model & 0xf) << 4 |
           props->stepping;
}

static void leaf_1(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    unsigned logical = MIN(threads_in_package(table->topo), 255);
    uint32_t edx = word(def, RH_X86_1_EDX);
    uint32_t clflush_lines = 64 / 8;

    if (logical > 1) {
        edx |= RH_X86_1_EDX_HT;
    }
    rh_cpuid_put(table, 1, signature(&def->props),
                 MIN(table->apic_id, 255) << 24 | (logical > 1 ? logical : 0) << 16 | clflush_lines << 8,
                 word(def, RH_X86_1_ECX), edx);
}

static const RhX86Caches *caches_of(const RhCpuDef *def)
{
    /* What all models without caches of their own have always told in leaf 4. */
    static const RhX86Caches legacy = {
        .l1d = { .size_kib = 32,    .ways = 8,  .traits = 1 },
        .l1i = { .size_kib = 32,    .ways = 8,  .traits = 1 },
        .l2  = { .size_kib = 4096,  .ways = 16, .traits = 1 },
        .l3  = { .size_kib = 16384, .ways = 16, .traits = 6 },
    };

    return def->props.legacy_cache || !def->caches ? &legacy : def->caches;
}

/* The caches of leaf 2 and 80000005H of old models, which never agreed with leaf 4. */
static const RhX86Caches *caches_of_amd_leaves(const RhCpuDef *def)
{
    static const RhX86Caches legacy = {
        .l1d = { .size_kib = 64,    .ways = 2,  .traits = 1 },
        .l1i = { .size_kib = 64,    .ways = 2,  .traits = 1 },
        .l2  = { .size_kib = 512,   .ways = 16, .traits = 0 },
        .l3  = { .size_kib = 16384, .ways = 16, .traits = 6 },
    };

    return def->props.legacy_cache || !def->caches ? &legacy : def->caches;
}

/* Descriptors: 2CH 32K data, 30H 32K code, 7DH 2M second level, 4DH 16M third level; SDM table 3-12. */
static void leaf_2(RhCpuidTable *table)
{
    if (table->def->props.host_cache_info) {
        copy_reported(table, 2);
        return;
    }
    rh_cpuid_put(table, 2, 1, 0, table->def->props.l3_cache ? 0x4d : 0, 0x2c307d);
}

enum { CACHE_DATA = 1, CACHE_CODE = 2, CACHE_UNIFIED = 3 };

/* @sharing is the number of APIC ids below one such cache, a power of two; so are the cores for the top field. */
static void cache_leaf(RhCpuidTable *table, uint32_t leaf, uint32_t subleaf, const RhX86Cache *cache,
                       unsigned type, unsigned level, unsigned shift, unsigned core_ids)
{
    uint32_t sharing = MIN(rh_bits(shift), 0xfff);
    uint32_t sets = cache->size_kib * 1024 / 64 / cache->ways;

    put_sub(table, leaf, subleaf,
            type | level << 5 | 1 << 8 /* needs no software to start */ | sharing << 14 | core_ids << 26,
            (uint32_t)(cache->ways - 1) << 22 | (64 - 1), sets - 1, cache->traits);
}

static void cache_leaves(RhCpuidTable *table, uint32_t leaf, unsigned core_ids)
{
    const RhX86Caches *caches = caches_of(table->def);
    unsigned core = rh_topology_core_shift(table->topo);
    unsigned die = rh_topology_die_shift(table->topo);
    unsigned next = 3;

    cache_leaf(table, leaf, 0, &caches->l1d, CACHE_DATA, 1, core, core_ids);
    cache_leaf(table, leaf, 1, &caches->l1i, CACHE_CODE, 1, core, core_ids);
    cache_leaf(table, leaf, 2, &caches->l2, CACHE_UNIFIED, 2, core, core_ids);
    if (table->def->props.l3_cache) {
        cache_leaf(table, leaf, next++, &caches->l3, CACHE_UNIFIED, 3, die, core_ids);
    }
    put_sub(table, leaf, next, 0, 0, 0, 0);
}

/* The host's caches, shared as far as the guest's topology goes. */
static void leaf_4_of_host(RhCpuidTable *table, unsigned core_ids)
{
    size_t first = table->nr;

    copy_reported(table, 4);
    for (size_t i = first; i < table->nr; i++) {
        RhCpuidEntry *entry = &table->out[i];
        unsigned level = entry->eax >> 5 & 7;
        unsigned shift = level < 3 ? rh_topology_core_shift(table->topo) : rh_topology_die_shift(table->topo);

        if (entry->eax & 0x1f) {
            entry->eax = (entry->eax & 0x3fff) | MIN(rh_bits(shift), 0xfff) << 14 | core_ids << 26;
        }
    }
}

static void leaf_4(RhCpuidTable *table)
{
    const RhCpuTopology *topo = table->topo;
    unsigned core_bits = rh_topology_package_shift(topo) - rh_topology_core_shift(topo);
    unsigned core_ids = MIN(rh_bits(core_bits), 0x3f);

    if (table->def->props.host_cache_info) {
        leaf_4_of_host(table, core_ids);
        return;
    }
    cache_leaves(table, 4, core_ids);
}

static void leaf_7(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;

    put_sub(table, 7, 0, def->props.level_func7, word(def, RH_X86_7_0_EBX), word(def, RH_X86_7_0_ECX),
            word(def, RH_X86_7_0_EDX));
    if (def->props.level_func7 >= 1) {
        put_sub(table, 7, 1, word(def, RH_X86_7_1_EAX), 0, 0, 0);
    }
}

static void leaf_a(RhCpuidTable *table)
{
    if (table->def->props.pmu) {
        copy_reported(table, 0xa);
    }
}

enum { LEVEL_END = 0, LEVEL_THREADS = 1, LEVEL_CORES = 2, LEVEL_DIES = 5 };

static void topology_level(RhCpuidTable *table, uint32_t leaf, uint32_t subleaf, unsigned type,
                           unsigned shift, unsigned logical)
{
    put_sub(table, leaf, subleaf, shift, logical, subleaf | type << 8, table->apic_id);
}

static void leaf_b(RhCpuidTable *table)
{
    const RhCpuTopology *topo = table->topo;

    if (!table->def->props.cpuid_0xb) {
        return;
    }
    topology_level(table, 0xb, 0, LEVEL_THREADS, rh_topology_core_shift(topo), topo->threads);
    topology_level(table, 0xb, 1, LEVEL_CORES, rh_topology_package_shift(topo), threads_in_package(topo));
    topology_level(table, 0xb, 2, LEVEL_END, 0, 0);
}

/* SDM: leaf 1FH is preferred where it is; it is there when there are dies to tell of. */
static void leaf_1f(RhCpuidTable *table)
{
    const RhCpuTopology *topo = table->topo;

    topology_level(table, 0x1f, 0, LEVEL_THREADS, rh_topology_core_shift(topo), topo->threads);
    topology_level(table, 0x1f, 1, LEVEL_CORES, rh_topology_die_shift(topo), topo->cores * topo->threads);
    topology_level(table, 0x1f, 2, LEVEL_DIES, rh_topology_package_shift(topo), threads_in_package(topo));
    topology_level(table, 0x1f, 3, LEVEL_END, 0, 0);
}

uint32_t rh_xsave_size(const RhXsaveComponent *components, uint64_t mask, bool is_compacted)
{
    const uint32_t legacy_and_header = 512 + 64;
    uint32_t end = legacy_and_header;

    for (unsigned i = 2; i < 63; i++) {
        const RhXsaveComponent *component = &components[i];

        if (!(mask >> i & 1)) {
            continue;
        }
        if (!is_compacted) {
            end = MAX(end, component->offset + component->size);
        } else {
            end = (component->flags & 2 ? rh_align_up(end, 64) : end) + component->size;
        }
    }
    return end;
}

/* EBX is for the state the guest has enabled: the accelerator brings it up to date; here, x87 alone. */
static void leaf_d(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    uint64_t all = def->xcr0 | def->xss;
    bool is_compacted = word(def, RH_X86_XSAVE) & (RH_X86_XSAVE_XSAVEC | RH_X86_XSAVE_XSAVES);

    if (!(word(def, RH_X86_1_ECX) & RH_X86_1_ECX_XSAVE)) {
        return;
    }
    put_sub(table, 0xd, 0, (uint32_t)def->xcr0, rh_xsave_size(def->xsave, 1, false),
            rh_xsave_size(def->xsave, def->xcr0, false), def->xcr0 >> 32);
    put_sub(table, 0xd, 1, word(def, RH_X86_XSAVE), is_compacted ? rh_xsave_size(def->xsave, all, true) : 0,
            (uint32_t)def->xss, def->xss >> 32);
    for (unsigned i = 2; i < 63; i++) {
        if (all >> i & 1) {
            put_sub(table, 0xd, i, def->xsave[i].size, def->xsave[i].offset, def->xsave[i].flags, 0);
        }
    }
}

static void leaf_12(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    const RhCpuidEntry *sizes = rh_cpuid_find(def->limits->leaves, def->limits->nr_leaves, 0x12, 0);

    if (!(word(def, RH_X86_7_0_EBX) & RH_X86_7_0_EBX_SGX) || !sizes) {
        return;
    }
    put_sub(table, 0x12, 0, word(def, RH_X86_12_0_EAX), word(def, RH_X86_12_0_EBX), 0, sizes->edx);
    put_sub(table, 0x12, 1, word(def, RH_X86_12_1_EAX), 0, (uint32_t)def->xcr0, def->xcr0 >> 32);
}

static void reported_leaf(RhCpuidTable *table, bool is_on, uint32_t leaf)
{
    if (is_on) {
        copy_reported(table, leaf);
    }
}

static void basic_leaves(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    bool has_intel_leaves = !def->props.vendor_cpuid_only || !is_amd(def);
    bool has_dies = table->topo->dies > 1 && def->props.cpuid_0xb && !is_amd(def);
    uint32_t level = def->props.level;

    if (has_dies && level >= 0xb && level < 0x1f) {
        level = 0x1f;
    }
    vendor_leaf(table, 0, level);
    leaf_1(table);
    if (has_intel_leaves) {
        leaf_2(table);
        leaf_4(table);
    }
    /* MWAIT goes on at an interrupt even where IF is clear; no C-states are told of. */
    rh_cpuid_put(table, 5, 0, 0, 3, 0);
    rh_cpuid_put(table, 6, word(def, RH_X86_6_EAX), 0, 0, 0);
    leaf_7(table);
    leaf_a(table);
    leaf_b(table);
    leaf_d(table);
    leaf_12(table);
    reported_leaf(table, word(def, RH_X86_7_0_EBX) & RH_X86_7_0_EBX_INTEL_PT, 0x14);
    reported_leaf(table, word(def, RH_X86_7_0_EDX) & RH_X86_7_0_EDX_ARCH_LBR, 0x1c);
    reported_leaf(table, word(def, RH_X86_7_0_EDX) & RH_X86_7_0_EDX_AMX_TILE, 0x1d);
    reported_leaf(table, word(def, RH_X86_7_0_EDX) & RH_X86_7_0_EDX_AMX_TILE, 0x1e);
    if (has_dies) {
        leaf_1f(table);
    }
}

/* 4000_0010H came from VMware and is understood by most guests: TSC and APIC timer in kHz. */
static void frequency_leaf(RhCpuidTable *table, uint32_t base)
{
    const RhCpuDef *def = table->def;
    uint32_t tsc_khz = def->props.tsc_frequency ? def->props.tsc_frequency / 1000 : def->limits->tsc_khz;
    bool is_constant = (word(def, RH_X86_8000_0007_EDX) & RH_X86_8000_0007_EDX_INVTSC) ||
                       def->props.tsc_frequency;

    if (def->props.vmware_cpuid_freq && is_constant && tsc_khz && base == 0x40000000) {
        table->out[table->hypervisor_at].eax = 0x40000010;
        rh_cpuid_put(table, 0x40000010, tsc_khz, 1000000, 0, 0);
    }
}

static void hypervisor_leaves(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    uint32_t base = 0x40000000;

    if (rh_cpuid_hyperv(table)) {
        base = 0x40000100;
    }
    if (!def->limits->has_kvm_leaves || !def->props.kvm) {
        return;
    }
    table->hypervisor_at = table->nr;
    rh_cpuid_put(table, base, base + 1, rh_ld32("KVMK"), rh_ld32("VMKV"), rh_ld32("M\0\0"));
    rh_cpuid_put(table, base + 1, word(def, RH_X86_KVM), 0, 0, word(def, RH_X86_KVM_HINTS));
    frequency_leaf(table, base);
}

static void ext_leaf_1(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    /* APM: these bits of leaf 1 EDX are told a second time. */
    const uint32_t mirrored = 0x0183f3ff;
    uint32_t ecx = word(def, RH_X86_8000_0001_ECX);
    uint32_t edx = word(def, RH_X86_8000_0001_EDX);

    if (is_amd(def)) {
        edx |= word(def, RH_X86_1_EDX) & mirrored;
        if (threads_in_package(table->topo) > 1) {
            ecx |= RH_X86_8000_0001_ECX_CMP_LEGACY;
        }
    }
    rh_cpuid_put(table, 0x80000001, signature(&def->props), 0, ecx, edx);
}

static void brand_leaves(RhCpuidTable *table)
{
    char brand[48] = { 0 };
    const char *model_id = table->def->props.model_id;

    memcpy(brand, model_id, MIN(strlen(model_id), sizeof(brand)));
    for (unsigned i = 0; i < 3; i++) {
        const char *at = brand + 16 * i;

        rh_cpuid_put(table, 0x80000002 + i, rh_ld32(at), rh_ld32(at + 4), rh_ld32(at + 8), rh_ld32(at + 12));
    }
}

/* APM: the four-bit code of an associativity in leaf 80000006H. */
static uint32_t ways_code(unsigned ways)
{
    static const uint8_t codes[][2] = { { 1, 1 },  { 2, 2 },  { 4, 4 },  { 8, 6 }, { 16, 8 }, { 32, 0xa },
                                        { 48, 0xb }, { 64, 0xc }, { 96, 0xd }, { 128, 0xe } };

    for (size_t i = 0; i < RH_COUNT(codes); i++) {
        if (codes[i][0] == ways) {
            return codes[i][1];
        }
    }
    return 0xf;
}

static uint32_t l1_word(const RhX86Cache *cache)
{
    return cache->size_kib << 24 | (uint32_t)cache->ways << 16 | 1 << 8 | 64;
}

/* One line per tag, lines of 64 bytes; TLBs as all models have told: 255 fully associative entries, 512 of 4 ways. */
static void amd_cache_leaves(RhCpuidTable *table)
{
    const RhX86Caches *caches = caches_of_amd_leaves(table->def);
    const uint32_t l1_tlb = 0x01ff01ff;
    const uint32_t l2_tlb = 0x42004200;
    uint32_t l2 = caches->l2.size_kib << 16 | ways_code(caches->l2.ways) << 12 | 1 << 8 | 64;
    uint32_t l3 = (caches->l3.size_kib / 512) << 18 | ways_code(caches->l3.ways) << 12 | 1 << 8 | 64;

    rh_cpuid_put(table, 0x80000005, l1_tlb, l1_tlb, l1_word(&caches->l1d), l1_word(&caches->l1i));
    rh_cpuid_put(table, 0x80000006, 0, l2_tlb, l2, table->def->props.l3_cache ? l3 : 0);
}

static void ext_leaf_8(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;
    unsigned logical = threads_in_package(table->topo);
    unsigned virt_bits = word(def, RH_X86_7_0_ECX) & RH_X86_7_0_ECX_LA57 ? 57 : 48;
    uint32_t eax = def->props.phys_bits;
    uint32_t ecx = 0;

    if (word(def, RH_X86_8000_0001_EDX) & RH_X86_8000_0001_EDX_LM) {
        eax |= virt_bits << 8;
    }
    if (logical > 1) {
        ecx = rh_topology_package_shift(table->topo) << 12 | MIN(logical - 1, 255);
    }
    rh_cpuid_put(table, 0x80000008, eax, word(def, RH_X86_8000_0008_EBX), ecx, 0);
}

static void svm_leaf(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;

    if (word(def, RH_X86_8000_0001_ECX) & RH_X86_8000_0001_ECX_SVM) {
        rh_cpuid_put(table, 0x8000000a, 1 /* revision */, 16 /* address spaces */, 0, word(def, RH_X86_SVM));
    }
}

/* APM: caches; extended APIC id, core and node, where a die is a node. Models whose xlevel ends before lose them. */
static void topoext_leaves(RhCpuidTable *table)
{
    const RhCpuTopology *topo = table->topo;
    RhCpuIds ids = rh_apic_id_to_ids(topo, table->apic_id);
    unsigned core_id = table->apic_id & rh_bits(rh_topology_package_shift(topo));
    unsigned node_id = ids.socket * topo->dies + ids.die;

    cache_leaves(table, 0x8000001d, 0);
    rh_cpuid_put(table, 0x8000001e, table->apic_id, (topo->threads - 1) << 8 |
                 ((core_id >> rh_topology_core_shift(topo)) & 0xff), (topo->dies - 1) << 8 | (node_id & 0xff), 0);
}

static void extended_leaves(RhCpuidTable *table)
{
    const RhCpuDef *def = table->def;

    if (def->props.xlevel == 0) {
        return;
    }
    vendor_leaf(table, 0x80000000, def->props.xlevel);
    ext_leaf_1(table);
    brand_leaves(table);
    amd_cache_leaves(table);
    rh_cpuid_put(table, 0x80000007, 0, 0, 0, word(def, RH_X86_8000_0007_EDX));
    ext_leaf_8(table);
    svm_leaf(table);
    topoext_leaves(table);
}

static void centaur_leaves(RhCpuidTable *table)
{
    if (table->def->props.xlevel2) {
        rh_cpuid_put(table, 0xc0000000, table->def->props.xlevel2, 0, 0, 0);
        rh_cpuid_put(table, 0xc0000001, 0, 0, 0, word(table->def, RH_X86_C000_0001_EDX));
    }
}

/* Leaves beyond the largest one are answered by the processor with other leaves' values: leave them out. */
static size_t cut(RhCpuidEntry *out, size_t nr)
{
    const RhCpuidEntry *leaf0 = rh_cpuid_find(out, nr, 0, 0);
    const RhCpuidEntry *ext0 = rh_cpuid_find(out, nr, 0x80000000, 0);
    uint32_t max_basic = leaf0->eax;
    uint32_t max_ext = ext0 ? ext0->eax : 0;
    size_t kept = 0;

    for (size_t i = 0; i < nr; i++) {
        uint32_t leaf = out[i].leaf;

        if ((leaf < 0x40000000 && leaf > max_basic) || (leaf >> 28 == 8 && leaf > max_ext)) {
            continue;
        }
        out[kept++] = out[i];
    }
    return kept;
}

size_t rh_cpuid_build(const RhCpuDef *def, const RhCpuTopology *topo, uint32_t apic_id, RhCpuidEntry *out)
{
    RhCpuidTable table = { .def = def, .topo = topo, .apic_id = apic_id, .out = out };

    basic_leaves(&table);
    if (word(def, RH_X86_1_ECX) & RH_X86_1_ECX_HYPERVISOR) {
        hypervisor_leaves(&table);
    }
    extended_leaves(&table);
    centaur_leaves(&table);
    return cut(out, table.nr);
}
