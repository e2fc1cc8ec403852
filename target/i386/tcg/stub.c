/*
 * Making, keeping and running stubs; see the header.
 *
 * A stub is a row of 16 bytes: the instruction anew, RET, zeroes. The row is its own key in the hash table that finds it,
 * so equal instructions share a stub wherever their operands lie. When the table is full, all are forgotten.
 *
 * Spec: SDM vol. 2 chapter 2 (encoding).
 */
#include "target/i386/tcg/stub.h"

#include <cpuid.h>
#include <stdlib.h>
#include <ucontext.h>

#include "target/i386/tcg/codemem.h"

enum {
    STUB_BYTES = 16,
    NR_STUBS = 2048,            /* a system at work uses some hundred */
    NR_ROWS = 2 * NR_STUBS,     /* of the hash table: never more than half full */
};
#define INSN_RET 0xc3
#define INSN_0F 0x0f
#define MODRM_RDI 7             /* mod 0, rm 7: [RDI] */
#define MODRM_REG 0xc0          /* mod 3 */

#define XCR0_SSE_AVX 6u
#define XCR0_OURS 7u            /* x87, SSE, AVX */

typedef struct StubRow {
    uint64_t key[2];
    RhStubCode *code;           /* NULL: free */
} StubRow;

/** Runner - put the guest's registers into the host's, call @code, put them back into *@after */
typedef void Runner(RhTcgVector *after, const RhTcgVector *before, RhStubFrame *frame, RhStubCode *code);

struct RhStubs {
    RhTcgVector after __attribute__((aligned(64)));
    RhCodeMem *mem;
    bool has_avx;
    uint32_t mxcsr_mask;
    unsigned nr;
    StubRow rows[NR_ROWS];
};

/* ---- running ---- */

/*
 * Functions of the normal calling convention; their body is assembly because no compiler may use a vector register, or
 * leave anything on the x87 stack, between loading the guest's registers and storing them. MXCSR and the x87 control word are
 * the caller's to keep across calls. None of the instructions around the stub reports a pending x87 exception: FXSAVE,
 * FXRSTOR and FNINIT do not wait.
 *
 * XRSTOR and XSAVE of all state would do for every instruction, but those two alone take twice as long as a whole
 * step of a vector instruction does this way. Only instructions with VEX know the upper halves of YMM registers, and
 * the others must not meet any that are in use: many CPUs then take 100 ns to set them aside and get them back.
 */
#define RUNNER(name, enter, leave)                                                                             \
    __asm__(".text\n"                                                                                          \
            ".globl " name "\n.hidden " name "\n.type " name ", @function\n" name ":\n"                         \
            "    pushq %rbx\n    pushq %rbp\n    pushq %rcx\n    subq $16, %rsp\n"                             \
            "    stmxcsr (%rsp)\n    fnstcw 4(%rsp)\n"                                                         \
            "    movq %rdi, %rbp\n    movq %rdx, %rbx\n"                                                       \
            enter                                                                                              \
            "    movq %rbx, %rdi\n"                                                                            \
            "    pushq 152(%rbx)\n    popfq\n"                                                                 \
            "    movq 128(%rbx), %rax\n    movq 136(%rbx), %rcx\n    movq 144(%rbx), %rdx\n"                   \
            "    callq *16(%rsp)\n"                                                                            \
            "    movq %rax, 128(%rbx)\n    movq %rcx, 136(%rbx)\n    movq %rdx, 144(%rbx)\n"                   \
            "    pushfq\n    popq 152(%rbx)\n"                                                                 \
            leave                                                                                              \
            "    ldmxcsr (%rsp)\n"                                                                             \
            "    addq $24, %rsp\n    popq %rbp\n    popq %rbx\n    retq\n"                                     \
            ".size " name ", . - " name "\n")
#define EACH_REGISTER(text) "    .irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n" text "    .endr\n"

