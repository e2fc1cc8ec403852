/*
 * Routing of input events to devices.
 */
#include "ui/input.h"

typedef struct InputRoom {
    GPtrArray *handlers;        /* RhInputHandler *, the active one last */
} InputRoom;

static void input_init(RhVm *vm, void *room)
{
    ((InputRoom *)room)->handlers = g_ptr_array_new();
}

static void input_fini(RhVm *vm, void *room)
{
    g_ptr_array_unref(((InputRoom *)room)->handlers);
}

RH_ROOM(input_room, InputRoom, .name = "input", .init = input_init, .fini = input_fini);

static GPtrArray *handlers_of(RhVm *vm)
{
    return ((InputRoom *)rh_vm_room(vm, &input_room))->handlers;
}

static RhInputHandler *active(RhVm *vm, unsigned kinds)
{
    GPtrArray *handlers = handlers_of(vm);

    for (unsigned i = handlers->len; i-- > 0;) {
        RhInputHandler *handler = handlers->pdata[i];

        if (handler->kinds & kinds) {
            return handler;
        }
    }
    return NULL;
}

void rh_input_register(RhVm *vm, RhInputHandler *handler)
{
    g_ptr_array_add(handlers_of(vm), handler);
}

void rh_input_unregister(RhVm *vm, RhInputHandler *handler)
{
    g_ptr_array_remove(handlers_of(vm), handler);
}

void rh_input_activate(RhVm *vm, RhInputHandler *handler)
{
    if (g_ptr_array_remove(handlers_of(vm), handler)) {
        g_ptr_array_add(handlers_of(vm), handler);
    }
}

bool rh_input_has(RhVm *vm, unsigned kinds)
{
    return active(vm, kinds) != NULL;
}

void rh_input_send_key(RhVm *vm, unsigned code, bool is_down)
{
    RhInputHandler *handler = active(vm, RH_INPUT_KEYS);

    if (handler && handler->key) {
        handler->key(handler->opaque, code, is_down);
    }
}

void rh_input_send_rel(RhVm *vm, RhInputAxis axis, int delta)
{
    RhInputHandler *handler = active(vm, RH_INPUT_REL);

    if (handler && handler->rel) {
        handler->rel(handler->opaque, axis, delta);
    }
}

void rh_input_send_abs(RhVm *vm, RhInputAxis axis, int value)
{
    RhInputHandler *handler = active(vm, RH_INPUT_ABS);

    if (handler && handler->abs) {
        handler->abs(handler->opaque, axis, CLAMP(value, 0, RH_INPUT_ABS_MAX));
    }
}

void rh_input_send_button(RhVm *vm, RhInputButton button, bool is_down)
{
    RhInputHandler *handler = active(vm, RH_INPUT_REL | RH_INPUT_ABS);

    if (handler && handler->button) {
        handler->button(handler->opaque, button, is_down);
    }
}

void rh_input_sync(RhVm *vm)
{
    GPtrArray *handlers = handlers_of(vm);

    for (unsigned i = 0; i < handlers->len; i++) {
        RhInputHandler *handler = handlers->pdata[i];

        if (handler->sync) {
            handler->sync(handler->opaque);
        }
    }
}
