/*
 * Interpreter: arithmetic and logic, and everything else that is "read operands, compute, write the first": shifts,
 * bit operations and BMI get their operations from interp-shift.c. Compare and exchange; decimal adjustment; single flags.
 *
 * Spec: Intel SDM vol. 2.
 */
#include "target/i386/tcg/interp-compute.h"

RH_ON_ALL(rh_alu_add, "add %[b], %[d]", "r")
RH_ON_ALL(rh_alu_or, "or %[b], %[d]", "r")
RH_ON_ALL(rh_alu_adc, "adc %[b], %[d]", "r")
RH_ON_ALL(rh_alu_sbb, "sbb %[b], %[d]", "r")
RH_ON_ALL(rh_alu_and, "and %[b], %[d]", "r")
RH_ON_ALL(rh_alu_sub, "sub %[b], %[d]", "r")
RH_ON_ALL(rh_alu_xor, "xor %[b], %[d]", "r")
RH_ON_ALL(rh_alu_not, "not %[d]", "r")
RH_ON_ALL(rh_alu_neg, "neg %[d]", "r")
RH_ON_ALL(rh_alu_inc, "inc %[d]", "r")
RH_ON_ALL(rh_alu_dec, "dec %[d]", "r")
RH_ON_WORDS(rh_alu_imul, "imul %[b], %[d]", "r")
RH_ON_LONG(rh_alu_adcx, "adcx %[b], %[d]")
RH_ON_LONG(rh_alu_adox, "adox %[b], %[d]")
RH_ON_LONG(rh_alu_bswap_long, "bswap %[d]")

static uint64_t alu_move(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
    return b;
}
RhWidths rh_alu_move = { alu_move, alu_move, alu_move, alu_move };

bool rh_interp_compute(RhTcgCpu *cpu, const RhInsn *insn)
{
    const RhInterpRow *row = &rh_interp_rows[insn->op];
    RhCompute *compute = (*row->compute)[rh_width(insn->size)];
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t value[3] = { 0 };

    if ((insn->nr_operands > 1 && !rh_interp_read(cpu, insn, 1, insn->size, &value[1])) ||
        (insn->nr_operands > 2 && !rh_interp_read(cpu, insn, 2, insn->size, &value[2]))) {
        return false;
    }
    if (insn->operand[0] == RH_RM && insn->has_mem) {
        uint64_t at;

        if (!rh_tcg_operand_address(cpu, insn, insn->size, RH_ACCESS_WRITE, &at) ||
            !rh_interp_update(cpu, at, insn->size, insn->has_lock, compute, value[1], value[2], &flags, &value[0])) {
            return false;
        }
    } else {
        if (row->reads_dest && !rh_interp_read(cpu, insn, 0, insn->size, &value[0])) {
            return false;
        }
        rh_interp_write(cpu, insn, 0, insn->size, compute(value[0], value[1], value[2], &flags));
    }
    rh_set_status(cpu, flags);
    return true;
}

/* BSF, BSR: a source of 0 leaves all of the destination, the upper half of a 32-bit one included. */
bool rh_interp_bit_scan(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhCompute *compute = (*rh_interp_rows[insn->op].compute)[rh_width(insn->size)];
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t source;
    uint64_t place;

    if (!rh_interp_read(cpu, insn, 1, insn->size, &source)) {
        return false;
    }
    place = compute(0, source, 0, &flags);
    if (source) {
        rh_interp_write(cpu, insn, 0, insn->size, place);
    }
    rh_set_status(cpu, flags);
    return true;
}

/*
 * ROL, ROR. For counts other than 1 OF is undefined; CPUs compute it, but leave it alone in a register rotated by
 * an immediate. Translated code has the instruction itself, so this does the same.
 */
bool rh_interp_rotate(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t old_of = cpu->rflags & RH_FLAG_OF;

    if (!rh_interp_compute(cpu, insn)) {
        return false;
    }
    if (!insn->has_mem && insn->operand[1] == RH_IMM && (insn->imm & (insn->size == 8 ? 63 : 31)) != 1) {
        rh_set_flag(cpu, RH_FLAG_OF, old_of);
    }
    return true;
}

/* CMP, TEST: nothing but flags. */
bool rh_interp_test(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhCompute *compute = (*rh_interp_rows[insn->op].compute)[rh_width(insn->size)];
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t a;
    uint64_t b;

    if (!rh_interp_read(cpu, insn, 0, insn->size, &a) || !rh_interp_read(cpu, insn, 1, insn->size, &b)) {
        return false;
    }
    compute(a, b, 0, &flags);
    rh_set_status(cpu, flags);
    return true;
}

