/*
 * The interpreter: instructions one by one, by tables of bytes, state before and state after. What undefined flags are, and
 * that common instructions do what the CPU does on any input, is the differential test's business.
 */
#include "tcg-rig.h"

#include "softmmu/vm.h"

enum { DATA = RIG_PAGES, END = RIG_RAM_SIZE /* nothing is mapped from here on */, MAX_STEPS = 64 };
#define CF RH_FLAG_CF
#define PF RH_FLAG_PF
#define AF RH_FLAG_AF
#define ZF RH_FLAG_ZF
#define SF RH_FLAG_SF
#define OF RH_FLAG_OF

/* A register or a piece of memory; size 0: the end of a list, or a register. */
typedef struct Gpr {
    bool is_there;
    uint8_t nr;
    uint64_t value;
} Gpr;
typedef struct Memory {
    uint8_t size;
    uint64_t at;
    uint64_t value;
} Memory;
#define R(nr, value) { true, RH_##nr, value }
#define M(size, at, value) { size, at, value }
#define CODE(bytes) .code = bytes, .len = sizeof(bytes) - 1
#define FAULT(nr) .is_fault = true, .vector = RH_EXC_##nr

/* What stands in no "after" is as it was before. Registers have some value of their own if "before" names none. */
typedef struct Case {
    const char *name;
    const char *code;
    unsigned len;
    RigMode mode;
    unsigned cpl;
    Gpr before[5];
    Memory memory[4];
    uint64_t rflags;            /* more than bit 1 */
    Gpr after[5];
    Memory memory_after[4];
    bool sets_flags;
    uint64_t rflags_after;
    uint64_t rip;               /* 0: behind the instruction */
    bool is_fault;
    uint8_t vector;
    uint32_t error;
    uint64_t cr2;
} Case;

#define L RIG_LONG
#define P RIG_PROTECTED
#define REAL RIG_REAL
#define EDGE (UINT64_C(1) << 47)

