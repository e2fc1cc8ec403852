/*
 * Interpreter: system instructions: flags with privilege, control registers, tables, MSRs, time, random numbers.
 *
 * What they change is mostly behind cpu.h; here is who may, and where operands go. The decoder's PRIVILEGED trait has
 * been checked already.
 *
 * Spec: Intel SDM vol. 2; vol. 3 §20.3 (virtual-8086 mode), §2.8.
 */
#include <sys/random.h>

#include "target/i386/tcg/interp.h"
#include "target/i386/tcg/vector-live.h"

/* RFLAGS that POPF changes whoever executes it; IF and IOPL depend on privilege, VM, RF, VIF and VIP never change. */
#define POPF_WORD (RH_FLAGS_STATUS | RH_RFLAGS_TF | RH_RFLAGS_DF | RH_RFLAGS_NT)
#define POPF_LONG (POPF_WORD | RH_RFLAGS_AC | RH_RFLAGS_ID)

/* ---- flags ---- */

/* Virtual-8086 mode with IOPL below 3: instructions that touch IF go to VIF (VME), or fault. */
static bool is_v86_sensitive(const RhTcgCpu *cpu)
{
    return cpu->is_v86 && rh_iopl(cpu) < 3;
}

/* Only VME's 16-bit forms; the others are the monitor's before anything touches the stack. */
static bool may_move_flags(const RhTcgCpu *cpu, const RhInsn *insn)
{
    return !is_v86_sensitive(cpu) || ((cpu->cr4 & RH_CR4_VME) && insn->size == 2);
}

bool rh_interp_pushf(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t image = cpu->rflags & ~(uint64_t)(RH_RFLAGS_VM | RH_RFLAGS_RF);

    if (!may_move_flags(cpu, insn)) {
        return rh_tcg_gp0(cpu);
    }
    if (is_v86_sensitive(cpu)) {
        image &= ~(uint64_t)RH_RFLAGS_IF;
        image |= RH_RFLAGS_IOPL | (cpu->rflags & RH_RFLAGS_VIF ? RH_RFLAGS_IF : 0);
    }
    return rh_interp_push(cpu, insn->size, image);
}

/* POPF under VME: IF goes to VIF, and the monitor hears of what it must do. */
static bool popf_vme(RhTcgCpu *cpu, uint64_t value)
{
    bool is_enabling = value & RH_RFLAGS_IF;

    if ((value & RH_RFLAGS_TF) || (is_enabling && (cpu->rflags & RH_RFLAGS_VIP))) {
        return rh_tcg_gp0(cpu);
    }
    rh_interp_drop(cpu, 2);
    rh_tcg_set_rflags(cpu, value | (is_enabling ? RH_RFLAGS_VIF : 0), POPF_WORD | RH_RFLAGS_VIF);
    return true;
}

bool rh_interp_popf(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t mask = insn->size == 2 ? POPF_WORD : POPF_LONG;
    uint64_t value;

    if (!may_move_flags(cpu, insn)) {
        return rh_tcg_gp0(cpu);
    }
    if (!rh_interp_peek(cpu, insn->size, &value)) {
        return false;
    }
    if (is_v86_sensitive(cpu)) {
        return popf_vme(cpu, value);
    }
    if (!cpu->cpl) {
        mask |= RH_RFLAGS_IOPL;
    }
    if (cpu->cpl <= rh_iopl(cpu)) {
        mask |= RH_RFLAGS_IF;
    }
    rh_interp_drop(cpu, insn->size);
    rh_tcg_set_rflags(cpu, value, mask);
    return true;
}

/* Where CLI and STI act: on IF, on VIF (VME, or PVI for programs), or nowhere: 0. */
static uint64_t interrupt_flag(const RhTcgCpu *cpu)
{
    if (cpu->cpl <= rh_iopl(cpu)) {
        return RH_RFLAGS_IF;        /* real mode has CPL 0, virtual-8086 mode 3 */
    }
    return cpu->cpl == 3 && (cpu->cr4 & (cpu->is_v86 ? RH_CR4_VME : RH_CR4_PVI)) ? RH_RFLAGS_VIF : 0;
}

bool rh_interp_cli(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t flag = interrupt_flag(cpu);

    if (!flag) {
        return rh_tcg_gp0(cpu);
    }
    rh_tcg_set_rflags(cpu, 0, flag);
    return true;
}

