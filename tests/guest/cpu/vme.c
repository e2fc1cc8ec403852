/*
 * Virtual interrupts: the extensions of virtual-8086 mode (CR4.VME) and those of protected mode (CR4.PVI), where VIF stands for IF
 * below IOPL 3, and a VIP that a monitor has set refuses to set it. Spec: SDM vol. 3 chapter 20, table 20-2, and §2.3.
 *
 * As in v86.c the program is the monitor, and 8086 snippets end by UD2.
 */
#include "code16.h"

#define NO_V86 "the emulator does not get to virtual-8086 mode"
#define NO_RING3 "this KVM does not run ring 3 of 32-bit mode"

#define F_IOPL1 0x1000
#define F_IOPL2 0x2000
#define SHOWN   ((ulong)(F_TF | F_IF | F_IOPL3 | F_VM | F_VIF | F_VIP))
#define AS_CODE(snippet) ((void (*)(void))(void *)(snippet))

extern char v86_look[], v86_cli[], v86_sti[], v86_pushf[], v86_popf[], v86_popf_off[], v86_popfl[], v86_int[], v86_int_insn[],
    v86_int_next[], v86_int3[], v86_int3_next[], v86_iret[], v86_iret_insn[], vme_handler[], vme_service[], vme_return[], vme_often[],
    vme_int_3[], vme_int_ff[], vme_into[], vme_pushfl[], vme_popf_tf[], vme_popf_tf_insn[], vme_popfl_at_end[], vme_popfl_at_end_insn[],
    vme_iret_off[], vme_iret_tf[], vme_iret_tf_insn[], vme_iretl[], vme_iretl_insn[];

/* --- the setting */

/* Bit @vector of the interrupt redirection map: set, INT n is the monitor's. */
static void give_to_monitor(unsigned vector, bool is_monitors)
{
    volatile char *byte = &cpu_tss[TSS_IO_MAP - 32 + vector / 8];
    char bit = (char)(1 << vector % 8);

    *byte = (char)(is_monitors ? *byte | bit : *byte & ~bit);
}

static void set_io_base(unsigned base)
{
    *(volatile uint16_t *)(cpu_tss + 0x66) = (uint16_t)base;
}

static void handle_8086(unsigned vector, char *handler)
{
    low16(vector * 4) = (uint16_t)OFFSET16(handler);
    low16(vector * 4 + 2) = CODE16_SEGMENT;
}

/* All vectors are the monitor's; the program has handlers for those that the snippets use. */
static bool begin(const char *name, ulong extensions)
{
    static const uint8_t vectors[] = { T_BP, T_OF, 0x80, 0xff };

    if (!(cpuid(1, 3) & 2)) {
        skip(name, "CPUID has no VME");
        return false;
    }
    write_cr4((read_cr4() & ~(ulong)(CR4_VME | CR4_PVI)) | extensions);
    code16_install();
    for (unsigned i = 0; i < 256; i++) {
        give_to_monitor(i, true);
    }
    set_io_base(TSS_IO_MAP);
    for (unsigned i = 0; i < sizeof(vectors); i++) {
        cpu_gate(vectors[i], KCODE, trap_stubs[vectors[i]], 14, 3, 0);
        handle_8086(vectors[i], vme_handler);
    }
    return true;
}

static void check_refused(const char *name, char *at)
{
    check_trap_at(name, T_GP, 0, AS_CODE(at));
}

static void check_flags(const char *name, ulong want)
{
    check(name, trap.flags & SHOWN, want);
}

/* --- INT n */

typedef struct IntRow {
    const char *name;
    ulong before;
    ulong image;        /* FLAGS that the handler finds on its stack */
    ulong after;
} IntRow;

static const IntRow redirected_rows[] = {
    { "int-vif", F_VIF, F_IF | F_IOPL3, 0 },
    { "int-if-and-vif", F_IF | F_VIF, F_IF | F_IOPL3, F_IF },
    { "int-if-alone", F_IF, F_IOPL3, F_IF },
    { "int-vip", F_VIP, F_IOPL3, F_VIP },
    { "int-tf", F_VIF | F_TF, F_IF | F_IOPL3 | F_TF, 0 },
    { "int-iopl1", F_IF | F_VIF | F_IOPL1, F_IF | F_IOPL3, F_IF | F_IOPL1 },
    { "int-iopl2", F_IF | F_IOPL2, F_IOPL3, F_IF | F_IOPL2 },
    { "int-iopl3", F_IF | F_IOPL3, F_IF | F_IOPL3, F_IOPL3 },
    { "int-iopl3-vif", F_VIF | F_IOPL3, F_IOPL3, F_VIF | F_IOPL3 },
    { "int-iopl3-vif-and-vip", F_VIF | F_VIP | F_IOPL3, F_IOPL3, F_VIF | F_VIP | F_IOPL3 },
};