static const Case cases[] = {
    /* --- registers --- */
    { "32 bits clear the upper half", CODE("\x89\xd8"), L, .before = { R(RBX, UINT64_MAX) }, .after = { R(RAX, UINT32_MAX) } },
    { "16 bits do not", CODE("\x66\x89\xd8"), L, .before = { R(RAX, UINT64_MAX), R(RBX, 0) },
      .after = { R(RAX, UINT64_C(0xffffffffffff0000)) } },
    { "8 bits do not", CODE("\x88\xd8"), L, .before = { R(RAX, UINT64_MAX), R(RBX, 0) },
      .after = { R(RAX, UINT64_C(0xffffffffffffff00)) } },
    { "mov ah, bl", CODE("\x88\xdc"), L, .before = { R(RAX, 0), R(RBX, 0x12ab) }, .after = { R(RAX, 0xab00) } },
    { "mov al, bh", CODE("\x88\xf8"), L, .before = { R(RAX, 0), R(RBX, 0x12ab) }, .after = { R(RAX, 0x12) } },
    { "mov al, dil", CODE("\x40\x88\xf8"), L, .before = { R(RAX, 0), R(RDI, 0x34), R(RBX, 0x12ab) }, .after = { R(RAX, 0x34) } },
    { "add ch, dh", CODE("\x00\xf5"), L, .before = { R(RCX, 0x7f01), R(RDX, 0x0102) }, .after = { R(RCX, 0x8001) },
      .sets_flags = true, .rflags_after = OF | SF | AF },
    { "cmove not taken still clears", CODE("\x0f\x44\xc3"), L, .before = { R(RAX, UINT64_MAX), R(RBX, 7) },
      .after = { R(RAX, UINT32_MAX) } },
    { "cmove not taken still reads", CODE("\x0f\x44\x03"), L, .before = { R(RBX, END) }, FAULT(PF), .cr2 = END },
    { "movzx eax, bh", CODE("\x0f\xb6\xc7"), L, .before = { R(RBX, 0xfe00) }, .after = { R(RAX, 0xfe) } },
    { "movsx rax, bl", CODE("\x48\x0f\xbe\xc3"), L, .before = { R(RBX, 0x80) }, .after = { R(RAX, UINT64_C(0xffffffffffffff80)) } },
    { "movsxd", CODE("\x48\x63\xc3"), L, .before = { R(RBX, 0x80000000) }, .after = { R(RAX, UINT64_C(0xffffffff80000000)) } },
    { "cwde", CODE("\x98"), L, .before = { R(RAX, 0x8000) }, .after = { R(RAX, 0xffff8000) } },
    { "cqo", CODE("\x48\x99"), L, .before = { R(RAX, UINT64_MAX) }, .after = { R(RDX, UINT64_MAX) } },
    { "bswap", CODE("\x0f\xc8"), L, .before = { R(RAX, UINT64_C(0xffffffff01020304)) }, .after = { R(RAX, 0x04030201) } },
    { "lea with 67", CODE("\x67\x48\x8d\x04\x1b"), L, .before = { R(RBX, UINT64_C(0x1c0000001)) }, .after = { R(RAX, 0x80000002) } },
    { "xchg with itself in 32 bits", CODE("\x87\xdb"), L, .before = { R(RBX, UINT64_MAX) }, .after = { R(RBX, UINT32_MAX) } },
    { "xadd of a register with itself", CODE("\x0f\xc1\xdb"), L, .before = { R(RBX, 3) }, .after = { R(RBX, 6) },
      .sets_flags = true, .rflags_after = PF },
    { "lahf", CODE("\x9f"), L, .before = { R(RAX, 0) }, .rflags = CF | ZF | OF, .after = { R(RAX, 0x4300) } },
    { "sahf leaves OF", CODE("\x9e"), L, .before = { R(RAX, 0xff00) }, .rflags = OF,
      .sets_flags = true, .rflags_after = CF | PF | AF | ZF | SF | OF },

    /* --- arithmetic --- */
    { "adc carries", CODE("\x11\xd8"), L, .before = { R(RAX, UINT32_MAX), R(RBX, 0) }, .rflags = CF, .after = { R(RAX, 0) },
      .sets_flags = true, .rflags_after = CF | PF | AF | ZF },
    { "inc leaves CF", CODE("\xff\xc0"), L, .before = { R(RAX, UINT32_MAX) }, .rflags = CF, .after = { R(RAX, 0) },
      .sets_flags = true, .rflags_after = CF | PF | AF | ZF },
    { "shl by 0 leaves flags and clears", CODE("\xd3\xe0"), L, .before = { R(RAX, UINT64_MAX), R(RCX, 32) }, .rflags = CF | OF | ZF,
      .after = { R(RAX, UINT32_MAX) } },
    { "shld by 16 of 16 bits", CODE("\x66\x0f\xa4\xd8\x10"), L, .before = { R(RAX, 1), R(RBX, 0x8002) }, .after = { R(RAX, 0x8002) },
      .sets_flags = true, .rflags_after = CF | SF },
    { "imul of three", CODE("\x6b\xc3\xfe"), L, .before = { R(RBX, 5) }, .after = { R(RAX, 0xfffffff6) },
      .sets_flags = true, .rflags_after = SF | PF },
    { "mul", CODE("\x48\xf7\xe3"), L, .before = { R(RAX, UINT64_MAX), R(RBX, 2) }, .after = { R(RAX, UINT64_MAX - 1), R(RDX, 1) },
      .sets_flags = true, .rflags_after = CF | OF | SF },
    { "div", CODE("\xf7\xf3"), L, .before = { R(RAX, 7), R(RDX, 1), R(RBX, 16) }, .after = { R(RAX, 0x10000000), R(RDX, 7) } },
    { "div by 0", CODE("\xf7\xf3"), L, .before = { R(RBX, 0) }, FAULT(DE) },
    { "div too large", CODE("\x48\xf7\xf3"), L, .before = { R(RDX, 5), R(RBX, 5) }, FAULT(DE) },
    { "idiv of the least by -1", CODE("\x48\xf7\xfb"), L,
      .before = { R(RAX, UINT64_C(1) << 63), R(RDX, UINT64_MAX), R(RBX, UINT64_MAX) }, FAULT(DE) },
    { "idiv of -2^127 by -1", CODE("\x48\xf7\xfb"), L,
      .before = { R(RAX, 0), R(RDX, UINT64_C(1) << 63), R(RBX, UINT64_MAX) }, FAULT(DE) },
    { "idiv bytes", CODE("\xf6\xfb"), L, .before = { R(RAX, 0xff80), R(RBX, 1) }, .after = { R(RAX, 0x0080) } },
    { "idiv bytes too large", CODE("\xf6\xfb"), L, .before = { R(RAX, 0xff80), R(RBX, 0xff) }, FAULT(DE) },
    { "aam 0", CODE("\xd4\x00"), P, FAULT(DE) },
    { "aam", CODE("\xd4\x0a"), P, .before = { R(RAX, 0x63) }, .after = { R(RAX, 0x0909) }, .sets_flags = true, .rflags_after = PF },
    { "aad", CODE("\xd5\x0a"), P, .before = { R(RAX, 0x0907) }, .after = { R(RAX, 0x61) },
      .sets_flags = true, .rflags_after = AF },
    { "daa", CODE("\x27"), P, .before = { R(RAX, 0xae) }, .after = { R(RAX, 0x14) }, .sets_flags = true, .rflags_after = CF | AF | PF },
    { "das", CODE("\x2f"), P, .before = { R(RAX, 0xee) }, .rflags = CF | AF, .after = { R(RAX, 0x88) },
      .sets_flags = true, .rflags_after = CF | AF | SF | PF },
    { "aaa", CODE("\x37"), P, .before = { R(RAX, 0x000f) }, .after = { R(RAX, 0x0105) },
      .sets_flags = true, .rflags_after = CF | AF | PF },
    { "bsf of 0 leaves all of the register", CODE("\x0f\xbc\xc3"), L, .before = { R(RAX, UINT64_MAX), R(RBX, 0) },
      .sets_flags = true, .rflags_after = ZF | PF },

    /* --- memory --- */
    { "add to memory", CODE("\x01\x03"), L, .before = { R(RAX, 1), R(RBX, DATA) }, .memory = { M(8, DATA, UINT32_MAX) },
      .memory_after = { M(8, DATA, 0) }, .sets_flags = true, .rflags_after = CF | PF | AF | ZF },
    { "lock add across pages", CODE("\xf0\x01\x03"), L, .before = { R(RAX, 0x01000001), R(RBX, DATA + 0xffe) },
      .memory = { M(4, DATA + 0xffe, 0x7fffffff) }, .memory_after = { M(4, DATA + 0xffe, 0x81000000) },
      .sets_flags = true, .rflags_after = OF | SF | AF | PF },
    { "neither page is touched if one faults", CODE("\x01\x03"), L, .before = { R(RAX, 1), R(RBX, END - 2) },
      .memory = { M(2, END - 2, 0x1234) }, .memory_after = { M(2, END - 2, 0x1234) }, FAULT(PF), .error = 2, .cr2 = END },
    { "xchg", CODE("\x87\x03"), L, .before = { R(RAX, 1), R(RBX, DATA) }, .memory = { M(4, DATA, 2) },
      .after = { R(RAX, 2) }, .memory_after = { M(4, DATA, 1) } },
    { "cmpxchg of equals", CODE("\xf0\x0f\xb1\x0b"), L, .before = { R(RAX, UINT64_C(0xf00000002)), R(RBX, DATA), R(RCX, 3) },
      .memory = { M(4, DATA, 2) }, .memory_after = { M(4, DATA, 3) }, .sets_flags = true, .rflags_after = ZF | PF },
    { "cmpxchg of others", CODE("\xf0\x0f\xb1\x0b"), L, .before = { R(RAX, UINT64_C(0xf00000001)), R(RBX, DATA), R(RCX, 3) },
      .memory = { M(4, DATA, 2) }, .after = { R(RAX, 2) }, .sets_flags = true, .rflags_after = CF | PF | AF | SF },
    { "cmpxchg8b", CODE("\x0f\xc7\x0f"), L,
      .before = { R(RAX, 1), R(RDX, 2), R(RBX, 3), R(RCX, 4), R(RDI, DATA) }, .memory = { M(8, DATA, UINT64_C(0x200000001)) },
      .memory_after = { M(8, DATA, UINT64_C(0x400000003)) }, .sets_flags = true, .rflags_after = ZF },
    { "cmpxchg16b", CODE("\xf0\x48\x0f\xc7\x0f"), L,
      .before = { R(RAX, 1), R(RDX, 2), R(RBX, 3), R(RCX, 4), R(RDI, DATA) }, .memory = { M(8, DATA, 1), M(8, DATA + 8, 2) },
      .memory_after = { M(8, DATA, 3), M(8, DATA + 8, 4) }, .sets_flags = true, .rflags_after = ZF },
    { "cmpxchg16b that fails", CODE("\x48\x0f\xc7\x0f"), L, .before = { R(RAX, 1), R(RDX, 2), R(RDI, DATA) },
      .memory = { M(8, DATA, 1), M(8, DATA + 8, 5) }, .after = { R(RDX, 5) } },
    { "cmpxchg16b, not aligned", CODE("\x48\x0f\xc7\x0f"), L, .before = { R(RDI, DATA + 8) }, FAULT(GP) },
    { "bts counts bits backwards, too", CODE("\x48\x0f\xab\x03"), L, .before = { R(RAX, UINT64_MAX), R(RBX, DATA + 8) },
      .memory_after = { M(8, DATA, UINT64_C(1) << 63), M(8, DATA + 8, 0) } },
    { "bt of 16 bits takes 16 bits of the count", CODE("\x66\x0f\xa3\x03"), L,
      .before = { R(RAX, UINT64_C(0xabc0000ffff)), R(RBX, DATA + 2) }, .memory = { M(4, DATA, 0x8000) },
      .sets_flags = true, .rflags_after = CF },
    { "btc by an immediate stays in the operand", CODE("\x0f\xba\x3b\x21"), L, .before = { R(RBX, DATA) },
      .memory_after = { M(8, DATA, 2) } },
    { "movbe", CODE("\x0f\x38\xf1\x03"), L, .before = { R(RAX, 0x01020304), R(RBX, DATA) }, .memory_after = { M(8, DATA, 0x04030201) } },
    { "crc32 of a byte", CODE("\xf2\x0f\x38\xf0\xc3"), L, .before = { R(RAX, UINT64_C(0xf00000000)), R(RBX, 1) },
      .after = { R(RAX, 0xf26b8303) } },
    { "xlat", CODE("\xd7"), L, .before = { R(RAX, 0xff), R(RBX, DATA) }, .memory = { M(1, DATA + 0xff, 0x5a) }, .after = { R(RAX, 0x5a) } },
    { "RIP-relative", CODE("\x8b\x05\x00\x10\x00\x00"), L, .memory = { M(4, RIG_CODE + 0x1006, 0x1234) }, .after = { R(RAX, 0x1234) } },
    { "RIP-relative by EIP", CODE("\x67\x8b\x05\x00\x10\x00\x00"), L, .memory = { M(4, RIG_CODE + 0x1007, 0x1234) },
      .after = { R(RAX, 0x1234) } },
    { "absolute address", CODE("\xa1\x00\x00\x20\x00\x00\x00\x00\x00"), L, .memory = { M(4, DATA, 0x1234) }, .after = { R(RAX, 0x1234) } },
    { "not canonical", CODE("\x8b\x03"), L, .before = { R(RBX, UINT64_C(1) << 47) }, FAULT(GP) },
    { "canonical at its beginning alone", CODE("\x48\x8b\x03"), L, .before = { R(RBX, EDGE - 4) }, FAULT(GP) },
    { "fld, canonical in its first access", CODE("\xdb\x2b"), L, .before = { R(RBX, EDGE - 8) }, FAULT(PF), .cr2 = EDGE - 8 },
    { "fld, canonical in less", CODE("\xdb\x2b"), L, .before = { R(RBX, EDGE - 7) }, FAULT(GP) },
    { "fstp, in the stack", CODE("\xdb\x7d\x00"), L, .before = { R(RBP, EDGE - 7) }, FAULT(SS) },
    { "fbstp", CODE("\xdf\x33"), L, .before = { R(RBX, EDGE - 9) }, FAULT(PF), .error = 2, .cr2 = EDGE - 9 },
    { "fnstenv", CODE("\xd9\x33"), L, .before = { R(RBX, EDGE - 4) }, FAULT(PF), .error = 2, .cr2 = EDGE - 4 },
    { "fnstenv, canonical in less", CODE("\xd9\x33"), L, .before = { R(RBX, EDGE - 3) }, FAULT(GP) },
    { "fnsave of 16 bits", CODE("\x66\xdd\x33"), L, .before = { R(RBX, EDGE - 2) }, FAULT(PF), .error = 2, .cr2 = EDGE - 2 },
    { "frstor", CODE("\xdd\x23"), L, .before = { R(RBX, EDGE - 107) }, FAULT(PF), .cr2 = EDGE - 107 },
    { "far jump, canonical in its first access", CODE("\xff\x2b"), L, .before = { R(RBX, EDGE - 4) }, FAULT(PF), .cr2 = EDGE - 4 },
    { "not canonical, in the stack", CODE("\x8b\x45\x00"), L, .before = { R(RBP, UINT64_C(1) << 63) }, FAULT(SS) },
    { "16-bit addresses wrap", CODE("\x8a\x00"), REAL, .before = { R(RBX, 0xffff), R(RSI, 2) }, .memory = { M(1, 1, 0x5a) },
      .after = { R(RAX, 0x5a) } },
    { "16-bit operands do not", CODE("\x8b\x07"), REAL, .before = { R(RBX, 0xffff) }, FAULT(GP) },
    { "... in the stack", CODE("\x8b\x46\x00"), REAL, .before = { R(RBP, 0xffff) }, FAULT(SS) },
    { "beyond 64 KiB by a 32-bit address", CODE("\x67\x8a\x03"), REAL, .before = { R(RBX, 0x10000) }, FAULT(GP) },

    /* --- the stack --- */
    { "push rsp", CODE("\x54"), L, .after = { R(RSP, RIG_STACK - 8) }, .memory_after = { M(8, RIG_STACK - 8, RIG_STACK) } },
    { "pop rsp", CODE("\x5c"), L, .memory = { M(8, RIG_STACK, 0x1234) }, .after = { R(RSP, 0x1234) } },
    { "push of 16 bits", CODE("\x66\x6a\xff"), L, .after = { R(RSP, RIG_STACK - 2) }, .memory_after = { M(8, RIG_STACK - 4, 0xffff0000) } },
    { "push of a sign", CODE("\x6a\xff"), L, .after = { R(RSP, RIG_STACK - 8) }, .memory_after = { M(8, RIG_STACK - 8, UINT64_MAX) } },
    { "pop to [rsp] uses the new one", CODE("\x8f\x04\x24"), L, .memory = { M(8, RIG_STACK, 0x1234) },
      .after = { R(RSP, RIG_STACK + 8) }, .memory_after = { M(8, RIG_STACK, 0x1234), M(8, RIG_STACK + 8, 0x1234) } },
    { "pop that faults leaves RSP", CODE("\x8f\x03"), L, .before = { R(RBX, END) }, FAULT(PF), .error = 2, .cr2 = END },
    { "push of a segment writes 2 bytes of 4", CODE("\x06"), P, .memory = { M(4, RIG_STACK - 4, UINT32_MAX) },
      .after = { R(RSP, RIG_STACK - 4) }, .memory_after = { M(4, RIG_STACK - 4, 0xffff0000 | RIG_DATA) } },
    { "SP wraps", CODE("\x50"), REAL, .before = { R(RAX, 0x1234), R(RSP, UINT64_C(0xabc0000)) }, .after = { R(RSP, 0xabcfffe) },
      .memory_after = { M(2, 0xfffe, 0x1234) } },
    { "... not within a push", CODE("\x50"), REAL, .before = { R(RSP, 1) }, FAULT(SS) },
    { "enter", CODE("\xc8\x20\x00\x02"), L, .before = { R(RBP, DATA + 0x100) }, .memory = { M(8, DATA + 0xf8, 0x1234) },
      .after = { R(RBP, RIG_STACK - 8), R(RSP, RIG_STACK - 24 - 32) },
      .memory_after = { M(8, RIG_STACK - 8, DATA + 0x100), M(8, RIG_STACK - 16, 0x1234), M(8, RIG_STACK - 24, RIG_STACK - 8) } },
    { "enter, 16-bit stack", CODE("\x66\xc8\x10\x00\x00"), REAL, .before = { R(RSP, 0xabc8000), R(RBP, 0x12349000) },
      .after = { R(RBP, 0xabc7ffc), R(RSP, 0xabc7fec) }, .memory_after = { M(4, 0x7ffc, 0x12349000) } },
    { "enter, 16-bit operand", CODE("\xc8\x10\x00\x00"), REAL, .before = { R(RSP, 0xabc8000), R(RBP, 0x12349000) },
      .after = { R(RBP, 0x12347ffe), R(RSP, 0xabc7fee) }, .memory_after = { M(2, 0x7ffe, 0x9000) } },
    { "leave", CODE("\xc9"), L, .before = { R(RBP, DATA) }, .memory = { M(8, DATA, 0x1234) },
      .after = { R(RBP, 0x1234), R(RSP, DATA + 8) } },
    { "pusha", CODE("\x60"), P, .before = { R(RAX, 1), R(RDI, 2) }, .after = { R(RSP, RIG_STACK - 32) },
      .memory_after = { M(4, RIG_STACK - 4, 1), M(4, RIG_STACK - 20, RIG_STACK), M(4, RIG_STACK - 32, 2) } },
    { "popf cannot raise privilege", CODE("\x9d"), L, .cpl = 3, .memory = { M(8, RIG_USER_STACK, 0x3ed7) }, .after = { R(RSP, RIG_USER_STACK + 8) },
      .sets_flags = true, .rflags_after = 0xcd5 },

    /* --- jumps --- */
    { "jmp back", CODE("\xeb\xee"), L, .rip = RIG_CODE - 16 },
    { "jz not taken", CODE("\x74\x10"), L },
    { "jz taken", CODE("\x74\x10"), L, .rflags = ZF, .rip = RIG_CODE + 18 },
    { "jl", CODE("\x0f\x8c\x10\x00\x00\x00"), L, .rflags = OF, .rip = RIG_CODE + 22 },
    { "loop by ECX", CODE("\x67\xe2\x10"), L, .before = { R(RCX, UINT64_C(0x100000000)) }, .after = { R(RCX, UINT32_MAX) },
      .rip = RIG_CODE + 19 },
    { "jrcxz", CODE("\xe3\x10"), L, .before = { R(RCX, UINT64_C(0x100000000)) } },
    { "jecxz", CODE("\x67\xe3\x10"), L, .before = { R(RCX, UINT64_C(0x100000000)) }, .rip = RIG_CODE + 19 },
    { "call", CODE("\xe8\x10\x00\x00\x00"), L, .after = { R(RSP, RIG_STACK - 8) }, .memory_after = { M(8, RIG_STACK - 8, RIG_CODE + 5) },
      .rip = RIG_CODE + 21 },
    { "call through memory", CODE("\xff\x13"), L, .before = { R(RBX, DATA) }, .memory = { M(8, DATA, 0x4321) },
      .after = { R(RSP, RIG_STACK - 8) }, .memory_after = { M(8, RIG_STACK - 8, RIG_CODE + 2) }, .rip = 0x4321 },
    { "ret 8", CODE("\xc2\x08\x00"), L, .memory = { M(8, RIG_STACK, 0x4321) }, .after = { R(RSP, RIG_STACK + 16) }, .rip = 0x4321 },
    { "ret to nowhere", CODE("\xc3"), L, .memory = { M(8, RIG_STACK, UINT64_C(1) << 62) }, FAULT(GP) },
    { "jmp to nowhere", CODE("\xff\xe3"), L, .before = { R(RBX, UINT64_C(1) << 47) }, FAULT(GP) },
    { "call to nowhere leaves RSP", CODE("\xff\xd3"), L, .before = { R(RBX, UINT64_C(1) << 47) }, FAULT(GP) },
    { "16-bit jumps wrap", CODE("\xe9\x00\x81"), REAL, .rip = 0x103 },
    { "32-bit ones leave the segment", CODE("\x66\xe9\x00\x80\x00\x00"), REAL, FAULT(GP) },
    { "bound", CODE("\x62\x03"), P, .before = { R(RAX, 5), R(RBX, DATA) }, .memory = { M(4, DATA, 1), M(4, DATA + 4, 5) } },
    { "bound exceeded", CODE("\x62\x03"), P, .before = { R(RAX, 0xffffffff), R(RBX, DATA) }, .memory = { M(4, DATA, 1), M(4, DATA + 4, 5) },
      FAULT(BR) },
    { "bound of which the lower one tells", CODE("\x62\x03"), RIG_COMPAT, .before = { R(RAX, 0), R(RBX, END - 4) }, .memory = { M(4, END - 4, 1) },
      FAULT(BR) },
    { "bound of which it does not", CODE("\x62\x03"), RIG_COMPAT, .before = { R(RAX, 1), R(RBX, END - 4) }, .memory = { M(4, END - 4, 1) },
      FAULT(PF), .cr2 = END },
    { "into without OF", CODE("\xce"), P },

    /* --- strings --- */
    { "movsb", CODE("\xa4"), L, .before = { R(RSI, DATA), R(RDI, DATA + 0x100) }, .memory = { M(1, DATA, 0x5a) },
      .after = { R(RSI, DATA + 1), R(RDI, DATA + 0x101) }, .memory_after = { M(1, DATA + 0x100, 0x5a) } },
    { "rep of nothing touches nothing", CODE("\xf3\xa4"), L, .before = { R(RCX, 0), R(RSI, END), R(RDI, END) } },
    { "rep movsb that overlaps", CODE("\xf3\xa4"), L, .before = { R(RCX, 7), R(RSI, DATA), R(RDI, DATA + 1) }, .memory = { M(1, DATA, 0x5a) },
      .after = { R(RCX, 0), R(RSI, DATA + 7), R(RDI, DATA + 8) }, .memory_after = { M(8, DATA, UINT64_C(0x5a5a5a5a5a5a5a5a)) } },
    { "rep stosd downwards", CODE("\xf3\xab"), L, .before = { R(RAX, 0x5a5a5a5a), R(RCX, 3), R(RDI, DATA + 8) }, .rflags = RH_RFLAGS_DF,
      .after = { R(RCX, 0), R(RDI, DATA - 4) }, .memory_after = { M(8, DATA, UINT64_C(0x5a5a5a5a5a5a5a5a)), M(8, DATA + 8, 0x5a5a5a5a) } },
    { "rep stosq across pages", CODE("\xf3\x48\xab"), L, .before = { R(RAX, 1), R(RCX, 3), R(RDI, DATA + 0xff4) },
      .after = { R(RCX, 0), R(RDI, DATA + 0x100c) }, .memory_after = { M(8, DATA + 0xff4, 1), M(8, DATA + 0xffc, 1), M(8, DATA + 0x1004, 1) } },
    { "rep stosb by ECX and EDI", CODE("\x67\xf3\xaa"), L,
      .before = { R(RAX, 0x5a), R(RCX, UINT64_C(0x100000002)), R(RDI, UINT64_C(0x100000000) + DATA) },
      .after = { R(RCX, 0), R(RDI, DATA + 2) }, .memory_after = { M(8, DATA, 0x5a5a) } },
    { "cmpsb reads ES:RDI first", CODE("\xa6"), L, .before = { R(RSI, END), R(RDI, END + 0x1001) }, FAULT(PF), .cr2 = END + 0x1001 },
    { "repe cmpsb does, too", CODE("\xf3\xa6"), L, .before = { R(RCX, 9), R(RSI, UINT64_C(1) << 62), R(RDI, END) }, FAULT(PF), .cr2 = END },
    { "movsb reads, then looks where to", CODE("\xa4"), L, .before = { R(RSI, END), R(RDI, UINT64_C(1) << 62) }, FAULT(PF), .cr2 = END },
    { "repe cmpsb", CODE("\xf3\xa6"), L, .before = { R(RCX, 8), R(RSI, DATA), R(RDI, DATA + 0x10) },
      .memory = { M(8, DATA, 0x030201), M(8, DATA + 0x10, 0x040201) }, .after = { R(RCX, 5), R(RSI, DATA + 3), R(RDI, DATA + 0x13) },
      .sets_flags = true, .rflags_after = CF | PF | AF | SF },
    { "repne scasb", CODE("\xf2\xae"), L, .before = { R(RAX, 0), R(RCX, 8), R(RDI, DATA) }, .memory = { M(8, DATA, 0x00626160) },
      .after = { R(RCX, 4), R(RDI, DATA + 4) }, .sets_flags = true, .rflags_after = ZF | PF },
    { "rep lodsw", CODE("\x66\xf3\xad"), L, .before = { R(RAX, 0), R(RCX, 3), R(RSI, DATA) }, .memory = { M(8, DATA, UINT64_C(0x444433332222)) },
      .after = { R(RAX, 0x4444), R(RCX, 0), R(RSI, DATA + 6) } },

    /* --- system --- */
    { "lock of a register", CODE("\xf0\x01\xd8"), L, FAULT(UD) },
    { "ud2", CODE("\x0f\x0b"), L, FAULT(UD) },
    { "vmcall", CODE("\x0f\x01\xc1"), L, FAULT(UD) },
    { "hlt of a program", CODE("\xf4"), L, .cpl = 3, FAULT(GP) },
    { "cli of a program", CODE("\xfa"), L, .cpl = 3, FAULT(GP) },
    { "cli with IOPL", CODE("\xfa"), L, .cpl = 3, .rflags = RH_RFLAGS_IOPL | RH_RFLAGS_IF, .sets_flags = true, .rflags_after = RH_RFLAGS_IOPL },
    { "sti", CODE("\xfb"), L, .sets_flags = true, .rflags_after = RH_RFLAGS_IF },
    { "monitor of a program", CODE("\x0f\x01\xc8"), L, .cpl = 3, FAULT(UD) },
    { "clac of a program", CODE("\x0f\x01\xca"), L, .cpl = 3, FAULT(UD) },
    { "sldt in real mode", CODE("\x0f\x00\xc0"), REAL, FAULT(UD) },
    { "smsw eax", CODE("\x0f\x01\xe0"), L, .cpl = 3, .after = { R(RAX, 0x80010011) } },
    { "rdpmc", CODE("\x0f\x33"), L, FAULT(GP) },
    { "xgetbv without OSXSAVE", CODE("\x0f\x01\xd0"), L, FAULT(UD) },
    { "swapgs of a program", CODE("\x0f\x01\xf8"), L, .cpl = 3, FAULT(GP) },
    { "clts", CODE("\x0f\x06"), L },
    { "mov to CR1", CODE("\x0f\x22\xc8"), L, FAULT(UD) },
    { "mov from CR0", CODE("\x0f\x20\xc0"), L, .after = { R(RAX, 0x80010011) } },
    { "verr of nothing", CODE("\x0f\x00\xe0"), L, .before = { R(RAX, 0) }, .rflags = ZF, .sets_flags = true },
    { "lsl", CODE("\x0f\x03\xc3"), L, .before = { R(RBX, RIG_TR) }, .after = { R(RAX, RIG_TSS_LIMIT) }, .sets_flags = true, .rflags_after = ZF },
    { "arpl", CODE("\x63\xd8"), P, .before = { R(RAX, 0x10), R(RBX, 3) }, .after = { R(RAX, 0x13) }, .sets_flags = true, .rflags_after = ZF },
    { "arpl of memory", CODE("\x63\x03"), P, .before = { R(RAX, 2), R(RBX, DATA) }, .memory = { M(2, DATA, 0x11) },
      .memory_after = { M(2, DATA, 0x12) }, .sets_flags = true, .rflags_after = ZF },
    { "arpl reads first", CODE("\x63\x03"), RIG_COMPAT, .before = { R(RBX, END) }, FAULT(PF), .cr2 = END },
    { "arpl does not write what is the same", CODE("\x2e\x63\x03"), P, .before = { R(RAX, 2), R(RBX, DATA) }, .rflags = ZF,
      .memory = { M(2, DATA, 0x12) }, .memory_after = { M(2, DATA, 0x12) }, .sets_flags = true },
    { "arpl of code", CODE("\x2e\x63\x03"), P, .before = { R(RAX, 2), R(RBX, DATA) }, .memory = { M(2, DATA, 0x11) }, FAULT(GP) },
    { "sgdt", CODE("\x0f\x01\x03"), L, .before = { R(RBX, DATA) }, .memory_after = { M(2, DATA, RIG_GDT_LIMIT), M(8, DATA + 2, RIG_GDT) } },
    { "wrmsr of a program", CODE("\x0f\x30"), L, .cpl = 3, FAULT(GP) },
    { "in of a program", CODE("\xe4\xf0"), L, .cpl = 3, FAULT(GP) },
    { "16 bytes", CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"), L, FAULT(GP) },
};

static void set_up(Rig *rig, const Case *c)
{
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, c->mode, c->cpl);
    memset(rig->ram->host + DATA, 0, 0x2000);
    memset(rig->ram->host + RIG_STACK - 0x100, 0, 0x200);
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        cpu->gpr[i] = i == RH_RSP ? cpu->gpr[i] : UINT64_C(0x0101010101010101) * i;
    }
    for (unsigned i = 0; i < RH_COUNT(c->before) && c->before[i].is_there; i++) {
        cpu->gpr[c->before[i].nr] = c->before[i].value;
    }
    for (unsigned i = 0; i < RH_COUNT(c->memory) && c->memory[i].size; i++) {
        rig_poke(rig, c->memory[i].at, c->memory[i].size, c->memory[i].value);
    }
    cpu->rflags = c->rflags | 2;
    rig_code(rig, c->code, c->len);
}

