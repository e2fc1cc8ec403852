/*
 * The interpreter's core: fetch, decode, dispatch, and what follows every instruction.
 *
 * Spec: Intel SDM vol. 2; vol. 3 §6.9 (priorities), §17.3.1 (RF, TF). Lock: none; the vCPU's thread.
 */
#include "target/i386/tcg/interp.h"

#define RUN(handler)            { .run = handler }
#define CHECKS(handler)         { .run = handler, .checks_cpl = true }
#define FLOW(handler)           { .run = handler, .sets_rip = true }
#define ENTERS(handler)         { .run = handler, .sets_rip = true, .ends_step = true }
#define RETURNS(handler)        { .run = handler, .sets_rip = true, .loads_rf = true }
#define REPEATS(handler)        { .run = handler, .sets_rip = true, .repeats = true }
#define UPDATES(widths)         { .run = rh_interp_compute, .compute = &widths, .reads_dest = true }
#define MAKES(widths)           { .run = rh_interp_compute, .compute = &widths }
#define TESTS(widths)           { .run = rh_interp_test, .compute = &widths }
#define TESTS_BIT(widths)       { .run = rh_interp_bit_test, .compute = &widths, .reads_dest = true }

static bool interp_invalid(RhTcgCpu *cpu, const RhInsn *insn)
{
    return rh_tcg_ud(cpu);
}

static bool interp_nop(RhTcgCpu *cpu, const RhInsn *insn)
{
    return true;
}

/* The guest's memory accesses are the host's, so their order is up to the host's fence. */
static bool interp_fence(RhTcgCpu *cpu, const RhInsn *insn)
{
    __asm__ volatile("mfence" ::: "memory");
    return true;
}

static bool interp_pause(RhTcgCpu *cpu, const RhInsn *insn)
{
    __asm__ volatile("pause");
    return true;
}

