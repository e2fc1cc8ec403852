/*
 * The instruction decoder: never reads beyond what it was given, and what it says of the first bytes of an instruction
 * agrees with what it says of all: "more" up to the instruction's length, then always the same.
 */
#include "target/i386/tcg/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static RhDecodeResult decode_first(const uint8_t *data, unsigned nr, RhCodeSize code, RhInsn *ret)
{
    g_autofree uint8_t *exact = g_memdup2(data, nr);       /* a byte beyond is seen by the sanitizer */

    return rh_decode(exact, nr, code, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const RhCodeSize codes[3] = { RH_CODE_16, RH_CODE_32, RH_CODE_64 };
    RhInsn whole;

    if (size < 2) {
        return 0;
    }
    RhCodeSize code = codes[data[0] % 3];
    unsigned nr = MIN(size - 1, RH_INSN_MAX + 1);
    RhDecodeResult result = decode_first(data + 1, nr, code, &whole);

    g_assert(result != RH_DECODE_MORE || nr < RH_INSN_MAX);
    g_assert(result != RH_DECODE_TOO_LONG || nr >= RH_INSN_MAX);
    if (result == RH_DECODE_OK) {
        g_assert(whole.len >= 1 && whole.len <= RH_INSN_MAX && whole.len <= nr);
        g_assert(whole.op < RH_NR_OPS && whole.feature < RH_NR_FEATS && whole.nr_operands <= RH_COUNT(whole.operand));
        g_assert(whole.reg < 16 && whole.rm < 16 && whole.vvvv < 16 && whole.imm_at + whole.imm_size <= whole.len);
    }
    for (unsigned less = 0; less < nr; less++) {
        RhInsn part;
        RhDecodeResult of_part = decode_first(data + 1, less, code, &part);

        if (result == RH_DECODE_OK && less >= whole.len) {
            g_assert(of_part == RH_DECODE_OK && memcmp(&part, &whole, sizeof(part)) == 0);
        } else if (less < RH_INSN_MAX) {
            g_assert(of_part == RH_DECODE_MORE);
        } else {
            g_assert(of_part == result);
        }
    }
    return 0;
}
