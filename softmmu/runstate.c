/*
 * Run states. Requests are bits set by any thread and carried out in one place, on the main loop.
 *
 * Invariants: 1. vCPUs run guest code only in state running. 2. The clock runs exactly then.
 * 3. RESUME/STOP are sent at each change of "running", before the command that caused it returns.
 */
#include "softmmu/runstate.h"
#include "qapi-events.h"
#include "softmmu/accel.h"

enum { REQUEST_SUSPEND = 1, REQUEST_SHUTDOWN = 2, REQUEST_RESET = 4, REQUEST_WAKEUP = 8, REQUEST_POWERDOWN = 16,
       REQUEST_EXIT = 32 };

RhRunState *rh_run_state_new(void)
{
    RhRunState *run = g_new0(RhRunState, 1);

    run->state = QMP_RUN_STATE_PRELAUNCH;
    run->on_reboot = QMP_REBOOT_ACTION_RESET;
    run->on_shutdown = QMP_SHUTDOWN_ACTION_POWEROFF;
    run->on_panic = QMP_PANIC_ACTION_SHUTDOWN;
    run->on_watchdog = QMP_WATCHDOG_ACTION_RESET;
    return run;
}

bool rh_is_running(const RhVm *vm)
{
    return vm->run->state == QMP_RUN_STATE_RUNNING;
}

bool rh_vm_is_set_up(const RhVm *vm)
{
    return vm->run->is_set_up;
}

void rh_vm_set_set_up(RhVm *vm)
{
    vm->run->is_set_up = true;
}

static void set_accel_clock(RhVm *vm, bool is_running)
{
    /* A machine without CPUs may have no accelerator. */
    if (vm->accel && rh_accel_type(vm->accel)->set_clock_running) {
        rh_accel_type(vm->accel)->set_clock_running(vm->accel, is_running);
    }
}

void rh_vm_start(RhVm *vm)
{
    bool is_running = true;

    if (rh_is_running(vm)) {
        return;
    }
    vm->run->state = QMP_RUN_STATE_RUNNING;
    rh_clock_set_running(vm->clock, true);
    set_accel_clock(vm, true);
    rh_notifier_call(&vm->run->changed, &is_running);
    qmp_event_resume(vm->events);
    rh_vcpus_resume(vm);
}

/* Whether it ran before. */
static bool halt(RhVm *vm, QmpRunState state)
{
    bool is_running = false;

    if (!rh_is_running(vm)) {
        vm->run->state = state;
        return false;
    }
    rh_vcpus_pause(vm);
    vm->run->state = state;
    set_accel_clock(vm, false);
    rh_clock_set_running(vm->clock, false);
    rh_notifier_call(&vm->run->changed, &is_running);
    return true;
}

void rh_vm_stop(RhVm *vm, QmpRunState state)
{
    if (halt(vm, state)) {
        qmp_event_stop(vm->events);
    }
}

/* --- requests --- */

static void carry_out(void *opaque);

static void request(RhVm *vm, unsigned bit)
{
    if (!(__atomic_fetch_or(&vm->run->requests, bit, __ATOMIC_ACQ_REL) & bit)) {
        rh_loop_post(vm->loop, carry_out, vm);
    }
}

void rh_request_shutdown(RhVm *vm, QmpShutdownCause cause)
{
    __atomic_store_n(&vm->run->shutdown_cause, cause, __ATOMIC_RELAXED);
    request(vm, REQUEST_SHUTDOWN);
}

void rh_request_exit(RhVm *vm, int exit_code)
{
    __atomic_store_n(&vm->run->exit_code, exit_code, __ATOMIC_RELAXED);
    request(vm, REQUEST_EXIT);
}

void rh_request_reset(RhVm *vm, QmpShutdownCause cause)
{
    if (vm->run->on_reboot == QMP_REBOOT_ACTION_SHUTDOWN && cause != QMP_SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        rh_request_shutdown(vm, cause);
        return;
    }
    __atomic_store_n(&vm->run->reset_cause, cause, __ATOMIC_RELAXED);
    request(vm, REQUEST_RESET);
}

void rh_request_powerdown(RhVm *vm)
{
    request(vm, REQUEST_POWERDOWN);
}

void rh_request_suspend(RhVm *vm)
{
    request(vm, REQUEST_SUSPEND);
}

bool rh_request_wakeup(RhVm *vm, GError **err)
{
    if (vm->run->state != QMP_RUN_STATE_SUSPENDED) {
        return rh_fail(err, "Unable to wake up: guest is not in suspended state");
    }
    request(vm, REQUEST_WAKEUP);
    return true;
}

static bool is_guest_cause(QmpShutdownCause cause)
{
    return cause == QMP_SHUTDOWN_CAUSE_GUEST_SHUTDOWN || cause == QMP_SHUTDOWN_CAUSE_GUEST_RESET ||
           cause == QMP_SHUTDOWN_CAUSE_GUEST_PANIC;
}

static bool host_wants_out(QmpShutdownCause cause)
{
    return cause == QMP_SHUTDOWN_CAUSE_HOST_SIGNAL || cause == QMP_SHUTDOWN_CAUSE_HOST_QMP_QUIT ||
           cause == QMP_SHUTDOWN_CAUSE_HOST_ERROR;
}

