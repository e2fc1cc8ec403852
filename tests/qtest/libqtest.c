/*
 * Drives the program over its qtest and QMP sockets.
 */
#include "libqtest.h"
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NR_PINS = 64, TIMEOUT_S = 30 };

typedef struct Stream {
    int listener;
    int fd;
    char *path;
    GString *pending;
} Stream;

struct Qtest {
    GPid pid;
    char *dir;
    Stream qtest;
    Stream qmp;
    GString *answer;
    GQueue events;          /* not asked for yet: json_object */
    bool irq[NR_PINS];
};

/* --- sockets --- */

static void stream_listen(Stream *stream, const char *dir, const char *name)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    stream->path = g_build_filename(dir, name, NULL);
    stream->pending = g_string_new(NULL);
    stream->fd = -1;
    g_assert_cmpuint(g_strlcpy(addr.sun_path, stream->path, sizeof(addr.sun_path)), <, sizeof(addr.sun_path));
    stream->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(stream->listener, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(listen(stream->listener, 1), ==, 0);
}

/* The program connects; waiting has an end, so that a program that does not start fails the test. */
static void stream_accept(Stream *stream)
{
    struct timeval limit = { .tv_sec = TIMEOUT_S };

    setsockopt(stream->listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    stream->fd = accept4(stream->listener, NULL, NULL, SOCK_CLOEXEC);
    if (stream->fd < 0) {
        g_error("the program did not connect to %s: %s", stream->path, g_strerror(errno));
    }
    setsockopt(stream->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void stream_send(Stream *stream, const char *text, size_t len)
{
    while (len) {
        ssize_t sent = send(stream->fd, text, len, MSG_NOSIGNAL);

        g_assert_cmpint(sent, >, 0);
        text += sent;
        len -= (size_t)sent;
    }
}

/* The next line, without its newline; g_free it. */
static char *stream_line(Stream *stream)
{
    char *end;
    char *line;
    char buf[4096];

    while (!(end = memchr(stream->pending->str, '\n', stream->pending->len))) {
        ssize_t got = recv(stream->fd, buf, sizeof(buf), 0);

        if (got <= 0) {
            g_error("the program said nothing more on %s", stream->path);
        }
        g_string_append_len(stream->pending, buf, got);
    }
    line = g_strndup(stream->pending->str, (gsize)(end - stream->pending->str));
    g_string_erase(stream->pending, 0, end - stream->pending->str + 1);
    return line;
}

static void stream_end(Stream *stream)
{
    close(stream->fd);
    close(stream->listener);
    g_unlink(stream->path);
    g_free(stream->path);
    g_string_free(stream->pending, TRUE);
}

/* --- qtest --- */

/* "IRQ raise 4" and "IRQ lower 4" come between answers. */
static bool take_irq(Qtest *q, const char *line)
{
    bool is_up = g_str_has_prefix(line, "IRQ raise ");
    unsigned pin;

    if (!is_up && !g_str_has_prefix(line, "IRQ lower ")) {
        return false;
    }
    pin = (unsigned)g_ascii_strtoull(line + strlen("IRQ raise "), NULL, 0);
    if (pin < NR_PINS) {
        q->irq[pin] = is_up;
    }
    return true;
}

const char *qtest_command(Qtest *q, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    stream_send(&q->qtest, text, strlen(text));
    stream_send(&q->qtest, "\n", 1);
    do {
        g_free(line);
        line = stream_line(&q->qtest);
    } while (take_irq(q, line));
    if (!g_str_has_prefix(line, "OK")) {
        g_error("'%s' was answered '%s'", text, line);
    }
    g_string_assign(q->answer, line[2] ? line + 3 : "");
    return q->answer->str;
}

static uint64_t value_of(const char *answer)
{
    return g_ascii_strtoull(answer, NULL, 0);
}

uint8_t qtest_inb(Qtest *q, uint16_t port)
{
    return (uint8_t)value_of(qtest_command(q, "inb 0x%x", port));
}

uint16_t qtest_inw(Qtest *q, uint16_t port)
{
    return (uint16_t)value_of(qtest_command(q, "inw 0x%x", port));
}

uint32_t qtest_inl(Qtest *q, uint16_t port)
{
    return (uint32_t)value_of(qtest_command(q, "inl 0x%x", port));
}

void qtest_outb(Qtest *q, uint16_t port, uint8_t value)
{
    qtest_command(q, "outb 0x%x 0x%x", port, value);
}

void qtest_outw(Qtest *q, uint16_t port, uint16_t value)
{
    qtest_command(q, "outw 0x%x 0x%x", port, value);
}

void qtest_outl(Qtest *q, uint16_t port, uint32_t value)
{
    qtest_command(q, "outl 0x%x 0x%x", port, value);
}

uint8_t qtest_readb(Qtest *q, uint64_t addr)
{
    return (uint8_t)value_of(qtest_command(q, "readb 0x%" G_GINT64_MODIFIER "x", addr));
}

uint16_t qtest_readw(Qtest *q, uint64_t addr)
{
    return (uint16_t)value_of(qtest_command(q, "readw 0x%" G_GINT64_MODIFIER "x", addr));
}

void qtest_writeb(Qtest *q, uint64_t addr, uint8_t value)
{
    qtest_command(q, "writeb 0x%" G_GINT64_MODIFIER "x 0x%x", addr, value);
}

void qtest_writew(Qtest *q, uint64_t addr, uint16_t value)
{
    qtest_command(q, "writew 0x%" G_GINT64_MODIFIER "x 0x%x", addr, value);
}

uint32_t qtest_readl(Qtest *q, uint64_t addr)
{
    return (uint32_t)value_of(qtest_command(q, "readl 0x%" G_GINT64_MODIFIER "x", addr));
}

uint64_t qtest_readq(Qtest *q, uint64_t addr)
{
    return value_of(qtest_command(q, "readq 0x%" G_GINT64_MODIFIER "x", addr));
}

void qtest_writel(Qtest *q, uint64_t addr, uint32_t value)
{
    qtest_command(q, "writel 0x%" G_GINT64_MODIFIER "x 0x%x", addr, value);
}

void qtest_writeq(Qtest *q, uint64_t addr, uint64_t value)
{
    qtest_command(q, "writeq 0x%" G_GINT64_MODIFIER "x 0x%" G_GINT64_MODIFIER "x", addr, value);
}

void qtest_memread(Qtest *q, uint64_t addr, void *buf, size_t len)
{
    gsize got;
    g_autofree guchar *bytes = NULL;

    bytes = g_base64_decode(qtest_command(q, "b64read 0x%" G_GINT64_MODIFIER "x 0x%zx", addr, len), &got);
    g_assert_cmpuint(got, ==, len);
    memcpy(buf, bytes, len);
}

void qtest_memwrite(Qtest *q, uint64_t addr, const void *buf, size_t len)
{
    g_autofree char *text = g_base64_encode(buf, len);

    qtest_command(q, "b64write 0x%" G_GINT64_MODIFIER "x 0x%zx %s", addr, len, text);
}

int64_t qtest_clock_step(Qtest *q, int64_t ns)
{
    return (int64_t)value_of(qtest_command(q, "clock_step %" G_GINT64_FORMAT, ns));
}

void qtest_intercept_in(Qtest *q, const char *path)
{
    qtest_command(q, "irq_intercept_in %s", path);
}

bool qtest_irq(Qtest *q, unsigned pin)
{
    g_assert_cmpuint(pin, <, NR_PINS);
    qtest_command(q, "endianness");     /* all that was announced before is read with it */
    return q->irq[pin];
}

/* --- QMP --- */

json_object *qtest_qmp(Qtest *q, const char *json)
{
    /* In one piece: "quit" is carried out at its last brace, and a line end sent after it would meet a closed socket. */
    g_autofree char *request = g_strconcat(json, "\n", NULL);

    stream_send(&q->qmp, request, strlen(request));
    for (;;) {
        g_autofree char *line = stream_line(&q->qmp);
        json_object *answer = json_tokener_parse(line);

        g_assert_nonnull(answer);
        if (!json_object_object_get_ex(answer, "event", NULL)) {
            return answer;
        }
        g_queue_push_tail(&q->events, answer);
    }
}

void qtest_ok(Qtest *q, const char *json)
{
    json_object *answer = qtest_qmp(q, json);

    if (!json_object_object_get_ex(answer, "return", NULL)) {
        g_error("'%s' was answered '%s'", json, json_object_to_json_string(answer));
    }
    json_object_put(answer);
}

json_object *qtest_event(Qtest *q, const char *name)
{
    for (;;) {
        json_object *event = g_queue_pop_head(&q->events);
        json_object *is;

        if (!event) {
            g_autofree char *line = stream_line(&q->qmp);

            event = json_tokener_parse(line);
        }
        g_assert_true(json_object_object_get_ex(event, "event", &is));
        if (strcmp(json_object_get_string(is), name) == 0) {
            return event;
        }
        json_object_put(event);
    }
}

void qtest_reset(Qtest *q)
{
    qtest_ok(q, "{\"execute\": \"system_reset\"}");
    json_object_put(qtest_event(q, "RESET"));
}

/* --- life --- */

static void greet(Qtest *q)
{
    g_autofree char *greeting = stream_line(&q->qmp);
    json_object *answer;

    g_assert_nonnull(strstr(greeting, "\"QMP\""));
    answer = qtest_qmp(q, "{\"execute\": \"qmp_capabilities\"}");
    g_assert_true(json_object_object_get_ex(answer, "return", NULL));
    json_object_put(answer);
    g_assert_cmpstr(qtest_command(q, "endianness"), ==, "little");
}

/* In the child: a test that fails must not leave the program behind. */
static void end_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

Qtest *qtest_start(const char *args)
{
    Qtest *q = g_new0(Qtest, 1);
    const char *binary = g_getenv("QTEST_BINARY");
    g_autofree char *line = NULL;
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) err = NULL;

    g_assert_nonnull(binary);
    q->answer = g_string_new(NULL);
    q->dir = g_dir_make_tmp("rhea-qtest-XXXXXX", &err);
    g_assert_no_error(err);
    stream_listen(&q->qtest, q->dir, "qtest");
    stream_listen(&q->qmp, q->dir, "qmp");
    line = g_strdup_printf("%s -qtest unix:%s -qtest-log /dev/null -chardev socket,path=%s,id=char0 "
                           "-mon chardev=char0,mode=control -display none %s -accel qtest",
                           binary, q->qtest.path, q->qmp.path, args);
    g_assert_true(g_shell_parse_argv(line, NULL, &argv, &err));
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, end_with_parent, NULL, &q->pid, &err);
    g_assert_no_error(err);
    stream_accept(&q->qtest);
    stream_accept(&q->qmp);
    greet(q);
    return q;
}

static void json_free(gpointer object)
{
    json_object_put(object);
}

int qtest_exited(Qtest *q)
{
    int status;

    g_assert_cmpint(waitpid(q->pid, &status, 0), ==, q->pid);
    g_assert_true(WIFEXITED(status));
    status = WEXITSTATUS(status);
    stream_end(&q->qtest);
    stream_end(&q->qmp);
    g_queue_clear_full(&q->events, json_free);
    g_rmdir(q->dir);
    g_free(q->dir);
    g_string_free(q->answer, TRUE);
    g_free(q);
    return status;
}

void qtest_quit(Qtest *q)
{
    json_object_put(qtest_qmp(q, "{\"execute\": \"quit\"}"));
    g_assert_cmpint(qtest_exited(q), ==, 0);
}

void qtest_refused(const char *args, const char *why)
{
    g_autofree char *line = g_strdup_printf("%s -accel qtest -display none %s", g_getenv("QTEST_BINARY"), args);
    g_autofree char *said = NULL;
    g_autoptr(GError) err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(line, NULL, &said, &status, &err));
    g_assert_no_error(err);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    if (!strstr(said, why)) {
        g_error("'%s' said '%s' and not '%s'", args, said, why);
    }
}
