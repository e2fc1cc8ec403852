/*
 * The instruction decoder. Prefixes, opcode, a row of the tables, then the operands that the row asks for.
 * Spec: Intel SDM vol. 2, chapter 2 (formats) and appendix A (maps: decode-tables.c).
 */
#include "target/i386/tcg/decode.h"
#include "target/i386/state.h"
#include "target/i386/tcg/decode-tables.h"

enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

typedef struct Decoder {
    const uint8_t *bytes;
    unsigned limit;             /* bytes that may be looked at */
    unsigned at;
    bool is_64;
    uint8_t code;               /* RhCodeSize */
    uint8_t rex;                /* REX bits, or those of VEX */
    uint8_t vvvv;               /* VEX.vvvv, not inverted */
    uint8_t segment;            /* override, or RH_NO_REG */
    uint8_t repeat;             /* last of F2 and F3 */
    uint8_t operand_size;       /* 2, 4, 8 */
    bool is_reserved;           /* something is wrong with it: #UD */
    RhInsn *insn;
} Decoder;

static inline bool has_bytes(const Decoder *d, unsigned nr)
{
    return d->limit - d->at >= nr;
}

static uint64_t take(Decoder *d, unsigned nr)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < nr; i++) {
        value |= (uint64_t)d->bytes[d->at + i] << (8 * i);
    }
    d->at += nr;
    return value;
}

static int64_t take_signed(Decoder *d, unsigned nr)
{
    unsigned shift = 64 - 8 * nr;

    return (int64_t)(take(d, nr) << shift) >> shift;
}

/* ---- prefixes ---- */

static void note_segment(Decoder *d, uint8_t segment)
{
    /* SDM vol. 1 §3.3.7.1: overrides with CS, DS, ES and SS are ignored in 64-bit code. */
    if (!d->is_64 || segment == RH_FS || segment == RH_GS) {
        d->segment = segment;
    }
}

/* One prefix at @byte; false: none. A REX prefix counts only right before the opcode. */
static bool note_prefix(Decoder *d, uint8_t byte)
{
    uint8_t rex = 0;

    switch (byte) {
    case 0x26: note_segment(d, RH_ES); break;
    case 0x2e: note_segment(d, RH_CS); break;
    case 0x36: note_segment(d, RH_SS); break;
    case 0x3e: note_segment(d, RH_DS); break;
    case 0x64: note_segment(d, RH_FS); break;
    case 0x65: note_segment(d, RH_GS); break;
    case 0x66: d->insn->has_66 = true; break;
    case 0x67: d->insn->has_67 = true; break;
    case 0xf0: d->insn->has_lock = true; break;
    case 0xf2:
    case 0xf3: d->repeat = byte; break;
    default:
        if (!d->is_64 || (byte & 0xf0) != 0x40) {
            return false;
        }
        rex = byte;
    }
    d->rex = rex;
    return true;
}

static bool take_prefixes(Decoder *d)
{
    while (has_bytes(d, 1)) {
        if (!note_prefix(d, d->bytes[d->at])) {
            return true;
        }
        d->at++;
    }
    return false;
}

/* C4 and C5, behind which is the rest of the prefix. Outside 64-bit code some of its bits do not count. */
static bool take_vex(Decoder *d, bool is_long_form)
{
    RhInsn *insn = d->insn;
    uint8_t first = 0;
    uint8_t last;

    if (!has_bytes(d, is_long_form ? 2 : 1)) {
        return false;
    }
    /* SDM vol. 2 §2.3.2 to 2.3.4 */
    d->is_reserved |= insn->has_66 || insn->has_lock || d->repeat || d->rex;
    d->rex = 0;
    insn->map = 1;
    if (is_long_form) {
        first = take(d, 1);
        insn->map = first & 0x1f;
        last = take(d, 1);
        d->rex = (~first >> 5 & (REX_R | REX_X | REX_B)) | (last & 0x80 ? REX_W : 0);
    } else {
        last = take(d, 1);
        d->rex = last & 0x80 ? 0 : REX_R;
    }
    insn->is_vex = true;
    d->vvvv = ~last >> 3 & 15;
    insn->vex_l = last >> 2 & 1;
    insn->pp = last & 3;
    if (!d->is_64) {
        d->rex &= REX_W;
    }
    return true;
}

/* Behind opcode byte C4 or C5: LES and LDS cannot have a register operand, SDM vol. 2 §2.3.5 */
static bool is_vex(const Decoder *d)
{
    return d->is_64 || d->bytes[d->at] >= 0xc0;
}

