/*
 * Instructions run on the processor itself, in this process, as the reference for the software engine: a library of tests.
 *
 *   rh_native_case_random / rh_native_case_nth   make an instruction (from the decoder's own view of what is valid) and a
 *                                                state before it, with edge values and operands that lie in scratch memory
 *   rh_native_run                                runs it natively: state after it, or which exception it raised
 *   rh_native_compare                            says in words how another's result differs, but for what is undefined
 *
 * Whoever tests an engine writes one function of type RhNativeRun that runs one instruction (or a few) of user-mode code in it,
 * with the memory map below, and calls rh_native_check() in a loop.
 *
 * The code is user-mode (CPL 3, IOPL 0), flat, of 64 bits or of 32 bits in compatibility mode. In the latter FS and GS have the bases of
 * the state as well, and of registers only the lower halves of the first eight count. Memory map, for native runs and for engines:
 *   RH_NATIVE_CODE  one page, read and execute: code at RH_NATIVE_CODE + RH_NATIVE_CODE_AT, the rest is INT3
 *   RH_NATIVE_DATA  RH_NATIVE_DATA_SIZE bytes, read and write: RhNativeState.data; stack, strings and operands are here
 *   nothing else is mapped: an access elsewhere is #PF or, where not canonical, #GP or #SS.
 * 16-bit addresses reach data by FS and GS alone: those of other segments are below 64 KiB, where nothing is.
 *
 * Not thread-safe: one thread at a time. Linux on x86-64 with FSGSBASE.
 */
#ifndef RH_TESTS_TCG_NATIVE_H
#define RH_TESTS_TCG_NATIVE_H

#include "target/i386/tcg/cpu.h"

enum {
    RH_NATIVE_CODE = 0x10000000,
    RH_NATIVE_CODE_AT = 0x800,
    RH_NATIVE_CODE_MAX = 256,               /* bytes of code in one run */
    RH_NATIVE_DATA = 0x20000000,
    RH_NATIVE_DATA_SIZE = 2 * 4096,
    RH_NATIVE_NO_FAULT = 0xff,
};

/** RhNativeState - registers and memory before or after code */
typedef struct RhNativeState {
    uint64_t gpr[RH_NR_GPR];
    uint64_t rip;           /* before: set by the runner; after: of the next instruction, or of the one that raised */
    uint64_t rflags;        /* status flags and DF before; after: all but RF */
    uint64_t fs_base, gs_base;
    uint8_t code_size;      /* RhCodeSize: 64 or 32 bits */
    /* after only: the exception. Traps (INT3, INT1) have rip behind the instruction */
    uint8_t fault;          /* vector, RH_EXC_*; RH_NATIVE_NO_FAULT */
    uint32_t fault_error;   /* error code, for exceptions that have one; 0 else */
    uint64_t fault_cr2;     /* of #PF; 0 else */
    RhTcgVector vector __attribute__((aligned(64)));    /* after: fop, fip, fdp are 0, xstate_bv is 7 */
    uint8_t data[RH_NATIVE_DATA_SIZE];
} RhNativeState;

/**
 * RhNativeRun - runs @len bytes at @code with state @before until control leaves them or an exception is raised; fills *@after
 * A jump ends the run wherever it goes: after->rip is its target, and that nothing is mapped there is no exception of the jump.
 */
typedef void (*RhNativeRun)(const RhNativeState *before, const uint8_t *code, size_t len, RhNativeState *after);

/** RhNativeCase - an instruction, or several, and what they start from */
typedef struct RhNativeCase {
    uint8_t code[RH_NATIVE_CODE_MAX];
    unsigned len;
    unsigned nr_insns;
    RhInsn insn;            /* the first, decoded */
    uint32_t undefined_flags;           /* status flags that are not compared when the code came to its end, */
    uint32_t undefined_flags_at_fault;  /* and when it did not. Who does not keep flags exact at faults sets all in sequences. */
    RhNativeState before;
} RhNativeCase;

/** rh_native_init - map memory, take over signals; false: this machine cannot, *@ret_why says why (static) */
bool rh_native_init(const char **ret_why);
/** rh_native_init_32 - may 32-bit code run as well? After rh_native_init; false and *@ret_why likewise */
bool rh_native_init_32(const char **ret_why);

/** rh_native_run - the processor's own answer; a RhNativeRun, for the code size that @before has */
void rh_native_run(const RhNativeState *before, const uint8_t *code, size_t len, RhNativeState *after);

/** rh_native_has - may the host's CPU run instructions of @feature? */
bool rh_native_has(RhInsnFeature feature);

/**
 * rh_native_is_runnable - may @insn be run in this process and give the same result each time and on each machine? Not: system
 * calls, far transfers, segment registers, descriptor tables, time stamps, random numbers, CPUID, XSAVE and kin.
 */
bool rh_native_is_runnable(const RhInsn *insn);

/**
 * rh_native_nr_templates - number of different encodings that the systematic generator knows: each valid combination of map, opcode,
 * mandatory prefix, operand size, VEX.L, VEX.W, ModRM.reg, and register or memory operand, as the decoder sees it in code of @code_size
 */
unsigned rh_native_nr_templates(RhCodeSize code_size);
/** rh_native_case_nth - template @nr (below rh_native_nr_templates of @code_size) with registers, addresses, immediates and state from *@seed */
void rh_native_case_nth(RhCodeSize code_size, unsigned nr, uint64_t *seed, RhNativeCase *ret);
/** rh_native_case_random - any template; besides, redundant prefixes, segment overrides, shorter addresses */
void rh_native_case_random(RhCodeSize code_size, uint64_t *seed, RhNativeCase *ret);
/** rh_native_case_string - a string instruction at an edge: of pages, of counts, of shorter addresses */
void rh_native_case_string(RhCodeSize code_size, uint64_t *seed, RhNativeCase *ret);
/**
 * rh_native_case_sequence - up to @max_insns instructions, among them conditional jumps over the next one: flags made by one are read by
 * others, registers are reused. Nothing depends on undefined results.
 */
void rh_native_case_sequence(RhCodeSize code_size, unsigned max_insns, uint64_t *seed, RhNativeCase *ret);
/** rh_native_case_set - that code, with registers set so that its operands lie in data; false: not valid, not runnable, or its operand cannot be aimed */
bool rh_native_case_set(RhCodeSize code_size, const uint8_t *code, unsigned len, uint64_t *seed, RhNativeCase *ret);
/** rh_native_state_random - a state of edge values; RSP, RSI, RDI, RBX and RBP point into data */
void rh_native_state_random(RhCodeSize code_size, uint64_t *seed, RhNativeState *ret);
/** rh_native_next - the generator's random numbers: 64 bits, from *@seed, which must not be 0 */
uint64_t rh_native_next(uint64_t *seed);

/** rh_native_undefined_flags - status flags that the manual leaves undefined after @insn in that state */
uint32_t rh_native_undefined_flags(const RhInsn *insn, const RhNativeState *before);
/** rh_native_compare - NULL, or a text that names each difference; free with g_free */
char *rh_native_compare(const RhNativeCase *at, const RhNativeState *expected, const RhNativeState *got);
/** rh_native_check - run natively and by @run, compare; as rh_native_compare. The text begins with the code in hexadecimal. */
char *rh_native_check(const RhNativeCase *at, RhNativeRun run);

#endif
