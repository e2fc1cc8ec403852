/*
 * Monitors: QMP and HMP sessions over character devices. Machine lock or start-up; main thread.
 */
#ifndef RH_MONITOR_MONITOR_H
#define RH_MONITOR_MONITOR_H

#include "chardev/chardev.h"
#include "qapi-types.h"
#include "softmmu/vm.h"

/** rh_monitor_init - events of @vm go to its monitors from now on; once, before the first event */
void rh_monitor_init(RhVm *vm);

/** rh_monitor_open_options - what -mon says */
bool rh_monitor_open_options(RhVm *vm, const QmpMonitorOptions *options, GError **err);
/** rh_monitor_open_qmp - what -qmp and -qmp-pretty say; "none" opens nothing */
bool rh_monitor_open_qmp(RhVm *vm, const char *spec, bool is_pretty, GError **err);
/** rh_monitor_open_hmp - what -monitor says; "none" opens nothing */
bool rh_monitor_open_hmp(RhVm *vm, const char *spec, GError **err);
/**
 * rh_monitor_open_serial - the character device of -serial and its like: as rh_char_open_spec, with a human monitor
 * beside the user when @spec begins with "mon:"
 */
RhChardev *rh_monitor_open_serial(RhVm *vm, const char *id, const char *spec, GError **err);

/**
 * rh_monitor_take_fd - the oldest descriptor that came with the running command (SCM_RIGHTS); -1 and
 * @err when there is none
 */
int rh_monitor_take_fd(RhVm *vm, GError **err);

/** rh_hmp_run - run a line of the human monitor; returns what it prints, with "\r\n" ends; g_free it */
char *rh_hmp_run(RhVm *vm, const char *line, int64_t cpu_index);

#endif
