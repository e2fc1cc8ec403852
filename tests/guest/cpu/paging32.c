/*
 * Paging of 32-bit protected mode: two levels with pages of 4 KiB and 4 MiB, and PAE with its PDPTE registers.
 * Spec: SDM vol. 3 §4.3, §4.4.
 */
#include "cpu.h"

#define P  1u
#define W  2u
#define U  4u
#define A  0x20u
#define D  0x40u
#define PS 0x80u

#define BASE 0x40000000u        /* entry 256 of the directory; with PAE the second PDPTE's */
#define PAGED __attribute__((aligned(4096)))
#define NO_LEGACY "this KVM has paging in long mode only (#GP at the MOV to CR0)"

static PAGED volatile uint32_t directory[1024];
static PAGED volatile uint32_t table[1024];
static PAGED volatile uint64_t pae_directory[4][512];
static PAGED volatile uint64_t pae_table[512];
static PAGED volatile uint64_t pdpte[4];
static PAGED volatile char ram[2][4096];

CODE(user_read, "mov 4(%esp), %ecx; movzbl (%ecx), %eax");
CODE(user_write, "mov 4(%esp), %ecx; movb $1, (%ecx)");
CODE(user_jump, "mov 4(%esp), %ecx; jmp *%ecx");

static void call(ulong code)
{
    ((void (*)(void))code)();
}

/* Four megabytes one to one for us, and a table with one page at BASE. */
static void two_levels(uint32_t rights)
{
    static PAGED volatile uint32_t low[1024];

    for (unsigned i = 0; i < 1024; i++) {
        low[i] = i << 12 | P | W | U;
    }
    directory[0] = (ulong)low | P | W | U;
    directory[BASE >> 22] = (ulong)table | P | W | U;
    table[0] = (ulong)ram[0] | rights;
    table[1] = 0;
    write_cr3((ulong)directory);
    write_cr0(read_cr0() | CR0_PG);
}

static void paging_off(void)
{
    write_cr0(read_cr0() & ~(ulong)(CR0_PG | CR0_WP));
}

static void small_pages(void)
{
    two_levels(P);
    TRAP(read8(BASE + 4096));
    check_fault("absent-read", 0, BASE + 4096);
    TRAP(write8(BASE + 4096, 1));
    check_fault("absent-write", PF_W, BASE + 4096);
    TRAP(read8(BASE + 0x400000));
    check_fault("absent-table", 0, BASE + 0x400000);
    TRAP(write8(BASE + 1, 0x21));
    check("wp-off-written", ram[0][1], 0x21);
    table[0] &= ~D;
    flush();
    write_cr0(read_cr0() | CR0_WP);
    TRAP(write8(BASE + 1, 0x22));
    check_fault("wp-on-write", PF_P | PF_W, BASE + 1);
    check("wp-on-not-dirty", table[0] & D, 0);
    table[0] = (ulong)ram[0] | P | W;
    flush();
    TRAP(read8(BASE));
    check("read-accessed", table[0] & (A | D), A);
    TRAP(write8(BASE + 1, 0x23));
    check("write-dirty", table[0] & (A | D), A | D);
    check("directory-accessed", directory[BASE >> 22] & A, A);
    check("written", ram[0][1], 0x23);
    TRAP(*(volatile uint32_t *)(BASE + 4094) = 1);
    check_fault("across-second-absent", PF_W, BASE + 4096);
    paging_off();
}

static void user_rights(void)
{
    two_levels(P | W);
    USER(user_read, BASE);
    check_fault("supervisor-user-read", PF_P | PF_U, BASE);
    USER(user_write, BASE + 4096);
    check_fault("absent-user-write", PF_U | PF_W, BASE + 4096);
    USER(user_jump, BASE);
    check_fault("supervisor-user-fetch", PF_P | PF_U, BASE);
    table[0] = (ulong)ram[0] | P | U;
    flush();
    ram[0][7] = 0x77;
    USER(user_read, BASE + 7);
    check("user-read", trap.ax, 0x77);
    USER(user_write, BASE);
    check_fault("read-only-user-write", PF_P | PF_U | PF_W, BASE);
    paging_off();
}

/* The error code has I only with PAE, or with SMEP. */
static void no_execute_disable(void)
{
    bool has_nx = cpuid(0x80000001, 3) & 1 << 20;

    two_levels(P);
    if (has_nx) {
        wrmsr(MSR_EFER, EFER_NXE);
    }
    TRAP(call(BASE + 4096));
    check_fault("fetch-absent-without-pae", 0, BASE + 4096);
    if (has_nx) {
        wrmsr(MSR_EFER, 0);
    }
    paging_off();
}

static void large_pages(void)
{
    ulong target = (ulong)ram[1];

    two_levels(P | W);
    directory[BASE >> 22] = (target & ~0x3ffffful) | P | W | PS;
    write_cr4(read_cr4() | CR4_PSE);
    flush();
    ram[1][3] = 0x44;
    TRAP(check("4m-read", read8(BASE + (target & 0x3fffff) + 3), 0x44));
    check("4m-accessed", directory[BASE >> 22] & (A | D), A);
    TRAP(write8(BASE + (target & 0x3fffff) + 3, 0x45));
    check("4m-written", ram[1][3], 0x45);
    check("4m-dirty", directory[BASE >> 22] & (A | D), A | D);
    directory[BASE >> 22] |= 1 << 21;
    flush();
    TRAP(read8(BASE));
    check_fault("4m-reserved", PF_P | PF_RSVD, BASE);
    /* Without PSE bit 7 says nothing, and the entry points at a table. */
    write_cr4(read_cr4() & ~(ulong)CR4_PSE);
    directory[BASE >> 22] = (ulong)table | P | W | PS;
    flush();
    ram[0][3] = 0x46;
    TRAP(check("pse-off-ps-ignored", read8(BASE + 3), 0x46));
    paging_off();
}

