/*
 * 16-bit code of the tests of real and virtual-8086 mode: code16.S holds the snippets, which run at segment CODE16_SEGMENT after
 * code16_install(). They leave what they find in results[], at a place below 64 KiB.
 */
#ifndef RH_TESTS_GUEST_CODE16_H
#define RH_TESTS_GUEST_CODE16_H

#define CODE16_SEGMENT 0x0800
#define CODE16_BASE    0x8000
#define RESULTS        0x7000
#define STACK16        0x6ff0
#define REAL_CODE      0x58     /* selectors of the way to real mode */
#define REAL_DATA      0x60

#ifndef __ASSEMBLER__
#include "cpu.h"

/** low - memory at @at, which may be 0: the compiler must not know that */
static inline volatile void *low(ulong at)
{
    __asm__("" : "+r"(at));
    return (volatile void *)at;
}

#define low8(at)  (*(volatile uint8_t *)low(at))
#define low16(at) (*(volatile uint16_t *)low(at))
#define low32(at) (*(volatile uint32_t *)low(at))
#define results   ((volatile uint32_t *)low(RESULTS))
/** OFFSET16 - of a snippet in its segment */
#define OFFSET16(name) ((ulong)(name) - (ulong)code16)

extern char code16[];
extern char code16_end[];

static inline void code16_install(void)
{
    for (ulong i = 0; i < (ulong)(code16_end - code16); i++) {
        low8(CODE16_BASE + i) = (uint8_t)code16[i];
    }
    for (unsigned i = 0; i < 32; i++) {
        results[i] = 0;
    }
}

/** v86_enter - to @offset in virtual-8086 mode, with all segments 0 but CS; there is no way back but an exception */
void v86_enter(ulong offset, ulong flags);

/** v86_run - @snippet in virtual-8086 mode until its first exception; trap.ip is its linear address in this program */
static inline void v86_run(char *snippet, ulong flags)
{
    TRAP(v86_enter(OFFSET16(snippet), flags | F_VM | 2));
    trap.ip += (ulong)code16;
}

/** real_run - call the snippet at @offset in real mode, with all segments 0 but CS, and come back */
void real_run(ulong offset);
#endif

#endif
