/*
 * Vector instructions that access memory element by element, as a mask selects: gathers, VMASKMOVPS and kin, MASKMOVDQU and
 * MASKMOVQ. An element that is not selected is not accessed, and so cannot fault.
 *
 * Stores check every selected element before the first one changes. Gathers are the one exception to "a fault leaves
 * everything as it was": elements that are done stay done, and their masks are cleared, SDM vol. 2 "VGATHERDPS".
 *
 * Spec: SDM vol. 2.
 */
#include "target/i386/tcg/vector.h"

enum { YMM_BYTES = 32, XMM_BYTES = 16 };

#define OPCODE_MASKMOVDQU 0xf7      /* map 1; without 66: MASKMOVQ */
#define OPCODE_GATHER 0x90          /* map 2: +1 64-bit indices, +2 floating point */
#define OPCODE_VMASKMOV 0x2c        /* map 2: +1 double, +2 store */
#define OPCODE_VPMASKMOV_LOAD 0x8c
#define OPCODE_VPMASKMOV_STORE 0x8e

typedef struct Ymm {
    uint8_t byte[YMM_BYTES];
} Ymm;

static Ymm get_ymm(const RhTcgVector *vector, unsigned nr)
{
    Ymm ymm;

    memcpy(ymm.byte, vector->xmm[nr], XMM_BYTES);
    memcpy(ymm.byte + XMM_BYTES, vector->ymm_high[nr], XMM_BYTES);
    return ymm;
}

static void set_ymm(RhTcgVector *vector, unsigned nr, const Ymm *ymm)
{
    memcpy(vector->xmm[nr], ymm->byte, XMM_BYTES);
    memcpy(vector->ymm_high[nr], ymm->byte + XMM_BYTES, XMM_BYTES);
}

static bool is_selected(const Ymm *mask, unsigned element, unsigned size)
{
    return mask->byte[element * size + size - 1] >> 7;
}

static bool is_vmaskmov(const RhInsn *insn)
{
    return insn->is_vex && insn->map == 2 &&
           ((insn->opcode & ~3u) == OPCODE_VMASKMOV || insn->opcode == OPCODE_VPMASKMOV_LOAD ||
            insn->opcode == OPCODE_VPMASKMOV_STORE);
}

bool rh_vector_masked(const RhInsn *insn)
{
    return (insn->traits & (RH_INSN_VSIB | RH_INSN_STRING_MEM)) || is_vmaskmov(insn);
}

/* ---- addresses ---- */

static uint64_t get_address_register(const RhTcgCpu *cpu, unsigned nr)
{
    return nr == RH_NO_REG ? 0 : cpu->gpr[nr];
}

/* One element of @size bytes at @offset in the operand's segment. */
static bool address_element(RhTcgCpu *cpu, const RhInsn *insn, uint64_t offset, unsigned size, RhAccess access,
                            uint64_t *ret)
{
    return rh_tcg_linear(cpu, insn->segment, offset, size, access, ret);
}

/*
 * Of what lies @at bytes behind the operand's start. An operand is in one piece, and only where it begins is cut to the address size;
 * MASKMOVDQU and MASKMOVQ cut the address of each byte (measured).
 */
static uint64_t part_offset(const RhInsn *insn, uint64_t offset, unsigned at)
{
    uint64_t mask = rh_bits(insn->addr_size * 8);

    return insn->traits & RH_INSN_STRING_MEM ? (offset + at) & mask : (offset & mask) + at;
}

uint64_t rh_vector_offset(const RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t offset = (uint64_t)insn->disp;

    if (insn->base == RH_REG_RIP) {
        return offset + cpu->rip + insn->len;
    }
    offset += get_address_register(cpu, insn->base);
    if (!(insn->traits & RH_INSN_VSIB)) {
        offset += get_address_register(cpu, insn->index) * insn->scale;
    }
    return offset;
}

static bool load_element(RhTcgCpu *cpu, const RhInsn *insn, uint64_t offset, unsigned size, uint8_t *ret)
{
    uint64_t at, value;

    if (!address_element(cpu, insn, offset, size, RH_ACCESS_READ, &at) ||
        !rh_tcg_load(cpu, (RhTlbMode)cpu->tlb_mode, at, size, &value)) {
        return false;
    }
    memcpy(ret, &value, size);
    return true;
}

