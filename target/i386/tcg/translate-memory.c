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
    emit_field(w->e, E_MOV, true, scratch, FIELD_GPR(guest));
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
        emit_field(e, E_ADD, true, SCRATCH_A, FIELD_OF(segment_base) + 8 * insn->segment);
    }
}

/* --- the look into the TLB: three forms, by what is known of the address --- */

static uint32_t tlb_field(const Work *w, uint64_t index, size_t field)
{
    return FIELD_OF(tlb) + w->t->cpu->tlb_mode * (uint32_t)sizeof(w->t->cpu->tlb[0]) +
           (uint32_t)(index * sizeof(RhTlbEntry) + field);
}

static size_t minus_field(bool is_write)
{
    return is_write ? offsetof(RhTlbEntry, minus_write) : offsetof(RhTlbEntry, minus_read);
}

static Cold *add_miss(Work *w, uint8_t *site, uint8_t *retry, unsigned size, bool is_write)
{
    Cold *cold = &w->cold[w->nr_cold++];

    *cold = (Cold){ .kind = COLD_MISS, .site = site, .back = retry, .rip = w->rips[w->now],
                    .info = size | (is_write ? RH_MISS_WRITE : 0) |
                            (uint32_t)(w->rips[w->now] % RH_PAGE_SIZE) << RH_MISS_RIP_SHIFT };
    return cold;
}

static void make_index(RhEmit *e, unsigned reg)
{
    emit_shift_imm(e, E_SHR, false, reg, RH_PAGE_BITS - ENTRY_SHIFT);
    emit_ri(e, E_ANDI, false, reg, (RH_TLB_ENTRIES - 1) << ENTRY_SHIFT);
}

Place tr_check(Work *w, unsigned size, bool is_write, uint8_t *retry)
{
    RhEmit *e = w->e;
    uint32_t minus = tlb_field(w, 0, minus_field(is_write));
    Cold *cold;

    emit_rr(e, E_MOV, false, SCRATCH_B, SCRATCH_A);
    make_index(e, SCRATCH_B);
    emit_field_indexed(e, E_ADD, true, SCRATCH_A, SCRATCH_B, minus);
    emit_ri(e, E_CMPI, true, SCRATCH_A, (int32_t)(RH_PAGE_SIZE - size));
    cold = add_miss(w, emit_jcc(e, E_A), retry, size, is_write);
    cold->form = MISS_SUM;
    cold->minus = minus;
    emit_field_indexed(e, E_MOV, true, SCRATCH_B, SCRATCH_B, tlb_field(w, 0, offsetof(RhTlbEntry, host)));
    return (Place){ SCRATCH_A, SCRATCH_B, 0 };
}

/*
 * The guest's own base register stays in the operand, and the entry's addend becomes its index. What decides how fast a chain of
 * pointers is followed is the way from the base to the addend; the check is beside it.
 */
static Place check_based(Work *w, unsigned base, int32_t disp, unsigned size, bool is_write)
{
    RhEmit *e = w->e;
    uint8_t *retry = e->at;
    Cold *cold;

    emit_lea(e, false, SCRATCH_A, base, disp);
    make_index(e, SCRATCH_A);
    emit_lea(e, true, SCRATCH_B, base, disp);
    emit_field_indexed(e, E_ADD, true, SCRATCH_B, SCRATCH_A, tlb_field(w, 0, minus_field(is_write)));
    emit_ri(e, E_CMPI, true, SCRATCH_B, (int32_t)(RH_PAGE_SIZE - size));
    cold = add_miss(w, emit_jcc(e, E_A), retry, size, is_write);
    cold->form = MISS_BASED;
    cold->base = (uint8_t)base;
    cold->disp = disp;
    emit_field_indexed(e, E_MOV, true, SCRATCH_A, SCRATCH_A, tlb_field(w, 0, offsetof(RhTlbEntry, addend)));
    return (Place){ (uint8_t)base, SCRATCH_A, disp };
}

