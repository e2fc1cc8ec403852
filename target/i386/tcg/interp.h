/*
 * What the files of the interpreter share: operands, flags, the stack, and the handlers' names.
 *
 * A handler executes one decoded instruction. It follows the convention of cpu.h: false means that an exception is
 * recorded and nothing has happened. RIP is the instruction's own while it runs; rh_tcg_execute moves it on
 * afterwards, but for handlers of control flow and strings, which set it themselves.
 */
#ifndef RH_TARGET_I386_TCG_INTERP_H
#define RH_TARGET_I386_TCG_INTERP_H

#include "target/i386/tcg/cpu.h"

/* ---- computing, with flags as the host's CPU makes them ---- */

/*
 * Status flags on their way through the host's flags register have the form that `lahf; seto al` gives: SF ZF AF PF CF
 * in AH, OF in bit 0 of AL. Every operation loads the old ones and takes what the CPU makes of them, so that
 * undefined flags are those of the CPU, too, and "unchanged" needs no code.
 */
#define RH_FLAGS_LOAD "addb $127, %%al\n\tsahf\n\t"
#define RH_FLAGS_SAVE "\n\tlahf\n\tseto %%al"

static inline uint32_t rh_flags_to_ax(uint64_t rflags)
{
    return (rflags & 0xd5) << 8 | (rflags >> 11 & 1);
}

static inline uint64_t rh_flags_from_ax(uint32_t ax)
{
    return (ax >> 8 & 0xd5) | (uint64_t)(ax & 1) << 11;
}

/** RhCompute - an operation on up to three values, the first of which is the destination's old one; gives the new one */
typedef uint64_t RhCompute(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags);

/** RhWidths - an operation on 1, 2, 4 and 8 bytes; NULL where there is none */
typedef RhCompute *const RhWidths[4];

static inline unsigned rh_width(unsigned size)
{
    return (unsigned)__builtin_ctz(size);
}

static inline void rh_set_status(RhTcgCpu *cpu, uint32_t ax)
{
    cpu->rflags = (cpu->rflags & ~(uint64_t)RH_FLAGS_STATUS) | rh_flags_from_ax(ax);
}

static inline void rh_set_flag(RhTcgCpu *cpu, uint64_t flag, bool value)
{
    cpu->rflags = value ? cpu->rflags | flag : cpu->rflags & ~flag;
}

/* ---- registers ---- */

static inline uint64_t rh_truncate(uint64_t value, unsigned size)
{
    return value & rh_bits(size * 8);
}

static inline int64_t rh_sign_extend(uint64_t value, unsigned size)
{
    unsigned shift = 64 - size * 8;

    return (int64_t)(value << shift) >> shift;
}

static inline uint64_t rh_get_gpr(const RhTcgCpu *cpu, unsigned nr, unsigned size)
{
    return rh_truncate(cpu->gpr[nr], size);
}

/** rh_set_gpr - the low @size bytes; 4 bytes clear the upper half of the register */
static inline void rh_set_gpr(RhTcgCpu *cpu, unsigned nr, unsigned size, uint64_t value)
{
    uint64_t *gpr = &cpu->gpr[nr];

    switch (size) {
    case 1:
        *gpr = (*gpr & ~UINT64_C(0xff)) | (uint8_t)value;
        break;
    case 2:
        *gpr = (*gpr & ~UINT64_C(0xffff)) | (uint16_t)value;
        break;
    case 4:
        *gpr = (uint32_t)value;
        break;
    default:
        *gpr = value;
        break;
    }
}

/** rh_next_rip - of the instruction behind @insn */
static inline uint64_t rh_next_rip(const RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t next = cpu->rip + insn->len;

    return cpu->is_64 ? next : (uint32_t)next;
}

/** rh_iopl - of RFLAGS, 0 to 3 */
static inline unsigned rh_iopl(const RhTcgCpu *cpu)
{
    return cpu->rflags >> 12 & 3;
}

/* ---- memory ---- */

static inline bool rh_interp_is_canonical(const RhTcgCpu *cpu, uint64_t at)
{
    unsigned shift = cpu->cr4 & RH_CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(at << shift) >> shift) == at;
}

/** rh_interp_offset - effective address of the memory operand, within its segment */
uint64_t rh_interp_offset(const RhTcgCpu *cpu, const RhInsn *insn);
/** rh_interp_linear - rh_tcg_linear, short where nothing is to be checked; and #AC by address, if it is switched on */
bool rh_interp_linear(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, RhAccess access, uint64_t *ret);
/** rh_interp_load/store - at a linear address, with the rights of now */
bool rh_interp_load(RhTcgCpu *cpu, uint64_t at, unsigned size, uint64_t *ret);
bool rh_interp_store(RhTcgCpu *cpu, uint64_t at, unsigned size, uint64_t value);
/** rh_interp_host - rh_tcg_host, short where the TLB has the page */
bool rh_interp_host(RhTcgCpu *cpu, uint64_t at, unsigned len, RhAccess access, void **ret);
/** rh_interp_load_operand - @size bytes of the memory operand, @skip bytes behind its address */
bool rh_interp_load_operand(RhTcgCpu *cpu, const RhInsn *insn, unsigned skip, unsigned size, uint64_t *ret);

