/*
 * Threads, mutexes and RCU. A thread made here is named, registered with RCU and has all signals
 * blocked (the main thread handles signals).
 */
#ifndef RH_UTIL_THREAD_H
#define RH_UTIL_THREAD_H

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <urcu/urcu-memb.h>
#include "util/tsan.h"

/** RhMutex - a plain mutex that knows its owner, so that a demand for it can be asserted */
typedef struct RhMutex RhMutex;
struct RhMutex {
    pthread_mutex_t native;
    pthread_t owner;        /* valid while is_held */
    bool is_held;
};

void rh_mutex_init(RhMutex *mutex);
void rh_mutex_fini(RhMutex *mutex);
void rh_lock(RhMutex *mutex);
void rh_unlock(RhMutex *mutex);

/** rh_mutex_wait - pthread_cond_wait on a mutex that the caller holds; it is held again on return */
void rh_mutex_wait(RhMutex *mutex, pthread_cond_t *cond);
/** rh_mutex_wait_until - the same with a limit (CLOCK_REALTIME); false when it was reached */
bool rh_mutex_wait_until(RhMutex *mutex, pthread_cond_t *cond, const struct timespec *until);

/** rh_is_locked_by_me - whether the calling thread holds @mutex */
bool rh_is_locked_by_me(const RhMutex *mutex);

#define rh_assert_locked(mutex) g_assert(rh_is_locked_by_me(mutex))

/** RH_WITH_LOCK - run the following block with @mutex held; leave it by falling out or by break, not by goto */
typedef RhMutex *RhLockScope;
static inline void rh_lock_scope_end(RhLockScope *scope)
{
    if (*scope) {
        rh_unlock(*scope);
    }
}
static inline RhMutex *rh_lock_scope_begin(RhMutex *mutex)
{
    rh_lock(mutex);
    return mutex;
}
#define RH_WITH_LOCK(mutex) RH_WITH_LOCK_2(mutex, __COUNTER__)
#define RH_WITH_LOCK_2(mutex, n) RH_WITH_LOCK_3(mutex, n)
#define RH_WITH_LOCK_3(mutex, n)                                                                   \
    for (RhLockScope rh_scope_##n __attribute__((cleanup(rh_lock_scope_end))) =                    \
             rh_lock_scope_begin(mutex), *rh_once_##n = &rh_scope_##n;                             \
         rh_once_##n; rh_once_##n = NULL)

/** rh_thread_start - start a thread named @name (cut to 15 bytes); aborts when the host has no thread left */
pthread_t rh_thread_start(const char *name, void *(*run)(void *opaque), void *opaque);

/* RCU, memb flavour: readers are free of system calls. Threads of rh_thread_start and the main
 * thread (rh_thread_init_main) are registered. */
void rh_thread_init_main(void);
#define rh_rcu_read_lock()   urcu_memb_read_lock()
#define rh_rcu_read_unlock() (rh_tsan_release(rh_rcu_call), urcu_memb_read_unlock())

/**
 * rh_rcu_call - run fn(arg) once all readers of now have left; does not wait. Any registered thread.
 * fn runs on a helper thread.
 */
void rh_rcu_call(void (*fn)(void *arg), void *arg);

/** rh_rcu_drain - wait until all calls queued so far have run; not from inside a reader or such a call */
void rh_rcu_drain(void);

#endif
