/*
 * x86 CPU state: its table, its values at reset, and its text.
 */
#include "target/i386/state.h"

static const RhField segment_rows[] = {
    RH_FIELD(RhX86Segment, base),
    RH_FIELD(RhX86Segment, limit),
    RH_FIELD(RhX86Segment, access, .valid = RH_SEG_ACCESS),
    RH_FIELD(RhX86Segment, selector),
};

static const RhField table_rows[] = {
    RH_FIELD(RhX86Table, base),
    RH_FIELD(RhX86Table, limit),
};

static const RhField msr_rows[] = {
    RH_FIELD(RhX86Msr, index),
    RH_FIELD(RhX86Msr, value),
};

static const RhField event_rows[] = {
    RH_FIELD(RhX86Events, exception_pending,     .max = 1),
    RH_FIELD(RhX86Events, exception_injected,    .max = 1),
    RH_FIELD(RhX86Events, exception_has_error,   .max = 1),
    RH_FIELD(RhX86Events, exception_has_payload, .max = 1),
    RH_FIELD(RhX86Events, exception_nr,          .max = 31),
    RH_FIELD(RhX86Events, exception_error),
    RH_FIELD(RhX86Events, exception_payload),
    RH_FIELD(RhX86Events, interrupt_injected,    .max = 1),
    RH_FIELD(RhX86Events, interrupt_is_soft,     .max = 1),
    RH_FIELD(RhX86Events, interrupt_nr),
    RH_FIELD(RhX86Events, interrupt_shadow,      .valid = 3),
    RH_FIELD(RhX86Events, nmi_injected,          .max = 1),
    RH_FIELD(RhX86Events, nmi_masked,            .max = 1),
    RH_FIELD(RhX86Events, nmi_pending,           .max = 2),
    RH_FIELD(RhX86Events, sipi_vector),
    RH_FIELD(RhX86Events, is_in_smm,             .max = 1),
    RH_FIELD(RhX86Events, smi_pending,           .max = 1),
    RH_FIELD(RhX86Events, is_smm_inside_nmi,     .max = 1),
    RH_FIELD(RhX86Events, init_latched,          .max = 1),
    RH_FIELD(RhX86Events, triple_fault_pending,  .max = 1),
};

#define ROW(m, ...) RH_FIELD(RhX86State, m, __VA_ARGS__)

const RhField rh_x86_state_rows[] = {
    RH_FIELD_ARRAY(RhX86State, gpr),
    ROW(rip), ROW(rflags),
    RH_FIELD_STRUCTS(RhX86State, seg, segment_rows),
    RH_FIELD_STRUCT(RhX86State, gdt, table_rows),
    RH_FIELD_STRUCT(RhX86State, idt, table_rows),
    ROW(cr0), ROW(cr2), ROW(cr3), ROW(cr4), ROW(cr8, .max = 15),
    RH_FIELD_ARRAY(RhX86State, dr),
    ROW(dr6), ROW(dr7),
    RH_FIELD_ARRAY(RhX86State, pdptr),
    ROW(has_pdptrs, .max = 1),
    ROW(xcr0), ROW(efer), ROW(apic_base),
    ROW(star), ROW(lstar), ROW(cstar), ROW(sfmask), ROW(kernel_gs_base),
    ROW(sysenter_cs), ROW(sysenter_esp), ROW(sysenter_eip),
    ROW(pat), ROW(misc_enable),
    ROW(tsc), ROW(tsc_adjust), ROW(tsc_aux), ROW(tsc_deadline), ROW(tsc_khz),
    ROW(nr_msrs, .max = RH_X86_MAX_MSRS),
    RH_FIELD_STRUCTS(RhX86State, msrs, msr_rows),
    RH_FIELD_STRUCT(RhX86State, events, event_rows),
    ROW(mp_state, .max = RH_MP_LAST),
    ROW(has_lapic, .max = 1),
    RH_FIELD_BYTES(RhX86State, lapic),
    ROW(nested_size, .max = RH_X86_NESTED_SIZE),
    RH_FIELD_BYTES(RhX86State, nested),
    RH_FIELD_BYTES(RhX86State, xsave),
};
_Static_assert(RH_COUNT(rh_x86_state_rows) == RH_X86_STATE_NR_ROWS, "adjust RH_X86_STATE_NR_ROWS");

#define DATA_SEGMENT { .limit = 0xffff, .access = RH_SEG_P | RH_SEG_S | 3 }

/* Little-endian words of the FXSAVE image. */
#define FXSAVE_FCW   0
#define FXSAVE_MXCSR 24
#define XSAVE_XSTATE_BV 512