static void redirected(void)
{
    if (!begin("redirected", CR4_VME)) {
        return;
    }
    give_to_monitor(0x80, false);
    for (unsigned i = 0; i < sizeof(redirected_rows) / sizeof(redirected_rows[0]); i++) {
        const IntRow *row = &redirected_rows[i];

        v86_run(v86_int_insn, row->before);
        check_trap(row->name, T_UD, 0);
        check("image", trap.si, row->image | 2);
        check_flags("flags-in-handler", row->after | F_VM);
        check("return-ip", trap.ax, OFFSET16(v86_int_next));
        check("return-cs", trap.cx, CODE16_SEGMENT);
        check("three-words", trap.sp, STACK16 - 6);
    }
}

static void there_and_back(void)
{
    if (!begin("there-and-back", CR4_VME)) {
        return;
    }
    give_to_monitor(0x80, false);
    handle_8086(0x80, vme_service);
    v86_run(v86_int, F_VIF);
    check_trap("back", T_UD, 0);
    check("back-eax", trap.ax, 8);
    check("back-sp", trap.sp, STACK16);
    check("off-in-handler", trap.si, F_IOPL3 | 2);
    check_flags("back-flags", F_VM | F_VIF);
    v86_run(v86_int, F_IF);
    check_flags("back-flags-if-alone", F_VM | F_IF);
    v86_run(v86_int, F_IF | F_IOPL3);
    check("iopl3-off-in-handler", trap.si, F_IOPL3 | 2);
    check_flags("iopl3-back-flags", F_VM | F_IF | F_IOPL3);
}

static void vectors(void)
{
    if (!begin("vectors", CR4_VME)) {
        return;
    }
    give_to_monitor(0xff, false);
    v86_run(vme_int_ff, 0);
    check_trap("int-ff", T_UD, 0);
    check("int-ff-ip", trap.ax, OFFSET16(vme_int_ff) + 2);
    v86_run(v86_int, 0);
    check_refused("int-80-is-not-int-ff", v86_int_insn);
    for (unsigned i = 0; i < 256; i++) {
        give_to_monitor(i, false);
    }
    v86_run(vme_int_3, 0);
    check_trap("int-3-of-two-bytes", T_UD, 0);
    check("int-3-of-two-bytes-ip", trap.ax, OFFSET16(vme_int_3) + 2);
    v86_run(v86_int3, F_VIF);
    check("int3", trap.vector, T_BP);
    check("int3-ip", trap.ip, (ulong)v86_int3_next);
    check_flags("int3-flags", F_VM | F_VIF);
    v86_run(vme_into, 0);
    check("into", trap.vector, T_OF);
}

static void to_monitor(void)
{
    static const ulong iopl[] = { 0, F_IOPL1, F_IOPL2 };

    if (!begin("to-monitor", CR4_VME)) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        v86_run(v86_int_insn, F_IF | F_VIF | iopl[i]);
        check_refused("int-below-iopl3", v86_int_insn);
        check_flags("int-below-iopl3-flags", F_VM | F_IF | F_VIF | iopl[i]);
        check("int-below-iopl3-sp", trap.sp, STACK16);
    }
    v86_run(v86_int_insn, F_IF | F_VIF | F_IOPL3);
    check("int-at-iopl3", trap.vector, 0x80);
    check("int-at-iopl3-ip", trap.ip, (ulong)v86_int_next);
    check_flags("int-at-iopl3-flags", F_VM | F_IF | F_VIF | F_IOPL3);
    cpu_gate(0x80, KCODE, trap_stubs[0x80], 14, 0, 0);
    v86_run(v86_int_insn, F_IOPL3);
    check_trap_at("int-at-iopl3-gate-of-ring-0", T_GP, 0x80 * 8 + 2, AS_CODE(v86_int_insn));
    /* No map: it would begin before the TSS, or lie beyond its end. */
    set_io_base(0x0f);
    v86_run(v86_int_insn, F_VIF);
    check_refused("map-before-tss", v86_int_insn);
    set_io_base(0xffff);
    v86_run(v86_int_insn, F_VIF);
    check_refused("map-beyond-tss", v86_int_insn);
    cpu_gate_default(0x80);
}

