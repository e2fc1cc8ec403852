/*
 * Disk I/O of coroutines: what the page cache has moves at once; the rest goes through the loop's io_uring, or
 * through worker threads where the kernel has none.
 */
#ifndef RH_UTIL_AIO_H
#define RH_UTIL_AIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/** RhAioKind - who waits for the disk; IO_URING falls back to THREADS where there is no ring */
typedef enum RhAioKind { RH_AIO_IO_URING, RH_AIO_THREADS } RhAioKind;

/** RhAio - a file and what is known of it; the owner's memory, any loop may use it at any time */
typedef struct RhAio {
    int fd;
    RhAioKind kind;
    bool never_waits;       /* lives in memory (tmpfs): plain calls do */
    bool may_try_read;      /* RWF_NOWAIT works; relaxed atomic, only ever cleared */
    bool may_try_write;
} RhAio;

/** rh_aio_init - look at what kind of file @fd is; @fd stays the caller's */
void rh_aio_init(RhAio *aio, int fd, RhAioKind kind);

/* Each returns the bytes moved (may be short) or -errno, and 0 or -errno. @nr_iov at most IOV_MAX. */
ssize_t rh_co_preadv(RhAio *aio, const struct iovec *iov, int nr_iov, uint64_t offset);
ssize_t rh_co_pwritev(RhAio *aio, const struct iovec *iov, int nr_iov, uint64_t offset);
int rh_co_fdatasync(RhAio *aio);
/** rh_co_fallocate - @mode: FALLOC_FL_* of fallocate(2) */
int rh_co_fallocate(RhAio *aio, int mode, uint64_t offset, uint64_t len);

#endif
