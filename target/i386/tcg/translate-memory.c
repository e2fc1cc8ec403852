/*
 * Memory accesses of translated code: linear addresses and the look into the TLB. docs/engine.md, "Memory", says why
 * an address that passes the check is inside guest memory.
 */
#include "target/i386/tcg/translate-private.h"

G_STATIC_ASSERT(sizeof(RhTlbEntry) == 32);
enum { ENTRY_SHIFT = 5 };

static uint8_t host_or_scratch(Work *w, unsigned guest, unsigned scratch)
{
    if (guest == RH_NO_REG) {
        return H_RSP;                   /* as an index: none */
    }
    if (tr_host_of[guest] != IN_MEMORY) {
        return tr_host_of[guest];
    }
    emit_gs(w->e, E_MOV, true, scratch, GS_GPR(guest));
    return (uint8_t)scratch;
}

static unsigned log2_of(unsigned scale)
{
    return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

/* lea r10, [index * scale + disp32] */
static void lea_without_base(RhEmit *e, bool w, unsigned index, unsigned scale, int32_t disp)
{
    emit_rex(e, w, SCRATCH_A, index, 0, false);
    emit8(e, E_LEA);
    emit8(e, (SCRATCH_A & 7) << 3 | 4);
    emit8(e, (uint8_t)(log2_of(scale) << 6 | (index & 7) << 3 | 5));
    emit32(e, (uint32_t)disp);
}

void tr_address(Work *w, const RhInsn *insn)
{
    RhEmit *e = w->e;
    bool is_wide = insn->addr_size == 8;
    int32_t disp = (int32_t)insn->disp;

    if (insn->base == RH_REG_RIP || (insn->base == RH_NO_REG && insn->index == RH_NO_REG)) {
        uint64_t address = (uint64_t)insn->disp + (insn->base == RH_REG_RIP ? w->rips[w->now] + insn->len : 0);

        emit_mov_imm(e, SCRATCH_A, is_wide ? address : (uint32_t)address);
    } else if (insn->base == RH_NO_REG) {
        lea_without_base(e, is_wide, host_or_scratch(w, insn->index, SCRATCH_B), insn->scale, disp);
    } else {
        unsigned base = host_or_scratch(w, insn->base, SCRATCH_A);
        unsigned index = host_or_scratch(w, insn->index, SCRATCH_B);

        emit_mem(e, E_LEA, is_wide, SCRATCH_A, base, index, log2_of(insn->scale), disp);
    }
    if (insn->segment == RH_FS || insn->segment == RH_GS) {
        emit_gs(e, E_ADD, true, SCRATCH_A, GS_OF(segment_base) + 8 * insn->segment);
    }
}

static void add_cold_miss(Work *w, uint8_t *site, uint8_t *retry, uint32_t info, uint32_t minus)
{
    w->cold[w->nr_cold++] = (Cold){
        .kind = COLD_MISS, .site = site, .back = retry, .rip = w->rips[w->now], .info = info, .minus = minus,
    };
}

void tr_check(Work *w, unsigned size, bool is_write, uint8_t *retry)
{
    RhEmit *e = w->e;
    uint32_t table = GS_OF(tlb) + w->t->cpu->tlb_mode * (uint32_t)sizeof(w->t->cpu->tlb[0]);
    uint32_t minus = table + (is_write ? offsetof(RhTlbEntry, minus_write) : offsetof(RhTlbEntry, minus_read));

    emit_rr(e, E_MOV, false, SCRATCH_B, SCRATCH_A);
    emit_shift_imm(e, E_SHR, false, SCRATCH_B, RH_PAGE_BITS - ENTRY_SHIFT);
    emit_ri(e, E_ANDI, false, SCRATCH_B, (RH_TLB_ENTRIES - 1) << ENTRY_SHIFT);
    emit_gs_indexed(e, E_ADD, true, SCRATCH_A, SCRATCH_B, minus);
    emit_ri(e, E_CMPI, true, SCRATCH_A, (int32_t)(RH_PAGE_SIZE - size));
    add_cold_miss(w, emit_jcc(e, E_A), retry, size | (is_write ? RH_MISS_WRITE : 0), minus);
    emit_gs_indexed(e, E_MOV, true, SCRATCH_B, SCRATCH_B, table + offsetof(RhTlbEntry, host));
}

void tr_operand(Work *w, const RhInsn *insn)
{
    uint8_t *retry;

    tr_save_flags(w, w->live_before[w->now]);
    retry = w->e->at;
    tr_address(w, insn);
    tr_check(w, insn->mem_size, insn->traits & RH_INSN_WRITES_MEM, retry);
}

void tr_stack(Work *w, int offset, unsigned size, bool is_write)
{
    uint8_t *retry;

    tr_save_flags(w, w->live_before[w->now]);
    retry = w->e->at;
    emit_mem(w->e, E_LEA, tr_is_64(w), SCRATCH_A, HOST_OF_RSP, H_RSP, 0, offset);
    tr_check(w, size, is_write, retry);
}
