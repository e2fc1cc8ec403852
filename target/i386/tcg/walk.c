/*
 * The walk through the guest's page tables: no paging, 32-bit (with 4 MiB pages and PSE-36), PAE, and four levels.
 *
 * Tables are guest memory and change under our feet: each entry is read once, judged as read, and its accessed and dirty
 * bits are set by compare-and-exchange against what was read; where that fails the walk begins anew.
 * The number of levels bounds the walk, whatever the tables hold.
 *
 * Spec: SDM vol. 3 §4.3 to §4.8. The vCPU's thread. No vector registers: see docs/engine.md.
 */
#include "target/i386/tcg/walk.h"
#include "target/i386/tcg/system.h"

#define PTE_P  0x001u
#define PTE_W  0x002u
#define PTE_U  0x004u
#define PTE_A  0x020u
#define PTE_D  0x040u
#define PTE_PS 0x080u
#define PTE_G  0x100u
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)
#define PTE_IGNORED UINT64_C(0x7ff0000000000000)    /* with four levels; reserved under PAE */

/* Error code of #PF, SDM vol. 3 §4.7 */
#define ERROR_P    0x01u
#define ERROR_W    0x02u
#define ERROR_U    0x04u
#define ERROR_RSVD 0x08u
#define ERROR_I    0x10u

enum { MAX_LEVELS = 4 };


typedef struct Entry {
    uint64_t gpa;
    uint64_t value;
} Entry;

typedef struct Walker {
    RhTcgCpu *cpu;
    uint64_t at;
    unsigned entry_size;        /* 4, 8 */
    unsigned index_bits;        /* 10, 9 */
    unsigned shift;             /* of the level that entries[nr - 1] is of */
    unsigned nr;
    Entry entries[MAX_LEVELS];
    uint64_t rights;            /* PTE_W, PTE_U where every level has them, PTE_NX where one does */
    uint32_t error;             /* of a fault: P and RSVD */
} Walker;

static bool is_pae(const RhTcgCpu *cpu)
{
    return cpu->cr4 & RH_CR4_PAE;
}

static bool has_large(const Walker *walker, uint64_t entry)
{
    const RhTcgCpu *cpu = walker->cpu;

    if (!(entry & PTE_PS) || walker->shift < 21 || walker->shift > 30) {
        return false;
    }
    return walker->entry_size == 8 || (cpu->cr4 & RH_CR4_PSE);
}

/* SDM vol. 3 §4.4.2 and table 4-5: bits 13 to 20 of a 4 MiB entry are bits 32 to 39 of the address. */
static uint64_t reserved_32(const Walker *walker, bool is_large)
{
    uint64_t missing = ~walker->cpu->physical_mask >> 32 & 0xff;

    return is_large ? 1u << 21 | missing << 13 : 0;
}

static uint64_t reserved_64(const Walker *walker, bool is_large)
{
    const RhTcgCpu *cpu = walker->cpu;
    uint64_t reserved = ~cpu->physical_mask & PTE_ADDRESS;

    if (!cpu->is_long) {
        reserved |= PTE_IGNORED;
    }
    if (!(cpu->efer & RH_EFER_NXE)) {
        reserved |= PTE_NX;
    }
    if (walker->shift == 39 || (walker->shift == 30 && !cpu->has_1g_pages)) {
        reserved |= PTE_PS;
    }
    if (is_large) {
        reserved |= rh_bits(walker->shift) & ~UINT64_C(0x1fff);
    }
    return reserved;
}

static bool is_reserved(const Walker *walker, uint64_t entry, bool is_large)
{
    return entry & (walker->entry_size == 4 ? reserved_32(walker, is_large) : reserved_64(walker, is_large));
}

