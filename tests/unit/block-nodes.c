/*
 * Block nodes: raw windows, null, files of every kind of size and alignment, errors from below, users and the
 * image locks that other programs see, and the texts of -blockdev and -drive.
 */
#include "block/blk.h"
#include "block/options.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "qapi/option.h"
#include "softmmu/vm.h"
#include "util/core.h"
#include "util/coroutine.h"

/* A protocol without space functions that fails on demand; as null-co's and raw's kinds are taken, a later one's. */
typedef struct BadState {
    int error;                  /* of every request, unless 0 */
    uint8_t bytes[8192];
    unsigned nr_flushes;
    unsigned nr_fua;
    unsigned nr_writes;
} BadState;
#define BAD_KIND ((QmpBlockdevDriver)1000)

static bool bad_open(RhBlkNode *node, const QmpBlockdevOptions *options, GError **err)
{
    node->filename = g_strdup("bad");
    return true;
}

static int64_t bad_length(RhBlkNode *node)
{
    return sizeof(((BadState *)node->state)->bytes);
}

static int bad_co_preadv(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    BadState *bad = node->state;

    g_assert_cmpint(nr_iov, ==, 1);
    memcpy(iov->iov_base, bad->bytes + offset, bytes);
    return bad->error;
}

static int bad_co_pwritev(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                          unsigned flags)
{
    BadState *bad = node->state;

    g_assert_cmpint(nr_iov, ==, 1);
    memcpy(bad->bytes + offset, iov->iov_base, bytes);
    bad->nr_writes++;
    bad->nr_fua += flags & RH_BLK_FUA;
    return bad->error;
}

static int bad_co_flush(RhBlkNode *node)
{
    ((BadState *)node->state)->nr_flushes++;
    return ((BadState *)node->state)->error;
}

RH_BLK_DRIVER(bad, .kind = BAD_KIND, .is_protocol = true, .size = sizeof(BadState), .open = bad_open,
              .length = bad_length, .co_preadv = bad_co_preadv, .co_pwritev = bad_co_pwritev,
              .co_flush = bad_co_flush);

/* --- the rig --- */

typedef struct Rig {
    RhVm *vm;
    char *dir;
    char *path;                 /* of an image: 3 * 4096 + 1000 bytes, each the number of its sector */
} Rig;
enum { IMAGE_BYTES = 3 * 4096 + 1000 };

static void begin(Rig *rig, const void *data)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *content = g_malloc(IMAGE_BYTES);

    for (int i = 0; i < IMAGE_BYTES; i++) {
        content[i] = (char)(1 + i / 512);
    }
    rig->dir = g_strdup("block-XXXXXX");        /* in the build directory: tmpfs may know no O_DIRECT */
    g_assert_nonnull(g_mkdtemp(rig->dir));
    rig->path = g_build_filename(rig->dir, "image", NULL);
    g_assert_true(g_file_set_contents(rig->path, content, IMAGE_BYTES, NULL));
    rig->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    rh_lock(&rig->vm->lock);
}

static void end(Rig *rig, const void *data)
{
    rh_unlock(&rig->vm->lock);
    rh_vm_free(rig->vm);
    g_unlink(rig->path);
    g_rmdir(rig->dir);
    g_free(rig->path);
    g_free(rig->dir);
}

static bool blockdev(Rig *rig, GError **err, const char *format, ...) G_GNUC_PRINTF(3, 4);
static bool blockdev(Rig *rig, GError **err, const char *format, ...)
{
    const RhOption *option = rh_option_find("blockdev");
    g_autofree char *text = NULL;
    g_autoptr(QmpBlockdevOptions) options = NULL;
    json_object *json;
    bool is_help, is_json;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    json = rh_option_parse(option, text, &is_help, &is_json, err);
    options = json ? rh_option_read(option, json, is_json, err) : NULL;
    json_object_put(json);
    return options && rh_block_add_blockdev(rig->vm, options, err);
}

#define ADD(rig, ...) do {                                                                         \
        GError *add_err = NULL;                                                                    \
        blockdev(rig, &add_err, __VA_ARGS__);                                                      \
        g_assert_no_error(add_err);                                                                \
    } while (0)

