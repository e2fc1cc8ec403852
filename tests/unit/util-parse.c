/*
 * Numbers, sizes, booleans, UUIDs, JSON text, errors with hints: what is taken and what is refused.
 */
#include "util/core.h"
#include "util/error.h"
#include "util/json.h"
#include "util/parse.h"

#include <errno.h>

typedef struct NumberCase {
    const char *text;
    uint64_t max;
    bool is_good;
    uint64_t value;
} NumberCase;

static const NumberCase number_cases[] = {
    { "0",                    UINT64_MAX, true,  0 },
    { "18446744073709551615", UINT64_MAX, true,  UINT64_MAX },
    { "18446744073709551616", UINT64_MAX, false, 0 },
    { "0x1F",                 31,         true,  31 },
    { "32",                   31,         false, 0 },
    { "017",                  UINT64_MAX, true,  15 },
    { "08",                   UINT64_MAX, false, 0 },
    { "",                     UINT64_MAX, false, 0 },
    { " 5",                   UINT64_MAX, false, 0 },
    { "5 ",                   UINT64_MAX, false, 0 },
    { "-1",                   UINT64_MAX, false, 0 },
    { "+1",                   UINT64_MAX, false, 0 },
    { "0x",                   UINT64_MAX, false, 0 },
};

static void test_numbers(void)
{
    for (size_t i = 0; i < RH_COUNT(number_cases); i++) {
        const NumberCase *c = &number_cases[i];
        g_autoptr(GError) err = NULL;
        uint64_t value = 12345;

        g_test_message("'%s'", c->text);
        g_assert_cmpint(rh_parse_u64(c->text, c->max, &value, &err), ==, c->is_good);
        g_assert_cmpuint(value, ==, c->is_good ? c->value : 12345);
        g_assert_cmpint(err == NULL, ==, c->is_good);
    }
}

static void test_signed_numbers(void)
{
    int64_t value;

    g_assert_true(rh_parse_i64("-9223372036854775808", &value, NULL));
    g_assert_cmpint(value, ==, INT64_MIN);
    g_assert_true(rh_parse_i64("+9223372036854775807", &value, NULL));
    g_assert_cmpint(value, ==, INT64_MAX);
    g_assert_false(rh_parse_i64("9223372036854775808", &value, NULL));
    g_assert_false(rh_parse_i64("-9223372036854775809", &value, NULL));
    g_assert_false(rh_parse_i64("--1", &value, NULL));
    g_assert_false(rh_parse_i64("-", &value, NULL));
}

typedef struct SizeCase {
    const char *text;
    char suffix;
    bool is_good;
    uint64_t value;
} SizeCase;

static const SizeCase size_cases[] = {
    { "1",                     'B', true,  1 },
    { "1",                     'M', true,  1 << 20 },
    { "1B",                    'M', true,  1 },
    { "1k",                    'B', true,  1024 },
    { "1.5G",                  'B', true,  UINT64_C(3) << 29 },
    { "0.375M",                'B', true,  393216 },
    { "1.",                    'M', true,  1 << 20 },
    { "010",                   'B', true,  10 },
    { "0x10M",                 'B', true,  16 << 20 },
    { "15.999999999999999999E", 'B', true, UINT64_MAX - 1 },
    { "16E",                   'B', false, 0 },
    { "18446744073709551615",  'B', true,  UINT64_MAX },
    { "18446744073709551615",  'K', false, 0 },
    { "1.5",                   'B', false, 0 },
    { "1.5B",                  'M', false, 0 },
    { ".5G",                   'B', false, 0 },
    { "0x1.8M",                'B', false, 0 },
    { "1Q",                    'B', false, 0 },
    { "1KB",                   'B', false, 0 },
    { "",                      'B', false, 0 },
    { "-5",                    'B', false, 0 },
    { "K",                     'B', false, 0 },
};

static void test_sizes(void)
{
    for (size_t i = 0; i < RH_COUNT(size_cases); i++) {
        const SizeCase *c = &size_cases[i];
        g_autoptr(GError) err = NULL;
        uint64_t value = 12345;

        g_test_message("'%s'", c->text);
        g_assert_cmpint(rh_parse_size(c->text, c->suffix, &value, &err), ==, c->is_good);
        /* A fraction of 18 digits is exact to a few bytes even of exabytes. */
        g_assert_cmpuint(value / 16, ==, (c->is_good ? c->value : 12345) / 16);
        g_assert_cmpint(err == NULL, ==, c->is_good);
    }
}

static void test_bools(void)
{
    static const char *const on[] = { "on", "yes", "true", "y" };
    static const char *const off[] = { "off", "no", "false", "n" };
    static const char *const bad[] = { "", "On", "1", "maybe", "on " };
    bool value;

    for (size_t i = 0; i < RH_COUNT(on); i++) {
        g_assert_true(rh_parse_bool(on[i], &value, NULL));
        g_assert_true(value);
        g_assert_true(rh_parse_bool(off[i], &value, NULL));
        g_assert_false(value);
    }
    for (size_t i = 0; i < RH_COUNT(bad); i++) {
        g_assert_false(rh_parse_bool(bad[i], &value, NULL));
    }
}

