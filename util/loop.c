/*
 * The event loop: posted calls, watches of descriptors, and its ride on GLib's main context.
 * How it waits is the business of a back-end (LoopOps); timers are in clock.c, pollers in loop-poll.c.
 *
 * Sleeping: before it waits, a loop says so in is_sleeping and looks for posts and timers once more,
 * both under its lock. Whoever brings work takes the lock, and writes to wake_fd only if the flag is
 * set, clearing it. So work never gets lost, and a busy loop costs its callers no system call.
 */
#include "util/loop.h"
#include "util/core.h"
#include "util/error.h"
#include "loop-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

enum { MAX_WATCHES_PER_FD = 16 };

static __thread RhLoop *current_loop;

RhLoop *rh_loop_current(void)
{
    return current_loop;
}

/* Posts */

static void wake(RhLoop *loop)
{
    uint64_t one = 1;

    /* Fails only when the counter is full, and then the loop is awake anyway. */
    if (write(loop->wake_fd, &one, sizeof(one)) < 0) {
        return;
    }
}

static void wake_seen(void *opaque, unsigned events)
{
    RhLoop *loop = opaque;
    uint64_t count;

    if (read(loop->wake_fd, &count, sizeof(count)) < 0) {
        return;
    }
}

void rh_loop_kick(RhLoop *loop)
{
    bool was_sleeping = false;

    RH_WITH_LOCK(&loop->lock) {
        was_sleeping = loop->is_sleeping;
        loop->is_sleeping = false;
    }
    if (was_sleeping) {
        wake(loop);
    }
}

static void enqueue(RhLoop *loop, LoopPost *post)
{
    bool was_sleeping = false;

    post->next = NULL;
    RH_WITH_LOCK(&loop->lock) {
        __atomic_store_n(loop->posts_tail, post, __ATOMIC_RELAXED);     /* pollers look without the lock */
        loop->posts_tail = &post->next;
        was_sleeping = loop->is_sleeping;
        loop->is_sleeping = false;
    }
    if (was_sleeping) {
        wake(loop);
    }
}

void rh_loop_post_node(RhLoop *loop, LoopPost *post)
{
    post->is_urgent = true;
    enqueue(loop, post);
}

static void post_new(RhLoop *loop, void (*fn)(void *opaque), void *opaque, bool is_urgent)
{
    LoopPost *post = g_new(LoopPost, 1);

    *post = (LoopPost) { .fn = fn, .opaque = opaque, .is_allocated = true, .is_urgent = is_urgent };
    enqueue(loop, post);
}

void rh_loop_post(RhLoop *loop, void (*fn)(void *opaque), void *opaque)
{
    post_new(loop, fn, opaque, false);
}

void rh_loop_post_urgent(RhLoop *loop, void (*fn)(void *opaque), void *opaque)
{
    post_new(loop, fn, opaque, true);
}

static void run_post(LoopPost *post)
{
    void (*fn)(void *opaque) = post->fn;
    void *opaque = post->opaque;

    if (post->is_allocated) {
        g_free(post);
    }
    fn(opaque);
}

/* Calls posted from now on wait for the next turn, so that they cannot keep the loop from its watches. */
bool rh_loop_run_posts(RhLoop *loop)
{
    bool did = false;

    if (!loop->taken) {
        RH_WITH_LOCK(&loop->lock) {
            loop->taken = loop->posts;
            __atomic_store_n(&loop->posts, NULL, __ATOMIC_RELAXED);
            loop->posts_tail = &loop->posts;
        }
    }
    while (loop->taken) {       /* a nested turn may have taken the rest */
        LoopPost *post = loop->taken;

        loop->taken = post->next;
        run_post(post);
        did = true;
    }
    return did;
}

/* Deferred calls */

void rh_loop_defer(RhLoop *loop, RhDeferred *deferred)
{
    if (!deferred->is_waiting) {
        deferred->is_waiting = true;
        deferred->next = NULL;
        *loop->deferred_tail = deferred;
        loop->deferred_tail = &deferred->next;
    }
}

