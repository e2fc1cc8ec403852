/*
 * QMP commands about character devices.
 */
#include "chardev/open.h"
#include "chardev/private.h"
#include "qapi-commands.h"

GPtrArray *qmp_query_chardev(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_chardev_info_list_new();
    RhObject *all = rh_object_container(vm->root, "chardevs");

    for (unsigned i = 0; all->children && i < all->children->len; i++) {
        const RhChardev *chr = RH_SELF(RhChardev, all->children->pdata[i]);
        QmpChardevInfo *info = g_new0(QmpChardevInfo, 1);

        info->label = g_strdup(rh_char_id(chr));
        info->filename = g_strdup(rh_char_filename(chr));
        info->frontend_open = rh_char_is_front_open(chr);
        g_ptr_array_add(list, info);
    }
    return list;
}

GPtrArray *qmp_query_chardev_backends(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_chardev_backend_info_list_new();

    for (int i = 0; i < QMP_CHARDEV_BACKEND_KIND__NR; i++) {
        QmpChardevBackendInfo *info = g_new0(QmpChardevBackendInfo, 1);

        info->name = g_strdup(qmp_chardev_backend_kind_name(i));
        g_ptr_array_add(list, info);
    }
    return list;
}

static QmpChardevReturn *result_of(const RhChardev *chr, const QmpChardevBackend *backend)
{
    QmpChardevReturn *result = g_new0(QmpChardevReturn, 1);

    if (backend->type == QMP_CHARDEV_BACKEND_KIND_PTY) {
        result->pty = g_strdup(rh_char_filename(chr) + strlen("pty:"));
    }
    return result;
}

QmpChardevReturn *qmp_chardev_add(RhVm *vm, const QmpChardevAddArgs *args, GError **err)
{
    RhChardev *chr;

    if (!rh_id_ok(args->id)) {
        rh_fail(err, "Parameter 'id' expects an identifier");
        return NULL;
    }
    chr = rh_char_open_backend(vm, args->id, args->backend, err);
    return chr ? result_of(chr, args->backend) : NULL;
}

QmpChardevReturn *qmp_chardev_change(RhVm *vm, const QmpChardevChangeArgs *args, GError **err)
{
    RhChardev *chr = rh_char_change(vm, args->id, args->backend, err);

    return chr ? result_of(chr, args->backend) : NULL;
}

bool qmp_chardev_remove(RhVm *vm, const QmpChardevRemoveArgs *args, GError **err)
{
    return rh_char_remove(vm, args->id, err);
}

bool qmp_chardev_send_break(RhVm *vm, const QmpChardevSendBreakArgs *args, GError **err)
{
    RhChardev *chr = rh_char_find(vm, args->id, err);

    if (!chr) {
        return false;
    }
    rh_chr_event(chr, RH_CHAR_BREAK);
    return true;
}
