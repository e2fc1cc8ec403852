/*
 * Model-specific registers, CPUID and the time stamp counter.
 *
 * A register is one of four kinds: a field of RhTcgCpu (fields[]), one that the local APIC has, one with a constant value
 * (constants[]), or one that is only remembered, in cpu->msrs (is_remembered): memory types mean nothing to software.
 * Spec: Intel SDM vol. 4; AMD APM vol. 2 appendix A.  Any other index: #GP(0), as on a CPU.
 */
#include "target/i386/tcg/cpu.h"

#include "softmmu/accel.h"
#include "target/i386/cpuid.h"
#include "target/i386/tcg/pvclock.h"
#include "target/i386/tcg/vector-live.h"

#define MSR_TSC            0x10u
#define MSR_APIC_BASE      0x1bu
#define MSR_TSC_ADJUST     0x3bu
#define MSR_MTRR_CAP       0xfeu
#define MSR_MTRR_BASE      0x200u   /* eight pairs of base and mask */
#define MSR_MTRR_LAST      0x20fu
#define MSR_MTRR_DEF_TYPE  0x2ffu
#define MSR_PAT            0x277u
#define MSR_MC0_CTL        0x400u
#define NR_MC_BANKS        10u
#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_X2APIC         0x800u
#define MSR_X2APIC_LAST    0x8ffu
#define MSR_XSS            0xda0u
#define MSR_EFER           0xc0000080u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u

static bool is_canonical(uint64_t value)
{
    return (uint64_t)((int64_t)(value << 16) >> 16) == value;
}

uint64_t rh_tcg_tsc(const RhTcgCpu *cpu)
{
    return rh_tcg_host_tsc() + (uint64_t)cpu->tsc_offset;
}

/* --- registers that are fields --- */

typedef bool Check(uint64_t value);

