/*
 * Translating a block: decode, find out which flags matter, write the host code of each instruction.
 *
 * Most instructions are executed as themselves (plain[]). A few have code of their own. Whatever is left ends the block
 * and is the interpreter's.
 */
#include "target/i386/tcg/translate-private.h"
#include "target/i386/tcg/vector.h"

const uint8_t tr_host_of[16] = {
    H_RAX, H_RCX, H_RDX, H_RBX, HOST_OF_RSP, H_RBP, H_RSI, H_RDI,
    H_R8, IN_MEMORY, IN_MEMORY, IN_MEMORY, H_R12, H_R13, H_R14, H_R15,
};

/* --- which instructions --- */

/* Executed as themselves: they touch nothing but general registers, status flags, one memory operand, vector state. */
static const bool plain[RH_NR_OPS] = {
    [RH_OP_ADD] = true, [RH_OP_OR] = true, [RH_OP_ADC] = true, [RH_OP_SBB] = true, [RH_OP_AND] = true,
    [RH_OP_SUB] = true, [RH_OP_XOR] = true, [RH_OP_CMP] = true, [RH_OP_TEST] = true, [RH_OP_NOT] = true,
    [RH_OP_NEG] = true, [RH_OP_INC] = true, [RH_OP_DEC] = true,
    [RH_OP_ROL] = true, [RH_OP_ROR] = true, [RH_OP_RCL] = true, [RH_OP_RCR] = true, [RH_OP_SHL] = true,
    [RH_OP_SHR] = true, [RH_OP_SAL] = true, [RH_OP_SAR] = true, [RH_OP_SHLD] = true, [RH_OP_SHRD] = true,
    [RH_OP_MUL] = true, [RH_OP_IMUL1] = true, [RH_OP_IMUL] = true, [RH_OP_DIV] = true, [RH_OP_IDIV] = true,
    [RH_OP_MOV] = true, [RH_OP_MOVZX] = true, [RH_OP_MOVSX] = true, [RH_OP_XCHG] = true, [RH_OP_XADD] = true,
    [RH_OP_CMPXCHG] = true, [RH_OP_CMPXCHG8B] = true, [RH_OP_BSWAP] = true, [RH_OP_MOVBE] = true,
    [RH_OP_CBW] = true, [RH_OP_CWD] = true, [RH_OP_LAHF] = true, [RH_OP_SAHF] = true, [RH_OP_CMC] = true,
    [RH_OP_CLC] = true, [RH_OP_STC] = true, [RH_OP_SETCC] = true, [RH_OP_CMOVCC] = true,
    [RH_OP_BT] = true, [RH_OP_BTS] = true, [RH_OP_BTR] = true, [RH_OP_BTC] = true, [RH_OP_BSF] = true,
    [RH_OP_BSR] = true, [RH_OP_TZCNT] = true, [RH_OP_LZCNT] = true, [RH_OP_POPCNT] = true, [RH_OP_CRC32] = true,
    [RH_OP_ADCX] = true, [RH_OP_ADOX] = true, [RH_OP_ANDN] = true, [RH_OP_BEXTR] = true, [RH_OP_BLSI] = true,
    [RH_OP_BLSMSK] = true, [RH_OP_BLSR] = true, [RH_OP_BZHI] = true, [RH_OP_MULX] = true, [RH_OP_PDEP] = true,
    [RH_OP_PEXT] = true, [RH_OP_RORX] = true, [RH_OP_SARX] = true, [RH_OP_SHLX] = true, [RH_OP_SHRX] = true,
    [RH_OP_MOVNTI] = true, [RH_OP_VECTOR] = true, [RH_OP_EMMS] = true, [RH_OP_X87] = true,
    [RH_OP_LDMXCSR] = true, [RH_OP_STMXCSR] = true,
};

static bool is_vector(const RhInsn *insn)
{
    return insn->op == RH_OP_VECTOR || insn->op == RH_OP_EMMS || insn->op == RH_OP_X87 || insn->op == RH_OP_LDMXCSR ||
           insn->op == RH_OP_STMXCSR;
}

