/*
 * The core of character devices: users, buffers in both directions, the log file.
 * Lock: the machine lock.
 */
#include "chardev/private.h"
#include <errno.h>
#include "chardev/open.h"

/* --- life --- */

static void chardev_init(RhObject *obj)
{
    RhChardev *chr = RH_SELF(RhChardev, obj);

    chr->inbox = g_byte_array_new();
    chr->outbox = g_byte_array_new();
    chr->fds = g_array_new(FALSE, FALSE, sizeof(int));
    chr->log_fd = -1;
}

void rh_chr_end(RhChardev *chr)
{
    if (!chr->is_ended && rh_chr_type(chr)->close) {
        rh_chr_type(chr)->close(chr);
    }
    chr->is_ended = true;
    chr->is_open = false;
}

static void chardev_fini(RhObject *obj)
{
    RhChardev *chr = RH_SELF(RhChardev, obj);

    rh_chr_end(chr);
    for (unsigned i = 0; i < RH_CHAR_MAX_USERS; i++) {
        if (chr->users[i]) {
            chr->users[i]->chr = NULL;
        }
    }
    rh_chr_drop_fds(chr);
    g_array_unref(chr->fds);
    g_byte_array_unref(chr->inbox);
    g_byte_array_unref(chr->outbox);
    g_free(chr->filename);
    if (chr->log_fd >= 0) {
        close(chr->log_fd);
    }
}

static const RhCharType chardev_type = {
    .name = RH_TYPE_CHARDEV,
    .parent = RH_TYPE_OBJECT,
    .doc = "Character device: a stream of bytes",
    .size = sizeof(RhChardev),
    .is_abstract = true,
    .init = chardev_init,
    .fini = chardev_fini,
};
RH_TYPE_ENTRY(chardev_type);

const char *rh_char_id(const RhChardev *chr)
{
    return chr->obj.name;
}

const char *rh_char_filename(const RhChardev *chr)
{
    return chr->filename ? chr->filename : chr->obj.type->name + strlen("chardev-");
}

bool rh_char_is_front_open(const RhChardev *chr)
{
    for (unsigned i = 0; i < RH_CHAR_MAX_USERS; i++) {
        if (chr->users[i] && chr->users[i]->is_open) {
            return true;
        }
    }
    return false;
}

/* --- settling: always from the main loop, so that back-ends may change their watches --- */

static void flush_inbox(RhChardev *chr)
{
    RhCharUser *user = chr->users[chr->focus];

    while (chr->inbox->len && user && user == chr->users[chr->focus]) {
        size_t len = MIN(user->ops->can_receive(user->opaque), chr->inbox->len);

        if (!len) {
            return;
        }
        g_autofree uint8_t *piece = g_memdup2(chr->inbox->data, len);

        g_byte_array_remove_range(chr->inbox, 0, len);
        user->ops->receive(user->opaque, piece, len);
    }
}

static void settle(RhChardev *chr)
{
    const RhCharType *type = rh_chr_type(chr);

    if (chr->is_ended) {
        return;
    }
    flush_inbox(chr);
    if (rh_chr_wants_room(chr) && (!chr->is_open || !type->settle)) {
        rh_chr_has_room(chr);
    }
    if (type->settle && !chr->is_ended) {
        type->settle(chr);
    }
}

static void settle_kicked(void *opaque)
{
    RhVm *vm = opaque;
    RhCharRoom *room = rh_chr_room_of(vm);
    g_autoptr(GPtrArray) kicked = g_steal_pointer(&room->kicked);

    room->kicked = g_ptr_array_new_with_free_func((GDestroyNotify)rh_object_unref);
    for (unsigned i = 0; i < kicked->len; i++) {
        ((RhChardev *)kicked->pdata[i])->is_kicked = false;
    }
    for (unsigned i = 0; i < kicked->len; i++) {
        settle(kicked->pdata[i]);
    }
}

