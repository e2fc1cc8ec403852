/*
 * Disk devices' holds on nodes, and the drives they are named by.
 */
#include "block/blk.h"
#include <errno.h>
#include "qapi-events.h"
#include "softmmu/runstate.h"
#include "util/clock.h"

typedef struct BlkRoom {
    GPtrArray *blks;
    GPtrArray *drives;      /* RhDrive * */
    RhNotifier run_changed;
} BlkRoom;

static void drive_free(void *opaque)
{
    RhDrive *drive = opaque;

    rh_blk_unuse(&drive->hold);
    g_free(drive->id);
    g_free(drive);
}

/* The machine runs (again): what stopped it is history. */
static void run_changed(RhNotifier *notifier, void *data)
{
    const BlkRoom *room = RH_CONTAINER(BlkRoom, run_changed, notifier);

    for (guint i = 0; *(bool *)data && i < room->blks->len; i++) {
        ((RhBlk *)room->blks->pdata[i])->io_status = QMP_BLOCK_DEVICE_IO_STATUS_OK;
    }
}

static void ignore_node(RhBlkNode *node, void *opaque)
{
}

static void blk_room_init(RhVm *vm, void *opaque)
{
    BlkRoom *room = opaque;

    room->blks = g_ptr_array_new();
    room->drives = g_ptr_array_new_with_free_func(drive_free);
    room->run_changed.fn = run_changed;
    rh_notifier_add(&vm->run->changed, &room->run_changed);
    rh_blk_foreach(vm, ignore_node, NULL);      /* the room of nodes is there first, and outlives this one */
}

static void blk_room_fini(RhVm *vm, void *opaque)
{
    BlkRoom *room = opaque;

    rh_notifier_remove(&room->run_changed);
    g_ptr_array_unref(room->blks);
    g_ptr_array_unref(room->drives);
}

RH_ROOM(blk_room, BlkRoom, .name = "blk", .init = blk_room_init, .fini = blk_room_fini);

/* --- drives --- */

static RhDrive *find_drive(RhVm *vm, const char *id)
{
    const BlkRoom *room = rh_vm_room(vm, &blk_room);

    for (guint i = 0; i < room->drives->len; i++) {
        RhDrive *drive = room->drives->pdata[i];

        if (g_strcmp0(drive->id, id) == 0) {
            return drive;
        }
    }
    return NULL;
}

bool rh_blk_drive_add(RhVm *vm, RhDrive *drive, GError **err)
{
    BlkRoom *room = rh_vm_room(vm, &blk_room);
    g_autofree char *who = g_strdup_printf("drive '%s'", drive->id);
    bool is_ok = rh_blk_use(&drive->hold, drive->node, who, false, true, err);

    if (is_ok && find_drive(vm, drive->id)) {
        is_ok = rh_fail(err, "Duplicate ID '%s' for drive", drive->id);
    }
    if (is_ok) {
        g_ptr_array_add(room->drives, drive);
    } else {
        drive_free(drive);
    }
    return is_ok;
}

/* A node gets an RhDrive of its own the first time it is named. */
RhDrive *rh_blk_drive_find(RhVm *vm, const char *id, GError **err)
{
    RhDrive *drive = find_drive(vm, id);
    RhBlkNode *node;

    if (drive) {
        return drive;
    }
    node = rh_blk_find(vm, id, NULL);
    if (!node) {
        rh_fail(err, "Property 'drive' can't find value '%s'", id);
        return NULL;
    }
    drive = g_new0(RhDrive, 1);
    drive->node = node;
    drive->is_read_only = node->is_read_only;
    drive->on_read_error = QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO;
    drive->on_write_error = QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO;
    g_ptr_array_add(((BlkRoom *)rh_vm_room(vm, &blk_room))->drives, drive);
    return drive;
}

static bool drive_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    RhDrive **member = rh_prop_member(obj, prop);
    const char *id = json_object_get_string(value);

    if (!json_object_is_type(value, json_type_string)) {
        return rh_fail(err, "Invalid parameter type for '%s', expected: string", prop->name);
    }
    *member = id[0] ? rh_blk_drive_find(obj->vm, id, err) : NULL;
    if (id[0] && !*member) {
        g_prefix_error(err, "%s.", obj->type->name);
        return false;
    }
    return true;
}