/* --- flags */

/* An instruction that acts on flags, or is refused at @refused. */
typedef struct FlagRow {
    const char *name;
    char *snippet;
    ulong before, after;
    char *refused;
} FlagRow;

static const FlagRow flag_rows[] = {
    { "cli", v86_cli, F_IF | F_VIF, F_IF, NULL },
    { "cli-vip", v86_cli, F_VIP, F_VIP, NULL },
    { "cli-iopl2", v86_cli, F_IF | F_VIF | F_IOPL2, F_IF | F_IOPL2, NULL },
    { "sti", v86_sti, 0, F_VIF, NULL },
    { "sti-if", v86_sti, F_IF, F_IF | F_VIF, NULL },
    { "sti-iopl1", v86_sti, F_IOPL1, F_VIF | F_IOPL1, NULL },
    { "sti-vip", v86_sti, F_VIP, F_VIP, v86_sti },
    { "sti-vip-iopl2", v86_sti, F_IF | F_VIP | F_IOPL2, F_IF | F_VIP | F_IOPL2, v86_sti },
    { "popf", v86_popf, 0, F_VIF, NULL },
    { "popf-off", v86_popf_off, F_IF | F_VIF, F_IF, NULL },
    { "popf-off-keeps-iopl", v86_popf_off, F_VIF | F_IOPL1, F_IOPL1, NULL },
    { "popf-off-vip", v86_popf_off, F_VIP, F_VIP, NULL },
    { "popf-vip", v86_popf, F_VIP, F_VIP, v86_popf + 3 },
    { "popf-tf", vme_popf_tf, F_VIF, F_VIF, vme_popf_tf_insn },
    { "popfd", v86_popfl, F_VIF, F_VIF, v86_popfl + 6 },
    { "popfd-before-its-stack", vme_popfl_at_end, 0, 0, vme_popfl_at_end_insn },
    { "pushfd", vme_pushfl, F_VIF, F_VIF, vme_pushfl },
    { "iret", v86_iret, F_IF, F_IF | F_VIF, NULL },
    { "iret-off", vme_iret_off, F_IF | F_VIF, F_IF, NULL },
    { "iret-off-vip", vme_iret_off, F_VIP | F_IOPL1, F_VIP | F_IOPL1, NULL },
    { "iret-vip", v86_iret, F_VIP, F_VIP, v86_iret_insn },
    { "iret-tf", vme_iret_tf, 0, 0, vme_iret_tf_insn },
    { "iretd", vme_iretl, 0, 0, vme_iretl_insn },
    { "vif-and-vip", v86_look, F_VIF | F_VIP, F_VIF | F_VIP, v86_look },
    { "vif-and-vip-cli", v86_cli, F_VIF | F_VIP | F_IOPL2, F_VIF | F_VIP | F_IOPL2, v86_cli },
    { "iopl3-cli", v86_cli, F_IF | F_VIF | F_IOPL3, F_VIF | F_IOPL3, NULL },
    { "iopl3-sti-vip", v86_sti, F_VIP | F_IOPL3, F_IF | F_VIP | F_IOPL3, NULL },
    { "iopl3-popf-vip", v86_popf, F_VIP | F_IOPL3, F_IF | F_VIP | F_IOPL3, NULL },
    { "iopl3-popf-off", v86_popf_off, F_IF | F_VIF | F_IOPL3, F_VIF | F_IOPL3, NULL },
    { "iopl3-popfd", v86_popfl, F_VIF | F_IOPL3, F_IF | F_VIF | F_IOPL3, NULL },
    { "iopl3-pushfd", vme_pushfl, F_VIF | F_IOPL3, F_VIF | F_IOPL3, NULL },
    { "iopl3-iret-vip", v86_iret, F_VIP | F_IOPL3, F_IF | F_VIP | F_IOPL3, NULL },
    { "iopl3-iretd", vme_iretl, F_IF | F_VIF | F_IOPL3, F_VIF | F_IOPL3, NULL },
    { "iopl3-vif-and-vip", v86_look, F_VIF | F_VIP | F_IOPL3, F_VIF | F_VIP | F_IOPL3, NULL },
};

