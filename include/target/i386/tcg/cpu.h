/*
 * RhTcgCpu: the state of one vCPU as the software engine runs it, and the calls its parts make of each other.
 * docs/engine.md explains the whole.
 *
 * Translated code reaches this struct by constant addresses, and what is hot stands first.
 *
 * Convention: a function that may raise an exception returns bool. False: an exception is recorded in
 * cpu->fault; nothing of the instruction has happened (SDM vol. 3 §6.5: faults are restartable); return false at once.
 *
 * Owner: the vCPU's thread, but for the fields marked "any thread". Files of this folder that translated code can
 * call are built without vector registers (the guest's are live): see docs/engine.md, "Vector state".
 */
#ifndef RH_TARGET_I386_TCG_CPU_H
#define RH_TARGET_I386_TCG_CPU_H

#include "target/i386/state.h"
#include "target/i386/tcg/decode.h"

/* Bits of CR0 and CR4, SDM vol. 3 §2.5; PE, PG, PAE and LA57 are in target/i386/state.h */
#define RH_CR0_MP       0x00000002u
#define RH_CR0_EM       0x00000004u
#define RH_CR0_TS       0x00000008u
#define RH_CR0_ET       0x00000010u
#define RH_CR0_WP       0x00010000u
#define RH_CR0_AM       0x00040000u
#define RH_CR0_NW       0x20000000u
#define RH_CR0_CD       0x40000000u
#define RH_CR4_VME      0x00000001u
#define RH_CR4_PVI      0x00000002u
#define RH_CR4_TSD      0x00000004u
#define RH_CR4_DE       0x00000008u
#define RH_CR4_PSE      0x00000010u
#define RH_CR4_PGE      0x00000080u
#define RH_CR4_PCE      0x00000100u
#define RH_CR4_OSFXSR   0x00000200u
#define RH_CR4_OSXMMEXCPT 0x00000400u
#define RH_CR4_UMIP     0x00000800u
#define RH_CR4_FSGSBASE 0x00010000u
#define RH_CR4_PCIDE    0x00020000u
#define RH_CR4_OSXSAVE  0x00040000u
#define RH_CR4_SMEP     0x00100000u
#define RH_CR4_SMAP     0x00200000u

#define RH_DR6_BD 0x00002000u
#define RH_DR6_BS 0x00004000u
#define RH_DR6_BT 0x00008000u
#define RH_DR7_GD 0x00002000u

#define RH_RFLAGS_TF   0x00000100u
#define RH_RFLAGS_DF   0x00000400u
#define RH_RFLAGS_IOPL 0x00003000u
#define RH_RFLAGS_NT   0x00004000u
#define RH_RFLAGS_RF   0x00010000u
#define RH_RFLAGS_VM   0x00020000u
#define RH_RFLAGS_AC   0x00040000u
#define RH_RFLAGS_VIF  0x00080000u
#define RH_RFLAGS_VIP  0x00100000u
#define RH_RFLAGS_ID   0x00200000u

/** Exception vectors, SDM vol. 3 table 6-1 */
enum {
    RH_EXC_DE = 0, RH_EXC_DB = 1, RH_EXC_NMI = 2, RH_EXC_BP = 3, RH_EXC_OF = 4, RH_EXC_BR = 5, RH_EXC_UD = 6, RH_EXC_NM = 7,
    RH_EXC_DF = 8, RH_EXC_TS = 10, RH_EXC_NP = 11, RH_EXC_SS = 12, RH_EXC_GP = 13, RH_EXC_PF = 14, RH_EXC_MF = 16,
    RH_EXC_AC = 17, RH_EXC_MC = 18, RH_EXC_XM = 19,
};

/** RhTlbMode - whose view of memory: tables differ in what a page's U/S bit allows */
typedef enum RhTlbMode {
    RH_TLB_KERNEL,      /* CPL < 3; user pages are refused under SMAP */
    RH_TLB_USER,        /* CPL 3 */
    RH_TLB_KERNEL_AC,   /* CPL < 3 with SMAP and RFLAGS.AC: user pages are allowed */
    RH_NR_TLB_MODES
} RhTlbMode;

