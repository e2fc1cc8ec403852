/*
 * Writing guest memory to a file, as pmemsave and memsave do.
 */
#ifndef RH_SOFTMMU_MEMORY_SAVE_H
#define RH_SOFTMMU_MEMORY_SAVE_H

#include "softmmu/vm.h"

/** RhMemoryReader - @len bytes at @at; false: there are none */
typedef bool RhMemoryReader(void *opaque, uint64_t at, void *buf, size_t len);

/** rh_memory_save - @size bytes from @at on into the file @filename, which is made or emptied; @err names what failed */
bool rh_memory_save(const char *filename, int64_t at, int64_t size, RhMemoryReader *read, void *opaque, GError **err);

#endif
