/*
 * PS/2 mouse core: plain, with wheel (id 3), with wheel and five buttons (id 4).
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft "IntelliMouse" and "IntelliMouse
 * Explorer" protocol notes (the knock by sample rates).  Lock: machine lock.
 */
#include "ps2-private.h"

#define CMD_SCALE_1    0xe6
#define CMD_SCALE_2    0xe7
#define CMD_RESOLUTION 0xe8
#define CMD_STATUS     0xe9
#define CMD_STREAM     0xea
#define CMD_READ       0xeb
#define CMD_UNWRAP     0xec
#define CMD_WRAP       0xee
#define CMD_REMOTE     0xf0
#define CMD_ID         0xf2
#define CMD_RATE       0xf3
#define CMD_ENABLE     0xf4
#define CMD_DISABLE    0xf5
#define CMD_DEFAULTS   0xf6
#define CMD_RESET      0xff

#define TYPE_WHEEL    3
#define TYPE_EXPLORER 4
#define DELTA_MAX     (1 << 20)     /* what piles up while nobody reads is of no use */

static int take(int32_t *delta, int low, int high)
{
    int part = CLAMP(*delta, low, high);

    *delta -= part;
    return part;
}

static void push_report(RhPs2Mouse *mouse)
{
    int dx = take(&mouse->dx, -255, 255);
    int dy = take(&mouse->dy, -255, 255);

    rh_ps2_push(&mouse->queue, 0x08 | (mouse->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0));
    rh_ps2_push(&mouse->queue, dx);
    rh_ps2_push(&mouse->queue, dy);
    if (mouse->type == TYPE_WHEEL) {
        rh_ps2_push(&mouse->queue, take(&mouse->dz, -128, 127));
    } else if (mouse->type == TYPE_EXPLORER) {
        rh_ps2_push(&mouse->queue, (take(&mouse->dz, -8, 7) & 0x0f) | (mouse->buttons & 0x18) << 1);
    } else {
        mouse->dz = 0;
    }
}

void rh_ps2_mouse_sync(RhPs2Mouse *mouse)
{
    if (!mouse->is_reporting || mouse->is_remote) {
        return;
    }
    do {
        if (mouse->queue.count >= PS2_QUEUE_SOFT) {
            return;             /* the rest goes with the next report */
        }
        push_report(mouse);
    } while (mouse->dx || mouse->dy || mouse->dz);
}

void rh_ps2_mouse_move(RhPs2Mouse *mouse, int dx, int dy, int dz)
{
    mouse->dx = CLAMP((int64_t)mouse->dx + dx, -DELTA_MAX, DELTA_MAX);
    mouse->dy = CLAMP((int64_t)mouse->dy - dy, -DELTA_MAX, DELTA_MAX);     /* the mouse counts upwards */
    mouse->dz = CLAMP((int64_t)mouse->dz + dz, -DELTA_MAX, DELTA_MAX);
}

void rh_ps2_mouse_button(RhPs2Mouse *mouse, RhInputButton button, bool is_down)
{
    static const uint8_t bits[] = {
        [RH_BUTTON_LEFT] = 1, [RH_BUTTON_RIGHT] = 2, [RH_BUTTON_MIDDLE] = 4, [RH_BUTTON_SIDE] = 8,
        [RH_BUTTON_EXTRA] = 16,
    };

    if (button == RH_BUTTON_WHEEL_UP || button == RH_BUTTON_WHEEL_DOWN) {
        rh_ps2_mouse_move(mouse, 0, 0, !is_down ? 0 : button == RH_BUTTON_WHEEL_UP ? -1 : 1);
    } else if (button < RH_COUNT(bits)) {
        mouse->buttons = is_down ? mouse->buttons | bits[button] : mouse->buttons & ~bits[button];
    }
}

static void set_defaults(RhPs2Mouse *mouse)
{
    mouse->is_reporting = mouse->is_remote = mouse->is_wrapping = mouse->scales = 0;
    mouse->resolution = 2;
    mouse->rate = 100;
    mouse->dx = mouse->dy = mouse->dz = 0;
}

