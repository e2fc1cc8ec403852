/*
 * Event loop: posts, watches, timers of all kinds of clocks, pollers.
 */
#include "util/clock.h"
#include "util/core.h"
#include "util/eventfd.h"
#include "util/loop.h"
#include "util/thread.h"

#include <fcntl.h>
#include <sys/socket.h>

static RhLoop *new_loop(void)
{
    g_autoptr(GError) err = NULL;
    RhLoop *loop = rh_loop_new("test", &err);

    g_assert_no_error(err);
    return loop;
}

static void *run_loop(void *opaque)
{
    rh_loop_run(opaque);
    return NULL;
}

/* Posts */

enum { NR_POSTS = 20000, NR_POSTERS = 3 };

typedef struct Poster {
    RhLoop *loop;
    int *nr_left;
    int next_expected;
    int seen;
} Poster;

typedef struct Numbered {
    Poster *poster;
    int number;
} Numbered;

static void take_number(void *opaque)
{
    g_autofree Numbered *post = opaque;

    rh_assert_on_loop(post->poster->loop);
    g_assert_cmpint(post->number, ==, post->poster->next_expected);
    post->poster->next_expected++;
    if (--*post->poster->nr_left == 0) {
        rh_loop_quit(post->poster->loop);
    }
}

static void *post_numbers(void *opaque)
{
    Poster *poster = opaque;

    for (int i = 0; i < NR_POSTS; i++) {
        Numbered *post = g_new(Numbered, 1);

        post->poster = poster;
        post->number = i;
        rh_loop_post(poster->loop, take_number, post);
    }
    return NULL;
}

