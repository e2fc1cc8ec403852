/*
 * Power management: the ICH9's ports (ICH9-LPC) and the microvm's acpi-ged: access kinds, the timer and its overflow, SCI
 * and where it goes, the power button, sleep, suspend, reset.  Spec: ICH9 datasheet §13.8.3, ACPI 6.4 §4.8, §5.6.9.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-fw-cfg.h"
#include "libqtest-pci.h"

enum { LPC = qpci_bdf(0, 31, 0), BASE = 0x600, STATUS = 0, ENABLE = 2, CONTROL = 4, TIMER = 8, GPE = 0x20, SMI = 0x30 };
enum { TMR = 0x01, BUTTON = 0x100, SCI_EN = 1, SLEEP_EN = 0x2000, APM = 0xb2, SCI = 9 };
enum { SELECTOR = 0xfea00000, SLEEP = 0xfea00200 };

static void place(Qtest *q)
{
    qpci_writel(q, LPC, 0x40, BASE);
    qpci_writeb(q, LPC, 0x44, 0x80);
}

static Qtest *start(const char *more)
{
    g_autofree char *args = g_strconcat("-M q35 -m 16 -nodefaults ", more, NULL);
    Qtest *q = qtest_start(args);

    qtest_intercept_in(q, "ioapic");
    place(q);
    return q;
}

static void test_registers(void)
{
    Qtest *q = start("");

    g_assert_cmphex(qtest_inl(q, BASE + STATUS), ==, 0);
    qtest_outw(q, BASE + ENABLE, 0xffff);
    g_assert_cmphex(qtest_inw(q, BASE + ENABLE), ==, 0x0721);
    qtest_outw(q, BASE + CONTROL, 0xffff & ~SLEEP_EN);
    g_assert_cmphex(qtest_inw(q, BASE + CONTROL), ==, 0x1c03);
    qtest_outb(q, BASE + GPE + 8, 0x5a);                /* bytes of wider registers */
    qtest_outb(q, BASE + GPE + 11, 0xa5);
    g_assert_cmphex(qtest_inl(q, BASE + GPE + 8), ==, 0xa500005a);
    qtest_outl(q, BASE + SMI, 0x12345678);
    g_assert_cmphex(qtest_inb(q, BASE + SMI + 1), ==, 0x56);
    qtest_outb(q, APM, 0x02);                           /* the firmware's way to hand over, and back */
    g_assert_cmphex(qtest_inw(q, BASE + CONTROL) & SCI_EN, ==, SCI_EN);
    qtest_outb(q, APM, 0x03);
    g_assert_cmphex(qtest_inw(q, BASE + CONTROL) & SCI_EN, ==, 0);
    qtest_reset(q);
    g_assert_cmphex(qtest_inw(q, BASE + ENABLE), ==, 0xffff);   /* nobody there */
    place(q);
    g_assert_cmphex(qtest_inw(q, BASE + ENABLE), ==, 0);
    for (uint16_t port = BASE; port < BASE + 0x80; port++) {
        qtest_inb(q, port);
        qtest_inw(q, port);
        qtest_inl(q, port);
        if (port < BASE + CONTROL - 3 || port > BASE + CONTROL + 1) {
            qtest_outb(q, port, 0xff);
            qtest_outw(q, port, 0xffff);
            qtest_outl(q, port, 0xffffffff);
        }
    }
    qtest_quit(q);
}

/* 3.579545 MHz in 24 bits; the status bit comes with each change of the highest one. */
static void test_timer(void)
{
    Qtest *q = start("");
    uint32_t first = qtest_inl(q, BASE + TIMER);

    qtest_clock_step(q, 1000000000);
    g_assert_cmpuint((qtest_inl(q, BASE + TIMER) - first) & 0xffffff, ==, 3579545);
    g_assert_cmphex(qtest_inw(q, BASE + STATUS) & TMR, ==, 0);
    qtest_outw(q, BASE + ENABLE, TMR);
    qtest_outb(q, APM, 0x02);
    g_assert_false(qtest_irq(q, SCI));
    qtest_clock_step(q, INT64_C(1400000000));           /* 2^23 ticks are 2.34 s */
    g_assert_true(qtest_irq(q, SCI));
    g_assert_cmphex(qtest_inw(q, BASE + STATUS) & TMR, ==, TMR);
    qtest_outw(q, BASE + STATUS, BUTTON);               /* another bit */
    g_assert_true(qtest_irq(q, SCI));
    qtest_outw(q, BASE + STATUS, TMR);                  /* W1C */
    g_assert_false(qtest_irq(q, SCI));
    qtest_clock_step(q, INT64_C(2400000000));
    g_assert_true(qtest_irq(q, SCI));
    qtest_outw(q, BASE + ENABLE, 0);
    g_assert_false(qtest_irq(q, SCI));
    qtest_quit(q);
}

