/*
 * JSON and option strings into schema types and back; the words of every kind of error.
 */
#include "qapi/visit.h"
#include <glib.h>
#include "qapi/keyval.h"
#include "qapi/qapi-types.h"
#include "util/core.h"

static json_object *json(const char *text)
{
    json_object *object = json_tokener_parse(text);

    g_assert_nonnull(object);
    return object;
}

/* Read @text as @type, and expect it to come back as it was. */
static void check_round_trip(const RhQapiType *type, const char *text)
{
    g_autoptr(GError) err = NULL;
    json_object *in = json(text);
    void *value = NULL;

    g_assert_true(qapi_from_json(type, in, &value, 0, &err));
    g_assert_no_error(err);
    json_object *out = qapi_to_json(type, &value);

    if (!json_object_equal(in, out)) {
        g_test_message("got %s", json_object_to_json_string(out));
        g_test_fail();
    }
    qapi_free(type, value);
    json_object_put(in);
    json_object_put(out);
}

static void test_round_trips(void)
{
    check_round_trip(&qmp_type_status_info,
                     "{\"running\":true,\"singlestep\":false,\"status\":\"prelaunch\"}");
    check_round_trip(
        &qmp_type_hotpluggable_cpu,
        "{\"type\":\"t\",\"vcpus-count\":1,\"props\":{\"core-id\":0,\"thread-id\":-1}}");
    check_round_trip(
        &qmp_type_blockdev_options,
        "{\"driver\":\"raw\",\"node-name\":\"n\",\"cache\":{\"direct\":true},\"offset\":512,"
        "\"file\":{\"driver\":\"file\",\"filename\":\"/x\",\"aio\":\"io_uring\"}}");
    check_round_trip(&qmp_type_blockdev_options, "{\"driver\":\"raw\",\"file\":\"other\"}");
    check_round_trip(
        &qmp_type_chardev_add_args,
        "{\"id\":\"c\",\"backend\":{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":\"inet\","
        "\"data\":{\"host\":\"\",\"port\":\"1\"}},\"server\":true}}}");
    check_round_trip(&qmp_type_device_add_args,
                     "{\"driver\":\"d\",\"id\":\"i\",\"addr\":\"3.0\",\"more\":[1,{\"a\":null}]}");
    check_round_trip(
        &qmp_type_memdev,
        "{\"size\":18446744073709551615,\"merge\":true,\"dump\":true,\"prealloc\":false,"
        "\"share\":false,\"host-nodes\":[0,65535],\"policy\":\"bind\"}");
    check_round_trip(&qmp_type_migrate_set_capabilities_args,
                     "{\"capabilities\":[{\"capability\":\"x-colo\",\"state\":false}]}");
    check_round_trip(&qmp_type_qmp_capabilities_args, "{\"enable\":[\"oob\"]}");
    check_round_trip(&qmp_type_cpu_definition_info,
                     "{\"name\":\"n\",\"static\":false,\"unavailable-features\":[\"a\",\"b\"],"
                     "\"typename\":\"t\",\"deprecated\":false}");
}

typedef struct ErrorCase {
    const RhQapiType *type;
    const char *in;      /* JSON, or key=value when it does not begin with a brace */
    const char *message; /* NULL: it is fine */
} ErrorCase;