/* Those that wait now; a nested turn may take some of them. What defers itself again waits for the next turn. */
static bool run_deferred(RhLoop *loop)
{
    RhDeferred **end = loop->deferred_tail;
    bool did = false;

    while (loop->deferred && end != &loop->deferred) {
        RhDeferred *first = loop->deferred;
        bool is_last = end == &first->next;

        loop->deferred = first->next;
        if (!loop->deferred) {
            loop->deferred_tail = &loop->deferred;
        }
        first->is_waiting = false;
        first->fn(first->opaque);
        did = true;
        if (is_last) {
            break;
        }
    }
    return did;
}

/* Watches */

/* A sleeping main loop touches no watch: it has dropped the guard, and takes it before it looks at what is ready. */
static void assert_may_change(const RhLoop *loop)
{
    g_assert(!loop->guard || rh_loop_current() == loop || rh_is_locked_by_me(loop->guard));
}

static FdSlot *slot_find(RhLoop *loop, int fd)
{
    return g_hash_table_lookup(loop->slots, GINT_TO_POINTER(fd));
}

static FdSlot *slot_get(RhLoop *loop, int fd)
{
    FdSlot *slot = slot_find(loop, fd);

    if (!slot) {
        slot = g_new0(FdSlot, 1);
        slot->fd = fd;
        slot->serial = ++loop->slot_serial;
        g_hash_table_insert(loop->slots, GINT_TO_POINTER(fd), slot);
    }
    return slot;
}

static void slot_settle(RhLoop *loop, FdSlot *slot)
{
    unsigned wanted = 0;

    for (RhWatch *watch = slot->watches; watch; watch = watch->next) {
        wanted |= watch->events;
    }
    if (slot->is_file) {
        loop->nr_file_slots += (wanted != 0) - (slot->wanted != 0);
        slot->wanted = wanted;
    } else if (wanted != slot->wanted) {
        slot->wanted = wanted;
        if (!loop->ops->slot_changed(loop, slot)) {
            slot->is_file = true;
            loop->nr_file_slots += wanted != 0;
        }
    }
    if (slot->is_file && wanted) {
        rh_loop_kick(loop);     /* nothing that the loop sleeps on will tell that it is ready */
    }
}

void rh_watch_begin(RhWatch *watch, RhLoop *loop, int fd, unsigned events, RhWatchFn *fn, void *opaque)
{
    FdSlot *slot;

    assert_may_change(loop);
    slot = slot_get(loop, fd);
    *watch = (RhWatch) {
        .loop = loop, .fd = fd, .events = events, .fn = fn, .opaque = opaque, .next = slot->watches,
    };
    slot->watches = watch;
    slot_settle(loop, slot);
}

void rh_watch_set(RhWatch *watch, unsigned events)
{
    assert_may_change(watch->loop);
    if (watch->events != events) {
        watch->events = events;
        slot_settle(watch->loop, slot_find(watch->loop, watch->fd));
    }
}

static void slot_end(RhLoop *loop, FdSlot *slot)
{
    if (slot->is_file) {
        loop->nr_file_slots -= slot->wanted != 0;
    } else {
        loop->ops->slot_ended(loop, slot);
    }
    g_hash_table_remove(loop->slots, GINT_TO_POINTER(slot->fd));
}

void rh_watch_end(RhWatch *watch)
{
    RhLoop *loop = watch->loop;
    RhWatch **link;
    FdSlot *slot;

    if (!loop) {
        return;
    }
    assert_may_change(loop);
    slot = slot_find(loop, watch->fd);
    for (link = &slot->watches; *link != watch; link = &(*link)->next) {
    }
    *link = watch->next;
    *watch = (RhWatch) { 0 };
    if (slot->watches) {
        slot_settle(loop, slot);
    } else {
        slot_end(loop, slot);
    }
}

static bool slot_has(const FdSlot *slot, const RhWatch *wanted)
{
    for (const RhWatch *watch = slot->watches; watch; watch = watch->next) {
        if (watch == wanted) {
            return true;
        }
    }
    return false;
}

