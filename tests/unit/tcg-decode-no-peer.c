/*
 * Stands for tcg-decode-peer.c where its disassembler is missing.
 */
#include <glib.h>

static void test_skip(void)
{
    g_test_skip("no Zydis 4 to compare with: scripts/install-deps test");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/decode-peer", test_skip);
    return g_test_run();
}