static const ErrorCase error_cases[] = {
    /* As observed from a QMP server for the same requests. */
    { &qmp_type_device_del_args, "{}", "Parameter 'id' is missing" },
    { &qmp_type_device_del_args, "{\"id\":3}",
      "Invalid parameter type for 'id', expected: string" },
    { &qmp_type_device_del_args, "{\"id\":null}",
      "Invalid parameter type for 'id', expected: string" },
    { &qmp_type_device_del_args, "{\"id\":\"x\",\"foo\":1}", "Parameter 'foo' is unexpected" },
    { &qmp_type_action_options, "{\"reboot\":\"bogus\"}",
      "Parameter 'reboot' does not accept value 'bogus'" },
    { &qmp_type_action_options, "{\"reboot\":3}",
      "Invalid parameter type for 'reboot', expected: string" },
    { &qmp_type_memsave_args, "{\"val\":1.5}",
      "Invalid parameter type for 'val', expected: integer" },
    { &qmp_type_memsave_args, "{\"val\":true}",
      "Invalid parameter type for 'val', expected: integer" },
    { &qmp_type_memsave_args, "{\"val\":1,\"size\":18446744073709551615}",
      "Invalid parameter type for 'size', expected: integer" },
    { &qmp_type_chardev_add_args, "{\"id\":\"x\",\"backend\":{\"type\":\"file\",\"data\":{}}}",
      "Parameter 'backend.data.out' is missing" },
    { &qmp_type_chardev_add_args, "{\"id\":\"x\",\"backend\":{\"type\":\"bogus\",\"data\":{}}}",
      "Parameter 'type' does not accept value 'bogus'" },
    { &qmp_type_chardev_add_args, "{\"id\":\"x\",\"backend\":{\"type\":\"null\"}}",
      "Parameter 'backend.data' is missing" },
    { &qmp_type_chardev_add_args, "{\"id\":\"x\",\"backend\":{\"data\":{}}}",
      "Parameter 'backend.type' is missing" },
    { &qmp_type_chardev_add_args, "{\"id\":\"x\",\"backend\":3}",
      "Invalid parameter type for 'backend', expected: object" },
    { &qmp_type_blockdev_options, "driver=qcow2,file=x",
      "Parameter 'driver' has value 'qcow2', which is not supported yet" },
    { &qmp_type_blockdev_options, "{\"driver\":\"null-co\",\"zork\":1}",
      "Parameter 'zork' is unexpected" },
    { &qmp_type_blockdev_options, "{\"driver\":\"raw\",\"file\":3}",
      "Invalid parameter type for 'file', expected: BlockdevRef" },
    { &qmp_type_blockdev_options, "{\"driver\":\"raw\",\"file\":{\"driver\":\"file\"}}",
      "Parameter 'file.filename' is missing" },
    { &qmp_type_qmp_capabilities_args, "{\"enable\":[\"oob\",3]}",
      "Invalid parameter type for 'enable[1]', expected: string" },
    { &qmp_type_migrate_set_capabilities_args, "{\"capabilities\":[{\"capability\":\"xbzrle\"}]}",
      "Parameter 'capabilities[0].state' is missing" },
    { &qmp_type_migrate_set_capabilities_args, "{\"capabilities\":3}",
      "Invalid parameter type for 'capabilities', expected: array" },
    { &qmp_type_numa_options, "{\"type\":\"node\",\"nodeid\":70000}",
      "Parameter 'nodeid' expects uint16_t" },
    { &qmp_type_numa_options, "{\"type\":\"node\",\"nodeid\":-1}",
      "Parameter 'nodeid' expects uint16_t" },
    { &qmp_type_numa_options, "{\"type\":\"node\",\"mem\":\"x\"}",
      "Parameter 'mem' expects uint64" },
    { &qmp_type_numa_options, "{\"type\":\"dist\",\"src\":0,\"dst\":0,\"val\":300}",
      "Parameter 'val' expects uint8_t" },
    { &qmp_type_device_del_args, "{\"id\":\"a\\u0000b\"}",
      "Parameter 'id' expects a string without NUL" },
    /* Option strings. */
    { &qmp_type_blockdev_options, "driver=null-co,size=x", "Parameter 'size' expects integer" },
    { &qmp_type_blockdev_options, "driver=null-co,size=1k", "Parameter 'size' expects integer" },
    { &qmp_type_blockdev_options, "driver=null-co,size=0x100,read-only=yes", NULL },
    { &qmp_type_blockdev_options, "driver=null-co,read-only=maybe",
      "Parameter 'read-only' expects 'on' or 'off'" },
    { &qmp_type_blockdev_options, "driver=raw,file.0=a",
      "Invalid parameter type for 'file', expected: BlockdevRef" },
    { &qmp_type_blockdev_options, "driver=raw,file=a", NULL },
    { &qmp_type_blockdev_options, "driver=raw,file.driver=file,file.filename=x", NULL },
    { &qmp_type_memory_options, "size=1G,maxmem=4G,slots=3", NULL },
    { &qmp_type_memory_options, "maxmem=xx", "Parameter 'maxmem' expects a size value" },
    { &qmp_type_memory_options, "maxmem=1Z", "Parameter 'maxmem' expects a size value" },
    { &qmp_type_memory_options, "maxmem=-1", "Parameter 'maxmem' expects a size value" },
    { &qmp_type_memory_options, "maxmem=16E", "Parameter 'maxmem' expects a size value" },
    { &qmp_type_memory_options, "maxmem=99999999999999999999999",
      "Parameter 'maxmem' expects a size value" },
    { &qmp_type_numa_options, "type=node,cpus=0-3", NULL },
    { &qmp_type_numa_options, "type=node,cpus=3-0",
      "Parameter 'cpus' expects a number or a range of numbers" },
    { &qmp_type_numa_options, "type=node,cpus=0-99999999999",
      "Parameter 'cpus' expects a number or a range of numbers" },
    { &qmp_type_numa_options, "type=node,cpus=65535-65536", "Parameter 'cpus' expects uint16_t" },
    { &qmp_type_smp_configuration, "cpus=99999999999999999999999",
      "Parameter 'cpus' expects integer" },
    { &qmp_type_smp_configuration, "cpus= 1", "Parameter 'cpus' expects integer" },
    { &qmp_type_smp_configuration, "foo=1", "Parameter 'foo' is unexpected" },
};

