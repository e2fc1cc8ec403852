/*
 * IOThreads: user-creatable objects, one thread with one event loop each; query-iothreads.
 */
#include "softmmu/iothread.h"
#include "qapi-commands.h"

typedef struct Iothread {
    RhObject obj;
    int64_t poll_max_ns;        /* properties */
    int64_t poll_grow;
    int64_t poll_shrink;
    int64_t aio_max_batch;
    int64_t thread_pool_min;
    int64_t thread_pool_max;
    RhLoop *loop;               /* NULL until complete */
    pthread_t thread;
    int thread_id;              /* under lock, which is for the start alone */
    RhMutex lock;
    pthread_cond_t started;
} Iothread;

static Iothread *iothread_of(RhObject *obj)
{
    return RH_SELF(Iothread, obj);
}

RhLoop *rh_iothread_loop(RhObject *iothread)
{
    return iothread_of(iothread)->loop;
}

static void *iothread_run(void *opaque)
{
    Iothread *iothread = opaque;

    RH_WITH_LOCK(&iothread->lock) {
        iothread->thread_id = gettid();
        pthread_cond_signal(&iothread->started);
    }
    rh_loop_run(iothread->loop);
    return NULL;
}

static bool check_pool(const Iothread *iothread, GError **err)
{
    return iothread->thread_pool_min <= iothread->thread_pool_max ||
           rh_fail(err, "bad thread-pool-min/thread-pool-max values: %" PRId64 " is greater than %" PRId64,
                   iothread->thread_pool_min, iothread->thread_pool_max);
}

static void apply(const Iothread *iothread)
{
    rh_loop_set_poll(iothread->loop, iothread->poll_max_ns, iothread->poll_grow, iothread->poll_shrink);
    rh_loop_set_aio_batch(iothread->loop, iothread->aio_max_batch);
}

static bool iothread_complete(RhObject *obj, GError **err)
{
    Iothread *iothread = iothread_of(obj);
    g_autofree char *name = g_strdup_printf("IO %s", obj->name ? obj->name : "thread");

    if (!check_pool(iothread, err)) {
        return false;
    }
    iothread->loop = rh_loop_new(name, err);
    if (!iothread->loop) {
        return false;
    }
    apply(iothread);
    iothread->thread = rh_thread_start(name, iothread_run, iothread);
    RH_WITH_LOCK(&iothread->lock) {
        while (!iothread->thread_id) {
            rh_mutex_wait(&iothread->lock, &iothread->started);
        }
    }
    return true;
}

static void iothread_init(RhObject *obj)
{
    Iothread *iothread = iothread_of(obj);

    rh_mutex_init(&iothread->lock);
    pthread_cond_init(&iothread->started, NULL);
}

static void iothread_fini(RhObject *obj)
{
    Iothread *iothread = iothread_of(obj);

    if (iothread->loop) {
        rh_loop_quit(iothread->loop);
        pthread_join(iothread->thread, NULL);
        rh_loop_free(iothread->loop);
    }
    pthread_cond_destroy(&iothread->started);
    rh_mutex_fini(&iothread->lock);
}

/* The tree holds one reference; every device that uses the thread holds another. */
static bool iothread_can_delete(RhObject *obj, GError **err)
{
    return g_atomic_int_get(&obj->refs) == 1 ||
           rh_fail(err, "object '%s' is in use, can not be deleted", obj->name);
}

static bool not_negative(RhObject *obj, const RhProp *prop, GError **err)
{
    int64_t *member = rh_prop_member(obj, prop);
    int64_t value = *member;

    if (value >= 0) {
        return true;
    }
    *member = (int64_t)prop->def;
    return rh_fail(err, "%s value must be in range [0, %" PRId64 "]", prop->name, INT64_MAX);
}

static bool number_changed(RhObject *obj, const RhProp *prop, GError **err)
{
    Iothread *iothread = iothread_of(obj);

    if (!not_negative(obj, prop, err)) {
        return false;
    }
    if (iothread->loop) {
        apply(iothread);
    }
    return true;
}

static bool pool_changed(RhObject *obj, const RhProp *prop, GError **err)
{
    return not_negative(obj, prop, err) && (!iothread_of(obj)->loop || check_pool(iothread_of(obj), err));
}

static const RhProp iothread_props[] = {
    RH_PROP("poll-max-ns", Iothread, poll_max_ns, .def = 32768, .is_runtime = true, .changed = number_changed,
            .doc = "longest busy wait for work before sleeping"),
    RH_PROP("poll-grow", Iothread, poll_grow, .is_runtime = true, .changed = number_changed,
            .doc = "factor by which the busy wait grows while it pays; 0: 2"),
    RH_PROP("poll-shrink", Iothread, poll_shrink, .is_runtime = true, .changed = number_changed,
            .doc = "divisor by which it shrinks when it does not; 0: it falls to nothing"),
    RH_PROP("aio-max-batch", Iothread, aio_max_batch, .is_runtime = true, .changed = number_changed,
            .doc = "requests given to the kernel together at most; 0: all of one turn"),
    RH_PROP("thread-pool-min", Iothread, thread_pool_min, .is_runtime = true, .changed = pool_changed,
            .doc = "worker threads at least; they are shared by the process"),
    RH_PROP("thread-pool-max", Iothread, thread_pool_max, .def = 64, .is_runtime = true, .changed = pool_changed,
            .doc = "worker threads at most; they are shared by the process"),
};
static const char *const iothread_interfaces[] = { RH_INTERFACE_USER_CREATABLE, NULL };

RH_OBJECT_TYPE(Iothread,
    .name = RH_TYPE_IOTHREAD,
    .parent = RH_TYPE_OBJECT,
    .doc = "A thread with an event loop, for disks",
    .interfaces = iothread_interfaces,
    .props = RH_TABLE(iothread_props),
    .init = iothread_init,
    .fini = iothread_fini,
    .complete = iothread_complete,
    .can_delete = iothread_can_delete);

/* --- QMP --- */

static bool add_info(RhObject *obj, void *opaque)
{
    GPtrArray *list = opaque;

    if (rh_object_is(obj, RH_TYPE_IOTHREAD)) {
        const Iothread *iothread = iothread_of(obj);
        QmpIOThreadInfo *info = g_new0(QmpIOThreadInfo, 1);

        info->id = g_strdup(obj->name);
        info->thread_id = iothread->thread_id;
        info->poll_max_ns = iothread->poll_max_ns;
        info->poll_grow = iothread->poll_grow;
        info->poll_shrink = iothread->poll_shrink;
        info->aio_max_batch = iothread->aio_max_batch;
        g_ptr_array_add(list, info);
    }
    return true;
}

GPtrArray *qmp_query_iothreads(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_io_thread_info_list_new();

    rh_object_foreach(rh_object_container(vm->root, "objects"), add_info, list);
    return list;
}
