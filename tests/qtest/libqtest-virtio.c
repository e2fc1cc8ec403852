/*
 * virtio from a qtest.  Spec: virtio 1.2 §2.7 (split rings), §2.8 (packed rings), §4.1 (PCI).
 */
#include "libqtest-virtio.h"
#include <glib.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, PATIENCE_MS = 5000 };

void qvirtio_ring_put(Qtest *q, QvirtioRing *ring, const QvirtioBuf *bufs, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        uint64_t desc = ring->at + 16 * i;
        uint32_t flags = (i + 1 < nr ? DESC_NEXT : 0) | (bufs[i].is_in ? DESC_WRITE : 0);

        qtest_writeq(q, desc, bufs[i].addr);
        qtest_writel(q, desc + 8, bufs[i].len);
        qtest_writel(q, desc + 12, flags | (i + 1) << 16);
    }
    qtest_writew(q, ring->at + QVIRTIO_DRIVER + 4 + 2 * (ring->sent % ring->size), 0);
    ring->sent++;
    qtest_writew(q, ring->at + QVIRTIO_DRIVER + 2, ring->sent);
}

uint16_t qvirtio_ring_used(Qtest *q, const QvirtioRing *ring)
{
    return qtest_readw(q, ring->at + QVIRTIO_DEVICE + 2);
}

uint32_t qvirtio_ring_wait(Qtest *q, const QvirtioRing *ring)
{
    for (unsigned ms = 0; qvirtio_ring_used(q, ring) != ring->sent; ms++) {
        g_assert_cmpuint(ms, <, PATIENCE_MS);
        g_usleep(1000);
        qtest_clock_step(q, 1000000);
    }
    return qtest_readl(q, ring->at + QVIRTIO_DEVICE + 4 + 8 * ((ring->sent - 1) % ring->size) + 4);
}

/* --- packed rings --- */

enum { DESC_INDIRECT = 4, DESC_AVAIL = 1 << 7, DESC_USED = 1 << 15 };

void qvirtio_packed_init(QvirtioPacked *ring, uint64_t at, uint16_t size)
{
    *ring = (QvirtioPacked){ .at = at, .size = size, .wrap = true, .used_wrap = true };
    g_assert_cmpuint(size, <=, G_N_ELEMENTS(ring->slots_of));
}

static void put_desc(Qtest *q, uint64_t at, const QvirtioBuf *buf, uint16_t id, uint16_t flags)
{
    qtest_writeq(q, at, buf->addr);
    qtest_writel(q, at + 8, buf->len);
    qtest_writel(q, at + 12, id | (uint32_t)(flags | (buf->is_in ? DESC_WRITE : 0)) << 16);
}

static void advance(uint16_t *slot, bool *wrap, uint16_t by, uint16_t size)
{
    *slot = (uint16_t)(*slot + by);
    if (*slot >= size) {
        *slot = (uint16_t)(*slot - size);
        *wrap = !*wrap;
    }
}

/* §2.8.6: the first slot becomes available last, so that the device never sees half a chain. */
static void put_slots(Qtest *q, QvirtioPacked *ring, const QvirtioBuf *bufs, unsigned nr, uint16_t id, uint16_t flags)
{
    uint16_t slot = ring->next, first_flags = 0;
    bool wrap = ring->wrap;

    for (unsigned i = 0; i < nr; i++) {
        uint16_t all = (uint16_t)(flags | (i + 1 < nr ? DESC_NEXT : 0) | (wrap ? DESC_AVAIL : DESC_USED));
        uint16_t hidden = all ^ (DESC_AVAIL | DESC_USED);   /* not yet the device's: as used in the round before */

        put_desc(q, ring->at + 16u * slot, &bufs[i], id, i == 0 ? hidden : all);
        first_flags = i == 0 ? (uint16_t)(all | (bufs[0].is_in ? DESC_WRITE : 0)) : first_flags;
        advance(&slot, &wrap, 1, ring->size);
    }
    qtest_writew(q, ring->at + 16u * ring->next + 14, first_flags);
    ring->next = slot;
    ring->wrap = wrap;
    ring->slots_of[id] = (uint16_t)nr;
}

uint16_t qvirtio_packed_put(Qtest *q, QvirtioPacked *ring, const QvirtioBuf *bufs, unsigned nr)
{
    uint16_t id = ring->next_id;
    QvirtioBuf table = { ring->table, 16 * nr, false };

    ring->next_id = (uint16_t)((id + 1) % ring->size);
    if (!ring->table) {
        put_slots(q, ring, bufs, nr, id, 0);
        return id;
    }
    for (unsigned i = 0; i < nr; i++) {     /* §2.8.7: in a table, only WRITE counts */
        put_desc(q, ring->table + 16 * i, &bufs[i], 0, 0);
    }
    ring->table += 16 * nr;
    put_slots(q, ring, &table, 1, id, DESC_INDIRECT);
    return id;
}

bool qvirtio_packed_take(Qtest *q, QvirtioPacked *ring, uint16_t *ret_id, uint32_t *ret_len)
{
    uint64_t slot = ring->at + 16u * ring->used;
    uint16_t flags = qtest_readw(q, slot + 14);

    if (!!(flags & DESC_AVAIL) != ring->used_wrap || !!(flags & DESC_USED) != ring->used_wrap) {
        return false;
    }
    *ret_len = qtest_readl(q, slot + 8);
    *ret_id = qtest_readw(q, slot + 12);
    g_assert_cmpuint(*ret_id, <, ring->size);
    advance(&ring->used, &ring->used_wrap, ring->slots_of[*ret_id], ring->size);
    return true;
}