/* Whether the state of CR0, CR4 and XCR0 lets it run; else the interpreter says what is raised. */
static bool is_vector_usable(const RhTcgCpu *cpu, const RhInsn *insn)
{
    if (insn->is_vex) {
        return cpu->has_avx && (cpu->is_64 || !rh_is_vector_zeroing(insn));
    }
    if (insn->op == RH_OP_X87) {
        return rh_has_x87(cpu) && (!insn->has_mem || insn->mem_size <= 10);   /* not FNSTENV, FNSAVE: they show pointers */
    }
    if (insn->op == RH_OP_EMMS || ((insn->traits & RH_INSN_USES_MMX) && !rh_vector_mixes_mmx(insn))) {
        return rh_has_x87(cpu);
    }
    return cpu->has_sse && (!(insn->traits & RH_INSN_USES_MMX) || rh_has_x87(cpu));
}

bool tr_may_fault(const RhInsn *insn)
{
    return insn->has_mem || !plain[insn->op] || is_vector(insn) || insn->op == RH_OP_DIV || insn->op == RH_OP_IDIV;
}

static bool is_bit_string(const RhInsn *insn)
{
    return insn->op >= RH_OP_BT && insn->op <= RH_OP_BTC && insn->has_mem && insn->operand[1] == RH_REG;
}

static bool is_plain(const Work *w, const RhInsn *insn)
{
    const RhTcgCpu *cpu = w->t->cpu;

    if (!plain[insn->op] || (insn->has_mem && !insn->mem_size) || is_bit_string(insn) ||
        (insn->traits & (RH_INSN_VSIB | RH_INSN_STRING_MEM | RH_INSN_PRIVILEGED))) {
        return false;
    }
    return !is_vector(insn) || is_vector_usable(cpu, insn);
}

/* --- plain instructions --- */

/* A general register among the operands: which host register, and whether it has to be fetched and put back. */
typedef struct Fetched {
    uint8_t guest[2];
    uint8_t scratch[2];
    unsigned nr;
} Fetched;

static bool is_general(const RhInsn *insn, unsigned kind)
{
    if (insn->op == RH_OP_VECTOR || insn->op == RH_OP_EMMS) {
        return kind == RH_REG ? insn->traits & RH_INSN_GPR_REG : kind == RH_RM && (insn->traits & RH_INSN_GPR_RM);
    }
    return insn->op != RH_OP_X87;
}

static bool has_operand(const RhInsn *insn, unsigned kind)
{
    for (unsigned i = 0; i < insn->nr_operands; i++) {
        if (insn->operand[i] == kind) {
            return true;
        }
    }
    return false;
}

/* The host register for a field; false when scratch registers run out. */
static bool place(Fetched *fetched, unsigned guest, unsigned nr_free, uint8_t *ret)
{
    static const uint8_t order[2] = { SCRATCH_B, SCRATCH_A };

    if (tr_host_of[guest] != IN_MEMORY) {
        *ret = tr_host_of[guest];
        return true;
    }
    for (unsigned i = 0; i < fetched->nr; i++) {
        if (fetched->guest[i] == guest) {
            *ret = fetched->scratch[i];
            return true;
        }
    }
    if (fetched->nr == nr_free) {
        return false;
    }
    fetched->guest[fetched->nr] = (uint8_t)guest;
    *ret = fetched->scratch[fetched->nr] = order[fetched->nr];
    fetched->nr++;
    return true;
}

