/*
 * Task switches: not there yet, so every TSS is refused.
 */
#include "target/i386/tcg/system.h"

bool rh_task_switch(RhTcgCpu *cpu, uint16_t selector, RhTaskCause cause, uint64_t next_rip, uint32_t ext)
{
    return rh_raise_selector(cpu, RH_EXC_TS, selector, ext);
}
