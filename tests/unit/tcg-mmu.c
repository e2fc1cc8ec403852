/*
 * The engine's memory: page tables of all kinds, rights, page faults, the TLB.
 */
#include "tcg-rig.h"

#include "target/i386/tcg/mmu-inline.h"

#define P   0x001u
#define W   0x002u
#define U   0x004u
#define A   0x020u
#define D   0x040u
#define G   0x100u
#define NX  (UINT64_C(1) << 63)
#define BIT(n) (UINT64_C(1) << (n))
#define AT  UINT64_C(0x40000000)        /* where tests map their pages */
#define K4  UINT64_C(0x1000)
#define M2  UINT64_C(0x200000)
#define M4  UINT64_C(0x400000)
#define G1  UINT64_C(0x40000000)

enum { KERNEL = RH_TLB_KERNEL, USER = RH_TLB_USER, KERNEL_AC = RH_TLB_KERNEL_AC };
enum { READ = RH_ACCESS_READ, WRITE = RH_ACCESS_WRITE, FETCH = RH_ACCESS_FETCH };
enum { FINE = -1 };
enum { NO_WP = 1, NO_NX = 2, SMEP = 4, SMAP = 8, NX_ON = 16 };  /* registers of a case */

typedef struct Case {
    const char *name;
    RigMode mode;
    unsigned set_up;
    uint64_t size;
    uint64_t entry;             /* without an address */
    int view;
    int access;
    int expect;                 /* FINE, or the error code */
} Case;

