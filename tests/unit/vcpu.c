/*
 * vCPU threads that run no guest: a pause waits for what is queued to them.
 */
#include "softmmu/accel.h"
#include "util/loop.h"
#include "util/thread.h"

#include <semaphore.h>

/* An accelerator whose vCPUs are always halted. */
typedef RhAccel Halted;
RH_ACCEL(Halted, .name = RH_ACCEL_NAME("test-halted"), .doc = "Runs nothing");

typedef struct Fixture {
    RhVm *vm;
    RhVcpu vcpu;
    pthread_t asker;
    sem_t begun, may_end;
    bool has_ended;
} Fixture;

static void set_up(Fixture *f, const void *unused)
{
    g_autoptr(GError) err = NULL;

    f->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    f->vm->accel = (RhAccel *)rh_object_new(f->vm, RH_ACCEL_NAME("test-halted"), &err);
    g_assert_no_error(err);
    sem_init(&f->begun, 0, 0);
    sem_init(&f->may_end, 0, 0);
    rh_lock(&f->vm->lock);
    rh_vcpu_init(&f->vcpu, f->vm, NULL, 0);
    rh_vcpu_start(&f->vcpu, &err);
    g_assert_no_error(err);
}

static void tear_down(Fixture *f, const void *unused)
{
    rh_vcpu_fini(&f->vcpu);
    rh_unlock(&f->vm->lock);
    rh_object_unref(&f->vm->accel->obj);
    f->vm->accel = NULL;
    rh_vm_free(f->vm);
    sem_destroy(&f->begun);
    sem_destroy(&f->may_end);
}

static void slow_work(RhVcpu *vcpu, void *opaque)
{
    Fixture *f = opaque;

    sem_post(&f->begun);
    sem_wait(&f->may_end);
    __atomic_store_n(&f->has_ended, true, __ATOMIC_RELEASE);
}

static void *ask(void *opaque)
{
    Fixture *f = opaque;

    rh_vcpu_run_on(&f->vcpu, slow_work, f);
    return NULL;
}

static void let_it_end(void *opaque)
{
    sem_post(&((Fixture *)opaque)->may_end);
}

/* The work ends only once the main loop turns, which it does while it waits for the vCPU. */
static void pause_in_work(Fixture *f)
{
    f->has_ended = false;
    f->asker = rh_thread_start("asker", ask, f);
    sem_wait(&f->begun);
    rh_loop_post_urgent(f->vm->loop, let_it_end, f);
    rh_vcpus_pause(f->vm);
    g_assert_true(__atomic_load_n(&f->has_ended, __ATOMIC_ACQUIRE));
    pthread_join(f->asker, NULL);
}

static void test_pause_while_running(Fixture *f, const void *unused)
{
    rh_vcpus_pause(f->vm);
    rh_vcpus_resume(f->vm);
    pause_in_work(f);
    rh_vcpus_resume(f->vm);
    pause_in_work(f);
}

static void test_pause_while_paused(Fixture *f, const void *unused)
{
    rh_vcpus_pause(f->vm);
    pause_in_work(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add("/vcpu/pause-while-running", Fixture, NULL, set_up, test_pause_while_running, tear_down);
    g_test_add("/vcpu/pause-while-paused", Fixture, NULL, set_up, test_pause_while_paused, tear_down);
    return g_test_run();
}