/*
 * BT and kin in memory: a bit number in a register counts from the operand's address on and is signed, so that it
 * chooses the word, too; an immediate one stays within the operand.
 */
static bool bit_address(RhTcgCpu *cpu, const RhInsn *insn, uint64_t bit, RhAccess access, uint64_t *ret)
{
    unsigned log_bits = rh_width(insn->size) + 3;
    int64_t words = insn->operand[1] == RH_IMM ? 0 : rh_sign_extend(bit, insn->size) >> log_bits;
    uint64_t offset = rh_interp_offset(cpu, insn) + (uint64_t)words * insn->size;

    return rh_interp_linear(cpu, insn->segment, rh_truncate(offset, insn->addr_size), insn->size, access, ret);
}

bool rh_interp_bit_test(RhTcgCpu *cpu, const RhInsn *insn)
{
    bool is_update = insn->op != RH_OP_BT;
    RhCompute *compute = (*rh_interp_rows[insn->op].compute)[rh_width(insn->size)];
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t bit;
    uint64_t old;
    uint64_t at;

    if (!insn->has_mem) {
        return is_update ? rh_interp_compute(cpu, insn) : rh_interp_test(cpu, insn);
    }
    rh_interp_read(cpu, insn, 1, insn->size, &bit);
    if (!bit_address(cpu, insn, bit, is_update ? RH_ACCESS_WRITE : RH_ACCESS_READ, &at)) {
        return false;
    }
    if (is_update) {
        if (!rh_interp_update(cpu, at, insn->size, insn->has_lock, compute, bit, 0, &flags, &old)) {
            return false;
        }
    } else if (!rh_interp_load(cpu, at, insn->size, &old)) {
        return false;
    } else {
        compute(old, bit, 0, &flags);
    }
    rh_set_status(cpu, flags);
    return true;
}

bool rh_interp_xadd(RhTcgCpu *cpu, const RhInsn *insn)
{
    RhCompute *add = rh_alu_add[rh_width(insn->size)];
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t old;
    uint64_t addend;
    uint64_t at;

    rh_interp_read(cpu, insn, 1, insn->size, &addend);
    if (insn->has_mem) {
        if (!rh_tcg_operand_address(cpu, insn, insn->size, RH_ACCESS_WRITE, &at) ||
            !rh_interp_update(cpu, at, insn->size, insn->has_lock, add, addend, 0, &flags, &old)) {
            return false;
        }
        rh_interp_write(cpu, insn, 1, insn->size, old);
    } else {
        rh_interp_read(cpu, insn, 0, insn->size, &old);
        rh_interp_write(cpu, insn, 1, insn->size, old);
        rh_interp_write(cpu, insn, 0, insn->size, add(old, addend, 0, &flags));  /* the sum, if both are one */
    }
    rh_set_status(cpu, flags);
    return true;
}

/* What CMPXCHG leaves in memory, which it always writes to: old value a, source b, accumulator c. */
static uint64_t exchange_if_equal(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
    return a == c ? b : a;
}

bool rh_interp_cmpxchg(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t acc = rh_get_gpr(cpu, RH_RAX, insn->size);
    uint32_t flags = rh_flags_to_ax(cpu->rflags);
    uint64_t source;
    uint64_t old;
    uint64_t at;

    rh_interp_read(cpu, insn, 1, insn->size, &source);
    if (insn->has_mem) {
        if (!rh_tcg_operand_address(cpu, insn, insn->size, RH_ACCESS_WRITE, &at) ||
            !rh_interp_update(cpu, at, insn->size, insn->has_lock, exchange_if_equal, source, acc, &flags, &old)) {
            return false;
        }
    } else {
        rh_interp_read(cpu, insn, 0, insn->size, &old);
        if (old == acc) {
            rh_interp_write(cpu, insn, 0, insn->size, source);
        }
    }
    if (old != acc) {
        rh_set_gpr(cpu, RH_RAX, insn->size, old);
    }
    rh_alu_sub[rh_width(insn->size)](acc, old, 0, &flags);
    rh_set_status(cpu, flags);
    return true;
}

/* CMPXCHG16B where there is no host address (device memory), under the lock of split accesses. */
static bool cmpxchg16b_apart(RhTcgCpu *cpu, uint64_t at, unsigned __int128 expected, unsigned __int128 wanted,
                             unsigned __int128 *ret_old)
{
    unsigned __int128 value;
    uint64_t low;
    uint64_t high;
    bool is_ok;

    rh_interp_begin_split();
    is_ok = rh_interp_load(cpu, at, 8, &low) && rh_interp_load(cpu, at + 8, 8, &high);
    if (is_ok) {
        *ret_old = (unsigned __int128)high << 64 | low;
        value = *ret_old == expected ? wanted : *ret_old;
        is_ok = rh_interp_store(cpu, at, 8, (uint64_t)value) && rh_interp_store(cpu, at + 8, 8, (uint64_t)(value >> 64));
    }
    rh_interp_end_split();
    return is_ok;
}

