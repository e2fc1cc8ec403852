/*
 * Descriptors: reading them, and what they make of segment registers.
 * Spec: SDM vol. 3 §3.4 and §3.5. The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

#define SELECTOR_LDT 4u

bool rh_raise_selector(RhTcgCpu *cpu, unsigned vector, uint16_t selector, uint32_t ext)
{
    return rh_tcg_raise(cpu, vector, (selector & 0xfffcu) | ext);
}

/* Where the entry of @selector is, if the table has @len bytes of it. */
static bool locate(const RhTcgCpu *cpu, uint16_t selector, unsigned len, uint64_t *ret)
{
    const RhX86Segment *ldt = &cpu->seg[RH_LDTR];
    uint64_t into = selector & 0xfff8u;
    bool is_local = selector & SELECTOR_LDT;
    uint64_t limit = is_local ? ldt->limit : cpu->gdt.limit;

    if (is_local && ((ldt->access & RH_SEG_UNUSABLE) || !(ldt->access & RH_SEG_P))) {
        return false;
    }
    *ret = (is_local ? ldt->base : cpu->gdt.base) + into;
    return into + len - 1 <= limit;
}

bool rh_find_descriptor(RhTcgCpu *cpu, uint16_t selector, RhDescriptor *ret, bool *ret_found)
{
    ret->high = 0;
    *ret_found = locate(cpu, selector, 8, &ret->at);
    return !*ret_found || rh_tcg_load_inline(cpu, RH_TLB_IMPLICIT, ret->at, 8, &ret->low);
}

bool rh_read_descriptor(RhTcgCpu *cpu, uint16_t selector, unsigned vector, uint32_t ext, RhDescriptor *ret)
{
    bool is_found;

    if (!rh_find_descriptor(cpu, selector, ret, &is_found)) {
        return false;
    }
    return is_found || rh_raise_selector(cpu, vector, selector, ext);
}

bool rh_read_descriptor_high(RhTcgCpu *cpu, uint16_t selector, unsigned vector, uint32_t ext, RhDescriptor *desc)
{
    uint64_t at;

    if (!locate(cpu, selector, 16, &at)) {
        return rh_raise_selector(cpu, vector, selector, ext);
    }
    return rh_tcg_load_inline(cpu, RH_TLB_IMPLICIT, at + 8, 8, &desc->high);
}

bool rh_set_descriptor_bits(RhTcgCpu *cpu, const RhDescriptor *desc, unsigned set, unsigned clear)
{
    uint64_t at = desc->at + 5;
    uint64_t access;
    void *host;

    if (!rh_tcg_host(cpu, RH_TLB_IMPLICIT, at, 1, RH_ACCESS_WRITE, &host)) {
        return false;
    }
    if (host) {
        uint8_t was = __atomic_load_n((uint8_t *)host, __ATOMIC_RELAXED);

        while (!__atomic_compare_exchange_n((uint8_t *)host, &was, (uint8_t)((was | set) & ~clear), false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        }
        return true;
    }
    return rh_tcg_load(cpu, RH_TLB_IMPLICIT, at, 1, &access) &&
           rh_tcg_store(cpu, RH_TLB_IMPLICIT, at, 1, (access | set) & ~(uint64_t)clear);
}

bool rh_set_accessed(RhTcgCpu *cpu, const RhDescriptor *desc, RhX86Segment *seg)
{
    if (seg->access & RH_TYPE_ACCESSED) {
        return true;
    }
    seg->access |= RH_TYPE_ACCESSED;
    return rh_set_descriptor_bits(cpu, desc, RH_TYPE_ACCESSED, 0);
}

void rh_descriptor_to_segment(const RhDescriptor *desc, uint16_t selector, RhX86Segment *ret)
{
    uint64_t low = desc->low;
    uint32_t limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000));

    ret->access = rh_descriptor_access(desc);
    ret->limit = ret->access & RH_SEG_G ? limit << 12 | 0xfff : limit;
    ret->base = (low >> 16 & 0xffffff) | low >> 56 << 24 | desc->high << 32;
    ret->selector = selector;
}

RhX86Segment rh_null_segment(uint16_t selector, unsigned dpl)
{
    return (RhX86Segment){ .selector = selector, .access = RH_SEG_UNUSABLE | dpl << RH_SEG_DPL_SHIFT };
}

RhX86Segment rh_v86_segment(uint16_t selector)
{
    return (RhX86Segment){
        .base = (uint64_t)selector << 4,
        .limit = 0xffff,
        .access = RH_SEG_P | RH_SEG_DPL | RH_SEG_S | RH_TYPE_WRITABLE | RH_TYPE_ACCESSED,
        .selector = selector,
    };
}

void rh_load_real(RhTcgCpu *cpu, unsigned seg, uint16_t selector)
{
    RhX86Segment *ret = &cpu->seg[seg];

    if (cpu->is_v86) {
        *ret = rh_v86_segment(selector);
        return;
    }
    /* Limit and size stay as protected mode has left them: "unreal mode". But a null selector from there is usable here. */
    if (ret->access & RH_SEG_UNUSABLE) {
        *ret = rh_v86_segment(selector);
    }
    ret->selector = selector;
    ret->base = (uint64_t)selector << 4;
    ret->access = (ret->access & (RH_SEG_DB | RH_SEG_G)) | RH_SEG_P | RH_SEG_S | RH_TYPE_WRITABLE | RH_TYPE_ACCESSED;
}

bool rh_segment_holds(const RhX86Segment *seg, uint64_t offset, unsigned len)
{
    uint64_t last = offset + len - 1;
    bool is_code = seg->access & RH_TYPE_CODE;

    if (!is_code && (seg->access & RH_TYPE_CONFORMING)) {       /* expands down */
        return offset > seg->limit && last <= (seg->access & RH_SEG_DB ? UINT32_MAX : 0xffff);
    }
    return last <= seg->limit;
}
