/*
 * The answer of query-qmp-schema has the documented shape and refers to nothing that is not in it;
 * commands run by their table.
 */
#include "qapi/introspect.h"
#include <glib.h>
#include "qapi/command.h"
#include "qapi/qapi-events.h"
#include "util/error.h"

static const char *text_of(json_object *object, const char *key)
{
    json_object *value;

    return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

static json_object *array_of(json_object *object, const char *key)
{
    json_object *value = json_object_object_get(object, key);

    g_assert_true(json_object_is_type(value, json_type_array));
    return value;
}

static void check_reference(GHashTable *types, const char *from, const char *name)
{
    if (!name || !g_hash_table_contains(types, name)) {
        g_test_message("'%s' refers to '%s'", from, name ? name : "(nothing)");
        g_test_fail();
    }
}

static void check_each(GHashTable *types, json_object *info, const char *key)
{
    json_object *array = array_of(info, key);

    for (unsigned i = 0; i < json_object_array_length(array); i++) {
        check_reference(types, text_of(info, "name"),
                        text_of(json_object_array_get_idx(array, i), "type"));
    }
}

static void check_info(GHashTable *types, json_object *info)
{
    const char *name = text_of(info, "name");
    const char *meta = text_of(info, "meta-type");

    if (g_str_equal(meta, "command")) {
        check_reference(types, name, text_of(info, "arg-type"));
        check_reference(types, name, text_of(info, "ret-type"));
    } else if (g_str_equal(meta, "event")) {
        check_reference(types, name, text_of(info, "arg-type"));
    } else if (g_str_equal(meta, "object")) {
        check_each(types, info, "members");
        if (json_object_object_get(info, "tag")) {
            check_each(types, info, "variants");
        }
    } else if (g_str_equal(meta, "alternate")) {
        check_each(types, info, "members");
    } else if (g_str_equal(meta, "array")) {
        check_reference(types, name, text_of(info, "element-type"));
    } else if (g_str_equal(meta, "enum")) {
        g_assert_cmpuint(json_object_array_length(array_of(info, "values")), ==,
                         json_object_array_length(array_of(info, "members")));
    } else {
        g_assert_cmpstr(meta, ==, "builtin");
        g_assert_nonnull(text_of(info, "json-type"));
    }
}

static void extend(json_object *array, void *opaque)
{
    *(unsigned *)opaque = json_object_array_length(array);
    json_object_array_add(
        array, json_tokener_parse("{\"name\":\"extra\",\"meta-type\":\"object\",\"members\":[]}"));
}

static void test_shape(void)
{
    g_autoptr(GHashTable) types = g_hash_table_new(g_str_hash, g_str_equal);
    unsigned nr_before = 0;
    json_object *array = rh_qapi_introspect(extend, &nr_before);
    unsigned nr = json_object_array_length(array);

    g_assert_cmpuint(nr, ==, nr_before + 1);
    for (unsigned i = 0; i < nr; i++) {
        json_object *info = json_object_array_get_idx(array, i);
        const char *meta = text_of(info, "meta-type");

        if (!g_str_equal(meta, "command") && !g_str_equal(meta, "event")) {
            g_assert_true(g_hash_table_add(types, (void *)text_of(info, "name")));
        }
    }
    g_assert_true(g_hash_table_contains(types, "extra"));
    for (unsigned i = 0; i < nr; i++) {
        check_info(types, json_object_array_get_idx(array, i));
    }
    json_object_put(array);
}

static void test_set_enum(void)
{
    static const char *const values[] = { "secret", "iothread", NULL };
    json_object *array = json_tokener_parse(
        "[{\"name\":\"A\"},{\"name\":\"T\",\"meta-type\":\"enum\",\"values\":[]}]");

    rh_qapi_introspect_set_enum(array, "T", values);
    rh_qapi_introspect_set_enum(array, "unknown", values);
    g_assert_cmpstr(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN), ==,
                    "[{\"name\":\"A\"},{\"name\":\"T\",\"meta-type\":\"enum\",\"values\":["
                    "\"secret\",\"iothread\"],"
                    "\"members\":[{\"name\":\"secret\"},{\"name\":\"iothread\"}]}]");
    json_object_put(array);
}

