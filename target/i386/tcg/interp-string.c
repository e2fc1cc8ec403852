/*
 * Interpreter: string instructions.
 *
 * They are done in runs: as many elements as lie in one page on either side, by the host's own string instruction on
 * host memory, which has the guest's semantics in every respect (direction, overlap, flags); or one element, where there
 * is no host memory or an element crosses pages. Registers are exact after each run, so a fault restarts at the element
 * that caused it. A step does a bounded amount of work and leaves RIP on the instruction while there is more, so that
 * interrupts are taken in between (SDM vol. 2, REP).
 */
#include "target/i386/tcg/interp.h"

/* What a step does at most, in bytes; elements that are done one by one count for more. */
enum { STEP_BYTES = 4 * RH_PAGE_SIZE, SLOW_BYTES = 256 };

static bool is_down(const RhTcgCpu *cpu)
{
    return cpu->rflags & RH_RFLAGS_DF;
}

void rh_interp_advance(RhTcgCpu *cpu, const RhInsn *insn, unsigned nr, uint64_t elements)
{
    uint64_t bytes = elements * insn->size;

    rh_set_gpr(cpu, nr, insn->addr_size, is_down(cpu) ? cpu->gpr[nr] - bytes : cpu->gpr[nr] + bytes);
}

static unsigned segment_of(const RhInsn *insn, unsigned nr)
{
    return nr == RH_RDI ? RH_ES : insn->segment;
}

bool rh_interp_string_address(RhTcgCpu *cpu, const RhInsn *insn, unsigned nr, RhAccess access, uint64_t *ret)
{
    uint64_t offset = rh_get_gpr(cpu, nr, insn->addr_size);

    return rh_interp_linear(cpu, segment_of(insn, nr), offset, insn->size, access, ret);
}

/* Whether the comparison just made ends the repetition: REPE (F3) wants ZF, REPNE (F2) wants it not. */
static bool ends_by_comparison(const RhTcgCpu *cpu, const RhInsn *insn)
{
    bool is_comparison = insn->op == RH_OP_CMPS || insn->op == RH_OP_SCAS;

    return is_comparison && !(cpu->rflags & RH_FLAG_ZF) == (insn->rep == 0xf3);
}

bool rh_interp_repeat(RhTcgCpu *cpu, const RhInsn *insn, RhStringRun *run)
{
    uint64_t count = rh_get_gpr(cpu, RH_RCX, insn->addr_size);
    uint64_t old_rflags = cpu->rflags;
    uint64_t spent = 0;
    uint64_t done;

    if (!insn->rep) {
        if (!run(cpu, insn, 1, &done)) {
            return false;
        }
        count = 0;
    }
    while (count) {
        if (!run(cpu, insn, cpu->rflags & RH_RFLAGS_TF ? 1 : count, &done)) {
            cpu->rflags = old_rflags;   /* SDM vol. 2, REP: flags are restored, registers are not */
            return false;
        }
        count -= done;
        rh_set_gpr(cpu, RH_RCX, insn->addr_size, count);
        if (!count || ends_by_comparison(cpu, insn)) {
            break;
        }
        spent += MAX(done * insn->size, SLOW_BYTES);
        if (spent >= STEP_BYTES || (cpu->rflags & RH_RFLAGS_TF) || __atomic_load_n(&cpu->attention, __ATOMIC_RELAXED)) {
            return true;    /* to be continued */
        }
    }
    cpu->rip = rh_next_rip(cpu, insn);
    return true;
}

/* ---- one element ---- */

static bool run_one(RhTcgCpu *cpu, const RhInsn *insn, uint64_t src, uint64_t dst)
{
    RhCompute *compare = rh_alu_sub[rh_width(insn->size)];
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t value = rh_get_gpr(cpu, RH_RAX, insn->size);
    uint64_t other;

    switch (insn->op) {
    case RH_OP_MOVS:
        return rh_interp_load(cpu, src, insn->size, &value) && rh_interp_store(cpu, dst, insn->size, value);
    case RH_OP_STOS:
        return rh_interp_store(cpu, dst, insn->size, value);
    case RH_OP_LODS:
        if (!rh_interp_load(cpu, src, insn->size, &value)) {
            return false;
        }
        rh_set_gpr(cpu, RH_RAX, insn->size, value);
        return true;
    default:        /* the destination's fault comes first, as on processors */
        if (!rh_interp_load(cpu, dst, insn->size, &other) ||
            (insn->op == RH_OP_CMPS && !rh_interp_load(cpu, src, insn->size, &value))) {
            return false;
        }
        compare(value, other, 0, &flags);
        rh_set_status(cpu, flags);
        return true;
    }
}

