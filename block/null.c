/*
 * null-co, null-aio: a disk that keeps nothing. For measuring what lies above it.
 */
#include "block/block.h"
#include <errno.h>
#include "util/coroutine.h"

enum { DEFAULT_SIZE = 1 << 30 };

typedef struct NullState {
    uint64_t size;
    uint64_t latency_ns;
    bool reads_zeroes;
} NullState;

static bool null_open(RhBlkNode *node, const QmpBlockdevOptions *options, GError **err)
{
    const QmpBlockdevOptionsNull *null = options->u.null_co;
    NullState *state = node->state;

    if (null->has_size && null->size < 0) {
        return rh_fail(err, "Parameter 'size' of a null node must not be negative");
    }
    if (null->has_latency_ns && null->latency_ns > INT64_MAX) {
        return rh_fail(err, "latency-ns is invalid");
    }
    state->size = null->has_size ? (uint64_t)null->size : DEFAULT_SIZE;
    state->latency_ns = null->has_latency_ns ? null->latency_ns : 0;
    state->reads_zeroes = null->has_read_zeroes && null->read_zeroes;
    node->filename = g_strdup(options->driver == QMP_BLOCKDEV_DRIVER_NULL_CO ? "null-co://" : "null-aio://");
    return true;
}

static int64_t null_length(RhBlkNode *node)
{
    return (int64_t)((NullState *)node->state)->size;
}

static int delay(RhBlkNode *node)
{
    const NullState *state = node->state;

    if (state->latency_ns) {
        rh_co_sleep((int64_t)state->latency_ns);
    }
    return 0;
}

static int null_co_preadv(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    for (int i = 0; ((NullState *)node->state)->reads_zeroes && i < nr_iov; i++) {
        memset(iov[i].iov_base, 0, iov[i].iov_len);
    }
    return delay(node);
}

static int null_co_pwritev(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                           unsigned flags)
{
    return delay(node);
}

static int null_co_zero(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    return delay(node);
}

static int null_co_discard(RhBlkNode *node, uint64_t offset, uint64_t bytes)
{
    return delay(node);
}

static int64_t null_allocated(RhBlkNode *node)
{
    return 0;
}

#define NULL_DRIVER(ident, driver_kind)                                                            \
    RH_BLK_DRIVER(ident, .kind = driver_kind, .is_protocol = true, .size = sizeof(NullState),      \
                  .open = null_open, .length = null_length, .co_preadv = null_co_preadv,           \
                  .co_pwritev = null_co_pwritev, .co_flush = delay, .co_discard = null_co_discard, \
                  .co_zero = null_co_zero, .allocated = null_allocated)
NULL_DRIVER(null_co, QMP_BLOCKDEV_DRIVER_NULL_CO);
NULL_DRIVER(null_aio, QMP_BLOCKDEV_DRIVER_NULL_AIO);
