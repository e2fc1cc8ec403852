/*
 * Socket addresses of character devices: resolved, shown, listened on.
 */
#include "chardev/address.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>
#include "util/error.h"
#include "util/parse.h"

static bool resolve_unix(const QmpUnixSocketAddress *addr, GArray *list, GError **err)
{
    RhCharAddress one = { .len = sizeof(struct sockaddr_un) };
    struct sockaddr_un *un = (struct sockaddr_un *)&one.at;
    bool is_abstract = addr->has_abstract && addr->abstract;
    bool is_tight = !addr->has_tight || addr->tight;
    size_t len = strlen(addr->path);

    if (len + 1 > sizeof(un->sun_path)) {
        return rh_fail(err, "UNIX socket path '%s' is too long: at most %zu bytes", addr->path,
                       sizeof(un->sun_path) - 1);
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + is_abstract, addr->path, len);
    if (is_abstract && is_tight) {
        one.len = offsetof(struct sockaddr_un, sun_path) + 1 + len;
    }
    g_array_append_val(list, one);
    return true;
}

static int family_of(const QmpInetSocketAddress *addr)
{
    bool has_4 = addr->has_ipv4;
    bool has_6 = addr->has_ipv6;

    if (has_4 && addr->ipv4 && !(has_6 && addr->ipv6)) {
        return AF_INET;
    }
    if (has_6 && addr->ipv6 && !(has_4 && addr->ipv4)) {
        return AF_INET6;
    }
    if (has_4 && !addr->ipv4 && !(has_6 && !addr->ipv6)) {
        return AF_INET6;
    }
    return has_6 && !addr->ipv6 && !(has_4 && !addr->ipv4) ? AF_INET : AF_UNSPEC;
}

static bool resolve_inet(const QmpInetSocketAddress *addr, int type, bool is_passive, GArray *list, GError **err)
{
    struct addrinfo hints = { .ai_socktype = type, .ai_family = family_of(addr) };
    struct addrinfo *found;
    const char *host = addr->host && addr->host[0] ? addr->host : NULL;

    if (addr->has_ipv4 && !addr->ipv4 && addr->has_ipv6 && !addr->ipv6) {
        return rh_fail(err, "Cannot disable IPv4 and IPv6 at same time");
    }
    if (!addr->port || !addr->port[0]) {
        return rh_fail(err, "port not specified");
    }
    hints.ai_flags = (is_passive ? AI_PASSIVE : 0) | (addr->has_numeric && addr->numeric ? AI_NUMERICHOST : 0);
    int code = getaddrinfo(host, addr->port, &hints, &found);

    if (code) {
        return rh_fail(err, "address resolution failed for %s:%s: %s", addr->host ? addr->host : "", addr->port,
                       gai_strerror(code));
    }
    for (struct addrinfo *at = found; at; at = at->ai_next) {
        RhCharAddress one = { .len = at->ai_addrlen };

        memcpy(&one.at, at->ai_addr, at->ai_addrlen);
        g_array_append_val(list, one);
    }
    freeaddrinfo(found);
    return true;
}

GArray *rh_char_resolve(const QmpSocketAddressLegacy *addr, int type, bool is_passive, GError **err)
{
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(RhCharAddress));
    bool is_ok;

    switch (addr->type) {
    case QMP_SOCKET_ADDRESS_TYPE_UNIX: is_ok = resolve_unix(addr->u.unix_->data, list, err); break;
    case QMP_SOCKET_ADDRESS_TYPE_INET:
        is_ok = resolve_inet(addr->u.inet->data, type, is_passive, list, err);
        break;
    default: is_ok = rh_fail(err, "Sockets of type vsock are not supported yet"); break;
    }
    return is_ok ? g_steal_pointer(&list) : NULL;
}

static char *unix_text(const struct sockaddr_un *un, socklen_t len)
{
    size_t path_len = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;

    if (path_len && !un->sun_path[0]) {
        bool is_tight = path_len < sizeof(un->sun_path);
        g_autofree char *name = g_strndup(un->sun_path + 1, path_len - 1);

        return g_strdup_printf("unix:%s,abstract=on,tight=%s", name, is_tight ? "on" : "off");
    }
    g_autofree char *path = g_strndup(un->sun_path, path_len);

    return g_strdup_printf("unix:%s", path);
}

char *rh_char_address_text(const struct sockaddr_storage *at, socklen_t len, const char *scheme)
{
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];

    if (at->ss_family == AF_UNIX) {
        return unix_text((const struct sockaddr_un *)at, len);
    }
    if (getnameinfo((const struct sockaddr *)at, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)) {
        return g_strdup("unknown");
    }
    const char *colon = scheme[0] ? ":" : "";

    return at->ss_family == AF_INET6 ? g_strdup_printf("%s%s[%s]:%s", scheme, colon, host, port)
                                     : g_strdup_printf("%s%s%s:%s", scheme, colon, host, port);
}

char *rh_char_address_name(const QmpSocketAddressLegacy *addr)
{
    switch (addr->type) {
    case QMP_SOCKET_ADDRESS_TYPE_UNIX: return g_strdup(addr->u.unix_->data->path);
    case QMP_SOCKET_ADDRESS_TYPE_INET:
        return g_strdup_printf("%s:%s", addr->u.inet->data->host, addr->u.inet->data->port);
    case QMP_SOCKET_ADDRESS_TYPE_FD: return g_strdup_printf("fd:%s", addr->u.fd->data->str);
    default: return g_strdup("vsock");
    }
}

static void set_port(struct sockaddr_storage *at, unsigned port)
{
    if (at->ss_family == AF_INET) {
        ((struct sockaddr_in *)at)->sin_port = htons(port);
    } else if (at->ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)at)->sin6_port = htons(port);
    }
}

static unsigned get_port(const struct sockaddr_storage *at)
{
    return at->ss_family == AF_INET    ? ntohs(((const struct sockaddr_in *)at)->sin_port)
           : at->ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)at)->sin6_port)
                                       : 0;
}

/* A listening socket, or -1 and errno. */
static int listen_at(const RhCharAddress *address)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->at;
    rh_autofd fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0) {
        return -1;
    }
    if (address->at.ss_family == AF_UNIX && un->sun_path[0]) {
        unlink(un->sun_path);   /* left over by a run that ended badly */
    } else if (address->at.ss_family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (bind(fd, (const struct sockaddr *)&address->at, address->len) < 0 || listen(fd, 1) < 0) {
        return -1;
    }
    return rh_steal_fd(&fd);
}

int rh_char_listen(const QmpSocketAddressLegacy *addr, GError **err)
{
    g_autoptr(GArray) list = rh_char_resolve(addr, SOCK_STREAM, true, err);
    g_autofree char *name = rh_char_address_name(addr);
    const QmpInetSocketAddress *inet = addr->type == QMP_SOCKET_ADDRESS_TYPE_INET ? addr->u.inet->data : NULL;

    if (!list) {
        return -1;
    }
    errno = EADDRNOTAVAIL;
    for (unsigned i = 0; i < list->len; i++) {
        RhCharAddress address = g_array_index(list, RhCharAddress, i);
        unsigned first = get_port(&address.at);
        unsigned last = inet && inet->has_to ? inet->to : first;

        for (unsigned port = first; port <= last; port++) {
            set_port(&address.at, port);
            int fd = listen_at(&address);

            if (fd >= 0) {
                return fd;
            }
        }
    }
    rh_fail_errno(err, errno, "Failed to bind socket to '%s'", name);
    return -1;
}
