/*
 * Image locks between programs.
 */
#include "block/file-lock.h"
#include <errno.h>
#include <fcntl.h>
#include "util/core.h"

enum { USES = 100, FORBIDS = 200 };
enum { PERM_READ = 1 << 0, PERM_WRITE = 1 << 1 };

static const struct Permission {
    unsigned nr;
    const char *name;
} permissions[] = { { 0, "consistent read" }, { 1, "write" } };

static int set_lock(int fd, off_t at, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Whether another open file description has a lock on the byte. */
static bool is_taken(int fd, off_t at)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool conflict(const char *path, const char *what, const char *name, GError **err)
{
    rh_fail(err, "Failed to get %s\"%s\" lock", what, name);
    rh_hint(err, "Is another process using the image [%s]?", path);
    return false;
}

static bool apply(int fd, const char *path, off_t base, unsigned bits, const char *what, GError **err)
{
    for (size_t i = 0; i < RH_COUNT(permissions); i++) {
        bool wanted = bits & 1u << permissions[i].nr;
        int result = set_lock(fd, base + permissions[i].nr, wanted ? F_RDLCK : F_UNLCK);

        /* File systems without locks (-EINVAL, -ENOLCK) protect nothing, and are used all the same. */
        if (result == -EAGAIN || result == -EACCES) {
            return conflict(path, what, permissions[i].name, err);
        }
    }
    return true;
}

static bool check(int fd, const char *path, off_t base, unsigned bits, const char *what, GError **err)
{
    for (size_t i = 0; i < RH_COUNT(permissions); i++) {
        if ((bits & 1u << permissions[i].nr) && is_taken(fd, base + permissions[i].nr)) {
            return conflict(path, what, permissions[i].name, err);
        }
    }
    return true;
}

bool rh_file_lock(int fd, const char *path, bool writes, bool forbids_writing, bool in_use, GError **err)
{
    unsigned uses = in_use ? PERM_READ | (writes ? PERM_WRITE : 0) : 0;
    unsigned forbids = in_use && forbids_writing ? PERM_WRITE : 0;

    return apply(fd, path, USES, uses, "", err) && apply(fd, path, FORBIDS, forbids, "shared ", err) &&
           check(fd, path, FORBIDS, uses, "", err) && check(fd, path, USES, forbids, "shared ", err);
}
