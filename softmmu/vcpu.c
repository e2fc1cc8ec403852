/*
 * vCPU threads.
 *
 * Invariants:
 * 1. Guest code runs only inside accel->vcpu_run, with no lock held.
 * 2. A thread looks at must_pause, must_exit and work after every return from vcpu_run; whoever sets one of them
 *    sets is_kicked under the lock and then kicks the accelerator, so vcpu_run returns or is not entered.
 * 3. is_paused is set only by the thread itself, between two runs, while it neither runs work nor may run the guest;
 *    so whoever sees it set under the lock knows that the thread does nothing until the lock is free.
 */
#include "softmmu/vcpu.h"
#include <sys/syscall.h>
#include "softmmu/accel.h"
#include "softmmu/runstate.h"

typedef struct Work {
    void (*fn)(RhVcpu *vcpu, void *arg);
    void *arg;
    bool is_done;
} Work;

static __thread RhVcpu *current;

RhVcpu *rh_vcpu_current(void)
{
    return current;
}

static const RhAccelType *ops(const RhVcpu *vcpu)
{
    return rh_accel_type(vcpu->vm->accel);
}

/* pthread_cond_wait gives the mutex away behind RhMutex's back: keep its owner right. */
static void wait_changed(RhVcpu *vcpu)
{
    rh_mutex_wait(&vcpu->lock, &vcpu->changed);
}

static void nothing(void *opaque)
{
}

/* With the lock held: wake whoever is in wait_until(). */
static void tell_changed(RhVcpu *vcpu)
{
    pthread_cond_broadcast(&vcpu->changed);
    rh_loop_post_urgent(vcpu->vm->loop, nothing, NULL);
}

void rh_vcpu_init(RhVcpu *vcpu, RhVm *vm, RhObject *cpu, uint64_t arch_id)
{
    vcpu->vm = vm;
    vcpu->cpu = cpu;
    vcpu->arch_id = arch_id;
    vcpu->index = vm->vcpus->len;
    rh_mutex_init(&vcpu->lock);
    pthread_cond_init(&vcpu->changed, NULL);
    g_queue_init(&vcpu->work);
    g_ptr_array_add(vm->vcpus, vcpu);
}

void rh_vcpu_fini(RhVcpu *vcpu)
{
    if (!vcpu->vm) {
        return;
    }
    rh_vcpu_stop(vcpu);
    g_ptr_array_remove(vcpu->vm->vcpus, vcpu);
    pthread_cond_destroy(&vcpu->changed);
    rh_mutex_fini(&vcpu->lock);
    vcpu->vm = NULL;
}

/* With the lock held: run what is queued, dropping the lock meanwhile. */
static void do_work(RhVcpu *vcpu)
{
    Work *work;

    while ((work = g_queue_pop_head(&vcpu->work))) {
        vcpu->is_paused = false;
        rh_unlock(&vcpu->lock);
        work->fn(vcpu, work->arg);
        rh_lock(&vcpu->lock);
        work->is_done = true;
        tell_changed(vcpu);
    }
}

/* Wait until there is something to run; false when the thread must end. */
static bool may_run(RhVcpu *vcpu, bool is_halted)
{
    bool must_exit;

    rh_lock(&vcpu->lock);
    for (;;) {
        do_work(vcpu);
        if (vcpu->must_exit || (!vcpu->must_pause && (!is_halted || vcpu->is_kicked))) {
            break;
        }
        if (vcpu->must_pause && !vcpu->is_paused) {
            vcpu->is_paused = true;
            tell_changed(vcpu);
        }
        wait_changed(vcpu);
    }
    vcpu->is_paused = false;
    vcpu->is_kicked = false;
    must_exit = vcpu->must_exit;
    rh_unlock(&vcpu->lock);
    return !must_exit;
}

static void stop_failed(void *opaque)
{
    rh_vm_stop(opaque, QMP_RUN_STATE_INTERNAL_ERROR);
}

/* The machine is about to be reset or stopped: this vCPU runs nothing more until it is resumed. */
static void hold(RhVcpu *vcpu)
{
    RH_WITH_LOCK(&vcpu->lock) {
        vcpu->must_pause = true;
    }
}