/* ---- opcode ---- */

static bool take_opcode(Decoder *d)
{
    RhInsn *insn = d->insn;

    insn->opcode = take(d, 1);
    if (insn->opcode == 0xc4 || insn->opcode == 0xc5) {
        if (!has_bytes(d, 1)) {
            return false;
        }
        if (is_vex(d)) {
            if (!take_vex(d, insn->opcode == 0xc4) || !has_bytes(d, 1)) {
                return false;
            }
            insn->opcode = take(d, 1);
        }
        return true;
    }
    if (insn->opcode != 0x0f) {
        return true;
    }
    if (!has_bytes(d, 1)) {
        return false;
    }
    insn->map = 1;
    insn->opcode = take(d, 1);
    if (insn->opcode == 0x38 || insn->opcode == 0x3a) {
        if (!has_bytes(d, 1)) {
            return false;
        }
        insn->map = insn->opcode == 0x38 ? 2 : 3;
        insn->opcode = take(d, 1);
    }
    return true;
}

static const RhDecodeRow invalid_row;

/* The row of an opcode beyond the first map, by its mandatory prefix. */
static const RhDecodeRow *prefixed_row(Decoder *d)
{
    static const RhDecodeRow (*const maps[4])[4] = { NULL, rh_decode_0f, rh_decode_38, rh_decode_3a };
    RhInsn *insn = d->insn;

    if (insn->map == 0 || insn->map > 3) {      /* VEX.mmmmm */
        return &invalid_row;
    }
    const RhDecodeRow *row = maps[insn->map][insn->opcode];

    if (insn->is_vex) {
        return &row[insn->pp];
    }
    unsigned pp = d->repeat ? (d->repeat == 0xf3 ? PF3 : PF2) : insn->has_66 ? P66 : NP;

    if (row[NP].chk & C_ANY && !row[pp].op && !row[pp].next) {
        pp = NP;
    }
    insn->pp = pp;
    return &row[pp];
}

static bool take_modrm(Decoder *d)
{
    RhInsn *insn = d->insn;

    if (insn->has_modrm) {
        return true;
    }
    if (!has_bytes(d, 1)) {
        return false;
    }
    insn->has_modrm = true;
    insn->modrm_at = d->at;
    insn->modrm = take(d, 1);
    return true;
}

/* Follows choices to a leaf; NULL: bytes are missing. */
static const RhDecodeRow *find_row(Decoder *d)
{
    const RhInsn *insn = d->insn;
    const RhDecodeRow *row = insn->map || insn->is_vex ? prefixed_row(d) : &rh_decode_one[insn->opcode];

    while (row->choice != RH_LEAF) {
        unsigned nr = 0;

        if (row->choice <= RH_BY_RM && !take_modrm(d)) {
            return NULL;
        }
        switch ((RhChoice)row->choice) {
        case RH_LEAF:   break;
        case RH_BY_REG: nr = insn->modrm >> 3 & 7; break;
        case RH_BY_MOD: nr = insn->modrm >= 0xc0; break;
        case RH_BY_RM:  nr = insn->modrm & 7; break;
        case RH_BY_64:  nr = d->is_64; break;
        case RH_BY_W:   nr = !!(d->rex & REX_W); break;
        case RH_BY_VEX: nr = insn->is_vex; break;
        }
        row = &row->next[nr];
    }
    return row;
}

/* ---- memory operands ---- */

static void set_base(Decoder *d, uint8_t base)
{
    d->insn->base = base;
    if (d->segment == RH_NO_REG && (base == RH_RSP || base == RH_RBP)) {
        d->insn->segment = RH_SS;
    }
}

/* SDM vol. 2 table 2-1 */
static bool take_address_16(Decoder *d)
{
    static const uint8_t bases[8] = { RH_RBX, RH_RBX, RH_RBP, RH_RBP, RH_RSI, RH_RDI, RH_RBP, RH_RBX };
    static const uint8_t indexes[4] = { RH_RSI, RH_RDI, RH_RSI, RH_RDI };
    unsigned mod = d->insn->modrm >> 6;
    unsigned rm = d->insn->modrm & 7;
    unsigned disp_size = mod == 0 ? (rm == 6 ? 2 : 0) : mod;

    if (!has_bytes(d, disp_size)) {
        return false;
    }
    if (mod != 0 || rm != 6) {
        set_base(d, bases[rm]);
        d->insn->index = rm < 4 ? indexes[rm] : RH_NO_REG;
    }
    d->insn->disp = disp_size ? take_signed(d, disp_size) : 0;
    return true;
}

