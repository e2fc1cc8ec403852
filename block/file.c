/*
 * file and host_device: bytes in a file or block device of the host.
 *
 * Direct I/O wants offset, length and memory aligned: requests that are not go through an aligned copy, and writes
 * among them read the edges first, one at a time.
 */
#include "block/block.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include "block/file-lock.h"
#include "util/aio.h"
#include "util/coroutine.h"
#include "util/iov.h"

typedef struct FileState {
    RhAio aio;
    bool is_device;
    bool is_writable;       /* how fd was opened */
    bool has_locks;
    uint32_t memory_align;  /* of direct I/O; what offsets and lengths need is node->align */
    uint64_t length;        /* changes only by truncate, atomically */
    RhCoMutex edges;        /* misaligned direct writes, one at a time */
} FileState;

enum { DIRECT_ALIGN = 4096, SECTOR = 512 };

static int open_fd(RhBlkNode *node, const char *path)
{
    int flags = O_CLOEXEC | (node->is_direct ? O_DIRECT : 0);
    int fd = node->is_read_only ? -1 : open(path, flags | O_RDWR);

    if (fd < 0 && (node->is_read_only ||
                   (node->is_auto_read_only && (errno == EACCES || errno == EPERM || errno == EROFS)))) {
        fd = open(path, flags | O_RDONLY);
        node->is_read_only |= fd >= 0;
    }
    return fd;
}