bool rh_interp_sti(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t flag = interrupt_flag(cpu);

    if (!flag || (flag == RH_RFLAGS_VIF && (cpu->rflags & RH_RFLAGS_VIP))) {
        return rh_tcg_gp0(cpu);
    }
    if (flag == RH_RFLAGS_IF && !(cpu->rflags & RH_RFLAGS_IF)) {
        cpu->shadow |= 2;           /* "STI; HLT" and "STI; RET" are one to interrupts */
    }
    rh_tcg_set_rflags(cpu, flag, flag);
    return true;
}

bool rh_interp_set_ac(RhTcgCpu *cpu, const RhInsn *insn)
{
    if (cpu->cpl) {
        return rh_tcg_ud(cpu);
    }
    rh_tcg_set_rflags(cpu, insn->op == RH_OP_STAC ? RH_RFLAGS_AC : 0, RH_RFLAGS_AC);
    return true;
}

/* ---- waiting ---- */

bool rh_interp_hlt(RhTcgCpu *cpu, const RhInsn *insn)
{
    cpu->is_halted = true;
    return true;
}

/* MONITOR arms nothing and MWAIT does not wait, which it may do at any time. */
bool rh_interp_monitor(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned segment = insn->segment == RH_NO_REG ? RH_DS : insn->segment;
    uint64_t at;

    if (cpu->cpl) {
        return rh_tcg_ud(cpu);
    }
    if ((uint32_t)cpu->gpr[RH_RCX]) {
        return rh_tcg_gp0(cpu);     /* there are no extensions */
    }
    return rh_interp_linear(cpu, segment, rh_get_gpr(cpu, RH_RAX, insn->addr_size), 1, RH_ACCESS_READ, &at) &&
           rh_tcg_probe(cpu, cpu->tlb_mode, at, 1, RH_ACCESS_READ);
}

bool rh_interp_mwait(RhTcgCpu *cpu, const RhInsn *insn)
{
    if (cpu->cpl) {
        return rh_tcg_ud(cpu);
    }
    if ((uint32_t)cpu->gpr[RH_RCX] & ~1u) {
        return rh_tcg_gp0(cpu);     /* bit 0: interrupts wake even if masked */
    }
    __asm__ volatile("pause");
    return true;
}

bool rh_interp_clflush(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t at;

    return rh_tcg_operand_address(cpu, insn, 1, RH_ACCESS_READ, &at) &&
           rh_tcg_probe(cpu, cpu->tlb_mode, at, 1, RH_ACCESS_READ);
}

/* ---- identification, time, MSRs ---- */

static void set_edx_eax(RhTcgCpu *cpu, uint64_t value)
{
    cpu->gpr[RH_RAX] = (uint32_t)value;
    cpu->gpr[RH_RDX] = value >> 32;
}

static uint64_t edx_eax(const RhTcgCpu *cpu)
{
    return cpu->gpr[RH_RDX] << 32 | (uint32_t)cpu->gpr[RH_RAX];
}

bool rh_interp_cpuid(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint32_t reply[4];

    rh_tcg_cpuid(cpu, (uint32_t)cpu->gpr[RH_RAX], (uint32_t)cpu->gpr[RH_RCX], reply);
    cpu->gpr[RH_RAX] = reply[0];
    cpu->gpr[RH_RBX] = reply[1];
    cpu->gpr[RH_RCX] = reply[2];
    cpu->gpr[RH_RDX] = reply[3];
    return true;
}

/* RDTSC, RDTSCP */
bool rh_interp_rdtsc(RhTcgCpu *cpu, const RhInsn *insn)
{
    if ((cpu->cr4 & RH_CR4_TSD) && cpu->cpl) {
        return rh_tcg_gp0(cpu);
    }
    set_edx_eax(cpu, rh_tcg_tsc(cpu));
    if (insn->op == RH_OP_RDTSCP) {
        cpu->gpr[RH_RCX] = (uint32_t)cpu->tsc_aux;
    }
    return true;
}

/* There are no performance counters, so none has a valid number. */
bool rh_interp_rdpmc(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_gp0(cpu);
}

bool rh_interp_rdpid(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_interp_write(cpu, insn, 0, cpu->is_64 ? 8 : 4, (uint32_t)cpu->tsc_aux);
}

