/*
 * Control, debug and extended control registers, and RFLAGS.
 * Spec: Intel SDM vol. 3 §2.5 (control registers), §4.10 (TLB), §9.8.5 (IA-32e mode), §17.2 (debug registers), vol. 2 MOV, XSETBV.
 */
#include "target/i386/tcg/cpu.h"

#include "softmmu/accel.h"
#include "target/i386/tcg/vector-live.h"

#define CR0_FIXED (~UINT64_C(0xe005003f))
#define CR3_NO_FLUSH (UINT64_C(1) << 63)
#define PDPTE_P 1u
#define PDPTE_RESERVED UINT64_C(0x1e6)
#define DR6_FIXED 0xffff0ff0u
#define DR6_WRITABLE 0xe00fu
#define DR7_FIXED 0x400u
#define DR7_WRITABLE 0xffff23ffu

static bool is_pae(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & RH_CR0_PG) && (cr4 & RH_CR4_PAE) && !(efer & RH_EFER_LMA);
}

/* The four entries are read when CR3 is loaded, and kept, SDM vol. 3 §4.4.1. */
static bool load_pdptrs(RhTcgCpu *cpu, uint64_t cr3)
{
    uint64_t entries[4];

    for (unsigned i = 0; i < 4; i++) {
        entries[i] = rh_tcg_phys_load(cpu, (cr3 & 0xffffffe0u) + 8 * i, 8);
        if ((entries[i] & PDPTE_P) && (entries[i] & (PDPTE_RESERVED | ~(cpu->physical_mask | 0xfff)))) {
            return rh_tcg_gp0(cpu);
        }
    }
    memcpy(cpu->pdptr, entries, sizeof(entries));
    return true;
}

void rh_tcg_reload_pdptrs(RhTcgCpu *cpu)
{
    if (is_pae(cpu->cr0, cpu->cr4, cpu->efer) && cpu->vm) {
        for (unsigned i = 0; i < 4; i++) {
            cpu->pdptr[i] = rh_tcg_phys_load(cpu, (cpu->cr3 & 0xffffffe0u) + 8 * i, 8);
        }
    }
}

static bool may_page(RhTcgCpu *cpu, uint64_t value)
{
    if ((value & RH_CR0_PG) && !(cpu->cr0 & RH_CR0_PG)) {       /* goes on */
        return !(cpu->efer & RH_EFER_LME) || ((cpu->cr4 & RH_CR4_PAE) && !(cpu->seg[RH_CS].access & RH_SEG_L));
    }
    if (!(value & RH_CR0_PG) && (cpu->cr0 & RH_CR0_PG)) {       /* goes off */
        return !cpu->is_64 && !(cpu->cr4 & RH_CR4_PCIDE);
    }
    return true;
}

static bool write_cr0(RhTcgCpu *cpu, uint64_t value)
{
    uint64_t changed = (value ^ cpu->cr0) | RH_CR0_ET;
    uint64_t efer = cpu->efer;

    if (value >> 32 || ((value & RH_CR0_PG) && !(value & RH_CR0_PE)) || ((value & RH_CR0_NW) && !(value & RH_CR0_CD)) ||
        !may_page(cpu, value)) {
        return rh_tcg_gp0(cpu);
    }
    value = (value & ~CR0_FIXED) | RH_CR0_ET;
    if (changed & RH_CR0_PG) {
        efer &= ~(uint64_t)RH_EFER_LMA;
        if ((value & RH_CR0_PG) && (efer & RH_EFER_LME)) {
            efer |= RH_EFER_LMA;
        }
    }
    if (is_pae(value, cpu->cr4, efer) && (changed & (RH_CR0_PG | RH_CR0_NW | RH_CR0_CD)) && !load_pdptrs(cpu, cpu->cr3)) {
        return false;
    }
    cpu->cr0 = value;
    cpu->efer = efer;
    if (changed & (RH_CR0_PG | RH_CR0_PE | RH_CR0_WP)) {
        rh_tlb_flush(cpu, false);
    }
    rh_tcg_settle(cpu);
    return true;
}

static bool write_cr3(RhTcgCpu *cpu, uint64_t value)
{
    bool has_pcid = cpu->cr4 & RH_CR4_PCIDE;
    bool keep_old = has_pcid && (value & CR3_NO_FLUSH);

    if (has_pcid) {
        value &= ~CR3_NO_FLUSH;
    }
    if (cpu->is_long ? value & ~(cpu->physical_mask | 0xfff) : value >> 32) {
        return rh_tcg_gp0(cpu);
    }
    if (is_pae(cpu->cr0, cpu->cr4, cpu->efer) && !load_pdptrs(cpu, value)) {
        return false;
    }
    cpu->cr3 = value;
    rh_tlb_switch(cpu, has_pcid ? value & 0xfff : 0, keep_old);     /* TLB entries carry no PCID; jumps do */
    return true;
}

