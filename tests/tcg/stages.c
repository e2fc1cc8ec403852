/*
 * The two stages against each other, where the processor cannot be asked: kernel mode, 16-bit code, segments, any control registers.
 * Code is made of valid instructions, a few of them changed, with branches among them.
 * TCG_SEED and TCG_CASES in the environment choose what is random and how much of it; TCG_DUMP names a directory for the inputs that fail.
 */
#include "tests/tcg/check.h"
#include "tests/tcg/generate.h"
#include "tests/unit/tcg-stages.h"

enum { CASES = 6000, CODE_LEN = 160 };

static size_t make_input(uint64_t *seed, uint8_t *ret)
{
    size_t nr = STAGES_HEADER;
    unsigned len = 8 + rh_native_below(seed, CODE_LEN);

    for (unsigned i = 0; i < STAGES_HEADER; i++) {
        ret[i] = (uint8_t)(rh_native_next(seed) >> 40);
    }
    while (nr < STAGES_HEADER + len) {
        RhInsn insn;

        rh_native_code_random(RH_CODE_64, seed, &insn);
        if (rh_native_one_in(seed, 16)) {
            insn.bytes[rh_native_below(seed, insn.len)] = (uint8_t)(rh_native_next(seed) >> 40);
        }
        /* Most operands lie where the registers point to. */
        if (insn.has_modrm && insn.has_mem && rh_native_one_in(seed, 2)) {
            insn.bytes[insn.modrm_at] &= 0x3f;
        }
        memcpy(ret + nr, insn.bytes, insn.len);
        nr += insn.len;
        if (rh_native_one_in(seed, 8)) {
            ret[nr++] = (uint8_t)(0x70 | rh_native_below(seed, 16));
            ret[nr++] = (uint8_t)rh_native_below(seed, 12);
        }
    }
    ret[nr++] = 0xf4;
    return nr;
}

static void dump(const uint8_t *data, size_t size, uint64_t nr)
{
    const char *directory = g_getenv("TCG_DUMP");
    g_autofree char *name = g_strdup_printf("%s/stages-%" PRIu64, directory, nr);

    if (directory) {
        g_file_set_contents(name, (const char *)data, (gssize)size, NULL);
    }
}

static void test_random(void)
{
    Stages *stages = stages_new();
    uint64_t seed = rh_check_environment("TCG_SEED", 1);
    unsigned nr_failed = 0;

    for (uint64_t i = 0; i < rh_check_environment("TCG_CASES", CASES) && nr_failed < RH_CHECK_SHOWN; i++) {
        uint8_t data[STAGES_HEADER + STAGES_CODE_MAX];
        size_t size = make_input(&seed, data);
        g_autofree char *text = stages_check(stages, data, size);

        if (text) {
            g_test_message("case %" PRIu64 ", mode %u%s", i, data[0] % 12, text);
            dump(data, size, i);
            nr_failed++;
        }
    }
    stages_free(stages);
    g_assert_cmpuint(nr_failed, ==, 0);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-stages/random", test_random);
    return g_test_run();
}
