/*
 * pipe - a pair of named pipes, PATH.in and PATH.out, or PATH alone for both directions.
 */
#include <errno.h>
#include <fcntl.h>
#include "chardev/private.h"

typedef struct PipeChar {
    RhChardev parent;
    RhCharFd io;
} PipeChar;

/* O_RDWR: opening does not wait for the other side, and its leaving is no end of file. */
static int open_end(const char *path, GError **err)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        rh_fail_errno(err, errno, "Could not open '%s'", path);
    }
    return fd;
}

static bool pipe_open(RhChardev *chr, const void *options, GError **err)
{
    PipeChar *self = RH_SELF(PipeChar, chr);
    const char *path = ((const QmpChardevHostdev *)options)->device;
    g_autofree char *in_path = g_strconcat(path, ".in", NULL);
    g_autofree char *out_path = g_strconcat(path, ".out", NULL);
    rh_autofd in = open_end(in_path, NULL);
    rh_autofd out = open_end(out_path, NULL);

    if (in < 0 || out < 0) {
        int both = open_end(path, err);

        if (both < 0) {
            return false;
        }
        rh_char_fd_begin(&self->io, chr, both, both);
    } else {
        int in_fd = rh_steal_fd(&in);

        rh_char_fd_begin(&self->io, chr, in_fd, rh_steal_fd(&out));
    }
    rh_chr_set_open(chr, true);
    return true;
}

static void pipe_close(RhChardev *chr)
{
    rh_char_fd_end(&RH_SELF(PipeChar, chr)->io);
}

static size_t pipe_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(PipeChar, chr)->io, buf, len);
}

static void pipe_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(PipeChar, chr)->io);
}

RH_CHARDEV(PipeChar, .name = "chardev-pipe", .doc = "Named pipes", .open = pipe_open, .close = pipe_close,
           .write = pipe_write, .settle = pipe_settle);
