/*
 * RAM blocks: anonymous memory, memfds and files, mapped with a guard page behind them.
 */
#include "softmmu/ram.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include "util/core.h"
#include "util/error.h"
#include "util/thread.h"

enum { HOST_PAGE = 4096, HUGE_PAGE = 2 << 20 };
#define HUGETLBFS_MAGIC 0x958458f6

static const RhRamOptions no_options;

static int open_memfd(const char *name, const RhRamOptions *options, GError **err)
{
    unsigned flags = MFD_CLOEXEC;
    int fd;

    if (options->is_hugetlb) {
        flags |= MFD_HUGETLB;
        if (options->hugetlb_size) {
            flags |= (unsigned)__builtin_ctzll(options->hugetlb_size) << MFD_HUGE_SHIFT;
        }
    }
    fd = memfd_create(name, flags);
    if (fd < 0) {
        rh_fail_errno(err, errno, "Cannot make a memfd for memory '%s'", name);
    }
    return fd;
}

static int open_path(const RhRamOptions *options, bool *ret_is_new, GError **err)
{
    struct stat st;
    int fd;

    *ret_is_new = false;
    if (stat(options->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fd = open(options->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
            g_autofree char *temp = g_build_filename(options->path, "rhea-ram-XXXXXX", NULL);

            fd = g_mkstemp_full(temp, O_RDWR | O_CLOEXEC, 0600);
            if (fd >= 0) {
                unlink(temp);
            }
        }
        *ret_is_new = true;
    } else {
        fd = open(options->path, (options->is_readonly ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0644);
    }
    if (fd < 0) {
        rh_fail_errno(err, errno, "can't open backing store %s for guest RAM", options->path);
    }
    return fd;
}

static bool size_file(RhRam *ram, const RhRamOptions *options, GError **err)
{
    struct statfs fs;
    struct stat st;
    uint64_t end;

    if (fstatfs(ram->fd, &fs) == 0 && (unsigned long)fs.f_type == HUGETLBFS_MAGIC) {
        ram->page_size = (uint64_t)fs.f_bsize;
    }
    if (ram->size % ram->page_size) {
        return rh_fail(err, "memory size 0x%" PRIx64 " of '%s' must be a multiple of page size 0x%" PRIx64,
                       ram->size, ram->name, ram->page_size);
    }
    if (rh_add_overflow(options->offset, ram->size, &end) || end > INT64_MAX) {
        return rh_fail(err, "memory '%s': offset plus size is beyond what a file can have", ram->name);
    }
    if (fstat(ram->fd, &st) < 0) {
        return rh_fail_errno(err, errno, "cannot look at the backing store of memory '%s'", ram->name);
    }
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < end) {
        if (st.st_size && options->path) {
            return rh_fail(err,
                           "backing store size 0x%" PRIx64 " of '%s' does not match 'size' option 0x%" PRIx64,
                           (uint64_t)st.st_size, options->path, ram->size);
        }
        if (ftruncate(ram->fd, (off_t)end) < 0) {
            return rh_fail_errno(err, errno, "cannot give memory '%s' its size of %" PRIu64 " bytes",
                                 ram->name, ram->size);
        }
    }
    return true;
}

/* Aligned for huge pages, with an inaccessible page behind. */
static uint8_t *map_aligned(RhRam *ram, const RhRamOptions *options)
{
    uint64_t align = MAX(MAX(ram->page_size, options->align), ram->size >= HUGE_PAGE ? HUGE_PAGE : HOST_PAGE);
    uint64_t total = ram->size + align + HOST_PAGE;
    int prot = PROT_READ | (ram->is_readonly ? 0 : PROT_WRITE);
    int flags = MAP_FIXED | (ram->is_shared ? MAP_SHARED : MAP_PRIVATE) |
                (options->no_reserve ? MAP_NORESERVE : 0) | (ram->fd < 0 ? MAP_ANONYMOUS : 0);
    uint8_t *space = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *start;

    if (space == MAP_FAILED) {
        return NULL;
    }
    start = (uint8_t *)rh_align_up((uint64_t)(uintptr_t)space, align);
    if (mmap(start, ram->size, prot, flags, ram->fd, (off_t)ram->fd_offset) == MAP_FAILED) {
        int saved = errno;

        munmap(space, total);
        errno = saved;
        return NULL;
    }
    if (start > space) {
        munmap(space, (size_t)(start - space));
    }
    munmap(start + ram->size + HOST_PAGE, total - ram->size - HOST_PAGE - (size_t)(start - space));
    return start;
}

static void advise(const RhRam *ram, const RhRamOptions *options)
{
    if (!options->is_hugetlb && ram->size >= HUGE_PAGE) {
        madvise(ram->host, ram->size, MADV_HUGEPAGE);
    }
    madvise(ram->host, ram->size, options->no_merge ? MADV_UNMERGEABLE : MADV_MERGEABLE);
    if (options->no_dump) {
        madvise(ram->host, ram->size, MADV_DONTDUMP);
    }
    madvise(ram->host, ram->size, MADV_DONTFORK);
}

static bool bind_nodes(const RhRam *ram, const RhRamOptions *options, GError **err)
{
    unsigned long nodes = options->host_nodes;

    if (!options->policy) {
        return true;
    }
    if (syscall(SYS_mbind, ram->host, ram->size, options->policy, nodes ? &nodes : NULL,
                sizeof(nodes) * 8, 0) < 0) {
        return rh_fail_errno(err, errno, "cannot bind memory '%s' to host NUMA nodes", ram->name);
    }
    return true;
}

/* One thread's share of the memory to allocate. */
typedef struct Share {
    uint8_t *start;
    uint64_t len;
    int error;              /* 0, or errno */
} Share;

static void *populate(void *opaque)
{
    Share *share = opaque;

    if (madvise(share->start, share->len, 23 /* MADV_POPULATE_WRITE, Linux 5.14 */) < 0) {
        share->error = errno;
    }
    return NULL;
}

static bool prealloc(const RhRam *ram, const RhRamOptions *options, GError **err)
{
    enum { MAX_THREADS = 256 };
    unsigned nr = CLAMP(options->prealloc_threads, 1, MAX_THREADS);
    uint64_t step = rh_align_up((ram->size + nr - 1) / nr, ram->page_size);
    Share shares[MAX_THREADS] = { { 0 } };
    pthread_t threads[MAX_THREADS];
    unsigned used = 0;
    int error = 0;

    if (!options->prealloc) {
        return true;
    }
    for (uint64_t at = 0; at < ram->size; at += step, used++) {
        shares[used] = (Share){ ram->host + at, MIN(step, ram->size - at), 0 };
        threads[used] = rh_thread_start("prealloc", populate, &shares[used]);
    }
    for (unsigned i = 0; i < used; i++) {
        pthread_join(threads[i], NULL);
        error = error ? error : shares[i].error;
    }
    return !error || rh_fail_errno(err, error, "cannot allocate all %" PRIu64 " bytes of memory '%s' in advance",
                                   ram->size, ram->name);
}

RhRam *rh_ram_new(const char *name, uint64_t size, const RhRamOptions *options, GError **err)
{
    g_autoptr(RhRam) ram = g_new0(RhRam, 1);
    bool is_new;

    options = options ? options : &no_options;
    ram->name = g_strdup(name);
    ram->refs = 1;
    ram->fd = -1;
    ram->page_size = options->is_hugetlb ? (options->hugetlb_size ? options->hugetlb_size : HUGE_PAGE)
                                         : HOST_PAGE;
    ram->is_shared = options->is_shared;
    ram->is_readonly = options->is_readonly;
    ram->fd_offset = options->offset;
    ram->size = options->path || options->is_hugetlb ? size : rh_align_up(size, HOST_PAGE);
    if (!size || ram->size < size) {
        rh_fail(err, "memory '%s' needs a size of at least one byte, and less than 16 EiB", name);
        return NULL;
    }
    if (options->path) {
        ram->fd = open_path(options, &is_new, err);
    } else if (options->is_memfd || options->is_hugetlb) {
        ram->fd = open_memfd(name, options, err);
    }
    if ((options->path || options->is_memfd || options->is_hugetlb) &&
        (ram->fd < 0 || !size_file(ram, options, err))) {
        return NULL;
    }
    ram->host = map_aligned(ram, options);
    if (!ram->host) {
        rh_fail_errno(err, errno, "cannot set up guest memory '%s': %" PRIu64 " MiB", name, size >> 20);
        return NULL;
    }
    advise(ram, options);
    if (!bind_nodes(ram, options, err) || !prealloc(ram, options, err)) {
        return NULL;
    }
    return g_steal_pointer(&ram);
}

RhRam *rh_ram_ref(RhRam *ram)
{
    g_atomic_int_inc(&ram->refs);
    return ram;
}

void rh_ram_unref(RhRam *ram)
{
    if (!ram || !g_atomic_int_dec_and_test(&ram->refs)) {
        return;
    }
    if (ram->host) {
        munmap(ram->host, ram->size + HOST_PAGE);
    }
    if (ram->fd >= 0) {
        close(ram->fd);
    }
    g_free(ram->name);
    g_free(ram);
}
