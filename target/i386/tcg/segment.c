/*
 * Segments: linear addresses, loading of segment registers, and the questions that LAR, LSL, VERR and VERW ask.
 * Spec: SDM vol. 3 chapter 5, vol. 2 MOV, LLDT, LTR, LAR, LSL, VERR; vol. 1 §18.5 (I/O permission). The vCPU's thread.
 * No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

enum { TSS_IO_BASE = 102, TSS_MIN_LIMIT = 103 };
#define SELECTOR_LDT 4u

static bool has_rights_checks(const RhTcgCpu *cpu)
{
    return cpu->is_protected && !cpu->is_v86;
}

/* --- linear addresses --- */

static bool raise_segment(RhTcgCpu *cpu, unsigned seg)
{
    return rh_tcg_raise(cpu, seg == RH_SS ? RH_EXC_SS : RH_EXC_GP, 0);
}

static bool linear_64(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, uint64_t *ret)
{
    uint64_t at = offset + (seg >= RH_FS ? cpu->seg[seg].base : 0);

    *ret = at;
    if (!rh_is_canonical(at) || (len && !rh_is_canonical(at + len - 1))) {
        return raise_segment(cpu, seg);
    }
    return true;
}

static bool allows(const RhX86Segment *seg, RhAccess access)
{
    if (seg->access & RH_SEG_UNUSABLE) {
        return false;
    }
    switch (access) {
    case RH_ACCESS_READ:  return !(seg->access & RH_TYPE_CODE) || (seg->access & RH_TYPE_WRITABLE);
    case RH_ACCESS_WRITE: return (seg->access & (RH_TYPE_CODE | RH_TYPE_WRITABLE)) == RH_TYPE_WRITABLE;
    default:              return true;
    }
}

bool rh_tcg_linear(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, RhAccess access, uint64_t *ret)
{
    const RhX86Segment *segment = &cpu->seg[seg];

    if (cpu->is_64) {
        return linear_64(cpu, seg, offset, len, ret);
    }
    *ret = (uint32_t)(segment->base + offset);
    if (!len || (cpu->is_flat && seg <= RH_DS && (seg != RH_CS || access == RH_ACCESS_FETCH) &&
                 offset + len - 1 <= UINT32_MAX)) {
        return true;
    }
    if ((has_rights_checks(cpu) && !allows(segment, access)) || !rh_segment_holds(segment, offset, len)) {
        return raise_segment(cpu, seg);
    }
    return true;
}

/* --- loading --- */

static bool load_null(RhTcgCpu *cpu, unsigned seg, uint16_t selector)
{
    /* SS may be null in 64-bit code of rings 0 to 2, SDM vol. 3 §5.4.1.1 */
    if (seg == RH_SS && (!cpu->is_64 || cpu->cpl == 3 || (selector & 3) != cpu->cpl)) {
        return rh_tcg_gp0(cpu);
    }
    cpu->seg[seg] = rh_null_segment(selector, seg == RH_SS ? cpu->cpl : 0);
    return true;
}

static bool may_be_stack(const RhTcgCpu *cpu, uint16_t selector, uint32_t access)
{
    return (selector & 3) == cpu->cpl && rh_access_dpl(access) == cpu->cpl && rh_access_is_writable_data(access);
}

static bool may_be_data(const RhTcgCpu *cpu, uint16_t selector, uint32_t access)
{
    unsigned dpl = rh_access_dpl(access);

    if (!(access & RH_SEG_S) || (rh_access_is_code(access) && !(access & RH_TYPE_WRITABLE))) {
        return false;
    }
    return (rh_access_is_code(access) && rh_access_is_conforming(access)) || ((selector & 3u) <= dpl && cpu->cpl <= dpl);
}

static bool load_described(RhTcgCpu *cpu, unsigned seg, uint16_t selector)
{
    RhDescriptor desc;
    RhX86Segment now;

    if (!rh_read_descriptor(cpu, selector, RH_EXC_GP, 0, &desc)) {
        return false;
    }
    rh_descriptor_to_segment(&desc, selector, &now);
    if (!(seg == RH_SS ? may_be_stack(cpu, selector, now.access) : may_be_data(cpu, selector, now.access))) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    if (!(now.access & RH_SEG_P)) {
        return rh_raise_selector(cpu, seg == RH_SS ? RH_EXC_SS : RH_EXC_NP, selector, 0);
    }
    if (!rh_set_accessed(cpu, &desc, &now)) {
        return false;
    }
    cpu->seg[seg] = now;
    return true;
}