bool rh_interp_read_any(RhTcgCpu *cpu, const RhInsn *insn, unsigned n, unsigned size, uint64_t *ret);
bool rh_interp_write_any(RhTcgCpu *cpu, const RhInsn *insn, unsigned n, unsigned size, uint64_t value);

/** rh_interp_read - value of operand @n, of @size bytes (a register, memory, an immediate) */
static inline bool rh_interp_read(RhTcgCpu *cpu, const RhInsn *insn, unsigned n, unsigned size, uint64_t *ret)
{
    if (insn->operand[n] == RH_REG && !insn->is_high_reg) {
        *ret = rh_get_gpr(cpu, insn->reg, size);
        return true;
    }
    return rh_interp_read_any(cpu, insn, n, size, ret);
}

/** rh_interp_write - into operand @n: a register, or memory that is only written */
static inline bool rh_interp_write(RhTcgCpu *cpu, const RhInsn *insn, unsigned n, unsigned size, uint64_t value)
{
    if (insn->operand[n] == RH_REG && !insn->is_high_reg) {
        rh_set_gpr(cpu, insn->reg, size, value);
        return true;
    }
    return rh_interp_write_any(cpu, insn, n, size, value);
}

/** rh_interp_update - replace @size bytes at the linear address @at, which is checked for writing, by what @compute
 * makes of them; atomic with @is_locked. *@ret_old: what was there. */
bool rh_interp_update(RhTcgCpu *cpu, uint64_t at, unsigned size, bool is_locked, RhCompute *compute,
                      uint64_t b, uint64_t c, uint32_t *flags, uint64_t *ret_old);
/** rh_interp_begin_split/end_split - around a locked access that has no host address: one such at a time */
void rh_interp_begin_split(void);
void rh_interp_end_split(void);

/* ---- stack ---- */

static inline uint64_t rh_sp_mask(const RhTcgCpu *cpu)
{
    return rh_bits(cpu->stack_size * 8);
}

static inline void rh_set_sp(RhTcgCpu *cpu, uint64_t sp)
{
    rh_set_gpr(cpu, RH_RSP, cpu->stack_size, sp);
}

/** rh_interp_stack - linear address of the stack's byte at @sp (truncated to the stack's size) */
bool rh_interp_stack(RhTcgCpu *cpu, uint64_t sp, unsigned len, RhAccess access, uint64_t *ret);
bool rh_interp_push(RhTcgCpu *cpu, unsigned size, uint64_t value);
/** rh_interp_peek - the value that a POP would take; RSP stays */
bool rh_interp_peek(RhTcgCpu *cpu, unsigned size, uint64_t *ret);
/** rh_interp_drop - move RSP up by @bytes */
void rh_interp_drop(RhTcgCpu *cpu, uint64_t bytes);

/* ---- strings ---- */

/** RhStringRun - do one element, or up to @max; *@ret_done of them are done, index registers moved; false: none is */
typedef bool RhStringRun(RhTcgCpu *cpu, const RhInsn *insn, uint64_t max, uint64_t *ret_done);
/** rh_interp_repeat - @run once, or as REP wants it, within what a step may do; sets RCX and RIP */
bool rh_interp_repeat(RhTcgCpu *cpu, const RhInsn *insn, RhStringRun *run);
/** rh_interp_string_address - linear address of the element at RSI or RDI (@nr) */
bool rh_interp_string_address(RhTcgCpu *cpu, const RhInsn *insn, unsigned nr, RhAccess access, uint64_t *ret);
/** rh_interp_advance - move RSI or RDI (@nr) by so many elements, in the direction of DF */
void rh_interp_advance(RhTcgCpu *cpu, const RhInsn *insn, unsigned nr, uint64_t elements);

/* ---- conditions ---- */

/** rh_interp_condition - whether condition @cond (as Jcc's opcode numbers them) holds */
bool rh_interp_condition(uint64_t rflags, unsigned cond);

extern RhWidths rh_alu_add, rh_alu_or, rh_alu_adc, rh_alu_sbb, rh_alu_and, rh_alu_sub, rh_alu_xor, rh_alu_not, rh_alu_neg,
    rh_alu_inc, rh_alu_dec, rh_alu_imul, rh_alu_adcx, rh_alu_adox, rh_alu_move, rh_alu_bswap;
extern RhWidths rh_shift_rol, rh_shift_ror, rh_shift_rcl, rh_shift_rcr, rh_shift_shl, rh_shift_shr, rh_shift_sar,
    rh_shift_shld, rh_shift_shrd;
