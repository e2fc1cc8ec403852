/*
 * CPU topology: what -smp says, and the numbers that follow from it. Sockets hold dies, dies hold
 * cores, cores hold threads. An APIC id is those four numbers side by side, each in as many bits as
 * its level needs (SDM vol. 3A §9.9.1).
 */
#ifndef RH_TARGET_I386_TOPOLOGY_H
#define RH_TARGET_I386_TOPOLOGY_H

#include <json-c/json.h>
#include "util/core.h"
#include "util/error.h"

/** RhCpuTopology - how many of each in one of the next; all at least 1 */
typedef struct RhCpuTopology {
    unsigned sockets;
    unsigned dies;              /* in a socket */
    unsigned cores;             /* in a die */
    unsigned threads;           /* in a core */
} RhCpuTopology;

/** RhSmp - -smp before (0: not given) and after rh_smp_resolve */
typedef struct RhSmp {
    unsigned cpus;              /* present at start */
    unsigned max_cpus;
    RhCpuTopology topo;
    bool has_cpus, has_max_cpus, has_sockets, has_dies, has_cores, has_threads, has_clusters;
    unsigned clusters;
} RhSmp;

/** RhSmpLimits - what a machine type offers */
typedef struct RhSmpLimits {
    const char *machine;        /* its name, for messages */
    unsigned min_cpus, max_cpus;
    bool has_dies;
    bool prefers_sockets;       /* old machine types count a lone -smp N as sockets */
} RhSmpLimits;

/** RhCpuIds - where one vCPU sits */
typedef struct RhCpuIds {
    unsigned socket, die, core, thread;
} RhCpuIds;

/**
 * rh_smp_resolve - fill in what -smp leaves open
 * What is not said of sockets, cores and threads follows from the rest; cores come first, then
 * sockets, then threads. @warning (may be NULL) gets a string to free, or NULL. The error is the text clients know.
 */
bool rh_smp_resolve(RhSmp *smp, const RhSmpLimits *limits, char **warning, GError **err);

/** rh_topology_ids - of the vCPU @index, 0 <= index < max_cpus: threads count fastest */
RhCpuIds rh_topology_ids(const RhCpuTopology *topo, unsigned index);
/** rh_topology_index - the inverse of rh_topology_ids */
unsigned rh_topology_index(const RhCpuTopology *topo, RhCpuIds ids);
/** rh_apic_id - of the vCPU that sits at @ids */
uint32_t rh_apic_id(const RhCpuTopology *topo, RhCpuIds ids);
/** rh_apic_id_to_ids - the inverse of rh_apic_id */
RhCpuIds rh_apic_id_to_ids(const RhCpuTopology *topo, uint32_t apic_id);
/** rh_apic_id_limit - one more than the largest APIC id of @max_cpus vCPUs */
uint32_t rh_apic_id_limit(const RhCpuTopology *topo, unsigned max_cpus);

/* Bits of an APIC id below the core, the die and the package. */
unsigned rh_topology_core_shift(const RhCpuTopology *topo);
unsigned rh_topology_die_shift(const RhCpuTopology *topo);
unsigned rh_topology_package_shift(const RhCpuTopology *topo);

/** rh_cpu_ids_props - "props" of QMP: socket-id, die-id (with more dies than one), core-id, thread-id */
json_object *rh_cpu_ids_props(const RhCpuTopology *topo, RhCpuIds ids);
/**
 * rh_hotpluggable_cpus - the answer to query-hotpluggable-cpus: highest first
 * @qom_path gives the path of a present CPU (g_free) or NULL for a place still empty; it may be NULL itself.
 */
json_object *rh_hotpluggable_cpus(const RhSmp *smp, const char *type_name,
                                  char *(*qom_path)(unsigned index, void *opaque), void *opaque);

#endif