static bool place_operands(const RhInsn *insn, Fetched *fetched, RhHostOperands *ret)
{
    unsigned nr_free = insn->has_mem ? 1 : 2;

    *ret = (RhHostOperands){ .reg = insn->modrm >> 3 & 7, .rm = insn->rm, .vvvv = insn->vvvv };
    if (insn->op == RH_OP_X87 || insn->op == RH_OP_EMMS) {
        ret->rm = insn->modrm & 7;
        return true;
    }
    if (has_operand(insn, RH_REG)) {
        ret->reg = insn->reg;
        if (is_general(insn, RH_REG) && !place(fetched, insn->reg, nr_free, &ret->reg)) {
            return false;
        }
    }
    if (!insn->has_mem && has_operand(insn, RH_RM) && is_general(insn, RH_RM) &&
        !place(fetched, insn->rm, nr_free, &ret->rm)) {
        return false;
    }
    return !has_operand(insn, RH_VVVV) || !is_general(insn, RH_VVVV) ||
           place(fetched, insn->vvvv, nr_free, &ret->vvvv);
}

static void note_trap(Work *w)
{
    RhTranslation *t = w->t;
    const RhInsn *insn = tr_insn(w);

    if (is_vector(insn) || insn->op == RH_OP_DIV || insn->op == RH_OP_IDIV || insn->op == RH_OP_CMPXCHG8B) {
        t->traps[t->nr_traps++] = (RhTrap){
            .at = (uint32_t)(w->e->at - t->e.start),
            .insn_offset = (uint16_t)(w->rips[w->now] - t->rip),
            .has_flags = w->flags == FLAGS_IN_HOST && w->live_before[w->now],
        };
    }
}

static bool plain_insn(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    RhEmit *e = w->e;
    Fetched fetched = { 0 };
    RhHostOperands host;
    Place place;

    if (insn->operand[0] == RH_MOFFS || insn->operand[1] == RH_MOFFS || !place_operands(insn, &fetched, &host)) {
        return false;
    }
    if (insn->has_mem) {
        if (!tr_operand(w, insn, &place)) {
            return false;
        }
        if (fetched.nr) {
            tr_free_scratch(w, &place);
        }
        host.base = place.base;
        host.index = place.index;
        host.disp = place.disp;
    }
    for (unsigned i = 0; i < fetched.nr; i++) {
        emit_field(e, E_MOV, true, fetched.scratch[i], FIELD_GPR(fetched.guest[i]));
    }
    tr_before_op(w);
    note_trap(w);
    if (!rh_reencode(e, insn, &host)) {
        return false;
    }
    tr_after_op(w);
    for (unsigned i = 0; i < fetched.nr; i++) {
        emit_field(e, E_MOV_STORE, true, fetched.scratch[i], FIELD_GPR(fetched.guest[i]));
    }
    return true;
}

/* --- instructions with code of their own --- */

/* Move R10 into a general register by the rules of its size. */
static void write_register(Work *w, unsigned guest, unsigned size)
{
    RhEmit *e = w->e;
    unsigned host = tr_host_of[guest];

    if (size == 2) {
        emit8(e, 0x66);
    }
    if (host == IN_MEMORY) {
        if (size == 4) {
            emit_rr(e, E_MOV, false, SCRATCH_A, SCRATCH_A);
        }
        emit_field(e, E_MOV_STORE, size != 2, SCRATCH_A, FIELD_GPR(guest));
    } else {
        emit_rr(e, E_MOV, size == 8, host, SCRATCH_A);
    }
}

static bool lea(Work *w)
{
    RhInsn insn = *tr_insn(w);

    insn.segment = RH_DS;           /* no base is added */
    tr_address(w, &insn);
    write_register(w, insn.reg, insn.size);
    return true;
}

static unsigned stack_unit(const Work *w)
{
    return tr_is_64(w) ? 8 : 4;
}

static void move_rsp(Work *w, int by)
{
    emit_mem(w->e, E_LEA, tr_is_64(w), HOST_OF_RSP, HOST_OF_RSP, H_RSP, 0, by);
}

