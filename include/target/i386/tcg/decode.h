/*
 * The instruction decoder: bytes of x86-64 machine code to a RhInsn, for interpreter and translator alike.
 *
 * It knows encodings, not machine state: what an instruction does, whether it is allowed at this privilege
 * and where its operands are is its users' business. It never reads beyond what it was given.
 *
 * Spec: Intel SDM vol. 2, chapter 2 and appendix A (opcode maps). Any thread; no state.
 */
#ifndef RH_TARGET_I386_TCG_DECODE_H
#define RH_TARGET_I386_TCG_DECODE_H

#include "util/core.h"

/** RH_INSN_MAX - the longest instruction; one that would be longer raises #GP(0), SDM vol. 2 §2.3.11 */
enum { RH_INSN_MAX = 15 };

/** RhCodeSize - default operand and address size of the code segment, in bytes: CS.D and CS.L */
typedef enum RhCodeSize { RH_CODE_16 = 2, RH_CODE_32 = 4, RH_CODE_64 = 8 } RhCodeSize;

/**
 * RhOp - what is to be done, whatever the encoding. One name for all encodings and operand sizes of an operation.
 * Vector instructions all are RH_OP_VECTOR, x87 ones RH_OP_X87: they are executed as themselves.
 */
typedef enum RhOp {
    RH_OP_INVALID,      /* #UD */
    /* The eight of the first rows, in the order of the group's /r */
    RH_OP_ADD, RH_OP_OR, RH_OP_ADC, RH_OP_SBB, RH_OP_AND, RH_OP_SUB, RH_OP_XOR, RH_OP_CMP,
    /* Shifts, in the order of group 2's /r; /6 is SHL again */
    RH_OP_ROL, RH_OP_ROR, RH_OP_RCL, RH_OP_RCR, RH_OP_SHL, RH_OP_SHR, RH_OP_SAL, RH_OP_SAR,
    RH_OP_SHLD, RH_OP_SHRD,
    RH_OP_TEST, RH_OP_NOT, RH_OP_NEG, RH_OP_INC, RH_OP_DEC,
    RH_OP_MUL, RH_OP_IMUL1 /* one operand */, RH_OP_IMUL /* two or three */, RH_OP_DIV, RH_OP_IDIV,
    RH_OP_MOV, RH_OP_MOVZX, RH_OP_MOVSX /* and MOVSXD */, RH_OP_LEA, RH_OP_XCHG, RH_OP_XADD, RH_OP_CMPXCHG,
    RH_OP_CMPXCHG8B /* and 16B, by operand size */, RH_OP_BSWAP, RH_OP_MOVBE,
    RH_OP_PUSH, RH_OP_POP, RH_OP_PUSHA, RH_OP_POPA, RH_OP_PUSHF, RH_OP_POPF, RH_OP_ENTER, RH_OP_LEAVE,
    RH_OP_CBW /* CWDE, CDQE */, RH_OP_CWD /* CDQ, CQO */, RH_OP_LAHF, RH_OP_SAHF, RH_OP_XLAT,
    RH_OP_DAA, RH_OP_DAS, RH_OP_AAA, RH_OP_AAS, RH_OP_AAM, RH_OP_AAD, RH_OP_SALC,
    RH_OP_CMC, RH_OP_CLC, RH_OP_STC, RH_OP_CLD, RH_OP_STD, RH_OP_CLI, RH_OP_STI,
    RH_OP_SETCC, RH_OP_CMOVCC, RH_OP_JCC, /* condition: insn->cond */
    RH_OP_JCXZ, RH_OP_LOOP, RH_OP_LOOPE, RH_OP_LOOPNE,
    RH_OP_JMP /* relative */, RH_OP_CALL /* relative */, RH_OP_JMP_IND, RH_OP_CALL_IND, RH_OP_RET,
    RH_OP_JMP_FAR, RH_OP_CALL_FAR, /* direct or through memory */
    RH_OP_RETF, RH_OP_IRET, RH_OP_INT, RH_OP_INT3, RH_OP_INTO, RH_OP_INT1, RH_OP_BOUND,
    RH_OP_UD,           /* UD0, UD1, UD2 */
    RH_OP_NOP,          /* and hints, prefetches, ENDBR, FNOP is x87 */
    RH_OP_PAUSE,
    RH_OP_BT, RH_OP_BTS, RH_OP_BTR, RH_OP_BTC, /* group 8's /4 to /7 */
    RH_OP_BSF, RH_OP_BSR, RH_OP_TZCNT, RH_OP_LZCNT, RH_OP_POPCNT, RH_OP_CRC32, RH_OP_ADCX, RH_OP_ADOX,
    RH_OP_ANDN, RH_OP_BEXTR, RH_OP_BLSI, RH_OP_BLSMSK, RH_OP_BLSR, RH_OP_BZHI, RH_OP_MULX, RH_OP_PDEP,
    RH_OP_PEXT, RH_OP_RORX, RH_OP_SARX, RH_OP_SHLX, RH_OP_SHRX,
    RH_OP_MOVS, RH_OP_CMPS, RH_OP_STOS, RH_OP_LODS, RH_OP_SCAS, RH_OP_INS, RH_OP_OUTS, /* insn->rep */
    RH_OP_IN, RH_OP_OUT, /* port: immediate or DX */
    RH_OP_MOV_FROM_SEG, RH_OP_MOV_TO_SEG, RH_OP_PUSH_SEG, RH_OP_POP_SEG, /* insn->reg is the segment */
    RH_OP_LOAD_FAR,     /* LES LDS LSS LFS LGS; insn->cond is the segment */
    RH_OP_MOV_FROM_CR, RH_OP_MOV_TO_CR, RH_OP_MOV_FROM_DR, RH_OP_MOV_TO_DR,
    RH_OP_ARPL, RH_OP_LAR, RH_OP_LSL, RH_OP_VERR, RH_OP_VERW,
    RH_OP_SGDT, RH_OP_SIDT, RH_OP_LGDT, RH_OP_LIDT, RH_OP_SLDT, RH_OP_STR, RH_OP_LLDT, RH_OP_LTR,
    RH_OP_SMSW, RH_OP_LMSW, RH_OP_CLTS, RH_OP_INVLPG, RH_OP_INVPCID, RH_OP_SWAPGS,
    RH_OP_SYSCALL, RH_OP_SYSRET, RH_OP_SYSENTER, RH_OP_SYSEXIT,
    RH_OP_HLT, RH_OP_MONITOR, RH_OP_MWAIT, RH_OP_WBINVD /* INVD, WBNOINVD */, RH_OP_RSM, RH_OP_VMCALL /* VMMCALL */,
    RH_OP_CPUID, RH_OP_RDTSC, RH_OP_RDTSCP, RH_OP_RDPMC, RH_OP_RDMSR, RH_OP_WRMSR, RH_OP_RDPID,
    RH_OP_RDRAND, RH_OP_RDSEED, RH_OP_CLAC, RH_OP_STAC,
    RH_OP_RDFSBASE, RH_OP_RDGSBASE, RH_OP_WRFSBASE, RH_OP_WRGSBASE,
    RH_OP_XGETBV, RH_OP_XSETBV, RH_OP_FXSAVE, RH_OP_FXRSTOR, RH_OP_XSAVE, RH_OP_XSAVEC, RH_OP_XSAVEOPT,
    RH_OP_XSAVES, RH_OP_XRSTOR, RH_OP_XRSTORS, RH_OP_LDMXCSR, RH_OP_STMXCSR /* with VEX as well */,
    RH_OP_FENCE,        /* LFENCE, MFENCE, SFENCE, SERIALIZE */
    RH_OP_CLFLUSH,      /* CLFLUSHOPT, CLWB, CLDEMOTE: a checked access and nothing more */
    RH_OP_MOVNTI, RH_OP_MOVDIRI, RH_OP_MOVDIR64B,
    RH_OP_EMMS,         /* as RH_OP_VECTOR, but all of MMX is: */
    RH_OP_VECTOR,       /* MMX, SSE to SSE4.2, AES, PCLMUL, SHA, AVX, AVX2, FMA, F16C */
    RH_OP_X87,          /* escapes D8 to DF, and 9B WAIT */
    RH_NR_OPS
} RhOp;