#define REFUSE(text, call) do {                                                                    \
        GError *refuse_err = NULL;                                                                 \
        GError **err = &refuse_err;                                                                \
        g_assert_false(call);                                                                      \
        g_assert_nonnull(refuse_err);                                                              \
        if (!strstr(refuse_err->message, text)) {                                                  \
            g_error("\"%s\" lacks \"%s\"", refuse_err->message, text);                             \
        }                                                                                          \
        g_error_free(refuse_err);                                                                  \
    } while (0)

static bool add_drive(Rig *rig, const char *text, RhDriveRequest *ret, GError **err)
{
    bool is_help, is_json;
    json_object *json = rh_option_parse(rh_option_find("drive"), text, &is_help, &is_json, err);
    bool is_ok = json && rh_block_add_drive(rig->vm, json, is_json, ret, err);

    json_object_put(json);
    return is_ok;
}

static RhBlkNode *node(Rig *rig, const char *name)
{
    return rh_blk_find(rig->vm, name, NULL);
}

/* One request from outside a coroutine. */
typedef enum Op { READ, WRITE, FLUSH, DISCARD, ZERO, TRUNCATE } Op;
typedef struct Request {
    RhBlkNode *node;
    Op op;
    uint64_t offset;
    uint64_t bytes;
    void *buf;
    unsigned flags;
    int result;
} Request;

static void run(void *opaque)
{
    Request *r = opaque;
    struct iovec iov = { r->buf, r->bytes };

    switch (r->op) {
    case READ:     r->result = rh_co_node_read(r->node, r->offset, r->bytes, &iov, 1); break;
    case WRITE:    r->result = rh_co_node_write(r->node, r->offset, r->bytes, &iov, 1, r->flags); break;
    case FLUSH:    r->result = rh_co_node_flush(r->node); break;
    case DISCARD:  r->result = rh_co_node_discard(r->node, r->offset, r->bytes); break;
    case ZERO:     r->result = rh_co_node_zero(r->node, r->offset, r->bytes, r->flags); break;
    case TRUNCATE: r->result = rh_co_node_truncate(r->node, r->bytes); break;
    }
}

static int ask(RhBlkNode *of, Op op, uint64_t offset, uint64_t bytes, void *buf, unsigned flags)
{
    Request r = { of, op, offset, bytes, buf, flags, -ENOTCONN };

    rh_co_run_sync(run, &r);
    return r.result;
}

static void assert_bytes(RhBlkNode *of, uint64_t offset, uint64_t bytes, uint8_t value)
{
    g_autofree uint8_t *buf = g_malloc(bytes);

    memset(buf, ~value, bytes);
    g_assert_cmpint(ask(of, READ, offset, bytes, buf, 0), ==, 0);
    for (uint64_t i = 0; i < bytes; i++) {
        if (buf[i] != value) {
            g_error("byte %" PRIu64 " is %u, not %u", offset + i, buf[i], value);
        }
    }
}

static off_t size_of(const Rig *rig, off_t *ret_allocated)
{
    struct stat st;

    g_assert_cmpint(stat(rig->path, &st), ==, 0);
    if (ret_allocated) {
        *ret_allocated = st.st_blocks * 512;
    }
    return st.st_size;
}

/* --- nodes --- */

