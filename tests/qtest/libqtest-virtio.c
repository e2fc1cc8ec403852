/*
 * Split virtqueues in guest memory.  Spec: virtio 1.2 §2.7.
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
