/*
 * PS/2 keyboard core: commands, scan codes of sets 1 to 3, repetition.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Keyboard (101/102-key)"; Microsoft "Keyboard Scan Code
 * Specification" 1.3a (2000).  Lock: machine lock.
 */
#include <linux/input-event-codes.h>
#include "ps2-private.h"

#define CMD_SET_LEDS   0xed
#define CMD_ECHO       0xee
#define CMD_SCAN_SET   0xf0
#define CMD_ID         0xf2
#define CMD_TYPEMATIC  0xf3
#define CMD_ENABLE     0xf4
#define CMD_DISABLE    0xf5
#define CMD_DEFAULTS   0xf6
#define CMD_ALL_FIRST  0xf7     /* to 0xfd: key types of set 3, accepted */
#define CMD_RESEND     0xfe
#define CMD_RESET      0xff

#define TYPEMATIC_DEFAULT 0x2b  /* 500 ms, 10.9 a second */
#define CODE_EXTENDED  0x100    /* after 0xe0 */

/* Set 2 make codes by Linux key code, which is the set 1 code for the keys below 0x59. */
static const uint16_t set2_codes[] = {
    [KEY_ESC] = 0x76, [KEY_1] = 0x16, [KEY_2] = 0x1e, [KEY_3] = 0x26, [KEY_4] = 0x25, [KEY_5] = 0x2e,
    [KEY_6] = 0x36, [KEY_7] = 0x3d, [KEY_8] = 0x3e, [KEY_9] = 0x46, [KEY_0] = 0x45, [KEY_MINUS] = 0x4e,
    [KEY_EQUAL] = 0x55, [KEY_BACKSPACE] = 0x66, [KEY_TAB] = 0x0d, [KEY_Q] = 0x15, [KEY_W] = 0x1d,
    [KEY_E] = 0x24, [KEY_R] = 0x2d, [KEY_T] = 0x2c, [KEY_Y] = 0x35, [KEY_U] = 0x3c, [KEY_I] = 0x43,
    [KEY_O] = 0x44, [KEY_P] = 0x4d, [KEY_LEFTBRACE] = 0x54, [KEY_RIGHTBRACE] = 0x5b, [KEY_ENTER] = 0x5a,
    [KEY_LEFTCTRL] = 0x14, [KEY_A] = 0x1c, [KEY_S] = 0x1b, [KEY_D] = 0x23, [KEY_F] = 0x2b, [KEY_G] = 0x34,
    [KEY_H] = 0x33, [KEY_J] = 0x3b, [KEY_K] = 0x42, [KEY_L] = 0x4b, [KEY_SEMICOLON] = 0x4c,
    [KEY_APOSTROPHE] = 0x52, [KEY_GRAVE] = 0x0e, [KEY_LEFTSHIFT] = 0x12, [KEY_BACKSLASH] = 0x5d,
    [KEY_Z] = 0x1a, [KEY_X] = 0x22, [KEY_C] = 0x21, [KEY_V] = 0x2a, [KEY_B] = 0x32, [KEY_N] = 0x31,
    [KEY_M] = 0x3a, [KEY_COMMA] = 0x41, [KEY_DOT] = 0x49, [KEY_SLASH] = 0x4a, [KEY_RIGHTSHIFT] = 0x59,
    [KEY_KPASTERISK] = 0x7c, [KEY_LEFTALT] = 0x11, [KEY_SPACE] = 0x29, [KEY_CAPSLOCK] = 0x58,
    [KEY_F1] = 0x05, [KEY_F2] = 0x06, [KEY_F3] = 0x04, [KEY_F4] = 0x0c, [KEY_F5] = 0x03, [KEY_F6] = 0x0b,
    [KEY_F7] = 0x83, [KEY_F8] = 0x0a, [KEY_F9] = 0x01, [KEY_F10] = 0x09, [KEY_NUMLOCK] = 0x77,
    [KEY_SCROLLLOCK] = 0x7e, [KEY_KP7] = 0x6c, [KEY_KP8] = 0x75, [KEY_KP9] = 0x7d, [KEY_KPMINUS] = 0x7b,
    [KEY_KP4] = 0x6b, [KEY_KP5] = 0x73, [KEY_KP6] = 0x74, [KEY_KPPLUS] = 0x79, [KEY_KP1] = 0x69,
    [KEY_KP2] = 0x72, [KEY_KP3] = 0x7a, [KEY_KP0] = 0x70, [KEY_KPDOT] = 0x71, [KEY_102ND] = 0x61,
    [KEY_F11] = 0x78, [KEY_F12] = 0x07, [KEY_RO] = 0x51, [KEY_HENKAN] = 0x64, [KEY_MUHENKAN] = 0x67,
    [KEY_KATAKANAHIRAGANA] = 0x13, [KEY_YEN] = 0x6a, [KEY_KPCOMMA] = 0x6d,
    [KEY_KPENTER] = 0x15a, [KEY_RIGHTCTRL] = 0x114, [KEY_KPSLASH] = 0x14a, [KEY_RIGHTALT] = 0x111,
    [KEY_HOME] = 0x16c, [KEY_UP] = 0x175, [KEY_PAGEUP] = 0x17d, [KEY_LEFT] = 0x16b, [KEY_RIGHT] = 0x174,
    [KEY_END] = 0x169, [KEY_DOWN] = 0x172, [KEY_PAGEDOWN] = 0x17a, [KEY_INSERT] = 0x170, [KEY_DELETE] = 0x171,
    [KEY_LEFTMETA] = 0x11f, [KEY_RIGHTMETA] = 0x127, [KEY_COMPOSE] = 0x12f, [KEY_POWER] = 0x137,
    [KEY_MUTE] = 0x123, [KEY_VOLUMEDOWN] = 0x121, [KEY_VOLUMEUP] = 0x132,
};