static void test_raw(Rig *rig, const void *data)
{
    uint8_t mark[512];

    memset(mark, 0xaa, sizeof(mark));
    ADD(rig, "file,node-name=f,filename=%s", rig->path);
    ADD(rig, "raw,node-name=all,file=f");
    ADD(rig, "raw,node-name=window,file=f,offset=512,size=1024");
    ADD(rig, "raw,node-name=tail,file.driver=file,file.filename=%s,offset=4096", rig->path);
    g_assert_cmpint(rh_blk_length(node(rig, "all")), ==, 3 * 4096 + 1024);
    g_assert_cmpint(rh_blk_length(node(rig, "window")), ==, 1024);
    g_assert_cmpint(rh_blk_length(node(rig, "tail")), ==, 2 * 4096 + 1024);
    assert_bytes(node(rig, "window"), 512, 512, 3);
    assert_bytes(node(rig, "tail"), 0, 512, 9);
    g_assert_cmpint(ask(node(rig, "window"), WRITE, 512, 512, mark, 0), ==, 0);
    assert_bytes(node(rig, "all"), 1024, 512, 0xaa);
    assert_bytes(node(rig, "all"), 1536, 512, 4);

    /* Nothing gets out of the window. */
    g_assert_cmpint(ask(node(rig, "window"), READ, 1024, 512, mark, 0), ==, -EIO);
    g_assert_cmpint(ask(node(rig, "window"), WRITE, 1023, 2, mark, 0), ==, -EIO);
    g_assert_cmpint(ask(node(rig, "window"), READ, UINT64_MAX - 511, 512, mark, 0), ==, -EIO);
    g_assert_cmpint(ask(node(rig, "window"), ZERO, 512, 1024, NULL, 0), ==, -EIO);
    g_assert_cmpint(ask(node(rig, "window"), DISCARD, 512, 1024, NULL, 0), ==, -EIO);
    g_assert_cmpint(ask(node(rig, "window"), TRUNCATE, 0, 4096, NULL, 0), ==, -ENOTSUP);

    REFUSE("has to be smaller or equal",
           blockdev(rig, err, "raw,node-name=x,file.driver=file,file.filename=%s,size=1048576", rig->path));
    REFUSE("has to be smaller or equal", blockdev(rig, err, "raw,node-name=x,file=f,offset=8192,size=8192"));
    REFUSE("must not be negative", blockdev(rig, err, "raw,node-name=x,file=f,offset=-1"));
    REFUSE("nosuch", blockdev(rig, err, "raw,node-name=x,file=nosuch"));
    g_assert_cmpuint(node(rig, "f")->users->len, ==, 2);        /* the failed ones left it */
    REFUSE("busy", rh_blk_close(node(rig, "f"), err));
    g_assert_true(rh_blk_close(node(rig, "all"), NULL));
    g_assert_true(rh_blk_close(node(rig, "window"), NULL));
    g_assert_true(rh_blk_close(node(rig, "f"), NULL));
}

static void test_null(Rig *rig, const void *data)
{
    ADD(rig, "null-co,node-name=n,size=1048576,read-zeroes=on");
    ADD(rig, "null-aio,node-name=a,latency-ns=2000000");
    g_assert_cmpint(rh_blk_length(node(rig, "n")), ==, 1 << 20);
    g_assert_cmpint(rh_blk_length(node(rig, "a")), ==, 1 << 30);
    assert_bytes(node(rig, "n"), 4096, 8192, 0);
    for (int64_t start = g_get_monotonic_time(), i = 0; i < 1; i++) {
        g_assert_cmpint(ask(node(rig, "a"), FLUSH, 0, 0, NULL, 0), ==, 0);
        g_assert_cmpint(g_get_monotonic_time() - start, >=, 2000);
    }
    REFUSE("negative", blockdev(rig, err, "null-co,node-name=x,size=-1"));
    REFUSE("Duplicate", blockdev(rig, err, "null-co,node-name=n"));
    REFUSE("node-name", blockdev(rig, err, "null-co,node-name=0bad"));
}

