/*
 * Makes instructions and states for native runs. Encodings come from asking the decoder about every opcode of every map, so
 * whatever it learns is tested. Operands are aimed at scratch memory: mostly within, sometimes over its edges.
 */
#include "tests/tcg/generate.h"

#include <cpuid.h>

uint64_t rh_native_next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

unsigned rh_native_below(uint64_t *seed, unsigned limit)
{
    return (rh_native_next(seed) >> 32) % limit;
}

bool rh_native_one_in(uint64_t *seed, unsigned n)
{
    return rh_native_below(seed, n) == 0;
}

/* ---- what may run ---- */

/* Where CPUID tells of what the generators use: a leaf, which of eax to edx, and a bit. */
static const struct {
    uint32_t leaf;
    uint8_t reg;
    uint8_t bit;
} cpuid_bits[] = {
    [RH_FEAT_FMA]    = { 1, 2, 12 },
    [RH_FEAT_PCLMUL] = { 1, 2, 1 },
    [RH_FEAT_MOVBE]  = { 1, 2, 22 },
    [RH_FEAT_POPCNT] = { 1, 2, 23 },
    [RH_FEAT_AES]    = { 1, 2, 25 },
    [RH_FEAT_F16C]   = { 1, 2, 29 },
    [RH_FEAT_BMI1]   = { 7, 1, 3 },
    [RH_FEAT_AVX2]   = { 7, 1, 5 },
    [RH_FEAT_BMI2]   = { 7, 1, 8 },
    [RH_FEAT_ADX]    = { 7, 1, 19 },
    [RH_FEAT_SHA]    = { 7, 1, 29 },
    [RH_FEAT_LZCNT]  = { 0x80000001, 2, 5 },
};

bool rh_native_has(RhInsnFeature feature)
{
    uint32_t regs[4] = { 0 };

    switch (feature) {
    case RH_FEAT_MOVDIRI:
    case RH_FEAT_MOVDIR64B:
    case RH_FEAT_SERIALIZE:
    case RH_FEAT_CLWB:
    case RH_FEAT_CLFLUSHOPT:
        return false;       /* few CPUs have them, and they have nothing to compare */
    default:
        break;
    }
    if (feature >= G_N_ELEMENTS(cpuid_bits) || !cpuid_bits[feature].leaf) {
        return true;
    }
    __get_cpuid_count(cpuid_bits[feature].leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]);
    return regs[cpuid_bits[feature].reg] >> cpuid_bits[feature].bit & 1;
}

bool rh_native_is_runnable(const RhInsn *insn)
{
    switch (insn->op) {
    case RH_OP_INVALID:
    case RH_OP_PUSH_SEG: case RH_OP_POP_SEG: case RH_OP_MOV_FROM_SEG: case RH_OP_MOV_TO_SEG: case RH_OP_LOAD_FAR:
    case RH_OP_JMP_FAR: case RH_OP_CALL_FAR: case RH_OP_RETF: case RH_OP_IRET: case RH_OP_INT:
    case RH_OP_LAR: case RH_OP_LSL: case RH_OP_VERR: case RH_OP_VERW:
    case RH_OP_SGDT: case RH_OP_SIDT: case RH_OP_SLDT: case RH_OP_STR: case RH_OP_SMSW:
    case RH_OP_SYSCALL: case RH_OP_SYSENTER: case RH_OP_VMCALL: case RH_OP_MONITOR: case RH_OP_MWAIT:
    case RH_OP_CPUID: case RH_OP_RDTSC: case RH_OP_RDTSCP: case RH_OP_RDPMC: case RH_OP_RDPID: case RH_OP_RDRAND: case RH_OP_RDSEED:
    case RH_OP_XGETBV: case RH_OP_FXSAVE: case RH_OP_FXRSTOR: case RH_OP_XSAVE: case RH_OP_XSAVEC: case RH_OP_XSAVEOPT:
    case RH_OP_XSAVES: case RH_OP_XRSTOR: case RH_OP_XRSTORS:
        return false;
    case RH_OP_BSWAP:
        return insn->size != 2;     /* undefined, SDM vol. 2 BSWAP */
    case RH_OP_CLI: case RH_OP_STI:
        return false;               /* the kernel may pretend that they work */
    default:
        return rh_native_has(insn->feature);
    }
}

/* ---- templates ---- */

typedef struct Template {
    uint8_t prefix;         /* 0, 66, F2, F3 */
    bool is_vex, w, l;
    bool has_modrm, is_memory, is_rm_fixed;
    uint8_t map, opcode;
    uint8_t reg, rm;        /* low bits of ModRM */
    uint8_t code_size;
} Template;

static GArray *templates_64, *templates_32;

static uint8_t pp_of(uint8_t prefix)
{
    return prefix == 0x66 ? 1 : prefix == 0xf3 ? 2 : prefix == 0xf2 ? 3 : 0;
}

