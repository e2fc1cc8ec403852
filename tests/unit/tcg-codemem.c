/*
 * Memory for code made at run time: it runs, it is bounded, and no mapping of it is writable and executable.
 */
#include "target/i386/tcg/codemem.h"

static void test_runs(void)
{
    static const uint8_t code[] = { 0xb8, 0x2a, 0, 0, 0, 0xc3 };        /* mov eax, 42; ret */
    g_autoptr(RhCodeMem) mem = rh_codemem_new(4096, NULL);
    uint8_t *write, *second;
    const uint8_t *exec;
    uint64_t result;

    g_assert_nonnull(mem);
    g_assert_true(rh_codemem_alloc(mem, sizeof(code), &write, &exec));
    g_assert_cmpuint((uintptr_t)exec % RH_CODEMEM_ALIGN, ==, 0);
    memcpy(write, code, sizeof(code));
    __asm__ volatile("call *%1" : "=a"(result) : "r"(exec) : "memory", "cc");
    g_assert_cmpuint(result, ==, 42);
    g_assert_true(rh_codemem_has(mem, exec) && rh_codemem_has(mem, exec + 4095));
    g_assert_false(rh_codemem_has(mem, exec + 4096) || rh_codemem_has(mem, exec - 1) || rh_codemem_has(mem, write));
    g_assert_true(rh_codemem_writable(mem, exec + 3) == write + 3);

    g_assert_cmpuint(rh_codemem_left(mem), ==, 4096 - 16);
    g_assert_false(rh_codemem_alloc(mem, 4096, &second, &exec));
    g_assert_true(rh_codemem_alloc(mem, 4080, &second, &exec));
    g_assert_true(second == write + 16);
    rh_codemem_shrink(mem, second, 17);
    g_assert_cmpuint(rh_codemem_left(mem), ==, 4096 - 16 - 32);
    rh_codemem_reset(mem);
    g_assert_cmpuint(rh_codemem_left(mem), ==, 4096);
}

static void test_never_both(void)
{
    g_autoptr(RhCodeMem) mem = rh_codemem_new(1 << 20, NULL);
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned nr = 0;

    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", 0);
    for (char **line = lines; *line; line++) {
        if (strstr(*line, "rhea-code")) {
            g_assert_null(strstr(*line, "rwx"));
            nr++;
        }
    }
    g_assert_cmpuint(nr, ==, 2);
}

static void test_too_big(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(rh_codemem_new((size_t)1 << 62, &error));
    g_assert_nonnull(strstr(error->message, "4611686018427387904 bytes"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/codemem/runs", test_runs);
    g_test_add_func("/tcg/codemem/never-both", test_never_both);
    g_test_add_func("/tcg/codemem/too-big", test_too_big);
    return g_test_run();
}
