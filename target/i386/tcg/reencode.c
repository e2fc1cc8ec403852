/*
 * Spec: Intel SDM vol. 2, §2.1 to §2.3 (instruction formats, REX, VEX).
 */
#include "target/i386/tcg/reencode.h"

enum { GROUP_5 = 0xff, GROUP_4 = 0xfe };

static bool has_opcode_register(const RhInsn *insn)
{
    return !insn->has_modrm && (insn->op == RH_OP_MOV || insn->op == RH_OP_XCHG || insn->op == RH_OP_BSWAP) &&
           insn->operand[0] != RH_MOFFS && insn->operand[1] != RH_MOFFS;
}

/* Without REX the numbers 4 to 7 of byte registers are AH, CH, DH, BH. */
static bool needs_rex(const RhInsn *insn, const RhHostOperands *host)
{
    bool is_widening = insn->op == RH_OP_MOVZX || insn->op == RH_OP_MOVSX || insn->op == RH_OP_CRC32;
    bool has_byte_rm = !insn->has_mem && (is_widening ? insn->src_size : insn->size) == 1;
    bool has_byte_reg = insn->size == 1 && !is_widening && (insn->operand[0] == RH_REG || insn->operand[1] == RH_REG);

    return (has_byte_reg && !insn->is_high_reg && host->reg >= 4 && host->reg <= 7) ||
           (has_byte_rm && !insn->is_high_rm && host->rm >= 4 && host->rm <= 7);
}

static void write_prefixes(RhEmit *e, const RhInsn *insn)
{
    static const uint8_t mandatory[] = { 0, 0, 0xf3, 0xf2 };

    if (insn->has_lock) {
        emit8(e, 0xf0);
    }
    if (insn->has_66 || insn->pp == 1) {
        emit8(e, 0x66);
    }
    if (insn->pp > 1) {
        emit8(e, mandatory[insn->pp]);
    }
}

static void write_map(RhEmit *e, unsigned map)
{
    if (map) {
        emit8(e, 0x0f);
    }
    if (map > 1) {
        emit8(e, map == 2 ? 0x38 : 0x3a);
    }
}

static void write_modrm(RhEmit *e, const RhInsn *insn, const RhHostOperands *host)
{
    if (!insn->has_mem) {
        emit8(e, (uint8_t)(0xc0 | (host->reg & 7) << 3 | (host->rm & 7)));
    } else {
        emit_modrm_mem(e, host->reg, host->base, host->index, 0, host->disp);
    }
}

static void write_immediate(RhEmit *e, const RhInsn *insn)
{
    for (unsigned i = 0; i < insn->imm_size; i++) {
        emit8(e, insn->bytes[insn->imm_at + i]);
    }
}

static unsigned base_of(const RhInsn *insn, const RhHostOperands *host)
{
    return insn->has_mem ? host->base : host->rm;
}

static unsigned index_of(const RhInsn *insn, const RhHostOperands *host)
{
    return insn->has_mem && host->index != H_RSP ? host->index : 0;
}

static void write_vex(RhEmit *e, const RhInsn *insn, const RhHostOperands *host)
{
    emit8(e, 0xc4);
    emit8(e, (uint8_t)((host->reg & 8 ? 0 : 0x80) | (index_of(insn, host) & 8 ? 0 : 0x40) |
                       (base_of(insn, host) & 8 ? 0 : 0x20) | insn->map));
    emit8(e, (uint8_t)((insn->rex_w ? 0x80 : 0) | (~host->vvvv & 15) << 3 | insn->vex_l << 2 | insn->pp));
    emit8(e, insn->opcode);
    if (insn->has_modrm) {              /* VZEROUPPER and VZEROALL have none */
        write_modrm(e, insn, host);
    }
    write_immediate(e, insn);
}

/* INC and DEC of one byte are REX prefixes in 64-bit code. */
static void write_short_inc(RhEmit *e, const RhInsn *insn, const RhHostOperands *host)
{
    emit_rex(e, insn->size == 8, 0, 0, host->reg, false);
    emit8(e, GROUP_5);
    emit8(e, (uint8_t)(0xc0 | (insn->op == RH_OP_DEC) << 3 | (host->reg & 7)));
}

bool rh_reencode(RhEmit *e, const RhInsn *insn, const RhHostOperands *host)
{
    bool in_opcode = has_opcode_register(insn);
    unsigned reg = in_opcode ? 0 : host->reg;
    unsigned base = in_opcode ? host->reg : base_of(insn, host);
    bool is_forced = needs_rex(insn, host);
    RhHostOperands adjusted = *host;

    if (insn->is_vex) {
        write_vex(e, insn, host);
        return true;
    }
    if (insn->is_high_reg || insn->is_high_rm) {
        if (is_forced || insn->rex_w || (insn->has_modrm && ((reg | base | index_of(insn, host)) & 8))) {
            return false;
        }
        adjusted.reg = (uint8_t)(host->reg + (insn->is_high_reg ? 4 : 0));
        adjusted.rm = (uint8_t)(host->rm + (insn->is_high_rm ? 4 : 0));
    }
    write_prefixes(e, insn);
    if (!insn->has_modrm && insn->map == 0 && insn->opcode >= 0x40 && insn->opcode <= 0x4f) {
        write_short_inc(e, insn, host);
        return true;
    }
    if (!insn->has_modrm && !in_opcode) {
        reg = base = 0;
    }
    emit_rex(e, insn->rex_w, insn->has_modrm ? reg : 0, insn->has_modrm ? index_of(insn, host) : 0, base, is_forced);
    write_map(e, insn->map);
    emit8(e, in_opcode ? (uint8_t)((insn->opcode & ~7u) | (adjusted.reg & 7)) : insn->opcode);
    if (insn->has_modrm) {
        write_modrm(e, insn, &adjusted);
    }
    write_immediate(e, insn);
    return true;
}
