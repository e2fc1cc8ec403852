/*
 * A loop on its way to sleep while a deadline passes. Time here goes on at each look at the clock, so that the deadline
 * falls between any two looks that the loop takes; one look too many and it sleeps for ever.
 */
#include "util/clock.h"
#include "util/core.h"
#include "util/loop.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    STEP_NS = 1000,             /* by which each look is later than the one before */
    MAX_LOOKS = 40,             /* more than a turn takes */
    LIMIT_S = 20,
};

static bool is_stepped;
static int64_t stepped_ns;

/* In place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
    if (id == CLOCK_MONOTONIC && is_stepped) {
        stepped_ns += STEP_NS;
        *ret = (struct timespec) { stepped_ns / 1000000000, stepped_ns % 1000000000 };
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, id, ret);
}

static void begin_steps(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    stepped_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    is_stepped = true;
}

static void count(void *opaque)
{
    ++*(unsigned *)opaque;
}

/* The deadline after 1, 2, 3... looks at the clock. */
static void sleep_at_each_look(RhLoop *loop, void (*turn)(RhLoop *loop))
{
    unsigned nr_fired = 0;
    RhTimer timer;

    rh_timer_init(&timer, rh_clock_real(), loop, count, &nr_fired);
    begin_steps();
    for (unsigned nr_looks = 1; nr_looks <= MAX_LOOKS; nr_looks++) {
        rh_timer_arm(&timer, stepped_ns + nr_looks * STEP_NS + STEP_NS / 2);
        while (nr_fired < nr_looks) {
            turn(loop);
        }
    }
    is_stepped = false;
    rh_timer_fini(&timer);
    rh_loop_free(loop);
}

static void turn(RhLoop *loop)
{
    rh_loop_turn(loop, true);
}

static void test_thread_loop(void)
{
    sleep_at_each_look(rh_loop_new("sleepy", NULL), turn);
}

static void test_main_loop(void)
{
    sleep_at_each_look(rh_loop_new_main(NULL), turn);
}

static void test_urgent_turn(void)
{
    sleep_at_each_look(rh_loop_new_main(NULL), rh_loop_turn_urgent);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    alarm(LIMIT_S);             /* a lost deadline ends the test */
    g_test_add_func("/util/loop/sleep/thread", test_thread_loop);
    g_test_add_func("/util/loop/sleep/main", test_main_loop);
    g_test_add_func("/util/loop/sleep/urgent", test_urgent_turn);
    return g_test_run();
}
