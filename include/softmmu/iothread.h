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

/**
 * rh_iothread_map - which thread serves each of @nr_queues queues, as property "iothread-vq-mapping" says
 * @mapping: [{"iothread": id, "vqs": [queue, ...]}, ...]: each queue once, or no "vqs" at all, and the threads take turns.
 * Returns references, @nr_queues of them, for rh_iothread_unmap; NULL and @err when the mapping is not one.
 */
RhObject **rh_iothread_map(RhVm *vm, json_object *mapping, unsigned nr_queues, GError **err);
/** rh_iothread_unmap - give back; accepts NULL */
void rh_iothread_unmap(RhObject **threads, unsigned nr_queues);

#endif
