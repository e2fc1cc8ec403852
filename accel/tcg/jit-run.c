/*
 * From block to block. Built without vector registers, as the guest's stay in the host's here: what may use them is
 * called between rh_tcg_vector_save and rh_tcg_vector_restore.
 */
#include "accel/tcg/jit.h"
#include "target/i386/tcg/vector-live.h"

/* Instrumented code calls a run-time library that uses vector registers wherever it likes. */
#if RH_ASAN || RH_TSAN
#define KEEP_LIVE 0
#else
#define KEEP_LIVE 1
#endif

static void flags_out(RhTcgCpu *cpu)
{
    cpu->scratch[RH_SCRATCH_FLAGS] = (cpu->rflags & 0xd5) << 8 | 0x200 | (cpu->rflags >> 11 & 1);
}

static void flags_in(RhTcgCpu *cpu)
{
    uint64_t saved = cpu->scratch[RH_SCRATCH_FLAGS];

    cpu->rflags = (cpu->rflags & ~(uint64_t)RH_FLAGS_STATUS) | (saved >> 8 & 0xd5) | (saved & 1) << 11;
}

uint32_t rh_jit_miss(RhTcgCpu *cpu, uint64_t at, uint32_t info)
{
    RhAccess access = info & RH_MISS_WRITE ? RH_ACCESS_WRITE : RH_ACCESS_READ;
    uint64_t generation = cpu->jit->generation;
    bool was_live = !KEEP_LIVE && rh_tcg_vector_save(cpu);
    unsigned size = info & 0xff;
    bool is_fast = false;
    bool is_good = (at & (RH_PAGE_SIZE - 1)) + size <= RH_PAGE_SIZE && rh_tlb_fill(cpu, cpu->tlb_mode, at, access, &is_fast);

    rh_tcg_vector_restore(cpu, was_live);
    /* A fault is raised again by the interpreter, which knows everything about the instruction. */
    return is_good && is_fast && generation == cpu->jit->generation ? 0 : RH_LEAVE_INTERPRET;
}

static bool step(RhTcgCpu *cpu)
{
    if (!KEEP_LIVE) {
        rh_tcg_vector_save(cpu);
    }
    return rh_tcg_step(cpu);
}

static void set_mode(RhTcgCpu *cpu, uint32_t mode)
{
    cpu->jump_key = cpu->jump_key >> RH_JUMP_MODE_BITS << RH_JUMP_MODE_BITS | mode;
}

static RhBlock *look_up(RhTcgJit *jit, uint64_t gpa, uint64_t rip, uint32_t mode)
{
    for (RhBlock *block = jit->buckets[rh_jit_bucket(gpa, rip, mode)]; block; block = block->next) {
        if (block->gpa == gpa && block->rip == rip && block->mode == mode) {
            return block;
        }
    }
    return NULL;
}

static RhBlock *make(RhTcgJit *jit, uint64_t gpa, const uint8_t *host, uint32_t mode)
{
    bool was_live = rh_tcg_vector_save(jit->cpu);
    RhBlock *block = rh_jit_make(jit, gpa, host, mode);

    rh_tcg_vector_restore(jit->cpu, was_live);
    return block;
}

RhBlock *rh_jit_find(RhTcgJit *jit)
{
    RhTcgCpu *cpu = jit->cpu;
    uint32_t mode = rh_block_mode(cpu);
    uint64_t in_page = cpu->rip % RH_PAGE_SIZE;
    RhBlock *block;
    uint64_t gpa;
    uint8_t *host;

    if (!rh_tcg_fetch_page(cpu, cpu->rip, &gpa, &host)) {
        return NULL;
    }
    gpa = (gpa & ~(uint64_t)(RH_PAGE_SIZE - 1)) | in_page;
    block = look_up(jit, gpa, cpu->rip, mode);
    if (!block) {
        block = make(jit, gpa, host ? host + in_page : NULL, mode);
    }
    if (block->entry) {     /* translated code finds it by itself from now on */
        RhJump *jump = &cpu->jumps[block->rip % RH_JUMPS];

        jump->rip = block->rip;
        jump->code = block->entry;
        jump->key = cpu->jump_key;
    }
    return block;
}

static const void *cached(const RhTcgCpu *cpu)
{
    const RhJump *jump = &cpu->jumps[cpu->rip % RH_JUMPS];

    return jump->rip == cpu->rip && jump->key == cpu->jump_key ? jump->code : NULL;
}

static RhLeave enter(RhTcgCpu *cpu, const void *code)
{
    RhLeave reason;

    rh_tcg_vector_restore(cpu, !cpu->is_vector_live);
    flags_out(cpu);
    reason = cpu->jit->enter(code);
    flags_in(cpu);
    if (!KEEP_LIVE) {
        rh_tcg_vector_save(cpu);
    }
    return reason;
}

static void follow_link(RhTcgCpu *cpu)
{
    uint64_t generation = cpu->jit->generation;
    uint8_t *site = (uint8_t *)cpu->scratch[RH_SCRATCH_LINK];
    RhBlock *block = rh_jit_find(cpu->jit);

    if (block && generation == cpu->jit->generation) {
        rh_jit_link(cpu->jit, site, block);
    }
}

/* One block or more, or one instruction; false: cpu->fault. */
static bool advance(RhTcgCpu *cpu)
{
    const void *code;
    RhLeave reason;

    if (cpu->shadow || !rh_can_translate(cpu)) {
        return step(cpu);
    }
    set_mode(cpu, rh_block_mode(cpu));
    code = cached(cpu);
    if (!code) {
        const RhBlock *block = rh_jit_find(cpu->jit);

        if (!block) {
            return false;
        }
        code = block->entry;
    }
    reason = code ? enter(cpu, code) : RH_LEAVE_INTERPRET;
    if (reason == RH_LEAVE_INTERPRET) {
        return step(cpu);
    }
    if (reason == RH_LEAVE_LINK) {
        follow_link(cpu);
    }
    return true;
}

void rh_jit_run(RhTcgCpu *cpu)
{
    do {
        if (G_UNLIKELY(!advance(cpu))) {
            rh_tcg_deliver_fault(cpu);
        }
    } while (!(__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED) | cpu->is_halted | cpu->is_shut_down));
    rh_tcg_vector_save(cpu);
}
