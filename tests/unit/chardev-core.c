/*
 * Character devices and their back-ends, in one process.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "chardev/open.h"
#include "chardev/telnet.h"
#include "qapi-commands.h"
#include "softmmu/fds.h"
#include "util/json.h"

/* A front-end that takes what it is told to and remembers everything. */
typedef struct Front {
    RhCharUser user;
    GString *got;
    GString *events;        /* a letter each */
    size_t room;
} Front;

typedef struct Fixture {
    RhVm *vm;
    char *dir;
    Front front, other;
} Fixture;

static size_t front_can_receive(void *opaque)
{
    return ((Front *)opaque)->room;
}

static void front_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Front *front = opaque;

    g_assert_cmpuint(len, <=, front->room);
    g_string_append_len(front->got, (const char *)buf, len);
}

static void front_event(void *opaque, RhCharEvent event)
{
    g_string_append_c(((Front *)opaque)->events, "OCBio"[event]);
}

static const RhCharUserOps front_ops = {
    .can_receive = front_can_receive, .receive = front_receive, .event = front_event,
};
static const RhCharUserOps moving_ops = {
    .can_receive = front_can_receive, .receive = front_receive, .event = front_event, .can_move = true,
};

static void set_up(Fixture *f, const void *opaque)
{
    f->vm = rh_vm_new(NULL);
    f->dir = g_dir_make_tmp("rhea-XXXXXX", NULL);
    f->front = (Front){ .got = g_string_new(NULL), .events = g_string_new(NULL), .room = 4096 };
    f->other = (Front){ .got = g_string_new(NULL), .events = g_string_new(NULL), .room = 4096 };
    rh_lock(&f->vm->lock);
}

static void tear_down(Fixture *f, const void *opaque)
{
    Front *fronts[] = { &f->front, &f->other };

    rh_unlock(&f->vm->lock);
    for (int i = 0; i < 2; i++) {
        rh_char_detach(&fronts[i]->user);
        g_string_free(fronts[i]->got, TRUE);
        g_string_free(fronts[i]->events, TRUE);
    }
    rh_vm_free(f->vm);
    g_assert_cmpint(g_rmdir(f->dir), ==, 0);    /* nothing is left in it */
    g_free(f->dir);
}

static char *path_in(Fixture *f, const char *name)
{
    return g_build_filename(f->dir, name, NULL);
}

static void turns(Fixture *f)
{
    for (int i = 0; i < 20; i++) {
        rh_loop_turn(f->vm->loop, false);
    }
}

static RhChardev *open_spec(Fixture *f, const char *id, const char *spec)
{
    GError *err = NULL;
    RhChardev *chr = rh_char_open_spec(f->vm, id, spec, true, &err);

    g_assert_no_error(err);
    return chr;
}

static void attach(Front *front, RhChardev *chr)
{
    GError *err = NULL;

    rh_char_attach(&front->user, chr, &front_ops, front, &err);
    g_assert_no_error(err);
}

static RhChardev *open_json(Fixture *f, const char *format, ...) G_GNUC_PRINTF(2, 3);
static RhChardev *open_json(Fixture *f, const char *format, ...)
{
    GError *err = NULL;
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autoptr(RhJson) options = rh_json_parse(text, NULL);
    RhChardev *chr = rh_char_open_options(f->vm, options, &err);

    g_assert_no_error(err);
    return chr;
}

static int pair_client(Fixture *f, const char *id)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    rh_fd_put(f->vm, id, pair[1], NULL);
    open_json(f, "{\"backend\":\"socket\",\"id\":\"%s\",\"fd\":\"%s\"}", id, id);
    return pair[0];
}

static void send_text(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}

static char *receive_text(int fd)
{
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf));

    return g_strndup(buf, n > 0 ? n : 0);
}

static void expect_text(int fd, const char *text)
{
    g_autofree char *got = receive_text(fd);

    g_assert_cmpstr(got, ==, text);
}

/* --- flow --- */

static void test_flow(Fixture *f, const void *opaque)
{
    int fd = pair_client(f, "c");

    attach(&f->front, rh_char_find(f->vm, "c", NULL));
    g_assert_true(g_str_has_prefix(f->front.events->str, "O"));
    f->front.room = 3;
    send_text(fd, "abcdefgh");
    rh_loop_turn(f->vm->loop, false);
    turns(f);
    f->front.room = 0;
    g_string_truncate(f->front.got, 0);
    send_text(fd, "12345");
    turns(f);
    g_assert_cmpstr(f->front.got->str, ==, "");
    f->front.room = 100;
    rh_char_accept_input(&f->front.user);
    turns(f);
    g_assert_cmpstr(f->front.got->str, ==, "12345");
    g_assert_cmpuint(rh_char_write(&f->front.user, "out", 3), ==, 3);
    expect_text(fd, "out");
    close(fd);
    turns(f);
    g_assert_true(g_str_has_suffix(f->front.events->str, "C"));
    g_assert_cmpuint(rh_char_write(&f->front.user, "lost", 4), ==, 4);
}