/* The odd end of the file, straight or through the page cache. */
static void test_file_end(Rig *rig, const void *is_direct)
{
    enum { LAST = 3 * 4096 + 512 };
    uint8_t buf[1024];
    g_autoptr(GError) err = NULL;

    blockdev(rig, &err, "file,node-name=f,filename=%s,cache.direct=%s", rig->path, is_direct ? "on" : "off");
    if (err && is_direct) {
        g_test_skip("no direct I/O here");
        return;
    }
    g_assert_no_error(err);
    g_assert_cmpint(rh_blk_length(node(rig, "f")), ==, LAST + 512);
    g_assert_cmpint(ask(node(rig, "f"), READ, LAST, 512, buf, 0), ==, 0);
    g_assert_cmpuint(buf[487], ==, 26);
    g_assert_cmpuint(buf[488], ==, 0);
    g_assert_cmpuint(buf[511], ==, 0);

    memset(buf, 0xbb, sizeof(buf));
    g_assert_cmpint(ask(node(rig, "f"), WRITE, LAST, 512, buf, RH_BLK_FUA), ==, 0);
    g_assert_cmpint(size_of(rig, NULL), ==, LAST + 512);
    assert_bytes(node(rig, "f"), LAST, 512, 0xbb);

    /* A write over the edges of two blocks leaves their neighbours. */
    g_assert_cmpint(ask(node(rig, "f"), WRITE, 4096 - 512, 1024, buf, 0), ==, 0);
    assert_bytes(node(rig, "f"), 4096 - 1024, 512, 7);
    assert_bytes(node(rig, "f"), 4096 - 512, 1024, 0xbb);
    assert_bytes(node(rig, "f"), 4096 + 512, 512, 10);
}

/* Requests longer than the piece that is copied at once. */
static void test_direct_long(Rig *rig, const void *data)
{
    enum { LONG = (3 << 20) + 512 };
    g_autofree uint8_t *buf = g_malloc(LONG + 1);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(truncate(rig->path, 4 << 20), ==, 0);
    blockdev(rig, &err, "file,node-name=f,filename=%s,cache.direct=on", rig->path);
    if (err) {
        g_test_skip("no direct I/O here");
        return;
    }
    for (int i = 0; i < LONG; i++) {
        buf[1 + i] = (uint8_t)(i / 512 * 7);
    }
    g_assert_cmpint(ask(node(rig, "f"), WRITE, 512, LONG, buf + 1, 0), ==, 0);
    memset(buf, 0, LONG + 1);
    g_assert_cmpint(ask(node(rig, "f"), READ, 512, LONG, buf + 1, 0), ==, 0);
    for (int i = 0; i < LONG; i++) {
        g_assert_cmpuint(buf[1 + i], ==, (uint8_t)(i / 512 * 7));
    }
    assert_bytes(node(rig, "f"), 0, 512, 1);
    assert_bytes(node(rig, "f"), LONG + 512, 512, 0);
}

static void test_space(Rig *rig, const void *data)
{
    uint8_t zeroes[4096] = { 0 };
    off_t before, after;

    ADD(rig, "file,node-name=keeps,filename=%s", rig->path);
    ADD(rig, "file,node-name=f,filename=%s,discard=unmap", rig->path);
    ADD(rig, "raw,node-name=r,discard=unmap,detect-zeroes=unmap,file=f");
    size_of(rig, &before);
    g_assert_cmpint(ask(node(rig, "keeps"), DISCARD, 0, 4096, NULL, 0), ==, 0);
    assert_bytes(node(rig, "f"), 0, 512, 1);
    g_assert_cmpint(ask(node(rig, "r"), DISCARD, 0, 4096, NULL, 0), ==, 0);
    g_assert_cmpint(ask(node(rig, "r"), DISCARD, 4096, 0, NULL, 0), ==, 0);
    assert_bytes(node(rig, "r"), 0, 4096, 0);
    g_assert_cmpint(ask(node(rig, "r"), WRITE, 4096, 4096, zeroes, 0), ==, 0);
    assert_bytes(node(rig, "r"), 4096, 4096, 0);
    size_of(rig, &after);
    g_assert_cmpint(after, <, before);
    g_assert_cmpint(ask(node(rig, "r"), ZERO, 8192 + 512, 512, NULL, RH_BLK_FUA), ==, 0);
    assert_bytes(node(rig, "r"), 8192 + 512, 512, 0);
    assert_bytes(node(rig, "r"), 8192, 512, 17);
    assert_bytes(node(rig, "r"), 8192 + 1024, 512, 19);

    g_assert_cmpint(ask(node(rig, "r"), TRUNCATE, 0, 1 << 20, NULL, 0), ==, 0);
    g_assert_cmpint(rh_blk_length(node(rig, "r")), ==, 1 << 20);
    assert_bytes(node(rig, "r"), 4 * 4096, 4096, 0);
    g_assert_cmpint(ask(node(rig, "r"), TRUNCATE, 0, UINT64_MAX, NULL, 0), ==, -EFBIG);
    REFUSE("detect-zeroes", blockdev(rig, err, "raw,node-name=x,detect-zeroes=unmap,file=f"));
}

