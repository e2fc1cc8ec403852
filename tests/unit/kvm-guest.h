/*
 * A machine for tests of the KVM accelerator: 64 KiB of RAM, one vCPU in real mode, and a device
 * that keeps a log of what reached it. The vCPU is run by calling the accelerator, on whatever
 * thread.
 */
#ifndef RH_TESTS_KVM_GUEST_H
#define RH_TESTS_KVM_GUEST_H

#include "accel/kvm/kvm.h"
#include "target/i386/state.h"

enum {
    GUEST_RAM_SIZE = 0x10000,
    GUEST_CODE = 0x1000,        /* where programs are loaded and begin */
    GUEST_PORT = 0x500,         /* 32 ports of the device */
    GUEST_STOP_PORT = 0x5f0,    /* a write here ends guest_run */
    GUEST_MMIO = 0xa0000,       /* 4 KiB of registers of the device */
    GUEST_LOG_SIZE = 256,
};

typedef struct GuestAccess {
    char bus;                   /* 'p'ort or 'm'emory */
    bool is_write;
    unsigned size;
    uint64_t at;                /* offset in the region */
    uint64_t value;
} GuestAccess;

typedef struct Guest {
    RhVm *vm;
    RhKvm *kvm;
    RhRam *ram;
    RhRegion ram_region, ports, stop, mmio;
    RhX86Vcpu cpu;
    GuestAccess log[GUEST_LOG_SIZE];
    unsigned nr_log;
    uint64_t answer;            /* what reads of the device give */
    bool is_stopped;            /* atomic */
} Guest;

/** guest_have_kvm - false, and the test is marked as skipped, where there is no usable /dev/kvm */
bool guest_have_kvm(void);
/** guest_new - @irqchip as asked, @code at GUEST_CODE; aborts on failure */
Guest *guest_new(RhIrqchip irqchip, const uint8_t *code, size_t len);
/** guest_new_with_pit - with all chips in the kernel, and its timer */
Guest *guest_new_with_pit(const uint8_t *code, size_t len);
/** guest_new_with_ring - its vCPU has a dirty ring of so many entries; 0: dirty bitmaps */
Guest *guest_new_with_ring(uint32_t entries, const uint8_t *code, size_t len);
void guest_free(Guest *guest);
/** guest_store - what is in cpu.state into the vCPU */
void guest_store(Guest *guest);
void guest_fetch(Guest *guest);
/** guest_run - until a write to GUEST_STOP_PORT, or until the accelerator returns anything but
 * RH_RUN_AGAIN */
RhRunResult guest_run(Guest *guest);
const RhAccelType *guest_ops(const Guest *guest);

#endif
