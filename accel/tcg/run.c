/*
 * The run loop of a vCPU: requests first, then guest code until there is another one.
 *
 * Invariants:
 * 1. The thread is an RCU reader while it runs guest code: memory that a map change took away stays mapped until the vCPU
 *    has answered the RH_TCG_FLUSH that came with the change, by forgetting every host pointer.
 * 2. attention is cleared before requests is read, so a request that comes meanwhile sets it again and is not lost.
 * 3. A request that cannot be met now (an interrupt while IF is 0) stays in requests; what makes it possible (STI, POPF, IRET...)
 *    sets attention. Under an interrupt shadow one instruction runs, then the loop looks again.
 */
#include "accel/tcg/jit.h"

static bool take(RhTcgCpu *cpu, uint32_t request)
{
    return __atomic_fetch_and(&cpu->requests, ~request, __ATOMIC_SEQ_CST) & request;
}

static void forget_pointers(RhTcgCpu *cpu)
{
    rh_rcu_read_unlock();
    rh_rcu_read_lock();
    rh_tlb_flush(cpu, false);
    if (cpu->jit) {
        rh_jit_drop_all(cpu->jit);  /* other memory may be at the same addresses */
    }
}

static void initialize(RhTcgCpu *cpu)
{
    if (cpu->vm->accel->initialize) {
        RH_WITH_MACHINE_LOCK(cpu->vm) {
            cpu->vm->accel->initialize(cpu->vcpu);
        }
    }
}

static void deliver_injected(RhTcgCpu *cpu)
{
    if (cpu->has_injected_fault) {
        cpu->has_injected_fault = false;
        rh_tcg_deliver_fault(cpu);
    }
    if (cpu->has_injected_interrupt) {
        cpu->has_injected_interrupt = false;
        rh_tcg_deliver_interrupt(cpu, cpu->injected_interrupt);
    }
}

static void interrupt(RhTcgCpu *cpu)
{
    RhAccel *accel = cpu->vm->accel;
    int vector = -1;

    RH_WITH_MACHINE_LOCK(cpu->vm) {
        vector = accel->acknowledge ? accel->acknowledge(cpu->vcpu) : -1;
    }
    if (vector >= 0) {
        cpu->is_halted = false;
        rh_tcg_deliver_interrupt(cpu, (uint8_t)vector);
    }
}

/* Events that go to a CPU that runs or halts, by priority, SDM vol. 3 table 6-2: SMI, NMI, INTR. Traps went before. */
static void take_events(RhTcgCpu *cpu)
{
    uint32_t requests = __atomic_load_n(&cpu->requests, __ATOMIC_SEQ_CST);

    if (!(requests & (RH_TCG_SMI | RH_TCG_NMI | RH_TCG_INTR))) {
        return;
    }
    if (cpu->shadow) {
        cpu->attention = 1;
    } else if ((requests & RH_TCG_SMI) && !cpu->is_in_smm) {
        take(cpu, RH_TCG_SMI);
        rh_tcg_enter_smm(cpu);      /* is_halted goes to the save area */
        cpu->attention = 1;
    } else if ((requests & RH_TCG_NMI) && !cpu->is_nmi_masked) {
        take(cpu, RH_TCG_NMI);
        cpu->is_halted = false;
        rh_tcg_deliver_nmi(cpu);
        cpu->attention = 1;
    } else if ((requests & RH_TCG_INTR) && (cpu->rflags & RH_RFLAGS_IF)) {
        interrupt(cpu);
    }
}

/* Answer what was asked for; true: vcpu_run has to return. */
static bool attend(RhTcgCpu *cpu)
{
    __atomic_store_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);
    if (take(cpu, RH_TCG_KICK)) {
        __atomic_store_n(&cpu->attention, 1, __ATOMIC_SEQ_CST);     /* the rest, at the next call */
        return true;
    }
    if (take(cpu, RH_TCG_SHOOT)) {
        rh_code_answer(cpu);
    }
    if (take(cpu, RH_TCG_FLUSH)) {
        forget_pointers(cpu);
    }
    if (!cpu->is_in_smm && take(cpu, RH_TCG_INIT)) {    /* SDM vol. 3 §31.3.1: pending until RSM */
        initialize(cpu);
    }
    if (cpu->mp_state == RH_MP_RUNNABLE || cpu->mp_state == RH_MP_HALTED) {
        deliver_injected(cpu);
        if (!rh_tcg_check_traps(cpu)) {
            rh_tcg_deliver_fault(cpu);
        }
        take_events(cpu);
    }
    return false;
}

static bool may_sleep(const RhTcgCpu *cpu)
{
    return cpu->is_halted || (cpu->mp_state != RH_MP_RUNNABLE && cpu->mp_state != RH_MP_HALTED);
}

static void interpret(RhTcgCpu *cpu)
{
    do {
        if (G_UNLIKELY(!rh_tcg_step(cpu))) {
            rh_tcg_deliver_fault(cpu);
        }
    } while (!(__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED) | cpu->is_halted | cpu->is_shut_down));
}

static RhRunResult run(RhTcgCpu *cpu)
{
    cpu->attention = 1;
    for (;;) {
        if (__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED) && attend(cpu)) {
            return RH_RUN_AGAIN;
        }
        if (cpu->is_shut_down) {
            cpu->is_shut_down = false;
            return RH_RUN_RESET;
        }
        if (may_sleep(cpu)) {
            return RH_RUN_HALTED;
        }
        if (cpu->jit) {
            rh_jit_run(cpu);
        } else {
            interpret(cpu);
        }
    }
}

RhRunResult rh_tcg_vcpu_run(RhVcpu *vcpu)
{
    RhTcgCpu *cpu = rh_tcg_cpu(vcpu);
    RhRunResult result;
    uint64_t generation;

    rh_rcu_read_lock();
    generation = rh_space_generation(cpu->vm->memory);
    if (cpu->map_generation != generation) {    /* while we were no reader */
        cpu->map_generation = generation;
        rh_tlb_flush(cpu, false);
        if (cpu->jit) {
            rh_jit_drop_all(cpu->jit);
        }
    }
    __atomic_store_n(&cpu->is_in_guest, true, __ATOMIC_SEQ_CST);
    result = run(cpu);
    __atomic_store_n(&cpu->is_in_guest, false, __ATOMIC_SEQ_CST);
    rh_rcu_read_unlock();
    return result;
}
