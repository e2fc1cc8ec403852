/*
 * Stacks of handlers, gates and returns: pushed to and popped from before any register changes.
 * Spec: SDM vol. 3 §5.8.5, §6.12, §7.2. The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

RhTlbMode rh_mode_of(const RhTcgCpu *cpu, unsigned cpl)
{
    if (cpl == 3) {
        return RH_TLB_USER;
    }
    return (cpu->cr4 & RH_CR4_SMAP) && (cpu->rflags & RH_RFLAGS_AC) ? RH_TLB_KERNEL_AC : RH_TLB_KERNEL;
}

static uint64_t pointer_mask(const RhStack *stack)
{
    return rh_bits(stack->width * 8);
}

RhStack rh_current_stack(const RhTcgCpu *cpu)
{
    RhStack stack = { .seg = cpu->seg[RH_SS], .width = cpu->stack_size, .mode = (RhTlbMode)cpu->tlb_mode };

    stack.sp = cpu->gpr[RH_RSP] & pointer_mask(&stack);
    return stack;
}

/* The linear address of @size bytes at the stack's @offset. */
static bool locate(RhTcgCpu *cpu, const RhStack *stack, uint64_t offset, unsigned size, uint64_t *ret)
{
    if (stack->width == 8) {
        *ret = offset;
        return (rh_is_canonical(offset) && rh_is_canonical(offset + size - 1)) ||
               rh_tcg_raise(cpu, RH_EXC_SS, stack->error);
    }
    if ((stack->seg.access & RH_SEG_UNUSABLE) || !rh_segment_holds(&stack->seg, offset, size)) {
        return rh_tcg_raise(cpu, RH_EXC_SS, stack->error);
    }
    *ret = (uint32_t)(stack->seg.base + offset);
    return true;
}

bool rh_push(RhTcgCpu *cpu, RhStack *stack, unsigned size, uint64_t value)
{
    uint64_t sp = (stack->sp - size) & pointer_mask(stack);
    uint64_t at;

    if (!locate(cpu, stack, sp, size, &at) || !rh_tcg_store_inline(cpu, stack->mode, at, size, value)) {
        return false;
    }
    stack->sp = sp;
    return true;
}

bool rh_pop(RhTcgCpu *cpu, RhStack *stack, unsigned size, uint64_t *ret)
{
    uint64_t at;

    if (!locate(cpu, stack, stack->sp, size, &at) || !rh_tcg_load_inline(cpu, stack->mode, at, size, ret)) {
        return false;
    }
    stack->sp = (stack->sp + size) & pointer_mask(stack);
    return true;
}

void rh_stack_commit(RhTcgCpu *cpu, const RhStack *stack)
{
    uint64_t keep = stack->width == 2 ? ~UINT64_C(0xffff) : 0;

    cpu->gpr[RH_RSP] = (cpu->gpr[RH_RSP] & keep) | stack->sp;
}

static bool read_tss(RhTcgCpu *cpu, uint32_t into, unsigned size, uint64_t *ret)
{
    return rh_tcg_load_inline(cpu, RH_TLB_IMPLICIT, cpu->seg[RH_TR].base + into, size, ret);
}

bool rh_tss_stack(RhTcgCpu *cpu, unsigned cpl, uint32_t ext, uint16_t *ret_ss, uint32_t *ret_sp)
{
    const RhX86Segment *tss = &cpu->seg[RH_TR];
    bool is_32 = (tss->access & RH_SEG_TYPE) >= RH_TYPE_TSS;
    uint32_t into = is_32 ? cpl * 8 + 4 : cpl * 4 + 2;
    unsigned size = is_32 ? 4 : 2;
    uint64_t sp;
    uint64_t ss;

    if (into + size + 1 > tss->limit) {
        return rh_raise_selector(cpu, RH_EXC_TS, tss->selector, ext);
    }
    if (!read_tss(cpu, into, size, &sp) || !read_tss(cpu, into + size, 2, &ss)) {
        return false;
    }
    *ret_sp = (uint32_t)sp;
    *ret_ss = (uint16_t)ss;
    return true;
}

bool rh_tss_stack64(RhTcgCpu *cpu, unsigned cpl, unsigned ist, uint32_t ext, uint64_t *ret_sp)
{
    const RhX86Segment *tss = &cpu->seg[RH_TR];
    uint32_t into = ist ? ist * 8 + 28 : cpl * 8 + 4;

    if (into + 7 > tss->limit) {
        return rh_raise_selector(cpu, RH_EXC_TS, tss->selector, ext);
    }
    return read_tss(cpu, into, 8, ret_sp);
}

bool rh_new_stack_segment(RhTcgCpu *cpu, uint16_t selector, unsigned cpl, uint32_t ext, RhDescriptor *ret_desc,
                          RhX86Segment *ret)
{
    if (rh_is_null(selector)) {
        return rh_tcg_raise(cpu, RH_EXC_TS, ext);
    }
    if ((selector & 3) != cpl) {
        return rh_raise_selector(cpu, RH_EXC_TS, selector, ext);
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_TS, ext, ret_desc)) {
        return false;
    }
    rh_descriptor_to_segment(ret_desc, selector, ret);
    if (rh_access_dpl(ret->access) != cpl || !rh_access_is_writable_data(ret->access)) {
        return rh_raise_selector(cpu, RH_EXC_TS, selector, ext);
    }
    return (ret->access & RH_SEG_P) || rh_raise_selector(cpu, RH_EXC_SS, selector, ext);
}
