/*
 * The log and the trace points. Lock: log.lock guards the file and the rate limit; the mask and the
 * switches of trace points are atomics that writers only look at.
 */
#include "util/log.h"
#include "util/core.h"
#include "util/error.h"
#include "util/thread.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { MAX_LINES_PER_SECOND = 50 };

static struct {
    RhMutex lock;
    uint32_t mask;          /* atomic */
    FILE *file;             /* NULL: standard error */
    time_t second;          /* the rate limit counts in this one */
    unsigned nr_lines;
    unsigned nr_left_out;
} the_log = { .lock.native = PTHREAD_MUTEX_INITIALIZER };

typedef struct ItemName {
    uint32_t bit;
    const char *name;
    const char *doc;
} ItemName;

static const ItemName item_names[] = {
    { RH_LOG_OUT_ASM,      "out_asm",      "show generated host assembly code for each compiled TB" },
    { RH_LOG_IN_ASM,       "in_asm",       "show target assembly code for each compiled TB" },
    { RH_LOG_OP,           "op",           "show micro ops for each compiled TB" },
    { RH_LOG_OP_OPT,       "op_opt",       "show micro ops after optimization" },
    { RH_LOG_OP_IND,       "op_ind",       "show micro ops before indirect lowering" },
    { RH_LOG_INT,          "int",          "show interrupts/exceptions in short format" },
    { RH_LOG_EXEC,         "exec",         "show trace before each executed TB (lots of logs)" },
    { RH_LOG_CPU,          "cpu",          "show CPU registers before entering a TB (lots of logs)" },
    { RH_LOG_FPU,          "fpu",          "include FPU registers in the 'cpu' logging" },
    { RH_LOG_MMU,          "mmu",          "log MMU-related activities" },
    { RH_LOG_PCALL,        "pcall",        "x86 only: show protected mode far calls/returns/exceptions" },
    { RH_LOG_CPU_RESET,    "cpu_reset",    "show CPU state before CPU resets" },
    { RH_LOG_UNIMP,        "unimp",        "log unimplemented functionality" },
    { RH_LOG_GUEST_ERRORS, "guest_errors", "log when the guest OS does something invalid" },
    { RH_LOG_PAGE,         "page",         "dump pages at beginning of user mode emulation" },
    { RH_LOG_NOCHAIN,      "nochain",      "do not chain compiled TBs" },
    { RH_LOG_PLUGIN,       "plugin",       "output from plugins" },
    { RH_LOG_STRACE,       "strace",       "log every user-mode syscall, its input, and its result" },
    { RH_LOG_PER_THREAD,   "tid",          "open a separate log file per thread" },
};

static const ItemName *item_find(const char *name)
{
    for (size_t i = 0; i < RH_COUNT(item_names); i++) {
        if (g_str_equal(item_names[i].name, name)) {
            return &item_names[i];
        }
    }
    return NULL;
}

bool rh_log_mask_parse(const char *items, uint32_t *ret_mask, GError **err)
{
    g_auto(GStrv) names = g_strsplit(items, ",", -1);
    uint32_t mask = 0;

    for (char **name = names; *name; name++) {
        const ItemName *item = item_find(*name);

        if (item) {
            mask |= item->bit;
        } else if (g_str_equal(*name, "all")) {
            mask |= rh_bits(RH_COUNT(item_names)) & ~(uint32_t)RH_LOG_PER_THREAD;
        } else if (g_str_has_prefix(*name, "trace:") && (*name)[6]) {
            rh_trace_set(*name + 6, true);
        } else if (!g_str_equal(*name, "none")) {
            return rh_fail(err, "Unknown log item '%s', must be one that '-d help' lists", *name);
        }
    }
    *ret_mask = mask;
    return true;
}

char *rh_log_help(void)
{
    GString *text = g_string_new("Log items (comma separated):\n");

    for (size_t i = 0; i < RH_COUNT(item_names); i++) {
        g_string_append_printf(text, "%-15s %s\n", item_names[i].name, item_names[i].doc);
    }
    g_string_append(text, "trace:PATTERN   enable trace events\n\n"
                    "Use \"-d trace:help\" to get a list of trace events.\n\n");
    return g_string_free(text, false);
}

void rh_log_set_mask(uint32_t mask)
{
    __atomic_store_n(&the_log.mask, mask, __ATOMIC_RELAXED);
}

uint32_t rh_log_mask(void)
{
    return __atomic_load_n(&the_log.mask, __ATOMIC_RELAXED);
}

/* Only "%d", once, may stand in the name; it never serves as a format. */
static bool log_file_name(const char *path, char **ret_name, GError **err)
{
    const char *percent = strchr(path, '%');

    if (!percent) {
        *ret_name = g_strdup(path);
        return true;
    }
    if (percent[1] != 'd' || strchr(percent + 1, '%')) {
        return rh_fail(err, "Bad logfile template '%s', may have one %%d and no other %%", path);
    }
    *ret_name = g_strdup_printf("%.*s%d%s", (int)(percent - path), path, (int)getpid(), percent + 2);
    return true;
}

