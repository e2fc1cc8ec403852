/*
 * Memory for host code that is made at run time: a memfd that is mapped twice, once to be written through and once to be
 * executed from. No page is ever mapped writable and executable at once.
 *
 * Pages come into being when they are first written. Allocation only moves forward; reset starts over.
 * Whoever overwrites code that may have been executed owes the CPU a serialising instruction before it is executed
 * again, since it is written through another address: SDM vol. 3 §8.1.3, rh_codemem_reset does that.
 *
 * Owner: whoever made it, one thread at a time.
 */
#ifndef RH_TARGET_I386_TCG_CODEMEM_H
#define RH_TARGET_I386_TCG_CODEMEM_H

#include "util/core.h"
#include "util/error.h"

typedef struct RhCodeMem RhCodeMem;

/** RH_CODEMEM_ALIGN - alignment of every allocation, in bytes: what the instruction fetch likes */
enum { RH_CODEMEM_ALIGN = 16 };

/** rh_codemem_new - reserve @size bytes (rounded up to pages). NULL and @err where the host does not let a process execute what it wrote. */
RhCodeMem *rh_codemem_new(size_t size, GError **err);
/** rh_codemem_free - NULL is fine */
void rh_codemem_free(RhCodeMem *mem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhCodeMem, rh_codemem_free)

/** rh_codemem_alloc - @len bytes, to be written at *@ret_write and executed at *@ret_exec; false when they are not left */
bool rh_codemem_alloc(RhCodeMem *mem, size_t len, uint8_t **ret_write, const uint8_t **ret_exec);
/** rh_codemem_left - bytes that can still be had, in one piece */
size_t rh_codemem_left(const RhCodeMem *mem);
/** rh_codemem_shrink - give back what is behind the first @used bytes of the latest allocation, at @write */
void rh_codemem_shrink(RhCodeMem *mem, const uint8_t *write, size_t used);
/** rh_codemem_reset - give everything back; nothing of it may be executing. Serialises the calling thread's CPU. */
void rh_codemem_reset(RhCodeMem *mem);
/** rh_codemem_has - whether @address is in the executable mapping: for signal handlers */
bool rh_codemem_has(const RhCodeMem *mem, const void *address);
/** rh_codemem_writable - where the byte that executes at @exec can be written */
uint8_t *rh_codemem_writable(const RhCodeMem *mem, const void *exec);

#endif
