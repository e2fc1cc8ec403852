/*
 * file - output goes to a file; input may come from another.
 */
#include <fcntl.h>
#include "chardev/private.h"
#include "softmmu/fds.h"

typedef struct FileChar {
    RhChardev parent;
    RhCharFd io;
} FileChar;

static bool file_open(RhChardev *chr, const void *options, GError **err)
{
    FileChar *file = RH_SELF(FileChar, chr);
    const QmpChardevFile *given = options;
    bool appends = given->has_append && given->append;
    rh_autofd in = -1;
    rh_autofd out = rh_open(chr->obj.vm, given->out, O_WRONLY | O_CREAT | (appends ? O_APPEND : O_TRUNC), 0666, err);

    if (out < 0) {
        return false;
    }
    if (given->in) {
        in = rh_open(chr->obj.vm, given->in, O_RDONLY | O_NONBLOCK, 0, err);
        if (in < 0) {
            return false;
        }
    }
    int in_fd = rh_steal_fd(&in);

    rh_char_fd_begin(&file->io, chr, in_fd, rh_steal_fd(&out));
    rh_chr_set_open(chr, true);
    return true;
}

static void file_close(RhChardev *chr)
{
    rh_char_fd_end(&RH_SELF(FileChar, chr)->io);
}

static size_t file_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(FileChar, chr)->io, buf, len);
}

static void file_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(FileChar, chr)->io);
}

RH_CHARDEV(FileChar, .name = "chardev-file", .doc = "Output to a file", .open = file_open, .close = file_close,
           .write = file_write, .settle = file_settle);