static void check_registers(const Case *c, const RhTcgCpu *cpu, const uint64_t before[RH_NR_GPR])
{
    uint64_t expected[RH_NR_GPR];

    memcpy(expected, before, sizeof(expected));
    for (unsigned i = 0; i < RH_COUNT(c->after) && c->after[i].is_there; i++) {
        expected[c->after[i].nr] = c->after[i].value;
    }
    for (unsigned i = 0; i < RH_NR_GPR; i++) {
        if (cpu->gpr[i] != expected[i]) {
            g_test_message("%s: register %u", c->name, i);
            g_assert_cmphex(cpu->gpr[i], ==, expected[i]);
        }
    }
}

static void check_case(Rig *rig, const Case *c)
{
    RhTcgCpu *cpu = rig->cpu;
    uint64_t before[RH_NR_GPR];
    uint64_t rflags = c->sets_flags ? c->rflags_after : c->rflags;
    unsigned nr_steps = 0;
    bool is_done;

    g_test_message("%s", c->name);
    set_up(rig, c);
    memcpy(before, cpu->gpr, sizeof(before));
    do {
        is_done = rh_tcg_step(cpu);
    } while (is_done && cpu->rip == RIG_CODE && ++nr_steps < MAX_STEPS);
    g_assert_cmpint(is_done, ==, !c->is_fault);
    if (c->is_fault) {
        g_assert_cmpuint(cpu->fault.vector, ==, c->vector);
        g_assert_cmphex(cpu->fault.error, ==, c->error | (c->vector == RH_EXC_PF && c->cpl == 3 ? 4 : 0));
        g_assert_cmphex(cpu->fault.cr2, ==, c->cr2);
        g_assert_cmphex(cpu->rip, ==, RIG_CODE);
    } else {
        g_assert_cmphex(cpu->rip, ==, c->rip ? c->rip : RIG_CODE + c->len);
    }
    check_registers(c, cpu, before);
    g_assert_cmphex(cpu->rflags, ==, rflags | 2);
    for (unsigned i = 0; i < RH_COUNT(c->memory_after) && c->memory_after[i].size; i++) {
        g_assert_cmphex(rig_peek(rig, c->memory_after[i].at, c->memory_after[i].size), ==, c->memory_after[i].value);
    }
}

