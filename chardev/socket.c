/*
 * socket - a stream socket: a server that serves one client after another, or a client.
 *
 * States: listening (accept_watch runs), connecting (connect_watch or the retry timer runs), connected (io runs).
 * A server goes back to listening when its client leaves; a client with reconnect= goes back to connecting.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include "chardev/address.h"
#include "chardev/private.h"
#include "chardev/telnet.h"
#include "softmmu/fds.h"
#include "util/clock.h"
#include "util/log.h"

#define SECOND_NS INT64_C(1000000000)

typedef struct SocketChar {
    RhChardev parent;
    RhCharFd io;
    RhWatch accept_watch;
    RhWatch connect_watch;
    RhTimer retry;
    int listen_fd;              /* -1: not a server */
    int connect_fd;             /* -1: not connecting */
    GArray *addresses;          /* RhCharAddress; of a client */
    unsigned next_address;
    int64_t reconnect_ns;       /* 0: never */
    bool is_nodelay;
    bool is_telnet;
    bool is_set_up;             /* the descriptors above are valid */
    char *path;                 /* of a server, removed at the end */
    RhTelnet telnet;
} SocketChar;

static void begin_accepting(SocketChar *self);
static void connect_next(SocketChar *self);

/* --- what query-chardev shows --- */

static const char *scheme(const SocketChar *self)
{
    return self->is_telnet ? "telnet" : "tcp";
}

static char *local_text(const SocketChar *self, int fd)
{
    struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(at);

    getsockname(fd, (struct sockaddr *)&at, &len);
    return rh_char_address_text(&at, len, scheme(self));
}

static char *peer_text(const SocketChar *self)
{
    struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(at);

    if (getpeername(self->io.in, (struct sockaddr *)&at, &len) < 0 || at.ss_family == AF_UNIX) {
        return g_strdup("");
    }
    g_autofree char *text = rh_char_address_text(&at, len, "");

    return g_strdup_printf(" <-> %s", text);
}

static void show(SocketChar *self)
{
    g_autofree char *local = NULL;
    g_autofree char *peer = self->io.chr ? peer_text(self) : g_strdup("");

    if (self->listen_fd >= 0) {
        local = local_text(self, self->listen_fd);
    } else if (self->addresses) {
        const RhCharAddress *first = &g_array_index(self->addresses, RhCharAddress, 0);

        local = rh_char_address_text(&first->at, first->len, scheme(self));
    } else {
        local = self->io.chr ? local_text(self, self->io.in) : g_strdup("fd");
    }
    g_free(self->parent.filename);
    self->parent.filename = g_strconcat(self->io.chr ? "" : "disconnected:", local,
                                        self->listen_fd >= 0 ? ",server=on" : "", peer, NULL);
}

/* --- connected --- */

