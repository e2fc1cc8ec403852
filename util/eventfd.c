/*
 * A flag on eventfd(2).
 */
#include "util/eventfd.h"
#include "util/core.h"
#include "util/error.h"

#include <errno.h>
#include <sys/eventfd.h>

bool rh_event_init(RhEvent *event, GError **err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    event->fd_plus_one = fd + 1;
    return fd >= 0 || rh_fail_errno(err, errno, "Cannot create an eventfd");
}

void rh_event_fini(RhEvent *event)
{
    if (event->fd_plus_one) {
        close(rh_event_fd(event));
        event->fd_plus_one = 0;
    }
}

int rh_event_fd(const RhEvent *event)
{
    return event->fd_plus_one - 1;
}

void rh_event_set(RhEvent *event)
{
    uint64_t one = 1;

    /* EAGAIN: the counter is full, that is, set. Nothing else can happen. */
    if (write(rh_event_fd(event), &one, sizeof(one)) < 0) {
        g_assert(errno == EAGAIN);
    }
}

bool rh_event_clear(RhEvent *event)
{
    uint64_t count;

    return read(rh_event_fd(event), &count, sizeof(count)) == sizeof(count);
}
