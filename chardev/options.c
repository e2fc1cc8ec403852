/*
 * The flat options of -chardev, and the shorter texts of -serial, -monitor and their like, as the back-end
 * description of chardev-add: there is one way to make a device.
 */
#include "chardev/open.h"
#include "chardev/private.h"
#include "qapi/keyval.h"
#include "qapi/visit.h"
#include "util/json.h"

/* --- options to back-end --- */

static void give(json_object *to, const char *name, json_object *value)
{
    json_object_object_add(to, name, value);
}

static void give_text(json_object *to, const char *name, const char *value)
{
    give(to, name, json_object_new_string(value));
}

/* Copy the member @from_name of @from, if it is there, as @to_name. */
static void copy(json_object *to, const char *to_name, json_object *from, const char *from_name)
{
    json_object *value;

    if (json_object_object_get_ex(from, from_name, &value)) {
        give(to, to_name, json_object_get(value));
    }
}

static json_object *tagged(const char *type, json_object *data)
{
    json_object *wrapper = json_object_new_object();

    give_text(wrapper, "type", type);
    give(wrapper, "data", data);
    return wrapper;
}

static json_object *inet_address(json_object *in, const char *host, const char *port)
{
    static const char *const others[] = { "to", "ipv4", "ipv6" };
    json_object *data = json_object_new_object();

    give_text(data, "host", host ? host : "");
    give_text(data, "port", port ? port : "");
    for (size_t i = 0; i < RH_COUNT(others); i++) {
        copy(data, others[i], in, others[i]);
    }
    return tagged("inet", data);
}

static json_object *socket_address(const QmpChardevOptions *options, json_object *in, GError **err)
{
    int nr = (options->path != NULL) + (options->host != NULL || options->port != NULL) + (options->fd != NULL);
    json_object *data;

    if (nr > 1) {
        rh_fail(err, "only one of path, host/port and fd can be given to a socket chardev");
        return NULL;
    }
    if (options->host || options->port) {
        if (!options->host || !options->port) {
            rh_fail(err, "chardev: socket: no %s given", options->host ? "port" : "host");
            return NULL;
        }
        return inet_address(in, options->host, options->port);
    }
    if (!nr) {
        rh_fail(err, "chardev: socket: no socket address given: path, host and port, or fd");
        return NULL;
    }
    data = json_object_new_object();
    if (options->fd) {
        give_text(data, "str", options->fd);
        return tagged("fd", data);
    }
    give_text(data, "path", options->path);
    copy(data, "abstract", in, "abstract");
    copy(data, "tight", in, "tight");
    return tagged("unix", data);
}

static bool socket_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    static const char *const same[] = { "tls-creds", "tls-authz", "nodelay", "telnet", "tn3270", "websocket",
                                        "reconnect" };
    json_object *addr = socket_address(options, in, err);
    bool is_server = options->has_server && options->server;

    if (!addr) {
        return false;
    }
    give(data, "addr", addr);
    for (size_t i = 0; i < RH_COUNT(same); i++) {
        copy(data, same[i], in, same[i]);
    }
    if (options->has_delay && !options->has_nodelay) {
        give(data, "nodelay", json_object_new_boolean(!options->delay));
    }
    give(data, "server", json_object_new_boolean(is_server));
    /* A server waits unless told otherwise; a client takes the word only to be told that it makes no sense. */
    if (is_server || options->has_wait) {
        give(data, "wait", json_object_new_boolean(!options->has_wait || options->wait));
    }
    return true;
}

static bool udp_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    const char *host = options->host && options->host[0] ? options->host : "localhost";

    if (!options->port || !options->port[0]) {
        return rh_fail(err, "chardev: udp: remote port not specified");
    }
    give(data, "remote", inet_address(in, host, options->port));
    if (options->localaddr || options->localport) {
        const char *port = options->localport && options->localport[0] ? options->localport : "0";

        give(data, "local", inet_address(in, options->localaddr, port));
    }
    return true;
}

static bool path_data(json_object *data, const char *name, const char *kind, const QmpChardevOptions *options,
                      GError **err)
{
    if (!options->path) {
        return rh_fail(err, "chardev: %s: no filename given", kind);
    }
    give_text(data, name, options->path);
    return true;
}

static bool file_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    copy(data, "append", in, "append");
    return path_data(data, "out", "file", options, err);
}

static bool pipe_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    return path_data(data, "device", "pipe", options, err);
}

static bool serial_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    return path_data(data, "device", "serial/tty", options, err);
}

static bool stdio_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    copy(data, "signal", in, "signal");
    return true;
}

static bool ringbuf_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    copy(data, "size", in, "size");
    return true;
}

static bool mux_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    if (!options->chardev) {
        return rh_fail(err, "chardev: mux: no chardev given");
    }
    give_text(data, "chardev", options->chardev);
    return true;
}

static bool no_data(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err)
{
    return true;
}

