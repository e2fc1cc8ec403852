/*
 * Interpreter: moves, extensions, exchanges, the stack, segment registers.
 */
#include "target/i386/tcg/interp.h"

/* ---- moves ---- */

bool rh_interp_mov(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    return rh_interp_read(cpu, insn, 1, insn->src_size, &value) && rh_interp_write(cpu, insn, 0, insn->size, value);
}

bool rh_interp_movsx(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    return rh_interp_read(cpu, insn, 1, insn->src_size, &value) &&
           rh_interp_write(cpu, insn, 0, insn->size, (uint64_t)rh_sign_extend(value, insn->src_size));
}

bool rh_interp_lea(RhTcgCpu *cpu, const RhInsn *insn)
{
    return insn->has_mem ? rh_interp_write(cpu, insn, 0, insn->size, rh_interp_offset(cpu, insn)) : rh_tcg_ud(cpu);
}

static uint64_t reverse(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - size * 8);
}

bool rh_interp_movbe(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    return rh_interp_read(cpu, insn, 1, insn->size, &value) &&
           rh_interp_write(cpu, insn, 0, insn->size, reverse(value, insn->size));
}

/* LOCK is implied where memory is involved. */
bool rh_interp_xchg(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhCompute *move = rh_alu_move[rh_width(insn->size)];
    uint32_t flags = 0;
    uint64_t value;
    uint64_t old;
    uint64_t at;

    rh_interp_read(cpu, insn, 1, insn->size, &value);
    if (!insn->has_mem) {
        rh_interp_read(cpu, insn, 0, insn->size, &old);
        rh_interp_write(cpu, insn, 0, insn->size, value);
    } else if (!rh_tcg_operand_address(cpu, insn, insn->size, RH_ACCESS_WRITE, &at) ||
               !rh_interp_update(cpu, at, insn->size, true, move, value, 0, &flags, &old)) {
        return false;
    }
    return rh_interp_write(cpu, insn, 1, insn->size, old);
}

bool rh_interp_setcc(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_interp_write(cpu, insn, 0, 1, rh_interp_condition(cpu->rflags, insn->cond));
}

/* The source is read, and a 32-bit destination zero-extended, even if the condition does not hold. */
bool rh_interp_cmovcc(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    if (!rh_interp_read(cpu, insn, 1, insn->size, &value)) {
        return false;
    }
    if (!rh_interp_condition(cpu->rflags, insn->cond)) {
        rh_interp_read(cpu, insn, 0, insn->size, &value);
    }
    return rh_interp_write(cpu, insn, 0, insn->size, value);
}

bool rh_interp_cbw(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_gpr(cpu, RH_RAX, insn->size, (uint64_t)rh_sign_extend(cpu->gpr[RH_RAX], insn->size / 2));
    return true;
}

bool rh_interp_cwd(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_gpr(cpu, RH_RDX, insn->size, rh_sign_extend(cpu->gpr[RH_RAX], insn->size) < 0 ? UINT64_MAX : 0);
    return true;
}

bool rh_interp_xlat(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t offset = rh_truncate(cpu->gpr[RH_RBX] + (uint8_t)cpu->gpr[RH_RAX], insn->addr_size);
    uint64_t value;
    uint64_t at;

    if (!rh_interp_linear(cpu, insn->segment, offset, 1, RH_ACCESS_READ, &at) ||
        !rh_interp_load(cpu, at, 1, &value)) {
        return false;
    }
    rh_set_gpr(cpu, RH_RAX, 1, value);
    return true;
}

/* MOVDIR64B: 64 bytes from memory to ES:reg, which is aligned to as many. */
bool rh_interp_movdir64b(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint8_t bytes[64];
    uint64_t from;
    uint64_t to;

    if (!rh_tcg_operand_address(cpu, insn, 64, RH_ACCESS_READ, &from) ||
        !rh_interp_linear(cpu, RH_ES, rh_get_gpr(cpu, insn->reg, insn->addr_size), 64, RH_ACCESS_WRITE, &to)) {
        return false;
    }
    if (to & 63) {
        return rh_tcg_gp0(cpu);
    }
    return rh_tcg_load_bytes(cpu, cpu->tlb_mode, from, bytes, 64) &&
           rh_tcg_store_bytes(cpu, cpu->tlb_mode, to, bytes, 64);
}

/* ---- the stack ---- */

