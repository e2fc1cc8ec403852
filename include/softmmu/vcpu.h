/*
 * vCPU threads: one host thread runs one virtual CPU through the accelerator.
 *
 * The thread loop: take queued work and stop requests, then accel->vcpu_run until it returns. A
 * "kick" makes vcpu_run return soon from any thread.
 */
#ifndef RH_SOFTMMU_VCPU_H
#define RH_SOFTMMU_VCPU_H

#include "softmmu/space.h"

typedef struct RhVcpu {
    RhVm *vm;
    RhObject *cpu;              /* the CPU device that embeds this */
    unsigned index;             /* in vm->vcpus */
    uint64_t arch_id;           /* APIC id */
    pthread_t thread;
    int thread_id;              /* host tid, for query-cpus-fast */
    RhMutex lock;               /* leaf; guards what follows up to work */
    pthread_cond_t changed;     /* of anything below */
    bool must_pause;
    bool must_exit;
    bool is_kicked;             /* since the thread last looked */
    bool is_paused;
    bool is_started;
    bool has_failed_to_start;
    bool has_ended;             /* is_started, and the thread is about to be gone */
    GError *start_error;
    GQueue work;
    RhLookup memory_lookup;     /* the vCPU thread's own */
    RhLookup ports_lookup;
    void *accel;                /* the accelerator's data for this vCPU */
} RhVcpu;

/** RhRunResult - why vcpu_run came back */
typedef enum RhRunResult {
    RH_RUN_AGAIN,               /* kicked, or nothing special: look for work and go on */
    RH_RUN_HALTED,              /* waits for an interrupt that the accelerator does not deliver: sleep until kicked */
    RH_RUN_RESET,               /* guest asked for reset (triple fault); run state takes over */
    RH_RUN_SHUTDOWN,
    RH_RUN_FAILED,              /* cannot go on: an explanation was printed; machine stops (internal-error) */
} RhRunResult;

/** rh_vcpu_init/fini - enter into vm->vcpus as the next index, and leave; a CPU device calls them in realize and unrealize */
void rh_vcpu_init(RhVcpu *vcpu, RhVm *vm, RhObject *cpu, uint64_t arch_id);
void rh_vcpu_fini(RhVcpu *vcpu);
/** rh_vcpu_start - make the thread (named "CPU N/NAME") and wait until the accelerator made its vCPU; @err from it. Machine lock or start-up. */
bool rh_vcpu_start(RhVcpu *vcpu, GError **err);
/** rh_vcpu_stop - end the thread and wait for it; not from the vCPU's thread */
void rh_vcpu_stop(RhVcpu *vcpu);
/** rh_vcpu_kick - let it look for work soon; any thread */
void rh_vcpu_kick(RhVcpu *vcpu);
/** rh_vcpus_pause/resume - all vCPUs; pause returns when none runs guest code. Main thread, machine lock held (dropped while waiting). */
void rh_vcpus_pause(RhVm *vm);
void rh_vcpus_resume(RhVm *vm);
/** rh_vcpu_run_on - run fn(vcpu, arg) on its thread between two runs, and wait; from the vCPU's own thread it runs at once */
void rh_vcpu_run_on(RhVcpu *vcpu, void (*fn)(RhVcpu *vcpu, void *arg), void *arg);
/** rh_vcpu_current - the vCPU whose thread calls, or NULL */
RhVcpu *rh_vcpu_current(void);

#endif