const RhX86State rh_x86_state_at_reset = {
    .gpr[RH_RDX] = 0x600,
    .rip = 0xfff0,
    .rflags = 2,
    .seg = {
        [RH_ES] = DATA_SEGMENT,
        [RH_CS] = { .selector = 0xf000, .base = 0xffff0000, .limit = 0xffff,
                    .access = RH_SEG_P | RH_SEG_S | 0xb },
        [RH_SS] = DATA_SEGMENT,
        [RH_DS] = DATA_SEGMENT,
        [RH_FS] = DATA_SEGMENT,
        [RH_GS] = DATA_SEGMENT,
        [RH_LDTR] = { .limit = 0xffff, .access = RH_SEG_P | 2 },
        [RH_TR] = { .limit = 0xffff, .access = RH_SEG_P | 0xb },
    },
    .gdt.limit = 0xffff,
    .idt.limit = 0xffff,
    .cr0 = 0x60000010,
    .dr6 = 0xffff0ff0,
    .dr7 = 0x400,
    .xcr0 = 1,
    .apic_base = RH_APIC_BASE_DEFAULT | RH_APIC_BASE_ENABLED | RH_APIC_BASE_BSP,
    .pat = UINT64_C(0x0007040600070406),
    .misc_enable = 1,                       /* fast strings, SDM vol. 4 table 2-2 */
    .mp_state = RH_MP_RUNNABLE,
    .has_lapic = true,
    .lapic = {                              /* SDM vol. 3 §11.4.7.1 */
        [0x30] = 0x14, [0x32] = 5,          /* version 0x14, six LVT entries */
        [0xe0] = 0xff, 0xff, 0xff, 0xff,    /* destination format: flat */
        [0xf0] = 0xff,                      /* spurious vector, software-disabled */
        [0x2f2] = 1, [0x322] = 1, [0x332] = 1, [0x342] = 1, [0x352] = 1, [0x362] = 1,
        [0x372] = 1,                        /* every LVT entry masked */
    },
    .xsave = {
        [FXSAVE_FCW] = 0x7f, [FXSAVE_FCW + 1] = 3,  /* as after fninit, which is what KVM starts with */
        [FXSAVE_MXCSR] = 0x80, [FXSAVE_MXCSR + 1] = 0x1f,
        [XSAVE_XSTATE_BV] = 3,
    },
};

void rh_x86_state_set_apic(RhX86State *state, uint32_t apic_id, bool is_bsp)
{
    rh_st32(state->lapic + 0x20, apic_id << 24);
    if (is_bsp) {
        /* Virtual wire: the 8259 reaches the boot processor until it programs its local APIC. */
        rh_st32(state->lapic + 0x350, 0x700);
        state->apic_base |= RH_APIC_BASE_BSP;
        state->mp_state = RH_MP_RUNNABLE;
    } else {
        state->apic_base &= ~(uint64_t)RH_APIC_BASE_BSP;
        state->mp_state = RH_MP_UNINITIALIZED;
    }
}

RhX86Msr *rh_x86_msr(RhX86State *state, uint32_t index)
{
    for (uint32_t i = 0; i < state->nr_msrs; i++) {
        if (state->msrs[i].index == index) {
            return &state->msrs[i];
        }
    }
    return NULL;
}

bool rh_x86_set_msr(RhX86State *state, uint32_t index, uint64_t value)
{
    RhX86Msr *msr = rh_x86_msr(state, index);

    if (!msr) {
        if (state->nr_msrs == RH_X86_MAX_MSRS) {
            return false;
        }
        msr = &state->msrs[state->nr_msrs++];
        msr->index = index;
    }
    msr->value = value;
    return true;
}

static void dump_segment(GString *out, const char *name, const RhX86Segment *seg)
{
    g_string_append_printf(out, "%-3s=%04x %016" PRIx64 " %08x %05x%s\n", name, seg->selector,
                           seg->base, seg->limit, seg->access,
                           seg->access & RH_SEG_UNUSABLE ? " unusable" : "");
}

void rh_x86_state_dump(const RhX86State *state, GString *out)
{
    static const char *const gpr_names[] = {
        "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
        "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"
    };
    static const char *const seg_names[] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR" };
    /* The order in which people read them, not that of the encodings */
    static const uint8_t order[] = {
        RH_RAX, RH_RBX, RH_RCX, RH_RDX, RH_RSI, RH_RDI, RH_RBP, RH_RSP
    };

    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        unsigned n = i < RH_COUNT(order) ? order[i] : i;

        g_string_append_printf(out, "%s=%016" PRIx64 "%c", gpr_names[n], state->gpr[n],
                               i % 4 == 3 ? '\n' : ' ');
    }
    g_string_append_printf(out, "RIP=%016" PRIx64 " RFL=%08" PRIx64 " CPL=%u HLT=%u\n", state->rip,
                           state->rflags,
                           (state->seg[RH_SS].access & RH_SEG_DPL) >> RH_SEG_DPL_SHIFT,
                           state->mp_state == RH_MP_HALTED);
    for (unsigned i = 0; i < RH_NR_SEG; i++) {
        dump_segment(out, seg_names[i], &state->seg[i]);
    }
    g_string_append_printf(out, "GDT=     %016" PRIx64 " %08x\nIDT=     %016" PRIx64 " %08x\n",
                           state->gdt.base, state->gdt.limit, state->idt.base, state->idt.limit);
    g_string_append_printf(out, "CR0=%08" PRIx64 " CR2=%016" PRIx64 " CR3=%016" PRIx64
                           " CR4=%08" PRIx64 "\n",
                           state->cr0, state->cr2, state->cr3, state->cr4);
    for (unsigned i = 0; i < RH_COUNT(state->dr); i++) {
        g_string_append_printf(out, "DR%u=%016" PRIx64 " ", i, state->dr[i]);
    }
    g_string_append_printf(out, "\nDR6=%016" PRIx64 " DR7=%016" PRIx64 "\nEFER=%016" PRIx64 "\n",
                           state->dr6, state->dr7, state->efer);
}
