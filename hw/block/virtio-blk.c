/*
 * virtio-blk-device: a disk.
 * Spec: virtio 1.2 §5.2.  Lock: requests run on their queue's loop; configuration under the machine lock.
 *
 * Each request is a coroutine on the loop of its queue. What the host has in memory finishes before the kick
 * that brought it returns, and all that finished in one kick is shown to the driver with one interrupt.
 */
#include "block/blk.h"
#include "hw/core/bootorder.h"
#include "hw/virtio/pci.h"
#include "softmmu/iothread.h"
#include "util/coroutine.h"
#include "util/iov.h"

enum {                          /* feature bits, §5.2.3 */
    F_SEG_MAX = 2, F_GEOMETRY = 4, F_RO = 5, F_BLK_SIZE = 6, F_FLUSH = 9, F_TOPOLOGY = 10, F_CONFIG_WCE = 11,
    F_MQ = 12, F_DISCARD = 13, F_WRITE_ZEROES = 14,
};
enum {                          /* request types, §5.2.6 */
    T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13,
};
enum { AUTO_QUEUES = UINT16_MAX };
enum { SHOW_EVERY = 4 };        /* requests of a long kick: a driver that polls goes on while we do */
enum { DRAINING = 1 << 20 };   /* more than requests can be in flight */
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { SECTOR = 512, ID_BYTES = 20, MAX_SECTORS = INT32_MAX / SECTOR, MAX_SEGMENTS = 1 };
#define WRITE_ZEROES_UNMAP 1u   /* §5.2.6: the only flag */

/* §5.2.4, little-endian, packed by its layout */
typedef struct BlkConfig {
    uint64_t capacity;
    uint32_t size_max;
    uint32_t seg_max;
    uint16_t cylinders;
    uint8_t heads;
    uint8_t sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp;
    uint8_t alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback;
    uint8_t unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors;
    uint32_t max_discard_seg;
    uint32_t discard_sector_alignment;
    uint32_t max_write_zeroes_sectors;
    uint32_t max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap;
    uint8_t unused1[3];
} __attribute__((packed)) BlkConfig;
G_STATIC_ASSERT(sizeof(BlkConfig) == 60);

typedef struct BlkRange {       /* §5.2.6: discard and write zeroes */
    uint64_t sector;
    uint32_t nr_sectors;
    uint32_t flags;
} BlkRange;

typedef struct BlkHeader {
    uint32_t type;
    uint32_t priority;
    uint64_t sector;
} BlkHeader;

typedef struct VirtioBlk VirtioBlk;

/* A request; starts with its buffer. What it holds of guest data was fetched once. */
typedef struct BlkRequest {
    RhVirtElem elem;
    VirtioBlk *disk;
    BlkHeader header;
    uint32_t status_skip;       /* data bytes written in front of the status byte */
    uint8_t *status;
    struct BlkRequest *next;    /* while held, or one of several that are done as one */
} BlkRequest;

/* One queue's own: touched on its loop only, but for in_flight. */
typedef struct BlkQueue {
    bool is_kicking;            /* completions wait for the end of the kick to be shown */
    unsigned nr_kicked;         /* requests that were done before their kick was */
    RhDeferred show;            /* of other completions, at the end of the loop's turn */
    unsigned nr_hidden;         /* that wait for it; still in flight */
    unsigned in_flight;         /* atomic: started and not given back, a retry on its way; DRAINING for each drain */
    BlkRequest *held;           /* failed with policy "stop": tried again when the machine runs */
} BlkQueue;

typedef struct BlkRegs {
    uint8_t writeback;
} BlkRegs;

struct VirtioBlk {
    RhVirtioDevice parent;
    RhDrive *drive;             /* properties */
    char *serial;
    RhObject *iothread;
    json_object *vq_mapping;
    uint16_t num_queues;
    uint16_t queue_size;
    int32_t bootindex;
    uint32_t logical_block_size, physical_block_size, min_io_size, opt_io_size, discard_granularity;
    uint32_t max_discard_sectors, max_write_zeroes_sectors;
    uint32_t cyls, heads, secs;
    bool has_discard, has_write_zeroes, has_config_wce, shares_writing, seg_max_adjust, request_merging;
    int write_cache, werror, rerror;
    RhBlk blk;                  /* wiring */
    BlkQueue *queues;
    RhObject **threads;         /* of the queues, by vq_mapping; or NULL */
    BlkRegs regs;
};