const RhInterpRow rh_interp_rows[RH_NR_OPS] = {
    [RH_OP_INVALID] = RUN(interp_invalid),
    [RH_OP_UD] = RUN(interp_invalid),
    [RH_OP_VMCALL] = RUN(interp_invalid),       /* no VMX, no SVM */
    [RH_OP_ADD] = UPDATES(rh_alu_add),
    [RH_OP_OR] = UPDATES(rh_alu_or),
    [RH_OP_ADC] = UPDATES(rh_alu_adc),
    [RH_OP_SBB] = UPDATES(rh_alu_sbb),
    [RH_OP_AND] = UPDATES(rh_alu_and),
    [RH_OP_SUB] = UPDATES(rh_alu_sub),
    [RH_OP_XOR] = UPDATES(rh_alu_xor),
    [RH_OP_CMP] = TESTS(rh_alu_sub),
    [RH_OP_TEST] = TESTS(rh_alu_and),
    [RH_OP_ROL] = { .run = rh_interp_rotate, .compute = &rh_shift_rol, .reads_dest = true },
    [RH_OP_ROR] = { .run = rh_interp_rotate, .compute = &rh_shift_ror, .reads_dest = true },
    [RH_OP_RCL] = UPDATES(rh_shift_rcl),
    [RH_OP_RCR] = UPDATES(rh_shift_rcr),
    [RH_OP_SHL] = UPDATES(rh_shift_shl),
    [RH_OP_SHR] = UPDATES(rh_shift_shr),
    [RH_OP_SAL] = UPDATES(rh_shift_shl),
    [RH_OP_SAR] = UPDATES(rh_shift_sar),
    [RH_OP_SHLD] = UPDATES(rh_shift_shld),
    [RH_OP_SHRD] = UPDATES(rh_shift_shrd),
    [RH_OP_NOT] = UPDATES(rh_alu_not),
    [RH_OP_NEG] = UPDATES(rh_alu_neg),
    [RH_OP_INC] = UPDATES(rh_alu_inc),
    [RH_OP_DEC] = UPDATES(rh_alu_dec),
    [RH_OP_ADCX] = UPDATES(rh_alu_adcx),
    [RH_OP_ADOX] = UPDATES(rh_alu_adox),
    [RH_OP_BSWAP] = UPDATES(rh_alu_bswap),
    [RH_OP_BT] = { .run = rh_interp_bit_test, .compute = &rh_bit_bt },
    [RH_OP_BTS] = TESTS_BIT(rh_bit_bts),
    [RH_OP_BTR] = TESTS_BIT(rh_bit_btr),
    [RH_OP_BTC] = TESTS_BIT(rh_bit_btc),
    [RH_OP_BSF] = { .run = rh_interp_bit_scan, .compute = &rh_bit_bsf },
    [RH_OP_BSR] = { .run = rh_interp_bit_scan, .compute = &rh_bit_bsr },
    [RH_OP_TZCNT] = MAKES(rh_bit_tzcnt),
    [RH_OP_LZCNT] = MAKES(rh_bit_lzcnt),
    [RH_OP_POPCNT] = MAKES(rh_bit_popcnt),
    [RH_OP_ANDN] = MAKES(rh_bmi_andn),
    [RH_OP_BEXTR] = MAKES(rh_bmi_bextr),
    [RH_OP_BLSI] = MAKES(rh_bmi_blsi),
    [RH_OP_BLSMSK] = MAKES(rh_bmi_blsmsk),
    [RH_OP_BLSR] = MAKES(rh_bmi_blsr),
    [RH_OP_BZHI] = MAKES(rh_bmi_bzhi),
    [RH_OP_PDEP] = MAKES(rh_bmi_pdep),
    [RH_OP_PEXT] = MAKES(rh_bmi_pext),
    [RH_OP_RORX] = MAKES(rh_bmi_rorx),
    [RH_OP_SARX] = MAKES(rh_bmi_sarx),
    [RH_OP_SHLX] = MAKES(rh_bmi_shlx),
    [RH_OP_SHRX] = MAKES(rh_bmi_shrx),
    [RH_OP_CRC32] = RUN(rh_interp_crc32),
    [RH_OP_MULX] = RUN(rh_interp_mulx),
    [RH_OP_MUL] = RUN(rh_interp_mul),
    [RH_OP_IMUL1] = RUN(rh_interp_imul1),
    [RH_OP_IMUL] = { .run = rh_interp_imul, .compute = &rh_alu_imul },
    [RH_OP_DIV] = RUN(rh_interp_div),
    [RH_OP_IDIV] = RUN(rh_interp_idiv),
    [RH_OP_MOV] = RUN(rh_interp_mov),
    [RH_OP_MOVNTI] = RUN(rh_interp_mov),
    [RH_OP_MOVDIRI] = RUN(rh_interp_mov),
    [RH_OP_MOVDIR64B] = RUN(rh_interp_movdir64b),
    [RH_OP_MOVZX] = RUN(rh_interp_mov),
    [RH_OP_MOVSX] = RUN(rh_interp_movsx),
    [RH_OP_LEA] = RUN(rh_interp_lea),
    [RH_OP_XCHG] = RUN(rh_interp_xchg),
    [RH_OP_XADD] = RUN(rh_interp_xadd),
    [RH_OP_CMPXCHG] = RUN(rh_interp_cmpxchg),
    [RH_OP_CMPXCHG8B] = RUN(rh_interp_cmpxchg8b),
    [RH_OP_MOVBE] = RUN(rh_interp_movbe),
    [RH_OP_PUSH] = RUN(rh_interp_push_insn),
    [RH_OP_POP] = RUN(rh_interp_pop),
    [RH_OP_PUSHA] = RUN(rh_interp_pusha),
    [RH_OP_POPA] = RUN(rh_interp_popa),
    [RH_OP_PUSHF] = RUN(rh_interp_pushf),
    [RH_OP_POPF] = RUN(rh_interp_popf),
    [RH_OP_ENTER] = RUN(rh_interp_enter),
    [RH_OP_LEAVE] = RUN(rh_interp_leave),
    [RH_OP_CBW] = RUN(rh_interp_cbw),
    [RH_OP_CWD] = RUN(rh_interp_cwd),
    [RH_OP_LAHF] = RUN(rh_interp_lahf),
    [RH_OP_SAHF] = RUN(rh_interp_sahf),
    [RH_OP_XLAT] = RUN(rh_interp_xlat),
    [RH_OP_DAA] = RUN(rh_interp_daa),
    [RH_OP_DAS] = RUN(rh_interp_das),
    [RH_OP_AAA] = RUN(rh_interp_aaa),
    [RH_OP_AAS] = RUN(rh_interp_aas),
    [RH_OP_AAM] = RUN(rh_interp_aam),
    [RH_OP_AAD] = RUN(rh_interp_aad),
    [RH_OP_SALC] = RUN(rh_interp_salc),
    [RH_OP_CMC] = RUN(rh_interp_cmc),
    [RH_OP_CLC] = RUN(rh_interp_clc),
    [RH_OP_STC] = RUN(rh_interp_stc),
    [RH_OP_CLD] = RUN(rh_interp_cld),
    [RH_OP_STD] = RUN(rh_interp_std),
    [RH_OP_CLI] = RUN(rh_interp_cli),
    [RH_OP_STI] = RUN(rh_interp_sti),
    [RH_OP_SETCC] = RUN(rh_interp_setcc),
    [RH_OP_CMOVCC] = RUN(rh_interp_cmovcc),
    [RH_OP_JCC] = FLOW(rh_interp_jcc),
    [RH_OP_JCXZ] = FLOW(rh_interp_jcxz),
    [RH_OP_LOOP] = FLOW(rh_interp_loop),
    [RH_OP_LOOPE] = FLOW(rh_interp_loop),
    [RH_OP_LOOPNE] = FLOW(rh_interp_loop),
    [RH_OP_JMP] = FLOW(rh_interp_jmp),
    [RH_OP_CALL] = FLOW(rh_interp_call),
    [RH_OP_JMP_IND] = FLOW(rh_interp_jmp_ind),
    [RH_OP_CALL_IND] = FLOW(rh_interp_call_ind),
    [RH_OP_RET] = FLOW(rh_interp_ret),
    [RH_OP_JMP_FAR] = RETURNS(rh_interp_jmp_far),       /* a task's TSS may set RF */
    [RH_OP_CALL_FAR] = RETURNS(rh_interp_call_far),
    [RH_OP_RETF] = FLOW(rh_interp_retf),
    [RH_OP_IRET] = RETURNS(rh_interp_iret),
    [RH_OP_INT] = ENTERS(rh_interp_int),
    [RH_OP_INT3] = ENTERS(rh_interp_int3),
    [RH_OP_INTO] = ENTERS(rh_interp_into),
    [RH_OP_INT1] = ENTERS(rh_interp_int1),
    [RH_OP_BOUND] = RUN(rh_interp_bound),
    [RH_OP_NOP] = RUN(interp_nop),
    [RH_OP_PAUSE] = RUN(interp_pause),
    [RH_OP_MOVS] = REPEATS(rh_interp_string),
    [RH_OP_CMPS] = REPEATS(rh_interp_string),
    [RH_OP_STOS] = REPEATS(rh_interp_string),
    [RH_OP_LODS] = REPEATS(rh_interp_string),
    [RH_OP_SCAS] = REPEATS(rh_interp_string),
    [RH_OP_INS] = REPEATS(rh_interp_ins),
    [RH_OP_OUTS] = REPEATS(rh_interp_outs),
    [RH_OP_IN] = RUN(rh_interp_in),
    [RH_OP_OUT] = RUN(rh_interp_out),
    [RH_OP_MOV_FROM_SEG] = RUN(rh_interp_mov_from_seg),
    [RH_OP_MOV_TO_SEG] = RUN(rh_interp_mov_to_seg),
    [RH_OP_PUSH_SEG] = RUN(rh_interp_push_seg),
    [RH_OP_POP_SEG] = RUN(rh_interp_pop_seg),
    [RH_OP_LOAD_FAR] = RUN(rh_interp_load_far),
    [RH_OP_MOV_FROM_CR] = RUN(rh_interp_mov_from_cr),
    [RH_OP_MOV_TO_CR] = RUN(rh_interp_mov_to_cr),
    [RH_OP_MOV_FROM_DR] = RUN(rh_interp_mov_from_dr),
    [RH_OP_MOV_TO_DR] = RUN(rh_interp_mov_to_dr),
    [RH_OP_ARPL] = RUN(rh_interp_arpl),
    [RH_OP_LAR] = RUN(rh_interp_lar),
    [RH_OP_LSL] = RUN(rh_interp_lsl),
    [RH_OP_VERR] = RUN(rh_interp_verify),
    [RH_OP_VERW] = RUN(rh_interp_verify),
    [RH_OP_SGDT] = RUN(rh_interp_sgdt),
    [RH_OP_SIDT] = RUN(rh_interp_sgdt),
    [RH_OP_LGDT] = RUN(rh_interp_lgdt),
    [RH_OP_LIDT] = RUN(rh_interp_lgdt),
    [RH_OP_SLDT] = RUN(rh_interp_sldt),
    [RH_OP_STR] = RUN(rh_interp_sldt),
    [RH_OP_LLDT] = CHECKS(rh_interp_lldt),
    [RH_OP_LTR] = CHECKS(rh_interp_lldt),
    [RH_OP_SMSW] = RUN(rh_interp_smsw),
    [RH_OP_LMSW] = RUN(rh_interp_lmsw),
    [RH_OP_CLTS] = RUN(rh_interp_clts),
    [RH_OP_INVLPG] = RUN(rh_interp_invlpg),
    [RH_OP_INVPCID] = RUN(rh_interp_invpcid),
    [RH_OP_SWAPGS] = RUN(rh_interp_swapgs),
    [RH_OP_SYSCALL] = ENTERS(rh_interp_syscall),
    [RH_OP_SYSRET] = { .run = rh_interp_sysret, .sets_rip = true, .loads_rf = true, .checks_cpl = true },
    [RH_OP_SYSENTER] = ENTERS(rh_interp_sysenter),
    [RH_OP_SYSEXIT] = FLOW(rh_interp_sysexit),
    [RH_OP_HLT] = RUN(rh_interp_hlt),
    [RH_OP_MONITOR] = RUN(rh_interp_monitor),
    [RH_OP_MWAIT] = RUN(rh_interp_mwait),
    [RH_OP_WBINVD] = RUN(interp_fence),
    [RH_OP_RSM] = RETURNS(rh_interp_rsm),
    [RH_OP_CPUID] = RUN(rh_interp_cpuid),
    [RH_OP_RDTSC] = RUN(rh_interp_rdtsc),
    [RH_OP_RDTSCP] = RUN(rh_interp_rdtsc),
    [RH_OP_RDPMC] = RUN(rh_interp_rdpmc),
    [RH_OP_RDMSR] = RUN(rh_interp_rdmsr),
    [RH_OP_WRMSR] = RUN(rh_interp_wrmsr),
    [RH_OP_RDPID] = RUN(rh_interp_rdpid),
    [RH_OP_RDRAND] = RUN(rh_interp_random),
    [RH_OP_RDSEED] = RUN(rh_interp_random),
    [RH_OP_CLAC] = RUN(rh_interp_set_ac),
    [RH_OP_STAC] = RUN(rh_interp_set_ac),
    [RH_OP_RDFSBASE] = RUN(rh_interp_fsgsbase),
    [RH_OP_RDGSBASE] = RUN(rh_interp_fsgsbase),
    [RH_OP_WRFSBASE] = RUN(rh_interp_fsgsbase),
    [RH_OP_WRGSBASE] = RUN(rh_interp_fsgsbase),
    [RH_OP_XGETBV] = RUN(rh_interp_xgetbv),
    [RH_OP_XSETBV] = CHECKS(rh_interp_xsetbv),
    [RH_OP_FXSAVE] = RUN(rh_tcg_xstate_step),
    [RH_OP_FXRSTOR] = RUN(rh_tcg_xstate_step),
    [RH_OP_XSAVE] = RUN(rh_tcg_xstate_step),
    [RH_OP_XSAVEC] = RUN(rh_tcg_xstate_step),
    [RH_OP_XSAVEOPT] = RUN(rh_tcg_xstate_step),
    [RH_OP_XSAVES] = RUN(rh_tcg_xstate_step),
    [RH_OP_XRSTOR] = RUN(rh_tcg_xstate_step),
    [RH_OP_XRSTORS] = RUN(rh_tcg_xstate_step),
    [RH_OP_LDMXCSR] = RUN(rh_tcg_xstate_step),
    [RH_OP_STMXCSR] = RUN(rh_tcg_xstate_step),
    [RH_OP_FENCE] = RUN(interp_fence),
    [RH_OP_CLFLUSH] = RUN(rh_interp_clflush),
    [RH_OP_EMMS] = RUN(rh_tcg_vector_step),
    [RH_OP_VECTOR] = RUN(rh_tcg_vector_step),
    [RH_OP_X87] = RUN(rh_tcg_vector_step),
};

