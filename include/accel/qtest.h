/*
 * qtest: a test program drives ports, memory, interrupts and time of a machine by lines of text.
 * Lock: the machine lock.
 */
#ifndef RH_ACCEL_QTEST_H
#define RH_ACCEL_QTEST_H

#include "chardev/chardev.h"

/**
 * rh_qtest_start - answer the protocol on @chr from now until the machine ends; @log_path (may be NULL) gets a copy of
 * all lines. @err when @chr is in use or the log cannot be written.
 */
bool rh_qtest_start(RhVm *vm, RhChardev *chr, const char *log_path, GError **err);

/** RhQtest - the protocol without a character device: answers go to a callback. Ended by rh_qtest_free. */
typedef struct RhQtest RhQtest;
RhQtest *rh_qtest_new(RhVm *vm, void (*answer)(void *opaque, const char *text, size_t len), void *opaque);
void rh_qtest_free(RhQtest *qtest);
/** rh_qtest_feed - bytes of the client, in pieces of any size */
void rh_qtest_feed(RhQtest *qtest, const char *bytes, size_t len);

#endif
