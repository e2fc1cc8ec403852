/*
 * Starting and stopping virtio devices, and the ways of doorbells and interrupts.
 *
 * Invariants:
 * 1. is_live and is_delivering of a queue change on its loop's thread, or, for the main loop, under the
 *    machine lock, which that loop's callbacks hold.
 * 2. The watch of a queue outlives starts and stops: it is begun once, by a posted call, and ended when
 *    the device goes; a doorbell of a stopped queue is cleared and forgotten, and every start looks by itself.
 * 3. IOThreads never wait for the machine lock, so its holder may wait for them.
 */
#include "hw/virtio/private.h"
#include "hw/virtio/queue-private.h"
#include "hw/virtio/virtio.h"
#include "softmmu/runstate.h"

static RhVm *vm_of(const RhVirtioDevice *vdev)
{
    return rh_device_vm(&vdev->parent);
}

static bool is_on_main(const RhVirtq *queue)
{
    return queue->loop == vm_of(queue->vdev)->loop;
}

/* --- calls that wait for another thread --- */

typedef struct Errand {
    void (*fn)(void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
} Errand;

static void errand_run(void *opaque)
{
    Errand *errand = opaque;

    errand->fn(errand->arg);
    pthread_mutex_lock(&errand->lock);
    errand->is_done = true;
    pthread_cond_signal(&errand->done);
    pthread_mutex_unlock(&errand->lock);
}

/* Run fn(queue) where the queue's fields may change, and wait. */
static void on_queue(RhVirtq *queue, void (*fn)(void *queue))
{
    Errand errand = { fn, queue, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

    if (is_on_main(queue) || rh_loop_current() == queue->loop) {
        fn(queue);
        return;
    }
    rh_loop_post(queue->loop, errand_run, &errand);
    pthread_mutex_lock(&errand.lock);
    while (!errand.is_done) {
        pthread_cond_wait(&errand.done, &errand.lock);
    }
    pthread_mutex_unlock(&errand.lock);
    pthread_mutex_destroy(&errand.lock);
    pthread_cond_destroy(&errand.done);
}

/* --- what other threads leave to the main loop --- */

/* §2.1.2: DEVICE_NEEDS_RESET, and a configuration interrupt if the driver is there. Legacy drivers know no such bit. */
static void show_broken(RhVirtioDevice *vdev)
{
    if (rh_virtio_has(vdev, RH_VIRTIO_F_VERSION_1) && !(vdev->status & RH_VIRTIO_NEEDS_RESET)) {
        vdev->status |= RH_VIRTIO_NEEDS_RESET;
        rh_virtio_config_changed(vdev);
    }
}

/* Main loop: what other threads could not do themselves. */
static void attention_asked(void *opaque, unsigned events)
{
    RhVirtioDevice *vdev = opaque;

    rh_event_clear(&vdev->attention);
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        if (__atomic_exchange_n(&vdev->queues[i].is_signal_pending, false, __ATOMIC_ACQUIRE)) {
            vdev->bus->ops->signal(vdev->bus, &vdev->queues[i]);
        }
    }
    if (__atomic_load_n(&vdev->is_broken, __ATOMIC_ACQUIRE)) {
        show_broken(vdev);
    }
}

static void attach_attention(void *opaque)
{
    RhVirtioDevice *vdev = opaque;

    if (rh_event_fd(&vdev->attention) >= 0 && !vdev->attention_watch.loop) {
        rh_watch_begin(&vdev->attention_watch, vm_of(vdev)->loop, rh_event_fd(&vdev->attention), RH_READABLE,
                       attention_asked, vdev);
    }
    rh_object_unref(&vdev->parent.obj);
}

/* Descriptors of a queue and of a device with queues elsewhere; kept until the device goes. */
static bool have_events(RhVirtq *queue)
{
    RhVirtioDevice *vdev = queue->vdev;
    g_autoptr(GError) err = NULL;

    if (rh_event_fd(&queue->kicked) < 0 && !rh_event_init(&queue->kicked, &err)) {
        rh_virtq_break(queue, "no doorbell for queue %u: %s", queue->index, err->message);
        return false;
    }
    if (is_on_main(queue) || rh_event_fd(&vdev->attention) >= 0) {
        return true;
    }
    if (!rh_event_init(&vdev->attention, &err)) {
        rh_virtq_break(queue, "no interrupts for queue %u: %s", queue->index, err->message);
        return false;
    }
    rh_object_ref(&vdev->parent.obj);
    rh_loop_post(vm_of(vdev)->loop, attach_attention, vdev);
    return true;
}

/* --- doorbells --- */

static void deliver(RhVirtq *queue)
{
    if (queue->is_delivering) {
        queue->kick(queue->vdev, queue);
    }
}

static void doorbell_rang(void *opaque, unsigned events)
{
    RhVirtq *queue = opaque;

    if (rh_event_clear(&queue->kicked)) {
        deliver(queue);
    }
}

static bool poll_ring(void *opaque)
{
    RhVirtq *queue = opaque;

    if (!queue->is_delivering || rh_virtq_is_empty(queue)) {
        return false;
    }
    deliver(queue);
    return true;
}

/* The driver need not kick a ring that is looked at all the time. */
static void ring_polled(void *opaque, bool is_on)
{
    RhVirtq *queue = opaque;

    queue->is_polled = is_on;
    if (queue->is_delivering && is_on) {
        rh_virtq_mute(queue);
    } else if (queue->is_delivering) {
        rh_virtq_unmute(queue);     /* the poller looks once more */
    }
}

/* Posted when the queue first starts; the reference that came along keeps the device until then. */
static void attach(void *opaque)
{
    RhVirtq *queue = opaque;
    RhObject *obj = &queue->vdev->parent.obj;

    if (queue->is_attached) {
        rh_watch_begin(&queue->watch, queue->loop, rh_event_fd(&queue->kicked), RH_READABLE, doorbell_rang, queue);
        if (!is_on_main(queue)) {
            rh_poller_begin(&queue->poller, queue->loop, poll_ring, ring_polled, queue);
        }
    }
    rh_object_unref(obj);
}

static void detach(void *opaque)
{
    RhVirtq *queue = opaque;

    queue->is_attached = false;
    rh_watch_end(&queue->watch);
    if (queue->poller.loop) {
        rh_poller_end(&queue->poller);
    }
    queue->watch = (RhWatch){ 0 };
    queue->poller = (RhPoller){ 0 };
}

void rh_virtio_set_loop(RhVirtq *queue, RhLoop *loop)
{
    RhLoop *wanted = loop ? loop : vm_of(queue->vdev)->loop;

    if (queue->loop != wanted) {
        if (queue->is_attached) {
            on_queue(queue, detach);
        }
        queue->loop = wanted;
        if (queue->is_live) {
            have_events(queue);
        }
    }
}

void rh_virtio_kick(RhVirtq *queue)
{
    if (rh_event_fd(&queue->kicked) >= 0) {
        rh_event_set(&queue->kicked);
    }
}

void rh_virtio_notified(RhVirtioDevice *vdev, unsigned index)
{
    if (index >= vdev->nr_queues || !vdev->queues[index].max_size) {
        rh_guest_error(&vdev->parent, "doorbell of queue %u, which is not there", index);
        return;
    }
    if (!vdev->is_started && vdev->bus->is_legacy && (vdev->status & RH_VIRTIO_DRIVER)) {
        vdev->has_kicked_early = true;  /* §3.1.2: such drivers exist */
        rh_virtio_run_or_stop(vdev);
    }
    if (vdev->is_started) {
        rh_virtio_kick(&vdev->queues[index]);
    }
}

/* --- interrupts --- */

void rh_virtio_signal(RhVirtq *queue)
{
    RhVirtioDevice *vdev = queue->vdev;
    RhEvent *event = __atomic_load_n(&queue->irq_event, __ATOMIC_ACQUIRE);

    if (event) {
        rh_event_set(event);
    } else if (rh_is_locked_by_me(&vm_of(vdev)->lock) || is_on_main(queue)) {
        vdev->bus->ops->signal(vdev->bus, queue);
    } else {
        __atomic_store_n(&queue->is_signal_pending, true, __ATOMIC_RELEASE);
        rh_event_set(&vdev->attention);
    }
}

void rh_virtio_broken(RhVirtioDevice *vdev)
{
    __atomic_store_n(&vdev->is_broken, true, __ATOMIC_RELEASE);
    if (rh_is_locked_by_me(&vm_of(vdev)->lock) || rh_event_fd(&vdev->attention) < 0) {
        show_broken(vdev);
    } else {
        rh_event_set(&vdev->attention);
    }
}

/* --- starting --- */

static void begin(void *opaque)
{
    RhVirtq *queue = opaque;
    RhVirtioDevice *vdev = queue->vdev;

    rh_virtq_begin(queue, vdev->bus->dma, rh_virtio_has(vdev, RH_VIRTIO_F_RING_PACKED),
                   rh_virtio_has(vdev, RH_VIRTIO_F_EVENT_IDX), rh_virtio_has(vdev, RH_VIRTIO_F_INDIRECT_DESC));
}

static void deliver_on(void *opaque)
{
    ((RhVirtq *)opaque)->is_delivering = true;
}

static void deliver_off(void *opaque)
{
    ((RhVirtq *)opaque)->is_delivering = false;
}

static void end(void *opaque)
{
    rh_virtq_end(opaque);
}

static void ring_on(RhVirtq *queue)
{
    RhVirtioBus *bus = queue->vdev->bus;

    if (!queue->is_attached) {
        queue->is_attached = true;
        rh_object_ref(&queue->vdev->parent.obj);
        rh_loop_post(queue->loop, attach, queue);
    }
    on_queue(queue, deliver_on);
    if (bus->has_ioeventfd && bus->ops->set_doorbell) {
        bus->ops->set_doorbell(bus, queue, true);
        queue->has_doorbell = true;
    }
    rh_event_set(&queue->kicked);       /* buffers may be there already */
}

static void ring_off(RhVirtq *queue)
{
    if (queue->has_doorbell) {
        queue->vdev->bus->ops->set_doorbell(queue->vdev->bus, queue, false);
        queue->has_doorbell = false;
    }
    if (queue->is_delivering) {
        on_queue(queue, deliver_off);
    }
}

static void start(RhVirtioDevice *vdev)
{
    const RhVirtioTransport *ops = vdev->bus->ops;

    vdev->is_started = true;
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        if (vdev->queues[i].regs.is_enabled && have_events(&vdev->queues[i])) {
            on_queue(&vdev->queues[i], begin);
        }
    }
    if (rh_virtio_type(vdev)->start) {
        rh_virtio_type(vdev)->start(vdev);
    }
    if (ops->starting) {        /* with the loops known that .start may have chosen */
        ops->starting(vdev->bus);
    }
    rh_map_begin(vm_of(vdev));
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        if (vdev->queues[i].is_live) {
            ring_on(&vdev->queues[i]);
        }
    }
    rh_map_end(vm_of(vdev));
}

