/*
 * Coroutines: order of switches, early wakes, sleep, mutex, queue, many at once.
 */
#include "util/core.h"
#include "util/coroutine.h"
#include "util/thread.h"

#include <sys/socket.h>

typedef struct Fixture {
    RhLoop *loop;
    GString *log;
    RhCo *co;
    RhCoMutex mutex;
    RhCoQueue queue;
    int nr_ended;
    int pair[2];
    unsigned events;
} Fixture;

static void fixture_begin(Fixture *self, const void *unused)
{
    self->loop = rh_loop_new_main(NULL);
    self->log = g_string_new(NULL);
}

static void fixture_end(Fixture *self, const void *unused)
{
    g_string_free(self->log, true);
    rh_loop_free(self->loop);
}

static void turn_until(Fixture *self, int nr_ended)
{
    while (self->nr_ended < nr_ended) {
        rh_loop_turn(self->loop, true);
    }
}

static void inner(void *opaque)
{
    Fixture *self = opaque;

    g_string_append(self->log, "b");
    self->co = rh_co_self();
    rh_co_yield();
    g_string_append(self->log, "e");
    self->nr_ended++;
}

static void outer(void *opaque)
{
    Fixture *self = opaque;
    RhCo *me = rh_co_self();

    g_string_append(self->log, "a");
    rh_co_start(inner, self);
    g_assert_true(rh_co_self() == me);
    g_string_append(self->log, "c");
    rh_co_wake(self->co);
    self->nr_ended++;
}

static void test_nesting(Fixture *self, const void *unused)
{
    rh_co_start(outer, self);
    g_string_append(self->log, "d");
    g_assert_null(rh_co_self());
    turn_until(self, 2);
    g_assert_cmpstr(self->log->str, ==, "abcde");
}

static void early(void *opaque)
{
    Fixture *self = opaque;

    rh_co_wake(rh_co_self());
    rh_co_yield();
    self->nr_ended++;
}

static void test_early_wake(Fixture *self, const void *unused)
{
    rh_co_start(early, self);
    g_assert_cmpint(self->nr_ended, ==, 1);
}

/* Callee-saved state across a switch: a sum that lives in registers, and the rounding mode of SSE. */
static void compute(void *opaque)
{
    Fixture *self = opaque;
    volatile double third = 1.0;
    uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6;

    for (int i = 0; i < 1000; i++) {
        rh_co_wake(rh_co_self());
        rh_co_yield();
        a += b; b += c; c += d; d += e; e += f; f += a;
    }
    third /= 3;
    g_assert_cmpfloat(third, ==, 1.0 / 3);
    g_assert_cmpuint(a + b + c + d + e + f, !=, 0);
    self->nr_ended++;
}

static void sleeper(void *opaque)
{
    Fixture *self = opaque;

    rh_co_sleep(500000);
    compute(self);
}

static void test_sleep_many(Fixture *self, const void *unused)
{
    for (int i = 0; i < 300; i++) {
        rh_co_start(sleeper, self);
    }
    turn_until(self, 300);
}

static void *wake_from_thread(void *opaque)
{
    rh_co_wake(opaque);
    return NULL;
}

static void woken_by_thread(void *opaque)
{
    Fixture *self = opaque;

    for (int i = 0; i < 50; i++) {
        pthread_t thread = rh_thread_start("waker", wake_from_thread, rh_co_self());

        rh_co_yield();
        pthread_join(thread, NULL);
    }
    self->nr_ended++;
}

static void test_wake_from_thread(Fixture *self, const void *unused)
{
    rh_co_run_sync(woken_by_thread, self);
    g_assert_cmpint(self->nr_ended, ==, 1);
}

static void locker(void *opaque)
{
    Fixture *self = opaque;

    rh_co_lock(&self->mutex);
    g_string_append(self->log, "(");
    rh_co_sleep(1000);
    g_string_append(self->log, ")");
    rh_co_unlock(&self->mutex);
    self->nr_ended++;
}

static void test_mutex(Fixture *self, const void *unused)
{
    for (int i = 0; i < 4; i++) {
        rh_co_start(locker, self);
    }
    turn_until(self, 4);
    g_assert_cmpstr(self->log->str, ==, "()()()()");
    rh_co_mutex_fini(&self->mutex);
}

/* Two loops on two threads fight for one mutex around a plain counter. */
typedef struct Contest {
    RhCoMutex mutex;
    int counter;
    int nr_running;
    RhLoop *main;
} Contest;

static void contest_ended(void *opaque)
{
    ((Contest *)opaque)->nr_running--;
}

static void contend(void *opaque)
{
    Contest *contest = opaque;

    for (int i = 0; i < 2000; i++) {
        rh_co_lock(&contest->mutex);
        contest->counter++;
        rh_co_unlock(&contest->mutex);
    }
    rh_loop_post(contest->main, contest_ended, contest);
}

static void *run_loop(void *opaque)
{
    rh_loop_run(opaque);
    return NULL;
}

static void test_mutex_between_loops(Fixture *self, const void *unused)
{
    Contest contest = { .nr_running = 4, .main = self->loop };
    RhLoop *other = rh_loop_new("other", NULL);
    pthread_t thread = rh_thread_start("other", run_loop, other);

    for (int i = 0; i < 2; i++) {
        rh_co_start_on(other, contend, &contest);
        rh_co_start_on(self->loop, contend, &contest);
    }
    while (contest.nr_running) {
        rh_loop_turn(self->loop, true);
    }
    rh_loop_quit(other);
    pthread_join(thread, NULL);
    g_assert_cmpint(contest.counter, ==, 8000);
    rh_loop_free(other);
}

static void queuer(void *opaque)
{
    Fixture *self = opaque;

    rh_co_queue_wait(&self->queue);
    self->nr_ended++;
}

static void test_queue(Fixture *self, const void *unused)
{
    g_assert_false(rh_co_queue_wake_one(&self->queue));
    for (int i = 0; i < 3; i++) {
        rh_co_start(queuer, self);
    }
    g_assert_true(rh_co_queue_wake_one(&self->queue));
    while (rh_loop_turn(self->loop, false)) {
    }
    g_assert_cmpint(self->nr_ended, ==, 1);
    rh_co_queue_wake_all(&self->queue);
    turn_until(self, 3);
}

static void wait_for_pair(void *opaque)
{
    Fixture *self = opaque;

    self->events = rh_co_wait_fd(self->pair[0], RH_READABLE);
    self->nr_ended++;
}

static void test_wait_fd(Fixture *self, const void *unused)
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, self->pair), ==, 0);
    rh_co_start(wait_for_pair, self);
    while (rh_loop_turn(self->loop, false)) {
    }
    g_assert_cmpint(self->nr_ended, ==, 0);
    g_assert_cmpint(write(self->pair[1], "x", 1), ==, 1);
    turn_until(self, 1);
    g_assert_cmpuint(self->events, ==, RH_READABLE);
    close(self->pair[0]);
    close(self->pair[1]);
}

static void add_case(const char *path, void (*fn)(Fixture *self, const void *unused))
{
    g_test_add(path, Fixture, NULL, fixture_begin, fn, fixture_end);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    add_case("/util/co/nesting", test_nesting);
    add_case("/util/co/early-wake", test_early_wake);
    add_case("/util/co/sleep-many", test_sleep_many);
    add_case("/util/co/wake-from-thread", test_wake_from_thread);
    add_case("/util/co/mutex", test_mutex);
    add_case("/util/co/mutex-between-loops", test_mutex_between_loops);
    add_case("/util/co/queue", test_queue);
    add_case("/util/co/wait-fd", test_wait_fd);
    return g_test_run();
}