static void test_posts_keep_order(void)
{
    RhLoop *loop = new_loop();
    int nr_left = NR_POSTS * NR_POSTERS;
    Poster posters[NR_POSTERS] = { 0 };
    pthread_t threads[NR_POSTERS];
    pthread_t runner;

    for (int i = 0; i < NR_POSTERS; i++) {
        posters[i].loop = loop;
        posters[i].nr_left = &nr_left;
        threads[i] = rh_thread_start("poster", post_numbers, &posters[i]);
    }
    runner = rh_thread_start("loop", run_loop, loop);
    for (int i = 0; i < NR_POSTERS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(runner, NULL);
    g_assert_cmpint(nr_left, ==, 0);
    rh_loop_free(loop);
}

static void count(void *opaque)
{
    ++*(int *)opaque;
}

typedef struct Reposter {
    RhLoop *loop;
    int nr_runs;
} Reposter;

static void repost(void *opaque)
{
    Reposter *self = opaque;

    self->nr_runs++;
    rh_loop_post(self->loop, repost, self);
}

static void test_repost_waits_a_turn(void)
{
    RhLoop *loop = new_loop();
    Reposter self = { .loop = loop };

    rh_loop_post(loop, repost, &self);
    g_assert_true(rh_loop_turn(loop, false));
    g_assert_cmpint(self.nr_runs, ==, 1);
    g_assert_true(rh_loop_turn(loop, true));
    g_assert_cmpint(self.nr_runs, ==, 2);
    rh_loop_free(loop);         /* with a post left: it is dropped */
}

static void test_quit_before_run(void)
{
    RhLoop *loop = new_loop();

    rh_loop_quit(loop);
    rh_loop_run(loop);
    rh_loop_free(loop);
}

/* An urgent turn does what others wait for, and leaves the rest, in order, to the next ordinary one. */

typedef struct Turns {
    RhLoop *loop;
    char order[16];
    unsigned nr;
} Turns;

static void note(Turns *turns, char what)
{
    turns->order[turns->nr++] = what;
}

static void note_plain(void *opaque)
{
    note(opaque, 'p');
}

static void note_urgent(void *opaque)
{
    note(opaque, 'u');
}

static void note_watch(void *opaque, unsigned events)
{
    note(opaque, 'w');
}

static void note_timer(void *opaque)
{
    note(opaque, 't');
}

static void turn_inside(void *opaque)
{
    Turns *turns = opaque;

    note(turns, '(');
    rh_loop_post(turns->loop, note_plain, turns);
    rh_loop_post_urgent(turns->loop, note_urgent, turns);
    rh_loop_turn_urgent(turns->loop);       /* this one, and the one taken along by the turn outside */
    while (!strchr(turns->order, 't')) {
        rh_loop_turn_urgent(turns->loop);
    }
    note(turns, ')');
}

static void test_urgent_turn(void)
{
    RhLoop *loop = new_loop();
    Turns turns = { .loop = loop };
    RhWatch watch = { 0 };
    RhTimer timer;
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    rh_watch_begin(&watch, loop, fds[1], RH_WRITABLE, note_watch, &turns);
    rh_timer_init(&timer, rh_clock_real(), loop, note_timer, &turns);
    rh_timer_arm(&timer, rh_clock_now(rh_clock_real()) + 20000000);
    rh_loop_post(loop, turn_inside, &turns);
    rh_loop_post(loop, note_plain, &turns);
    rh_loop_post_urgent(loop, note_urgent, &turns);
    rh_loop_turn(loop, false);
    g_assert_cmpstr(turns.order, ==, "(uut)pw");
    rh_watch_end(&watch);
    rh_loop_turn(loop, false);
    g_assert_cmpstr(turns.order, ==, "(uut)pwp");
    rh_timer_fini(&timer);
    close(fds[0]);
    close(fds[1]);
    rh_loop_free(loop);
}

/* Deferred calls come once, behind all that the turn brings, and one that is deferred from there with the next turn. */

typedef struct Deferrals {
    RhLoop *loop;
    RhDeferred first, second;
    char order[16];
    unsigned nr;
} Deferrals;

static void deferred_first(void *opaque)
{
    Deferrals *self = opaque;

    self->order[self->nr++] = '1';
}

static void deferred_second(void *opaque)
{
    Deferrals *self = opaque;

    self->order[self->nr++] = '2';
    rh_loop_defer(self->loop, &self->first);
    if (self->nr < 8) {
        rh_loop_defer(self->loop, &self->second);
    }
}

static void defer_both(void *opaque)
{
    Deferrals *self = opaque;

    self->order[self->nr++] = 'p';
    rh_loop_defer(self->loop, &self->first);
    rh_loop_defer(self->loop, &self->second);
}

static void test_deferred(void)
{
    RhLoop *loop = new_loop();
    Deferrals self = { .loop = loop };

    self.first = (RhDeferred) { .fn = deferred_first, .opaque = &self };
    self.second = (RhDeferred) { .fn = deferred_second, .opaque = &self };
    rh_loop_post(loop, defer_both, &self);
    rh_loop_post(loop, defer_both, &self);
    rh_loop_turn(loop, false);
    g_assert_cmpstr(self.order, ==, "pp12");
    rh_loop_turn(loop, true);                   /* does not sleep over what is deferred */
    g_assert_cmpstr(self.order, ==, "pp1212");
    rh_loop_turn(loop, true);
    rh_loop_turn(loop, true);
    g_assert_cmpstr(self.order, ==, "pp1212121");
    g_assert_false(rh_loop_turn(loop, false));
    rh_loop_free(loop);
}

/* Watches */

typedef struct Seen {
    RhWatch watch;
    RhWatch *to_end;
    unsigned events;
    int nr_calls;
} Seen;

static void see(void *opaque, unsigned events)
{
    Seen *seen = opaque;

    seen->events = events;
    seen->nr_calls++;
    if (seen->to_end) {
        rh_watch_end(seen->to_end);
    }
}

static void make_pair(int fds[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), ==, 0);
}

static void test_watch_is_level_triggered(void)
{
    RhLoop *loop = new_loop();
    Seen seen = { 0 };
    int fds[2];
    char byte;

    make_pair(fds);
    rh_watch_begin(&seen.watch, loop, fds[0], RH_READABLE, see, &seen);
    g_assert_false(rh_loop_turn(loop, false));
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    for (int i = 1; i <= 3; i++) {
        rh_loop_turn(loop, true);
        g_assert_cmpint(seen.nr_calls, ==, i);
        g_assert_cmpuint(seen.events, ==, RH_READABLE);
    }
    g_assert_cmpint(read(fds[0], &byte, 1), ==, 1);
    g_assert_false(rh_loop_turn(loop, false));

    rh_watch_set(&seen.watch, RH_READABLE | RH_WRITABLE);
    rh_loop_turn(loop, true);
    g_assert_cmpuint(seen.events, ==, RH_WRITABLE);
    rh_watch_set(&seen.watch, 0);
    close(fds[1]);
    g_assert_false(rh_loop_turn(loop, false));      /* paused: not even a hang-up */
    rh_watch_set(&seen.watch, RH_READABLE);
    rh_loop_turn(loop, true);
    g_assert_true(seen.events & RH_HANGUP);

    rh_watch_end(&seen.watch);
    rh_watch_end(&seen.watch);
    close(fds[0]);
    rh_loop_free(loop);
}