/* The locked instruction itself: compilers make a call of it, which may be no single instruction. */
static unsigned __int128 host_cmpxchg16b(void *host, unsigned __int128 expected, unsigned __int128 wanted)
{
    uint64_t low = (uint64_t)expected;
    uint64_t high = (uint64_t)(expected >> 64);

    __asm__ volatile("lock cmpxchg16b %0"
                     : "+m"(*(unsigned __int128 *)host), "+a"(low), "+d"(high)
                     : "b"((uint64_t)wanted), "c"((uint64_t)(wanted >> 64)) : "cc", "memory");
    return (unsigned __int128)high << 64 | low;
}

static bool cmpxchg16b(RhTcgCpu *cpu, const RhInsn *insn)
{
    unsigned __int128 expected = (unsigned __int128)cpu->gpr[RH_RDX] << 64 | cpu->gpr[RH_RAX];
    unsigned __int128 wanted = (unsigned __int128)cpu->gpr[RH_RCX] << 64 | cpu->gpr[RH_RBX];
    unsigned __int128 old;
    uint64_t at;
    void *host;

    if (!rh_tcg_has(cpu, RH_FEAT_CX16)) {
        return rh_tcg_ud(cpu);
    }
    if (!rh_tcg_operand_address(cpu, insn, 16, RH_ACCESS_WRITE, &at)) {
        return false;
    }
    if (at & 15) {
        return rh_tcg_gp0(cpu);
    }
    if (!rh_interp_host(cpu, at, 16, RH_ACCESS_WRITE, &host)) {
        return false;
    }
    if (host) {
        old = host_cmpxchg16b(host, expected, wanted);
    } else if (!cmpxchg16b_apart(cpu, at, expected, wanted, &old)) {
        return false;
    }
    if (old != expected) {
        cpu->gpr[RH_RAX] = (uint64_t)old;
        cpu->gpr[RH_RDX] = (uint64_t)(old >> 64);
    }
    rh_set_flag(cpu, RH_FLAG_ZF, old == expected);
    return true;
}

bool rh_interp_cmpxchg8b(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t expected = cpu->gpr[RH_RDX] << 32 | (uint32_t)cpu->gpr[RH_RAX];
    uint64_t wanted = cpu->gpr[RH_RCX] << 32 | (uint32_t)cpu->gpr[RH_RBX];
    uint32_t flags = 0;
    uint64_t old;
    uint64_t at;

    if (insn->size == 16) {
        return cmpxchg16b(cpu, insn);
    }
    if (!rh_tcg_operand_address(cpu, insn, 8, RH_ACCESS_WRITE, &at) ||
        !rh_interp_update(cpu, at, 8, insn->has_lock, exchange_if_equal, wanted, expected, &flags, &old)) {
        return false;
    }
    if (old != expected) {
        cpu->gpr[RH_RAX] = (uint32_t)old;
        cpu->gpr[RH_RDX] = old >> 32;
    }
    rh_set_flag(cpu, RH_FLAG_ZF, old == expected);
    return true;
}

static uint64_t bswap_2(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
    return 0;   /* undefined by the SDM; this is what CPUs do */
}
RhWidths rh_alu_bswap = { NULL, bswap_2, rh_alu_bswap_long_4, rh_alu_bswap_long_8 };

bool rh_interp_crc32(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t crc;
    uint64_t data;

    if (!rh_interp_read(cpu, insn, 1, insn->src_size, &data)) {
        return false;
    }
    rh_interp_read(cpu, insn, 0, 4, &crc);
    switch (insn->src_size) {
    case 1:
        __asm__("crc32b %1, %k0" : "+r"(crc) : "r"((uint8_t)data));
        break;
    case 2:
        __asm__("crc32w %1, %k0" : "+r"(crc) : "r"((uint16_t)data));
        break;
    case 4:
        __asm__("crc32l %1, %k0" : "+r"(crc) : "r"((uint32_t)data));
        break;
    default:
        __asm__("crc32q %1, %0" : "+r"(crc) : "r"(data));
        break;
    }
    return rh_interp_write(cpu, insn, 0, insn->size == 8 ? 8 : 4, crc);
}

/* ---- decimal adjustment, which 64-bit code lacks: by the SDM's operation sections ---- */