bool rh_log_set_file(const char *path, GError **err)
{
    g_autofree char *name = NULL;
    FILE *file = NULL;

    if (path) {
        if (!log_file_name(path, &name, err)) {
            return false;
        }
        file = fopen(name, "we");
        if (!file) {
            return rh_fail_errno(err, errno, "Cannot open log file '%s'", name);
        }
    }
    RH_WITH_LOCK(&the_log.lock) {
        if (the_log.file) {
            fclose(the_log.file);
        }
        the_log.file = file;
    }
    return true;
}

static void write_line(const char *line) RH_REQUIRES(&the_log.lock)
{
    FILE *file = the_log.file ? the_log.file : stderr;

    fprintf(file, "%s\n", line);
    fflush(file);
}

void rh_log(RhLogItem item, const char *format, ...)
{
    g_autofree char *line = NULL;
    va_list args;

    if (!rh_log_is_on(item)) {
        return;
    }
    va_start(args, format);
    line = g_strdup_vprintf(format, args);
    va_end(args);
    RH_WITH_LOCK(&the_log.lock) {
        write_line(line);
    }
}

/* Whether one more rate-limited line may be written in this second; tells first what was left out. */
static bool line_allowed(void) RH_REQUIRES(&the_log.lock)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    if (now.tv_sec != the_log.second) {
        the_log.second = now.tv_sec;
        the_log.nr_lines = 0;
        if (the_log.nr_left_out) {
            g_autofree char *line = g_strdup_printf("(%u lines of the log left out)",
                                                    the_log.nr_left_out);

            write_line(line);
            the_log.nr_left_out = 0;
        }
    }
    if (the_log.nr_lines < MAX_LINES_PER_SECOND) {
        the_log.nr_lines++;
        return true;
    }
    the_log.nr_left_out++;
    return false;
}

static void log_limited(const char *who, const char *format, va_list args)
{
    RH_WITH_LOCK(&the_log.lock) {
        if (line_allowed()) {
            g_autofree char *what = g_strdup_vprintf(format, args);
            g_autofree char *line = g_strdup_printf("%s: %s", who, what);

            write_line(line);
        }
    }
}

void rh_log_guest_error(const char *who, const char *format, ...)
{
    va_list args;

    if (rh_log_is_on(RH_LOG_GUEST_ERRORS)) {
        va_start(args, format);
        log_limited(who, format, args);
        va_end(args);
    }
}

void rh_log_unimp(const char *who, const char *format, ...)
{
    va_list args;

    if (rh_log_is_on(RH_LOG_UNIMP)) {
        va_start(args, format);
        log_limited(who, format, args);
        va_end(args);
    }
}

/* Trace points. The linker makes the bounds; weak, for a program without any trace point. */
extern RhTracePoint *const __start_rh_trace_points[] __attribute__((weak));
extern RhTracePoint *const __stop_rh_trace_points[] __attribute__((weak));

void rh_trace_write(const char *name, const char *format, ...)
{
    g_autofree char *what = NULL;
    g_autofree char *line = NULL;
    struct timespec now;
    va_list args;

    clock_gettime(CLOCK_REALTIME, &now);
    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    line = g_strdup_printf("%d@%lld.%06ld:%s %s", (int)getpid(), (long long)now.tv_sec,
                           now.tv_nsec / 1000, name, what);
    RH_WITH_LOCK(&the_log.lock) {
        write_line(line);
    }
}

unsigned rh_trace_set(const char *pattern, bool on)
{
    unsigned nr_matched = 0;

    for (RhTracePoint *const *at = __start_rh_trace_points; at < __stop_rh_trace_points; at++) {
        if (g_pattern_match_simple(pattern, (*at)->name)) {
            __atomic_store_n(&(*at)->is_on, on, __ATOMIC_RELAXED);
            nr_matched++;
        }
    }
    return nr_matched;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **rh_trace_names(void)
{
    GPtrArray *names = g_ptr_array_new();

    for (RhTracePoint *const *at = __start_rh_trace_points; at < __stop_rh_trace_points; at++) {
        if (!g_ptr_array_find_with_equal_func(names, (*at)->name, g_str_equal, NULL)) {
            g_ptr_array_add(names, g_strdup((*at)->name));
        }
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, false);
}

bool rh_trace_load(const char *path, GError **err)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, err)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        const char *pattern = g_strstrip(*line);
        bool on = pattern[0] != '-';

        if (pattern[0] && pattern[0] != '#') {
            rh_trace_set(pattern + !on, on);
        }
    }
    return true;
}