static void note_sib(Decoder *d, uint8_t sib, bool is_vector)
{
    RhInsn *insn = d->insn;
    unsigned index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0);

    insn->scale = 1 << (sib >> 6);
    if (index != RH_RSP || is_vector) {
        insn->index = index;
    }
}

/* SDM vol. 2 tables 2-2 and 2-3, §2.2.1.6 (RIP-relative) */
static bool take_address_32(Decoder *d, bool is_vector)
{
    RhInsn *insn = d->insn;
    unsigned mod = insn->modrm >> 6;
    unsigned base = insn->modrm & 7;
    bool has_sib = base == 4;

    if (has_sib) {
        if (!has_bytes(d, 1)) {
            return false;
        }
        uint8_t sib = take(d, 1);

        note_sib(d, sib, is_vector);
        base = sib & 7;
    }
    unsigned disp_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;

    if (mod == 0 && base == 5) {
        disp_size = 4;
        if (d->is_64 && !has_sib) {
            insn->base = RH_REG_RIP;
        }
    } else {
        set_base(d, base | (d->rex & REX_B ? 8 : 0));
    }
    if (!has_bytes(d, disp_size)) {
        return false;
    }
    insn->disp = disp_size ? take_signed(d, disp_size) : 0;
    /* Gathers index by a vector: they cannot do without SIB, SDM vol. 2 §2.3.12 */
    d->is_reserved |= is_vector && !has_sib;
    return true;
}

static bool take_operand(Decoder *d, const RhDecodeRow *row)
{
    RhInsn *insn = d->insn;

    insn->reg = (insn->modrm >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
    /* Control and debug registers move to and from registers, whatever mod says: SDM vol. 2, MOV */
    if (insn->modrm >= 0xc0 || row->form == F_CR_R || row->form == F_R_CR) {
        insn->rm = (insn->modrm & 7) | (d->rex & REX_B ? 8 : 0);
        return true;
    }
    insn->has_mem = true;
    insn->segment = d->segment != RH_NO_REG ? d->segment : RH_DS;
    if (insn->addr_size == 2) {
        d->is_reserved |= !!(row->traits & RH_INSN_VSIB);
        return take_address_16(d);
    }
    return take_address_32(d, row->traits & RH_INSN_VSIB);
}

/* ---- sizes ---- */

static unsigned default_64(const Decoder *d)
{
    if (!d->is_64 || d->operand_size == 8) {
        return d->operand_size;
    }
    return d->insn->has_66 ? 2 : 8;
}

static unsigned size_of(const Decoder *d, uint8_t code)
{
    const RhInsn *insn = d->insn;
    unsigned v = d->operand_size;
    bool is_y = d->is_64 && insn->rex_w;
    unsigned x = 16u << insn->vex_l;

    switch ((RhSizeCode)code) {
    case S_SAME:
    case S_0:    return 0;
    case S_1:    return 1;
    case S_2:    return 2;
    case S_4:    return 4;
    case S_8:    return 8;
    case S_10:   return 10;
    case S_16:   return 16;
    case S_V:    return v;
    case S_D64:  return default_64(d);
    case S_F64:  return d->is_64 ? 8 : v;
    case S_IO:   return MIN(v, 4);
    case S_Y:    return is_y ? 8 : 4;
    case S_2Y:   return is_y ? 16 : 8;
    case S_W:    return insn->rex_w ? 8 : 4;
    case S_VW:   return insn->has_mem ? 2 : v;
    case S_V4:   return v == 2 ? 2 : 4;
    case S_NATIVE: return d->is_64 ? 8 : 4;
    case S_ADDR: return insn->addr_size;
    case S_FAR:  return v + 2;
    case S_TABLE: return d->is_64 ? 10 : 6;
    case S_ENV:  return v == 2 ? 14 : 28;
    case S_SAVE: return v == 2 ? 94 : 108;
    case S_X:    return x;
    case S_X2:   return x / 2;
    case S_X4:   return x / 4;
    case S_X8:   return x / 8;
    case S_DUP:  return insn->vex_l ? 32 : 8;
    }
    g_assert_not_reached();
}

static void set_sizes(Decoder *d, const RhDecodeRow *row, const RhDecodeForm *form)
{
    RhInsn *insn = d->insn;

    if (row->vex & VEX_LIG) {
        insn->vex_l = 0;
    }
    insn->size = size_of(d, row->size);
    insn->src_size = row->src == S_SAME ? insn->size : size_of(d, row->src);
    if (insn->has_mem) {
        insn->mem_size = row->mem != S_SAME ? size_of(d, row->mem)
                         : form->operand[0] == RH_RM ? insn->size : insn->src_size;
    }
}

/* ---- immediates ---- */

static bool take_moffs(Decoder *d)
{
    RhInsn *insn = d->insn;

    if (!has_bytes(d, insn->addr_size)) {
        return false;
    }
    insn->has_mem = true;
    insn->segment = d->segment != RH_NO_REG ? d->segment : RH_DS;
    insn->disp = take(d, insn->addr_size);
    insn->mem_size = insn->size;
    return true;
}

static unsigned immediate_size(const RhInsn *insn, uint8_t code)
{
    switch ((RhImmCode)code) {
    case I_NONE:
    case I_MOFFS: return 0;
    case I_B:
    case I_BS:    return 1;
    case I_W:     return 2;
    case I_Z:     return MIN(insn->size, 4);
    case I_V:     return insn->size;
    case I_FAR:   return insn->size + 2;
    case I_ENTER: return 3;
    }
    g_assert_not_reached();
}

static bool take_immediate(Decoder *d, uint8_t code)
{
    RhInsn *insn = d->insn;

    if (code == I_NONE) {
        return true;
    }
    if (code == I_MOFFS) {
        return take_moffs(d);
    }
    insn->imm_size = immediate_size(insn, code);
    if (!has_bytes(d, insn->imm_size)) {
        return false;
    }
    insn->imm_at = d->at;
    switch ((RhImmCode)code) {
    case I_B:
    case I_W:
        insn->imm = take(d, insn->imm_size);
        break;
    case I_FAR:
        insn->imm2 = take(d, insn->size);
        insn->imm = take(d, 2);
        break;
    case I_ENTER:
        insn->imm = take(d, 2);
        insn->imm2 = take(d, 1);
        break;
    default:
        insn->imm = take_signed(d, insn->imm_size);
    }
    return true;
}

/* ---- what follows from row and operands ---- */

static void set_operands(RhInsn *insn, const RhDecodeForm *form)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < RH_COUNT(form->operand) && form->operand[i]; i++) {
        if (form->operand[i] != RH_VVVV || insn->is_vex) {
            insn->operand[nr++] = form->operand[i];
        }
    }
    insn->nr_operands = nr;
}