void rh_chr_kick(RhChardev *chr)
{
    RhCharRoom *room = rh_chr_room_of(chr->obj.vm);

    if (chr->is_kicked || chr->is_ended) {
        return;
    }
    chr->is_kicked = true;
    if (!room->kicked->len) {
        rh_loop_post(chr->obj.vm->loop, settle_kicked, chr->obj.vm);
    }
    g_ptr_array_add(room->kicked, rh_object_ref(&chr->obj));
}

/* --- receiving --- */

size_t rh_chr_room(const RhChardev *chr)
{
    const RhCharUser *user = chr->users[chr->focus];

    return user && !chr->inbox->len ? user->ops->can_receive(user->opaque) : 0;
}

void rh_chr_receive(RhChardev *chr, const uint8_t *buf, size_t len)
{
    size_t now = MIN(rh_chr_room(chr), len);

    if (now) {
        RhCharUser *user = chr->users[chr->focus];

        user->ops->receive(user->opaque, buf, now);
    }
    if (now < len && chr->inbox->len < RH_CHAR_MAX_INBOX) {
        g_byte_array_append(chr->inbox, buf + now, len - now);
        rh_chr_kick(chr);
    }
}

void rh_char_accept_input(RhCharUser *user)
{
    if (user->chr) {
        rh_chr_kick(user->chr);
    }
}

void rh_chr_add_fd(RhChardev *chr, int fd)
{
    if (chr->fds->len == RH_CHAR_MAX_FDS) {
        close(fd);
        return;
    }
    g_array_append_val(chr->fds, fd);
}

void rh_chr_drop_fds(RhChardev *chr)
{
    for (unsigned i = 0; i < chr->fds->len; i++) {
        close(g_array_index(chr->fds, int, i));
    }
    g_array_set_size(chr->fds, 0);
}

int rh_char_take_fd(RhCharUser *user)
{
    RhChardev *chr = user->chr;
    int fd = -1;

    if (chr && rh_chr_type(chr)->take_fd) {
        return rh_chr_type(chr)->take_fd(chr);
    }
    if (chr && chr->fds->len) {
        fd = g_array_index(chr->fds, int, 0);
        g_array_remove_index(chr->fds, 0);
    }
    return fd;
}

/* --- sending --- */

static void log_bytes(RhChardev *chr, const uint8_t *buf, size_t len)
{
    while (chr->log_fd >= 0 && len) {
        ssize_t n = write(chr->log_fd, buf, len);

        if (n <= 0 && errno != EINTR) {
            return;     /* a full disk must not stop the guest */
        }
        if (n > 0) {
            buf += n;
            len -= n;
        }
    }
}

static size_t send_now(RhChardev *chr, const uint8_t *buf, size_t len)
{
    const RhCharType *type = rh_chr_type(chr);

    if (!chr->is_open || !type->write) {
        return len;
    }
    return chr->outbox->len ? 0 : type->write(chr, buf, len);
}

size_t rh_char_write(RhCharUser *user, const void *buf, size_t len)
{
    if (!user->chr) {
        return len;
    }
    size_t taken = send_now(user->chr, buf, len);

    log_bytes(user->chr, buf, taken);
    return taken;
}

void rh_char_write_all(RhCharUser *user, const void *buf, size_t len)
{
    RhChardev *chr = user->chr;

    if (!chr) {
        return;
    }
    size_t taken = send_now(chr, buf, len);

    log_bytes(chr, buf, len);
    if (taken < len && len - taken <= RH_CHAR_MAX_OUTBOX - chr->outbox->len) {
        g_byte_array_append(chr->outbox, (const uint8_t *)buf + taken, len - taken);
        rh_chr_kick(chr);
    }
}

size_t rh_char_pending(const RhCharUser *user)
{
    return user->chr ? user->chr->outbox->len : 0;
}

