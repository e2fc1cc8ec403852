/*
 * Rows of the opcode tables: what decode.c makes of an opcode. Private to the decoder and its tests.
 *
 * A row is a leaf, or a choice by a further field of the encoding; choices nest. Rows that nobody wrote are all zero:
 * an invalid leaf. Opcode maps other than the first have a column for each mandatory prefix; VEX encodings share
 * them, since hardly any opcode means different things with and without VEX.
 */
#ifndef RH_TARGET_I386_TCG_DECODE_TABLES_H
#define RH_TARGET_I386_TCG_DECODE_TABLES_H

#include "target/i386/tcg/decode.h"

/** RhChoice - what selects among the rows at .next */
typedef enum RhChoice {
    RH_LEAF,
    RH_BY_REG,      /* 8: ModRM.reg */
    RH_BY_MOD,      /* 2: memory, register */
    RH_BY_RM,       /* 8: ModRM.rm */
    RH_BY_64,       /* 2: 16/32-bit code, 64-bit code */
    RH_BY_W,        /* 2: VEX.W */
    RH_BY_VEX,      /* 2: legacy, VEX */
} RhChoice;

/** RhSizeCode - sizes of operands, as the manual's letters give them: depending on prefixes and mode */
typedef enum RhSizeCode {
    S_SAME,         /* the source as the destination, memory as the operand there */
    S_0, S_1, S_2, S_4, S_8, S_10, S_16,    /* fixed; 0: none, or not fixed */
    S_V,            /* 2, 4, 8: operand size */
    S_D64,          /* the same, with 8 as default in 64-bit code and no 4 */
    S_F64,          /* the same, always 8 in 64-bit code: near branches */
    S_IO,           /* 2, 4: ports are never wider */
    S_Y,            /* 4, 8 by REX.W or VEX.W, which 16/32-bit code has not */
    S_2Y,           /* 8, 16 likewise: CMPXCHG8B */
    S_W,            /* 4, 8 by VEX.W in any mode: elements of vectors */
    S_VW,           /* registers as S_V, memory 2: SLDT and kin */
    S_V4,           /* MOVSXD: 4, but 2 at operand size 2 */
    S_NATIVE,       /* 4, 8 by mode: control registers */
    S_ADDR,         /* address size */
    S_FAR,          /* operand size and a selector */
    S_TABLE,        /* limit and base: 6, 10 */
    S_ENV, S_SAVE,  /* x87 environment and whole state */
    S_X,            /* 16, 32 by VEX.L */
    S_X2, S_X4, S_X8,   /* half, quarter, eighth of that */
    S_DUP,          /* MOVDDUP: 8, 32 */
} RhSizeCode;

/** RhImmCode - kinds of immediates */
typedef enum RhImmCode {
    I_NONE,
    I_B,            /* 8 bits, zero-extended */
    I_BS,           /* 8 bits, sign-extended */
    I_W,            /* 16 bits, zero-extended */
    I_Z,            /* 16 or 32 bits, sign-extended */
    I_V,            /* 16, 32 or 64 bits, sign-extended */
    I_FAR,          /* offset of operand size, selector */
    I_ENTER,        /* 16 bits, 8 bits */
    I_MOFFS,        /* an address: not an immediate, but in its place */
} RhImmCode;

/** RhFormCode - where the operands are: an index to rh_decode_forms */
typedef enum RhFormCode {
    F_NONE,
    F_E_G, F_G_E, F_E, F_E_IB, F_E_IBS, F_E_IZ, F_E_1, F_E_CL, F_E_G_IB, F_E_G_CL, F_G_E_IB, F_G_E_IBS, F_G_E_IZ,
    F_A_IBS, F_A_IZ, F_Z, F_Z_A, F_Z_IB, F_Z_IV, F_IB, F_IBS, F_IW, F_IZ, F_FAR, F_ENTER, F_A_O, F_O_A,
    F_A_IB, F_IB_A, F_A_DX, F_DX_A, F_ARG, F_CR_R, F_R_CR,
    F_G_H_E, F_G_E_H, F_H_E, F_H_E_IB, F_G_H_E_IB, F_E_H_G, F_M,
    RH_NR_FORMS
} RhFormCode;

typedef struct RhDecodeForm {
    uint8_t operand[4];     /* RhOperandKind; RH_VVVV falls out where there is no VEX prefix */
    uint8_t imm;            /* RhImmCode */
    bool has_modrm;
} RhDecodeForm;

/** What the bytes must be besides, or it is #UD; and peculiarities */
enum {
    C_NO64    = 1u << 0,
    C_ONLY64  = 1u << 1,
    C_MEM     = 1u << 2,    /* memory operand only */
    C_REG     = 1u << 3,    /* register operand only */
    C_ANY     = 1u << 4,    /* 66, F2, F3 are not mandatory prefixes here, unless another column has a row */
    C_MMREG   = 1u << 5,    /* MMX register: extension bits are ignored */
    C_MMRM    = 1u << 6,
    C_SREG    = 1u << 7,    /* ModRM.reg is a segment register */
    C_UNALIGNED = 1u << 8,  /* legacy SSE, but its operand need not be aligned */
    C_ALIGNED = 1u << 9,    /* VEX, but its operand must be aligned all the same */
    C_NOREX   = 1u << 10,   /* NOP: with REX.B it is an exchange */
    C_NOSEG   = 1u << 11,   /* an address, but no access: LEA */
};

/** VEX encodings of a row */
enum {
    VEX_NO   = 0,
    VEX_BOTH = 1u << 0,     /* legacy and VEX */
    VEX_ONLY = 1u << 1,
    VEX_L0   = 1u << 2,     /* L must be 0 */
    VEX_L1   = 1u << 3,
    VEX_LIG  = 1u << 4,     /* L is ignored */
    VEX_W0   = 1u << 5,
    VEX_W1   = 1u << 6,
};

/** How the memory operand is accessed */
typedef enum RhAccessCode {
    A_AUTO,         /* read and written as destination, else read */
    A_R, A_W, A_NONE,
} RhAccessCode;

typedef struct RhDecodeRow {
    const struct RhDecodeRow *next;
    uint32_t traits;
    uint16_t op;
    uint16_t flags_read, flags_written;
    uint16_t chk;           /* C_* */
    uint8_t choice;
    uint8_t form;
    uint8_t size, src, mem; /* RhSizeCode */
    uint8_t access;
    uint8_t feature;        /* legacy */
    uint8_t vex;            /* VEX_* */
    uint8_t feature_128, feature_256;
    uint8_t arg;            /* a segment register */
} RhDecodeRow;

/** Columns of the maps: the mandatory prefix, as VEX.pp counts them */
enum { NP, P66, PF3, PF2 };

extern const RhDecodeForm rh_decode_forms[RH_NR_FORMS];
extern const RhDecodeRow rh_decode_one[256];
extern const RhDecodeRow rh_decode_0f[256][4];
extern const RhDecodeRow rh_decode_38[256][4];
extern const RhDecodeRow rh_decode_3a[256][4];

#endif
