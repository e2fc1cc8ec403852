/*
 * Interpreter: MUL, IMUL with one operand, MULX, DIV, IDIV. Quotients are checked before the host's CPU divides, so
 * that it never faults; flags that are undefined are what it makes of them.
 */
#include "target/i386/tcg/interp.h"

typedef void Widening(uint64_t b, uint64_t *low, uint64_t *high, uint32_t *flags);

/*
 * Before: flags in @flags, values in RAX and RDX. RAX is needed for flags and operands alike, so it is loaded between
 * the two. A byte operation has its result in AX and leaves RDX alone.
 */
#define ON_RDX_RAX(name, mnemonic, T)                                                                   \
    static void name(uint64_t b, uint64_t *low, uint64_t *high, uint32_t *flags)                        \
    {                                                                                                   \
        uint64_t ax = *flags;                                                                           \
        uint64_t value = *low;                                                                          \
        uint64_t rdx = *high;                                                                           \
                                                                                                        \
        __asm__(RH_FLAGS_LOAD "mov %[v], %%rax\n\t" mnemonic " %[b]\n\tmov %%rax, %[v]" RH_FLAGS_SAVE   \
                : "+&a"(ax), [v] "+&r"(value), "+&d"(rdx) : [b] "r"((T)b) : "cc");                      \
        *low = value;                                                                                   \
        *high = rdx;                                                                                    \
        *flags = (uint32_t)ax;                                                                          \
    }
#define ON_ALL(name, mnemonic)                                                                          \
    ON_RDX_RAX(name##_1, mnemonic, uint8_t)                                                             \
    ON_RDX_RAX(name##_2, mnemonic, uint16_t)                                                            \
    ON_RDX_RAX(name##_4, mnemonic, uint32_t)                                                            \
    ON_RDX_RAX(name##_8, mnemonic, uint64_t)                                                            \
    static Widening *const name[4] = { name##_1, name##_2, name##_4, name##_8 };

ON_ALL(host_mul, "mul")
ON_ALL(host_imul, "imul")
ON_ALL(host_div, "div")
ON_ALL(host_idiv, "idiv")

/* Run @op on RDX:RAX and put back what the operand size says of each: all of RAX, and RDX but for bytes. */
static bool widening(RhTcgCpu *cpu, const RhInsn *insn, Widening *const op[4], uint64_t b)
{
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t low = cpu->gpr[RH_RAX];
    uint64_t high = cpu->gpr[RH_RDX];

    op[rh_width(insn->size)](b, &low, &high, &flags);
    cpu->gpr[RH_RAX] = low;     /* the host's instruction left or cleared the rest as the guest's does */
    cpu->gpr[RH_RDX] = high;
    rh_set_status(cpu, flags);
    return true;
}

bool rh_interp_mul(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t b;

    return rh_interp_read(cpu, insn, 0, insn->size, &b) && widening(cpu, insn, host_mul, b);
}

bool rh_interp_imul1(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t b;

    return rh_interp_read(cpu, insn, 0, insn->size, &b) && widening(cpu, insn, host_imul, b);
}

bool rh_interp_mulx(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned __int128 product;
    uint64_t b;

    if (!rh_interp_read(cpu, insn, 2, insn->size, &b)) {
        return false;
    }
    product = (unsigned __int128)rh_get_gpr(cpu, RH_RDX, insn->size) * b;
    rh_interp_write(cpu, insn, 1, insn->size, (uint64_t)product);      /* if both are one, it gets the high half */
    return rh_interp_write(cpu, insn, 0, insn->size, (uint64_t)(product >> insn->size * 8));
}

/* ---- division: #DE before the host's CPU would say so ---- */

static bool is_quotient_too_large(uint64_t high, uint64_t divisor)
{
    return high >= divisor;     /* includes 0 */
}

/* Upper half of the dividend: AH, DX, EDX or RDX. */
static uint64_t dividend_high(const RhTcgCpu *cpu, unsigned size)
{
    return size == 1 ? cpu->gpr[RH_RAX] >> 8 & 0xff : rh_get_gpr(cpu, RH_RDX, size);
}

static bool is_signed_quotient_too_large(uint64_t high, uint64_t low, uint64_t divisor, unsigned size)
{
    __int128 dividend = rh_sign_extend(high, size) * ((__int128)1 << size * 8) + low;
    __int128 most = rh_bits(size * 8 - 1);
    int64_t by = rh_sign_extend(divisor, size);
    __int128 quotient;

    if (by == -1) {     /* -2^127 / -1 is more than an __int128, too */
        return dividend > most + 1 || dividend < -most;
    }
    if (!by) {
        return true;
    }
    quotient = size < 8 ? (int64_t)dividend / by : dividend / by;
    return quotient > most || quotient < -most - 1;
}

bool rh_interp_div(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t divisor;

    if (!rh_interp_read(cpu, insn, 0, insn->size, &divisor)) {
        return false;
    }
    if (is_quotient_too_large(dividend_high(cpu, insn->size), divisor)) {
        return rh_tcg_raise_plain(cpu, RH_EXC_DE);
    }
    return widening(cpu, insn, host_div, divisor);
}

bool rh_interp_idiv(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t divisor;

    if (!rh_interp_read(cpu, insn, 0, insn->size, &divisor)) {
        return false;
    }
    if (is_signed_quotient_too_large(dividend_high(cpu, insn->size), rh_get_gpr(cpu, RH_RAX, insn->size), divisor,
                                     insn->size)) {
        return rh_tcg_raise_plain(cpu, RH_EXC_DE);
    }
    return widening(cpu, insn, host_idiv, divisor);
}

/* Two operands: the first is multiplied. Three: it gets the product of the others. */
bool rh_interp_imul(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned first = insn->nr_operands - 2u;
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t a;
    uint64_t b;

    if (!rh_interp_read(cpu, insn, first, insn->size, &a) || !rh_interp_read(cpu, insn, first + 1, insn->size, &b)) {
        return false;
    }
    rh_interp_write(cpu, insn, 0, insn->size, rh_alu_imul[rh_width(insn->size)](a, b, 0, &flags));
    rh_set_status(cpu, flags);
    return true;
}