/* ---- fetching ---- */

/* How many bytes from RIP on lie within CS's limit, at most an instruction's length; 64-bit code has no limit. */
static unsigned bytes_to_limit(const RhTcgCpu *cpu)
{
    uint64_t limit = cpu->seg[RH_CS].limit;

    if (cpu->is_64) {
        return RH_INSN_MAX;
    }
    return cpu->rip > limit ? 0 : (unsigned)MIN(limit - cpu->rip + 1, RH_INSN_MAX);
}

static uint64_t code_address(const RhTcgCpu *cpu, uint64_t rip)
{
    return cpu->is_64 ? rip : (uint32_t)(cpu->seg[RH_CS].base + rip);
}

/* Fetch and decode at RIP. The next page is touched only if the instruction goes on there. */
static bool fetch_and_decode(RhTcgCpu *cpu, RhInsn *ret)
{
    uint8_t bytes[RH_INSN_MAX];
    unsigned max = bytes_to_limit(cpu);
    unsigned nr = 0;

    for (;;) {
        RhDecodeResult result = RH_DECODE_MORE;
        unsigned more;

        if (nr < max) {
            if (!rh_tcg_fetch(cpu, code_address(cpu, cpu->rip + nr), bytes + nr, max - nr, &more)) {
                return false;
            }
            nr += more;
            result = rh_decode(bytes, nr, cpu->code_size, ret);
            if (result == RH_DECODE_OK) {
                rh_tcg_fit(cpu, ret);
                return true;
            }
        }
        if (result == RH_DECODE_TOO_LONG || nr == max) {
            return rh_tcg_gp0(cpu);     /* longer than 15 bytes, or it crosses the limit */
        }
    }
}

