/*
 * Vector and x87 instructions, each executed as itself: check what would fault, fetch the memory operand, run the stub,
 * store, and only then take over the new registers.
 *
 * Nothing traps on the host. SIMD exceptions: the stub runs with all of them masked, and the flags that come up tell
 * whether one was not masked for the guest; then the result is dropped. x87 exceptions stay pending in the status word
 * until a waiting instruction, which is not run then.
 *
 * What differs from a CPU are flags that only the handler of an unmasked SIMD exception sees: MXCSR.PE comes along with an
 * overflow, and with an underflow whose result was exact but for being denormal; flags of the additions of DPPS and DPPD come
 * along with an exception of their multiplications. With CR0.NE clear an x87 exception raises #MF too, instead of an
 * interrupt through FERR# and IRQ 13. An MMX instruction that faults leaves the x87 state as it was; CPUs have switched it
 * to MMX by then.
 *
 * Spec: SDM vol. 1 §8.5-8.7 (x87), §11.5 (SIMD), vol. 2 §2.4-2.7, vol. 3 §2.5, §13.1.
 */
#include "target/i386/tcg/vector.h"
#include "target/i386/tcg/vector-live.h"

#define MXCSR_FLAGS 0x3fu
#define MXCSR_IE 0x01u
#define MXCSR_DE 0x02u
#define MXCSR_ZE 0x04u
#define MXCSR_UE 0x10u
#define MXCSR_MASKS 0x1f80u
#define MXCSR_MASKS_SHIFT 7
#define MXCSR_FZ 0x8000u
#define PRE_COMPUTATION (MXCSR_IE | MXCSR_DE | MXCSR_ZE)

#define FSW_IE 0x01u
#define FSW_OE 0x08u
#define FSW_UE 0x10u

#define OPCODE_WAIT 0x9b

/* ---- beginning and end ---- */

bool rh_tcg_vector_init(RhTcgCpu *cpu, GError **err)
{
    cpu->stubs = rh_stubs_new(err);
    return cpu->stubs;
}

void rh_tcg_vector_fini(RhTcgCpu *cpu)
{
    rh_stubs_free(cpu->stubs);
    cpu->stubs = NULL;
}

RhStubs *rh_tcg_stubs(RhTcgCpu *cpu)
{
    if (!cpu->stubs) {
        bool is_ready = rh_tcg_vector_init(cpu, NULL);

        g_assert(is_ready);     /* the accelerator has tried before, and told the user */
    }
    return cpu->stubs;
}

uint32_t rh_tcg_mxcsr_mask(RhTcgCpu *cpu)
{
    return rh_stubs_mxcsr_mask(rh_tcg_stubs(cpu));
}

/* ---- what is allowed ---- */

bool rh_vector_allow_avx(RhTcgCpu *cpu)
{
    uint64_t needed = RH_XCR0_SSE | RH_XCR0_AVX;

    return (cpu->is_protected && !cpu->is_v86 && (cpu->cr4 & RH_CR4_OSXSAVE) && (cpu->xcr0 & needed) == needed) ||
           rh_tcg_ud(cpu);
}

bool rh_vector_allow_sse(RhTcgCpu *cpu)
{
    return (!(cpu->cr0 & RH_CR0_EM) && (cpu->cr4 & RH_CR4_OSFXSR)) || rh_tcg_ud(cpu);
}

bool rh_vector_allow_task(RhTcgCpu *cpu)
{
    return !(cpu->cr0 & RH_CR0_TS) || rh_tcg_raise_plain(cpu, RH_EXC_NM);
}

/* Enters the MMX state, and so reports what is pending in that of x87. CVTPI2PS and CVTPI2PD do not when they read memory. */
static bool enters_mmx(const RhInsn *insn)
{
    return !(insn->map == 1 && insn->opcode == 0x2a && insn->has_mem);
}

