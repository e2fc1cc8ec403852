/*
 * The few macros and checked helpers that every room uses.
 */
#ifndef RH_UTIL_CORE_H
#define RH_UTIL_CORE_H

#include <glib.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/** RH_COUNT - number of elements of an array (not of a pointer) */
#define RH_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** RH_CONTAINER - the structure of type T whose member @m is at @ptr */
#define RH_CONTAINER(T, m, ptr) ((T *)((char *)(ptr) - offsetof(T, m)))

/** RH_IN_SECTION - keep a pointer to const data in linker section @name; iterate with RH_SECTION_* */
#define RH_IN_SECTION(name) __attribute__((section(#name), used))

/* Lock annotations: clang's thread safety analysis checks what it can, gcc ignores them. */
#if defined(__clang__)
#define RH_TSA(x) __attribute__((x))
#else
#define RH_TSA(x)
#endif
#define RH_GUARDED_BY(lock) RH_TSA(guarded_by(lock))
#define RH_REQUIRES(lock)   RH_TSA(exclusive_locks_required(lock))

/** rh_add_overflow - *ret = a + b; true if the sum does not fit in 64 bits (then *ret is untouched) */
static inline bool rh_add_overflow(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum)) {
        return true;
    }
    *ret = sum;
    return false;
}

/** rh_mul_overflow - *ret = a * b; true if the product does not fit in 64 bits */
static inline bool rh_mul_overflow(uint64_t a, uint64_t b, uint64_t *ret)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product)) {
        return true;
    }
    *ret = product;
    return false;
}

/** rh_range_ok - whether [@start, @start + @len) lies inside [0, @size) without wrapping */
static inline bool rh_range_ok(uint64_t start, uint64_t len, uint64_t size)
{
    return len <= size && start <= size - len;
}

static inline uint64_t rh_align_up(uint64_t value, uint64_t align)
{
    return (value + align - 1) & ~(align - 1);
}

static inline uint64_t rh_align_down(uint64_t value, uint64_t align)
{
    return value & ~(align - 1);
}

/** rh_bits - the low @n bits set, 0 <= n <= 64 */
static inline uint64_t rh_bits(unsigned n)
{
    return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

/* Little-endian loads and stores at any alignment; the host is x86-64, so they are plain moves. */
static inline uint16_t rh_ld16(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}
static inline uint32_t rh_ld32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}
static inline uint64_t rh_ld64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}
static inline void rh_st16(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof(v));
}
static inline void rh_st32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}
static inline void rh_st64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

/** rh_ld - load @size (1..8) little-endian bytes, zero-extended */
static inline uint64_t rh_ld(const void *p, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, p, size <= 8 ? size : 8);
    return v;
}

/** rh_st - store the low @size (1..8) bytes of @v, little-endian */
static inline void rh_st(void *p, uint64_t v, unsigned size)
{
    memcpy(p, &v, size <= 8 ? size : 8);
}

/** rh_autofd - an int that closes itself at the end of its scope when it is not negative */
static inline void rh_autofd_end(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}
#define rh_autofd __attribute__((cleanup(rh_autofd_end))) int

/** rh_steal_fd - take the descriptor out of an rh_autofd variable */
static inline int rh_steal_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