static json_object *drive_get(RhObject *obj, const RhProp *prop)
{
    const RhDrive *drive = *(RhDrive **)rh_prop_member(obj, prop);

    return json_object_new_string(!drive ? "" : drive->id ? drive->id : drive->node ? drive->node->name : "");
}

const RhPropKind rh_prop_drive = { .name = "str", .set = drive_set, .get = drive_get };

/* --- attaching --- */

static QmpBlockdevOnErrorAction settle(QmpBlockdevOnErrorAction action, QmpBlockdevOnErrorAction otherwise)
{
    return action == QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO ? otherwise : action;
}

bool rh_blk_attach(RhBlk *blk, RhObject *device, RhDrive *drive, bool is_read_only, bool shares_writing, GError **err)
{
    BlkRoom *room = rh_vm_room(device->vm, &blk_room);
    g_autofree char *path = rh_object_path(device);

    if (drive->is_taken) {
        return rh_fail(err, "Drive '%s' is already in use by another block device",
                       drive->id ? drive->id : drive->node->name);
    }
    if (!drive->node) {
        return rh_fail(err, "Device needs media, but drive is empty");
    }
    if (!rh_blk_use(&blk->user, drive->node, path, !is_read_only, shares_writing, err)) {
        return false;
    }
    blk->vm = device->vm;
    blk->device = device;
    blk->drive = drive;
    blk->on_read_error = settle(drive->on_read_error, QMP_BLOCKDEV_ON_ERROR_ACTION_REPORT);
    blk->on_write_error = settle(drive->on_write_error, QMP_BLOCKDEV_ON_ERROR_ACTION_ENOSPC);
    blk->has_write_cache = !drive->writes_through;
    drive->is_taken = true;
    g_ptr_array_add(room->blks, blk);
    return true;
}

void rh_blk_detach(RhBlk *blk)
{
    if (!blk->vm) {
        return;
    }
    g_ptr_array_remove(((BlkRoom *)rh_vm_room(blk->vm, &blk_room))->blks, blk);
    blk->drive->is_taken = false;
    rh_blk_unuse(&blk->user);
    blk->vm = NULL;
}

void rh_blk_foreach_blk(RhVm *vm, void (*fn)(RhBlk *blk, void *opaque), void *opaque)
{
    const BlkRoom *room = rh_vm_room(vm, &blk_room);

    for (guint i = 0; i < room->blks->len; i++) {
        fn(room->blks->pdata[i], opaque);
    }
}

static bool stands_on(const RhBlkNode *node, const RhBlkNode *below)
{
    for (; node; node = node->file.node) {
        if (node == below) {
            return true;
        }
    }
    return false;
}

void rh_blk_resized(RhBlkNode *node)
{
    const BlkRoom *room = rh_vm_room(node->vm, &blk_room);

    for (guint i = 0; i < room->blks->len; i++) {
        RhBlk *blk = room->blks->pdata[i];

        if (blk->resized && stands_on(blk->user.node, node)) {
            blk->resized(blk);
        }
    }
}

/* --- requests --- */

static int count(RhBlk *blk, RhBlkOp op, uint64_t bytes, int result)
{
    __atomic_fetch_add(&blk->ops[op], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&blk->bytes[op], result == 0 ? bytes : 0, __ATOMIC_RELAXED);
    if (result < 0) {
        __atomic_fetch_add(&blk->failed[op], 1, __ATOMIC_RELAXED);
    }
    return result;
}

int rh_blk_co_read(RhBlk *blk, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    return count(blk, RH_BLK_READ, bytes, rh_co_node_read(blk->user.node, offset, bytes, iov, nr_iov));
}

