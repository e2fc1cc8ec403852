/*
 * The human monitor: lines, expressions, editing.
 */
#include "chardev/open.h"
#include "hw/core/machine.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "monitor/readline.h"
#include "qapi/command.h"
#include "softmmu/ident.h"
#include "softmmu/runstate.h"
#include "util/json.h"

static RhVm *new_vm(void)
{
    RhVm *vm = rh_vm_new(NULL);

    rh_lock(&vm->lock);
    g_assert_nonnull(rh_machine_new(vm, rh_machine_find_type("none", NULL), NULL));
    rh_monitor_init(vm);
    rh_vm_set_set_up(vm);
    return vm;
}

static void free_vm(RhVm *vm)
{
    rh_unlock(&vm->lock);
    rh_vm_free(vm);
}

static void test_lines(void)
{
    static const char *const cases[][2] = {
        { "", "" },
        { "   ", "" },
        { "info name", "tester\r\n" },
        { "  info   status  ", "VM status: paused (prelaunch)\r\n" },
        { "info uuid", "00000000-0000-0000-0000-000000000000\r\n" },
        { "foo bar", "unknown command: 'foo'\r\n" },
        { "info foo", "unknown command: 'info foo'\r\n" },
        { "quit x", "quit|q: extraneous characters at the end of line\r\nTry \"help quit|q\" for more information\r\n" },
        { "print 1+2*3", "0x7\r\n" },
        { "p/d -(5)", "-5\r\n" },
        { "p/x 0xff", "0xff\r\n" },
        { "p 1 +", "Error: unexpected end of expression\r\n" },
        { "p 1/0", "Error: division by zero\r\n" },
        { "x/4xb 0", "Can not dump without CPU\r\n" },
        { "xp/4xb 0", "0000000000000000: Cannot access memory\r\n" },
        { "p/k 1", "Error: invalid char in format: 'k'\r\n" },
        { "device_add", "Error: Parameter 'driver' is missing\r\n" },
        { "device_add foo", "Error: 'foo' is not a valid device model name\r\n" },
        { "device_del foo", "Error: Device 'foo' not found\r\n" },
        { "object_add foo,id=x", "Error: Parameter 'qom-type' does not accept value 'foo'\r\n" },
        { "object_del foo", "Error: object 'foo' not found\r\n" },
        { "chardev-add ringbuf,id=r", "" },
        { "ringbuf_write r \"a b\\n\"", "" },
        { "ringbuf_read r 10", "a b\r\n\r\n" },
        { "info chardev", "r: filename=ringbuf\r\n" },
        { "ringbuf_write r \"a", "Error: unterminated string\r\n" },
        { "chardev-remove r", "" },
        { "info chardev", "" },
        { "savevm x", "Error: snapshots are not supported yet\r\n" },
        { "help nmi", "nmi  -- inject an NMI\r\n" },
        { "cpu 3", "invalid CPU index\r\n" },
    };
    RhVm *vm = new_vm();

    rh_ident_set_name(vm, "tester");
    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        g_autofree char *got = rh_hmp_run(vm, cases[i][0], 0);

        g_assert_cmpstr(got, ==, cases[i][1]);
    }
    free_vm(vm);
}

/* Every "info" answers or says why not; none stops the program. */
static void test_all_infos(void)
{
    RhVm *vm = new_vm();

    for (size_t i = 0; i < rh_hmp_infos.nr; i++) {
        g_autofree char *line = g_strconcat("info ", rh_hmp_infos.rows[i].name, NULL);
        g_autofree char *got = rh_hmp_run(vm, line, 0);

        g_assert_false(g_str_has_prefix(got, "unknown"));
    }
    free_vm(vm);
}

static void test_expressions(void)
{
    static const struct { const char *text; int64_t value; } good[] = {
        { "0", 0 }, { "0x10", 16 }, { "010", 8 }, { "2*(3+4)-1", 13 }, { "~0", -1 }, { "7%4|8", 11 }, { " 1 ", 1 },
        { "-1", -1 }, { "6/2^1", 2 },
    };
    static const char *const bad[] = { "", "(", "1)", "$rip", "1 2", "0x", "a", "9z", "+" };
    g_autofree char *deep = g_strnfill(5000, '(');
    int64_t value;

    for (size_t i = 0; i < RH_COUNT(good); i++) {
        g_assert_true(rh_hmp_eval(good[i].text, &value, NULL));
        g_assert_cmpint(value, ==, good[i].value);
    }
    for (size_t i = 0; i < RH_COUNT(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(rh_hmp_eval(bad[i], &value, &err));
        g_assert_nonnull(err);
    }
    g_assert_false(rh_hmp_eval(deep, &value, NULL));
}

/* --- editing --- */

typedef struct Typist {
    GString *lines;         /* each entered line and a bar */
    GString *shown;
} Typist;

static void print(void *opaque, const char *text)
{
    g_string_append(((Typist *)opaque)->shown, text);
}

static void take_line(void *opaque, const char *line)
{
    g_string_append_printf(((Typist *)opaque)->lines, "%s|", line);
}

static char **complete(void *opaque, const char *line)
{
    const char *const one[] = { "hello", NULL };
    const char *const two[] = { "help", "helium", NULL };

    return g_strdupv((char **)(g_str_has_suffix(line, "hell") ? one : two));
}

static void test_editing(void)
{
    static const RhReadlineOps ops = { .print = print, .line = take_line, .complete = complete };
    static const char *const cases[][2] = {
        { "abc\r", "abc|" },
        { "abc\r\ndef\n", "abc|def|" },
        { "ac\033[Db\r", "abc|" },
        { "bc\001a\005d\r", "abcd|" },
        { "abx\177c\r", "abc|" },
        { "abc\033[D\033[D\004\r", "ac|" },
        { "abc\033[H\033[3~\r", "bc|" },
        { "one two\027three\r", "one three|" },
        { "junk\025ok\r", "ok|" },
        { "first\rsecond\r\033[A\033[A\r", "first|second|first|" },
        { "x\ry\020\020\016\016z\r", "x|yz|" },
        { "hell\t\r", "hello |" },
        { "h\t\r", "hel|" },
        { "hel\t\r", "hel|" },
        { "\033[A\033[B\033[1;5C\033OAok\r", "ok|" },
    };

    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        Typist typist = { g_string_new(NULL), g_string_new(NULL) };
        RhReadline *rl = rh_readline_new("> ", &ops, &typist);

        for (const char *p = cases[i][0]; *p; p++) {
            rh_readline_feed(rl, (uint8_t)*p);
        }
        g_assert_cmpstr(typist.lines->str, ==, cases[i][1]);
        rh_readline_free(rl);
        g_string_free(typist.lines, TRUE);
        g_string_free(typist.shown, TRUE);
    }
}