#define DISK(vdev) ((VirtioBlk *)(vdev))

static BlkQueue *queue_of(const BlkRequest *request)
{
    return &request->disk->queues[request->elem.queue->index];
}

/* --- finishing --- */

static void nothing(void *opaque)
{
}

/* The last thing done for requests or a retry: whoever drains is woken, and may end the disk at once. */
static void leave(VirtioBlk *disk, BlkQueue *own, unsigned nr)
{
    RhLoop *main_loop = rh_device_vm(&disk->parent.parent)->loop;
    unsigned left = __atomic_sub_fetch(&own->in_flight, nr, __ATOMIC_ACQ_REL);

    if (left && left % DRAINING == 0) {
        rh_loop_post_urgent(main_loop, nothing, NULL);
    }
}

static void show_hidden(void *opaque)
{
    RhVirtq *queue = opaque;
    VirtioBlk *disk = DISK(queue->vdev);
    BlkQueue *own = &disk->queues[queue->index];
    unsigned nr = own->nr_hidden;

    own->nr_hidden = 0;
    rh_virtq_flush(queue);
    leave(disk, own, nr);
}

static void finish(BlkRequest *request, uint8_t status)
{
    VirtioBlk *disk = request->disk;
    BlkQueue *own = queue_of(request);
    RhVirtq *queue = request->elem.queue;

    *request->status = status;
    rh_virtq_push(&request->elem, request->status_skip + 1);
    if (own->is_kicking) {
        if (++own->nr_kicked % SHOW_EVERY == 0) {
            rh_virtq_show(queue);
        }
        leave(disk, own, 1);
    } else {
        own->nr_hidden++;
        rh_loop_defer(queue->loop, &own->show);
    }
}

/* An error of the host: the drive's policy says what the guest sees. */
static void fail(BlkRequest *request, bool is_read, int error)
{
    BlkQueue *own = queue_of(request);

    switch (rh_blk_failed(&request->disk->blk, is_read, error)) {
    case QMP_BLOCK_ERROR_ACTION_STOP:
        request->next = own->held;
        own->held = request;
        leave(request->disk, own, 1);
        break;
    case QMP_BLOCK_ERROR_ACTION_IGNORE:
        finish(request, S_OK);
        break;
    default:
        request->status_skip = 0;
        finish(request, S_IOERR);
    }
}

static void settle_result(BlkRequest *request, bool is_read, int result)
{
    if (result < 0) {
        fail(request, is_read, result);
    } else {
        finish(request, S_OK);
    }
}

/* --- request types --- */

/* Whether the range lies on the disk, in whole blocks (§5.2.6.1). */
static bool range_ok(const VirtioBlk *disk, uint64_t sector, uint64_t bytes)
{
    int64_t length = rh_blk_length(disk->blk.user.node);
    uint64_t block_sectors = disk->logical_block_size / SECTOR;

    return sector <= UINT64_MAX / SECTOR && bytes % disk->logical_block_size == 0 && sector % block_sectors == 0 &&
           length >= 0 && rh_range_ok(sector * SECTOR, bytes, (uint64_t)length);
}

static void do_read(BlkRequest *request)
{
    RhVirtElem *elem = &request->elem;
    size_t bytes = elem->in_bytes - 1;

    if (!range_ok(request->disk, request->header.sector, bytes)) {
        finish(request, S_IOERR);
        return;
    }
    request->status_skip = (uint32_t)bytes;
    settle_result(request, true, rh_blk_co_read(&request->disk->blk, request->header.sector * SECTOR, bytes, elem->in,
                                                (int)elem->nr_in));
}

static void do_write(BlkRequest *request)
{
    RhVirtElem *elem = &request->elem;
    size_t bytes = elem->out_bytes - sizeof(BlkHeader);

    if (!range_ok(request->disk, request->header.sector, bytes) || request->disk->drive->is_read_only) {
        finish(request, S_IOERR);
        return;
    }
    settle_result(request, false, rh_blk_co_write(&request->disk->blk, request->header.sector * SECTOR, bytes,
                                                  elem->out, (int)elem->nr_out));
}

