/*
 * System management mode: into it, and RSM. Inside, memory is rh_vm_memory(vm, true): SMRAM is there, and the save area is in it.
 *
 * The state is saved in the layout of 64-bit CPUs, revision 0x20064: SMBASE may be moved, I/O is not restarted.
 *
 * Spec: AMD APM vol. 2 chapter 10, table 10-1 (save area) and §10.3 (state at entry); SDM vol. 3 chapter 31. The vCPU's thread. No vector
 * registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

#define SMM_REVISION  0x20064u
#define SMM_ENTRY     0x8000u
#define CR0_LEAVES    0x8000000du    /* PE, EM, TS, PG: cleared */
#define DR7_AT_ENTRY  0x400u
#define RFLAGS_VALID  0x003f7fd7u

/* Offsets in the save area, from SMBASE */
enum {
    SAVE_ES = 0xfe00, SAVE_GDTR = 0xfe60, SAVE_LDTR = 0xfe70, SAVE_IDTR = 0xfe80, SAVE_TR = 0xfe90,
    SAVE_AUTO_HALT = 0xfec9, SAVE_NMI_MASK = 0xfeca, SAVE_REVISION = 0xfefc, SAVE_SMBASE = 0xff00, SAVE_RAX = 0xfff8,
};

/* Registers of eight bytes that are saved as they are; general registers end the area, RAX last. */
typedef struct Saved {
    uint16_t at;
    uint32_t offset;
} Saved;
#define SAVED(at, field) { at, offsetof(RhTcgCpu, field) }

static const Saved saved[] = {
    SAVED(0xfed0, efer), SAVED(0xff48, cr4), SAVED(0xff50, cr3),    SAVED(0xff58, cr0), SAVED(0xff60, dr7),
    SAVED(0xff68, dr6),  SAVED(0xff70, rflags), SAVED(0xff78, rip),
};

/* A segment takes 16 bytes: selector, attributes, limit, base. */
static void save_segment(RhTcgCpu *cpu, uint64_t at, const RhX86Segment *seg)
{
    uint32_t attributes = (seg->access & 0xff) | (seg->access >> 4 & 0xf00);

    if (seg->access & RH_SEG_UNUSABLE) {
        attributes &= ~RH_SEG_P;
    }
    rh_tcg_phys_store(cpu, at, 2, seg->selector);
    rh_tcg_phys_store(cpu, at + 2, 2, attributes);
    rh_tcg_phys_store(cpu, at + 4, 4, seg->limit);
    rh_tcg_phys_store(cpu, at + 8, 8, seg->base);
}

static void load_segment(RhTcgCpu *cpu, uint64_t at, RhX86Segment *ret)
{
    uint32_t attributes = (uint32_t)rh_tcg_phys_load(cpu, at + 2, 2);

    ret->selector = (uint16_t)rh_tcg_phys_load(cpu, at, 2);
    ret->limit = (uint32_t)rh_tcg_phys_load(cpu, at + 4, 4);
    ret->base = rh_tcg_phys_load(cpu, at + 8, 8);
    ret->access = (attributes & 0xff) | (attributes & 0xf00) << 4;
    if (!(attributes & RH_SEG_P)) {
        ret->access |= RH_SEG_UNUSABLE;
    }
}

static uint64_t *register_of(RhTcgCpu *cpu, const Saved *row)
{
    return (uint64_t *)((char *)cpu + row->offset);
}

static void save_all(RhTcgCpu *cpu)
{
    uint64_t base = cpu->smbase;

    for (unsigned i = 0; i < RH_COUNT(saved); i++) {
        rh_tcg_phys_store(cpu, base + saved[i].at, 8, *register_of(cpu, &saved[i]));
    }
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        rh_tcg_phys_store(cpu, base + SAVE_RAX - i * 8, 8, cpu->gpr[i]);
    }
    for (unsigned i = RH_ES; i <= RH_GS; i++) {
        save_segment(cpu, base + SAVE_ES + i * 16, &cpu->seg[i]);
    }
    save_segment(cpu, base + SAVE_LDTR, &cpu->seg[RH_LDTR]);
    save_segment(cpu, base + SAVE_TR, &cpu->seg[RH_TR]);
    rh_tcg_phys_store(cpu, base + SAVE_GDTR + 4, 2, cpu->gdt.limit);
    rh_tcg_phys_store(cpu, base + SAVE_GDTR + 8, 8, cpu->gdt.base);
    rh_tcg_phys_store(cpu, base + SAVE_IDTR + 4, 2, cpu->idt.limit);
    rh_tcg_phys_store(cpu, base + SAVE_IDTR + 8, 8, cpu->idt.base);
    rh_tcg_phys_store(cpu, base + SAVE_AUTO_HALT, 1, cpu->is_halted);
    rh_tcg_phys_store(cpu, base + SAVE_NMI_MASK, 1, cpu->is_nmi_masked);
    rh_tcg_phys_store(cpu, base + SAVE_REVISION, 4, SMM_REVISION);
    rh_tcg_phys_store(cpu, base + SAVE_SMBASE, 4, base);
}