typedef struct Style {      /* what stands around the template */
    uint8_t nr_extra;
    uint8_t extra[4];       /* redundant prefixes */
    bool has_rex;
    bool is_short;          /* VEX of two bytes, where it does */
    uint8_t ext;            /* R, X, B, as in REX */
    uint8_t vvvv;
} Style;

/* In 32-bit code it is LES or LDS instead unless the upper two bits of the second byte are set: R and X, or R and the top of vvvv. */
static unsigned put_vex(const Template *t, const Style *style, uint8_t *at)
{
    unsigned last = (~style->vvvv & 15) << 3 | t->l << 2 | pp_of(t->prefix);
    unsigned nr = 0;

    if (style->is_short && t->map == 1 && !t->w && !(style->ext & 3)) {
        at[nr++] = 0xc5;
        at[nr++] = (style->ext & 4 ? 0 : 0x80) | last;
    } else {
        at[nr++] = 0xc4;
        at[nr++] = (~style->ext & 7) << 5 | t->map;
        at[nr++] = t->w << 7 | last;
    }
    at[nr++] = t->opcode;
    return nr;
}

/* Prefixes and opcode. Returns the number of bytes. */
static unsigned put_opcode(const Template *t, const Style *style, uint8_t *at)
{
    unsigned nr = 0;

    if (t->is_vex) {
        return put_vex(t, style, at);
    }
    if (t->prefix) {
        at[nr++] = t->prefix;
    }
    if (style->has_rex || t->w) {
        at[nr++] = 0x40 | t->w << 3 | (style->has_rex ? style->ext : 0);
    }
    if (t->map) {
        at[nr++] = 0x0f;
    }
    if (t->map > 1) {
        at[nr++] = t->map == 2 ? 0x38 : 0x3a;
    }
    at[nr++] = t->opcode;
    return nr;
}

static bool decodes(RhCodeSize code_size, const uint8_t *bytes, RhInsn *ret)
{
    return rh_decode(bytes, RH_INSN_MAX, code_size, ret) == RH_DECODE_OK && rh_native_is_runnable(ret);
}

static bool is_string(const RhInsn *insn)
{
    return insn->op >= RH_OP_MOVS && insn->op <= RH_OP_OUTS;
}

/* Adds the template if the decoder takes it: with VEX.vvvv as none, or as a register. */
static bool consider(GArray *templates, Template *t)
{
    uint8_t bytes[32] = { 0 };
    RhInsn insn;
    bool ok = false;

    for (unsigned vvvv = 0; vvvv < 2 && !ok; vvvv++) {
        unsigned nr = put_opcode(t, &(Style){ .vvvv = vvvv * 3 }, bytes);

        bytes[nr] = (t->is_memory ? 0 : 0xc0) | t->reg << 3 | t->rm;
        bytes[nr + 1] = 0x08;       /* if it is SIB: [rax + rcx] */
        ok = decodes(t->code_size, bytes, &insn);
    }
    if (!ok || (insn.rep && !is_string(&insn) && insn.op != RH_OP_PAUSE)) {
        return false;
    }
    t->has_modrm = insn.has_modrm;
    g_array_append_val(templates, *t);
    return true;
}

static void consider_modrm(GArray *templates, Template *t)
{
    for (unsigned reg = 0; reg < 8; reg++) {
        t->reg = reg;
        t->is_memory = true;
        t->is_rm_fixed = false;
        t->rm = 4;                  /* SIB: gathers have no other form */
        if (consider(templates, t) && !t->has_modrm) {
            return;
        }
        t->is_memory = false;
        /* Where rm chooses the instruction, each counts: x87 and group 7. */
        t->is_rm_fixed = !t->is_vex && ((t->map == 0 && t->opcode >= 0xd8 && t->opcode <= 0xdf) || (t->map == 1 && t->opcode == 1));
        for (unsigned rm = 0; rm < (t->is_rm_fixed ? 8 : 1); rm++) {
            t->rm = rm;
            if (consider(templates, t) && !t->has_modrm) {
                return;
            }
        }
    }
}

static GArray *make_templates(RhCodeSize code_size)
{
    static const uint8_t prefixes[] = { 0, 0x66, 0xf2, 0xf3 };
    GArray *templates = g_array_new(FALSE, TRUE, sizeof(Template));

    for (unsigned i = 0; i < 4 * 256 * RH_COUNT(prefixes) * 2; i++) {
        Template t = { .code_size = code_size, .map = i / 2048, .opcode = i / 8 % 256, .prefix = prefixes[i / 2 % 4], .w = i & 1 };

        if (!t.w || code_size == RH_CODE_64) {
            consider_modrm(templates, &t);
        }
    }
    for (unsigned i = 0; i < 3 * 256 * RH_COUNT(prefixes) * 4; i++) {
        Template t = { .code_size = code_size, .is_vex = true, .map = 1 + i / 4096, .opcode = i / 16 % 256,
                       .prefix = prefixes[i / 4 % 4], .w = i & 1, .l = i >> 1 & 1 };

        consider_modrm(templates, &t);
    }
    return templates;
}

