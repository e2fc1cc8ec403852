/*
 * Busy waiting of event loops: for as long as it pays, ask pollers in memory instead of the kernel.
 *
 * A loop that runs out of work asks its pollers for poll_ns, and sleeps when nothing came. How long the whole wait
 * was then says what to do next time: if polling up to the limit may have met the work, poll longer; else give it up
 * by degrees. A wait that was slept through looks longer than it was, by the time that waking takes. So it is tried
 * also where that alone can have made the difference, and when it then fails, not again for a while, which doubles.
 *
 * While is_polling, pollers have been told that they are asked, so that their other side need not bother to notify.
 * That ends before each sleep, and they are asked once more after it did.
 */
#include "loop-private.h"

enum {
    FIRST_NS = 4000,            /* of a loop that did not poll */
    LOOK_NS = 16000,            /* between looks at what is no poller */
    WAKING_NS = 100000,         /* may be part of a sleep */
    USUAL_GROWTH = 2,
    MAX_PAUSE = 255,            /* waits without polling after a failure */
};

void rh_loop_set_poll(RhLoop *loop, int64_t max_ns, int64_t grow, int64_t shrink)
{
    __atomic_store_n(&loop->poll_grow, grow, __ATOMIC_RELAXED);
    __atomic_store_n(&loop->poll_shrink, shrink, __ATOMIC_RELAXED);
    __atomic_store_n(&loop->poll_max_ns, max_ns, __ATOMIC_RELAXED);
    rh_loop_kick(loop);
}

void rh_poller_begin(RhPoller *poller, RhLoop *loop, bool (*fn)(void *opaque), void (*polled)(void *opaque, bool is_on),
                     void *opaque)
{
    *poller = (RhPoller) { .loop = loop, .fn = fn, .polled = polled, .opaque = opaque, .next = loop->pollers };
    loop->pollers = poller;
    if (loop->is_polling) {
        polled(opaque, true);
    }
}

void rh_poller_end(RhPoller *poller)
{
    RhLoop *loop = poller->loop;
    RhPoller **link;

    if (!loop) {
        return;
    }
    for (link = &loop->pollers; *link != poller; link = &(*link)->next) {
    }
    *link = poller->next;
    if (loop->next_poller == poller) {
        loop->next_poller = poller->next;
    }
    if (loop->is_polling) {
        poller->polled(poller->opaque, false);
    }
    *poller = (RhPoller) { 0 };
}

static bool run_pollers(RhLoop *loop)
{
    bool did = false;

    for (RhPoller *poller = loop->pollers; poller; poller = loop->next_poller) {
        loop->next_poller = poller->next;
        did |= poller->fn(poller->opaque);
    }
    return did;
}

static void set_polling(RhLoop *loop, bool is_on)
{
    if (loop->is_polling != is_on) {
        loop->is_polling = is_on;
        for (RhPoller *poller = loop->pollers; poller; poller = poller->next) {
            poller->polled(poller->opaque, is_on);
        }
    }
}

/* Until @end_ns. Posts come from other threads and can be seen without a system call, all else is looked at now and then. */
static bool spin(RhLoop *loop, int64_t now_ns, int64_t end_ns)
{
    int64_t look_ns = now_ns + LOOK_NS;

    do {
        if (run_pollers(loop) ||
            (__atomic_load_n(&loop->posts, __ATOMIC_RELAXED) && rh_loop_run_posts(loop))) {
            return true;
        }
        if (now_ns >= look_ns) {
            if (loop->ops->wait(loop, 0) || rh_timers_fire(loop)) {
                return true;
            }
            look_ns = now_ns + LOOK_NS;
        }
        __builtin_ia32_pause();
        now_ns = rh_monotonic_ns();
    } while (now_ns < end_ns && !__atomic_load_n(&loop->should_quit, __ATOMIC_RELAXED));
    return false;
}

bool rh_loop_poll(RhLoop *loop, int64_t *ret_since_ns)
{
    int64_t max_ns = __atomic_load_n(&loop->poll_max_ns, __ATOMIC_RELAXED);

    loop->poll_ns = MIN(loop->poll_ns, max_ns);
    if (!loop->pollers || !max_ns) {
        set_polling(loop, false);
        return false;
    }
    *ret_since_ns = rh_monotonic_ns();
    if (loop->poll_ns) {
        set_polling(loop, true);
        if (spin(loop, *ret_since_ns, *ret_since_ns + loop->poll_ns)) {
            loop->poll_pause = 0;
            return true;
        }
    }
    if (!loop->is_polling) {
        return false;
    }
    set_polling(loop, false);
    return run_pollers(loop);       /* what came just before the other side was asked to notify */
}

static void grow(RhLoop *loop, int64_t max_ns)
{
    int64_t factor = __atomic_load_n(&loop->poll_grow, __ATOMIC_RELAXED);

    factor = factor ? factor : USUAL_GROWTH;
    if (!loop->poll_ns) {
        loop->poll_ns = MIN(FIRST_NS, max_ns);
    } else {
        loop->poll_ns = loop->poll_ns > max_ns / factor ? max_ns : loop->poll_ns * factor;
    }
}

void rh_loop_poll_adapt(RhLoop *loop, int64_t since_ns)
{
    int64_t max_ns = __atomic_load_n(&loop->poll_max_ns, __ATOMIC_RELAXED);
    int64_t shrink = __atomic_load_n(&loop->poll_shrink, __ATOMIC_RELAXED);
    bool is_tried = loop->poll_ns == max_ns;
    int64_t waited_ns;

    if (!since_ns || !max_ns) {
        return;
    }
    waited_ns = rh_monotonic_ns() - since_ns;
    if (is_tried) {
        loop->poll_pause = MIN(loop->poll_pause * 2 + 1, MAX_PAUSE);
        loop->poll_pause_left = loop->poll_pause;
    }
    if (is_tried || waited_ns - WAKING_NS > max_ns) {
        loop->poll_ns = shrink ? loop->poll_ns / shrink : 0;
    } else if (loop->poll_pause_left) {
        loop->poll_pause_left--;
    } else {
        grow(loop, max_ns);
    }
}