static const uint8_t set1_of_set2[] = { /* what a controller's translation makes of each code; table 3 of the scan code spec */
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

int rh_ps2_translate(uint8_t value, uint8_t *is_break)
{
    uint8_t code;

    if (value == 0xf0) {
        *is_break = 1;
        return -1;
    }
    code = value < RH_COUNT(set1_of_set2) ? set1_of_set2[value] : value == 0x83 ? 0x41 : value;
    if (*is_break) {
        code |= 0x80;
    }
    *is_break = 0;
    return code;
}

static void push_code(RhPs2Kbd *kbd, uint16_t code, bool is_down)
{
    uint8_t is_break = !is_down;

    if (code & CODE_EXTENDED && kbd->scan_set != 3) {
        rh_ps2_push(&kbd->queue, 0xe0);
    }
    if (kbd->scan_set == 1) {
        rh_ps2_push(&kbd->queue, rh_ps2_translate(code & 0xff, &is_break));
        return;
    }
    if (!is_down) {
        rh_ps2_push(&kbd->queue, 0xf0);
    }
    rh_ps2_push(&kbd->queue, code & 0xff);
}

/* Pause has a sequence of its own and no break code; Print Screen is two codes. */
static bool push_odd_key(RhPs2Kbd *kbd, unsigned code, bool is_down)
{
    if (code == KEY_PAUSE) {
        if (is_down) {
            rh_ps2_push(&kbd->queue, 0xe1);
            push_code(kbd, 0x14, true);
            push_code(kbd, 0x77, true);
            rh_ps2_push(&kbd->queue, 0xe1);
            push_code(kbd, 0x14, false);
            push_code(kbd, 0x77, false);
        }
        return true;
    }
    if (code == KEY_SYSRQ) {
        push_code(kbd, is_down ? 0x112 : 0x17c, is_down);
        push_code(kbd, is_down ? 0x17c : 0x112, is_down);
        return true;
    }
    return false;
}

static void push_key(RhPs2Kbd *kbd, unsigned code, bool is_down)
{
    uint16_t set2 = code < RH_COUNT(set2_codes) ? set2_codes[code] : 0;

    if (!push_odd_key(kbd, code, is_down) && set2) {
        push_code(kbd, set2, is_down);
    }
}

/* "Set Typematic Rate/Delay" */
static int64_t repeat_delay_ns(const RhPs2Kbd *kbd)
{
    return ((kbd->typematic >> 5 & 3) + 1) * INT64_C(250000000);
}

static int64_t repeat_period_ns(const RhPs2Kbd *kbd)
{
    return (INT64_C(8) + (kbd->typematic & 7)) * (1 << (kbd->typematic >> 3 & 3)) * 4170000;
}

void rh_ps2_kbd_key(RhPs2Kbd *kbd, unsigned code, bool is_down, int64_t now_ns)
{
    bool is_known = code < 8 * sizeof(kbd->down);
    bool was_down = is_known && (kbd->down[code / 8] & 1 << code % 8);

    if (!is_known || (is_down == was_down && !is_down) || !kbd->is_scanning ||
        kbd->queue.count >= PS2_QUEUE_SOFT) {
        return;
    }
    kbd->down[code / 8] = is_down ? kbd->down[code / 8] | 1 << code % 8 : kbd->down[code / 8] & ~(1 << code % 8);
    push_key(kbd, code, is_down);
    if (is_down) {
        kbd->repeating = code;
        kbd->repeat_ns = now_ns + repeat_delay_ns(kbd);
    } else if (kbd->repeating == code) {
        kbd->repeating = 0;
        kbd->repeat_ns = INT64_MAX;
    }
}

void rh_ps2_kbd_repeat(RhPs2Kbd *kbd, int64_t now_ns)
{
    if (!kbd->repeating) {
        kbd->repeat_ns = INT64_MAX;
        return;
    }
    if (kbd->queue.count < PS2_QUEUE_SOFT) {
        push_key(kbd, kbd->repeating, true);
    }
    kbd->repeat_ns = now_ns + repeat_period_ns(kbd);
}

/* --- commands --- */

static void set_defaults(RhPs2Kbd *kbd)
{
    static const RhPs2Kbd at_reset = RH_PS2_KBD_AT_RESET;

    *kbd = at_reset;
}

static void take_parameter(RhPs2Kbd *kbd, uint8_t value)
{
    uint8_t command = kbd->command;

    kbd->command = 0;
    rh_ps2_push(&kbd->queue, PS2_ACK);
    switch (command) {
    case CMD_SET_LEDS:
        kbd->leds = value & 7;
        break;
    case CMD_TYPEMATIC:
        kbd->typematic = value & 0x7f;
        break;
    default:                    /* CMD_SCAN_SET */
        if (value == 0) {
            rh_ps2_push(&kbd->queue, kbd->scan_set);
        } else if (value <= 3) {
            kbd->scan_set = value;
        }
    }
}

static void push_id(RhPs2Kbd *kbd)
{
    rh_ps2_push(&kbd->queue, 0xab);
    rh_ps2_push(&kbd->queue, 0x83);
}

void rh_ps2_kbd_command(RhPs2Kbd *kbd, uint8_t value)
{
    if (kbd->command && value < CMD_SET_LEDS) {
        take_parameter(kbd, value);
        return;
    }
    kbd->command = 0;
    if (value == CMD_ECHO) {
        rh_ps2_push(&kbd->queue, CMD_ECHO);
        return;
    }
    if (value < CMD_SET_LEDS || value == 0xef || value == 0xf1 || value == CMD_RESEND) {
        rh_ps2_push(&kbd->queue, PS2_RESEND);
        return;
    }
    if (value == CMD_RESET || value == CMD_DEFAULTS || value == CMD_DISABLE) {
        set_defaults(kbd);
        kbd->is_scanning = value != CMD_DISABLE;
    }
    rh_ps2_push(&kbd->queue, PS2_ACK);
    switch (value) {
    case CMD_SET_LEDS:
    case CMD_SCAN_SET:
    case CMD_TYPEMATIC: kbd->command = value; break;
    case CMD_ID:        push_id(kbd); break;
    case CMD_ENABLE:    kbd->is_scanning = 1; break;
    case CMD_RESET:     rh_ps2_push(&kbd->queue, PS2_TEST_OK); break;
    default:            break;
    }
}

const RhField rh_ps2_kbd_fields[RH_PS2_KBD_FIELDS] = {
    RH_FIELD_STRUCT(RhPs2Kbd, queue, rh_ps2_queue_fields),
    RH_FIELD(RhPs2Kbd, scan_set, .max = 3),
    RH_FIELD(RhPs2Kbd, is_scanning, .max = 1),
    RH_FIELD(RhPs2Kbd, leds, .valid = 7),
    RH_FIELD(RhPs2Kbd, typematic, .valid = 0x7f),
    RH_FIELD(RhPs2Kbd, command),
    RH_FIELD(RhPs2Kbd, repeating),
    RH_FIELD_BYTES(RhPs2Kbd, down),
    RH_FIELD(RhPs2Kbd, repeat_ns),
};