/**
 * RhTlbEntry - one virtual page. An address hits when address + minus_X (modulo 2^64) is at most 4096 - size: that sum then
 * is the offset in the page. An entry that is not valid for X holds the negated address of a page that another entry would
 * hold (rh_tlb_never), so that no address at all can hit it.
 */
typedef struct RhTlbEntry {
    uint64_t minus_read;
    uint64_t minus_write;   /* valid only when dirty is set in the page table, and no translated code is in the page */
    uint8_t *host;          /* of the page's first byte; RAM and ROM alone: device pages never hit */
    uint64_t addend;        /* host address minus linear address */
} RhTlbEntry;
enum { RH_TLB_ENTRIES = 4096, RH_PAGE_BITS = 12, RH_PAGE_SIZE = 4096 };

/** RhDecoded - an instruction that the interpreter has decoded; good as long as its bytes are those in memory */
typedef struct RhDecoded {
    RhInsn insn;
    uint8_t code_size;      /* RhCodeSize it was decoded for; 0: empty */
} RhDecoded;
enum { RH_DECODED_ENTRIES = 1024 };

/** RhFault - the exception that the current instruction raised */
typedef struct RhFault {
    uint8_t vector;
    bool has_error;
    bool is_software;       /* INT n, INT3, INTO: no error code for the privilege check of the gate */
    bool is_trap;           /* RIP to be saved is behind the instruction */
    uint32_t error;
    uint64_t cr2;           /* RH_EXC_PF */
    uint64_t dr6;           /* RH_EXC_DB: bits to set */
} RhFault;

/** RhTcgRequests - why the engine is to leave guest code; set by any thread with rh_tcg_request */
enum {
    RH_TCG_KICK      = 1u << 0,     /* vcpu_run returns */
    RH_TCG_INTR      = 1u << 1,     /* INTR is up: level, not consumed by looking */
    RH_TCG_NMI       = 1u << 2,
    RH_TCG_SMI       = 1u << 3,
    RH_TCG_INIT      = 1u << 4,     /* RhAccel.initialize has something to do */
    RH_TCG_FLUSH     = 1u << 5,     /* the memory map changed: forget every host pointer */
    RH_TCG_SHOOT     = 1u << 6,     /* other vCPUs ask to drop pages: cpu->shoot */
};

/** RhTcgVector - x87, SSE and AVX state in the standard format of XSAVE: what the CPU's XSAVE writes, SDM vol. 1 §13.4 */
typedef struct RhTcgVector {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t fip, fdp;      /* always 0 to the guest: docs/engine.md */
    uint32_t mxcsr, mxcsr_mask;
    uint8_t st[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96];
    uint64_t xstate_bv, xcomp_bv;
    uint8_t header[48];
    uint8_t ymm_high[16][16];
} RhTcgVector;
G_STATIC_ASSERT(sizeof(RhTcgVector) == 832);

/** RhJump - jump cache: the translated code of the block at @rip, good while @key is the cpu->jump_key of its half */
typedef struct RhJump {
    uint64_t rip;
    uint32_t key;
    uint32_t code;          /* bytes from the start of code memory */
} RhJump;
enum { RH_JUMPS = 32768 };

/** RhShootList - what other vCPUs ask of this one's translated code and TLB: accel/tcg/codepages.c, under its lock */
typedef enum RhShootKind { RH_SHOOT_PROTECT, RH_SHOOT_DROP } RhShootKind;
enum { RH_SHOOT_MAX = 32 };
typedef struct RhShootList {
    unsigned nr;
    bool is_all;                /* more than there was room for: forget everything */
    uint64_t item[RH_SHOOT_MAX];/* address of a page, and the kind in bit 0 */
    uint64_t asked, answered;   /* counts; atomic */
} RhShootList;

/** RhFetchEntry - one page of code, for fetching: hits as RhTlbEntry does. No page without host memory is in it. */
typedef struct RhFetchEntry {
    uint64_t minus;
    uint8_t *host;
    uint64_t gpa;
    bool is_global;
} RhFetchEntry;
enum { RH_FETCH_ENTRIES = 256 };

