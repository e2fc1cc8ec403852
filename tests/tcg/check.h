/*
 * What the tests of both stages do with cases of native.h.
 */
#ifndef RH_TESTS_TCG_CHECK_H
#define RH_TESTS_TCG_CHECK_H

#include "tests/tcg/native.h"

enum { RH_CHECK_SHOWN = 20 };

/** rh_check_environment - the number in environment variable @name, or @otherwise */
uint64_t rh_check_environment(const char *name, uint64_t otherwise);
/** rh_check_case - run and compare, show what differs; returns whether anything did. What needs an IDT or another CPU is left out. */
bool rh_check_case(const RhNativeCase *at, RhNativeRun run);
/** rh_check_systematic - @rounds of every template; rh_check_random - @nr cases; both stop after RH_CHECK_SHOWN differences, and fail */
void rh_check_systematic(RhCodeSize code_size, unsigned rounds, RhNativeRun run);
void rh_check_random(RhCodeSize code_size, uint64_t nr, RhNativeRun run);
/** rh_check_strings - the same with @nr string instructions at edges */
void rh_check_strings(RhCodeSize code_size, uint64_t nr, RhNativeRun run);

#endif
