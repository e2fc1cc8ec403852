/*
 * Clocks, and the timers that wait for them.
 *
 * A loop has one heap of timers for each clock that it uses; the heap and the timers in it are under
 * the loop's lock, and a clock knows its heaps (under its own lock, which comes first) so that it
 * can make their loops look again when it is set, stopped or resumed.
 */
#include "util/clock.h"
#include "util/core.h"
#include "loop-private.h"

#include <time.h>

enum {
    INDEX_NONE = UINT_MAX,          /* not armed */
    INDEX_DUE = UINT_MAX - 1,       /* taken out of the heap, on its list of due timers */
    MAX_SAME_INSTANT = 1000,        /* timers that re-arm for "now" must not hold a step for ever */
};

struct RhClock {
    RhMutex lock;           /* guards heaps and the writing of all below */
    GPtrArray *heaps;
    unsigned sequence;      /* atomic; odd while the next four change, so that readers need no lock */
    bool is_running;
    bool is_manual;
    int64_t offset_ns;      /* running: time is CLOCK_MONOTONIC + offset */
    int64_t frozen_ns;      /* stopped or manual: time */
};

struct TimerHeap {
    RhClock *clock;
    RhLoop *loop;
    GPtrArray *timers;      /* binary heap by deadline */
    RhTimer *due;           /* to be called in this turn */
    RhTimer **due_tail;
    unsigned nr_bound;      /* timers initialised for this clock and loop */
};

int64_t rh_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void clock_init(RhClock *clock, int64_t offset_ns)
{
    rh_mutex_init(&clock->lock);
    clock->heaps = g_ptr_array_new();
    clock->is_running = true;
    clock->offset_ns = offset_ns;
}

RhClock *rh_clock_new(void)
{
    RhClock *clock = g_new0(RhClock, 1);

    clock_init(clock, -rh_monotonic_ns());
    return clock;
}

void rh_clock_free(RhClock *clock)
{
    if (!clock) {
        return;
    }
    g_assert(clock->heaps->len == 0);
    g_ptr_array_free(clock->heaps, true);
    rh_mutex_fini(&clock->lock);
    g_free(clock);
}

RhClock *rh_clock_real(void)
{
    static RhClock real;            /* the host has one, and so has the process */
    static gsize is_ready;

    if (g_once_init_enter(&is_ready)) {
        clock_init(&real, 0);
        g_once_init_leave(&is_ready, 1);
    }
    return &real;
}

/* The four words that tell the time, as one reader saw them together. */
typedef struct ClockView {
    bool is_running;
    bool is_manual;
    int64_t offset_ns;
    int64_t frozen_ns;
} ClockView;

static ClockView clock_view(const RhClock *clock)
{
    ClockView view;
    unsigned before;

    /* Pairs with clock_change(): sequence is even and the same on both sides of the four reads.
     * Acquire on each keeps the second look at the sequence behind them. */
    do {
        before = __atomic_load_n(&clock->sequence, __ATOMIC_ACQUIRE);
        view.is_running = __atomic_load_n(&clock->is_running, __ATOMIC_ACQUIRE);
        view.is_manual = __atomic_load_n(&clock->is_manual, __ATOMIC_ACQUIRE);
        view.offset_ns = __atomic_load_n(&clock->offset_ns, __ATOMIC_ACQUIRE);
        view.frozen_ns = __atomic_load_n(&clock->frozen_ns, __ATOMIC_ACQUIRE);
    } while ((before & 1) || before != __atomic_load_n(&clock->sequence, __ATOMIC_ACQUIRE));
    return view;
}

static void clock_change(RhClock *clock, const ClockView *view)
{
    unsigned before = __atomic_load_n(&clock->sequence, __ATOMIC_RELAXED);

    __atomic_store_n(&clock->sequence, before + 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&clock->is_running, view->is_running, __ATOMIC_SEQ_CST);
    __atomic_store_n(&clock->is_manual, view->is_manual, __ATOMIC_SEQ_CST);
    __atomic_store_n(&clock->offset_ns, view->offset_ns, __ATOMIC_SEQ_CST);
    __atomic_store_n(&clock->frozen_ns, view->frozen_ns, __ATOMIC_SEQ_CST);
    __atomic_store_n(&clock->sequence, before + 2, __ATOMIC_SEQ_CST);
}