static ssize_t socket_read(RhCharFd *io, uint8_t *buf, size_t len)
{
    struct iovec iov = { buf, len };
    union {
        char bytes[CMSG_SPACE(sizeof(int) * RH_CHAR_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
    };
    ssize_t n = recvmsg(io->in, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    if (n < 0) {
        return n;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd;

            memcpy(&fd, (char *)c + at, sizeof(fd));
            rh_chr_add_fd(io->chr, fd);
        }
    }
    return n;
}

static void socket_received(RhChardev *chr, uint8_t *buf, size_t len)
{
    SocketChar *self = RH_SELF(SocketChar, chr);
    int has_break = 0;

    if (self->is_telnet) {
        len = rh_telnet_filter(&self->telnet, buf, len, &has_break);
    }
    if (has_break) {
        rh_chr_event(chr, RH_CHAR_BREAK);
    }
    if (len) {
        rh_chr_receive(chr, buf, len);
    }
}

static void socket_closed(RhChardev *chr)
{
    SocketChar *self = RH_SELF(SocketChar, chr);

    rh_char_fd_end(&self->io);
    rh_chr_drop_fds(chr);
    show(self);
    rh_chr_set_open(chr, false);
    if (self->listen_fd >= 0) {
        begin_accepting(self);
    } else if (self->reconnect_ns) {
        rh_timer_arm(&self->retry, rh_clock_now(rh_clock_real()) + self->reconnect_ns);
    }
}

static void connected(SocketChar *self, int fd)
{
    int on = 1;

    rh_watch_end(&self->accept_watch);
    self->accept_watch.fn = NULL;
    if (self->is_nodelay) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    self->telnet = (RhTelnet){ 0 };
    self->io = (RhCharFd){
        .is_socket = true, .read = socket_read, .received = socket_received, .closed = socket_closed,
    };
    rh_char_fd_begin(&self->io, &self->parent, fd, fd);
    show(self);
    if (self->is_telnet && self->listen_fd >= 0) {
        rh_char_fd_write(&self->io, rh_telnet_hello, sizeof(rh_telnet_hello));
    }
    rh_chr_set_open(&self->parent, true);
}

/* --- server --- */

static void accept_ready(void *opaque, unsigned events)
{
    SocketChar *self = opaque;
    int fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        connected(self, fd);
    }
}

static void begin_accepting(SocketChar *self)
{
    rh_watch_begin(&self->accept_watch, self->parent.obj.vm->loop, self->listen_fd, RH_READABLE, accept_ready, self);
}

/* wait=on: nothing goes on before there is a client. */
static bool accept_first(SocketChar *self, GError **err)
{
    int fd;

    fprintf(stderr, "waiting for connection on: %s\n", self->parent.filename);
    do {
        struct pollfd pollfd = { .fd = self->listen_fd, .events = POLLIN };

        poll(&pollfd, 1, -1);
        fd = accept4(self->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN || errno == ECONNABORTED));
    if (fd < 0) {
        return rh_fail_errno(err, errno, "Unable to accept a connection");
    }
    connected(self, fd);
    return true;
}

static bool open_server(SocketChar *self, const QmpChardevSocket *given, GError **err)
{
    const QmpSocketAddressLegacy *addr = given->addr;
    int is_listening = 0;
    socklen_t len = sizeof(is_listening);

    if (addr->type == QMP_SOCKET_ADDRESS_TYPE_FD) {
        self->listen_fd = rh_fd_get(self->parent.obj.vm, addr->u.fd->data->str, err);
        if (self->listen_fd >= 0 &&
            (getsockopt(self->listen_fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) < 0 || !is_listening)) {
            return rh_fail(err, "File descriptor '%s' is not a listening socket", addr->u.fd->data->str);
        }
    } else {
        self->listen_fd = rh_char_listen(addr, err);
    }
    if (self->listen_fd < 0) {
        return false;
    }
    if (addr->type == QMP_SOCKET_ADDRESS_TYPE_UNIX &&
        !(addr->u.unix_->data->has_abstract && addr->u.unix_->data->abstract)) {
        self->path = g_strdup(addr->u.unix_->data->path);
    }
    /* Another process may share the descriptor and take the client that woke us. */
    fcntl(self->listen_fd, F_SETFL, fcntl(self->listen_fd, F_GETFL) | O_NONBLOCK);
    show(self);
    if (given->has_wait && given->wait) {
        return accept_first(self, err);
    }
    begin_accepting(self);
    return true;
}

/* --- client --- */

static void retry(void *opaque)
{
    SocketChar *self = opaque;

    self->next_address = 0;
    connect_next(self);
}

static void connect_failed(SocketChar *self)
{
    if (self->next_address < self->addresses->len) {
        connect_next(self);
    } else {
        rh_timer_arm(&self->retry, rh_clock_now(rh_clock_real()) + self->reconnect_ns);
    }
}

static void connect_ready(void *opaque, unsigned events)
{
    SocketChar *self = opaque;
    int fd = self->connect_fd;
    int error = 0;
    socklen_t len = sizeof(error);

    rh_watch_end(&self->connect_watch);
    self->connect_fd = -1;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        close(fd);
        connect_failed(self);
    } else {
        connected(self, fd);
    }
}

/* Begin to connect to the next address without waiting. */
static void connect_next(SocketChar *self)
{
    const RhCharAddress *address = &g_array_index(self->addresses, RhCharAddress, self->next_address++);
    rh_autofd fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        connect_failed(self);
    } else if (connect(fd, (const struct sockaddr *)&address->at, address->len) == 0) {
        connected(self, rh_steal_fd(&fd));
    } else if (errno == EINPROGRESS) {
        self->connect_fd = rh_steal_fd(&fd);
        rh_watch_begin(&self->connect_watch, self->parent.obj.vm->loop, self->connect_fd, RH_WRITABLE, connect_ready,
                       self);
    } else {
        connect_failed(self);
    }
}

/* Connect now: the socket, or -1 and errno. */
static int connect_now(const RhCharAddress *address)
{
    rh_autofd fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address->at, address->len) < 0) {
        return -1;
    }
    return rh_steal_fd(&fd);
}