extern RhWidths rh_bit_bt, rh_bit_bts, rh_bit_btr, rh_bit_btc, rh_bit_bsf, rh_bit_bsr, rh_bit_tzcnt, rh_bit_lzcnt,
    rh_bit_popcnt;
extern RhWidths rh_bmi_andn, rh_bmi_bextr, rh_bmi_blsi, rh_bmi_blsmsk, rh_bmi_blsr, rh_bmi_bzhi, rh_bmi_pdep, rh_bmi_pext,
    rh_bmi_rorx, rh_bmi_sarx, rh_bmi_shlx, rh_bmi_shrx;

/* ---- handlers ---- */

typedef bool RhHandler(RhTcgCpu *cpu, const RhInsn *insn);

/** RhInterpRow - how an operation is executed */
typedef struct RhInterpRow {
    RhHandler *run;
    RhWidths *compute;      /* of rh_interp_compute and rh_interp_test */
    bool sets_rip;          /* run() sets RIP itself */
    bool reads_dest;        /* the destination's old value counts */
    bool ends_step;         /* no single-step trap after it, unless TF is still set: it entered a handler */
    bool loads_rf;          /* RF is as run() left it */
    bool repeats;           /* done only when RIP has moved */
    bool checks_cpl;        /* run() does: something else is #UD before */
} RhInterpRow;
extern const RhInterpRow rh_interp_rows[RH_NR_OPS];

/* interp-alu.c */
RhHandler rh_interp_compute, rh_interp_test, rh_interp_rotate, rh_interp_bit_scan, rh_interp_bit_test, rh_interp_xadd, rh_interp_cmpxchg, rh_interp_cmpxchg8b,
    rh_interp_crc32, rh_interp_daa, rh_interp_das, rh_interp_aaa, rh_interp_aas, rh_interp_aam, rh_interp_aad,
    rh_interp_lahf, rh_interp_sahf, rh_interp_salc, rh_interp_cmc, rh_interp_clc, rh_interp_stc, rh_interp_cld,
    rh_interp_std;
/* interp-muldiv.c */
RhHandler rh_interp_mul, rh_interp_imul, rh_interp_imul1, rh_interp_mulx, rh_interp_div, rh_interp_idiv;
/* interp-move.c */
RhHandler rh_interp_mov, rh_interp_movsx, rh_interp_lea, rh_interp_xchg, rh_interp_movbe, rh_interp_push_insn, rh_interp_pop,
    rh_interp_pusha, rh_interp_popa, rh_interp_enter, rh_interp_leave, rh_interp_cbw, rh_interp_cwd, rh_interp_xlat,
    rh_interp_setcc, rh_interp_cmovcc, rh_interp_mov_from_seg, rh_interp_mov_to_seg, rh_interp_push_seg,
    rh_interp_pop_seg, rh_interp_load_far, rh_interp_movdir64b;
/* interp-flow.c */
RhHandler rh_interp_jcc, rh_interp_jcxz, rh_interp_loop, rh_interp_jmp, rh_interp_call, rh_interp_jmp_ind,
    rh_interp_call_ind, rh_interp_ret, rh_interp_jmp_far, rh_interp_call_far, rh_interp_retf, rh_interp_iret,
    rh_interp_int, rh_interp_int3, rh_interp_into, rh_interp_int1, rh_interp_bound, rh_interp_syscall,
    rh_interp_sysret, rh_interp_sysenter, rh_interp_sysexit, rh_interp_rsm;
/* interp-string.c */
RhHandler rh_interp_string;
/* interp-io.c */
RhHandler rh_interp_in, rh_interp_out, rh_interp_ins, rh_interp_outs;
/* interp-system.c */
RhHandler rh_interp_pushf, rh_interp_popf, rh_interp_cli, rh_interp_sti, rh_interp_hlt, rh_interp_cpuid, rh_interp_rdtsc,
    rh_interp_rdpmc, rh_interp_rdmsr, rh_interp_wrmsr, rh_interp_rdpid, rh_interp_random, rh_interp_set_ac,
    rh_interp_fsgsbase, rh_interp_xgetbv, rh_interp_xsetbv, rh_interp_mov_from_cr, rh_interp_mov_to_cr,
    rh_interp_mov_from_dr, rh_interp_mov_to_dr, rh_interp_smsw, rh_interp_lmsw, rh_interp_clts, rh_interp_sgdt,
    rh_interp_lgdt, rh_interp_sldt, rh_interp_lldt, rh_interp_invlpg, rh_interp_invpcid, rh_interp_swapgs,
    rh_interp_monitor, rh_interp_mwait, rh_interp_clflush, rh_interp_arpl, rh_interp_lar, rh_interp_lsl,
    rh_interp_verify;

#endif
