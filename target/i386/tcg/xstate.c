/*
 * Saving and restoring the vector state: FXSAVE, FXRSTOR, the XSAVE family, LDMXCSR, STMXCSR.
 *
 * cpu->vector has the standard format of XSAVE, and of that FXSAVE's is the first part; the compacted format of the
 * components that we have is laid out alike, as AVX is the first behind the header. So everything is a matter of which
 * pieces move. A component is in use when it differs from its initial state: the init optimisation of §13.6 without a
 * memory of its own. The modified optimisation is not made.
 *
 * Spec: SDM vol. 1 chapter 13, vol. 2 "FXSAVE", "XSAVE" and their kin.
 */
#include "target/i386/tcg/vector.h"
#include "target/i386/tcg/vector-live.h"

#define COMPACTED (UINT64_C(1) << 63)
#define ST_BYTES 10

enum {
    FXSAVE_BYTES = 512, FXSAVE_ALIGN = 16,
    HEADER_AT = 512, HEADER_BYTES = 64, XSAVE_ALIGN = 64,
    AVX_AT = 576, AVX_BYTES = 256,
};

/* Pieces are chosen by the bits of their components, but for MXCSR, which goes with SSE or with AVX. */
#define PIECE_MXCSR 8u

static const struct {
    uint8_t which;
    uint16_t at;
    uint16_t len, len_32;       /* len_32: outside 64-bit mode, where registers 8 to 15 stay out */
} pieces[] = {
    { RH_XCR0_X87, offsetof(RhTcgVector, fcw), 24, 24 },
    { PIECE_MXCSR, offsetof(RhTcgVector, mxcsr), 8, 8 },
    { RH_XCR0_X87, offsetof(RhTcgVector, st), 128, 128 },
    { RH_XCR0_SSE, offsetof(RhTcgVector, xmm), 256, 128 },
    { RH_XCR0_AVX, offsetof(RhTcgVector, ymm_high), 256, 128 },
};
G_STATIC_ASSERT(offsetof(RhTcgVector, xstate_bv) == HEADER_AT && offsetof(RhTcgVector, ymm_high) == AVX_AT);

static const RhTcgVector initial = { .fcw = RH_FCW_AT_INIT, .mxcsr = RH_MXCSR_AT_RESET };

static unsigned piece_len(const RhTcgCpu *cpu, size_t i)
{
    return cpu->is_64 ? pieces[i].len : pieces[i].len_32;
}

static bool store_pieces(RhTcgCpu *cpu, uint64_t at, uint64_t which)
{
    const uint8_t *from = (const uint8_t *)&cpu->vector;

    cpu->vector.mxcsr_mask = rh_tcg_mxcsr_mask(cpu);
    for (size_t i = 0; i < RH_COUNT(pieces); i++) {
        if ((pieces[i].which & which) &&
            !rh_tcg_store_bytes(cpu, (RhTlbMode)cpu->tlb_mode, at + pieces[i].at, from + pieces[i].at,
                                piece_len(cpu, i))) {
            return false;
        }
    }
    return true;
}

static void take_pieces(RhTcgCpu *cpu, const RhTcgVector *from, uint64_t which)
{
    for (size_t i = 0; i < RH_COUNT(pieces); i++) {
        if (pieces[i].which & which) {
            memcpy((uint8_t *)&cpu->vector + pieces[i].at, (const uint8_t *)from + pieces[i].at, piece_len(cpu, i));
        }
    }
}

/* The x87 registers as a CPU would have taken them. */
static void settle_x87(RhTcgVector *vector)
{
    vector->reserved = 0;
    rh_vector_spell_out(vector);
    for (unsigned i = 0; i < RH_COUNT(vector->st); i++) {
        memset(vector->st[i] + ST_BYTES, 0, sizeof(vector->st[i]) - ST_BYTES);
    }
}

/* Take what @loaded has of the pieces @load, and the initial state for @reset. */
static void restore(RhTcgCpu *cpu, const RhTcgVector *loaded, uint64_t load, uint64_t reset)
{
    take_pieces(cpu, &initial, reset);
    take_pieces(cpu, loaded, load);
    settle_x87(&cpu->vector);
}

