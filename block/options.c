/*
 * From options to nodes: -blockdev as it stands, -drive by turning its members into -blockdev's.
 */
#include "block/options.h"
#include <sys/stat.h>
#include "block/open.h"
#include "qapi/option.h"
#include "qapi/visit.h"
#include "softmmu/vm.h"
#include "util/json.h"

bool rh_block_add_blockdev(RhVm *vm, const QmpBlockdevOptions *options, GError **err)
{
    if (!options->node_name) {
        return rh_fail(err, "'node-name' must be specified for the root node");
    }
    return rh_blk_open(vm, options, err);
}

/* What a node defined in place takes over from the one above it, where it says nothing itself. */
static void inherit(QmpBlockdevOptions *to, const QmpBlockdevOptions *from)
{
    if (!to->has_read_only && from->has_read_only) {
        to->has_read_only = true;
        to->read_only = from->read_only;
    }
    if (!to->has_auto_read_only && from->has_auto_read_only) {
        to->has_auto_read_only = true;
        to->auto_read_only = from->auto_read_only;
    }
    if (!to->has_discard) {     /* the upper node has decided already */
        to->has_discard = true;
        to->discard = QMP_BLOCKDEV_DISCARD_OPTIONS_UNMAP;
    }
    if (!to->has_force_share && from->has_force_share) {
        to->has_force_share = true;
        to->force_share = from->force_share;
    }
    if (!to->cache && from->cache) {
        to->cache = g_new0(QmpBlockdevCacheOptions, 1);
        *to->cache = *from->cache;
    }
}

static bool take_below(RhBlkNode *node, RhBlkNode *below, GError **err)
{
    g_autofree char *who = g_strdup_printf("node '%s'", node->name);

    if (below->is_read_only && !node->is_read_only) {
        if (!below->is_auto_read_only && !node->is_auto_read_only) {
            return rh_fail(err, "Block node '%s' is read-only", below->name);
        }
        node->is_read_only = true;
    }
    /* A node without users asks nothing of the one below; users' wishes are passed down as they come. */
    return rh_blk_use(&node->file, below, who, false, true, err);
}

bool rh_blk_open_file(RhBlkNode *node, const QmpBlockdevRef *ref, const QmpBlockdevOptions *options, GError **err)
{
    RhBlkNode *below;

    if (ref->kind == QMP_BLOCKDEV_REF_REFERENCE) {
        below = rh_blk_find(node->vm, ref->u.reference, err);
    } else {
        inherit(ref->u.definition, options);
        below = rh_blk_open(node->vm, ref->u.definition, err);
    }
    if (!below) {
        return false;
    }
    if (!take_below(node, below, err)) {
        if (!below->is_named) {
            rh_blk_close(below, NULL);
        }
        return false;
    }
    return true;
}

/* --- -drive --- */

typedef struct CacheMode {
    const char *name;
    bool is_direct, has_no_flush, writes_through;
} CacheMode;

static const CacheMode cache_modes[] = {
    { "writeback",    false, false, false }, { "none",         true,  false, false }, { "off",    true,  false, false },
    { "writethrough", false, false, true },  { "directsync",   true,  false, true },  { "unsafe", false, true,  false },
};

static const CacheMode *find_cache_mode(const char *name, GError **err)
{
    for (size_t i = 0; i < RH_COUNT(cache_modes); i++) {
        if (!name || g_str_equal(cache_modes[i].name, name)) {
            return &cache_modes[i];
        }
    }
    rh_fail(err, "invalid cache option '%s', must be writeback, none, writethrough, directsync or unsafe", name);
    return NULL;
}

static void put_text(json_object *to, const char *key, const char *value)
{
    if (value) {
        json_object_object_add(to, key, json_object_new_string(value));
    }
}

static void put_bool(json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_string(value ? "on" : "off"));
}

