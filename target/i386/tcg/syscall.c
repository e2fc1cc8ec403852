/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT: flat segments out of MSRs, no descriptor is read.
 *
 * In 64-bit mode CPUs of all makers agree. Elsewhere SYSCALL is AMD's (APM vol. 2 §6.1); a CPU that calls itself something
 * else raises #UD, as Intel's do.
 *
 * Spec: SDM vol. 2 of each, vol. 3 §5.8.7 and §5.8.8. The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/system.h"

#include "target/i386/cpuid.h"

#define AMD_EBX 0x68747541u     /* "Auth" of "AuthenticAMD" */
#define HYGON_EBX 0x6f677948u   /* "Hygo" */
#define SYSRET_FLAGS 0x3c7fd7u

static RhX86Segment flat_code(uint16_t selector, unsigned dpl, bool is_64)
{
    return (RhX86Segment){
        .limit = UINT32_MAX,
        .access = RH_SEG_P | RH_SEG_S | RH_SEG_G | RH_TYPE_CODE | RH_TYPE_WRITABLE | RH_TYPE_ACCESSED |
                  (is_64 ? RH_SEG_L : RH_SEG_DB) | dpl << RH_SEG_DPL_SHIFT,
        .selector = selector,
    };
}

static RhX86Segment flat_data(uint16_t selector, unsigned dpl)
{
    return (RhX86Segment){
        .limit = UINT32_MAX,
        .access = RH_SEG_P | RH_SEG_S | RH_SEG_G | RH_SEG_DB | RH_TYPE_WRITABLE | RH_TYPE_ACCESSED |
                  dpl << RH_SEG_DPL_SHIFT,
        .selector = selector,
    };
}

static void enter(RhTcgCpu *cpu, RhX86Segment cs, RhX86Segment ss, uint64_t rip)
{
    cpu->seg[RH_CS] = cs;
    cpu->seg[RH_SS] = ss;
    cpu->rip = rip;
    rh_tcg_settle(cpu);
}

static bool is_amd(const RhTcgCpu *cpu)
{
    for (size_t i = 0; i < cpu->nr_cpuid; i++) {
        if (cpu->cpuid[i].leaf == 0) {
            return cpu->cpuid[i].ebx == AMD_EBX || cpu->cpuid[i].ebx == HYGON_EBX;
        }
    }
    return true;                /* without a model every feature is there */
}

static bool may_use(const RhTcgCpu *cpu)
{
    return (cpu->efer & RH_EFER_SCE) && cpu->is_protected && !cpu->is_v86 && (cpu->is_64 || is_amd(cpu));
}

bool rh_tcg_syscall(RhTcgCpu *cpu, uint64_t next_rip)
{
    uint16_t selector = (cpu->star >> 32) & 0xfffc;
    uint64_t clear = cpu->is_long ? cpu->sfmask | RH_RFLAGS_RF : RH_RFLAGS_IF | RH_RFLAGS_VM | RH_RFLAGS_RF;
    uint64_t rip = cpu->is_64 ? cpu->lstar : cpu->is_long ? cpu->cstar : (uint32_t)cpu->star;

    if (!may_use(cpu)) {
        return rh_tcg_ud(cpu);
    }
    cpu->gpr[RH_RCX] = next_rip;
    if (cpu->is_long) {
        cpu->gpr[RH_R11] = cpu->rflags & ~(uint64_t)RH_RFLAGS_RF;
    }
    cpu->rflags = (cpu->rflags & ~clear) | 2;
    enter(cpu, flat_code(selector, 0, cpu->is_long), flat_data(selector + 8, 0), rip);
    return true;
}

bool rh_tcg_sysret(RhTcgCpu *cpu, unsigned size)
{
    uint16_t selector = (uint16_t)(cpu->star >> 48) | 3;
    bool to_64 = size == 8 && cpu->is_long;
    uint64_t rip = to_64 ? cpu->gpr[RH_RCX] : (uint32_t)cpu->gpr[RH_RCX];

    if (!may_use(cpu)) {
        return rh_tcg_ud(cpu);
    }
    if (cpu->cpl || !rh_is_canonical(rip)) {
        return rh_tcg_gp0(cpu);
    }
    enter(cpu, flat_code(to_64 ? selector + 16 : selector, 3, to_64), flat_data(selector + 8, 3), rip);
    if (cpu->is_long) {
        rh_tcg_set_rflags(cpu, cpu->gpr[RH_R11] & SYSRET_FLAGS, SYSRET_FLAGS | RH_RFLAGS_RF | RH_RFLAGS_VM);
    } else {
        rh_tcg_set_rflags(cpu, RH_RFLAGS_IF, RH_RFLAGS_IF);
    }
    return true;
}

bool rh_tcg_sysenter(RhTcgCpu *cpu)
{
    uint16_t selector = cpu->sysenter_cs & 0xfffc;
    uint64_t mask = cpu->is_long ? UINT64_MAX : UINT32_MAX;

    if (!cpu->is_protected || !selector) {
        return rh_tcg_gp0(cpu);
    }
    cpu->rflags &= ~(uint64_t)(RH_RFLAGS_VM | RH_RFLAGS_IF | RH_RFLAGS_RF);
    cpu->gpr[RH_RSP] = cpu->sysenter_esp & mask;
    enter(cpu, flat_code(selector, 0, cpu->is_long), flat_data(selector + 8, 0), cpu->sysenter_eip & mask);
    return true;
}

bool rh_tcg_sysexit(RhTcgCpu *cpu, unsigned size)
{
    bool to_64 = size == 8;
    uint16_t selector = (uint16_t)((cpu->sysenter_cs & 0xfffc) + (to_64 ? 32 : 16)) | 3;
    uint64_t mask = to_64 ? UINT64_MAX : UINT32_MAX;
    uint64_t rip = cpu->gpr[RH_RDX] & mask;
    uint64_t rsp = cpu->gpr[RH_RCX] & mask;

    if (!cpu->is_protected || cpu->cpl || !(cpu->sysenter_cs & 0xfffc) || !rh_is_canonical(rip) ||
        !rh_is_canonical(rsp)) {
        return rh_tcg_gp0(cpu);
    }
    cpu->gpr[RH_RSP] = rsp;
    enter(cpu, flat_code(selector, 3, to_64), flat_data(selector + 8, 3), rip);
    return true;
}
