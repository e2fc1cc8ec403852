/*
 * Descriptors that clients passed to the program: by name (getfd), in sets (add-fd, -add-fd), or inherited
 * by number. Lock: the machine lock.
 */
#ifndef RH_SOFTMMU_FDS_H
#define RH_SOFTMMU_FDS_H

#include "softmmu/vm.h"

/** rh_fd_put - keep @fd (owned) under @name; one of that name is closed; @err when @name begins with a digit */
bool rh_fd_put(RhVm *vm, const char *name, int fd, GError **err);
/**
 * rh_fd_get - the descriptor of that name, or the inherited one of that number; from now on the caller's
 * Returns -1 and @err when there is none.
 */
int rh_fd_get(RhVm *vm, const char *name_or_number, GError **err);

/** RhFdset - a set, and one of its members */
typedef struct RhFdsetFd {
    int fd;
    char *opaque;       /* the client's note, or NULL */
} RhFdsetFd;
typedef struct RhFdset {
    int64_t id;
    GArray *fds;        /* RhFdsetFd */
} RhFdset;

/** rh_fdset_add - put @fd (owned) into set @id (-1: a new one); returns the set's id */
int64_t rh_fdset_add(RhVm *vm, int64_t id, int fd, const char *opaque);
/** rh_fdset_remove - close member @fd of set @id (-1: all); false when there is no such one */
bool rh_fdset_remove(RhVm *vm, int64_t id, int fd);
/** rh_fdsets - all sets, in order of id: an array of RhFdset *, kept by the callee */
const GPtrArray *rh_fdsets(RhVm *vm);

/**
 * rh_open - open(2) of @path with O_CLOEXEC, where "/dev/fdset/N" is a duplicate of a member of set N whose access
 * mode fits. @mode is that of a new file. Returns -1 and @err ("Could not open 'PATH': ...").
 */
int rh_open(RhVm *vm, const char *path, int flags, unsigned mode, GError **err);

#endif
