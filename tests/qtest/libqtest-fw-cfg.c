/*
 * fw_cfg from a qtest.  Spec: "QEMU Firmware Configuration (fw_cfg) Device", documented interface.
 */
#include "libqtest-fw-cfg.h"
#include <glib.h>
#include <string.h>

enum { KEY_FILES = 0x19, KEY_FIRST_FILE = 0x20, MAX_FILES = 100 };

void qfw_bytes(Qtest *q, void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)buf)[i] = qtest_inb(q, QFW_DATA);
    }
}

uint16_t qfw_find(Qtest *q, const char *name, uint32_t *ret_len)
{
    struct { uint32_t size; uint16_t key; uint16_t reserved; char name[56]; } file;
    uint32_t count;

    qtest_outw(q, QFW_SELECT, KEY_FILES);
    qfw_bytes(q, &count, 4);
    count = GUINT32_FROM_BE(count);
    g_assert_cmpuint(count, >, 0);
    g_assert_cmpuint(count, <, MAX_FILES);
    for (uint32_t i = 0; i < count; i++) {
        qfw_bytes(q, &file, sizeof(file));
        g_assert_cmpuint(GUINT16_FROM_BE(file.key), >=, KEY_FIRST_FILE);
        if (strncmp(file.name, name, sizeof(file.name)) == 0) {
            *ret_len = GUINT32_FROM_BE(file.size);
            return GUINT16_FROM_BE(file.key);
        }
    }
    return 0;
}

uint32_t qfw_dma(Qtest *q, uint64_t at, uint32_t control, uint32_t length, uint64_t address)
{
    struct { uint32_t control, length; uint64_t address; } request = {
        GUINT32_TO_BE(control), GUINT32_TO_BE(length), GUINT64_TO_BE(address),
    };

    qtest_memwrite(q, at, &request, sizeof(request));
    qtest_outl(q, QFW_DMA, GUINT32_SWAP_LE_BE((uint32_t)(at >> 32)));
    qtest_outl(q, QFW_DMA + 4, GUINT32_SWAP_LE_BE((uint32_t)at));
    qtest_memread(q, at, &request, sizeof(request));
    return GUINT32_FROM_BE(request.control);
}
