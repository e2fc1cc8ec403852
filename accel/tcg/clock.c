/*
 * tcg-clock - carries the guest's paravirtual clock across save and load (target/i386/tcg/pvclock.c).
 *
 * The pages that guests read say when, by the TSC, the clock was zero, and the TSC's rate. Both are another host's after load, so
 * they are written anew before the guest goes on: tcg_set_clock_running.  Lock: machine lock.
 */
#include "accel/tcg/tcg.h"

typedef struct TcgClockRegs {
    int64_t ns;
    bool is_valid;
} TcgClockRegs;

typedef struct TcgClock {
    RhDevice parent;
    TcgClockRegs regs;
} TcgClock;

static RhTcg *tcg_of_device(RhDevice *dev)
{
    RhVm *vm = rh_device_vm(dev);
    RhAccel *accel = vm ? vm->accel : NULL;

    return accel && rh_object_is(RH_OBJECT(accel), RH_TYPE_TCG_ACCEL) ? RH_SELF(RhTcg, accel) : NULL;
}

static void tcgclock_saving(RhDevice *dev)
{
    TcgClock *self = RH_SELF(TcgClock, dev);

    self->regs.ns = rh_tcg_clock_now(&tcg_of_device(dev)->clock);
    self->regs.is_valid = true;
}

static void tcgclock_settle(RhDevice *dev)
{
    const TcgClock *self = RH_SELF(TcgClock, dev);

    if (self->regs.is_valid) {
        rh_tcg_clock_set(&tcg_of_device(dev)->clock, self->regs.ns);
    }
}

static bool tcgclock_realize(RhDevice *dev, GError **err)
{
    return tcg_of_device(dev) || rh_fail(err, "Device 'tcg-clock' needs the accelerator tcg");
}

static const RhField tcgclock_fields[] = {
    RH_FIELD(TcgClockRegs, ns, .max = INT64_MAX),
    RH_FIELD(TcgClockRegs, is_valid, .max = 1),
};
static const TcgClockRegs tcgclock_at_reset = { .ns = 0 };

RH_DEVICE(TcgClock,
    .name        = "tcg-clock",
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Paravirtual clock of the software engine",
    .is_internal = true,
    .state       = RH_STATE(TcgClock, regs, tcgclock_at_reset, .version = 1, .fields = RH_TABLE(tcgclock_fields)),
    .realize     = tcgclock_realize,
    .saving      = tcgclock_saving,
    .settle      = tcgclock_settle);
