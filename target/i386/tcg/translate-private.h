/* Shared by the translator's files. */
#ifndef RH_TARGET_I386_TCG_TRANSLATE_PRIVATE_H
#define RH_TARGET_I386_TCG_TRANSLATE_PRIVATE_H

#include "target/i386/tcg/reencode.h"
#include "target/i386/tcg/translate.h"

/** Where guest registers are: a host register, or IN_MEMORY (cpu->gpr) */
enum { IN_MEMORY = 0xff, HOST_OF_RSP = H_R9, SCRATCH_A = H_R10, SCRATCH_B = H_R11 };

/** Place - guest memory that was checked: the host's [base + index + disp], with disp up to the checked size beyond that */
typedef struct Place {
    uint8_t base;               /* R10, or the register that holds what guest register the operand is based on */
    uint8_t index;              /* R10, R11; H_RSP: none. R11 is free unless it is here. */
    int32_t disp;
} Place;

typedef enum FlagsPlace { FLAGS_SAVED, FLAGS_IN_HOST } FlagsPlace;

/** Work - a block in the making */
typedef struct Cold Cold;
typedef struct Work {
    RhTranslation *t;
    RhEmit *e;                  /* t->e, but t->cold in tr_write_cold */
    RhInsn insns[RH_BLOCK_INSNS];
    uint64_t rips[RH_BLOCK_INSNS + 1];
    uint16_t live_before[RH_BLOCK_INSNS + 1];   /* status flags that are read before they are overwritten, from here on */
    bool is_live_at_target[RH_BLOCK_INSNS];     /* JCC, JMP, CALL: code there may read status flags that come with it */
    unsigned nr;
    unsigned now;               /* the instruction being translated */
    FlagsPlace flags;
    Cold *cold;                 /* out-of-line code still to be written */
    unsigned nr_cold;
} Work;

/** Cold - a piece of out-of-line code, written behind the block */
typedef enum MissAddress { MISS_SUM /* in R10, with R11 as the index */, MISS_BASED, MISS_CONSTANT } MissAddress;
typedef enum ColdKind { COLD_MISS, COLD_EXIT, COLD_LINK, COLD_INTERPRET, COLD_SHADOW } ColdKind;
struct Cold {
    ColdKind kind;
    uint8_t *site;              /* displacement that leads here */
    uint8_t *back;              /* MISS: where to try again */
    uint64_t rip;               /* MISS, INTERPRET: of the instruction; EXIT, LINK, SHADOW: of the target */
    uint32_t info;              /* MISS: RH_MISS_* */
    MissAddress form;           /* MISS: how to get at the linear address */
    uint32_t minus;             /* SUM: the TLB's field that was added to it */
    uint8_t base;               /* BASED: the host register, */
    int32_t disp;               /* and what is added */
    uint64_t address;           /* CONSTANT */
    bool must_save;             /* EXIT: the flags are in the host's and live */
};
enum { MAX_COLD = 4 * RH_BLOCK_INSNS };

extern const uint8_t tr_host_of[16];

#define FIELD_OF(field) ((uint32_t)offsetof(RhTcgCpu, field))
#define FIELD_GPR(n) ((uint32_t)(offsetof(RhTcgCpu, gpr) + 8 * (n)))
#define FIELD_SCRATCH(n) ((uint32_t)(offsetof(RhTcgCpu, scratch) + 8 * (n)))

static inline const RhInsn *tr_insn(const Work *w)
{
    return &w->insns[w->now];
}

static inline bool tr_is_64(const Work *w)
{
    return w->t->cpu->code_size == RH_CODE_64;
}

/** tr_may_fault - false: whatever its operands hold, the instruction raises nothing */
bool tr_may_fault(const RhInsn *insn);

/* flags (translate-flags.c) */
void tr_find_live_flags(Work *w);
/** tr_save_flags - what follows destroys the host's flags; nothing to do where they are saved or dead */
void tr_save_flags(Work *w, uint16_t live);
/** tr_restore_flags - into the host's flags, before an instruction that reads some of them */
void tr_restore_flags(Work *w);
/** tr_write_save - the instructions; destroys nothing but R10 */
void tr_write_save(RhEmit *e);
/** tr_before_op, tr_after_op - around an instruction executed as itself, by its flags */
void tr_before_op(Work *w);
void tr_after_op(Work *w);

/* memory (translate-memory.c) */
/** tr_address - the linear address of the memory operand into R10; may destroy R11 and flags */
void tr_address(Work *w, const RhInsn *insn);
/** tr_check - R10 is a linear address, made again at @retry: the place is [R10 + R11] */
Place tr_check(Work *w, unsigned size, bool is_write, uint8_t *retry);
/** tr_operand - address and check of the instruction's memory operand, flags saved first; false: crosses a page for sure */
bool tr_operand(Work *w, const RhInsn *insn, Place *ret);
/** tr_based - ... of memory @offset from the guest register that host register @base holds */
Place tr_based(Work *w, unsigned base, int offset, unsigned size, bool is_write);
/** tr_stack - ... from RSP */
Place tr_stack(Work *w, int offset, unsigned size, bool is_write);
/** tr_free_scratch - leave R11 out of @place */
void tr_free_scratch(Work *w, Place *place);
/** tr_move - a load or a store (E_MOV, E_MOV_STORE), @offset into @place */
void tr_move(Work *w, uint8_t op, bool is_wide, unsigned reg, const Place *place, int offset);

/* control (translate-flow.c) */
void tr_leave(Work *w, RhLeave reason);
/** tr_exit_to - to @target, where status flags are live or not */
void tr_exit_to(Work *w, uint64_t target, bool is_live);
/** tr_write_cold - all that was put off; @look: the displacement of the jump that was taken when attention is wanted */
void tr_write_cold(Work *w, uint8_t *look);
bool tr_flow(Work *w, bool *ret_ends);
/** tr_return - the rest of a near return, with its target in R10 */
void tr_return(Work *w);

#endif