/** RhLargePages - hashed: pieces of the linear space that have entries of large pages */
typedef struct RhLargePages {
    uint64_t in_4m[16], in_1g[16];
} RhLargePages;

/** RhTcgRange - a piece of the memory map, whole pages: [start, end) */
typedef struct RhTcgRange {
    uint64_t start, end;
    uint8_t *host;          /* of start; NULL: device memory, or nothing */
    bool is_writable;
} RhTcgRange;
enum { RH_TCG_RANGES = 16 };

typedef struct RhTcgCpu RhTcgCpu;
struct RhTcgCpu {
    /* --- what translated code touches --- */
    uint64_t gpr[RH_NR_GPR];
    uint64_t rip;                   /* of the instruction being executed; behind it once it is done */
    uint64_t next_rip;              /* behind that instruction: set before rh_tcg_far_jump and rh_tcg_iret, which may switch tasks */
    uint64_t rflags;                /* all of them, in the interpreter; translated code keeps status flags elsewhere meanwhile */
    uint32_t attention;             /* not 0: look at requests before the next block */
    uint32_t requests;              /* RH_TCG_*; any thread, atomic */
    uint64_t segment_base[RH_NR_SEG];   /* mirror of seg[].base, for translated code */
    uint64_t scratch[16];           /* translated code's and its stubs' own */
    uint32_t jump_key[2];           /* by half of the address space: generation, and the mode in the low byte; accel/tcg/jit.c */
    uint32_t jump_generation[2];
    uint32_t last_generation;       /* given to half 0 */
    uint16_t jump_pcid;             /* whose generation half 0 has */
    uint8_t next_space;
    struct { uint16_t pcid; uint32_t generation; } spaces[8];   /* of other PCIDs; generation 0: none */
    RhJump jumps[RH_JUMPS];
    RhTlbEntry tlb[RH_NR_TLB_MODES][RH_TLB_ENTRIES] __attribute__((aligned(64)));
    RhTcgVector vector __attribute__((aligned(64)));

    /* --- the rest of the architecture --- */
    RhX86Segment seg[RH_NR_SEG];
    RhX86Table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8;
    uint64_t dr[4], dr6, dr7;
    uint64_t pdptr[4];              /* PAE paging: as loaded by MOV to CR3 */
    uint64_t xcr0, xss;
    uint64_t efer, apic_base;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, tsc_adjust, tsc_aux, tsc_deadline;
    int64_t tsc_offset;             /* guest TSC = host TSC + this; atomic: timers read it (rh_tcg_clock_wait) */
    uint64_t told_tsc;              /* the TSC that rh_tcg_to_state gave last */
    uint64_t smbase;
    RhX86Msr msrs[RH_X86_MAX_MSRS]; /* MTRRs and others without a meaning here */
    uint32_t nr_msrs;

    /* --- derived: rh_tcg_settle() makes it from the above --- */
    uint8_t cpl;                    /* SS.DPL; 0 in real mode, 3 in virtual-8086 mode */
    uint8_t code_size;              /* RhCodeSize of CS */
    uint8_t stack_size;             /* 2, 4, 8: of SS, or 8 in 64-bit code */
    uint8_t tlb_mode;               /* RhTlbMode of ordinary accesses now */
    bool is_long;                   /* EFER.LMA */
    bool is_64;                     /* is_long and CS.L */
    bool is_protected;              /* CR0.PE */
    bool is_v86;
    bool is_flat;                   /* CS, DS, ES, SS: base 0, limit 4 GiB - 1 (or 64-bit code): segmentation checks nothing */
    bool has_sse, has_avx;          /* CR0, CR4, XCR0 allow them now */
    uint64_t physical_mask;         /* bits of a physical address that exist: MAXPHYADDR */
    uint64_t features[2];           /* RhInsnFeature bits that the guest's CPU has */
    uint64_t cr4_allowed, efer_allowed, xcr0_allowed;   /* what the guest's CPU has; other bits give #GP */

