/*
 * The q35's host bridge (q35-pcihost and mch): configuration mechanism #1 and ECAM, where ECAM is, who answers below 1 MiB
 * (PAM), who sees SMRAM, odd sizes, reset.  Spec: PCI 3.0 §3.2.2.3.2, Intel Q35 datasheet (316966) §5.1.
 */
#include <glib.h>
#include "libqtest-pci.h"

enum { MCH = qpci_bdf(0, 0, 0), LPC = qpci_bdf(0, 31, 0), EDU = qpci_bdf(0, 3, 0), PCIEXBAR = 0x60, PAM0 = 0x90,
       ADDRESS = 0xcf8, DATA = 0xcfc, ID_MCH = 0x29c08086, ID_LPC = 0x29188086, ID_EDU = 0x11e81234 };
#define ECAM UINT64_C(0xb0000000)
#define ECAM_OF(bdf) (ECAM + ((uint64_t)(bdf) << 4))

static Qtest *start(void)
{
    return qtest_start("-M q35 -m 16 -nodefaults -device edu,addr=3");
}

static void test_ports(void)
{
    Qtest *q = start();

    g_assert_cmphex(qpci_readl(q, MCH, 0), ==, ID_MCH);
    g_assert_cmphex(qpci_readl(q, LPC, 0), ==, ID_LPC);
    g_assert_cmphex(qpci_readl(q, qpci_bdf(0, 9, 0), 0), ==, UINT32_MAX);       /* nobody */
    g_assert_cmphex(qpci_readl(q, qpci_bdf(7, 0, 0), 0), ==, UINT32_MAX);
    qtest_outl(q, ADDRESS, 0x80000000 | LPC | 1);               /* the lowest bits are not kept */
    g_assert_cmphex(qtest_inl(q, ADDRESS), ==, 0x80000000 | LPC);
    g_assert_cmphex(qtest_inw(q, DATA + 2), ==, 0x2918);
    g_assert_cmphex(qtest_inb(q, DATA + 3), ==, 0x29);
    qtest_outb(q, ADDRESS + 2, 0);                              /* only whole dwords set the address */
    qtest_outw(q, ADDRESS, 0);
    g_assert_cmphex(qtest_inl(q, DATA), ==, ID_LPC);
    qtest_outl(q, ADDRESS, LPC);                                /* switched off: nobody answers */
    g_assert_cmphex(qtest_inl(q, DATA), ==, UINT32_MAX);
    qtest_outl(q, DATA, 0);
    for (uint16_t port = ADDRESS; port < DATA + 4; port++) {
        qtest_inl(q, port);
        if (port != 0xcf9 && port > ADDRESS) {                  /* the reset port is in between */
            qtest_outw(q, port == 0xcf8 ? DATA : port, 0);
        }
    }
    qtest_reset(q);
    g_assert_cmphex(qtest_inl(q, ADDRESS), ==, 0);
    qtest_quit(q);
}

