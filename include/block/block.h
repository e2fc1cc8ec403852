/*
 * Block nodes: where the bytes of disks come from. Nodes form a graph (a format on a protocol); a disk device
 * holds one through an RhBlk (block/blk.h) and never knows what is below.
 *
 * Lock: opening, closing and the graph belong to the machine lock. The co_ functions of a driver may be called
 * on any event loop, by several at once; they guard their own shared state, and yield as coroutines do.
 */
#ifndef RH_BLOCK_BLOCK_H
#define RH_BLOCK_BLOCK_H

#include <sys/uio.h>
#include "qapi-types.h"
#include "qom/object.h"

typedef struct RhBlkNode RhBlkNode;
typedef struct RhBlkDriver RhBlkDriver;

/** Flags of writes */
enum {
    RH_BLK_FUA = 1,             /* on stable storage before it is done */
    RH_BLK_MAY_UNMAP = 2,       /* zeroes may be holes */
};

/**
 * RhBlkDriver - one kind of node. I/O functions get ranges inside the node's length, with iovecs of exactly @bytes
 * bytes, and return 0 or -errno for the whole request.
 */
struct RhBlkDriver {
    QmpBlockdevDriver kind;
    bool is_protocol;           /* reaches storage itself; else node->file does */
    size_t size;                /* of node->state, zero-filled before open */
    bool (*open)(RhBlkNode *node, const QmpBlockdevOptions *options, GError **err);
    void (*close)(RhBlkNode *node);     /* may be NULL */
    int64_t (*length)(RhBlkNode *node); /* bytes, or -errno */
    int (*co_preadv)(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov);
    int (*co_pwritev)(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                      unsigned flags);
    int (*co_flush)(RhBlkNode *node);
    int (*co_discard)(RhBlkNode *node, uint64_t offset, uint64_t bytes);            /* NULL: nothing happens */
    int (*co_zero)(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags); /* NULL: zeroes are written */
    int (*co_truncate)(RhBlkNode *node, uint64_t bytes);                            /* NULL: not resizable */
    int64_t (*allocated)(RhBlkNode *node);  /* bytes taken on the host, or -errno; NULL: not known */
    /* Users changed: whether some writes, and whether none may bear another program's writing. May be NULL */
    bool (*permit)(RhBlkNode *node, bool writes, bool forbids_others, GError **err);
};
/** RH_BLK_DRIVER - declare a driver; it enters the table of drivers by itself */
#define RH_BLK_DRIVER(ident, ...)                                                                  \
    static const RhBlkDriver ident##_driver = { __VA_ARGS__ };                                     \
    static const RhBlkDriver *const ident##_driver_entry RH_IN_SECTION(rh_blk_drivers) = &ident##_driver

/** RhBlkUser - who uses a node, and how; in the user's memory */
typedef struct RhBlkUser {
    RhBlkNode *node;
    char *who;              /* for messages: "node 'x'", "device 'disk0'" */
    bool writes;
    bool shares_writing;    /* bears other writers */
} RhBlkUser;

struct RhBlkNode {
    RhVm *vm;
    char *name;             /* node-name; automatic ones begin with '#' */
    const RhBlkDriver *driver;
    void *state;
    RhBlkUser file;         /* the node below; file.node NULL: none */
    char *filename;         /* of a protocol; else as the node below */
    GPtrArray *users;       /* RhBlkUser * */
    bool is_named;          /* by the user: lives until blockdev-del; else with its last user */
    bool is_open;           /* its open succeeded */
    bool is_read_only;
    bool is_direct;         /* cache.direct */
    bool has_no_flush;      /* cache.no-flush */
    bool may_unmap;         /* discard=unmap */
    bool may_force_share;
    bool is_auto_read_only;
    QmpBlockdevDetectZeroesOptions detect_zeroes;
    uint32_t align;         /* bytes that requests to this node should be multiples of; 1: any */
};

/** rh_blk_open - make a node (and those below it) from options; the caller is no user of it yet. NULL and @err. */
RhBlkNode *rh_blk_open(RhVm *vm, const QmpBlockdevOptions *options, GError **err);
/** rh_blk_find - the node of that name, or NULL and @err */
RhBlkNode *rh_blk_find(RhVm *vm, const char *name, GError **err);
/** rh_blk_close - end a node without users (blockdev-del); false and @err when it has some */
bool rh_blk_close(RhBlkNode *node, GError **err);
/** rh_blk_foreach - every node, in order of making */
void rh_blk_foreach(RhVm *vm, void (*fn)(RhBlkNode *node, void *opaque), void *opaque);

/**
 * rh_blk_use - become a user; @err when that conflicts with another user or program. Ends with rh_blk_unuse.
 * What the users of a node do together it does to the node below, and so on down to the image's locks.
 */
bool rh_blk_use(RhBlkUser *user, RhBlkNode *node, const char *who, bool writes, bool shares_writing, GError **err);
/** rh_blk_unuse - stop; an unnamed node without users is closed (not so when rh_blk_use fails). Safe when not in use. */
void rh_blk_unuse(RhBlkUser *user);

/* I/O on a node, for drivers above it and for RhBlk; in coroutines. */
int64_t rh_blk_length(RhBlkNode *node);
int rh_co_node_read(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov);
int rh_co_node_write(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                     unsigned flags);
int rh_co_node_flush(RhBlkNode *node);
int rh_co_node_discard(RhBlkNode *node, uint64_t offset, uint64_t bytes);
int rh_co_node_zero(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags);
int rh_co_node_truncate(RhBlkNode *node, uint64_t bytes);

#endif
