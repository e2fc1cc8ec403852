/*
 * virtio-blk against a node that keeps its bytes in memory and fails, or takes its time, on demand: every request
 * type, its bounds, error policies, and requests held over stop, cont and reset; on the main loop and an IOThread.
 */
#include "virtio-driver.h"
#include "block/blk.h"
#include <errno.h>
#include "softmmu/iothread.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpu.h"
#include "util/coroutine.h"
#include "util/json.h"

enum { DISK_BYTES = 64 * 512 };
#define TEST_KIND ((QmpBlockdevDriver)1000)

typedef struct MemState {
    uint8_t bytes[DISK_BYTES];
    int error;                  /* atomic: of every request, unless 0 */
    int64_t delay_ns;
    int bad_sector;             /* no request that holds it succeeds; 0: none */
    unsigned nr_reads;
    unsigned nr_writes;
    unsigned nr_flushes;        /* atomic */
    unsigned nr_discards;
    unsigned nr_fua;
} MemState;

static bool mem_open(RhBlkNode *node, const QmpBlockdevOptions *options, GError **err)
{
    node->filename = g_strdup("memory");
    return true;
}

static int64_t mem_length(RhBlkNode *node)
{
    return DISK_BYTES;
}

static int mem_result(MemState *mem)
{
    if (mem->delay_ns) {
        rh_co_sleep(mem->delay_ns);
    }
    return __atomic_load_n(&mem->error, __ATOMIC_SEQ_CST);
}

static int mem_co_preadv(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    MemState *mem = node->state;
    uint64_t bad = (uint64_t)mem->bad_sector * 512;

    mem->nr_reads++;
    if (bad && offset <= bad && bad < offset + bytes) {
        return -EIO;
    }
    for (int i = 0; i < nr_iov; i++) {
        memcpy(iov[i].iov_base, mem->bytes + offset, iov[i].iov_len);
        offset += iov[i].iov_len;
    }
    return mem_result(mem);
}

static int mem_co_pwritev(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                          unsigned flags)
{
    MemState *mem = node->state;
    int result = mem_result(mem);

    mem->nr_writes++;
    mem->nr_fua += flags & RH_BLK_FUA;
    for (int i = 0; result == 0 && i < nr_iov; i++) {
        memcpy(mem->bytes + offset, iov[i].iov_base, iov[i].iov_len);
        offset += iov[i].iov_len;
    }
    return result;
}

static int mem_co_flush(RhBlkNode *node)
{
    __atomic_add_fetch(&((MemState *)node->state)->nr_flushes, 1, __ATOMIC_SEQ_CST);
    return mem_result(node->state);
}

static int mem_co_discard(RhBlkNode *node, uint64_t offset, uint64_t bytes)
{
    ((MemState *)node->state)->nr_discards++;
    return mem_result(node->state);
}

RH_BLK_DRIVER(mem, .kind = TEST_KIND, .is_protocol = true, .size = sizeof(MemState), .open = mem_open,
              .length = mem_length, .co_preadv = mem_co_preadv, .co_pwritev = mem_co_pwritev,
              .co_flush = mem_co_flush, .co_discard = mem_co_discard);

/* --- the rig --- */

typedef struct Fixture {
    Rig rig;
    RigQueue q;
    RhBlkNode *node;
    MemState *mem;
    uint64_t data;              /* guest memory for data: 8 sectors */
    uint64_t status;
    bool has_iothread;
} Fixture;

static void make_disk(RhVm *vm)
{
    QmpBlockdevOptions options = {
        .driver = TEST_KIND, .node_name = (char *)"disk", .has_discard = true,
        .discard = QMP_BLOCKDEV_DISCARD_OPTIONS_UNMAP,
    };

    g_assert_nonnull(rh_blk_open(vm, &options, NULL));
}

static void make_thread(RhVm *vm, const char *id)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(RhJson) props = json_object_new_object();

    g_assert_nonnull(rh_object_create(vm->root, vm, RH_TYPE_IOTHREAD, id, props, &err));
    g_assert_no_error(err);
}

static void make_disk_and_thread(RhVm *vm)
{
    make_thread(vm, "io0");
    make_disk(vm);
}

