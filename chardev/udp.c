/*
 * udp - datagrams to and from one peer.
 */
#include <errno.h>
#include "chardev/address.h"
#include "chardev/private.h"

typedef struct UdpChar {
    RhChardev parent;
    RhCharFd io;
} UdpChar;

/* Any local address of the peer's family, when the user named none. */
static int bound_socket(const RhCharAddress *remote, const QmpSocketAddressLegacy *local_addr, GError **err)
{
    rh_autofd fd = socket(remote->at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_autoptr(GArray) locals = NULL;

    if (fd < 0) {
        rh_fail_errno(err, errno, "Failed to create a UDP socket");
        return -1;
    }
    if (!local_addr) {
        return rh_steal_fd(&fd);
    }
    locals = rh_char_resolve(local_addr, SOCK_DGRAM, true, err);
    if (!locals) {
        return -1;
    }
    errno = EAFNOSUPPORT;
    for (unsigned i = 0; i < locals->len; i++) {
        const RhCharAddress *local = &g_array_index(locals, RhCharAddress, i);

        if (local->at.ss_family == remote->at.ss_family &&
            bind(fd, (const struct sockaddr *)&local->at, local->len) == 0) {
            return rh_steal_fd(&fd);
        }
    }
    rh_fail_errno(err, errno, "Failed to bind the UDP socket");
    return -1;
}

static bool udp_open(RhChardev *chr, const void *options, GError **err)
{
    UdpChar *self = RH_SELF(UdpChar, chr);
    const QmpChardevUdp *given = options;
    g_autofree char *name = rh_char_address_name(given->remote);

    if (given->remote->type != QMP_SOCKET_ADDRESS_TYPE_INET ||
        (given->local && given->local->type != QMP_SOCKET_ADDRESS_TYPE_INET)) {
        return rh_fail(err, "udp takes addresses of type inet only");
    }
    g_autoptr(GArray) remotes = rh_char_resolve(given->remote, SOCK_DGRAM, false, err);

    if (!remotes) {
        return false;
    }
    const RhCharAddress *remote = &g_array_index(remotes, RhCharAddress, 0);
    rh_autofd fd = bound_socket(remote, given->local, err);

    if (fd < 0) {
        return false;
    }
    if (connect(fd, (const struct sockaddr *)&remote->at, remote->len) < 0) {
        return rh_fail_errno(err, errno, "Failed to connect to '%s'", name);
    }
    int taken = rh_steal_fd(&fd);

    self->io.is_socket = self->io.is_datagram = true;
    rh_char_fd_begin(&self->io, chr, taken, taken);
    rh_chr_set_open(chr, true);
    return true;
}

static void udp_close(RhChardev *chr)
{
    rh_char_fd_end(&RH_SELF(UdpChar, chr)->io);
}

static size_t udp_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(UdpChar, chr)->io, buf, len);
}

static void udp_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(UdpChar, chr)->io);
}

RH_CHARDEV(UdpChar, .name = "chardev-udp", .doc = "Datagrams to and from one peer", .open = udp_open,
           .close = udp_close, .write = udp_write, .settle = udp_settle);