/* The entry is known, and that it is the page's is one comparison. */
static bool check_constant(Work *w, uint64_t address, unsigned size, bool is_write, Place *ret)
{
    RhEmit *e = w->e;
    uint8_t *retry = e->at;
    uint64_t into = address & (RH_PAGE_SIZE - 1);
    uint64_t minus = -(address - into);
    uint32_t field = tlb_field(w, rh_tlb_index(address), minus_field(is_write));
    Cold *cold;

    if (into + size > RH_PAGE_SIZE) {
        return false;
    }
    if (minus == (uint64_t)(int64_t)(int32_t)minus) {
        emit_cmp_field_imm(e, field, (int32_t)minus);
    } else {
        emit_mov_imm(e, SCRATCH_B, minus);
        emit_field(e, E_CMP, true, SCRATCH_B, field);
    }
    cold = add_miss(w, emit_jcc(e, E_NE), retry, size, is_write);
    cold->form = MISS_CONSTANT;
    cold->address = address;
    emit_field(e, E_MOV, true, SCRATCH_A, tlb_field(w, rh_tlb_index(address), offsetof(RhTlbEntry, host)));
    *ret = (Place){ SCRATCH_A, H_RSP, (int32_t)into };
    return true;
}

/* --- operands --- */

static bool has_constant_address(const Work *w, const RhInsn *insn, uint64_t *ret)
{
    bool is_relative = insn->base == RH_REG_RIP;

    if (insn->segment == RH_FS || insn->segment == RH_GS || insn->index != RH_NO_REG ||
        !(is_relative || insn->base == RH_NO_REG)) {
        return false;
    }
    *ret = (uint64_t)insn->disp + (is_relative ? w->rips[w->now] + insn->len : 0);
    if (insn->addr_size != 8) {
        *ret = (uint32_t)*ret;
    }
    return true;
}

/* Room for offsets into the operand is left in the displacement. */
static bool is_based(const RhInsn *insn)
{
    enum { MAX_DISP = INT32_MAX - RH_PAGE_SIZE };

    return insn->addr_size == 8 && insn->segment != RH_FS && insn->segment != RH_GS && insn->index == RH_NO_REG &&
           insn->base < 16 && tr_host_of[insn->base] != IN_MEMORY && (int64_t)insn->disp <= MAX_DISP;
}

bool tr_operand(Work *w, const RhInsn *insn, Place *ret)
{
    bool is_write = insn->traits & RH_INSN_WRITES_MEM;
    uint64_t address;
    uint8_t *retry;

    tr_save_flags(w, w->live_before[w->now]);
    if (has_constant_address(w, insn, &address)) {
        return check_constant(w, address, insn->mem_size, is_write, ret);
    }
    if (is_based(insn)) {
        *ret = check_based(w, tr_host_of[insn->base], (int32_t)insn->disp, insn->mem_size, is_write);
        return true;
    }
    retry = w->e->at;
    tr_address(w, insn);
    *ret = tr_check(w, insn->mem_size, is_write, retry);
    return true;
}

Place tr_based(Work *w, unsigned base, int offset, unsigned size, bool is_write)
{
    uint8_t *retry;

    tr_save_flags(w, w->live_before[w->now]);
    if (tr_is_64(w)) {
        return check_based(w, base, offset, size, is_write);
    }
    retry = w->e->at;
    emit_lea(w->e, false, SCRATCH_A, base, offset);     /* addresses end at 4 GiB */
    return tr_check(w, size, is_write, retry);
}

Place tr_stack(Work *w, int offset, unsigned size, bool is_write)
{
    return tr_based(w, HOST_OF_RSP, offset, size, is_write);
}

void tr_free_scratch(Work *w, Place *place)
{
    if (place->index == SCRATCH_B) {
        emit_mem(w->e, E_LEA, true, SCRATCH_A, place->base, place->index, 0, place->disp);
        *place = (Place){ SCRATCH_A, H_RSP, 0 };
    }
}

void tr_move(Work *w, uint8_t op, bool is_wide, unsigned reg, const Place *place, int offset)
{
    emit_mem(w->e, op, is_wide, reg, place->base, place->index, 0, place->disp + offset);
}
