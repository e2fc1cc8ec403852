/*
 * CPU topology: -smp and APIC ids.
 * Spec: Intel SDM vol. 3A §9.9.1 "Topology and hierarchical ID mapping"; messages as clients know them.
 */
#include "target/i386/topology.h"

/* Bits that number @nr things. */
static unsigned width_of(unsigned nr)
{
    unsigned width = 0;

    while ((UINT64_C(1) << width) < nr) {
        width++;
    }
    return width;
}

unsigned rh_topology_core_shift(const RhCpuTopology *topo)
{
    return width_of(topo->threads);
}

unsigned rh_topology_die_shift(const RhCpuTopology *topo)
{
    return rh_topology_core_shift(topo) + width_of(topo->cores);
}

unsigned rh_topology_package_shift(const RhCpuTopology *topo)
{
    return rh_topology_die_shift(topo) + width_of(topo->dies);
}

RhCpuIds rh_topology_ids(const RhCpuTopology *topo, unsigned index)
{
    RhCpuIds ids;

    ids.thread = index % topo->threads;
    index /= topo->threads;
    ids.core = index % topo->cores;
    index /= topo->cores;
    ids.die = index % topo->dies;
    ids.socket = index / topo->dies;
    return ids;
}

unsigned rh_topology_index(const RhCpuTopology *topo, RhCpuIds ids)
{
    return ((ids.socket * topo->dies + ids.die) * topo->cores + ids.core) * topo->threads + ids.thread;
}

uint32_t rh_apic_id(const RhCpuTopology *topo, RhCpuIds ids)
{
    return ids.socket << rh_topology_package_shift(topo) | ids.die << rh_topology_die_shift(topo) |
           ids.core << rh_topology_core_shift(topo) | ids.thread;
}

RhCpuIds rh_apic_id_to_ids(const RhCpuTopology *topo, uint32_t apic_id)
{
    unsigned core_shift = rh_topology_core_shift(topo);
    unsigned die_shift = rh_topology_die_shift(topo);
    unsigned package_shift = rh_topology_package_shift(topo);
    RhCpuIds ids = {
        .socket = apic_id >> package_shift,
        .die = (apic_id & rh_bits(package_shift)) >> die_shift,
        .core = (apic_id & rh_bits(die_shift)) >> core_shift,
        .thread = apic_id & rh_bits(core_shift),
    };

    return ids;
}

uint32_t rh_apic_id_limit(const RhCpuTopology *topo, unsigned max_cpus)
{
    return rh_apic_id(topo, rh_topology_ids(topo, max_cpus - 1)) + 1;
}

/* "sockets (2) * dies (1) * cores (2) * threads (1)": dies only where the machine has them. */
static char *describe(const RhSmp *smp, const RhSmpLimits *limits)
{
    const RhCpuTopology *topo = &smp->topo;
    g_autofree char *dies =
        limits->has_dies ? g_strdup_printf(" * dies (%u)", topo->dies) : g_strdup("");

    return g_strdup_printf("sockets (%u)%s * cores (%u) * threads (%u)", topo->sockets, dies,
                           topo->cores, topo->threads);
}

static bool has_zero(const RhSmp *smp)
{
    const RhCpuTopology *topo = &smp->topo;

    return (smp->has_cpus && smp->cpus == 0) || (smp->has_max_cpus && smp->max_cpus == 0) ||
           (smp->has_sockets && topo->sockets == 0) || (smp->has_dies && topo->dies == 0) ||
           (smp->has_cores && topo->cores == 0) || (smp->has_threads && topo->threads == 0) ||
           (smp->has_clusters && smp->clusters == 0);
}

static unsigned at_least_one(uint64_t nr)
{
    return nr ? MIN(nr, UINT32_MAX) : 1;
}

/* What is left open of sockets, cores and threads is what @total leaves; a product fits in 64 bits here. */
static void fill_in(RhSmp *smp, unsigned total, bool prefers_sockets)
{
    RhCpuTopology *topo = &smp->topo;
    bool open_sockets = topo->sockets == 0;

    if (open_sockets && prefers_sockets) {
        topo->cores = at_least_one(topo->cores);
        topo->threads = at_least_one(topo->threads);
        topo->sockets = total / ((uint64_t)topo->dies * topo->cores * topo->threads);
        return;
    }
    if (topo->cores == 0) {
        topo->sockets = at_least_one(topo->sockets);
        topo->threads = at_least_one(topo->threads);
        topo->cores = total / ((uint64_t)topo->sockets * topo->dies * topo->threads);
    } else if (open_sockets) {
        topo->threads = at_least_one(topo->threads);
        topo->sockets = total / ((uint64_t)topo->dies * topo->cores * topo->threads);
    }
    if (topo->threads == 0) {
        topo->threads = total / ((uint64_t)topo->sockets * topo->dies * topo->cores);
    }
}

static uint64_t product(const RhCpuTopology *topo)
{
    return (uint64_t)topo->sockets * topo->dies * topo->cores * topo->threads;
}

