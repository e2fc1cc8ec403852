/*
 * Stubs: a vector or x87 instruction of the guest made runnable on the host's CPU: the instruction itself, its memory
 * operand replaced by [RDI], its general register by RAX, then RET.
 *
 * 32-bit code uses the same stubs: what it can name are registers 0 to 7 of what 64-bit code can.
 *
 * Owner: one vCPU, its thread.
 */
#ifndef RH_TARGET_I386_TCG_STUB_H
#define RH_TARGET_I386_TCG_STUB_H

#include "target/i386/tcg/cpu.h"

typedef struct RhStubs RhStubs;

/** RhStubFrame - what a stub works on, besides vector registers */
typedef struct RhStubFrame {
    uint8_t memory[128] __attribute__((aligned(64)));   /* the memory operand; FNSAVE has most, 108 bytes */
    uint64_t rax, rcx, rdx;     /* RAX: the general register that the instruction names */
    uint64_t rflags;            /* status flags */
    bool is_refused;            /* by the host's CPU: rh_stubs_rescue */
} RhStubFrame;

/** RhStubCode - code of a stub; of void, as ISO C lets no data pointer be called */
typedef const void RhStubCode;

/** rh_stubs_new - NULL and @err where the host does not let us execute what we wrote */
RhStubs *rh_stubs_new(GError **err);
/** rh_stubs_free - NULL is fine */
void rh_stubs_free(RhStubs *stubs);

/**
 * rh_stubs_get - the stub of @insn, for code of 64-bit mode or not. Valid until the next call. NULL: none can be made, #UD.
 * @insn is RH_OP_VECTOR, RH_OP_EMMS or RH_OP_X87 (not WAIT), without a vector index or several memory operands.
 */
RhStubCode *rh_stubs_get(RhStubs *stubs, const RhInsn *insn, bool is_64);

/**
 * rh_stubs_run - execute @code, the stub of @insn, on the vector state *@before and @frame; returns the vector state afterwards, which is
 * valid until the next call (*@before stays). NULL: the host's CPU does not know the instruction, #UD. The caller sees to it that nothing traps: all SIMD exceptions masked in
 * MXCSR, no x87 exception pending for an instruction that waits.
 */
RhTcgVector *rh_stubs_run(RhStubs *stubs, const RhInsn *insn, RhStubCode *code, RhTcgVector *before, RhStubFrame *frame);

/**
 * rh_stubs_rescue - for handlers of SIGILL: if it came from a stub of @stubs (NULL is fine), make the interrupted context, a
 * ucontext_t, leave that stub, and return true. The decoder and the feature bits keep such instructions away, but no guest shall
 * end the process where a host differs from those they were tried on.
 */
bool rh_stubs_rescue(const RhStubs *stubs, void *context);

/** rh_stubs_mxcsr_mask - bits of MXCSR that may be set; those of the host */
uint32_t rh_stubs_mxcsr_mask(const RhStubs *stubs);

#endif
