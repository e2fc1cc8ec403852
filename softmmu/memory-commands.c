/*
 * QMP commands about guest memory.
 */
#include <errno.h>
#include <fcntl.h>
#include "qapi-commands.h"
#include "softmmu/memory-save.h"
#include "softmmu/space.h"

bool rh_memory_save(const char *filename, int64_t at, int64_t size, RhMemoryReader *read, void *opaque, GError **err)
{
    rh_autofd fd = -1;
    uint64_t from = (uint64_t)at, left = (uint64_t)size;
    uint8_t chunk[4096];

    if (size < 0) {
        return rh_fail(err, "Parameter 'size' is %" PRId64 ", must not be negative", size);
    }
    fd = open(filename, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return rh_fail_errno(err, errno, "Could not open '%s'", filename);
    }
    while (left) {
        size_t step = MIN(left, sizeof(chunk) - from % sizeof(chunk));      /* whole pages: each is there or is not */

        if (!read(opaque, from, chunk, step)) {
            return rh_fail(err, "Invalid addr 0x%016" PRIx64 "/size %" PRId64 " specified", from, size);
        }
        if (write(fd, chunk, step) != (ssize_t)step) {
            return rh_fail_errno(err, errno, "Could not write to '%s'", filename);
        }
        from += step;
        left -= step;
    }
    return true;
}

/* What nobody answers for reads as it does for the guest. */
static bool read_physical(void *space, uint64_t at, void *buf, size_t len)
{
    rh_space_read(space, at, buf, len);
    return true;
}

bool qmp_pmemsave(RhVm *vm, const QmpPmemsaveArgs *args, GError **err)
{
    if (args->val < 0) {
        return rh_fail(err, "Parameter 'val' is %" PRId64 ", must not be negative", args->val);
    }
    return rh_memory_save(args->filename, args->val, args->size, read_physical, vm->memory, err);
}
