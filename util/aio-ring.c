/*
 * The io_uring of one loop. Requests queued in one turn of the loop are submitted together at its end; an
 * eventfd tells the loop of completions.
 */
#include "aio-ring.h"
#include <errno.h>
#include <liburing.h>
#include "co-private.h"
#include "util/eventfd.h"

enum { RING_ENTRIES = 256 };

struct AioRing {
    struct io_uring ring;
    RhLoop *loop;
    RhEvent event;
    RhWatch watch;
    RhPoller poller;
    RhDeferred submit;
    unsigned nr_running;    /* queued or submitted; bounded so that completions never overflow */
    RhCoQueue waiting;      /* for room in the ring */
};

typedef struct RingRequest {
    RhCo *co;
    int result;
} RingRequest;

static void ring_submit(void *opaque)
{
    AioRing *ring = opaque;

    /* Refused entries stay queued; with nr_running bounded the kernel takes them at a later turn. */
    if (io_uring_submit(&ring->ring) < 0) {
        rh_loop_defer(ring->loop, &ring->submit);
    }
}

static void reap(AioRing *ring)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&ring->ring, &cqe) == 0) {
        RingRequest *request = io_uring_cqe_get_data(cqe);

        request->result = cqe->res;
        io_uring_cqe_seen(&ring->ring, cqe);
        ring->nr_running--;
        rh_co_queue_wake_one(&ring->waiting);
        rh_co_resume(request->co);
    }
}

static void ring_ready(void *opaque, unsigned events)
{
    AioRing *ring = opaque;

    rh_event_clear(&ring->event);
    reap(ring);
}

static bool ring_poll(void *opaque)
{
    AioRing *ring = opaque;

    if (!io_uring_cq_ready(&ring->ring)) {
        return false;
    }
    reap(ring);
    return true;
}

static void ring_polled(void *opaque, bool is_on)
{
    io_uring_cq_eventfd_toggle(&((AioRing *)opaque)->ring, !is_on);    /* refused by old kernels: then both */
    /* The kernel posts a completion, then looks whether to tell: so the wish is written before ring_poll() looks. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static AioRing *ring_new(RhLoop *loop)
{
    AioRing *ring = g_new0(AioRing, 1);

    if (io_uring_queue_init(RING_ENTRIES, &ring->ring, 0) < 0) {
        g_free(ring);
        return NULL;
    }
    ring->loop = loop;
    if (!rh_event_init(&ring->event, NULL) ||
        io_uring_register_eventfd(&ring->ring, rh_event_fd(&ring->event)) < 0) {
        rh_event_fini(&ring->event);
        io_uring_queue_exit(&ring->ring);
        g_free(ring);
        return NULL;
    }
    ring->submit.fn = ring_submit;
    ring->submit.opaque = ring;
    rh_watch_begin(&ring->watch, loop, rh_event_fd(&ring->event), RH_READABLE, ring_ready, ring);
    ring->watch.is_urgent = true;
    rh_poller_begin(&ring->poller, loop, ring_poll, ring_polled, ring);
    return ring;
}

AioRing *rh_aio_ring(RhLoop *loop)
{
    if (!loop->ring && !loop->has_no_ring) {
        loop->ring = ring_new(loop);
        loop->has_no_ring = !loop->ring;
    }
    return loop->ring;
}

void rh_aio_ring_free(AioRing *ring)
{
    if (!ring) {
        return;
    }
    g_assert(!ring->nr_running);
    rh_poller_end(&ring->poller);
    rh_watch_end(&ring->watch);
    io_uring_queue_exit(&ring->ring);
    rh_event_fini(&ring->event);
    g_free(ring);
}

static bool is_batch_full(AioRing *ring)
{
    int64_t max = __atomic_load_n(&ring->loop->aio_max_batch, __ATOMIC_RELAXED);

    return max && io_uring_sq_ready(&ring->ring) >= max;
}

ssize_t rh_co_ring(AioRing *ring, RingOp op, int fd, const struct iovec *iov, int nr_iov, uint64_t offset)
{
    RingRequest request = { .co = rh_co_self() };
    struct io_uring_sqe *sqe;

    while (ring->nr_running >= RING_ENTRIES) {
        rh_co_queue_wait(&ring->waiting);
    }
    ring->nr_running++;
    sqe = io_uring_get_sqe(&ring->ring);    /* as many entries as nr_running allows */
    switch (op) {
    case RING_READ:
        io_uring_prep_readv(sqe, fd, iov, (unsigned)nr_iov, offset);
        break;
    case RING_WRITE:
        io_uring_prep_writev(sqe, fd, iov, (unsigned)nr_iov, offset);
        break;
    case RING_SYNC:
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_data(sqe, &request);
    if (is_batch_full(ring)) {
        ring_submit(ring);
    } else {
        rh_loop_defer(ring->loop, &ring->submit);
    }
    rh_co_yield();
    return request.result;
}
