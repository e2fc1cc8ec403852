/*
 * Inside of coroutines, for what finishes their requests on their own loop.
 */
#ifndef RH_UTIL_CO_PRIVATE_H
#define RH_UTIL_CO_PRIVATE_H

#include "util/coroutine.h"

/** rh_co_resume - switch to a yielded @co now; on its loop's thread */
void rh_co_resume(RhCo *co);

#endif
