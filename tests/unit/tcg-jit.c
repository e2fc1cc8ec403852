/*
 * Translated code while the world changes under it: code that is written to, by itself, by another vCPU, by devices, again and
 * again; memory that is taken away; a code cache that is full. 64-bit code of ring 0, ended by HLT.
 */
#include "tcg-jit-rig.h"

enum {
    CODE = RIG_PAGES, FUNC = RIG_PAGES + 0x10000, DATA = RIG_PAGES + 0x20000,
    CODE_SIZE = 16 << 20, MAX_ROUNDS = 1000000,
    OTHER = 0x5000000,          /* where memory comes and goes */
};

/* --- guest code, a byte at a time --- */

typedef struct Asm {
    Rig *rig;
    uint64_t at;
} Asm;

static void put(Asm *a, const uint8_t *bytes, unsigned len)
{
    memcpy(a->rig->ram->host + a->at, bytes, len);
    a->at += len;
}
#define PUT(a, ...) put(a, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void put32(Asm *a, uint32_t value)
{
    uint8_t bytes[4];

    rh_st32(bytes, value);
    put(a, bytes, sizeof(bytes));
}

/* The displacement of a branch that ends with it */
static void put_target(Asm *a, uint64_t target)
{
    put32(a, (uint32_t)(target - (a->at + 4)));
}

static void put_address(Asm *a, uint64_t address)
{
    PUT(a, 0x25);               /* SIB: absolute */
    put32(a, (uint32_t)address);
}

static Rig *make(uint64_t code_size)
{
    Rig *rig = jit_rig_new(code_size);

    rig_enter(rig, RIG_LONG, 0);
    rig->cpu->rip = CODE;
    return rig;
}

static void run(Rig *rig)
{
    g_assert_true(jit_rig_run(rig, MAX_ROUNDS));
    g_assert_false(rig->cpu->is_shut_down);
}

/* --- code that writes to code --- */

static void test_own_block(void)
{
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };

    for (unsigned round = 0; round < 2; round++) {
        a.at = CODE;
        PUT(&a, 0xc6, 0x05, 1, 0, 0, 0, 42);        /* mov byte [rip + 1], 42: the immediate of the next */
        PUT(&a, 0xb8, 0, 0, 0, 0);                  /* mov eax, 0 */
        PUT(&a, 0xf4);
        rig->cpu->rip = CODE;
        rig->cpu->is_halted = false;
        rh_jit_drop_page(rig->cpu->jit, CODE);
        run(rig);
        g_assert_cmpuint(rig->cpu->gpr[RH_RAX], ==, 42);
    }
    jit_rig_free(rig);
}

/* A function in a page of its own that is written before each call: every call must see it, and never shall it take longer and longer. */
static void test_rewritten_for_ever(void)
{
    enum { TIMES = 200000 };
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };
    uint64_t loop, cpu_time;

    PUT(&a, 0xb9);                                  /* mov ecx, TIMES */
    put32(&a, TIMES);
    loop = a.at;
    PUT(&a, 0x89, 0x0c);                            /* mov [FUNC + 1], ecx */
    put_address(&a, FUNC + 1);
    PUT(&a, 0xe8);                                  /* call FUNC */
    put_target(&a, FUNC);
    PUT(&a, 0x48, 0x01, 0xc3);                      /* add rbx, rax */
    PUT(&a, 0xff, 0xc9, 0x0f, 0x85);                /* dec ecx; jnz loop */
    put_target(&a, loop);
    PUT(&a, 0xf4);
    a.at = FUNC;
    PUT(&a, 0xb8, 0, 0, 0, 0, 0xc3);                /* mov eax, imm; ret */
    cpu_time = (uint64_t)clock();
    run(rig);
    cpu_time = (uint64_t)clock() - cpu_time;
    g_assert_cmpuint(rig->cpu->gpr[RH_RBX], ==, (uint64_t)TIMES * (TIMES + 1) / 2);
    /* Most calls are interpreted: no new block for each, and the rest of the code stays. */
    g_assert_cmpuint(rig->cpu->jit->nr_flushes, ==, 0);
    g_assert_cmpuint(rig->cpu->jit->nr_blocks, <, TIMES / 4);
    g_test_message("%" PRIu64 " ns a round", cpu_time * 1000 / (CLOCKS_PER_SEC / 1000000 * TIMES));
    jit_rig_free(rig);
}

