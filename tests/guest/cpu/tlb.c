/*
 * What has to leave the TLB, of data and of code, when and by what: INVLPG, MOV to CR3 and CR4, PCIDs, INVPCID.
 * Spec: SDM vol. 3 §4.10. What a TLB may keep, but need not, is not checked.
 */
#include "pages.h"

CODE(user_read, "movzbl (%rdi), %eax");
CODE(user_write, "movb $1, (%rdi)");

static void prepare_two(void)
{
    map(0, P | W | U);
    ram[0][0] = 0x10;
    ram[1][0] = 0x11;
}

static void point_to(unsigned n, uint64_t rights)
{
    pt[0] = (ulong)ram[n] | rights;
}

static void invalidation(void)
{
    prepare_two();
    check("map-first", read8(PAGE(0)), 0x10);
    point_to(1, P | W | U);
    invlpg(PAGE(0) + 123);
    check("invlpg", read8(PAGE(0)), 0x11);
    point_to(0, P | W | U);
    flush();
    check("mov-cr3", read8(PAGE(0)), 0x10);
    map(1, 0);
    TRAP(read8(PAGE(1)));
    pt[1] = (ulong)ram[1] | P;
    TRAP(check("absent-to-present-unflushed", read8(PAGE(1)), 0x11));
    check_trap("absent-to-present-unflushed", T_NONE, 0);
    map(0, P | U);
    USER(user_read, PAGE(0));
    USER(user_write, PAGE(0));
    check_fault("before-rights-grow", PF_P | PF_U | PF_W, PAGE(0));
    pt[0] |= W;
    USER(user_write, PAGE(0));
    check_trap("fault-drops-entry", T_NONE, 0);
    pd[1] = 0x200000 * ((ulong)ram[2] >> 21) | P | W | U | PS;
    flush();
    read8(BASE + 0x200000);
    read8(BASE + 0x3ff000);
    pd[1] = 0;
    invlpg(BASE + 0x234000);
    TRAP(read8(BASE + 0x3ff000));
    check_fault("invlpg-drops-large-page", 0, BASE + 0x3ff000);
    TRAP(__asm__ volatile("invlpg (%0)" ::"r"(1ul << 60)));
    check_trap("invlpg-not-canonical", T_NONE, 0);
}

static void global_pages(void)
{
    with_cr4(CR4_PGE, true);
    prepare_two();
    point_to(0, P | W | U | G);
    flush();
    check("global-first", read8(PAGE(0)), 0x10);
    point_to(1, P | W | U | G);
    invlpg(PAGE(0));
    check("global-invlpg", read8(PAGE(0)), 0x11);
    point_to(0, P | W | U | G);
    with_cr4(CR4_PGE, false);
    check("global-pge-off", read8(PAGE(0)), 0x10);
    point_to(1, P | W | U | G);
    flush();
    check("global-without-pge", read8(PAGE(0)), 0x11);
}

/* --- PCID */

static PAGED volatile uint64_t other_pml4[512];
static PAGED volatile uint64_t other_pdpt[512];
static PAGED volatile uint64_t other_pd[512];
static PAGED volatile uint64_t other_pt[512];

#define KEEP (1ul << 63)

static void load_space(volatile uint64_t *pml4, unsigned pcid, ulong keep)
{
    write_cr3((ulong)pml4 | pcid | keep);
}

static void invpcid(ulong type, uint64_t low, uint64_t address)
{
    struct {
        uint64_t low;
        uint64_t address;
    } descriptor = { low, address };

    __asm__ volatile("invpcid %1, %0" ::"r"(type), "m"(descriptor) : "memory");
}

static void prepare_spaces(void)
{
    prepare_two();
    map(2, P | W);
    ram[2][0] = 0x12;
    for (unsigned i = 0; i < 512; i++) {
        other_pml4[i] = cpu_pml4[i];
    }
    other_pt[0] = (ulong)ram[1] | P | W;
    other_pd[0] = (ulong)other_pt | P | W;
    other_pdpt[0] = (ulong)other_pd | P | W;
    other_pml4[1] = (ulong)other_pdpt | P | W;
}

