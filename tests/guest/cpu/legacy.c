/*
 * Instructions and addresses that 64-bit code does not have: decimal arithmetic, BOUND, ARPL, LES, 16-bit addresses in 32-bit code.
 * Each against what the SDM's vol. 2 says, for all inputs where there are few enough. Flags that it calls undefined are left out.
 */
#include "cpu.h"

#define NO_DECIMAL "the emulator has no decimal arithmetic"

enum { F_PF = 4, F_AF = 0x10, F_SF = 0x80 };

typedef struct State {
    uint16_t ax;
    uint16_t flags;
} State;

#define FLAGS_BCD (F_CF | F_PF | F_AF | F_ZF | F_SF)

static uint16_t flags_of(uint8_t al)
{
    return (al & 0x80 ? F_SF : 0) | (al ? 0 : F_ZF) | (__builtin_parity(al) ? 0 : F_PF);
}

/* --- the SDM's operation sections */

static State model_daa(State s)
{
    uint8_t al = (uint8_t)s.ax;
    uint8_t old = al;
    bool af = (al & 15) > 9 || (s.flags & F_AF);
    bool cf = old > 0x99 || (s.flags & F_CF);

    al += af ? 6 : 0;
    al += cf ? 0x60 : 0;
    return (State){ (s.ax & 0xff00) | al, flags_of(al) | (af ? F_AF : 0) | (cf ? F_CF : 0) };
}

static State model_das(State s)
{
    uint8_t al = (uint8_t)s.ax;
    uint8_t old = al;
    bool af = (al & 15) > 9 || (s.flags & F_AF);
    bool cf = (s.flags & F_CF) || (af && al < 6);
    bool is_high = old > 0x99 || (s.flags & F_CF);

    cf = is_high || (af && cf);
    al -= af ? 6 : 0;
    al -= is_high ? 0x60 : 0;
    return (State){ (s.ax & 0xff00) | al, flags_of(al) | (af ? F_AF : 0) | (cf ? F_CF : 0) };
}

static State model_aaa(State s)
{
    bool is_over = (s.ax & 15) > 9 || (s.flags & F_AF);

    s.ax += is_over ? 0x106 : 0;
    return (State){ s.ax & 0xff0f, is_over ? F_AF | F_CF : 0 };
}

static State model_aas(State s)
{
    bool is_over = (s.ax & 15) > 9 || (s.flags & F_AF);

    s.ax -= is_over ? 0x106 : 0;        /* AX - 6, then AH - 1 */
    return (State){ s.ax & 0xff0f, is_over ? F_AF | F_CF : 0 };
}

static State model_aam(State s)
{
    uint8_t al = (uint8_t)s.ax;

    return (State){ (uint16_t)((al / 10) << 8 | al % 10), flags_of(al % 10) };
}

static State model_aam_7(State s)
{
    uint8_t al = (uint8_t)s.ax;

    return (State){ (uint16_t)((al / 7) << 8 | al % 7), flags_of(al % 7) };
}

static State model_aad(State s)
{
    uint8_t al = (uint8_t)(s.ax + (s.ax >> 8) * 10);

    return (State){ al, flags_of(al) };
}

static State model_salc(State s)
{
    return (State){ (s.ax & 0xff00) | (s.flags & F_CF ? 0xff : 0), s.flags };
}

/* --- the instructions */

#define INSTRUCTION(name, text)                                                             \
    static State real_##name(State s)                                                       \
    {                                                                                       \
        ulong flags = s.flags | 2;                                                          \
        ulong ax = s.ax;                                                                    \
                                                                                            \
        __asm__ volatile("push %1; popf; " text "; pushf; pop %1" : "+a"(ax), "+r"(flags)::"cc"); \
        return (State){ (uint16_t)ax, (uint16_t)flags & FLAGS_BCD };                        \
    }
INSTRUCTION(daa, "daa")
INSTRUCTION(das, "das")
INSTRUCTION(aaa, "aaa")
INSTRUCTION(aas, "aas")
INSTRUCTION(aam, "aam")
INSTRUCTION(aam_7, "aam $7")
INSTRUCTION(aad, "aad")
INSTRUCTION(salc, ".byte 0xd6")

/* How many of 3072 inputs give something else. */
static unsigned differences(State (*real)(State), State (*model)(State), uint16_t flags)
{
    static const uint8_t highs[] = { 0, 0x7f, 0xff };
    unsigned bad = 0;

    for (unsigned i = 0; i < 3 * 256 * 4; i++) {
        State in = { (uint16_t)(highs[i >> 10] << 8 | (i & 0xff)), (i & 0x100 ? F_CF : 0) | (i & 0x200 ? F_AF : 0) };
        State got = real(in);
        State want = model(in);

        bad += got.ax != want.ax || ((got.flags ^ want.flags) & flags);
    }
    return bad;
}

static void decimal(void)
{
    check("daa", differences(real_daa, model_daa, FLAGS_BCD), 0);
    check("das", differences(real_das, model_das, FLAGS_BCD), 0);
    check("aaa", differences(real_aaa, model_aaa, F_AF | F_CF), 0);
    check("aas", differences(real_aas, model_aas, F_AF | F_CF), 0);
    check("aam", differences(real_aam, model_aam, F_SF | F_ZF | F_PF), 0);
    check("aam-7", differences(real_aam_7, model_aam_7, F_SF | F_ZF | F_PF), 0);
    check("aad", differences(real_aad, model_aad, F_SF | F_ZF | F_PF), 0);
    check("salc", differences(real_salc, model_salc, FLAGS_BCD), 0);
    TRAP(__asm__ volatile("aam $0" ::: "eax"));
    check_trap("aam-0", T_DE, 0);
}

