/*
 * What the generators of single instructions and of sequences share.
 */
#ifndef RH_TESTS_TCG_GENERATE_H
#define RH_TESTS_TCG_GENERATE_H

#include "tests/tcg/native.h"

/** rh_native_below - a random number below @limit */
unsigned rh_native_below(uint64_t *seed, unsigned limit);
/** rh_native_one_in - true once in @n times */
bool rh_native_one_in(uint64_t *seed, unsigned n);
/** rh_native_code_random - an instruction of any template of @code_size; its bytes are in ret->bytes */
void rh_native_code_random(RhCodeSize code_size, uint64_t *seed, RhInsn *ret);
/** rh_native_cut - of registers leave what code of that size has */
void rh_native_cut(RhNativeState *state);

#endif