static const Case cases[] = {
    /* presence */
    { "nothing, read", RIG_LONG, 0, K4, 0, KERNEL, READ, 0 },
    { "nothing, write", RIG_LONG, 0, K4, W | U, KERNEL, WRITE, 2 },
    { "nothing, user read", RIG_LONG, 0, K4, 0, USER, READ, 4 },
    { "nothing, user write", RIG_LONG, 0, K4, 0, USER, WRITE, 6 },
    { "nothing, fetch with NX", RIG_LONG, 0, K4, 0, KERNEL, FETCH, 0x10 },
    { "nothing, fetch without NX", RIG_LONG, NO_NX, K4, 0, KERNEL, FETCH, 0 },
    { "nothing, fetch with SMEP alone", RIG_LONG, NO_NX | SMEP, K4, 0, KERNEL, FETCH, 0x10 },
    { "nothing, fetch under 32-bit paging", RIG_PAGED, 0, K4, 0, USER, FETCH, 4 },
    { "nothing, fetch under 32-bit paging, SMEP", RIG_PAGED, SMEP, K4, 0, USER, FETCH, 0x14 },
    { "nothing, fetch under PAE with NX", RIG_PAE, NX_ON, K4, 0, USER, FETCH, 0x14 },
    { "absent entries have no reserved bits", RIG_LONG, 0, K4, BIT(50), KERNEL, READ, 0 },
    /* user and supervisor */
    { "user page for the user", RIG_LONG, 0, K4, P | U, USER, READ, FINE },
    { "supervisor page for the user", RIG_LONG, 0, K4, P | W, USER, READ, 5 },
    { "supervisor page for the user, write", RIG_LONG, 0, K4, P | W, USER, WRITE, 7 },
    { "supervisor page for the user, fetch", RIG_LONG, 0, K4, P, USER, FETCH, 0x15 },
    { "supervisor page for the user, 32-bit", RIG_PAGED, 0, K4, P | W, USER, READ, 5 },
    { "supervisor page for the user, 4 MiB", RIG_PAGED, 0, M4, P | W, USER, READ, 5 },
    { "supervisor page for the user, 2 MiB", RIG_PAE, 0, M2, P | W, USER, READ, 5 },
    { "supervisor page for the user, 1 GiB", RIG_LONG, 0, G1, P | W, USER, READ, 5 },
    { "user page for the supervisor", RIG_LONG, 0, K4, P | U | W, KERNEL, WRITE, FINE },
    /* writing */
    { "read-only for the user", RIG_LONG, 0, K4, P | U, USER, WRITE, 7 },
    { "read-only for the user, WP off", RIG_LONG, NO_WP, K4, P | U, USER, WRITE, 7 },
    { "read-only for the supervisor", RIG_LONG, 0, K4, P, KERNEL, WRITE, 3 },
    { "read-only for the supervisor, WP off", RIG_LONG, NO_WP, K4, P, KERNEL, WRITE, FINE },
    { "read-only for the supervisor, 2 MiB", RIG_LONG, 0, M2, P, KERNEL, WRITE, 3 },
    { "read-only user page for the supervisor", RIG_PAGED, 0, K4, P | U, KERNEL, WRITE, 3 },
    /* execution */
    { "no execution", RIG_LONG, 0, K4, P | NX, KERNEL, FETCH, 0x11 },
    { "no execution, but reading", RIG_LONG, 0, K4, P | NX, KERNEL, READ, FINE },
    { "no execution for the user", RIG_LONG, 0, K4, P | U | NX, USER, FETCH, 0x15 },
    { "no execution, 1 GiB", RIG_LONG, 0, G1, P | NX, KERNEL, FETCH, 0x11 },
    { "execution", RIG_LONG, 0, K4, P, KERNEL, FETCH, FINE },
    { "no execution, PAE", RIG_PAE, NX_ON, K4, P | NX, KERNEL, FETCH, 0x11 },
    /* SMEP and SMAP */
    { "SMEP, user page", RIG_LONG, SMEP, K4, P | U, KERNEL, FETCH, 0x11 },
    { "SMEP, user page, AC", RIG_LONG, SMEP, K4, P | U, KERNEL_AC, FETCH, 0x11 },
    { "SMEP, user page for the user", RIG_LONG, SMEP, K4, P | U, USER, FETCH, FINE },
    { "SMEP, supervisor page", RIG_LONG, SMEP, K4, P, KERNEL, FETCH, FINE },
    { "SMEP, 32-bit", RIG_PAGED, SMEP, K4, P | U, KERNEL, FETCH, 0x11 },
    { "user page without SMEP", RIG_LONG, 0, K4, P | U, KERNEL, FETCH, FINE },
    { "SMAP, read", RIG_LONG, SMAP, K4, P | U | W, KERNEL, READ, 1 },
    { "SMAP, write", RIG_LONG, SMAP, K4, P | U | W, KERNEL, WRITE, 3 },
    { "SMAP, write, WP off", RIG_LONG, SMAP | NO_WP, K4, P | U | W, KERNEL, WRITE, 3 },
    { "SMAP, AC", RIG_LONG, SMAP, K4, P | U | W, KERNEL_AC, WRITE, FINE },
    { "SMAP, AC, read-only", RIG_LONG, SMAP, K4, P | U, KERNEL_AC, WRITE, 3 },
    { "SMAP, supervisor page", RIG_LONG, SMAP, K4, P | W, KERNEL, WRITE, FINE },
    { "SMAP, user", RIG_LONG, SMAP, K4, P | U | W, USER, WRITE, FINE },
    { "SMAP does not look at fetches", RIG_LONG, SMAP, K4, P | U, KERNEL, FETCH, FINE },
    { "SMAP, 32-bit", RIG_PAGED, SMAP, M4, P | U, KERNEL, READ, 1 },
    /* reserved bits; the rig's CPU has 40 bits of physical address */
    { "beyond the physical address, 4 KiB", RIG_LONG, 0, K4, P | BIT(40), KERNEL, READ, 9 },
    { "beyond the physical address, bit 51", RIG_LONG, 0, K4, P | BIT(51), USER, WRITE, 0xf },
    { "ignored bits", RIG_LONG, 0, K4, P | BIT(52) | BIT(62) | BIT(9), KERNEL, READ, FINE },
    { "NX where it is off", RIG_LONG, NO_NX, K4, P | NX, KERNEL, READ, 9 },
    { "2 MiB, bit 13", RIG_LONG, 0, M2, P | BIT(13), KERNEL, READ, 9 },
    { "2 MiB, bit 20", RIG_LONG, 0, M2, P | BIT(20), KERNEL, READ, 9 },
    { "2 MiB, PAT", RIG_LONG, 0, M2, P | BIT(12), KERNEL, READ, FINE },
    { "1 GiB, bit 29", RIG_LONG, 0, G1, P | BIT(29), KERNEL, READ, 9 },
    { "1 GiB, PAT", RIG_LONG, 0, G1, P | BIT(12), KERNEL, READ, FINE },
    { "PAE, bit 52", RIG_PAE, 0, K4, P | BIT(52), KERNEL, READ, 9 },
    { "PAE, bit 62", RIG_PAE, 0, M2, P | BIT(62), KERNEL, READ, 9 },
    { "PAE, bit 40", RIG_PAE, 0, K4, P | BIT(40), KERNEL, READ, 9 },
    { "PAE, NX where it is off", RIG_PAE, 0, K4, P | NX, KERNEL, READ, 9 },
    { "4 MiB, bit 21", RIG_PAGED, 0, M4, P | BIT(21), KERNEL, READ, 9 },
    { "4 MiB, bits 13 to 20 are address", RIG_PAGED, 0, M4, P | BIT(13), KERNEL, READ, FINE },
    { "reserved before rights", RIG_LONG, 0, K4, P | BIT(45), USER, WRITE, 0xf },
};

