/*
 * Interpreter: where operands are, and how they are read and written.
 */
#include "target/i386/tcg/interp.h"

#include <pthread.h>

#include "target/i386/tcg/mmu-inline.h"

/* ---- addresses ---- */

uint64_t rh_interp_offset(const RhTcgCpu *cpu, const RhInsn *insn)
{
    uint64_t offset = (uint64_t)insn->disp;

    if (insn->base == RH_REG_RIP) {
        offset += cpu->rip + insn->len;
    } else if (insn->base != RH_NO_REG) {
        offset += cpu->gpr[insn->base];
    }
    if (insn->index != RH_NO_REG) {
        offset += cpu->gpr[insn->index] * insn->scale;
    }
    return rh_truncate(offset, insn->addr_size);
}

/* #AC, where the kernel asked for it and a program switched it on. Page faults come first. */
static bool check_alignment(RhTcgCpu *cpu, uint64_t at, unsigned len, RhAccess access)
{
    if (!(cpu->cr0 & RH_CR0_AM) || cpu->cpl != 3 || len > 8 || !(at & (len - 1))) {
        return true;
    }
    return rh_tcg_probe(cpu, cpu->tlb_mode, at, len, access) && rh_tcg_raise(cpu, RH_EXC_AC, 0);
}

/* Whether [@at, @at + @len) certainly is canonical: 48 bits are so with five levels, too. */
static bool is_surely_canonical(uint64_t at, unsigned len)
{
    return at + (UINT64_C(1) << 47) < (UINT64_C(1) << 48) && ((at + len - 1) ^ at) >> 47 == 0;
}

bool rh_interp_linear(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, RhAccess access, uint64_t *ret)
{
    uint64_t at = offset;
    bool is_checked;

    if (cpu->is_64) {
        at += seg >= RH_FS ? cpu->segment_base[seg] : 0;
        is_checked = is_surely_canonical(at, len);
    } else {
        is_checked = cpu->is_flat && seg < RH_FS && (seg != RH_CS || access != RH_ACCESS_WRITE) &&
                     offset + len <= UINT64_C(1) << 32;
    }
    if (!is_checked && !rh_tcg_linear(cpu, seg, offset, len, access, &at)) {
        return false;
    }
    *ret = at;
    return G_LIKELY(!(cpu->rflags & RH_RFLAGS_AC)) || check_alignment(cpu, at, len, access);
}

bool rh_tcg_operand_address(RhTcgCpu *cpu, const RhInsn *insn, unsigned len, RhAccess access, uint64_t *ret)
{
    return rh_interp_linear(cpu, insn->segment, rh_interp_offset(cpu, insn), len, access, ret);
}

bool rh_interp_stack(RhTcgCpu *cpu, uint64_t sp, unsigned len, RhAccess access, uint64_t *ret)
{
    return rh_interp_linear(cpu, RH_SS, sp, len, access, ret);
}

/* ---- guest memory ---- */

#define EXCHANGE(T, modifier)                                                                           \
    __asm__ volatile("lock cmpxchg %" modifier "[v], %[m]"                                              \
                     : [m] "+m"(*(T *)host), "+a"(was) : [v] "r"(value) : "cc", "memory")

/* Whether @host held @expected and now holds @value, in one go; locks work at any alignment. */
static bool host_exchange(void *host, unsigned size, uint64_t expected, uint64_t value)
{
    uint64_t was = expected;

    switch (size) {
    case 1:  EXCHANGE(uint8_t, "b"); break;
    case 2:  EXCHANGE(RhAny16, "w"); break;
    case 4:  EXCHANGE(RhAny32, "k"); break;
    default: EXCHANGE(RhAny64, "q"); break;
    }
    return rh_truncate(was, size) == expected;
}

bool rh_interp_load(RhTcgCpu *cpu, uint64_t at, unsigned size, uint64_t *ret)
{
    return rh_tcg_load_inline(cpu, cpu->tlb_mode, at, size, ret);
}

bool rh_interp_store(RhTcgCpu *cpu, uint64_t at, unsigned size, uint64_t value)
{
    return rh_tcg_store_inline(cpu, cpu->tlb_mode, at, size, value);
}

bool rh_interp_host(RhTcgCpu *cpu, uint64_t at, unsigned len, RhAccess access, void **ret)
{
    *ret = rh_tlb_hit(cpu, cpu->tlb_mode, at, len, access == RH_ACCESS_WRITE);
    return G_LIKELY(*ret) || rh_tcg_host(cpu, cpu->tlb_mode, at, len, access, ret);
}

bool rh_interp_load_operand(RhTcgCpu *cpu, const RhInsn *insn, unsigned skip, unsigned size, uint64_t *ret)
{
    uint64_t offset = rh_truncate(rh_interp_offset(cpu, insn) + skip, insn->addr_size);
    uint64_t at;

    return rh_interp_linear(cpu, insn->segment, offset, size, RH_ACCESS_READ, &at) &&
           rh_interp_load(cpu, at, size, ret);
}

