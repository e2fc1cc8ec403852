/*
 * fw_cfg_io, over ports and DMA: signature, files, ends of items, and requests that a hostile guest would make.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-fw-cfg.h"

enum { SELECT = QFW_SELECT, DATA = QFW_DATA, DMA_HIGH = QFW_DMA, DMA_LOW = QFW_DMA + 4 };
enum { KEY_SIGNATURE = 0, KEY_ID = 1 };
enum { DMA_ERROR = QFW_ERROR, DMA_READ = QFW_READ, DMA_SKIP = QFW_SKIP, DMA_SELECT = QFW_SELECT_KEY, DMA_WRITE = QFW_WRITE };
enum { ACCESS = 0x10000, BUFFER = 0x20000 };

static Qtest *start(void)
{
    return qtest_start("-M q35 -m 16 -nodefaults -fw_cfg name=opt/org.rhea/text,string=hello");
}

static uint32_t dma(Qtest *q, uint32_t control, uint32_t length, uint64_t address)
{
    return qfw_dma(q, ACCESS, control, length, address);
}

static void test_ports(void)
{
    Qtest *q = start();
    char text[8] = "";
    uint32_t len = 0;
    uint16_t key;

    qfw_bytes(q, text, 4);                 /* selected at reset */
    g_assert_cmpstr(text, ==, "QEMU");
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0);     /* past the end */
    qtest_outw(q, SELECT, KEY_ID);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0x03);
    key = qfw_find(q, "opt/org.rhea/text", &len);
    g_assert_cmphex(key, !=, 0);
    g_assert_cmpuint(len, ==, 5);
    qtest_outw(q, SELECT, key);
    qfw_bytes(q, text, 6);
    g_assert_cmpstr(text, ==, "hello");
    qtest_outw(q, SELECT, key);
    qtest_outb(q, DATA, 'j');               /* writing was given up long ago */
    qtest_outw(q, SELECT, key);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 'h');
    qtest_outw(q, SELECT, 0xffff);          /* no such item: zeroes */
    g_assert_cmphex(qtest_inb(q, DATA), ==, 0);
    qtest_reset(q);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 'Q');
    qtest_quit(q);
}

static void test_dma(void)
{
    Qtest *q = start();
    uint32_t len = 0;
    uint16_t key = qfw_find(q, "opt/org.rhea/text", &len);
    uint8_t buf[9] = "";

    g_assert_cmphex(qtest_inl(q, DMA_HIGH), ==, GUINT32_SWAP_LE_BE(0x51454d55));
    g_assert_cmphex(qtest_inl(q, DMA_LOW), ==, GUINT32_SWAP_LE_BE(0x20434647));
    qtest_command(q, "memset 0x%x 0x10 0xee", BUFFER);
    g_assert_cmphex(dma(q, (uint32_t)key << 16 | DMA_SELECT | DMA_READ, 8, BUFFER), ==, 0);
    qtest_memread(q, BUFFER, buf, 9);
    g_assert_cmpmem(buf, 9, "hello\0\0\0\xee", 9);
    g_assert_cmphex(dma(q, (uint32_t)key << 16 | DMA_SELECT | DMA_SKIP, 3, 0), ==, 0);
    g_assert_cmphex(dma(q, DMA_READ, 2, BUFFER), ==, 0);
    qtest_memread(q, BUFFER, buf, 3);
    g_assert_cmpmem(buf, 3, "lol", 3);
    g_assert_cmphex(dma(q, (uint32_t)key << 16 | DMA_SELECT, 0, 0), ==, 0);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 'h');
    qtest_quit(q);
}

static void test_hostile(void)
{
    Qtest *q = start();
    uint32_t len = 0;
    uint16_t key = qfw_find(q, "opt/org.rhea/text", &len);
    uint32_t select = (uint32_t)key << 16 | DMA_SELECT;

    g_assert_cmphex(dma(q, select | DMA_WRITE, 5, BUFFER), ==, DMA_ERROR);      /* read-only file */
    g_assert_cmphex(dma(q, DMA_WRITE, UINT32_MAX, BUFFER), ==, DMA_ERROR);
    dma(q, select | DMA_READ, UINT32_MAX, BUFFER & ~0xfffu);        /* overruns the request and all of memory */
    dma(q, select | DMA_READ, 16, UINT64_MAX - 4);                  /* wraps */
    dma(q, select | DMA_READ, 16, 0xfec00000);                      /* device registers */
    dma(q, 0xffff0000u | DMA_SELECT | DMA_READ, 64, BUFFER);        /* no such item */
    g_assert_cmphex(dma(q, DMA_SKIP, UINT32_MAX, 0), ==, 0);
    qtest_outl(q, DMA_HIGH, UINT32_MAX);                            /* the request itself is nowhere */
    qtest_outl(q, DMA_LOW, UINT32_MAX);
    qtest_outb(q, DMA_LOW, 0xff);                                   /* in pieces */
    qtest_outw(q, DMA_LOW + 2, 0xffff);
    qtest_inb(q, DMA_LOW + 3);
    g_assert_cmphex(dma(q, select | DMA_READ, 5, BUFFER), ==, 0);
    qtest_outw(q, SELECT, KEY_SIGNATURE);
    g_assert_cmphex(qtest_inb(q, DATA), ==, 'Q');
    qtest_quit(q);
}

static void test_options(void)
{
    qtest_refused("-M q35 -fw_cfg name=opt/a,file=/nonexistent/file", "/nonexistent/file");
    qtest_refused("-M q35 -fw_cfg string=text", "name");
    qtest_refused("-M q35 -fw_cfg name=opt/a,string=1 -fw_cfg name=opt/a,string=2", "opt/a");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fw_cfg/ports", test_ports);
    g_test_add_func("/fw_cfg/dma", test_dma);
    g_test_add_func("/fw_cfg/hostile", test_hostile);
    g_test_add_func("/fw_cfg/options", test_options);
    return g_test_run();
}