bool rh_interp_rdmsr(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    if (!rh_tcg_read_msr(cpu, (uint32_t)cpu->gpr[RH_RCX], &value)) {
        return false;
    }
    set_edx_eax(cpu, value);
    return true;
}

bool rh_interp_wrmsr(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_write_msr(cpu, (uint32_t)cpu->gpr[RH_RCX], edx_eax(cpu));
}

/* RDRAND, RDSEED: from the host's kernel, whose source is no worse; CF says whether there was a number. */
bool rh_interp_random(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value = 0;
    bool was_live = rh_tcg_vector_save(cpu);
    bool is_there = getrandom(&value, sizeof(value), GRND_NONBLOCK) == sizeof(value);

    rh_tcg_vector_restore(cpu, was_live);
    cpu->rflags &= ~(uint64_t)RH_FLAGS_STATUS;
    rh_set_flag(cpu, RH_FLAG_CF, is_there);
    return rh_interp_write(cpu, insn, 0, insn->size, is_there ? value : 0);
}

/* ---- control and debug registers ---- */

/* Their width is the mode's, whatever the operand size. */
static unsigned wide(const RhTcgCpu *cpu)
{
    return cpu->is_64 ? 8 : 4;
}

bool rh_interp_mov_from_cr(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    if (!rh_tcg_read_cr(cpu, insn->reg, &value)) {
        return false;
    }
    rh_set_gpr(cpu, insn->rm, wide(cpu), value);
    return true;
}

bool rh_interp_mov_to_cr(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_write_cr(cpu, insn->reg, rh_get_gpr(cpu, insn->rm, wide(cpu)));
}

bool rh_interp_mov_from_dr(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    if (!rh_tcg_read_dr(cpu, insn->reg, &value)) {
        return false;
    }
    rh_set_gpr(cpu, insn->rm, wide(cpu), value);
    return true;
}

bool rh_interp_mov_to_dr(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_write_dr(cpu, insn->reg, rh_get_gpr(cpu, insn->rm, wide(cpu)));
}

/* User-mode instruction prevention: SGDT, SIDT, SLDT, STR, SMSW are not for programs. */
static bool is_prevented(const RhTcgCpu *cpu)
{
    return (cpu->cr4 & RH_CR4_UMIP) && cpu->cpl;
}

/* A system register of 16 bits: into memory as such; a register gets what is above, too. */
static bool store_word(RhTcgCpu *cpu, const RhInsn *insn, uint64_t value)
{
    return is_prevented(cpu) ? rh_tcg_gp0(cpu) : rh_interp_write(cpu, insn, 0, insn->has_mem ? 2 : insn->size, value);
}

bool rh_interp_smsw(RhTcgCpu *cpu, const RhInsn *insn)
{
    return store_word(cpu, insn, cpu->cr0);
}

/* PE, MP, EM, TS; it cannot clear PE. */
bool rh_interp_lmsw(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    return rh_interp_read(cpu, insn, 0, 2, &value) &&
           rh_tcg_write_cr(cpu, 0, (cpu->cr0 & ~UINT64_C(0xe)) | (value & 0xf));
}

bool rh_interp_clts(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_write_cr(cpu, 0, cpu->cr0 & ~UINT64_C(8));
}

bool rh_interp_xgetbv(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint32_t index = (uint32_t)cpu->gpr[RH_RCX];

    if (!(cpu->cr4 & RH_CR4_OSXSAVE)) {
        return rh_tcg_ud(cpu);
    }
    /* XINUSE; CPUs that have it have XSAVEC, too. */
    if (index > 1 || (index && !rh_tcg_has(cpu, RH_FEAT_XSAVEC))) {
        return rh_tcg_gp0(cpu);
    }
    set_edx_eax(cpu, index ? rh_tcg_xinuse(cpu) : cpu->xcr0);
    return true;
}

bool rh_interp_xsetbv(RhTcgCpu *cpu, const RhInsn *insn)
{
    if (!(cpu->cr4 & RH_CR4_OSXSAVE)) {
        return rh_tcg_ud(cpu);
    }
    return cpu->cpl ? rh_tcg_gp0(cpu) : rh_tcg_write_xcr(cpu, (uint32_t)cpu->gpr[RH_RCX], edx_eax(cpu));
}

/* ---- descriptor tables and segments ---- */

