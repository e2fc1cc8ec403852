/*
 * Guest memory as the engine sees it: the TLB, and loads and stores by linear address.
 *
 * 1. A TLB entry hits for what its page table entry allows in that mode; for writing, only if the dirty bit is set, the
 *    memory is RAM, no code was translated from the page, and no data breakpoint watches it.
 * 2. The bit in tlb_used is set for each entry that can hit. An entry of a large page also is noted in large.
 * 3. ranges[] is a copy of parts of the memory map, and host pointers come from there alone. Who changes the map asks
 *    for RH_TCG_FLUSH and keeps the memory until that is done.
 * 4. Memory is that of the CPU's is_in_smm: who changes it flushes everything with it.
 *
 * The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/mmu-inline.h"
#include "target/i386/tcg/system.h"
#include "target/i386/tcg/vector-live.h"
#include "target/i386/tcg/walk.h"

#define PAGE_MASK ((uint64_t)RH_PAGE_SIZE - 1)

/* A page as an access found it. */
typedef struct Page {
    uint64_t gpa;
    uint8_t *host;          /* NULL: not to be touched directly */
    bool is_watched;
} Page;

/* --- physical memory --- */

static RhSpace *space_of(const RhTcgCpu *cpu)
{
    return rh_vm_memory(cpu->vm, cpu->is_in_smm);
}

static void range_of_hole(const RhFlatView *view, size_t next, uint64_t gpa, RhTcgRange *ret)
{
    const RhFlatRange *before = next ? &view->ranges[next - 1] : NULL;

    ret->start = before ? before->start + before->len : 0;
    ret->end = next < view->nr ? view->ranges[next].start : UINT64_MAX;
}

/* The page of @gpa, and as many around it as are alike; pages that are RAM only in part are the dispatcher's. */
static void find_range(RhTcgCpu *cpu, uint64_t gpa, RhTcgRange *ret)
{
    uint64_t page = gpa & ~PAGE_MASK;
    const RhFlatView *view;
    const RhFlatRange *range = NULL;
    size_t next;

    *ret = (RhTcgRange){ 0 };
    rh_rcu_read_lock();
    view = rh_space_view(space_of(cpu));
    for (next = 0; next < view->nr && view->ranges[next].start <= gpa; next++) {
        range = gpa - view->ranges[next].start < view->ranges[next].len ? &view->ranges[next] : NULL;
    }
    if (range) {
        ret->start = range->start;
        ret->end = range->len > UINT64_MAX - range->start ? UINT64_MAX : range->start + range->len;
        ret->is_writable = range->host && range->is_writable;
    } else {
        range_of_hole(view, next, gpa, ret);
    }
    ret->start = rh_align_up(ret->start, RH_PAGE_SIZE);
    ret->end = rh_align_down(ret->end, RH_PAGE_SIZE);
    if (page >= ret->start && page < ret->end) {
        ret->host = range && range->host ? range->host + (ret->start - range->start) : NULL;
    } else {
        *ret = (RhTcgRange){ .start = page, .end = page + RH_PAGE_SIZE };
    }
    rh_rcu_read_unlock();
}

static const RhTcgRange *remember_range(RhTcgCpu *cpu, uint64_t gpa)
{
    RhTcgRange *range = &cpu->ranges[cpu->next_range];
    bool was_live = rh_tcg_vector_save(cpu);

    cpu->next_range = (cpu->next_range + 1) % RH_TCG_RANGES;
    cpu->nr_ranges = MIN(cpu->nr_ranges + 1, RH_TCG_RANGES);
    find_range(cpu, gpa, range);
    rh_tcg_vector_restore(cpu, was_live);
    return range;
}

uint8_t *rh_tcg_ram(RhTcgCpu *cpu, uint64_t gpa, bool *ret_is_writable)
{
    uint64_t page = gpa & ~PAGE_MASK;
    const RhTcgRange *range = NULL;

    for (unsigned i = 0; i < cpu->nr_ranges && !range; i++) {
        if (page - cpu->ranges[i].start < cpu->ranges[i].end - cpu->ranges[i].start) {
            range = &cpu->ranges[i];
        }
    }
    range = range ? range : remember_range(cpu, gpa);
    *ret_is_writable = range->is_writable;
    return range->host ? range->host + (page - range->start) : NULL;
}

