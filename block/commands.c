/*
 * QMP commands of the block layer.
 */
#include "block/blk.h"
#include "block/options.h"
#include "qapi-commands.h"
#include "util/coroutine.h"

bool qmp_blockdev_add(RhVm *vm, const QmpBlockdevOptions *args, GError **err)
{
    return rh_block_add_blockdev(vm, args, err);
}

bool qmp_blockdev_del(RhVm *vm, const QmpBlockdevDelArgs *args, GError **err)
{
    RhBlkNode *node = rh_blk_find(vm, args->node_name, NULL);

    if (!node) {
        return rh_fail(err, "Failed to find node with node-name='%s'", args->node_name);
    }
    return rh_blk_close(node, err);
}

static QmpImageInfo *image_info(RhBlkNode *node)
{
    QmpImageInfo *info = g_new0(QmpImageInfo, 1);
    int64_t length = rh_blk_length(node);
    int64_t allocated = node->driver->allocated ? node->driver->allocated(node) : -1;

    info->filename = g_strdup(node->filename);
    info->format = g_strdup(qmp_blockdev_driver_name(node->driver->kind));
    info->virtual_size = MAX(length, 0);
    info->has_actual_size = allocated >= 0;
    info->actual_size = MAX(allocated, 0);
    return info;
}

static QmpBlockDeviceInfo *node_info(RhBlkNode *node, bool has_write_cache)
{
    QmpBlockDeviceInfo *info = g_new0(QmpBlockDeviceInfo, 1);

    info->file = g_strdup(node->filename);
    info->node_name = g_strdup(node->name);
    info->ro = node->is_read_only;
    info->drv = g_strdup(qmp_blockdev_driver_name(node->driver->kind));
    info->detect_zeroes = node->detect_zeroes;
    info->image = image_info(node);
    info->cache = g_new0(QmpBlockdevCacheInfo, 1);
    info->cache->writeback = has_write_cache;
    info->cache->direct = node->is_direct;
    info->cache->no_flush = node->has_no_flush;
    return info;
}

static void add_block_info(RhBlk *blk, void *opaque)
{
    QmpBlockInfo *info = g_new0(QmpBlockInfo, 1);

    info->device = g_strdup(blk->drive->id ? blk->drive->id : "");
    info->qdev = rh_object_path(blk->device);
    info->type = g_strdup("unknown");
    info->has_io_status = true;
    info->io_status = blk->io_status;
    info->inserted = node_info(blk->user.node, blk->has_write_cache);
    g_ptr_array_add(opaque, info);
}

GPtrArray *qmp_query_block(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_block_info_list_new();

    rh_blk_foreach_blk(vm, add_block_info, list);
    return list;
}

static void add_node_info(RhBlkNode *node, void *opaque)
{
    g_ptr_array_add(opaque, node_info(node, true));
}

GPtrArray *qmp_query_named_block_nodes(RhVm *vm, const QmpQueryNamedBlockNodesArgs *args, GError **err)
{
    GPtrArray *list = qmp_block_device_info_list_new();

    rh_blk_foreach(vm, add_node_info, list);
    return list;
}

static QmpBlockDeviceStats *blk_stats(const RhBlk *blk)
{
    QmpBlockDeviceStats *stats = g_new0(QmpBlockDeviceStats, 1);

    stats->timed_stats = qmp_block_device_timed_stats_list_new();
    stats->account_invalid = true;
    stats->account_failed = true;
    if (!blk) {
        return stats;
    }
#define LOAD(array, op) (int64_t)__atomic_load_n(&blk->array[op], __ATOMIC_RELAXED)
    stats->rd_bytes = LOAD(bytes, RH_BLK_READ);
    stats->wr_bytes = LOAD(bytes, RH_BLK_WRITE);
    stats->unmap_bytes = LOAD(bytes, RH_BLK_UNMAP);
    stats->rd_operations = LOAD(ops, RH_BLK_READ);
    stats->wr_operations = LOAD(ops, RH_BLK_WRITE);
    stats->rd_merged = LOAD(merged, RH_BLK_READ);
    stats->wr_merged = LOAD(merged, RH_BLK_WRITE);
    stats->flush_operations = LOAD(ops, RH_BLK_FLUSH);
    stats->unmap_operations = LOAD(ops, RH_BLK_UNMAP);
    stats->failed_rd_operations = LOAD(failed, RH_BLK_READ);
    stats->failed_wr_operations = LOAD(failed, RH_BLK_WRITE);
    stats->failed_flush_operations = LOAD(failed, RH_BLK_FLUSH);
    stats->failed_unmap_operations = LOAD(failed, RH_BLK_UNMAP);
#undef LOAD
    return stats;
}

static void add_blk_stats(RhBlk *blk, void *opaque)
{
    QmpBlockStats *stats = g_new0(QmpBlockStats, 1);

    stats->device = g_strdup(blk->drive->id ? blk->drive->id : "");
    stats->qdev = rh_object_path(blk->device);
    stats->node_name = g_strdup(blk->user.node->name);
    stats->stats = blk_stats(blk);
    g_ptr_array_add(opaque, stats);
}

static void add_node_stats(RhBlkNode *node, void *opaque)
{
    QmpBlockStats *stats = g_new0(QmpBlockStats, 1);

    stats->node_name = g_strdup(node->name);
    stats->stats = blk_stats(NULL);
    g_ptr_array_add(opaque, stats);
}

GPtrArray *qmp_query_blockstats(RhVm *vm, const QmpQueryBlockstatsArgs *args, GError **err)
{
    GPtrArray *list = qmp_block_stats_list_new();

    if (args->has_query_nodes && args->query_nodes) {
        rh_blk_foreach(vm, add_node_stats, list);
    } else {
        rh_blk_foreach_blk(vm, add_blk_stats, list);
    }
    return list;
}

bool qmp_block_resize(RhVm *vm, const QmpBlockResizeArgs *args, GError **err)
{
    RhBlkNode *node;
    int result;

    if (!args->device == !args->node_name) {
        return rh_fail(err, "Either 'device' or 'node-name' must be given, not both");
    }
    if (args->size < 0) {
        return rh_fail(err, "Parameter 'size' expects a >0 size");
    }
    if (args->node_name) {
        node = rh_blk_find(vm, args->node_name, err);
    } else {
        RhDrive *drive = rh_blk_drive_find(vm, args->device, err);

        node = drive ? drive->node : NULL;
    }
    if (!node) {
        return false;
    }
    result = rh_co_node_truncate(node, (uint64_t)args->size);
    if (result < 0) {
        return rh_fail_errno(err, result, "Cannot resize node '%s'", node->name);
    }
    rh_blk_resized(node);
    return true;
}