/* What a client sent before it left arrives although the front-end is slow, and the next one is let in. */
static void test_hangup_keeps_bytes(Fixture *f, const void *opaque)
{
    int fd = pair_client(f, "c");

    attach(&f->front, rh_char_find(f->vm, "c", NULL));
    f->front.room = 0;
    send_text(fd, "last words");
    close(fd);
    turns(f);
    g_assert_true(g_str_has_suffix(f->front.events->str, "C"));
    f->front.room = 4;
    rh_char_accept_input(&f->front.user);
    turns(f);
    g_assert_cmpstr(f->front.got->str, ==, "last words");
}

static void count(void *opaque)
{
    ++*(int *)opaque;
}

static void test_full(Fixture *f, const void *opaque)
{
    int fd = pair_client(f, "c");
    g_autofree char *big = g_strnfill(1 << 20, 'x');
    int called = 0;
    size_t sent = 0;
    size_t taken;

    attach(&f->front, rh_char_find(f->vm, "c", NULL));
    while ((taken = rh_char_write(&f->front.user, big, 1 << 20))) {
        sent += taken;
    }
    g_assert_cmpuint(sent, >, 0);
    rh_char_on_writable(&f->front.user, count, &called);
    turns(f);
    g_assert_cmpint(called, ==, 0);
    rh_char_write_all(&f->front.user, "tail", 4);
    g_assert_cmpuint(rh_char_pending(&f->front.user), ==, 4);
    while (!called) {
        g_autofree char *piece = receive_text(fd);

        sent -= strlen(piece);
        rh_loop_turn(f->vm->loop, false);
    }
    g_assert_cmpuint(rh_char_pending(&f->front.user), ==, 0);
    close(fd);
}

static void test_in_use(Fixture *f, const void *opaque)
{
    RhChardev *chr = open_spec(f, "n", "null");
    g_autoptr(GError) err = NULL;

    attach(&f->front, chr);
    g_assert_false(rh_char_attach(&f->other.user, chr, &front_ops, &f->other, &err));
    g_assert_cmpstr(err->message, ==, "Chardev 'n' is in use");
    g_assert_false(rh_char_remove(f->vm, "n", NULL));
    rh_char_detach(&f->front.user);
    attach(&f->other, chr);
    rh_char_detach(&f->other.user);
    g_assert_true(rh_char_remove(f->vm, "n", NULL));
    g_assert_null(rh_char_find(f->vm, "n", NULL));
}

/* --- back-ends --- */

static int connect_unix(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    g_strlcpy(at.sun_path, path, sizeof(at.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&at, sizeof(at)), ==, 0);
    return fd;
}

static void test_server(Fixture *f, const void *opaque)
{
    g_autofree char *path = path_in(f, "s");
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,wait=off", path);
    RhChardev *chr = open_spec(f, "s", spec);
    g_autofree char *name = g_strdup_printf("unix:%s,server=on", path);
    g_autofree char *waiting = g_strconcat("disconnected:", name, NULL);

    attach(&f->front, chr);
    g_assert_cmpstr(f->front.events->str, ==, "");
    for (int i = 0; i < 2; i++) {
        g_assert_cmpstr(rh_char_filename(chr), ==, waiting);
        int fd = connect_unix(path);

        turns(f);
        g_assert_cmpstr(rh_char_filename(chr), ==, name);
        rh_char_write(&f->front.user, "hello", 5);
        expect_text(fd, "hello");
        close(fd);
        turns(f);
    }
    g_assert_cmpstr(f->front.events->str, ==, "OCOC");
}

