/*
 * QMP sessions over a socket pair, in one process.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "chardev/open.h"
#include "monitor/monitor.h"
#include "qapi-events.h"
#include "softmmu/fds.h"
#include "softmmu/ident.h"
#include "softmmu/runstate.h"
#include "util/json.h"

typedef struct Fixture {
    RhVm *vm;
    int client;
    GString *input;     /* received, not yet looked at */
} Fixture;

/* A connected client of a new socket device @id. */
static int connect_client(RhVm *vm, const char *id)
{
    g_autofree char *text = g_strdup_printf("{\"backend\": \"socket\", \"fd\": \"%s\", \"id\": \"%s\"}", id, id);
    g_autoptr(RhJson) options = rh_json_parse(text, NULL);
    GError *err = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    g_assert_true(rh_fd_put(vm, id, pair[1], NULL));
    g_assert_nonnull(rh_char_open_options(vm, options, &err));
    g_assert_no_error(err);
    return pair[0];
}

static void set_up(Fixture *f, const void *opaque)
{
    QmpMonitorOptions options = {
        .chardev = (char *)"m", .has_mode = true, .mode = QMP_MONITOR_MODE_CONTROL,
        .has_pretty = true, .pretty = opaque != NULL,
    };
    GError *err = NULL;

    f->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    rh_lock(&f->vm->lock);
    rh_monitor_init(f->vm);
    rh_vm_set_set_up(f->vm);
    f->client = connect_client(f->vm, "m");
    f->input = g_string_new(NULL);
    rh_monitor_open_options(f->vm, &options, &err);
    g_assert_no_error(err);
}

static void tear_down(Fixture *f, const void *opaque)
{
    g_string_free(f->input, TRUE);
    if (f->client >= 0) {
        close(f->client);
    }
    rh_unlock(&f->vm->lock);
    rh_vm_free(f->vm);
}

static void turn(Fixture *f)
{
    char buf[4096];
    ssize_t n;

    rh_loop_turn(f->vm->loop, false);
    while ((n = read(f->client, buf, sizeof(buf))) > 0) {
        g_string_append_len(f->input, buf, n);
    }
}

/* The next line from the monitor, without its end. */
static char *read_line(Fixture *f)
{
    char *end;

    for (int i = 0; i < 10000; i++) {
        end = strstr(f->input->str, "\r\n");
        if (end) {
            char *line = g_strndup(f->input->str, end - f->input->str);

            g_string_erase(f->input, 0, end - f->input->str + 2);
            return line;
        }
        turn(f);
    }
    g_error("no line from the monitor; so far: %s", f->input->str);
}

static void expect(Fixture *f, const char *line)
{
    g_autofree char *got = read_line(f);

    g_assert_cmpstr(got, ==, line);
}

static void say(Fixture *f, const char *text)
{
    g_assert_cmpint(write(f->client, text, strlen(text)), ==, strlen(text));
}

static void ask(Fixture *f, const char *text, const char *answer)
{
    say(f, text);
    expect(f, answer);
}

static void negotiate(Fixture *f)
{
    g_autofree char *greeting G_GNUC_UNUSED = read_line(f);

    g_assert_true(g_str_has_prefix(greeting, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7, \"minor\": 2, "));
    g_assert_true(g_str_has_suffix(greeting, "\"capabilities\": [\"oob\"]}}"));
    ask(f, "{\"execute\":\"qmp_capabilities\"}", "{\"return\": {}}");
}

#define ERROR(class, desc) "{\"error\": {\"class\": \"" class "\", \"desc\": \"" desc "\"}"

static void test_negotiation(Fixture *f, const void *opaque)
{
    g_autofree char *greeting G_GNUC_UNUSED = read_line(f);

    ask(f, "{\"execute\":\"query-name\"}",
        ERROR("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'") "}");
    ask(f, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]},\"id\":{\"a\":1}}",
        "{\"return\": {}, \"id\": {\"a\": 1}}");
    ask(f, "{\"execute\":\"qmp_capabilities\"}",
        ERROR("CommandNotFound", "Capabilities negotiation is already complete, command ignored") "}");
    ask(f, "{\"exec-oob\":\"query-name\",\"id\":3}",
        ERROR("GenericError", "The command query-name does not support OOB") ", \"id\": 3}");
}

