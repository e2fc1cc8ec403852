/*
 * Runs a fuzz target without libFuzzer, so that every compiler and every CI run has it:
 *     fuzz-NAME [-runs=N] [-seed=N] FILE-OR-DIRECTORY...
 * The files are replayed; then N inputs made from them by small random changes. The same seed gives
 * the same inputs, so a crash comes again under a debugger.
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_LIMIT = 4096 };

static uint64_t next_random(uint64_t *state)
{
    /* xorshift64*: any generator will do, as long as it is the same everywhere. */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static size_t below(uint64_t *state, size_t limit)
{
    return limit ? next_random(state) % limit : 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_path(GPtrArray *corpus, const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autofree char *bytes = NULL;
    const char *name;
    gsize size;

    if (!dir) {
        if (!g_file_get_contents(path, &bytes, &size, NULL)) {
            g_error("cannot read '%s'", path);
        }
        g_ptr_array_add(corpus, g_bytes_new(bytes, size));
        return;
    }
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    }
    /* A directory has no order of its own, and the inputs shall be the same everywhere. */
    g_ptr_array_sort(names, compare_names);
    for (unsigned i = 0; i < names->len; i++) {
        add_path(corpus, names->pdata[i]);
    }
}

static GBytes *any_of(GPtrArray *corpus, uint64_t *state)
{
    return corpus->pdata[below(state, corpus->len)];
}

static void change(GByteArray *input, GPtrArray *corpus, uint64_t *state)
{
    size_t at = below(state, input->len);
    uint8_t byte = next_random(state) >> 56;

    switch (below(state, 6)) {
    case 0:
        if (input->len) {
            input->data[at] = byte;
        }
        break;
    case 1:
        if (input->len) {
            input->data[at] ^= 1 << (byte & 7);
        }
        break;
    case 2:
        if (input->len) {
            g_byte_array_remove_range(input, at, 1 + below(state, MIN(input->len - at, 8)));
        }
        break;
    case 3: g_byte_array_append(input, &byte, 1); break;
    default: { /* a piece of another input, in place of the tail */
        gsize size;
        const uint8_t *other = g_bytes_get_data(any_of(corpus, state), &size);
        size_t from = below(state, size);
        size_t len = MIN(below(state, size - from + 1), INPUT_LIMIT - at);

        g_byte_array_set_size(input, at);
        g_byte_array_append(input, other + from, len);
        break;
    }
    }
}

static void run_mutated(GPtrArray *corpus, uint64_t *state)
{
    g_autoptr(GByteArray) input = g_byte_array_new();
    gsize size;
    const uint8_t *start = g_bytes_get_data(any_of(corpus, state), &size);

    g_byte_array_append(input, start, MIN(size, INPUT_LIMIT));
    for (unsigned n = 1 + below(state, 6); n; n--) {
        change(input, corpus, state);
    }
    LLVMFuzzerTestOneInput(input->data, input->len);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) corpus = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    uint64_t state = 1;
    uint64_t nr_runs = 0;

    for (int i = 1; i < argc; i++) {
        if (g_str_has_prefix(argv[i], "-runs=")) {
            nr_runs = g_ascii_strtoull(argv[i] + 6, NULL, 10);
        } else if (g_str_has_prefix(argv[i], "-seed=")) {
            state = MAX(1, g_ascii_strtoull(argv[i] + 6, NULL, 10));
        } else {
            add_path(corpus, argv[i]);
        }
    }
    if (!corpus->len) {
        g_ptr_array_add(corpus, g_bytes_new_static("", 0));
    }
    for (unsigned i = 0; i < corpus->len; i++) {
        gsize size;
        const uint8_t *data = g_bytes_get_data(corpus->pdata[i], &size);

        LLVMFuzzerTestOneInput(data, size);
    }
    for (uint64_t i = 0; i < nr_runs; i++) {
        run_mutated(corpus, &state);
    }
    return 0;
}
