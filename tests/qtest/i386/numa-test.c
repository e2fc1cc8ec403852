/*
 * -numa: what the guest reads in SRAT and SLIT, what QMP and the human monitor tell, RAM of several banks.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-boot.h"

#define BANKS "-object memory-backend-ram,id=a,size=48M -object memory-backend-ram,id=b,size=16M "
#define NODES BANKS "-numa node,cpus=0-1,memdev=a -numa node,memdev=b -numa cpu,node-id=1,core-id=2 "
enum { MIB = 0x100000, RAM_END = 64 * MIB };

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, 4);
    return GUINT32_FROM_LE(value);
}

static void check_srat(const uint8_t *srat)
{
    enum { FIRST = 48, CPU = 0, MEMORY = 1 };
    static const uint8_t nodes[] = { 0, 0, 1 };
    unsigned nr_cpus = 0, nr_memory = 0;

    for (const uint8_t *row = srat + FIRST; row < srat + get32(srat + 4); row += row[1]) {
        if (row[0] == CPU) {
            g_assert_cmpuint(row[2], ==, nodes[nr_cpus]);
            g_assert_cmpuint(row[3], ==, nr_cpus++);
        } else if (row[0] == MEMORY && get32(row + 28) & 1) {
            g_assert_cmpuint(row[2], ==, nr_memory);
            g_assert_cmphex(get32(row + 8), ==, nr_memory ? 48 * MIB : 0);
            g_assert_cmphex(get32(row + 16), ==, nr_memory++ ? 16 * MIB : 48 * MIB);
        }
    }
    g_assert_cmpuint(nr_cpus, ==, 3);
    g_assert_cmpuint(nr_memory, ==, 2);
}

static void test_tables(void)
{
    static const char *const machines[] = { "-M q35 ", "-M microvm " };

    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autofree char *args = g_strconcat(machines[i], "-m 64 -smp 3 -nodefaults " NODES
                                            "-numa dist,src=0,dst=1,val=33", NULL);
        char *path;
        Qtest *q = qboot_start(args, &path);
        g_autofree uint8_t *srat = qboot_table(q, RAM_END, "SRAT");
        g_autofree uint8_t *slit = qboot_table(q, RAM_END, "SLIT");
        static const uint8_t distances[] = { 10, 33, 33, 10 };

        g_assert_nonnull(srat);
        check_srat(srat);
        g_assert_nonnull(slit);
        g_assert_cmpmem(slit + 44, sizeof(distances), distances, sizeof(distances));
        qboot_quit(q, path);
    }
}

/* Guest memory goes on from one bank to the next, and above the hole. */
static void test_banks(void)
{
    Qtest *q = qtest_start("-M q35,max-ram-below-4g=40M -m 64 -smp 3 -nodefaults " NODES);
    const uint64_t around[] = { 40 * MIB - 8, UINT64_C(0x100000000), UINT64_C(0x100000000) + 8 * MIB - 8,
                                UINT64_C(0x100000000) + 8 * MIB, UINT64_C(0x100000000) + 24 * MIB - 8 };

    for (size_t i = 0; i < G_N_ELEMENTS(around); i++) {
        qtest_writeq(q, around[i], around[i] ^ 0x5a5a5a5a);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(around); i++) {
        g_assert_cmphex(qtest_readq(q, around[i]), ==, around[i] ^ 0x5a5a5a5a);
    }
    qtest_writeq(q, 40 * MIB, 1);
    g_assert_cmphex(qtest_readq(q, 40 * MIB), !=, 1);
    qtest_writeq(q, UINT64_C(0x100000000) + 24 * MIB, 1);
    g_assert_cmphex(qtest_readq(q, UINT64_C(0x100000000) + 24 * MIB), !=, 1);
    qtest_quit(q);
}

static json_object *member(json_object *object, const char *name)
{
    json_object *value = NULL;

    g_assert_true(json_object_object_get_ex(object, name, &value));
    return value;
}

