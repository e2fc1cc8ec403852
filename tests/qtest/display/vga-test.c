/*
 * VGA on PCI and isa-vga: access kinds of every register group, the window in text and planar modes, Bochs display registers
 * and their limits, the frame buffer, the same registers in BAR 2, odd sizes, reset, properties.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; Bochs VBE DISPI interface.
 */
#include <glib.h>
#include "libqtest-pci.h"

enum { BDF = qpci_bdf(0, 3, 0), FRAME = 0xc0000000, MMIO = 0xd0000000, WINDOW = 0xa0000, TEXT = 0xb8000 };
enum { ATTR = 0x3c0, ATTR_READ = 0x3c1, MISC = 0x3c2, SEQ = 0x3c4, DAC_MASK = 0x3c6, DAC_READ = 0x3c7, DAC_WRITE = 0x3c8,
       DAC = 0x3c9, MISC_READ = 0x3cc, GR = 0x3ce, CRTC = 0x3d4, STATUS = 0x3da, DISPI_INDEX = 0x1ce, DISPI_DATA = 0x1cf };
enum { ID, XRES, YRES, BPP, ENABLE, BANK, VIRT_WIDTH, VIRT_HEIGHT, X_OFFSET, Y_OFFSET, MEMORY };
enum { ON = 1, GETCAPS = 2, NOCLEAR = 0x80, COLOR = 1 };

static Qtest *start(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device VGA,addr=3,romfile=");

    qpci_place(q, BDF, 0, FRAME);
    qpci_place(q, BDF, 2, MMIO);
    qpci_writew(q, BDF, 4, 3);
    qtest_outb(q, MISC, COLOR);
    return q;
}

static void put(Qtest *q, uint16_t port, uint8_t index, uint8_t value)
{
    qtest_outb(q, port, index);
    qtest_outb(q, port + 1, value);
}

static uint8_t get(Qtest *q, uint16_t port, uint8_t index)
{
    qtest_outb(q, port, index);
    return qtest_inb(q, port + 1);
}

static void put_dispi(Qtest *q, uint16_t index, uint16_t value)
{
    qtest_outw(q, DISPI_INDEX, index);
    qtest_outw(q, DISPI_DATA, value);
}

static uint16_t get_dispi(Qtest *q, uint16_t index)
{
    qtest_outw(q, DISPI_INDEX, index);
    return qtest_inw(q, DISPI_DATA);
}

static void put_attr(Qtest *q, uint8_t index, uint8_t value)
{
    qtest_inb(q, STATUS);                               /* the next write is an index */
    qtest_outb(q, ATTR, index);
    qtest_outb(q, ATTR, value);
}

static uint8_t get_attr(Qtest *q, uint8_t index)
{
    qtest_inb(q, STATUS);
    qtest_outb(q, ATTR, index);
    return qtest_inb(q, ATTR_READ);
}

static void test_registers(void)
{
    static const uint8_t seq[] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e }, gr[] = { 15, 15, 15, 0x1f, 3, 0x7b, 15, 15, 0xff };
    Qtest *q = start();

    g_assert_cmphex(qpci_readl(q, BDF, 0), ==, 0x11111234);
    g_assert_cmphex(qpci_readw(q, BDF, 0x0a), ==, 0x0300);
    for (uint8_t i = 0; i < sizeof(seq); i++) {
        put(q, SEQ, i, 0xff);
        g_assert_cmphex(get(q, SEQ, i), ==, seq[i]);
    }
    for (uint8_t i = 0; i < sizeof(gr); i++) {
        put(q, GR, i, 0xff);
        g_assert_cmphex(get(q, GR, i), ==, gr[i]);
    }
    put(q, CRTC, 0x01, 0x4f);
    put(q, CRTC, 0x11, 0x80);                           /* protects 0 to 7, but for a bit of 7 */
    put(q, CRTC, 0x01, 0xff);
    put(q, CRTC, 0x07, 0xff);
    g_assert_cmphex(get(q, CRTC, 0x01), ==, 0x4f);
    g_assert_cmphex(get(q, CRTC, 0x07), ==, 0x10);
    g_assert_cmphex(get(q, CRTC, 0xff), ==, 0);         /* none */
    qtest_outw(q, CRTC, 0x5a0f);                        /* index and data in one */
    g_assert_cmphex(get(q, CRTC, 0x0f), ==, 0x5a);
    qtest_outb(q, MISC, 0);                             /* monochrome: the CRTC is at 0x3b4 */
    g_assert_cmphex(qtest_inb(q, CRTC + 1), ==, 0xff);
    g_assert_cmphex(get(q, 0x3b4, 0x0f), ==, 0x5a);
    qtest_outb(q, MISC, 0xff);
    g_assert_cmphex(qtest_inb(q, MISC_READ), ==, 0xef);
    g_assert_cmphex(qtest_inb(q, STATUS) ^ qtest_inb(q, STATUS), !=, 0);    /* retrace comes and goes */
    qtest_reset(q);
    g_assert_cmphex(qtest_inb(q, MISC_READ), ==, 0);
    g_assert_cmphex(get(q, SEQ, 2), ==, 0);
    g_assert_cmphex(get(q, 0x3b4, 0x0f), ==, 0);
    qtest_quit(q);
}