/* Kinds of -chardev, the kind of chardev-add that each is, and what of the options it takes. */
static const struct Kind {
    const char *name;
    const char *backend;
    bool (*data)(json_object *data, const QmpChardevOptions *options, json_object *in, GError **err);
} kinds[] = {
    { "null",    "null",    no_data },
    { "stdio",   "stdio",   stdio_data },
    { "pty",     "pty",     no_data },
    { "file",    "file",    file_data },
    { "pipe",    "pipe",    pipe_data },
    { "serial",  "serial",  serial_data },
    { "tty",     "serial",  serial_data },
    { "socket",  "socket",  socket_data },
    { "udp",     "udp",     udp_data },
    { "mux",     "mux",     mux_data },
    { "ringbuf", "ringbuf", ringbuf_data },
    { "memory",  "ringbuf", ringbuf_data },
};

static QmpChardevBackend *to_backend(const QmpChardevOptions *options, GError **err)
{
    g_autoptr(RhJson) in = qmp_chardev_options_to_json(options);
    g_autoptr(RhJson) data = json_object_new_object();
    const char *backend = options->backend;

    for (size_t i = 0; i < RH_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, options->backend) == 0) {
            backend = kinds[i].backend;
            if (!kinds[i].data(data, options, in, err)) {
                return NULL;
            }
        }
    }
    copy(data, "logfile", in, "logfile");
    copy(data, "logappend", in, "logappend");
    g_autoptr(RhJson) all = tagged(backend, g_steal_pointer(&data));
    g_autoptr(GError) why = NULL;
    QmpChardevBackend *result = qmp_chardev_backend_from_json(all, 0, &why);

    if (!result) {
        rh_fail(err, "chardev: '%s' is not a valid backend: %s", options->backend, why->message);
    }
    return result;
}

static RhChardev *open_mux(RhVm *vm, const char *id, const char *base, GError **err)
{
    g_autofree char *text = g_strdup_printf("backend=mux,chardev=%s", base);
    g_autoptr(RhJson) in = rh_keyval_parse_as(text, NULL, RH_KEYVAL_FLAT | RH_KEYVAL_NO_JSON, NULL, NULL, err);
    g_autoptr(QmpChardevOptions) options = in ? qmp_chardev_options_from_json(in, QAPI_KEYVAL, err) : NULL;
    g_autoptr(QmpChardevBackend) backend = options ? to_backend(options, err) : NULL;

    return backend ? rh_char_open_backend(vm, id, backend, err) : NULL;
}

static RhChardev *open_with(RhVm *vm, const char *id, bool is_mux, json_object *in, GError **err)
{
    g_autoptr(QmpChardevOptions) options = qmp_chardev_options_from_json(in, QAPI_KEYVAL, err);
    g_autofree char *base_id = is_mux ? g_strconcat(id, "-base", NULL) : g_strdup(id);

    if (!options) {
        return NULL;
    }
    if (!options->backend) {
        rh_fail(err, "chardev: \"%s\" missing backend", id);
        return NULL;
    }
    g_autoptr(QmpChardevBackend) backend = to_backend(options, err);
    RhChardev *chr = backend ? rh_char_open_backend(vm, base_id, backend, err) : NULL;

    if (chr && is_mux) {
        chr = open_mux(vm, id, base_id, err);
        if (!chr) {
            rh_char_remove(vm, base_id, NULL);
        }
    }
    return chr;
}

RhChardev *rh_char_open_options(RhVm *vm, json_object *in, GError **err)
{
    g_autoptr(QmpChardevOptions) options = qmp_chardev_options_from_json(in, QAPI_KEYVAL, err);

    if (!options) {
        return NULL;
    }
    if (!options->id) {
        rh_fail(err, "chardev: no id specified");
        return NULL;
    }
    return open_with(vm, options->id, options->has_mux && options->mux, in, err);
}

/* --- texts to options --- */

/* "host:port", "[::1]:port" or ":port"; the port may be empty. */
static bool split_host_port(const char *text, json_object *into, const char *host, const char *port, GError **err)
{
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[' && colon && colon > text && colon[-1] == ']';

    if (!colon) {
        return rh_fail(err, "error parsing address '%s': expected host:port", text);
    }
    g_autofree char *name = g_strndup(text + has_brackets, colon - text - 2 * has_brackets);

    give_text(into, host, name);
    give_text(into, port, colon + 1);
    return true;
}

static json_object *parse_rest(const char *rest, const char *implied, GError **err)
{
    return rh_keyval_parse_as(rest, implied, RH_KEYVAL_SHORTHAND | RH_KEYVAL_FLAT | RH_KEYVAL_NO_JSON, NULL, NULL,
                              err);
}

static json_object *unix_spec(const char *rest, GError **err)
{
    json_object *in = parse_rest(rest, "path", err);

    if (in) {
        give_text(in, "backend", "socket");
    }
    return in;
}

