/*
 * Run states: whether the machine runs, and the requests (shutdown, reset, ...) that change it.
 * Requests may come from any thread; they are carried out on the main loop under the machine lock.
 */
#ifndef RH_SOFTMMU_RUNSTATE_H
#define RH_SOFTMMU_RUNSTATE_H

#include "qapi-types.h"
#include "softmmu/vm.h"

typedef struct RhRunState {
    QmpRunState state;
    QmpShutdownCause shutdown_cause;    /* of the pending or last shutdown */
    /* Requests: atomic bits and causes, set by any thread, taken by the main loop. */
    unsigned requests;
    QmpShutdownCause reset_cause;
    bool start_paused;                  /* -S */
    QmpRebootAction on_reboot;          /* -action; -no-reboot is "shutdown" */
    QmpShutdownAction on_shutdown;      /* -no-shutdown is "pause" */
    QmpPanicAction on_panic;
    QmpWatchdogAction on_watchdog;
    bool is_set_up;
    bool has_quit;
    int exit_code;
    RhNotifierList changed;             /* machine started or stopped: data is bool *is_running */
    RhNotifierList powerdown;           /* power button */
    RhNotifierList wakeup;
    RhNotifierList reset_devices;       /* hw/core resets every device here */
    RhNotifierList reset;               /* after every device was reset: boards place CPUs and images */
    RhNotifierList exiting;             /* the process is about to leave its main loop */
} RhRunState;

bool rh_is_running(const RhVm *vm);
/** rh_vm_is_set_up - the command line's machine and devices are made: what is added from now on is hot-plugged */
bool rh_vm_is_set_up(const RhVm *vm);
void rh_vm_set_set_up(RhVm *vm);
/** rh_run_state_init - called by rh_vm_new */
RhRunState *rh_run_state_new(void);
/** rh_vm_start/stop - cont and stop: clock, vCPUs, events RESUME/STOP. Main thread, machine lock. */
void rh_vm_start(RhVm *vm);
void rh_vm_stop(RhVm *vm, QmpRunState state);
/** rh_request_* - any thread; the main loop does it soon */
void rh_request_shutdown(RhVm *vm, QmpShutdownCause cause);
void rh_request_exit(RhVm *vm, int exit_code);      /* isa-debug-exit and such: leave with this code */
void rh_request_reset(RhVm *vm, QmpShutdownCause cause);
void rh_request_powerdown(RhVm *vm);
void rh_request_suspend(RhVm *vm);
bool rh_request_wakeup(RhVm *vm, GError **err);
/** rh_request_panic - the guest says it crashed; @info (owned, may be NULL) is what it said */
void rh_request_panic(RhVm *vm, json_object *info);
/** rh_machine_reset - all devices, then run->reset notifiers, then event RESET; main thread, vCPUs paused */
void rh_machine_reset(RhVm *vm, QmpShutdownCause cause);
/** rh_main_run - the main loop until shutdown or quit; returns the process's exit code */
int rh_main_run(RhVm *vm);

#endif
