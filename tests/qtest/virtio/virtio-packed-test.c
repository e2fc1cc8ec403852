/*
 * Packed rings over PCI, with virtio-blk: chains and indirect tables around the ring's end for many rounds, ring sizes that
 * are no powers of two, several requests at once, event suppression both ways, hostile slots, reset.  Spec: virtio 1.2 §2.8.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>
#include "libqtest-virtio.h"

enum { BDF = qpci_bdf(0, 3, 0), BAR4 = 0xe0000000, RING = 0x100000, DATA = 0x200000, TABLES = 0x300000, SLOT = 0x2000 };
enum { DRIVER_EVENT = RING + QVIRTIO_DRIVER, DEVICE_EVENT = RING + QVIRTIO_DEVICE };
enum { EVENT_ENABLE, EVENT_DISABLE, EVENT_DESC, WRAP = 0x8000 };
enum { BLK_IN = 0, BLK_OUT = 1, STATUS_AT = 0x800, PAYLOAD = 0x1000, SECTOR = 512, NEEDS_RESET = 64 };
#define F_INDIRECT (UINT64_C(1) << 28)
#define F_EVENT    (UINT64_C(1) << 29)
#define F_PACKED   (UINT64_C(1) << 34)

typedef struct Rig {
    Qtest *q;
    QvirtioPci pci;
    QvirtioPacked ring;
    char *image;
} Rig;

static void begin(Rig *rig, uint64_t features, uint16_t size)
{
    g_autofree char *args = NULL;
    int fd = g_file_open_tmp("rhea-packed-XXXXXX", &rig->image, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(g_close(fd, NULL));
    g_assert_true(g_file_set_contents(rig->image, "", 0, NULL));
    g_assert_cmpint(truncate(rig->image, 1 << 20), ==, 0);
    args = g_strdup_printf("-M q35 -m 16 -nodefaults -blockdev driver=file,filename=%s,node-name=n0 "
                           "-device virtio-blk-pci,drive=n0,packed=on,addr=3", rig->image);
    rig->q = qtest_start(args);
    qtest_intercept_in(rig->q, "ioapic");
    qvirtio_pci_find(rig->q, BDF, BAR4, &rig->pci);
    qvirtio_pci_accept(rig->q, &rig->pci, QVIRTIO_VERSION_1 | F_PACKED | features);
    qvirtio_pci_queue(rig->q, &rig->pci, 0, RING, size, 0xffff);
    qvirtio_packed_init(&rig->ring, RING, size);
}

static void end(Rig *rig)
{
    qtest_quit(rig->q);
    g_assert_cmpint(g_unlink(rig->image), ==, 0);
    g_free(rig->image);
}

/* A request of three buffers at its own place @nr; not yet notified. */
static uint16_t put(Rig *rig, unsigned nr, uint32_t type, uint64_t sector, uint32_t value)
{
    uint64_t at = DATA + (uint64_t)nr * SLOT;
    QvirtioBuf bufs[] = { { at, 16, false }, { at + PAYLOAD, SECTOR, type == BLK_IN }, { at + STATUS_AT, 1, true } };

    qtest_writel(rig->q, at, type);
    qtest_writel(rig->q, at + 4, 0);
    qtest_writeq(rig->q, at + 8, sector);
    qtest_writeb(rig->q, at + STATUS_AT, 0xee);
    qtest_writel(rig->q, at + PAYLOAD, value);
    return qvirtio_packed_put(rig->q, &rig->ring, bufs, G_N_ELEMENTS(bufs));
}

static void notify(Rig *rig)
{
    qvirtio_pci_notify(rig->q, &rig->pci, 0);
}

static uint32_t payload(Rig *rig, unsigned nr)
{
    return qtest_readl(rig->q, DATA + (uint64_t)nr * SLOT + PAYLOAD);
}

/* One request, to its end. */
static void run(Rig *rig, uint32_t type, uint64_t sector, uint32_t value)
{
    uint16_t id = put(rig, 0, type, sector, value), ended;
    uint32_t len;

    notify(rig);
    len = qvirtio_packed_wait(rig->q, &rig->ring, &ended);
    g_assert_cmpuint(ended, ==, id);
    g_assert_cmpuint(len, ==, type == BLK_IN ? SECTOR + 1 : 1);
    g_assert_cmphex(qtest_readb(rig->q, DATA + STATUS_AT), ==, 0);
}

static void go_round(Rig *rig)
{
    for (uint32_t i = 0; i < 20; i++) {
        run(rig, BLK_OUT, i, 0x1000 + i);
        run(rig, BLK_IN, i, 0);
        g_assert_cmphex(payload(rig, 0), ==, 0x1000 + i);
    }
}