void rh_loop_fd_ready(RhLoop *loop, int fd, uint32_t serial, unsigned events)
{
    FdSlot *slot = slot_find(loop, fd);
    RhWatch *present[MAX_WATCHES_PER_FD];
    unsigned nr_present = 0;

    if (!slot || slot->serial != serial) {
        return;
    }
    for (RhWatch *watch = slot->watches; watch && nr_present < MAX_WATCHES_PER_FD;
         watch = watch->next) {
        present[nr_present++] = watch;
    }
    /* Each call may end any watch, and begin others for the same number. */
    for (unsigned i = 0; i < nr_present; i++) {
        RhWatch *watch = present[i];

        slot = slot_find(loop, fd);
        if (!slot || slot->serial != serial) {
            return;
        }
        if (slot_has(slot, watch) && watch->events && (events & (watch->events | RH_HANGUP))) {
            watch->fn(watch->opaque, events & (watch->events | RH_HANGUP));
        }
    }
}

static bool run_files(RhLoop *loop)
{
    g_autofree FdSlot *ready = NULL;
    unsigned nr_ready = 0;
    GHashTableIter iter;
    void *value;

    if (!loop->nr_file_slots) {
        return false;
    }
    ready = g_new(FdSlot, loop->nr_file_slots);
    g_hash_table_iter_init(&iter, loop->slots);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        FdSlot *slot = value;

        if (slot->is_file && slot->wanted) {
            ready[nr_ready++] = *slot;
        }
    }
    for (unsigned i = 0; i < nr_ready; i++) {
        rh_loop_fd_ready(loop, ready[i].fd, ready[i].serial, ready[i].wanted);
    }
    return nr_ready > 0;
}

/* Turning */

/* How long to sleep until CLOCK_MONOTONIC says @wake_ns; -1: until woken. Time is read once: read again, it may be past
 * @wake_ns, and a length below 0 is a sleep without end. */
static int64_t ns_until(int64_t wake_ns)
{
    int64_t now_ns;

    if (wake_ns == INT64_MAX) {
        return -1;
    }
    now_ns = rh_monotonic_ns();
    return wake_ns > now_ns ? wake_ns - now_ns : 0;
}

/* Announce sleep; returns how long: 0 not at all, -1 until woken. */
static int64_t sleep_begin(RhLoop *loop)
{
    int64_t wake_ns = INT64_MAX;
    bool is_busy = loop->taken || loop->deferred || loop->nr_file_slots;

    RH_WITH_LOCK(&loop->lock) {
        is_busy |= loop->posts != NULL;
        if (!is_busy) {
            loop->is_sleeping = true;
            wake_ns = rh_timers_next_ns(loop);
        }
    }
    return is_busy ? 0 : ns_until(wake_ns);
}

static void sleep_end(RhLoop *loop)
{
    RH_WITH_LOCK(&loop->lock) {
        loop->is_sleeping = false;
    }
}

static bool turn(RhLoop *loop, bool may_block)
{
    bool did = rh_loop_run_posts(loop);
    int64_t timeout_ns = 0;
    int64_t idle_since_ns = 0;

    did |= rh_timers_fire(loop);
    did |= run_files(loop);
    did |= loop->deferred != NULL;
    if (may_block && !did) {
        if (rh_loop_poll(loop, &idle_since_ns)) {
            run_deferred(loop);
            return true;
        }
        timeout_ns = sleep_begin(loop);
    }
    did |= loop->ops->wait(loop, timeout_ns);
    if (timeout_ns) {
        sleep_end(loop);
        rh_loop_poll_adapt(loop, idle_since_ns);
        did |= rh_loop_run_posts(loop);
        did |= rh_timers_fire(loop);
    }
    return run_deferred(loop) || did;
}

void rh_loop_set_guard(RhLoop *loop, RhMutex *guard)
{
    loop->guard = guard;
}