/* SF, ZF, PF of AL; the other three as given. */
static void set_decimal_flags(RhTcgCpu *cpu, bool is_carry, bool is_adjust)
{
    uint32_t ax = 0;

    rh_alu_or[0](cpu->gpr[RH_RAX], 0, 0, &ax);
    rh_set_status(cpu, ax);
    rh_set_flag(cpu, RH_FLAG_CF, is_carry);
    rh_set_flag(cpu, RH_FLAG_AF, is_adjust);
}

static bool adjust_packed(RhTcgCpu *cpu, int sign)
{
    uint8_t old = (uint8_t)cpu->gpr[RH_RAX];
    bool old_carry = cpu->rflags & RH_FLAG_CF;
    bool is_adjust = (old & 15) > 9 || (cpu->rflags & RH_FLAG_AF);
    bool is_carry = old > 0x99 || old_carry;
    uint8_t al = old;

    if (is_adjust) {
        al = (uint8_t)(al + sign * 6);
    }
    if (is_carry) {
        al = (uint8_t)(al + sign * 0x60);
    } else if (sign < 0 && is_adjust) {
        is_carry = old < 6;     /* DAS: a borrow of the first step stays */
    }
    rh_set_gpr(cpu, RH_RAX, 1, al);
    set_decimal_flags(cpu, is_carry, is_adjust);
    return true;
}

bool rh_interp_daa(RhTcgCpu *cpu, const RhInsn *insn)
{
    return adjust_packed(cpu, 1);
}

bool rh_interp_das(RhTcgCpu *cpu, const RhInsn *insn)
{
    return adjust_packed(cpu, -1);
}

static bool adjust_unpacked(RhTcgCpu *cpu, int sign)
{
    bool is_adjust = (cpu->gpr[RH_RAX] & 15) > 9 || (cpu->rflags & RH_FLAG_AF);

    if (is_adjust) {
        rh_set_gpr(cpu, RH_RAX, 2, cpu->gpr[RH_RAX] + (uint64_t)(int64_t)(sign * 0x106));
    }
    rh_set_gpr(cpu, RH_RAX, 1, cpu->gpr[RH_RAX] & 15);
    set_decimal_flags(cpu, is_adjust, is_adjust);
    return true;
}

bool rh_interp_aaa(RhTcgCpu *cpu, const RhInsn *insn)
{
    return adjust_unpacked(cpu, 1);
}

bool rh_interp_aas(RhTcgCpu *cpu, const RhInsn *insn)
{
    return adjust_unpacked(cpu, -1);
}

bool rh_interp_aam(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint8_t al = (uint8_t)cpu->gpr[RH_RAX];
    uint8_t base = (uint8_t)insn->imm;

    if (!base) {
        return rh_tcg_raise_plain(cpu, RH_EXC_DE);
    }
    rh_set_gpr(cpu, RH_RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    set_decimal_flags(cpu, false, false);
    return true;
}

bool rh_interp_aad(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t ah = cpu->gpr[RH_RAX] >> 8 & 0xff;
    uint32_t flags = 0;

    /* Flags are those of the addition that the operation ends with. */
    rh_set_gpr(cpu, RH_RAX, 2, rh_alu_add[0](cpu->gpr[RH_RAX], ah * (insn->imm & 0xff), 0, &flags));
    rh_set_status(cpu, flags);
    return true;
}

/* ---- single flags ---- */

bool rh_interp_lahf(RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t ah = (cpu->rflags & 0xd5) | 2;

    cpu->gpr[RH_RAX] = (cpu->gpr[RH_RAX] & ~UINT64_C(0xff00)) | ah << 8;
    return true;
}

bool rh_interp_sahf(RhTcgCpu *cpu, const RhInsn *insn)
{
    cpu->rflags = (cpu->rflags & ~UINT64_C(0xd5)) | (cpu->gpr[RH_RAX] >> 8 & 0xd5);
    return true;
}

bool rh_interp_salc(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_gpr(cpu, RH_RAX, 1, cpu->rflags & RH_FLAG_CF ? 0xff : 0);
    return true;
}

bool rh_interp_cmc(RhTcgCpu *cpu, const RhInsn *insn)
{
    cpu->rflags ^= RH_FLAG_CF;
    return true;
}

bool rh_interp_clc(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_flag(cpu, RH_FLAG_CF, false);
    return true;
}

bool rh_interp_stc(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_flag(cpu, RH_FLAG_CF, true);
    return true;
}

bool rh_interp_cld(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_flag(cpu, RH_RFLAGS_DF, false);
    return true;
}

bool rh_interp_std(RhTcgCpu *cpu, const RhInsn *insn)
{
    rh_set_flag(cpu, RH_RFLAGS_DF, true);
    return true;
}
