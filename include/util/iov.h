/*
 * Scatter lists. Offsets and lengths are in bytes and may lie outside of the list: each function
 * does the part that lies inside and returns how many bytes that was.
 */
#ifndef RH_UTIL_IOV_H
#define RH_UTIL_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/** rh_iov_size - the sum of the lengths; SIZE_MAX if it is not below that */
size_t rh_iov_size(const struct iovec *iov, unsigned nr_iov);
/** rh_iov_to_buf - copy up to @len bytes at @offset of the list into @buf; returns bytes copied */
size_t rh_iov_to_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, void *buf, size_t len);
/** rh_iov_from_buf - copy up to @len bytes of @buf to @offset of the list; returns bytes copied */
size_t rh_iov_from_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, const void *buf, size_t len);
/** rh_iov_memset - fill up to @len bytes at @offset with @byte; returns bytes filled */
size_t rh_iov_memset(const struct iovec *iov, unsigned nr_iov, size_t offset, uint8_t byte, size_t len);
/**
 * rh_iov_slice - describe [@offset, @offset + @len) of the list in @ret, an array of @max_ret elements
 * (@nr_iov always suffice; may be @iov itself). Ends early at the end of the list or of @ret; returns the
 * number of elements filled.
 */
unsigned rh_iov_slice(const struct iovec *iov, unsigned nr_iov, size_t offset, size_t len,
                      struct iovec *ret, unsigned max_ret);

#endif
