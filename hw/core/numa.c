/*
 * NUMA nodes: from -numa options to a whole that every processor and every byte of RAM belongs to.
 */
#include "hw/core/numa.h"
#include "softmmu/memory-backend.h"

static RhNuma *numa_of(RhMachine *machine)
{
    RhNuma *numa = machine->numa;

    if (!numa) {
        numa = machine->numa = g_new0(RhNuma, 1);
        numa->cpu_nodes = g_new(int16_t, machine->smp.max_cpus);
        memset(numa->cpu_nodes, -1, machine->smp.max_cpus * sizeof(numa->cpu_nodes[0]));
    }
    return numa;
}

static bool assign_cpu(RhMachine *machine, unsigned index, unsigned node, GError **err)
{
    int16_t *at = &machine->numa->cpu_nodes[index];

    if (*at >= 0 && *at != (int)node) {
        return rh_fail(err, "CPU is already assigned to node-id: %d", *at);
    }
    *at = (int16_t)node;
    return true;
}

/* --- options --- */

static bool add_node(RhMachine *machine, const QmpNumaOptions *option, GError **err)
{
    const QmpNumaNodeOptions *node = option->u.node;
    RhNuma *numa = numa_of(machine);
    unsigned id = node->has_nodeid ? node->nodeid : numa->nr_nodes;

    if (node->has_initiator) {
        return rh_fail(err, "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled and not supported yet, "
                       "initiator= needs it");
    }
    if (id >= RH_NUMA_MAX_NODES) {
        return rh_fail(err, "Max number of NUMA nodes reached: %u", id);
    }
    if (numa->nodes[id].is_defined) {
        return rh_fail(err, "Duplicate NUMA nodeid: %u", id);
    }
    if (node->has_mem) {
        rh_fail(err, "Parameter -numa node,mem is not supported by this machine type");
        rh_hint(err, "Use -numa node,memdev instead");
        return false;
    }
    for (guint i = 0; node->cpus && i < node->cpus->len; i++) {
        uint16_t index = g_array_index(node->cpus, uint16_t, i);

        if (index >= machine->smp.max_cpus) {
            return rh_fail(err, "CPU index (%u) should be smaller than maxcpus (%u)", index, machine->smp.max_cpus);
        }
        if (!assign_cpu(machine, index, id, err)) {
            return false;
        }
    }
    if (node->memdev) {
        numa->nodes[id].ram = rh_memory_backend_ram(rh_machine_vm(machine), node->memdev, err);
        if (!numa->nodes[id].ram) {
            return false;
        }
    }
    numa->nodes[id].is_defined = true;
    numa->nr_nodes++;
    return true;
}

static bool is_defined(const RhNuma *numa, unsigned node)
{
    return node < RH_NUMA_MAX_NODES && numa->nodes[node].is_defined;
}

static bool add_distance(RhMachine *machine, const QmpNumaOptions *option, GError **err)
{
    const QmpNumaDistOptions *dist = option->u.dist;
    RhNuma *numa = numa_of(machine);

    if (!is_defined(numa, dist->src) || !is_defined(numa, dist->dst)) {
        return rh_fail(err, "Source/Destination NUMA node is missing. Please use '-numa node' option to declare it "
                       "first.");
    }
    if (dist->val < RH_NUMA_LOCAL) {
        return rh_fail(err, "NUMA distance (%u) is invalid, it shouldn't be less than %u.", dist->val, RH_NUMA_LOCAL);
    }
    if (dist->src == dist->dst && dist->val != RH_NUMA_LOCAL) {
        return rh_fail(err, "Local distance of node %u should be %u.", dist->src, RH_NUMA_LOCAL);
    }
    numa->distances[dist->src][dist->dst] = dist->val;
    numa->has_distances = true;
    return true;
}

static bool fits(bool has, int64_t wanted, unsigned have)
{
    return !has || wanted == (int64_t)have;
}