/* --- instructions that go on in the next page --- */

enum { SPAN_FUNC = FUNC + RH_PAGE_SIZE - 3 };       /* mov eax, imm; ret: the upper half of the immediate is in another page */

static void put_span_func(Asm *a, uint64_t at, uint32_t value)
{
    a->at = at;
    PUT(a, 0xb8);
    put32(a, value);
    PUT(a, 0xc3);
}

/* Written in its second page before each call */
static void test_span_rewritten(void)
{
    enum { TIMES = 100 };
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };
    uint64_t loop;

    PUT(&a, 0xb9);                                  /* mov ecx, TIMES */
    put32(&a, TIMES);
    loop = a.at;
    PUT(&a, 0x88, 0x0c);                            /* mov [the immediate's third byte], cl */
    put_address(&a, SPAN_FUNC + 3);
    PUT(&a, 0xe8);
    put_target(&a, SPAN_FUNC);
    PUT(&a, 0x48, 0x01, 0xc3);                      /* add rbx, rax */
    PUT(&a, 0xff, 0xc9, 0x0f, 0x85);                /* dec ecx; jnz loop */
    put_target(&a, loop);
    PUT(&a, 0xf4);
    put_span_func(&a, SPAN_FUNC, 1);
    run(rig);
    g_assert_cmpuint(rig->cpu->gpr[RH_RBX], ==, TIMES + ((uint64_t)TIMES * (TIMES + 1) / 2 << 16));
    jit_rig_free(rig);
}

/* Executed from translated code, not by the interpreter: what leaves for it is counted. */
static void test_span_translated(void)
{
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };
    RhBlock *block;

    put_span_func(&a, SPAN_FUNC, 0x12345678);
    rig->cpu->rip = SPAN_FUNC;
    block = rh_jit_find(rig->cpu->jit);
    g_assert_cmpuint(block->code_len, >, 0);
    g_assert_cmpuint(block->bridge_at, >, 0);
    g_assert_cmpuint(block->span_page, ==, (SPAN_FUNC >> RH_PAGE_BITS) + 1);
    rh_jit_drop_page(rig->cpu->jit, SPAN_FUNC + RH_PAGE_SIZE);
    g_assert_cmpuint(block->code_len, ==, 0);
    jit_rig_free(rig);
}

