/*
 * Runs code natively: registers are loaded from a page at a fixed low address, so that the way in and out needs none of them.
 * Faults are signals on an alternate stack; their handler only notes what happened and goes on at the way out, with all
 * registers as they were. 32-bit code is entered and left by far jumps; it has no null selectors for data, as 64-bit code may. See native.h.
 */
#include "tests/tcg/native.h"

#include <asm/prctl.h>
#include <immintrin.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>

typedef struct FarPointer {
    uint32_t offset;
    uint16_t selector;
} FarPointer;

/* Where the trampoline finds and leaves registers; the assembly below knows these offsets. */
typedef struct NativePage {
    uint64_t gpr[RH_NR_GPR];        /* 0x00 */
    uint64_t rflags;                /* 0x80 */
    uint64_t fs_base, gs_base;      /* 0x88, 0x90 */
    uint64_t host_rsp;              /* 0x98 */
    uint64_t host_fs_base;          /* 0xa0 */
    uint64_t enter, leave;          /* 0xa8, 0xb0: addresses to jump to */
    uint32_t host_mxcsr;            /* 0xb8 */
    uint32_t data_selector;         /* 0xbc: of DS, ES, FS, GS while the code runs */
    FarPointer enter_32;            /* 0xc0: where 32-bit code is */
    RhTcgVector vector __attribute__((aligned(64)));    /* 0x100 */
    /* noted by the signal handler */
    volatile sig_atomic_t is_running;
    uint64_t rip, error, cr2, trap;
    bool has_fault;
} NativePage;
G_STATIC_ASSERT(offsetof(NativePage, vector) == 0x100);
G_STATIC_ASSERT(offsetof(NativePage, enter) == 0xa8);
G_STATIC_ASSERT(offsetof(NativePage, data_selector) == 0xbc);
G_STATIC_ASSERT(offsetof(NativePage, enter_32) == 0xc0);

#define PAGE_AT 0x30000000
enum { STACK_SIZE = 64 * 1024 };
#define HWCAP2_FSGSBASE 2u
/* Linux's own for user mode: 32-bit code, data, 64-bit code. With CONFIG_IA32_EMULATION or without, they are in its GDT. */
enum { CODE_32 = 0x23, DATA = 0x2b, CODE_64 = 0x33 };

static NativePage *const page = (NativePage *)PAGE_AT;
static uint8_t *code_alias;         /* the code page, writable */

void rh_native_enter(void);
void rh_native_go_32(void);
void rh_native_leave(void);
void rh_native_leave_fault(void);

/* clang-format off */
__asm__(
    ".text\n"
    ".set P, 0x30000000\n"
    "rh_native_enter:\n"
    "   push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; pushfq\n"
    "   mov %rsp, P+0x98\n"
    "   stmxcsr P+0xb8\n"
    "   mov $7, %eax; xor %edx, %edx; xrstor64 P+0x100\n"
    "   mov P+0xbc, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs\n"
    "   mov P+0x88, %rax; wrfsbase %rax\n"
    "   mov P+0x90, %rax; wrgsbase %rax\n"
    "   pushq P+0x80; popfq\n"
    "   mov P+0x00, %rax; mov P+0x08, %rcx; mov P+0x10, %rdx; mov P+0x18, %rbx\n"
    "   mov P+0x20, %rsp; mov P+0x28, %rbp; mov P+0x30, %rsi; mov P+0x38, %rdi\n"
    "   mov P+0x40, %r8;  mov P+0x48, %r9;  mov P+0x50, %r10; mov P+0x58, %r11\n"
    "   mov P+0x60, %r12; mov P+0x68, %r13; mov P+0x70, %r14; mov P+0x78, %r15\n"
    "   jmp *P+0xa8\n"
    "rh_native_go_32:\n"
    "   ljmp *P+0xc0\n"
    /* The code ended: nothing was noted by the handler, so segment bases are still the code's. */
    "rh_native_leave:\n"
    "   mov %rax, P+0x00\n"
    "   rdfsbase %rax; mov %rax, P+0x88\n"
    "   rdgsbase %rax; mov %rax, P+0x90\n"
    "   jmp 1f\n"
    "rh_native_leave_fault:\n"
    "   mov %rax, P+0x00\n"
    "1: mov %rcx, P+0x08; mov %rdx, P+0x10; mov %rbx, P+0x18\n"
    "   mov %rsp, P+0x20; mov %rbp, P+0x28; mov %rsi, P+0x30; mov %rdi, P+0x38\n"
    "   mov %r8,  P+0x40; mov %r9,  P+0x48; mov %r10, P+0x50; mov %r11, P+0x58\n"
    "   mov %r12, P+0x60; mov %r13, P+0x68; mov %r14, P+0x70; mov %r15, P+0x78\n"
    "   mov P+0x98, %rsp\n"
    "   pushfq; popq P+0x80\n"
    "   cld\n"
    "   xor %eax, %eax; mov %eax, %ds; mov %eax, %es; mov %eax, %fs; mov %eax, %gs; wrgsbase %rax\n"
    "   mov P+0xa0, %rax; wrfsbase %rax\n"
    "   mov $7, %eax; xor %edx, %edx; xsave64 P+0x100\n"
    "   fninit; vzeroupper; ldmxcsr P+0xb8\n"
    "   popfq; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "   ret\n"
);
/* clang-format on */

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
static struct sigaction previous[RH_COUNT(signals)];

