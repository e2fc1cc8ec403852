/*
 * Memory backends: user-creatable objects that own a RAM block: memory-backend-ram, -memfd, -file.
 */
#ifndef RH_SOFTMMU_MEMORY_BACKEND_H
#define RH_SOFTMMU_MEMORY_BACKEND_H

#include "softmmu/ram.h"
#include "softmmu/vm.h"

#define RH_TYPE_MEMORY_BACKEND "memory-backend"

/**
 * rh_memory_backend_ram - take the RAM of the backend with id (or path) @id for one user; a new reference
 * NULL and @err when there is none of that name, or it is in use.
 */
RhRam *rh_memory_backend_ram(RhVm *vm, const char *id, GError **err);

#endif
