/*
 * The console on COM1, and the way out: what 32-bit and 64-bit guests share.
 */
#include "micro.h"

static void put_char(char c)
{
    while (!(inb(PORT_COM1 + 5) & 0x20)) {
    }
    outb(PORT_COM1, (uint8_t)c);
}

void micro_puts(const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            put_char('\r');
        }
        put_char(*text);
    }
}

void micro_exit(int code)
{
    outl(PORT_DEBUG_EXIT, (uint32_t)code);
}
