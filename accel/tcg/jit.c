/*
 * Blocks: found by physical address, linear address and mode; made when they are first needed; dropped when their page is written to.
 *
 * A dropped block's entries are overwritten with a jump to its last piece of code, which leaves: whatever leads to it, a link, the
 * jump cache, comes out there. Its memory is given back only when everything is dropped.
 */
#include "accel/tcg/jit.h"

#include <sys/mman.h>

enum {
    BLOCK_ROOM = 24 * 1024,     /* of code for one block, at most */
    CODE_PER_BLOCK = 256,       /* bytes, for the number of blocks to reserve */
    TRAPS_PER_BLOCK = 2,
    COLD_LIMIT = 32,            /* writes to a page with code until it is left to the interpreter */
    COLD_TRIES = 200,           /* ... for so many looks */
    COLD_PAGES = 4096,
};

/* --- memory of the tables: reserved once, touched as they fill --- */

static void *reserve(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static void release(void *at, size_t size)
{
    if (at) {
        munmap(at, size);
    }
}

RhTcgJit *rh_jit_new(RhTcgCpu *cpu, uint64_t size, GError **err)
{
    RhTcgJit *jit = g_new0(RhTcgJit, 1);

    jit->cpu = cpu;
    jit->max_blocks = (uint32_t)(size / CODE_PER_BLOCK);
    jit->max_traps = jit->max_blocks * TRAPS_PER_BLOCK;
    jit->blocks = reserve(jit->max_blocks * sizeof(RhBlock));
    jit->traps = reserve(jit->max_traps * sizeof(RhTrap));
    jit->cold_pages = g_malloc0(COLD_PAGES);
    jit->far_links = g_new(uint32_t, RH_FAR_LINKS);
    if (!jit->blocks || !jit->traps) {
        rh_fail(err, "Could not reserve %" PRIu64 " bytes for translated code (tb-size)", size);
        rh_jit_free(jit);
        return NULL;
    }
    jit->mem = rh_codemem_new(size, err);
    if (!jit->mem || !rh_jit_write_glue(jit)) {
        rh_jit_free(jit);
        return NULL;
    }
    return jit;
}

void rh_jit_free(RhTcgJit *jit)
{
    if (jit) {
        rh_codemem_free(jit->mem);
        release(jit->blocks, jit->max_blocks * sizeof(RhBlock));
        release(jit->traps, jit->max_traps * sizeof(RhTrap));
        g_free(jit->cold_pages);
        g_free(jit->far_links);
        g_free(jit);
    }
}

static uint32_t page_bucket_of(uint64_t gpa)
{
    return (uint32_t)((gpa >> RH_PAGE_BITS) % RH_PAGE_BUCKETS);
}

/* --- dropping --- */

void rh_jit_drop_all(RhTcgJit *jit)
{
    memset(jit->buckets, 0, sizeof(jit->buckets));
    memset(jit->pages, 0, sizeof(jit->pages));
    memset(jit->code_filter, 0, sizeof(jit->code_filter));
    jit->nr_blocks = jit->nr_traps = jit->nr_far_links = 0;
    jit->generation++;
    jit->nr_flushes++;
    rh_tcg_forget_jumps(jit->cpu, false);
    rh_codemem_reset(jit->mem);
    rh_jit_write_glue(jit);
}

static void unhash(RhTcgJit *jit, RhBlock *block)
{
    RhBlock **at = &jit->buckets[rh_jit_bucket(block->gpa, block->rip, block->mode)];

    while (*at && *at != block) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = block->next;
    }
}

static void write_jump(uint8_t *from, const uint8_t *to)
{
    int32_t distance = (int32_t)(to - (from + 5));

    from[0] = 0xe9;
    memcpy(from + 1, &distance, sizeof(distance));
}

static void drop(RhTcgJit *jit, RhBlock *block)
{
    RhJump *jump = &jit->cpu->jumps[rh_jump_index(block->rip)];

    unhash(jit, block);
    block->is_valid = false;
    if (block->entry) {
        if (jump->code == block->entry) {
            jump->key = 0;
        }
        write_jump(block->write_entry, block->write_dead);
        write_jump(block->write_forward, block->write_dead);
    }
}

void rh_jit_drop_page(RhTcgJit *jit, uint64_t gpa)
{
    RhBlock **at = &jit->pages[page_bucket_of(gpa)];

    while (*at) {
        RhBlock *block = *at;

        if ((block->gpa ^ gpa) >> RH_PAGE_BITS == 0) {
            *at = block->next_in_page;
            drop(jit, block);
            jit->generation++;
        } else {
            at = &block->next_in_page;
        }
    }
}