static void do_get_id(BlkRequest *request)
{
    RhVirtElem *elem = &request->elem;
    char id[ID_BYTES] = { 0 };
    size_t bytes = MIN(elem->in_bytes - 1, sizeof(id));

    if (request->disk->serial) {
        memcpy(id, request->disk->serial, MIN(strlen(request->disk->serial), sizeof(id)));
    }
    request->status_skip = (uint32_t)rh_iov_from_buf(elem->in, elem->nr_in, 0, id, bytes);
    finish(request, S_OK);
}

static void do_range(BlkRequest *request)
{
    VirtioBlk *disk = request->disk;
    bool is_discard = request->header.type == T_DISCARD;
    uint32_t max_sectors = is_discard ? disk->max_discard_sectors : disk->max_write_zeroes_sectors;
    uint32_t flags_ok = is_discard ? 0 : WRITE_ZEROES_UNMAP;
    BlkRange range;
    uint64_t bytes;

    if (rh_iov_to_buf(request->elem.out, request->elem.nr_out, 0, &range, sizeof(range)) != sizeof(range) ||
        request->elem.out_bytes - sizeof(BlkHeader) != sizeof(range) || (range.flags & ~flags_ok)) {
        finish(request, S_UNSUPP);
        return;
    }
    bytes = (uint64_t)range.nr_sectors * SECTOR;
    if (range.nr_sectors > max_sectors || !range_ok(disk, range.sector, bytes) || disk->drive->is_read_only) {
        finish(request, S_IOERR);
        return;
    }
    settle_result(request, false,
                  is_discard ? rh_blk_co_discard(&disk->blk, range.sector * SECTOR, bytes)
                             : rh_blk_co_zero(&disk->blk, range.sector * SECTOR, bytes,
                                              range.flags & WRITE_ZEROES_UNMAP));
}

static void run_request(void *opaque)
{
    BlkRequest *request = opaque;

    switch (request->header.type) {
    case T_IN:
        do_read(request);
        break;
    case T_OUT:
        do_write(request);
        break;
    case T_FLUSH:
        settle_result(request, false, rh_blk_co_flush(&request->disk->blk));
        break;
    case T_GET_ID:
        do_get_id(request);
        break;
    case T_DISCARD:
    case T_WRITE_ZEROES:
        if (request->header.type == T_DISCARD ? request->disk->has_discard : request->disk->has_write_zeroes) {
            do_range(request);
            break;
        }
        finish(request, S_UNSUPP);
        break;
    default:
        finish(request, S_UNSUPP);
    }
}

/* --- requests that lie side by side, done as one --- */

enum { MAX_RUN_IOVS = 1024, MAX_RUN_BYTES = 1 << 20 };     /* the first: IOV_MAX of Linux */

typedef struct BlkRun {
    BlkRequest *first;          /* NULL: none */
    BlkRequest *last;
    uint64_t end_sector;
    uint64_t bytes;
    unsigned nr_iov;
} BlkRun;

static size_t data_bytes(const BlkRequest *request)
{
    return request->header.type == T_IN ? request->elem.in_bytes - 1 : request->elem.out_bytes - sizeof(BlkHeader);
}

static unsigned nr_data_iov(const BlkRequest *request)
{
    return request->header.type == T_IN ? request->elem.nr_in : request->elem.nr_out;
}

static void run_as_one(void *opaque)
{
    BlkRequest *request = opaque;
    VirtioBlk *disk = request->disk;
    bool is_read = request->header.type == T_IN;
    uint64_t at = request->header.sector * SECTOR;
    uint64_t bytes = 0;
    unsigned nr_iov = 0;
    unsigned nr = 0;
    g_autofree struct iovec *iov = g_new(struct iovec, MAX_RUN_IOVS);
    int result;

    for (const BlkRequest *r = request; r; r = r->next, nr++) {
        memcpy(iov + nr_iov, is_read ? r->elem.in : r->elem.out, nr_data_iov(r) * sizeof(*iov));
        nr_iov += nr_data_iov(r);
        bytes += data_bytes(r);
    }
    result = is_read ? rh_blk_co_read(&disk->blk, at, bytes, iov, (int)nr_iov)
                     : rh_blk_co_write(&disk->blk, at, bytes, iov, (int)nr_iov);
    rh_blk_count_merged(&disk->blk, is_read ? RH_BLK_READ : RH_BLK_WRITE, result == 0 ? nr - 1 : 0);
    while (request) {
        BlkRequest *next = request->next;

        if (result == 0) {
            request->status_skip = is_read ? (uint32_t)data_bytes(request) : 0;
            finish(request, S_OK);
        } else {                /* each by itself, so that only the bad ones fail */
            run_request(request);
        }
        request = next;
    }
}