static RhX86Table *table_of(RhTcgCpu *cpu, const RhInsn *insn)
{
    return insn->op == RH_OP_SGDT || insn->op == RH_OP_LGDT ? &cpu->gdt : &cpu->idt;
}

bool rh_interp_sgdt(RhTcgCpu *cpu, const RhInsn *insn)
{
    const RhX86Table *table = table_of(cpu, insn);
    unsigned len = 2 + wide(cpu);
    uint8_t image[10];
    uint64_t at;

    if (is_prevented(cpu)) {
        return rh_tcg_gp0(cpu);
    }
    rh_st16(image, table->limit);
    rh_st64(image + 2, table->base);
    return rh_tcg_operand_address(cpu, insn, len, RH_ACCESS_WRITE, &at) &&
           rh_tcg_store_bytes(cpu, cpu->tlb_mode, at, image, len);
}

bool rh_interp_lgdt(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned len = 2 + wide(cpu);
    uint8_t image[10] = { 0 };
    uint64_t base;
    uint64_t at;

    if (!rh_tcg_operand_address(cpu, insn, len, RH_ACCESS_READ, &at) ||
        !rh_tcg_load_bytes(cpu, cpu->tlb_mode, at, image, len)) {
        return false;
    }
    base = rh_ld64(image + 2);
    if (!rh_interp_is_canonical(cpu, base)) {
        return rh_tcg_gp0(cpu);
    }
    if (!cpu->is_64 && insn->size == 2) {
        base &= 0xffffff;
    }
    *table_of(cpu, insn) = (RhX86Table){ .base = base, .limit = rh_ld16(image) };
    return true;
}

/* Selectors have a meaning in protected mode alone. */
static bool has_selectors(const RhTcgCpu *cpu)
{
    return cpu->is_protected && !cpu->is_v86;
}

/* SLDT, STR */
bool rh_interp_sldt(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned seg = insn->op == RH_OP_SLDT ? RH_LDTR : RH_TR;

    return has_selectors(cpu) ? store_word(cpu, insn, cpu->seg[seg].selector) : rh_tcg_ud(cpu);
}

/* LLDT, LTR */
bool rh_interp_lldt(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t selector;

    if (!has_selectors(cpu)) {
        return rh_tcg_ud(cpu);
    }
    if (cpu->cpl) {
        return rh_tcg_gp0(cpu);
    }
    return rh_interp_read(cpu, insn, 0, 2, &selector) &&
           (insn->op == RH_OP_LLDT ? rh_tcg_load_ldt : rh_tcg_load_tr)(cpu, (uint16_t)selector);
}

static bool rights_or_limit(RhTcgCpu *cpu, const RhInsn *insn,
                            bool (*find)(RhTcgCpu *, uint16_t, bool *, uint32_t *))
{
    uint64_t selector;
    uint32_t value;
    bool is_ok;

    if (!has_selectors(cpu)) {
        return rh_tcg_ud(cpu);
    }
    if (!rh_interp_read(cpu, insn, 1, 2, &selector) || !find(cpu, (uint16_t)selector, &is_ok, &value)) {
        return false;
    }
    if (is_ok) {
        rh_interp_write(cpu, insn, 0, insn->size, value);
    }
    rh_set_flag(cpu, RH_FLAG_ZF, is_ok);
    return true;
}

bool rh_interp_lar(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rights_or_limit(cpu, insn, rh_tcg_lar);
}

bool rh_interp_lsl(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rights_or_limit(cpu, insn, rh_tcg_lsl);
}

/* VERR, VERW */
bool rh_interp_verify(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t selector;
    bool is_ok;

    if (!has_selectors(cpu)) {
        return rh_tcg_ud(cpu);
    }
    if (!rh_interp_read(cpu, insn, 0, 2, &selector) ||
        !rh_tcg_verify(cpu, (uint16_t)selector, insn->op == RH_OP_VERW, &is_ok)) {
        return false;
    }
    rh_set_flag(cpu, RH_FLAG_ZF, is_ok);
    return true;
}

/* What ARPL leaves in the destination: its RPL raised to the source's. */
static uint64_t raise_rpl(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
    return (a & 3) < (b & 3) ? (a & ~UINT64_C(3)) | (b & 3) : a;
}

