/*
 * Exceptions and interrupts: from what was raised to the first instruction of its handler.
 *
 * Delivery writes to the new stack first and changes registers last, so that a fault on the way leaves the machine as it
 * was; faults on the way become part of what is delivered (table 6-5). Only a task gate is different: see rh_task_switch.
 *
 * Spec: SDM vol. 3 chapter 6, §20.2 and §20.3 (8086 modes), vol. 2 INT n. The vCPU's thread. No vector registers: see
 * docs/engine.md.
 */
#include "target/i386/tcg/system.h"

/* Bits of error codes, SDM vol. 3 §6.13 */
#define ERROR_EXT 1u
#define ERROR_IDT 2u

/* An event on its way to a handler. */
typedef struct Event {
    uint8_t vector;
    bool is_exception;      /* its class matters when another one follows */
    bool is_software;       /* the gate's DPL is checked */
    bool is_redirected;     /* INT n of an 8086 program that handles it itself (VME) */
    bool has_error;
    uint32_t error;
    uint32_t ext;           /* of the error codes of what goes wrong on the way */
    uint64_t rip;           /* to be pushed */
    uint64_t rflags;
} Event;

bool rh_tcg_raise(RhTcgCpu *cpu, unsigned vector, uint32_t error)
{
    cpu->fault = (RhFault){ .vector = (uint8_t)vector, .has_error = true, .error = error };
    return false;
}

bool rh_tcg_raise_plain(RhTcgCpu *cpu, unsigned vector)
{
    cpu->fault = (RhFault){ .vector = (uint8_t)vector };
    return false;
}

/* --- real mode --- */

/* To the handler that a table of 8086 vectors names at @entry. */
static bool enter_8086(RhTcgCpu *cpu, const Event *event, RhTlbMode mode, uint64_t entry, uint64_t pushed, uint64_t cleared)
{
    RhStack stack = rh_current_stack(cpu);
    uint64_t target;

    if (!rh_tcg_load(cpu, mode, entry, 4, &target) || !rh_push(cpu, &stack, 2, pushed) ||
        !rh_push(cpu, &stack, 2, cpu->seg[RH_CS].selector) || !rh_push(cpu, &stack, 2, event->rip)) {
        return false;
    }
    rh_stack_commit(cpu, &stack);
    rh_load_real(cpu, RH_CS, (uint16_t)(target >> 16));
    cpu->rip = target & 0xffff;
    cpu->rflags &= ~cleared;
    return true;
}

static bool deliver_real(RhTcgCpu *cpu, const Event *event)
{
    unsigned entry = event->vector * 4u;

    if (entry + 3 > cpu->idt.limit) {
        return rh_tcg_raise(cpu, RH_EXC_GP, entry * 2 + ERROR_IDT + event->ext);
    }
    return enter_8086(cpu, event, RH_TLB_IMPLICIT, cpu->idt.base + entry, event->rflags,
                      RH_RFLAGS_IF | RH_RFLAGS_TF | RH_RFLAGS_AC | RH_RFLAGS_RF);
}

/* SDM vol. 3 §20.3.3.4, §20.3.3.5: through the table at linear address 0, which is the program's own; below IOPL 3 VIF is its IF. */
static bool deliver_redirected(RhTcgCpu *cpu, const Event *event)
{
    bool has_if = (event->rflags & RH_RFLAGS_IOPL) == RH_RFLAGS_IOPL;
    uint64_t cleared = RH_RFLAGS_TF | RH_RFLAGS_RF | (has_if ? RH_RFLAGS_IF : RH_RFLAGS_VIF);
    uint64_t pushed = event->rflags;

    if (!has_if) {
        pushed &= ~(uint64_t)RH_RFLAGS_IF;
        pushed |= RH_RFLAGS_IOPL | (event->rflags & RH_RFLAGS_VIF ? RH_RFLAGS_IF : 0);
    }
    return enter_8086(cpu, event, (RhTlbMode)cpu->tlb_mode, event->vector * 4u, pushed, cleared);
}

/* --- gates --- */