void rh_virtio_stop(RhVirtioDevice *vdev)
{
    if (!vdev->is_started) {
        return;
    }
    rh_map_begin(vm_of(vdev));
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        ring_off(&vdev->queues[i]);
    }
    rh_map_end(vm_of(vdev));
    if (rh_virtio_type(vdev)->stop) {
        rh_virtio_type(vdev)->stop(vdev);
    }
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        if (vdev->queues[i].is_live) {
            on_queue(&vdev->queues[i], end);
        }
    }
    if (rh_event_fd(&vdev->attention) >= 0) {
        attention_asked(vdev, 0);       /* interrupts that are under way come before the stop */
    }
    vdev->is_started = false;
    if (vdev->bus->ops->stopped) {
        vdev->bus->ops->stopped(vdev->bus);
    }
}

void rh_virtio_run_or_stop(RhVirtioDevice *vdev)
{
    bool is_wanted = ((vdev->status & RH_VIRTIO_DRIVER_OK) || vdev->has_kicked_early) && rh_is_running(vm_of(vdev));

    if (is_wanted && !vdev->is_started) {
        start(vdev);
    } else if (!is_wanted) {
        rh_virtio_stop(vdev);
    }
}

void rh_virtio_start_queue(RhVirtq *queue)
{
    if (queue->vdev->is_started && have_events(queue)) {
        on_queue(queue, begin);
        if (queue->vdev->bus->ops->starting) {
            queue->vdev->bus->ops->starting(queue->vdev->bus);
        }
        ring_on(queue);
    }
}