    bool has_code_breakpoints;      /* rh_tcg_check_code_breakpoint has something to look at before each instruction */
    bool has_1g_pages;              /* CPUID says so: PS in a PDPTE is not reserved */

    /* --- what mmu.c remembers: forgotten by rh_tlb_flush(cpu, false) --- */
    bool is_tlb_ready;              /* the entries hold something that never hits, at least */
    uint64_t tlb_gpa[RH_NR_TLB_MODES][RH_TLB_ENTRIES];          /* of each entry's page; bit 0: global page */
    uint64_t tlb_used[RH_NR_TLB_MODES][2][RH_TLB_ENTRIES / 64]; /* which entries are valid: of local, of global pages */
    RhFetchEntry fetch[2][RH_FETCH_ENTRIES];    /* code as supervisor and user */
    uint64_t fetch_used[2][RH_FETCH_ENTRIES / 64];
    RhLargePages large[2][2];       /* in the lower and the upper half of the linear space; local, global */
    RhTcgRange ranges[RH_TCG_RANGES];
    unsigned nr_ranges, next_range;

    /* --- events --- */
    RhFault fault;                  /* valid while an exception is being raised */
    uint8_t shadow;                 /* interrupt shadow: bit 0 after MOV SS/POP SS, bit 1 after STI; for one instruction */
    bool is_nmi_masked;
    bool is_in_smm;
    bool is_halted;                 /* HLT; an interrupt ends it */
    bool is_shut_down;              /* triple fault: the run loop returns RH_RUN_RESET */
    uint64_t pending_dr6;           /* B0-B3, BT: what the instruction has set off; rh_tcg_check_traps */
    bool has_injected_fault;        /* cpu->fault came with loaded state: delivered before the first instruction */
    bool has_injected_interrupt;
    uint8_t injected_interrupt;
    uint8_t mp_state;               /* RhX86MpState: WAIT for SIPI or runnable */

    /* --- wiring --- */
    RhVcpu *vcpu;
    RhVm *vm;
    const RhCpuidEntry *cpuid;
    size_t nr_cpuid;
    bool is_in_guest;               /* between the first and the last instruction of vcpu_run; atomic, read by others */
    RhShootList shoot;
    uint64_t map_generation;        /* of vm->memory when the TLB was flushed for it last */
    struct RhTcg *tcg;              /* the accelerator: accel/tcg/tcg.h */
    struct RhTcgClock *clock;       /* the machine's, or NULL: pvclock.h */
    struct RhTcgJit *jit;           /* translated code of this vCPU, or NULL: interpreter only */
    struct RhStubs *stubs;          /* of vector and x87 instructions: stub.h */
    RhDecoded decoded[RH_DECODED_ENTRIES];  /* the interpreter's own (interp.c) */
    bool is_vector_live;            /* the guest's vector state is in the host's registers, not in cpu->vector */
};

/** rh_tcg_awaits_virtual - VME, PVI: VIF and VIP are both set where the CPU looks at them, SDM vol. 3 §20.3.2: #GP at the next instruction */
static inline bool rh_tcg_awaits_virtual(const RhTcgCpu *cpu)
{
    const uint64_t both = RH_RFLAGS_VIF | RH_RFLAGS_VIP;

    return (cpu->rflags & both) == both && cpu->cpl == 3 && (cpu->rflags & RH_RFLAGS_IOPL) != RH_RFLAGS_IOPL &&
           (cpu->cr4 & (cpu->is_v86 ? RH_CR4_VME : RH_CR4_PVI));
}

static inline bool rh_tcg_has(const RhTcgCpu *cpu, RhInsnFeature feature)
{
    return cpu->features[feature / 64] >> (feature % 64) & 1;
}

/** rh_jump_index - where the jump cache has @rip; functions a page apart get different places */
static inline uint64_t rh_jump_index(uint64_t rip)
{
    return (rip ^ rip >> RH_PAGE_BITS) & (RH_JUMPS - 1);
}

static inline uint64_t rh_tlb_index(uint64_t address)
{
    return address >> RH_PAGE_BITS & (RH_TLB_ENTRIES - 1);
}

