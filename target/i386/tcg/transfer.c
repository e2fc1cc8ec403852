/*
 * Far control transfers: JMP, CALL, RET, IRET through code segments and gates.
 *
 * Each reads and checks everything first, pushes what it pushes, and changes registers last; after that nothing can fail.
 *
 * Spec: SDM vol. 3 §5.8, §6.12, §20.3, vol. 2 of each instruction. The vCPU's thread. No vector registers: see
 * docs/engine.md.
 */
#include "target/i386/tcg/system.h"

#define FLAGS_ALWAYS 0x00004dd5u    /* CF PF AF ZF SF TF DF OF NT */
#define FLAGS_WIDE   (RH_RFLAGS_RF | RH_RFLAGS_AC | RH_RFLAGS_ID)   /* not with 16-bit operands */

static bool is_real_style(const RhTcgCpu *cpu)
{
    return !cpu->is_protected || cpu->is_v86;
}

static bool finish(RhTcgCpu *cpu)
{
    rh_tcg_settle(cpu);
    return true;
}

/* --- code segments --- */

/* A code segment and where in it to go. */
typedef struct Target {
    RhDescriptor desc;
    RhX86Segment cs;
    uint64_t rip;
} Target;

static bool read_code(RhTcgCpu *cpu, uint16_t selector, Target *ret)
{
    if (rh_is_null(selector)) {
        return rh_tcg_gp0(cpu);
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_GP, 0, &ret->desc)) {
        return false;
    }
    rh_descriptor_to_segment(&ret->desc, selector, &ret->cs);
    return true;
}

/* L with D is reserved in long mode; without it L means nothing. */
static bool is_good_code(const RhTcgCpu *cpu, const RhX86Segment *cs)
{
    return rh_access_is_code(cs->access) &&
           !(cpu->is_long && (cs->access & (RH_SEG_L | RH_SEG_DB)) == (RH_SEG_L | RH_SEG_DB));
}

static bool is_64_target(const RhTcgCpu *cpu, const Target *target)
{
    return cpu->is_long && (target->cs.access & RH_SEG_L);
}

static bool check_rip(RhTcgCpu *cpu, const Target *target)
{
    bool is_good = is_64_target(cpu, target) ? rh_is_canonical(target->rip) : target->rip <= target->cs.limit;

    return is_good || rh_tcg_gp0(cpu);
}

