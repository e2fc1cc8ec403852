/*
 * The gate before KVM_RUN. Invariants:
 *  1. A vCPU sets is_in_run, then looks at is_closed; the closer sets is_closed, then looks at
 *     is_in_run. Both orders are sequentially consistent, so one of them sees the other.
 *  2. While is_closed, a vCPU that is not in KVM_RUN does not enter it.
 *  3. The closer holds the machine lock; a vCPU waits here without any lock.
 */
#include "accel/kvm/kvm.h"

void rh_kvm_gate_init(RhKvmGate *gate)
{
    rh_mutex_init(&gate->lock);
    pthread_cond_init(&gate->moved, NULL);
    gate->vcpus = g_ptr_array_new();
}

void rh_kvm_gate_fini(RhKvmGate *gate)
{
    if (!gate->vcpus) {
        return;
    }
    g_ptr_array_unref(gate->vcpus);
    gate->vcpus = NULL;
    pthread_cond_destroy(&gate->moved);
    rh_mutex_fini(&gate->lock);
}

/* The condition variable knows the native mutex only: keep the owner's name straight around it. */
static void gate_sleep(RhKvmGate *gate)
{
    gate->lock.is_held = false;
    pthread_cond_wait(&gate->moved, &gate->lock.native);
    gate->lock.is_held = true;
    gate->lock.owner = pthread_self();
}

void rh_kvm_gate_close(RhKvmGate *gate)
{
    RH_WITH_LOCK(&gate->lock) {
        __atomic_store_n(&gate->is_closed, true, __ATOMIC_SEQ_CST);
        for (guint i = 0; i < gate->vcpus->len; i++) {
            RhKvmVcpu *kv = g_ptr_array_index(gate->vcpus, i);

            while (__atomic_load_n(&kv->is_in_run, __ATOMIC_SEQ_CST)) {
                rh_kvm_kick(kv);
                gate_sleep(gate);
            }
        }
    }
}

void rh_kvm_gate_open(RhKvmGate *gate)
{
    RH_WITH_LOCK(&gate->lock) {
        __atomic_store_n(&gate->is_closed, false, __ATOMIC_SEQ_CST);
        pthread_cond_broadcast(&gate->moved);
    }
}

void rh_kvm_gate_left(RhKvmVcpu *kv)
{
    RH_WITH_LOCK(&kv->kvm->gate.lock) {
        pthread_cond_broadcast(&kv->kvm->gate.moved);
    }
}

void rh_kvm_gate_wait(RhKvmVcpu *kv)
{
    RhKvmGate *gate = &kv->kvm->gate;

    RH_WITH_LOCK(&gate->lock) {
        __atomic_store_n(&kv->is_in_run, false, __ATOMIC_SEQ_CST);
        pthread_cond_broadcast(&gate->moved);
        while (__atomic_load_n(&gate->is_closed, __ATOMIC_SEQ_CST)) {
            gate_sleep(gate);
        }
    }
}