/* ---- many elements in host memory ---- */

/* "op" with the suffix of the element's size, forwards or backwards; DF is clear again behind it. */
#define HOST_STRING(op, suffix)                                                                         \
    if (down) {                                                                                         \
        __asm__ volatile("std\n\t" op suffix RH_FLAGS_SAVE "\n\tcld"                                    \
                         : "+S"(*src), "+D"(*dst), "+c"(*count), "+a"(rax) : : "cc", "memory");         \
    } else {                                                                                            \
        __asm__ volatile(op suffix RH_FLAGS_SAVE                                                        \
                         : "+S"(*src), "+D"(*dst), "+c"(*count), "+a"(rax) : : "cc", "memory");         \
    }                                                                                                   \
    break;
#define HOST_STRINGS(name, op)                                                                          \
    static uint32_t name(unsigned size, bool down, uint8_t **src, uint8_t **dst, uint64_t *count, uint64_t rax) \
    {                                                                                                   \
        switch (size) {                                                                                 \
        case 1:  HOST_STRING(op, "b")                                                                   \
        case 2:  HOST_STRING(op, "w")                                                                   \
        case 4:  HOST_STRING(op, "l")                                                                   \
        default: HOST_STRING(op, "q")                                                                   \
        }                                                                                               \
        return (uint32_t)rax;                                                                           \
    }

HOST_STRINGS(host_movs, "rep movs")
HOST_STRINGS(host_stos, "rep stos")
HOST_STRINGS(host_repe_cmps, "repe cmps")
HOST_STRINGS(host_repne_cmps, "repne cmps")
HOST_STRINGS(host_repe_scas, "repe scas")
HOST_STRINGS(host_repne_scas, "repne scas")

/* Do @nr elements (at least one; a comparison may end earlier); returns how many were done. */
static uint64_t run_host(RhTcgCpu *cpu, const RhInsn *insn, uint8_t *src, uint8_t *dst, uint64_t nr)
{
    uint64_t left = nr;
    uint64_t rax = cpu->gpr[RH_RAX];
    bool down = is_down(cpu);

    switch (insn->op) {
    case RH_OP_MOVS:
        host_movs(insn->size, down, &src, &dst, &left, rax);
        break;
    case RH_OP_STOS:
        host_stos(insn->size, down, &src, &dst, &left, rax);
        break;
    case RH_OP_LODS:        /* the last one stays */
        rh_set_gpr(cpu, RH_RAX, insn->size, rh_ld(down ? src - (nr - 1) * insn->size : src + (nr - 1) * insn->size, insn->size));
        left = 0;
        break;
    case RH_OP_CMPS:
        rh_set_status(cpu, (insn->rep == 0xf3 ? host_repe_cmps : host_repne_cmps)(insn->size, down, &src, &dst, &left, rax));
        break;
    default:
        rh_set_status(cpu, (insn->rep == 0xf3 ? host_repe_scas : host_repne_scas)(insn->size, down, &src, &dst, &left, rax));
        break;
    }
    return nr - left;
}

/* ---- runs ---- */

/* How many elements from linear address @at and @offset on lie in one page, and before the offset wraps. */
static uint64_t elements_in_page(const RhTcgCpu *cpu, const RhInsn *insn, uint64_t at, uint64_t offset)
{
    uint64_t mask = rh_bits(insn->addr_size * 8);
    uint64_t in_page = at & (RH_PAGE_SIZE - 1);

    if (in_page + insn->size > RH_PAGE_SIZE || offset > mask - insn->size) {
        return 0;
    }
    if (is_down(cpu)) {
        return MIN(in_page, offset) / insn->size + 1;
    }
    return MIN(RH_PAGE_SIZE - in_page, mask - offset) / insn->size;
}

/* One side of a run: the register that points to it, and what is found out about it. */
typedef struct Side {
    unsigned reg;
    RhAccess access;
    uint64_t at;        /* linear, of the first element */
    uint8_t *host;      /* of the first element, or NULL */
} Side;

/* Find the first element, or fault; *nr is lowered to what this side allows in one go, 0 if it crosses pages. */
static bool find_side(RhTcgCpu *cpu, const RhInsn *insn, Side *side, uint64_t *nr)
{
    if (!rh_interp_string_address(cpu, insn, side->reg, side->access, &side->at)) {
        return false;
    }
    *nr = MIN(*nr, elements_in_page(cpu, insn, side->at, rh_get_gpr(cpu, side->reg, insn->addr_size)));
    return true;
}