static bool is_mxcsr_allowed(RhTcgCpu *cpu, uint32_t mxcsr)
{
    return !(mxcsr & ~rh_tcg_mxcsr_mask(cpu)) || rh_tcg_gp0(cpu);
}

static bool address_area(RhTcgCpu *cpu, const RhInsn *insn, unsigned len, unsigned align, RhAccess access, uint64_t *ret)
{
    return rh_tcg_operand_address(cpu, insn, len, access, ret) && (!(*ret & (align - 1)) || rh_tcg_gp0(cpu));
}

/* ---- FXSAVE, FXRSTOR ---- */

static bool allow_fxsave(RhTcgCpu *cpu)
{
    return (!(cpu->cr0 & RH_CR0_EM) || rh_tcg_ud(cpu)) && rh_vector_allow_task(cpu);
}

/* Without CR4.OSFXSR, XMM registers and MXCSR stay out: SDM vol. 2 table 3-46. */
static uint64_t fxsave_pieces(const RhTcgCpu *cpu)
{
    return RH_XCR0_X87 | (cpu->cr4 & RH_CR4_OSFXSR ? RH_XCR0_SSE | PIECE_MXCSR : 0);
}

static bool fxsave_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t at;

    return allow_fxsave(cpu) && address_area(cpu, insn, FXSAVE_BYTES, FXSAVE_ALIGN, RH_ACCESS_WRITE, &at) &&
           rh_tcg_probe(cpu, (RhTlbMode)cpu->tlb_mode, at, FXSAVE_BYTES, RH_ACCESS_WRITE) &&
           store_pieces(cpu, at, fxsave_pieces(cpu));
}

static bool fxrstor_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t which = fxsave_pieces(cpu);
    RhTcgVector loaded = { 0 };
    uint64_t at;

    if (!allow_fxsave(cpu) || !address_area(cpu, insn, FXSAVE_BYTES, FXSAVE_ALIGN, RH_ACCESS_READ, &at) ||
        !rh_tcg_load_bytes(cpu, (RhTlbMode)cpu->tlb_mode, at, &loaded, FXSAVE_BYTES) ||
        ((which & PIECE_MXCSR) && !is_mxcsr_allowed(cpu, loaded.mxcsr))) {
        return false;
    }
    restore(cpu, &loaded, which, 0);
    return true;
}

/* ---- XSAVE ---- */

static bool is_zero(const void *bytes, size_t len)
{
    const uint8_t *byte = bytes;

    return len == 0 || (byte[0] == 0 && memcmp(byte, byte + 1, len - 1) == 0);
}

/* XINUSE as XSAVE and XSAVEOPT see it: XMM registers alone. */
static uint64_t in_use_registers(const RhTcgVector *vector)
{
    bool is_x87_initial = vector->fcw == RH_FCW_AT_INIT && vector->fsw == 0 && vector->ftw == 0 &&
                          is_zero(vector->st, sizeof(vector->st));

    return (is_x87_initial ? 0 : RH_XCR0_X87) | (is_zero(vector->xmm, sizeof(vector->xmm)) ? 0 : RH_XCR0_SSE) |
           (is_zero(vector->ymm_high, sizeof(vector->ymm_high)) ? 0 : RH_XCR0_AVX);
}

uint64_t rh_tcg_xinuse(const RhTcgCpu *cpu)
{
    uint64_t sse = cpu->vector.mxcsr != RH_MXCSR_AT_RESET ? RH_XCR0_SSE : 0;

    return cpu->xcr0 & (in_use_registers(&cpu->vector) | sse);
}

static bool allow_xsave(RhTcgCpu *cpu, const RhInsn *insn)
{
    bool is_supervisor = insn->op == RH_OP_XSAVES || insn->op == RH_OP_XRSTORS;

    if (!(cpu->cr4 & RH_CR4_OSXSAVE)) {
        return rh_tcg_ud(cpu);
    }
    if (!rh_vector_allow_task(cpu)) {
        return false;
    }
    return !is_supervisor || cpu->cpl == 0 || rh_tcg_gp0(cpu);
}

