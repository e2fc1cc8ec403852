/*
 * The graph of block nodes, and requests on one node.
 *
 * Invariants: a node is closed only without users; a node holds the node below it as a user; nothing holds a node
 * above it. So the graph has no circles and closes from the top.
 */
#include "block/block.h"
#include <errno.h>
#include "softmmu/vm.h"
#include "util/coroutine.h"

extern const RhBlkDriver *const __start_rh_blk_drivers[], *const __stop_rh_blk_drivers[];

typedef struct BlockRoom {
    GPtrArray *nodes;
    unsigned next_number;
} BlockRoom;

static void room_init(RhVm *vm, void *opaque)
{
    ((BlockRoom *)opaque)->nodes = g_ptr_array_new();
}

static void node_free(RhBlkNode *node);

/* A node that no other stands on. There is one, as the graph has no circles. */
static RhBlkNode *top_node(const BlockRoom *room)
{
    RhBlkNode *node = room->nodes->pdata[0];

    for (guint i = 0; i < room->nodes->len; i++) {
        RhBlkNode *above = room->nodes->pdata[i];

        if (above->file.node == node) {
            node = above;
            i = (guint)-1;
        }
    }
    return node;
}

static void room_fini(RhVm *vm, void *opaque)
{
    BlockRoom *room = opaque;

    while (room->nodes->len) {
        node_free(top_node(room));
    }
    g_ptr_array_unref(room->nodes);
}

RH_ROOM(block_room, BlockRoom, .name = "block", .init = room_init, .fini = room_fini);

static const RhBlkDriver *find_driver(QmpBlockdevDriver kind)
{
    for (const RhBlkDriver *const *driver = __start_rh_blk_drivers; driver < __stop_rh_blk_drivers; driver++) {
        if ((*driver)->kind == kind) {
            return *driver;
        }
    }
    return NULL;
}

static RhBlkNode *find(RhVm *vm, const char *name)
{
    const BlockRoom *room = rh_vm_room(vm, &block_room);

    for (guint i = 0; i < room->nodes->len; i++) {
        RhBlkNode *node = room->nodes->pdata[i];

        if (g_str_equal(node->name, name)) {
            return node;
        }
    }
    return NULL;
}

RhBlkNode *rh_blk_find(RhVm *vm, const char *name, GError **err)
{
    RhBlkNode *node = find(vm, name);

    if (!node) {
        rh_fail(err, "Cannot find device='' nor node-name='%s'", name);
    }
    return node;
}

void rh_blk_foreach(RhVm *vm, void (*fn)(RhBlkNode *node, void *opaque), void *opaque)
{
    const BlockRoom *room = rh_vm_room(vm, &block_room);

    for (guint i = 0; i < room->nodes->len; i++) {
        fn(room->nodes->pdata[i], opaque);
    }
}

static void node_free(RhBlkNode *node)
{
    BlockRoom *room = rh_vm_room(node->vm, &block_room);

    g_ptr_array_remove(room->nodes, node);
    if (node->is_open && node->driver->close) {
        node->driver->close(node);
    }
    rh_blk_unuse(&node->file);
    g_ptr_array_unref(node->users);
    g_free(node->state);
    g_free(node->filename);
    g_free(node->name);
    g_free(node);
}

static RhBlkNode *node_new(RhVm *vm, const QmpBlockdevOptions *options, const RhBlkDriver *driver)
{
    BlockRoom *room = rh_vm_room(vm, &block_room);
    RhBlkNode *node = g_new0(RhBlkNode, 1);

    node->vm = vm;
    node->driver = driver;
    node->name = options->node_name ? g_strdup(options->node_name)
                                    : g_strdup_printf("#block%03u", room->next_number++);
    node->is_named = options->node_name;
    node->state = g_malloc0(MAX(driver->size, 1));
    node->users = g_ptr_array_new();
    node->is_read_only = options->has_read_only && options->read_only;
    node->is_auto_read_only = options->has_auto_read_only && options->auto_read_only;
    node->may_unmap = options->has_discard && options->discard == QMP_BLOCKDEV_DISCARD_OPTIONS_UNMAP;
    node->may_force_share = options->has_force_share && options->force_share;
    node->detect_zeroes = options->has_detect_zeroes ? options->detect_zeroes
                                                     : QMP_BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF;
    node->is_direct = options->cache && options->cache->has_direct && options->cache->direct;
    node->has_no_flush = options->cache && options->cache->has_no_flush && options->cache->no_flush;
    node->align = 1;
    g_ptr_array_add(room->nodes, node);
    return node;
}

