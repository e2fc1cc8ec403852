/*
 * `key=value,...`, the stream of JSON values, and the table of options.
 */
#include "qapi/keyval.h"
#include <glib.h>
#include <string.h>
#include "qapi/option.h"
#include "qapi/qapi-options.h"
#include "qapi/stream.h"
#include "qapi/visit.h"
#include "util/core.h"

enum { OLD = RH_KEYVAL_SHORTHAND | RH_KEYVAL_FLAT };

typedef struct KeyvalCase {
    const char *in;
    const char *implied;
    unsigned flags;
    const char *out; /* JSON, or the message of the error */
} KeyvalCase;

static const KeyvalCase keyval_cases[] = {
    { "", NULL, 0, "{}" },
    { "a=1", NULL, 0, "{\"a\":\"1\"}" },
    { "a=1,", NULL, 0, "{\"a\":\"1\"}" },
    { "a=1,,2,b=", NULL, 0, "{\"a\":\"1,2\",\"b\":\"\"}" },
    { "a=1,a=2", NULL, 0, "{\"a\":\"2\"}" },
    { "a=b=c", NULL, 0, "{\"a\":\"b=c\"}" },
    { "x,a=1", "driver", 0, "{\"driver\":\"x\",\"a\":\"1\"}" },
    { "x,,y", "driver", 0, "{\"driver\":\"x,y\"}" },
    { "a=1,x", "driver", 0, "Expected '=' after parameter 'x'" },
    { "a.b.c=1,a.d=2", NULL, 0, "{\"a\":{\"b\":{\"c\":\"1\"},\"d\":\"2\"}}" },
    { "l.1=b,l.0=a", NULL, 0, "{\"l\":[\"a\",\"b\"]}" },
    { "l.0.x=a,l.1.x=b", NULL, 0, "{\"l\":[{\"x\":\"a\"},{\"x\":\"b\"}]}" },
    { "l.1=b", NULL, 0, "Parameter 'l.0' is missing" },
    { "l.0=b,l.x=1", NULL, 0, "Parameters 'l.*' used inconsistently" },
    { "cache=1,cache.direct=on", NULL, 0, "Parameters 'cache.*' used inconsistently" },
    { "cache.direct=on,cache=1", NULL, 0, "Parameters 'cache.*' used inconsistently" },
    { "=x", NULL, 0, "Invalid parameter ''" },
    { "a..b=1", NULL, 0, "Invalid parameter 'a..b'" },
    { "9a=1", NULL, 0, "Invalid parameter '9a'" },
    { "0=1", NULL, 0, "Invalid parameter '0'" },
    { "a$=1", NULL, 0, "Invalid parameter 'a$'" },
    { "a.=1", NULL, 0, "Invalid parameter 'a.'" },
    { "{\"a\":[1,null]}", "driver", 0, "{\"a\":[1,null]}" },
    { "{\"a\":1", NULL, 0, "JSON parse error, premature EOI" },
    { "{\"a\":1} x", NULL, 0, "Expecting at most one JSON value" },
    { "{a", "name", OLD | RH_KEYVAL_NO_JSON, "{\"name\":\"{a\"}" },
    { "sock,server,nowait,path=x", "backend", OLD,
      "{\"backend\":\"sock\",\"server\":\"on\",\"wait\":\"off\",\"path\":\"x\"}" },
    { "file=x,file.locking=off", NULL, OLD, "{\"file\":\"x\",\"file.locking\":\"off\"}" },
    { "=x", NULL, OLD, "Invalid parameter ''" },
    { "a=1,b=2,a=3,a=4", NULL, RH_KEYVAL_FLAT | RH_KEYVAL_COLLECT,
      "{\"a\":[\"1\",\"3\",\"4\"],\"b\":\"2\"}" },
};

static void test_keyval(void)
{
    for (unsigned i = 0; i < RH_COUNT(keyval_cases); i++) {
        const KeyvalCase *c = &keyval_cases[i];
        g_autoptr(GError) err = NULL;
        json_object *object = rh_keyval_parse_as(c->in, c->implied, c->flags, NULL, NULL, &err);

        g_test_message("case '%s'", c->in);
        g_assert_cmpint(object == NULL, ==, err != NULL);
        g_assert_cmpstr(err ? err->message
                            : json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                        ==, c->out);
        json_object_put(object);
    }
}

static void test_depth(void)
{
    g_autoptr(GString) key = g_string_new("a");
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; i < 100000; i++) {
        g_string_append(key, ".a");
    }
    g_string_append(key, "=1");
    g_assert_null(rh_keyval_parse(key->str, NULL, NULL, &err));
    g_assert_nonnull(err);
}

static void test_help(void)
{
    static const struct {
        const char *in;
        bool is_help;
    } cases[] = { { "help", true },
                  { "?", true },
                  { "virtio-blk,help", true },
                  { "a=help", false },
                  { "x", false } };

    for (unsigned i = 0; i < RH_COUNT(cases); i++) {
        bool is_help = !cases[i].is_help;
        json_object *object = rh_keyval_parse(cases[i].in, "driver", &is_help, NULL);

        g_assert_nonnull(object);
        g_assert_cmpint(is_help, ==, cases[i].is_help);
        json_object_put(object);
    }
}