static void begin_queue(Fixture *f)
{
    rig_negotiate(&f->rig, UINT64_MAX & ~RH_VIRTIO_BIT(RH_VIRTIO_F_RING_PACKED));
    rig_queue(&f->rig, &f->q, 0, 16);
    rig_driver_ok(&f->rig);
}

static void begin(Fixture *f, const void *data)
{
    const char *policy = data ? data : "report";
    const char *plain[] = { "drive", "disk", "werror", policy, "rerror", policy, "serial", "s3r1al", NULL };
    const char *threaded[] = { "drive", "disk", "iothread", "io0", NULL };

    f->has_iothread = g_str_equal(policy, "iothread");
    rig_start_with(&f->rig, "virtio-blk-device", f->has_iothread ? threaded : plain, false,
                   f->has_iothread ? make_disk_and_thread : make_disk);
    f->node = rh_blk_find(f->rig.vm, "disk", NULL);
    f->mem = f->node->state;
    for (int i = 0; i < DISK_BYTES; i++) {
        f->mem->bytes[i] = (uint8_t)(i / 512);
    }
    f->data = rig_alloc(&f->rig, 4096);
    f->status = rig_alloc(&f->rig, 512);
    begin_queue(f);
}

static void end(Fixture *f, const void *data)
{
    rig_end(&f->rig);
}

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, IOERR = 1, UNSUPP = 2, NO_ANSWER = 0xff };

/* Make one request available; its status byte is @slot. */
static void start(Fixture *f, unsigned slot, uint32_t type, uint64_t sector, uint32_t bytes)
{
    uint64_t header = rig_alloc(&f->rig, 16);
    bool is_in = type == IN || type == GET_ID;
    RigPart parts[3] = { { header, 16, false } };
    unsigned nr = 1;

    rh_st32(rig_host(&f->rig, header), type);
    rh_st64(rig_host(&f->rig, header) + 8, sector);
    if (bytes) {
        parts[nr++] = (RigPart){ f->data, bytes, is_in };
    }
    parts[nr++] = (RigPart){ f->status + slot, 1, true };
    *rig_host(&f->rig, f->status + slot) = NO_ANSWER;
    rig_add(&f->q, parts, nr, false);
}

static bool wait_for_one(Fixture *f, uint32_t *ret_len)
{
    gint64 until = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    uint16_t id;

    while (!rig_take(&f->q, &id, ret_len)) {
        if (g_get_monotonic_time() > until) {
            return false;
        }
        rig_turn(&f->rig);
        g_usleep(100);
    }
    return true;
}

static uint8_t ask(Fixture *f, uint32_t type, uint64_t sector, uint32_t bytes, uint32_t *ret_len)
{
    uint32_t len;

    start(f, 0, type, sector, bytes);
    rig_kick(&f->q);
    g_assert_true(wait_for_one(f, &len));
    if (ret_len) {
        *ret_len = len;
    }
    return *rig_host(&f->rig, f->status);
}

static uint8_t ask_range(Fixture *f, uint32_t type, uint64_t sector, uint32_t nr, uint32_t flags)
{
    uint8_t *range = rig_host(&f->rig, f->data);

    rh_st64(range, sector);
    rh_st32(range + 8, nr);
    rh_st32(range + 12, flags);
    return ask(f, type, 0, 16, NULL);
}

/* --- requests --- */

static void test_requests(Fixture *f, const void *data)
{
    uint8_t *buf = rig_host(&f->rig, f->data);
    uint32_t len;

    g_assert_cmpuint(rig_get(&f->rig, MMIO_CONFIG), ==, DISK_BYTES / 512);
    g_assert_cmpuint(ask(f, IN, 3, 1024, &len), ==, OK);
    g_assert_cmpuint(len, ==, 1025);
    g_assert_cmpuint(buf[0], ==, 3);
    g_assert_cmpuint(buf[1023], ==, 4);
    memset(buf, 0xee, 512);
    g_assert_cmpuint(ask(f, OUT, 63, 512, &len), ==, OK);
    g_assert_cmpuint(len, ==, 1);
    g_assert_cmpuint(f->mem->bytes[DISK_BYTES - 1], ==, 0xee);
    g_assert_cmpuint(ask(f, FLUSH, 0, 0, NULL), ==, OK);
    g_assert_cmpuint(f->mem->nr_flushes, ==, 1);
    g_assert_cmpuint(f->mem->nr_fua, ==, 0);
    g_assert_cmpuint(ask_range(f, DISCARD, 8, 4, 0), ==, OK);
    g_assert_cmpuint(f->mem->nr_discards, ==, 1);
    g_assert_cmpuint(ask_range(f, WRITE_ZEROES, 8, 4, 1), ==, OK);
    g_assert_cmpuint(f->mem->bytes[8 * 512] | f->mem->bytes[12 * 512 - 1], ==, 0);
    g_assert_cmpuint(f->mem->bytes[12 * 512], ==, 12);
    if (!f->has_iothread) {
        g_assert_cmpuint(ask(f, GET_ID, 0, 20, NULL), ==, OK);
        g_assert_cmpstr((char *)buf, ==, "s3r1al");
    }
}