static bool view_is_frozen(const ClockView *view)
{
    return view->is_manual || !view->is_running;
}

static int64_t view_now(const ClockView *view)
{
    return view_is_frozen(view) ? view->frozen_ns : rh_monotonic_ns() + view->offset_ns;
}

static void view_set_now(ClockView *view, int64_t now_ns)
{
    view->frozen_ns = now_ns;
    view->offset_ns = now_ns - rh_monotonic_ns();
}

int64_t rh_clock_now(const RhClock *clock)
{
    ClockView view = clock_view(clock);

    return view_now(&view);
}

/* Loops asleep have computed their wake-up from the old state of the clock. */
static void clock_kick_loops(RhClock *clock) RH_REQUIRES(&clock->lock)
{
    for (guint i = 0; i < clock->heaps->len; i++) {
        TimerHeap *heap = g_ptr_array_index(clock->heaps, i);

        rh_loop_kick(heap->loop);
    }
}

void rh_clock_set_running(RhClock *clock, bool running)
{
    RH_WITH_LOCK(&clock->lock) {
        ClockView view = clock_view(clock);

        view_set_now(&view, view_now(&view));
        view.is_running = running;
        clock_change(clock, &view);
        clock_kick_loops(clock);
    }
}

void rh_clock_set(RhClock *clock, int64_t now_ns)
{
    RH_WITH_LOCK(&clock->lock) {
        ClockView view = clock_view(clock);

        view_set_now(&view, now_ns);
        clock_change(clock, &view);
        clock_kick_loops(clock);
    }
}

void rh_clock_set_manual(RhClock *clock)
{
    RH_WITH_LOCK(&clock->lock) {
        ClockView view = clock_view(clock);

        view_set_now(&view, view_now(&view));
        view.is_manual = true;
        clock_change(clock, &view);
        clock_kick_loops(clock);
    }
}

int64_t rh_clock_next_deadline(const RhClock *clock)
{
    int64_t next = INT64_MAX;

    RH_WITH_LOCK((RhMutex *)&clock->lock) {
        for (guint i = 0; i < clock->heaps->len; i++) {
            TimerHeap *heap = g_ptr_array_index(clock->heaps, i);

            RH_WITH_LOCK(&heap->loop->lock) {
                RhTimer *first = heap->due;

                if (!first && heap->timers->len) {
                    first = g_ptr_array_index(heap->timers, 0);
                }
                if (first) {
                    next = MIN(next, first->deadline_ns);
                }
            }
        }
    }
    return next;
}

/* Binary heap. All of it under the loop's lock. */

static RhTimer *heap_at(TimerHeap *heap, unsigned i)
{
    return g_ptr_array_index(heap->timers, i);
}

static void heap_place(TimerHeap *heap, unsigned i, RhTimer *timer)
{
    g_ptr_array_index(heap->timers, i) = timer;
    timer->heap_index = i;
}

static void heap_rise(TimerHeap *heap, unsigned i)
{
    RhTimer *timer = heap_at(heap, i);

    while (i > 0 && heap_at(heap, (i - 1) / 2)->deadline_ns > timer->deadline_ns) {
        heap_place(heap, i, heap_at(heap, (i - 1) / 2));
        i = (i - 1) / 2;
    }
    heap_place(heap, i, timer);
}

static void heap_sink(TimerHeap *heap, unsigned i)
{
    RhTimer *timer = heap_at(heap, i);
    unsigned len = heap->timers->len;

    while (2 * i + 1 < len) {
        unsigned child = 2 * i + 1;

        if (child + 1 < len &&
            heap_at(heap, child + 1)->deadline_ns < heap_at(heap, child)->deadline_ns) {
            child++;
        }
        if (heap_at(heap, child)->deadline_ns >= timer->deadline_ns) {
            break;
        }
        heap_place(heap, i, heap_at(heap, child));
        i = child;
    }
    heap_place(heap, i, timer);
}

static void heap_insert(TimerHeap *heap, RhTimer *timer)
{
    g_ptr_array_add(heap->timers, timer);
    heap_rise(heap, heap->timers->len - 1);
}

