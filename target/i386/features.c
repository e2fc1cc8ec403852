/*
 * Feature words of x86 CPUs: tables of names, aliases and dependencies.
 * Spec: Intel SDM vol. 2A "CPUID" and vol. 4; AMD APM vol. 3 appendix E; Linux kvm/x86/cpuid.rst.
 */
#include "target/i386/features.h"

static const char *const no_names[64];

static const char *const names_1_edx[64] = {
    [0] = "fpu", [1] = "vme", [2] = "de", [3] = "pse", [4] = "tsc", [5] = "msr", [6] = "pae",
    [7] = "mce", [8] = "cx8", [9] = "apic", [11] = "sep", [12] = "mtrr", [13] = "pge",
    [14] = "mca", [15] = "cmov", [16] = "pat", [17] = "pse36", [18] = "pn", [19] = "clflush",
    [21] = "ds", [22] = "acpi", [23] = "mmx", [24] = "fxsr", [25] = "sse", [26] = "sse2",
    [27] = "ss", [28] = "ht", [29] = "tm", [30] = "ia64", [31] = "pbe",
};

static const char *const names_1_ecx[64] = {
    [0] = "pni", [1] = "pclmulqdq", [2] = "dtes64", [3] = "monitor", [4] = "ds-cpl", [5] = "vmx",
    [6] = "smx", [7] = "est", [8] = "tm2", [9] = "ssse3", [10] = "cid", [12] = "fma",
    [13] = "cx16", [14] = "xtpr", [15] = "pdcm", [17] = "pcid", [18] = "dca", [19] = "sse4.1",
    [20] = "sse4.2", [21] = "x2apic", [22] = "movbe", [23] = "popcnt", [24] = "tsc-deadline",
    [25] = "aes", [26] = "xsave", [28] = "avx", [29] = "f16c", [30] = "rdrand",
    [31] = "hypervisor",
};

static const char *const names_7_0_ebx[64] = {
    [0] = "fsgsbase", [1] = "tsc-adjust", [2] = "sgx", [3] = "bmi1", [4] = "hle", [5] = "avx2",
    [7] = "smep", [8] = "bmi2", [9] = "erms", [10] = "invpcid", [11] = "rtm", [14] = "mpx",
    [16] = "avx512f", [17] = "avx512dq", [18] = "rdseed", [19] = "adx", [20] = "smap",
    [21] = "avx512ifma", [22] = "pcommit", [23] = "clflushopt", [24] = "clwb", [25] = "intel-pt",
    [26] = "avx512pf", [27] = "avx512er", [28] = "avx512cd", [29] = "sha-ni", [30] = "avx512bw",
    [31] = "avx512vl",
};

static const char *const names_7_0_ecx[64] = {
    [1] = "avx512vbmi", [2] = "umip", [3] = "pku", [5] = "waitpkg", [6] = "avx512vbmi2",
    [8] = "gfni", [9] = "vaes", [10] = "vpclmulqdq", [11] = "avx512vnni", [12] = "avx512bitalg",
    [14] = "avx512-vpopcntdq", [16] = "la57", [22] = "rdpid", [24] = "bus-lock-detect",
    [25] = "cldemote", [27] = "movdiri", [28] = "movdir64b", [30] = "sgxlc", [31] = "pks",
};

static const char *const names_7_0_edx[64] = {
    [2] = "avx512-4vnniw", [3] = "avx512-4fmaps", [4] = "fsrm", [8] = "avx512-vp2intersect",
    [10] = "md-clear", [14] = "serialize", [16] = "tsx-ldtrk", [19] = "arch-lbr",
    [22] = "amx-bf16", [23] = "avx512-fp16", [24] = "amx-tile", [25] = "amx-int8",
    [26] = "spec-ctrl", [27] = "stibp", [29] = "arch-capabilities", [30] = "core-capability",
    [31] = "ssbd",
};

static const char *const names_7_1_eax[64] = {
    [4] = "avx-vnni", [5] = "avx512-bf16",
};

