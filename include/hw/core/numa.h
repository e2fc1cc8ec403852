/*
 * NUMA: which processors and which memory the guest is told are near each other (-numa).
 * Lock: the machine lock; fixed once the board is built.
 */
#ifndef RH_HW_CORE_NUMA_H
#define RH_HW_CORE_NUMA_H

#include "hw/core/machine.h"
#include "qapi-types.h"

enum { RH_NUMA_MAX_NODES = 128, RH_NUMA_LOCAL = 10, RH_NUMA_REMOTE = 20 };

typedef struct RhNumaNode {
    bool is_defined;
    RhRam *ram;                 /* a reference; NULL: a node without memory */
} RhNumaNode;

/** RhNuma - the machine's; ended with it */
typedef struct RhNuma {
    unsigned nr_nodes;
    RhNumaNode nodes[RH_NUMA_MAX_NODES];
    int16_t *cpu_nodes;         /* by number of the place, max_cpus of them; -1: none said */
    bool has_distances;
    uint8_t distances[RH_NUMA_MAX_NODES][RH_NUMA_MAX_NODES];    /* 0: not said */
} RhNuma;

/** rh_numa_add - one -numa option; -smp is complete by then. False and @err with the text that users know */
bool rh_numa_add(RhMachine *machine, const QmpNumaOptions *option, GError **err);
/** rh_numa_complete - after the last option: check the whole, and fill in what was left open. No effect without nodes. */
bool rh_numa_complete(RhMachine *machine, GError **err);
void rh_numa_free(RhNuma *numa);

/** RhRamBank - a piece of the machine's RAM, in the order of guest addresses */
typedef struct RhRamBank {
    RhRam *ram;
    unsigned node;
} RhRamBank;
/** rh_machine_ram_banks - one, or one for each node that has memory; the array is the caller's */
RhRamBank *rh_machine_ram_banks(const RhMachine *machine, unsigned *ret_nr);
/** rh_machine_cpu_node - of the place for processor @index; -1: there are no nodes */
int rh_machine_cpu_node(const RhMachine *machine, unsigned index);

#endif