static void test_ecam(void)
{
    Qtest *q = start();

    g_assert_cmphex(qtest_readl(q, ECAM), ==, UINT32_MAX);      /* off after reset */
    qpci_writel(q, MCH, PCIEXBAR, ECAM | 1);
    g_assert_cmphex(qtest_readl(q, ECAM_OF(MCH)), ==, ID_MCH);
    g_assert_cmphex(qtest_readl(q, ECAM_OF(EDU)), ==, ID_EDU);
    g_assert_cmphex(qtest_readw(q, ECAM_OF(EDU) + 2), ==, 0x11e8);
    g_assert_cmphex(qtest_readb(q, ECAM_OF(LPC) + 1), ==, 0x80);
    g_assert_cmphex(qtest_readl(q, ECAM_OF(qpci_bdf(0, 9, 0))), ==, UINT32_MAX);
    qtest_writel(q, ECAM_OF(EDU) + 0x10, 0xfe000000);           /* both ways reach the same registers */
    qtest_writew(q, ECAM_OF(EDU) + 4, 2);
    g_assert_cmphex(qpci_readl(q, EDU, 0x10), ==, 0xfe000000);
    g_assert_cmphex(qtest_readl(q, 0xfe000000), ==, 0x010000ed);
    g_assert_cmphex(qtest_readl(q, ECAM_OF(EDU) + 0x100), ==, UINT32_MAX);      /* a conventional device has no more */
    for (uint64_t at = ECAM_OF(EDU); at < ECAM_OF(EDU) + 0x104; at++) {
        qtest_readw(q, at);
        qtest_readq(q, at);
        qtest_writeb(q, at, qtest_readb(q, at));
    }
    qpci_writel(q, MCH, PCIEXBAR, 0xe0000000 | 1 << 1 | 1);     /* half the size, and elsewhere */
    g_assert_cmphex(qtest_readl(q, ECAM), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, ID_MCH);
    qpci_writel(q, MCH, PCIEXBAR, 0xe0000000 | 3 << 1 | 1);     /* no such size: none */
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, UINT32_MAX);
    qpci_writel(q, MCH, PCIEXBAR + 4, 1);                       /* above 4 GiB */
    qpci_writel(q, MCH, PCIEXBAR, 1);
    g_assert_cmphex(qtest_readl(q, UINT64_C(0x100000000)), ==, ID_MCH);
    qtest_reset(q);
    g_assert_cmphex(qtest_readl(q, UINT64_C(0x100000000)), !=, ID_MCH);
    g_assert_cmphex(qpci_readl(q, MCH, PCIEXBAR), ==, ECAM);
    qtest_quit(q);
}

/* Each half of a PAM register: 3 RAM, 1 RAM that cannot be written, 0 the bus; 0 after reset. */
static void test_pam(void)
{
    static const struct { uint8_t reg, shift; uint32_t at; } parts[] = {
        { 0, 4, 0xf0000 }, { 1, 0, 0xc0000 }, { 1, 4, 0xc4000 }, { 2, 0, 0xc8000 }, { 4, 4, 0xdc000 }, { 5, 0, 0xe0000 },
        { 6, 4, 0xec000 },
    };
    Qtest *q = start();

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        uint8_t reg = (uint8_t)(PAM0 + parts[i].reg);
        uint32_t at = parts[i].at + 0x80, bus = qtest_readl(q, at);

        g_assert_cmphex(qpci_readb(q, MCH, reg), ==, 0);
        qpci_writeb(q, MCH, reg, (uint8_t)(3 << parts[i].shift));
        qtest_writel(q, at, 0x11223344);
        g_assert_cmphex(qtest_readl(q, at), ==, 0x11223344);
        qpci_writeb(q, MCH, reg, (uint8_t)(1 << parts[i].shift));
        qtest_writel(q, at, 0x55667788);
        g_assert_cmphex(qtest_readl(q, at), ==, 0x11223344);
        qpci_writeb(q, MCH, reg, 0);
        qtest_writel(q, at, 0x99aabbcc);
        g_assert_cmphex(qtest_readl(q, at), ==, bus);
        if (at < 0xe0000) {
            g_assert_cmphex(bus, ==, UINT32_MAX);       /* no device there, and RAM does not shine through */
        }
    }
    qtest_writel(q, 0xa0000, 0);
    g_assert_cmphex(qtest_readl(q, 0xa0000), ==, UINT32_MAX);
    qpci_writeb(q, MCH, PAM0 + 1, 0xff);
    g_assert_cmphex(qpci_readb(q, MCH, PAM0 + 1), ==, 0x33);
    qtest_reset(q);
    g_assert_cmphex(qpci_readb(q, MCH, PAM0 + 1), ==, 0);
    qtest_quit(q);
}

/* --- SMRAM, as CPUs outside system management mode see it; for its inside: tests/guest/micro/smm.c --- */

enum { SMRAM = 0x9d, ESMRAMC = 0x9e, OPEN = 0x40, LOCK = 0x10, ON = 0x08, FIXED = 0x02, HIGH = 0x80, TSEG = 1,
       LOW_AT = 0xa8000, RAM_END = 32 << 20, SECRET = 0x5ec2e7 };
#define HIGH_AT UINT64_C(0xfeda8000)

static void expect_smram(Qtest *q, uint64_t at, uint32_t secret, bool is_seen)
{
    g_assert_cmphex(qtest_readl(q, at), ==, is_seen ? secret : UINT32_MAX);
    if (!is_seen) {
        qtest_writel(q, at, 0);     /* does not get there, as the next look at it shows */
    }
}

