/*
 * Disk I/O of coroutines: try now, then the ring, then a worker.
 */
#include "util/aio.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include "aio-ring.h"
#include "util/coroutine.h"

void rh_aio_init(RhAio *aio, int fd, RhAioKind kind)
{
    int flags = fcntl(fd, F_GETFL);
    bool is_direct = flags >= 0 && (flags & O_DIRECT);
    bool is_sync = flags >= 0 && (flags & (O_SYNC | O_DSYNC));
    struct statfs fs;

    *aio = (RhAio){ .fd = fd, .kind = kind };
    if (fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || (unsigned long)fs.f_type == RAMFS_MAGIC)) {
        aio->never_waits = true;
        return;
    }
    /* Direct I/O never finishes out of the cache: trying would be waiting for the disk. */
    aio->may_try_read = !is_direct;
    aio->may_try_write = !is_direct && !is_sync;
}

void rh_loop_set_aio_batch(RhLoop *loop, int64_t max_batch)
{
    __atomic_store_n(&loop->aio_max_batch, max_batch, __ATOMIC_RELAXED);
}

typedef struct Request {
    RhAio *aio;
    RingOp op;
    const struct iovec *iov;
    int nr_iov;
    uint64_t offset;
} Request;

static ssize_t call(const Request *r, int flags)
{
    ssize_t result = r->op == RING_READ ? preadv2(r->aio->fd, r->iov, r->nr_iov, (off_t)r->offset, flags)
                                        : pwritev2(r->aio->fd, r->iov, r->nr_iov, (off_t)r->offset, flags);

    return result < 0 ? -errno : result;
}

static int call_in_worker(void *opaque)
{
    const Request *r = opaque;
    ssize_t result;

    do {
        result = r->op == RING_SYNC ? (fdatasync(r->aio->fd) < 0 ? -errno : 0) : call(r, 0);
    } while (result == -EINTR);
    return (int)result;
}

static ssize_t wait_for(Request *r)
{
    AioRing *ring = r->aio->kind == RH_AIO_IO_URING ? rh_aio_ring(rh_loop_current()) : NULL;

    return ring ? rh_co_ring(ring, r->op, r->aio->fd, r->iov, r->nr_iov, r->offset)
                : rh_co_offload(call_in_worker, r);
}

static ssize_t move(Request *r, bool *may_try)
{
    ssize_t result;

    if (r->aio->never_waits) {
        return call(r, 0);
    }
    if (__atomic_load_n(may_try, __ATOMIC_RELAXED)) {
        result = call(r, RWF_NOWAIT);
        /* Nothing at all of it may mean "not cached" as well as the end of the file: ask again, waiting. */
        if (result > 0 || (result < 0 && result != -EAGAIN && result != -EOPNOTSUPP)) {
            return result;
        }
        if (result == -EOPNOTSUPP) {
            __atomic_store_n(may_try, false, __ATOMIC_RELAXED);
        }
    }
    return wait_for(r);
}

ssize_t rh_co_preadv(RhAio *aio, const struct iovec *iov, int nr_iov, uint64_t offset)
{
    Request r = { aio, RING_READ, iov, nr_iov, offset };

    return move(&r, &aio->may_try_read);
}

ssize_t rh_co_pwritev(RhAio *aio, const struct iovec *iov, int nr_iov, uint64_t offset)
{
    Request r = { aio, RING_WRITE, iov, nr_iov, offset };

    return move(&r, &aio->may_try_write);
}

int rh_co_fdatasync(RhAio *aio)
{
    Request r = { .aio = aio, .op = RING_SYNC };

    return aio->never_waits ? 0 : (int)wait_for(&r);
}

typedef struct Allocation {
    int fd;
    int mode;
    uint64_t offset;
    uint64_t len;
} Allocation;

static int allocate(void *opaque)
{
    const Allocation *a = opaque;

    return fallocate(a->fd, a->mode, (off_t)a->offset, (off_t)a->len) < 0 ? -errno : 0;
}

int rh_co_fallocate(RhAio *aio, int mode, uint64_t offset, uint64_t len)
{
    Allocation a = { aio->fd, mode, offset, len };

    return aio->never_waits ? allocate(&a) : rh_co_offload(allocate, &a);
}