/* Two ready descriptors, each of whose watches ends both: exactly one call may happen. */
static void test_watch_ends_another(void)
{
    RhLoop *loop = new_loop();
    Seen a = { 0 }, b = { 0 };
    int first[2], second[2];

    make_pair(first);
    make_pair(second);
    a.to_end = &b.watch;
    b.to_end = &a.watch;
    rh_watch_begin(&a.watch, loop, first[0], RH_WRITABLE, see, &a);
    rh_watch_begin(&b.watch, loop, second[0], RH_WRITABLE, see, &b);
    rh_loop_turn(loop, true);
    g_assert_cmpint(a.nr_calls + b.nr_calls, ==, 1);
    rh_watch_end(&a.watch);
    rh_watch_end(&b.watch);

    /* The same with both on one descriptor. */
    a.nr_calls = b.nr_calls = 0;
    rh_watch_begin(&a.watch, loop, first[0], RH_WRITABLE, see, &a);
    rh_watch_begin(&b.watch, loop, first[0], RH_WRITABLE, see, &b);
    rh_loop_turn(loop, true);
    g_assert_cmpint(a.nr_calls + b.nr_calls, ==, 1);
    rh_watch_end(&a.watch);
    rh_watch_end(&b.watch);
    for (int i = 0; i < 2; i++) {
        close(first[i]);
        close(second[i]);
    }
    rh_loop_free(loop);
}

static void test_watch_of_file_is_always_ready(void)
{
    RhLoop *loop = new_loop();
    Seen seen = { 0 };
    int fd = open("/proc/self/exe", O_RDONLY);

    rh_watch_begin(&seen.watch, loop, fd, RH_READABLE, see, &seen);
    rh_loop_turn(loop, true);
    rh_loop_turn(loop, true);
    g_assert_cmpint(seen.nr_calls, ==, 2);
    rh_watch_set(&seen.watch, 0);
    rh_loop_turn(loop, false);
    g_assert_cmpint(seen.nr_calls, ==, 2);
    rh_watch_end(&seen.watch);
    close(fd);
    rh_loop_free(loop);
}

/* Timers */

typedef struct Ticker {
    RhTimer timer;
    GString *log;
    char name;
    int64_t period_ns;
    int64_t seen_ns;
    int nr_fired;
} Ticker;

static void tick(void *opaque)
{
    Ticker *self = opaque;

    self->nr_fired++;
    self->seen_ns = rh_clock_now(self->timer.clock);
    if (self->log) {
        g_string_append_c(self->log, self->name);
    }
    if (self->period_ns) {
        rh_timer_arm(&self->timer, self->seen_ns + self->period_ns);
    }
}

static void test_timer_real(void)
{
    RhLoop *loop = new_loop();
    Ticker ticker = { 0 };
    RhTimer unused = { 0 };
    int64_t start_ns = rh_clock_now(rh_clock_real());

    rh_timer_init(&ticker.timer, rh_clock_real(), loop, tick, &ticker);
    g_assert_false(rh_timer_is_armed(&ticker.timer));
    rh_timer_arm(&ticker.timer, start_ns + 2000000);
    g_assert_true(rh_timer_is_armed(&ticker.timer));
    while (!ticker.nr_fired) {
        rh_loop_turn(loop, true);
    }
    g_assert_cmpint(ticker.seen_ns, >=, start_ns + 2000000);
    g_assert_false(rh_timer_is_armed(&ticker.timer));

    rh_timer_arm(&ticker.timer, INT64_MIN);
    rh_timer_cancel(&ticker.timer);
    rh_loop_turn(loop, false);
    g_assert_cmpint(ticker.nr_fired, ==, 1);
    rh_timer_arm(&ticker.timer, INT64_MIN);
    g_assert_true(rh_loop_turn(loop, true));
    g_assert_cmpint(ticker.nr_fired, ==, 2);
    rh_timer_fini(&ticker.timer);
    rh_timer_fini(&ticker.timer);
    rh_timer_fini(&unused);
    rh_loop_free(loop);
}

