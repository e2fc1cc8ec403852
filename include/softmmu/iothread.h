/*
 * IOThreads: event loops of their own that users make (-object iothread) and give to devices, so that disk
 * requests do not wait for the main thread. Nothing that runs there takes the machine lock.
 */
#ifndef RH_SOFTMMU_IOTHREAD_H
#define RH_SOFTMMU_IOTHREAD_H

#include "softmmu/vm.h"

#define RH_TYPE_IOTHREAD "iothread"

/** rh_iothread_loop - the loop of @iothread (an object of that type); runs as long as the object lives. Any thread. */
RhLoop *rh_iothread_loop(RhObject *iothread);

#endif
