/*
 * Incremental JSON, on json-c's tokener. It takes what the tokener takes beyond RFC 8259 (strings
 * in single quotes, which QMP clients have always been allowed), but only valid UTF-8.
 */
#include "qapi/stream.h"
#include <limits.h>
#include <string.h>
#include "util/core.h"
#include "util/error.h"

struct RhJsonStream {
    json_tokener *tokener;
    size_t max_bytes;
    size_t nr_bytes;  /* of the value being read */
    bool is_skipping; /* after an error, up to the next newline */
    RhJsonStreamFn *fn;
    void *opaque;
};

RhJsonStream *rh_json_stream_new(size_t max_bytes, unsigned max_depth, RhJsonStreamFn *fn,
                                 void *opaque)
{
    RhJsonStream *stream = g_new0(RhJsonStream, 1);

    stream->tokener = json_tokener_new_ex(max_depth);
    g_assert(stream->tokener);
    json_tokener_set_flags(stream->tokener, JSON_TOKENER_VALIDATE_UTF8);
    stream->max_bytes = max_bytes;
    stream->fn = fn;
    stream->opaque = opaque;
    return stream;
}

void rh_json_stream_free(RhJsonStream *stream)
{
    if (stream) {
        json_tokener_free(stream->tokener);
        g_free(stream);
    }
}

void rh_json_stream_reset(RhJsonStream *stream)
{
    json_tokener_reset(stream->tokener);
    stream->nr_bytes = 0;
    stream->is_skipping = false;
}

static void report(RhJsonStream *stream, const char *text)
{
    g_autoptr(GError) error = NULL;

    rh_json_stream_reset(stream);
    stream->is_skipping = true;
    rh_fail(&error, "%s", text);
    stream->fn(stream->opaque, NULL, error);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Bytes of @bytes up to and with the newline that ends the rubbish. */
static size_t skip(RhJsonStream *stream, const char *bytes, size_t len)
{
    const char *newline = memchr(bytes, '\n', len);

    stream->is_skipping = !newline;
    return newline ? (size_t)(newline + 1 - bytes) : len;
}

/* Parse up to the end of one value; returns the bytes used. */
static size_t parse_some(RhJsonStream *stream, const char *bytes, size_t len)
{
    /* One byte beyond the limit is enough to know that it is passed. */
    size_t nr = MIN(len, MIN(stream->max_bytes - stream->nr_bytes + 1, INT_MAX));
    json_object *value = json_tokener_parse_ex(stream->tokener, bytes, nr);
    enum json_tokener_error error = json_tokener_get_error(stream->tokener);
    size_t used = json_tokener_get_parse_end(stream->tokener);

    if (error == json_tokener_continue) {
        stream->nr_bytes += nr;
        if (stream->nr_bytes > stream->max_bytes) {
            report(stream, "JSON token size limit exceeded");
        }
        return nr;
    }
    if (error != json_tokener_success) {
        g_autofree char *text =
            g_strdup_printf("JSON parse error, %s", json_tokener_error_desc(error));

        report(stream, text);
        return used;
    }
    rh_json_stream_reset(stream);
    stream->fn(stream->opaque, value, NULL);
    return used;
}

void rh_json_stream_feed(RhJsonStream *stream, const char *bytes, size_t len)
{
    while (len) {
        size_t used;

        if (stream->is_skipping) {
            used = skip(stream, bytes, len);
        } else if (!stream->nr_bytes && is_blank(*bytes)) {
            used = 1; /* between values, so that blanks do not count as one being read */
        } else {
            used = parse_some(stream, bytes, len);
        }
        bytes += used;
        len -= used;
    }
}

json_object *rh_json_parse_object(const char *text, GError **err)
{
    json_tokener *tokener = json_tokener_new_ex(RH_JSON_MAX_DEPTH);
    size_t length = strlen(text);
    json_object *value = NULL;

    g_assert(tokener);
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    if (length < INT_MAX) {
        value = json_tokener_parse_ex(tokener, text, length);
    }
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t used = json_tokener_get_parse_end(tokener);

    json_tokener_free(tokener);
    if (error == json_tokener_continue) {
        rh_fail(err, "JSON parse error, premature EOI");
    } else if (error != json_tokener_success) {
        rh_fail(err, "JSON parse error, %s", json_tokener_error_desc(error));
    } else if (text[used + strspn(text + used, " \t\r\n")]) {
        rh_fail(err, "Expecting at most one JSON value");
    } else if (!json_object_is_type(value, json_type_object)) {
        rh_fail(err, "JSON value is not an object");
    } else {
        return value;
    }
    json_object_put(value);
    return NULL;
}