static void start_run(BlkRun *run)
{
    if (run->first) {
        rh_co_start(run->first == run->last ? run_request : run_as_one, run->first);
        run->first = NULL;
    }
}

static bool may_merge(const BlkRequest *request)
{
    const VirtioBlk *disk = request->disk;
    uint32_t type = request->header.type;

    return disk->request_merging && (type == T_IN || (type == T_OUT && !disk->drive->is_read_only)) &&
           data_bytes(request) && range_ok(disk, request->header.sector, data_bytes(request));
}

/* Start the request, or keep it until it is known whether the next one goes on where it ends. */
static void enter_run(BlkRun *run, BlkRequest *request)
{
    uint64_t bytes;

    if (!may_merge(request)) {
        start_run(run);
        rh_co_start(run_request, request);
        return;
    }
    bytes = data_bytes(request);
    if (run->first && (run->first->header.type != request->header.type || run->end_sector != request->header.sector ||
                       run->bytes + bytes > MAX_RUN_BYTES || run->nr_iov + nr_data_iov(request) > MAX_RUN_IOVS)) {
        start_run(run);
    }
    request->next = NULL;
    if (run->first) {
        run->last->next = request;
        run->bytes += bytes;
        run->nr_iov += nr_data_iov(request);
    } else {
        run->first = request;
        run->bytes = bytes;
        run->nr_iov = nr_data_iov(request);
    }
    run->last = request;
    run->end_sector = request->header.sector + bytes / SECTOR;
}

/* --- taking requests --- */

/* Drop @bytes from the front of the list. */
static void skip_front(struct iovec **iov, unsigned *nr, size_t bytes)
{
    while (*nr && bytes >= (*iov)->iov_len) {
        bytes -= (*iov)->iov_len;
        (*iov)++;
        (*nr)--;
    }
    if (*nr) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

/* Take the last byte of the list: the status. */
static uint8_t *take_last_byte(struct iovec *iov, unsigned *nr)
{
    struct iovec *last = &iov[*nr - 1];

    last->iov_len--;
    if (!last->iov_len) {
        (*nr)--;
    }
    return (uint8_t *)last->iov_base + last->iov_len;
}

/* §5.2.6: 16 bytes of header to read, data, one byte of status to write. */
static bool parse(BlkRequest *request)
{
    RhVirtElem *elem = &request->elem;

    if (elem->in_bytes < 1 ||
        rh_iov_to_buf(elem->out, elem->nr_out, 0, &request->header, sizeof(BlkHeader)) != sizeof(BlkHeader)) {
        rh_virtq_break(elem->queue, "request has %zu bytes to read and %zu to write, needs 16 and 1", elem->out_bytes,
                       elem->in_bytes);
        return false;
    }
    skip_front(&elem->out, &elem->nr_out, sizeof(BlkHeader));
    request->status = take_last_byte(elem->in, &elem->nr_in);
    request->status_skip = 0;
    return true;
}

static void begin_request(VirtioBlk *disk, BlkQueue *own, BlkRequest *request)
{
    request->disk = disk;
    __atomic_add_fetch(&own->in_flight, 1, __ATOMIC_RELAXED);
}

static void blk_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    VirtioBlk *disk = DISK(vdev);
    BlkQueue *own = &disk->queues[queue->index];
    BlkRun run = { NULL };
    RhVirtElem *elem;

    own->is_kicking = true;
    do {
        rh_virtq_mute(queue);
        while ((elem = rh_virtq_pop(queue))) {
            if (!parse((BlkRequest *)elem)) {
                rh_virtq_drop(elem);
                break;
            }
            begin_request(disk, own, (BlkRequest *)elem);
            enter_run(&run, (BlkRequest *)elem);
        }
        start_run(&run);
    } while (rh_virtq_unmute(queue));
    own->is_kicking = false;
    rh_virtq_flush(queue);
}

/* --- starting, stopping --- */

static void retry_held(VirtioBlk *disk, unsigned index)
{
    BlkQueue *own = &disk->queues[index];
    BlkRequest *request = own->held;

    own->held = NULL;
    while (request) {
        BlkRequest *next = request->next;

        begin_request(disk, own, request);
        rh_co_start(run_request, request);
        request = next;
    }
}

