/*
 * QMP commands about the balloon.
 */
#include "hw/virtio/balloon.h"
#include "qapi-commands.h"

static Balloon *need_balloon(RhVm *vm, GError **err)
{
    Balloon *balloon = balloon_find(vm);

    if (!balloon) {
        rh_fail_class(err, RH_ERROR_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
    }
    return balloon;
}

QmpBalloonInfo *qmp_query_balloon(RhVm *vm, GError **err)
{
    Balloon *balloon = need_balloon(vm, err);
    QmpBalloonInfo *info;

    if (!balloon) {
        return NULL;
    }
    info = g_new0(QmpBalloonInfo, 1);
    info->actual = (int64_t)balloon_actual(balloon);
    return info;
}

bool qmp_balloon(RhVm *vm, const QmpBalloonArgs *args, GError **err)
{
    Balloon *balloon = need_balloon(vm, err);

    if (!balloon) {
        return false;
    }
    if (args->value <= 0) {
        return rh_fail(err, "Parameter 'target' expects a size");
    }
    balloon_set_target(balloon, (uint64_t)args->value);
    return true;
}
