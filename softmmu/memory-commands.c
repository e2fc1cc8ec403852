/*
 * QMP commands about guest memory.
 */
#include <errno.h>
#include <fcntl.h>
#include "qapi-commands.h"
#include "softmmu/space.h"

bool qmp_pmemsave(RhVm *vm, const QmpPmemsaveArgs *args, GError **err)
{
    rh_autofd fd = -1;
    uint64_t at = (uint64_t)args->val;
    uint64_t left = (uint64_t)MAX(args->size, 0);
    uint8_t chunk[4096];

    if (args->val < 0 || args->size < 0) {
        return rh_fail(err, "Parameters 'val' and 'size' must not be negative");
    }
    fd = open(args->filename, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return rh_fail_errno(err, errno, "Could not open '%s'", args->filename);
    }
    while (left) {
        uint64_t step = MIN(left, sizeof(chunk));

        rh_space_read(vm->memory, at, chunk, step);
        if (write(fd, chunk, step) != (ssize_t)step) {
            return rh_fail_errno(err, errno, "Could not write to '%s'", args->filename);
        }
        at += step;
        left -= step;
    }
    return true;
}
