/*
 * CPUID under KVM: what can be shown to guests, and giving a vCPU its leaves.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2,
 * KVM_GET_MSR_FEATURE_INDEX_LIST.
 */
#include "accel/kvm/kvm.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <sys/ioctl.h>
#include "target/i386/cpuid.h"
#include "target/i386/state.h"

#define MAX_LEAVES 256u     /* KVM_MAX_CPUID_ENTRIES */
#define LEAF_TOPOLOGY      0xbu
/* api.rst, cpuid.rst: page faults, end of interrupt, kick, IPI, yield, and 15 bits of destination */
#define KVM_NEEDS_APIC                                                                             \
    (1u << KVM_FEATURE_ASYNC_PF | 1u << KVM_FEATURE_PV_EOI | 1u << KVM_FEATURE_PV_UNHALT |         \
     1u << KVM_FEATURE_PV_SEND_IPI | 1u << KVM_FEATURE_PV_SCHED_YIELD |                            \
     1u << KVM_FEATURE_ASYNC_PF_INT | 1u << KVM_FEATURE_MSI_EXT_DEST_ID)
#define CPUID_1_EDX_MCE_MCA (1u << 7 | 1u << 14)

struct RhKvmCpuid {
    struct kvm_cpuid2 *supported;
    RhCpuidEntry *leaves, *hv_leaves;   /* the same, in the terms of the CPU models */
    RhCpuLimits limits;
};

static struct kvm_cpuid2 *new_cpuid(uint32_t nr)
{
    struct kvm_cpuid2 *cpuid = g_malloc0(sizeof(*cpuid) + nr * sizeof(struct kvm_cpuid_entry2));

    cpuid->nent = nr;
    return cpuid;
}

static struct kvm_cpuid2 *get_supported(const RhKvm *kvm, unsigned long request)
{
    g_autofree struct kvm_cpuid2 *cpuid = new_cpuid(MAX_LEAVES);

    return ioctl(kvm->dev_fd, request, cpuid) == 0 ? g_steal_pointer(&cpuid) : NULL;
}

static RhCpuidEntry *to_entries(const struct kvm_cpuid2 *cpuid, size_t *ret_nr)
{
    RhCpuidEntry *entries = g_new0(RhCpuidEntry, MAX(cpuid->nent, 1));

    for (uint32_t i = 0; i < cpuid->nent; i++) {
        const struct kvm_cpuid_entry2 *from = &cpuid->entries[i];

        entries[i] = (RhCpuidEntry){
            .leaf = from->function,
            .subleaf = from->index,
            .has_subleaf = from->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
            .eax = from->eax, .ebx = from->ebx, .ecx = from->ecx, .edx = from->edx,
        };
    }
    *ret_nr = cpuid->nent;
    return entries;
}

/* Capability MSRs are feature words like those of CPUID; KVM tells what it can show of them. */
static void read_feature_msrs(const RhKvm *kvm, RhX86Words *words)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } msr = { .head.nmsrs = 1 };

    for (int i = 0; i < RH_X86_NR_WORDS; i++) {
        const RhX86WordDesc *desc = rh_x86_word_desc((RhX86Word)i);

        if (desc->is_msr) {
            msr.head.entries[0] = (struct kvm_msr_entry){ .index = desc->leaf };
            if (ioctl(kvm->dev_fd, KVM_GET_MSRS, &msr.head) == 1) {
                words->word[i] = msr.head.entries[0].data;
            }
        }
    }
}

static void fill_limits(RhKvm *kvm)
{
    RhKvmCpuid *cpuid = kvm->cpuid;
    RhCpuLimits *limits = &cpuid->limits;
    g_autofree struct kvm_cpuid2 *hv = NULL;
    size_t nr;
    int khz = rh_kvm_cap(kvm, KVM_CAP_GET_TSC_KHZ) ? ioctl(kvm->vm_fd, KVM_GET_TSC_KHZ) : 0;

    cpuid->leaves = to_entries(cpuid->supported, &nr);
    limits->who = "host";
    limits->runs_on_host_cpu = true;
    limits->has_kvm_leaves = true;
    /* What KVM brings to any model at little cost, and what models have only under software. */
    limits->models_gain = "kvmclock kvm-nopiodelay kvm-asyncpf kvm-steal-time kvm-pv-eoi kvmclock-stable-bit x2apic";
    limits->models_lose = "acpi monitor svm";
    limits->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
    rh_cpu_limits_from_leaves(limits, cpuid->leaves, nr);
    read_feature_msrs(kvm, &limits->features);
    if (rh_kvm_cap(kvm, KVM_CAP_HYPERV_CPUID)) {
        hv = get_supported(kvm, KVM_GET_SUPPORTED_HV_CPUID);
    }
    if (hv) {
        cpuid->hv_leaves = to_entries(hv, &limits->nr_hv_leaves);
        limits->hv_leaves = cpuid->hv_leaves;
    }
}