/* --- failing --- */

static void test_errors(Rig *rig, const void *data)
{
    QmpBlockdevOptions options = { .driver = BAD_KIND, .node_name = (char *)"bad" };
    RhBlkNode *bad_node = rh_blk_open(rig->vm, &options, NULL);
    BadState *bad = bad_node->state;
    uint8_t buf[512] = { 1 };

    ADD(rig, "raw,node-name=r,file=bad");
    ADD(rig, "raw,node-name=fast,file=bad,cache.no-flush=on");
    bad->error = -EIO;
    for (Op op = READ; op <= ZERO; op++) {
        g_assert_cmpint(ask(node(rig, "r"), op, 0, 512, buf, 0), ==, op == DISCARD ? 0 : -EIO);
    }
    g_assert_cmpint(ask(node(rig, "r"), TRUNCATE, 0, 512, buf, 0), ==, -ENOTSUP);
    bad->error = 0;
    bad->nr_flushes = bad->nr_fua = bad->nr_writes = 0;

    /* Zeroes without help from below are written; one flush for all of it, and none where none is wanted. */
    memset(bad->bytes, 7, sizeof(bad->bytes));
    g_assert_cmpint(ask(node(rig, "r"), ZERO, 512, 7000, NULL, RH_BLK_FUA), ==, 0);
    g_assert_cmpuint(bad->bytes[511], ==, 7);
    g_assert_cmpuint(bad->bytes[512] | bad->bytes[7511], ==, 0);
    g_assert_cmpuint(bad->bytes[7512], ==, 7);
    g_assert_cmpuint(bad->nr_fua, ==, 1);
    g_assert_cmpint(ask(node(rig, "fast"), ZERO, 0, 512, NULL, RH_BLK_FUA), ==, 0);
    g_assert_cmpint(ask(node(rig, "fast"), WRITE, 0, 512, buf, RH_BLK_FUA), ==, 0);
    g_assert_cmpint(ask(node(rig, "fast"), FLUSH, 0, 0, NULL, 0), ==, 0);
    g_assert_cmpuint(bad->nr_fua, ==, 1);
    g_assert_cmpuint(bad->nr_flushes, ==, 0);
}

/* --- users and locks --- */

/* Whether another process finds a lock on the byte. */
static bool others_see(const Rig *rig, off_t byte)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
        int fd = open(rig->path, O_RDWR);

        _exit(fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 ? 2 : lock.l_type != F_UNLCK);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), <, 2);
    return WEXITSTATUS(status);
}

enum { LOCK_READS = 100, LOCK_WRITES = 101, LOCK_FORBIDS_WRITING = 201 };

