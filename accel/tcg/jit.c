/*
 * Blocks: found by physical address, linear address and mode; made when they are first needed; dropped when their page is written to.
 *
 * A dropped block's entries are overwritten with a jump to its last piece of code, which leaves: whatever leads to it, a link, the
 * jump cache, comes out there. Its memory is given back only when everything is dropped.
 */
#include "accel/tcg/jit.h"

#include <sys/mman.h>

enum {
    BLOCK_ROOM = 16 * 1024,     /* of code for one block, at most, and of its cold code */
    COLD_CHUNK = 128 * 1024,
    CODE_PER_BLOCK = 256,       /* bytes, for the number of blocks to reserve */
    TRAPS_PER_BLOCK = 2,
    LINKS_PER_BLOCK = 4,
    CODE_ALIGN = 16,            /* what the instruction fetch likes */
    COLD_LIMIT = 32,            /* writes to a page with code until it is left to the interpreter */
    COLD_TRIES = 200,           /* ... for so many looks */
    COLD_PAGES = 4096,
};

/* --- code memory: the glue, then what is executed as a rule; from the other end, chunk by chunk, what is not --- */

static void open_area(RhTcgJit *jit, RhEmit *area, uint8_t *start, uint8_t *end)
{
    uint8_t *at = (uint8_t *)rh_align_up((uintptr_t)start, CODE_ALIGN);

    *area = (RhEmit){ .start = at, .at = at, .end = end, .cpu = (uint32_t)(uintptr_t)jit->cpu };
}

static void open_code(RhTcgJit *jit)
{
    uint8_t *end = jit->code + jit->code_size;

    open_area(jit, &jit->hot, jit->code + rh_jit_write_glue(jit), end);
    open_area(jit, &jit->cold, end, end);
}

static bool open_cold_chunk(RhTcgJit *jit)
{
    if (jit->hot.end - jit->hot.at < COLD_CHUNK + BLOCK_ROOM) {
        return false;
    }
    jit->hot.end -= COLD_CHUNK;
    open_area(jit, &jit->cold, jit->hot.end, jit->hot.end + COLD_CHUNK);
    return true;
}

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
    jit->max_links = jit->max_blocks * LINKS_PER_BLOCK;
    jit->blocks = reserve(jit->max_blocks * sizeof(RhBlock));
    jit->traps = reserve(jit->max_traps * sizeof(RhTrap));
    jit->links = reserve(jit->max_links * sizeof(RhJitLink));
    jit->buckets = reserve(RH_BLOCK_BUCKETS * sizeof(*jit->buckets));
    jit->cold_pages = g_malloc0(COLD_PAGES);
    jit->far_links = g_new(uint32_t, RH_FAR_LINKS);
    jit->spans = g_new(uint32_t, RH_SPANS);
    if (!jit->blocks || !jit->traps || !jit->links || !jit->buckets) {
        rh_fail(err, "Could not reserve %" PRIu64 " bytes for translated code (tb-size)", size);
        rh_jit_free(jit);
        return NULL;
    }
    jit->mem = rh_codemem_new(size, err);
    if (!jit->mem) {
        rh_jit_free(jit);
        return NULL;
    }
    jit->code_size = rh_codemem_left(jit->mem);
    rh_codemem_alloc(jit->mem, jit->code_size, &jit->code, &jit->exec);
    open_code(jit);
    return jit;
}