/** RhOperandKind - where an operand is; which field of RhInsn says more */
typedef enum RhOperandKind {
    RH_NONE,
    RH_RM,              /* ModRM.rm: memory if insn->has_mem, else register insn->rm */
    RH_REG,             /* ModRM.reg, or the opcode's low bits: register insn->reg */
    RH_VVVV,            /* VEX.vvvv: register insn->vvvv */
    RH_IMM,             /* insn->imm, already sign- or zero-extended as the operation wants it */
    RH_ACC,             /* AL, AX, EAX, RAX */
    RH_CL,
    RH_ONE,             /* the constant of D0/D1 shifts */
    RH_DX,              /* the port */
    RH_MOFFS,           /* memory at the absolute address insn->disp; has_mem is set, no base or index */
} RhOperandKind;

enum { RH_NO_REG = 0xff, RH_REG_RIP = 0xfe };
/** Segment numbers of insn->segment are those of target/i386/state.h: RH_ES... */

/* Status flags as a set, for reads and writes: bits of RFLAGS */
#define RH_FLAG_CF 0x0001u
#define RH_FLAG_PF 0x0004u
#define RH_FLAG_AF 0x0010u
#define RH_FLAG_ZF 0x0040u
#define RH_FLAG_SF 0x0080u
#define RH_FLAG_OF 0x0800u
#define RH_FLAGS_STATUS 0x08d5u

