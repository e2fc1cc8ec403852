/*
 * The little of TELNET (RFC 854) that a character device needs: the other side shall send single
 * characters, unechoed and of eight bits.
 */
#ifndef RH_CHARDEV_TELNET_H
#define RH_CHARDEV_TELNET_H

#include <stddef.h>
#include <stdint.h>

/** RhTelnet - zero-filled at the start of a connection */
typedef struct RhTelnet {
    uint8_t state;
} RhTelnet;

/** rh_telnet_hello - what a server says first */
extern const uint8_t rh_telnet_hello[12];
/** rh_telnet_filter - take commands out of @buf, in place; returns how many bytes of data are left; *@ret_break: a BREAK came */
size_t rh_telnet_filter(RhTelnet *telnet, uint8_t *buf, size_t len, int *ret_break);

#endif