uint32_t qvirtio_packed_wait(Qtest *q, QvirtioPacked *ring, uint16_t *ret_id)
{
    uint32_t len;

    for (unsigned ms = 0; !qvirtio_packed_take(q, ring, ret_id, &len); ms++) {
        g_assert_cmpuint(ms, <, PATIENCE_MS);
        g_usleep(1000);
        qtest_clock_step(q, 1000000);
    }
    return len;
}

/* --- PCI --- */

enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_CONFIG, CAP_VENDOR = 0x09 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

static uint64_t find_part(Qtest *q, uint32_t bdf, uint64_t bar4, uint8_t type, uint8_t *ret_cap)
{
    uint8_t cap = 0;

    while ((cap = qpci_cap(q, bdf, CAP_VENDOR, cap)) != 0) {
        if (qpci_readb(q, bdf, cap + 3) == type) {
            g_assert_cmpuint(qpci_readb(q, bdf, cap + 4), ==, 4);
            *ret_cap = cap;
            return bar4 + qpci_readl(q, bdf, cap + 8);
        }
    }
    g_error("no capability of type %u", type);
}

void qvirtio_pci_find(Qtest *q, uint32_t bdf, uint64_t bar4, QvirtioPci *pci)
{
    uint8_t cap;

    qpci_place(q, bdf, 4, bar4);
    pci->common = find_part(q, bdf, bar4, CAP_COMMON, &cap);
    pci->isr = find_part(q, bdf, bar4, CAP_ISR, &cap);
    pci->config = find_part(q, bdf, bar4, CAP_CONFIG, &cap);
    pci->notify = find_part(q, bdf, bar4, CAP_NOTIFY, &cap);
    pci->multiplier = qpci_readl(q, bdf, cap + 16);
}

uint64_t qvirtio_pci_offered(Qtest *q, const QvirtioPci *pci)
{
    uint64_t features = 0;

    for (unsigned half = 0; half < 2; half++) {
        qtest_writel(q, pci->common + QVIRTIO_FEATURES_SEL, half);
        features |= (uint64_t)qtest_readl(q, pci->common + QVIRTIO_FEATURES) << 32 * half;
    }
    return features;
}

void qvirtio_pci_accept(Qtest *q, const QvirtioPci *pci, uint64_t features)
{
    qtest_writeb(q, pci->common + QVIRTIO_STATUS, 0);
    qtest_writeb(q, pci->common + QVIRTIO_STATUS, ACKNOWLEDGE | DRIVER);
    g_assert_cmphex(features & ~qvirtio_pci_offered(q, pci), ==, 0);
    for (unsigned half = 0; half < 2; half++) {
        qtest_writel(q, pci->common + QVIRTIO_ACCEPT_SEL, half);
        qtest_writel(q, pci->common + QVIRTIO_ACCEPT, (uint32_t)(features >> 32 * half));
    }
    qtest_writeb(q, pci->common + QVIRTIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    g_assert_cmphex(qtest_readb(q, pci->common + QVIRTIO_STATUS), ==, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void put_address(Qtest *q, const QvirtioPci *pci, unsigned reg, uint64_t at)
{
    qtest_writel(q, pci->common + reg, (uint32_t)at);
    qtest_writel(q, pci->common + reg + 4, (uint32_t)(at >> 32));
}

void qvirtio_pci_queue(Qtest *q, const QvirtioPci *pci, uint16_t index, uint64_t at, uint16_t size, uint16_t vector)
{
    qtest_writew(q, pci->common + QVIRTIO_SELECT, index);
    g_assert_cmpuint(qtest_readw(q, pci->common + QVIRTIO_SIZE), >=, size);
    qtest_writew(q, pci->common + QVIRTIO_SIZE, size);
    qtest_writew(q, pci->common + QVIRTIO_VECTOR, vector);
    g_assert_cmphex(qtest_readw(q, pci->common + QVIRTIO_VECTOR), ==, vector);
    put_address(q, pci, QVIRTIO_DESC, at);
    put_address(q, pci, QVIRTIO_DESC + 8, at + QVIRTIO_DRIVER);
    put_address(q, pci, QVIRTIO_DESC + 16, at + QVIRTIO_DEVICE);
    qtest_command(q, "memset 0x%" G_GINT64_MODIFIER "x 0x%x 0x0", at, QVIRTIO_RING_BYTES);
    qtest_writew(q, pci->common + QVIRTIO_ENABLE, 1);
    g_assert_cmphex(qtest_readw(q, pci->common + QVIRTIO_ENABLE), ==, 1);
    qtest_writeb(q, pci->common + QVIRTIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

void qvirtio_pci_notify(Qtest *q, const QvirtioPci *pci, uint16_t index)
{
    qtest_writew(q, pci->common + QVIRTIO_SELECT, index);
    qtest_writew(q, pci->notify + (uint64_t)qtest_readw(q, pci->common + QVIRTIO_NOTIFY_OFF) * pci->multiplier, index);
}