/** RhInsn - one decoded instruction */
typedef struct RhInsn {
    uint16_t op;                /* RhOp */
    uint8_t len;                /* bytes, 1 to 15 */
    uint8_t bytes[RH_INSN_MAX]; /* as they stand in memory */
    /* --- operands --- */
    uint8_t size;               /* operand size in bytes: 1, 2, 4, 8 (general registers and their memory); 16: CMPXCHG16B */
    uint8_t src_size;           /* MOVZX, MOVSX, CRC32, IN/OUT: that of the source; else equal to size */
    uint8_t addr_size;          /* 2, 4, 8 */
    uint8_t nr_operands;
    uint8_t operand[4];         /* RhOperandKind; [0] is the destination */
    uint8_t reg, rm, vvvv;      /* register numbers, extended by REX or VEX; is_high_* where AH..BH is meant */
    bool is_high_reg, is_high_rm; /* byte register 4..7 without REX: AH CH DH BH are registers 0..3, bits 8-15; reg/rm are then 0..3 */
    uint8_t cond;               /* Jcc, SETcc, CMOVcc: low four bits of the opcode */
    /* --- memory operand --- */
    bool has_mem;
    uint8_t segment;            /* of the access: override, or SS for bases SP/BP, or DS; RH_NO_REG: none */
    uint8_t base, index;        /* register number, RH_REG_RIP (base), RH_NO_REG */
    uint8_t scale;              /* 1, 2, 4, 8 */
    uint8_t mem_size;           /* bytes read or written there; 0: none (LEA, INVLPG), or not of fixed size (FXSAVE, XSAVE, BOUND...) */
    int64_t disp;               /* sign-extended; zero-extended by addr_size is the user's business */
    uint64_t imm;               /* also: displacement of relative branches (sign-extended), selector of far ones */
    uint64_t imm2;              /* offset of direct far branches; nesting level of ENTER; second immediate */
    /* --- encoding, for who writes it anew --- */
    uint8_t map;                /* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
    uint8_t opcode;
    bool has_modrm;
    uint8_t modrm;
    bool has_rex, is_vex;
    bool rex_w;                 /* REX.W or VEX.W */
    uint8_t vex_l;              /* VEX.L */
    uint8_t pp;                 /* mandatory prefix: 0 none, 1 66, 2 F3, 3 F2; of VEX or as the legacy map takes it */
    uint8_t rep;                /* 0, 0xf2 or 0xf3: last such prefix, where it is not mandatory */
    bool has_lock, has_66, has_67;
    uint8_t modrm_at, imm_at;   /* offset in bytes[] of ModRM; of the immediate (imm_size bytes), at the end */
    uint8_t imm_size;
    /* --- what users of a table row want to know --- */
    uint16_t flags_read;        /* status flags whose old value matters (shifts by CL: those that may survive) */
    uint16_t flags_written;     /* status flags that change or become undefined */
    uint32_t traits;            /* RH_INSN_* */
    uint8_t feature;            /* RhInsnFeature: #UD where the guest's CPU has it not */
} RhInsn;

/** Traits */
enum {
    RH_INSN_LOCKABLE    = 1u << 0,  /* LOCK is allowed (with a memory destination); decoding says INVALID otherwise */
    RH_INSN_READS_MEM   = 1u << 1,  /* the memory operand is read */
    RH_INSN_WRITES_MEM  = 1u << 2,  /* ... is written */
    RH_INSN_ENDS_BLOCK  = 1u << 3,  /* control does not simply go on behind it, or what follows may decode or run otherwise */
    RH_INSN_PRIVILEGED  = 1u << 4,  /* #GP(0) unless CPL is 0 */
    /* RH_OP_VECTOR: general registers among its operands, by the field that names them */
    RH_INSN_GPR_REG     = 1u << 5,  /* ModRM.reg is a general register (MOVMSKPS, CVTSD2SI, PEXTRW...) */
    RH_INSN_GPR_RM      = 1u << 6,  /* ModRM.rm is one, when not memory (MOVD, CVTSI2SD, PINSRB...) */
    RH_INSN_GPR_WRITTEN = 1u << 7,  /* that register is written (else read) */
    RH_INSN_USES_MMX    = 1u << 8,  /* touches MM registers: #MF if pending, #NM by CR0.TS, EM gives #UD */
    RH_INSN_STRING_MEM  = 1u << 9,  /* MASKMOVDQU, MASKMOVQ: memory at DS:rDI */
    RH_INSN_VSIB        = 1u << 10, /* gathers: index is a vector register */
    RH_INSN_IMPLICIT_GPR = 1u << 11, /* PCMPESTRx, PCMPISTRI...: RAX, RDX read, RCX written, by their own numbers */
    RH_INSN_ALIGNED     = 1u << 12, /* legacy SSE: memory operand must be aligned to its size, #GP(0) */
};

