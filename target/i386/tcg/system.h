/*
 * What the files of the system architecture share: descriptors, stacks that are not the current one, task switches.
 * Not for the interpreter: its calls are in cpu.h.
 *
 * "ext" is bit 0 of an error code: the event came from outside the program, SDM vol. 3 §6.13.
 */
#ifndef RH_TARGET_I386_TCG_SYSTEM_H
#define RH_TARGET_I386_TCG_SYSTEM_H

#include "target/i386/tcg/mmu-inline.h"

/* GDT, LDT, IDT and TSS are read with the rights of the supervisor, whatever the CPL, and without AC, SDM vol. 3 §4.6. */
#define RH_TLB_IMPLICIT RH_TLB_KERNEL

/* Types of system descriptors, SDM vol. 3 table 3-2 */
enum {
    RH_TYPE_TSS16 = 1, RH_TYPE_LDT = 2, RH_TYPE_TSS16_BUSY = 3, RH_TYPE_CALL16 = 4, RH_TYPE_TASK = 5, RH_TYPE_INT16 = 6,
    RH_TYPE_TRAP16 = 7, RH_TYPE_TSS = 9, RH_TYPE_TSS_BUSY = 11, RH_TYPE_CALL = 12, RH_TYPE_INT = 14, RH_TYPE_TRAP = 15,
};
#define RH_TYPE_BUSY 2u         /* the bit by which they differ */
/* Bits of the type of code and data descriptors */
#define RH_TYPE_ACCESSED   1u
#define RH_TYPE_WRITABLE   2u   /* data; for code: readable */
#define RH_TYPE_CONFORMING 4u   /* code; for data: expands down */
#define RH_TYPE_CODE       8u

/** RhDescriptor - as read from GDT or LDT */
typedef struct RhDescriptor {
    uint64_t at;            /* linear */
    uint64_t low;
    uint64_t high;          /* system descriptors and gates of long mode */
} RhDescriptor;

static inline bool rh_is_canonical(uint64_t at)
{
    return (uint64_t)((int64_t)(at << 16) >> 16) == at;
}

static inline bool rh_is_null(uint16_t selector)
{
    return !(selector & 0xfffc);
}

static inline unsigned rh_access_dpl(uint32_t access)
{
    return (access & RH_SEG_DPL) >> RH_SEG_DPL_SHIFT;
}

static inline uint32_t rh_descriptor_access(const RhDescriptor *desc)
{
    return (uint32_t)(desc->low >> 40) & (RH_SEG_ACCESS & 0xf0ff);
}

static inline unsigned rh_descriptor_type(const RhDescriptor *desc)
{
    return desc->low >> 40 & RH_SEG_TYPE;
}

static inline bool rh_access_is_code(uint32_t access)
{
    return (access & (RH_SEG_S | RH_TYPE_CODE)) == (RH_SEG_S | RH_TYPE_CODE);
}

static inline bool rh_access_is_conforming(uint32_t access)
{
    return access & RH_TYPE_CONFORMING;
}

static inline bool rh_access_is_writable_data(uint32_t access)
{
    return (access & (RH_SEG_S | RH_TYPE_CODE | RH_TYPE_WRITABLE)) == (RH_SEG_S | RH_TYPE_WRITABLE);
}

/* Gates: offset and selector, whatever their kind; high is 0 outside long mode */
static inline uint16_t rh_gate_selector(const RhDescriptor *gate)
{
    return (uint16_t)(gate->low >> 16);
}

static inline uint64_t rh_gate_offset(const RhDescriptor *gate, bool is_16)
{
    uint64_t offset = (gate->low & 0xffff) | (is_16 ? 0 : gate->low >> 48 << 16);

    return offset | gate->high << 32;
}

/* ---- descriptors (descriptor.c) ---- */