static void set_up(Rig *rig, const Case *c)
{
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, c->mode, c->view == USER ? 3 : 0);
    cpu->cr0 &= ~(uint64_t)(c->set_up & NO_WP ? RH_CR0_WP : 0);
    cpu->cr4 |= (c->set_up & SMEP ? RH_CR4_SMEP : 0) | (c->set_up & SMAP ? RH_CR4_SMAP : 0);
    cpu->efer &= ~(uint64_t)(c->set_up & NO_NX ? RH_EFER_NXE : 0);
    cpu->efer |= c->set_up & NX_ON ? RH_EFER_NXE : 0;
    rh_tcg_settle(cpu);
}

/* Physical address 0 for 1 GiB pages, which are larger than the RAM. */
static uint64_t page_for(uint64_t size)
{
    return size == K4 ? RIG_PAGES + K4 : size == G1 ? 0 : M4;
}

static void test_faults(void)
{
    Rig *rig = rig_new();

    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        const Case *c = &cases[i];
        uint64_t at = AT + 0x123;

        g_test_message("%s", c->name);
        set_up(rig, c);
        rig_map(rig, AT, page_for(c->size) | c->entry, c->size);
        if (rh_tcg_probe(rig->cpu, (RhTlbMode)c->view, at, 4, (RhAccess)c->access)) {
            g_assert_cmpint(c->expect, ==, FINE);
            continue;
        }
        g_assert_cmpint(c->expect, ==, rig->cpu->fault.error);
        g_assert_cmpuint(rig->cpu->fault.vector, ==, RH_EXC_PF);
        g_assert_true(rig->cpu->fault.has_error);
        g_assert_cmphex(rig->cpu->fault.cr2, ==, at);
        /* Entries that did not translate are not accessed. */
        g_assert_cmphex(rig_peek(rig, rig_entry_at(rig, AT, c->size), 4) & (A | D), ==, 0);
    }
    rig_free(rig);
}

/* What one level forbids no other level allows. */
static void test_upper_levels(void)
{
    static const struct {
        uint64_t clear, set;
        int view, access, expect;
    } rows[] = {
        { 0, 0, USER, WRITE, FINE },   { P, 0, USER, READ, 4 },        { W, 0, USER, WRITE, 7 }, { W, 0, KERNEL, WRITE, 3 },
        { U, 0, USER, READ, 5 },       { 0, NX, KERNEL, FETCH, 0x11 }, { 0, BIT(45), KERNEL, READ, 9 },
    };
    static const uint64_t levels[] = { M2, G1, UINT64_C(512) << 30 };
    Rig *rig = rig_new();

    for (size_t i = 0; i < RH_COUNT(rows) * RH_COUNT(levels); i++) {
        uint64_t at = AT + UINT64_C(0x8000000000);
        uint64_t entry;

        rig_enter(rig, RIG_LONG, 0);
        rig_map(rig, at, RIG_PAGES | P | W | U, K4);
        entry = rig_entry_at(rig, at, levels[i / RH_COUNT(rows)]);
        const typeof(rows[0]) *row = &rows[i % RH_COUNT(rows)];
        rig_poke(rig, entry, 8, (rig_peek(rig, entry, 8) & ~row->clear) | row->set);
        if (!rh_tcg_probe(rig->cpu, (RhTlbMode)row->view, at, 1, (RhAccess)row->access)) {
            g_assert_cmpint(row->expect, ==, rig->cpu->fault.error);
        } else {
            g_assert_cmpint(row->expect, ==, FINE);
        }
    }
    rig_enter(rig, RIG_LONG, 0);        /* PS in the highest level is reserved */
    rig_map(rig, AT, RIG_PAGES | P, K4);
    rig_poke(rig, rig->cpu->cr3, 8, rig_peek(rig, rig->cpu->cr3, 8) | 0x80);
    g_assert_false(rh_tcg_probe(rig->cpu, RH_TLB_KERNEL, AT, 1, RH_ACCESS_READ));
    g_assert_cmphex(rig->cpu->fault.error, ==, 9);
    rig_free(rig);
}

static void test_no_1g_pages(void)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_LONG, 0);
    rig->cpu->has_1g_pages = false;
    rig_map(rig, AT, P | W, G1);
    g_assert_false(rh_tcg_probe(rig->cpu, RH_TLB_KERNEL, AT, 1, RH_ACCESS_READ));
    g_assert_cmphex(rig->cpu->fault.error, ==, 9);
    rig_free(rig);
}

