/*
 * virtio over PCI: the structures that the capabilities name, one request to virtio-rng and virtio-blk, MSI-X and INTx,
 * rings of a hostile driver, reset.  Spec: virtio 1.2 §4.1.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-virtio.h"

enum { BDF = qpci_bdf(0, 3, 0), BAR4 = 0xe0000000, BAR1 = 0xe0100000, RING = 0x100000, DATA = 0x200000,
       MESSAGE = 0x8000 };
enum { ACKNOWLEDGE = 1, DRIVER_HERE = 2, DRIVER_OK = 4, NEEDS_RESET = 64 };
enum { FEATURES_SEL = QVIRTIO_FEATURES_SEL, FEATURES = QVIRTIO_FEATURES, ACCEPT_SEL = QVIRTIO_ACCEPT_SEL,
       CONFIG_VECTOR = QVIRTIO_CONFIG_VECTOR, NR_QUEUES = QVIRTIO_NR_QUEUES, STATUS = QVIRTIO_STATUS,
       SELECT = QVIRTIO_SELECT, SIZE = QVIRTIO_SIZE, ENABLE = QVIRTIO_ENABLE, DESC = QVIRTIO_DESC };

typedef struct Parts {
    QvirtioPci pci;
    QvirtioRing ring;
} Parts;

static Qtest *start(const char *device, Parts *parts)
{
    g_autofree char *args = g_strdup_printf("-M q35 -m 16 -nodefaults %s,addr=3", device);
    Qtest *q = qtest_start(args);

    qtest_intercept_in(q, "ioapic");
    qpci_place(q, BDF, 1, BAR1);
    qvirtio_pci_find(q, BDF, BAR4, &parts->pci);
    return q;
}

static void accept(Qtest *q, Parts *p)
{
    qvirtio_pci_accept(q, &p->pci, QVIRTIO_VERSION_1);
}

static void make_ring(Qtest *q, Parts *p, uint16_t vector)
{
    p->ring = (QvirtioRing){ .at = RING, .size = 8 };
    qvirtio_pci_queue(q, &p->pci, 0, RING, 8, vector);
}

static void notify(Qtest *q, Parts *p)
{
    qvirtio_pci_notify(q, &p->pci, 0);
}

static void test_config(void)
{
    Parts p = { 0 };
    Qtest *q = start("-device virtio-rng-pci", &p);

    g_assert_cmphex(qpci_readw(q, BDF, 0), ==, 0x1af4);
    g_assert_cmpuint(qtest_readw(q, p.pci.common + NR_QUEUES), ==, 1);
    g_assert_cmphex(qtest_readb(q, p.pci.common + STATUS), ==, 0);
    g_assert_cmphex(qtest_readw(q, p.pci.common + CONFIG_VECTOR), ==, 0xffff);
    qtest_writel(q, p.pci.common + FEATURES_SEL, 1);
    g_assert_cmphex(qtest_readl(q, p.pci.common + FEATURES) & 1, ==, 1);
    qtest_writel(q, p.pci.common + FEATURES_SEL, 2);
    g_assert_cmphex(qtest_readl(q, p.pci.common + FEATURES), ==, 0);
    qtest_writew(q, p.pci.common + CONFIG_VECTOR, 0x7000);          /* none such: refused */
    g_assert_cmphex(qtest_readw(q, p.pci.common + CONFIG_VECTOR), ==, 0xffff);
    qtest_writew(q, p.pci.common + SELECT, 7);                      /* no such queue */
    g_assert_cmpuint(qtest_readw(q, p.pci.common + SIZE), ==, 0);
    qtest_writew(q, p.pci.common + ENABLE, 1);
    accept(q, &p);
    qtest_writel(q, p.pci.common + ACCEPT_SEL, 0);
    qtest_writeb(q, p.pci.common + STATUS, 0);
    g_assert_cmphex(qtest_readb(q, p.pci.common + STATUS), ==, 0);
    qtest_quit(q);
}

