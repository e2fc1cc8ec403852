/* Topology: -smp, and the ids that follow, for every shape of a few sizes. */
#include "target/i386/cpuid.h"

static const RhSmpLimits q35 = { "pc-q35-7.2", 1, 288, .has_dies = true };

/* What -smp would hand over; a 0 is "not given". */
static RhSmp asked(unsigned cpus, unsigned max_cpus, unsigned sockets, unsigned dies, unsigned cores, unsigned threads)
{
    return (RhSmp){ .cpus = cpus, .max_cpus = max_cpus, .topo = { sockets, dies, cores, threads } };
}

static void test_resolve(void)
{
    static const struct {
        unsigned asked[6], got[6];
    } rows[] = {
        { { 0, 0, 0, 0, 0, 0 },  { 1, 1, 1, 1, 1, 1 } },
        { { 4, 0, 0, 0, 0, 0 },  { 4, 4, 1, 1, 4, 1 } },
        { { 4, 0, 2, 0, 0, 0 },  { 4, 4, 2, 1, 2, 1 } },
        { { 4, 0, 0, 0, 0, 2 },  { 4, 4, 1, 1, 2, 2 } },
        { { 8, 0, 0, 0, 2, 0 },  { 8, 8, 4, 1, 2, 1 } },
        { { 4, 8, 0, 0, 0, 0 },  { 4, 8, 1, 1, 8, 1 } },
        { { 0, 0, 2, 0, 2, 0 },  { 4, 4, 2, 1, 2, 1 } },
        { { 3, 12, 0, 2, 3, 0 }, { 3, 12, 2, 2, 3, 1 } },
        { { 8, 0, 2, 0, 2, 0 },  { 8, 8, 2, 1, 2, 2 } },
    };

    for (size_t i = 0; i < RH_COUNT(rows); i++) {
        const unsigned *a = rows[i].asked;
        const unsigned *g = rows[i].got;
        RhSmp smp = asked(a[0], a[1], a[2], a[3], a[4], a[5]);
        GError *error = NULL;

        g_assert_true(rh_smp_resolve(&smp, &q35, NULL, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(smp.cpus, ==, g[0]);
        g_assert_cmpuint(smp.max_cpus, ==, g[1]);
        g_assert_cmpuint(smp.topo.sockets, ==, g[2]);
        g_assert_cmpuint(smp.topo.dies, ==, g[3]);
        g_assert_cmpuint(smp.topo.cores, ==, g[4]);
        g_assert_cmpuint(smp.topo.threads, ==, g[5]);
    }
}

static void refuse(RhSmp smp, const char *message)
{
    RhSmp before = smp;
    GError *error = NULL;

    g_assert_false(rh_smp_resolve(&smp, &q35, NULL, &error));
    g_assert_error(error, RH_ERROR, RH_ERROR_GENERIC);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpmem(&smp, sizeof(smp), &before, sizeof(before));
    g_error_free(error);
}

static void test_refuse(void)
{
    refuse(asked(300, 0, 0, 0, 0, 0),
           "Invalid SMP CPUs 300. The max CPUs supported by machine 'pc-q35-7.2' is 288");
    refuse(asked(4, 0, 2, 0, 3, 0), "Invalid CPU topology: product of the hierarchy must match maxcpus: "
                                    "sockets (2) * dies (1) * cores (3) * threads (0) != maxcpus (4)");
    refuse(asked(2, 1, 0, 0, 0, 0), "Invalid CPU topology: maxcpus must be equal to or greater than smp: "
                                    "sockets (1) * dies (1) * cores (1) * threads (1) == maxcpus (1) < smp_cpus (2)");
    refuse((RhSmp){ .cpus = 4, .clusters = 2 }, "clusters not supported by this machine's CPU topology");
    refuse(asked(4, 0, 4000000000u, 0, 4000000000u, 0),
           "Invalid CPU topology: sockets is 4000000000, must be at most 65535");
}

static void test_zero_warns(void)
{
    RhSmp smp = { .cpus = 4, .has_dies = true };
    char *warning = NULL;

    g_assert_true(rh_smp_resolve(&smp, &q35, &warning, NULL));
    g_assert_nonnull(strstr(warning, "must be greater than zero"));
    g_free(warning);
}

/* Every shape up to 3 x 3 x 5 x 3: ids are unique, ordered, invertible, and the shifts cut them rightly. */
static void test_shapes(void)
{
    for (unsigned shape = 0; shape < 3 * 3 * 5 * 3; shape++) {
        RhCpuTopology topo = { 1 + shape % 3, 1 + shape / 3 % 3, 1 + shape / 9 % 5, 1 + shape / 45 };
        unsigned nr = topo.sockets * topo.dies * topo.cores * topo.threads;
        uint32_t last = 0;

        for (unsigned i = 0; i < nr; i++) {
            RhCpuIds ids = rh_topology_ids(&topo, i);
            uint32_t id = rh_apic_id(&topo, ids);
            RhCpuIds back = rh_apic_id_to_ids(&topo, id);

            g_assert_cmpmem(&ids, sizeof(ids), &back, sizeof(back));
            g_assert_cmpuint(rh_topology_index(&topo, ids), ==, i);
            g_assert_true(i == 0 ? id == 0 : id > last);
            g_assert_cmpuint(id >> rh_topology_package_shift(&topo), ==, ids.socket);
            last = id;
        }
        g_assert_cmpuint(rh_apic_id_limit(&topo, nr), ==, last + 1);
    }
}

static char *path_of(unsigned index, void *opaque)
{
    return index < *(unsigned *)opaque ? g_strdup_printf("/machine/unattached/device[%u]", index) : NULL;
}

static void test_hotpluggable(void)
{
    RhSmp smp = asked(1, 4, 1, 2, 2, 1);
    unsigned present = 1;
    json_object *list;

    g_assert_true(rh_smp_resolve(&smp, &q35, NULL, NULL));
    list = rh_hotpluggable_cpus(&smp, "qemu64-x86_64-cpu", path_of, &present);
    g_assert_cmpuint(json_object_array_length(list), ==, 4);
    g_assert_cmpstr(json_object_to_json_string_ext(json_object_array_get_idx(list, 0), JSON_C_TO_STRING_PLAIN), ==,
                    "{\"props\":{\"core-id\":1,\"thread-id\":0,\"die-id\":1,\"socket-id\":0},"
                    "\"vcpus-count\":1,\"type\":\"qemu64-x86_64-cpu\"}");
    g_assert_nonnull(json_object_object_get(json_object_array_get_idx(list, 3), "qom-path"));
    json_object_put(list);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i386/topology/resolve", test_resolve);
    g_test_add_func("/i386/topology/refuse", test_refuse);
    g_test_add_func("/i386/topology/zero", test_zero_warns);
    g_test_add_func("/i386/topology/shapes", test_shapes);
    g_test_add_func("/i386/topology/hotpluggable", test_hotpluggable);
    return g_test_run();
}