bool rh_tcg_load_segment(RhTcgCpu *cpu, unsigned seg, uint16_t selector)
{
    if (!has_rights_checks(cpu)) {
        rh_load_real(cpu, seg, selector);
    } else if (rh_is_null(selector)) {
        if (!load_null(cpu, seg, selector)) {
            return false;
        }
    } else if (!load_described(cpu, seg, selector)) {
        return false;
    }
    rh_tcg_settle(cpu);
    return true;
}

/* LDT and TSS: in the GDT, and of 16 bytes in long mode. */
static bool read_system(RhTcgCpu *cpu, uint16_t selector, RhDescriptor *ret, RhX86Segment *ret_seg)
{
    if (selector & SELECTOR_LDT) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    if (!rh_read_descriptor(cpu, selector, RH_EXC_GP, 0, ret) ||
        (cpu->is_long && !rh_read_descriptor_high(cpu, selector, RH_EXC_GP, 0, ret))) {
        return false;
    }
    rh_descriptor_to_segment(ret, selector, ret_seg);
    return true;
}

/* The upper half holds an address, and no second type. */
static bool is_good_long(const RhTcgCpu *cpu, const RhDescriptor *desc, const RhX86Segment *seg)
{
    return !cpu->is_long || (rh_is_canonical(seg->base) && !(desc->high >> 40 & 0x1f));
}

