/*
 * QMP commands about descriptors that clients pass.
 */
#include "softmmu/fds.h"
#include "monitor/monitor.h"
#include "qapi-commands.h"

bool qmp_getfd(RhVm *vm, const QmpGetfdArgs *args, GError **err)
{
    int fd = rh_monitor_take_fd(vm, err);

    return fd >= 0 && rh_fd_put(vm, args->fdname, fd, err);
}

bool qmp_closefd(RhVm *vm, const QmpClosefdArgs *args, GError **err)
{
    /* Never a number: that would close a descriptor of the program's own. */
    int fd = g_ascii_isdigit(args->fdname[0]) ? -1 : rh_fd_get(vm, args->fdname, NULL);

    if (fd < 0) {
        return rh_fail(err, "File descriptor named '%s' not found", args->fdname);
    }
    close(fd);
    return true;
}

QmpAddfdInfo *qmp_add_fd(RhVm *vm, const QmpAddFdArgs *args, GError **err)
{
    int fd;

    if (args->has_fdset_id && args->fdset_id < 0) {
        rh_fail(err, "Parameter 'fdset-id' expects a non-negative value");
        return NULL;
    }
    fd = rh_monitor_take_fd(vm, err);
    if (fd < 0) {
        return NULL;
    }
    QmpAddfdInfo *info = g_new0(QmpAddfdInfo, 1);

    info->fdset_id = rh_fdset_add(vm, args->has_fdset_id ? args->fdset_id : -1, fd, args->opaque);
    info->fd = fd;
    return info;
}

bool qmp_remove_fd(RhVm *vm, const QmpRemoveFdArgs *args, GError **err)
{
    bool is_fd_ok = !args->has_fd || (args->fd >= 0 && args->fd <= INT32_MAX);

    if (is_fd_ok && args->fdset_id >= 0 && rh_fdset_remove(vm, args->fdset_id, args->has_fd ? (int)args->fd : -1)) {
        return true;
    }
    if (args->has_fd) {
        return rh_fail(err, "File descriptor named 'fdset-id:%" PRIi64 ", fd:%" PRIi64 "' not found", args->fdset_id,
                       args->fd);
    }
    return rh_fail(err, "File descriptor named 'fdset-id:%" PRIi64 "' not found", args->fdset_id);
}

GPtrArray *qmp_query_fdsets(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_fdset_info_list_new();
    const GPtrArray *sets = rh_fdsets(vm);

    for (unsigned i = 0; i < sets->len; i++) {
        const RhFdset *set = sets->pdata[i];
        QmpFdsetInfo *info = g_new0(QmpFdsetInfo, 1);

        info->fdset_id = set->id;
        info->fds = qmp_fdset_fd_info_list_new();
        for (unsigned k = 0; k < set->fds->len; k++) {
            const RhFdsetFd *member = &g_array_index(set->fds, RhFdsetFd, k);
            QmpFdsetFdInfo *fd = g_new0(QmpFdsetFdInfo, 1);

            fd->fd = member->fd;
            fd->opaque = g_strdup(member->opaque);
            g_ptr_array_add(info->fds, fd);
        }
        g_ptr_array_add(list, info);
    }
    return list;
}