/* Which driver -drive means: file names of block devices are host devices, null-co:// is itself. */
static const char *protocol_of(const char *file)
{
    struct stat st;

    if (g_str_has_prefix(file, "null-co://") || g_str_has_prefix(file, "null-aio://")) {
        return g_str_has_prefix(file, "null-co") ? "null-co" : "null-aio";
    }
    return stat(file, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device" : "file";
}

static const char *plain_path(const char *file)
{
    return g_str_has_prefix(file, "file:") ? file + strlen("file:") : file;
}

/* Members of the drive that are left for its node: "file.locking" goes below, others to the format. */
static bool pass_on(json_object *rest, json_object *format, json_object *file, GError **err)
{
    if (!rest) {
        return true;
    }
    json_object_object_foreach(rest, key, value)
    {
        if (g_str_has_prefix(key, "file.")) {
            json_object_object_add(file, key + strlen("file."), json_object_get(value));
        } else if (g_str_has_prefix(key, "throttling.") || g_str_has_prefix(key, "bps") || g_str_has_prefix(key, "iops")) {
            return rh_fail(err, "'%s' is not supported yet: throttling", key);
        } else {
            json_object_object_add(format, key, json_object_get(value));
        }
    }
    return true;
}

static json_object *cache_json(const CacheMode *mode)
{
    json_object *cache = json_object_new_object();

    put_bool(cache, "direct", mode->is_direct);
    put_bool(cache, "no-flush", mode->has_no_flush);
    return cache;
}

static const char *enum_text(const QmpDriveOptions *drive, int which)
{
    static const char *const aio[] = { "threads", "native", "io_uring" };
    static const char *const zeroes[] = { "off", "on", "unmap" };

    if (which == 0) {
        return drive->has_aio ? aio[drive->aio] : NULL;
    }
    return drive->has_detect_zeroes ? zeroes[drive->detect_zeroes] : NULL;
}

/* The -blockdev that the -drive stands for. */
static json_object *node_json(const QmpDriveOptions *drive, const CacheMode *mode, bool is_read_only, GError **err)
{
    json_object *format = json_object_new_object();
    json_object *file = json_object_new_object();
    const char *protocol = drive->file ? protocol_of(drive->file) : "file";
    bool unmaps = drive->discard && (g_str_equal(drive->discard, "unmap") || g_str_equal(drive->discard, "on"));

    put_text(format, "driver", drive->format ? drive->format : drive->driver ? drive->driver : "raw");
    put_text(format, "node-name", drive->node_name);
    put_text(format, "discard", unmaps ? "unmap" : "ignore");
    put_text(format, "detect-zeroes", enum_text(drive, 1));
    put_bool(format, "read-only", is_read_only);
    put_bool(format, "auto-read-only", drive->has_auto_read_only && drive->auto_read_only);
    put_bool(format, "force-share", drive->has_force_share && drive->force_share);
    json_object_object_add(format, "cache", cache_json(mode));
    put_text(file, "driver", protocol);
    if (g_str_equal(protocol, "file") || g_str_equal(protocol, "host_device")) {
        put_text(file, "filename", drive->file ? plain_path(drive->file) : NULL);
        put_text(file, "aio", enum_text(drive, 0));
    }
    json_object_object_add(format, "file", file);
    if (!pass_on(drive->rest, format, file, err)) {
        json_object_put(format);
        return NULL;
    }
    return format;
}

static bool refuse_missing(const QmpDriveOptions *drive, GError **err)
{
    QmpBlockInterfaceType interface = drive->has_if ? drive->if_ : QMP_BLOCK_INTERFACE_TYPE_IDE;

    if (interface != QMP_BLOCK_INTERFACE_TYPE_NONE && interface != QMP_BLOCK_INTERFACE_TYPE_VIRTIO) {
        rh_fail(err, "if=%s is not supported yet", qmp_block_interface_type_name(interface));
        rh_hint(err, "Use if=virtio, or if=none with -device virtio-blk-pci,drive=ID.");
        return false;
    }
    if (drive->has_snapshot && drive->snapshot) {
        return rh_fail(err, "snapshot=on is not supported yet: image formats with backing files");
    }
    if (drive->has_copy_on_read && drive->copy_on_read) {
        return rh_fail(err, "copy-on-read=on is not supported yet");
    }
    if (!drive->file && !(drive->rest && json_object_object_get_ex(drive->rest, "file.filename", NULL))) {
        return rh_fail(err, "A drive without 'file' is not supported yet: removable media");
    }
    return true;
}

/* As "virtio0": the next of its interface that is free. */
static char *free_id(RhVm *vm, QmpBlockInterfaceType interface)
{
    for (unsigned n = 0;; n++) {
        char *id = g_strdup_printf("%s%u", qmp_block_interface_type_name(interface), n);

        if (!rh_blk_drive_find(vm, id, NULL)) {
            return id;
        }
        g_free(id);
    }
}

static RhBlkNode *open_for_drive(RhVm *vm, const QmpDriveOptions *options, const CacheMode *mode, GError **err)
{
    bool is_read_only = (options->has_read_only && options->read_only) ||
                        (options->has_readonly && options->readonly) ||
                        (options->media && g_str_equal(options->media, "cdrom"));
    g_autoptr(RhJson) json = node_json(options, mode, is_read_only, err);
    g_autoptr(QmpBlockdevOptions) node_options =
        json ? qmp_blockdev_options_from_json(json, QAPI_KEYVAL, err) : NULL;

    return node_options ? rh_blk_open(vm, node_options, err) : NULL;
}

static bool add(RhVm *vm, const QmpDriveOptions *options, RhDriveRequest *ret, GError **err)
{
    const CacheMode *mode = find_cache_mode(options->cache, err);
    RhDrive *drive;
    RhBlkNode *node;

    if (!mode || !refuse_missing(options, err)) {
        return false;
    }
    if (options->id && !rh_id_ok(options->id)) {
        return rh_fail(err, "Parameter 'id' expects an identifier, not '%s'", options->id);
    }
    node = open_for_drive(vm, options, mode, err);
    if (!node) {
        return false;
    }
    ret->interface = options->has_if ? options->if_ : QMP_BLOCK_INTERFACE_TYPE_IDE;
    drive = g_new0(RhDrive, 1);
    drive->node = node;
    drive->id = options->id ? g_strdup(options->id) : free_id(vm, ret->interface);
    drive->on_read_error = options->has_rerror ? options->rerror : QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO;
    drive->on_write_error = options->has_werror ? options->werror : QMP_BLOCKDEV_ON_ERROR_ACTION_AUTO;
    drive->writes_through = mode->writes_through;
    drive->is_read_only = node->is_read_only;
    if (!rh_blk_drive_add(vm, drive, err)) {
        return false;
    }
    ret->id = g_strdup(drive->id);
    return true;
}

bool rh_block_add_drive(RhVm *vm, json_object *json, bool is_json, RhDriveRequest *ret, GError **err)
{
    const RhOption *option = rh_option_find("drive");
    g_autoptr(QmpDriveOptions) options = rh_option_read(option, json, is_json, err);

    return options && add(vm, options, ret, err);
}