static const GArray *templates_of(RhCodeSize code_size)
{
    GArray **templates = code_size == RH_CODE_64 ? &templates_64 : &templates_32;

    if (!*templates) {
        *templates = make_templates(code_size);
    }
    return *templates;
}

static const Template *template_at(RhCodeSize code_size, unsigned nr)
{
    return &g_array_index(templates_of(code_size), Template, nr);
}

unsigned rh_native_nr_templates(RhCodeSize code_size)
{
    return templates_of(code_size)->len;
}

/* ---- values ---- */

static uint64_t random_value(uint64_t *seed)
{
    unsigned shift = rh_native_below(seed, 64);     /* in statements of its own: the order is the same with any compiler */

    static const uint64_t edges[] = {
        0, 1, 2, 3, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff,
        UINT64_C(0x100000000), INT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX, UINT64_MAX - 1,
        UINT64_C(0xffffffff80000000), UINT64_C(0xffffffffffffff80), UINT64_C(0x5555555555555555), UINT64_C(0xaaaaaaaaaaaaaaaa),
    };

    switch (rh_native_below(seed, 4)) {
    case 0:  return edges[rh_native_below(seed, RH_COUNT(edges))];
    case 1:  return rh_native_below(seed, 64);
    case 2:  return rh_native_next(seed) >> shift;
    default: return rh_native_next(seed);
    }
}

static uint32_t random_single(uint64_t *seed)
{
    static const uint32_t edges[] = {
        0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffbfffff, 1, 0x80000001,
        0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff, 0x4f000000, 0xcf000000, 0x4effffff, 0x3f000000, 0x40490fdb, 0x33800000,
    };

    return rh_native_one_in(seed, 3) ? (uint32_t)rh_native_next(seed) : edges[rh_native_below(seed, RH_COUNT(edges))];
}

static uint64_t random_double(uint64_t *seed)
{
    static const uint64_t edges[] = {
        0, UINT64_C(1) << 63, UINT64_C(0x3ff0000000000000), UINT64_C(0xbff0000000000000), UINT64_C(0x7ff0000000000000),
        UINT64_C(0xfff0000000000000), UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff0000000000001), 1, UINT64_C(0x000fffffffffffff),
        UINT64_C(0x0010000000000000), UINT64_C(0x7fefffffffffffff), UINT64_C(0x41dfffffffc00000), UINT64_C(0x41e0000000000000),
        UINT64_C(0x43e0000000000000), UINT64_C(0xc3e0000000000000), UINT64_C(0x3fe0000000000000), UINT64_C(0x400921fb54442d18),
    };

    return rh_native_one_in(seed, 3) ? rh_native_next(seed) : edges[rh_native_below(seed, RH_COUNT(edges))];
}

/* 16 bytes of one kind: bytes, integers, singles, doubles */
static void random_vector(uint64_t *seed, uint8_t ret[16])
{
    uint64_t words[2];
    unsigned kind = rh_native_below(seed, 4);

    for (unsigned i = 0; i < 2; i++) {
        uint64_t single = random_single(seed);

        words[i] = kind == 0   ? rh_native_next(seed)
                   : kind == 1 ? random_value(seed)
                   : kind == 2 ? single << 32 | random_single(seed)
                               : random_double(seed);
    }
    memcpy(ret, words, sizeof(words));
}

static void random_x87(uint64_t *seed, uint8_t ret[16])
{
    static const struct { uint64_t significand; uint16_t exponent; } edges[] = {
        { 0, 0 }, { UINT64_C(1) << 63, 0x3fff }, { UINT64_C(1) << 63, 0x7fff } /* infinity */, { UINT64_C(3) << 62, 0x7fff } /* NaN */,
        { (UINT64_C(1) << 63) + 1, 0x7fff } /* signalling */, { 1, 0 }, { UINT64_C(1) << 63, 0 } /* pseudo-denormal */,
        { 1, 0x3fff } /* unnormal: unsupported */, { UINT64_MAX, 0x7ffe }, { UINT64_C(1) << 63, 1 }, { UINT64_C(0xc90fdaa22168c235), 0x4000 },
        { UINT64_MAX, 0x403e }, { UINT64_C(1) << 63, 0x403e }, { UINT64_C(1) << 63, 0x3ffe },
    };
    unsigned i = rh_native_below(seed, RH_COUNT(edges));
    uint64_t significand = edges[i].significand;
    uint16_t exponent = edges[i].exponent;

    if (rh_native_one_in(seed, 3)) {
        significand = rh_native_next(seed) | UINT64_C(1) << 63;
        exponent = 0x3fff - 40 + rh_native_below(seed, 80);
    }
    exponent |= rh_native_below(seed, 2) << 15;
    memset(ret, 0, 16);
    memcpy(ret, &significand, 8);
    memcpy(ret + 8, &exponent, 2);
}