static void test_chain(void)
{
    static const uint16_t sizes[] = { 8, 7, 3, 64 };        /* a chain takes three slots, and wraps within */

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Rig rig;

        begin(&rig, 0, sizes[i]);
        go_round(&rig);
        g_assert_true(qpci_intx(rig.q));
        g_assert_cmphex(qtest_readb(rig.q, rig.pci.isr), ==, 1);
        end(&rig);
    }
}

static void test_indirect(void)
{
    static const uint16_t sizes[] = { 5, 1 };

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Rig rig;

        begin(&rig, F_INDIRECT, sizes[i]);
        rig.ring.table = TABLES;
        go_round(&rig);
        rig.ring.table = 0;
        if (sizes[i] >= 3) {
            go_round(&rig);                                 /* chains go on where tables were */
        }
        end(&rig);
    }
}

/* Several at once, in one notification; answers come in any order, each once. */
static void test_many(void)
{
    enum { MANY = 5 };
    unsigned seen = 0;
    uint16_t id;
    Rig rig;

    begin(&rig, 0, 16);
    for (unsigned round = 0; round < 6; round++, seen = 0) {
        unsigned expected = 0;

        for (unsigned i = 0; i < MANY; i++) {
            expected |= 1u << put(&rig, i, round % 2 ? BLK_IN : BLK_OUT, i, round % 2 ? 0 : 0x100 * round + i);
        }
        notify(&rig);
        for (unsigned i = 0; i < MANY; i++) {
            qvirtio_packed_wait(rig.q, &rig.ring, &id);
            seen |= 1u << id;
        }
        g_assert_cmphex(seen, ==, expected);
        for (unsigned i = 0; i < MANY && round % 2; i++) {
            g_assert_cmphex(payload(&rig, i), ==, 0x100 * (round - 1) + i);
        }
        g_assert_false(qvirtio_packed_take(rig.q, &rig.ring, &id, &(uint32_t){ 0 }));
    }
    end(&rig);
}

static bool took_interrupt(Rig *rig)
{
    bool is_up = qpci_intx(rig->q);

    g_assert_cmphex(qtest_readb(rig->q, rig->pci.isr), ==, is_up);
    return is_up;
}

static void want_event(Rig *rig, uint16_t flags, uint16_t slot, bool wrap)
{
    qtest_writew(rig->q, DRIVER_EVENT, slot | (wrap ? WRAP : 0));
    qtest_writew(rig->q, DRIVER_EVENT + 2, flags);
}

/* §2.8.10: no interrupts, all, or the one when a slot is used; and what the device asks of us. */
static void test_events(void)
{
    Rig rig;

    begin(&rig, F_EVENT, 8);
    g_assert_cmphex(qtest_readw(rig.q, DEVICE_EVENT + 2), !=, EVENT_DISABLE);
    want_event(&rig, EVENT_DISABLE, 0, false);
    run(&rig, BLK_OUT, 0, 1);                               /* slots 0 to 2 */
    g_assert_false(took_interrupt(&rig));
    want_event(&rig, EVENT_ENABLE, 0, false);
    run(&rig, BLK_OUT, 0, 2);                               /* 3 to 5 */
    g_assert_true(took_interrupt(&rig));
    want_event(&rig, EVENT_DESC, 1, false);                 /* slot 1 of the next round */
    run(&rig, BLK_OUT, 0, 3);                               /* 6, 7 and 0: not there yet */
    g_assert_false(took_interrupt(&rig));
    run(&rig, BLK_OUT, 0, 4);                               /* 1 to 3 */
    g_assert_true(took_interrupt(&rig));
    run(&rig, BLK_OUT, 0, 5);                               /* 4 to 6: passed */
    g_assert_false(took_interrupt(&rig));
    want_event(&rig, EVENT_DESC, 2, true);                  /* two slots into the third round */
    run(&rig, BLK_OUT, 0, 6);                               /* 7 to 1 */
    g_assert_false(took_interrupt(&rig));
    run(&rig, BLK_OUT, 0, 7);                               /* 2 to 4 */
    g_assert_true(took_interrupt(&rig));
    run(&rig, BLK_IN, 0, 0);
    g_assert_cmphex(payload(&rig, 0), ==, 7);
    end(&rig);
}

/* Without the feature, on and off still count. */
static void test_flags(void)
{
    Rig rig;

    begin(&rig, 0, 8);
    want_event(&rig, EVENT_DISABLE, 0, false);
    run(&rig, BLK_OUT, 0, 1);
    g_assert_false(took_interrupt(&rig));
    want_event(&rig, EVENT_ENABLE, 0, false);
    run(&rig, BLK_OUT, 0, 1);
    g_assert_true(took_interrupt(&rig));
    end(&rig);
}