static bool push(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    RhEmit *e = w->e;
    unsigned unit = stack_unit(w);
    bool is_wide = unit == 8;
    bool is_memory = insn->has_mem;
    unsigned guest = insn->operand[0] == RH_REG ? insn->reg : insn->rm;
    Place place;

    if (insn->size != unit) {
        return false;
    }
    if (is_memory) {
        if (!tr_operand(w, insn, &place)) {
            return false;
        }
        tr_move(w, E_MOV, is_wide, SCRATCH_A, &place, 0);
        emit_field(e, E_MOV_STORE, true, SCRATCH_A, FIELD_SCRATCH(RH_SCRATCH_VALUE));
    }
    place = tr_stack(w, -(int)unit, unit, true);
    if (insn->operand[0] != RH_IMM && !is_memory && tr_host_of[guest] != IN_MEMORY) {
        tr_move(w, E_MOV_STORE, is_wide, tr_host_of[guest], &place, 0);
    } else {
        tr_free_scratch(w, &place);
        if (insn->operand[0] == RH_IMM) {
            emit_mov_imm(e, SCRATCH_B, insn->imm);
        } else {
            emit_field(e, E_MOV, true, SCRATCH_B, is_memory ? FIELD_SCRATCH(RH_SCRATCH_VALUE) : FIELD_GPR(guest));
        }
        tr_move(w, E_MOV_STORE, is_wide, SCRATCH_B, &place, 0);
    }
    move_rsp(w, -(int)unit);
    return true;
}

static bool pop(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    unsigned unit = stack_unit(w);
    unsigned guest = insn->operand[0] == RH_REG ? insn->reg : insn->rm;
    Place place;

    if (insn->size != unit || insn->has_mem) {
        return false;
    }
    place = tr_stack(w, 0, unit, false);
    tr_move(w, E_MOV, unit == 8, SCRATCH_A, &place, 0);
    if (guest != RH_RSP) {
        move_rsp(w, (int)unit);
    }
    write_register(w, guest, unit);
    return true;
}

/*
 * Runs of PUSH and POP look into the TLB once, for the stack that all of them touch. Where that is not one page of memory
 * the interpreter does the first of them, and a block that begins with the second goes on.
 */
enum { MAX_RUN = 16 };

static unsigned stack_register(const RhInsn *insn)
{
    return insn->operand[0] == RH_REG ? insn->reg : insn->operand[0] == RH_RM && !insn->has_mem ? insn->rm : RH_RSP;
}

static unsigned run_length(const Work *w, RhOp op)
{
    unsigned n = 0;

    while (n < MAX_RUN && w->now + n < w->nr) {
        const RhInsn *insn = &w->insns[w->now + n];
        unsigned guest = stack_register(insn);

        if (insn->op != op || insn->size != stack_unit(w) || guest == RH_RSP || tr_host_of[guest] == IN_MEMORY) {
            break;
        }
        n++;
    }
    return n;
}

static bool push_run(Work *w)
{
    unsigned n = run_length(w, RH_OP_PUSH);
    unsigned unit = stack_unit(w);
    Place place;

    if (n < 2) {
        return push(w);
    }
    place = tr_stack(w, -(int)(unit * n), unit * n, true);
    for (unsigned i = 0; i < n; i++) {
        unsigned host = tr_host_of[stack_register(&w->insns[w->now + i])];

        tr_move(w, E_MOV_STORE, unit == 8, host, &place, (int)(unit * (n - 1 - i)));
    }
    move_rsp(w, -(int)(unit * n));
    w->now += n - 1;
    return true;
}

static bool is_near_return(const Work *w, unsigned at)
{
    return at < w->nr && w->insns[at].op == RH_OP_RET && (tr_is_64(w) || !w->insns[at].has_66);
}

static bool pop_run(Work *w, bool *ret_ends)
{
    unsigned n = run_length(w, RH_OP_POP);
    unsigned unit = stack_unit(w);
    bool returns = n && is_near_return(w, w->now + n);
    Place place;

    if (n + returns < 2) {
        return pop(w);
    }
    if (returns) {          /* what follows is not known: flags are live */
        tr_save_flags(w, RH_FLAGS_STATUS);
    }
    place = tr_stack(w, 0, unit * (n + returns), false);
    for (unsigned i = 0; i < n; i++) {
        unsigned host = tr_host_of[stack_register(&w->insns[w->now + i])];

        tr_move(w, E_MOV, unit == 8, host, &place, (int)(unit * i));
    }
    if (returns) {
        tr_move(w, E_MOV, unit == 8, SCRATCH_A, &place, (int)(unit * n));
    }
    move_rsp(w, (int)(unit * n));
    w->now += n - 1;
    if (returns) {
        w->now++;
        tr_return(w);
        *ret_ends = true;
    }
    return true;
}