uint64_t rh_tcg_phys_load(RhTcgCpu *cpu, uint64_t gpa, unsigned size)
{
    uint64_t value;
    bool is_writable;
    bool was_live;
    uint8_t *host = rh_tcg_ram(cpu, gpa, &is_writable);

    if (host && (gpa & PAGE_MASK) + size <= RH_PAGE_SIZE) {
        return rh_host_load(host + (gpa & PAGE_MASK), size);
    }
    was_live = rh_tcg_vector_save(cpu);
    rh_space_load(space_of(cpu), &cpu->vcpu->memory_lookup, gpa, size, &value);
    rh_tcg_vector_restore(cpu, was_live);
    return value;
}

void rh_tcg_phys_store(RhTcgCpu *cpu, uint64_t gpa, unsigned size, uint64_t value)
{
    bool is_writable;
    bool was_live;
    uint8_t *host = rh_tcg_ram(cpu, gpa, &is_writable);

    if (host && is_writable && (gpa & PAGE_MASK) + size <= RH_PAGE_SIZE) {
        if (rh_tcg_page_has_code(cpu, gpa & ~PAGE_MASK)) {
            rh_tcg_code_written(cpu, gpa & ~PAGE_MASK);
        }
        rh_host_store(host + (gpa & PAGE_MASK), size, value);
        return;
    }
    was_live = rh_tcg_vector_save(cpu);
    rh_space_store(space_of(cpu), &cpu->vcpu->memory_lookup, gpa, size, value);
    rh_tcg_vector_restore(cpu, was_live);
}

/* --- the TLB --- */

static bool test_bit(const uint64_t *bits, uint64_t nr)
{
    return bits[nr / 64] >> (nr % 64) & 1;
}

static void set_bit(uint64_t *bits, uint64_t nr)
{
    bits[nr / 64] |= UINT64_C(1) << (nr % 64);
}

static void clear_bit(uint64_t *bits, uint64_t nr)
{
    bits[nr / 64] &= ~(UINT64_C(1) << (nr % 64));
}

static uint64_t hash_region(uint64_t region)
{
    return (region ^ region >> 10) & 1023;
}

static uint64_t fetch_index(uint64_t at)
{
    return at >> RH_PAGE_BITS & (RH_FETCH_ENTRIES - 1);
}

/* As rh_tlb_never, for one of the entries for fetching. */
static uint64_t fetch_never(uint64_t index)
{
    return -((index ^ 1) << RH_PAGE_BITS);
}

static void drop_entry(RhTcgCpu *cpu, unsigned mode, unsigned index)
{
    cpu->tlb[mode][index] = (RhTlbEntry){ rh_tlb_never(index), rh_tlb_never(index), NULL, 0 };
    clear_bit(cpu->tlb_used[mode][0], index);
    clear_bit(cpu->tlb_used[mode][1], index);
}

static void drop_fetch(RhTcgCpu *cpu, unsigned mode, unsigned index)
{
    cpu->fetch[mode][index] = (RhFetchEntry){ .minus = fetch_never(index) };
    clear_bit(cpu->fetch_used[mode], index);
}

/* The linear address of the page that entry @index holds. */
static uint64_t entry_page(const RhTlbEntry *entry, uint64_t index)
{
    return entry->minus_read != rh_tlb_never(index) ? -entry->minus_read : -entry->minus_write;
}

/* Call drop for each entry that is used, in the words of one bitmap. */
static void drop_used(RhTcgCpu *cpu, uint64_t *used, unsigned nr_words, unsigned mode,
                      void (*drop)(RhTcgCpu *cpu, unsigned mode, unsigned index))
{
    for (unsigned word = 0; word < nr_words; word++) {
        for (uint64_t bits = used[word]; bits; bits &= bits - 1) {
            drop(cpu, mode, word * 64 + (unsigned)__builtin_ctzll(bits));
        }
    }
}

static void make_ready(RhTcgCpu *cpu)
{
    for (unsigned mode = 0; mode < RH_NR_TLB_MODES; mode++) {
        for (unsigned i = 0; i < RH_TLB_ENTRIES; i++) {
            drop_entry(cpu, mode, i);
        }
    }
    for (unsigned mode = 0; mode < 2; mode++) {
        for (unsigned i = 0; i < RH_FETCH_ENTRIES; i++) {
            drop_fetch(cpu, mode, i);
        }
    }
    cpu->is_tlb_ready = true;
}