static bool form_has(const RhDecodeForm *form, RhOperandKind kind)
{
    return form->operand[0] == kind || form->operand[1] == kind || form->operand[2] == kind;
}

static void set_registers(Decoder *d, const RhDecodeRow *row, const RhDecodeForm *form)
{
    RhInsn *insn = d->insn;

    if (row->form == F_ARG) {
        insn->reg = row->arg;
    } else if (!form->has_modrm && form_has(form, RH_REG)) {
        insn->reg = (insn->opcode & 7) | (d->rex & REX_B ? 8 : 0);
    }
    if (row->chk & (C_MMREG | C_SREG)) {
        insn->reg &= 7;
    }
    if (row->chk & C_MMRM) {
        insn->rm &= 7;
    }
    /* Outside 64-bit code VEX.vvvv[3] does not count, unless the whole field is reserved. */
    insn->vvvv = d->is_64 ? d->vvvv : d->vvvv & 7;
    if (insn->has_rex || insn->is_vex) {
        return;
    }
    bool is_rm_first = form->operand[0] == RH_RM;

    if (insn->reg >= 4 && form_has(form, RH_REG) && (is_rm_first ? insn->src_size : insn->size) == 1) {
        insn->is_high_reg = true;
        insn->reg -= 4;
    }
    if (insn->rm >= 4 && !insn->has_mem && form_has(form, RH_RM) && (is_rm_first ? insn->size : insn->src_size) == 1) {
        insn->is_high_rm = true;
        insn->rm -= 4;
    }
}