static bool check_range(unsigned value, unsigned max, const char *machine, GError **err)
{
    return value <= max || rh_fail(err, "Invalid SMP CPUs %u. The max CPUs supported by machine '%s' is %u",
                                   value, machine, max);
}

/* Bound each number before any is multiplied: four factors of 16 bits fit in 64. */
static bool check_parts(const RhSmp *smp, GError **err)
{
    const struct {
        const char *name;
        unsigned value;
    } parts[] = {
        { "sockets", smp->topo.sockets },
        { "dies", smp->topo.dies },
        { "cores", smp->topo.cores },
        { "threads", smp->topo.threads },
    };

    for (size_t i = 0; i < RH_COUNT(parts); i++) {
        if (parts[i].value > UINT16_MAX) {
            return rh_fail(err, "Invalid CPU topology: %s is %u, must be at most %u", parts[i].name,
                           parts[i].value, UINT16_MAX);
        }
    }
    return true;
}

static bool check_whole(const RhSmp *smp, const RhSmpLimits *limits, GError **err)
{
    uint64_t whole = product(&smp->topo);
    g_autofree char *text = describe(smp, limits);

    if (whole != smp->max_cpus) {
        return rh_fail(err,
                       "Invalid CPU topology: product of the hierarchy must match maxcpus: %s != maxcpus (%u)",
                       text, smp->max_cpus);
    }
    if (smp->max_cpus < smp->cpus) {
        return rh_fail(err,
                       "Invalid CPU topology: maxcpus must be equal to or greater than smp: "
                       "%s == maxcpus (%u) < smp_cpus (%u)",
                       text, smp->max_cpus, smp->cpus);
    }
    if (smp->cpus < limits->min_cpus) {
        return rh_fail(err, "Invalid SMP CPUs %u. The min CPUs supported by machine '%s' is %u", smp->cpus,
                       limits->machine, limits->min_cpus);
    }
    return check_range(smp->max_cpus, limits->max_cpus, limits->machine, err);
}

bool rh_smp_resolve(RhSmp *smp, const RhSmpLimits *limits, char **warning, GError **err)
{
    RhSmp result = *smp;
    unsigned total;

    if (smp->clusters > 1) {
        return rh_fail(err, "clusters not supported by this machine's CPU topology");
    }
    if (!limits->has_dies && smp->topo.dies > 1) {
        return rh_fail(err, "dies not supported by this machine's CPU topology");
    }
    if (!check_parts(smp, err)) {
        return false;
    }
    result.topo.dies = at_least_one(smp->topo.dies);
    if (smp->cpus == 0 && smp->max_cpus == 0) {
        result.topo.sockets = at_least_one(smp->topo.sockets);
        result.topo.cores = at_least_one(smp->topo.cores);
        result.topo.threads = at_least_one(smp->topo.threads);
    } else {
        total = smp->max_cpus ? smp->max_cpus : smp->cpus;
        fill_in(&result, total, limits->prefers_sockets);
    }
    total = MIN(product(&result.topo), UINT32_MAX);
    result.max_cpus = smp->max_cpus ? smp->max_cpus : smp->cpus ? smp->cpus : total;
    result.cpus = smp->cpus ? smp->cpus : result.max_cpus;
    if (!check_whole(&result, limits, err)) {
        return false;
    }
    if (warning) {
        *warning = has_zero(smp) ? g_strdup("Deprecated CPU topology (considered invalid): "
                                            "CPU topology parameters must be greater than zero")
                                 : NULL;
    }
    *smp = result;
    return true;
}

json_object *rh_cpu_ids_props(const RhCpuTopology *topo, RhCpuIds ids)
{
    json_object *props = json_object_new_object();

    json_object_object_add(props, "core-id", json_object_new_int64(ids.core));
    json_object_object_add(props, "thread-id", json_object_new_int64(ids.thread));
    if (topo->dies > 1) {
        json_object_object_add(props, "die-id", json_object_new_int64(ids.die));
    }
    json_object_object_add(props, "socket-id", json_object_new_int64(ids.socket));
    return props;
}

json_object *rh_hotpluggable_cpus(const RhSmp *smp, const char *type_name,
                                  char *(*qom_path)(unsigned index, void *opaque), void *opaque)
{
    json_object *list = json_object_new_array();

    for (unsigned index = smp->max_cpus; index-- > 0;) {
        json_object *cpu = json_object_new_object();
        g_autofree char *path = qom_path ? qom_path(index, opaque) : NULL;

        json_object_object_add(cpu, "props",
                               rh_cpu_ids_props(&smp->topo, rh_topology_ids(&smp->topo, index)));
        json_object_object_add(cpu, "vcpus-count", json_object_new_int64(1));
        if (path) {
            json_object_object_add(cpu, "qom-path", json_object_new_string(path));
        }
        json_object_object_add(cpu, "type", json_object_new_string(type_name));
        json_object_array_add(list, cpu);
    }
    return list;
}
