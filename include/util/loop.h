/*
 * Event loops. One RhLoop belongs to one thread: it watches descriptors, fires timers, runs posted
 * calls and finishes disk I/O (io_uring, or epoll and worker threads). The main thread's loop rides
 * on the default GMainContext, so GLib sources work there too.
 */
#ifndef RH_UTIL_LOOP_H
#define RH_UTIL_LOOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RhLoop RhLoop;
typedef struct RhMutex RhMutex;

/** rh_loop_new - a loop for a thread still to be started; NULL and @err when the host refuses resources */
RhLoop *rh_loop_new(const char *name, GError **err);
/** rh_loop_new_main - the loop of the calling (main) thread, attached to the default GMainContext */
RhLoop *rh_loop_new_main(GError **err);
/** rh_loop_free - end a loop that does not run; accepts NULL. Watches and timers must have ended. */
void rh_loop_free(RhLoop *loop);

/** rh_loop_run - run on the calling thread until rh_loop_quit; the thread owns the loop meanwhile */
void rh_loop_run(RhLoop *loop);
/** rh_loop_quit - make rh_loop_run return soon; any thread */
void rh_loop_quit(RhLoop *loop);
/** rh_loop_turn - one iteration; @may_block waits for something to do. Returns whether something was done. */
bool rh_loop_turn(RhLoop *loop, bool may_block);
/**
 * rh_loop_set_guard - a mutex that the main loop's thread holds while callbacks run; it is dropped around
 * each wait of a turn that starts with it held. Who holds it may change the loop's watches from any thread.
 */
void rh_loop_set_guard(RhLoop *loop, RhMutex *guard);
/** rh_loop_current - the loop that the calling thread runs, or NULL (vCPU and worker threads) */
RhLoop *rh_loop_current(void);
#define rh_assert_on_loop(loop) g_assert(rh_loop_current() == (loop))

/** rh_loop_post - run fn(opaque) on @loop's thread soon; calls keep their order. Any thread, signal-unsafe. */
void rh_loop_post(RhLoop *loop, void (*fn)(void *opaque), void *opaque);
/** rh_loop_post_urgent - as rh_loop_post; rh_loop_turn_urgent runs it too, before calls that are not urgent */
void rh_loop_post_urgent(RhLoop *loop, void (*fn)(void *opaque), void *opaque);
/**
 * rh_loop_turn_urgent - from a callback that must wait for I/O or for another thread: sleep, then do what others wait for
 * That is: disk I/O, coroutines, timers and urgent posts. No other watch, post or GLib source runs, so no command can come
 * in between. The guard is dropped while it sleeps. Whoever ends the wait posts urgently; look again after each turn.
 */
void rh_loop_turn_urgent(RhLoop *loop);

/**
 * RhDeferred - something to do once for all that a turn of a loop brings: submit requests, interrupt a guest
 * Caller's memory, with fn and opaque set; must stay until fn was called.
 */
typedef struct RhDeferred {
    void (*fn)(void *opaque);
    void *opaque;
    struct RhDeferred *next;    /* private, as is_waiting */
    bool is_waiting;
} RhDeferred;
/** rh_loop_defer - call it at the end of this turn of @loop, before it sleeps; no effect while it waits. On the loop's thread. */
void rh_loop_defer(RhLoop *loop, RhDeferred *deferred);

enum { RH_READABLE = 1, RH_WRITABLE = 2, RH_HANGUP = 4 };
typedef void RhWatchFn(void *opaque, unsigned events);

/**
 * RhWatch - caller's memory, zero-filled until begun; ended by rh_watch_end before its fd is closed
 * Begun, set and ended on the thread of its loop, or while the loop does not run; on a loop with a guard
 * also by whoever holds that (a vCPU under the machine lock), for anything but a regular file. Several
 * watches of one fd are fine. A regular file, which the kernel cannot watch, is always ready.
 */
typedef struct RhWatch {
    RhLoop *loop;
    int fd;
    unsigned events;
    RhWatchFn *fn;
    void *opaque;
    bool is_urgent;         /* private: of disk I/O, looked at by rh_loop_turn_urgent */
    struct RhWatch *next;   /* private: other watches of the same fd */
} RhWatch;

/**
 * rh_watch_begin - level-triggered watch of @fd for @events
 * RH_READABLE, RH_WRITABLE; a hang-up is reported with either, or alone with RH_HANGUP. 0: paused, nothing is reported.
 */
void rh_watch_begin(RhWatch *watch, RhLoop *loop, int fd, unsigned events, RhWatchFn *fn, void *opaque);
/** rh_watch_set - change the events watched for; 0 pauses, hang-ups included. On the watch's loop. */
void rh_watch_set(RhWatch *watch, unsigned events);
/** rh_watch_end - stop; fn is not called again. Safe on a zero-filled watch and from inside its own fn. */
void rh_watch_end(RhWatch *watch);

/**
 * rh_loop_set_poll - before sleeping, busily ask the loop's pollers for up to @max_ns (0: never, the default)
 * How long is adapted to how long it takes until work comes: it grows by the factor @grow (0: 2) while polling up to
 * @max_ns would have met the work, and is divided by @shrink (0: falls to nothing) when it would not. Any thread. Without
 * effect on the main loop, which GLib puts to sleep.
 */
void rh_loop_set_poll(RhLoop *loop, int64_t max_ns, int64_t grow, int64_t shrink);
/** rh_loop_set_aio_batch - give disk requests to the kernel as soon as so many are gathered (0: once a turn). Any thread. */
void rh_loop_set_aio_batch(RhLoop *loop, int64_t max_batch);

/**
 * RhPoller - something an event loop asks for work before it sleeps while polling is on (a virtqueue's
 * available index, say). fn returns whether it found and did work. polled tells it that it is being asked, over and over, and
 * when that ends: meanwhile it need not be notified in other ways. Ended by rh_poller_end. All on its loop.
 */
typedef struct RhPoller {
    RhLoop *loop;
    bool (*fn)(void *opaque);
    void (*polled)(void *opaque, bool is_on);
    void *opaque;
    struct RhPoller *next;
} RhPoller;
void rh_poller_begin(RhPoller *poller, RhLoop *loop, bool (*fn)(void *opaque), void (*polled)(void *opaque, bool is_on),
                     void *opaque);
void rh_poller_end(RhPoller *poller);

#endif
