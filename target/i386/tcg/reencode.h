/*
 * Writing a guest instruction anew for the host: same operation, other registers, its memory operand at a host address.
 */
#ifndef RH_TARGET_I386_TCG_REENCODE_H
#define RH_TARGET_I386_TCG_REENCODE_H

#include "target/i386/tcg/decode.h"
#include "target/i386/tcg/emit.h"

/** RhHostOperands - host registers for the fields of an instruction; base counts only when the instruction has a memory operand */
typedef struct RhHostOperands {
    uint8_t reg;        /* of ModRM.reg, or of the opcode's low bits */
    uint8_t rm;         /* of ModRM.rm as a register */
    uint8_t vvvv;
    uint8_t base;       /* memory is at [base + index + disp] */
    uint8_t index;      /* H_RSP: none */
    int32_t disp;
} RhHostOperands;

/**
 * rh_reencode - write @insn with @host's operands; prefixes that mean something are kept, segments are not
 * False: there is no such encoding (AH to DH beside a register that needs REX), nothing was written.
 */
bool rh_reencode(RhEmit *e, const RhInsn *insn, const RhHostOperands *host);

#endif
