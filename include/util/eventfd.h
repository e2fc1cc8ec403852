/*
 * RhEvent: a flag that a descriptor shows, on eventfd(2). Also what KVM's ioeventfd and irqfd take.
 */
#ifndef RH_UTIL_EVENTFD_H
#define RH_UTIL_EVENTFD_H

#include <glib.h>
#include <stdbool.h>

/** RhEvent - caller's memory. Zero-filled or failed to init, it may be ended but not used. */
typedef struct RhEvent {
    int fd_plus_one;
} RhEvent;

/** rh_event_init - unset; false and @err when the host has no descriptor left */
bool rh_event_init(RhEvent *event, GError **err);
void rh_event_fini(RhEvent *event);
/** rh_event_fd - readable while set; -1 when not initialised */
int rh_event_fd(const RhEvent *event);
/** rh_event_set - set; any thread, also from a signal handler */
void rh_event_set(RhEvent *event);
/** rh_event_clear - unset; returns whether it was set */
bool rh_event_clear(RhEvent *event);

#endif