static void test_addresses(void)
{
    static const struct {
        RigMode mode;
        uint64_t size, entry, at, expect;
    } rows[] = {
        { RIG_LONG, K4, RIG_PAGES | P, AT + 0xabc, RIG_PAGES + 0xabc },
        { RIG_LONG, M2, M4 | P, AT + 0x12345, M4 + 0x12345 },
        { RIG_LONG, G1, P, AT + 0x123456, 0x123456 },
        { RIG_LONG, K4, RIG_PAGES | P, UINT64_C(0xffffffff80000000), RIG_PAGES },
        { RIG_PAE, M2, M4 | P, 0xffe12345, M4 + 0x12345 },
        { RIG_PAE, K4, (UINT64_C(0x12) << 32) | 0x3000 | P, 0xfffff000, (UINT64_C(0x12) << 32) | 0x3000 },
        { RIG_PAGED, K4, RIG_PAGES | P, 0xfffff123, RIG_PAGES + 0x123 },
        { RIG_PAGED, M4, M4 | P, 0xffc12345, M4 + 0x12345 },
        { RIG_PAGED, M4, M4 | P | BIT(13) | BIT(20), 0xffc00000, M4 + (UINT64_C(0x81) << 32) },
    };
    Rig *rig = rig_new();

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        rig_enter(rig, rows[i].mode, 0);
        rig_map(rig, rows[i].at & ~(rows[i].size - 1), rows[i].entry, rows[i].size);
        g_assert_cmphex(rh_tcg_translate_debug(rig->cpu, rows[i].at), ==, rows[i].expect);
        g_assert_cmphex(rig_peek(rig, rig_entry_at(rig, rows[i].at, rows[i].size), 4) & (A | D), ==, 0);
        g_assert_cmphex(rh_tcg_translate_debug(rig->cpu, 0x3f000000), ==, UINT64_MAX);
    }
    rig_enter(rig, RIG_PROTECTED, 0);
    g_assert_cmphex(rh_tcg_translate_debug(rig->cpu, UINT64_C(0x1fee00123)), ==, 0xfee00123);
    rig_free(rig);
}

/* Without CR4.PSE the bit means nothing: the entry names a table. */
static void test_pse_off(void)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_PAGED, 0);
    rig_map(rig, AT, RIG_PAGES | P | W, K4);
    rig_poke(rig, rig_entry_at(rig, AT, M4), 4, rig_peek(rig, rig_entry_at(rig, AT, M4), 4) | 0x80);
    rig->cpu->cr4 &= ~(uint64_t)RH_CR4_PSE;
    g_assert_cmphex(rh_tcg_translate_debug(rig->cpu, AT), ==, RIG_PAGES);
    rig_free(rig);
}

static void test_not_canonical(void)
{
    Rig *rig = rig_new();
    uint64_t value;

    rig_enter(rig, RIG_LONG, 0);
    g_assert_false(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, BIT(47), 8, &value));
    g_assert_cmpuint(rig->cpu->fault.vector, ==, RH_EXC_GP);
    g_assert_cmphex(rig->cpu->fault.error, ==, 0);
    /* The last byte below the hole, and one above it */
    rig_map(rig, BIT(47) - K4, RIG_PAGES | P, K4);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, BIT(47) - 8, 8, &value));
    g_assert_false(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, BIT(47) - 4, 8, &value));
    g_assert_cmpuint(rig->cpu->fault.vector, ==, RH_EXC_GP);
    rig_free(rig);
}

static void test_accessed_and_dirty(void)
{
    static const RigMode modes[] = { RIG_PAGED, RIG_PAE, RIG_LONG };
    Rig *rig = rig_new();
    uint64_t value;

    for (unsigned i = 0; i < RH_COUNT(modes); i++) {
        uint64_t entry;

        rig_enter(rig, modes[i], 0);
        rig_map(rig, AT, RIG_PAGES | P | W, K4);
        entry = rig_entry_at(rig, AT, K4);
        g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, AT, 8, &value));
        g_assert_cmphex(rig_peek(rig, entry, 4) & (A | D), ==, A);
        g_assert_cmphex(rig_peek(rig, rig_entry_at(rig, AT, modes[i] == RIG_PAGED ? M4 : M2), 4) & (A | D), ==, A);
        g_assert_null(rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, AT, 8, true));
        g_assert_nonnull(rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, AT, 8, false));
        g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT, 8, 1));
        g_assert_cmphex(rig_peek(rig, entry, 4) & (A | D), ==, A | D);
        g_assert_nonnull(rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, AT, 8, true));
        /* What the guest clears is set again only after it says so. */
        rig_poke(rig, entry, 4, rig_peek(rig, entry, 4) & ~(A | D));
        g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT, 8, 2));
        g_assert_cmphex(rig_peek(rig, entry, 4) & (A | D), ==, 0);
        rh_tlb_flush_page(rig->cpu, AT + 8);
        g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT, 8, 2));
        g_assert_cmphex(rig_peek(rig, entry, 4) & (A | D), ==, A | D);
    }
    rig_free(rig);
}

