/*
 * The pair of 8259 interrupt controllers, as boards and CPUs see it: input pins 0 to 15, output line INT.
 * Lock: the machine lock.
 */
#ifndef RH_HW_INTC_I8259_H
#define RH_HW_INTC_I8259_H

#include "hw/core/device.h"

#define RH_TYPE_I8259 "isa-i8259"

/** rh_pic_acknowledge - the CPU's INTA cycle: the vector to take; the spurious one (IRQ 7) when nothing is pending */
uint8_t rh_pic_acknowledge(RhDevice *pic);

#endif