/* Offsets are those of RhTcgVector: 24 mxcsr, 160 xmm, 576 ymm_high; and of RhStubFrame. */
RUNNER("rh_stub_run_avx",
       "    ldmxcsr 24(%rsi)\n"
       EACH_REGISTER("    vmovdqu 160+16*\\n(%rsi), %xmm\\n\n"
                     "    vinsertf128 $1, 576+16*\\n(%rsi), %ymm\\n, %ymm\\n\n"),
       "    stmxcsr 24(%rbp)\n"
       EACH_REGISTER("    vmovdqu %xmm\\n, 160+16*\\n(%rbp)\n"
                     "    vextractf128 $1, %ymm\\n, 576+16*\\n(%rbp)\n")
       "    vzeroupper\n");
RUNNER("rh_stub_run_sse",
       "    ldmxcsr 24(%rsi)\n" EACH_REGISTER("    movdqu 160+16*\\n(%rsi), %xmm\\n\n"),
       "    stmxcsr 24(%rbp)\n" EACH_REGISTER("    movdqu %xmm\\n, 160+16*\\n(%rbp)\n"));
RUNNER("rh_stub_run_x87",
       "    fxrstor64 (%rsi)\n",
       "    fxsave64 (%rbp)\n    fninit\n    fldcw 4(%rsp)\n");
Runner rh_stub_run_avx, rh_stub_run_sse, rh_stub_run_x87;

G_STATIC_ASSERT(offsetof(RhStubFrame, rax) == 128 && offsetof(RhStubFrame, rcx) == 136);
G_STATIC_ASSERT(offsetof(RhStubFrame, rdx) == 144 && offsetof(RhStubFrame, rflags) == 152);
G_STATIC_ASSERT(offsetof(RhTcgVector, mxcsr) == 24 && offsetof(RhTcgVector, xmm) == 160);
G_STATIC_ASSERT(offsetof(RhTcgVector, ymm_high) == 576);

static bool is_of_x87(const RhInsn *insn)
{
    return insn->op == RH_OP_X87 || insn->op == RH_OP_EMMS || (insn->traits & RH_INSN_USES_MMX);
}

/* Where our own stub and buffer lie is not the guest's to know. */
static void clear_pointers(RhTcgVector *vector)
{
    vector->fop = 0;
    vector->fip = 0;
    vector->fdp = 0;
}

RhTcgVector *rh_stubs_run(RhStubs *stubs, const RhInsn *insn, RhStubCode *code, RhTcgVector *before, RhStubFrame *frame)
{
    RhTcgVector *after = &stubs->after;

    before->mxcsr &= stubs->mxcsr_mask;     /* LDMXCSR and FXRSTOR refuse others; state that was loaded may have them */
    frame->rflags &= RH_FLAGS_STATUS;
    if (is_of_x87(insn)) {
        memcpy(after->ymm_high, before->ymm_high, sizeof(after->ymm_high));
        rh_stub_run_x87(after, before, frame, code);
        clear_pointers(after);
    } else if (insn->is_vex) {
        memcpy(after, before, offsetof(RhTcgVector, xmm));
        rh_stub_run_avx(after, before, frame, code);
    } else {
        memcpy(after, before, offsetof(RhTcgVector, xmm));
        memcpy(after->ymm_high, before->ymm_high, sizeof(after->ymm_high));
        rh_stub_run_sse(after, before, frame, code);
    }
    frame->rflags &= RH_FLAGS_STATUS;
    return frame->is_refused ? NULL : after;
}

/* The runners keep the frame in RBX, which no stub changes; a stub has pushed nothing on top of its return address. */
bool rh_stubs_rescue(const RhStubs *stubs, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint64_t *stack = (const uint64_t *)regs[REG_RSP];

    if (!stubs || !rh_codemem_has(stubs->mem, (const void *)regs[REG_RIP])) {
        return false;
    }
    ((RhStubFrame *)regs[REG_RBX])->is_refused = true;
    regs[REG_RIP] = (greg_t)*stack;
    regs[REG_RSP] += (greg_t)sizeof(*stack);
    return true;
}

uint32_t rh_stubs_mxcsr_mask(const RhStubs *stubs)
{
    return stubs->mxcsr_mask;
}

/* ---- encoding ---- */

static void put(uint8_t *row, unsigned *nr, unsigned byte)
{
    row[(*nr)++] = (uint8_t)byte;
}

