/*
 * Any code, in any mode, by the interpreter and by the translator: both come to the same end, or go on without one.
 * The machine has RAM and nothing else; exceptions and HLT end a run.
 */
#ifndef RH_TESTS_TCG_STAGES_H
#define RH_TESTS_TCG_STAGES_H

#include "tcg-jit-rig.h"

enum { STAGES_HEADER = 96, STAGES_CODE_MAX = 2048 };

typedef struct Stages Stages;
Stages *stages_new(void);
void stages_free(Stages *stages);
/**
 * stages_check - run @size bytes at @data: a header of STAGES_HEADER bytes, that mode and registers are made from, then code
 * Returns NULL, or what differs: g_free. Where the outcome depends on time or chance, or there is no end, that nothing breaks is all that
 * is checked.
 */
char *stages_check(Stages *stages, const uint8_t *data, size_t size);

#endif
