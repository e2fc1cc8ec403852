/*
 * Debug exceptions: breakpoints in DR0 to DR3, single steps.
 *
 * Data breakpoints: a page that one of them watches never is in the TLB for data (rh_debug_watches), so each access to it comes to
 * mmu.c, which tells us. DR6 changes when the exception is delivered: what is due until then waits in pending_dr6.
 *
 * Spec: SDM vol. 3 chapter 17. The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

#define SHADOW_MOV_SS 1u        /* holds back #DB for one instruction, SDM vol. 3 §6.8.3 */


typedef enum Kind { ON_FETCH = 0, ON_WRITE = 1, ON_IO = 2, ON_ACCESS = 3 } Kind;

static bool is_enabled(const RhTcgCpu *cpu, unsigned nr)
{
    return cpu->dr7 >> (nr * 2) & 3;
}

static Kind kind_of(const RhTcgCpu *cpu, unsigned nr)
{
    return (Kind)(cpu->dr7 >> (16 + nr * 4) & 3);
}

/* Bytes that LENn names, SDM vol. 3 §17.2.4; addresses are aligned to it. */
static unsigned length_of(const RhTcgCpu *cpu, unsigned nr)
{
    static const uint8_t lengths[] = { 1, 2, 8, 4 };

    return lengths[cpu->dr7 >> (18 + nr * 4) & 3];
}

static bool overlaps(const RhTcgCpu *cpu, unsigned nr, uint64_t at, unsigned size)
{
    unsigned len = length_of(cpu, nr);
    uint64_t start = cpu->dr[nr] & ~(uint64_t)(len - 1);

    return start - at < size || at - start < len;
}

static bool is_data(const RhTcgCpu *cpu, unsigned nr)
{
    return is_enabled(cpu, nr) && (kind_of(cpu, nr) == ON_WRITE || kind_of(cpu, nr) == ON_ACCESS);
}

bool rh_debug_watches(const RhTcgCpu *cpu, uint64_t page)
{
    for (unsigned i = 0; i < 4; i++) {
        if (is_data(cpu, i) && (cpu->dr[i] ^ page) >> RH_PAGE_BITS == 0) {
            return true;
        }
    }
    return false;
}

void rh_tcg_settle_debug(RhTcgCpu *cpu)
{
    bool has_data = false;

    cpu->has_code_breakpoints = false;
    for (unsigned i = 0; i < 4; i++) {
        has_data |= is_data(cpu, i);
        cpu->has_code_breakpoints |= is_enabled(cpu, i) && kind_of(cpu, i) == ON_FETCH;
    }
    /* Entries of pages that are watched now have to go; those of pages that were come back by themselves. */
    if (has_data) {
        rh_tlb_flush(cpu, false);
    }
}

bool rh_tcg_check_code_breakpoint(RhTcgCpu *cpu, uint64_t linear)
{
    uint64_t hits = 0;

    if (!cpu->has_code_breakpoints || (cpu->rflags & RH_RFLAGS_RF)) {
        return true;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (is_enabled(cpu, i) && kind_of(cpu, i) == ON_FETCH && cpu->dr[i] == linear) {
            hits |= 1u << i;
        }
    }
    if (!hits) {
        return true;
    }
    cpu->fault = (RhFault){ .vector = RH_EXC_DB, .dr6 = hits };
    return false;
}

void rh_debug_pend(RhTcgCpu *cpu, uint64_t dr6)
{
    cpu->pending_dr6 |= dr6;
    cpu->attention = 1;
}

void rh_tcg_note_data_access(RhTcgCpu *cpu, uint64_t linear, unsigned size, bool is_write)
{
    for (unsigned i = 0; i < 4; i++) {
        if (is_data(cpu, i) && (is_write || kind_of(cpu, i) == ON_ACCESS) && overlaps(cpu, i, linear, size)) {
            rh_debug_pend(cpu, 1u << i);
        }
    }
}

void rh_tcg_note_io_access(RhTcgCpu *cpu, uint16_t port, unsigned size)
{
    for (unsigned i = 0; i < 4; i++) {
        if ((cpu->cr4 & RH_CR4_DE) && is_enabled(cpu, i) && kind_of(cpu, i) == ON_IO && overlaps(cpu, i, port, size)) {
            rh_debug_pend(cpu, 1u << i);
        }
    }
}

bool rh_tcg_check_traps(RhTcgCpu *cpu)
{
    if (!cpu->pending_dr6) {
        return !rh_tcg_awaits_virtual(cpu) || rh_tcg_gp0(cpu);
    }
    if (cpu->shadow & SHADOW_MOV_SS) {
        cpu->attention = 1;
        return true;
    }
    cpu->fault = (RhFault){ .vector = RH_EXC_DB, .is_trap = true, .dr6 = cpu->pending_dr6 };
    cpu->pending_dr6 = 0;
    return false;
}
