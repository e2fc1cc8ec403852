/*
 * The instruction decoder: golden cases of each form, in the three code sizes, and what it says of too few bytes.
 */
#include "target/i386/state.h"
#include "target/i386/tcg/decode.h"

static const char *const names[RH_NR_SEG] = { "es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr" };

static void describe_memory(GString *text, const RhInsn *insn)
{
    g_string_append_printf(text, "[%s:", insn->segment < RH_NR_SEG ? names[insn->segment] : "-");
    if (insn->base == RH_REG_RIP) {
        g_string_append(text, "rip");
    } else if (insn->base != RH_NO_REG) {
        g_string_append_printf(text, "%u", insn->base);
    }
    if (insn->index != RH_NO_REG) {
        g_string_append_printf(text, "+%u*%u", insn->index, insn->scale);
    }
    g_string_append_printf(text, "%+" PRId64 "]a%um%u", insn->disp, insn->addr_size, insn->mem_size);
}

static void describe_operand(GString *text, const RhInsn *insn, unsigned kind)
{
    g_string_append_c(text, ' ');
    switch ((RhOperandKind)kind) {
    case RH_NONE:  g_string_append(text, "none"); break;
    case RH_RM:
        if (insn->has_mem) {
            describe_memory(text, insn);
        } else {
            g_string_append_printf(text, "rm%u%s", insn->rm, insn->is_high_rm ? "h" : "");
        }
        break;
    case RH_REG:   g_string_append_printf(text, "reg%u%s", insn->reg, insn->is_high_reg ? "h" : ""); break;
    case RH_VVVV:  g_string_append_printf(text, "v%u", insn->vvvv); break;
    case RH_IMM:   g_string_append_printf(text, "%" PRIx64, insn->imm); break;
    case RH_ACC:   g_string_append(text, "acc"); break;
    case RH_CL:    g_string_append(text, "cl"); break;
    case RH_ONE:   g_string_append(text, "one"); break;
    case RH_DX:    g_string_append(text, "dx"); break;
    case RH_MOFFS: describe_memory(text, insn); break;
    }
}

/* "name size[/source] operands..." */
static char *describe(const RhInsn *insn)
{
    g_autoptr(GString) text = g_string_new(rh_op_name(insn->op));

    if (insn->op == RH_OP_INVALID) {
        return g_string_free(g_steal_pointer(&text), FALSE);
    }
    g_string_append_printf(text, " %u", insn->size);
    if (insn->src_size != insn->size) {
        g_string_append_printf(text, "/%u", insn->src_size);
    }
    for (unsigned i = 0; i < insn->nr_operands; i++) {
        describe_operand(text, insn, insn->operand[i]);
    }
    if (insn->imm2) {
        g_string_append_printf(text, " %" PRIx64, insn->imm2);
    }
    if (insn->rep) {
        g_string_append_printf(text, " rep%x", insn->rep);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static unsigned parse_hex(const char *hex, uint8_t ret[32])
{
    unsigned nr = 0;

    for (; *hex; hex += 2) {
        ret[nr++] = g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]);
    }
    return nr;
}