static bool add_cpu(RhMachine *machine, const QmpNumaOptions *option, GError **err)
{
    const QmpCpuInstanceProperties *cpu = option->u.cpu;
    RhNuma *numa = numa_of(machine);
    unsigned nr_found = 0;

    if (!cpu->has_node_id) {
        return rh_fail(err, "Missing mandatory node-id property");
    }
    if (cpu->node_id < 0 || cpu->node_id >= RH_NUMA_MAX_NODES || !is_defined(numa, (unsigned)cpu->node_id)) {
        return rh_fail(err, "Invalid node-id=%" PRId64 ", NUMA node must be defined with -numa node,nodeid=ID before "
                       "it's used with -numa cpu,node-id=ID", cpu->node_id);
    }
    if (cpu->has_cluster_id) {
        return rh_fail(err, "cluster-id is not supported");
    }
    for (unsigned index = 0; index < machine->smp.max_cpus; index++) {
        RhCpuIds ids = rh_topology_ids(&machine->smp.topo, index);

        if (fits(cpu->has_socket_id, cpu->socket_id, ids.socket) && fits(cpu->has_die_id, cpu->die_id, ids.die) &&
            fits(cpu->has_core_id, cpu->core_id, ids.core) &&
            fits(cpu->has_thread_id, cpu->thread_id, ids.thread)) {
            nr_found++;
            if (!assign_cpu(machine, index, (unsigned)cpu->node_id, err)) {
                return false;
            }
        }
    }
    return nr_found || rh_fail(err, "no match found");
}

static bool refuse_hmat(RhMachine *machine, const QmpNumaOptions *option, GError **err)
{
    return rh_fail(err, "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled and not supported yet");
}

bool rh_numa_add(RhMachine *machine, const QmpNumaOptions *option, GError **err)
{
    static bool (*const kinds[])(RhMachine *, const QmpNumaOptions *, GError **) = {
        [QMP_NUMA_OPTIONS_TYPE_NODE] = add_node,
        [QMP_NUMA_OPTIONS_TYPE_DIST] = add_distance,
        [QMP_NUMA_OPTIONS_TYPE_CPU] = add_cpu,
        [QMP_NUMA_OPTIONS_TYPE_HMAT_LB] = refuse_hmat,
        [QMP_NUMA_OPTIONS_TYPE_HMAT_CACHE] = refuse_hmat,
    };

    return kinds[option->type](machine, option, err);
}

/* --- the whole --- */

static bool check_nodes(const RhNuma *numa, GError **err)
{
    for (unsigned i = numa->nr_nodes; i-- > 0;) {
        if (!numa->nodes[i].is_defined) {
            return rh_fail(err, "numa: Node ID missing: %u", i);
        }
    }
    return true;
}

/* The board shadows its low memory from the first bank, which must hold that much. */
static bool check_memory(RhMachine *machine, GError **err)
{
    enum { LOW_MEMORY = 0x100000 };
    RhNuma *numa = machine->numa;
    uint64_t total = 0, wanted = machine->ram_size ? machine->ram_size : rh_machine_type(machine)->default_ram_size;
    RhRam *first = NULL;

    for (unsigned i = 0; i < numa->nr_nodes; i++) {
        RhRam *ram = numa->nodes[i].ram;

        total += ram ? ram->size : 0;
        first = first ? first : ram;
    }
    if (total != wanted) {
        return rh_fail(err, "total memory for NUMA nodes (0x%" PRIx64 ") should equal RAM size (0x%" PRIx64 ")", total,
                       wanted);
    }
    if (first->size < LOW_MEMORY) {
        return rh_fail(err, "the first NUMA node with memory has 0x%" PRIx64 " bytes, must have at least 0x%x",
                       first->size, LOW_MEMORY);
    }
    machine->ram_size = total;
    machine->ram = rh_ram_ref(first);
    return true;
}

