/*
 * raw: an image that is nothing but its content; a window of the node below with offset= and size=.
 */
#include "block/block.h"
#include "block/open.h"
#include <errno.h>

typedef struct RawState {
    uint64_t offset;
    uint64_t size;
    bool has_size;      /* fixed; else whatever the file has */
} RawState;

static bool raw_open(RhBlkNode *node, const QmpBlockdevOptions *options, GError **err)
{
    const QmpBlockdevOptionsRaw *raw = options->u.raw;
    RawState *state = node->state;
    int64_t length;

    if ((raw->has_offset && raw->offset < 0) || (raw->has_size && raw->size < 0)) {
        return rh_fail(err, "Parameters 'offset' and 'size' of a raw node must not be negative");
    }
    if (!rh_blk_open_file(node, raw->file, options, err)) {
        return false;
    }
    state->offset = raw->has_offset ? (uint64_t)raw->offset : 0;
    state->has_size = raw->has_size;
    state->size = raw->has_size ? (uint64_t)raw->size : 0;
    node->filename = g_strdup(node->file.node->filename);
    node->align = node->file.node->align;
    length = rh_blk_length(node->file.node);
    if (length < 0) {
        return rh_fail_errno(err, (int)-length, "Cannot tell the size of node '%s'", node->file.node->name);
    }
    if (!rh_range_ok(state->offset, state->size, (uint64_t)length)) {
        return rh_fail(err, "The sum of offset (%" PRIu64 ") and size (%" PRIu64 ") has to be smaller or equal to "
                       "the actual size of the containing file (%" PRId64 ")", state->offset, state->size, length);
    }
    return true;
}

static int64_t raw_length(RhBlkNode *node)
{
    const RawState *state = node->state;
    int64_t length = rh_blk_length(node->file.node);

    if (state->has_size || length < 0) {
        return length < 0 ? length : (int64_t)state->size;
    }
    return length - (int64_t)MIN(state->offset, (uint64_t)length);
}

static uint64_t below(RhBlkNode *node, uint64_t offset)
{
    return offset + ((RawState *)node->state)->offset;  /* inside the length, so inside 63 bits */
}

static int raw_co_preadv(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    return rh_co_node_read(node->file.node, below(node, offset), bytes, iov, nr_iov);
}

static int raw_co_pwritev(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                          unsigned flags)
{
    return rh_co_node_write(node->file.node, below(node, offset), bytes, iov, nr_iov, flags);
}

static int raw_co_flush(RhBlkNode *node)
{
    return rh_co_node_flush(node->file.node);
}

static int raw_co_discard(RhBlkNode *node, uint64_t offset, uint64_t bytes)
{
    return rh_co_node_discard(node->file.node, below(node, offset), bytes);
}

static int raw_co_zero(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    return rh_co_node_zero(node->file.node, below(node, offset), bytes, flags);
}

static int raw_co_truncate(RhBlkNode *node, uint64_t bytes)
{
    RawState *state = node->state;

    if (state->has_size) {
        return -ENOTSUP;
    }
    return bytes > INT64_MAX - state->offset ? -EFBIG : rh_co_node_truncate(node->file.node, bytes + state->offset);
}

static int64_t raw_allocated(RhBlkNode *node)
{
    const RhBlkNode *file = node->file.node;

    return file->driver->allocated ? file->driver->allocated(node->file.node) : -ENOTSUP;
}

RH_BLK_DRIVER(raw,
    .kind = QMP_BLOCKDEV_DRIVER_RAW,
    .size = sizeof(RawState),
    .open = raw_open,
    .length = raw_length,
    .co_preadv = raw_co_preadv,
    .co_pwritev = raw_co_pwritev,
    .co_flush = raw_co_flush,
    .co_discard = raw_co_discard,
    .co_zero = raw_co_zero,
    .co_truncate = raw_co_truncate,
    .allocated = raw_allocated);