static void test_client_reconnects(Fixture *f, const void *opaque)
{
    g_autofree char *path = path_in(f, "l");
    RhChardev *chr = open_json(f, "{\"backend\":\"socket\",\"id\":\"c\",\"path\":\"%s\",\"reconnect\":1}", path);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int fd;

    attach(&f->front, chr);
    turns(f);
    g_assert_cmpstr(f->front.events->str, ==, "");
    g_strlcpy(at.sun_path, path, sizeof(at.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&at, sizeof(at)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    while ((fd = accept(listener, NULL, NULL)) < 0) {
        rh_loop_turn(f->vm->loop, true);    /* the retry timer */
    }
    turns(f);
    g_assert_cmpstr(f->front.events->str, ==, "O");
    close(fd);
    close(listener);
    unlink(path);
}

static void test_tcp(Fixture *f, const void *opaque)
{
    RhChardev *chr = open_spec(f, "t", "telnet:127.0.0.1:0,server,nowait");
    const char *port = strrchr(rh_char_filename(chr), ':');
    const char *text = rh_char_filename(chr);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char hello[sizeof(rh_telnet_hello)];

    g_assert_true(g_str_has_prefix(text, "disconnected:telnet:127.0.0.1:"));
    at.sin_port = htons(g_ascii_strtoull(port + 1, NULL, 10));
    attach(&f->front, chr);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&at, sizeof(at)), ==, 0);
    turns(f);
    g_assert_cmpint(read(fd, hello, sizeof(hello)), ==, sizeof(hello));
    g_assert_cmpint(memcmp(hello, rh_telnet_hello, sizeof(hello)), ==, 0);
    g_assert_cmpint(write(fd, "a\xff\xfd\x01z\xff\xff!\xff\xf3", 10), ==, 10);
    turns(f);
    g_assert_cmpstr(f->front.got->str, ==, "az\xff!");
    g_assert_cmpstr(f->front.events->str, ==, "OB");
    g_assert_nonnull(strstr(rh_char_filename(chr), ",server=on <-> 127.0.0.1:"));
    close(fd);
}

static void test_file(Fixture *f, const void *opaque)
{
    g_autofree char *path = path_in(f, "out");
    g_autofree char *log = path_in(f, "log");
    g_autofree char *text = NULL;

    for (int i = 0; i < 2; i++) {
        attach(&f->front, open_json(f, "{\"backend\":\"file\",\"id\":\"f\",\"path\":\"%s\",\"append\":\"on\","
                                       "\"logfile\":\"%s\"}", path, log));
        rh_char_write(&f->front.user, "line\n", 5);
        rh_char_detach(&f->front.user);
        g_assert_true(rh_char_remove(f->vm, "f", NULL));
    }
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "line\nline\n");
    g_free(text);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "line\n");
    unlink(path);
    unlink(log);
}

static void test_pipe(Fixture *f, const void *opaque)
{
    g_autofree char *path = path_in(f, "p");
    g_autofree char *in = g_strconcat(path, ".in", NULL);
    g_autofree char *out = g_strconcat(path, ".out", NULL);
    g_autofree char *spec = g_strconcat("pipe:", path, NULL);

    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    attach(&f->front, open_spec(f, "p", spec));
    int to = open(in, O_WRONLY | O_NONBLOCK);
    int from = open(out, O_RDONLY | O_NONBLOCK);

    send_text(to, "in");
    turns(f);
    g_assert_cmpstr(f->front.got->str, ==, "in");
    rh_char_write(&f->front.user, "out", 3);
    expect_text(from, "out");
    close(to);
    close(from);
    unlink(in);
    unlink(out);
}

static void test_pty(Fixture *f, const void *opaque)
{
    RhChardev *chr = open_spec(f, "p", "pty");
    const char *path = rh_char_filename(chr) + strlen("pty:");
    int fd;

    attach(&f->front, chr);
    turns(f);
    g_assert_cmpstr(f->front.events->str, ==, "");
    g_assert_cmpuint(rh_char_write(&f->front.user, "nobody", 6), ==, 6);
    fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    g_assert_cmpint(fd, >=, 0);
    while (!f->front.events->len) {
        rh_loop_turn(f->vm->loop, true);
    }
    send_text(fd, "typed\r");
    for (int i = 0; i < 1000 && f->front.got->len < 6; i++) {
        rh_loop_turn(f->vm->loop, true);
    }
    g_assert_cmpstr(f->front.got->str, ==, "typed\r");
    rh_char_write(&f->front.user, "a\n", 2);
    expect_text(fd, "a\n");
    close(fd);
    while (f->front.events->len < 2) {
        rh_loop_turn(f->vm->loop, true);
    }
    g_assert_cmpstr(f->front.events->str, ==, "OC");
}