static void test_users(Rig *rig, const void *data)
{
    RhBlkUser disk = { NULL }, other = { NULL }, reader = { NULL };

    ADD(rig, "file,node-name=f,filename=%s", rig->path);
    ADD(rig, "raw,node-name=a,file=f");
    ADD(rig, "raw,node-name=b,file=f");
    g_assert_false(others_see(rig, LOCK_WRITES));

    /* What a disk does to its raw node, raw does to the file: other programs see it. */
    g_assert_true(rh_blk_use(&disk, node(rig, "a"), "disk", true, false, NULL));
    g_assert_true(node(rig, "a")->file.writes);
    g_assert_true(others_see(rig, LOCK_READS));
    g_assert_true(others_see(rig, LOCK_WRITES));
    g_assert_true(others_see(rig, LOCK_FORBIDS_WRITING));
    REFUSE("does not allow 'write'", rh_blk_use(&other, node(rig, "b"), "other", true, true, err));
    REFUSE("uses 'write'", rh_blk_use(&other, node(rig, "b"), "other", false, false, err));
    REFUSE("Conflicts with use by disk", rh_blk_use(&other, node(rig, "a"), "other", true, true, err));
    g_assert_cmpuint(node(rig, "b")->users->len, ==, 0);
    g_assert_false(node(rig, "b")->file.writes);
    g_assert_true(rh_blk_use(&reader, node(rig, "b"), "reader", false, true, NULL));
    rh_blk_unuse(&disk);
    g_assert_false(others_see(rig, LOCK_WRITES));
    g_assert_false(others_see(rig, LOCK_FORBIDS_WRITING));
    g_assert_true(others_see(rig, LOCK_READS));
    rh_blk_unuse(&reader);
    rh_blk_unuse(&reader);

    g_assert_true(rh_blk_use(&disk, node(rig, "a"), "disk", true, true, NULL));
    g_assert_true(rh_blk_use(&other, node(rig, "b"), "other", true, true, NULL));
    rh_blk_unuse(&disk);
    g_assert_true(others_see(rig, LOCK_WRITES));
    rh_blk_unuse(&other);
    g_assert_false(others_see(rig, LOCK_WRITES));
}

/* Another process holds a lock on the byte from now on; end it with stop_holding. */
static pid_t hold_elsewhere(const Rig *rig, off_t byte)
{
    int ready[2];
    char c;
    pid_t child;

    g_assert_cmpint(pipe(ready), ==, 0);
    child = fork();
    if (child == 0) {
        struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
        int fd = open(rig->path, O_RDWR);

        if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || write(ready[1], "", 1) != 1) {
            _exit(2);
        }
        pause();
        _exit(0);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &c, 1), ==, 1);
    close(ready[0]);
    return child;
}