/** rh_tlb_never - minus_read or minus_write of entry @index that no address hits */
static inline uint64_t rh_tlb_never(uint64_t index)
{
    return -((index ^ 1) << RH_PAGE_BITS);
}

/** rh_tcg_fit - F3 before BSF and BSR means nothing to a CPU without TZCNT and LZCNT */
static inline void rh_tcg_fit(const RhTcgCpu *cpu, RhInsn *insn)
{
    if ((insn->op == RH_OP_TZCNT && !rh_tcg_has(cpu, RH_FEAT_BMI1)) ||
        (insn->op == RH_OP_LZCNT && !rh_tcg_has(cpu, RH_FEAT_LZCNT))) {
        insn->op = insn->op == RH_OP_TZCNT ? RH_OP_BSF : RH_OP_BSR;
        insn->feature = RH_FEAT_BASE;
        insn->pp = 0;
    }
}

/* ---- exceptions (exception.c) ---- */

/** rh_tcg_raise - record an exception with an error code; returns false, to be returned */
bool rh_tcg_raise(RhTcgCpu *cpu, unsigned vector, uint32_t error);
/** rh_tcg_raise_plain - ... without an error code */
bool rh_tcg_raise_plain(RhTcgCpu *cpu, unsigned vector);
static inline bool rh_tcg_gp0(RhTcgCpu *cpu) { return rh_tcg_raise(cpu, RH_EXC_GP, 0); }
static inline bool rh_tcg_ud(RhTcgCpu *cpu) { return rh_tcg_raise_plain(cpu, RH_EXC_UD); }

/**
 * rh_tcg_deliver_fault - enter the handler of cpu->fault; contributory faults become #DF, then a shutdown
 * (cpu->is_shut_down). cpu->rip must be that of the instruction (faults), or behind it (traps).
 */
void rh_tcg_deliver_fault(RhTcgCpu *cpu);
/** rh_tcg_deliver_interrupt - an external interrupt of that vector */
void rh_tcg_deliver_interrupt(RhTcgCpu *cpu, uint8_t vector);
/** rh_tcg_deliver_nmi */
void rh_tcg_deliver_nmi(RhTcgCpu *cpu);
/** rh_tcg_software_interrupt - INT n, INT3, INTO, INT1 (is_int1): gate checks, then its handler; @next_rip is pushed */
bool rh_tcg_software_interrupt(RhTcgCpu *cpu, uint8_t vector, uint64_t next_rip, bool is_int_n);

/* ---- memory (mmu.c) ---- */

typedef enum RhAccess { RH_ACCESS_READ, RH_ACCESS_WRITE, RH_ACCESS_FETCH } RhAccess;

/**
 * rh_tcg_load/store - access memory at linear address @at with the rights of @mode; @size is 1, 2, 4, 8. May cross pages: then
 * both are checked before either is touched. Aligned ones in RAM are single-copy atomic; so is any within a cache line, as on a CPU.
 */
bool rh_tcg_load(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t *ret);
bool rh_tcg_store(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned size, uint64_t value);
/** rh_tcg_load_bytes/store_bytes - any length up to a page; all pages are checked before the first byte moves */
bool rh_tcg_load_bytes(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, void *ret, unsigned len);
bool rh_tcg_store_bytes(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, const void *bytes, unsigned len);
/** rh_tcg_probe - raise what an access would raise, and do nothing else (sets accessed and dirty bits) */
bool rh_tcg_probe(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, RhAccess access);
/**
 * rh_tcg_host - the host address for a direct (read-modify-write, locked) access to [@at, @at + @len), checked for writing.
 * *@ret is NULL where there is none: device memory, ROM, or two pages. A page with translated code: the code goes first.
 */
bool rh_tcg_host(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, unsigned len, RhAccess access, void **ret);
/** rh_tcg_fetch - up to @max instruction bytes at linear address @at, as many as its page has; at least one, or a fault */
bool rh_tcg_fetch(RhTcgCpu *cpu, uint64_t at, uint8_t *ret, unsigned max, unsigned *ret_nr);
/** rh_tcg_fetch_page - physical address and host address (NULL: no RAM) of the page that holds code at @at */
bool rh_tcg_fetch_page(RhTcgCpu *cpu, uint64_t at, uint64_t *ret_gpa, uint8_t **ret_host);
/** rh_tcg_translate_debug - for debuggers: the physical address behind @at, or UINT64_MAX; raises and sets nothing */
uint64_t rh_tcg_translate_debug(RhTcgCpu *cpu, uint64_t at);

