/*
 * CPUID leaves by which Windows finds the enlightenments of Hyper-V.
 * Spec: Hypervisor Top Level Functional Specification 6.0b, chapter 2 and appendix.
 */
#include "target/i386/cpuid-internal.h"

enum { FEATURES_EAX, FEATURES_EBX, FEATURES_EDX, ADVICE_EAX, NESTED_EAX, NR_REGISTERS };

typedef struct HvBits {
    size_t flag;                /* offset of a bool in RhCpuProps */
    uint32_t bits[NR_REGISTERS];
} HvBits;

#define BIT(n) (UINT32_C(1) << (n))
#define FLAG(name) .flag = offsetof(RhCpuProps, name)

static const HvBits hv_bits[] = {
    { FLAG(hv_relaxed),         .bits[ADVICE_EAX] = BIT(5) },
    { FLAG(hv_vapic),           .bits[FEATURES_EAX] = BIT(4), .bits[ADVICE_EAX] = BIT(3) },
    { FLAG(hv_time),            .bits[FEATURES_EAX] = BIT(1) | BIT(9) },
    { FLAG(hv_crash),           .bits[FEATURES_EDX] = BIT(10) },
    { FLAG(hv_reset),           .bits[FEATURES_EAX] = BIT(7) },
    { FLAG(hv_vpindex),         .bits[FEATURES_EAX] = BIT(6) },
    { FLAG(hv_runtime),         .bits[FEATURES_EAX] = BIT(0) },
    { FLAG(hv_synic),           .bits[FEATURES_EAX] = BIT(2) },
    { FLAG(hv_stimer),          .bits[FEATURES_EAX] = BIT(3) },
    { FLAG(hv_stimer_direct),   .bits[FEATURES_EDX] = BIT(19) },
    { FLAG(hv_frequencies),     .bits[FEATURES_EAX] = BIT(11), .bits[FEATURES_EDX] = BIT(8) },
    { FLAG(hv_reenlightenment), .bits[FEATURES_EAX] = BIT(13) },
    { FLAG(hv_tlbflush),        .bits[ADVICE_EAX] = BIT(2) | BIT(11) },
    { FLAG(hv_tlbflush_ext),    .bits[FEATURES_EDX] = BIT(14) },
    { FLAG(hv_tlbflush_direct), .bits[NESTED_EAX] = BIT(17) },
    { FLAG(hv_ipi),             .bits[ADVICE_EAX] = BIT(10) | BIT(11) },
    { FLAG(hv_evmcs),           .bits[ADVICE_EAX] = BIT(14), .bits[NESTED_EAX] = 0x0101 /* version 1 only */ },
    { FLAG(hv_emsr_bitmap),     .bits[NESTED_EAX] = BIT(19) },
    { FLAG(hv_avic),            .bits[ADVICE_EAX] = BIT(9) },
    { FLAG(hv_xmm_input),       .bits[FEATURES_EDX] = BIT(4) },
    { FLAG(hv_syndbg),          .bits[FEATURES_EDX] = BIT(1) },
};

/* The hypercall MSRs and the guest OS id come with any enlightenment. */
enum { FEATURES_EAX_HYPERCALL = BIT(5) };
enum { ADVICE_NO_NONARCH_CORESHARING = BIT(18) };

static bool collect(const RhCpuProps *props, uint32_t *registers)
{
    bool has_any = props->hv_spinlocks != UINT32_MAX;

    for (size_t i = 0; i < RH_COUNT(hv_bits); i++) {
        if (!*(const bool *)((const char *)props + hv_bits[i].flag)) {
            continue;
        }
        has_any = true;
        for (unsigned r = 0; r < NR_REGISTERS; r++) {
            registers[r] |= hv_bits[i].bits[r];
        }
    }
    if (props->hv_no_nonarch_coresharing == 1) {
        registers[ADVICE_EAX] |= ADVICE_NO_NONARCH_CORESHARING;
        has_any = true;
    }
    if (has_any) {
        registers[FEATURES_EAX] |= FEATURES_EAX_HYPERCALL;
    }
    return has_any;
}

/* What the host's kernel offers, whole, under the vendor asked for. */
static bool passthrough(RhCpuidTable *table)
{
    const RhCpuLimits *limits = table->def->limits;

    for (size_t i = 0; i < limits->nr_hv_leaves && table->nr < RH_CPUID_MAX_ENTRIES; i++) {
        table->out[table->nr++] = limits->hv_leaves[i];
    }
    return limits->nr_hv_leaves > 0;
}

bool rh_cpuid_hyperv(RhCpuidTable *table)
{
    const RhCpuProps *props = &table->def->props;
    uint32_t registers[NR_REGISTERS] = { 0 };
    char vendor[13] = "Microsoft Hv";
    bool is_nested;

    if (props->hv_passthrough) {
        return passthrough(table);
    }
    if (!collect(props, registers)) {
        return false;
    }
    is_nested = registers[NESTED_EAX] != 0;
    if (props->hv_vendor_id[0]) {
        memset(vendor, 0, sizeof(vendor));
        g_strlcpy(vendor, props->hv_vendor_id, sizeof(vendor));
    }
    rh_cpuid_put(table, 0x40000000, is_nested ? 0x4000000a : 0x40000005, rh_ld32(vendor), rh_ld32(vendor + 4),
                 rh_ld32(vendor + 8));
    rh_cpuid_put(table, 0x40000001, rh_ld32("Hv#1"), 0, 0, 0);
    rh_cpuid_put(table, 0x40000002, props->hv_version_build,
                 (uint32_t)props->hv_version_major << 16 | props->hv_version_minor, props->hv_version_spack,
                 (uint32_t)props->hv_version_sbranch << 24 | (props->hv_version_snumber & 0xffffff));
    rh_cpuid_put(table, 0x40000003, registers[FEATURES_EAX], registers[FEATURES_EBX], 0,
                 registers[FEATURES_EDX]);
    rh_cpuid_put(table, 0x40000004, registers[ADVICE_EAX], props->hv_spinlocks, 0, 0);
    rh_cpuid_put(table, 0x40000005, props->hv_max_vps, 64, 0, 0);
    if (is_nested) {
        for (uint32_t leaf = 0x40000006; leaf < 0x4000000a; leaf++) {
            rh_cpuid_put(table, leaf, 0, 0, 0, 0);
        }
        rh_cpuid_put(table, 0x4000000a, registers[NESTED_EAX], 0, 0, 0);
    }
    return true;
}