static const struct {
    RhCodeSize code;
    const char *hex;
    const char *text;
} golden[] = {
    /* --- operand forms and sizes --- */
    { RH_CODE_64, "01d8", "add 4 rm0 reg3" },
    { RH_CODE_64, "4801d8", "add 8 rm0 reg3" },
    { RH_CODE_64, "6601d8", "add 2 rm0 reg3" },
    { RH_CODE_64, "664801d8", "add 8 rm0 reg3" },
    { RH_CODE_64, "486601d8", "add 2 rm0 reg3" },          /* REX not right before the opcode */
    { RH_CODE_64, "00e5", "add 1 rm1h reg0h" },
    { RH_CODE_64, "4000e5", "add 1 rm5 reg4" },
    { RH_CODE_64, "4501d8", "add 4 rm8 reg11" },
    { RH_CODE_64, "02c4", "add 1 reg0 rm0h" },
    { RH_CODE_64, "0480", "add 1 acc ffffffffffffff80" },
    { RH_CODE_64, "480500000080", "add 8 acc ffffffff80000000" },
    { RH_CODE_64, "83c0ff", "add 4 rm0 ffffffffffffffff" },
    { RH_CODE_64, "6681c03412", "add 2 rm0 1234" },
    { RH_CODE_64, "41b080", "mov 1 reg8 ffffffffffffff80" },
    { RH_CODE_64, "b4ff", "mov 1 reg0h ffffffffffffffff" },
    { RH_CODE_64, "48b88877665544332211", "mov 8 reg0 1122334455667788" },
    { RH_CODE_64, "48c7c0ffffffff", "mov 8 rm0 ffffffffffffffff" },
    { RH_CODE_64, "c1e00c", "shl 4 rm0 c" },
    { RH_CODE_64, "d1f8", "sar 4 rm0 one" },
    { RH_CODE_64, "d2f4", "sal 1 rm0h cl" },
    { RH_CODE_64, "0fa4c204", "shld 4 rm2 reg0 4" },
    { RH_CODE_64, "6bc07f", "imul 4 reg0 rm0 7f" },
    { RH_CODE_64, "0fb6c4", "movzx 4/1 reg0 rm0h" },
    { RH_CODE_64, "480fb6c4", "movzx 8/1 reg0 rm4" },
    { RH_CODE_64, "480fbf00", "movsx 8/2 reg0 [ds:0+0]a8m2" },
    { RH_CODE_64, "4863c8", "movsx 8/4 reg1 rm0" },
    { RH_CODE_32, "63c8", "arpl 2 rm0 reg1" },
    { RH_CODE_64, "f20f38f0c4", "crc32 4/1 reg0 rm0h" },
    { RH_CODE_64, "66f20f38f1c1", "crc32 4/2 reg0 rm1" },
    { RH_CODE_64, "f2480f38f1c1", "crc32 8 reg0 rm1" },
    { RH_CODE_64, "0f38f000", "movbe 4 reg0 [ds:0+0]a8m4" },
    { RH_CODE_64, "660f38f100", "movbe 2 [ds:0+0]a8m2 reg0" },
    { RH_CODE_64, "0fc70e", "cmpxchg8b 8 [ds:6+0]a8m8" },
    { RH_CODE_64, "f0480fc70e", "cmpxchg8b 16 [ds:6+0]a8m16" },
    { RH_CODE_64, "490fc8", "bswap 8 reg8" },
    { RH_CODE_64, "90", "nop 4" },
    { RH_CODE_64, "f390", "pause 4 repf3" },
    { RH_CODE_64, "f34190", "pause 4 repf3" },
    { RH_CODE_64, "4190", "xchg 4 reg8 acc" },
    { RH_CODE_64, "4891", "xchg 8 reg1 acc" },
    /* --- stack and branches: 64 bits by default --- */
    { RH_CODE_64, "4154", "push 8 reg12" },
    { RH_CODE_64, "6650", "push 2 reg0" },
    { RH_CODE_64, "6a80", "push 8 ffffffffffffff80" },
    { RH_CODE_64, "66680080", "push 2 ffffffffffff8000" },
    { RH_CODE_64, "0fa0", "push 8 reg4" },
    { RH_CODE_32, "06", "push 4 reg0" },
    { RH_CODE_64, "06", "(invalid)" },
    { RH_CODE_64, "66e8fcffffff", "call 8 fffffffffffffffc" },      /* 66 is ignored there */
    { RH_CODE_32, "66e8fcff", "call 2 fffffffffffffffc" },
    { RH_CODE_16, "e8fcff", "call 2 fffffffffffffffc" },
    { RH_CODE_16, "66e8fcffffff", "call 4 fffffffffffffffc" },
    { RH_CODE_64, "7cfe", "jcc 8 fffffffffffffffe" },
    { RH_CODE_64, "0f8fffffff7f", "jcc 8 7fffffff" },
    { RH_CODE_64, "c20800", "ret 8 8" },
    { RH_CODE_64, "ffd0", "call 8 rm0" },
    { RH_CODE_64, "ff2500000000", "jmp 8 [ds:rip+0]a8m8" },
    { RH_CODE_64, "48ff28", "jmp far 8 [ds:0+0]a8m10" },
    { RH_CODE_64, "ffe8", "(invalid)" },
    { RH_CODE_32, "ea785634121000", "jmp far 4 10 12345678" },
    { RH_CODE_16, "9a34120010", "call far 2 1000 1234" },
    { RH_CODE_64, "c8100002", "enter 8 10 2" },
    { RH_CODE_64, "67e3fe", "jcxz 8 fffffffffffffffe" },
    /* --- addresses --- */
    { RH_CODE_64, "8b0500000080", "mov 4 reg0 [ds:rip-2147483648]a8m4" },
    { RH_CODE_64, "678b0501000000", "mov 4 reg0 [ds:rip+1]a4m4" },
    { RH_CODE_32, "8b0501000000", "mov 4 reg0 [ds:+1]a4m4" },
    { RH_CODE_64, "8b042501000000", "mov 4 reg0 [ds:+1]a8m4" },
    { RH_CODE_64, "8b4424f8", "mov 4 reg0 [ss:4-8]a8m4" },
    { RH_CODE_64, "8b04a4", "mov 4 reg0 [ss:4+0]a8m4" },
    { RH_CODE_64, "428b04a4", "mov 4 reg0 [ss:4+12*4+0]a8m4" },
    { RH_CODE_64, "438b44ed10", "mov 4 reg0 [ds:13+13*8+16]a8m4" },
    { RH_CODE_64, "8b4500", "mov 4 reg0 [ss:5+0]a8m4" },
    { RH_CODE_64, "418b4500", "mov 4 reg0 [ds:13+0]a8m4" },
    { RH_CODE_64, "648b00", "mov 4 reg0 [fs:0+0]a8m4" },
    { RH_CODE_64, "642e8b00", "mov 4 reg0 [fs:0+0]a8m4" },          /* 2E is ignored there */
    { RH_CODE_32, "2e8b00", "mov 4 reg0 [cs:0+0]a4m4" },
    { RH_CODE_16, "8b00", "mov 2 reg0 [ds:3+6*1+0]a2m2" },
    { RH_CODE_16, "8b4280", "mov 2 reg0 [ss:5+6*1-128]a2m2" },
    { RH_CODE_16, "8b0e3412", "mov 2 reg1 [ds:+4660]a2m2" },
    { RH_CODE_16, "8b4600", "mov 2 reg0 [ss:5+0]a2m2" },
    { RH_CODE_16, "67668b04c8", "mov 4 reg0 [ds:0+1*8+0]a4m4" },
    { RH_CODE_32, "678b01", "mov 4 reg0 [ds:3+7*1+0]a2m4" },
    { RH_CODE_64, "a18877665544332211", "mov 4 acc [ds:+1234605616436508552]a8m4" },
    { RH_CODE_64, "67a378563412", "mov 4 [ds:+305419896]a4m4 acc" },
    { RH_CODE_64, "8d442410", "lea 4 reg0 [-:4+16]a8m0" },
    { RH_CODE_64, "8dc0", "(invalid)" },
    /* --- strings, ports --- */
    { RH_CODE_64, "f348a5", "movs 8 repf3" },
    { RH_CODE_64, "f2f3ae", "scas 1 repf3" },
    { RH_CODE_64, "48ed", "in 4 acc dx" },
    { RH_CODE_64, "e680", "out 1 80 acc" },
    /* --- system --- */
    { RH_CODE_64, "8ed0", "mov 2 reg2 rm0" },
    { RH_CODE_64, "8ec8", "(invalid)" },                            /* MOV to CS */
    { RH_CODE_64, "488cd8", "mov 8 rm0 reg3" },
    { RH_CODE_64, "488c18", "mov 2 [ds:0+0]a8m2 reg3" },
    { RH_CODE_64, "440f20c0", "mov 8 rm0 reg8" },
    { RH_CODE_64, "0f2200", "mov 8 reg0 rm0" },                     /* mod is ignored */
    { RH_CODE_64, "0f20c8", "(invalid)" },
    { RH_CODE_64, "0f0110", "lgdt 8 [ds:0+0]a8m10" },
    { RH_CODE_16, "0f0117", "lgdt 2 [ds:3+0]a2m6" },
    { RH_CODE_64, "0f01f8", "swapgs 8" },
    { RH_CODE_32, "0f01f8", "(invalid)" },
    { RH_CODE_64, "f30faec8", "rdgsbase 4 rm0" },
    { RH_CODE_32, "c401", "lds 4 reg0 [ds:1+0]a4m6" },
    { RH_CODE_64, "0fb201", "lds 4 reg0 [ds:1+0]a8m6" },
    { RH_CODE_32, "6201", "bound 4 reg0 [ds:1+0]a4m0" },
    { RH_CODE_64, "0f0b", "ud 4" },
    /* --- mandatory prefixes --- */
    { RH_CODE_64, "f30fb8c1", "popcnt 4 reg0 rm1" },
    { RH_CODE_64, "66f3480fb8c1", "popcnt 8 reg0 rm1" },
    { RH_CODE_64, "0fb8c1", "(invalid)" },
    { RH_CODE_64, "f30fbcc1", "tzcnt 4 reg0 rm1" },
    { RH_CODE_64, "f20fbcc1", "bsf 4 reg0 rm1 repf2" },
    { RH_CODE_64, "f30f1efa", "nop 4 rm2 repf3" },                  /* ENDBR64 */
    { RH_CODE_64, "660f38f6c1", "adcx 4 reg0 rm1" },
    { RH_CODE_64, "66f30f38f6c1", "adox 4 reg0 rm1" },
    /* --- vectors --- */
    { RH_CODE_64, "0f58c1", "vector 16 reg0 rm1" },
    { RH_CODE_64, "f30f584108", "vector 16 reg0 [ds:1+8]a8m4" },
    { RH_CODE_64, "450f2801", "vector 16 reg8 [ds:9+0]a8m16" },
    { RH_CODE_64, "450ffcc8", "vector 8 reg1 rm0" },                /* REX does not extend MM registers */
    { RH_CODE_64, "f2480f2cc1", "vector 8/16 reg0 rm1" },
    { RH_CODE_64, "660f3a1410ff", "vector 4 [ds:0+0]a8m1 reg2 ff" },
    { RH_CODE_64, "66480f6ec0", "vector 8 reg0 rm0" },
    { RH_CODE_64, "c5f058c2", "vector 16 reg0 v1 rm2" },
    { RH_CODE_64, "c57458c2", "vector 32 reg8 v1 rm2" },
    { RH_CODE_64, "c5f828c1", "vector 16 reg0 rm1" },
    { RH_CODE_64, "c5f028c1", "(invalid)" },                        /* vvvv */
    { RH_CODE_64, "c4e3750cc2ff", "vector 32 reg0 v1 rm2 ff" },
    { RH_CODE_64, "c4e3f901c2ff", "(invalid)" },                    /* VPERMPD has no 128-bit form */
    { RH_CODE_64, "c4e27190047d00000000", "vector 16 reg0 [ds:+7*2+0]a8m4 v1" },
    { RH_CODE_64, "c4e2719000", "(invalid)" },                      /* a gather without SIB */
    { RH_CODE_64, "c4e2f1f7c2", "shlx 8 reg0 rm2 v1" },
    { RH_CODE_32, "c4e2f1f7c2", "shlx 4 reg0 rm2 v1" },
    { RH_CODE_64, "c4e2f8f3c9", "blsr 8 v0 rm1" },
    { RH_CODE_64, "66c5f058c2", "(invalid)" },
    { RH_CODE_64, "48c5f058c2", "(invalid)" },
    { RH_CODE_64, "6261", "(invalid)" },                            /* EVEX */
    { RH_CODE_32, "c5f058c2", "vector 16 reg0 v1 rm2" },
    { RH_CODE_64, "c5f877", "vector 16" },
    { RH_CODE_64, "0f77", "emms 8" },
    /* --- x87 --- */
    { RH_CODE_64, "d9c1", "x87 0" },
    { RH_CODE_64, "db28", "x87 0 [ds:0+0]a8m10" },
    { RH_CODE_64, "66d930", "x87 0 [ds:0+0]a8m14" },
    { RH_CODE_64, "dd30", "x87 0 [ds:0+0]a8m108" },
    { RH_CODE_64, "dfe0", "x87 0" },
    { RH_CODE_64, "d9d1", "(invalid)" },
    { RH_CODE_64, "9b", "x87 0" },
    /* --- LOCK --- */
    { RH_CODE_64, "f00108", "add 4 [ds:0+0]a8m4 reg1" },
    { RH_CODE_64, "f001c8", "(invalid)" },
    { RH_CODE_64, "f00308", "(invalid)" },
    { RH_CODE_64, "f03908", "(invalid)" },
    { RH_CODE_64, "f00fba2805", "bts 4 [ds:0+0]a8m4 5" },
    { RH_CODE_64, "f00fba2005", "(invalid)" },
};

