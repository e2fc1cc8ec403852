/*
 * serial - one 16550A of a card that has several: ports that the card places, and a line into it.
 * Spec: core in hw/char/serial.c.  Lock: machine lock (the default).
 */
#include "hw/char/serial-port.h"

static uint64_t serial_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return rh_serial_read(&RH_SELF(RhSerialPort, dev)->uart, at);
}

static void serial_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    rh_serial_write(&RH_SELF(RhSerialPort, dev)->uart, at, value);
}

static void serial_settle(RhDevice *dev)
{
    rh_serial_settle(&RH_SELF(RhSerialPort, dev)->uart);
}

static bool serial_check(RhDevice *dev, GError **err)
{
    return rh_serial_check(&RH_SELF(RhSerialPort, dev)->uart, err);
}

static bool serial_realize(RhDevice *dev, GError **err)
{
    RhSerialPort *self = RH_SELF(RhSerialPort, dev);

    self->uart.wakes_up = self->wakeup;
    return rh_serial_attach(&self->uart, dev, &self->line, self->chardev.chr, self->baudbase, err);
}

static const RhProp serial_props[] = {
    RH_PROP("baudbase", RhSerialPort, baudbase, .def = 115200, .min = 1, .doc = "baud rate of divisor 1"),
    RH_PROP("wakeup",   RhSerialPort, wakeup,   .doc = "input wakes a suspended machine"),
    RH_PROP_AS(rh_prop_chardev, "chardev", RhSerialPort, chardev, .doc = "ID of a chardev to use as a backend"),
};
static const RhRegionDesc serial_regions[] = {
    RH_REGION(RhSerialPort, ports, .span = RH_SERIAL_SPAN, .sizes = RH_SIZE_1, .read = serial_read,
              .write = serial_write),
};
static const RhLineDesc serial_lines[] = {
    { .offset = offsetof(RhSerialPort, line) },
};

RH_DEVICE(RhSerialPort,
    .name     = RH_TYPE_SERIAL_PORT,
    .parent   = RH_TYPE_DEVICE,
    .doc      = "16550A of a card",
    .category = "Input",
    .is_internal = true,
    .props    = RH_TABLE(serial_props),
    .regions  = RH_TABLE(serial_regions),
    .lines    = RH_TABLE(serial_lines),
    .state    = RH_SERIAL_STATE(RhSerialPort, uart),
    .realize  = serial_realize,
    .check    = serial_check,
    .settle   = serial_settle);