/* Push below *@sp, which moves; RSP does not. For instructions that push more than once. */
static bool push_at(RhTcgCpu *cpu, uint64_t *sp, unsigned size, uint64_t value)
{
    uint64_t next = (*sp - size) & rh_sp_mask(cpu);
    uint64_t at;

    if (!rh_interp_stack(cpu, next, size, RH_ACCESS_WRITE, &at) || !rh_interp_store(cpu, at, size, value)) {
        return false;
    }
    *sp = next;
    return true;
}

bool rh_interp_push(RhTcgCpu *cpu, unsigned size, uint64_t value)
{
    uint64_t sp = cpu->gpr[RH_RSP];

    if (!push_at(cpu, &sp, size, value)) {
        return false;
    }
    rh_set_sp(cpu, sp);
    return true;
}

bool rh_interp_peek(RhTcgCpu *cpu, unsigned size, uint64_t *ret)
{
    uint64_t at;

    return rh_interp_stack(cpu, cpu->gpr[RH_RSP] & rh_sp_mask(cpu), size, RH_ACCESS_READ, &at) &&
           rh_interp_load(cpu, at, size, ret);
}

void rh_interp_drop(RhTcgCpu *cpu, uint64_t bytes)
{
    rh_set_sp(cpu, cpu->gpr[RH_RSP] + bytes);
}

bool rh_interp_push_insn(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value;

    return rh_interp_read(cpu, insn, 0, insn->size, &value) && rh_interp_push(cpu, insn->size, value);
}

/* A destination in memory that is addressed by RSP is so by the new one: POP [RSP] writes above what it read. */
bool rh_interp_pop(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t old_sp = cpu->gpr[RH_RSP];
    uint64_t value;

    if (!rh_interp_peek(cpu, insn->size, &value)) {
        return false;
    }
    rh_interp_drop(cpu, insn->size);
    if (!rh_interp_write(cpu, insn, 0, insn->size, value)) {
        cpu->gpr[RH_RSP] = old_sp;
        return false;
    }
    return true;
}

/* Whether @nr pushes would succeed: each is at its own place, as SP may wrap between two. */
static bool check_pushes(RhTcgCpu *cpu, unsigned size, unsigned nr)
{
    for (unsigned i = 1; i <= nr; i++) {
        uint64_t sp = (cpu->gpr[RH_RSP] - i * size) & rh_sp_mask(cpu);
        uint64_t at;

        if (!rh_interp_stack(cpu, sp, size, RH_ACCESS_WRITE, &at) ||
            !rh_tcg_probe(cpu, cpu->tlb_mode, at, size, RH_ACCESS_WRITE)) {
            return false;
        }
    }
    return true;
}

bool rh_interp_pusha(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t sp = cpu->gpr[RH_RSP];

    if (!check_pushes(cpu, insn->size, 8)) {
        return false;
    }
    for (unsigned i = RH_RAX; i <= RH_RDI; i++) {       /* RSP in its place: as it was before */
        if (!push_at(cpu, &sp, insn->size, cpu->gpr[i])) {
            return false;
        }
    }
    rh_set_sp(cpu, sp);
    return true;
}