static bool write_cr4(RhTcgCpu *cpu, uint64_t value)
{
    uint64_t changed = value ^ cpu->cr4;

    if ((value & ~cpu->cr4_allowed) || (cpu->is_long && !(value & RH_CR4_PAE)) ||
        ((changed & value & RH_CR4_PCIDE) && (!cpu->is_long || (cpu->cr3 & 0xfff)))) {
        return rh_tcg_gp0(cpu);
    }
    if (is_pae(cpu->cr0, value, cpu->efer) && (changed & (RH_CR4_PAE | RH_CR4_PGE | RH_CR4_PSE | RH_CR4_SMEP)) &&
        !load_pdptrs(cpu, cpu->cr3)) {
        return false;
    }
    cpu->cr4 = value;
    if (changed & (RH_CR4_PSE | RH_CR4_PAE | RH_CR4_PGE | RH_CR4_PCIDE | RH_CR4_SMEP | RH_CR4_SMAP)) {
        rh_tlb_flush(cpu, false);
    }
    rh_tcg_settle(cpu);
    return true;
}

static bool write_cr8(RhTcgCpu *cpu, uint64_t value)
{
    bool was_live;

    if (value > 15) {
        return rh_tcg_gp0(cpu);
    }
    cpu->cr8 = value;
    was_live = rh_tcg_vector_save(cpu);
    if (cpu->vm->accel && cpu->vm->accel->set_tpr) {
        RH_WITH_MACHINE_LOCK(cpu->vm) {
            cpu->vm->accel->set_tpr(cpu->vcpu, (unsigned)value);
        }
    }
    rh_tcg_vector_restore(cpu, was_live);
    return true;
}

bool rh_tcg_write_cr(RhTcgCpu *cpu, unsigned nr, uint64_t value)
{
    switch (nr) {
    case 0: return write_cr0(cpu, value);
    case 2: cpu->cr2 = value; return true;
    case 3: return write_cr3(cpu, value);
    case 4: return write_cr4(cpu, value);
    case 8: return write_cr8(cpu, value);
    default: return rh_tcg_ud(cpu);
    }
}

bool rh_tcg_read_cr(RhTcgCpu *cpu, unsigned nr, uint64_t *ret)
{
    switch (nr) {
    case 0: *ret = cpu->cr0; return true;
    case 2: *ret = cpu->cr2; return true;
    case 3: *ret = cpu->cr3; return true;
    case 4: *ret = cpu->cr4; return true;
    case 8: *ret = cpu->cr8; return true;
    default: return rh_tcg_ud(cpu);
    }
}

/* DR4 and DR5 are DR6 and DR7 unless debug extensions are on, SDM vol. 3 §17.2.2. */
static bool debug_register(RhTcgCpu *cpu, unsigned *nr)
{
    if (*nr == 4 || *nr == 5) {
        if (cpu->cr4 & RH_CR4_DE) {
            return rh_tcg_ud(cpu);
        }
        *nr += 2;
    }
    if (*nr > 7) {
        return rh_tcg_ud(cpu);
    }
    if (cpu->dr7 & RH_DR7_GD) {         /* general detect: a fault before the access, §17.2.4 */
        rh_tcg_raise_plain(cpu, RH_EXC_DB);
        cpu->fault.dr6 = RH_DR6_BD;
        return false;
    }
    return true;
}

bool rh_tcg_write_dr(RhTcgCpu *cpu, unsigned nr, uint64_t value)
{
    if (!debug_register(cpu, &nr)) {
        return false;
    }
    if (nr >= 6 && value >> 32) {
        return rh_tcg_gp0(cpu);
    }
    if (nr < 4) {
        cpu->dr[nr] = value;
    } else if (nr == 6) {
        cpu->dr6 = (value & DR6_WRITABLE) | DR6_FIXED;
    } else {
        cpu->dr7 = (value & DR7_WRITABLE) | DR7_FIXED;
    }
    rh_tcg_settle_debug(cpu);
    return true;
}

bool rh_tcg_read_dr(RhTcgCpu *cpu, unsigned nr, uint64_t *ret)
{
    if (!debug_register(cpu, &nr)) {
        return false;
    }
    *ret = nr < 4 ? cpu->dr[nr] : nr == 6 ? cpu->dr6 : cpu->dr7;
    return true;
}

bool rh_tcg_write_xcr(RhTcgCpu *cpu, uint32_t nr, uint64_t value)
{
    enum { X87 = 1, SSE = 2, AVX = 4 };

    if (nr != 0 || !(value & X87) || (value & ~cpu->xcr0_allowed) || ((value & AVX) && !(value & SSE))) {
        return rh_tcg_gp0(cpu);
    }
    cpu->xcr0 = value;
    rh_tcg_settle(cpu);
    return true;
}

void rh_tcg_set_rflags(RhTcgCpu *cpu, uint64_t value, uint64_t mask)
{
    uint64_t was = cpu->rflags;

    cpu->rflags = (was & ~mask) | (value & mask) | 2;
    if ((was ^ cpu->rflags) & (RH_RFLAGS_AC | RH_RFLAGS_VM)) {
        rh_tcg_settle(cpu);
    }
    if ((~was & cpu->rflags & (RH_RFLAGS_IF | RH_RFLAGS_TF)) || rh_tcg_awaits_virtual(cpu)) {
        cpu->attention = 1;
    }
}