void rh_jit_free(RhTcgJit *jit)
{
    if (jit) {
        rh_codemem_free(jit->mem);
        release(jit->blocks, jit->max_blocks * sizeof(RhBlock));
        release(jit->traps, jit->max_traps * sizeof(RhTrap));
        release(jit->links, jit->max_links * sizeof(RhJitLink));
        release(jit->buckets, RH_BLOCK_BUCKETS * sizeof(*jit->buckets));
        g_free(jit->cold_pages);
        g_free(jit->far_links);
        g_free(jit->spans);
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
    memset(jit->buckets, 0, RH_BLOCK_BUCKETS * sizeof(*jit->buckets));
    memset(jit->pages, 0, sizeof(jit->pages));
    memset(jit->code_filter, 0, sizeof(jit->code_filter));
    jit->nr_blocks = jit->nr_traps = jit->nr_links = jit->nr_far_links = jit->nr_spans = 0;
    jit->generation++;
    jit->nr_flushes++;
    rh_tcg_forget_jumps(jit->cpu, false);
    rh_codemem_reset(jit->mem);
    rh_codemem_alloc(jit->mem, jit->code_size, &jit->code, &jit->exec);
    open_code(jit);
}

static void unhash(RhTcgJit *jit, RhBlock *block)
{
    uint32_t *at = &jit->buckets[rh_jit_bucket(block->gpa, block->rip, block->mode)];
    uint32_t number = (uint32_t)(block - jit->blocks);

    while (*at && *at != number + 1) {
        at = &jit->blocks[*at - 1].next;
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
    if (block->code_len) {
        if (jump->code == block->write_start - jit->code) {
            jump->key = 0;
        }
        write_jump(block->write_start, block->write_dead);
        write_jump(block->write_start + block->forward_at, block->write_dead);
    }
    block->code_len = 0;
}

/* Instructions that end in the page; dead ones are forgotten on the way. */
static void drop_spans(RhTcgJit *jit, uint64_t gpa)
{
    for (uint32_t i = 0; i < jit->nr_spans;) {
        RhBlock *block = &jit->blocks[jit->spans[i]];

        if (block->code_len && block->span_page == gpa >> RH_PAGE_BITS) {
            drop(jit, block);
            jit->generation++;
        }
        if (block->code_len) {
            i++;
        } else {
            jit->spans[i] = jit->spans[--jit->nr_spans];
        }
    }
}

void rh_jit_drop_page(RhTcgJit *jit, uint64_t gpa)
{
    RhBlock **at = &jit->pages[page_bucket_of(gpa)];

    drop_spans(jit, gpa);

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

static void note_code(RhTcgJit *jit, uint64_t rip)
{
    jit->code_filter[rh_jit_filter_bit(rip) / 8] |= 1u << rh_jit_filter_bit(rip) % 8;
}

static RhBlock *new_block(RhTcgJit *jit, uint64_t gpa, uint64_t rip, uint32_t mode)
{
    RhBlock *block = &jit->blocks[jit->nr_blocks++];
    uint32_t *bucket = &jit->buckets[rh_jit_bucket(gpa, rip, mode)];
    RhBlock **page = &jit->pages[page_bucket_of(gpa)];

    *block = (RhBlock){ .gpa = gpa, .rip = rip, .mode = mode, .write_start = jit->hot.at, .next = *bucket, .next_in_page = *page };
    *bucket = jit->nr_blocks;
    *page = block;
    note_code(jit, rip);
    return block;
}

static bool find_room(RhTcgJit *jit)
{
    if (jit->cold.end - jit->cold.at < BLOCK_ROOM && !open_cold_chunk(jit)) {
        return false;
    }
    return jit->nr_blocks < jit->max_blocks && jit->nr_traps + RH_BLOCK_TRAPS <= jit->max_traps &&
           jit->nr_links + RH_BLOCK_LINKS <= jit->max_links && jit->nr_spans < RH_SPANS && jit->hot.end - jit->hot.at >= BLOCK_ROOM;
}

/* The room for a block's code, out of @area */
static RhEmit room_in(const RhEmit *area)
{
    return (RhEmit){ .start = area->at, .at = area->at, .end = area->at + BLOCK_ROOM, .cpu = area->cpu };
}

static uint16_t take(RhEmit *area, const RhEmit *written)
{
    area->at = (uint8_t *)rh_align_up((uintptr_t)written->at, CODE_ALIGN);
    return (uint16_t)(written->at - written->start);
}

static void note_links(RhTcgJit *jit, const RhBlock *block, const RhTranslation *t)
{
    for (unsigned i = 0; i < t->nr_links; i++) {
        jit->links[jit->nr_links++] = (RhJitLink){
            .site = (uint32_t)(t->links[i].site - jit->code),
            .stub = (uint32_t)(t->links[i].stub - jit->code),
            .block = (uint32_t)(block - jit->blocks),
        };
    }
}

static RhBlock *translate(RhTcgJit *jit, uint64_t gpa, const uint8_t *bytes, unsigned nr_bytes, bool is_span, uint32_t mode)
{
    RhTcgCpu *cpu = jit->cpu;
    RhTranslation t = { .cpu = cpu, .rip = cpu->rip, .bytes = bytes, .nr_bytes = nr_bytes, .is_span = is_span,
                        .exact_flags = cpu->tcg && cpu->tcg->exact_flags, .glue = &jit->glue };
    RhBlock *block;

    if (!find_room(jit)) {
        rh_jit_drop_all(jit);
        find_room(jit);          /* there is, in tables and memory that are empty */
    }
    t.first_link = jit->nr_links;
    t.e = room_in(&jit->hot);
    t.cold = room_in(&jit->cold);
    block = new_block(jit, gpa, cpu->rip, mode);
    if (!rh_translate(&t)) {
        return block;
    }
    block->write_dead = t.dead;
    block->bridge_at = is_span ? (uint16_t)(t.bridge - t.dead) : 0;
    block->forward_at = (uint8_t)(t.entry_forward - t.e.start);
    block->code_len = take(&jit->hot, &t.e);
    block->cold_len = take(&jit->cold, &t.cold);
    block->first_trap = jit->nr_traps;
    block->nr_traps = (uint8_t)t.nr_traps;
    memcpy(jit->traps + jit->nr_traps, t.traps, t.nr_traps * sizeof(RhTrap));
    jit->nr_traps += t.nr_traps;
    note_links(jit, block, &t);
    return block;
}

/* --- instructions that go on in the next page --- */

static bool goes_on(const RhTcgCpu *cpu, const uint8_t *bytes, unsigned nr)
{
    RhInsn insn;

    return nr < RH_INSN_MAX && rh_decode(bytes, nr, cpu->code_size, &insn) == RH_DECODE_MORE;
}

/* A block of its own, in the lists of both pages; NULL: the interpreter's, who raises what there is to be raised. */
static RhBlock *translate_span(RhTcgJit *jit, uint64_t gpa, const uint8_t *bytes, uint32_t mode)
{
    RhTcgCpu *cpu = jit->cpu;
    unsigned nr = RH_PAGE_SIZE - (unsigned)(gpa % RH_PAGE_SIZE);
    uint8_t all[RH_INSN_MAX];
    uint64_t next, span_gpa;
    uint8_t *host;
    RhBlock *block;

    if (!rh_next_page(cpu, cpu->rip, &next) || !rh_tcg_fetch_page(cpu, next, &span_gpa, &host) || !host ||
        is_cold(jit, span_gpa) || !rh_code_claim(cpu, span_gpa)) {
        return NULL;
    }
    memcpy(all, bytes, nr);
    memcpy(all + nr, host, RH_INSN_MAX - nr);
    block = translate(jit, gpa, all, RH_INSN_MAX, true, mode);
    block->span_page = (uint32_t)(span_gpa >> RH_PAGE_BITS);
    note_code(jit, next);
    jit->spans[jit->nr_spans++] = (uint32_t)(block - jit->blocks);
    return block;
}

/* What the interpreter is to do, where no block can be made. */
static RhBlock for_interpreter;

RhBlock *rh_jit_make(RhTcgJit *jit, uint64_t gpa, const uint8_t *host, uint32_t mode)
{
    unsigned nr = RH_PAGE_SIZE - (unsigned)(gpa % RH_PAGE_SIZE);
    RhBlock *block = NULL;

    if (host && !is_cold(jit, gpa) && rh_code_claim(jit->cpu, gpa)) {
        block = goes_on(jit->cpu, host, nr) ? translate_span(jit, gpa, host, mode) : translate(jit, gpa, host, nr, false, mode);
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
