/*
 * The memory-mapped transport, virtio 1.2 §4.2. A board makes "virtio-mmio" devices, places regs in its memory
 * and connects irq; each provides a bus for one device, named virtio-mmio-bus.N in order of making.
 */
#ifndef RH_HW_VIRTIO_MMIO_H
#define RH_HW_VIRTIO_MMIO_H

#include "hw/virtio/virtio.h"

#define RH_TYPE_VIRTIO_MMIO "virtio-mmio"
enum { RH_VIRTIO_MMIO_SIZE = 0x200 };

typedef struct RhVirtioMmioState {
    uint64_t driver_features;
    uint32_t device_features_sel;
    uint32_t driver_features_sel;
    uint32_t queue_sel;
    uint32_t guest_page_size;       /* legacy; a power of two, or 0: not set */
    uint32_t queue_align;           /* legacy; of the queue that is set up next */
    uint32_t interrupt_status;
} RhVirtioMmioState;

typedef struct RhVirtioMmio {
    RhDevice parent;
    bool is_legacy;                 /* properties */
    bool has_ioeventfd;
    bool has_transport_address;
    unsigned number;                /* wiring: of its bus; set by the board before realize */
    RhVirtioBus *bus;
    RhRegion regs;                  /* RH_VIRTIO_MMIO_SIZE bytes */
    RhLine irq;
    RhVirtioMmioState state;
} RhVirtioMmio;

#endif