/* --- what stops the driver's requests --- */

/*
 * A vCPU that resets a queue or a device with requests under way waits for the main loop, which finishes them, with
 * the machine lock given away meanwhile. It cannot be paused until then: whoever waits for it on the main loop turns that
 * urgently. Drivers rarely do this: they wait for their requests first.
 */
typedef struct MainErrand {
    void (*fn)(void *arg);
    void *arg;
    RhVm *vm;
    pthread_cond_t done;
    bool is_done;               /* under the machine lock */
} MainErrand;

static void run_main_errand(void *opaque)
{
    MainErrand *errand = opaque;

    errand->fn(errand->arg);
    errand->is_done = true;
    pthread_cond_signal(&errand->done);
}

static bool has_in_flight(const RhVirtioDevice *vdev)
{
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        if (vdev->queues[i].in_flight) {
            return true;
        }
    }
    return false;
}

static void where_it_can_stop(RhVirtioDevice *vdev, void (*fn)(void *arg), void *arg)
{
    RhVm *vm = vm_of(vdev);
    MainErrand errand = { .fn = fn, .arg = arg, .vm = vm, .done = PTHREAD_COND_INITIALIZER };

    if (!vdev->is_started || rh_loop_current() == vm->loop || !rh_virtio_type(vdev)->stops_on_main ||
        !has_in_flight(vdev)) {
        fn(arg);
        return;
    }
    rh_loop_post_urgent(vm->loop, run_main_errand, &errand);
    while (!errand.is_done) {
        rh_mutex_wait(&vm->lock, &errand.done);
    }
    pthread_cond_destroy(&errand.done);
}