static bool leave(Work *w)
{
    unsigned unit = stack_unit(w);
    bool is_wide = unit == 8;
    Place place;

    if (tr_insn(w)->size != unit) {
        return false;
    }
    place = tr_based(w, H_RBP, 0, unit, false);
    emit_lea(w->e, is_wide, HOST_OF_RSP, H_RBP, (int)unit);
    tr_move(w, E_MOV, is_wide, H_RBP, &place, 0);
    return true;
}

static bool fence(Work *w)
{
    static const uint8_t bytes[] = { 0x0f, 0xae, 0xf0 };    /* MFENCE: does what each of them does */

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        emit8(w->e, bytes[i]);
    }
    return true;
}

static bool pause_insn(Work *w)
{
    emit8(w->e, 0xf3);
    emit8(w->e, 0x90);
    return true;
}

static bool nothing(Work *w)
{
    return true;
}

/* --- the interrupt flag, and other bits of RFLAGS that are not the host's --- */

/* and or or dword [rflags], imm32; destroys status flags */
static void change_rflags(RhEmit *e, unsigned group, uint32_t imm)
{
    emit8(e, 0x81);
    emit_modrm_field(e, group, FIELD_OF(rflags));
    emit32(e, imm);
}

static bool cli(Work *w)
{
    if (w->t->cpu->cpl) {
        return false;
    }
    tr_save_flags(w, w->live_before[w->now + 1]);
    change_rflags(w->e, E_ANDI, ~RH_RFLAGS_IF);
    return true;
}

/*
 * Interrupts are taken between blocks alone, so one that comes from now on finds the shadow of STI gone. One that waited
 * is found by looking at the requests: then the loop goes on with the next instruction, in that shadow.
 */
static bool sti(Work *w)
{
    RhEmit *e = w->e;

    if (w->t->cpu->cpl) {
        return false;
    }
    tr_save_flags(w, w->live_before[w->now + 1]);
    change_rflags(e, E_ORI, RH_RFLAGS_IF);
    emit8(e, 0x83);                             /* cmp dword [requests], 0 */
    emit_modrm_field(e, 7, FIELD_OF(requests));
    emit8(e, 0);
    w->cold[w->nr_cold++] = (Cold){ .kind = COLD_SHADOW, .site = emit_jcc(e, E_NE), .rip = w->rips[w->now + 1] };
    return true;
}

static bool cld(Work *w)
{
    tr_save_flags(w, w->live_before[w->now + 1]);
    change_rflags(w->e, E_ANDI, ~RH_RFLAGS_DF);
    return true;
}

