/*
 * Writing host instructions: the few that the translator makes up itself. Guest instructions are written anew by reencode.c.
 * Nothing is written beyond end: overflow is set instead, and the caller starts over with more room.
 */
#ifndef RH_TARGET_I386_TCG_EMIT_H
#define RH_TARGET_I386_TCG_EMIT_H

#include "util/core.h"

typedef struct RhEmit {
    uint8_t *start, *at, *end;      /* writable view */
    uint32_t cpu;                   /* address of the RhTcgCpu whose fields are operands: rh_tcg_cpu_new sees that it is so low */
    bool has_overflowed;
} RhEmit;

/** Host registers by number */
enum { H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI, H_R8, H_R9, H_R10, H_R11, H_R12, H_R13, H_R14, H_R15 };

/** Opcodes of two-operand arithmetic, "op reg, rm" */
enum { E_ADD = 0x03, E_OR = 0x0b, E_AND = 0x23, E_SUB = 0x2b, E_XOR = 0x33, E_CMP = 0x3b, E_MOV = 0x8b, E_LEA = 0x8d, E_MOV_STORE = 0x89 };
/** /r of group 1 with an immediate */
enum { E_ADDI = 0, E_ORI = 1, E_ANDI = 4, E_SUBI = 5, E_XORI = 6, E_CMPI = 7 };
/** Condition codes */
enum { E_O = 0, E_B = 2, E_AE = 3, E_E = 4, E_NE = 5, E_BE = 6, E_A = 7 };

static inline void emit8(RhEmit *e, uint8_t byte)
{
    if (G_LIKELY(e->at < e->end)) {
        *e->at++ = byte;
    } else {
        e->has_overflowed = true;
    }
}

static inline void emit16(RhEmit *e, uint16_t value)
{
    emit8(e, (uint8_t)value);
    emit8(e, (uint8_t)(value >> 8));
}

static inline void emit32(RhEmit *e, uint32_t value)
{
    emit16(e, (uint16_t)value);
    emit16(e, (uint16_t)(value >> 16));
}

static inline void emit64(RhEmit *e, uint64_t value)
{
    emit32(e, (uint32_t)value);
    emit32(e, (uint32_t)(value >> 32));
}

static inline void emit_rex(RhEmit *e, bool w, unsigned reg, unsigned index, unsigned base, bool is_forced)
{
    unsigned rex = (w ? 8u : 0) | (reg & 8) >> 1 | (index & 8) >> 2 | (base & 8) >> 3;

    if (rex || is_forced) {
        emit8(e, (uint8_t)(0x40 | rex));
    }
}

/** emit_modrm_field - operand [cpu + field]; REX is written already. An address of 32 bits: below 2 GiB. */
static inline void emit_modrm_field(RhEmit *e, unsigned reg, uint32_t field)
{
    emit8(e, (uint8_t)((reg & 7) << 3 | 4));
    emit8(e, 0x25);
    emit32(e, e->cpu + field);
}

/** emit_field - "op reg, [cpu + field]" of 32 or 64 bits (stores: E_MOV_STORE) */
static inline void emit_field(RhEmit *e, uint8_t op, bool w, unsigned reg, uint32_t field)
{
    emit_rex(e, w, reg, 0, 0, false);
    emit8(e, op);
    emit_modrm_field(e, reg, field);
}

/** emit_movzx_field16 - "movzx reg, word [cpu + field]" */
static inline void emit_movzx_field16(RhEmit *e, unsigned reg, uint32_t field)
{
    emit_rex(e, false, reg, 0, 0, false);
    emit8(e, 0x0f);
    emit8(e, 0xb7);
    emit_modrm_field(e, reg, field);
}

/** emit_field_indexed - "op reg, [cpu + index + field]"; @index is not RSP */
static inline void emit_field_indexed(RhEmit *e, uint8_t op, bool w, unsigned reg, unsigned index, uint32_t field)
{
    emit_rex(e, w, reg, 0, index, false);
    emit8(e, op);
    emit8(e, (uint8_t)(0x80 | (reg & 7) << 3 | (index & 7)));
    if ((index & 7) == 4) {
        emit8(e, 0x24);
    }
    emit32(e, e->cpu + field);
}

/** emit_rr - "op reg, rm" between registers */
static inline void emit_rr(RhEmit *e, uint8_t op, bool w, unsigned reg, unsigned rm)
{
    emit_rex(e, w, reg, 0, rm, false);
    emit8(e, op);
    emit8(e, (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)));
}

