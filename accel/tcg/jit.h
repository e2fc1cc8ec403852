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
    uint32_t mode;              /* rh_block_mode */
    bool is_valid;
    const uint8_t *entry;       /* executable; NULL: the first instruction is the interpreter's */
    uint8_t *write_start;       /* the writable view of its code */
    uint8_t *write_entry, *write_forward, *write_dead;
    uint32_t code_len;
    uint32_t first_trap, nr_traps;
    RhBlock *next;              /* of one hash bucket */
    RhBlock *next_in_page;      /* of one page bucket */
};

enum {
    RH_BLOCK_BUCKET_BITS = 16,
    RH_BLOCK_BUCKETS = 1 << RH_BLOCK_BUCKET_BITS,
    RH_PAGE_BUCKETS = 1 << 12,
    RH_FAR_LINKS = 1 << 16,
    RH_FILTER_BYTES = 1 << 12,
    RH_JUMP_MODE_BITS = 8,              /* of RhTcgCpu.jump_key; the rest is a generation */
};

typedef struct RhTcgJit {
    RhTcgCpu *cpu;
    RhCodeMem *mem;
    RhGlue glue;                            /* writable view */
    uint32_t (*enter)(const void *code);    /* RhLeave */
    const uint8_t *leave;                   /* executable view of glue.leave */
    RhBlock *blocks;                        /* in order of their code */
    uint32_t nr_blocks, max_blocks;
    RhTrap *traps;
    uint32_t nr_traps, max_traps;
    RhBlock *buckets[RH_BLOCK_BUCKETS];
    RhBlock *pages[RH_PAGE_BUCKETS];
    uint64_t generation;                    /* counts drops: what was looked up before may be gone */
    uint64_t nr_flushes;
    uint32_t *far_links;                    /* jumps led to another page: their sites, from the start of code; undone by forgetting */
    uint32_t nr_far_links;
    uint8_t code_filter[RH_FILTER_BYTES];   /* linear pages that may have blocks: a bit each, by hash */
    uint8_t *cold_pages;                    /* pages that were written while they had code: hits, by hash */
} RhTcgJit;

/** rh_jit_new - for the calling vCPU thread, which reaches @cpu by GS from now on; NULL and @err where the host has no executable memory */
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

/** rh_jit_block_at - the block whose code holds the byte at @write, of the writable view; or NULL */
static inline RhBlock *rh_jit_block_at(const RhTcgJit *jit, const uint8_t *write)
{
    uint32_t low = 0;
    uint32_t high = jit->nr_blocks;

    while (low < high) {            /* the first block that starts behind it */
        uint32_t middle = (low + high) / 2;

        if (jit->blocks[middle].write_start <= write) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low && write < jit->blocks[low - 1].write_start + jit->blocks[low - 1].code_len ? &jit->blocks[low - 1] : NULL;
}

/** rh_jit_write_glue - at the start of empty code memory (glue.c) */
bool rh_jit_write_glue(RhTcgJit *jit);
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