/* Take up one entry; *@ret_is_leaf: it maps the page. */
static bool step(Walker *walker, uint64_t table, bool *ret_is_leaf)
{
    uint64_t index = walker->at >> walker->shift & rh_bits(walker->index_bits);
    Entry *entry = &walker->entries[walker->nr++];
    bool is_large;

    entry->gpa = table + index * walker->entry_size;
    entry->value = rh_tcg_phys_load(walker->cpu, entry->gpa, walker->entry_size);
    if (!(entry->value & PTE_P)) {
        walker->error = 0;
        return false;
    }
    is_large = has_large(walker, entry->value);
    if (is_reserved(walker, entry->value, is_large)) {
        walker->error = ERROR_P | ERROR_RSVD;
        return false;
    }
    walker->rights &= entry->value | PTE_NX;
    walker->rights |= walker->entry_size == 8 ? entry->value & PTE_NX : 0;
    *ret_is_leaf = is_large || walker->shift == RH_PAGE_BITS;
    return true;
}

/* Where the walk begins; false: a page-directory-pointer-table entry of PAE is not present. */
static bool begin(Walker *walker, uint64_t *ret_table)
{
    const RhTcgCpu *cpu = walker->cpu;

    walker->nr = 0;
    walker->error = 0;
    walker->rights = PTE_W | PTE_U;
    walker->entry_size = is_pae(cpu) ? 8 : 4;
    walker->index_bits = is_pae(cpu) ? 9 : 10;
    if (cpu->is_long) {
        walker->shift = 39;
        *ret_table = cpu->cr3 & PTE_ADDRESS & cpu->physical_mask;
        return true;
    }
    if (is_pae(cpu)) {
        uint64_t pdpte = cpu->pdptr[walker->at >> 30 & 3];

        walker->shift = 21;
        *ret_table = pdpte & PTE_ADDRESS & cpu->physical_mask;
        return pdpte & PTE_P;
    }
    walker->shift = 22;
    *ret_table = cpu->cr3 & 0xfffff000u;
    return true;
}

static bool descend(Walker *walker)
{
    bool is_leaf = false;
    uint64_t table;

    if (!begin(walker, &table)) {
        return false;
    }
    while (step(walker, table, &is_leaf)) {
        if (is_leaf) {
            return true;
        }
        table = walker->entries[walker->nr - 1].value & PTE_ADDRESS;
        walker->shift -= walker->index_bits;
    }
    return false;
}

/* SDM vol. 3 §4.6.1 */
static bool is_allowed(const Walker *walker, RhTlbMode mode, RhAccess access)
{
    const RhTcgCpu *cpu = walker->cpu;
    bool is_user_page = walker->rights & PTE_U;

    if (mode == RH_TLB_USER && !is_user_page) {
        return false;
    }
    if (access == RH_ACCESS_FETCH) {
        return !(walker->rights & PTE_NX) &&
               (mode == RH_TLB_USER || !is_user_page || !(cpu->cr4 & RH_CR4_SMEP));
    }
    if (mode == RH_TLB_KERNEL && is_user_page && (cpu->cr4 & RH_CR4_SMAP)) {
        return false;
    }
    return access == RH_ACCESS_READ || (walker->rights & PTE_W) ||
           (mode != RH_TLB_USER && !(cpu->cr0 & RH_CR0_WP));
}