static void test_cases(void)
{
    Rig *rig = rig_new();

    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        check_case(rig, &cases[i]);
    }
    rig_free(rig);
}

/* ---- what a table does not say ---- */

/* CMPXCHG writes, whatever it compares; so do RMW instructions whose value does not change. */
static void test_read_only_page(void)
{
    static const char *const codes[] = { "\x0f\xb1\x0b", "\x09\x0b\x90", "\x87\x0b\x90" };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (size_t i = 0; i < RH_COUNT(codes); i++) {
        rig_enter(rig, RIG_LONG, 3);
        rig_map(rig, END, DATA | 5, RH_PAGE_SIZE);      /* present, user */
        rig_code(rig, codes[i], 3);
        cpu->gpr[RH_RBX] = END + 8;
        cpu->gpr[RH_RCX] = 0;
        g_assert_false(rh_tcg_step(cpu));
        g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_PF);
        g_assert_cmphex(cpu->fault.error, ==, 7);
        g_assert_cmphex(cpu->fault.cr2, ==, END + 8);
    }
    rig_free(rig);
}

/* Read-modify-write of a device: one read, one write, locked or not. */
static void test_device(void)
{
    static const char *const codes[] = { "\xf0\x01\x03", "\x01\x03\x90", "\x87\x03\x90" };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (size_t i = 0; i < RH_COUNT(codes); i++) {
        rig_enter(rig, RIG_PROTECTED, 0);
        rig_code(rig, codes[i], 3);
        rig->nr_log = 0;
        rig->answer = 5;
        cpu->gpr[RH_RAX] = 2;
        cpu->gpr[RH_RBX] = RIG_MMIO + 8;
        g_assert_true(rh_tcg_step(cpu));
        g_assert_cmpuint(rig->nr_log, ==, 2);
        g_assert_false(rig->log[0].is_write);
        g_assert_true(rig->log[1].is_write);
        g_assert_cmpuint(rig->log[1].size, ==, 4);
        g_assert_cmphex(rig->log[1].at, ==, 8);
        g_assert_cmphex(rig->log[1].value, ==, i == 2 ? 2 : 7);
    }
    rig_free(rig);
}