/* ---- read, compute, write ---- */

/*
 * A locked access that lies in two pages, or in a device, has no host address to lock. Such accesses exclude each
 * other, machine-wide, by this mutex; they do not exclude ordinary ones, which on a real machine the bus lock does.
 * Nobody is known to rely on that: split locks are slow everywhere and refused by many kernels. vCPU threads alone take
 * it, before any other lock.
 */
static pthread_mutex_t split_lock = PTHREAD_MUTEX_INITIALIZER;

void rh_interp_begin_split(void)
{
    pthread_mutex_lock(&split_lock);
}

void rh_interp_end_split(void)
{
    pthread_mutex_unlock(&split_lock);
}

/* As a compare-and-exchange loop, one for all operations: who looks from outside cannot tell. */
static uint64_t update_locked(void *host, unsigned size, RhCompute *compute, uint64_t b, uint64_t c, uint32_t *flags)
{
    for (;;) {
        uint64_t old = rh_host_load(host, size);
        uint32_t ax = *flags;

        if (host_exchange(host, size, old, compute(old, b, c, &ax))) {
            *flags = ax;
            return old;
        }
    }
}

bool rh_interp_update(RhTcgCpu *cpu, uint64_t at, unsigned size, bool is_locked, RhCompute *compute,
                      uint64_t b, uint64_t c, uint32_t *flags, uint64_t *ret_old)
{
    bool is_ok;
    void *host;

    if (!rh_interp_host(cpu, at, size, RH_ACCESS_WRITE, &host)) {
        return false;
    }
    if (host && is_locked) {
        *ret_old = update_locked(host, size, compute, b, c, flags);
        return true;
    }
    if (host) {
        *ret_old = rh_host_load(host, size);
        rh_host_store(host, size, compute(*ret_old, b, c, flags));
        return true;
    }
    if (is_locked) {
        rh_interp_begin_split();
    }
    is_ok = rh_interp_load(cpu, at, size, ret_old) &&
            rh_interp_store(cpu, at, size, compute(*ret_old, b, c, flags));
    if (is_locked) {
        rh_interp_end_split();
    }
    return is_ok;
}

/* ---- operands by number ---- */

static inline uint64_t get_register(const RhTcgCpu *cpu, unsigned nr, unsigned size, bool is_high)
{
    return is_high ? cpu->gpr[nr] >> 8 & 0xff : rh_get_gpr(cpu, nr, size);
}

static inline void set_register(RhTcgCpu *cpu, unsigned nr, unsigned size, bool is_high, uint64_t value)
{
    if (is_high) {
        cpu->gpr[nr] = (cpu->gpr[nr] & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
    } else {
        rh_set_gpr(cpu, nr, size, value);
    }
}

bool rh_interp_read_any(RhTcgCpu *cpu, const RhInsn *insn, unsigned n, unsigned size, uint64_t *ret)
{
    uint64_t at;

    switch (insn->operand[n]) {
    case RH_RM:
        if (!insn->has_mem) {
            *ret = get_register(cpu, insn->rm, size, insn->is_high_rm);
            return true;
        }
        G_GNUC_FALLTHROUGH;
    case RH_MOFFS:
        return rh_tcg_operand_address(cpu, insn, size, RH_ACCESS_READ, &at) && rh_interp_load(cpu, at, size, ret);
    case RH_REG:
        *ret = get_register(cpu, insn->reg, size, insn->is_high_reg);
        return true;
    case RH_VVVV:
        *ret = rh_get_gpr(cpu, insn->vvvv, size);
        return true;
    case RH_ACC:
        *ret = rh_get_gpr(cpu, RH_RAX, size);
        return true;
    case RH_CL:
        *ret = rh_get_gpr(cpu, RH_RCX, 1);
        return true;
    case RH_DX:
        *ret = rh_get_gpr(cpu, RH_RDX, 2);
        return true;
    case RH_ONE:
        *ret = 1;
        return true;
    default:
        *ret = rh_truncate(insn->imm, size);
        return true;
    }
}

bool rh_interp_write_any(RhTcgCpu *cpu, const RhInsn *insn, unsigned n, unsigned size, uint64_t value)
{
    uint64_t at;

    switch (insn->operand[n]) {
    case RH_RM:
        if (!insn->has_mem) {
            set_register(cpu, insn->rm, size, insn->is_high_rm, value);
            return true;
        }
        G_GNUC_FALLTHROUGH;
    case RH_MOFFS:
        return rh_tcg_operand_address(cpu, insn, size, RH_ACCESS_WRITE, &at) && rh_interp_store(cpu, at, size, value);
    case RH_REG:
        set_register(cpu, insn->reg, size, insn->is_high_reg, value);
        return true;
    case RH_VVVV:
        rh_set_gpr(cpu, insn->vvvv, size, value);
        return true;
    default:
        rh_set_gpr(cpu, RH_RAX, size, value);
        return true;
    }
}
