/*
 * Makers of RhWidths tables from a mnemonic: the host's CPU computes result and flags.
 *
 * %[d] is the first value and the result, %[b] and %[c] the others.
 */
#ifndef RH_TARGET_I386_TCG_INTERP_COMPUTE_H
#define RH_TARGET_I386_TCG_INTERP_COMPUTE_H

#include "target/i386/tcg/interp.h"

#define RH_COMPUTE(name, T, text, where_b, where_c)                                                     \
    static uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)                           \
    {                                                                                                   \
        T d = (T)a;                                                                                     \
        uint32_t ax = *flags;                                                                           \
                                                                                                        \
        __asm__(RH_FLAGS_LOAD text RH_FLAGS_SAVE                                                        \
                : [d] "+&r"(d), "+&a"(ax) : [b] where_b((T)b), [c] where_c((T)c) : "cc");               \
        *flags = ax;                                                                                    \
        return d;                                                                                       \
    }
#define RH_COMPUTE_3(name, text, where_b, where_c)                                                      \
    RH_COMPUTE(name##_2, uint16_t, text, where_b, where_c)                                              \
    RH_COMPUTE(name##_4, uint32_t, text, where_b, where_c)                                              \
    RH_COMPUTE(name##_8, uint64_t, text, where_b, where_c)

/** RH_ON_ALL - table @name: "op %[b], %[d]" and the like on all four widths */
#define RH_ON_ALL(name, text, where_b)                                                                  \
    RH_COMPUTE(name##_1, uint8_t, text, where_b, "r")                                                   \
    RH_COMPUTE_3(name, text, where_b, "r")                                                              \
    RhWidths name = { name##_1, name##_2, name##_4, name##_8 };

/** RH_ON_WORDS - the same where there is no byte form */
#define RH_ON_WORDS(name, text, where_c)                                                                \
    RH_COMPUTE_3(name, text, "r", where_c)                                                              \
    RhWidths name = { NULL, name##_2, name##_4, name##_8 };

/** RH_ON_LONG - the same where there are only 4 and 8 bytes */
#define RH_ON_LONG(name, text)                                                                          \
    RH_COMPUTE(name##_4, uint32_t, text, "r", "r")                                                      \
    RH_COMPUTE(name##_8, uint64_t, text, "r", "r")                                                      \
    RhWidths name = { NULL, NULL, name##_4, name##_8 };

#endif