static bool probe_element(RhTcgCpu *cpu, const RhInsn *insn, uint64_t offset, unsigned size)
{
    uint64_t at;

    return address_element(cpu, insn, offset, size, RH_ACCESS_WRITE, &at) &&
           rh_tcg_probe(cpu, (RhTlbMode)cpu->tlb_mode, at, size, RH_ACCESS_WRITE);
}

static bool store_element(RhTcgCpu *cpu, const RhInsn *insn, uint64_t offset, unsigned size, const uint8_t *from)
{
    uint64_t at, value = 0;

    memcpy(&value, from, size);
    return address_element(cpu, insn, offset, size, RH_ACCESS_WRITE, &at) &&
           rh_tcg_store(cpu, (RhTlbMode)cpu->tlb_mode, at, size, value);
}

/* @nr elements of @size bytes one behind the other from @offset on, those that @mask selects. */
static bool store_selected(RhTcgCpu *cpu, const RhInsn *insn, uint64_t offset, unsigned nr, unsigned size,
                           const Ymm *mask, const Ymm *value)
{
    for (unsigned i = 0; i < nr; i++) {
        if (is_selected(mask, i, size) && !probe_element(cpu, insn, part_offset(insn, offset, i * size), size)) {
            return false;
        }
    }
    for (unsigned i = 0; i < nr; i++) {
        if (is_selected(mask, i, size) &&
            !store_element(cpu, insn, part_offset(insn, offset, i * size), size, value->byte + i * size)) {
            return false;
        }
    }
    return true;
}

static bool load_selected(RhTcgCpu *cpu, const RhInsn *insn, uint64_t offset, unsigned nr, unsigned size,
                          const Ymm *mask, Ymm *ret)
{
    for (unsigned i = 0; i < nr; i++) {
        if (is_selected(mask, i, size) &&
            !load_element(cpu, insn, part_offset(insn, offset, i * size), size, ret->byte + i * size)) {
            return false;
        }
    }
    return true;
}

/* ---- the instructions ---- */

static bool vmaskmov_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    bool is_store = insn->opcode & 2;
    bool is_integer = insn->opcode >= OPCODE_VPMASKMOV_LOAD;
    unsigned size = (is_integer ? insn->rex_w : insn->opcode & 1) ? 8 : 4;
    unsigned nr = (insn->vex_l ? YMM_BYTES : XMM_BYTES) / size;
    uint64_t offset = rh_vector_offset(cpu, insn);
    Ymm mask = get_ymm(&cpu->vector, insn->vvvv);
    Ymm value = { 0 };

    if (is_store) {
        value = get_ymm(&cpu->vector, insn->reg);
        return store_selected(cpu, insn, offset, nr, size, &mask, &value);
    }
    if (!load_selected(cpu, insn, offset, nr, size, &mask, &value)) {
        return false;
    }
    set_ymm(&cpu->vector, insn->reg, &value);
    return true;
}

static bool maskmovdqu_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    Ymm value = get_ymm(&cpu->vector, insn->reg);
    Ymm mask = get_ymm(&cpu->vector, insn->rm);

    return store_selected(cpu, insn, cpu->gpr[RH_RDI], XMM_BYTES, 1, &mask, &value);
}

/* The x87 state as any MMX instruction leaves it: top of stack 0, all registers valid. MOVD EAX, MM0 changes no other. */
static const RhTcgVector *enter_mmx(RhTcgCpu *cpu)
{
    static const RhInsn movd = {
        .op = RH_OP_VECTOR, .len = 3, .bytes = { 0x0f, 0x7e, 0xc0 }, .map = 1, .opcode = 0x7e, .has_modrm = true,
        .modrm = 0xc0, .modrm_at = 2, .traits = RH_INSN_GPR_RM | RH_INSN_GPR_WRITTEN | RH_INSN_USES_MMX,
    };
    RhStubs *stubs = rh_tcg_stubs(cpu);
    RhStubFrame frame = { 0 };

    return rh_stubs_run(stubs, &movd, rh_stubs_get(stubs, &movd, true), &cpu->vector, &frame);
}

