/*
 * The code between C and translated blocks, written once for each vCPU.
 *
 * In translated code RSP is a multiple of 16, so that what it calls may call C. Guest registers that C keeps for us (RBX, RBP,
 * R12 to R15) are saved to the CPU all the same on the way out: an exception needs them there.
 */
#include "accel/tcg/jit.h"

#define FIELD_OF(field) ((uint32_t)offsetof(RhTcgCpu, field))

/* Which guest register each host register holds, where any. */
static const struct {
    uint8_t host, guest;
} held[] = {
    { H_RAX, RH_RAX }, { H_RCX, RH_RCX }, { H_RDX, RH_RDX }, { H_RSI, RH_RSI }, { H_RDI, RH_RDI }, { H_R8, RH_R8 },
    { H_R9, RH_RSP },
    /* C does not change these */
    { H_RBX, RH_RBX }, { H_RBP, RH_RBP }, { H_R12, RH_R12 }, { H_R13, RH_R13 }, { H_R14, RH_R14 }, { H_R15, RH_R15 },
};
enum { NR_CHANGED_BY_C = 7 };
static const uint8_t kept[] = { H_RBX, H_RBP, H_R12, H_R13, H_R14, H_R15 };

static void load_guest(RhEmit *e, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        emit_field(e, E_MOV, true, held[i].host, FIELD_OF(gpr) + 8 * held[i].guest);
    }
}

static void store_guest(RhEmit *e)
{
    for (unsigned i = 0; i < RH_COUNT(held); i++) {
        emit_field(e, E_MOV_STORE, true, held[i].host, FIELD_OF(gpr) + 8 * held[i].guest);
    }
}

static void push_reg(RhEmit *e, unsigned reg)
{
    emit_rex(e, false, 0, 0, reg, false);
    emit8(e, (uint8_t)(0x50 | (reg & 7)));
}

static void pop_reg(RhEmit *e, unsigned reg)
{
    emit_rex(e, false, 0, 0, reg, false);
    emit8(e, (uint8_t)(0x58 | (reg & 7)));
}

/* uint32_t enter(const void *code) */
static void write_enter(RhEmit *e)
{
    for (unsigned i = 0; i < RH_COUNT(kept); i++) {
        push_reg(e, kept[i]);
    }
    emit_ri(e, E_SUBI, true, H_RSP, 8);
    emit_rr(e, E_MOV, true, H_R10, H_RDI);
    load_guest(e, RH_COUNT(held));
    emit8(e, 0x41);                         /* jmp r10 */
    emit8(e, 0xff);
    emit8(e, 0xe2);
}

/* EAX is what enter() returns. */
static void write_return(RhEmit *e)
{
    emit_ri(e, E_ADDI, true, H_RSP, 8);
    for (unsigned i = RH_COUNT(kept); i-- > 0;) {
        pop_reg(e, kept[i]);
    }
    emit8(e, 0xc3);
}

/* Entries for each reason, which all come together. */
static void write_leave(RhEmit *e, RhGlue *glue)
{
    uint8_t *together[RH_NR_LEAVES];

    for (unsigned i = 0; i < RH_NR_LEAVES; i++) {
        glue->leave[i] = e->at;
        if (i == RH_LEAVE_LINK) {
            emit_field(e, E_MOV_STORE, true, H_R11, FIELD_OF(scratch[RH_SCRATCH_LINK]));
        }
        emit_mov_imm(e, H_R11, i);
        together[i] = emit_jmp(e);
    }
    for (unsigned i = 0; i < RH_NR_LEAVES; i++) {
        emit_patch(e, together[i], e->at);
    }
    emit_field(e, E_MOV_STORE, true, H_R10, FIELD_OF(rip));
    store_guest(e);
    emit_rr(e, E_MOV, false, H_RAX, H_R11);
    write_return(e);
}