static bool handle(RhVcpu *vcpu, RhRunResult result)
{
    switch (result) {
    case RH_RUN_AGAIN:
        return false;
    case RH_RUN_HALTED:
        return true;
    case RH_RUN_RESET:
        hold(vcpu);
        rh_request_reset(vcpu->vm, QMP_SHUTDOWN_CAUSE_GUEST_RESET);
        return false;
    case RH_RUN_SHUTDOWN:
        hold(vcpu);
        rh_request_shutdown(vcpu->vm, QMP_SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        return false;
    case RH_RUN_FAILED:
        hold(vcpu);
        rh_loop_post(vcpu->vm->loop, stop_failed, vcpu->vm);
        return false;
    }
    return false;
}

static void *vcpu_thread(void *opaque)
{
    RhVcpu *vcpu = opaque;
    g_autoptr(GError) error = NULL;
    bool good;
    bool is_halted;

    current = vcpu;
    vcpu->thread_id = (int)syscall(SYS_gettid);
    good = !ops(vcpu)->vcpu_init || ops(vcpu)->vcpu_init(vcpu, &error);
    RH_WITH_LOCK(&vcpu->lock) {
        vcpu->is_started = good;
        vcpu->has_failed_to_start = !good;
        vcpu->start_error = g_steal_pointer(&error);
        pthread_cond_broadcast(&vcpu->changed);
    }
    is_halted = !ops(vcpu)->runs_guest;
    while (good && may_run(vcpu, is_halted)) {
        is_halted = !ops(vcpu)->runs_guest || handle(vcpu, ops(vcpu)->vcpu_run(vcpu));
    }
    if (good && ops(vcpu)->vcpu_fini) {
        ops(vcpu)->vcpu_fini(vcpu);
    }
    RH_WITH_LOCK(&vcpu->lock) {
        vcpu->has_ended = true;
        tell_changed(vcpu);
    }
    return NULL;
}

bool rh_vcpu_start(RhVcpu *vcpu, GError **err)
{
    /* "kvm-accel" runs threads "CPU 0/KVM": the names that people look for in top and in traces. */
    g_autofree char *kind = g_ascii_strup(vcpu->vm->accel->obj.type->name,
                                          (gssize)strcspn(vcpu->vm->accel->obj.type->name, "-"));
    g_autofree char *name = g_strdup_printf("CPU %u/%s", vcpu->index, kind);

    vcpu->must_pause = true;
    vcpu->must_exit = false;
    vcpu->has_failed_to_start = false;
    vcpu->has_ended = false;
    vcpu->thread = rh_thread_start(name, vcpu_thread, vcpu);
    rh_lock(&vcpu->lock);
    while (!vcpu->is_started && !vcpu->has_failed_to_start) {
        wait_changed(vcpu);
    }
    rh_unlock(&vcpu->lock);
    if (vcpu->has_failed_to_start) {
        pthread_join(vcpu->thread, NULL);
        g_propagate_error(err, g_steal_pointer(&vcpu->start_error));
        return false;
    }
    return true;
}

static void kick_locked(RhVcpu *vcpu)
{
    vcpu->is_kicked = true;
    pthread_cond_broadcast(&vcpu->changed);
}

static void kick_accel(RhVcpu *vcpu)
{
    if (ops(vcpu)->vcpu_kick) {
        ops(vcpu)->vcpu_kick(vcpu);
    }
}

void rh_vcpu_kick(RhVcpu *vcpu)
{
    RH_WITH_LOCK(&vcpu->lock) {
        kick_locked(vcpu);
    }
    kick_accel(vcpu);
}

/*
 * Wait until *@is_done (of @vcpu, under its lock). The machine lock is dropped meanwhile: the vCPU may want it to leave
 * a device. And it may wait for the main loop, to reset a disk with requests under way, so that one is turned.
 */
static void wait_until(RhVcpu *vcpu, const bool *is_done)
{
    RhVm *vm = vcpu->vm;
    bool is_on_main = rh_loop_current() == vm->loop;
    bool has_lock = !is_on_main && rh_is_locked_by_me(&vm->lock);

    if (has_lock) {
        rh_unlock(&vm->lock);
    }
    rh_lock(&vcpu->lock);
    while (!*is_done) {
        if (is_on_main) {
            rh_unlock(&vcpu->lock);
            rh_loop_turn_urgent(vm->loop);
            rh_lock(&vcpu->lock);
        } else {
            wait_changed(vcpu);
        }
    }
    rh_unlock(&vcpu->lock);
    if (has_lock) {
        rh_lock(&vm->lock);
    }
}

void rh_vcpu_stop(RhVcpu *vcpu)
{
    if (!vcpu->is_started) {
        return;
    }
    RH_WITH_LOCK(&vcpu->lock) {
        vcpu->must_exit = true;
        kick_locked(vcpu);
    }
    kick_accel(vcpu);
    wait_until(vcpu, &vcpu->has_ended);
    pthread_join(vcpu->thread, NULL);
    vcpu->is_started = false;
}

void rh_vcpus_pause(RhVm *vm)
{
    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhVcpu *vcpu = vm->vcpus->pdata[i];

        RH_WITH_LOCK(&vcpu->lock) {
            vcpu->must_pause = true;
            kick_locked(vcpu);
        }
        kick_accel(vcpu);
    }
    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhVcpu *vcpu = vm->vcpus->pdata[i];

        if (vcpu->is_started) {
            wait_until(vcpu, &vcpu->is_paused);
        }
    }
}

void rh_vcpus_resume(RhVm *vm)
{
    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhVcpu *vcpu = vm->vcpus->pdata[i];

        RH_WITH_LOCK(&vcpu->lock) {
            vcpu->must_pause = false;
            vcpu->is_paused = false;    /* also of one that sleeps on: the next pause hears from it anew */
            pthread_cond_broadcast(&vcpu->changed);
        }
    }
}

void rh_vcpu_run_on(RhVcpu *vcpu, void (*fn)(RhVcpu *vcpu, void *arg), void *arg)
{
    Work work = { .fn = fn, .arg = arg };

    if (current == vcpu || !vcpu->is_started) {
        fn(vcpu, arg);
        return;
    }
    RH_WITH_LOCK(&vcpu->lock) {
        g_queue_push_tail(&vcpu->work, &work);
        kick_locked(vcpu);
    }
    kick_accel(vcpu);
    wait_until(vcpu, &work.is_done);
}