static void pae_tables(void)
{
    pae_directory[0][0] = 0 | P | W | U | PS;
    pae_directory[0][1] = 0x200000 | P | W | U | PS;
    pae_directory[1][0] = (ulong)pae_table | P | W | U;
    pae_table[0] = (ulong)ram[0] | P | W | U;
    for (unsigned i = 0; i < 4; i++) {
        pdpte[i] = (ulong)pae_directory[i] | P;
    }
}

static void pae_on(void)
{
    pae_tables();
    write_cr4(read_cr4() | CR4_PAE);
    write_cr3((ulong)pdpte);
    write_cr0(read_cr0() | CR0_PG);
}

static void pae_off(void)
{
    paging_off();
    write_cr4(read_cr4() & ~(ulong)CR4_PAE);
}

static void pae_pages(void)
{
    pae_on();
    ram[0][3] = 0x51;
    TRAP(check("pae-read", read8(BASE + 3), 0x51));
    TRAP(write8(BASE + 4096, 1));
    check_fault("pae-absent", PF_W, BASE + 4096);
    pae_table[0] |= 1ull << 51;
    flush();
    TRAP(read8(BASE));
    check_fault("pae-reserved", PF_P | PF_RSVD, BASE);
    pae_table[0] = (ulong)ram[0] | P | W | U | 1ull << 63;
    flush();
    TRAP(read8(BASE));
    check_fault("pae-nx-reserved", PF_P | PF_RSVD, BASE);
    wrmsr(MSR_EFER, EFER_NXE);
    TRAP(read8(BASE));
    check_trap("pae-nx-read", T_NONE, 0);
    TRAP(call(BASE));
    check_fault("pae-nx-fetch", PF_P | PF_I, BASE);
    TRAP(call(BASE + 4096));
    check_fault("pae-fetch-absent", PF_I, BASE + 4096);
    wrmsr(MSR_EFER, 0);
    pae_directory[1][0] = ((ulong)ram[1] & ~0x1ffffful) | P | W | PS;
    flush();
    ram[1][5] = 0x52;
    TRAP(check("pae-2m-read", read8(BASE + ((ulong)ram[1] & 0x1fffff) + 5), 0x52));
    pae_off();
}

/* The four PDPTEs are in registers: only MOV to CR3 (or to CR0 and CR4, §4.4.1) loads them. */
static void pdptes(void)
{
    pae_on();
    ram[0][3] = 0x53;
    pdpte[1] = 0;
    invlpg(BASE);
    TRAP(check("pdpte-is-in-a-register", read8(BASE + 3), 0x53));
    check_trap("pdpte-is-in-a-register", T_NONE, 0);
    flush();
    TRAP(read8(BASE));
    check_fault("pdpte-absent", 0, BASE);
    pdpte[1] = (ulong)pae_directory[1] | P;
    TRAP(read8(BASE));
    check_fault("pdpte-not-reloaded", 0, BASE);
    flush();
    TRAP(check("pdpte-reloaded", read8(BASE + 3), 0x53));
    pdpte[1] |= W;
    TRAP(flush());
    check_trap("pdpte-reserved-rw", T_GP, 0);
    TRAP(check("pdpte-kept-when-refused", read8(BASE + 3), 0x53));
    pdpte[1] = (ulong)pae_directory[1] | P | 1ull << 63;
    TRAP(flush());
    check_trap("pdpte-reserved-high", T_GP, 0);
    pdpte[1] = 2;
    TRAP(flush());
    check_trap("pdpte-reserved-but-absent", T_NONE, 0);
    pae_off();
}

static void modes(void)
{
    TRAP(write_cr0((read_cr0() | CR0_PG) & ~1ul));
    check_trap("pg-without-pe", T_GP, 0);
    pae_tables();
    pdpte[0] |= W;
    write_cr4(read_cr4() | CR4_PAE);
    write_cr3((ulong)pdpte);
    TRAP(write_cr0(read_cr0() | CR0_PG));
    check_trap("pg-with-bad-pdpte", T_GP, 0);
    check("pg-with-bad-pdpte-cr0", read_cr0() & CR0_PG, 0);
    wrmsr(MSR_EFER, 0x100);
    write_cr4(read_cr4() & ~(ulong)CR4_PAE);
    TRAP(write_cr0(read_cr0() | CR0_PG));
    check_trap("long-mode-without-pae", T_GP, 0);
    wrmsr(MSR_EFER, 0);
}

const CpuCase cpu_cases[] = {
    { "small-pages", small_pages, NO_LEGACY },
    { "user-rights", user_rights, NO_LEGACY },
    { "no-execute-disable", no_execute_disable, NO_LEGACY },
    { "large-pages", large_pages, NO_LEGACY },
    { "pae-pages", pae_pages, NO_LEGACY },
    { "pdptes", pdptes, NO_LEGACY },
    { "modes", modes, NULL },
    { NULL, NULL, NULL },
};
