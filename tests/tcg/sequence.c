/*
 * Short sequences: what one instruction leaves is what the next begins with. Memory operands are such that what earlier
 * instructions did to registers does not matter, or hardly.
 */
#include "tests/tcg/generate.h"

typedef struct Sequence {
    RhNativeCase *at;
    RhCodeSize code_size;
    uint32_t undefined;         /* status flags that may be undefined here */
    uint32_t ever_undefined;
    uint16_t changed;           /* general registers that may hold anything by now: they are no good as addresses */
} Sequence;

#define BIT(reg) (1u << (reg))

/* The most that @insn may leave undefined, whatever its count is */
static uint32_t worst_undefined(const RhInsn *insn)
{
    static const RhNativeState zero;
    RhNativeState any = { .gpr[RH_RCX] = 31 };

    return rh_native_undefined_flags(insn, &zero) | rh_native_undefined_flags(insn, &any);
}

static bool is_counted_by_cl(const RhInsn *insn)
{
    return insn->op >= RH_OP_ROL && insn->op <= RH_OP_SHRD && insn->operand[insn->nr_operands - 1] == RH_CL;
}

/* Flags whose value has an effect: what merely survives has none. */
static uint32_t flags_used(const RhInsn *insn)
{
    if (is_counted_by_cl(insn)) {
        return insn->op == RH_OP_RCL || insn->op == RH_OP_RCR ? RH_FLAG_CF : 0;
    }
    return (insn->op == RH_OP_CMPS || insn->op == RH_OP_SCAS) ? 0 : insn->flags_read;
}

/* Some flags may survive: the new undefined ones come to the old. */
static bool may_keep_flags(const RhInsn *insn)
{
    return is_counted_by_cl(insn) || ((insn->op == RH_OP_CMPS || insn->op == RH_OP_SCAS) && insn->rep);
}

/* Registers that point to memory besides those of ModRM */
static uint16_t implicit_pointers(const RhInsn *insn)
{
    switch (insn->op) {
    case RH_OP_PUSH: case RH_OP_POP: case RH_OP_PUSHA: case RH_OP_POPA: case RH_OP_PUSHF: case RH_OP_ENTER: case RH_OP_LEAVE:
        return BIT(RH_RSP) | BIT(RH_RBP);
    case RH_OP_MOVS ... RH_OP_OUTS:
        return BIT(RH_RSI) | BIT(RH_RDI);
    case RH_OP_XLAT:
        return BIT(RH_RBX);
    default:
        return insn->traits & RH_INSN_STRING_MEM ? BIT(RH_RDI) : 0;
    }
}

/* Registers named by the encoding, in whatever role, and what LEAVE and POPA load */
static uint16_t maybe_changed(const RhInsn *insn)
{
    if (insn->op == RH_OP_POPA) {
        return 0xff;
    }
    return BIT(insn->reg) | BIT(insn->rm) | BIT(insn->vvvv) | (insn->op == RH_OP_LEAVE ? BIT(RH_RSP) | BIT(RH_RBP) : 0);
}

static bool is_memory_steady(const Sequence *s, const RhInsn *insn)
{
    if (implicit_pointers(insn) & s->changed) {
        return false;
    }
    if (!insn->has_mem) {
        return true;
    }
    bool is_pointer = insn->base == RH_RSI || insn->base == RH_RDI || insn->base == RH_RBX;
    bool is_base_good = insn->base == RH_REG_RIP || insn->base == RH_NO_REG || (is_pointer && !(s->changed & BIT(insn->base)));

    return is_base_good && insn->index == RH_NO_REG && insn->segment != RH_FS && insn->segment != RH_GS && insn->addr_size == s->code_size && insn->has_modrm;
}