static bool allow_vector(RhTcgCpu *cpu, const RhInsn *insn)
{
    bool uses_mmx = insn->op == RH_OP_EMMS || (insn->traits & RH_INSN_USES_MMX);

    if (!rh_tcg_has(cpu, (RhInsnFeature)insn->feature)) {
        return rh_tcg_ud(cpu);
    }
    if (insn->is_vex) {
        return rh_vector_allow_avx(cpu) && rh_vector_allow_task(cpu);
    }
    if (uses_mmx && !rh_vector_mixes_mmx(insn)) {
        if (cpu->cr0 & RH_CR0_EM) {
            return rh_tcg_ud(cpu);
        }
    } else if (!rh_vector_allow_sse(cpu)) {
        return false;
    }
    if (!rh_vector_allow_task(cpu)) {
        return false;
    }
    return !uses_mmx || !enters_mmx(insn) || !rh_x87_pending(&cpu->vector) ||
           rh_tcg_raise_plain(cpu, RH_EXC_MF);
}

/* ---- operands ---- */

/* Before anything else about the address is looked at: misaligned ones in SS that are not canonical raise #GP, too. */
static bool is_misaligned(const RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t base = insn->segment < RH_NR_SEG && (!cpu->is_64 || insn->segment >= RH_FS) ? cpu->seg[insn->segment].base : 0;
    uint64_t linear = base + (rh_vector_offset(cpu, insn) & rh_bits(insn->addr_size * 8));

    return (insn->traits & RH_INSN_ALIGNED) && (linear & (insn->mem_size - 1u));
}

/* Bytes of the first of the accesses that the processor makes of an x87 operand: environments go word by word. */
static unsigned first_access(const RhInsn *insn)
{
    switch (insn->mem_size) {
    case 10:  return 8;
    case 14:
    case 94:  return 2;
    case 28:
    case 108: return 4;
    default:  return insn->mem_size;
    }
}

/* Where an operand begins below the last canonical address and ends beyond it, a page fault of the first access comes first. */
static bool refuse_x87_memory(RhTcgCpu *cpu, const RhInsn *insn, RhAccess access)
{
    uint64_t offset = rh_vector_offset(cpu, insn) & rh_bits(insn->addr_size * 8);
    RhFault fault = cpu->fault;
    unsigned size = first_access(insn);
    uint64_t at;

    if (rh_tcg_linear(cpu, insn->segment, offset, size, access, &at) &&
        rh_tcg_probe(cpu, (RhTlbMode)cpu->tlb_mode, at, size, access)) {
        cpu->fault = fault;
    }
    return false;
}

static bool address_memory(RhTcgCpu *cpu, const RhInsn *insn, uint64_t *ret)
{
    RhAccess access = insn->traits & RH_INSN_WRITES_MEM ? RH_ACCESS_WRITE : RH_ACCESS_READ;

    if (is_misaligned(cpu, insn)) {
        return rh_tcg_gp0(cpu);
    }
    if (rh_tcg_operand_address(cpu, insn, insn->mem_size, access, ret)) {
        return true;
    }
    return insn->op == RH_OP_X87 && cpu->is_64 && refuse_x87_memory(cpu, insn, access);
}

static bool is_word(unsigned size)
{
    return size <= 8 && !(size & (size - 1));
}

/* The memory operand, if it is one that is read. */
static bool load_memory(RhTcgCpu *cpu, const RhInsn *insn, RhStubFrame *frame)
{
    RhTlbMode mode = (RhTlbMode)cpu->tlb_mode;
    uint64_t at, value;

    if (!(insn->traits & RH_INSN_READS_MEM)) {
        return true;
    }
    if (!address_memory(cpu, insn, &at)) {
        return false;
    }
    if (!is_word(insn->mem_size)) {
        return rh_tcg_load_bytes(cpu, mode, at, frame->memory, insn->mem_size);
    }
    if (!rh_tcg_load(cpu, mode, at, insn->mem_size, &value)) {
        return false;
    }
    memcpy(frame->memory, &value, sizeof(value));
    return true;
}