/* The 16-bit formats of FNSTENV, FLDENV, FNSAVE and FRSTOR are had by an operand-size prefix in 64-bit code, too. */
static bool is_16bit_environment(const RhInsn *insn)
{
    return insn->has_mem && (insn->mem_size == 14 || insn->mem_size == 94);
}

static void encode_x87(const RhInsn *insn, uint8_t *row, unsigned *nr)
{
    if (is_16bit_environment(insn)) {
        put(row, nr, 0x66);
    }
    put(row, nr, insn->opcode);
    put(row, nr, insn->has_mem ? (insn->modrm & 0x38u) | MODRM_RDI : insn->modrm);
}

static bool is_general_reg(const RhInsn *insn)
{
    return insn->traits & RH_INSN_GPR_REG;
}

static bool is_general_rm(const RhInsn *insn)
{
    return (insn->traits & RH_INSN_GPR_RM) && !insn->has_mem;
}

static unsigned reg_field(const RhInsn *insn)
{
    /* The low bits from ModRM, because they may be part of the opcode. */
    return is_general_reg(insn) ? RH_RAX : (insn->reg & 8u) | (insn->modrm >> 3 & 7u);
}

static unsigned rm_field(const RhInsn *insn)
{
    return insn->has_mem ? MODRM_RDI : is_general_rm(insn) ? RH_RAX : (insn->rm & 8u) | (insn->modrm & 7u);
}

static void put_legacy_prefixes(const RhInsn *insn, uint8_t *row, unsigned *nr)
{
    static const uint8_t mandatory[] = { 0, 0x66, 0xf3, 0xf2 };
    static const uint8_t escape[] = { 0, 0, 0x38, 0x3a };
    unsigned rex = (unsigned)insn->rex_w << 3;

    if (insn->has_modrm) {
        rex |= (reg_field(insn) >> 3) << 2 | rm_field(insn) >> 3;
    }
    if (insn->pp) {
        put(row, nr, mandatory[insn->pp & 3]);
    }
    if (rex) {
        put(row, nr, 0x40 | rex);
    }
    put(row, nr, INSN_0F);
    if (escape[insn->map & 3]) {
        put(row, nr, escape[insn->map & 3]);
    }
}

/*
 * VEX always in its form of three bytes. W, vvvv, L and pp are as in the original, for vvvv may have to be 1111b. Outside 64-bit
 * mode the top bit of vvvv is ignored, and W where it would choose general registers of 64 bits.
 */
static void put_vex(const RhInsn *insn, bool is_64, uint8_t *row, unsigned *nr)
{
    unsigned opcode_at = insn->has_modrm ? insn->modrm_at - 1u : insn->len - insn->imm_size - 1u;
    bool is_short = insn->bytes[opcode_at - 2] == 0xc5;
    unsigned last = is_short ? insn->bytes[opcode_at - 1] & 0x7fu : insn->bytes[opcode_at - 1];
    unsigned no_r = 0x80, no_x = 0x40, no_b = 0x20;

    if (insn->has_modrm) {
        no_r = reg_field(insn) & 8 ? 0 : 0x80;
        no_b = rm_field(insn) & 8 ? 0 : 0x20;
    }
    if (!is_64) {
        last |= 0x40;
        last &= insn->traits & (RH_INSN_GPR_REG | RH_INSN_GPR_RM | RH_INSN_IMPLICIT_GPR) ? 0x7f : 0xff;
    }
    put(row, nr, 0xc4);
    put(row, nr, no_r | no_x | no_b | insn->map);
    put(row, nr, last);
}

/* VBLENDVPS, VBLENDVPD, VPBLENDVB: bits 4-7 of the immediate name a register. */
static bool has_register_in_immediate(const RhInsn *insn)
{
    return insn->is_vex && insn->map == 3 && insn->opcode >= 0x4a && insn->opcode <= 0x4c;
}