static void test_golden(void)
{
    for (unsigned i = 0; i < RH_COUNT(golden); i++) {
        uint8_t bytes[32];
        unsigned nr = parse_hex(golden[i].hex, bytes);
        RhInsn insn;

        g_test_message("%s in %u-bit code", golden[i].hex, golden[i].code * 8);
        g_assert_cmpint(rh_decode(bytes, nr, golden[i].code, &insn), ==, RH_DECODE_OK);
        g_autofree char *text = describe(&insn);

        g_assert_cmpstr(text, ==, golden[i].text);
        if (insn.op == RH_OP_INVALID) {
            continue;
        }
        g_assert_cmpmem(insn.bytes, insn.len, bytes, nr);
        for (unsigned less = 0; less < nr; less++) {
            g_assert_cmpint(rh_decode(bytes, less, golden[i].code, &insn), ==, RH_DECODE_MORE);
        }
    }
}

static RhInsn decode_64(const char *hex)
{
    uint8_t bytes[32];
    unsigned nr = parse_hex(hex, bytes);
    RhInsn insn;

    g_assert_cmpint(rh_decode(bytes, nr, RH_CODE_64, &insn), ==, RH_DECODE_OK);
    return insn;
}

static void test_length(void)
{
    uint8_t bytes[16];
    RhInsn insn;

    memset(bytes, 0x66, sizeof(bytes));
    bytes[14] = 0x90;
    g_assert_cmpint(rh_decode(bytes, 16, RH_CODE_64, &insn), ==, RH_DECODE_OK);
    g_assert_cmpuint(insn.len, ==, 15);
    bytes[14] = 0x00;       /* its ModRM would be the sixteenth */
    g_assert_cmpint(rh_decode(bytes, 16, RH_CODE_64, &insn), ==, RH_DECODE_TOO_LONG);
    g_assert_cmpint(rh_decode(bytes, 14, RH_CODE_64, &insn), ==, RH_DECODE_MORE);
    g_assert_cmpint(rh_decode(bytes, 0, RH_CODE_64, &insn), ==, RH_DECODE_MORE);
}