static void stop_queue(void *opaque)
{
    RhVirtq *queue = opaque;

    if (!queue->is_live) {
        return;
    }
    ring_off(queue);
    if (rh_virtio_type(queue->vdev)->queue_reset) {
        rh_virtio_type(queue->vdev)->queue_reset(queue->vdev, queue);
    }
    on_queue(queue, end);
}

void rh_virtio_stop_queue(RhVirtq *queue)
{
    where_it_can_stop(queue->vdev, stop_queue, queue);
}

static void reset_device(void *vdev)
{
    rh_device_reset(vdev);
}

void rh_virtio_reset_device(RhVirtioDevice *vdev)
{
    where_it_can_stop(vdev, reset_device, vdev);
}

void rh_virtio_release(RhDevice *dev, void *arg)
{
    RhVirtioDevice *vdev = RH_VIRTIO_DEVICE_OF(dev);

    rh_virtio_stop(vdev);
    for (unsigned i = 0; i < vdev->nr_queues; i++) {
        RhVirtq *queue = &vdev->queues[i];

        if (queue->is_attached) {
            on_queue(queue, detach);
        }
        rh_event_fini(&queue->kicked);
        rh_virtq_free_pool(queue);
    }
    rh_watch_end(&vdev->attention_watch);
    rh_event_fini(&vdev->attention);
    rh_notifier_remove(&vdev->run_changed);
    vdev->bus->vdev = NULL;
    vdev->nr_queues = 0;
}
