/*
 * The translator against the processor: each encoding that the decoder knows, random ones, and sequences. With status flags that are
 * exact at every fault, and without. 64-bit code, and 32-bit code in each mode that has it. TCG_SEED and TCG_CASES in the environment choose what is random and how much of it.
 */
#include "tests/tcg/check.h"
#include "tests/tcg/generate.h"
#include "tests/unit/tcg-jit-rig.h"

#include <immintrin.h>

enum {
    CODE_GPA = RIG_PAGES, DATA_GPA = RIG_PAGES + RH_PAGE_SIZE,
    CODE_AT = RH_NATIVE_CODE + RH_NATIVE_CODE_AT,
    PTE_READ = 5, PTE_WRITE = 7,            /* present, user */
    MAX_ROUNDS = 1000,
    CASES = 20000, STRINGS = 5000, SEQUENCES = 12000,
    CASES_32 = 1500, STRINGS_32 = 500, SEQUENCES_32 = 1000,
    CODE_SIZE = 16 << 20,
    SEQUENCE_INSNS = 12,
};
#define CR4 (0x600u | 0x10000u | 0x40000u)  /* OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE */

/* Where tests run: a mode, and whether status flags are exact. */
typedef struct Place {
    RigMode mode;
    bool is_exact;
    const char *name;
} Place;

static Rig *rig;
static uint64_t flush_seed = 1;

/* A program's view: one page of code, two of data, and nothing else that it may touch. */
static void make_machine(RigMode mode)
{
    uint64_t large = mode == RIG_PAGED ? 4 << 20 : 2 << 20;

    rig = jit_rig_new(CODE_SIZE);
    rig_enter(rig, mode, 3);
    rig_map(rig, RH_NATIVE_CODE, CODE_GPA | PTE_READ, RH_PAGE_SIZE);
    for (unsigned at = 0; at < RH_NATIVE_DATA_SIZE; at += RH_PAGE_SIZE) {
        rig_map(rig, RH_NATIVE_DATA + at, (DATA_GPA + at) | PTE_WRITE, RH_PAGE_SIZE);
    }
    for (uint64_t at = 0; at < RIG_RAM_SIZE; at += large) {
        rig_map(rig, at, 0, large);
    }
    rig->cpu->seg[RH_TR].limit = 0x67;      /* no ports */
    rig->cpu->cr4 |= CR4;
    rig->cpu->xcr0 = 7;
    jit_rig_halt_on_exceptions(rig);
}

static void enter_user(void)
{
    RhTcgCpu *cpu = rig->cpu;

    bool is_64 = rig->mode == RIG_LONG;

    cpu->seg[RH_CS] = (RhX86Segment){ 0, UINT32_MAX, 0xb | RH_SEG_S | 3u << RH_SEG_DPL_SHIFT | RH_SEG_P | (is_64 ? RH_SEG_L : RH_SEG_DB) | RH_SEG_G,
                                      (is_64 ? RIG_USER_CODE64 : RIG_USER_CODE32) | 3 };
    cpu->seg[RH_SS] = (RhX86Segment){ 0, UINT32_MAX, 0x3 | RH_SEG_S | 3u << RH_SEG_DPL_SHIFT | RH_SEG_P | RH_SEG_DB | RH_SEG_G,
                                      RIG_USER_DATA | 3 };
    cpu->is_halted = false;
    cpu->is_shut_down = false;
}

static void set_state(const RhNativeState *before)
{
    RhTcgCpu *cpu = rig->cpu;

    enter_user();
    memcpy(cpu->gpr, before->gpr, sizeof(cpu->gpr));
    cpu->rip = CODE_AT;
    cpu->rflags = before->rflags | RH_RFLAGS_IF | 2;
    cpu->seg[RH_FS].base = before->fs_base;
    cpu->seg[RH_GS].base = before->gs_base;
    rh_tcg_settle(cpu);
    cpu->vector = before->vector;
    cpu->vector.fcw |= 0x40;                /* reads as one */
    cpu->vector.xstate_bv = 7;
    cpu->fault = (RhFault){ 0 };
    cpu->cr2 = 0;
    memcpy(rig->ram->host + DATA_GPA, before->data, sizeof(before->data));
}

static void get_fault(RhNativeState *after, const JitRigFrame *frame, size_t len)
{
    bool is_outside = frame->rip - CODE_AT >= len;

    after->rip = frame->rip;
    after->fault = RH_NATIVE_NO_FAULT;
    if (frame->vector == RH_EXC_BP && (after->rip - 1) - CODE_AT >= len) {
        after->rip--;                       /* where a jump has led, or behind the code */
    } else if (frame->vector == RH_EXC_DB || !is_outside) {
        after->fault = (uint8_t)frame->vector;
        after->fault_error = frame->error;
        after->fault_cr2 = frame->vector == RH_EXC_PF ? rig->cpu->cr2 : 0;
    }
}