/* --- making --- */

/* A page that is written to again and again: translating it would take longer than interpreting. */
static uint8_t *coldness(RhTcgJit *jit, uint64_t gpa)
{
    return &jit->cold_pages[(gpa >> RH_PAGE_BITS) % COLD_PAGES];
}

static bool is_cold(RhTcgJit *jit, uint64_t gpa)
{
    uint8_t *cold = coldness(jit, gpa);

    if (*cold < COLD_LIMIT) {
        return false;
    }
    if (++*cold == COLD_LIMIT + COLD_TRIES) {
        *cold = 0;
    }
    return true;
}

static RhBlock *new_block(RhTcgJit *jit, uint64_t gpa, uint64_t rip, uint32_t mode)
{
    RhBlock *block = &jit->blocks[jit->nr_blocks++];
    RhBlock **bucket = &jit->buckets[rh_jit_bucket(gpa, rip, mode)];
    RhBlock **page = &jit->pages[page_bucket_of(gpa)];

    *block = (RhBlock){ .gpa = gpa, .rip = rip, .mode = mode, .is_valid = true, .next = *bucket, .next_in_page = *page,
                        .first_trap = jit->nr_traps };
    *bucket = *page = block;
    jit->code_filter[rh_jit_filter_bit(rip) / 8] |= 1u << rh_jit_filter_bit(rip) % 8;
    return block;
}

static RhBlock *translate(RhTcgJit *jit, uint64_t gpa, const uint8_t *bytes, uint32_t mode)
{
    RhTcgCpu *cpu = jit->cpu;
    RhTranslation t = { .cpu = cpu, .rip = cpu->rip, .bytes = bytes, .nr_bytes = RH_PAGE_SIZE - (unsigned)(gpa % RH_PAGE_SIZE),
                        .exact_flags = cpu->tcg && cpu->tcg->exact_flags, .glue = &jit->glue };
    uint8_t *write;
    const uint8_t *exec;
    RhBlock *block;

    if (jit->nr_blocks == jit->max_blocks || jit->nr_traps + RH_BLOCK_TRAPS > jit->max_traps ||
        rh_codemem_left(jit->mem) < BLOCK_ROOM) {
        rh_jit_drop_all(jit);
    }
    if (!rh_codemem_alloc(jit->mem, BLOCK_ROOM, &write, &exec)) {
        return NULL;
    }
    t.e = (RhEmit){ .start = write, .at = write, .end = write + BLOCK_ROOM, .cpu = (uint32_t)(uintptr_t)jit->cpu };
    if (!rh_translate(&t)) {
        rh_codemem_shrink(jit->mem, write, 0);
        block = new_block(jit, gpa, cpu->rip, mode);
        block->write_start = write;
        return block;
    }
    rh_codemem_shrink(jit->mem, write, (size_t)(t.e.at - write));
    block = new_block(jit, gpa, cpu->rip, mode);
    block->write_start = write;
    block->code_len = (uint32_t)(t.e.at - write);
    block->write_entry = t.entry;
    block->write_forward = t.entry_forward;
    block->write_dead = t.dead;
    block->entry = exec + (t.entry - write);
    block->nr_traps = t.nr_traps;
    memcpy(jit->traps + jit->nr_traps, t.traps, t.nr_traps * sizeof(RhTrap));
    jit->nr_traps += t.nr_traps;
    return block;
}

/* What the interpreter is to do, where no block can be made. */
static RhBlock for_interpreter = { .is_valid = true };

RhBlock *rh_jit_make(RhTcgJit *jit, uint64_t gpa, const uint8_t *host, uint32_t mode)
{
    RhBlock *block = NULL;

    if (host && !is_cold(jit, gpa) && rh_code_claim(jit->cpu, gpa)) {
        block = translate(jit, gpa, host, mode);
    }
    return block ? block : &for_interpreter;
}

/* --- code pages: told by mmu.c (rh_tcg_code_written) and by other vCPUs --- */

void rh_jit_note_write(RhTcgJit *jit, uint64_t gpa)
{
    uint8_t *cold = coldness(jit, gpa);

    if (*cold < COLD_LIMIT) {
        ++*cold;
    }
    rh_jit_drop_page(jit, gpa);
}