static void flags(void)
{
    if (!begin("flags", CR4_VME)) {
        return;
    }
    for (unsigned i = 0; i < sizeof(flag_rows) / sizeof(flag_rows[0]); i++) {
        const FlagRow *row = &flag_rows[i];

        v86_run(row->snippet, row->before);
        if (row->refused) {
            check_refused(row->name, row->refused);
        } else {
            check_trap(row->name, T_UD, 0);
        }
        check_flags("flags", row->after | F_VM);
    }
}

static void pushed_flags(void)
{
    if (!begin("pushed-flags", CR4_VME)) {
        return;
    }
    v86_run(v86_pushf, F_VIF);
    check("pushf-vif", trap.ax & 0xffff, F_IF | F_IOPL3 | 2);
    v86_run(v86_pushf, F_IF | F_VIP | F_IOPL1);
    check("pushf-if-alone", trap.ax & 0xffff, F_IOPL3 | 2);
    v86_run(v86_pushf, F_VIF | F_IOPL3);
    check("pushf-iopl3", trap.ax & 0xffff, F_IOPL3 | 2);
}

/* So often that the code is translated */
static void often(void)
{
    if (!begin("often", CR4_VME)) {
        return;
    }
    give_to_monitor(0x80, false);
    handle_8086(0x80, vme_return);
    v86_run(vme_often, F_IF);
    check_trap("often", T_UD, 0);
    check("often-count", trap.si, 3000 * F_IF);
    check_flags("often-flags", F_VM | F_IF);
}

static volatile ulong nr_served;

/* A monitor that has served what was pending: SDM vol. 3 §20.3.2 */
static bool serve(Frame *f)
{
    nr_served++;
    f->flags = (f->flags & ~(ulong)F_VIP) | F_VIF;
    return nr_served < 3;
}

static void served(void)
{
    if (!begin("served", CR4_VME)) {
        return;
    }
    cpu_hooks[T_GP] = serve;
    nr_served = 0;
    v86_run(v86_sti, F_VIP);
    check_trap("served-sti", T_UD, 0);
    check_flags("served-sti-flags", F_VM | F_VIF);
    v86_run(v86_popf, F_VIF | F_VIP);
    check_trap("served-at-once", T_UD, 0);
    check_flags("served-at-once-flags", F_VM | F_VIF);
    check("served", nr_served, 2);
    cpu_hooks[T_GP] = NULL;
}

/* CR4.PVI is nothing to virtual-8086 mode. */
static void without_vme(void)
{
    if (!begin("without-vme", CR4_PVI)) {
        return;
    }
    give_to_monitor(0x80, false);
    v86_run(v86_int, F_VIF);
    check_refused("no-vme-int", v86_int_insn);
    v86_run(v86_int, F_IOPL3);
    check("no-vme-int-iopl3", trap.vector, 0x80);
    v86_run(v86_cli, F_VIF);
    check_refused("no-vme-cli", v86_cli);
    v86_run(v86_pushf, F_VIF);
    check_refused("no-vme-pushf", v86_pushf);
    v86_run(v86_look, F_VIF | F_VIP);
    check_trap("no-vme-vif-and-vip", T_UD, 0);
}

/* --- protected mode */

CODE(pvi_nop, "nop");
CODE(pvi_cli, "cli");
CODE(pvi_sti, "sti");
CODE(pvi_pushf, "pushf; pop %eax");
CODE(pvi_pushfw, "mov $0, %eax; pushfw; pop %ax");
CODE(pvi_popf, "pushl $0x183202; popf");
CODE(pvi_popfw, "pushw $0x3202; popfw");
CODE(pvi_popf_off, "pushl $2; popf");
CODE(pvi_iret, "pushl $0x183202; push %cs; pushl $1f; iret; 1:");
CODE(pvi_iret_off, "pushl $2; push %cs; pushl $1f; iret; 1:");
CODE(pvi_int, "int $0x80");

typedef struct PviRow {
    const char *name;
    void (*code)(void);
    ulong before, after;
    bool is_refused;
} PviRow;

