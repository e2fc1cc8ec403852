/*
 * Scatter lists.
 */
#include "util/iov.h"
#include "util/core.h"

size_t rh_iov_size(const struct iovec *iov, unsigned nr_iov)
{
    size_t size = 0;

    for (unsigned i = 0; i < nr_iov; i++) {
        if (__builtin_add_overflow(size, iov[i].iov_len, &size)) {
            return SIZE_MAX;
        }
    }
    return size;
}

/* The part of @element behind the next *@skip bytes, at most *@left long; counts both down. */
static struct iovec element_part(const struct iovec *element, size_t *skip, size_t *left)
{
    size_t skipped = MIN(*skip, element->iov_len);
    struct iovec part = { (char *)element->iov_base + skipped, MIN(*left, element->iov_len - skipped) };

    *skip -= skipped;
    *left -= part.iov_len;
    return part;
}

size_t rh_iov_to_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, void *buf, size_t len)
{
    size_t left = len;

    for (unsigned i = 0; i < nr_iov && left; i++) {
        size_t done = len - left;
        struct iovec part = element_part(&iov[i], &offset, &left);

        if (part.iov_len) {
            memcpy((char *)buf + done, part.iov_base, part.iov_len);
        }
    }
    return len - left;
}

size_t rh_iov_from_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, const void *buf, size_t len)
{
    size_t left = len;

    for (unsigned i = 0; i < nr_iov && left; i++) {
        size_t done = len - left;
        struct iovec part = element_part(&iov[i], &offset, &left);

        if (part.iov_len) {
            memcpy(part.iov_base, (const char *)buf + done, part.iov_len);
        }
    }
    return len - left;
}

size_t rh_iov_memset(const struct iovec *iov, unsigned nr_iov, size_t offset, uint8_t byte, size_t len)
{
    size_t left = len;

    for (unsigned i = 0; i < nr_iov && left; i++) {
        struct iovec part = element_part(&iov[i], &offset, &left);

        if (part.iov_len) {
            memset(part.iov_base, byte, part.iov_len);
        }
    }
    return len - left;
}

unsigned rh_iov_slice(const struct iovec *iov, unsigned nr_iov, size_t offset, size_t len,
                      struct iovec *ret, unsigned max_ret)
{
    unsigned nr_ret = 0;

    for (unsigned i = 0; i < nr_iov && len && nr_ret < max_ret; i++) {
        struct iovec part = element_part(&iov[i], &offset, &len);

        if (part.iov_len) {
            ret[nr_ret++] = part;
        }
    }
    return nr_ret;
}