static void random_vectors(uint64_t *seed, RhTcgVector *ret)
{
    *ret = (RhTcgVector){ .fcw = 0x37f, .mxcsr = 0x1f80, .mxcsr_mask = 0xffff, .xstate_bv = 7 };
    for (unsigned i = 0; i < 16; i++) {
        random_vector(seed, ret->xmm[i]);
        random_vector(seed, ret->ymm_high[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        random_x87(seed, ret->st[i]);
    }
    ret->ftw = rh_native_one_in(seed, 2) ? 0xff : rh_native_next(seed) >> 40;
    ret->fsw = (rh_native_below(seed, 8) << 11) | (rh_native_next(seed) >> 40 & 0x4700);
    if (rh_native_one_in(seed, 2)) {          /* rounding and precision; flush and denormals; some exceptions unmasked */
        ret->fcw = 0x3f | rh_native_below(seed, 4) << 8 | rh_native_below(seed, 4) << 10 | (rh_native_one_in(seed, 4) ? 0 : 0x40);
        ret->mxcsr = 0x1f80 | rh_native_below(seed, 4) << 13 | (rh_native_one_in(seed, 3) ? 0x8040 : 0);
        if (rh_native_one_in(seed, 4)) {
            ret->fcw &= ~(1u << rh_native_below(seed, 6));
            ret->mxcsr &= ~(0x80u << rh_native_below(seed, 6));
        }
    }
}

/* A place for @size bytes: in the middle, over the border of the two pages, at the ends, beyond them. */
static uint64_t random_place(uint64_t *seed, unsigned size)
{
    uint64_t end = RH_NATIVE_DATA + RH_NATIVE_DATA_SIZE;

    switch (rh_native_below(seed, 16)) {
    case 0:  return end - size;
    case 1:  return RH_NATIVE_DATA;
    case 2:  return RH_NATIVE_DATA + 4096 - rh_native_below(seed, size + 1);
    case 3:
    case 4:  return rh_native_one_in(seed, 2) ? end - rh_native_below(seed, size) : RH_NATIVE_DATA - rh_native_below(seed, size);
    case 5 ... 8:
        return RH_NATIVE_DATA + 1024 + rh_native_below(seed, 6000);
    default:
        return RH_NATIVE_DATA + 1024 + rh_native_below(seed, 90) * 64;
    }
}

/* Edge values everywhere, for little time: a piece of a pool that is always the same */
static void random_data(uint64_t *seed, uint8_t ret[RH_NATIVE_DATA_SIZE])
{
    enum { SPAN = 2048 };
    static uint8_t pool[RH_NATIVE_DATA_SIZE + SPAN];

    if (!pool[0]) {
        uint64_t fixed = 1;

        for (unsigned i = 0; i < sizeof(pool); i += 16) {
            random_vector(&fixed, pool + i);
        }
        pool[0] = 1;
    }
    memcpy(ret, pool + 16 * rh_native_below(seed, SPAN / 16), RH_NATIVE_DATA_SIZE);
}

void rh_native_cut(RhNativeState *state)
{
    if (state->code_size == RH_CODE_64) {
        return;
    }
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        state->gpr[i] = i < 8 ? (uint32_t)state->gpr[i] : 0;
    }
    state->fs_base = (uint32_t)state->fs_base;
    state->gs_base = (uint32_t)state->gs_base;
}

void rh_native_state_random(RhCodeSize code_size, uint64_t *seed, RhNativeState *ret)
{
    memset(ret, 0, offsetof(RhNativeState, vector));
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        ret->gpr[i] = random_value(seed);
    }
    ret->gpr[RH_RBX] = random_place(seed, 256);
    ret->gpr[RH_RSP] = random_place(seed, 8);
    ret->gpr[RH_RBP] = random_place(seed, 8);
    ret->gpr[RH_RSI] = random_place(seed, 8);
    ret->gpr[RH_RDI] = random_place(seed, 8);
    ret->rip = RH_NATIVE_CODE + RH_NATIVE_CODE_AT;
    ret->rflags = 0x202 | (rh_native_next(seed) >> 20 & RH_FLAGS_STATUS) | (rh_native_one_in(seed, 4) ? RH_RFLAGS_DF : 0);
    /* Less than 0x0f000000, so that what forgets to subtract a base does not come to where the trampoline keeps its things. */
    ret->fs_base = rh_native_below(seed, 0xf00) << 16;
    ret->gs_base = rh_native_below(seed, 0xf00) << 16;
    ret->fault = RH_NATIVE_NO_FAULT;
    random_vectors(seed, &ret->vector);
    random_data(seed, ret->data);
    ret->code_size = code_size;
    rh_native_cut(ret);
}

