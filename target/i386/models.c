/*
 * The named CPU models. A model is a list of feature names, mostly as what it adds to and takes from
 * an earlier one; the first version is what the plain name means. VMX capabilities are listed with
 * the others: they take effect when vmx is asked for.
 */
#include "target/i386/cpuid.h"

static const RhX86Caches epyc_caches = {
    .l1d = { .size_kib = 32,   .ways = 8,  .traits = 1 },
    .l1i = { .size_kib = 64,   .ways = 4,  .traits = 1 },
    .l2  = { .size_kib = 512,  .ways = 8,  .traits = 0 },
    .l3  = { .size_kib = 8192, .ways = 16, .traits = 6 },
};
static const RhX86Caches rome_caches = {
    .l1d = { .size_kib = 32,    .ways = 8,  .traits = 1 },
    .l1i = { .size_kib = 32,    .ways = 8,  .traits = 1 },
    .l2  = { .size_kib = 512,   .ways = 8,  .traits = 0 },
    .l3  = { .size_kib = 16384, .ways = 16, .traits = 6 },
};
static const RhX86Caches milan_caches = {
    .l1d = { .size_kib = 32,    .ways = 8,  .traits = 1 },
    .l1i = { .size_kib = 32,    .ways = 8,  .traits = 1 },
    .l2  = { .size_kib = 512,   .ways = 8,  .traits = 0 },
    .l3  = { .size_kib = 32768, .ways = 16, .traits = 6 },
};

