/*
 * Errors that a user sees: a GError of one domain whose codes are the QMP error classes and whose
 * message is the QMP "desc". A message is one phrase, no newline, no full stop, and names the
 * thing, the value and what would be right.
 */
#ifndef RH_UTIL_ERROR_H
#define RH_UTIL_ERROR_H

#include <glib.h>
#include <stdbool.h>

#define RH_ERROR (rh_error_quark())
GQuark rh_error_quark(void);

/** RhErrorClass - the QMP error classes, in the order of rh_error_class_name() */
typedef enum RhErrorClass {
    RH_ERROR_GENERIC,
    RH_ERROR_COMMAND_NOT_FOUND,
    RH_ERROR_DEVICE_NOT_FOUND,
    RH_ERROR_DEVICE_NOT_ACTIVE,
    RH_ERROR_KVM_MISSING_CAP,
} RhErrorClass;

/** rh_error_class_name - QMP class of @error ("GenericError" for an error of a foreign domain) */
const char *rh_error_class_name(const GError *error);

/** rh_fail - set *@err (may be NULL) to a GenericError and return false */
bool rh_fail(GError **err, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** rh_fail_class - as rh_fail, with another QMP class */
bool rh_fail_class(GError **err, RhErrorClass class, const char *format, ...) G_GNUC_PRINTF(3, 4);

/** rh_fail_errno - as rh_fail; ": " and the text of @errnum (positive or negative) are appended */
bool rh_fail_errno(GError **err, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);

/**
 * rh_hint - attach a line of advice for a human to *@err; printed on the terminal after the message,
 * never sent over QMP. A second hint replaces the first. No effect when @err or *@err is NULL.
 */
void rh_hint(GError **err, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** rh_error_hint - the hint of @error, or NULL */
const char *rh_error_hint(const GError *error);

#endif
