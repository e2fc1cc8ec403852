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

/* --- threads of the queues of a device --- */

static const char mapping_name[] = "iothread-vq-mapping";

/* The thread that entry @i names, not referenced. */
static RhObject *mapped_thread(RhVm *vm, json_object *entry, size_t i, GError **err)
{
    json_object *id;
    RhObject *thread;

    if (!json_object_is_type(entry, json_type_object) || !json_object_object_get_ex(entry, "iothread", &id) ||
        !json_object_is_type(id, json_type_string)) {
        rh_fail(err, "Parameter '%s[%zu].iothread' is missing", mapping_name, i);
        return NULL;
    }
    json_object_object_foreach(entry, name, value) {
        (void)value;
        if (!g_str_equal(name, "iothread") && !g_str_equal(name, "vqs")) {
            rh_fail(err, "Parameter '%s[%zu].%s' is unexpected", mapping_name, i, name);
            return NULL;
        }
    }
    thread = rh_object_child(rh_object_container(vm->root, "objects"), json_object_get_string(id));
    if (!thread || !rh_object_is(thread, RH_TYPE_IOTHREAD)) {
        rh_fail(err, "IOThread \"%s\" object does not exist", json_object_get_string(id));
        return NULL;
    }
    return thread;
}

static bool take_queues(RhObject **threads, unsigned nr_queues, RhObject *thread, json_object *vqs, GError **err)
{
    if (!json_object_is_type(vqs, json_type_array)) {
        return rh_fail(err, "Invalid parameter type for '%s.vqs', expected: array", mapping_name);
    }
    for (size_t i = 0; i < json_object_array_length(vqs); i++) {
        json_object *value = json_object_array_get_idx(vqs, i);
        int64_t index = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;

        if (index < 0 || index >= nr_queues) {
            return rh_fail(err, "vq index %s of %s must be 0 to %u", json_object_to_json_string(value), mapping_name,
                           nr_queues - 1);
        }
        if (threads[index]) {
            return rh_fail(err, "cannot assign vq %" PRId64 " to IOThread \"%s\" because it is already assigned", index,
                           thread->name);
        }
        threads[index] = rh_object_ref(thread);
    }
    return true;
}

static bool map_entries(RhVm *vm, json_object *mapping, RhObject **threads, unsigned nr_queues, GError **err)
{
    size_t nr_entries = json_object_is_type(mapping, json_type_array) ? json_object_array_length(mapping) : 0;
    bool has_vqs = nr_entries && json_object_object_get_ex(json_object_array_get_idx(mapping, 0), "vqs", NULL);

    if (!nr_entries) {
        return rh_fail(err, "%s must be a list of one entry or more", mapping_name);
    }
    for (size_t i = 0; i < nr_entries; i++) {
        json_object *entry = json_object_array_get_idx(mapping, i);
        RhObject *thread = mapped_thread(vm, entry, i, err);
        json_object *vqs = NULL;

        if (!thread) {
            return false;
        }
        if (json_object_object_get_ex(entry, "vqs", &vqs) != has_vqs) {
            return rh_fail(err, "either all items in %s must have vqs or none of them must have it", mapping_name);
        }
        if (has_vqs && !take_queues(threads, nr_queues, thread, vqs, err)) {
            return false;
        }
        for (size_t queue = i; !has_vqs && queue < nr_queues; queue += nr_entries) {
            threads[queue] = rh_object_ref(thread);
        }
    }
    for (unsigned queue = 0; queue < nr_queues; queue++) {
        if (!threads[queue]) {
            return rh_fail(err, "missing vq %u IOThread assignment in %s", queue, mapping_name);
        }
    }
    return true;
}

RhObject **rh_iothread_map(RhVm *vm, json_object *mapping, unsigned nr_queues, GError **err)
{
    RhObject **threads = g_new0(RhObject *, nr_queues);

    if (!map_entries(vm, mapping, threads, nr_queues, err)) {
        rh_iothread_unmap(threads, nr_queues);
        return NULL;
    }
    return threads;
}

void rh_iothread_unmap(RhObject **threads, unsigned nr_queues)
{
    for (unsigned i = 0; threads && i < nr_queues; i++) {
        rh_object_unref(threads[i]);
    }
    g_free(threads);
}

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
