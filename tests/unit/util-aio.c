/*
 * Disk I/O of coroutines over each way to do it, worker threads, and how fast cached reads are.
 */
#include "util/aio.h"
#include "util/clock.h"
#include "util/core.h"
#include "util/coroutine.h"
#include "util/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { BLOCK = 4096, NR_BLOCKS = 64 };

typedef enum Place { ON_DISK, IN_MEMORY } Place;

typedef struct Fixture {
    RhLoop *loop;
    RhAio aio;
    int fd;
    bool forces_wait;       /* not even try what needs no waiting */
    uint8_t *buf;
    int nr_left;
} Fixture;

typedef struct Setup {
    Place place;
    RhAioKind kind;
    bool forces_wait;
} Setup;

static int open_file(Place place)
{
    int fd = place == IN_MEMORY ? memfd_create("aio", MFD_CLOEXEC)
                                : open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    for (int i = 0; i < NR_BLOCKS; i++) {
        uint8_t block[BLOCK];

        memset(block, i, sizeof(block));
        g_assert_cmpint(pwrite(fd, block, BLOCK, (off_t)i * BLOCK), ==, BLOCK);
    }
    return fd;
}

static void begin(Fixture *self, const void *data)
{
    const Setup *setup = data;

    self->loop = rh_loop_new_main(NULL);
    self->fd = open_file(setup->place);
    rh_aio_init(&self->aio, self->fd, setup->kind);
    if (setup->forces_wait) {
        self->aio.may_try_read = self->aio.may_try_write = false;
    }
    self->buf = g_malloc(2 * BLOCK);
}

static void end(Fixture *self, const void *data)
{
    close(self->fd);
    g_free(self->buf);
    rh_loop_free(self->loop);
}

static ssize_t read_at(Fixture *self, size_t len, uint64_t offset)
{
    struct iovec iov[2] = { { self->buf, len / 2 }, { self->buf + len / 2, len - len / 2 } };

    return rh_co_preadv(&self->aio, iov, 2, offset);
}

static void read_and_write(void *opaque)
{
    Fixture *self = opaque;
    uint8_t bytes[2] = { 0xa5, 0x5a };
    struct iovec iov = { bytes, 2 };

    g_assert_cmpint(read_at(self, BLOCK, 5 * BLOCK), ==, BLOCK);
    g_assert_cmpuint(self->buf[0] + self->buf[BLOCK - 1], ==, 10);
    g_assert_cmpint(rh_co_pwritev(&self->aio, &iov, 1, 5 * BLOCK), ==, 2);
    g_assert_cmpint(read_at(self, 4, 5 * BLOCK - 1), ==, 4);
    g_assert_cmpmem(self->buf, 4, "\x04\xa5\x5a\x05", 4);
    g_assert_cmpint(rh_co_fdatasync(&self->aio), ==, 0);

    /* Short at the end, nothing behind it, and a write there makes the file longer. */
    g_assert_cmpint(read_at(self, BLOCK, NR_BLOCKS * BLOCK - 10), ==, 10);
    g_assert_cmpint(read_at(self, BLOCK, NR_BLOCKS * BLOCK), ==, 0);
    g_assert_cmpint(rh_co_pwritev(&self->aio, &iov, 1, NR_BLOCKS * BLOCK), ==, 2);
    g_assert_cmpint(read_at(self, BLOCK, NR_BLOCKS * BLOCK), ==, 2);
    g_assert_cmpint(read_at(self, BLOCK, UINT64_C(1) << 63), ==, -EINVAL);
}

static void test_read_and_write(Fixture *self, const void *data)
{
    rh_co_run_sync(read_and_write, self);
}

static void meet_errors(void *opaque)
{
    Fixture *self = opaque;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", self->fd);
    rh_autofd read_only = open(path, O_RDONLY | O_CLOEXEC);
    struct iovec iov = { self->buf, 1 };
    RhAio aio;

    rh_aio_init(&aio, read_only, self->aio.kind);
    g_assert_cmpint(rh_co_pwritev(&aio, &iov, 1, 0), ==, -EBADF);
    g_assert_cmpint(rh_co_preadv(&aio, &iov, 1, 0), ==, 1);
    g_assert_cmpint(rh_co_fallocate(&aio, 0, 0, 1), ==, -EBADF);
    g_assert_cmpint(rh_co_fallocate(&self->aio, 0, 0, 0), ==, -EINVAL);
    g_assert_cmpint(rh_co_fallocate(&self->aio, 0, 0, (NR_BLOCKS + 1) * BLOCK), ==, 0);
    g_assert_cmpint(read_at(self, BLOCK, NR_BLOCKS * BLOCK), ==, BLOCK);
}