static void test_rng(void)
{
    Parts p = { 0 };
    Qtest *q = start("-device virtio-rng-pci", &p);
    QvirtioBuf buf = { DATA, 64, true };
    uint8_t got[64] = { 0 }, none[64] = { 0 };

    accept(q, &p);
    make_ring(q, &p, 0xffff);
    qvirtio_ring_put(q, &p.ring, &buf, 1);
    notify(q, &p);
    g_assert_cmpuint(qvirtio_ring_wait(q, &p.ring), ==, 64);
    qtest_memread(q, DATA, got, 64);
    g_assert_cmpint(memcmp(got, none, 64), !=, 0);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_readb(q, p.pci.isr), ==, 1);
    g_assert_cmphex(qtest_readb(q, p.pci.isr), ==, 0);              /* read to clear */
    g_assert_false(qpci_intx(q));
    qtest_reset(q);
    g_assert_cmphex(qpci_readw(q, BDF, 0x04), ==, 0);
    qpci_place(q, BDF, 4, BAR4);
    g_assert_cmphex(qtest_readb(q, p.pci.common + STATUS), ==, 0);
    g_assert_cmphex(qtest_readw(q, p.pci.common + ENABLE), ==, 0);
    g_assert_cmphex(qtest_readl(q, p.pci.common + DESC), ==, 0);
    accept(q, &p);                                              /* and once more */
    make_ring(q, &p, 0xffff);
    qvirtio_ring_put(q, &p.ring, &buf, 1);
    notify(q, &p);
    g_assert_cmpuint(qvirtio_ring_wait(q, &p.ring), ==, 64);
    qtest_quit(q);
}

static void test_msix(void)
{
    Parts p = { 0 };
    Qtest *q = start("-device virtio-rng-pci", &p);
    QvirtioBuf buf = { DATA, 8, true };
    uint8_t cap = qpci_cap(q, BDF, 0x11, 0);
    uint32_t table, pending;

    g_assert_cmphex(cap, !=, 0);
    table = qpci_readl(q, BDF, cap + 4);
    pending = qpci_readl(q, BDF, cap + 8);
    g_assert_cmpuint(table & 7, ==, 1);
    table = BAR1 + (table & ~7u) + 16;
    pending = BAR1 + (pending & ~7u);
    g_assert_cmphex(qtest_readl(q, table + 12), ==, 1);         /* masked at reset */
    qtest_writel(q, table, MESSAGE);
    qtest_writel(q, table + 4, 0);
    qtest_writel(q, table + 8, 0xbeef);
    qpci_writew(q, BDF, cap + 2, 0x8000);
    accept(q, &p);
    make_ring(q, &p, 1);
    qvirtio_ring_put(q, &p.ring, &buf, 1);
    notify(q, &p);
    qvirtio_ring_wait(q, &p.ring);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0);            /* pending */
    g_assert_cmphex(qtest_readl(q, pending) & 2, ==, 2);
    qtest_writel(q, pending, 0);                                /* RO */
    qtest_writel(q, table + 12, 0);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0xbeef);
    g_assert_cmphex(qtest_readl(q, pending) & 2, ==, 0);
    qtest_writel(q, MESSAGE, 0);
    qvirtio_ring_put(q, &p.ring, &buf, 1);
    notify(q, &p);
    qvirtio_ring_wait(q, &p.ring);
    g_assert_cmphex(qtest_readl(q, MESSAGE), ==, 0xbeef);
    g_assert_false(qpci_intx(q));
    qtest_quit(q);
}

static uint8_t blk(Qtest *q, Parts *p, uint32_t type, uint64_t sector, uint32_t len)
{
    QvirtioBuf bufs[] = { { DATA, 16, false }, { DATA + 0x1000, len, type == 0 }, { DATA + 0x800, 1, true } };

    qtest_writel(q, DATA, type);
    qtest_writel(q, DATA + 4, 0);
    qtest_writeq(q, DATA + 8, sector);
    qtest_writeb(q, DATA + 0x800, 0xee);
    qvirtio_ring_put(q, &p->ring, bufs, 3);
    notify(q, p);
    qvirtio_ring_wait(q, &p->ring);
    return qtest_readb(q, DATA + 0x800);
}

