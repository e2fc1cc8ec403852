/*
 * The opcode tables, one row an opcode (or a variant of it), in the manual's order.
 * Spec: Intel SDM vol. 2, appendix A, tables; each instruction's own page for what these do not say.
 * Where the manual leaves aliases out (82, D6, F6 /1, x87), processors' behaviour decides; tests/tcg compares with it.
 */
#include "target/i386/tcg/decode-tables.h"
#include "target/i386/state.h"

const RhDecodeForm rh_decode_forms[RH_NR_FORMS] = {
    [F_NONE]     = { { 0 } },
    [F_E_G]      = { { RH_RM, RH_REG }, I_NONE, true },
    [F_G_E]      = { { RH_REG, RH_RM }, I_NONE, true },
    [F_E]        = { { RH_RM }, I_NONE, true },
    [F_E_IB]     = { { RH_RM, RH_IMM }, I_B, true },
    [F_E_IBS]    = { { RH_RM, RH_IMM }, I_BS, true },
    [F_E_IZ]     = { { RH_RM, RH_IMM }, I_Z, true },
    [F_E_1]      = { { RH_RM, RH_ONE }, I_NONE, true },
    [F_E_CL]     = { { RH_RM, RH_CL }, I_NONE, true },
    [F_E_G_IB]   = { { RH_RM, RH_REG, RH_IMM }, I_B, true },
    [F_E_G_CL]   = { { RH_RM, RH_REG, RH_CL }, I_NONE, true },
    [F_G_E_IB]   = { { RH_REG, RH_RM, RH_IMM }, I_B, true },
    [F_G_E_IBS]  = { { RH_REG, RH_RM, RH_IMM }, I_BS, true },
    [F_G_E_IZ]   = { { RH_REG, RH_RM, RH_IMM }, I_Z, true },
    [F_A_IBS]    = { { RH_ACC, RH_IMM }, I_BS },
    [F_A_IZ]     = { { RH_ACC, RH_IMM }, I_Z },
    [F_Z]        = { { RH_REG } },
    [F_Z_A]      = { { RH_REG, RH_ACC } },
    [F_Z_IB]     = { { RH_REG, RH_IMM }, I_BS },
    [F_Z_IV]     = { { RH_REG, RH_IMM }, I_V },
    [F_IB]       = { { RH_IMM }, I_B },
    [F_IBS]      = { { RH_IMM }, I_BS },
    [F_IW]       = { { RH_IMM }, I_W },
    [F_IZ]       = { { RH_IMM }, I_Z },
    [F_FAR]      = { { RH_IMM }, I_FAR },
    [F_ENTER]    = { { RH_IMM }, I_ENTER },
    [F_A_O]      = { { RH_ACC, RH_MOFFS }, I_MOFFS },
    [F_O_A]      = { { RH_MOFFS, RH_ACC }, I_MOFFS },
    [F_A_IB]     = { { RH_ACC, RH_IMM }, I_B },
    [F_IB_A]     = { { RH_IMM, RH_ACC }, I_B },
    [F_A_DX]     = { { RH_ACC, RH_DX } },
    [F_DX_A]     = { { RH_DX, RH_ACC } },
    [F_ARG]      = { { RH_REG } },
    [F_CR_R]     = { { RH_REG, RH_RM }, I_NONE, true },
    [F_R_CR]     = { { RH_RM, RH_REG }, I_NONE, true },
    [F_G_H_E]    = { { RH_REG, RH_VVVV, RH_RM }, I_NONE, true },
    [F_G_E_H]    = { { RH_REG, RH_RM, RH_VVVV }, I_NONE, true },
    [F_H_E]      = { { RH_VVVV, RH_RM }, I_NONE, true },
    [F_H_E_IB]   = { { RH_VVVV, RH_RM, RH_IMM }, I_B, true },
    [F_G_H_E_IB] = { { RH_REG, RH_VVVV, RH_RM, RH_IMM }, I_B, true },
    [F_M]        = { { 0 }, I_NONE, true },
    [F_E_H_G]    = { { RH_RM, RH_VVVV, RH_REG }, I_NONE, true },
};

/* ---- shorthands ---- */

#define CF RH_FLAG_CF
#define PF RH_FLAG_PF
#define AF RH_FLAG_AF
#define ZF RH_FLAG_ZF
#define SF RH_FLAG_SF
#define OF RH_FLAG_OF
#define ALL RH_FLAGS_STATUS
#define BORDER RH_INSN_ENDS_BLOCK
#define PRIV RH_INSN_PRIVILEGED
#define LOCKABLE RH_INSN_LOCKABLE

/* A row of the general instructions: what, where, how wide; then whatever else it needs. */
#define ROW(o, f, s, ...) { .op = RH_OP_##o, .form = f, .size = s, __VA_ARGS__ }
#define CHOOSE(c, rows) { .choice = c, .next = rows }
/* A row for any of the mandatory prefixes: those mean operand size and nothing. */
#define ANY(o, f, s, ...) [NP] = { .op = RH_OP_##o, .form = f, .size = s, .chk = C_ANY, __VA_ARGS__ }
#define ANYX(o, f, s, c, ...) [NP] = { .op = RH_OP_##o, .form = f, .size = s, .chk = C_ANY | (c), __VA_ARGS__ }

#define ANY_CHOOSE(c, rows) [NP] = { .choice = c, .next = rows, .chk = C_ANY }

/* ---- the first map and its groups ---- */

/* Table A-2, columns 0-5 and 8-D of rows 0 to 3. Results go to the first operand; CMP has none. */
#define ALU(base, o, rd, lock, acc) \
    [base + 0] = ROW(o, F_E_G, S_1, .flags_read = rd, .flags_written = ALL, .traits = lock, .access = acc), \
    [base + 1] = ROW(o, F_E_G, S_V, .flags_read = rd, .flags_written = ALL, .traits = lock, .access = acc), \
    [base + 2] = ROW(o, F_G_E, S_1, .flags_read = rd, .flags_written = ALL), \
    [base + 3] = ROW(o, F_G_E, S_V, .flags_read = rd, .flags_written = ALL), \
    [base + 4] = ROW(o, F_A_IBS, S_1, .flags_read = rd, .flags_written = ALL), \
    [base + 5] = ROW(o, F_A_IZ, S_V, .flags_read = rd, .flags_written = ALL)