/* Two threads count in one place: LOCK loses nothing, within a page and where there is no host address to lock. */
enum { COUNTS = 20000 };

static void *count(void *opaque)
{
    RhTcgCpu *cpu = opaque;

    for (unsigned i = 0; i < COUNTS; i++) {
        cpu->rip = RIG_CODE;
        g_assert_true(rh_tcg_step(cpu));
    }
    return NULL;
}

static void count_twice(Rig *rig, uint64_t at)
{
    RhTcgCpu *other = rh_tcg_cpu_new(rig->vm, &rig->x86.vcpu, NULL);
    pthread_t thread;

    rig_enter(rig, RIG_PROTECTED, 0);
    rig_code(rig, "\xf0\x01\x03", 3);
    rig_poke(rig, at, 4, 0);
    for (unsigned i = 0; i < RH_NR_SEG; i++) {
        other->seg[i] = rig->cpu->seg[i];
    }
    other->cr0 = rig->cpu->cr0;
    rh_tcg_settle(other);
    rig->cpu->gpr[RH_RAX] = other->gpr[RH_RAX] = 1;
    rig->cpu->gpr[RH_RBX] = other->gpr[RH_RBX] = at;
    thread = rh_thread_start("other", count, other);
    count(rig->cpu);
    pthread_join(thread, NULL);
    g_assert_cmpuint(rig_peek(rig, at, 4), ==, 2 * COUNTS);
    rh_tcg_cpu_free(other);
}

static void test_lock(void)
{
    Rig *rig = rig_new();

    count_twice(rig, DATA);
    count_twice(rig, DATA + 0xffe);
    rig_free(rig);
}

/* That SYSRET is not enabled comes before who may use it. */
static void test_sysret_refused(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (int has_sce = 0; has_sce < 2; has_sce++) {
        rig_enter(rig, RIG_LONG, 3);
        cpu->efer = has_sce ? cpu->efer | RH_EFER_SCE : cpu->efer & ~(uint64_t)RH_EFER_SCE;
        rig_code(rig, "\x48\x0f\x07", 3);
        g_assert_false(rh_tcg_step(cpu));
        g_assert_cmpuint(cpu->fault.vector, ==, has_sce ? RH_EXC_GP : RH_EXC_UD);
    }
    rig_free(rig);
}