bool rh_interp_arpl(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint32_t flags = 0;
    uint64_t source;
    uint64_t old;
    uint64_t at;

    if (!has_selectors(cpu)) {
        return rh_tcg_ud(cpu);
    }
    rh_interp_read(cpu, insn, 1, 2, &source);
    if (insn->has_mem) {
        if (!rh_interp_load_operand(cpu, insn, 0, 2, &old)) {
            return false;
        }
        /* What needs no change is not written, and may be where nothing can be. */
        if (raise_rpl(old, source, 0, &flags) != old &&
            (!rh_tcg_operand_address(cpu, insn, 2, RH_ACCESS_WRITE, &at) ||
             !rh_interp_update(cpu, at, 2, false, raise_rpl, source, 0, &flags, &old))) {
            return false;
        }
    } else {
        rh_interp_read(cpu, insn, 0, 2, &old);
        rh_interp_write(cpu, insn, 0, 2, raise_rpl(old, source, 0, &flags));
    }
    rh_set_flag(cpu, RH_FLAG_ZF, (old & 3) < (source & 3));
    return true;
}

/* ---- bases of FS and GS ---- */

static void set_base(RhTcgCpu *cpu, unsigned seg, uint64_t base)
{
    cpu->seg[seg].base = base;
    cpu->segment_base[seg] = base;
}

bool rh_interp_fsgsbase(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned seg = insn->op == RH_OP_RDFSBASE || insn->op == RH_OP_WRFSBASE ? RH_FS : RH_GS;
    bool is_read = insn->op == RH_OP_RDFSBASE || insn->op == RH_OP_RDGSBASE;
    uint64_t base;

    if (!cpu->is_64 || !(cpu->cr4 & RH_CR4_FSGSBASE)) {
        return rh_tcg_ud(cpu);
    }
    if (is_read) {
        return rh_interp_write(cpu, insn, 0, insn->size, cpu->seg[seg].base);
    }
    rh_interp_read(cpu, insn, 0, insn->size, &base);
    if (!rh_interp_is_canonical(cpu, base)) {
        return rh_tcg_gp0(cpu);
    }
    set_base(cpu, seg, base);
    return true;
}

bool rh_interp_swapgs(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t base = cpu->seg[RH_GS].base;

    if (!cpu->is_64) {
        return rh_tcg_ud(cpu);
    }
    set_base(cpu, RH_GS, cpu->kernel_gs_base);
    cpu->kernel_gs_base = base;
    return true;
}

/* ---- TLB ---- */

bool rh_interp_invlpg(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t offset = rh_interp_offset(cpu, insn);
    uint64_t base = cpu->is_64 && insn->segment < RH_FS ? 0 : cpu->seg[insn->segment].base;

    rh_tlb_flush_page(cpu, cpu->is_64 ? base + offset : (uint32_t)(base + offset));
    return true;
}

/* INVPCID's types, SDM vol. 2. The TLB holds entries of one PCID at a time, so those of others are gone already. */
enum { INVPCID_ADDRESS = 0, INVPCID_CONTEXT = 1, INVPCID_ALL_GLOBAL = 2, INVPCID_ALL = 3 };

bool rh_interp_invpcid(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t type = rh_get_gpr(cpu, insn->reg, wide(cpu));
    uint8_t image[16];
    uint64_t address;
    uint64_t pcid;
    uint64_t at;

    if (type > INVPCID_ALL) {
        return rh_tcg_gp0(cpu);
    }
    if (!rh_tcg_operand_address(cpu, insn, sizeof(image), RH_ACCESS_READ, &at) ||
        !rh_tcg_load_bytes(cpu, cpu->tlb_mode, at, image, sizeof(image))) {
        return false;
    }
    pcid = rh_ld64(image);
    address = rh_ld64(image + 8);
    if (type <= INVPCID_CONTEXT && (pcid > 0xfff || (pcid && !(cpu->cr4 & RH_CR4_PCIDE)))) {
        return rh_tcg_gp0(cpu);
    }
    if (type == INVPCID_ADDRESS && !rh_interp_is_canonical(cpu, address)) {
        return rh_tcg_gp0(cpu);
    }
    if (type == INVPCID_ADDRESS) {
        rh_tlb_flush_page(cpu, address);
    } else {
        rh_tlb_flush(cpu, type != INVPCID_ALL_GLOBAL);
    }
    return true;
}