static void test_bounds(Fixture *f, const void *data)
{
    g_assert_cmpuint(ask(f, IN, 64, 512, NULL), ==, IOERR);
    g_assert_cmpuint(ask(f, OUT, 63, 1024, NULL), ==, IOERR);
    g_assert_cmpuint(ask(f, IN, 0, 511, NULL), ==, IOERR);
    g_assert_cmpuint(ask(f, IN, UINT64_MAX / 512, 512, NULL), ==, IOERR);
    g_assert_cmpuint(ask(f, IN, UINT64_MAX / 512 + 2, 512, NULL), ==, IOERR);     /* times 512: wraps to 512 */
    g_assert_cmpuint(ask(f, 99, 0, 512, NULL), ==, UNSUPP);
    g_assert_cmpuint(ask_range(f, DISCARD, 60, 5, 0), ==, IOERR);
    g_assert_cmpuint(ask_range(f, DISCARD, 0, 1, 1), ==, UNSUPP);
    g_assert_cmpuint(ask_range(f, WRITE_ZEROES, 0, 1, 2), ==, UNSUPP);
    g_assert_cmpuint(ask_range(f, WRITE_ZEROES, 0, UINT32_MAX, 0), ==, IOERR);
    g_assert_cmpuint(ask(f, DISCARD, 0, 15, NULL), ==, UNSUPP);
    g_assert_cmpuint(ask(f, IN, 0, 512, NULL), ==, OK);
    g_assert_false(f->rig.vdev->is_broken);
}

static void test_report(Fixture *f, const void *data)
{
    f->mem->error = -EIO;
    g_assert_cmpuint(ask(f, IN, 0, 512, NULL), ==, IOERR);
    g_assert_cmpuint(ask(f, OUT, 0, 512, NULL), ==, IOERR);
    g_assert_cmpuint(ask(f, FLUSH, 0, 0, NULL), ==, IOERR);
    g_assert_true(rh_is_running(f->rig.vm));
}

static void test_ignore(Fixture *f, const void *data)
{
    f->mem->error = -EIO;
    g_assert_cmpuint(ask(f, OUT, 0, 512, NULL), ==, OK);
    g_assert_true(rh_is_running(f->rig.vm));
}

/* Without FLUSH or a switch for the cache, every write reaches the disk. */
static void test_no_cache(Fixture *f, const void *data)
{
    rig_negotiate(&f->rig, RH_VIRTIO_BIT(RH_VIRTIO_F_VERSION_1));
    rig_queue(&f->rig, &f->q, 0, 16);
    rig_driver_ok(&f->rig);
    g_assert_cmpuint(ask(f, OUT, 0, 512, NULL), ==, OK);
    g_assert_cmpuint(f->mem->nr_fua, ==, 1);
}

/* --- stopping --- */

static void stop_on_error(Fixture *f)
{
    memset(rig_host(&f->rig, f->data), 0x77, 512);
    f->mem->error = -ENOSPC;
    start(f, 0, OUT, 5, 512);
    start(f, 1, OUT, 6, 512);
    rig_kick(&f->q);
    g_assert_false(rh_is_running(f->rig.vm));
    g_assert_cmpint(f->rig.vm->run->state, ==, QMP_RUN_STATE_IO_ERROR);
    g_assert_cmpuint(*rig_host(&f->rig, f->status), ==, NO_ANSWER);
    g_assert_cmpuint(f->rig.vdev->queues[0].in_flight, ==, 2);
}

