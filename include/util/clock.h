/*
 * Clocks and timers. A clock tells time in nanoseconds and can be stopped or driven by hand; a timer
 * fires once on an event loop when its clock reaches a deadline.
 */
#ifndef RH_UTIL_CLOCK_H
#define RH_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct RhLoop RhLoop;
typedef struct RhClock RhClock;

/** rh_clock_new - a clock starting at 0, running with the host's CLOCK_MONOTONIC; end with rh_clock_free */
RhClock *rh_clock_new(void);
void rh_clock_free(RhClock *clock);

/** rh_clock_real - the process-wide CLOCK_MONOTONIC: never stops; not to be freed */
RhClock *rh_clock_real(void);

/** rh_clock_now - ns since the clock's start; any thread */
int64_t rh_clock_now(const RhClock *clock);

/** rh_clock_set_running - stop or resume; a stopped clock keeps its time and fires no timer. Main loop. */
void rh_clock_set_running(RhClock *clock, bool running);

/** rh_clock_set - set the time of @clock (migration, wake-up); deadlines do not move */
void rh_clock_set(RhClock *clock, int64_t now_ns);

/** rh_clock_set_manual - from now on time moves only by rh_clock_step_to: for qtest and tests */
void rh_clock_set_manual(RhClock *clock);

/**
 * rh_clock_step_to - move a manual clock to @ns, firing due timers in order of deadline on the way
 * Each sees its own deadline as the time. Only timers of the calling loop fire inside the call; those
 * of other loops fire there, soon. While the clock is stopped the time moves and nothing fires.
 */
void rh_clock_step_to(RhClock *clock, int64_t ns);

/** rh_clock_next_deadline - earliest armed deadline of any timer of @clock, or INT64_MAX */
int64_t rh_clock_next_deadline(const RhClock *clock);

typedef void RhTimerFn(void *opaque);

/** RhTimer - caller's memory, zero-filled until rh_timer_init; owner ends it with rh_timer_fini */
typedef struct RhTimer {
    RhClock *clock;
    RhLoop *loop;
    RhTimerFn *fn;
    void *opaque;
    int64_t deadline_ns;    /* INT64_MAX when not armed; this and the rest under the loop's lock */
    struct TimerHeap *heap; /* private to clock.c, as are the two below */
    unsigned heap_index;
    struct RhTimer *next_due;
} RhTimer;

/** rh_timer_init - bind @timer to a clock and to the loop on which @fn will run; any thread */
void rh_timer_init(RhTimer *timer, RhClock *clock, RhLoop *loop, RhTimerFn *fn, void *opaque);
/** rh_timer_fini - cancel and unbind; safe on a zero-filled timer. From the timer's loop, or while it does not run. */
void rh_timer_fini(RhTimer *timer);
/**
 * rh_timer_arm - fire once at @when_ns of the timer's clock; a past time fires on the next loop turn
 * Replaces an earlier deadline. Cannot fail. Any thread; no system call when called on the timer's loop.
 */
void rh_timer_arm(RhTimer *timer, int64_t when_ns);
/** rh_timer_cancel - forget the deadline; on the timer's loop the callback surely does not run afterwards */
void rh_timer_cancel(RhTimer *timer);
bool rh_timer_is_armed(const RhTimer *timer);

#endif