static void test_button(void)
{
    Qtest *q = start("");

    qtest_outw(q, BASE + ENABLE, BUTTON);
    qtest_ok(q, "{\"execute\": \"system_powerdown\"}");
    json_object_put(qtest_event(q, "POWERDOWN"));
    g_assert_cmphex(qtest_inw(q, BASE + STATUS), ==, BUTTON);
    g_assert_false(qtest_irq(q, SCI));                  /* ACPI is off */
    qtest_outb(q, APM, 0x02);
    g_assert_true(qtest_irq(q, SCI));
    qpci_writeb(q, LPC, 0x44, 0x80 | 4);                /* the SCI goes to 20 */
    g_assert_false(qtest_irq(q, SCI));
    g_assert_true(qtest_irq(q, 20));
    qtest_outw(q, BASE + STATUS, BUTTON);
    g_assert_false(qtest_irq(q, 20));
    qtest_quit(q);
}

static void test_sleep(void)
{
    Qtest *q = start("-no-shutdown");

    qtest_outw(q, BASE + CONTROL, 1 << 10);             /* a type alone does nothing */
    qtest_outw(q, BASE + CONTROL, SLEEP_EN | 1 << 10);
    json_object_put(qtest_event(q, "SUSPEND"));
    qtest_ok(q, "{\"execute\": \"system_wakeup\"}");
    json_object_put(qtest_event(q, "WAKEUP"));
    qtest_outw(q, BASE + CONTROL, SLEEP_EN | 7 << 10);  /* no such state */
    qtest_outw(q, BASE + CONTROL, SLEEP_EN);
    json_object_put(qtest_event(q, "SHUTDOWN"));
    qtest_quit(q);
}

/* --- SMI: who gets it is tests/guest/micro/smm.c's business --- */

static uint16_t key_of(Qtest *q, const char *name)
{
    uint32_t len;

    return qfw_find(q, name, &len);
}

enum { SMI_STATUS = SMI + 4, GLOBAL = 0x01, EOS = 0x02, APM_BIT = 0x20, PMCON = 0xa0, SMI_LOCK = 0x10 };

static void test_smi(void)
{
    Qtest *q = start("-M smm=on");

    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, 0);
    qtest_outb(q, APM + 1, 0x5a);
    qtest_outb(q, APM, 0x77);                           /* not enabled: it is only a port */
    g_assert_cmphex(qtest_inb(q, APM), ==, 0x77);
    g_assert_cmphex(qtest_inb(q, APM + 1), ==, 0x5a);
    g_assert_cmphex(qtest_inl(q, BASE + SMI_STATUS), ==, 0);
    qtest_outl(q, BASE + SMI, APM_BIT | EOS);           /* recorded, but not sent */
    qtest_outb(q, APM, 0x02);
    g_assert_cmphex(qtest_inw(q, BASE + CONTROL) & SCI_EN, ==, SCI_EN);
    g_assert_cmphex(qtest_inl(q, BASE + SMI_STATUS), ==, APM_BIT);
    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, APM_BIT | EOS);
    qtest_outl(q, BASE + SMI_STATUS, GLOBAL);           /* another bit */
    g_assert_cmphex(qtest_inl(q, BASE + SMI_STATUS), ==, APM_BIT);
    qtest_outl(q, BASE + SMI_STATUS, APM_BIT);
    g_assert_cmphex(qtest_inl(q, BASE + SMI_STATUS), ==, 0);
    qtest_outl(q, BASE + SMI, APM_BIT | EOS | GLOBAL);
    qtest_outb(q, APM, 0x03);
    g_assert_cmphex(qtest_inw(q, BASE + CONTROL) & SCI_EN, ==, 0);
    g_assert_cmphex(qtest_inl(q, BASE + SMI_STATUS), ==, APM_BIT);
    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, APM_BIT | GLOBAL);

    qpci_writel(q, LPC, PMCON, UINT32_MAX);             /* GBL_SMI_EN stays from here on, and so does the lock */
    g_assert_cmphex(qpci_readl(q, LPC, PMCON), ==, SMI_LOCK);
    qtest_outl(q, BASE + SMI, 0);
    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, GLOBAL);
    qpci_writel(q, LPC, PMCON, 0);
    g_assert_cmphex(qpci_readl(q, LPC, PMCON), ==, SMI_LOCK);
    qtest_reset(q);
    place(q);
    g_assert_cmphex(qpci_readl(q, LPC, PMCON), ==, 0);
    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, 0);
    qtest_outl(q, BASE + SMI, GLOBAL);
    qtest_outl(q, BASE + SMI, 0);
    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, 0);
    qtest_quit(q);
}