static bool is_known_gate(const RhTcgCpu *cpu, uint32_t access)
{
    unsigned type = access & RH_SEG_TYPE;

    if (access & RH_SEG_S) {
        return false;
    }
    if (type == RH_TYPE_INT || type == RH_TYPE_TRAP) {
        return true;
    }
    return !cpu->is_long && (type == RH_TYPE_TASK || type == RH_TYPE_INT16 || type == RH_TYPE_TRAP16);
}

static bool read_gate(RhTcgCpu *cpu, const Event *event, RhDescriptor *ret)
{
    uint32_t error = event->vector * 8u + ERROR_IDT + event->ext;
    unsigned size = cpu->is_long ? 16 : 8;
    unsigned entry = event->vector * size;
    uint32_t access;

    if (entry + size - 1 > cpu->idt.limit) {
        return rh_tcg_raise(cpu, RH_EXC_GP, error);
    }
    *ret = (RhDescriptor){ .at = cpu->idt.base + entry };
    if (!rh_tcg_load_inline(cpu, RH_TLB_IMPLICIT, ret->at, 8, &ret->low) ||
        (cpu->is_long && !rh_tcg_load_inline(cpu, RH_TLB_IMPLICIT, ret->at + 8, 8, &ret->high))) {
        return false;
    }
    ret->high &= UINT32_MAX;
    access = rh_descriptor_access(ret);
    if (!is_known_gate(cpu, access) || (event->is_software && rh_access_dpl(access) < cpu->cpl)) {
        return rh_tcg_raise(cpu, RH_EXC_GP, error);
    }
    return (access & RH_SEG_P) || rh_tcg_raise(cpu, RH_EXC_NP, error);
}

/* The handler's code segment; its selector's RPL is the new CPL. */
static bool find_handler(RhTcgCpu *cpu, uint16_t selector, uint32_t ext, RhDescriptor *ret_desc, RhX86Segment *ret)
{
    unsigned cpl = cpu->cpl;

    if (rh_is_null(selector)) {
        return rh_tcg_raise(cpu, RH_EXC_GP, ext);
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_GP, ext, ret_desc)) {
        return false;
    }
    rh_descriptor_to_segment(ret_desc, selector, ret);
    if (!rh_access_is_code(ret->access) || rh_access_dpl(ret->access) > cpl ||
        (cpu->is_long && (ret->access & (RH_SEG_L | RH_SEG_DB)) != RH_SEG_L)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, ext);
    }
    if (!(ret->access & RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_NP, selector, ext);
    }
    if (!rh_access_is_conforming(ret->access)) {
        cpl = rh_access_dpl(ret->access);
    }
    if (cpu->is_v86 && cpl) {   /* only ring 0 without a detour, SDM vol. 3 §20.3.1 */
        return rh_raise_selector(cpu, RH_EXC_GP, selector, ext);
    }
    ret->selector = (selector & 0xfffcu) | (uint16_t)cpl;
    return true;
}

static void enter_handler(RhTcgCpu *cpu, const RhDescriptor *gate, const RhX86Segment *cs, uint64_t offset)
{
    uint64_t clear = RH_RFLAGS_TF | RH_RFLAGS_VM | RH_RFLAGS_RF | RH_RFLAGS_NT;
    unsigned type = rh_descriptor_type(gate);

    if (type == RH_TYPE_INT || type == RH_TYPE_INT16) {
        clear |= RH_RFLAGS_IF;
    }
    cpu->seg[RH_CS] = *cs;
    cpu->rip = offset;
    cpu->rflags &= ~clear;
}

/* --- protected mode --- */

static bool push_frame(RhTcgCpu *cpu, RhStack *stack, unsigned size, const Event *event)
{
    return rh_push(cpu, stack, size, event->rflags) && rh_push(cpu, stack, size, cpu->seg[RH_CS].selector) &&
           rh_push(cpu, stack, size, event->rip) &&
           (!event->has_error || rh_push(cpu, stack, size, event->error));
}

static bool push_old_stack(RhTcgCpu *cpu, RhStack *stack, unsigned size)
{
    static const uint8_t v86_order[] = { RH_GS, RH_FS, RH_DS, RH_ES };

    for (unsigned i = 0; cpu->is_v86 && i < RH_COUNT(v86_order); i++) {
        if (!rh_push(cpu, stack, size, cpu->seg[v86_order[i]].selector)) {
            return false;
        }
    }
    return rh_push(cpu, stack, size, cpu->seg[RH_SS].selector) && rh_push(cpu, stack, size, cpu->gpr[RH_RSP]);
}