void rh_blk_count_merged(RhBlk *blk, RhBlkOp op, uint64_t nr_more)
{
    __atomic_fetch_add(&blk->ops[op], nr_more, __ATOMIC_RELAXED);
    __atomic_fetch_add(&blk->merged[op], nr_more, __ATOMIC_RELAXED);
}

static unsigned write_flags(const RhBlk *blk)
{
    return __atomic_load_n(&blk->has_write_cache, __ATOMIC_RELAXED) ? 0 : RH_BLK_FUA;
}

int rh_blk_co_write(RhBlk *blk, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    return count(blk, RH_BLK_WRITE, bytes,
                 rh_co_node_write(blk->user.node, offset, bytes, iov, nr_iov, write_flags(blk)));
}

int rh_blk_co_flush(RhBlk *blk)
{
    return count(blk, RH_BLK_FLUSH, 0, rh_co_node_flush(blk->user.node));
}

int rh_blk_co_discard(RhBlk *blk, uint64_t offset, uint64_t bytes)
{
    return count(blk, RH_BLK_UNMAP, bytes, rh_co_node_discard(blk->user.node, offset, bytes));
}

int rh_blk_co_zero(RhBlk *blk, uint64_t offset, uint64_t bytes, bool may_unmap)
{
    return count(blk, RH_BLK_WRITE, bytes,
                 rh_co_node_zero(blk->user.node, offset, bytes,
                                 write_flags(blk) | (may_unmap ? RH_BLK_MAY_UNMAP : 0)));
}

/* --- errors --- */

typedef struct Failure {
    RhVm *vm;
    RhBlk *blk;             /* may be gone when the main loop gets to it */
    bool is_read;
    bool is_no_space;
    int error;
    QmpBlockErrorAction action;
} Failure;

static void tell_failure(void *opaque)
{
    g_autofree Failure *failure = opaque;
    const BlkRoom *room = rh_vm_room(failure->vm, &blk_room);
    RhBlk *blk = failure->blk;
    const char *id;

    if (!g_ptr_array_find(room->blks, blk, NULL)) {
        return;
    }
    id = blk->drive->id ? blk->drive->id : "";
    qmp_event_block_io_error(blk->vm->events, id, blk->user.node->is_named ? blk->user.node->name : NULL,
                             failure->is_read ? QMP_IO_OPERATION_TYPE_READ : QMP_IO_OPERATION_TYPE_WRITE,
                             failure->action, true, failure->is_no_space, g_strerror(failure->error));
    if (failure->action == QMP_BLOCK_ERROR_ACTION_STOP) {
        blk->io_status = failure->is_no_space ? QMP_BLOCK_DEVICE_IO_STATUS_NOSPACE : QMP_BLOCK_DEVICE_IO_STATUS_FAILED;
        rh_vm_stop(blk->vm, QMP_RUN_STATE_IO_ERROR);
    }
}

static QmpBlockErrorAction decide(QmpBlockdevOnErrorAction policy, bool is_no_space)
{
    switch (policy) {
    case QMP_BLOCKDEV_ON_ERROR_ACTION_IGNORE:
        return QMP_BLOCK_ERROR_ACTION_IGNORE;
    case QMP_BLOCKDEV_ON_ERROR_ACTION_STOP:
        return QMP_BLOCK_ERROR_ACTION_STOP;
    case QMP_BLOCKDEV_ON_ERROR_ACTION_ENOSPC:
        return is_no_space ? QMP_BLOCK_ERROR_ACTION_STOP : QMP_BLOCK_ERROR_ACTION_REPORT;
    default:
        return QMP_BLOCK_ERROR_ACTION_REPORT;
    }
}

QmpBlockErrorAction rh_blk_failed(RhBlk *blk, bool is_read, int error)
{
    Failure *failure = g_new0(Failure, 1);

    failure->vm = blk->vm;
    failure->blk = blk;
    failure->is_read = is_read;
    failure->error = ABS(error);
    failure->is_no_space = failure->error == ENOSPC;
    failure->action = decide(is_read ? blk->on_read_error : blk->on_write_error, failure->is_no_space);
    rh_loop_post(blk->vm->loop, tell_failure, failure);
    return failure->action;
}
