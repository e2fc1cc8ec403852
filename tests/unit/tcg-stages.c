/* See the header. */
#include "tcg-stages.h"

enum {
    LOW_SIZE = 0x40000, TABLES_SIZE = 0x20000,      /* all the memory there is: from 0, and from RIG_TABLES */
    MEMORY = LOW_SIZE + TABLES_SIZE,
    PTE_ACCESSED_DIRTY = 0x60, MXCSR_MASKS = 0x1f80, MXCSR_FLAGS = 0x3f,
    LONG_TICKS = 1000, CHANCES = 10, MAX_STEPS = 3000, MAX_ROUNDS = 3000, ENDLESS_ROUNDS = 5,
};

typedef enum Mode { REAL, PROTECTED, PAGED, PAE, LONG, COMPAT, PROTECTED_16, V86, LONG_USER, PROTECTED_USER, PAGED_USER,
                    COMPAT_USER, NR_MODES } Mode;

typedef struct Outcome {
    uint64_t gpr[RH_NR_GPR], rip, rflags, cr[5], dr6, dr7, efer, msrs[8];
    RhX86Segment seg[RH_NR_SEG];
    RhTcgVector vector;
    bool is_halted, is_shut_down;
    uint8_t memory[MEMORY];
} Outcome;

struct Stages {
    Rig *rig;
    RhRegion low, tables;
    uint8_t pattern[MEMORY];
    Outcome first, second;
    pthread_t watchdog;
    gint is_over, is_endless, nr_runs;
};

/*
 * Translated code that goes on and on is left now and then: by its own looks at attention. Others are left alone, unless they
 * take far too long: a string instruction that overwrites itself comes to another end when it is interrupted.
 */
static void *watch(void *opaque)
{
    Stages *stages = opaque;
    gint run = 0;
    unsigned nr_ticks = 0;

    while (!g_atomic_int_get(&stages->is_over)) {
        g_usleep(1000);
        nr_ticks = run == g_atomic_int_get(&stages->nr_runs) ? nr_ticks + 1 : 0;
        run = g_atomic_int_get(&stages->nr_runs);
        if (g_atomic_int_get(&stages->is_endless) || nr_ticks > LONG_TICKS) {
            __atomic_store_n(&stages->rig->cpu->attention, 1, __ATOMIC_SEQ_CST);
        }
    }
    return NULL;
}

Stages *stages_new(void)
{
    Stages *stages = g_new0(Stages, 1);
    Rig *rig = jit_rig_new(16 << 20);
    RhRegion *root = rh_space_root(rig->vm->memory);

    stages->rig = rig;
    RH_WITH_LOCK(&rig->vm->lock) {
        rh_map_begin(rig->vm);
        rh_region_remove(&rig->ram_region);
        rh_region_remove(&rig->rom_region);
        rh_region_remove(&rig->mmio);
        rh_region_init_ram(&stages->low, rig->vm, "low", rig->ram, 0, LOW_SIZE, false);
        rh_region_init_ram(&stages->tables, rig->vm, "tables", rig->ram, RIG_TABLES, TABLES_SIZE, false);
        rh_region_add(root, 0, &stages->low);
        rh_region_add(root, RIG_TABLES, &stages->tables);
        rh_map_end(rig->vm);
    }
    for (unsigned i = 0; i < MEMORY; i++) {
        stages->pattern[i] = (uint8_t)(i * 37 ^ i >> 7);
    }
    stages->watchdog = rh_thread_start("watchdog", watch, stages);
    return stages;
}

void stages_free(Stages *stages)
{
    Rig *rig = stages->rig;

    g_atomic_int_set(&stages->is_over, 1);
    pthread_join(stages->watchdog, NULL);
    RH_WITH_LOCK(&rig->vm->lock) {
        rh_region_remove(&stages->low);
        rh_region_remove(&stages->tables);
        rh_region_fini(&stages->low);
        rh_region_fini(&stages->tables);
    }
    jit_rig_free(rig);
    g_free(stages);
}

/* --- what a run starts from --- */

