/*
 * Which physical pages have translated code: none, as long as nothing is translated.
 */
#include "target/i386/tcg/cpu.h"

bool rh_tcg_page_has_code(RhTcgCpu *cpu, uint64_t gpa)
{
    return false;
}

void rh_tcg_code_written(RhTcgCpu *cpu, uint64_t gpa_of_page)
{
}

void rh_tcg_forget_jumps(RhTcgCpu *cpu)
{
}