static void null_data_segments(RhTcgCpu *cpu)
{
    static const uint8_t data[] = { RH_ES, RH_DS, RH_FS, RH_GS };

    for (unsigned i = 0; i < RH_COUNT(data); i++) {
        cpu->seg[data[i]] = rh_null_segment(0, 0);
    }
}

/* The handler is more privileged: its stack is the TSS's. */
static bool deliver_inward(RhTcgCpu *cpu, const Event *event, const RhDescriptor *gate, const RhDescriptor *code,
                           RhX86Segment *cs)
{
    bool is_16 = rh_descriptor_type(gate) < 8;
    uint64_t offset = rh_gate_offset(gate, is_16);
    unsigned cpl = cs->selector & 3;
    unsigned size = is_16 ? 2 : 4;
    RhDescriptor stack_desc;
    RhStack stack;
    uint16_t selector;
    uint32_t sp;

    if (!rh_tss_stack(cpu, cpl, event->ext, &selector, &sp) ||
        !rh_new_stack_segment(cpu, selector, cpl, event->ext, &stack_desc, &stack.seg)) {
        return false;
    }
    stack.width = stack.seg.access & RH_SEG_DB ? 4 : 2;
    stack.sp = stack.width == 4 ? sp : sp & 0xffff;
    stack.mode = rh_mode_of(cpu, cpl);
    stack.error = (selector & 0xfffcu) | event->ext;
    if (!push_old_stack(cpu, &stack, size) || !push_frame(cpu, &stack, size, event)) {
        return false;
    }
    if (offset > cs->limit) {
        return rh_tcg_raise(cpu, RH_EXC_GP, event->ext);
    }
    if (!rh_set_accessed(cpu, code, cs) || !rh_set_accessed(cpu, &stack_desc, &stack.seg)) {
        return false;
    }
    if (cpu->is_v86) {
        null_data_segments(cpu);
    }
    cpu->seg[RH_SS] = stack.seg;
    cpu->gpr[RH_RSP] = stack.width == 4 ? stack.sp : (sp & 0xffff0000u) | stack.sp;
    enter_handler(cpu, gate, cs, offset);
    return true;
}

static bool deliver_same(RhTcgCpu *cpu, const Event *event, const RhDescriptor *gate, const RhDescriptor *code,
                         RhX86Segment *cs)
{
    bool is_16 = rh_descriptor_type(gate) < 8;
    uint64_t offset = rh_gate_offset(gate, is_16);
    RhStack stack = rh_current_stack(cpu);

    stack.error = event->ext;
    if (!push_frame(cpu, &stack, is_16 ? 2 : 4, event)) {
        return false;
    }
    if (offset > cs->limit) {
        return rh_tcg_raise(cpu, RH_EXC_GP, event->ext);
    }
    if (!rh_set_accessed(cpu, code, cs)) {
        return false;
    }
    rh_stack_commit(cpu, &stack);
    enter_handler(cpu, gate, cs, offset);
    return true;
}

static bool deliver_to_task(RhTcgCpu *cpu, const Event *event, const RhDescriptor *gate)
{
    uint16_t old_task = cpu->seg[RH_TR].selector;
    uint64_t rflags = cpu->rflags;
    RhStack stack;

    cpu->rflags = event->rflags;        /* the image that is saved in the old TSS has RF, too */
    if (!rh_task_switch(cpu, rh_gate_selector(gate), RH_TASK_EVENT, event->rip, event->ext)) {
        cpu->rflags = cpu->seg[RH_TR].selector == old_task ? rflags : cpu->rflags;
        return false;
    }
    if (!event->has_error) {
        return true;
    }
    stack = rh_current_stack(cpu);
    stack.error = event->ext;
    if (!rh_push(cpu, &stack, (cpu->seg[RH_TR].access & RH_SEG_TYPE) >= RH_TYPE_TSS ? 4 : 2, event->error)) {
        return false;
    }
    rh_stack_commit(cpu, &stack);
    return true;
}