static void check_node_ids(Qtest *q, const char *command, const int *nodes, size_t nr)
{
    g_autofree char *json = g_strdup_printf("{'execute':'%s'}", command);
    json_object *answer, *list;

    g_strdelimit(json, "'", '"');
    answer = qtest_qmp(q, json);
    list = member(answer, "return");
    g_assert_cmpuint(json_object_array_length(list), ==, nr);
    for (size_t i = 0; i < nr; i++) {
        json_object *props = member(json_object_array_get_idx(list, i), "props");

        g_assert_cmpint(json_object_get_int(member(props, "node-id")), ==, nodes[i]);
    }
    json_object_put(answer);
}

static void test_monitor(void)
{
    Qtest *q = qtest_start("-M q35 -m 64 -smp 3 -nodefaults " NODES);
    json_object *answer = qtest_qmp(q, "{\"execute\":\"human-monitor-command\",\"arguments\":"
                                       "{\"command-line\":\"info numa\"}}");

    g_assert_cmpstr(json_object_get_string(member(answer, "return")), ==,
                    "2 nodes\r\nnode 0 cpus: 0 1\r\nnode 0 size: 48 MB\r\nnode 0 plugged: 0 MB\r\n"
                    "node 1 cpus: 2\r\nnode 1 size: 16 MB\r\nnode 1 plugged: 0 MB\r\n");
    json_object_put(answer);
    check_node_ids(q, "query-cpus-fast", (const int[]){ 0, 0, 1 }, 3);
    check_node_ids(q, "query-hotpluggable-cpus", (const int[]){ 1, 0, 0 }, 3);
    qtest_quit(q);
}

static void test_refused(void)
{
    static const struct { const char *args, *why; } rows[] = {
        { "-numa node", "total memory for NUMA nodes (0x0) should equal RAM size (0x4000000)" },
        { BANKS "-numa node,memdev=a", "total memory for NUMA nodes (0x3000000) should equal" },
        { "-numa node,mem=64M", "-numa node,mem is not supported by this machine type" },
        { BANKS "-numa node,cpus=0-1,memdev=a -numa node,cpus=1-2,memdev=b", "CPU is already assigned to node-id: 0" },
        { BANKS "-numa node,cpus=3,memdev=a", "CPU index (3) should be smaller than maxcpus (3)" },
        { BANKS "-numa node,memdev=a -numa node,memdev=b,nodeid=2", "numa: Node ID missing: 1" },
        { BANKS "-numa node,memdev=a,nodeid=0 -numa node,nodeid=0", "Duplicate NUMA nodeid: 0" },
        { BANKS "-numa node,memdev=a,nodeid=128", "Max number of NUMA nodes reached: 128" },
        { BANKS "-numa node,memdev=a -numa node,memdev=a", "'a' is used multiple times" },
        { "-numa node,memdev=nosuch", "'nosuch' not found" },
        { NODES "-numa cpu,node-id=7,socket-id=0", "Invalid node-id=7" },
        { NODES "-numa cpu,node-id=0,socket-id=9", "no match found" },
        { NODES "-numa cpu,node-id=1,core-id=0", "CPU is already assigned to node-id: 0" },
        { NODES "-numa dist,src=0,dst=1,val=5", "NUMA distance (5) is invalid" },
        { NODES "-numa dist,src=0,dst=7,val=20", "NUMA node is missing" },
        { NODES "-numa dist,src=1,dst=1,val=20", "Local distance of node 1 should be 10." },
        { NODES "-numa node -numa dist,src=0,dst=1,val=20", "distance between node 0 and 2 is missing" },
        { NODES "-numa node -numa dist,src=0,dst=1,val=20 -numa dist,src=1,dst=0,val=30 "
          "-numa dist,src=0,dst=2,val=20 -numa dist,src=1,dst=2,val=20", "both directions of all node pairs" },
        { NODES "-numa node,initiator=0", "HMAT) is disabled and not supported yet" },
        { NODES "-machine hmat=on", "'hmat=on' of the machine is not supported yet" },
        { NODES "-machine memory-backend=c -object memory-backend-ram,id=c,size=64M", "mutually exclusive" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *args = g_strconcat("-M q35 -m 64 -smp 3 -nodefaults ", rows[i].args, NULL);

        qtest_refused(args, rows[i].why);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/numa/tables", test_tables);
    g_test_add_func("/numa/banks", test_banks);
    g_test_add_func("/numa/monitor", test_monitor);
    g_test_add_func("/numa/refused", test_refused);
    return g_test_run();
}
