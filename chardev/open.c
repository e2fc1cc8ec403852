/*
 * Making, finding and ending character devices.
 */
#include "chardev/open.h"
#include <fcntl.h>
#include "chardev/private.h"
#include "softmmu/fds.h"
#include "softmmu/runstate.h"

enum { FLUSH_MS = 200 };

/* Send what is still waiting, for a moment at most: the reply to `quit`, say. */
static void flush(RhChardev *chr)
{
    for (int ms = 0; ms < FLUSH_MS && chr->outbox->len && chr->is_open; ms++) {
        size_t before = chr->outbox->len;

        rh_chr_has_room(chr);
        if (chr->outbox->len == before) {
            g_usleep(1000);
        }
    }
}

/* What a process that just ends would leave behind: a raw terminal, sockets in the file system. */
static void end_all(RhCharRoom *room)
{
    for (unsigned i = room->all->len; i-- > 0;) {   /* a mux before what it shares */
        flush(room->all->pdata[i]);
        rh_chr_end(room->all->pdata[i]);
    }
}

static void on_exiting(RhNotifier *notifier, void *data)
{
    end_all(RH_CONTAINER(RhCharRoom, exiting, notifier));
}

static void room_init(RhVm *vm, void *opaque)
{
    RhCharRoom *room = opaque;

    room->all = g_ptr_array_new_with_free_func((GDestroyNotify)rh_object_unref);
    room->kicked = g_ptr_array_new_with_free_func((GDestroyNotify)rh_object_unref);
    room->escape = 0x01;
    room->exiting.fn = on_exiting;
    rh_notifier_add(&vm->run->exiting, &room->exiting);
}

static void room_fini(RhVm *vm, void *opaque)
{
    RhCharRoom *room = opaque;

    rh_notifier_remove(&room->exiting);
    end_all(room);
    g_ptr_array_unref(room->kicked);
    g_ptr_array_unref(room->all);
}

RH_ROOM(char_room, RhCharRoom, .name = "chardev", .init = room_init, .fini = room_fini);

RhCharRoom *rh_chr_room_of(RhVm *vm)
{
    return rh_vm_room(vm, &char_room);
}

static RhObject *container(RhVm *vm)
{
    return rh_object_container(vm->root, "chardevs");
}

static void end(RhChardev *chr)
{
    RhCharRoom *room = rh_chr_room_of(chr->obj.vm);

    rh_chr_end(chr);
    rh_object_unparent(&chr->obj);
    g_ptr_array_remove(room->all, chr);
}

void rh_char_set_escape(RhVm *vm, uint8_t escape)
{
    rh_chr_room_of(vm)->escape = escape;
}

RhChardev *rh_char_find(RhVm *vm, const char *id, GError **err)
{
    RhObject *obj = rh_object_child(container(vm), id);

    if (!obj) {
        rh_fail(err, "Chardev '%s' not found", id);
    }
    return (RhChardev *)obj;
}

static bool open_log(RhChardev *chr, const QmpChardevCommon *common, GError **err)
{
    bool appends = common->has_logappend && common->logappend;

    if (!common->logfile) {
        return true;
    }
    chr->log_fd = rh_open(chr->obj.vm, common->logfile, O_WRONLY | O_CREAT | (appends ? O_APPEND : O_TRUNC), 0666,
                          err);
    return chr->log_fd >= 0;
}

static bool set_up(RhChardev *chr, const QmpChardevBackend *backend, GError **err)
{
    /* All branches are wrappers, and all their data begin with ChardevCommon. */
    const QmpChardevCommon *options = backend->u.null->data;

    return open_log(chr, options, err) && rh_chr_type(chr)->open(chr, options, err);
}

RhChardev *rh_char_open_backend(RhVm *vm, const char *id, const QmpChardevBackend *backend, GError **err)
{
    const char *kind = qmp_chardev_backend_kind_name(backend->type);
    g_autofree char *type_name = g_strconcat("chardev-", kind, NULL);

    if (!id[0] || strchr(id, '/')) {
        rh_fail(err, "Parameter 'id' expects an identifier");
        return NULL;
    }
    if (rh_object_child(container(vm), id)) {
        rh_fail(err, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    RhObject *obj = rh_object_new(vm, type_name, err);

    if (!obj || !rh_object_add_child(container(vm), id, obj, err)) {
        rh_object_unref(obj);
        return NULL;
    }
    RhChardev *chr = RH_SELF(RhChardev, obj);

    g_ptr_array_add(rh_chr_room_of(vm)->all, chr);
    if (!set_up(chr, backend, err)) {
        end(chr);
        return NULL;
    }
    return chr;
}

bool rh_char_remove(RhVm *vm, const char *id, GError **err)
{
    RhChardev *chr = rh_char_find(vm, id, err);

    if (!chr) {
        return false;
    }
    for (unsigned i = 0; i < RH_CHAR_MAX_USERS; i++) {
        if (chr->users[i]) {
            return rh_fail(err, "Chardev '%s' is busy", id);
        }
    }
    end(chr);
    return true;
}

RhChardev *rh_char_change(RhVm *vm, const char *id, const QmpChardevBackend *backend, GError **err)
{
    RhObject *old = rh_object_child(container(vm), id);
    RhChardev *chr;

    if (!old) {
        rh_fail(err, "Chardev '%s' does not exist", id);
        return NULL;
    }
    if (!rh_chr_may_move((RhChardev *)old, err)) {
        return NULL;
    }
    rh_object_unparent(old);        /* the room still has it; its name is the new one's */
    chr = rh_char_open_backend(vm, id, backend, err);
    if (!chr) {
        bool is_back = rh_object_add_child(container(vm), id, old, NULL);

        g_assert(is_back);
        return NULL;
    }
    rh_chr_move_user((RhChardev *)old, chr);
    end((RhChardev *)old);
    return chr;
}

void rh_char_help(GString *out)
{
    g_string_append(out, "Available chardev backend types: \n");
    for (int i = 0; i < QMP_CHARDEV_BACKEND_KIND__NR; i++) {
        g_string_append_printf(out, "  %s\n", qmp_chardev_backend_kind_name(i));
    }
}
