/*
 * 16550A UART core: registers, FIFOs and interrupt, without the bus it sits on. A front-end embeds an RhSerial,
 * attaches it in realize and passes register accesses on. Spec: PC16550D data sheet (National, 1995).
 * Lock: the machine lock.
 */
#ifndef RH_HW_CHAR_SERIAL_H
#define RH_HW_CHAR_SERIAL_H

#include "chardev/chardev.h"
#include "hw/core/device.h"

enum { RH_SERIAL_SPAN = 8, RH_SERIAL_FIFO = 16, RH_SERIAL_NR_FIELDS = 13 };

typedef struct RhSerialFifo {
    uint8_t bytes[RH_SERIAL_FIFO];
    uint8_t head;               /* index of the oldest */
    uint8_t count;
} RhSerialFifo;

typedef struct RhSerialRegs {
    uint16_t divisor;
    uint8_t ier;
    uint8_t fcr;
    uint8_t lcr;
    uint8_t mcr;
    uint8_t lsr;
    uint8_t msr;
    uint8_t scr;
    uint8_t thr_pending;        /* "transmitter empty" interrupt not yet acknowledged */
    uint8_t timeout_pending;    /* character timeout, §8.4 */
    RhSerialFifo rx;
    RhSerialFifo tx;
    int64_t timeout_ns;         /* guest time of the character timeout; INT64_MAX: none due */
} RhSerialRegs;

typedef struct RhSerial {
    RhSerialRegs regs;
    RhDevice *dev;              /* the front-end */
    RhLine *irq;
    RhCharUser user;
    RhTimer timeout;
    RhTimer modem_poll;
    uint32_t baudbase;
    bool wakes_up;              /* input ends suspend */
    bool has_modem;             /* the back-end has modem lines */
    bool is_sending;            /* private: transmit is running */
} RhSerial;

extern const RhSerialRegs rh_serial_at_reset;
extern const RhField rh_serial_fields[RH_SERIAL_NR_FIELDS];

/** RH_SERIAL_PROPS - what any bus's port has: members baudbase, wakeup and chardev of @T */
#define RH_SERIAL_PROPS(T)                                                                                 \
    RH_PROP("baudbase", T, baudbase, .def = 115200, .min = 1, .doc = "baud rate of divisor 1"),            \
    RH_PROP("wakeup",   T, wakeup,   .doc = "input wakes a suspended machine"),                            \
    RH_PROP_AS(rh_prop_chardev, "chardev", T, chardev, .doc = "ID of a chardev to use as a backend")

/** RH_SERIAL_STATE - the .state of a front-end T whose RhSerial is member @m */
#define RH_SERIAL_STATE(T, m)                                                                      \
    RH_STATE(T, m.regs, rh_serial_at_reset, .version = 1, .fields = RH_TABLE(rh_serial_fields))

/**
 * rh_serial_attach - from realize: tie @serial to its front-end @dev, interrupt @irq and back-end @chr (NULL: none) until
 * unrealize. @baudbase in Hz is what divisor 1 gives. @err when the back-end is in use.
 */
bool rh_serial_attach(RhSerial *serial, RhDevice *dev, RhLine *irq, RhChardev *chr, uint32_t baudbase, GError **err);
/** rh_serial_read/write - one byte-wide access to register @reg, 0 to 7 */
uint8_t rh_serial_read(RhSerial *serial, unsigned reg);
void rh_serial_write(RhSerial *serial, unsigned reg, uint8_t value);
/** rh_serial_settle - from the front-end's settle hook: interrupt, timers and back-end follow the registers */
void rh_serial_settle(RhSerial *serial);
/** rh_serial_check - from the front-end's check hook: @err for FIFO indices that cannot be */
bool rh_serial_check(const RhSerial *serial, GError **err);

#endif