/* Firmware that finds SMIs enabled at reset leaves system management mode alone. */
static void test_no_smi(void)
{
    Qtest *q = start("-M smm=off");

    g_assert_cmphex(qtest_inl(q, BASE + SMI), ==, APM_BIT);
    qtest_outl(q, BASE + SMI, APM_BIT | GLOBAL);
    qtest_outb(q, APM, 0x02);
    g_assert_cmphex(qtest_inw(q, BASE + CONTROL) & SCI_EN, ==, SCI_EN);
    g_assert_cmphex(qtest_inl(q, BASE + SMI_STATUS), ==, 0);
    g_assert_cmphex(key_of(q, "etc/smi/supported-features"), ==, 0);
    qtest_quit(q);
    qtest_refused("-M microvm,smm=on -nodefaults", "'smm' is 'on', must be 'off' or 'auto': microvm-machine has no");
}

enum { REQUEST = 0x1000, WANTED = 0x2000 };

static void want(Qtest *q, uint64_t features)
{
    uint16_t key = key_of(q, "etc/smi/requested-features");

    qtest_writeq(q, WANTED, features);
    g_assert_cmphex(qfw_dma(q, REQUEST, (uint32_t)key << 16 | QFW_SELECT_KEY | QFW_WRITE, 8, WANTED), ==, 0);
}

static bool is_agreed(Qtest *q)
{
    uint8_t byte;

    qtest_outw(q, QFW_SELECT, key_of(q, "etc/smi/features-ok"));
    qfw_bytes(q, &byte, 1);
    return byte;
}

static void test_smi_features(void)
{
    Qtest *q = start("-M smm=on");
    uint64_t offered = 0;

    qtest_outw(q, QFW_SELECT, key_of(q, "etc/smi/supported-features"));
    qfw_bytes(q, &offered, sizeof(offered));
    g_assert_cmphex(offered, ==, 1);                    /* broadcast */
    want(q, 3);
    g_assert_false(is_agreed(q));
    want(q, 1);
    g_assert_true(is_agreed(q));
    want(q, 2);                                         /* too late */
    g_assert_true(is_agreed(q));
    qtest_outl(q, BASE + SMI, APM_BIT | GLOBAL);
    qtest_outb(q, APM, 0);
    qtest_reset(q);
    want(q, 2);
    g_assert_false(is_agreed(q));
    qtest_quit(q);
    q = start("-M smm=on -global ICH9-LPC.x-smi-broadcast=off");
    g_assert_cmphex(key_of(q, "etc/smi/supported-features"), ==, 0);
    qtest_quit(q);
}

static void test_ged(void)
{
    Qtest *q = qtest_start("-M microvm -m 16 -nodefaults -no-shutdown");

    qtest_intercept_in(q, "ioapic");
    g_assert_cmphex(qtest_readl(q, SELECTOR), ==, 0);
    qtest_ok(q, "{\"execute\": \"system_powerdown\"}");
    json_object_put(qtest_event(q, "POWERDOWN"));
    g_assert_cmphex(qtest_readl(q, SELECTOR), ==, 2);
    g_assert_cmphex(qtest_readl(q, SELECTOR), ==, 0);   /* read to clear */
    qtest_ok(q, "{\"execute\": \"system_powerdown\"}");
    qtest_writeb(q, SLEEP + 2, 0x41);                   /* not the value that resets */
    qtest_writeb(q, SLEEP + 2, 0x42);
    json_object_put(qtest_event(q, "RESET"));
    g_assert_cmphex(qtest_readl(q, SELECTOR), ==, 0);
    qtest_writel(q, SELECTOR, 0xffffffff);
    qtest_readw(q, SELECTOR + 1);
    qtest_writeb(q, SLEEP, 0x14);                       /* S5 without the bit that enters it */
    qtest_writeb(q, SLEEP, 0x34);
    json_object_put(qtest_event(q, "SHUTDOWN"));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pm/registers", test_registers);
    g_test_add_func("/pm/timer", test_timer);
    g_test_add_func("/pm/button", test_button);
    g_test_add_func("/pm/sleep", test_sleep);
    g_test_add_func("/pm/smi", test_smi);
    g_test_add_func("/pm/no-smi", test_no_smi);
    g_test_add_func("/pm/smi-features", test_smi_features);
    g_test_add_func("/pm/acpi-ged", test_ged);
    return g_test_run();
}