/* A string instruction that faults in the middle has done what is before, and registers say so. */
static void test_string_fault(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;
    bool is_done;

    rig_enter(rig, RIG_LONG, 0);
    rig_code(rig, "\xf3\xa5", 2);
    cpu->gpr[RH_RSI] = DATA;
    cpu->gpr[RH_RDI] = END - 0x1002;
    cpu->gpr[RH_RCX] = 0x1000;
    memset(rig->ram->host + DATA, 0x5a, 0x4000);
    do {
        is_done = rh_tcg_step(cpu);
    } while (is_done && cpu->rip == RIG_CODE);
    g_assert_false(is_done);
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_PF);
    g_assert_cmphex(cpu->fault.cr2, ==, END);
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, END - 2);
    g_assert_cmphex(cpu->gpr[RH_RSI], ==, DATA + 0x1000);
    g_assert_cmphex(cpu->gpr[RH_RCX], ==, 0x1000 - 0x400);
    g_assert_cmphex(rig_peek(rig, END - 4, 2), ==, 0x5a5a);
    rig_free(rig);
}

/* A long one leaves now and then, for interrupts, with RIP on itself. */
/* An operand does not come round to offset 0 within, whatever the size of addresses; masked ones neither. */
static void test_masked_operand_is_one_piece(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, RIG_PROTECTED, 0);
    cpu->cr4 |= RH_CR4_OSXSAVE;
    cpu->xcr0 = 7;
    rh_tcg_settle(cpu);
    cpu->gpr[RH_RBX] = 0xfff8;
    memset(cpu->vector.xmm[0], 0x5a, 16);
    memset(cpu->vector.xmm[1], 0xff, 16);
    rig_code(rig, "\x67\xc4\xe2\x71\x2e\x07", 6);      /* vmaskmovps [bx], xmm1, xmm0 */
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(rig_peek(rig, 0xfff8, 8), ==, UINT64_C(0x5a5a5a5a5a5a5a5a));
    g_assert_cmphex(rig_peek(rig, 0x10000, 8), ==, UINT64_C(0x5a5a5a5a5a5a5a5a));
    rig_free(rig);
}

static void test_string_is_bounded(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;
    unsigned nr_steps = 1;

    rig_enter(rig, RIG_LONG, 0);
    rig_code(rig, "\xf3\xaa", 2);
    cpu->gpr[RH_RAX] = 0x5a;
    cpu->gpr[RH_RDI] = DATA;
    cpu->gpr[RH_RCX] = 0x40000;
    for (; nr_steps < 100; nr_steps++) {
        g_assert_true(rh_tcg_step(cpu));
        if (cpu->rip != RIG_CODE) {
            break;
        }
        g_assert_cmpuint(0x40000 - cpu->gpr[RH_RCX], <=, nr_steps * 0x8000);
    }
    g_assert_cmpuint(nr_steps, >, 4);
    g_assert_cmphex(cpu->gpr[RH_RCX], ==, 0);
    g_assert_cmphex(rig_peek(rig, DATA + 0x3fff8, 8), ==, UINT64_C(0x5a5a5a5a5a5a5a5a));
    rig_free(rig);
}

/* Instructions that lie in two pages; and what is written over code is executed at once. */
static void test_fetch(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, RIG_LONG, 0);
    rig_poke(rig, DATA + 0xffe, 2, 0x03b8);             /* mov eax, 3: two bytes here, three there */
    rig_poke(rig, DATA + 0x1000, 4, 0);
    cpu->rip = DATA + 0xffe;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(cpu->gpr[RH_RAX], ==, 3);
    g_assert_cmphex(cpu->rip, ==, DATA + 0x1003);

    cpu->rip = END - 2;
    rig_poke(rig, END - 2, 2, 0x03b8);
    g_assert_false(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_PF);
    g_assert_cmphex(cpu->fault.cr2, ==, END);
    rig_poke(rig, END - 2, 2, 0xc089);                  /* mov eax, eax: does not need the next page */
    g_assert_true(rh_tcg_step(cpu));

    for (unsigned i = 0; i < 4; i++) {
        rig_code(rig, "\xb0\x00", 2);
        rig_poke(rig, RIG_CODE + 1, 1, i);              /* mov al, i */
        cpu->rip = RIG_CODE;
        g_assert_true(rh_tcg_step(cpu));
        g_assert_cmphex(cpu->gpr[RH_RAX] & 0xff, ==, i);
    }
    rig_free(rig);
}

static void expect_trap(RhTcgCpu *cpu, bool is_trap, uint64_t rip)
{
    g_assert_cmpint(rh_tcg_step(cpu), ==, !is_trap);
    g_assert_cmphex(cpu->rip, ==, rip);
    if (is_trap) {
        g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_DB);
        g_assert_true(cpu->fault.is_trap);
        g_assert_cmphex(cpu->fault.dr6, ==, RH_DR6_BS);
    }
}

/* With the last page below the edge there, nothing is wrong but the rest. */
static void test_canonical_edge(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, RIG_LONG, 0);
    rig_map(rig, EDGE - RH_PAGE_SIZE, RIG_PAGES | 3, RH_PAGE_SIZE);
    rig_code(rig, "\xdb\x2b\xdb\x2b", 4);              /* fld tbyte [rbx], twice */
    cpu->gpr[RH_RBX] = EDGE - 10;
    g_assert_true(rh_tcg_step(cpu));
    cpu->gpr[RH_RBX] = EDGE - 8;
    g_assert_false(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_GP);
    rig_free(rig);
}

/* TF: a trap behind each instruction, and each repetition; none behind the one that sets it, or that loads SS. */
static void test_single_step(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, RIG_PROTECTED, 0);
    rig_code(rig, "\x9d\x90\x8e\xd0\x90\xf3\xaa", 7);    /* popf, nop, mov ss, nop, rep stosb */
    rig_poke(rig, RIG_STACK, 4, RH_RFLAGS_TF | 2);
    cpu->gpr[RH_RAX] = RIG_DATA;
    cpu->gpr[RH_RCX] = 2;
    cpu->gpr[RH_RDI] = DATA;
    expect_trap(cpu, false, RIG_CODE + 1);
    expect_trap(cpu, true, RIG_CODE + 2);
    expect_trap(cpu, false, RIG_CODE + 4);
    g_assert_cmpuint(cpu->shadow, ==, 1);
    expect_trap(cpu, true, RIG_CODE + 5);
    g_assert_cmpuint(cpu->shadow, ==, 0);
    expect_trap(cpu, true, RIG_CODE + 5);
    g_assert_cmphex(cpu->gpr[RH_RCX], ==, 1);
    expect_trap(cpu, true, RIG_CODE + 7);
    rig_free(rig);
}

/* STI holds interrupts off for one instruction, but only when it changes IF. */
static void test_sti_shadow(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    rig_enter(rig, RIG_LONG, 0);
    rig_code(rig, "\xfb\xfb\x90\xf4", 4);
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->shadow, ==, 2);
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->shadow, ==, 0);
    g_assert_true(rh_tcg_step(cpu));
    g_assert_false(cpu->is_halted);
    g_assert_true(rh_tcg_step(cpu));
    g_assert_true(cpu->is_halted);
    g_assert_cmphex(cpu->rip, ==, RIG_CODE + 4);
    rig_free(rig);
}

/* #AC for programs that want it, after page faults. */
static void test_alignment(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
        rig_enter(rig, RIG_LONG, cpl);
        cpu->cr0 |= 0x40000;
        cpu->rflags |= RH_RFLAGS_AC;
        rh_tcg_settle(cpu);
        rig_code(rig, "\x8b\x03", 2);
        cpu->gpr[RH_RBX] = DATA + 2;
        g_assert_cmpint(rh_tcg_step(cpu), ==, cpl == 0);
        if (cpl) {
            g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_AC);
            cpu->gpr[RH_RBX] = END + 2;
            g_assert_false(rh_tcg_step(cpu));
            g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_PF);
        }
    }
    rig_free(rig);
}