static void test_batch(Fixture *f, const void *opaque)
{
    g_autofree char *greeting G_GNUC_UNUSED = read_line(f);

    /* The second command's turn comes when the first has negotiated. */
    say(f, "{\"execute\":\"qmp_capabilities\"} {\"execute\":\"query-name\",\"id\":\"x\"}\n{\"execute\":\"query");
    expect(f, "{\"return\": {}}");
    expect(f, "{\"return\": {}, \"id\": \"x\"}");
    ask(f, "-uuid\"}", "{\"return\": {\"UUID\": \"00000000-0000-0000-0000-000000000000\"}}");
}

static void test_batch_unnegotiated(Fixture *f, const void *opaque)
{
    g_autofree char *greeting G_GNUC_UNUSED = read_line(f);

    say(f, "{\"execute\":\"query-name\"}{\"execute\":\"query-name\"}");
    for (int i = 0; i < 2; i++) {
        expect(f, ERROR("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'") "}");
    }
}

static void test_errors(Fixture *f, const void *opaque)
{
    static const char *const cases[][2] = {
        { "{\"execute\":\"foo\"}", ERROR("CommandNotFound", "The command foo has not been found") "}" },
        { "{\"execute\":5}", ERROR("GenericError", "QMP input member 'execute' must be a string") "}" },
        { "{\"foo\":5,\"id\":null}", ERROR("GenericError", "QMP input member 'foo' is unexpected") ", \"id\": null}" },
        { "{\"execute\":\"query-name\",\"arguments\":2}",
          ERROR("GenericError", "QMP input member 'arguments' must be an object") "}" },
        { "{\"exec-oob\":\"query-name\",\"execute\":\"query-name\"}",
          ERROR("GenericError", "QMP input member 'execute' clashes with 'exec-oob'") "}" },
        { "{}", ERROR("GenericError", "QMP input lacks member 'execute'") "}" },
        { "[1]", ERROR("GenericError", "QMP input must be a JSON object") "}" },
        { "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"x\"}}",
          ERROR("GenericError", "No file descriptor supplied via SCM_RIGHTS") "}" },
        { "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"x\"}}",
          ERROR("GenericError", "File descriptor named 'x' not found") "}" },
        { "{\"execute\":\"chardev-remove\",\"arguments\":{\"id\":\"m\"}}",
          ERROR("GenericError", "Chardev 'm' is busy") "}" },
        { "{\"execute\":\"chardev-remove\",\"arguments\":{\"id\":\"zz\"}}",
          ERROR("GenericError", "Chardev 'zz' not found") "}" },
        { "{\"exec-oob\":\"getfd\"}", ERROR("GenericError", "QMP input member 'exec-oob' is unexpected") "}" },
    };

    negotiate(f);
    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        ask(f, cases[i][0], cases[i][1]);
    }
}