/* ... that is written. Its address comes last: an exception of arithmetic goes before one of memory then. */
static bool store_memory(RhTcgCpu *cpu, const RhInsn *insn, const RhStubFrame *frame)
{
    RhTlbMode mode = (RhTlbMode)cpu->tlb_mode;
    uint64_t at, value;

    if (!(insn->traits & RH_INSN_WRITES_MEM)) {
        return true;
    }
    if (!address_memory(cpu, insn, &at)) {
        return false;
    }
    if (!is_word(insn->mem_size)) {
        return rh_tcg_store_bytes(cpu, mode, at, frame->memory, insn->mem_size);
    }
    memcpy(&value, frame->memory, sizeof(value));
    return rh_tcg_store(cpu, mode, at, insn->mem_size, value & rh_bits(insn->mem_size * 8));
}

/* The general register that the instruction names, or NULL. */
static uint64_t *general_register(RhTcgCpu *cpu, const RhInsn *insn)
{
    if (insn->traits & RH_INSN_GPR_REG) {
        return &cpu->gpr[insn->reg];
    }
    return (insn->traits & RH_INSN_GPR_RM) && !insn->has_mem ? &cpu->gpr[insn->rm] : NULL;
}

static void load_registers(RhTcgCpu *cpu, const RhInsn *insn, RhStubFrame *frame)
{
    const uint64_t *general = general_register(cpu, insn);

    frame->rax = general ? *general : cpu->gpr[RH_RAX];
    frame->rcx = cpu->gpr[RH_RCX];
    frame->rdx = cpu->gpr[RH_RDX];
    frame->rflags = cpu->rflags;
}

static void commit_registers(RhTcgCpu *cpu, const RhInsn *insn, const RhStubFrame *frame, const RhTcgVector *vector)
{
    uint64_t *general = general_register(cpu, insn);

    if (general && (insn->traits & RH_INSN_GPR_WRITTEN)) {
        *general = frame->rax;
    }
    if (insn->traits & RH_INSN_IMPLICIT_GPR) {
        cpu->gpr[RH_RCX] = frame->rcx;
    }
    cpu->rflags = (cpu->rflags & ~(uint64_t)RH_FLAGS_STATUS) | frame->rflags;
    cpu->vector = *vector;
}

/* ---- SIMD ---- */

static RhTcgVector *run_with_mxcsr(RhTcgCpu *cpu, const RhInsn *insn, RhStubCode *code, RhStubFrame *frame,
                                   uint32_t mxcsr)
{
    uint32_t own = cpu->vector.mxcsr;
    RhTcgVector *after;

    cpu->vector.mxcsr = mxcsr;
    after = rh_stubs_run(cpu->stubs, insn, code, &cpu->vector, frame);
    cpu->vector.mxcsr = own;
    return after;
}

/* SDM vol. 1 §11.5.3: unmasked exceptions of operands are reported alone, before anything is computed. */
static bool raise_simd(RhTcgCpu *cpu, uint32_t raised)
{
    cpu->vector.mxcsr |= raised;
    return cpu->cr4 & RH_CR4_OSXMMEXCPT ? rh_tcg_raise_plain(cpu, RH_EXC_XM) : rh_tcg_ud(cpu);
}

static bool is_half_store(const RhInsn *insn)
{
    return insn->is_vex && insn->map == 3 && insn->opcode == 0x1d;      /* VCVTPS2PH */
}

/* VCVTPS2PH knows no flush-to-zero. It has told of inexact tiny results, so denormal ones are all that is left. */
static bool has_tiny_half(const RhInsn *insn, const RhStubFrame *frame, const RhTcgVector *after)
{
    const uint8_t *halves = insn->has_mem ? frame->memory : after->xmm[insn->rm];

    for (unsigned i = 0; i < (insn->vex_l ? 8u : 4u); i++) {
        unsigned half = rh_ld16(halves + i * 2);

        if (!(half & 0x7c00) && (half & 0x3ff)) {
            return true;
        }
    }
    return false;
}

/*
 * Run while the guest has not masked all SIMD exceptions. An unmasked underflow is due as soon as a result is tiny, exact or
 * not (§4.9.1.5), and flush-to-zero, which only works on masked ones, tells of just those; without a tiny result it changes
 * nothing.
 */
