/*
 * See pages.h.
 */
#include "pages.h"

PAGED volatile uint64_t pdpt[512];
PAGED volatile uint64_t pd[512];
PAGED volatile uint64_t pt[512];
PAGED volatile char ram[4][4096];

void map(unsigned n, uint64_t rights)
{
    pt[n] = (ulong)ram[n] | rights;
    pd[0] = (ulong)pt | P | W | U;
    pdpt[0] = (ulong)pd | P | W | U;
    cpu_pml4[1] = (ulong)pdpt | P | W | U;
    flush();
}

void with_cr0(ulong bits, bool on)
{
    write_cr0(on ? read_cr0() | bits : read_cr0() & ~bits);
}

void with_cr4(ulong bits, bool on)
{
    write_cr4(on ? read_cr4() | bits : read_cr4() & ~bits);
}

void with_nxe(bool on)
{
    wrmsr(MSR_EFER, on ? rdmsr(MSR_EFER) | EFER_NXE : rdmsr(MSR_EFER) & ~(uint64_t)EFER_NXE);
}

void protect_kernel(bool on)
{
    volatile uint64_t *low = (volatile uint64_t *)(cpu_pdpt[0] & ~0xfffull);

    low[0] = on ? low[0] & ~U : low[0] | U;
    flush();
}
