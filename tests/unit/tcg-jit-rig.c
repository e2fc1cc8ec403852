/* See the header. */
#include "tcg-jit-rig.h"

enum { INSN_HLT = 0xf4, GATE_INTERRUPT = 0xe, PTE_KERNEL = 3, NR_LOW_PAGES = 64 };

void jit_rig_start(RhTcgCpu *cpu, uint64_t code_size)
{
    g_autoptr(GError) err = NULL;

    cpu->tcg = (RhTcg *)cpu->vm->accel;
    g_assert_true(rh_tcg_vector_init(cpu, &err));
    cpu->jit = rh_jit_new(cpu, code_size, &err);
    g_assert_no_error(err);
    rh_jit_set_current(cpu);
}

void jit_rig_stop(RhTcgCpu *cpu)
{
    rh_jit_set_current(NULL);
    rh_jit_free(cpu->jit);
    cpu->jit = NULL;
}

Rig *jit_rig_new(uint64_t code_size)
{
    static const char *const names[] = { "tcg", NULL };
    Rig *rig = rig_new();
    g_autoptr(GError) err = NULL;

    rh_accel_open(rig->vm, names, NULL, &err);
    g_assert_no_error(err);
    rig->x86.vcpu.accel = rig->cpu;
    g_ptr_array_add(rig->vm->vcpus, &rig->x86.vcpu);
    jit_rig_start(rig->cpu, code_size);
    return rig;
}

void jit_rig_free(Rig *rig)
{
    jit_rig_stop(rig->cpu);
    g_ptr_array_remove(rig->vm->vcpus, &rig->x86.vcpu);
    rig->x86.vcpu.accel = NULL;
    RH_WITH_MACHINE_LOCK(rig->vm) {
        rh_object_unref(RH_OBJECT(rig->vm->accel));
        rig->vm->accel = NULL;
    }
    rig_free(rig);
}

void jit_rig_exact(Rig *rig, bool is_exact)
{
    rig->cpu->tcg->exact_flags = is_exact;
}

static uint64_t high_base(RigMode mode)
{
    return mode >= RIG_LONG ? JIT_RIG_HIGH : mode >= RIG_PAGED ? JIT_RIG_HIGH_32 : 0;
}

void jit_rig_halt_on_exceptions(Rig *rig)
{
    RhTcgCpu *cpu = rig->cpu;
    uint64_t base = high_base(rig->mode);
    bool is_real = rig->mode == RIG_REAL;
    uint16_t selector = is_real ? JIT_RIG_HANDLERS >> 4 : rig->mode >= RIG_LONG ? RIG_CODE64 : RIG_CODE32;

    for (uint64_t at = 0; base && at < NR_LOW_PAGES * RH_PAGE_SIZE; at += RH_PAGE_SIZE) {
        rig_map(rig, base + at, at | PTE_KERNEL, RH_PAGE_SIZE);
    }
    for (unsigned i = 0; i < JIT_RIG_VECTORS; i++) {
        uint64_t at = JIT_RIG_HANDLERS + i * JIT_RIG_PITCH;

        rig_poke(rig, at, 1, INSN_HLT);
        rig_gate(rig, i, GATE_INTERRUPT, 0, selector, is_real ? i * JIT_RIG_PITCH : base + at);
    }
    cpu->idt.base += base;
    cpu->gdt.base += base;
    cpu->seg[RH_TR].base += base;
    if (base) {
        rig_poke(rig, RIG_TSS + 4, rig->mode >= RIG_LONG ? 8 : 4, base + RIG_RING0_STACK);
    }
    rh_tcg_settle(cpu);
    rh_tlb_flush(cpu, false);
}

bool jit_rig_run(Rig *rig, unsigned max_rounds)
{
    RhTcgCpu *cpu = rig->cpu;

    for (unsigned i = 0; i < max_rounds; i++) {
        __atomic_store_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);
        rh_jit_run(cpu);
        if (cpu->is_halted || cpu->is_shut_down) {
            return true;
        }
    }
    return false;
}

void jit_rig_frame(Rig *rig, JitRigFrame *ret)
{
    const RhTcgCpu *cpu = rig->cpu;
    unsigned word = rig->mode >= RIG_LONG ? 8 : 4;
    uint64_t base = high_base(rig->mode);
    uint64_t at = cpu->gpr[RH_RSP] - base;
    uint64_t handlers = JIT_RIG_HANDLERS + base;
    unsigned vector = (unsigned)((cpu->rip - 1 - handlers) / JIT_RIG_PITCH);
    bool has_error = (0x27d00u >> vector & 1) && vector < 32;       /* SDM vol. 3 table 6-1 */

    *ret = (JitRigFrame){ .vector = vector };
    if (has_error) {
        ret->error = (uint32_t)rig_peek(rig, at, 4);
        at += word;
    }
    ret->rip = rig_peek(rig, at, word);
    ret->rflags = rig_peek(rig, at + 2 * word, word);
    ret->rsp = rig_peek(rig, at + 3 * word, word);
}
