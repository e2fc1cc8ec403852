/*
 * The monitor that BAR 2 of the VGA describes.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-pci.h"

enum { MMIO = 0xe0000000, EDID_SIZE = 128, TIMING = 54, ESTABLISHED = 35 };
#define BDF qpci_bdf(0, 3, 0)

static Qtest *start(const char *props)
{
    g_autofree char *args = g_strdup_printf("-M q35 -m 16 -nodefaults -device VGA,addr=3%s", props);
    Qtest *q = qtest_start(args);

    qpci_place(q, BDF, 2, MMIO);
    return q;
}

static void expect_monitor(const char *props, unsigned xres, unsigned yres, unsigned modes)
{
    static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };
    Qtest *q = start(props);
    uint8_t edid[EDID_SIZE], sum = 0;
    unsigned v_blank, clock_10khz;

    for (unsigned i = 0; i < EDID_SIZE; i++) {
        edid[i] = qtest_readb(q, MMIO + i);
        sum += edid[i];
    }
    g_assert_cmpmem(edid, sizeof(header), header, sizeof(header));
    g_assert_cmpuint(sum, ==, 0);
    g_assert_cmpuint(edid[TIMING + 2] | (edid[TIMING + 4] & 0xf0) << 4, ==, xres);
    g_assert_cmpuint(edid[TIMING + 5] | (edid[TIMING + 7] & 0xf0) << 4, ==, yres);
    v_blank = edid[TIMING + 6] | (edid[TIMING + 7] & 0x0f) << 8;
    clock_10khz = edid[TIMING] | edid[TIMING + 1] << 8;
    g_assert_cmpuint((clock_10khz * 10000 + 300000) / ((xres + 160) * (yres + v_blank)), ==, 60);
    g_assert_cmphex(edid[ESTABLISHED] | edid[ESTABLISHED + 1] << 8, ==, modes);
    g_assert_cmphex(qtest_readw(q, MMIO), ==, 0xff00);
    qtest_writeb(q, MMIO, 0x55);                        /* RO */
    g_assert_cmphex(qtest_readb(q, MMIO), ==, 0);
    g_assert_cmphex(qtest_readb(q, MMIO + EDID_SIZE), ==, 0);
    qtest_quit(q);
}

static void test_edid(void)
{
    Qtest *q = start(",edid=off");

    g_assert_cmphex(qtest_readb(q, MMIO + 1), ==, 0);
    qtest_quit(q);
    expect_monitor("", 1280, 800, 0x0821);
    expect_monitor(",xres=1920,yres=1080", 1920, 1080, 0x0821);
    expect_monitor(",xres=640,yres=480,xmax=800,ymax=600", 640, 480, 0x0021);
    qtest_refused("-M q35 -nodefaults -device VGA,xres=4096", "xres");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vga/edid", test_edid);
    return g_test_run();
}
