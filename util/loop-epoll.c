/*
 * The epoll way to wait.
 */
#include "loop-private.h"
#include "util/core.h"
#include "util/error.h"

#include <errno.h>
#include <sys/epoll.h>

enum { MAX_EVENTS = 64 };

typedef struct EpollBackend {
    int fd;
} EpollBackend;

static bool epoll_init(RhLoop *loop, GError **err)
{
    EpollBackend *self;
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0) {
        return rh_fail_errno(err, errno, "Cannot create an epoll descriptor for event loop '%s'",
                             loop->name);
    }
    self = g_new0(EpollBackend, 1);
    self->fd = fd;
    loop->backend = self;
    return true;
}

static void epoll_fini(RhLoop *loop)
{
    EpollBackend *self = loop->backend;

    close(self->fd);
    g_free(self);
}

static int epoll_pollable_fd(RhLoop *loop)
{
    return ((EpollBackend *)loop->backend)->fd;
}

static void epoll_slot_ended(RhLoop *loop, FdSlot *slot)
{
    EpollBackend *self = loop->backend;

    if (slot->is_begun) {
        /* May fail when the owner closed the descriptor first; then the kernel has forgotten it. */
        epoll_ctl(self->fd, EPOLL_CTL_DEL, slot->fd, NULL);
        slot->is_begun = false;
    }
}

static bool epoll_slot_changed(RhLoop *loop, FdSlot *slot)
{
    EpollBackend *self = loop->backend;
    struct epoll_event event = {
        .events = (slot->wanted & RH_READABLE ? EPOLLIN : 0) |
                  (slot->wanted & RH_WRITABLE ? EPOLLOUT : 0),
        .data.u64 = (uint64_t)slot->serial << 32 | (uint32_t)slot->fd,
    };

    if (!slot->wanted) {        /* or hang-ups would keep the loop awake */
        epoll_slot_ended(loop, slot);
        return true;
    }
    if (epoll_ctl(self->fd, slot->is_begun ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, slot->fd, &event) < 0) {
        g_assert(errno == EPERM);   /* else not an open descriptor, or no memory */
        return false;
    }
    slot->is_begun = true;
    return true;
}

static unsigned events_from_epoll(uint32_t events)
{
    return (events & EPOLLIN ? RH_READABLE : 0) | (events & EPOLLOUT ? RH_WRITABLE : 0) |
           (events & (EPOLLHUP | EPOLLERR) ? RH_HANGUP : 0);
}

static bool epoll_wait_ns(RhLoop *loop, int64_t timeout_ns)
{
    EpollBackend *self = loop->backend;
    struct epoll_event events[MAX_EVENTS];
    struct timespec timeout = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
    int nr_events = epoll_pwait2(self->fd, events, MAX_EVENTS, timeout_ns < 0 ? NULL : &timeout, NULL);

    for (int i = 0; i < nr_events; i++) {
        rh_loop_fd_ready(loop, (int)(uint32_t)events[i].data.u64, events[i].data.u64 >> 32,
                         events_from_epoll(events[i].events));
    }
    return nr_events > 0;
}

const LoopOps rh_loop_epoll = {
    .name = "epoll",
    .init = epoll_init,
    .fini = epoll_fini,
    .pollable_fd = epoll_pollable_fd,
    .slot_changed = epoll_slot_changed,
    .slot_ended = epoll_slot_ended,
    .wait = epoll_wait_ns,
};
