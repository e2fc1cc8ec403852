/* CPU types: every model has one, properties reach the CPU, a placed CPU decides its leaves. */
#include "target/i386/cpu-internal.h"

static RhX86Cpu *make(const char *type_name)
{
    GError *error = NULL;
    RhObject *obj = rh_object_new(NULL, type_name, &error);

    g_assert_no_error(error);
    return RH_SELF(RhX86Cpu, obj);
}

static bool get_bool(RhX86Cpu *cpu, const char *name)
{
    json_object *value = NULL;
    bool is_on;

    g_assert_true(rh_object_get(RH_OBJECT(cpu), name, &value, NULL));
    is_on = json_object_get_boolean(value);
    json_object_put(value);
    return is_on;
}

static void test_every_model(void)
{
    GArray *names = rh_x86_model_names();

    for (unsigned i = 0; i < names->len; i++) {
        char *type_name = g_strdup_printf("%s-x86_64-cpu", g_array_index(names, RhX86ModelName, i).name);
        RhX86Cpu *cpu = make(type_name);

        g_assert_cmpstr(cpu->spec.name, ==, g_array_index(names, RhX86ModelName, i).name);
        g_assert_cmphex(cpu->apic_id, ==, RH_X86_NO_APIC_ID);
        g_assert_cmpint(cpu->socket_id, ==, -1);
        g_assert_true(get_bool(cpu, "check"));
        rh_object_unref(RH_OBJECT(cpu));
        g_free(type_name);
    }
    g_array_unref(names);
    g_assert_nonnull(rh_type_find_prop(rh_type_find("max-x86_64-cpu"), "migratable"));
    g_assert_null(rh_type_find_prop(rh_type_find("Haswell-x86_64-cpu"), "migratable"));
}

static void test_properties(void)
{
    RhX86Cpu *cpu = make("base-x86_64-cpu");
    GError *error = NULL;

    g_assert_true(rh_object_set_str(RH_OBJECT(cpu), "sse3", "on", NULL));
    g_assert_true(get_bool(cpu, "pni"));
    g_assert_true(rh_object_set_bool(RH_OBJECT(cpu), "hv-relaxed", true, NULL));
    g_assert_true(cpu->spec.props.hv_relaxed);
    g_assert_false(rh_object_set_str(RH_OBJECT(cpu), "family", "300", &error));
    g_assert_nonnull(strstr(error->message, "doesn't take value 300 (minimum: 0, maximum: 270)"));
    g_error_free(error);
    rh_object_unref(RH_OBJECT(cpu));
}

static void test_place(void)
{
    RhSmp smp = { .cpus = 4, .max_cpus = 4, .topo = { 2, 1, 2, 1 } };
    RhX86Cpu *cpu = make("qemu64-x86_64-cpu");
    GError *error = NULL;

    g_assert_false(rh_x86_cpu_place(cpu, &smp, -1, &error));
    g_assert_cmpstr(error->message, ==, "CPU socket-id is not set");
    g_clear_error(&error);
    cpu->socket_id = 2;
    g_assert_false(rh_x86_cpu_place(cpu, &smp, -1, &error));
    g_assert_cmpstr(error->message, ==, "Invalid CPU socket-id: 2 must be in range 0:1");
    g_clear_error(&error);
    cpu->socket_id = 1;
    cpu->core_id = 1;
    cpu->thread_id = 0;
    g_assert_true(rh_x86_cpu_place(cpu, &smp, -1, &error));
    g_assert_cmpuint(cpu->apic_id, ==, 3);
    g_assert_false(rh_x86_cpu_place(cpu, &smp, 0, &error));
    g_clear_error(&error);
    rh_object_unref(RH_OBJECT(cpu));
}

static void test_realize(void)
{
    RhSmp smp = { .cpus = 2, .max_cpus = 2, .topo = { 1, 1, 2, 1 } };
    RhX86Cpu *cpu = make("Haswell-x86_64-cpu");
    GError *error = NULL;

    g_assert_false(rh_x86_cpu_realize(&cpu->parent, &error));
    g_assert_cmpstr(error->message, ==, "apic-id property was not initialized properly");
    g_clear_error(&error);
    g_assert_true(rh_x86_cpu_place(cpu, &smp, 1, NULL));
    g_assert_true(rh_x86_cpu_realize(&cpu->parent, &error));
    g_assert_no_error(error);
    g_assert_cmphex(rh_cpuid_find(cpu->x86.cpuid, cpu->x86.nr_cpuid, 1, 0)->ebx, ==, 0x01020800);
    rh_x86_cpu_reset(&cpu->parent);
    g_assert_cmphex(cpu->x86.state.gpr[RH_RDX], ==, 0x306c4);
    g_clear_pointer(&cpu->cpuid, g_free);
    rh_object_unref(RH_OBJECT(cpu));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i386/cpu/every-model", test_every_model);
    g_test_add_func("/i386/cpu/properties", test_properties);
    g_test_add_func("/i386/cpu/place", test_place);
    g_test_add_func("/i386/cpu/realize", test_realize);
    return g_test_run();
}
