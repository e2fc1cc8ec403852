/*
 * The host raises signals for what translated code does on the guest's behalf: division errors, unmasked floating-point
 * exceptions, misaligned vector operands. Each such place has a row in its block; the handler goes on at the glue that leaves translated code,
 * and the interpreter raises the guest's exception by executing the instruction again. SIGILL comes from the interpreter's stubs, too:
 * instructions that the decoder knows and the host's CPU refuses.
 *
 * Spec: SDM vol. 3 §6.15.  The handler touches nothing but the interrupted context and the vCPU of its thread.
 */
#include "accel/tcg/jit.h"

#include <signal.h>
#include <ucontext.h>
#include "target/i386/tcg/stub.h"

static __thread RhTcgCpu *current_cpu;

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
enum { NR_SIGNALS = 4 };
static struct sigaction previous[NR_SIGNALS];

/* The block whose code holds the byte at @write, of the writable view; or NULL. Blocks are in order of their code. */
static const RhBlock *block_at(const RhTcgJit *jit, const uint8_t *write)
{
    uint32_t low = 0;
    uint32_t high = jit->nr_blocks;

    while (low < high) {            /* the first block that starts behind it */
        uint32_t middle = (low + high) / 2;

        if (jit->blocks[middle].write_start <= write) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? &jit->blocks[low - 1] : NULL;
}

static const RhTrap *trap_at(const RhTcgJit *jit, const RhBlock *block, const uint8_t *address)
{
    uint32_t at = (uint32_t)(rh_codemem_writable(jit->mem, address) - block->write_start);

    for (uint32_t i = 0; i < block->nr_traps; i++) {
        const RhTrap *trap = &jit->traps[block->first_trap + i];

        if (trap->at == at) {
            return trap;
        }
    }
    return NULL;
}

static bool leave_block(RhTcgJit *jit, ucontext_t *context)
{
    greg_t *regs = context->uc_mcontext.gregs;
    const uint8_t *address = (const uint8_t *)regs[REG_RIP];
    const RhBlock *block;
    const RhTrap *trap;

    if (!jit || !rh_codemem_has(jit->mem, address)) {
        return false;
    }
    block = block_at(jit, rh_codemem_writable(jit->mem, address));
    trap = block ? trap_at(jit, block, address) : NULL;
    if (!trap) {
        return false;
    }
    if (trap->has_flags) {
        jit->cpu->scratch[RH_SCRATCH_FLAGS] = rh_saved_flags((uint64_t)regs[REG_EFL]);
    }
    regs[REG_R10] = (greg_t)(block->rip + trap->insn_offset);
    regs[REG_RIP] = (greg_t)(jit->exec + (jit->glue.leave[RH_LEAVE_INTERPRET] - jit->code));
    return true;
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    unsigned i = 0;

    if (current_cpu && (leave_block(current_cpu->jit, context) ||
                        (signal == SIGILL && rh_stubs_rescue(current_cpu->stubs, context)))) {
        return;
    }
    while (signals[i] != signal) {
        i++;
    }
    if (previous[i].sa_flags & SA_SIGINFO) {
        previous[i].sa_sigaction(signal, info, context);
    } else if (previous[i].sa_handler != SIG_DFL && previous[i].sa_handler != SIG_IGN) {
        previous[i].sa_handler(signal);
    } else {
        sigaction(signal, &previous[i], NULL);      /* a fault of ours: it comes again, and ends us */
    }
}

void rh_jit_catch_signals(void)
{
    static gsize is_done;

    if (g_once_init_enter(&is_done)) {
        struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

        for (unsigned i = 0; i < NR_SIGNALS; i++) {
            sigaction(signals[i], &action, &previous[i]);
        }
        g_once_init_leave(&is_done, 1);
    }
}

/* Threads of ours block every signal, and the kernel ends a process whose thread raises one that it blocks. */
void rh_jit_set_current(RhTcgCpu *cpu)
{
    sigset_t ours;

    sigemptyset(&ours);
    for (unsigned i = 0; i < NR_SIGNALS; i++) {
        sigaddset(&ours, signals[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
    current_cpu = cpu;
}