static const struct {
    RigMode mode;
    unsigned cpl;
} kinds[NR_MODES] = {
    [REAL] = { RIG_REAL, 0 }, [PROTECTED] = { RIG_PROTECTED, 0 }, [PAGED] = { RIG_PAGED, 0 }, [PAE] = { RIG_PAE, 0 },
    [LONG] = { RIG_LONG, 0 }, [COMPAT] = { RIG_COMPAT, 0 }, [PROTECTED_16] = { RIG_PROTECTED, 0 }, [V86] = { RIG_PAGED, 3 },
    [LONG_USER] = { RIG_LONG, 3 }, [PROTECTED_USER] = { RIG_PROTECTED, 3 }, [PAGED_USER] = { RIG_PAGED, 3 },
    [COMPAT_USER] = { RIG_COMPAT, 3 },
};

static void make_segments(RhTcgCpu *cpu, Mode mode)
{
    for (unsigned i = 0; i < RH_LDTR && mode == PROTECTED_16; i++) {
        uint32_t type = i == RH_CS ? 0xb : 0x3;

        cpu->seg[i] = (RhX86Segment){ 0, 0xffff, type | RH_SEG_S | RH_SEG_P, i == RH_CS ? RIG_CODE16 : RIG_DATA16 };
    }
    for (unsigned i = 0; i < RH_LDTR && mode == V86; i++) {
        cpu->seg[i] = (RhX86Segment){ 0, 0xffff, 0x3 | RH_SEG_S | RH_SEG_P | 3u << RH_SEG_DPL_SHIFT, 0 };
    }
}

static void make_control(RhTcgCpu *cpu, Mode mode, const uint8_t *header)
{
    static const uint32_t cr4_bits[] = { 0x1, 0x2, 0x4, 0x8, 0x80, 0x100, 0x200, 0x400, 0x800, 0x10000, 0x40000, 0x100000, 0x200000 };
    static const uint32_t rflags_bits[] = { 0x100, 0x200, 0x400, 0x1000, 0x2000, 0x4000, 0x10000, 0x40000, 0x200000 };
    uint16_t cr4 = rh_ld16(header + 1), rflags = rh_ld16(header + 3);
    uint8_t cr0 = header[5];

    cpu->cr4 |= 0x40600;        /* what is rarely off stays on, but for one header in eight */
    if ((header[6] & 7) == 0) {
        cpu->cr4 &= ~UINT64_C(0x40600);
        for (unsigned i = 0; i < RH_COUNT(cr4_bits); i++) {
            cpu->cr4 |= cr4 >> i & 1 ? cr4_bits[i] : 0;
        }
        cpu->cr0 ^= (cr0 & 1 ? 0x2 : 0) | (cr0 & 2 ? 0x4 : 0) | (cr0 & 4 ? 0x8 : 0) | (cr0 & 8 ? 0x20 : 0) |
                    (cr0 & 16 ? 0x40000 : 0) | (cr0 & 32 && mode != REAL ? 0x10000 : 0);
    }
    cpu->rflags |= rh_ld16(header + 8) & RH_FLAGS_STATUS;
    for (unsigned i = 0; i < RH_COUNT(rflags_bits); i++) {
        cpu->rflags |= rflags >> i & 1 && (header[6] & 0x38) == 0 ? rflags_bits[i] : 0;
    }
    cpu->rflags |= mode == V86 ? RH_RFLAGS_VM : 0;
    cpu->xcr0 = header[7] & 7 ? 7 : 3;
}

/* Mostly addresses of memory that is there, the code and the stack among it */
static void make_registers(RhTcgCpu *cpu, const uint8_t *header)
{
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        uint64_t value = rh_ld32(header + 12 + i * 4);

        if (i != RH_RSP || (value & 0xf) == 0) {
            cpu->gpr[i] = value & 3 ? value >> 2 & (LOW_SIZE - 1) : (uint64_t)((int64_t)(value << 33) >> (value >> 2 & 31));
        }
    }
    for (unsigned i = 0; i < sizeof(cpu->vector.xmm); i++) {
        ((uint8_t *)cpu->vector.xmm)[i] = header[i % 61 + 12];
        ((uint8_t *)cpu->vector.ymm_high)[i] = header[i % 53 + 12];
    }
    if ((header[10] & 7) == 0) {
        cpu->vector.mxcsr = (uint32_t)header[11] << 7 | 0x40;
        cpu->vector.fcw = 0x340 | (header[11] & 0x3f);
    }
    cpu->vector.xstate_bv = 7;
}