/** rh_tlb_fill - make an entry for @at, or raise; false too (without a fault, *@is_fast false) never happens: device pages return true and *@is_fast false */
bool rh_tlb_fill(RhTcgCpu *cpu, RhTlbMode mode, uint64_t at, RhAccess access, bool *is_fast);
/**
 * rh_tlb_flush - all entries; @keep_global: but those of global pages. Also what hangs on them: cached jumps. Without
 * keep_global what is known of the memory map goes as well (RH_TCG_FLUSH).
 */
void rh_tlb_flush(RhTcgCpu *cpu, bool keep_global);
/**
 * rh_tlb_switch - MOV to CR3: all entries but global ones; cached jumps of another PCID wait until it comes back, and are good
 * then if @keep_old (bit 63 of CR3)
 */
void rh_tlb_switch(RhTcgCpu *cpu, unsigned pcid, bool keep_old);
/** rh_tlb_flush_page - INVLPG: the page (large or not) that holds @at, in all modes */
void rh_tlb_flush_page(RhTcgCpu *cpu, uint64_t at);
/** rh_tlb_protect - translated code now is in the physical page @gpa: no entry may write to it */
void rh_tlb_protect(RhTcgCpu *cpu, uint64_t gpa);

/**
 * Code pages (codepages.c): rh_tcg_page_has_code - some vCPU has translated code of the physical page; rh_tcg_code_written - it
 * is about to be written to; rh_tcg_forget_jumps - linear addresses may lead elsewhere now
 */
bool rh_tcg_page_has_code(RhTcgCpu *cpu, uint64_t gpa);
void rh_tcg_code_written(RhTcgCpu *cpu, uint64_t gpa_of_page);
void rh_tcg_forget_jumps(RhTcgCpu *cpu, bool keep_global);
/** rh_tcg_switch_jumps - another address space: those cached for it before, if @keep_old */
void rh_tcg_switch_jumps(RhTcgCpu *cpu, unsigned pcid, bool keep_old);
/** rh_tcg_forget_jumps_to - ... but only those to the page of 4 KiB at @at */
void rh_tcg_forget_jumps_to(RhTcgCpu *cpu, uint64_t at);
/** rh_tcg_is_global_code - the last fetch from @at found a global page: where it leads survives rh_tlb_flush(cpu, true) */
bool rh_tcg_is_global_code(const RhTcgCpu *cpu, uint64_t at);

/* Physical accesses of the walker, SMM and the like: no paging. RAM directly, else through the dispatcher. */
uint64_t rh_tcg_phys_load(RhTcgCpu *cpu, uint64_t gpa, unsigned size);
void rh_tcg_phys_store(RhTcgCpu *cpu, uint64_t gpa, unsigned size, uint64_t value);

/* ---- segments and control transfer (segment.c, transfer.c, task.c) ---- */

/**
 * rh_tcg_linear - the linear address of @offset in segment @seg (RH_ES...) for an access of @len bytes, or #GP(0)/#SS(0): limits, rights,
 * null selectors in protected mode; canonical form in 64-bit code. @len 0: no check but of form.
 */