static const char *const names_8000_0001_edx[64] = {
    [11] = "syscall", [20] = "nx", [22] = "mmxext", [25] = "fxsr-opt", [26] = "pdpe1gb",
    [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow",
};

static const char *const names_8000_0001_ecx[64] = {
    [0] = "lahf-lm", [1] = "cmp-legacy", [2] = "svm", [3] = "extapic", [4] = "cr8legacy",
    [5] = "abm", [6] = "sse4a", [7] = "misalignsse", [8] = "3dnowprefetch", [9] = "osvw",
    [10] = "ibs", [11] = "xop", [12] = "skinit", [13] = "wdt", [15] = "lwp", [16] = "fma4",
    [17] = "tce", [19] = "nodeid-msr", [21] = "tbm", [22] = "topoext", [23] = "perfctr-core",
    [24] = "perfctr-nb",
};

static const char *const names_8000_0007_edx[64] = {
    [8] = "invtsc",
};

static const char *const names_8000_0008_ebx[64] = {
    [0] = "clzero", [2] = "xsaveerptr", [9] = "wbnoinvd", [12] = "ibpb", [14] = "ibrs",
    [15] = "amd-stibp", [24] = "amd-ssbd", [25] = "virt-ssbd", [26] = "amd-no-ssb",
};

static const char *const names_c000_0001_edx[64] = {
    [2] = "xstore", [3] = "xstore-en", [6] = "xcrypt", [7] = "xcrypt-en", [8] = "ace2",
    [9] = "ace2-en", [10] = "phe", [11] = "phe-en", [12] = "pmm", [13] = "pmm-en",
};

static const char *const names_kvm[64] = {
    [0] = "kvmclock", [1] = "kvm-nopiodelay", [2] = "kvm-mmu", [3] = "kvmclock",
    [4] = "kvm-asyncpf", [5] = "kvm-steal-time", [6] = "kvm-pv-eoi", [7] = "kvm-pv-unhalt",
    [9] = "kvm-pv-tlb-flush", [11] = "kvm-pv-ipi", [12] = "kvm-poll-control",
    [13] = "kvm-pv-sched-yield", [14] = "kvm-asyncpf-int", [15] = "kvm-msi-ext-dest-id",
    [24] = "kvmclock-stable-bit",
};

static const char *const names_kvm_hints[64] = {
    [0] = "kvm-hint-dedicated",
};

static const char *const names_svm[64] = {
    [0] = "npt", [1] = "lbrv", [2] = "svm-lock", [3] = "nrip-save", [4] = "tsc-scale",
    [5] = "vmcb-clean", [6] = "flushbyasid", [7] = "decodeassists", [10] = "pause-filter",
    [12] = "pfthreshold", [13] = "avic", [15] = "v-vmsave-vmload", [16] = "vgif",
    [28] = "svme-addr-chk",
};

static const char *const names_xsave[64] = {
    [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves", [4] = "xfd",
};

static const char *const names_6_eax[64] = {
    [2] = "arat",
};

static const char *const names_arch_capabilities[64] = {
    [0] = "rdctl-no", [1] = "ibrs-all", [2] = "rsba", [3] = "skip-l1dfl-vmentry", [4] = "ssb-no",
    [5] = "mds-no", [6] = "pschange-mc-no", [7] = "tsx-ctrl", [8] = "taa-no",
};

static const char *const names_core_capability[64] = {
    [5] = "split-lock-detect",
};

static const char *const names_perf_capabilities[64] = {
    [13] = "full-width-write",
};

static const char *const names_vmx_procbased[64] = {
    [2] = "vmx-vintr-pending", [3] = "vmx-tsc-offset", [7] = "vmx-hlt-exit",
    [9] = "vmx-invlpg-exit", [10] = "vmx-mwait-exit", [11] = "vmx-rdpmc-exit",
    [12] = "vmx-rdtsc-exit", [15] = "vmx-cr3-load-noexit", [16] = "vmx-cr3-store-noexit",
    [19] = "vmx-cr8-load-exit", [20] = "vmx-cr8-store-exit", [21] = "vmx-flexpriority",
    [22] = "vmx-vnmi-pending", [23] = "vmx-movdr-exit", [24] = "vmx-io-exit",
    [25] = "vmx-io-bitmap", [27] = "vmx-mtf", [28] = "vmx-msr-bitmap", [29] = "vmx-monitor-exit",
    [30] = "vmx-pause-exit", [31] = "vmx-secondary-ctls",
};

static const char *const names_vmx_secondary[64] = {
    [0] = "vmx-apicv-xapic", [1] = "vmx-ept", [2] = "vmx-desc-exit", [3] = "vmx-rdtscp-exit",
    [4] = "vmx-apicv-x2apic", [5] = "vmx-vpid", [6] = "vmx-wbinvd-exit",
    [7] = "vmx-unrestricted-guest", [8] = "vmx-apicv-register", [9] = "vmx-apicv-vid",
    [10] = "vmx-ple", [11] = "vmx-rdrand-exit", [12] = "vmx-invpcid-exit", [13] = "vmx-vmfunc",
    [14] = "vmx-shadow-vmcs", [15] = "vmx-encls-exit", [16] = "vmx-rdseed-exit", [17] = "vmx-pml",
    [20] = "vmx-xsaves", [25] = "vmx-tsc-scaling",
};

static const char *const names_vmx_pinbased[64] = {
    [0] = "vmx-intr-exit", [3] = "vmx-nmi-exit", [5] = "vmx-vnmi", [6] = "vmx-preemption-timer",
    [7] = "vmx-posted-intr",
};

static const char *const names_vmx_exit[64] = {
    [2] = "vmx-exit-nosave-debugctl", [12] = "vmx-exit-load-perf-global-ctrl",
    [15] = "vmx-exit-ack-intr", [18] = "vmx-exit-save-pat", [19] = "vmx-exit-load-pat",
    [20] = "vmx-exit-save-efer", [21] = "vmx-exit-load-efer",
    [22] = "vmx-exit-save-preemption-timer", [23] = "vmx-exit-clear-bndcfgs",
    [25] = "vmx-exit-clear-rtit-ctl", [29] = "vmx-exit-load-pkrs",
};

static const char *const names_vmx_entry[64] = {
    [2] = "vmx-entry-noload-debugctl", [9] = "vmx-entry-ia32e-mode",
    [13] = "vmx-entry-load-perf-global-ctrl", [14] = "vmx-entry-load-pat",
    [15] = "vmx-entry-load-efer", [16] = "vmx-entry-load-bndcfgs",
    [18] = "vmx-entry-load-rtit-ctl", [22] = "vmx-entry-load-pkrs",
};

static const char *const names_vmx_misc[64] = {
    [5] = "vmx-store-lma", [6] = "vmx-activity-hlt", [7] = "vmx-activity-shutdown",
    [8] = "vmx-activity-wait-sipi", [29] = "vmx-vmwrite-vmexit-fields",
    [30] = "vmx-zero-len-inject",
};

static const char *const names_vmx_ept_vpid[64] = {
    [0] = "vmx-ept-execonly", [6] = "vmx-page-walk-4", [7] = "vmx-page-walk-5",
    [16] = "vmx-ept-2mb", [17] = "vmx-ept-1gb", [20] = "vmx-invept", [21] = "vmx-eptad",
    [22] = "vmx-ept-advanced-exitinfo", [25] = "vmx-invept-single-context",
    [26] = "vmx-invept-all-context", [32] = "vmx-invvpid", [40] = "vmx-invvpid-single-addr",
    [41] = "vmx-invept-single-context", [42] = "vmx-invvpid-all-context",
    [43] = "vmx-invept-single-context-noglobals",
};

static const char *const names_vmx_basic[64] = {
    [54] = "vmx-ins-outs", [55] = "vmx-true-ctls",
};

static const char *const names_vmx_vmfunc[64] = {
    [0] = "vmx-eptp-switching",
};

static const char *const names_14_0_ecx[64] = {
    [31] = "intel-pt-lip",
};

static const char *const names_12_0_eax[64] = {
    [0] = "sgx1", [1] = "sgx2",
};

static const char *const names_12_0_ebx[64] = {
    [0] = "sgx-exinfo",
};

static const char *const names_12_1_eax[64] = {
    [1] = "sgx-debug", [2] = "sgx-mode64", [4] = "sgx-provisionkey", [5] = "sgx-tokenkey",
    [7] = "sgx-kss",
};

static const RhX86WordDesc words_table[RH_X86_NR_WORDS] = {
    [RH_X86_1_EDX] = { .leaf = 0x1, .reg = RH_X86_EDX, .names = names_1_edx },
    [RH_X86_1_ECX] = { .leaf = 0x1, .reg = RH_X86_ECX, .names = names_1_ecx },
    [RH_X86_7_0_EBX] = { .leaf = 0x7, .has_subleaf = true, .reg = RH_X86_EBX, .names = names_7_0_ebx },
    [RH_X86_7_0_ECX] = { .leaf = 0x7, .has_subleaf = true, .reg = RH_X86_ECX, .names = names_7_0_ecx },
    [RH_X86_7_0_EDX] = { .leaf = 0x7, .has_subleaf = true, .reg = RH_X86_EDX, .names = names_7_0_edx },
    [RH_X86_7_1_EAX] = { .leaf = 0x7, .has_subleaf = true, .subleaf = 1, .reg = RH_X86_EAX, .names = names_7_1_eax },
    [RH_X86_8000_0001_EDX] = { .leaf = 0x80000001, .reg = RH_X86_EDX, .names = names_8000_0001_edx },
    [RH_X86_8000_0001_ECX] = { .leaf = 0x80000001, .reg = RH_X86_ECX, .names = names_8000_0001_ecx },
    [RH_X86_8000_0007_EDX] = { .leaf = 0x80000007, .reg = RH_X86_EDX,
                               .names = names_8000_0007_edx,
                               .unmigratable = RH_X86_8000_0007_EDX_INVTSC },
    [RH_X86_8000_0008_EBX] = { .leaf = 0x80000008, .reg = RH_X86_EBX, .names = names_8000_0008_ebx },
    [RH_X86_C000_0001_EDX] = { .leaf = 0xc0000001, .reg = RH_X86_EDX, .names = names_c000_0001_edx },
    [RH_X86_KVM] = { .leaf = 0x40000001, .reg = RH_X86_EAX, .names = names_kvm },
    [RH_X86_KVM_HINTS] = { .leaf = 0x40000001, .reg = RH_X86_EDX, .names = names_kvm_hints },
    [RH_X86_SVM] = { .leaf = 0x8000000a, .reg = RH_X86_EDX, .names = names_svm },
    [RH_X86_XSAVE] = { .leaf = 0xd, .has_subleaf = true, .subleaf = 1, .reg = RH_X86_EAX, .names = names_xsave },
    [RH_X86_6_EAX] = { .leaf = 0x6, .reg = RH_X86_EAX, .names = names_6_eax },
    [RH_X86_XCR0_LO] = { .leaf = 0xd, .has_subleaf = true, .reg = RH_X86_EAX, .names = no_names },
    [RH_X86_XCR0_HI] = { .leaf = 0xd, .has_subleaf = true, .reg = RH_X86_EDX, .names = no_names },
    [RH_X86_ARCH_CAPABILITIES] = { .is_msr = true, .leaf = 0x10a, .names = names_arch_capabilities },
    [RH_X86_CORE_CAPABILITY] = { .is_msr = true, .leaf = 0xcf, .names = names_core_capability },
    [RH_X86_PERF_CAPABILITIES] = { .is_msr = true, .leaf = 0x345, .names = names_perf_capabilities },
    [RH_X86_VMX_PROCBASED] = { .is_msr = true, .leaf = 0x48e, .names = names_vmx_procbased },
    [RH_X86_VMX_SECONDARY] = { .is_msr = true, .leaf = 0x48b, .names = names_vmx_secondary },
    [RH_X86_VMX_PINBASED] = { .is_msr = true, .leaf = 0x48d, .names = names_vmx_pinbased },
    [RH_X86_VMX_EXIT] = { .is_msr = true, .leaf = 0x48f, .names = names_vmx_exit },
    [RH_X86_VMX_ENTRY] = { .is_msr = true, .leaf = 0x490, .names = names_vmx_entry },
    [RH_X86_VMX_MISC] = { .is_msr = true, .leaf = 0x485, .names = names_vmx_misc },
    [RH_X86_VMX_EPT_VPID] = { .is_msr = true, .leaf = 0x48c, .names = names_vmx_ept_vpid },
    [RH_X86_VMX_BASIC] = { .is_msr = true, .leaf = 0x480, .names = names_vmx_basic },
    [RH_X86_VMX_VMFUNC] = { .is_msr = true, .leaf = 0x491, .names = names_vmx_vmfunc },
    [RH_X86_14_0_ECX] = { .leaf = 0x14, .has_subleaf = true, .reg = RH_X86_ECX, .names = names_14_0_ecx },
    [RH_X86_12_0_EAX] = { .leaf = 0x12, .has_subleaf = true, .reg = RH_X86_EAX, .names = names_12_0_eax },
    [RH_X86_12_0_EBX] = { .leaf = 0x12, .has_subleaf = true, .reg = RH_X86_EBX, .names = names_12_0_ebx },
    [RH_X86_12_1_EAX] = { .leaf = 0x12, .has_subleaf = true, .subleaf = 1, .reg = RH_X86_EAX, .names = names_12_1_eax },
    [RH_X86_XSS_LO] = { .leaf = 0xd, .has_subleaf = true, .subleaf = 1, .reg = RH_X86_ECX, .names = no_names },
    [RH_X86_XSS_HI] = { .leaf = 0xd, .has_subleaf = true, .subleaf = 1, .reg = RH_X86_EDX, .names = no_names },
};

/* Names of earlier times, in the letters that QMP shows. */
static const RhX86FeatureAlias aliases[] = {
    { "cmp_legacy", "cmp-legacy" },
    { "ds_cpl", "ds-cpl" },
    { "ffxsr", "fxsr-opt" },
    { "fxsr_opt", "fxsr-opt" },
    { "i64", "lm" },
    { "kvm_asyncpf", "kvm-asyncpf" },
    { "kvm_asyncpf_int", "kvm-asyncpf-int" },
    { "kvm_mmu", "kvm-mmu" },
    { "kvm_nopiodelay", "kvm-nopiodelay" },
    { "kvm_poll_control", "kvm-poll-control" },
    { "kvm_pv_eoi", "kvm-pv-eoi" },
    { "kvm_pv_unhalt", "kvm-pv-unhalt" },
    { "kvm_steal_time", "kvm-steal-time" },
    { "lahf_lm", "lahf-lm" },
    { "nodeid_msr", "nodeid-msr" },
    { "nrip_save", "nrip-save" },
    { "pause_filter", "pause-filter" },
    { "pclmuldq", "pclmulqdq" },
    { "perfctr_core", "perfctr-core" },
    { "perfctr_nb", "perfctr-nb" },
    { "sse3", "pni" },
    { "sse4-1", "sse4.1" },
    { "sse4-2", "sse4.2" },
    { "sse4_1", "sse4.1" },
    { "sse4_2", "sse4.2" },
    { "svm_lock", "svm-lock" },
    { "tsc_adjust", "tsc-adjust" },
    { "tsc_scale", "tsc-scale" },
    { "vmcb_clean", "vmcb-clean" },
    { "xd", "nx" },
};

/*
 * What makes no sense alone: @dependents (or all of @word) go off when @needs is off. Instruction
 * sets follow SDM vol. 1 chapters 13 to 18; MSR words are there when CPUID enumerates the MSR.
 */
typedef struct Dependency {
    const char *needs;
    const char *dependents;
    RhX86Word word;             /* when dependents is NULL */
} Dependency;

static const Dependency dependencies[] = {
    { "arch-capabilities", NULL, RH_X86_ARCH_CAPABILITIES },
    { "core-capability",   NULL, RH_X86_CORE_CAPABILITY },
    { "pdcm",              NULL, RH_X86_PERF_CAPABILITIES },
    { "svm",               NULL, RH_X86_SVM },
    { "sgx",               NULL, RH_X86_12_0_EAX },
    { "sgx",               NULL, RH_X86_12_0_EBX },
    { "sgx",               NULL, RH_X86_12_1_EAX },
    { "intel-pt",          NULL, RH_X86_14_0_ECX },
    { "xsave",             NULL, RH_X86_XSAVE },
    { "xsave",             "avx pku mpx amx-tile avx512f" },
    { "avx",               "avx2 fma f16c fma4 xop vaes vpclmulqdq avx-vnni" },
    { "avx512f",           "avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl "
                           "avx512vbmi avx512vbmi2 avx512vnni avx512bitalg avx512-vpopcntdq "
                           "avx512-4vnniw avx512-4fmaps avx512-vp2intersect avx512-fp16 avx512-bf16" },
    { "amx-tile",          "amx-int8 amx-bf16 xfd" },
    { "vmx",               NULL, RH_X86_VMX_PROCBASED },
    { "vmx",               NULL, RH_X86_VMX_SECONDARY },
    { "vmx",               NULL, RH_X86_VMX_PINBASED },
    { "vmx",               NULL, RH_X86_VMX_EXIT },
    { "vmx",               NULL, RH_X86_VMX_ENTRY },
    { "vmx",               NULL, RH_X86_VMX_MISC },
    { "vmx",               NULL, RH_X86_VMX_EPT_VPID },
    { "vmx",               NULL, RH_X86_VMX_BASIC },
    { "vmx",               NULL, RH_X86_VMX_VMFUNC },
    { "vmx-secondary-ctls", NULL, RH_X86_VMX_SECONDARY },
    { "vmx-vmfunc",        NULL, RH_X86_VMX_VMFUNC },
    { "vmx-ept",           "vmx-ept-execonly vmx-page-walk-4 vmx-page-walk-5 vmx-ept-2mb vmx-ept-1gb "
                           "vmx-invept vmx-eptad vmx-ept-advanced-exitinfo vmx-invept-all-context "
                           "vmx-unrestricted-guest" },
    { "vmx-vpid",          "vmx-invvpid vmx-invvpid-single-addr vmx-invvpid-all-context "
                           "vmx-invept-single-context-noglobals" },
    { "invpcid",           "vmx-invpcid-exit" },
    { "rdrand",            "vmx-rdrand-exit" },
    { "rdseed",            "vmx-rdseed-exit" },
    { "rdtscp",            "vmx-rdtscp-exit" },
    { "xsaves",            "vmx-xsaves" },
    { "lm",                "vmx-entry-ia32e-mode" },
    { "mpx",               "vmx-entry-load-bndcfgs vmx-exit-clear-bndcfgs" },
};

const RhX86WordDesc *rh_x86_word_desc(RhX86Word word)
{
    return &words_table[word];
}

/* Whether two names are the same, '_' and '-' being one letter. */
static bool same_name(const char *a, const char *b)
{
    while (*a && *b) {
        if (*a != *b && !((*a == '_' || *a == '-') && (*b == '_' || *b == '-'))) {
            return false;
        }
        a++;
        b++;
    }
    return *a == *b;
}

static uint64_t mask_of_name(const RhX86WordDesc *desc, const char *name)
{
    uint64_t mask = 0;

    for (unsigned bit = 0; bit < 64; bit++) {
        if (desc->names[bit] && same_name(desc->names[bit], name)) {
            mask |= UINT64_C(1) << bit;
        }
    }
    return mask;
}

static const char *listed_name(const RhX86WordDesc *desc, uint64_t mask)
{
    return desc->names[__builtin_ctzll(mask)];
}

const char *rh_x86_feature_canonical(const char *name)
{
    for (size_t i = 0; i < RH_COUNT(aliases); i++) {
        if (same_name(aliases[i].alias, name)) {
            return aliases[i].name;
        }
    }
    return name;
}

/* Lists of names go by words, so looking goes on where the last find was. */
static bool find_from(RhX86Word start, const char *name, RhX86Feature *ret)
{
    for (unsigned i = 0; i < RH_X86_NR_WORDS; i++) {
        RhX86Word word = (start + i) % RH_X86_NR_WORDS;
        uint64_t mask = mask_of_name(&words_table[word], name);

        if (mask) {
            *ret = (RhX86Feature){ listed_name(&words_table[word], mask), word, mask };
            return true;
        }
    }
    return false;
}

bool rh_x86_feature_find(const char *name, RhX86Feature *ret)
{
    return find_from(0, rh_x86_feature_canonical(name), ret);
}

const RhX86FeatureAlias *rh_x86_feature_aliases(size_t *ret_nr)
{
    *ret_nr = RH_COUNT(aliases);
    return aliases;
}

void rh_x86_feature_foreach(void (*fn)(const RhX86Feature *feature, void *opaque), void *opaque)
{
    for (RhX86Word word = 0; word < RH_X86_NR_WORDS; word++) {
        const RhX86WordDesc *desc = &words_table[word];

        for (unsigned bit = 0; bit < 64; bit++) {
            uint64_t mask = desc->names[bit] ? mask_of_name(desc, desc->names[bit]) : 0;

            if (mask && (unsigned)__builtin_ctzll(mask) == bit) {
                fn(&(RhX86Feature){ desc->names[bit], word, mask }, opaque);
            }
        }
    }
}

char *rh_x86_feature_bit(RhX86Word word, unsigned bit)
{
    static const char *const reg_names[] = { "EAX", "EBX", "ECX", "EDX" };
    const RhX86WordDesc *desc = &words_table[word];
    const char *name = desc->names[bit];
    const char *dot = name ? "." : "";

    if (desc->is_msr) {
        return g_strdup_printf("MSR(%XH)%s%s [bit %u]", desc->leaf, dot, name ? name : "", bit);
    }
    return g_strdup_printf("CPUID.%02XH:%s%s%s [bit %u]", desc->leaf, reg_names[desc->reg], dot,
                           name ? name : "", bit);
}

bool rh_x86_has_name(const RhX86Words *words, const char *name)
{
    RhX86Feature feature;

    return rh_x86_feature_find(name, &feature) && rh_x86_has(words, feature.word, feature.mask);
}

/* Collect the bits of a list of names: the tables' own, so an unknown name is a bug. */
static void words_of_names(RhX86Words *ret, const char *names)
{
    RhX86Word last = 0;

    *ret = (RhX86Words){ 0 };
    while (*names) {
        char name[48];
        size_t len = strcspn(names, " ");
        RhX86Feature feature;

        g_assert(len < sizeof(name));
        memcpy(name, names, len);
        name[len] = '\0';
        names += len + strspn(names + len, " ");
        if (len == 0) {
            continue;
        }
        if (!find_from(last, name, &feature)) {
            g_error("no CPU feature '%s'", name);
        }
        ret->word[feature.word] |= feature.mask;
        last = feature.word;
    }
}

void rh_x86_words_add(RhX86Words *words, const char *names)
{
    RhX86Words bits;

    words_of_names(&bits, names);
    for (unsigned i = 0; i < RH_X86_NR_WORDS; i++) {
        words->word[i] |= bits.word[i];
    }
}

void rh_x86_words_remove(RhX86Words *words, const char *names)
{
    RhX86Words bits;

    words_of_names(&bits, names);
    for (unsigned i = 0; i < RH_X86_NR_WORDS; i++) {
        words->word[i] &= ~bits.word[i];
    }
}

static void remove_dependents(RhX86Words *words, const Dependency *dep)
{
    if (dep->dependents) {
        rh_x86_words_remove(words, dep->dependents);
    } else {
        words->word[dep->word] = 0;
    }
}

void rh_x86_words_settle(RhX86Words *words, RhX86Words *dropped)
{
    RhX86Words before = *words;
    RhX86Words last;

    do {
        last = *words;
        for (size_t i = 0; i < RH_COUNT(dependencies); i++) {
            if (!rh_x86_has_name(words, dependencies[i].needs)) {
                remove_dependents(words, &dependencies[i]);
            }
        }
    } while (memcmp(&last, words, sizeof(last)) != 0);
    for (unsigned i = 0; dropped && i < RH_X86_NR_WORDS; i++) {
        dropped->word[i] |= before.word[i] & ~words->word[i];
    }
}