static void forget_large(RhTcgCpu *cpu, bool is_global)
{
    for (unsigned half = 0; half < 2; half++) {
        for (unsigned i = 0; i < 16; i++) {
            cpu->large[half][is_global].in_4m[i] = 0;
            cpu->large[half][is_global].in_1g[i] = 0;
        }
    }
}

static void drop_fetches(RhTcgCpu *cpu, unsigned mode, bool keep_global)
{
    for (unsigned word = 0; word < RH_FETCH_ENTRIES / 64; word++) {
        for (uint64_t bits = cpu->fetch_used[mode][word]; bits; bits &= bits - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(bits);

            if (!keep_global || !cpu->fetch[mode][i].is_global) {
                drop_fetch(cpu, mode, i);
            }
        }
    }
}

static void flush_entries(RhTcgCpu *cpu, bool keep_global)
{
    if (!cpu->is_tlb_ready) {
        make_ready(cpu);
    }
    for (unsigned mode = 0; mode < RH_NR_TLB_MODES; mode++) {
        drop_used(cpu, cpu->tlb_used[mode][0], RH_TLB_ENTRIES / 64, mode, drop_entry);
        if (!keep_global) {
            drop_used(cpu, cpu->tlb_used[mode][1], RH_TLB_ENTRIES / 64, mode, drop_entry);
        }
    }
    for (unsigned mode = 0; mode < 2; mode++) {
        drop_fetches(cpu, mode, keep_global);
    }
    forget_large(cpu, false);
    if (!keep_global) {
        forget_large(cpu, true);
        cpu->nr_ranges = cpu->next_range = 0;
    }
}

void rh_tlb_flush(RhTcgCpu *cpu, bool keep_global)
{
    flush_entries(cpu, keep_global);
    rh_tcg_forget_jumps(cpu, keep_global);
}

void rh_tlb_switch(RhTcgCpu *cpu, unsigned pcid, bool keep_old)
{
    flush_entries(cpu, true);
    rh_tcg_switch_jumps(cpu, pcid, keep_old);
}

/* Entries whose page lies in the same aligned piece of 2^@shift bytes as @at. */
static void drop_piece(RhTcgCpu *cpu, uint64_t at, unsigned shift)
{
    for (unsigned n = 0; n < RH_NR_TLB_MODES * RH_TLB_ENTRIES / 64; n++) {
        unsigned mode = n / (RH_TLB_ENTRIES / 64);
        unsigned word = n % (RH_TLB_ENTRIES / 64);
        uint64_t used = cpu->tlb_used[mode][0][word] | cpu->tlb_used[mode][1][word];

        for (; used; used &= used - 1) {
            unsigned i = word * 64 + (unsigned)__builtin_ctzll(used);

            if ((entry_page(&cpu->tlb[mode][i], i) ^ at) >> shift == 0) {
                drop_entry(cpu, mode, i);
            }
        }
    }
    for (unsigned mode = 0; mode < 2; mode++) {
        for (unsigned i = 0; i < RH_FETCH_ENTRIES; i++) {
            if (test_bit(cpu->fetch_used[mode], i) && (-cpu->fetch[mode][i].minus ^ at) >> shift == 0) {
                drop_fetch(cpu, mode, i);
            }
        }
    }
}

static void drop_page(RhTcgCpu *cpu, uint64_t at)
{
    unsigned index = (unsigned)rh_tlb_index(at);
    unsigned fetch = (unsigned)fetch_index(at);

    for (unsigned mode = 0; mode < RH_NR_TLB_MODES; mode++) {
        if (entry_page(&cpu->tlb[mode][index], index) >> RH_PAGE_BITS == at >> RH_PAGE_BITS) {
            drop_entry(cpu, mode, index);
        }
    }
    for (unsigned mode = 0; mode < 2; mode++) {
        if (at + cpu->fetch[mode][fetch].minus < RH_PAGE_SIZE) {
            drop_fetch(cpu, mode, fetch);
        }
    }
}