bool rh_tcg_linear(RhTcgCpu *cpu, unsigned seg, uint64_t offset, unsigned len, RhAccess access, uint64_t *ret);
/** rh_tcg_load_segment - MOV to ES, SS, DS, FS, GS and POP: protected mode checks and descriptor load, or real mode */
bool rh_tcg_load_segment(RhTcgCpu *cpu, unsigned seg, uint16_t selector);
bool rh_tcg_load_ldt(RhTcgCpu *cpu, uint16_t selector);
bool rh_tcg_load_tr(RhTcgCpu *cpu, uint16_t selector);
/** rh_tcg_far_jump/call - @size is the operand size; @next_rip is what a call pushes */
bool rh_tcg_far_jump(RhTcgCpu *cpu, uint16_t selector, uint64_t offset, unsigned size);
bool rh_tcg_far_call(RhTcgCpu *cpu, uint16_t selector, uint64_t offset, unsigned size, uint64_t next_rip);
bool rh_tcg_far_return(RhTcgCpu *cpu, unsigned size, uint16_t pop_bytes);
bool rh_tcg_iret(RhTcgCpu *cpu, unsigned size);
bool rh_tcg_syscall(RhTcgCpu *cpu, uint64_t next_rip);
bool rh_tcg_sysret(RhTcgCpu *cpu, unsigned size);
bool rh_tcg_sysenter(RhTcgCpu *cpu);
bool rh_tcg_sysexit(RhTcgCpu *cpu, unsigned size);
/** LAR, LSL, VERR, VERW: *@ret_ok is ZF; *@ret the rights or the limit */
bool rh_tcg_lar(RhTcgCpu *cpu, uint16_t selector, bool *ret_ok, uint32_t *ret);
bool rh_tcg_lsl(RhTcgCpu *cpu, uint16_t selector, bool *ret_ok, uint32_t *ret);
bool rh_tcg_verify(RhTcgCpu *cpu, uint16_t selector, bool for_write, bool *ret_ok);
/** rh_tcg_check_io - port access allowed: IOPL and the bitmap in the TSS, or #GP(0) */
bool rh_tcg_check_io(RhTcgCpu *cpu, uint16_t port, unsigned size);

/* ---- control and model-specific registers (control.c, msr.c, smm.c) ---- */

bool rh_tcg_write_cr(RhTcgCpu *cpu, unsigned nr, uint64_t value);
bool rh_tcg_read_cr(RhTcgCpu *cpu, unsigned nr, uint64_t *ret);
bool rh_tcg_write_dr(RhTcgCpu *cpu, unsigned nr, uint64_t value);
bool rh_tcg_read_dr(RhTcgCpu *cpu, unsigned nr, uint64_t *ret);
bool rh_tcg_write_xcr(RhTcgCpu *cpu, uint32_t nr, uint64_t value);
bool rh_tcg_read_msr(RhTcgCpu *cpu, uint32_t index, uint64_t *ret);     /* #GP(0) where there is none */
bool rh_tcg_write_msr(RhTcgCpu *cpu, uint32_t index, uint64_t value);
void rh_tcg_cpuid(RhTcgCpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t ret[4]);
uint64_t rh_tcg_tsc(const RhTcgCpu *cpu);
static inline void rh_tcg_set_tsc_offset(RhTcgCpu *cpu, int64_t offset)
{
    __atomic_store_n(&cpu->tsc_offset, offset, __ATOMIC_RELAXED);
}
/** rh_tcg_set_rflags - write the bits of @mask; settles AC (SMAP), asks for attention when IF or TF came up, or VIF with VIP */
void rh_tcg_set_rflags(RhTcgCpu *cpu, uint64_t value, uint64_t mask);
/** rh_tcg_enter_smm, rh_tcg_rsm */
void rh_tcg_enter_smm(RhTcgCpu *cpu);
bool rh_tcg_rsm(RhTcgCpu *cpu);
/** rh_tcg_settle - make everything derived from registers; after any change of CR0, CR4, EFER, XCR0, CS, SS, segments, CPL, AC */
void rh_tcg_settle(RhTcgCpu *cpu);
/** rh_tcg_check_code_breakpoint - before an instruction at @linear, where has_code_breakpoints; RF is looked at */
bool rh_tcg_check_code_breakpoint(RhTcgCpu *cpu, uint64_t linear);
/**
 * rh_tcg_check_traps - between two instructions: false: cpu->fault holds the #DB that data breakpoints or a task switch have set
 * off, or the #GP of a virtual interrupt that the program is ready for, to be delivered before interrupts are. Whenever one is
 * due, attention is set. The #DB of a single step takes the others along.
 */
