/*
 * Scatter lists, notifiers, events, the log and its trace points.
 */
#include "util/core.h"
#include "util/eventfd.h"
#include "util/iov.h"
#include "util/log.h"
#include "util/notifier.h"

#include <glib/gstdio.h>
#include <poll.h>

static void test_iov(void)
{
    char a[3] = "abc", b[4] = "defg", out[16] = { 0 };
    struct iovec iov[] = { { a, 3 }, { NULL, 0 }, { b, 4 } };
    struct iovec slice[3];

    g_assert_cmpuint(rh_iov_size(iov, 3), ==, 7);
    g_assert_cmpuint(rh_iov_to_buf(iov, 3, 0, out, sizeof(out)), ==, 7);
    g_assert_cmpmem(out, 7, "abcdefg", 7);
    g_assert_cmpuint(rh_iov_to_buf(iov, 3, 2, out, 3), ==, 3);
    g_assert_cmpmem(out, 3, "cde", 3);
    g_assert_cmpuint(rh_iov_to_buf(iov, 3, 7, out, 1), ==, 0);
    g_assert_cmpuint(rh_iov_to_buf(iov, 3, SIZE_MAX, out, SIZE_MAX), ==, 0);
    g_assert_cmpuint(rh_iov_from_buf(iov, 3, 2, "XYZ", 3), ==, 3);
    g_assert_cmpmem(a, 3, "abX", 3);
    g_assert_cmpmem(b, 4, "YZfg", 4);
    g_assert_cmpuint(rh_iov_memset(iov, 3, 5, '-', 100), ==, 2);
    g_assert_cmpmem(b, 4, "YZ--", 4);
    g_assert_cmpuint(rh_iov_slice(iov, 3, 1, 4, slice, 3), ==, 2);
    g_assert_true(slice[0].iov_base == a + 1 && slice[0].iov_len == 2);
    g_assert_true(slice[1].iov_base == b && slice[1].iov_len == 2);
    g_assert_cmpuint(rh_iov_slice(iov, 3, 0, 7, slice, 1), ==, 1);
    g_assert_cmpuint(rh_iov_slice(iov, 3, 3, 0, slice, 3), ==, 0);
    g_assert_cmpuint(rh_iov_slice(iov, 3, 2, 3, iov, 3), ==, 2);     /* in place */
    g_assert_true(iov[0].iov_base == a + 2 && iov[1].iov_base == b && iov[1].iov_len == 2);
    iov[0].iov_len = iov[1].iov_len = SIZE_MAX;
    g_assert_cmpuint(rh_iov_size(iov, 2), ==, SIZE_MAX);
}

typedef struct Listener {
    RhNotifier notifier;
    RhNotifier *to_remove;
    char name;
} Listener;

static void listener_called(RhNotifier *notifier, void *data)
{
    Listener *self = RH_CONTAINER(Listener, notifier, notifier);

    g_string_append_c(data, self->name);
    if (self->to_remove) {
        rh_notifier_remove(self->to_remove);
    }
}

static void test_notifier(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    RhNotifierList list = { 0 };
    Listener listeners[3];

    for (int i = 0; i < 3; i++) {
        listeners[i] = (Listener) { .notifier.fn = listener_called, .name = (char)('a' + i) };
        rh_notifier_add(&list, &listeners[i].notifier);
    }
    rh_notifier_call(&list, log);
    listeners[0].to_remove = &listeners[1].notifier;    /* the next one */
    listeners[2].to_remove = &listeners[2].notifier;    /* itself */
    rh_notifier_call(&list, log);
    rh_notifier_call(&list, log);
    g_assert_cmpstr(log->str, ==, "abcaca");
    rh_notifier_remove(&listeners[1].notifier);
    rh_notifier_remove(&listeners[0].notifier);
    rh_notifier_call(&list, log);
    g_assert_cmpstr(log->str, ==, "abcaca");
}

