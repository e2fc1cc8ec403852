/*
 * The machine of tcg-rig.h. It is its own device: regions take the Rig as their owner.
 */
#include "tcg-rig.h"

#define PTE_TABLE 7u            /* present, writable, user */
#define PTE_PS 0x80u

static uint64_t read_mmio(RhDevice *dev, uint64_t at, unsigned size)
{
    Rig *rig = (Rig *)dev;

    g_assert_cmpuint(rig->nr_log, <, RIG_LOG_SIZE);
    rig->log[rig->nr_log++] = (RigAccess){ false, size, at, rig->answer };
    return rig->answer;
}

static void write_mmio(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Rig *rig = (Rig *)dev;

    g_assert_cmpuint(rig->nr_log, <, RIG_LOG_SIZE);
    rig->log[rig->nr_log++] = (RigAccess){ true, size, at, value };
}

static const RhRegionOps mmio_ops = { .read = read_mmio, .write = write_mmio };

static RhRam *make_ram(Rig *rig, RhRegion *container, RhRegion *region, const char *name, uint64_t at, uint64_t size, bool is_rom)
{
    g_autoptr(GError) err = NULL;
    RhRam *ram = rh_ram_new(name, size, NULL, &err);

    g_assert_no_error(err);
    rh_region_init_ram(region, rig->vm, name, ram, 0, size, is_rom);
    rh_region_add_over(container, at, region, 1);
    return ram;
}

Rig *rig_new(void)
{
    Rig *rig = g_new0(Rig, 1);
    g_autoptr(GError) err = NULL;
    RhRegion *root;

    rig->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    rh_lock(&rig->vm->lock);
    rh_map_begin(rig->vm);
    root = rh_space_root(rig->vm->memory);
    rig->ram = make_ram(rig, root, &rig->ram_region, "ram", 0, RIG_RAM_SIZE, false);
    rig->rom = make_ram(rig, root, &rig->rom_region, "rom", RIG_ROM, RIG_ROM_SIZE, true);
    rh_region_init_io(&rig->mmio, rig->vm, (RhDevice *)rig, "mmio", &mmio_ops, 4096);
    rh_region_add(root, RIG_MMIO, &rig->mmio);
    rh_map_end(rig->vm);
    rh_unlock(&rig->vm->lock);
    rig->x86.vcpu.vm = rig->vm;
    rig->x86.vcpu.thread = pthread_self();
    rig->cpu = rh_tcg_cpu_new(rig->vm, &rig->x86.vcpu, NULL);
    return rig;
}

void rig_add_smram(Rig *rig, uint64_t gpa, uint64_t size)
{
    RhVm *vm = rig->vm;

    rh_lock(&vm->lock);
    rh_map_begin(vm);
    rh_region_init_container(&rig->smm_root, vm, "smm", UINT64_MAX);
    rh_region_init_alias(&rig->smm_rest, vm, "rest", rh_space_root(vm->memory), 0, UINT64_MAX);
    rh_region_add(&rig->smm_root, 0, &rig->smm_rest);
    rig->smram = make_ram(rig, &rig->smm_root, &rig->smram_region, "smram", gpa, size, false);
    vm->smm_memory = rh_space_new(vm, "smm", &rig->smm_root);
    rh_map_end(vm);
    rh_unlock(&vm->lock);
}

void rig_free(Rig *rig)
{
    rh_tcg_cpu_free(rig->cpu);
    rh_lock(&rig->vm->lock);
    rh_space_free(g_steal_pointer(&rig->vm->smm_memory));
    rh_region_fini(&rig->smram_region);
    rh_region_fini(&rig->smm_rest);
    rh_region_fini(&rig->smm_root);
    rh_region_fini(&rig->mmio);
    rh_region_fini(&rig->rom_region);
    rh_region_fini(&rig->ram_region);
    rh_unlock(&rig->vm->lock);
    rh_ram_unref(rig->smram);
    rh_ram_unref(rig->rom);
    rh_ram_unref(rig->ram);
    rh_vm_free(rig->vm);
    g_free(rig);
}

/* --- memory --- */

void rig_poke(Rig *rig, uint64_t gpa, unsigned size, uint64_t value)
{
    g_assert(rh_range_ok(gpa, size, RIG_RAM_SIZE));
    rh_st(rig->ram->host + gpa, value, size);
}

uint64_t rig_peek(Rig *rig, uint64_t gpa, unsigned size)
{
    g_assert(rh_range_ok(gpa, size, RIG_RAM_SIZE));
    return rh_ld(rig->ram->host + gpa, size);
}

void rig_code(Rig *rig, const void *bytes, unsigned len)
{
    memcpy(rig->ram->host + RIG_CODE, bytes, len);
}

