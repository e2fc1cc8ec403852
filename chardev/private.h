/*
 * What back-ends and the core of chardev/ know of each other. A back-end is one file with one const
 * RhCharType. Lock: the machine lock; open, settle and close run on the main loop's thread, write
 * and the serial line calls on any.
 */
#ifndef RH_CHARDEV_PRIVATE_H
#define RH_CHARDEV_PRIVATE_H

#include "chardev/chardev.h"
#include "qapi-types.h"
#include "softmmu/vm.h"
#include "util/loop.h"
#include "util/notifier.h"

enum {
    RH_CHAR_MAX_USERS = 4,
    RH_CHAR_MAX_FDS = 16,
    RH_CHAR_CHUNK = 4096,
    RH_CHAR_MAX_INBOX = 64 * 1024,
    RH_CHAR_MAX_OUTBOX = 64 * 1024 * 1024,
};

/** RhCharType - @open gets the schema's struct of the back-end (ChardevFile, ...); other slots may be NULL */
typedef struct RhCharType {
    RhType;
    unsigned max_users;         /* 0: one */
    bool (*open)(RhChardev *chr, const void *options, GError **err);
    void (*close)(RhChardev *chr);      /* also after a failed open */
    /* How many bytes were taken; NULL: all, and they are gone. Only called while is_open. */
    size_t (*write)(RhChardev *chr, const uint8_t *buf, size_t len);
    /* Watch what is of interest now: rh_chr_room, rh_chr_wants_room may have changed. */
    void (*settle)(RhChardev *chr);
    void (*attached)(RhChardev *chr, RhCharUser *user);
    void (*set_serial)(RhChardev *chr, const RhSerialParams *params);
    void (*set_break)(RhChardev *chr, bool is_on);
    bool (*get_modem)(RhChardev *chr, unsigned *ret_lines);
    void (*set_modem)(RhChardev *chr, unsigned lines);
    int (*take_fd)(RhChardev *chr);     /* for a mux */
} RhCharType;

#define RH_CHARDEV(T, ...)                                                                         \
    static const RhCharType T##_type = { .size = sizeof(T), .parent = RH_TYPE_CHARDEV, __VA_ARGS__ };  \
    RH_TYPE_ENTRY(T##_type)

struct RhChardev {
    RhObject obj;
    RhCharUser *users[RH_CHAR_MAX_USERS];
    unsigned focus;             /* index of the user that gets input */
    bool is_open;               /* somebody is at the far end */
    bool is_ended;              /* the back-end was closed for good */
    bool is_kicked;             /* a call of settle is on its way */
    char *filename;             /* for query-chardev; NULL: the type's own name */
    GByteArray *inbox;          /* received, not yet taken by the user */
    GByteArray *outbox;         /* of rh_char_write_all, not yet taken by the far end */
    GArray *fds;                /* int: came by SCM_RIGHTS */
    int log_fd;                 /* -1: none */
};

static inline const RhCharType *rh_chr_type(const RhChardev *chr)
{
    return (const RhCharType *)chr->obj.type;
}

/** RhCharRoom - the character devices of a machine */
typedef struct RhCharRoom {
    GPtrArray *all;             /* RhChardev *, a reference each, in order of making */
    GPtrArray *kicked;          /* RhChardev *, a reference each: to settle at the next turn */
    RhNotifier exiting;         /* the process leaves without taking all apart */
    uint8_t escape;             /* -echr */
} RhCharRoom;
RhCharRoom *rh_chr_room_of(RhVm *vm);

/** rh_chr_parse_spec - what rh_char_open_spec would make of @spec; "mon:" and "chardev:" excluded. For fuzzing. */
QmpChardevBackend *rh_chr_parse_spec(const char *spec, GError **err);

/* --- for back-ends --- */

/** rh_chr_room - how many bytes the user takes now */
size_t rh_chr_room(const RhChardev *chr);
/** rh_chr_receive - bytes from the far end; what the user cannot take is kept for later */
void rh_chr_receive(RhChardev *chr, const uint8_t *buf, size_t len);
/** rh_chr_wants_room - whether somebody waits to write more */
bool rh_chr_wants_room(const RhChardev *chr);
/** rh_chr_has_room - the far end takes bytes again: send what waits, tell who waits */
void rh_chr_has_room(RhChardev *chr);
/** rh_chr_set_open - somebody came to, or went from, the far end; the users get the event */
void rh_chr_set_open(RhChardev *chr, bool is_open);
/** rh_chr_event - an event for the user in focus */
void rh_chr_event(RhChardev *chr, RhCharEvent event);
/** rh_chr_set_focus - input goes to user @index from now on */
void rh_chr_set_focus(RhChardev *chr, unsigned index);
/** rh_chr_may_move - whether the user of @chr can go to another back-end; @err when not */
bool rh_chr_may_move(const RhChardev *chr, GError **err);
/** rh_chr_move_user - the user of @from, if there is one, has @to from now on */
void rh_chr_move_user(RhChardev *from, RhChardev *to);
/** rh_chr_kick - let the back-end settle at the next turn of the main loop; any thread */
void rh_chr_kick(RhChardev *chr);
/** rh_chr_add_fd - a descriptor came with the bytes that follow; owned by the callee */
void rh_chr_add_fd(RhChardev *chr, int fd);
void rh_chr_drop_fds(RhChardev *chr);
/** rh_chr_end - close the back-end; no effect when it is closed */
void rh_chr_end(RhChardev *chr);

/** RhCharFd - the descriptors of a back-end that is a stream; zero-filled until rh_char_fd_begin */
typedef struct RhCharFd {
    RhChardev *chr;
    int in, out;                /* may be the same; -1: none */
    RhWatch in_watch, out_watch;
    bool is_shared;             /* not ours: never closed, never made non-blocking */
    bool is_terminal;
    bool is_socket;
    bool is_datagram;           /* read whole, never at an end */
    /* Replaces read(2); NULL: read */
    ssize_t (*read)(struct RhCharFd *io, uint8_t *buf, size_t len);
    void (*received)(RhChardev *chr, uint8_t *buf, size_t len);     /* replaces rh_chr_receive */
    void (*closed)(RhChardev *chr);     /* end of input or an error; the watch has ended */
} RhCharFd;

void rh_char_fd_begin(RhCharFd *io, RhChardev *chr, int in, int out);
/** rh_char_fd_end - end the watches, close what is ours; safe when not begun */
void rh_char_fd_end(RhCharFd *io);
void rh_char_fd_settle(RhCharFd *io);
size_t rh_char_fd_write(RhCharFd *io, const uint8_t *buf, size_t len);

#endif