static void pcid_switches(void)
{
    load_space(cpu_pml4, 1, 0);
    check("pcid-first", read8(PAGE(0)), 0x10);
    load_space(other_pml4, 2, 0);
    check("pcid-second", read8(PAGE(0)), 0x11);
    load_space(cpu_pml4, 1, KEEP);
    check("pcid-cr3", read_cr3(), (ulong)cpu_pml4 | 1);
    check("pcid-first-again", read8(PAGE(0)), 0x10);
    load_space(other_pml4, 2, KEEP);
    check("pcid-second-again", read8(PAGE(0)), 0x11);
    pt[0] = (ulong)ram[2] | P | W;
    load_space(cpu_pml4, 1, 0);
    check("pcid-mov-cr3-flushes-its-own", read8(PAGE(0)), 0x12);
    load_space(other_pml4, 2, KEEP);
    check("pcid-second-still", read8(PAGE(0)), 0x11);
    load_space(cpu_pml4, 1, KEEP);
    pt[0] = (ulong)ram[0] | P | W;
    invlpg(PAGE(0));
    check("pcid-invlpg", read8(PAGE(0)), 0x10);
}

static void pcid_invalidations(void)
{
    load_space(cpu_pml4, 1, KEEP);
    pt[0] = (ulong)ram[2] | P | W;
    invpcid(0, 1, PAGE(0));
    check("invpcid-address", read8(PAGE(0)), 0x12);
    load_space(other_pml4, 2, KEEP);
    pt[0] = (ulong)ram[0] | P | W;
    invpcid(1, 1, 0);
    load_space(cpu_pml4, 1, KEEP);
    check("invpcid-space", read8(PAGE(0)), 0x10);
    load_space(other_pml4, 2, KEEP);
    pt[0] = (ulong)ram[2] | P | W;
    invpcid(3, 0, 0);
    load_space(cpu_pml4, 1, KEEP);
    check("invpcid-all-but-global", read8(PAGE(0)), 0x12);
    pt[0] = (ulong)ram[0] | P | W;
    invpcid(2, 0, 0);
    check("invpcid-all", read8(PAGE(0)), 0x10);
    TRAP(invpcid(4, 0, 0));
    check_trap("invpcid-type-4", T_GP, 0);
    TRAP(invpcid(0, 1, 1ul << 60));
    check_trap("invpcid-not-canonical", T_GP, 0);
    TRAP(invpcid(1, 0x1000, 0));
    check_trap("invpcid-reserved", T_GP, 0);
}

static bool has_pcid(const char *name)
{
    bool has = cpuid(1, 2) & 1 << 17 && cpuid(7, 1) & 1 << 10;

    if (!has) {
        skip(name, "CPUID has no PCID or INVPCID");
    }
    return has;
}

static void pcid(void)
{
    if (!has_pcid("pcid")) {
        return;
    }
    prepare_spaces();
    TRAP(write_cr3((ulong)cpu_pml4 | KEEP));
    check_trap("pcid-off-bit-63", T_GP, 0);
    TRAP(invpcid(0, 1, 0));
    check_trap("pcid-off-invpcid-1", T_GP, 0);
    write_cr3((ulong)cpu_pml4 | 0x18);          /* PWT and PCD are not a PCID yet */
    TRAP(with_cr4(CR4_PCIDE, true));
    check_trap("pcid-on-with-low-bits", T_GP, 0);
    write_cr3((ulong)cpu_pml4);
    TRAP(with_cr4(CR4_PCIDE, true));
    check_trap("pcid-on", T_NONE, 0);
    pcid_switches();
    pcid_invalidations();
    load_space(cpu_pml4, 0, 0);
    with_cr4(CR4_PCIDE, false);
    check("pcid-off", read8(PAGE(0)), 0x10);
}

/* --- code */

