/*
 * Threads, owner-aware mutexes, deferred calls after an RCU grace period.
 */
#include "util/thread.h"
#include "util/core.h"

#include <signal.h>

void rh_mutex_init(RhMutex *mutex)
{
    mutex->is_held = false;
    pthread_mutex_init(&mutex->native, NULL);
}

void rh_mutex_fini(RhMutex *mutex)
{
    pthread_mutex_destroy(&mutex->native);
}

void rh_lock(RhMutex *mutex)
{
    pthread_mutex_lock(&mutex->native);
    __atomic_store_n(&mutex->owner, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&mutex->is_held, true, __ATOMIC_RELAXED);
}

void rh_unlock(RhMutex *mutex)
{
    __atomic_store_n(&mutex->is_held, false, __ATOMIC_RELAXED);
    __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&mutex->native);
}

/* Relaxed is enough: a thread sees its own stores, and nobody else stores its id. */
bool rh_is_locked_by_me(const RhMutex *mutex)
{
    return __atomic_load_n(&mutex->is_held, __ATOMIC_RELAXED) &&
           __atomic_load_n(&mutex->owner, __ATOMIC_RELAXED) == pthread_self();
}

typedef struct ThreadStart {
    char name[16];          /* the kernel's limit, with the final NUL */
    void *(*run)(void *opaque);
    void *opaque;
} ThreadStart;

static void *thread_run(void *opaque)
{
    ThreadStart start = *(ThreadStart *)opaque;
    void *result;

    g_free(opaque);
    pthread_setname_np(pthread_self(), start.name);
    urcu_memb_register_thread();
    result = start.run(start.opaque);
    urcu_memb_unregister_thread();
    return result;
}

pthread_t rh_thread_start(const char *name, void *(*run)(void *opaque), void *opaque)
{
    ThreadStart *start = g_new(ThreadStart, 1);
    sigset_t all, before;
    pthread_t thread;
    int rc;

    g_strlcpy(start->name, name, sizeof(start->name));
    start->run = run;
    start->opaque = opaque;
    /* The child inherits the mask, so that no signal can reach it even in its first instant. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, NULL, thread_run, start);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        g_error("Cannot start thread '%s': %s", name, g_strerror(rc));
    }
    return thread;
}

void rh_thread_init_main(void)
{
    urcu_memb_register_thread();
}

typedef struct RcuCall {
    struct rcu_head head;
    void (*fn)(void *arg);
    void *arg;
} RcuCall;

static void rcu_call_run(struct rcu_head *head)
{
    RcuCall *call = RH_CONTAINER(RcuCall, head, head);

    rh_tsan_acquire(rh_rcu_call);
    call->fn(call->arg);
    rh_tsan_release(rh_rcu_drain);
    g_free(call);
}

void rh_rcu_call(void (*fn)(void *arg), void *arg)
{
    RcuCall *call = g_new(RcuCall, 1);

    call->fn = fn;
    call->arg = arg;
    rh_tsan_release(rh_rcu_call);
    urcu_memb_call_rcu(&call->head, rcu_call_run);
}

void rh_rcu_drain(void)
{
    urcu_memb_barrier();
    rh_tsan_acquire(rh_rcu_drain);
}

void rh_mutex_wait(RhMutex *mutex, pthread_cond_t *cond)
{
    __atomic_store_n(&mutex->is_held, false, __ATOMIC_RELAXED);
    __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELAXED);
    pthread_cond_wait(cond, &mutex->native);
    __atomic_store_n(&mutex->owner, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&mutex->is_held, true, __ATOMIC_RELAXED);
}

bool rh_mutex_wait_until(RhMutex *mutex, pthread_cond_t *cond, const struct timespec *until)
{
    int result;

    __atomic_store_n(&mutex->is_held, false, __ATOMIC_RELAXED);
    __atomic_store_n(&mutex->owner, 0, __ATOMIC_RELAXED);
    result = pthread_cond_timedwait(cond, &mutex->native, until);
    __atomic_store_n(&mutex->owner, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&mutex->is_held, true, __ATOMIC_RELAXED);
    return result == 0;
}