typedef struct Retry {
    VirtioBlk *disk;
    unsigned index;
} Retry;

static void retry_on_loop(void *opaque)
{
    g_autofree Retry *retry = opaque;

    retry_held(retry->disk, retry->index);
    leave(retry->disk, &retry->disk->queues[retry->index], 1);
}

static RhLoop *loop_of(const VirtioBlk *disk, unsigned index)
{
    RhObject *thread = disk->threads ? disk->threads[index] : disk->iothread;

    return thread ? rh_iothread_loop(thread) : rh_device_vm(&disk->parent.parent)->loop;
}

static void blk_start(RhVirtioDevice *vdev)
{
    VirtioBlk *disk = DISK(vdev);

    for (unsigned i = 0; i < disk->num_queues; i++) {
        Retry *retry;

        rh_virtio_set_loop(rh_virtio_queue(vdev, i), loop_of(disk, i));
        if (disk->queues[i].held) {
            retry = g_new0(Retry, 1);
            *retry = (Retry){ disk, i };
            __atomic_add_fetch(&disk->queues[i].in_flight, 1, __ATOMIC_RELAXED);
            rh_loop_post_urgent(loop_of(disk, i), retry_on_loop, retry);
        }
    }
}

static bool is_idle(const VirtioBlk *disk)
{
    for (unsigned i = 0; i < disk->num_queues; i++) {
        if (__atomic_load_n(&disk->queues[i].in_flight, __ATOMIC_ACQUIRE) % DRAINING) {
            return false;
        }
    }
    return true;
}

static void add_in_flight(VirtioBlk *disk, int nr)
{
    for (unsigned i = 0; i < disk->num_queues; i++) {
        __atomic_add_fetch(&disk->queues[i].in_flight, (unsigned)nr, __ATOMIC_ACQ_REL);
    }
}

static void blk_stop(RhVirtioDevice *vdev)
{
    VirtioBlk *disk = DISK(vdev);

    add_in_flight(disk, DRAINING);
    while (!is_idle(disk)) {
        rh_loop_turn_urgent(rh_device_vm(&vdev->parent)->loop);
    }
    add_in_flight(disk, -DRAINING);
}

static void drop_held(VirtioBlk *disk, unsigned index)
{
    while (disk->queues[index].held) {
        BlkRequest *request = disk->queues[index].held;

        disk->queues[index].held = request->next;
        rh_virtq_drop(&request->elem);
    }
}

static void blk_queue_reset(RhVirtioDevice *vdev, RhVirtq *queue)
{
    blk_stop(vdev);
    drop_held(DISK(vdev), queue->index);
}

/* --- configuration --- */

static void apply_writeback(VirtioBlk *disk)
{
    __atomic_store_n(&disk->blk.has_write_cache, disk->regs.writeback != 0, __ATOMIC_RELAXED);
}

static uint64_t blk_get_features(RhVirtioDevice *vdev)
{
    const VirtioBlk *disk = DISK(vdev);
    uint64_t features = RH_VIRTIO_BIT(F_SEG_MAX) | RH_VIRTIO_BIT(F_GEOMETRY) | RH_VIRTIO_BIT(F_TOPOLOGY) |
                        RH_VIRTIO_BIT(F_BLK_SIZE) | RH_VIRTIO_BIT(F_FLUSH);

    features |= disk->has_config_wce ? RH_VIRTIO_BIT(F_CONFIG_WCE) : 0;
    features |= disk->drive->is_read_only ? RH_VIRTIO_BIT(F_RO) : 0;
    features |= disk->num_queues > 1 ? RH_VIRTIO_BIT(F_MQ) : 0;
    features |= disk->has_discard ? RH_VIRTIO_BIT(F_DISCARD) : 0;
    features |= disk->has_write_zeroes ? RH_VIRTIO_BIT(F_WRITE_ZEROES) : 0;
    return features;
}

/* Cylinders, heads and sectors of old: the translation that BIOSes make for large disks. */
static void put_geometry(const VirtioBlk *disk, BlkConfig *config)
{
    enum { HEADS = 16, SECTORS = 63, MAX_CYLINDERS = 16383 };
    uint64_t cylinders = config->capacity / (HEADS * SECTORS);

    config->cylinders = (uint16_t)(disk->cyls ? disk->cyls : MAX(MIN(cylinders, MAX_CYLINDERS), 2));
    config->heads = (uint8_t)(disk->heads ? disk->heads : HEADS);
    config->sectors = (uint8_t)(disk->secs ? disk->secs : SECTORS);
}

