/*
 * The engine's memory: page tables of all kinds, rights, page faults, the TLB.
 */
#include "tcg-rig.h"

#include "target/i386/tcg/mmu-inline.h"

static void test_smoke(void)
{
    static const RigMode modes[] = { RIG_REAL, RIG_PROTECTED, RIG_PAGED, RIG_PAE, RIG_LONG, RIG_COMPAT };
    Rig *rig = rig_new();

    for (unsigned i = 0; i < RH_COUNT(modes); i++) {
        uint64_t value = 0;

        rig_enter(rig, modes[i], 0);
        g_assert_true(rh_tcg_store(rig->cpu, RH_TLB_KERNEL, RIG_PAGES + 0xffd, 8, UINT64_C(0x1122334455667788)));
        g_assert_cmphex(rig_peek(rig, RIG_PAGES + 0xffd, 8), ==, UINT64_C(0x1122334455667788));
        g_assert_true(rh_tcg_load(rig->cpu, RH_TLB_KERNEL, RIG_PAGES + 0xffd, 8, &value));
        g_assert_cmphex(value, ==, UINT64_C(0x1122334455667788));
    }
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-mmu/smoke", test_smoke);
    return g_test_run();
}
