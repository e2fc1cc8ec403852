/* See the header. */
#include "tests/tcg/check.h"

uint64_t rh_check_environment(const char *name, uint64_t otherwise)
{
    const char *value = g_getenv(name);

    return value ? g_ascii_strtoull(value, NULL, 0) : otherwise;
}

static bool is_ours(const RhNativeCase *at)
{
    switch (at->insn.op) {
    case RH_OP_INT:
    case RH_OP_INT3:
    case RH_OP_INT1:
        return false;       /* native.h ends runs with one of them, and there may be no IDT */
    case RH_OP_INTO:
        return !(at->before.rflags & RH_FLAG_OF);
    case RH_OP_SYSRET:
        return at->before.code_size == RH_CODE_64;  /* in 32-bit code it depends on the vendor whether it is #UD */
    default:
        return rh_native_has(at->insn.feature);
    }
}

bool rh_check_case(const RhNativeCase *at, RhNativeRun run)
{
    g_autofree char *text = NULL;

    if (!is_ours(at)) {
        return false;
    }
    text = rh_native_check(at, run);
    if (text) {
        g_test_message("%s", text);
    }
    return text;
}

void rh_check_systematic(RhCodeSize code_size, unsigned rounds, RhNativeRun run)
{
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (unsigned i = 0; i < rh_native_nr_templates(code_size) && nr_failed < RH_CHECK_SHOWN; i++) {
        for (unsigned round = 0; round < rounds; round++) {
            rh_native_case_nth(code_size, i, &seed, &at);
            nr_failed += rh_check_case(&at, run);
        }
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

typedef void Make(RhCodeSize code_size, uint64_t *seed, RhNativeCase *ret);

static void check(Make *make, RhCodeSize code_size, uint64_t nr, RhNativeRun run)
{
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;
    static RhNativeCase at;

    for (uint64_t i = 0; i < rh_check_environment("TCG_CASES", nr) && nr_failed < RH_CHECK_SHOWN; i++) {
        make(code_size, &seed, &at);
        nr_failed += rh_check_case(&at, run);
    }
    g_assert_cmpuint(nr_failed, ==, 0);
}

void rh_check_random(RhCodeSize code_size, uint64_t nr, RhNativeRun run)
{
    check(rh_native_case_random, code_size, nr, run);
}

void rh_check_strings(RhCodeSize code_size, uint64_t nr, RhNativeRun run)
{
    check(rh_native_case_string, code_size, nr, run);
}