static void blk_config_read(RhVirtioDevice *vdev, void *ret_config)
{
    const VirtioBlk *disk = DISK(vdev);
    BlkConfig *config = ret_config;
    uint32_t logical = disk->logical_block_size;

    config->capacity = (uint64_t)MAX(rh_blk_length(disk->blk.user.node), 0) / SECTOR;
    config->seg_max = disk->seg_max_adjust ? disk->queue_size - 2u : 126;
    put_geometry(disk, config);
    config->blk_size = logical;
    config->physical_block_exp = (uint8_t)__builtin_ctz(disk->physical_block_size / logical);
    config->min_io_size = (uint16_t)(disk->min_io_size / logical);
    config->opt_io_size = disk->opt_io_size / logical;
    config->writeback = disk->regs.writeback;
    config->num_queues = disk->num_queues;
    if (disk->has_discard) {
        uint32_t granularity = disk->discard_granularity ? disk->discard_granularity : logical;

        config->max_discard_sectors = disk->max_discard_sectors;
        config->max_discard_seg = MAX_SEGMENTS;
        config->discard_sector_alignment = granularity / SECTOR;
    }
    if (disk->has_write_zeroes) {
        config->max_write_zeroes_sectors = disk->max_write_zeroes_sectors;
        config->max_write_zeroes_seg = MAX_SEGMENTS;
        config->write_zeroes_may_unmap = 1;
    }
}

static void blk_config_write(RhVirtioDevice *vdev, const void *config, unsigned at, unsigned len)
{
    VirtioBlk *disk = DISK(vdev);

    if (at <= offsetof(BlkConfig, writeback) && at + len > offsetof(BlkConfig, writeback) &&
        rh_virtio_has(vdev, F_CONFIG_WCE)) {
        disk->regs.writeback = ((const BlkConfig *)config)->writeback != 0;
        apply_writeback(disk);
    }
}

/* §5.2.5: without FLUSH the driver cannot ask for one, so nothing may be kept back. */
static void blk_features_set(RhVirtioDevice *vdev)
{
    VirtioBlk *disk = DISK(vdev);

    if (!rh_virtio_has(vdev, F_FLUSH) && !rh_virtio_has(vdev, F_CONFIG_WCE)) {
        disk->regs.writeback = 0;
        apply_writeback(disk);
    }
}

static void blk_resized(RhBlk *blk)
{
    rh_virtio_config_changed(&RH_CONTAINER(VirtioBlk, blk, blk)->parent);
}

/* --- life --- */

static bool is_power_of_two(uint32_t value)
{
    return value && !(value & (value - 1));
}

static bool check_props(const VirtioBlk *disk, GError **err)
{
    if (!disk->drive) {
        return rh_fail(err, "drive property not set");
    }
    if (!disk->num_queues || disk->num_queues > RH_VIRTIO_MAX_QUEUES) {
        return rh_fail(err, "num-queues property is %u, must be 1 to %d", disk->num_queues, RH_VIRTIO_MAX_QUEUES);
    }
    if (!is_power_of_two(disk->queue_size) || disk->queue_size <= 2) {
        return rh_fail(err, "invalid queue-size property (%u), must be a power of 2 (max %d)", disk->queue_size,
                       RH_VIRTQ_MAX_SIZE);
    }
    if (!is_power_of_two(disk->logical_block_size) || !is_power_of_two(disk->physical_block_size) ||
        disk->logical_block_size < SECTOR) {
        return rh_fail(err, "logical_block_size and physical_block_size must be powers of 2, of at least 512");
    }
    if (disk->logical_block_size > disk->physical_block_size) {
        return rh_fail(err, "logical_block_size > physical_block_size not supported");
    }
    if (disk->min_io_size % disk->logical_block_size || disk->opt_io_size % disk->logical_block_size) {
        return rh_fail(err, "min_io_size and opt_io_size must be multiples of logical_block_size");
    }
    if (disk->cyls > 65535 || disk->heads > 255 || disk->secs > 255) {
        return rh_fail(err, "cyls must be at most 65535, heads and secs at most 255");
    }
    return true;
}