static void expect_segment(Qtest *q, uint8_t smram, uint8_t esmramc, bool is_low, bool is_high)
{
    qpci_writeb(q, MCH, SMRAM, smram);
    qpci_writeb(q, MCH, ESMRAMC, esmramc);
    expect_smram(q, LOW_AT, SECRET, is_low);
    expect_smram(q, HIGH_AT, SECRET, is_high);
}

static void test_smram(void)
{
    static const char *const args[] = { "on", "off" };

    for (size_t i = 0; i < G_N_ELEMENTS(args); i++) {
        g_autofree char *line = g_strdup_printf("-M q35,smm=%s -m 32 -nodefaults", args[i]);
        Qtest *q = qtest_start(line);

        g_assert_cmphex(qpci_readb(q, MCH, SMRAM), ==, FIXED);
        g_assert_cmphex(qpci_readb(q, MCH, ESMRAMC), ==, 0x38);
        qpci_writeb(q, MCH, SMRAM, OPEN | ON);
        qtest_writel(q, LOW_AT, SECRET);
        expect_segment(q, OPEN | ON, 0, true, false);
        expect_segment(q, ON, 0, false, false);
        expect_segment(q, 0, 0, false, false);
        expect_segment(q, OPEN, 0, true, false);
        expect_segment(q, ON, HIGH, false, false);
        expect_segment(q, OPEN | ON, HIGH, false, true);
        qpci_writeb(q, MCH, SMRAM, OPEN | ON | LOCK);           /* the lock closes, and holds */
        g_assert_cmphex(qpci_readb(q, MCH, SMRAM), ==, FIXED | ON | LOCK);
        qpci_writeb(q, MCH, ESMRAMC, TSEG);
        g_assert_cmphex(qpci_readb(q, MCH, ESMRAMC), ==, 0x38 | HIGH);
        expect_segment(q, OPEN, 0, false, false);
        g_assert_cmphex(qpci_readb(q, MCH, SMRAM), ==, FIXED | ON | LOCK);
        qtest_reset(q);
        g_assert_cmphex(qpci_readb(q, MCH, SMRAM), ==, FIXED);
        expect_segment(q, OPEN | ON, 0, true, false);
        qtest_quit(q);
    }
}

/* The last 1, 2, 8 or 16 MiB of RAM; not without G_SMRAME. */
static void test_tseg(void)
{
    static const uint32_t mbytes[] = { 1, 2, 8, 16 };
    Qtest *q = qtest_start("-M q35,smm=on -m 32 -nodefaults");

    g_assert_cmphex(qpci_readw(q, MCH, 0x50), ==, 16);
    for (uint8_t i = 0; i < G_N_ELEMENTS(mbytes); i++) {
        uint32_t start = RAM_END - (mbytes[i] << 20);

        qpci_writeb(q, MCH, SMRAM, ON);
        qpci_writeb(q, MCH, ESMRAMC, 0);
        qtest_writel(q, start - 4, 1);
        qtest_writel(q, start, 2);
        qtest_writel(q, RAM_END - 4, 3);
        qpci_writeb(q, MCH, ESMRAMC, (uint8_t)(i << 1 | TSEG));
        expect_smram(q, start - 4, 1, true);
        expect_smram(q, start, 2, false);
        expect_smram(q, RAM_END - 4, 3, false);
        qpci_writeb(q, MCH, SMRAM, ON | OPEN);
        expect_smram(q, start, 2, true);
        expect_smram(q, RAM_END - 4, 3, true);
        qpci_writeb(q, MCH, SMRAM, 0);
        expect_smram(q, start, 2, true);
    }
    qpci_writeb(q, MCH, SMRAM, ON | LOCK);
    qpci_writeb(q, MCH, ESMRAMC, 0);
    expect_smram(q, RAM_END - 4, 3, false);
    qtest_reset(q);
    expect_smram(q, RAM_END - 4, 3, true);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/q35/ports", test_ports);
    g_test_add_func("/q35/ecam", test_ecam);
    g_test_add_func("/q35/pam", test_pam);
    g_test_add_func("/q35/smram", test_smram);
    g_test_add_func("/q35/tseg", test_tseg);
    return g_test_run();
}