/* Its second page comes to be another one, at the same linear address, without one of the first page's entries being changed. */
static void remap_span(uint64_t flags)
{
    enum { NEW = FUNC + 4 * RH_PAGE_SIZE, LINK_CALLS = 50 };
    uint64_t high_code = JIT_RIG_HIGH + 0x100000, high_func = JIT_RIG_HIGH + 0x140000;
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };
    uint64_t loop;

    rig->cpu->cr4 |= RH_CR4_PGE;
    rh_tcg_settle(rig->cpu);
    rig_map(rig, high_code, CODE | flags, RH_PAGE_SIZE);
    rig_map(rig, high_func, FUNC | flags, RH_PAGE_SIZE);
    rig_map(rig, high_func + RH_PAGE_SIZE, (FUNC + RH_PAGE_SIZE) | flags, RH_PAGE_SIZE);
    rig->cpu->gpr[RH_RBX] = high_func + RH_PAGE_SIZE;
    rig->cpu->gpr[RH_RDI] = rig_entry_at(rig, high_func + RH_PAGE_SIZE, RH_PAGE_SIZE);
    rig->cpu->gpr[RH_RSI] = NEW | flags;
    rig->cpu->rip = high_code;
    PUT(&a, 0xb9, LINK_CALLS, 0, 0, 0);             /* mov ecx, LINK_CALLS */
    loop = a.at;
    PUT(&a, 0xe8);
    put_target(&a, CODE + high_func - high_code + SPAN_FUNC - FUNC);
    PUT(&a, 0xff, 0xc9, 0x0f, 0x85);
    put_target(&a, loop);
    PUT(&a, 0x48, 0x85, 0xf6, 0x0f, 0x84);          /* test rsi, rsi; jz to the end */
    put_target(&a, CODE + 0x200);
    PUT(&a, 0x48, 0x89, 0x37);                      /* mov [rdi], rsi */
    PUT(&a, 0x0f, 0x01, 0x3b);                      /* invlpg [rbx] */
    PUT(&a, 0x31, 0xf6, 0xb9, 1, 0, 0, 0, 0xe9);    /* xor esi, esi; once more */
    put_target(&a, loop);
    a.at = CODE + 0x200;
    PUT(&a, 0xf4);
    a.at = SPAN_FUNC;
    PUT(&a, 0xe9, 0, 0, 1, 0);                      /* jmp 0x10000 further: nothing else is executed in the second page */
    a.at = NEW;
    PUT(&a, 2, 0);                                  /* the rest of: jmp 0x20000 further */
    for (unsigned i = 1; i <= 2; i++) {
        uint64_t target = high_func + SPAN_FUNC - FUNC + 5 + i * 0x10000;

        a.at = DATA + i * RH_PAGE_SIZE + target % RH_PAGE_SIZE;
        rig_map(rig, target & -(uint64_t)RH_PAGE_SIZE, (DATA + i * RH_PAGE_SIZE) | flags, RH_PAGE_SIZE);
        PUT(&a, 0xb8, i, 0, 0, 0, 0xc3);            /* mov eax, i; ret */
    }
    run(rig);
    g_assert_cmpuint(rig->cpu->gpr[RH_RAX], ==, 2);
    jit_rig_free(rig);
}

static void test_span_remapped(void)
{
    enum { PTE_GLOBAL = 0x103, PTE_LOCAL = 3 };

    remap_span(PTE_LOCAL);
    remap_span(PTE_GLOBAL);
}

/* --- the code cache --- */

/* More code than there is room for, in a circle: what was dropped is made again. */
static void test_cache_full(void)
{
    enum { PAGES = 1024, ROUNDS = 3, BLOCKS = 16 };
    Rig *rig = make(1 << 20);
    Asm a = { rig, CODE };
    uint64_t first = RIG_PAGES + 0x100000;

    PUT(&a, 0xb9, ROUNDS, 0, 0, 0, 0xe9);           /* mov ecx, ROUNDS; jmp first */
    put_target(&a, first);
    for (unsigned i = 0; i < PAGES; i++) {
        a.at = first + i * RH_PAGE_SIZE;
        for (unsigned k = 0; k < BLOCKS; k++) {
            PUT(&a, 0x48, 0x83, 0xc0, 1);           /* add rax, 1 */
            PUT(&a, 0x48, 0x01, 0x04);              /* add [DATA], rax */
            put_address(&a, DATA);
            PUT(&a, 0xeb, 0);                       /* jmp to the next */
        }
        PUT(&a, 0xe9);
        put_target(&a, i + 1 < PAGES ? first + (i + 1) * RH_PAGE_SIZE : DATA + 0x1000);
    }
    a.at = DATA + 0x1000;
    PUT(&a, 0xff, 0xc9, 0x0f, 0x85);
    put_target(&a, first);
    PUT(&a, 0xf4);
    run(rig);
    g_assert_cmpuint(rig->cpu->gpr[RH_RAX], ==, PAGES * ROUNDS * BLOCKS);
    g_assert_cmpuint(rig->cpu->jit->nr_flushes, >, 1);
    jit_rig_free(rig);
}

/* --- what the guest may see --- */