static void release_blk(RhDevice *dev, void *arg)
{
    VirtioBlk *disk = DISK(dev);

    for (unsigned i = 0; i < disk->num_queues; i++) {
        drop_held(disk, i);
    }
    rh_blk_detach(&disk->blk);
    rh_iothread_unmap(disk->threads, disk->num_queues);
    disk->threads = NULL;
    g_clear_pointer(&disk->queues, g_free);
}

static bool map_threads(VirtioBlk *disk, GError **err)
{
    if (disk->iothread) {
        return rh_fail(err, "iothread and iothread-vq-mapping properties cannot be set at the same time");
    }
    disk->threads = rh_iothread_map(rh_device_vm(&disk->parent.parent), disk->vq_mapping, disk->num_queues, err);
    return disk->threads;
}

static bool blk_realize(RhDevice *dev, GError **err)
{
    VirtioBlk *disk = DISK(dev);

    if (disk->num_queues == AUTO_QUEUES) {
        disk->num_queues = 1;
    }
    if (!check_props(disk, err) || !rh_boot_order_add(dev, disk->bootindex, "/disk@0,0", err) ||
        !rh_blk_attach(&disk->blk, &dev->obj, disk->drive, disk->drive->is_read_only, disk->shares_writing, err)) {
        return false;
    }
    disk->blk.resized = blk_resized;
    if (disk->werror != QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO) {
        disk->blk.on_write_error = (QmpBlockdevOnErrorAction)disk->werror;
    }
    if (disk->rerror != QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO) {
        disk->blk.on_read_error = (QmpBlockdevOnErrorAction)disk->rerror;
    }
    disk->queues = g_new0(BlkQueue, disk->num_queues);
    rh_device_claim(dev, release_blk, NULL);
    if (disk->vq_mapping && !map_threads(disk, err)) {
        return false;
    }
    for (unsigned i = 0; i < disk->num_queues; i++) {
        rh_virtio_add_queue(&disk->parent, disk->queue_size, sizeof(BlkRequest), blk_kick);
    }
    for (unsigned i = 0; i < disk->num_queues; i++) {
        disk->queues[i].show = (RhDeferred){ .fn = show_hidden, .opaque = rh_virtio_queue(&disk->parent, i) };
    }
    return true;
}

static void blk_reset(RhDevice *dev)
{
    VirtioBlk *disk = DISK(dev);
    bool by_drive = disk->drive && !disk->drive->writes_through;

    for (unsigned i = 0; disk->queues && i < disk->num_queues; i++) {
        drop_held(disk, i);
    }
    disk->regs.writeback = disk->write_cache == RH_AUTO ? by_drive : disk->write_cache == RH_ON;
}

static void blk_settle(RhDevice *dev)
{
    apply_writeback(DISK(dev));
}

static const char *const error_actions[] = { "report", "ignore", "enospc", "stop", "auto", NULL };

