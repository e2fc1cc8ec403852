/*
 * Status flags in translated code: where they are, and which of them anything will read.
 *
 * Invariants:
 * 1. w->flags == FLAGS_IN_HOST: the host's flags hold all six status flags of the guest, as far as they are live.
 * 2. w->flags == FLAGS_SAVED: cpu->scratch[RH_SCRATCH_FLAGS] does, as far as they are live.
 * 3. At the entry of a block they are saved; at each exit they are saved, or dead at the target.
 */
#include "target/i386/tcg/translate-private.h"

enum { LOOK_AHEAD = 8 };

static uint16_t reads(const Work *w, const RhInsn *insn)
{
    return w->t->exact_flags && tr_may_fault(insn) ? RH_FLAGS_STATUS : insn->flags_read;
}

/*
 * What an instruction overwrites for certain: those that it also reads may survive (shifts by CL), and CPUs leave alone what is
 * undefined after DIV and BT.
 */
static uint16_t overwrites(const RhInsn *insn)
{
    switch (insn->op) {
    case RH_OP_DIV: case RH_OP_IDIV:
        return 0;
    case RH_OP_BT: case RH_OP_BTS: case RH_OP_BTR: case RH_OP_BTC:
        return RH_FLAG_CF;
    default:
        return insn->flags_written & ~insn->flags_read;
    }
}

static bool is_branch(const RhInsn *insn)
{
    return insn->op == RH_OP_JCC || insn->op == RH_OP_JMP || insn->op == RH_OP_CALL;
}

/* Whether code at @rip may read status flags before it overwrites them; what is not in the block's page may. */
static bool flags_live_at(const Work *w, uint64_t rip)
{
    const RhTranslation *t = w->t;
    uint64_t page = t->rip & ~(uint64_t)(RH_PAGE_SIZE - 1);
    const uint8_t *bytes = t->bytes - (t->rip - page);
    uint16_t undecided = RH_FLAGS_STATUS;

    for (unsigned i = 0; i < LOOK_AHEAD && !t->is_span; i++) {
        uint64_t at = rip - page;
        RhInsn insn;

        if (at >= RH_PAGE_SIZE || at >= (uint64_t)(t->rip - page) + t->nr_bytes ||
            rh_decode(bytes + at, (unsigned)MIN(RH_PAGE_SIZE - at, RH_INSN_MAX), t->cpu->code_size, &insn) != RH_DECODE_OK ||
            insn.op == RH_OP_INVALID || (reads(w, &insn) & undecided)) {
            return true;
        }
        undecided &= ~overwrites(&insn);
        if (!undecided) {
            return false;
        }
        if (insn.op == RH_OP_JMP) {
            rip += insn.len + insn.imm;
        } else if (insn.traits & RH_INSN_ENDS_BLOCK) {
            return true;
        } else {
            rip += insn.len;
        }
    }
    return true;
}

void tr_find_live_flags(Work *w)
{
    uint16_t live = RH_FLAGS_STATUS;        /* behind the block; exits look themselves */

    w->live_before[w->nr] = live;
    for (unsigned i = w->nr; i-- > 0;) {
        const RhInsn *insn = &w->insns[i];

        w->is_live_at_target[i] = !is_branch(insn) || flags_live_at(w, w->rips[i + 1] + insn->imm);
        if (insn->op == RH_OP_JCC && !w->is_live_at_target[i]) {
            live |= insn->flags_read;
        } else if ((insn->traits & RH_INSN_ENDS_BLOCK) && (i + 1 == w->nr || insn->op == RH_OP_JCC)) {
            live = w->is_live_at_target[i] ? RH_FLAGS_STATUS : reads(w, insn);
        } else {
            live = (live & ~overwrites(insn)) | reads(w, insn);
        }
        w->live_before[i] = live;
    }
}

void tr_write_save(RhEmit *e)
{
    emit_rr(e, E_MOV, true, SCRATCH_A, H_RAX);
    emit8(e, 0x9f);                             /* lahf */
    emit8(e, 0x0f);                             /* seto al */
    emit8(e, 0x90);
    emit8(e, 0xc0);
    emit8(e, 0x66);                             /* mov [flags], ax */
    emit8(e, E_MOV_STORE);
    emit_modrm_field(e, H_RAX, FIELD_SCRATCH(RH_SCRATCH_FLAGS));
    emit_rr(e, E_MOV, true, H_RAX, SCRATCH_A);
}

void tr_save_flags(Work *w, uint16_t live)
{
    if (w->flags == FLAGS_IN_HOST) {
        if (live) {
            tr_write_save(w->e);
        }
        w->flags = FLAGS_SAVED;
    }
}

void tr_restore_flags(Work *w)
{
    RhEmit *e = w->e;

    if (w->flags == FLAGS_IN_HOST) {
        return;
    }
    emit_field(e, E_MOV_STORE, true, H_RAX, FIELD_SCRATCH(RH_SCRATCH_RAX));   /* R10 and R11 may hold an address */
    emit_movzx_field16(e, H_RAX, FIELD_SCRATCH(RH_SCRATCH_FLAGS));      /* as wide as the store, which then is forwarded */
    emit8(e, 0x04);                             /* add al, 127: overflows when AL is 1 */
    emit8(e, 127);
    emit8(e, 0x9e);                             /* sahf: leaves OF alone */
    emit_field(e, E_MOV, true, H_RAX, FIELD_SCRATCH(RH_SCRATCH_RAX));
    w->flags = FLAGS_IN_HOST;
}

void tr_before_op(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    uint16_t survivors = insn->flags_written ? w->live_before[w->now + 1] & ~overwrites(insn) : 0;

    if (insn->flags_read | survivors) {
        tr_restore_flags(w);
    }
}

void tr_after_op(Work *w)
{
    if (tr_insn(w)->flags_written) {
        w->flags = FLAGS_IN_HOST;
    }
}
