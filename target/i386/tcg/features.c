/*
 * Which features the engine has. Those in native_features are executed by the host's CPU as they are, so it must have them.
 *
 * Left out on purpose: monitor (MWAIT only pauses here, so guests would idle in a busy loop).
 * Spec: Intel SDM vol. 2A "CPUID", vol. 3 §2.5 (CR4), §2.2.1 (EFER).
 */
#include "target/i386/tcg/features.h"

#include <cpuid.h>

static const char own_features[] =
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
    "pcid x2apic tsc-deadline hypervisor kvmclock kvmclock-stable-bit kvm-nopiodelay "
    "fsgsbase tsc-adjust smep erms invpcid rdseed smap clflushopt clwb umip rdpid fsrm "
    "syscall nx pdpe1gb rdtscp lm lahf-lm cr8legacy arat rdrand xsave xsaveopt xsavec xgetbv1 xsaves movbe";
static const char native_features[] =
    "mmx fxsr sse sse2 pni pclmulqdq ssse3 fma cx16 sse4.1 sse4.2 popcnt aes avx f16c bmi1 avx2 bmi2 adx sha-ni abm";

#define XCR0_X87_SSE 3u
#define XCR0_AVX 4u

static void host_words(RhX86Words *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < RH_X86_NR_WORDS; i++) {
        const RhX86WordDesc *desc = rh_x86_word_desc((RhX86Word)i);
        uint32_t regs[4];

        if (!desc->is_msr &&
            __get_cpuid_count(desc->leaf, desc->subleaf, &regs[0], &regs[1], &regs[2], &regs[3])) {
            ret->word[i] = regs[desc->reg];
        }
    }
}

void rh_tcg_fill_limits(RhCpuLimits *ret)
{
    RhX86Words host, native = { 0 };

    host_words(&host);
    *ret = (RhCpuLimits){
        .who = "TCG",
        .vendor = "AuthenticAMD",       /* as qemu64: no family that kernels guard against Meltdown */
        .model_id = "Rhea Virtual CPU",
        .family = 15, .model = 107, .stepping = 1,
        .level = 0xd, .xlevel = 0x8000000a, .phys_bits = 40,
        .models_gain = "x2apic hypervisor kvmclock kvmclock-stable-bit kvm-nopiodelay", .models_lose = "monitor svm acpi",
        .has_x2apic_ids = true,
        .has_kvm_leaves = true,         /* for the clock: pvclock.c */
    };
    rh_x86_words_add(&ret->features, own_features);
    rh_x86_words_add(&native, native_features);
    for (int i = 0; i < RH_X86_NR_WORDS; i++) {
        ret->features.word[i] |= native.word[i] & host.word[i];
    }
    ret->features.word[RH_X86_XCR0_LO] = XCR0_X87_SSE;
    if (ret->features.word[RH_X86_1_ECX] & RH_X86_1_ECX_AVX) {
        ret->features.word[RH_X86_XCR0_LO] |= XCR0_AVX;
    }
}

/* --- one vCPU --- */

typedef struct FeatureBit {
    RhInsnFeature feature;
    uint32_t leaf;
    uint8_t subleaf, reg, bit;
} FeatureBit;

