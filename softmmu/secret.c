/*
 * secret - a password or key, given in the option itself or in a file. It is read once, when the object is made:
 * the file may go afterwards.
 */
#include "qom/object.h"

enum { SECRET_MAX_SIZE = 1 << 20 };     /* keys and passwords are small; a wrong file need not be */

enum { FORMAT_RAW, FORMAT_BASE64 };
static const char *const formats[] = { "raw", "base64", NULL };

typedef struct Secret {
    RhObject obj;
    char *data;             /* properties */
    char *file;
    char *keyid;
    char *iv;
    int format;
    bool is_loaded;
    GBytes *bytes;
} Secret;

static bool read_text(const Secret *secret, char **ret, gsize *ret_len, GError **err)
{
    g_autoptr(GError) reason = NULL;

    if (!secret->file) {
        *ret = g_strdup(secret->data);
        *ret_len = strlen(secret->data);
        return true;
    }
    return g_file_get_contents(secret->file, ret, ret_len, &reason) ||
           rh_fail(err, "Unable to read %s: %s", secret->file, reason->message);
}

static GBytes *decode(const Secret *secret, const char *text, gsize len, GError **err)
{
    gsize size = 0;
    guchar *bytes;

    if (secret->format == FORMAT_RAW) {
        return g_bytes_new(text, len);
    }
    bytes = len ? g_base64_decode(text, &size) : NULL;
    if (len && !size) {
        rh_fail(err, "Secret '%s' is not base64", secret->obj.name);
        g_free(bytes);
        return NULL;
    }
    return g_bytes_new_take(bytes, size);
}

static bool secret_complete(RhObject *obj, GError **err)
{
    Secret *secret = RH_SELF(Secret, obj);
    g_autofree char *text = NULL;
    gsize len = 0;

    if (secret->keyid || secret->iv) {
        return rh_fail(err, "Property 'secret.%s': encrypted secrets are not supported yet",
                       secret->keyid ? "keyid" : "iv");
    }
    if (!secret->file == !secret->data) {
        return rh_fail(err, secret->file ? "'file' and 'data' are mutually exclusive"
                                         : "Must provide 'file' or 'data'");
    }
    if (!read_text(secret, &text, &len, err)) {
        return false;
    }
    if (len > SECRET_MAX_SIZE) {
        return rh_fail(err, "Secret is %" G_GSIZE_FORMAT " bytes long, must be at most %d", len, SECRET_MAX_SIZE);
    }
    secret->bytes = decode(secret, text, len, err);
    return secret->bytes;
}

static void secret_fini(RhObject *obj)
{
    g_clear_pointer(&RH_SELF(Secret, obj)->bytes, g_bytes_unref);
}

static const char *const secret_interfaces[] = { RH_INTERFACE_USER_CREATABLE, NULL };
static const RhProp secret_props[] = {
    RH_PROP("data",   Secret, data,   .doc = "the secret itself"),
    RH_PROP("file",   Secret, file,   .doc = "file that holds it"),
    RH_PROP_AS(rh_prop_enum, "format", Secret, format, .values = formats, .doc = "how it is written there"),
    RH_PROP("keyid",  Secret, keyid,  .doc = "secret that decrypts it (not supported yet)"),
    RH_PROP("iv",     Secret, iv,     .doc = "initialization vector for that (not supported yet)"),
    RH_PROP("loaded", Secret, is_loaded, .doc = "kept for old configurations; a secret loads by itself"),
};
static const RhType secret_type = {
    .name = "secret",
    .parent = RH_TYPE_OBJECT,
    .doc = "Password or key",
    .size = sizeof(Secret),
    .interfaces = secret_interfaces,
    .props = RH_TABLE(secret_props),
    .fini = secret_fini,
    .complete = secret_complete,
};
RH_TYPE_ENTRY(secret_type);
