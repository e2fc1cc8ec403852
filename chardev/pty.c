/*
 * pty - a pseudo-terminal; who wants to talk opens its slave side.
 *
 * Nothing tells the master side that the slave was opened: while it is closed, poll(2) reports a hang-up,
 * so a timer looks from time to time, and so does each write.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include "chardev/private.h"
#include "util/clock.h"

#define LOOK_NS (200 * INT64_C(1000000))

typedef struct PtyChar {
    RhChardev parent;
    RhCharFd io;
    int master;
    RhTimer look;
} PtyChar;

static bool is_slave_open(const PtyChar *pty)
{
    struct pollfd pollfd = { .fd = pty->master, .events = POLLOUT };

    return poll(&pollfd, 1, 0) > 0 && !(pollfd.revents & POLLHUP);
}

static void pty_closed(RhChardev *chr)
{
    PtyChar *pty = RH_SELF(PtyChar, chr);

    rh_char_fd_end(&pty->io);
    rh_chr_set_open(chr, false);
    rh_timer_arm(&pty->look, rh_clock_now(rh_clock_real()) + LOOK_NS);
}

static void look(void *opaque)
{
    PtyChar *pty = opaque;

    if (!is_slave_open(pty)) {
        rh_timer_arm(&pty->look, rh_clock_now(rh_clock_real()) + LOOK_NS);
        return;
    }
    pty->io = (RhCharFd){ .is_shared = true, .is_terminal = true, .closed = pty_closed };
    rh_char_fd_begin(&pty->io, &pty->parent, pty->master, pty->master);
    rh_chr_set_open(&pty->parent, true);
}

static bool pty_open(RhChardev *chr, const void *options, GError **err)
{
    PtyChar *pty = RH_SELF(PtyChar, chr);
    char path[128];
    int slave;
    struct termios mode;

    pty->master = -1;
    if (openpty(&pty->master, &slave, path, NULL, NULL) < 0) {
        pty->master = -1;
        return rh_fail_errno(err, errno, "Failed to create PTY");
    }
    /* Bytes go through as they are. */
    tcgetattr(slave, &mode);
    cfmakeraw(&mode);
    tcsetattr(slave, TCSAFLUSH, &mode);
    close(slave);
    fcntl(pty->master, F_SETFD, FD_CLOEXEC);
    fcntl(pty->master, F_SETFL, fcntl(pty->master, F_GETFL) | O_NONBLOCK);
    chr->filename = g_strdup_printf("pty:%s", path);
    rh_timer_init(&pty->look, rh_clock_real(), chr->obj.vm->loop, look, pty);
    rh_timer_arm(&pty->look, rh_clock_now(rh_clock_real()));
    return true;
}

static void pty_close(RhChardev *chr)
{
    PtyChar *pty = RH_SELF(PtyChar, chr);

    rh_char_fd_end(&pty->io);
    rh_timer_fini(&pty->look);
    if (pty->master > 0) {
        close(pty->master);
    }
}

static size_t pty_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(PtyChar, chr)->io, buf, len);
}

static void pty_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(PtyChar, chr)->io);
}

RH_CHARDEV(PtyChar, .name = "chardev-pty", .doc = "Pseudo-terminal", .open = pty_open, .close = pty_close,
           .write = pty_write, .settle = pty_settle);