static void test_held(Fixture *f, const void *data)
{
    uint32_t len;

    stop_on_error(f);
    rh_vm_start(f->rig.vm);                 /* still full: stops again */
    rig_turn(&f->rig);
    g_assert_false(rh_is_running(f->rig.vm));
    f->mem->error = 0;
    rh_vm_start(f->rig.vm);
    rh_vm_stop(f->rig.vm, QMP_RUN_STATE_PAUSED);        /* the retry is on its way */
    rh_vm_start(f->rig.vm);
    g_assert_true(wait_for_one(f, &len) && wait_for_one(f, &len));
    g_assert_cmpuint(*rig_host(&f->rig, f->status) | *rig_host(&f->rig, f->status + 1), ==, OK);
    g_assert_cmpuint(f->mem->bytes[5 * 512], ==, 0x77);
    g_assert_cmpuint(f->mem->bytes[7 * 512 - 1], ==, 0x77);
    g_assert_true(rh_is_running(f->rig.vm));
    g_assert_cmpuint(ask(f, IN, 0, 512, NULL), ==, OK);
}

static void test_held_reset(Fixture *f, const void *data)
{
    stop_on_error(f);
    f->mem->error = 0;
    rig_set(&f->rig, MMIO_STATUS, 0);
    rh_vm_start(f->rig.vm);
    rig_turn(&f->rig);
    g_assert_cmpuint(f->mem->bytes[5 * 512], ==, 5);    /* gone with the reset */
    begin_queue(f);
    g_assert_cmpuint(ask(f, OUT, 5, 512, NULL), ==, OK);
}

/* Held when the device goes: nothing is left behind (the sanitizers say). */
static void test_held_end(Fixture *f, const void *data)
{
    stop_on_error(f);
}

/* Stopping waits for what is under way. */
static void test_drain(Fixture *f, const void *data)
{
    uint32_t len;

    f->mem->delay_ns = 3000000;
    for (unsigned i = 0; i < 4; i++) {
        start(f, i, IN, i, 512);
    }
    rig_kick(&f->q);
    g_usleep(500);
    rh_vm_stop(f->rig.vm, QMP_RUN_STATE_PAUSED);
    g_assert_cmpuint(f->rig.vdev->queues[0].in_flight, ==, 0);
    rh_vm_start(f->rig.vm);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_true(wait_for_one(f, &len));
        g_assert_cmpuint(*rig_host(&f->rig, f->status + i), ==, OK);
    }
}

typedef struct Resetter {
    Fixture *f;
    RhVcpu vcpu;
    bool has_begun;             /* atomic */
    bool resets_queue;
} Resetter;

/* What a vCPU does on its way through the device's registers; the lock is the main thread's until that waits. */
static void reset_on_vcpu(RhVcpu *vcpu, void *arg)
{
    Resetter *resetter = arg;

    __atomic_store_n(&resetter->has_begun, true, __ATOMIC_SEQ_CST);
    RH_WITH_LOCK(&vcpu->vm->lock) {
        if (resetter->resets_queue) {
            rig_set(&resetter->f->rig, MMIO_SEL, 0);
            rig_set(&resetter->f->rig, MMIO_RESET, 1);
        } else {
            rig_set(&resetter->f->rig, MMIO_STATUS, 0);
        }
    }
}

static void *make_vcpu_reset(void *opaque)
{
    Resetter *resetter = opaque;

    rh_vcpu_run_on(&resetter->vcpu, reset_on_vcpu, resetter);
    return NULL;
}

static void run_vcpu(RhVcpu *vcpu)
{
    bool is_paused = true;

    rh_vcpus_resume(vcpu->vm);
    rh_vcpu_kick(vcpu);
    while (is_paused) {
        RH_WITH_LOCK(&vcpu->lock) {
            is_paused = vcpu->is_paused;
        }
        g_usleep(100);
    }
}