static void stop_holding(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void test_locks(Rig *rig, const void *data)
{
    RhBlkUser disk = { NULL };
    pid_t child;

    ADD(rig, "raw,node-name=r,file.driver=file,file.filename=%s", rig->path);
    child = hold_elsewhere(rig, LOCK_WRITES);
    REFUSE("Failed to get shared \"write\" lock", rh_blk_use(&disk, node(rig, "r"), "disk", true, false, err));
    g_assert_null(disk.node);
    g_assert_false(others_see(rig, LOCK_FORBIDS_WRITING));      /* nothing half done */
    g_assert_true(rh_blk_use(&disk, node(rig, "r"), "disk", true, true, NULL));
    rh_blk_unuse(&disk);
    ADD(rig, "raw,node-name=forced,force-share=on,read-only=on,file.driver=file,file.filename=%s", rig->path);
    g_assert_true(rh_blk_use(&disk, node(rig, "forced"), "disk", false, false, NULL));
    rh_blk_unuse(&disk);
    ADD(rig, "raw,node-name=free,file.driver=file,file.locking=off,file.filename=%s", rig->path);
    g_assert_true(rh_blk_use(&disk, node(rig, "free"), "disk", true, false, NULL));
    rh_blk_unuse(&disk);
    stop_holding(child);

    child = hold_elsewhere(rig, LOCK_FORBIDS_WRITING);
    REFUSE("Failed to get \"write\" lock", rh_blk_use(&disk, node(rig, "r"), "disk", true, true, err));
    g_assert_false(others_see(rig, LOCK_WRITES));
    stop_holding(child);
    g_assert_true(rh_blk_use(&disk, node(rig, "r"), "disk", true, false, NULL));
    rh_blk_unuse(&disk);
}

static void test_read_only(Rig *rig, const void *data)
{
    RhBlkUser disk = { NULL };
    uint8_t buf[512] = { 0 };

    ADD(rig, "file,node-name=f,filename=%s,read-only=on", rig->path);
    REFUSE("read-only", blockdev(rig, err, "raw,node-name=x,file=f"));
    ADD(rig, "raw,node-name=r,file=f,auto-read-only=on");
    g_assert_true(node(rig, "r")->is_read_only);
    REFUSE("is read-only", rh_blk_use(&disk, node(rig, "r"), "disk", true, true, err));
    g_assert_cmpint(ask(node(rig, "r"), WRITE, 0, 512, buf, 0), ==, -EPERM);
    g_assert_cmpint(ask(node(rig, "r"), ZERO, 0, 512, buf, 0), ==, -EPERM);
    g_assert_cmpint(ask(node(rig, "r"), DISCARD, 0, 512, buf, 0), ==, -EPERM);
    g_assert_cmpint(ask(node(rig, "r"), TRUNCATE, 0, 512, buf, 0), ==, -EPERM);
    assert_bytes(node(rig, "r"), 0, 512, 1);
}

/* --- texts --- */

static void test_drive(Rig *rig, const void *data)
{
    g_autofree char *full = g_strdup_printf("file=%s,if=none,id=d0,format=raw,cache=none,discard=unmap,werror=stop,"
                                            "rerror=ignore,node-name=n0,aio=threads,file.locking=off", rig->path);
    g_autofree char *plain = g_strdup_printf("file=%s,if=virtio,format=raw,readonly=on,cache=writethrough", rig->path);
    g_autofree char *again = g_strdup_printf("file=%s,if=none,id=d0", rig->path);
    g_autofree char *ide = g_strdup_printf("file=%s,if=ide", rig->path);
    g_autofree char *cache = g_strdup_printf("file=%s,if=none,cache=fast", rig->path);
    RhDriveRequest request = { NULL };
    RhDrive *drive;

    g_assert_true(add_drive(rig, full, &request, NULL));
    g_assert_cmpstr(request.id, ==, "d0");
    g_assert_cmpint(request.interface, ==, QMP_BLOCK_INTERFACE_TYPE_NONE);
    drive = rh_blk_drive_find(rig->vm, "d0", NULL);
    g_assert_true(drive->node == node(rig, "n0"));
    g_assert_true(drive->node->is_direct && drive->node->may_unmap && drive->node->file.node->is_direct);
    g_assert_false(drive->writes_through || drive->is_read_only);
    g_assert_cmpint(drive->on_write_error, ==, QMP_BLOCKDEV_ON_ERROR_ACTION_STOP);
    g_assert_cmpint(drive->on_read_error, ==, QMP_BLOCKDEV_ON_ERROR_ACTION_IGNORE);
    REFUSE("busy", rh_blk_close(drive->node, err));             /* the drive has it */
    g_free(request.id);

    g_assert_true(add_drive(rig, plain, &request, NULL));
    g_assert_cmpstr(request.id, ==, "virtio0");
    drive = rh_blk_drive_find(rig->vm, "virtio0", NULL);
    g_assert_true(drive->writes_through && drive->is_read_only && drive->node->file.node->is_read_only);
    g_free(request.id);

    REFUSE("Duplicate ID 'd0'", add_drive(rig, again, &request, err));
    REFUSE("if=ide", add_drive(rig, ide, &request, err));
    REFUSE("invalid cache option 'fast'", add_drive(rig, cache, &request, err));
    REFUSE("nosuch", add_drive(rig, "file=nosuch,if=none", &request, err));
    REFUSE("nosuch", rh_blk_drive_find(rig->vm, "nosuch", err) != NULL);
    g_assert_cmpuint(node(rig, "n0")->users->len, ==, 1);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(Rig *rig, const void *data);
        const void *data;
    } tests[] = {
        { "/block/raw", test_raw, NULL },
        { "/block/null", test_null, NULL },
        { "/block/file/end", test_file_end, NULL },
        { "/block/file/end-direct", test_file_end, "direct" },
        { "/block/file/direct-long", test_direct_long, NULL },
        { "/block/file/space", test_space, NULL },
        { "/block/errors", test_errors, NULL },
        { "/block/users", test_users, NULL },
        { "/block/locks", test_locks, NULL },
        { "/block/read-only", test_read_only, NULL },
        { "/block/drive", test_drive, NULL },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < RH_COUNT(tests); i++) {
        g_test_add(tests[i].path, Rig, tests[i].data, begin, tests[i].fn, end);
    }
    return g_test_run();
}
