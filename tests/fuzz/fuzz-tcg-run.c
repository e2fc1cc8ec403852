/*
 * Random bytes as a kernel, or as a program: in every mode, with any registers, the interpreter and the translator run them, do not
 * break, and come to the same end.
 */
#include "../unit/tcg-stages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Stages *stages;
    g_autofree char *text = NULL;

    if (!stages) {
        rh_thread_init_main();
        stages = stages_new();
    }
    text = stages_check(stages, data, size);
    if (text) {
        g_error("stages differ%s", text);
    }
    return 0;
}