/* A vCPU resets while requests are under way, and the main loop wants that vCPU paused: neither waits for ever. */
static void reset_while_pausing(Fixture *f, bool resets_queue)
{
    Resetter resetter = { .f = f, .resets_queue = resets_queue };
    pthread_t thread;

    rh_vcpu_init(&resetter.vcpu, f->rig.vm, NULL, 0);
    g_assert_true(rh_vcpu_start(&resetter.vcpu, NULL));
    run_vcpu(&resetter.vcpu);
    f->mem->delay_ns = 20000000;
    start(f, 0, IN, 0, 512);
    rig_kick(&f->q);
    while (!__atomic_load_n(&f->rig.vdev->queues[0].in_flight, __ATOMIC_RELAXED)) {
        rig_turn(&f->rig);
    }
    thread = rh_thread_start("asker", make_vcpu_reset, &resetter);
    while (!__atomic_load_n(&resetter.has_begun, __ATOMIC_SEQ_CST)) {
        g_usleep(100);
    }
    rh_vm_stop(f->rig.vm, QMP_RUN_STATE_PAUSED);
    g_assert_cmpuint(f->rig.vdev->queues[0].in_flight, ==, 0);
    g_assert_cmpuint(rig_get(&f->rig, MMIO_STATUS) == 0, ==, !resets_queue);
    g_assert_false(f->rig.vdev->queues[0].regs.is_enabled);
    g_assert_cmpuint(*rig_host(&f->rig, f->status), ==, OK);
    pthread_join(thread, NULL);
    rh_vcpu_fini(&resetter.vcpu);
}

static void test_reset_while_pausing(Fixture *f, const void *data)
{
    reset_while_pausing(f, false);
}

static void test_queue_reset_while_pausing(Fixture *f, const void *data)
{
    reset_while_pausing(f, true);
}

/* Take as many answers as there are requests. */
static void kick_and_take(Fixture *f, unsigned nr)
{
    uint32_t len;

    rig_kick(&f->q);
    for (unsigned i = 0; i < nr; i++) {
        g_assert_true(wait_for_one(f, &len));
    }
}

static void see_counts(RhBlk *blk, void *opaque)
{
    *(RhBlk **)opaque = blk;
}

/* What lies side by side is one request below, and what the guest gets is the same. */
static void test_merge(Fixture *f, const void *data)
{
    static const struct { uint32_t type; unsigned sector; } mixed[] = {
        { IN, 8 }, { IN, 9 }, { OUT, 10 }, { OUT, 12 }, { IN, 64 },
    };
    uint8_t *buf = rig_host(&f->rig, f->data);
    RhBlk *blk = NULL;

    rh_blk_foreach_blk(f->rig.vm, see_counts, &blk);
    for (unsigned i = 0; i < 4; i++) {
        start(f, i, IN, 3 + i, 512);
    }
    kick_and_take(f, 4);
    g_assert_cmpuint(f->mem->nr_reads, ==, 1);
    g_assert_cmpuint(buf[0], ==, 6);        /* they share the buffer; in the order of the sectors */
    g_assert_cmpuint(blk->ops[RH_BLK_READ], ==, 4);
    g_assert_cmpuint(blk->merged[RH_BLK_READ], ==, 3);
    g_assert_cmpuint(blk->bytes[RH_BLK_READ], ==, 4 * 512);

    f->mem->nr_reads = 0;
    memset(buf, 0x33, 512);
    for (unsigned i = 0; i < G_N_ELEMENTS(mixed); i++) {
        start(f, i, mixed[i].type, mixed[i].sector, 512);
    }
    kick_and_take(f, G_N_ELEMENTS(mixed));
    g_assert_cmpuint(f->mem->nr_reads, ==, 1);
    g_assert_cmpuint(f->mem->nr_writes, ==, 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(mixed); i++) {    /* the last one is beyond the end */
        g_assert_cmpuint(*rig_host(&f->rig, f->status + i), ==, i == G_N_ELEMENTS(mixed) - 1 ? IOERR : OK);
    }
    g_assert_cmpuint(f->mem->bytes[11 * 512], ==, 11);

    f->mem->bad_sector = 22;
    for (unsigned i = 0; i < 4; i++) {
        start(f, i, IN, 20 + i, 512);
    }
    kick_and_take(f, 4);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpuint(*rig_host(&f->rig, f->status + i), ==, i == 2 ? IOERR : OK);
    }
}