/* RFLAGS as PUSHF shows them: status flags from where they are saved, VM and RF as zeroes */
static bool pushf(Work *w)
{
    RhEmit *e = w->e;
    unsigned unit = stack_unit(w);
    Place place;

    if (tr_insn(w)->size != unit) {
        return false;
    }
    tr_save_flags(w, RH_FLAGS_STATUS);
    emit_movzx_field16(e, SCRATCH_B, FIELD_SCRATCH(RH_SCRATCH_FLAGS));
    emit_rex(e, false, SCRATCH_A, 0, SCRATCH_B, false);     /* movzx r10d, r11b: OF */
    emit8(e, 0x0f);
    emit8(e, 0xb6);
    emit8(e, 0xc0 | (SCRATCH_A & 7) << 3 | (SCRATCH_B & 7));
    emit_shift_imm(e, E_SHL, false, SCRATCH_A, 11);
    emit_shift_imm(e, E_SHR, false, SCRATCH_B, 8);
    emit_ri(e, E_ANDI, false, SCRATCH_B, 0xd5);
    emit_rr(e, E_OR, false, SCRATCH_A, SCRATCH_B);
    emit_field(e, E_MOV, false, SCRATCH_B, FIELD_OF(rflags));
    emit_ri(e, E_ANDI, false, SCRATCH_B, (int32_t)~(RH_FLAGS_STATUS | RH_RFLAGS_VM | RH_RFLAGS_RF));
    emit_rr(e, E_OR, false, SCRATCH_A, SCRATCH_B);
    emit_field(e, E_MOV_STORE, true, SCRATCH_A, FIELD_SCRATCH(RH_SCRATCH_VALUE));
    place = tr_stack(w, -(int)unit, unit, true);
    tr_free_scratch(w, &place);
    emit_field(e, E_MOV, true, SCRATCH_B, FIELD_SCRATCH(RH_SCRATCH_VALUE));
    tr_move(w, E_MOV_STORE, unit == 8, SCRATCH_B, &place, 0);
    move_rsp(w, -(int)unit);
    return true;
}

/* --- others of the system's --- */

static bool rdtsc(Work *w)
{
    RhEmit *e = w->e;

    if (!rh_may_rdtsc(w->t->cpu)) {
        return false;
    }
    tr_save_flags(w, w->live_before[w->now + 1]);
    emit8(e, 0x0f);
    emit8(e, 0x31);
    emit_shift_imm(e, E_SHL, true, H_RDX, 32);
    emit_rr(e, E_OR, true, H_RAX, H_RDX);
    emit_field(e, E_ADD, true, H_RAX, FIELD_OF(tsc_offset));
    emit_rr(e, E_MOV, true, H_RDX, H_RAX);
    emit_shift_imm(e, E_SHR, true, H_RDX, 32);
    emit_rr(e, E_MOV, false, H_RAX, H_RAX);
    return true;
}

static bool swapgs(Work *w)
{
    RhEmit *e = w->e;

    if (w->t->cpu->cpl || !tr_is_64(w)) {
        return false;
    }
    emit_field(e, E_MOV, true, SCRATCH_A, FIELD_OF(kernel_gs_base));
    emit_field(e, E_MOV, true, SCRATCH_B, FIELD_OF(segment_base) + 8 * RH_GS);
    emit_field(e, E_MOV_STORE, true, SCRATCH_A, FIELD_OF(segment_base) + 8 * RH_GS);
    emit_field(e, E_MOV_STORE, true, SCRATCH_A, FIELD_OF(seg[RH_GS].base));
    emit_field(e, E_MOV_STORE, true, SCRATCH_B, FIELD_OF(kernel_gs_base));
    return true;
}

/* BT and kin of a bit string in memory: the register's bit may lie far from the address */
static bool bit_string(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    RhEmit *e = w->e;
    bool is_wide = insn->size == 8;
    unsigned host = tr_host_of[insn->reg];
    uint8_t *retry;
    Place place;

    if (insn->size == 2 || insn->addr_size != 8) {
        return false;
    }
    tr_save_flags(w, w->live_before[w->now]);
    retry = e->at;
    tr_address(w, insn);
    if (host == IN_MEMORY) {
        emit_field(e, E_MOV, true, SCRATCH_B, FIELD_GPR(insn->reg));
        host = SCRATCH_B;
    }
    if (is_wide) {
        emit_rr(e, E_MOV, true, SCRATCH_B, host);
    } else {
        emit_rr(e, 0x63, true, SCRATCH_B, host);            /* movsxd */
    }
    emit_shift_imm(e, E_SAR, true, SCRATCH_B, 3);
    emit_ri(e, E_ANDI, true, SCRATCH_B, -(int32_t)insn->size);
    emit_rr(e, E_ADD, true, SCRATCH_A, SCRATCH_B);
    place = tr_check(w, insn->size, insn->traits & RH_INSN_WRITES_MEM, retry);
    tr_free_scratch(w, &place);
    if (tr_host_of[insn->reg] == IN_MEMORY) {
        emit_field(e, E_MOV, true, SCRATCH_B, FIELD_GPR(insn->reg));
    } else {
        emit_rr(e, E_MOV, true, SCRATCH_B, tr_host_of[insn->reg]);
    }
    emit_ri(e, E_ANDI, false, SCRATCH_B, insn->size * 8 - 1);
    tr_before_op(w);
    rh_reencode(e, insn, &(RhHostOperands){ .reg = SCRATCH_B, .base = place.base, .index = place.index, .disp = place.disp });
    tr_after_op(w);
    return true;
}

