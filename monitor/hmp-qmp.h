/*
 * Human monitor commands that let a QMP command do the work.
 */
#ifndef RH_MONITOR_HMP_QMP_H
#define RH_MONITOR_HMP_QMP_H

#include "monitor/hmp.h"
#include "qapi/command.h"

/** rh_hmp_qmp - run a QMP command; @args is taken, NULL: none. @ret_result may be NULL. */
bool rh_hmp_qmp(RhHmp *hmp, const char *command, json_object *args, json_object **ret_result, GError **err);
/** rh_hmp_args - arguments of one text */
json_object *rh_hmp_args(const char *name, const char *value);

#endif