static void test_flags(void)
{
    static const struct {
        const char *hex;
        uint16_t read, written;
    } rows[] = {
        { "01d8", 0, RH_FLAGS_STATUS },
        { "11d8", RH_FLAG_CF, RH_FLAGS_STATUS },
        { "ffc0", 0, RH_FLAGS_STATUS & ~RH_FLAG_CF },
        { "f7d0", 0, 0 },
        { "c1e000", 0, 0 },                         /* a count of 0 */
        { "c1e020", 0, 0 },
        { "48c1e020", 0, RH_FLAGS_STATUS },
        { "c0d000", 0, 0 },
        { "c1d001", RH_FLAG_CF, RH_FLAG_CF | RH_FLAG_OF },
        { "d3e0", RH_FLAGS_STATUS, RH_FLAGS_STATUS },
        { "0f44c1", RH_FLAG_ZF, 0 },
        { "7f00", RH_FLAG_ZF | RH_FLAG_SF | RH_FLAG_OF, 0 },
        { "0f97c0", RH_FLAG_CF | RH_FLAG_ZF, 0 },
        { "a6", 0, RH_FLAGS_STATUS },
        { "f3a6", RH_FLAGS_STATUS, RH_FLAGS_STATUS },
        { "0fa3c8", 0, RH_FLAGS_STATUS & ~RH_FLAG_ZF },
        { "0f2ec1", 0, RH_FLAGS_STATUS },
        { "dbf1", 0, RH_FLAGS_STATUS },
        { "9c", RH_FLAGS_STATUS, 0 },
    };

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhInsn insn = decode_64(rows[i].hex);

        g_test_message("%s", rows[i].hex);
        g_assert_cmphex(insn.flags_read, ==, rows[i].read);
        g_assert_cmphex(insn.flags_written, ==, rows[i].written);
    }
}

