/*
 * Jumps, calls and returns, and every other way out of a block.
 */
#include "target/i386/tcg/translate-private.h"

static void set_rip(RhEmit *e, uint64_t rip)
{
    if (rip == (uint64_t)(int64_t)(int32_t)rip) {
        emit8(e, 0x48);                     /* mov qword [rip], imm32 */
        emit8(e, 0xc7);
        emit_modrm_field(e, 0, FIELD_OF(rip));
        emit32(e, (uint32_t)rip);
        return;
    }
    for (unsigned half = 0; half < 2; half++) {
        emit8(e, 0xc7);
        emit_modrm_field(e, 0, FIELD_OF(rip) + 4 * half);
        emit32(e, (uint32_t)(rip >> 32 * half));
    }
}

static void jump_to_glue(RhEmit *e, const uint8_t *glue)
{
    emit_patch(e, emit_jmp(e), glue);
}

static void leave_at(Work *w, uint64_t rip, RhLeave reason)
{
    emit_mov_imm(w->e, SCRATCH_A, rip);
    jump_to_glue(w->e, w->t->glue->leave[reason]);
}

void tr_leave(Work *w, RhLeave reason)
{
    tr_save_flags(w, RH_FLAGS_STATUS);
    leave_at(w, w->rips[w->now], reason);
}

static bool is_same_page(const Work *w, uint64_t target)
{
    return (target ^ w->t->rip) >> RH_PAGE_BITS == 0;
}

/* A jump leads to its own stub until the other block is known; the stub tells the number of the link. */
static void write_link_stub(Work *w, uint8_t *site, uint64_t target)
{
    RhTranslation *t = w->t;

    if (t->nr_links == RH_BLOCK_LINKS) {
        leave_at(w, target, RH_LEAVE_LOOKUP);
        return;
    }
    t->links[t->nr_links] = (RhLink){ .site = site, .stub = w->e->at };
    emit_mov_imm(w->e, SCRATCH_B, t->first_link + t->nr_links++);
    leave_at(w, target, RH_LEAVE_LINK);
}

static void add_cold(Work *w, ColdKind kind, uint8_t *site, uint64_t rip)
{
    w->cold[w->nr_cold++] = (Cold){ .kind = kind, .site = site, .rip = rip };
}

static void jump_indirect(Work *w)
{
    jump_to_glue(w->e, w->t->glue->jump);
}

/* Kernels lie in global pages of the upper half: such jumps can be linked, too, though to be undone sometimes. */
static bool is_kernel_code(const Work *w, uint64_t target)
{
    return w->t->cpu->tlb_mode != RH_TLB_USER && target >> 63 && w->t->rip >> 63;
}

static bool may_link(const Work *w, uint64_t target)
{
    return is_same_page(w, target) || is_kernel_code(w, target);
}

/* Flags are saved, or dead at the target. */
static void write_exit(Work *w, uint64_t target)
{
    if (target == w->t->rip) {
        emit_patch(w->e, emit_jmp(w->e), w->t->e.start);
    } else if (may_link(w, target)) {
        uint8_t *site = emit_jmp(w->e);

        if (w->e == &w->t->cold) {
            emit_patch(w->e, site, w->e->at);
            write_link_stub(w, site, target);
        } else {
            add_cold(w, COLD_LINK, site, target);
        }
    } else {
        emit_mov_imm(w->e, SCRATCH_A, target);
        jump_indirect(w);
    }
}

static uint64_t truncate_rip(const Work *w, uint64_t rip)
{
    return tr_is_64(w) ? rip : (uint32_t)rip;
}

void tr_exit_to(Work *w, uint64_t target, bool is_live)
{
    tr_save_flags(w, is_live ? RH_FLAGS_STATUS : 0);
    write_exit(w, truncate_rip(w, target));
}

/* --- conditional jumps: out at the side, and on --- */

static void jcc(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    uint64_t target = truncate_rip(w, w->rips[w->now] + insn->len + insn->imm);
    bool is_live = w->is_live_at_target[w->now];
    uint8_t *site;

    tr_restore_flags(w);
    site = emit_jcc(w->e, insn->cond);
    if (target == w->t->rip && !is_live) {
        emit_patch(w->e, site, w->t->e.start);
    } else if (may_link(w, target) && !is_live) {
        add_cold(w, COLD_LINK, site, target);
    } else {
        w->cold[w->nr_cold++] = (Cold){ .kind = COLD_EXIT, .site = site, .rip = target, .must_save = is_live };
    }
}

