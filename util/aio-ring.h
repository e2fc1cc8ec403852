/*
 * One way for aio.c to let the kernel do a request: a ring. A build without liburing has aio-ring-none.c.
 */
#ifndef RH_UTIL_AIO_RING_H
#define RH_UTIL_AIO_RING_H

#include "util/aio.h"
#include "loop-private.h"

typedef enum RingOp { RING_READ, RING_WRITE, RING_SYNC } RingOp;

/** rh_aio_ring - the loop's ring, made at the first call; NULL when there is none to be had */
AioRing *rh_aio_ring(RhLoop *loop);
/** rh_co_ring - do the request, yield until it is done; result as the system call's (-errno) */
ssize_t rh_co_ring(AioRing *ring, RingOp op, int fd, const struct iovec *iov, int nr_iov, uint64_t offset);

#endif
