/*
 * Page tables and control registers of any kind: the engine's walk ends, stays in the guest's memory, and comes to the same
 * result as a second one that is written for clarity alone.
 *
 * The input begins with a header; page tables are made from all of it, most of them such that they point at each other.
 */
#include "../unit/tcg-rig.h"

#include "target/i386/tcg/mmu-inline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NR_TABLES = 16, TABLES_SIZE = NR_TABLES * RH_PAGE_SIZE, HEADER = 16, NR_ACCESSES = 12 };

typedef struct Outcome {
    bool is_fine, is_gp;
    uint32_t error;
    uint64_t gpa;
} Outcome;

/* --- the second walk --- */

static bool bit(uint64_t value, unsigned nr)
{
    return value >> nr & 1;
}

static uint64_t read_entry(Rig *rig, uint64_t gpa, unsigned size)
{
    if (gpa < RIG_RAM_SIZE) {
        return rig_peek(rig, gpa, size);
    }
    if (gpa >= RIG_MMIO && gpa < RIG_MMIO + 4096) {
        return rig->answer & rh_bits(size * 8);
    }
    return gpa >= RIG_ROM && gpa < RIG_ROM + RIG_ROM_SIZE ? 0 : rh_bits(size * 8);
}

static bool has_reserved(const RhTcgCpu *cpu, RigMode mode, uint64_t entry, unsigned shift, bool is_large)
{
    unsigned width = (unsigned)__builtin_popcountll(cpu->physical_mask);
    unsigned last_address = mode == RIG_PAE ? 62 : 51;

    if (mode == RIG_PAGED) {
        for (unsigned i = 13; is_large && i <= 21; i++) {
            if (bit(entry, i) && i + 19 >= MIN(width, 40)) {
                return true;
            }
        }
        return false;
    }
    for (unsigned i = width; i <= last_address; i++) {
        if (bit(entry, i)) {
            return true;
        }
    }
    for (unsigned i = 13; is_large && i < shift; i++) {
        if (bit(entry, i)) {
            return true;
        }
    }
    if (bit(entry, 63) && !(cpu->efer & RH_EFER_NXE)) {
        return true;
    }
    return bit(entry, 7) && (shift == 39 || (shift == 30 && !cpu->has_1g_pages));
}

static uint64_t page_of(RigMode mode, uint64_t entry, uint64_t at, unsigned shift)
{
    uint64_t base = entry & UINT64_C(0xffffffffff000);

    if (mode == RIG_PAGED && shift == 22) {
        base = (entry & 0xffc00000) | (entry & 0x1fe000) << 19;
    }
    return (base >> shift << shift) + (at & rh_bits(shift));
}

static Outcome expect(Rig *rig, RigMode mode, RhTlbMode view, uint64_t at, RhAccess access)
{
    static const struct {
        unsigned top, bits, size;
    } kinds[] = { [RIG_PAGED] = { 22, 10, 4 }, [RIG_PAE] = { 21, 9, 8 }, [RIG_LONG] = { 39, 9, 8 } };
    const RhTcgCpu *cpu = rig->cpu;
    bool is_user = view == RH_TLB_USER;
    bool may_write = true, is_user_page = true, is_nx = false;
    uint64_t table = mode == RIG_LONG ? cpu->cr3 & cpu->physical_mask & ~UINT64_C(0xfff) : cpu->cr3 & 0xfffff000;
    uint32_t error = (access == RH_ACCESS_WRITE) << 1 | is_user << 2;

    if (access == RH_ACCESS_FETCH && ((cpu->cr4 & RH_CR4_SMEP) || (mode >= RIG_PAE && (cpu->efer & RH_EFER_NXE)))) {
        error |= 16;
    }
    if (mode == RIG_LONG) {
        if (at >> 47 != 0 && at >> 47 != 0x1ffff) {
            return (Outcome){ .is_gp = true };
        }
    } else {
        at = (uint32_t)at;
        if (mode == RIG_PROTECTED) {
            return (Outcome){ .is_fine = true, .gpa = at };
        }
    }
    if (mode == RIG_PAE) {
        uint64_t pdpte = cpu->pdptr[at >> 30];

        if (!bit(pdpte, 0)) {
            return (Outcome){ .error = error };
        }
        table = pdpte & cpu->physical_mask & UINT64_C(0xffffffffff000);
    }
    for (unsigned shift = kinds[mode].top;; shift -= kinds[mode].bits) {
        uint64_t index = at >> shift & rh_bits(kinds[mode].bits);
        uint64_t entry = read_entry(rig, table + index * kinds[mode].size, kinds[mode].size);
        bool is_large = bit(entry, 7) && shift >= 21 && shift <= 30 && (mode != RIG_PAGED || (cpu->cr4 & RH_CR4_PSE));

        if (!bit(entry, 0)) {
            return (Outcome){ .error = error };
        }
        if (has_reserved(cpu, mode, entry, shift, is_large)) {
            return (Outcome){ .error = error | 9 };
        }
        may_write &= bit(entry, 1);
        is_user_page &= bit(entry, 2);
        is_nx |= mode != RIG_PAGED && bit(entry, 63);
        if (!is_large && shift != 12) {
            table = entry & UINT64_C(0xffffffffff000);
            continue;
        }
        bool is_refused = is_user ? !is_user_page
                          : access == RH_ACCESS_FETCH
                              ? is_user_page && (cpu->cr4 & RH_CR4_SMEP)
                              : is_user_page && (cpu->cr4 & RH_CR4_SMAP) && view == RH_TLB_KERNEL;
        is_refused |= access == RH_ACCESS_FETCH && is_nx;
        is_refused |= access == RH_ACCESS_WRITE && !may_write && (is_user || (cpu->cr0 & RH_CR0_WP));
        if (is_refused) {
            return (Outcome){ .error = error | 1 };
        }
        return (Outcome){ .is_fine = true, .gpa = page_of(mode, entry, at, shift) };
    }
}