static void test_timer_armed_from_elsewhere(void)
{
    RhLoop *loop = new_loop();
    Ticker ticker = { 0 };
    pthread_t runner;

    rh_timer_init(&ticker.timer, rh_clock_real(), loop, tick, &ticker);
    runner = rh_thread_start("loop", run_loop, loop);
    rh_timer_arm(&ticker.timer, rh_clock_now(rh_clock_real()) + 1000000);
    while (rh_timer_is_armed(&ticker.timer)) {
        g_usleep(100);          /* the loop's thread is another: there is nothing to wait on */
    }
    rh_loop_quit(loop);
    pthread_join(runner, NULL);
    g_assert_cmpint(ticker.nr_fired, ==, 1);
    rh_timer_fini(&ticker.timer);
    rh_loop_free(loop);
}

static void test_timers_of_manual_clock(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    RhLoop *loop = rh_loop_new_main(NULL);
    RhClock *clock = rh_clock_new();
    Ticker a = { .name = 'a', .log = log, .period_ns = 100 };
    Ticker b = { .name = 'b', .log = log };
    Ticker c = { .name = 'c', .log = log, .period_ns = 0 };

    rh_clock_set_manual(clock);
    rh_clock_set(clock, 0);
    g_assert_cmpint(rh_clock_next_deadline(clock), ==, INT64_MAX);
    rh_timer_init(&a.timer, clock, loop, tick, &a);
    rh_timer_init(&b.timer, clock, loop, tick, &b);
    rh_timer_init(&c.timer, clock, loop, tick, &c);
    rh_timer_arm(&c.timer, 301);
    rh_timer_arm(&b.timer, 250);
    rh_timer_arm(&a.timer, 100);
    g_assert_cmpint(rh_clock_next_deadline(clock), ==, 100);
    rh_clock_step_to(clock, 300);
    g_assert_cmpstr(log->str, ==, "aaba");
    g_assert_cmpint(b.seen_ns, ==, 250);
    g_assert_cmpint(a.seen_ns, ==, 300);
    g_assert_cmpint(rh_clock_now(clock), ==, 300);
    g_assert_cmpint(rh_clock_next_deadline(clock), ==, 301);

    /* A stopped clock moves, and fires nothing until it runs again: then on the next turn. */
    rh_clock_set_running(clock, false);
    rh_timer_cancel(&a.timer);
    rh_clock_step_to(clock, 1000);
    while (rh_loop_turn(loop, false)) {
    }
    g_assert_cmpint(c.nr_fired, ==, 0);
    rh_clock_set_running(clock, true);
    while (rh_loop_turn(loop, false)) {
    }
    g_assert_cmpint(c.nr_fired, ==, 1);
    g_assert_cmpint(c.seen_ns, ==, 1000);
    rh_timer_fini(&a.timer);
    rh_timer_fini(&b.timer);
    rh_timer_fini(&c.timer);
    rh_clock_free(clock);
    rh_loop_free(loop);
}

static void rearm_for_now(void *opaque)
{
    Ticker *self = opaque;

    self->nr_fired++;
    rh_timer_arm(&self->timer, rh_clock_now(self->timer.clock));
}

static void test_timer_cannot_hold_a_turn(void)
{
    RhLoop *loop = rh_loop_new_main(NULL);
    RhClock *clock = rh_clock_new();
    Ticker ticker = { 0 };

    rh_timer_init(&ticker.timer, clock, loop, rearm_for_now, &ticker);
    rh_timer_arm(&ticker.timer, 0);
    rh_loop_turn(loop, true);
    g_assert_cmpint(ticker.nr_fired, >=, 1);
    g_assert_cmpint(ticker.nr_fired, <=, 2);
    rh_clock_set_manual(clock);
    rh_clock_step_to(clock, rh_clock_now(clock) + 10);
    g_assert_cmpint(ticker.nr_fired, <, 10000);
    rh_timer_fini(&ticker.timer);
    rh_clock_free(clock);
    rh_loop_free(loop);
}