/* Requested-feature bitmap. IA32_XSS has no bits here, so that of XSAVES and XRSTORS is the same. */
static uint64_t requested(const RhTcgCpu *cpu)
{
    uint64_t instruction_mask = cpu->gpr[RH_RDX] << 32 | (uint32_t)cpu->gpr[RH_RAX];

    return instruction_mask & (cpu->xcr0 | cpu->xss);
}

static unsigned area_bytes(uint64_t rfbm)
{
    return rfbm & RH_XCR0_AVX ? AVX_AT + AVX_BYTES : HEADER_AT + HEADER_BYTES;
}

/** Saving - what one of the four instructions writes */
typedef struct Saving {
    uint64_t which;             /* pieces */
    uint64_t xstate_bv, xcomp_bv;
    unsigned header_bytes;
} Saving;

/* XSAVE, XSAVEOPT: §13.7, §13.9. The header keeps the bits of what was not requested. */
static Saving standard_saving(const RhTcgCpu *cpu, const RhInsn *insn, uint64_t old_xstate_bv)
{
    uint64_t rfbm = requested(cpu);
    uint64_t in_use = rfbm & in_use_registers(&cpu->vector);
    uint64_t mxcsr = rfbm & (RH_XCR0_SSE | RH_XCR0_AVX) ? PIECE_MXCSR : 0;

    return (Saving){
        .which = (insn->op == RH_OP_XSAVEOPT ? in_use : rfbm) | mxcsr,
        .xstate_bv = (old_xstate_bv & ~rfbm) | in_use,
        .header_bytes = 8,
    };
}

/* XSAVEC, XSAVES: §13.10, §13.11. MXCSR is part of SSE here, and makes it be in use. */
static Saving compacted_saving(const RhTcgCpu *cpu)
{
    uint64_t rfbm = requested(cpu);
    uint64_t in_use = rfbm & rh_tcg_xinuse(cpu);

    return (Saving){
        .which = in_use | (in_use & RH_XCR0_SSE ? PIECE_MXCSR : 0),
        .xstate_bv = in_use,
        .xcomp_bv = COMPACTED | rfbm,
        .header_bytes = 16,
    };
}

static bool xsave_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhTlbMode mode = (RhTlbMode)cpu->tlb_mode;
    bool is_compacted = insn->op == RH_OP_XSAVEC || insn->op == RH_OP_XSAVES;
    unsigned len = area_bytes(requested(cpu));
    uint64_t at, xstate_bv, header[2];
    Saving saving;

    if (!allow_xsave(cpu, insn) || !address_area(cpu, insn, len, XSAVE_ALIGN, RH_ACCESS_WRITE, &at) ||
        !rh_tcg_probe(cpu, mode, at, len, RH_ACCESS_WRITE) ||
        !rh_tcg_load(cpu, mode, at + HEADER_AT, 8, &xstate_bv)) {
        return false;
    }
    saving = is_compacted ? compacted_saving(cpu) : standard_saving(cpu, insn, xstate_bv);
    header[0] = saving.xstate_bv;
    header[1] = saving.xcomp_bv;
    return store_pieces(cpu, at, saving.which) &&
           rh_tcg_store_bytes(cpu, mode, at + HEADER_AT, header, saving.header_bytes);
}

/* ---- XRSTOR ---- */

/* §13.8, §13.12: what a header must not say. */
static bool is_header_allowed(const RhTcgCpu *cpu, const RhInsn *insn, const RhTcgVector *loaded)
{
    uint64_t have = cpu->xcr0 | cpu->xss;

    if (loaded->xcomp_bv & COMPACTED) {
        return rh_tcg_has(cpu, RH_FEAT_XSAVEC) && !(loaded->xcomp_bv & ~COMPACTED & ~have) &&
               !(loaded->xstate_bv & ~loaded->xcomp_bv) && is_zero(loaded->header, sizeof(loaded->header));
    }
    return insn->op != RH_OP_XRSTORS && !(loaded->xstate_bv & ~cpu->xcr0) && loaded->xcomp_bv == 0 &&
           is_zero(loaded->header, 8);
}

