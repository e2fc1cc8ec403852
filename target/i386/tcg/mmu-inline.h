/*
 * Loads and stores that hit the TLB, inline; the rest is mmu.c's.
 */
#ifndef RH_TARGET_I386_TCG_MMU_INLINE_H
#define RH_TARGET_I386_TCG_MMU_INLINE_H

#include "target/i386/tcg/cpu.h"

/* Guest memory at any alignment: one host instruction each, so as atomic as the guest's own access is on a CPU. */
typedef uint16_t RhAny16 __attribute__((aligned(1), may_alias));
typedef uint32_t RhAny32 __attribute__((aligned(1), may_alias));
typedef uint64_t RhAny64 __attribute__((aligned(1), may_alias));

static inline uint64_t rh_host_load(const uint8_t *host, unsigned size)
{
    switch (size) {
    case 1:  return *(const volatile uint8_t *)host;
    case 2:  return *(const volatile RhAny16 *)host;
    case 4:  return *(const volatile RhAny32 *)host;
    default: return *(const volatile RhAny64 *)host;
    }
}

static inline void rh_host_store(uint8_t *host, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:  *(volatile uint8_t *)host = (uint8_t)value; break;
    case 2:  *(volatile RhAny16 *)host = (uint16_t)value; break;
    case 4:  *(volatile RhAny32 *)host = (uint32_t)value; break;
    default: *(volatile RhAny64 *)host = value; break;
    }
}

/** rh_tlb_hit - host address of [@at, @at + @len) for reading or writing, or NULL: not in the TLB */
static inline uint8_t *rh_tlb_hit(const RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, bool for_write)
{
    const RhTlbEntry *entry = &cpu->tlb[mode][rh_tlb_index(at)];
    uint64_t into = at + (for_write ? entry->minus_write : entry->minus_read);

    return into <= RH_PAGE_SIZE - len ? entry->host + into : NULL;
}

/** rh_tcg_load_inline/store_inline - rh_tcg_load and rh_tcg_store for who calls them often */
static inline bool rh_tcg_load_inline(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t *ret)
{
    const uint8_t *host = rh_tlb_hit(cpu, mode, at, size, false);

    if (host) {
        *ret = rh_host_load(host, size);
        return true;
    }
    return rh_tcg_load(cpu, mode, at, size, ret);
}

static inline bool rh_tcg_store_inline(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t value)
{
    uint8_t *host = rh_tlb_hit(cpu, mode, at, size, true);

    if (host) {
        rh_host_store(host, size, value);
        return true;
    }
    return rh_tcg_store(cpu, mode, at, size, value);
}

/** rh_tcg_linear_inline - rh_tcg_linear where there is nothing to check, which is nearly always */
static inline bool rh_tcg_linear_inline(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, RhAccess access,
                                        uint64_t *ret)
{
    if (cpu->is_64) {
        uint64_t at = offset + (seg >= RH_FS ? cpu->seg[seg].base : 0);

        /* Canonical, and not within any @len of the lower half's end */
        if (at + (UINT64_C(1) << 47) < (UINT64_C(1) << 48) - 4096) {
            *ret = at;
            return true;
        }
    }
    return rh_tcg_linear(cpu, seg, offset, len, access, ret);
}

#endif
