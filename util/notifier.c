/*
 * A list of callbacks.
 */
#include "util/notifier.h"

void rh_notifier_add(RhNotifierList *list, RhNotifier *notifier)
{
    RhNotifier **link = &list->first;

    while (*link) {
        link = &(*link)->next;
    }
    notifier->next = NULL;
    notifier->list = list;
    *link = notifier;
}

void rh_notifier_remove(RhNotifier *notifier)
{
    RhNotifierList *list = notifier->list;
    RhNotifier **link;

    if (!list) {
        return;
    }
    for (link = &list->first; *link != notifier; link = &(*link)->next) {
    }
    *link = notifier->next;
    if (list->cursor == notifier) {
        list->cursor = notifier->next;
    }
    notifier->next = NULL;
    notifier->list = NULL;
}

void rh_notifier_call(RhNotifierList *list, void *data)
{
    for (RhNotifier *notifier = list->first; notifier; notifier = list->cursor) {
        list->cursor = notifier->next;
        notifier->fn(notifier, data);
    }
}
