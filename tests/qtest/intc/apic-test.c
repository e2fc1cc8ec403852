/*
 * The local APIC of the first CPU, through its page at 0xfee00000 (apic-bus): access kinds, self-IPIs, messages of other
 * devices by memory, priorities and EOI, the timer, errors, odd sizes, reset.  Spec: Intel SDM vol. 3, chapter 11.
 */
#include <glib.h>
#include "libqtest.h"

enum { BASE = 0xfee00000, ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0,
       ISR = 0x100, TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320, LINT0 = 0x350,
       LINT1 = 0x360, LVT_ERROR = 0x370, COUNT = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0 };
enum { ENABLED = 0x1ff, SELF = 0x40000, BY_1 = 0xb, PERIODIC = 0x20000, MASKED = 0x10000 };

static Qtest *start(void)
{
    return qtest_start("-M q35 -m 16 -nodefaults -smp 2");
}

static uint32_t get(Qtest *q, unsigned reg)
{
    return qtest_readl(q, BASE + reg);
}

static void put(Qtest *q, unsigned reg, uint32_t value)
{
    qtest_writel(q, BASE + reg, value);
}

/* Whether @vector is in one of the 256-bit registers. */
static bool is_set(Qtest *q, unsigned reg, unsigned vector)
{
    return get(q, reg + vector / 32 * 0x10) >> vector % 32 & 1;
}

static void check_at_reset(Qtest *q)
{
    static const struct { unsigned reg; uint32_t value; } at_reset[] = {
        { ID, 0 }, { VERSION, 0x50014 }, { TPR, 0 }, { PPR, 0 }, { LDR, 0 }, { DFR, 0xffffffff }, { SVR, 0xff }, { ESR, 0 },
        { ICR, 0 }, { ICR_HIGH, 0 }, { LVT_TIMER, MASKED }, { LINT1, MASKED }, { LVT_ERROR, MASKED }, { COUNT, 0 },
        { CURRENT, 0 }, { DIVIDE, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(at_reset); i++) {
        g_assert_cmphex(get(q, at_reset[i].reg), ==, at_reset[i].value);
    }
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(get(q, ISR + 0x10 * i) | get(q, TMR + 0x10 * i) | get(q, IRR + 0x10 * i), ==, 0);
    }
}

static void test_registers(void)
{
    static const struct { unsigned reg; uint32_t written, read; } kinds[] = {
        { VERSION, 0, 0x50014 },                        /* RO */
        { CURRENT, 5, 0 },
        { SVR, 0x1ff, 0x1ff },
        { TPR, 0xffffff45, 0x45 },
        { LDR, 0xffffffff, 0xff000000 },
        { DFR, 0, 0x0fffffff },
        { ICR_HIGH, 0xffffffff, 0xff000000 },
        { LVT_ERROR, 0xffffffff, 0x100ff },
        { LINT1, 0xffffffff, 0x1a7ff },
        { DIVIDE, 0xffffffff, 0xb },
    };
    Qtest *q = start();

    check_at_reset(q);
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        put(q, kinds[i].reg, kinds[i].written);
        g_assert_cmphex(get(q, kinds[i].reg), ==, kinds[i].read);
    }
    qtest_reset(q);
    check_at_reset(q);
    qtest_quit(q);
}

/* Only aligned 32-bit accesses are defined (§11.4.1): others must not hurt. */
static void test_sizes(void)
{
    Qtest *q = start();

    for (uint64_t at = BASE; at < BASE + 0x400; at++) {
        qtest_readb(q, at);
        qtest_readw(q, at);
        qtest_readq(q, at);
        qtest_writeb(q, at, 0xff);
        qtest_writew(q, at, 0xffff);
        qtest_writeq(q, at, UINT64_MAX);
    }
    qtest_clock_step(q, 1000000);
    qtest_reset(q);
    check_at_reset(q);
    qtest_quit(q);
}

