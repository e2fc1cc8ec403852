/*
 * Events to all QMP sessions. Some events can come at the pace of the guest: of those, one a second is
 * sent for each source, and the last one always arrives.
 */
#include <sys/time.h>
#include "monitor/private.h"
#include "util/json.h"

#define PERIOD_NS INT64_C(1000000000)

/* Events that are limited; @key: the member that names the source, or NULL when there is one source. */
static const struct Limit {
    const char *event;
    const char *key;
} limits[] = {
    { "RTC_CHANGE", NULL },
    { "WATCHDOG", NULL },
    { "BALLOON_CHANGE", NULL },
    { "QUORUM_REPORT_BAD", "node-name" },
    { "QUORUM_FAILURE", NULL },
    { "VSERPORT_CHANGE", "id" },
    { "MEMORY_DEVICE_SIZE_CHANGE", "qom-path" },
};

/* A source that sent an event less than a period ago. */
typedef struct Throttled {
    RhMonitorRoom *room;
    char *key;              /* in room->throttled, which owns this */
    RhTimer timer;
    json_object *waiting;   /* the last event since, or NULL */
} Throttled;

static void throttled_free(void *opaque)
{
    Throttled *throttled = opaque;

    rh_timer_fini(&throttled->timer);
    json_object_put(throttled->waiting);
    g_free(throttled->key);
    g_free(throttled);
}

GHashTable *rh_monitor_throttled_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, NULL, throttled_free);
}

static void send_all(RhMonitorRoom *room, json_object *event)
{
    for (unsigned i = 0; i < room->qmp->len; i++) {
        rh_qmp_session_event(room->qmp->pdata[i], event);
    }
}

static void period_over(void *opaque)
{
    Throttled *throttled = opaque;
    json_object *event = g_steal_pointer(&throttled->waiting);

    if (!event) {
        g_hash_table_remove(throttled->room->throttled, throttled->key);
        return;
    }
    send_all(throttled->room, event);
    json_object_put(event);
    rh_timer_arm(&throttled->timer, rh_clock_now(rh_clock_real()) + PERIOD_NS);
}

static const struct Limit *limit_of(const char *name)
{
    for (size_t i = 0; i < RH_COUNT(limits); i++) {
        if (strcmp(limits[i].event, name) == 0) {
            return &limits[i];
        }
    }
    return NULL;
}

/* Whether @event must wait; it is kept then. Otherwise the waiting time of its source begins. */
static bool must_wait(RhMonitorRoom *room, const struct Limit *limit, json_object *data, json_object *event)
{
    const char *source = limit->key && data ? rh_json_text(data, limit->key) : NULL;
    g_autofree char *key = g_strconcat(limit->event, " ", source, NULL);
    Throttled *throttled = g_hash_table_lookup(room->throttled, key);

    if (throttled) {
        json_object_put(throttled->waiting);
        throttled->waiting = json_object_get(event);
        return true;
    }
    throttled = g_new0(Throttled, 1);
    throttled->room = room;
    throttled->key = g_steal_pointer(&key);
    rh_timer_init(&throttled->timer, rh_clock_real(), room->vm->loop, period_over, throttled);
    rh_timer_arm(&throttled->timer, rh_clock_now(rh_clock_real()) + PERIOD_NS);
    g_hash_table_insert(room->throttled, throttled->key, throttled);
    return false;
}

static json_object *timestamp(void)
{
    json_object *json = json_object_new_object();
    struct timeval now;

    gettimeofday(&now, NULL);
    json_object_object_add(json, "seconds", json_object_new_int64(now.tv_sec));
    json_object_object_add(json, "microseconds", json_object_new_int64(now.tv_usec));
    return json;
}

void rh_monitor_emit(RhEventSink *sink, const char *name, json_object *data)
{
    RhMonitorRoom *room = (RhMonitorRoom *)sink;
    const struct Limit *limit = limit_of(name);
    g_autoptr(RhJson) event = json_object_new_object();

    json_object_object_add(event, "timestamp", timestamp());
    json_object_object_add(event, "event", json_object_new_string(name));
    if (data) {
        json_object_object_add(event, "data", data);
    }
    if (!limit || !must_wait(room, limit, data, event)) {
        send_all(room, event);
    }
}