/*
 * Decoding depends on nothing but the bytes and the code size, so a decoded instruction is good for every address and
 * never has to be forgotten: it is compared with what is in memory each time. @host: 16 bytes of code.
 */
static inline bool is_decoded(const RhDecoded *entry, RhCodeSize code_size, const uint8_t *host)
{
    unsigned len = entry->insn.len;
    uint64_t differing = rh_ld64(entry->insn.bytes) ^ rh_ld64(host);

    if (entry->code_size != code_size) {
        return false;
    }
    if (len <= 8) {
        return !(differing << (8 - len) * 8);
    }
    return !differing && !((rh_ld64(entry->insn.bytes + 7) ^ rh_ld64(host + 7)) << (15 - len) * 8);
}

/* 16 bytes of code at @at in host memory, or NULL: not in the TLB, too near to the page's end, or in a device. */
static inline const uint8_t *code_in_host(const RhTcgCpu *cpu, uint64_t at)
{
    bool is_user = cpu->tlb_mode == RH_TLB_USER;
    const RhFetchEntry *entry = &cpu->fetch[is_user][at >> RH_PAGE_BITS & (RH_FETCH_ENTRIES - 1)];
    uint64_t into = at + entry->minus;

    return into <= RH_PAGE_SIZE - 16 ? entry->host + into : NULL;
}