static bool open_client(SocketChar *self, const QmpChardevSocket *given, GError **err)
{
    g_autofree char *name = rh_char_address_name(given->addr);
    int fd = -1;

    if (given->addr->type == QMP_SOCKET_ADDRESS_TYPE_FD) {
        fd = rh_fd_get(self->parent.obj.vm, given->addr->u.fd->data->str, err);
        if (fd >= 0) {
            connected(self, fd);
        }
        return fd >= 0;
    }
    self->addresses = rh_char_resolve(given->addr, SOCK_STREAM, false, err);
    if (!self->addresses) {
        return false;
    }
    if (self->reconnect_ns) {
        show(self);
        retry(self);
        return true;
    }
    errno = EADDRNOTAVAIL;
    for (unsigned i = 0; i < self->addresses->len && fd < 0; i++) {
        fd = connect_now(&g_array_index(self->addresses, RhCharAddress, i));
    }
    if (fd < 0) {
        return rh_fail_errno(err, errno, "Failed to connect to '%s'", name);
    }
    connected(self, fd);
    return true;
}

/* --- the back-end --- */

static bool check(const QmpChardevSocket *given, bool is_server, GError **err)
{
    bool is_fd = given->addr->type == QMP_SOCKET_ADDRESS_TYPE_FD;

    if (given->tls_creds || given->tls_authz) {
        return rh_fail(err, "Parameter 'tls-creds': TLS on character devices is not supported yet");
    }
    if ((given->has_websocket && given->websocket) || (given->has_tn3270 && given->tn3270)) {
        return rh_fail(err, "websocket and tn3270 character devices are not supported yet");
    }
    if (given->addr->type == QMP_SOCKET_ADDRESS_TYPE_VSOCK) {
        return rh_fail(err, "Character devices over vsock are not supported yet");
    }
    if (!is_server && given->has_wait && given->wait) {
        return rh_fail(err, "'wait' option is incompatible with socket in client connect mode");
    }
    if (is_server && given->has_reconnect && given->reconnect) {
        return rh_fail(err, "'reconnect' option is incompatible with socket in server listen mode");
    }
    if (given->has_reconnect && (given->reconnect < 0 || given->reconnect > INT32_MAX)) {
        return rh_fail(err, "Parameter 'reconnect' expects a number of seconds from 0 to %d", INT32_MAX);
    }
    return !is_fd || !given->has_reconnect || !given->reconnect ||
           rh_fail(err, "'reconnect' option is incompatible with 'fd'");
}

static bool socket_open(RhChardev *chr, const void *options, GError **err)
{
    SocketChar *self = RH_SELF(SocketChar, chr);
    const QmpChardevSocket *given = options;
    bool is_server = !given->has_server || given->server;

    self->listen_fd = self->connect_fd = -1;
    self->is_set_up = true;
    if (!check(given, is_server, err)) {
        return false;
    }
    self->is_nodelay = given->has_nodelay && given->nodelay && given->addr->type == QMP_SOCKET_ADDRESS_TYPE_INET;
    self->is_telnet = given->has_telnet && given->telnet;
    self->reconnect_ns = given->has_reconnect ? given->reconnect * SECOND_NS : 0;
    rh_timer_init(&self->retry, rh_clock_real(), chr->obj.vm->loop, retry, self);
    return is_server ? open_server(self, given, err) : open_client(self, given, err);
}

static void socket_close(RhChardev *chr)
{
    SocketChar *self = RH_SELF(SocketChar, chr);

    if (!self->is_set_up) {
        return;
    }
    self->is_set_up = false;
    if (self->path) {
        unlink(self->path);     /* before the client sees the end: it may look whether all is gone */
    }
    rh_char_fd_end(&self->io);
    rh_watch_end(&self->accept_watch);
    rh_watch_end(&self->connect_watch);
    rh_timer_fini(&self->retry);
    if (self->listen_fd >= 0) {
        close(self->listen_fd);
    }
    if (self->connect_fd >= 0) {
        close(self->connect_fd);
    }
    g_free(self->path);
    if (self->addresses) {
        g_array_unref(self->addresses);
    }
}

static size_t socket_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(SocketChar, chr)->io, buf, len);
}

static void socket_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(SocketChar, chr)->io);
}

RH_CHARDEV(SocketChar, .name = "chardev-socket", .doc = "Stream socket", .open = socket_open, .close = socket_close,
           .write = socket_write, .settle = socket_settle);
