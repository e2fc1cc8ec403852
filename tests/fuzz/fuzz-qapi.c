/*
 * Bytes a client or a command line may hold: option strings, JSON, streams of JSON. The first byte
 * picks the schema type, the second the form. What is accepted must survive a round trip.
 */
#include <glib.h>
#include <stdint.h>
#include "qapi/keyval.h"
#include "qapi/option.h"
#include "qapi/qapi-types.h"
#include "qapi/stream.h"
#include "qapi/visit.h"
#include "util/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const RhQapiType *const types[] = {
    &qmp_type_blockdev_options, &qmp_type_chardev_add_args, &qmp_type_numa_options,
    &qmp_type_memdev,           &qmp_type_device_add_args,  &qmp_type_memory_options,
    &qmp_type_block_stats,      &qmp_type_action_options,   &qmp_type_pci_info,
    &qmp_type_drive_options,    &qmp_type_chardev_options,  &qmp_type_add_fd_options,
};

static void try_value(const RhQapiType *type, json_object *in, unsigned flags)
{
    g_autoptr(GError) err = NULL;
    void *value = NULL;
    void *again = NULL;

    if (!qapi_from_json(type, in, &value, flags, &err)) {
        g_assert_nonnull(err);
        return;
    }
    json_object *out = qapi_to_json(type, &value);

    if (!qapi_from_json(type, out, &again, 0, &err)) {
        g_error("%s became %s: %s", json_object_to_json_string(in), json_object_to_json_string(out),
                err->message);
    }
    json_object *same = qapi_to_json(type, &again);

    g_assert_cmpstr(json_object_to_json_string(out), ==, json_object_to_json_string(same));
    json_object_put(out);
    json_object_put(same);
    qapi_free(type, value);
    qapi_free(type, again);
}

static void take_value(void *opaque, json_object *value, const GError *error)
{
    const RhQapiType *type = opaque;

    if (!error) {
        try_value(type, value, 0);
    }
    json_object_put(value);
}

static void try_stream(const RhQapiType *type, const char *text, size_t len)
{
    RhJsonStream *stream = rh_json_stream_new(1024, 16, take_value, (void *)type);

    /* In two pieces: the state in between is what matters. */
    rh_json_stream_feed(stream, text, len / 2);
    rh_json_stream_feed(stream, text + len / 2, len - len / 2);
    rh_json_stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const RhQapiType *type = types[data[0] % RH_COUNT(types)];
    g_autofree char *text = g_strndup((const char *)data + 2, size - 2);
    bool is_help;
    bool is_json;

    if (data[1] % 3 == 2) {
        try_stream(type, (const char *)data + 2, size - 2);
        return 0;
    }
    unsigned flags = data[1] % 3 ? RH_KEYVAL_SHORTHAND | RH_KEYVAL_FLAT | RH_KEYVAL_COLLECT : 0;
    json_object *object = rh_keyval_parse_as(text, "driver", flags, &is_help, &is_json, NULL);

    if (object) {
        try_value(type, object, is_json ? 0 : QAPI_KEYVAL);
        json_object_put(object);
    }
    return 0;
}
