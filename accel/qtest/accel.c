/*
 * qtest-accel - an accelerator that executes nothing: a test moves the clock and touches devices.
 * Spec: documented interface of "-accel qtest".  Lock: machine lock.
 */
#include "softmmu/accel.h"

typedef struct QtestAccel {
    RhAccel parent;
} QtestAccel;

static bool qtest_open(RhAccel *accel, GError **err)
{
    /* Tests count from zero, whatever has gone by since the machine was made. */
    rh_clock_set_manual(accel->obj.vm->clock);
    rh_clock_set(accel->obj.vm->clock, 0);
    return true;
}

static void qtest_close(RhAccel *accel)
{
}

static bool qtest_set_up_irqchip(RhAccel *accel, RhIrqchip kind, bool has_pit, GError **err)
{
    accel->irqchip = RH_IRQCHIP_OFF;        /* interrupt chips are ours, so that tests see them */
    return true;
}

static bool qtest_vcpu_init(RhVcpu *vcpu, GError **err)
{
    return true;
}

static void qtest_vcpu_fini(RhVcpu *vcpu)
{
}

static RhRunResult qtest_vcpu_run(RhVcpu *vcpu)
{
    return RH_RUN_HALTED;
}

static void qtest_vcpu_kick(RhVcpu *vcpu)
{
}

static bool qtest_vcpu_fetch(RhVcpu *vcpu, GError **err)
{
    return true;
}

static bool qtest_vcpu_store(RhVcpu *vcpu, bool is_reset, GError **err)
{
    return true;
}

RH_ACCEL(QtestAccel,
    .name            = RH_ACCEL_NAME("qtest"),
    .doc             = "No execution: a test program drives the devices",
    .open            = qtest_open,
    .close           = qtest_close,
    .set_up_irqchip  = qtest_set_up_irqchip,
    .vcpu_init       = qtest_vcpu_init,
    .vcpu_fini       = qtest_vcpu_fini,
    .vcpu_run        = qtest_vcpu_run,
    .vcpu_kick       = qtest_vcpu_kick,
    .vcpu_fetch      = qtest_vcpu_fetch,
    .vcpu_store      = qtest_vcpu_store,
    .clock_is_manual = true);
