/*
 * Input: keys and pointer movement from displays and monitors to the input devices of a machine.
 *
 * A device registers a handler for the kinds it takes. Of several, the one made active last gets the events.
 * Lock: the machine lock.
 */
#ifndef RH_UI_INPUT_H
#define RH_UI_INPUT_H

#include "softmmu/vm.h"

enum { RH_INPUT_KEYS = 1, RH_INPUT_REL = 2, RH_INPUT_ABS = 4 };
enum { RH_INPUT_ABS_MAX = 0x7fff };
typedef enum RhInputAxis { RH_AXIS_X, RH_AXIS_Y } RhInputAxis;
typedef enum RhInputButton {
    RH_BUTTON_LEFT, RH_BUTTON_MIDDLE, RH_BUTTON_RIGHT, RH_BUTTON_WHEEL_UP, RH_BUTTON_WHEEL_DOWN,
    RH_BUTTON_SIDE, RH_BUTTON_EXTRA, RH_BUTTON_WHEEL_LEFT, RH_BUTTON_WHEEL_RIGHT,
} RhInputButton;

/** RhInputHandler - a device's end, in its memory; slots not needed are NULL */
typedef struct RhInputHandler {
    const char *name;
    unsigned kinds;             /* RH_INPUT_* */
    void *opaque;
    void (*key)(void *opaque, unsigned code, bool is_down);     /* @code: as in linux/input-event-codes.h */
    void (*rel)(void *opaque, RhInputAxis axis, int delta);
    void (*abs)(void *opaque, RhInputAxis axis, int value);     /* 0 to RH_INPUT_ABS_MAX */
    void (*button)(void *opaque, RhInputButton button, bool is_down);
    void (*sync)(void *opaque);                                 /* what was sent since the last one belongs together */
} RhInputHandler;

void rh_input_register(RhVm *vm, RhInputHandler *handler);
/** rh_input_activate - @handler gets the events of its kinds from now on */
void rh_input_activate(RhVm *vm, RhInputHandler *handler);
void rh_input_unregister(RhVm *vm, RhInputHandler *handler);

/* From displays and monitors; lost when there is no device for them. */
void rh_input_send_key(RhVm *vm, unsigned code, bool is_down);
void rh_input_send_rel(RhVm *vm, RhInputAxis axis, int delta);
void rh_input_send_abs(RhVm *vm, RhInputAxis axis, int value);
void rh_input_send_button(RhVm *vm, RhInputButton button, bool is_down);
void rh_input_sync(RhVm *vm);
/** rh_input_has - whether some device takes one of @kinds */
bool rh_input_has(RhVm *vm, unsigned kinds);

#endif