static bool is_cached(Rig *rig, uint64_t at)
{
    return rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, at, 1, false);
}

static void touch(Rig *rig, uint64_t at)
{
    uint64_t value;

    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, at, 1, &value));
}

static void test_flush(void)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_LONG, 0);
    rig->cpu->cr4 |= RH_CR4_PGE;
    rig_map(rig, AT, RIG_PAGES | P | G, K4);
    rig_map(rig, AT + K4, RIG_PAGES | P, K4);
    touch(rig, AT);
    touch(rig, AT + K4);
    rh_tlb_flush(rig->cpu, true);
    g_assert_true(is_cached(rig, AT));
    g_assert_false(is_cached(rig, AT + K4));
    rh_tlb_flush_page(rig->cpu, AT);
    g_assert_false(is_cached(rig, AT));
    touch(rig, AT);
    rh_tlb_flush(rig->cpu, false);
    g_assert_false(is_cached(rig, AT));
    rig->cpu->cr4 &= ~(uint64_t)RH_CR4_PGE;
    touch(rig, AT);
    rh_tlb_flush(rig->cpu, true);
    g_assert_false(is_cached(rig, AT));
    rig_free(rig);
}

static void test_flush_large(void)
{
    static const uint64_t sizes[] = { M2, G1 };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(sizes); i++) {
        uint64_t other = AT + 2 * G1;

        rig_enter(rig, RIG_LONG, 0);
        rig_map(rig, AT, P | W, sizes[i]);
        rig_map(rig, other, RIG_PAGES | P | W, K4);
        touch(rig, AT);
        touch(rig, AT + 0x7000);
        touch(rig, AT + sizes[i] - M2 + 0x12000);
        touch(rig, other);
        rh_tlb_flush_page(rig->cpu, AT + 0x3000);
        g_assert_false(is_cached(rig, AT));
        g_assert_false(is_cached(rig, AT + 0x7000));
        g_assert_false(is_cached(rig, AT + sizes[i] - M2 + 0x12000));
        g_assert_true(is_cached(rig, other));
    }
    rig_free(rig);
}

/* Local ones are forgotten with the address space, global ones are not. */
static void test_flush_large_global(void)
{
    Rig *rig = rig_new();
    uint64_t upper = UINT64_C(0xffffffff80000000);

    rig_enter(rig, RIG_LONG, 0);
    rig->cpu->cr4 |= RH_CR4_PGE;
    rig_map(rig, AT, M2 | P | W, M2);
    rig_map(rig, upper, M4 | P | W | G, M2);
    touch(rig, AT + K4);
    touch(rig, upper + K4);
    rh_tlb_flush(rig->cpu, true);
    g_assert_true(is_cached(rig, upper + K4));
    rh_tlb_flush_page(rig->cpu, upper + 2 * K4);
    g_assert_false(is_cached(rig, upper + K4));
    touch(rig, AT + K4);
    rh_tlb_flush_page(rig->cpu, AT);
    g_assert_false(is_cached(rig, AT + K4));
    rig_free(rig);
}

/* 1024 pages apart share an entry; the one that is not there may not be hit by any address. */
static void test_no_false_hits(void)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_LONG, 0);
    touch(rig, RIG_PAGES);
    for (unsigned mode = 0; mode < RH_NR_TLB_MODES; mode++) {
        for (unsigned i = 0; i < RH_TLB_ENTRIES; i++) {
            for (unsigned n = 0; n < 64; n++) {
                uint64_t at = (uint64_t)i << 12 | (uint64_t)g_test_rand_int() << 32 | ((uint64_t)n << 22) |
                              (g_test_rand_int() & 0xfff);

                if (at >> 12 != RIG_PAGES >> 12 || mode) {
                    g_assert_null(rh_tlb_hit(rig->cpu, (RhTlbMode)mode, at, 1, n & 1));
                }
            }
        }
    }
    g_assert_true(is_cached(rig, RIG_PAGES));
    g_assert_false(is_cached(rig, RIG_PAGES + 1024 * K4));
    rig_free(rig);
}

static void test_views(void)
{
    Rig *rig = rig_new();
    uint64_t value;

    rig_enter(rig, RIG_LONG, 0);
    rig->cpu->cr4 |= RH_CR4_SMAP;
    rig_map(rig, AT, RIG_PAGES | P | U, K4);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_USER, AT, 1, &value));
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL_AC, AT, 1, &value));
    g_assert_false(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, AT, 1, &value));
    g_assert_cmphex(rig->cpu->fault.error, ==, 1);
    rig_free(rig);
}

