/*
 * A machine with RAM and one virtio-mmio transport, and a driver: both as small as the tests of virtio need.
 * The driver keeps rings of either format in guest memory; its parts can be called one by one, so that a test can
 * break the rules anywhere.
 */
#ifndef RH_TESTS_VIRTIO_DRIVER_H
#define RH_TESTS_VIRTIO_DRIVER_H

#include "hw/virtio/mmio.h"

enum { RIG_RAM = 4 << 20, RIG_RINGS = 0x10000, RIG_HEAP = 0x100000, RIG_MMIO = 0x10000000, RIG_ENTRIES = 1024 };

/* Registers of virtio-mmio as a driver's author reads them in §4.2.2. */
enum {
    MMIO_DEVICE_ID = 0x08, MMIO_FEATURES = 0x10, MMIO_FEATURES_SEL = 0x14, MMIO_ACCEPT = 0x20, MMIO_ACCEPT_SEL = 0x24,
    MMIO_PAGE_SIZE = 0x28, MMIO_SEL = 0x30, MMIO_MAX = 0x34, MMIO_NUM = 0x38, MMIO_PFN = 0x40, MMIO_READY = 0x44,
    MMIO_NOTIFY = 0x50, MMIO_ISR = 0x60, MMIO_ACK = 0x64, MMIO_STATUS = 0x70, MMIO_DESC = 0x80, MMIO_DRIVER = 0x90,
    MMIO_DEVICE = 0xa0, MMIO_RESET = 0xc0, MMIO_GENERATION = 0xfc, MMIO_CONFIG = 0x100,
};

typedef struct Rig {
    RhVm *vm;
    RhRam *ram;
    RhRegion memory;
    RhVirtioMmio *mmio;
    RhVirtioDevice *vdev;
    uint64_t heap;              /* next free byte of guest memory */
} Rig;

typedef struct RigPart {
    uint64_t addr;
    uint32_t len;
    bool is_in;                 /* device-writable */
} RigPart;

typedef struct RigQueue {
    Rig *rig;
    unsigned index;
    bool is_packed;
    bool has_event_idx;
    uint16_t size;
    uint64_t desc;
    uint64_t driver;
    uint64_t device;
    uint16_t next_desc;         /* split: next free descriptor, handed out round; packed: next slot */
    uint16_t avail_idx;
    uint16_t used_idx;
    bool wrap;                  /* packed */
    bool used_wrap;
    uint16_t next_id;
    uint16_t slots[RIG_ENTRIES]; /* packed: ring slots by buffer id */
} RigQueue;

/** rig_start - @device_type behind a transport; the machine runs; the lock is held by the caller from now on */
void rig_start(Rig *rig, const char *device_type, const char *const *props, bool is_legacy);
/** rig_start_with - as rig_start; @prepare makes what the device stands on */
void rig_start_with(Rig *rig, const char *device_type, const char *const *props, bool is_legacy,
                    void (*prepare)(RhVm *vm));
void rig_end(Rig *rig);
/** rig_turn - let the main loop do what it has to do */
void rig_turn(Rig *rig);
uint32_t rig_get(Rig *rig, unsigned reg);
void rig_set(Rig *rig, unsigned reg, uint32_t value);
/** rig_negotiate - reset, accept what is offered of @features, up to FEATURES_OK; returns what was accepted */
uint64_t rig_negotiate(Rig *rig, uint64_t features);
void rig_driver_ok(Rig *rig);
/** rig_alloc - guest memory, zeroed, aligned to 4096 */
uint64_t rig_alloc(Rig *rig, size_t len);
uint8_t *rig_host(Rig *rig, uint64_t addr);

/** rig_queue - make and enable queue @index with @size entries, of the format that was negotiated */
void rig_queue(Rig *rig, RigQueue *queue, unsigned index, uint16_t size);
/** rig_add - one buffer of @nr parts; @is_indirect: in a table. Returns its id; not yet kicked */
uint16_t rig_add(RigQueue *queue, const RigPart *parts, unsigned nr, bool is_indirect);
void rig_kick(RigQueue *queue);
/** rig_take - a used buffer, if there is one */
bool rig_take(RigQueue *queue, uint16_t *ret_id, uint32_t *ret_len);
/** rig_wish - ask for no interrupts, for all, or (event index) for one when the @after-th buffer from now is used */
void rig_wish(RigQueue *queue, bool is_on, int after);
/** rig_wants_kick - whether the device asked for a kick for what was added last */
bool rig_wants_kick(RigQueue *queue);

#endif
