/*
 * Stackful coroutines on event loops: blocking work written in straight lines. A coroutine belongs
 * to the loop it was started on and always resumes there. Functions named rh_co_* may yield: call
 * them from a coroutine only, with no mutex held, and look again at shared state afterwards.
 */
#ifndef RH_UTIL_COROUTINE_H
#define RH_UTIL_COROUTINE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "util/loop.h"

typedef struct RhCo RhCo;
typedef void RhCoFn(void *opaque);

/** rh_co_start - run fn(opaque) as a coroutine of the calling thread's loop, at once, until it first yields */
void rh_co_start(RhCoFn *fn, void *opaque);
/** rh_co_start_on - as rh_co_start, on @loop, from any thread; if that is the current loop it starts at once */
void rh_co_start_on(RhLoop *loop, RhCoFn *fn, void *opaque);
/** rh_co_self - the running coroutine, or NULL */
RhCo *rh_co_self(void);
/** rh_co_yield - stop here until rh_co_wake; a wake that came first makes it return at once */
void rh_co_yield(void);
/** rh_co_wake - resume @co on its loop: at the next turn from elsewhere; any thread. One wake per yield. */
void rh_co_wake(RhCo *co);
/** rh_co_sleep - yield for @ns of real time */
void rh_co_sleep(int64_t ns);
/** rh_co_offload - run fn(arg) on a worker thread, yield until it returned, return its result */
int rh_co_offload(int (*fn)(void *arg), void *arg);
/** rh_co_run_sync - from outside any coroutine on a loop's thread: start fn and turn the loop until it ended */
void rh_co_run_sync(RhCoFn *fn, void *opaque);

/** RhCoMutex - mutual exclusion between coroutines, possibly of several loops; fair. Zero-filled is free. */
typedef struct RhCoMutex {
    uint32_t lock;      /* private */
    bool is_held;
    GQueue waiters;
} RhCoMutex;
void rh_co_mutex_init(RhCoMutex *mutex);
void rh_co_mutex_fini(RhCoMutex *mutex);
void rh_co_lock(RhCoMutex *mutex);
void rh_co_unlock(RhCoMutex *mutex);

/** RhCoQueue - coroutines waiting for something; all of one loop. Zero-filled is empty. */
typedef struct RhCoQueue {
    GQueue waiters;
} RhCoQueue;
void rh_co_queue_wait(RhCoQueue *queue);
bool rh_co_queue_wake_one(RhCoQueue *queue);
void rh_co_queue_wake_all(RhCoQueue *queue);

/** rh_co_wait_fd - yield until @fd shows one of @events; returns those shown */
unsigned rh_co_wait_fd(int fd, unsigned events);

#endif