static const FeatureBit feature_bits[] = {
    { RH_FEAT_FPU, 1, 0, RH_X86_EDX, 0 },       { RH_FEAT_CX8, 1, 0, RH_X86_EDX, 8 },
    { RH_FEAT_SEP, 1, 0, RH_X86_EDX, 11 },      { RH_FEAT_CMOV, 1, 0, RH_X86_EDX, 15 },
    { RH_FEAT_CLFLUSH, 1, 0, RH_X86_EDX, 19 },  { RH_FEAT_MMX, 1, 0, RH_X86_EDX, 23 },
    { RH_FEAT_FXSR, 1, 0, RH_X86_EDX, 24 },     { RH_FEAT_SSE, 1, 0, RH_X86_EDX, 25 },
    { RH_FEAT_SSE2, 1, 0, RH_X86_EDX, 26 },     { RH_FEAT_SSE3, 1, 0, RH_X86_ECX, 0 },
    { RH_FEAT_PCLMUL, 1, 0, RH_X86_ECX, 1 },    { RH_FEAT_MONITOR, 1, 0, RH_X86_ECX, 3 },
    { RH_FEAT_SSSE3, 1, 0, RH_X86_ECX, 9 },     { RH_FEAT_FMA, 1, 0, RH_X86_ECX, 12 },
    { RH_FEAT_CX16, 1, 0, RH_X86_ECX, 13 },     { RH_FEAT_SSE41, 1, 0, RH_X86_ECX, 19 },
    { RH_FEAT_SSE42, 1, 0, RH_X86_ECX, 20 },    { RH_FEAT_MOVBE, 1, 0, RH_X86_ECX, 22 },
    { RH_FEAT_POPCNT, 1, 0, RH_X86_ECX, 23 },   { RH_FEAT_AES, 1, 0, RH_X86_ECX, 25 },
    { RH_FEAT_XSAVE, 1, 0, RH_X86_ECX, 26 },    { RH_FEAT_AVX, 1, 0, RH_X86_ECX, 28 },
    { RH_FEAT_F16C, 1, 0, RH_X86_ECX, 29 },     { RH_FEAT_RDRAND, 1, 0, RH_X86_ECX, 30 },
    { RH_FEAT_FSGSBASE, 7, 0, RH_X86_EBX, 0 },  { RH_FEAT_BMI1, 7, 0, RH_X86_EBX, 3 },
    { RH_FEAT_AVX2, 7, 0, RH_X86_EBX, 5 },      { RH_FEAT_BMI2, 7, 0, RH_X86_EBX, 8 },
    { RH_FEAT_INVPCID, 7, 0, RH_X86_EBX, 10 },  { RH_FEAT_RDSEED, 7, 0, RH_X86_EBX, 18 },
    { RH_FEAT_ADX, 7, 0, RH_X86_EBX, 19 },      { RH_FEAT_SMAP, 7, 0, RH_X86_EBX, 20 },
    { RH_FEAT_CLFLUSHOPT, 7, 0, RH_X86_EBX, 23 }, { RH_FEAT_CLWB, 7, 0, RH_X86_EBX, 24 },
    { RH_FEAT_SHA, 7, 0, RH_X86_EBX, 29 },      { RH_FEAT_RDPID, 7, 0, RH_X86_ECX, 22 },
    { RH_FEAT_MOVDIRI, 7, 0, RH_X86_ECX, 27 },  { RH_FEAT_MOVDIR64B, 7, 0, RH_X86_ECX, 28 },
    { RH_FEAT_XSAVEOPT, 0xd, 1, RH_X86_EAX, 0 }, { RH_FEAT_XSAVEC, 0xd, 1, RH_X86_EAX, 1 },
    { RH_FEAT_XSAVES, 0xd, 1, RH_X86_EAX, 3 },
    { RH_FEAT_LM, 0x80000001, 0, RH_X86_ECX, 0 }, { RH_FEAT_LZCNT, 0x80000001, 0, RH_X86_ECX, 5 },
    { RH_FEAT_SYSCALL, 0x80000001, 0, RH_X86_EDX, 11 }, { RH_FEAT_RDTSCP, 0x80000001, 0, RH_X86_EDX, 27 },
};

static uint32_t leaf_reg(const RhTcgCpu *cpu, uint32_t leaf, uint32_t subleaf, unsigned reg)
{
    const RhCpuidEntry *entry = rh_cpuid_find(cpu->cpuid, cpu->nr_cpuid, leaf, subleaf);

    if (!entry) {
        return 0;
    }
    return reg == RH_X86_EAX ? entry->eax : reg == RH_X86_EBX ? entry->ebx : reg == RH_X86_ECX ? entry->ecx : entry->edx;
}

