/*
 * virtio-mmio on the microvm board: identification of empty and filled slots, one request, interrupt, reset.
 * Spec: virtio 1.2 §4.2.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-virtio.h"

enum { BASE = 0xfeb00000, SPAN = 0x200, NR_SLOTS = 24, RING = 0x100000, DATA = 0x200000 };
enum { MAGIC = 0x00, VERSION = 0x04, ID = 0x08, FEATURES = 0x10, FEATURES_SEL = 0x14, ACCEPT = 0x20, ACCEPT_SEL = 0x24,
       SELECT = 0x30, SIZE_MAX_REG = 0x34, SIZE = 0x38, READY = 0x44, NOTIFY = 0x50, ISR = 0x60, ACK = 0x64,
       STATUS = 0x70, DESC = 0x80, DRIVER = 0x90, DEVICE = 0xa0 };

static Qtest *start(uint64_t *ret_at)
{
    Qtest *q = qtest_start("-M microvm -m 16 -nodefaults -global virtio-mmio.force-legacy=false "
                           "-device virtio-rng-device");
    unsigned nr_found = 0;

    for (uint64_t at = BASE; at < BASE + NR_SLOTS * SPAN; at += SPAN) {
        g_assert_cmphex(qtest_readl(q, at + MAGIC), ==, 0x74726976);
        if (qtest_readl(q, at + ID)) {
            g_assert_cmpuint(qtest_readl(q, at + ID), ==, 4);
            *ret_at = at;
            nr_found++;
        }
    }
    g_assert_cmpuint(nr_found, ==, 1);
    return q;
}

static void drive(Qtest *q, uint64_t at)
{
    QvirtioRing ring = { .at = RING, .size = 8 };
    QvirtioBuf buf = { DATA, 32, true };
    uint8_t got[32] = { 0 }, none[32] = { 0 };

    qtest_command(q, "memset 0x%x 0x%x 0x0", RING, QVIRTIO_RING_BYTES);
    qtest_memwrite(q, DATA, none, sizeof(none));
    qtest_writel(q, at + STATUS, 0);
    qtest_writel(q, at + STATUS, 3);
    qtest_writel(q, at + FEATURES_SEL, 1);
    g_assert_cmphex(qtest_readl(q, at + FEATURES) & 1, ==, 1);
    qtest_writel(q, at + ACCEPT_SEL, 1);
    qtest_writel(q, at + ACCEPT, 1);
    qtest_writel(q, at + STATUS, 11);
    g_assert_cmphex(qtest_readl(q, at + STATUS), ==, 11);
    qtest_writel(q, at + SELECT, 0);
    g_assert_cmpuint(qtest_readl(q, at + SIZE_MAX_REG), >=, 8);
    qtest_writel(q, at + SIZE, 8);
    qtest_writel(q, at + DESC, RING);
    qtest_writel(q, at + DRIVER, RING + QVIRTIO_DRIVER);
    qtest_writel(q, at + DEVICE, RING + QVIRTIO_DEVICE);
    qtest_writel(q, at + READY, 1);
    g_assert_cmpuint(qtest_readl(q, at + READY), ==, 1);
    qtest_writel(q, at + STATUS, 15);
    qvirtio_ring_put(q, &ring, &buf, 1);
    qtest_writel(q, at + NOTIFY, 0);
    g_assert_cmpuint(qvirtio_ring_wait(q, &ring), ==, 32);
    qtest_memread(q, DATA, got, sizeof(got));
    g_assert_cmpint(memcmp(got, none, sizeof(got)), !=, 0);
    g_assert_cmphex(qtest_readl(q, at + ISR), ==, 1);
    qtest_writel(q, at + ACK, 1);
    g_assert_cmphex(qtest_readl(q, at + ISR), ==, 0);
}

static void test_request(void)
{
    uint64_t at = 0;
    Qtest *q = start(&at);

    g_assert_cmpuint(qtest_readl(q, at + VERSION), ==, 2);
    qtest_writel(q, at + ID, 0);                    /* RO */
    g_assert_cmpuint(qtest_readl(q, at + ID), ==, 4);
    qtest_writel(q, at + SELECT, 99);               /* no such queue */
    g_assert_cmpuint(qtest_readl(q, at + SIZE_MAX_REG), ==, 0);
    qtest_writel(q, at + READY, 1);
    qtest_writel(q, at + NOTIFY, 99);
    drive(q, at);
    qtest_reset(q);
    g_assert_cmphex(qtest_readl(q, at + STATUS), ==, 0);
    qtest_writel(q, at + SELECT, 0);
    g_assert_cmpuint(qtest_readl(q, at + READY), ==, 0);
    drive(q, at);
    qtest_quit(q);
}

/* Any value in any register, in any size, filled slot or empty. */
static void test_nonsense(void)
{
    uint64_t at = 0;
    Qtest *q = start(&at);

    for (uint64_t reg = BASE; reg < BASE + NR_SLOTS * SPAN; reg += reg % SPAN < 0x110 ? 4 : SPAN - reg % SPAN) {
        qtest_writel(q, reg, 0xffffffff);
        qtest_writeb(q, reg, 1);
        qtest_writew(q, reg + 1, 0xffff);
        qtest_writeq(q, reg, 0);
        qtest_readb(q, reg + 3);
        qtest_readw(q, reg);
        qtest_readq(q, reg);
    }
    drive(q, at);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-mmio/request", test_request);
    g_test_add_func("/virtio-mmio/nonsense", test_nonsense);
    return g_test_run();
}
