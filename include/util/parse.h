/*
 * Numbers, sizes, booleans and UUIDs out of text that a user wrote. Each takes the whole string,
 * returns false and sets @err (which quotes the text and says what would be right) when it does not fit,
 * and leaves the result untouched then.
 */
#ifndef RH_UTIL_PARSE_H
#define RH_UTIL_PARSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/** rh_parse_u64 - a number of 0 to @max: decimal, 0x hexadecimal or 0 octal; no sign, no spaces */
bool rh_parse_u64(const char *s, uint64_t max, uint64_t *ret, GError **err);
/** rh_parse_i64 - a number of INT64_MIN to INT64_MAX, with an optional sign */
bool rh_parse_i64(const char *s, int64_t *ret, GError **err);
/**
 * rh_parse_size - bytes: digits, possibly a fraction, and one of the letters B K M G T P E (of 1024, either
 * case); @default_suffix (such a letter) stands for a missing one. Hexadecimal takes no fraction.
 */
bool rh_parse_size(const char *s, char default_suffix, uint64_t *ret, GError **err);
/** rh_parse_bool - on, yes, true, y; off, no, false, n */
bool rh_parse_bool(const char *s, bool *ret, GError **err);

/** RhUuid - in the order of the text (network order), RFC 4122 §4.1.2 */
typedef struct RhUuid {
    uint8_t bytes[16];
} RhUuid;
#define RH_UUID_TEXT_SIZE 37    /* with the final NUL */

/** rh_parse_uuid - 8-4-4-4-12 hexadecimal digits of either case */
bool rh_parse_uuid(const char *s, RhUuid *ret, GError **err);
/** rh_uuid_format - write the lower-case text of @uuid */
void rh_uuid_format(const RhUuid *uuid, char ret_text[RH_UUID_TEXT_SIZE]);

#endif