static void test_palettes(void)
{
    Qtest *q = start();

    put_attr(q, 0x05, 0xff);
    g_assert_cmphex(get_attr(q, 0x05), ==, 0x3f);
    put_attr(q, 0x20 | 0x05, 0);                        /* the palette belongs to the screen now */
    g_assert_cmphex(get_attr(q, 0x05), ==, 0x3f);
    put_attr(q, 0x20 | 0x12, 0xff);
    g_assert_cmphex(get_attr(q, 0x12), ==, 0x3f);
    qtest_outb(q, DAC_WRITE, 0xff);
    for (uint8_t i = 1; i <= 6; i++) {                  /* colour 255, then 0 */
        qtest_outb(q, DAC, i);
    }
    g_assert_cmphex(qtest_inb(q, DAC_READ), ==, 0);
    qtest_outb(q, DAC_READ, 0xff);
    g_assert_cmphex(qtest_inb(q, DAC_READ), ==, 3);
    for (uint8_t i = 1; i <= 6; i++) {
        g_assert_cmphex(qtest_inb(q, DAC), ==, i);
    }
    qtest_outb(q, DAC_WRITE, 7);                        /* two of three parts: the colour stays */
    qtest_outb(q, DAC, 0x3f);
    qtest_outb(q, DAC, 0x3f);
    qtest_outb(q, DAC_READ, 7);
    g_assert_cmphex(qtest_inb(q, DAC), ==, 0);
    g_assert_cmphex(qtest_inb(q, DAC_MASK), ==, 0xff);
    qtest_quit(q);
}

/* 80x25: characters in plane 0, attributes in plane 1, and the window shows them side by side. */
static void test_text(void)
{
    Qtest *q = start();

    put(q, SEQ, 2, 0x03);
    put(q, SEQ, 4, 0x02);
    put(q, GR, 5, 0x10);
    put(q, GR, 6, 0x0e);                                /* the window is 0xb8000 to 0xbffff */
    put(q, GR, 8, 0xff);
    qtest_writew(q, TEXT, 0x0741);
    qtest_writew(q, TEXT + 160, 0x1f42);
    g_assert_cmphex(qtest_readw(q, TEXT), ==, 0x0741);
    g_assert_cmphex(qtest_readl(q, TEXT + 158), ==, 0x1f420000);
    g_assert_cmphex(qtest_readb(q, FRAME), ==, 'A');    /* as it lies in the memory: plane p of byte n at 4n + p */
    g_assert_cmphex(qtest_readb(q, FRAME + 1), ==, 0x07);
    g_assert_cmphex(qtest_readb(q, WINDOW), ==, 0xff);  /* outside of the window */
    qtest_writeb(q, WINDOW, 0x55);
    g_assert_cmphex(qtest_readb(q, FRAME), ==, 'A');
    qtest_quit(q);
}

static void planar(Qtest *q)
{
    put(q, SEQ, 2, 0x0f);
    put(q, SEQ, 4, 0x06);                               /* planes, not chained */
    put(q, GR, 5, 0);
    put(q, GR, 6, 0x05);                                /* the window is 0xa0000 to 0xaffff */
    put(q, GR, 8, 0xff);
    put(q, GR, 3, 0);
    put(q, GR, 1, 0);
}