/* g_main_context_iteration by hand, so that the guard can be dropped around the wait. */
static bool main_turn(RhLoop *loop, bool may_block)
{
    GMainContext *context = g_main_context_default();
    RhMutex *guard = loop->guard && rh_is_locked_by_me(loop->guard) ? loop->guard : NULL;
    GPollFD some[16];
    GPollFD *fds = some;
    gint room = G_N_ELEMENTS(some);
    gint priority, timeout_ms, nr;
    bool did;

    if (!guard) {
        return g_main_context_iteration(context, may_block);
    }
    g_main_context_acquire(context);
    g_main_context_prepare(context, &priority);
    while ((nr = g_main_context_query(context, priority, &timeout_ms, fds, room)) > room) {
        if (fds != some) {
            g_free(fds);
        }
        room = nr;
        fds = g_new(GPollFD, room);
    }
    rh_unlock(guard);
    g_poll(fds, (guint)nr, may_block ? timeout_ms : 0);
    rh_lock(guard);
    did = g_main_context_check(context, priority, fds, nr);
    g_main_context_dispatch(context);
    g_main_context_release(context);
    if (fds != some) {
        g_free(fds);
    }
    return did;
}

bool rh_loop_turn(RhLoop *loop, bool may_block)
{
    RhLoop *outer = current_loop;
    bool did;

    if (loop->source) {
        rh_assert_on_loop(loop);
        return main_turn(loop, may_block);
    }
    current_loop = loop;
    did = turn(loop, may_block);
    current_loop = outer;
    return did;
}

/* Turning in the midst of a callback */

/* The first urgent post of a list, unlinked. */
static LoopPost *unlink_urgent(LoopPost **link)
{
    while (*link && !(*link)->is_urgent) {
        link = &(*link)->next;
    }
    if (*link) {
        LoopPost *post = *link;

        __atomic_store_n(link, post->next, __ATOMIC_RELAXED);
        return post;
    }
    return NULL;
}

static LoopPost *next_urgent(RhLoop *loop)
{
    LoopPost *post = unlink_urgent(&loop->taken);

    if (!post) {
        RH_WITH_LOCK(&loop->lock) {
            post = unlink_urgent(&loop->posts);
            loop->posts_tail = &loop->posts;
            while (*loop->posts_tail) {
                loop->posts_tail = &(*loop->posts_tail)->next;
            }
        }
    }
    return post;
}

/* As many as there can be now: one that posts itself again waits for the next turn. */
static bool run_urgent_posts(RhLoop *loop)
{
    unsigned nr_left = 0;
    bool did = false;
    LoopPost *post;

    for (post = loop->taken; post; post = post->next) {
        nr_left += post->is_urgent;
    }
    RH_WITH_LOCK(&loop->lock) {
        for (post = loop->posts; post; post = post->next) {
            nr_left += post->is_urgent;
        }
    }
    while (nr_left-- && (post = next_urgent(loop))) {
        run_post(post);
        did = true;
    }
    return did;
}

typedef struct UrgentFd {
    uint32_t serial;
    int fd;
} UrgentFd;

/* The descriptors with urgent watches, and wake_fd, for poll(2). */
static void list_urgent(RhLoop *loop, GArray *fds, GArray *polled)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, loop->slots);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const FdSlot *slot = value;
        unsigned events = 0;

        for (const RhWatch *watch = slot->watches; watch; watch = watch->next) {
            events |= watch->is_urgent ? watch->events : 0;
        }
        if (events) {
            UrgentFd fd = { slot->serial, slot->fd };
            struct pollfd to_poll = {
                .fd = slot->fd,
                .events = (short)((events & RH_READABLE ? POLLIN : 0) | (events & RH_WRITABLE ? POLLOUT : 0)),
            };

            g_array_append_val(fds, fd);
            g_array_append_val(polled, to_poll);
        }
    }
}

