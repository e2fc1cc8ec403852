/*
 * mux - several front-ends share one back-end. Output of all goes there; input goes to the one in focus,
 * which a person changes by the escape byte (Ctrl-A unless -echr says otherwise) and a letter.
 */
#include "chardev/open.h"
#include "chardev/private.h"
#include "softmmu/runstate.h"
#include "util/clock.h"

enum { INBOX_ENOUGH = 32 };

typedef struct MuxChar {
    RhChardev parent;
    RhCharUser base;
    bool is_escaped;            /* the escape byte came; a letter follows */
    bool has_timestamps;
    bool is_line_start;
    int64_t start_ns;           /* of the timestamps */
} MuxChar;

static void print(MuxChar *mux, const char *text)
{
    rh_char_write_all(&mux->base, text, strlen(text));
}

static void show_help(MuxChar *mux)
{
    uint8_t escape = rh_chr_room_of(mux->parent.obj.vm)->escape;
    g_autofree char *name = escape > 0 && escape < 27 ? g_strdup_printf("C-%c", escape - 1 + 'a')
                                                      : g_strdup_printf("Escape-Char=0x%02x", escape);
    static const char *const rows[][2] = {
        { "h", "print this help" },
        { "x", "exit emulator" },
        { "s", "save disk data back to file (if -snapshot)" },
        { "t", "toggle console timestamps" },
        { "b", "send break (magic sysrq)" },
        { "c", "switch between console and monitor" },
    };

    print(mux, "\n\r");
    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        g_autofree char *line = g_strdup_printf("%s %s    %s\n\r", name, rows[i][0], rows[i][1]);

        print(mux, line);
    }
    g_autofree char *last = g_strdup_printf("%s %s  sends %s\n\r", name, name, name);

    print(mux, last);
}

static void next_focus(MuxChar *mux)
{
    RhChardev *chr = &mux->parent;

    for (unsigned i = 1; i < RH_CHAR_MAX_USERS; i++) {
        unsigned index = (chr->focus + i) % RH_CHAR_MAX_USERS;

        if (chr->users[index]) {
            rh_chr_set_focus(chr, index);
            return;
        }
    }
}

static void command(MuxChar *mux, uint8_t letter)
{
    switch (letter) {
    case 'h':
    case '?': show_help(mux); break;
    case 'x':
        print(mux, "Rhea: Terminated\n\r");
        rh_request_shutdown(mux->parent.obj.vm, QMP_SHUTDOWN_CAUSE_HOST_UI);
        break;
    case 'b': rh_chr_event(&mux->parent, RH_CHAR_BREAK); break;
    case 'c': next_focus(mux); break;
    case 't':
        mux->has_timestamps = !mux->has_timestamps;
        mux->start_ns = rh_clock_now(rh_clock_real());
        mux->is_line_start = false;
        break;
    default: break;     /* 's': there is never anything unsaved */
    }
}

/* --- as the user of the base --- */

static size_t base_can_receive(void *opaque)
{
    MuxChar *mux = opaque;

    /* Escapes must come through when the front-end takes nothing, so some bytes are always taken. */
    return mux->parent.inbox->len < INBOX_ENOUGH ? INBOX_ENOUGH - mux->parent.inbox->len : 0;
}

static void base_receive(void *opaque, const uint8_t *buf, size_t len)
{
    MuxChar *mux = opaque;
    uint8_t escape = rh_chr_room_of(mux->parent.obj.vm)->escape;

    for (size_t i = 0; i < len; i++) {
        if (mux->is_escaped) {
            mux->is_escaped = false;
            if (buf[i] != escape) {
                command(mux, buf[i]);
                continue;
            }
        } else if (buf[i] == escape) {
            mux->is_escaped = true;
            continue;
        }
        rh_chr_receive(&mux->parent, &buf[i], 1);
    }
}

static void base_event(void *opaque, RhCharEvent event)
{
    MuxChar *mux = opaque;

    if (event == RH_CHAR_OPENED || event == RH_CHAR_CLOSED) {
        rh_chr_set_open(&mux->parent, event == RH_CHAR_OPENED);
    } else if (event == RH_CHAR_BREAK) {
        rh_chr_event(&mux->parent, event);
    }
}

static const RhCharUserOps base_ops = {
    .can_receive = base_can_receive, .receive = base_receive, .event = base_event,
};

/* --- as a back-end --- */

static bool mux_open(RhChardev *chr, const void *options, GError **err)
{
    MuxChar *mux = RH_SELF(MuxChar, chr);
    const char *id = ((const QmpChardevMux *)options)->chardev;
    RhChardev *base = rh_char_find(chr->obj.vm, id, err);

    if (base == chr) {      /* it has its name already */
        return rh_fail(err, "Chardev '%s' not found", id);
    }
    return base && rh_char_attach(&mux->base, base, &base_ops, mux, err);
}

static void mux_close(RhChardev *chr)
{
    rh_char_detach(&RH_SELF(MuxChar, chr)->base);
}

static void stamp(MuxChar *mux)
{
    int64_t ms = (rh_clock_now(rh_clock_real()) - mux->start_ns) / 1000000;
    g_autofree char *text = g_strdup_printf("[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000), (int)(ms / 60000 % 60),
                                            (int)(ms / 1000 % 60), (int)(ms % 1000));

    print(mux, text);
}

static size_t mux_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    MuxChar *mux = RH_SELF(MuxChar, chr);

    if (!mux->has_timestamps) {
        return rh_char_write(&mux->base, buf, len);
    }
    for (size_t i = 0; i < len; i++) {
        if (mux->is_line_start) {
            stamp(mux);
        }
        mux->is_line_start = buf[i] == '\n';
        rh_char_write_all(&mux->base, &buf[i], 1);
    }
    return len;
}

static void base_writable(void *opaque)
{
    rh_chr_has_room(opaque);
}

static void mux_settle(RhChardev *chr)
{
    MuxChar *mux = RH_SELF(MuxChar, chr);

    rh_char_on_writable(&mux->base, rh_chr_wants_room(chr) ? base_writable : NULL, mux);
    rh_char_accept_input(&mux->base);
}

static void mux_set_serial(RhChardev *chr, const RhSerialParams *params)
{
    rh_char_set_serial(&RH_SELF(MuxChar, chr)->base, params);
}

static void mux_set_break(RhChardev *chr, bool is_on)
{
    rh_char_set_break(&RH_SELF(MuxChar, chr)->base, is_on);
}

static int mux_take_fd(RhChardev *chr)
{
    return rh_char_take_fd(&RH_SELF(MuxChar, chr)->base);
}

RH_CHARDEV(MuxChar, .name = "chardev-mux", .doc = "Several front-ends on one back-end", .open = mux_open,
           .close = mux_close, .max_users = RH_CHAR_MAX_USERS, .write = mux_write, .settle = mux_settle,
           .set_serial = mux_set_serial, .set_break = mux_set_break, .take_fd = mux_take_fd);
