/*
 * Makes string instructions in all their forms, at the edges: of pages and of what is mapped, forwards and backwards, with 32-bit and
 * 16-bit addresses whose registers have something in their upper parts, with counts of zero. See native.h.
 */
#include "tests/tcg/generate.h"

static uint64_t edge(uint64_t *seed, unsigned size)
{
    static const uint16_t edges[] = { 0, RH_PAGE_SIZE, RH_NATIVE_DATA_SIZE };
    uint64_t at = RH_NATIVE_DATA + edges[rh_native_below(seed, RH_COUNT(edges))];

    if (rh_native_one_in(seed, 4)) {
        return RH_NATIVE_DATA + rh_native_below(seed, RH_NATIVE_DATA_SIZE);
    }
    return at + rh_native_below(seed, 6 * size + 4) - 3 * size - 2;
}

static uint64_t count(uint64_t *seed)
{
    switch (rh_native_below(seed, 8)) {
    case 0:  return 0;
    case 1:  return 1;
    case 2:  return rh_native_below(seed, 2 * RH_NATIVE_DATA_SIZE);
    case 3:  return (uint32_t)rh_native_next(seed);
    default: return rh_native_below(seed, 12);
    }
}

/* What is above bit 31 (15) of a register means nothing to a 32-bit (16-bit) address. */
static uint64_t dress(const RhInsn *insn, uint64_t *seed, uint64_t value)
{
    unsigned bits = 8 * insn->addr_size;

    return insn->addr_size < 8 && !rh_native_one_in(seed, 4) ? (value & rh_bits(bits)) | rh_native_next(seed) << bits : value;
}

/* 16-bit offsets, at either end of their range, need a base of their own to come to the data. */
static void aim_16(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    uint64_t *base = insn->segment == RH_FS ? &state->fs_base : insn->segment == RH_GS ? &state->gs_base : NULL;
    uint16_t offset = (uint16_t)(rh_native_below(seed, 64) - 32);

    if (base && insn->addr_size == 2) {
        *base = edge(seed, insn->size) - offset;
        state->gpr[RH_RSI] = (state->gpr[RH_RSI] & ~UINT64_C(0xffff)) | offset;
    }
}

static void aim(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    uint64_t base = insn->segment == RH_FS ? state->fs_base : insn->segment == RH_GS ? state->gs_base : 0;
    uint64_t src = edge(seed, insn->size);
    uint64_t dst = rh_native_one_in(seed, 4) ? src + rh_native_below(seed, 24) - 12 : edge(seed, insn->size);

    state->gpr[RH_RCX] = dress(insn, seed, count(seed));
    state->gpr[RH_RSI] = dress(insn, seed, src - base);
    state->gpr[RH_RDI] = dress(insn, seed, dst);
    if (rh_native_one_in(seed, 16)) {
        state->gpr[RH_RSI] ^= UINT64_C(1) << 62;        /* not canonical, where it counts */
    }
    if (rh_native_one_in(seed, 16)) {
        state->gpr[RH_RDI] ^= UINT64_C(1) << 62;
    }
    aim_16(insn, seed, state);
    state->rflags &= ~(uint64_t)RH_RFLAGS_DF;
    state->rflags |= rh_native_one_in(seed, 2) ? RH_RFLAGS_DF : 0;
    if (rh_native_one_in(seed, 2)) {    /* comparisons that go on */
        memset(state->data, (uint8_t)state->gpr[RH_RAX], sizeof(state->data));
        state->gpr[RH_RAX] = (state->gpr[RH_RAX] & 0xff) * UINT64_C(0x0101010101010101);
        state->data[rh_native_below(seed, RH_NATIVE_DATA_SIZE)] ^= 1;
    }
}

void rh_native_case_string(RhCodeSize code_size, uint64_t *seed, RhNativeCase *ret)
{
    static const uint8_t opcodes[] = {
        0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xa6, 0xa7,
        0x6c, 0x6d, 0x6e, 0x6f,         /* no ports here: #GP, a count of zero or not */
    };
    static const uint8_t repeats[] = { 0, 0xf2, 0xf3, 0xf3 };
    static const uint8_t segments[] = { 0, 0, 0x64, 0x65 };
    uint8_t parts[] = {
        repeats[rh_native_below(seed, RH_COUNT(repeats))], segments[rh_native_below(seed, RH_COUNT(segments))],
        rh_native_one_in(seed, 2) ? 0x67 : 0, rh_native_one_in(seed, 3) ? 0x66 : 0, rh_native_one_in(seed, 3) && code_size == RH_CODE_64 ? 0x48 : 0,
        opcodes[rh_native_below(seed, RH_COUNT(opcodes))],
    };
    uint8_t code[sizeof(parts)];
    unsigned nr = 0;

    for (unsigned i = 0; i < sizeof(parts); i++) {
        if (parts[i]) {
            code[nr++] = parts[i];
        }
    }
    g_assert_true(rh_native_case_set(code_size, code, nr, seed, ret));
    aim(&ret->insn, seed, &ret->before);
    rh_native_cut(&ret->before);
    ret->undefined_flags = rh_native_undefined_flags(&ret->insn, &ret->before);
}