/* ---- operands ---- */

static uint64_t segment_base(const RhInsn *insn, const RhNativeState *state)
{
    return insn->segment == RH_FS ? state->fs_base : insn->segment == RH_GS ? state->gs_base : 0;
}

/* 16-bit offsets reach no data but by FS and GS: their base is moved to where @offset is at @place. */
static void move_base(const RhInsn *insn, RhNativeState *state, uint16_t offset, uint64_t place)
{
    if (insn->segment == RH_FS) {
        state->fs_base = place - offset;
    } else if (insn->segment == RH_GS) {
        state->gs_base = place - offset;
    }
}

static uint64_t cut_address(const RhInsn *insn, uint64_t address)
{
    return address & rh_bits(8 * insn->addr_size);
}

static void set_address(const RhInsn *insn, uint64_t *reg, uint64_t address)
{
    uint64_t mask = rh_bits(8 * insn->addr_size);

    *reg = (*reg & ~mask) | (address & mask);
}

static void put_data(RhNativeState *state, uint64_t at, const void *bytes, unsigned len)
{
    if (at >= RH_NATIVE_DATA && at - RH_NATIVE_DATA <= RH_NATIVE_DATA_SIZE - len) {
        memcpy(state->data + (at - RH_NATIVE_DATA), bytes, len);
    }
}

/* Indices of a gather: near enough to the base. */
static void aim_gather(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    unsigned width = insn->opcode & 1 ? 8 : 4;

    for (unsigned i = 0; i < 16; i += width) {
        int64_t low = (int64_t)rh_native_below(seed, 0x400) - 0x200;
        int64_t high = (int64_t)rh_native_below(seed, 0x400) - 0x200;

        memcpy(state->vector.xmm[insn->index] + i, &low, width);
        memcpy(state->vector.ymm_high[insn->index] + i, &high, width);
    }
}

static uint64_t index_part(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    if (insn->traits & RH_INSN_VSIB) {
        aim_gather(insn, seed, state);
        return 0;
    }
    if (insn->index == RH_NO_REG) {
        return 0;
    }
    /* RSP must stay in reach, and a displacement alone cannot make good for a large index. */
    if (insn->base == RH_RSP || insn->base == RH_NO_REG || insn->index == RH_RSP) {
        state->gpr[insn->index] = rh_native_below(seed, 32);
    }
    return state->gpr[insn->index] * insn->scale;
}

/* Sets the segment's base so that the operand is at a good place. Registers are good for something else, often. */
static uint64_t aim_memory_16(const RhInsn *insn, RhNativeState *state, uint64_t place)
{
    uint64_t base = insn->base == RH_NO_REG ? 0 : state->gpr[insn->base];
    uint64_t index = insn->index == RH_NO_REG ? 0 : state->gpr[insn->index];
    uint16_t offset = (uint16_t)(base + index + insn->disp);

    move_base(insn, state, offset, place);
    return segment_base(insn, state) + offset;
}

/*
 * Where there can be no operand, or at the very end of addresses. What goes over that end in a flat segment may raise #GP, #SS or
 * not, as the processor pleases, SDM vol. 3 §5.3: nothing to compare.
 */
static uint64_t far_place(const RhInsn *insn, uint64_t *seed, unsigned size)
{
    return insn->addr_size == 8 ? UINT64_C(1) << 63 | rh_native_next(seed) >> 2 : UINT32_MAX - (size < 128 && insn->mem_size ? size : 128) + 1;
}

/* Sets base and index so that the operand is at a good place. */
static uint64_t aim_memory(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    unsigned size = insn->mem_size ? insn->mem_size : 64;
    uint64_t place = random_place(seed, size);
    uint64_t rest;

    if (insn->addr_size == 2) {
        return aim_memory_16(insn, state, place);
    }
    rest = index_part(insn, seed, state) + insn->disp + segment_base(insn, state);
    if (insn->traits & RH_INSN_ALIGNED || insn->mem_size >= 16) {
        place = rh_native_one_in(seed, 8) ? place : place & ~UINT64_C(31);
    }
    if (insn->base < RH_NR_GPR) {
        if (insn->base != RH_RSP && insn->addr_size == state->code_size && rh_native_one_in(seed, 40)) {
            place = far_place(insn, seed, size);
        }
        uint64_t base = insn->base == insn->index ? (place - insn->disp) / (1u + insn->scale) : place - rest;

        set_address(insn, &state->gpr[insn->base], base);
        return place;
    }
    uint64_t base = insn->base == RH_REG_RIP ? RH_NATIVE_CODE + RH_NATIVE_CODE_AT + insn->len : 0;

    return cut_address(insn, base + rest - segment_base(insn, state)) + segment_base(insn, state);
}