/* Linux 6.1 tells; file systems that do not, and older kernels, are content with pages. */
static void find_alignment(RhBlkNode *node, FileState *state)
{
    struct statx st;
    bool is_told = statx(state->aio.fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && (st.stx_mask & STATX_DIOALIGN) &&
                   st.stx_dio_offset_align && st.stx_dio_offset_align <= DIRECT_ALIGN &&
                   st.stx_dio_mem_align <= DIRECT_ALIGN;

    node->align = !node->is_direct ? 1 : is_told ? st.stx_dio_offset_align : DIRECT_ALIGN;
    state->memory_align = !node->is_direct ? 1 : is_told ? MAX(st.stx_dio_mem_align, 1) : DIRECT_ALIGN;
}

static bool look_at(RhBlkNode *node, FileState *state, const char *path, GError **err)
{
    struct stat st;
    uint64_t bytes = 0;

    if (fstat(state->aio.fd, &st) < 0) {
        return rh_fail_errno(err, errno, "Could not look at '%s'", path);
    }
    state->is_device = S_ISBLK(st.st_mode);
    if (state->is_device != (node->driver->kind == QMP_BLOCKDEV_DRIVER_HOST_DEVICE)) {
        return rh_fail(err, state->is_device ? "'file' driver requires '%s' to be a regular file"
                                             : "'host_device' driver requires '%s' to be either a character or block device",
                       path);
    }
    if (!state->is_device && !S_ISREG(st.st_mode)) {
        return rh_fail(err, "'file' driver requires '%s' to be a regular file", path);
    }
    if (state->is_device && ioctl(state->aio.fd, BLKGETSIZE64, &bytes) < 0) {
        return rh_fail_errno(err, errno, "Could not tell the size of '%s'", path);
    }
    /* Disks are made of sectors: the file's last one is filled up with zeroes. */
    state->length = state->is_device ? bytes : rh_align_up((uint64_t)st.st_size, SECTOR);
    find_alignment(node, state);
    return true;
}

static bool file_open(RhBlkNode *node, const QmpBlockdevOptions *options, GError **err)
{
    const QmpBlockdevOptionsFile *file = options->u.file;
    FileState *state = node->state;
    RhAioKind kind = file->has_aio && file->aio == QMP_BLOCKDEV_AIO_OPTIONS_THREADS ? RH_AIO_THREADS
                                                                                    : RH_AIO_IO_URING;
    int fd;

    state->aio.fd = -1;
    if (file->has_aio && file->aio == QMP_BLOCKDEV_AIO_OPTIONS_NATIVE && !node->is_direct) {
        return rh_fail(err, "aio=native was specified, but it requires cache.direct=on, which was not specified.");
    }
    if (file->pr_manager) {
        return rh_fail(err, "pr-manager is not supported yet");
    }
    fd = open_fd(node, file->filename);
    if (fd < 0) {
        return rh_fail_errno(err, errno, "Could not open '%s'", file->filename);
    }
    rh_aio_init(&state->aio, fd, kind);
    node->filename = g_strdup(file->filename);
    state->has_locks = !(file->has_locking && file->locking == QMP_ON_OFF_AUTO_OFF);
    if (!look_at(node, state, file->filename, err)) {
        close(fd);
        state->aio.fd = -1;
        return false;
    }
    rh_co_mutex_init(&state->edges);
    return true;
}

static void file_close(RhBlkNode *node)
{
    close(((FileState *)node->state)->aio.fd);
}

static bool file_permit(RhBlkNode *node, bool writes, bool forbids_others, GError **err)
{
    FileState *state = node->state;

    return !state->has_locks || rh_file_lock(state->aio.fd, node->filename, writes,
                                             forbids_others && !node->may_force_share, node->users->len > 0, err);
}

static int64_t file_length(RhBlkNode *node)
{
    return (int64_t)__atomic_load_n(&((FileState *)node->state)->length, __ATOMIC_RELAXED);
}

/* --- whole requests --- */

/*
 * Move all of @bytes, however short the kernel's answers are; reads beyond the end of the file give zeroes. An
 * answer that is no multiple of @align ends at the end of the file, where direct I/O could not go on anyway.
 */
static int move_all(RhAio *aio, bool is_write, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                    uint32_t align)
{
    uint64_t done = 0;

    while (done < bytes) {
        struct iovec part[64];
        int nr_part = (int)rh_iov_slice(iov, (unsigned)nr_iov, done, bytes - done, part, RH_COUNT(part));
        ssize_t moved = is_write ? rh_co_pwritev(aio, part, nr_part, offset + done)
                                 : rh_co_preadv(aio, part, nr_part, offset + done);

        if (moved == -EINTR || moved == -EAGAIN) {
            continue;
        }
        if (moved < 0) {
            return (int)moved;
        }
        done += (uint64_t)moved;
        if (moved == 0 || (!is_write && done % align)) {
            if (is_write) {
                return -ENOSPC;
            }
            rh_iov_memset(iov, (unsigned)nr_iov, done, 0, bytes - done);
            return 0;
        }
    }
    return 0;
}

/* The usual case in one call, without looking at the iovec again. */
static int move_request(RhBlkNode *node, bool is_write, uint64_t offset, uint64_t bytes, const struct iovec *iov,
                        int nr_iov)
{
    RhAio *aio = &((FileState *)node->state)->aio;
    ssize_t moved = -EAGAIN;

    if (nr_iov <= IOV_MAX) {
        moved = is_write ? rh_co_pwritev(aio, iov, nr_iov, offset) : rh_co_preadv(aio, iov, nr_iov, offset);
    }
    if (moved >= 0 && (uint64_t)moved == bytes) {
        return 0;
    }
    return moved < 0 && moved != -EINTR && moved != -EAGAIN
               ? (int)moved
               : move_all(aio, is_write, offset, bytes, iov, nr_iov, node->align);
}

static bool is_aligned(const RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    uint64_t bits = offset | bytes;
    uintptr_t addresses = 0;

    if (node->align == 1) {
        return true;
    }
    for (int i = 0; i < nr_iov; i++) {
        addresses |= (uintptr_t)iov[i].iov_base;
        bits |= iov[i].iov_len;
    }
    return !(bits & (node->align - 1)) && !(addresses & (((FileState *)node->state)->memory_align - 1));
}

typedef struct Truncation {
    int fd;
    uint64_t bytes;
} Truncation;

static int truncate_in_worker(void *opaque)
{
    const Truncation *truncation = opaque;

    return ftruncate(truncation->fd, (off_t)truncation->bytes) < 0 ? -errno : 0;
}

/* Whole blocks; what sticks out behind the disk's end is cut off again. */
static int write_blocks(FileState *state, uint64_t start, uint64_t span, const struct iovec *whole, uint32_t align)
{
    Truncation back = { state->aio.fd, state->length };
    int result = move_all(&state->aio, true, start, span, whole, 1, align);

    if (result == 0 && !state->is_device && start + span > back.bytes) {
        result = rh_co_offload(truncate_in_worker, &back);
    }
    return result;
}

enum { COPY_PIECE = 1 << 20 };

/* By way of an aligned copy, a piece at a time. */
static int move_copied(RhBlkNode *node, bool is_write, uint64_t offset, uint64_t bytes, const struct iovec *iov,
                       int nr_iov)
{
    FileState *state = node->state;
    uint8_t *copy = g_aligned_alloc(1, COPY_PIECE, DIRECT_ALIGN);
    uint64_t done = 0;
    int result = 0;

    if (is_write) {
        rh_co_lock(&state->edges);
    }
    while (done < bytes && result == 0) {
        uint64_t start = rh_align_down(offset + done, node->align);
        uint64_t skip = offset + done - start;
        uint64_t some = MIN(bytes - done, COPY_PIECE - skip);
        uint64_t span = rh_align_up(skip + some, node->align);
        struct iovec whole = { copy, span };

        if (!is_write || skip || span != some) {
            result = move_all(&state->aio, false, start, span, &whole, 1, node->align);
        }
        if (is_write && result == 0) {
            rh_iov_to_buf(iov, (unsigned)nr_iov, done, copy + skip, some);
            result = write_blocks(state, start, span, &whole, node->align);
        } else if (result == 0) {
            rh_iov_from_buf(iov, (unsigned)nr_iov, done, copy + skip, some);
        }
        done += some;
    }
    if (is_write) {
        rh_co_unlock(&state->edges);
    }
    g_aligned_free(copy);
    return result;
}

static int move(RhBlkNode *node, bool is_write, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    return is_aligned(node, offset, bytes, iov, nr_iov)
               ? move_request(node, is_write, offset, bytes, iov, nr_iov)
               : move_copied(node, is_write, offset, bytes, iov, nr_iov);
}

static int file_co_preadv(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    return move(node, false, offset, bytes, iov, nr_iov);
}

static int file_co_flush(RhBlkNode *node)
{
    return rh_co_fdatasync(&((FileState *)node->state)->aio);
}

static int file_co_pwritev(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                           unsigned flags)
{
    int result = move(node, true, offset, bytes, iov, nr_iov);

    return result == 0 && (flags & RH_BLK_FUA) ? file_co_flush(node) : result;
}

/* --- space --- */

/* @how: FALLOC_FL_PUNCH_HOLE or FALLOC_FL_ZERO_RANGE; -ENOTSUP where the file system has none */
static int deallocate(FileState *state, int how, uint64_t offset, uint64_t bytes)
{
    int result = rh_co_fallocate(&state->aio, how | FALLOC_FL_KEEP_SIZE, offset, bytes);

    return result == -EOPNOTSUPP || result == -ENOSYS || result == -ENODEV ? -ENOTSUP : result;
}

static int file_co_discard(RhBlkNode *node, uint64_t offset, uint64_t bytes)
{
    int result = bytes ? deallocate(node->state, FALLOC_FL_PUNCH_HOLE, offset, bytes) : 0;

    return result == -ENOTSUP ? 0 : result;     /* a discard is advice */
}

static int zero(FileState *state, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int result = bytes ? -ENOTSUP : 0;

    if (bytes && (flags & RH_BLK_MAY_UNMAP)) {
        result = deallocate(state, FALLOC_FL_PUNCH_HOLE, offset, bytes);
    }
    return result == -ENOTSUP ? deallocate(state, FALLOC_FL_ZERO_RANGE, offset, bytes) : result;
}

static int file_co_zero(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    FileState *state = node->state;
    bool meets_edges = (offset | bytes) & (node->align - 1);
    int result;

    if (meets_edges) {      /* a copied write of the sector beside it must not bring back what was there */
        rh_co_lock(&state->edges);
    }
    result = zero(state, offset, bytes, flags);
    if (meets_edges) {
        rh_co_unlock(&state->edges);
    }
    return result == 0 && (flags & RH_BLK_FUA) ? file_co_flush(node) : result;
}

static int file_co_truncate(RhBlkNode *node, uint64_t bytes)
{
    FileState *state = node->state;
    Truncation truncation = { state->aio.fd, bytes };
    int result;

    if (state->is_device) {
        return bytes <= state->length ? 0 : -ENOTSUP;
    }
    if (bytes > INT64_MAX) {
        return -EFBIG;
    }
    result = rh_co_offload(truncate_in_worker, &truncation);
    if (result == 0) {
        __atomic_store_n(&state->length, bytes, __ATOMIC_RELAXED);
    }
    return result;
}

static int64_t file_allocated(RhBlkNode *node)
{
    struct stat st;

    return fstat(((FileState *)node->state)->aio.fd, &st) < 0 ? -errno : (int64_t)st.st_blocks * 512;
}

#define FILE_DRIVER(ident, driver_kind)                                                            \
    RH_BLK_DRIVER(ident, .kind = driver_kind, .is_protocol = true, .size = sizeof(FileState),      \
                  .open = file_open, .close = file_close, .length = file_length,                   \
                  .co_preadv = file_co_preadv, .co_pwritev = file_co_pwritev,                      \
                  .co_flush = file_co_flush, .co_discard = file_co_discard, .co_zero = file_co_zero, \
                  .co_truncate = file_co_truncate, .allocated = file_allocated, .permit = file_permit)
FILE_DRIVER(file, QMP_BLOCKDEV_DRIVER_FILE);
FILE_DRIVER(host_device, QMP_BLOCKDEV_DRIVER_HOST_DEVICE);
