/*
 * Contents of the firmware configuration device: items by key, files sorted by name, the directory.
 * Spec: "QEMU Firmware Configuration (fw_cfg) Device", documented interface; Linux
 * Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg.  Lock: machine lock.
 */
#include "hw/nvram/fw_cfg-private.h"

static void item_free(void *data)
{
    FwCfgItem *item = data;

    if (item && item->is_ours) {
        g_free(item->data);
    }
    g_free(item);
}

void rh_fw_cfg_items_init(RhObject *obj)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, obj);

    fw->items = g_hash_table_new_full(NULL, NULL, NULL, item_free);
    fw->names = g_ptr_array_new_with_free_func(g_free);
    fw->files = g_ptr_array_new_with_free_func(item_free);
    fw->is_directory_stale = true;
}

void rh_fw_cfg_items_fini(RhObject *obj)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, obj);

    g_hash_table_unref(fw->items);
    g_ptr_array_unref(fw->names);
    g_ptr_array_unref(fw->files);
}

RhFwCfg *rh_fw_cfg_find(RhVm *vm)
{
    bool is_ambiguous;
    RhObject *obj = rh_object_resolve(vm->root, "/machine/fw_cfg", &is_ambiguous);

    return rh_object_is(obj, RH_TYPE_FW_CFG) ? RH_SELF(RhFwCfg, obj) : NULL;
}

/* --- by key --- */

void rh_fw_cfg_add_bytes(RhFwCfg *fw, uint16_t key, const void *data, size_t len)
{
    FwCfgItem *item = g_new0(FwCfgItem, 1);

    item->data = g_memdup2(data, len);
    item->len = len;
    item->is_ours = true;
    g_hash_table_replace(fw->items, GUINT_TO_POINTER((unsigned)key), item);
}

void rh_fw_cfg_add_string(RhFwCfg *fw, uint16_t key, const char *text)
{
    rh_fw_cfg_add_bytes(fw, key, text, strlen(text) + 1);
}

void rh_fw_cfg_add_u16(RhFwCfg *fw, uint16_t key, uint16_t value)
{
    rh_fw_cfg_add_bytes(fw, key, &value, sizeof(value));
}

void rh_fw_cfg_add_u32(RhFwCfg *fw, uint16_t key, uint32_t value)
{
    rh_fw_cfg_add_bytes(fw, key, &value, sizeof(value));
}

void rh_fw_cfg_add_u64(RhFwCfg *fw, uint16_t key, uint64_t value)
{
    rh_fw_cfg_add_bytes(fw, key, &value, sizeof(value));
}

/* --- files --- */

typedef struct DirEntry {       /* big-endian */
    uint32_t size;
    uint16_t key;
    uint16_t reserved;
    char name[RH_FW_CFG_NAME_SIZE];
} DirEntry;
G_STATIC_ASSERT(sizeof(DirEntry) == 64);

static void make_directory(RhFwCfg *fw)
{
    g_autoptr(GByteArray) dir = g_byte_array_new();
    uint32_t count = GUINT32_TO_BE(fw->files->len);

    g_byte_array_append(dir, (const uint8_t *)&count, sizeof(count));
    for (unsigned i = 0; i < fw->files->len; i++) {
        const FwCfgItem *item = fw->files->pdata[i];
        DirEntry entry = {
            .size = GUINT32_TO_BE((uint32_t)item->len),
            .key = GUINT16_TO_BE(RH_FW_CFG_FILE_FIRST + i),
        };

        g_strlcpy(entry.name, fw->names->pdata[i], sizeof(entry.name));
        g_byte_array_append(dir, (const uint8_t *)&entry, sizeof(entry));
    }
    rh_fw_cfg_add_bytes(fw, RH_FW_CFG_FILE_DIR, dir->data, dir->len);
    fw->is_directory_stale = false;
}

FwCfgItem *rh_fw_cfg_item(RhFwCfg *fw, uint16_t key)
{
    unsigned index = key - RH_FW_CFG_FILE_FIRST;

    if (key == RH_FW_CFG_FILE_DIR && fw->is_directory_stale) {
        make_directory(fw);
    }
    if (key >= RH_FW_CFG_FILE_FIRST && index < fw->files->len) {
        return fw->files->pdata[index];
    }
    return g_hash_table_lookup(fw->items, GUINT_TO_POINTER((unsigned)key));
}

/* Index of @name, or where it belongs. */
static unsigned find_name(const RhFwCfg *fw, const char *name, bool *ret_found)
{
    unsigned i = 0;

    while (i < fw->names->len && strcmp(fw->names->pdata[i], name) < 0) {
        i++;
    }
    *ret_found = i < fw->names->len && !strcmp(fw->names->pdata[i], name);
    return i;
}

static bool check_new_name(const RhFwCfg *fw, const char *name, GError **err)
{
    bool has_it;

    if (strlen(name) >= RH_FW_CFG_NAME_SIZE || !*name) {
        return rh_fail(err, "fw_cfg file name '%s' has %zu characters, must have 1 to %d", name, strlen(name),
                       RH_FW_CFG_NAME_SIZE - 1);
    }
    find_name(fw, name, &has_it);
    if (has_it) {
        return rh_fail(err, "fw_cfg file '%s' exists already, must be another name", name);
    }
    if (fw->files->len >= fw->file_slots) {
        return rh_fail(err, "fw_cfg file '%s' is one too many, there can be %u", name, fw->file_slots);
    }
    return true;
}