/* Where the last x87 instruction and its operand were in this process is nobody's business. */
static void test_no_pointers(void)
{
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };

    PUT(&a, 0xdd, 0x04);                            /* fld qword [DATA] */
    put_address(&a, DATA);
    PUT(&a, 0x48, 0x0f, 0xae, 0x04);                /* fxsave64 [DATA + 0x100] */
    put_address(&a, DATA + 0x100);
    PUT(&a, 0xd9, 0x34);                            /* fnstenv [DATA + 0x400] */
    put_address(&a, DATA + 0x400);
    PUT(&a, 0xf4);
    run(rig);
    g_assert_cmphex(rig_peek(rig, DATA + 0x100 + 6, 2), ==, 0);
    g_assert_cmphex(rig_peek(rig, DATA + 0x100 + 8, 8), ==, 0);
    g_assert_cmphex(rig_peek(rig, DATA + 0x100 + 16, 8), ==, 0);
    g_assert_cmphex(rig_peek(rig, DATA + 0x400 + 12, 8), ==, 0);
    g_assert_cmphex(rig_peek(rig, DATA + 0x400 + 20, 4), ==, 0);
    jit_rig_free(rig);
}

/* --- addresses that come to mean something else --- */

/*
 * A function in the upper half, called from another page there until the jumps are linked; then its page is another one. What makes
 * that known, SDM vol. 3 §4.10.4.1: INVLPG, for global pages and others; CR3 for others; CR4.PGE for all.
 */
static void test_remapped_by_guest(void)
{
    static const struct {
        bool is_global;
        uint8_t code[16], len;
    } ways[] = {
        { true, { 0x0f, 0x01, 0x3b }, 3 },                              /* invlpg [rbx] */
        { false, { 0x0f, 0x01, 0x3b }, 3 },
        { false, { 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8 }, 6 },           /* mov rax, cr3; mov cr3, rax */
        { true, { 0x0f, 0x20, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0 }, 13 },     /* cr4 ^= PGE, twice */
    };
    enum { PTE_GLOBAL = 0x103, PTE_LOCAL = 3, NEW = FUNC + RH_PAGE_SIZE };
    uint64_t high_code = JIT_RIG_HIGH + 0x100000, high_func = JIT_RIG_HIGH + 0x140000;

    for (unsigned i = 0; i < RH_COUNT(ways); i++) {
        Rig *rig = make(CODE_SIZE);
        Asm a = { rig, CODE };
        uint64_t flags = ways[i].is_global ? PTE_GLOBAL : PTE_LOCAL, loop;

        rig->cpu->cr4 |= RH_CR4_PGE;
        rh_tcg_settle(rig->cpu);
        rig_map(rig, high_code, CODE | flags, RH_PAGE_SIZE);
        rig_map(rig, high_func, FUNC | flags, RH_PAGE_SIZE);
        rig->cpu->gpr[RH_RBX] = high_func;
        rig->cpu->gpr[RH_RDI] = rig_entry_at(rig, high_func, RH_PAGE_SIZE);
        rig->cpu->gpr[RH_RSI] = NEW | flags;
        rig->cpu->rip = high_code;
        PUT(&a, 0xb9, 50, 0, 0, 0);                                     /* mov ecx, 50 */
        loop = a.at;
        PUT(&a, 0xe8);                                                  /* call FUNC */
        put_target(&a, CODE + high_func - high_code);
        PUT(&a, 0xff, 0xc9, 0x0f, 0x85);
        put_target(&a, loop);
        PUT(&a, 0x48, 0x85, 0xf6, 0x0f, 0x84);                          /* test rsi, rsi; jz to the end */
        put_target(&a, CODE + 0x200);
        PUT(&a, 0x48, 0x89, 0x37);                                      /* mov [rdi], rsi */
        put(&a, ways[i].code, ways[i].len);
        PUT(&a, 0x31, 0xf6, 0xb9, 1, 0, 0, 0, 0xe9);                    /* xor esi, esi; once more */
        put_target(&a, loop);
        a.at = CODE + 0x200;
        PUT(&a, 0xf4);
        a.at = FUNC;
        PUT(&a, 0xb8, 1, 0, 0, 0, 0xc3);
        a.at = NEW;
        PUT(&a, 0xb8, 42, 0, 0, 0, 0xc3);
        run(rig);
        g_assert_cmpuint(rig->cpu->gpr[RH_RAX], ==, 42);
        jit_rig_free(rig);
    }
}