static void load_all(RhTcgCpu *cpu)
{
    uint64_t base = cpu->smbase;

    for (unsigned i = 0; i < RH_COUNT(saved); i++) {
        *register_of(cpu, &saved[i]) = rh_tcg_phys_load(cpu, base + saved[i].at, 8);
    }
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        cpu->gpr[i] = rh_tcg_phys_load(cpu, base + SAVE_RAX - i * 8, 8);
    }
    for (unsigned i = RH_ES; i <= RH_GS; i++) {
        load_segment(cpu, base + SAVE_ES + i * 16, &cpu->seg[i]);
    }
    load_segment(cpu, base + SAVE_LDTR, &cpu->seg[RH_LDTR]);
    load_segment(cpu, base + SAVE_TR, &cpu->seg[RH_TR]);
    cpu->gdt.limit = (uint16_t)rh_tcg_phys_load(cpu, base + SAVE_GDTR + 4, 2);
    cpu->gdt.base = rh_tcg_phys_load(cpu, base + SAVE_GDTR + 8, 8);
    cpu->idt.limit = (uint16_t)rh_tcg_phys_load(cpu, base + SAVE_IDTR + 4, 2);
    cpu->idt.base = rh_tcg_phys_load(cpu, base + SAVE_IDTR + 8, 8);
    cpu->is_halted = rh_tcg_phys_load(cpu, base + SAVE_AUTO_HALT, 1) & 1;
    cpu->is_nmi_masked = rh_tcg_phys_load(cpu, base + SAVE_NMI_MASK, 1) & 1;
    cpu->smbase = rh_tcg_phys_load(cpu, base + SAVE_SMBASE, 4);
}

static void enter(RhTcgCpu *cpu)
{
    for (unsigned i = RH_ES; i <= RH_GS; i++) {
        cpu->seg[i] = (RhX86Segment){ .limit = UINT32_MAX,
                                      .access = RH_SEG_P | RH_SEG_S | RH_SEG_G | RH_TYPE_WRITABLE | RH_TYPE_ACCESSED };
    }
    cpu->seg[RH_CS].selector = (uint16_t)(cpu->smbase >> 4);
    cpu->seg[RH_CS].base = cpu->smbase;
    cpu->idt = (RhX86Table){ 0 };
    cpu->cr0 &= ~(uint64_t)CR0_LEAVES;
    cpu->cr4 = 0;
    cpu->efer = 0;
    cpu->dr7 = DR7_AT_ENTRY;
    cpu->rflags = 2;
    cpu->rip = SMM_ENTRY;
}

static void finish(RhTcgCpu *cpu)
{
    cpu->shadow = 0;
    cpu->attention = 1;
    rh_tlb_flush(cpu, false);       /* other memory is at the same addresses now; translated blocks differ by mode */
    rh_tcg_settle(cpu);
    rh_tcg_settle_debug(cpu);
}

void rh_tcg_enter_smm(RhTcgCpu *cpu)
{
    cpu->is_in_smm = true;
    rh_tlb_flush(cpu, false);
    save_all(cpu);
    cpu->is_halted = false;
    cpu->is_nmi_masked = true;
    enter(cpu);
    finish(cpu);
}

/* The handler may have written anything; a CPU shuts down on what cannot be, SDM vol. 3 §31.5. */
static bool is_possible(const RhTcgCpu *cpu)
{
    bool has_paging = cpu->cr0 & RH_CR0_PG;
    bool is_long = cpu->efer & RH_EFER_LMA;

    if (cpu->cr0 >> 32 || (has_paging && !(cpu->cr0 & RH_CR0_PE)) || ((cpu->cr0 & RH_CR0_NW) && !(cpu->cr0 & RH_CR0_CD))) {
        return false;
    }
    if ((cpu->cr4 & ~cpu->cr4_allowed) || (cpu->efer & ~cpu->efer_allowed)) {
        return false;
    }
    if (is_long != (has_paging && (cpu->efer & RH_EFER_LME)) || (is_long && !(cpu->cr4 & RH_CR4_PAE))) {
        return false;
    }
    return !(is_long && (cpu->rflags & RH_RFLAGS_VM)) && !(cpu->cr3 & ~(cpu->physical_mask | 0xfff));
}

bool rh_tcg_rsm(RhTcgCpu *cpu)
{
    if (!cpu->is_in_smm) {
        return rh_tcg_ud(cpu);
    }
    load_all(cpu);
    cpu->is_in_smm = false;
    cpu->rflags = (cpu->rflags & RFLAGS_VALID) | 2;
    if (!is_possible(cpu)) {
        cpu->is_shut_down = true;
        cpu->cr0 &= ~(uint64_t)CR0_LEAVES;
        cpu->cr4 = 0;
        cpu->efer = 0;
    }
    finish(cpu);
    rh_tcg_reload_pdptrs(cpu);
    return true;
}
