/*
 * none - the empty machine: nothing but what the command line adds
 */
#include "hw/core/machine.h"

RH_MACHINE_NAMED(none, RhMachine,
    .name     = "none" RH_MACHINE_SUFFIX,
    .parent   = RH_TYPE_MACHINE,
    .doc      = "empty machine",
    .max_cpus = 1,
    .default_ram_size = 0);