static bool check_options(RhVm *vm, const QmpBlockdevOptions *options, GError **err)
{
    const char *name = options->node_name;

    if (name && !rh_id_ok(name)) {
        return rh_fail(err, "Invalid node-name: '%s'", name);
    }
    if (name && strlen(name) > 31) {
        return rh_fail(err, "Node name too long");
    }
    if (name && find(vm, name)) {
        return rh_fail(err, "Duplicate nodes with node-name='%s'", name);
    }
    if (options->has_detect_zeroes && options->detect_zeroes == QMP_BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP &&
        !(options->has_discard && options->discard == QMP_BLOCKDEV_DISCARD_OPTIONS_UNMAP)) {
        return rh_fail(err, "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap");
    }
    return true;
}

RhBlkNode *rh_blk_open(RhVm *vm, const QmpBlockdevOptions *options, GError **err)
{
    const RhBlkDriver *driver = find_driver(options->driver);
    RhBlkNode *node;

    if (!check_options(vm, options, err)) {
        return NULL;
    }
    g_assert(driver);       /* the schema knows only drivers that exist */
    node = node_new(vm, options, driver);
    node->is_open = driver->open(node, options, err);
    if (!node->is_open) {
        node_free(node);
        return NULL;
    }
    return node;
}

bool rh_blk_close(RhBlkNode *node, GError **err)
{
    if (node->users->len) {
        return rh_fail(err, "Node '%s' is busy: node is used as %s", node->name,
                       ((RhBlkUser *)node->users->pdata[0])->who);
    }
    node_free(node);
    return true;
}

/* --- users --- */

static bool set_use(RhBlkUser *user, bool writes, bool shares_writing, GError **err);

/* Tell the driver, and the node below, what the users of @node do together. */
static bool permit(RhBlkNode *node, GError **err)
{
    bool writes = false;
    bool forbids = false;

    for (guint i = 0; i < node->users->len; i++) {
        const RhBlkUser *user = node->users->pdata[i];

        writes |= user->writes;
        forbids |= !user->shares_writing;
    }
    if (node->file.node && !set_use(&node->file, writes, !forbids, err)) {
        return false;
    }
    return !node->driver->permit || node->driver->permit(node, writes, forbids, err);
}

static bool check_users(const RhBlkUser *user, bool writes, bool shares_writing, GError **err)
{
    const RhBlkNode *node = user->node;

    if (writes && node->is_read_only) {
        return rh_fail(err, "Block node '%s' is read-only", node->name);
    }
    for (guint i = 0; i < node->users->len; i++) {
        const RhBlkUser *other = node->users->pdata[i];

        if (other != user && ((writes && !other->shares_writing) || (other->writes && !shares_writing))) {
            return rh_fail(err, "Conflicts with use by %s as '%s', which %s on %s", other->who,
                           node->driver->is_protocol ? "file" : "root",
                           writes && !other->shares_writing ? "does not allow 'write'" : "uses 'write'", node->name);
        }
    }
    return true;
}

/* Change what @user does with its node and with all below; wholly, or not at all. */
static bool set_use(RhBlkUser *user, bool writes, bool shares_writing, GError **err)
{
    const RhBlkUser was = *user;

    if (!check_users(user, writes, shares_writing, err)) {
        return false;
    }
    user->writes = writes;
    user->shares_writing = shares_writing;
    if (!permit(user->node, err)) {
        *user = was;
        permit(user->node, NULL);   /* as it was before: granted then */
        return false;
    }
    return true;
}

/* Take @user off its node, which stays. */
static void leave(RhBlkUser *user)
{
    RhBlkNode *node = user->node;

    g_ptr_array_remove(node->users, user);
    g_free(user->who);
    *user = (RhBlkUser){ NULL };
    permit(node, NULL);     /* asking for less never fails */
}

