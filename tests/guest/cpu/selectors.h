/*
 * Selectors of the test programs' GDT (cpu.c), for C and assembler. Their order is the one that SYSCALL (STAR 0x08, 0x18) and
 * SYSENTER (IA32_SYSENTER_CS 0x08) demand.
 */
#ifndef RH_TESTS_GUEST_SELECTORS_H
#define RH_TESTS_GUEST_SELECTORS_H

#define KCODE      0x08 /* ring 0, 64-bit in 64-bit programs */
#define KDATA      0x10
#define UCODE32    0x1b /* ring 3, 32-bit in both */
#define UDATA      0x23
#define UCODE      0x2b /* ring 3, 64-bit in 64-bit programs */
#define KCODE32    0x38 /* ring 0, 32-bit in both */
#define CONFORMING 0x40 /* ring 0, conforming; else as KCODE */
#define TSS        0x48 /* takes two entries in 64-bit programs */
#define FREE       0x58 /* from here to the end a program puts what it needs, by cpu_descriptor() */
#define GDT_SIZE   0x200

#endif
