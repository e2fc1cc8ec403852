/*
 * Worker threads of one loop, for what cannot be asynchronous. Made on demand, at most MAX_WORKERS; an idle one
 * ends after IDLE_S seconds, so a quiet program has none.
 */
#include "util/coroutine.h"
#include "co-private.h"
#include "loop-private.h"

enum { MAX_WORKERS = 32, IDLE_S = 10 };

typedef struct Job {
    int (*fn)(void *arg);
    void *arg;
    int result;
    RhCo *co;
    RhLoop *loop;
    LoopPost done;
    struct Job *next;
} Job;

struct WorkerPool {
    RhMutex lock;
    pthread_cond_t wanted;      /* a job, or the end */
    pthread_cond_t ended;       /* a worker left */
    Job *first;
    Job **tail;
    unsigned nr_jobs;           /* in the list */
    unsigned nr_workers;
    unsigned nr_idle;
    bool must_end;
};

static void job_done(void *opaque)
{
    rh_co_resume(((Job *)opaque)->co);
}

/* A job, or NULL when the worker shall end. Lock held. */
static Job *next_job(WorkerPool *pool)
{
    struct timespec until;
    Job *job;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += IDLE_S;
    while (!pool->first && !pool->must_end) {
        pool->nr_idle++;
        if (!rh_mutex_wait_until(&pool->lock, &pool->wanted, &until) && !pool->first) {
            pool->nr_idle--;
            return NULL;
        }
        pool->nr_idle--;
    }
    job = pool->first;
    if (job) {
        pool->first = job->next;
        pool->nr_jobs--;
        if (!pool->first) {
            pool->tail = &pool->first;
        }
    }
    return job;
}

static void *worker_run(void *opaque)
{
    WorkerPool *pool = opaque;
    Job *job;

    rh_lock(&pool->lock);
    while ((job = next_job(pool))) {
        rh_unlock(&pool->lock);
        job->result = job->fn(job->arg);
        rh_loop_post_node(job->loop, &job->done);
        rh_lock(&pool->lock);
    }
    pool->nr_workers--;
    pthread_cond_signal(&pool->ended);
    rh_unlock(&pool->lock);
    return NULL;
}

static WorkerPool *pool_of(RhLoop *loop)
{
    WorkerPool *pool = loop->workers;

    if (!pool) {
        pool = loop->workers = g_new0(WorkerPool, 1);
        rh_mutex_init(&pool->lock);
        pthread_cond_init(&pool->wanted, NULL);
        pthread_cond_init(&pool->ended, NULL);
        pool->tail = &pool->first;
    }
    return pool;
}

static void push(WorkerPool *pool, Job *job)
{
    bool needs_worker = false;

    RH_WITH_LOCK(&pool->lock) {
        *pool->tail = job;
        pool->tail = &job->next;
        pool->nr_jobs++;
        /* An idle worker that has yet to wake up for an earlier job is not there for this one. */
        needs_worker = pool->nr_jobs > pool->nr_idle && pool->nr_workers < MAX_WORKERS;
        pool->nr_workers += needs_worker;
        pthread_cond_signal(&pool->wanted);
    }
    if (needs_worker) {
        pthread_detach(rh_thread_start("worker", worker_run, pool));
    }
}

int rh_co_offload(int (*fn)(void *arg), void *arg)
{
    RhLoop *loop = rh_loop_current();
    Job job = { .fn = fn, .arg = arg, .co = rh_co_self(), .loop = loop };

    g_assert(job.co);
    job.done.fn = job_done;
    job.done.opaque = &job;
    push(pool_of(loop), &job);
    rh_co_yield();
    return job.result;
}

void rh_worker_pool_free(WorkerPool *pool)
{
    if (!pool) {
        return;
    }
    rh_lock(&pool->lock);
    pool->must_end = true;
    pthread_cond_broadcast(&pool->wanted);
    while (pool->nr_workers) {
        rh_mutex_wait(&pool->lock, &pool->ended);
    }
    rh_unlock(&pool->lock);
    pthread_cond_destroy(&pool->wanted);
    pthread_cond_destroy(&pool->ended);
    rh_mutex_fini(&pool->lock);
    g_free(pool);
}
