/*
 * A small virtio 1.x driver for qtests: PCI or MMIO transport, split rings in guest memory.
 */
#ifndef TESTS_QTEST_LIBQTEST_VIRTIO_H
#define TESTS_QTEST_LIBQTEST_VIRTIO_H

#include "libqtest-pci.h"

/** QvirtioBuf - a piece of guest memory of a request */
typedef struct QvirtioBuf {
    uint64_t addr;
    uint32_t len;
    bool is_in;         /* the device writes it */
} QvirtioBuf;

/** QvirtioRing - where a queue of @size entries lies */
typedef struct QvirtioRing {
    uint64_t at;        /* descriptors; then the two rings, a page each */
    uint16_t size;
    uint16_t sent;
} QvirtioRing;

/** qvirtio_ring_put - make one chain of @bufs available; the caller notifies */
void qvirtio_ring_put(Qtest *q, QvirtioRing *ring, const QvirtioBuf *bufs, unsigned nr);
/** qvirtio_ring_wait - wait until the device used all that was sent; returns the length of the last */
uint32_t qvirtio_ring_wait(Qtest *q, const QvirtioRing *ring);
/** qvirtio_ring_used - how many the device used so far */
uint16_t qvirtio_ring_used(Qtest *q, const QvirtioRing *ring);

enum { QVIRTIO_RING_BYTES = 0x3000, QVIRTIO_DRIVER = 0x1000, QVIRTIO_DEVICE = 0x2000 };

#endif