static void test_traits(void)
{
    enum { R = RH_INSN_READS_MEM, W = RH_INSN_WRITES_MEM };
    static const struct {
        const char *hex;
        uint32_t traits;
        RhInsnFeature feature;
    } rows[] = {
        { "0108", R | W | RH_INSN_LOCKABLE, RH_FEAT_BASE },
        { "8908", W, RH_FEAT_BASE },
        { "8b08", R, RH_FEAT_BASE },
        { "8f00", W, RH_FEAT_BASE },
        { "8d00", 0, RH_FEAT_BASE },
        { "a10000000000000000", R, RH_FEAT_BASE },
        { "e800000000", RH_INSN_ENDS_BLOCK, RH_FEAT_BASE },
        { "f4", RH_INSN_ENDS_BLOCK | RH_INSN_PRIVILEGED, RH_FEAT_BASE },
        { "0f2801", R | RH_INSN_ALIGNED, RH_FEAT_SSE },
        { "0f1001", R, RH_FEAT_SSE },
        { "660f6f01", R | RH_INSN_ALIGNED, RH_FEAT_SSE2 },
        { "c5f96f01", R | RH_INSN_ALIGNED, RH_FEAT_AVX },
        { "c5fd6f01", R | RH_INSN_ALIGNED, RH_FEAT_AVX2 },
        { "c5f5fc01", R, RH_FEAT_AVX2 },
        { "c5f1fcc2", 0, RH_FEAT_AVX },
        { "0ffcc1", RH_INSN_USES_MMX, RH_FEAT_MMX },
        { "660f2a00", R, RH_FEAT_SSE2 },
        { "660f2ac0", RH_INSN_USES_MMX, RH_FEAT_SSE2 },
        { "0f50c1", RH_INSN_GPR_REG | RH_INSN_GPR_WRITTEN, RH_FEAT_SSE },
        { "660f7ec0", RH_INSN_GPR_RM | RH_INSN_GPR_WRITTEN, RH_FEAT_SSE2 },
        { "f30f2ac0", RH_INSN_GPR_RM, RH_FEAT_SSE },
        { "660ff7c1", RH_INSN_STRING_MEM, RH_FEAT_SSE2 },
        { "660f3a61c100", RH_INSN_IMPLICIT_GPR | RH_INSN_GPR_WRITTEN, RH_FEAT_SSE42 },
        { "c4e27190047d00000000", R | RH_INSN_VSIB, RH_FEAT_AVX2 },
        { "480fc70e", R | W | RH_INSN_LOCKABLE, RH_FEAT_CX16 },
    };

    for (unsigned i = 0; i < RH_COUNT(rows); i++) {
        RhInsn insn = decode_64(rows[i].hex);

        g_test_message("%s", rows[i].hex);
        g_assert_cmphex(insn.traits, ==, rows[i].traits);
        g_assert_cmpuint(insn.feature, ==, rows[i].feature);
    }
}

