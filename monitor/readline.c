/*
 * Editing a line on a terminal.
 */
#include "monitor/readline.h"
#include <string.h>

/* Control bytes, and keys that come as escape sequences (ECMA-48, as xterm sends them). */
enum { CTRL_A = 1, CTRL_B, CTRL_C, CTRL_D, CTRL_E, CTRL_F, TAB = 9, LF = 10, CTRL_K = 11, CTRL_L = 12, CR = 13,
       CTRL_N = 14, CTRL_P = 16, CTRL_U = 21, CTRL_W = 23, ESC = 27, BACKSPACE = 127, CTRL_H = 8 };
enum { STATE_PLAIN, STATE_ESC, STATE_CSI, STATE_SS3 };

struct RhReadline {
    char *prompt;
    const RhReadlineOps *ops;
    void *opaque;
    GString *line;
    gsize cursor;
    GPtrArray *history;     /* char *, oldest first */
    unsigned at;            /* shown entry of history; its length: none */
    char *draft;            /* the line before going through history */
    int state;
    unsigned csi;           /* number inside a CSI sequence */
    bool was_cr;            /* a line feed right after is part of the same end of line */
};

RhReadline *rh_readline_new(const char *prompt, const RhReadlineOps *ops, void *opaque)
{
    RhReadline *rl = g_new0(RhReadline, 1);

    rl->prompt = g_strdup(prompt);
    rl->ops = ops;
    rl->opaque = opaque;
    rl->line = g_string_new(NULL);
    rl->history = g_ptr_array_new_with_free_func(g_free);
    return rl;
}

void rh_readline_free(RhReadline *rl)
{
    if (rl) {
        g_string_free(rl->line, TRUE);
        g_ptr_array_unref(rl->history);
        g_free(rl->draft);
        g_free(rl->prompt);
        g_free(rl);
    }
}

const GPtrArray *rh_readline_history(const RhReadline *rl)
{
    return rl->history;
}

static void print(RhReadline *rl, const char *text)
{
    rl->ops->print(rl->opaque, text);
}

/* From the start of the line on: carriage return, all of it, erase the rest, cursor to its place. */
static void redraw(RhReadline *rl)
{
    g_autoptr(GString) text = g_string_new("\r");
    gsize back = rl->line->len - rl->cursor;

    g_string_append_printf(text, "%s%s\033[K", rl->prompt, rl->line->str);
    if (back) {
        g_string_append_printf(text, "\033[%zuD", back);
    }
    print(rl, text->str);
}

void rh_readline_show(RhReadline *rl)
{
    print(rl, rl->prompt);
    if (rl->line->len) {
        redraw(rl);
    }
}

void rh_readline_reset(RhReadline *rl)
{
    g_string_truncate(rl->line, 0);
    rl->cursor = 0;
    rl->state = STATE_PLAIN;
    rl->was_cr = false;
    rl->at = rl->history->len;
}

static void remember(RhReadline *rl, const char *line)
{
    const char *last = rl->history->len ? rl->history->pdata[rl->history->len - 1] : NULL;

    if (line[0] && g_strcmp0(last, line) != 0) {
        if (rl->history->len == RH_READLINE_HISTORY) {
            g_ptr_array_remove_index(rl->history, 0);
        }
        g_ptr_array_add(rl->history, g_strdup(line));
    }
}

static void enter(RhReadline *rl)
{
    g_autofree char *line = g_strdup(rl->line->str);

    print(rl, "\r\n");
    remember(rl, line);
    rh_readline_reset(rl);
    rl->ops->line(rl->opaque, line);
}

static void insert(RhReadline *rl, const char *text)
{
    gsize len = strlen(text);

    if (rl->line->len + len > RH_READLINE_MAX) {
        return;
    }
    g_string_insert(rl->line, (gssize)rl->cursor, text);
    rl->cursor += len;
    if (rl->cursor == rl->line->len) {
        print(rl, text);
    } else {
        redraw(rl);
    }
}

static void erase(RhReadline *rl, gsize from, gsize to)
{
    if (from < to && to <= rl->line->len) {
        g_string_erase(rl->line, (gssize)from, (gssize)(to - from));
        rl->cursor = from;
        redraw(rl);
    }
}

static void move(RhReadline *rl, gsize cursor)
{
    if (cursor <= rl->line->len && cursor != rl->cursor) {
        rl->cursor = cursor;
        redraw(rl);
    }
}

static gsize word_start(const RhReadline *rl)
{
    gsize at = rl->cursor;

    while (at && rl->line->str[at - 1] == ' ') {
        at--;
    }
    while (at && rl->line->str[at - 1] != ' ') {
        at--;
    }
    return at;
}

