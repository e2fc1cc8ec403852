/*
 * PCI functions from a qtest: configuration by the ports of mechanism #1, capabilities, BARs.
 */
#ifndef TESTS_QTEST_LIBQTEST_PCI_H
#define TESTS_QTEST_LIBQTEST_PCI_H

#include "libqtest.h"

/** qpci_bdf - the function's address, as all below take it */
#define qpci_bdf(bus, dev, fn) ((uint32_t)(bus) << 16 | (uint32_t)(dev) << 11 | (uint32_t)(fn) << 8)

uint8_t qpci_readb(Qtest *q, uint32_t bdf, uint8_t at);
uint16_t qpci_readw(Qtest *q, uint32_t bdf, uint8_t at);
uint32_t qpci_readl(Qtest *q, uint32_t bdf, uint8_t at);
void qpci_writeb(Qtest *q, uint32_t bdf, uint8_t at, uint8_t value);
void qpci_writew(Qtest *q, uint32_t bdf, uint8_t at, uint16_t value);
void qpci_writel(Qtest *q, uint32_t bdf, uint8_t at, uint32_t value);
/** qpci_cap - the next capability @id behind @after (0: from the list's begin), or 0; a list without end fails */
uint8_t qpci_cap(Qtest *q, uint32_t bdf, uint8_t id, uint8_t after);
/** qpci_place - put a memory BAR at @base, and switch memory and bus mastering on */
void qpci_place(Qtest *q, uint32_t bdf, unsigned bar, uint64_t base);
/** qpci_intx - one of the interrupt pins of PCI is up (intercepted inputs of "ioapic", 16 to 23) */
bool qpci_intx(Qtest *q);

#endif