/* Features that the guest's CPU lacks, and CR4's say in what programs may do. */
static void test_permissions(void)
{
    static const struct {
        const char *code;
        uint64_t cr4;
        unsigned cpl;
        int vector;             /* -1: none */
    } rows[] = {
        { "\x0f\x31\x90\x90\x90", 0, 3, -1 },                   /* RDTSC, TSD */
        { "\x0f\x31\x90\x90\x90", 4, 3, RH_EXC_GP },
        { "\x0f\x31\x90\x90\x90", 4, 0, -1 },
        { "\x0f\x01\x03\x90\x90", 0, 3, -1 },                   /* SGDT, UMIP */
        { "\x0f\x01\x03\x90\x90", 0x800, 3, RH_EXC_GP },
        { "\x0f\x01\x03\x90\x90", 0x800, 0, -1 },
        { "\xf3\x48\x0f\xae\xd3", 0, 3, RH_EXC_UD },            /* WRFSBASE, FSGSBASE */
        { "\xf3\x48\x0f\xae\xd3", 0x10000, 3, -1 },
    };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        rig_enter(rig, RIG_LONG, rows[i].cpl);
        cpu->cr4 |= rows[i].cr4;
        rig_code(rig, rows[i].code, 5);
        cpu->gpr[RH_RBX] = DATA;
        g_assert_cmpint(rh_tcg_step(cpu), ==, rows[i].vector < 0);
        if (rows[i].vector >= 0) {
            g_assert_cmpuint(cpu->fault.vector, ==, rows[i].vector);
        }
    }
    g_assert_cmphex(cpu->segment_base[RH_FS], ==, DATA);
    rig_enter(rig, RIG_LONG, 0);
    rig_code(rig, "\xf3\x0f\xb8\xc3", 4);                       /* POPCNT */
    cpu->features[RH_FEAT_POPCNT / 64] &= ~(UINT64_C(1) << RH_FEAT_POPCNT % 64);
    g_assert_false(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_UD);
    rig_free(rig);
}

/* Virtual-8086 mode: what touches IF faults, or goes to VIF with VME; system instructions are invalid. */
static void test_v86(void)
{
    static const struct {
        const char *code;
        uint64_t rflags, cr4;
        int vector;
        uint64_t rflags_after;
    } rows[] = {
        { "\xfa\x90\x90\x90\x90", RH_RFLAGS_IF, 0, RH_EXC_GP, 0 },                  /* CLI */
        { "\xfa\x90\x90\x90\x90", RH_RFLAGS_IOPL | RH_RFLAGS_IF, 0, -1, RH_RFLAGS_IOPL },
        { "\xfa\x90\x90\x90\x90", RH_RFLAGS_IF | RH_RFLAGS_VIF, 1, -1, RH_RFLAGS_IF },
        { "\xfb\x90\x90\x90\x90", RH_RFLAGS_IF, 1, -1, RH_RFLAGS_IF | RH_RFLAGS_VIF },  /* STI */
        { "\xfb\x90\x90\x90\x90", RH_RFLAGS_IF | RH_RFLAGS_VIP, 1, RH_EXC_GP, 0 },
        { "\x9c\x90\x90\x90\x90", RH_RFLAGS_IF, 0, RH_EXC_GP, 0 },                  /* PUSHF */
        { "\x9c\x90\x90\x90\x90", RH_RFLAGS_IF, 1, -1, RH_RFLAGS_IF },
        { "\x66\x9c\x90\x90\x90", RH_RFLAGS_IF, 1, RH_EXC_GP, 0 },
        { "\xcd\x21\x90\x90\x90", RH_RFLAGS_IF, 0, RH_EXC_GP, 0 },                  /* INT */
        { "\x0f\x00\xd0\x90\x90", RH_RFLAGS_IF, 0, RH_EXC_UD, 0 },                  /* LLDT */
        { "\xf4\x90\x90\x90\x90", RH_RFLAGS_IF, 0, RH_EXC_GP, 0 },                  /* HLT */
        { "\xc4\xe2\x60\xf2\xc1", RH_RFLAGS_IF, 0, RH_EXC_UD, 0 },                  /* ANDN */
    };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        rig_enter(rig, RIG_PROTECTED, 0);
        for (unsigned seg = RH_ES; seg <= RH_GS; seg++) {
            cpu->seg[seg] = (RhX86Segment){ 0, 0xffff, RH_SEG_P | RH_SEG_DPL | RH_SEG_S | 3, 0 };
        }
        cpu->rflags |= RH_RFLAGS_VM | rows[i].rflags;
        cpu->cr4 |= rows[i].cr4;
        cpu->gpr[RH_RSP] = 0x4000;
        rh_tcg_settle(cpu);
        rig_code(rig, rows[i].code, 5);
        g_assert_cmpint(rh_tcg_step(cpu), ==, rows[i].vector < 0);
        if (rows[i].vector >= 0) {
            g_assert_cmpuint(cpu->fault.vector, ==, rows[i].vector);
        } else {
            g_assert_cmphex(cpu->rflags, ==, rows[i].rflags_after | RH_RFLAGS_VM | 2);
        }
    }
    /* What PUSHF under VME pushed: VIF in IF's place, IOPL 3. */
    g_assert_cmphex(rig_peek(rig, 0x3ffe, 2), ==, RH_RFLAGS_IOPL | 2);
    /* POPFD is refused before its stack is looked at. */
    cpu->gpr[RH_RSP] = 0xffff;
    rig_code(rig, "\x66\x9d", 2);
    g_assert_false(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_GP);
    rig_free(rig);
}

/* POPF under VME; CLI and STI of programs under PVI, whose PUSHF and POPF are as ever. */
static void test_virtual_flags(void)
{
    enum { IF = RH_RFLAGS_IF, VIF = RH_RFLAGS_VIF, VIP = RH_RFLAGS_VIP, TF = RH_RFLAGS_TF, IOPL = RH_RFLAGS_IOPL };
    static const struct {
        uint8_t code;
        RigMode mode;
        bool is_v86;
        uint64_t cr4, rflags, stack;
        int vector;
        uint64_t rflags_after;
    } rows[] = {
        { 0x9d, RIG_PROTECTED, true, RH_CR4_VME, IF, IF | CF, -1, IF | VIF | CF },
        { 0x9d, RIG_PROTECTED, true, RH_CR4_VME, VIF, IOPL, -1, 0 },
        { 0x9d, RIG_PROTECTED, true, RH_CR4_VME, IF | VIP, 0, -1, IF | VIP },
        { 0x9d, RIG_PROTECTED, true, RH_CR4_VME, IF | VIP, IF, RH_EXC_GP, 0 },
        { 0x9d, RIG_PROTECTED, true, RH_CR4_VME, IF, TF, RH_EXC_GP, 0 },
        { 0x9d, RIG_PROTECTED, true, RH_CR4_PVI, IF, IF, RH_EXC_GP, 0 },
        { 0x9d, RIG_PROTECTED, true, RH_CR4_VME, IF | IOPL, 0, -1, IOPL },
        { 0xfb, RIG_PROTECTED, false, RH_CR4_PVI, IF, 0, -1, IF | VIF },
        { 0xfb, RIG_PROTECTED, false, RH_CR4_PVI, IF | VIP, 0, RH_EXC_GP, 0 },
        { 0xfb, RIG_PROTECTED, false, RH_CR4_VME, IF, 0, RH_EXC_GP, 0 },
        { 0xfb, RIG_PROTECTED, false, RH_CR4_PVI, IOPL | VIP, 0, -1, IOPL | IF | VIP },
        { 0xfa, RIG_PROTECTED, false, RH_CR4_PVI, IF | VIF, 0, -1, IF },
        { 0xfa, RIG_PROTECTED, false, RH_CR4_PVI, IF | VIF | VIP, 0, -1, IF | VIP },
        { 0xfa, RIG_LONG, false, RH_CR4_PVI, IF | VIF, 0, -1, IF },
        { 0xfa, RIG_LONG, false, 0, IF | VIF, 0, RH_EXC_GP, 0 },
        { 0x9d, RIG_LONG, false, RH_CR4_PVI, IF | VIF, CF, -1, IF | VIF | CF },
    };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        rig_enter(rig, rows[i].mode, rows[i].is_v86 ? 0 : 3);
        for (unsigned seg = RH_ES; seg <= RH_GS && rows[i].is_v86; seg++) {
            cpu->seg[seg] = (RhX86Segment){ 0, 0xffff, RH_SEG_P | RH_SEG_DPL | RH_SEG_S | 3, 0 };
        }
        cpu->rflags = 2 | rows[i].rflags | (rows[i].is_v86 ? RH_RFLAGS_VM : 0);
        cpu->cr4 |= rows[i].cr4;
        cpu->gpr[RH_RSP] = 0x4000;
        rh_tcg_settle(cpu);
        rig_poke(rig, 0x4000, 8, rows[i].stack);
        rig_code(rig, (const uint8_t[]){ rows[i].code, 0x90 }, 2);
        g_assert_cmpint(rh_tcg_step(cpu), ==, rows[i].vector < 0);
        if (rows[i].vector >= 0) {
            g_assert_cmpuint(cpu->fault.vector, ==, rows[i].vector);
            g_assert_cmphex(cpu->gpr[RH_RSP], ==, 0x4000);
        } else {
            g_assert_cmphex(cpu->rflags & ~(uint64_t)RH_RFLAGS_VM, ==, rows[i].rflags_after | 2);
        }
    }
    rig_free(rig);
}

