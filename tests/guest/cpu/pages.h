/*
 * Page tables of the 64-bit programs about paging: a window of 2 MiB at BASE in pages of 4 KiB, and what is switched on for a case.
 */
#ifndef RH_TESTS_GUEST_PAGES_H
#define RH_TESTS_GUEST_PAGES_H

#include "cpu.h"

#define P  1ull
#define W  2ull
#define U  4ull
#define A  0x20ull
#define D  0x40ull
#define PS 0x80ull
#define G  0x100ull
#define NX (1ull << 63)

#define BASE (1ul << 39)        /* what the second entry of the PML4 maps */
#define PAGE(n) (BASE + (n) * 4096ul)
#define PAGED __attribute__((aligned(4096)))

extern PAGED volatile uint64_t pdpt[512];
extern PAGED volatile uint64_t pd[512];
extern PAGED volatile uint64_t pt[512];
extern PAGED volatile char ram[4][4096];

/** map - page @n of the window: ram[@n] with @rights; the levels above allow everything */
void map(unsigned n, uint64_t rights);
void with_cr0(ulong bits, bool on);
void with_cr4(ulong bits, bool on);
void with_nxe(bool on);
/** protect_kernel - our own code and data for ring 0 alone, as SMEP and SMAP want it, or for all */
void protect_kernel(bool on);

#endif