/* 200, 100, 80 asks for the wheel, then 200, 200, 80 for five buttons. */
static void set_rate(RhPs2Mouse *mouse, uint8_t rate)
{
    if (rate == 80 && mouse->rates[0] == 200 && mouse->rates[1] == 100) {
        mouse->type = MAX(mouse->type, TYPE_WHEEL);
    } else if (rate == 80 && mouse->rates[0] == 200 && mouse->rates[1] == 200) {
        mouse->type = TYPE_EXPLORER;
    }
    mouse->rates[0] = mouse->rates[1];
    mouse->rates[1] = rate;
    mouse->rate = rate;
}

static void push_status(RhPs2Mouse *mouse)
{
    uint8_t b = mouse->buttons;

    rh_ps2_push(&mouse->queue, (b & 1) << 2 | (b & 4) >> 1 | (b & 2) >> 1 | mouse->scales << 4 |
                               mouse->is_reporting << 5 | mouse->is_remote << 6);
    rh_ps2_push(&mouse->queue, mouse->resolution);
    rh_ps2_push(&mouse->queue, mouse->rate);
}

static void take_parameter(RhPs2Mouse *mouse, uint8_t value)
{
    uint8_t command = mouse->command;

    mouse->command = 0;
    rh_ps2_push(&mouse->queue, PS2_ACK);
    if (command == CMD_RATE) {
        set_rate(mouse, value);
    } else {
        mouse->resolution = value & 3;
    }
}

static void reset(RhPs2Mouse *mouse)
{
    set_defaults(mouse);
    mouse->type = 0;
    rh_ps2_push(&mouse->queue, PS2_TEST_OK);
    rh_ps2_push(&mouse->queue, mouse->type);
}

void rh_ps2_mouse_command(RhPs2Mouse *mouse, uint8_t value)
{
    if (mouse->command) {
        take_parameter(mouse, value);
        return;
    }
    if (mouse->is_wrapping && value != CMD_UNWRAP && value != CMD_RESET) {
        rh_ps2_push(&mouse->queue, value);
        return;
    }
    rh_ps2_push(&mouse->queue, value < CMD_SCALE_1 ? PS2_RESEND : PS2_ACK);
    switch (value) {
    case CMD_SCALE_1:    mouse->scales = 0; break;
    case CMD_SCALE_2:    mouse->scales = 1; break;
    case CMD_RESOLUTION:
    case CMD_RATE:       mouse->command = value; break;
    case CMD_STATUS:     push_status(mouse); break;
    case CMD_STREAM:     mouse->is_remote = 0; break;
    case CMD_READ:       push_report(mouse); break;
    case CMD_UNWRAP:     mouse->is_wrapping = 0; break;
    case CMD_WRAP:       mouse->is_wrapping = 1; break;
    case CMD_REMOTE:     mouse->is_remote = 1; break;
    case CMD_ID:         rh_ps2_push(&mouse->queue, mouse->type); break;
    case CMD_ENABLE:     mouse->is_reporting = 1; break;
    case CMD_DISABLE:    mouse->is_reporting = 0; break;
    case CMD_DEFAULTS:   set_defaults(mouse); break;
    case CMD_RESET:      reset(mouse); break;
    default:             break;
    }
}

const RhField rh_ps2_mouse_fields[RH_PS2_MOUSE_FIELDS] = {
    RH_FIELD_STRUCT(RhPs2Mouse, queue, rh_ps2_queue_fields),
    RH_FIELD(RhPs2Mouse, type, .max = TYPE_EXPLORER),
    RH_FIELD(RhPs2Mouse, is_reporting, .max = 1),
    RH_FIELD(RhPs2Mouse, is_remote, .max = 1),
    RH_FIELD(RhPs2Mouse, is_wrapping, .max = 1),
    RH_FIELD(RhPs2Mouse, scales, .max = 1),
    RH_FIELD(RhPs2Mouse, resolution, .max = 3),
    RH_FIELD(RhPs2Mouse, rate),
    RH_FIELD(RhPs2Mouse, command),
    RH_FIELD(RhPs2Mouse, buttons, .valid = 0x1f),
    RH_FIELD_BYTES(RhPs2Mouse, rates),
    RH_FIELD(RhPs2Mouse, dx),
    RH_FIELD(RhPs2Mouse, dy),
    RH_FIELD(RhPs2Mouse, dz),
};
