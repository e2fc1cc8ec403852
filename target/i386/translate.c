/*
 * Walking page tables from outside. Nothing is written: no accessed or dirty bits.
 */
#include "target/i386/translate.h"

#define PRESENT     0x1u
#define LARGE       0x80u
#define CR4_PSE     0x10u
#define ADDRESS     UINT64_C(0x000ffffffffff000)
#define PAGE_SIZE   UINT64_C(4096)

/* One kind of paging: each level takes @bits of the address, the last ones the page's offset. */
typedef struct Paging {
    unsigned levels;
    unsigned bits;
    unsigned entry_size;
    unsigned large_levels;      /* from how many levels above the last on an entry may be a page: 0, 1 or 2 */
    uint64_t root;
} Paging;

static Paging paging_of(const RhX86State *state)
{
    if (state->efer & RH_EFER_LMA) {
        return (Paging){ state->cr4 & RH_CR4_LA57 ? 5 : 4, 9, 8, 2, state->cr3 & ADDRESS };
    }
    if (state->cr4 & RH_CR4_PAE) {
        return (Paging){ 3, 9, 8, 1, state->cr3 & 0xffffffe0u };
    }
    return (Paging){ 2, 10, 4, state->cr4 & CR4_PSE ? 1 : 0, state->cr3 & 0xfffff000u };
}

static bool read_entry(RhSpace *memory, uint64_t at, unsigned size, uint64_t *ret)
{
    uint8_t bytes[8];

    if (rh_space_read(memory, at, bytes, size) != RH_MEM_OK) {
        return false;
    }
    *ret = rh_ld(bytes, size);
    return true;
}

/* PSE-36, §4.3 table 4-4: bits 20:13 of a 4 MiB entry are bits 39:32 of the address. */
static uint64_t page_base(const Paging *paging, uint64_t entry, uint64_t size)
{
    if (paging->entry_size == 4 && size > PAGE_SIZE) {
        return (entry & 0xffc00000u) | (entry & 0x1fe000u) << 19;
    }
    return entry & ADDRESS & ~(size - 1);
}

bool rh_x86_translate(RhSpace *memory, const RhX86State *state, uint64_t linear, uint64_t *ret_gpa)
{
    Paging paging = paging_of(state);
    uint64_t table = paging.root;

    if (!(state->cr0 & RH_CR0_PG)) {
        *ret_gpa = linear;
        return true;
    }
    if (!(state->efer & RH_EFER_LMA)) {
        linear &= UINT32_MAX;
    }
    for (unsigned level = paging.levels; level-- > 0;) {
        uint64_t size = PAGE_SIZE << (level * paging.bits);
        uint64_t index = linear / size & rh_bits(paging.bits);
        uint64_t entry;

        if (!read_entry(memory, table + index * paging.entry_size, paging.entry_size, &entry) || !(entry & PRESENT)) {
            return false;
        }
        if (level == 0 || ((entry & LARGE) && level <= paging.large_levels)) {
            *ret_gpa = page_base(&paging, entry, size) | (linear & (size - 1));
            return true;
        }
        table = entry & ADDRESS;
    }
    return false;
}

bool rh_x86_read_linear(RhSpace *memory, const RhX86State *state, uint64_t linear, void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        uint64_t at = linear + done;
        size_t step = MIN(len - done, (size_t)(PAGE_SIZE - at % PAGE_SIZE));
        uint64_t gpa;

        if (!rh_x86_translate(memory, state, at, &gpa) ||
            rh_space_read(memory, gpa, (uint8_t *)buf + done, step) != RH_MEM_OK) {
            return false;
        }
        done += step;
    }
    return true;
}
