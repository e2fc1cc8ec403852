/*
 * The log: items that -d switches on, guest errors, and trace points. The process has one log (the
 * one permitted global), on standard error or in the file of -D. Any thread may write; a line is
 * written whole.
 */
#ifndef RH_UTIL_LOG_H
#define RH_UTIL_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include "util/core.h"

/** RhLogItem - what -d can switch on, one bit each */
typedef enum RhLogItem {
    RH_LOG_OUT_ASM      = 1 << 0,
    RH_LOG_IN_ASM       = 1 << 1,
    RH_LOG_OP           = 1 << 2,
    RH_LOG_OP_OPT       = 1 << 3,
    RH_LOG_OP_IND       = 1 << 4,
    RH_LOG_INT          = 1 << 5,
    RH_LOG_EXEC         = 1 << 6,
    RH_LOG_CPU          = 1 << 7,
    RH_LOG_FPU          = 1 << 8,
    RH_LOG_MMU          = 1 << 9,
    RH_LOG_PCALL        = 1 << 10,
    RH_LOG_CPU_RESET    = 1 << 11,
    RH_LOG_UNIMP        = 1 << 12,
    RH_LOG_GUEST_ERRORS = 1 << 13,
    RH_LOG_PAGE         = 1 << 14,
    RH_LOG_NOCHAIN      = 1 << 15,
    RH_LOG_PLUGIN       = 1 << 16,
    RH_LOG_STRACE       = 1 << 17,
    RH_LOG_PER_THREAD   = 1 << 18,
} RhLogItem;

/**
 * rh_log_mask_parse - the bits of a comma-separated list such as "guest_errors,unimp"
 * "all" and "none" are understood; "trace:PATTERN" switches trace points on at once and adds no bit.
 * Returns false and sets @err at an unknown item.
 */
bool rh_log_mask_parse(const char *items, uint32_t *ret_mask, GError **err);
/** rh_log_set_mask - switch items on (bit set) and off */
void rh_log_set_mask(uint32_t mask);
uint32_t rh_log_mask(void);
static inline bool rh_log_is_on(RhLogItem item)
{
    return rh_log_mask() & item;
}
/** rh_log_set_file - write to @path from now on ("%d" stands for the process id); NULL: standard error */
bool rh_log_set_file(const char *path, GError **err);
/** rh_log_help - the text of "-d help"; g_free it */
char *rh_log_help(void);

/** rh_log - write a line (newline is added) when @item is on */
void rh_log(RhLogItem item, const char *format, ...) G_GNUC_PRINTF(2, 3);
/**
 * rh_log_guest_error - the guest did what its hardware's manual forbids; @who names the device
 * Shown with -d guest_errors. At most some tens of lines a second are written, since a guest may do it
 * in a loop; how many were left out is told later.
 */
void rh_log_guest_error(const char *who, const char *format, ...) G_GNUC_PRINTF(2, 3);
/** rh_log_unimp - as rh_log_guest_error, for what we do not implement (-d unimp) */
void rh_log_unimp(const char *who, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** RhTracePoint - one RH_TRACE in the code; a pointer to it stands in the section rh_trace_points */
typedef struct RhTracePoint {
    const char *name;
    const char *format;
    bool is_on;
} RhTracePoint;

/**
 * RH_TRACE - a trace point: RH_TRACE(virtio_queue_notify, "vdev %p n %d", vdev, n)
 * Costs a load and a branch while off. The name (letters, digits, underscore) is what -trace matches.
 */
#define RH_TRACE(name_, ...)                                                                       \
    do {                                                                                           \
        static RhTracePoint trace_point_ = { #name_, RH_TRACE_FORMAT(__VA_ARGS__, ""), false };    \
        static RhTracePoint *const trace_entry_ RH_IN_SECTION(rh_trace_points) = &trace_point_;    \
        if (G_UNLIKELY(__atomic_load_n(&trace_point_.is_on, __ATOMIC_RELAXED))) {                  \
            rh_trace_write(#name_, __VA_ARGS__);                                                   \
        }                                                                                          \
    } while (0)
#define RH_TRACE_FORMAT(format_, ...) format_

void rh_trace_write(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);

/** rh_trace_set - switch on or off all trace points matching @pattern (with * and ?); returns how many */
unsigned rh_trace_set(const char *pattern, bool on);
/** rh_trace_names - the sorted names of all trace points, NULL-terminated; g_strfreev it */
char **rh_trace_names(void);
/**
 * rh_trace_load - switch on what the lines of file @path name ("-name": off, "#": comment)
 * For -trace events=FILE. A line that matches nothing is passed over.
 */
bool rh_trace_load(const char *path, GError **err);

#endif