/* A signal of the test program itself: for whoever waits for it, or it comes again, with its usual end. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
    unsigned i = 0;

    while (signals[i] != signal) {
        i++;
    }
    if (previous[i].sa_flags & SA_SIGINFO) {
        previous[i].sa_sigaction(signal, info, context);
    } else {
        sigaction(signal, &previous[i], NULL);
    }
}

/* The code's FS base is still in place when a signal comes: nothing here may use thread-local data before it is put back. */
__attribute__((no_stack_protector, no_sanitize("address", "undefined", "thread"), target("fsgsbase")))
static void note_fault(int signal, siginfo_t *info, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

    if (!page->is_running) {
        pass_on(signal, info, context);
        return;
    }
    page->fs_base = _readfsbase_u64();
    page->gs_base = _readgsbase_u64();
    _writefsbase_u64(page->host_fs_base);
    page->has_fault = true;
    page->trap = regs[REG_TRAPNO];
    page->error = regs[REG_ERR];
    page->cr2 = regs[REG_CR2];
    page->rip = regs[REG_RIP];
    /* Where it goes on is 64-bit code, whatever was interrupted. */
    regs[REG_CSGSFS] = (regs[REG_CSGSFS] & ~(greg_t)UINT16_MAX) | CODE_64;
    regs[REG_RIP] = (greg_t)rh_native_leave_fault;
    regs[REG_EFL] &= ~(greg_t)RH_RFLAGS_TF;     /* code that has set it would trap there for ever */
}

static bool map_fixed(void *at, size_t size, int prot, int flags, int fd)
{
    return mmap(at, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0) == at;
}