static void test_planes(void)
{
    Qtest *q = start();

    planar(q);
    for (uint8_t i = 0; i < 4; i++) {
        put(q, SEQ, 2, (uint8_t)(1 << i));
        qtest_writeb(q, WINDOW + 9, 0x10 + i);
        put(q, GR, 4, i);
        g_assert_cmphex(qtest_readb(q, WINDOW + 9), ==, 0x10 + i);
    }
    g_assert_cmphex(qtest_readl(q, FRAME + 36), ==, 0x13121110);
    put(q, SEQ, 2, 0x0f);
    put(q, GR, 5, 1);                                   /* mode 1 copies what was read */
    qtest_readb(q, WINDOW + 9);
    qtest_writeb(q, WINDOW + 10, 0);
    g_assert_cmphex(qtest_readl(q, FRAME + 40), ==, 0x13121110);
    put(q, GR, 5, 2);                                   /* mode 2 spreads a colour */
    qtest_writeb(q, WINDOW + 11, 0x0a);
    g_assert_cmphex(qtest_readl(q, FRAME + 44), ==, 0xff00ff00);
    put(q, GR, 8, 0x0f);                                /* only these bits; the rest from the latches */
    qtest_readb(q, WINDOW + 11);
    qtest_writeb(q, WINDOW + 11, 0x05);
    g_assert_cmphex(qtest_readl(q, FRAME + 44), ==, 0xf00ff00f);
    put(q, GR, 8, 0xff);
    put(q, GR, 5, 0);
    put(q, GR, 3, 0x18);                                /* xor with the latches */
    qtest_readb(q, WINDOW + 9);
    qtest_writeb(q, WINDOW + 9, 0xff);
    g_assert_cmphex(qtest_readl(q, FRAME + 36), ==, 0xecedeeef);
    put(q, GR, 3, 0x01);                                /* rotate right by one */
    qtest_writeb(q, WINDOW + 12, 0x01);
    g_assert_cmphex(qtest_readl(q, FRAME + 48), ==, 0x80808080);
    put(q, GR, 3, 0);
    put(q, GR, 0, 0x0a);
    put(q, GR, 1, 0x0f);                                /* set/reset in place of data */
    qtest_writeb(q, WINDOW + 13, 0x55);
    g_assert_cmphex(qtest_readl(q, FRAME + 52), ==, 0xff00ff00);
    put(q, GR, 5, 0x08);                                /* reading compares: colour 10 is everywhere in that byte */
    put(q, GR, 2, 0x0a);
    put(q, GR, 7, 0x0f);
    g_assert_cmphex(qtest_readb(q, WINDOW + 13), ==, 0xff);
    put(q, GR, 2, 0x0b);
    g_assert_cmphex(qtest_readb(q, WINDOW + 13), ==, 0x00);
    qtest_quit(q);
}

static void test_dispi(void)
{
    Qtest *q = start();

    g_assert_cmphex(get_dispi(q, ID), ==, 0xb0c5);
    put_dispi(q, ID, 0xb0c1);
    g_assert_cmphex(get_dispi(q, ID), ==, 0xb0c1);
    put_dispi(q, ID, 0x1234);                           /* no such version */
    g_assert_cmphex(get_dispi(q, ID), ==, 0xb0c1);
    g_assert_cmphex(get_dispi(q, MEMORY), ==, 16 << 4); /* in 64 KiB */
    put_dispi(q, ENABLE, GETCAPS);
    g_assert_cmpuint(get_dispi(q, XRES), ==, 16000);
    g_assert_cmpuint(get_dispi(q, BPP), ==, 32);
    put_dispi(q, ENABLE, 0);
    put_dispi(q, XRES, 1024);
    put_dispi(q, YRES, 768);
    put_dispi(q, BPP, 32);
    put_dispi(q, BPP, 7);                               /* no such depth */
    put_dispi(q, XRES, 16001);
    put_dispi(q, YRES, 12001);
    qtest_writel(q, FRAME, 0x11223344);
    put_dispi(q, ENABLE, ON);
    g_assert_cmphex(qtest_readl(q, FRAME), ==, 0);      /* cleared */
    g_assert_cmpuint(get_dispi(q, XRES), ==, 1024);
    g_assert_cmpuint(get_dispi(q, YRES), ==, 768);
    g_assert_cmpuint(get_dispi(q, BPP), ==, 32);
    g_assert_cmpuint(get_dispi(q, VIRT_WIDTH), ==, 1024);
    g_assert_cmpuint(get_dispi(q, VIRT_HEIGHT), ==, (16 << 20) / 4096);
    put_dispi(q, Y_OFFSET, 768);
    g_assert_cmpuint(get_dispi(q, Y_OFFSET), ==, 768);
    put_dispi(q, Y_OFFSET, 0xffff);                     /* the last line that can be shown */
    g_assert_cmpuint(get_dispi(q, Y_OFFSET), ==, 4096 - 768);
    put_dispi(q, VIRT_WIDTH, 0xffff);                   /* does not fit: as wide as the picture */
    g_assert_cmpuint(get_dispi(q, VIRT_WIDTH), ==, 1024);
    qtest_writel(q, FRAME + 4 * 1024, 0xabcdef01);
    put_dispi(q, ENABLE, 0);
    put_dispi(q, ENABLE, ON | NOCLEAR);
    g_assert_cmphex(qtest_readl(q, FRAME + 4 * 1024), ==, 0xabcdef01);
    qtest_reset(q);
    g_assert_cmphex(get_dispi(q, ENABLE), ==, 0);
    g_assert_cmphex(get_dispi(q, ID), ==, 0xb0c5);
    qtest_quit(q);
}

