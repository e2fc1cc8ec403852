/*
 * Keys by name (QMP QKeyCode) and by number (scan code set 1) -> Linux key codes.
 */
#include "ui/keys.h"
#include <linux/input-event-codes.h>
#include "util/core.h"

static const uint16_t by_name[] = {
#define K(name, code) [QMP_Q_KEY_CODE_##name] = KEY_##code
    K(SHIFT, LEFTSHIFT), K(SHIFT_R, RIGHTSHIFT), K(ALT, LEFTALT), K(ALT_R, RIGHTALT), K(CTRL, LEFTCTRL),
    K(CTRL_R, RIGHTCTRL), K(MENU, MENU), K(ESC, ESC), K(1, 1), K(2, 2), K(3, 3), K(4, 4), K(5, 5), K(6, 6), K(7, 7),
    K(8, 8), K(9, 9), K(0, 0), K(MINUS, MINUS), K(EQUAL, EQUAL), K(BACKSPACE, BACKSPACE), K(TAB, TAB), K(Q, Q),
    K(W, W), K(E, E), K(R, R), K(T, T), K(Y, Y), K(U, U), K(I, I), K(O, O), K(P, P), K(BRACKET_LEFT, LEFTBRACE),
    K(BRACKET_RIGHT, RIGHTBRACE), K(RET, ENTER), K(A, A), K(S, S), K(D, D), K(F, F), K(G, G), K(H, H), K(J, J),
    K(K, K), K(L, L), K(SEMICOLON, SEMICOLON), K(APOSTROPHE, APOSTROPHE), K(GRAVE_ACCENT, GRAVE),
    K(BACKSLASH, BACKSLASH), K(Z, Z), K(X, X), K(C, C), K(V, V), K(B, B), K(N, N), K(M, M), K(COMMA, COMMA),
    K(DOT, DOT), K(SLASH, SLASH), K(ASTERISK, KPASTERISK), K(SPC, SPACE), K(CAPS_LOCK, CAPSLOCK), K(F1, F1),
    K(F2, F2), K(F3, F3), K(F4, F4), K(F5, F5), K(F6, F6), K(F7, F7), K(F8, F8), K(F9, F9), K(F10, F10),
    K(NUM_LOCK, NUMLOCK), K(SCROLL_LOCK, SCROLLLOCK), K(KP_DIVIDE, KPSLASH), K(KP_MULTIPLY, KPASTERISK),
    K(KP_SUBTRACT, KPMINUS), K(KP_ADD, KPPLUS), K(KP_ENTER, KPENTER), K(KP_DECIMAL, KPDOT), K(SYSRQ, SYSRQ),
    K(KP_0, KP0), K(KP_1, KP1), K(KP_2, KP2), K(KP_3, KP3), K(KP_4, KP4), K(KP_5, KP5), K(KP_6, KP6), K(KP_7, KP7),
    K(KP_8, KP8), K(KP_9, KP9), K(LESS, 102ND), K(F11, F11), K(F12, F12), K(PRINT, SYSRQ), K(HOME, HOME),
    K(PGUP, PAGEUP), K(PGDN, PAGEDOWN), K(END, END), K(LEFT, LEFT), K(UP, UP), K(DOWN, DOWN), K(RIGHT, RIGHT),
    K(INSERT, INSERT), K(DELETE, DELETE), K(STOP, STOP), K(AGAIN, AGAIN), K(PROPS, PROPS), K(UNDO, UNDO),
    K(FRONT, FRONT), K(COPY, COPY), K(OPEN, OPEN), K(PASTE, PASTE), K(FIND, FIND), K(CUT, CUT), K(LF, LINEFEED),
    K(HELP, HELP), K(META_L, LEFTMETA), K(META_R, RIGHTMETA), K(COMPOSE, COMPOSE), K(PAUSE, PAUSE), K(RO, RO),
    K(HIRAGANA, HIRAGANA), K(HENKAN, HENKAN), K(YEN, YEN), K(MUHENKAN, MUHENKAN),
    K(KATAKANAHIRAGANA, KATAKANAHIRAGANA), K(KP_COMMA, KPCOMMA), K(KP_EQUALS, KPEQUAL), K(POWER, POWER),
    K(SLEEP, SLEEP), K(WAKE, WAKEUP), K(AUDIONEXT, NEXTSONG), K(AUDIOPREV, PREVIOUSSONG), K(AUDIOSTOP, STOPCD),
    K(AUDIOPLAY, PLAYPAUSE), K(AUDIOMUTE, MUTE), K(VOLUMEUP, VOLUMEUP), K(VOLUMEDOWN, VOLUMEDOWN),
    K(MEDIASELECT, MEDIA), K(MAIL, MAIL), K(CALCULATOR, CALC), K(COMPUTER, COMPUTER), K(AC_HOME, HOMEPAGE),
    K(AC_BACK, BACK), K(AC_FORWARD, FORWARD), K(AC_REFRESH, REFRESH), K(AC_BOOKMARKS, BOOKMARKS), K(LANG1, HANGEUL),
    K(LANG2, HANJA), K(F13, F13), K(F14, F14), K(F15, F15), K(F16, F16), K(F17, F17), K(F18, F18), K(F19, F19),
    K(F20, F20), K(F21, F21), K(F22, F22), K(F23, F23), K(F24, F24),
#undef K
};

/* Below 0x59 a Linux code is the key's code in set 1; of those behind 0xe0 the usual ones. */
static const struct {
    uint8_t number;
    uint16_t code;
} extended[] = {
    { 0x9c, KEY_KPENTER }, { 0x9d, KEY_RIGHTCTRL }, { 0xb5, KEY_KPSLASH }, { 0xb7, KEY_SYSRQ }, { 0xb8, KEY_RIGHTALT },
    { 0xc6, KEY_PAUSE }, { 0xc7, KEY_HOME }, { 0xc8, KEY_UP }, { 0xc9, KEY_PAGEUP }, { 0xcb, KEY_LEFT },
    { 0xcd, KEY_RIGHT }, { 0xcf, KEY_END }, { 0xd0, KEY_DOWN }, { 0xd1, KEY_PAGEDOWN }, { 0xd2, KEY_INSERT },
    { 0xd3, KEY_DELETE }, { 0xdb, KEY_LEFTMETA }, { 0xdc, KEY_RIGHTMETA }, { 0xdd, KEY_COMPOSE },
};

static unsigned of_number(int64_t number)
{
    for (size_t i = 0; i < RH_COUNT(extended); i++) {
        if (extended[i].number == number) {
            return extended[i].code;
        }
    }
    return number > 0 && number <= KEY_F12 ? (unsigned)number : 0;
}

unsigned rh_key_code(const QmpKeyValue *key)
{
    return key->type == QMP_KEY_VALUE_KIND_NUMBER ? of_number(key->u.number->data) : by_name[key->u.qcode->data];
}