/* What threads (io0, io1) the queues get, or a piece of the error. */
static void test_vq_mapping(Fixture *f, const void *data)
{
    static const struct {
        const char *json;
        unsigned nr_queues;
        const char *want;
    } cases[] = {
        { "[{\"iothread\":\"io1\"}]", 2, "11" },
        { "[{\"iothread\":\"io0\"},{\"iothread\":\"io1\"}]", 5, "01010" },
        { "[{\"iothread\":\"io0\"},{\"iothread\":\"io1\"}]", 1, "0" },
        { "[{\"iothread\":\"io0\",\"vqs\":[1,2]},{\"iothread\":\"io1\",\"vqs\":[0]}]", 3, "100" },
        { "[]", 1, "must be a list" },
        { "\"io0\"", 1, "must be a list" },
        { "[1]", 1, "[0].iothread' is missing" },
        { "[{\"iothread\":\"io7\"}]", 1, "IOThread \"io7\" object does not exist" },
        { "[{\"iothread\":\"io0\",\"vq\":[0]}]", 1, "'iothread-vq-mapping[0].vq' is unexpected" },
        { "[{\"iothread\":\"io0\",\"vqs\":[0]},{\"iothread\":\"io1\"}]", 2, "either all items" },
        { "[{\"iothread\":\"io0\",\"vqs\":[0,2]}]", 2, "vq index 2 of iothread-vq-mapping must be 0 to 1" },
        { "[{\"iothread\":\"io0\",\"vqs\":[-1]}]", 2, "vq index -1" },
        { "[{\"iothread\":\"io0\",\"vqs\":[0,0]}]", 1, "cannot assign vq 0" },
        { "[{\"iothread\":\"io0\",\"vqs\":[0]}]", 2, "missing vq 1" },
        { "[{\"iothread\":\"io0\",\"vqs\":0}]", 1, "expected: array" },
    };

    make_thread(f->rig.vm, "io1");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(RhJson) mapping = json_tokener_parse(cases[i].json);
        g_autoptr(GError) err = NULL;
        RhObject **threads = rh_iothread_map(f->rig.vm, mapping, cases[i].nr_queues, &err);

        if (!threads) {
            g_assert_nonnull(err);
            g_assert_nonnull(strstr(err->message, cases[i].want));
            continue;
        }
        for (unsigned queue = 0; queue < cases[i].nr_queues; queue++) {
            g_assert_cmpint(threads[queue]->name[2], ==, cases[i].want[queue]);
        }
        g_assert_cmpuint(strlen(cases[i].want), ==, cases[i].nr_queues);
        rh_iothread_unmap(threads, cases[i].nr_queues);
    }
}

static void test_many(Fixture *f, const void *data)
{
    for (unsigned i = 0; i < 500; i++) {
        g_assert_cmpuint(ask(f, IN, i % 64, 512, NULL), ==, OK);
        g_assert_cmpuint(*rig_host(&f->rig, f->data), ==, i % 64);
        f->rig.heap -= 4096;    /* of the header */
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*fn)(Fixture *f, const void *data);
        const char *policy;
    } tests[] = {
        { "/virtio-blk/requests", test_requests, NULL },
        { "/virtio-blk/bounds", test_bounds, NULL },
        { "/virtio-blk/report", test_report, NULL },
        { "/virtio-blk/ignore", test_ignore, "ignore" },
        { "/virtio-blk/no-cache", test_no_cache, NULL },
        { "/virtio-blk/held", test_held, "stop" },
        { "/virtio-blk/held-reset", test_held_reset, "stop" },
        { "/virtio-blk/held-end", test_held_end, "stop" },
        { "/virtio-blk/drain", test_drain, NULL },
        { "/virtio-blk/reset-while-pausing", test_reset_while_pausing, NULL },
        { "/virtio-blk/queue-reset-while-pausing", test_queue_reset_while_pausing, NULL },
        { "/virtio-blk/merge", test_merge, NULL },
        { "/virtio-blk/many", test_many, NULL },
        { "/virtio-blk/iothread/requests", test_requests, "iothread" },
        { "/virtio-blk/iothread/drain", test_drain, "iothread" },
        { "/virtio-blk/iothread/reset-while-pausing", test_reset_while_pausing, "iothread" },
        { "/virtio-blk/iothread/vq-mapping", test_vq_mapping, "iothread" },
        { "/virtio-blk/iothread/many", test_many, "iothread" },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, tests[i].policy, begin, tests[i].fn, end);
    }
    return g_test_run();
}