static bool map_all(void)
{
    int fd = memfd_create("code", MFD_CLOEXEC);
    bool ok = fd >= 0 && ftruncate(fd, 4096) == 0 &&
              map_fixed((void *)RH_NATIVE_CODE, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd) &&
              map_fixed((void *)RH_NATIVE_DATA, RH_NATIVE_DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1) &&
              map_fixed(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

    if (ok) {
        code_alias = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ok = code_alias != MAP_FAILED;
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void take_signals(void)
{
    struct sigaction action = { .sa_sigaction = note_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    static uint8_t bytes[STACK_SIZE];
    stack_t stack = { .ss_sp = bytes, .ss_size = sizeof(bytes) };

    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < RH_COUNT(signals); i++) {
        sigaction(signals[i], &action, &previous[i]);
    }
}

bool rh_native_init(const char **ret_why)
{
    static bool is_done;

    if (is_done) {
        return true;
    }
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
        *ret_why = "the kernel does not allow FSGSBASE";
        return false;
    }
    if (!__builtin_cpu_supports("avx")) {
        *ret_why = "the CPU has no AVX";
        return false;
    }
    if (!map_all()) {
        *ret_why = "the addresses of code and data are not free";
        return false;
    }
    memset(code_alias, 0xcc, 4096);
    take_signals();
    page->leave = (uint64_t)rh_native_leave;
    is_done = true;
    return true;
}

/* Code, then, for 32-bit code, a far jump to 64-bit code behind it, then a jump to the way out through memory: all leave registers alone. */
static void put_code(const uint8_t *code, size_t len, bool is_32)
{
    static const uint8_t leave[] = { 0xff, 0x24, 0x25, 0xb0, 0x00, 0x00, 0x30 };
    uint8_t far_jump[] = { 0xea, 0, 0, 0, 0, CODE_64, 0 };
    uint32_t behind = RH_NATIVE_CODE + RH_NATIVE_CODE_AT + len + sizeof(far_jump);
    uint8_t *at = code_alias + RH_NATIVE_CODE_AT;

    memset(at, 0xcc, RH_NATIVE_CODE_MAX + sizeof(far_jump) + sizeof(leave));
    memcpy(at, code, len);
    at += len;
    if (is_32) {
        memcpy(far_jump + 1, &behind, sizeof(behind));
        memcpy(at, far_jump, sizeof(far_jump));
        at += sizeof(far_jump);
    }
    memcpy(at, leave, sizeof(leave));
}

static void load_state(const RhNativeState *before)
{
    bool is_32 = before->code_size == RH_CODE_32;

    memcpy(page->gpr, before->gpr, sizeof(page->gpr));
    page->rflags = before->rflags;
    page->fs_base = before->fs_base;
    page->gs_base = before->gs_base;
    page->vector = before->vector;
    page->enter_32 = (FarPointer){ RH_NATIVE_CODE + RH_NATIVE_CODE_AT, CODE_32 };
    page->enter = is_32 ? (uint64_t)rh_native_go_32 : RH_NATIVE_CODE + RH_NATIVE_CODE_AT;
    page->data_selector = is_32 ? DATA : 0;
    page->has_fault = false;
    memcpy((void *)RH_NATIVE_DATA, before->data, RH_NATIVE_DATA_SIZE);
}

/* Behind a jump lies INT3 or nothing: the fault there is none of the code's. */
static bool is_behind_jump(uint64_t start, size_t len)
{
    uint64_t at = page->trap == RH_EXC_BP ? page->rip - 1 : page->rip;

    return at < start || at >= start + len;
}

static void store_fault(RhNativeState *after, size_t len)
{
    uint64_t start = RH_NATIVE_CODE + RH_NATIVE_CODE_AT;

    after->rip = page->rip;
    if (page->trap == RH_EXC_BP && is_behind_jump(start, len)) {
        after->rip = page->rip - 1;
        return;
    }
    /* INT1 and INTO are traps: their address is behind them, and may be the end of the code. */
    if (page->trap != RH_EXC_DB && page->trap != RH_EXC_OF && is_behind_jump(start, len)) {
        return;
    }
    after->fault = page->trap;
    if (page->trap == RH_EXC_PF) {
        after->fault_cr2 = page->cr2;
    }
    if (page->trap == RH_EXC_PF || page->trap == RH_EXC_GP || page->trap == RH_EXC_SS || page->trap == RH_EXC_AC) {
        after->fault_error = page->error;
    }
}

static void store_state(RhNativeState *after, size_t len)
{
    memset(after, 0, offsetof(RhNativeState, vector));
    memcpy(after->gpr, page->gpr, sizeof(after->gpr));
    after->rflags = page->rflags & ~(uint64_t)RH_RFLAGS_RF;
    after->fs_base = page->fs_base;
    after->gs_base = page->gs_base;
    after->fault = RH_NATIVE_NO_FAULT;
    after->rip = RH_NATIVE_CODE + RH_NATIVE_CODE_AT + len;
    if (page->has_fault) {
        store_fault(after, len);
    }
    after->vector = page->vector;
    after->vector.fop = 0;
    after->vector.fip = after->vector.fdp = 0;
    after->vector.xstate_bv = 7;
    memcpy(after->data, (void *)RH_NATIVE_DATA, RH_NATIVE_DATA_SIZE);
}

__attribute__((target("fsgsbase")))
void rh_native_run(const RhNativeState *before, const uint8_t *code, size_t len, RhNativeState *after)
{
    g_assert(len <= RH_NATIVE_CODE_MAX);
    put_code(code, len, before->code_size == RH_CODE_32);
    load_state(before);
    page->host_fs_base = _readfsbase_u64();
    page->is_running = 1;
    rh_native_enter();
    page->is_running = 0;
    store_state(after, len);
    after->code_size = before->code_size;
}

bool rh_native_init_32(const char **ret_why)
{
    static const uint8_t probe[] = { 0x40 };        /* INC EAX; a REX prefix in 64-bit code */
    static RhNativeState state, after;

    state = (RhNativeState){ .rflags = 0x202, .code_size = RH_CODE_32, .vector = { .fcw = 0x37f, .mxcsr = 0x1f80 } };
    rh_native_run(&state, probe, sizeof(probe), &after);
    *ret_why = "the kernel does not run 32-bit code";
    return after.fault == RH_NATIVE_NO_FAULT && (uint32_t)after.gpr[RH_RAX] == 1;
}