/*
 * CR3 and CR4.PCIDE also change in one step, by RSM or as state is loaded. The jumps cached from then on are of the address space
 * that CR3 names: they must not be found in the one whose PCID was current before.
 */
static void test_loaded_address_space(void)
{
    enum { PCID = 5 };
    Rig *rig = make(CODE_SIZE);
    uint32_t loaded;

    rig->cpu->cr4 |= RH_CR4_PCIDE;
    rig->cpu->cr3 |= PCID;
    rh_tlb_flush(rig->cpu, false);
    loaded = rig->cpu->jump_generation[0];
    rh_tlb_switch(rig->cpu, 0, true);
    g_assert_cmpuint(rig->cpu->jump_generation[0], !=, loaded);
    rh_tlb_switch(rig->cpu, PCID, true);
    g_assert_cmpuint(rig->cpu->jump_generation[0], ==, loaded);
    jit_rig_free(rig);
}

/* --- other threads --- */

typedef struct Second {         /* a vCPU beside the rig's, with the same memory and tables */
    RhX86Vcpu x86;
    Rig *rig;
    uint64_t rip;
    pthread_t thread;
    gint is_up;
} Second;

static void *run_second(void *opaque)
{
    Second *second = opaque;
    RhTcgCpu *cpu = second->x86.vcpu.accel;

    jit_rig_start(cpu, CODE_SIZE);
    g_atomic_int_set(&second->is_up, 1);
    while (rh_tcg_vcpu_run(&second->x86.vcpu) == RH_RUN_AGAIN) {
    }
    return NULL;
}

static void start_second(Second *second, Rig *rig, uint64_t rip, uint64_t stack)
{
    RhTcgCpu *cpu;

    second->rig = rig;
    second->x86.vcpu.vm = rig->vm;
    cpu = rh_tcg_cpu_new(rig->vm, &second->x86.vcpu, NULL);
    memcpy(cpu->seg, rig->cpu->seg, sizeof(cpu->seg));
    cpu->cr0 = rig->cpu->cr0;
    cpu->cr3 = rig->cpu->cr3;
    cpu->cr4 = rig->cpu->cr4;
    cpu->efer = rig->cpu->efer;
    cpu->gdt = rig->cpu->gdt;
    cpu->idt = rig->cpu->idt;
    cpu->rflags = 2;
    cpu->rip = rip;
    cpu->gpr[RH_RSP] = stack;
    rh_tcg_settle(cpu);
    second->x86.vcpu.accel = cpu;
    g_ptr_array_add(rig->vm->vcpus, &second->x86.vcpu);
    second->thread = rh_thread_start("second", run_second, second);
    while (!g_atomic_int_get(&second->is_up)) {
        sched_yield();
    }
}

static void end_second(Second *second)
{
    RhTcgCpu *cpu = second->x86.vcpu.accel;

    g_ptr_array_remove(second->rig->vm->vcpus, &second->x86.vcpu);
    jit_rig_stop(cpu);
    rh_jit_set_current(second->rig->cpu);
    rh_tcg_cpu_free(cpu);
}

static void run_first(Rig *rig)
{
    while (rh_tcg_vcpu_run(&rig->x86.vcpu) == RH_RUN_AGAIN) {
    }
    g_assert_true(rig->cpu->is_halted);
}

/*
 * One vCPU writes a function and says so, the other calls it then and answers with what it returned: SDM vol. 3 §8.1.3 wants a
 * serialising instruction in between, which is CPUID.
 */
