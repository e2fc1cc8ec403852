/* One UART as a device of its own, for cards that have several. */
#ifndef RH_HW_CHAR_SERIAL_PORT_H
#define RH_HW_CHAR_SERIAL_PORT_H

#include "hw/char/serial.h"

#define RH_TYPE_SERIAL_PORT "serial"

/** RhSerialPort - the card places ports and connects line */
typedef struct RhSerialPort {
    RhDevice parent;
    uint32_t baudbase;          /* properties */
    bool wakeup;
    RhCharProp chardev;
    RhRegion ports;             /* wiring; RH_SERIAL_SPAN bytes */
    RhLine line;
    RhSerial uart;
} RhSerialPort;

#endif
