/*
 * Instructions that KVM's emulator lacks, and the CPU flags that make guests avoid them. Where KVM runs
 * guest kernels by interpretation (KVM backed by PVM), one of these ends the guest.
 *
 * Encodings: Intel SDM vol. 2.
 */
#include "accel/kvm/kvm.h"

enum { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX };

#define ANY      0xff
#define REG(n)   (1u << (n))    /* set of values of ModRM.reg */
#define ANY_REG  0xffu
#define IS_MEM   1              /* ModRM names memory */
#define IS_REG   2
#define ANY_MOD  3

typedef struct LackingInsn {
    uint8_t map;
    uint8_t opcode, opcode_mask;
    uint8_t prefix;             /* 0x66, 0xf2, 0xf3, 0: none of them, ANY */
    uint8_t regs;
    uint8_t mod;
    uint8_t modrm;              /* exact ModRM byte, or 0 */
    const char *name;
    const char *flag;           /* -cpu ...,-FLAG; NULL: no flag hides it */
} LackingInsn;

static const LackingInsn table[] = {
    { MAP_1,  0x9b, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "fwait (x87)", NULL },
    { MAP_0F, 0xc7, 0xff, ANY,  REG(1),  IS_MEM, 0, "cmpxchg16b", "cx16" },
    { MAP_0F, 0xc7, 0xff, 0xf3, REG(7),  IS_REG, 0, "rdpid", "rdpid" },
    { MAP_0F, 0xc7, 0xff, ANY,  REG(3) | REG(4) | REG(5), IS_MEM, 0, "xsavec or xsaves", "xsave" },
    { MAP_0F, 0xc7, 0xff, ANY,  REG(6),  IS_REG, 0, "rdrand", "rdrand" },
    { MAP_0F, 0xc7, 0xff, ANY,  REG(7),  IS_REG, 0, "rdseed", "rdseed" },
    { MAP_0F, 0xb8, 0xff, 0xf3, ANY_REG, ANY_MOD, 0, "popcnt", "popcnt" },
    { MAP_0F, 0xbc, 0xff, 0xf3, ANY_REG, ANY_MOD, 0, "tzcnt", "bmi1" },
    { MAP_0F, 0xbd, 0xff, 0xf3, ANY_REG, ANY_MOD, 0, "lzcnt", "abm" },
    { MAP_0F, 0xae, 0xff, 0xf3, REG(0) | REG(1) | REG(2) | REG(3), IS_REG, 0, "rdfsbase and kin", "fsgsbase" },
    { MAP_0F, 0xae, 0xff, 0x66, REG(6) | REG(7), IS_MEM, 0, "clwb or clflushopt", "clwb" },
    { MAP_0F, 0xae, 0xff, ANY,  REG(4) | REG(5) | REG(6), IS_MEM, 0, "xsave, xrstor or xsaveopt", "xsave" },
    { MAP_0F, 0xae, 0xff, ANY,  REG(2) | REG(3), IS_MEM, 0, "ldmxcsr or stmxcsr", NULL },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xd0, "xgetbv", "xsave" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xd1, "xsetbv", "xsave" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xf9, "rdtscp", "rdtscp" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xca, "clac", "smap" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xcb, "stac", "smap" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xc8, "monitor", "monitor" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xc9, "mwait", "monitor" },
    { MAP_0F, 0x01, 0xff, ANY,  ANY_REG, IS_REG, 0xe8, "serialize", "serialize" },
    { MAP_0F, 0x02, 0xfe, ANY,  ANY_REG, ANY_MOD, 0, "lar or lsl", NULL },
    { MAP_0F, 0x00, 0xff, ANY,  REG(4) | REG(5), ANY_MOD, 0, "verr or verw", NULL },
    { MAP_0F38, 0xf0, 0xfe, 0xf2, ANY_REG, ANY_MOD, 0, "crc32", "sse4.2" },
    { MAP_0F38, 0x82, 0xff, 0x66, ANY_REG, IS_MEM, 0, "invpcid", "invpcid" },
    { MAP_0F38, 0xf6, 0xff, 0x66, ANY_REG, ANY_MOD, 0, "adcx", "adx" },
    { MAP_0F38, 0xf6, 0xff, 0xf3, ANY_REG, ANY_MOD, 0, "adox", "adx" },
    { MAP_0F38, 0xf9, 0xff, ANY,  ANY_REG, IS_MEM, 0, "movdiri", "movdiri" },
    { MAP_0F38, 0xf8, 0xff, 0x66, ANY_REG, IS_MEM, 0, "movdir64b", "movdir64b" },
    { MAP_VEX, 0, 0, ANY, ANY_REG, ANY_MOD, 0, "an AVX or BMI instruction", "avx" },
    { MAP_1, 0xd8, 0xf8, ANY,  ANY_REG, ANY_MOD, 0, "an x87 instruction", NULL },
    { MAP_1, 0xcf, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "iret in protected mode", NULL },
    { MAP_1, 0xcc, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "int3", NULL },
    { MAP_1, 0xcd, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "int n", NULL },
    { MAP_1, 0xc8, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "enter", NULL },
    { MAP_1, 0x62, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "bound, or an AVX-512 instruction", NULL },
    { MAP_1, 0x63, 0xff, ANY,  ANY_REG, ANY_MOD, 0, "arpl", NULL },
    { MAP_1, 0x27, 0xf7, ANY,  ANY_REG, ANY_MOD, 0, "daa or das", NULL },
    { MAP_1, 0x37, 0xf7, ANY,  ANY_REG, ANY_MOD, 0, "aaa or aas", NULL },
    { MAP_0F38, 0, 0, ANY, ANY_REG, ANY_MOD, 0, "an SSSE3 or SSE4 instruction", NULL },
    { MAP_0F3A, 0, 0, ANY, ANY_REG, ANY_MOD, 0, "an SSSE3 or SSE4 instruction", NULL },
    { MAP_0F, 0x50, 0xf0, ANY, ANY_REG, ANY_MOD, 0, "an SSE instruction", NULL },
    { MAP_0F, 0x60, 0xe0, ANY, ANY_REG, ANY_MOD, 0, "an MMX or SSE2 instruction", NULL },
    { MAP_0F, 0xd0, 0xf0, ANY, ANY_REG, ANY_MOD, 0, "an MMX or SSE2 instruction", NULL },
    { MAP_0F, 0xe0, 0xe0, ANY, ANY_REG, ANY_MOD, 0, "an MMX or SSE2 instruction", NULL },
    { MAP_0F, 0x10, 0xf8, ANY, ANY_REG, ANY_MOD, 0, "an SSE instruction", NULL },
};