/* The instruction at RIP, or NULL: a fault. */
static const RhInsn *find_instruction(RhTcgCpu *cpu)
{
    uint64_t at = code_address(cpu, cpu->rip);
    RhDecoded *entry = &cpu->decoded[(at ^ at >> RH_PAGE_BITS) & (RH_DECODED_ENTRIES - 1)];
    const uint8_t *host = code_in_host(cpu, at);

    if (host && is_decoded(entry, cpu->code_size, host) && bytes_to_limit(cpu) >= entry->insn.len) {
        return &entry->insn;
    }
    entry->code_size = 0;
    if (!fetch_and_decode(cpu, &entry->insn)) {
        return NULL;
    }
    entry->code_size = cpu->code_size;
    return &entry->insn;
}

/* ---- dispatch ---- */

/* What RF, an interrupt shadow and TF want after an instruction that succeeded; false: the trap of a single step. */
static bool settle_step(RhTcgCpu *cpu, const RhInterpRow *row, uint64_t old_rflags, unsigned old_shadow, uint64_t old_rip)
{
    bool is_done = !row->repeats || cpu->rip != old_rip;

    cpu->shadow &= ~old_shadow;         /* of two in a row, only the first holds interrupts off */
    if ((old_rflags & RH_RFLAGS_RF) && !row->loads_rf && is_done) {
        cpu->rflags &= ~(uint64_t)RH_RFLAGS_RF;
    }
    if (!(old_rflags & RH_RFLAGS_TF) || (row->ends_step && !(cpu->rflags & RH_RFLAGS_TF)) || (cpu->shadow & 1)) {
        return true;
    }
    cpu->fault = (RhFault){ .vector = RH_EXC_DB, .is_trap = true, .dr6 = RH_DR6_BS };
    return false;
}