void rh_tlb_flush_page(RhTcgCpu *cpu, uint64_t at)
{
    const RhLargePages *large;

    at = cpu->is_long ? at : (uint32_t)at;
    large = cpu->large[at >> 63];
    if (test_bit(large[0].in_1g, hash_region(at >> 30)) || test_bit(large[1].in_1g, hash_region(at >> 30))) {
        drop_piece(cpu, at, 30);
        rh_tcg_forget_jumps(cpu, at >> 63 == 0);    /* of those kept, all lie in the upper half */
    } else if (test_bit(large[0].in_4m, hash_region(at >> 22)) || test_bit(large[1].in_4m, hash_region(at >> 22))) {
        drop_piece(cpu, at, 22);
        rh_tcg_forget_jumps(cpu, at >> 63 == 0);
    } else {
        drop_page(cpu, at);
        rh_tcg_forget_jumps_to(cpu, at);
    }
}

void rh_tlb_protect(RhTcgCpu *cpu, uint64_t gpa)
{
    for (unsigned mode = 0; mode < RH_NR_TLB_MODES; mode++) {
        for (unsigned i = 0; i < RH_TLB_ENTRIES; i++) {
            if ((cpu->tlb_gpa[mode][i] ^ gpa) >> RH_PAGE_BITS == 0) {
                cpu->tlb[mode][i].minus_write = rh_tlb_never(i);
            }
        }
    }
}

static void note_large(RhTcgCpu *cpu, uint64_t at, const RhWalk *walk)
{
    RhLargePages *large = &cpu->large[at >> 63][walk->is_global];

    if (walk->size > UINT64_C(1) << 22) {
        set_bit(large->in_1g, hash_region(at >> 30));
    } else if (walk->size > RH_PAGE_SIZE) {
        set_bit(large->in_4m, hash_region(at >> 22));
    }
}

/* Code in the page goes before it is written to; true where it may be written to directly from now on. */
static bool drop_code(RhTcgCpu *cpu, uint64_t gpa)
{
    if (!rh_tcg_page_has_code(cpu, gpa)) {
        return true;
    }
    rh_tcg_code_written(cpu, gpa);
    return !rh_tcg_page_has_code(cpu, gpa);
}

static void set_entry(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, const RhWalk *walk, uint8_t *host, bool may_write)
{
    unsigned index = (unsigned)rh_tlb_index(at);
    uint64_t minus = -(at & ~PAGE_MASK);

    /* Under SMAP the walk refuses user pages to RH_TLB_KERNEL; whatever got here may be read. */
    cpu->tlb[mode][index] = (RhTlbEntry){
        .minus_read = minus,
        .minus_write = may_write ? minus : rh_tlb_never(index),
        .host = host,
        .addend = (uint64_t)(uintptr_t)host + minus,
    };
    cpu->tlb_gpa[mode][index] = walk->gpa | walk->is_global;
    clear_bit(cpu->tlb_used[mode][!walk->is_global], index);
    set_bit(cpu->tlb_used[mode][walk->is_global], index);
    note_large(cpu, at, walk);
}

static void set_fetch(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, const RhWalk *walk, uint8_t *host)
{
    bool is_user = mode == RH_TLB_USER;
    unsigned index = (unsigned)fetch_index(at);

    cpu->fetch[is_user][index] = (RhFetchEntry){ -(at & ~PAGE_MASK), host, walk->gpa, walk->is_global };
    set_bit(cpu->fetch_used[is_user], index);
    note_large(cpu, at, walk);
}

/* Walk, and remember what was found. */
static bool look_up(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, RhAccess access, Page *ret)
{
    bool is_writable;
    bool may_write;
    RhWalk walk;
    uint8_t *host;

    at = cpu->is_long ? at : (uint32_t)at;
    if (!rh_walk(cpu, mode, at, access, &walk)) {
        return false;
    }
    host = rh_tcg_ram(cpu, walk.gpa, &is_writable);
    *ret = (Page){ walk.gpa, host, access != RH_ACCESS_FETCH && rh_debug_watches(cpu, at & ~PAGE_MASK) };
    if (access == RH_ACCESS_FETCH) {
        if (host) {
            set_fetch(cpu, mode, at, &walk, host);
        }
        return true;
    }
    may_write = is_writable && walk.may_write_now;
    if (may_write) {
        may_write = access == RH_ACCESS_WRITE ? drop_code(cpu, walk.gpa) : !rh_tcg_page_has_code(cpu, walk.gpa);
    }
    if (host && !ret->is_watched) {
        set_entry(cpu, mode, at, &walk, host, may_write);
    }
    if (access == RH_ACCESS_WRITE && !is_writable) {
        ret->host = NULL;
    }
    return true;
}

