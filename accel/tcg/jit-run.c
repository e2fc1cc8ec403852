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
    cpu->scratch[RH_SCRATCH_FLAGS] = rh_saved_flags(cpu->rflags);
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
    unsigned size = info & RH_MISS_SIZE;
    bool is_fast = false;
    bool is_good = (at & (RH_PAGE_SIZE - 1)) + size <= RH_PAGE_SIZE && rh_tlb_fill(cpu, cpu->tlb_mode, at, access, &is_fast);

    cpu->rip |= info >> RH_MISS_RIP_SHIFT;
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
    cpu->jump_key[0] = cpu->jump_generation[0] | mode;
    cpu->jump_key[1] = cpu->jump_generation[1] | mode;
}

/* The page in which an instruction goes on may be another one now. */
static bool is_current(RhTcgCpu *cpu, const RhBlock *block)
{
    uint64_t next, gpa;
    uint8_t *host;

    return !block->bridge_at || (rh_next_page(cpu, block->rip, &next) && rh_tcg_fetch_page(cpu, next, &gpa, &host) &&
                                 gpa >> RH_PAGE_BITS == block->span_page);
}

static RhBlock *look_up(RhTcgJit *jit, uint64_t gpa, uint64_t rip, uint32_t mode)
{
    for (uint32_t at = jit->buckets[rh_jit_bucket(gpa, rip, mode)]; at;) {
        RhBlock *block = &jit->blocks[at - 1];

        if (block->gpa == gpa && block->rip == rip && block->mode == mode && is_current(jit->cpu, block)) {
            return block;
        }
        at = block->next;
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

/* Addresses of the upper half are forgotten more seldom than those of pages that are not global change. */
static bool is_cacheable(const RhTcgCpu *cpu, const RhBlock *block)
{
    uint64_t next;

    return block->code_len && (!(block->rip >> 63) ||
                               (rh_tcg_is_global_code(cpu, block->rip) &&
                                (!block->bridge_at || (rh_next_page(cpu, block->rip, &next) && rh_tcg_is_global_code(cpu, next)))));
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
    if (is_cacheable(cpu, block)) {
        /* translated code finds it by itself from now on */
        RhJump *jump = &cpu->jumps[rh_jump_index(block->rip)];

        jump->rip = block->rip;
        jump->code = (uint32_t)(block->write_start - jit->code);
        jump->key = cpu->jump_key[block->rip >> 63];
    }
    return block;
}

static const void *cached(const RhTcgCpu *cpu)
{
    const RhJump *jump = &cpu->jumps[rh_jump_index(cpu->rip)];

    return jump->rip == cpu->rip && jump->key == cpu->jump_key[cpu->rip >> 63] ? cpu->jit->exec + jump->code : NULL;
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

static void lead(RhTcgJit *jit, const RhJitLink *link, const uint8_t *target)
{
    uint8_t *site = jit->code + link->site;

    rh_st32(site, (uint32_t)(target - (site + 4)));
}

static void undo_far_links(RhTcgJit *jit)
{
    for (uint32_t i = 0; i < jit->nr_far_links; i++) {
        const RhJitLink *link = &jit->links[jit->far_links[i]];

        lead(jit, link, jit->code + link->stub);
    }
    jit->nr_far_links = 0;
}

/*
 * Linear addresses may mean something else now. There is a generation for addresses in the lower half, and one for the upper
 * half, of which only global pages get into the jump cache: that one survives a switch of address spaces. Those of the lower half
 * are put aside by PCID. A generation is never 0, which is what entries are at first.
 */
static void show_keys(RhTcgCpu *cpu)
{
    for (unsigned half = 0; half < 2; half++) {
        cpu->jump_key[half] = cpu->jump_generation[half] | (cpu->jump_key[half] & ((1u << RH_JUMP_MODE_BITS) - 1));
    }
}

static void forget_spaces(RhTcgCpu *cpu)
{
    for (unsigned i = 0; i < RH_COUNT(cpu->spaces); i++) {
        cpu->spaces[i].generation = 0;
    }
}

static uint32_t new_generation(RhTcgCpu *cpu)
{
    cpu->last_generation += 1u << RH_JUMP_MODE_BITS;
    if (!cpu->last_generation) {
        for (unsigned i = 0; i < RH_JUMPS; i++) {
            cpu->jumps[i].key = 0;
        }
        forget_spaces(cpu);
        cpu->jump_generation[1] = 1u << RH_JUMP_MODE_BITS;      /* no two halves share one */
        cpu->last_generation = 2u << RH_JUMP_MODE_BITS;
    }
    return cpu->last_generation;
}

void rh_tcg_forget_jumps(RhTcgCpu *cpu, bool keep_global)
{
    forget_spaces(cpu);
    /* CR3 does not change by MOV alone: a task switch, RSM, or loading state comes here. */
    cpu->jump_pcid = cpu->cr4 & RH_CR4_PCIDE ? cpu->cr3 & 0xfff : 0;
    cpu->jump_generation[0] = new_generation(cpu);
    if (!keep_global) {
        if (cpu->jit) {
            undo_far_links(cpu->jit);
        }
        cpu->jump_generation[1] = new_generation(cpu);
    }
    show_keys(cpu);
}

/* The generation put aside for @pcid, or 0; it is put aside no longer. */
static uint32_t take_space(RhTcgCpu *cpu, unsigned pcid)
{
    for (unsigned i = 0; i < RH_COUNT(cpu->spaces); i++) {
        if (cpu->spaces[i].generation && cpu->spaces[i].pcid == pcid) {
            uint32_t generation = cpu->spaces[i].generation;

            cpu->spaces[i].generation = 0;
            return generation;
        }
    }
    return 0;
}

void rh_tcg_switch_jumps(RhTcgCpu *cpu, unsigned pcid, bool keep_old)
{
    uint32_t generation;

    if (pcid != cpu->jump_pcid) {
        unsigned i = cpu->next_space++ % RH_COUNT(cpu->spaces);

        cpu->spaces[i].pcid = cpu->jump_pcid;
        cpu->spaces[i].generation = cpu->jump_generation[0];
        cpu->jump_pcid = (uint16_t)pcid;
        generation = take_space(cpu, pcid);
    } else {
        generation = cpu->jump_generation[0];
    }
    cpu->jump_generation[0] = keep_old && generation ? generation : new_generation(cpu);
    show_keys(cpu);
}

void rh_tcg_forget_jumps_to(RhTcgCpu *cpu, uint64_t at)
{
    const RhTcgJit *jit = cpu->jit;
    uint32_t bit = rh_jit_filter_bit(at);

    if (jit && jit->code_filter[bit / 8] >> bit % 8 & 1) {
        rh_tcg_forget_jumps(cpu, at >> 63 == 0);
    }
}

/*
 * A link to another page holds as long as linear addresses lead where they led: that of a global page in the upper half until
 * these are forgotten as well. One to a bridge always holds.
 */
static bool may_link(RhTcgJit *jit, uint32_t number, const RhBlock *from, const RhBlock *to)
{
    if (!from->code_len || !to->code_len || from->mode != to->mode) {
        return false;
    }
    if (((from->gpa ^ to->gpa) | (from->rip ^ to->rip)) >> RH_PAGE_BITS == 0 || to->bridge_at) {
        return true;
    }
    if (!(to->rip >> 63) || jit->nr_far_links == RH_FAR_LINKS || !rh_tcg_is_global_code(jit->cpu, to->rip)) {
        return false;
    }
    jit->far_links[jit->nr_far_links++] = number;
    return true;
}

/* Lead the jump that was left by RH_LEAVE_LINK to @block. */
static void link_to(RhTcgJit *jit, uint32_t number, const RhBlock *block)
{
    const RhJitLink *link = &jit->links[number];
    const RhBlock *from = &jit->blocks[link->block];

    if (may_link(jit, number, from, block)) {
        /* Only a jump backward can close a loop. */
        lead(jit, link, block->bridge_at ? block->write_dead + block->bridge_at
                                         : block->write_start + (block->rip > from->rip ? block->forward_at : 0));
    }
}

static void follow_link(RhTcgCpu *cpu)
{
    uint64_t generation = cpu->jit->generation;
    uint32_t number = (uint32_t)cpu->scratch[RH_SCRATCH_LINK];
    RhBlock *block = rh_jit_find(cpu->jit);

    if (block && generation == cpu->jit->generation) {
        link_to(cpu->jit, number, block);
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
        code = block->code_len ? rh_jit_entry(cpu->jit, block) : NULL;
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