bool rh_interp_popa(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t value[8];

    for (unsigned i = 0; i < 8; i++) {
        uint64_t at;

        if (!rh_interp_stack(cpu, (cpu->gpr[RH_RSP] + i * insn->size) & rh_sp_mask(cpu), insn->size, RH_ACCESS_READ,
                             &at) ||
            !rh_interp_load(cpu, at, insn->size, &value[i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        if (RH_RDI - i != RH_RSP) {
            rh_set_gpr(cpu, RH_RDI - i, insn->size, value[i]);
        }
    }
    rh_interp_drop(cpu, 8 * insn->size);
    return true;
}

/* Copy the frame pointers of the @level - 1 enclosing procedures below *@sp, SDM vol. 2, ENTER. */
static bool copy_display(RhTcgCpu *cpu, uint64_t *sp, unsigned size, unsigned level)
{
    for (unsigned i = 1; i < level; i++) {
        uint64_t frame = (cpu->gpr[RH_RBP] - i * size) & rh_sp_mask(cpu);
        uint64_t value;
        uint64_t at;

        if (!rh_interp_stack(cpu, frame, size, RH_ACCESS_READ, &at) || !rh_interp_load(cpu, at, size, &value) ||
            !push_at(cpu, sp, size, value)) {
            return false;
        }
    }
    return true;
}

/* What it writes before a fault lies below RSP, where it will be written again. */
bool rh_interp_enter(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned level = insn->imm2 & 31;
    uint64_t sp = cpu->gpr[RH_RSP];
    uint64_t frame;
    uint64_t at;

    if (!push_at(cpu, &sp, insn->size, cpu->gpr[RH_RBP])) {
        return false;
    }
    frame = sp | (cpu->gpr[RH_RSP] & ~rh_sp_mask(cpu));         /* a 16-bit stack moves SP, but EBP gets all of ESP */
    if (level && (!copy_display(cpu, &sp, insn->size, level) || !push_at(cpu, &sp, insn->size, frame))) {
        return false;
    }
    sp = (sp - (uint16_t)insn->imm) & rh_sp_mask(cpu);
    /* "if a write using the final value of the stack pointer would cause a page fault" */
    if (!rh_interp_stack(cpu, sp, insn->size, RH_ACCESS_WRITE, &at) ||
        !rh_tcg_probe(cpu, cpu->tlb_mode, at, insn->size, RH_ACCESS_WRITE)) {
        return false;
    }
    rh_set_gpr(cpu, RH_RBP, insn->size, frame);
    rh_set_sp(cpu, sp);
    return true;
}

bool rh_interp_leave(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t sp = cpu->gpr[RH_RBP] & rh_sp_mask(cpu);
    uint64_t value;
    uint64_t at;

    if (!rh_interp_stack(cpu, sp, insn->size, RH_ACCESS_READ, &at) || !rh_interp_load(cpu, at, insn->size, &value)) {
        return false;
    }
    rh_set_sp(cpu, sp + insn->size);
    rh_set_gpr(cpu, RH_RBP, insn->size, value);
    return true;
}

/* ---- segment registers ---- */

/* Into memory it is 16 bits whatever the operand size; a register gets zeros above. */
bool rh_interp_mov_from_seg(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_interp_write(cpu, insn, 0, insn->has_mem ? 2 : insn->size, cpu->seg[insn->reg].selector);
}

/* A load of SS holds off interrupts and debug exceptions until RSP is loaded, too; not twice in a row. */
static bool load_segment(RhTcgCpu *cpu, unsigned seg, uint16_t selector)
{
    if (!rh_tcg_load_segment(cpu, seg, selector)) {
        return false;
    }
    if (seg == RH_SS) {
        cpu->shadow |= 1;
    }
    return true;
}

bool rh_interp_mov_to_seg(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t selector;

    if (insn->reg == RH_CS) {
        return rh_tcg_ud(cpu);
    }
    return rh_interp_read(cpu, insn, 1, 2, &selector) && load_segment(cpu, insn->reg, (uint16_t)selector);
}

/* With a 32-bit operand, CPUs move RSP by 4 and write 2 bytes. */
bool rh_interp_push_seg(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t sp = (cpu->gpr[RH_RSP] - insn->size) & rh_sp_mask(cpu);
    unsigned written = insn->size == 4 ? 2 : insn->size;
    uint64_t at;

    if (!rh_interp_stack(cpu, sp, written, RH_ACCESS_WRITE, &at) ||
        !rh_interp_store(cpu, at, written, cpu->seg[insn->reg].selector)) {
        return false;
    }
    rh_set_sp(cpu, sp);
    return true;
}

bool rh_interp_pop_seg(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t old_sp = cpu->gpr[RH_RSP];
    uint64_t selector;

    if (!rh_interp_peek(cpu, insn->size, &selector)) {
        return false;
    }
    rh_interp_drop(cpu, insn->size);    /* with the old SS */
    if (!load_segment(cpu, insn->reg, (uint16_t)selector)) {
        cpu->gpr[RH_RSP] = old_sp;
        return false;
    }
    return true;
}

/* LDS and kin: offset, then selector. */
bool rh_interp_load_far(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t offset;
    uint64_t selector;

    if (!insn->has_mem) {
        return rh_tcg_ud(cpu);
    }
    if (!rh_interp_load_operand(cpu, insn, 0, insn->size, &offset) ||
        !rh_interp_load_operand(cpu, insn, insn->size, 2, &selector) ||
        !rh_tcg_load_segment(cpu, insn->cond, (uint16_t)selector)) {
        return false;
    }
    rh_set_gpr(cpu, insn->reg, insn->size, offset);
    return true;
}