static void test_cross_modifying(void)
{
    enum { TIMES = 300, FLAG = DATA, ACK = DATA + 0x40, SECOND_CODE = CODE + 0x2000 };
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, CODE };
    Second second = { 0 };
    uint64_t loop, wait;

    PUT(&a, 0xb9, TIMES & 0xff, TIMES >> 8, 0, 0);  /* mov ecx, TIMES */
    loop = a.at;
    PUT(&a, 0x89, 0x0c);                            /* mov [FUNC + 1], ecx */
    put_address(&a, FUNC + 1);
    PUT(&a, 0x89, 0x0c);                            /* mov [FLAG], ecx */
    put_address(&a, FLAG);
    wait = a.at;
    PUT(&a, 0xf3, 0x90, 0x3b, 0x0c);                /* pause; cmp ecx, [ACK]; jne wait */
    put_address(&a, ACK);
    PUT(&a, 0x0f, 0x85);
    put_target(&a, wait);
    PUT(&a, 0xff, 0xc9, 0x0f, 0x85);                /* dec ecx; jnz loop */
    put_target(&a, loop);
    PUT(&a, 0xf4);

    a.at = SECOND_CODE;
    PUT(&a, 0x31, 0xf6);                            /* xor esi, esi */
    wait = a.at;
    PUT(&a, 0xf3, 0x90, 0x3b, 0x34);                /* pause; cmp esi, [FLAG]; je wait */
    put_address(&a, FLAG);
    PUT(&a, 0x0f, 0x84);
    put_target(&a, wait);
    PUT(&a, 0x31, 0xc0, 0x0f, 0xa2);                /* xor eax, eax; cpuid */
    PUT(&a, 0x8b, 0x34);                            /* mov esi, [FLAG] */
    put_address(&a, FLAG);
    PUT(&a, 0xe8);
    put_target(&a, FUNC);
    PUT(&a, 0x89, 0x04);                            /* mov [ACK], eax */
    put_address(&a, ACK);
    PUT(&a, 0x83, 0xf8, 1, 0x0f, 0x85);             /* cmp eax, 1; jne wait */
    put_target(&a, wait);
    PUT(&a, 0xf4);
    a.at = FUNC;
    PUT(&a, 0xb8, 0, 0, 0, 0, 0xc3);

    start_second(&second, rig, SECOND_CODE, RIG_USER_STACK);
    run_first(rig);
    pthread_join(second.thread, NULL);
    end_second(&second);
    g_assert_cmpuint(rig_peek(rig, ACK, 4), ==, 1);
    jit_rig_free(rig);
}

/* Division errors and misaligned operands are signals of the host, on a thread that takes none otherwise. */
static void test_signals_on_threads(void)
{
    static const uint8_t divides[] = { 0x31, 0xc9, 0xf7, 0xf1 };            /* xor ecx, ecx; div ecx */
    static const uint8_t misaligned[] = { 0x0f, 0x28, 0x44, 0x24, 1 };      /* movaps xmm0, [rsp + 1] */
    enum { SECOND_CODE = CODE + 0x2000 };

    for (unsigned i = 0; i < 2; i++) {
        Rig *rig = make(CODE_SIZE);
        Asm a = { rig, SECOND_CODE };
        Second second = { 0 };
        uint64_t handlers = JIT_RIG_HIGH + JIT_RIG_HANDLERS;

        jit_rig_halt_on_exceptions(rig);
        put(&a, i ? misaligned : divides, i ? sizeof(misaligned) : sizeof(divides));
        start_second(&second, rig, SECOND_CODE, RIG_USER_STACK);
        pthread_join(second.thread, NULL);
        g_assert_cmphex(rh_tcg_cpu(&second.x86.vcpu)->rip, ==,
                        handlers + JIT_RIG_PITCH * (i ? RH_EXC_GP : RH_EXC_DE) + 1);
        end_second(&second);
        jit_rig_free(rig);
    }
}

static void *be_device(void *opaque)
{
    Rig *rig = opaque;
    uint8_t byte = 42;

    g_usleep(20000);
    rh_space_write(rig->vm->memory, FUNC + 1, &byte, 1);
    return NULL;
}

