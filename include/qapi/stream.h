/*
 * JSON values out of a stream of bytes that come in pieces of any size.
 */
#ifndef RH_QAPI_STREAM_H
#define RH_QAPI_STREAM_H

#include <glib.h>
#include <json-c/json.h>
#include <stddef.h>

enum {
    RH_JSON_MAX_DEPTH = 64,               /* brackets inside brackets */
    RH_JSON_MAX_BYTES = 64 * 1024 * 1024, /* of one value from a monitor */
};

/**
 * RhJsonStream - a parser in the middle of its input; ended by rh_json_stream_free
 * What cannot be parsed is reported once; then input is thrown away up to the next newline, where
 * parsing begins anew. Not locked: one thread at a time.
 */
typedef struct RhJsonStream RhJsonStream;

/**
 * RhJsonStreamFn - takes a complete @value (owned by the callee; NULL for JSON null), or an @error
 * (kept by the caller) with no value. It must not feed or free the stream that calls it.
 */
typedef void RhJsonStreamFn(void *opaque, json_object *value, const GError *error);

/** rh_json_stream_new - a parser that calls @fn for each value; larger or deeper ones are errors */
RhJsonStream *rh_json_stream_new(size_t max_bytes, unsigned max_depth, RhJsonStreamFn *fn,
                                 void *opaque);
/** rh_json_stream_free - accepts NULL */
void rh_json_stream_free(RhJsonStream *stream);
/** rh_json_stream_feed - parse @len more bytes; calls back for each value that became complete */
void rh_json_stream_feed(RhJsonStream *stream, const char *bytes, size_t len);
/** rh_json_stream_reset - forget what is half read: a new client begins */
void rh_json_stream_reset(RhJsonStream *stream);

/** rh_json_parse_object - the JSON object that is all of @text; NULL and @err if it is none */
json_object *rh_json_parse_object(const char *text, GError **err);

#endif
