/*
 * Streams over file descriptors. Bytes are read only when the user has room for them, so that nothing
 * is lost; a hang-up reads the rest into the inbox, so that a new peer need not wait for a slow guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include "chardev/private.h"

/* A terminal that shows room takes at least this much without blocking (the kernel's WAKEUP_CHARS). */
enum { TERMINAL_CHUNK = 256 };

/* A hang-up is always of interest; 0 would pause the watch altogether. */
static unsigned wanted(const RhChardev *chr)
{
    return RH_HANGUP | (rh_chr_room(chr) ? RH_READABLE : 0);
}

static void in_ready(void *opaque, unsigned events)
{
    RhCharFd *io = opaque;
    RhChardev *chr = io->chr;
    uint8_t buf[RH_CHAR_CHUNK];
    size_t room = MIN(rh_chr_room(chr), sizeof(buf));

    bool is_leaving = !room && events & RH_HANGUP && chr->inbox->len < RH_CHAR_MAX_INBOX;

    if (is_leaving || (room && io->is_datagram)) {
        room = sizeof(buf);
    }
    if (!room && !(events & RH_HANGUP)) {
        rh_char_fd_settle(io);
        return;
    }
    ssize_t n = !room ? 0 : io->read ? io->read(io, buf, room) : read(io->in, buf, room);

    if (n < 0 ? errno == EAGAIN || errno == EINTR || io->is_datagram : !n && io->is_datagram) {
        return;
    }
    if (n <= 0) {
        rh_watch_end(&io->in_watch);
        io->in_watch.fn = NULL;
        if (io->closed) {
            io->closed(chr);
        }
        return;
    }
    if (io->received) {
        io->received(chr, buf, n);
    } else {
        rh_chr_receive(chr, buf, n);
    }
    rh_char_fd_settle(io);
}

static void out_ready(void *opaque, unsigned events)
{
    RhCharFd *io = opaque;

    rh_watch_end(&io->out_watch);
    io->out_watch.fn = NULL;
    rh_chr_has_room(io->chr);
    rh_char_fd_settle(io);
}

void rh_char_fd_begin(RhCharFd *io, RhChardev *chr, int in, int out)
{
    io->chr = chr;
    io->in = in;
    io->out = out;
    if (!io->is_shared) {
        for (int i = 0; i < 2; i++) {
            int fd = i ? out : in;

            if (fd >= 0) {
                fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
            }
        }
    }
    if (in >= 0) {
        rh_watch_begin(&io->in_watch, chr->obj.vm->loop, in, wanted(chr), in_ready, io);
    }
}

void rh_char_fd_end(RhCharFd *io)
{
    if (!io->chr) {
        return;
    }
    rh_watch_end(&io->in_watch);
    rh_watch_end(&io->out_watch);
    if (!io->is_shared) {
        if (io->in >= 0) {
            close(io->in);
        }
        if (io->out >= 0 && io->out != io->in) {
            close(io->out);
        }
    }
    io->chr = NULL;
    io->in_watch = io->out_watch = (RhWatch){ .fn = NULL };
}

void rh_char_fd_settle(RhCharFd *io)
{
    if (!io->chr) {
        return;
    }
    if (io->in_watch.fn) {
        unsigned events = wanted(io->chr);

        if (events != io->in_watch.events) {
            rh_watch_set(&io->in_watch, events);
        }
    }
    if (io->out >= 0 && !io->out_watch.fn && rh_chr_wants_room(io->chr)) {
        rh_watch_begin(&io->out_watch, io->chr->obj.vm->loop, io->out, RH_WRITABLE, out_ready, io);
    }
}

/* How much a descriptor that may block takes for sure. */
static size_t sure_room(const RhCharFd *io, size_t len)
{
    struct pollfd pollfd = { .fd = io->out, .events = POLLOUT };

    if (!io->is_shared) {
        return len;
    }
    if (poll(&pollfd, 1, 0) <= 0 || !(pollfd.revents & (POLLOUT | POLLERR))) {
        return 0;
    }
    return MIN(len, io->is_terminal ? TERMINAL_CHUNK : PIPE_BUF);
}

size_t rh_char_fd_write(RhCharFd *io, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    if (!io->chr || io->out < 0) {
        return len;
    }
    while (done < len) {
        size_t now = sure_room(io, len - done);
        ssize_t n = !now          ? 0
                    : io->is_socket ? send(io->out, buf + done, now, MSG_NOSIGNAL)
                                    : write(io->out, buf + done, now);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            return len;     /* nobody will ever read it; the reading side notices the end */
        }
        if (n <= 0) {
            return done;
        }
        done += n;
    }
    return done;
}
