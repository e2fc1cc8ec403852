/*
 * PS/2 keyboard and mouse: what hangs on a keyboard controller's two serial ports. Cores without a bus.
 * Lock: the machine lock.
 */
#ifndef RH_HW_INPUT_PS2_H
#define RH_HW_INPUT_PS2_H

#include "hw/core/device.h"
#include "ui/input.h"

enum { RH_PS2_QUEUE = 64, RH_PS2_QUEUE_FIELDS = 3, RH_PS2_KBD_FIELDS = 9, RH_PS2_MOUSE_FIELDS = 14 };

/** RhPs2Queue - bytes on their way to the controller */
typedef struct RhPs2Queue {
    uint8_t bytes[RH_PS2_QUEUE];
    uint8_t head;
    uint8_t count;
} RhPs2Queue;

/** RhPs2Kbd - guest state of a keyboard */
typedef struct RhPs2Kbd {
    RhPs2Queue queue;
    uint8_t scan_set;           /* 1 to 3 */
    uint8_t is_scanning;
    uint8_t leds;               /* bit 0 scroll, 1 num, 2 caps */
    uint8_t typematic;
    uint8_t command;            /* waits for its parameter; 0: none */
    uint8_t repeating;          /* Linux key code held down last; 0: none */
    uint8_t down[16];           /* bit map of Linux key codes 0 to 127 */
    int64_t repeat_ns;          /* guest time of the next repetition; INT64_MAX: none */
} RhPs2Kbd;

/** RhPs2Mouse - guest state of a mouse */
typedef struct RhPs2Mouse {
    RhPs2Queue queue;
    uint8_t type;               /* 0 plain, 3 wheel, 4 wheel and five buttons */
    uint8_t is_reporting;
    uint8_t is_remote;
    uint8_t is_wrapping;
    uint8_t scales;             /* 2:1 */
    uint8_t resolution;
    uint8_t rate;
    uint8_t command;
    uint8_t buttons;            /* bit 0 left, 1 right, 2 middle, 3 side, 4 extra */
    uint8_t rates[2];           /* the two sample rates set before: the knock for the wheel */
    int32_t dx;
    int32_t dy;
    int32_t dz;
} RhPs2Mouse;

extern const RhField rh_ps2_kbd_fields[RH_PS2_KBD_FIELDS];
extern const RhField rh_ps2_mouse_fields[RH_PS2_MOUSE_FIELDS];
#define RH_PS2_KBD_AT_RESET   { .scan_set = 2, .is_scanning = 1, .typematic = 0x2b, .repeat_ns = INT64_MAX }
#define RH_PS2_MOUSE_AT_RESET { .resolution = 2, .rate = 100 }

/** rh_ps2_pop - take the next byte; false when there is none */
bool rh_ps2_pop(RhPs2Queue *queue, uint8_t *ret);

/** rh_ps2_kbd_command - a byte from the host */
void rh_ps2_kbd_command(RhPs2Kbd *kbd, uint8_t value);
/** rh_ps2_kbd_key - a key went down or up; @now_ns starts its repetition */
void rh_ps2_kbd_key(RhPs2Kbd *kbd, unsigned code, bool is_down, int64_t now_ns);
/** rh_ps2_kbd_repeat - repeat_ns has come */
void rh_ps2_kbd_repeat(RhPs2Kbd *kbd, int64_t now_ns);

void rh_ps2_mouse_command(RhPs2Mouse *mouse, uint8_t value);
/* Movement since the last report; rh_ps2_mouse_sync queues a report when the mouse is to send by itself */
void rh_ps2_mouse_move(RhPs2Mouse *mouse, int dx, int dy, int dz);
void rh_ps2_mouse_button(RhPs2Mouse *mouse, RhInputButton button, bool is_down);
void rh_ps2_mouse_sync(RhPs2Mouse *mouse);

/** rh_ps2_translate - set 2 to set 1, as the controller does when asked; *@is_break remembers a 0xf0. -1: nothing to send */
int rh_ps2_translate(uint8_t value, uint8_t *is_break);
/** rh_ps2_check - indices of a loaded queue */
bool rh_ps2_check(const RhPs2Queue *queue, GError **err);

#endif
