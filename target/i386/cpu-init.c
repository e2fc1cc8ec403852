/*
 * INIT and start-up messages: what they do to a CPU whose accelerator has no local APIC.
 * Spec: Intel SDM vol. 3, table 10-1 and §9.4.  Lock: machine lock, on the vCPU's thread between two runs.
 */
#include "softmmu/accel.h"
#include "target/i386/cpu.h"

#define CR0_KEPT UINT64_C(0x60000000)   /* CD and NW survive an INIT */

static void move(RhVcpu *vcpu, void (*change)(RhX86Cpu *cpu, unsigned vector), unsigned vector)
{
    RhX86Cpu *cpu = rh_x86_cpu(vcpu);
    const RhAccelType *ops = rh_accel_type(vcpu->vm->accel);
    g_autoptr(GError) error = NULL;

    if (ops->vcpu_fetch && !ops->vcpu_fetch(vcpu, &error)) {
        rh_guest_error(&cpu->parent, "cannot get the state of CPU %u: %s", vcpu->index, error->message);
        return;
    }
    change(cpu, vector);
    if (ops->vcpu_store && !ops->vcpu_store(vcpu, false, &error)) {
        rh_guest_error(&cpu->parent, "cannot set the state of CPU %u: %s", vcpu->index, error->message);
    }
}

/* FPU, SSE, MSRs and the time stamp counter stay; what makes the mode goes to what it is after reset. */
static void initialize(RhX86Cpu *cpu, unsigned vector)
{
    RhX86State *state = &cpu->x86.state;
    const RhX86State *fresh = &rh_x86_state_at_reset;
    const RhCpuidEntry *leaf1 = rh_cpuid_find(cpu->x86.cpuid, cpu->x86.nr_cpuid, 1, 0);

    memcpy(state->gpr, fresh->gpr, sizeof(state->gpr));
    memcpy(state->seg, fresh->seg, sizeof(state->seg));
    memcpy(state->dr, fresh->dr, sizeof(state->dr));
    state->gpr[RH_RDX] = leaf1 ? leaf1->eax : 0;
    state->rip = fresh->rip;
    state->rflags = fresh->rflags;
    state->gdt = fresh->gdt;
    state->idt = fresh->idt;
    state->dr6 = fresh->dr6;
    state->dr7 = fresh->dr7;
    state->cr0 = (fresh->cr0 & ~CR0_KEPT) | (state->cr0 & CR0_KEPT);
    state->cr2 = 0;
    state->cr3 = 0;
    state->cr4 = 0;
    state->cr8 = 0;
    state->efer = 0;
    state->has_pdptrs = false;
    memset(&state->events, 0, sizeof(state->events));
    state->mp_state = cpu->x86.vcpu.index == 0 ? RH_MP_RUNNABLE : RH_MP_INIT_RECEIVED;
}

/* §9.4.4: the vector is the page at which it begins. One that does not wait for this ignores it. */
static void start_up(RhX86Cpu *cpu, unsigned vector)
{
    RhX86State *state = &cpu->x86.state;

    if (state->mp_state != RH_MP_INIT_RECEIVED) {
        return;
    }
    state->seg[RH_CS].selector = vector << 8;
    state->seg[RH_CS].base = (uint64_t)vector << 12;
    state->rip = 0;
    state->mp_state = RH_MP_RUNNABLE;
}

void rh_x86_cpu_init_message(RhVcpu *vcpu)
{
    move(vcpu, initialize, 0);
}

void rh_x86_cpu_startup_message(RhVcpu *vcpu, uint8_t vector)
{
    move(vcpu, start_up, vector);
}