static bool maskmovq_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    enum { MM_BYTES = 8 };
    const RhTcgVector *mmx = enter_mmx(cpu);
    Ymm value = { 0 }, mask = { 0 };

    if (!mmx) {
        return rh_tcg_ud(cpu);
    }
    memcpy(value.byte, mmx->st[insn->reg & 7], MM_BYTES);
    memcpy(mask.byte, mmx->st[insn->rm & 7], MM_BYTES);
    if (!store_selected(cpu, insn, cpu->gpr[RH_RDI], MM_BYTES, 1, &mask, &value)) {
        return false;
    }
    cpu->vector = *mmx;
    return true;
}

/** Gather - the shape of one: elements and indices need not have the same size, and there are as many as the longer allows */
typedef struct Gather {
    unsigned len;               /* of the vector, in bytes */
    unsigned size, index_size, nr;
    uint64_t offset;
    Ymm index, mask, dest;
} Gather;

static void gather_init(Gather *gather, const RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned len = insn->vex_l ? YMM_BYTES : XMM_BYTES;
    unsigned size = insn->rex_w ? 8 : 4;
    unsigned index_size = insn->opcode & 1 ? 8 : 4;

    *gather = (Gather){
        .len = len,
        .size = size,
        .index_size = index_size,
        .nr = len / MAX(size, index_size),
        .offset = rh_vector_offset(cpu, insn),
        .index = get_ymm(&cpu->vector, insn->index),
        .mask = get_ymm(&cpu->vector, insn->vvvv),
        .dest = get_ymm(&cpu->vector, insn->reg),
    };
}

static uint64_t gather_offset(const Gather *gather, const RhInsn *insn, unsigned element)
{
    const uint8_t *at = gather->index.byte + element * gather->index_size;
    int64_t index = gather->index_size == 8 ? (int64_t)rh_ld64(at) : (int32_t)rh_ld32(at);

    return (gather->offset + (uint64_t)index * insn->scale) & rh_bits(insn->addr_size * 8);
}

/* All elements done: the mask is zero, and so is what lies behind the elements in the destination. */
static void gather_finish(Gather *gather)
{
    unsigned used = gather->nr * gather->size;

    memset(gather->mask.byte, 0, YMM_BYTES);
    memset(gather->dest.byte + used, 0, YMM_BYTES - used);
}

/*
 * An element faults: the mask tells those that are left, by all bits of each, up to the vector's length, which may be beyond
 * the last element. Behind that length the mask is zero, and the destination too, if it has got an element (measured).
 */
static void gather_suspend(Gather *gather, unsigned element)
{
    Ymm rest = { 0 };
    bool has_loaded = false;

    for (unsigned i = 0; i < element; i++) {
        has_loaded = has_loaded || is_selected(&gather->mask, i, gather->size);
    }
    if (has_loaded) {
        memset(gather->dest.byte + gather->len, 0, YMM_BYTES - gather->len);
    }

    for (unsigned i = element; i < gather->len / gather->size; i++) {
        memset(rest.byte + i * gather->size, is_selected(&gather->mask, i, gather->size) ? 0xff : 0, gather->size);
    }
    gather->mask = rest;
}

static bool gather_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    Gather gather;
    bool is_ok = true;

    if (insn->reg == insn->vvvv || insn->reg == insn->index || insn->vvvv == insn->index) {
        return rh_tcg_ud(cpu);
    }
    gather_init(&gather, cpu, insn);
    for (unsigned i = 0; i < gather.nr; i++) {
        if (is_selected(&gather.mask, i, gather.size) &&
            !load_element(cpu, insn, gather_offset(&gather, insn, i), gather.size, gather.dest.byte + i * gather.size)) {
            gather_suspend(&gather, i);
            is_ok = false;
            break;
        }
    }
    if (is_ok) {
        gather_finish(&gather);
    }
    set_ymm(&cpu->vector, insn->reg, &gather.dest);
    set_ymm(&cpu->vector, insn->vvvv, &gather.mask);
    return is_ok;
}

bool rh_vector_masked_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    if (insn->traits & RH_INSN_VSIB) {
        return gather_step(cpu, insn);
    }
    if (is_vmaskmov(insn)) {
        return vmaskmov_step(cpu, insn);
    }
    return insn->pp == 1 ? maskmovdqu_step(cpu, insn) : maskmovq_step(cpu, insn);
}