/* --- the stack --- */

static void move_rsp(Work *w, int by)
{
    emit_mem(w->e, E_LEA, tr_is_64(w), HOST_OF_RSP, HOST_OF_RSP, H_RSP, 0, by);
}

static void push_constant(Work *w, uint64_t value)
{
    RhEmit *e = w->e;
    unsigned size = tr_is_64(w) ? 8 : 4;
    Place place = tr_stack(w, -(int)size, size, true);

    tr_free_scratch(w, &place);
    emit_mov_imm(e, SCRATCH_B, value);
    tr_move(w, E_MOV_STORE, size == 8, SCRATCH_B, &place, 0);
    move_rsp(w, -(int)size);
}

static void call(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    uint64_t next = truncate_rip(w, w->rips[w->now] + insn->len);

    push_constant(w, next);
    tr_exit_to(w, next + insn->imm, w->is_live_at_target[w->now]);
}

/* A target in R10 that is not canonical is #GP of the branch, which then has done nothing: the interpreter's. Flags are saved. */
static void check_target(Work *w)
{
    static const uint8_t is_canonical[] = {
        0x4d, 0x89, 0xd3,               /* mov r11, r10 */
        0x49, 0xc1, 0xfb, 47,           /* sar r11, 47: 0 or -1 */
        0x49, 0xff, 0xc3,               /* inc r11 */
        0x49, 0xd1, 0xeb,               /* shr r11, 1 */
    };

    if (tr_is_64(w)) {
        for (unsigned i = 0; i < sizeof(is_canonical); i++) {
            emit8(w->e, is_canonical[i]);
        }
        add_cold(w, COLD_INTERPRET, emit_jcc(w->e, E_NE), w->rips[w->now]);
    }
}

void tr_return(Work *w)
{
    const RhInsn *insn = tr_insn(w);

    check_target(w);
    move_rsp(w, (tr_is_64(w) ? 8 : 4) + (insn->imm_size ? (uint16_t)insn->imm : 0));
    jump_indirect(w);
}

static void ret(Work *w)
{
    unsigned size = tr_is_64(w) ? 8 : 4;
    Place place = tr_stack(w, 0, size, false);

    tr_move(w, E_MOV, size == 8, SCRATCH_A, &place, 0);
    tr_return(w);
}

/* The target of an indirect jump or call into R10. */
static bool load_target(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    bool is_wide = tr_is_64(w);
    Place place;

    if (insn->has_mem) {
        if (!tr_operand(w, insn, &place)) {
            return false;
        }
        tr_move(w, E_MOV, is_wide, SCRATCH_A, &place, 0);
    } else {
        tr_save_flags(w, RH_FLAGS_STATUS);
        if (tr_host_of[insn->rm] == IN_MEMORY) {
            emit_field(w->e, E_MOV, is_wide, SCRATCH_A, FIELD_GPR(insn->rm));
        } else {
            emit_rr(w->e, E_MOV, is_wide, SCRATCH_A, tr_host_of[insn->rm]);
        }
    }
    return true;
}

static bool jmp_indirect(Work *w)
{
    if (!load_target(w)) {
        return false;
    }
    check_target(w);
    jump_indirect(w);
    return true;
}

static bool call_indirect(Work *w)
{
    uint64_t next = truncate_rip(w, w->rips[w->now] + tr_insn(w)->len);

    if (!load_target(w)) {
        return false;
    }
    check_target(w);
    emit_field(w->e, E_MOV_STORE, true, SCRATCH_A, FIELD_SCRATCH(RH_SCRATCH_VALUE));
    push_constant(w, next);
    emit_field(w->e, E_MOV, true, SCRATCH_A, FIELD_SCRATCH(RH_SCRATCH_VALUE));
    jump_indirect(w);
    return true;
}