bool rh_blk_use(RhBlkUser *user, RhBlkNode *node, const char *who, bool writes, bool shares_writing, GError **err)
{
    *user = (RhBlkUser){ node, g_strdup(who), false, true };
    g_ptr_array_add(node->users, user);
    if (!set_use(user, writes, shares_writing, err)) {
        leave(user);
        return false;
    }
    return true;
}

void rh_blk_unuse(RhBlkUser *user)
{
    RhBlkNode *node = user->node;

    if (!node) {
        return;
    }
    leave(user);
    if (!node->users->len && !node->is_named) {
        node_free(node);
    }
}

/* --- requests --- */

int64_t rh_blk_length(RhBlkNode *node)
{
    return node->driver->length(node);
}

static bool is_inside(RhBlkNode *node, uint64_t offset, uint64_t bytes)
{
    int64_t length = rh_blk_length(node);

    return length >= 0 && rh_range_ok(offset, bytes, (uint64_t)length);
}

int rh_co_node_read(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov)
{
    return is_inside(node, offset, bytes) ? node->driver->co_preadv(node, offset, bytes, iov, nr_iov) : -EIO;
}

static bool is_zero(const struct iovec *iov, int nr_iov)
{
    for (int i = 0; i < nr_iov; i++) {
        const uint8_t *p = iov[i].iov_base;
        size_t len = iov[i].iov_len;

        if (len && (p[0] || memcmp(p, p + 1, len - 1))) {
            return false;
        }
    }
    return true;
}

int rh_co_node_write(RhBlkNode *node, uint64_t offset, uint64_t bytes, const struct iovec *iov, int nr_iov,
                     unsigned flags)
{
    if (node->is_read_only) {
        return -EPERM;
    }
    if (!is_inside(node, offset, bytes)) {
        return -EIO;
    }
    if (node->detect_zeroes != QMP_BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF && is_zero(iov, nr_iov)) {
        bool unmaps = node->detect_zeroes == QMP_BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP;

        return rh_co_node_zero(node, offset, bytes, flags | (unmaps ? RH_BLK_MAY_UNMAP : 0));
    }
    if (node->has_no_flush) {
        flags &= ~(unsigned)RH_BLK_FUA;
    }
    return node->driver->co_pwritev(node, offset, bytes, iov, nr_iov, flags);
}

int rh_co_node_flush(RhBlkNode *node)
{
    return node->has_no_flush || node->is_read_only || !node->driver->co_flush ? 0 : node->driver->co_flush(node);
}

int rh_co_node_discard(RhBlkNode *node, uint64_t offset, uint64_t bytes)
{
    if (node->is_read_only) {
        return -EPERM;
    }
    if (!is_inside(node, offset, bytes)) {
        return -EIO;
    }
    return node->may_unmap && node->driver->co_discard ? node->driver->co_discard(node, offset, bytes) : 0;
}

/* Zeroes as data, a piece at a time from one shared page run. */
static int write_zeroes(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    enum { PIECE = 64 * 1024 };
    static const uint8_t zeroes[PIECE] __attribute__((aligned(4096)));

    while (bytes) {
        struct iovec iov = { (void *)zeroes, MIN(bytes, PIECE) };
        bool is_last = iov.iov_len == bytes;
        int result = node->driver->co_pwritev(node, offset, iov.iov_len, &iov, 1,
                                              is_last ? flags : flags & ~(unsigned)RH_BLK_FUA);

        if (result < 0) {
            return result;
        }
        offset += iov.iov_len;
        bytes -= iov.iov_len;
    }
    return 0;
}

int rh_co_node_zero(RhBlkNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int result = -ENOTSUP;

    if (node->is_read_only) {
        return -EPERM;
    }
    if (!is_inside(node, offset, bytes)) {
        return -EIO;
    }
    if (!node->may_unmap) {
        flags &= ~(unsigned)RH_BLK_MAY_UNMAP;
    }
    if (node->has_no_flush) {
        flags &= ~(unsigned)RH_BLK_FUA;
    }
    if (node->driver->co_zero) {
        result = node->driver->co_zero(node, offset, bytes, flags);
    }
    return result == -ENOTSUP ? write_zeroes(node, offset, bytes, flags) : result;
}

int rh_co_node_truncate(RhBlkNode *node, uint64_t bytes)
{
    return node->is_read_only ? -EPERM : node->driver->co_truncate ? node->driver->co_truncate(node, bytes) : -ENOTSUP;
}
