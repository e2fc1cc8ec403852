/*
 * ICH9-SMB and the EEPROMs of the memory modules on its bus (smbus-eeprom): configuration, access kinds, each protocol,
 * who does not answer, interrupts, kill, odd sizes, reset.  Spec: ICH9 datasheet §20, JEDEC EE1002 §2.
 */
#include <glib.h>
#include "libqtest-pci.h"

enum { BDF = qpci_bdf(0, 31, 3), BASE = 0xc040, BAR4 = 0x20, HOST_CONFIG = 0x40, NO_DEVICE = 0x58, MODULE = 0x50 };
enum { STATUS, CONTROL = 2, COMMAND, ADDRESS, DATA0, DATA1, BLOCK, PEC, AUX_STATUS = 0xc, AUX_CONTROL, SPAN = 64 };
enum { BUSY = 1, DONE = 2, DEV_ERR = 4, FAILED = 0x10, IN_USE = 0x40, BYTE_DONE = 0x80 };
enum { IRQ = 1, KILL = 2, LAST = 0x20, GO = 0x40 };
enum { QUICK, BYTE, BYTE_DATA, WORD_DATA, PROCESS_CALL, BLOCK_DATA, I2C_READ };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults");

    qtest_intercept_in(q, "ioapic");
    qpci_writel(q, BDF, BAR4, BASE);
    qpci_writew(q, BDF, 4, 1);
    qpci_writeb(q, BDF, HOST_CONFIG, 1);
    return q;
}

static void put(Qtest *q, unsigned reg, uint8_t value)
{
    qtest_outb(q, (uint16_t)(BASE + reg), value);
}

static uint8_t get(Qtest *q, unsigned reg)
{
    return qtest_inb(q, (uint16_t)(BASE + reg));
}

/* The status without the semaphore of drivers; what is over is cleared. */
static uint8_t run(Qtest *q, unsigned target, bool is_read, unsigned kind)
{
    uint8_t status;

    put(q, ADDRESS, (uint8_t)(target << 1 | is_read));
    put(q, CONTROL, (uint8_t)(GO | kind << 2));
    status = get(q, STATUS) & (uint8_t)~IN_USE;
    put(q, STATUS, 0x7f);
    return status;
}

static void write_byte(Qtest *q, unsigned target, uint8_t at, uint8_t value)
{
    put(q, COMMAND, at);
    put(q, DATA0, value);
    g_assert_cmphex(run(q, target, false, BYTE_DATA), ==, DONE);
}

static uint8_t read_byte(Qtest *q, unsigned target, uint8_t at)
{
    put(q, COMMAND, at);
    g_assert_cmphex(run(q, target, true, BYTE_DATA), ==, DONE);
    return get(q, DATA0);
}

static void test_config(void)
{
    Qtest *q = start();

    g_assert_cmphex(qpci_readl(q, BDF, 0), ==, 0x29308086);
    g_assert_cmphex(qpci_readw(q, BDF, 0x0a), ==, 0x0c05);
    qpci_writel(q, BDF, BAR4, 0xffffffff);
    g_assert_cmphex(qpci_readl(q, BDF, BAR4), ==, 0xffffffc1);
    qpci_writel(q, BDF, BAR4, BASE);
    qpci_writeb(q, BDF, HOST_CONFIG, 0xff);
    g_assert_cmphex(qpci_readb(q, BDF, HOST_CONFIG), ==, 0x07);
    qpci_writeb(q, BDF, HOST_CONFIG, 0);
    g_assert_cmphex(run(q, MODULE, false, QUICK), ==, 0);       /* off: nothing starts */
    qpci_writeb(q, BDF, HOST_CONFIG, 1);
    g_assert_cmphex(run(q, MODULE, false, QUICK), ==, DONE);
    qtest_reset(q);
    g_assert_cmphex(qpci_readb(q, BDF, HOST_CONFIG), ==, 0);
    g_assert_cmphex(qtest_inb(q, BASE + CONTROL), ==, 0xff);    /* not decoded any more */
    qtest_quit(q);
}

static void test_registers(void)
{
    static const struct { unsigned reg; uint8_t bits; } kept[] = {
        { CONTROL, 0xbd }, { COMMAND, 0xff }, { ADDRESS, 0xff }, { DATA0, 0xff }, { DATA1, 0xff }, { BLOCK, 0xff },
        { PEC, 0xff }, { AUX_CONTROL, 0x03 }, { AUX_STATUS, 0 }, { 0x11, 0 },
    };
    Qtest *q = start();

    for (size_t i = 0; i < G_N_ELEMENTS(kept); i++) {
        put(q, kept[i].reg, 0xff & ~(kept[i].reg == CONTROL ? GO | KILL : 0));
        g_assert_cmphex(get(q, kept[i].reg), ==, kept[i].bits);
        put(q, kept[i].reg, 0);
        g_assert_cmphex(get(q, kept[i].reg), ==, 0);
    }
    put(q, STATUS, IN_USE);
    g_assert_cmphex(get(q, STATUS), ==, 0);                     /* a semaphore: the first reader has it */
    g_assert_cmphex(get(q, STATUS), ==, IN_USE);
    for (uint16_t port = BASE; port < BASE + SPAN; port++) {    /* odd sizes */
        qtest_inw(q, port);
        qtest_inl(q, port);
        qtest_outw(q, port, 0xffff);
        qtest_outl(q, port, 0);
    }
    qtest_quit(q);
}

