/*
 * Task switches.
 *
 * 1. Until the old task's state is stored nothing changes: both TSSs and the descriptors that get written are probed first, so
 *    that a fault is one of the old task.
 * 2. From then on the new task runs, whatever goes wrong with its segments: faults are delivered there, SDM vol. 3 §7.3.
 *
 * Spec: SDM vol. 3 chapter 7. The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

#define SELECTOR_LDT 4u
#define DR7_LOCAL    0x155u     /* L0 to L3, LE: of this task alone */
#define FLAGS_IN_TSS 0x003f7fd5u

enum { NR_GPRS = 8, NR_SEGS = 6 };

/* Where things are in a TSS, figures 7-2 and 7-10. */
typedef struct Layout {
    uint8_t size;               /* of a slot */
    uint8_t min_limit;
    uint8_t nr_segs;
    uint8_t rip, rflags, gprs, segs, ldt;
    uint8_t dynamic, dynamic_len;   /* what is stored when leaving */
} Layout;

static const Layout layout_16 = { 2, 0x2b, 4, 0x0e, 0x10, 0x12, 0x22, 0x2a, 0x0e, 0x1c };
static const Layout layout_32 = { 4, 0x67, 6, 0x20, 0x24, 0x28, 0x48, 0x60, 0x20, 0x40 };
enum { TSS_CR3 = 0x1c, TSS_TRAP = 0x64 };

/* A task as its TSS tells of it. */
typedef struct Task {
    uint64_t cr3, rip, rflags;
    uint64_t gprs[NR_GPRS];
    uint64_t segs[NR_SEGS];
    uint64_t ldt;
    uint64_t trap;
} Task;

/* A switch on its way. */
typedef struct Switch {
    RhTaskCause cause;
    uint32_t ext;
    uint16_t selector;
    RhDescriptor desc;          /* of the new TSS */
    RhX86Segment tss;
    const Layout *layout;
} Switch;

static const Layout *layout_of(const RhX86Segment *tss)
{
    return (tss->access & RH_SEG_TYPE) >= RH_TYPE_TSS ? &layout_32 : &layout_16;
}

static bool is_nested(RhTaskCause cause)
{
    return cause == RH_TASK_CALL || cause == RH_TASK_EVENT;
}

/* --- before the point of no return --- */

static bool find_tss(RhTcgCpu *cpu, Switch *way)
{
    unsigned vector = way->cause == RH_TASK_IRET ? RH_EXC_TS : RH_EXC_GP;
    uint32_t busy = way->cause == RH_TASK_IRET ? RH_TYPE_BUSY : 0;
    uint32_t type;

    if (rh_is_null(way->selector) || (way->selector & SELECTOR_LDT)) {
        return rh_raise_selector(cpu, vector, way->selector, way->ext);
    }
    if (!rh_read_descriptor(cpu, way->selector, vector, way->ext, &way->desc)) {
        return false;
    }
    rh_descriptor_to_segment(&way->desc, way->selector, &way->tss);
    type = way->tss.access & (RH_SEG_S | RH_SEG_TYPE);
    if (type != (RH_TYPE_TSS | busy) && type != (RH_TYPE_TSS16 | busy)) {
        return rh_raise_selector(cpu, vector, way->selector, way->ext);
    }
    if (!(way->tss.access & RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_NP, way->selector, way->ext);
    }
    way->layout = layout_of(&way->tss);
    return way->tss.limit >= way->layout->min_limit ||
           rh_raise_selector(cpu, RH_EXC_TS, way->selector, way->ext);
}

/* Everything that will be read and written, at once. */
static bool probe_all(RhTcgCpu *cpu, const Switch *way, const RhDescriptor *old_desc)
{
    const RhX86Segment *old = &cpu->seg[RH_TR];
    const Layout *layout = layout_of(old);

    return rh_tcg_probe(cpu, RH_TLB_IMPLICIT, old->base + layout->dynamic, layout->dynamic_len, RH_ACCESS_WRITE) &&
           rh_tcg_probe(cpu, RH_TLB_IMPLICIT, way->tss.base, way->layout->min_limit + 1u, RH_ACCESS_READ) &&
           (!is_nested(way->cause) || rh_tcg_probe(cpu, RH_TLB_IMPLICIT, way->tss.base, 2, RH_ACCESS_WRITE)) &&
           rh_tcg_probe(cpu, RH_TLB_IMPLICIT, way->desc.at + 5, 1, RH_ACCESS_WRITE) &&
           rh_tcg_probe(cpu, RH_TLB_IMPLICIT, old_desc->at + 5, 1, RH_ACCESS_WRITE);
}