/** RhInsnFeature - features that an instruction belongs to, where CPUs differ */
typedef enum RhInsnFeature {
    RH_FEAT_BASE, RH_FEAT_FPU, RH_FEAT_CMOV, RH_FEAT_CX8, RH_FEAT_MMX, RH_FEAT_FXSR, RH_FEAT_SSE, RH_FEAT_SSE2, RH_FEAT_SSE3,
    RH_FEAT_SSSE3, RH_FEAT_SSE41, RH_FEAT_SSE42, RH_FEAT_AES, RH_FEAT_PCLMUL, RH_FEAT_SHA, RH_FEAT_AVX, RH_FEAT_AVX2,
    RH_FEAT_FMA, RH_FEAT_F16C, RH_FEAT_BMI1, RH_FEAT_BMI2, RH_FEAT_ADX, RH_FEAT_MOVBE, RH_FEAT_POPCNT, RH_FEAT_LZCNT,
    RH_FEAT_CX16, RH_FEAT_XSAVE, RH_FEAT_XSAVEOPT, RH_FEAT_XSAVEC, RH_FEAT_XSAVES, RH_FEAT_RDRAND, RH_FEAT_RDSEED,
    RH_FEAT_FSGSBASE, RH_FEAT_INVPCID, RH_FEAT_SMAP, RH_FEAT_RDTSCP, RH_FEAT_RDPID, RH_FEAT_SYSCALL, RH_FEAT_SEP,
    RH_FEAT_CLFLUSH, RH_FEAT_CLFLUSHOPT, RH_FEAT_CLWB, RH_FEAT_MONITOR, RH_FEAT_MOVDIRI, RH_FEAT_MOVDIR64B,
    RH_FEAT_LM,         /* LAHF in 64-bit mode and the like */
    RH_FEAT_SERIALIZE,
    RH_NR_FEATS
} RhInsnFeature;

/*
 * How the fields are filled, where their names leave room:
 * - size: of operand[0]; vectors: that of the general register or its memory, if there is one, else 8 (MMX), 16, 32; x87: 0.
 * - imm: values and displacements are sign-extended to 64 bits (cut them to the operand's size), counts, ports, vectors,
 *   control bytes of vector instructions are zero-extended.
 * - has_mem is for ModRM and MOFFS operands. Strings, XLAT and RH_INSN_STRING_MEM have it not, but segment and addr_size.
 * - PUSH_SEG, POP_SEG, MOV to and from segments: reg is RH_ES to RH_GS. Those and MM registers ignore REX.
 * - MOV to and from control and debug registers: rm is a register whatever ModRM.mod says; reserved ones are INVALID.
 * - segment is RH_NO_REG for LEA, NOP and UD. ES, CS, SS, DS overrides are ignored in 64-bit code.
 * - rep is set for any instruction that has the prefix and not as a mandatory one: look at it only where it means something.
 * - ENDS_BLOCK: all jumps, conditional ones too; segment loads; whatever may change mode, privilege, mapping, IF, TF, AC;
 *   serialising instructions (SDM vol. 3 §8.3).
 * - feature: TZCNT and LZCNT are no #UD without theirs, but BSF and BSR. SYSCALL decodes in any mode: whether it is allowed
 *   outside 64-bit code depends on the vendor.
 * - CLAC, STAC, MONITOR, MWAIT raise #UD, not #GP, at CPL > 0: they are not RH_INSN_PRIVILEGED.
 * - FNSTSW AX is RH_OP_X87 with IMPLICIT_GPR and GPR_WRITTEN. PCMPESTRM writes no general register, PCMPISTRM uses none.
 */

/** RhDecodeResult */
typedef enum RhDecodeResult {
    RH_DECODE_OK,       /* whole; op may still be RH_OP_INVALID: #UD */
    RH_DECODE_MORE,     /* @nr bytes were too few: fetch on (a fault there is the guest's) */
    RH_DECODE_TOO_LONG, /* 15 bytes do not do: #GP(0) */
} RhDecodeResult;

/**
 * rh_decode - decode the instruction at @bytes, of which @nr are there; fills *@ret (all of it)
 * @ret is meaningless unless RH_DECODE_OK. LOCK where it is not allowed, wrong modes (32-bit only in 64-bit
 * code...), reserved encodings decode as RH_OP_INVALID with the length that a CPU would have seen.
 */
RhDecodeResult rh_decode(const uint8_t *bytes, unsigned nr, RhCodeSize code, RhInsn *ret);

/** rh_op_name - lower-case mnemonic for traces: "add"; vector and x87 are "vector", "x87" */
const char *rh_op_name(RhOp op);

#endif