/* Eight modules of 256 bytes; a reset brings the first contents back. */
static void test_eeprom(void)
{
    Qtest *q = start();

    for (unsigned i = 0; i < 8; i++) {
        write_byte(q, MODULE + i, 0xff, (uint8_t)(0x10 + i));
        g_assert_cmphex(read_byte(q, MODULE + i, 0), ==, 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(read_byte(q, MODULE + i, 0xff), ==, 0x10 + i);
    }
    put(q, COMMAND, 0x20);                                      /* a word, low byte first */
    put(q, DATA0, 0xcd);
    put(q, DATA1, 0xab);
    g_assert_cmphex(run(q, MODULE, false, WORD_DATA), ==, DONE);
    g_assert_cmphex(read_byte(q, MODULE, 0x21), ==, 0xab);
    put(q, COMMAND, 0xff);                                      /* over the end: goes on at 0 */
    g_assert_cmphex(run(q, MODULE, true, WORD_DATA), ==, DONE);
    g_assert_cmphex(get(q, DATA0), ==, 0x10);
    g_assert_cmphex(get(q, DATA1), ==, 0);
    put(q, COMMAND, 0x20);                                      /* set the place, then read from there */
    g_assert_cmphex(run(q, MODULE, false, BYTE), ==, DONE);
    g_assert_cmphex(run(q, MODULE, true, BYTE), ==, DONE);
    g_assert_cmphex(get(q, DATA0), ==, 0xcd);
    g_assert_cmphex(run(q, MODULE, true, BYTE), ==, DONE);
    g_assert_cmphex(get(q, DATA0), ==, 0xab);
    for (unsigned kind = QUICK; kind <= I2C_READ; kind++) {
        g_assert_cmphex(run(q, NO_DEVICE, kind & 1, kind), ==, DEV_ERR);
    }
    g_assert_cmphex(run(q, MODULE, true, PROCESS_CALL), ==, DEV_ERR);
    qtest_reset(q);
    qpci_writel(q, BDF, BAR4, BASE);
    qpci_writew(q, BDF, 4, 1);
    qpci_writeb(q, BDF, HOST_CONFIG, 1);
    g_assert_cmphex(read_byte(q, MODULE, 0xff), ==, 0);
    qtest_quit(q);
}

static void test_interrupt(void)
{
    Qtest *q = start();

    put(q, ADDRESS, MODULE << 1);
    put(q, CONTROL, GO);
    g_assert_false(qpci_intx(q));                               /* not asked for */
    put(q, STATUS, 0x7f);
    put(q, CONTROL, GO | IRQ);
    g_assert_true(qpci_intx(q));
    put(q, STATUS, DEV_ERR);                                    /* another bit */
    g_assert_true(qpci_intx(q));
    put(q, STATUS, DONE);
    g_assert_false(qpci_intx(q));
    put(q, ADDRESS, NO_DEVICE << 1);
    put(q, CONTROL, GO | IRQ);
    g_assert_true(qpci_intx(q));
    put(q, CONTROL, 0);                                         /* off */
    g_assert_false(qpci_intx(q));
    put(q, CONTROL, IRQ);
    g_assert_true(qpci_intx(q));
    qtest_reset(q);
    g_assert_false(qpci_intx(q));
    qtest_quit(q);
}

/* A block that waits for its driver byte by byte, and a driver that gives up. */
static void test_kill(void)
{
    Qtest *q = start();

    write_byte(q, MODULE, 0x40, 4);                             /* a block of four */
    put(q, COMMAND, 0x40);
    put(q, ADDRESS, MODULE << 1 | 1);
    put(q, CONTROL, GO | BLOCK_DATA << 2 | IRQ);
    g_assert_cmphex(get(q, STATUS) & ~IN_USE, ==, BUSY | BYTE_DONE);
    g_assert_cmphex(get(q, DATA0), ==, 4);
    g_assert_true(qpci_intx(q));
    put(q, CONTROL, GO | QUICK << 2);                           /* busy: not heard */
    g_assert_cmphex(get(q, STATUS) & BUSY, ==, BUSY);
    put(q, CONTROL, KILL);
    g_assert_cmphex(get(q, STATUS) & ~IN_USE, ==, FAILED);
    put(q, CONTROL, 0);
    put(q, STATUS, FAILED);
    g_assert_cmphex(run(q, MODULE, false, QUICK), ==, DONE);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbus/config", test_config);
    g_test_add_func("/smbus/registers", test_registers);
    g_test_add_func("/smbus/eeprom", test_eeprom);
    g_test_add_func("/smbus/interrupt", test_interrupt);
    g_test_add_func("/smbus/kill", test_kill);
    return g_test_run();
}