/* loop: call FUNC or OTHER; cmp eax, 42; jne loop; hlt */
static void put_polling(Rig *rig, uint64_t function)
{
    Asm a = { rig, CODE };

    PUT(&a, 0xbb);
    put32(&a, (uint32_t)function);
    PUT(&a, 0xff, 0xd3, 0x83, 0xf8, 42, 0x0f, 0x85);
    put_target(&a, CODE + 5);
    PUT(&a, 0xf4);
}

static void test_dma(void)
{
    Rig *rig = make(CODE_SIZE);
    Asm a = { rig, FUNC };
    pthread_t thread;

    PUT(&a, 0xb8, 1, 0, 0, 0, 0xc3);
    put_polling(rig, FUNC);
    thread = rh_thread_start("device", be_device, rig);
    run_first(rig);
    pthread_join(thread, NULL);
    jit_rig_free(rig);
}

typedef struct Remap {
    Rig *rig;
    RhRegion from, to;
} Remap;

static void *remap(void *opaque)
{
    Remap *remap = opaque;
    RhVm *vm = remap->rig->vm;

    g_usleep(20000);
    RH_WITH_LOCK(&vm->lock) {
        rh_map_begin(vm);
        rh_region_remove(&remap->from);
        rh_region_add(rh_space_root(vm->memory), OTHER, &remap->to);
        rh_map_end(vm);
    }
    return NULL;
}