/* The stream writes down what it gives: values as JSON, errors with an exclamation mark. */
static void note(void *opaque, json_object *value, const GError *error)
{
    GString *log = opaque;

    g_string_append_printf(log, "%s%s;", error ? "!" : "",
                           error ? error->message
                                 : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
    json_object_put(value);
}

static void check_stream(const char *bytes, size_t piece, const char *expected)
{
    g_autoptr(GString) log = g_string_new(NULL);
    RhJsonStream *stream = rh_json_stream_new(40, 5, note, log);

    for (size_t at = 0, len = strlen(bytes); at < len; at += piece) {
        rh_json_stream_feed(stream, bytes + at, MIN(piece, len - at));
    }
    rh_json_stream_free(stream);
    g_assert_cmpstr(log->str, ==, expected);
}

static void test_stream(void)
{
    for (size_t piece = 1; piece < 50; piece++) {
        check_stream("{\"a\":1}{\"b\":[2]}\r\n\n  3\n", piece, "{\"a\":1};{\"b\":[2]};3;");
        check_stream("{'execute':'stop'}\n", piece, "{\"execute\":\"stop\"};");
        check_stream("{\"a\":1", piece, "");
        check_stream("{\"a\" 1} {\"x\":1}\n{\"b\":2}", piece,
                     "!JSON parse error, object property name separator ':' expected;{\"b\":2};");
        check_stream("[[[[[[[[1]]]]]]]]\n{}", piece, "!JSON parse error, nesting too deep;{};");
        check_stream("\"\xff\"\n{}", piece, "!JSON parse error, invalid utf-8 string;{};");
        check_stream("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]\n{}", piece,
                     "!JSON token size limit exceeded;{};");
        check_stream("                                                      {}", piece, "{};");
    }
}

static void test_options(void)
{
    unsigned nr;
    const RhOption *options = rh_options(&nr);
    g_autoptr(GError) err = NULL;

    g_assert_cmpuint(nr, ==, RH_OPT__NR);
    g_assert_true(rh_option_find("M") == &options[RH_OPT_MACHINE]);
    g_assert_true(rh_option_find("S") != rh_option_find("s"));
    g_assert_null(rh_option_find("no-such-option"));
    g_assert_true(rh_option_check(rh_option_find("m"), &err));
    g_assert_false(rh_option_check(rh_option_find("netdev"), &err));
    g_assert_cmpstr(err->message, ==, "-netdev is not supported yet: networking");
    for (unsigned i = 0; i < nr; i++) {
        g_assert_nonnull(options[i].help);
        g_assert_cmpint(options[i].kind >= RH_OPTION_STRUCT, ==, options[i].type != NULL);
    }
}

static void test_option_read(void)
{
    const RhOption *smp = rh_option_find("smp");
    g_autoptr(GError) err = NULL;
    bool is_help;
    bool is_json;
    json_object *first = rh_option_parse(smp, "2,cores=2", &is_help, &is_json, &err);
    json_object *second = rh_option_parse(smp, "maxcpus=4,cores=4", &is_help, &is_json, &err);

    g_assert_no_error(err);
    rh_option_merge(first, second);
    QmpSMPConfiguration *value = rh_option_read(smp, first, is_json, &err);

    g_assert_no_error(err);
    g_assert_cmpint(value->cpus, ==, 2);
    g_assert_cmpint(value->cores, ==, 4);
    g_assert_cmpint(value->maxcpus, ==, 4);
    g_assert_false(value->has_dies);
    qmp_smp_configuration_free(value);
    json_object_put(first);
    json_object_put(second);
}

static void test_option_collect(void)
{
    const RhOption *numa = rh_option_find("numa");
    g_autoptr(GError) err = NULL;
    bool is_help;
    bool is_json;
    json_object *in = rh_option_parse(numa, "node,cpus=0,cpus=4-5", &is_help, &is_json, &err);
    QmpNumaOptions *value = rh_option_read(numa, in, is_json, &err);

    g_assert_no_error(err);
    g_assert_cmpuint(value->u.node->cpus->len, ==, 3);
    g_assert_cmpuint(g_array_index(value->u.node->cpus, uint16_t, 2), ==, 5);
    qmp_numa_options_free(value);
    json_object_put(in);
}

static void test_option_description(void)
{
    g_autoptr(GError) err = NULL;
    json_object *array = rh_option_describe_all("msg", &err);

    g_assert_cmpstr(
        json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN), ==,
        "[{\"option\":\"msg\",\"parameters\":["
        "{\"name\":\"timestamp\",\"type\":\"boolean\",\"help\":\"begin each message with the "
        "time\"},"
        "{\"name\":\"guest-name\",\"type\":\"boolean\",\"help\":\"and with the guest's name\"}]}]");
    json_object_put(array);
    g_assert_null(rh_option_describe_all("bogus", &err));
    g_assert_cmpstr(err->message, ==, "invalid option name: bogus");

    g_autofree char *help = rh_option_help("prog");

    g_assert_nonnull(strstr(help, "\n-kernel file\n"));
    g_assert_nonnull(strstr(help, "(not supported yet)"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/keyval/table", test_keyval);
    g_test_add_func("/qapi/keyval/depth", test_depth);
    g_test_add_func("/qapi/keyval/help", test_help);
    g_test_add_func("/qapi/stream", test_stream);
    g_test_add_func("/qapi/options/table", test_options);
    g_test_add_func("/qapi/options/read", test_option_read);
    g_test_add_func("/qapi/options/collect", test_option_collect);
    g_test_add_func("/qapi/options/description", test_option_description);
    return g_test_run();
}
