/*
 * A list of callbacks. Zero-filled is empty. Unlocked: under whatever guards the thing that notifies.
 */
#ifndef RH_UTIL_NOTIFIER_H
#define RH_UTIL_NOTIFIER_H

#include <stddef.h>

/** RhNotifier - caller's memory, in at most one list */
typedef struct RhNotifier {
    void (*fn)(struct RhNotifier *self, void *data);
    struct RhNotifier *next;
    struct RhNotifierList *list;    /* NULL while in none */
} RhNotifier;

typedef struct RhNotifierList {
    RhNotifier *first;
    RhNotifier *cursor;             /* what a notification under way calls next */
} RhNotifierList;

/** rh_notifier_add - append @notifier; its fn is set */
void rh_notifier_add(RhNotifierList *list, RhNotifier *notifier);
/** rh_notifier_remove - safe when in no list, and from inside any callback of the list */
void rh_notifier_remove(RhNotifier *notifier);
/** rh_notifier_call - call all in the order they were added. Not re-entrant. */
void rh_notifier_call(RhNotifierList *list, void *data);

#endif