/* --- accesses --- */

static void test_sizes_and_crossing(void)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_LONG, 0);
    rig_map(rig, AT, (RIG_PAGES + 5 * K4) | P | W, K4);
    rig_map(rig, AT + K4, (RIG_PAGES + 2 * K4) | P | W, K4);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (uint64_t at = AT + K4 - 8; at <= AT + K4; at++) {
            uint64_t stored = UINT64_C(0x8877665544332211) & rh_bits(size * 8);
            uint64_t loaded;

            g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT + K4 - 8, 8, 0));
            g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT + K4, 8, 0));
            g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, at, size, stored));
            g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, at, size, &loaded));
            g_assert_cmphex(loaded, ==, stored);
            for (unsigned i = 0; i < size; i++) {
                uint64_t page = at + i < AT + K4 ? RIG_PAGES + 5 * K4 : RIG_PAGES + 2 * K4;

                g_assert_cmphex(rig_peek(rig, page + ((at + i) & 0xfff), 1), ==, stored >> (i * 8) & 0xff);
            }
        }
    }
    rig_free(rig);
}

static void test_crossing_fault(void)
{
    Rig *rig = rig_new();
    void *host;

    rig_enter(rig, RIG_LONG, 0);
    rig_map(rig, AT, RIG_PAGES | P | W, K4);
    g_assert_false(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT + K4 - 3, 8, UINT64_MAX));
    g_assert_cmphex(rig->cpu->fault.cr2, ==, AT + K4);
    g_assert_cmphex(rig->cpu->fault.error, ==, 2);
    g_assert_cmphex(rig_peek(rig, RIG_PAGES + K4 - 3, 2), ==, 0);
    g_assert_false(rh_tcg_host(rig->cpu, RH_TLB_KERNEL, AT + K4 - 3, 8, RH_ACCESS_WRITE, &host));
    rig_map(rig, AT + K4, (RIG_PAGES + K4) | P | W, K4);
    g_assert_true(rh_tcg_host(rig->cpu, RH_TLB_KERNEL, AT + K4 - 3, 8, RH_ACCESS_WRITE, &host));
    g_assert_null(host);
    g_assert_true(rh_tcg_host(rig->cpu, RH_TLB_KERNEL, AT + K4 - 8, 8, RH_ACCESS_WRITE, &host));
    g_assert_true((uint8_t *)host == rig->ram->host + RIG_PAGES + K4 - 8);
    rig_free(rig);
}

static void test_bytes(void)
{
    Rig *rig = rig_new();
    uint8_t out[4096];
    uint8_t in[4096];

    rig_enter(rig, RIG_LONG, 0);
    rig_map(rig, AT, (RIG_PAGES + 5 * K4) | P | W, K4);
    rig_map(rig, AT + K4, RIG_PAGES | P | W, K4);
    for (unsigned i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 7 + i / 256);
    }
    g_assert_true(rh_tcg_store_bytes(rig->cpu, RH_TLB_KERNEL, AT + 1000, out, sizeof(out)));
    g_assert_true(rh_tcg_load_bytes(rig->cpu, RH_TLB_KERNEL, AT + 1000, in, sizeof(in)));
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    g_assert_cmpmem(rig->ram->host + RIG_PAGES, 1000, out + 3096, 1000);
    rig_free(rig);
}

static void test_rom(void)
{
    Rig *rig = rig_new();
    bool is_fast = true;
    uint64_t value;
    void *host;

    rig->rom->host[0x10] = 0x5a;
    rig_enter(rig, RIG_PROTECTED, 0);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, RIG_ROM + 0x10, 1, &value));
    g_assert_cmphex(value, ==, 0x5a);
    g_assert_true(is_cached(rig, RIG_ROM));
    g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, RIG_ROM + 0x10, 1, 0));
    g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, RIG_ROM + 0xffe, 4, 0));
    g_assert_cmphex(rig->rom->host[0x10], ==, 0x5a);
    g_assert_true(rh_tcg_host(rig->cpu, RH_TLB_KERNEL, RIG_ROM, 8, RH_ACCESS_WRITE, &host));
    g_assert_null(host);
    g_assert_true(rh_tlb_fill(rig->cpu, RH_TLB_KERNEL, RIG_ROM, RH_ACCESS_WRITE, &is_fast));
    g_assert_false(is_fast);
    rig_free(rig);
}

