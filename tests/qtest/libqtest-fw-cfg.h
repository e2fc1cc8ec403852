/*
 * fw_cfg from a qtest, over its ports and DMA.
 */
#ifndef TESTS_QTEST_LIBQTEST_FW_CFG_H
#define TESTS_QTEST_LIBQTEST_FW_CFG_H

#include "libqtest.h"

enum { QFW_SELECT = 0x510, QFW_DATA = 0x511, QFW_DMA = 0x514 };
enum { QFW_ERROR = 1, QFW_READ = 2, QFW_SKIP = 4, QFW_SELECT_KEY = 8, QFW_WRITE = 16 };

/** qfw_bytes - the next @len bytes of the selected item */
void qfw_bytes(Qtest *q, void *buf, size_t len);
/** qfw_find - the key of a file and its length, or 0 */
uint16_t qfw_find(Qtest *q, const char *name, uint32_t *ret_len);
/** qfw_dma - a request put at @at; returns what the device leaves in its control word */
uint32_t qfw_dma(Qtest *q, uint64_t at, uint32_t control, uint32_t length, uint64_t address);

#endif