bool rh_kvm_cpuid_open(RhKvm *kvm, GError **err)
{
    struct kvm_cpuid2 *supported = get_supported(kvm, KVM_GET_SUPPORTED_CPUID);

    if (!supported) {
        return rh_fail_errno(err, errno, "KVM does not tell what CPUID can show");
    }
    kvm->cpuid = g_new0(RhKvmCpuid, 1);
    kvm->cpuid->supported = supported;
    return true;
}

void rh_kvm_cpuid_close(RhKvm *kvm)
{
    if (kvm->cpuid) {
        g_free(kvm->cpuid->supported);
        g_free(kvm->cpuid->leaves);
        g_free(kvm->cpuid->hv_leaves);
        g_free(kvm->cpuid);
        kvm->cpuid = NULL;
    }
}

const RhCpuLimits *rh_kvm_cpu_limits(RhAccel *accel)
{
    RhKvm *kvm = rh_kvm(accel);

    if (!kvm->cpuid->leaves) {
        fill_limits(kvm);
    }
    if (accel->irqchip == RH_IRQCHIP_OFF) {
        /* These need the kernel's local APIC: MSRs, hypercalls and messages that it alone answers. */
        kvm->cpuid->limits.features.word[RH_X86_1_ECX] &= ~(RH_X86_1_ECX_X2APIC | RH_X86_1_ECX_TSC_DEADLINE);
        kvm->cpuid->limits.features.word[RH_X86_KVM] &= ~KVM_NEEDS_APIC;
    }
    return &kvm->cpuid->limits;
}

/* For a vCPU without a CPU model: everything, with its own APIC id where leaves tell it. */
static struct kvm_cpuid2 *all_leaves(const RhKvmVcpu *kv)
{
    const struct kvm_cpuid2 *supported = kv->kvm->cpuid->supported;
    struct kvm_cpuid2 *cpuid = new_cpuid(supported->nent);

    memcpy(cpuid->entries, supported->entries, supported->nent * sizeof(struct kvm_cpuid_entry2));
    for (uint32_t i = 0; i < cpuid->nent; i++) {
        struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

        if (entry->function == 1) {
            entry->ebx = (entry->ebx & 0x00ffffff) | (uint32_t)kv->arch_id << 24;
        } else if (entry->function == LEAF_TOPOLOGY) {
            entry->edx = (uint32_t)kv->arch_id;
        }
    }
    return cpuid;
}

static struct kvm_cpuid2 *model_leaves(const RhX86Vcpu *x86)
{
    struct kvm_cpuid2 *cpuid = new_cpuid((uint32_t)x86->nr_cpuid);

    for (size_t i = 0; i < x86->nr_cpuid; i++) {
        const RhCpuidEntry *from = &x86->cpuid[i];

        cpuid->entries[i] = (struct kvm_cpuid_entry2){
            .function = from->leaf,
            .index = from->subleaf,
            .flags = from->has_subleaf ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
            .eax = from->eax, .ebx = from->ebx, .ecx = from->ecx, .edx = from->edx,
        };
    }
    return cpuid;
}

bool rh_kvm_has_x2apic(RhVcpu *vcpu)
{
    const RhX86Vcpu *x86 = rh_x86_vcpu(vcpu);
    const RhCpuidEntry *leaf =
        x86->nr_cpuid ? rh_cpuid_find(x86->cpuid, x86->nr_cpuid, 1, 0) : NULL;

    return !x86->nr_cpuid || (leaf && leaf->ecx & RH_X86_1_ECX_X2APIC);
}

bool rh_kvm_has_mca(const RhKvmVcpu *kv)
{
    const RhX86Vcpu *x86 = rh_x86_vcpu(kv->vcpu);
    const RhCpuidEntry *leaf =
        x86->nr_cpuid ? rh_cpuid_find(x86->cpuid, x86->nr_cpuid, 1, 0) : NULL;

    return leaf && (leaf->edx & CPUID_1_EDX_MCE_MCA) == CPUID_1_EDX_MCE_MCA;
}

bool rh_kvm_cpuid_set(RhKvmVcpu *kv, GError **err)
{
    const RhX86Vcpu *x86 = rh_x86_vcpu(kv->vcpu);
    g_autofree struct kvm_cpuid2 *cpuid = x86->nr_cpuid ? model_leaves(x86) : all_leaves(kv);

    if (ioctl(kv->fd, KVM_SET_CPUID2, cpuid) < 0) {
        return rh_fail_errno(err, errno, "KVM refused the CPUID of vCPU %u (%u leaves)",
                             kv->vcpu->index, cpuid->nent);
    }
    return true;
}