static bool fits(const Sequence *s, const RhInsn *insn)
{
    switch (insn->op) {
    case RH_OP_BSF: case RH_OP_BSR:             /* undefined destinations */
    case RH_OP_POPF: case RH_OP_WRFSBASE: case RH_OP_WRGSBASE: case RH_OP_LDMXCSR:
    case RH_OP_UD: case RH_OP_NOP: case RH_OP_BOUND:    /* there are enough of those */
        return false;
    case RH_OP_SHLD: case RH_OP_SHRD:
        if (insn->size == 2 && is_counted_by_cl(insn)) {
            return false;
        }
        break;
    case RH_OP_JCC:
        /* 16-bit jumps leave 32-bit code. */
        if (s->code_size == RH_CODE_32 && insn->has_66) {
            return false;
        }
        break;
    case RH_OP_X87:
        /* Environments hold addresses of instructions. */
        if (insn->has_mem && (insn->mem_size >= 14 || insn->mem_size == 0)) {
            return false;
        }
        break;
    case RH_OP_BT ... RH_OP_BTC:
        if (insn->has_mem && insn->operand[1] == RH_REG) {
            return false;
        }
        break;
    default:
        break;
    }
    return is_memory_steady(s, insn) && !(flags_used(insn) & s->undefined) && !(insn->traits & (RH_INSN_PRIVILEGED | RH_INSN_VSIB)) &&
           (insn->op == RH_OP_JCC || !(insn->traits & RH_INSN_ENDS_BLOCK));
}

/* Appends @insn; an address relative to RIP is made anew. */
static void append(Sequence *s, const RhInsn *insn, uint64_t *seed)
{
    RhNativeCase *at = s->at;
    uint8_t *bytes = at->code + at->len;

    memcpy(bytes, insn->bytes, insn->len);
    if (insn->has_mem && insn->base == RH_REG_RIP) {
        uint32_t place = RH_NATIVE_DATA + 512 + rh_native_below(seed, 110) * 64;
        uint32_t disp = place - (RH_NATIVE_CODE + RH_NATIVE_CODE_AT + at->len + insn->len);

        memcpy(bytes + insn->modrm_at + 1, &disp, 4);
    }
    at->len += insn->len;
    at->nr_insns++;
    uint32_t kept = may_keep_flags(insn) ? s->undefined : s->undefined & ~insn->flags_written;

    s->undefined = kept | worst_undefined(insn);
    s->ever_undefined |= s->undefined;
    s->changed |= maybe_changed(insn);
}

static void pick(const Sequence *s, uint64_t *seed, RhInsn *ret)
{
    do {
        rh_native_code_random(s->code_size, seed, ret);
    } while (!fits(s, ret));
}

/* A conditional jump over one instruction, whose flags are made or not */
static void append_jump(Sequence *s, const RhInsn *jump, uint64_t *seed)
{
    RhInsn next;
    RhNativeCase *at = s->at;
    unsigned end = at->len + jump->len;
    uint32_t undefined = s->undefined;

    do {
        pick(s, seed, &next);
    } while (next.op == RH_OP_JCC);
    append(s, jump, seed);
    memset(at->code + end - jump->imm_size, 0, jump->imm_size);
    at->code[end - jump->imm_size] = next.len;
    append(s, &next, seed);
    s->undefined |= undefined;
}

void rh_native_case_sequence(RhCodeSize code_size, unsigned max_insns, uint64_t *seed, RhNativeCase *ret)
{
    Sequence s = { .at = ret, .code_size = code_size };
    unsigned nr = 1 + rh_native_below(seed, max_insns);

    rh_native_state_random(code_size, seed, &ret->before);
    ret->len = ret->nr_insns = 0;
    while (ret->nr_insns < nr && ret->len + 3 * RH_INSN_MAX < sizeof(ret->code)) {
        RhInsn insn;

        pick(&s, seed, &insn);
        if (insn.op == RH_OP_JCC) {
            append_jump(&s, &insn, seed);
        } else {
            append(&s, &insn, seed);
        }
    }
    g_assert(rh_decode(ret->code, ret->len, code_size, &ret->insn) == RH_DECODE_OK);
    ret->undefined_flags = s.undefined;
    ret->undefined_flags_at_fault = s.ever_undefined;
}
