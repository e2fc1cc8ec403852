/*
 * Interpreter: ports. Every access goes through the dispatcher; a device may run under its lock or the machine lock.
 */
#include "softmmu/vm.h"
#include "target/i386/tcg/interp.h"
#include "target/i386/tcg/vector-live.h"

static void note(RhTcgCpu *cpu, uint16_t port, unsigned size)
{
    if (G_UNLIKELY(cpu->dr7 & 0xff)) {
        rh_tcg_note_io_access(cpu, port, size);
    }
}

static uint64_t port_load(RhTcgCpu *cpu, uint16_t port, unsigned size)
{
    uint64_t value = UINT64_MAX;
    bool was_live = rh_tcg_vector_save(cpu);

    rh_space_load(cpu->vm->ports, &cpu->vcpu->ports_lookup, port, size, &value);    /* nobody there: all ones */
    rh_tcg_vector_restore(cpu, was_live);
    note(cpu, port, size);
    return value;
}

static void port_store(RhTcgCpu *cpu, uint16_t port, unsigned size, uint64_t value)
{
    bool was_live = rh_tcg_vector_save(cpu);

    rh_space_store(cpu->vm->ports, &cpu->vcpu->ports_lookup, port, size, rh_truncate(value, size));
    rh_tcg_vector_restore(cpu, was_live);
    note(cpu, port, size);
}

bool rh_interp_in(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t port;

    rh_interp_read(cpu, insn, 1, 2, &port);
    if (!rh_tcg_check_io(cpu, (uint16_t)port, insn->size)) {
        return false;
    }
    rh_set_gpr(cpu, RH_RAX, insn->size, port_load(cpu, (uint16_t)port, insn->size));
    return true;
}

bool rh_interp_out(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t port;

    rh_interp_read(cpu, insn, 0, 2, &port);
    if (!rh_tcg_check_io(cpu, (uint16_t)port, insn->size)) {
        return false;
    }
    port_store(cpu, (uint16_t)port, insn->size, cpu->gpr[RH_RAX]);
    return true;
}

/* The destination is checked before the port is read: a device would not give the value a second time. */
static bool run_ins(RhTcgCpu *cpu, const RhInsn *insn, uint64_t max, uint64_t *ret_done)
{
    uint64_t at;

    if (!rh_interp_string_address(cpu, insn, RH_RDI, RH_ACCESS_WRITE, &at) ||
        !rh_tcg_probe(cpu, cpu->tlb_mode, at, insn->size, RH_ACCESS_WRITE) ||
        !rh_interp_store(cpu, at, insn->size, port_load(cpu, (uint16_t)cpu->gpr[RH_RDX], insn->size))) {
        return false;
    }
    rh_interp_advance(cpu, insn, RH_RDI, 1);
    *ret_done = 1;
    return true;
}

static bool run_outs(RhTcgCpu *cpu, const RhInsn *insn, uint64_t max, uint64_t *ret_done)
{
    uint64_t value;
    uint64_t at;

    if (!rh_interp_string_address(cpu, insn, RH_RSI, RH_ACCESS_READ, &at) ||
        !rh_interp_load(cpu, at, insn->size, &value)) {
        return false;
    }
    port_store(cpu, (uint16_t)cpu->gpr[RH_RDX], insn->size, value);
    rh_interp_advance(cpu, insn, RH_RSI, 1);
    *ret_done = 1;
    return true;
}

bool rh_interp_ins(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_check_io(cpu, (uint16_t)cpu->gpr[RH_RDX], insn->size) && rh_interp_repeat(cpu, insn, run_ins);
}

bool rh_interp_outs(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_check_io(cpu, (uint16_t)cpu->gpr[RH_RDX], insn->size) && rh_interp_repeat(cpu, insn, run_outs);
}