static void set_traits(const Decoder *d, RhInsn *insn, const RhDecodeRow *row, const RhDecodeForm *form)
{
    insn->traits = row->traits;
    insn->feature = !insn->is_vex ? row->feature : insn->vex_l ? row->feature_256 : row->feature_128;
    if (row->op == RH_OP_CMPXCHG8B && insn->size == 16) {
        insn->feature = RH_FEAT_CX16;
    }
    if (insn->feature == RH_FEAT_LM && !d->is_64) {     /* LAHF and SAHF are older than the feature */
        insn->feature = RH_FEAT_BASE;
    }
    if (!insn->has_mem) {
        return;
    }
    if (row->access == A_R || (row->access == A_AUTO && form->has_modrm)) {
        insn->traits |= RH_INSN_READS_MEM;
    }
    if (row->access == A_W || (row->access == A_AUTO && form->operand[0] == RH_RM)) {
        insn->traits |= RH_INSN_WRITES_MEM;
    }
    if (row->access == A_AUTO && form->imm == I_MOFFS) {
        insn->traits |= RH_INSN_READS_MEM;
    }
    /* SDM vol. 1 §10.4.1.1 and §14.9: with VEX only the moves that say so */
    if (insn->op == RH_OP_VECTOR &&
        (insn->is_vex ? row->chk & C_ALIGNED : insn->mem_size == 16 && !(row->chk & C_UNALIGNED))) {
        insn->traits |= RH_INSN_ALIGNED;
    }
}

static void set_flags(RhInsn *insn, const RhDecodeRow *row)
{
    static const uint16_t of_condition[8] = {   /* SDM vol. 1 appendix B, table B-1 */
        RH_FLAG_OF, RH_FLAG_CF, RH_FLAG_ZF, RH_FLAG_CF | RH_FLAG_ZF,
        RH_FLAG_SF, RH_FLAG_PF, RH_FLAG_SF | RH_FLAG_OF, RH_FLAG_ZF | RH_FLAG_SF | RH_FLAG_OF,
    };

    insn->flags_read = row->flags_read;
    insn->flags_written = row->flags_written;
    switch (row->op) {
    case RH_OP_JCC:
    case RH_OP_SETCC:
    case RH_OP_CMOVCC:
        insn->cond = insn->opcode & 15;
        insn->flags_read = of_condition[insn->cond / 2];
        break;
    case RH_OP_ROL ... RH_OP_SHRD:
        /* A count of 0, masked, changes no flag: SDM vol. 2, SAL/SAR/SHL/SHR. */
        if (insn->imm_size && (insn->imm & (insn->size == 8 ? 63 : 31)) == 0) {
            insn->flags_read = 0;
            insn->flags_written = 0;
        }
        break;
    case RH_OP_CMPS:
    case RH_OP_SCAS:
        if (insn->rep) {        /* rCX may be 0 */
            insn->flags_read = RH_FLAGS_STATUS;
        }
        break;
    case RH_OP_LOAD_FAR:
        insn->cond = row->arg;
        break;
    default:
        break;
    }
}

/* Segments of implicit operands */
static void set_segment(Decoder *d, const RhDecodeRow *row)
{
    RhInsn *insn = d->insn;

    switch (row->op) {
    case RH_OP_STOS:
    case RH_OP_SCAS:
    case RH_OP_INS:
        insn->segment = RH_ES;
        return;
    case RH_OP_MOVS:
    case RH_OP_CMPS:
    case RH_OP_LODS:
    case RH_OP_OUTS:
    case RH_OP_XLAT:
        break;
    default:
        if (row->chk & C_NOSEG || insn->op == RH_OP_NOP || insn->op == RH_OP_UD) {
            insn->segment = RH_NO_REG;
        }
        if (!(row->traits & RH_INSN_STRING_MEM)) {
            return;
        }
    }
    insn->segment = d->segment != RH_NO_REG ? d->segment : RH_DS;
}

/* 90 is NOP, PAUSE or, with REX.B, an exchange like its neighbours. With F3 processors pause, whatever REX says. */
static void settle_nop(Decoder *d)
{
    RhInsn *insn = d->insn;

    if (insn->rep != 0xf3 && d->rex & REX_B) {
        insn->op = RH_OP_XCHG;
        return;
    }
    insn->op = insn->rep == 0xf3 ? RH_OP_PAUSE : RH_OP_NOP;
    insn->nr_operands = 0;
    insn->operand[0] = insn->operand[1] = RH_NONE;
}

/* ---- what is reserved ---- */

static bool is_vex_allowed(const Decoder *d, const RhDecodeRow *row, const RhDecodeForm *form)
{
    const RhInsn *insn = d->insn;

    if (!insn->is_vex) {
        return !(row->vex & VEX_ONLY);
    }
    return row->vex & (VEX_BOTH | VEX_ONLY) &&
           !(row->vex & VEX_L0 && insn->vex_l) && !(row->vex & VEX_L1 && !insn->vex_l) &&
           !(row->vex & VEX_W0 && insn->rex_w) && !(row->vex & VEX_W1 && !insn->rex_w) &&
           (d->vvvv == 0 || form_has(form, RH_VVVV));
}