static void test_completion(void)
{
    RhVm *vm = new_vm();
    g_auto(GStrv) commands = rh_hmp_complete(vm, "system_r");
    g_auto(GStrv) infos = rh_hmp_complete(vm, "info stat");
    g_auto(GStrv) none = rh_hmp_complete(vm, "zzz");

    g_assert_cmpstr(commands[0], ==, "system_reset");
    g_assert_null(commands[1]);
    g_assert_cmpstr(infos[0], ==, "status");
    g_assert_null(none[0]);
    free_vm(vm);
}

/* --- QMP about objects and types --- */

static json_object *run(RhVm *vm, const char *command, const char *args, GError **err)
{
    g_autoptr(RhJson) json = rh_json_parse(args, NULL);
    json_object *result = NULL;

    rh_qmp_command_run(rh_qmp_command_find(command), vm, json, &result, err);
    return result;
}

static void test_objects(void)
{
    static const struct { const char *command, *args, *class, *desc; } bad[] = {
        { "qom-list", "{\"path\":\"/foo\"}", "DeviceNotFound", "Device '/foo' not found" },
        { "qom-get", "{\"path\":\"/objects\",\"property\":\"foo\"}", "GenericError",
          "Property 'container.foo' not found" },
        { "device-list-properties", "{\"typename\":\"foo\"}", "DeviceNotFound", "Device 'foo' not found" },
        { "device-list-properties", "{\"typename\":\"chardev-null\"}", "GenericError",
          "Parameter 'typename' expects a non-abstract device type" },
        { "qom-list-properties", "{\"typename\":\"foo\"}", "DeviceNotFound", "Class 'foo' not found" },
        { "object-add", "{\"qom-type\":\"foo\",\"id\":\"x\"}", "GenericError",
          "Parameter 'qom-type' does not accept value 'foo'" },
        { "object-del", "{\"id\":\"x\"}", "GenericError", "object 'x' not found" },
        { "device_add", "{\"driver\":\"x\"}", "GenericError", "'x' is not a valid device model name" },
        { "device_del", "{\"id\":\"x\"}", "DeviceNotFound", "Device 'x' not found" },
    };
    RhVm *vm = new_vm();

    for (size_t i = 0; i < RH_COUNT(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_null(run(vm, bad[i].command, bad[i].args, &err));
        g_assert_cmpstr(err->message, ==, bad[i].desc);
        g_assert_cmpstr(rh_error_class_name(err), ==, bad[i].class);
    }
    GError *err = NULL;
    g_autoptr(RhJson) list = run(vm, "qom-list", "{\"path\":\"/\"}", &err);
    g_autofree char *text = g_strdup(rh_json_line(list));

    g_assert_no_error(err);
    g_assert_nonnull(strstr(text, "{\"name\":\"chardevs\",\"type\":\"child<container>\"}"));
    g_autoptr(RhJson) path = run(vm, "qom-get", "{\"path\":\"/\",\"property\":\"chardevs\"}", &err);

    g_assert_cmpstr(json_object_get_string(path), ==, "/chardevs");
    g_autoptr(RhJson) types = run(vm, "qom-list-types", "{\"implements\":\"chardev\"}", &err);

    g_assert_cmpuint(json_object_array_length(types), ==, 10);
    g_autoptr(RhJson) added G_GNUC_UNUSED = run(vm, "object-add", "{\"qom-type\":\"iothread\",\"id\":\"i\"}", NULL);
    g_autoptr(RhJson) schema G_GNUC_UNUSED = run(vm, "query-qmp-schema", "{}", &err);

    g_assert_no_error(err);
    free_vm(vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/monitor/hmp/lines", test_lines);
    g_test_add_func("/monitor/hmp/all-infos", test_all_infos);
    g_test_add_func("/monitor/hmp/expressions", test_expressions);
    g_test_add_func("/monitor/hmp/editing", test_editing);
    g_test_add_func("/monitor/hmp/completion", test_completion);
    g_test_add_func("/monitor/qom/commands", test_objects);
    return g_test_run();
}