static bool poll_urgent(RhLoop *loop, int64_t timeout_ns)
{
    g_autoptr(GArray) fds = g_array_new(false, false, sizeof(UrgentFd));
    g_autoptr(GArray) polled = g_array_new(false, false, sizeof(struct pollfd));
    RhMutex *guard = loop->guard && rh_is_locked_by_me(loop->guard) ? loop->guard : NULL;
    struct timespec timeout = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
    int nr_ready;

    list_urgent(loop, fds, polled);
    if (guard) {
        rh_unlock(guard);
    }
    nr_ready = ppoll((struct pollfd *)(void *)polled->data, polled->len, timeout_ns < 0 ? NULL : &timeout, NULL);
    if (guard) {
        rh_lock(guard);
    }
    for (guint i = 0; nr_ready > 0 && i < polled->len; i++) {
        const UrgentFd *fd = &g_array_index(fds, UrgentFd, i);
        short events = g_array_index(polled, struct pollfd, i).revents;

        if (events) {
            rh_loop_fd_ready(loop, fd->fd, fd->serial,
                             (events & POLLIN ? RH_READABLE : 0) | (events & POLLOUT ? RH_WRITABLE : 0) |
                             (events & (POLLHUP | POLLERR) ? RH_HANGUP : 0));
        }
    }
    return nr_ready > 0;
}

/* As sleep_begin(), for a sleep that posts that are not urgent do not keep from. */
static int64_t urgent_sleep_begin(RhLoop *loop)
{
    int64_t wake_ns = INT64_MAX;

    RH_WITH_LOCK(&loop->lock) {
        for (const LoopPost *post = loop->posts; post && wake_ns; post = post->next) {
            wake_ns = post->is_urgent ? 0 : wake_ns;
        }
        if (wake_ns) {
            loop->is_sleeping = true;
            wake_ns = rh_timers_next_ns(loop);
        }
    }
    return ns_until(wake_ns);
}

void rh_loop_turn_urgent(RhLoop *loop)
{
    bool did;

    rh_assert_on_loop(loop);
    did = run_urgent_posts(loop);
    did |= rh_timers_fire(loop);
    did |= run_deferred(loop);
    if (!did) {
        poll_urgent(loop, urgent_sleep_begin(loop));
        sleep_end(loop);
        run_urgent_posts(loop);
        run_deferred(loop);
    }
}

void rh_loop_run(RhLoop *loop)
{
    while (!__atomic_load_n(&loop->should_quit, __ATOMIC_ACQUIRE)) {
        rh_loop_turn(loop, true);
    }
    __atomic_store_n(&loop->should_quit, false, __ATOMIC_RELAXED);
}

static void quit_posted(void *opaque)
{
}

void rh_loop_quit(RhLoop *loop)
{
    __atomic_store_n(&loop->should_quit, true, __ATOMIC_RELEASE);
    /* A post, because a loop on its way to sleep looks for posts once more, and not for should_quit. */
    rh_loop_post(loop, quit_posted, NULL);
    if (loop->source) {
        g_main_context_wakeup(NULL);
    }
}

/* The main loop as a GSource: GLib polls the back-end's descriptor, in which a timerfd stands for our
 * timers because GLib counts in milliseconds. */

typedef struct MainSource {
    GSource source;
    RhLoop *loop;
    void *fd_tag;
} MainSource;

static void set_timer_fd(RhLoop *loop, int64_t wake_ns)
{
    struct itimerspec when = { 0 };

    if (wake_ns == loop->timer_fd_ns) {
        return;
    }
    if (wake_ns != INT64_MAX) {
        when.it_value.tv_sec = wake_ns / 1000000000;
        when.it_value.tv_nsec = wake_ns % 1000000000;
    }
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0) {
        loop->timer_fd_ns = wake_ns;
    }
}

static void timer_fd_seen(void *opaque, unsigned events)
{
    RhLoop *loop = opaque;
    uint64_t count;

    if (read(loop->timer_fd, &count, sizeof(count)) == sizeof(count)) {
        loop->timer_fd_ns = INT64_MAX;
    }
}

static gboolean main_prepare(GSource *source, gint *timeout_ms)
{
    RhLoop *loop = ((MainSource *)source)->loop;
    int64_t wait_ns = sleep_begin(loop);

    *timeout_ms = -1;
    if (wait_ns == 0) {
        return true;
    }
    set_timer_fd(loop, wait_ns < 0 ? INT64_MAX : rh_monotonic_ns() + wait_ns);
    return false;
}

static gboolean main_check(GSource *source)
{
    MainSource *self = (MainSource *)source;
    RhLoop *loop = self->loop;
    bool has_posts = false;

    RH_WITH_LOCK(&loop->lock) {
        has_posts = loop->posts != NULL;
    }
    return has_posts || g_source_query_unix_fd(source, self->fd_tag);
}