/* mov between the accumulator and an absolute address */
static bool mov_moffs(Work *w)
{
    const RhInsn *insn = tr_insn(w);
    bool is_store = insn->operand[0] == RH_MOFFS;
    Place place;

    if (!tr_operand(w, insn, &place)) {
        return false;
    }
    if (insn->size == 2) {
        emit8(w->e, 0x66);
    }
    tr_move(w, (uint8_t)(is_store ? 0x88 : 0x8a) | (insn->size > 1), insn->size == 8, H_RAX, &place, 0);
    return true;
}

typedef bool Write(Work *w);

static Write *const own_code[RH_NR_OPS] = {
    [RH_OP_LEA] = lea, [RH_OP_PUSH] = push_run, [RH_OP_LEAVE] = leave, [RH_OP_FENCE] = fence,
    [RH_OP_PAUSE] = pause_insn, [RH_OP_NOP] = nothing, [RH_OP_CLI] = cli, [RH_OP_STI] = sti, [RH_OP_CLD] = cld,
    [RH_OP_PUSHF] = pushf, [RH_OP_RDTSC] = rdtsc, [RH_OP_SWAPGS] = swapgs, [RH_OP_BT] = bit_string,
    [RH_OP_BTS] = bit_string, [RH_OP_BTR] = bit_string, [RH_OP_BTC] = bit_string,
};

/*
 * Not so: addresses of 16 bits in 32-bit code, which nobody writes; and segments with limits and rights that is_flat does not
 * speak of.
 */
static bool is_simple_address(const Work *w, const RhInsn *insn)
{
    bool is_flat = tr_is_64(w) || (insn->segment != RH_FS && insn->segment != RH_GS && insn->segment != RH_CS);
    bool is_access = insn->op != RH_OP_LEA && insn->op != RH_OP_NOP;

    return insn->addr_size != 2 && (is_flat || !is_access);
}

/* False: not translated; what was written for it meanwhile is taken back by the caller. */
static bool write_insn(Work *w, bool *ret_ends)
{
    const RhInsn *insn = tr_insn(w);

    *ret_ends = false;
    if (insn->has_mem && !is_simple_address(w, insn)) {
        return false;
    }
    if (!rh_tcg_has(w->t->cpu, insn->feature) || (insn->has_lock && !(insn->traits & RH_INSN_LOCKABLE))) {
        return false;
    }
    if (insn->op == RH_OP_MOV && has_operand(insn, RH_MOFFS) && is_plain(w, insn)) {
        return mov_moffs(w);
    }
    if (is_plain(w, insn)) {
        return plain_insn(w);
    }
    if (insn->op == RH_OP_POP) {
        return pop_run(w, ret_ends);
    }
    if (own_code[insn->op]) {
        return own_code[insn->op](w);
    }
    return tr_flow(w, ret_ends);
}

/* --- the block --- */

/* Of what the decoder says to end blocks, that behind which this one goes on nevertheless. */
static bool goes_on(const RhTranslation *t, const RhInsn *insn)
{
    return insn->op == RH_OP_JCC || insn->op == RH_OP_FENCE || insn->op == RH_OP_RDTSC || insn->op == RH_OP_SWAPGS ||
           ((insn->op == RH_OP_CLI || insn->op == RH_OP_STI) && !t->cpu->cpl);
}