static void get_state(RhNativeState *after, size_t len)
{
    const RhTcgCpu *cpu = rig->cpu;
    JitRigFrame frame;

    jit_rig_frame(rig, &frame);
    memcpy(after->gpr, cpu->gpr, sizeof(cpu->gpr));
    after->gpr[RH_RSP] = frame.rsp;
    after->code_size = rig->mode == RIG_LONG ? RH_CODE_64 : RH_CODE_32;
    after->rflags = frame.rflags;
    after->fs_base = cpu->seg[RH_FS].base;
    after->gs_base = cpu->seg[RH_GS].base;
    after->vector = cpu->vector;
    memcpy(after->data, rig->ram->host + DATA_GPA, sizeof(after->data));
    get_fault(after, &frame, len);
}

/* Now and then with an empty TLB: memory is reached out of line then. */
static void run(const RhNativeState *before, const uint8_t *code, size_t len, RhNativeState *after)
{
    RhTcgCpu *cpu = rig->cpu;

    memset(rig->ram->host + CODE_GPA, 0xcc, RH_PAGE_SIZE);
    memcpy(rig->ram->host + CODE_GPA + RH_NATIVE_CODE_AT, code, len);
    rh_jit_drop_page(cpu->jit, CODE_GPA);
    set_state(before);
    if (rh_native_one_in(&flush_seed, 2)) {
        rh_tlb_flush(cpu, false);
    }
    rh_jit_set_current(cpu);
    if (!jit_rig_run(rig, MAX_ROUNDS)) {
        g_test_message("does not come to an end");
    }
    g_assert_false(cpu->is_shut_down);
    get_state(after, len);
}

static void leave(void)
{
    if (rig) {
        jit_rig_free(g_steal_pointer(&rig));
    }
}

static RhCodeSize enter(const Place *place)
{
    if (!rig || rig->mode != place->mode) {
        leave();
        make_machine(place->mode);
    }
    jit_rig_exact(rig, place->is_exact);
    return place->mode == RIG_LONG ? RH_CODE_64 : RH_CODE_32;
}

static void test_systematic(gconstpointer place)
{
    rh_check_systematic(enter(place), 1, run);
}

static void test_random(gconstpointer place)
{
    RhCodeSize code_size = enter(place);

    rh_check_random(code_size, code_size == RH_CODE_64 ? CASES : CASES_32, run);
}

/* Blocks leave to the interpreter for them, with a step's worth done at a time. */
static void test_strings(gconstpointer place)
{
    RhCodeSize code_size = enter(place);

    rh_check_strings(code_size, code_size == RH_CODE_64 ? STRINGS : STRINGS_32, run);
}

