/*
 * What the files of monitor/ know of each other.
 */
#ifndef RH_MONITOR_PRIVATE_H
#define RH_MONITOR_PRIVATE_H

#include "monitor/monitor.h"
#include "qapi/event.h"
#include "util/clock.h"

typedef struct RhQmpSession RhQmpSession;
typedef struct RhHmpSession RhHmpSession;

/** RhMonitorRoom - all monitors of a machine */
typedef struct RhMonitorRoom {
    RhEventSink sink;           /* first: vm->events points here */
    RhVm *vm;
    GPtrArray *qmp;             /* RhQmpSession *, owned */
    GPtrArray *hmp;             /* RhHmpSession *, owned */
    RhQmpSession *current;      /* whose command is running */
    GHashTable *throttled;      /* char * (event and key) -> Throttled *; monitor/events.c */
    unsigned nr_compat;         /* of -qmp and -monitor, to name their character devices */
    bool is_active;             /* vm->events is ours */
} RhMonitorRoom;

RhMonitorRoom *rh_monitor_room(RhVm *vm);

bool rh_qmp_session_open(RhVm *vm, RhChardev *chr, bool is_pretty, GError **err);
void rh_qmp_session_free(RhQmpSession *session);
/** rh_qmp_session_event - send an event, if the client has negotiated and reads what it gets */
void rh_qmp_session_event(RhQmpSession *session, json_object *event);
/** rh_qmp_session_enable - negotiation is done; false and @err when it was already */
bool rh_qmp_session_enable(RhQmpSession *session, bool has_oob, GError **err);
RhCharUser *rh_qmp_session_user(RhQmpSession *session);

bool rh_hmp_session_open(RhVm *vm, RhChardev *chr, GError **err);
void rh_hmp_session_free(RhHmpSession *session);

/** rh_monitor_emit - slot of the sink; rate-limits */
void rh_monitor_emit(RhEventSink *sink, const char *name, json_object *data);
GHashTable *rh_monitor_throttled_new(void);

/** rh_monitor_json_text - @json as QMP clients are used to see it: ", " and ": " between parts, or in lines */
char *rh_monitor_json_text(json_object *json, bool is_pretty);

#endif