static bool deliver_protected(RhTcgCpu *cpu, const Event *event)
{
    RhDescriptor gate;
    RhDescriptor code;
    RhX86Segment cs;

    if (!read_gate(cpu, event, &gate)) {
        return false;
    }
    if (rh_descriptor_type(&gate) == RH_TYPE_TASK) {
        return deliver_to_task(cpu, event, &gate);
    }
    if (!find_handler(cpu, rh_gate_selector(&gate), event->ext, &code, &cs)) {
        return false;
    }
    return (cs.selector & 3u) < cpu->cpl ? deliver_inward(cpu, event, &gate, &code, &cs)
                                         : deliver_same(cpu, event, &gate, &code, &cs);
}

/* --- long mode --- */

static bool find_long_stack(RhTcgCpu *cpu, const Event *event, const RhDescriptor *gate, unsigned cpl, RhStack *ret)
{
    unsigned ist = gate->low >> 32 & 7;

    *ret = (RhStack){ .sp = cpu->gpr[RH_RSP], .width = 8, .mode = rh_mode_of(cpu, cpl), .error = event->ext };
    if ((ist || cpl < cpu->cpl) && !rh_tss_stack64(cpu, cpl, ist, event->ext, &ret->sp)) {
        return false;
    }
    if (!rh_is_canonical(ret->sp)) {
        return rh_tcg_raise(cpu, RH_EXC_SS, event->ext);
    }
    ret->sp &= ~UINT64_C(15);       /* SDM vol. 3 §6.14.2 */
    return true;
}

static bool deliver_long(RhTcgCpu *cpu, const Event *event)
{
    RhDescriptor gate;
    RhDescriptor code;
    RhX86Segment cs;
    RhStack stack;
    uint64_t offset;
    unsigned cpl;

    if (!read_gate(cpu, event, &gate) ||
        !find_handler(cpu, rh_gate_selector(&gate), event->ext, &code, &cs)) {
        return false;
    }
    cpl = cs.selector & 3;
    offset = rh_gate_offset(&gate, false);
    if (!find_long_stack(cpu, event, &gate, cpl, &stack) ||
        !rh_push(cpu, &stack, 8, cpu->seg[RH_SS].selector) || !rh_push(cpu, &stack, 8, cpu->gpr[RH_RSP]) ||
        !push_frame(cpu, &stack, 8, event)) {
        return false;
    }
    if (!rh_is_canonical(offset)) {
        return rh_tcg_raise(cpu, RH_EXC_GP, event->ext);
    }
    if (!rh_set_accessed(cpu, &code, &cs)) {
        return false;
    }
    if (cpl < cpu->cpl) {
        cpu->seg[RH_SS] = rh_null_segment((uint16_t)cpl, cpl);
    }
    cpu->gpr[RH_RSP] = stack.sp;
    enter_handler(cpu, &gate, &cs, offset);
    return true;
}

/* --- one after the other --- */

static bool deliver(RhTcgCpu *cpu, const Event *event)
{
    bool is_done = !cpu->is_protected     ? deliver_real(cpu, event)
                   : event->is_redirected ? deliver_redirected(cpu, event)
                   : cpu->is_long         ? deliver_long(cpu, event)
                                          : deliver_protected(cpu, event);

    if (is_done) {
        cpu->shadow = 0;
        rh_tcg_settle(cpu);
    }
    return is_done;
}

typedef enum Class { BENIGN, CONTRIBUTORY, PAGE_FAULT } Class;

static Class class_of(unsigned vector)
{
    switch (vector) {
    case RH_EXC_DE:
    case RH_EXC_TS:
    case RH_EXC_NP:
    case RH_EXC_SS:
    case RH_EXC_GP: return CONTRIBUTORY;
    case RH_EXC_PF: return PAGE_FAULT;
    default:        return BENIGN;
    }
}