/* Other memory, with other code, comes to where code is being executed. */
static void test_remapped(void)
{
    Rig *rig = make(CODE_SIZE);
    Remap map = { .rig = rig };
    RhRam *from = rh_ram_new("from", RH_PAGE_SIZE, NULL, NULL), *to = rh_ram_new("to", RH_PAGE_SIZE, NULL, NULL);
    static const uint8_t one[] = { 0xb8, 1, 0, 0, 0, 0xc3 }, fortytwo[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
    pthread_t thread;

    memcpy(from->host, one, sizeof(one));
    memcpy(to->host, fortytwo, sizeof(fortytwo));
    rh_region_init_ram(&map.from, rig->vm, "from", from, 0, RH_PAGE_SIZE, false);
    rh_region_init_ram(&map.to, rig->vm, "to", to, 0, RH_PAGE_SIZE, false);
    RH_WITH_LOCK(&rig->vm->lock) {
        rh_region_add(rh_space_root(rig->vm->memory), OTHER, &map.from);
    }
    rig_map(rig, OTHER, OTHER | 3, RH_PAGE_SIZE);
    put_polling(rig, OTHER);
    thread = rh_thread_start("remap", remap, &map);
    run_first(rig);
    pthread_join(thread, NULL);
    RH_WITH_LOCK(&rig->vm->lock) {
        rh_region_remove(&map.to);
        rh_region_fini(&map.to);
        rh_region_fini(&map.from);
    }
    rh_ram_unref(from);
    rh_ram_unref(to);
    jit_rig_free(rig);
}

/* At one address a CPU in system management mode has other memory: other code, other data, whatever it has translated and looked up. */
static void test_smram(void)
{
    enum { SECRET = RH_PAGE_SIZE, CODE_OUTSIDE = 1, CODE_INSIDE = 2 };
    Rig *rig = make(CODE_SIZE);
    RhTcgCpu *cpu = rig->cpu;
    Asm a = { rig, CODE };
    uint64_t nr_flushes;

    rig_add_smram(rig, CODE, 2 * RH_PAGE_SIZE);
    PUT(&a, 0xbb, CODE_OUTSIDE, 0, 0, 0);           /* mov ebx, 1 */
    PUT(&a, 0x8b, 0x0c);                            /* mov ecx, [SECRET] */
    put_address(&a, CODE + SECRET);
    PUT(&a, 0x01, 0x04);                            /* add [SECRET + 4], eax */
    put_address(&a, CODE + SECRET + 4);
    PUT(&a, 0xf4);
    memcpy(rig->smram->host, rig->ram->host + CODE, RH_PAGE_SIZE);
    rig->smram->host[1] = CODE_INSIDE;
    rig_poke(rig, CODE + SECRET, 4, 0x11111111);
    rh_st32(rig->smram->host + SECRET, 0x22222222);
    nr_flushes = cpu->jit->nr_flushes;
    for (unsigned i = 0; i < 8; i++) {
        bool is_in_smm = i % 2;

        cpu->is_in_smm = is_in_smm;
        rh_tlb_flush(cpu, false);                   /* as rh_tcg_enter_smm and rh_tcg_rsm do */
        cpu->rip = CODE;
        cpu->is_halted = false;
        cpu->gpr[RH_RAX] = is_in_smm ? 0x100 : 1;
        run(rig);
        g_assert_cmphex(cpu->gpr[RH_RBX], ==, is_in_smm ? CODE_INSIDE : CODE_OUTSIDE);
        g_assert_cmphex(cpu->gpr[RH_RCX], ==, is_in_smm ? 0x22222222 : 0x11111111);
    }
    g_assert_cmpuint(cpu->jit->nr_flushes, ==, nr_flushes);     /* what was translated is kept, and only not used */
    g_assert_cmphex(rig_peek(rig, CODE + SECRET + 4, 4), ==, 4);
    g_assert_cmphex(rh_ld32(rig->smram->host + SECRET + 4), ==, 0x400);
    cpu->is_in_smm = false;
    jit_rig_free(rig);
}

static void *kick(void *opaque)
{
    Rig *rig = opaque;

    g_usleep(20000);
    rh_tcg_request(rig->cpu, RH_TCG_KICK);
    return NULL;
}

/* However short a loop, a request ends it. */
static void test_loops_end(void)
{
    static const uint8_t loops[][8] = {
        { 0xeb, 0xfe },                             /* jmp $ */
        { 0x90, 0xeb, 0x00, 0xeb, 0xfb },           /* two blocks */
        { 0x85, 0xc0, 0x74, 0xfc },                 /* test eax, eax; jz */
        { 0x31, 0xc0, 0x75, 0xfe, 0x74, 0xfa },
        { 0xff, 0xe3 },                             /* jmp rbx: to itself */
    };

    for (unsigned i = 0; i < RH_COUNT(loops); i++) {
        Rig *rig = make(CODE_SIZE);
        Asm a = { rig, CODE };
        pthread_t thread;

        put(&a, loops[i], sizeof(loops[i]));
        rig->cpu->gpr[RH_RBX] = CODE;
        rig->cpu->gpr[RH_RAX] = 0;
        thread = rh_thread_start("kick", kick, rig);
        g_assert_cmpint(rh_tcg_vcpu_run(&rig->x86.vcpu), ==, RH_RUN_AGAIN);
        pthread_join(thread, NULL);
        jit_rig_free(rig);
    }
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-jit/own-block", test_own_block);
    g_test_add_func("/tcg-jit/rewritten-for-ever", test_rewritten_for_ever);
    g_test_add_func("/tcg-jit/span-rewritten", test_span_rewritten);
    g_test_add_func("/tcg-jit/span-translated", test_span_translated);
    g_test_add_func("/tcg-jit/span-remapped", test_span_remapped);
    g_test_add_func("/tcg-jit/cache-full", test_cache_full);
    g_test_add_func("/tcg-jit/no-pointers", test_no_pointers);
    g_test_add_func("/tcg-jit/remapped-by-guest", test_remapped_by_guest);
    g_test_add_func("/tcg-jit/loaded-address-space", test_loaded_address_space);
    g_test_add_func("/tcg-jit/cross-modifying", test_cross_modifying);
    g_test_add_func("/tcg-jit/signals-on-threads", test_signals_on_threads);
    g_test_add_func("/tcg-jit/dma", test_dma);
    g_test_add_func("/tcg-jit/remapped", test_remapped);
    g_test_add_func("/tcg-jit/smram", test_smram);
    g_test_add_func("/tcg-jit/loops-end", test_loops_end);
    return g_test_run();
}