#define UPPER   (~0ul << 39)            /* the same window in the half that kernels live in */
#define UP(n)   (UPPER + (n) * 4096ul)

/* At @at in ram[@n]: mov $value, %eax; ret. */
static void put_code(unsigned n, unsigned at, uint8_t value)
{
    const uint8_t code[] = { 0xb8, value, 0, 0, 0, 0xc3 };

    for (unsigned i = 0; i < sizeof(code); i++) {
        ram[n + (at + i) / 4096][(at + i) & 4095] = (char)code[i];
    }
}

static ulong run(ulong at)
{
    return call_with((void (*)(void))at, 0);
}

static void code_remapped(void)
{
    map(0, P | W | U);
    put_code(0, 0, 0x10);
    put_code(1, 0, 0x11);
    check("code", run(PAGE(0)), 0x10);
    point_to(1, P | W | U);
    invlpg(PAGE(0));
    check("code-invlpg", run(PAGE(0)), 0x11);
    point_to(0, P | W | U);
    flush();
    check("code-mov-cr3", run(PAGE(0)), 0x10);
    with_nxe(true);
    point_to(0, P | W | U | NX);
    invlpg(PAGE(0));
    TRAP(run(PAGE(0)));
    check_fault("code-loses-execution", PF_P | PF_I, PAGE(0));
    with_nxe(false);
    point_to(0, P | W | U);
    flush();
    USER(PAGE(0), 0);
    check("code-user", trap.ax, 0x10);
    point_to(0, P | W);
    invlpg(PAGE(0));
    USER(PAGE(0), 0);
    check_fault("code-loses-user", PF_P | PF_U, PAGE(0));
    check("code-keeps-ring-0", run(PAGE(0)), 0x10);
    pd[0] &= ~P;
    flush();
    TRAP(run(PAGE(0)));
    check_fault("code-loses-directory", 0, PAGE(0));
}

static void code_written(void)
{
    map(0, P | W | U);
    map(1, P | W | U);
    put_code(0, 0, 0x20);
    check("code-before-write", run(PAGE(0)), 0x20);
    write8(PAGE(0) + 1, 0x21);
    check("code-written", run(PAGE(0)), 0x21);
    pt[2] = (ulong)ram[0] | P | W;
    invlpg(PAGE(2));
    write8(PAGE(2) + 1, 0x22);
    check("code-written-by-alias", run(PAGE(0)), 0x22);
    put_code(0, 0, 0x23);
    check("code-written-by-another", run(PAGE(0)), 0x23);
    USER(PAGE(0), 0);
    check("code-written-seen-by-user", trap.ax, 0x23);
}

/* One instruction in two pages: the second half is remapped, written, taken away. */
static void code_across(void)
{
    map(0, P | W | U);
    map(1, P | W | U);
    map(2, P | W | U);
    put_code(0, 4095, 0x30);
    put_code(1, 4095, 0x31);            /* its second half is in ram[2] */
    check("across", run(PAGE(0) + 4095), 0x30);
    pt[1] = (ulong)ram[2] | P | W | U;
    invlpg(PAGE(1));
    check("across-second-remapped", run(PAGE(0) + 4095), 0x31);
    write8(PAGE(2), 0x32);
    check("across-second-written", run(PAGE(0) + 4095), 0x32);
    pt[1] = 0;
    invlpg(PAGE(1));
    TRAP(run(PAGE(0) + 4095));
    check_fault("across-second-absent", 0, PAGE(1));
    check("across-second-absent-rip", trap.ip, PAGE(0) + 4095);
    pt[1] = (ulong)ram[1] | P | W | U;
    check("across-again", run(PAGE(0) + 4095), 0x30);
}

/* From the end of ram[0] to the page behind it. */
static void put_jump(void)
{
    static const uint8_t code[] = { 0xe9, 16, 0, 0, 0 };        /* jmp to offset 16 of the next page, when it ends this one */

    for (unsigned i = 0; i < sizeof(code); i++) {
        ram[0][4091 + i] = (char)code[i];
    }
}

