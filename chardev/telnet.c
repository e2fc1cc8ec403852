/*
 * Taking TELNET commands out of a stream.
 */
#include "chardev/telnet.h"

enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, BRK = 243, SE = 240 };
enum { OPTION_BINARY = 0, OPTION_ECHO = 1, OPTION_NO_GO_AHEAD = 3 };
enum { STATE_DATA, STATE_COMMAND, STATE_OPTION, STATE_SUB, STATE_SUB_COMMAND };

const uint8_t rh_telnet_hello[12] = {
    IAC, WILL, OPTION_ECHO, IAC, WILL, OPTION_NO_GO_AHEAD, IAC, WILL, OPTION_BINARY, IAC, DO, OPTION_BINARY,
};

size_t rh_telnet_filter(RhTelnet *telnet, uint8_t *buf, size_t len, int *ret_break)
{
    size_t kept = 0;

    *ret_break = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = buf[i];

        switch (telnet->state) {
        case STATE_DATA:
            if (byte == IAC) {
                telnet->state = STATE_COMMAND;
            } else {
                buf[kept++] = byte;
            }
            break;
        case STATE_COMMAND:
            telnet->state = byte >= WILL && byte <= DONT ? STATE_OPTION : byte == SB ? STATE_SUB : STATE_DATA;
            if (byte == IAC) {
                buf[kept++] = IAC;
            }
            *ret_break |= byte == BRK;
            break;
        case STATE_OPTION: telnet->state = STATE_DATA; break;
        case STATE_SUB: telnet->state = byte == IAC ? STATE_SUB_COMMAND : STATE_SUB; break;
        default: telnet->state = byte == SE ? STATE_DATA : STATE_SUB; break;
        }
    }
    return kept;
}