typedef struct Decoded {
    uint8_t map, opcode, modrm;
    uint8_t prefix;             /* the mandatory one, or 0 */
} Decoded;

static bool is_prefix(uint8_t byte)
{
    static const uint8_t legacy[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3 };

    return memchr(legacy, byte, sizeof(legacy)) != NULL;
}

static bool decode(const uint8_t *insn, size_t len, Decoded *ret)
{
    size_t at = 0;

    *ret = (Decoded){ .map = MAP_1 };
    for (; at < len && is_prefix(insn[at]); at++) {
        if (insn[at] == 0xf2 || insn[at] == 0xf3 || (insn[at] == 0x66 && !ret->prefix)) {
            ret->prefix = insn[at];
        }
    }
    if (at < len && (insn[at] & 0xf0) == 0x40) {
        at++;                   /* REX; below 64-bit mode inc and dec, which the emulator has */
    }
    if (at < len && (insn[at] == 0xc4 || insn[at] == 0xc5)) {
        ret->map = MAP_VEX;
        return true;
    }
    if (at + 1 < len && insn[at] == 0x0f) {
        ret->map = insn[at + 1] == 0x38 ? MAP_0F38 : insn[at + 1] == 0x3a ? MAP_0F3A : MAP_0F;
        at += ret->map == MAP_0F ? 1 : 2;
    }
    if (at >= len) {
        return false;
    }
    ret->opcode = insn[at];
    ret->modrm = at + 1 < len ? insn[at + 1] : 0;
    return true;
}

static bool matches(const LackingInsn *row, const Decoded *insn)
{
    unsigned mod = insn->modrm >> 6 == 3 ? IS_REG : IS_MEM;

    return row->map == insn->map && (insn->opcode & row->opcode_mask) == row->opcode &&
           (row->prefix == ANY || row->prefix == insn->prefix) &&
           (row->regs & REG(insn->modrm >> 3 & 7)) && (row->mod & mod) &&
           (!row->modrm || row->modrm == insn->modrm);
}

const char *rh_kvm_lacking_insn(const uint8_t *insn, size_t len, const char **ret_flag)
{
    Decoded decoded;

    *ret_flag = NULL;
    if (!decode(insn, len, &decoded)) {
        return NULL;
    }
    for (size_t i = 0; i < RH_COUNT(table); i++) {
        if (matches(&table[i], &decoded)) {
            *ret_flag = table[i].flag;
            return table[i].name;
        }
    }
    return NULL;
}