static bool is_pat(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(value >> 8 * i);

        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static bool is_32_bits(uint64_t value)
{
    return value >> 32 == 0;
}

static const struct {
    uint32_t index;
    uint32_t offset;
    Check *check;           /* NULL: any value */
} fields[] = {
    { 0x174, offsetof(RhTcgCpu, sysenter_cs), is_32_bits },
    { 0x175, offsetof(RhTcgCpu, sysenter_esp), is_canonical },
    { 0x176, offsetof(RhTcgCpu, sysenter_eip), is_canonical },
    { 0x1a0, offsetof(RhTcgCpu, misc_enable) },
    { MSR_PAT, offsetof(RhTcgCpu, pat), is_pat },
    { 0xc0000081, offsetof(RhTcgCpu, star) },
    { 0xc0000082, offsetof(RhTcgCpu, lstar), is_canonical },
    { 0xc0000083, offsetof(RhTcgCpu, cstar), is_canonical },
    { 0xc0000084, offsetof(RhTcgCpu, sfmask), is_32_bits },
    { MSR_FS_BASE, offsetof(RhTcgCpu, seg[RH_FS].base), is_canonical },
    { MSR_GS_BASE, offsetof(RhTcgCpu, seg[RH_GS].base), is_canonical },
    { 0xc0000102, offsetof(RhTcgCpu, kernel_gs_base), is_canonical },
    { 0xc0000103, offsetof(RhTcgCpu, tsc_aux), is_32_bits },
};

/* What a CPU of these families has and software reads or writes without asking. */
static const struct {
    uint32_t index;
    uint64_t value;
} constants[] = {
    { 0x17, 0 },            /* platform id */
    { 0x8b, 0 },            /* microcode revision: none was loaded */
    { 0xce, 0 },            /* platform information */
    { MSR_MTRR_CAP, 0x508 },/* eight variable ranges, fixed ranges, write combining */
    { 0x179, NR_MC_BANKS }, /* MCG_CAP */
    { 0x198, 0x0400 },      /* performance status */
    { 0xc0010010, 0 },      /* SYSCFG */
    { 0xc0010015, 0 },      /* HWCR */
    { 0xc001001f, 0 },      /* NB_CFG */
    { 0xc0010055, 0 },      /* interrupt pending message */
    { 0xc0010058, 0 },      /* MMIO configuration */
    { 0xc0010112, 0 }, { 0xc0010113, 0 },   /* SMM_ADDR, SMM_MASK */
    { 0xc0010140, 0 }, { 0xc0010141, 0 },   /* OSVW: no workarounds are told of */
};

static bool is_remembered(uint32_t index)
{
    return (index >= MSR_MTRR_BASE && index <= MSR_MTRR_LAST) || index == 0x250 || index == 0x258 || index == 0x259 ||
           (index >= 0x268 && index <= 0x26f) || index == MSR_MTRR_DEF_TYPE ||
           (index >= MSR_MC0_CTL && index < MSR_MC0_CTL + 4 * NR_MC_BANKS) || index == 0x17a || index == 0x17b ||
           index == 0x3a || index == 0x140 || rh_tcg_clock_owns(index);
}

static RhX86Msr *remembered(RhTcgCpu *cpu, uint32_t index)
{
    for (uint32_t i = 0; i < cpu->nr_msrs; i++) {
        if (cpu->msrs[i].index == index) {
            return &cpu->msrs[i];
        }
    }
    return NULL;
}

static bool remember(RhTcgCpu *cpu, uint32_t index, uint64_t value)
{
    RhX86Msr *msr = remembered(cpu, index);

    if (!msr) {
        if (cpu->nr_msrs == RH_X86_MAX_MSRS) {
            return rh_tcg_gp0(cpu);
        }
        msr = &cpu->msrs[cpu->nr_msrs++];
        msr->index = index;
    }
    msr->value = value;
    return true;
}

/* --- the local APIC's --- */

static bool is_apic(uint32_t index)
{
    return index == MSR_APIC_BASE || index == MSR_TSC_DEADLINE || (index >= MSR_X2APIC && index <= MSR_X2APIC_LAST);
}

static bool apic_msr(RhTcgCpu *cpu, uint32_t index, uint64_t *value, bool is_write)
{
    RhAccel *accel = cpu->vm ? cpu->vm->accel : NULL;
    bool is_ok = false;

    if (accel && accel->apic_msr) {
        RH_WITH_MACHINE_LOCK(cpu->vm) {
            is_ok = accel->apic_msr(cpu->vcpu, index, value, is_write);
        }
    } else if (index == MSR_APIC_BASE) {
        is_ok = true;
        if (!is_write) {
            *value = cpu->apic_base;
        }
    }
    if (is_ok && index == MSR_APIC_BASE) {
        cpu->apic_base = *value;
    }
    return is_ok || rh_tcg_gp0(cpu);
}

/* --- reading and writing --- */

static bool read_rare(RhTcgCpu *cpu, uint32_t index, uint64_t *ret)
{
    if (is_apic(index)) {
        return apic_msr(cpu, index, ret, false);
    }
    switch (index) {
    case MSR_TSC:        *ret = rh_tcg_tsc(cpu); return true;
    case MSR_TSC_ADJUST: *ret = cpu->tsc_adjust; return true;
    case MSR_EFER:       *ret = cpu->efer; return true;
    case MSR_XSS:
        *ret = cpu->xss;
        return rh_tcg_has(cpu, RH_FEAT_XSAVES) || rh_tcg_gp0(cpu);
    }
    if (is_remembered(index)) {
        const RhX86Msr *msr = remembered(cpu, index);

        *ret = msr ? msr->value : 0;
        return true;
    }
    for (size_t i = 0; i < RH_COUNT(constants); i++) {
        if (constants[i].index == index) {
            *ret = constants[i].value;
            return true;
        }
    }
    return rh_tcg_gp0(cpu);
}

bool rh_tcg_read_msr(RhTcgCpu *cpu, uint32_t index, uint64_t *ret)
{
    bool was_live, is_good;

    for (size_t i = 0; i < RH_COUNT(fields); i++) {
        if (fields[i].index == index) {
            *ret = *(uint64_t *)((char *)cpu + fields[i].offset);
            return true;
        }
    }
    was_live = rh_tcg_vector_save(cpu);
    is_good = read_rare(cpu, index, ret);
    rh_tcg_vector_restore(cpu, was_live);
    return is_good;
}

static bool write_efer(RhTcgCpu *cpu, uint64_t value)
{
    if ((value & ~cpu->efer_allowed) || (((value ^ cpu->efer) & RH_EFER_LME) && (cpu->cr0 & RH_CR0_PG))) {
        return rh_tcg_gp0(cpu);
    }
    value = (value & ~(uint64_t)RH_EFER_LMA) | (cpu->efer & RH_EFER_LMA);
    if ((value ^ cpu->efer) & RH_EFER_NXE) {
        rh_tlb_flush(cpu, false);
    }
    cpu->efer = value;
    rh_tcg_settle(cpu);
    return true;
}

/* Writing the counter or its adjustment moves the other, SDM vol. 3 §17.17.3; and when a deadline of the local APIC comes. */
static bool write_tsc(RhTcgCpu *cpu, uint32_t index, uint64_t value)
{
    uint64_t delta = value - (index == MSR_TSC ? rh_tcg_tsc(cpu) : cpu->tsc_adjust);

    rh_tcg_set_tsc_offset(cpu, cpu->tsc_offset + (int64_t)delta);
    cpu->tsc_adjust += delta;
    rh_tcg_clock_tell(cpu);
    if (cpu->vm && cpu->vm->accel && cpu->vm->accel->tsc_moved) {
        RH_WITH_MACHINE_LOCK(cpu->vm) {
            cpu->vm->accel->tsc_moved(cpu->vcpu);
        }
    }
    return true;
}

static bool write_rare(RhTcgCpu *cpu, uint32_t index, uint64_t value)
{
    if (is_apic(index)) {
        return apic_msr(cpu, index, &value, true);
    }
    switch (index) {
    case MSR_TSC:
    case MSR_TSC_ADJUST: return write_tsc(cpu, index, value);
    case MSR_EFER:       return write_efer(cpu, value);
    case MSR_XSS:        return (value == 0 && rh_tcg_has(cpu, RH_FEAT_XSAVES)) || rh_tcg_gp0(cpu);
    case MSR_MTRR_CAP:   return rh_tcg_gp0(cpu);
    }
    if (rh_tcg_clock_owns(index) && !rh_tcg_clock_write(cpu, index, value)) {
        return rh_tcg_gp0(cpu);
    }
    if (is_remembered(index)) {
        return remember(cpu, index, value);
    }
    for (size_t i = 0; i < RH_COUNT(constants); i++) {
        if (constants[i].index == index) {
            return true;                /* taken and forgotten */
        }
    }
    return rh_tcg_gp0(cpu);
}

bool rh_tcg_write_msr(RhTcgCpu *cpu, uint32_t index, uint64_t value)
{
    bool was_live, is_good;

    for (size_t i = 0; i < RH_COUNT(fields); i++) {
        if (fields[i].index == index) {
            if (fields[i].check && !fields[i].check(value)) {
                return rh_tcg_gp0(cpu);
            }
            *(uint64_t *)((char *)cpu + fields[i].offset) = value;
            cpu->segment_base[RH_FS] = cpu->seg[RH_FS].base;
            cpu->segment_base[RH_GS] = cpu->seg[RH_GS].base;
            return true;
        }
    }
    was_live = rh_tcg_vector_save(cpu);
    is_good = write_rare(cpu, index, value);
    rh_tcg_vector_restore(cpu, was_live);
    return is_good;
}

/* --- CPUID --- */

/* Leaves beyond the last are answered as the last basic one, SDM vol. 2A "CPUID". */
static const RhCpuidEntry *find_leaf(const RhTcgCpu *cpu, uint32_t leaf, uint32_t subleaf)
{
    const RhCpuidEntry *base = rh_cpuid_find(cpu->cpuid, cpu->nr_cpuid, leaf & 0x80000000, 0);

    if (base && leaf > base->eax && !(leaf >= 0x40000000 && leaf < 0x80000000)) {
        base = rh_cpuid_find(cpu->cpuid, cpu->nr_cpuid, 0, 0);
        leaf = base ? base->eax : leaf;
    }
    return rh_cpuid_find(cpu->cpuid, cpu->nr_cpuid, leaf, subleaf);
}

static uint32_t xsave_size(uint64_t components)
{
    return components & 4 ? 832 : 576;
}

void rh_tcg_cpuid(RhTcgCpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t ret[4])
{
    enum { EAX, EBX, ECX, EDX, APIC_BIT = 1 << 9, OSXSAVE_BIT = 1 << 27 };
    bool was_live = rh_tcg_vector_save(cpu);
    const RhCpuidEntry *entry = find_leaf(cpu, leaf, subleaf);

    rh_tcg_vector_restore(cpu, was_live);
    ret[EAX] = entry ? entry->eax : 0;
    ret[EBX] = entry ? entry->ebx : 0;
    ret[ECX] = entry ? entry->ecx : 0;
    ret[EDX] = entry ? entry->edx : 0;
    if (leaf == 1) {
        ret[ECX] = (ret[ECX] & ~(uint32_t)OSXSAVE_BIT) | (cpu->cr4 & 0x40000 ? OSXSAVE_BIT : 0);
        if (!(cpu->apic_base & RH_APIC_BASE_ENABLED)) {
            ret[EDX] &= ~(uint32_t)APIC_BIT;
        }
    } else if (leaf == 0xd && entry && subleaf <= 1) {
        ret[EBX] = xsave_size(cpu->xcr0 | (subleaf ? cpu->xss : 0));
    }
}
