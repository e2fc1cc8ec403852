/* virtio-serial and its ports: shared by the two files. */
#ifndef RH_HW_CHAR_VIRTIO_SERIAL_H
#define RH_HW_CHAR_VIRTIO_SERIAL_H

#include "chardev/chardev.h"
#include "hw/virtio/virtio.h"

#define RH_TYPE_VIRTIO_SERIAL_BUS  "virtio-serial-bus"
#define RH_TYPE_VIRTIO_SERIAL_PORT "virtio-serial-port"

enum { VSERIAL_MAX_PORTS = 31 };

typedef struct VSerialPort VSerialPort;

typedef struct VSerial {
    RhVirtioDevice parent;
    uint32_t max_ports;             /* properties */
    bool has_emergency_write;
    RhBus *bus;                     /* wiring */
    VSerialPort *ports[VSERIAL_MAX_PORTS];
} VSerial;

typedef struct VSerialPortRegs {
    uint8_t is_guest_open;          /* the driver said so; or there is no multiport to say it with */
} VSerialPortRegs;

struct VSerialPort {
    RhDevice parent;
    uint32_t nr;                    /* properties */
    char *name;
    RhCharProp chardev;
    bool is_console;                /* wiring */
    bool is_host_open;
    VSerial *serial;
    RhCharUser user;
    RhVirtElem *sending;            /* a buffer that the back-end took in part */
    size_t sent;
    VSerialPortRegs regs;
};

/** vserial_control - events of §5.3.6.2 */
enum { CTL_DEVICE_READY, CTL_PORT_ADD, CTL_PORT_REMOVE, CTL_PORT_READY, CTL_CONSOLE_PORT, CTL_RESIZE, CTL_PORT_OPEN,
       CTL_PORT_NAME };

/** vserial_tell - a control message to the driver, with text behind it (NULL: none); nothing happens without multiport */
void vserial_tell(VSerial *serial, uint32_t port, uint16_t event, uint16_t value, const char *text);
/** vserial_port_queue - where the port receives (false) and sends (true), §5.3.2 */
RhVirtq *vserial_port_queue(const VSerialPort *port, bool is_send);
/** vserial_has_multiport - the driver took it */
bool vserial_has_multiport(const VSerial *serial);
/** vserial_enter/leave - a port comes and goes; enter gives it a number if it has none */
bool vserial_enter(VSerial *serial, VSerialPort *port, GError **err);
void vserial_leave(VSerial *serial, VSerialPort *port);

/** vserial_port_* - the driver's side of a port, called by the device */
void vserial_port_send(VSerialPort *port);          /* it made buffers available to send */
void vserial_port_receive(VSerialPort *port);       /* or to receive */
void vserial_port_set_guest_open(VSerialPort *port, bool is_open);
void vserial_port_introduce(VSerialPort *port);     /* it is ready for the port: tell it the rest */
void vserial_port_stop(VSerialPort *port);
void vserial_port_emergency(VSerialPort *port, uint8_t byte);

#endif