static gboolean main_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    RhLoop *loop = ((MainSource *)source)->loop;

    sleep_end(loop);
    turn(loop, false);
    rh_timers_fire(loop);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs main_source_funcs = {
    .prepare = main_prepare,
    .check = main_check,
    .dispatch = main_dispatch,
};

/* Begin and end */

static bool loop_init(RhLoop *loop, GError **err)
{
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        return rh_fail_errno(err, errno, "Cannot create an eventfd for event loop '%s'", loop->name);
    }
    if (!loop->ops->init(loop, err)) {
        loop->ops = NULL;
        return false;
    }
    rh_watch_begin(&loop->wake_watch, loop, loop->wake_fd, RH_READABLE, wake_seen, loop);
    loop->wake_watch.is_urgent = true;
    return true;
}

static RhLoop *loop_new(const char *name, const LoopOps *ops, GError **err)
{
    RhLoop *loop = g_new0(RhLoop, 1);

    loop->name = g_strdup(name);
    loop->ops = ops;
    loop->wake_fd = -1;
    loop->timer_fd = -1;
    loop->timer_fd_ns = INT64_MAX;
    rh_mutex_init(&loop->lock);
    loop->posts_tail = &loop->posts;
    loop->deferred_tail = &loop->deferred;
    loop->heaps = g_ptr_array_new();
    loop->slots = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (!loop_init(loop, err)) {
        rh_loop_free(loop);
        return NULL;
    }
    return loop;
}

RhLoop *rh_loop_new(const char *name, GError **err)
{
    return loop_new(name, &rh_loop_epoll, err);
}

static bool main_init(RhLoop *loop, GError **err)
{
    MainSource *source;

    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer_fd < 0) {
        return rh_fail_errno(err, errno, "Cannot create a timerfd for event loop '%s'", loop->name);
    }
    rh_watch_begin(&loop->timer_watch, loop, loop->timer_fd, RH_READABLE, timer_fd_seen, loop);
    loop->source = g_source_new(&main_source_funcs, sizeof(MainSource));
    source = (MainSource *)loop->source;
    source->loop = loop;
    source->fd_tag = g_source_add_unix_fd(loop->source, loop->ops->pollable_fd(loop), G_IO_IN);
    g_source_set_name(loop->source, loop->name);
    g_source_set_can_recurse(loop->source, true);
    g_source_attach(loop->source, NULL);
    return true;
}

RhLoop *rh_loop_new_main(GError **err)
{
    RhLoop *loop = loop_new("main", &rh_loop_epoll, err);

    if (loop && !main_init(loop, err)) {
        rh_loop_free(loop);
        return NULL;
    }
    current_loop = loop;
    return loop;
}

static void drop_posts(LoopPost *post)
{
    while (post) {
        LoopPost *next = post->next;

        if (post->is_allocated) {
            g_free(post);
        }
        post = next;
    }
}

void rh_loop_free(RhLoop *loop)
{
    if (!loop) {
        return;
    }
    loop->guard = NULL;     /* it does not run any more */
    if (current_loop == loop) {
        current_loop = NULL;
    }
    if (loop->source) {
        g_source_destroy(loop->source);
        g_source_unref(loop->source);
    }
    rh_worker_pool_free(loop->workers);
    rh_aio_ring_free(loop->ring);
    rh_co_pool_free(loop->co_pool);
    rh_watch_end(&loop->wake_watch);
    rh_watch_end(&loop->timer_watch);
    g_assert(g_hash_table_size(loop->slots) == 0);
    g_assert(loop->heaps->len == 0);
    if (loop->ops) {
        loop->ops->fini(loop);
    }
    rh_autofd_end(&loop->wake_fd);
    rh_autofd_end(&loop->timer_fd);
    drop_posts(loop->taken);
    drop_posts(loop->posts);
    g_hash_table_unref(loop->slots);
    g_ptr_array_free(loop->heaps, true);
    rh_mutex_fini(&loop->lock);
    g_free(loop->name);
    g_free(loop);
}
