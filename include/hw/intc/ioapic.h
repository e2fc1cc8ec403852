/*
 * I/O APIC: pins 0 to 23 in, messages to local APICs out.
 * Lock: the machine lock.
 */
#ifndef RH_HW_INTC_IOAPIC_H
#define RH_HW_INTC_IOAPIC_H

#include "hw/core/device.h"

#define RH_TYPE_IOAPIC "ioapic"

#define RH_IOAPIC_BASE  0xfec00000u
#define RH_IOAPIC2_BASE 0xfec10000u     /* of a second one, whose inputs are 24 to 47 */
enum { RH_IOAPIC_PINS = 24 };

/** RhIoApicSend - deliver a message in the format of an MSI (SDM vol. 3 §11.11) */
typedef void RhIoApicSend(void *opaque, uint64_t address, uint32_t data);

/**
 * rh_ioapic_set_delivery - where messages go. Without it: the accelerator's send_msi where it has one, else a store to
 * @address, which the local APICs answer.
 */
void rh_ioapic_set_delivery(RhDevice *ioapic, RhIoApicSend *send, void *opaque);
/** rh_ioapic_eoi - a local APIC broadcasts the end of level-triggered interrupt @vector */
void rh_ioapic_eoi(RhDevice *ioapic, uint8_t vector);

#endif