static void test_bad_json(Fixture *f, const void *opaque)
{
    negotiate(f);
    say(f, "{\"a\": nul}\n{\"execute\":\"query-name\"}\n");
    g_autofree char *error = read_line(f);

    g_assert_true(g_str_has_prefix(error, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error"));
    expect(f, "{\"return\": {}}");
}

static void test_name(Fixture *f, const void *opaque)
{
    rh_ident_set_name(f->vm, "a/b");
    negotiate(f);
    ask(f, "{\"execute\":\"query-name\"}", "{\"return\": {\"name\": \"a/b\"}}");
}

/* @text with its timestamp replaced, which must be there. */
static char *without_time(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("\"seconds\": [0-9]+, \"microseconds\": [0-9]+", 0, 0, NULL);

    g_assert_true(g_regex_match(regex, text, 0, NULL));
    return g_regex_replace_literal(regex, text, -1, 0, "T", 0, NULL);
}

static void expect_event(Fixture *f, const char *rest)
{
    g_autofree char *line = read_line(f);
    g_autofree char *got = without_time(line);
    g_autofree char *expected = g_strdup_printf("{\"timestamp\": {T}, \"event\": %s}", rest);

    g_assert_cmpstr(got, ==, expected);
}

static void test_events(Fixture *f, const void *opaque)
{
    g_autofree char *greeting G_GNUC_UNUSED = read_line(f);

    qmp_event_stop(f->vm->events);      /* nobody has negotiated: gone */
    ask(f, "{\"execute\":\"qmp_capabilities\"}", "{\"return\": {}}");
    qmp_event_resume(f->vm->events);
    expect_event(f, "\"RESUME\"");
    qmp_event_device_deleted(f->vm->events, "d", "/machine/peripheral/d");
    expect_event(f, "\"DEVICE_DELETED\", \"data\": {\"device\": \"d\", \"path\": \"/machine/peripheral/d\"}");
}

static void test_event_before_reply(Fixture *f, const void *opaque)
{
    negotiate(f);
    say(f, "{\"execute\":\"system_powerdown\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}");
    expect_event(f, "\"POWERDOWN\"");
    expect(f, "{\"return\": {}, \"id\": 1}");
    expect(f, "{\"return\": {}, \"id\": 2}");
}

static void test_rate_limit(Fixture *f, const void *opaque)
{
    negotiate(f);
    qmp_event_balloon_change(f->vm->events, 1);
    for (int i = 2; i < 1000; i++) {
        qmp_event_balloon_change(f->vm->events, i);
        qmp_event_vserport_change(f->vm->events, i & 1 ? "a" : "b", true);
    }
    expect_event(f, "\"BALLOON_CHANGE\", \"data\": {\"actual\": 1}");
    expect_event(f, "\"VSERPORT_CHANGE\", \"data\": {\"id\": \"b\", \"open\": true}");
    expect_event(f, "\"VSERPORT_CHANGE\", \"data\": {\"id\": \"a\", \"open\": true}");
    for (int i = 0; i < 100; i++) {
        turn(f);
    }
    g_assert_cmpstr(f->input->str, ==, "");
    while (!f->input->len) {    /* at most a second: the last one arrives */
        rh_loop_turn(f->vm->loop, true);
        turn(f);
    }
    expect_event(f, "\"BALLOON_CHANGE\", \"data\": {\"actual\": 999}");
}

static void send_with_fd(Fixture *f, const char *text, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct iovec iov = { (char *)text, strlen(text) };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(f->client, &message, 0), ==, strlen(text));
}

static void test_descriptors(Fixture *f, const void *opaque)
{
    int ends[2];
    char byte = 0;
    GError *err = NULL;

    g_assert_cmpint(pipe(ends), ==, 0);
    negotiate(f);
    send_with_fd(f, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"p\"}}", ends[1]);
    expect(f, "{\"return\": {}}");
    int got = rh_fd_get(f->vm, "p", &err);

    g_assert_no_error(err);
    g_assert_cmpint(write(got, "x", 1), ==, 1);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
    close(got);
    g_assert_cmpint(rh_fd_get(f->vm, "p", NULL), ==, -1);

    send_with_fd(f, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":4,\"opaque\":\"note\"}}", ends[1]);
    g_autofree char *added = read_line(f);

    g_assert_true(g_str_has_prefix(added, "{\"return\": {\"fdset-id\": 4, \"fd\": "));
    got = rh_open(f->vm, "/dev/fdset/4", O_WRONLY, 0, &err);
    g_assert_no_error(err);
    g_assert_cmpint(write(got, "y", 1), ==, 1);
    close(got);
    g_assert_cmpint(rh_open(f->vm, "/dev/fdset/4", O_RDONLY, 0, NULL), ==, -1);
    say(f, "{\"execute\":\"query-fdsets\"}");
    g_autofree char *sets = read_line(f);

    g_assert_nonnull(strstr(sets, "\"opaque\": \"note\""));
    ask(f, "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":4}}", "{\"return\": {}}");
    ask(f, "{\"execute\":\"query-fdsets\"}", "{\"return\": []}");
    ask(f, "{\"execute\":\"remove-fd\",\"arguments\":{\"fdset-id\":4}}",
        ERROR("GenericError", "File descriptor named 'fdset-id:4' not found") "}");
    close(ends[0]);
    close(ends[1]);
}

