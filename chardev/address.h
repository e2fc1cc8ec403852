/*
 * Socket addresses of character devices.
 */
#ifndef RH_CHARDEV_ADDRESS_H
#define RH_CHARDEV_ADDRESS_H

#include <sys/socket.h>
#include "qapi-types.h"
#include "softmmu/vm.h"

/** RhCharAddress - one resolved address */
typedef struct RhCharAddress {
    struct sockaddr_storage at;
    socklen_t len;
} RhCharAddress;

/** rh_char_resolve - the addresses that @addr (inet or unix) stands for, for sockets of @type; NULL and @err */
GArray *rh_char_resolve(const QmpSocketAddressLegacy *addr, int type, bool is_passive, GError **err);
/** rh_char_address_text - "unix:/path", "tcp:127.0.0.1:1234" with @scheme for tcp; g_free it */
char *rh_char_address_text(const struct sockaddr_storage *at, socklen_t len, const char *scheme);
/** rh_char_address_name - as the user wrote it, for messages; g_free it */
char *rh_char_address_name(const QmpSocketAddressLegacy *addr);
/** rh_char_listen - a listening socket; -1 and @err */
int rh_char_listen(const QmpSocketAddressLegacy *addr, GError **err);

#endif
