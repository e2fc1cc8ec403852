/*
 * ringbuf - keeps the last bytes written, to be read by ringbuf-read.
 */
#include "chardev/private.h"
#include "qapi-commands.h"

enum { DEFAULT_SIZE = 65536, MAX_SIZE = 1 << 30 };

typedef struct RingbufChar {
    RhChardev parent;
    uint8_t *bytes;
    uint64_t size;          /* a power of two */
    uint64_t written;       /* counts of bytes ever; written - read <= size */
    uint64_t read;
} RingbufChar;

static bool ringbuf_open(RhChardev *chr, const void *options, GError **err)
{
    RingbufChar *ring = RH_SELF(RingbufChar, chr);
    const QmpChardevRingbuf *given = options;
    int64_t size = given->has_size ? given->size : DEFAULT_SIZE;

    if (size <= 0 || size & (size - 1)) {
        return rh_fail(err, "size of ringbuf chardev must be power of two");
    }
    if (size > MAX_SIZE) {
        return rh_fail(err, "size of ringbuf chardev is %" PRIi64 ", must be at most %d", size, MAX_SIZE);
    }
    ring->size = size;
    ring->bytes = g_malloc(size);
    rh_chr_set_open(chr, true);
    return true;
}

static void ringbuf_close(RhChardev *chr)
{
    g_clear_pointer(&RH_SELF(RingbufChar, chr)->bytes, g_free);
}

static size_t ringbuf_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    RingbufChar *ring = RH_SELF(RingbufChar, chr);

    for (size_t i = 0; i < len; i++) {
        ring->bytes[ring->written++ & (ring->size - 1)] = buf[i];
    }
    if (ring->written - ring->read > ring->size) {
        ring->read = ring->written - ring->size;
    }
    return len;
}

RH_CHARDEV(RingbufChar, .name = "chardev-ringbuf", .doc = "Keeps the last bytes of output", .open = ringbuf_open,
           .close = ringbuf_close, .write = ringbuf_write);
RH_TYPE_ALIAS(memory, "chardev-memory", "chardev-ringbuf");

static RingbufChar *find(RhVm *vm, const char *id, GError **err)
{
    RhChardev *chr = rh_char_find(vm, id, NULL);

    if (!chr) {
        rh_fail(err, "Device '%s' not found", id);
        return NULL;
    }
    if (!rh_object_is(&chr->obj, "chardev-ringbuf")) {
        rh_fail(err, "%s is not a ringbuf device", id);
        return NULL;
    }
    return RH_SELF(RingbufChar, chr);
}

bool qmp_ringbuf_write(RhVm *vm, const QmpRingbufWriteArgs *args, GError **err)
{
    RingbufChar *ring = find(vm, args->device, err);
    g_autofree uint8_t *decoded = NULL;
    gsize len = strlen(args->data);

    if (!ring) {
        return false;
    }
    if (args->has_format && args->format == QMP_DATA_FORMAT_BASE64) {
        decoded = g_base64_decode(args->data, &len);
    }
    ringbuf_write(&ring->parent, decoded ? decoded : (const uint8_t *)args->data, len);
    return true;
}

/* Bytes that are no UTF-8, or NUL, have no place in a JSON string. */
static char *as_text(const GByteArray *bytes)
{
    GString *text = g_string_new(NULL);
    const char *at = (const char *)bytes->data;
    size_t left = bytes->len;

    while (left) {
        const char *end;

        g_utf8_validate_len(at, left, &end);
        g_string_append_len(text, at, end - at);
        left -= end - at;
        at = end;
        if (left) {
            g_string_append(text, "\xef\xbf\xbd");
            at++;
            left--;
        }
    }
    return g_string_free(text, FALSE);
}

char *qmp_ringbuf_read(RhVm *vm, const QmpRingbufReadArgs *args, GError **err)
{
    RingbufChar *ring = find(vm, args->device, err);
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    if (!ring) {
        return NULL;
    }
    if (args->size <= 0) {
        rh_fail(err, "size must be greater than zero");
        return NULL;
    }
    for (int64_t left = args->size; left && ring->read < ring->written; left--, ring->read++) {
        g_byte_array_append(bytes, &ring->bytes[ring->read & (ring->size - 1)], 1);
    }
    return args->has_format && args->format == QMP_DATA_FORMAT_BASE64 ? g_base64_encode(bytes->data, bytes->len)
                                                                      : as_text(bytes);
}