static const RhX86Model models[] = {
    {
        .name = "base", .is_static = true,
        .vendor = "", .model_id = "",
        .note = "base CPU model type with no features enabled",
    },
    {
        .name = "host", .is_max = true, .needs_host = true,
        .note = "processor with all supported host features ",
    },
    {
        .name = "max", .is_max = true,
        .note = "Enables all features supported by the accelerator in the current host",
    },
    {
        .name = "qemu64", .version = 1,
        .vendor = "AuthenticAMD", .family = 15, .model = 107, .stepping = 1,
        .level = 0xd, .xlevel = 0x8000000a,
        .model_id = "QEMU Virtual CPU version 2.5+",
        .add = "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx "
               "fxsr sse sse2 pni cx16 syscall nx lm lahf-lm svm",
    },
    {
        .name = "qemu32", .version = 1,
        .vendor = "GenuineIntel", .family = 6, .model = 6, .stepping = 3,
        .level = 4, .xlevel = 0x80000004,
        .model_id = "QEMU Virtual CPU version 2.5+",
        .add = "fpu de pse tsc msr pae mce cx8 apic sep pge cmov pat mmx fxsr sse sse2 pni",
    },
    {
        .name = "kvm64", .version = 1,
        .vendor = "GenuineIntel", .family = 15, .model = 6, .stepping = 1,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Common KVM processor",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni cx16 syscall nx lm vmx-vintr-pending vmx-tsc-offset "
               "vmx-hlt-exit vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit "
               "vmx-cr8-load-exit vmx-cr8-store-exit vmx-flexpriority vmx-movdr-exit vmx-io-exit "
               "vmx-io-bitmap vmx-monitor-exit vmx-pause-exit vmx-intr-exit vmx-nmi-exit "
               "vmx-exit-ack-intr vmx-entry-ia32e-mode vmx-activity-hlt",
    },
    {
        .name = "kvm32", .version = 1,
        .vendor = "GenuineIntel", .family = 15, .model = 6, .stepping = 1,
        .level = 5, .xlevel = 0x80000008,
        .model_id = "Common 32-bit KVM processor",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni vmx-vintr-pending vmx-tsc-offset vmx-hlt-exit "
               "vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit vmx-movdr-exit "
               "vmx-io-exit vmx-io-bitmap vmx-msr-bitmap vmx-monitor-exit vmx-pause-exit "
               "vmx-intr-exit vmx-nmi-exit vmx-exit-ack-intr vmx-activity-hlt",
    },
    {
        .name = "486", .version = 1,
        .vendor = "GenuineIntel", .family = 4, .model = 8, .stepping = 0, .level = 1, .xlevel = 0,
        .model_id = "",
        .add = "fpu vme pse",
    },
    {
        .name = "pentium", .version = 1,
        .vendor = "GenuineIntel", .family = 5, .model = 4, .stepping = 3, .level = 1, .xlevel = 0,
        .model_id = "",
        .add = "fpu vme de pse tsc msr mce cx8 apic mmx",
    },
    {
        .name = "pentium2", .version = 1, .base = "pentium-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 5, .stepping = 2, .level = 2, .xlevel = 0,
        .model_id = "",
        .add = "pae sep mtrr pge mca cmov pat pse36 fxsr",
    },
    {
        .name = "pentium3", .version = 1, .base = "pentium2-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 7, .stepping = 3, .level = 3, .xlevel = 0,
        .model_id = "",
        .add = "sse",
    },
    {
        .name = "athlon", .version = 1, .base = "pentium3-v1",
        .vendor = "AuthenticAMD", .family = 6, .model = 2, .stepping = 3,
        .level = 2, .xlevel = 0x80000008,
        .model_id = "QEMU Virtual CPU version 2.5+",
        .add = "sse2 mmxext 3dnowext 3dnow",
    },
    {
        .name = "coreduo", .version = 1,
        .vendor = "GenuineIntel", .family = 6, .model = 14, .stepping = 8,
        .level = 0xa, .xlevel = 0x80000008,
        .model_id = "Genuine Intel(R) CPU           T2600  @ 2.16GHz",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat clflush acpi "
               "mmx fxsr sse sse2 ss pni monitor nx vmx-vintr-pending vmx-tsc-offset "
               "vmx-hlt-exit vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit "
               "vmx-movdr-exit vmx-io-exit vmx-io-bitmap vmx-msr-bitmap vmx-monitor-exit "
               "vmx-pause-exit vmx-intr-exit vmx-nmi-exit vmx-exit-ack-intr vmx-activity-hlt",
    },
    {
        .name = "n270", .version = 1,
        .vendor = "GenuineIntel", .family = 6, .model = 28, .stepping = 2,
        .level = 0xa, .xlevel = 0x80000008,
        .model_id = "Intel(R) Atom(TM) CPU N270   @ 1.60GHz",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat clflush acpi "
               "mmx fxsr sse sse2 ss pni monitor ssse3 movbe nx lahf-lm",
    },
    {
        .name = "core2duo", .version = 1,
        .vendor = "GenuineIntel", .family = 6, .model = 15, .stepping = 11,
        .level = 0xa, .xlevel = 0x80000008,
        .model_id = "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "acpi mmx fxsr sse sse2 ss pni monitor ssse3 cx16 syscall nx lm lahf-lm "
               "vmx-vintr-pending vmx-tsc-offset vmx-hlt-exit vmx-invlpg-exit vmx-mwait-exit "
               "vmx-rdpmc-exit vmx-rdtsc-exit vmx-cr8-load-exit vmx-cr8-store-exit "
               "vmx-flexpriority vmx-vnmi-pending vmx-movdr-exit vmx-io-exit vmx-io-bitmap "
               "vmx-msr-bitmap vmx-monitor-exit vmx-pause-exit vmx-secondary-ctls "
               "vmx-apicv-xapic vmx-intr-exit vmx-nmi-exit vmx-vnmi vmx-exit-ack-intr "
               "vmx-entry-ia32e-mode vmx-activity-hlt vmx-ins-outs",
    },
    {
        .name = "phenom", .version = 1,
        .vendor = "AuthenticAMD", .family = 16, .model = 2, .stepping = 3,
        .level = 5, .xlevel = 0x8000001a,
        .model_id = "AMD Phenom(tm) 9550 Quad-Core Processor",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni monitor cx16 popcnt syscall nx mmxext fxsr-opt pdpe1gb "
               "rdtscp lm 3dnowext 3dnow lahf-lm svm abm sse4a npt",
    },
    {
        .name = "Conroe", .version = 1,
        .vendor = "GenuineIntel", .family = 6, .model = 15, .stepping = 3,
        .level = 0xa, .xlevel = 0x80000008,
        .model_id = "Intel Celeron_4x0 (Conroe/Merom Class Core 2)",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni ssse3 syscall nx lm lahf-lm vmx-vintr-pending "
               "vmx-tsc-offset vmx-hlt-exit vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit "
               "vmx-rdtsc-exit vmx-cr8-load-exit vmx-cr8-store-exit vmx-flexpriority "
               "vmx-vnmi-pending vmx-movdr-exit vmx-io-exit vmx-io-bitmap vmx-msr-bitmap "
               "vmx-monitor-exit vmx-pause-exit vmx-secondary-ctls vmx-apicv-xapic vmx-intr-exit "
               "vmx-nmi-exit vmx-vnmi vmx-exit-ack-intr vmx-entry-ia32e-mode vmx-activity-hlt "
               "vmx-ins-outs",
    },
    {
        .name = "Penryn", .version = 1, .base = "Conroe-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 23, .stepping = 3,
        .level = 0xa, .xlevel = 0x80000008,
        .model_id = "Intel Core 2 Duo P9xxx (Penryn Class Core 2)",
        .add = "cx16 sse4.1 vmx-wbinvd-exit vmx-exit-load-perf-global-ctrl "
               "vmx-entry-load-perf-global-ctrl",
    },
    {
        .name = "Nehalem", .version = 1, .base = "Penryn-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 26, .stepping = 3,
        .level = 0xb, .xlevel = 0x80000008,
        .model_id = "Intel Core i7 9xx (Nehalem Class Core i7)",
        .add = "sse4.2 popcnt vmx-cr3-load-noexit vmx-cr3-store-noexit vmx-mtf vmx-ept "
               "vmx-desc-exit vmx-apicv-x2apic vmx-vpid vmx-preemption-timer "
               "vmx-exit-nosave-debugctl vmx-exit-save-pat vmx-exit-load-pat vmx-exit-save-efer "
               "vmx-exit-load-efer vmx-exit-save-preemption-timer vmx-entry-noload-debugctl "
               "vmx-entry-load-pat vmx-entry-load-efer vmx-ept-execonly vmx-page-walk-4 "
               "vmx-ept-2mb vmx-ept-1gb vmx-invept vmx-invept-single-context "
               "vmx-invept-all-context vmx-invvpid vmx-invvpid-single-addr "
               "vmx-invvpid-all-context vmx-invept-single-context-noglobals vmx-true-ctls",
    },
    {
        .name = "Nehalem", .version = 2, .alias = "Nehalem-IBRS", .base = "Nehalem-v1",
        .model_id = "Intel Core i7 9xx (Nehalem Core i7, IBRS update)",
        .add = "spec-ctrl",
    },
    {
        .name = "Westmere", .version = 1, .base = "Nehalem-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 44, .stepping = 1,
        .level = 0xb, .xlevel = 0x80000008,
        .model_id = "Westmere E56xx/L56xx/X56xx (Nehalem-C)",
        .add = "pclmulqdq aes arat vmx-unrestricted-guest vmx-store-lma",
    },
    {
        .name = "Westmere", .version = 2, .alias = "Westmere-IBRS", .base = "Westmere-v1",
        .model_id = "Westmere E56xx/L56xx/X56xx (IBRS update)",
        .add = "spec-ctrl",
    },
    {
        .name = "SandyBridge", .version = 1, .base = "Westmere-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 42, .stepping = 1,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon E312xx (Sandy Bridge)",
        .add = "x2apic tsc-deadline xsave avx rdtscp xsaveopt vmx-rdtscp-exit",
    },
    {
        .name = "SandyBridge", .version = 2, .alias = "SandyBridge-IBRS", .base = "SandyBridge-v1",
        .model_id = "Intel Xeon E312xx (Sandy Bridge, IBRS update)",
        .add = "spec-ctrl",
    },
    {
        .name = "IvyBridge", .version = 1, .base = "SandyBridge-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 58, .stepping = 9,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon E3-12xx v2 (Ivy Bridge)",
        .add = "f16c rdrand fsgsbase smep erms vmx-apicv-register vmx-apicv-vid vmx-rdrand-exit "
               "vmx-posted-intr",
    },
    {
        .name = "IvyBridge", .version = 2, .alias = "IvyBridge-IBRS", .base = "IvyBridge-v1",
        .model_id = "Intel Xeon E3-12xx v2 (Ivy Bridge, IBRS)",
        .add = "spec-ctrl",
    },
    {
        .name = "Haswell", .version = 1, .base = "IvyBridge-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 60, .stepping = 4,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Core Processor (Haswell)",
        .add = "fma pcid movbe bmi1 hle avx2 bmi2 invpcid rtm abm vmx-invpcid-exit vmx-vmfunc "
               "vmx-shadow-vmcs vmx-vmwrite-vmexit-fields vmx-eptad vmx-eptp-switching",
    },
    {
        .name = "Haswell", .version = 2, .alias = "Haswell-noTSX", .base = "Haswell-v1",
        .stepping = 1,
        .model_id = "Intel Core Processor (Haswell, no TSX)",
        .remove = "hle rtm",
    },
    {
        .name = "Haswell", .version = 3, .alias = "Haswell-IBRS", .base = "Haswell-v2",
        .stepping = 4,
        .model_id = "Intel Core Processor (Haswell, IBRS)",
        .add = "hle rtm spec-ctrl",
    },
    {
        .name = "Haswell", .version = 4, .alias = "Haswell-noTSX-IBRS", .base = "Haswell-v3",
        .stepping = 1,
        .model_id = "Intel Core Processor (Haswell, no TSX, IBRS)",
        .remove = "hle rtm",
    },
    {
        .name = "Broadwell", .version = 1, .base = "Haswell-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 61, .stepping = 2,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Core Processor (Broadwell)",
        .add = "rdseed adx smap 3dnowprefetch vmx-rdseed-exit vmx-pml",
    },
    {
        .name = "Broadwell", .version = 2, .alias = "Broadwell-noTSX", .base = "Broadwell-v1",
        .model_id = "Intel Core Processor (Broadwell, no TSX)",
        .remove = "hle rtm",
    },
    {
        .name = "Broadwell", .version = 3, .alias = "Broadwell-IBRS", .base = "Broadwell-v2",
        .model_id = "Intel Core Processor (Broadwell, IBRS)",
        .add = "hle rtm spec-ctrl",
    },
    {
        .name = "Broadwell", .version = 4, .alias = "Broadwell-noTSX-IBRS", .base = "Broadwell-v3",
        .model_id = "Intel Core Processor (Broadwell, no TSX, IBRS)",
        .remove = "hle rtm",
    },
    {
        .name = "Skylake-Client", .version = 1, .base = "Broadwell-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 94, .stepping = 3,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Core Processor (Skylake)",
        .add = "xsavec xgetbv1",
        .remove = "vmx-apicv-x2apic vmx-apicv-register vmx-apicv-vid vmx-posted-intr",
    },
    {
        .name = "Skylake-Client", .version = 2, .alias = "Skylake-Client-IBRS", .base = "Skylake-Client-v1",
        .model_id = "Intel Core Processor (Skylake, IBRS)",
        .add = "spec-ctrl",
    },
    {
        .name = "Skylake-Client", .version = 3, .alias = "Skylake-Client-noTSX-IBRS", .base = "Skylake-Client-v2",
        .model_id = "Intel Core Processor (Skylake, IBRS, no TSX)",
        .remove = "hle rtm",
    },
    {
        .name = "Skylake-Client", .version = 4, .base = "Skylake-Client-v3",
        .note = "IBRS, XSAVES, no TSX",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Skylake-Server", .version = 1, .base = "Skylake-Client-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 85, .stepping = 4,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon Processor (Skylake)",
        .add = "avx512f avx512dq clflushopt clwb avx512cd avx512bw avx512vl pku pdpe1gb "
               "vmx-apicv-x2apic vmx-apicv-register vmx-apicv-vid vmx-posted-intr",
        .remove = "vmx-eptp-switching",
    },
    {
        .name = "Skylake-Server", .version = 2, .alias = "Skylake-Server-IBRS", .base = "Skylake-Server-v1",
        .model_id = "Intel Xeon Processor (Skylake, IBRS)",
        .add = "spec-ctrl",
        .remove = "clflushopt",
    },
    {
        .name = "Skylake-Server", .version = 3, .alias = "Skylake-Server-noTSX-IBRS", .base = "Skylake-Server-v2",
        .model_id = "Intel Xeon Processor (Skylake, IBRS, no TSX)",
        .remove = "hle rtm",
    },
    {
        .name = "Skylake-Server", .version = 4, .base = "Skylake-Server-v3",
        .note = "IBRS, EPT switching, no TSX",
        .add = "vmx-eptp-switching",
    },
    {
        .name = "Skylake-Server", .version = 5, .base = "Skylake-Server-v4",
        .note = "IBRS, XSAVES, EPT switching, no TSX",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Cascadelake-Server", .version = 1, .base = "Skylake-Server-v2",
        .vendor = "GenuineIntel", .family = 6, .model = 85, .stepping = 6,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon Processor (Cascadelake)",
        .add = "clflushopt avx512vnni ssbd",
    },
    {
        .name = "Cascadelake-Server", .version = 2, .base = "Cascadelake-Server-v1",
        .note = "ARCH_CAPABILITIES",
        .add = "arch-capabilities rdctl-no ibrs-all skip-l1dfl-vmentry mds-no",
    },
    {
        .name = "Cascadelake-Server", .version = 3, .alias = "Cascadelake-Server-noTSX", .base = "Cascadelake-Server-v2",
        .note = "ARCH_CAPABILITIES, no TSX",
        .remove = "hle rtm",
    },
    {
        .name = "Cascadelake-Server", .version = 4, .base = "Cascadelake-Server-v3",
        .note = "ARCH_CAPABILITIES, EPT switching, no TSX",
        .add = "vmx-eptp-switching",
    },
    {
        .name = "Cascadelake-Server", .version = 5, .base = "Cascadelake-Server-v4",
        .note = "ARCH_CAPABILITIES, EPT switching, XSAVES, no TSX",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Cooperlake", .version = 1, .base = "Cascadelake-Server-v2",
        .vendor = "GenuineIntel", .family = 6, .model = 85, .stepping = 10,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon Processor (Cooperlake)",
        .add = "stibp avx512-bf16 pschange-mc-no taa-no vmx-eptp-switching",
    },
    {
        .name = "Cooperlake", .version = 2, .base = "Cooperlake-v1",
        .note = "XSAVES",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Icelake-Server", .version = 1, .base = "Cascadelake-Server-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 134, .stepping = 0,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon Processor (Icelake)",
        .add = "avx512vbmi umip avx512vbmi2 gfni vaes vpclmulqdq avx512bitalg avx512-vpopcntdq "
               "la57 wbnoinvd",
        .remove = "vmx-rdseed-exit vmx-pml",
    },
    {
        .name = "Icelake-Server", .version = 2, .alias = "Icelake-Server-noTSX", .base = "Icelake-Server-v1",
        .note = "no TSX",
        .remove = "hle rtm",
    },
    {
        .name = "Icelake-Server", .version = 3, .base = "Icelake-Server-v2",
        .add = "arch-capabilities rdctl-no ibrs-all skip-l1dfl-vmentry mds-no pschange-mc-no "
               "taa-no",
    },
    {
        .name = "Icelake-Server", .version = 4, .base = "Icelake-Server-v3",
        .model = 106,
        .add = "avx512ifma sha-ni rdpid fsrm vmx-rdseed-exit vmx-pml vmx-eptp-switching",
    },
    {
        .name = "Icelake-Server", .version = 5, .base = "Icelake-Server-v4",
        .note = "XSAVES",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Icelake-Server", .version = 6, .base = "Icelake-Server-v5",
        .note = "5-level EPT",
        .add = "vmx-page-walk-5",
    },
    {
        .name = "KnightsMill", .version = 1, .base = "Broadwell-v2",
        .vendor = "GenuineIntel", .family = 6, .model = 133, .stepping = 0,
        .level = 0xd, .xlevel = 0x80000008,
        .model_id = "Intel Xeon Phi Processor (Knights Mill)",
        .add = "ss avx512f avx512pf avx512er avx512cd avx512-vpopcntdq avx512-4vnniw "
               "avx512-4fmaps pdpe1gb",
        .remove = "pcid invpcid smap vmx-vintr-pending vmx-tsc-offset vmx-hlt-exit "
                  "vmx-invlpg-exit vmx-mwait-exit vmx-rdpmc-exit vmx-rdtsc-exit "
                  "vmx-cr3-load-noexit vmx-cr3-store-noexit vmx-cr8-load-exit vmx-cr8-store-exit "
                  "vmx-flexpriority vmx-vnmi-pending vmx-movdr-exit vmx-io-exit vmx-io-bitmap "
                  "vmx-mtf vmx-msr-bitmap vmx-monitor-exit vmx-pause-exit vmx-secondary-ctls "
                  "vmx-apicv-xapic vmx-ept vmx-desc-exit vmx-rdtscp-exit vmx-apicv-x2apic "
                  "vmx-vpid vmx-wbinvd-exit vmx-unrestricted-guest vmx-apicv-register "
                  "vmx-apicv-vid vmx-rdrand-exit vmx-invpcid-exit vmx-vmfunc vmx-shadow-vmcs "
                  "vmx-rdseed-exit vmx-pml vmx-intr-exit vmx-nmi-exit vmx-vnmi "
                  "vmx-preemption-timer vmx-posted-intr vmx-exit-nosave-debugctl "
                  "vmx-exit-load-perf-global-ctrl vmx-exit-ack-intr vmx-exit-save-pat "
                  "vmx-exit-load-pat vmx-exit-save-efer vmx-exit-load-efer "
                  "vmx-exit-save-preemption-timer vmx-entry-noload-debugctl vmx-entry-ia32e-mode "
                  "vmx-entry-load-perf-global-ctrl vmx-entry-load-pat vmx-entry-load-efer "
                  "vmx-store-lma vmx-activity-hlt vmx-vmwrite-vmexit-fields vmx-ept-execonly "
                  "vmx-page-walk-4 vmx-ept-2mb vmx-ept-1gb vmx-invept vmx-eptad "
                  "vmx-invept-single-context vmx-invept-all-context vmx-invvpid "
                  "vmx-invvpid-single-addr vmx-invvpid-all-context "
                  "vmx-invept-single-context-noglobals vmx-ins-outs vmx-true-ctls "
                  "vmx-eptp-switching",
    },
    {
        .name = "Denverton", .version = 1,
        .vendor = "GenuineIntel", .family = 6, .model = 95, .stepping = 1,
        .level = 0x15, .xlevel = 0x80000008,
        .model_id = "Intel Atom Processor (Denverton)",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni pclmulqdq monitor ssse3 cx16 sse4.1 sse4.2 x2apic movbe "
               "popcnt tsc-deadline aes xsave rdrand fsgsbase smep erms mpx rdseed smap "
               "clflushopt sha-ni spec-ctrl arch-capabilities ssbd syscall nx pdpe1gb rdtscp lm "
               "lahf-lm 3dnowprefetch xsaveopt xsavec xgetbv1 arat rdctl-no skip-l1dfl-vmentry "
               "vmx-vintr-pending vmx-tsc-offset vmx-hlt-exit vmx-invlpg-exit vmx-mwait-exit "
               "vmx-rdpmc-exit vmx-rdtsc-exit vmx-cr3-load-noexit vmx-cr3-store-noexit "
               "vmx-cr8-load-exit vmx-cr8-store-exit vmx-flexpriority vmx-vnmi-pending "
               "vmx-movdr-exit vmx-io-exit vmx-io-bitmap vmx-mtf vmx-msr-bitmap vmx-monitor-exit "
               "vmx-pause-exit vmx-secondary-ctls vmx-apicv-xapic vmx-ept vmx-desc-exit "
               "vmx-rdtscp-exit vmx-apicv-x2apic vmx-vpid vmx-wbinvd-exit vmx-unrestricted-guest "
               "vmx-apicv-register vmx-apicv-vid vmx-rdrand-exit vmx-vmfunc vmx-shadow-vmcs "
               "vmx-rdseed-exit vmx-pml vmx-intr-exit vmx-nmi-exit vmx-vnmi vmx-preemption-timer "
               "vmx-posted-intr vmx-exit-nosave-debugctl vmx-exit-load-perf-global-ctrl "
               "vmx-exit-ack-intr vmx-exit-save-pat vmx-exit-load-pat vmx-exit-save-efer "
               "vmx-exit-load-efer vmx-exit-save-preemption-timer vmx-entry-noload-debugctl "
               "vmx-entry-ia32e-mode vmx-entry-load-perf-global-ctrl vmx-entry-load-pat "
               "vmx-entry-load-efer vmx-store-lma vmx-activity-hlt vmx-vmwrite-vmexit-fields "
               "vmx-ept-execonly vmx-page-walk-4 vmx-ept-2mb vmx-ept-1gb vmx-invept vmx-eptad "
               "vmx-invept-single-context vmx-invept-all-context vmx-invvpid "
               "vmx-invvpid-single-addr vmx-invvpid-all-context "
               "vmx-invept-single-context-noglobals vmx-ins-outs vmx-true-ctls vmx-eptp-switching",
    },
    {
        .name = "Denverton", .version = 2, .base = "Denverton-v1",
        .note = "no MPX, no MONITOR",
        .remove = "monitor mpx",
    },
    {
        .name = "Denverton", .version = 3, .base = "Denverton-v2",
        .note = "XSAVES, no MPX, no MONITOR",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Snowridge", .version = 1, .base = "Denverton-v1",
        .vendor = "GenuineIntel", .family = 6, .model = 134, .stepping = 1,
        .level = 0x1b, .xlevel = 0x80000008,
        .model_id = "Intel Atom Processor (SnowRidge)",
        .add = "clwb umip gfni cldemote movdiri movdir64b core-capability split-lock-detect",
        .remove = "rdctl-no skip-l1dfl-vmentry",
    },
    {
        .name = "Snowridge", .version = 2, .base = "Snowridge-v1",
        .model_id = "Intel Atom Processor (Snowridge, no MPX)",
        .remove = "mpx",
    },
    {
        .name = "Snowridge", .version = 3, .base = "Snowridge-v2",
        .note = "XSAVES, no MPX",
        .add = "xsaves vmx-xsaves",
    },
    {
        .name = "Snowridge", .version = 4, .base = "Snowridge-v3",
        .note = "no split lock detect, no core-capability",
        .remove = "core-capability split-lock-detect",
    },
    {
        .name = "Opteron_G1", .version = 1,
        .vendor = "AuthenticAMD", .family = 15, .model = 6, .stepping = 1,
        .level = 5, .xlevel = 0x80000008,
        .model_id = "AMD Opteron 240 (Gen 1 Class Opteron)",
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni syscall nx lm",
    },
    {
        .name = "Opteron_G2", .version = 1, .base = "Opteron_G1-v1",
        .vendor = "AuthenticAMD", .family = 15, .model = 6, .stepping = 1,
        .level = 5, .xlevel = 0x80000008,
        .model_id = "AMD Opteron 22xx (Gen 2 Class Opteron)",
        .add = "cx16 lahf-lm svm",
    },
    {
        .name = "Opteron_G3", .version = 1, .base = "Opteron_G2-v1",
        .vendor = "AuthenticAMD", .family = 16, .model = 2, .stepping = 3,
        .level = 5, .xlevel = 0x80000008,
        .model_id = "AMD Opteron 23xx (Gen 3 Class Opteron)",
        .add = "monitor popcnt rdtscp abm sse4a misalignsse",
    },
    {
        .name = "Opteron_G4", .version = 1, .base = "Opteron_G3-v1",
        .vendor = "AuthenticAMD", .family = 21, .model = 1, .stepping = 2,
        .level = 0xd, .xlevel = 0x8000001a,
        .model_id = "AMD Opteron 62xx class CPU",
        .add = "pclmulqdq ssse3 sse4.1 sse4.2 aes xsave avx pdpe1gb 3dnowprefetch xop fma4 npt "
               "nrip-save",
        .remove = "monitor",
    },
    {
        .name = "Opteron_G5", .version = 1, .base = "Opteron_G4-v1",
        .vendor = "AuthenticAMD", .family = 21, .model = 2, .stepping = 0,
        .level = 0xd, .xlevel = 0x8000001a,
        .model_id = "AMD Opteron 63xx class CPU",
        .add = "fma f16c tbm",
    },
    {
        .name = "EPYC", .version = 1,
        .vendor = "AuthenticAMD", .family = 23, .model = 1, .stepping = 2,
        .level = 0xd, .xlevel = 0x8000001e,
        .model_id = "AMD EPYC Processor",
        .caches = &epyc_caches,
        .add = "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush "
               "mmx fxsr sse sse2 pni pclmulqdq monitor ssse3 fma cx16 sse4.1 sse4.2 movbe "
               "popcnt aes xsave avx f16c rdrand fsgsbase bmi1 avx2 smep bmi2 rdseed adx smap "
               "clflushopt sha-ni syscall nx mmxext fxsr-opt pdpe1gb rdtscp lm lahf-lm svm "
               "cr8legacy abm sse4a misalignsse 3dnowprefetch osvw topoext npt nrip-save "
               "xsaveopt xsavec xgetbv1 arat",
    },
    {
        .name = "EPYC", .version = 2, .alias = "EPYC-IBPB", .base = "EPYC-v1",
        .model_id = "AMD EPYC Processor (with IBPB)",
        .add = "ibpb",
    },
    {
        .name = "EPYC", .version = 3, .base = "EPYC-v2",
        .model_id = "AMD EPYC Processor",
        .add = "perfctr-core clzero xsaveerptr xsaves",
    },
    {
        .name = "EPYC-Rome", .version = 1, .base = "EPYC-v2",
        .vendor = "AuthenticAMD", .family = 23, .model = 49, .stepping = 0,
        .level = 0xd, .xlevel = 0x8000001e,
        .model_id = "AMD EPYC-Rome Processor",
        .caches = &rome_caches,
        .add = "clwb umip rdpid perfctr-core clzero xsaveerptr wbnoinvd amd-stibp xsaves",
    },
    {
        .name = "EPYC-Rome", .version = 2, .base = "EPYC-Rome-v1",
        .add = "ibrs amd-ssbd",
    },
    {
        .name = "EPYC-Milan", .version = 1, .base = "EPYC-Rome-v1",
        .vendor = "AuthenticAMD", .family = 25, .model = 1, .stepping = 1,
        .level = 0xd, .xlevel = 0x8000001e,
        .model_id = "AMD EPYC-Milan Processor",
        .caches = &milan_caches,
        .add = "pcid erms invpcid pku fsrm ibrs amd-ssbd svme-addr-chk",
    },
    {
        .name = "Dhyana", .version = 1, .base = "EPYC-v2",
        .vendor = "HygonGenuine", .family = 24, .model = 0, .stepping = 1,
        .level = 0xd, .xlevel = 0x8000001e,
        .model_id = "Hygon Dhyana Processor",
        .caches = &epyc_caches,
        .remove = "pclmulqdq aes sha-ni",
    },
    {
        .name = "Dhyana", .version = 2, .base = "Dhyana-v1",
        .note = "XSAVES",
        .add = "xsaves",
    },
};

