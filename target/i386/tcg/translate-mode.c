/*
 * The mode that the code of a block depends on: looked at between blocks, so built without vector registers.
 */
#include "target/i386/tcg/translate.h"

#define CR4_TSD 0x4u
#define CR0_EM 0x4u
#define CR0_TS 0x8u
#define CR0_AM 0x40000u
#define DR7_ENABLED 0xffu

enum { MODE_64 = 1, MODE_X87 = 2, MODE_SSE = 4, MODE_AVX = 8, MODE_TLB_SHIFT = 4, MODE_RDTSC = 64, MODE_SMM = 128 };

bool rh_has_x87(const RhTcgCpu *cpu)
{
    return !(cpu->cr0 & (CR0_EM | CR0_TS));
}

bool rh_may_rdtsc(const RhTcgCpu *cpu)
{
    return !cpu->cpl || !(cpu->cr4 & CR4_TSD);
}

uint32_t rh_block_mode(const RhTcgCpu *cpu)
{
    return (cpu->code_size == RH_CODE_64 ? MODE_64 : 0) | (rh_has_x87(cpu) ? MODE_X87 : 0) | (cpu->has_sse ? MODE_SSE : 0) |
           (cpu->has_avx ? MODE_AVX : 0) | (rh_may_rdtsc(cpu) ? MODE_RDTSC : 0) | (cpu->is_in_smm ? MODE_SMM : 0) |
           (uint32_t)cpu->tlb_mode << MODE_TLB_SHIFT;
}

bool rh_can_translate(const RhTcgCpu *cpu)
{
    bool has_known_size = cpu->code_size == RH_CODE_64 || (cpu->code_size == RH_CODE_32 && cpu->stack_size == 4);
    bool is_checking_alignment = cpu->cpl == 3 && (cpu->rflags & RH_RFLAGS_AC) && (cpu->cr0 & CR0_AM);

    return cpu->is_protected && !cpu->is_v86 && (cpu->cpl == 0 || cpu->cpl == 3) && cpu->is_flat && has_known_size && !is_checking_alignment &&
           !(cpu->rflags & (RH_RFLAGS_TF | RH_RFLAGS_RF)) && !(cpu->dr7 & DR7_ENABLED);   /* RF ends with an instruction */
}