static const PviRow pvi_rows[] = {
    { "pvi-cli", pvi_cli, F_IF | F_VIF, F_IF, false },
    { "pvi-cli-vip", pvi_cli, F_VIP, F_VIP, false },
    { "pvi-sti", pvi_sti, 0, F_VIF, false },
    { "pvi-sti-iopl2", pvi_sti, F_IF | F_IOPL2, F_IF | F_VIF | F_IOPL2, false },
    { "pvi-sti-vip", pvi_sti, F_VIP, F_VIP, true },
    { "pvi-popfd", pvi_popf, 0, 0, false },
    { "pvi-popfd-vip", pvi_popf, F_VIP, F_VIP, false },
    { "pvi-popfd-off", pvi_popf_off, F_IF | F_VIF, F_IF | F_VIF, false },
    { "pvi-popf", pvi_popfw, F_VIP, F_VIP, false },
    { "pvi-iretd", pvi_iret, 0, 0, false },
    { "pvi-iretd-vip", pvi_iret, F_VIP, F_VIP, false },
    { "pvi-iretd-off", pvi_iret_off, F_IF | F_VIF, F_IF | F_VIF, false },
    { "pvi-vif-and-vip", pvi_nop, F_VIF | F_VIP, F_VIF | F_VIP, true },
    { "pvi-iopl3-cli", pvi_cli, F_IF | F_VIF | F_IOPL3, F_VIF | F_IOPL3, false },
    { "pvi-iopl3-sti-vip", pvi_sti, F_VIP | F_IOPL3, F_IF | F_VIP | F_IOPL3, false },
    { "pvi-iopl3-vif-and-vip", pvi_nop, F_VIF | F_VIP | F_IOPL3, F_VIF | F_VIP | F_IOPL3, false },
};

/* In ring 3 with these flags besides bit 1 */
static void user(void (*code)(void), ulong flags)
{
    cpu_user_flags = flags | 2;
    USER(code, 0);
    cpu_user_flags = 2;
}

static void protected_mode(void)
{
    if (!begin("protected-mode", CR4_PVI)) {
        return;
    }
    for (unsigned i = 0; i < sizeof(pvi_rows) / sizeof(pvi_rows[0]); i++) {
        const PviRow *row = &pvi_rows[i];

        user(row->code, row->before);
        if (row->is_refused) {
            check_trap_at(row->name, T_GP, 0, row->code);
        } else {
            check_trap(row->name, T_NONE, 0);
        }
        check_flags("flags", row->after);
    }
}

/* What PUSHF shows and where INT goes is as without CR4.PVI. */
static void protected_mode_as_ever(void)
{
    if (!begin("protected-mode-as-ever", CR4_PVI)) {
        return;
    }
    user(pvi_pushf, F_VIF);
    check("pvi-pushfd", trap.ax, F_VIF | 2);
    user(pvi_pushf, F_IF | F_VIP | F_IOPL1);
    check("pvi-pushfd-if", trap.ax, F_IF | F_VIP | F_IOPL1 | 2);
    user(pvi_pushfw, F_VIF);
    check("pvi-pushf", trap.ax, 2);
    give_to_monitor(0x80, false);
    user(pvi_int, F_IF | F_VIF);
    check("pvi-int", trap.vector, 0x80);
    check_flags("pvi-int-flags", F_IF | F_VIF);
    /* In ring 0 nobody looks at them. */
    TRAP(__asm__ volatile("pushl %0; push %%cs; pushl $1f; iretl; 1: sti; cli" ::"r"((ulong)(F_VIF | F_VIP | 2))));
    check_trap("ring-0-vif-and-vip", T_NONE, 0);
}

/* CR4.VME is nothing to protected mode. */
static void without_pvi(void)
{
    if (!begin("without-pvi", CR4_VME)) {
        return;
    }
    user(pvi_cli, F_VIF);
    check_trap_at("no-pvi-cli", T_GP, 0, pvi_cli);
    user(pvi_sti, 0);
    check_trap_at("no-pvi-sti", T_GP, 0, pvi_sti);
    user(pvi_nop, F_VIF | F_VIP);
    check_trap("no-pvi-vif-and-vip", T_NONE, 0);
}

const CpuCase cpu_cases[] = {
    { "redirected", redirected, NO_V86 },
    { "there-and-back", there_and_back, NO_V86 },
    { "vectors", vectors, NO_V86 },
    { "to-monitor", to_monitor, NO_V86 },
    { "flags", flags, NO_V86 },
    { "pushed-flags", pushed_flags, NO_V86 },
    { "often", often, NO_V86 },
    { "served", served, NO_V86 },
    { "without-vme", without_vme, NO_V86 },
    { "protected-mode", protected_mode, NO_RING3 },
    { "protected-mode-as-ever", protected_mode_as_ever, NO_RING3 },
    { "without-pvi", without_pvi, NO_RING3 },
    { NULL, NULL, NULL },
};