const RhX86Model *rh_x86_models(size_t *ret_nr)
{
    *ret_nr = RH_COUNT(models);
    return models;
}

static bool has_full_name(const RhX86Model *model, const char *name)
{
    size_t len = strlen(model->name);
    char version[16];

    g_snprintf(version, sizeof(version), "-v%u", model->version);
    return strncmp(model->name, name, len) == 0 && strcmp(name + len, model->version ? version : "") == 0;
}

const RhX86Model *rh_x86_model_find(const char *name)
{
    for (size_t i = 0; i < RH_COUNT(models); i++) {
        const RhX86Model *model = &models[i];

        if ((model->version <= 1 && strcmp(model->name, name) == 0) || has_full_name(model, name) ||
            g_strcmp0(model->alias, name) == 0) {
            return model;
        }
    }
    return NULL;
}

void rh_x86_model_words(const RhX86Model *model, RhX86Words *ret)
{
    if (model->base) {
        rh_x86_model_words(rh_x86_model_find(model->base), ret);
    } else {
        *ret = (RhX86Words){ 0 };
    }
    rh_x86_words_add(ret, model->add ? model->add : "");
    rh_x86_words_remove(ret, model->remove ? model->remove : "");
}

void rh_x86_model_identity(const RhX86Model *model, RhX86ModelId *ret)
{
    const RhX86Model *base = model->base ? rh_x86_model_find(model->base) : NULL;

    *ret = (RhX86ModelId){ 0 };
    if (base && strcmp(base->name, model->name) == 0) {
        rh_x86_model_identity(base, ret);
    }
    ret->vendor = model->vendor ? model->vendor : ret->vendor;
    ret->model_id = model->model_id ? model->model_id : ret->model_id;
    ret->family = model->family ? model->family : ret->family;
    ret->model = model->model ? model->model : ret->model;
    ret->stepping = model->stepping ? model->stepping : ret->stepping;
    ret->level = model->level ? model->level : ret->level;
    ret->xlevel = model->xlevel ? model->xlevel : ret->xlevel;
    ret->caches = model->caches ? model->caches : ret->caches;
}

