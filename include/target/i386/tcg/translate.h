/*
 * The translator: a guest block to host code. docs/engine.md explains registers, flags and memory accesses.
 *
 * It is a function of the guest's bytes and the mode: it changes nothing of the CPU, and what it makes is put to use by
 * accel/tcg/jit.c, which also owns the glue that every block jumps to.
 */
#ifndef RH_TARGET_I386_TCG_TRANSLATE_H
#define RH_TARGET_I386_TCG_TRANSLATE_H

#include "target/i386/tcg/cpu.h"
#include "target/i386/tcg/emit.h"

enum { RH_BLOCK_INSNS = 64, RH_BLOCK_LINKS = 40, RH_BLOCK_TRAPS = 64 };

/** RhLeave - why translated code was left; cpu->rip is that of the next instruction */
typedef enum RhLeave {
    RH_LEAVE_LOOKUP,            /* find the block at rip, or attend to what cpu->attention is about */
    RH_LEAVE_INTERPRET,         /* the instruction at rip is the interpreter's */
    RH_LEAVE_LINK,              /* as LOOKUP; and the jump of link cpu->scratch[RH_SCRATCH_LINK] may be led there */
    RH_NR_LEAVES,
} RhLeave;

/** RhGlue - entry points, in the writable view of the code memory that the block goes to */
typedef struct RhGlue {
    /* jmp behind a call: R10 linear address, R11D as below, cpu->rip the page's. Returns to try again, or leaves. */
    const uint8_t *miss;
    const uint8_t *leave[RH_NR_LEAVES];     /* jmp: R10 is the next RIP; LINK: R11D is the link's number */
    const uint8_t *jump;        /* jmp: R10 is the RIP to go on at */
} RhGlue;

/** What a miss is about: size, RH_MISS_WRITE, and where in its page the instruction is */
enum { RH_MISS_SIZE = 0xff, RH_MISS_WRITE = 1u << 8, RH_MISS_RIP_SHIFT = 16 };

/** Indices of cpu->scratch */
enum {
    RH_SCRATCH_FLAGS,           /* AX as LAHF and SETO AL leave it */
    RH_SCRATCH_RAX,             /* while flags are restored */
    RH_SCRATCH_VALUE,
    RH_SCRATCH_LINK,
    RH_SCRATCH_HOST_RSP,
};

/** rh_saved_flags - the status flags of @rflags as they are kept in scratch[RH_SCRATCH_FLAGS] */
static inline uint64_t rh_saved_flags(uint64_t rflags)
{
    return (rflags & 0xd5) << 8 | 0x200 | (rflags >> 11 & 1);
}

/** RhTrap - a place where the host may raise what is the guest's exception */
typedef struct RhTrap {
    uint32_t at;                /* of the host instruction, bytes from the block's start */
    uint16_t insn_offset;       /* of the guest's, from the block's RIP */
    bool has_flags;             /* live status flags are in the host's */
} RhTrap;

/** RhLink - a jump to another block, which may be led straight there */
typedef struct RhLink {
    uint8_t *site;              /* the displacement */
    uint8_t *stub;              /* the code that it leads to until then */
} RhLink;

typedef struct RhTranslation {
    /* --- in --- */
    RhTcgCpu *cpu;              /* for its mode alone */
    uint64_t rip;
    const uint8_t *bytes;       /* at rip, up to the end of its page */
    unsigned nr_bytes;
    bool is_span;               /* one instruction, which goes on in the next page: its bytes alone */
    bool exact_flags;
    const RhGlue *glue;
    uint32_t first_link;        /* number of links[0] */
    RhEmit e;                   /* what is executed as a rule; start aligned to 16 */
    RhEmit cold;                /* what is executed seldom: elsewhere, so that caches hold more of the other */
    uint64_t exec_delta;        /* executable view minus writable view */
    /* --- out --- */
    unsigned nr_insns;          /* 0: the first instruction is the interpreter's, and the code says so */
    unsigned len;               /* guest bytes */
    uint8_t *entry_forward;     /* past the look at attention, with which the code begins */
    uint8_t *bridge;            /* is_span: where links lead, which know nothing of the next page: it goes by the jump cache */
    uint8_t *dead;              /* where the entries lead once the block is invalid: the start of cold code */
    unsigned nr_links, nr_traps;
    RhLink links[RH_BLOCK_LINKS];
    RhTrap traps[RH_BLOCK_TRAPS];
} RhTranslation;

/** rh_can_translate - whether blocks can be made in the CPU's present mode; else all is the interpreter's */
bool rh_can_translate(const RhTcgCpu *cpu);
/** rh_translate - false: e had no room (start over elsewhere) */
bool rh_translate(RhTranslation *t);
/** rh_block_mode - everything of the CPU's mode that the code of a block depends on */
uint32_t rh_block_mode(const RhTcgCpu *cpu);
/** rh_has_x87 - CR0 lets x87 and MMX instructions run now */
bool rh_has_x87(const RhTcgCpu *cpu);
/** rh_may_rdtsc - CR4 and CPL allow RDTSC now */
bool rh_may_rdtsc(const RhTcgCpu *cpu);

#endif