static void test_clock_stops(void)
{
    RhLoop *loop = new_loop();
    RhClock *clock = rh_clock_new();
    Ticker stopped = { 0 }, real = { 0 };
    int64_t then_ns;

    g_assert_cmpint(rh_clock_now(clock), >=, 0);
    rh_timer_init(&stopped.timer, clock, loop, tick, &stopped);
    rh_timer_init(&real.timer, rh_clock_real(), loop, tick, &real);
    rh_clock_set_running(clock, false);
    then_ns = rh_clock_now(clock);
    rh_timer_arm(&stopped.timer, then_ns - 1);
    rh_timer_arm(&real.timer, rh_clock_now(rh_clock_real()) + 1000000);
    while (!real.nr_fired) {
        rh_loop_turn(loop, true);
    }
    g_assert_cmpint(stopped.nr_fired, ==, 0);
    g_assert_cmpint(rh_clock_now(clock), ==, then_ns);
    rh_clock_set_running(clock, true);
    g_assert_cmpint(rh_clock_now(clock), <, then_ns + 500000000);
    rh_loop_turn(loop, true);
    g_assert_cmpint(stopped.nr_fired, ==, 1);

    rh_clock_set(clock, 5000000000000);
    g_assert_cmpint(rh_clock_now(clock), >=, 5000000000000);
    rh_timer_fini(&stopped.timer);
    rh_timer_fini(&real.timer);
    rh_clock_free(clock);
    rh_loop_free(loop);
}

/* Many timers in a scrambled order, some moved and some cancelled, fire sorted. */
static void test_heap_order(void)
{
    enum { NR = 500 };
    g_autofree Ticker *tickers = g_new0(Ticker, NR);
    RhLoop *loop = rh_loop_new_main(NULL);
    RhClock *clock = rh_clock_new();
    int64_t last_ns = 0;
    int nr_left = 0;

    rh_clock_set_manual(clock);
    rh_clock_set(clock, 0);
    for (int i = 0; i < NR; i++) {
        rh_timer_init(&tickers[i].timer, clock, loop, tick, &tickers[i]);
        rh_timer_arm(&tickers[i].timer, (i * 7919) % 1009 + 1);
    }
    for (int i = 0; i < NR; i += 3) {
        rh_timer_arm(&tickers[i].timer, (i * 104729) % 1013 + 1);
    }
    for (int i = 1; i < NR; i += 5) {
        rh_timer_cancel(&tickers[i].timer);
    }
    for (int64_t next = rh_clock_next_deadline(clock); next != INT64_MAX;
         next = rh_clock_next_deadline(clock)) {
        g_assert_cmpint(next, >, last_ns);
        last_ns = next;
        rh_clock_step_to(clock, next);
    }
    for (int i = 0; i < NR; i++) {
        g_assert_cmpint(tickers[i].nr_fired, ==, i % 5 == 1 ? 0 : 1);
        nr_left += rh_timer_is_armed(&tickers[i].timer);
        rh_timer_fini(&tickers[i].timer);
    }
    g_assert_cmpint(nr_left, ==, 0);
    rh_clock_free(clock);
    rh_loop_free(loop);
}

/* Main loop */

static gboolean idle_count(void *opaque)
{
    count(opaque);
    return G_SOURCE_REMOVE;
}

static void *post_from_thread(void *opaque)
{
    void **args = opaque;

    g_usleep(1000);             /* gives the main loop time to fall asleep, the harder case */
    rh_loop_post(args[0], count, args[1]);
    return NULL;
}

static void test_main_loop_shares_glib(void)
{
    RhLoop *loop = rh_loop_new_main(NULL);
    Ticker ticker = { 0 };
    int nr_idle = 0, nr_posts = 0;
    void *args[] = { loop, &nr_posts };
    int64_t start_ns = rh_clock_now(rh_clock_real());
    pthread_t thread;

    g_assert_true(rh_loop_current() == loop);
    g_idle_add(idle_count, &nr_idle);
    rh_timer_init(&ticker.timer, rh_clock_real(), loop, tick, &ticker);
    rh_timer_arm(&ticker.timer, start_ns + 300000);
    while (!ticker.nr_fired || !nr_idle) {
        rh_loop_turn(loop, true);
    }
    g_assert_cmpint(ticker.seen_ns, >=, start_ns + 300000);
    thread = rh_thread_start("poster", post_from_thread, args);
    while (!nr_posts) {
        rh_loop_turn(loop, true);
    }
    pthread_join(thread, NULL);
    rh_timer_fini(&ticker.timer);
    rh_loop_free(loop);
    g_assert_null(rh_loop_current());
}

