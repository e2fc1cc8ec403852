/*
 * Numbers, sizes, booleans and UUIDs from text.
 */
#include "util/parse.h"
#include "util/core.h"
#include "util/error.h"

#include <errno.h>
#include <stdlib.h>

static bool parse_u64(const char *s, uint64_t *ret)
{
    char *end;
    uint64_t value;

    if (!g_ascii_isdigit(*s)) {         /* strtoull would take spaces and a sign */
        return false;
    }
    errno = 0;
    value = g_ascii_strtoull(s, &end, 0);
    if (errno || *end) {
        return false;
    }
    *ret = value;
    return true;
}

bool rh_parse_u64(const char *s, uint64_t max, uint64_t *ret, GError **err)
{
    uint64_t value;

    if (!parse_u64(s, &value) || value > max) {
        return rh_fail(err, "'%s' is not a number of 0 to %" PRIu64, s, max);
    }
    *ret = value;
    return true;
}

bool rh_parse_i64(const char *s, int64_t *ret, GError **err)
{
    bool is_negative = *s == '-';
    uint64_t limit = is_negative ? UINT64_C(1) << 63 : INT64_MAX;
    uint64_t value;

    if (!parse_u64(s + (is_negative || *s == '+'), &value) || value > limit) {
        return rh_fail(err, "'%s' is not a number of %" PRId64 " to %" PRId64, s, INT64_MIN, INT64_MAX);
    }
    *ret = (int64_t)(is_negative ? -value : value);
    return true;
}

static bool suffix_shift(char suffix, unsigned *ret_shift)
{
    static const char letters[] = "BKMGTPE";
    const char *at = suffix ? strchr(letters, g_ascii_toupper(suffix)) : NULL;

    if (!at) {
        return false;
    }
    *ret_shift = 10 * (unsigned)(at - letters);
    return true;
}

/* ".375" as a 64-bit binary fraction of one, rounded down; *s moves behind the digits. */
static uint64_t parse_fraction(const char **s)
{
    unsigned __int128 numerator = 0, denominator = 1;

    for (; g_ascii_isdigit(**s); ++*s) {
        if (denominator < UINT64_C(1000000000000000000)) {  /* later digits are below a byte of E */
            numerator = numerator * 10 + (unsigned)(**s - '0');
            denominator *= 10;
        }
    }
    return (uint64_t)((numerator << 64) / denominator);
}

static bool parse_size(const char *s, char default_suffix, uint64_t *ret)
{
    bool is_hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    unsigned __int128 value;
    uint64_t whole, fraction = 0;
    unsigned shift;
    char *end;
    const char *at;

    if (!g_ascii_isdigit(*s)) {
        return false;
    }
    errno = 0;
    whole = g_ascii_strtoull(s, &end, is_hex ? 16 : 10);
    if (errno) {
        return false;
    }
    at = end;
    if (*at == '.' && !is_hex) {
        at++;
        fraction = parse_fraction(&at);
    }
    if (!suffix_shift(*at ? *at : default_suffix, &shift) || (*at && at[1])) {
        return false;
    }
    if (fraction && !shift) {           /* part of a byte */
        return false;
    }
    value = ((unsigned __int128)whole << shift) + (((unsigned __int128)fraction << shift) >> 64);
    if (value > UINT64_MAX) {
        return false;
    }
    *ret = (uint64_t)value;
    return true;
}

bool rh_parse_size(const char *s, char default_suffix, uint64_t *ret, GError **err)
{
    if (!parse_size(s, default_suffix, ret)) {
        rh_fail(err, "'%s' is not a size below 16 EiB", s);
        rh_hint(err, "A size is a number, possibly with a fraction, and one of the suffixes B, K, M, G, "
                "T, P and E, for bytes and powers of 1024, e.g. 1.5G");
        return false;
    }
    return true;
}

bool rh_parse_bool(const char *s, bool *ret, GError **err)
{
    static const char *const words[2][4] = { { "off", "no", "false", "n" }, { "on", "yes", "true", "y" } };

    for (size_t i = 0; i < RH_COUNT(words[0]); i++) {
        if (g_str_equal(s, words[0][i]) || g_str_equal(s, words[1][i])) {
            *ret = g_str_equal(s, words[1][i]);
            return true;
        }
    }
    return rh_fail(err, "'%s' is not 'on' or 'off'", s);
}

static const char uuid_shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

bool rh_parse_uuid(const char *s, RhUuid *ret, GError **err)
{
    RhUuid uuid = { 0 };
    unsigned nr_digits = 0;

    for (size_t i = 0; i < sizeof(uuid_shape); i++) {   /* with the final NUL */
        bool is_digit = uuid_shape[i] == 'x';

        if (is_digit ? !g_ascii_isxdigit(s[i]) : s[i] != uuid_shape[i]) {
            return rh_fail(err, "'%s' is not a UUID of the form %s", s, uuid_shape);
        }
        if (is_digit) {
            uuid.bytes[nr_digits / 2] |= g_ascii_xdigit_value(s[i]) << (nr_digits % 2 ? 0 : 4);
            nr_digits++;
        }
    }
    *ret = uuid;
    return true;
}

void rh_uuid_format(const RhUuid *uuid, char ret_text[RH_UUID_TEXT_SIZE])
{
    unsigned nr_digits = 0;

    for (size_t i = 0; i < sizeof(uuid_shape); i++) {
        ret_text[i] = uuid_shape[i];
        if (uuid_shape[i] == 'x') {
            uint8_t byte = uuid->bytes[nr_digits / 2];

            ret_text[i] = "0123456789abcdef"[nr_digits % 2 ? byte & 15 : byte >> 4];
            nr_digits++;
        }
    }
}