bool rh_tlb_fill(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, RhAccess access, bool *is_fast)
{
    Page page;

    if (!look_up(cpu, mode, at, access, &page)) {
        return false;
    }
    *is_fast = rh_tlb_hit(cpu, mode, at, 1, access == RH_ACCESS_WRITE);
    return true;
}

/* The page of @at, out of the TLB or by a walk. */
static bool find_page(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, RhAccess access, Page *ret)
{
    const uint8_t *host = access == RH_ACCESS_FETCH ? NULL
                                                    : rh_tlb_hit(cpu, mode, at, 1, access == RH_ACCESS_WRITE);

    if (host) {
        uint64_t index = rh_tlb_index(at);

        *ret = (Page){ cpu->tlb_gpa[mode][index] & ~PAGE_MASK, cpu->tlb[mode][index].host, false };
        return true;
    }
    return look_up(cpu, mode, at, access, ret);
}

/* --- accesses --- */

/* An access in one or two pages: all of them are found before any is touched. */
typedef struct Span {
    uint64_t at;
    unsigned len[2];
    Page page[2];
} Span;

static bool find_span(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, RhAccess access, Span *ret)
{
    unsigned room = RH_PAGE_SIZE - (unsigned)(at & PAGE_MASK);

    ret->at = at;
    ret->len[0] = MIN(len, room);
    ret->len[1] = len - ret->len[0];
    return find_page(cpu, mode, at, access, &ret->page[0]) &&
           (!ret->len[1] || find_page(cpu, mode, at + ret->len[0], access, &ret->page[1]));
}

static void note_span(RhTcgCpu *cpu, const Span *span, bool is_write)
{
    if (span->page[0].is_watched || (span->len[1] && span->page[1].is_watched)) {
        rh_tcg_note_data_access(cpu, span->at, span->len[0] + span->len[1], is_write);
    }
}

static void copy(uint8_t *to, const uint8_t *from, uint64_t len)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
}

/* The widest step for a device that stays aligned. */
static unsigned device_step(uint64_t gpa, unsigned len)
{
    unsigned step = 8;

    while (step > len || gpa % step) {
        step /= 2;
    }
    return step;
}

static void read_page(RhTcgCpu *cpu, const Page *page, unsigned into, uint8_t *to, unsigned len)
{
    if (page->host) {
        copy(to, page->host + into, len);
        return;
    }
    while (len) {
        unsigned step = device_step(page->gpa + into, len);

        rh_host_store(to, step, rh_tcg_phys_load(cpu, page->gpa + into, step));
        into += step;
        to += step;
        len -= step;
    }
}

static void write_page(RhTcgCpu *cpu, const Page *page, unsigned into, const uint8_t *from, unsigned len)
{
    if (page->host) {
        copy(page->host + into, from, len);
        return;
    }
    while (len) {
        unsigned step = device_step(page->gpa + into, len);

        rh_tcg_phys_store(cpu, page->gpa + into, step, rh_host_load(from, step));
        into += step;
        from += step;
        len -= step;
    }
}

static void read_span(RhTcgCpu *cpu, const Span *span, uint8_t *to)
{
    read_page(cpu, &span->page[0], (unsigned)(span->at & PAGE_MASK), to, span->len[0]);
    if (span->len[1]) {
        read_page(cpu, &span->page[1], 0, to + span->len[0], span->len[1]);
    }
    note_span(cpu, span, false);
}

static void write_span(RhTcgCpu *cpu, const Span *span, const uint8_t *from)
{
    write_page(cpu, &span->page[0], (unsigned)(span->at & PAGE_MASK), from, span->len[0]);
    if (span->len[1]) {
        write_page(cpu, &span->page[1], 0, from + span->len[0], span->len[1]);
    }
    note_span(cpu, span, true);
}