/* Every command of the table is described, and the table is sorted as the search needs it. */
static void test_commands(void)
{
    unsigned nr;
    const RhQmpCommand *commands = rh_qmp_commands(&nr);
    json_object *array = rh_qapi_introspect(NULL, NULL);
    unsigned nr_described = 0;

    for (unsigned i = 0; i < json_object_array_length(array); i++) {
        json_object *info = json_object_array_get_idx(array, i);

        if (g_str_equal(text_of(info, "meta-type"), "command")) {
            g_assert_nonnull(rh_qmp_command_find(text_of(info, "name")));
            nr_described++;
        }
    }
    g_assert_cmpuint(nr_described, ==, nr);
    for (unsigned i = 0; i < nr; i++) {
        g_assert_true(rh_qmp_command_find(commands[i].name) == &commands[i]);
    }
    g_assert_null(rh_qmp_command_find("bogus"));
    json_object_put(array);
}

static void check_run(const char *name, const char *arguments, const char *expected)
{
    g_autoptr(GError) err = NULL;
    json_object *args = arguments ? json_tokener_parse(arguments) : NULL;
    json_object *result = NULL;

    if (!rh_qmp_command_run(rh_qmp_command_find(name), NULL, args, &result, &err)) {
        g_assert_cmpstr(err->message, ==, expected);
    } else {
        g_assert_cmpstr(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN), ==,
                        expected);
    }
    json_object_put(result);
    json_object_put(args);
}

static void test_run(void)
{
    check_run("query-target", NULL, "{\"arch\":\"x86_64\"}");
    check_run("query-target", "{}", "{\"arch\":\"x86_64\"}");
    check_run("query-target", "{\"x\":1}", "Parameter 'x' is unexpected");
    check_run("query-command-line-options", "{\"option\":\"bogus\"}", "invalid option name: bogus");
    check_run(
        "query-command-line-options", "{\"option\":\"overcommit\"}",
        "[{\"option\":\"overcommit\",\"parameters\":["
        "{\"name\":\"mem-lock\",\"type\":\"boolean\",\"help\":\"lock guest memory and ours\"},"
        "{\"name\":\"cpu-pm\",\"type\":\"boolean\",\"help\":\"let the guest put host processors to "
        "sleep\"}]}]");
}

typedef struct NotingSink {
    RhEventSink sink;
    GString *log;
} NotingSink;

static void noting_emit(RhEventSink *sink, const char *name, json_object *data)
{
    NotingSink *self = (NotingSink *)sink;

    g_string_append_printf(self->log, "%s %s;", name,
                           data ? json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN)
                                : "-");
    json_object_put(data);
}

static void test_events(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    NotingSink noting = { { noting_emit }, log };

    qmp_event_stop(&noting.sink);
    qmp_event_reset(&noting.sink, true, QMP_SHUTDOWN_CAUSE_GUEST_RESET);
    qmp_event_device_deleted(&noting.sink, NULL, "/machine/x");
    qmp_event_block_io_error(&noting.sink, "d", "n", QMP_IO_OPERATION_TYPE_READ,
                             QMP_BLOCK_ERROR_ACTION_STOP, true, false, "why");
    g_assert_cmpstr(log->str, ==,
                    "STOP -;RESET {\"guest\":true,\"reason\":\"guest-reset\"};"
                    "DEVICE_DELETED {\"path\":\"\\/machine\\/x\"};"
                    "BLOCK_IO_ERROR {\"device\":\"d\",\"node-name\":\"n\",\"operation\":\"read\","
                    "\"action\":\"stop\",\"nospace\":false,\"reason\":\"why\"};");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/introspect/shape", test_shape);
    g_test_add_func("/qapi/introspect/set-enum", test_set_enum);
    g_test_add_func("/qapi/introspect/commands", test_commands);
    g_test_add_func("/qapi/commands/run", test_run);
    g_test_add_func("/qapi/events", test_events);
    return g_test_run();
}