static bool store_slot(RhTcgCpu *cpu, const RhX86Segment *tss, unsigned at, unsigned size, uint64_t value)
{
    return rh_tcg_store(cpu, RH_TLB_IMPLICIT, tss->base + at, size, value);
}

static bool load_slot(RhTcgCpu *cpu, const RhX86Segment *tss, unsigned at, unsigned size, uint64_t *ret)
{
    return rh_tcg_load(cpu, RH_TLB_IMPLICIT, tss->base + at, size, ret);
}

static bool store_task(RhTcgCpu *cpu, uint64_t rip, uint64_t rflags)
{
    const RhX86Segment *tss = &cpu->seg[RH_TR];
    const Layout *layout = layout_of(tss);
    bool is_stored = store_slot(cpu, tss, layout->rip, layout->size, rip) &&
                     store_slot(cpu, tss, layout->rflags, layout->size, rflags);

    for (unsigned i = 0; is_stored && i < NR_GPRS; i++) {
        is_stored = store_slot(cpu, tss, layout->gprs + i * layout->size, layout->size, cpu->gpr[i]);
    }
    for (unsigned i = 0; is_stored && i < layout->nr_segs; i++) {
        is_stored = store_slot(cpu, tss, layout->segs + i * layout->size, 2, cpu->seg[i].selector);
    }
    return is_stored;
}

static bool load_task(RhTcgCpu *cpu, const Switch *way, Task *ret)
{
    const Layout *layout = way->layout;
    const RhX86Segment *tss = &way->tss;
    bool is_loaded = load_slot(cpu, tss, layout->rip, layout->size, &ret->rip) &&
                     load_slot(cpu, tss, layout->rflags, layout->size, &ret->rflags) &&
                     load_slot(cpu, tss, layout->ldt, 2, &ret->ldt);

    for (unsigned i = 0; is_loaded && i < NR_GPRS; i++) {
        is_loaded = load_slot(cpu, tss, layout->gprs + i * layout->size, layout->size, &ret->gprs[i]);
    }
    for (unsigned i = 0; is_loaded && i < layout->nr_segs; i++) {
        is_loaded = load_slot(cpu, tss, layout->segs + i * layout->size, 2, &ret->segs[i]);
    }
    if (is_loaded && layout == &layout_32) {
        is_loaded = load_slot(cpu, tss, TSS_CR3, 4, &ret->cr3) && load_slot(cpu, tss, TSS_TRAP, 2, &ret->trap);
    }
    return is_loaded;
}

/* Busy bits and the link, SDM vol. 3 table 7-2. */
static bool mark_tasks(RhTcgCpu *cpu, const Switch *way, const RhDescriptor *old_desc)
{
    if (!is_nested(way->cause) && !rh_set_descriptor_bits(cpu, old_desc, 0, RH_TYPE_BUSY)) {
        return false;
    }
    if (is_nested(way->cause) && !store_slot(cpu, &way->tss, 0, 2, cpu->seg[RH_TR].selector)) {
        return false;
    }
    return way->cause == RH_TASK_IRET || rh_set_descriptor_bits(cpu, &way->desc, RH_TYPE_BUSY, 0);
}

/* --- the new task --- */

static bool load_ldt(RhTcgCpu *cpu, const Switch *way, uint16_t selector)
{
    RhDescriptor desc;
    RhX86Segment now;

    if (rh_is_null(selector)) {
        return true;
    }
    if (selector & SELECTOR_LDT) {
        return rh_raise_selector(cpu, RH_EXC_TS, selector, way->ext);
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_TS, way->ext, &desc)) {
        return false;
    }
    rh_descriptor_to_segment(&desc, selector, &now);
    if ((now.access & (RH_SEG_S | RH_SEG_TYPE | RH_SEG_P)) != (RH_TYPE_LDT | RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_TS, selector, way->ext);
    }
    cpu->seg[RH_LDTR] = now;
    return true;
}

/* SDM vol. 3 table 7-1; @cpl is the RPL of CS. */
static bool is_good_segment(unsigned seg, uint16_t selector, unsigned cpl, uint32_t access)
{
    bool is_code = rh_access_is_code(access);
    bool is_conforming = is_code && rh_access_is_conforming(access);
    unsigned dpl = rh_access_dpl(access);

    if (seg == RH_CS) {
        return is_code && (is_conforming ? dpl <= cpl : dpl == cpl);
    }
    if (seg == RH_SS) {
        return rh_access_is_writable_data(access) && dpl == cpl && (selector & 3u) == cpl;
    }
    return (access & RH_SEG_S) && (!is_code || (access & RH_TYPE_WRITABLE)) &&
           (is_conforming || (dpl >= cpl && dpl >= (selector & 3u)));
}

