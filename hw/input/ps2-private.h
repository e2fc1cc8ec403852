/*
 * What keyboard and mouse share.
 */
#ifndef RH_HW_INPUT_PS2_PRIVATE_H
#define RH_HW_INPUT_PS2_PRIVATE_H

#include "hw/input/ps2.h"

#define PS2_ACK       0xfa
#define PS2_RESEND    0xfe
#define PS2_TEST_OK   0xaa
#define PS2_QUEUE_SOFT 16       /* input stops here: room is left for answers */

/** ps2_push - answers always find room: they replace the oldest byte of a full queue */
void rh_ps2_push(RhPs2Queue *queue, uint8_t value);

extern const RhField rh_ps2_queue_fields[RH_PS2_QUEUE_FIELDS];

#endif