static void write_miss(RhEmit *e)
{
    uint8_t *out;

    store_guest(e);
    emit_mov_imm(e, H_RDI, e->cpu);
    emit_rr(e, E_MOV, true, H_RSI, H_R10);
    emit_rr(e, E_MOV, false, H_RDX, H_R11);
    emit_ri(e, E_SUBI, true, H_RSP, 8);
    emit_mov_imm(e, H_RAX, (uint64_t)(uintptr_t)rh_jit_miss);
    emit8(e, 0xff);                         /* call rax */
    emit8(e, 0xd0);
    emit_ri(e, E_ADDI, true, H_RSP, 8);
    emit8(e, 0x85);                         /* test eax, eax */
    emit8(e, 0xc0);
    out = emit_jcc(e, E_NE);
    load_guest(e, NR_CHANGED_BY_C);
    emit8(e, 0xc3);
    emit_patch(e, out, e->at);
    emit_ri(e, E_ADDI, true, H_RSP, 8);     /* not back to the block */
    write_return(e);
}

enum { JUMP_SHIFT = 4 };
G_STATIC_ASSERT(sizeof(RhJump) == 1 << JUMP_SHIFT);

static void write_jump(RhEmit *e, const uint8_t *leave, const uint8_t *code)
{
    uint8_t *other_rip, *other_key, *is_lower;

    emit_rr(e, E_MOV, false, H_R11, H_R10);
    emit_shift_imm(e, E_SHR, false, H_R11, RH_PAGE_BITS);
    emit_rr(e, E_XOR, false, H_R11, H_R10);
    emit_ri(e, E_ANDI, false, H_R11, RH_JUMPS - 1);         /* rh_jump_index */
    emit_shift_imm(e, E_SHL, false, H_R11, JUMP_SHIFT);
    emit_field_indexed(e, E_CMP, true, H_R10, H_R11, FIELD_OF(jumps) + offsetof(RhJump, rip));
    other_rip = emit_jcc(e, E_NE);
    emit_field_indexed(e, E_MOV, false, H_R10, H_R11, FIELD_OF(jumps) + offsetof(RhJump, key));
    emit_field(e, E_CMP, false, H_R10, FIELD_OF(jump_key[0]));      /* of either half: no two have had the same */
    is_lower = emit_jcc(e, E_E);
    emit_field(e, E_CMP, false, H_R10, FIELD_OF(jump_key[1]));
    other_key = emit_jcc(e, E_NE);
    emit_patch(e, is_lower, e->at);
    emit_field_indexed(e, E_MOV, false, H_R11, H_R11, FIELD_OF(jumps) + offsetof(RhJump, code));
    emit_mov_imm(e, H_R10, (uint64_t)(uintptr_t)code);
    emit_rr(e, E_ADD, true, H_R11, H_R10);
    emit8(e, 0x41);                         /* jmp r11 */
    emit8(e, 0xff);
    emit8(e, 0xe3);
    emit_patch(e, other_key, e->at);
    emit_field_indexed(e, E_MOV, true, H_R10, H_R11, FIELD_OF(jumps) + offsetof(RhJump, rip));
    emit_patch(e, other_rip, e->at);
    emit_patch(e, emit_jmp(e), leave);
}

static void align(RhEmit *e)
{
    while ((uintptr_t)e->at % 16) {
        emit8(e, 0xcc);
    }
}

size_t rh_jit_write_glue(RhTcgJit *jit)
{
    uint8_t *start = jit->code;
    RhEmit e = { .start = start, .at = start, .end = start + RH_GLUE_ROOM, .cpu = (uint32_t)(uintptr_t)jit->cpu };

    write_enter(&e);
    align(&e);
    write_leave(&e, &jit->glue);
    align(&e);
    jit->glue.miss = e.at;
    write_miss(&e);
    align(&e);
    jit->glue.jump = e.at;
    write_jump(&e, jit->glue.leave[RH_LEAVE_LOOKUP], jit->exec);
    jit->enter = (uint32_t (*)(const void *))(uintptr_t)jit->exec;
    return (size_t)(e.at - start);
}