bool rh_tcg_check_traps(RhTcgCpu *cpu);
/** rh_tcg_note_data_access - mmu.c calls it for pages that DR0-DR3 watch; nobody else has to */
void rh_tcg_note_data_access(RhTcgCpu *cpu, uint64_t linear, unsigned size, bool is_write);
/** rh_tcg_note_io_access - after IN, OUT, INS, OUTS, where DR7 has anything enabled */
void rh_tcg_note_io_access(RhTcgCpu *cpu, uint16_t port, unsigned size);

/* ---- vector state and instructions (vector.c, xstate.c) ---- */

/** rh_tcg_vector_init - false and @err where the host does not let us execute code that we made: then there is no engine */
bool rh_tcg_vector_init(RhTcgCpu *cpu, GError **err);
void rh_tcg_vector_fini(RhTcgCpu *cpu);
/** rh_tcg_mxcsr_mask - bits of MXCSR that the guest may set */
uint32_t rh_tcg_mxcsr_mask(RhTcgCpu *cpu);
/** rh_tcg_vector_step - execute a RH_OP_VECTOR, RH_OP_EMMS or RH_OP_X87 instruction; checks CR0/CR4 first (#UD, #NM), raises #XM, #MF, #GP by alignment */
bool rh_tcg_vector_step(RhTcgCpu *cpu, const RhInsn *insn);
/** rh_tcg_xstate_step - FXSAVE, FXRSTOR, the XSAVE family, LDMXCSR, STMXCSR */
bool rh_tcg_xstate_step(RhTcgCpu *cpu, const RhInsn *insn);
/** rh_tcg_xinuse - components of XCR0 that are not in their initial state (MXCSR counts for SSE): XGETBV with ECX = 1 */
uint64_t rh_tcg_xinuse(const RhTcgCpu *cpu);

/* ---- the interpreter (interp*.c) ---- */

/**
 * rh_tcg_step - decode and execute one instruction at cpu->rip. False: cpu->fault tells of an exception that the caller delivers;
 * cpu->rip is still that of the instruction, or with fault.is_trap (a single step) of the next. True: done, cpu->rip is that of
 * the next; of a string instruction, perhaps its own: it leaves now and then, so that interrupts are taken.
 */
bool rh_tcg_step(RhTcgCpu *cpu);
/** rh_tcg_execute - the same for an instruction already decoded */
bool rh_tcg_execute(RhTcgCpu *cpu, const RhInsn *insn);
/** rh_tcg_operand_address - the linear address of the memory operand, checked for an access of @len bytes */
bool rh_tcg_operand_address(RhTcgCpu *cpu, const RhInsn *insn, unsigned len, RhAccess access, uint64_t *ret);

/* ---- state in and out (state.c) ---- */

/**
 * rh_tcg_cpu_new - a CPU at reset with the leaves of @vcpu's model, below 2 GiB; @vcpu NULL (tests): every feature, no leaves.
 * @vm may be NULL where nothing reaches memory. NULL: there is no room so low.
 */
RhTcgCpu *rh_tcg_cpu_new(RhVm *vm, RhVcpu *vcpu, GError **err);
void rh_tcg_cpu_free(RhTcgCpu *cpu);
/** rh_tcg_request - ask for attention; any thread. Does not wake a vCPU that sleeps: rh_vcpu_kick does. */
void rh_tcg_request(RhTcgCpu *cpu, uint32_t requests);
/** rh_tcg_reload_pdptrs - PAE: read the four entries again, without checks */
void rh_tcg_reload_pdptrs(RhTcgCpu *cpu);
/** rh_tcg_settle_debug - DR7 changed: make has_code_breakpoints, and let data accesses be seen (debug.c) */
void rh_tcg_settle_debug(RhTcgCpu *cpu);
static inline uint64_t rh_tcg_host_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

/** rh_tcg_from_state/to_state - between the CPU object's state and the engine's; the vCPU's thread, or with it paused */
void rh_tcg_from_state(RhTcgCpu *cpu, const RhX86State *state);
void rh_tcg_to_state(RhTcgCpu *cpu, RhX86State *state);

#endif