/* --- the machine --- */

static void fill_tables(Rig *rig, const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < TABLES_SIZE / 8; i++) {
        uint64_t raw = rh_ld64(data + i * 11 % (size - 7)) ^ (uint64_t)i << 12;

        /* Into the tables, and with few reserved bits: or no walk would come far. */
        if (raw >> 20 & 15) {
            uint64_t odd = raw >> 52 & 15 ? 0 : raw & UINT64_C(0x80007f0000000000);
            uint64_t flags = raw >> 48 & 3 ? raw & 0x17f : raw & 0x1ff;

            raw = odd | flags | (flags & 0x80 ? 0 : raw & 0xf000) | ((raw >> 56 & 15) != 0);
        }
        rig_poke(rig, i * 8, 8, raw);
    }
}

static void set_up(Rig *rig, RigMode mode, const uint8_t *header)
{
    RhTcgCpu *cpu = rig->cpu;
    uint8_t bits = header[1];

    cpu->cr0 = RH_CR0_PE | (mode == RIG_PROTECTED ? 0 : RH_CR0_PG) | (bits & 1 ? RH_CR0_WP : 0);
    cpu->cr4 = (bits & 2 ? RH_CR4_SMEP : 0) | (bits & 4 ? RH_CR4_SMAP : 0) | (bits & 8 ? RH_CR4_PSE : 0) |
               (bits & 16 ? RH_CR4_PGE : 0) | (mode >= RIG_PAE ? RH_CR4_PAE : 0);
    cpu->efer = (bits & 32 ? RH_EFER_NXE : 0) | (mode == RIG_LONG ? RH_EFER_LME | RH_EFER_LMA : 0);
    cpu->has_1g_pages = bits & 64;
    cpu->physical_mask = rh_bits(36 + header[2] % 17);
    cpu->cr3 = rh_ld16(header + 3) % NR_TABLES * RH_PAGE_SIZE;
    for (unsigned i = 0; i < 4; i++) {
        cpu->pdptr[i] = (header[6 + i] % NR_TABLES) * RH_PAGE_SIZE | (header[6 + i] != 0);
    }
    rig->answer = rh_ld64(header + 5);
    rig->nr_log = 0;
    rh_tcg_settle(cpu);
    rh_tlb_flush(cpu, false);
}

static void check_access(Rig *rig, RigMode mode, RhTlbMode view, uint64_t at, RhAccess access)
{
    RhTcgCpu *cpu = rig->cpu;
    Outcome outcome = expect(rig, mode, view, at, access);
    bool is_fine;
    void *host;

    rh_tlb_flush(cpu, false);
    rig->nr_log = 0;
    is_fine = rh_tcg_host(cpu, view, at, 1, access, &host);
    g_assert_cmpint(is_fine, ==, outcome.is_fine);
    if (!is_fine) {
        g_assert_cmpuint(cpu->fault.vector, ==, outcome.is_gp ? RH_EXC_GP : RH_EXC_PF);
        g_assert_cmphex(cpu->fault.error, ==, outcome.error);
        return;
    }
    if (outcome.gpa < RIG_RAM_SIZE) {
        g_assert_true((uint8_t *)host == rig->ram->host + outcome.gpa);
    } else if (outcome.gpa < RIG_ROM || outcome.gpa >= RIG_ROM + RIG_ROM_SIZE) {
        g_assert_null(host);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const RigMode modes[] = { RIG_PROTECTED, RIG_PAGED, RIG_PAE, RIG_LONG };
    static Rig *rig;
    RigMode mode;

    if (size < HEADER + 16) {
        return 0;
    }
    if (!rig) {
        rh_thread_init_main();
        rig = rig_new();
    }
    mode = modes[data[0] % RH_COUNT(modes)];
    set_up(rig, mode, data);
    fill_tables(rig, data, size);
    for (unsigned i = 0; i < NR_ACCESSES; i++) {
        uint64_t at = rh_ld64(data + HEADER + i * 7 % (size - HEADER - 7));
        uint8_t buf[64];

        if (i % 4) {
            at = (uint64_t)((int64_t)(at << 16) >> 16);
        }
        check_access(rig, mode, (RhTlbMode)(data[i] % RH_NR_TLB_MODES), at, (RhAccess)(data[i + 1] % 3));
        rig->nr_log = 0;
        rh_tcg_load_bytes(rig->cpu, RH_TLB_USER, at, buf, 1 + data[i] % sizeof(buf));
        rh_tcg_translate_debug(rig->cpu, at);
    }
    return 0;
}
