/*
 * Interpreter: control flow. Near jumps are here; far ones, returns from interrupts, system calls and software
 * interrupts are checked and carried out by transfer.c and exception.c.
 */
#include "target/i386/tcg/interp.h"

bool rh_interp_condition(uint64_t rflags, unsigned cond)
{
    bool is_sign = rflags & RH_FLAG_SF;
    bool is_overflow = rflags & RH_FLAG_OF;
    bool holds;

    switch (cond >> 1) {
    case 0:  holds = is_overflow; break;
    case 1:  holds = rflags & RH_FLAG_CF; break;
    case 2:  holds = rflags & RH_FLAG_ZF; break;
    case 3:  holds = rflags & (RH_FLAG_CF | RH_FLAG_ZF); break;
    case 4:  holds = is_sign; break;
    case 5:  holds = rflags & RH_FLAG_PF; break;
    case 6:  holds = is_sign != is_overflow; break;
    default: holds = (rflags & RH_FLAG_ZF) || is_sign != is_overflow; break;
    }
    return holds != (cond & 1);
}

/* To @rip truncated to @size; #GP(0) unless it is canonical, or within CS's limit. */
static bool jump(RhTcgCpu *cpu, uint64_t rip, unsigned size)
{
    rip = rh_truncate(rip, size);
    if (cpu->is_64 ? !rh_interp_is_canonical(cpu, rip) : rip > cpu->seg[RH_CS].limit) {
        return rh_tcg_gp0(cpu);
    }
    cpu->rip = rip;
    return true;
}

static bool jump_relative_if(RhTcgCpu *cpu, const RhInsn *insn, bool is_taken)
{
    uint64_t next = rh_next_rip(cpu, insn);

    if (!is_taken) {
        cpu->rip = next;
        return true;
    }
    return jump(cpu, next + insn->imm, insn->size);
}

bool rh_interp_jcc(RhTcgCpu *cpu, const RhInsn *insn)
{
    return jump_relative_if(cpu, insn, rh_interp_condition(cpu->rflags, insn->cond));
}

bool rh_interp_jcxz(RhTcgCpu *cpu, const RhInsn *insn)
{
    return jump_relative_if(cpu, insn, !rh_get_gpr(cpu, RH_RCX, insn->addr_size));
}

/* LOOP, LOOPE, LOOPNE: the count is left alone when the target is bad. */
bool rh_interp_loop(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t count = rh_truncate(cpu->gpr[RH_RCX] - 1, insn->addr_size);
    bool is_zero = cpu->rflags & RH_FLAG_ZF;
    bool is_taken = count && (insn->op == RH_OP_LOOP || is_zero == (insn->op == RH_OP_LOOPE));

    if (!jump_relative_if(cpu, insn, is_taken)) {
        return false;
    }
    rh_set_gpr(cpu, RH_RCX, insn->addr_size, count);
    return true;
}

bool rh_interp_jmp(RhTcgCpu *cpu, const RhInsn *insn)
{
    return jump_relative_if(cpu, insn, true);
}

/* A bad target is found after the return address is written, as CPUs do; RSP then still is the old one. */
static bool call(RhTcgCpu *cpu, const RhInsn *insn, uint64_t target)
{
    uint64_t old_sp = cpu->gpr[RH_RSP];

    if (!rh_interp_push(cpu, insn->size, rh_next_rip(cpu, insn))) {
        return false;
    }
    if (!jump(cpu, target, insn->size)) {
        cpu->gpr[RH_RSP] = old_sp;
        return false;
    }
    return true;
}

bool rh_interp_call(RhTcgCpu *cpu, const RhInsn *insn)
{
    return call(cpu, insn, rh_next_rip(cpu, insn) + insn->imm);
}

bool rh_interp_jmp_ind(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t target;

    return rh_interp_read(cpu, insn, 0, insn->size, &target) && jump(cpu, target, insn->size);
}

bool rh_interp_call_ind(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t target;

    return rh_interp_read(cpu, insn, 0, insn->size, &target) && call(cpu, insn, target);
}

