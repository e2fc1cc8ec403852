/*
 * Character devices: a byte stream between a back-end (terminal, pty, socket, file, ...) and one front-end (a
 * serial port, a monitor, a console port). The front-end knows an RhChardev only through this header.
 *
 * A front-end attaches with RhCharUser. Received bytes are offered only as far as can_receive allows; the back-end
 * waits (no loss) until rh_char_accept_input. Lock: the machine lock; callbacks come on the main loop with it held.
 */
#ifndef RH_CHARDEV_CHARDEV_H
#define RH_CHARDEV_CHARDEV_H

#include "qom/object.h"

#define RH_TYPE_CHARDEV "chardev"

typedef struct RhChardev RhChardev;

typedef enum RhCharEvent { RH_CHAR_OPENED, RH_CHAR_CLOSED, RH_CHAR_BREAK, RH_CHAR_MUX_IN, RH_CHAR_MUX_OUT } RhCharEvent;

typedef struct RhCharUserOps {
    size_t (*can_receive)(void *opaque);        /* bytes that receive would take now */
    void (*receive)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, RhCharEvent event);     /* may be NULL */
    bool can_move;          /* chardev-change may put another back-end under it; a difference in being open is told */
    bool yields_focus;      /* on a mux, input goes to other front-ends first (a monitor beside a serial port) */
} RhCharUserOps;

/** RhCharUser - a front-end's end, in its memory; zero-filled: detached */
typedef struct RhSerialParams { uint32_t speed; uint8_t data_bits, stop_bits; char parity; } RhSerialParams;
typedef struct RhCharUser {
    RhChardev *chr;
    const RhCharUserOps *ops;
    void *opaque;
    int mux_index;
    bool is_open;       /* front-end open: shown by query-chardev (frontend-open) */
    void (*writable)(void *opaque);     /* private: of rh_char_on_writable */
    void *writable_opaque;
    RhSerialParams serial;  /* private: as last set, for the next back-end; speed 0: never */
} RhCharUser;

/** rh_char_attach - take @chr for this front-end; @err when it is in use (a mux takes four). OPENED follows if it is open already. */
bool rh_char_attach(RhCharUser *user, RhChardev *chr, const RhCharUserOps *ops, void *opaque, GError **err);
/** rh_char_detach - let go; safe on a detached user */
void rh_char_detach(RhCharUser *user);
/**
 * rh_char_write - send bytes; returns how many were taken, 0..@len; never blocks. A closed or absent back-end takes
 * (and loses) all. When fewer were taken, rh_char_on_writable tells once there is room.
 */
size_t rh_char_write(RhCharUser *user, const void *buf, size_t len);
/** rh_char_write_all - as rh_char_write, buffering what is not taken (bounded; used by monitors) */
void rh_char_write_all(RhCharUser *user, const void *buf, size_t len);
/** rh_char_pending - bytes of rh_char_write_all that the back-end has not taken yet */
size_t rh_char_pending(const RhCharUser *user);
/** rh_char_has_focus - whether input comes to this front-end; false only behind a mux */
bool rh_char_has_focus(const RhCharUser *user);
/** rh_char_take_fd - the oldest descriptor that came with received bytes (SCM_RIGHTS), now the caller's; -1: none */
int rh_char_take_fd(RhCharUser *user);
/** rh_char_on_writable - call fn(opaque) once, on the main loop, when the back-end has room; NULL cancels */
void rh_char_on_writable(RhCharUser *user, void (*fn)(void *opaque), void *opaque);
/** rh_char_accept_input - can_receive has grown */
void rh_char_accept_input(RhCharUser *user);
/** rh_char_set_open - front-end open state (virtio console port, monitor) */
void rh_char_set_open(RhCharUser *user, bool is_open);
/** rh_char_send_break / set line parameters, for back-ends that are serial lines; false if there is no such thing */
void rh_char_set_serial(RhCharUser *user, const RhSerialParams *params);
void rh_char_set_break(RhCharUser *user, bool is_on);
enum { RH_TIOCM_CTS = 0x20, RH_TIOCM_CAR = 0x40, RH_TIOCM_RI = 0x80, RH_TIOCM_DSR = 0x100, RH_TIOCM_DTR = 2, RH_TIOCM_RTS = 4 };
bool rh_char_get_modem(RhCharUser *user, unsigned *ret_lines);
void rh_char_set_modem(RhCharUser *user, unsigned lines);

/** rh_char_find - by id; NULL and @err "Chardev 'x' not found" style */
RhChardev *rh_char_find(RhVm *vm, const char *id, GError **err);

/** Property kind of front-ends' "chardev" (member: RhCharUser): takes an id, attaches at realize by rh_char_attach */
typedef struct RhCharProp { RhChardev *chr; char *id; } RhCharProp;
/** rh_prop_chardev - member is an RhCharProp; setting looks the back-end up, realize attaches a RhCharUser to .chr (may be NULL: none given) */
extern const RhPropKind rh_prop_chardev;

#endif