static bool is_register_allowed(const RhInsn *insn)
{
    switch (insn->op) {
    case RH_OP_MOV_TO_SEG:
        return insn->reg <= RH_GS && insn->reg != RH_CS;
    case RH_OP_MOV_FROM_SEG:
        return insn->reg <= RH_GS;
    case RH_OP_MOV_FROM_CR:
    case RH_OP_MOV_TO_CR:
        return insn->reg == 0 || (insn->reg >= 2 && insn->reg <= 4) || insn->reg == 8;
    case RH_OP_MOV_FROM_DR:
    case RH_OP_MOV_TO_DR:
        return insn->reg < 8;
    default:
        /* Gathers: the three registers differ, SDM vol. 2, VPGATHERDD */
        return !(insn->traits & RH_INSN_VSIB) ||
               (insn->index != insn->vvvv && insn->reg != insn->vvvv && insn->reg != insn->index);
    }
}

static bool is_lock_allowed(const RhInsn *insn)
{
    return !insn->has_lock || (insn->traits & RH_INSN_LOCKABLE && insn->has_mem);
}

static bool is_allowed(const Decoder *d, const RhDecodeRow *row, const RhDecodeForm *form)
{
    const RhInsn *insn = d->insn;

    return !d->is_reserved && !(row->chk & (d->is_64 ? C_NO64 : C_ONLY64)) &&
           !(row->chk & (insn->has_mem ? C_REG : C_MEM)) && is_vex_allowed(d, row, form) &&
           is_register_allowed(insn) && is_lock_allowed(insn);
}

/* ---- the whole ---- */

static void set_modes(Decoder *d)
{
    RhInsn *insn = d->insn;
    unsigned operand = d->is_64 ? 4 : d->code;

    insn->has_rex = d->rex && !insn->is_vex;
    insn->rex_w = d->rex & REX_W;
    d->operand_size = d->is_64 && insn->rex_w ? 8 : insn->has_66 ? 6 - operand : operand;
    insn->addr_size = !insn->has_67 ? d->code : d->is_64 ? 4 : 6 - d->code;
    insn->rep = insn->map && insn->pp >= PF3 ? 0 : d->repeat;
    insn->segment = insn->base = insn->index = RH_NO_REG;
    insn->scale = 1;
}

static bool take_operands(Decoder *d, const RhDecodeRow *row, const RhDecodeForm *form)
{
    /* A reserved opcode whose ModRM has been read has a memory operand like its neighbours. */
    if ((form->has_modrm || d->insn->has_modrm) && (!take_modrm(d) || !take_operand(d, row))) {
        return false;
    }
    set_sizes(d, row, form);
    return take_immediate(d, form->imm);
}

static bool decode(Decoder *d)
{
    RhInsn *insn = d->insn;

    if (!take_prefixes(d) || !take_opcode(d)) {
        return false;
    }
    const RhDecodeRow *row = find_row(d);

    if (!row) {
        return false;
    }
    const RhDecodeForm *form = &rh_decode_forms[row->form];

    set_modes(d);
    if (!take_operands(d, row, form)) {
        return false;
    }
    insn->op = row->op;
    set_operands(insn, form);
    set_registers(d, row, form);
    set_traits(d, insn, row, form);
    set_flags(insn, row);
    set_segment(d, row);
    if (row->chk & C_NOREX) {
        settle_nop(d);
    }
    if (!is_allowed(d, row, form)) {
        insn->op = RH_OP_INVALID;
    }
    return true;
}

RhDecodeResult rh_decode(const uint8_t *bytes, unsigned nr, RhCodeSize code, RhInsn *ret)
{
    Decoder d = {
        .bytes = bytes, .limit = MIN(nr, RH_INSN_MAX), .code = code, .is_64 = code == RH_CODE_64,
        .segment = RH_NO_REG, .insn = ret,
    };

    memset(ret, 0, sizeof(*ret));
    if (!decode(&d)) {
        return nr < RH_INSN_MAX ? RH_DECODE_MORE : RH_DECODE_TOO_LONG;
    }
    ret->len = d.at;
    for (unsigned i = 0; i < d.at; i++) {
        ret->bytes[i] = bytes[i];
    }
    return RH_DECODE_OK;
}