static void test_ringbuf(Fixture *f, const void *opaque)
{
    QmpRingbufReadArgs read_args = { .device = (char *)"r", .size = 100 };
    GError *err = NULL;

    attach(&f->front, open_json(f, "{\"backend\":\"memory\",\"id\":\"r\",\"size\":\"8\"}"));
    rh_char_write(&f->front.user, "0123456789", 10);
    g_autofree char *text = qmp_ringbuf_read(f->vm, &read_args, &err);

    g_assert_no_error(err);
    g_assert_cmpstr(text, ==, "23456789");
    g_autofree char *rest = qmp_ringbuf_read(f->vm, &read_args, &err);

    g_assert_cmpstr(rest, ==, "");
    read_args.size = 0;
    g_assert_null(qmp_ringbuf_read(f->vm, &read_args, &err));
    g_assert_cmpstr(err->message, ==, "size must be greater than zero");
    g_clear_error(&err);
}

static void test_mux(Fixture *f, const void *opaque)
{
    int fd = pair_client(f, "base");
    RhChardev *mux = open_json(f, "{\"backend\":\"mux\",\"id\":\"m\",\"chardev\":\"base\"}");

    attach(&f->front, mux);
    attach(&f->other, mux);
    send_text(fd, "one\001ctwo\001\001\001b");
    turns(f);
    g_assert_cmpstr(f->other.got->str, ==, "one");      /* the last one has the focus at first */
    g_assert_cmpstr(f->front.got->str, ==, "two\001");
    g_assert_true(g_str_has_suffix(f->front.events->str, "iB"));
    g_assert_true(g_str_has_suffix(f->other.events->str, "io"));
    rh_char_write(&f->front.user, "A", 1);
    rh_char_write(&f->other.user, "B", 1);
    expect_text(fd, "AB");
    /* Escapes work although the front-end takes nothing. */
    f->front.room = 0;
    rh_char_set_escape(f->vm, 2);
    send_text(fd, "xy\002cz");
    turns(f);
    g_assert_cmpstr(f->other.got->str, ==, "onez");
    close(fd);
}

static void test_mon(Fixture *f, const void *opaque)
{
    g_autofree char *path = path_in(f, "s");
    g_autofree char *spec = g_strdup_printf("mon:unix:%s,server,nowait", path);
    RhChardev *chr = open_spec(f, "serial0", spec);

    g_assert_cmpstr(rh_char_filename(chr), ==, "mux");
    g_assert_nonnull(rh_char_find(f->vm, "serial0-base", NULL));
    g_assert_true(open_spec(f, "again", "chardev:serial0") == chr);
}

static void test_bad_specs(Fixture *f, const void *opaque)
{
    static const char *const cases[][2] = {
        { "foo", "'foo' is not a valid char driver" },
        { "vc", "Character device 'vc' is not supported yet" },
        { "vc:80Cx24C", "Character device 'vc:80Cx24C' is not supported yet" },
        { "tcp:nowhere", "error parsing address 'nowhere': expected host:port" },
        { "chardev:x", "Chardev 'x' not found" },
        { "file:/no/such/dir/x", "Could not open '/no/such/dir/x': No such file or directory" },
        { "unix:/no/such/socket", "Failed to connect to '/no/such/socket': No such file or directory" },
        { "unix:", "chardev: socket: no socket address given: path, host and port, or fd" },
        { "unix:/tmp/x,server=maybe", "Parameter 'server' expects 'on' or 'off'" },
        { "tn3270:127.0.0.1:0,server=on", "websocket and tn3270 character devices are not supported yet" },
        { "/dev/null", "'/dev/null' is not a serial line" },
        { "/dev/fdset/7", "Could not open '/dev/fdset/7': No such file or directory" },
    };

    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(rh_char_open_spec(f->vm, "x", cases[i][0], true, &err));
        g_assert_cmpstr(err->message, ==, cases[i][1]);
        g_assert_null(rh_char_find(f->vm, "x", NULL));
    }
    g_autoptr(GError) err = NULL;

    g_assert_null(rh_char_open_spec(f->vm, "x", "mon:null", false, &err));
    g_assert_cmpstr(err->message, ==, "'mon:null': mon: cannot be used here");
}

static void test_telnet_pieces(void)
{
    static const uint8_t stream[] = "ab\xff\xfa\x18\x00xterm\xff\xf0" "c\xff\xff\xff\xfb\x01" "d";
    RhTelnet telnet = { 0 };
    g_autoptr(GString) got = g_string_new(NULL);
    int has_break;

    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        uint8_t byte = stream[i];

        if (rh_telnet_filter(&telnet, &byte, 1, &has_break)) {
            g_string_append_c(got, (char)byte);
        }
    }
    g_assert_cmpstr(got->str, ==, "abc\xff" "d");
}

