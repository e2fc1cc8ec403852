/*
 * What the files of vector and x87 execution share: vector.c (the ordinary case, by stubs), vector-masked.c (several memory
 * operands, or masked ones), xstate.c (FXSAVE, XSAVE).
 */
#ifndef RH_TARGET_I386_TCG_VECTOR_H
#define RH_TARGET_I386_TCG_VECTOR_H

#include "target/i386/tcg/cpu.h"
#include "target/i386/tcg/stub.h"

/** State components, SDM vol. 1 §13.1 */
#define RH_XCR0_X87 1u
#define RH_XCR0_SSE 2u
#define RH_XCR0_AVX 4u

#define RH_MXCSR_AT_RESET 0x1f80u
#define RH_FCW_AT_INIT 0x037fu

/** rh_tcg_stubs - of the vCPU, made when first asked for */
RhStubs *rh_tcg_stubs(RhTcgCpu *cpu);

/** rh_x87_pending - an x87 exception waits that the control word does not mask: the next waiting instruction raises #MF */
static inline bool rh_x87_pending(const RhTcgVector *vector)
{
    return vector->fsw & ~vector->fcw & 0x3f;
}

/**
 * rh_vector_spell_out - make @vector what the engine works on: contents of every component count, also of those that
 * XSAVE of live registers has marked initial; no x87 pointers into our code are in it; fixed and summary bits of the x87 control
 * and status words, which may come from outside, are as the CPU makes them
 */
static inline void rh_vector_spell_out(RhTcgVector *vector)
{
    enum { FCW_SETTABLE = 0x1f3f, FCW_FIXED = 0x0040, FSW_ES_B = 0x8080 };

    vector->xstate_bv = RH_XCR0_X87 | RH_XCR0_SSE | RH_XCR0_AVX;
    vector->fop = 0;
    vector->fip = 0;
    vector->fdp = 0;
    vector->fcw = (vector->fcw & FCW_SETTABLE) | FCW_FIXED;
    vector->fsw = rh_x87_pending(vector) ? vector->fsw | FSW_ES_B : vector->fsw & ~FSW_ES_B;
}

/** rh_vector_allow_avx - #UD unless VEX-encoded instructions may be used now */
bool rh_vector_allow_avx(RhTcgCpu *cpu);
/** rh_vector_allow_sse - #UD unless SSE instructions may be */
bool rh_vector_allow_sse(RhTcgCpu *cpu);
/** rh_vector_allow_task - #NM when CR0.TS is set */
bool rh_vector_allow_task(RhTcgCpu *cpu);

/* ---- vector-masked.c ---- */

/** rh_vector_offset - of the memory operand in its segment, not cut to the address size; vector indices come on top */
uint64_t rh_vector_offset(const RhTcgCpu *cpu, const RhInsn *insn);
/** rh_vector_masked - whether only those elements of @insn's memory operand are accessed that a mask selects */
bool rh_vector_masked(const RhInsn *insn);
/** rh_vector_masked_step - execute such a one; it is allowed in this mode */
bool rh_vector_masked_step(RhTcgCpu *cpu, const RhInsn *insn);

/** rh_vector_mixes_mmx - MMX instructions that have an XMM operand as well: conversions and MOVQ2DQ, MOVDQ2Q. They are SSE's. */
static inline bool rh_vector_mixes_mmx(const RhInsn *insn)
{
    return insn->map == 1 && (insn->opcode == 0x2a || insn->opcode == 0x2c || insn->opcode == 0x2d ||
                              (insn->opcode == 0xd6 && insn->pp >= 2));
}

/** rh_is_vector_zeroing - VZEROUPPER or VZEROALL: what they zero depends on the mode, SDM vol. 2 */
static inline bool rh_is_vector_zeroing(const RhInsn *insn)
{
    return insn->is_vex && insn->map == 1 && insn->opcode == 0x77;
}

#endif