/* VEX prefixes mean nothing to real and virtual-8086 mode. */
static bool is_missing(const RhTcgCpu *cpu, const RhInsn *insn)
{
    if (insn->feature == RH_FEAT_BASE) {
        return false;
    }
    return !rh_tcg_has(cpu, insn->feature) ||
           (insn->is_vex && (!cpu->is_protected || cpu->is_v86));
}

bool rh_tcg_execute(RhTcgCpu *cpu, const RhInsn *insn)
{
    const RhInterpRow *row = &rh_interp_rows[insn->op];
    uint64_t old_rflags = cpu->rflags;
    uint64_t old_rip = cpu->rip;
    unsigned old_shadow = cpu->shadow;

    if (is_missing(cpu, insn)) {
        return rh_tcg_ud(cpu);
    }
    if ((insn->traits & RH_INSN_PRIVILEGED) && cpu->cpl && !row->checks_cpl) {
        return rh_tcg_gp0(cpu);
    }
    cpu->shadow = 0;
    if (!row->run(cpu, insn)) {
        return false;
    }
    if (!row->sets_rip) {
        cpu->rip = rh_next_rip(cpu, insn);
    }
    if (G_UNLIKELY((old_rflags & (RH_RFLAGS_TF | RH_RFLAGS_RF)) || old_shadow)) {
        return settle_step(cpu, row, old_rflags, old_shadow, old_rip);
    }
    return true;
}

bool rh_tcg_step(RhTcgCpu *cpu)
{
    const RhInsn *insn;

    if (G_UNLIKELY(cpu->has_code_breakpoints) &&
        !rh_tcg_check_code_breakpoint(cpu, code_address(cpu, cpu->rip))) {
        return false;
    }
    insn = find_instruction(cpu);
    if (!insn) {
        cpu->shadow = 0;
        return false;
    }
    return rh_tcg_execute(cpu, insn);
}
