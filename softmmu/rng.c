/*
 * Sources of random bytes: a device file (rng-random) and the host's generator (rng-builtin).
 */
#include "softmmu/rng.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include "softmmu/vm.h"

static const RhRngType *type_of(const RhRng *rng)
{
    return (const RhRngType *)rng->obj.type;
}

void rh_rng_ask(RhRng *rng, RhRngRequest *request)
{
    bool was_idle = !rng->first;

    g_assert(!request->rng && request->size);
    request->rng = rng;
    request->next = NULL;
    if (was_idle) {
        rng->first = request;
    } else {
        rng->last->next = request;
    }
    rng->last = request;
    if (was_idle) {
        type_of(rng)->asked(rng);
    }
}

void rh_rng_cancel(RhRngRequest *request)
{
    RhRng *rng = request->rng;
    RhRngRequest *before = NULL;

    if (!rng) {
        return;
    }
    for (RhRngRequest *r = rng->first; r != request; r = r->next) {
        before = r;
    }
    if (before) {
        before->next = request->next;
    } else {
        rng->first = request->next;
    }
    if (rng->last == request) {
        rng->last = before;
    }
    request->rng = NULL;
    if (!rng->first && type_of(rng)->idle) {
        type_of(rng)->idle(rng);
    }
}

void rh_rng_answer(RhRng *rng, const uint8_t *bytes, size_t len)
{
    RhRngRequest *request = rng->first;

    if (request) {
        rh_rng_cancel(request);
        request->fn(request->opaque, bytes, MIN(len, request->size));
    }
}

static bool rng_can_delete(RhObject *obj, GError **err)
{
    return !RH_SELF(RhRng, obj)->users || rh_fail(err, "object '%s' is in use, can not be deleted", obj->name);
}

static const char *const rng_interfaces[] = { RH_INTERFACE_USER_CREATABLE, NULL };
static const RhProp rng_props[] = {
    RH_PROP("opened", RhRng, is_opened, .doc = "kept for old configurations; a source opens by itself"),
};
static const RhRngType rng_type = {
    .name = RH_TYPE_RNG,
    .parent = RH_TYPE_OBJECT,
    .doc = "Source of random bytes",
    .size = sizeof(RhRng),
    .is_abstract = true,
    .props = RH_TABLE(rng_props),
    .can_delete = rng_can_delete,
};
RH_TYPE_ENTRY(rng_type);

/* --- rng-builtin --- */

typedef struct Builtin {
    RhRng parent;
    bool is_posted;
} Builtin;

/* Posted with a reference: the asker gets its answer from the main loop, not inside its call. */
static void builtin_answer(void *opaque)
{
    Builtin *builtin = opaque;
    RhRng *rng = &builtin->parent;
    uint8_t bytes[RH_RNG_CHUNK];

    builtin->is_posted = false;
    if (rng->first) {
        ssize_t got = getrandom(bytes, MIN(rng->first->size, sizeof(bytes)), 0);

        if (got > 0) {
            rh_rng_answer(rng, bytes, (size_t)got);
        }
    }
    if (rng->first && !builtin->is_posted) {
        type_of(rng)->asked(rng);
    }
    rh_object_unref(&rng->obj);
}

static void builtin_asked(RhRng *rng)
{
    Builtin *builtin = RH_SELF(Builtin, rng);

    if (!builtin->is_posted) {
        builtin->is_posted = true;
        rh_object_ref(&rng->obj);
        rh_loop_post(rng->obj.vm->loop, builtin_answer, builtin);
    }
}

static const RhRngType builtin_type = {
    .name = RH_TYPE_RNG_BUILTIN,
    .parent = RH_TYPE_RNG,
    .doc = "Random bytes from the host's system call",
    .size = sizeof(Builtin),
    .interfaces = rng_interfaces,
    .asked = builtin_asked,
};
RH_TYPE_ENTRY(builtin_type);

/* --- rng-random --- */

typedef struct FromFile {
    RhRng parent;
    char *filename;
    int fd_plus_one;
    RhWatch watch;
} FromFile;

static void file_ready(void *opaque, unsigned events)
{
    FromFile *file = opaque;
    RhRng *rng = &file->parent;
    uint8_t bytes[RH_RNG_CHUNK];
    ssize_t got;

    if (!rng->first) {
        rh_watch_set(&file->watch, 0);
        return;
    }
    got = read(file->fd_plus_one - 1, bytes, MIN(rng->first->size, sizeof(bytes)));
    if (got > 0) {
        rh_rng_answer(rng, bytes, (size_t)got);
    } else if (got == 0) {
        rh_watch_set(&file->watch, 0);      /* the file ended: a device waits for ever, as for an empty pool */
    }
}

/* A watch belongs to the main loop's thread, and a vCPU may be who asks. */
static void file_watch(void *opaque)
{
    FromFile *file = opaque;

    if (file->watch.loop) {
        rh_watch_set(&file->watch, file->parent.first ? RH_READABLE : 0);
    }
    rh_object_unref(&file->parent.obj);
}

static void file_asked(RhRng *rng)
{
    rh_object_ref(&rng->obj);
    rh_loop_post(rng->obj.vm->loop, file_watch, rng);
}

static void file_idle(RhRng *rng)
{
    FromFile *file = RH_SELF(FromFile, rng);

    if (rh_loop_current() == rng->obj.vm->loop) {
        rh_watch_set(&file->watch, 0);
    }
}

static bool file_complete(RhObject *obj, GError **err)
{
    FromFile *file = RH_SELF(FromFile, obj);
    int fd = open(file->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        return rh_fail_errno(err, errno, "Could not open '%s'", file->filename);
    }
    file->fd_plus_one = fd + 1;
    rh_watch_begin(&file->watch, obj->vm->loop, fd, 0, file_ready, file);
    return true;
}

static void file_fini(RhObject *obj)
{
    FromFile *file = RH_SELF(FromFile, obj);

    if (file->fd_plus_one) {
        rh_watch_end(&file->watch);
        close(file->fd_plus_one - 1);
    }
}

static const RhProp file_props[] = {
    RH_PROP("filename", FromFile, filename, .def_str = "/dev/urandom", .doc = "device to read"),
};
static const RhRngType file_type = {
    .name = RH_TYPE_RNG_RANDOM,
    .parent = RH_TYPE_RNG,
    .doc = "Random bytes from a device of the host",
    .size = sizeof(FromFile),
    .interfaces = rng_interfaces,
    .props = RH_TABLE(file_props),
    .complete = file_complete,
    .fini = file_fini,
    .asked = file_asked,
    .idle = file_idle,
};
RH_TYPE_ENTRY(file_type);