static bool run_unmasked(RhTcgCpu *cpu, const RhInsn *insn, RhStubCode *code, RhStubFrame *frame, RhTcgVector **ret)
{
    uint32_t guest = cpu->vector.mxcsr;
    uint32_t unmasked = (~guest & MXCSR_MASKS) >> MXCSR_MASKS_SHIFT;
    uint32_t masked = (guest & ~MXCSR_FLAGS) | MXCSR_MASKS;
    RhStubFrame again = *frame;
    uint32_t raised;

    *ret = run_with_mxcsr(cpu, insn, code, frame, unmasked & MXCSR_UE ? masked | MXCSR_FZ : masked);
    if (!*ret) {
        return rh_tcg_ud(cpu);
    }
    raised = (*ret)->mxcsr & MXCSR_FLAGS;
    if ((unmasked & MXCSR_UE) && is_half_store(insn) && has_tiny_half(insn, frame, *ret)) {
        raised |= MXCSR_UE;
    }
    (*ret)->mxcsr = guest | raised;
    if (!(raised & unmasked)) {
        return true;
    }
    if (raised & unmasked & PRE_COMPUTATION) {
        return raise_simd(cpu, raised & PRE_COMPUTATION);
    }
    if (raised & unmasked & MXCSR_UE) {
        raised = MXCSR_UE | (run_with_mxcsr(cpu, insn, code, &again, masked & ~MXCSR_FZ)->mxcsr & MXCSR_FLAGS);
    }
    return raise_simd(cpu, raised);
}

static bool run_vector(RhTcgCpu *cpu, const RhInsn *insn, RhStubCode *code, RhStubFrame *frame, RhTcgVector **ret)
{
    if ((cpu->vector.mxcsr & MXCSR_MASKS) != MXCSR_MASKS) {
        return run_unmasked(cpu, insn, code, frame, ret);
    }
    *ret = rh_stubs_run(cpu->stubs, insn, code, &cpu->vector, frame);
    return *ret || rh_tcg_ud(cpu);
}

/* VZEROUPPER and VZEROALL: outside 64-bit mode they leave registers 8 to 15 alone, the stub is 64-bit code. */
static void keep_upper_registers(const RhTcgCpu *cpu, const RhInsn *insn, RhTcgVector *after)
{
    if (rh_is_vector_zeroing(insn) && !cpu->is_64) {
        memcpy(after->xmm[8], cpu->vector.xmm[8], sizeof(after->xmm) / 2);
        memcpy(after->ymm_high[8], cpu->vector.ymm_high[8], sizeof(after->ymm_high) / 2);
    }
}

static bool vector_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhStubCode *code;
    RhStubFrame frame = { 0 };
    RhTcgVector *after;

    if (!allow_vector(cpu, insn)) {
        return false;
    }
    if (rh_vector_masked(insn)) {
        return rh_vector_masked_step(cpu, insn);
    }
    code = rh_stubs_get(rh_tcg_stubs(cpu), insn, cpu->is_64);
    if (!code || insn->mem_size > sizeof(frame.memory)) {
        return rh_tcg_ud(cpu);
    }
    load_registers(cpu, insn, &frame);
    if (!load_memory(cpu, insn, &frame) || !run_vector(cpu, insn, code, &frame, &after) ||
        !store_memory(cpu, insn, &frame)) {
        return false;
    }
    keep_upper_registers(cpu, insn, after);
    commit_registers(cpu, insn, &frame, after);
    return true;
}

/* ---- x87 ---- */

static bool is_x87(const RhInsn *insn, unsigned opcode, unsigned reg)
{
    return insn->has_mem && insn->opcode == opcode && (insn->modrm >> 3 & 7) == reg;
}

static bool is_environment_store(const RhInsn *insn)
{
    return is_x87(insn, 0xd9, 6) || is_x87(insn, 0xdd, 6);      /* FNSTENV, FNSAVE */
}

static bool is_fnstsw_ax(const RhInsn *insn)
{
    return insn->opcode == 0xdf && insn->modrm == 0xe0;
}