static void leave(RhVm *vm)
{
    vm->run->has_quit = true;
    rh_loop_quit(vm->loop);
}

static void do_shutdown(RhVm *vm)
{
    RhRunState *run = vm->run;
    QmpShutdownCause cause = run->shutdown_cause;

    qmp_event_shutdown(vm->events, is_guest_cause(cause), cause);
    if (run->on_shutdown == QMP_SHUTDOWN_ACTION_PAUSE && !host_wants_out(cause)) {
        rh_vm_stop(vm, QMP_RUN_STATE_SHUTDOWN);
        return;
    }
    if (cause == QMP_SHUTDOWN_CAUSE_GUEST_PANIC && run->on_panic == QMP_PANIC_ACTION_EXIT_FAILURE) {
        run->exit_code = 1;
    }
    leave(vm);
}

void rh_machine_reset(RhVm *vm, QmpShutdownCause cause)
{
    rh_map_begin(vm);
    rh_notifier_call(&vm->run->reset_devices, NULL);
    rh_map_end(vm);
    rh_notifier_call(&vm->run->reset, NULL);    /* a board may open memory here, and write to it */
    if (cause != QMP_SHUTDOWN_CAUSE_NONE && cause != QMP_SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        qmp_event_reset(vm->events, is_guest_cause(cause), cause);
    }
}

static void do_reset(RhVm *vm)
{
    bool was_running = rh_is_running(vm);

    rh_vcpus_pause(vm);
    rh_machine_reset(vm, vm->run->reset_cause);
    if (vm->run->state == QMP_RUN_STATE_SHUTDOWN || vm->run->state == QMP_RUN_STATE_INTERNAL_ERROR ||
        vm->run->state == QMP_RUN_STATE_GUEST_PANICKED) {
        vm->run->state = QMP_RUN_STATE_PAUSED;
    }
    if (vm->run->state == QMP_RUN_STATE_SUSPENDED) {
        vm->run->state = QMP_RUN_STATE_RUNNING;
        was_running = true;
    }
    if (was_running) {
        rh_vcpus_resume(vm);
    }
}

static void do_suspend(RhVm *vm)
{
    if (!rh_is_running(vm)) {
        return;
    }
    rh_vcpus_pause(vm);
    vm->run->state = QMP_RUN_STATE_SUSPENDED;
    qmp_event_suspend(vm->events);
}

static void do_wakeup(RhVm *vm)
{
    vm->run->state = QMP_RUN_STATE_RUNNING;
    rh_notifier_call(&vm->run->wakeup, NULL);
    qmp_event_wakeup(vm->events);
    rh_vcpus_resume(vm);
}

static void carry_out(void *opaque)
{
    RhVm *vm = opaque;
    unsigned bits = __atomic_exchange_n(&vm->run->requests, 0, __ATOMIC_ACQ_REL);

    if (bits & REQUEST_EXIT) {
        leave(vm);
        return;
    }
    if (bits & REQUEST_SUSPEND) {
        do_suspend(vm);
    }
    if (bits & REQUEST_SHUTDOWN) {
        do_shutdown(vm);
    }
    if (bits & REQUEST_RESET) {
        do_reset(vm);
    }
    if (bits & REQUEST_WAKEUP) {
        do_wakeup(vm);
    }
    if (bits & REQUEST_POWERDOWN) {
        qmp_event_powerdown(vm->events);
        rh_notifier_call(&vm->run->powerdown, NULL);
    }
}

static void do_panic(void *opaque)
{
    RhVm *vm = opaque;
    static const QmpGuestPanicAction told[] = {
        [QMP_PANIC_ACTION_PAUSE] = QMP_GUEST_PANIC_ACTION_PAUSE,
        [QMP_PANIC_ACTION_SHUTDOWN] = QMP_GUEST_PANIC_ACTION_POWEROFF,
        [QMP_PANIC_ACTION_EXIT_FAILURE] = QMP_GUEST_PANIC_ACTION_POWEROFF,
        [QMP_PANIC_ACTION_NONE] = QMP_GUEST_PANIC_ACTION_RUN,
    };

    qmp_event_guest_panicked(vm->events, told[vm->run->on_panic], NULL);
    switch (vm->run->on_panic) {
    case QMP_PANIC_ACTION_NONE:
        return;
    case QMP_PANIC_ACTION_PAUSE:
        rh_vm_stop(vm, QMP_RUN_STATE_GUEST_PANICKED);
        return;
    default:
        rh_request_shutdown(vm, QMP_SHUTDOWN_CAUSE_GUEST_PANIC);
    }
}

void rh_request_panic(RhVm *vm, json_object *info)
{
    json_object_put(info);
    rh_loop_post(vm->loop, do_panic, vm);
}

int rh_main_run(RhVm *vm)
{
    while (!vm->run->has_quit) {
        rh_loop_turn(vm->loop, true);
    }
    /* SHUTDOWN was the last event: no client waits for a STOP after it. */
    halt(vm, vm->run->state == QMP_RUN_STATE_RUNNING ? QMP_RUN_STATE_SHUTDOWN : vm->run->state);
    rh_notifier_call(&vm->run->exiting, NULL);
    return vm->run->exit_code;
}