/* Sequences are what flags and registers are kept across. */
static void test_sequences(gconstpointer data)
{
    const Place *place = data;
    RhCodeSize code_size = enter(place);
    uint64_t nr = rh_check_environment("TCG_CASES", code_size == RH_CODE_64 ? SEQUENCES : SEQUENCES_32);
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (uint64_t i = 0; i < nr && nr_failed < RH_CHECK_SHOWN; i++) {
        rh_native_case_sequence(code_size, SEQUENCE_INSNS, &seed, &at);
        if (!place->is_exact) {
            at.undefined_flags_at_fault = RH_FLAGS_STATUS;
        }
        nr_failed += rh_check_case(&at, run);
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

/* What was wrong once. Memory operands are at [RBX], [RSI] or relative to RIP. */
static const struct {
    const char *name;
    RhCodeSize code_size;
    unsigned len;
    uint8_t code[16];
} once_wrong[] = {
    { "vzeroupper", RH_CODE_64, 5, { 0xc4, 0x01, 0x78, 0x77, 0x90 } },          /* has no ModRM */
    { "ret-not-canonical", RH_CODE_64, 1, { 0xc3 } },                           /* faults itself, RSP as it was */
    { "call-not-canonical", RH_CODE_64, 2, { 0xff, 0xd0 } },
    { "flags-at-xm", RH_CODE_64, 5, { 0x0f, 0x59, 0xc9, 0x01, 0xc8 } },         /* mulps; add overwrites the flags of what was before */
    { "vzeroupper-8-to-15", RH_CODE_32, 4, { 0xc5, 0xf8, 0x77, 0x90 } },
    { "vzeroall-8-to-15", RH_CODE_32, 4, { 0xc5, 0xfc, 0x77, 0x90 } },
    { "vpcmpestri-w", RH_CODE_32, 6, { 0xc4, 0xe3, 0xf9, 0x61, 0xc1, 0x18 } },      /* W is ignored */
    { "vpcmpestrm-w", RH_CODE_32, 6, { 0xc4, 0xe3, 0xf9, 0x60, 0xc1, 0x58 } },
    { "vmaskmovps-beyond-64k", RH_CODE_32, 9, { 0x64, 0x67, 0xc4, 0xe2, 0x71, 0x2c, 0x06, 0xf8, 0xff } },
};

static void test_once_wrong(gconstpointer data)
{
    enum { ROUNDS = 50 };
    const Place *place = data;
    RhCodeSize code_size = enter(place);
    uint64_t seed = 1;
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (unsigned i = 0; i < RH_COUNT(once_wrong) * ROUNDS; i++) {
        unsigned nr = i % RH_COUNT(once_wrong);

        if (once_wrong[nr].code_size != code_size) {
            continue;
        }
        g_assert_true(rh_native_case_set(code_size, once_wrong[nr].code, once_wrong[nr].len, &seed, &at));
        at.len = once_wrong[nr].len;
        memcpy(at.code, once_wrong[nr].code, at.len);
        at.nr_insns = at.len == at.insn.len ? 1 : 2;
        at.undefined_flags_at_fault = place->is_exact ? 0 : RH_FLAGS_STATUS;
        if (rh_check_case(&at, run)) {
            g_test_message("%s", once_wrong[nr].name);
            nr_failed++;
        }
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

/* Rows of pushes and pops, at the edges of pages and of memory: some may be done before one faults. */
static void test_stack(gconstpointer data)
{
    enum { ROUNDS = 3000, MOST = 12, POP_RSP = 0x5c };
    const Place *place = data;
    RhCodeSize code_size = enter(place);
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (unsigned i = 0; i < ROUNDS && nr_failed < RH_CHECK_SHOWN; i++) {
        unsigned len = 0, nr = 2 + rh_native_below(&seed, MOST - 2);
        bool is_pop = rh_native_one_in(&seed, 2);

        for (unsigned k = 0; k < nr; k++) {
            if (rh_native_one_in(&seed, 3)) {
                at.code[len++] = code_size == RH_CODE_64 ? 0x41 : 0x66;
            }
            is_pop ^= rh_native_one_in(&seed, 8);
            at.code[len] = (uint8_t)((is_pop ? 0x58 : 0x50) | rh_native_below(&seed, 8));
            at.code[len] -= at.code[len] == POP_RSP;        /* what it pops is no address */
            len++;
        }
        g_assert_true(rh_native_case_set(code_size, at.code, len, &seed, &at));
        at.len = len;
        at.nr_insns = nr;
        at.before.gpr[RH_RSP] = RH_NATIVE_DATA + rh_native_below(&seed, 3) * RH_PAGE_SIZE + rh_native_below(&seed, 128) - 64;
        at.undefined_flags_at_fault = place->is_exact ? 0 : RH_FLAGS_STATUS;
        nr_failed += rh_check_case(&at, run);
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

static void test_skip(gconstpointer why)
{
    g_test_skip(why);
}

static void add(const Place *place)
{
    static const struct { const char *name; GTestDataFunc test; } tests[] = {
        { "stack", test_stack }, { "systematic", test_systematic }, { "random", test_random },
        { "strings", test_strings }, { "sequences", test_sequences }, { "once-wrong", test_once_wrong },
    };

    for (unsigned i = 0; i < RH_COUNT(tests); i++) {
        g_autofree char *path = g_strdup_printf("/tcg-translate-native/%s/%s", place->name, tests[i].name);

        /* Once is enough for 32-bit code: what is different in legacy modes are segments and pages. */
        if (tests[i].test != test_systematic || place->mode == RIG_LONG || (place->mode == RIG_COMPAT && !place->is_exact)) {
            g_test_add_data_func(path, place, tests[i].test);
        }
    }
}

static void add_all(void)
{
    static const Place places[] = {
        { RIG_LONG, false, "usual" }, { RIG_LONG, true, "exact" },
        { RIG_COMPAT, false, "compatibility" }, { RIG_COMPAT, true, "compatibility-exact" },
        { RIG_PAGED, false, "32-bit-paging" }, { RIG_PAE, true, "pae-exact" },
    };
    const char *why;
    bool has_32 = rh_native_init_32(&why);

    for (unsigned i = 0; i < RH_COUNT(places); i++) {
        if (has_32 || places[i].mode == RIG_LONG) {
            add(&places[i]);
        }
    }
    if (!has_32) {
        g_test_add_data_func("/tcg-translate-native/32", why, test_skip);
    }
}

int main(int argc, char **argv)
{
    const char *why;
    int result;

    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    rh_jit_catch_signals();             /* native.c passes on what is not its own */
    if (!rh_native_init(&why)) {
        g_print("1..0 # SKIP %s\n", why);
        return 0;
    }
    add_all();
    result = g_test_run();
    leave();
    return result;
}