static void test_uuid(void)
{
    static const char text[] = "00112233-4455-6677-8899-aAbBcCdDeEfF";
    char back[RH_UUID_TEXT_SIZE];
    RhUuid uuid;

    g_assert_true(rh_parse_uuid(text, &uuid, NULL));
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpuint(uuid.bytes[i], ==, i * 0x11);
    }
    rh_uuid_format(&uuid, back);
    g_assert_cmpstr(back, ==, "00112233-4455-6677-8899-aabbccddeeff");
    g_assert_false(rh_parse_uuid("00112233-4455-6677-8899-aabbccddeef", &uuid, NULL));
    g_assert_false(rh_parse_uuid("00112233-4455-6677-8899-aabbccddeeff0", &uuid, NULL));
    g_assert_false(rh_parse_uuid("00112233-4455-6677-8899_aabbccddeeff", &uuid, NULL));
    g_assert_false(rh_parse_uuid("g0112233-4455-6677-8899-aabbccddeeff", &uuid, NULL));
    g_assert_false(rh_parse_uuid("", &uuid, NULL));
}

static void check_json(const char *text, const char *expected_line)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(RhJson) json = rh_json_parse(text, &err);
    g_autofree char *start = g_strndup(text, 60);
    g_autofree char *shown = g_strescape(start, NULL);

    g_test_message("%s", shown);
    if (expected_line) {
        g_assert_no_error(err);
        g_assert_cmpstr(rh_json_line(json), ==, expected_line);
    } else {
        g_assert_error(err, RH_ERROR, RH_ERROR_GENERIC);
        g_assert_true(g_str_has_prefix(err->message, "JSON parse error, "));
        g_assert_null(json);
    }
}

static void test_json(void)
{
    g_autoptr(GString) deep = g_string_new(NULL);

    check_json("{\"a\": 18446744073709551615, \"b\": -9223372036854775808}",
               "{\"a\":18446744073709551615,\"b\":-9223372036854775808}");
    check_json("{'a': 'b/c'}", "{\"a\":\"b/c\"}");
    check_json("{'a': 'it\\'s \"x\"', \"b\": \"it's\"}", "{\"a\":\"it's \\\"x\\\"\",\"b\":\"it's\"}");
    check_json("'a\"", NULL);
    check_json("'\\", NULL);
    check_json(" 12 ", "12");
    check_json("{\"a\": 1} x", NULL);
    check_json("{\"a\": 1}{}", NULL);
    check_json("{\"a\": 1", NULL);
    check_json("[1,]", NULL);
    check_json("[1 2]", NULL);
    check_json("{\"a\": nul}", NULL);
    check_json("NaN", NULL);
    check_json("[{\"a\": [-Infinity]}]", NULL);
    check_json("/* no */ 1", NULL);
    check_json("\"\xff\"", NULL);
    check_json("null", NULL);       /* which could not be told from a failure */
    check_json("[null]", "[null]");
    check_json("", NULL);

    for (int i = 0; i < 1000; i++) {
        g_string_append_c(deep, '[');
    }
    check_json(deep->str, NULL);
    for (int i = 0; i < 1000; i++) {
        g_string_append_c(deep, ']');
    }
    check_json(deep->str, deep->str);
    g_string_assign(deep, "");
    for (int i = 0; i < 100000; i++) {
        g_string_append_c(deep, '[');
    }
    check_json(deep->str, NULL);
}

static void test_error_class_and_hint(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GError) copy = NULL;
    g_autoptr(GError) foreign = g_error_new(G_FILE_ERROR, G_FILE_ERROR_IO, "foreign");

    g_assert_false(rh_fail_class(&err, RH_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", "d0"));
    g_assert_cmpstr(rh_error_class_name(err), ==, "DeviceNotFound");
    g_assert_null(rh_error_hint(err));
    rh_hint(&err, "first");
    rh_hint(&err, "try %s", "d1");
    copy = g_error_copy(err);
    g_assert_cmpstr(rh_error_hint(copy), ==, "try d1");
    g_assert_cmpstr(copy->message, ==, "Device 'd0' not found");
    g_clear_error(&err);
    rh_hint(&err, "nobody hears");
    g_assert_false(rh_fail_errno(&err, -ENOENT, "Could not open '%s'", "x"));
    g_assert_cmpstr(err->message, ==, "Could not open 'x': No such file or directory");
    g_assert_cmpstr(rh_error_class_name(foreign), ==, "GenericError");
    g_assert_null(rh_error_hint(foreign));
    g_assert_false(rh_fail(NULL, "nobody asks"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/parse/numbers", test_numbers);
    g_test_add_func("/util/parse/signed-numbers", test_signed_numbers);
    g_test_add_func("/util/parse/sizes", test_sizes);
    g_test_add_func("/util/parse/bools", test_bools);
    g_test_add_func("/util/parse/uuid", test_uuid);
    g_test_add_func("/util/json/parse", test_json);
    g_test_add_func("/util/error/class-and-hint", test_error_class_and_hint);
    return g_test_run();
}