static void test_device(void)
{
    Rig *rig = rig_new();
    bool is_fast = true;
    uint64_t value;

    rig->answer = 0x1122334455667788;
    rig_enter(rig, RIG_PROTECTED, 0);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, RIG_MMIO + 8, 4, &value));
    g_assert_cmphex(value, ==, 0x55667788);
    g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, RIG_MMIO + 16, 8, 7));
    g_assert_cmpuint(rig->nr_log, ==, 2);
    g_assert_true(!rig->log[0].is_write && rig->log[0].at == 8 && rig->log[0].size == 4);
    g_assert_true(rig->log[1].is_write && rig->log[1].at == 16 && rig->log[1].size == 8 && rig->log[1].value == 7);
    g_assert_false(is_cached(rig, RIG_MMIO));
    g_assert_true(rh_tlb_fill(rig->cpu, RH_TLB_KERNEL, RIG_MMIO, RH_ACCESS_READ, &is_fast));
    g_assert_false(is_fast);
    /* Nothing there at all: reads as ones */
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, 0x7000000, 4, &value));
    g_assert_cmphex(value, ==, UINT32_MAX);
    rig_free(rig);
}

/* Vector registers that the guest has in the host's survive a device access. */
static void test_live_vectors(void)
{
    static const uint64_t pattern[2] = { UINT64_C(0x0123456789abcdef), UINT64_C(0xfedcba9876543210) };
    Rig *rig = rig_new();
    uint32_t mxcsr = 0x1f80 & ~0x80u;       /* the guest wants #XM for what is invalid */
    uint64_t back[2] = { 0 };
    uint64_t value;
    uint32_t after;

    rig_enter(rig, RIG_PROTECTED, 0);
    rig->cpu->is_vector_live = true;
    __asm__ volatile("movups %0, %%xmm9\n\tldmxcsr %1" : : "m"(pattern), "m"(mxcsr));
    rh_tcg_load(rig->cpu, RH_TLB_KERNEL, RIG_MMIO, 4, &value);
    __asm__ volatile("movups %%xmm9, %0\n\tstmxcsr %1" : "=m"(back), "=m"(after));
    g_assert_cmphex(back[0], ==, pattern[0]);
    g_assert_cmphex(back[1], ==, pattern[1]);
    g_assert_cmphex(after, ==, mxcsr);
    g_assert_true(rig->cpu->is_vector_live);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    rig->cpu->is_vector_live = false;
    rig_free(rig);
}

static void test_fetch(void)
{
    Rig *rig = rig_new();
    uint8_t bytes[15];
    uint8_t *host;
    uint64_t gpa;
    unsigned nr;

    rig_enter(rig, RIG_LONG, 3);
    rig_map(rig, AT, RIG_PAGES | P | U, K4);
    rig_poke(rig, RIG_PAGES + 0xffa, 4, 0x04030201);
    g_assert_true(rh_tcg_fetch(rig->cpu, AT + 0xffa, bytes, 15, &nr));
    g_assert_cmpuint(nr, ==, 6);
    g_assert_cmphex(bytes[3], ==, 4);
    g_assert_true(rh_tcg_fetch(rig->cpu, AT + 0x10, bytes, 15, &nr));
    g_assert_cmpuint(nr, ==, 15);
    g_assert_true(rh_tcg_fetch_page(rig->cpu, AT + 0x10, &gpa, &host));
    g_assert_cmphex(gpa, ==, RIG_PAGES);
    g_assert_true(host == rig->ram->host + RIG_PAGES);
    /* Remembered, until told otherwise */
    rig_poke(rig, rig_entry_at(rig, AT, K4), 8, 0);
    g_assert_true(rh_tcg_fetch(rig->cpu, AT, bytes, 1, &nr));
    rh_tlb_flush_page(rig->cpu, AT);
    g_assert_false(rh_tcg_fetch(rig->cpu, AT + 5, bytes, 1, &nr));
    g_assert_cmphex(rig->cpu->fault.error, ==, 0x14);
    g_assert_cmphex(rig->cpu->fault.cr2, ==, AT + 5);
    /* From a device, too */
    rig_map(rig, AT, RIG_MMIO | P | U, K4);
    rig->answer = 0xf4f4f4f4f4f4f4f4;
    g_assert_true(rh_tcg_fetch(rig->cpu, AT + 3, bytes, 4, &nr));
    g_assert_cmphex(bytes[0], ==, 0xf4);
    g_assert_true(rh_tcg_fetch_page(rig->cpu, AT, &gpa, &host));
    g_assert_null(host);
    rig_free(rig);
}