static void heap_remove(TimerHeap *heap, RhTimer *timer)
{
    unsigned i = timer->heap_index;
    RhTimer *last = heap_at(heap, heap->timers->len - 1);

    g_ptr_array_set_size(heap->timers, heap->timers->len - 1);
    if (last != timer) {
        heap_place(heap, i, last);
        heap_rise(heap, i);
        heap_sink(heap, last->heap_index);
    }
    timer->heap_index = INDEX_NONE;
}

static void due_append(TimerHeap *heap, RhTimer *timer)
{
    timer->next_due = NULL;
    timer->heap_index = INDEX_DUE;
    *heap->due_tail = timer;
    heap->due_tail = &timer->next_due;
}

static void due_remove(TimerHeap *heap, RhTimer *timer)
{
    RhTimer **link = &heap->due;

    while (*link != timer) {
        link = &(*link)->next_due;
    }
    *link = timer->next_due;
    if (!*link) {
        heap->due_tail = link;
    }
    timer->heap_index = INDEX_NONE;
}

static void timer_disarm(RhTimer *timer)
{
    if (timer->heap_index == INDEX_DUE) {
        due_remove(timer->heap, timer);
    } else if (timer->heap_index != INDEX_NONE) {
        heap_remove(timer->heap, timer);
    }
    timer->deadline_ns = INT64_MAX;
}

/* Binding timers to heaps */

static TimerHeap *heap_find(RhClock *clock, RhLoop *loop)
{
    for (guint i = 0; i < loop->heaps->len; i++) {
        TimerHeap *heap = g_ptr_array_index(loop->heaps, i);

        if (heap->clock == clock) {
            return heap;
        }
    }
    return NULL;
}

static TimerHeap *heap_new(RhClock *clock, RhLoop *loop)
{
    TimerHeap *heap = g_new0(TimerHeap, 1);

    heap->clock = clock;
    heap->loop = loop;
    heap->timers = g_ptr_array_new();
    heap->due_tail = &heap->due;
    g_ptr_array_add(clock->heaps, heap);
    g_ptr_array_add(loop->heaps, heap);
    return heap;
}

static void heap_free(TimerHeap *heap)
{
    g_ptr_array_remove(heap->clock->heaps, heap);
    g_ptr_array_remove(heap->loop->heaps, heap);
    g_ptr_array_free(heap->timers, true);
    g_free(heap);
}

void rh_timer_init(RhTimer *timer, RhClock *clock, RhLoop *loop, RhTimerFn *fn, void *opaque)
{
    *timer = (RhTimer) {
        .clock = clock, .loop = loop, .fn = fn, .opaque = opaque,
        .deadline_ns = INT64_MAX, .heap_index = INDEX_NONE,
    };
    RH_WITH_LOCK(&clock->lock) {
        RH_WITH_LOCK(&loop->lock) {
            timer->heap = heap_find(clock, loop);
            if (!timer->heap) {
                timer->heap = heap_new(clock, loop);
            }
            timer->heap->nr_bound++;
        }
    }
}

void rh_timer_fini(RhTimer *timer)
{
    RhClock *clock = timer->clock;
    RhLoop *loop = timer->loop;

    if (!timer->heap) {
        return;
    }
    RH_WITH_LOCK(&clock->lock) {
        RH_WITH_LOCK(&loop->lock) {
            timer_disarm(timer);
            if (--timer->heap->nr_bound == 0) {
                heap_free(timer->heap);
            }
        }
    }
    *timer = (RhTimer) { 0 };
}

void rh_timer_arm(RhTimer *timer, int64_t when_ns)
{
    RhLoop *loop = timer->loop;
    bool is_first = false;

    RH_WITH_LOCK(&loop->lock) {
        timer_disarm(timer);
        timer->deadline_ns = when_ns;
        heap_insert(timer->heap, timer);
        is_first = timer->heap_index == 0;
    }
    if (is_first && rh_loop_current() != loop) {
        rh_loop_kick(loop);
    }
}

void rh_timer_cancel(RhTimer *timer)
{
    if (!timer->heap) {
        return;
    }
    RH_WITH_LOCK(&timer->loop->lock) {
        timer_disarm(timer);
    }
}

bool rh_timer_is_armed(const RhTimer *timer)
{
    bool is_armed = false;

    if (!timer->heap) {
        return false;
    }
    RH_WITH_LOCK(&timer->loop->lock) {
        is_armed = timer->heap_index != INDEX_NONE;
    }
    return is_armed;
}