/* Banks of 64 KiB in the old window. */
static void test_banks(void)
{
    Qtest *q = start();

    put_dispi(q, XRES, 640);
    put_dispi(q, YRES, 480);
    put_dispi(q, BPP, 8);
    put_dispi(q, ENABLE, ON);
    put_dispi(q, BANK, 3);
    qtest_writel(q, WINDOW + 8, 0x01020304);
    g_assert_cmphex(qtest_readl(q, FRAME + 0x30008), ==, 0x01020304);
    g_assert_cmphex(qtest_readl(q, WINDOW + 8), ==, 0x01020304);
    put_dispi(q, BANK, 0x7fff);                         /* past the memory: refused */
    g_assert_cmpuint(get_dispi(q, BANK), ==, 3);
    qtest_quit(q);
}

static void test_mmio(void)
{
    Qtest *q = start();

    g_assert_cmphex(qtest_readw(q, MMIO + 0x500), ==, 0xb0c5);
    qtest_writew(q, MMIO + 0x500 + 2 * XRES, 800);
    g_assert_cmpuint(get_dispi(q, XRES), ==, 800);
    qtest_writew(q, MMIO + 0x400 + (GR - 0x3c0), 0x3f08);
    g_assert_cmphex(get(q, GR, 8), ==, 0x3f);
    qtest_writeb(q, MMIO + 0x400 + (GR - 0x3c0), 6);
    qtest_writeb(q, MMIO + 0x400 + (GR + 1 - 0x3c0), 0x05);
    g_assert_cmphex(get(q, GR, 6), ==, 0x05);
    g_assert_cmphex(qtest_readl(q, MMIO + 0x604), ==, 0x1e1e1e1e);      /* little-endian */
    for (uint64_t at = MMIO; at < MMIO + 0x1000; at += 3) {
        qtest_readb(q, at);
        qtest_readw(q, at);
        qtest_readq(q, at);
        qtest_writeb(q, at, 0xff);
        qtest_writel(q, at, 0xffffffff);
    }
    for (uint16_t port = 0x3b0; port < 0x3e0; port++) {
        qtest_inl(q, port);
        qtest_outw(q, port, 0xffff);
        qtest_outl(q, port, 0xffffffff);
    }
    qtest_quit(q);
}

static void test_isa(void)
{
    Qtest *q = qtest_start("-M microvm -m 16 -nodefaults -device isa-vga,vgamem_mb=4");

    g_assert_cmphex(get_dispi(q, ID), ==, 0xb0c5);
    g_assert_cmphex(get_dispi(q, MEMORY), ==, 4 << 4);
    planar(q);
    qtest_writeb(q, WINDOW + 1, 0x77);
    g_assert_cmphex(qtest_readl(q, 0xe0000004), ==, 0x77777777);
    qtest_quit(q);
}

static void test_properties(void)
{
    qtest_refused("-M q35 -device VGA,vgamem_mb=0", "VGA.vgamem_mb");
    qtest_refused("-M q35 -device VGA,vgamem_mb=513", "512");
    qtest_refused("-M q35 -device isa-vga,vgamem_mb=4096", "isa-vga.vgamem_mb");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vga/registers", test_registers);
    g_test_add_func("/vga/palettes", test_palettes);
    g_test_add_func("/vga/text", test_text);
    g_test_add_func("/vga/planes", test_planes);
    g_test_add_func("/vga/dispi", test_dispi);
    g_test_add_func("/vga/banks", test_banks);
    g_test_add_func("/vga/mmio", test_mmio);
    g_test_add_func("/vga/isa", test_isa);
    g_test_add_func("/vga/properties", test_properties);
    return g_test_run();
}
