/*
 * A machine for tests of the engine's parts: RAM, a ROM, a device that keeps a log, and one RhTcgCpu that
 * nobody runs. rig_enter puts it into a mode with flat segments, a GDT, an IDT, a TSS and page tables.
 */
#ifndef RH_TESTS_TCG_RIG_H
#define RH_TESTS_TCG_RIG_H

#include "target/i386/tcg/cpu.h"

enum {
    RIG_RAM_SIZE = 0x1000000,
    RIG_ROM = 0x2000000,        /* 64 KiB */
    RIG_ROM_SIZE = 0x10000,
    RIG_MMIO = 0x3000000,       /* 4 KiB of registers of the device */
    /* in RAM */
    RIG_GDT = 0x1000,
    RIG_IDT = 0x2000,
    RIG_TSS = 0x3000,           /* limit: RIG_TSS_LIMIT */
    RIG_TSS_LIMIT = 0x87,       /* 32 ports in the I/O bitmap */
    RIG_LDT = 0x4000,
    RIG_CODE = 0x8000,
    RIG_STACK = 0x10000,        /* stacks grow down from here: ring 0 */
    RIG_RING0_STACK = 0x11000,  /* ... that of the TSS */
    RIG_USER_STACK = 0x14000,
    RIG_TABLES = 0x100000,      /* page tables, as many as are needed */
    RIG_PAGES = 0x200000,       /* RAM from here is the test's */
    RIG_LOG_SIZE = 64,
};

/* Selectors of the GDT, without RPL */
enum {
    RIG_CODE64 = 0x08,          /* ring 0 */
    RIG_DATA = 0x10,
    RIG_USER_CODE32 = 0x18,
    RIG_USER_DATA = 0x20,
    RIG_USER_CODE64 = 0x28,
    RIG_CODE32 = 0x30,
    RIG_TR = 0x38,              /* 16 bytes */
    RIG_LDTR = 0x48,            /* 16 bytes */
    RIG_CODE16 = 0x58,
    RIG_DATA16 = 0x60,
    RIG_FREE = 0x68,            /* from here on the test's, to RIG_GDT_LIMIT */
    RIG_GDT_LIMIT = 0xfff,
};

typedef enum RigMode { RIG_REAL, RIG_PROTECTED, RIG_PAGED, RIG_PAE, RIG_LONG, RIG_COMPAT } RigMode;

typedef struct RigAccess {
    bool is_write;
    unsigned size;
    uint64_t at;                /* offset in the registers */
    uint64_t value;
} RigAccess;

typedef struct Rig {
    RhVm *vm;
    RhRam *ram, *rom;
    RhRegion ram_region, rom_region, mmio;
    RhRam *smram;               /* NULL: rig_add_smram was not called */
    RhRegion smm_root, smm_rest, smram_region;
    RhX86Vcpu x86;
    RhTcgCpu *cpu;
    RigMode mode;
    uint64_t next_table;
    RigAccess log[RIG_LOG_SIZE];
    unsigned nr_log;
    uint64_t answer;            /* what reads of the device give */
} Rig;

/** rig_new - the CPU is at reset; ended by rig_free */
Rig *rig_new(void);
void rig_free(Rig *rig);
/** rig_add_smram - the same memory, but for @size bytes at @gpa, where a CPU in system management mode sees rig->smram */
void rig_add_smram(Rig *rig, uint64_t gpa, uint64_t size);

/**
 * rig_enter - make tables and registers of @mode at @cpl (0 or 3; real mode: 0). RIP is RIG_CODE, RSP RIG_STACK or RIG_USER_STACK.
 * With paging all of RAM is mapped at its own address for everyone. The IDT is empty.
 */
void rig_enter(Rig *rig, RigMode mode, unsigned cpl);
/** rig_map - one page of @size bytes at @linear to @entry: physical address and flags as in the page table. Above RAM. */
void rig_map(Rig *rig, uint64_t linear, uint64_t entry, uint64_t size);
/** rig_entry_at - physical address of the last entry that rig_map wrote for @linear, at the level of @size */
uint64_t rig_entry_at(Rig *rig, uint64_t linear, uint64_t size);

void rig_poke(Rig *rig, uint64_t gpa, unsigned size, uint64_t value);
uint64_t rig_peek(Rig *rig, uint64_t gpa, unsigned size);
/** rig_descriptor - write 8 bytes of a descriptor to the GDT; access as in state.h */
void rig_descriptor(Rig *rig, uint16_t selector, uint32_t base, uint32_t limit, uint32_t access);
/** rig_gate - an entry of the IDT; type as in SDM vol. 3 table 3-2, real mode: offset and selector alone */
void rig_gate(Rig *rig, unsigned vector, unsigned type, unsigned dpl, uint16_t selector, uint64_t offset);
/** rig_gate_descriptor - a gate's 8 bytes (16 with @is_long), without the table */
void rig_gate_at(Rig *rig, uint64_t gpa, unsigned type, unsigned dpl, uint16_t selector, uint64_t offset, bool is_long);
/** rig_code - bytes at RIG_CODE */
void rig_code(Rig *rig, const void *bytes, unsigned len);

#endif
