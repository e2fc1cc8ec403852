/*
 * Coroutines: stacks, switches, and what waits on them.
 *
 * A coroutine is RUNNING (also while it waits for a nested one that it started), YIELDED, or
 * resumed-to-be: QUEUED on its loop's posts. WOKEN is a wake that came before the yield.
 *
 *   RUNNING --yield--> YIELDED --wake--> QUEUED --loop--> RUNNING
 *   RUNNING --wake---> WOKEN   --yield-> RUNNING
 *
 * Only the loop's thread switches; wakes may come from anywhere, so the state is atomic.
 */
#include "util/coroutine.h"
#include "util/core.h"
#include "co-private.h"
#include "loop-private.h"
#include "rhea-config.h"

#include <sys/mman.h>

#if RH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if RH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum {
    STACK_SIZE = 256 * 1024,
    GUARD_SIZE = 4096,
    MAX_POOLED = 128,           /* per loop; more are unmapped as they end */
};

typedef enum CoState { CO_RUNNING, CO_WOKEN, CO_YIELDED, CO_QUEUED } CoState;

struct RhCo {
    LoopPost post;              /* resumes it; first of all so that the list of free ones is its next */
    RhLoop *loop;
    RhCoFn *fn;
    void *opaque;
    int state;                  /* CoState, atomic */
    bool has_ended;
    void *sp;                   /* while not running */
    void *caller_sp;            /* where to go on yield */
    RhCo *caller;               /* NULL: the thread's own stack */
    void *map;                  /* guard page and stack */
    const void *caller_bottom;  /* for AddressSanitizer: the stack of the caller */
    size_t caller_size;
    void *fake_stack;
    void *fiber;                /* for ThreadSanitizer */
    void *caller_fiber;
};

struct CoPool {
    RhCo *free;
    unsigned nr_free;
};

static __thread RhCo *current_co;

/*
 * void rh_co_switch(void **save_sp, void *load_sp): System V AMD64 ABI §3.2.1: rbx, rbp, r12-r15, the
 * control bits of mxcsr and the x87 control word belong to the caller; all else is dead across a call.
 */
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".globl rh_co_switch\n"
    ".hidden rh_co_switch\n"
    ".type rh_co_switch, @function\n"
    "rh_co_switch:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    subq $8, %rsp\n"
    "    stmxcsr (%rsp)\n"
    "    fnstcw 4(%rsp)\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    ldmxcsr (%rsp)\n"
    "    fldcw 4(%rsp)\n"
    "    addq $8, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    ".size rh_co_switch, .-rh_co_switch\n");

void rh_co_switch(void **save_sp, void *load_sp);

/* What rh_co_switch pops for the first time, from the top of the stack. */
typedef struct FirstFrame {
    uint32_t mxcsr;
    uint16_t x87_cw;
    uint16_t pad;
    uint64_t saved[6];
    void (*entry)(void);
    uint64_t end_of_stack;      /* a return address of 0 ends every backtrace */
} FirstFrame;

/* System V AMD64 ABI §3.2.2: at entry the stack is 8 off a multiple of 16, as after a call. */
G_STATIC_ASSERT(sizeof(FirstFrame) % 16 == 8 && offsetof(FirstFrame, end_of_stack) % 16 == 0);

/* The four moments of a switch, as the sanitizers want to hear of them. */
#if RH_ASAN
static void fiber_leave_for_co(RhCo *co, void **fake)
{
    __sanitizer_start_switch_fiber(fake, (char *)co->map + GUARD_SIZE, STACK_SIZE);
}
static void fiber_back_in_caller(void *fake)
{
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
}
static void fiber_arrived_in_co(RhCo *co)
{
    __sanitizer_finish_switch_fiber(co->fake_stack, &co->caller_bottom, &co->caller_size);
}
static void fiber_leave_co(RhCo *co)
{
    /* NULL tells that this stack ends, so that its fake frames are freed. */
    __sanitizer_start_switch_fiber(co->has_ended ? NULL : &co->fake_stack, co->caller_bottom,
                                   co->caller_size);
}
#elif RH_TSAN
static void fiber_leave_for_co(RhCo *co, void **fake)
{
    if (!co->fiber) {
        co->fiber = __tsan_create_fiber(0);
    }
    co->caller_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(co->fiber, 0);
}
static void fiber_back_in_caller(void *fake)
{
}
static void fiber_arrived_in_co(RhCo *co)
{
}
static void fiber_leave_co(RhCo *co)
{
    __tsan_switch_to_fiber(co->caller_fiber, 0);
}
#else
static void fiber_leave_for_co(RhCo *co, void **fake)
{
}
static void fiber_back_in_caller(void *fake)
{
}
static void fiber_arrived_in_co(RhCo *co)
{
}
static void fiber_leave_co(RhCo *co)
{
}
#endif

#if RH_TSAN
static void fiber_free(RhCo *co)
{
    if (co->fiber) {
        __tsan_destroy_fiber(co->fiber);
        co->fiber = NULL;
    }
}
#else
static void fiber_free(RhCo *co)
{
}
#endif

