/*
 * What a coroutine can wait for: time, a descriptor, other coroutines, a mutex.
 */
#include "util/coroutine.h"
#include "util/core.h"
#include "co-private.h"
#include "loop-private.h"

static void wake_co(void *opaque)
{
    rh_co_wake(opaque);
}

void rh_co_sleep(int64_t ns)
{
    RhClock *clock = rh_clock_real();
    RhTimer timer;

    rh_timer_init(&timer, clock, rh_loop_current(), wake_co, rh_co_self());
    rh_timer_arm(&timer, rh_clock_now(clock) + ns);
    rh_co_yield();
    rh_timer_fini(&timer);
}

typedef struct FdWait {
    RhWatch watch;
    RhCo *co;
    unsigned events;
} FdWait;

static void fd_wait_seen(void *opaque, unsigned events)
{
    FdWait *wait = opaque;

    wait->events = events;
    rh_watch_end(&wait->watch);
    rh_co_wake(wait->co);
}

unsigned rh_co_wait_fd(int fd, unsigned events)
{
    FdWait wait = { .co = rh_co_self() };

    rh_watch_begin(&wait.watch, rh_loop_current(), fd, events, fd_wait_seen, &wait);
    wait.watch.is_urgent = true;
    rh_co_yield();
    return wait.events;
}

typedef struct SyncRun {
    RhCoFn *fn;
    void *opaque;
    bool has_ended;
} SyncRun;

static void sync_run(void *opaque)
{
    SyncRun *run = opaque;

    run->fn(run->opaque);
    run->has_ended = true;
}

void rh_co_run_sync(RhCoFn *fn, void *opaque)
{
    SyncRun run = { .fn = fn, .opaque = opaque };

    g_assert(!rh_co_self());
    rh_co_start(sync_run, &run);
    while (!run.has_ended) {
        rh_loop_turn(rh_loop_current(), true);
    }
}

/* Mutex: `lock` is held for a few instructions only, so waiting for it may spin. */

static void spin_lock(RhCoMutex *mutex)
{
    while (__atomic_exchange_n(&mutex->lock, 1, __ATOMIC_ACQUIRE)) {
        __builtin_ia32_pause();
    }
}

static void spin_unlock(RhCoMutex *mutex)
{
    __atomic_store_n(&mutex->lock, 0, __ATOMIC_RELEASE);
}

void rh_co_mutex_init(RhCoMutex *mutex)
{
    *mutex = (RhCoMutex) { 0 };
}

void rh_co_mutex_fini(RhCoMutex *mutex)
{
    g_assert(!mutex->is_held);
}

void rh_co_lock(RhCoMutex *mutex)
{
    GList link = { .data = rh_co_self() };
    bool must_wait;

    g_assert(link.data);
    spin_lock(mutex);
    must_wait = mutex->is_held;
    if (must_wait) {
        g_queue_push_tail_link(&mutex->waiters, &link);
    }
    mutex->is_held = true;
    spin_unlock(mutex);
    if (must_wait) {
        rh_co_yield();      /* whoever unlocks hands it over held */
    }
}

void rh_co_unlock(RhCoMutex *mutex)
{
    RhCo *next = NULL;
    GList *link;

    spin_lock(mutex);
    g_assert(mutex->is_held);
    link = g_queue_pop_head_link(&mutex->waiters);
    if (link) {
        next = link->data;
    } else {
        mutex->is_held = false;
    }
    spin_unlock(mutex);
    if (next) {
        rh_co_wake(next);
    }
}

void rh_co_queue_wait(RhCoQueue *queue)
{
    GList link = { .data = rh_co_self() };

    g_assert(link.data);
    g_queue_push_tail_link(&queue->waiters, &link);
    rh_co_yield();
}

bool rh_co_queue_wake_one(RhCoQueue *queue)
{
    GList *link = g_queue_pop_head_link(&queue->waiters);

    if (link) {
        rh_co_wake(link->data);
    }
    return link != NULL;
}

void rh_co_queue_wake_all(RhCoQueue *queue)
{
    while (rh_co_queue_wake_one(queue)) {
    }
}
