/*
 * Descriptors that clients passed to the program.
 */
#include "softmmu/fds.h"
#include <errno.h>
#include <fcntl.h>
#include "util/parse.h"

typedef struct FdRoom {
    GHashTable *named;      /* char * -> int */
    GPtrArray *sets;        /* RhFdset *, by id */
} FdRoom;

static void set_free(void *opaque)
{
    RhFdset *set = opaque;

    for (unsigned i = 0; i < set->fds->len; i++) {
        RhFdsetFd *member = &g_array_index(set->fds, RhFdsetFd, i);

        close(member->fd);
        g_free(member->opaque);
    }
    g_array_unref(set->fds);
    g_free(set);
}

static void room_init(RhVm *vm, void *room)
{
    FdRoom *fds = room;

    fds->named = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fds->sets = g_ptr_array_new_with_free_func(set_free);
}

static void room_fini(RhVm *vm, void *room)
{
    FdRoom *fds = room;
    GHashTableIter iter;
    void *fd;

    g_hash_table_iter_init(&iter, fds->named);
    while (g_hash_table_iter_next(&iter, NULL, &fd)) {
        close(GPOINTER_TO_INT(fd));
    }
    g_hash_table_unref(fds->named);
    g_ptr_array_unref(fds->sets);
}

RH_ROOM(fd_room, FdRoom, .name = "descriptors", .init = room_init, .fini = room_fini);

static FdRoom *room_of(RhVm *vm)
{
    return rh_vm_room(vm, &fd_room);
}

/* The descriptor kept under @name, taken out; -1: none. */
static int take_named(FdRoom *room, const char *name)
{
    void *key;
    void *fd;

    if (!g_hash_table_steal_extended(room->named, name, &key, &fd)) {
        return -1;
    }
    g_free(key);
    return GPOINTER_TO_INT(fd);
}

bool rh_fd_put(RhVm *vm, const char *name, int fd, GError **err)
{
    FdRoom *room = room_of(vm);
    int old;

    if (g_ascii_isdigit(name[0])) {
        close(fd);
        return rh_fail(err, "Parameter 'fdname' expects a name not starting with a digit");
    }
    old = take_named(room, name);
    if (old >= 0) {
        close(old);
    }
    g_hash_table_insert(room->named, g_strdup(name), GINT_TO_POINTER(fd));
    return true;
}

int rh_fd_get(RhVm *vm, const char *text, GError **err)
{
    uint64_t number;
    int fd;

    if (!g_ascii_isdigit(text[0])) {
        fd = take_named(room_of(vm), text);
        if (fd < 0) {
            rh_fail(err, "File descriptor named '%s' not found", text);
        }
        return fd;
    }
    if (!rh_parse_u64(text, INT32_MAX, &number, err)) {
        g_prefix_error(err, "Invalid file descriptor number: ");
        return -1;
    }
    if (fcntl((int)number, F_GETFD) < 0) {
        rh_fail(err, "File descriptor %s is not open", text);
        return -1;
    }
    fcntl((int)number, F_SETFD, FD_CLOEXEC);
    return (int)number;
}

/* --- sets --- */

static RhFdset *find_set(FdRoom *room, int64_t id)
{
    for (unsigned i = 0; i < room->sets->len; i++) {
        RhFdset *set = room->sets->pdata[i];

        if (set->id == id) {
            return set;
        }
    }
    return NULL;
}

/* In its place in the order of ids; the lowest free id when @id is -1. */
static RhFdset *make_set(FdRoom *room, int64_t id)
{
    RhFdset *set = g_new0(RhFdset, 1);
    unsigned at = 0;

    for (set->id = id < 0 ? 0 : id; at < room->sets->len; at++) {
        int64_t other = ((RhFdset *)room->sets->pdata[at])->id;

        if (other > set->id) {
            break;
        }
        set->id += id < 0;
    }
    set->fds = g_array_new(FALSE, FALSE, sizeof(RhFdsetFd));
    g_ptr_array_insert(room->sets, (int)at, set);
    return set;
}

int64_t rh_fdset_add(RhVm *vm, int64_t id, int fd, const char *opaque)
{
    FdRoom *room = room_of(vm);
    RhFdset *set = id < 0 ? NULL : find_set(room, id);
    RhFdsetFd member = { fd, g_strdup(opaque) };

    if (!set) {
        set = make_set(room, id);
    }
    g_array_append_val(set->fds, member);
    return set->id;
}

bool rh_fdset_remove(RhVm *vm, int64_t id, int fd)
{
    FdRoom *room = room_of(vm);
    RhFdset *set = find_set(room, id);
    bool found = set && fd < 0;

    for (unsigned i = 0; set && fd >= 0 && i < set->fds->len; i++) {
        RhFdsetFd *member = &g_array_index(set->fds, RhFdsetFd, i);

        if (member->fd == fd) {
            close(fd);
            g_free(member->opaque);
            g_array_remove_index(set->fds, i);
            found = true;
            break;
        }
    }
    if (found && (fd < 0 || !set->fds->len)) {
        g_ptr_array_remove(room->sets, set);
    }
    return found;
}

const GPtrArray *rh_fdsets(RhVm *vm)
{
    return room_of(vm)->sets;
}

static int open_from_set(RhVm *vm, int64_t id, int flags)
{
    RhFdset *set = find_set(room_of(vm), id);

    for (unsigned i = 0; set && i < set->fds->len; i++) {
        int fd = g_array_index(set->fds, RhFdsetFd, i).fd;

        if ((fcntl(fd, F_GETFL) & O_ACCMODE) == (flags & O_ACCMODE)) {
            return fcntl(fd, F_DUPFD_CLOEXEC, 0);
        }
    }
    errno = set ? EACCES : ENOENT;
    return -1;
}

int rh_open(RhVm *vm, const char *path, int flags, unsigned mode, GError **err)
{
    uint64_t id;
    int fd;

    if (g_str_has_prefix(path, "/dev/fdset/")) {
        if (!rh_parse_u64(path + strlen("/dev/fdset/"), INT64_MAX, &id, err)) {
            g_prefix_error(err, "Could not open '%s': ", path);
            return -1;
        }
        fd = open_from_set(vm, (int64_t)id, flags);
    } else {
        fd = open(path, flags | O_CLOEXEC, mode);
    }
    if (fd < 0) {
        rh_fail_errno(err, errno, "Could not open '%s'", path);
    }
    return fd;
}