static void set_up(Stages *stages, const uint8_t *data, size_t size)
{
    Rig *rig = stages->rig;
    RhTcgCpu *cpu = rig->cpu;
    Mode mode = (Mode)(data[0] % NR_MODES);

    memcpy(rig->ram->host, stages->pattern, LOW_SIZE);
    memcpy(rig->ram->host + RIG_TABLES, stages->pattern + LOW_SIZE, TABLES_SIZE);
    cpu->is_vector_live = false;
    rig_enter(rig, kinds[mode].mode, kinds[mode].cpl);
    rh_jit_drop_all(cpu->jit);
    g_atomic_int_inc(&stages->nr_runs);
    /* Near the end of a page, so that instructions lie in two; and where kernels lie */
    cpu->rip += data[10] & 0x40 ? RH_PAGE_SIZE - 40 : 0;
    memcpy(rig->ram->host + cpu->rip, data + STAGES_HEADER, MIN(size - STAGES_HEADER, (size_t)STAGES_CODE_MAX));
    make_segments(cpu, mode);
    make_control(cpu, mode, data);
    make_registers(cpu, data);
    jit_rig_halt_on_exceptions(rig);
    if (mode == LONG && (data[7] & 0x10)) {
        cpu->rip += JIT_RIG_HIGH;
        cpu->gpr[RH_RSP] += JIT_RIG_HIGH;
    }
    cpu->attention = 0;
    cpu->requests = 0;
}

/* --- running --- */

static void settle(RhTcgCpu *cpu)
{
    __atomic_store_n(&cpu->attention, 0, __ATOMIC_SEQ_CST);
    if (!rh_tcg_check_traps(cpu)) {
        rh_tcg_deliver_fault(cpu);
    }
}

static bool interpret(RhTcgCpu *cpu)
{
    for (unsigned i = 0; i < MAX_STEPS && !cpu->is_halted && !cpu->is_shut_down; i++) {
        if (__atomic_load_n(&cpu->attention, __ATOMIC_RELAXED)) {
            settle(cpu);
        }
        if (!rh_tcg_step(cpu)) {
            rh_tcg_deliver_fault(cpu);
        }
    }
    return cpu->is_halted || cpu->is_shut_down;
}

static bool translate(RhTcgCpu *cpu, unsigned max_rounds)
{
    for (unsigned i = 0; i < max_rounds && !cpu->is_halted && !cpu->is_shut_down; i++) {
        settle(cpu);
        rh_jit_run(cpu);
    }
    return cpu->is_halted || cpu->is_shut_down;
}

static void record(Stages *stages, Outcome *ret)
{
    const RhTcgCpu *cpu = stages->rig->cpu;
    memset(ret, 0, offsetof(Outcome, memory));
    memcpy(ret->gpr, cpu->gpr, sizeof(ret->gpr));
    memcpy(ret->seg, cpu->seg, sizeof(ret->seg));
    ret->rip = cpu->rip;
    ret->rflags = cpu->rflags;
    memcpy(ret->cr, (uint64_t[]){ cpu->cr0, cpu->cr2, cpu->cr3, cpu->cr4, cpu->cr8 }, sizeof(ret->cr));
    memcpy(ret->msrs, (uint64_t[]){ cpu->star, cpu->lstar, cpu->cstar, cpu->sfmask, cpu->kernel_gs_base, cpu->sysenter_cs,
                                    cpu->sysenter_esp, cpu->sysenter_eip }, sizeof(ret->msrs));
    ret->dr6 = cpu->dr6;
    ret->dr7 = cpu->dr7;
    ret->efer = cpu->efer;
    memcpy(&ret->vector, &cpu->vector, offsetof(RhTcgVector, unused));
    memcpy(ret->vector.ymm_high, cpu->vector.ymm_high, sizeof(ret->vector.ymm_high));
    ret->vector.mxcsr_mask = 0;
    /* What of x87 and MXCSR has changed already when an unmasked SIMD exception comes is the CPU's own business: target/i386/tcg/vector.c. */
    if ((cpu->vector.mxcsr & MXCSR_MASKS) != MXCSR_MASKS) {
        memset(&ret->vector, 0, offsetof(RhTcgVector, mxcsr));
        memset(ret->vector.st, 0, sizeof(ret->vector.st));
        ret->vector.mxcsr &= ~(uint32_t)MXCSR_FLAGS;
    }
    ret->is_halted = cpu->is_halted;
    ret->is_shut_down = cpu->is_shut_down;
    memcpy(ret->memory, stages->rig->ram->host, LOW_SIZE);
    memcpy(ret->memory + LOW_SIZE, stages->rig->ram->host + RIG_TABLES, TABLES_SIZE);
    /* Accessed and dirty bits: one stage looks up a page before it finds that the instruction faults otherwise, the other after. */
    for (unsigned i = LOW_SIZE; i < MEMORY; i++) {
        ret->memory[i] &= (uint8_t)~PTE_ACCESSED_DIRTY;
    }
}