/* Keys follow the sorted order, so they shift as files come: no guest looks before all are there. */
static bool insert_file(RhFwCfg *fw, const char *name, FwCfgItem *item, GError **err)
{
    bool has_it;

    if (!check_new_name(fw, name, err)) {
        item_free(item);
        return false;
    }
    unsigned at = find_name(fw, name, &has_it);

    g_ptr_array_insert(fw->names, at, g_strdup(name));
    g_ptr_array_insert(fw->files, at, item);
    fw->is_directory_stale = true;
    return true;
}

bool rh_fw_cfg_add_file(RhFwCfg *fw, const char *name, const void *data, size_t len, GError **err)
{
    FwCfgItem *item = g_new0(FwCfgItem, 1);

    item->data = g_memdup2(data, len);
    item->len = len;
    item->is_ours = true;
    return insert_file(fw, name, item, err);
}

bool rh_fw_cfg_add_file_of(RhFwCfg *fw, const RhFwCfgFile *file, GError **err)
{
    FwCfgItem *item = g_new0(FwCfgItem, 1);

    *item = (FwCfgItem){ .data = file->data, .len = file->len, .is_writable = file->is_writable,
                         .select = file->select, .written = file->written, .opaque = file->opaque };
    return insert_file(fw, file->name, item, err);
}

bool rh_fw_cfg_set_file(RhFwCfg *fw, const char *name, const void *data, size_t len, GError **err)
{
    bool has_it;
    unsigned at = find_name(fw, name, &has_it);
    FwCfgItem *item;

    if (!has_it) {
        return rh_fw_cfg_add_file(fw, name, data, len, err);
    }
    item = fw->files->pdata[at];
    if (item->is_ours) {
        g_free(item->data);
    }
    item->data = g_memdup2(data, len);
    item->len = len;
    item->is_ours = true;
    fw->is_directory_stale = true;
    return true;
}

void rh_fw_cfg_remove_file(RhFwCfg *fw, const char *name)
{
    bool has_it;
    unsigned at = find_name(fw, name, &has_it);

    if (has_it) {
        g_ptr_array_remove_index(fw->names, at);
        g_ptr_array_remove_index(fw->files, at);
        fw->is_directory_stale = true;
    }
}

bool rh_fw_cfg_has_dma(const RhFwCfg *fw)
{
    return fw->has_dma;
}

const void *rh_fw_cfg_file_data(RhFwCfg *fw, const char *name, size_t *ret_len)
{
    bool has_it;
    unsigned at = find_name(fw, name, &has_it);
    FwCfgItem *item;

    if (!has_it) {
        return NULL;
    }
    item = fw->files->pdata[at];
    *ret_len = item->len;
    return item->data;
}

/* --- of the user --- */

static bool add_generated(RhFwCfg *fw, const char *name, const char *gen_id, GError **err)
{
    RhVm *vm = rh_device_vm(&fw->parent);
    g_autofree char *path = g_strdup_printf("/objects/%s", gen_id);
    RhObject *obj = rh_object_resolve(vm->root, path, NULL);
    g_autoptr(GByteArray) bytes = NULL;

    if (!obj) {
        return rh_fail(err, "Option '-fw_cfg gen_id' is '%s', there is no object of that id", gen_id);
    }
    if (!rh_object_is(obj, RH_INTERFACE_FW_CFG_DATA_GENERATOR)) {
        return rh_fail(err, "Object '%s' is no '%s'", gen_id, RH_INTERFACE_FW_CFG_DATA_GENERATOR);
    }
    bytes = RH_SELF(RhFwCfgGenerator, obj)->generate(obj, err);
    return bytes && rh_fw_cfg_add_file(fw, name, bytes->data, bytes->len, err);
}

static bool add_from_file(RhFwCfg *fw, const char *name, const char *path, GError **err)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) cause = NULL;
    size_t len;

    if (!g_file_get_contents(path, &data, &len, &cause)) {
        return rh_fail(err, "Option '-fw_cfg file' cannot be read: %s", cause->message);
    }
    if (len > UINT32_MAX) {
        return rh_fail(err, "Option '-fw_cfg file' is '%s' of %zu bytes, must be smaller than 4 GiB", path, len);
    }
    return rh_fw_cfg_add_file(fw, name, data, len, err);
}

bool rh_fw_cfg_add_user_item(RhFwCfg *fw, const char *name, const char *string, const char *file,
                             const char *gen_id, GError **err)
{
    if (!name || !*name) {
        return rh_fail(err, "Option '-fw_cfg name' is missing, must be a file name such as opt/org.example/x");
    }
    if (!!string + !!file + !!gen_id != 1) {
        return rh_fail(err, "Option '-fw_cfg name=%s' must have exactly one of string, file and gen_id", name);
    }
    if (gen_id) {
        return add_generated(fw, name, gen_id, err);
    }
    /* a string goes without its NUL: the size of the file is its length */
    return string ? rh_fw_cfg_add_file(fw, name, string, strlen(string), err) : add_from_file(fw, name, file, err);
}