static void test_errors(Fixture *self, const void *data)
{
    rh_co_run_sync(meet_errors, self);
}

/* More requests at once than a ring has entries or a pool has threads. */
static void read_one(void *opaque)
{
    Fixture *self = opaque;
    uint64_t n = (uint64_t)self->nr_left % NR_BLOCKS;
    g_autofree uint8_t *buf = g_malloc(BLOCK);
    struct iovec iov = { buf, BLOCK };

    self->nr_left--;
    g_assert_cmpint(rh_co_preadv(&self->aio, &iov, 1, n * BLOCK), ==, BLOCK);
    g_assert_cmpuint(buf[17], ==, n);
    self->nr_left += 1000;
}

static void test_many_at_once(Fixture *self, const void *data)
{
    enum { NR = 700 };

    self->nr_left = NR;
    for (int i = 0; i < NR; i++) {
        rh_co_start(read_one, self);
    }
    while (self->nr_left < 1000 * NR) {
        rh_loop_turn(self->loop, true);
    }
}

/* Each job waits until all of them run: a pool that leaves one behind a busy thread never ends. */
typedef struct Meeting {
    int nr_there;
    int nr_back;
} Meeting;

enum { NR_MEETING = 8 };

static int meet(void *opaque)
{
    Meeting *meeting = opaque;

    __atomic_fetch_add(&meeting->nr_there, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&meeting->nr_there, __ATOMIC_SEQ_CST) < NR_MEETING) {
        sched_yield();
    }
    return 42;
}

static int return_at_once(void *opaque)
{
    return 7;
}

static void join_meeting(void *opaque)
{
    Meeting *meeting = opaque;

    g_assert_cmpint(rh_co_offload(meet, meeting), ==, 42);
    meeting->nr_back++;
}

static void warm_up(void *opaque)
{
    g_assert_cmpint(rh_co_offload(return_at_once, NULL), ==, 7);
    rh_co_sleep(2000000);           /* so that the one thread made is idle */
}

static void test_workers(void)
{
    RhLoop *loop = rh_loop_new_main(NULL);
    Meeting meeting = { 0 };

    rh_co_run_sync(warm_up, NULL);
    for (int i = 0; i < NR_MEETING; i++) {
        rh_co_start(join_meeting, &meeting);
    }
    while (meeting.nr_back < NR_MEETING) {
        rh_loop_turn(loop, true);
    }
    rh_loop_free(loop);
}

static void read_many(void *opaque)
{
    Fixture *self = opaque;
    int64_t start_ns = rh_clock_now(rh_clock_real());
    int64_t spent_ns;
    enum { NR = 50000 };

    for (int i = 0; i < NR; i++) {
        struct iovec iov = { self->buf, BLOCK };

        g_assert_cmpint(rh_co_preadv(&self->aio, &iov, 1, (uint64_t)(i % NR_BLOCKS) * BLOCK), ==, BLOCK);
    }
    spent_ns = rh_clock_now(rh_clock_real()) - start_ns;
    g_test_message("%.0f reads of 4 KiB a second", NR * 1e9 / (double)spent_ns);
}

static void test_speed(Fixture *self, const void *data)
{
    rh_co_run_sync(read_many, self);
}

static const Setup in_memory     = { IN_MEMORY, RH_AIO_IO_URING, false };
static const Setup cached        = { ON_DISK, RH_AIO_IO_URING, false };
static const Setup ring          = { ON_DISK, RH_AIO_IO_URING, true };
static const Setup workers       = { ON_DISK, RH_AIO_THREADS, true };

typedef struct Case {
    const char *name;
    const Setup *setup;
} Case;

static const Case cases[] = {
    { "memory", &in_memory }, { "cached", &cached }, { "ring", &ring }, { "workers", &workers },
};

static void add(const char *what, const Case *c, void (*fn)(Fixture *self, const void *data))
{
    g_autofree char *path = g_strdup_printf("/util/aio/%s/%s", c->name, what);

    g_test_add(path, Fixture, c->setup, begin, fn, end);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        add("read-and-write", &cases[i], test_read_and_write);
        add("errors", &cases[i], test_errors);
        add("many-at-once", &cases[i], test_many_at_once);
    }
    add("speed", &cases[0], test_speed);
    add("speed", &cases[1], test_speed);
    g_test_add_func("/util/worker/all-at-once", test_workers);
    return g_test_run();
}