static RhChardev *change(Fixture *f, const char *id, const char *backend, GError **err)
{
    g_autoptr(RhJson) json = rh_json_parse(backend, NULL);
    g_autoptr(QmpChardevBackend) parsed = qmp_chardev_backend_from_json(json, 0, NULL);

    g_assert_nonnull(parsed);
    return rh_char_change(f->vm, id, parsed, err);
}

/* The front-end goes from a socket that nobody has connected to, to a ring, to nothing, and its bytes with it. */
static void test_change(Fixture *f, const void *opaque)
{
    g_autofree char *path = path_in(f, "socket");
    g_autofree char *server = g_strdup_printf("unix:%s,server=on,wait=off", path);
    RhChardev *chr = open_spec(f, "a", server);
    GError *err = NULL;

    rh_char_attach(&f->front.user, chr, &moving_ops, &f->front, &err);
    g_assert_no_error(err);
    chr = change(f, "a", "{'type':'ringbuf','data':{}}", &err);
    g_assert_no_error(err);
    g_assert_true(f->front.user.chr == chr && rh_char_find(f->vm, "a", NULL) == chr);
    g_assert_cmpstr(rh_char_id(chr), ==, "a");
    g_assert_cmpstr(rh_char_filename(chr), ==, "ringbuf");
    g_assert_cmpstr(f->front.events->str, ==, "O");
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));      /* the old one is closed */
    g_assert_cmpuint(rh_char_write(&f->front.user, "hello", 5), ==, 5);
    g_autofree char *held = qmp_ringbuf_read(f->vm, &(QmpRingbufReadArgs){ .device = (char *)"a", .size = 9 }, &err);

    g_assert_cmpstr(held, ==, "hello");
    change(f, "a", "{'type':'null','data':{}}", &err);
    g_assert_no_error(err);
    turns(f);
    rh_char_detach(&f->front.user);
    g_assert_true(rh_char_remove(f->vm, "a", &err));
}

/* What cannot be changed stays as it was. */
static void test_change_refused(Fixture *f, const void *opaque)
{
    static const struct {
        const char *id, *backend, *error;
    } rows[] = {
        { "nosuch", "{'type':'null','data':{}}", "Chardev 'nosuch' does not exist" },
        { "ring", "{'type':'file','data':{'out':'/nosuch/x'}}", "'/nosuch/x'" },
        { "ring", "{'type':'mux','data':{'chardev':'ring'}}", "'ring'" },
        { "fixed", "{'type':'null','data':{}}", "Chardev user does not support chardev hotswap" },
        { "base", "{'type':'null','data':{}}", "Chardev user does not support chardev hotswap" },
        { "mux", "{'type':'null','data':{}}", "Mux device hotswap not supported yet" },
    };
    RhChardev *ring = open_json(f, "{'backend':'ringbuf','id':'ring'}");
    RhChardev *fixed = open_json(f, "{'backend':'null','id':'fixed'}");
    GError *err = NULL;

    open_json(f, "{'backend':'null','id':'base'}");
    open_json(f, "{'backend':'mux','id':'mux','chardev':'base'}");
    rh_char_attach(&f->front.user, ring, &moving_ops, &f->front, NULL);
    attach(&f->other, fixed);
    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        g_assert_null(change(f, rows[i].id, rows[i].backend, &err));
        g_assert_nonnull(strstr(err->message, rows[i].error));
        g_clear_error(&err);
    }
    g_assert_true(rh_char_find(f->vm, "ring", NULL) == ring && f->front.user.chr == ring);
    g_assert_cmpstr(rh_char_id(ring), ==, "ring");
    g_assert_cmpuint(rh_char_write(&f->front.user, "x", 1), ==, 1);
}

#define TEST(name, fn) g_test_add("/chardev/" name, Fixture, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    TEST("flow", test_flow);
    TEST("hangup-keeps-bytes", test_hangup_keeps_bytes);
    TEST("full", test_full);
    TEST("in-use", test_in_use);
    TEST("server", test_server);
    TEST("client-reconnects", test_client_reconnects);
    TEST("tcp", test_tcp);
    TEST("file", test_file);
    TEST("pipe", test_pipe);
    TEST("pty", test_pty);
    TEST("ringbuf", test_ringbuf);
    TEST("mux", test_mux);
    TEST("mon", test_mon);
    TEST("change", test_change);
    TEST("change-refused", test_change_refused);
    TEST("bad-specs", test_bad_specs);
    g_test_add_func("/chardev/telnet-pieces", test_telnet_pieces);
    return g_test_run();
}
