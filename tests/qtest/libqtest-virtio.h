/*
 * A small virtio 1.x driver for qtests: PCI or MMIO transport, split and packed rings in guest memory.
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

/** QvirtioPacked - a packed ring of @size slots (virtio 1.2 §2.8); set at, size and table, the rest by qvirtio_packed_init */
typedef struct QvirtioPacked {
    uint64_t at;        /* slots; then what the driver and the device want to be told, a page each */
    uint64_t table;     /* where indirect tables may be put; 0: chains of slots */
    uint16_t size;
    uint16_t next, used;                /* slot of the next request, of the next answer */
    bool wrap, used_wrap;
    uint16_t next_id;
    uint16_t slots_of[64];              /* by id: slots that the request took */
} QvirtioPacked;

/** qvirtio_packed_init - as a driver begins, and as after a reset */
void qvirtio_packed_init(QvirtioPacked *ring, uint64_t at, uint16_t size);
/** qvirtio_packed_put - make one chain (or indirect table) of @bufs available, returns its id; the caller notifies */
uint16_t qvirtio_packed_put(Qtest *q, QvirtioPacked *ring, const QvirtioBuf *bufs, unsigned nr);
/** qvirtio_packed_take - the next answer, if there is one */
bool qvirtio_packed_take(Qtest *q, QvirtioPacked *ring, uint16_t *ret_id, uint32_t *ret_len);
/** qvirtio_packed_wait - the next answer, which must come soon; returns its length */
uint32_t qvirtio_packed_wait(Qtest *q, QvirtioPacked *ring, uint16_t *ret_id);

/** QvirtioPci - where a function's structures are (virtio 1.2 §4.1.4) */
typedef struct QvirtioPci {
    uint64_t common, notify, isr, config;
    uint32_t multiplier;
} QvirtioPci;

enum { QVIRTIO_FEATURES_SEL = 0, QVIRTIO_FEATURES = 4, QVIRTIO_ACCEPT_SEL = 8, QVIRTIO_ACCEPT = 12,
       QVIRTIO_CONFIG_VECTOR = 16, QVIRTIO_NR_QUEUES = 18, QVIRTIO_STATUS = 20, QVIRTIO_SELECT = 22, QVIRTIO_SIZE = 24,
       QVIRTIO_VECTOR = 26, QVIRTIO_ENABLE = 28, QVIRTIO_NOTIFY_OFF = 30, QVIRTIO_DESC = 32 };
#define QVIRTIO_VERSION_1 (UINT64_C(1) << 32)

/** qvirtio_pci_find - put BAR 4 at @bar4 and find the structures in it */
void qvirtio_pci_find(Qtest *q, uint32_t bdf, uint64_t bar4, QvirtioPci *pci);
/** qvirtio_pci_offered - the features that the device offers */
uint64_t qvirtio_pci_offered(Qtest *q, const QvirtioPci *pci);
/** qvirtio_pci_accept - reset, accept exactly @features, which must be offered, up to FEATURES_OK */
void qvirtio_pci_accept(Qtest *q, const QvirtioPci *pci, uint64_t features);
/** qvirtio_pci_queue - give queue @index empty rings at @at, enable it, and set DRIVER_OK */
void qvirtio_pci_queue(Qtest *q, const QvirtioPci *pci, uint16_t index, uint64_t at, uint16_t size, uint16_t vector);
void qvirtio_pci_notify(Qtest *q, const QvirtioPci *pci, uint16_t index);

enum { QVIRTIO_RING_BYTES = 0x3000, QVIRTIO_DRIVER = 0x1000, QVIRTIO_DEVICE = 0x2000 };

#endif