static void test_errors(void)
{
    for (unsigned i = 0; i < RH_COUNT(error_cases); i++) {
        const ErrorCase *c = &error_cases[i];
        g_autoptr(GError) err = NULL;
        bool is_json = *c->in == '{';
        json_object *in = rh_keyval_parse(c->in, NULL, NULL, &err);
        void *value = NULL;

        g_assert_no_error(err);
        bool is_ok = qapi_from_json(c->type, in, &value, is_json ? 0 : QAPI_KEYVAL, &err);

        g_test_message("%s: %s", c->in, err ? err->message : "fine");
        g_assert_cmpstr(err ? err->message : NULL, ==, c->message);
        g_assert_cmpint(is_ok, ==, !c->message);
        g_assert_cmpint(is_ok, ==, value != NULL);
        qapi_free(c->type, value);
        json_object_put(in);
    }
}

static void test_values(void)
{
    g_autoptr(GError) err = NULL;
    json_object *in = rh_keyval_parse("1.5G,slots=0x10,maxmem=1.5G", "size", NULL, &err);
    g_autoptr(QmpMemoryOptions) memory = qmp_memory_options_from_json(in, QAPI_KEYVAL, &err);

    g_assert_no_error(err);
    g_assert_cmpstr(memory->size, ==, "1.5G");
    g_assert_true(memory->has_slots && memory->has_maxmem);
    g_assert_cmpuint(memory->slots, ==, 16);
    g_assert_cmpuint(memory->maxmem, ==, UINT64_C(1536) << 20);
    json_object_put(in);

    in = rh_keyval_parse("node,cpus=2-4", "type", NULL, &err);
    g_autoptr(QmpNumaOptions) numa = qmp_numa_options_from_json(in, QAPI_KEYVAL, &err);

    g_assert_no_error(err);
    g_assert_cmpint(numa->type, ==, QMP_NUMA_OPTIONS_TYPE_NODE);
    g_assert_false(numa->u.node->has_nodeid);
    g_assert_cmpuint(numa->u.node->cpus->len, ==, 3);
    g_assert_cmpuint(g_array_index(numa->u.node->cpus, uint16_t, 2), ==, 4);
    json_object_put(in);

    in = json("{\"driver\":\"d\",\"a\":1,\"b\":2}");
    g_autoptr(QmpDeviceAddArgs) device = qmp_device_add_args_from_json(in, 0, &err);

    g_assert_no_error(err);
    g_assert_null(device->id);
    g_assert_cmpint(json_object_object_length(device->rest), ==, 2);
    json_object_put(in);
}

static void test_enums(void)
{
    g_assert_cmpint(qapi_enum_parse(&qmp_type_run_state, "guest-panicked"), ==,
                    QMP_RUN_STATE_GUEST_PANICKED);
    g_assert_cmpint(qapi_enum_parse(&qmp_type_run_state, "Running"), ==, -1);
    g_assert_cmpstr(qmp_run_state_name(QMP_RUN_STATE_PRELAUNCH), ==, "prelaunch");
    g_assert_null(qapi_enum_name(&qmp_type_run_state, 999));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/visit/round-trips", test_round_trips);
    g_test_add_func("/qapi/visit/errors", test_errors);
    g_test_add_func("/qapi/visit/values", test_values);
    g_test_add_func("/qapi/visit/enums", test_enums);
    return g_test_run();
}