bool rh_chr_wants_room(const RhChardev *chr)
{
    bool wants = chr->outbox->len;

    for (unsigned i = 0; i < RH_CHAR_MAX_USERS; i++) {
        wants |= chr->users[i] && chr->users[i]->writable;
    }
    return wants;
}

void rh_chr_has_room(RhChardev *chr)
{
    GByteArray *box = chr->outbox;

    if (box->len) {
        const RhCharType *type = rh_chr_type(chr);
        size_t taken = chr->is_open && type->write ? type->write(chr, box->data, box->len) : box->len;

        g_byte_array_remove_range(box, 0, taken);
    }
    for (unsigned i = 0; i < RH_CHAR_MAX_USERS && !box->len; i++) {
        RhCharUser *user = chr->users[i];

        if (user && user->writable) {
            void (*fn)(void *) = g_steal_pointer(&user->writable);

            fn(user->writable_opaque);
        }
    }
}

void rh_char_on_writable(RhCharUser *user, void (*fn)(void *opaque), void *opaque)
{
    user->writable = fn;
    user->writable_opaque = opaque;
    if (fn && user->chr) {
        rh_chr_kick(user->chr);
    }
}

/* --- users --- */

static void tell(RhCharUser *user, RhCharEvent event)
{
    if (user && user->ops->event) {
        user->ops->event(user->opaque, event);
    }
}

void rh_chr_event(RhChardev *chr, RhCharEvent event)
{
    tell(chr->users[chr->focus], event);
}

void rh_chr_set_open(RhChardev *chr, bool is_open)
{
    if (chr->is_open == is_open) {
        return;
    }
    chr->is_open = is_open;
    if (!is_open) {
        g_byte_array_set_size(chr->outbox, 0);
    }
    for (unsigned i = 0; i < RH_CHAR_MAX_USERS; i++) {
        tell(chr->users[i], is_open ? RH_CHAR_OPENED : RH_CHAR_CLOSED);
    }
    rh_chr_kick(chr);
}

void rh_chr_set_focus(RhChardev *chr, unsigned index)
{
    if (index != chr->focus) {
        tell(chr->users[chr->focus], RH_CHAR_MUX_OUT);
        chr->focus = index;
        g_byte_array_set_size(chr->inbox, 0);
    }
    tell(chr->users[index], RH_CHAR_MUX_IN);
    rh_chr_kick(chr);
}

bool rh_char_has_focus(const RhCharUser *user)
{
    return user->chr && user->chr->users[user->chr->focus] == user;
}

bool rh_char_attach(RhCharUser *user, RhChardev *chr, const RhCharUserOps *ops, void *opaque, GError **err)
{
    unsigned max = MAX(rh_chr_type(chr)->max_users, 1);
    unsigned index = 0;

    while (index < max && chr->users[index]) {
        index++;
    }
    if (index == max) {
        return rh_fail(err, "Chardev '%s' is in use", rh_char_id(chr));
    }
    RhCharUser *before = chr->users[chr->focus];

    *user = (RhCharUser){ .chr = chr, .ops = ops, .opaque = opaque, .mux_index = index, .is_open = true };
    chr->users[index] = user;
    if (rh_chr_type(chr)->attached) {
        rh_chr_type(chr)->attached(chr, user);
    }
    if (chr->is_open) {
        tell(user, RH_CHAR_OPENED);
    }
    if (!before) {
        chr->focus = index;
    } else if (!ops->yields_focus || before->ops->yields_focus) {
        rh_chr_set_focus(chr, index);
    }
    rh_chr_kick(chr);
    return true;
}

void rh_char_detach(RhCharUser *user)
{
    RhChardev *chr = user->chr;

    if (!chr) {
        return;
    }
    chr->users[user->mux_index] = NULL;
    for (unsigned i = 0; i < RH_CHAR_MAX_USERS && !chr->users[chr->focus]; i++) {
        if (chr->users[i]) {
            rh_chr_set_focus(chr, i);
        }
    }
    *user = (RhCharUser){ .chr = NULL };
    rh_chr_kick(chr);
}

