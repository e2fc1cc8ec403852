/*
 * RhBlk: a disk device's hold on a block node: who it is, its error policy and its statistics.
 *
 * Lock: attaching and detaching under the machine lock; requests in coroutines of any loop. Counters are
 * relaxed atomics.
 */
#ifndef RH_BLOCK_BLK_H
#define RH_BLOCK_BLK_H

#include "block/block.h"

typedef enum RhBlkOp { RH_BLK_READ, RH_BLK_WRITE, RH_BLK_FLUSH, RH_BLK_UNMAP, RH_NR_BLK_OPS } RhBlkOp;

/** RhDrive - what the property "drive" names: a -drive with its id, or just a node */
typedef struct RhDrive {
    RhBlkNode *node;        /* NULL: no medium */
    char *id;               /* of -drive; NULL for a node */
    RhBlkUser hold;         /* of -drive: its node lives as long as it */
    QmpBlockdevOnErrorAction on_read_error;
    QmpBlockdevOnErrorAction on_write_error;
    bool writes_through;    /* cache=writethrough or directsync: the device's write cache is off */
    bool is_read_only;
    bool is_taken;          /* by a device */
} RhDrive;

/** rh_prop_drive - property kind: an RhDrive * member; takes the id of a -drive or the name of a node */
extern const RhPropKind rh_prop_drive;

typedef struct RhBlk RhBlk;
struct RhBlk {
    RhVm *vm;
    RhObject *device;       /* that holds it */
    RhDrive *drive;
    RhBlkUser user;
    QmpBlockdevOnErrorAction on_read_error;     /* settled: never AUTO */
    QmpBlockdevOnErrorAction on_write_error;
    bool has_write_cache;
    QmpBlockDeviceIoStatus io_status;
    void (*resized)(RhBlk *blk);         /* the node's length changed; main loop; may be NULL */
    uint64_t ops[RH_NR_BLK_OPS];
    uint64_t bytes[RH_NR_BLK_OPS];
    uint64_t failed[RH_NR_BLK_OPS];
    uint64_t merged[RH_NR_BLK_OPS];     /* of ops: done together with another */
};

/**
 * rh_blk_attach - take @drive for @device; zero-filled @blk. @shares_writing: property share-rw
 * @is_read_only: the device will not write. False and @err when it is taken, or used in a conflicting way.
 */
bool rh_blk_attach(RhBlk *blk, RhObject *device, RhDrive *drive, bool is_read_only, bool shares_writing, GError **err);
/** rh_blk_detach - no request may be running; safe when not attached */
void rh_blk_detach(RhBlk *blk);
/** rh_blk_foreach_blk - every attached one, in order */
void rh_blk_foreach_blk(RhVm *vm, void (*fn)(RhBlk *blk, void *opaque), void *opaque);

/* Requests; 0 or -errno. Counted; a write is followed by a flush when the device's write cache is off. */
int rh_blk_co_read(RhBlk *blk, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov);
int rh_blk_co_write(RhBlk *blk, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov);
int rh_blk_co_flush(RhBlk *blk);
int rh_blk_co_discard(RhBlk *blk, uint64_t offset, uint64_t bytes);
int rh_blk_co_zero(RhBlk *blk, uint64_t offset, uint64_t bytes, bool may_unmap);

/** rh_blk_count_merged - the request just done stood for @nr_more of the guest's besides itself */
void rh_blk_count_merged(RhBlk *blk, RhBlkOp op, uint64_t nr_more);

/**
 * rh_blk_failed - a request failed with -@error: what the policy says. REPORT: tell the guest; IGNORE: call it done; STOP: the machine
 * is being stopped, keep the request and try it again when it runs. Sends BLOCK_IO_ERROR. Any thread.
 */
QmpBlockErrorAction rh_blk_failed(RhBlk *blk, bool is_read, int error);

/** rh_blk_resized - tell the devices on @node (or above it) that its length changed */
void rh_blk_resized(RhBlkNode *node);

/**
 * rh_blk_drive_add - enter a drive with an id for "drive="; false and @err for a duplicate id
 * Takes @drive over, and holds its node, in both cases: without the drive, an unnamed node ends.
 */
bool rh_blk_drive_add(RhVm *vm, RhDrive *drive, GError **err);
/** rh_blk_drive_find - by id of a -drive, or node name; NULL and @err */
RhDrive *rh_blk_drive_find(RhVm *vm, const char *id, GError **err);

#endif