static void test_event(void)
{
    RhEvent event = { 0 };
    struct pollfd ready;

    rh_event_fini(&event);
    g_assert_cmpint(rh_event_fd(&event), ==, -1);
    g_assert_true(rh_event_init(&event, NULL));
    ready = (struct pollfd) { .fd = rh_event_fd(&event), .events = POLLIN };
    g_assert_cmpint(poll(&ready, 1, 0), ==, 0);
    g_assert_false(rh_event_clear(&event));
    rh_event_set(&event);
    rh_event_set(&event);
    g_assert_cmpint(poll(&ready, 1, 0), ==, 1);
    g_assert_true(rh_event_clear(&event));
    g_assert_false(rh_event_clear(&event));
    rh_event_fini(&event);
}

static void leave_trace(int number)
{
    RH_TRACE(test_small_one, "number %d", number);
    RH_TRACE(test_small_two, "plain");
}

static unsigned count_lines(const char *text, const char *part)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned nr = 0;

    for (char **line = lines; *line; line++) {
        nr += strstr(*line, part) != NULL;
    }
    return nr;
}

static void write_log(void)
{
    rh_log(RH_LOG_INT, "interrupt %d", 7);
    rh_log(RH_LOG_MMU, "not asked for");
    for (int i = 0; i < 10000; i++) {
        rh_log_guest_error("doorbell", "bad write %d", i);
    }
    leave_trace(1);
    g_assert_cmpuint(rh_trace_set("test_small_*", true), ==, 2);
    g_assert_cmpuint(rh_trace_set("test_small_two", false), ==, 1);
    g_assert_cmpuint(rh_trace_set("test_no_such_*", true), ==, 0);
    leave_trace(2);
    rh_trace_set("*", false);
}

static void test_log(void)
{
    g_autofree char *dir = g_dir_make_tmp("rhea-XXXXXX", NULL);
    g_autofree char *template = g_build_filename(dir, "log-%d", NULL);
    g_autofree char *name = g_strdup_printf("%s/log-%d", dir, (int)getpid());
    g_autofree char *text = NULL;
    g_auto(GStrv) points = rh_trace_names();
    g_autoptr(GError) err = NULL;
    uint32_t mask;

    g_assert_true(rh_log_mask_parse("int,guest_errors", &mask, &err));
    g_assert_cmpuint(mask, ==, RH_LOG_INT | RH_LOG_GUEST_ERRORS);
    g_assert_true(rh_log_set_file(template, &err));
    rh_log_set_mask(mask);
    write_log();
    rh_log_set_mask(0);
    g_assert_true(rh_log_set_file(NULL, &err));

    g_assert_true(g_file_get_contents(name, &text, NULL, NULL));
    g_assert_cmpuint(count_lines(text, "interrupt 7"), ==, 1);
    g_assert_cmpuint(count_lines(text, "not asked for"), ==, 0);
    g_assert_cmpuint(count_lines(text, "doorbell: bad write"), >=, 10);
    g_assert_cmpuint(count_lines(text, "doorbell: bad write"), <, 1000);
    g_assert_cmpuint(count_lines(text, ":test_small_one number 2"), ==, 1);
    g_assert_cmpuint(count_lines(text, ":test_small"), ==, 1);
    g_assert_true(g_strv_contains((const char *const *)points, "test_small_two"));
    g_remove(name);
    g_rmdir(dir);
}

static void test_log_refuses(void)
{
    g_autoptr(GError) err = NULL;
    uint32_t mask = 7;

    g_assert_false(rh_log_mask_parse("int,nonsense", &mask, &err));
    g_assert_true(strstr(err->message, "'nonsense'") != NULL);
    g_assert_cmpuint(mask, ==, 7);
    g_clear_error(&err);
    g_assert_false(rh_log_set_file("/tmp/%d-%s", &err));
    g_clear_error(&err);
    g_assert_false(rh_log_set_file("/nonexistent/log", &err));
    g_assert_true(strstr(err->message, "/nonexistent/log") != NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/iov", test_iov);
    g_test_add_func("/util/notifier", test_notifier);
    g_test_add_func("/util/event", test_event);
    g_test_add_func("/util/log/write", test_log);
    g_test_add_func("/util/log/refuses", test_log_refuses);
    return g_test_run();
}