static void test_pretty(Fixture *f, const void *opaque)
{
    while (!strstr(f->input->str, "\r\n")) {
        turn(f);
    }
    g_assert_nonnull(strstr(f->input->str, "\"capabilities\": [\n            \"oob\"\n        ]"));
}

/* A client that never reads gets no end of memory. */
static void test_deaf_client(Fixture *f, const void *opaque)
{
    static const char command[] = "{\"execute\":\"query-qmp-schema\"}\n";
    bool is_blocked = false;

    negotiate(f);
    for (int i = 0; i < 100000 && !is_blocked; i++) {
        for (int k = 0; k < 20; k++) {
            is_blocked = write(f->client, command, strlen(command)) < 0;
        }
        rh_loop_turn(f->vm->loop, false);
    }
    g_assert_true(is_blocked);
    for (int i = 0; i < 50; i++) {
        rh_loop_turn(f->vm->loop, false);
    }
    g_assert_cmpint(write(f->client, command, strlen(command)), <, 0);
    /* It goes on when the client reads. */
    while (write(f->client, command, strlen(command)) < 0) {
        turn(f);
    }
}

static void test_return(void)
{
    Fixture f = { .input = g_string_new(NULL) };
    g_autofree char *dir = g_dir_make_tmp("rhea-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "qmp", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server,nowait", path);
    g_autofree char *client_options = g_strdup_printf("{\"backend\":\"socket\",\"id\":\"c\",\"path\":\"%s\"}", path);
    g_autoptr(RhJson) options G_GNUC_UNUSED = rh_json_parse(client_options, NULL);
    GError *err = NULL;

    f.vm = rh_vm_new(&err);
    rh_lock(&f.vm->lock);
    rh_vm_set_set_up(f.vm);
    rh_monitor_init(f.vm);
    g_assert_true(rh_monitor_open_qmp(f.vm, spec, false, &err));
    g_assert_no_error(err);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_un at = { .sun_family = AF_UNIX };

        g_strlcpy(at.sun_path, path, sizeof(at.sun_path));
        f.client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        g_assert_cmpint(connect(f.client, (struct sockaddr *)&at, sizeof(at)), ==, 0);
        negotiate(&f);      /* each client anew */
        say(&f, "{\"execute\":\"query-na");  /* and half a command is forgotten */
        close(f.client);
    }
    g_assert_nonnull(rh_char_find(f.vm, "compat_monitor0", &err));
    f.client = -1;
    tear_down(&f, NULL);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    rmdir(dir);
}

#define TEST(name, fn) g_test_add("/monitor/qmp/" name, Fixture, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    TEST("negotiation", test_negotiation);
    TEST("batch", test_batch);
    TEST("batch-unnegotiated", test_batch_unnegotiated);
    TEST("errors", test_errors);
    TEST("bad-json", test_bad_json);
    TEST("name", test_name);
    TEST("events", test_events);
    TEST("event-before-reply", test_event_before_reply);
    TEST("rate-limit", test_rate_limit);
    TEST("descriptors", test_descriptors);
    TEST("deaf-client", test_deaf_client);
    g_test_add("/monitor/qmp/pretty", Fixture, "", set_up, test_pretty, tear_down);
    g_test_add_func("/monitor/qmp/return", test_return);
    return g_test_run();
}
