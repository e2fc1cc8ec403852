/*
 * `key=value,nested.key=value,list.0=value` as JSON.
 */
#ifndef RH_QAPI_KEYVAL_H
#define RH_QAPI_KEYVAL_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

enum {
    /** RH_KEYVAL_SHORTHAND - a bare `key` is key=on and `nokey` is key=off (old style options) */
    RH_KEYVAL_SHORTHAND = 1,
    /** RH_KEYVAL_FLAT - dots mean nothing: keys stay as they are (property paths, -global) */
    RH_KEYVAL_FLAT = 2,
    /** RH_KEYVAL_NO_JSON - a text that begins with `{` is not JSON */
    RH_KEYVAL_NO_JSON = 4,
    /** RH_KEYVAL_COLLECT - a key that is given again makes an array of all its values (with FLAT)
     */
    RH_KEYVAL_COLLECT = 8,
};

/**
 * rh_keyval_parse - the JSON object that @text says; all its scalars are strings
 * `,,` stands for a comma in a value. A later setting of a key replaces an earlier one. A dotted
 * key names a member of an inner object, or of an array when all keys beside it are 0, 1, 2, ...
 * @implied_key: the key of a first part without `=`, or NULL
 * @is_help: set to whether a part is `help` or `?`; NULL when the option has no help
 * Returns a new object, or NULL and @err.
 */
json_object *rh_keyval_parse(const char *text, const char *implied_key, bool *is_help,
                             GError **err);

/**
 * rh_keyval_parse_as - as rh_keyval_parse, with RH_KEYVAL_ @flags
 * @ret_is_json: set to whether @text was JSON, so that its scalars have types; may be NULL
 */
json_object *rh_keyval_parse_as(const char *text, const char *implied_key, unsigned flags,
                                bool *ret_is_help, bool *ret_is_json, GError **err);

#endif