/* Slots that are no request: the device asks for a reset or goes on; after a reset all is well. */
static void test_hostile(void)
{
    enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 1 << 7 };
    static const struct { uint64_t addr; uint32_t len; uint16_t id, flags; unsigned nr; } bad[] = {
        { DATA, 16, 0, NEXT | AVAIL, 8 },                   /* a chain without end */
        { DATA, 16, 0, INDIRECT | AVAIL, 1 },               /* not negotiated */
        { DATA, 16, 0, INDIRECT | NEXT | AVAIL, 2 },
        { DATA, 16, 0xffff, AVAIL, 1 },
        { DATA, 0, 0, AVAIL, 1 },
        { DATA, UINT32_MAX, 0, WRITE | AVAIL, 1 },
        { UINT64_MAX - 8, 16, 0, WRITE | AVAIL, 1 },
        { 0xfec00000, 4096, 0, WRITE | AVAIL, 1 },
        { RING, QVIRTIO_RING_BYTES, 0, WRITE | AVAIL, 1 },  /* the ring itself */
        { BAR4, 4096, 0, WRITE | AVAIL, 1 },                /* the device itself */
        { DATA, 16, 0, 0xffff & ~(1u << 15), 8 },           /* every flag */
    };
    Rig rig;

    begin(&rig, 0, 8);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        for (unsigned slot = 0; slot < bad[i].nr; slot++) {
            qtest_writeq(rig.q, RING + 16 * slot, bad[i].addr);
            qtest_writel(rig.q, RING + 16 * slot + 8, bad[i].len);
            qtest_writel(rig.q, RING + 16 * slot + 12, bad[i].id | (uint32_t)bad[i].flags << 16);
        }
        notify(&rig);
        qtest_clock_step(rig.q, 1000000);
        qvirtio_pci_accept(rig.q, &rig.pci, QVIRTIO_VERSION_1 | F_PACKED);
        g_assert_cmphex(qtest_readb(rig.q, rig.pci.common + QVIRTIO_STATUS) & NEEDS_RESET, ==, 0);
        qvirtio_pci_queue(rig.q, &rig.pci, 0, RING, 8, 0xffff);
    }
    qvirtio_packed_init(&rig.ring, RING, 8);
    go_round(&rig);
    end(&rig);
}

/* A reset in the middle of a round: counters begin anew. */
static void test_reset(void)
{
    Rig rig;

    begin(&rig, 0, 8);
    for (unsigned i = 0; i < 3; i++) {
        run(&rig, BLK_OUT, 1, 0x77);
    }
    qtest_reset(rig.q);
    qvirtio_pci_find(rig.q, BDF, BAR4, &rig.pci);
    g_assert_cmphex(qtest_readb(rig.q, rig.pci.common + QVIRTIO_STATUS), ==, 0);
    qvirtio_pci_accept(rig.q, &rig.pci, QVIRTIO_VERSION_1 | F_PACKED);
    qvirtio_pci_queue(rig.q, &rig.pci, 0, RING, 8, 0xffff);
    qvirtio_packed_init(&rig.ring, RING, 8);
    run(&rig, BLK_IN, 1, 0);
    g_assert_cmphex(payload(&rig, 0), ==, 0x77);
    go_round(&rig);
    end(&rig);
}

/* Who does not ask for it gets split rings; who asks for a device without it is refused nothing but the bit. */
static void test_negotiation(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device virtio-rng-pci,addr=3");
    QvirtioPci pci;
    Rig rig;

    qvirtio_pci_find(q, BDF, BAR4, &pci);
    g_assert_cmphex(qvirtio_pci_offered(q, &pci) & F_PACKED, ==, 0);
    qtest_quit(q);
    begin(&rig, 0, 8);
    qvirtio_pci_accept(rig.q, &rig.pci, QVIRTIO_VERSION_1);
    qvirtio_pci_queue(rig.q, &rig.pci, 0, RING, 8, 0xffff);
    QvirtioRing split = { .at = RING, .size = 8 };
    QvirtioBuf bufs[] = { { DATA, 16, false }, { DATA + PAYLOAD, SECTOR, true }, { DATA + STATUS_AT, 1, true } };

    qtest_command(rig.q, "memset 0x%x 0x10 0x0", DATA);
    qvirtio_ring_put(rig.q, &split, bufs, 3);
    notify(&rig);
    g_assert_cmpuint(qvirtio_ring_wait(rig.q, &split), ==, SECTOR + 1);
    end(&rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-packed/chain", test_chain);
    g_test_add_func("/virtio-packed/indirect", test_indirect);
    g_test_add_func("/virtio-packed/many", test_many);
    g_test_add_func("/virtio-packed/events", test_events);
    g_test_add_func("/virtio-packed/flags", test_flags);
    g_test_add_func("/virtio-packed/hostile", test_hostile);
    g_test_add_func("/virtio-packed/reset", test_reset);
    g_test_add_func("/virtio-packed/negotiation", test_negotiation);
    return g_test_run();
}