/*
 * Fields of VEX that mean nothing outside 64-bit code and would mean something in the host's: W where it chooses general registers
 * of 64 bits, and the top bit of a register in an immediate. And an opcode that 64-bit code has not: 82 is 80. SDM vol. 2 §2.3, appendix A.
 */
static void fit_to_64_bit_host(RhInsn *insn)
{
    bool has_general = insn->traits & (RH_INSN_GPR_REG | RH_INSN_GPR_RM | RH_INSN_IMPLICIT_GPR);
    bool has_register_in_immediate = insn->map == 3 && insn->opcode >= 0x4a && insn->opcode <= 0x4c;

    if (insn->is_vex && (insn->op != RH_OP_VECTOR || has_general)) {
        insn->rex_w = false;
    }
    if (!insn->is_vex && insn->map == 0 && insn->opcode == 0x82) {
        insn->opcode = 0x80;
    }
    if (insn->is_vex && has_register_in_immediate) {
        insn->bytes[insn->imm_at] &= 0x7f;
    }
}

static void decode_block(Work *w)
{
    const RhTranslation *t = w->t;
    unsigned at = 0;

    w->rips[0] = t->rip;
    while (w->nr < (t->is_span ? 1u : RH_BLOCK_INSNS) && at < t->nr_bytes) {
        RhInsn *insn = &w->insns[w->nr];

        if (rh_decode(t->bytes + at, MIN(t->nr_bytes - at, (unsigned)RH_INSN_MAX), t->cpu->code_size, insn) !=
                RH_DECODE_OK || insn->op == RH_OP_INVALID) {
            break;
        }
        rh_tcg_fit(t->cpu, insn);
        if (!tr_is_64(w)) {
            fit_to_64_bit_host(insn);
        }
        w->rips[w->nr] = t->rip + at;
        w->nr++;
        at += insn->len;
        w->rips[w->nr] = t->rip + at;
        if ((insn->traits & RH_INSN_ENDS_BLOCK) && !goes_on(t, insn)) {
            break;
        }
    }
}

/* cmp dword [attention], 0; jne: a loop cannot keep us from looking. Returns the displacement of the jump. */
static uint8_t *write_entry(Work *w)
{
    RhEmit *e = w->e;

    emit8(e, 0x83);
    emit_modrm_field(e, 7, FIELD_OF(attention));
    emit8(e, 0);
    return emit_jcc(e, E_NE);
}

static void write_body(Work *w)
{
    RhTranslation *t = w->t;
    bool ends = false;

    for (w->now = 0; w->now < w->nr && !ends; w->now++) {
        RhEmit was = *w->e;
        unsigned nr_cold = w->nr_cold;
        unsigned nr_traps = t->nr_traps;
        FlagsPlace flags = w->flags;

        if (!write_insn(w, &ends)) {
            w->e->at = was.at;
            w->nr_cold = nr_cold;
            t->nr_traps = nr_traps;
            w->flags = flags;
            t->nr_insns = w->now;
            tr_leave(w, RH_LEAVE_INTERPRET);
            t->len = (unsigned)(w->rips[w->now] - t->rip) + w->insns[w->now].len;
            return;
        }
    }
    t->nr_insns = w->nr;
    t->len = (unsigned)(w->rips[w->nr] - t->rip);
    if (!w->nr) {
        tr_leave(w, RH_LEAVE_INTERPRET);        /* it goes on in the next page, or is none */
    } else if (!ends) {
        tr_exit_to(w, w->rips[w->nr], true);
    }
}

bool rh_translate(RhTranslation *t)
{
    Cold cold[MAX_COLD];
    Work w = { .t = t, .e = &t->e, .flags = FLAGS_SAVED, .cold = cold };
    uint8_t *look;

    t->nr_links = t->nr_traps = t->nr_insns = 0;
    decode_block(&w);
    tr_find_live_flags(&w);
    look = write_entry(&w);
    t->entry_forward = t->e.at;
    write_body(&w);
    tr_write_cold(&w, look);
    return !t->e.has_overflowed && !t->cold.has_overflowed;
}