static void test_blk(void)
{
    Parts p = { 0 };
    Qtest *q = start("-blockdev null-co,node-name=n0,size=1048576,read-zeroes=on -device virtio-blk-pci,drive=n0", &p);

    g_assert_cmphex(qtest_readq(q, p.pci.config), ==, 2048);        /* capacity */
    accept(q, &p);
    make_ring(q, &p, 0xffff);
    qtest_writel(q, DATA + 0x1000, 0x12345678);
    g_assert_cmphex(blk(q, &p, 0, 0, 512), ==, 0);
    g_assert_cmphex(qtest_readl(q, DATA + 0x1000), ==, 0);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_readb(q, p.pci.isr), ==, 1);
    g_assert_cmphex(blk(q, &p, 1, 2047, 512), ==, 0);
    g_assert_cmphex(blk(q, &p, 0, 2048, 512), ==, 1);           /* past the end */
    g_assert_cmphex(blk(q, &p, 0, UINT64_MAX / 512, 512), ==, 1);
    g_assert_cmphex(blk(q, &p, 0, UINT64_MAX, 512), ==, 1);
    g_assert_cmphex(blk(q, &p, 0, 0, 100), ==, 1);              /* no whole sectors */
    g_assert_cmphex(blk(q, &p, 0x77, 0, 512), ==, 2);           /* unsupported */
    qtest_quit(q);
}

/* Chains that bite their tail, lie nowhere, or have impossible lengths: the device breaks or goes on, the program lives. */
static void test_hostile(void)
{
    static const struct { uint64_t addr; uint32_t len, flags_next; uint16_t head, avail; } bad[] = {
        { DATA, 16, 1 | 0 << 16, 0, 1 },                /* itself */
        { DATA, 16, 1 | 7 << 16, 0, 1 },
        { DATA, 16, 1 | 0xffffu << 16, 0, 1 },          /* out of the table */
        { DATA, 16, 2, 0xffff, 1 },                     /* the head, too */
        { DATA, 16, 2, 0, 0x8000 },                     /* more than there is room for */
        { UINT64_MAX - 8, 16, 2, 0, 1 },
        { 0xfec00000, UINT32_MAX, 2, 0, 1 },
        { DATA, UINT32_MAX, 2, 0, 1 },
        { DATA, 0, 2, 0, 1 },
        { DATA, 16, 4, 0, 1 },                          /* indirect, not negotiated */
        { RING, QVIRTIO_RING_BYTES, 2, 0, 1 },          /* the rings themselves */
        { BAR4, 4096, 2, 0, 1 },                        /* the device itself */
    };
    static const char *const devices[] = {
        "-device virtio-rng-pci",
        "-blockdev null-co,node-name=n0,size=1048576 -device virtio-blk-pci,drive=n0",
    };

    for (size_t d = 0; d < G_N_ELEMENTS(devices); d++) {
        Parts p = { 0 };
        Qtest *q = start(devices[d], &p);

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
            accept(q, &p);
            make_ring(q, &p, 0xffff);
            qtest_writeq(q, RING, bad[i].addr);
            qtest_writel(q, RING + 8, bad[i].len);
            qtest_writel(q, RING + 12, bad[i].flags_next);
            qtest_writew(q, RING + QVIRTIO_DRIVER + 4, bad[i].head);
            qtest_writew(q, RING + QVIRTIO_DRIVER + 2, bad[i].avail);
            notify(q, &p);
            qtest_clock_step(q, 1000000);
            g_assert_cmphex(qtest_readb(q, p.pci.common + STATUS) & DRIVER_OK, ==, DRIVER_OK);
        }
        accept(q, &p);
        g_assert_cmphex(qtest_readb(q, p.pci.common + STATUS) & NEEDS_RESET, ==, 0);
        qtest_quit(q);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-pci/config", test_config);
    g_test_add_func("/virtio-pci/rng", test_rng);
    g_test_add_func("/virtio-pci/msix", test_msix);
    g_test_add_func("/virtio-pci/blk", test_blk);
    g_test_add_func("/virtio-pci/hostile", test_hostile);
    return g_test_run();
}