/* LAHF and SAHF came before there was a feature bit; only 64-bit code asks for it. */
static void test_lahf(void)
{
    static const uint8_t codes[] = { 0x9e, 0x9f };
    RhInsn insn;

    for (unsigned i = 0; i < RH_COUNT(codes); i++) {
        g_assert_cmpint(rh_decode(&codes[i], 1, RH_CODE_64, &insn), ==, RH_DECODE_OK);
        g_assert_cmpuint(insn.feature, ==, RH_FEAT_LM);
        g_assert_cmpint(rh_decode(&codes[i], 1, RH_CODE_32, &insn), ==, RH_DECODE_OK);
        g_assert_cmpuint(insn.feature, ==, RH_FEAT_BASE);
    }
}

static void test_offsets(void)
{
    RhInsn insn = decode_64("66c7848811223344" "abcd");

    g_assert_cmpuint(insn.modrm_at, ==, 2);
    g_assert_cmphex(insn.modrm, ==, 0x84);
    g_assert_cmpuint(insn.imm_at, ==, 8);
    g_assert_cmpuint(insn.imm_size, ==, 2);
    g_assert_cmphex(insn.disp, ==, 0x44332211);
    insn = decode_64("c4e37141c2ff");
    g_assert_cmpuint(insn.map, ==, 3);
    g_assert_cmphex(insn.opcode, ==, 0x41);
    g_assert_cmpuint(insn.pp, ==, 1);
    g_assert_true(insn.is_vex);
    insn = decode_64("664d0f6ec1");
    g_assert_cmpuint(insn.map, ==, 1);
    g_assert_true(insn.has_rex && insn.rex_w && insn.has_66 && !insn.is_vex);
    g_assert_cmpuint(insn.pp, ==, 1);
}

static void test_names(void)
{
    for (unsigned op = 0; op < RH_NR_OPS; op++) {
        g_assert_nonnull(rh_op_name(op));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tcg/decode/golden", test_golden);
    g_test_add_func("/tcg/decode/length", test_length);
    g_test_add_func("/tcg/decode/flags", test_flags);
    g_test_add_func("/tcg/decode/traits", test_traits);
    g_test_add_func("/tcg/decode/lahf", test_lahf);
    g_test_add_func("/tcg/decode/offsets", test_offsets);
    g_test_add_func("/tcg/decode/names", test_names);
    return g_test_run();
}