/* An address of INT3, sometimes one where nothing is, or that is none */
static uint64_t random_target(uint64_t *seed)
{
    switch (rh_native_below(seed, 8)) {
    case 0:  return UINT64_C(1) << 62 | 1u << 30 | rh_native_next(seed) >> 8;
    case 1:  return 0x7000 + rh_native_below(seed, 256);
    default: return RH_NATIVE_CODE + 16 + rh_native_below(seed, 0x700);
    }
}

static void aim_branch(const RhInsn *insn, uint64_t *seed, RhNativeState *state, uint64_t memory)
{
    uint64_t target = random_target(seed);

    if (insn->op == RH_OP_RET) {
        put_data(state, state->gpr[RH_RSP], &target, 8);
    } else if (insn->has_mem) {
        put_data(state, memory, &target, 8);
    } else {
        state->gpr[insn->rm] = target;
    }
}

static void aim_string(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    static const uint16_t counts[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 300, 1000 };

    if (insn->rep) {
        uint64_t count = rh_native_one_in(seed, 30) ? rh_native_next(seed) : counts[rh_native_below(seed, RH_COUNT(counts))];

        set_address(insn, &state->gpr[RH_RCX], count);
    }
    if (insn->addr_size == 2) {
        move_base(insn, state, (uint16_t)state->gpr[RH_RSI], state->gpr[RH_RSI]);
    } else if (insn->op == RH_OP_MOVS || insn->op == RH_OP_CMPS || insn->op == RH_OP_LODS) {
        set_address(insn, &state->gpr[RH_RSI], state->gpr[RH_RSI] - segment_base(insn, state));
    }
    /* Runs that are equal for a while */
    if ((insn->op == RH_OP_CMPS || insn->op == RH_OP_SCAS) && rh_native_one_in(seed, 2)) {
        memset(state->data, state->gpr[RH_RAX], sizeof(state->data));
        state->gpr[RH_RAX] = (state->gpr[RH_RAX] & 0xff) * UINT64_C(0x0101010101010101);
        state->data[1024 + rh_native_below(seed, 6000)] ^= 1;
    }
}

/* Dividends that give a quotient, half of the time */
static void aim_division(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    if (rh_native_one_in(seed, 2)) {
        return;
    }
    if (insn->size == 1) {
        state->gpr[RH_RAX] = (state->gpr[RH_RAX] & ~UINT64_C(0xffff)) | rh_native_below(seed, 0x80);
    } else {
        state->gpr[RH_RDX] = insn->op == RH_OP_IDIV && rh_native_one_in(seed, 2) ? UINT64_MAX : 0;
    }
}

/* Which registers the address takes: others may be changed freely. */
static bool is_in_address(const RhInsn *insn, unsigned reg)
{
    return insn->has_mem && (insn->base == reg || insn->index == reg);
}

/* A bit offset that is part of the address as well: who knows where that is */
static bool is_astray(const RhInsn *insn)
{
    return insn->op >= RH_OP_BT && insn->op <= RH_OP_BTC && insn->operand[1] == RH_REG && is_in_address(insn, insn->reg);
}

static void aim_shift(const RhInsn *insn, uint64_t *seed, RhNativeState *state)
{
    /* More than the operand's size: undefined, SDM vol. 2 SHLD */
    if (insn->size == 2 && (state->gpr[RH_RCX] & 31) > 16 && !is_in_address(insn, RH_RCX)) {
        state->gpr[RH_RCX] = (state->gpr[RH_RCX] & ~UINT64_C(0xff)) | rh_native_below(seed, 17);
    }
}

