/*
 * Feature words: the registers of CPUID and the capability MSRs whose bits have names that users
 * switch on and off with -cpu. Names are those users know; bits are of Intel SDM vol. 2A "CPUID" and
 * vol. 4, AMD APM vol. 3 appendix E, and Linux' Documentation/virt/kvm/x86/cpuid.rst.
 */
#ifndef RH_TARGET_I386_FEATURES_H
#define RH_TARGET_I386_FEATURES_H

#include "util/core.h"

typedef enum RhX86CpuidReg { RH_X86_EAX, RH_X86_EBX, RH_X86_ECX, RH_X86_EDX } RhX86CpuidReg;

/** RhX86Word - named after leaf, subleaf and register, or after the MSR; in the order filtering is reported in */
typedef enum RhX86Word {
    RH_X86_1_EDX, RH_X86_1_ECX, RH_X86_7_0_EBX, RH_X86_7_0_ECX, RH_X86_7_0_EDX, RH_X86_7_1_EAX,
    RH_X86_8000_0001_EDX, RH_X86_8000_0001_ECX, RH_X86_8000_0007_EDX, RH_X86_8000_0008_EBX,
    RH_X86_C000_0001_EDX, RH_X86_KVM, RH_X86_KVM_HINTS, RH_X86_SVM, RH_X86_XSAVE, RH_X86_6_EAX,
    RH_X86_XCR0_LO, RH_X86_XCR0_HI, RH_X86_ARCH_CAPABILITIES, RH_X86_CORE_CAPABILITY,
    RH_X86_PERF_CAPABILITIES, RH_X86_VMX_PROCBASED, RH_X86_VMX_SECONDARY, RH_X86_VMX_PINBASED,
    RH_X86_VMX_EXIT, RH_X86_VMX_ENTRY, RH_X86_VMX_MISC, RH_X86_VMX_EPT_VPID, RH_X86_VMX_BASIC,
    RH_X86_VMX_VMFUNC, RH_X86_14_0_ECX, RH_X86_12_0_EAX, RH_X86_12_0_EBX, RH_X86_12_1_EAX,
    RH_X86_XSS_LO, RH_X86_XSS_HI,
    RH_X86_NR_WORDS
} RhX86Word;

/** RhX86WordDesc - where a word is found and what its bits are called */
typedef struct RhX86WordDesc {
    bool is_msr;
    bool has_subleaf;
    uint32_t leaf;              /* or the index of the MSR */
    uint32_t subleaf;
    RhX86CpuidReg reg;
    const char *const *names;   /* 64 of them; NULL: no name */
    uint64_t unmigratable;      /* bits that say something of this host, not of the guest's CPU */
} RhX86WordDesc;

/** RhX86Words - one value for each word */
typedef struct RhX86Words {
    uint64_t word[RH_X86_NR_WORDS];
} RhX86Words;

/** RhX86Feature - a name and its bits in one word (kvmclock alone has two) */
typedef struct RhX86Feature {
    const char *name;
    RhX86Word word;
    uint64_t mask;
} RhX86Feature;

/** RhX86FeatureAlias - a second name, which QMP shows beside the first */
typedef struct RhX86FeatureAlias {
    const char *alias;
    const char *name;
} RhX86FeatureAlias;

const RhX86WordDesc *rh_x86_word_desc(RhX86Word word);

/** rh_x86_feature_find - by name or alias, underscores as good as dashes; false if there is none */
bool rh_x86_feature_find(const char *name, RhX86Feature *ret);
/** rh_x86_feature_canonical - the listed name behind an alias ("sse3" is "pni"), or @name itself */
const char *rh_x86_feature_canonical(const char *name);
/** rh_x86_feature_aliases - all second names */
const RhX86FeatureAlias *rh_x86_feature_aliases(size_t *ret_nr);
/** rh_x86_feature_foreach - each feature once, in order of words and bits */
void rh_x86_feature_foreach(void (*fn)(const RhX86Feature *feature, void *opaque), void *opaque);
/** rh_x86_feature_bit - the name and the place of one bit as in "CPUID.01H:ECX.sse3 [bit 0]"; g_free it */
char *rh_x86_feature_bit(RhX86Word word, unsigned bit);

