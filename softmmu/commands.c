/*
 * QMP commands about running, stopping and ending, and about vCPUs.
 */
#include "qapi-commands.h"
#include "softmmu/accel.h"
#include "softmmu/runstate.h"

QmpStatusInfo *qmp_query_status(RhVm *vm, GError **err)
{
    QmpStatusInfo *info = g_new0(QmpStatusInfo, 1);

    info->running = rh_is_running(vm);
    info->status = vm->run->state;
    return info;
}

bool qmp_stop(RhVm *vm, GError **err)
{
    rh_vm_stop(vm, QMP_RUN_STATE_PAUSED);
    return true;
}

bool qmp_cont(RhVm *vm, GError **err)
{
    switch (vm->run->state) {
    case QMP_RUN_STATE_SHUTDOWN:
    case QMP_RUN_STATE_INTERNAL_ERROR:
    case QMP_RUN_STATE_GUEST_PANICKED:
        return rh_fail(err, "Resetting the Virtual Machine is required");
    case QMP_RUN_STATE_SUSPENDED:
        return true;
    default:
        rh_vm_start(vm);
        return true;
    }
}

bool qmp_system_reset(RhVm *vm, GError **err)
{
    rh_request_reset(vm, QMP_SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(RhVm *vm, GError **err)
{
    rh_request_powerdown(vm);
    return true;
}

bool qmp_system_wakeup(RhVm *vm, GError **err)
{
    return rh_request_wakeup(vm, err);
}

bool qmp_quit(RhVm *vm, GError **err)
{
    rh_request_shutdown(vm, QMP_SHUTDOWN_CAUSE_HOST_QMP_QUIT);
    return true;
}

bool qmp_set_action(RhVm *vm, const QmpActionOptions *args, GError **err)
{
    RhRunState *run = vm->run;

    run->on_reboot = args->has_reboot ? args->reboot : run->on_reboot;
    run->on_shutdown = args->has_shutdown ? args->shutdown : run->on_shutdown;
    run->on_panic = args->has_panic ? args->panic : run->on_panic;
    run->on_watchdog = args->has_watchdog ? args->watchdog : run->on_watchdog;
    return true;
}

static void nmi(RhVcpu *vcpu, void *arg)
{
    const RhAccelType *accel = rh_accel_type(vcpu->vm->accel);

    if (accel->vcpu_interrupt) {
        accel->vcpu_interrupt(vcpu, RH_CPU_NMI, 1);
    }
}

bool qmp_inject_nmi(RhVm *vm, GError **err)
{
    for (guint i = 0; i < vm->vcpus->len; i++) {
        rh_vcpu_run_on(vm->vcpus->pdata[i], nmi, NULL);
    }
    return true;
}

QmpKvmInfo *qmp_query_kvm(RhVm *vm, GError **err)
{
    QmpKvmInfo *info = g_new0(QmpKvmInfo, 1);

    info->enabled = rh_object_is((RhObject *)vm->accel, "kvm-accel");
    info->present = rh_type_find("kvm-accel") != NULL;
    return info;
}