/* --- others */

volatile uint16_t words[8] __attribute__((aligned(16)));

static ulong arpl(ulong destination, ulong source, bool *is_raised)
{
    __asm__("arpl %w2, %w0; setz %1" : "+r"(destination), "=q"(*is_raised) : "r"(source) : "cc");
    return destination;
}

static void protection(void)
{
    bool is_raised;

    check("arpl-raises", arpl(0xabcd1230, 0x3, &is_raised), 0xabcd1233);
    check("arpl-raises-zf", is_raised, true);
    check("arpl-leaves", arpl(0x1233, 0x2, &is_raised), 0x1233);
    check("arpl-leaves-zf", is_raised, false);
}

CODE(bound_16, "mov $words, %ecx; mov 4(%esp), %eax; boundw %ax, (%ecx)");

static void bounds(void)
{
    words[0] = 0xfff0;          /* -16 to 16: the bounds have signs */
    words[1] = 16;
    TRAP(call_with(bound_16, 0xfff0));
    check_trap("bound-lowest", T_NONE, 0);
    TRAP(call_with(bound_16, 16));
    check_trap("bound-highest", T_NONE, 0);
    TRAP(call_with(bound_16, 17));
    check("bound-above", trap.vector, T_BR);
    TRAP(call_with(bound_16, 0xffef));
    check("bound-below", trap.vector, T_BR);
}

CODE(bad_lss, "mov 4(%esp), %ecx; mov $7, %eax; lss (%ecx), %eax");

static void far_pointers(void)
{
    volatile struct {
        uint32_t offset;
        uint16_t selector;
    } __attribute__((packed)) pointer = { 0x12345678, UDATA };
    uint32_t offset;
    uint16_t selector;

    __asm__ volatile("les %2, %0; mov %%es, %1; push %%ds; pop %%es" : "=r"(offset), "=r"(selector) : "m"(pointer));
    check("les-offset", offset, 0x12345678);
    check("les-selector", selector, UDATA);
    pointer.selector = KCODE | 3;
    TRAP(call_with(bad_lss, (ulong)&pointer));
    check_trap("lss-bad-selector", T_GP, KCODE);
    check("lss-bad-keeps-register", trap.ax, 7);
}

/* One-byte INC and DEC leave CF alone; opcode 82 is 80. */
static void short_forms(void)
{
    ulong value = ~0ul;
    bool cf;

    __asm__("stc; .byte 0x40; setc %1" : "+a"(value), "=q"(cf)::"cc");
    check("inc-eax", value, 0);
    check("inc-keeps-cf", cf, true);
    __asm__("clc; .byte 0x48; setc %1" : "+a"(value), "=q"(cf)::"cc");
    check("dec-eax", value, ~0ul);
    check("dec-keeps-cf", cf, false);
    value = 5;
    __asm__(".byte 0x82, 0xc0, 0xff" : "+a"(value)::"cc");
    check("opcode-82", value, 4);
    __asm__ volatile("pushw %%ds; pushl %%es; popl %0; add $2, %%esp" : "=r"(value));
    check("push-es", value & 0xffff, KDATA);
}

static void addresses_16(void)
{
    volatile uint32_t *low = (volatile uint32_t *)0x7000;
    ulong value;

    low[0] = 0x11112222;
    __asm__ volatile("addr16 mov (%%bx,%%si), %0" : "=a"(value) : "b"(0xabcdf000), "S"(0x12348000));
    check("bx-si", value, 0x11112222);
    __asm__ volatile("addr16 mov -16(%%di), %0" : "=a"(value) : "D"(0xffff7010));
    check("di", value, 0x11112222);
    __asm__ volatile("addr16 lea 1(%%bx,%%di), %0" : "=a"(value) : "b"(0xffff), "D"(0x10));
    check("lea", value, 0x10);
    __asm__ volatile("push %%ebp; mov %1, %%ebp; addr16 mov (%%bp,%%di), %0; pop %%ebp" : "=a"(value) : "r"(0xabcd6000), "D"(0x1000));
    check("bp-di", value, 0x11112222);
    __asm__ volatile("addr16 lodsl" : "=a"(value) : "S"(0x7000));
    check("lods", value, 0x11112222);
    __asm__ volatile("mov $0x1234fffe, %%esi; mov $0x7010, %%edi; mov $0x50002, %%ecx; addr16 rep movsw; mov %%esi, %0"
                     : "=a"(value)::"esi", "edi", "ecx", "memory");
    check("movs-keeps-upper-esi", value, 0x12340002);
    __asm__ volatile("mov $0x10000, %%ecx; mov $1, %0; jcxz 1f; mov $2, %0; 1:" : "=a"(value)::"ecx");
    check("jcxz", value, 1);
    __asm__ volatile("mov $0x10001, %%ecx; addr16 loop 1f; 1: mov %%ecx, %0" : "=a"(value)::"ecx");
    check("loop-keeps-upper-ecx", value, 0x10000);
}

const CpuCase cpu_cases[] = {
    { "decimal", decimal, NO_DECIMAL },
    { "protection", protection, "the emulator has no ARPL" },
    { "bounds", bounds, "the emulator has no BOUND" },
    { "far-pointers", far_pointers, NULL },
    { "short-forms", short_forms, NULL },
    { "addresses-16", addresses_16, NULL },
    { NULL, NULL, NULL },
};
