/*
 * The stages of start-up, in the order in which main.c runs them. Each takes what it needs from the parsed command
 * line and returns false with @err, whose text names the option.
 */
#ifndef RH_STARTUP_STARTUP_H
#define RH_STARTUP_STARTUP_H

#include "hw/core/machine.h"
#include "softmmu/startup/args.h"

typedef struct RhStartup {
    const RhArgs *args;
    RhVm *vm;
    RhMachine *machine;
    int ready_fd;               /* of the parent that waits for -daemonize; -1: none */
} RhStartup;

/* process.c */
/** rh_startup_daemonize - with -daemonize the parent waits here for rh_startup_ready and ends; only the child returns */
bool rh_startup_daemonize(RhStartup *startup, GError **err);
/** rh_startup_process - log, names, signals, memory locking, pidfile */
bool rh_startup_process(RhStartup *startup, GError **err);
/** rh_startup_ready - everything listens: let the parent end, detach from the terminal */
bool rh_startup_ready(RhStartup *startup, GError **err);
/** rh_startup_name_messages - from now on each g_printerr text begins with "PROGRAM: " (and, after -msg, the time) */
void rh_startup_name_messages(const char *program);
/** rh_startup_report - print an error and its hint */
void rh_startup_report(const GError *error);
/** rh_startup_warn - print a warning */
void rh_startup_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);
/** rh_startup_policy - -action, -watchdog-action, -no-reboot, -no-shutdown, -S */
bool rh_startup_policy(RhStartup *startup, GError **err);

/* backends.c: -chardev, -object, -blockdev, -drive, monitors */
bool rh_startup_backends(RhStartup *startup, GError **err);
bool rh_startup_monitors(RhStartup *startup, GError **err);

/* board.c: -accel, -machine, -cpu, -smp, -m, -global, firmware and kernel */
bool rh_startup_board(RhStartup *startup, GError **err);

/* devices.c: serial ports, drives, -device, -fw_cfg; then whether every option was used */
bool rh_startup_devices(RhStartup *startup, GError **err);

#endif