static json_object *stream_spec(const char *rest, const char *protocol, GError **err)
{
    g_autoptr(RhJson) in = parse_rest(rest, "backend", err);
    json_object *address;

    if (!in) {
        return NULL;
    }
    if (!json_object_object_get_ex(in, "backend", &address)) {
        rh_fail(err, "error parsing address '%s': expected host:port", rest);
        return NULL;
    }
    g_autofree char *text = g_strdup(json_object_get_string(address));

    give_text(in, "backend", "socket");
    if (protocol) {
        give_text(in, protocol, "on");
    }
    return split_host_port(text, in, "host", "port", err) ? g_steal_pointer(&in) : NULL;
}

static json_object *tcp_spec(const char *rest, GError **err)
{
    return stream_spec(rest, NULL, err);
}

static json_object *telnet_spec(const char *rest, GError **err)
{
    return stream_spec(rest, "telnet", err);
}

static json_object *tn3270_spec(const char *rest, GError **err)
{
    return stream_spec(rest, "tn3270", err);
}

static json_object *websocket_spec(const char *rest, GError **err)
{
    return stream_spec(rest, "websocket", err);
}

/* [host]:port[@[localaddr]:localport] */
static json_object *udp_spec(const char *rest, GError **err)
{
    g_autoptr(RhJson) in = json_object_new_object();
    g_auto(GStrv) sides = g_strsplit(rest, "@", 2);

    give_text(in, "backend", "udp");
    if (!split_host_port(sides[0] ? sides[0] : "", in, "host", "port", err) ||
        (sides[0] && sides[1] && !split_host_port(sides[1], in, "localaddr", "localport", err))) {
        return NULL;
    }
    return g_steal_pointer(&in);
}

static json_object *path_spec(const char *kind, const char *path)
{
    json_object *in = json_object_new_object();

    give_text(in, "backend", kind);
    give_text(in, "path", path);
    return in;
}

static json_object *file_spec(const char *rest, GError **err)
{
    return path_spec("file", rest);
}

static json_object *pipe_spec(const char *rest, GError **err)
{
    return path_spec("pipe", rest);
}

static const struct Prefix {
    const char *text;
    json_object *(*parse)(const char *rest, GError **err);
} prefixes[] = {
    { "file:", file_spec },     { "pipe:", pipe_spec },     { "unix:", unix_spec },
    { "tcp:", tcp_spec },       { "telnet:", telnet_spec }, { "tn3270:", tn3270_spec },
    { "websocket:", websocket_spec }, { "udp:", udp_spec },
};

static json_object *parse_spec(const char *spec, GError **err)
{
    static const char *const plain[] = { "null", "stdio", "pty", "ringbuf", "memory", NULL };
    static const char *const later[] = { "vc", "msmouse", "wctablet", "braille", "testdev", NULL };

    for (size_t i = 0; i < RH_COUNT(prefixes); i++) {
        if (g_str_has_prefix(spec, prefixes[i].text)) {
            return prefixes[i].parse(spec + strlen(prefixes[i].text), err);
        }
    }
    if (g_strv_contains(plain, spec)) {
        json_object *in = json_object_new_object();

        give_text(in, "backend", spec);
        return in;
    }
    if (g_strv_contains(later, spec) || g_str_has_prefix(spec, "vc:") || g_str_has_prefix(spec, "/dev/parport")) {
        rh_fail(err, "Character device '%s' is not supported yet", spec);
        return NULL;
    }
    if (g_str_has_prefix(spec, "/dev/")) {
        return path_spec("serial", spec);
    }
    rh_fail(err, "'%s' is not a valid char driver", spec);
    return NULL;
}

QmpChardevBackend *rh_chr_parse_spec(const char *spec, GError **err)
{
    g_autoptr(RhJson) in = parse_spec(spec, err);
    g_autoptr(QmpChardevOptions) options = in ? qmp_chardev_options_from_json(in, QAPI_KEYVAL, err) : NULL;

    return options ? to_backend(options, err) : NULL;
}

RhChardev *rh_char_open_spec(RhVm *vm, const char *id, const char *spec, bool with_mux, GError **err)
{
    bool is_mon = g_str_has_prefix(spec, "mon:");
    const char *rest = spec + (is_mon ? strlen("mon:") : 0);

    if (g_str_has_prefix(spec, "chardev:")) {
        return rh_char_find(vm, spec + strlen("chardev:"), err);
    }
    if (is_mon && !with_mux) {
        rh_fail(err, "'%s': mon: cannot be used here", spec);
        return NULL;
    }
    g_autoptr(RhJson) in = parse_spec(rest, err);

    if (in && is_mon && strcmp(rest, "stdio") == 0) {
        give_text(in, "signal", "off");     /* Ctrl-C is for the guest; Ctrl-A x ends the program */
    }
    return in ? open_with(vm, id, is_mon, in, err) : NULL;
}
