/*
 * What ThreadSanitizer cannot see for itself: orderings made by libraries that are not instrumented.
 */
#ifndef RH_UTIL_TSAN_H
#define RH_UTIL_TSAN_H

#include "rhea-config.h"

#if RH_TSAN
#include <sanitizer/tsan_interface.h>
/** rh_tsan_release - what this thread did until now happens before a later rh_tsan_acquire of @what */
#define rh_tsan_release(what) __tsan_release((void *)(what))
#define rh_tsan_acquire(what) __tsan_acquire((void *)(what))
#else
#define rh_tsan_release(what) ((void)0)
#define rh_tsan_acquire(what) ((void)0)
#endif

#endif