#define GROUP_1(name, f, s, c) \
    static const RhDecodeRow name[8] = { \
        ROW(ADD, f, s, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(OR,  f, s, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(ADC, f, s, .flags_read = CF, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(SBB, f, s, .flags_read = CF, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(AND, f, s, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(SUB, f, s, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(XOR, f, s, .flags_written = ALL, .traits = LOCKABLE, .chk = c), \
        ROW(CMP, f, s, .flags_written = ALL, .access = A_R, .chk = c), \
    }
GROUP_1(group_1_80, F_E_IBS, S_1, 0);
GROUP_1(group_1_81, F_E_IZ, S_V, 0);
GROUP_1(group_1_82, F_E_IBS, S_1, C_NO64);
GROUP_1(group_1_83, F_E_IBS, S_V, 0);

static const RhDecodeRow group_1a[8] = {
    ROW(POP, F_E, S_D64, .access = A_W),        /* others are AMD's XOP */
};

/* Counts come from an immediate, 1 or CL; decode.c drops the flags where the count turns out to be 0. */
#define GROUP_2(name, f, s) \
    static const RhDecodeRow name[8] = { \
        ROW(ROL, f, s, .flags_written = CF | OF), \
        ROW(ROR, f, s, .flags_written = CF | OF), \
        ROW(RCL, f, s, .flags_read = CF, .flags_written = CF | OF), \
        ROW(RCR, f, s, .flags_read = CF, .flags_written = CF | OF), \
        ROW(SHL, f, s, .flags_written = ALL), \
        ROW(SHR, f, s, .flags_written = ALL), \
        ROW(SAL, f, s, .flags_written = ALL), \
        ROW(SAR, f, s, .flags_written = ALL), \
    }
#define GROUP_2_CL(name, s) \
    static const RhDecodeRow name[8] = { \
        ROW(ROL, F_E_CL, s, .flags_read = CF | OF, .flags_written = CF | OF), \
        ROW(ROR, F_E_CL, s, .flags_read = CF | OF, .flags_written = CF | OF), \
        ROW(RCL, F_E_CL, s, .flags_read = CF | OF, .flags_written = CF | OF), \
        ROW(RCR, F_E_CL, s, .flags_read = CF | OF, .flags_written = CF | OF), \
        ROW(SHL, F_E_CL, s, .flags_read = ALL, .flags_written = ALL), \
        ROW(SHR, F_E_CL, s, .flags_read = ALL, .flags_written = ALL), \
        ROW(SAL, F_E_CL, s, .flags_read = ALL, .flags_written = ALL), \
        ROW(SAR, F_E_CL, s, .flags_read = ALL, .flags_written = ALL), \
    }
GROUP_2(group_2_c0, F_E_IB, S_1);
GROUP_2(group_2_c1, F_E_IB, S_V);
GROUP_2(group_2_d0, F_E_1, S_1);
GROUP_2(group_2_d1, F_E_1, S_V);
GROUP_2_CL(group_2_d2, S_1);
GROUP_2_CL(group_2_d3, S_V);

#define GROUP_3(name, s, fi) \
    static const RhDecodeRow name[8] = { \
        ROW(TEST, fi, s, .flags_written = ALL, .access = A_R), \
        ROW(TEST, fi, s, .flags_written = ALL, .access = A_R), \
        ROW(NOT, F_E, s, .traits = LOCKABLE), \
        ROW(NEG, F_E, s, .flags_written = ALL, .traits = LOCKABLE), \
        ROW(MUL, F_E, s, .flags_written = ALL, .access = A_R), \
        ROW(IMUL1, F_E, s, .flags_written = ALL, .access = A_R), \
        ROW(DIV, F_E, s, .flags_written = ALL, .access = A_R), \
        ROW(IDIV, F_E, s, .flags_written = ALL, .access = A_R), \
    }
GROUP_3(group_3_f6, S_1, F_E_IBS);
GROUP_3(group_3_f7, S_V, F_E_IZ);

static const RhDecodeRow group_4[8] = {
    ROW(INC, F_E, S_1, .flags_written = ALL & ~CF, .traits = LOCKABLE),
    ROW(DEC, F_E, S_1, .flags_written = ALL & ~CF, .traits = LOCKABLE),
};
static const RhDecodeRow group_5[8] = {
    ROW(INC, F_E, S_V, .flags_written = ALL & ~CF, .traits = LOCKABLE),
    ROW(DEC, F_E, S_V, .flags_written = ALL & ~CF, .traits = LOCKABLE),
    ROW(CALL_IND, F_E, S_F64, .access = A_R, .traits = BORDER),
    ROW(CALL_FAR, F_E, S_V, .mem = S_FAR, .access = A_R, .chk = C_MEM, .traits = BORDER, .flags_read = ALL, .flags_written = ALL),
    ROW(JMP_IND, F_E, S_F64, .access = A_R, .traits = BORDER),
    ROW(JMP_FAR, F_E, S_V, .mem = S_FAR, .access = A_R, .chk = C_MEM, .traits = BORDER, .flags_read = ALL, .flags_written = ALL),
    ROW(PUSH, F_E, S_D64, .access = A_R),
};
/* XABORT and XBEGIN, C6 F8 and C7 F8, are of a feature that guests do not have. */
static const RhDecodeRow group_11_c6[8] = { ROW(MOV, F_E_IBS, S_1, .access = A_W) };
static const RhDecodeRow group_11_c7[8] = { ROW(MOV, F_E_IZ, S_V, .access = A_W) };

/* In 64-bit code, and with a register operand elsewhere: the EVEX prefix, which guests do not have. */
static const RhDecodeRow opcode_62[2] = { ROW(BOUND, F_G_E, S_V, .mem = S_0, .chk = C_MEM) };
static const RhDecodeRow opcode_63[2] = {
    ROW(ARPL, F_E_G, S_2, .flags_written = ZF),
    ROW(MOVSX, F_G_E, S_V, .src = S_V4),
};

/* ---- x87, tables: register forms that processors take beyond the manual's are aliases ---- */

#define FP(f, m, ...) { .op = RH_OP_X87, .form = f, .size = S_0, .mem = m, .feature = RH_FEAT_FPU, __VA_ARGS__ }
#define FP_R(m) FP(F_E, m, .access = A_R)
#define FP_W(m) FP(F_E, m, .access = A_W)
#define FP_ST FP(F_M, S_0)
#define FP_FLAGS { .op = RH_OP_X87, .form = F_M, .feature = RH_FEAT_CMOV, .flags_written = ALL }
#define FP_MOV(rd) { .op = RH_OP_X87, .form = F_M, .feature = RH_FEAT_CMOV, .flags_read = rd }

static const RhDecodeRow x87_arith_4[8] = {
    FP_R(S_4), FP_R(S_4), FP_R(S_4), FP_R(S_4), FP_R(S_4), FP_R(S_4), FP_R(S_4), FP_R(S_4),
};
static const RhDecodeRow x87_arith_8[8] = {
    FP_R(S_8), FP_R(S_8), FP_R(S_8), FP_R(S_8), FP_R(S_8), FP_R(S_8), FP_R(S_8), FP_R(S_8),
};
static const RhDecodeRow x87_arith_2[8] = {
    FP_R(S_2), FP_R(S_2), FP_R(S_2), FP_R(S_2), FP_R(S_2), FP_R(S_2), FP_R(S_2), FP_R(S_2),
};
static const RhDecodeRow x87_all[8] = { FP_ST, FP_ST, FP_ST, FP_ST, FP_ST, FP_ST, FP_ST, FP_ST };

static const RhDecodeRow x87_d8[2] = { CHOOSE(RH_BY_REG, x87_arith_4), CHOOSE(RH_BY_REG, x87_all) };

static const RhDecodeRow x87_d9_mem[8] = {
    FP_R(S_4), { 0 }, FP_W(S_4), FP_W(S_4), FP_R(S_ENV), FP_R(S_2), FP_W(S_ENV), FP_W(S_2),
};
static const RhDecodeRow x87_d9_d0[8] = { FP_ST };
static const RhDecodeRow x87_d9_e0[8] = { FP_ST, FP_ST, { 0 }, { 0 }, FP_ST, FP_ST };
static const RhDecodeRow x87_d9_e8[8] = { FP_ST, FP_ST, FP_ST, FP_ST, FP_ST, FP_ST, FP_ST };
static const RhDecodeRow x87_d9_reg[8] = {
    FP_ST, FP_ST, CHOOSE(RH_BY_RM, x87_d9_d0), FP_ST,
    CHOOSE(RH_BY_RM, x87_d9_e0), CHOOSE(RH_BY_RM, x87_d9_e8), FP_ST, FP_ST,
};
static const RhDecodeRow x87_d9[2] = { CHOOSE(RH_BY_REG, x87_d9_mem), CHOOSE(RH_BY_REG, x87_d9_reg) };

static const RhDecodeRow x87_da_e8[8] = { { 0 }, FP_ST };
static const RhDecodeRow x87_da_reg[8] = {
    FP_MOV(CF), FP_MOV(ZF), FP_MOV(CF | ZF), FP_MOV(PF), { 0 }, CHOOSE(RH_BY_RM, x87_da_e8),
};
static const RhDecodeRow x87_da[2] = { CHOOSE(RH_BY_REG, x87_arith_4), CHOOSE(RH_BY_REG, x87_da_reg) };

static const RhDecodeRow x87_db_mem[8] = {
    FP_R(S_4), { .op = RH_OP_X87, .form = F_E, .mem = S_4, .access = A_W, .feature = RH_FEAT_SSE3 },
    FP_W(S_4), FP_W(S_4), { 0 }, FP_R(S_10), { 0 }, FP_W(S_10),
};
/* FENI, FDISI and FSETPM of old coprocessors do nothing. */
static const RhDecodeRow x87_db_e0[8] = { FP_ST, FP_ST, FP_ST, FP_ST, FP_ST };
static const RhDecodeRow x87_db_reg[8] = {
    FP_MOV(CF), FP_MOV(ZF), FP_MOV(CF | ZF), FP_MOV(PF), CHOOSE(RH_BY_RM, x87_db_e0), FP_FLAGS, FP_FLAGS,
};
static const RhDecodeRow x87_db[2] = { CHOOSE(RH_BY_REG, x87_db_mem), CHOOSE(RH_BY_REG, x87_db_reg) };

static const RhDecodeRow x87_dc[2] = { CHOOSE(RH_BY_REG, x87_arith_8), CHOOSE(RH_BY_REG, x87_all) };

static const RhDecodeRow x87_dd_mem[8] = {
    FP_R(S_8), { .op = RH_OP_X87, .form = F_E, .mem = S_8, .access = A_W, .feature = RH_FEAT_SSE3 },
    FP_W(S_8), FP_W(S_8), FP_R(S_SAVE), { 0 }, FP_W(S_SAVE), FP_W(S_2),
};
static const RhDecodeRow x87_dd_reg[8] = { FP_ST, FP_ST, FP_ST, FP_ST, FP_ST, FP_ST };
static const RhDecodeRow x87_dd[2] = { CHOOSE(RH_BY_REG, x87_dd_mem), CHOOSE(RH_BY_REG, x87_dd_reg) };

static const RhDecodeRow x87_de_d8[8] = { { 0 }, FP_ST };
static const RhDecodeRow x87_de_reg[8] = {
    FP_ST, FP_ST, FP_ST, CHOOSE(RH_BY_RM, x87_de_d8), FP_ST, FP_ST, FP_ST, FP_ST,
};
static const RhDecodeRow x87_de[2] = { CHOOSE(RH_BY_REG, x87_arith_2), CHOOSE(RH_BY_REG, x87_de_reg) };

static const RhDecodeRow x87_df_mem[8] = {
    FP_R(S_2), { .op = RH_OP_X87, .form = F_E, .mem = S_2, .access = A_W, .feature = RH_FEAT_SSE3 },
    FP_W(S_2), FP_W(S_2), FP_R(S_10), FP_R(S_8), FP_W(S_10), FP_W(S_8),
};
static const RhDecodeRow x87_df_e0[8] = {
    FP(F_M, S_0, .traits = RH_INSN_IMPLICIT_GPR | RH_INSN_GPR_WRITTEN),     /* FNSTSW AX */
};
static const RhDecodeRow x87_df_reg[8] = {
    FP_ST, FP_ST, FP_ST, FP_ST, CHOOSE(RH_BY_RM, x87_df_e0), FP_FLAGS, FP_FLAGS,
};
static const RhDecodeRow x87_df[2] = { CHOOSE(RH_BY_REG, x87_df_mem), CHOOSE(RH_BY_REG, x87_df_reg) };

#define PUSH_SEG(at, s, c) [at] = ROW(PUSH_SEG, F_ARG, S_D64, .arg = s, .chk = c)
#define POP_SEG(at, s, c) [at] = ROW(POP_SEG, F_ARG, S_D64, .arg = s, .chk = c, .traits = BORDER)

const RhDecodeRow rh_decode_one[256] = {
    ALU(0x00, ADD, 0, LOCKABLE, A_AUTO),
    PUSH_SEG(0x06, RH_ES, C_NO64),
    POP_SEG(0x07, RH_ES, C_NO64),
    ALU(0x08, OR, 0, LOCKABLE, A_AUTO),
    PUSH_SEG(0x0e, RH_CS, C_NO64),
    ALU(0x10, ADC, CF, LOCKABLE, A_AUTO),
    PUSH_SEG(0x16, RH_SS, C_NO64),
    POP_SEG(0x17, RH_SS, C_NO64),
    ALU(0x18, SBB, CF, LOCKABLE, A_AUTO),
    PUSH_SEG(0x1e, RH_DS, C_NO64),
    POP_SEG(0x1f, RH_DS, C_NO64),
    ALU(0x20, AND, 0, LOCKABLE, A_AUTO),
    [0x27] = ROW(DAA, F_NONE, S_1, .chk = C_NO64, .flags_read = CF | AF, .flags_written = ALL),
    ALU(0x28, SUB, 0, LOCKABLE, A_AUTO),
    [0x2f] = ROW(DAS, F_NONE, S_1, .chk = C_NO64, .flags_read = CF | AF, .flags_written = ALL),
    ALU(0x30, XOR, 0, LOCKABLE, A_AUTO),
    [0x37] = ROW(AAA, F_NONE, S_1, .chk = C_NO64, .flags_read = AF, .flags_written = ALL),
    ALU(0x38, CMP, 0, 0, A_R),
    [0x3f] = ROW(AAS, F_NONE, S_1, .chk = C_NO64, .flags_read = AF, .flags_written = ALL),

    [0x40 ... 0x47] = ROW(INC, F_Z, S_V, .chk = C_NO64, .flags_written = ALL & ~CF),
    [0x48 ... 0x4f] = ROW(DEC, F_Z, S_V, .chk = C_NO64, .flags_written = ALL & ~CF),
    [0x50 ... 0x57] = ROW(PUSH, F_Z, S_D64),
    [0x58 ... 0x5f] = ROW(POP, F_Z, S_D64),
    [0x60] = ROW(PUSHA, F_NONE, S_V, .chk = C_NO64),
    [0x61] = ROW(POPA, F_NONE, S_V, .chk = C_NO64),
    [0x62] = CHOOSE(RH_BY_64, opcode_62),
    [0x63] = CHOOSE(RH_BY_64, opcode_63),
    [0x68] = ROW(PUSH, F_IZ, S_D64),
    [0x69] = ROW(IMUL, F_G_E_IZ, S_V, .flags_written = ALL),
    [0x6a] = ROW(PUSH, F_IBS, S_D64),
    [0x6b] = ROW(IMUL, F_G_E_IBS, S_V, .flags_written = ALL),
    [0x6c] = ROW(INS, F_NONE, S_1),
    [0x6d] = ROW(INS, F_NONE, S_IO),
    [0x6e] = ROW(OUTS, F_NONE, S_1),
    [0x6f] = ROW(OUTS, F_NONE, S_IO),
    [0x70 ... 0x7f] = ROW(JCC, F_IBS, S_F64, .traits = BORDER),
    [0x80] = CHOOSE(RH_BY_REG, group_1_80),
    [0x81] = CHOOSE(RH_BY_REG, group_1_81),
    [0x82] = CHOOSE(RH_BY_REG, group_1_82),
    [0x83] = CHOOSE(RH_BY_REG, group_1_83),
    [0x84] = ROW(TEST, F_E_G, S_1, .flags_written = ALL, .access = A_R),
    [0x85] = ROW(TEST, F_E_G, S_V, .flags_written = ALL, .access = A_R),
    [0x86] = ROW(XCHG, F_E_G, S_1, .traits = LOCKABLE),
    [0x87] = ROW(XCHG, F_E_G, S_V, .traits = LOCKABLE),
    [0x88] = ROW(MOV, F_E_G, S_1, .access = A_W),
    [0x89] = ROW(MOV, F_E_G, S_V, .access = A_W),
    [0x8a] = ROW(MOV, F_G_E, S_1),
    [0x8b] = ROW(MOV, F_G_E, S_V),
    [0x8c] = ROW(MOV_FROM_SEG, F_E_G, S_VW, .chk = C_SREG, .access = A_W),
    [0x8d] = ROW(LEA, F_G_E, S_V, .mem = S_0, .chk = C_MEM | C_NOSEG, .access = A_NONE),
    [0x8e] = ROW(MOV_TO_SEG, F_G_E, S_2, .chk = C_SREG, .traits = BORDER),
    [0x8f] = CHOOSE(RH_BY_REG, group_1a),
    [0x90] = ROW(NOP, F_Z_A, S_V, .chk = C_NOREX),
    [0x91 ... 0x97] = ROW(XCHG, F_Z_A, S_V),
    [0x98] = ROW(CBW, F_NONE, S_V),
    [0x99] = ROW(CWD, F_NONE, S_V),
    [0x9a] = ROW(CALL_FAR, F_FAR, S_V, .chk = C_NO64, .traits = BORDER, .flags_read = ALL, .flags_written = ALL),
    [0x9b] = FP(F_NONE, S_0),
    [0x9c] = ROW(PUSHF, F_NONE, S_D64, .flags_read = ALL),
    [0x9d] = ROW(POPF, F_NONE, S_D64, .flags_written = ALL, .traits = BORDER),
    [0x9e] = ROW(SAHF, F_NONE, S_1, .feature = RH_FEAT_LM, .flags_written = ALL & ~OF),
    [0x9f] = ROW(LAHF, F_NONE, S_1, .feature = RH_FEAT_LM, .flags_read = ALL & ~OF),
    [0xa0] = ROW(MOV, F_A_O, S_1),
    [0xa1] = ROW(MOV, F_A_O, S_V),
    [0xa2] = ROW(MOV, F_O_A, S_1, .access = A_W),
    [0xa3] = ROW(MOV, F_O_A, S_V, .access = A_W),
    [0xa4] = ROW(MOVS, F_NONE, S_1),
    [0xa5] = ROW(MOVS, F_NONE, S_V),
    [0xa6] = ROW(CMPS, F_NONE, S_1, .flags_written = ALL),
    [0xa7] = ROW(CMPS, F_NONE, S_V, .flags_written = ALL),
    [0xa8] = ROW(TEST, F_A_IBS, S_1, .flags_written = ALL),
    [0xa9] = ROW(TEST, F_A_IZ, S_V, .flags_written = ALL),
    [0xaa] = ROW(STOS, F_NONE, S_1),
    [0xab] = ROW(STOS, F_NONE, S_V),
    [0xac] = ROW(LODS, F_NONE, S_1),
    [0xad] = ROW(LODS, F_NONE, S_V),
    [0xae] = ROW(SCAS, F_NONE, S_1, .flags_written = ALL),
    [0xaf] = ROW(SCAS, F_NONE, S_V, .flags_written = ALL),
    [0xb0 ... 0xb7] = ROW(MOV, F_Z_IB, S_1),
    [0xb8 ... 0xbf] = ROW(MOV, F_Z_IV, S_V),
    [0xc0] = CHOOSE(RH_BY_REG, group_2_c0),
    [0xc1] = CHOOSE(RH_BY_REG, group_2_c1),
    [0xc2] = ROW(RET, F_IW, S_F64, .traits = BORDER),
    [0xc3] = ROW(RET, F_NONE, S_F64, .traits = BORDER),
    [0xc4] = ROW(LOAD_FAR, F_G_E, S_V, .mem = S_FAR, .arg = RH_ES, .chk = C_NO64 | C_MEM, .traits = BORDER),
    [0xc5] = ROW(LOAD_FAR, F_G_E, S_V, .mem = S_FAR, .arg = RH_DS, .chk = C_NO64 | C_MEM, .traits = BORDER),
    [0xc6] = CHOOSE(RH_BY_REG, group_11_c6),
    [0xc7] = CHOOSE(RH_BY_REG, group_11_c7),
    [0xc8] = ROW(ENTER, F_ENTER, S_D64),
    [0xc9] = ROW(LEAVE, F_NONE, S_D64),
    [0xca] = ROW(RETF, F_IW, S_V, .traits = BORDER),
    [0xcb] = ROW(RETF, F_NONE, S_V, .traits = BORDER),
    [0xcc] = ROW(INT3, F_NONE, S_V, .traits = BORDER, .flags_read = ALL),
    [0xcd] = ROW(INT, F_IB, S_V, .traits = BORDER, .flags_read = ALL),
    [0xce] = ROW(INTO, F_NONE, S_V, .chk = C_NO64, .traits = BORDER, .flags_read = ALL),
    [0xcf] = ROW(IRET, F_NONE, S_V, .traits = BORDER, .flags_read = ALL, .flags_written = ALL),
    [0xd0] = CHOOSE(RH_BY_REG, group_2_d0),
    [0xd1] = CHOOSE(RH_BY_REG, group_2_d1),
    [0xd2] = CHOOSE(RH_BY_REG, group_2_d2),
    [0xd3] = CHOOSE(RH_BY_REG, group_2_d3),
    [0xd4] = ROW(AAM, F_IB, S_1, .chk = C_NO64, .flags_written = ALL),
    [0xd5] = ROW(AAD, F_IB, S_1, .chk = C_NO64, .flags_written = ALL),
    [0xd6] = ROW(SALC, F_NONE, S_1, .chk = C_NO64, .flags_read = CF),
    [0xd7] = ROW(XLAT, F_NONE, S_1),
    [0xd8] = CHOOSE(RH_BY_MOD, x87_d8),
    [0xd9] = CHOOSE(RH_BY_MOD, x87_d9),
    [0xda] = CHOOSE(RH_BY_MOD, x87_da),
    [0xdb] = CHOOSE(RH_BY_MOD, x87_db),
    [0xdc] = CHOOSE(RH_BY_MOD, x87_dc),
    [0xdd] = CHOOSE(RH_BY_MOD, x87_dd),
    [0xde] = CHOOSE(RH_BY_MOD, x87_de),
    [0xdf] = CHOOSE(RH_BY_MOD, x87_df),
    [0xe0] = ROW(LOOPNE, F_IBS, S_F64, .traits = BORDER, .flags_read = ZF),
    [0xe1] = ROW(LOOPE, F_IBS, S_F64, .traits = BORDER, .flags_read = ZF),
    [0xe2] = ROW(LOOP, F_IBS, S_F64, .traits = BORDER),
    [0xe3] = ROW(JCXZ, F_IBS, S_F64, .traits = BORDER),
    [0xe4] = ROW(IN, F_A_IB, S_1),
    [0xe5] = ROW(IN, F_A_IB, S_IO),
    [0xe6] = ROW(OUT, F_IB_A, S_1),
    [0xe7] = ROW(OUT, F_IB_A, S_IO),
    [0xe8] = ROW(CALL, F_IZ, S_F64, .traits = BORDER),
    [0xe9] = ROW(JMP, F_IZ, S_F64, .traits = BORDER),
    [0xea] = ROW(JMP_FAR, F_FAR, S_V, .chk = C_NO64, .traits = BORDER, .flags_read = ALL, .flags_written = ALL),
    [0xeb] = ROW(JMP, F_IBS, S_F64, .traits = BORDER),
    [0xec] = ROW(IN, F_A_DX, S_1),
    [0xed] = ROW(IN, F_A_DX, S_IO),
    [0xee] = ROW(OUT, F_DX_A, S_1),
    [0xef] = ROW(OUT, F_DX_A, S_IO),
    [0xf1] = ROW(INT1, F_NONE, S_V, .traits = BORDER, .flags_read = ALL),
    [0xf4] = ROW(HLT, F_NONE, S_V, .traits = BORDER | PRIV),
    [0xf5] = ROW(CMC, F_NONE, S_V, .flags_read = CF, .flags_written = CF),
    [0xf6] = CHOOSE(RH_BY_REG, group_3_f6),
    [0xf7] = CHOOSE(RH_BY_REG, group_3_f7),
    [0xf8] = ROW(CLC, F_NONE, S_V, .flags_written = CF),
    [0xf9] = ROW(STC, F_NONE, S_V, .flags_written = CF),
    [0xfa] = ROW(CLI, F_NONE, S_V),
    [0xfb] = ROW(STI, F_NONE, S_V, .traits = BORDER),
    [0xfc] = ROW(CLD, F_NONE, S_V),
    [0xfd] = ROW(STD, F_NONE, S_V),
    [0xfe] = CHOOSE(RH_BY_REG, group_4),
    [0xff] = CHOOSE(RH_BY_REG, group_5),
};

/* ---- 0F: groups ---- */

static const RhDecodeRow group_6[8] = {
    ROW(SLDT, F_E, S_VW, .access = A_W),
    ROW(STR, F_E, S_VW, .access = A_W),
    ROW(LLDT, F_E, S_2, .access = A_R, .traits = PRIV | BORDER),
    ROW(LTR, F_E, S_2, .access = A_R, .traits = PRIV | BORDER),
    ROW(VERR, F_E, S_2, .access = A_R, .flags_written = ZF),
    ROW(VERW, F_E, S_2, .access = A_R, .flags_written = ZF),
};

static const RhDecodeRow group_7_mem[8] = {
    ROW(SGDT, F_E, S_NATIVE, .mem = S_TABLE, .access = A_W),
    ROW(SIDT, F_E, S_NATIVE, .mem = S_TABLE, .access = A_W),
    ROW(LGDT, F_E, S_F64, .mem = S_TABLE, .access = A_R, .traits = PRIV | BORDER),
    ROW(LIDT, F_E, S_F64, .mem = S_TABLE, .access = A_R, .traits = PRIV | BORDER),
    ROW(SMSW, F_E, S_VW, .access = A_W),
    { 0 },
    ROW(LMSW, F_E, S_2, .access = A_R, .traits = PRIV | BORDER),
    ROW(INVLPG, F_E, S_0, .access = A_NONE, .traits = PRIV | BORDER),
};
#define VMCALL_ROW ROW(VMCALL, F_M, S_V, .traits = BORDER)
static const RhDecodeRow group_7_0[8] = { [1] = VMCALL_ROW };
static const RhDecodeRow group_7_1[8] = {
    ROW(MONITOR, F_M, S_V, .feature = RH_FEAT_MONITOR),
    ROW(MWAIT, F_M, S_V, .feature = RH_FEAT_MONITOR, .traits = BORDER),
    ROW(CLAC, F_M, S_V, .feature = RH_FEAT_SMAP, .traits = BORDER),
    ROW(STAC, F_M, S_V, .feature = RH_FEAT_SMAP, .traits = BORDER),
};
static const RhDecodeRow group_7_2[8] = {
    ROW(XGETBV, F_M, S_V, .feature = RH_FEAT_XSAVE),
    ROW(XSETBV, F_M, S_V, .feature = RH_FEAT_XSAVE, .traits = PRIV | BORDER),
};
static const RhDecodeRow group_7_3[8] = { [1] = VMCALL_ROW };      /* VMMCALL */
static const RhDecodeRow group_7_5[8] = {
    ROW(FENCE, F_M, S_V, .feature = RH_FEAT_SERIALIZE, .traits = BORDER),
};
static const RhDecodeRow group_7_7[8] = {
    ROW(SWAPGS, F_M, S_8, .chk = C_ONLY64, .traits = PRIV),
    ROW(RDTSCP, F_M, S_V, .feature = RH_FEAT_RDTSCP),
};
static const RhDecodeRow group_7_reg[8] = {
    CHOOSE(RH_BY_RM, group_7_0), CHOOSE(RH_BY_RM, group_7_1), CHOOSE(RH_BY_RM, group_7_2), CHOOSE(RH_BY_RM, group_7_3),
    ROW(SMSW, F_E, S_VW, .access = A_W), CHOOSE(RH_BY_RM, group_7_5),
    ROW(LMSW, F_E, S_2, .access = A_R, .traits = PRIV | BORDER), CHOOSE(RH_BY_RM, group_7_7),
};
static const RhDecodeRow group_7[2] = { CHOOSE(RH_BY_REG, group_7_mem), CHOOSE(RH_BY_REG, group_7_reg) };
/* With 66, F2 or F3, what remains of the register half takes no mandatory prefix. */
static const RhDecodeRow group_7_reg_prefixed[8] = {
    [0] = CHOOSE(RH_BY_RM, group_7_0), [3] = CHOOSE(RH_BY_RM, group_7_3), [4] = ROW(SMSW, F_E, S_VW, .access = A_W),
    [6] = ROW(LMSW, F_E, S_2, .access = A_R, .traits = PRIV | BORDER), [7] = CHOOSE(RH_BY_RM, group_7_7),
};
static const RhDecodeRow group_7_prefixed[2] = {
    CHOOSE(RH_BY_REG, group_7_mem), CHOOSE(RH_BY_REG, group_7_reg_prefixed),
};

static const RhDecodeRow group_8[8] = {
    [4] = ROW(BT, F_E_IB, S_V, .access = A_R, .flags_written = ALL & ~ZF),
    [5] = ROW(BTS, F_E_IB, S_V, .traits = LOCKABLE, .flags_written = ALL & ~ZF),
    [6] = ROW(BTR, F_E_IB, S_V, .traits = LOCKABLE, .flags_written = ALL & ~ZF),
    [7] = ROW(BTC, F_E_IB, S_V, .traits = LOCKABLE, .flags_written = ALL & ~ZF),
};

#define CX8_ROW ROW(CMPXCHG8B, F_E, S_2Y, .traits = LOCKABLE, .flags_written = ZF, .feature = RH_FEAT_CX8)
static const RhDecodeRow group_9_mem[8] = {
    [1] = CX8_ROW,
    [3] = ROW(XRSTORS, F_E, S_Y, .mem = S_0, .access = A_R, .traits = PRIV, .feature = RH_FEAT_XSAVES),
    [4] = ROW(XSAVEC, F_E, S_Y, .mem = S_0, .access = A_W, .feature = RH_FEAT_XSAVEC),
    [5] = ROW(XSAVES, F_E, S_Y, .mem = S_0, .access = A_W, .traits = PRIV, .feature = RH_FEAT_XSAVES),
};
#define RANDOM_ROWS \
    [6] = ROW(RDRAND, F_E, S_V, .flags_written = ALL, .feature = RH_FEAT_RDRAND), \
    [7] = ROW(RDSEED, F_E, S_V, .flags_written = ALL, .feature = RH_FEAT_RDSEED)
static const RhDecodeRow group_9_reg[8] = { RANDOM_ROWS };
static const RhDecodeRow group_9_mem_prefixed[8] = { [1] = CX8_ROW };
static const RhDecodeRow group_9_reg_f3[8] = { [7] = ROW(RDPID, F_E, S_NATIVE, .feature = RH_FEAT_RDPID) };
static const RhDecodeRow group_9[2] = { CHOOSE(RH_BY_REG, group_9_mem), CHOOSE(RH_BY_REG, group_9_reg) };
static const RhDecodeRow group_9_66[2] = { CHOOSE(RH_BY_REG, group_9_mem_prefixed), CHOOSE(RH_BY_REG, group_9_reg) };
static const RhDecodeRow group_9_f3[2] = { CHOOSE(RH_BY_REG, group_9_mem_prefixed), CHOOSE(RH_BY_REG, group_9_reg_f3) };
static const RhDecodeRow group_9_f2[2] = { CHOOSE(RH_BY_REG, group_9_mem_prefixed) };

static const RhDecodeRow group_15_mem[8] = {
    ROW(FXSAVE, F_E, S_Y, .mem = S_0, .access = A_W, .feature = RH_FEAT_FXSR),
    ROW(FXRSTOR, F_E, S_Y, .mem = S_0, .access = A_R, .feature = RH_FEAT_FXSR),
    ROW(LDMXCSR, F_E, S_4, .access = A_R, .feature = RH_FEAT_SSE, .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX),
    ROW(STMXCSR, F_E, S_4, .access = A_W, .feature = RH_FEAT_SSE, .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX),
    ROW(XSAVE, F_E, S_Y, .mem = S_0, .access = A_W, .feature = RH_FEAT_XSAVE),
    ROW(XRSTOR, F_E, S_Y, .mem = S_0, .access = A_R, .feature = RH_FEAT_XSAVE),
    ROW(XSAVEOPT, F_E, S_Y, .mem = S_0, .access = A_W, .feature = RH_FEAT_XSAVEOPT),
    ROW(CLFLUSH, F_E, S_1, .access = A_R, .feature = RH_FEAT_CLFLUSH),
};
static const RhDecodeRow group_15_reg[8] = {
    [5] = ROW(FENCE, F_M, S_V, .feature = RH_FEAT_SSE2),
    [6] = ROW(FENCE, F_M, S_V, .feature = RH_FEAT_SSE2),
    [7] = ROW(FENCE, F_M, S_V, .feature = RH_FEAT_SSE),
};
static const RhDecodeRow group_15_mem_66[8] = {
    [6] = ROW(CLFLUSH, F_E, S_1, .access = A_R, .feature = RH_FEAT_CLWB),
    [7] = ROW(CLFLUSH, F_E, S_1, .access = A_R, .feature = RH_FEAT_CLFLUSHOPT),
};
static const RhDecodeRow group_15_reg_f3[8] = {
    ROW(RDFSBASE, F_E, S_Y, .chk = C_ONLY64, .access = A_NONE, .feature = RH_FEAT_FSGSBASE),
    ROW(RDGSBASE, F_E, S_Y, .chk = C_ONLY64, .access = A_NONE, .feature = RH_FEAT_FSGSBASE),
    ROW(WRFSBASE, F_E, S_Y, .chk = C_ONLY64, .access = A_NONE, .feature = RH_FEAT_FSGSBASE),
    ROW(WRGSBASE, F_E, S_Y, .chk = C_ONLY64, .access = A_NONE, .feature = RH_FEAT_FSGSBASE),
};
static const RhDecodeRow group_15[2] = { CHOOSE(RH_BY_REG, group_15_mem), CHOOSE(RH_BY_REG, group_15_reg) };
static const RhDecodeRow group_15_66[2] = { CHOOSE(RH_BY_REG, group_15_mem_66) };
static const RhDecodeRow group_15_f3[2] = { [1] = CHOOSE(RH_BY_REG, group_15_reg_f3) };

/* ---- vector rows ---- */

/*
 * In the manual's letters: G general register or vector register by ModRM.reg, E by ModRM.rm, H by VEX.vvvv.
 * m is the size of a memory operand. The legacy feature stands last but for extras; the VEX ones follow from the kind:
 */
#define VECTOR(f, m, ft, vx, f128, f256, ...) \
    { .op = RH_OP_VECTOR, .form = f, .size = S_X, .mem = m, .feature = RH_FEAT_##ft, .vex = vx, \
      .feature_128 = RH_FEAT_##f128, .feature_256 = RH_FEAT_##f256, __VA_ARGS__ }
/* Floating point: AVX in both widths */
#define FLT(f, m, ft, ...) VECTOR(f, m, ft, VEX_BOTH, AVX, AVX, __VA_ARGS__)
/* Integer: AVX2 for 256 bits */
#define INT(f, m, ft, ...) VECTOR(f, m, ft, VEX_BOTH, AVX, AVX2, __VA_ARGS__)
/* 128 bits only */
#define LOW(f, m, ft, ...) VECTOR(f, m, ft, VEX_BOTH | VEX_L0, AVX, AVX, __VA_ARGS__)
/* Scalar: VEX.L is ignored */
#define SCALAR(f, m, ft, ...) VECTOR(f, m, ft, VEX_BOTH | VEX_LIG, AVX, AVX, __VA_ARGS__)
/* No VEX form */
#define SSE(f, m, ft, ...) VECTOR(f, m, ft, VEX_NO, AVX, AVX, __VA_ARGS__)
/* No legacy form */
#define AVX(f, m, vx, ...) VECTOR(f, m, AVX, VEX_ONLY | (vx), AVX, AVX, __VA_ARGS__)
#define AVX2(f, m, vx, ...) VECTOR(f, m, AVX2, VEX_ONLY | (vx), AVX2, AVX2, __VA_ARGS__)
#define FMA(m, vx) VECTOR(F_G_H_E, m, FMA, VEX_ONLY | (vx), FMA, FMA)
#define HALF(f, ...) VECTOR(f, S_X2, F16C, VEX_ONLY | VEX_W0, F16C, F16C, __VA_ARGS__)
/* MMX, with MM registers for both operands, or one of them */
#define MMX_AS(f, s, m, ft, c, tr, ...) \
    { .op = RH_OP_VECTOR, .form = f, .size = s, .mem = m, .feature = RH_FEAT_##ft, .chk = c, \
      .traits = RH_INSN_USES_MMX | (tr), __VA_ARGS__ }
#define MMX(f, m, ft, ...) MMX_AS(f, S_8, m, ft, C_MMREG | C_MMRM, 0, __VA_ARGS__)
/* An integer operation of MMX and of SSE2 to AVX2 */
#define BOTH(at, ft_mmx, ft_sse) [at] = { MMX(F_G_E, S_8, ft_mmx), INT(F_G_H_E, S_X, ft_sse) }
/* The four of a floating-point operation */
#define PS_PD(at, f) [at] = { FLT(f, S_X, SSE), FLT(f, S_X, SSE2) }
#define PS_SS(at, f, g) [at] = { FLT(f, S_X, SSE), { 0 }, SCALAR(g, S_4, SSE) }
#define FOUR(at, f, g) [at] = { FLT(f, S_X, SSE), FLT(f, S_X, SSE2), SCALAR(g, S_4, SSE), SCALAR(g, S_8, SSE2) }
#define FOUR_SAME(at, f) FOUR(at, f, f)

#define GPR_REG_OUT .traits = RH_INSN_GPR_REG | RH_INSN_GPR_WRITTEN
#define GPR_RM_IN   .traits = RH_INSN_GPR_RM
#define GPR_RM_OUT  .traits = RH_INSN_GPR_RM | RH_INSN_GPR_WRITTEN

static const RhDecodeRow move_10_f3[2] = { SCALAR(F_G_E, S_4, SSE), SCALAR(F_G_H_E, S_4, SSE) };
static const RhDecodeRow move_10_f2[2] = { SCALAR(F_G_E, S_8, SSE2), SCALAR(F_G_H_E, S_8, SSE2) };
static const RhDecodeRow move_11_f3[2] = { SCALAR(F_E_G, S_4, SSE, .access = A_W), SCALAR(F_E_H_G, S_4, SSE) };
static const RhDecodeRow move_11_f2[2] = { SCALAR(F_E_G, S_8, SSE2, .access = A_W), SCALAR(F_E_H_G, S_8, SSE2) };
static const RhDecodeRow zero_upper[2] = {
    { .op = RH_OP_EMMS, .form = F_NONE, .size = S_8, .feature = RH_FEAT_MMX, .traits = RH_INSN_USES_MMX },
    VECTOR(F_NONE, S_0, AVX, VEX_ONLY, AVX, AVX),
};
/* CVTxx2SI's register is a general one, of 4 or 8 bytes. */
#define TO_GPR(m, ft) \
    { .op = RH_OP_VECTOR, .form = F_G_E, .size = S_Y, .src = S_X, .mem = m, .feature = RH_FEAT_##ft, \
      .vex = VEX_BOTH | VEX_LIG, .feature_128 = RH_FEAT_AVX, .feature_256 = RH_FEAT_AVX, GPR_REG_OUT }
#define FROM_GPR(ft) \
    { .op = RH_OP_VECTOR, .form = F_G_H_E, .size = S_Y, .feature = RH_FEAT_##ft, \
      .vex = VEX_BOTH | VEX_LIG, .feature_128 = RH_FEAT_AVX, .feature_256 = RH_FEAT_AVX, GPR_RM_IN }
/* MOVMSKPS, PMOVMSKB, PEXTRW: a mask or an element to a general register */
#define MASK(vx, ft, f256) \
    { .op = RH_OP_VECTOR, .form = F_G_E, .size = S_Y, .chk = C_REG, .feature = RH_FEAT_##ft, .vex = vx, \
      .feature_128 = RH_FEAT_AVX, .feature_256 = RH_FEAT_##f256, GPR_REG_OUT }
#define INSERT(m, ft, ...) \
    { .op = RH_OP_VECTOR, .form = F_G_H_E_IB, .size = S_Y, .mem = m, .feature = RH_FEAT_##ft, \
      .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX, GPR_RM_IN, __VA_ARGS__ }
#define EXTRACT(m, ...) \
    { .op = RH_OP_VECTOR, .form = F_E_G_IB, .size = S_Y, .mem = m, .feature = RH_FEAT_SSE41, .access = A_W, \
      .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX, GPR_RM_OUT, __VA_ARGS__ }

/* Shifts by an immediate: registers alone */
#define SHIFT_MMX MMX_AS(F_E_IB, S_8, S_0, MMX, C_MMRM | C_REG, 0)
#define SHIFT_SSE INT(F_H_E_IB, S_0, SSE2, .chk = C_REG)
static const RhDecodeRow group_12_mmx[8] = { [2] = SHIFT_MMX, [4] = SHIFT_MMX, [6] = SHIFT_MMX };
static const RhDecodeRow group_12_sse[8] = { [2] = SHIFT_SSE, [4] = SHIFT_SSE, [6] = SHIFT_SSE };
static const RhDecodeRow group_14_mmx[8] = { [2] = SHIFT_MMX, [6] = SHIFT_MMX };
static const RhDecodeRow group_14_sse[8] = { [2] = SHIFT_SSE, [3] = SHIFT_SSE, [6] = SHIFT_SSE, [7] = SHIFT_SSE };

/* MOVHLPS and MOVLHPS are the register forms. */
static const RhDecodeRow move_12[2] = { LOW(F_G_H_E, S_8, SSE), LOW(F_G_H_E, S_0, SSE) };
static const RhDecodeRow from_mmx_66[2] = {
    SSE(F_G_E, S_8, SSE2),      /* no MM register: no transition to MMX, SDM vol. 2, CVTPI2PD */
    MMX_AS(F_G_E, S_16, S_8, SSE2, C_MMRM, 0),
};

const RhDecodeRow rh_decode_0f[256][4] = {
    [0x00] = { ANY_CHOOSE(RH_BY_REG, group_6) },
    [0x01] = { CHOOSE(RH_BY_MOD, group_7), CHOOSE(RH_BY_MOD, group_7_prefixed),
               CHOOSE(RH_BY_MOD, group_7_prefixed), CHOOSE(RH_BY_MOD, group_7_prefixed) },
    [0x02] = { ANY(LAR, F_G_E, S_V, .src = S_2, .flags_written = ZF) },
    [0x03] = { ANY(LSL, F_G_E, S_V, .src = S_2, .flags_written = ZF) },
    [0x05] = { ANY(SYSCALL, F_NONE, S_V, .feature = RH_FEAT_SYSCALL, .flags_read = ALL, .flags_written = ALL, .traits = BORDER) },
    [0x06] = { ANY(CLTS, F_NONE, S_V, .traits = PRIV | BORDER) },
    [0x07] = { ANY(SYSRET, F_NONE, S_V, .feature = RH_FEAT_SYSCALL, .flags_written = ALL, .traits = PRIV | BORDER) },
    [0x08] = { ANY(WBINVD, F_NONE, S_V, .traits = PRIV | BORDER) },
    [0x09] = { ANY(WBINVD, F_NONE, S_V, .traits = PRIV | BORDER) },
    [0x0b] = { ANY(UD, F_NONE, S_V, .traits = BORDER) },
    [0x0d] = { ANY(NOP, F_E, S_V, .mem = S_0, .access = A_NONE, .traits = 0) },     /* PREFETCHW and kin */
    [0x10] = { FLT(F_G_E, S_X, SSE, .chk = C_UNALIGNED), FLT(F_G_E, S_X, SSE2, .chk = C_UNALIGNED),
               CHOOSE(RH_BY_MOD, move_10_f3), CHOOSE(RH_BY_MOD, move_10_f2) },
    [0x11] = { FLT(F_E_G, S_X, SSE, .chk = C_UNALIGNED, .access = A_W), FLT(F_E_G, S_X, SSE2, .chk = C_UNALIGNED, .access = A_W),
               CHOOSE(RH_BY_MOD, move_11_f3), CHOOSE(RH_BY_MOD, move_11_f2) },
    [0x12] = { CHOOSE(RH_BY_MOD, move_12), LOW(F_G_H_E, S_8, SSE2, .chk = C_MEM),
               FLT(F_G_E, S_X, SSE3), FLT(F_G_E, S_DUP, SSE3) },
    [0x13] = { LOW(F_E_G, S_8, SSE, .chk = C_MEM, .access = A_W), LOW(F_E_G, S_8, SSE2, .chk = C_MEM, .access = A_W) },
    PS_PD(0x14, F_G_H_E),
    PS_PD(0x15, F_G_H_E),
    [0x16] = { CHOOSE(RH_BY_MOD, move_12), LOW(F_G_H_E, S_8, SSE2, .chk = C_MEM), FLT(F_G_E, S_X, SSE3) },
    [0x17] = { LOW(F_E_G, S_8, SSE, .chk = C_MEM, .access = A_W), LOW(F_E_G, S_8, SSE2, .chk = C_MEM, .access = A_W) },
    [0x18 ... 0x1f] = { ANY(NOP, F_E, S_V, .mem = S_0, .access = A_NONE) },     /* prefetches, hints, ENDBR, MPX and CET as on CPUs without */
    [0x20] = { ANY(MOV_FROM_CR, F_R_CR, S_NATIVE, .traits = PRIV) },
    [0x21] = { ANY(MOV_FROM_DR, F_R_CR, S_NATIVE, .traits = PRIV, .flags_written = 0) },
    [0x22] = { ANY(MOV_TO_CR, F_CR_R, S_NATIVE, .traits = PRIV | BORDER) },
    [0x23] = { ANY(MOV_TO_DR, F_CR_R, S_NATIVE, .traits = PRIV | BORDER) },
    [0x28] = { FLT(F_G_E, S_X, SSE, .chk = C_ALIGNED), FLT(F_G_E, S_X, SSE2, .chk = C_ALIGNED) },
    [0x29] = { FLT(F_E_G, S_X, SSE, .chk = C_ALIGNED, .access = A_W), FLT(F_E_G, S_X, SSE2, .chk = C_ALIGNED, .access = A_W) },
    [0x2a] = { MMX_AS(F_G_E, S_16, S_8, SSE, C_MMRM, 0), CHOOSE(RH_BY_MOD, from_mmx_66), FROM_GPR(SSE), FROM_GPR(SSE2) },
    [0x2b] = { FLT(F_E_G, S_X, SSE, .chk = C_ALIGNED | C_MEM, .access = A_W), FLT(F_E_G, S_X, SSE2, .chk = C_ALIGNED | C_MEM, .access = A_W) },
    [0x2c] = { MMX_AS(F_G_E, S_8, S_8, SSE, C_MMREG, 0), MMX_AS(F_G_E, S_8, S_16, SSE2, C_MMREG, 0), TO_GPR(S_4, SSE), TO_GPR(S_8, SSE2) },
    [0x2d] = { MMX_AS(F_G_E, S_8, S_8, SSE, C_MMREG, 0), MMX_AS(F_G_E, S_8, S_16, SSE2, C_MMREG, 0), TO_GPR(S_4, SSE), TO_GPR(S_8, SSE2) },
    [0x2e] = { SCALAR(F_G_E, S_4, SSE, .flags_written = ALL), SCALAR(F_G_E, S_8, SSE2, .flags_written = ALL) },
    [0x2f] = { SCALAR(F_G_E, S_4, SSE, .flags_written = ALL), SCALAR(F_G_E, S_8, SSE2, .flags_written = ALL) },

    [0x30] = { ANY(WRMSR, F_NONE, S_V, .traits = PRIV | BORDER) },
    [0x31] = { ANY(RDTSC, F_NONE, S_V) },
    [0x32] = { ANY(RDMSR, F_NONE, S_V, .traits = PRIV) },
    [0x33] = { ANY(RDPMC, F_NONE, S_V) },
    [0x34] = { ANY(SYSENTER, F_NONE, S_V, .feature = RH_FEAT_SEP, .traits = BORDER) },
    [0x35] = { ANY(SYSEXIT, F_NONE, S_V, .feature = RH_FEAT_SEP, .traits = PRIV | BORDER) },
    [0x40 ... 0x4f] = { ANY(CMOVCC, F_G_E, S_V, .feature = RH_FEAT_CMOV) },

    [0x50] = { MASK(VEX_BOTH, SSE, AVX), MASK(VEX_BOTH, SSE2, AVX) },
    [0x51] = { FLT(F_G_E, S_X, SSE), FLT(F_G_E, S_X, SSE2), SCALAR(F_G_H_E, S_4, SSE), SCALAR(F_G_H_E, S_8, SSE2) },
    PS_SS(0x52, F_G_E, F_G_H_E),
    PS_SS(0x53, F_G_E, F_G_H_E),
    PS_PD(0x54, F_G_H_E),
    PS_PD(0x55, F_G_H_E),
    PS_PD(0x56, F_G_H_E),
    PS_PD(0x57, F_G_H_E),
    FOUR_SAME(0x58, F_G_H_E),
    FOUR_SAME(0x59, F_G_H_E),
    [0x5a] = { FLT(F_G_E, S_X2, SSE2), FLT(F_G_E, S_X, SSE2), SCALAR(F_G_H_E, S_4, SSE2), SCALAR(F_G_H_E, S_8, SSE2) },
    [0x5b] = { FLT(F_G_E, S_X, SSE2), FLT(F_G_E, S_X, SSE2), FLT(F_G_E, S_X, SSE2) },
    FOUR_SAME(0x5c, F_G_H_E),
    FOUR_SAME(0x5d, F_G_H_E),
    FOUR_SAME(0x5e, F_G_H_E),
    FOUR_SAME(0x5f, F_G_H_E),
    [0x60 ... 0x62] = { MMX(F_G_E, S_4, MMX), INT(F_G_H_E, S_X, SSE2) },
    [0x63 ... 0x6b] = { MMX(F_G_E, S_8, MMX), INT(F_G_H_E, S_X, SSE2) },
    [0x6c ... 0x6d] = { [P66] = INT(F_G_H_E, S_X, SSE2) },
    [0x6e] = { MMX_AS(F_G_E, S_Y, S_Y, MMX, C_MMREG, RH_INSN_GPR_RM),
               { .op = RH_OP_VECTOR, .form = F_G_E, .size = S_Y, .feature = RH_FEAT_SSE2, .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX, GPR_RM_IN } },
    [0x6f] = { MMX(F_G_E, S_8, MMX), INT(F_G_E, S_X, SSE2, .chk = C_ALIGNED), INT(F_G_E, S_X, SSE2, .chk = C_UNALIGNED) },
    [0x70] = { MMX(F_G_E_IB, S_8, SSE), INT(F_G_E_IB, S_X, SSE2), INT(F_G_E_IB, S_X, SSE2), INT(F_G_E_IB, S_X, SSE2) },
    [0x71] = { CHOOSE(RH_BY_REG, group_12_mmx), CHOOSE(RH_BY_REG, group_12_sse) },
    [0x72] = { CHOOSE(RH_BY_REG, group_12_mmx), CHOOSE(RH_BY_REG, group_12_sse) },
    [0x73] = { CHOOSE(RH_BY_REG, group_14_mmx), CHOOSE(RH_BY_REG, group_14_sse) },
    BOTH(0x74, MMX, SSE2), BOTH(0x75, MMX, SSE2), BOTH(0x76, MMX, SSE2),
    [0x77] = { CHOOSE(RH_BY_VEX, zero_upper) },
    [0x7c ... 0x7d] = { [P66] = FLT(F_G_H_E, S_X, SSE3), [PF2] = FLT(F_G_H_E, S_X, SSE3) },
    [0x7e] = { MMX_AS(F_E_G, S_Y, S_Y, MMX, C_MMREG, RH_INSN_GPR_RM | RH_INSN_GPR_WRITTEN, .access = A_W),
               { .op = RH_OP_VECTOR, .form = F_E_G, .size = S_Y, .feature = RH_FEAT_SSE2, .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX, GPR_RM_OUT, .access = A_W },
               LOW(F_G_E, S_8, SSE2) },
    [0x7f] = { MMX(F_E_G, S_8, MMX, .access = A_W), INT(F_E_G, S_X, SSE2, .chk = C_ALIGNED, .access = A_W), INT(F_E_G, S_X, SSE2, .chk = C_UNALIGNED, .access = A_W) },

    [0x80 ... 0x8f] = { ANY(JCC, F_IZ, S_F64, .traits = BORDER) },
    [0x90 ... 0x9f] = { ANY(SETCC, F_E, S_1, .access = A_W) },
    [0xa0] = { ANY(PUSH_SEG, F_ARG, S_D64, .arg = RH_FS) },
    [0xa1] = { ANY(POP_SEG, F_ARG, S_D64, .arg = RH_FS, .traits = BORDER) },
    [0xa2] = { ANY(CPUID, F_NONE, S_V, .traits = BORDER) },
    [0xa3] = { ANY(BT, F_E_G, S_V, .access = A_R, .flags_written = ALL & ~ZF) },
    [0xa4] = { ANY(SHLD, F_E_G_IB, S_V, .flags_written = ALL) },
    [0xa5] = { ANY(SHLD, F_E_G_CL, S_V, .flags_read = ALL, .flags_written = ALL) },
    [0xa8] = { ANY(PUSH_SEG, F_ARG, S_D64, .arg = RH_GS) },
    [0xa9] = { ANY(POP_SEG, F_ARG, S_D64, .arg = RH_GS, .traits = BORDER) },
    [0xaa] = { ANY(RSM, F_NONE, S_V, .flags_written = ALL, .traits = BORDER) },
    [0xab] = { ANY(BTS, F_E_G, S_V, .traits = LOCKABLE, .flags_written = ALL & ~ZF) },
    [0xac] = { ANY(SHRD, F_E_G_IB, S_V, .flags_written = ALL) },
    [0xad] = { ANY(SHRD, F_E_G_CL, S_V, .flags_read = ALL, .flags_written = ALL) },
    [0xae] = { CHOOSE(RH_BY_MOD, group_15), CHOOSE(RH_BY_MOD, group_15_66), CHOOSE(RH_BY_MOD, group_15_f3) },
    [0xaf] = { ANY(IMUL, F_G_E, S_V, .flags_written = ALL) },
    [0xb0] = { ANY(CMPXCHG, F_E_G, S_1, .traits = LOCKABLE, .flags_written = ALL) },
    [0xb1] = { ANY(CMPXCHG, F_E_G, S_V, .traits = LOCKABLE, .flags_written = ALL) },
    [0xb2] = { ANYX(LOAD_FAR, F_G_E, S_V, C_MEM, .mem = S_FAR, .arg = RH_SS, .traits = BORDER) },
    [0xb3] = { ANY(BTR, F_E_G, S_V, .traits = LOCKABLE, .flags_written = ALL & ~ZF) },
    [0xb4] = { ANYX(LOAD_FAR, F_G_E, S_V, C_MEM, .mem = S_FAR, .arg = RH_FS, .traits = BORDER) },
    [0xb5] = { ANYX(LOAD_FAR, F_G_E, S_V, C_MEM, .mem = S_FAR, .arg = RH_GS, .traits = BORDER) },
    [0xb6] = { ANY(MOVZX, F_G_E, S_V, .src = S_1) },
    [0xb7] = { ANY(MOVZX, F_G_E, S_V, .src = S_2) },
    [0xb8] = { [PF3] = ROW(POPCNT, F_G_E, S_V, .feature = RH_FEAT_POPCNT, .flags_written = ALL) },
    [0xb9] = { ANY(UD, F_G_E, S_V, .mem = S_0, .access = A_NONE, .traits = BORDER) },
    [0xba] = { ANY_CHOOSE(RH_BY_REG, group_8) },
    [0xbb] = { ANY(BTC, F_E_G, S_V, .traits = LOCKABLE, .flags_written = ALL & ~ZF) },
    [0xbc] = { ANY(BSF, F_G_E, S_V, .flags_written = ALL), [PF3] = ROW(TZCNT, F_G_E, S_V, .feature = RH_FEAT_BMI1, .flags_written = ALL) },
    [0xbd] = { ANY(BSR, F_G_E, S_V, .flags_written = ALL), [PF3] = ROW(LZCNT, F_G_E, S_V, .feature = RH_FEAT_LZCNT, .flags_written = ALL) },
    [0xbe] = { ANY(MOVSX, F_G_E, S_V, .src = S_1) },
    [0xbf] = { ANY(MOVSX, F_G_E, S_V, .src = S_2) },
    [0xc0] = { ANY(XADD, F_E_G, S_1, .traits = LOCKABLE, .flags_written = ALL) },
    [0xc1] = { ANY(XADD, F_E_G, S_V, .traits = LOCKABLE, .flags_written = ALL) },
    [0xc2] = { FLT(F_G_H_E_IB, S_X, SSE), FLT(F_G_H_E_IB, S_X, SSE2), SCALAR(F_G_H_E_IB, S_4, SSE), SCALAR(F_G_H_E_IB, S_8, SSE2) },
    [0xc3] = { ROW(MOVNTI, F_E_G, S_Y, .chk = C_MEM, .access = A_W, .feature = RH_FEAT_SSE2) },
    [0xc4] = { MMX_AS(F_G_E_IB, S_Y, S_2, SSE, C_MMREG, RH_INSN_GPR_RM), INSERT(S_2, SSE2) },
    [0xc5] = { MMX_AS(F_G_E_IB, S_Y, S_0, SSE, C_MMRM | C_REG, RH_INSN_GPR_REG | RH_INSN_GPR_WRITTEN),
               { .op = RH_OP_VECTOR, .form = F_G_E_IB, .size = S_Y, .chk = C_REG, .feature = RH_FEAT_SSE2, .vex = VEX_BOTH | VEX_L0, .feature_128 = RH_FEAT_AVX, GPR_REG_OUT } },
    [0xc6] = { FLT(F_G_H_E_IB, S_X, SSE), FLT(F_G_H_E_IB, S_X, SSE2) },
    [0xc7] = { CHOOSE(RH_BY_MOD, group_9), CHOOSE(RH_BY_MOD, group_9_66), CHOOSE(RH_BY_MOD, group_9_f3), CHOOSE(RH_BY_MOD, group_9_f2) },
    [0xc8 ... 0xcf] = { ANY(BSWAP, F_Z, S_V) },

    [0xd0] = { [P66] = FLT(F_G_H_E, S_X, SSE3), [PF2] = FLT(F_G_H_E, S_X, SSE3) },
    /* The count of a shift is 128 bits wide, whatever VEX.L says. */
    [0xd1 ... 0xd3] = { MMX(F_G_E, S_8, MMX), INT(F_G_H_E, S_16, SSE2) },
    BOTH(0xd4, SSE2, SSE2),
    BOTH(0xd5, MMX, SSE2),
    [0xd6] = { [P66] = LOW(F_E_G, S_8, SSE2, .access = A_W),
               [PF3] = MMX_AS(F_G_E, S_16, S_0, SSE2, C_MMRM | C_REG, 0), [PF2] = MMX_AS(F_G_E, S_8, S_0, SSE2, C_MMREG | C_REG, 0) },
    [0xd7] = { MMX_AS(F_G_E, S_Y, S_0, SSE, C_MMRM | C_REG, RH_INSN_GPR_REG | RH_INSN_GPR_WRITTEN), MASK(VEX_BOTH, SSE2, AVX2) },
    BOTH(0xd8, MMX, SSE2), BOTH(0xd9, MMX, SSE2), BOTH(0xda, SSE, SSE2), BOTH(0xdb, MMX, SSE2),
    BOTH(0xdc, MMX, SSE2), BOTH(0xdd, MMX, SSE2), BOTH(0xde, SSE, SSE2), BOTH(0xdf, MMX, SSE2),
    BOTH(0xe0, SSE, SSE2),
    [0xe1 ... 0xe2] = { MMX(F_G_E, S_8, MMX), INT(F_G_H_E, S_16, SSE2) },
    BOTH(0xe3, SSE, SSE2), BOTH(0xe4, SSE, SSE2), BOTH(0xe5, MMX, SSE2),
    [0xe6] = { [P66] = FLT(F_G_E, S_X, SSE2), [PF3] = FLT(F_G_E, S_X2, SSE2), [PF2] = FLT(F_G_E, S_X, SSE2) },
    [0xe7] = { MMX_AS(F_E_G, S_8, S_8, SSE, C_MMREG | C_MEM, 0, .access = A_W), FLT(F_E_G, S_X, SSE2, .chk = C_ALIGNED | C_MEM, .access = A_W) },
    BOTH(0xe8, MMX, SSE2), BOTH(0xe9, MMX, SSE2), BOTH(0xea, SSE, SSE2), BOTH(0xeb, MMX, SSE2),
    BOTH(0xec, MMX, SSE2), BOTH(0xed, MMX, SSE2), BOTH(0xee, SSE, SSE2), BOTH(0xef, MMX, SSE2),
    [0xf0] = { [PF2] = FLT(F_G_E, S_X, SSE3, .chk = C_UNALIGNED | C_MEM) },
    [0xf1 ... 0xf3] = { MMX(F_G_E, S_8, MMX), INT(F_G_H_E, S_16, SSE2) },
    BOTH(0xf4, SSE2, SSE2), BOTH(0xf5, MMX, SSE2), BOTH(0xf6, SSE, SSE2),
    [0xf7] = { MMX_AS(F_G_E, S_8, S_0, SSE, C_MMREG | C_MMRM | C_REG, RH_INSN_STRING_MEM),
               LOW(F_G_E, S_0, SSE2, .chk = C_REG, .traits = RH_INSN_STRING_MEM) },
    BOTH(0xf8, MMX, SSE2), BOTH(0xf9, MMX, SSE2), BOTH(0xfa, MMX, SSE2), BOTH(0xfb, SSE2, SSE2),
    BOTH(0xfc, MMX, SSE2), BOTH(0xfd, MMX, SSE2), BOTH(0xfe, MMX, SSE2),
    [0xff] = { ANY(UD, F_G_E, S_V, .mem = S_0, .access = A_NONE, .traits = BORDER) },
};

/* ---- 0F 38 ---- */

#define BMI(o, f, ft, ...) \
    ROW(o, f, S_Y, .vex = VEX_ONLY | VEX_L0, .feature = RH_FEAT_##ft, .feature_128 = RH_FEAT_##ft, __VA_ARGS__)
static const RhDecodeRow group_17[8] = {
    [1] = BMI(BLSR, F_H_E, BMI1, .flags_written = ALL),
    [2] = BMI(BLSMSK, F_H_E, BMI1, .flags_written = ALL),
    [3] = BMI(BLSI, F_H_E, BMI1, .flags_written = ALL),
};
static const RhDecodeRow broadcast_ss[2] = { AVX(F_G_E, S_4, VEX_W0), AVX2(F_G_E, S_0, VEX_W0) };
static const RhDecodeRow broadcast_sd[2] = { AVX(F_G_E, S_8, VEX_W0 | VEX_L1), AVX2(F_G_E, S_0, VEX_W0 | VEX_L1) };

/* FMA: single by W 0, double by W 1 */
static const RhDecodeRow fma_scalar[2] = { FMA(S_4, VEX_LIG), FMA(S_8, VEX_LIG) };
#define FMA_PACKED(at) [at] = { [P66] = FMA(S_X, 0) }
#define FMA_BOTH(at) FMA_PACKED(at), [at + 1] = { [P66] = CHOOSE(RH_BY_W, fma_scalar) }
#define FMA_ROWS(at) \
    FMA_PACKED(at + 6), FMA_PACKED(at + 7), FMA_BOTH(at + 8), FMA_BOTH(at + 0xa), FMA_BOTH(at + 0xc), FMA_BOTH(at + 0xe)

#define GATHER { [P66] = AVX2(F_G_E_H, S_W, 0, .chk = C_MEM, .traits = RH_INSN_VSIB) }
#define AES(f, ...) VECTOR(f, S_X, AES, VEX_BOTH | VEX_L0, AES, AES, __VA_ARGS__)
#define MOVBE_ROW(f, acc) ROW(MOVBE, f, S_V, .chk = C_MEM, .access = acc, .feature = RH_FEAT_MOVBE)
#define CRC32_ROW(s) ROW(CRC32, F_G_E, S_Y, .src = s, .feature = RH_FEAT_SSE42)

const RhDecodeRow rh_decode_38[256][4] = {
    BOTH(0x00, SSSE3, SSSE3), BOTH(0x01, SSSE3, SSSE3), BOTH(0x02, SSSE3, SSSE3), BOTH(0x03, SSSE3, SSSE3),
    BOTH(0x04, SSSE3, SSSE3), BOTH(0x05, SSSE3, SSSE3), BOTH(0x06, SSSE3, SSSE3), BOTH(0x07, SSSE3, SSSE3),
    BOTH(0x08, SSSE3, SSSE3), BOTH(0x09, SSSE3, SSSE3), BOTH(0x0a, SSSE3, SSSE3), BOTH(0x0b, SSSE3, SSSE3),
    [0x0c ... 0x0d] = { [P66] = AVX(F_G_H_E, S_X, VEX_W0) },
    [0x0e ... 0x0f] = { [P66] = AVX(F_G_E, S_X, VEX_W0, .flags_written = ALL) },
    [0x10] = { [P66] = SSE(F_G_E, S_X, SSE41) },
    [0x13] = { [P66] = HALF(F_G_E) },
    [0x14 ... 0x15] = { [P66] = SSE(F_G_E, S_X, SSE41) },
    [0x16] = { [P66] = AVX2(F_G_H_E, S_X, VEX_W0 | VEX_L1) },
    [0x17] = { [P66] = FLT(F_G_E, S_X, SSE41, .flags_written = ALL) },
    [0x18] = { [P66] = CHOOSE(RH_BY_MOD, broadcast_ss) },
    [0x19] = { [P66] = CHOOSE(RH_BY_MOD, broadcast_sd) },
    [0x1a] = { [P66] = AVX(F_G_E, S_16, VEX_W0 | VEX_L1, .chk = C_MEM) },
    [0x1c ... 0x1e] = { MMX(F_G_E, S_8, SSSE3), INT(F_G_E, S_X, SSSE3) },
    [0x20] = { [P66] = INT(F_G_E, S_X2, SSE41) },
    [0x21] = { [P66] = INT(F_G_E, S_X4, SSE41) },
    [0x22] = { [P66] = INT(F_G_E, S_X8, SSE41) },
    [0x23] = { [P66] = INT(F_G_E, S_X2, SSE41) },
    [0x24] = { [P66] = INT(F_G_E, S_X4, SSE41) },
    [0x25] = { [P66] = INT(F_G_E, S_X2, SSE41) },
    [0x28 ... 0x29] = { [P66] = INT(F_G_H_E, S_X, SSE41) },
    [0x2a] = { [P66] = INT(F_G_E, S_X, SSE41, .chk = C_MEM | C_ALIGNED) },
    [0x2b] = { [P66] = INT(F_G_H_E, S_X, SSE41) },
    [0x2c ... 0x2d] = { [P66] = AVX(F_G_H_E, S_X, VEX_W0, .chk = C_MEM) },
    [0x2e ... 0x2f] = { [P66] = AVX(F_E_H_G, S_X, VEX_W0, .chk = C_MEM, .access = A_W) },
    [0x30] = { [P66] = INT(F_G_E, S_X2, SSE41) },
    [0x31] = { [P66] = INT(F_G_E, S_X4, SSE41) },
    [0x32] = { [P66] = INT(F_G_E, S_X8, SSE41) },
    [0x33] = { [P66] = INT(F_G_E, S_X2, SSE41) },
    [0x34] = { [P66] = INT(F_G_E, S_X4, SSE41) },
    [0x35] = { [P66] = INT(F_G_E, S_X2, SSE41) },
    [0x36] = { [P66] = AVX2(F_G_H_E, S_X, VEX_W0 | VEX_L1) },
    [0x37] = { [P66] = INT(F_G_H_E, S_X, SSE42) },
    [0x38 ... 0x40] = { [P66] = INT(F_G_H_E, S_X, SSE41) },
    [0x41] = { [P66] = LOW(F_G_E, S_X, SSE41) },
    [0x45] = { [P66] = AVX2(F_G_H_E, S_X, 0) },
    [0x46] = { [P66] = AVX2(F_G_H_E, S_X, VEX_W0) },
    [0x47] = { [P66] = AVX2(F_G_H_E, S_X, 0) },
    [0x58] = { [P66] = AVX2(F_G_E, S_4, VEX_W0) },
    [0x59] = { [P66] = AVX2(F_G_E, S_8, VEX_W0) },
    [0x5a] = { [P66] = AVX2(F_G_E, S_16, VEX_W0 | VEX_L1, .chk = C_MEM) },
    [0x78] = { [P66] = AVX2(F_G_E, S_1, VEX_W0) },
    [0x79] = { [P66] = AVX2(F_G_E, S_2, VEX_W0) },
    [0x82] = { [P66] = ROW(INVPCID, F_G_E, S_NATIVE, .mem = S_16, .chk = C_MEM, .traits = PRIV | BORDER, .feature = RH_FEAT_INVPCID) },
    [0x8c] = { [P66] = AVX2(F_G_H_E, S_X, 0, .chk = C_MEM) },
    [0x8e] = { [P66] = AVX2(F_E_H_G, S_X, 0, .chk = C_MEM, .access = A_W) },
    [0x90 ... 0x93] = GATHER,
    FMA_ROWS(0x90), FMA_ROWS(0xa0), FMA_ROWS(0xb0),
    [0xc8 ... 0xcd] = { SSE(F_G_E, S_X, SHA) },
    [0xdb] = { [P66] = AES(F_G_E) },
    [0xdc ... 0xdf] = { [P66] = AES(F_G_H_E) },
    [0xf0] = { MOVBE_ROW(F_G_E, A_R), MOVBE_ROW(F_G_E, A_R), [PF2] = CRC32_ROW(S_1) },
    [0xf1] = { MOVBE_ROW(F_E_G, A_W), MOVBE_ROW(F_E_G, A_W), [PF2] = CRC32_ROW(S_V) },
    [0xf2] = { BMI(ANDN, F_G_H_E, BMI1, .flags_written = ALL) },
    [0xf3] = { CHOOSE(RH_BY_REG, group_17) },
    [0xf5] = { BMI(BZHI, F_G_E_H, BMI2, .flags_written = ALL), [PF3] = BMI(PEXT, F_G_H_E, BMI2), [PF2] = BMI(PDEP, F_G_H_E, BMI2) },
    [0xf6] = { [P66] = ROW(ADCX, F_G_E, S_Y, .feature = RH_FEAT_ADX, .flags_read = CF, .flags_written = CF),
               [PF3] = ROW(ADOX, F_G_E, S_Y, .feature = RH_FEAT_ADX, .flags_read = OF, .flags_written = OF),
               [PF2] = BMI(MULX, F_G_H_E, BMI2) },
    [0xf7] = { BMI(BEXTR, F_G_E_H, BMI1, .flags_written = ALL), BMI(SHLX, F_G_E_H, BMI2),
               BMI(SARX, F_G_E_H, BMI2), BMI(SHRX, F_G_E_H, BMI2) },
    [0xf8] = { [P66] = ROW(MOVDIR64B, F_G_E, S_ADDR, .mem = S_0, .chk = C_MEM, .feature = RH_FEAT_MOVDIR64B) },
    [0xf9] = { ROW(MOVDIRI, F_E_G, S_Y, .chk = C_MEM, .access = A_W, .feature = RH_FEAT_MOVDIRI) },
};

/* ---- 0F 3A: all end in an immediate byte ---- */

#define STRINGS(tr) { [P66] = LOW(F_G_E_IB, S_X, SSE42, .chk = C_UNALIGNED, .flags_written = ALL, .traits = tr) }

const RhDecodeRow rh_decode_3a[256][4] = {
    [0x00 ... 0x01] = { [P66] = AVX2(F_G_E_IB, S_X, VEX_W1 | VEX_L1) },
    [0x02] = { [P66] = AVX2(F_G_H_E_IB, S_X, VEX_W0) },
    [0x04 ... 0x05] = { [P66] = AVX(F_G_E_IB, S_X, VEX_W0) },
    [0x06] = { [P66] = AVX(F_G_H_E_IB, S_X, VEX_W0 | VEX_L1) },
    [0x08 ... 0x09] = { [P66] = FLT(F_G_E_IB, S_X, SSE41) },
    [0x0a] = { [P66] = SCALAR(F_G_H_E_IB, S_4, SSE41) },
    [0x0b] = { [P66] = SCALAR(F_G_H_E_IB, S_8, SSE41) },
    [0x0c ... 0x0d] = { [P66] = FLT(F_G_H_E_IB, S_X, SSE41) },
    [0x0e] = { [P66] = INT(F_G_H_E_IB, S_X, SSE41) },
    [0x0f] = { MMX(F_G_E_IB, S_8, SSSE3), INT(F_G_H_E_IB, S_X, SSSE3) },
    [0x14] = { [P66] = EXTRACT(S_1) },
    [0x15] = { [P66] = EXTRACT(S_2) },
    [0x16] = { [P66] = EXTRACT(S_Y) },
    [0x17] = { [P66] = EXTRACT(S_4) },
    [0x18] = { [P66] = AVX(F_G_H_E_IB, S_16, VEX_W0 | VEX_L1) },
    [0x19] = { [P66] = AVX(F_E_G_IB, S_16, VEX_W0 | VEX_L1, .access = A_W) },
    [0x1d] = { [P66] = HALF(F_E_G_IB, .access = A_W) },
    [0x20] = { [P66] = INSERT(S_1, SSE41) },
    [0x21] = { [P66] = LOW(F_G_H_E_IB, S_4, SSE41) },
    [0x22] = { [P66] = INSERT(S_Y, SSE41) },
    [0x38] = { [P66] = AVX2(F_G_H_E_IB, S_16, VEX_W0 | VEX_L1) },
    [0x39] = { [P66] = AVX2(F_E_G_IB, S_16, VEX_W0 | VEX_L1, .access = A_W) },
    [0x40] = { [P66] = FLT(F_G_H_E_IB, S_X, SSE41) },
    [0x41] = { [P66] = LOW(F_G_H_E_IB, S_X, SSE41) },
    [0x42] = { [P66] = INT(F_G_H_E_IB, S_X, SSE41) },
    [0x44] = { [P66] = VECTOR(F_G_H_E_IB, S_X, PCLMUL, VEX_BOTH | VEX_L0, PCLMUL, PCLMUL) },
    [0x46] = { [P66] = AVX2(F_G_H_E_IB, S_X, VEX_W0 | VEX_L1) },
    /* The fourth register is in the upper half of the immediate. */
    [0x4a ... 0x4b] = { [P66] = AVX(F_G_H_E_IB, S_X, VEX_W0) },
    [0x4c] = { [P66] = VECTOR(F_G_H_E_IB, S_X, AVX, VEX_ONLY | VEX_W0, AVX, AVX2) },
    [0x60] = STRINGS(RH_INSN_IMPLICIT_GPR),                             /* EAX, EDX are lengths */
    [0x61] = STRINGS(RH_INSN_IMPLICIT_GPR | RH_INSN_GPR_WRITTEN),       /* and ECX is the result */
    [0x62] = STRINGS(0),
    [0x63] = STRINGS(RH_INSN_IMPLICIT_GPR | RH_INSN_GPR_WRITTEN),
    [0xcc] = { SSE(F_G_E_IB, S_X, SHA) },
    [0xdf] = { [P66] = AES(F_G_E_IB) },
    [0xf0] = { [PF2] = BMI(RORX, F_G_E_IB, BMI2) },
};
