/*
 * QMP commands that act as a keyboard or a pointer.
 */
#include "qapi-commands.h"
#include "qom/object.h"
#include "ui/input.h"
#include "ui/keys.h"
#include "util/clock.h"
#include "util/loop.h"

enum { HOLD_DEFAULT_MS = 100, HOLD_MAX_MS = 60000, MAX_HELD = 64 };

/* Keys that a send-key command holds; ended by its timer, or with the machine. */
typedef struct HeldKeys {
    RhVm *vm;
    RhTimer release;
    unsigned nr;
    unsigned codes[MAX_HELD];
} HeldKeys;

typedef struct CommandsRoom {
    GPtrArray *held;            /* HeldKeys * */
} CommandsRoom;

static void held_free(void *opaque)
{
    HeldKeys *held = opaque;

    rh_timer_fini(&held->release);
    g_free(held);
}

static void commands_init(RhVm *vm, void *room)
{
    ((CommandsRoom *)room)->held = g_ptr_array_new_with_free_func(held_free);
}

static void commands_fini(RhVm *vm, void *room)
{
    g_ptr_array_unref(((CommandsRoom *)room)->held);
}

RH_ROOM(commands_room, CommandsRoom, .name = "input commands", .init = commands_init, .fini = commands_fini);

static void release(void *opaque)
{
    HeldKeys *held = opaque;
    CommandsRoom *room = rh_vm_room(held->vm, &commands_room);

    while (held->nr > 0) {
        rh_input_send_key(held->vm, held->codes[--held->nr], false);
        rh_input_sync(held->vm);
    }
    g_ptr_array_remove(room->held, held);
}

static bool take_keys(HeldKeys *held, const GPtrArray *keys, GError **err)
{
    if (keys->len > MAX_HELD) {
        return rh_fail(err, "Parameter 'keys' has %u keys, must have at most %d", keys->len, MAX_HELD);
    }
    for (guint i = 0; i < keys->len; i++) {
        unsigned code = rh_key_code(keys->pdata[i]);

        if (!code) {
            return rh_fail(err, "Parameter 'keys': key number %u is not known", i + 1);
        }
        held->codes[held->nr++] = code;
    }
    return true;
}

bool qmp_send_key(RhVm *vm, const QmpSendKeyArgs *args, GError **err)
{
    CommandsRoom *room = rh_vm_room(vm, &commands_room);
    int64_t hold_ms = args->has_hold_time && args->hold_time ? args->hold_time : HOLD_DEFAULT_MS;
    HeldKeys *held;

    if (hold_ms < 0 || hold_ms > HOLD_MAX_MS) {
        return rh_fail(err, "Parameter 'hold-time' is %" PRId64 ", must be 0 to %d", hold_ms, HOLD_MAX_MS);
    }
    held = g_new0(HeldKeys, 1);
    held->vm = vm;
    if (!take_keys(held, args->keys, err)) {
        g_free(held);
        return false;
    }
    for (unsigned i = 0; i < held->nr; i++) {
        rh_input_send_key(vm, held->codes[i], true);
        rh_input_sync(vm);
    }
    rh_timer_init(&held->release, vm->clock, vm->loop, release, held);
    rh_timer_arm(&held->release, rh_clock_now(vm->clock) + hold_ms * INT64_C(1000000));
    g_ptr_array_add(room->held, held);
    return true;
}

/* --- input-send-event --- */

static unsigned kinds_of(QmpInputEventKind kind)
{
    static const unsigned kinds[] = {
        [QMP_INPUT_EVENT_KIND_KEY] = RH_INPUT_KEYS,
        [QMP_INPUT_EVENT_KIND_BTN] = RH_INPUT_REL | RH_INPUT_ABS,
        [QMP_INPUT_EVENT_KIND_REL] = RH_INPUT_REL,
        [QMP_INPUT_EVENT_KIND_ABS] = RH_INPUT_ABS,
    };

    return kinds[kind];
}

static bool check_event(RhVm *vm, const QmpInputEvent *event, GError **err)
{
    if (!rh_input_has(vm, kinds_of(event->type))) {
        return rh_fail(err, "Input handler not found for event type %s", qmp_input_event_kind_name(event->type));
    }
    if (event->type == QMP_INPUT_EVENT_KIND_KEY && !rh_key_code(event->u.key->data->key)) {
        return rh_fail(err, "Parameter 'key' is not a key that is known");
    }
    if (event->type == QMP_INPUT_EVENT_KIND_REL || event->type == QMP_INPUT_EVENT_KIND_ABS) {
        const QmpInputMoveEvent *move = event->type == QMP_INPUT_EVENT_KIND_REL ? event->u.rel->data
                                                                               : event->u.abs->data;
        int64_t low = event->type == QMP_INPUT_EVENT_KIND_REL ? -RH_INPUT_ABS_MAX : 0;

        if (move->value < low || move->value > RH_INPUT_ABS_MAX) {
            return rh_fail(err, "Parameter 'value' is %" PRId64 ", must be %" PRId64 " to %d", move->value, low,
                           RH_INPUT_ABS_MAX);
        }
    }
    return true;
}

static void send_event(RhVm *vm, const QmpInputEvent *event)
{
    switch (event->type) {
    case QMP_INPUT_EVENT_KIND_KEY:
        rh_input_send_key(vm, rh_key_code(event->u.key->data->key), event->u.key->data->down);
        break;
    case QMP_INPUT_EVENT_KIND_BTN:
        rh_input_send_button(vm, (RhInputButton)event->u.btn->data->button, event->u.btn->data->down);
        break;
    case QMP_INPUT_EVENT_KIND_REL:
        rh_input_send_rel(vm, (RhInputAxis)event->u.rel->data->axis, (int)event->u.rel->data->value);
        break;
    default:
        rh_input_send_abs(vm, (RhInputAxis)event->u.abs->data->axis, (int)event->u.abs->data->value);
    }
}

/* All or nothing: the events of one command belong together. */
bool qmp_input_send_event(RhVm *vm, const QmpInputSendEventArgs *args, GError **err)
{
    if (args->device && !rh_object_child(rh_object_container(vm->root, "machine/peripheral"), args->device)) {
        return rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", args->device);
    }
    for (guint i = 0; i < args->events->len; i++) {
        if (!check_event(vm, args->events->pdata[i], err)) {
            return false;
        }
    }
    for (guint i = 0; i < args->events->len; i++) {
        send_event(vm, args->events->pdata[i]);
    }
    rh_input_sync(vm);
    return true;
}