bool rh_chr_may_move(const RhChardev *chr, GError **err)
{
    if (rh_chr_type(chr)->max_users > 1) {
        return rh_fail(err, "Mux device hotswap not supported yet");
    }
    if (chr->users[0] && !chr->users[0]->ops->can_move) {
        return rh_fail(err, "Chardev user does not support chardev hotswap");
    }
    return true;
}

void rh_chr_move_user(RhChardev *from, RhChardev *to)
{
    RhCharUser *user = g_steal_pointer(&from->users[0]);

    if (!user) {
        return;
    }
    to->users[0] = user;
    user->chr = to;
    if (rh_chr_type(to)->attached) {
        rh_chr_type(to)->attached(to, user);
    }
    if (user->serial.speed && rh_chr_type(to)->set_serial) {
        rh_chr_type(to)->set_serial(to, &user->serial);
    }
    if (to->is_open != from->is_open) {
        tell(user, to->is_open ? RH_CHAR_OPENED : RH_CHAR_CLOSED);
    }
    rh_chr_kick(to);        /* who waits for room waits for that of the new one */
}

void rh_char_set_open(RhCharUser *user, bool is_open)
{
    user->is_open = is_open;
}

/* --- serial lines --- */

void rh_char_set_serial(RhCharUser *user, const RhSerialParams *params)
{
    user->serial = *params;
    if (user->chr && rh_chr_type(user->chr)->set_serial) {
        rh_chr_type(user->chr)->set_serial(user->chr, params);
    }
}

void rh_char_set_break(RhCharUser *user, bool is_on)
{
    if (user->chr && rh_chr_type(user->chr)->set_break) {
        rh_chr_type(user->chr)->set_break(user->chr, is_on);
    }
}

bool rh_char_get_modem(RhCharUser *user, unsigned *ret_lines)
{
    return user->chr && rh_chr_type(user->chr)->get_modem &&
           rh_chr_type(user->chr)->get_modem(user->chr, ret_lines);
}

void rh_char_set_modem(RhCharUser *user, unsigned lines)
{
    if (user->chr && rh_chr_type(user->chr)->set_modem) {
        rh_chr_type(user->chr)->set_modem(user->chr, lines);
    }
}

/* --- the property of front-ends --- */

static bool prop_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    RhCharProp *member = rh_prop_member(obj, prop);
    const char *id = json_object_get_string(value);

    if (!json_object_is_type(value, json_type_string)) {
        return rh_fail(err, "Property '%s.%s' must be the id of a chardev", obj->type->name, prop->name);
    }
    RhChardev *chr = rh_char_find(obj->vm, id, NULL);

    if (!chr) {
        return rh_fail(err, "Property '%s.%s' can't find value '%s'", obj->type->name, prop->name, id);
    }
    if (rh_chr_type(chr)->max_users < 2 && chr->users[0]) {
        return rh_fail(err, "Property '%s.%s' can't take value '%s', it's in use", obj->type->name,
                       prop->name, id);
    }
    rh_object_ref(&chr->obj);
    if (member->chr) {
        rh_object_unref(&member->chr->obj);
    }
    g_free(member->id);
    *member = (RhCharProp){ chr, g_strdup(id) };
    return true;
}

static json_object *prop_get(RhObject *obj, const RhProp *prop)
{
    const RhCharProp *member = rh_prop_member(obj, prop);

    return json_object_new_string(member->id ? member->id : "");
}

static void prop_fini(RhObject *obj, const RhProp *prop)
{
    RhCharProp *member = rh_prop_member(obj, prop);

    if (member->chr) {
        rh_object_unref(&member->chr->obj);
    }
    g_free(member->id);
    *member = (RhCharProp){ NULL, NULL };
}

const RhPropKind rh_prop_chardev = { .name = "str", .set = prop_set, .get = prop_get, .fini = prop_fini };