static void test_ipi(void)
{
    Qtest *q = start();

    put(q, SVR, ENABLED);
    put(q, ICR, SELF | 0x4071);
    g_assert_true(is_set(q, IRR, 0x71));
    put(q, ICR_HIGH, 1u << 24);                         /* to the other CPU: nothing here */
    put(q, ICR, 0x4072);
    g_assert_false(is_set(q, IRR, 0x72));
    put(q, ICR, 0x80000 | 0x4073);                      /* all, with self */
    g_assert_true(is_set(q, IRR, 0x73));
    qtest_reset(q);
    check_at_reset(q);
    qtest_quit(q);
}

/* As devices send them: address and data of §11.11. */
static void test_messages(void)
{
    Qtest *q = start();

    put(q, SVR, ENABLED);
    qtest_writel(q, BASE, 0x41);
    g_assert_true(is_set(q, IRR, 0x41));
    g_assert_false(is_set(q, TMR, 0x41));
    qtest_writel(q, BASE | 1 << 12, 0x42);              /* the other CPU */
    g_assert_false(is_set(q, IRR, 0x42));
    qtest_writel(q, BASE | 0xff << 12, 0x43);           /* all */
    g_assert_true(is_set(q, IRR, 0x43));
    put(q, LDR, 0x04000000);
    qtest_writel(q, BASE | 0x04 << 12 | 4, 0x44);       /* logical */
    g_assert_true(is_set(q, IRR, 0x44));
    qtest_writel(q, BASE | 0x03 << 12 | 4, 0x45);
    g_assert_false(is_set(q, IRR, 0x45));
    put(q, SVR, 0xff);                                  /* software-disabled: not taken */
    qtest_writel(q, BASE, 0x46);
    g_assert_false(is_set(q, IRR, 0x46));
    qtest_quit(q);
}

static void test_timer(void)
{
    Qtest *q = start();

    put(q, SVR, ENABLED);
    put(q, DIVIDE, BY_1);
    put(q, LVT_TIMER, 0x30);
    put(q, COUNT, 100000);                              /* a tick is a nanosecond */
    qtest_clock_step(q, 40000);
    g_assert_cmpuint(get(q, CURRENT), ==, 60000);
    g_assert_false(is_set(q, IRR, 0x30));
    qtest_clock_step(q, 60000);
    g_assert_cmpuint(get(q, CURRENT), ==, 0);
    g_assert_true(is_set(q, IRR, 0x30));
    put(q, LVT_TIMER, PERIODIC | 0x31);
    put(q, COUNT, 100000);
    qtest_clock_step(q, 250000);
    g_assert_true(is_set(q, IRR, 0x31));
    g_assert_cmpuint(get(q, CURRENT), ==, 50000);
    put(q, LVT_TIMER, PERIODIC | MASKED | 0x32);
    qtest_clock_step(q, 250000);
    g_assert_false(is_set(q, IRR, 0x32));
    g_assert_cmpuint(get(q, CURRENT), ==, 100000);      /* it counts on */
    qtest_quit(q);
}

static void test_errors(void)
{
    Qtest *q = start();

    put(q, SVR, ENABLED);
    put(q, LVT_ERROR, 0xe1);
    put(q, ICR, SELF | 0x4005);                         /* no legal vector */
    put(q, ESR, 0);
    g_assert_cmphex(get(q, ESR) & 0x20, ==, 0x20);
    g_assert_true(is_set(q, IRR, 0xe1));
    put(q, ESR, 0);
    g_assert_cmphex(get(q, ESR), ==, 0);
    put(q, 0x40, 1);                                    /* no register */
    put(q, ESR, 0);
    g_assert_cmphex(get(q, ESR), ==, 0x80);
    put(q, EOI, 0);                                     /* nothing in service: nothing happens */
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/apic/registers", test_registers);
    g_test_add_func("/apic/sizes", test_sizes);
    g_test_add_func("/apic/ipi", test_ipi);
    g_test_add_func("/apic/messages", test_messages);
    g_test_add_func("/apic/timer", test_timer);
    g_test_add_func("/apic/errors", test_errors);
    return g_test_run();
}