static void add_name(GArray *names, const char *name, char *owned, const RhX86Model *model, bool is_alias)
{
    RhX86ModelName row = { .name = owned ? owned : name, .owned = owned, .model = model };

    row.alias_of = is_alias ? g_strdup_printf("%s-v%u", model->name, model->version) : NULL;
    g_array_append_val(names, row);
}

/* Models without version come last, as they do in the list that users know. */
static int compare_names(const void *a, const void *b)
{
    const RhX86ModelName *x = a;
    const RhX86ModelName *y = b;
    bool x_last = x->model->version == 0;
    bool y_last = y->model->version == 0;

    return x_last != y_last ? x_last - y_last : strcmp(x->name, y->name);
}

static void clear_name(void *row)
{
    g_free(((RhX86ModelName *)row)->owned);
    g_free(((RhX86ModelName *)row)->alias_of);
}

GArray *rh_x86_model_names(void)
{
    GArray *names = g_array_new(false, false, sizeof(RhX86ModelName));

    g_array_set_clear_func(names, clear_name);
    for (size_t i = 0; i < RH_COUNT(models); i++) {
        const RhX86Model *model = &models[i];

        if (model->version <= 1) {
            add_name(names, model->name, NULL, model, model->version == 1);
        }
        if (model->version) {
            add_name(names, NULL, g_strdup_printf("%s-v%u", model->name, model->version), model, false);
        }
        if (model->alias) {
            add_name(names, model->alias, NULL, model, true);
        }
    }
    g_array_sort(names, compare_names);
    return names;
}
