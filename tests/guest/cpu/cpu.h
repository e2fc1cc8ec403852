/*
 * What the bare-metal tests of system-level processor behaviour share: a GDT, an IDT whose handlers record what came, and checks.
 *
 * A program is cases[]; each is a function that tries things and checks what came of them:
 *
 *     TRAP(*(volatile char *)hole = 1);
 *     check_fault("write-not-present", PF_W, hole);
 *
 * Every exception ends up in cpu_trap(): a hook that the test has set for its vector deals with it and returns; else, inside
 * TRAP() or USER(), it is recorded in trap and the test goes on behind it, without IRET; else it ends the program.
 *
 * Programs are 64-bit or 32-bit; the same header serves both. 32-bit programs run without paging until they turn it on.
 */
#ifndef RH_TESTS_GUEST_CPU_H
#define RH_TESTS_GUEST_CPU_H

#include <stdbool.h>

#include "../micro/micro.h"
#include "selectors.h"

typedef unsigned long ulong;

enum {
    T_DE = 0, T_DB = 1, T_NMI = 2, T_BP = 3, T_OF = 4, T_BR = 5, T_UD = 6, T_NM = 7, T_DF = 8, T_TS = 10, T_NP = 11, T_SS = 12,
    T_GP = 13, T_PF = 14, T_MF = 16, T_AC = 17,
    T_NONE = 0x100,
};

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };                  /* error code of #PF, SDM vol. 3 §4.7 */
enum { F_CF = 1, F_ZF = 0x40, F_TF = 0x100, F_IF = 0x200, F_DF = 0x400, F_OF = 0x800, F_IOPL3 = 0x3000, F_NT = 0x4000,
       F_RF = 0x10000, F_VM = 0x20000, F_AC = 0x40000, F_VIF = 0x80000, F_VIP = 0x100000 };
enum { CR0_TS = 8, CR0_WP = 0x10000, CR0_PG = (int)0x80000000 };
enum { CR4_VME = 1, CR4_PVI = 2, CR4_DE = 8, CR4_PSE = 0x10, CR4_PAE = 0x20, CR4_PGE = 0x80, CR4_UMIP = 0x800, CR4_PCIDE = 0x20000,
       CR4_SMEP = 0x100000, CR4_SMAP = 0x200000 };

#define MSR_APIC_BASE    0x1bu
#define MSR_SYSENTER_CS  0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_EFER         0xc0000080u
#define MSR_STAR         0xc0000081u
#define MSR_LSTAR        0xc0000082u
#define MSR_CSTAR        0xc0000083u
#define MSR_FMASK        0xc0000084u
#define EFER_SCE         1u
#define EFER_NXE         0x800u

/* What is on the stack when cpu_trap() is called; from ip on the processor pushed it. */
#ifdef __x86_64__
typedef struct Frame {
    ulong r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
    ulong vector, error;
    ulong ip, cs, flags, sp, ss;
} Frame;
#else
typedef struct Frame {
    ulong es, ds, di, si, bp, sp_here, bx, dx, cx, ax;
    ulong vector, error;
    ulong ip, cs, flags;
    ulong sp, ss;                               /* there only if the ring changed */
    ulong v86_es, v86_ds, v86_fs, v86_gs;       /* there only if it came from virtual-8086 mode */
} Frame;
#endif

/** trap - the last exception, or vector T_NONE */
typedef struct Trap {
    ulong vector, error;
    ulong ip, cs, flags, sp, ss;
    ulong ax, cx, si, di;
    ulong cr2;
    ulong at;                   /* address of ip on the handler's stack */
    unsigned here_ss;           /* SS in the handler */
} Trap;
extern volatile Trap trap;

/** TRAP - do @statement; trap tells whether it came to its end. Do not leave it by break, return or goto */
#define TRAP(statement)         \
    do {                        \
        if (!catch_trap()) {    \
            statement;          \
            trap_none();        \
        }                       \
    } while (0)

/** USER - TRAP() for @code, which is called with @arg in ring 3; what it returns is in trap.ax. It has to leave data alone */
#define USER(code, arg)                                 \
    do {                                                \
        if (!catch_trap()) {                            \
            user_enter((void *)(code), (ulong)(arg));   \
        }                                               \
        trap_settle_user();                             \
    } while (0)

bool catch_trap(void) __attribute__((returns_twice));
void catch_resume(void) __attribute__((noreturn));
void user_enter(void *code, ulong arg);
void trap_none(void);
void trap_settle_user(void);

/* How USER() starts: at first UCODE, flags 2, and a stack of its own. */
extern ulong cpu_user_cs;
extern ulong cpu_user_flags;
extern ulong cpu_user_sp;

