/*
 * A build without io_uring: every loop does without a ring.
 */
#include "aio-ring.h"
#include <errno.h>

AioRing *rh_aio_ring(RhLoop *loop)
{
    return NULL;
}

ssize_t rh_co_ring(AioRing *ring, RingOp op, int fd, const struct iovec *iov, int nr_iov, uint64_t offset)
{
    return -ENOSYS;
}

void rh_aio_ring_free(AioRing *ring)
{
}