static bool load_area(RhTcgCpu *cpu, uint64_t at, uint64_t rfbm, RhTcgVector *ret)
{
    RhTlbMode mode = (RhTlbMode)cpu->tlb_mode;

    if (!rh_tcg_load_bytes(cpu, mode, at, ret, HEADER_AT + HEADER_BYTES)) {
        return false;
    }
    return !(ret->xstate_bv & rfbm & RH_XCR0_AVX) ||
           rh_tcg_load_bytes(cpu, mode, at + AVX_AT, ret->ymm_high, AVX_BYTES);
}

static bool xrstor_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t rfbm = requested(cpu);
    RhTcgVector loaded = { 0 };
    uint64_t at, load, reset;

    if (!allow_xsave(cpu, insn) ||
        !address_area(cpu, insn, area_bytes(rfbm), XSAVE_ALIGN, RH_ACCESS_READ, &at) ||
        !load_area(cpu, at, rfbm, &loaded)) {
        return false;
    }
    if (!is_header_allowed(cpu, insn, &loaded)) {
        return rh_tcg_gp0(cpu);
    }
    load = rfbm & loaded.xstate_bv;
    reset = rfbm & ~loaded.xstate_bv;
    if (loaded.xcomp_bv & COMPACTED) {
        load |= load & RH_XCR0_SSE ? PIECE_MXCSR : 0;
        reset |= reset & RH_XCR0_SSE ? PIECE_MXCSR : 0;
    } else {
        load |= rfbm & (RH_XCR0_SSE | RH_XCR0_AVX) ? PIECE_MXCSR : 0;
    }
    if ((load & PIECE_MXCSR) && !is_mxcsr_allowed(cpu, loaded.mxcsr)) {
        return false;
    }
    restore(cpu, &loaded, load, reset);
    return true;
}

/* ---- MXCSR ---- */

static bool allow_mxcsr(RhTcgCpu *cpu, const RhInsn *insn)
{
    return (insn->is_vex ? rh_vector_allow_avx(cpu) : rh_vector_allow_sse(cpu)) && rh_vector_allow_task(cpu);
}

static bool ldmxcsr_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t at, mxcsr;

    if (!allow_mxcsr(cpu, insn) || !rh_tcg_operand_address(cpu, insn, 4, RH_ACCESS_READ, &at) ||
        !rh_tcg_load(cpu, (RhTlbMode)cpu->tlb_mode, at, 4, &mxcsr) || !is_mxcsr_allowed(cpu, (uint32_t)mxcsr)) {
        return false;
    }
    cpu->vector.mxcsr = (uint32_t)mxcsr;
    return true;
}

static bool stmxcsr_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t at;

    return allow_mxcsr(cpu, insn) && rh_tcg_operand_address(cpu, insn, 4, RH_ACCESS_WRITE, &at) &&
           rh_tcg_store(cpu, (RhTlbMode)cpu->tlb_mode, at, 4, cpu->vector.mxcsr);
}

bool rh_tcg_xstate_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_tcg_vector_save(cpu);        /* and it stays there: whoever goes on in translated code brings it back */
    if (!rh_tcg_has(cpu, (RhInsnFeature)insn->feature)) {
        return rh_tcg_ud(cpu);
    }
    rh_vector_spell_out(&cpu->vector);
    switch (insn->op) {
    case RH_OP_FXSAVE:   return fxsave_step(cpu, insn);
    case RH_OP_FXRSTOR:  return fxrstor_step(cpu, insn);
    case RH_OP_XSAVE:
    case RH_OP_XSAVEC:
    case RH_OP_XSAVEOPT:
    case RH_OP_XSAVES:   return xsave_step(cpu, insn);
    case RH_OP_XRSTOR:
    case RH_OP_XRSTORS:  return xrstor_step(cpu, insn);
    case RH_OP_LDMXCSR:  return ldmxcsr_step(cpu, insn);
    case RH_OP_STMXCSR:  return stmxcsr_step(cpu, insn);
    default:             return rh_tcg_ud(cpu);
    }
}
