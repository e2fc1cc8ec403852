/*
 * Guest instructions written anew with host registers: each row is what goes in, the operands, and the bytes that must come out.
 */
#include "target/i386/tcg/reencode.h"

typedef struct Row {
    const char *what;
    uint8_t guest[RH_INSN_MAX];
    RhHostOperands host;
    unsigned len;
    uint8_t want[RH_INSN_MAX];
} Row;

static const Row rows[] = {
    { "add eax, ecx", { 0x01, 0xc8 }, { .reg = H_RCX, .rm = H_RAX }, 2, { 0x01, 0xc8 } },
    { "add r10, [r10]", { 0x48, 0x03, 0x08 }, { .reg = H_R10, .base = H_R10, .index = H_RSP }, 3, { 0x4d, 0x03, 0x12 } },
    { "mov [r10 + r11], sil", { 0x40, 0x88, 0x30 }, { .reg = H_RSI, .base = H_R10, .index = H_R11 }, 4, { 0x43, 0x88, 0x34, 0x1a } },
    { "bswap r11d", { 0x0f, 0xc8 }, { .reg = H_R11 }, 3, { 0x41, 0x0f, 0xcb } },
    { "shl word [r10 + r11], 3", { 0x66, 0xc1, 0x20, 0x03 }, { .reg = 4, .base = H_R10, .index = H_R11 }, 6,
      { 0x66, 0x43, 0xc1, 0x24, 0x1a, 0x03 } },
    { "emms", { 0x0f, 0x77 }, { 0 }, 2, { 0x0f, 0x77 } },
    { "vzeroupper", { 0xc5, 0xf8, 0x77 }, { 0 }, 4, { 0xc4, 0xe1, 0x78, 0x77 } },
    { "vzeroall", { 0xc5, 0xfc, 0x77 }, { 0 }, 4, { 0xc4, 0xe1, 0x7c, 0x77 } },
    { "vpxor ymm1, ymm2, ymm3", { 0xc5, 0xed, 0xef, 0xcb }, { .reg = 1, .rm = 3, .vvvv = 2 }, 5, { 0xc4, 0xe1, 0x6d, 0xef, 0xcb } },
    { "vmovdqu [r10 + r11], ymm9", { 0xc5, 0x7e, 0x7f, 0x08 }, { .reg = 9, .base = H_R10, .index = H_R11 }, 6,
      { 0xc4, 0x01, 0x7e, 0x7f, 0x0c, 0x1a } },
};

static void test_row(const void *data)
{
    const Row *row = data;
    uint8_t out[32];
    RhEmit e = { .start = out, .at = out, .end = out + sizeof(out) };
    RhInsn insn;

    g_assert_cmpint(rh_decode(row->guest, RH_INSN_MAX, RH_CODE_64, &insn), ==, RH_DECODE_OK);
    g_assert_true(rh_reencode(&e, &insn, &row->host));
    g_assert_cmpmem(out, e.at - out, row->want, row->len);
}

/* MOV AH, ... needs a register without REX beside it. */
static void test_impossible(void)
{
    static const uint8_t guest[RH_INSN_MAX] = { 0x88, 0xe0 };      /* mov al, ah */
    uint8_t out[32];
    RhEmit e = { .start = out, .at = out, .end = out + sizeof(out) };
    RhInsn insn;

    g_assert_cmpint(rh_decode(guest, RH_INSN_MAX, RH_CODE_64, &insn), ==, RH_DECODE_OK);
    g_assert_false(rh_reencode(&e, &insn, &(RhHostOperands){ .reg = H_RAX, .rm = H_R10 }));
    g_assert_true(e.at == out);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/tcg/reencode/%s", rows[i].what);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/tcg/reencode/impossible", test_impossible);
    return g_test_run();
}
