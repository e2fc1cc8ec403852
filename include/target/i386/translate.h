/*
 * Linear to physical addresses, by the page tables that a vCPU uses; for monitors, not for running code.
 * Spec: Intel SDM vol. 3A §4.3 to §4.5.
 */
#ifndef RH_TARGET_I386_TRANSLATE_H
#define RH_TARGET_I386_TRANSLATE_H

#include "softmmu/space.h"
#include "target/i386/state.h"

/**
 * rh_x86_translate - where @linear lies in @memory for a vCPU with registers @state; rights are not looked at
 * False when no page is mapped there.
 */
bool rh_x86_translate(RhSpace *memory, const RhX86State *state, uint64_t linear, uint64_t *ret_gpa);

/** rh_x86_read_linear - bytes as the vCPU whose registers are @state sees them; false when a page is missing */
bool rh_x86_read_linear(RhSpace *memory, const RhX86State *state, uint64_t linear, void *buf, size_t len);

#endif