static bool exchange(const Walker *walker, uint8_t *host, uint64_t was, uint64_t now)
{
    if (walker->entry_size == 4) {
        uint32_t expected = (uint32_t)was;

        return __atomic_compare_exchange_n((uint32_t *)host, &expected, (uint32_t)now, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    return __atomic_compare_exchange_n((uint64_t *)host, &was, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Set @bits in the table; false: it is not any more what was read. */
static bool mark_entry(const Walker *walker, Entry *entry, uint64_t bits)
{
    RhTcgCpu *cpu = walker->cpu;
    uint64_t now = entry->value | bits;
    bool is_writable;
    uint8_t *host;

    if (now == entry->value) {
        return true;
    }
    host = rh_tcg_ram(cpu, entry->gpa, &is_writable);
    if (!host) {
        rh_tcg_phys_store(cpu, entry->gpa, walker->entry_size, now);
    } else if (is_writable) {
        if (rh_tcg_page_has_code(cpu, entry->gpa & ~(uint64_t)(RH_PAGE_SIZE - 1))) {
            rh_tcg_code_written(cpu, entry->gpa & ~(uint64_t)(RH_PAGE_SIZE - 1));
        }
        if (!exchange(walker, host + (entry->gpa & (RH_PAGE_SIZE - 1)), entry->value, now)) {
            return false;
        }
    }
    entry->value = now;
    return true;
}

static bool mark(Walker *walker, RhAccess access)
{
    for (unsigned i = 0; i < walker->nr; i++) {
        bool is_leaf = i == walker->nr - 1;

        if (!mark_entry(walker, &walker->entries[i],
                        is_leaf && access == RH_ACCESS_WRITE ? PTE_A | PTE_D : PTE_A)) {
            return false;
        }
    }
    return true;
}

static void fill_result(const Walker *walker, RhTlbMode mode, RhWalk *ret)
{
    const RhTcgCpu *cpu = walker->cpu;
    uint64_t leaf = walker->entries[walker->nr - 1].value;
    uint64_t base = leaf & PTE_ADDRESS;

    ret->size = UINT64_C(1) << walker->shift;
    if (walker->entry_size == 4 && walker->shift == 22) {
        base = (leaf & 0xffc00000u) | (leaf >> 13 & 0xff) << 32;
    }
    base &= ~(ret->size - 1);
    ret->gpa = base | (walker->at & (ret->size - 1) & ~(uint64_t)(RH_PAGE_SIZE - 1));
    ret->is_global = (leaf & PTE_G) && (cpu->cr4 & RH_CR4_PGE);
    ret->may_write_now = (leaf & PTE_D) && is_allowed(walker, mode, RH_ACCESS_WRITE);
}

static void fill_unpaged(uint64_t at, RhWalk *ret)
{
    *ret = (RhWalk){ .gpa = at & ~(uint64_t)(RH_PAGE_SIZE - 1), .size = RH_PAGE_SIZE, .may_write_now = true };
}

static bool raise_page_fault(const Walker *walker, RhTlbMode mode, RhAccess access)
{
    RhTcgCpu *cpu = walker->cpu;
    uint32_t error = walker->error;

    error |= access == RH_ACCESS_WRITE ? ERROR_W : 0;
    error |= mode == RH_TLB_USER ? ERROR_U : 0;
    if (access == RH_ACCESS_FETCH &&
        ((cpu->cr4 & RH_CR4_SMEP) || (is_pae(cpu) && (cpu->efer & RH_EFER_NXE)))) {
        error |= ERROR_I;
    }
    cpu->fault = (RhFault){ .vector = RH_EXC_PF, .has_error = true, .error = error, .cr2 = walker->at };
    return false;
}

bool rh_walk(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, RhAccess access, RhWalk *ret)
{
    Walker walker = { .cpu = cpu, .at = cpu->is_long ? at : (uint32_t)at };

    if (!(cpu->cr0 & RH_CR0_PG)) {
        fill_unpaged(walker.at, ret);
        return true;
    }
    if (cpu->is_long && !rh_is_canonical(at)) {
        return rh_tcg_gp0(cpu);
    }
    do {
        if (!descend(&walker)) {
            return raise_page_fault(&walker, mode, access);
        }
        if (!is_allowed(&walker, mode, access)) {
            walker.error = ERROR_P;
            return raise_page_fault(&walker, mode, access);
        }
    } while (!mark(&walker, access));
    fill_result(&walker, mode, ret);
    return true;
}

bool rh_walk_debug(RhTcgCpu *cpu, uint64_t at, RhWalk *ret)
{
    Walker walker = { .cpu = cpu, .at = cpu->is_long ? at : (uint32_t)at };

    if (!(cpu->cr0 & RH_CR0_PG)) {
        fill_unpaged(walker.at, ret);
        return true;
    }
    if ((cpu->is_long && !rh_is_canonical(at)) || !descend(&walker)) {
        return false;
    }
    fill_result(&walker, RH_TLB_KERNEL, ret);
    return true;
}