static void test_protect(void)
{
    Rig *rig = rig_new();

    rig_enter(rig, RIG_LONG, 0);
    rig_map(rig, AT, RIG_PAGES | P | W, K4);
    g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, AT, 4, 1));
    g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, RIG_PAGES, 4, 1));
    rh_tlb_protect(rig->cpu, RIG_PAGES);
    g_assert_null(rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, AT, 4, true));
    g_assert_null(rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, RIG_PAGES, 4, true));
    g_assert_nonnull(rh_tlb_hit(rig->cpu, RH_TLB_KERNEL, AT, 4, false));
    rig_free(rig);
}

static void test_map_changes(void)
{
    Rig *rig = rig_new();
    uint64_t value;

    rig_enter(rig, RIG_PROTECTED, 0);
    rig_poke(rig, RIG_PAGES, 4, 1234);
    touch(rig, RIG_PAGES);
    rh_lock(&rig->vm->lock);
    rh_region_remove(&rig->ram_region);
    rh_unlock(&rig->vm->lock);
    rh_tlb_flush(rig->cpu, false);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, RIG_PAGES, 4, &value));
    g_assert_cmphex(value, ==, UINT32_MAX);
    rh_lock(&rig->vm->lock);
    rh_region_add(rh_space_root(rig->vm->memory), 0, &rig->ram_region);
    rh_unlock(&rig->vm->lock);
    rh_tlb_flush(rig->cpu, false);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, RIG_PAGES, 4, &value));
    g_assert_cmphex(value, ==, 1234);
    rig_free(rig);
}

/* Page tables in ROM, in a device, and nowhere */
static void test_strange_tables(void)
{
    Rig *rig = rig_new();
    uint64_t value;

    rig_enter(rig, RIG_PAGED, 0);
    rh_st32(rig->rom->host + 0x400, RIG_PAGES | P | W);
    rig_poke(rig, rig_entry_at(rig, AT + M4, M4), 4, RIG_ROM | P | W);
    rig_poke(rig, RIG_PAGES, 4, 77);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, AT + M4 + 0x100000, 4, &value));
    g_assert_cmpuint(value, ==, 77);
    g_assert_cmphex(rh_ld32(rig->rom->host + 0x400), ==, RIG_PAGES | P | W);
    rig->answer = RIG_PAGES | P | W;
    rig_poke(rig, rig_entry_at(rig, AT + M4, M4), 4, RIG_MMIO | P | W);
    rh_tlb_flush(rig->cpu, false);
    g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, AT + M4, 4, &value));
    g_assert_cmpuint(value, ==, 77);
    g_assert_true(rig->log[rig->nr_log - 1].is_write && rig->log[rig->nr_log - 1].value == (RIG_PAGES | P | W | A));
    rig->cpu->cr3 = 0x8000000;          /* all ones: present, and nothing reserved in 32-bit entries but bit 21 of PS */
    rh_tlb_flush(rig->cpu, false);
    g_assert_false(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, AT, 4, &value));
    g_assert_cmphex(rig->cpu->fault.error, ==, 9);
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-mmu/faults", test_faults);
    g_test_add_func("/tcg-mmu/upper-levels", test_upper_levels);
    g_test_add_func("/tcg-mmu/no-1g-pages", test_no_1g_pages);
    g_test_add_func("/tcg-mmu/addresses", test_addresses);
    g_test_add_func("/tcg-mmu/pse-off", test_pse_off);
    g_test_add_func("/tcg-mmu/not-canonical", test_not_canonical);
    g_test_add_func("/tcg-mmu/accessed-and-dirty", test_accessed_and_dirty);
    g_test_add_func("/tcg-mmu/flush", test_flush);
    g_test_add_func("/tcg-mmu/flush-large", test_flush_large);
    g_test_add_func("/tcg-mmu/flush-large-global", test_flush_large_global);
    g_test_add_func("/tcg-mmu/no-false-hits", test_no_false_hits);
    g_test_add_func("/tcg-mmu/views", test_views);
    g_test_add_func("/tcg-mmu/sizes-and-crossing", test_sizes_and_crossing);
    g_test_add_func("/tcg-mmu/crossing-fault", test_crossing_fault);
    g_test_add_func("/tcg-mmu/bytes", test_bytes);
    g_test_add_func("/tcg-mmu/rom", test_rom);
    g_test_add_func("/tcg-mmu/device", test_device);
    g_test_add_func("/tcg-mmu/live-vectors", test_live_vectors);
    g_test_add_func("/tcg-mmu/fetch", test_fetch);
    g_test_add_func("/tcg-mmu/protect", test_protect);
    g_test_add_func("/tcg-mmu/map-changes", test_map_changes);
    g_test_add_func("/tcg-mmu/strange-tables", test_strange_tables);
    return g_test_run();
}