/* Whether segmentation allows the last of @nr elements as it does the first; and so all between. */
static bool is_last_allowed(RhTcgCpu *cpu, const RhInsn *insn, const Side *side, uint64_t nr)
{
    uint64_t bytes = (nr - 1) * insn->size;
    uint64_t offset = rh_get_gpr(cpu, side->reg, insn->addr_size);
    uint64_t at;

    offset = is_down(cpu) ? offset - bytes : offset + bytes;
    return rh_interp_linear(cpu, segment_of(insn, side->reg), offset, insn->size, side->access, &at);
}

/* Host memory of @nr elements, all in one page, if it has any; false: a fault, which is the first element's, too. */
static bool find_host(RhTcgCpu *cpu, const RhInsn *insn, Side *side, uint64_t nr)
{
    uint64_t below = is_down(cpu) ? (nr - 1) * insn->size : 0;
    void *host;

    if (below && !rh_tcg_probe(cpu, cpu->tlb_mode, side->at, insn->size, side->access)) {
        return false;       /* with the address of the first element */
    }
    if (!rh_interp_host(cpu, side->at - below, (unsigned)(nr * insn->size), side->access, &host)) {
        return false;
    }
    side->host = host ? (uint8_t *)host + below : NULL;
    return true;
}

/* One operand is accessed, faults and all, before the other is looked at: what the address of the second raises waits for the first's page. */
static bool find_sides(RhTcgCpu *cpu, const RhInsn *insn, Side *side, unsigned nr_sides, uint64_t *nr)
{
    RhFault fault;

    if (!find_side(cpu, insn, &side[0], nr)) {
        return false;
    }
    if (nr_sides == 1 || find_side(cpu, insn, &side[1], nr)) {
        return true;
    }
    fault = cpu->fault;
    if (rh_tcg_probe(cpu, cpu->tlb_mode, side[0].at, insn->size, side[0].access)) {
        cpu->fault = fault;
    }
    return false;
}

/* The operands of @insn in the order in which they are accessed; returns how many. */
static unsigned list_sides(const RhInsn *insn, Side side[2])
{
    const Side src = { .reg = RH_RSI, .access = RH_ACCESS_READ };
    const Side read_dst = { .reg = RH_RDI, .access = RH_ACCESS_READ };
    const Side write_dst = { .reg = RH_RDI, .access = RH_ACCESS_WRITE };

    switch (insn->op) {
    case RH_OP_MOVS: side[0] = src; side[1] = write_dst; return 2;
    case RH_OP_CMPS: side[0] = read_dst; side[1] = src; return 2;   /* as processors do */
    case RH_OP_STOS: side[0] = write_dst; return 1;
    case RH_OP_LODS: side[0] = src; return 1;
    default:         side[0] = read_dst; return 1;
    }
}

static const Side *side_of(const Side *side, unsigned nr_sides, unsigned reg)
{
    static const Side none;

    for (unsigned i = 0; i < nr_sides; i++) {
        if (side[i].reg == reg) {
            return &side[i];
        }
    }
    return &none;
}

static bool run_string(RhTcgCpu *cpu, const RhInsn *insn, uint64_t max, uint64_t *ret_done)
{
    Side side[2];
    unsigned nr_sides = list_sides(insn, side);
    const Side *src = side_of(side, nr_sides, RH_RSI);
    const Side *dst = side_of(side, nr_sides, RH_RDI);
    uint64_t nr = max;
    bool is_host = true;

    if (!find_sides(cpu, insn, side, nr_sides, &nr)) {
        return false;
    }
    for (unsigned i = 0; i < nr_sides && nr > 1; i++) {
        if (!is_last_allowed(cpu, insn, &side[i], nr)) {
            nr = 1;     /* one by one up to the one that faults */
        }
    }
    for (unsigned i = 0; i < nr_sides && nr > 1; i++) {
        if (!find_host(cpu, insn, &side[i], nr)) {
            return false;
        }
        is_host = is_host && side[i].host;
    }
    if (nr > 1 && is_host) {
        nr = run_host(cpu, insn, src->host, dst->host, nr);
    } else {
        if (!run_one(cpu, insn, src->at, dst->at)) {
            return false;
        }
        nr = 1;
    }
    for (unsigned i = 0; i < nr_sides; i++) {
        rh_interp_advance(cpu, insn, side[i].reg, nr);
    }
    *ret_done = nr;
    return true;
}

bool rh_interp_string(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_interp_repeat(cpu, insn, run_string);
}