bool rh_tcg_load_ldt(RhTcgCpu *cpu, uint16_t selector)
{
    RhDescriptor desc;
    RhX86Segment now;

    if (rh_is_null(selector)) {
        cpu->seg[RH_LDTR] = rh_null_segment(selector, 0);
        rh_tcg_settle(cpu);
        return true;
    }
    if (!read_system(cpu, selector, &desc, &now)) {
        return false;
    }
    if ((now.access & (RH_SEG_S | RH_SEG_TYPE)) != RH_TYPE_LDT || !is_good_long(cpu, &desc, &now)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    if (!(now.access & RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_NP, selector, 0);
    }
    cpu->seg[RH_LDTR] = now;
    rh_tcg_settle(cpu);
    return true;
}

bool rh_tcg_load_tr(RhTcgCpu *cpu, uint16_t selector)
{
    RhDescriptor desc;
    RhX86Segment now;
    uint32_t type;

    if (rh_is_null(selector)) {
        return rh_tcg_gp0(cpu);
    }
    if (!read_system(cpu, selector, &desc, &now)) {
        return false;
    }
    type = now.access & (RH_SEG_S | RH_SEG_TYPE);
    if ((type != RH_TYPE_TSS && (cpu->is_long || type != RH_TYPE_TSS16)) || !is_good_long(cpu, &desc, &now)) {
        return rh_raise_selector(cpu, RH_EXC_GP, selector, 0);
    }
    if (!(now.access & RH_SEG_P)) {
        return rh_raise_selector(cpu, RH_EXC_NP, selector, 0);
    }
    if (!rh_set_descriptor_bits(cpu, &desc, RH_TYPE_BUSY, 0)) {
        return false;
    }
    now.access |= RH_TYPE_BUSY;
    cpu->seg[RH_TR] = now;
    rh_tcg_settle(cpu);
    return true;
}

/* --- questions --- */

/* Find what @selector names; *@ret_ok: it is there, and CPL and RPL may know of it. */
static bool ask(RhTcgCpu *cpu, uint16_t selector, RhDescriptor *ret, bool *ret_ok)
{
    uint32_t access;
    unsigned dpl;

    if (!has_rights_checks(cpu)) {
        return rh_tcg_ud(cpu);
    }
    *ret_ok = false;
    if (rh_is_null(selector)) {
        return true;
    }
    if (!rh_find_descriptor(cpu, selector, ret, ret_ok) || !*ret_ok) {
        return !*ret_ok;
    }
    access = rh_descriptor_access(ret);
    dpl = rh_access_dpl(access);
    *ret_ok = (rh_access_is_code(access) && rh_access_is_conforming(access)) ||
              ((selector & 3u) <= dpl && cpu->cpl <= dpl);
    return true;
}

static bool is_one_of(const RhDescriptor *desc, uint32_t types)
{
    return (rh_descriptor_access(desc) & RH_SEG_S) || (types >> rh_descriptor_type(desc) & 1);
}

#define BIT(type) (1u << RH_TYPE_##type)

bool rh_tcg_lar(RhTcgCpu *cpu, uint16_t selector, bool *ret_ok, uint32_t *ret)
{
    uint32_t types = BIT(LDT) | BIT(TSS) | BIT(TSS_BUSY) | BIT(CALL);
    RhDescriptor desc;

    types |= cpu->is_long ? 0 : BIT(TSS16) | BIT(TSS16_BUSY) | BIT(CALL16) | BIT(TASK);
    if (!ask(cpu, selector, &desc, ret_ok)) {
        return false;
    }
    *ret_ok = *ret_ok && is_one_of(&desc, types);
    if (*ret_ok) {
        *ret = (uint32_t)(desc.low >> 32) & 0x00f0ff00u;
    }
    return true;
}

bool rh_tcg_lsl(RhTcgCpu *cpu, uint16_t selector, bool *ret_ok, uint32_t *ret)
{
    uint32_t types = BIT(LDT) | BIT(TSS) | BIT(TSS_BUSY);
    RhDescriptor desc;

    types |= cpu->is_long ? 0 : BIT(TSS16) | BIT(TSS16_BUSY);
    if (!ask(cpu, selector, &desc, ret_ok)) {
        return false;
    }
    *ret_ok = *ret_ok && is_one_of(&desc, types);
    if (*ret_ok) {
        RhX86Segment seg;

        rh_descriptor_to_segment(&desc, selector, &seg);
        *ret = seg.limit;
    }
    return true;
}

bool rh_tcg_verify(RhTcgCpu *cpu, uint16_t selector, bool for_write, bool *ret_ok)
{
    RhDescriptor desc;
    uint32_t access;

    if (!ask(cpu, selector, &desc, ret_ok)) {
        return false;
    }
    if (*ret_ok) {
        access = rh_descriptor_access(&desc);
        *ret_ok = for_write ? rh_access_is_writable_data(access)
                            : (access & RH_SEG_S) && (!rh_access_is_code(access) || (access & RH_TYPE_WRITABLE));
    }
    return true;
}

/* --- I/O permission --- */

/* Where the map of ports begins in the TSS; what redirects interrupts is the 32 bytes below. */
static bool find_io_map(RhTcgCpu *cpu, uint64_t *ret)
{
    const RhX86Segment *tss = &cpu->seg[RH_TR];

    if ((tss->access & RH_SEG_UNUSABLE) || (tss->access & RH_SEG_TYPE) < RH_TYPE_TSS || tss->limit < TSS_MIN_LIMIT) {
        return rh_tcg_gp0(cpu);
    }
    return rh_tcg_load(cpu, RH_TLB_IMPLICIT, tss->base + TSS_IO_BASE, 2, ret);
}

bool rh_tss_redirects(RhTcgCpu *cpu, uint8_t vector, bool *ret)
{
    enum { MAP_BYTES = 32 };
    const RhX86Segment *tss = &cpu->seg[RH_TR];
    uint64_t base;
    uint64_t bits;

    if (!find_io_map(cpu, &base)) {
        return false;
    }
    base += vector / 8;
    if (base < MAP_BYTES || base - MAP_BYTES > tss->limit) {
        return rh_tcg_gp0(cpu);
    }
    if (!rh_tcg_load(cpu, RH_TLB_IMPLICIT, tss->base + base - MAP_BYTES, 1, &bits)) {
        return false;
    }
    *ret = !(bits >> vector % 8 & 1);
    return true;
}

bool rh_tcg_check_io(RhTcgCpu *cpu, uint16_t port, unsigned size)
{
    const RhX86Segment *tss = &cpu->seg[RH_TR];
    uint64_t base;
    uint64_t bits;

    if (!cpu->is_protected || (!cpu->is_v86 && cpu->cpl <= (cpu->rflags & RH_RFLAGS_IOPL) >> 12)) {
        return true;
    }
    if (!find_io_map(cpu, &base)) {
        return false;
    }
    base += port / 8;
    if (base + 1 > tss->limit) {    /* two bytes are read, always: vol. 1 §18.5.2 */
        return rh_tcg_gp0(cpu);
    }
    if (!rh_tcg_load(cpu, RH_TLB_IMPLICIT, tss->base + base, 2, &bits)) {
        return false;
    }
    return !(bits >> port % 8 & rh_bits(size)) || rh_tcg_gp0(cpu);
}