/** rh_raise_selector - an exception whose error code names @selector */
bool rh_raise_selector(RhTcgCpu *cpu, unsigned vector, uint16_t selector, uint32_t ext);
/** rh_read_descriptor - 8 bytes from GDT or LDT, or @vector with the selector where the table ends before. Nulls are the caller's. */
bool rh_read_descriptor(RhTcgCpu *cpu, uint16_t selector, unsigned vector, uint32_t ext, RhDescriptor *ret);
/** rh_read_descriptor_high - the second half of a system descriptor of long mode */
bool rh_read_descriptor_high(RhTcgCpu *cpu, uint16_t selector, unsigned vector, uint32_t ext, RhDescriptor *desc);
/** rh_find_descriptor - as rh_read_descriptor; where the table does not have it, true and *@ret_found false */
bool rh_find_descriptor(RhTcgCpu *cpu, uint16_t selector, RhDescriptor *ret, bool *ret_found);
/** rh_set_descriptor_bits - set and clear bits of the descriptor's type in its table, in one step */
bool rh_set_descriptor_bits(RhTcgCpu *cpu, const RhDescriptor *desc, unsigned set, unsigned clear);
/** rh_set_accessed - in the table and in *@seg */
bool rh_set_accessed(RhTcgCpu *cpu, const RhDescriptor *desc, RhX86Segment *seg);
void rh_descriptor_to_segment(const RhDescriptor *desc, uint16_t selector, RhX86Segment *ret);
/** rh_null_segment - what a register holds after a null selector; @dpl matters for SS, whose DPL is the CPL */
RhX86Segment rh_null_segment(uint16_t selector, unsigned dpl);
/** rh_v86_segment - as loaded in virtual-8086 mode; rh_load_real - into a register there or in real mode, which keeps the limit */
RhX86Segment rh_v86_segment(uint16_t selector);
void rh_load_real(RhTcgCpu *cpu, unsigned seg, uint16_t selector);
/** rh_segment_holds - whether limit and direction allow [@offset, @offset + @len), @len at least 1 */
bool rh_segment_holds(const RhX86Segment *seg, uint64_t offset, unsigned len);

/* ---- stacks (stack.c) ---- */

/** RhStack - a stack to push to or pop from while nothing is decided yet: registers change by rh_stack_commit alone */
typedef struct RhStack {
    RhX86Segment seg;       /* without a meaning for width 8 */
    uint64_t sp;
    unsigned width;         /* of the pointer: 2, 4, 8 */
    RhTlbMode mode;
    uint32_t error;         /* of #SS */
} RhStack;

/** rh_mode_of - the view of memory that @cpl has now */
RhTlbMode rh_mode_of(const RhTcgCpu *cpu, unsigned cpl);
RhStack rh_current_stack(const RhTcgCpu *cpu);
bool rh_push(RhTcgCpu *cpu, RhStack *stack, unsigned size, uint64_t value);
bool rh_pop(RhTcgCpu *cpu, RhStack *stack, unsigned size, uint64_t *ret);
/** rh_stack_commit - SP, ESP or RSP, by width; SS is the caller's */
void rh_stack_commit(RhTcgCpu *cpu, const RhStack *stack);
/** rh_tss_stack - SS and SP for @cpl out of the current TSS, or #TS; outside long mode */
bool rh_tss_stack(RhTcgCpu *cpu, unsigned cpl, uint32_t ext, uint16_t *ret_ss, uint32_t *ret_sp);
/** rh_tss_stack64 - RSP out of a TSS of long mode; @ist 0: that of @cpl */
bool rh_tss_stack64(RhTcgCpu *cpu, unsigned cpl, unsigned ist, uint32_t ext, uint64_t *ret_sp);
/** rh_tss_redirects - CR4.VME: whether the current TSS gives INT @vector to the 8086 program itself, or #GP(0); SDM vol. 3 §20.3.3 */
bool rh_tss_redirects(RhTcgCpu *cpu, uint8_t vector, bool *ret);
/** rh_new_stack_segment - check a stack segment out of a TSS for @cpl, or #TS, #SS */
bool rh_new_stack_segment(RhTcgCpu *cpu, uint16_t selector, unsigned cpl, uint32_t ext, RhDescriptor *ret_desc,
                          RhX86Segment *ret);

/* ---- the rest ---- */

typedef enum RhTaskCause { RH_TASK_JUMP, RH_TASK_CALL, RH_TASK_IRET, RH_TASK_EVENT } RhTaskCause;

/**
 * rh_task_switch - to the TSS that @selector names (task.c); @next_rip is saved as that of the old task. A fault after
 * the point of no return is one of the new task: registers, cpu->rip among them, are then its.
 */
bool rh_task_switch(RhTcgCpu *cpu, uint16_t selector, RhTaskCause cause, uint64_t next_rip, uint32_t ext);

/** rh_debug_pend - bits of DR6 for the #DB after this instruction: rh_tcg_check_traps */
void rh_debug_pend(RhTcgCpu *cpu, uint64_t dr6);
/** rh_debug_watches - a data breakpoint is enabled in that page (debug.c) */
bool rh_debug_watches(const RhTcgCpu *cpu, uint64_t page);

#endif