/* What is said for one direction holds for the other as long as nobody says otherwise anywhere. */
static bool complete_distances(RhNuma *numa, GError **err)
{
    bool is_asymmetric = false;

    for (unsigned a = 0; a < numa->nr_nodes; a++) {
        for (unsigned b = 0; b < a; b++) {
            uint8_t there = numa->distances[b][a], back = numa->distances[a][b];

            if (!there && !back) {
                return rh_fail(err, "The distance between node %u and %u is missing, at least one distance value "
                               "between each nodes should be provided.", b, a);
            }
            is_asymmetric |= there && back && there != back;
        }
    }
    for (unsigned a = 0; a < numa->nr_nodes; a++) {
        for (unsigned b = 0; b < numa->nr_nodes; b++) {
            uint8_t *distance = &numa->distances[a][b];

            if (!*distance && a != b && is_asymmetric) {
                return rh_fail(err, "At least one asymmetrical pair of distances is given, please provide distances "
                               "for both directions of all node pairs.");
            }
            *distance = a == b ? RH_NUMA_LOCAL : *distance ? *distance : numa->distances[b][a];
        }
    }
    return true;
}

static void append_cpu(GString *text, const RhMachine *machine, unsigned index)
{
    const RhCpuTopology *topo = &machine->smp.topo;
    RhCpuIds ids = rh_topology_ids(topo, index);

    g_string_append_printf(text, "%sCPU %u [socket-id: %u", text->len ? ", " : "", index, ids.socket);
    if (topo->dies > 1) {
        g_string_append_printf(text, ", die-id: %u", ids.die);
    }
    g_string_append_printf(text, ", core-id: %u, thread-id: %u]", ids.core, ids.thread);
}

/* A processor that no option names goes to the node of its socket's number. */
static void complete_cpus(RhMachine *machine)
{
    RhNuma *numa = machine->numa;
    g_autoptr(GString) left_out = g_string_new(NULL);
    bool is_any_said = false;

    for (unsigned i = 0; i < machine->smp.max_cpus; i++) {
        if (numa->cpu_nodes[i] >= 0) {
            is_any_said = true;
            continue;
        }
        append_cpu(left_out, machine, i);
        numa->cpu_nodes[i] = (int16_t)(rh_topology_ids(&machine->smp.topo, i).socket % numa->nr_nodes);
    }
    if (is_any_said && left_out->len) {
        g_printerr("warning: CPU(s) not present in any NUMA nodes: %s\n", left_out->str);
        g_printerr("warning: All CPU(s) up to maxcpus should be described in NUMA config, ability to start up with "
                   "partial NUMA mappings is obsoleted and will be removed in future\n");
    }
}

bool rh_numa_complete(RhMachine *machine, GError **err)
{
    RhNuma *numa = machine->numa;

    if (!numa) {
        return true;
    }
    if (machine->ram) {
        return rh_fail(err, "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive");
    }
    if (!check_nodes(numa, err) || !check_memory(machine, err) ||
        (numa->has_distances && !complete_distances(numa, err))) {
        return false;
    }
    complete_cpus(machine);
    return true;
}

void rh_numa_free(RhNuma *numa)
{
    for (unsigned i = 0; numa && i < RH_NUMA_MAX_NODES; i++) {
        rh_ram_unref(numa->nodes[i].ram);
    }
    if (numa) {
        g_free(numa->cpu_nodes);
    }
    g_free(numa);
}

RhRamBank *rh_machine_ram_banks(const RhMachine *machine, unsigned *ret_nr)
{
    const RhNuma *numa = machine->numa;
    RhRamBank *banks = g_new(RhRamBank, numa ? numa->nr_nodes : 1);
    unsigned nr = 0;

    for (unsigned i = 0; numa && i < numa->nr_nodes; i++) {
        if (numa->nodes[i].ram) {
            banks[nr++] = (RhRamBank){ numa->nodes[i].ram, i };
        }
    }
    if (!numa) {
        banks[nr++] = (RhRamBank){ machine->ram, 0 };
    }
    *ret_nr = nr;
    return banks;
}

int rh_machine_cpu_node(const RhMachine *machine, unsigned index)
{
    return machine->numa ? machine->numa->cpu_nodes[index] : -1;
}