static void recall(RhReadline *rl, int step)
{
    unsigned nr = rl->history->len;

    if ((step < 0 && !rl->at) || (step > 0 && rl->at >= nr)) {
        return;
    }
    if (rl->at == nr) {
        g_free(rl->draft);
        rl->draft = g_strdup(rl->line->str);
    }
    rl->at += step;
    g_string_assign(rl->line, rl->at < nr ? rl->history->pdata[rl->at] : rl->draft);
    rl->cursor = rl->line->len;
    redraw(rl);
}

/* --- completion --- */

static gsize common_prefix(char **names)
{
    gsize len = strlen(names[0]);

    for (unsigned i = 1; names[i]; i++) {
        gsize k = 0;

        while (k < len && names[i][k] == names[0][k]) {
            k++;
        }
        len = k;
    }
    return len;
}

static void complete(RhReadline *rl)
{
    g_autofree char *before = g_strndup(rl->line->str, rl->cursor);
    g_auto(GStrv) names = rl->ops->complete(rl->opaque, before);
    const char *space = strrchr(before, ' ');
    gsize typed = strlen(space ? space + 1 : before);

    if (!names || !names[0]) {
        return;
    }
    gsize common = common_prefix(names);

    if (common > typed || !names[1]) {
        g_autofree char *rest = g_strdup_printf("%.*s%s", (int)(common - MIN(common, typed)), names[0] + MIN(common, typed),
                                                names[1] ? "" : " ");

        insert(rl, rest);
        return;
    }
    print(rl, "\r\n");
    for (unsigned i = 0; names[i]; i++) {
        print(rl, names[i]);
        print(rl, names[i + 1] ? "  " : "\r\n");
    }
    redraw(rl);
}

/* --- bytes --- */

static void key(RhReadline *rl, char letter)
{
    switch (letter) {
    case 'A': recall(rl, -1); break;
    case 'B': recall(rl, 1); break;
    case 'C': move(rl, rl->cursor + 1); break;
    case 'D': move(rl, rl->cursor ? rl->cursor - 1 : 0); break;
    case 'H': move(rl, 0); break;
    case 'F': move(rl, rl->line->len); break;
    case '~':
        if (rl->csi == 1 || rl->csi == 7) {
            move(rl, 0);
        } else if (rl->csi == 4 || rl->csi == 8) {
            move(rl, rl->line->len);
        } else if (rl->csi == 3) {
            erase(rl, rl->cursor, rl->cursor + 1);
        }
        break;
    default: break;
    }
}

static void plain(RhReadline *rl, uint8_t byte)
{
    char text[2] = { (char)byte, '\0' };

    switch (byte) {
    case CR:
    case LF: enter(rl); break;
    case TAB: complete(rl); break;
    case ESC: rl->state = STATE_ESC; break;
    case BACKSPACE:
    case CTRL_H: erase(rl, rl->cursor ? rl->cursor - 1 : 0, rl->cursor); break;
    case CTRL_A: move(rl, 0); break;
    case CTRL_E: move(rl, rl->line->len); break;
    case CTRL_B: key(rl, 'D'); break;
    case CTRL_F: key(rl, 'C'); break;
    case CTRL_P: key(rl, 'A'); break;
    case CTRL_N: key(rl, 'B'); break;
    case CTRL_D: erase(rl, rl->cursor, rl->cursor + 1); break;
    case CTRL_K: erase(rl, rl->cursor, rl->line->len); break;
    case CTRL_U: erase(rl, 0, rl->cursor); break;
    case CTRL_W: erase(rl, word_start(rl), rl->cursor); break;
    case CTRL_L:
        print(rl, "\033[2J\033[H");
        redraw(rl);
        break;
    default:
        if (byte >= ' ') {
            insert(rl, text);
        }
        break;
    }
}

void rh_readline_feed(RhReadline *rl, uint8_t byte)
{
    if (rl->was_cr && byte == LF) {
        rl->was_cr = false;
        return;
    }
    switch (rl->state) {
    case STATE_PLAIN: plain(rl, byte); break;
    case STATE_ESC:
        rl->state = byte == '[' ? STATE_CSI : byte == 'O' ? STATE_SS3 : STATE_PLAIN;
        rl->csi = 0;
        break;
    case STATE_SS3:
        rl->state = STATE_PLAIN;
        key(rl, (char)byte);
        break;
    default:
        if (byte >= '0' && byte <= '9') {
            rl->csi = MIN(rl->csi * 10 + (byte - '0'), 1000);
        } else if (byte != ';') {
            rl->state = STATE_PLAIN;
            key(rl, (char)byte);
        }
        break;
    }
    rl->was_cr = byte == CR;    /* after enter, which begins anew */
}