static bool load_segment(RhTcgCpu *cpu, const Switch *way, unsigned seg, uint16_t selector, unsigned cpl)
{
    RhDescriptor desc;
    RhX86Segment now;

    if (rh_is_null(selector)) {
        return (seg != RH_CS && seg != RH_SS) || rh_raise_selector(cpu, RH_EXC_TS, selector, way->ext);
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_TS, way->ext, &desc)) {
        return false;
    }
    rh_descriptor_to_segment(&desc, selector, &now);
    if (!is_good_segment(seg, selector, cpl, now.access)) {
        return rh_raise_selector(cpu, RH_EXC_TS, selector, way->ext);
    }
    if (!(now.access & RH_SEG_P)) {
        return rh_raise_selector(cpu, seg == RH_SS ? RH_EXC_SS : RH_EXC_NP, selector, way->ext);
    }
    if (!rh_set_accessed(cpu, &desc, &now)) {
        return false;
    }
    cpu->seg[seg] = now;
    return true;
}

static bool load_segments(RhTcgCpu *cpu, const Switch *way, const Task *task)
{
    static const uint8_t order[] = { RH_CS, RH_SS, RH_DS, RH_ES, RH_FS, RH_GS };
    unsigned cpl = task->segs[RH_CS] & 3;

    if (!load_ldt(cpu, way, (uint16_t)task->ldt)) {
        return false;
    }
    for (unsigned i = 0; i < RH_COUNT(order); i++) {
        uint16_t selector = (uint16_t)task->segs[order[i]];

        if (task->rflags & RH_RFLAGS_VM) {
            cpu->seg[order[i]] = rh_v86_segment(selector);
        } else if (!load_segment(cpu, way, order[i], selector, cpl)) {
            return false;
        }
    }
    return cpu->rip <= cpu->seg[RH_CS].limit || rh_tcg_raise(cpu, RH_EXC_GP, way->ext);
}

/* Registers without descriptors. Segments hold their selectors, and nothing usable until they are loaded. */
static void enter_task(RhTcgCpu *cpu, const Switch *way, const Task *task)
{
    for (unsigned i = 0; i < NR_GPRS; i++) {
        cpu->gpr[i] = task->gprs[i];
    }
    for (unsigned i = 0; i < NR_SEGS; i++) {
        cpu->seg[i] = rh_null_segment((uint16_t)task->segs[i], task->segs[RH_CS] & 3);
    }
    cpu->seg[RH_LDTR] = rh_null_segment((uint16_t)task->ldt, 0);
    cpu->seg[RH_TR] = way->tss;
    cpu->seg[RH_TR].access |= RH_TYPE_BUSY;
    cpu->rip = task->rip;
    cpu->rflags = (task->rflags & FLAGS_IN_TSS) | 2;
    if (is_nested(way->cause)) {
        cpu->rflags |= RH_RFLAGS_NT;
    }
    cpu->cr0 |= RH_CR0_TS;
    if (cpu->dr7 & DR7_LOCAL) {
        cpu->dr7 &= ~(uint64_t)DR7_LOCAL;
        rh_tcg_settle_debug(cpu);
    }
    if (task->trap & 1) {
        rh_debug_pend(cpu, RH_DR6_BT);
    }
    cpu->attention = 1;         /* IF may have come up */
}

bool rh_task_switch(RhTcgCpu *cpu, uint16_t selector, RhTaskCause cause, uint64_t next_rip, uint32_t ext)
{
    Switch way = { .cause = cause, .ext = ext, .selector = selector };
    uint64_t rflags = cpu->rflags;
    RhDescriptor old_desc;
    Task task = { 0 };
    bool is_good;

    if (!find_tss(cpu, &way) ||
        !rh_read_descriptor(cpu, cpu->seg[RH_TR].selector, RH_EXC_TS, ext, &old_desc) ||
        !probe_all(cpu, &way, &old_desc)) {
        return false;
    }
    if (cause == RH_TASK_IRET) {
        rflags &= ~(uint64_t)RH_RFLAGS_NT;
    }
    /* The new TSS is read after the old one is stored: they may be the same. */
    if (!store_task(cpu, next_rip, rflags) || !mark_tasks(cpu, &way, &old_desc) || !load_task(cpu, &way, &task)) {
        return false;
    }
    enter_task(cpu, &way, &task);
    is_good = (way.layout != &layout_32 || !(cpu->cr0 & RH_CR0_PG) || rh_tcg_write_cr(cpu, 3, task.cr3)) &&
              load_segments(cpu, &way, &task);
    rh_tcg_settle(cpu);
    return is_good;
}