bool rh_tcg_load(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t *ret)
{
    const uint8_t *host = rh_tlb_hit(cpu, mode, at, size, false);
    uint64_t value = 0;
    Span span;

    if (host) {
        *ret = rh_host_load(host, size);
        return true;
    }
    if (!find_span(cpu, mode, at, size, RH_ACCESS_READ, &span)) {
        return false;
    }
    if (span.len[1]) {
        read_span(cpu, &span, (uint8_t *)&value);
    } else {
        value = span.page[0].host ? rh_host_load(span.page[0].host + (at & PAGE_MASK), size)
                                  : rh_tcg_phys_load(cpu, span.page[0].gpa + (at & PAGE_MASK), size);
        note_span(cpu, &span, false);
    }
    *ret = value;
    return true;
}

bool rh_tcg_store(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t value)
{
    uint8_t *host = rh_tlb_hit(cpu, mode, at, size, true);
    Span span;

    if (host) {
        rh_host_store(host, size, value);
        return true;
    }
    if (!find_span(cpu, mode, at, size, RH_ACCESS_WRITE, &span)) {
        return false;
    }
    if (span.len[1]) {
        write_span(cpu, &span, (const uint8_t *)&value);
        return true;
    }
    if (span.page[0].host) {
        rh_host_store(span.page[0].host + (at & PAGE_MASK), size, value);
    } else {
        rh_tcg_phys_store(cpu, span.page[0].gpa + (at & PAGE_MASK), size, value);
    }
    note_span(cpu, &span, true);
    return true;
}

bool rh_tcg_load_bytes(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, void *ret, unsigned len)
{
    Span span;

    if (!find_span(cpu, mode, at, len, RH_ACCESS_READ, &span)) {
        return false;
    }
    read_span(cpu, &span, ret);
    return true;
}

bool rh_tcg_store_bytes(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, const void *bytes, unsigned len)
{
    Span span;

    if (!find_span(cpu, mode, at, len, RH_ACCESS_WRITE, &span)) {
        return false;
    }
    write_span(cpu, &span, bytes);
    return true;
}

bool rh_tcg_probe(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, RhAccess access)
{
    Span span;

    return find_span(cpu, mode, at, len, access, &span);
}

bool rh_tcg_host(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, RhAccess access, void **ret)
{
    Span span;

    if (!find_span(cpu, mode, at, len, access, &span)) {
        return false;
    }
    *ret = span.page[0].host && !span.len[1] && !span.page[0].is_watched
               ? span.page[0].host + (at & PAGE_MASK)
               : NULL;
    return true;
}

/* --- code --- */

static bool find_code(RhTcgCpu *cpu, uint64_t at, Page *ret)
{
    bool is_user = cpu->tlb_mode == RH_TLB_USER;
    const RhFetchEntry *entry = &cpu->fetch[is_user][fetch_index(at)];

    if (at + entry->minus < RH_PAGE_SIZE) {
        *ret = (Page){ entry->gpa, entry->host, false };
        return true;
    }
    return look_up(cpu, is_user ? RH_TLB_USER : RH_TLB_KERNEL, at, RH_ACCESS_FETCH, ret);
}

bool rh_tcg_fetch(RhTcgCpu *cpu, uint64_t at, uint8_t *ret, unsigned max, unsigned *ret_nr)
{
    unsigned into = (unsigned)(at & PAGE_MASK);
    Page page;

    if (!find_code(cpu, at, &page)) {
        return false;
    }
    *ret_nr = MIN(max, RH_PAGE_SIZE - into);
    read_page(cpu, &page, into, ret, *ret_nr);
    return true;
}

bool rh_tcg_fetch_page(RhTcgCpu *cpu, uint64_t at, uint64_t *ret_gpa, uint8_t **ret_host)
{
    Page page;

    if (!find_code(cpu, at, &page)) {
        return false;
    }
    *ret_gpa = page.gpa;
    *ret_host = page.host;
    return true;
}

bool rh_tcg_is_global_code(const RhTcgCpu *cpu, uint64_t at)
{
    const RhFetchEntry *entry = &cpu->fetch[cpu->tlb_mode == RH_TLB_USER][fetch_index(at)];

    return at + entry->minus < RH_PAGE_SIZE && entry->is_global;
}

uint64_t rh_tcg_translate_debug(RhTcgCpu *cpu, uint64_t at)
{
    RhWalk walk;

    return rh_walk_debug(cpu, at, &walk) ? walk.gpa + (at & PAGE_MASK) : UINT64_MAX;
}
