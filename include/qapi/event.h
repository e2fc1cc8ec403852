/*
 * Where events go. Emitters know nothing of monitors: they get a sink from whoever made them.
 */
#ifndef RH_QAPI_EVENT_H
#define RH_QAPI_EVENT_H

#include <json-c/json.h>

/**
 * RhEventSink - @emit takes the event @name and its @data (owned by the callee; NULL: it has none)
 * Main thread.
 */
typedef struct RhEventSink {
    void (*emit)(struct RhEventSink *sink, const char *name, json_object *data);
} RhEventSink;

#endif
