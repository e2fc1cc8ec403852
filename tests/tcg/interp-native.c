/*
 * The interpreter against the processor: each encoding that the decoder knows, and then random ones, with operands of all kinds.
 * 64-bit code, and 32-bit code in each mode that has it.
 * TCG_SEED and TCG_CASES in the environment choose what is random and how much of it.
 */
#include "tests/tcg/check.h"
#include "tests/unit/tcg-rig.h"

enum {
    CODE_GPA = RIG_PAGES, DATA_GPA = RIG_PAGES + RH_PAGE_SIZE,
    CODE_AT = RH_NATIVE_CODE + RH_NATIVE_CODE_AT,
    PTE_READ = 5, PTE_WRITE = 7,            /* present, user */
    MAX_STEPS = 100000,
    CASES = 20000, CASES_32 = 4000,         /* random ones */
};
#define CR4 (0x600u | 0x10000u | 0x40000u)  /* OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE */

static const RigMode mode_long = RIG_LONG, mode_compat = RIG_COMPAT, mode_paged = RIG_PAGED, mode_pae = RIG_PAE;

static Rig *rig;

/* A program's view: one page of code, two of data, and nothing else, not even where the rig has its tables. */
static void make_machine(RigMode mode)
{
    uint64_t large = mode == RIG_PAGED ? 4 << 20 : 2 << 20;

    rig = rig_new();
    rig_enter(rig, mode, 3);
    rig_map(rig, RH_NATIVE_CODE, CODE_GPA | PTE_READ, RH_PAGE_SIZE);
    for (unsigned at = 0; at < RH_NATIVE_DATA_SIZE; at += RH_PAGE_SIZE) {
        rig_map(rig, RH_NATIVE_DATA + at, (DATA_GPA + at) | PTE_WRITE, RH_PAGE_SIZE);
    }
    for (uint64_t at = 0; at < RIG_RAM_SIZE; at += large) {
        rig_map(rig, at, 0, large);
    }
    rig->cpu->seg[RH_TR].limit = 0;         /* no ports, and nothing to look for in memory that is not mapped */
    rig->cpu->cr4 |= CR4;
    rig->cpu->xcr0 = 7;
    rh_tcg_settle(rig->cpu);
    rh_tlb_flush(rig->cpu, false);
}

static void set_state(const RhNativeState *before)
{
    RhTcgCpu *cpu = rig->cpu;

    memcpy(cpu->gpr, before->gpr, sizeof(cpu->gpr));
    cpu->rip = CODE_AT;
    cpu->rflags = before->rflags | RH_RFLAGS_IF | 2;
    cpu->seg[RH_FS].base = cpu->segment_base[RH_FS] = before->fs_base;
    cpu->seg[RH_GS].base = cpu->segment_base[RH_GS] = before->gs_base;
    cpu->vector = before->vector;
    cpu->vector.fcw |= 0x40;                /* reads as one */
    cpu->vector.xstate_bv = 7;
    cpu->fault = (RhFault){ 0 };
    memcpy(rig->ram->host + DATA_GPA, before->data, sizeof(before->data));
}

static void get_state(RhNativeState *after)
{
    const RhTcgCpu *cpu = rig->cpu;

    memcpy(after->gpr, cpu->gpr, sizeof(cpu->gpr));
    after->rip = cpu->rip;
    after->code_size = rig->mode == RIG_LONG ? RH_CODE_64 : RH_CODE_32;
    after->rflags = cpu->rflags;
    after->fs_base = cpu->seg[RH_FS].base;
    after->gs_base = cpu->seg[RH_GS].base;
    after->vector = cpu->vector;
    memcpy(after->data, rig->ram->host + DATA_GPA, sizeof(after->data));
}

static void run(const RhNativeState *before, const uint8_t *code, size_t len, RhNativeState *after)
{
    RhTcgCpu *cpu = rig->cpu;
    bool is_done = true;

    memset(rig->ram->host + CODE_GPA, 0xcc, RH_PAGE_SIZE);
    memcpy(rig->ram->host + CODE_GPA + RH_NATIVE_CODE_AT, code, len);
    set_state(before);
    for (unsigned i = 0; is_done && cpu->rip - CODE_AT < len; i++) {
        g_assert_cmpuint(i, <, MAX_STEPS);
        is_done = rh_tcg_step(cpu);
    }
    get_state(after);
    after->fault = is_done ? RH_NATIVE_NO_FAULT : cpu->fault.vector;
    after->fault_error = is_done || !cpu->fault.has_error ? 0 : cpu->fault.error;
    after->fault_cr2 = !is_done && cpu->fault.vector == RH_EXC_PF ? cpu->fault.cr2 : 0;
}

static void leave(void)
{
    if (rig) {
        rig_free(g_steal_pointer(&rig));
    }
}

static RhCodeSize enter(const RigMode *mode)
{
    if (!rig || rig->mode != *mode) {
        leave();
        make_machine(*mode);
    }
    return *mode == RIG_LONG ? RH_CODE_64 : RH_CODE_32;
}

static void test_systematic(gconstpointer mode)
{
    RhCodeSize code_size = enter(mode);

    rh_check_systematic(code_size, code_size == RH_CODE_64 ? 3 : 1, run);
}

static void test_random(gconstpointer mode)
{
    RhCodeSize code_size = enter(mode);

    rh_check_random(code_size, code_size == RH_CODE_64 ? CASES : CASES_32, run);
}

static void test_strings(gconstpointer mode)
{
    RhCodeSize code_size = enter(mode);

    rh_check_strings(code_size, code_size == RH_CODE_64 ? CASES : CASES_32, run);
}

static void test_skip(gconstpointer why)
{
    g_test_skip(why);
}

static void add(const char *where, const RigMode *mode)
{
    static const struct { const char *name; GTestDataFunc test; } tests[] = {
        { "random", test_random }, { "strings", test_strings }, { "systematic", test_systematic },
    };
    bool is_legacy = *mode == RIG_PAGED || *mode == RIG_PAE;    /* what is different there are segments and pages */

    for (unsigned i = 0; i < RH_COUNT(tests); i++) {
        g_autofree char *path = g_strdup_printf("/tcg-interp-native/%s%s", where, tests[i].name);

        if (!is_legacy || tests[i].test != test_systematic) {
            g_test_add_data_func(path, mode, tests[i].test);
        }
    }
}

static void add_32(void)
{
    const char *why;

    if (!rh_native_init_32(&why)) {
        g_test_add_data_func("/tcg-interp-native/32", why, test_skip);
        return;
    }
    add("compatibility/", &mode_compat);
    add("32-bit-paging/", &mode_paged);
    add("pae/", &mode_pae);
}

int main(int argc, char **argv)
{
    const char *why;
    int result;

    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    if (!rh_native_init(&why)) {
        g_print("1..0 # SKIP %s\n", why);
        return 0;
    }
    add("", &mode_long);
    add_32();
    result = g_test_run();
    leave();
    return result;
}