/* Global pages of the upper half, as kernels have them: code that jumps from one to the other. */
static void code_of_kernels(void)
{
    with_cr4(CR4_PGE, true);
    map(0, P | W | G);
    map(1, P | W | G);
    cpu_pml4[511] = cpu_pml4[1];
    flush();
    put_jump();
    put_code(1, 16, 0x41);
    put_code(2, 16, 0x42);
    for (unsigned i = 0; i < 3; i++) {
        run(UP(0) + 4091);
    }
    check("kernel-jump", run(UP(0) + 4091), 0x41);
    pt[1] = (ulong)ram[2] | P | W | G;
    invlpg(UP(1));
    check("kernel-jump-invlpg", run(UP(0) + 4091), 0x42);
    pt[1] = (ulong)ram[1] | P | W | G;
    with_cr4(CR4_PGE, false);
    with_cr4(CR4_PGE, true);
    check("kernel-jump-pge", run(UP(0) + 4091), 0x41);
    pt[1] = 0;
    invlpg(UP(1));
    TRAP(run(UP(0) + 4091));
    check_fault("kernel-jump-to-nothing", 0, UP(1) + 16);
    pt[1] = (ulong)ram[2] | P | W;
    check("kernel-jump-to-local", run(UP(0) + 4091), 0x42);
    pt[1] = (ulong)ram[1] | P | W;
    flush();
    check("kernel-jump-mov-cr3", run(UP(0) + 4091), 0x41);
    write8(UP(1) + 17, 0x43);
    check("kernel-jump-written", run(UP(0) + 4091), 0x43);
    with_cr4(CR4_PGE, false);
    cpu_pml4[511] = 0;
    flush();
}

/* The same address with other code in another space, going to and fro without a flush. */
static void code_of_spaces(void)
{
    prepare_spaces();
    put_code(0, 0, 0x51);
    put_code(1, 0, 0x52);
    with_cr4(CR4_PCIDE, true);
    for (unsigned i = 0; i < 4; i++) {
        load_space(cpu_pml4, 1, i ? KEEP : 0);
        check("space-1", run(PAGE(0)), 0x51);
        load_space(other_pml4, 2, i ? KEEP : 0);
        check("space-2", run(PAGE(0)), 0x52);
    }
    other_pt[0] = (ulong)ram[0] | P | W;
    invlpg(PAGE(0));
    check("space-2-invlpg", run(PAGE(0)), 0x51);
    load_space(cpu_pml4, 1, KEEP);
    point_to(1, P | W);
    invpcid(1, 1, 0);
    check("space-1-invpcid", run(PAGE(0)), 0x52);
    load_space(cpu_pml4, 0, 0);
    with_cr4(CR4_PCIDE, false);
}

static void code_with_pcid(void)
{
    if (has_pcid("code-with-pcid")) {
        code_of_spaces();
    }
}

/* Without PCIDs each MOV to CR3 changes the space. */
static void code_without_pcid(void)
{
    prepare_spaces();
    put_code(0, 0, 0x61);
    put_code(1, 0, 0x62);
    for (unsigned i = 0; i < 4; i++) {
        write_cr3((ulong)cpu_pml4);
        check("cr3-first", run(PAGE(0)), 0x61);
        write_cr3((ulong)other_pml4);
        check("cr3-second", run(PAGE(0)), 0x62);
    }
    write_cr3((ulong)cpu_pml4);
}

const CpuCase cpu_cases[] = {
    { "invalidation", invalidation, NULL },
    { "global-pages", global_pages, NULL },
    { "pcid", pcid, "the emulator has no INVPCID" },
    { "code-remapped", code_remapped, NULL },
    { "code-written", code_written, NULL },
    { "code-across", code_across, NULL },
    { "code-of-kernels", code_of_kernels, NULL },
    { "code-with-pcid", code_with_pcid, "the emulator has no INVPCID" },
    { "code-without-pcid", code_without_pcid, NULL },
    { NULL, NULL, NULL },
};