static void encode_vector(const RhInsn *insn, bool is_64, uint8_t *row, unsigned *nr)
{
    if (insn->is_vex) {
        put_vex(insn, is_64, row, nr);
    } else {
        put_legacy_prefixes(insn, row, nr);
    }
    put(row, nr, insn->opcode);
    if (insn->has_modrm) {
        put(row, nr, (insn->has_mem ? 0u : MODRM_REG) | (reg_field(insn) & 7) << 3 | (rm_field(insn) & 7));
    }
    for (unsigned i = 0; i < insn->imm_size && i < 2; i++) {
        unsigned byte = insn->bytes[insn->imm_at + i];

        put(row, nr, !is_64 && has_register_in_immediate(insn) ? byte & 0x7f : byte);
    }
}

/* ---- keeping ---- */

static StubRow *find_row(RhStubs *stubs, const uint64_t key[2])
{
    uint64_t hash = (key[0] ^ (key[1] << 7)) * UINT64_C(0x9e3779b97f4a7c15);

    for (unsigned at = hash >> 32 & (NR_ROWS - 1);; at = (at + 1) & (NR_ROWS - 1)) {
        StubRow *row = &stubs->rows[at];

        if (!row->code || (row->key[0] == key[0] && row->key[1] == key[1])) {
            return row;
        }
    }
}

static void forget_all(RhStubs *stubs)
{
    memset(stubs->rows, 0, sizeof(stubs->rows));
    stubs->nr = 0;
    rh_codemem_reset(stubs->mem);
}

static RhStubCode *keep(RhStubs *stubs, const uint64_t key[2])
{
    const uint8_t *exec;
    uint8_t *write;
    StubRow *row;

    if (stubs->nr == NR_STUBS) {
        forget_all(stubs);
    }
    if (!rh_codemem_alloc(stubs->mem, STUB_BYTES, &write, &exec)) {
        g_assert_not_reached();         /* there is room for NR_STUBS */
    }
    memcpy(write, key, STUB_BYTES);
    row = find_row(stubs, key);
    *row = (StubRow){ .key = { key[0], key[1] }, .code = exec };
    stubs->nr++;
    return exec;
}

RhStubCode *rh_stubs_get(RhStubs *stubs, const RhInsn *insn, bool is_64)
{
    uint64_t key[2] = { 0 };
    unsigned nr = 0;
    const StubRow *row;

    if (insn->is_vex && !stubs->has_avx) {
        return NULL;
    }
    if (insn->op == RH_OP_X87) {
        encode_x87(insn, (uint8_t *)key, &nr);
    } else {
        encode_vector(insn, is_64, (uint8_t *)key, &nr);
    }
    put((uint8_t *)key, &nr, INSN_RET);
    row = find_row(stubs, key);
    return row->code ? row->code : keep(stubs, key);
}

/* ---- beginning and end ---- */

/* The kernel has to keep the upper halves, too. */
static bool host_has_avx(void)
{
    uint32_t eax, ebx, ecx, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE) || !(ecx & bit_AVX)) {
        return false;
    }
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & XCR0_SSE_AVX) == XCR0_SSE_AVX;
}

static uint32_t host_mxcsr_mask(void)
{
    RhTcgVector image __attribute__((aligned(64))) = { 0 };

    __asm__ volatile("fxsave64 %0" : "+m"(image));
    return image.mxcsr_mask ? image.mxcsr_mask : 0xffbf;    /* SDM vol. 1 §11.6.6: 0 means that DAZ is not there */
}

RhStubs *rh_stubs_new(GError **err)
{
    RhCodeMem *mem = rh_codemem_new(NR_STUBS * STUB_BYTES, err);
    RhStubs *stubs;

    if (!mem) {
        return NULL;
    }
    stubs = aligned_alloc(64, rh_align_up(sizeof(*stubs), 64));
    g_assert(stubs);
    memset(stubs, 0, sizeof(*stubs));
    stubs->mem = mem;
    stubs->after.xstate_bv = XCR0_OURS;     /* all is spelt out, as everywhere in the engine */
    stubs->has_avx = host_has_avx();
    stubs->mxcsr_mask = host_mxcsr_mask();
    return stubs;
}

void rh_stubs_free(RhStubs *stubs)
{
    if (stubs) {
        rh_codemem_free(stubs->mem);
        free(stubs);
    }
}