/* ---- ports: a device that keeps what it was told ---- */

typedef struct Port {
    Rig *rig;
    RhRegion region;
    uint64_t last;
    unsigned nr_reads, nr_writes, size;
} Port;

static uint64_t read_port(RhDevice *dev, uint64_t at, unsigned size)
{
    Port *port = (Port *)dev;

    port->size = size;
    return 0x11223344 + port->nr_reads++;
}

static void write_port(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Port *port = (Port *)dev;

    port->size = size;
    port->last = value;
    port->nr_writes++;
}

static const RhRegionOps port_ops = { .read = read_port, .write = write_port };

/* INS and OUTS by ECX, ESI, EDI: upwards into a page that is not there, downwards, and not at all. */
static void check_port_edges(Rig *rig, Port *port)
{
    RhTcgCpu *cpu = rig->cpu;
    const uint64_t above = UINT64_C(0x5a) << 32;

    rig_code(rig, "\x67\xf3\x6c\x67\xf3\x6e\x67\xf3\x6f", 9);      /* rep insb; rep outsb; rep outsd */
    cpu->rip = RIG_CODE;
    cpu->gpr[RH_RDI] = above | (END - 2);
    cpu->gpr[RH_RCX] = above | 4;
    port->nr_reads = 0;
    g_assert_false(rh_tcg_step(cpu));
    g_assert_cmphex(cpu->fault.cr2, ==, END);
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, END);
    g_assert_cmphex(cpu->gpr[RH_RCX], ==, 2);
    g_assert_cmphex(cpu->rip, ==, RIG_CODE);
    g_assert_cmpuint(port->nr_reads, ==, 2);

    cpu->rip = RIG_CODE + 3;
    cpu->rflags |= RH_RFLAGS_DF;
    rig_poke(rig, DATA, 4, 0x44332211);
    cpu->gpr[RH_RSI] = above | (DATA + 2);
    cpu->gpr[RH_RCX] = above | 3;
    port->nr_writes = 0;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(cpu->gpr[RH_RSI], ==, DATA - 1);
    g_assert_cmphex(cpu->gpr[RH_RCX], ==, 0);
    g_assert_cmphex(port->last, ==, 0x11);
    g_assert_cmpuint(port->nr_writes, ==, 3);

    cpu->gpr[RH_RSI] = END;
    cpu->gpr[RH_RCX] = above;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(cpu->gpr[RH_RSI], ==, END);
    g_assert_cmphex(cpu->rip, ==, RIG_CODE + 9);
    g_assert_cmpuint(port->nr_writes, ==, 3);
    cpu->rflags &= ~(uint64_t)RH_RFLAGS_DF;
}

static void test_ports(void)
{
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;
    Port port = { .rig = rig };

    rh_lock(&rig->vm->lock);
    rh_map_begin(rig->vm);
    rh_region_init_io(&port.region, rig->vm, (RhDevice *)&port, "port", &port_ops, 8);
    rh_region_add(rh_space_root(rig->vm->ports), 0x80, &port.region);
    rh_map_end(rig->vm);
    rh_unlock(&rig->vm->lock);
    rig_enter(rig, RIG_LONG, 0);
    rig_code(rig, "\xe5\x80\xee\xf3\x6d\x6e\x66\xed", 8);       /* in eax; out dx, al; rep insd; outsb; in ax, dx */
    cpu->gpr[RH_RAX] = UINT64_MAX;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(cpu->gpr[RH_RAX], ==, 0x11223344);
    cpu->gpr[RH_RDX] = 0x80;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(port.last, ==, 0x44);
    cpu->gpr[RH_RDI] = DATA;
    cpu->gpr[RH_RCX] = 2;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(rig_peek(rig, DATA, 8), ==, UINT64_C(0x1122334611223345));
    g_assert_cmphex(cpu->gpr[RH_RDI], ==, DATA + 8);
    cpu->gpr[RH_RSI] = DATA;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(port.last, ==, 0x45);
    cpu->gpr[RH_RAX] = UINT64_MAX;
    g_assert_true(rh_tcg_step(cpu));
    g_assert_cmphex(cpu->gpr[RH_RAX], ==, UINT64_C(0xffffffffffff3347));
    g_assert_cmpuint(port.size, ==, 2);

    /* A fault comes before the port is read: the device would not say it again. */
    cpu->rip = RIG_CODE + 3;
    cpu->gpr[RH_RDI] = END;
    cpu->gpr[RH_RCX] = 1;
    port.nr_reads = 0;
    g_assert_false(rh_tcg_step(cpu));
    g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_PF);
    g_assert_cmpuint(port.nr_reads, ==, 0);
    check_port_edges(rig, &port);
    rh_lock(&rig->vm->lock);
    rh_region_fini(&port.region);
    rh_unlock(&rig->vm->lock);
    rig_free(rig);
}

/* With ECX = 1: what of XCR0 is in use. */
static void test_xgetbv(void)
{
    static const uint8_t code[] = { 0x0f, 0x01, 0xd0 };
    Rig *rig = rig_new();
    RhTcgCpu *cpu = rig->cpu;

    for (unsigned index = 0; index < 3; index++) {
        rig_enter(rig, RIG_LONG, 0);
        cpu->cr4 |= 0x40000;            /* OSXSAVE */
        cpu->xcr0 = 7;
        memset(cpu->vector.st, 0, sizeof(cpu->vector.st));
        memset(cpu->vector.ymm_high, 0, sizeof(cpu->vector.ymm_high));
        cpu->vector.fcw = 0x37f;
        cpu->vector.fsw = 0;
        cpu->vector.ftw = 0;
        cpu->vector.xmm[9][15] = 1;
        cpu->gpr[RH_RCX] = index;
        rig_code(rig, code, sizeof(code));
        if (rh_tcg_step(cpu)) {
            g_assert_cmphex(cpu->gpr[RH_RAX], ==, index ? 2 : 7);
            g_assert_cmphex(cpu->gpr[RH_RDX], ==, 0);
        } else {
            g_assert_cmpuint(index, ==, 2);
            g_assert_cmpuint(cpu->fault.vector, ==, RH_EXC_GP);
        }
    }
    rig_free(rig);
}

int main(int argc, char **argv)
{
    rh_thread_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg-interp/cases", test_cases);
    g_test_add_func("/tcg-interp/read-only-page", test_read_only_page);
    g_test_add_func("/tcg-interp/device", test_device);
    g_test_add_func("/tcg-interp/lock", test_lock);
    g_test_add_func("/tcg-interp/string-fault", test_string_fault);
    g_test_add_func("/tcg-interp/string-is-bounded", test_string_is_bounded);
    g_test_add_func("/tcg-interp/masked-operand-is-one-piece", test_masked_operand_is_one_piece);
    g_test_add_func("/tcg-interp/fetch", test_fetch);
    g_test_add_func("/tcg-interp/single-step", test_single_step);
    g_test_add_func("/tcg-interp/sti-shadow", test_sti_shadow);
    g_test_add_func("/tcg-interp/alignment", test_alignment);
    g_test_add_func("/tcg-interp/permissions", test_permissions);
    g_test_add_func("/tcg-interp/v86", test_v86);
    g_test_add_func("/tcg-interp/canonical-edge", test_canonical_edge);
    g_test_add_func("/tcg-interp/virtual-flags", test_virtual_flags);
    g_test_add_func("/tcg-interp/sysret-refused", test_sysret_refused);
    g_test_add_func("/tcg-interp/ports", test_ports);
    g_test_add_func("/tcg-interp/xgetbv", test_xgetbv);
    return g_test_run();
}
