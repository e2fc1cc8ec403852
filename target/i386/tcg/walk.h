/*
 * The walk through the guest's page tables. Only mmu.c calls it.
 */
#ifndef RH_TARGET_I386_TCG_WALK_H
#define RH_TARGET_I386_TCG_WALK_H

#include "target/i386/tcg/cpu.h"

/** RhWalk - what the tables say of one page of 4 KiB, maybe a piece of a larger one */
typedef struct RhWalk {
    uint64_t gpa;               /* of the piece */
    uint64_t size;              /* of the page that it belongs to */
    bool is_global;
    bool may_write_now;         /* rights for it, and the dirty bit is set */
} RhWalk;

/** rh_walk - translate @at for an access of that kind, setting accessed and dirty bits; or raise #PF, #GP(0) */
bool rh_walk(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, RhAccess access, RhWalk *ret);
/** rh_walk_debug - the same without rights, and without any effect; false: nothing there */
bool rh_walk_debug(RhTcgCpu *cpu, uint64_t at, RhWalk *ret);

/** rh_tcg_ram - the host memory of the physical page that holds @gpa, or NULL (mmu.c) */
uint8_t *rh_tcg_ram(RhTcgCpu *cpu, uint64_t gpa, bool *ret_is_writable);

#endif