/* What an instruction wants besides its memory operand */
static void aim_rest(const RhInsn *insn, uint64_t *seed, RhNativeState *state, uint64_t memory)
{
    switch (insn->op) {
    case RH_OP_JMP_IND:
    case RH_OP_CALL_IND:
    case RH_OP_RET:
        aim_branch(insn, seed, state, memory);
        break;
    case RH_OP_MOVS ... RH_OP_OUTS:
        aim_string(insn, seed, state);
        break;
    case RH_OP_DIV:
    case RH_OP_IDIV:
        if (!is_in_address(insn, RH_RAX) && !is_in_address(insn, RH_RDX)) {
            aim_division(insn, seed, state);
        }
        break;
    case RH_OP_SHLD:
    case RH_OP_SHRD:
        aim_shift(insn, seed, state);
        break;
    case RH_OP_BT ... RH_OP_BTC:
        /* The bit offset reaches far. */
        if (insn->has_mem && insn->operand[1] == RH_REG) {
            state->gpr[insn->reg] = (int64_t)rh_native_below(seed, 16384) - 8192;
        }
        break;
    case RH_OP_BOUND:
        if (rh_native_one_in(seed, 2)) {        /* within bounds */
            put_data(state, memory, (const uint32_t[]){ 0x80008000 }, insn->size);
            put_data(state, memory + insn->size, (const uint32_t[]){ 0x7fff7fff }, insn->size);
        }
        break;
    case RH_OP_XLAT:
        set_address(insn, &state->gpr[RH_RBX], state->gpr[RH_RBX] - segment_base(insn, state));
        break;
    case RH_OP_POPF: {
        uint64_t image = rh_native_next(seed) & ~(uint64_t)(RH_RFLAGS_TF | RH_RFLAGS_AC);

        put_data(state, state->gpr[RH_RSP], &image, insn->size);
        break;
    }
    case RH_OP_LDMXCSR: {
        uint32_t image = rh_native_next(seed) & (rh_native_one_in(seed, 8) ? UINT32_MAX : 0xffff);

        put_data(state, memory, &image, 4);
        break;
    }
    case RH_OP_CMPXCHG:
        if (rh_native_one_in(seed, 2) && memory >= RH_NATIVE_DATA && memory <= RH_NATIVE_DATA + RH_NATIVE_DATA_SIZE - 8 && !is_in_address(insn, RH_RAX)) {
            memcpy(&state->gpr[RH_RAX], state->data + (memory - RH_NATIVE_DATA), 8);
        }
        break;
    case RH_OP_CMPXCHG8B:
        if (rh_native_one_in(seed, 2) && !is_in_address(insn, RH_RAX) && !is_in_address(insn, RH_RDX)) {
            put_data(state, memory, &state->gpr[RH_RAX], insn->size / 2);
            put_data(state, memory + insn->size / 2, &state->gpr[RH_RDX], insn->size / 2);
        }
        break;
    case RH_OP_VECTOR:
        if (insn->traits & RH_INSN_STRING_MEM) {
            set_address(insn, &state->gpr[RH_RDI], state->gpr[RH_RDI] - segment_base(insn, state));
        }
        break;
    default:
        break;
    }
}

bool rh_native_case_set(RhCodeSize code_size, const uint8_t *code, unsigned len, uint64_t *seed, RhNativeCase *ret)
{
    uint64_t memory = 0;

    if (rh_decode(code, len, code_size, &ret->insn) != RH_DECODE_OK || !rh_native_is_runnable(&ret->insn) || is_astray(&ret->insn)) {
        return false;
    }
    ret->len = ret->insn.len;
    memcpy(ret->code, code, ret->len);
    ret->nr_insns = 1;
    rh_native_state_random(code_size, seed, &ret->before);
    if (ret->insn.has_mem) {
        memory = aim_memory(&ret->insn, seed, &ret->before);
    }
    aim_rest(&ret->insn, seed, &ret->before, memory);
    rh_native_cut(&ret->before);
    ret->undefined_flags = rh_native_undefined_flags(&ret->insn, &ret->before);
    ret->undefined_flags_at_fault = 0;
    return true;
}

/* ---- code ---- */

static uint8_t random_mod_rm(const Template *t, uint64_t *seed)
{
    if (!t->is_memory) {
        return 0xc0 | t->reg << 3 | (t->is_rm_fixed ? t->rm : rh_native_below(seed, 8));
    }
    return rh_native_below(seed, 3) << 6 | t->reg << 3 | (rh_native_one_in(seed, 3) ? 4 : rh_native_below(seed, 8));
}

static unsigned put_code(const Template *t, const Style *style, uint64_t *seed, uint8_t bytes[32])
{
    unsigned nr = 0;

    memcpy(bytes, style->extra, style->nr_extra);
    nr = style->nr_extra;
    nr += put_opcode(t, style, bytes + nr);
    if (t->has_modrm) {
        bytes[nr++] = random_mod_rm(t, seed);
    }
    for (unsigned i = 0; i < 12; i++) {
        bytes[nr + i] = rh_native_next(seed) >> 40;
    }
    return nr;
}

/* Displacements that keep base registers near, or that are the whole address */
static void fix_displacement(const RhInsn *insn, uint64_t *seed, uint8_t *bytes)
{
    unsigned at = insn->modrm_at + 1 + ((insn->modrm & 7) == 4);
    int64_t disp = (int64_t)rh_native_below(seed, 0x2000) - 0x1000;

    if (!insn->has_mem || insn->addr_size == 2) {
        return;
    }
    if (!insn->has_modrm) {                     /* moffs */
        disp = random_place(seed, insn->mem_size) - 0x01000000 * rh_native_below(seed, 2);
        memcpy(bytes + insn->len - insn->addr_size, &disp, insn->addr_size);
        return;
    }
    if (insn->base == RH_REG_RIP) {
        disp = (int64_t)random_place(seed, 64) - (RH_NATIVE_CODE + RH_NATIVE_CODE_AT + insn->len);
    } else if (insn->base == RH_NO_REG) {
        disp = random_place(seed, 64);
    } else if (insn->modrm >> 6 != 2) {
        return;
    }
    memcpy(bytes + at, &disp, 4);
}