/* What JMP and CALL may reach without a gate: code of the same level, or conforming code of an inner one. */
static bool check_direct(RhTcgCpu *cpu, uint16_t selector, const Target *target)
{
    unsigned dpl = rh_access_dpl(target->cs.access);
    bool is_good = rh_access_is_conforming(target->cs.access)
                       ? dpl <= cpu->cpl
                       : dpl == cpu->cpl && (selector & 3u) <= cpu->cpl;

    if (!is_good || !is_good_code(cpu, &target->cs)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    return (target->cs.access & RH_SEG_P) || rh_raise_selector(cpu, RH_EXC_NP, selector, 0);
}

static bool enter_code(RhTcgCpu *cpu, Target *target, unsigned cpl)
{
    target->cs.selector = (target->cs.selector & 0xfffcu) | (uint16_t)cpl;
    if (!rh_set_accessed(cpu, &target->desc, &target->cs)) {
        return false;
    }
    cpu->seg[RH_CS] = target->cs;
    cpu->rip = target->rip;
    return true;
}

static bool jump_real(RhTcgCpu *cpu, uint16_t selector, uint64_t rip)
{
    if (rip > (cpu->is_v86 ? 0xffff : cpu->seg[RH_CS].limit)) {
        return rh_tcg_gp0(cpu);
    }
    rh_load_real(cpu, RH_CS, selector);
    cpu->rip = rip;
    return finish(cpu);
}

/* --- gates --- */

static bool is_system(const RhDescriptor *desc)
{
    return !(rh_descriptor_access(desc) & RH_SEG_S);
}

static bool is_call_gate(const RhTcgCpu *cpu, const RhDescriptor *desc)
{
    unsigned type = rh_descriptor_type(desc);

    return type == RH_TYPE_CALL || (!cpu->is_long && type == RH_TYPE_CALL16);
}

static bool is_task_or_gate(const RhTcgCpu *cpu, const RhDescriptor *desc)
{
    unsigned type = rh_descriptor_type(desc);

    return !cpu->is_long && (type == RH_TYPE_TASK || type == RH_TYPE_TSS || type == RH_TYPE_TSS16);
}

/* Gates and TSSs alike: who may use them, and whether they are there. */
static bool check_gate(RhTcgCpu *cpu, uint16_t selector, const RhDescriptor *gate)
{
    uint32_t access = rh_descriptor_access(gate);
    unsigned dpl = rh_access_dpl(access);

    if (dpl < cpu->cpl || dpl < (selector & 3u)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    return (access & RH_SEG_P) || rh_raise_selector(cpu, RH_EXC_NP, selector, 0);
}

static bool through_task(RhTcgCpu *cpu, uint16_t selector, const RhDescriptor *desc, RhTaskCause cause,
                         uint64_t next_rip)
{
    bool is_gate = rh_descriptor_type(desc) == RH_TYPE_TASK;

    return check_gate(cpu, selector, desc) &&
           rh_task_switch(cpu, is_gate ? rh_gate_selector(desc) : selector, cause, next_rip, 0);
}

/* The code segment that a call gate names; JMP may not go to an inner level. */
static bool read_call_gate(RhTcgCpu *cpu, uint16_t selector, RhDescriptor *gate, bool is_call, Target *ret)
{
    uint16_t code = rh_gate_selector(gate);
    bool is_conforming;
    unsigned dpl;

    if (!check_gate(cpu, selector, gate)) {
        return false;
    }
    if (cpu->is_long) {
        if (!rh_read_descriptor_high(cpu, selector, RH_EXC_GP, 0, gate)) {
            return false;
        }
        if (gate->high >> 40 & 0x1f) {
            return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
        }
        gate->high &= UINT32_MAX;
    }
    if (!read_code(cpu, code, ret)) {
        return false;
    }
    dpl = rh_access_dpl(ret->cs.access);
    is_conforming = rh_access_is_conforming(ret->cs.access);
    if (!rh_access_is_code(ret->cs.access) || dpl > cpu->cpl || (!is_call && !is_conforming && dpl != cpu->cpl) ||
        (cpu->is_long && (ret->cs.access & (RH_SEG_L | RH_SEG_DB)) != RH_SEG_L)) {
        return rh_raise_selector(cpu, RH_EXC_GP, code, 0);
    }
    if (!(ret->cs.access & RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_NP, code, 0);
    }
    ret->rip = rh_gate_offset(gate, rh_descriptor_type(gate) == RH_TYPE_CALL16);
    return true;
}

static unsigned gate_size(const RhTcgCpu *cpu, const RhDescriptor *gate)
{
    return cpu->is_long ? 8 : rh_descriptor_type(gate) == RH_TYPE_CALL16 ? 2 : 4;
}

/* --- JMP --- */

bool rh_tcg_far_jump(RhTcgCpu *cpu, uint16_t selector, uint64_t offset, unsigned size)
{
    Target target = { .rip = offset & rh_bits(size * 8) };

    if (is_real_style(cpu)) {
        return jump_real(cpu, selector, target.rip);
    }
    if (!read_code(cpu, selector, &target)) {
        return false;
    }
    if (is_system(&target.desc)) {
        RhDescriptor gate = target.desc;

        if (is_task_or_gate(cpu, &gate)) {
            return through_task(cpu, selector, &gate, RH_TASK_JUMP, cpu->next_rip);
        }
        if (!is_call_gate(cpu, &gate)) {
            return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
        }
        if (!read_call_gate(cpu, selector, &gate, false, &target)) {
            return false;
        }
    } else if (!check_direct(cpu, selector, &target)) {
        return false;
    }
    return check_rip(cpu, &target) && enter_code(cpu, &target, cpu->cpl) && finish(cpu);
}

/* --- CALL --- */

static bool push_return(RhTcgCpu *cpu, RhStack *stack, unsigned size, uint64_t next_rip)
{
    return rh_push(cpu, stack, size, cpu->seg[RH_CS].selector) && rh_push(cpu, stack, size, next_rip);
}

static bool call_real(RhTcgCpu *cpu, uint16_t selector, uint64_t rip, unsigned size, uint64_t next_rip)
{
    RhStack stack = rh_current_stack(cpu);

    if (rip > (cpu->is_v86 ? 0xffff : cpu->seg[RH_CS].limit)) {
        return rh_tcg_gp0(cpu);
    }
    if (!push_return(cpu, &stack, size, next_rip)) {
        return false;
    }
    rh_stack_commit(cpu, &stack);
    return jump_real(cpu, selector, rip);
}

static bool call_same(RhTcgCpu *cpu, Target *target, unsigned size, uint64_t next_rip)
{
    RhStack stack = rh_current_stack(cpu);

    if (!push_return(cpu, &stack, size, next_rip) || !check_rip(cpu, target) ||
        !enter_code(cpu, target, cpu->cpl)) {
        return false;
    }
    rh_stack_commit(cpu, &stack);
    return finish(cpu);
}

/* Parameters are copied as they lie: the last one pushed at the lowest address. */
static bool copy_parameters(RhTcgCpu *cpu, RhStack *stack, unsigned size, unsigned nr)
{
    uint64_t parameters[32];
    RhStack old = rh_current_stack(cpu);

    for (unsigned i = 0; i < nr; i++) {
        if (!rh_pop(cpu, &old, size, &parameters[i])) {
            return false;
        }
    }
    while (nr--) {
        if (!rh_push(cpu, stack, size, parameters[nr])) {
            return false;
        }
    }
    return true;
}

static bool call_inward(RhTcgCpu *cpu, const RhDescriptor *gate, Target *target, uint64_t next_rip)
{
    unsigned cpl = rh_access_dpl(target->cs.access);
    unsigned size = gate_size(cpu, gate);
    RhDescriptor desc;
    RhStack stack = { .mode = rh_mode_of(cpu, cpl) };
    uint16_t selector;
    uint32_t sp;

    if (!rh_tss_stack(cpu, cpl, 0, &selector, &sp) ||
        !rh_new_stack_segment(cpu, selector, cpl, 0, &desc, &stack.seg)) {
        return false;
    }
    stack.width = stack.seg.access & RH_SEG_DB ? 4 : 2;
    stack.sp = stack.width == 4 ? sp : sp & 0xffff;
    stack.error = selector & 0xfffcu;
    if (!rh_push(cpu, &stack, size, cpu->seg[RH_SS].selector) || !rh_push(cpu, &stack, size, cpu->gpr[RH_RSP]) ||
        !copy_parameters(cpu, &stack, size, gate->low >> 32 & 31) || !push_return(cpu, &stack, size, next_rip) ||
        !check_rip(cpu, target) || !rh_set_accessed(cpu, &desc, &stack.seg) || !enter_code(cpu, target, cpl)) {
        return false;
    }
    cpu->seg[RH_SS] = stack.seg;
    cpu->gpr[RH_RSP] = stack.width == 4 ? stack.sp : (sp & 0xffff0000u) | stack.sp;
    return finish(cpu);
}

static bool call_inward_long(RhTcgCpu *cpu, Target *target, uint64_t next_rip)
{
    unsigned cpl = rh_access_dpl(target->cs.access);
    RhStack stack = { .width = 8, .mode = rh_mode_of(cpu, cpl) };

    if (!rh_tss_stack64(cpu, cpl, 0, 0, &stack.sp) || !rh_push(cpu, &stack, 8, cpu->seg[RH_SS].selector) ||
        !rh_push(cpu, &stack, 8, cpu->gpr[RH_RSP]) || !push_return(cpu, &stack, 8, next_rip) ||
        !check_rip(cpu, target) || !enter_code(cpu, target, cpl)) {
        return false;
    }
    cpu->seg[RH_SS] = rh_null_segment((uint16_t)cpl, cpl);
    cpu->gpr[RH_RSP] = stack.sp;
    return finish(cpu);
}

/* The gate decides how wide the slots are, whatever the caller's operand size is. */
static bool call_gate(RhTcgCpu *cpu, uint16_t selector, RhDescriptor *gate, uint64_t next_rip)
{
    Target target;

    if (!read_call_gate(cpu, selector, gate, true, &target)) {
        return false;
    }
    if (rh_access_is_conforming(target.cs.access) || rh_access_dpl(target.cs.access) == cpu->cpl) {
        return call_same(cpu, &target, gate_size(cpu, gate), next_rip);
    }
    return cpu->is_long ? call_inward_long(cpu, &target, next_rip) : call_inward(cpu, gate, &target, next_rip);
}

bool rh_tcg_far_call(RhTcgCpu *cpu, uint16_t selector, uint64_t offset, unsigned size, uint64_t next_rip)
{
    Target target = { .rip = offset & rh_bits(size * 8) };

    if (is_real_style(cpu)) {
        return call_real(cpu, selector, target.rip, size, next_rip);
    }
    if (!read_code(cpu, selector, &target)) {
        return false;
    }
    if (!is_system(&target.desc)) {
        return check_direct(cpu, selector, &target) && call_same(cpu, &target, size, next_rip);
    }
    if (is_task_or_gate(cpu, &target.desc)) {
        return through_task(cpu, selector, &target.desc, RH_TASK_CALL, next_rip);
    }
    if (!is_call_gate(cpu, &target.desc)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    return call_gate(cpu, selector, &target.desc, next_rip);
}

/* --- returns --- */

static bool read_return_code(RhTcgCpu *cpu, uint16_t selector, uint64_t rip, Target *ret)
{
    unsigned rpl = selector & 3;
    unsigned dpl;

    ret->rip = rip;
    if (!read_code(cpu, selector, ret)) {
        return false;
    }
    dpl = rh_access_dpl(ret->cs.access);
    if (!is_good_code(cpu, &ret->cs) || rpl < cpu->cpl ||
        (rh_access_is_conforming(ret->cs.access) ? dpl > rpl : dpl != rpl)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    return (ret->cs.access & RH_SEG_P) || rh_raise_selector(cpu, RH_EXC_NP, selector, 0);
}

/* SS for level @cpl as a return pops it. */
static bool read_return_stack(RhTcgCpu *cpu, uint16_t selector, unsigned cpl, bool is_64, RhX86Segment *ret)
{
    RhDescriptor desc;

    if (rh_is_null(selector)) {
        if (!is_64 || cpl == 3 || (selector & 3) != cpl) {
            return rh_tcg_gp0(cpu);
        }
        *ret = rh_null_segment(selector, cpl);
        return true;
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_GP, 0, &desc)) {
        return false;
    }
    rh_descriptor_to_segment(&desc, selector, ret);
    if ((selector & 3) != cpl || rh_access_dpl(ret->access) != cpl || !rh_access_is_writable_data(ret->access)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    if (!(ret->access & RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_SS, selector, 0);
    }
    return rh_set_accessed(cpu, &desc, ret);
}

/* What the outer level may not see, it does not keep. */
static void drop_inner_segments(RhTcgCpu *cpu, unsigned cpl)
{
    static const uint8_t data[] = { RH_ES, RH_DS, RH_FS, RH_GS };

    for (unsigned i = 0; i < RH_COUNT(data); i++) {
        const RhX86Segment *seg = &cpu->seg[data[i]];
        bool is_conforming = rh_access_is_code(seg->access) && rh_access_is_conforming(seg->access);

        if (!rh_is_null(seg->selector) && !is_conforming && rh_access_dpl(seg->access) < cpl) {
            cpu->seg[data[i]] = rh_null_segment(0, 0);
        }
    }
}

static unsigned stack_width(const RhX86Segment *ss, bool is_64)
{
    return is_64 ? 8 : ss->access & RH_SEG_DB ? 4 : 2;
}

static bool return_real(RhTcgCpu *cpu, RhStack *stack, uint64_t rip, uint16_t cs)
{
    if (!jump_real(cpu, cs, rip)) {
        return false;
    }
    rh_stack_commit(cpu, stack);
    return true;
}

/* To @target with the stack popped so far; RETF drops @pop_bytes from either stack. */
static bool return_outward(RhTcgCpu *cpu, RhStack *stack, unsigned size, uint16_t pop_bytes, Target *target)
{
    unsigned cpl = target->cs.selector & 3;
    bool is_64 = is_64_target(cpu, target);
    RhStack outer = { 0 };
    uint64_t ss;

    stack->sp = (stack->sp + pop_bytes) & rh_bits(stack->width * 8);
    if (!rh_pop(cpu, stack, size, &outer.sp) || !rh_pop(cpu, stack, size, &ss) ||
        !read_return_stack(cpu, (uint16_t)ss, cpl, is_64, &outer.seg) || !check_rip(cpu, target) ||
        !enter_code(cpu, target, cpl)) {
        return false;
    }
    outer.width = stack_width(&outer.seg, is_64);
    outer.sp = (outer.sp + pop_bytes) & rh_bits(outer.width * 8);
    rh_stack_commit(cpu, &outer);
    cpu->seg[RH_SS] = outer.seg;
    if (cpl > cpu->cpl) {
        drop_inner_segments(cpu, cpl);
    }
    return true;
}

bool rh_tcg_far_return(RhTcgCpu *cpu, unsigned size, uint16_t pop_bytes)
{
    RhStack stack = rh_current_stack(cpu);
    Target target;
    uint64_t rip;
    uint64_t cs;

    if (!rh_pop(cpu, &stack, size, &rip) || !rh_pop(cpu, &stack, size, &cs)) {
        return false;
    }
    if (is_real_style(cpu)) {
        stack.sp = (stack.sp + pop_bytes) & rh_bits(stack.width * 8);
        return return_real(cpu, &stack, rip, (uint16_t)cs);
    }
    if (!read_return_code(cpu, (uint16_t)cs, rip, &target)) {
        return false;
    }
    if ((cs & 3) > cpu->cpl) {
        return return_outward(cpu, &stack, size, pop_bytes, &target) && finish(cpu);
    }
    if (!check_rip(cpu, &target) || !enter_code(cpu, &target, cpu->cpl)) {
        return false;
    }
    stack.sp = (stack.sp + pop_bytes) & rh_bits(stack.width * 8);
    rh_stack_commit(cpu, &stack);
    return finish(cpu);
}

/* --- IRET --- */

/* The frame that every IRET pops. */
typedef struct Frame {
    uint64_t rip, cs, rflags;
} Frame;

static bool pop_frame(RhTcgCpu *cpu, RhStack *stack, unsigned size, Frame *ret)
{
    return rh_pop(cpu, stack, size, &ret->rip) && rh_pop(cpu, stack, size, &ret->cs) &&
           rh_pop(cpu, stack, size, &ret->rflags);
}

/* VME with IOPL below 3: IF goes to VIF, as in POPF. */
static bool iret_virtual(RhTcgCpu *cpu, unsigned size)
{
    RhStack stack = rh_current_stack(cpu);
    bool is_enabling;
    Frame frame;

    if (!(cpu->cr4 & RH_CR4_VME) || size != 2) {
        return rh_tcg_gp0(cpu);
    }
    if (!pop_frame(cpu, &stack, size, &frame)) {
        return false;
    }
    is_enabling = frame.rflags & RH_RFLAGS_IF;
    if ((frame.rflags & RH_RFLAGS_TF) || (is_enabling && (cpu->rflags & RH_RFLAGS_VIP))) {
        return rh_tcg_gp0(cpu);
    }
    if (!return_real(cpu, &stack, frame.rip, (uint16_t)frame.cs)) {
        return false;
    }
    rh_tcg_set_rflags(cpu, frame.rflags | (is_enabling ? RH_RFLAGS_VIF : 0), FLAGS_ALWAYS | RH_RFLAGS_VIF);
    return true;
}

static bool iret_real(RhTcgCpu *cpu, unsigned size)
{
    uint64_t mask = FLAGS_ALWAYS | RH_RFLAGS_IF | (size == 2 ? 0 : FLAGS_WIDE);
    RhStack stack = rh_current_stack(cpu);
    Frame frame;

    if (cpu->is_v86 && (cpu->rflags & RH_RFLAGS_IOPL) != RH_RFLAGS_IOPL) {
        return iret_virtual(cpu, size);
    }
    mask |= cpu->is_v86 ? 0 : RH_RFLAGS_IOPL;
    if (!pop_frame(cpu, &stack, size, &frame) || !return_real(cpu, &stack, frame.rip, (uint16_t)frame.cs)) {
        return false;
    }
    rh_tcg_set_rflags(cpu, frame.rflags, mask);
    return true;
}

static bool iret_to_v86(RhTcgCpu *cpu, RhStack *stack, const Frame *frame)
{
    static const uint8_t order[] = { RH_SS, RH_ES, RH_DS, RH_FS, RH_GS };
    uint64_t selectors[RH_COUNT(order)];
    uint64_t sp;

    if (!rh_pop(cpu, stack, 4, &sp)) {
        return false;
    }
    for (unsigned i = 0; i < RH_COUNT(order); i++) {
        if (!rh_pop(cpu, stack, 4, &selectors[i])) {
            return false;
        }
    }
    if (frame->rip > 0xffff) {
        return rh_tcg_gp0(cpu);
    }
    for (unsigned i = 0; i < RH_COUNT(order); i++) {
        cpu->seg[order[i]] = rh_v86_segment((uint16_t)selectors[i]);
    }
    cpu->seg[RH_CS] = rh_v86_segment((uint16_t)frame->cs);
    cpu->rip = frame->rip;
    cpu->gpr[RH_RSP] = sp;
    rh_tcg_set_rflags(cpu, frame->rflags,
                      FLAGS_ALWAYS | FLAGS_WIDE | RH_RFLAGS_IF | RH_RFLAGS_IOPL | RH_RFLAGS_VM | RH_RFLAGS_VIF |
                          RH_RFLAGS_VIP);
    return finish(cpu);
}

/* SDM vol. 3 §7.4: back to the task that the current TSS names. */
static bool iret_from_task(RhTcgCpu *cpu)
{
    uint64_t link;

    if (cpu->is_long) {
        return rh_tcg_gp0(cpu);
    }
    return rh_tcg_load(cpu, RH_TLB_IMPLICIT, cpu->seg[RH_TR].base, 2, &link) &&
           rh_task_switch(cpu, (uint16_t)link, RH_TASK_IRET, cpu->next_rip, 0);
}

static uint64_t iret_mask(const RhTcgCpu *cpu, unsigned size)
{
    uint64_t mask = FLAGS_ALWAYS | (size == 2 ? 0 : FLAGS_WIDE);

    if (cpu->cpl <= (cpu->rflags & RH_RFLAGS_IOPL) >> 12) {
        mask |= RH_RFLAGS_IF;
    }
    if (cpu->cpl == 0) {
        mask |= RH_RFLAGS_IOPL | (size == 2 ? 0 : RH_RFLAGS_VIF | RH_RFLAGS_VIP);
    }
    return mask;
}

static bool iret_protected(RhTcgCpu *cpu, unsigned size)
{
    RhStack stack = rh_current_stack(cpu);
    uint64_t mask = iret_mask(cpu, size);
    Target target;
    Frame frame;

    if (cpu->rflags & RH_RFLAGS_NT) {
        return iret_from_task(cpu);
    }
    if (!pop_frame(cpu, &stack, size, &frame)) {
        return false;
    }
    if (size == 4 && (frame.rflags & RH_RFLAGS_VM) && cpu->cpl == 0 && !cpu->is_long) {
        return iret_to_v86(cpu, &stack, &frame);
    }
    if (!read_return_code(cpu, (uint16_t)frame.cs, frame.rip, &target)) {
        return false;
    }
    if ((frame.cs & 3) > cpu->cpl || cpu->is_64) {
        if (!return_outward(cpu, &stack, size, 0, &target)) {
            return false;
        }
    } else {
        if (!check_rip(cpu, &target) || !enter_code(cpu, &target, cpu->cpl)) {
            return false;
        }
        rh_stack_commit(cpu, &stack);
    }
    rh_tcg_set_rflags(cpu, frame.rflags, mask);
    return finish(cpu);
}

bool rh_tcg_iret(RhTcgCpu *cpu, unsigned size)
{
    if (cpu->is_nmi_masked) {
        cpu->is_nmi_masked = false;     /* even if IRET faults, SDM vol. 3 §6.7.1 */
        cpu->attention = 1;
    }
    return is_real_style(cpu) ? iret_real(cpu, size) : iret_protected(cpu, size);
}