bool rh_interp_ret(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t target;

    if (!rh_interp_peek(cpu, insn->size, &target) || !jump(cpu, target, insn->size)) {
        return false;
    }
    rh_interp_drop(cpu, insn->size + (uint16_t)insn->imm);
    return true;
}

/* ---- far ---- */

/* Target of a far jump or call: in the instruction, or an offset and a selector in memory. */
static bool far_target(RhTcgCpu *cpu, const RhInsn *insn, uint16_t *ret_selector, uint64_t *ret_offset)
{
    uint64_t selector = insn->imm;
    uint64_t offset = insn->imm2;

    if (insn->has_mem && (!rh_interp_load_operand(cpu, insn, 0, insn->size, &offset) ||
                          !rh_interp_load_operand(cpu, insn, insn->size, 2, &selector))) {
        return false;
    }
    *ret_selector = (uint16_t)selector;
    *ret_offset = offset;
    return true;
}

bool rh_interp_jmp_far(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint16_t selector;
    uint64_t offset;

    cpu->next_rip = rh_next_rip(cpu, insn);     /* for a task switch */
    return far_target(cpu, insn, &selector, &offset) && rh_tcg_far_jump(cpu, selector, offset, insn->size);
}

bool rh_interp_call_far(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint16_t selector;
    uint64_t offset;

    return far_target(cpu, insn, &selector, &offset) &&
           rh_tcg_far_call(cpu, selector, offset, insn->size, rh_next_rip(cpu, insn));
}

bool rh_interp_retf(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_far_return(cpu, insn->size, (uint16_t)insn->imm);
}

bool rh_interp_iret(RhTcgCpu *cpu, const RhInsn *insn)
{
    cpu->next_rip = rh_next_rip(cpu, insn);     /* for a task switch */
    return rh_tcg_iret(cpu, insn->size);
}

bool rh_interp_int(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_software_interrupt(cpu, (uint8_t)insn->imm, rh_next_rip(cpu, insn), true);
}

bool rh_interp_int3(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_software_interrupt(cpu, RH_EXC_BP, rh_next_rip(cpu, insn), false);
}

bool rh_interp_int1(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_software_interrupt(cpu, RH_EXC_DB, rh_next_rip(cpu, insn), false);
}

bool rh_interp_into(RhTcgCpu *cpu, const RhInsn *insn)
{
    if (!(cpu->rflags & RH_FLAG_OF)) {
        cpu->rip = rh_next_rip(cpu, insn);
        return true;
    }
    return rh_tcg_software_interrupt(cpu, RH_EXC_OF, rh_next_rip(cpu, insn), false);
}

/* An index below the lower bound is told of before the upper one is looked at, which may be in a page that is not there: as CPUs do it. */
bool rh_interp_bound(RhTcgCpu *cpu, const RhInsn *insn)
{
    int64_t index = rh_sign_extend(cpu->gpr[insn->reg], insn->size);
    uint64_t lower;
    uint64_t upper;

    if (!rh_interp_load_operand(cpu, insn, 0, insn->size, &lower)) {
        return false;
    }
    if (index < rh_sign_extend(lower, insn->size)) {
        return rh_tcg_raise_plain(cpu, RH_EXC_BR);
    }
    if (!rh_interp_load_operand(cpu, insn, insn->size, insn->size, &upper)) {
        return false;
    }
    return index <= rh_sign_extend(upper, insn->size) || rh_tcg_raise_plain(cpu, RH_EXC_BR);
}

/* ---- system calls ---- */

bool rh_interp_syscall(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_syscall(cpu, rh_next_rip(cpu, insn));
}

bool rh_interp_sysret(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_sysret(cpu, insn->size);
}

bool rh_interp_sysenter(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_sysenter(cpu);
}

bool rh_interp_sysexit(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_sysexit(cpu, insn->size);
}

bool rh_interp_rsm(RhTcgCpu *cpu, const RhInsn *insn)
{
    return cpu->is_in_smm ? rh_tcg_rsm(cpu) : rh_tcg_ud(cpu);
}