/* Firing */

static int64_t heap_next_ns(TimerHeap *heap)
{
    ClockView view = clock_view(heap->clock);
    int64_t deadline_ns;

    if (!view.is_running) {
        return INT64_MAX;
    }
    if (heap->due) {
        return 0;
    }
    if (!heap->timers->len) {
        return INT64_MAX;
    }
    deadline_ns = heap_at(heap, 0)->deadline_ns;
    if (view.is_manual) {
        return deadline_ns <= view.frozen_ns ? 0 : INT64_MAX;
    }
    if (__builtin_sub_overflow(deadline_ns, view.offset_ns, &deadline_ns)) {
        return view.offset_ns < 0 ? INT64_MAX : 0;
    }
    return MAX(deadline_ns, 0);
}

int64_t rh_timers_next_ns(RhLoop *loop)
{
    int64_t next_ns = INT64_MAX;

    for (guint i = 0; i < loop->heaps->len; i++) {
        int64_t heap_ns = heap_next_ns(g_ptr_array_index(loop->heaps, i));

        next_ns = MIN(next_ns, heap_ns);
    }
    return next_ns;
}

/* Due timers leave the heap before the first is called: one that arms itself for the past comes next
 * turn, after the others. */
static void heap_collect_due(TimerHeap *heap)
{
    ClockView view = clock_view(heap->clock);
    int64_t now_ns;

    if (!view.is_running || !heap->timers->len) {
        return;
    }
    now_ns = view_now(&view);
    while (heap->timers->len && heap_at(heap, 0)->deadline_ns <= now_ns) {
        RhTimer *timer = heap_at(heap, 0);

        heap_remove(heap, timer);
        due_append(heap, timer);
    }
}

static RhTimer *take_due(RhLoop *loop)
{
    for (guint i = 0; i < loop->heaps->len; i++) {
        TimerHeap *heap = g_ptr_array_index(loop->heaps, i);
        RhTimer *timer = heap->due;

        if (timer && clock_view(heap->clock).is_running) {
            timer_disarm(timer);
            return timer;
        }
    }
    return NULL;
}

bool rh_timers_fire(RhLoop *loop)
{
    bool did = false;

    rh_lock(&loop->lock);
    for (guint i = 0; i < loop->heaps->len; i++) {
        heap_collect_due(g_ptr_array_index(loop->heaps, i));
    }
    for (RhTimer *timer = take_due(loop); timer; timer = take_due(loop)) {
        RhTimerFn *fn = timer->fn;
        void *opaque = timer->opaque;

        did = true;
        rh_unlock(&loop->lock);
        fn(opaque);
        rh_lock(&loop->lock);
    }
    rh_unlock(&loop->lock);
    return did;
}

/* The timer of @clock on @loop that comes first at or before @ns, disarmed; its deadline in @ret_when. */
static RhTimer *take_until(RhClock *clock, RhLoop *loop, int64_t ns, int64_t *ret_when)
{
    RhTimer *timer = NULL;

    if (!loop) {
        return NULL;
    }
    RH_WITH_LOCK(&loop->lock) {
        TimerHeap *heap = heap_find(clock, loop);

        if (heap && heap->due) {
            timer = heap->due;
        } else if (heap && heap->timers->len && heap_at(heap, 0)->deadline_ns <= ns) {
            timer = heap_at(heap, 0);
        }
        if (timer) {
            *ret_when = timer->deadline_ns;
            timer_disarm(timer);
        }
    }
    return timer;
}

void rh_clock_step_to(RhClock *clock, int64_t ns)
{
    RhLoop *loop = rh_loop_current();
    unsigned nr_same_instant = 0;
    RhTimer *timer;
    int64_t when_ns;

    g_assert(clock_view(clock).is_manual);
    while (clock_view(clock).is_running && nr_same_instant < MAX_SAME_INSTANT &&
           (timer = take_until(clock, loop, ns, &when_ns))) {
        RhTimerFn *fn = timer->fn;
        void *opaque = timer->opaque;

        if (when_ns > rh_clock_now(clock)) {
            rh_clock_set(clock, when_ns);
            nr_same_instant = 0;
        }
        nr_same_instant++;
        fn(opaque);
    }
    if (ns > rh_clock_now(clock)) {
        rh_clock_set(clock, ns);
    }
}