/** ENTRY - define @name as these instructions; with TEXT(X) for the value of a macro */
#define ENTRY(name, text)       \
    void name(void);            \
    __asm__(".pushsection .text\n" #name ":\n" text "\n.popsection\n")
#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

/** CODE - define @name as a function of these instructions, and RET; trap.ip is comparable with its name */
#define CODE(name, text)        \
    void name(void);            \
    __asm__(".pushsection .text\n" #name ":\n" text "\nret\n.popsection\n")

/** call_with - call a CODE() with its argument, as USER() does, in ring 0 */
static inline ulong call_with(void (*code)(void), ulong arg)
{
    ulong (*volatile function)(ulong) = (ulong (*)(ulong))(void *)code;

    return function(arg);
}

/** cpu_hooks - by vector: called with the frame, true if the program is to go on where the (changed) frame says */
typedef bool CpuHook(Frame *frame);
extern CpuHook *volatile cpu_hooks[256];

void check(const char *name, ulong got, ulong want);
/** check_trap - the last TRAP() or USER() ended by @vector (T_NONE: by itself) with error code @error, 0 if it has none */
void check_trap(const char *name, ulong vector, ulong error);
/** check_trap_at - also at the instruction @code */
void check_trap_at(const char *name, ulong vector, ulong error, void (*code)(void));
/** check_fault - the last TRAP() or USER() ended by #PF at @address */
void check_fault(const char *name, ulong error, ulong address);
/** skip - say that this machine cannot do what @name needs, and why */
void skip(const char *name, const char *why);

/* Is it so? If it is, @name is skipped. @why: what the KVM does differently. */
bool cpu_is_interpreted(const char *name, const char *why);
bool cpu_is_kvm(const char *name, const char *why);
bool cpu_is_kvm_on_amd(const char *name);

/** CpuCase - @interpreted: why a KVM that interprets kernel code (docs/testing.md) cannot run it, else NULL */
typedef struct CpuCase {
    const char *name;
    void (*run)(void);
    const char *interpreted;
} CpuCase;
extern const CpuCase cpu_cases[];       /* the program's; ends with a NULL name */

extern volatile uint64_t cpu_gdt[GDT_SIZE / 8];
extern volatile uint64_t cpu_idt[512];
extern char trap_stubs[256][16];

/** cpu_descriptor - set GDT entry @selector; @attributes: access byte, and the flags nibble from bit 12 */
void cpu_descriptor(unsigned selector, ulong base, uint32_t limit, unsigned attributes);
/** cpu_gate - set IDT entry @vector; @type 14 interrupt, 15 trap, 5 task gate; @ist for 64-bit programs */
void cpu_gate(unsigned vector, unsigned selector, void *code, unsigned type, unsigned dpl, unsigned ist);
void cpu_gate_absent(unsigned vector);
/** cpu_gate_default - to cpu_trap() by an interrupt gate */
void cpu_gate_default(unsigned vector);

/* The TSS: stack of ring 0, (64-bit programs) IST stacks from 1 to 7, interrupt redirection map, I/O permission map. */
#define TSS_IO_MAP 0x88
extern volatile char cpu_tss[TSS_IO_MAP + 0x2001];
extern char cpu_ring0_stack[8192];
extern char cpu_user_stack[8192];
/** cpu_allow_ports - give the TSS its I/O permission bitmap, all ports allowed or denied, or (the default) none */
void cpu_allow_ports(bool allowed);
void cpu_no_port_map(void);

#ifdef __x86_64__
extern volatile uint64_t cpu_pml4[512];
extern volatile uint64_t cpu_pdpt[512];          /* maps the first 4 GiB one to one */
#endif

static inline ulong read_cr0(void) { ulong v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static inline ulong read_cr2(void) { ulong v; __asm__ volatile("mov %%cr2, %0" : "=r"(v)); return v; }
static inline ulong read_cr3(void) { ulong v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static inline ulong read_cr4(void) { ulong v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static inline void write_cr0(ulong v) { __asm__ volatile("mov %0, %%cr0" :: "r"(v) : "memory"); }
static inline void write_cr3(ulong v) { __asm__ volatile("mov %0, %%cr3" :: "r"(v) : "memory"); }
static inline void write_cr4(ulong v) { __asm__ volatile("mov %0, %%cr4" :: "r"(v) : "memory"); }
static inline void invlpg(ulong at) { __asm__ volatile("invlpg (%0)" :: "r"(at) : "memory"); }
static inline ulong read_flags(void) { ulong v; __asm__ volatile("pushf; pop %0" : "=r"(v)); return v; }

static inline uint8_t read8(ulong at) { return *(volatile uint8_t *)at; }
static inline void write8(ulong at, uint8_t v) { *(volatile uint8_t *)at = v; }

/** flush - drop the TLB's entries, but for global ones */
static inline void flush(void)
{
    write_cr3(read_cr3());
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

/** cpuid - one register of a leaf: 0 EAX, 1 EBX, 2 ECX, 3 EDX */
static inline uint32_t cpuid(uint32_t leaf, unsigned reg)
{
    uint32_t r[4];

    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
    return r[reg];
}

#endif