/* SDM vol. 3 table 6-5: what becomes of cpu->fault, which came up while @first was delivered. False: shutdown. */
static bool combine(RhTcgCpu *cpu, const Event *first)
{
    Class was = first->is_exception ? class_of(first->vector) : BENIGN;
    Class now = class_of(cpu->fault.vector);

    if (now == BENIGN) {
        return true;
    }
    if (first->is_exception && first->vector == RH_EXC_DF) {
        return false;
    }
    if (was == PAGE_FAULT || (was == CONTRIBUTORY && now == CONTRIBUTORY)) {
        uint64_t cr2 = cpu->fault.cr2;

        if (now == PAGE_FAULT) {
            cpu->cr2 = cr2;
        }
        rh_tcg_raise(cpu, RH_EXC_DF, 0);
    }
    return true;
}

/* SDM vol. 3 §17.3.1.1: faults push RF, so that a code breakpoint there does not come again; its own #DB does not. */
static bool pushes_rf(const RhFault *fault)
{
    if (fault->is_trap || fault->is_software) {
        return false;
    }
    switch (fault->vector) {
    case RH_EXC_DB:  return fault->dr6 & RH_DR6_BD;
    case RH_EXC_NMI:
    case RH_EXC_BP:
    case RH_EXC_OF:
    case RH_EXC_DF:
    case RH_EXC_MC:  return false;
    default:         return true;
    }
}

/* The exception in cpu->fault; what it tells of its cause goes to the registers now. */
static Event event_of_fault(RhTcgCpu *cpu)
{
    const RhFault *fault = &cpu->fault;
    Event event = {
        .vector = fault->vector,
        .is_exception = !fault->is_software,
        .is_software = fault->is_software,
        .has_error = fault->has_error,
        .error = fault->error,
        .ext = fault->is_software ? 0 : ERROR_EXT,
        .rip = cpu->rip,
        .rflags = cpu->rflags | (pushes_rf(fault) ? RH_RFLAGS_RF : 0),
    };

    if (fault->vector == RH_EXC_PF) {
        cpu->cr2 = fault->cr2;
    } else if (fault->vector == RH_EXC_DB && event.is_exception) {
        /* A trap takes along what else the instruction has set off. */
        cpu->dr6 |= fault->dr6 | (fault->is_trap ? cpu->pending_dr6 : 0);
        cpu->pending_dr6 = fault->is_trap ? 0 : cpu->pending_dr6;
        cpu->dr7 &= ~(uint64_t)RH_DR7_GD;
    }
    return event;
}

static void deliver_all(RhTcgCpu *cpu, Event event)
{
    cpu->is_halted = false;
    while (!deliver(cpu, &event)) {
        if (!combine(cpu, &event)) {
            cpu->is_shut_down = true;
            return;
        }
        event = event_of_fault(cpu);
    }
}

void rh_tcg_deliver_fault(RhTcgCpu *cpu)
{
    deliver_all(cpu, event_of_fault(cpu));
}

void rh_tcg_deliver_interrupt(RhTcgCpu *cpu, uint8_t vector)
{
    deliver_all(cpu, (Event){ .vector = vector, .ext = ERROR_EXT, .rip = cpu->rip, .rflags = cpu->rflags });
}

void rh_tcg_deliver_nmi(RhTcgCpu *cpu)
{
    cpu->is_nmi_masked = true;
    rh_tcg_deliver_interrupt(cpu, RH_EXC_NMI);
}

bool rh_tcg_software_interrupt(RhTcgCpu *cpu, uint8_t vector, uint64_t next_rip, bool is_int_n)
{
    bool is_int1 = vector == RH_EXC_DB && !is_int_n;    /* taken for a hardware event: no DPL check */
    Event event = {
        .vector = vector,
        .is_software = !is_int1,
        .ext = is_int1 ? ERROR_EXT : 0,
        .rip = next_rip,
        .rflags = cpu->rflags & ~(uint64_t)RH_RFLAGS_RF,
    };

    if (cpu->is_v86 && is_int_n) {
        if ((cpu->cr4 & RH_CR4_VME) && !rh_tss_redirects(cpu, vector, &event.is_redirected)) {
            return false;
        }
        if (!event.is_redirected && (cpu->rflags & RH_RFLAGS_IOPL) != RH_RFLAGS_IOPL) {
            return rh_tcg_gp0(cpu);
        }
    }
    return deliver(cpu, &event);
}
