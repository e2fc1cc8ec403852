/*
 * PCI functions from a qtest.  Spec: PCI 3.0 §3.2.2.3.2 (mechanism #1), §6.7 (capabilities list).
 */
#include "libqtest-pci.h"
#include <glib.h>

enum { ADDRESS = 0xcf8, DATA = 0xcfc, BAR0 = 0x10, COMMAND = 0x04, CAPABILITIES = 0x34 };

static uint16_t aim(Qtest *q, uint32_t bdf, uint8_t at)
{
    qtest_outl(q, ADDRESS, 0x80000000u | bdf | (at & 0xfcu));
    return DATA + (at & 3);
}

uint8_t qpci_readb(Qtest *q, uint32_t bdf, uint8_t at)
{
    return qtest_inb(q, aim(q, bdf, at));
}

uint16_t qpci_readw(Qtest *q, uint32_t bdf, uint8_t at)
{
    return qtest_inw(q, aim(q, bdf, at));
}

uint32_t qpci_readl(Qtest *q, uint32_t bdf, uint8_t at)
{
    return qtest_inl(q, aim(q, bdf, at));
}

void qpci_writeb(Qtest *q, uint32_t bdf, uint8_t at, uint8_t value)
{
    qtest_outb(q, aim(q, bdf, at), value);
}

void qpci_writew(Qtest *q, uint32_t bdf, uint8_t at, uint16_t value)
{
    qtest_outw(q, aim(q, bdf, at), value);
}

void qpci_writel(Qtest *q, uint32_t bdf, uint8_t at, uint32_t value)
{
    qtest_outl(q, aim(q, bdf, at), value);
}

uint8_t qpci_cap(Qtest *q, uint32_t bdf, uint8_t id, uint8_t after)
{
    uint8_t at = qpci_readb(q, bdf, after ? after + 1 : CAPABILITIES);
    unsigned steps = 0;

    while (at && qpci_readb(q, bdf, at) != id) {
        g_assert_cmpuint(steps++, <, 48);
        at = qpci_readb(q, bdf, at + 1);
    }
    return at;
}

void qpci_place(Qtest *q, uint32_t bdf, unsigned bar, uint64_t base)
{
    uint8_t at = (uint8_t)(BAR0 + 4 * bar);
    bool is_64 = (qpci_readl(q, bdf, at) & 6) == 4;

    qpci_writel(q, bdf, at, (uint32_t)base);
    if (is_64) {
        qpci_writel(q, bdf, at + 4, (uint32_t)(base >> 32));
    }
    qpci_writew(q, bdf, COMMAND, qpci_readw(q, bdf, COMMAND) | 0x6);
}

bool qpci_intx(Qtest *q)
{
    bool is_up = false;

    for (unsigned pin = 16; pin < 24; pin++) {
        is_up |= qtest_irq(q, pin);
    }
    return is_up;
}