/* A relative branch to an address that is not canonical: #GP of the branch, as in check_target. */
static bool leads_astray(const Work *w)
{
    const RhInsn *insn = tr_insn(w);
    bool is_relative = insn->op == RH_OP_JCC || insn->op == RH_OP_JMP || insn->op == RH_OP_CALL;
    uint64_t target = w->rips[w->now] + insn->len + insn->imm;

    return is_relative && tr_is_64(w) && (uint64_t)((int64_t)(target << 16) >> 16) != target;
}

/* Near branches of the mode's own size alone; with 66H in 32-bit code RIP would be cut to 16 bits. */
bool tr_flow(Work *w, bool *ret_ends)
{
    const RhInsn *insn = tr_insn(w);

    if ((!tr_is_64(w) && insn->has_66) || leads_astray(w)) {
        return false;
    }
    *ret_ends = true;
    switch (insn->op) {
    case RH_OP_JCC:      jcc(w); *ret_ends = false; return true;
    case RH_OP_JMP:      tr_exit_to(w, w->rips[w->now] + insn->len + insn->imm, w->is_live_at_target[w->now]); return true;
    case RH_OP_CALL:     call(w); return true;
    case RH_OP_RET:      ret(w); return true;
    case RH_OP_JMP_IND:  return jmp_indirect(w);
    case RH_OP_CALL_IND: return call_indirect(w);
    default:             return false;
    }
}

/* --- out of line --- */

static void write_miss(Work *w, const Cold *cold, const uint8_t *miss)
{
    RhEmit *e = w->e;

    switch (cold->form) {
    case MISS_SUM:      emit_field_indexed(e, E_SUB, true, SCRATCH_A, SCRATCH_B, cold->minus); break;
    case MISS_BASED:    emit_lea(e, true, SCRATCH_A, cold->base, cold->disp); break;
    case MISS_CONSTANT: emit_mov_imm(e, SCRATCH_A, cold->address); break;
    }
    emit_mov_imm(e, SCRATCH_B, cold->info);
    emit_patch(e, emit_call(e), miss);
    emit_patch(e, emit_jmp(e), cold->back);
}

/* mov byte [shadow], 2; mov dword [attention], 1 */
static void write_shadow(Work *w, const Cold *cold)
{
    RhEmit *e = w->e;

    emit8(e, 0xc6);
    emit_modrm_field(e, 0, FIELD_OF(shadow));
    emit8(e, 2);
    emit8(e, 0xc7);
    emit_modrm_field(e, 0, FIELD_OF(attention));
    emit32(e, 1);
    leave_at(w, cold->rip, RH_LEAVE_LOOKUP);
}

/* What all misses of the block share: the page that its instructions are in. */
static const uint8_t *write_miss_tail(Work *w)
{
    const uint8_t *start = w->e->at;

    set_rip(w->e, w->t->rip & ~(uint64_t)(RH_PAGE_SIZE - 1));
    jump_to_glue(w->e, w->t->glue->miss);
    return start;
}

static void write_piece(Work *w, const Cold *cold, const uint8_t *miss)
{
    emit_patch(w->e, cold->site, w->e->at);
    switch (cold->kind) {
    case COLD_MISS:      write_miss(w, cold, miss); break;
    case COLD_SHADOW:    write_shadow(w, cold); break;
    case COLD_INTERPRET: leave_at(w, cold->rip, RH_LEAVE_INTERPRET); break;
    case COLD_LINK:      write_link_stub(w, cold->site, cold->rip); break;
    case COLD_EXIT:
        if (cold->must_save) {
            tr_write_save(w->e);
        }
        write_exit(w, cold->rip);
        break;
    }
}

void tr_write_cold(Work *w, uint8_t *look)
{
    const uint8_t *miss;

    w->e = &w->t->cold;
    w->t->dead = w->e->at;
    emit_patch(w->e, look, w->e->at);
    leave_at(w, w->t->rip, RH_LEAVE_LOOKUP);
    miss = write_miss_tail(w);
    if (w->t->is_span) {
        w->t->bridge = w->e->at;
        emit_mov_imm(w->e, SCRATCH_A, w->t->rip);
        jump_indirect(w);
    }
    for (unsigned i = 0; i < w->nr_cold; i++) {
        write_piece(w, &w->cold[i], miss);
    }
}
