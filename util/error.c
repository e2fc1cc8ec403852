/*
 * Errors with a QMP class and an optional hint for humans.
 */
#include "util/error.h"
#include "util/core.h"

#include <stdlib.h>

typedef struct RhErrorPrivate {
    char *hint;
} RhErrorPrivate;

static void rh_error_private_init(RhErrorPrivate *self)
{
    self->hint = NULL;
}

static void rh_error_private_copy(const RhErrorPrivate *from, RhErrorPrivate *to)
{
    to->hint = g_strdup(from->hint);
}

static void rh_error_private_clear(RhErrorPrivate *self)
{
    g_free(self->hint);
}

/* The names of these three are GLib's demand; it also makes rh_error_quark(). */
G_DEFINE_EXTENDED_ERROR(RhError, rh_error)

static const char *const class_names[] = {
    [RH_ERROR_GENERIC]            = "GenericError",
    [RH_ERROR_COMMAND_NOT_FOUND]  = "CommandNotFound",
    [RH_ERROR_DEVICE_NOT_FOUND]   = "DeviceNotFound",
    [RH_ERROR_DEVICE_NOT_ACTIVE]  = "DeviceNotActive",
    [RH_ERROR_KVM_MISSING_CAP]    = "KVMMissingCap",
};

const char *rh_error_class_name(const GError *error)
{
    bool is_known = error->domain == RH_ERROR && error->code >= 0 &&
                    (size_t)error->code < RH_COUNT(class_names);

    return class_names[is_known ? error->code : RH_ERROR_GENERIC];
}

bool rh_fail(GError **err, const char *format, ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        g_propagate_error(err, g_error_new_valist(RH_ERROR, RH_ERROR_GENERIC, format, args));
        va_end(args);
    }
    return false;
}

bool rh_fail_class(GError **err, RhErrorClass class, const char *format, ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        g_propagate_error(err, g_error_new_valist(RH_ERROR, class, format, args));
        va_end(args);
    }
    return false;
}

bool rh_fail_errno(GError **err, int errnum, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    if (err) {
        va_start(args, format);
        what = g_strdup_vprintf(format, args);
        va_end(args);
        g_set_error(err, RH_ERROR, RH_ERROR_GENERIC, "%s: %s", what, g_strerror(abs(errnum)));
    }
    return false;
}

void rh_hint(GError **err, const char *format, ...)
{
    RhErrorPrivate *extra;
    va_list args;

    if (!err || !*err || (*err)->domain != RH_ERROR) {
        return;
    }
    extra = rh_error_get_private(*err);
    g_free(extra->hint);
    va_start(args, format);
    extra->hint = g_strdup_vprintf(format, args);
    va_end(args);
}

const char *rh_error_hint(const GError *error)
{
    return error->domain == RH_ERROR ? rh_error_get_private(error)->hint : NULL;
}