static inline bool rh_x86_has(const RhX86Words *words, RhX86Word word, uint64_t mask)
{
    return (words->word[word] & mask) == mask;
}
/** rh_x86_has_name - whether all bits of the feature @name, which must exist, are on */
bool rh_x86_has_name(const RhX86Words *words, const char *name);
/** rh_x86_words_add - set the features of a list of names separated by spaces; aborts on a name unknown */
void rh_x86_words_add(RhX86Words *words, const char *names);
/** rh_x86_words_remove - clear them */
void rh_x86_words_remove(RhX86Words *words, const char *names);
/** rh_x86_words_settle - clear what needs a feature that is off, until nothing changes; @dropped (may be NULL) collects */
void rh_x86_words_settle(RhX86Words *words, RhX86Words *dropped);

/* Bits that code asks for by themselves. */
#define RH_X86_1_EDX_APIC                    (UINT64_C(1) << 9)
#define RH_X86_1_EDX_SSE                     (UINT64_C(1) << 25)
#define RH_X86_1_EDX_HT                      (UINT64_C(1) << 28)
#define RH_X86_1_ECX_MONITOR                 (UINT64_C(1) << 3)
#define RH_X86_1_ECX_VMX                     (UINT64_C(1) << 5)
#define RH_X86_1_ECX_PDCM                    (UINT64_C(1) << 15)
#define RH_X86_1_ECX_X2APIC                  (UINT64_C(1) << 21)
#define RH_X86_1_ECX_TSC_DEADLINE            (UINT64_C(1) << 24)
#define RH_X86_1_ECX_XSAVE                   (UINT64_C(1) << 26)
#define RH_X86_1_ECX_OSXSAVE                 (UINT64_C(1) << 27)
#define RH_X86_1_ECX_AVX                     (UINT64_C(1) << 28)
#define RH_X86_1_ECX_HYPERVISOR              (UINT64_C(1) << 31)
#define RH_X86_7_0_EBX_SGX                   (UINT64_C(1) << 2)
#define RH_X86_7_0_EBX_MPX                   (UINT64_C(1) << 14)
#define RH_X86_7_0_EBX_AVX512F               (UINT64_C(1) << 16)
#define RH_X86_7_0_EBX_INTEL_PT              (UINT64_C(1) << 25)
#define RH_X86_7_0_ECX_PKU                   (UINT64_C(1) << 3)
#define RH_X86_7_0_ECX_OSPKE                 (UINT64_C(1) << 4)
#define RH_X86_7_0_ECX_LA57                  (UINT64_C(1) << 16)
#define RH_X86_7_0_EDX_ARCH_LBR              (UINT64_C(1) << 19)
#define RH_X86_7_0_EDX_AMX_TILE              (UINT64_C(1) << 24)
#define RH_X86_7_0_EDX_ARCH_CAPABILITIES     (UINT64_C(1) << 29)
#define RH_X86_7_0_EDX_CORE_CAPABILITY       (UINT64_C(1) << 30)
#define RH_X86_8000_0001_EDX_LM              (UINT64_C(1) << 29)
#define RH_X86_8000_0001_ECX_CMP_LEGACY      (UINT64_C(1) << 1)
#define RH_X86_8000_0001_ECX_SVM             (UINT64_C(1) << 2)
#define RH_X86_8000_0001_ECX_TOPOEXT         (UINT64_C(1) << 22)
#define RH_X86_8000_0007_EDX_INVTSC          (UINT64_C(1) << 8)
#define RH_X86_XSAVE_XSAVEC                  (UINT64_C(1) << 1)
#define RH_X86_XSAVE_XSAVES                  (UINT64_C(1) << 3)

#endif
