/*
 * Page tables of each kind of paging, read from outside.
 */
#include "hw-harness.h"
#include "target/i386/translate.h"

enum { ROOT = 0x1000, SECOND = 0x2000, THIRD = 0x3000, FOURTH = 0x4000, FIFTH = 0x5000, FRAME = 0x9000 };

static void put(Harness *h, uint64_t at, uint64_t value, unsigned size)
{
    rh_st(h->ram->host + at, value, size);
}

static void expect(Harness *h, const RhX86State *state, uint64_t linear, uint64_t wanted)
{
    uint64_t gpa = 0;

    g_assert_true(rh_x86_translate(h->vm->memory, state, linear, &gpa));
    g_assert_cmphex(gpa, ==, wanted);
}

static void expect_none(Harness *h, const RhX86State *state, uint64_t linear)
{
    uint64_t gpa;

    g_assert_false(rh_x86_translate(h->vm->memory, state, linear, &gpa));
}

static void test_none(void)
{
    RhX86State state = { .cr0 = RH_CR0_PE, .cr3 = ROOT };
    Harness h;

    harness_begin(&h);
    expect(&h, &state, 0x12345, 0x12345);
    harness_end(&h);
}

static void test_32_bit(void)
{
    RhX86State state = { .cr0 = RH_CR0_PE | RH_CR0_PG, .cr3 = ROOT | 0x18 };
    Harness h;

    harness_begin(&h);
    put(&h, ROOT + 4 * 0x300, SECOND | 1, 4);
    put(&h, SECOND + 4 * 5, FRAME | 1, 4);
    put(&h, ROOT + 4 * 0x301, 0x40000000 | 0x2000 | 0x80 | 1, 4);     /* 4 MiB, bit 32 of the address set */
    expect(&h, &state, 0xc0005123, FRAME | 0x123);
    expect_none(&h, &state, 0xc0006123);
    expect_none(&h, &state, 0x5123);
    state.cr4 = 0x10;
    expect(&h, &state, 0xc0412345, UINT64_C(0x140012345));
    harness_end(&h);
}

static void test_pae(void)
{
    RhX86State state = { .cr0 = RH_CR0_PE | RH_CR0_PG, .cr4 = RH_CR4_PAE, .cr3 = ROOT + 0x20 };
    Harness h;

    harness_begin(&h);
    put(&h, ROOT + 0x20 + 8 * 3, SECOND | 1, 8);
    put(&h, SECOND, THIRD | 1, 8);
    put(&h, THIRD + 8 * 2, UINT64_C(0x8000000000000000) | FRAME | 1, 8);      /* no-execute is not a part of it */
    put(&h, SECOND + 8, UINT64_C(0x200000000) | 0x80 | 1, 8);
    expect(&h, &state, 0xc0002010, FRAME | 0x10);
    expect(&h, &state, 0xc0212345, UINT64_C(0x200012345));
    expect_none(&h, &state, 0x80002010);
    harness_end(&h);
}

static void test_long(void)
{
    RhX86State state = { .cr0 = RH_CR0_PE | RH_CR0_PG, .cr4 = RH_CR4_PAE, .efer = RH_EFER_LMA | RH_EFER_LME, .cr3 = ROOT };
    uint8_t bytes[8];
    Harness h;

    harness_begin(&h);
    put(&h, ROOT + 8 * 0x1ff, SECOND | 1, 8);
    put(&h, SECOND, THIRD | 1, 8);
    put(&h, SECOND + 8, UINT64_C(0x40000000) | 0x80 | 1, 8);          /* 1 GiB */
    put(&h, THIRD, FOURTH | 1, 8);
    put(&h, FOURTH, FRAME | 1, 8);
    put(&h, FOURTH + 8, 0x7000 | 1, 8);                               /* the next page is elsewhere */
    put(&h, FRAME + 0xffc, 0x44332211, 4);
    put(&h, 0x7000, 0x88776655, 4);
    expect(&h, &state, UINT64_C(0xffffff8000000abc), FRAME | 0xabc);
    expect(&h, &state, UINT64_C(0xffffff8041234567), 0x41234567);
    expect_none(&h, &state, UINT64_C(0xffffff8000002000));
    g_assert_true(rh_x86_read_linear(h.vm->memory, &state, UINT64_C(0xffffff8000000ffc), bytes, 8));
    g_assert_cmphex(rh_ld64(bytes), ==, UINT64_C(0x8877665544332211));
    g_assert_false(rh_x86_read_linear(h.vm->memory, &state, UINT64_C(0xffffff8000001ffc), bytes, 8));
    put(&h, FIFTH + 8 * 0x1ff, ROOT | 1, 8);
    state.cr3 = FIFTH;
    state.cr4 |= RH_CR4_LA57;
    expect(&h, &state, UINT64_C(0xffffff8000000abc), FRAME | 0xabc);
    harness_end(&h);
}

/* Tables where there is no RAM, and tables that point at themselves. */
static void test_hostile(void)
{
    RhX86State state = { .cr0 = RH_CR0_PE | RH_CR0_PG, .cr4 = RH_CR4_PAE, .efer = RH_EFER_LMA | RH_EFER_LME,
                         .cr3 = UINT64_C(0xffffffffff000) };
    Harness h;

    harness_begin(&h);
    expect_none(&h, &state, 0);
    state.cr3 = ROOT;
    put(&h, ROOT, ROOT | 1, 8);
    expect(&h, &state, 0x123, ROOT | 0x123);
    harness_end(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/translate/none", test_none);
    g_test_add_func("/translate/32-bit", test_32_bit);
    g_test_add_func("/translate/pae", test_pae);
    g_test_add_func("/translate/long", test_long);
    g_test_add_func("/translate/hostile", test_hostile);
    return g_test_run();
}