typedef struct Polls {
    RhLoop *loop;
    RhPoller poller;
    int nr_asked;
    int nr_to_find;             /* the how-manyth time there is work */
    int nr_on, nr_off;
} Polls;

static bool polls_ask(void *opaque)
{
    Polls *polls = opaque;

    return ++polls->nr_asked == polls->nr_to_find;
}

static void polls_told(void *opaque, bool is_on)
{
    Polls *polls = opaque;

    polls->nr_on += is_on;
    polls->nr_off += !is_on;
}

static void nothing(void *opaque)
{
}

/* Turn until a timer has ended the loop's sleep. */
static void sleep_once(RhLoop *loop, int64_t ns)
{
    RhTimer timer;

    rh_timer_init(&timer, rh_clock_real(), loop, nothing, NULL);
    rh_timer_arm(&timer, rh_clock_now(rh_clock_real()) + ns);
    rh_loop_turn(loop, true);
    rh_timer_fini(&timer);
}

static void test_poller(void)
{
    const int64_t second = 1000000000;
    Polls polls = { .loop = new_loop() };
    RhLoop *loop = polls.loop;

    rh_poller_begin(&polls.poller, loop, polls_ask, polls_told, &polls);
    sleep_once(loop, 100000);
    g_assert_cmpint(polls.nr_asked, ==, 0);         /* polling is off */
    rh_loop_set_poll(loop, second, second, 0);
    sleep_once(loop, 100000);
    g_assert_cmpint(polls.nr_asked, ==, 0);         /* nothing says yet that it would pay */
    sleep_once(loop, 100000);
    g_assert_cmpint(polls.nr_asked, >, 1);          /* a little, in vain, and once more behind */
    g_assert_cmpint(polls.nr_on, ==, 1);
    g_assert_cmpint(polls.nr_off, ==, 1);
    polls.nr_asked = 0;
    polls.nr_to_find = 1000;
    g_assert_true(rh_loop_turn(loop, true));        /* grown to the limit: no sleep before there is work */
    g_assert_cmpint(polls.nr_asked, ==, 1000);
    g_assert_cmpint(polls.nr_on, ==, 2);
    g_assert_cmpint(polls.nr_off, ==, 1);           /* still being asked */

    rh_loop_set_poll(loop, 1000, 0, 0);
    sleep_once(loop, 2000000);
    g_assert_cmpint(polls.nr_off, ==, 2);
    polls.nr_asked = 0;
    sleep_once(loop, 2000000);
    g_assert_cmpint(polls.nr_asked, ==, 0);         /* waits were too long for it: given up */
    rh_poller_end(&polls.poller);
    rh_poller_end(&polls.poller);
    rh_loop_free(loop);
}

static void test_rcu(void)
{
    int nr_calls = 0;

    rh_rcu_read_lock();
    rh_rcu_call(count, &nr_calls);
    rh_rcu_read_unlock();
    rh_rcu_drain();
    g_assert_cmpint(nr_calls, ==, 1);
}

static void test_mutex_knows_owner(void)
{
    RhMutex mutex;

    rh_mutex_init(&mutex);
    g_assert_false(rh_is_locked_by_me(&mutex));
    RH_WITH_LOCK(&mutex) {
        g_assert_true(rh_is_locked_by_me(&mutex));
        break;
    }
    g_assert_false(rh_is_locked_by_me(&mutex));
    rh_mutex_fini(&mutex);
}

/* --- the guard of the main loop --- */

typedef struct Guarded {
    RhLoop *loop;
    RhMutex guard;
    RhWatch watch;
    RhEvent event;
    unsigned nr_calls;
    int file_fd;
} Guarded;

static void guarded_call(void *opaque, unsigned events)
{
    Guarded *g = opaque;

    g_assert_true(rh_is_locked_by_me(&g->guard));
    g_assert_true(rh_event_clear(&g->event));
    g->nr_calls++;
}

/* Begins a watch while the loop sleeps, then lets it fire. */
static void *guarded_begin(void *opaque)
{
    Guarded *g = opaque;

    RH_WITH_LOCK(&g->guard) {       /* to be had only once the loop's thread sleeps */
        rh_watch_begin(&g->watch, g->loop, rh_event_fd(&g->event), RH_READABLE, guarded_call, g);
    }
    rh_event_set(&g->event);
    return NULL;
}

