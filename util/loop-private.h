/*
 * Inside of the event loop: what its core shares with its back-ends, clocks, coroutines and aio.
 */
#ifndef RH_UTIL_LOOP_PRIVATE_H
#define RH_UTIL_LOOP_PRIVATE_H

#include <glib.h>
#include "util/clock.h"
#include "util/coroutine.h"
#include "util/loop.h"
#include "util/core.h"
#include "util/thread.h"

/* A call to make on the loop's thread; the memory belongs to whoever posts it. */
typedef struct LoopPost {
    void (*fn)(void *opaque);
    void *opaque;
    struct LoopPost *next;
    bool is_allocated;      /* by rh_loop_post, to be freed once taken */
    bool is_urgent;
} LoopPost;

/* A descriptor with at least one watch. Freed with its last watch. */
typedef struct FdSlot {
    int fd;
    uint32_t serial;        /* tells an event of an earlier life of the same fd */
    unsigned wanted;        /* union over the watches; what the back-end shall watch */
    unsigned armed;         /* what the back-end does watch */
    bool is_begun;          /* the back-end knows it */
    bool is_file;           /* cannot be watched: always ready */
    RhWatch *watches;
} FdSlot;

typedef struct TimerHeap TimerHeap;
typedef struct CoPool CoPool;
typedef struct WorkerPool WorkerPool;
typedef struct AioRing AioRing;

/* A way to wait. All functions run on the loop's thread. */
typedef struct LoopOps {
    const char *name;
    bool (*init)(RhLoop *loop, GError **err);
    void (*fini)(RhLoop *loop);
    int (*pollable_fd)(RhLoop *loop);
    /** slot->wanted changed; returns false when the descriptor is of a kind that cannot be watched */
    bool (*slot_changed)(RhLoop *loop, FdSlot *slot);
    void (*slot_ended)(RhLoop *loop, FdSlot *slot);
    /** wait (timeout_ns < 0: for ever, 0: only look) and dispatch what came; whether something did */
    bool (*wait)(RhLoop *loop, int64_t timeout_ns);
} LoopOps;

struct RhLoop {
    char *name;
    const LoopOps *ops;
    void *backend;
    GSource *source;        /* of the main loop only */
    RhMutex *guard;         /* main loop: held by its thread except while it waits; NULL: none */
    bool should_quit;       /* atomic */
    int64_t poll_max_ns;    /* atomic, as the next three */
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t aio_max_batch;
    int64_t poll_ns;        /* how long to poll now; loop's thread only, as the next five */
    unsigned poll_pause;
    unsigned poll_pause_left;
    bool is_polling;        /* pollers were told so */
    RhPoller *pollers;
    RhPoller *next_poller;  /* cursor, so that a poller may end any poller */

    RhMutex lock;           /* leaf; guards the next five and all timers of the loop */
    LoopPost *posts;
    LoopPost **posts_tail;
    bool is_sleeping;       /* or about to: whoever brings work must write to wake_fd */
    GPtrArray *heaps;       /* of TimerHeap, one per clock in use here */

    RhDeferred *deferred;   /* loop's thread only, as is all below */
    RhDeferred **deferred_tail;
    LoopPost *taken;        /* posts being run */
    int wake_fd;
    RhWatch wake_watch;
    int timer_fd;           /* main loop only, else -1 */
    int64_t timer_fd_ns;    /* what it is set to, INT64_MAX: disarmed */
    RhWatch timer_watch;
    GHashTable *slots;      /* fd -> FdSlot */
    uint32_t slot_serial;
    unsigned nr_file_slots;
    CoPool *co_pool;
    WorkerPool *workers;    /* NULL until something was offloaded */
    AioRing *ring;          /* NULL until the first request that cannot be served at once */
    bool has_no_ring;       /* the kernel refused one */
};

extern const LoopOps rh_loop_epoll;

/** rh_loop_post_node - as rh_loop_post_urgent without allocation; @post may be used again once fn was called */
void rh_loop_post_node(RhLoop *loop, LoopPost *post);
/** rh_loop_run_posts - run what is posted; whether something was */
bool rh_loop_run_posts(RhLoop *loop);
/** rh_loop_poll - nothing is to do: poll; whether work was found. @ret_since_ns: when it began, unset if it is off */
bool rh_loop_poll(RhLoop *loop, int64_t *ret_since_ns);
/** rh_loop_poll_adapt - the loop slept after polling since @since_ns, and something came; 0: it did not poll */
void rh_loop_poll_adapt(RhLoop *loop, int64_t since_ns);
/** rh_loop_kick - make a sleeping loop look at its timers and posts again; any thread */
void rh_loop_kick(RhLoop *loop);
/** rh_loop_fd_ready - for back-ends: call the watches of @fd that want one of @events */
void rh_loop_fd_ready(RhLoop *loop, int fd, uint32_t serial, unsigned events);

/** rh_timers_fire - call what is due on @loop; whether something was */
bool rh_timers_fire(RhLoop *loop);
/** rh_timers_next_ns - CLOCK_MONOTONIC time at which a timer of @loop is due next, or INT64_MAX; lock held */
int64_t rh_timers_next_ns(RhLoop *loop) RH_REQUIRES(&loop->lock);

int64_t rh_monotonic_ns(void);
void rh_co_pool_free(CoPool *pool);
void rh_worker_pool_free(WorkerPool *pool);
/** rh_aio_ring_free - accepts NULL; no request may be under way */
void rh_aio_ring_free(AioRing *ring);

#endif
