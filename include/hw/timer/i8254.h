/*
 * The programmable interval timer, as the PC speaker port sees it.
 * Lock: the machine lock.
 */
#ifndef RH_HW_TIMER_I8254_H
#define RH_HW_TIMER_I8254_H

#include "hw/core/device.h"

#define RH_TYPE_PIT "isa-pit"

/** Input clock in Hz */
enum { RH_PIT_HZ = 1193182 };

/** rh_pit_set_gate - drive the GATE input of @channel (0 to 2) */
void rh_pit_set_gate(RhDevice *pit, unsigned channel, bool is_high);
/** rh_pit_out - level of the OUT output of @channel now */
bool rh_pit_out(RhDevice *pit, unsigned channel);

#endif
