/*
 * See the header. The functions of memory and exceptions that the engine's vector part calls are this file's own here.
 */
#include "tcg-vector-rig.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "target/i386/tcg/codemem.h"

/* ---- memory ---- */

uint8_t *rig_ram(void)
{
    static uint8_t *ram;

    if (!ram) {
        ram = mmap(NULL, RIG_PAGES * RH_PAGE_SIZE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        g_assert(ram != MAP_FAILED);
    }
    return ram;
}

/* The number of the first page that does not allow it, or RIG_PAGES. */
static bool check_access(RhTcgCpu *cpu, uint64_t at, unsigned len, RhAccess access)
{
    enum { PF_PRESENT = 1, PF_WRITE = 2 };
    uint64_t base = (uintptr_t)rig_ram();

    for (uint64_t page = at >> RH_PAGE_BITS; page <= (at + len - 1) >> RH_PAGE_BITS; page++) {
        uint64_t nr = page - (base >> RH_PAGE_BITS);
        bool is_write = access == RH_ACCESS_WRITE;

        if (nr >= RIG_ABSENT || (is_write && nr == RIG_READ_ONLY)) {
            cpu->fault.cr2 = MAX(at, page << RH_PAGE_BITS);
            return rh_tcg_raise(cpu, RH_EXC_PF, (nr < RIG_ABSENT ? PF_PRESENT : 0) | (is_write ? PF_WRITE : 0));
        }
    }
    return true;
}

static void *host_of(uint64_t at)
{
    return (void *)(uintptr_t)at;
}

bool rh_tcg_load_bytes(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, void *ret, unsigned len)
{
    if (!check_access(cpu, at, len, RH_ACCESS_READ)) {
        return false;
    }
    memcpy(ret, host_of(at), len);
    return true;
}

bool rh_tcg_store_bytes(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, const void *bytes, unsigned len)
{
    if (!check_access(cpu, at, len, RH_ACCESS_WRITE)) {
        return false;
    }
    memcpy(host_of(at), bytes, len);
    return true;
}

bool rh_tcg_load(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t *ret)
{
    *ret = 0;
    return rh_tcg_load_bytes(cpu, mode, at, ret, size);
}

bool rh_tcg_store(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t value)
{
    return rh_tcg_store_bytes(cpu, mode, at, &value, size);
}

bool rh_tcg_probe(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, RhAccess access)
{
    return check_access(cpu, at, len, access);
}

bool rh_tcg_linear(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, RhAccess access, uint64_t *ret)
{
    *ret = offset;
    return true;
}

bool rh_tcg_operand_address(RhTcgCpu *cpu, const RhInsn *insn, unsigned len, RhAccess access, uint64_t *ret)
{
    uint64_t at = (uint64_t)insn->disp;

    at += insn->base == RH_REG_RIP ? cpu->rip + insn->len : insn->base == RH_NO_REG ? 0 : cpu->gpr[insn->base];
    at += insn->index == RH_NO_REG ? 0 : cpu->gpr[insn->index] * insn->scale;
    *ret = at & rh_bits(insn->addr_size * 8);
    return true;
}

/* ---- exceptions ---- */

bool rh_tcg_raise(RhTcgCpu *cpu, unsigned vector, uint32_t error)
{
    cpu->fault.vector = (uint8_t)vector;
    cpu->fault.has_error = true;
    cpu->fault.error = error;
    return false;
}

bool rh_tcg_raise_plain(RhTcgCpu *cpu, unsigned vector)
{
    rh_tcg_raise(cpu, vector, 0);
    cpu->fault.has_error = false;
    return false;
}

/* ---- the CPU ---- */

RhTcgCpu *rig_new(void)
{
    RhTcgCpu *cpu = g_aligned_alloc0(1, sizeof(*cpu), 64);

    cpu->cr0 = RH_CR0_PE | 0x10 | 0x20;     /* ET, NE */
    cpu->cr4 = 0x40000 | 0x600;             /* OSXSAVE, OSFXSR, OSXMMEXCPT */
    cpu->xcr0 = 7;
    memset(cpu->features, 0xff, sizeof(cpu->features));
    cpu->rflags = 2;
    cpu->is_protected = true;
    cpu->vector.fcw = 0x37f;
    cpu->vector.mxcsr = 0x1f80;
    rig_set_32(cpu, false);
    return cpu;
}

void rig_free(RhTcgCpu *cpu)
{
    rh_tcg_vector_fini(cpu);
    g_aligned_free(cpu);
}

void rig_set_32(RhTcgCpu *cpu, bool is_32)
{
    cpu->is_long = cpu->is_64 = !is_32;
    cpu->code_size = is_32 ? RH_CODE_32 : RH_CODE_64;
}

int rig_run(RhTcgCpu *cpu, const uint8_t *bytes, unsigned nr)
{
    RhInsn insn;
    bool is_done;

    g_assert_cmpint(rh_decode(bytes, nr, (RhCodeSize)cpu->code_size, &insn), ==, RH_DECODE_OK);
    switch (insn.op) {
    case RH_OP_INVALID:
        return RH_EXC_UD;
    case RH_OP_VECTOR:
    case RH_OP_EMMS:
    case RH_OP_X87:
        is_done = rh_tcg_vector_step(cpu, &insn);
        break;
    default:
        is_done = rh_tcg_xstate_step(cpu, &insn);
        break;
    }
    return is_done ? -1 : cpu->fault.vector;
}

/* ---- the host's CPU ---- */

void rig_native_call(RigNative *native, const void *code, uint64_t xcr0);

__asm__(".text\n"
        ".globl rig_native_call\n.hidden rig_native_call\n.type rig_native_call, @function\n"
        "rig_native_call:\n"
        "    pushq %rbx\n    pushq %rbp\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    subq $40, %rsp\n"
        "    stmxcsr (%rsp)\n    fnstcw 4(%rsp)\n"
        "    movq %rsi, 8(%rsp)\n    movq %rdi, 16(%rsp)\n    movq %rdx, 24(%rsp)\n"
        "    movl %edx, %eax\n    xorl %edx, %edx\n"
        "    xrstor64 (%rdi)\n"
        "    leaq 1664(%rdi), %rdi\n"                   /* gpr[] */
        "    pushq 128(%rdi)\n    popfq\n"
        "    movq 0(%rdi), %rax\n   movq 8(%rdi), %rcx\n   movq 16(%rdi), %rdx\n  movq 24(%rdi), %rbx\n"
        "    movq 40(%rdi), %rbp\n  movq 48(%rdi), %rsi\n  movq 64(%rdi), %r8\n   movq 72(%rdi), %r9\n"
        "    movq 80(%rdi), %r10\n  movq 88(%rdi), %r11\n  movq 96(%rdi), %r12\n  movq 104(%rdi), %r13\n"
        "    movq 112(%rdi), %r14\n movq 120(%rdi), %r15\n movq 56(%rdi), %rdi\n"
        "    callq *8(%rsp)\n"
        "    pushfq\n    pushq %rdi\n    movq 32(%rsp), %rdi\n    leaq 1664(%rdi), %rdi\n"
        "    movq %rax, 0(%rdi)\n   movq %rcx, 8(%rdi)\n   movq %rdx, 16(%rdi)\n  movq %rbx, 24(%rdi)\n"
        "    movq %rbp, 40(%rdi)\n  movq %rsi, 48(%rdi)\n  movq %r8, 64(%rdi)\n   movq %r9, 72(%rdi)\n"
        "    movq %r10, 80(%rdi)\n  movq %r11, 88(%rdi)\n  movq %r12, 96(%rdi)\n  movq %r13, 104(%rdi)\n"
        "    movq %r14, 112(%rdi)\n movq %r15, 120(%rdi)\n"
        "    popq 56(%rdi)\n    popq 128(%rdi)\n"
        "    movq 24(%rsp), %rax\n    xorl %edx, %edx\n"
        "    xsave64 -832(%rdi)\n"
        "    fninit\n    fldcw 4(%rsp)\n    ldmxcsr (%rsp)\n"
        "    addq $40, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbp\n    popq %rbx\n"
        "    retq\n"
        ".size rig_native_call, . - rig_native_call\n");
G_STATIC_ASSERT(offsetof(RigNative, after) == 832 && offsetof(RigNative, gpr) == 1664);
G_STATIC_ASSERT(offsetof(RigNative, rflags) == 1664 + 128);

static sigjmp_buf trap_exit;
static RigNative *volatile trapping;

static void native_trapped(int signal_nr, siginfo_t *info, void *context)
{
    const ucontext_t *user = context;

    trapping->mxcsr_at_trap = user->uc_mcontext.fpregs->mxcsr;
    siglongjmp(trap_exit, signal_nr);
}

static const void *native_code(const uint8_t *bytes, unsigned nr)
{
    static RhCodeMem *mem;
    uint8_t *write;
    const uint8_t *exec;

    if (!mem) {
        mem = rh_codemem_new(1 << 20, NULL);
    }
    if (!rh_codemem_alloc(mem, nr + 1, &write, &exec)) {
        rh_codemem_reset(mem);
        return native_code(bytes, nr);
    }
    memcpy(write, bytes, nr);
    write[nr] = 0xc3;
    return exec;
}

int rig_run_native(RigNative *native, const uint8_t *bytes, unsigned nr)
{
    static const int signals[] = { SIGFPE, SIGILL, SIGSEGV };
    struct sigaction trap = { .sa_sigaction = native_trapped, .sa_flags = SA_SIGINFO };
    struct sigaction old[RH_COUNT(signals)];
    int nr_signal;

    trapping = native;
    for (size_t i = 0; i < RH_COUNT(signals); i++) {
        sigaction(signals[i], &trap, &old[i]);
    }
    memset(&native->after, 0, sizeof(native->after));
    nr_signal = sigsetjmp(trap_exit, 1);
    if (!nr_signal) {
        rig_native_call(native, native_code(bytes, nr), 7);
    }
    for (size_t i = 0; i < RH_COUNT(signals); i++) {
        sigaction(signals[i], &old[i], NULL);
    }
    return nr_signal;
}
