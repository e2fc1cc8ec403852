/*
 * Translated code of one vCPU: its blocks, how they are found, linked, and dropped. See docs/engine.md, "Blocks", "Invalidation".
 * Owner: the vCPU's thread.
 */
#ifndef RH_ACCEL_TCG_JIT_H
#define RH_ACCEL_TCG_JIT_H

#include "accel/tcg/tcg.h"
#include "target/i386/tcg/codemem.h"
#include "target/i386/tcg/translate.h"

typedef struct RhBlock RhBlock;
struct RhBlock {
    uint64_t gpa, rip;          /* of its first byte */
    uint32_t next;              /* of one hash bucket: number + 1, or 0 */
    uint32_t mode;              /* rh_block_mode */
    uint16_t code_len;          /* 0: none could be made, or it is dropped */
    uint16_t cold_len;
    uint32_t first_trap;
    uint8_t *write_start;       /* the writable view of its code, which begins with the entry */
    uint8_t *write_dead;        /* ... of its cold code, which begins with where a dropped block leads */
    RhBlock *next_in_page;      /* of one page bucket */
    uint8_t nr_traps;
    uint8_t forward_at;         /* bytes from its start: the entry that does not look at attention */
    uint16_t bridge_at;         /* not 0: one instruction that goes on in another page; bytes from write_dead to where links lead */
    uint32_t span_page;         /* the number of that physical page */
};
G_STATIC_ASSERT(sizeof(RhBlock) == 64);

/** RhJitLink - a jump from @block that may be led to another block; the site's displacement and the stub, in bytes from jit->code */
typedef struct RhJitLink {
    uint32_t site, stub;
    uint32_t block;
} RhJitLink;

enum {
    RH_BLOCK_BUCKET_BITS = 18,
    RH_BLOCK_BUCKETS = 1 << RH_BLOCK_BUCKET_BITS,
    RH_PAGE_BUCKETS = 1 << 12,
    RH_FAR_LINKS = 1 << 16,
    RH_FILTER_BYTES = 1 << 12,
    RH_SPANS = 1 << 16,
    RH_JUMP_MODE_BITS = 8,              /* of RhTcgCpu.jump_key; the rest is a generation */
};

typedef struct RhTcgJit {
    RhTcgCpu *cpu;
    RhCodeMem *mem;
    RhGlue glue;                            /* writable view */
    uint32_t (*enter)(const void *code);    /* RhLeave */
    size_t code_size;
    uint8_t *code;                          /* writable view: the glue, */
    const uint8_t *exec;                    /* executable view of the same */
    RhEmit hot, cold;                       /* behind it, what blocks are given from: at, end */
    RhBlock *blocks;                        /* in order of their code */
    uint32_t nr_blocks, max_blocks;
    RhTrap *traps;
    uint32_t nr_traps, max_traps;
    uint32_t *buckets;                      /* RH_BLOCK_BUCKETS of them: number of the latest block + 1, or 0 */
    RhBlock *pages[RH_PAGE_BUCKETS];
    uint64_t generation;                    /* counts drops: what was looked up before may be gone */
    uint64_t nr_flushes;
    uint32_t *spans;                        /* numbers of blocks in two pages */
    uint32_t nr_spans;
    RhJitLink *links;
    uint32_t nr_links, max_links;
    uint32_t *far_links;                    /* numbers of links that were led to another page: undone by forgetting */
    uint32_t nr_far_links;
    uint8_t code_filter[RH_FILTER_BYTES];   /* linear pages that may have blocks: a bit each, by hash */
    uint8_t *cold_pages;                    /* pages that were written while they had code: hits, by hash */
} RhTcgJit;

/** rh_jit_new - for the calling vCPU thread, with @size bytes of code; NULL and @err where the host has no executable memory */
RhTcgJit *rh_jit_new(RhTcgCpu *cpu, uint64_t size, GError **err);
void rh_jit_free(RhTcgJit *jit);
/** rh_jit_run - run guest code from cpu->rip until there is something to attend to */
void rh_jit_run(RhTcgCpu *cpu);
/** rh_jit_find - the block at cpu->rip in the present mode, made if need be; NULL: cpu->fault was raised by fetching (jit-run.c) */
RhBlock *rh_jit_find(RhTcgJit *jit);
/** rh_jit_make - a block for what is at cpu->rip, physical address @gpa, @host in memory; or one that leaves it to the interpreter. Vector state not live. */
RhBlock *rh_jit_make(RhTcgJit *jit, uint64_t gpa, const uint8_t *host, uint32_t mode);
/** rh_jit_drop_page - invalidate the blocks of physical page @gpa; rh_jit_drop_all - start over */
void rh_jit_drop_page(RhTcgJit *jit, uint64_t gpa);
void rh_jit_drop_all(RhTcgJit *jit);
/** rh_jit_note_write - as drop_page; the page is written to by the guest: again and again, and it is not translated any more for a while */
void rh_jit_note_write(RhTcgJit *jit, uint64_t gpa);

static inline uint32_t rh_jit_filter_bit(uint64_t rip)
{
    return (uint32_t)((rip >> RH_PAGE_BITS ^ rip >> (RH_PAGE_BITS + 15)) % (RH_FILTER_BYTES * 8));
}

static inline uint32_t rh_jit_bucket(uint64_t gpa, uint64_t rip, uint32_t mode)
{
    uint64_t key = gpa ^ rip >> RH_PAGE_BITS << 20 ^ (uint64_t)mode << 56;

    return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - RH_BLOCK_BUCKET_BITS));
}

/** rh_jit_entry - where @block's code begins, in the executable view */
static inline const void *rh_jit_entry(const RhTcgJit *jit, const RhBlock *block)
{
    return jit->exec + (block->write_start - jit->code);
}

/** rh_next_page - the linear address of the page behind that of @rip; false: there is none */
static inline bool rh_next_page(const RhTcgCpu *cpu, uint64_t rip, uint64_t *ret)
{
    *ret = (rip | (RH_PAGE_SIZE - 1)) + 1;
    return cpu->is_64 ? (uint64_t)((int64_t)(*ret << 16) >> 16) == *ret && *ret : *ret <= UINT32_MAX;
}

enum { RH_GLUE_ROOM = 1024 };
/** rh_jit_write_glue - at jit->code, in at most RH_GLUE_ROOM; returns its length (glue.c) */
size_t rh_jit_write_glue(RhTcgJit *jit);
/** rh_jit_catch_signals - once a process (signals.c) */
void rh_jit_catch_signals(void);
/** rh_jit_set_current - signals of this thread are @cpu's business, in translated code and in stubs; NULL: no more */
void rh_jit_set_current(RhTcgCpu *cpu);
/** rh_jit_miss - called by translated code; 0: try again */
uint32_t rh_jit_miss(RhTcgCpu *cpu, uint64_t at, uint32_t info);

/* --- code pages of all vCPUs (codepages.c) --- */

/** rh_code_pages_new - for one machine; takes address space, and memory where there is code */
typedef struct RhCodePages RhCodePages;
RhCodePages *rh_code_pages_new(void);
void rh_code_pages_free(RhCodePages *pages);
/** rh_code_claim - @cpu is about to translate from the page: no vCPU writes to it without telling, once this returns. False: not such a page. */
bool rh_code_claim(RhTcgCpu *cpu, uint64_t gpa);
/** rh_code_answer - do what other vCPUs asked for (RH_TCG_SHOOT) */
void rh_code_answer(RhTcgCpu *cpu);
/** rh_code_written_by_device - RhAccelType.ram_written */
void rh_code_written_by_device(RhAccel *accel, uint64_t gpa, uint64_t len);

#endif