static const RhProp blk_props[] = {
    RH_PROP_AS(rh_prop_drive, "drive", VirtioBlk, drive, .doc = "Node name or ID of a block device to use as a backend"),
    RH_PROP("serial", VirtioBlk, serial, .doc = "serial number, 20 characters"),
    RH_PROP("bootindex", VirtioBlk, bootindex, .def = (uint64_t)-1, .doc = "place in the boot order"),
    RH_PROP("num-queues", VirtioBlk, num_queues, .def = AUTO_QUEUES,
            .doc = "number of queues; default: one, on PCI one for each vCPU"),
    RH_PROP("queue-size", VirtioBlk, queue_size, .def = 256, .max = RH_VIRTQ_MAX_SIZE, .doc = "entries of a queue"),
    RH_PROP_LINK("iothread", VirtioBlk, iothread, RH_TYPE_IOTHREAD, .doc = "thread that does the work"),
    RH_PROP_AS(rh_prop_json, "iothread-vq-mapping", VirtioBlk, vq_mapping,
               .doc = "threads that do the work of the queues: [{\"iothread\":id,\"vqs\":[0,...]},...]"),
    RH_PROP_AS(rh_prop_on_off_auto, "write-cache", VirtioBlk, write_cache, .doc = "volatile write cache"),
    RH_PROP("share-rw", VirtioBlk, shares_writing, .doc = "others may write to the image"),
    RH_PROP("config-wce", VirtioBlk, has_config_wce, .def = true, .doc = "the driver may switch the write cache"),
    RH_PROP("discard", VirtioBlk, has_discard, .def = true, .doc = "offer discard"),
    RH_PROP("write-zeroes", VirtioBlk, has_write_zeroes, .def = true, .doc = "offer write zeroes"),
    RH_PROP("max-discard-sectors", VirtioBlk, max_discard_sectors, .def = MAX_SECTORS, .min = 1, .max = MAX_SECTORS,
            .doc = "sectors of one discard"),
    RH_PROP("max-write-zeroes-sectors", VirtioBlk, max_write_zeroes_sectors, .def = MAX_SECTORS, .min = 1,
            .max = MAX_SECTORS, .doc = "sectors of one write zeroes"),
    RH_PROP("seg-max-adjust", VirtioBlk, seg_max_adjust, .def = true, .doc = "as many segments as the queue has entries"),
    RH_PROP("request-merging", VirtioBlk, request_merging, .def = true, .is_hidden = true,
            .doc = "requests of one kick that lie side by side are done as one"),
    RH_PROP_AS(rh_prop_size32, "logical_block_size", VirtioBlk, logical_block_size, .def = SECTOR, .max = 2 << 20,
               .doc = "bytes"),
    RH_PROP_AS(rh_prop_size32, "physical_block_size", VirtioBlk, physical_block_size, .def = SECTOR, .max = 2 << 20,
               .doc = "bytes"),
    RH_PROP_AS(rh_prop_size32, "min_io_size", VirtioBlk, min_io_size, .doc = "smallest request that performs well"),
    RH_PROP_AS(rh_prop_size32, "opt_io_size", VirtioBlk, opt_io_size, .doc = "request size that performs best"),
    RH_PROP_AS(rh_prop_size32, "discard_granularity", VirtioBlk, discard_granularity, .doc = "bytes that can be freed"),
    RH_PROP("cyls", VirtioBlk, cyls, .doc = "cylinders"),
    RH_PROP("heads", VirtioBlk, heads, .doc = "heads"),
    RH_PROP("secs", VirtioBlk, secs, .doc = "sectors of a track"),
    RH_PROP_AS(rh_prop_enum, "rerror", VirtioBlk, rerror, .values = error_actions,
               .def = QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO, .doc = "what to do when reading fails"),
    RH_PROP_AS(rh_prop_enum, "werror", VirtioBlk, werror, .values = error_actions,
               .def = QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO, .doc = "what to do when writing fails"),
};
static const RhField blk_fields[] = {
    RH_FIELD(BlkRegs, writeback, .max = 1),
};
static const BlkRegs blk_at_reset = { .writeback = 0 };

RH_VIRTIO_DEVICE(VirtioBlk,
    .name           = "virtio-blk-device",
    .parent         = RH_TYPE_VIRTIO_DEVICE,
    .doc            = "Virtio disk",
    .category       = "Storage",
    .props          = RH_TABLE(blk_props),
    .state          = RH_STATE(VirtioBlk, regs, blk_at_reset, .version = 1, .fields = RH_TABLE(blk_fields)),
    .virtio_id      = 2,
    .config_size    = sizeof(BlkConfig),
    .get_features   = blk_get_features,
    .config_read    = blk_config_read,
    .config_write   = blk_config_write,
    .features_set   = blk_features_set,
    .start          = blk_start,
    .stop           = blk_stop,
    .stops_on_main  = true,
    .queue_reset    = blk_queue_reset,
    .realize        = blk_realize,
    .reset          = blk_reset,
    .settle         = blk_settle);

/* Each vCPU its own queue and vector: completions come to the vCPU that asked. */
static bool blk_pci_prepare(RhVirtioDevice *vdev, GError **err)
{
    VirtioBlk *disk = DISK(vdev);

    if (disk->num_queues == AUTO_QUEUES) {
        disk->num_queues = (uint16_t)CLAMP(rh_device_vm(&vdev->parent)->vcpus->len, 1, RH_VIRTIO_MAX_QUEUES);
    }
    return true;
}

RH_VIRTIO_PCI(VirtioBlk, .name = "virtio-blk", .legacy_id = 0x1001, .class_id = 0x0100, .category = "Storage",
              .vectors = RH_VIRTIO_PCI_PER_QUEUE, .prepare = blk_pci_prepare);
RH_TYPE_ALIAS(virtio_blk, "virtio-blk", "virtio-blk-pci");
