/*
 * A session of the human monitor. On a shared back-end the greeting waits until input comes here.
 */
#include "monitor/hmp.h"
#include "monitor/private.h"
#include "monitor/readline.h"
#include "qapi-commands.h"

enum { INPUT_CHUNK = 512, QUIET_ABOVE = 256 * 1024 };

struct RhHmpSession {
    RhVm *vm;
    RhCharUser user;
    RhReadline *readline;
    int64_t cpu;
    bool is_open;
    bool is_greeted;
    bool is_out;            /* another front-end has the focus */
};

static void print(void *opaque, const char *text)
{
    RhHmpSession *session = opaque;

    rh_char_write_all(&session->user, text, strlen(text));
}

static void run_line(void *opaque, const char *line)
{
    RhHmpSession *session = opaque;
    g_autoptr(GString) out = g_string_new(NULL);
    RhHmp hmp = {
        .vm = session->vm, .out = out, .cpu = session->cpu, .history = rh_readline_history(session->readline),
    };

    rh_hmp_execute(&hmp, line);
    session->cpu = hmp.cpu;
    g_string_replace(out, "\n", "\r\n", 0);
    print(session, out->str);
    rh_readline_show(session->readline);
}

static char **complete(void *opaque, const char *line)
{
    return rh_hmp_complete(((RhHmpSession *)opaque)->vm, line);
}

static const RhReadlineOps readline_ops = { .print = print, .line = run_line, .complete = complete };

static void greet(void *opaque)
{
    RhHmpSession *session = opaque;
    g_autoptr(QmpVersionInfo) version = qmp_query_version(session->vm, NULL);
    g_autofree char *text = NULL;

    if (!session->is_open || session->is_greeted || !rh_char_has_focus(&session->user)) {
        return;
    }
    session->is_greeted = true;
    text = g_strdup_printf("QEMU %d.%d.%d monitor - type 'help' for more information\r\n", (int)version->qemu->major,
                           (int)version->qemu->minor, (int)version->qemu->micro);
    print(session, text);
    rh_readline_show(session->readline);
}

static size_t session_can_receive(void *opaque)
{
    const RhHmpSession *session = opaque;

    return rh_char_pending(&session->user) > QUIET_ABOVE ? 0 : INPUT_CHUNK;
}

static void has_room(void *opaque)
{
    rh_char_accept_input(&((RhHmpSession *)opaque)->user);
}

static void session_receive(void *opaque, const uint8_t *buf, size_t len)
{
    RhHmpSession *session = opaque;

    for (size_t i = 0; i < len; i++) {
        rh_readline_feed(session->readline, buf[i]);
    }
    if (rh_char_pending(&session->user) > QUIET_ABOVE) {
        rh_char_on_writable(&session->user, has_room, session);
    }
}

static void session_event(void *opaque, RhCharEvent event)
{
    RhHmpSession *session = opaque;

    switch (event) {
    case RH_CHAR_OPENED:
    case RH_CHAR_CLOSED:
        session->is_open = event == RH_CHAR_OPENED;
        session->is_greeted = false;
        rh_readline_reset(session->readline);
        /* Later, for at start-up a serial port may still take the focus. */
        rh_loop_post(session->vm->loop, greet, session);
        break;
    case RH_CHAR_MUX_IN:
        if (session->is_greeted && session->is_out) {
            print(session, "\r\n");
            rh_readline_show(session->readline);
        }
        session->is_out = false;
        greet(session);
        break;
    case RH_CHAR_MUX_OUT:
        session->is_out = true;
        if (session->is_greeted) {
            print(session, "\r\n");
        }
        break;
    default: break;
    }
}

static const RhCharUserOps session_ops = {
    .can_receive = session_can_receive,
    .receive = session_receive,
    .event = session_event,
    .yields_focus = true,
};

bool rh_hmp_session_open(RhVm *vm, RhChardev *chr, GError **err)
{
    RhHmpSession *session = g_new0(RhHmpSession, 1);

    session->vm = vm;
    session->readline = rh_readline_new("(qemu) ", &readline_ops, session);
    if (!rh_char_attach(&session->user, chr, &session_ops, session, err)) {
        rh_hmp_session_free(session);
        return false;
    }
    g_ptr_array_add(rh_monitor_room(vm)->hmp, session);
    return true;
}

void rh_hmp_session_free(RhHmpSession *session)
{
    rh_char_detach(&session->user);
    rh_readline_free(session->readline);
    g_free(session);
}
