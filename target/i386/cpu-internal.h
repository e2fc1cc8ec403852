/*
 * Hooks of the CPU device, which cpu-types.c puts into its type.
 */
#ifndef RH_TARGET_I386_CPU_INTERNAL_H
#define RH_TARGET_I386_CPU_INTERNAL_H

#include "target/i386/cpu.h"

bool rh_x86_cpu_realize(RhDevice *dev, GError **err);
void rh_x86_cpu_reset(RhDevice *dev);
void rh_x86_cpu_settle(RhDevice *dev);
void rh_x86_cpu_saving(RhDevice *dev);

#endif