/* Branches go to INT3, and not into the code or back to it. */
static void fix_immediate(const RhInsn *insn, uint64_t *seed, uint8_t *bytes)
{
    uint64_t imm = random_value(seed);

    if (!insn->imm_size) {
        return;
    }
    switch (insn->op) {
    case RH_OP_JCC: case RH_OP_JMP: case RH_OP_CALL: case RH_OP_JCXZ: case RH_OP_LOOP: case RH_OP_LOOPE: case RH_OP_LOOPNE:
        imm = 16 + rh_native_below(seed, insn->imm_size == 1 ? 100 : 0x400);
        imm = rh_native_one_in(seed, 2) ? imm : -imm - 16;
        break;
    case RH_OP_SHLD:
    case RH_OP_SHRD:
        imm = insn->size == 2 ? rh_native_below(seed, 17) : imm;
        break;
    case RH_OP_RET:
        imm &= 0xff;
        break;
    default:
        break;
    }
    memcpy(bytes + insn->imm_at, &imm, insn->imm_size);
}

static bool make_code(const Template *t, const Style *style, uint64_t *seed, uint8_t bytes[32], RhInsn *ret)
{
    put_code(t, style, seed, bytes);
    if (!decodes(t->code_size, bytes, ret)) {
        return false;
    }
    fix_displacement(ret, seed, bytes);
    fix_immediate(ret, seed, bytes);
    return decodes(t->code_size, bytes, ret);
}

static bool make_case(const Template *t, const Style *style, uint64_t *seed, RhNativeCase *ret)
{
    uint8_t bytes[32];
    RhInsn insn;

    return make_code(t, style, seed, bytes, &insn) && rh_native_case_set(t->code_size, bytes, insn.len, seed, ret);
}

static void random_style(const Template *t, uint64_t *seed, Style *ret)
{
    ret->has_rex = rh_native_one_in(seed, 2) && t->code_size == RH_CODE_64;
    ret->ext = rh_native_below(seed, 8) & (t->code_size == RH_CODE_64 ? 7 : 1);
    ret->is_short = rh_native_one_in(seed, 2);
    ret->vvvv = rh_native_below(seed, 16);
    ret->nr_extra = 0;
}

static void random_prefixes(const Template *t, uint64_t *seed, Style *style)
{
    static const uint8_t prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0x64, 0x65, 0x67, 0x66, 0xf0, 0xf2, 0xf3 };

    for (style->nr_extra = 0; style->nr_extra < 3 && rh_native_one_in(seed, 2); style->nr_extra++) {
        style->extra[style->nr_extra] = prefixes[rh_native_below(seed, RH_COUNT(prefixes))];
    }
    /* Few 16-bit addresses without FS or GS: they all fault. */
    if (t->code_size == RH_CODE_32 && memchr(style->extra, 0x67, style->nr_extra) && !rh_native_one_in(seed, 8)) {
        style->extra[style->nr_extra++] = 0x64 | rh_native_below(seed, 2);
    }
}

void rh_native_code_random(RhCodeSize code_size, uint64_t *seed, RhInsn *ret)
{
    uint8_t bytes[32];
    Style style;
    const Template *t;

    do {
        t = template_at(code_size, rh_native_below(seed, rh_native_nr_templates(code_size)));
        random_style(t, seed, &style);
    } while (!make_code(t, &style, seed, bytes, ret));
}

static void make_any(const Template *t, bool has_prefixes, uint64_t *seed, RhNativeCase *ret)
{
    Style style;

    for (unsigned i = 0; i < 64; i++) {
        random_style(t, seed, &style);
        if (has_prefixes) {
            random_prefixes(t, seed, &style);
        }
        if (i & 1) {
            style.vvvv = 0;         /* reserved, perhaps */
        }
        if (make_case(t, &style, seed, ret)) {
            return;
        }
    }
    /* A combination that hardly ever is valid: something else in its place */
    g_assert(rh_native_case_set(t->code_size, (const uint8_t[]){ 0x90 }, 1, seed, ret));
}

void rh_native_case_nth(RhCodeSize code_size, unsigned nr, uint64_t *seed, RhNativeCase *ret)
{
    g_assert(nr < rh_native_nr_templates(code_size));
    make_any(template_at(code_size, nr), false, seed, ret);
}

void rh_native_case_random(RhCodeSize code_size, uint64_t *seed, RhNativeCase *ret)
{
    make_any(template_at(code_size, rh_native_below(seed, rh_native_nr_templates(code_size))), true, seed, ret);
}