static void *guarded_end(void *opaque)
{
    Guarded *g = opaque;

    RH_WITH_LOCK(&g->guard) {
        rh_watch_end(&g->watch);
    }
    rh_event_set(&g->event);
    return NULL;
}

/* Who holds the guard may change watches, although the thread is not the loop's (vCPUs do: MSI-X). */
static void test_guard(void)
{
    Guarded g = { .loop = rh_loop_new_main(NULL) };
    pthread_t thread;

    rh_mutex_init(&g.guard);
    rh_event_init(&g.event, NULL);
    rh_loop_set_guard(g.loop, &g.guard);
    rh_lock(&g.guard);
    thread = rh_thread_start("begin", guarded_begin, &g);
    while (!g.nr_calls) {
        rh_loop_turn(g.loop, true);
    }
    rh_unlock(&g.guard);
    pthread_join(thread, NULL);
    g_assert_cmpuint(g.nr_calls, ==, 1);
    thread = rh_thread_start("end", guarded_end, &g);
    pthread_join(thread, NULL);
    rh_lock(&g.guard);
    while (rh_loop_turn(g.loop, false)) {
    }
    rh_unlock(&g.guard);
    g_assert_cmpuint(g.nr_calls, ==, 1);
    rh_event_fini(&g.event);
    rh_loop_free(g.loop);
    rh_mutex_fini(&g.guard);
}

static void guarded_file_ready(void *opaque, unsigned events)
{
    Guarded *g = opaque;

    rh_watch_end(&g->watch);
    g->nr_calls++;
}

static void *guarded_file(void *opaque)
{
    Guarded *g = opaque;

    RH_WITH_LOCK(&g->guard) {       /* to be had only once the loop's thread sleeps */
        rh_watch_begin(&g->watch, g->loop, g->file_fd, RH_READABLE, guarded_file_ready, g);
    }
    return NULL;
}

/* A file is always ready, and no descriptor tells a loop that sleeps already. */
static void test_guard_file(void)
{
    Guarded g = { .loop = rh_loop_new_main(NULL), .file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC) };
    pthread_t thread;

    g_assert_cmpint(g.file_fd, >=, 0);
    rh_mutex_init(&g.guard);
    rh_loop_set_guard(g.loop, &g.guard);
    rh_lock(&g.guard);
    thread = rh_thread_start("file", guarded_file, &g);
    while (!g.nr_calls) {
        rh_loop_turn(g.loop, true);
    }
    rh_unlock(&g.guard);
    pthread_join(thread, NULL);
    rh_loop_free(g.loop);
    rh_mutex_fini(&g.guard);
    close(g.file_fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/util/loop/posts-keep-order", test_posts_keep_order);
    g_test_add_func("/util/loop/repost-waits-a-turn", test_repost_waits_a_turn);
    g_test_add_func("/util/loop/urgent-turn", test_urgent_turn);
    g_test_add_func("/util/loop/deferred", test_deferred);
    g_test_add_func("/util/loop/quit-before-run", test_quit_before_run);
    g_test_add_func("/util/loop/watch-level", test_watch_is_level_triggered);
    g_test_add_func("/util/loop/watch-ends-another", test_watch_ends_another);
    g_test_add_func("/util/loop/watch-file", test_watch_of_file_is_always_ready);
    g_test_add_func("/util/loop/main-shares-glib", test_main_loop_shares_glib);
    g_test_add_func("/util/loop/poller", test_poller);
    g_test_add_func("/util/clock/real", test_timer_real);
    g_test_add_func("/util/clock/armed-from-elsewhere", test_timer_armed_from_elsewhere);
    g_test_add_func("/util/clock/manual", test_timers_of_manual_clock);
    g_test_add_func("/util/clock/cannot-hold-a-turn", test_timer_cannot_hold_a_turn);
    g_test_add_func("/util/clock/stops", test_clock_stops);
    g_test_add_func("/util/clock/heap-order", test_heap_order);
    g_test_add_func("/util/thread/rcu", test_rcu);
    g_test_add_func("/util/thread/mutex-owner", test_mutex_knows_owner);
    g_test_add_func("/util/loop/guard", test_guard);
    g_test_add_func("/util/loop/guard-file", test_guard_file);
    return g_test_run();
}