static void leave_co(RhCo *co)
{
    fiber_leave_co(co);
    rh_co_switch(&co->sp, co->caller_sp);
    fiber_arrived_in_co(co);
}

static void co_entry(void)
{
    RhCo *co = current_co;

    fiber_arrived_in_co(co);
    co->fn(co->opaque);
    co->has_ended = true;
    leave_co(co);
    g_assert_not_reached();
}

static void co_free(RhCo *co)
{
    munmap(co->map, GUARD_SIZE + STACK_SIZE);
    g_free(co);
}

static void co_prepare(RhCo *co)
{
    FirstFrame *frame = (FirstFrame *)((char *)co->map + GUARD_SIZE + STACK_SIZE) - 1;

    *frame = (FirstFrame) { .entry = co_entry };
    __asm__ volatile("stmxcsr %0" : "=m"(frame->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(frame->x87_cw));
    co->sp = frame;
    co->fake_stack = NULL;
    co->has_ended = false;
}

/* Only the pages that were touched cost memory. */
static void *stack_map(void)
{
    char *map = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED || mprotect(map, GUARD_SIZE, PROT_NONE) < 0) {
        g_error("Cannot map %d bytes for a coroutine's stack: %s", GUARD_SIZE + STACK_SIZE,
                g_strerror(errno));
    }
    return map;
}

static CoPool *co_pool(RhLoop *loop)
{
    if (!loop->co_pool) {
        loop->co_pool = g_new0(CoPool, 1);
    }
    return loop->co_pool;
}

static void resume_post(void *opaque)
{
    rh_co_resume(opaque);
}

static RhCo *co_get(RhLoop *loop)
{
    CoPool *pool = co_pool(loop);
    RhCo *co = pool->free;

    if (co) {
        pool->free = co->caller;
        pool->nr_free--;
    } else {
        co = g_new0(RhCo, 1);
        co->map = stack_map();
        co->loop = loop;
        co->post.fn = resume_post;
        co->post.opaque = co;
    }
    co_prepare(co);
    return co;
}

static void co_put(RhCo *co)
{
    CoPool *pool = co_pool(co->loop);

    fiber_free(co);
    if (pool->nr_free >= MAX_POOLED) {
        co_free(co);
        return;
    }
    co->caller = pool->free;
    pool->free = co;
    pool->nr_free++;
}

void rh_co_pool_free(CoPool *pool)
{
    if (!pool) {
        return;
    }
    while (pool->free) {
        RhCo *co = pool->free;

        pool->free = co->caller;
        co_free(co);
    }
    g_free(pool);
}

void rh_co_resume(RhCo *co)
{
    void *fake = NULL;

    rh_assert_on_loop(co->loop);
    co->caller = current_co;
    current_co = co;
    __atomic_store_n(&co->state, CO_RUNNING, __ATOMIC_RELAXED);
    fiber_leave_for_co(co, &fake);
    rh_co_switch(&co->caller_sp, co->sp);
    fiber_back_in_caller(fake);
    current_co = co->caller;
    if (co->has_ended) {
        co_put(co);
    }
}

void rh_co_start(RhCoFn *fn, void *opaque)
{
    RhLoop *loop = rh_loop_current();
    RhCo *co;

    g_assert(loop);
    co = co_get(loop);
    co->fn = fn;
    co->opaque = opaque;
    rh_co_resume(co);
}

typedef struct CoStart {
    RhCoFn *fn;
    void *opaque;
} CoStart;

static void start_posted(void *opaque)
{
    CoStart start = *(CoStart *)opaque;

    g_free(opaque);
    rh_co_start(start.fn, start.opaque);
}

void rh_co_start_on(RhLoop *loop, RhCoFn *fn, void *opaque)
{
    CoStart *start;

    if (rh_loop_current() == loop) {
        rh_co_start(fn, opaque);
        return;
    }
    start = g_new(CoStart, 1);
    start->fn = fn;
    start->opaque = opaque;
    rh_loop_post(loop, start_posted, start);
}

RhCo *rh_co_self(void)
{
    return current_co;
}

void rh_co_yield(void)
{
    RhCo *co = current_co;
    int expected = CO_RUNNING;

    g_assert(co);
    /* Acquire pairs with the release in rh_co_wake(): what the waker did before is visible after.
     * A wake right behind this only queues; the queue runs on this thread, after the switch. */
    if (__atomic_compare_exchange_n(&co->state, &expected, CO_YIELDED, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        leave_co(co);
    } else {
        g_assert(expected == CO_WOKEN);
        __atomic_store_n(&co->state, CO_RUNNING, __ATOMIC_RELAXED);
    }
}

void rh_co_wake(RhCo *co)
{
    int expected = CO_RUNNING;

    if (__atomic_compare_exchange_n(&co->state, &expected, CO_WOKEN, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        return;
    }
    g_assert(expected == CO_YIELDED);       /* one wake per yield */
    __atomic_store_n(&co->state, CO_QUEUED, __ATOMIC_RELEASE);
    rh_loop_post_node(co->loop, &co->post);
}
