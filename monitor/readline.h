/*
 * Editing a line on a terminal: cursor keys, history, completion. Knows no monitor: bytes come in, text
 * goes out by a callback.
 */
#ifndef RH_MONITOR_READLINE_H
#define RH_MONITOR_READLINE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

enum { RH_READLINE_MAX = 4095, RH_READLINE_HISTORY = 64 };

typedef struct RhReadlineOps {
    void (*print)(void *opaque, const char *text);
    void (*line)(void *opaque, const char *line);
    char **(*complete)(void *opaque, const char *line);    /* names for its last word; g_strfreev */
} RhReadlineOps;

typedef struct RhReadline RhReadline;

RhReadline *rh_readline_new(const char *prompt, const RhReadlineOps *ops, void *opaque);
void rh_readline_free(RhReadline *rl);
/** rh_readline_feed - one byte of input */
void rh_readline_feed(RhReadline *rl, uint8_t byte);
/** rh_readline_show - print the prompt and what is in the line */
void rh_readline_show(RhReadline *rl);
/** rh_readline_reset - forget the line: a new client */
void rh_readline_reset(RhReadline *rl);
const GPtrArray *rh_readline_history(const RhReadline *rl);

#endif