/** emit_ri - group 1: "op rm, imm32" */
static inline void emit_ri(RhEmit *e, unsigned group, bool w, unsigned rm, int32_t imm)
{
    emit_rex(e, w, 0, 0, rm, false);
    if (imm == (int8_t)imm) {
        emit8(e, 0x83);
        emit8(e, (uint8_t)(0xc0 | group << 3 | (rm & 7)));
        emit8(e, (uint8_t)imm);
    } else {
        emit8(e, 0x81);
        emit8(e, (uint8_t)(0xc0 | group << 3 | (rm & 7)));
        emit32(e, (uint32_t)imm);
    }
}

enum { E_SHL = 4, E_SHR = 5, E_SAR = 7 };

/** emit_shift_imm - "op reg, count" */
static inline void emit_shift_imm(RhEmit *e, unsigned op, bool w, unsigned reg, uint8_t count)
{
    emit_rex(e, w, 0, 0, reg, false);
    emit8(e, 0xc1);
    emit8(e, (uint8_t)(0xc0 | op << 3 | (reg & 7)));
    emit8(e, count);
}

/** emit_mov_imm - the shortest load of a constant; leaves flags alone */
static inline void emit_mov_imm(RhEmit *e, unsigned reg, uint64_t imm)
{
    if (imm == (uint32_t)imm) {
        emit_rex(e, false, 0, 0, reg, false);
        emit8(e, (uint8_t)(0xb8 | (reg & 7)));
        emit32(e, (uint32_t)imm);
    } else if (imm == (uint64_t)(int32_t)imm) {
        emit_rex(e, true, 0, 0, reg, false);
        emit8(e, 0xc7);
        emit8(e, (uint8_t)(0xc0 | (reg & 7)));
        emit32(e, (uint32_t)imm);
    } else {
        emit_rex(e, true, 0, 0, reg, false);
        emit8(e, (uint8_t)(0xb8 | (reg & 7)));
        emit64(e, imm);
    }
}

/** emit_modrm_mem - operand [base + index << scale_log2 + disp]; index RSP: none. base is not RIP. */
static inline void emit_modrm_mem(RhEmit *e, unsigned reg, unsigned base, unsigned index, unsigned scale_log2, int32_t disp)
{
    bool has_sib = index != H_RSP || (base & 7) == 4;
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp == (int8_t)disp ? 1 : 2;

    emit8(e, (uint8_t)(mod << 6 | (reg & 7) << 3 | (has_sib ? 4 : (base & 7))));
    if (has_sib) {
        emit8(e, (uint8_t)(scale_log2 << 6 | (index & 7) << 3 | (base & 7)));
    }
    if (mod == 1) {
        emit8(e, (uint8_t)disp);
    } else if (mod == 2) {
        emit32(e, (uint32_t)disp);
    }
}

/** emit_mem - "op reg, " that operand */
static inline void emit_mem(RhEmit *e, uint8_t op, bool w, unsigned reg, unsigned base, unsigned index, unsigned scale_log2,
                            int32_t disp)
{
    emit_rex(e, w, reg, index == H_RSP ? 0 : index, base, false);
    emit8(e, op);
    emit_modrm_mem(e, reg, base, index, scale_log2, disp);
}

/** emit_lea - reg = base + disp */
static inline void emit_lea(RhEmit *e, bool w, unsigned reg, unsigned base, int32_t disp)
{
    if (disp) {
        emit_mem(e, E_LEA, w, reg, base, H_RSP, 0, disp);
    } else {
        emit_rr(e, E_MOV, w, reg, base);
    }
}

/** emit_cmp_field_imm - "cmp qword [cpu + field], imm32" */
static inline void emit_cmp_field_imm(RhEmit *e, uint32_t field, int32_t imm)
{
    emit_rex(e, true, 0, 0, 0, false);
    emit8(e, 0x81);
    emit_modrm_field(e, E_CMPI, field);
    emit32(e, (uint32_t)imm);
}

/** emit_jcc - a conditional jump with 32 bits of displacement to be filled in; returns where those are */
static inline uint8_t *emit_jcc(RhEmit *e, unsigned cond)
{
    emit8(e, 0x0f);
    emit8(e, (uint8_t)(0x80 | cond));
    emit32(e, 0);
    return e->at - 4;
}

static inline uint8_t *emit_jmp(RhEmit *e)
{
    emit8(e, 0xe9);
    emit32(e, 0);
    return e->at - 4;
}

static inline uint8_t *emit_call(RhEmit *e)
{
    emit8(e, 0xe8);
    emit32(e, 0);
    return e->at - 4;
}

/** emit_patch - let the displacement at @site lead to @target (both in the writable view) */
static inline void emit_patch(const RhEmit *e, uint8_t *site, const uint8_t *target)
{
    int64_t distance = target - (site + 4);

    if (!e->has_overflowed) {
        memcpy(site, &(int32_t){ (int32_t)distance }, 4);
    }
}

#endif