const char *rh_op_name(RhOp op)
{
    static const char *const names[RH_NR_OPS] = {
        [RH_OP_INVALID] = "(invalid)", [RH_OP_ADD] = "add", [RH_OP_OR] = "or", [RH_OP_ADC] = "adc",
        [RH_OP_SBB] = "sbb", [RH_OP_AND] = "and", [RH_OP_SUB] = "sub", [RH_OP_XOR] = "xor", [RH_OP_CMP] = "cmp",
        [RH_OP_ROL] = "rol", [RH_OP_ROR] = "ror", [RH_OP_RCL] = "rcl", [RH_OP_RCR] = "rcr", [RH_OP_SHL] = "shl",
        [RH_OP_SHR] = "shr", [RH_OP_SAL] = "sal", [RH_OP_SAR] = "sar", [RH_OP_SHLD] = "shld", [RH_OP_SHRD] = "shrd",
        [RH_OP_TEST] = "test", [RH_OP_NOT] = "not", [RH_OP_NEG] = "neg", [RH_OP_INC] = "inc", [RH_OP_DEC] = "dec",
        [RH_OP_MUL] = "mul", [RH_OP_IMUL1] = "imul", [RH_OP_IMUL] = "imul", [RH_OP_DIV] = "div",
        [RH_OP_IDIV] = "idiv", [RH_OP_MOV] = "mov", [RH_OP_MOVZX] = "movzx", [RH_OP_MOVSX] = "movsx",
        [RH_OP_LEA] = "lea", [RH_OP_XCHG] = "xchg", [RH_OP_XADD] = "xadd", [RH_OP_CMPXCHG] = "cmpxchg",
        [RH_OP_CMPXCHG8B] = "cmpxchg8b", [RH_OP_BSWAP] = "bswap", [RH_OP_MOVBE] = "movbe", [RH_OP_PUSH] = "push",
        [RH_OP_POP] = "pop", [RH_OP_PUSHA] = "pusha", [RH_OP_POPA] = "popa", [RH_OP_PUSHF] = "pushf",
        [RH_OP_POPF] = "popf", [RH_OP_ENTER] = "enter", [RH_OP_LEAVE] = "leave", [RH_OP_CBW] = "cbw",
        [RH_OP_CWD] = "cwd", [RH_OP_LAHF] = "lahf", [RH_OP_SAHF] = "sahf", [RH_OP_XLAT] = "xlat", [RH_OP_DAA] = "daa",
        [RH_OP_DAS] = "das", [RH_OP_AAA] = "aaa", [RH_OP_AAS] = "aas", [RH_OP_AAM] = "aam", [RH_OP_AAD] = "aad",
        [RH_OP_SALC] = "salc", [RH_OP_CMC] = "cmc", [RH_OP_CLC] = "clc", [RH_OP_STC] = "stc", [RH_OP_CLD] = "cld",
        [RH_OP_STD] = "std", [RH_OP_CLI] = "cli", [RH_OP_STI] = "sti", [RH_OP_SETCC] = "setcc",
        [RH_OP_CMOVCC] = "cmovcc", [RH_OP_JCC] = "jcc", [RH_OP_JCXZ] = "jcxz", [RH_OP_LOOP] = "loop",
        [RH_OP_LOOPE] = "loope", [RH_OP_LOOPNE] = "loopne", [RH_OP_JMP] = "jmp", [RH_OP_CALL] = "call",
        [RH_OP_JMP_IND] = "jmp", [RH_OP_CALL_IND] = "call", [RH_OP_RET] = "ret", [RH_OP_JMP_FAR] = "jmp far",
        [RH_OP_CALL_FAR] = "call far", [RH_OP_RETF] = "retf", [RH_OP_IRET] = "iret", [RH_OP_INT] = "int",
        [RH_OP_INT3] = "int3", [RH_OP_INTO] = "into", [RH_OP_INT1] = "int1", [RH_OP_BOUND] = "bound",
        [RH_OP_UD] = "ud", [RH_OP_NOP] = "nop", [RH_OP_PAUSE] = "pause", [RH_OP_BT] = "bt", [RH_OP_BTS] = "bts",
        [RH_OP_BTR] = "btr", [RH_OP_BTC] = "btc", [RH_OP_BSF] = "bsf", [RH_OP_BSR] = "bsr", [RH_OP_TZCNT] = "tzcnt",
        [RH_OP_LZCNT] = "lzcnt", [RH_OP_POPCNT] = "popcnt", [RH_OP_CRC32] = "crc32", [RH_OP_ADCX] = "adcx",
        [RH_OP_ADOX] = "adox", [RH_OP_ANDN] = "andn", [RH_OP_BEXTR] = "bextr", [RH_OP_BLSI] = "blsi",
        [RH_OP_BLSMSK] = "blsmsk", [RH_OP_BLSR] = "blsr", [RH_OP_BZHI] = "bzhi", [RH_OP_MULX] = "mulx",
        [RH_OP_PDEP] = "pdep", [RH_OP_PEXT] = "pext", [RH_OP_RORX] = "rorx", [RH_OP_SARX] = "sarx",
        [RH_OP_SHLX] = "shlx", [RH_OP_SHRX] = "shrx", [RH_OP_MOVS] = "movs", [RH_OP_CMPS] = "cmps",
        [RH_OP_STOS] = "stos", [RH_OP_LODS] = "lods", [RH_OP_SCAS] = "scas", [RH_OP_INS] = "ins",
        [RH_OP_OUTS] = "outs", [RH_OP_IN] = "in", [RH_OP_OUT] = "out", [RH_OP_MOV_FROM_SEG] = "mov",
        [RH_OP_MOV_TO_SEG] = "mov", [RH_OP_PUSH_SEG] = "push", [RH_OP_POP_SEG] = "pop", [RH_OP_LOAD_FAR] = "lds",
        [RH_OP_MOV_FROM_CR] = "mov", [RH_OP_MOV_TO_CR] = "mov", [RH_OP_MOV_FROM_DR] = "mov",
        [RH_OP_MOV_TO_DR] = "mov", [RH_OP_ARPL] = "arpl", [RH_OP_LAR] = "lar", [RH_OP_LSL] = "lsl",
        [RH_OP_VERR] = "verr", [RH_OP_VERW] = "verw", [RH_OP_SGDT] = "sgdt", [RH_OP_SIDT] = "sidt",
        [RH_OP_LGDT] = "lgdt", [RH_OP_LIDT] = "lidt", [RH_OP_SLDT] = "sldt", [RH_OP_STR] = "str",
        [RH_OP_LLDT] = "lldt", [RH_OP_LTR] = "ltr", [RH_OP_SMSW] = "smsw", [RH_OP_LMSW] = "lmsw",
        [RH_OP_CLTS] = "clts", [RH_OP_INVLPG] = "invlpg", [RH_OP_INVPCID] = "invpcid", [RH_OP_SWAPGS] = "swapgs",
        [RH_OP_SYSCALL] = "syscall", [RH_OP_SYSRET] = "sysret", [RH_OP_SYSENTER] = "sysenter",
        [RH_OP_SYSEXIT] = "sysexit", [RH_OP_HLT] = "hlt", [RH_OP_MONITOR] = "monitor", [RH_OP_MWAIT] = "mwait",
        [RH_OP_WBINVD] = "wbinvd", [RH_OP_RSM] = "rsm", [RH_OP_VMCALL] = "vmcall", [RH_OP_CPUID] = "cpuid",
        [RH_OP_RDTSC] = "rdtsc", [RH_OP_RDTSCP] = "rdtscp", [RH_OP_RDPMC] = "rdpmc", [RH_OP_RDMSR] = "rdmsr",
        [RH_OP_WRMSR] = "wrmsr", [RH_OP_RDPID] = "rdpid", [RH_OP_RDRAND] = "rdrand", [RH_OP_RDSEED] = "rdseed",
        [RH_OP_CLAC] = "clac", [RH_OP_STAC] = "stac", [RH_OP_RDFSBASE] = "rdfsbase", [RH_OP_RDGSBASE] = "rdgsbase",
        [RH_OP_WRFSBASE] = "wrfsbase", [RH_OP_WRGSBASE] = "wrgsbase", [RH_OP_XGETBV] = "xgetbv",
        [RH_OP_XSETBV] = "xsetbv", [RH_OP_FXSAVE] = "fxsave", [RH_OP_FXRSTOR] = "fxrstor", [RH_OP_XSAVE] = "xsave",
        [RH_OP_XSAVEC] = "xsavec", [RH_OP_XSAVEOPT] = "xsaveopt", [RH_OP_XSAVES] = "xsaves",
        [RH_OP_XRSTOR] = "xrstor", [RH_OP_XRSTORS] = "xrstors", [RH_OP_LDMXCSR] = "ldmxcsr",
        [RH_OP_STMXCSR] = "stmxcsr", [RH_OP_FENCE] = "fence", [RH_OP_CLFLUSH] = "clflush", [RH_OP_MOVNTI] = "movnti",
        [RH_OP_MOVDIRI] = "movdiri", [RH_OP_MOVDIR64B] = "movdir64b", [RH_OP_EMMS] = "emms",
        [RH_OP_VECTOR] = "vector", [RH_OP_X87] = "x87",
    };

    g_assert(op < RH_NR_OPS);
    return names[op];
}