void rig_descriptor(Rig *rig, uint16_t selector, uint32_t base, uint32_t limit, uint32_t access)
{
    uint64_t shown = access & RH_SEG_G ? limit >> 12 : limit;

    rig_poke(rig, RIG_GDT + (selector & ~7u), 8,
             (shown & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(access & 0xf0ff) << 40 |
                 (shown >> 16 & 15) << 48 | (uint64_t)(base >> 24) << 56);
}

void rig_gate_at(Rig *rig, uint64_t gpa, unsigned type, unsigned dpl, uint16_t selector, uint64_t offset, bool is_long)
{
    rig_poke(rig, gpa, 8,
             (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)(0x80 | dpl << 5 | type) << 40 |
                 (offset >> 16 & 0xffff) << 48);
    if (is_long) {
        rig_poke(rig, gpa + 8, 8, offset >> 32);
    }
}

void rig_gate(Rig *rig, unsigned vector, unsigned type, unsigned dpl, uint16_t selector, uint64_t offset)
{
    bool is_long = rig->mode >= RIG_LONG;

    if (rig->mode == RIG_REAL) {
        rig_poke(rig, vector * 4, 4, (uint32_t)selector << 16 | (offset & 0xffff));
    } else {
        rig_gate_at(rig, RIG_IDT + vector * (is_long ? 16 : 8), type, dpl, selector, offset, is_long);
    }
}

/* --- page tables --- */

static unsigned entry_size(const Rig *rig)
{
    return rig->mode == RIG_PAGED ? 4 : 8;
}

static uint64_t new_table(Rig *rig)
{
    uint64_t table = rig->next_table;

    g_assert(table < RIG_PAGES);
    rig->next_table += RH_PAGE_SIZE;
    memset(rig->ram->host + table, 0, RH_PAGE_SIZE);
    return table;
}

/* The entry for @linear at the level whose pages have 2^@last bits; tables on the way there are made. */
static uint64_t find_entry(Rig *rig, uint64_t linear, unsigned last)
{
    unsigned bits = entry_size(rig) == 4 ? 10 : 9;
    unsigned shift = rig->mode == RIG_PAGED ? 22 : rig->mode == RIG_PAE ? 30 : 39;
    uint64_t table = rig->cpu->cr3 & ~UINT64_C(0xfff);

    for (;; shift -= bits) {
        uint64_t at = table + (linear >> shift & rh_bits(bits)) * entry_size(rig);

        if (shift <= last) {
            return at;
        }
        table = rig_peek(rig, at, entry_size(rig));
        if (!table) {
            table = new_table(rig);
            /* PAE's first level has no rights, and those bits are reserved. */
            rig_poke(rig, at, entry_size(rig), table | (rig->mode == RIG_PAE && shift == 30 ? 1 : PTE_TABLE));
        }
        table &= ~UINT64_C(0xfff);
    }
}

uint64_t rig_entry_at(Rig *rig, uint64_t linear, uint64_t size)
{
    return find_entry(rig, linear, (unsigned)g_bit_storage(size) - 1);
}

void rig_map(Rig *rig, uint64_t linear, uint64_t entry, uint64_t size)
{
    if (size > RH_PAGE_SIZE) {
        entry |= PTE_PS;
    }
    rig_poke(rig, rig_entry_at(rig, linear, size), entry_size(rig), entry);
    rh_tcg_reload_pdptrs(rig->cpu);
}

static void make_tables(Rig *rig)
{
    uint64_t size = rig->mode == RIG_PAGED ? 4 << 20 : 2 << 20;

    rig->next_table = RIG_TABLES;
    rig->cpu->cr3 = new_table(rig);
    for (uint64_t at = 0; at < RIG_RAM_SIZE; at += size) {
        rig_map(rig, at, at | PTE_TABLE, size);
    }
}

/* --- registers --- */

#define ACCESS(type, dpl, more) ((type) | RH_SEG_S | (uint32_t)(dpl) << RH_SEG_DPL_SHIFT | RH_SEG_P | (more))
#define FLAT_CODE(dpl) ACCESS(0xb, dpl, RH_SEG_DB | RH_SEG_G)
#define FLAT_DATA(dpl) ACCESS(0x3, dpl, RH_SEG_DB | RH_SEG_G)
#define LONG_CODE(dpl) ACCESS(0xb, dpl, RH_SEG_L | RH_SEG_G)

static void make_gdt(Rig *rig)
{
    bool is_long = rig->mode >= RIG_LONG;

    memset(rig->ram->host + RIG_GDT, 0, RIG_GDT_LIMIT + 1);
    rig_descriptor(rig, RIG_CODE64, 0, UINT32_MAX, LONG_CODE(0));
    rig_descriptor(rig, RIG_DATA, 0, UINT32_MAX, FLAT_DATA(0));
    rig_descriptor(rig, RIG_USER_CODE32, 0, UINT32_MAX, FLAT_CODE(3));
    rig_descriptor(rig, RIG_USER_DATA, 0, UINT32_MAX, FLAT_DATA(3));
    rig_descriptor(rig, RIG_USER_CODE64, 0, UINT32_MAX, LONG_CODE(3));
    rig_descriptor(rig, RIG_CODE32, 0, UINT32_MAX, FLAT_CODE(0));
    rig_descriptor(rig, RIG_TR, RIG_TSS, RIG_TSS_LIMIT, RH_SEG_P | 0xb);
    rig_descriptor(rig, RIG_LDTR, RIG_LDT, 0xfff, RH_SEG_P | 2);
    rig_descriptor(rig, RIG_CODE16, 0, 0xffff, ACCESS(0xb, 0, 0));
    rig_descriptor(rig, RIG_DATA16, 0, 0xffff, ACCESS(0x3, 0, 0));
    rig->cpu->gdt = (RhX86Table){ RIG_GDT, RIG_GDT_LIMIT };
    rig->cpu->seg[RH_TR] = (RhX86Segment){ RIG_TSS, RIG_TSS_LIMIT, RH_SEG_P | 0xb, RIG_TR };
    rig->cpu->seg[RH_LDTR] = (RhX86Segment){ RIG_LDT, 0xfff, RH_SEG_P | 2, RIG_LDTR };
    memset(rig->ram->host + RIG_IDT, 0, 0x1000);
    rig->cpu->idt = (RhX86Table){ RIG_IDT, is_long ? 0xfff : 0x7ff };
}

static void make_tss(Rig *rig)
{
    memset(rig->ram->host + RIG_TSS, 0, RIG_TSS_LIMIT + 1);
    rig_poke(rig, RIG_TSS + 4, 4, RIG_RING0_STACK);     /* also the low half of RSP0 */
    if (rig->mode < RIG_LONG) {
        rig_poke(rig, RIG_TSS + 8, 2, RIG_DATA);
    }
    rig_poke(rig, RIG_TSS + 102, 2, 0x68);
    memset(rig->ram->host + RIG_TSS + 0x68, 0xff, RIG_TSS_LIMIT + 1 - 0x68);
}

static void load_flat(Rig *rig, unsigned cpl)
{
    static const uint8_t data[] = { RH_ES, RH_SS, RH_DS, RH_FS, RH_GS };
    uint16_t code = cpl ? rig->mode == RIG_LONG ? RIG_USER_CODE64 : RIG_USER_CODE32
                        : rig->mode == RIG_LONG ? RIG_CODE64 : RIG_CODE32;
    RhTcgCpu *cpu = rig->cpu;

    cpu->seg[RH_CS] = (RhX86Segment){ 0, UINT32_MAX, rig->mode == RIG_LONG ? LONG_CODE(cpl) : FLAT_CODE(cpl),
                                      (uint16_t)(code | cpl) };
    for (unsigned i = 0; i < RH_COUNT(data); i++) {
        cpu->seg[data[i]] = (RhX86Segment){ 0, UINT32_MAX, FLAT_DATA(cpl),
                                            (uint16_t)((cpl ? RIG_USER_DATA : RIG_DATA) | cpl) };
    }
}

static void load_real(Rig *rig)
{
    static const uint8_t segs[] = { RH_ES, RH_CS, RH_SS, RH_DS, RH_FS, RH_GS };

    for (unsigned i = 0; i < RH_COUNT(segs); i++) {
        rig->cpu->seg[segs[i]] = (RhX86Segment){ 0, 0xffff, ACCESS(0x3, 0, 0), 0 };
    }
    rig->cpu->idt = (RhX86Table){ 0, 0x3ff };
}

void rig_enter(Rig *rig, RigMode mode, unsigned cpl)
{
    RhTcgCpu *cpu = rig->cpu;

    rh_tcg_from_state(cpu, &rh_x86_state_at_reset);
    rig->mode = mode;
    cpu->fault = (RhFault){ 0 };
    cpu->efer = mode >= RIG_LONG ? RH_EFER_LME | RH_EFER_LMA | RH_EFER_NXE | RH_EFER_SCE : 0;
    cpu->cr4 = mode >= RIG_PAE ? RH_CR4_PAE : mode == RIG_PAGED ? RH_CR4_PSE : 0;
    cpu->cr4 |= 0x600;          /* SSE */
    cpu->cr0 = 0x10 | (mode >= RIG_PROTECTED ? RH_CR0_PE | RH_CR0_WP : 0) | (mode >= RIG_PAGED ? RH_CR0_PG : 0);
    cpu->rip = RIG_CODE;
    cpu->gpr[RH_RSP] = mode == RIG_REAL ? 0xf000 : cpl ? RIG_USER_STACK : RIG_STACK;
    cpu->rflags = 2;
    if (mode == RIG_REAL) {
        load_real(rig);
    } else {
        make_gdt(rig);
        make_tss(rig);
        load_flat(rig, cpl);
    }
    if (mode >= RIG_PAGED) {
        make_tables(rig);
    }
    rh_tcg_settle(cpu);
    rh_tlb_flush(cpu, false);
}