/* --- comparing --- */

static void differ(GString *text, const char *what, unsigned nr, uint64_t first, uint64_t second)
{
    if (first != second) {
        g_string_append_printf(text, "; %s%u is %" PRIx64 ", interpreted %" PRIx64, what, nr, second, first);
    }
}

static char *compare(const Outcome *a, const Outcome *b)
{
    GString *text = g_string_new("");
    unsigned nr = 0;

    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        differ(text, "register ", i, a->gpr[i], b->gpr[i]);
    }
    differ(text, "rip", 0, a->rip, b->rip);
    differ(text, "rflags", 0, a->rflags, b->rflags);
    for (unsigned i = 0; i < RH_COUNT(a->cr); i++) {
        differ(text, "cr by index ", i, a->cr[i], b->cr[i]);
    }
    for (unsigned i = 0; i < RH_COUNT(a->msrs); i++) {
        differ(text, "msr by index ", i, a->msrs[i], b->msrs[i]);
    }
    for (unsigned i = 0; i < RH_NR_SEG; i++) {
        differ(text, "selector ", i, a->seg[i].selector, b->seg[i].selector);
        differ(text, "base ", i, a->seg[i].base, b->seg[i].base);
    }
    differ(text, "dr", 6, a->dr6, b->dr6);
    differ(text, "dr", 7, a->dr7, b->dr7);
    differ(text, "efer", 0, a->efer, b->efer);
    differ(text, "halted", 0, a->is_halted, b->is_halted);
    differ(text, "shut down", 0, a->is_shut_down, b->is_shut_down);
    for (unsigned i = 0; i < sizeof(a->vector); i++) {
        differ(text, "vector byte ", i, ((const uint8_t *)&a->vector)[i], ((const uint8_t *)&b->vector)[i]);
    }
    for (unsigned i = 0; memcmp(a->memory, b->memory, MEMORY) != 0 && i < MEMORY && nr < 8; i++) {
        nr += a->memory[i] != b->memory[i];
        differ(text, "byte ", i, a->memory[i], b->memory[i]);
    }
    if (!text->len) {
        g_string_free(text, TRUE);
        return NULL;
    }
    return g_string_free(text, FALSE);
}

char *stages_check(Stages *stages, const uint8_t *data, size_t size)
{
    RhTcgCpu *cpu = stages->rig->cpu;
    bool is_exact;

    if (size < STAGES_HEADER) {
        return NULL;
    }
    is_exact = data[7] & 8;
    jit_rig_exact(stages->rig, is_exact);
    rh_jit_set_current(cpu);
    set_up(stages, data, size);
    if (!interpret(cpu)) {
        set_up(stages, data, size);
        g_atomic_int_set(&stages->is_endless, 1);
        translate(cpu, ENDLESS_ROUNDS);
        g_atomic_int_set(&stages->is_endless, 0);
        return NULL;
    }
    record(stages, &stages->first);
    set_up(stages, data, size);
    if (!translate(cpu, MAX_ROUNDS)) {
        return g_strdup("; no end in translated code");
    }
    record(stages, &stages->second);
    char *text = is_exact ? compare(&stages->first, &stages->second) : NULL;

    for (unsigned i = 0; i < CHANCES && text; i++) {       /* or is it time, or chance? */
        g_autofree char *chance = NULL;

        set_up(stages, data, size);
        interpret(cpu);
        record(stages, &stages->second);
        chance = compare(&stages->first, &stages->second);
        if (chance) {
            g_clear_pointer(&text, g_free);
        }
    }
    return text;
}