/* Those that run although an unmasked exception is pending: their mnemonics begin with FN. */
static bool is_waiting(const RhInsn *insn)
{
    if (insn->has_mem) {
        return !is_environment_store(insn) && !is_x87(insn, 0xd9, 7) && !is_x87(insn, 0xdd, 7); /* FNSTCW, FNSTSW */
    }
    /* FNENI, FNDISI, FNCLEX, FNINIT, FNSETPM */
    return !is_fnstsw_ax(insn) && !(insn->opcode == 0xdb && insn->modrm >= 0xe0 && insn->modrm <= 0xe4);
}

static bool allow_x87(RhTcgCpu *cpu, const RhInsn *insn)
{
    bool is_wait = insn->opcode == OPCODE_WAIT;
    uint64_t wait_traps = RH_CR0_MP | RH_CR0_TS;

    if (!rh_tcg_has(cpu, (RhInsnFeature)insn->feature)) {
        return rh_tcg_ud(cpu);
    }
    if (is_wait ? (cpu->cr0 & wait_traps) == wait_traps : (cpu->cr0 & (RH_CR0_EM | RH_CR0_TS)) != 0) {
        return rh_tcg_raise_plain(cpu, RH_EXC_NM);
    }
    return !rh_x87_pending(&cpu->vector) || !is_waiting(insn) || rh_tcg_raise_plain(cpu, RH_EXC_MF);
}

/*
 * The last fields of an environment are pointers: zero. The real-mode formats differ from the protected ones in these alone, in
 * that no reserved half behind the data selector reads as ones.
 */
static void clear_pointers(const RhTcgCpu *cpu, const RhInsn *insn, uint8_t *environment)
{
    bool is_small = insn->mem_size == 14 || insn->mem_size == 94;
    bool has_selectors = cpu->is_protected && !cpu->is_v86;

    if (is_small) {
        memset(environment + 6, 0, 8);
    } else {
        memset(environment + 12, 0, has_selectors ? 14 : 16);
    }
}

/* An unmasked exception leaves the destination as it was, but for inexactness: SDM vol. 1 §8.5. */
static bool has_stored(const RhInsn *insn, const RhTcgVector *after)
{
    return !is_waiting(insn) || !(after->fsw & ~after->fcw & (FSW_IE | FSW_OE | FSW_UE));
}

/* Memory is not even looked at when an exception keeps the result from being stored. */
static bool store_x87(RhTcgCpu *cpu, const RhInsn *insn, RhStubFrame *frame, const RhTcgVector *after)
{
    if (is_environment_store(insn)) {
        clear_pointers(cpu, insn, frame->memory);
    }
    return !has_stored(insn, after) || store_memory(cpu, insn, frame);
}

static bool x87_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhStubCode *code;
    RhStubFrame frame = { 0 };
    RhTcgVector *after;

    if (!allow_x87(cpu, insn)) {
        return false;
    }
    if (insn->opcode == OPCODE_WAIT) {
        return true;
    }
    code = rh_stubs_get(rh_tcg_stubs(cpu), insn, cpu->is_64);
    if (!code || insn->mem_size > sizeof(frame.memory)) {
        return rh_tcg_ud(cpu);
    }
    load_registers(cpu, insn, &frame);
    if (!load_memory(cpu, insn, &frame)) {
        return false;
    }
    after = rh_stubs_run(cpu->stubs, insn, code, &cpu->vector, &frame);
    if (!after) {
        return rh_tcg_ud(cpu);
    }
    if (!store_x87(cpu, insn, &frame, after)) {
        return false;
    }
    commit_registers(cpu, insn, &frame, after);
    if (is_fnstsw_ax(insn)) {
        cpu->gpr[RH_RAX] = frame.rax;
    }
    return true;
}

bool rh_tcg_vector_step(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_tcg_vector_save(cpu);        /* and it stays there: whoever goes on in translated code brings it back */
    rh_vector_spell_out(&cpu->vector);
    return insn->op == RH_OP_X87 ? x87_step(cpu, insn) : vector_step(cpu, insn);
}