/* CR4 bits and the CPUID bits that bring them; those without a row belong to every CPU here. */
static const struct {
    uint32_t cr4;
    uint32_t leaf;
    uint8_t reg, bit;
} cr4_bits[] = {
    { 1u << 0, 1, RH_X86_EDX, 1 },      /* VME */
    { 1u << 1, 1, RH_X86_EDX, 1 },      /* PVI */
    { 1u << 2, 1, RH_X86_EDX, 4 },      /* TSD */
    { 1u << 3, 1, RH_X86_EDX, 2 },      /* DE */
    { 1u << 4, 1, RH_X86_EDX, 3 },      /* PSE */
    { 1u << 5, 1, RH_X86_EDX, 6 },      /* PAE */
    { 1u << 6, 1, RH_X86_EDX, 7 },      /* MCE */
    { 1u << 7, 1, RH_X86_EDX, 13 },     /* PGE */
    { 1u << 9, 1, RH_X86_EDX, 24 },     /* OSFXSR */
    { 1u << 10, 1, RH_X86_EDX, 25 },    /* OSXMMEXCPT */
    { 1u << 11, 7, RH_X86_ECX, 2 },     /* UMIP */
    { 1u << 16, 7, RH_X86_EBX, 0 },     /* FSGSBASE */
    { 1u << 17, 1, RH_X86_ECX, 17 },    /* PCIDE */
    { 1u << 18, 1, RH_X86_ECX, 26 },    /* OSXSAVE */
    { 1u << 20, 7, RH_X86_EBX, 7 },     /* SMEP */
    { 1u << 21, 7, RH_X86_EBX, 20 },    /* SMAP */
};

static void learn_control_bits(RhTcgCpu *cpu)
{
    uint32_t extended = leaf_reg(cpu, 0x80000001, 0, RH_X86_EDX);

    cpu->cr4_allowed = RH_CR4_PCE;
    for (size_t i = 0; i < RH_COUNT(cr4_bits); i++) {
        if (leaf_reg(cpu, cr4_bits[i].leaf, 0, cr4_bits[i].reg) >> cr4_bits[i].bit & 1) {
            cpu->cr4_allowed |= cr4_bits[i].cr4;
        }
    }
    cpu->efer_allowed = (extended >> 11 & 1 ? RH_EFER_SCE : 0) | (extended >> 20 & 1 ? RH_EFER_NXE : 0) |
                        (extended >> 29 & 1 ? RH_EFER_LME | RH_EFER_LMA : 0);
    cpu->xcr0_allowed = leaf_reg(cpu, 0xd, 0, RH_X86_EAX) & 7;
}

void rh_tcg_learn_features(RhTcgCpu *cpu)
{
    uint32_t bits = leaf_reg(cpu, 0x80000008, 0, RH_X86_EAX) & 0xff;

    memset(cpu->features, cpu->nr_cpuid ? 0 : 0xff, sizeof(cpu->features));
    cpu->features[0] |= 1u << RH_FEAT_BASE;
    cpu->physical_mask = (UINT64_C(1) << (bits >= 32 && bits <= 52 ? bits : cpu->nr_cpuid ? 36 : 40)) - 1;
    cpu->has_1g_pages = !cpu->nr_cpuid || (leaf_reg(cpu, 0x80000001, 0, RH_X86_EDX) >> 26 & 1);
    if (!cpu->nr_cpuid) {       /* a CPU without a model, of a test */
        cpu->cr4_allowed = UINT64_C(0x370fff);
        cpu->efer_allowed = RH_EFER_SCE | RH_EFER_NXE | RH_EFER_LME | RH_EFER_LMA;
        cpu->xcr0_allowed = 7;
        return;
    }
    for (size_t i = 0; i < RH_COUNT(feature_bits); i++) {
        const FeatureBit *row = &feature_bits[i];

        if (leaf_reg(cpu, row->leaf, row->subleaf, row->reg) >> row->bit & 1) {
            cpu->features[row->feature / 64] |= UINT64_C(1) << (row->feature % 64);
        }
    }
    learn_control_bits(cpu);
}
